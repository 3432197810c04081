//! What must leave the gateway, as an operator and a worker see it.

use sqlx::Row;

use super::{StorageError, Store, read};

/// A row of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: String,
    /// To whom.
    pub partner: String,
    /// What is to be told.
    pub kind: String,
    /// `waiting`, `leased`, `delivered`, `void`, …
    pub state: String,
    /// The type it is about.
    pub resource_type: String,
    /// The resource it is about.
    pub resource_id: String,
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
}
