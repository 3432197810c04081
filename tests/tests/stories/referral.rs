//! A referral step by step: placed, picked up, treated, forwarded, closed; and every way back.

use gateway::referral::expiry::expire;
use serde_json::{Value, json};
use wellgate_tests::gateway::{DAY_MS, Gateway};
use wellgate_tests::referral::{bring, bring_with, forward, forwarding, organization_task, place};
use wellgate_tests::resources::{bundle, consent, encounter, patient, permit, service_request};
use wellgate_tests::stories;

/// Who works with whom in most stories.
const CHAIN: [&str; 3] = ["edpbw-a", "elp-1", "cgg-1"];
const FEEDBACK: &str = "TEST-FEEDBACK the talks have ended well";

async fn a_referral_goes_its_whole_way_as_its_consent_allows(gateway: Gateway) {
    let [edpbw, elp, cgg] = CHAIN.map(|id| gateway.as_(id));
    let placed = place(&gateway, "edpbw-a", &CHAIN, "HealthcareService/elp-pool").await;
    let dossier = format!("Patient/{}", placed.patient);
    edpbw.get(&dossier).await.expect(404);

    let waiting = elp.search("Task?status=requested").await;
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0]["id"], json!(placed.task));
    elp.get(&dossier).await.expect(404);

    let picked = bring(&elp, &placed.task, "accepted").await.expect(200);
    assert_eq!(picked.json["owner"]["reference"], "Organization/elp-1");
    assert_eq!(picked.json["for"]["reference"], json!(dossier));
    assert_eq!(picked.json["focus"]["reference"], json!(format!("ServiceRequest/{}", placed.order)));
    elp.get(&dossier).await.expect(200);
    elp.get(format!("ServiceRequest/{}", placed.order)).await.expect(200);
    bring(&elp, &placed.task, "in-progress").await.expect(200);
    elp.create(&encounter(&placed.patient)).await;

    let forwarded = forward(&elp, &placed, "Organization/cgg-1").await;
    elp.get(&dossier).await.expect(404);
    assert_eq!(elp.get(format!("Task/{}", placed.task)).await.expect(200).json["status"], "on-hold");
    bring(&cgg, &forwarded.task, "accepted").await.expect(200);
    assert_eq!(elp.get(format!("Task/{}", placed.task)).await.expect(200).json["status"], "completed");
    assert_eq!(cgg.search(format!("Encounter?patient={}", placed.patient)).await.len(), 1);

    let output = json!([{"type": {"text": "feedback"}, "valueString": FEEDBACK}]);
    bring_with(&cgg, &forwarded.task, "completed", &[("output", output)]).await.expect(200);
    cgg.get(&dossier).await.expect(404);
    assert_eq!(edpbw.get(format!("Task/{}", placed.order)).await.expect(200).json["status"], "completed");
    for referrer in [&edpbw, &elp] {
        let feedback = referrer.search("Communication").await;
        assert_eq!(feedback.len(), 1, "each referrer has its own feedback");
        assert_eq!(feedback[0]["payload"][0]["contentString"], FEEDBACK);
        assert_eq!(feedback[0]["recipient"][0]["reference"], format!("Organization/{}", referrer.organization()));
        assert_eq!(feedback[0]["subject"], Value::Null, "feedback does not lead to the dossier");
    }
}

async fn a_referral_is_placed_by_one_transaction(gateway: Gateway) {
    let patient = with_address(patient(), 1);
    let consent = with_address(consent(&address(1), &permit(&CHAIN)), 2);
    let order = with_address(service_request(&address(1), "HealthcareService/elp-pool"), 3);
    // The order stands first: what it rests on is decided before it, wherever it is written.
    let entries = [
        ("POST", "ServiceRequest", Some(order)),
        ("POST", "Consent", Some(consent)),
        ("POST", "Patient", Some(patient)),
    ];
    let answer = gateway.as_("edpbw-a").post("", &bundle("transaction", &entries)).await.expect(200);
    let statuses: Vec<_> = (0..3).map(|n| answer.json["entry"][n]["response"]["status"].clone()).collect();
    assert_eq!(statuses, ["201 Created"; 3]);
    assert_eq!(gateway.as_("elp-1").search("Task?status=requested").await.len(), 1);
}

async fn a_referral_is_placed_by_a_task_as_well(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    edpbw.create(&consent(&person, &permit(&CHAIN))).await;
    let order = edpbw.create(&service_request(&person, "")).await;
    let task = json!({
        "resourceType": "Task", "status": "requested", "intent": "order", "for": {"reference": format!("Patient/{person}")},
        "focus": {"reference": format!("ServiceRequest/{order}")}, "owner": {"reference": "Organization/elp-1"},
    });
    let placed = edpbw.post("Task", &task).await.expect(201).id();
    assert_eq!(
        gateway.as_("elp-1").search("Task?owner=Organization/elp-1&status=requested").await[0]["id"],
        json!(placed)
    );
}

async fn a_waiting_room_is_an_organisations_own_or_its_pools(gateway: Gateway) {
    let [own, pooled] = ["Organization/elp-1", "HealthcareService/elp-pool"];
    place(&gateway, "edpbw-a", &["elp-1"], own).await;
    place(&gateway, "edpbw-b", &["elp-1", "elp-2"], pooled).await;
    let [first, second] = ["elp-1", "elp-2"].map(|id| gateway.as_(id));
    let room = |owner: &str| format!("Task?owner={owner}&status=requested");
    assert_eq!(first.search("Task?status=requested").await.len(), 2);
    assert_eq!(second.search("Task?status=requested").await.len(), 1);
    assert_eq!(first.search(room(own)).await.len(), 1);
    assert_eq!(first.search(room(pooled)).await.len(), 1);
    assert_eq!(second.search(room(own)).await.len(), 0);
    for stranger in ["cgg-1", "gp-1", "mutuality-1"] {
        assert_eq!(gateway.as_(stranger).search("Task?status=requested").await.len(), 0, "{stranger}");
    }
}

async fn a_pick_up_without_if_match_is_428_and_takes_nothing(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &CHAIN, "Organization/elp-1").await;
    let elp = gateway.as_("elp-1");
    let mut task = elp.get(format!("Task/{}", placed.task)).await.expect(200).json;
    task["status"] = json!("accepted");
    let refused = elp.put(format!("Task/{}", placed.task), &task).await.expect(428);
    assert_eq!(refused.issues()[0].0, "required");
    assert_eq!(elp.search("Task?status=requested").await.len(), 1);
    elp.get(format!("Patient/{}", placed.patient)).await.expect(404);
}

async fn whoever_loses_a_pick_up_learns_that_and_nothing_else(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1", "elp-2"], "HealthcareService/elp-pool").await;
    let [winner, loser] = ["elp-1", "elp-2"].map(|id| gateway.as_(id));
    let seen = loser.get(format!("Task/{}", placed.task)).await.expect(200);
    bring(&winner, &placed.task, "accepted").await.expect(200);

    let mut task = seen.json.clone();
    task["status"] = json!("accepted");
    let lost = loser.put_with(format!("Task/{}", placed.task), &task, &[("if-match", &seen.etag())]).await.expect(412);
    assert_eq!(
        String::from_utf8_lossy(&lost.bytes),
        r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"conflict","details":{"text":"the resource has changed since the version in If-Match"}}]}"#
    );
    assert_eq!(lost.header("etag"), "", "not even the new version is told");
    loser.get(format!("Task/{}", placed.task)).await.expect(404);
    loser.get(format!("Patient/{}", placed.patient)).await.expect(404);
    assert_eq!(loser.search("Task").await.len(), 0);
}

async fn an_illegal_step_is_422_and_names_the_legal_ones(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &CHAIN, "Organization/elp-1").await;
    let [edpbw, elp] = ["edpbw-a", "elp-1"].map(|id| gateway.as_(id));
    let refused = bring(&elp, &placed.task, "completed").await.expect(422);
    assert_eq!(refused.issues(), [("business-rule".to_owned(), "Task.status".to_owned())]);
    assert_eq!(refused.details(), "from 'requested' your organisation may bring this Task to: accepted, rejected");
    let refused = bring(&edpbw, &placed.task, "accepted").await.expect(422);
    assert_eq!(refused.details(), "from 'requested' your organisation may bring this Task to: cancelled");
    let refused = bring(&edpbw, &placed.order, "completed").await.expect(422);
    assert_eq!(refused.details(), "from 'requested' your organisation may bring this Task to: none");

    bring(&elp, &placed.task, "accepted").await.expect(200);
    let refused = bring(&elp, &placed.task, "rejected").await.expect(422);
    assert_eq!(
        refused.details(),
        "from 'accepted' your organisation may bring this Task to: in-progress, completed, failed"
    );
    let refused = bring(&edpbw, &placed.task, "cancelled").await.expect(422);
    assert_eq!(refused.details(), "from 'accepted' your organisation may bring this Task to: none");
    bring(&gateway.as_("gp-1"), &placed.task, "accepted").await.expect(404);
    assert_eq!(elp.get(format!("Task/{}", placed.task)).await.json["status"], "accepted");
}

async fn the_elements_of_a_referrals_task_are_the_gateways(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &CHAIN, "Organization/elp-1").await;
    let elp = gateway.as_("elp-1");
    for (element, value) in [
        ("owner", json!({"reference": "Organization/cgg-1"})),
        ("for", json!({"reference": "Patient/another"})),
        ("description", json!("TEST words of a client")),
        ("output", json!([{"type": {"text": "x"}, "valueString": "x"}])),
    ] {
        let refused = bring_with(&elp, &placed.task, "accepted", &[(element, value)]).await.expect(422);
        assert_eq!(refused.issues(), [("business-rule".to_owned(), format!("Task.{element}"))]);
    }
    let claimed = ("owner", json!({"reference": "Organization/elp-1"}));
    bring_with(&elp, &placed.task, "accepted", &[claimed]).await.expect(200);
}

async fn a_record_carries_one_referral_at_a_time(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let placed = place(&gateway, "edpbw-a", &CHAIN, "Organization/elp-1").await;
    let elp = gateway.as_("elp-1");
    bring(&elp, &placed.task, "accepted").await.expect(200);
    let refused = elp.post("ServiceRequest", &service_request(&placed.patient, "Organization/cgg-1")).await.expect(422);
    assert_eq!(refused.issues(), [("business-rule".to_owned(), "ServiceRequest.performer".to_owned())]);
    assert!(refused.details().contains("a Patient record of its own"), "it says how to do it: {}", refused.details());
    assert_eq!(elp.search(format!("ServiceRequest?patient={}", placed.patient)).await.len(), 1);
    // Of its own: the same person, another record.
    let other = place(&gateway, "edpbw-a", &CHAIN, "Organization/elp-1").await;
    assert_ne!(other.patient, placed.patient);
    assert_eq!(edpbw.search("Task?status=requested").await.len(), 2, "the referral Task and the organisation Task");
}

async fn a_rejection_gives_the_record_back(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &CHAIN, "Organization/elp-1").await;
    let [edpbw, elp] = ["edpbw-a", "elp-1"].map(|id| gateway.as_(id));
    bring(&elp, &placed.task, "rejected").await.expect(200);
    is_back(&gateway, &placed.patient, &placed.order, "rejected").await;
    assert_eq!(elp.search("Task?status=requested").await.len(), 0);
    assert_eq!(edpbw.get(format!("Task/{}", placed.task)).await.json["status"], "rejected");
}

async fn no_single_member_rejects_for_its_pool(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1", "elp-2"], "HealthcareService/elp-pool").await;
    bring(&gateway.as_("elp-1"), &placed.task, "rejected").await.expect(422);
    assert_eq!(gateway.as_("elp-2").search("Task?status=requested").await.len(), 1);
}

async fn a_cancellation_gives_the_record_back(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &CHAIN, "HealthcareService/elp-pool").await;
    bring(&gateway.as_("edpbw-a"), &placed.task, "cancelled").await.expect(200);
    is_back(&gateway, &placed.patient, &placed.order, "cancelled").await;
    assert_eq!(gateway.as_("elp-1").search("Task?status=requested").await.len(), 0);
}

async fn waiting_too_long_gives_the_record_back(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &CHAIN, "HealthcareService/elp-pool").await;
    gateway.advance(59 * DAY_MS);
    assert_eq!(expire(&gateway.app).await.expect("the database answers"), 0);
    gateway.advance(DAY_MS + 1);
    assert_eq!(expire(&gateway.app).await.expect("the database answers"), 1);
    is_back(&gateway, &placed.patient, &placed.order, "cancelled").await;
    assert_eq!(gateway.as_("elp-1").search("Task?status=requested").await.len(), 0);
    assert_eq!(expire(&gateway.app).await.expect("the database answers"), 0);
}

async fn a_referral_that_came_back_goes_on_by_a_new_order(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &CHAIN, "Organization/elp-1").await;
    bring(&gateway.as_("elp-1"), &placed.task, "rejected").await.expect(200);
    let [edpbw, cgg] = ["edpbw-a", "cgg-1"].map(|id| gateway.as_(id));

    let mut order = edpbw.get(format!("ServiceRequest/{}", placed.order)).await.expect(200).json;
    order["performer"] = json!([{"reference": "Organization/cgg-1"}]);
    let refused = edpbw.put(format!("ServiceRequest/{}", placed.order), &order).await.expect(422);
    assert!(refused.details().contains("make a new ServiceRequest"), "{}", refused.details());
    edpbw.get(format!("Patient/{}", placed.patient)).await.expect(200);
    order["status"] = json!("revoked");
    edpbw.put(format!("ServiceRequest/{}", placed.order), &order).await.expect(200);

    let order = edpbw.create(&service_request(&placed.patient, "Organization/cgg-1")).await;
    let task = organization_task(&edpbw, &order).await;
    bring(&cgg, &task, "accepted").await.expect(200);
    cgg.get(format!("Patient/{}", placed.patient)).await.expect(200);
}

async fn a_withdrawal_while_it_waits_cancels_and_gives_back(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &CHAIN, "HealthcareService/elp-pool").await;
    // The sender is blind by now, and withdraws all the same: it recorded the Consent.
    withdraw(&gateway, "edpbw-a", &placed.consent, &placed.patient).await;
    is_back(&gateway, &placed.patient, &placed.order, "cancelled").await;
    assert_eq!(gateway.as_("elp-1").search("Task?status=requested").await.len(), 0);
    gateway.as_("elp-1").get(format!("Task/{}", placed.task)).await.expect(404);
}

async fn whoever_recorded_a_consent_withdraws_it_blind_and_sees_nothing_of_it(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1", "gp-1"], "Organization/elp-1").await;
    let elp = gateway.as_("elp-1");
    bring(&elp, &placed.task, "accepted").await.expect(200);
    gateway.as_("gp-1").get(format!("Patient/{}", placed.patient)).await.expect(200);

    let bytes = withdraw(&gateway, "edpbw-a", &placed.consent, &placed.patient).await;
    assert_eq!(String::from_utf8_lossy(&bytes), "");
    gateway.as_("gp-1").get(format!("Patient/{}", placed.patient)).await.expect(404);
    // Custody came by pick-up, and stays where the law wants it kept.
    let kept = elp.get(format!("Consent/{}", placed.consent)).await.expect(200);
    assert_eq!(kept.json["status"], "inactive");
    assert_eq!(kept.json["dateTime"], "2026-02-27", "nothing but the status was written");
    gateway.as_("edpbw-a").get(format!("Consent/{}", placed.consent)).await.expect(404);
}

async fn a_forward_needs_a_permit_of_its_own(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    let elp = gateway.as_("elp-1");
    bring(&elp, &placed.task, "accepted").await.expect(200);
    let refused = elp.post("Task", &forwarding(&placed, "Organization/cgg-1")).await.expect(403);
    assert_eq!(refused.reason(), "no-consent");
    elp.get(format!("Patient/{}", placed.patient)).await.expect(200);
    assert_eq!(elp.get(format!("Task/{}", placed.task)).await.json["status"], "accepted");
    assert_eq!(gateway.as_("cgg-1").search("Task").await.len(), 0);
}

async fn a_forward_that_is_rejected_comes_back_to_its_sender(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &CHAIN, "Organization/elp-1").await;
    let [edpbw, elp, cgg] = CHAIN.map(|id| gateway.as_(id));
    bring(&elp, &placed.task, "accepted").await.expect(200);
    let forwarded = forward(&elp, &placed, "Organization/cgg-1").await;
    bring(&cgg, &forwarded.task, "rejected").await.expect(200);
    elp.get(format!("Patient/{}", placed.patient)).await.expect(200);
    assert_eq!(elp.get(format!("Task/{}", placed.task)).await.json["status"], "in-progress");
    edpbw.get(format!("Patient/{}", placed.patient)).await.expect(404);
    assert_eq!(edpbw.get(format!("Task/{}", placed.order)).await.json["status"], "in-progress");
    // And on it goes, to somebody else of the chain.
    let again = forward(&elp, &placed, "HealthcareService/cgg-pool").await;
    bring(&cgg, &again.task, "accepted").await.expect(200);
}

async fn feedback_goes_only_to_referrers_whom_a_consent_permits(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    let [edpbw, elp] = ["edpbw-a", "elp-1"].map(|id| gateway.as_(id));
    bring(&elp, &placed.task, "accepted").await.expect(200);
    let output = json!([{"type": {"text": "feedback"}, "valueString": FEEDBACK}]);
    bring_with(&elp, &placed.task, "completed", &[("output", output)]).await.expect(200);
    assert_eq!(edpbw.search("Communication").await.len(), 0);
    assert_eq!(edpbw.get(format!("Task/{}", placed.order)).await.json["status"], "completed");
    let deliveries = gateway.app.store.deliveries(&placed.patient).await.expect("the database answers");
    assert!(deliveries.iter().all(|delivery| delivery.kind != "feedback"), "{deliveries:?}");
}

async fn after_closing_the_closer_is_blind_and_the_record_takes_no_more(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &CHAIN, "Organization/elp-1").await;
    let elp = gateway.as_("elp-1");
    bring(&elp, &placed.task, "accepted").await.expect(200);
    let contact = elp.create(&encounter(&placed.patient)).await;
    bring(&elp, &placed.task, "completed").await.expect(200);
    for path in [
        format!("Patient/{}", placed.patient),
        format!("ServiceRequest/{}", placed.order),
        format!("Encounter/{contact}"),
        format!("Patient/{}/_history", placed.patient),
    ] {
        elp.get(&path).await.expect(404);
    }
    assert_eq!(elp.search(format!("Encounter?patient={}", placed.patient)).await.len(), 0);
    elp.post("Encounter", &encounter(&placed.patient)).await.expect(422);
}

async fn a_later_consent_that_names_a_released_organisation_opens_the_record_to_it(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &CHAIN, "Organization/elp-1").await;
    let [edpbw, elp] = ["edpbw-a", "elp-1"].map(|id| gateway.as_(id));
    bring(&elp, &placed.task, "accepted").await.expect(200);
    edpbw.get(format!("Patient/{}", placed.patient)).await.expect(404);
    // One that names somebody else changes nothing for the released.
    elp.create(&consent(&placed.patient, &permit(&["gp-1"]))).await;
    edpbw.get(format!("Patient/{}", placed.patient)).await.expect(404);
    elp.create(&consent(&placed.patient, &permit(&["edpbw-a"]))).await;
    edpbw.get(format!("Patient/{}", placed.patient)).await.expect(200);
}

/// The sender has the record again, with sight, and the referral Task has ended so.
async fn is_back(gateway: &Gateway, patient: &str, order: &str, status: &str) {
    let sender = gateway.as_("edpbw-a");
    sender.get(format!("Patient/{patient}")).await.expect(200);
    sender.get(format!("ServiceRequest/{order}")).await.expect(200);
    assert_eq!(sender.get(format!("Task/{order}")).await.expect(200).json["status"], status);
    sender.create(&encounter(patient)).await;
}

/// Withdraws a Consent without having read it; answers what was told.
async fn withdraw(gateway: &Gateway, organization: &str, id: &str, patient: &str) -> Vec<u8> {
    let mut withdrawn = consent(patient, &permit(&["elp-1"]));
    withdrawn["id"] = json!(id);
    withdrawn["status"] = json!("inactive");
    gateway.as_(organization).put(format!("Consent/{id}"), &withdrawn).await.expect(200).bytes
}

fn address(n: u8) -> String {
    format!("urn:uuid:00000000-0000-4000-8000-00000000000{n}")
}

fn with_address(mut resource: Value, n: u8) -> Value {
    resource["id"] = json!(address(n));
    resource
}

stories!(
    a_referral_goes_its_whole_way_as_its_consent_allows,
    a_referral_is_placed_by_one_transaction,
    a_referral_is_placed_by_a_task_as_well,
    a_waiting_room_is_an_organisations_own_or_its_pools,
    a_pick_up_without_if_match_is_428_and_takes_nothing,
    whoever_loses_a_pick_up_learns_that_and_nothing_else,
    an_illegal_step_is_422_and_names_the_legal_ones,
    the_elements_of_a_referrals_task_are_the_gateways,
    a_record_carries_one_referral_at_a_time,
    a_rejection_gives_the_record_back,
    no_single_member_rejects_for_its_pool,
    a_cancellation_gives_the_record_back,
    waiting_too_long_gives_the_record_back,
    a_referral_that_came_back_goes_on_by_a_new_order,
    a_withdrawal_while_it_waits_cancels_and_gives_back,
    whoever_recorded_a_consent_withdraws_it_blind_and_sees_nothing_of_it,
    a_forward_needs_a_permit_of_its_own,
    a_forward_that_is_rejected_comes_back_to_its_sender,
    feedback_goes_only_to_referrers_whom_a_consent_permits,
    after_closing_the_closer_is_blind_and_the_record_takes_no_more,
    a_later_consent_that_names_a_released_organisation_opens_the_record_to_it,
);
