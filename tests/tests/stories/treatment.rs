//! Treatment demands: registered beside the dossier, refused by a Consent, sent under a pseudonym, counted at the end of the year.

use std::collections::BTreeMap;

use gateway::config::TdiConfig;
use gateway::storage::delivery::Delivery;
use gateway::storage::treatment::{TreatmentCentre, TreatmentDemandRow};
use gateway::tdi::{Year, batch_file, payload, report, settled};
use mappings::tdi::{Answer, Date, Language, Table, TreatmentDemand, from_batch_line, from_submission, to_response};
use serde_json::{Value, json};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::partners::World;
use wellgate_tests::record::Record;
use wellgate_tests::referral::{bring, refusals};
use wellgate_tests::resources::{consent, patient, permit, service_request};
use wellgate_tests::stories;

const SSIN: &str = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/ssin";
const NUMBER: &str = "85073003328";
/// What makes a resource wrong.
type Change = fn(&mut Value);

const OWN: &str = "organization/edpbw-a";

/// Says that the treatments of `edpbw-a` are registered.
async fn register(gateway: &Gateway, register_id: &str) {
    let centre = TreatmentCentre {
        organization_id: "edpbw-a".to_owned(),
        centre_types: vec!["outpatient".to_owned(), "inpatient".to_owned()],
        register_id: register_id.to_owned(),
    };
    gateway.app.store.put_treatment_centre(&centre).await.expect("it is registered");
    gateway.app.forget_registry();
}

/// A person with this number, recorded by `edpbw-a`.
async fn person(record: &Record<'_>, number: &str) {
    let identifier = json!([{"system": SSIN, "value": number}]);
    record.change(&record.person(), |patient| patient["identifier"] = identifier).await;
}

fn encounter(patient: &str, day: &str) -> Value {
    json!({"resourceType": "Encounter", "status": "finished", "subject": {"reference": format!("Patient/{patient}")},
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}, "period": {"start": day}})
}

/// What is answered at the least, on this first day.
fn answers(day: &str, substance: &str) -> BTreeMap<String, Answer> {
    let codes = [
        ("centre-type", "outpatient"),
        ("previously-treated", "never"),
        ("sex", "female"),
        ("national-number", "known"),
        ("primary-substance", substance),
    ];
    let mut answers: BTreeMap<String, Answer> =
        codes.map(|(item, code)| (item.to_owned(), Answer::Code(code.to_owned()))).into();
    answers.insert("age".to_owned(), Answer::Whole(40));
    answers.insert("unit".to_owned(), Answer::Unit("unit-1".to_owned()));
    answers.insert("treatment-start".to_owned(), Answer::Date(Date::parse(day).expect("a day")));
    answers
}

fn response(patient: &str, encounter: &str, answers: &BTreeMap<String, Answer>) -> Value {
    let mut response = to_response(&Table::built_in(), answers, Language::Nl);
    response["subject"] = json!({"reference": format!("Patient/{patient}")});
    response["encounter"] = json!({"reference": encounter});
    response
}

/// Adds a contact and the response about it; answers the response's address.
async fn treat(record: &Record<'_>, day: &str) -> String {
    let encounter = record.add(&encounter(&record.patient, day)).await;
    record.add(&response(&record.patient, &encounter, &answers(day, "11"))).await
}

fn refusal(patient: &str) -> Value {
    let mut refusal = consent(
        patient,
        &json!({"type": "deny", "actor": [{
        "role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]},
        "reference": {"identifier": {"system": "https://wellgate.example/fhir/NamingSystem/register", "value": "treatment-demand"}}}]}),
    );
    refusal["scope"]["coding"][0]["code"] = json!("research");
    refusal.as_object_mut().expect("an object").shift_remove("policyRule");
    refusal
}

/// Every row of `edpbw-a` in a year, by id.
async fn rows(gateway: &Gateway, year: u16) -> Vec<TreatmentDemandRow> {
    gateway.app.store.treatment_year(OWN, year, ("", 5_000)).await.expect("it answers")
}

async fn states(gateway: &Gateway) -> Vec<String> {
    rows(gateway, 2026).await.into_iter().map(|row| row.state).collect()
}

async fn waiting(gateway: &Gateway) -> Vec<Delivery> {
    let deliveries = gateway.app.store.deliveries(OWN).await.expect("it answers");
    deliveries
        .into_iter()
        .filter(|delivery| delivery.kind == "treatment-demand" && delivery.state == "waiting")
        .collect()
}

/// Makes the message of a delivery, as a worker would.
async fn message(gateway: &Gateway, delivery: &Delivery) -> Option<Value> {
    let registry = gateway.app.registry().await.expect("it answers");
    let of = (delivery.id.as_str(), OWN, delivery.resource_id.as_str());
    let message = payload(&gateway.app.store, &registry, of, gateway.clock.now_ms()).await.expect("it answers");
    message.map(|message| {
        assert_eq!((message.reference, message.kind.as_str()), (delivery.id.clone(), "treatment-demand"));
        message.body
    })
}

async fn events(record: &Record<'_>, act: &str) -> usize {
    let events = record.custodian.search(format!("AuditEvent?patient=Patient/{}&_count=500", record.patient)).await;
    events.iter().filter(|event| event["subtype"].to_string().contains(&format!("\"{act}\""))).count()
}

async fn a_treatment_is_registered_with_its_response_and_names_nobody(gateway: Gateway) {
    register(&gateway, "1001").await;
    let record = Record::begin(&gateway).await;
    person(&record, NUMBER).await;
    treat(&record, "2026-02-10").await;
    let rows = rows(&gateway, 2026).await;
    let [row] = rows.as_slice() else { panic!("one is registered: {rows:?}") };
    assert_eq!((row.state.as_str(), row.started_on.as_str(), row.findings.as_str()), ("valid", "2026-02-10", "[]"));
    assert_eq!((row.pseudonym.len(), row.residential), (64, false));
    assert!(row.pseudonym.bytes().all(|letter| (b'a'..=b'p').contains(&letter)));
    let shown = format!("{row:?}");
    for telling in [NUMBER, "Testpersoon", "Ann", record.patient.as_str()] {
        assert!(!shown.contains(telling), "{telling}");
    }
    assert!(!gateway.on_disk().contains(NUMBER), "the number lies on no disk");
    assert_eq!(events(&record, "treatment-registered").await, 1);
    let [delivery] = &waiting(&gateway).await[..] else { panic!("one delivery waits") };
    let body = message(&gateway, delivery).await.expect("it may leave");
    assert_eq!(body["organizationId"], "1001");
    assert!(!body.to_string().contains(NUMBER) && !body.to_string().contains("Testpersoon"), "{body}");
    let sent = from_submission(&Table::built_in(), &body["submission"]).expect("it is a submission");
    assert_eq!(
        (sent.reference().as_str(), sent.pseudonym().map(mappings::tdi::Pseudonym::as_str)),
        (&*delivery.id, Some(&*row.pseudonym))
    );
    assert_eq!(states(&gateway).await, ["submitted"]);
}

async fn a_pseudonym_is_the_same_for_the_same_number_in_another_dossier(gateway: Gateway) {
    register(&gateway, "").await;
    for (number, day) in [(NUMBER, "2026-02-10"), (NUMBER, "2025-01-10"), ("98472899765", "2024-01-10")] {
        let record = Record::begin(&gateway).await;
        person(&record, number).await;
        treat(&record, day).await;
    }
    let [one, same, other] = [rows(&gateway, 2026).await, rows(&gateway, 2025).await, rows(&gateway, 2024).await]
        .map(|rows| rows[0].pseudonym.clone());
    assert_eq!(one, same);
    assert_ne!(one, other);
    assert!(waiting(&gateway).await.is_empty(), "an organisation without an id at the register hands in a file");
}

async fn a_refusal_blocks_the_register_and_nothing_else(gateway: Gateway) {
    register(&gateway, "1001").await;
    let record = Record::begin(&gateway).await;
    person(&record, NUMBER).await;
    record.permit(&permit(&["elp-1"])).await;
    let refused = record.custodian.create(&refusal(&record.patient)).await;
    let response = treat(&record, "2026-02-10").await;
    let rows = rows(&gateway, 2026).await;
    let [row] = rows.as_slice() else { panic!("the objection is kept: {rows:?}") };
    assert_eq!((row.state.as_str(), row.record.as_str(), row.pseudonym.as_str()), ("refused", "", ""));
    assert!(waiting(&gateway).await.is_empty(), "nothing leaves");
    assert_eq!((events(&record, "treatment-refused").await, events(&record, "treatment-registered").await), (1, 0));
    // Care goes on: who may read reads, and a referral is placed and picked up.
    record.shows(&record.person()).await;
    record.shows(&response).await;
    let order = record.custodian.create(&service_request(&record.patient, "Organization/elp-1")).await;
    let task = wellgate_tests::referral::organization_task(&record.custodian, &order).await;
    bring(&record.grantee, &task, "accepted").await.expect(200);
    record.grantee.get(format!("Consent/{refused}")).await.expect(200);
}

async fn a_refusal_stops_what_waits_and_its_end_opens_the_register_again(gateway: Gateway) {
    register(&gateway, "1001").await;
    let record = Record::begin(&gateway).await;
    person(&record, NUMBER).await;
    let response = treat(&record, "2026-02-10").await;
    let delivery = waiting(&gateway).await.remove(0);
    let refused = record.add(&refusal(&record.patient)).await;
    assert!(waiting(&gateway).await.is_empty(), "what waited is void");
    assert_eq!(message(&gateway, &delivery).await, None, "a worker that has it already does not get it either");
    assert_eq!(states(&gateway).await, ["refused"]);
    assert_eq!(rows(&gateway, 2026).await[0].record, "");
    record.change(&refused, |consent| consent["status"] = json!("inactive")).await;
    record.change(&response, |response| response["status"] = json!("amended")).await;
    assert_eq!(states(&gateway).await, ["valid"]);
    let delivery = waiting(&gateway).await.remove(0);
    // What was sent stays what it is, and no second treatment is counted for it.
    assert!(message(&gateway, &delivery).await.is_some());
    record.change(&refused, |consent| consent["status"] = json!("active")).await;
    record.change(&response, |response| response["language"] = json!("fr")).await;
    assert_eq!(states(&gateway).await, ["submitted"]);
}

async fn a_response_that_is_not_understood_is_refused_and_leaves_nothing(gateway: Gateway) {
    register(&gateway, "1001").await;
    let record = Record::begin(&gateway).await;
    person(&record, NUMBER).await;
    let encounter = record.add(&encounter(&record.patient, "2026-02-10")).await;
    let good = response(&record.patient, &encounter, &answers("2026-02-10", "11"));
    let wrong: [(Change, &str); 5] = [
        (|response| response["item"][0]["linkId"] = json!("more"), "QuestionnaireResponse.item[0]"),
        (
            |response| response["questionnaire"] = json!("https://wellgate.example/fhir/Questionnaire/tdi|2.0"),
            "QuestionnaireResponse.questionnaire",
        ),
        (|response| response["encounter"] = json!({"reference": "Encounter/none"}), "QuestionnaireResponse.encounter"),
        (
            |response| drop(response.as_object_mut().map(|members| members.shift_remove("encounter"))),
            "QuestionnaireResponse.encounter",
        ),
        (
            |response| response["item"][0]["item"][0]["answer"][0]["valueCoding"]["code"] = json!("prison"),
            "QuestionnaireResponse.item.where(linkId='centre-type')",
        ),
    ];
    for (change, expression) in wrong {
        let mut response = good.clone();
        change(&mut response);
        let answer = record.custodian.post("QuestionnaireResponse", &response).await;
        assert_eq!(answer.status, 422, "{expression}: {answer}");
        assert!(answer.json.to_string().contains(expression), "{expression}: {answer}");
    }
    assert!(rows(&gateway, 2026).await.is_empty() && waiting(&gateway).await.is_empty());
    assert!(record.custodian.search("QuestionnaireResponse").await.is_empty());
    assert!(
        refusals(&record.custodian, None).await.len() + refusals(&record.custodian, Some(&record.patient)).await.len()
            >= wrong.len()
    );
    record.add(&good).await;
    assert_eq!(states(&gateway).await, ["valid"]);
}

async fn an_organisation_that_is_no_centre_keeps_a_response_like_any_other(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    person(&record, NUMBER).await;
    treat(&record, "2026-02-10").await;
    assert!(rows(&gateway, 2026).await.is_empty());
    register(&gateway, "1001").await;
    let encounter = record.add(&encounter(&record.patient, "2026-02-11")).await;
    let mut unfinished = response(&record.patient, &encounter, &answers("2026-02-11", "11"));
    unfinished["status"] = json!("in-progress");
    let address = record.add(&unfinished).await;
    unfinished["questionnaire"] = json!("https://example.org/Questionnaire/other");
    unfinished["status"] = json!("completed");
    record.add(&unfinished).await;
    assert!(rows(&gateway, 2026).await.is_empty(), "neither is a response that is to be registered");
    record.change(&address, |response| response["status"] = json!("completed")).await;
    assert_eq!(states(&gateway).await, ["valid"]);
    record.change(&address, |response| response["status"] = json!("entered-in-error")).await;
    assert!(rows(&gateway, 2026).await.is_empty() && waiting(&gateway).await.is_empty());
}

async fn an_incomplete_record_waits_to_be_mended(gateway: Gateway) {
    register(&gateway, "1001").await;
    let record = Record::begin(&gateway).await;
    let address = treat(&record, "2026-02-10").await;
    let row = rows(&gateway, 2026).await.remove(0);
    assert_eq!((row.state.as_str(), row.pseudonym.as_str()), ("draft", ""));
    assert_eq!(row.findings, r#"[{"code":"tdi-pseudonym-missing","item":"pseudonym"}]"#);
    assert!(waiting(&gateway).await.is_empty());
    assert_eq!(events(&record, "treatment-incomplete").await, 1);
    person(&record, NUMBER).await;
    record.change(&address, |response| response["status"] = json!("amended")).await;
    assert_eq!(states(&gateway).await, ["valid"]);
}

async fn an_episode_goes_on_for_six_months_after_the_last_contact(gateway: Gateway) {
    register(&gateway, "1001").await;
    let soon = r#"[{"code":"tdi-not-a-new-episode","item":"treatment-start"}]"#;
    // The last contact is on 10 June; what begins six calendar months later is another episode, whatever dossier it is in.
    for (number, day, state, findings) in
        [(NUMBER, "2025-12-09", "draft", soon), ("98472899765", "2025-12-10", "valid", "[]")]
    {
        let record = Record::begin(&gateway).await;
        person(&record, number).await;
        treat(&record, "2025-01-10").await;
        record.add(&encounter(&record.patient, "2025-06-10")).await;
        let mut call = encounter(&record.patient, "2025-11-01");
        call["class"]["code"] = json!("VR");
        record.add(&call).await;
        let first = rows(&gateway, 2025).await.pop().expect("it is registered");
        assert_eq!(first.last_seen_on, "2025-06-10", "a call is no contact face to face");
        let again = Record::begin(&gateway).await;
        person(&again, number).await;
        treat(&again, day).await;
        let last = rows(&gateway, 2025).await.pop().expect("it is registered");
        assert_eq!((last.state.as_str(), last.findings.as_str()), (state, findings), "{day}");
        assert_eq!(last.pseudonym, first.pseudonym, "{day}");
    }
}

async fn a_correction_refers_to_what_was_sent_and_replaces_what_was_not(gateway: Gateway) {
    register(&gateway, "1001").await;
    let record = Record::begin(&gateway).await;
    person(&record, NUMBER).await;
    let address = treat(&record, "2026-02-10").await;
    let first = waiting(&gateway).await.remove(0);
    record.change(&address, |response| response["status"] = json!("amended")).await;
    let second = waiting(&gateway).await.remove(0);
    assert_ne!(first.id, second.id, "what was not sent is replaced");
    assert_eq!(message(&gateway, &first).await, None);
    let body = message(&gateway, &second).await.expect("it may leave");
    assert_eq!(body["submission"]["corrects"], Value::Null);
    let of = |delivery: &Delivery| (delivery.id.clone(), delivery.resource_id.clone());
    let (reference, demand) = of(&second);
    let store = &gateway.app.store;
    assert!(
        !settled(store, ("another", OWN, &demand), None).await.expect("it answers"),
        "an answer to another attempt"
    );
    assert!(settled(store, (&reference, OWN, &demand), None).await.expect("it answers"));
    assert_eq!(states(&gateway).await, ["accepted"]);
    assert_eq!(message(&gateway, &second).await, None, "what was accepted is not sent again");
    record.change(&address, |response| response["language"] = json!("fr")).await;
    let third = waiting(&gateway).await.remove(0);
    let body = message(&gateway, &third).await.expect("it may leave");
    assert_eq!(body["submission"]["corrects"], json!(reference));
    let (reference, demand) = of(&third);
    assert!(settled(store, (&reference, OWN, &demand), Some("value.invalid")).await.expect("it answers"));
    let row = rows(&gateway, 2026).await.remove(0);
    assert_eq!(
        (row.state.as_str(), row.findings.as_str()),
        ("rejected", r#"[{"code":"value.invalid","item":"register"}]"#)
    );
}

async fn it_is_submitted_and_what_may_be_there_is_asked_about(gateway: Gateway) {
    let world = World::start().await;
    let tdi = TdiConfig {
        register_url: world.url("sciensano"),
        data_collection_id: "tdi".to_owned(),
        data_collection_version: "3.0".to_owned(),
        source_type: "api".to_owned(),
    };
    let worker = gateway.worker_with(None, Some(tdi));
    register(&gateway, "1001").await;
    let record = Record::begin(&gateway).await;
    person(&record, NUMBER).await;
    let address = treat(&record, "2026-02-10").await;
    let delivery = waiting(&gateway).await.remove(0);
    assert_eq!(worker.round().await.expect("it answers"), 1);
    assert_eq!(states(&gateway).await, ["accepted"]);
    assert_eq!(world.times("sciensano", &delivery.id).await, (1, 1));
    assert!(!world.received("sciensano").await.to_string().contains(NUMBER), "never a number in clear");

    // Taken in, and the line is cut: asked, and not submitted again.
    world.fault("sciensano", json!({"fault": "cut-after-accept", "calls": 1})).await;
    record.change(&address, |response| response["language"] = json!("fr")).await;
    let corrected = waiting(&gateway).await.remove(0);
    assert_eq!(worker.round().await.expect("it answers"), 1);
    assert_eq!(states(&gateway).await, ["submitted"], "nobody knows yet");
    gateway.advance(60_000);
    assert_eq!(worker.round().await.expect("it answers"), 1);
    assert_eq!(states(&gateway).await, ["accepted"]);
    assert_eq!(world.times("sciensano", &corrected.id).await, (1, 1));

    // What is refused meanwhile does not leave.
    treat(&record, "2025-06-10").await;
    record.custodian.create(&refusal(&record.patient)).await;
    assert_eq!(worker.round().await.expect("it answers"), 0);
}

async fn a_record_of_the_register_outlives_the_dossier_s_moving_on(gateway: Gateway) {
    register(&gateway, "1001").await;
    let record = Record::begin(&gateway).await;
    person(&record, NUMBER).await;
    record.permit(&permit(&["elp-1"])).await;
    treat(&record, "2026-02-10").await;
    let order = record.custodian.create(&service_request(&record.patient, "Organization/elp-1")).await;
    let task = wellgate_tests::referral::organization_task(&record.custodian, &order).await;
    bring(&record.grantee, &task, "accepted").await.expect(200);
    record.custodian.get(record.person()).await.expect(404);
    let delivery = waiting(&gateway).await.remove(0);
    assert!(message(&gateway, &delivery).await.is_some(), "it needs no sight of the dossier");
    gateway.app.store.destroy_keys(&record.patient, gateway.clock.now_ms()).await.expect("it is destroyed");
    assert!(message(&gateway, &delivery).await.is_some(), "nor the number");
}

async fn the_year_of_an_organisation_adds_up_in_its_file_its_report_and_its_submissions(gateway: Gateway) {
    const SUBSTANCES: [&str; 4] = ["11", "21", "71", "alcohol"];
    let episodes = wellgate_tests::variable("WELLGATE_TDI_EPISODES").map_or(40, |text| text.parse().expect("a number"));
    register(&gateway, "1001").await;
    let custodian = gateway.as_("edpbw-a");
    let (mut refused, mut incomplete, mut expected) = (0, 0, BTreeMap::<String, u64>::new());
    for n in 0..episodes {
        let first = 900_101_000_u64 + n;
        let number = format!("{first}{:02}", 97 - first % 97);
        let mut person = patient();
        // Every tenth has no number in the dossier, though it is said to be known.
        if n % 10 != 9 {
            person["identifier"] = json!([{"system": SSIN, "value": number}]);
        }
        let id = custodian.create(&person).await;
        if n % 7 == 3 {
            custodian.create(&refusal(&id)).await;
        }
        let day = format!("2025-{:02}-{:02}", n % 12 + 1, n % 28 + 1);
        let contact = custodian.create(&encounter(&id, &day)).await;
        let substance = SUBSTANCES[usize::try_from(n).unwrap_or_default() % SUBSTANCES.len()];
        custodian.create(&response(&id, &format!("Encounter/{contact}"), &answers(&day, substance))).await;
        match (n % 7 == 3, n % 10 == 9) {
            (true, _) => refused += 1,
            (false, true) => incomplete += 1,
            (false, false) => *expected.entry(substance.to_owned()).or_default() += 1,
        }
    }
    let table = Table::built_in();
    let substances = |records: &[TreatmentDemand]| {
        let mut counted = BTreeMap::<String, u64>::new();
        for record in records {
            *counted.entry(record.code("primary-substance").unwrap_or_default().to_owned()).or_default() += 1;
        }
        counted
    };
    let year = Year { organization_id: "edpbw-a", year: 2025 };
    let mut file = String::new();
    let written = batch_file(&gateway.app, year, |line| file.push_str(line)).await.expect("it is written");
    let records: Vec<TreatmentDemand> =
        file.lines().skip(1).map(|line| from_batch_line(&table, line).expect("it is read back")).collect();
    assert_eq!(substances(&records), expected);
    assert_eq!(written, expected.values().sum::<u64>());
    let mut sent = Vec::new();
    for delivery in waiting(&gateway).await {
        let body = message(&gateway, &delivery).await.expect("it may leave");
        assert!(
            settled(&gateway.app.store, (&delivery.id, OWN, &delivery.resource_id), None).await.expect("it answers")
        );
        sent.push(from_submission(&table, &body["submission"]).expect("it is a submission"));
    }
    assert_eq!(substances(&sent), expected);
    let told = report(&gateway.app, year, Language::Nl).await.expect("it is made");
    assert_eq!((&told["refused"], &told["records"]), (&json!(refused), &json!(written)));
    assert_eq!(told["toMend"].as_array().map(Vec::len), Some(incomplete));
    assert_eq!(told["states"], json!({"accepted": written, "draft": incomplete, "refused": refused}));
    let item = told["items"].as_array().into_iter().flatten().find(|item| item["item"] == "primary-substance");
    assert_eq!(item.map(|item| item["codes"].clone()), Some(json!(expected)));
    let all = [file, told.to_string()].concat();
    assert!(!all.contains("900101") && !all.contains("Testpersoon"), "no number and no name leaves");
    // A year that is empty has a file with a head, and an organisation of its own.
    let mut file = String::new();
    let other = Year { organization_id: "elp-1", year: 2025 };
    assert_eq!(batch_file(&gateway.app, other, |line| file.push_str(line)).await.ok(), Some(0));
    assert_eq!(file.lines().count(), 1);
}

async fn answers_about_substances_are_labelled_as_what_they_tell(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    let encounter = record.add(&encounter(&record.patient, "2026-02-10")).await;
    let mut labelled = permit(&["elp-1"]);
    labelled["securityLabel"] = json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"},
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "ETHUD"}]);
    record.permit(&labelled).await;
    for (substance, is_shown) in [("alcohol", true), ("11", false), ("21", false), ("99", false)] {
        let address = record.add(&response(&record.patient, &encounter, &answers("2026-02-10", substance))).await;
        if is_shown {
            record.shows(&address).await;
        } else {
            record.hides(&address).await;
        }
    }
    let all = Table::built_in();
    let substances = all.item("primary-substance").into_iter().flat_map(|item| &item.codes);
    for code in substances {
        let response = response(&record.patient, &encounter, &answers("2026-02-10", &code.code));
        let address = record.add(&response).await;
        let kept = record.custodian.get(address).await.expect(200).json["meta"]["security"].to_string();
        assert!(
            ["ETH", "ETHUD", "OPIOIDUD"].iter().any(|label| kept.contains(&format!("\"{label}\""))),
            "{}: {kept}",
            code.code
        );
    }
}

stories!(
    answers_about_substances_are_labelled_as_what_they_tell,
    a_treatment_is_registered_with_its_response_and_names_nobody,
    a_pseudonym_is_the_same_for_the_same_number_in_another_dossier,
    a_refusal_blocks_the_register_and_nothing_else,
    a_refusal_stops_what_waits_and_its_end_opens_the_register_again,
    a_response_that_is_not_understood_is_refused_and_leaves_nothing,
    an_organisation_that_is_no_centre_keeps_a_response_like_any_other,
    an_incomplete_record_waits_to_be_mended,
    an_episode_goes_on_for_six_months_after_the_last_contact,
    a_correction_refers_to_what_was_sent_and_replaces_what_was_not,
    it_is_submitted_and_what_may_be_there_is_asked_about,
    a_record_of_the_register_outlives_the_dossier_s_moving_on,
    the_year_of_an_organisation_adds_up_in_its_file_its_report_and_its_submissions,
);
