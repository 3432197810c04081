//! `Patient/$match`: who may be the person described, among those whom the caller sees.

use serde_json::{Value, json};
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::resources::{consent, patient, permit};
use wellgate_tests::stories;

async fn asked(caller: &Caller<'_>, described: &Value, further: &[Value]) -> Answer {
    let mut described = described.clone();
    described["resourceType"] = json!("Patient");
    let mut members = vec![json!({"name": "resource", "resource": described})];
    members.extend_from_slice(further);
    caller.post("Patient/$match", &json!({"resourceType": "Parameters", "parameter": members})).await
}

/// Id and grade of each match, in their order.
async fn matches(caller: &Caller<'_>, described: &Value, further: &[Value]) -> Vec<(String, String)> {
    let answer = asked(caller, described, further).await.expect(200);
    assert_eq!(answer.json["type"], "searchset");
    let entries = answer.json["entry"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    entries
        .iter()
        .map(|entry| {
            assert!(entry["search"]["score"].as_f64().is_some_and(|score| score > 0.0 && score <= 1.0), "{entry}");
            let grade = &entry["search"]["extension"][0];
            assert_eq!(grade["url"], "http://hl7.org/fhir/StructureDefinition/match-grade");
            (text(&entry["resource"]["id"]), text(&grade["valueCode"]))
        })
        .collect()
}

fn numbered(number: &str) -> Value {
    let mut person = patient();
    person["identifier"][0]["value"] = json!(number);
    person
}

fn by_identifier(number: &str) -> Value {
    json!({"identifier": [{"system": "https://ehr.example/patient", "value": number}]})
}

fn certain() -> Value {
    json!({"name": "onlyCertainMatches", "valueBoolean": true})
}

async fn an_identifier_is_certain_and_demographics_are_scored(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let ann = edpbw.create(&numbered("TEST-0001")).await;
    let mut bo = numbered("TEST-0002");
    bo["name"] = json!([{"family": "Testpersoon", "given": ["Bo"]}]);
    bo["birthDate"] = json!("1970-01-01");
    let bo = edpbw.create(&bo).await;
    let row = |id: &str, grade: &str| (id.to_owned(), grade.to_owned());
    assert_eq!(matches(&edpbw, &by_identifier("TEST-0001"), &[]).await, [row(&ann, "certain")]);
    let described = json!({"name": [{"family": "TESTPERSOON", "given": ["Ann"]}], "birthDate": "1990-06-15"});
    assert_eq!(matches(&edpbw, &described, &[]).await, [row(&ann, "probable")]);
    assert!(matches(&edpbw, &described, &[certain()]).await.is_empty());
    // Both: the one that is certain first.
    let mut both = by_identifier("TEST-0002");
    both["name"] = json!([{"family": "Testpersoon", "given": ["Ann"]}]);
    both["gender"] = json!("female");
    let found = matches(&edpbw, &both, &[]).await;
    assert_eq!(found, [row(&bo, "certain"), row(&ann, "probable")]);
    assert_eq!(matches(&edpbw, &both, &[certain()]).await, [row(&bo, "certain")]);
    assert_eq!(matches(&edpbw, &both, &[json!({"name": "count", "valueInteger": 1})]).await, [row(&bo, "certain")]);
    // Of two that are certain none is.
    let twin = edpbw.create(&numbered("TEST-0001")).await;
    assert_eq!(matches(&edpbw, &by_identifier("TEST-0001"), &[]).await.len(), 2, "{twin}");
    assert!(matches(&edpbw, &by_identifier("TEST-0001"), &[certain()]).await.is_empty());
    for little in
        [json!({}), json!({"gender": "female"}), json!({"name": [{"family": "Testpersoon"}]}), by_identifier("TEST-9")]
    {
        assert!(matches(&edpbw, &little, &[]).await.is_empty(), "{little}");
    }
}

async fn nobody_is_found_who_is_not_seen(gateway: Gateway) {
    let (edpbw, elp) = (gateway.as_("edpbw-a"), gateway.as_("elp-1"));
    let described = numbered("TEST-0001");
    let nothing = asked(&elp, &described, &[]).await.expect(200);
    let person = edpbw.create(&numbered("TEST-0001")).await;
    assert_eq!(asked(&elp, &described, &[]).await.expect(200).told(), nothing.told(), "not a byte more");
    edpbw.create(&consent(&person, &permit(&["elp-1"]))).await;
    assert_eq!(matches(&elp, &described, &[]).await, [(person.clone(), "certain".to_owned())]);
    let events = edpbw.search(format!("AuditEvent?patient=Patient/{person}&_count=500")).await;
    assert!(events.iter().any(|event| event["subtype"][0]["code"] == "match"), "that somebody was found is on record");
}

async fn what_is_not_understood_is_refused(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let count = async || {
        edpbw.get("AuditEvent?outcome=8&_summary=count").await.expect(200).json["total"].as_u64().expect("a number")
    };
    let before = count().await;
    let parameters = |members: Value| json!({"resourceType": "Parameters", "parameter": members});
    for members in [
        json!([]),
        json!([{"name": "resource", "resource": {"resourceType": "Observation"}}]),
        json!([{"name": "resource", "resource": {"resourceType": "Patient"}}, {"name": "count", "valueInteger": 0}]),
        json!([{"name": "resource", "resource": {"resourceType": "Patient"}}, {"name": "onlyCertainMatches", "valueString": "x"}]),
        json!([{"name": "resource", "resource": {"resourceType": "Patient"}}, {"name": "onlySingleMatch", "valueBoolean": true}]),
    ] {
        edpbw.post("Patient/$match", &parameters(members)).await.expect(422);
    }
    edpbw.get("Patient/$match").await.expect(405);
    edpbw.clone().with_scope("system/Patient.r").post("Patient/$match", &parameters(json!([]))).await.expect(403);
    assert_eq!(count().await, before + 6);
}

stories!(
    an_identifier_is_certain_and_demographics_are_scored,
    nobody_is_found_who_is_not_seen,
    what_is_not_understood_is_refused
);
