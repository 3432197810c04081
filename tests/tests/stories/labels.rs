//! Security labels: what a Consent opens and hides by them, and who writes them: the table, and clients only to add.

use gateway::labels::Label;
use serde_json::{Value, json};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::record::Record;
use wellgate_tests::resources::{bundle, condition, encounter, observation, permit, weight};
use wellgate_tests::stories;

const COLD: &str = "J06.9";
const DEPRESSION: &str = "F32.1";
const DEPENDENCE: &str = "F10.2";

fn coding(code: &str) -> Value {
    let label = Label::from_code(code).expect("a label");
    json!({"system": label.system(), "code": code})
}

fn codings(codes: &[&str]) -> Value {
    codes.iter().map(|code| coding(code)).collect()
}

/// As the gateway writes it.
fn stamped(code: &str) -> Value {
    let mut coding = coding(code);
    coding["userSelected"] = json!(false);
    coding
}

/// A permit of the grantee that is limited to these labels.
fn labelled(codes: &[&str]) -> Value {
    let mut provision = permit(&["elp-1"]);
    provision["securityLabel"] = codings(codes);
    provision
}

/// A letter: restricted for its kind, and about nothing sensitive.
fn letter(patient: &str) -> Value {
    json!({"resourceType": "DocumentReference", "status": "current", "subject": {"reference": format!("Patient/{patient}")},
        "content": [{"attachment": {"title": "TEST-LETTER"}}]})
}

/// The same resource, declared by the client to be so.
fn declared(mut resource: Value, codes: &[&str]) -> Value {
    resource["meta"] = json!({"security": codings(codes)});
    resource
}

fn remove(value: &mut Value, name: &str) {
    value.as_object_mut().expect("an object").shift_remove(name);
}

async fn security(record: &Record<'_>, address: &str) -> Value {
    record.custodian.get(address).await.expect(200).json["meta"]["security"].clone()
}

async fn a_permit_of_what_is_normal_shows_it_and_hides_what_is_sensitive(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    let patient = &record.patient;
    let normal = [condition(patient, COLD), weight(patient), encounter(patient)];
    let sensitive = [condition(patient, DEPRESSION), observation(patient), letter(patient)];
    record.permit(&labelled(&["N"])).await;
    record.shows(&record.person()).await;
    for resource in &normal {
        let address = record.add(resource).await;
        record.shows(&address).await;
    }
    for resource in &sensitive {
        let address = record.add(resource).await;
        record.hides(&address).await;
    }
    // What is searched for says no more than what is shown, though both match.
    let icd = "http://hl7.org/fhir/sid/icd-10";
    for (query, total) in [
        (format!("Condition?patient={patient}"), 1),
        (format!("Condition?code={icd}|{COLD},{icd}|{DEPRESSION}"), 1),
        (format!("Condition?code={icd}|{DEPRESSION}"), 0),
        (format!("Observation?patient={patient}&code=44261-6"), 0),
        (format!("Observation?patient={patient}&_sort=-date&_count=1"), 1),
    ] {
        let found = record.grantee.get(format!("{query}&_total=accurate")).await.expect(200);
        assert_eq!((found.resources().len(), &found.json["total"]), (total, &json!(total)), "{query}");
        assert!(found.link("next").is_none(), "{query}: a page more would tell of what is hidden");
    }
}

async fn bytes_that_may_be_about_anything_are_hidden_by_whatever_names_labels(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    let letter = record.add(&letter(&record.patient)).await;
    let bytes = record
        .add(&json!({"resourceType": "Binary", "contentType": "text/plain", "data": "VEVTVA==",
            "securityContext": {"reference": letter}}))
        .await;
    assert_eq!(security(&record, &bytes).await, json!([stamped("V")]));
    let consent = record.permit(&labelled(&["N", "R"])).await;
    record.shows(&letter).await;
    record.hides(&bytes).await;
    // Without a word about labels it is shown; a deny of one sensitivity suffices to hide it.
    record.change(&consent, |consent| remove(&mut consent["provision"], "securityLabel")).await;
    record.shows(&bytes).await;
    let mut deny = permit(&["elp-1"]);
    (deny["type"], deny["securityLabel"]) = (json!("deny"), codings(&["PSY"]));
    record.permit(&deny).await;
    record.shows(&letter).await;
    record.hides(&bytes).await;
}

async fn a_permit_that_names_the_sensitivity_too_shows_it_for_as_long_as_it_does(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    let patient = &record.patient;
    let cold = record.add(&condition(patient, COLD)).await;
    let depression = record.add(&condition(patient, DEPRESSION)).await;
    let score = record.add(&observation(patient)).await;
    let dependence = record.add(&condition(patient, DEPENDENCE)).await;
    let secret = record.add(&declared(condition(patient, COLD), &["V"])).await;
    let consent = record.permit(&labelled(&["N", "R", "PSY"])).await;
    for shown in [&cold, &depression, &score] {
        record.shows(shown).await;
    }
    // Of two sensitivities both must be named, and what is very restricted by that name.
    for hidden in [&dependence, &secret] {
        record.hides(hidden).await;
    }
    record.change(&consent, |consent| consent["provision"]["securityLabel"] = codings(&["N", "PSY", "ETH", "V"])).await;
    for shown in [&depression, &dependence, &secret] {
        record.shows(shown).await;
    }
    record.change(&consent, |consent| consent["provision"]["securityLabel"] = codings(&["N"])).await;
    record.shows(&cold).await;
    for hidden in [&depression, &score, &dependence, &secret] {
        record.hides(hidden).await;
    }
}

async fn a_permit_of_what_is_restricted_does_not_mean_what_is_sensitive_or_normal(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    let letter = record.add(&letter(&record.patient)).await;
    let depression = record.add(&condition(&record.patient, DEPRESSION)).await;
    record.permit(&labelled(&["R"])).await;
    record.shows(&letter).await;
    record.hides(&depression).await;
    record.hides(&record.person()).await;
}

async fn a_nested_deny_of_a_sensitivity_takes_it_out_of_a_permit_of_everything(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    let patient = &record.patient;
    let cold = record.add(&condition(patient, COLD)).await;
    let depression = record.add(&condition(patient, DEPRESSION)).await;
    let dependence = record.add(&condition(patient, DEPENDENCE)).await;
    let mut provision = permit(&["elp-1"]);
    // Drugs, and what stands below them: alcohol.
    provision["provision"] = json!([{"type": "deny", "securityLabel": [coding("ETH")]}]);
    let consent = record.permit(&provision).await;
    record.shows(&cold).await;
    record.shows(&depression).await;
    record.hides(&dependence).await;
    record.change(&consent, |consent| consent["provision"]["provision"][0]["securityLabel"] = codings(&["PSY"])).await;
    record.shows(&cold).await;
    record.hides(&depression).await;
    record.hides(&dependence).await;
}

async fn the_table_labels_what_is_written_and_no_client_takes_a_label_away(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    record.permit(&labelled(&["N"])).await;
    let depression = record.add(&condition(&record.patient, DEPRESSION)).await;
    let sensitive = json!([stamped("R"), stamped("PSY")]);
    assert_eq!(security(&record, &depression).await, sensitive);
    record.hides(&depression).await;
    record.change(&depression, |sent| remove(sent, "meta")).await;
    assert_eq!(security(&record, &depression).await, sensitive, "without a meta");
    record.change(&depression, |sent| remove(&mut sent["meta"], "security")).await;
    assert_eq!(security(&record, &depression).await, sensitive, "with none");
    record.hides(&depression).await;
    // To call it normal, also in the gateway's own way, is to add a word, and it counts as nothing beside the others.
    for lower in [coding("N"), stamped("N")] {
        record.change(&depression, |sent| sent["meta"]["security"] = json!([lower])).await;
        assert_eq!(security(&record, &depression).await, json!([coding("N"), stamped("R"), stamped("PSY")]));
        record.hides(&depression).await;
    }
    let letter = record.add(&declared(letter(&record.patient), &["N"])).await;
    assert_eq!(security(&record, &letter).await, json!([coding("N"), stamped("R")]));
    record.hides(&letter).await;
    // A transaction is no way around it.
    let created = declared(condition(&record.patient, DEPRESSION), &["N"]);
    let mut changed = created.clone();
    changed["id"] = json!(depression.split('/').nth(1));
    let entries = [("PUT", &*depression, Some(changed)), ("POST", "Condition", Some(created))];
    record.custodian.post("", &bundle("transaction", &entries)).await.expect(200);
    let conditions = record.custodian.search("Condition").await;
    assert_eq!(conditions.len(), 2);
    for condition in conditions {
        let address = &format!("Condition/{}", condition["id"].as_str().expect("an id"));
        assert_eq!(security(&record, address).await, json!([coding("N"), stamped("R"), stamped("PSY")]));
        record.hides(address).await;
    }
    assert_eq!(record.grantee.search("Condition?_total=accurate").await, [json!(null); 0]);
}

async fn a_declared_label_stays_whatever_is_sent_later(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    record.permit(&labelled(&["N", "R"])).await;
    let address = record.add(&declared(weight(&record.patient), &["HIV"])).await;
    let expected = json!([coding("HIV"), stamped("R")]);
    assert_eq!(security(&record, &address).await, expected);
    record.hides(&address).await;
    record.change(&address, |sent| remove(sent, "meta")).await;
    assert_eq!(security(&record, &address).await, expected, "without a meta");
    for said in [stamped("HIV"), stamped("R")] {
        record.change(&address, |sent| sent["meta"]["security"] = json!([said])).await;
        assert_eq!(security(&record, &address).await, expected, "after {said}");
        record.hides(&address).await;
    }
    // Nor by the way over a deletion, of which the grantee does not learn either.
    let mut again = record.custodian.get(&address).await.expect(200).json;
    remove(&mut again, "meta");
    record.custodian.delete(&address).await.expect(204);
    let deleted = record.grantee.get(&address).await.expect(404);
    assert_eq!(deleted.told(), record.grantee.get("Observation/never-was").await.told());
    record.grantee.get(format!("{address}/_history")).await.expect(404);
    record.custodian.put(&address, &again).await.expect(200);
    assert_eq!(security(&record, &address).await, expected, "after a deletion");
    record.hides(&address).await;
    // A new one of the same content has no such history.
    let another = record.add(&weight(&record.patient)).await;
    record.shows(&another).await;
}

async fn a_version_that_was_sensitive_stays_hidden_when_the_newest_is_not(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    record.permit(&labelled(&["N"])).await;
    let address = record.add(&condition(&record.patient, DEPRESSION)).await;
    record.hides(&address).await;
    // The labels of the gateway come back with the rest of the resource: that is no declaration.
    let code = |code| condition("", code)["code"].take();
    record.change(&address, |sent| sent["code"] = code(COLD)).await;
    record.shows(&address).await;
    record.change(&address, |sent| sent["recordedDate"] = json!("2026-02-28")).await;
    record.shows(&address).await;
    let versions = record.versions(&address).await;
    assert_eq!(versions.len(), 3, "the custodian has them all");
    let [newest, older, sensitive] = [0, 1, 2].map(|n| versions[n].clone());
    for shown in [&newest, &older] {
        record.grantee.get(shown).await.expect(200);
    }
    let hidden = record.grantee.get(&sensitive).await.expect(404);
    let unknown = record.grantee.get(format!("{address}/_history/1")).await.expect(404);
    assert_eq!(hidden.told(), unknown.told());
    for path in [format!("{address}/_history"), "Condition/_history".to_owned()] {
        let history = record.grantee.get(&path).await.expect(200);
        assert_eq!(history.resources().len(), 2, "{path}: {history}");
        assert!(!String::from_utf8_lossy(&history.bytes).contains(DEPRESSION), "{path}: {history}");
        let page = record.grantee.get(format!("{path}?_count=2")).await.expect(200);
        assert!(page.link("next").is_none(), "{path}: a page more would tell of it: {page}");
    }
    assert!(record.grantee.search(format!("Condition?code={DEPRESSION}")).await.is_empty());
    // The person and the custodian see what was said.
    let person = gateway.person(&record.person());
    assert_eq!(person.get(&sensitive).await.expect(200).json["code"], code(DEPRESSION));
    // Deleted, it is gone for the grantee, and its past stays as it was.
    record.custodian.delete(&address).await.expect(204);
    record.grantee.get(&address).await.expect(410);
    record.grantee.get(&sensitive).await.expect(404);
    let history = record.grantee.get(format!("{address}/_history")).await.expect(200);
    assert!(!String::from_utf8_lossy(&history.bytes).contains(DEPRESSION), "{history}");
}

async fn a_resource_that_becomes_sensitive_is_hidden_with_all_that_it_was(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    record.permit(&labelled(&["N"])).await;
    let address = record.add(&condition(&record.patient, COLD)).await;
    record.shows(&address).await;
    record.change(&address, |sent| sent["code"] = condition("", DEPRESSION)["code"].take()).await;
    record.hides(&address).await;
    for version in record.versions(&address).await {
        let hidden = record.grantee.get(&version).await.expect(404);
        let unknown = record.grantee.get(format!("{address}/_history/1")).await.expect(404);
        assert_eq!(hidden.told(), unknown.told(), "{version}");
    }
    record.custodian.delete(&address).await.expect(204);
    let deleted = record.grantee.get(&address).await.expect(404);
    assert_eq!(deleted.told(), record.grantee.get("Condition/never-was").await.told(), "not even that it is gone");
    assert!(record.grantee.get("Condition/_history").await.expect(200).resources().is_empty());
}

stories!(
    a_permit_of_what_is_normal_shows_it_and_hides_what_is_sensitive,
    bytes_that_may_be_about_anything_are_hidden_by_whatever_names_labels,
    a_permit_that_names_the_sensitivity_too_shows_it_for_as_long_as_it_does,
    a_permit_of_what_is_restricted_does_not_mean_what_is_sensitive_or_normal,
    a_nested_deny_of_a_sensitivity_takes_it_out_of_a_permit_of_everything,
    the_table_labels_what_is_written_and_no_client_takes_a_label_away,
    a_declared_label_stays_whatever_is_sent_later,
    a_version_that_was_sensitive_stays_hidden_when_the_newest_is_not,
    a_resource_that_becomes_sensitive_is_hidden_with_all_that_it_was,
);
