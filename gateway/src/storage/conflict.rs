//! Contradictions between Consents: read to show them to whoever holds the record, and to end them.

use sqlx::Row;

use super::{StorageError, Store, read};

/// A stored contradiction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConflict {
    /// Its id.
    pub id: String,
    /// The Consent that permits.
    pub permit_consent: String,
    /// The Consent that denies.
    pub deny_consent: String,
    /// Whom the first names.
    pub grantee: String,
    /// When it was found, UTC milliseconds.
    pub detected_ms: i64,
    /// When one of the two changed, UTC milliseconds; none while it lasts.
    pub resolved_ms: Option<i64>,
}

impl Store {
    /// The contradictions of a record, oldest first: those that last, or all that there ever were. It is read to be decided on,
    /// or for whoever holds the record.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn consent_conflicts(
        &self,
        compartment: &str,
        with_resolved: bool,
    ) -> Result<Vec<StoredConflict>, StorageError> {
        let sql = "SELECT id, permit_consent, deny_consent, grantee, detected_ms, resolved_ms FROM consent_conflict \
                   WHERE compartment = $1 AND (resolved_ms IS NULL OR $2 = 1) ORDER BY id";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(compartment).bind(i64::from(with_resolved)).fetch_all(pool).await?;
            let conflict = |row: &_| StoredConflict {
                id: Row::get(row, 0),
                permit_consent: Row::get(row, 1),
                deny_consent: Row::get(row, 2),
                grantee: Row::get(row, 3),
                detected_ms: Row::get(row, 4),
                resolved_ms: Row::get(row, 5),
            };
            Ok(rows.iter().map(conflict).collect())
        })
    }
}
