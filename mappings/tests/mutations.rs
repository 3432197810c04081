//! A resource that is right is made wrong in one place, and the one issue names that place.

use mappings::r4::structure::{ContentIssue, ISSUES_MAX, IssueCode, check};
use serde_json::{Value, json};

fn patient() -> Value {
    json!({
        "resourceType": "Patient",
        "id": "p-1",
        "meta": { "profile": ["https://example.org/p|1.0"], "lastUpdated": "2024-02-29T10:15:00.000+01:00" },
        "text": { "status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>" },
        "contained": [{ "resourceType": "Organization", "id": "o", "name": "Praktijk" }],
        "extension": [{ "url": "https://example.org/e", "valueString": "x" }],
        "identifier": [{ "use": "official", "system": "https://example.org/s", "value": "1" }],
        "name": [{ "family": "Peeters", "given": ["An", null], "_given": [null, { "extension": [
            { "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked" }] }] }],
        "gender": "female",
        "birthDate": "1980-02",
        "_birthDate": { "id": "b" },
        "deceasedBoolean": false,
        "multipleBirthInteger": 2,
        "link": [{ "other": { "reference": "Patient/2" }, "type": "seealso" }]
    })
}

/// The only issue of the patient once the value at the pointer is replaced (or added, in an object).
fn issue_after(pointer: &str, value: Value) -> ContentIssue {
    let mut patient = patient();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer has a slash");
    match patient.pointer_mut(parent).expect("the parent is there") {
        Value::Object(members) => drop(members.insert(key.to_owned(), value)),
        Value::Array(items) => items[key.parse::<usize>().expect("a position")] = value,
        _ => panic!("the parent has children"),
    }
    only_issue(&patient)
}

fn only_issue(resource: &Value) -> ContentIssue {
    let issues = check(resource);
    assert_eq!(issues.len(), 1, "{issues:?}");
    issues.into_iter().next().expect("there is one")
}

#[track_caller]
fn assert_issue(pointer: &str, value: Value, expression: &str, code: IssueCode, details: &str) {
    let issue = issue_after(pointer, value);
    assert_eq!((issue.expression.as_str(), issue.code), (expression, code), "{issue:?}");
    assert!(issue.details.contains(details), "{issue:?}");
}

#[test]
fn the_patient_is_right_before_it_is_made_wrong() {
    assert_eq!(check(&patient()), []);
}

#[test]
fn a_misspelt_element_is_named_with_the_element_that_is_near() {
    use IssueCode::Structure;
    assert_issue("/birthdate", json!("1980"), "Patient.birthdate", Structure, "did you mean 'birthDate'?");
    assert_issue("/name/0/familyy", json!("x"), "Patient.name[0].familyy", Structure, "'family'");
    assert_issue("/deceased", json!(true), "Patient.deceased", Structure, "such as 'deceasedBoolean'");
    assert_issue("/extension/0/valueText", json!("x"), "Patient.extension[0].valueText", Structure, "no such element");
    assert_issue("/contained/0/nmae", json!("x"), "Patient.contained[0].nmae", Structure, "'name'");
    assert_issue("/_name", json!([]), "Patient._name", Structure, "only a primitive element");
    assert_issue("/__gender", json!({ "id": "x" }), "Patient.__gender", Structure, "no such element");
    assert_issue(&format!("/{}", "x".repeat(500)), json!(1), "Patient.…", Structure, "leave it out");
}

#[test]
fn an_array_for_a_single_element_and_the_reverse_are_refused() {
    use IssueCode::Structure;
    assert_issue("/gender", json!(["female"]), "Patient.gender", Structure, "does not repeat");
    assert_issue("/birthDate", json!(["1980"]), "Patient.birthDate", Structure, "does not repeat");
    assert_issue("/text", json!([{}]), "Patient.text", Structure, "does not repeat");
    assert_issue("/name", json!({ "family": "x" }), "Patient.name", Structure, "repeats");
    assert_issue("/meta/profile", json!("https://example.org"), "Patient.meta.profile", Structure, "repeats");
    assert_issue("/identifier", json!([["x"]]), "Patient.identifier[0]", Structure, "must be a Identifier");
    assert_issue("/identifier", json!(["x"]), "Patient.identifier[0]", Structure, "a JSON object");
}

#[test]
fn a_required_element_is_named_where_it_is_missing() {
    use IssueCode::Required;
    assert_issue("/link/0", json!({ "type": "seealso" }), "Patient.link[0].other", Required, "'other' is required");
    let coverage = json!({ "resourceType": "Coverage", "status": "active", "beneficiary": { "display": "x" } });
    assert_eq!(only_issue(&coverage).expression, "Coverage.payor");
    let medication_request = json!({ "resourceType": "MedicationRequest", "status": "active", "intent": "order",
        "subject": { "display": "x" } });
    assert_eq!(only_issue(&medication_request).expression, "MedicationRequest.medication");
}

#[test]
fn a_required_primitive_may_be_there_through_its_extension_only() {
    let task = json!({ "resourceType": "Task", "intent": "order", "_status": { "extension": [
        { "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown" }] } });
    assert_eq!(check(&task), []);
}

#[test]
fn empty_things_and_nulls_are_refused() {
    use IssueCode::{Invariant, Structure, Value as Form};
    assert_issue("/name", json!([]), "Patient.name", Structure, "empty");
    assert_issue("/name/0", json!({}), "Patient.name[0]", Invariant, "ele-1");
    assert_issue("/name/0", json!({ "id": "x" }), "Patient.name[0]", Invariant, "ele-1");
    assert_issue("/name/0/family", json!(""), "Patient.name[0].family", Form, "not empty");
    assert_issue("/gender", json!(null), "Patient.gender", Structure, "null");
    assert_issue("/name/0", json!(null), "Patient.name[0]", Structure, "null");
    assert_issue("/name/0/given", json!([null, null]), "Patient.name[0].given[0]", Structure, "null on both sides");
    assert_issue("/name/0/given", json!(["An"]), "Patient.name[0].given", Structure, "fill up with null");
    assert_issue("/meta/profile", json!([null]), "Patient.meta.profile[0]", Structure, "null on both sides");
    assert_issue("/_gender", json!("x"), "Patient.gender", Structure, "must be an object");
    assert_issue("/_birthDate", json!({}), "Patient.birthDate", Invariant, "ele-1");
    assert_issue("/_active", json!({ "id": "x" }), "Patient.active", Invariant, "ele-1");
    assert_issue("/_birthDate", json!({ "id": 1 }), "Patient.birthDate.id", Form, "a text");
}

#[test]
fn a_choice_is_there_in_one_type() {
    use IssueCode::{Invariant, Structure};
    assert_issue("/deceasedDateTime", json!("2024"), "Patient.deceasedDateTime", Structure, "once, in one type");
    assert_issue(
        "/extension/0/_valueCode",
        json!({ "extension": [{ "url": "u", "valueCode": "x" }] }),
        "Patient.extension[0].valueCode",
        Structure,
        "once, in one type",
    );
    assert_issue("/extension/0", json!({ "url": "u" }), "Patient.extension[0]", Invariant, "ext-1");
}

#[test]
fn primitive_values_have_their_form() {
    use IssueCode::Value as Form;
    assert_issue("/birthDate", json!("1980-02-30"), "Patient.birthDate", Form, "not '1980-02-30'");
    assert_issue("/id", json!("p_1"), "Patient.id", Form, "an id of 1 to 64");
    assert_issue("/meta/lastUpdated", json!("2024-02-29"), "Patient.meta.lastUpdated", Form, "zone");
    assert_issue("/deceasedBoolean", json!("false"), "Patient.deceasedBoolean", Form, "without quotes");
    assert_issue("/multipleBirthInteger", json!(1.5), "Patient.multipleBirthInteger", Form, "whole number");
    assert_issue("/gender", json!({}), "Patient.gender", Form, "a code");
    let long = issue_after("/identifier/0/system", json!("not a uri ".repeat(20)));
    assert_eq!((long.code, long.details.len() < 60), (Form, true), "{long:?}");
}

#[test]
fn a_code_is_one_of_the_required_value_set() {
    use IssueCode::CodeInvalid;
    assert_issue("/gender", json!("femail"), "Patient.gender", CodeInvalid, "use one of female, male, other, unknown");
    assert_issue("/link/0/type", json!("see"), "Patient.link[0].type", CodeInvalid, "seealso");
    let concept =
        |coding: Value| json!({ "resourceType": "Condition", "subject": { "display": "x" }, "clinicalStatus": coding });
    let system = "http://terminology.hl7.org/CodeSystem/condition-clinical";
    assert_eq!(check(&concept(json!({ "coding": [{ "code": "local" }, { "system": system, "code": "active" }] }))), []);
    let wrong = only_issue(&concept(json!({ "coding": [{ "system": "http://snomed.info/sct", "code": "active" }] })));
    assert_eq!((wrong.expression.as_str(), wrong.code), ("Condition.clinicalStatus.coding", CodeInvalid));
    assert_eq!(only_issue(&concept(json!({ "text": "active" }))).expression, "Condition.clinicalStatus.coding");
}

#[test]
fn resources_within_are_checked_as_what_they_say_they_are() {
    use IssueCode::{Invariant, Structure};
    let entry = |resource: Value| json!({ "resourceType": "Bundle", "type": "collection", "entry": [{ "resource": resource }] });
    let issue = only_issue(&entry(json!({ "resourceType": "Patient", "name": [{ "use": "x" }] })));
    assert_eq!(issue.expression, "Bundle.entry[0].resource.name[0].use");
    let issue = only_issue(&entry(json!({ "resourceType": "Pateint" })));
    assert_eq!((issue.expression.as_str(), issue.code), ("Bundle.entry[0].resource.resourceType", Structure));
    assert!(issue.details.contains("'Patient'"), "{issue:?}");
    assert_issue(
        "/contained/0/contained",
        json!([{ "resourceType": "Patient", "id": "x" }]),
        "Patient.contained[0].contained",
        Invariant,
        "dom-2",
    );
    assert_eq!(only_issue(&json!({})).expression, "Resource.resourceType");
    assert_eq!(only_issue(&json!({ "resourceType": "DomainResource" })).code, Structure);
}

#[test]
fn all_issues_are_listed_up_to_the_limit() {
    let two = json!({ "resourceType": "Patient", "gender": "x", "birthDate": "y" });
    assert_eq!(check(&two).len(), 2);
    let many = json!({ "resourceType": "Patient", "name": vec![json!({ "use": "x" }); 500] });
    assert_eq!(check(&many).len(), ISSUES_MAX);
}

#[test]
fn a_reference_is_to_a_type_that_the_element_takes() {
    use IssueCode::{NotFound, Value as Form};
    let other = |reference: Value| json!([{ "other": reference, "type": "seealso" }]);
    for reference in [
        json!({ "reference": "Organization/2" }),
        json!({ "reference": "https://example.org/fhir/Organization/2/_history/3" }),
        json!({ "reference": "Organization?identifier=https://example.org/s|1" }),
        json!({ "reference": "#o" }),
        json!({ "type": "Organization", "display": "x" }),
    ] {
        assert_issue("/link", other(reference), "Patient.link[0].other", Form, "one of Patient, RelatedPerson");
    }
    assert_issue("/link", other(json!({ "reference": "#p" })), "Patient.link[0].other", NotFound, "ref-1");
    for reference in [
        json!({ "reference": "RelatedPerson/2" }),
        json!({ "reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520" }),
        json!({ "identifier": { "value": "1" } }),
        json!({ "reference": "https://example.org/anything" }),
        json!({ "reference": "#" }),
    ] {
        let mut patient = patient();
        patient["link"] = other(reference);
        assert_eq!(check(&patient), []);
    }
}

#[test]
fn a_local_reference_is_looked_up_in_the_resource_that_contains_and_in_no_other() {
    let holder = json!({ "resourceType": "Patient", "managingOrganization": { "reference": "#o" } });
    let beside = json!({ "resourceType": "Bundle", "type": "collection", "entry": [{ "resource": patient() }, { "resource": holder }] });
    let issue = only_issue(&beside);
    assert_eq!(issue.expression, "Bundle.entry[1].resource.managingOrganization");
    assert_eq!(issue.rule, "ref-1");
}

#[test]
fn a_simple_quantity_has_no_comparator() {
    let observation = |low: Value| {
        json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" },
            "referenceRange": [{ "low": low }] })
    };
    assert_eq!(check(&observation(json!({ "value": 1 }))), []);
    let issue = only_issue(&observation(json!({ "value": 1, "comparator": "<" })));
    assert_eq!((issue.expression.as_str(), &*issue.rule), ("Observation.referenceRange[0].low.comparator", "sqty-1"));
}

#[test]
fn each_issue_names_its_rule_by_a_key_that_the_documentation_has() {
    let documented = include_str!("../../docs/validation.md");
    let wrong = json!({ "resourceType": "Patient", "gender": "x", "birthDate": "y", "nmae": 1, "name": [{}], "active": [true],
        "deceasedBoolean": true, "deceasedDateTime": "2024", "_gender": 1, "photo": {}, "link": [{ "other": {
        "reference": "#x" }, "type": "seealso" }], "managingOrganization": { "reference": "Patient/1" }, "extension": [{ "url": "u" }],
        "contained": [{ "resourceType": "Nothing" }, { "resourceType": "Patient", "contained": [{ "resourceType": "Patient" }] }] });
    let rules: std::collections::BTreeSet<_> = check(&wrong).into_iter().map(|issue| issue.rule).collect();
    assert!(rules.len() > 10, "{rules:?}");
    for rule in rules {
        assert!(documented.contains(&format!("`{rule}`")), "{rule}");
    }
}
