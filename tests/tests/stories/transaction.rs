//! Batches, where each entry stands alone, and transactions, which are stored whole or not at all.

use serde_json::{Value, json};
use wellgate_tests::caller::Answer;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::resources::{BundleEntry, bundle, consent, encounter, observation, patient, permit};
use wellgate_tests::stories;

async fn one_bad_entry_of_a_batch_leaves_the_others_alone(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&patient()).await;
    let entries = [
        ("POST", "Patient", Some(patient())),
        ("POST", "Patient", Some(json!({"resourceType": "Patient", "actve": true}))),
        ("GET", &*format!("Patient/{person}"), None),
        ("GET", "Patient/never-was", None),
        ("GET", "Patient?identifier=TEST-0001&_total=accurate", None),
        ("POST", "Encounter", Some(encounter("never-was"))),
        ("DELETE", "Patient/never-was", None),
        ("POST", "Nonsense", Some(patient())),
        ("GET", "Patient/x y", None),
    ];
    let answer = elp.post("", &bundle("batch", &entries)).await.expect(200);
    assert_eq!(answer.json["type"], "batch-response");
    let expected = [
        "201 Created",
        "422 Unprocessable Entity",
        "200 OK",
        "404 Not Found",
        "200 OK",
        "422 Unprocessable Entity",
        "404 Not Found",
        "404 Not Found",
        "422 Unprocessable Entity",
    ];
    assert_eq!(statuses(&answer), expected);
    assert_eq!(
        answer.json["entry"][1]["response"]["outcome"]["issue"][0]["expression"][0],
        "Bundle.entry[1].resource.actve"
    );
    assert_eq!(answer.json["entry"][2]["resource"]["id"], json!(person));
    assert_eq!(answer.json["entry"][4]["resource"]["total"], 2, "it sees what was written before it");
}

async fn one_bad_entry_of_a_transaction_leaves_nothing(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&patient()).await;
    let mut changed = patient();
    changed["id"] = json!(person);
    changed["active"] = json!(false);
    let address = format!("Patient/{person}");
    let good = [
        ("POST", "Patient", Some(addressed(patient(), 1))),
        ("POST", "Consent", Some(consent(&urn(1), &permit(&["elp-2"])))),
        ("PUT", &*address, Some(changed)),
    ];
    let bad: [(&str, u16, BundleEntry<'_>); 7] = [
        ("wrong structure", 422, ("POST", "Patient", Some(json!({"resourceType": "Patient", "actve": true})))),
        ("another's record", 422, ("POST", "Encounter", Some(encounter("never-was")))),
        ("a reference to no entry", 422, ("POST", "Observation", Some(observation(&urn(9))))),
        ("nothing to delete", 404, ("DELETE", "Patient/never-was", None)),
        ("another type in the address", 422, ("POST", "Observation", Some(patient()))),
        ("the same resource twice", 422, ("DELETE", &address, None)),
        ("a type that is not served", 404, ("POST", "Appointment", Some(appointment()))),
    ];
    let before = elp.get(&address).await.bytes;
    for (name, status, entry) in bad {
        let entries = [good.to_vec(), vec![entry]].concat();
        let refused = elp.post("", &bundle("transaction", &entries)).await;
        assert_eq!(refused.status, status, "{name}: {refused}");
        assert_eq!(refused.json["resourceType"], "OperationOutcome", "{name}");
        assert_eq!(elp.get(&address).await.bytes, before, "{name}");
        assert_eq!(elp.search("Patient").await.len(), 1, "{name}");
        assert_eq!(elp.search("Consent").await.len(), 0, "{name}");
    }
    elp.post("", &bundle("transaction", &good)).await.expect(200);
    assert_eq!(elp.search("Patient").await.len(), 2);
}

async fn entries_refer_to_each_other_by_their_addresses(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let mut provenance = json!({
        "resourceType": "Provenance", "recorded": "2026-03-01T12:00:00Z", "target": [{"reference": urn(2)}],
        "agent": [{"who": {"reference": "Organization/elp-1"}}],
    });
    // An address in a text is text.
    provenance["entity"] = json!([{"role": "source", "what": {"display": urn(1)}}]);
    let mut seen = observation(&urn(1));
    seen["encounter"] = json!({"reference": urn(2)});
    seen["focus"] = json!([{"reference": urn(1)}, {"reference": urn(2)}]);
    let entries = [
        ("POST", "Provenance", Some(provenance)),
        ("POST", "Observation", Some(seen)),
        ("POST", "Encounter", Some(addressed(encounter(&urn(1)), 2))),
        ("POST", "Patient", Some(addressed(patient(), 1))),
    ];
    let answer = elp.post("", &bundle("transaction", &entries)).await.expect(200);
    assert_eq!(statuses(&answer), ["201 Created"; 4]);
    let place = |n: usize| answer.json["entry"][n]["response"]["location"].as_str().expect("a location").to_owned();
    let address = |n: usize| {
        let path = place(n).split_once("/fhir/").expect("ours").1.to_owned();
        path.split_once("/_history/").expect("a version").0.to_owned()
    };
    let seen = elp.get(address(1)).await.expect(200).json;
    assert_eq!(seen["subject"]["reference"], json!(address(3)));
    assert_eq!(seen["encounter"]["reference"], json!(address(2)));
    assert_eq!(seen["focus"][1]["reference"], json!(address(2)));
    let provenance = elp.get(address(0)).await.expect(200).json;
    assert_eq!(provenance["target"][0]["reference"], json!(address(2)));
    assert_eq!(provenance["entity"][0]["what"]["display"], json!(urn(1)));
}

async fn a_transaction_creates_what_is_not_there_yet(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let mut entries = bundle(
        "transaction",
        &[("POST", "Patient", Some(addressed(patient(), 1))), ("POST", "Encounter", Some(encounter(&urn(1))))],
    );
    entries["entry"][0]["request"]["ifNoneExist"] = json!("identifier=TEST-0001");
    let first = elp.post("", &entries).await.expect(200);
    assert_eq!(statuses(&first), ["201 Created", "201 Created"]);
    let second = elp.post("", &entries).await.expect(200);
    assert_eq!(statuses(&second), ["200 OK", "201 Created"]);
    assert_eq!(elp.search("Patient").await.len(), 1);
    let person = elp.search("Patient").await[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(elp.search(format!("Encounter?patient={person}")).await.len(), 2, "both lie in the one record");
}

async fn a_transaction_holds_to_the_versions_it_was_decided_on(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let created = elp.post("Patient", &patient()).await.expect(201);
    let address = format!("Patient/{}", created.id());
    let mut put =
        bundle("transaction", &[("PUT", &address, Some(created.json.clone())), ("POST", "Patient", Some(patient()))]);
    put["entry"][0]["request"]["ifMatch"] = json!("W/\"1\"");
    elp.post("", &put).await.expect(412);
    assert_eq!(elp.search("Patient").await.len(), 1);
    put["entry"][0]["request"]["ifMatch"] = json!(created.etag());
    elp.post("", &put).await.expect(200);
    elp.post("", &put).await.expect(412);
    assert_eq!(elp.search("Patient").await.len(), 2);
}

async fn a_key_makes_a_transaction_safe_to_repeat(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let entries = bundle("transaction", &[("POST", "Patient", Some(patient())), ("POST", "Patient", Some(patient()))]);
    let key = [("idempotency-key", "TEST-KEY")];
    let first = elp.post_with("", &entries, &key).await.expect(200);
    let again = elp.post_with("", &entries, &key).await.expect(200);
    assert_eq!(first.bytes, again.bytes);
    assert_eq!(elp.search("Patient").await.len(), 2);
    let other = bundle("transaction", &[("POST", "Patient", Some(patient()))]);
    elp.post_with("", &other, &key).await.expect(422);
}

async fn the_reads_of_a_transaction_see_what_it_wrote(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let entries = [
        ("GET", "Patient?identifier=TEST-0001&_total=accurate", None),
        ("POST", "Patient", Some(patient())),
        ("GET", "Patient/never-was", None),
    ];
    let answer = elp.post("", &bundle("transaction", &entries)).await.expect(200);
    assert_eq!(answer.json["entry"][0]["resource"]["total"], 1);
    assert_eq!(statuses(&answer), ["200 OK", "201 Created", "404 Not Found"]);
}

async fn what_is_no_request_is_refused_whole(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut wrong = bundle("transaction", &[("POST", "Patient", Some(patient()))]);
        change(&mut wrong);
        wrong
    };
    let cases: [(&str, Value); 9] = [
        ("a type that asks nothing", with(&|wrong| wrong["type"] = json!("collection"))),
        ("no type", with(&|wrong| drop(wrong.as_object_mut().expect("an object").shift_remove("type")))),
        ("another resource", patient()),
        (
            "no request",
            with(&|wrong| drop(wrong["entry"][0].as_object_mut().expect("an object").shift_remove("request"))),
        ),
        ("no such method", with(&|wrong| wrong["entry"][0]["request"]["method"] = json!("HEAD"))),
        (
            "an absolute address",
            with(&|wrong| wrong["entry"][0]["request"]["url"] = json!("https://elsewhere.example/fhir/Patient")),
        ),
        ("an id to create under", with(&|wrong| wrong["entry"][0]["request"]["url"] = json!("Patient/mine"))),
        (
            "no resource",
            with(&|wrong| drop(wrong["entry"][0].as_object_mut().expect("an object").shift_remove("resource"))),
        ),
        ("an entry that is none", with(&|wrong| wrong["entry"] = json!(["TEST"]))),
    ];
    for (name, wrong) in cases {
        let refused = elp.post("", &wrong).await;
        assert_eq!(refused.status, 422, "{name}: {refused}");
        assert!(!refused.issues()[0].1.is_empty(), "{name}: it names the element: {refused}");
    }
    assert_eq!(elp.search("Patient").await.len(), 0);
}

fn appointment() -> Value {
    json!({"resourceType": "Appointment", "status": "proposed", "participant": [{"status": "needs-action"}]})
}

fn statuses(answer: &Answer) -> Vec<String> {
    let entries = answer.json["entry"].as_array().cloned().unwrap_or_default();
    entries.iter().map(|entry| entry["response"]["status"].as_str().unwrap_or_default().to_owned()).collect()
}

fn urn(n: u8) -> String {
    format!("urn:uuid:00000000-0000-4000-8000-00000000000{n}")
}

fn addressed(mut resource: Value, n: u8) -> Value {
    resource["id"] = json!(urn(n));
    resource
}

stories!(
    one_bad_entry_of_a_batch_leaves_the_others_alone,
    one_bad_entry_of_a_transaction_leaves_nothing,
    entries_refer_to_each_other_by_their_addresses,
    a_transaction_creates_what_is_not_there_yet,
    a_transaction_holds_to_the_versions_it_was_decided_on,
    a_key_makes_a_transaction_safe_to_repeat,
    the_reads_of_a_transaction_see_what_it_wrote,
    what_is_no_request_is_refused_whole,
);
