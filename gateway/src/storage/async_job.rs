//! Bundles that are worked on after their request was answered: whose each is, whether somebody is still at it, and its one answer.
//!
//! The answer of a transaction is a row of its own write set: it is there if, and only if, everything of the transaction is.

use std::collections::HashSet;
use std::sync::LazyLock;

use sqlx::{AssertSqlSafe, Row};

use super::rows::{Cell, Fat, Kind, Rows};
use super::write_set::WriteSet;
use super::{Database, StorageError, Store, read, write};

/// Answers a job; one that was answered or forgotten meanwhile refuses the whole set.
pub(super) static PUT_ANSWER: LazyLock<Fat> = LazyLock::new(|| {
    Fat::insert("async_answer", &[("id", Kind::Text), ("status", Kind::Integer), ("sealed", Kind::Text)], "")
});

/// A Bundle that was taken to be worked on later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsyncJob {
    /// Its id, by which it is asked about.
    pub id: String,
    /// The client that sent it.
    pub owner: String,
    /// `organization/<id>` for which it was sent.
    pub organization: String,
    /// `practitioner/<id>` who sent it; empty where none signed in.
    pub practitioner: String,
    /// Until when the process that has it is taken to be there, UTC milliseconds.
    pub alive_until_ms: i64,
    /// From which moment on it is not there any more, UTC milliseconds.
    pub expires_ms: i64,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsyncAnswer {
    /// The job.
    pub id: String,
    /// The status of HTTP.
    pub status: u16,
    /// The body, as [`Store::seal_text`] sealed it.
    pub sealed: String,
}

pub(super) fn answer_rows(set: &WriteSet) -> Rows<'_> {
    fn row(answer: &AsyncAnswer) -> Vec<Cell<'_>> {
        vec![answer.id.as_str().into(), i64::from(answer.status).into(), answer.sealed.as_str().into()]
    }
    set.async_answer.iter().map(row).collect()
}

const COLUMNS: &str = "id, owner, organization, practitioner, alive_until_ms, expires_ms";

/// Who asks about a job.
#[derive(Clone, Copy, Debug)]
pub struct AsksAgain<'a> {
    /// The client.
    pub owner: &'a str,
    /// `organization/<id>`.
    pub organization: &'a str,
    /// `practitioner/<id>`, or empty.
    pub practitioner: &'a str,
}

const IS_ANSWERED: &str = "EXISTS (SELECT 1 FROM async_answer AS answer WHERE answer.id = job.id)";

impl Store {
    /// Keeps a job, unless its client has so many at this moment, those that are answered included, but not those that nobody is at any
    /// more. Answers whether it is kept.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_async_job(&self, job: &AsyncJob, most: u32, now_ms: i64) -> Result<bool, StorageError> {
        let sql = format!(
            "INSERT INTO async_job ({COLUMNS}) SELECT $1, CAST($2 AS TEXT), $3, $4, CAST($5 AS BIGINT), CAST($6 AS BIGINT) \
             WHERE (SELECT COUNT(*) FROM async_job AS job WHERE owner = CAST($2 AS TEXT) AND expires_ms > CAST($7 AS BIGINT) \
                    AND (alive_until_ms > CAST($7 AS BIGINT) OR {IS_ANSWERED})) < CAST($8 AS BIGINT)"
        );
        write!(&self.database, |pool| {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(&job.id).bind(&job.owner).bind(&job.organization);
            let query = query
                .bind(&job.practitioner)
                .bind(job.alive_until_ms)
                .bind(job.expires_ms)
                .bind(now_ms)
                .bind(i64::from(most));
            Ok(query.execute(pool).await?.rows_affected() == 1)
        })
    }

    /// The job of this id and its answer, if it has one, for whoever sent it and as long as it is kept.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn async_job(
        &self,
        id: &str,
        asker: AsksAgain<'_>,
        now_ms: i64,
    ) -> Result<Option<(AsyncJob, Option<AsyncAnswer>)>, StorageError> {
        let sql = "SELECT job.id, owner, organization, practitioner, alive_until_ms, expires_ms, status, sealed \
                   FROM async_job AS job LEFT JOIN async_answer AS answer ON answer.id = job.id \
                   WHERE job.id = $1 AND owner = $2 AND organization = $3 AND practitioner = $4 AND expires_ms > $5";
        read!(&self.database, |pool| {
            let query = sqlx::query(sql).bind(id).bind(asker.owner).bind(asker.organization).bind(asker.practitioner);
            let query = query.bind(now_ms);
            let Some(row) = query.fetch_optional(pool).await? else { return Ok(None) };
            let job = AsyncJob {
                id: row.get(0),
                owner: row.get(1),
                organization: row.get(2),
                practitioner: row.get(3),
                alive_until_ms: row.get(4),
                expires_ms: row.get(5),
            };
            let Some(status) = row.get::<Option<i64>, _>(6) else { return Ok(Some((job, None))) };
            let status = u16::try_from(status).map_err(|_| StorageError::Corrupt("a status"))?;
            let answer = AsyncAnswer { id: job.id.clone(), status, sealed: row.get(7) };
            Ok(Some((job, Some(answer))))
        })
    }

    /// Says that somebody is at these jobs until a moment. Answers those for which nobody waits any more, in their order: they are
    /// answered, or over, or forgotten.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn keep_async_jobs(
        &self,
        ids: &[String],
        (alive_until_ms, now_ms): (i64, i64),
    ) -> Result<Vec<String>, StorageError> {
        let text = |listed: &str| {
            format!(
                "UPDATE async_job AS job SET alive_until_ms = $2 \
                 WHERE id IN ({listed}) AND expires_ms > $3 AND NOT {IS_ANSWERED} RETURNING id"
            )
        };
        let kept: Vec<String> = match &self.database {
            Database::Sqlite { writer, .. } => {
                let ids = serde_json::to_string(ids).map_err(|error| sqlx::Error::Encode(error.into()))?;
                let sql = text("SELECT value FROM json_each($1)");
                let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(ids).bind(alive_until_ms).bind(now_ms);
                query.fetch_all(writer).await?
            }
            Database::Postgres { pool } => {
                let sql = text("SELECT UNNEST(CAST($1 AS text[]))");
                let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(ids).bind(alive_until_ms).bind(now_ms);
                query.fetch_all(pool).await?
            }
        };
        let kept: HashSet<String> = kept.into_iter().collect();
        Ok(ids.iter().filter(|id| !kept.contains(*id)).cloned().collect())
    }

    /// Answers a job that writes nothing with its answer. One that is answered or forgotten stays as it is.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn answer_async_job(&self, answer: &AsyncAnswer) -> Result<(), StorageError> {
        let sql = "INSERT INTO async_answer (id, status, sealed) SELECT id, CAST($2 AS BIGINT), $3 FROM async_job WHERE id = $1 \
                   ON CONFLICT (id) DO NOTHING";
        write!(&self.database, |pool| {
            let query = sqlx::query(sql).bind(&answer.id).bind(i64::from(answer.status)).bind(&answer.sealed);
            match query.execute(pool).await {
                // It was forgotten between the question and the answer.
                Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => Ok(()),
                done => Ok(done.map(|_| ())?),
            }
        })
    }

    /// Forgets a job and its answer: what has not been committed for it by then never will be, where it is a transaction.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn drop_async_job(&self, id: &str) -> Result<(), StorageError> {
        write!(&self.database, |pool| {
            sqlx::query("DELETE FROM async_job WHERE id = $1").bind(id).execute(pool).await?;
        });
        Ok(())
    }
}
