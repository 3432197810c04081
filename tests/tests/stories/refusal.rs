//! Every refusal of a referral: 403 with its reason, nothing stored, nothing queued, and its trace in the trail.

use serde_json::{Value, json};
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::gateway::{DAY_MS, Gateway};
use wellgate_tests::referral::{bring, place, refusals};
use wellgate_tests::resources::{actor, bundle, consent, deny, patient, permit, service_request};
use wellgate_tests::stories;

async fn without_a_consent_nothing_moves(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let patient = edpbw.create(&patient()).await;
    refused(&gateway, &edpbw, &patient, "Organization/elp-1", "no-consent").await;
    refused(&gateway, &edpbw, &patient, "HealthcareService/elp-pool", "no-consent").await;
}

async fn a_consent_for_somebody_else_is_none(gateway: Gateway) {
    let (edpbw, patient) = with_consents(&gateway, &[permit(&["elp-2"])]).await;
    refused(&gateway, &edpbw, &patient, "Organization/elp-1", "no-consent").await;
}

async fn an_expired_consent_moves_nothing(gateway: Gateway) {
    let mut provision = permit(&["elp-1"]);
    provision["period"] = json!({"end": gateway.instant(DAY_MS)});
    let (edpbw, patient) = with_consents(&gateway, &[provision]).await;
    gateway.advance(DAY_MS + 1_000);
    refused(&gateway, &edpbw, &patient, "Organization/elp-1", "consent-expired").await;
}

async fn a_consent_that_is_not_yet_in_force_moves_nothing(gateway: Gateway) {
    let mut provision = permit(&["elp-1"]);
    provision["period"] = json!({"start": gateway.instant(DAY_MS)});
    let (edpbw, patient) = with_consents(&gateway, &[provision]).await;
    refused(&gateway, &edpbw, &patient, "Organization/elp-1", "consent-not-yet-in-force").await;
    gateway.advance(DAY_MS);
    edpbw.create(&service_request(&patient, "Organization/elp-1")).await;
}

async fn an_exclusion_wins_over_the_permit_around_it(gateway: Gateway) {
    let mut provision = permit(&[]);
    provision.as_object_mut().expect("an object").shift_remove("actor");
    provision["provision"] = json!([{"type": "deny", "actor": [actor("elp-1")]}]);
    let (edpbw, patient) = with_consents(&gateway, &[provision]).await;
    refused(&gateway, &edpbw, &patient, "Organization/elp-1", "excluded-by-patient").await;
    edpbw.create(&service_request(&patient, "Organization/elp-2")).await;
}

async fn an_exclusion_wins_over_the_permit_of_another_consent(gateway: Gateway) {
    let (edpbw, patient) = with_consents(&gateway, &[permit(&["elp-1"]), deny(&["elp-1"])]).await;
    refused(&gateway, &edpbw, &patient, "Organization/elp-1", "excluded-by-patient").await;
}

async fn a_withdrawn_consent_moves_nothing(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let patient = edpbw.create(&patient()).await;
    let mut given = consent(&patient, &permit(&["elp-1"]));
    let id = edpbw.create(&given).await;
    given["id"] = json!(id);
    given["status"] = json!("inactive");
    edpbw.put(format!("Consent/{id}"), &given).await.expect(200);
    refused(&gateway, &edpbw, &patient, "Organization/elp-1", "consent-withdrawn").await;
}

async fn a_consent_for_another_purpose_moves_nothing(gateway: Gateway) {
    let mut provision = permit(&["elp-1"]);
    provision["purpose"][0]["code"] = json!("HPAYMT");
    let (edpbw, patient) = with_consents(&gateway, &[provision]).await;
    refused(&gateway, &edpbw, &patient, "Organization/elp-1", "purpose-not-permitted").await;
}

async fn a_refused_transaction_leaves_nothing_of_itself(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let address = "urn:uuid:00000000-0000-4000-8000-000000000001";
    let mut patient = patient();
    patient["id"] = json!(address);
    let entries = [
        ("POST", "Patient", Some(patient)),
        ("POST", "ServiceRequest", Some(service_request(address, "Organization/elp-1"))),
    ];
    let answer = edpbw.post("", &bundle("transaction", &entries)).await.expect(403);
    assert_eq!(answer.reason(), "no-consent");
    assert_eq!(answer.issues()[0].1, "Bundle.entry[1].resource.performer");
    assert_eq!(edpbw.search("Patient").await.len(), 0);
    // The record never came to be, so the trail of the organisation has it: for the entry and for the Bundle.
    assert_eq!(refusals(&edpbw, None).await, ["no-consent", "no-consent"]);
}

async fn a_pick_up_after_the_consent_ended_finds_nothing(gateway: Gateway) {
    let mut provision = permit(&["elp-1"]);
    provision["period"] = json!({"end": gateway.instant(DAY_MS)});
    let (edpbw, patient) = with_consents(&gateway, &[provision]).await;
    edpbw.create(&service_request(&patient, "Organization/elp-1")).await;
    let elp = gateway.as_("elp-1");
    let task = elp.get("Task?status=requested").await.expect(200);
    let (seen, id) = (task.resources()[0].clone(), task.resources()[0]["id"].as_str().expect("an id").to_owned());
    gateway.advance(DAY_MS + 1_000);
    let mut wanted = seen.clone();
    wanted["status"] = json!("accepted");
    let etag = format!("W/\"{}\"", seen["meta"]["versionId"].as_str().expect("a version"));
    let answer = elp.put_with(format!("Task/{id}"), &wanted, &[("if-match", &etag)]).await;
    assert_eq!(
        answer.told(),
        elp.put_with("Task/never-was", &with_id(&wanted, "never-was"), &[("if-match", &etag)]).await.told()
    );
    assert_eq!(answer.status, 404);
    elp.get(format!("Patient/{patient}")).await.expect(404);
}

async fn a_target_that_nobody_registered_is_refused(gateway: Gateway) {
    let (edpbw, patient) = with_consents(&gateway, &[permit(&["elp-1"])]).await;
    for target in ["Organization/nobody", "HealthcareService/nothing"] {
        let answer = edpbw.post("ServiceRequest", &service_request(&patient, target)).await.expect(422);
        assert_eq!(answer.issues(), [("business-rule".to_owned(), "ServiceRequest.performer[0]".to_owned())]);
    }
    let mut two = service_request(&patient, "Organization/elp-1");
    two["performer"].as_array_mut().expect("a list").push(json!({"reference": "Organization/elp-2"}));
    edpbw.post("ServiceRequest", &two).await.expect(422);
    nothing_moved(&gateway, &edpbw, &patient).await;
}

async fn a_refusal_at_pick_up_stands_in_the_trail_of_the_record(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "HealthcareService/elp-pool").await;
    let outsider = gateway.as_("elp-2");
    outsider.get(format!("Task/{}", placed.task)).await.expect(404);
    let elp = gateway.as_("elp-1");
    bring(&elp, &placed.task, "accepted").await.expect(200);
    assert_eq!(refusals(&elp, Some(&placed.patient)).await, ["not-found"]);
}

/// A record of edpbw-a's with these Consents.
async fn with_consents<'g>(gateway: &'g Gateway, provisions: &[Value]) -> (Caller<'g>, String) {
    let edpbw = gateway.as_("edpbw-a");
    let patient = edpbw.create(&patient()).await;
    for provision in provisions {
        edpbw.create(&consent(&patient, provision)).await;
    }
    (edpbw, patient)
}

/// Placing with this target is refused for this reason, and leaves nothing but its trace in the trail.
async fn refused(gateway: &Gateway, sender: &Caller<'_>, patient: &str, target: &str, reason: &str) -> Answer {
    let before = refusals(sender, Some(patient)).await.len();
    let answer = sender.post("ServiceRequest", &service_request(patient, target)).await.expect(403);
    assert_eq!(answer.reason(), reason);
    assert_eq!(answer.issues(), [("forbidden".to_owned(), "ServiceRequest.performer".to_owned())]);
    nothing_moved(gateway, sender, patient).await;
    let trail = refusals(sender, Some(patient)).await;
    assert_eq!((trail.len(), trail[0].as_str()), (before + 1, reason));
    answer
}

/// No order, no Task, nothing queued, nothing in any waiting room, and the record where it was.
async fn nothing_moved(gateway: &Gateway, sender: &Caller<'_>, patient: &str) {
    for resource_type in ["ServiceRequest", "Task"] {
        let answer = sender.get(format!("{resource_type}?patient={patient}&_total=accurate")).await.expect(200);
        assert_eq!(answer.json["total"], 0, "{resource_type}");
    }
    let mut deliveries = gateway.app.store.deliveries(patient).await.expect("the database answers");
    // That its Consents contradict each other is told to the custodian, whatever moves.
    deliveries.retain(|delivery| delivery.kind != "consent-conflict");
    assert!(deliveries.is_empty(), "{deliveries:?}");
    for room in ["elp-1", "elp-2"] {
        assert_eq!(gateway.as_(room).search("Task").await.len(), 0, "{room}");
    }
    sender.get(format!("Patient/{patient}")).await.expect(200);
}

fn with_id(resource: &Value, id: &str) -> Value {
    let mut resource = resource.clone();
    resource["id"] = json!(id);
    resource
}

stories!(
    without_a_consent_nothing_moves,
    a_consent_for_somebody_else_is_none,
    an_expired_consent_moves_nothing,
    a_consent_that_is_not_yet_in_force_moves_nothing,
    an_exclusion_wins_over_the_permit_around_it,
    an_exclusion_wins_over_the_permit_of_another_consent,
    a_withdrawn_consent_moves_nothing,
    a_consent_for_another_purpose_moves_nothing,
    a_refused_transaction_leaves_nothing_of_itself,
    a_pick_up_after_the_consent_ended_finds_nothing,
    a_target_that_nobody_registered_is_refused,
    a_refusal_at_pick_up_stands_in_the_trail_of_the_record,
);
