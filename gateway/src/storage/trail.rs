//! The trail as an auditor reads it: a database of which nothing is believed and in which nothing is changed, as of one moment.
//!
//! It may be a copy, restored elsewhere. Everything is read in pages, whatever the length of the trail.

use std::str::FromStr as _;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Row};

use super::seals::{CHAINS, rows_of_chain, trail_row};
use super::{Database, OpenError, StorageError, is_postgres, read};
use crate::audit::seal::{Seal, TrailRow};

/// A trail that is read.
#[derive(Debug)]
pub struct Trail {
    database: Database,
}

/// Whose trail is meant, and of which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReachedBy<'a> {
    /// The client; empty: any.
    pub client: &'a str,
    /// `organization/<id>`; empty: any.
    pub organization: &'a str,
    /// Recorded from this moment on.
    pub from_ms: i64,
    /// Recorded before this moment.
    pub until_ms: i64,
}

/// A record that was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Its id: that of the Patient.
    pub record: String,
    /// How many events say so.
    pub events: i64,
    /// The first of them.
    pub first_ms: i64,
    /// The last of them.
    pub last_ms: i64,
}

impl Trail {
    /// Opens `sqlite:PATH` or `postgres://…` for reading, and holds it as it is at this moment.
    ///
    /// # Errors
    /// [`OpenError`]: it is not there, or cannot be read.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let database = if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url)?.read_only(true).busy_timeout(Duration::from_secs(10));
            let reader = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
            let reader = reader.connect_with(options).await?;
            sqlx::query("BEGIN").execute(&reader).await?;
            Database::Sqlite { writer: reader.clone(), reader }
        } else if is_postgres(url) {
            let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
            let pool = pool.connect_with(PgConnectOptions::from_str(url)?).await?;
            sqlx::query("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&pool).await?;
            Database::Postgres { pool }
        } else {
            return Err(OpenError::Url);
        };
        Ok(Self { database })
    }

    /// Up to `count` seals after a number, in their order.
    ///
    /// # Errors
    /// [`StorageError`]; also where the database is older than the seals.
    pub async fn seals(&self, after: i64, count: u32) -> Result<Vec<Seal>, StorageError> {
        let sql = "SELECT number, chain, first_sequence, last_sequence, first_ms, last_ms, sealed_ms, key_id, entries, \
                   previous, hash, signature FROM audit_seal WHERE number > $1 ORDER BY number LIMIT CAST($2 AS BIGINT)";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(after).bind(i64::from(count)).fetch_all(pool).await?;
            let seal = |row: &_| Seal {
                number: Row::get(row, 0),
                chain: Row::get(row, 1),
                first_sequence: Row::get(row, 2),
                last_sequence: Row::get(row, 3),
                first_ms: Row::get(row, 4),
                last_ms: Row::get(row, 5),
                sealed_ms: Row::get(row, 6),
                key_id: Row::get(row, 7),
                entries: Row::get(row, 8),
                previous: Row::get(row, 9),
                hash: Row::get(row, 10),
                signature: Row::get(row, 11),
            };
            Ok(rows.iter().map(seal).collect())
        })
    }

    /// The last seal.
    ///
    /// # Errors
    /// As [`Trail::seals`].
    pub async fn last_seal(&self) -> Result<Option<Seal>, StorageError> {
        let sql = "SELECT COALESCE(MAX(number), 0) FROM audit_seal";
        let number: i64 = read!(&self.database, |pool| sqlx::query(sql).fetch_one(pool).await?.get(0));
        Ok(self.seals(number - 1, 1).await?.pop())
    }

    /// The events of a chain from one number to another, in their order, up to `count`.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn stretch(
        &self,
        chain: i64,
        (first, last): (i64, i64),
        count: usize,
    ) -> Result<Vec<TrailRow>, StorageError> {
        let sql = AssertSqlSafe(rows_of_chain());
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        read!(&self.database, |pool| {
            let query = sqlx::query(sql).bind(chain).bind(first).bind(last).bind(count);
            Ok(query.fetch_all(pool).await?.iter().map(|row| trail_row!(row)).collect())
        })
    }

    /// Every chain that events stand in.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn chains(&self) -> Result<Vec<i64>, StorageError> {
        let sql = AssertSqlSafe(format!("{CHAINS} SELECT chain FROM chains WHERE chain IS NOT NULL ORDER BY chain"));
        read!(&self.database, |pool| {
            Ok(sqlx::query(sql).bind(i64::MIN).fetch_all(pool).await?.iter().map(|row| row.get(0)).collect())
        })
    }

    /// The first few ids of events that stand in no chain, recorded in a time.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn strays(&self, (from_ms, until_ms): (i64, i64), count: u32) -> Result<Vec<String>, StorageError> {
        let sql = "SELECT id FROM audit_event WHERE (chain = 0 OR sequence < 1) AND recorded_ms >= $1 AND recorded_ms < $2 \
                   ORDER BY id LIMIT CAST($3 AS BIGINT)";
        read!(&self.database, |pool| {
            let query = sqlx::query(sql).bind(from_ms).bind(until_ms).bind(i64::from(count));
            Ok(query.fetch_all(pool).await?.iter().map(|row| row.get(0)).collect())
        })
    }

    /// How many events were recorded in a time.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn count(&self, (from_ms, until_ms): (i64, i64)) -> Result<u64, StorageError> {
        let sql = "SELECT COUNT(*) FROM audit_event WHERE recorded_ms >= $1 AND recorded_ms < $2";
        read!(&self.database, |pool| {
            let row = sqlx::query(sql).bind(from_ms).bind(until_ms).fetch_one(pool).await?;
            Ok(u64::try_from(row.get::<i64, _>(0)).unwrap_or_default())
        })
    }

    /// The id of every act of an erasure, with the id of what it erased.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn erasures(&self, act: &str) -> Result<Vec<(String, String)>, StorageError> {
        let sql = "SELECT id, resource_id FROM audit_event WHERE subtype = $1";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(act).fetch_all(pool).await?;
            Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
        })
    }

    /// Every record that somebody reached, by its id, each handed on as it is found. One pass over the trail, and no index on the
    /// way of those who write it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn reached(&self, by: ReachedBy<'_>, mut tell: impl FnMut(Reached)) -> Result<(), StorageError> {
        let sql = "SELECT compartment, COUNT(*), MIN(recorded_ms), MAX(recorded_ms) FROM audit_event \
                   WHERE ($1 = '' OR client = $1) AND ($2 = '' OR organization = $2) AND recorded_ms >= $3 \
                   AND recorded_ms < $4 AND outcome = '0' AND compartment NOT LIKE '%/%' \
                   GROUP BY compartment ORDER BY compartment";
        read!(&self.database, |pool| {
            let query = sqlx::query(sql).bind(by.client).bind(by.organization).bind(by.from_ms).bind(by.until_ms);
            let mut rows = query.fetch(pool);
            while let Some(row) = rows.try_next().await? {
                tell(Reached { record: row.get(0), events: row.get(1), first_ms: row.get(2), last_ms: row.get(3) });
            }
        });
        Ok(())
    }

    /// Lets go of it.
    pub async fn close(self) {
        read!(&self.database, |pool| pool.close().await);
    }
}
