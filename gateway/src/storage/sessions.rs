//! The sessions of people who signed in. A session is known by the hash of its secret; the secret is in the browser alone.

use sqlx::Row;

use super::people::Subject;
use super::{StorageError, Store, read, write};

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonSession {
    /// The hash of its secret.
    pub hash: String,
    /// Who signed in.
    pub subject: Subject,
    /// As what they act: a code of [`PersonRole`](crate::auth::PersonRole), or empty.
    pub acts_as: String,
    /// The own record of whoever acts as patient; empty otherwise.
    pub compartment: String,
    /// When it began.
    pub begun_ms: i64,
    /// When it was last used, to about a minute.
    pub seen_ms: i64,
    /// When it ends at the latest.
    pub until_ms: i64,
    /// When they last signed in afresh for something that asks for it; 0 where they did not.
    pub stepped_up_ms: i64,
}

/// One person, or several programs of one, cannot fill the table: the oldest session gives way.
const SESSIONS_MAX: i64 = 10;

const COLUMNS: &str = "SELECT hash, issuer, subject, acts_as, compartment, begun_ms, seen_ms, until_ms, stepped_up_ms \
                       FROM person_session s";

macro_rules! session {
    ($row:expr) => {
        PersonSession {
            hash: Row::get($row, 0),
            subject: Subject { issuer: Row::get($row, 1), id: Row::get($row, 2) },
            acts_as: Row::get($row, 3),
            compartment: Row::get($row, 4),
            begun_ms: Row::get($row, 5),
            seen_ms: Row::get($row, 6),
            until_ms: Row::get($row, 7),
            stepped_up_ms: Row::get($row, 8),
        }
    };
}

impl Store {
    /// Begins a session, in place of another one of the same browser where there is one: what was known before signing in is good
    /// for nothing after it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn begin_session(&self, session: &PersonSession, instead_of: Option<&str>) -> Result<(), StorageError> {
        let sql = "INSERT INTO person_session (hash, issuer, subject, acts_as, compartment, begun_ms, seen_ms, until_ms, \
                   stepped_up_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let limit = "DELETE FROM person_session WHERE issuer = $1 AND subject = $2 AND hash NOT IN (SELECT s.hash \
                     FROM person_session s WHERE s.issuer = $1 AND s.subject = $2 ORDER BY s.begun_ms DESC, s.hash LIMIT CAST($3 AS BIGINT))";
        let Subject { issuer, id } = &session.subject;
        write!(&self.database, |pool| {
            let mut tx = pool.begin().await?;
            if let Some(old) = instead_of {
                sqlx::query("DELETE FROM person_session WHERE hash = $1").bind(old).execute(&mut *tx).await?;
            }
            sqlx::query(sql)
                .bind(&session.hash)
                .bind(issuer)
                .bind(id)
                .bind(&session.acts_as)
                .bind(&session.compartment)
                .bind(session.begun_ms)
                .bind(session.seen_ms)
                .bind(session.until_ms)
                .bind(session.stepped_up_ms)
                .execute(&mut *tx)
                .await?;
            sqlx::query(limit).bind(issuer).bind(id).bind(SESSIONS_MAX).execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(())
        })
    }

    /// A session, and whether the record that it rests on is the person's own still (true where it rests on none).
    ///
    /// # Errors
    /// [`StorageError`]: then nobody is signed in.
    pub async fn session(&self, hash: &str) -> Result<Option<(PersonSession, bool)>, StorageError> {
        let sql = "SELECT hash, issuer, subject, acts_as, compartment, begun_ms, seen_ms, until_ms, stepped_up_ms, \
                   CAST(CASE WHEN compartment = '' OR EXISTS (SELECT 1 FROM person_link l WHERE l.issuer = s.issuer \
                   AND l.subject = s.subject AND l.compartment = s.compartment) THEN 1 ELSE 0 END AS BIGINT) \
                   FROM person_session s WHERE hash = $1";
        read!(&self.database, |pool| {
            let row = sqlx::query(sql).bind(hash).fetch_optional(pool).await?;
            Ok(row.as_ref().map(|row| (session!(row), Row::get::<i64, _>(row, 9) == 1)))
        })
    }

    /// Notes that a session was used.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn touch_session(&self, hash: &str, now_ms: i64) -> Result<(), StorageError> {
        write!(&self.database, |pool| {
            sqlx::query("UPDATE person_session SET seen_ms = $2 WHERE hash = $1 AND seen_ms < $2")
                .bind(hash)
                .bind(now_ms)
                .execute(pool)
                .await?;
            Ok(())
        })
    }

    /// Lets a session act as something else.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn act_as(&self, hash: &str, acts_as: &str, compartment: &str) -> Result<(), StorageError> {
        write!(&self.database, |pool| {
            sqlx::query("UPDATE person_session SET acts_as = $2, compartment = $3 WHERE hash = $1")
                .bind(hash)
                .bind(acts_as)
                .bind(compartment)
                .execute(pool)
                .await?;
            Ok(())
        })
    }

    /// The sessions of somebody that have not ended by time, the newest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn sessions_of(
        &self,
        subject: &Subject,
        (now_ms, seen_since_ms): (i64, i64),
    ) -> Result<Vec<PersonSession>, StorageError> {
        let sql = format!(
            "{COLUMNS} WHERE issuer = $1 AND subject = $2 AND until_ms > $3 AND seen_ms > $4 ORDER BY begun_ms DESC, hash"
        );
        read!(&self.database, |pool| {
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(&subject.issuer).bind(&subject.id);
            let rows = query.bind(now_ms).bind(seen_since_ms).fetch_all(pool).await?;
            Ok(rows.iter().map(|row| session!(row)).collect())
        })
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn end_session(&self, hash: &str) -> Result<(), StorageError> {
        write!(&self.database, |pool| {
            sqlx::query("DELETE FROM person_session WHERE hash = $1").bind(hash).execute(pool).await?;
            Ok(())
        })
    }

    /// Ends every session of somebody.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn end_sessions_of(&self, subject: &Subject) -> Result<(), StorageError> {
        write!(&self.database, |pool| {
            let sql = "DELETE FROM person_session WHERE issuer = $1 AND subject = $2";
            sqlx::query(sql).bind(&subject.issuer).bind(&subject.id).execute(pool).await?;
            Ok(())
        })
    }

    /// Forgets sessions that ended, were not used since a moment, and what was counted of wrong codes before another. Answers how
    /// many rows.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn forget_sessions(&self, now_ms: i64, seen_since_ms: i64) -> Result<u64, StorageError> {
        write!(&self.database, |pool| {
            let sql = "DELETE FROM person_session WHERE until_ms <= $1 OR seen_ms <= $2";
            let sessions = sqlx::query(sql).bind(now_ms).bind(seen_since_ms).execute(pool).await?.rows_affected();
            let codes = sqlx::query("DELETE FROM link_code WHERE until_ms <= $1").bind(now_ms).execute(pool).await?;
            let sql = "DELETE FROM link_failure WHERE since_ms <= $1";
            let failures = sqlx::query(sql).bind(seen_since_ms).execute(pool).await?;
            Ok(sessions + codes.rows_affected() + failures.rows_affected())
        })
    }
}
