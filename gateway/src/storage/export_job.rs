//! Exports under way: what was asked, by whom and when. Nothing of an answer is kept.

use sqlx::{AssertSqlSafe, Row};

use super::{StorageError, Store, read, write};

/// An export that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportJob {
    /// Its id, by which it is asked about.
    pub id: String,
    /// The client that asked.
    pub owner: String,
    /// `organization/<id>` for which it asked.
    pub organization: String,
    /// `system`, `patient` or `group`.
    pub level: String,
    /// The id of the Group; empty at the other levels.
    pub group: String,
    /// The types, separated by spaces.
    pub types: String,
    /// Only what was changed after this moment, UTC milliseconds; none where everything is asked.
    pub since_ms: Option<i64>,
    /// The moment of which it tells, UTC milliseconds.
    pub moment_ms: i64,
    /// From which moment on it is not there any more, UTC milliseconds.
    pub expires_ms: i64,
    /// The address by which it was asked.
    pub request: String,
    /// What its file of errors holds, a line an OperationOutcome; may be empty.
    pub notes: String,
}

/// Everything that was ever changed.
const ALWAYS_MS: i64 = i64::MIN;

const COLUMNS: &str =
    "id, owner, organization, level, patient_group, types, since_ms, moment_ms, expires_ms, request, notes";

impl Store {
    /// Keeps an export, unless its client has so many at this moment. Answers whether it is kept.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_export(&self, job: &ExportJob, most: u32) -> Result<bool, StorageError> {
        let sql = format!(
            "INSERT INTO export_job ({COLUMNS}) SELECT $1, CAST($2 AS TEXT), $3, $4, $5, $6, CAST($7 AS BIGINT), CAST($8 AS BIGINT), \
             CAST($9 AS BIGINT), $10, $11 \
             WHERE (SELECT COUNT(*) FROM export_job WHERE owner = CAST($2 AS TEXT) AND expires_ms > CAST($8 AS BIGINT)) \
               < CAST($12 AS BIGINT)"
        );
        let ExportJob { id, owner, organization, level, group, types, request, notes, .. } = job;
        write!(&self.database, |pool| {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(id).bind(owner).bind(organization).bind(level);
            let query = query.bind(group).bind(types).bind(job.since_ms.unwrap_or(ALWAYS_MS)).bind(job.moment_ms);
            let query = query.bind(job.expires_ms).bind(request).bind(notes).bind(i64::from(most));
            Ok(query.execute(pool).await?.rows_affected() == 1)
        })
    }

    /// The export of this id, for whoever asked for it and as long as it is kept.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn export_job(
        &self,
        id: &str,
        (owner, organization): (&str, &str),
        now_ms: i64,
    ) -> Result<Option<ExportJob>, StorageError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM export_job WHERE id = $1 AND owner = $2 AND organization = $3 AND expires_ms > $4"
        );
        read!(&self.database, |pool| {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(id).bind(owner).bind(organization).bind(now_ms);
            let row = query.fetch_optional(pool).await?;
            Ok(row.map(|row| ExportJob {
                id: row.get(0),
                owner: row.get(1),
                organization: row.get(2),
                level: row.get(3),
                group: row.get(4),
                types: row.get(5),
                since_ms: Some(row.get(6)).filter(|since_ms| *since_ms != ALWAYS_MS),
                moment_ms: row.get(7),
                expires_ms: row.get(8),
                request: row.get(9),
                notes: row.get(10),
            }))
        })
    }

    /// Takes an export away: whoever reads a file of it is cut at the next chunk.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn drop_export(&self, id: &str) -> Result<(), StorageError> {
        write!(&self.database, |pool| {
            sqlx::query("DELETE FROM export_job WHERE id = $1").bind(id).execute(pool).await?;
        });
        Ok(())
    }
}
