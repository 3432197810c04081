//! Sealed values in both databases: what is stored is no number, who may have it gets it back, and a destroyed key takes it from
//! every copy.

use std::path::{Path, PathBuf};

use gateway::storage::key_store::{KeyStore, VaultSettings};
use gateway::storage::write_set::{Method, NewVersion, VersionId, WriteSet};
use gateway::storage::{OpenError, StorageError, Store, StoreSettings};
use gateway::vault::{KeyRing, SealedElements};
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::world::{self, NOW_MS, ask, first, key, put, record, recorded, viewer};

const SSIN: &str = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/ssin";
pub(crate) const NUMBER: &str = "85073003328";

/// A database with a vault, and what its keys are kept in.
pub(crate) struct Safe {
    pub(crate) kind: &'static str,
    pub(crate) settings: StoreSettings,
    pub(crate) keys_url: String,
    pub(crate) ring: String,
    pub(crate) store: Store,
}

fn ring() -> String {
    KeyRing::fresh_line("first").expect("there is randomness")
}

pub(crate) fn vault(url: &str, ring: &str) -> VaultSettings {
    let sealed = SealedElements { systems: vec![SSIN.to_owned()], elements: Vec::new() };
    VaultSettings { url: url.to_owned(), ring: KeyRing::read(ring).expect("it is a ring"), sealed }
}

pub(crate) async fn safes() -> Vec<Safe> {
    let mut safes = Vec::new();
    let key_stores = wellgate_tests::databases();
    for ((kind, url), (_, keys_url)) in wellgate_tests::databases().into_iter().zip(key_stores) {
        let ring = ring();
        let settings = StoreSettings { vault: Some(vault(&keys_url, &ring)), ..StoreSettings::new(url) };
        let store = Store::open(&settings).await.expect("it opens");
        safes.push(Safe { kind, settings, keys_url, ring, store });
    }
    safes
}

pub(crate) fn patient(id: &str, number: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "identifier": [{"system": SSIN, "value": number}, {"system": "urn:mrn", "value": id}]})
}

pub(crate) async fn write(store: &Store, id: &str, number: &str) {
    let mut set = WriteSet::default();
    set.new_records.push(record(id, "a"));
    put(&mut set, first(key(id, "Patient", id), &patient(id, number)));
    store.apply(set).await.expect("it is written");
}

pub(crate) async fn read(store: &Store, id: &str) -> Value {
    let seen = world::read(store, viewer("a"), "Patient", id).await.expect("it is there");
    serde_json::from_str(&seen.body).expect("it is JSON")
}

pub(crate) async fn found(store: &Store, parameters: &str) -> Vec<String> {
    world::found(store, &viewer("a"), "Patient", parameters).await
}

/// Every text that a database has in any of its tables, as its files or its dump have it.
fn everything(url: &str) -> String {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let bytes = |suffix: &str| std::fs::read(format!("{path}{suffix}")).unwrap_or_default();
        let all = [bytes(""), bytes("-wal"), bytes("-journal")].concat();
        return String::from_utf8_lossy(&all).into_owned();
    }
    wellgate_tests::postgres::dump(url)
}

#[tokio::test]
async fn a_number_is_in_no_file_and_comes_back_to_who_may_have_it() {
    for safe in safes().await {
        let Safe { kind, settings, keys_url, store, .. } = &safe;
        write(store, "p", NUMBER).await;
        assert_eq!(read(store, "p").await, patient("p", NUMBER), "{kind}");
        let located = store.locate("Patient", "p").await.expect("it answers").expect("it is there");
        assert!(located.body.contains(NUMBER), "{kind}: a new version is made of the value, not of the mask");
        for url in [&settings.url, keys_url] {
            let all = everything(url);
            assert!(!all.contains(NUMBER), "{kind}: {url}");
            assert!(
                all.contains(if url == &settings.url { "urn:mrn" } else { "first" }),
                "{kind}: it is looked at where it is"
            );
        }
    }
}

#[tokio::test]
async fn a_sealed_identifier_is_found_by_its_whole_value_in_every_record_that_has_it() {
    for safe in safes().await {
        let store = &safe.store;
        write(store, "p", NUMBER).await;
        write(store, "q", NUMBER).await;
        write(store, "r", "98472899765").await;
        for asked in [format!("identifier={SSIN}|{NUMBER}"), format!("identifier={NUMBER}")] {
            assert_eq!(found(store, &asked).await, ["p", "q"], "{}: {asked}", safe.kind);
        }
        assert_eq!(
            found(store, &format!("identifier={SSIN}|{NUMBER},urn:mrn|r")).await,
            ["p", "q", "r"],
            "{}",
            safe.kind
        );
        assert_eq!(found(store, &format!("identifier={SSIN}|")).await, ["p", "q", "r"], "{}", safe.kind);
        for asked in [
            format!("identifier={SSIN}|8507300332"),
            format!("identifier=|{NUMBER}"),
            format!("identifier=urn:mrn|{NUMBER}"),
        ] {
            assert_eq!(found(store, &asked).await, [""; 0], "{}: {asked}", safe.kind);
        }
    }
}

#[tokio::test]
async fn a_number_that_a_thousand_records_have_is_found_like_any_other() {
    const MANY: u32 = 1_050;
    for safe in safes().await {
        let mut set = WriteSet::default();
        for n in 0..MANY {
            let id = format!("p{n}");
            set.new_records.push(record(&id, if n == 7 { "a" } else { "b" }));
            put(&mut set, first(key(&id, "Patient", &id), &patient(&id, NUMBER)));
        }
        safe.store.apply(set).await.expect("it is written");
        assert_eq!(found(&safe.store, &format!("identifier={SSIN}|{NUMBER}")).await, ["p7"], "{}", safe.kind);
        assert_eq!(found(&safe.store, &format!("identifier={NUMBER},urn:mrn|p8")).await, ["p7"], "{}", safe.kind);
    }
}

#[tokio::test]
async fn a_database_opens_with_the_key_store_that_it_was_begun_with_and_no_other() {
    for safe in safes().await {
        write(&safe.store, "p", NUMBER).await;
        safe.store.close().await;
        let (_, other) =
            wellgate_tests::databases().into_iter().find(|(kind, _)| *kind == safe.kind).expect("the same kind");
        let settings = StoreSettings { vault: Some(vault(&other, &safe.ring)), ..safe.settings.clone() };
        let refused = Store::open(&settings).await.expect_err("it is empty");
        assert!(matches!(refused, OpenError::KeyStore), "{}: {refused}", safe.kind);
        let again = Store::open(&safe.settings).await.expect("its own opens it");
        assert_eq!(read(&again, "p").await, patient("p", NUMBER), "{}", safe.kind);
    }
}

#[tokio::test]
async fn a_new_version_is_sealed_and_the_old_one_stays_so() {
    for safe in safes().await {
        let store = &safe.store;
        write(store, "p", NUMBER).await;
        let mut set = WriteSet::default();
        let next = first(key("p", "Patient", "p"), &patient("p", "98472899765"));
        put(&mut set, NewVersion { version: VersionId(2), method: Method::Put, replaces: true, ..next });
        store.apply(set).await.expect("it is written");
        assert_eq!(found(store, &format!("identifier={NUMBER}")).await, [""; 0], "{}", safe.kind);
        assert_eq!(found(store, "identifier=98472899765").await, ["p"], "{}", safe.kind);
        let old = store.vread(&viewer("a"), "Patient", "p", VersionId(1)).await.expect("it answers");
        let old = recorded(store, old).await.expect("it is there");
        assert_eq!(serde_json::from_str::<Value>(&old.body).ok(), Some(patient("p", NUMBER)), "{}", safe.kind);
        let all = everything(&safe.settings.url);
        assert!(!all.contains(NUMBER) && !all.contains("98472899765"), "{}", safe.kind);
    }
}

#[tokio::test]
async fn who_sees_by_law_or_by_the_minimum_gets_no_number() {
    for safe in safes().await {
        let store = &safe.store;
        let mut set = WriteSet::default();
        set.new_records.push(record("p", "a"));
        let mut task = first(key("p", "Task", "t"), &json!({"resourceType": "Task"}));
        task.minimum = Some(patient("p", NUMBER).to_string());
        put(&mut set, task);
        assert!(
            matches!(store.apply(set).await, Err(StorageError::Corrupt(_))),
            "{}: a minimum has no number",
            safe.kind
        );
        assert!(store.locate("Task", "t").await.expect("it answers").is_none(), "{}", safe.kind);
    }
}

/// A copy of a database as a backup would have it, under another URL.
pub(crate) async fn copy(url: &str, directory: &Path, name: &str) -> String {
    let Some(path) = url.strip_prefix("sqlite:") else {
        let copied = wellgate_tests::postgres::database_url().expect("there is a server");
        wellgate_tests::postgres::copy(url, &copied);
        return copied;
    };
    let to: PathBuf = directory.join(format!("{name}.sqlite"));
    let options = path.parse::<SqliteConnectOptions>().expect("a path");
    let mut connection = options.connect().await.expect("the file is there");
    let sql = sqlx::AssertSqlSafe(format!("VACUUM INTO '{}'", to.display()));
    sqlx::query(sql).execute(&mut connection).await.expect("it is copied");
    format!("sqlite:{}", to.display())
}

#[tokio::test]
async fn a_destroyed_key_takes_the_number_from_the_database_its_history_its_index_and_an_old_backup() {
    for safe in safes().await {
        let (kind, store) = (safe.kind, &safe.store);
        write(store, "p", NUMBER).await;
        write(store, "q", NUMBER).await;
        let directory = tempfile::tempdir().expect("there is room");
        let backup = copy(&safe.settings.url, directory.path(), "backup").await;
        assert_eq!(store.destroy_keys("p", NOW_MS).await.expect("it is destroyed"), 1, "{kind}");

        let restored = StoreSettings { url: backup, ..safe.settings.clone() };
        let restored = Store::open(&restored).await.expect("the backup opens with the keys of today");
        for store in [store, &restored] {
            let mut masked = patient("p", NUMBER);
            masked["identifier"][0]["value"] = json!("***");
            assert_eq!(read(store, "p").await, masked, "{kind}");
            // Another record with the same number keeps it, and leads to the destroyed one no more.
            assert_eq!(read(store, "q").await, patient("q", NUMBER), "{kind}");
            assert_eq!(found(store, &format!("identifier={NUMBER}")).await, ["q"], "{kind}");
            assert_eq!(found(store, "identifier=urn:mrn|p").await, ["p"], "{kind}");
        }
        restored.close().await;

        let due = store.destroyed_keys().await.expect("it answers");
        let [due] = due.as_slice() else { panic!("{kind}: {due:?}") };
        assert_eq!((due.scope.as_str(), due.destroyed_ms), ("p", NOW_MS), "{kind}");
        store.forget_destroyed_key(&due.id).await.expect("it is forgotten");
        assert_eq!(store.destroyed_keys().await.expect("it answers"), [], "{kind}");
        assert_eq!(store.destroy_keys("p", NOW_MS).await.expect("it answers"), 0, "{kind}: there is nothing left");

        // Who may write the number anew gets a new key for it.
        let located = store.locate("Patient", "p").await.expect("it answers").expect("it is there");
        assert!(located.body.contains("***"), "{kind}");
        let mut set = WriteSet::default();
        let next = first(key("p", "Patient", "p"), &patient("p", NUMBER));
        put(&mut set, NewVersion { version: VersionId(2), method: Method::Put, replaces: true, ..next });
        store.apply(set).await.expect("it is written");
        assert_eq!(read(store, "p").await, patient("p", NUMBER), "{kind}");
    }
}

#[tokio::test]
async fn nothing_of_a_destroyed_key_stays_in_the_key_store() {
    for safe in safes().await {
        write(&safe.store, "p", NUMBER).await;
        let wrapped = ask(&safe.keys_url, "SELECT wrapped FROM record_key WHERE scope = 'p'").await;
        let blind = ask(&safe.keys_url, "SELECT MIN(blind) FROM blind_index").await;
        assert!(wrapped.len() > 40 && blind.len() > 20, "{}", safe.kind);
        assert!(everything(&safe.keys_url).contains(&wrapped), "{}: it is looked at where it is", safe.kind);
        safe.store.destroy_keys("p", NOW_MS).await.expect("it is destroyed");
        let all = everything(&safe.keys_url);
        assert!(!all.contains(&wrapped) && !all.contains(&blind), "{}", safe.kind);
    }
}

#[tokio::test]
async fn a_rotation_wraps_every_key_anew_and_then_the_old_one_may_go() {
    for safe in safes().await {
        for n in 0..3 {
            write(&safe.store, &format!("p{n}"), NUMBER).await;
        }
        safe.store.close().await;
        let second = KeyRing::fresh_line("second").expect("there is randomness");
        let open = async |ring: &str| {
            let settings = StoreSettings { vault: Some(vault(&safe.keys_url, ring)), ..safe.settings.clone() };
            Store::open(&settings).await
        };
        assert!(matches!(open(&second).await, Err(OpenError::RingKey(name)) if name == "first"), "{}", safe.kind);
        let store = open(&format!("{}{second}", safe.ring)).await.expect("both keys are there");
        let keys: &KeyStore = store.keys().expect("there is a vault");
        // The keys of three records, and that of the index.
        assert_eq!(keys.count_outdated().await.expect("it answers"), 4, "{}", safe.kind);
        assert_eq!(keys.rotate_step().await.expect("it is done"), 4, "{}", safe.kind);
        assert_eq!(keys.rotate_step().await.expect("it is done"), 0, "{}", safe.kind);
        store.close().await;
        let store = open(&second).await.expect("the old key is needed no more");
        assert_eq!(read(&store, "p1").await, patient("p1", NUMBER), "{}", safe.kind);
        assert_eq!(found(&store, &format!("identifier={NUMBER}")).await, ["p0", "p1", "p2"], "{}", safe.kind);
        assert_eq!(store.keys().expect("there is a vault").sealed().systems, [SSIN], "{}", safe.kind);
        store.close().await;
        let forged = ring();
        assert!(open(&forged).await.is_err(), "{}: another key of the same name opens nothing", safe.kind);
    }
}

#[tokio::test]
async fn what_was_stored_before_there_was_a_vault_is_sealed_where_it_lies() {
    for safe in safes().await {
        let kind = safe.kind;
        let url = wellgate_tests::databases().into_iter().find(|(other, _)| *other == kind).expect("the same kind").1;
        let before = StoreSettings::new(&url);
        let store = Store::open(&before).await.expect("it opens");
        write(&store, "p", NUMBER).await;
        let mut set = WriteSet::default();
        let next = first(key("p", "Patient", "p"), &patient("p", "98472899765"));
        put(&mut set, NewVersion { version: VersionId(2), method: Method::Put, replaces: true, ..next });
        store.apply(set).await.expect("it is written");
        assert_eq!(store.count_unsealed().await.expect("it answers"), 2, "{kind}");
        assert_eq!(store.seal_step().await.expect("it answers"), 0, "{kind}: without a vault nothing is sealed");
        store.close().await;

        let store =
            Store::open(&StoreSettings { vault: safe.settings.vault.clone(), ..before }).await.expect("it opens");
        while store.seal_step().await.expect("it is sealed") > 0 {}
        assert_eq!(store.count_unsealed().await.expect("it answers"), 0, "{kind}");
        assert_eq!(read(&store, "p").await, patient("p", "98472899765"), "{kind}");
        assert_eq!(found(&store, "identifier=98472899765").await, ["p"], "{kind}");
        let bodies = "SELECT (SELECT MAX(body) FROM resource) || (SELECT MAX(body) FROM resource_history) \
                      || (SELECT MAX(value) FROM search_index)";
        let told = ask(&url, bodies).await;
        assert!(!told.contains(NUMBER) && !told.contains("98472899765") && told.contains("***"), "{kind}");
    }
}
