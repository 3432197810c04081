//! Exports: chunks of what a viewer sees at that moment, and the questions that are kept.

use gateway::storage::Store;
use gateway::storage::export::{Chunk, ChunkSize, Portion};
use gateway::storage::export_job::ExportJob;
use gateway::storage::sight::Viewer;
use gateway::storage::write_set::{Closure, Method, NewVersion, VersionId, WriteSet};
use serde_json::json;

use crate::world::{NOW_MS, beginning, first, grant, key, put, recorded, set, stores, viewer};

const SIZE: ChunkSize = ChunkSize { resources: 3, bytes: usize::MAX };

fn portion(records: &[String]) -> Portion<'_> {
    Portion::of("Observation", records)
}

async fn chunk(store: &Store, viewer: &Viewer, portion: Portion<'_>, size: ChunkSize) -> Chunk {
    let found = store.chunk(viewer, portion, size).await.expect("it answers");
    recorded(store, found).await
}

async fn deletions(store: &Store, viewer: &Viewer, portion: Portion<'_>) -> Vec<String> {
    let found = store.deletions(viewer, portion, SIZE).await.expect("it answers");
    ids(&recorded(store, found).await)
}

fn ids(chunk: &Chunk) -> Vec<String> {
    chunk.seen.iter().map(|seen| format!("{}/{}", seen.key.compartment, seen.key.id)).collect()
}

/// Every id, chunk by chunk, and how many chunks there were.
async fn all(store: &Store, viewer: &Viewer, records: &[String], size: ChunkSize) -> (Vec<String>, usize) {
    let (mut found, mut chunks) = (Vec::new(), 0);
    let mut place = (String::new(), String::new());
    loop {
        let after = (&*place.0, &*place.1);
        let next = chunk(store, viewer, Portion { after, ..portion(records) }, size).await;
        let Some(last) = next.last.clone() else { return (found, chunks) };
        found.extend(ids(&next));
        chunks += 1;
        place = last;
    }
}

/// Records `r0` to `r2` of `a`, each with observations `o0` to `o3`; `b` is permitted `r0` and `r2`.
async fn world(store: &Store) -> Vec<String> {
    let records: Vec<String> = (0..3).map(|n| format!("r{n}")).collect();
    for record in &records {
        let of = |n: usize| first(key(record, "Observation", &format!("o{n}")), &json!({"n": n}));
        let versions = [first(key(record, "Patient", record), &json!({}))].into_iter().chain((0..4).map(of)).collect();
        let mut set = beginning(record, "a", versions);
        if record != "r1" {
            set.grants.push(grant(record, "c", 0, "permit", "organization/b"));
        }
        store.apply(set).await.expect("it is new");
    }
    records
}

fn expected(records: &[&str]) -> Vec<String> {
    records.iter().flat_map(|record| (0..4).map(move |n| format!("{record}/o{n}"))).collect()
}

#[tokio::test]
async fn chunks_join_to_all_that_is_seen_whatever_their_size() {
    for (kind, _, store) in stores().await {
        let records = world(&store).await;
        for resources in [1, 3, 5, 100] {
            for bytes in [1, 10, usize::MAX] {
                let size = ChunkSize { resources, bytes };
                let name = format!("{kind} {size:?}");
                assert_eq!(all(&store, &viewer("a"), &records, size).await.0, expected(&["r0", "r1", "r2"]), "{name}");
                assert_eq!(all(&store, &viewer("b"), &records, size).await.0, expected(&["r0", "r2"]), "{name}");
                assert!(all(&store, &viewer("c"), &records, size).await.0.is_empty(), "{name}");
            }
        }
        // Whoever looks, a chunk ends at the same place: it does not tell how much of it is hidden.
        let size = ChunkSize { resources: 3, bytes: usize::MAX };
        for who in ["a", "b", "c"] {
            assert_eq!(all(&store, &viewer(who), &records, size).await.1, 4, "{kind} {who}");
        }
    }
}

#[tokio::test]
async fn what_is_closed_between_two_chunks_is_not_in_the_second() {
    for (kind, _, store) in stores().await {
        let records = world(&store).await;
        let viewer = viewer("b");
        let begin = chunk(&store, &viewer, portion(&records), SIZE).await;
        assert_eq!(ids(&begin), ["r0/o0", "r0/o1", "r0/o2"], "{kind}");
        let closures = ["r0", "r2"].map(|record| {
            let [compartment, grantee, cause] = [record, "organization/b", "release"].map(str::to_owned);
            Closure { compartment, grantee, cause, since_ms: NOW_MS }
        });
        store.apply(set!(closures: closures.to_vec(),)).await.expect("nothing is asked");
        let last = begin.last.expect("there are more");
        let rest = Portion { after: (&last.0, &last.1), ..portion(&records) };
        assert!(chunk(&store, &viewer, rest, ChunkSize { resources: 100, ..SIZE }).await.seen.is_empty(), "{kind}");
    }
}

fn version(record: &str, id: &str, (number, at_ms): (i64, i64), method: Method) -> WriteSet {
    let mut set = WriteSet::default();
    let body = if method == Method::Delete { String::new() } else { json!({"version": number}).to_string() };
    let (version, last_updated_ms) = (VersionId(number), NOW_MS + at_ms);
    let first = first(key(record, "Observation", id), &json!({}));
    put(&mut set, NewVersion { version, last_updated_ms, method, body, replaces: number > 1, ..first });
    set
}

#[tokio::test]
async fn an_export_is_of_a_moment_and_since_another() {
    for (kind, _, store) in stores().await {
        let records = world(&store).await;
        store.apply(version("r0", "o0", (2, 10), Method::Put)).await.expect("it is there");
        store.apply(version("r0", "o9", (1, 20), Method::Post)).await.expect("it is new");
        let of = async |since_ms: i64, until_ms: i64| {
            let portion = Portion { since_ms, until_ms, ..portion(&records[..1]) };
            ids(&chunk(&store, &viewer("a"), portion, ChunkSize { resources: 100, ..SIZE }).await)
        };
        assert_eq!(of(i64::MIN, NOW_MS + 20).await, ["r0/o0", "r0/o1", "r0/o2", "r0/o3", "r0/o9"], "{kind}");
        // What was changed since is there still; what was made since is not.
        assert_eq!(of(i64::MIN, NOW_MS).await, ["r0/o0", "r0/o1", "r0/o2", "r0/o3"], "{kind}");
        assert_eq!(of(NOW_MS, NOW_MS + 20).await, ["r0/o0", "r0/o9"], "{kind}");
        assert_eq!(of(NOW_MS + 10, NOW_MS + 20).await, ["r0/o9"], "{kind}");
        assert!(of(NOW_MS + 20, i64::MAX).await.is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn a_deletion_is_told_to_whoever_saw_what_was_deleted() {
    for (kind, _, store) in stores().await {
        let records = world(&store).await;
        for record in ["r0", "r1"] {
            store.apply(version(record, "o0", (2, 10), Method::Delete)).await.expect("it is there");
        }
        let since = |since_ms: i64| Portion { since_ms, ..portion(&records) };
        assert_eq!(deletions(&store, &viewer("a"), since(NOW_MS)).await, ["r0/o0", "r1/o0"], "{kind}");
        assert_eq!(deletions(&store, &viewer("b"), since(NOW_MS)).await, ["r0/o0"], "{kind}");
        assert!(deletions(&store, &viewer("c"), since(NOW_MS)).await.is_empty(), "{kind}");
        assert!(deletions(&store, &viewer("a"), since(NOW_MS + 10)).await.is_empty(), "{kind}");
        let before = Portion { until_ms: NOW_MS + 9, ..since(NOW_MS) };
        assert!(deletions(&store, &viewer("a"), before).await.is_empty(), "{kind}");
        assert_eq!(all(&store, &viewer("b"), &records[..1], SIZE).await.0, ["r0/o1", "r0/o2", "r0/o3"], "{kind}");
    }
}

#[tokio::test]
async fn records_are_looked_through_in_their_order() {
    for (kind, _, store) in stores().await {
        world(&store).await;
        let looked_at = async |who: &str, after: &str, count: u32| {
            store.records_to_look_at(&viewer(who), after, count).await.expect("it answers")
        };
        assert_eq!(looked_at("a", "", 2).await, ["directory", "r0"], "{kind}");
        assert_eq!(looked_at("a", "r0", 5).await, ["r1", "r2"], "{kind}");
        assert_eq!(looked_at("b", "", 5).await, ["directory", "r0", "r2"], "{kind}");
        assert_eq!(looked_at("c", "", 5).await, ["directory"], "{kind}");
        assert!(looked_at("a", "r2", 5).await.is_empty(), "{kind}");
    }
}

fn job(id: &str, owner: &str) -> ExportJob {
    ExportJob {
        id: id.to_owned(),
        owner: owner.to_owned(),
        organization: "organization/a".to_owned(),
        level: "group".to_owned(),
        group: "g".to_owned(),
        types: "Patient Observation".to_owned(),
        since_ms: Some(NOW_MS - 1),
        moment_ms: NOW_MS,
        expires_ms: NOW_MS + 10,
        request: "https://gateway.example/fhir/$export".to_owned(),
        notes: String::new(),
    }
}

#[tokio::test]
async fn an_export_is_kept_for_whoever_asked_and_as_long_as_it_says() {
    for (kind, _, store) in stores().await {
        let kept = job("1", "a-ehr");
        assert!(store.put_export(&kept, 2).await.expect("it answers"), "{kind}");
        let whole = ExportJob { since_ms: None, ..job("2", "a-ehr") };
        assert!(store.put_export(&whole, 2).await.expect("it answers"), "{kind}");
        assert!(!store.put_export(&job("3", "a-ehr"), 2).await.expect("it answers"), "{kind}: one too many");
        assert!(store.put_export(&job("4", "b-ehr"), 2).await.expect("it answers"), "{kind}: of another");
        let read = async |id: &str, owner: &str, organization: &str, now_ms: i64| {
            store.export_job(id, (owner, organization), now_ms).await.expect("it answers")
        };
        assert_eq!(read("1", "a-ehr", "organization/a", NOW_MS).await, Some(kept.clone()), "{kind}");
        assert_eq!(read("2", "a-ehr", "organization/a", NOW_MS + 9).await, Some(whole), "{kind}");
        for (owner, organization, now_ms) in
            [("b-ehr", "organization/a", 0), ("a-ehr", "organization/b", 0), ("a-ehr", "organization/a", 10)]
        {
            assert_eq!(read("1", owner, organization, NOW_MS + now_ms).await, None, "{kind} {owner} {organization}");
        }
        assert_eq!(read("3", "a-ehr", "organization/a", NOW_MS).await, None, "{kind}");
        // Those that are over make room.
        let later = ExportJob { moment_ms: NOW_MS + 10, expires_ms: NOW_MS + 20, ..job("5", "a-ehr") };
        assert!(store.put_export(&later, 1).await.expect("it answers"), "{kind}");
        store.drop_export("5").await.expect("it answers");
        assert_eq!(read("5", "a-ehr", "organization/a", NOW_MS + 10).await, None, "{kind}");
        assert_eq!(store.forget(NOW_MS + 11, (NOW_MS, NOW_MS)).await.expect("it answers"), 3, "{kind}");
        assert_eq!(read("1", "a-ehr", "organization/a", NOW_MS).await, None, "{kind}");
    }
}
