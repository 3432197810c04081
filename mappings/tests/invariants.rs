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
    let expected = ["ppc-1 Consent", "dom-4 Consent", "org-1 Consent.contained[0]"];
    assert_eq!(issues(&consent), expected);
    let item = json!({ "linkId": "1", "type": "display", "required": true, "item": [{ "linkId": "2", "type": "display", "readOnly": true }] });
    let questionnaire = json!({ "resourceType": "Questionnaire", "item": [item] });
    assert_eq!(issues(&questionnaire), ["que-6 Questionnaire.item[0]", "que-9 Questionnaire.item[0].item[0]"]);
    let bundle = json!({ "resourceType": "Bundle", "type": "collection", "total": 1, "entry": [{}, { "resource": patient(json!({ "id": "x" })) }] });
    let expected = ["bdl-1 Bundle", "bdl-5 Bundle.entry[0]", "pat-1 Bundle.entry[1].resource.contact[0]"];
    assert_eq!(issues(&bundle), expected);
    let parameters =
        json!({ "resourceType": "Parameters", "parameter": [{ "name": "x" }, { "name": "y", "valueString": "z" }] });
    assert_eq!(issues(&parameters), ["inv-1 Parameters.parameter[0]"]);
}

#[test]
fn what_is_not_evaluated_is_in_the_documentation() {
    let documented = include_str!("../../docs/validation.md");
    let keys: Vec<_> = silent().collect();
    assert!(keys.len() > 10 && keys.is_sorted());
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
