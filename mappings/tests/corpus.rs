//! Real resources go through the door: every official example, and what is wrong with the few that do not.
//!
//! The corpus is not part of the project. `WELLGATE_CORPUS` names its folder; without one these tests say so and pass.

use std::path::{Path, PathBuf};

use mappings::json::spans::{replace_references, set_members, top_level};
use mappings::json::{self, Limits};
use mappings::r4::structure::summary::{Part, subset};
use mappings::r4::structure::{ContentIssue, check};
use serde_json::Value;

const FOLDERS: [&str; 8] =
    ["r4-examples", "r4-package", "be-core", "be-referral", "ihe-pcf", "ihe-balp", "be-infsec", "be-defs"];

/// Official examples that are wrong, by the beginning of the file's name, with the element that the definitions require of them.
/// They are in the full package `hl7.fhir.r4.examples` 4.0.1 (5,306 files; unpack it into a folder `r4-package` of the corpus to have
/// it checked too); of our corpus every example is right.
const REFUSED: [(&str, &[&str]); 9] = [
    ("ImplementationGuide-fhir.json", &["ImplementationGuide.name", "ImplementationGuide.status"]),
    ("ig-r4.json", &["ImplementationGuide.name", "ImplementationGuide.status"]),
    ("Questionnaire-qs1.json", &[".linkId"]),
    // The id of this one has 65 characters.
    ("SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject", &["SearchParameter.id"]),
    ("SearchParameter-", &["SearchParameter.base"]),
    // These refer to a type that their element does not take.
    ("DeviceMetric-example.json", &["DeviceMetric.parent"]),
    ("DeviceUseStatement-example.json", &["DeviceUseStatement.reasonReference[0]"]),
    ("MedicationRequest-medrx0301.json", &["MedicationRequest.dispenseRequest.performer"]),
    ("Observation-clinical-gender.json", &["Observation.performer[0]"]),
];

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

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

fn read(path: &Path) -> Value {
    let bytes = std::fs::read(path).expect("the file can be read");
    // A few of the official package are far longer than what is taken at the door.
    let limits = Limits { values_max: 10_000_000, ..Limits::default() };
    json::parse(&bytes, limits).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn describe(issues: &[ContentIssue]) -> String {
    let lines: Vec<_> = issues.iter().map(|issue| format!("  {} {}", issue.expression, issue.details)).collect();
    lines.join("\n")
}

#[test]
fn every_example_is_accepted_but_those_that_are_wrong() {
    let Some(corpus) = corpus() else { return };
    let mut checked = 0;
    let mut surprises = Vec::new();
    for path in FOLDERS.iter().flat_map(|folder| files(&corpus.join(folder))) {
        let issues = check(&read(&path));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let expected = REFUSED.iter().find(|(prefix, _)| name.starts_with(prefix)).map_or(&[][..], |(_, paths)| *paths);
        if issues.iter().any(|issue| !expected.iter().any(|path| issue.expression.ends_with(path))) {
            surprises.push(format!("{}\n{}", path.display(), describe(&issues)));
        }
        checked += 1;
    }
    println!("{checked} examples checked");
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

/// Whether a part has nothing that the whole has not, and everything at its own place.
fn is_within(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(name, part)| whole.get(name).is_some_and(|whole| is_within(part, whole)))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(part, whole)| is_within(part, whole))
        }
        _ => part == whole,
    }
}

#[test]
fn every_part_of_an_example_is_a_resource_and_within_the_whole() {
    let Some(corpus) = corpus() else { return };
    let names = ["name".to_owned(), "subject".to_owned(), "value".to_owned()];
    let mut checked = 0;
    for path in FOLDERS.iter().flat_map(|folder| files(&corpus.join(folder))) {
        let text = std::fs::read_to_string(&path).expect("the file can be read");
        let whole = read(&path);
        if !check(&whole).is_empty() {
            continue;
        }
        for part in [Part::Summary, Part::Text, Part::Data, Part::Elements(&names)] {
            let mut found = json::parse(subset(&text, part).as_bytes(), Limits::default()).expect("a part is JSON");
            let mut issues = check(&found);
            // What is contained is no part of a summary, whatever refers to it.
            issues.retain(|issue| issue.rule != "ref-1");
            assert!(issues.is_empty(), "{} {part:?}\n{}", path.display(), describe(&issues));
            let tags = found["meta"]["tag"].as_array().map_or(0, Vec::len);
            assert_eq!(tags, whole["meta"]["tag"].as_array().map_or(0, Vec::len) + 1, "{}", path.display());
            found["meta"] = whole["meta"].clone();
            let mut whole = whole.clone();
            whole["meta"] = found["meta"].clone();
            assert!(is_within(&found, &whole), "{} {part:?}", path.display());
            if part == Part::Data {
                whole.as_object_mut().expect("an object").remove("text");
                assert_eq!(found, whole, "{}", path.display());
            }
            checked += 1;
        }
    }
    println!("{checked} parts checked");
}

#[test]
fn the_summary_of_the_official_patient_is_that_of_its_definition() {
    let Some(corpus) = corpus() else { return };
    let text = std::fs::read_to_string(corpus.join("r4-examples/patient-example.json")).expect("the file can be read");
    let part: Value = serde_json::from_str(&subset(&text, Part::Summary)).expect("a part is JSON");
    let members = part.as_object().expect("an object").keys().map(String::as_str);
    let mut members: Vec<&str> = members.filter(|name| !["resourceType", "id", "meta"].contains(name)).collect();
    members.sort_unstable();
    // Of the whole it has neither the narrative nor the contact.
    let expected = [
        "_birthDate",
        "active",
        "address",
        "birthDate",
        "deceasedBoolean",
        "gender",
        "identifier",
        "managingOrganization",
        "name",
        "telecom",
    ];
    assert_eq!(members, expected);
}

#[test]
fn every_synthea_resource_is_accepted() {
    let Some(corpus) = corpus() else { return };
    for path in files(&corpus.join("synthea")) {
        let issues = check(&read(&path));
        assert!(issues.is_empty(), "{}\n{}", path.display(), describe(&issues));
    }
}

#[test]
fn an_edit_of_an_example_changes_what_it_names_and_no_other_byte() {
    let Some(corpus) = corpus() else { return };
    for path in files(&corpus.join("r4-examples")) {
        let text = std::fs::read_to_string(&path).expect("the file can be read");
        let value = read(&path);
        assert_eq!(replace_references(&text, &|_| None), text, "{}", path.display());
        let members = top_level(&text);
        assert_eq!(members.len(), value.as_object().map_or(0, serde_json::Map::len), "{}", path.display());
        for member in members {
            let found: Value = serde_json::from_str(&text[member.value_span]).expect("a member is JSON");
            assert_eq!(found, value[member.key.as_ref()], "{} {}", path.display(), member.key);
        }
        let mut edited = value;
        edited["id"] = Value::from("new");
        let spliced = set_members(&text, &[("id", "\"new\"")]);
        assert_eq!(json::parse(spliced.as_bytes(), Limits::default()), Ok(edited), "{}", path.display());
    }
}
