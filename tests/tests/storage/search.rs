//! Search: criteria of every type, order, pages, totals, and what of the minimum can be found.

use std::cmp::Ordering;

use gateway::search::parameters::parameter;
use gateway::search::query::{Comparison, Criterion, DateCondition, Query, Sort, SortKey, Values};
use gateway::storage::Store;
use gateway::storage::search::Key;
use gateway::storage::sight::{Level, Viewer};
use gateway::storage::write_set::{GrantRow, NewVersion, Sight, WriteSet};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::world::{
    NOW_MS, beginning, cases, date_row, first, found, grant, ids, indexed, key, put, query, recorded, row, search, set,
    stores, viewer,
};

async fn keep(store: &Store, custodian: &str, resource_type: &str, resources: &[(&str, Value)]) {
    for (id, resource) in resources {
        let mut resource = resource.clone();
        resource["resourceType"] = json!(resource_type);
        let version = first(key(id, resource_type, id), &resource);
        store.apply(beginning(id, custodian, vec![version])).await.expect("new");
    }
}

#[tokio::test]
async fn each_search_type_finds_what_it_means_and_nothing_else() {
    for (kind, _, store) in stores().await {
        let patients = [
            (
                "1",
                json!({"name": [{"family": "Claes"}], "gender": "female", "identifier": [{"system": "s", "value": "A"}]}),
            ),
            ("2", json!({"name": [{"family": "Claessens"}], "gender": "male", "identifier": [{"value": "A"}]})),
            ("3", json!({"name": [{"family": "100%_'\"\\"}], "identifier": [{"system": "t", "value": "a"}]})),
            ("4", json!({"name": [{"family": "Çlaes"}], "birthDate": "1980-02"})),
            (
                "5",
                json!({"name": [{"family": "Cla\u{1F600}x"}], "generalPractitioner": [{"reference": "Organization/1"}]}),
            ),
        ];
        keep(&store, "a", "Patient", &patients).await;
        keep(&store, "b", "Patient", &[("6", patients[0].1.clone())]).await;
        let questionnaire = json!({"url": "https://example.org/q", "status": "active"});
        keep(&store, "a", "Questionnaire", &[("q", questionnaire)]).await;
        let table: &[(&str, &[&str])] = &[
            ("", &["1", "2", "3", "4", "5"]),
            ("family=claes", &["1", "2", "4"]),
            ("family=CLAESS", &["2"]),
            ("family=cla", &["1", "2", "4", "5"]),
            ("family=%", &[]),
            ("family=_", &[]),
            ("family=100%_'\"\\\\", &["3"]),
            ("family=claessens,100", &["2", "3"]),
            ("identifier=A", &["1", "2"]),
            ("identifier=s|A", &["1"]),
            ("identifier=s|", &["1"]),
            ("identifier=|A", &["2"]),
            ("identifier=a", &["3"]),
            ("identifier=s|A,t|a", &["1", "3"]),
            ("identifier=A' OR '1'='1", &[]),
            ("gender=female&family=claes", &["1"]),
            ("gender=male&identifier=s|A", &[]),
            ("birthdate=1980-02", &["4"]),
            ("birthdate=ne1980-02", &[]),
            ("birthdate=1980-02-01", &[]),
            ("birthdate=lt1980-02-02", &["4"]),
            ("general-practitioner=Organization/1", &["5"]),
            ("general-practitioner=Organization/2", &[]),
            ("_id=2,5,6,none", &["2", "5"]),
            ("_id=2&_id=5", &[]),
            ("_lastUpdated=2026-01-01", &["1", "2", "3", "4", "5"]),
            ("_lastUpdated=gt2026-01-01", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(found(&store, &viewer("a"), "Patient", text).await, *expected, "{kind}: {text}");
        }
        let uri = "url=https://example.org/q";
        assert_eq!(found(&store, &viewer("a"), "Questionnaire", uri).await, ["q"], "{kind}");
        assert!(found(&store, &viewer("a"), "Questionnaire", "url=https://example.org/").await.is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn only_the_number_is_told_where_only_it_is_asked() {
    for (kind, _, store) in stores().await {
        keep(&store, "a", "Patient", &[("1", json!({})), ("2", json!({}))]).await;
        let page = search(&store, &viewer("a"), "Patient", &query("Patient", "_summary=count")).await;
        assert_eq!((page.matches.len(), page.total, page.next), (0, Some(2), None), "{kind}");
        let untold = store
            .search(&viewer("a"), "Patient", &query("Patient", ""), (None, usize::MAX), false)
            .await
            .expect("it answers");
        assert_eq!(recorded(&store, untold).await.total, None, "{kind}");
    }
}

#[tokio::test]
async fn who_holds_many_records_and_who_holds_few_find_what_is_theirs() {
    const MANY: usize = 1_100;
    for (kind, _, store) in stores().await {
        let patient = |n: usize| json!({"resourceType": "Patient", "gender": if n.is_multiple_of(2) { "male" } else { "female" }});
        let mut all = WriteSet::default();
        for n in 0..MANY {
            let (id, custodian) = (format!("{n:04}"), if n.is_multiple_of(400) { "b" } else { "a" });
            let one = beginning(&id, custodian, vec![first(key(&id, "Patient", &id), &patient(n))]);
            all.new_records.extend(one.new_records.clone());
            put(&mut all, first(key(&id, "Patient", &id), &patient(n)));
        }
        store.apply(all).await.expect("new");
        for (text, who, total, begins) in [
            ("_count=3", "a", 1_097, vec!["0001", "0002", "0003"]),
            ("_count=3&gender=male", "a", 547, vec!["0002", "0004", "0006"]),
            ("_count=3&_sort=-_id", "a", 1_097, vec!["1099", "1098", "1097"]),
            ("_count=3", "b", 3, vec!["0000", "0400", "0800"]),
            ("_count=3&gender=male", "b", 3, vec!["0000", "0400", "0800"]),
            ("_count=3&gender=female", "b", 0, vec![]),
            ("_count=3", "c", 0, vec![]),
        ] {
            let page = search(&store, &viewer(who), "Patient", &query("Patient", text)).await;
            assert_eq!(
                (ids(&page), page.total),
                (begins.iter().map(|id| (*id).to_owned()).collect(), Some(total)),
                "{kind}: {who} {text}"
            );
        }
    }
}

fn comparison() -> impl Strategy<Value = Comparison> {
    use Comparison::{
        Approximate, EndsBefore, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual, StartsAfter,
    };
    proptest::sample::select(vec![
        Equal,
        NotEqual,
        Greater,
        Less,
        GreaterOrEqual,
        LessOrEqual,
        StartsAfter,
        EndsBefore,
        Approximate,
    ])
}

/// Intervals that often share an end, and are open at times.
fn interval() -> impl Strategy<Value = (i64, i64)> {
    let end = || prop_oneof![12 => -4_i64..5, 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    (end(), end()).prop_map(|(one, other)| (one.min(other), one.max(other)))
}

#[tokio::test]
async fn dates_compare_in_sql_as_they_do_in_the_query() {
    let mut runner = TestRunner::deterministic();
    let intervals: Vec<(i64, i64)> =
        (0..60).map(|_| interval().new_tree(&mut runner).expect("an interval can be made").current()).collect();
    let condition = (comparison(), interval());
    for (kind, _, store) in stores().await {
        let encounter = |(n, (low_ms, high_ms)): (usize, &(i64, i64))| {
            indexed(key("r", "Encounter", &format!("{n:02}")), vec![(date_row("date", *low_ms, *high_ms), 1)])
        };
        let mut versions: Vec<NewVersion> = intervals.iter().enumerate().map(encounter).collect();
        versions.push(indexed(key("r", "Encounter", "none"), Vec::new()));
        store.apply(beginning("r", "a", versions)).await.expect("new");
        for _ in 0..cases("WELLGATE_DATES", 150) {
            let (comparison, (low_ms, high_ms)) =
                condition.new_tree(&mut runner).expect("a condition can be made").current();
            let date = DateCondition { comparison, low_ms, high_ms };
            let mut query = query("Encounter", "");
            query.criteria.push(Criterion { parameter: "date", values: Values::Date(vec![date]) });
            query.count = 500;
            let met = intervals.iter().enumerate().filter(|(_, (low_ms, high_ms))| date.is_met(*low_ms, *high_ms));
            let expected: Vec<String> = met.map(|(n, _)| format!("{n:02}")).collect();
            assert_eq!(ids(&search(&store, &viewer("a"), "Encounter", &query).await), expected, "{kind}: {date:?}");
        }
    }
}

/// A Patient's names and birth days, none at times, and when it was written.
type Person = (Vec<String>, Vec<i64>, i64);

fn person() -> impl Strategy<Value = Person> {
    let names = proptest::sample::select(vec!["a", "b", "B", "é", "zz", "-", "~", "10", "9"]).prop_map(str::to_owned);
    (prop::collection::vec(names, 0..3), prop::collection::vec(0_i64..4, 0..3), 0_i64..3)
}

fn sort_keys() -> impl Strategy<Value = Vec<Sort>> {
    let family = parameter("Patient", "family").expect("a parameter of Patient");
    let birth = parameter("Patient", "birthdate").expect("a parameter of Patient");
    let keys = vec![SortKey::Id, SortKey::LastUpdated, SortKey::Parameter(family), SortKey::Parameter(birth)];
    let key = (proptest::sample::select(keys), any::<bool>()).prop_map(|(key, descending)| Sort { key, descending });
    prop::collection::vec(key, 0..4)
}

/// How the standard orders two by one key: by the least value, or the greatest where descending; what has none comes last.
fn compare(one: &(String, Person), other: &(String, Person), sort: &Sort) -> Ordering {
    fn by<T: Ord + Clone>(one: &[T], other: &[T], descending: bool) -> Ordering {
        let least = |values: &[T]| if descending { values.iter().max().cloned() } else { values.iter().min().cloned() };
        match (least(one), least(other)) {
            (Some(one), Some(other)) if descending => other.cmp(&one),
            (Some(one), Some(other)) => one.cmp(&other),
            (one, other) => other.is_some().cmp(&one.is_some()),
        }
    }
    match sort.key {
        SortKey::Id => by(std::slice::from_ref(&one.0), std::slice::from_ref(&other.0), sort.descending),
        SortKey::LastUpdated => by(&[one.1.2], &[other.1.2], sort.descending),
        SortKey::Parameter(parameter) if parameter.name == "family" => by(&one.1.0, &other.1.0, sort.descending),
        SortKey::Parameter(_) => by(&one.1.1, &other.1.1, sort.descending),
    }
}

async fn pages(store: &Store, viewer: &Viewer, query: &Query) -> Vec<String> {
    let mut all = Vec::new();
    let mut after: Option<Vec<Key>> = None;
    loop {
        let page =
            store.search(viewer, "Patient", query, (after.as_deref(), usize::MAX), true).await.expect("it answers");
        let page = recorded(store, page).await;
        assert_eq!(page.total, Some(20), "the total is of all pages, on each");
        all.extend(ids(&page));
        match page.next {
            // As a cursor carries it.
            Some(next) => after = serde_json::from_str(&serde_json::to_string(&next).expect("keys are JSON")).ok(),
            None => return all,
        }
    }
}

#[tokio::test]
async fn pages_of_any_order_join_to_exactly_that_order() {
    let mut runner = TestRunner::deterministic();
    let people: Vec<(String, Person)> = (0..20)
        .map(|n| (format!("{n:02}"), person().new_tree(&mut runner).expect("a person can be made").current()))
        .collect();
    for (kind, _, store) in stores().await {
        for (id, (names, births, written)) in &people {
            let mut rows: Vec<_> = names.iter().map(|name| (row("family", "", name), 1)).collect();
            rows.extend(births.iter().map(|birth| (date_row("birthdate", *birth, *birth), 1)));
            let version = NewVersion { last_updated_ms: NOW_MS + written, ..indexed(key(id, "Patient", id), rows) };
            store.apply(beginning(id, "a", vec![version])).await.expect("new");
        }
        keep(&store, "b", "Patient", &[("unseen", json!({"name": [{"family": "b"}]}))]).await;
        for _ in 0..cases("WELLGATE_ORDERS", 40) {
            let (sort, count) = (sort_keys(), 1_u32..8).new_tree(&mut runner).expect("an order can be made").current();
            let mut expected = people.clone();
            expected.sort_by(|one, other| {
                let by = sort.iter().map(|sort| compare(one, other, sort)).find(|by| by.is_ne());
                by.unwrap_or_else(|| one.0.cmp(&other.0))
            });
            let expected: Vec<String> = expected.into_iter().map(|(id, _)| id).collect();
            let query = Query { sort: sort.clone(), count, ..query("Patient", "") };
            assert_eq!(pages(&store, &viewer("a"), &query).await, expected, "{kind} {count}: {sort:?}");
        }
    }
}

/// A Task in record `r` of which `b` sees the minimum: found whole by `whole`, in both forms by `both`, by the minimum `shown`.
fn task_with_minimum(id: &str) -> (NewVersion, Sight) {
    let task = key("r", "Task", id);
    let rows = vec![(row("code", "", "whole"), 1), (row("code", "", "both"), 3), (row("code", "", "shown"), 2)];
    let version =
        NewVersion { body: "whole".to_owned(), minimum: Some("minimum".to_owned()), ..indexed(task.clone(), rows) };
    (version, Sight { key: task, grantee: "organization/b".to_owned(), requires_consent: false })
}

#[tokio::test]
async fn whoever_sees_the_minimum_finds_by_it_alone() {
    for (kind, _, store) in stores().await {
        let (version, sight) = task_with_minimum("t");
        let mut set = beginning("r", "a", vec![version]);
        set.sights.push(sight.clone());
        store.apply(set).await.expect("new");
        for (who, code, finds) in [
            ("a", "whole", true),
            ("a", "both", true),
            ("a", "shown", false),
            ("b", "whole", false),
            ("b", "both", true),
            ("b", "shown", true),
            ("c", "both", false),
        ] {
            let page = search(&store, &viewer(who), "Task", &query("Task", &format!("code={code}"))).await;
            assert_eq!(!page.matches.is_empty(), finds, "{kind}: {who} by {code}");
            for seen in page.matches {
                let expected = if who == "a" { (Level::Held, "whole") } else { (Level::Minimum, "minimum") };
                assert_eq!((seen.level, seen.body.as_str()), expected, "{kind}: {who}");
            }
        }
        // What cannot be found by cannot be sorted by either: the order would tell.
        let set = set!(dropped_sights: vec![(sight.key, sight.grantee)], );
        store.apply(set).await.expect("nothing is asked");
        assert!(found(&store, &viewer("b"), "Task", "code=both").await.is_empty(), "{kind}: a sight that ended");
    }
}

#[tokio::test]
async fn the_order_of_minimums_tells_nothing_of_the_whole() {
    for (kind, _, store) in stores().await {
        let mut set = beginning("r", "a", Vec::new());
        for (n, whole) in [3_i64, 1, 2].into_iter().enumerate() {
            let (mut version, sight) = task_with_minimum(&n.to_string());
            version.index = vec![(date_row("authored-on", whole, whole), 1), (date_row("authored-on", 7, 7), 2)];
            put(&mut set, version);
            set.sights.push(sight);
        }
        store.apply(set).await.expect("new");
        assert_eq!(found(&store, &viewer("a"), "Task", "_sort=authored-on").await, ["1", "2", "0"], "{kind}");
        for order in ["authored-on", "-authored-on"] {
            assert_eq!(found(&store, &viewer("b"), "Task", &format!("_sort={order}")).await, ["0", "1", "2"], "{kind}");
        }
    }
}

#[tokio::test]
async fn a_minimum_of_a_type_that_has_none_is_not_shown_to_anyone() {
    for (kind, _, store) in stores().await {
        let order = key("r", "ServiceRequest", "o");
        let rows = vec![(row("code", "", "whole"), 1), (row("code", "", "both"), 3)];
        let version = NewVersion { minimum: Some("minimum".to_owned()), ..indexed(order.clone(), rows) };
        let mut set = beginning("r", "a", vec![version]);
        set.sights.push(Sight { key: order, grantee: "organization/b".to_owned(), requires_consent: false });
        store.apply(set).await.expect("new");
        for code in ["whole", "both"] {
            let found = found(&store, &viewer("b"), "ServiceRequest", &format!("code={code}")).await;
            assert!(found.is_empty(), "{kind}: by {code}, which may not be in the minimum");
        }
        let read = crate::world::read(&store, viewer("b"), "ServiceRequest", "o").await;
        assert!(read.is_none(), "{kind}: nor read");
    }
}

#[tokio::test]
async fn a_waiting_room_sees_its_minimum_while_a_consent_permits_it() {
    for (kind, _, store) in stores().await {
        store.put_members("b", &["p".to_owned()]).await.expect("it is written");
        let (version, sight) = task_with_minimum("t");
        let mut set = beginning("r", "a", vec![version]);
        set.sights.push(Sight { grantee: "pool/p".to_owned(), requires_consent: true, ..sight });
        store.apply(set).await.expect("new");
        let sees = async || found(&store, &viewer("b"), "Task", "").await.len();
        assert_eq!(sees().await, 0, "{kind}: no consent yet");
        let [compartment, consent_id] = ["r", "c"].map(str::to_owned);
        let row = grant("r", "c", 0, "permit", "kind/elp");
        let grant = GrantRow { from_ms: NOW_MS, until_ms: NOW_MS + 1, ..row };
        // While it waits the room sees the minimum and nothing else, though the Consent would open all.
        let [room, cause] = ["pool/p", "task/t"].map(str::to_owned);
        let closure =
            gateway::storage::write_set::Closure { compartment: "r".to_owned(), grantee: room, cause, since_ms: 0 };
        let set = set!(grants: vec![grant], closures: vec![closure], );
        store.apply(set).await.expect("nothing is asked");
        assert_eq!(sees().await, 1, "{kind}");
        let page = search(&store, &viewer("b"), "Task", &query("Task", "")).await;
        assert_eq!(page.matches[0].level, Level::Minimum, "{kind}");
        for now_ms in [NOW_MS - 1, NOW_MS + 1] {
            let later = Viewer { now_ms, ..viewer("b") };
            assert!(found(&store, &later, "Task", "").await.is_empty(), "{kind}: outside its period");
        }
        let set = set!(dropped_grants: vec![(compartment, consent_id)], );
        store.apply(set).await.expect("nothing is asked");
        assert_eq!(sees().await, 0, "{kind}: withdrawn");
    }
}
