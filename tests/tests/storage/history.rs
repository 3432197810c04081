//! vread and history: the versions of what a viewer sees now.

use gateway::storage::Store;
use gateway::storage::history::{HistoryPage, Scope};
use gateway::storage::resource::Seen;
use gateway::storage::sight::{Level, Viewer};
use gateway::storage::write_set::{Closure, Method, NewVersion, VersionId, WriteSet};
use serde_json::json;

use crate::world::{NOW_MS, beginning, first, key, put, recorded, set, stores, viewer};

const PATIENT: Scope<'static> = Scope::Instance("Patient", "r");

/// Patient `r` in three versions, the last a deletion.
async fn three_versions(store: &Store) {
    let patient = key("r", "Patient", "r");
    store.apply(beginning("r", "a", vec![first(patient.clone(), &json!({"n": 1}))])).await.expect("new");
    for (version, method) in [(2, Method::Put), (3, Method::Delete)] {
        let mut set = WriteSet::default();
        let body = if method == Method::Delete { String::new() } else { json!({"n": version}).to_string() };
        let next = NewVersion {
            version: VersionId(version),
            method,
            body,
            replaces: true,
            ..first(patient.clone(), &json!({}))
        };
        put(&mut set, next);
        store.apply(set).await.expect("nothing is asked");
    }
}

async fn vread(store: &Store, viewer: &Viewer, version: i64) -> Option<Seen> {
    let found = store.vread(viewer, "Patient", "r", VersionId(version)).await.expect("it answers");
    recorded(store, found).await
}

#[tokio::test]
async fn every_version_reads_back_and_the_history_is_newest_first() {
    for (kind, _, store) in stores().await {
        three_versions(&store).await;
        let viewer = viewer("a");
        for (version, method) in [(1, Method::Post), (2, Method::Put)] {
            let seen = vread(&store, &viewer, version).await.expect("the custodian sees it");
            assert_eq!((seen.method, seen.deleted, seen.level), (method, false, Level::Held), "{kind}");
            assert_eq!(seen.body, format!("{{\"n\":{version}}}"), "{kind}");
        }
        assert!(vread(&store, &viewer, 3).await.expect("the deletion is a version").deleted, "{kind}");
        assert!(vread(&store, &viewer, 4).await.is_none(), "{kind}");
        for count in 1..5 {
            let mut versions = Vec::new();
            let mut page = HistoryPage { count, ..HistoryPage::default() };
            loop {
                let found = store.history(&viewer, &PATIENT, page.clone()).await.expect("it answers");
                let found = recorded(&store, found).await;
                versions.extend(found.versions.iter().map(|seen| seen.version.0));
                if !found.more {
                    break;
                }
                page.before = found.versions.last().map(Seen::place);
            }
            assert_eq!(versions, [3, 2, 1], "{kind} {count}");
        }
    }
}

#[tokio::test]
async fn a_closure_shuts_the_past_too() {
    for (kind, _, store) in stores().await {
        three_versions(&store).await;
        let [compartment, grantee, cause] = ["r", "organization/a", "release"].map(str::to_owned);
        let closures = vec![Closure { compartment, grantee, cause, since_ms: NOW_MS }];
        store.apply(set!(closures,)).await.expect("nothing is asked");
        for who in ["a", "b"] {
            let viewer = viewer(who);
            assert!(vread(&store, &viewer, 1).await.is_none(), "{kind} {who}");
            let page = HistoryPage { count: 10, ..HistoryPage::default() };
            let found = store.history(&viewer, &PATIENT, page.clone()).await.expect("it answers");
            assert!(recorded(&store, found).await.versions.is_empty(), "{kind} {who}");
            let found = store.history(&viewer, &Scope::Type("Patient"), page).await.expect("it answers");
            assert!(recorded(&store, found).await.versions.is_empty(), "{kind} {who}");
        }
    }
}

#[tokio::test]
async fn pages_of_a_types_history_lose_no_version_also_where_two_resources_have_the_same() {
    for (kind, _, store) in stores().await {
        let patient = |id: &str| NewVersion { version: VersionId(7), ..first(key(id, "Patient", id), &json!({})) };
        for id in ["1", "2", "3", "4", "5"] {
            store.apply(beginning(id, "a", vec![patient(id)])).await.expect("new");
        }
        store.apply(beginning("6", "b", vec![patient("6")])).await.expect("new");
        let mut set = WriteSet::default();
        put(&mut set, NewVersion { version: VersionId(8), replaces: true, ..patient("3") });
        store.apply(set).await.expect("nothing is asked");
        for count in 1..7 {
            let mut versions = Vec::new();
            let mut page = HistoryPage { count, ..HistoryPage::default() };
            loop {
                let found =
                    store.history(&viewer("a"), &Scope::Type("Patient"), page.clone()).await.expect("it answers");
                let found = recorded(&store, found).await;
                versions.extend(found.versions.iter().map(|seen| format!("{}/{}", seen.key.id, seen.version)));
                if !found.more {
                    break;
                }
                page.before = found.versions.last().map(Seen::place);
            }
            assert_eq!(versions, ["3/8", "5/7", "4/7", "3/7", "2/7", "1/7"], "{kind} {count}");
        }
    }
}

/// `_since`, `_at`, and the versions that are found.
type Case = (Option<i64>, Option<(i64, i64)>, &'static [i64]);

#[tokio::test]
async fn a_history_in_time_has_what_was_written_then_or_was_current_then() {
    for (kind, _, store) in stores().await {
        let patient = key("r", "Patient", "r");
        let version = |n: i64, method| NewVersion {
            version: VersionId(n),
            last_updated_ms: n * 1_000,
            method,
            replaces: n > 1,
            ..first(patient.clone(), &json!({"n": n}))
        };
        store.apply(beginning("r", "a", vec![version(1, Method::Post)])).await.expect("new");
        for (n, method) in [(2, Method::Put), (3, Method::Put), (4, Method::Delete)] {
            let mut set = WriteSet::default();
            put(&mut set, version(n, method));
            store.apply(set).await.expect("nothing is asked");
        }
        let scopes = [PATIENT, Scope::Type("Patient"), Scope::System(&["Observation", "Patient"])];
        let cases: [Case; 8] = [
            (Some(3_000), None, &[4, 3]),
            (Some(4_001), None, &[]),
            (None, Some((2_500, 2_500)), &[2]),
            (None, Some((2_000, 3_000)), &[3, 2]),
            (None, Some((0, 999)), &[]),
            (None, Some((3_500, 4_500)), &[4, 3]),
            (None, Some((5_000, 6_000)), &[]),
            (Some(2_000), Some((1_500, 2_500)), &[2]),
        ];
        for (scope, (since_ms, during_ms, expected)) in scopes.iter().flat_map(|scope| cases.map(|case| (scope, case)))
        {
            let page = HistoryPage { count: 10, since_ms, during_ms, ..HistoryPage::default() };
            let found = store.history(&viewer("a"), scope, page.clone()).await.expect("it answers");
            let found: Vec<i64> = recorded(&store, found).await.versions.iter().map(|seen| seen.version.0).collect();
            assert_eq!(found, expected, "{kind} {scope:?} {since_ms:?} {during_ms:?}");
            let hidden = store.history(&viewer("b"), scope, page).await.expect("it answers");
            assert!(recorded(&store, hidden).await.versions.is_empty(), "{kind} {scope:?}");
        }
        let other = Scope::System(&["Observation"]);
        let page = HistoryPage { count: 10, ..HistoryPage::default() };
        let found = store.history(&viewer("a"), &other, page).await.expect("it answers");
        assert!(recorded(&store, found).await.versions.is_empty(), "{kind}: of the types asked alone");
    }
}
