//! Every published example over HTTP: taken and given back as it was, or refused for a reason that is right.

use std::collections::HashMap;

use gateway::search::overlay::{belongs, owner_references};
use serde_json::{Value, json};
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::corpus::{Example, corpus, examples};
use wellgate_tests::gateway::{Gateway, Options};
use wellgate_tests::raw::content;
use wellgate_tests::stories;

/// What they say of their person is a name, an identifier, a contained resource or nothing: no record here.
const NO_PATIENT: &str = "reference a Patient";
/// What they are about was never sent here.
const ELSEWHERE: &str = "this reference does not resolve";
/// An active Consent with an element that would not be enforced exactly.
const UNENFORCED: &str = "is not enforced by this gateway";
/// Who collects, signs or grants is no recipient, and only recipients can be held to it.
const ROLE: &str = "only recipients are enforced";
/// Nobody of that name is registered here.
const NOBODY: &str = "registered here";
/// Without a type, a period alone neither permits nor denies.
const UNCERTAIN: &str = "neither permits nor denies";
/// Without a type, what is named may be meant either way: HL7's own examples mean both.
const PERMITTED_OR_EXCLUDED: &str = "is permitted or excluded";
/// What a rule names was never sent here.
const NOT_IN_RECORD: &str = "resolves in this record";
/// A Consent lets others read; that somebody may not record anything is beyond it.
const READING_ONLY: &str = "a deny is enforced for access, use and disclose only";

/// Only the gateway knows whether an address was reached.
const GATEWAYS: &str = "the gateway's to say";
/// A search as criteria is served by nobody: there are topics.
const NO_TOPIC: &str = "one of the topics";

/// Examples that are refused with 422: file, element, what is said of it and why that is right.
const REFUSED: &[(&str, &str, &str)] = &[
    ("be-core/Observation-coded-annotation.json", "Observation.subject", NO_PATIENT),
    ("be-core/Provenance-provenance1.json", "Provenance.target", ELSEWHERE),
    (
        "be-referral/ServiceRequest-diagnostic-imaging-basic-example-everything-contained.json",
        "ServiceRequest.subject",
        NO_PATIENT,
    ),
    (
        "ihe-pcf/Consent-ex-consent-advanced-normal-break-glass-restricted.json",
        "Consent.provision.provision[0].actor[0].reference",
        NOBODY,
    ),
    (
        "ihe-pcf/Consent-ex-consent-advanced-normal-focused-psy.json",
        "Consent.provision.provision[0].actor[0].reference",
        NOBODY,
    ),
    ("ihe-pcf/Consent-ex-consent-intermediate-data.json", "Consent.provision.data[0].reference", NOT_IN_RECORD),
    (
        "ihe-pcf/Consent-ex-consent-intermediate-not-authoredby.json",
        "Consent.provision.provision[0].data[0].reference",
        NOT_IN_RECORD,
    ),
    (
        "ihe-pcf/Consent-ex-consent-intermediate-not-encounter.json",
        "Consent.provision.provision[0].data[0].reference",
        NOT_IN_RECORD,
    ),
    ("ihe-pcf/Consent-ex-consent-intermediate-purpose.json", "Consent.provision.actor[0].reference", NOBODY),
    (
        "ihe-pcf/Consent-ex-dissent-intermediate-break-glass.json",
        "Consent.provision.provision[0].actor[0].reference",
        NOBODY,
    ),
    ("ihe-pcf/DocumentReference-ex-consent-ink.json", "DocumentReference.subject", NO_PATIENT),
    ("r4-examples/claim-example-cms1500-medical.json", "Claim.patient", NO_PATIENT),
    ("r4-examples/claim-example-oral-contained-identifier.json", "Claim.patient", NO_PATIENT),
    ("r4-examples/claim-example-oral-contained.json", "Claim.patient", NO_PATIENT),
    ("r4-examples/claim-example-oral-identifier.json", "Claim.patient", NO_PATIENT),
    ("r4-examples/consent-example-Emergency.json", "Consent.provision.actor[0].role", ROLE),
    ("r4-examples/consent-example-Out.json", "Consent.provision.actor[0].role", ROLE),
    ("r4-examples/consent-example-grantor.json", "Consent.provision.actor[0].role", ROLE),
    ("r4-examples/consent-example-notAuthor.json", "Consent.provision.actor[0].role", ROLE),
    ("r4-examples/consent-example-notOrg.json", "Consent.provision.action", READING_ONLY),
    ("r4-examples/consent-example-notThem.json", "Consent.provision.type", PERMITTED_OR_EXCLUDED),
    ("r4-examples/consent-example-notThis.json", "Consent.provision.type", PERMITTED_OR_EXCLUDED),
    ("r4-examples/consent-example-notTime.json", "Consent.provision.type", UNCERTAIN),
    ("r4-examples/consent-example-pkb.json", "Consent.provision.provision[0].type", "type is required"),
    ("r4-examples/consent-example-signature.json", "Consent.provision.provision[0].code", UNENFORCED),
    ("r4-examples/consent-example.json", "Consent.provision.type", UNCERTAIN),
    ("r4-examples/provenance-consent-signature.json", "Provenance.target", ELSEWHERE),
    ("r4-examples/provenance-example-biocompute-object.json", "Provenance.target", ELSEWHERE),
    ("r4-examples/provenance-example-cwl.json", "Provenance.target", ELSEWHERE),
    ("r4-examples/provenance-example-sig.json", "Provenance.target", ELSEWHERE),
    ("r4-examples/provenance-example.json", "Provenance.target", ELSEWHERE),
    ("r4-examples/servicerequest-example-appendectomy.json", "ServiceRequest.subject", NO_PATIENT),
    ("r4-examples/servicerequest-example-edu.json", "ServiceRequest.subject", NO_PATIENT),
    ("r4-examples/servicerequest-example-myringotomy.json", "ServiceRequest.subject", NO_PATIENT),
    ("r4-examples/servicerequest-example-ob.json", "ServiceRequest.subject", NO_PATIENT),
    ("r4-examples/subscription-example-error.json", "Subscription.status", GATEWAYS),
    ("r4-examples/subscription-example.json", "Subscription.criteria", NO_TOPIC),
    ("r4-examples/task-example-fm-cancel.json", "Task.for", NO_PATIENT),
    ("r4-examples/task-example-fm-poll.json", "Task.for", NO_PATIENT),
    ("r4-examples/task-example-fm-release.json", "Task.for", NO_PATIENT),
    ("r4-examples/task-example-fm-reprocess.json", "Task.for", NO_PATIENT),
    ("r4-examples/task-example-fm-status-resp.json", "Task.for", NO_PATIENT),
    ("r4-examples/task-example-fm-status.json", "Task.for", NO_PATIENT),
];

async fn every_example_is_taken_as_it_is_or_refused_for_a_right_reason(gateway: Gateway) {
    if corpus().is_none() {
        return;
    }
    let owner = gateway.as_("edpbw-a");
    let mut people = HashMap::new();
    let (mut taken, mut refused, mut wrong) = (0, 0, Vec::new());
    for example in ["be-core", "be-referral", "ihe-pcf", "r4-examples"].into_iter().flat_map(examples) {
        let resource = example.resource();
        let resource_type = resource["resourceType"].as_str().expect("an example has a type");
        if belongs(resource_type).is_none() {
            continue;
        }
        let sent = in_a_record_that_is_there(&owner, &mut people, &example, &resource).await;
        let answer = owner.post_bytes(resource_type, sent.clone()).await;
        let row = REFUSED.iter().find(|(name, ..)| *name == example.name);
        match (answer.status, row) {
            (201, None) => {
                comes_back(&owner, &example, resource_type, &sent, &answer).await;
                taken += 1;
            }
            (422, Some((_, element, said))) if says(&answer, element, said) => refused += 1,
            _ => wrong.push(format!("{}: {} {:?} {}", example.name, answer.status, answer.issues(), answer.details())),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), wrong.len() + taken + refused, wrong.join("\n"));
    assert_eq!(refused, REFUSED.len(), "every row of the table is an example");
    println!("{taken} examples taken, {refused} refused");
}

fn says(answer: &Answer, element: &str, said: &str) -> bool {
    let issues = answer.json["issue"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |issue: &Value| issue["details"]["text"].as_str().is_some_and(|text| text.contains(said));
    issues.iter().any(|issue| issue["expression"][0] == element && text(issue))
}

/// The example, with the Patients that own it replaced by such as are here. They are made on the way.
async fn in_a_record_that_is_there(
    owner: &Caller<'_>,
    people: &mut HashMap<String, String>,
    example: &Example,
    resource: &Value,
) -> Vec<u8> {
    let mut text = String::from_utf8(example.bytes.clone()).expect("an example is UTF-8");
    for reference in owner_references(resource["resourceType"].as_str().unwrap_or_default(), resource) {
        if reference.starts_with("Patient/") {
            if !people.contains_key(&reference) {
                let id = owner.create(&json!({"resourceType": "Patient"})).await;
                people.insert(reference.clone(), format!("Patient/{id}"));
            }
            text = text.replace(&format!("\"{reference}\""), &format!("\"{}\"", people[&reference]));
        }
    }
    text.into_bytes()
}

async fn comes_back(caller: &Caller<'_>, example: &Example, resource_type: &str, sent: &[u8], answer: &Answer) {
    let read = caller.get(format!("{resource_type}/{}", answer.id())).await;
    assert_eq!(read.status, 200, "{}", example.name);
    assert_eq!(content(&read.bytes), content(sent), "{}", example.name);
}

async fn every_synthea_bundle_loads(gateway: Gateway) {
    if corpus().is_none() {
        return;
    }
    let owner = gateway.as_("edpbw-a");
    let mut bundles = examples("synthea");
    // What the others refer to comes first.
    bundles.sort_by_key(|bundle| {
        let first = ["hospitalInformation", "practitionerInformation"];
        first.iter().position(|part| bundle.name.contains(part)).unwrap_or(first.len())
    });
    let mut loaded = 0;
    for bundle in bundles {
        let answer = owner.post_bytes("", bundle.bytes.clone()).await;
        assert_eq!(answer.status, 200, "{}: {answer}", bundle.name);
        let sent = bundle.resource();
        let entries = sent["entry"].as_array().expect("a Bundle has entries");
        let responses = answer.json["entry"].as_array().expect("and so has its answer");
        assert_eq!(entries.len(), responses.len(), "{}", bundle.name);
        for (entry, response) in entries.iter().zip(responses) {
            assert_eq!(response["response"]["status"], "201 Created", "{}", bundle.name);
            loaded += 1;
            let location = response["response"]["location"].as_str().expect("a location");
            let path = location.split_once("/fhir/").expect("ours").1.split_once("/_history/").expect("a version").0;
            let resource_type = entry["resource"]["resourceType"].as_str().expect("a type");
            assert!(path.starts_with(resource_type), "{}: {path}", bundle.name);
        }
        let person = entries.iter().position(|entry| entry["resource"]["resourceType"] == "Patient");
        if let Some(n) = person {
            whole_record_is_there(&owner, entries, &responses[n]).await;
        }
    }
    println!("{loaded} resources loaded");
}

/// Each type of the record is found by its Patient, as often as it was sent.
async fn whole_record_is_there(owner: &Caller<'_>, entries: &[Value], response: &Value) {
    let location = response["response"]["location"].as_str().expect("a location");
    let id = location.split("/Patient/").nth(1).and_then(|rest| rest.split('/').next()).expect("an id");
    for resource_type in
        ["Encounter", "Condition", "Observation", "Claim", "Procedure", "MedicationRequest", "ExplanationOfBenefit"]
    {
        let sent = entries.iter().filter(|entry| entry["resource"]["resourceType"] == resource_type).count();
        let found = owner.get(format!("{resource_type}?patient={id}&_summary=count")).await.expect(200);
        assert_eq!(found.json["total"], json!(sent), "{resource_type}");
    }
}

fn all_types() -> Options {
    Options::all_types()
}

stories!(
    with all_types;
    every_example_is_taken_as_it_is_or_refused_for_a_right_reason,
    every_synthea_bundle_loads,
);
