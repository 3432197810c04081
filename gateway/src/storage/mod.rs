//! All SQL of the gateway: one text for SQLite and PostgreSQL wherever speed allows.
//!
//! Read functions take the viewer and join sight in SQL; write functions take a permitted write set. This module knows
//! neither HTTP nor FHIR interactions, and it never decides: what it enforces was decided by `consent` and written as rows.

mod about;
pub mod async_job;
pub mod audit;
pub mod billing;
pub mod chain;
pub mod channel;
mod class;
mod compartment;
pub mod conflict;
pub mod crisis;
mod criterion;
mod database;
pub mod delivery;
pub mod emergency;
pub mod export;
pub mod export_job;
pub mod facts;
pub mod handover;
pub mod history;
pub mod idempotency;
pub mod include;
pub mod intake;
pub mod key_epoch;
pub mod key_store;
pub mod moment;
pub mod people;
mod precondition;
mod reader;
pub mod registry;
pub mod reindex;
pub mod relabel;
pub mod representative;
pub mod resource;
pub mod restored;
mod rows;
mod rules;
mod sealing;
pub mod seals;
pub mod search;
pub mod sessions;
pub mod sight;
mod statements;
pub mod subscription;
pub mod teams;
mod text;
mod together;
mod tokens;
pub mod trail;
pub mod treatment;
pub mod types;
mod unsealed;
mod window;
pub mod write_set;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

pub use self::database::Database;
use self::handover::{Handover, Queued};
use self::key_store::{KeyStore, VaultSettings};
use self::reader::Reader;
use self::writer::Writer;
use crate::audit::seal_key::SealKey;
use crate::clock::Clock;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

/// The mark of a sandbox's database: a table of its own, made before all others, so that a sandbox which is killed while it
/// makes them finds itself again.
const SANDBOX_MARK: &str = "sandbox_mark";

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// Runs one body on either pool for a read: `$executor` is the pool.
macro_rules! read {
    ($database:expr, |$executor:ident| $body:expr) => {
        match $database {
            $crate::storage::Database::Sqlite { reader: $executor, .. } => $body,
            $crate::storage::Database::Postgres { pool: $executor } => $body,
        }
    };
}
/// Runs one body on either pool for a small write outside the group-commit writer (operator and maintenance work).
macro_rules! write {
    ($database:expr, |$executor:ident| $body:expr) => {
        match $database {
            $crate::storage::Database::Sqlite { writer: $executor, .. } => $body,
            $crate::storage::Database::Postgres { pool: $executor } => $body,
        }
    };
}
pub(crate) use {read, write};

/// Why the storage could not answer.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The database is away, out of space or too slow: the caller may try again.
    #[error("the database did not answer")]
    Unavailable(#[source] Arc<sqlx::Error>),
    /// Too many write sets wait already.
    #[error("too many writes are waiting")]
    Busy,
    /// What the write set was decided on has moved: decide again.
    #[error("what this was decided on has changed meanwhile")]
    Moved,
    /// The idempotency key was used meanwhile.
    #[error("this idempotency key was used meanwhile")]
    KeyUsed,
    /// The vault cannot seal or open: its keys are not what they were, or the system gives no randomness.
    #[error("the vault does not work: {0}")]
    Vault(&'static str),
    /// An event of the trail does not say who did what to whose data by which application: then it is not done either.
    #[error("an event of the trail does not say all that it must")]
    Incomplete,
    /// A row does not read as what was written there.
    #[error("a stored row is not readable: {0}")]
    Corrupt(&'static str),
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(Arc::new(error))
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is neither `sqlite:PATH` nor `postgres://…`.
    #[error("database.url must start with sqlite: or postgres://")]
    Url,
    /// The database refused or is away.
    #[error("the database could not be opened: {0}")]
    Database(#[from] sqlx::Error),
    /// A sandbox was to be opened on a database that no sandbox made.
    #[error("this database was not made by a sandbox: a sandbox does not touch it")]
    NotASandbox,
    /// The key ring cannot be read.
    #[error("vault: the key ring {0}")]
    Ring(String),
    /// A key that wrapped keys of the key store is not in the ring.
    #[error("the key ring has no key '{0}', with which keys of the key store are wrapped")]
    RingKey(String),
    /// The key store is not the one that the database was begun with.
    #[error("vault.key_store is not the key store of this database: put the right one back, with every key of today")]
    KeyStore,
    /// The key store is an older copy of the one that the database goes with.
    #[error(
        "vault.key_store is an older copy than this database goes with: put the newest one back; where it is lost, \
         `wellgate vault give-up` names the records whose numbers are lost with it"
    )]
    OlderKeyStore,
    /// The key store cannot be used.
    #[error("the key store cannot be used: it was changed, is not of this key ring, or the system gives no randomness")]
    Vault,
    /// The key by which the trail is sealed cannot be used.
    #[error("evidence.signing_key_file: {0}")]
    SealKey(String),
    /// A later version of the program was here before.
    #[error("this database was brought to migration {0} by a newer version of wellgate: run that version")]
    Newer(i64),
    /// A restore was broken off, or what came in is not what the backup has.
    #[error("a restore into this database did not end well: make an empty one and restore again")]
    Unfinished,
    /// A migration failed.
    #[error("the schema could not be brought up to date: {0}")]
    Migration(#[source] MigrateError),
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::Newer(version),
            error => Self::Migration(error),
        }
    }
}

/// How to open a store. Its URL may hold a password, so it is never printed.
#[derive(Clone)]
pub struct StoreSettings {
    /// `sqlite:PATH` or `postgres://user@host/database`.
    pub url: String,
    /// Connections for reading (SQLite) or in all (PostgreSQL).
    pub connections_max: u32,
    /// Tasks that commit groups of write sets on PostgreSQL; SQLite always has one.
    pub writers: usize,
    /// Write sets that may wait before a caller is told to come back.
    pub write_queue_max: usize,
    /// How values are sealed; a store without is for tests that write none.
    pub vault: Option<VaultSettings>,
    /// The key by which the trail is sealed.
    pub seal_key_file: Option<PathBuf>,
    /// Whether words are indexed, and searched.
    pub full_text: bool,
}

impl fmt::Debug for StoreSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.url.split(':').next().unwrap_or_default();
        let Self { connections_max, writers, write_queue_max, .. } = self;
        formatter.write_fmt(format_args!("StoreSettings({kind}:…, {connections_max}, {writers}, {write_queue_max})"))
    }
}

impl StoreSettings {
    /// The settings of a small installation on the given database.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections_max: 8,
            writers: 4,
            write_queue_max: 4096,
            vault: None,
            seal_key_file: None,
            full_text: false,
        }
    }
}

/// The store: resources with every version, index, grants, audit events, deliveries and keys, on either database.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) database: Database,
    writer: Writer,
    reader: Reader,
    keys: Option<KeyStore>,
    full_text: bool,
    handover: Handover,
}

impl Store {
    /// Opens the database and brings its schema up to date.
    ///
    /// # Errors
    /// [`OpenError`] where the URL, the database or a migration fails.
    pub async fn open(settings: &StoreSettings) -> Result<Self, OpenError> {
        let store = Box::pin(Self::open_with_older_keys(settings)).await?;
        store.refuse_older_keys().await?;
        Ok(store)
    }

    async fn start(database: Database, settings: &StoreSettings) -> Result<Self, OpenError> {
        let key = settings.seal_key_file.as_deref().map(read_seal_key).transpose()?;
        database.refuse_unfinished().await?;
        database.migrate(&MIGRATIONS).await?;
        database.hold_what_was_restored().await?;
        let keys = match &settings.vault {
            Some(vault) => Some(KeyStore::open(vault).await?),
            None => None,
        };
        let writer = Writer::start(&database, (settings.writers, settings.write_queue_max), key);
        let reader = Reader::start(&database);
        let store =
            Self { database, writer, reader, keys, full_text: settings.full_text, handover: Handover::default() };
        store.refuse_other_keys().await?;
        Ok(store)
    }

    /// Opens a database only if it is empty or was made by a sandbox, and marks it as one.
    ///
    /// # Errors
    /// [`OpenError::NotASandbox`]: nothing was changed then, not even the schema.
    pub async fn open_sandbox(settings: &StoreSettings) -> Result<Self, OpenError> {
        if !is_sandbox_or_empty(settings).await? {
            return Err(OpenError::NotASandbox);
        }
        let database = Database::connect(settings).await?;
        let mark = format!("CREATE TABLE IF NOT EXISTS {SANDBOX_MARK} (made_ms BIGINT)");
        write!(&database, |pool| sqlx::query(AssertSqlSafe(mark)).execute(pool).await.map(|_| ()))?;
        let store = Self::start(database, settings).await?;
        store.refuse_older_keys().await?;
        Ok(store)
    }

    /// Waits until this gateway has queued deliveries since it waited last, and says which partners they are for. What others queue is
    /// looked for by time.
    pub async fn queued(&self) -> Queued {
        self.handover.queued().await
    }

    /// Takes the next delivery that this gateway queues for a partner for the worker, if it is the first about its resource: it is leased
    /// from its commit on, and comes by [`Store::queued`]. For whoever has nothing under way to that partner.
    pub fn take_next(&self, partner: &str, clock: &Clock, lease_ms: i64) {
        self.handover.take_next(partner, clock, lease_ms);
    }

    /// Takes nothing more so for a partner. False where a delivery is being written at this moment: then the partner is named by
    /// [`Store::queued`] when that has come to its end.
    pub fn take_back(&self, partner: &str) -> bool {
        self.handover.take_back(partner)
    }

    /// Takes nothing more so for anybody, and hands out what was taken until now; and whether some of what was taken is still being written:
    /// then [`Store::queued`] says when that has come to its end.
    pub fn take_no_more(&self) -> (Queued, bool) {
        self.handover.take_no_more()
    }

    /// Asks the database a question: readiness, not liveness.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`].
    pub async fn ping(&self) -> Result<(), StorageError> {
        read!(&self.database, |pool| sqlx::query("SELECT 1").execute(pool).await.map(|_| ()))?;
        Ok(())
    }

    /// Waits until everything accepted is committed, then closes the connections.
    pub async fn close(&self) {
        self.writer.drain().await;
        if let Err(error) = self.note_keys().await {
            tracing::warn!(%error, "how far the key store is could not be noted");
        }
        self.database.close().await;
        if let Some(keys) = &self.keys {
            keys.close().await;
        }
    }
}

/// The key in a file: an operator's mistake is told with the name of the file.
///
/// # Errors
/// [`OpenError::SealKey`].
pub fn read_seal_key(file: &Path) -> Result<SealKey, OpenError> {
    let wrong = |error: &dyn std::fmt::Display| OpenError::SealKey(format!("{}: {error}", file.display()));
    let content = std::fs::read(file).map_err(|error| wrong(&error))?;
    SealKey::read(&content).map_err(|error| wrong(&error))
}

/// Whether an error may come from one of a group (a key used at the same moment by another replica, a deadlock, a text that
/// cannot be stored), so that the others are tried without it.
fn is_about_one(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(_))
}

/// Runs a task of the store until it ends by itself. A fault of ours fails what it was about, not everything after.
fn keep_running<T>(task: impl Fn() -> T + Send + 'static)
where
    T: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        while let Err(error) = tokio::spawn(task()).await {
            if error.is_cancelled() {
                return;
            }
            tracing::error!("a task of the storage failed and was started again");
        }
    });
}

/// Looks with a connection of its own: to open a file as a store does would change it already. It may write all the same, or it
/// could not roll back what a killed process left half done.
async fn is_sandbox_or_empty(settings: &StoreSettings) -> Result<bool, OpenError> {
    let names = relations(&settings.url).await?;
    Ok(names.is_empty() || names.iter().any(|name| name == SANDBOX_MARK))
}

/// The names of what is in a database that may not be there at all.
async fn relations(url: &str) -> Result<Vec<String>, OpenError> {
    if url.starts_with("sqlite:") {
        let options = SqliteConnectOptions::from_str(url)?;
        if !options.get_filename().exists() {
            return Ok(Vec::new());
        }
        let mut connection = options.connect().await?;
        let names = sqlx::query_scalar("SELECT name FROM sqlite_master").fetch_all(&mut connection).await?;
        connection.close().await?;
        Ok(names)
    } else if is_postgres(url) {
        let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
        let sql = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                   WHERE n.nspname = ANY (current_schemas(false))";
        let names = sqlx::query_scalar(sql).fetch_all(&mut connection).await?;
        connection.close().await?;
        Ok(names)
    } else {
        Err(OpenError::Url)
    }
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}
