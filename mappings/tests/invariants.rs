//! Invariants: each form of them on a resource by hand, and all of them on every official example.

use std::path::{Path, PathBuf};

use mappings::r4::invariants::{check, silent};
use serde_json::{Value, json};

const FOLDERS: [&str; 8] =
    ["r4-examples", "r4-package", "be-core", "be-referral", "ihe-pcf", "ihe-balp", "be-infsec", "be-defs"];

/// What official examples break: the beginning of the file's name and the rule.
const KNOWN: &[(&str, &str)] = &[
    // In the full package alone: patterns that neither are abstract nor have a base.
    ("StructureDefinition-Definition.json", "sdf-4"),
    ("StructureDefinition-Event.json", "sdf-4"),
    ("StructureDefinition-FiveWs.json", "sdf-4"),
    ("StructureDefinition-Request.json", "sdf-4"),
];

/// Each issue as `rule expression`.
fn issues(resource: &Value) -> Vec<String> {
    check(resource).into_iter().map(|issue| format!("{} {}", issue.rule, issue.expression)).collect()
}

#[test]
fn several_elements_together_are_held_to_what_the_standard_says() {
    let patient = |contact: Value| json!({ "resourceType": "Patient", "contact": [contact] });
    assert_eq!(issues(&patient(json!({ "gender": "female" }))), ["pat-1 Patient.contact[0]"]);
    assert_eq!(issues(&patient(json!({ "name": { "text": "x" } }))), Vec::<String>::new());
    let period = json!({ "start": "2024-02-02", "end": "2024-02-01" });
    let named = json!({ "name": { "text": "x", "period": period }, "telecom": [{ "value": "1" }] });
    assert_eq!(
        issues(&patient(named)),
        ["per-1 Patient.contact[0].name.period", "cpt-2 Patient.contact[0].telecom[0]"]
    );
    let observation = json!({ "resourceType": "Observation", "valueQuantity": { "value": 1, "code": "kg" },
        "dataAbsentReason": { "text": "x" }, "referenceRange": [{ "appliesTo": [{ "text": "x" }] }] });
    let expected = ["obs-6 Observation", "qty-3 Observation.valueQuantity", "obs-3 Observation.referenceRange[0]"];
    assert_eq!(issues(&observation), expected);
    let consent = json!({ "resourceType": "Consent", "contained": [{ "resourceType": "Organization", "id": "o",
        "meta": { "versionId": "1" } }] });
    let expected = ["ppc-1 Consent", "dom-3 Consent", "dom-4 Consent", "org-1 Consent.contained[0]"];
    assert_eq!(issues(&consent), expected);
    let item = json!({ "linkId": "1", "type": "display", "required": true, "item": [{ "linkId": "2", "type": "display", "readOnly": true }] });
    let questionnaire = json!({ "resourceType": "Questionnaire", "item": [item] });
    assert_eq!(
        issues(&questionnaire),
        ["que-1 Questionnaire.item[0]", "que-6 Questionnaire.item[0]", "que-9 Questionnaire.item[0].item[0]"]
    );
    let bundle = json!({ "resourceType": "Bundle", "type": "collection", "total": 1, "entry": [{}, { "resource": patient(json!({ "id": "x" })) }] });
    let expected = ["bdl-1 Bundle", "bdl-5 Bundle.entry[0]", "pat-1 Bundle.entry[1].resource.contact[0]"];
    assert_eq!(issues(&bundle), expected);
    let parameters =
        json!({ "resourceType": "Parameters", "parameter": [{ "name": "x" }, { "name": "y", "valueString": "z" }] });
    assert_eq!(issues(&parameters), ["inv-1 Parameters.parameter[0]"]);
}

/// One broken and one right form of each; what else is wrong with them does not matter.
#[test]
fn what_takes_more_of_the_language_is_held_to_it_too() {
    let bundle = |kind: &str, entry: Value| json!({ "resourceType": "Bundle", "type": kind, "entry": entry });
    let duration = |duration: Value| json!({ "resourceType": "Encounter", "length": duration });
    let observation = |component: &str| {
        json!({ "resourceType": "Observation", "code": { "coding": [{ "code": "a" }] },
        "valueString": "x", "component": [{ "code": { "coding": [{ "code": component }] } }] })
    };
    let questionnaire = |item: Value| json!({ "resourceType": "Questionnaire", "item": item });
    let element =
        |element: Value| json!({ "resourceType": "StructureDefinition", "snapshot": { "element": [element] } });
    let risk =
        |decimal: f64| json!({ "resourceType": "RiskAssessment", "prediction": [{ "probabilityDecimal": decimal }] });
    let range = |code: &str| {
        json!({ "resourceType": "RiskAssessment", "prediction": [{ "probabilityRange":
        { "low": { "value": 1, "code": code, "system": "http://unitsofmeasure.org" } } }] })
    };
    let naming = |kind: &str| json!({ "resourceType": "NamingSystem", "kind": kind, "uniqueId": [{ "type": "uuid", "value": "x" }] });
    let concepts = |second: &str| json!({ "resourceType": "CodeSystem", "concept": [{ "code": "a", "concept": [{ "code": second }] }] });
    let patient = |reference: &str| {
        json!({ "resourceType": "Patient", "managingOrganization": { "reference": reference },
        "contained": [{ "resourceType": "Organization", "id": "o", "name": "O" }] })
    };
    for (key, broken, right) in [
        ("dom-3", patient("#other"), patient("#o")),
        (
            "bdl-3",
            bundle("batch", json!([{ "resource": patient("#o") }])),
            bundle("batch", json!([{ "request": { "method": "GET", "url": "x" } }])),
        ),
        (
            "bdl-7",
            bundle("collection", json!([{ "fullUrl": "urn:a" }, { "fullUrl": "urn:a" }])),
            bundle("collection", json!([{ "fullUrl": "urn:a" }, { "fullUrl": "urn:b" }])),
        ),
        (
            "bdl-8",
            bundle("collection", json!([{ "fullUrl": "http://e/P/1/_history/1" }])),
            bundle("collection", json!([{ "fullUrl": "http://e/P/1" }])),
        ),
        (
            "bdl-11",
            bundle("document", json!([{ "resource": patient("#o") }])),
            bundle("document", json!([{ "resource": { "resourceType": "Composition" } }])),
        ),
        (
            "bdl-12",
            bundle("message", json!([{ "resource": patient("#o") }])),
            bundle("message", json!([{ "resource": { "resourceType": "MessageHeader" } }])),
        ),
        (
            "drt-1",
            duration(json!({ "value": 1, "code": "h", "system": "http://else" })),
            duration(json!({ "value": 1, "code": "h", "system": "http://unitsofmeasure.org" })),
        ),
        ("obs-7", observation("a"), observation("b")),
        (
            "que-1",
            questionnaire(json!([{ "linkId": "1", "type": "group" }])),
            questionnaire(json!([{ "linkId": "1", "type": "group", "item": [{ "linkId": "2", "type": "string" }] }])),
        ),
        (
            "que-2",
            questionnaire(json!([{ "linkId": "1", "item": [{ "linkId": "1" }] }])),
            questionnaire(json!([{ "linkId": "1", "item": [{ "linkId": "2" }] }])),
        ),
        (
            "que-7",
            questionnaire(json!([{ "enableWhen": [{ "operator": "exists", "answerString": "x" }] }])),
            questionnaire(json!([{ "enableWhen": [{ "operator": "exists", "answerBoolean": true }] }])),
        ),
        (
            "que-12",
            questionnaire(json!([{ "enableWhen": [{}, {}, {}] }])),
            questionnaire(json!([{ "enableWhen": [{}, {}, {}], "enableBehavior": "all" }])),
        ),
        (
            "eld-2",
            element(json!({ "path": "A", "min": 2, "max": "1" })),
            element(json!({ "path": "A", "min": 1, "max": "*" })),
        ),
        ("eld-3", element(json!({ "path": "A", "max": "-1" })), element(json!({ "path": "A", "max": "3" }))),
        (
            "eld-16",
            element(json!({ "path": "A", "sliceName": "a b" })),
            element(json!({ "path": "A", "sliceName": "a/b" })),
        ),
        ("ras-1", range("kg"), range("%")),
        ("ras-2", risk(101.0), risk(99.5)),
        ("nsd-1", naming("root"), naming("identifier")),
        ("csd-1", concepts("a"), concepts("b")),
    ] {
        let has = |resource: &Value| check(resource).iter().any(|issue| issue.rule == key);
        assert!(has(&broken), "{key} takes {broken}");
        assert!(!has(&right), "{key} does not take {right}");
    }
}

#[test]
fn what_costs_too_much_is_said_to() {
    let items: Vec<Value> = (0..2_000)
        .map(|n| json!({ "id": format!("c{n}"), "resourceType": "Basic", "code": { "text": "x" } }))
        .collect();
    let found = check(&json!({ "resourceType": "Basic", "contained": items }));
    assert!(found.iter().any(|issue| issue.rule == "too-costly"), "{found:?}");
}

#[test]
fn what_is_not_evaluated_is_in_the_documentation() {
    let documented = include_str!("../../docs/validation.md");
    let keys: Vec<_> = silent().collect();
    assert_eq!(keys, ["ctm-1", "ppc-2", "ppc-3", "ppc-4", "ppc-5", "txt-1", "txt-2"]);
    for key in keys {
        assert!(documented.contains(&format!("`{key}`")), "{key}");
    }
}

fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    #[expect(clippy::disallowed_methods, reason = "tests are told where the corpus is")]
    let folder = std::env::var_os("WELLGATE_CORPUS").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no corpus at {}; set WELLGATE_CORPUS", folder.display());
    None
}

#[test]
fn every_example_fulfils_them_but_those_that_are_wrong() {
    let Some(corpus) = corpus() else { return };
    let mut surprises = Vec::new();
    let mut checked = 0;
    for folder in FOLDERS {
        let Ok(entries) = std::fs::read_dir(corpus.join(folder)) else { continue };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let Some(resource) =
                std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
            else {
                continue;
            };
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            checked += 1;
            for issue in check(&resource) {
                if !KNOWN.iter().any(|(file, rule)| name.starts_with(file) && *rule == issue.rule) {
                    surprises.push(format!("{folder}/{name}: {} {}", issue.rule, issue.expression));
                }
            }
        }
    }
    println!("{checked} examples checked");
    surprises.sort();
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}
