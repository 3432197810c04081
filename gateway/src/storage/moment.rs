//! One moment of a database, read while others write: a copy of it, and what is in it, as rows and a hash a table.

use std::fmt::Write as _;
use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use super::restored::MARK;
use super::{MIGRATIONS, is_postgres};

/// Tables that are about the database and not in it: what was migrated when, and whether it was restored.
const ABOUT_THE_DATABASE: [&str; 2] = ["_sqlx_migrations", MARK];

/// What a database has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// The last migration.
    pub schema_version: i64,
    /// Every table, by name.
    pub tables: Vec<TableContents>,
    /// The last seal of the trail, where it is sealed.
    pub trail_head: Option<TrailHead>,
}

/// What one table has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableContents {
    /// Its name.
    pub name: String,
    /// Its columns, in the order of the hash.
    pub columns: Vec<String>,
    /// How many rows it has.
    pub rows: u64,
    /// The sum of the rows' SHA-256, in hexadecimal: the order of rows has no part in it. Empty where it was not asked for.
    pub hash: String,
}

/// The last seal of the trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailHead {
    /// Its number.
    pub number: i64,
    /// Its hash.
    pub hash: String,
}

/// Why a database cannot be read or copied.
#[derive(Debug, thiserror::Error)]
pub enum MomentError {
    /// The database refuses, or is away.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// `SQLite` finds the file damaged.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// It has no schema of this program.
    #[error("there is no database of wellgate")]
    NoSchema,
}

/// The last migration that this program knows.
pub fn newest_schema_version() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Copies a `SQLite` database to a file that is empty or not there, as it is at one moment; whoever writes goes on. Not synced.
///
/// # Errors
/// [`MomentError`].
pub async fn copy_sqlite(url: &str, to: &Path) -> Result<(), MomentError> {
    let options = SqliteConnectOptions::from_str(url)?.read_only(true).busy_timeout(Duration::from_secs(10));
    let mut connection = options.connect().await?;
    sqlx::query("VACUUM INTO $1").bind(to.display().to_string()).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// What a `SQLite` file has that nobody writes to, after a check of the whole file.
///
/// # Errors
/// [`MomentError`].
pub async fn contents_of_file(file: &Path, with_hashes: bool) -> Result<Contents, MomentError> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    let mut connection = options.connect().await?;
    let found: String = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut connection).await?;
    if found != "ok" {
        return Err(MomentError::Damaged(found));
    }
    let contents = contents(&mut Source::Sqlite(&mut connection), with_hashes).await?;
    connection.close().await?;
    Ok(contents)
}

/// One moment of a PostgreSQL database, as long as this lives.
#[derive(Debug)]
pub struct Snapshot(PgConnection);

impl Snapshot {
    /// Begins.
    ///
    /// # Errors
    /// [`MomentError`].
    pub async fn begin(url: &str) -> Result<Self, MomentError> {
        let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
        for statement in [
            // A dump takes its time, in which this connection only waits.
            "SET idle_in_transaction_session_timeout = 0",
            "SET statement_timeout = 0",
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        ] {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        Ok(Self(connection))
    }

    /// The name by which `pg_dump` reads the same moment, and the server's version (150018).
    ///
    /// # Errors
    /// [`MomentError`].
    pub async fn exported(&mut self) -> Result<(String, i64), MomentError> {
        let sql = "SELECT pg_export_snapshot(), current_setting('server_version_num')::BIGINT";
        let row = sqlx::query(sql).fetch_one(&mut self.0).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    /// What the database has.
    ///
    /// # Errors
    /// [`MomentError`].
    pub async fn contents(&mut self, with_hashes: bool) -> Result<Contents, MomentError> {
        contents(&mut Source::Postgres(&mut self.0), with_hashes).await
    }

    /// Ends.
    ///
    /// # Errors
    /// [`MomentError`].
    pub async fn end(self) -> Result<(), MomentError> {
        Ok(self.0.close().await?)
    }
}

/// Whether a URL is of PostgreSQL; else it is of `SQLite`.
pub fn is_of_postgres(url: &str) -> bool {
    is_postgres(url)
}

enum Source<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

/// Runs one body on either connection.
macro_rules! on {
    ($source:expr, |$connection:ident| $body:expr) => {
        match $source {
            Source::Sqlite(connection) => {
                let $connection = &mut **connection;
                $body
            }
            Source::Postgres(connection) => {
                let $connection = &mut **connection;
                $body
            }
        }
    };
}

async fn contents(source: &mut Source<'_>, with_hashes: bool) -> Result<Contents, MomentError> {
    let names = tables(source).await?;
    if !names.iter().any(|name| name == "_sqlx_migrations") {
        return Err(MomentError::NoSchema);
    }
    let sql = "SELECT MAX(version) FROM _sqlx_migrations";
    let schema_version: Option<i64> = on!(source, |it| sqlx::query_scalar(sql).fetch_one(it).await?);
    let mut trail_head = None;
    if names.iter().any(|name| name == "audit_seal") {
        let sql = "SELECT number, hash FROM audit_seal ORDER BY number DESC LIMIT 1";
        trail_head = on!(source, |it| {
            let row = sqlx::query(sql).fetch_optional(it).await?;
            row.map(|row| Ok::<_, sqlx::Error>(TrailHead { number: row.try_get(0)?, hash: row.try_get(1)? }))
        })
        .transpose()?;
    }
    let mut tables = Vec::new();
    for name in names {
        if !ABOUT_THE_DATABASE.contains(&name.as_str()) {
            tables.push(table(source, name, with_hashes).await?);
        }
    }
    Ok(Contents { schema_version: schema_version.unwrap_or_default(), tables, trail_head })
}

async fn tables(source: &mut Source<'_>) -> Result<Vec<String>, sqlx::Error> {
    match source {
        Source::Sqlite(connection) => {
            // The index of words is made of tables here, and is an index all the same.
            let sql = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
                       AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
            sqlx::query_scalar(sql).fetch_all(&mut **connection).await
        }
        Source::Postgres(connection) => {
            let sql = "SELECT relname::TEXT FROM pg_class WHERE relkind IN ('r', 'p') AND \
                       relnamespace = current_schema()::REGNAMESPACE ORDER BY relname::TEXT COLLATE \"C\"";
            sqlx::query_scalar(sql).fetch_all(&mut **connection).await
        }
    }
}

async fn table(source: &mut Source<'_>, name: String, with_hashes: bool) -> Result<TableContents, MomentError> {
    let columns: Vec<String> = match source {
        Source::Sqlite(connection) => {
            let sql = "SELECT name FROM pragma_table_info($1) ORDER BY cid";
            sqlx::query_scalar(sql).bind(&name).fetch_all(&mut **connection).await?
        }
        Source::Postgres(connection) => {
            let sql = "SELECT attname::TEXT FROM pg_attribute WHERE attrelid = $1::REGCLASS AND attnum > 0 \
                       AND NOT attisdropped ORDER BY attnum";
            sqlx::query_scalar(sql).bind(quoted(&name)).fetch_all(&mut **connection).await?
        }
    };
    if !with_hashes {
        let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM {}", quoted(&name)));
        let rows: i64 = on!(source, |it| sqlx::query_scalar(sql).fetch_one(it).await?);
        return Ok(TableContents { name, columns, rows: u64::try_from(rows).unwrap_or_default(), hash: String::new() });
    }
    let text = |column: &String| {
        let column = quoted(column);
        match source {
            Source::Sqlite(_) => format!(
                "CASE TYPEOF({column}) WHEN 'blob' THEN '\\x' || LOWER(HEX({column})) ELSE CAST({column} AS TEXT) END"
            ),
            Source::Postgres(_) => format!("{column}::TEXT"),
        }
    };
    let texts: Vec<String> = columns.iter().map(text).collect();
    let sql = AssertSqlSafe(format!("SELECT {} FROM {}", texts.join(", "), quoted(&name)));
    let mut sum = Sum::default();
    on!(source, |it| {
        let mut rows = sqlx::query(sql).fetch(it);
        while let Some(row) = rows.try_next().await? {
            let mut hash = Sha256::new();
            for index in 0..columns.len() {
                add_cell(&mut hash, row.try_get::<Option<&str>, _>(index)?);
            }
            sum.add(&hash.finalize());
        }
    });
    Ok(TableContents { name, columns, rows: sum.rows, hash: sum.text() })
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// With its length, so that no text of one cell can be taken for two.
fn add_cell(hash: &mut Sha256, cell: Option<&str>) {
    match cell {
        None => hash.update([0]),
        Some(text) => {
            hash.update([1]);
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
    }
}

/// The sum of hashes, modulo 2^256.
#[derive(Debug, Default)]
struct Sum {
    rows: u64,
    digits: [u8; 32],
}

impl Sum {
    fn add(&mut self, hash: &[u8]) {
        self.rows += 1;
        let mut carry = 0;
        for (digit, byte) in self.digits.iter_mut().zip(hash) {
            let sum = u16::from(*digit) + u16::from(*byte) + carry;
            [*digit, _] = sum.to_le_bytes();
            carry = sum >> 8;
        }
    }

    fn text(&self) -> String {
        let mut text = String::with_capacity(64);
        for digit in self.digits {
            let _ = write!(text, "{digit:02x}");
        }
        text
    }
}
