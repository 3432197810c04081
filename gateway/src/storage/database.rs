//! The pools of a database: how it is opened and brought up to date.

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, PgPool, SqlSafeStr, SqlitePool};

use super::{OpenError, StoreSettings, is_postgres};

/// The pools of one database. Consent, idempotency and custody are always read from the primary.
#[derive(Clone, Debug)]
pub enum Database {
    /// Embedded: one connection writes, several read.
    Sqlite {
        /// The only connection that writes.
        writer: SqlitePool,
        /// Read-only connections.
        reader: SqlitePool,
    },
    /// The production store.
    Postgres {
        /// Connections for both.
        pool: PgPool,
    },
}

impl Database {
    pub(super) async fn connect(settings: &StoreSettings) -> Result<Self, OpenError> {
        if settings.url.starts_with("sqlite:") {
            Self::connect_sqlite(settings, "OFF").await
        } else if is_postgres(&settings.url) {
            Self::connect_postgres(settings).await
        } else {
            Err(OpenError::Url)
        }
    }

    /// The same, but on SQLite what is deleted is overwritten.
    pub(super) async fn connect_wiping(settings: &StoreSettings) -> Result<Self, OpenError> {
        if settings.url.starts_with("sqlite:") {
            Self::connect_sqlite(settings, "ON").await
        } else {
            Self::connect(settings).await
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
            Self::Postgres { pool } => pool.close().await,
        }
    }

    pub(super) async fn connect_sqlite(
        settings: &StoreSettings,
        secure_delete: &'static str,
    ) -> Result<Self, OpenError> {
        let options = SqliteConnectOptions::from_str(&settings.url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An acknowledged referral survives a power cut: group commit makes the sync cheap.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .statement_cache_capacity(200)
            // The trail dirties the same pages again and again: copied back less often, they are copied back once.
            .pragma("wal_autocheckpoint", "4000")
            .pragma("secure_delete", secure_delete)
            .pragma("temp_store", "memory")
            // Where it has to guess, it would rather index a million rows for one search than use the key that is there.
            .pragma("automatic_index", "OFF")
            .pragma("cache_size", "-16384");
        let open = || SqlitePoolOptions::new().max_connections(1).connect_with(options.clone());
        let writer = tried_again(open, is_locked).await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(settings.connections_max)
            .test_before_acquire(false)
            // The pages are the kernel's as well; each connection would keep as many for itself as the writer.
            .connect_lazy_with(options.read_only(true).pragma("cache_size", "-4096"));
        Ok(Self::Sqlite { writer, reader })
    }

    pub(super) async fn connect_postgres(settings: &StoreSettings) -> Result<Self, OpenError> {
        let options = PgConnectOptions::from_str(&settings.url)?.statement_cache_capacity(200);
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections_max.max(4))
            .acquire_timeout(Duration::from_secs(5))
            .test_before_acquire(false)
            .after_connect(|connection, _| Box::pin(set_up(connection)))
            .connect_with(options)
            .await?;
        Ok(Self::Postgres { pool })
    }

    pub(super) async fn migrate(&self, migrations: &'static Migrator) -> Result<(), OpenError> {
        match self {
            Self::Sqlite { writer, .. } => {
                let adapted = migrations.iter().cloned().map(|mut migration| {
                    // A type whose name has "int" in it, as "point" does, is a number's to SQLite: "007" would become 7.
                    let text = migration.sql.as_str().replace("code_point_text", "TEXT");
                    let text = of_sqlite(&text);
                    migration.sql = AssertSqlSafe(text).into_sql_str();
                    migration
                });
                let migrator = Migrator::with_migrations(adapted.collect());
                let may_pass = |error: &MigrateError| {
                    matches!(error, MigrateError::Execute(_) | MigrateError::ExecuteMigration(..))
                };
                tried_again(|| migrator.run(writer), may_pass).await?;
            }
            Self::Postgres { pool } => {
                sqlx::query(CODE_POINT_TEXT).execute(pool).await?;
                migrations.run(pool).await?;
            }
        }
        Ok(())
    }
}

/// The text of a migration for `SQLite`: with what is marked as its own, and without the lines that are PostgreSQL's.
fn of_sqlite(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.ends_with("/*POSTGRES*/")).collect();
    let (lines, mut adapted) = (lines.join("\n"), String::with_capacity(text.len()));
    let mut rest = lines.as_str();
    while let Some((before, marked)) = rest.split_once("/*SQLITE") {
        let (own, after) = marked.split_once("*/").unwrap_or((marked, ""));
        adapted.push_str(before);
        adapted.push_str(own);
        rest = after;
    }
    adapted.push_str(rest);
    adapted
}

/// The predicate of sight is long: planned anew for every search, or compiled, it costs ten times what it takes to run.
async fn set_up(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute("SET jit = off; SET plan_cache_mode = force_generic_plan").await.map(|_| ())
}

/// Of programs that start at once on a new file of `SQLite` one begins its log, and one makes the tables; there is no lock to wait
/// for either, so the others fail, try again, and then find it done.
async fn tried_again<T, E, F>(attempt: impl Fn() -> F, may_pass: impl Fn(&E) -> bool) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    const TRIES_MAX: usize = 40;
    for _ in 1..TRIES_MAX {
        match attempt().await {
            Err(error) if may_pass(&error) => {}
            settled => return settled,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    attempt().await
}

/// Whether `SQLite` found the file locked; the lowest byte of its codes says so.
fn is_locked(error: &sqlx::Error) -> bool {
    const BUSY: u32 = 5;
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == BUSY)
}

/// Whatever is sorted or searched compares by code point on both databases: prefix ranges and cursors depend on it.
const CODE_POINT_TEXT: &str = "DO $$ BEGIN CREATE DOMAIN code_point_text AS text COLLATE \"C\"; \
     EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$";
