//! A custodian tells a third party what secrecy would keep, to avert a danger: who, why, and how little is on record.

use serde_json::{Value, json};
use wellgate_tests::caller::Caller;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::referral::refusals;
use wellgate_tests::resources::{consent, observation, patient, permit};
use wellgate_tests::stories;

fn disclosure(shared: &[Value]) -> Value {
    let text = |name: &str| json!({"name": name, "valueString": format!("TEST-{name} in a sentence of its own")});
    let mut members = vec![json!({"name": "recipient", "valueString": "TEST-RECIPIENT local police, on call"})];
    members.extend(["conflict", "proportionality", "subsidiarity"].map(text));
    members.extend(shared.iter().cloned());
    json!({"resourceType": "Parameters", "parameter": members})
}

fn reference(address: &str) -> Value {
    json!({"name": "shared", "valueReference": {"reference": address}})
}

fn description() -> Value {
    json!({"name": "shared", "valueString": "TEST-DESCRIPTION the address where she stays"})
}

/// A record of edpbw-a's that gp-1 may read, with an observation.
async fn record(gateway: &Gateway) -> (Caller<'_>, String, String) {
    let custodian = gateway.as_("edpbw-a");
    let patient = custodian.create(&patient()).await;
    custodian.create(&consent(&patient, &permit(&["gp-1"]))).await;
    let observation = custodian.create(&observation(&patient)).await;
    (custodian, patient, observation)
}

async fn nothing_is_kept(gateway: &Gateway, custodian: &Caller<'_>, patient: &str) {
    assert_eq!(custodian.search(format!("Patient/{patient}/$crisis-disclosures")).await.len(), 0);
    let deliveries = gateway.app.store.deliveries(patient).await.expect("the database answers");
    assert!(deliveries.is_empty(), "{deliveries:?}");
}

async fn a_disclosure_is_kept_with_its_reasons_and_the_minimum_that_was_shared(gateway: Gateway) {
    let (custodian, patient, observation) = record(&gateway).await;
    let version = custodian.get(format!("Observation/{observation}")).await.json["meta"]["versionId"].clone();
    let address = format!("Observation/{observation}");
    let told = disclosure(&[reference(&address), description()]);
    let kept = custodian.post(format!("Patient/{patient}/$crisis-disclosure"), &told).await.expect(201);
    let expected = format!("{address}/_history/{}", version.as_str().expect("a version"));
    for text in
        ["TEST-RECIPIENT", "TEST-conflict", "TEST-proportionality", "TEST-subsidiarity", "TEST-DESCRIPTION", &expected]
    {
        assert!(kept.json.to_string().contains(text), "{text}: {kept}");
    }
    let listed = custodian.search(format!("Patient/{patient}/$crisis-disclosures")).await;
    assert_eq!(listed, [kept.json]);

    let trail = custodian.search(format!("AuditEvent?patient={patient}&_count=500")).await;
    let event = trail.iter().find(|event| event["subtype"][0]["code"] == "crisis-disclosure").expect("its event");
    let policy = "https://wellgate.example/fhir/CodeSystem/access-basis#conflict-of-duties";
    assert_eq!(event["agent"][2]["policy"][0], policy);
    assert!(trail.iter().all(|event| !event.to_string().contains("TEST-")));
    let deliveries = gateway.app.store.deliveries(&patient).await.expect("the database answers");
    let partners: Vec<(&str, &str)> = deliveries.iter().map(|one| (&*one.partner, &*one.kind)).collect();
    let to_patient = format!("patient/{patient}");
    assert_eq!(partners, [("dpo/edpbw-a", "crisis-disclosure"), (&to_patient, "crisis-disclosure")]);
    assert!(deliveries.iter().all(|one| event["id"] == one.resource_id));
}

async fn a_disclosure_without_a_reason_or_beyond_the_record_is_refused(gateway: Gateway) {
    let (custodian, patient, _) = record(&gateway).await;
    let other = custodian.create(&self::patient()).await;
    let elsewhere = custodian.create(&observation(&other)).await;
    let address = format!("Patient/{patient}/$crisis-disclosure");
    let mut refused = 0;
    for missing in 0..4 {
        let mut told = disclosure(&[description()]);
        told["parameter"].as_array_mut().expect("a list").remove(missing);
        custodian.post(&address, &told).await.expect(422);
        refused += 1;
    }
    let foreign = [format!("Observation/{elsewhere}"), format!("Patient/{other}"), "Observation/never-was".to_owned()];
    let mut shared: Vec<Vec<Value>> = foreign.iter().map(|address| vec![description(), reference(address)]).collect();
    shared.extend([vec![], vec![reference("Organization/gp-1")], vec![json!({"name": "shared", "valueString": " "})]]);
    shared.push(vec![description(), json!({"name": "further", "valueString": "TEST"})]);
    for shared in &shared {
        let answer = custodian.post(&address, &disclosure(shared)).await.expect(422);
        assert!(!answer.to_string().contains("TEST-"), "{answer}");
        refused += 1;
    }
    assert_eq!(refusals(&custodian, Some(&patient)).await.len(), refused);
    nothing_is_kept(&gateway, &custodian, &patient).await;
}

async fn only_the_custodian_discloses_and_reads_what_was_disclosed(gateway: Gateway) {
    let (custodian, patient, _) = record(&gateway).await;
    let told = disclosure(&[description()]);
    let (gp, stranger) = (gateway.as_("gp-1"), gateway.as_("cgg-1"));
    let (disclose, list) = ("$crisis-disclosure", "$crisis-disclosures");
    assert_eq!(gp.post(format!("Patient/{patient}/{disclose}"), &told).await.expect(403).reason(), "not-custodian");
    assert_eq!(gp.get(format!("Patient/{patient}/{list}")).await.expect(403).reason(), "not-custodian");
    let refused = stranger.post(format!("Patient/{patient}/{disclose}"), &told).await.expect(404);
    assert_eq!(refused.told(), stranger.post(format!("Patient/never-was/{disclose}"), &told).await.told());
    let refused = stranger.get(format!("Patient/{patient}/{list}")).await.expect(404);
    assert_eq!(refused.told(), stranger.get(format!("Patient/never-was/{list}")).await.told());
    let seen = refusals(&custodian, Some(&patient)).await;
    assert_eq!(seen, ["not-found", "not-found", "not-custodian", "not-custodian"]);
    nothing_is_kept(&gateway, &custodian, &patient).await;
}

/// Reasons in words are of the record: whom the patient keeps from it reads neither those of a disclosure nor those of a session.
async fn whom_the_patient_excluded_at_the_custodian_reads_no_reasons(gateway: Gateway) {
    let (custodian, patient, _) = record(&gateway).await;
    custodian.post(format!("Patient/{patient}/$crisis-disclosure"), &disclosure(&[description()])).await.expect(201);
    let person = json!({"name": "patient", "valueReference": {"reference": format!("Patient/{patient}")}});
    let [purpose, reason] = [("purpose", "BTG"), ("reason", "TEST-REASON in words")]
        .map(|(name, value)| json!({"name": name, "valueString": value}));
    let opening = json!({"resourceType": "Parameters", "parameter": [person, purpose, reason]});
    gateway.as_("gp-1").by_practitioner("doctor-1").post("Patient/$break-glass", &opening).await.expect(201);
    let adviser = gateway.as_("edpbw-a").by_practitioner("adviser-1");
    let told = async || {
        let disclosures = adviser.get(format!("Patient/{patient}/$crisis-disclosures")).await;
        let sessions = adviser.get("Patient/$emergency-sessions").await;
        [disclosures, sessions].map(|answer| String::from_utf8_lossy(&answer.bytes).contains("TEST-"))
    };
    assert_eq!(told().await, [true, true]);
    let mut exclusion = permit(&["edpbw-a"]);
    exclusion["type"] = json!("deny");
    exclusion["actor"][0]["reference"] = json!({"reference": "Practitioner/adviser-1"});
    custodian.create(&consent(&patient, &exclusion)).await;
    assert_eq!(told().await, [false, false]);
}

stories!(
    a_disclosure_is_kept_with_its_reasons_and_the_minimum_that_was_shared,
    a_disclosure_without_a_reason_or_beyond_the_record_is_refused,
    only_the_custodian_discloses_and_reads_what_was_disclosed,
    whom_the_patient_excluded_at_the_custodian_reads_no_reasons,
);
