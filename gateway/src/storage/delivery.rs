//! What must leave the gateway, as an operator and a worker see it.

use sqlx::Row;

use super::{StorageError, Store, read, write};

/// A row of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: String,
    /// To whom.
    pub partner: String,
    /// What is to be told.
    pub kind: String,
    /// `waiting`, `leased`, `delivered`, `void`, `held`, …
    pub state: String,
    /// The type it is about.
    pub resource_type: String,
    /// The resource it is about.
    pub resource_id: String,
}

/// A delivery that does not leave until an operator has decided: the database was restored to a state in which it had not left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldDelivery {
    /// Its id.
    pub id: String,
    /// To whom.
    pub partner: String,
    /// What is to be told.
    pub kind: String,
    /// The type it is about.
    pub resource_type: String,
    /// The resource it is about.
    pub resource_id: String,
    /// The order that it comes from, where it is about a referral.
    pub service_request: Option<String>,
    /// Its state in the backup: `leased` was perhaps on its way.
    pub was: String,
    /// How often it had been tried.
    pub attempts: i64,
    /// Since when it waits.
    pub due_ms: i64,
}

/// A delivery that a worker has for itself until the lease ends. What it reports counts only with this fence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedDelivery {
    /// Its id.
    pub id: String,
    /// The record.
    pub compartment: String,
    /// What is to be told.
    pub kind: String,
    /// The type it is about.
    pub resource_type: String,
    /// The resource it is about.
    pub resource_id: String,
    /// The version it is about.
    pub version_id: i64,
    /// Moves with every lease.
    pub fence: i64,
}

impl Store {
    /// The deliveries of a record, oldest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn deliveries(&self, compartment: &str) -> Result<Vec<Delivery>, StorageError> {
        let sql = "SELECT id, partner, kind, state, resource_type, resource_id FROM delivery WHERE compartment = $1 ORDER BY id";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(compartment).fetch_all(pool).await?;
            let delivery = |row: &_| Delivery {
                id: Row::get(row, 0),
                partner: Row::get(row, 1),
                kind: Row::get(row, 2),
                state: Row::get(row, 3),
                resource_type: Row::get(row, 4),
                resource_id: Row::get(row, 5),
            };
            Ok(rows.iter().map(delivery).collect())
        })
    }

    /// Takes up to so many waiting deliveries to one partner for a worker, until the lease ends. What is held is not among them.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn lease_deliveries(
        &self,
        partner: &str,
        now_ms: i64,
        until_ms: i64,
        deliveries_max: u32,
    ) -> Result<Vec<LeasedDelivery>, StorageError> {
        let skip =
            if matches!(self.database, super::Database::Postgres { .. }) { "FOR UPDATE SKIP LOCKED" } else { "" };
        // The condition stands twice: between the two another worker may have taken the row.
        let sql = format!(
            "UPDATE delivery SET state = 'leased', leased_until_ms = $3, attempts = attempts + 1, fence = fence + 1 \
             WHERE state = 'waiting' AND (compartment, id) IN (SELECT compartment, id FROM delivery WHERE partner = $1 \
             AND state = 'waiting' AND due_ms <= $2 ORDER BY due_ms, id LIMIT $4 {skip}) \
             RETURNING id, compartment, kind, resource_type, resource_id, version_id, fence"
        );
        write!(&self.database, |pool| {
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(partner).bind(now_ms).bind(until_ms);
            let rows = query.bind(i64::from(deliveries_max)).fetch_all(pool).await?;
            let leased = |row: &_| LeasedDelivery {
                id: Row::get(row, 0),
                compartment: Row::get(row, 1),
                kind: Row::get(row, 2),
                resource_type: Row::get(row, 3),
                resource_id: Row::get(row, 4),
                version_id: Row::get(row, 5),
                fence: Row::get(row, 6),
            };
            Ok(rows.iter().map(leased).collect())
        })
    }

    /// Up to so many deliveries that are held, oldest first, and how many there are.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn held_deliveries(&self, deliveries_max: u32) -> Result<(Vec<HeldDelivery>, i64), StorageError> {
        let count = "SELECT COUNT(*) FROM delivery WHERE state = 'held'";
        let sql = "SELECT d.id, d.partner, d.kind, d.resource_type, d.resource_id, t.service_request, d.held_from, d.attempts, \
                   d.due_ms FROM delivery d LEFT JOIN referral_task t ON t.compartment = d.compartment AND t.id = d.resource_id \
                   AND d.resource_type = 'Task' WHERE d.state = 'held' ORDER BY d.due_ms, d.id LIMIT $1";
        read!(&self.database, |pool| {
            let total = sqlx::query_scalar(count).fetch_one(pool).await?;
            let rows = sqlx::query(sql).bind(i64::from(deliveries_max)).fetch_all(pool).await?;
            let held = |row: &_| HeldDelivery {
                id: Row::get(row, 0),
                partner: Row::get(row, 1),
                kind: Row::get(row, 2),
                resource_type: Row::get(row, 3),
                resource_id: Row::get(row, 4),
                service_request: Row::get(row, 5),
                was: Row::get(row, 6),
                attempts: Row::get(row, 7),
                due_ms: Row::get(row, 8),
            };
            Ok((rows.iter().map(held).collect(), total))
        })
    }

    /// Lets a held delivery wait again, or all of them; they are due now, and Consents are asked again before each is sent. Answers how
    /// many.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn release_deliveries(&self, id: Option<&str>, now_ms: i64) -> Result<u64, StorageError> {
        let sql = "UPDATE delivery SET state = 'waiting', due_ms = $1, fence = fence + 1 \
                   WHERE state = 'held' AND ($2 IS NULL OR id = $2)";
        write!(&self.database, |pool| {
            Ok(sqlx::query(sql).bind(now_ms).bind(id).execute(pool).await?.rows_affected())
        })
    }

    /// Gives a held delivery up, or all of them. Answers how many.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn drop_deliveries(&self, id: Option<&str>) -> Result<u64, StorageError> {
        let sql =
            "UPDATE delivery SET state = 'void', fence = fence + 1 WHERE state = 'held' AND ($1 IS NULL OR id = $1)";
        write!(&self.database, |pool| Ok(sqlx::query(sql).bind(id).execute(pool).await?.rows_affected()))
    }
}
