//! Migrations: again, at once, interrupted, and by a program that is too old.

use futures_util::future::join_all;
use gateway::storage::{OpenError, Store, StoreSettings};
use serde_json::json;

use crate::world::{ask, beginning, first, key, open, read, rows, stores, viewer};

#[tokio::test]
async fn migrating_again_does_no_harm() {
    for (kind, url, store) in stores().await {
        store.apply(beginning("r", "a", vec![first(key("r", "Patient", "r"), &json!({"n": 1}))])).await.expect("new");
        let before = rows(&url).await;
        store.close().await;
        let again = open(&url).await;
        assert_eq!(rows(&url).await, before, "{kind}");
        let seen = read(&again, viewer("a"), "Patient", "r").await.expect("it is still there");
        assert_eq!(seen.body, r#"{"n":1}"#, "{kind}");
    }
}

#[tokio::test]
async fn replicas_that_start_at_once_on_an_empty_database_all_start() {
    for (kind, url) in wellgate_tests::databases() {
        let settings = StoreSettings::new(&url);
        for opened in join_all((0..4).map(|_| Store::open(&settings))).await {
            opened.unwrap_or_else(|error| panic!("{kind}: {error}")).ping().await.expect("it answers");
        }
        let migrations = ask(&url, "SELECT CAST(COUNT(*) AS TEXT) FROM _sqlx_migrations").await;
        let folder = std::fs::read_dir(wellgate_tests::project().join("migrations")).expect("the folder is there");
        // Beside them is the folder of the key store's.
        let files = folder.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_file())).count();
        assert_eq!(migrations, files.to_string(), "{kind}: each is noted once");
    }
}

#[tokio::test]
async fn a_program_that_is_older_than_the_schema_refuses_it_and_says_so() {
    for (kind, url, store) in stores().await {
        store.close().await;
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                     VALUES (9999, 'of a later version', TRUE, 'x', 0)";
        if kind == "sqlite" {
            let pool = sqlx::SqlitePool::connect(&url).await.expect("the file is there");
            sqlx::query(newer).execute(&pool).await.expect("the statement is right");
            pool.close().await;
        } else {
            wellgate_tests::postgres::query(&url, newer);
        }
        let before = rows(&url).await;
        let refused = Store::open(&StoreSettings::new(&url)).await.expect_err("the schema is newer");
        assert!(matches!(refused, OpenError::Newer(9999)), "{kind}: {refused:?}");
        assert!(refused.to_string().contains("newer version"), "{kind}: {refused}");
        assert_eq!(rows(&url).await, before, "{kind}");
    }
}
