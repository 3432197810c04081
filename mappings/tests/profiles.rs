//! Profiles by hand, one rule each: what it takes, what it does not, and where it says so.

use mappings::profile::{Limits, PackageError, Profiles, Source, compile};
use serde_json::{Value, json};

const LIMITS: Limits = Limits { definitions_max: 100, elements_max: 100, codes_max: 100 };
const URL: &str = "https://example.org/p";

/// A profile of a differential over a core type.
fn definition(url: &str, constrains: &str, elements: &Value) -> Value {
    json!({ "resourceType": "StructureDefinition", "url": url, "name": "P", "kind": "resource", "type": constrains,
        "derivation": "constraint", "baseDefinition": format!("http://hl7.org/fhir/StructureDefinition/{constrains}"),
        "differential": { "element": elements } })
}

fn compiled(resources: Vec<Value>) -> Result<Profiles, PackageError> {
    let named = |(n, resource)| Source { name: format!("{n}.json"), resource };
    compile(&resources.into_iter().enumerate().map(named).collect::<Vec<_>>(), LIMITS)
}

#[expect(clippy::needless_pass_by_value, reason = "each is made where it is handed over")]
fn profiles(constrains: &str, elements: Value, others: Vec<Value>) -> Profiles {
    let mut all = vec![definition(URL, constrains, &elements)];
    all.extend(others);
    compiled(all).expect("the packages are right")
}

/// Each issue as `rule expression`.
fn issues(profiles: &Profiles, resource: &Value) -> Vec<String> {
    let profile = profiles.find(URL).expect("it is loaded");
    let found = profiles.check(profile, resource).into_iter().chain(profiles.check_extensions(resource));
    found.map(|issue| format!("{} {}", issue.rule, issue.expression)).collect()
}

/// What a profile of these elements says of a resource.
#[track_caller]
fn assert_issues(elements: Value, resource: &Value, expected: &[&str]) {
    let constrains = resource["resourceType"].as_str().expect("a resource");
    let profiles = profiles(constrains, elements, Vec::new());
    assert_eq!(profiles.find(URL).expect("it is loaded").unchecked, Vec::<String>::new());
    assert_eq!(issues(&profiles, resource), expected);
}

fn patient(members: Value) -> Value {
    let mut patient = json!({ "resourceType": "Patient" });
    if let (Some(patient), Value::Object(members)) = (patient.as_object_mut(), members) {
        patient.extend(members);
    }
    patient
}

#[test]
fn how_often_an_element_is_there_is_counted_within_what_is_there() {
    let elements = json!([
        { "path": "Patient.identifier", "min": 1, "max": "2" },
        { "path": "Patient.identifier.system", "min": 1 },
        { "path": "Patient.contact.name", "min": 1 },
        { "path": "Patient.photo", "max": "0" },
        { "path": "Patient.deceased[x]", "min": 1 },
    ]);
    let right = patient(json!({ "identifier": [{ "system": "s" }], "deceasedBoolean": false }));
    assert_issues(elements.clone(), &right, &[]);
    assert_issues(
        elements.clone(),
        &patient(json!({})),
        &["profile-min Patient.identifier", "profile-min Patient.deceased"],
    );
    let wrong = patient(
        json!({ "identifier": [{}, { "_system": { "id": "x" } }, { "system": "s" }], "contact": [{}, { "name": {} }],
        "photo": [{}], "deceasedDateTime": "2024" }),
    );
    let expected = [
        "profile-max Patient.identifier",
        "profile-min Patient.identifier[0].system",
        "profile-min Patient.contact[0].name",
        "profile-max Patient.photo",
    ];
    assert_issues(elements, &wrong, &expected);
}

#[test]
fn a_snapshot_repeats_its_base_and_only_what_it_adds_is_checked() {
    let base = |min, max| json!({ "path": "x", "min": min, "max": max });
    let elements = json!([
        { "id": "Patient", "path": "Patient" },
        { "id": "Patient.link", "path": "Patient.link", "min": 0, "max": "*", "base": base(0, "*") },
        { "id": "Patient.link.other", "path": "Patient.link.other", "min": 1, "max": "1", "base": base(1, "1") },
        { "id": "Patient.name", "path": "Patient.name", "min": 1, "max": "1", "base": base(0, "*") },
    ]);
    assert_issues(elements, &patient(json!({ "link": [{}] })), &["profile-min Patient.name"]);
}

#[test]
fn what_is_fixed_is_whole_and_what_is_a_pattern_is_a_part() {
    let coding = json!({ "system": "s", "code": "a" });
    let elements = json!([
        { "path": "Patient.gender", "fixedCode": "female" },
        { "path": "Patient.maritalStatus", "patternCodeableConcept": { "coding": [coding] } },
        { "path": "Patient.name.period", "fixedPeriod": { "start": "2024" } },
        { "path": "Patient.multipleBirth[x]", "patternInteger": 2 },
        { "path": "Patient.language", "maxLength": 2 },
    ]);
    let right =
        patient(json!({ "gender": "female", "maritalStatus": { "coding": [{ "code": "b" }, coding], "text": "t" },
        "name": [{ "period": { "start": "2024" } }], "multipleBirthInteger": 2, "language": "nl" }));
    assert_issues(elements.clone(), &right, &[]);
    let wrong = patient(json!({ "gender": "male", "maritalStatus": { "coding": [{ "code": "a" }] },
        "name": [{ "period": { "start": "2024", "end": "2025" } }], "multipleBirthInteger": 3, "language": "nl-BE" }));
    let expected = [
        "profile-fixed Patient.gender",
        "profile-pattern Patient.maritalStatus",
        "profile-fixed Patient.name[0].period",
        "profile-pattern Patient.multipleBirthInteger",
        "profile-max-length Patient.language",
    ];
    assert_issues(elements, &wrong, &expected);
}

/// Slices of identifiers by one discriminator, each slice with its own elements.
fn sliced(kind: &str, path: &str, slicing: &Value, slices: &[Value]) -> Value {
    let mut head = json!({ "id": "Patient.identifier", "path": "Patient.identifier", "slicing": {
        "discriminator": [{ "type": kind, "path": path }], "rules": "open" } });
    if let (Some(head), Value::Object(further)) = (head["slicing"].as_object_mut(), slicing.clone()) {
        head.extend(further);
    }
    std::iter::once(head).chain(slices.iter().cloned()).collect()
}

fn slice(name: &str, min: u32, max: &str) -> Value {
    json!({ "id": format!("Patient.identifier:{name}"), "path": "Patient.identifier", "sliceName": name, "min": min, "max": max })
}

fn of_slice(name: &str, element: &str, said: Value) -> Value {
    let mut of = json!({ "id": format!("Patient.identifier:{name}.{element}"), "path": format!("Patient.identifier.{element}") });
    if let (Some(of), Value::Object(said)) = (of.as_object_mut(), said) {
        of.extend(said);
    }
    of
}

#[test]
fn slices_by_value_are_counted_and_held_to_their_own_rules() {
    let slices = [
        slice("a", 1, "1"),
        of_slice("a", "system", json!({ "fixedUri": "a" })),
        of_slice("a", "value", json!({ "min": 1 })),
        slice("b", 0, "1"),
        of_slice("b", "system", json!({ "patternUri": "b" })),
    ];
    let elements = sliced("value", "system", &json!({}), &slices);
    let of = |identifiers: Value| patient(json!({ "identifier": identifiers }));
    assert_issues(elements.clone(), &of(json!([{ "system": "x" }, { "system": "a", "value": "1" }])), &[]);
    assert_issues(elements.clone(), &of(json!([{ "system": "x" }])), &["profile-slice-min Patient.identifier"]);
    let twice = of(json!([{ "system": "a" }, { "system": "b" }, { "system": "b" }]));
    assert_issues(
        elements,
        &twice,
        &["profile-min Patient.identifier[0].value", "profile-slice-max Patient.identifier"],
    );
    let closed = sliced("value", "system", &json!({ "rules": "closed", "ordered": true }), &slices);
    let wrong = of(json!([{ "system": "b" }, { "system": "a", "value": "1" }, { "system": "x" }]));
    assert_issues(
        closed,
        &wrong,
        &["profile-slicing-order Patient.identifier[1]", "profile-slicing-closed Patient.identifier[2]"],
    );
}

#[test]
fn a_slice_by_what_lies_deeper_is_found_by_what_is_fixed_there() {
    let slices = [slice("a", 1, "1"), of_slice("a", "type.coding.code", json!({ "fixedCode": "A" }))];
    let elements = sliced("value", "type", &json!({}), &slices);
    let with =
        |code: &str| patient(json!({ "identifier": [{ "type": { "coding": [{ "code": "x" }, { "code": code }] } }] }));
    // The slice asks it of every coding once an item belongs to it; whether one belongs is told by any.
    assert_issues(elements.clone(), &with("B"), &["profile-slice-min Patient.identifier"]);
    let only = patient(json!({ "identifier": [{ "type": { "coding": [{ "code": "A" }] } }] }));
    assert_issues(elements, &only, &[]);
}

#[test]
fn slices_by_presence_by_type_and_by_profile_are_told_apart() {
    let slices = [
        slice("with", 1, "1"),
        of_slice("with", "assigner", json!({ "min": 1 })),
        slice("without", 0, "0"),
        of_slice("without", "assigner", json!({ "max": "0" })),
    ];
    let elements = sliced("exists", "assigner", &json!({}), &slices);
    assert_issues(elements.clone(), &patient(json!({ "identifier": [{ "assigner": {} }] })), &[]);
    let expected = ["profile-slice-min Patient.identifier", "profile-slice-max Patient.identifier"];
    assert_issues(elements, &patient(json!({ "identifier": [{}] })), &expected);

    let by_type = json!([
        { "id": "Patient.deceased[x]", "path": "Patient.deceased[x]", "slicing": {
            "discriminator": [{ "type": "type", "path": "$this" }], "rules": "open" } },
        { "id": "Patient.deceased[x]:deceasedBoolean", "path": "Patient.deceased[x]", "sliceName": "deceasedBoolean",
            "type": [{ "code": "boolean" }], "max": "0" },
    ]);
    assert_issues(by_type.clone(), &patient(json!({ "deceasedDateTime": "2024" })), &[]);
    assert_issues(by_type, &patient(json!({ "deceasedBoolean": true })), &["profile-slice-max Patient.deceased"]);

    let entry = |name: &str, of: &str| {
        let id = format!("Bundle.entry:{name}");
        json!([{ "id": id, "path": "Bundle.entry", "sliceName": name, "min": 1, "max": "1" },
            { "id": format!("{id}.resource"), "path": "Bundle.entry.resource", "type": [{ "code": "Patient", "profile": [of] }] }])
    };
    let mut elements = vec![json!({ "id": "Bundle.entry", "path": "Bundle.entry", "slicing": {
        "discriminator": [{ "type": "profile", "path": "resource" }], "rules": "open" } })];
    elements.extend(entry("named", "https://example.org/named").as_array().into_iter().flatten().cloned());
    let named = definition("https://example.org/named", "Patient", &json!([{ "path": "Patient.name", "min": 1 }]));
    let profiles = profiles("Bundle", Value::from(elements), vec![named]);
    let bundle = |patient: Value| json!({ "resourceType": "Bundle", "entry": [{ "resource": patient }] });
    assert_eq!(issues(&profiles, &bundle(patient(json!({ "name": [{}] })))), Vec::<String>::new());
    assert_eq!(issues(&profiles, &bundle(patient(json!({})))), ["profile-slice-min Bundle.entry"]);
}

#[test]
fn types_targets_and_the_profiles_of_types_are_narrowed() {
    let named =
        definition("https://example.org/named", "HumanName", &json!([{ "path": "HumanName.family", "min": 1 }]));
    let elements = json!([
        { "path": "Patient.name", "type": [{ "code": "HumanName", "profile": ["https://example.org/named"] }] },
        { "path": "Patient.deceased[x]", "type": [{ "code": "dateTime" }] },
        { "path": "Patient.generalPractitioner", "type": [{ "code": "Reference",
            "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Practitioner"] }] },
    ]);
    let profiles = profiles("Patient", elements, vec![named]);
    let right = json!({ "name": [{ "family": "x" }], "deceasedDateTime": "2024", "generalPractitioner": [
        { "reference": "Practitioner/1" }, { "display": "x" }, { "reference": "urn:uuid:0" }] });
    assert_eq!(issues(&profiles, &patient(right)), Vec::<String>::new());
    let wrong = json!({ "name": [{ "text": "x" }], "deceasedBoolean": true, "generalPractitioner": [{ "reference": "#o" }],
        "contained": [{ "resourceType": "Organization", "id": "o" }] });
    let expected = [
        "profile-min Patient.name[0].family",
        "profile-type Patient.deceasedBoolean",
        "profile-target Patient.generalPractitioner[0]",
    ];
    assert_eq!(issues(&profiles, &patient(wrong)), expected);
}

#[test]
fn codes_are_of_the_value_set_whatever_the_type_is() {
    let value_set = json!({ "resourceType": "ValueSet", "url": "https://example.org/v", "compose": { "include": [
        { "system": "s", "concept": [{ "code": "a" }] }] } });
    let bound = |path: &str| json!({ "path": path, "binding": { "strength": "required", "valueSet": "https://example.org/v|1" } });
    let elements = json!([bound("Patient.language"), bound("Patient.maritalStatus"), bound("Patient.meta.tag"),
        { "path": "Patient.communication.language", "binding": { "strength": "extensible", "valueSet": "https://example.org/v" } }]);
    let profiles = profiles("Patient", elements, vec![value_set]);
    let coding = |system: &str, code: &str| json!({ "system": system, "code": code });
    let right = json!({ "language": "a", "maritalStatus": { "coding": [coding("t", "b"), coding("s", "a")] },
        "meta": { "tag": [coding("s", "a")] }, "communication": [{ "language": { "text": "x" } }] });
    assert_eq!(issues(&profiles, &patient(right)), Vec::<String>::new());
    let wrong = json!({ "language": "b", "maritalStatus": { "text": "a" }, "meta": { "tag": [coding("t", "a")] } });
    let expected = [
        "profile-binding Patient.language",
        "profile-binding Patient.maritalStatus",
        "profile-binding Patient.meta.tag[0]",
    ];
    assert_eq!(issues(&profiles, &patient(wrong)), expected);
}

fn extension(url: &str, contexts: Value, elements: &Value) -> Value {
    let mut extension = definition(url, "Extension", elements);
    extension["kind"] = json!("complex-type");
    extension["context"] = contexts;
    extension
}

#[test]
fn extensions_are_sliced_by_their_url_and_held_to_their_definition_and_place() {
    let definition = extension(
        "https://example.org/e",
        json!([{ "type": "element", "expression": "Patient" }, { "type": "element", "expression": "HumanName" }]),
        &json!([
            { "path": "Extension.url", "fixedUri": "https://example.org/e" },
            { "path": "Extension.value[x]", "min": 1, "type": [{ "code": "code" }] },
        ]),
    );
    let elements = json!([{ "id": "Patient.extension:e", "path": "Patient.extension", "sliceName": "e", "min": 1, "max": "1",
        "type": [{ "code": "Extension", "profile": ["https://example.org/e"] }] }]);
    let profiles = profiles("Patient", elements, vec![definition]);
    let used = json!({ "url": "https://example.org/e", "valueCode": "x" });
    let right = json!({ "extension": [{ "url": "https://example.org/other", "valueString": "x" }, used], "name": [{ "extension": [used] }] });
    assert_eq!(issues(&profiles, &patient(right)), Vec::<String>::new());
    let text = json!({ "url": "https://example.org/e", "valueString": "x" });
    let wrong = json!({ "extension": [text, used], "address": [{ "extension": [used] }], "_birthDate": { "extension": [used] } });
    let expected = [
        "profile-slice-max Patient.extension",
        "profile-type Patient.extension[0].valueString",
        "extension-context Patient.address[0].extension[0]",
        "extension-context Patient.birthDate.extension[0]",
    ];
    assert_eq!(issues(&profiles, &patient(wrong)), expected);
    assert_eq!(issues(&profiles, &patient(json!({}))), ["profile-slice-min Patient.extension"]);
}

#[test]
fn a_differential_adds_to_the_differential_of_its_base() {
    let base = definition("https://example.org/base", "Patient", &json!([{ "path": "Patient.name", "min": 1 }]));
    let mut own = definition(
        URL,
        "Patient",
        &json!([{ "path": "Patient.name", "max": "1" }, { "path": "Patient.gender", "min": 1 }]),
    );
    own["baseDefinition"] = json!("https://example.org/base");
    let profiles = compiled(vec![own, base]).expect("the packages are right");
    assert_eq!(issues(&profiles, &patient(json!({}))), ["profile-min Patient.name", "profile-min Patient.gender"]);
    let two = patient(json!({ "name": [{}, {}], "gender": "female" }));
    assert_eq!(issues(&profiles, &two), ["profile-max Patient.name"]);
}

#[test]
fn invariants_are_held_to_where_they_stand() {
    let constraint = |key: &str, severity: &str, expression: &str| json!([{ "key": key, "severity": severity, "expression": expression, "human": "so" }]);
    let elements = json!([
        { "path": "Patient", "constraint": constraint("p-1", "error", "name.exists() or identifier.exists()") },
        { "path": "Patient.name", "constraint": constraint("p-2", "error", "family.exists() implies given.exists()") },
        { "path": "Patient.birthDate", "constraint": constraint("p-3", "error", "$this <= %resource.meta.lastUpdated and toString().length() = 10") },
        { "path": "Patient.deceased[x]", "constraint": constraint("p-4", "error", "$this is boolean implies $this") },
        { "path": "Patient.contact", "constraint": constraint("p-5", "error", "$this is BackboneElement and name is HumanName") },
        { "path": "Patient.gender", "constraint": constraint("p-6", "warning", "false") },
        { "id": "Patient.telecom", "path": "Patient.telecom", "slicing": { "discriminator": [{ "type": "value", "path": "system" }], "rules": "open" } },
        { "id": "Patient.telecom:mail", "path": "Patient.telecom", "sliceName": "mail", "constraint": constraint("p-7", "error", "value.contains('@')") },
        { "id": "Patient.telecom:mail.system", "path": "Patient.telecom.system", "fixedCode": "email" },
    ]);
    assert_issues(elements.clone(), &patient(json!({})), &["p-1 Patient"]);
    let broken = patient(
        json!({ "name": [{ "family": "A" }, { "family": "B", "given": ["C"] }], "birthDate": "2030-01", "gender": "male",
        "deceasedBoolean": false, "contact": [{ "name": { "family": "x" } }, { "gender": "male" }], "meta": { "lastUpdated": "2026-01-01T00:00:00Z" },
        "telecom": [{ "system": "email", "value": "x" }, { "system": "phone", "value": "1" }] }),
    );
    let expected =
        ["p-2 Patient.name[0]", "p-3 Patient.birthDate", "p-4 Patient.deceasedBoolean", "p-7 Patient.telecom[0]"];
    assert_issues(elements.clone(), &broken, &expected);
    let right = patient(
        json!({ "name": [{ "family": "B", "given": ["C"] }], "birthDate": "1970-01-01", "deceasedDateTime": "2020",
        "telecom": [{ "system": "email", "value": "x@y" }] }),
    );
    assert_issues(elements, &right, &[]);
}

#[test]
fn an_invariant_asks_of_the_resource_in_which_it_stands() {
    let of = |expression: &str| json!([{ "path": "Patient", "constraint": [{ "key": "p-1", "severity": "error", "expression": expression }] }]);
    let bundle = json!([{ "path": "Bundle.entry.resource", "type": [{ "code": "Patient", "profile": ["https://example.org/of"] }] }]);
    let sent = json!({ "resourceType": "Bundle", "id": "b", "entry": [{ "resource": { "resourceType": "Patient", "id": "p" } }] });
    for (expression, expected) in [
        ("%resource.id = 'p' and %rootResource.id = 'p'", vec![]),
        ("%resource.id = 'b'", vec!["p-1 Bundle.entry[0].resource"]),
    ] {
        let within = definition("https://example.org/of", "Patient", &of(expression));
        let profiles = profiles("Bundle", bundle.clone(), vec![within]);
        assert_eq!(issues(&profiles, &sent), expected, "{expression}");
    }
}

#[test]
fn what_is_not_checked_is_listed_with_its_element() {
    let elements = json!([
        { "id": "Patient.link", "path": "Patient.link", "slicing": { "discriminator": [{ "type": "profile", "path": "other.resolve()" }],
            "rules": "open" } },
        { "id": "Patient.link:a", "path": "Patient.link", "sliceName": "a", "min": 1 },
        { "id": "Patient.birthDate", "path": "Patient.birthDate", "minValueDate": "1900-01-01" },
        { "id": "Patient.name", "path": "Patient.name", "constraint": [{ "key": "own-1", "severity": "error", "expression": "family.memberOf('http://x')" }],
            "type": [{ "code": "HumanName", "profile": ["https://elsewhere.example/name"] }] },
        { "id": "Patient.maritalStatus", "path": "Patient.maritalStatus", "binding": { "strength": "required",
            "valueSet": "https://elsewhere.example/v" } },
    ]);
    let profiles = profiles("Patient", elements, Vec::new());
    let unchecked = &profiles.find(URL).expect("it is loaded").unchecked;
    for what in [
        "Patient.link: its slices are not told apart: resolve()",
        "Patient.birthDate: minValue",
        "Patient.name: the invariant own-1 is not checked: memberOf()",
        "Patient.name: the profile https://elsewhere.example/name is in no package",
        "Patient.maritalStatus: the codes of https://elsewhere.example/v are not known",
    ] {
        assert!(unchecked.iter().any(|found| found.starts_with(what)), "{what}: {unchecked:?}");
    }
    assert_eq!(issues(&profiles, &patient(json!({}))), Vec::<String>::new());
}

#[test]
fn another_type_is_said_to_be_one() {
    let profiles = profiles("Patient", json!([]), Vec::new());
    assert_eq!(issues(&profiles, &json!({ "resourceType": "Task" })), ["profile-resource-type Task"]);
}

#[test]
fn profiles_are_found_by_version_and_by_alias() {
    let version = |version: &str, min: u32| {
        let mut profile = definition(URL, "Patient", &json!([{ "path": "Patient.name", "min": min }]));
        profile["version"] = json!(version);
        profile
    };
    let alias = [("https://old.example/p".to_owned(), URL.to_owned())];
    let profiles = compiled(vec![version("1.9.0", 1), version("1.10.0", 2)]).expect("right").with_aliases(alias);
    let asks = |canonical: &str| profiles.find(canonical).and_then(|profile| profile.version.clone());
    assert_eq!(asks(URL).as_deref(), Some("1.10.0"));
    assert_eq!(asks(&format!("{URL}|1.9.0")).as_deref(), Some("1.9.0"));
    assert_eq!(asks("https://old.example/p").as_deref(), Some("1.10.0"));
    assert_eq!(asks("https://old.example/p|0.1").as_deref(), Some("1.10.0"));
    assert_eq!((asks(&format!("{URL}|2.0.0")), asks("https://example.org/q")), (None, None));
}

#[test]
fn a_hostile_package_is_refused_with_its_file() {
    let refused = |resources: Vec<Value>, file: &str, what: &str| {
        let error = compiled(resources).expect_err("it is hostile");
        assert!(error.file == file && error.message.contains(what), "{error}");
    };
    let based = |url: &str, base: &str| {
        let mut profile = definition(url, "Patient", &json!([]));
        profile["baseDefinition"] = json!(base);
        profile
    };
    refused(
        vec![
            based("https://example.org/a", "https://example.org/b"),
            based("https://example.org/b", "https://example.org/a"),
        ],
        "0.json",
        "rests on itself",
    );
    refused(vec![based("https://example.org/a", "https://elsewhere.example/b")], "0.json", "is in no package");
    let many: Vec<Value> = (0..101).map(|n| json!({ "path": format!("Patient.name{n}") })).collect();
    refused(vec![definition(URL, "Patient", &Value::from(many))], "0.json", "more than 100 elements");
    let deep = format!("Patient{}", ".contact".repeat(30));
    refused(vec![definition(URL, "Patient", &json!([{ "path": deep }]))], "0.json", "deep");
    refused(vec![json!({ "resourceType": "ValueSet" })], "0.json", "no url");
    refused(vec![definition(URL, "Patient", &json!([{ "min": 1 }]))], "0.json", "has no path");
    refused(
        vec![definition(URL, "Patient", &json!([{ "path": "Patient.name", "max": "many" }]))],
        "0.json",
        "no number",
    );
    let mut other = definition(URL, "Patient", &json!([]));
    other["name"] = json!("Other");
    refused(vec![definition(URL, "Patient", &json!([])), other], "1.json", "0.json");
    let mut bare = definition(URL, "Patient", &json!([]));
    bare.as_object_mut().expect("an object").remove("differential");
    refused(vec![bare], "0.json", "neither snapshot nor differential");
    let sets: Vec<Value> =
        (0..101).map(|n| json!({ "resourceType": "ValueSet", "url": format!("https://example.org/{n}") })).collect();
    refused(sets, "100.json", "more than 100 definitions");
}

#[test]
fn profiles_of_types_that_name_each_other_end_with_the_data() {
    let profile = |url: &str, other: &str| {
        definition(
            url,
            "Extension",
            &json!([{ "path": "Extension.extension", "min": 0, "type": [{ "code": "Extension", "profile": [other] }] }]),
        )
    };
    let contact = |url: &str, of: &str| {
        definition(
            url,
            "Patient",
            &json!([{ "path": "Patient.contained", "type": [{ "code": "Patient", "profile": [of] }] },
            { "path": "Patient.name", "min": 1 }]),
        )
    };
    let profiles = compiled(vec![
        profile("https://example.org/x", "https://example.org/y"),
        profile("https://example.org/y", "https://example.org/x"),
        contact(URL, "https://example.org/q"),
        contact("https://example.org/q", URL),
    ]);
    let profiles = profiles.expect("a circle of types is no fault");
    let nested = patient(
        json!({ "name": [{}], "contained": [patient(json!({ "contained": [patient(json!({ "name": [{}] }))] }))] }),
    );
    assert_eq!(issues(&profiles, &nested), ["profile-min Patient.contained[0].name"]);
}

#[test]
fn each_rule_has_its_line_in_the_documentation() {
    let documented = include_str!("../../docs/validation.md");
    for rule in mappings::profile::rule::ALL {
        assert!(documented.contains(&format!("`{rule}`")), "{rule}");
    }
}
