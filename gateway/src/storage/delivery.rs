//! The queue of what must leave the gateway: what a worker leases and settles, and what an operator sees of it.
//!
//! A row holds references to versions and no payload. It ends as `delivered`, `rejected`, `dead`, `void` or `abandoned`; before that it
//! is `waiting`, `leased`, `uncertain` or `held`. What ends a lease is a [`Settlement`] in a write set, which rests on the fence.

use std::borrow::Cow;
use std::sync::LazyLock;

use sqlx::{ColumnIndex, Decode, Row, Type};

use super::rows::Kind::{Integer, Text};
use super::rows::{Cell, Fat, Rows};
use super::write_set::{VersionId, WriteSet};
use super::{Database, StorageError, Store, read, write};
use crate::search::parameters::type_name;

/// What must leave the gateway: a reference to a version, never a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// The record.
    pub compartment: String,
    /// Time-ordered id, and the reference by which a partner knows it.
    pub id: String,
    /// `organization/<id>`, `dpo/<id>`, `subscription/<id>`, or a partner's name.
    pub partner: String,
    /// What is to be told.
    pub kind: Cow<'static, str>,
    /// About which type.
    pub resource_type: &'static str,
    /// About which resource.
    pub resource_id: String,
    /// About which version.
    pub version: VersionId,
    /// When it may be sent, UTC milliseconds.
    pub due_ms: i64,
}

/// A row of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: String,
    /// The record.
    pub compartment: String,
    /// To whom.
    pub partner: String,
    /// What is to be told.
    pub kind: String,
    /// `waiting`, `leased`, `uncertain`, `held`, or how it ended.
    pub state: String,
    /// The type it is about.
    pub resource_type: String,
    /// The resource it is about.
    pub resource_id: String,
    /// The version it is about.
    pub version_id: i64,
    /// How often it was sent.
    pub attempts: i64,
    /// How often the partner was asked whether it has it.
    pub inquiries: i64,
    /// Whether the partner may have it, so that it is asked before anything is sent.
    pub asks: bool,
    /// When something is to be done with it, UTC milliseconds.
    pub due_ms: i64,
    /// Moves with every lease and every end.
    pub fence: i64,
    /// Since when it is in the queue.
    pub made_ms: i64,
    /// When it came to its end; 0 before.
    pub settled_ms: i64,
    /// Why it is in its state: a code; may be empty.
    pub cause: String,
    /// The same in a sentence.
    pub cause_text: String,
    /// The delivery that this one repeats; may be empty.
    pub parent: String,
    /// Where it is or was held since a restore: its state in the backup.
    pub held_from: String,
    /// The order that it comes from, where it is about a referral's Task.
    pub service_request: Option<String>,
}

/// What becomes of a delivery. It holds only as long as the fence does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The record.
    pub compartment: String,
    /// The delivery.
    pub id: String,
    /// The fence under which it was leased or looked at.
    pub fence: i64,
    /// The state that follows.
    pub state: &'static str,
    /// When something is to be done with it.
    pub due_ms: i64,
    /// Whether the partner is asked first.
    pub asks: bool,
    /// Whether this was an inquiry.
    pub was_asked: bool,
    /// Why: a code; may be empty.
    pub cause: String,
    /// The same in a sentence.
    pub cause_text: String,
    /// When it came to its end; 0 where it has not.
    pub settled_ms: i64,
}

/// How many deliveries of one state wait for one partner, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryCount {
    /// To whom.
    pub partner: String,
    /// `waiting`, `leased`, `uncertain`, `held` or `dead`.
    pub state: String,
    /// How many.
    pub deliveries: i64,
    /// Since when the oldest is in the queue, UTC milliseconds.
    pub oldest_ms: i64,
}

pub(super) const COLUMNS: &str = "id, compartment, partner, kind, state, resource_type, resource_id, version_id, attempts, inquiries, asks, \
                       due_ms, fence, made_ms, settled_ms, cause, cause_text, parent, held_from";
/// Only where somebody looks: a worker does not need it.
const ORDER: &str = "(SELECT t.service_request FROM referral_task t WHERE t.compartment = delivery.compartment \
                     AND t.id = delivery.resource_id AND delivery.resource_type = 'Task')";
/// Of a state and to a partner, each of which may be left open.
const MATCHING: &str = "FROM delivery WHERE ($1 IS NULL OR state = $1) AND ($2 IS NULL OR partner = $2)";
/// What comes before every delivery.
pub const FIRST: (i64, &str) = (i64::MIN, "");
/// What has not ended and is not held. It stands in the index word by word.
const OPEN: &str = "state IN ('waiting', 'leased', 'uncertain')";

pub(super) fn delivery<'r, R>(row: &'r R) -> Delivery
where
    R: Row,
    usize: ColumnIndex<R>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    Delivery {
        id: row.get(0),
        compartment: row.get(1),
        partner: row.get(2),
        kind: row.get(3),
        state: row.get(4),
        resource_type: row.get(5),
        resource_id: row.get(6),
        version_id: row.get(7),
        attempts: row.get(8),
        inquiries: row.get(9),
        asks: row.get::<i64, _>(10) != 0,
        due_ms: row.get(11),
        fence: row.get(12),
        made_ms: row.get(13),
        settled_ms: row.get(14),
        cause: row.get(15),
        cause_text: row.get(16),
        parent: row.get(17),
        held_from: row.get(18),
        service_request: row.get(19),
    }
}

impl Store {
    /// The deliveries of a record, oldest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn deliveries(&self, compartment: &str) -> Result<Vec<Delivery>, StorageError> {
        let sql = format!("SELECT {COLUMNS}, {ORDER} FROM delivery WHERE compartment = $1 ORDER BY id");
        read!(&self.database, |pool| {
            let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(compartment).fetch_all(pool).await?;
            Ok(rows.iter().map(delivery).collect())
        })
    }

    /// One delivery.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn delivery(&self, id: &str) -> Result<Option<Delivery>, StorageError> {
        let sql = format!("SELECT {COLUMNS}, {ORDER} FROM delivery WHERE id = $1");
        read!(&self.database, |pool| {
            let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(pool).await?;
            Ok(row.as_ref().map(delivery))
        })
    }

    /// Up to so many deliveries of a state and to a partner (each may be left open), the oldest first, and how many there are.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn list_deliveries(
        &self,
        state: Option<&str>,
        partner: Option<&str>,
        deliveries_max: u32,
    ) -> Result<(Vec<Delivery>, i64), StorageError> {
        let count = format!("SELECT COUNT(*) {MATCHING}");
        let total: Result<i64, StorageError> = read!(&self.database, |pool| {
            let query = sqlx::query_scalar(sqlx::AssertSqlSafe(count)).bind(state).bind(partner);
            Ok(query.fetch_one(pool).await?)
        });
        let total = total?;
        Ok((self.deliveries_after((state, partner), FIRST, deliveries_max).await?, total))
    }

    /// A page of the same: those that come after a moment and id, [`FIRST`] for all of them.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn deliveries_after(
        &self,
        (state, partner): (Option<&str>, Option<&str>),
        (made_ms, id): (i64, &str),
        deliveries_max: u32,
    ) -> Result<Vec<Delivery>, StorageError> {
        let sql = format!(
            "SELECT {COLUMNS}, {ORDER} {MATCHING} AND (made_ms, id) > ($3, $4) ORDER BY made_ms, id LIMIT CAST($5 AS BIGINT)"
        );
        read!(&self.database, |pool| {
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(state).bind(partner).bind(made_ms).bind(id);
            let rows = query.bind(i64::from(deliveries_max)).fetch_all(pool).await?;
            Ok(rows.iter().map(delivery).collect())
        })
    }

    /// How many deliveries have not ended or are dead, by partner and state.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn delivery_counts(&self) -> Result<Vec<DeliveryCount>, StorageError> {
        let sql = "SELECT partner, state, COUNT(*), MIN(made_ms) FROM delivery \
                   WHERE state IN ('waiting', 'leased', 'uncertain', 'held', 'dead') GROUP BY partner, state ORDER BY partner, state";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).fetch_all(pool).await?;
            let count = |row: &_| DeliveryCount {
                partner: Row::get(row, 0),
                state: Row::get(row, 1),
                deliveries: Row::get(row, 2),
                oldest_ms: Row::get(row, 3),
            };
            Ok(rows.iter().map(count).collect())
        })
    }

    /// Up to so many resources of a record, by type and id; deleted ones are left out. Nothing of them is shown.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn keys_of_record(
        &self,
        compartment: &str,
        resources_max: u32,
    ) -> Result<Vec<(&'static str, String)>, StorageError> {
        let sql = "SELECT resource_type, id FROM resource WHERE compartment = $1 AND deleted = 0 ORDER BY resource_type, id LIMIT CAST($2 AS BIGINT)";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(compartment).bind(i64::from(resources_max)).fetch_all(pool).await?;
            let key = |row: &_| Some((type_name(&Row::get::<String, _>(row, 0))?, Row::get(row, 1)));
            Ok(rows.iter().filter_map(key).collect())
        })
    }

    /// The partners for whom something is due. It steps through the index from partner to partner, however many rows wait for each.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn due_partners(&self, now_ms: i64) -> Result<Vec<String>, StorageError> {
        let sql = format!(
            "WITH RECURSIVE known(partner) AS (SELECT MIN(partner) FROM delivery WHERE {OPEN} UNION ALL \
             SELECT (SELECT MIN(d.partner) FROM delivery d WHERE d.{OPEN} AND d.partner > known.partner) FROM known \
             WHERE known.partner IS NOT NULL) SELECT partner FROM known WHERE partner IS NOT NULL \
             AND EXISTS (SELECT 1 FROM delivery d WHERE d.partner = known.partner AND d.{OPEN} AND d.due_ms <= $1)"
        );
        read!(&self.database, |pool| {
            Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(now_ms).fetch_all(pool).await?)
        })
    }

    /// Takes up to so many due deliveries to one partner for a worker, until the lease ends: what waits, what is to be asked about, and
    /// what another worker took and never settled, which may have left. Of two about the same resource the older goes first, and the
    /// younger when that one has ended. What is held is not among them.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn lease_deliveries(
        &self,
        partner: &str,
        now_ms: i64,
        until_ms: i64,
        deliveries_max: u32,
    ) -> Result<Vec<Delivery>, StorageError> {
        let skip = if matches!(self.database, Database::Postgres { .. }) { "FOR UPDATE OF d SKIP LOCKED" } else { "" };
        // The condition stands twice: between the two another worker may have taken the row. Materialized, or PostgreSQL may look for
        // the rows more than once, and take more than are asked for. What is asked of an older one has `|| ''` on all but its resource, by whose
        // index it is looked up: without figures of the table PostgreSQL would rather walk its record, or its partner.
        let sql = format!(
            "WITH due AS MATERIALIZED (SELECT d.compartment, d.id FROM delivery d \
             WHERE d.partner = $1 AND d.{OPEN} AND d.due_ms <= $2 AND NOT EXISTS (SELECT 1 FROM delivery e \
             WHERE e.resource_id = d.resource_id AND e.state IN ('waiting', 'leased', 'uncertain', 'held') \
             AND e.resource_type || '' = d.resource_type AND e.compartment || '' = d.compartment \
             AND e.partner || '' = d.partner AND e.id || '' < d.id) ORDER BY d.due_ms, d.id LIMIT CAST($4 AS BIGINT) {skip}) \
             UPDATE delivery SET asks = CASE WHEN state = 'waiting' THEN asks ELSE 1 END, \
             attempts = attempts + CASE WHEN state = 'waiting' AND asks = 0 THEN 1 ELSE 0 END, \
             state = 'leased', leased_until_ms = $3, due_ms = $3, fence = fence + 1 \
             WHERE {OPEN} AND due_ms <= $2 AND (compartment, id) IN (SELECT compartment, id FROM due) \
             RETURNING {COLUMNS}, NULL"
        );
        write!(&self.database, |pool| {
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(partner).bind(now_ms).bind(until_ms);
            let rows = query.bind(i64::from(deliveries_max)).fetch_all(pool).await?;
            Ok(rows.iter().map(delivery).collect())
        })
    }
}

pub(super) static PUT_DELIVERY: LazyLock<Fat> = LazyLock::new(|| {
    let columns = [
        ("compartment", Text),
        ("id", Text),
        ("partner", Text),
        ("kind", Text),
        ("resource_type", Text),
        ("resource_id", Text),
        ("version_id", Integer),
        ("state", Text),
        ("attempts", Integer),
        ("due_ms", Integer),
        ("leased_until_ms", Integer),
        ("fence", Integer),
        ("made_ms", Integer),
        ("parent", Text),
    ];
    Fat::insert("delivery", &columns, "")
});

/// What waited to leave about a resource does not leave any more. What a worker has at this moment may be on its way.
pub(super) static VOID_DELIVERY: LazyLock<Fat> = LazyLock::new(|| {
    Fat::over(
        "UPDATE delivery SET cause = CASE WHEN asks = 1 OR state IN ('leased', 'uncertain') THEN 'perhaps-sent' ELSE 'overtaken' END, \
         cause_text = '', state = 'void', fence = fence + 1 WHERE state IN ('waiting', 'leased', 'uncertain', 'held') \
         AND (compartment, resource_type, resource_id) IN (SELECT compartment, resource_type, resource_id FROM ",
        &[("compartment", Text), ("resource_type", Text), ("resource_id", Text)],
        ")",
    )
});

/// A lease ends, or an operator decides.
pub(super) static SETTLE_DELIVERY: LazyLock<Fat> = LazyLock::new(|| {
    Fat::over(
        "UPDATE delivery SET state = q.state, due_ms = q.due_ms, asks = q.asks, inquiries = delivery.inquiries + q.was_asked, \
         cause = q.cause, cause_text = q.cause_text, settled_ms = q.settled_ms, leased_until_ms = 0, \
         fence = delivery.fence + 1 FROM ",
        &[
            ("compartment", Text),
            ("id", Text),
            ("fence", Integer),
            ("state", Text),
            ("due_ms", Integer),
            ("asks", Integer),
            ("was_asked", Integer),
            ("cause", Text),
            ("cause_text", Text),
            ("settled_ms", Integer),
        ],
        " WHERE delivery.compartment = q.compartment AND delivery.id = q.id AND delivery.fence = q.fence",
    )
    .within("delivery")
});

pub(super) fn delivery_rows(set: &WriteSet) -> Rows<'_> {
    fn row<'a>(delivery: &'a NewDelivery, parent: &'a str, leased: &[Delivery]) -> Vec<Cell<'a>> {
        let lease = leased.iter().find(|one| one.id == delivery.id);
        let (attempts, until_ms, fence) = lease.map_or((0, 0, 0), |one| (one.attempts, one.due_ms, one.fence));
        vec![
            delivery.compartment.as_str().into(),
            delivery.id.as_str().into(),
            delivery.partner.as_str().into(),
            delivery.kind.as_ref().into(),
            delivery.resource_type.into(),
            delivery.resource_id.as_str().into(),
            delivery.version.0.into(),
            if lease.is_some() { "leased" } else { "waiting" }.into(),
            attempts.into(),
            lease.map_or(delivery.due_ms, |one| one.due_ms).into(),
            until_ms.into(),
            fence.into(),
            delivery.due_ms.into(),
            parent.into(),
        ]
    }
    let first = set.deliveries.iter().map(|one| row(one, "", &set.leased));
    first.chain(set.repeated_deliveries.iter().map(|(one, parent)| row(one, parent, &[]))).collect()
}

pub(super) fn settlement_rows(set: &WriteSet) -> Rows<'_> {
    fn row(one: &Settlement) -> Vec<Cell<'_>> {
        vec![
            one.compartment.as_str().into(),
            one.id.as_str().into(),
            one.fence.into(),
            one.state.into(),
            one.due_ms.into(),
            i64::from(one.asks).into(),
            i64::from(one.was_asked).into(),
            one.cause.as_str().into(),
            one.cause_text.as_str().into(),
            one.settled_ms.into(),
        ]
    }
    set.settlements.iter().map(row).collect()
}
