//! What the token endpoint remembers: the assertions that were shown to it, and the tokens that were taken back.

use super::{StorageError, Store, write};

/// By how much the clocks of replicas may differ.
const AFTER_MS: i64 = 60_000;

impl Store {
    /// Remembers an assertion of a client until it ends. False where it was shown before, to whichever replica: it is good once.
    ///
    /// # Errors
    /// [`StorageError`]: then nobody knows, and nothing is granted.
    pub async fn is_first_use(&self, client_id: &str, assertion_id: &str, until_ms: i64) -> Result<bool, StorageError> {
        let sql = "INSERT INTO client_assertion (client_id, assertion_id, until_ms) VALUES ($1, $2, $3) \
                   ON CONFLICT (client_id, assertion_id) DO NOTHING";
        write!(&self.database, |pool| {
            let done = sqlx::query(sql).bind(client_id).bind(assertion_id).bind(until_ms).execute(pool).await?;
            Ok(done.rows_affected() == 1)
        })
    }

    /// Takes a token back, until it would end by itself.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn revoke_token(&self, token_id: &str, until_ms: i64) -> Result<(), StorageError> {
        let sql = "INSERT INTO revoked_token (token_id, until_ms) VALUES ($1, $2) ON CONFLICT (token_id) DO NOTHING";
        write!(&self.database, |pool| {
            sqlx::query(sql).bind(token_id).bind(until_ms).execute(pool).await?;
            Ok(())
        })
    }

    /// Forgets assertions and tokens that ended a while ago, so that no replica whose clock is behind takes one for good. Answers how
    /// many.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn forget_tokens(&self, now_ms: i64) -> Result<u64, StorageError> {
        let mut rows = 0;
        for sql in ["DELETE FROM client_assertion WHERE until_ms < $1", "DELETE FROM revoked_token WHERE until_ms < $1"]
        {
            rows += write!(&self.database, |pool| {
                sqlx::query(sql).bind(now_ms - AFTER_MS).execute(pool).await?.rows_affected()
            });
        }
        Ok(rows)
    }
}
