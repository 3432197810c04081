//! What is queued, and leased for the gateway's own worker by the same commit.

use std::time::Duration;

use gateway::clock::Clock;
use gateway::storage::Store;
use gateway::storage::delivery::NewDelivery;
use gateway::storage::handover::Queued;
use gateway::storage::write_set::WriteSet;
use serde_json::json;

use crate::world::{NOW_MS, beginning, delivery, first, key, set, stores};

const LEASE_MS: i64 = 120_000;

/// A Task that begins, in a record of its own, with what is to be told of it.
fn told(record: &str, deliveries: Vec<NewDelivery>) -> WriteSet {
    let versions = vec![
        first(key(record, "Patient", record), &json!({"resourceType": "Patient", "id": record})),
        first(key(record, "Task", record), &json!({"resourceType": "Task", "id": record})),
    ];
    set!(deliveries: deliveries; beginning(record, "a", versions))
}

fn about(record: &str, id: &str, partner: &str) -> NewDelivery {
    NewDelivery { compartment: record.to_owned(), ..delivery(id, partner, record) }
}

async fn queued(store: &Store) -> (Vec<String>, Vec<String>) {
    let Queued { leased, waiting } =
        tokio::time::timeout(Duration::from_secs(30), store.queued()).await.expect("something is queued");
    (leased.into_iter().map(|one| one.id).collect(), waiting.into_iter().collect())
}

#[tokio::test]
async fn what_the_worker_takes_next_is_its_own_from_the_commit_on() {
    for (kind, _, store) in stores().await {
        let clock = Clock::fixed(NOW_MS + 5);
        store.take_next("p", &clock, LEASE_MS);
        store.apply(told("r", vec![about("r", "1", "p"), about("r", "2", "q")])).await.expect("queued");
        let Queued { mut leased, waiting } = store.queued().await;
        assert_eq!(waiting.into_iter().collect::<Vec<_>>(), ["q"], "{kind}");
        let own = leased.pop().expect("it is taken");
        // What the worker has in hand is what is there, and what it would have got by leasing it.
        let stored = store.delivery("1").await.expect("it answers").expect("it is there");
        assert_eq!(own, stored, "{kind}");
        assert_eq!((own.state.as_str(), own.attempts, own.fence), ("leased", 1, 1), "{kind}");
        assert_eq!((own.due_ms, own.made_ms), (NOW_MS + 5 + LEASE_MS, NOW_MS), "{kind}");
        let lease =
            async |now_ms: i64| store.lease_deliveries("p", now_ms, now_ms + LEASE_MS, 9).await.expect("it answers");
        assert!(lease(NOW_MS + LEASE_MS).await.is_empty(), "{kind}: nobody else gets it");
        // The gateway dies before it is sent, or after: whoever comes next asks first.
        let again = lease(own.due_ms).await.remove(0);
        assert_eq!((again.asks, again.attempts, again.fence), (true, 1, 2), "{kind}");
        assert_eq!(store.due_partners(NOW_MS).await.expect("it answers"), ["q"], "{kind}");
    }
}

#[tokio::test]
async fn only_the_first_about_a_resource_that_begins_and_is_due_is_taken() {
    for (kind, _, store) in stores().await {
        let clock = Clock::fixed(NOW_MS);
        let waits = |partner: &str| (Vec::<String>::new(), vec![partner.to_owned()]);
        store.apply(told("a", vec![about("a", "1", "p")])).await.expect("queued");
        assert_eq!(queued(&store).await, waits("p"), "{kind}: nobody takes anything yet");
        store.take_next("p", &clock, LEASE_MS);
        // An older one about the same Task may wait.
        store.apply(set!(deliveries: vec![about("a", "2", "p")],)).await.expect("queued");
        assert_eq!(queued(&store).await, waits("p"), "{kind}");
        let late = NewDelivery { due_ms: NOW_MS + 1, ..about("b", "3", "p") };
        store.apply(told("b", vec![late])).await.expect("queued");
        assert_eq!(queued(&store).await, waits("p"), "{kind}: it is not due");
        store.apply(told("c", vec![about("c", "4", "p"), about("c", "5", "p")])).await.expect("queued");
        assert_eq!(queued(&store).await, waits("p"), "{kind}: of two the older goes first");
        store.apply(told("d", vec![about("d", "6", "p")])).await.expect("queued");
        assert_eq!(queued(&store).await, (vec!["6".to_owned()], vec![]), "{kind}");
        // One, for whoever asked for one.
        store.apply(told("e", vec![about("e", "7", "p")])).await.expect("queued");
        assert_eq!(queued(&store).await, waits("p"), "{kind}");
        store.take_next("p", &clock, LEASE_MS);
        assert!(store.take_back("p"), "{kind}: none is being written");
        store.apply(told("f", vec![about("f", "8", "p")])).await.expect("queued");
        assert_eq!(queued(&store).await, waits("p"), "{kind}");
    }
}

#[tokio::test]
async fn what_is_not_written_is_not_taken_and_whoever_was_sent_away_is_called() {
    for (kind, _, store) in stores().await {
        let clock = Clock::fixed(NOW_MS);
        store.apply(told("r", vec![])).await.expect("nothing is asked");
        store.take_next("p", &clock, LEASE_MS);
        let (twice, store_of_twice) = (told("r", vec![about("r", "1", "p")]), store.clone());
        let refused = tokio::spawn(async move { store_of_twice.apply(twice).await });
        let mut was_sent_away = false;
        while !refused.is_finished() {
            was_sent_away |= !store.take_back("p");
            tokio::task::yield_now().await;
        }
        assert!(refused.await.expect("it ends").is_err(), "{kind}: the record is there already");
        let (leased, waiting) = queued(&store).await;
        assert!(leased.is_empty(), "{kind}");
        assert_eq!(waiting.contains(&"p".to_owned()), was_sent_away, "{kind}");
        assert_eq!(store.delivery("1").await.expect("it answers"), None, "{kind}");
        assert!(store.take_back("p"), "{kind}: nothing is left under way");
        store.take_next("p", &clock, LEASE_MS);
        store.apply(told("s", vec![about("s", "2", "p")])).await.expect("queued");
        let (queued_last, is_more_written) = store.take_no_more();
        assert_eq!(
            (queued_last.leased.len(), is_more_written),
            (1, false),
            "{kind}: what was taken is handed out at the end"
        );
        store.take_next("p", &clock, LEASE_MS);
        assert!(store.take_no_more().0.leased.is_empty(), "{kind}");
        store.apply(told("t", vec![about("t", "3", "p")])).await.expect("queued");
        assert_eq!(queued(&store).await, (vec![], vec!["p".to_owned()]), "{kind}");
    }
}
