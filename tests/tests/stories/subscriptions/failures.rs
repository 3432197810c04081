//! A subscriber that is away: tried again in order, under the same number, and given up with a notice.

use connectors::guard::Guard;
use gateway::delivery::{Insurers, Outside};
use serde_json::json;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::hook::{Hook, SECRET, subscribe, subscription};
use wellgate_tests::referral::place;
use wellgate_tests::stories;

use super::{HOUR_MS, events_of, round, status_of};

async fn an_address_that_is_down_is_tried_again_then_given_up_with_a_notice(gateway: Gateway) {
    let hook = Hook::start().await;
    let elp = gateway.as_("elp-1");
    let id = subscribe(&gateway, &elp, "waiting-room", &hook).await;
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    hook.answer(&[503, 404, 307]);
    for attempt in 1..=3 {
        assert_eq!(round(&gateway).await, 1, "attempt {attempt}: one at a time");
        assert_eq!(round(&gateway).await, 0, "attempt {attempt}: not before its time, and nothing overtakes it");
        gateway.advance(HOUR_MS);
    }
    assert_eq!(hook.take_numbers(), ["1", "1", "1"], "the same number at every attempt");
    let seen = elp.get(format!("Subscription/{id}")).await.expect(200);
    assert_eq!(seen.json["status"], "error", "{seen}");
    assert_eq!(seen.json["error"], "notifications were not taken: status-307", "{seen}");
    let queued = gateway.app.store.deliveries(&placed.patient).await.expect("it answers");
    let dead = queued.iter().find(|one| one.partner.starts_with("subscription/")).expect("it was queued");
    assert_eq!((dead.state.as_str(), dead.attempts), ("dead", 3));
    // Its organisation gets a notice by its own channel, and nothing else leaves.
    let own = gateway.app.store.deliveries("organization/elp-1").await.expect("it answers");
    let notice = own.iter().find(|one| one.kind == "subscription-error").expect("a notice");
    assert_eq!((notice.partner.as_str(), notice.state.as_str()), ("organization/elp-1", "waiting"));
    gateway.app.forget_registry();
    place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    gateway.advance(HOUR_MS);
    while round(&gateway).await > 0 {}
    assert!(hook.take_told().is_empty());
    assert_eq!(status_of(&elp, &id).await, ("error".to_owned(), "0".to_owned()));
    // It is asked for anew: with the secret that it had.
    let mut again = seen.json;
    again["status"] = json!("requested");
    elp.put(format!("Subscription/{id}"), &again).await.expect(200);
    round(&gateway).await;
    gateway.app.forget_registry();
    place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    while round(&gateway).await > 0 {}
    let told = hook.take_told();
    assert!(told.iter().all(|one| one.is_signed_with(SECRET)), "{told:?}");
    assert_eq!((told[0].kind(), told[1].number()), ("handshake".to_owned(), "1".to_owned()));
}

async fn an_address_that_takes_no_handshake_is_told_nothing(gateway: Gateway) {
    let hook = Hook::start().await;
    let elp = gateway.as_("elp-1");
    hook.answer(&[410]);
    let id = elp.create(&subscription("waiting-room", &hook.url)).await;
    gateway.app.forget_registry();
    // Queued while it is not known yet whether there will be an answer.
    place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    while round(&gateway).await > 0 {}
    assert_eq!(hook.take_numbers(), ["handshake"]);
    assert_eq!(status_of(&elp, &id).await.0, "error");
}

async fn a_number_that_nobody_was_told_goes_to_the_next_event(gateway: Gateway) {
    let hook = Hook::start().await;
    let elp = gateway.as_("elp-1");
    let id = subscribe(&gateway, &elp, "waiting-room", &hook).await;
    let nothing = json!({"resourceType": "Parameters"});
    let withdraw = async |consent: &str| {
        gateway.as_("edpbw-a").post(format!("Consent/{consent}/$withdraw"), &nothing).await.expect(200);
    };
    // It certainly did not arrive, and is withdrawn: no number tells of it.
    let first = place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    hook.answer(&[503]);
    round(&gateway).await;
    withdraw(&first.consent).await;
    gateway.advance(HOUR_MS);
    place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    while round(&gateway).await > 0 {}
    assert_eq!(hook.take_numbers(), ["1", "1"]);
    // It may have arrived: its number is spent, or another event would pass for that one.
    let third = place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    hook.answer(&[500]);
    round(&gateway).await;
    withdraw(&third.consent).await;
    gateway.advance(HOUR_MS);
    place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    while round(&gateway).await > 0 {}
    assert_eq!(hook.take_numbers(), ["2", "3"]);
    assert_eq!(status_of(&elp, &id).await.1, "3");
    assert_eq!(events_of(&elp, &id, "").await, ["1", "3"], "what was withdrawn is not shown");
}

async fn what_may_have_arrived_is_sent_again_under_the_same_reference_and_number(gateway: Gateway) {
    let hook = Hook::start().await;
    let elp = gateway.as_("elp-1");
    subscribe(&gateway, &elp, "waiting-room", &hook).await;
    place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    hook.answer(&[500]);
    for _ in 0..4 {
        round(&gateway).await;
        gateway.advance(HOUR_MS);
    }
    let told = hook.take_told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0].number(), told[1].number());
    assert_eq!(told[0].header("wellgate-delivery"), told[1].header("wellgate-delivery"));
    assert!(told[0].header("wellgate-timestamp") != told[1].header("wellgate-timestamp"));
    assert!(told.iter().all(|one| one.is_signed_with(SECRET)));
}

async fn an_address_that_was_changed_is_asked_before_it_is_told_anything(gateway: Gateway) {
    let (before, after) = (Hook::start().await, Hook::start().await);
    let elp = gateway.as_("elp-1");
    let id = subscribe(&gateway, &elp, "waiting-room", &before).await;
    place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    let mut moved = subscription("waiting-room", &after.url);
    let secret = "another-secret-another-secret-another";
    moved["id"] = json!(id);
    moved["channel"]["extension"][0]["valueString"] = json!(secret);
    elp.put(format!("Subscription/{id}"), &moved).await.expect(200);
    while round(&gateway).await > 0 {}
    assert!(before.take_told().is_empty());
    let told = after.take_told();
    assert_eq!((told.len(), told[0].kind(), told[1].number()), (2, "handshake".to_owned(), "1".to_owned()));
    assert!(told.iter().all(|one| one.is_signed_with(secret) && !one.is_signed_with(SECRET)));
}

async fn attack_49_an_address_that_leads_inside_when_it_is_asked_is_not_asked(gateway: Gateway) {
    let hook = Hook::start().await;
    let elp = gateway.as_("elp-1");
    // It was let in, and is refused by now: the operator's list changed, or what its name resolves to.
    let id = elp.create(&subscription("waiting-room", &hook.url)).await;
    let outside = Outside {
        guard: Guard::default(),
        mail: None,
        tdi: None,
        co_prev: None,
        insurers: Insurers::default(),
        credentials: Vec::new(),
    };
    let worker = gateway.worker_to(outside);
    assert_eq!(worker.round().await.expect("the database answers"), 1);
    assert!(hook.take_told().is_empty());
    let seen = elp.get(format!("Subscription/{id}")).await.expect(200);
    assert_eq!((seen.json["status"].as_str(), round(&gateway).await), (Some("error"), 0), "{seen}");
}

stories!(
    attack_49_an_address_that_leads_inside_when_it_is_asked_is_not_asked,
    an_address_that_is_down_is_tried_again_then_given_up_with_a_notice,
    an_address_that_takes_no_handshake_is_told_nothing,
    a_number_that_nobody_was_told_goes_to_the_next_event,
    what_may_have_arrived_is_sent_again_under_the_same_reference_and_number,
    an_address_that_was_changed_is_asked_before_it_is_told_anything,
);
