//! Consents about a part of the data: resource types, the time that data is about, single resources and what belongs to them.

use serde_json::{Value, json};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::record::Record;
use wellgate_tests::resources::{bundle, condition, consent, encounter, observation, permit, weight};
use wellgate_tests::stories;

fn classes(types: &[&str]) -> Value {
    types.iter().map(|code| json!({"system": "http://hl7.org/fhir/resource-types", "code": code})).collect()
}

fn literal(reference: &str) -> Value {
    json!({"reference": reference})
}

/// One entry of `data`.
fn meant(meaning: &str, reference: &str) -> Value {
    json!([{"meaning": meaning, "reference": {"reference": reference}}])
}

/// A permit of the grantee with one element more.
fn limited(name: &str, limit: Value) -> Value {
    let mut provision = permit(&["elp-1"]);
    provision[name] = limit;
    provision
}

/// A permit of the grantee for everything but what a nested deny is about.
fn except(name: &str, limit: Value) -> Value {
    let mut deny = json!({"type": "deny"});
    deny[name] = limit;
    limited("provision", json!([deny]))
}

/// A weight at this moment or in this Period.
fn weighed(patient: &str, when: Value) -> Value {
    let mut weight = weight(patient);
    weight.as_object_mut().expect("a resource").shift_remove("effectiveDateTime");
    let name = if when.is_string() { "effectiveDateTime" } else { "effectivePeriod" };
    weight[name] = when;
    weight
}

/// What was observed at an encounter.
fn at(encounter: &str, mut resource: Value) -> Value {
    resource["encounter"] = literal(encounter);
    resource
}

async fn a_nested_deny_of_a_type_hides_that_type_and_no_other(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    let patient = &record.patient;
    let condition = record.add(&condition(patient, "J06.9")).await;
    let others = [record.add(&observation(patient)).await, record.add(&encounter(patient)).await, record.person()];
    let consent = record.permit(&except("class", classes(&["Condition"]))).await;
    record.hides(&condition).await;
    for other in &others {
        record.shows(other).await;
    }
    record.change(&consent, |consent| consent["provision"] = permit(&["elp-1"])).await;
    record.shows(&condition).await;
}

async fn a_permit_of_types_shows_these_and_no_other(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    let patient = &record.patient;
    let observation = record.add(&observation(patient)).await;
    let encounter = record.add(&encounter(patient)).await;
    let condition = record.add(&condition(patient, "J06.9")).await;
    record.permit(&limited("class", classes(&["Observation", "Encounter"]))).await;
    for shown in [&observation, &encounter] {
        record.shows(shown).await;
    }
    for hidden in [&condition, &record.person()] {
        record.hides(hidden).await;
    }
    assert_eq!(record.grantee.search(format!("Observation?patient={patient}")).await.len(), 1, "without the Patient");
}

async fn a_permit_of_a_time_shows_what_lies_wholly_within(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    record.permit(&limited("dataPeriod", json!({"start": "2026-01-10", "end": "2026-02-28"}))).await;
    let within = [
        json!("2026-01-10"),
        json!("2026-02"),
        json!("2026-02-28T23:59:59Z"),
        json!({"start": "2026-01-10T00:00:00Z", "end": "2026-02-28"}),
    ];
    let beyond = [
        json!("2026-03-01"),
        json!("2026-01-09T23:59:59Z"),
        json!("2026-01"),
        json!("2026"),
        json!({"start": "2026-02-01", "end": "2026-03-01"}),
        json!({"start": "2026-02-01"}),
        json!({"end": "2026-02-01"}),
    ];
    for (status, times) in [(200, &within[..]), (404, &beyond[..])] {
        for time in times {
            let address = record.add(&weighed(&record.patient, time.clone())).await;
            assert_eq!(record.grantee.get(&address).await.status, status, "{time}");
        }
    }
    let of_time = async |time: &Value| record.add(&weighed(&record.patient, time.clone())).await;
    record.shows(&of_time(&within[0]).await).await;
    record.hides(&of_time(&beyond[0]).await).await;
    // What says no time of its own is from when it was recorded, and that is now.
    record.hides(&record.person()).await;
    let mut undated = weight(&record.patient);
    undated.as_object_mut().expect("a resource").shift_remove("effectiveDateTime");
    let undated = record.add(&undated).await;
    record.hides(&undated).await;
    let found = record.grantee.get(format!("Observation?patient={}&_total=accurate", record.patient)).await.expect(200);
    assert_eq!(found.json["total"], 5, "those within");
}

async fn a_nested_deny_of_a_time_hides_what_touches_it(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    record.permit(&except("dataPeriod", json!({"start": "2026-02-01", "end": "2026-02-10"}))).await;
    for touching in [json!("2026-02-10"), json!("2026-02"), json!({"start": "2026-01-01", "end": "2026-02-01"})] {
        let address = record.add(&weighed(&record.patient, touching)).await;
        record.hides(&address).await;
    }
    for outside in [json!("2026-01-31"), json!("2026-02-11"), json!({"start": "2026-02-11"})] {
        let address = record.add(&weighed(&record.patient, outside)).await;
        record.shows(&address).await;
    }
    record.shows(&record.person()).await;
}

async fn a_version_from_another_time_stays_hidden_when_the_newest_is_within(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    record.permit(&limited("dataPeriod", json!({"start": "2026-02-01"}))).await;
    let address = record.add(&weighed(&record.patient, json!("2026-01-15"))).await;
    record.hides(&address).await;
    record.change(&address, |sent| sent["effectiveDateTime"] = json!("2026-02-15")).await;
    record.shows(&address).await;
    let versions = record.versions(&address).await;
    record.grantee.get(&versions[0]).await.expect(200);
    let hidden = record.grantee.get(&versions[1]).await.expect(404);
    let unknown = record.grantee.get(format!("{address}/_history/1")).await.expect(404);
    assert_eq!(hidden.told(), unknown.told());
    let history = record.grantee.get(format!("{address}/_history")).await.expect(200);
    assert!(history.resources().len() == 1 && !history.told().contains("2026-01-15"), "{history}");
}

async fn a_permit_of_an_instance_shows_that_resource_and_nothing_that_belongs_to_it(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    let patient = &record.patient;
    let named = record.add(&encounter(patient)).await;
    let other = record.add(&encounter(patient)).await;
    let observed = record.add(&at(&named, weight(patient))).await;
    record.permit(&limited("data", meant("instance", &named))).await;
    record.shows(&named).await;
    for hidden in [&other, &observed, &record.person()] {
        record.hides(hidden).await;
    }
}

async fn dependents_are_a_resource_and_what_refers_to_it(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    let patient = &record.patient;
    let named = record.add(&encounter(patient)).await;
    let observed = record.add(&at(&named, weight(patient))).await;
    let unbound = record.add(&weight(patient)).await;
    let consent = record.permit(&limited("data", meant("dependents", &named))).await;
    for shown in [&named, &observed] {
        record.shows(shown).await;
    }
    for hidden in [&unbound, &record.person()] {
        record.hides(hidden).await;
    }
    // What comes to it later belongs to it too.
    let later = record.add(&at(&named, condition(patient, "J06.9"))).await;
    record.shows(&later).await;
    record.change(&consent, |consent| consent["provision"] = except("data", meant("dependents", &named))).await;
    for hidden in [&named, &observed, &later] {
        record.hides(hidden).await;
    }
    for shown in [&unbound, &record.person()] {
        record.shows(shown).await;
    }
    // Where a version lets go of it, the versions that did not stay hidden.
    record.change(&observed, |sent| drop(sent.as_object_mut().expect("a resource").shift_remove("encounter"))).await;
    record.shows(&observed).await;
    let versions = record.versions(&observed).await;
    let hidden = record.grantee.get(&versions[1]).await.expect(404);
    assert_eq!(hidden.told(), record.grantee.get(format!("{observed}/_history/1")).await.told());
    let history = record.grantee.get(format!("{observed}/_history")).await.expect(200);
    assert!(history.resources().len() == 1 && !history.told().contains(&named), "{history}");
}

async fn what_refers_by_another_form_of_the_address_is_a_dependent_all_the_same(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    let patient = &record.patient;
    let (of_encounter, of_observation) =
        ("urn:uuid:0198f2a0-0000-7000-8000-000000000001", "urn:uuid:0198f2a0-0000-7000-8000-000000000002");
    let (mut contact, mut observed) = (encounter(patient), at(of_encounter, weight(patient)));
    contact["id"] = json!(of_encounter);
    observed["id"] = json!(of_observation);
    let entries = [("POST", "Encounter", Some(contact)), ("POST", "Observation", Some(observed))];
    record.custodian.post("", &bundle("transaction", &entries)).await.expect(200);
    let address = async |resource_type: &str| {
        let found = record.custodian.search(resource_type).await;
        format!("{resource_type}/{}", found[0]["id"].as_str().expect("an id"))
    };
    let (named, of_transaction) = (address("Encounter").await, address("Observation").await);
    let version = record.versions(&named).await.remove(0);
    let of_version = record.add(&at(&version, weight(patient))).await;
    let absolute = record.add(&at(&format!("{}/{named}", gateway.base), weight(patient))).await;
    record.permit(&except("data", meant("dependents", &named))).await;
    for hidden in [&named, &of_transaction, &of_version, &absolute] {
        record.hides(hidden).await;
    }
    record.shows(&record.person()).await;
}

async fn related_is_also_what_a_resource_refers_to_but_for_the_patient(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    let patient = &record.patient;
    let reason = record.add(&condition(patient, "J06.9")).await;
    let mut contact = encounter(patient);
    contact["reasonReference"] = json!([literal(&reason)]);
    let named = record.add(&contact).await;
    let observed = record.add(&at(&named, weight(patient))).await;
    let unbound = record.add(&condition(patient, "J06.9")).await;
    record.permit(&limited("data", meant("related", &named))).await;
    for shown in [&named, &observed, &reason] {
        record.shows(shown).await;
    }
    for hidden in [&unbound, &record.person()] {
        record.hides(hidden).await;
    }
}

async fn authored_by_somebody_is_what_names_them_as_its_author(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    let patient = &record.patient;
    let by = |name: &str, practitioner: &str, mut resource: Value| {
        resource[name] = literal(&format!("Practitioner/{practitioner}"));
        resource
    };
    let performed = |practitioner: &str| {
        let mut weight = weight(patient);
        weight["performer"] = json!([literal(&format!("Practitioner/{practitioner}"))]);
        weight
    };
    let own = [
        record.add(&performed("adviser-1")).await,
        record.add(&by("recorder", "adviser-1", condition(patient, "J06.9"))).await,
        record.add(&by("asserter", "adviser-1", condition(patient, "J06.9"))).await,
    ];
    let others = [
        record.add(&performed("doctor-1")).await,
        record.add(&by("recorder", "doctor-1", condition(patient, "J06.9"))).await,
        record.add(&weight(patient)).await,
        record.person(),
    ];
    let author = meant("authoredby", "Practitioner/adviser-1");
    let consent = record.permit(&limited("data", author.clone())).await;
    for shown in &own {
        record.shows(shown).await;
    }
    for hidden in &others {
        record.hides(hidden).await;
    }
    record.change(&consent, |consent| consent["provision"] = except("data", author)).await;
    for hidden in &own {
        record.hides(hidden).await;
    }
    for shown in &others {
        record.shows(shown).await;
    }
    // An organisation is the author of what it wrote.
    let author = meant("authoredby", "Organization/edpbw-a");
    record.change(&consent, |consent| consent["provision"] = except("data", author)).await;
    record.hides(&others[2]).await;
}

async fn a_limit_that_would_not_be_enforced_is_refused_and_opens_nothing(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    let observed = record.add(&weight(&record.patient)).await;
    let other = Record::begin(&gateway).await;
    let elsewhere = other.add(&encounter(&other.patient)).await;
    for (name, limit, place) in [
        (
            "securityLabel",
            json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "TEST"}]),
            "securityLabel[0]",
        ),
        ("securityLabel", json!([]), "securityLabel"),
        ("class", classes(&["Test"]), "class[0]"),
        ("dataPeriod", json!({"start": "2026-03-01", "end": "2026-02-01"}), "dataPeriod"),
        ("data", meant("instance", "Encounter/never-was"), "data[0].reference"),
        ("data", meant("instance", &elsewhere), "data[0].reference"),
        ("data", meant("authoredby", "Practitioner/never-was"), "data[0].reference"),
    ] {
        let sent = consent(&record.patient, &limited(name, limit));
        let refused = record.custodian.post("Consent", &sent).await.expect(422);
        let named = refused.issues();
        assert!(named.iter().any(|(_, at)| at.ends_with(place)), "{name}: {refused}");
    }
    record.hides(&observed).await;
    assert!(record.custodian.search(format!("Consent?patient={}", record.patient)).await.is_empty(), "none is stored");
}

stories!(
    a_nested_deny_of_a_type_hides_that_type_and_no_other,
    a_permit_of_types_shows_these_and_no_other,
    a_permit_of_a_time_shows_what_lies_wholly_within,
    a_nested_deny_of_a_time_hides_what_touches_it,
    a_version_from_another_time_stays_hidden_when_the_newest_is_within,
    a_permit_of_an_instance_shows_that_resource_and_nothing_that_belongs_to_it,
    dependents_are_a_resource_and_what_refers_to_it,
    what_refers_by_another_form_of_the_address_is_a_dependent_all_the_same,
    related_is_also_what_a_resource_refers_to_but_for_the_patient,
    authored_by_somebody_is_what_names_them_as_its_author,
    a_limit_that_would_not_be_enforced_is_refused_and_opens_nothing,
);
