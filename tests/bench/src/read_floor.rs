//! The floors of a read: the fastest hand-written SQL for the same answer, by a bare driver.
//!
//! PostgreSQL is asked by pgbench with the ids written into prepared statements, which is less work than any program can
//! do that learns the id from a request; SQLite by sqlx, on as many connections as the gateway has.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tokio::runtime::Runtime;

use crate::subject::{RECEIVER, SENDER};

/// The gateway's own number by default (`database.connections_max`).
pub(crate) const CONNECTIONS: u32 = 16;
/// pgbench takes 128 scripts at most, and every one is a record.
const SCRIPTS_MAX: usize = 100;
/// `TREAT` among the bits of a purpose set is whatever the Consent's row says: the floor takes any.
const ANY_PURPOSE: i64 = i64::MAX;

/// Who reads: the two ways to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// By a Consent.
    Receiver,
    /// As custodian.
    Sender,
}

impl Reader {
    /// The rule that lets the reader see record `r`, for the moment `now`.
    fn rule(self, now: &str) -> String {
        let matches = |row: &str| {
            format!(
                "{row}.grantee IN ('organization/{RECEIVER}', 'kind/elp', '*') AND ({row}.purposes & {ANY_PURPOSE}) <> 0 \
                 AND {row}.from_ms <= {now} AND {now} < {row}.until_ms"
            )
        };
        let closed = |organization: &str| {
            format!(
                "NOT EXISTS (SELECT 1 FROM closure x WHERE x.compartment = r.compartment \
                 AND x.grantee = 'organization/{organization}')"
            )
        };
        match self {
            Self::Receiver => format!(
                "EXISTS (SELECT 1 FROM access_grant g WHERE g.compartment = r.compartment AND g.effect = 'permit' AND {}) \
                 AND NOT EXISTS (SELECT 1 FROM access_grant d WHERE d.compartment = r.compartment AND d.effect = 'deny' \
                 AND {}) AND {}",
                matches("g"),
                matches("d"),
                closed(RECEIVER)
            ),
            Self::Sender => format!(
                "EXISTS (SELECT 1 FROM record c WHERE c.compartment = r.compartment \
                 AND c.custodian = 'organization/{SENDER}') AND {}",
                closed(SENDER)
            ),
        }
    }
}

fn select(columns: &str, id: &str, rule: &str) -> String {
    format!("SELECT {columns} FROM resource r WHERE r.resource_type = 'Patient' AND r.id = {id} AND {rule}")
}

/// Scripts for pgbench, one a record: the read alone.
pub(crate) fn read_scripts(directory: &Path, reader: Reader, ids: &[String], now_ms: i64) -> io::Result<PathBuf> {
    let rule = reader.rule(&now_ms.to_string());
    let columns = "r.version_id, r.last_updated_ms, r.body";
    scripts(&directory.join(format!("read-{reader:?}")), ids, |id| {
        format!("{};\n", select(columns, &format!("'{id}'"), &rule))
    })
}

/// Scripts for pgbench, one a record: the naive audited read, which commits its own event, in a single statement.
pub(crate) fn audited_scripts(directory: &Path, ids: &[String], now_ms: i64) -> io::Result<PathBuf> {
    let rule = Reader::Receiver.rule(&now_ms.to_string());
    let fresh = "lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000000)::bigint), 16, '0') \
                 || lpad(to_hex((random() * 4294967295)::bigint), 16, '0')";
    scripts(&directory.join("audited"), ids, |id| {
        let seen = select("r.compartment, r.id, r.version_id, r.last_updated_ms, r.body", &format!("'{id}'"), &rule);
        format!(
            "WITH seen AS ({seen}), noted AS (INSERT INTO audit_event SELECT compartment, {fresh}, {now_ms}, 'R', 'read', \
             '0', '', 'organization/{RECEIVER}', '{RECEIVER}', '', 'TREAT', 'consent', 'Patient', id, version_id, {fresh} \
             FROM seen) SELECT version_id, last_updated_ms, body FROM seen;\n"
        )
    })
}

/// Scripts for pgbench, one a record: a statement with the record in place of `$1`.
pub(crate) fn scripts_of(directory: &Path, sql: &str, ids: &[String]) -> io::Result<PathBuf> {
    scripts(&directory.join("search-of-record"), ids, |id| format!("{};\n", sql.replace("$1", &format!("'{id}'"))))
}

fn scripts(directory: &Path, ids: &[String], sql: impl Fn(&str) -> String) -> io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    for (n, id) in ids.iter().take(SCRIPTS_MAX).enumerate() {
        fs::write(directory.join(format!("{n:03}.sql")), sql(id))?;
    }
    Ok(directory.to_owned())
}

/// Reads of SQLite a second, by sqlx on a pool of the gateway's size.
pub(crate) fn sqlite_reads(
    path: &Path,
    reader: Reader,
    (ids, now_ms): (&[String], i64),
    time: Duration,
    runtime: &Runtime,
) -> io::Result<f64> {
    let sql = select("r.version_id, r.last_updated_ms, r.body", "$1", &reader.rule(&now_ms.to_string()));
    sqlite_rate_of(path, &sql, ids, time, runtime)
}

/// Runs of one statement a second, in the same way.
pub(crate) fn sqlite_rate(path: &Path, sql: &str, time: Duration, runtime: &Runtime) -> io::Result<f64> {
    sqlite_rate_of(path, sql, &[], time, runtime)
}

/// With each of the ids bound in its turn; without ids nothing is bound.
pub(crate) fn sqlite_rate_of(
    path: &Path,
    sql: &str,
    ids: &[String],
    time: Duration,
    runtime: &Runtime,
) -> io::Result<f64> {
    let (sql, ids): (Arc<str>, Arc<[String]>) = (sql.into(), ids.into());
    let options = SqliteConnectOptions::new().filename(path).read_only(true).pragma("cache_size", "-16384");
    let read = async {
        let options =
            SqlitePoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false).connect_with(options);
        let pool = options.await?;
        let (answers, next) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
        let begun = Instant::now();
        let tasks: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let (pool, sql, ids) = (pool.clone(), Arc::clone(&sql), Arc::clone(&ids));
                let (answers, next) = (Arc::clone(&answers), Arc::clone(&next));
                tokio::spawn(async move {
                    while begun.elapsed() < time {
                        let query = sqlx::query(sqlx::AssertSqlSafe(Arc::clone(&sql)));
                        let query = match ids.len() {
                            0 => query,
                            len => query.bind(ids[next.fetch_add(1, Ordering::Relaxed) % len].clone()),
                        };
                        if query.fetch_all(&pool).await?.is_empty() {
                            return Err(sqlx::Error::RowNotFound);
                        }
                        answers.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok::<(), sqlx::Error>(())
                })
            })
            .collect();
        for task in tasks {
            task.await.map_err(|error| sqlx::Error::Io(io::Error::other(error)))??;
        }
        let answers = u32::try_from(answers.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        Ok::<f64, sqlx::Error>(f64::from(answers) / begun.elapsed().as_secs_f64())
    };
    runtime.block_on(read).map_err(io::Error::other)
}
