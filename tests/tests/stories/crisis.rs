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

fn parameters(members: &[(&str, &str)]) -> Value {
    let members: Vec<Value> = members.iter().map(|(name, value)| json!({"name": name, "valueString": value})).collect();
    json!({"resourceType": "Parameters", "parameter": members})
}

fn judging(session: &str) -> Value {
    parameters(&[("session", session), ("verdict", "justified"), ("text", "TEST-VERDICT in words")])
}

/// A session of doctor-1's on a record, that is over.
async fn ended_session(gateway: &Gateway, patient: &str) -> String {
    let doctor = gateway.as_("gp-1").by_practitioner("doctor-1");
    let mut opening = parameters(&[("purpose", "BTG"), ("reason", "TEST-REASON in words")]);
    let person = json!({"name": "patient", "valueReference": {"reference": format!("Patient/{patient}")}});
    opening["parameter"].as_array_mut().expect("a list").push(person);
    let opened = doctor.post("Patient/$break-glass", &opening).await.expect(201);
    let session = opened.json["parameter"][0]["valueId"].as_str().expect("an id").to_owned();
    doctor.post("Patient/$end-break-glass", &parameters(&[("session", &session)])).await.expect(200);
    session
}

/// Whom the custodian's practitioner is kept from, they neither disclose nor judge: for them it never was.
async fn neither_discloses_nor_judges(gateway: &Gateway, kept: &Caller<'_>, patient: &str, session: &str) {
    let custodian = gateway.as_(kept.organization());
    let before = refusals(&custodian, Some(patient)).await.len();
    let told = disclosure(&[description()]);
    let (disclose, list) = ("$crisis-disclosure", "$crisis-disclosures");
    let refused = kept.post(format!("Patient/{patient}/{disclose}"), &told).await.expect(404);
    assert_eq!(refused.told(), kept.post(format!("Patient/never-was/{disclose}"), &told).await.told());
    // What is wrong with the content is not looked at either.
    let refused = kept.post(format!("Patient/{patient}/{disclose}"), &disclosure(&[])).await.expect(404);
    assert_eq!(refused.told(), kept.post(format!("Patient/never-was/{disclose}"), &told).await.told());
    let refused = kept.get(format!("Patient/{patient}/{list}")).await.expect(404);
    assert_eq!(refused.told(), kept.get(format!("Patient/never-was/{list}")).await.told());
    let refused = kept.post("Patient/$review-emergency", &judging(session)).await.expect(404);
    assert_eq!(refused.told(), kept.post("Patient/$review-emergency", &judging("never-was")).await.told());
    let refused = kept.post("Patient/$end-break-glass", &parameters(&[("session", session)])).await.expect(404);
    let never = parameters(&[("session", "never-was")]);
    assert_eq!(refused.told(), kept.post("Patient/$end-break-glass", &never).await.told());
    assert!(kept.search("Patient/$emergency-sessions").await.is_empty());

    assert!(custodian.search(format!("Patient/{patient}/{list}")).await.is_empty());
    let waiting = custodian.search("Patient/$emergency-sessions?status=unreviewed").await;
    assert!(waiting.iter().any(|one| one.to_string().contains(session)), "no verdict was kept: {waiting:?}");
    let deliveries = gateway.app.store.deliveries(patient).await.expect("the database answers");
    assert!(deliveries.iter().all(|one| one.kind == "break-glass"), "{deliveries:?}");
    let recorded = refusals(&custodian, Some(patient)).await;
    assert_eq!(recorded[..recorded.len() - before], ["not-found"; 5], "each try is in the trail of the record");
    // In the organisation's own trail both look the same, and neither names the record.
    let own = custodian.search("AuditEvent?outcome=8&_count=500").await;
    let judged = own.iter().filter(|event| event["subtype"][0]["code"] == "review-emergency");
    assert_eq!(judged.filter(|event| !event.to_string().contains(patient)).count(), 2);
}

async fn whom_the_patient_excluded_neither_discloses_nor_judges(gateway: Gateway) {
    let (custodian, patient, _) = record(&gateway).await;
    let session = ended_session(&gateway, &patient).await;
    let adviser = gateway.as_("edpbw-a").by_practitioner("adviser-1");
    let mut exclusion = permit(&["edpbw-a"]);
    exclusion["type"] = json!("deny");
    exclusion["actor"][0]["reference"] = json!({"reference": "Practitioner/adviser-1"});
    let excluding = custodian.create(&consent(&patient, &exclusion)).await;
    neither_discloses_nor_judges(&gateway, &adviser, &patient, &session).await;
    // Once the patient takes it back, they do both as their organisation does.
    let mut withdrawn = custodian.get(format!("Consent/{excluding}")).await.json;
    withdrawn["status"] = json!("inactive");
    custodian.put(format!("Consent/{excluding}"), &withdrawn).await.expect(200);
    let told = disclosure(&[description()]);
    adviser.post(format!("Patient/{patient}/$crisis-disclosure"), &told).await.expect(201);
    adviser.post("Patient/$review-emergency", &judging(&session)).await.expect(200);
}

async fn who_is_not_of_the_care_team_neither_discloses_nor_judges(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let patient = elp.create(&patient()).await;
    let session = ended_session(&gateway, &patient).await;
    let member = json!({"member": {"reference": "Practitioner/psychologist-1"}});
    let team = json!({"resourceType": "CareTeam", "status": "active", "participant": [member],
        "subject": {"reference": format!("Patient/{patient}")}});
    elp.create(&team).await;
    let [of_team, other] = ["psychologist-1", "psychologist-2"].map(|id| elp.clone().by_practitioner(id));
    neither_discloses_nor_judges(&gateway, &other, &patient, &session).await;
    // A session of their own organisation is hidden with its record, too.
    let mut opening = parameters(&[("purpose", "BTG"), ("reason", "TEST-REASON in words")]);
    let person = json!({"name": "patient", "valueReference": {"reference": format!("Patient/{patient}")}});
    opening["parameter"].as_array_mut().expect("a list").push(person);
    elp.clone().by_practitioner("psychologist-3").post("Patient/$break-glass", &opening).await.expect(201);
    assert!(other.search("Patient/$emergency-sessions").await.is_empty());
    let told = disclosure(&[description()]);
    // Who broke the glass sees the record, and still tells nobody.
    let opener = elp.clone().by_practitioner("psychologist-3");
    let address = format!("Patient/{patient}/$crisis-disclosure");
    assert_eq!(opener.post(&address, &told).await.expect(403).reason(), "kept-from");
    assert_eq!(opener.search("Patient/$emergency-sessions").await.len(), 1, "their own");
    of_team.post(&address, &told).await.expect(201);
    of_team.post("Patient/$review-emergency", &judging(&session)).await.expect(200);
}

async fn a_role_that_does_not_read_the_trail_discloses_nothing(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let patient = elp.create(&patient()).await;
    let session = ended_session(&gateway, &patient).await;
    let desk = elp.clone().by_practitioner("desk-1");
    let address = format!("Patient/{patient}/$crisis-disclosure");
    assert_eq!(desk.post(&address, &disclosure(&[description()])).await.expect(403).reason(), "beyond-role");
    desk.post("Patient/$review-emergency", &judging(&session)).await.expect(404);
    assert_eq!(refusals(&elp, Some(&patient)).await, ["not-found", "beyond-role"]);
    assert!(elp.search(format!("Patient/{patient}/$crisis-disclosures")).await.is_empty());
}

stories!(
    whom_the_patient_excluded_neither_discloses_nor_judges,
    who_is_not_of_the_care_team_neither_discloses_nor_judges,
    a_role_that_does_not_read_the_trail_discloses_nothing,
    a_disclosure_is_kept_with_its_reasons_and_the_minimum_that_was_shared,
    a_disclosure_without_a_reason_or_beyond_the_record_is_refused,
    only_the_custodian_discloses_and_reads_what_was_disclosed,
    whom_the_patient_excluded_at_the_custodian_reads_no_reasons,
);
