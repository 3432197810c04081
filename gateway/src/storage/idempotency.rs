//! What is remembered of answered requests, and how long.

use std::sync::LazyLock;

use sqlx::Row;

use super::rows::{Fat, Kind};
use super::{StorageError, Store, read, write};

/// Remembers an answer.
pub(super) static PUT_KEY: LazyLock<Fat> = LazyLock::new(|| {
    let text = |name| (name, Kind::Text);
    let columns = [text("client_id"), text("idempotency_key"), text("fingerprint"), text("answer")];
    Fat::insert("idempotency_key", &[&columns[..], &[("created_ms", Kind::Integer)]].concat(), "")
});

/// What is remembered of an answered request: its fingerprint, status and locations, never a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Whose key.
    pub client_id: String,
    /// The key sent.
    pub key: String,
    /// SHA-256 of method, path and body.
    pub fingerprint: String,
    /// Status and location lines.
    pub answer: String,
    /// UTC milliseconds.
    pub created_ms: i64,
}

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

    /// Forgets what nobody can still be waiting for: exports and jobs that are over, keys and guards before one moment, deliveries that
    /// have ended or that nobody could be sent and counts of refusals before another. Answers how many rows went.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn forget(
        &self,
        now_ms: i64,
        (keys_before_ms, others_before_ms): (i64, i64),
    ) -> Result<u64, StorageError> {
        let aged: &[(&'static str, i64)] = &[
            ("DELETE FROM idempotency_key WHERE created_ms < $1", keys_before_ms),
            ("DELETE FROM guard WHERE touched_ms < $1", keys_before_ms),
            ("DELETE FROM export_job WHERE expires_ms <= $1", now_ms),
            ("DELETE FROM async_job WHERE expires_ms <= $1", now_ms),
            (
                "DELETE FROM delivery WHERE (state = 'waiting' AND due_ms < $1) OR (state NOT IN ('waiting', 'leased', 'uncertain', 'held') \
                 AND CASE WHEN made_ms = 0 THEN due_ms ELSE made_ms END < $1)",
                others_before_ms,
            ),
            ("DELETE FROM refusal_count WHERE minute_ms < $1", others_before_ms),
        ];
        let mut rows = 0;
        for (sql, before_ms) in aged {
            rows += write!(&self.database, |pool| {
                sqlx::query(*sql).bind(before_ms).execute(pool).await?.rows_affected()
            });
        }
        Ok(rows)
    }
}
