//! What each operation does, and what is refused, with the examples of the specifications in our own words.

use serde_json::{Value, json};

use super::{Patch, PatchError, PatchLimits};

const LIMITS: PatchLimits = PatchLimits { depth_max: 32, operations_max: 20, bytes_max: 4_000 };

fn json_patch(resource: &str, operations: &Value) -> Result<String, PatchError> {
    Patch::of_json(operations.to_string().as_bytes(), LIMITS)?.apply(resource)
}

fn fhir_patch(resource: &Value, operations: &[Value]) -> Result<Value, PatchError> {
    let parameters: Vec<Value> = operations.iter().map(|parts| json!({"name": "operation", "part": parts})).collect();
    let text = json!({"resourceType": "Parameters", "parameter": parameters}).to_string();
    let patched = Patch::of_parameters(&text, LIMITS)?.apply(&resource.to_string())?;
    Ok(serde_json::from_str(&patched).expect("a patched resource is JSON"))
}

fn parts(kind: &str, path: &str, further: &[Value]) -> Value {
    let mut parts = vec![json!({"name": "type", "valueCode": kind}), json!({"name": "path", "valueString": path})];
    parts.extend(further.iter().cloned());
    json!(parts)
}

fn patient() -> Value {
    json!({
        "resourceType": "Patient", "id": "p", "active": true,
        "name": [{"use": "official", "family": "Een", "given": ["A", "B"]}, {"use": "usual", "family": "Twee"}],
        "identifier": [{"system": "s", "value": "1"}, {"system": "s", "value": "2"}, {"system": "t", "value": "3"}],
        "deceasedBoolean": false,
    })
}

fn error_of(result: Result<impl std::fmt::Debug, PatchError>) -> PatchError {
    result.expect_err("it is refused")
}

#[test]
fn the_operations_of_json_patch_do_what_the_rfc_says() {
    let base = r#"{"a":{"b":[1,2]},"c/d":{"~":1},"e":null}"#;
    for (operations, expected) in [
        (json!([{"op": "add", "path": "/a/b/1", "value": 9}]), r#"{"a":{"b":[1,9,2]},"c/d":{"~":1},"e":null}"#),
        (json!([{"op": "add", "path": "/a/b/-", "value": [3]}]), r#"{"a":{"b":[1,2,[3]]},"c/d":{"~":1},"e":null}"#),
        (json!([{"op": "add", "path": "/a", "value": 1}]), r#"{"a":1,"c/d":{"~":1},"e":null}"#),
        (json!([{"op": "remove", "path": "/a/b/0"}]), r#"{"a":{"b":[2]},"c/d":{"~":1},"e":null}"#),
        (json!([{"op": "replace", "path": "/c~1d/~0", "value": "x"}]), r#"{"a":{"b":[1,2]},"c/d":{"~":"x"},"e":null}"#),
        (json!([{"op": "move", "from": "/a/b", "path": "/f"}]), r#"{"a":{},"c/d":{"~":1},"e":null,"f":[1,2]}"#),
        (json!([{"op": "move", "from": "/a/b/0", "path": "/a/b/1"}]), r#"{"a":{"b":[2,1]},"c/d":{"~":1},"e":null}"#),
        (json!([{"op": "copy", "from": "/e", "path": "/a/x"}]), r#"{"a":{"b":[1,2],"x":null},"c/d":{"~":1},"e":null}"#),
        (
            json!([{"op": "test", "path": "/e", "value": null}, {"op": "remove", "path": "/c~1d"}]),
            r#"{"a":{"b":[1,2]},"e":null}"#,
        ),
    ] {
        assert_eq!(json_patch(base, &operations).as_deref(), Ok(expected), "{operations}");
    }
}

#[test]
fn what_is_not_named_stays_as_it_was_written() {
    let base = r#"{"value":1.00,"note":"\u00e9","low":1e-3,"active":true}"#;
    let patched = json_patch(base, &json!([{"op": "replace", "path": "/active", "value": false}]));
    assert_eq!(patched.as_deref(), Ok(r#"{"value":1.00,"note":"\u00e9","low":1e-3,"active":false}"#));
    let sent = br#"[{"op":"add","path":"/high","value":2.50}]"#;
    let patched = Patch::of_json(sent, LIMITS).and_then(|patch| patch.apply(r#"{"low":1.0}"#));
    assert_eq!(patched.as_deref(), Ok(r#"{"low":1.0,"high":2.50}"#));
}

#[test]
fn a_json_patch_that_does_not_apply_changes_nothing_and_says_where() {
    for (operations, at) in [
        (json!([{"op": "test", "path": "/a", "value": 2}]), "[0].value"),
        (json!([{"op": "add", "path": "/a", "value": 2}, {"op": "remove", "path": "/zz"}]), "[1].path"),
        (json!([{"op": "replace", "path": "/zz", "value": 1}]), "[0].path"),
        (json!([{"op": "add", "path": "/b/7", "value": 1}]), "[0].path"),
        (json!([{"op": "add", "path": "/b/01", "value": 1}]), "[0].path"),
        (json!([{"op": "remove", "path": "/b/-"}]), "[0].path"),
        (json!([{"op": "add", "path": "/x/y", "value": 1}]), "[0].path"),
        (json!([{"op": "move", "from": "/b", "path": "/b/0"}]), "[0].path"),
        (json!([{"op": "copy", "from": "/zz", "path": "/y"}]), "[0].from"),
        (json!([{"op": "remove", "path": ""}]), "[0].path"),
    ] {
        match error_of(json_patch(r#"{"a":1,"b":[1]}"#, &operations)) {
            PatchError::DoesNotApply { expression, .. } => assert_eq!(expression, at, "{operations}"),
            other => panic!("{operations}: {other:?}"),
        }
    }
}

#[test]
fn what_is_no_json_patch_is_malformed() {
    for operations in [
        json!([{"op": "nonsense", "path": "/a"}]),
        json!([{"path": "/a"}]),
        json!([{"op": "add", "path": "/a"}]),
        json!([{"op": "add", "path": "a", "value": 1}]),
        json!([{"op": "add", "path": "/a~2", "value": 1}]),
        json!([{"op": "move", "path": "/a"}]),
        json!(["x"]),
    ] {
        assert!(matches!(error_of(json_patch("{}", &operations)), PatchError::Malformed { .. }), "{operations}");
    }
    for text in ["{}", "[", r#"[{"op":"add","op":"add"}]"#, "", "[],[]"] {
        let refused = Patch::of_json(text.as_bytes(), LIMITS).expect_err("it is refused");
        assert!(matches!(refused, PatchError::Json(_)), "{text}: {refused:?}");
    }
}

#[test]
fn neither_operations_nor_bytes_grow_without_end() {
    let many: Vec<Value> = (0..21).map(|_| json!({"op": "test", "path": "/a", "value": 1})).collect();
    assert!(matches!(error_of(json_patch(r#"{"a":1}"#, &json!(many))), PatchError::TooMuch(_)));
    let doubling: Vec<Value> = (0..20).map(|n| json!({"op": "copy", "from": "", "path": format!("/{n}")})).collect();
    assert!(matches!(error_of(json_patch(r#"{"a":"xxxxxxxx"}"#, &json!(doubling))), PatchError::TooMuch(_)));
    let again: Vec<Value> = (0..20).map(|_| json!({"op": "replace", "path": "/a", "value": "x".repeat(400)})).collect();
    assert!(matches!(error_of(json_patch(r#"{"a":"x"}"#, &json!(again))), PatchError::TooMuch(_)));
}

#[test]
fn neither_type_nor_id_changes() {
    let base = r#"{"resourceType":"Patient","id":"p"}"#;
    for operation in [
        json!({"op": "replace", "path": "/id", "value": "q"}),
        json!({"op": "remove", "path": "/id"}),
        json!({"op": "replace", "path": "/resourceType", "value": "Person"}),
        json!({"op": "replace", "path": "", "value": {"resourceType": "Patient", "id": "q"}}),
    ] {
        let refused = error_of(json_patch(base, &json!([operation])));
        assert!(matches!(refused, PatchError::DoesNotApply { .. }), "{operation}: {refused:?}");
    }
    let same = json!([{"op": "replace", "path": "/id", "value": "p"}]);
    assert_eq!(json_patch(base, &same).as_deref(), Ok(base));
}

#[test]
fn a_narrative_does_not_outlive_what_it_told() {
    let with = |status: &str| {
        json!({"resourceType": "Patient", "id": "p", "text": {"status": status, "div": "x"}}).to_string()
    };
    let change = json!([{"op": "add", "path": "/active", "value": true}]);
    let patched = json_patch(&with("generated"), &change).expect("it applies");
    assert!(!patched.contains("text") && patched.contains("active"), "{patched}");
    assert!(json_patch(&with("empty"), &change).expect("it applies").contains("text"));
    assert!(matches!(error_of(json_patch(&with("additional"), &change)), PatchError::DoesNotApply { .. }));
    let both =
        json!([{"op": "add", "path": "/active", "value": true}, {"op": "replace", "path": "/text/div", "value": "y"}]);
    assert!(json_patch(&with("additional"), &both).expect("it applies").contains("\"y\""));
    assert_eq!(json_patch(&with("additional"), &json!([])).as_deref(), Ok(&*with("additional")));
}

#[test]
fn add_appends_to_a_list_and_puts_what_is_not_there() {
    let name = |text: &str| json!({"name": "name", "valueString": text});
    let added = fhir_patch(
        &patient(),
        &[
            parts("add", "Patient", &[name("birthDate"), json!({"name": "value", "valueDate": "1990-01-01"})]),
            parts("add", "Patient", &[name("identifier"), json!({"name": "value", "valueIdentifier": {"value": "4"}})]),
            parts("add", "Patient.name[1]", &[name("given"), json!({"name": "value", "valueString": "C"})]),
            parts(
                "add",
                "Patient",
                &[name("telecom"), json!({"name": "value", "valueContactPoint": {"system": "phone"}})],
            ),
            parts("add", "Patient", &[name("multipleBirth"), json!({"name": "value", "valueInteger": 2})]),
            parts(
                "add",
                "Patient",
                &[
                    name("contact"),
                    json!({"name": "value", "part": [
                {"name": "name", "valueHumanName": {"text": "X"}},
                {"name": "telecom", "valueContactPoint": {"value": "1"}}, {"name": "telecom", "valueContactPoint": {"value": "2"}},
                {"name": "gender", "valueCode": "male"}]}),
                ],
            ),
        ],
    );
    let added = added.expect("it applies");
    assert_eq!(added["birthDate"], "1990-01-01");
    assert_eq!(added["identifier"][3], json!({"value": "4"}));
    assert_eq!(added["name"][1]["given"], json!(["C"]));
    assert_eq!(added["telecom"], json!([{"system": "phone"}]));
    assert_eq!(added["multipleBirthInteger"], 2);
    let contact = json!([{"name": {"text": "X"}, "telecom": [{"value": "1"}, {"value": "2"}], "gender": "male"}]);
    assert_eq!(added["contact"], contact);
}

#[test]
fn insert_move_replace_and_delete_do_what_the_page_says() {
    let done = fhir_patch(
        &patient(),
        &[
            parts(
                "insert",
                "Patient.identifier",
                &[
                    json!({"name": "index", "valueInteger": 1}),
                    json!({"name": "value", "valueIdentifier": {"value": "0"}}),
                ],
            ),
            parts(
                "move",
                "Patient.identifier",
                &[json!({"name": "source", "valueInteger": 3}), json!({"name": "destination", "valueInteger": 0})],
            ),
            parts("delete", "Patient.identifier.where(value = '2')", &[]),
            parts(
                "replace",
                "Patient.name.where(use='official').family",
                &[json!({"name": "value", "valueString": "Drie"})],
            ),
            parts("replace", "Patient.name.first().given[1]", &[json!({"name": "value", "valueString": "Z"})]),
            parts("replace", "Patient.deceased", &[json!({"name": "value", "valueDateTime": "2026-01-01"})]),
            parts("delete", "Patient.name[1]", &[]),
            parts("delete", "Patient.photo[0]", &[]),
            parts("delete", "active", &[]),
        ],
    );
    let done = done.expect("it applies");
    let values: Vec<&Value> = done["identifier"].as_array().expect("a list").iter().map(|one| &one["value"]).collect();
    assert_eq!(values, ["3", "1", "0"]);
    assert_eq!(done["name"], json!([{"use": "official", "family": "Drie", "given": ["A", "Z"]}]));
    assert_eq!((&done["deceasedDateTime"], done.get("deceasedBoolean")), (&json!("2026-01-01"), None));
    assert!(done.get("active").is_none());
    // Nothing is left empty.
    let bare = json!({"resourceType": "Patient", "id": "p", "name": [{"family": "X"}], "birthDate": "1990", "_birthDate": {"id": "b"}});
    let done =
        fhir_patch(&bare, &[parts("delete", "Patient.name[0].family", &[]), parts("delete", "Patient.birthDate", &[])]);
    assert_eq!(done, Ok(json!({"resourceType": "Patient", "id": "p"})));
}

#[test]
fn a_fhirpath_patch_that_does_not_apply_says_where() {
    let value = json!({"name": "value", "valueString": "x"});
    let name = |text: &str| json!({"name": "name", "valueString": text});
    let position = |part: &str, at: i64| json!({"name": part, "valueInteger": at});
    for (operation, at) in [
        (parts("replace", "Patient.birthDate", std::slice::from_ref(&value)), "path"),
        (parts("replace", "Patient.name.family", std::slice::from_ref(&value)), "path"),
        (parts("replace", "Patient", std::slice::from_ref(&value)), "path"),
        (parts("delete", "Patient.name", &[]), "path"),
        (parts("delete", "Patient", &[]), "path"),
        (parts("add", "Patient", &[name("active"), json!({"name": "value", "valueBoolean": true})]), "name"),
        (parts("add", "Patient", &[name("deceased"), json!({"name": "value", "valueDateTime": "2026"})]), "name"),
        (parts("add", "Patient", &[name("nonsense"), value.clone()]), "name"),
        (parts("add", "Patient", &[name("birthDate"), value.clone()]), "value"),
        (parts("add", "Patient", &[name("name"), value.clone()]), "value"),
        (parts("add", "Patient.name", &[name("family"), value.clone()]), "path"),
        (
            parts(
                "insert",
                "Patient.identifier",
                &[position("index", 4), json!({"name": "value", "valueIdentifier": {}})],
            ),
            "index",
        ),
        (
            parts("insert", "Patient.gender", &[position("index", 0), json!({"name": "value", "valueCode": "x"})]),
            "path",
        ),
        (parts("move", "Patient.identifier", &[position("source", 3), position("destination", 0)]), "source"),
        (parts("move", "Patient.identifier", &[position("source", 0), position("destination", 3)]), "destination"),
    ] {
        match error_of(fhir_patch(&patient(), std::slice::from_ref(&operation))) {
            PatchError::DoesNotApply { expression, .. } => {
                assert_eq!(expression, format!("Parameters.parameter[0].{at}"), "{operation}");
            }
            other => panic!("{operation}: {other:?}"),
        }
    }
}

#[test]
fn what_of_the_path_language_is_not_served_is_refused_by_its_name() {
    for (path, named) in [
        ("Patient.name.ofType(HumanName)", "ofType()"),
        ("Patient.name.where(use='a' and family='b')", "where()"),
        ("Patient.name.where(use!='a')", "where()"),
        ("Patient.managingOrganization.resolve().name", "resolve()"),
        ("Patient.name | Patient.contact", "|"),
        ("Patient.name[x]", "[x]"),
        ("Patient..name", "."),
        ("", ""),
        ("Patient.name.where(use=official)", "official"),
        ("Patient.name.where(use='a", "end"),
        ("%resource.name", "%resource"),
    ] {
        match error_of(fhir_patch(&patient(), &[parts("delete", path, &[])])) {
            PatchError::NotServed { expression, details } => {
                assert_eq!(expression, "Parameters.parameter[0].path");
                assert!(details.contains(named), "{path}: {details}");
            }
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn what_is_no_fhirpath_patch_is_malformed() {
    let value = json!({"name": "value", "valueString": "x"});
    for operation in [
        parts("nonsense", "Patient", &[]),
        parts("replace", "Patient.gender", &[]),
        parts("insert", "Patient.name", std::slice::from_ref(&value)),
        parts(
            "move",
            "Patient.name",
            &[json!({"name": "source", "valueInteger": -1}), json!({"name": "destination", "valueInteger": 0})],
        ),
        parts("delete", "Patient.name", &[json!({"name": "further", "valueString": "x"})]),
        json!([{"name": "type", "valueCode": "delete"}]),
    ] {
        let refused = error_of(fhir_patch(&patient(), std::slice::from_ref(&operation)));
        assert!(matches!(refused, PatchError::Malformed { .. }), "{operation}: {refused:?}");
    }
    let other = json!({"resourceType": "Parameters", "parameter": [{"name": "patch"}]}).to_string();
    assert!(matches!(Patch::of_parameters(&other, LIMITS), Err(PatchError::Malformed { .. })));
}

#[test]
fn lists_with_extensions_of_their_values_are_left_to_json_patch() {
    let beside = json!({"resourceType": "Patient", "id": "p", "name": [{"given": ["A"], "_given": [{"id": "g"}]}]});
    let refused = fhir_patch(&beside, &[parts("delete", "Patient.name[0].given[0]", &[])]);
    assert!(matches!(error_of(refused), PatchError::NotServed { .. }));
}
