//! The words of narratives and of whole resources: the same answers on both databases by either way to them, of what the viewer sees
//! alone, and none of what was replaced, deleted, sealed or switched off.

use gateway::access::draft::index_rows;
use gateway::reindex::reindex;
use gateway::search::query::{Query, QueryLimits, parse};
use gateway::storage::write_set::{Method, NewVersion, Sight, VersionId, WriteSet};
use gateway::storage::{Store, StoreSettings};
use gateway::vault::SealedElements;
use serde_json::{Value, json};

use crate::opening::execute;
use crate::vault::{self, NUMBER, safes};
use crate::world::{ask, beginning, first, ids, key, put, search, set, viewer};

async fn stores() -> Vec<(&'static str, String, Store)> {
    let mut stores = Vec::new();
    for (kind, url) in wellgate_tests::databases() {
        let store = open(&url, true).await;
        stores.push((kind, url, store));
    }
    stores
}

/// As whoever serves opens it.
async fn open(url: &str, full_text: bool) -> Store {
    let store = only_open(url, full_text).await;
    store.switch_full_text().await.expect("it is switched");
    store
}

/// As a command opens it.
async fn only_open(url: &str, full_text: bool) -> Store {
    Store::open(&StoreSettings { full_text, ..StoreSettings::new(url) }).await.expect("it opens")
}

fn observation(narrative: &str, note: &str) -> Value {
    json!({"resourceType": "Observation", "subject": {"reference": "Patient/r"}, "code": {"text": "wound"}, "note": [{"text": note}],
        "text": {"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{narrative}</div>")}})
}

fn asked(resource_type: &str, parameter: &str, value: &str) -> Query {
    let limits = QueryLimits { full_text: true, ..QueryLimits::default() };
    parse(resource_type, &[(parameter.to_owned(), value.to_owned())], limits).expect("it is served")
}

async fn found_by(store: &Store, who: &str, parameter: &str, value: &str) -> Vec<String> {
    ids(&search(store, &viewer(who), "Observation", &asked("Observation", parameter, value)).await)
}

async fn found(store: &Store, parameter: &str, value: &str) -> Vec<String> {
    found_by(store, "a", parameter, value).await
}

/// The number of rows of the index, which SQLite's own index of words agrees with.
async fn rows(url: &str) -> String {
    if url.starts_with("sqlite:") {
        execute(url, "INSERT INTO text_words (text_words, rank) VALUES ('integrity-check', 1)").await;
    }
    ask(url, "SELECT CAST(COUNT(*) AS TEXT) FROM text_index").await
}

#[tokio::test]
async fn words_and_phrases_are_found_alike_by_either_way() {
    for (kind, url, store) in stores().await {
        let patient = first(key("r", "Patient", "r"), &json!({"resourceType": "Patient"}));
        let of =
            |id: &str, narrative: &str, note: &str| first(key("r", "Observation", id), &observation(narrative, note));
        let versions = vec![
            patient,
            of("1", "<p>Diepe w&ouml;nde aan de voet</p>", "Rood, warm; 37.5 graden"),
            of("2", "<p>Wonde aan <b>diepe</b></p><p>voet van Zoë</p>", "straße of ЙОД"),
            of("3", "", "lezen or schrijven near content"),
        ];
        store.apply(beginning("r", "a", versions)).await.expect("new");
        let hidden = first(key("s", "Observation", "4"), &observation("diepe wonde verborgen", "rood"));
        store.apply(beginning("s", "b", vec![hidden])).await.expect("new");
        let cases: &[(&str, &str, &[&str])] = &[
            ("_text", "wonde", &["1", "2"]),
            ("_text", "WÖNDE Diepe", &["1", "2"]),
            ("_text", "\"diepe wonde\"", &["1"]),
            ("_text", "\"wonde aan\" voet", &["1", "2"]),
            ("_text", "\"aan diepe\"", &["2"]),
            ("_text", "\"voet van zoe\"", &["2"]),
            ("_text", "rood", &[]),
            ("_text", "won", &[]),
            ("_text", "wonde*", &["1", "2"]),
            ("_text", "wonde -voet", &["1", "2"]),
            ("_text", "verborgen", &[]),
            ("_content", "rood,warm", &["1"]),
            ("_content", "wound", &["1", "2", "3"]),
            ("_content", "37.5", &["1"]),
            ("_content", "STRASSE", &[]),
            ("_content", "straße йод", &["2"]),
            // What means something to one database or the other is a word here.
            ("_content", "OR schrijven", &["3"]),
            ("_content", "near(content lezen)", &["3"]),
            ("_content", "content:lezen & !schrijven | 'near'", &["3"]),
            ("_content", "lez_n l%n", &[]),
            // No phrase goes from one element to the next.
            ("_content", "\"observation patient\"", &[]),
        ];
        for (parameter, value, expected) in cases {
            assert_eq!(found(&store, parameter, value).await, *expected, "{kind}: {parameter}={value}");
            // The end of a chain is looked up in the index of words.
            let end = asked("Patient", &format!("_has:Observation:patient:{parameter}"), value);
            let chained = ids(&search(&store, &viewer("a"), "Patient", &end).await);
            assert_eq!(chained.is_empty(), expected.is_empty(), "{kind}: {parameter}={value}");
        }
        assert_eq!(found_by(&store, "b", "_text", "diepe").await, ["4"], "{kind}");
        assert_eq!(rows(&url).await, "5", "{kind}");
    }
}

#[tokio::test]
async fn what_was_replaced_or_deleted_is_found_no_more() {
    for (kind, url, store) in stores().await {
        let old = first(key("r", "Observation", "1"), &observation("oud", "oud"));
        store.apply(beginning("r", "a", vec![old.clone()])).await.expect("new");
        let next = |version: i64, version_of: NewVersion| NewVersion {
            version: VersionId(version),
            replaces: true,
            method: Method::Put,
            ..version_of
        };
        let mut set = WriteSet::default();
        put(&mut set, next(2, first(old.key.clone(), &observation("nieuw", "nieuw"))));
        store.apply(set).await.expect("it is written");
        assert_eq!(found(&store, "_content", "oud").await, [""; 0], "{kind}");
        assert_eq!(found(&store, "_content", "nieuw").await, ["1"], "{kind}");
        let mut set = WriteSet::default();
        let deletion = NewVersion { body: String::new(), index: Vec::new(), ..next(3, old) };
        put(&mut set, NewVersion { method: Method::Delete, ..deletion });
        store.apply(set).await.expect("it is written");
        assert_eq!(found(&store, "_content", "nieuw").await, [""; 0], "{kind}");
        assert_eq!(rows(&url).await, "0", "{kind}");
    }
}

#[tokio::test]
async fn whoever_sees_the_minimum_finds_by_its_words_alone() {
    for (kind, url, store) in stores().await {
        let whole = json!({"resourceType": "Task", "description": "geheim samen"});
        let minimum = json!({"resourceType": "Task", "description": "samen wachtend"});
        let task = key("r", "Task", "t");
        let index = index_rows("Task", &whole, Some(&minimum), "");
        let version = NewVersion { minimum: Some(minimum.to_string()), index, ..first(task.clone(), &whole) };
        let mut set = beginning("r", "a", vec![version]);
        let grantee = "organization/b".to_owned();
        set = set!(sights: vec![Sight { key: task, grantee, requires_consent: false }]; set);
        store.apply(set).await.expect("new");
        let check = async |words: &str, who: &str| -> usize {
            let page = search(&store, &viewer(who), "Task", &asked("Task", "_content", words)).await;
            page.matches.len()
        };
        for round in ["written", "indexed anew"] {
            for (words, by_a, by_b) in
                [("samen", 1, 1), ("geheim", 1, 0), ("wachtend", 0, 1), ("geheim wachtend", 0, 0)]
            {
                assert_eq!((check(words, "a").await, check(words, "b").await), (by_a, by_b), "{kind} {round}: {words}");
                assert_eq!(check(words, "c").await, 0, "{kind}");
            }
            execute(&url, "INSERT INTO stale_index SELECT compartment, resource_type, id FROM resource").await;
            assert_eq!(reindex(&store, "", |_| ()).await.expect("it is done"), 1, "{kind}");
        }
    }
}

#[tokio::test]
async fn what_is_stored_is_indexed_when_it_is_switched_on_and_forgotten_when_it_is_switched_off() {
    for (kind, url) in wellgate_tests::databases() {
        let off = open(&url, false).await;
        let versions = vec![first(key("r", "Observation", "1"), &observation("wonde", "rood"))];
        off.apply(beginning("r", "a", versions)).await.expect("new");
        assert_eq!((rows(&url).await.as_str(), off.full_text()), ("0", false), "{kind}");
        off.close().await;
        for _ in 0..2 {
            let on = open(&url, true).await;
            assert!(on.full_text());
            assert_eq!(on.count_stale_index().await.expect("it answers"), 1, "{kind}");
            assert_eq!(found(&on, "_text", "wonde").await, [""; 0], "{kind}");
            assert_eq!(reindex(&on, "", |_| ()).await.expect("it is done"), 1, "{kind}");
            assert_eq!(found(&on, "_text", "wonde").await, ["1"], "{kind}");
            on.close().await;
            let again = open(&url, true).await;
            assert_eq!(again.count_stale_index().await.expect("it answers"), 0, "{kind}: once");
            assert_eq!(found(&again, "_text", "wonde").await, ["1"], "{kind}");
            again.close().await;
            only_open(&url, false).await.close().await;
            assert_eq!(rows(&url).await, "1", "{kind}: a command takes nothing away");
            open(&url, false).await.close().await;
            assert_eq!(rows(&url).await, "0", "{kind}");
        }
    }
}

#[tokio::test]
async fn nothing_that_is_sealed_is_a_word() {
    for mut safe in safes().await {
        let kind = safe.kind;
        safe.store.close().await;
        let before = StoreSettings { vault: None, full_text: true, ..safe.settings.clone() };
        let fresh = wellgate_tests::databases().into_iter().find(|(other, _)| *other == kind).expect("as before").1;
        let before = StoreSettings { url: fresh.clone(), ..before };
        let store = Store::open(&before).await.expect("it opens");
        vault::write(&store, "p", NUMBER).await;
        let count = async |store: &Store, words: &str| -> usize {
            search(store, &viewer("a"), "Patient", &asked("Patient", "_content", words)).await.matches.len()
        };
        assert_eq!(count(&store, NUMBER).await, 1, "{kind}: before there was a vault it was stored");
        store.close().await;
        let sealed = safe.settings.vault.as_mut().expect("it has one");
        sealed.sealed = SealedElements { elements: vec!["name".to_owned()], ..sealed.sealed.clone() };
        let store =
            Store::open(&StoreSettings { vault: safe.settings.vault.clone(), ..before }).await.expect("it opens");
        while store.seal_step().await.expect("it is sealed") > 0 {}
        assert_eq!((count(&store, NUMBER).await, rows(&fresh).await.as_str()), (0, "0"), "{kind}");
        assert_eq!(reindex(&store, "", |_| ()).await.expect("it is done"), 1, "{kind}");
        assert_eq!((count(&store, NUMBER).await, count(&store, "mrn").await), (0, 1), "{kind}");
        // A narrative names whom the sealed name names.
        let mut named = vault::patient("q", "98472899765");
        named["name"] = json!([{"family": "Claes"}]);
        named["text"] = json!({"status": "generated", "div": "<div>Claes woont hier</div>"});
        store.apply(beginning("q", "a", vec![first(key("q", "Patient", "q"), &named)])).await.expect("new");
        for (words, is_found) in [("claes", 0), ("woont", 0), ("98472899765", 0), ("mrn q", 1)] {
            assert_eq!(count(&store, words).await, is_found, "{kind}: {words}");
        }
        let told = "SELECT MAX(narrative) || MAX(content) FROM text_index";
        let told = ask(&fresh, told).await;
        assert!(told.contains("mrn") && !told.contains("8507") && !told.contains("claes"), "{kind}: {told}");
    }
}
