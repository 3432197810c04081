//! Subscriptions: who asks for it is told that there is something, signed, in order, once; and nothing that it may not see.

mod failures;
mod refusals;

use serde_json::{Value, json};
use wellgate_tests::caller::Caller;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::hook::{Hook, SECRET, subscribe, subscription};
use wellgate_tests::referral::{bring, bring_with, place};
use wellgate_tests::resources::{consent, patient, permit, service_request};
use wellgate_tests::stories;

const HOUR_MS: i64 = 60 * 60 * 1_000;

async fn round(gateway: &Gateway) -> usize {
    gateway.worker().round().await.expect("the database answers")
}

/// The status and the number of events, as the owner is told of them.
async fn status_of(subscriber: &Caller<'_>, id: &str) -> (String, String) {
    let answer = subscriber.get(format!("Subscription/{id}/$status")).await.expect(200);
    let parameters = answer.json["entry"][0]["resource"]["parameter"].clone();
    let value = |name: &str, member: &str| {
        let found = parameters.as_array().and_then(|all| all.iter().find(|one| one["name"] == name));
        found.and_then(|one| one[member].as_str()).unwrap_or_default().to_owned()
    };
    (value("status", "valueCode"), value("events-since-subscription-start", "valueString"))
}

/// The numbers of the events that `$events` knows.
async fn events_of(subscriber: &Caller<'_>, id: &str, query: &str) -> Vec<String> {
    let answer = subscriber.get(format!("Subscription/{id}/$events{query}")).await.expect(200);
    let parameters = answer.json["entry"][0]["resource"]["parameter"].as_array().cloned().unwrap_or_default();
    let events = parameters.iter().filter(|one| one["name"] == "notification-event");
    events.filter_map(|event| event["part"][0]["valueString"].as_str().map(str::to_owned)).collect()
}

async fn an_address_that_answers_the_handshake_makes_a_subscription_active(gateway: Gateway) {
    let hook = Hook::start().await;
    let elp = gateway.as_("elp-1");
    let created = elp.post("Subscription", &subscription("waiting-room", &hook.url)).await.expect(201);
    let id = created.id();
    assert_eq!((created.json["status"].as_str(), hook.take_told().len()), (Some("requested"), 0));
    assert_eq!(status_of(&elp, &id).await, ("requested".to_owned(), "0".to_owned()));
    assert_eq!(round(&gateway).await, 1);
    let told = hook.take_told();
    assert_eq!((told.len(), told[0].kind()), (1, "handshake".to_owned()));
    assert!(told[0].is_signed_with(SECRET) && !told[0].is_signed_with("another"), "{told:?}");
    assert_eq!(told[0].header("content-type"), "application/fhir+json");
    assert!(told[0].header("wellgate-delivery") == told[0].json["id"], "our reference is in what is signed");
    let seen = elp.get(format!("Subscription/{id}")).await.expect(200);
    assert_eq!(seen.json["status"], "active");
    assert_eq!(status_of(&elp, &id).await, ("active".to_owned(), "0".to_owned()));
    assert_eq!(round(&gateway).await, 0, "once");
}

async fn what_waits_for_its_pool_is_told_once_by_id_and_signed(gateway: Gateway) {
    let hook = Hook::start().await;
    let elp = gateway.as_("elp-1");
    let id = subscribe(&gateway, &elp, "waiting-room", &hook).await;
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "HealthcareService/elp-pool").await;
    assert_eq!(round(&gateway).await, 1);
    assert_eq!(round(&gateway).await, 0);
    let told = hook.take_told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].focus(), format!("{}/Task/{}", gateway.base, placed.task));
    assert_eq!((told[0].kind(), told[0].number()), ("event-notification".to_owned(), "1".to_owned()));
    assert!(told[0].is_signed_with(SECRET));
    let timestamp: i64 = told[0].header("wellgate-timestamp").parse().expect("seconds");
    assert_eq!(timestamp, gateway.clock.now_ms() / 1_000);
    assert!(!told[0].is_signed_at(SECRET, &(timestamp + 1).to_string()), "who replays it cannot make it newer");
    let text = String::from_utf8_lossy(&told[0].bytes).into_owned();
    let is_without = |what: &str| !text.contains(what);
    assert!(is_without(&placed.patient) && is_without(&placed.order) && is_without("edpbw-a"), "{text}");
    assert!(told[0].json["entry"].as_array().expect("entries")[1..].iter().all(|one| one.get("resource").is_none()));
    assert_eq!(status_of(&elp, &id).await, ("active".to_owned(), "1".to_owned()));
    // It is on record as a disclosure, to whom and of what.
    bring(&elp, &placed.task, "accepted").await.expect(200);
    let events = elp.search(format!("AuditEvent?patient=Patient/{}&_count=500", placed.patient)).await;
    let shown: Vec<&Value> = events.iter().filter(|event| event["subtype"][0]["code"] == "delivery").collect();
    assert_eq!(shown.len(), 2, "that it was shown, and that it arrived: {events:?}");
    assert!(shown.iter().all(|event| event.to_string().contains("elp-1")), "{shown:?}");
}

async fn whom_no_consent_permits_is_told_nothing_and_no_number_moves(gateway: Gateway) {
    let hook = Hook::start().await;
    let other = gateway.as_("elp-2");
    let id = subscribe(&gateway, &other, "waiting-room", &hook).await;
    for _ in 0..2 {
        place(&gateway, "edpbw-a", &["elp-1"], "HealthcareService/elp-pool").await;
    }
    while round(&gateway).await > 0 {}
    assert!(hook.take_told().is_empty());
    assert_eq!(status_of(&other, &id).await.1, "0");
    let permitted = place(&gateway, "edpbw-a", &["elp-1", "elp-2"], "HealthcareService/elp-pool").await;
    while round(&gateway).await > 0 {}
    let told = hook.take_told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].number() == "1" && told[0].focus().ends_with(&permitted.task), "{told:?}");
    assert_eq!(events_of(&other, &id, "").await, ["1"]);
}

async fn what_is_withdrawn_before_it_leaves_is_not_told(gateway: Gateway) {
    let hook = Hook::start().await;
    let elp = gateway.as_("elp-1");
    let id = subscribe(&gateway, &elp, "waiting-room", &hook).await;
    // By an act, in the transaction of the act.
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    let nothing = json!({"resourceType": "Parameters"});
    gateway.as_("edpbw-a").post(format!("Consent/{}/$withdraw", placed.consent), &nothing).await.expect(200);
    assert_eq!(round(&gateway).await, 0);
    // By time: nobody writes anything, so only the decision at the sending can know.
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let mut ending = consent(&person, &permit(&["elp-1"]));
    ending["provision"]["period"] = json!({"end": gateway.instant(HOUR_MS)});
    edpbw.create(&ending).await;
    edpbw.create(&service_request(&person, "Organization/elp-1")).await;
    gateway.advance(2 * HOUR_MS);
    assert_eq!(round(&gateway).await, 1);
    assert!(hook.take_told().is_empty());
    let queued = gateway.app.store.deliveries(&person).await.expect("it answers");
    let ours = queued.iter().find(|one| one.partner.starts_with("subscription/")).expect("it was queued");
    assert_eq!((ours.state.as_str(), ours.cause.as_str()), ("void", "not-permitted"));
    assert_eq!(status_of(&elp, &id).await.1, "0");
    assert!(events_of(&elp, &id, "").await.is_empty());
}

async fn the_sender_is_told_of_the_status_and_of_feedback(gateway: Gateway) {
    let (status, feedback) = (Hook::start().await, Hook::start().await);
    let (edpbw, elp) = (gateway.as_("edpbw-a"), gateway.as_("elp-1"));
    subscribe(&gateway, &edpbw, "task-status", &status).await;
    subscribe(&gateway, &edpbw, "feedback", &feedback).await;
    let placed = place(&gateway, "edpbw-a", &["elp-1", "edpbw-a"], "Organization/elp-1").await;
    bring(&elp, &placed.task, "accepted").await.expect(200);
    while round(&gateway).await > 0 {}
    let told = status.take_told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].focus().ends_with(&format!("Task/{}", placed.task)), "{told:?}");
    assert!(feedback.take_told().is_empty());
    let output = json!([{"type": {"text": "feedback"}, "valueString": "Afgerond."}]);
    bring_with(&elp, &placed.task, "completed", &[("output", output)]).await.expect(200);
    while round(&gateway).await > 0 {}
    let told = feedback.take_told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].focus().contains("/Communication/") && !told[0].json.to_string().contains("Afgerond"), "{told:?}");
    assert_eq!(status.take_numbers(), ["2"]);
}

async fn the_owner_is_told_that_others_moved_its_task(gateway: Gateway) {
    let hook = Hook::start().await;
    let elp = gateway.as_("elp-1");
    subscribe(&gateway, &elp, "task-status", &hook).await;
    let placed = place(&gateway, "edpbw-a", &["elp-1", "cgg-1"], "Organization/elp-1").await;
    bring(&elp, &placed.task, "accepted").await.expect(200);
    let forwarded = wellgate_tests::referral::forward(&elp, &placed, "Organization/cgg-1").await;
    while round(&gateway).await > 0 {}
    assert!(hook.take_told().is_empty(), "its own acts are no news");
    bring(&gateway.as_("cgg-1"), &forwarded.task, "rejected").await.expect(200);
    while round(&gateway).await > 0 {}
    let told: Vec<String> = hook.take_told().iter().map(wellgate_tests::hook::Told::focus).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|focus| focus.ends_with(&placed.task)), "its own Task goes on: {told:?}");
    assert!(told.iter().any(|focus| focus.ends_with(&forwarded.task)), "what it placed was refused: {told:?}");
}

async fn who_holds_a_record_is_told_that_a_consent_was_withdrawn(gateway: Gateway) {
    let hook = Hook::start().await;
    let elp = gateway.as_("elp-1");
    let id = subscribe(&gateway, &elp, "consent-withdrawn", &hook).await;
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    bring(&elp, &placed.task, "accepted").await.expect(200);
    let others = place(&gateway, "edpbw-b", &["elp-2"], "Organization/elp-2").await;
    while round(&gateway).await > 0 {}
    assert!(hook.take_told().is_empty());
    // Whoever recorded it withdraws it blind, long after.
    let nothing = json!({"resourceType": "Parameters"});
    for (recorder, consent) in [("edpbw-a", &placed.consent), ("edpbw-b", &others.consent)] {
        gateway.as_(recorder).post(format!("Consent/{consent}/$withdraw"), &nothing).await.expect(200);
    }
    while round(&gateway).await > 0 {}
    let told = hook.take_told();
    assert_eq!(told.len(), 1, "of its own record alone: {told:?}");
    assert_eq!(told[0].focus(), format!("{}/Consent/{}", gateway.base, placed.consent));
    // Withdrawn is withdrawn: to say so again is no event.
    gateway.as_("edpbw-a").post(format!("Consent/{}/$withdraw", placed.consent), &nothing).await;
    while round(&gateway).await > 0 {}
    assert!(hook.take_told().is_empty());
    assert_eq!(status_of(&elp, &id).await.1, "1");
}

async fn an_empty_notification_names_nothing(gateway: Gateway) {
    let hook = Hook::start().await;
    let elp = gateway.as_("elp-1");
    let mut empty = subscription("waiting-room", &hook.url);
    empty["channel"]["_payload"]["extension"][0]["valueCode"] = json!("empty");
    let id = elp.create(&empty).await;
    round(&gateway).await;
    gateway.app.forget_registry();
    hook.take_told();
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    round(&gateway).await;
    let told = hook.take_told();
    let text = String::from_utf8_lossy(&told[0].bytes).into_owned();
    assert!(!text.contains(&placed.task) && !text.contains("Task") && !text.contains("waiting-room"), "{text}");
    assert_eq!(told[0].number(), "1");
    // What it is about is asked for, by whom it is for.
    let asked = elp.get(format!("Subscription/{id}/$events?content=id-only")).await.expect(200);
    assert!(asked.json["entry"][1]["fullUrl"].as_str().is_some_and(|url| url.ends_with(&placed.task)), "{asked}");
}

async fn a_subscription_may_be_for_one_room(gateway: Gateway) {
    let hook = Hook::start().await;
    let elp = gateway.as_("elp-1");
    let filter = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-filter-criteria";
    let mut only = subscription("waiting-room", &hook.url);
    only["_criteria"] = json!({"extension": [{"url": filter, "valueString": "Task?owner=HealthcareService/elp-pool"}]});
    elp.create(&only).await;
    round(&gateway).await;
    gateway.app.forget_registry();
    hook.take_told();
    place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    let pooled = place(&gateway, "edpbw-a", &["elp-1"], "HealthcareService/elp-pool").await;
    while round(&gateway).await > 0 {}
    let told = hook.take_told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].focus().ends_with(&pooled.task), "{told:?}");
    only["_criteria"]["extension"][0]["valueString"] = json!("Task?owner=HealthcareService/nobody");
    let refused = elp.post("Subscription", &only).await.expect(422);
    assert_eq!(refused.issues()[0].1, "Subscription.criteria.extension", "{refused}");
}

async fn what_was_told_and_is_gone_from_sight_is_gone_from_the_events(gateway: Gateway) {
    let hook = Hook::start().await;
    let elp = gateway.as_("elp-1");
    let id = subscribe(&gateway, &elp, "waiting-room", &hook).await;
    let mut placed = Vec::new();
    for _ in 0..3 {
        placed.push(place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await);
    }
    while round(&gateway).await > 0 {}
    assert_eq!(hook.take_numbers(), ["1", "2", "3"]);
    assert_eq!(events_of(&elp, &id, "?eventsSinceNumber=2").await, ["2", "3"]);
    assert_eq!(events_of(&elp, &id, "?eventsSinceNumber=1&eventsUntilNumber=2").await, ["1", "2"]);
    let nothing = json!({"resourceType": "Parameters"});
    gateway.as_("edpbw-a").post(format!("Consent/{}/$withdraw", placed[1].consent), &nothing).await.expect(200);
    let answer = elp.get(format!("Subscription/{id}/$events")).await.expect(200);
    assert!(!answer.json.to_string().contains(&placed[1].task), "{answer}");
    assert_eq!(events_of(&elp, &id, "").await, ["1", "3"]);
}

async fn a_subscription_that_is_off_or_deleted_is_told_nothing(gateway: Gateway) {
    let hook = Hook::start().await;
    let elp = gateway.as_("elp-1");
    let (off, deleted) = (
        subscribe(&gateway, &elp, "waiting-room", &hook).await,
        subscribe(&gateway, &elp, "waiting-room", &hook).await,
    );
    place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    let mut stored = elp.get(format!("Subscription/{off}")).await.expect(200).json;
    stored["status"] = json!("off");
    elp.put(format!("Subscription/{off}"), &stored).await.expect(200);
    elp.delete(format!("Subscription/{deleted}")).await.expect(204);
    // Neither what waits, nor what another gateway queues that does not know of it yet.
    place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    while round(&gateway).await > 0 {}
    assert!(hook.take_told().is_empty());
    assert_eq!(status_of(&elp, &off).await, ("off".to_owned(), "0".to_owned()));
    elp.get(format!("Subscription/{deleted}/$status")).await.expect(410);
    // And begins anew with a handshake, where it is asked for.
    stored["status"] = json!("requested");
    elp.put(format!("Subscription/{off}"), &stored).await.expect(200);
    round(&gateway).await;
    let told = hook.take_told();
    assert!(told.len() == 1 && told[0].kind() == "handshake" && told[0].is_signed_with(SECRET), "{told:?}");
}

stories!(
    an_address_that_answers_the_handshake_makes_a_subscription_active,
    what_waits_for_its_pool_is_told_once_by_id_and_signed,
    whom_no_consent_permits_is_told_nothing_and_no_number_moves,
    what_is_withdrawn_before_it_leaves_is_not_told,
    the_sender_is_told_of_the_status_and_of_feedback,
    the_owner_is_told_that_others_moved_its_task,
    who_holds_a_record_is_told_that_a_consent_was_withdrawn,
    an_empty_notification_names_nothing,
    a_subscription_may_be_for_one_room,
    what_was_told_and_is_gone_from_sight_is_gone_from_the_events,
    a_subscription_that_is_off_or_deleted_is_told_nothing,
);
