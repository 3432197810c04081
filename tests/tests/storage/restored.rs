//! Going back to an older state: what waited to leave then is held, listed, and decided on by an operator.

use std::path::Path;
use std::sync::Arc;

use gateway::access::Caller;
use gateway::app::Registry;
use gateway::backup::{restore, take};
use gateway::delivery::{Decided, decide};
use gateway::storage::delivery::{Delivery, NewDelivery};
use gateway::storage::restored::{self, MARK, Restoration};
use gateway::storage::write_set::WriteSet;
use gateway::storage::{OpenError, Store, StoreSettings};

use crate::opening::execute;
use crate::world::{NOW_MS, ask, delivery, key, open, set, stores};

const HOUR_MS: i64 = 3_600_000;
const LATER_MS: i64 = NOW_MS + 24 * HOUR_MS;

fn queued(deliveries: Vec<NewDelivery>) -> WriteSet {
    set!(deliveries,)
}

async fn leased(store: &Store, partner: &str) -> Vec<String> {
    let until_ms = LATER_MS + HOUR_MS;
    let leased = store.lease_deliveries(partner, LATER_MS, until_ms, 10).await.expect("it answers");
    leased.into_iter().map(|delivery| delivery.id).collect()
}

fn operator() -> Caller {
    Caller::gateway(Arc::new(Registry::default()), LATER_MS)
}

async fn held(store: &Store) -> Vec<Delivery> {
    let (held, total) = store.list_deliveries(Some("held"), None, 100).await.expect("it answers");
    assert_eq!(i64::try_from(held.len()), Ok(total));
    held
}

fn held_ids(held: &[Delivery]) -> Vec<(&str, &str)> {
    held.iter().map(|delivery| (delivery.id.as_str(), delivery.held_from.as_str())).collect()
}

/// An empty database of the same kind.
fn fresh(kind: &str) -> String {
    let database = wellgate_tests::databases().into_iter().find(|(other, _)| *other == kind);
    database.expect("there was one just now").1
}

#[tokio::test]
async fn a_worker_leases_what_is_due_once_and_with_a_fence_of_its_own() {
    for (kind, _, store) in stores().await {
        let late = NewDelivery { due_ms: LATER_MS + 1, ..delivery("3", "a", "t") };
        store.apply(queued(vec![delivery("1", "a", "t"), delivery("2", "b", "t"), late])).await.expect("queued");
        let first = store.lease_deliveries("a", LATER_MS, LATER_MS + HOUR_MS, 10).await.expect("it answers");
        let seen: Vec<_> =
            first.iter().map(|one| (one.id.as_str(), one.resource_id.as_str(), one.version_id)).collect();
        assert_eq!(seen, [("1", "t", 1)], "{kind}");
        assert!(first[0].fence > 0 && first[0].compartment == "r", "{kind}");
        assert!(leased(&store, "a").await.is_empty(), "{kind}: it is another's now");
        assert_eq!(leased(&store, "b").await, ["2"], "{kind}");
    }
}

#[tokio::test]
async fn case_17_after_going_back_nothing_leaves_again_before_an_operator_has_seen_it() {
    for (kind, url, store) in stores().await {
        let folder = tempfile::tempdir().expect("there is room");
        let all = ["1", "2", "3", "4", "8"].map(|id| delivery(id, "partner", &format!("t{id}"))).to_vec();
        store.apply(queued(all)).await.expect("queued");
        store.apply(queued(vec![delivery("5", "other", "t5")])).await.expect("queued");
        // At the moment of the backup one is on its way, one has arrived, and one was withdrawn.
        assert_eq!(leased(&store, "other").await, ["5"], "{kind}");
        execute(&url, "UPDATE delivery SET state = 'delivered' WHERE id = '3'").await;
        execute(&url, "UPDATE delivery SET state = 'abandoned' WHERE id = '8'").await;
        store.apply(set!(voided_deliveries: vec![key("r", "Task", "t4")],)).await.expect("voided");
        let taken = take(&url, folder.path(), LATER_MS).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        // Then both that waited leave, and a sixth comes: the backup knows neither.
        assert_eq!(leased(&store, "partner").await, ["1", "2"], "{kind}");
        execute(&url, "UPDATE delivery SET state = 'delivered' WHERE id IN ('1', '2')").await;
        store.close().await;

        let older = fresh(kind);
        restore(&taken.file, &older, true, LATER_MS + HOUR_MS).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        let store = open(&older).await;
        for partner in ["partner", "other"] {
            assert!(leased(&store, partner).await.is_empty(), "{kind}: nothing leaves to {partner}");
        }
        let report = held(&store).await;
        assert_eq!(held_ids(&report), [("1", "waiting"), ("2", "waiting"), ("5", "leased")], "{kind}");
        let first = &report[0];
        let reference =
            (first.partner.as_str(), first.kind.as_str(), first.resource_type.as_str(), first.resource_id.as_str());
        assert_eq!((reference, first.made_ms), (("partner", "status", "Task", "t1"), NOW_MS), "{kind}");
        let restoration = Restoration { taken_ms: LATER_MS, restored_ms: LATER_MS + HOUR_MS };
        assert_eq!(store.restoration().await.expect("it answers"), Some(restoration), "{kind}");
        // What comes new leaves, also after another start, and what was held still is.
        store.apply(queued(vec![delivery("7", "partner", "t7")])).await.expect("queued");
        store.close().await;
        let store = open(&older).await;
        assert_eq!(leased(&store, "partner").await, ["7"], "{kind}");
        assert_eq!(held(&store).await.len(), 3, "{kind}");

        let decide = async |id: &str, decided: Decided| {
            let delivery = store.delivery(id).await.expect("it answers").expect("it is there");
            if decided.objection(&delivery).is_some() {
                return None;
            }
            decide(&store, &operator(), &delivery, decided).await.expect("it answers")
        };
        assert_eq!(decide("1", Decided::Release).await.as_deref(), Some("1"), "{kind}");
        assert_eq!(decide("7", Decided::Release).await, None, "{kind}: it is under way");
        assert_eq!(leased(&store, "partner").await, ["1"], "{kind}");
        assert_eq!(decide("2", Decided::Abandon).await.as_deref(), Some("2"), "{kind}");
        assert_eq!(decide("2", Decided::Abandon).await, None, "{kind}: once");
        // What was on its way at that moment is asked about before it is sent.
        assert_eq!(decide("5", Decided::Release).await.as_deref(), Some("5"), "{kind}");
        let asked = store.lease_deliveries("other", LATER_MS, LATER_MS + HOUR_MS, 9).await.expect("it answers");
        assert!(asked.len() == 1 && asked[0].asks, "{kind}: {asked:?}");
        assert!(leased(&store, "partner").await.is_empty() && held(&store).await.is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn what_is_held_is_withdrawn_as_what_waits_is_and_is_not_forgotten() {
    for (kind, url, store) in stores().await {
        store.apply(queued(vec![delivery("1", "p", "t1"), delivery("2", "p", "t2")])).await.expect("queued");
        execute(&url, "UPDATE delivery SET held_from = state, state = 'held'").await;
        store.forget(i64::MAX, (i64::MAX, i64::MAX)).await.expect("it answers");
        assert_eq!(held(&store).await.len(), 2, "{kind}: nobody has decided yet");
        store.apply(set!(voided_deliveries: vec![key("r", "Task", "t1")],)).await.expect("voided");
        assert_eq!(held_ids(&held(&store).await), [("2", "waiting")], "{kind}");
    }
}

#[tokio::test]
async fn a_database_whose_restore_was_broken_off_opens_no_more() {
    let Some((_, url)) = wellgate_tests::databases().into_iter().find(|(kind, _)| *kind == "postgres") else { return };
    let restoration = Restoration { taken_ms: NOW_MS, restored_ms: LATER_MS };
    assert!(restored::is_empty(&url).await.expect("it answers"));
    restored::begin_restore(&url, restoration).await.expect("it is empty");
    assert!(!restored::is_empty(&url).await.expect("it answers"), "not for another restore either");
    let refused = Store::open(&StoreSettings::new(&url)).await.expect_err("the restore goes on");
    assert!(matches!(refused, OpenError::Unfinished), "{refused:?}");
    let tables = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(ask(&url, tables).await, "1", "no schema was begun");
    assert!(restored::begin_restore(&url, restoration).await.is_err());
    restored::end_restore(&url).await.expect("it answers");
    let store = open(&url).await;
    assert_eq!(store.restoration().await.expect("it answers"), Some(restoration));
}

#[tokio::test]
async fn a_file_is_marked_anew_whatever_it_was_before() {
    for (kind, url, store) in stores().await {
        assert_eq!(store.restoration().await.expect("it answers"), None, "{kind}");
        store.close().await;
        if kind != "sqlite" {
            continue;
        }
        let file = Path::new(url.trim_start_matches("sqlite:"));
        for restored_ms in [LATER_MS, LATER_MS + 1] {
            restored::mark_file(file, Restoration { taken_ms: NOW_MS, restored_ms }).await.expect("it is there");
            let state = format!("SELECT state || ' ' || restored_ms FROM {MARK}");
            assert_eq!(ask(&url, &state).await, format!("restored {restored_ms}"));
            open(&url).await.close().await;
            assert_eq!(ask(&url, &state).await, format!("held {restored_ms}"));
        }
    }
}
