//! What leaves the gateway: once, or somebody knows why not; decided on again before it is sent, and on record before it arrives.

use gateway::storage::channel::{Channel, ChannelKind};
use gateway::storage::delivery::Delivery;
use serde_json::{Value, json};
use wellgate_tests::caller::Caller;
use wellgate_tests::gateway::{DAY_MS, Gateway};
use wellgate_tests::partners::World;
use wellgate_tests::receiver::{Fault, Receiver};
use wellgate_tests::referral::{Referral, bring, place};
use wellgate_tests::resources::{consent, patient, permit, service_request};
use wellgate_tests::stories;

const HOUR_MS: i64 = 60 * 60 * 1_000;

/// A referral that `elp-1` picked up, whose own server is told of it.
async fn picked_up(gateway: &Gateway, receiver: &Receiver) -> Referral {
    gateway.tell("elp-1", &receiver.base).await;
    let placed = place(gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    bring(&gateway.as_("elp-1"), &placed.task, "accepted").await.expect(200);
    placed
}

async fn of_kind(gateway: &Gateway, patient: &str, kind: &str) -> Delivery {
    let deliveries = gateway.app.store.deliveries(patient).await.expect("it answers");
    deliveries.into_iter().rfind(|one| one.kind == kind).unwrap_or_else(|| panic!("no {kind} is queued"))
}

async fn round(gateway: &Gateway) -> usize {
    gateway.worker().round().await.expect("the database answers")
}

/// The outcomes of deliveries in the trail of a record, oldest first.
async fn ends(custodian: &Caller<'_>, patient: &str) -> Vec<String> {
    let events = custodian.search(format!("AuditEvent?patient=Patient/{patient}&_count=500")).await;
    let ended = events.iter().rev().filter(|event| event["subtype"][0]["code"] == "delivery" && event["action"] == "E");
    ended.map(|event| event["outcomeDesc"].as_str().unwrap_or("delivered").to_owned()).collect()
}

async fn the_dossier_goes_to_the_own_server_of_whoever_picked_up(gateway: Gateway) {
    let receiver = Receiver::start().await;
    let placed = picked_up(&gateway, &receiver).await;
    assert_eq!(round(&gateway).await, 1, "the notice that something waited is void with the pick-up");
    let messages = receiver.received();
    assert_eq!(messages.len(), 1, "{messages:?}");
    let types: Vec<&str> = messages[0]["entry"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["resource"]["resourceType"].as_str())
        .collect();
    for expected in ["MessageHeader", "Patient", "ServiceRequest", "Consent", "Task"] {
        assert!(types.contains(&expected), "{expected} is not in {types:?}");
    }
    let dossier = of_kind(&gateway, &placed.patient, "dossier").await;
    assert_eq!((dossier.state.as_str(), dossier.attempts, dossier.asks), ("delivered", 1, false));
    let elp = gateway.as_("elp-1");
    let task = elp.get(format!("Task/{}", placed.task)).await.expect(200);
    assert_eq!(task.json["businessStatus"]["coding"][0]["code"], "received", "{task}");
    // What was disclosed is in the trail, to whom and by what.
    let events = elp.search(format!("AuditEvent?patient=Patient/{}&_count=500", placed.patient)).await;
    let shown =
        events.iter().filter(|event| event["subtype"][0]["code"] == "delivery" && event["action"] == "R").count();
    assert_eq!(shown, 1, "{events:?}");
    assert_eq!(ends(&elp, &placed.patient).await, ["delivered"]);
    assert_eq!(round(&gateway).await, 0, "nothing is sent twice");
    // The sender sees that the state is as it was, and nothing of the dossier.
    let seen = gateway.as_("edpbw-a").get(format!("Task/{}", placed.task)).await.expect(200);
    assert!(seen.json.get("businessStatus").is_none(), "{seen}");
}

async fn what_the_receiver_may_not_see_any_more_does_not_leave(gateway: Gateway) {
    let receiver = Receiver::start().await;
    gateway.tell("elp-1", &receiver.base).await;
    // The Consent ends while the notice waits: nobody writes anything, so only the decision before the sending can know.
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let mut ending = consent(&person, &permit(&["elp-1"]));
    ending["provision"]["period"] = json!({"end": gateway.instant(HOUR_MS)});
    edpbw.create(&ending).await;
    edpbw.create(&service_request(&person, "Organization/elp-1")).await;
    gateway.advance(2 * HOUR_MS);
    assert_eq!(round(&gateway).await, 1);
    assert!(receiver.received().is_empty());
    let notice = of_kind(&gateway, &person, "waiting-room").await;
    assert_eq!((notice.state.as_str(), notice.cause.as_str()), ("void", "not-permitted"));
    let trail = gateway.app.store.deliveries(&person).await.expect("it answers");
    assert!(trail.iter().all(|one| one.state == "void"), "{trail:?}");
}

async fn a_notice_carries_no_more_than_its_receiver_could_read(gateway: Gateway) {
    let receiver = Receiver::start().await;
    gateway.tell("elp-1", &receiver.base).await;
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    assert_eq!(round(&gateway).await, 1);
    let message = receiver.received().remove(0);
    let text = message.to_string();
    assert_eq!(message["entry"][1]["resource"]["resourceType"], "Task", "{text}");
    assert!(!text.contains(&placed.patient) && !text.contains(&placed.order), "{text}");
    let task = &message["entry"][1]["resource"];
    assert!(["for", "focus", "requester"].iter().all(|member| task.get(*member).is_none()), "{task}");
}

async fn a_withdrawal_stops_what_waits(gateway: Gateway) {
    let receiver = Receiver::start().await;
    gateway.tell("elp-1", &receiver.base).await;
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    let nothing = json!({"resourceType": "Parameters"});
    gateway.as_("edpbw-a").post(format!("Consent/{}/$withdraw", placed.consent), &nothing).await.expect(200);
    assert_eq!(round(&gateway).await, 0);
    assert!(receiver.received().is_empty());
}

/// The dossier after each of some rounds, an hour apart: state and cause.
async fn after_rounds(gateway: &Gateway, patient: &str, rounds: usize) -> Vec<(String, String)> {
    let mut states = Vec::new();
    for _ in 0..rounds {
        round(gateway).await;
        let dossier = of_kind(gateway, patient, "dossier").await;
        states.push((dossier.state, dossier.cause));
        gateway.advance(HOUR_MS);
    }
    states
}

fn states(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(state, cause)| ((*state).to_owned(), (*cause).to_owned())).collect()
}

async fn case_4_what_may_have_arrived_is_asked_about_and_not_sent_again(gateway: Gateway) {
    for fault in [Fault::CutAfterAccept, Fault::Answer("<html>fine</html>"), Fault::Answer("")] {
        let receiver = Receiver::start().await;
        receiver.fail(std::slice::from_ref(&fault));
        let placed = picked_up(&gateway, &receiver).await;
        let seen = after_rounds(&gateway, &placed.patient, 2).await;
        assert_eq!(seen[0].0, "uncertain", "{fault:?}");
        assert_eq!(seen[1], ("delivered".to_owned(), "found".to_owned()), "{fault:?}");
        assert_eq!((receiver.received().len(), receiver.searches()), (1, 1), "{fault:?}");
    }
}

async fn case_3_what_did_not_arrive_is_sent_under_the_same_reference(gateway: Gateway) {
    let receiver = Receiver::start().await;
    receiver.fail(&[Fault::CutBeforeAccept]);
    let placed = picked_up(&gateway, &receiver).await;
    let seen = after_rounds(&gateway, &placed.patient, 3).await;
    assert_eq!(seen, states(&[("uncertain", "broken"), ("waiting", "not-found"), ("delivered", "")]));
    let dossier = of_kind(&gateway, &placed.patient, "dossier").await;
    assert_eq!((receiver.references(), dossier.attempts, dossier.inquiries), (vec![dossier.id], 2, 1));
}

async fn case_3_nothing_is_sent_twice_to_whom_nobody_can_ask(gateway: Gateway) {
    let receiver = Receiver::start().await;
    receiver.fail(&[Fault::CutAfterAccept]);
    receiver.fail_searches(&[Fault::Status(404, None)]);
    let placed = picked_up(&gateway, &receiver).await;
    let seen = after_rounds(&gateway, &placed.patient, 4).await;
    assert_eq!(seen[0].0, "uncertain");
    assert_eq!(seen[3], ("uncertain".to_owned(), "cannot-be-asked".to_owned()));
    assert_eq!((receiver.received().len(), receiver.searches()), (1, 1), "it is not asked for ever either");
    assert_eq!(ends(&gateway.as_("elp-1"), &placed.patient).await, ["cannot-be-asked"], "a person is told");
}

async fn case_6_a_partner_that_asks_for_time_gets_it_and_delays_nobody(gateway: Gateway) {
    let (slow, quick) = (Receiver::start().await, Receiver::start().await);
    slow.fail(&[Fault::Status(503, Some(7_200))]);
    let placed = picked_up(&gateway, &slow).await;
    gateway.tell("elp-2", &quick.base).await;
    let other = place(&gateway, "edpbw-a", &["elp-2"], "Organization/elp-2").await;
    bring(&gateway.as_("elp-2"), &other.task, "accepted").await.expect(200);
    assert_eq!(round(&gateway).await, 2);
    assert_eq!(quick.received().len(), 1);
    gateway.advance(HOUR_MS);
    assert_eq!(round(&gateway).await, 0, "not before the time that it asked for");
    gateway.advance(HOUR_MS);
    assert_eq!(round(&gateway).await, 1);
    assert_eq!(of_kind(&gateway, &placed.patient, "dossier").await.state, "delivered");
}

async fn case_7_what_is_refused_ends_and_what_fails_on_and_on_is_dead(gateway: Gateway) {
    let receiver = Receiver::start().await;
    receiver.fail(&[Fault::Status(422, None)]);
    let refused = picked_up(&gateway, &receiver).await;
    let seen = after_rounds(&gateway, &refused.patient, 2).await;
    assert_eq!(seen, states(&[("rejected", "status-422"), ("rejected", "status-422")]));
    assert!(receiver.received().is_empty() && receiver.searches() == 0);

    receiver.fail(&[Fault::Status(503, None), Fault::Status(503, None), Fault::Status(503, None)]);
    let failing = picked_up(&gateway, &receiver).await;
    let seen = after_rounds(&gateway, &failing.patient, 4).await;
    let (waits, dead) = (("waiting", "status-503"), ("dead", "status-503"));
    assert_eq!(seen, states(&[waits, waits, dead, dead]));
    // Others go on.
    let next = picked_up(&gateway, &receiver).await;
    assert_eq!(after_rounds(&gateway, &next.patient, 1).await, states(&[("delivered", "")]));
    for (patient, reason) in [(&refused.patient, "status-422"), (&failing.patient, "status-503")] {
        assert_eq!(ends(&gateway.as_("elp-1"), patient).await, [reason]);
    }
}

async fn of_two_about_one_resource_the_older_goes_first(gateway: Gateway) {
    let receiver = Receiver::start().await;
    receiver.fail(&[Fault::Status(503, None)]);
    let placed = picked_up(&gateway, &receiver).await;
    round(&gateway).await;
    let first = of_kind(&gateway, &placed.patient, "dossier").await;
    let again = gateway::storage::delivery::NewDelivery {
        compartment: first.compartment.clone(),
        id: gateway::audit::AuditEvent::fresh_id(),
        partner: first.partner.clone(),
        kind: "status".into(),
        resource_type: "ServiceRequest",
        resource_id: first.resource_id.clone(),
        version: gateway::storage::write_set::VersionId(0),
        due_ms: gateway.clock.now_ms(),
    };
    let mut set = gateway::storage::write_set::WriteSet::default();
    set.deliveries.push(again.clone());
    gateway.app.store.apply(set).await.expect("it is queued");
    assert_eq!(round(&gateway).await, 0, "the older waits for its next attempt");
    gateway.advance(HOUR_MS);
    round(&gateway).await;
    round(&gateway).await;
    assert_eq!(receiver.references(), [first.id, again.id]);
}

async fn a_delivery_without_a_channel_waits_for_one(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    assert_eq!(round(&gateway).await, 0);
    gateway.advance(DAY_MS);
    let receiver = Receiver::start().await;
    gateway.tell("elp-1", &receiver.base).await;
    assert_eq!(round(&gateway).await, 1);
    assert_eq!(of_kind(&gateway, &placed.patient, "waiting-room").await.state, "delivered");
    assert_eq!(receiver.received().len(), 1);
}

async fn an_operator_decides_and_it_is_on_record(gateway: Gateway) {
    use gateway::delivery::{Decided, decide};
    let receiver = Receiver::start().await;
    receiver.fail(&[Fault::Status(422, None)]);
    let placed = picked_up(&gateway, &receiver).await;
    round(&gateway).await;
    let refused = of_kind(&gateway, &placed.patient, "dossier").await;
    let registry = gateway.app.registry().await.expect("it answers");
    let caller = gateway::access::Caller::gateway(registry, gateway.clock.now_ms());
    assert!(Decided::Release.objection(&refused).is_some() && Decided::Abandon.objection(&refused).is_some());
    let store = &gateway.app.store;
    let again = decide(store, &caller, &refused, Decided::Rerun).await.expect("it answers").expect("it had ended");
    assert_ne!(again, refused.id);
    assert_eq!(round(&gateway).await, 1);
    let repeated = store.delivery(&again).await.expect("it answers").expect("it is there");
    assert_eq!((repeated.state.as_str(), repeated.parent.as_str()), ("delivered", refused.id.as_str()));
    assert_eq!(receiver.references(), std::slice::from_ref(&again));
    // One look leads to one repetition; and what moved since it was looked at is not decided on.
    assert_eq!(decide(store, &caller, &refused, Decided::Rerun).await.expect("it answers"), None);
    let refused = store.delivery(&refused.id).await.expect("it answers").expect("it is there");
    assert_eq!(refused.state, "rejected", "it stays as it ended");
    assert_eq!(decide(store, &caller, &refused, Decided::Abandon).await.expect("it answers"), Some(refused.id.clone()));
    assert_eq!(decide(store, &caller, &refused, Decided::Abandon).await.expect("it answers"), None);
    let events = gateway.as_("elp-1").search(format!("AuditEvent?patient=Patient/{}&_count=500", placed.patient)).await;
    let code = |event: &Value| event["subtype"][0]["code"].as_str().unwrap_or_default().to_owned();
    let acts: Vec<String> = events.iter().rev().map(code).filter(|code| code.starts_with("delivery-")).collect();
    assert_eq!(acts, ["delivery-rerun", "delivery-abandon"]);
}

/// The deliveries of a record, as soon as a worker that runs beside has brought each of them so far.
async fn settled(gateway: &Gateway, patient: &str, is_so_far: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
    let settled = async {
        loop {
            let all = gateway.app.store.deliveries(patient).await.expect("it answers");
            if all.iter().all(&is_so_far) {
                return all;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), settled).await.expect("the worker gets so far")
}

async fn a_worker_that_runs_finds_a_channel_that_came_later_and_stops_when_it_is_told(gateway: Gateway) {
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let running = tokio::spawn(gateway.worker().run(stopping));
    let receiver = Receiver::start().await;
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "HealthcareService/elp-pool").await;
    let partners: Vec<String> = gateway
        .app
        .store
        .deliveries(&placed.patient)
        .await
        .expect("it answers")
        .into_iter()
        .map(|one| one.partner)
        .collect();
    assert_eq!(partners, ["organization/elp-1", "organization/elp-2"], "each of a pool by itself");
    // It looks at least once while nobody has a channel.
    for _ in 0..2 {
        gateway.as_("elp-1").get("metadata").await.expect(200);
    }
    gateway.tell("elp-1", &receiver.base).await;
    gateway.tell("elp-2", &receiver.base).await;
    let ended = settled(&gateway, &placed.patient, |one| one.state != "waiting" && one.state != "leased").await;
    let states: Vec<(String, String)> = ended.into_iter().map(|one| (one.state, one.cause)).collect();
    // The Consent permits one of the two: the other is told nothing.
    assert_eq!(states, self::states(&[("delivered", ""), ("void", "not-permitted")]));
    assert_eq!(receiver.received().len(), 1);
    stop.send_replace(true);
    tokio::time::timeout(std::time::Duration::from_mins(1), running).await.expect("it stops").expect("it ends well");
}

async fn a_worker_that_runs_sends_what_was_leased_as_it_was_queued_and_gives_it_back_without_a_channel(
    gateway: Gateway,
) {
    const PARTNER: &str = "organization/elp-1";
    let receiver = Receiver::start().await;
    gateway.tell("elp-1", &receiver.base).await;
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let running = tokio::spawn(gateway.worker().run(stopping));
    let store = &gateway.app.store;
    let placed_for_an_idle_partner = async || {
        store.take_next(PARTNER, &gateway.app.clock, HOUR_MS);
        place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await.patient
    };
    let patient = placed_for_an_idle_partner().await;
    let sent = settled(&gateway, &patient, |one| one.state == "delivered").await;
    assert_eq!(sent.iter().map(|one| one.attempts).collect::<Vec<_>>(), [1], "leased once");
    assert_eq!(receiver.received().len(), 1);

    // The channel goes between the commit that leases for it and the sending, as far as the worker knows.
    assert!(store.remove_channel(PARTNER).await.expect("it answers"));
    gateway.app.forget_registry();
    let patient = placed_for_an_idle_partner().await;
    let given_back = settled(&gateway, &patient, |one| one.state == "waiting" && one.cause == "no-channel").await;
    assert_eq!(given_back.len(), 1);
    assert_eq!(receiver.received().len(), 1, "nothing is sent");
    stop.send_replace(true);
    tokio::time::timeout(std::time::Duration::from_mins(1), running).await.expect("it stops").expect("it ends well");

    // Nothing is lost by it: with a channel it is sent, when it is due again.
    gateway.tell("elp-1", &receiver.base).await;
    gateway.advance(HOUR_MS);
    assert_eq!(round(&gateway).await, 1);
    assert_eq!(of_kind(&gateway, &patient, "waiting-room").await.state, "delivered");
    assert_eq!(receiver.received().len(), 2);
}

async fn an_officer_is_told_by_mail_that_there_is_something_and_never_what(gateway: Gateway) {
    let world = World::start().await;
    let partner = "dpo/edpbw-a".to_owned();
    let channel = Channel { partner, kind: ChannelKind::Mail, address: "dpo@noord.example".to_owned() };
    gateway.app.store.put_channel(&channel).await.expect("somebody is registered");
    gateway.app.forget_registry();
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    let notice = gateway::storage::delivery::NewDelivery {
        compartment: placed.patient.clone(),
        id: gateway::audit::AuditEvent::fresh_id(),
        partner: channel.partner.clone(),
        kind: "break-glass".into(),
        resource_type: "AuditEvent",
        resource_id: "event-1".to_owned(),
        version: gateway::storage::write_set::VersionId(1),
        due_ms: gateway.clock.now_ms(),
    };
    let mut set = gateway::storage::write_set::WriteSet::default();
    set.deliveries.push(notice);
    gateway.app.store.apply(set).await.expect("it is queued");
    assert_eq!(round(&gateway).await, 0, "without a mail server it waits");
    let worker = gateway.worker_with(Some(world.mail_settings()), None);
    assert_eq!(worker.round().await.expect("the database answers"), 1);
    assert_eq!(of_kind(&gateway, &placed.patient, "break-glass").await.state, "delivered");
    let received = world.received("mail").await;
    let mail = received["messages"][0]["body"].as_str().expect("a text");
    assert!(mail.contains("To: dpo@noord.example") && !mail.contains(&placed.patient), "{mail}");
}

stories!(
    a_worker_that_runs_finds_a_channel_that_came_later_and_stops_when_it_is_told,
    a_worker_that_runs_sends_what_was_leased_as_it_was_queued_and_gives_it_back_without_a_channel,
    an_officer_is_told_by_mail_that_there_is_something_and_never_what,
    the_dossier_goes_to_the_own_server_of_whoever_picked_up,
    what_the_receiver_may_not_see_any_more_does_not_leave,
    a_notice_carries_no_more_than_its_receiver_could_read,
    a_withdrawal_stops_what_waits,
    case_4_what_may_have_arrived_is_asked_about_and_not_sent_again,
    case_3_what_did_not_arrive_is_sent_under_the_same_reference,
    case_3_nothing_is_sent_twice_to_whom_nobody_can_ask,
    case_6_a_partner_that_asks_for_time_gets_it_and_delays_nobody,
    case_7_what_is_refused_ends_and_what_fails_on_and_on_is_dead,
    of_two_about_one_resource_the_older_goes_first,
    a_delivery_without_a_channel_waits_for_one,
    an_operator_decides_and_it_is_on_record,
);
