//! Opening a database: which are taken, which are refused, and that a refusal leaves no trace.

use std::path::Path;

use gateway::storage::{OpenError, Store, StoreSettings};

use crate::world::{ask, open};

async fn open_sandbox(url: &str) -> Result<Store, OpenError> {
    Store::open_sandbox(&StoreSettings::new(url)).await
}

/// Runs statements on a database without the store.
pub(crate) async fn execute(url: &str, sql: &str) {
    if url.starts_with("sqlite:") {
        use std::str::FromStr as _;
        let options =
            sqlx::sqlite::SqliteConnectOptions::from_str(url).expect("a URL of the tests").create_if_missing(true);
        let pool = sqlx::SqlitePool::connect_with(options).await.expect("the file can be made");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&pool).await.expect("the statement is right");
        pool.close().await;
    } else {
        wellgate_tests::postgres::query(url, sql);
    }
}

/// What there is in a database, and the very bytes of a file.
async fn trace(url: &str) -> String {
    let path = url.trim_start_matches("sqlite:");
    if Path::new(path).exists() {
        return format!("{:?}", std::fs::read(path).expect("the file can be read"));
    }
    let relations =
        "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    let written = "SELECT string_agg(relname || n_tup_ins, ' ' ORDER BY relname) FROM pg_stat_user_tables";
    format!("{} {}", ask(url, relations).await, ask(url, written).await)
}

#[tokio::test]
async fn sqlite_is_compiled_without_locks_that_all_connections_share() {
    // `.cargo/config.toml` says so; whoever builds from elsewhere would not notice.
    let pool = sqlx::SqlitePool::connect("sqlite::memory:").await.expect("there is memory");
    let options: Vec<String> = sqlx::query_scalar("PRAGMA compile_options").fetch_all(&pool).await.expect("it answers");
    assert!(options.iter().any(|option| option == "DEFAULT_MEMSTATUS=0"), "{options:?}");
    assert!(!options.iter().any(|option| option == "ENABLE_MEMORY_MANAGEMENT"), "{options:?}");
}

#[tokio::test]
async fn a_url_of_no_database_is_refused() {
    for url in ["mysql://x", "wellgate.sqlite", ""] {
        assert!(matches!(Store::open(&StoreSettings::new(url)).await, Err(OpenError::Url)), "{url}");
    }
}

#[tokio::test]
async fn a_sandbox_takes_an_empty_database_and_takes_it_again() {
    for (kind, url) in wellgate_tests::databases() {
        for round in 0..2 {
            let store = open_sandbox(&url).await.unwrap_or_else(|error| panic!("{kind} {round}: {error}"));
            store.ping().await.expect("it answers");
            store.close().await;
        }
    }
}

#[tokio::test]
async fn a_sandbox_does_not_touch_a_database_that_no_sandbox_made() {
    for (kind, url) in wellgate_tests::databases() {
        let store = open(&url).await;
        store.put_setting("cursor_key", "secret").await.expect("it is written");
        store.close().await;
        let before = trace(&url).await;
        let refused = open_sandbox(&url).await;
        assert!(matches!(refused, Err(OpenError::NotASandbox)), "{kind}: {refused:?}");
        assert_eq!(trace(&url).await, before, "{kind}");
        open(&url).await;
    }
}

#[tokio::test]
async fn a_sandbox_does_not_touch_another_programs_database() {
    for sql in ["CREATE TABLE diary (entry TEXT)", "CREATE TABLE setting (name TEXT, value TEXT)"] {
        for (kind, url) in wellgate_tests::databases() {
            execute(&url, sql).await;
            let before = trace(&url).await;
            let refused = open_sandbox(&url).await;
            assert!(matches!(refused, Err(OpenError::NotASandbox)), "{kind} {sql}: {refused:?}");
            assert_eq!(trace(&url).await, before, "{kind} {sql}");
        }
    }
}
