//! <https://hl7.org/fhir/R4/http.html#transaction>: criteria, versions and patches in entries, and batches whose entries go at once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::referral::refusals;
use wellgate_tests::resources::{bundle, consent, encounter, observation, permit};
use wellgate_tests::stories;

use super::{by, identified, statuses};

fn binary(operations: &Value) -> Value {
    let data = STANDARD.encode(operations.to_string());
    json!({"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data})
}

fn delete_birth_date() -> Value {
    json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
        {"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": "Patient.birthDate"}]}]})
}

async fn patch_entries_come_as_parameters_or_binary(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for kind in ["transaction", "batch"] {
        let (one, two) = (elp.create(&identified("TEST-1")).await, elp.create(&identified("TEST-2")).await);
        let (one, two) = (format!("Patient/{one}"), format!("Patient/{two}"));
        let entries = [
            ("PATCH", &*one, Some(binary(&json!([{"op": "replace", "path": "/active", "value": false}])))),
            ("PATCH", &*two, Some(delete_birth_date())),
        ];
        let answer = elp.post("", &bundle(kind, &entries)).await.expect(200);
        assert_eq!(statuses(&answer), [200, 200], "{kind}: {answer}");
        assert_eq!(elp.get(&one).await.json["active"], false, "{kind}");
        assert_eq!(elp.get(&two).await.json.get("birthDate"), None, "{kind}");
    }
}

async fn a_patch_entry_that_does_not_apply_leaves_nothing_of_a_transaction(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let id = elp.create(&identified("TEST-1")).await;
    let path = format!("Patient/{id}");
    let before = elp.get(&path).await.told();
    let wrong = [
        (422, Some(binary(&json!([{"op": "test", "path": "/active", "value": false}])))),
        (422, Some(json!({"resourceType": "Binary", "contentType": "text/plain", "data": "W10="}))),
        (422, Some(json!({"resourceType": "Binary", "contentType": "application/json-patch+json", "data": "W10"}))),
        (422, Some(identified("TEST-1"))),
        (422, None),
        (400, Some(binary(&json!([{"op": "x"}])))),
    ];
    for (status, patch) in wrong {
        let entries = [("POST", "Patient", Some(identified("TEST-2"))), ("PATCH", &*path, patch)];
        elp.post("", &bundle("transaction", &entries)).await.expect(status);
        let answer = elp.post("", &bundle("batch", &entries[1..])).await.expect(200);
        assert_eq!(statuses(&answer), [status], "{answer}");
        assert_eq!(elp.get(&path).await.told(), before);
        assert_eq!(elp.search("Patient").await.len(), 1);
    }
    assert!(refusals(&elp, Some(&id)).await.len() >= 6, "they are in the trail of the record");
}

async fn entries_find_what_they_write_by_criteria(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let id = elp.create(&identified("TEST-1")).await;
    let gone = elp.create(&identified("TEST-2")).await;
    let (one, two, three, none) = (by("TEST-1"), by("TEST-2"), by("TEST-3"), by("TEST-9"));
    let address = |criteria: &str| format!("Patient?{criteria}");
    let (one, two, three, none) = (address(&one), address(&two), address(&three), address(&none));
    let mut changed = identified("TEST-1");
    changed["active"] = json!(false);
    let entries = [
        ("PUT", &*one, Some(changed)),
        ("DELETE", &*two, None),
        ("PUT", &*three, Some(identified("TEST-3"))),
        ("DELETE", &*none, None),
    ];
    let answer = elp.post("", &bundle("transaction", &entries)).await.expect(200);
    assert_eq!(statuses(&answer), [200, 204, 201, 204], "{answer}");
    assert_eq!(elp.get(format!("Patient/{id}")).await.json["active"], false);
    elp.get(format!("Patient/{gone}")).await.expect(410);
    assert_eq!(elp.search("Patient").await.len(), 2);
    let answer = elp.post("", &bundle("batch", &entries)).await.expect(200);
    assert_eq!(statuses(&answer), [200, 204, 200, 204], "{answer}");
}

async fn criteria_that_several_or_none_fulfil_end_a_transaction(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for _ in 0..2 {
        elp.create(&identified("TEST-1")).await;
    }
    let several = format!("Patient?{}", by("TEST-1"));
    let none = format!("Patient?{}", by("TEST-9"));
    let flip = binary(&json!([{"op": "replace", "path": "/active", "value": false}]));
    for (status, entry) in [
        (412, ("PUT", &*several, Some(identified("TEST-1")))),
        (412, ("DELETE", &*several, None)),
        (412, ("PATCH", &*several, Some(flip.clone()))),
        (404, ("PATCH", &*none, Some(flip))),
    ] {
        let entries = [("POST", "Patient", Some(identified("TEST-2"))), entry];
        elp.post("", &bundle("transaction", &entries)).await.expect(status);
        let answer = elp.post("", &bundle("batch", &entries[1..])).await.expect(200);
        assert_eq!(statuses(&answer), [status], "{answer}");
    }
    assert_eq!(elp.search("Patient").await.len(), 2, "nothing was stored");
}

async fn a_conditional_reference_is_resolved(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&identified("TEST-1")).await;
    let literal = format!("Patient?{}", by("TEST-1"));
    let mut seen = observation("x");
    seen["subject"]["reference"] = json!(literal);
    let mut met = encounter("x");
    met["subject"]["reference"] = json!(literal);
    let entries = [("POST", "Observation", Some(seen)), ("POST", "Encounter", Some(met))];
    elp.post("", &bundle("transaction", &entries)).await.expect(200);
    for found in ["Observation", "Encounter"] {
        assert_eq!(elp.search(found).await[0]["subject"]["reference"], format!("Patient/{person}"), "{found}");
    }
    // In a batch it is none: https://hl7.org/fhir/R4/http.html#trules
    assert_eq!(statuses(&elp.post("", &bundle("batch", &entries)).await.expect(200)), [422, 422]);
}

async fn a_conditional_reference_to_none_or_several_is_412(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for value in ["TEST-1", "TEST-2", "TEST-2"] {
        elp.create(&identified(value)).await;
    }
    // Another's, which a Consent even shows.
    let other = gateway.as_("elp-2");
    let person = other.create(&identified("TEST-3")).await;
    other.create(&consent(&person, &permit(&["elp-1"]))).await;
    let mut told = Vec::new();
    for (value, code) in [("TEST-9", "not-found"), ("TEST-3", "not-found"), ("TEST-2", "multiple-matches")] {
        let mut seen = observation("x");
        seen["subject"]["reference"] = json!(format!("Patient?{}", by(value)));
        let entries = [("POST", "Patient", Some(identified("TEST-4"))), ("POST", "Observation", Some(seen))];
        let refused = elp.post("", &bundle("transaction", &entries)).await.expect(412);
        assert_eq!(refused.issues(), [(code.to_owned(), "Bundle.entry[1].resource".to_owned())]);
        told.push(refused.told());
    }
    assert_eq!(told[0], told[1], "another's is as unknown as none");
    assert_eq!(elp.search("Observation").await.len(), 0);
    assert_eq!(elp.search(format!("Patient?{}", by("TEST-4"))).await.len(), 0);
}

async fn if_match_in_an_entry_holds_for_each_method(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let created = elp.post("Patient", &identified("TEST-1")).await.expect(201);
    let path = format!("Patient/{}", created.id());
    let flip = binary(&json!([{"op": "replace", "path": "/active", "value": false}]));
    let before = elp.get(&path).await.told();
    for kind in ["transaction", "batch"] {
        for (method, resource) in [("PUT", Some(created.json.clone())), ("PATCH", Some(flip.clone())), ("DELETE", None)]
        {
            let mut stale = bundle(kind, &[(method, &path, resource)]);
            stale["entry"][0]["request"]["ifMatch"] = json!("W/\"1\"");
            let answer = elp.post("", &stale).await;
            if kind == "batch" {
                assert_eq!(statuses(&answer), [412], "{method}: {answer}");
            } else {
                answer.expect(412);
            }
            assert_eq!(elp.get(&path).await.told(), before, "{kind}: {method}");
        }
    }
    let mut current = bundle("transaction", &[("PATCH", &path, Some(flip))]);
    current["entry"][0]["request"]["ifMatch"] = json!(created.etag());
    elp.post("", &current).await.expect(200);
}

async fn a_read_in_a_bundle_knows_if_none_match(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let created = elp.post("Patient", &identified("TEST-1")).await.expect(201);
    let path = format!("Patient/{}", created.id());
    for kind in ["transaction", "batch"] {
        let mut read = bundle(kind, &[("GET", &path, None), ("GET", &path, None)]);
        read["entry"][0]["request"]["ifNoneMatch"] = json!(created.etag());
        let answer = elp.post("", &read).await.expect(200);
        assert_eq!(statuses(&answer), [304, 200], "{kind}");
        assert_eq!(answer.json["entry"][0].get("resource"), None, "{kind}");
    }
    let mut hidden = bundle("batch", &[("GET", &path, None)]);
    hidden["entry"][0]["request"]["ifNoneMatch"] = json!(created.etag());
    assert_eq!(statuses(&gateway.as_("elp-2").post("", &hidden).await), [404]);
}

async fn the_answers_of_a_batch_keep_the_order_of_its_entries(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let many: Vec<_> = (0..40)
        .map(|n| {
            if n % 7 == 3 {
                ("DELETE", "Patient/never-was", None)
            } else {
                ("POST", "Patient", Some(identified(&format!("TEST-{n}"))))
            }
        })
        .collect();
    let answer = elp.post("", &bundle("batch", &many)).await.expect(200);
    for (n, status) in statuses(&answer).into_iter().enumerate() {
        assert_eq!(status, if n % 7 == 3 { 404 } else { 201 }, "one bad entry fails no other: {n}");
        if status == 201 {
            let location = answer.json["entry"][n]["response"]["location"].as_str().expect("a location");
            let path = location.split_once("/fhir/").expect("ours").1;
            assert_eq!(elp.get(path).await.json["identifier"][0]["value"], format!("TEST-{n}"));
        }
    }
}

async fn a_batch_means_the_same_however_many_entries_go_at_once(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let id = elp.create(&identified("TEST-1")).await;
    let path = format!("Patient/{id}");
    let add = |name: &str| binary(&json!([{"op": "add", "path": "/name/0/given/-", "value": name}]));
    let names = ["A", "B", "C", "D", "E"];
    let mut entries: Vec<_> = names.iter().map(|name| ("PATCH", &*path, Some(add(name)))).collect();
    entries.push(("GET", &*path, None));
    entries.push(("DELETE", &*path, None));
    entries.push(("GET", &*path, None));
    let answer = elp.post("", &bundle("batch", &entries)).await.expect(200);
    assert_eq!(statuses(&answer), [200, 200, 200, 200, 200, 200, 204, 410]);
    assert_eq!(answer.json["entry"][5]["resource"]["name"][0]["given"], json!(["Ann", "A", "B", "C", "D", "E"]));
}

mod one_at_a_time {
    use wellgate_tests::gateway::Options;
    use wellgate_tests::stories;

    use super::{
        a_batch_means_the_same_however_many_entries_go_at_once, the_answers_of_a_batch_keep_the_order_of_its_entries,
    };

    fn one() -> Options {
        Options { settings: vec![("WELLGATE_LIMITS_BATCH_ENTRIES_AT_ONCE", "1")], ..Options::default() }
    }

    stories!(with one;
        a_batch_means_the_same_however_many_entries_go_at_once,
        the_answers_of_a_batch_keep_the_order_of_its_entries,
    );
}

stories!(
    patch_entries_come_as_parameters_or_binary,
    a_patch_entry_that_does_not_apply_leaves_nothing_of_a_transaction,
    entries_find_what_they_write_by_criteria,
    criteria_that_several_or_none_fulfil_end_a_transaction,
    a_conditional_reference_is_resolved,
    a_conditional_reference_to_none_or_several_is_412,
    if_match_in_an_entry_holds_for_each_method,
    a_read_in_a_bundle_knows_if_none_match,
    the_answers_of_a_batch_keep_the_order_of_its_entries,
    a_batch_means_the_same_however_many_entries_go_at_once,
);
