//! The floor of a referral: the rows that the gateway wrote for one, written for other records by the same statements, each
//! referral in a transaction of its own, by a bare driver.
//!
//! Left out are the gateway's reads before its decision and all its thinking: the floor only locks the record and writes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Row as _};
use tokio::runtime::Runtime;

use crate::subject::Database;

/// The tables that placing a referral writes, each with its columns; those of numbers begin with `#`.
const TABLES: &[(&str, &[&str])] = &[
    (
        "resource",
        &[
            "compartment",
            "resource_type",
            "id",
            "#version_id",
            "#last_updated_ms",
            "author",
            "method",
            "#deleted",
            "body",
            "minimum",
            "holes",
            "#labels",
            "#label_version",
            "#declared",
            "#data_from_ms",
            "#data_until_ms",
            "atoms",
        ],
    ),
    (
        "search_index",
        &[
            "compartment",
            "resource_type",
            "id",
            "#ordinal",
            "parameter",
            "system",
            "value",
            "#low_ms",
            "#high_ms",
            "#sight",
        ],
    ),
    ("closure", &["compartment", "grantee", "cause", "#since_ms"]),
    ("sight", &["compartment", "resource_type", "id", "grantee", "#requires_consent"]),
    (
        "referral_task",
        &[
            "compartment",
            "id",
            "kind",
            "state",
            "requester",
            "room",
            "owner",
            "part_of",
            "predecessor",
            "service_request",
            "#expires_ms",
        ],
    ),
    (
        "delivery",
        &[
            "compartment",
            "id",
            "partner",
            "kind",
            "resource_type",
            "resource_id",
            "#version_id",
            "state",
            "#attempts",
            "#due_ms",
            "#leased_until_ms",
            "#fence",
        ],
    ),
    (
        "audit_event",
        &[
            "compartment",
            "id",
            "#recorded_ms",
            "action",
            "subtype",
            "outcome",
            "reason",
            "organization",
            "client",
            "practitioner",
            "purpose",
            "basis",
            "resource_type",
            "resource_id",
            "#version_id",
            "request_id",
            "case_id",
            "network",
            "query",
            "consents",
        ],
    ),
];
const MOVE_RECORD: &str = "UPDATE record SET custodian = $2, epoch = $3, chain = $4 WHERE compartment = $1";

#[derive(Clone, Debug)]
enum Cell {
    Text(Option<String>),
    Number(Option<i64>),
}

#[derive(Clone, Debug)]
struct Insert {
    table: &'static str,
    sql: Arc<str>,
    cells: Vec<Cell>,
}

/// One referral's rows.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    record: String,
    custodian: String,
    chain: String,
    inserts: Vec<Insert>,
}

macro_rules! on {
    ($database:expr, |$pool:ident| $body:expr) => {
        match $database {
            Database::Sqlite($pool, _) => $body,
            Database::Postgres($pool) => $body,
        }
    };
}

impl Template {
    /// What the gateway wrote into a record since it began, for a record that was just referred.
    pub(crate) fn of(database: &Database, record: &str, runtime: &Runtime) -> io::Result<Self> {
        runtime.block_on(Self::read(database, record)).map_err(io::Error::other)
    }

    async fn read(database: &Database, record: &str) -> Result<Self, sqlx::Error> {
        let mut inserts = Vec::new();
        for (table, columns) in TABLES {
            let names: Vec<&str> = columns.iter().map(|name| name.trim_start_matches('#')).collect();
            let names = names.join(", ");
            let only = match *table {
                "resource" | "search_index" => " AND resource_type IN ('ServiceRequest', 'Task')",
                // What began the record was recorded in an earlier request.
                "audit_event" => " AND resource_type NOT IN ('Patient', 'Consent')",
                _ => "",
            };
            let sql = format!("SELECT {names} FROM {table} WHERE compartment = $1{only}");
            let rows: Vec<Vec<Cell>> = on!(database, |pool| {
                let rows = sqlx::query(AssertSqlSafe(sql)).bind(record).fetch_all(pool).await?;
                let cell = |row: &_, n: usize| {
                    if columns[n].starts_with('#') {
                        Cell::Number(sqlx::Row::get(row, n))
                    } else {
                        Cell::Text(sqlx::Row::get(row, n))
                    }
                };
                rows.iter().map(|row| (0..columns.len()).map(|n| cell(row, n)).collect()).collect()
            });
            if rows.is_empty() {
                continue;
            }
            let mut places = 0;
            let mut value = || {
                places += 1;
                format!("${places}")
            };
            let row_of = |value: &mut dyn FnMut() -> String| {
                format!("({})", columns.iter().map(|_| value()).collect::<Vec<_>>().join(", "))
            };
            let values: Vec<String> = rows.iter().map(|_| row_of(&mut value)).collect();
            let sql = format!("INSERT INTO {table} ({names}) VALUES {}", values.join(", ")).into();
            inserts.push(Insert { table, sql, cells: rows.into_iter().flatten().collect() });
        }
        let sql = "SELECT custodian, chain FROM record WHERE compartment = $1";
        let (custodian, chain) = on!(database, |pool| {
            let row = sqlx::query(sql).bind(record).fetch_one(pool).await?;
            (row.get(0), row.get::<Option<String>, _>(1).unwrap_or_default())
        });
        Ok(Self { record: record.to_owned(), custodian, chain, inserts })
    }

    /// How many rows a referral writes, table by table.
    pub(crate) fn shape(&self) -> String {
        let count = |insert: &Insert| {
            let columns =
                TABLES.iter().find(|(table, _)| *table == insert.table).map_or(1, |(_, columns)| columns.len());
            format!("{} {}", insert.cells.len() / columns, insert.table)
        };
        self.inserts.iter().map(count).collect::<Vec<_>>().join(", ")
    }

    /// The same rows for another record, under fresh ids.
    fn for_record(&self, record: &str) -> Self {
        let mut copy = self.clone();
        let mut renamed = vec![(self.record.clone(), record.to_owned())];
        for insert in &self.inserts {
            let columns =
                TABLES.iter().find(|(table, _)| *table == insert.table).map_or(1, |(_, columns)| columns.len());
            let id = match insert.table {
                "resource" => 2,
                "delivery" | "audit_event" => 1,
                _ => continue,
            };
            for cells in insert.cells.chunks(columns) {
                if let Cell::Text(Some(old)) = &cells[id]
                    && renamed.iter().all(|(known, _)| known != old)
                {
                    renamed.push((old.clone(), uuid::Uuid::now_v7().simple().to_string()));
                }
            }
        }
        for cell in copy.inserts.iter_mut().flat_map(|insert| &mut insert.cells) {
            if let Cell::Text(Some(text)) = cell {
                for (old, new) in &renamed {
                    *text = text.replace(old.as_str(), new);
                }
            }
        }
        for (old, new) in &renamed {
            copy.chain = copy.chain.replace(old.as_str(), new);
        }
        record.clone_into(&mut copy.record);
        copy
    }
}

macro_rules! write_one {
    ($tx:ident, $lock:ident, $referral:ident) => {
        let referral: Template = $referral;
        let row = sqlx::query($lock).bind(&referral.record).fetch_one(&mut *$tx).await?;
        let epoch: i64 = row.get(0);
        let moved = sqlx::query(MOVE_RECORD).bind(referral.record).bind(referral.custodian);
        moved.bind(epoch + 1).bind(referral.chain).execute(&mut *$tx).await?;
        for insert in referral.inserts {
            let mut query = sqlx::query(AssertSqlSafe(insert.sql));
            for cell in insert.cells {
                query = match cell {
                    Cell::Text(text) => query.bind(text),
                    Cell::Number(number) => query.bind(number),
                };
            }
            query.execute(&mut *$tx).await?;
        }
    };
}

/// Writes a referral for each record, one commit each; answers referrals a second.
pub(crate) fn write(
    database: &Database,
    url: &str,
    template: &Template,
    (records, clients): (&[String], u32),
    runtime: &Runtime,
) -> io::Result<f64> {
    let referrals: Arc<[Template]> = records.iter().map(|record| template.for_record(record)).collect();
    let seconds = runtime.block_on(async {
        match database {
            Database::Sqlite(_, path) => {
                // As the gateway opens it: one connection writes.
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .busy_timeout(std::time::Duration::from_secs(10));
                let pool =
                    SqlitePoolOptions::new().max_connections(1).acquire_timeout(std::time::Duration::from_mins(1));
                let pool = pool.test_before_acquire(false).connect_with(options).await?;
                let lock = "SELECT epoch FROM record WHERE compartment = $1";
                let referrals = Arc::clone(&referrals);
                each(clients, referrals, move |referral| {
                    let pool = pool.clone();
                    async move {
                        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                        write_one!(tx, lock, referral);
                        tx.commit().await
                    }
                })
                .await
            }
            Database::Postgres(_) => {
                let pool =
                    PgPoolOptions::new().max_connections(clients).test_before_acquire(false).connect(url).await?;
                let lock = "SELECT epoch FROM record WHERE compartment = $1 FOR NO KEY UPDATE";
                let referrals = Arc::clone(&referrals);
                each(clients, referrals, move |referral| {
                    let pool = pool.clone();
                    async move {
                        let mut tx = pool.begin().await?;
                        write_one!(tx, lock, referral);
                        tx.commit().await
                    }
                })
                .await
            }
        }
    });
    let seconds = seconds.map_err(io::Error::other)?;
    Ok(f64::from(u32::try_from(records.len()).unwrap_or(u32::MAX)) / seconds)
}

/// Runs the work for every referral from so many tasks at once; answers the seconds.
async fn each<F, W>(clients: u32, referrals: Arc<[Template]>, work: F) -> Result<f64, sqlx::Error>
where
    F: Fn(Template) -> W + Clone + Send + 'static,
    W: Future<Output = Result<(), sqlx::Error>> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (next, referrals, work) = (Arc::clone(&next), Arc::clone(&referrals), work.clone());
            tokio::spawn(async move {
                while let Some(referral) = referrals.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(referral.clone()).await?;
                }
                Ok::<(), sqlx::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.map_err(|error| sqlx::Error::Io(io::Error::other(error)))??;
    }
    Ok(begun.elapsed().as_secs_f64())
}
