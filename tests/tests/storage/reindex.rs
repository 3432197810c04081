//! Indexing anew what an older version indexed: everything once, nothing that was written meanwhile, and no sealed number.

use gateway::reindex::reindex;
use gateway::storage::write_set::{Method, NewVersion, VersionId, WriteSet};
use serde_json::{Value, json};

use crate::opening::execute;
use crate::vault::{self, NUMBER, safes};
use crate::world::{ask, beginning, first, found, key, put, stores, viewer};

/// More than a step has.
const MANY: usize = 130;

fn observation(value: i64) -> Value {
    json!({"resourceType": "Observation", "code": {"coding": [{"code": "weight"}]}, "valueQuantity": {"value": value}})
}

/// As a database is in which an older version wrote: the rows that it did not know are not there, and all are listed.
async fn made_older(url: &str) {
    execute(url, "DELETE FROM search_index WHERE parameter LIKE '%quantity' OR parameter LIKE '%:%'").await;
    execute(url, "UPDATE search_index SET part = 0").await;
    let listed = "INSERT INTO stale_index SELECT compartment, resource_type, id FROM resource WHERE deleted = 0";
    execute(url, listed).await;
}

#[tokio::test]
async fn everything_is_found_again_by_what_the_older_version_did_not_know() {
    for (kind, url, store) in stores().await {
        let versions =
            (0..MANY).map(|n| first(key("r", "Observation", &format!("{n:03}")), &observation(70))).collect();
        store.apply(beginning("r", "a", versions)).await.expect("new");
        made_older(&url).await;
        let by_number = async || found(&store, &viewer("a"), "Observation", "value-quantity=70&_count=500").await.len();
        assert_eq!(by_number().await, 0, "{kind}");
        let mut left = Vec::new();
        let done = reindex(&store, "", |rest| left.push(rest)).await.expect("it is done");
        assert_eq!((done, left), (MANY as u64, vec![30, 0]), "{kind}: step by step");
        assert_eq!(by_number().await, MANY, "{kind}");
        assert_eq!(found(&store, &viewer("a"), "Observation", "code=weight&_count=500").await.len(), MANY, "{kind}");
        assert_eq!(store.count_stale_index().await.expect("it answers"), 0, "{kind}");
        assert_eq!(reindex(&store, "", |_| ()).await.expect("it is done"), 0, "{kind}: once");
    }
}

#[tokio::test]
async fn what_was_written_meanwhile_keeps_its_own_rows() {
    for (kind, url, store) in stores().await {
        let kept = first(key("r", "Observation", "kept"), &observation(70));
        let gone = first(key("r", "Observation", "gone"), &observation(70));
        store.apply(beginning("r", "a", vec![kept.clone(), gone.clone()])).await.expect("new");
        made_older(&url).await;
        let stale = store.stale_index((10, 1_000_000)).await.expect("it answers");
        assert_eq!(stale.len(), 2, "{kind}");
        let second = |version: NewVersion| NewVersion { version: VersionId(2), replaces: true, ..version };
        let mut set = WriteSet::default();
        put(&mut set, NewVersion { method: Method::Put, ..second(first(kept.key, &observation(80))) });
        let deletion = NewVersion { method: Method::Delete, body: String::new(), index: Vec::new(), ..gone };
        put(&mut set, second(deletion));
        store.apply(set).await.expect("nothing is asked");
        // Rows of the versions that are no more.
        let rows =
            stale.into_iter().map(|located| (located, vec![(crate::world::row("code", "", "old"), 1)])).collect();
        store.put_index(rows).await.expect("it is done");
        assert!(found(&store, &viewer("a"), "Observation", "code=old").await.is_empty(), "{kind}");
        assert_eq!(found(&store, &viewer("a"), "Observation", "value-quantity=80").await, ["kept"], "{kind}");
        let rows = ask(&url, "SELECT CAST(COUNT(*) AS TEXT) FROM search_index WHERE id = 'gone'").await;
        assert_eq!((rows.as_str(), store.count_stale_index().await.expect("it answers")), ("0", 0), "{kind}");
    }
}

#[tokio::test]
async fn a_sealed_number_is_indexed_anew_by_its_token_and_lies_nowhere() {
    for safe in safes().await {
        let (kind, store) = (safe.kind, &safe.store);
        for id in ["p", "lost"] {
            vault::write(store, id, NUMBER).await;
        }
        store.destroy_keys("lost", 1).await.expect("they are destroyed");
        made_older(&safe.settings.url).await;
        assert_eq!(reindex(store, "", |_| ()).await.expect("it is done"), 2, "{kind}");
        assert_eq!(vault::found(store, &format!("identifier={NUMBER}")).await, ["p"], "{kind}");
        assert_eq!(vault::found(store, "identifier=urn:mrn|lost").await, ["lost"], "{kind}");
        assert!(vault::found(store, "identifier=***").await.is_empty(), "{kind}: a mask is no value");
        let told =
            "SELECT MAX(CASE WHEN value LIKE '%8507%' OR value LIKE '%***%' THEN value ELSE '' END) FROM search_index";
        assert_eq!(ask(&safe.settings.url, told).await, "", "{kind}");
    }
}

#[tokio::test]
async fn what_is_still_to_be_sealed_waits_until_it_is() {
    for safe in safes().await {
        let kind = safe.kind;
        vault::write(&safe.store, "p", NUMBER).await;
        made_older(&safe.settings.url).await;
        execute(&safe.settings.url, "UPDATE resource SET holes = NULL").await;
        assert_eq!(reindex(&safe.store, "", |_| ()).await.expect("it is done"), 0, "{kind}");
        assert_eq!(safe.store.count_stale_index().await.expect("it answers"), 1, "{kind}: it stays in the list");
    }
}
