//! A database that was restored to an older state: marked while it is, and held to what that means when it is opened first.
//!
//! What waited to leave in that state may have left since, so none of it leaves before an operator has decided. The mark is a table of
//! its own, outside of every backup: it is made before the first row of the backup comes in, so that a restore which is killed leaves
//! no database that opens.

use std::path::Path;
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::moment::MomentError;
use super::{Database, OpenError, StorageError, Store, read, relations};

/// The name of the mark.
pub const MARK: &str = "restore_mark";

/// The restore goes on, or was broken off.
const UNFINISHED: &str = "unfinished";
/// Restored, and not opened since.
const RESTORED: &str = "restored";
/// Opened: what waited is held.
const HELD: &str = "held";

const MAKE: &str =
    "CREATE TABLE restore_mark (state TEXT NOT NULL, taken_ms BIGINT NOT NULL, restored_ms BIGINT NOT NULL)";
const PUT: &str = "INSERT INTO restore_mark (state, taken_ms, restored_ms) VALUES ($1, $2, $3)";

/// When a database was restored, and to which moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restoration {
    /// The moment of the backup.
    pub taken_ms: i64,
    /// When it was restored.
    pub restored_ms: i64,
}

/// Whether a PostgreSQL database has nothing in it yet.
///
/// # Errors
/// [`OpenError`].
pub async fn is_empty(url: &str) -> Result<bool, OpenError> {
    Ok(relations(url).await?.is_empty())
}

/// Marks an empty PostgreSQL database as one that is being restored: nothing opens it from now on.
///
/// # Errors
/// [`MomentError`], also where somebody else restores into it.
pub async fn begin_restore(url: &str, restoration: Restoration) -> Result<(), MomentError> {
    let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
    let mut tx = connection.begin().await?;
    sqlx::query(MAKE).execute(&mut *tx).await?;
    let Restoration { taken_ms, restored_ms } = restoration;
    sqlx::query(PUT).bind(UNFINISHED).bind(taken_ms).bind(restored_ms).execute(&mut *tx).await?;
    tx.commit().await?;
    connection.close().await?;
    Ok(())
}

/// Marks a PostgreSQL database as restored: it can be opened.
///
/// # Errors
/// [`MomentError`].
pub async fn end_restore(url: &str) -> Result<(), MomentError> {
    let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
    sqlx::query("UPDATE restore_mark SET state = $1").bind(RESTORED).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Marks a `SQLite` file as restored, before it gets its final name. Not synced.
///
/// # Errors
/// [`MomentError`].
pub async fn mark_file(file: &Path, restoration: Restoration) -> Result<(), MomentError> {
    let mut connection = SqliteConnectOptions::new().filename(file).connect().await?;
    let mut tx = connection.begin().await?;
    // A backup of a database that had been restored has its mark with it.
    let drop = format!("DROP TABLE IF EXISTS {MARK}");
    sqlx::query(AssertSqlSafe(drop)).execute(&mut *tx).await?;
    sqlx::query(MAKE).execute(&mut *tx).await?;
    let Restoration { taken_ms, restored_ms } = restoration;
    sqlx::query(PUT).bind(RESTORED).bind(taken_ms).bind(restored_ms).execute(&mut *tx).await?;
    tx.commit().await?;
    connection.close().await?;
    Ok(())
}

impl Database {
    async fn mark(&self) -> Result<Option<(String, Restoration)>, sqlx::Error> {
        let there = match self {
            Self::Sqlite { .. } => "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'restore_mark')",
            Self::Postgres { .. } => "SELECT TO_REGCLASS('restore_mark') IS NOT NULL",
        };
        let sql = "SELECT state, taken_ms, restored_ms FROM restore_mark";
        read!(self, |pool| {
            let is_there: bool = sqlx::query_scalar(there).fetch_one(pool).await?;
            if !is_there {
                return Ok(None);
            }
            let row = sqlx::query(sql).fetch_optional(pool).await?;
            let mark = |row: &_| {
                Ok((
                    sqlx::Row::try_get(row, 0)?,
                    Restoration { taken_ms: sqlx::Row::try_get(row, 1)?, restored_ms: sqlx::Row::try_get(row, 2)? },
                ))
            };
            row.as_ref().map(mark).transpose()
        })
    }

    /// Before anything is done to the schema.
    pub(super) async fn refuse_unfinished(&self) -> Result<(), OpenError> {
        match self.mark().await? {
            Some((state, _)) if state == UNFINISHED => Err(OpenError::Unfinished),
            _ => Ok(()),
        }
    }

    /// At the first opening after a restore: nothing that waited leaves until an operator has decided. Of two replicas that start at once
    /// one does it, and the other waits for it.
    pub(super) async fn hold_what_was_restored(&self) -> Result<(), OpenError> {
        if self.mark().await?.is_none_or(|(state, _)| state != RESTORED) {
            return Ok(());
        }
        // Whatever is not at its end: also what was on its way at that moment.
        let hold_all = "UPDATE delivery SET held_from = state, state = 'held', fence = fence + 1, leased_until_ms = 0 \
                    WHERE state IN ('waiting', 'leased', 'uncertain')";
        let done = "UPDATE restore_mark SET state = $1 WHERE state = $2";
        let held = super::write!(self, |pool| {
            let mut tx = pool.begin().await?;
            let first = sqlx::query(done).bind(HELD).bind(RESTORED).execute(&mut *tx).await?.rows_affected();
            let held = if first == 1 { sqlx::query(hold_all).execute(&mut *tx).await?.rows_affected() } else { 0 };
            if first == 1 {
                // Who signed out since, used a code, or was taken off a record does not come back: links are made anew. No
                // number is told twice: how many were told since, nobody knows.
                let in_hand = "DELETE FROM subscription_event WHERE number > (SELECT s.events FROM subscription s \
                               WHERE s.id = subscription_event.subscription)";
                let jump = "UPDATE subscription SET events = events + 1000000000";
                let people = ["DELETE FROM person_session", "DELETE FROM link_code", "DELETE FROM person_link"];
                for forget in people.into_iter().chain([in_hand, jump]) {
                    sqlx::query(forget).execute(&mut *tx).await?;
                }
            }
            tx.commit().await?;
            held
        });
        tracing::warn!(
            held,
            "this database was restored: what waited to leave is held, see `wellgate deliveries list --state held`"
        );
        Ok(())
    }
}

impl Store {
    /// When the database was restored, if ever.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn restoration(&self) -> Result<Option<Restoration>, StorageError> {
        Ok(self.database.mark().await?.map(|(_, restoration)| restoration))
    }
}
