//! What sight cannot tell apart is decided once (`storage/class.rs`), and a page shows what each of its resources shows by itself.

use std::collections::{BTreeMap, BTreeSet};

use gateway::consent::Consent;
use gateway::consent::arbitrary::{Subject, caller, moment, subject};
use gateway::labels::{DataPeriod, LabelSet};
use gateway::search::parameters::type_name;
use gateway::storage::Store;
use gateway::storage::include::Wanted;
use gateway::storage::sight::{Level, Viewer};
use gateway::storage::write_set::{GrantRow, NewVersion, Sight};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

use crate::consent_join::{consents, facts_of_case, key_of, of_case, put_grants, stored, viewer_of};
use crate::world::{beginning, cases, first, found, grant, key, query, read, recorded, stores, viewer};

/// Ids by type.
type Ids = BTreeMap<&'static str, BTreeSet<String>>;

/// A record with each subject thrice, under ids of their own, and with Tasks of which somebody sees a minimum.
async fn record(store: &Store, id: &str, subjects: &[Subject], consents: &[Consent]) -> Ids {
    let mut ids = Ids::new();
    let mut versions: Vec<NewVersion> = Vec::new();
    for (n, subject) in subjects.iter().enumerate() {
        let named = facts_of_case(subject.now.clone(), id);
        let mut twin = named.clone();
        twin.id = format!("twin-{n}-{id}");
        // The same of another time.
        let mut later = twin.clone();
        later.id = format!("later-{n}-{id}");
        later.data = subjects[(n + 1) % subjects.len()].now.data;
        for facts in [named, twin, later] {
            let resource_type = type_name(&facts.resource_type).expect("a type of R4");
            if ids.entry(resource_type).or_default().insert(facts.id.clone()) {
                let body = json!({"resourceType": resource_type});
                versions.push(NewVersion { facts: stored(&facts), ..first(key_of(&facts, id), &body) });
            }
        }
    }
    let mut sights = Vec::new();
    for (n, grantee) in ["organization/a", "organization/b"].into_iter().enumerate() {
        let task = key(id, "Task", &format!("task-{n}-{id}"));
        ids.entry("Task").or_default().insert(task.id.clone());
        let minimum = Some(json!({"resourceType": "Task"}).to_string());
        versions.push(NewVersion { minimum, ..first(task.clone(), &json!({"resourceType": "Task"})) });
        sights.push(Sight { key: task, grantee: grantee.to_owned(), requires_consent: n == 0 });
    }
    let mut set = beginning(id, "custodian", versions);
    set.sights = sights;
    for consent in consents {
        put_grants(&mut set, id, consent);
    }
    store.apply(set).await.expect("new");
    ids
}

/// What one search over all these types finds: each a type and an id.
async fn found_in_all(store: &Store, viewer: &Viewer, ids: &Ids) -> BTreeSet<(&'static str, String)> {
    let queries: Vec<_> =
        ids.keys().map(|resource_type| (*resource_type, query(resource_type, "_count=500"))).collect();
    let wanted = Wanted { includes: Vec::new(), types: BTreeSet::new(), resources_max: 0, rounds_max: 0 };
    let page = store.search_types(viewer, &queries, (None, usize::MAX), (true, &wanted)).await.expect("it answers");
    let page = recorded(store, page).await;
    let found: BTreeSet<_> = page.matches.into_iter().map(|seen| (seen.key.resource_type, seen.key.id)).collect();
    assert_eq!(page.total, u64::try_from(found.len()).ok());
    found
}

#[tokio::test]
async fn what_is_said_to_be_like_another_is_held_to_it() {
    for (kind, _, store) in stores().await {
        // Who is permitted what is normal (the first label) of one record, and nothing of another.
        let of = |record: &str, id: &str, labels: i64| {
            let mut version = first(key(record, "Observation", id), &json!({"resourceType": "Observation"}));
            version.facts.labels = LabelSet::from_bits(labels);
            version
        };
        let all = vec![of("r", "normal", 1), of("r", "same", 1), of("r", "other", 2)];
        let mut set = beginning("r", "custodian", all);
        set.grants.push(GrantRow { labels: 1, uncovered: !1, ..grant("r", "c", 0, "permit", "organization/b") });
        store.apply(set).await.expect("new");
        store.apply(beginning("s", "custodian", vec![of("s", "elsewhere", 1)])).await.expect("new");
        // Who is permitted what is of one time.
        let of_time = |id: &str, from_ms: i64| {
            let mut version = of("t", id, 1);
            version.facts.data = DataPeriod { from_ms, until_ms: from_ms + 1 };
            version
        };
        let mut set = beginning("t", "custodian", vec![of_time("now", 5), of_time("then", 50)]);
        let permit = grant("t", "c", 0, "permit", "organization/b");
        set.grants.push(GrantRow { data_from_ms: 0, data_until_ms: 10, ..permit });
        store.apply(set).await.expect("new");
        for text in ["", "_sort=-_lastUpdated"] {
            assert_eq!(
                found(&store, &viewer("b"), "Observation", text).await,
                ["normal", "now", "same"],
                "{kind}: {text}"
            );
        }
        let permitted = Some(Level::Permitted);
        let table = [
            (vec![("normal", None), ("same", Some(0))], vec![permitted, permitted]),
            (vec![("normal", None), ("other", Some(0))], vec![permitted, None]),
            (vec![("other", None), ("normal", Some(0))], vec![None, permitted]),
            (vec![("normal", None), ("elsewhere", Some(0))], vec![permitted, None]),
            (vec![("now", None), ("then", Some(0))], vec![permitted, None]),
            (vec![("nobody", None), ("normal", Some(0)), ("other", Some(0))], vec![None, permitted, None]),
        ];
        for (asked, expected) in table {
            let ids = asked.iter().map(|(id, leader)| ((*id).to_owned(), *leader)).collect();
            let levels = store.levels_alike(viewer("b"), "Observation", ids).await.expect("it answers");
            assert_eq!(levels, expected, "{kind}: {asked:?}");
        }
    }
}

#[tokio::test]
async fn a_page_shows_what_each_resource_shows_by_itself() {
    for (kind, _, store) in stores().await {
        let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
        let mut runner = TestRunner::new_with_rng(Config::default(), seed);
        let questions = prop::collection::vec((caller(), moment()), 4);
        let subjects = prop::collection::vec(subject(), 5);
        let world = (prop::collection::vec((consents(), subjects), 2), questions);
        let (mut shown, mut hidden) = (0, 0);
        // Each case adds two records to those of before, whose Consents stay in force.
        for case in 0..cases("WELLGATE_CLASSES", 24) {
            let (records, questions) = world.new_tree(&mut runner).expect("a world can be made").current();
            let mut ids = Ids::new();
            for (n, (consents, subjects)) in records.iter().enumerate() {
                let id = format!("{case:03}{n}");
                let consents: Vec<_> = consents.iter().map(|consent| of_case(consent.clone(), &id)).collect();
                for (resource_type, more) in record(&store, &id, subjects, &consents).await {
                    ids.entry(resource_type).or_default().extend(more);
                }
            }
            for (caller, at_ms) in &questions {
                let viewer = viewer_of(caller, *at_ms);
                let mut all = BTreeSet::new();
                for (resource_type, ids) in &ids {
                    let mut expected = BTreeSet::new();
                    for id in ids {
                        if read(&store, viewer.clone(), resource_type, id).await.is_some() {
                            expected.insert(id.clone());
                        }
                    }
                    shown += expected.len();
                    hidden += ids.len() - expected.len();
                    for text in ["_count=500", "_count=500&_sort=-_lastUpdated", "_count=500&_lastUpdated=gt2000-01-01"]
                    {
                        let page = found(&store, &viewer, resource_type, text).await;
                        let of_case: BTreeSet<String> = page.into_iter().filter(|id| ids.contains(id)).collect();
                        assert_eq!(of_case, expected, "{kind} {case}: {resource_type}?{text} for {viewer:?}");
                    }
                    all.extend(expected.into_iter().map(|id| (*resource_type, id)));
                }
                let together = found_in_all(&store, &viewer, &ids).await;
                let is_of_case = |(of, id): &(&'static str, String)| ids.get(of).is_some_and(|ids| ids.contains(id));
                let of_case: BTreeSet<_> = together.into_iter().filter(is_of_case).collect();
                assert_eq!(of_case, all, "{kind} {case}: all types for {viewer:?}");
            }
        }
        println!("{kind}: {shown} shown and {hidden} hidden");
        assert!(shown * 20 > hidden && hidden * 20 > shown, "{kind}: {shown} to {hidden} tests one side only");
    }
}
