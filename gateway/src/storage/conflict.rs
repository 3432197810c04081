//! Contradictions between Consents: read to show them to whoever holds the record, and to end them.

use sqlx::Row;

use super::write_set::GrantRow;
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

    /// The stored rules of every Consent of a record.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn grant_rows(&self, compartment: &str) -> Result<Vec<GrantRow>, StorageError> {
        let sql = "SELECT consent_id, rule, grantee, effect, excepts, purposes, from_ms, until_ms FROM access_grant \
                   WHERE compartment = $1 ORDER BY consent_id, rule, grantee";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(compartment).fetch_all(pool).await?;
            let grant = |row: &_| {
                let effect: String = Row::get(row, 3);
                Ok(GrantRow {
                    compartment: compartment.to_owned(),
                    consent_id: Row::get(row, 0),
                    rule: Row::get(row, 1),
                    grantee: Row::get(row, 2),
                    effect: ["permit", "deny", "exception"]
                        .into_iter()
                        .find(|known| *known == effect)
                        .ok_or(StorageError::Corrupt("effect of a grant"))?,
                    excepts: Row::get(row, 4),
                    purposes: Row::get(row, 5),
                    from_ms: Row::get(row, 6),
                    until_ms: Row::get(row, 7),
                })
            };
            rows.iter().map(grant).collect()
        })
    }
}
