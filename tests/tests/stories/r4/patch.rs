//! <https://hl7.org/fhir/R4/http.html#patch> and <https://hl7.org/fhir/R4/fhirpatch.html>.

use serde_json::{Value, json};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::referral::{place, refusals};
use wellgate_tests::resources::{consent, observation, patient, permit};
use wellgate_tests::stories;

use super::{by, identified};

/// A `FHIRPath` Patch of one operation.
fn parameters(kind: &str, path: &str, further: &[Value]) -> Value {
    let mut parts = vec![json!({"name": "type", "valueCode": kind}), json!({"name": "path", "valueString": path})];
    parts.extend(further.iter().cloned());
    json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]})
}

async fn a_json_patch_makes_a_new_version(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let created = elp.post("Patient", &patient()).await.expect(201);
    let path = format!("Patient/{}", created.id());
    let operations = json!([
        {"op": "test", "path": "/gender", "value": "female"},
        {"op": "replace", "path": "/gender", "value": "other"},
        {"op": "add", "path": "/name/0/given/-", "value": "Bea"},
    ]);
    let patched = elp.patch(&path, &operations).await.expect(200);
    assert_ne!(patched.etag(), created.etag());
    let read = elp.get(&path).await.expect(200);
    assert_eq!(read.bytes, patched.bytes);
    assert_eq!((&read.json["gender"], &read.json["name"][0]["given"]), (&json!("other"), &json!(["Ann", "Bea"])));
    assert_eq!(read.json["meta"]["versionId"].as_str().map(|id| format!("W/\"{id}\"")), Some(read.etag()));
    let events = elp.search(format!("AuditEvent?patient=Patient/{}", created.id())).await;
    assert!(
        events.iter().any(|event| event["subtype"][0]["code"] == "patch" && event["action"] == "U"),
        "it is in the trail"
    );
}

async fn a_fhirpath_patch_makes_a_new_version(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let path = format!("Patient/{}", elp.create(&patient()).await);
    let value = json!({"name": "value", "valueContactPoint": {"system": "phone", "value": "TEST-PHONE"}});
    let add = parameters("add", "Patient", &[json!({"name": "name", "valueString": "telecom"}), value]);
    elp.patch_with(&path, &add, &[]).await.expect(200);
    let replace = parameters(
        "replace",
        "Patient.name.where(family='Testpersoon').given[0]",
        &[json!({"name": "value", "valueString": "Bea"})],
    );
    elp.patch_with(&path, &replace, &[]).await.expect(200);
    elp.patch_with(&path, &parameters("delete", "Patient.birthDate", &[]), &[]).await.expect(200);
    let read = elp.get(&path).await.expect(200).json;
    assert_eq!(read["telecom"][0]["value"], "TEST-PHONE");
    assert_eq!((&read["name"][0]["given"][0], read.get("birthDate")), (&json!("Bea"), None));
    assert_eq!(elp.get(format!("{path}/_history")).await.json["entry"].as_array().map(Vec::len), Some(4));
}

async fn what_a_patch_does_not_name_stays_byte_for_byte(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&patient()).await;
    let sent = format!(
        r#"{{"resourceType":"Observation","status":"final","code":{{"text":"T\u00e9st"}},"valueQuantity":{{"value":1.00}},"subject":{{"reference":"Patient/{person}"}}}}"#
    );
    let path = format!("Observation/{}", elp.post_bytes("Observation", sent).await.expect(201).id());
    let patched =
        elp.patch(&path, &json!([{"op": "replace", "path": "/status", "value": "amended"}])).await.expect(200);
    let text = String::from_utf8(patched.bytes).expect("text");
    assert!(text.contains(r#""value":1.00"#) && text.contains(r"T\u00e9st") && text.contains("amended"), "{text}");
}

async fn a_patch_that_does_not_apply_is_422_and_leaves_nothing(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let id = elp.create(&patient()).await;
    let path = format!("Patient/{id}");
    let before = elp.get(&path).await.told();
    let value = json!({"name": "value", "valueString": "x"});
    let cases = [
        (
            "a failing test",
            json!([{"op": "replace", "path": "/gender", "value": "other"}, {"op": "test", "path": "/active", "value": false}]),
        ),
        ("nothing there", json!([{"op": "remove", "path": "/photo"}])),
        ("another id", json!([{"op": "replace", "path": "/id", "value": "other"}])),
        ("another type", json!([{"op": "replace", "path": "/resourceType", "value": "Person"}])),
        ("no id", json!([{"op": "remove", "path": "/id"}])),
        ("what R4 does not know", json!([{"op": "add", "path": "/actve", "value": true}])),
        ("a code that is none", json!([{"op": "replace", "path": "/gender", "value": "x"}])),
        (
            "nothing left",
            json!([{"op": "replace", "path": "", "value": {"resourceType": "Patient", "id": id, "name": []}}]),
        ),
        ("an operator that is not served", parameters("delete", "Patient.name.given | Patient.identifier", &[])),
        ("no such place", parameters("replace", "Patient.photo", std::slice::from_ref(&value))),
        ("the wrong type", parameters("replace", "Patient.active", &[value])),
        ("a function that is not served", parameters("delete", "Patient.name.ofType(HumanName)", &[])),
    ];
    let count = cases.len();
    for (name, patch) in cases {
        let refused = elp.patch_with(&path, &patch, &[]).await;
        assert_eq!(refused.status, 422, "{name}: {refused}");
        assert!(!refused.details().is_empty(), "{name}");
        assert_eq!(elp.get(&path).await.told(), before, "{name}");
    }
    assert_eq!(refusals(&elp, Some(&id)).await, vec!["content"; count], "each is in the trail of the record");
}

async fn what_is_no_patch_is_400_and_another_media_type_is_415(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let path = format!("Patient/{}", elp.create(&patient()).await);
    let before = elp.get(&path).await.told();
    for text in [
        "",
        "[",
        "{}",
        r#"[{"op":"x","path":"/a"}]"#,
        r#"[{"op":"add","path":"a","value":1}]"#,
        r#"[{"op":"add","op":"add"}]"#,
    ] {
        let headers = [("content-type", "application/json-patch+json")];
        elp.send(reqwest::Method::PATCH, &path, &headers, Some(text.into())).await.expect(400);
    }
    let other = json!({"resourceType": "Parameters", "parameter": [{"name": "patch", "valueString": "x"}]});
    elp.patch_with(&path, &other, &[]).await.expect(400);
    elp.patch_with(&path, &patient(), &[]).await.expect(422);
    for media_type in
        ["application/xml-patch+xml", "application/merge-patch+json", "application/fhir+xml", "text/plain", ""]
    {
        let headers = [("content-type", media_type)];
        let refused = elp.send(reqwest::Method::PATCH, &path, &headers, Some(b"[]".to_vec())).await.expect(415);
        assert!(refused.header("accept-patch").contains("application/json-patch+json"), "{refused}");
    }
    assert_eq!(elp.get(&path).await.told(), before);
}

async fn a_patch_has_as_many_operations_as_the_setting_says(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let path = format!("Patient/{}", elp.create(&patient()).await);
    let tests = |count: usize| json!(vec![json!({"op": "test", "path": "/active", "value": true}); count]);
    elp.patch(&path, &tests(3)).await.expect(200);
    let before = elp.get(&path).await.told();
    elp.patch(&path, &tests(4)).await.expect(413);
    assert_eq!(elp.get(&path).await.told(), before);
}

async fn a_patch_of_another_version_is_412(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let created = elp.post("Patient", &patient()).await.expect(201);
    let path = format!("Patient/{}", created.id());
    let flip = json!([{"op": "replace", "path": "/active", "value": false}]);
    elp.patch_with(&path, &flip, &[("if-match", &created.etag())]).await.expect(200);
    let before = elp.get(&path).await.told();
    for stale in [created.etag(), "W/\"1\"".to_owned(), "nonsense".to_owned()] {
        elp.patch_with(&path, &flip, &[("if-match", &stale)]).await.expect(412);
    }
    assert_eq!(elp.get(&path).await.told(), before);
    assert_eq!(refusals(&elp, Some(&created.id())).await, ["precondition-failed"; 3]);
}

async fn a_key_makes_a_patch_safe_to_repeat(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let path = format!("Patient/{}", elp.create(&patient()).await);
    let add = json!([{"op": "add", "path": "/name/0/given/-", "value": "Bea"}]);
    let key = [("idempotency-key", "TEST-KEY")];
    let first = elp.patch_with(&path, &add, &key).await.expect(200);
    let again = elp.patch_with(&path, &add, &key).await.expect(200);
    assert_eq!((again.etag(), again.bytes.len()), (first.etag(), 0));
    assert_eq!(elp.get(&path).await.json["name"][0]["given"], json!(["Ann", "Bea"]));
    elp.patch_with(&path, &json!([]), &key).await.expect(422);
}

async fn many_patches_at_once_lose_none(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let path = format!("Patient/{}", elp.create(&patient()).await);
    let add = |name: &str| json!([{"op": "add", "path": "/name/0/given/-", "value": name}]);
    let (a, b, c, d) = (add("A"), add("B"), add("C"), add("D"));
    let answers = tokio::join!(elp.patch(&path, &a), elp.patch(&path, &b), elp.patch(&path, &c), elp.patch(&path, &d));
    for answer in [answers.0, answers.1, answers.2, answers.3] {
        answer.expect(200);
    }
    let mut given: Vec<String> =
        serde_json::from_value(elp.get(&path).await.json["name"][0]["given"].clone()).expect("texts");
    given.sort();
    assert_eq!(given, ["A", "Ann", "B", "C", "D"]);
}

/// A test of a patch would ask for a value: it is never reached by whoever may not write.
async fn whoever_may_not_write_learns_nothing_by_a_test(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&patient()).await;
    let id = elp.create(&observation(&person)).await;
    elp.create(&consent(&person, &permit(&["gp-1"]))).await;
    let reader = gateway.as_("gp-1");
    reader.get(format!("Observation/{id}")).await.expect(200);
    let patches = [
        json!([{"op": "test", "path": "/valueInteger", "value": 12}]),
        json!([{"op": "test", "path": "/valueInteger", "value": 13}]),
        json!([{"op": "remove", "path": "/nothing"}]),
        parameters("delete", "Observation.where(valueInteger = 12).note", &[]),
        parameters("replace", "Observation.status", &[json!({"name": "value", "valueCode": "amended"})]),
    ];
    let mut told = Vec::new();
    for patch in &patches {
        told.push(reader.patch_with(format!("Observation/{id}"), patch, &[]).await.expect(403).told());
        // To whoever does not see it, it never was.
        let hidden = gateway.as_("elp-2").patch_with(format!("Observation/{id}"), patch, &[]).await.expect(404);
        let never = gateway.as_("elp-2").patch_with("Observation/never-was", patch, &[]).await.expect(404);
        assert_eq!(hidden.told(), never.told());
    }
    told.dedup();
    assert_eq!(told.len(), 1, "the very same refusal: {told:?}");
    assert_eq!(
        refusals(&elp, Some(&person)).await.iter().filter(|reason| *reason == "not-custodian").count(),
        patches.len()
    );
    assert_eq!(elp.get(format!("Observation/{id}")).await.json["status"], "final");
}

async fn a_patch_needs_the_scopes_of_an_update_and_of_a_read(gateway: Gateway) {
    let path = format!("Patient/{}", gateway.as_("elp-1").create(&patient()).await);
    for scope in ["system/Patient.u", "system/Patient.rs", "system/Patient.cds"] {
        gateway.as_("elp-1").with_scope(scope).patch(&path, &json!([])).await.expect(403);
    }
    gateway.as_("elp-1").with_scope("system/Patient.ru").patch(&path, &json!([])).await.expect(200);
}

/// What a room sees of a Task is its minimum: a patch moves it along by that, and puts nothing in the place of what is not shown.
async fn a_task_is_moved_along_by_what_its_party_sees(gateway: Gateway) {
    let referral = place(&gateway, "edpbw-a", &["edpbw-a", "elp-1"], "Organization/elp-1").await;
    let elp = gateway.as_("elp-1");
    let path = format!("Task/{}", referral.task);
    let seen = elp.get(&path).await.expect(200);
    elp.patch(&path, &json!([{"op": "replace", "path": "/status", "value": "accepted"}])).await.expect(428);
    let if_match = [("if-match", &*seen.etag())];
    let beside = json!([{"op": "replace", "path": "/status", "value": "accepted"}, {"op": "add", "path": "/description", "value": "x"}]);
    elp.patch_with(&path, &beside, &if_match).await.expect(422);
    let hidden = gateway.as_("elp-2").patch_with(&path, &json!([]), &if_match).await.expect(404);
    assert_eq!(hidden.told(), gateway.as_("elp-2").patch_with("Task/never-was", &json!([]), &if_match).await.told());
    let whole = json!([{"op": "replace", "path": "/status", "value": "accepted"}]);
    elp.patch_with(&path, &whole, &if_match).await.expect(200);
    elp.get(format!("Patient/{}", referral.patient)).await.expect(200);
}

async fn a_person_withdraws_by_a_patch_and_changes_nothing_else(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&patient()).await;
    let id = elp.create(&consent(&person, &permit(&["gp-1"]))).await;
    let signed_in = gateway.person(&format!("Patient/{person}"));
    let path = format!("Consent/{id}");
    signed_in.patch(&path, &json!([{"op": "replace", "path": "/dateTime", "value": "2026-01-01"}])).await.expect(403);
    signed_in.patch(format!("Patient/{person}"), &json!([{"op": "remove", "path": "/birthDate"}])).await.expect(403);
    gateway.as_("gp-1").get(format!("Patient/{person}")).await.expect(200);
    signed_in.patch(&path, &json!([{"op": "replace", "path": "/status", "value": "inactive"}])).await.expect(200);
    gateway.as_("gp-1").get(format!("Patient/{person}")).await.expect(404);
}

async fn what_is_deleted_is_not_patched(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let path = format!("Patient/{}", elp.create(&patient()).await);
    elp.delete(&path).await.expect(204);
    elp.patch(&path, &json!([])).await.expect(410);
    gateway.as_("elp-2").patch(&path, &json!([])).await.expect(404);
}

async fn a_conditional_patch_finds_one_or_none_or_several(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    elp.create(&identified("TEST-1")).await;
    elp.create(&identified("TEST-2")).await;
    elp.create(&identified("TEST-2")).await;
    gateway.as_("elp-2").create(&identified("TEST-3")).await;
    let flip = json!([{"op": "replace", "path": "/active", "value": false}]);
    let patched = elp.patch(format!("Patient?{}", by("TEST-1")), &flip).await.expect(200);
    assert_eq!(patched.json["active"], false);
    elp.patch(format!("Patient?{}", by("TEST-2")), &flip).await.expect(412);
    let none = elp.patch(format!("Patient?{}", by("TEST-9")), &flip).await.expect(404);
    assert_eq!(elp.patch(format!("Patient?{}", by("TEST-3")), &flip).await.told(), none.told());
    elp.patch("Patient", &flip).await.expect(400);
    elp.patch("Patient?nonsense=1", &flip).await.expect(400);
    assert_eq!(elp.search("Patient?active=false").await.len(), 1);
}

mod limits {
    use wellgate_tests::gateway::Options;
    use wellgate_tests::stories;

    use super::a_patch_has_as_many_operations_as_the_setting_says;

    fn three() -> Options {
        Options { settings: vec![("WELLGATE_LIMITS_PATCH_OPERATIONS_MAX", "3")], ..Options::default() }
    }

    stories!(with three; a_patch_has_as_many_operations_as_the_setting_says);
}

stories!(
    a_json_patch_makes_a_new_version,
    a_fhirpath_patch_makes_a_new_version,
    what_a_patch_does_not_name_stays_byte_for_byte,
    a_patch_that_does_not_apply_is_422_and_leaves_nothing,
    what_is_no_patch_is_400_and_another_media_type_is_415,
    a_patch_of_another_version_is_412,
    a_key_makes_a_patch_safe_to_repeat,
    many_patches_at_once_lose_none,
    whoever_may_not_write_learns_nothing_by_a_test,
    a_patch_needs_the_scopes_of_an_update_and_of_a_read,
    a_task_is_moved_along_by_what_its_party_sees,
    a_person_withdraws_by_a_patch_and_changes_nothing_else,
    what_is_deleted_is_not_patched,
    a_conditional_patch_finds_one_or_none_or_several,
);
