//! Who acts for the person of a record: rows that a RelatedPerson becomes, in the write set that writes it.

use sqlx::Row;

use super::{StorageError, Store, read};

/// One thing that a RelatedPerson may do for the person of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepresentativeRow {
    /// The record.
    pub compartment: String,
    /// `related-person/<id>`.
    pub related_person: String,
    /// A code of [`crate::consent::RepresentationScope`].
    pub scope: &'static str,
    /// UTC milliseconds, inclusive.
    pub from_ms: i64,
    /// UTC milliseconds, exclusive.
    pub until_ms: i64,
}

impl Store {
    /// The scopes that a RelatedPerson (`related-person/<id>`) has in a record at this moment, sorted.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn representation(
        &self,
        compartment: &str,
        related_person: &str,
        now_ms: i64,
    ) -> Result<Vec<String>, StorageError> {
        let sql = "SELECT scope FROM representative WHERE compartment = $1 AND related_person = $2 \
                   AND from_ms <= $3 AND $3 < until_ms ORDER BY scope";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(compartment).bind(related_person).bind(now_ms).fetch_all(pool).await?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        })
    }
}
