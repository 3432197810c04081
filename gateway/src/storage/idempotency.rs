//! What is remembered of answered requests, and how long.

use sqlx::Row;

use super::{StorageError, Store, read, write};

/// An answer kept under an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// SHA-256 of what was asked.
    pub fingerprint: String,
    /// Status and location lines.
    pub answer: String,
}

impl Store {
    /// What was answered under this key.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn kept_answer(&self, client_id: &str, key: &str) -> Result<Option<KeptAnswer>, StorageError> {
        let sql = "SELECT fingerprint, answer FROM idempotency_key WHERE client_id = $1 AND idempotency_key = $2";
        read!(&self.database, |pool| {
            let row = sqlx::query(sql).bind(client_id).bind(key).fetch_optional(pool).await?;
            Ok(row.map(|row| KeptAnswer { fingerprint: row.get(0), answer: row.get(1) }))
        })
    }

    /// Forgets keys and guards that nobody can still be waiting for; answers how many rows went.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn forget_keys(&self, before_ms: i64) -> Result<u64, StorageError> {
        write!(&self.database, |pool| {
            let keys = sqlx::query("DELETE FROM idempotency_key WHERE created_ms < $1").bind(before_ms);
            let keys = keys.execute(pool).await?.rows_affected();
            let guards = sqlx::query("DELETE FROM guard WHERE touched_ms < $1").bind(before_ms);
            Ok(keys + guards.execute(pool).await?.rows_affected())
        })
    }
}
