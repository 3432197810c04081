//! The queue: who leases what, in which order, and whose word about it counts.

use std::collections::HashSet;

use gateway::storage::StorageError;
use gateway::storage::channel::{Channel, ChannelKind};
use gateway::storage::delivery::{NewDelivery, Settlement};
use gateway::storage::write_set::{Precondition, WriteSet};
use serde_json::json;

use crate::world::{NOW_MS, beginning, delivery, first, key, open, recorded, set, stores, viewer};

const LEASE_MS: i64 = 120_000;
/// Deliveries that several workers take together.
const MANY: usize = 2_000;

fn settlement(id: &str, fence: i64, state: &'static str, due_ms: i64) -> WriteSet {
    let settlement = Settlement {
        compartment: "r".to_owned(),
        id: id.to_owned(),
        fence,
        state,
        due_ms,
        asks: state == "uncertain",
        was_asked: false,
        cause: "because".to_owned(),
        cause_text: "it was so".to_owned(),
        settled_ms: due_ms,
    };
    let fence = Precondition::Fence { compartment: "r".to_owned(), id: id.to_owned(), fence };
    set!(preconditions: vec![fence], settlements: vec![settlement],)
}

#[tokio::test]
async fn case_9_the_word_of_a_worker_whose_lease_is_over_counts_for_nothing() {
    for (kind, _, store) in stores().await {
        store.apply(set!(deliveries: vec![delivery("1", "p", "t")],)).await.expect("queued");
        let lease =
            async |now_ms: i64| store.lease_deliveries("p", now_ms, now_ms + LEASE_MS, 9).await.expect("it answers");
        let first = lease(NOW_MS).await.remove(0);
        assert_eq!((first.attempts, first.asks, first.state.as_str()), (1, false, "leased"), "{kind}");
        assert!(lease(NOW_MS + LEASE_MS - 1).await.is_empty(), "{kind}: it is another's");
        // The worker sleeps: another takes it, and asks first, for it may have left.
        let second = lease(NOW_MS + LEASE_MS).await.remove(0);
        assert_eq!((second.attempts, second.asks), (1, true), "{kind}");
        let late = store.apply(settlement("1", first.fence, "delivered", NOW_MS)).await;
        assert!(matches!(late, Err(StorageError::Moved)), "{kind}: {late:?}");
        let now = store.delivery("1").await.expect("it answers").expect("it is there");
        assert_eq!((now.state.as_str(), now.fence), ("leased", second.fence), "{kind}");
        store.apply(settlement("1", second.fence, "uncertain", NOW_MS + 1)).await.expect("it is its own");
        let again = store.apply(settlement("1", second.fence, "delivered", NOW_MS)).await;
        assert!(matches!(again, Err(StorageError::Moved)), "{kind}: once");
        let now = store.delivery("1").await.expect("it answers").expect("it is there");
        assert_eq!((now.state.as_str(), now.cause.as_str(), now.asks), ("uncertain", "because", true), "{kind}");
        assert_eq!(store.delivery("2").await.expect("it answers"), None, "{kind}");
    }
}

#[tokio::test]
async fn case_16_a_clock_that_jumps_makes_a_worker_ask_and_never_send_twice() {
    const HOUR_MS: i64 = 3_600_000;
    for (kind, _, store) in stores().await {
        store.apply(set!(deliveries: vec![delivery("1", "p", "t")],)).await.expect("queued");
        let lease =
            async |now_ms: i64| store.lease_deliveries("p", now_ms, now_ms + LEASE_MS, 9).await.expect("it answers");
        assert!(lease(NOW_MS - HOUR_MS).await.is_empty(), "{kind}: an hour behind it is not due yet, and not lost");
        let first = lease(NOW_MS).await.remove(0);
        // Another gateway, or this one after a jump, is an hour ahead: for it the lease is over.
        let ahead = lease(NOW_MS + HOUR_MS).await.remove(0);
        assert_eq!((ahead.asks, ahead.attempts), (true, 1), "{kind}: it asks, and does not send");
        assert!(store.apply(settlement("1", first.fence, "delivered", NOW_MS)).await.is_err(), "{kind}");
        // Back again: the lease lasts until the moment that the other wrote, and then somebody asks.
        assert!(lease(NOW_MS + 1).await.is_empty(), "{kind}");
        assert!(lease(NOW_MS + HOUR_MS + LEASE_MS).await.remove(0).asks, "{kind}");
    }
}

#[tokio::test]
async fn case_19_a_withdrawal_beats_a_worker_that_has_it_in_hand() {
    for (kind, _, store) in stores().await {
        store.apply(set!(deliveries: vec![delivery("1", "p", "t"), delivery("2", "p", "u")],)).await.expect("queued");
        let leased = store.lease_deliveries("p", NOW_MS, NOW_MS + LEASE_MS, 1).await.expect("it answers").remove(0);
        store
            .apply(set!(voided_deliveries: vec![key("r", "Task", "t"), key("r", "Task", "u")],))
            .await
            .expect("voided");
        let late = store.apply(settlement("1", leased.fence, "waiting", NOW_MS)).await;
        assert!(matches!(late, Err(StorageError::Moved)), "{kind}: it is not sent again");
        let (void, total) = store.list_deliveries(Some("void"), None, 10).await.expect("it answers");
        let causes: Vec<_> = void.iter().map(|one| one.cause.as_str()).collect();
        assert_eq!((causes, total), (vec!["perhaps-sent", "overtaken"], 2), "{kind}");
        assert!(store.due_partners(i64::MAX).await.expect("it answers").is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn of_two_about_one_resource_the_younger_waits_for_the_end_of_the_older() {
    for (kind, _, store) in stores().await {
        let all =
            vec![delivery("1", "p", "t"), delivery("2", "p", "t"), delivery("3", "p", "u"), delivery("4", "q", "t")];
        store.apply(set!(deliveries: all,)).await.expect("queued");
        let lease = async |partner: &str, now_ms: i64| -> Vec<(String, i64)> {
            let leased = store.lease_deliveries(partner, now_ms, now_ms + LEASE_MS, 9).await.expect("it answers");
            leased.into_iter().map(|one| (one.id, one.fence)).collect()
        };
        assert_eq!(lease("p", NOW_MS).await, [("1".to_owned(), 1), ("3".to_owned(), 1)], "{kind}");
        assert_eq!(lease("q", NOW_MS).await, [("4".to_owned(), 1)], "{kind}: another partner's order is its own");
        assert!(lease("p", NOW_MS).await.is_empty(), "{kind}");
        store.apply(settlement("1", 1, "uncertain", i64::MAX)).await.expect("it is its own");
        assert!(lease("p", NOW_MS + 1).await.is_empty(), "{kind}: nobody knows about the older yet");
        store.apply(settlement("1", 2, "abandoned", i64::MAX)).await.expect("it is its own");
        assert_eq!(lease("p", NOW_MS + 1).await, [("2".to_owned(), 1)], "{kind}");
    }
}

#[tokio::test]
async fn partners_are_found_with_what_is_due_for_each() {
    for (kind, _, store) in stores().await {
        assert!(store.due_partners(NOW_MS).await.expect("it answers").is_empty(), "{kind}");
        let late = NewDelivery { due_ms: NOW_MS + 5, ..delivery("3", "c", "t") };
        store
            .apply(set!(deliveries: vec![delivery("1", "b", "t"), delivery("2", "a", "t"), late],))
            .await
            .expect("queued");
        assert_eq!(store.due_partners(NOW_MS).await.expect("it answers"), ["a", "b"], "{kind}");
        assert_eq!(store.due_partners(NOW_MS + 5).await.expect("it answers"), ["a", "b", "c"], "{kind}");
        store.lease_deliveries("a", NOW_MS, NOW_MS + LEASE_MS, 9).await.expect("it answers");
        assert_eq!(store.due_partners(NOW_MS).await.expect("it answers"), ["b"], "{kind}");
        assert_eq!(
            store.due_partners(NOW_MS + LEASE_MS).await.expect("it answers"),
            ["a", "b", "c"],
            "{kind}: not forgotten"
        );
        let counts = store.delivery_counts().await.expect("it answers");
        let counts: Vec<_> =
            counts.iter().map(|one| (&*one.partner, &*one.state, one.deliveries, one.oldest_ms)).collect();
        let expected = [("a", "leased", 1, NOW_MS), ("b", "waiting", 1, NOW_MS), ("c", "waiting", 1, NOW_MS + 5)];
        assert_eq!(counts, expected, "{kind}");
        let (of_partner, total) = store.list_deliveries(None, Some("c"), 10).await.expect("it answers");
        assert_eq!((of_partner.len(), total), (1, 1), "{kind}");
        assert_eq!(store.list_deliveries(None, None, 1).await.expect("it answers").1, 3, "{kind}");
        // Page by page each comes once, in the order of its moment and then of its id.
        let (mut after, mut seen) = ((i64::MIN, String::new()), Vec::new());
        loop {
            let page = store.deliveries_after((None, None), (after.0, &after.1), 1).await.expect("it answers");
            let Some(last) = page.last() else { break };
            after = (last.made_ms, last.id.clone());
            seen.extend(page.into_iter().map(|one| one.id));
        }
        assert_eq!(seen, ["1", "2", "3"], "{kind}");
        let page = store.deliveries_after((None, Some("c")), (NOW_MS, "1"), 9).await.expect("it answers");
        assert_eq!(page.len(), 1, "{kind}");
    }
}

#[tokio::test]
async fn case_8_eight_workers_take_each_delivery_once() {
    for (kind, url, store) in stores().await {
        let all: Vec<NewDelivery> = (0..MANY).map(|n| delivery(&format!("{n:06}"), "p", &format!("t{n}"))).collect();
        store.apply(set!(deliveries: all,)).await.expect("queued");
        let replica = open(&url).await;
        let mut workers = tokio::task::JoinSet::new();
        for n in 0..8 {
            let store = if n % 2 == 0 { store.clone() } else { replica.clone() };
            workers.spawn(async move {
                let mut taken = Vec::new();
                loop {
                    let leased = store.lease_deliveries("p", NOW_MS, NOW_MS + LEASE_MS, 16).await.expect("it answers");
                    if leased.is_empty() {
                        return taken;
                    }
                    for one in leased {
                        store.apply(settlement(&one.id, one.fence, "delivered", NOW_MS)).await.expect("it is its own");
                        taken.push(one.id);
                    }
                }
            });
        }
        let taken = workers.join_all().await.concat();
        let once: HashSet<&String> = taken.iter().collect();
        assert_eq!((taken.len(), once.len()), (MANY, MANY), "{kind}");
    }
}

#[tokio::test]
async fn a_partner_has_one_channel() {
    for (kind, _, store) in stores().await {
        let channel =
            |kind, address: &str| Channel { partner: "organization/o".to_owned(), kind, address: address.to_owned() };
        store.put_channel(&channel(ChannelKind::Mail, "notices@o.example")).await.expect("it answers");
        let ehr = channel(ChannelKind::Ehr, "https://o.example/fhir");
        store.put_channel(&ehr).await.expect("it answers");
        assert_eq!(store.channels().await.expect("it answers"), std::slice::from_ref(&ehr), "{kind}");
        assert_eq!(store.registry().await.expect("it answers").channels, [ehr], "{kind}");
        assert!(store.remove_channel("organization/o").await.expect("it answers"), "{kind}");
        assert!(!store.remove_channel("organization/o").await.expect("it answers"), "{kind}");
        assert!(store.channels().await.expect("it answers").is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn what_a_receiver_is_sent_is_what_it_sees_of_what_is_asked_for() {
    for (kind, _, store) in stores().await {
        let patient = json!({"resourceType": "Patient", "id": "r"});
        let versions =
            vec![first(key("r", "Patient", "r"), &patient), first(key("r", "Task", "t"), &json!({"id": "t"}))];
        store.apply(beginning("r", "a", versions)).await.expect("nothing is asked");
        let keys = store.keys_of_record("r", 10).await.expect("it answers");
        assert_eq!(keys, [("Patient", "r".to_owned()), ("Task", "t".to_owned())], "{kind}");
        assert_eq!(store.keys_of_record("r", 1).await.expect("it answers").len(), 1, "{kind}");
        let asked = vec![("Patient", "r".to_owned()), ("Patient", "unknown".to_owned())];
        let held = store.read_all(&viewer("a"), asked.clone()).await.expect("it answers");
        let held: Vec<String> = recorded(&store, held).await.into_iter().map(|seen| seen.key.id).collect();
        assert_eq!(held, ["r"], "{kind}");
        let hidden = store.read_all(&viewer("b"), asked).await.expect("it answers");
        assert!(recorded(&store, hidden).await.is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn whoever_waits_for_the_queue_wakes_when_something_is_queued() {
    for (kind, _, store) in stores().await {
        let mut woken = std::pin::pin!(store.queued());
        let moment = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(moment, woken.as_mut()).await.is_err(), "{kind}: nothing is queued");
        store.apply(set!(deliveries: vec![delivery("1", "p", "t")],)).await.expect("queued");
        let patience = std::time::Duration::from_secs(30);
        assert!(tokio::time::timeout(patience, woken).await.is_ok(), "{kind}");
    }
}
