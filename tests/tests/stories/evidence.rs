//! What every event of the trail says, whatever was asked and however it ended; and that all of them are sealed.

use gateway::audit::seal::TrailRow;
use gateway::audit::{Actor, AuditEvent};
use gateway::evidence::Sealer;
use serde_json::json;
use wellgate_tests::gateway::{Gateway, NOW_MS};
use wellgate_tests::referral::{bring, forward, place};
use wellgate_tests::resources::{bundle, encounter, observation, patient, service_request};
use wellgate_tests::stories;

const CHAIN: [&str; 3] = ["edpbw-a", "elp-1", "cgg-1"];

/// Every event that stands in the trail.
async fn trail(gateway: &Gateway) -> Vec<TrailRow> {
    let store = &gateway.app.store;
    let mut rows = Vec::new();
    for (chain, _) in store.unsealed_chains(i64::MIN).await.expect("it answers") {
        rows.extend(store.events_of_chain(chain, 0, 100_000).await.expect("it answers"));
    }
    rows
}

/// Something of everything: what is done, shown and refused, to organisations, practitioners and persons.
async fn everything(gateway: &Gateway) {
    let [edpbw, elp, cgg] = CHAIN.map(|id| gateway.as_(id));
    let alone = edpbw.create(&patient()).await;
    edpbw.post("ServiceRequest", &service_request(&alone, "HealthcareService/elp-pool")).await.expect(403);
    let placed = place(gateway, "edpbw-a", &CHAIN, "HealthcareService/elp-pool").await;
    let dossier = format!("Patient/{}", placed.patient);
    edpbw.get(&dossier).await.expect(404);
    elp.search("Task?status=requested").await;
    bring(&elp, &placed.task, "accepted").await.expect(200);
    bring(&elp, &placed.task, "in-progress").await.expect(200);
    elp.get(&dossier).await.expect(200);
    elp.get(format!("{dossier}/_history")).await.expect(200);
    elp.create(&encounter(&placed.patient)).await;
    let note = elp.create(&observation(&placed.patient)).await;
    elp.delete(format!("Observation/{note}")).await;
    elp.get(format!("{dossier}/$who-can-see")).await.expect(200);
    elp.get("Observation?code=nothing").await.expect(200);
    elp.get(format!("AuditEvent?patient={}", placed.patient)).await.expect(200);
    elp.get("Organization").await.expect(200);
    elp.get("NoSuchType/1").await;
    elp.post("", &bundle("batch", &[("GET", &dossier, None), ("GET", "Patient/unknown", None)])).await.expect(200);
    let person = gateway.person(&dossier);
    person.get(&dossier).await.expect(200);
    person.get(format!("{dossier}/$access-log")).await.expect(200);
    person.get(format!("Patient/{alone}")).await.expect(404);
    let doctor = gateway.as_("gp-1").by_practitioner("doctor-1");
    let asking = json!({"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueReference": {"reference": dossier}},
        {"name": "purpose", "valueCode": "BTG"},
        {"name": "reason", "valueString": "found unconscious, medication unknown"},
    ]});
    doctor.post("Patient/$break-glass", &asking).await;
    doctor.get(&dossier).await;
    let forwarded = forward(&elp, &placed, "Organization/cgg-1").await;
    bring(&cgg, &forwarded.task, "accepted").await.expect(200);
    bring(&cgg, &forwarded.task, "completed").await;
}

async fn every_event_says_who_did_what_about_whom_when_and_with_which_application(gateway: Gateway) {
    everything(&gateway).await;
    let rows = trail(&gateway).await;
    assert!(rows.len() > 40, "only {} events", rows.len());
    for row in &rows {
        let event = &row.event;
        let said = [
            ("who", &event.organization),
            ("what", &event.action),
            ("what", &event.subtype),
            ("about whom", &event.compartment),
            ("with which application", &event.client),
            ("what for", &event.purpose),
            ("by which request", &event.request_id),
            ("how it ended", &event.outcome),
            ("on which grounds", if event.outcome == "0" { &event.basis } else { &event.reason }),
        ];
        for (what, text) in said {
            assert!(!text.is_empty(), "it does not say {what}: {event:?}");
        }
        assert_eq!(event.recorded_ms, NOW_MS, "{event:?}");
    }
    let acts: std::collections::BTreeSet<&str> = rows.iter().map(|row| row.event.subtype.as_str()).collect();
    assert!(acts.len() > 12, "only {acts:?}");
}

async fn every_event_is_sealed_and_a_caller_who_says_not_who_it_is_is_counted_only(gateway: Gateway) {
    everything(&gateway).await;
    let before = trail(&gateway).await.len();
    gateway.as_("elp-1").with_bearer("no token").get("Patient").await.expect(401);
    assert_eq!(trail(&gateway).await.len(), before, "it writes no event");
    assert!(!gateway.app.refusals.take().is_empty(), "it is counted");
    let mut sealer = Sealer::new(&gateway.app.store, None).expect("it has a key");
    let events = sealer.pass(NOW_MS, true).await.expect("it seals");
    assert_eq!(usize::try_from(events), Ok(before));
    assert!(trail(&gateway).await.is_empty(), "nothing stands unsealed");
}

/// As the commands write it (`tests/tests/storage/operator.rs`).
async fn what_an_operator_changed_is_read_by_the_organisation_that_it_is_about_and_no_other(gateway: Gateway) {
    let (act, own) = (("C", "register"), ("organization/elp-1", "operator"));
    let event = AuditEvent::done(act, Actor::gateway(), own, NOW_MS).about("Practitioner", "psy-9");
    gateway.app.store.record_only(vec![event.asking("role=care&region=Gent%26Aalst")]).await.expect("it is recorded");
    let events = gateway.as_("elp-1").search("AuditEvent").await;
    let told = events.iter().find(|event| event["subtype"][0]["code"] == "register").expect("it is there");
    assert_eq!(told["subtype"][0]["system"], "https://wellgate.example/fhir/CodeSystem/operator-act");
    let entities = told["entity"].as_array().expect("entities");
    assert!(entities.iter().any(|entity| entity["what"]["reference"] == "Practitioner/psy-9"), "{told}");
    let details = json!([{"type": "role", "valueString": "care"}, {"type": "region", "valueString": "Gent&Aalst"}]);
    assert!(entities.iter().any(|entity| entity["detail"] == details), "{told}");
    let narrative = told["text"]["div"].as_str().expect("a narrative");
    assert!(narrative.contains("Wellgate zelf") && narrative.contains("registreerde wie deelneemt"), "{narrative}");
    for other in ["elp-2", "edpbw-a"] {
        assert!(gateway.as_(other).search("AuditEvent").await.iter().all(|event| !event.to_string().contains("psy-9")));
    }
}

stories!(
    what_an_operator_changed_is_read_by_the_organisation_that_it_is_about_and_no_other,
    every_event_says_who_did_what_about_whom_when_and_with_which_application,
    every_event_is_sealed_and_a_caller_who_says_not_who_it_is_is_counted_only,
);
