//! A key store that is an older copy: it is told from a destroyed key, and nothing is lost without a word.

use gateway::storage::resource::Seen;
use gateway::storage::write_set::{Method, NewVersion, VersionId, WriteSet};
use gateway::storage::{OpenError, StorageError, Store, StoreSettings};
use serde_json::{Value, json};

use crate::vault::{NUMBER, Safe, copy, found, patient, read, safes, vault, write};
use crate::world::{self, NOW_MS, event, first, key, put, viewer};
use gateway::audit::{AuditEvent, Outcome};

/// The settings of the same database with the copy of its key store.
fn with_keys(safe: &Safe, copied: &str) -> StoreSettings {
    StoreSettings { vault: Some(vault(copied, &safe.ring)), ..safe.settings.clone() }
}

/// What a reader is answered, where that may be an error.
async fn shown(store: &Store, id: &str) -> Result<Option<Seen>, StorageError> {
    let found = store.read(viewer("a"), "Patient", id).await?;
    store.record(found, |touched| event(&touched.compartment, NOW_MS, Outcome::Success), Vec::new()).await
}

fn masked(id: &str) -> Value {
    let mut masked = patient(id, NUMBER);
    masked["identifier"][0]["value"] = json!("***");
    masked
}

#[tokio::test]
async fn an_older_copy_of_the_key_store_opens_no_database() {
    for safe in safes().await {
        let directory = tempfile::tempdir().expect("there is room");
        write(&safe.store, "p", NUMBER).await;
        safe.store.note_keys().await.expect("it is noted");
        let same = copy(&safe.keys_url, directory.path(), "same").await;
        write(&safe.store, "q", NUMBER).await;
        // A number more under a key that was there: nothing but the index of numbers has moved.
        safe.store.note_keys().await.expect("it is noted");
        let before = copy(&safe.keys_url, directory.path(), "before").await;
        let mut set = WriteSet::default();
        let next = first(key("p", "Patient", "p"), &patient("p", "98472899765"));
        put(&mut set, NewVersion { version: VersionId(2), method: Method::Put, replaces: true, ..next });
        safe.store.apply(set).await.expect("it is written");
        // What is closed in good order has noted how far the key store is.
        safe.store.close().await;
        for copied in [&same, &before] {
            let refused = Store::open(&with_keys(&safe, copied)).await.expect_err("it is older");
            assert!(matches!(refused, OpenError::OlderKeyStore), "{}: {refused}", safe.kind);
        }
        let again = Store::open(&safe.settings).await.expect("its own opens it");
        assert_eq!(found(&again, "identifier=98472899765").await, ["p"], "{}", safe.kind);
        again.close().await;
    }
}

#[tokio::test]
async fn a_destruction_is_not_taken_back_by_an_older_copy_of_the_key_store() {
    for safe in safes().await {
        let directory = tempfile::tempdir().expect("there is room");
        write(&safe.store, "p", NUMBER).await;
        safe.store.note_keys().await.expect("it is noted");
        let copied = copy(&safe.keys_url, directory.path(), "copy").await;
        assert_eq!(safe.store.destroy_keys("p", NOW_MS).await.expect("it is destroyed"), 1, "{}", safe.kind);
        safe.store.close().await;
        let refused = Store::open(&with_keys(&safe, &copied)).await.expect_err("it still has the key");
        assert!(matches!(refused, OpenError::OlderKeyStore), "{}: {refused}", safe.kind);
    }
}

#[tokio::test]
async fn a_database_of_before_goes_with_the_key_store_of_today() {
    for safe in safes().await {
        let directory = tempfile::tempdir().expect("there is room");
        write(&safe.store, "p", NUMBER).await;
        safe.store.note_keys().await.expect("it is noted");
        let backup = copy(&safe.settings.url, directory.path(), "backup").await;
        write(&safe.store, "q", NUMBER).await;
        safe.store.close().await;
        let restored = StoreSettings { url: backup, ..safe.settings.clone() };
        let restored = Store::open(&restored).await.expect("it opens");
        assert_eq!(read(&restored, "p").await, patient("p", NUMBER), "{}", safe.kind);
        restored.close().await;
    }
}

#[tokio::test]
async fn a_value_whose_key_is_missing_is_an_error_and_never_a_mask() {
    for safe in safes().await {
        let kind = safe.kind;
        let directory = tempfile::tempdir().expect("there is room");
        write(&safe.store, "p", NUMBER).await;
        safe.store.note_keys().await.expect("it is noted");
        let copied = copy(&safe.keys_url, directory.path(), "copy").await;
        // Within the seconds before it is noted, as a process that is killed leaves it.
        write(&safe.store, "q", NUMBER).await;
        let older = Store::open(&with_keys(&safe, &copied)).await.expect("nothing tells yet that it is older");
        assert!(matches!(shown(&older, "q").await, Err(StorageError::Vault(_))), "{kind}: for who reads");
        let located = older.locate("Patient", "q").await;
        assert!(matches!(located, Err(StorageError::Vault(_))), "{kind}: and for who would write over it");
        assert!(shown(&older, "p").await.expect("it answers").is_some_and(|seen| seen.body.contains(NUMBER)), "{kind}");
        older.close().await;
        assert_eq!(read(&safe.store, "q").await, patient("q", NUMBER), "{kind}: nothing is lost");
    }
}

#[tokio::test]
async fn where_no_newer_copy_is_left_what_is_missing_is_named_and_given_up() {
    for safe in safes().await {
        let kind = safe.kind;
        let directory = tempfile::tempdir().expect("there is room");
        for id in ["p", "d"] {
            write(&safe.store, id, NUMBER).await;
        }
        safe.store.note_keys().await.expect("it is noted");
        let copied = copy(&safe.keys_url, directory.path(), "copy").await;
        assert_eq!(safe.store.destroy_keys("d", NOW_MS).await.expect("it is destroyed"), 1, "{kind}");
        let receipt = AuditEvent { subtype: "destroy-key", ..event("d", NOW_MS, Outcome::Success) };
        safe.store.record_only(vec![receipt]).await.expect("it is recorded");
        write(&safe.store, "q", NUMBER).await;
        safe.store.close().await;

        let settings = with_keys(&safe, &copied);
        let store = Store::open_with_older_keys(&settings).await.expect("it is meant");
        let (missing, last) = store.missing_keys("", 2).await.expect("it answers");
        let (more, end) = store.missing_keys(&last.expect("two were looked at"), 2).await.expect("it answers");
        let missing = [missing, more].concat();
        let [gone] = missing.as_slice() else { panic!("{kind}: {missing:?}") };
        assert_eq!((gone.compartment.as_str(), gone.resource_id.as_str()), ("q", "q"), "{kind}");
        let (none, end) = store.missing_keys(&end.expect("the third"), 2).await.expect("it answers");
        assert!(none.is_empty() && end.is_none(), "{kind}");

        assert_eq!(read(&store, "d").await, patient("d", NUMBER), "{kind}: this copy still has it");
        assert_eq!(store.destroy_keys_again(NOW_MS + 1).await.expect("it answers"), 1, "{kind}");
        store.give_up_key(&gone.id, NOW_MS + 1).await.expect("it is given up");
        store.accept_keys().await.expect("it is taken");
        store.close().await;
        let store = Store::open(&settings).await.expect("it is the key store from now on");
        assert_eq!(read(&store, "p").await, patient("p", NUMBER), "{kind}");
        for id in ["d", "q"] {
            assert_eq!(read(&store, id).await, masked(id), "{kind}");
        }
        assert_eq!(found(&store, &format!("identifier={NUMBER}")).await, ["p"], "{kind}");
        // What is made from here on is not in the copy that it was.
        write(&store, "r", NUMBER).await;
        assert_eq!(world::found(&store, &viewer("a"), "Patient", &format!("identifier={NUMBER}")).await.len(), 2);
        store.close().await;
    }
}
