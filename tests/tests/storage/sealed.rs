//! A sealed trail to tamper with, put back as it was after each attempt.

use std::str::FromStr as _;
use std::time::Duration;

use gateway::audit::Outcome;
use gateway::audit::check::{Report, Trust};
use gateway::audit::seal_key::SealKey;
use gateway::evidence::{Sealer, verify as verify_trail};
use gateway::storage::trail::Trail;
use gateway::storage::{Store, StoreSettings};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tempfile::TempDir;

use crate::world::{NOW_MS, ask, event};

/// A database with twelve events a second apart, four under each of three seals.
pub(crate) struct Sealed {
    pub(crate) kind: &'static str,
    pub(crate) url: String,
    pub(crate) ids: Vec<String>,
    pub(crate) key: SealKey,
    store: Store,
    _directory: TempDir,
}

/// A store whose trail is sealed by a key.
pub(crate) async fn open_with_key(url: &str, pem: &str) -> (Store, TempDir) {
    let directory = tempfile::tempdir().expect("there is room");
    let file = directory.path().join("evidence-key.pem");
    std::fs::write(&file, pem).expect("there is room");
    let settings = StoreSettings { seal_key_file: Some(file), ..StoreSettings::new(url) };
    (Store::open(&settings).await.expect("it opens"), directory)
}

/// Records so many events from a second on, each by itself, and answers their ids.
pub(crate) async fn record(store: &Store, from_second: i64, events: i64) -> Vec<String> {
    let mut ids = Vec::new();
    for second in from_second..from_second + events {
        let event = event("r", NOW_MS + second * 1_000, Outcome::Success);
        ids.push(event.id.clone());
        store.record_only(vec![event]).await.expect("it is recorded");
    }
    ids
}

/// One on each database.
pub(crate) async fn sealed_trails() -> Vec<Sealed> {
    let mut all = Vec::new();
    for (kind, url) in wellgate_tests::databases() {
        let pem = SealKey::generate().expect("there is randomness");
        let directory = tempfile::tempdir().expect("there is room");
        let file = directory.path().join("evidence-key.pem");
        std::fs::write(&file, &pem).expect("there is room");
        // One writer, so that all stand in one chain.
        let settings = StoreSettings { seal_key_file: Some(file), writers: 1, ..StoreSettings::new(&url) };
        let store = Store::open(&settings).await.expect("it opens");
        let mut sealer = Sealer::new(&store, None).expect("it has a key");
        let mut ids = Vec::new();
        for round in 0..3 {
            ids.extend(record(&store, round * 4, 4).await);
            // The last round as it is read from the database, the others as they are told.
            let events = sealer.pass(NOW_MS + round * 4_000 + 3_500, round == 2).await.expect("it seals");
            assert_eq!(events, 4, "{kind}");
        }
        let key = SealKey::read(pem.as_bytes()).expect("a key");
        for table in ["audit_event", "audit_seal"] {
            execute(&url, &format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await;
        }
        all.push(Sealed { kind, url, ids, key, store, _directory: directory });
    }
    all
}

pub(crate) async fn verify(url: &str, trust: Trust) -> Report {
    let trail = Trail::open(url).await.expect("it can be read");
    let report = verify_trail(&trail, trust).await.expect("it can be read");
    trail.close().await;
    report
}

impl Sealed {
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust { keys: vec![self.key.public().clone()], secret: Some(self.key.clone()), ..Trust::default() }
    }

    pub(crate) async fn verify(&self, trust: Trust) -> Report {
        verify(&self.url, trust).await
    }

    /// What is found once these statements ran.
    pub(crate) async fn tampered(&self, statements: &[String]) -> Report {
        self.tampered_as(statements, self.trust()).await
    }

    /// As [`Sealed::tampered`], by another trust; then all is as it was.
    pub(crate) async fn tampered_as(&self, statements: &[String], trust: Trust) -> Report {
        execute(&self.url, &statements.join("; ")).await;
        let report = self.verify(trust).await;
        let put_back = ["audit_event", "audit_seal"]
            .map(|table| format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}"));
        execute(&self.url, &put_back.join("; ")).await;
        assert!(self.verify(self.trust()).await.is_clean(), "{}: it is put back", self.kind);
        report
    }
}

/// Changes a database without the store.
pub(crate) async fn execute(url: &str, sql: &str) {
    if !url.starts_with("sqlite:") {
        wellgate_tests::postgres::query(url, sql);
        return;
    }
    let options =
        SqliteConnectOptions::from_str(url).expect("a URL of the tests").busy_timeout(Duration::from_secs(10));
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.expect("the file is there");
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&pool).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    pool.close().await;
}

pub(crate) async fn column_names(url: &str, table: &str) -> Vec<String> {
    let sql = if url.starts_with("sqlite:") {
        format!("SELECT group_concat(name, ' ') FROM pragma_table_info('{table}')")
    } else {
        format!("SELECT string_agg(column_name, ' ') FROM information_schema.columns WHERE table_name = '{table}'")
    };
    ask(url, &sql).await.split(' ').map(str::to_owned).collect()
}
