//! Emergency access: opened by a person for a reason, marked in every access, over by itself or at once, judged afterwards, and
//! switched off by the patient.

mod review;

use futures_util::future::join_all;
use gateway::registry::put_practitioner;
use gateway::storage::registry::{Client, Practitioner};
use serde_json::{Value, json};
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::gateway::{Gateway, NOW_MS, client_id};
use wellgate_tests::referral::{place, refusals};
use wellgate_tests::resources::{consent, deny, encounter, observation, patient, permit};
use wellgate_tests::stories;

use review::{REVIEW, judging};

const HOUR_MS: i64 = 60 * 60 * 1_000;
const OPEN: &str = "Patient/$break-glass";
const END: &str = "Patient/$end-break-glass";
const QUEUE: &str = "Patient/$emergency-sessions";
const REASON: &str = "TEST-REASON found unconscious, medication unknown";

fn asking(patient: &str, purpose: &str) -> Value {
    json!({"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueReference": {"reference": format!("Patient/{patient}")}},
        {"name": "purpose", "valueCode": purpose},
        {"name": "reason", "valueString": REASON},
    ]})
}

fn about(session: &str) -> Value {
    json!({"resourceType": "Parameters", "parameter": [{"name": "session", "valueId": session}]})
}

/// A member of Parameters, whatever its type; null where it is not there.
fn member(parameters: &Value, name: &str) -> Value {
    let members = parameters["parameter"].as_array().cloned().unwrap_or_default();
    let found = members.into_iter().find(|member| member["name"] == name).unwrap_or_default();
    let value = found.as_object().and_then(|member| member.iter().find(|(key, _)| key.starts_with("value")));
    value.map(|(_, value)| value.clone()).unwrap_or_default()
}

fn id_of(opened: &Answer) -> String {
    member(&opened.json, "session").as_str().unwrap_or_else(|| panic!("no session in {opened}")).to_owned()
}

/// The psychologist of elp-1, who does not hold the record.
fn doctor(gateway: &Gateway) -> Caller<'_> {
    gateway.as_("elp-1").by_practitioner("psychologist-1")
}

/// A record of edpbw-a's with an observation.
async fn record(gateway: &Gateway) -> (Caller<'_>, String) {
    let custodian = gateway.as_("edpbw-a");
    let patient = custodian.create(&patient()).await;
    custodian.create(&observation(&patient)).await;
    (custodian, patient)
}

async fn register(gateway: &Gateway, id: &str, organization: &str) {
    let (id, organization_id) = (id.to_owned(), organization.to_owned());
    let practitioner = Practitioner {
        id,
        name: "Test Practitioner".to_owned(),
        organization_id,
        nihdi: None,
        role: "care".to_owned(),
        active: true,
    };
    put_practitioner(&gateway.app.store, &practitioner, NOW_MS).await.expect("the database answers");
    gateway.app.forget_registry();
}

/// The notices of a record, each its kind and partner.
async fn notices(gateway: &Gateway, patient: &str) -> Vec<(String, String)> {
    let deliveries = gateway.app.store.deliveries(patient).await.expect("the database answers");
    deliveries.into_iter().map(|delivery| (delivery.kind, delivery.partner)).collect()
}

/// The events of a record's trail that rest on an emergency, oldest first.
async fn under_emergency(custodian: &Caller<'_>, patient: &str) -> Vec<Value> {
    let mut events = custodian.search(format!("AuditEvent?patient={patient}&_count=500")).await;
    events.reverse();
    let rests =
        |event: &Value| event["agent"][2]["policy"][0].as_str().is_some_and(|text| text.ends_with("#emergency"));
    events.into_iter().filter(rests).collect()
}

async fn a_practitioner_reads_in_an_emergency_and_every_access_is_marked(gateway: Gateway) {
    let (custodian, patient) = record(&gateway).await;
    let doctor = doctor(&gateway);
    doctor.get(format!("Patient/{patient}")).await.expect(404);
    let opened = doctor.post(OPEN, &asking(&patient, "BTG")).await.expect(201);
    let session = id_of(&opened);
    assert_eq!(member(&opened.json, "until"), gateway.instant(4 * HOUR_MS));
    assert_eq!((member(&opened.json, "purpose"), member(&opened.json, "status")), (json!("BTG"), json!("open")));

    doctor.get(format!("Patient/{patient}")).await.expect(200);
    assert_eq!(doctor.search(format!("Observation?patient={patient}&_total=accurate")).await.len(), 1);
    doctor.get(format!("Patient/{patient}/_history")).await.expect(200);
    let version = doctor.get(format!("Patient/{patient}")).await.json["meta"]["versionId"].clone();
    doctor.get(format!("Patient/{patient}/_history/{}", version.as_str().expect("a version"))).await.expect(200);

    let events = under_emergency(&custodian, &patient).await;
    let acts: Vec<&str> = events.iter().map(|event| event["subtype"][0]["code"].as_str().unwrap_or_default()).collect();
    assert_eq!(acts, ["break-glass", "read", "search-type", "history-instance", "read", "vread"]);
    for event in &events {
        assert_eq!(event["purposeOfEvent"][0]["coding"][0]["code"], "BTG", "{event}");
        assert_eq!(event["agent"][2]["who"]["reference"], "Practitioner/psychologist-1", "{event}");
        assert!(event["entity"].to_string().contains(&session), "{event}");
        assert!(!event.to_string().contains("TEST-REASON"), "{event}");
    }
    assert_eq!(events[0]["subtype"][1]["code"], "110127");
    let deliveries = gateway.app.store.deliveries(&patient).await.expect("the database answers");
    let told: Vec<(&str, &str, &str)> =
        deliveries.iter().map(|one| (&*one.partner, &*one.kind, &*one.resource_type)).collect();
    let to_patient = format!("patient/{patient}");
    assert_eq!(told, [("dpo/edpbw-a", "break-glass", "AuditEvent"), (&to_patient, "break-glass", "AuditEvent")]);
    assert!(deliveries.iter().all(|one| events[0]["id"] == one.resource_id), "{deliveries:?}");
}

async fn a_session_ends_by_itself(gateway: Gateway) {
    let (_, patient) = record(&gateway).await;
    let doctor = doctor(&gateway);
    doctor.post(OPEN, &asking(&patient, "ETREAT")).await.expect(201);
    gateway.advance(4 * HOUR_MS - 1);
    doctor.get(format!("Patient/{patient}")).await.expect(200);
    gateway.advance(1);
    let told = doctor.get(format!("Patient/{patient}")).await.expect(404).told();
    assert_eq!(told, doctor.get("Patient/never-was").await.told());
    assert_eq!(doctor.search("Observation").await.len(), 0);
}

async fn a_session_ends_at_once_by_hand_and_its_pages_with_it(gateway: Gateway) {
    let (custodian, patient) = record(&gateway).await;
    custodian.create(&observation(&patient)).await;
    let doctor = doctor(&gateway);
    let session = id_of(&doctor.post(OPEN, &asking(&patient, "BTG")).await.expect(201));
    let first = doctor.get("Observation?_count=1").await.expect(200);
    let next = first.link("next").expect("there are two");
    assert_eq!(doctor.search(&next).await.len(), 1);
    doctor.post(END, &about("0123456789abcdef")).await.expect(404);
    gateway.as_("gp-1").post(END, &about(&session)).await.expect(404);
    doctor.get(format!("Patient/{patient}")).await.expect(200);

    let ended = doctor.post(END, &about(&session)).await.expect(200);
    assert_eq!(
        (member(&ended.json, "status"), member(&ended.json, "ended")),
        (json!("ended"), json!(gateway.instant(0)))
    );
    doctor.get(format!("Patient/{patient}")).await.expect(404);
    assert_eq!(doctor.search(&next).await.len(), 0, "a page that was begun under it");
    doctor.post(END, &about(&session)).await.expect(200);

    // The custodian may end it, too.
    let session = id_of(&doctor.post(OPEN, &asking(&patient, "BTG")).await.expect(201));
    custodian.post(END, &about(&session)).await.expect(200);
    doctor.get(format!("Patient/{patient}")).await.expect(404);
}

async fn who_asks_again_gives_a_reason_again_and_one_session_lasts(gateway: Gateway) {
    let (custodian, patient) = record(&gateway).await;
    let doctor = doctor(&gateway);
    let first = id_of(&doctor.post(OPEN, &asking(&patient, "BTG")).await.expect(201));
    gateway.advance(HOUR_MS);
    let second = id_of(&doctor.post(OPEN, &asking(&patient, "ETREAT")).await.expect(201));
    let open = custodian.search(format!("{QUEUE}?status=open")).await;
    assert_eq!(open.iter().map(|one| member(one, "session")).collect::<Vec<_>>(), [json!(second)]);
    let ended = custodian.search(format!("{QUEUE}?status=ended")).await;
    assert_eq!(ended.iter().map(|one| member(one, "session")).collect::<Vec<_>>(), [json!(first)]);
    assert_eq!(notices(&gateway, &patient).await.len(), 4);
    doctor.get(format!("Patient/{patient}")).await.expect(200);
    let events = under_emergency(&custodian, &patient).await;
    let last = events.last().expect("the read");
    assert_eq!(last["purposeOfEvent"][0]["coding"][0]["code"], "ETREAT", "{last}");
}

async fn of_several_that_ask_at_once_one_session_lasts(gateway: Gateway) {
    let (custodian, patient) = record(&gateway).await;
    let doctor = doctor(&gateway);
    let sent = asking(&patient, "BTG");
    let opened = join_all((0..5).map(|_| doctor.post(OPEN, &sent))).await;
    let begun = opened.iter().filter(|answer| answer.status == 201).count();
    assert!(begun > 0 && opened.iter().all(|answer| [201, 409].contains(&answer.status)), "{opened:?}");
    let open = custodian.search(format!("{QUEUE}?status=open")).await;
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(custodian.search(QUEUE).await.len(), begun, "what was refused is not there");
    assert_eq!(notices(&gateway, &patient).await.len(), 2 * begun);

    let session = member(&open[0], "session").as_str().expect("an id").to_owned();
    doctor.post(END, &about(&session)).await.expect(200);
    let verdicts = ["justified", "unjustified"].map(|verdict| judging(&session, verdict));
    let judged = join_all(verdicts.iter().map(|verdict| custodian.post(REVIEW, verdict))).await;
    let mut statuses: Vec<u16> = judged.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 422]);
}

async fn nobody_else_gets_in(gateway: Gateway) {
    let (_, patient) = record(&gateway).await;
    register(&gateway, "psychologist-2", "elp-1").await;
    register(&gateway, "gp-doctor", "gp-1").await;
    doctor(&gateway).post(OPEN, &asking(&patient, "BTG")).await.expect(201);
    doctor(&gateway).get(format!("Patient/{patient}")).await.expect(200);
    for other in [
        gateway.as_("elp-1"),
        gateway.as_("elp-1").by_practitioner("psychologist-2"),
        gateway.as_("elp-1").by_practitioner("psychologist-1").for_purpose("HPAYMT"),
        gateway.as_("gp-1").by_practitioner("gp-doctor"),
        gateway.as_("elp-2"),
    ] {
        let told = other.get(format!("Patient/{patient}")).await.expect(404).told();
        assert_eq!(told, other.get("Patient/never-was").await.told());
        assert_eq!(other.search("Observation?_total=accurate").await.len(), 0);
    }
}

async fn what_the_patient_switched_off_answers_as_what_never_was(gateway: Gateway) {
    let (custodian, patient) = record(&gateway).await;
    custodian.create(&consent(&patient, &json!({"type": "deny"}))).await;
    let doctor = doctor(&gateway);
    for purpose in ["BTG", "ETREAT"] {
        let refused = doctor.post(OPEN, &asking(&patient, purpose)).await.expect(404);
        assert_eq!(refused.told(), doctor.post(OPEN, &asking("never-was", purpose)).await.told());
    }
    doctor.get(format!("Patient/{patient}")).await.expect(404);
    // Custodian and patient see the attempt; who made it reads of both the same.
    let seen = refusals(&custodian, Some(&patient)).await;
    assert_eq!(seen, ["not-found", "excluded-by-patient", "excluded-by-patient"]);
    let own = doctor.search("AuditEvent?outcome=8&_count=4&_sort=-date").await;
    let mut told: Vec<String> = own
        .iter()
        .filter(|event| event["subtype"][0]["code"] == "break-glass")
        .map(|event| {
            let text = json!([event["outcomeDesc"], event["purposeOfEvent"], event["entity"][0], event["agent"]]);
            text.to_string().replace(&patient, "never-was")
        })
        .collect();
    told.sort();
    told.dedup();
    assert!(told.len() <= 2, "one text a purpose: {told:?}");
    assert!(notices(&gateway, &patient).await.is_empty());
    assert_eq!(custodian.search(QUEUE).await.len() + doctor.search(QUEUE).await.len(), 0);
}

async fn a_deny_of_this_caller_switches_it_off_and_one_of_treatment_does_not(gateway: Gateway) {
    let (custodian, patient) = record(&gateway).await;
    custodian.create(&consent(&patient, &deny(&["elp-1"]))).await;
    doctor(&gateway).post(OPEN, &asking(&patient, "BTG")).await.expect(201);
    doctor(&gateway).get(format!("Patient/{patient}")).await.expect(200);
    let mut general = deny(&["elp-1"]);
    general.as_object_mut().expect("an object").shift_remove("purpose");
    custodian.create(&consent(&patient, &general)).await;
    // It ends the sight of the open session at once, and no other begins.
    doctor(&gateway).get(format!("Patient/{patient}")).await.expect(404);
    assert_eq!(doctor(&gateway).search("Observation?_total=accurate").await.len(), 0);
    doctor(&gateway).post(OPEN, &asking(&patient, "BTG")).await.expect(404);
    register(&gateway, "gp-doctor", "gp-1").await;
    gateway.as_("gp-1").by_practitioner("gp-doctor").post(OPEN, &asking(&patient, "BTG")).await.expect(201);
}

async fn a_dissent_that_leaves_break_glass_open_leaves_just_that_open(gateway: Gateway) {
    let (custodian, patient) = record(&gateway).await;
    let purpose = json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "BTG"}]);
    let dissent = json!({"type": "deny", "provision": [{"type": "permit", "purpose": purpose}]});
    custodian.create(&consent(&patient, &dissent)).await;
    let doctor = doctor(&gateway);
    doctor.post(OPEN, &asking(&patient, "ETREAT")).await.expect(404);
    doctor.post(OPEN, &asking(&patient, "BTG")).await.expect(201);
    doctor.get(format!("Patient/{patient}")).await.expect(200);
}

async fn nothing_is_written_under_a_session_and_consents_stay_closed(gateway: Gateway) {
    let (custodian, patient) = record(&gateway).await;
    let given = custodian.create(&consent(&patient, &permit(&["gp-1"]))).await;
    let doctor = doctor(&gateway);
    doctor.post(OPEN, &asking(&patient, "BTG")).await.expect(201);
    let seen = doctor.get(format!("Patient/{patient}")).await.expect(200).json;
    for resource in [observation(&patient), encounter(&patient), consent(&patient, &permit(&["elp-1"]))] {
        doctor.post(resource["resourceType"].as_str().expect("a type"), &resource).await.expect(403);
    }
    doctor.put(format!("Patient/{patient}"), &seen).await.expect(403);
    doctor.delete(format!("Patient/{patient}")).await.expect(403);
    doctor.get(format!("Consent/{given}")).await.expect(404);
    doctor.get("Consent").await.expect(200);
    assert_eq!(doctor.search("Consent").await.len(), 0);
    assert_eq!(doctor.search(format!("AuditEvent?patient={patient}")).await.len(), 0);
    let again = custodian.get(format!("Patient/{patient}")).await.expect(200).json;
    assert_eq!(seen, again);
    assert_eq!(custodian.search(format!("Observation?patient={patient}")).await.len(), 1);
}

async fn a_closure_does_not_stop_an_emergency(gateway: Gateway) {
    let placed = place(&gateway, "elp-1", &["cgg-1", "elp-1"], "Organization/cgg-1").await;
    let doctor = doctor(&gateway);
    doctor.get(format!("Patient/{}", placed.patient)).await.expect(404);
    doctor.post(OPEN, &asking(&placed.patient, "BTG")).await.expect(201);
    doctor.get(format!("Patient/{}", placed.patient)).await.expect(200);
    // How the referral goes is no part of it.
    let task = doctor.get(format!("Task/{}", placed.task)).await.expect(200).json;
    assert!(task["for"].is_null() && task["focus"].is_null(), "{task}");
}

async fn a_request_that_nobody_is_accountable_for_is_refused(gateway: Gateway) {
    let (custodian, patient) = record(&gateway).await;
    let doctor = doctor(&gateway);
    let nobody = gateway.as_("elp-1").post(OPEN, &asking(&patient, "BTG")).await.expect(403);
    assert_eq!(nobody.reason(), "no-practitioner");
    assert_eq!(nobody.told(), gateway.as_("elp-1").post(OPEN, &asking("never-was", "BTG")).await.told());
    let billing = doctor.clone().for_purpose("HPAYMT").post(OPEN, &asking(&patient, "BTG")).await.expect(403);
    assert_eq!(billing.reason(), "not-for-treatment");
    doctor.clone().with_scope("system/Observation.rs").post(OPEN, &asking(&patient, "BTG")).await.expect(403);
    let mut short = asking(&patient, "BTG");
    short["parameter"][2]["valueString"] = json!("  urgent  ");
    let mut long = asking(&patient, "BTG");
    long["parameter"][2]["valueString"] = json!("TEST-LONG ".repeat(500));
    let mut further = asking(&patient, "BTG");
    further["parameter"].as_array_mut().expect("a list").push(json!({"name": "hours", "valueInteger": 400}));
    let mut twice = asking(&patient, "BTG");
    let reason = twice["parameter"][2].clone();
    twice["parameter"].as_array_mut().expect("a list").push(reason);
    let mut other = asking(&patient, "BTG");
    other["parameter"][0]["valueReference"]["reference"] = json!("Organization/elp-1");
    for asked in [short, long, further, twice, other, asking(&patient, "TREAT"), asking(&patient, "")] {
        let answer = doctor.post(OPEN, &asked).await.expect(422);
        assert!(!answer.to_string().contains("TEST-"), "{answer}");
    }
    assert_eq!(refusals(&doctor, None).await.len(), 3 + 1 + 7, "each is in the caller's own trail");
    assert!(refusals(&custodian, Some(&patient)).await.is_empty());
    assert!(notices(&gateway, &patient).await.is_empty());
    assert_eq!(custodian.search(QUEUE).await.len(), 0);
    doctor.get(format!("Patient/{patient}")).await.expect(404);
}

async fn an_emergency_is_no_purpose_of_a_token_whatever_is_registered(gateway: Gateway) {
    let (_, patient) = record(&gateway).await;
    let purposes = ["TREAT", "BTG", "ETREAT"].map(str::to_owned).to_vec();
    let client = Client {
        id: client_id("elp-1"),
        organization_id: "elp-1".to_owned(),
        purposes,
        active: true,
        person_app: false,
        keys: None,
        scopes: String::new(),
    };
    gateway.app.store.put_client(&client).await.expect("the database answers");
    gateway.app.forget_registry();
    for purpose in ["BTG", "ETREAT"] {
        let caller = doctor(&gateway).for_purpose(purpose);
        caller.get(format!("Patient/{patient}")).await.expect(403);
        caller.post(OPEN, &asking(&patient, purpose)).await.expect(403);
    }
    doctor(&gateway).post(OPEN, &asking(&patient, "BTG")).await.expect(201);
}

stories!(
    a_practitioner_reads_in_an_emergency_and_every_access_is_marked,
    a_session_ends_by_itself,
    a_session_ends_at_once_by_hand_and_its_pages_with_it,
    who_asks_again_gives_a_reason_again_and_one_session_lasts,
    of_several_that_ask_at_once_one_session_lasts,
    nobody_else_gets_in,
    what_the_patient_switched_off_answers_as_what_never_was,
    a_deny_of_this_caller_switches_it_off_and_one_of_treatment_does_not,
    a_dissent_that_leaves_break_glass_open_leaves_just_that_open,
    nothing_is_written_under_a_session_and_consents_stay_closed,
    a_closure_does_not_stop_an_emergency,
    a_request_that_nobody_is_accountable_for_is_refused,
    an_emergency_is_no_purpose_of_a_token_whatever_is_registered,
);

mod limited {
    use super::{Gateway, OPEN, asking, doctor, notices, record, stories};
    use wellgate_tests::gateway::Options;
    use wellgate_tests::referral::refusals;
    use wellgate_tests::resources::patient;

    fn one_session() -> Options {
        Options { settings: vec![("WELLGATE_EMERGENCY_SESSIONS_OPEN_MAX", "1")], ..Options::default() }
    }

    async fn a_client_opens_no_more_records_at_once_than_the_limit_says(gateway: Gateway) {
        let (custodian, first) = record(&gateway).await;
        let second = custodian.create(&patient()).await;
        let doctor = doctor(&gateway);
        doctor.post(OPEN, &asking(&first, "BTG")).await.expect(201);
        let refused = doctor.post(OPEN, &asking(&second, "BTG")).await.expect(403);
        assert_eq!(refused.reason(), "too-many-sessions");
        // It says nothing about the record that was asked for.
        assert_eq!(refused.told(), doctor.post(OPEN, &asking("never-was", "BTG")).await.told());
        doctor.get(format!("Patient/{second}")).await.expect(404);
        assert!(notices(&gateway, &second).await.is_empty());
        assert_eq!(refusals(&doctor, None).await[..3], ["not-found", "too-many-sessions", "too-many-sessions"]);
        // The one that is there can be asked for again, and one that is over makes room.
        doctor.post(OPEN, &asking(&first, "BTG")).await.expect(201);
        gateway.advance(4 * super::HOUR_MS);
        doctor.post(OPEN, &asking(&second, "BTG")).await.expect(201);
    }

    stories!(with one_session; a_client_opens_no_more_records_at_once_than_the_limit_says);
}
