//! What a client sees of sealed numbers: all of it where it may have them, a mask where not; and what lies on the disk.

use gateway::sealed::{give_up, write_receipts};
use serde_json::{Value, json};
use wellgate_tests::gateway::{Gateway, NOW_MS, Options};
use wellgate_tests::record::Record;
use wellgate_tests::resources::{bundle, encounter, patient, permit, service_request};
use wellgate_tests::stories;

const SSIN: &str = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/ssin";
const NUMBER: &str = "85073003328";
const OTHER: &str = "98472899765";

fn identifier(number: &str) -> Value {
    json!({"system": SSIN, "value": number})
}

/// A person with a national number.
fn numbered(number: &str) -> Value {
    let mut patient = patient();
    patient["identifier"].as_array_mut().expect("a list").push(identifier(number));
    patient
}

/// A record whose person has the number, with a Consent that lets the grantee see it.
async fn record(gateway: &Gateway) -> Record<'_> {
    let record = Record::begin(gateway).await;
    record.change(&record.person(), |patient| patient["identifier"] = json!([identifier(NUMBER)])).await;
    record.permit(&permit(&["elp-1", "elp-2"])).await;
    record
}

async fn a_number_is_shown_by_every_way_to_who_may_have_it_and_lies_on_no_disk(gateway: Gateway) {
    let record = record(&gateway).await;
    let address = record.person();
    record.shows(&address).await;
    let condition = [("if-none-exist", &*format!("identifier={SSIN}|{OTHER}")), ("idempotency-key", NUMBER)];
    let created = record.custodian.post_with("Patient", &numbered(OTHER), &condition).await.expect(201);
    assert!(created.to_string().contains(OTHER), "who wrote it is answered what they wrote");
    let mut order = service_request(&record.patient, "");
    order["subject"]["identifier"] = identifier(NUMBER);
    record.custodian.create(&order).await;
    let mut contact = encounter(&record.patient);
    contact["subject"]["identifier"] = identifier(NUMBER);
    let set = bundle("transaction", &[("POST", "Encounter", Some(contact))]);
    record.custodian.post("", &set).await.expect(200);

    for path in [
        address.clone(),
        format!("{address}/_history"),
        format!("Patient?identifier={SSIN}|{NUMBER}"),
        format!("Patient?identifier={NUMBER}&_total=accurate"),
        format!("ServiceRequest?patient={}", record.patient),
        format!("ServiceRequest?subject:identifier={SSIN}|{NUMBER}"),
        format!("Consent?patient.identifier={SSIN}|{NUMBER}"),
    ] {
        let shown = record.custodian.get(&path).await.expect(200);
        assert!(!shown.resources().is_empty() || path == address, "{path}: {shown}");
        assert!(shown.to_string().contains(NUMBER) || path.starts_with("Consent"), "{path}: {shown}");
    }
    assert!(
        record.custodian.search(format!("Patient?identifier={SSIN}|8507300332")).await.is_empty(),
        "exactly or not at all"
    );
    let disk = gateway.on_disk();
    assert!(disk.contains("Testpersoon") && !disk.contains(NUMBER) && !disk.contains(OTHER), "it is on the disk");
}

async fn who_may_not_see_the_person_finds_nobody_by_the_number(gateway: Gateway) {
    let record = record(&gateway).await;
    let stranger = gateway.as_("cgg-1");
    for number in [NUMBER, OTHER] {
        assert!(stranger.search(format!("Patient?identifier={SSIN}|{number}")).await.is_empty());
    }
    // The same number in a record of one's own leads to that and to no other.
    let own = stranger.create(&numbered(NUMBER)).await;
    let found = stranger.search(format!("Patient?identifier={NUMBER}")).await;
    assert_eq!(found.iter().map(|patient| &patient["id"]).collect::<Vec<_>>(), [&json!(own)]);
    let both = record.grantee.search(format!("Patient?identifier={NUMBER}")).await;
    assert_eq!(both.iter().map(|patient| &patient["id"]).collect::<Vec<_>>(), [&json!(record.patient)]);
}

async fn a_number_in_a_text_is_refused_and_nothing_is_stored(gateway: Gateway) {
    let record = record(&gateway).await;
    let mut contact = encounter(&record.patient);
    contact["reasonCode"] = json!([{"text": format!("INSZ {NUMBER}")}]);
    let refused = record.custodian.post("Encounter", &contact).await.expect(422);
    assert_eq!(refused.issues()[0].1, "Encounter.reasonCode[0].text", "{refused}");
    assert!(!refused.to_string().contains(NUMBER), "the answer does not repeat it");
    let set = bundle("transaction", &[("POST", "Encounter", Some(contact))]);
    let refused = record.custodian.post("", &set).await.expect(422);
    assert!(refused.issues()[0].1.ends_with("reasonCode[0].text"), "{refused}");
    assert!(record.custodian.search(format!("Encounter?patient={}", record.patient)).await.is_empty());
    assert!(!gateway.on_disk().contains(NUMBER));
}

async fn a_transaction_may_ask_by_a_number_whether_a_person_is_there_already(gateway: Gateway) {
    let custodian = gateway.as_("edpbw-a");
    let mut set = bundle("transaction", &[("POST", "Patient", Some(numbered(NUMBER)))]);
    set["entry"][0]["request"]["ifNoneExist"] = json!(format!("identifier={SSIN}|{NUMBER}"));
    for status in ["201 Created", "200 OK"] {
        let answer = custodian.post("", &set).await.expect(200);
        let given = answer.json["entry"][0]["response"]["status"].as_str().expect("a status").to_owned();
        assert!(status.starts_with(&given[..3]), "{status}: {answer}");
    }
    assert_eq!(custodian.search(format!("Patient?identifier={NUMBER}")).await.len(), 1);
    // Sent as an id by mistake, it stays out of the trail.
    custodian.get(format!("Patient/{NUMBER}")).await.expect(404);
    assert!(!gateway.on_disk().contains(NUMBER));
}

async fn an_update_keeps_the_number_and_a_replica_shows_it(gateway: Gateway) {
    let record = record(&gateway).await;
    let address = record.person();
    record.change(&address, |patient| patient["active"] = json!(false)).await;
    let replica = gateway.replica().await;
    for custodian in [record.custodian.clone(), replica.as_("edpbw-a")] {
        let now = custodian.get(&address).await.expect(200).json;
        assert_eq!((&now["active"], &now["identifier"][0]["value"]), (&json!(false), &json!(NUMBER)));
    }
}

async fn after_its_key_is_destroyed_the_number_is_a_mask_and_the_trail_has_the_receipt(gateway: Gateway) {
    let record = record(&gateway).await;
    let address = record.person();
    assert_eq!(gateway.app.store.destroy_keys(&record.patient, NOW_MS).await.expect("it is destroyed"), 1);
    assert_eq!(write_receipts(&gateway.app).await.expect("it is written"), 1);
    assert_eq!(write_receipts(&gateway.app).await.expect("it answers"), 0, "a receipt is written once");
    for caller in [&record.custodian, &record.grantee] {
        let shown = caller.get(&address).await.expect(200).json;
        assert_eq!(shown["identifier"][0], identifier("***"));
        let history = caller.get(format!("{address}/_history")).await.expect(200);
        assert!(!history.to_string().contains(NUMBER));
        assert!(caller.search(format!("Patient?identifier={NUMBER}")).await.is_empty());
    }
    let events = record.custodian.search(format!("AuditEvent?patient={}", record.patient)).await;
    let receipts: Vec<_> = events.iter().filter(|event| event.to_string().contains("destroy-key")).collect();
    let [receipt] = receipts.as_slice() else { panic!("one receipt: {receipts:?}") };
    let detail = json!({"type": "last-copy", "valueString": "2026-04-05"});
    assert!(receipt.to_string().contains(&detail.to_string()), "{receipt}");
}

async fn a_number_whose_key_is_missing_is_refused_until_an_operator_gives_it_up(gateway: Gateway) {
    let record = record(&gateway).await;
    let address = record.person();
    let before = record.custodian.get(&address).await.expect(200);
    // As in a copy of the key store from before the record was.
    gateway.forget_key(&record.patient).await;
    record.custodian.get(&address).await.expect(500);
    record.custodian.get(format!("Patient?_id={}", record.patient)).await.expect(500);
    let mut changed = before.json.clone();
    changed["identifier"] = json!([identifier("***")]);
    let version = before.header("etag").to_owned();
    record.custodian.put_with(&address, &changed, &[("if-match", &version)]).await.expect(500);

    assert_eq!(give_up(&gateway.app, NOW_MS).await.expect("it is done"), (0, 1));
    assert_eq!(give_up(&gateway.app, NOW_MS).await.expect("it is done"), (0, 0), "it is done once");
    let shown = record.custodian.get(&address).await.expect(200);
    assert_eq!(shown.json["identifier"][0], identifier("***"));
    assert_eq!(shown.header("etag"), version, "nothing was written over it");
    let events = record.custodian.search(format!("AuditEvent?patient={}", record.patient)).await;
    assert_eq!(events.iter().filter(|event| event["subtype"][0]["code"] == "lose-key").count(), 1, "{events:?}");
}

async fn what_only_sealed_values_could_answer_is_refused_and_not_offered(gateway: Gateway) {
    let sealed = Options { settings: vec![("WELLGATE_VAULT_ELEMENTS", "name,telecom")], ..Options::default() };
    let sealed = gateway.beside(sealed).await;
    let custodian = sealed.as_("edpbw-a");
    let mut person = patient();
    person["telecom"] = json!([{"system": "phone", "value": "03 000 00 00"}]);
    let created = custodian.post_with("Patient", &person, &[("if-none-exist", "family=x")]).await.expect(400);
    assert_eq!(created.issues()[0].1, "family", "{created}");
    let id = custodian.create(&person).await;
    let shown = custodian.get(format!("Patient/{id}")).await.expect(200).json;
    assert_eq!((&shown["name"], &shown["telecom"]), (&person["name"], &person["telecom"]));
    for asked in ["family=testpersoon", "name=x", "phone=03", "_sort=family", "_sort=identifier"] {
        let refused = custodian.get(format!("Patient?{asked}")).await.expect(400);
        assert!(refused.details().contains("sealed"), "{asked}: {refused}");
    }
    custodian.get("Patient?address-city=gent&_sort=birthdate").await.expect(200);
    let offered = |statement: &Value| {
        let resources = statement["rest"][0]["resource"].as_array().expect("a list").clone();
        let patient = resources.into_iter().find(|one| one["type"] == "Patient").expect("it is served");
        patient["searchParam"].to_string()
    };
    let (with, without) = (gateway.as_("edpbw-a").get("metadata").await, custodian.get("metadata").await);
    assert!(offered(&with.json).contains("\"family\"") && !offered(&without.json).contains("\"family\""));
    let disk = sealed.on_disk();
    assert!(disk.contains("1990-06-15") && !disk.contains("Testpersoon") && !disk.contains("03 000 00 00"));
}

stories!(
    a_number_whose_key_is_missing_is_refused_until_an_operator_gives_it_up,
    a_transaction_may_ask_by_a_number_whether_a_person_is_there_already,
    what_only_sealed_values_could_answer_is_refused_and_not_offered,
    a_number_is_shown_by_every_way_to_who_may_have_it_and_lies_on_no_disk,
    who_may_not_see_the_person_finds_nobody_by_the_number,
    a_number_in_a_text_is_refused_and_nothing_is_stored,
    an_update_keeps_the_number_and_a_replica_shows_it,
    after_its_key_is_destroyed_the_number_is_a_mask_and_the_trail_has_the_receipt,
);
