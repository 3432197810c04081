//! Contradictions between Consents: read to show them to whoever holds the record, and to end them.

use std::sync::LazyLock;

use sqlx::Row;

use super::rows::Kind::{Integer, Text};
use super::rows::{Cell, Fat, Rows};
use super::write_set::{ConflictRow, WriteSet};
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

pub(super) static PUT_CONFLICT: LazyLock<Fat> = LazyLock::new(|| {
    let columns = &[
        ("compartment", Text),
        ("id", Text),
        ("permit_consent", Text),
        ("deny_consent", Text),
        ("grantee", Text),
        ("detected_ms", Integer),
    ];
    Fat::insert("consent_conflict", columns, "")
});

pub(super) static RESOLVE_CONFLICT: LazyLock<Fat> = LazyLock::new(|| {
    Fat::over(
        "UPDATE consent_conflict SET resolved_ms = q.resolved_ms FROM ",
        &[("compartment", Text), ("id", Text), ("resolved_ms", Integer)],
        " WHERE consent_conflict.compartment = q.compartment AND consent_conflict.id = q.id",
    )
});

/// The rows of contradictions that begin.
pub(super) fn conflict_rows(set: &WriteSet) -> Rows<'_> {
    fn row(conflict: &ConflictRow) -> Vec<Cell<'_>> {
        vec![
            conflict.compartment.as_str().into(),
            conflict.id.as_str().into(),
            conflict.permit_consent.as_str().into(),
            conflict.deny_consent.as_str().into(),
            conflict.grantee.as_str().into(),
            conflict.detected_ms.into(),
        ]
    }
    set.conflicts.iter().map(row).collect()
}

/// The rows of contradictions that end.
pub(super) fn resolved_rows(set: &WriteSet) -> Rows<'_> {
    fn row((compartment, id, resolved_ms): &(String, String, i64)) -> Vec<Cell<'_>> {
        vec![compartment.as_str().into(), id.as_str().into(), (*resolved_ms).into()]
    }
    set.resolved_conflicts.iter().map(row).collect()
}
