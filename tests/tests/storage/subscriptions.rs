//! Subscriptions: numbers that only count what was told, and the order of what is told.

use gateway::backup::{restore, take};
use gateway::storage::StorageError;
use gateway::storage::delivery::{Delivery, NewDelivery, Settlement};
use gateway::storage::subscription::{
    Subscriber, SubscriptionRow, SubscriptionRows, handshake_id, partner, subscription_of,
};
use gateway::storage::write_set::{Precondition, ResourceKey, VersionId, WriteSet};

use crate::vault::safes;
use crate::world::{NOW_MS, ask, key, open, set, stores};

fn row(id: &str, state: &str) -> SubscriptionRow {
    SubscriptionRow {
        id: id.to_owned(),
        organization: "organization/a".to_owned(),
        topic: "status".to_owned(),
        room: String::new(),
        endpoint: "https://ehr.example/hook".to_owned(),
        content: "id-only".to_owned(),
        state: state.to_owned(),
        secret: "sealed".to_owned(),
        events: 0,
    }
}

fn rows(subscriptions: SubscriptionRows) -> WriteSet {
    set!(subscriptions: subscriptions,)
}

fn put(rows_to_put: Vec<SubscriptionRow>) -> WriteSet {
    rows(SubscriptionRows { put: rows_to_put, ..SubscriptionRows::default() })
}

fn queued(id: &str, resource: &str) -> NewDelivery {
    NewDelivery {
        compartment: "r".to_owned(),
        id: id.to_owned(),
        partner: partner("organization/a", "s"),
        kind: "status".into(),
        resource_type: "Task",
        resource_id: resource.to_owned(),
        version: VersionId(1),
        due_ms: NOW_MS,
    }
}

fn pair(delivery: &Delivery) -> Vec<(String, String)> {
    vec![("s".to_owned(), delivery.id.clone())]
}

fn settled(delivery: &Delivery, state: &'static str, due_ms: i64) -> WriteSet {
    let settlement = Settlement {
        compartment: "r".to_owned(),
        id: delivery.id.clone(),
        fence: delivery.fence,
        state,
        due_ms,
        asks: false,
        was_asked: false,
        cause: String::new(),
        cause_text: String::new(),
        settled_ms: 0,
    };
    let fence = Precondition::Fence { compartment: "r".to_owned(), id: delivery.id.clone(), fence: delivery.fence };
    set!(preconditions: vec![fence], settlements: vec![settlement],)
}

#[tokio::test]
async fn a_subscription_is_kept_moved_counted_and_dropped() {
    for (kind, url, store) in stores().await {
        store.apply(put(vec![row("s", "requested"), row("t", "off")])).await.expect("it is put");
        assert_eq!(store.subscription("s").await.expect("it answers"), Some(row("s", "requested")), "{kind}");
        assert_eq!(store.count_subscriptions("organization/a").await.expect("it answers"), 2, "{kind}");
        assert_eq!(store.count_subscriptions("organization/b").await.expect("it answers"), 0, "{kind}");
        let expected = Subscriber {
            id: "s".to_owned(),
            organization: "organization/a".to_owned(),
            topic: "status".to_owned(),
            room: String::new(),
        };
        assert_eq!(
            store.subscribers().await.expect("it answers"),
            std::slice::from_ref(&expected),
            "{kind}: not what is off"
        );
        assert_eq!(store.registry().await.expect("it answers").subscribers, [expected], "{kind}");
        let states = vec![("s".to_owned(), "error")];
        store.apply(rows(SubscriptionRows { states, ..SubscriptionRows::default() })).await.expect("it moves");
        assert_eq!(store.subscription("s").await.expect("it answers").expect("it is there").state, "error", "{kind}");
        assert!(store.subscribers().await.expect("it answers").is_empty(), "{kind}");
        store.apply(set!(deliveries: vec![queued("1", "t")],)).await.expect("queued");
        let one = store.delivery("1").await.expect("it answers").expect("it is there");
        store.number_event(&one, 9).await.expect("it answers").expect("a number");
        let (dropped, stopped) = (vec!["s".to_owned()], vec![partner("organization/a", "s")]);
        let over = SubscriptionRows { dropped, stopped, ..SubscriptionRows::default() };
        store.apply(rows(over)).await.expect("it is dropped");
        assert_eq!(store.subscription("s").await.expect("it answers"), None, "{kind}");
        assert_eq!(store.number_event(&one, 9).await.expect("it answers"), None, "{kind}");
        assert_eq!(ask(&url, "SELECT CAST(COUNT(*) AS TEXT) FROM subscription_event").await, "0", "{kind}");
        let one = store.delivery("1").await.expect("it answers").expect("it is there");
        assert_eq!((one.state.as_str(), one.cause.as_str()), ("void", "stopped"), "{kind}");
    }
}

#[tokio::test]
async fn nothing_overtakes_what_goes_to_a_subscription_but_its_handshake() {
    for (kind, _, store) in stores().await {
        let handshake = NewDelivery { kind: "handshake".into(), ..queued(&handshake_id("9"), "s") };
        let other = NewDelivery { partner: partner("organization/a", "other"), ..queued("0", "t") };
        store.apply(set!(deliveries: vec![queued("1", "t"), queued("2", "u"), other],)).await.expect("queued");
        store.apply(set!(deliveries: vec![handshake],)).await.expect("queued");
        let name = partner("organization/a", "s");
        let lease = async |now_ms: i64| -> Vec<Delivery> {
            store.lease_in_order(&name, now_ms, now_ms + 1_000).await.expect("it answers")
        };
        let first = lease(NOW_MS).await;
        assert_eq!(first.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["0-9"], "{kind}");
        assert!(lease(NOW_MS).await.is_empty(), "{kind}: one at a time");
        store.apply(settled(&first[0], "waiting", NOW_MS + 500)).await.expect("it is its own");
        assert!(lease(NOW_MS).await.is_empty(), "{kind}: not before its time, and nothing before it");
        let again = lease(NOW_MS + 500).await.remove(0);
        assert_eq!((again.id.as_str(), again.attempts, again.asks), ("0-9", 2, false), "{kind}");
        // A worker that never came back: another asks.
        let again = lease(NOW_MS + 1_500).await.remove(0);
        assert_eq!((again.attempts, again.asks), (2, true), "{kind}");
        let late = store.apply(settled(&first[0], "delivered", NOW_MS)).await;
        assert!(matches!(late, Err(StorageError::Moved)), "{kind}: {late:?}");
        store.apply(settled(&again, "delivered", NOW_MS)).await.expect("it is its own");
        assert_eq!(lease(NOW_MS + 1_500).await.remove(0).id, "1", "{kind}");
    }
}

#[tokio::test]
async fn a_number_is_spent_by_what_was_told_or_may_have_been() {
    for (kind, _, store) in stores().await {
        store.apply(put(vec![row("s", "active")])).await.expect("it is put");
        let all = ["1", "2", "3", "4"].map(|id| queued(id, id)).to_vec();
        store.apply(set!(deliveries: all,)).await.expect("queued");
        let delivery = async |id: &str| store.delivery(id).await.expect("it answers").expect("it is there");
        let number = async |of: &Delivery| store.number_event(of, 2).await.expect("it answers").expect("it is there");
        let told = async |of: &Delivery| {
            let told = SubscriptionRows { told: pair(of), ..SubscriptionRows::default() };
            store.apply(rows(told)).await.expect("told");
        };
        let not_sent = async |of: &Delivery| {
            let not_sent = SubscriptionRows { not_sent: pair(of), ..SubscriptionRows::default() };
            store.apply(rows(not_sent)).await.expect("noted");
        };
        let events = async || -> Vec<(i64, String)> {
            let all = store.subscription_events("s", (1, i64::MAX), 9).await.expect("it answers");
            all.into_iter().map(|event| (event.number, event.resource_id)).collect()
        };
        let (first, second, third, fourth) =
            (delivery("1").await, delivery("2").await, delivery("3").await, delivery("4").await);
        assert_eq!((number(&first).await, number(&first).await), (1, 1), "{kind}: its own at every attempt");
        not_sent(&first).await;
        assert!(events().await.is_empty(), "{kind}: what is in hand is not told");
        // One of its two sendings may have arrived.
        assert_eq!(number(&second).await, 2, "{kind}");
        assert_eq!(events().await, [(1, "1".to_owned())], "{kind}");
        not_sent(&second).await;
        assert_eq!(number(&third).await, 2, "{kind}: nobody was told of the second");
        told(&third).await;
        assert_eq!(events().await, [(1, "1".to_owned()), (2, "3".to_owned())], "{kind}");
        assert_eq!(number(&fourth).await, 3, "{kind}");
        told(&fourth).await;
        told(&third).await;
        let now = store.subscription("s").await.expect("it answers").expect("it is there");
        assert_eq!(now.events, 3, "{kind}: a number never goes back");
        assert_eq!(events().await, [(2, "3".to_owned()), (3, "4".to_owned())], "{kind}: two are kept");
        assert_eq!(store.subscription_events("s", (3, 3), 9).await.expect("it answers").len(), 1, "{kind}");
        assert_eq!(store.subscription_events("s", (1, 9), 1).await.expect("it answers")[0].number, 2, "{kind}");
        // Written anew, it goes on counting.
        store.apply(put(vec![row("s", "requested")])).await.expect("it is put");
        assert_eq!(store.subscription("s").await.expect("it answers").expect("it is there").events, 3, "{kind}");
    }
}

#[tokio::test]
async fn a_secret_is_opened_by_its_key_and_by_no_database_without() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    for safe in safes().await {
        let of = key("organization/a", "Subscription", "s");
        let sealed = safe.store.seal_text(&scope(&of), SECRET, NOW_MS).await.expect("it is sealed");
        assert!(!sealed.contains(SECRET), "{}", safe.kind);
        assert_eq!(safe.store.open_text(&sealed).await.expect("it opens"), SECRET, "{}", safe.kind);
        let other = safe.store.seal_text(&scope(&key("organization/a", "Subscription", "t")), SECRET, NOW_MS).await;
        let other = other.expect("it is sealed");
        let (id, _) = other.split_once(' ').expect("an id and a text");
        let moved = format!("{id} {}", sealed.split_once(' ').expect("an id and a text").1);
        assert!(safe.store.open_text(&moved).await.is_err(), "{}: under another key", safe.kind);
    }
    for (kind, _, store) in stores().await {
        let of = key("organization/a", "Subscription", "s");
        assert!(matches!(store.seal_text(&scope(&of), SECRET, NOW_MS).await, Err(StorageError::Vault(_))), "{kind}");
        assert!(store.open_text("1 x").await.is_err(), "{kind}");
    }
}

#[tokio::test]
async fn after_going_back_no_number_is_told_a_second_time() {
    for (kind, url, store) in stores().await {
        store.apply(put(vec![row("s", "active")])).await.expect("it is put");
        store.apply(set!(deliveries: vec![queued("1", "1"), queued("2", "2")],)).await.expect("queued");
        let first = store.delivery("1").await.expect("it answers").expect("it is there");
        assert_eq!(store.number_event(&first, 9).await.expect("it answers"), Some(1), "{kind}");
        let told = SubscriptionRows { told: pair(&first), ..SubscriptionRows::default() };
        store.apply(rows(told)).await.expect("told");
        store.close().await;
        let folder = tempfile::tempdir().expect("there is room");
        let taken = take(&url, folder.path(), NOW_MS).await.expect(kind);
        let older = wellgate_tests::databases().into_iter().find(|(other, _)| *other == kind).expect("as before").1;
        restore(&taken.file, &older, true, NOW_MS).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        let store = open(&older).await;
        // Others were told meanwhile, and nobody knows under which numbers.
        let second = store.delivery("2").await.expect("it answers").expect("it is there");
        let number = store.number_event(&second, 9).await.expect("it answers").expect("a number");
        assert!(number > 1_000_000, "{kind}: {number}");
        store.close().await;
        let again = open(&older).await.subscription("s").await.expect("it answers").expect("it is there");
        assert_eq!(again.events, number - 1, "{kind}: once");
    }
}

#[test]
fn the_partner_of_a_subscription_names_both() {
    let name = partner("organization/elp-1", "s-1");
    assert_eq!(subscription_of(&name), Some(("organization/elp-1".to_owned(), "s-1")));
    assert_eq!(subscription_of("organization/elp-1"), None);
    assert_eq!(subscription_of("subscription/s"), None);
}

fn scope(key: &ResourceKey) -> String {
    gateway::vault::scope(&key.compartment, key.resource_type, &key.id)
}
