//! One moment of a database: what its hashes tell apart, and that others may write meanwhile.

use std::path::PathBuf;

use gateway::storage::Store;
use gateway::storage::moment::{self, Contents, MomentError, Snapshot, TableContents, newest_schema_version};
use serde_json::json;

use crate::opening::execute;
use crate::world::{beginning, first, key, stores};

/// What a database has, by the way of a backup.
async fn contents(url: &str, with_hashes: bool) -> Contents {
    if url.starts_with("sqlite:") {
        let copy = PathBuf::from(format!("{}.copy", url.trim_start_matches("sqlite:")));
        let _ = std::fs::remove_file(&copy);
        moment::copy_sqlite(url, &copy).await.expect("it can be copied");
        return moment::contents_of_file(&copy, with_hashes).await.expect("the copy is whole");
    }
    let mut snapshot = Snapshot::begin(url).await.expect("it answers");
    let contents = snapshot.contents(with_hashes).await.expect("it answers");
    snapshot.end().await.expect("it answers");
    contents
}

async fn table(url: &str, name: &str) -> TableContents {
    let contents = contents(url, true).await;
    contents.tables.into_iter().find(|table| table.name == name).expect("the table is there")
}

async fn put(store: &Store, id: &str) {
    store.apply(beginning(id, "a", vec![first(key(id, "Patient", id), &json!({"id": id}))])).await.expect("new");
}

#[tokio::test]
async fn a_hash_moves_with_every_cell_and_not_with_the_order_of_rows() {
    for (kind, url, store) in stores().await {
        let row = |name: &str, value: &str| format!("INSERT INTO setting (name, value) VALUES ('{name}', '{value}')");
        let both = async |first: &str, second: &str| {
            execute(&url, "DELETE FROM setting").await;
            execute(&url, first).await;
            execute(&url, second).await;
            table(&url, "setting").await
        };
        let one = both(&row("a", "bc"), &row("b", "x")).await;
        assert_eq!(
            (one.rows, one.hash.len(), one.columns.as_slice()),
            (2, 64, ["name".to_owned(), "value".to_owned()].as_slice())
        );
        assert_eq!(both(&row("b", "x"), &row("a", "bc")).await, one, "{kind}: another order");
        for (first, second) in [
            (row("a", "bd"), row("b", "x")),
            // The same letters in other cells, and values that changed places.
            (row("ab", "c"), row("b", "x")),
            (row("a", "x"), row("b", "bc")),
        ] {
            assert_ne!(both(&first, &second).await.hash, one.hash, "{kind}: {first} {second}");
        }
        execute(&url, "INSERT INTO organization (id, name, kind, active) VALUES ('a', 'x', 'elp', 1)").await;
        let without = table(&url, "organization").await.hash;
        execute(&url, "UPDATE organization SET cbe = ''").await;
        assert_ne!(table(&url, "organization").await.hash, without, "{kind}: nothing is not an empty text");
        store.close().await;
    }
}

#[tokio::test]
async fn the_same_rows_have_the_same_hashes_on_both_databases() {
    let mut all = Vec::new();
    for (_, url, store) in stores().await {
        put(&store, "r").await;
        store.close().await;
        all.push(contents(&url, true).await);
    }
    assert!(all[0].tables.iter().any(|table| table.name == "resource" && table.rows == 1));
    assert_eq!(all[0].schema_version, newest_schema_version());
    for other in &all[1..] {
        for (one, other) in all[0].tables.iter().zip(&other.tables) {
            assert_eq!((&one.name, one.rows, &one.hash), (&other.name, other.rows, &other.hash));
        }
    }
}

#[tokio::test]
async fn counted_alone_a_table_has_its_rows_and_no_hash() {
    for (kind, url, store) in stores().await {
        put(&store, "r").await;
        let counted = contents(&url, false).await;
        let resource = counted.tables.iter().find(|table| table.name == "resource").expect("it is there");
        assert_eq!((resource.rows, resource.hash.as_str()), (1, ""), "{kind}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_snapshot_shows_its_moment_and_holds_nobody_up() {
    for (kind, url, store) in stores().await {
        if kind == "sqlite" {
            // A copy is one statement: nothing is between its beginning and its end.
            continue;
        }
        put(&store, "before").await;
        let mut snapshot = Snapshot::begin(&url).await.expect("it answers");
        let (name, server_version) = snapshot.exported().await.expect("it answers");
        assert!(!name.is_empty() && server_version >= 150_000, "{name} {server_version}");
        put(&store, "after").await;
        let seen = snapshot.contents(true).await.expect("it answers");
        let rows = |contents: &Contents| {
            contents.tables.iter().find(|table| table.name == "record").expect("it is there").rows
        };
        assert_eq!((rows(&seen), rows(&contents(&url, true).await)), (1, 2), "{kind}");
        snapshot.end().await.expect("it answers");
    }
}

#[tokio::test]
async fn what_is_no_database_of_this_program_is_none() {
    for (kind, url) in wellgate_tests::databases() {
        execute(&url, "CREATE TABLE other (id BIGINT)").await;
        let refused = if kind == "sqlite" {
            moment::contents_of_file(url.trim_start_matches("sqlite:").as_ref(), true).await.map(|_| ())
        } else {
            Snapshot::begin(&url).await.expect("it answers").contents(true).await.map(|_| ())
        };
        assert!(matches!(refused, Err(MomentError::NoSchema)), "{kind}: {refused:?}");
    }
}
