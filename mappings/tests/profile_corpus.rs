//! The profiles of be-core, infsec, `MyCareNet`, IHE PCF and BALP with the examples of their guides: these are right but for what is
//! listed, and what is made wrong in one place is found in that place.
//!
//! The corpus is not part of the project. `WELLGATE_CORPUS` names its folder; without one these tests say so and pass.

use std::path::{Path, PathBuf};

use mappings::json::{self, Limits as JsonLimits};
use mappings::profile::{Limits, Profiles, Source, compile};
use serde_json::{Value, json};

const FOLDERS: [&str; 5] = ["be-core", "be-infsec", "be-defs", "ihe-pcf", "ihe-balp"];

/// What official examples break of their own profile: file, `rule expression`, and why that is right.
const KNOWN: &[(&str, &str, &str)] = &[];

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

/// Every file of the folders, as `folder/name`.
fn files(corpus: &Path) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        for entry in std::fs::read_dir(corpus.join(folder)).expect("the folder is there") {
            let path = entry.expect("it can be listed").path();
            let bytes = std::fs::read(&path).expect("the file can be read");
            let limits = JsonLimits { values_max: 5_000_000, ..JsonLimits::default() };
            let resource = json::parse(&bytes, limits).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            found.push((format!("{folder}/{}", path.file_name().unwrap_or_default().to_string_lossy()), resource));
        }
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

fn profiles(files: &[(String, Value)]) -> Profiles {
    let source = |(name, resource): &(String, Value)| Source { name: name.clone(), resource: resource.clone() };
    let limits = Limits { definitions_max: 1_000, elements_max: 1_000, codes_max: 10_000 };
    compile(&files.iter().map(source).collect::<Vec<_>>(), limits).expect("the guides are right")
}

/// The examples that claim a profile of the guides, with its canonical.
fn examples<'f>(files: &'f [(String, Value)], profiles: &Profiles) -> Vec<(&'f str, &'f Value, &'f str)> {
    let claimed = |resource: &'f Value| resource.pointer("/meta/profile/0").and_then(Value::as_str);
    let is_example = |name: &str| !name.contains("/StructureDefinition-");
    files
        .iter()
        .filter(|(name, _)| is_example(name))
        .filter_map(|(name, resource)| Some((name.as_str(), resource, claimed(resource)?)))
        .filter(|(_, _, canonical)| profiles.find(canonical).is_some())
        .collect()
}

fn issues(profiles: &Profiles, canonical: &str, resource: &Value) -> Vec<String> {
    let profile = profiles.find(canonical).expect("it is loaded");
    let found = profiles.check(profile, resource).into_iter().chain(profiles.check_extensions(resource));
    found.map(|issue| format!("{} {}", issue.rule, issue.expression)).collect()
}

#[test]
fn the_examples_of_the_guides_are_as_their_profiles_ask_but_for_what_is_listed() {
    let Some(corpus) = corpus() else { return };
    let files = files(&corpus);
    let profiles = profiles(&files);
    let examples = examples(&files, &profiles);
    assert!(examples.len() > 40, "{} examples claim a profile", examples.len());
    let mut surprises = Vec::new();
    let mut seen = Vec::new();
    for (name, resource, canonical) in &examples {
        for issue in issues(&profiles, canonical, resource) {
            match KNOWN.iter().find(|(file, known, _)| file == name && *known == issue) {
                Some(known) => seen.push(known),
                None => surprises.push(format!("{name} {issue}")),
            }
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    assert!(KNOWN.iter().all(|known| seen.contains(&known)), "what is listed is found");
    println!("{} examples as their profiles ask, {} known faults", examples.len(), KNOWN.len());
}

/// The example whose name ends so, changed, and what is found then.
struct Bench {
    files: Vec<(String, Value)>,
    profiles: Profiles,
}

impl Bench {
    #[track_caller]
    fn finds(&self, name: &str, change: impl Fn(&mut Value), expected: &str) {
        let examples = examples(&self.files, &self.profiles);
        let (_, resource, canonical) =
            examples.iter().find(|(file, _, _)| file.ends_with(name)).expect("there is such an example");
        let before = issues(&self.profiles, canonical, resource);
        let mut changed = (*resource).clone();
        change(&mut changed);
        assert_ne!(**resource, changed, "the change changes something");
        let after: Vec<String> =
            issues(&self.profiles, canonical, &changed).into_iter().filter(|one| !before.contains(one)).collect();
        assert!(after.iter().any(|issue| issue == expected), "{name}: {expected}, not {after:?}");
    }
}

fn without(name: &str) -> impl Fn(&mut Value) {
    move |resource| drop(resource.as_object_mut().expect("a resource").remove(name))
}

fn with(pointer: &str, value: Value) -> impl Fn(&mut Value) {
    move |resource| *resource.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is there")) = value.clone()
}

#[test]
fn what_is_made_wrong_in_one_place_is_found_there() {
    let Some(corpus) = corpus() else { return };
    let files = files(&corpus);
    let profiles = profiles(&files);
    let bench = Bench { files, profiles };
    // A required element.
    bench.finds("ex-consent-basic-treat-infant.json", without("dateTime"), "profile-min Consent.dateTime");
    bench.finds("ex-consent-basic-treat-infant.json", without("organization"), "profile-min Consent.organization");
    // A wrong value where a pattern stands.
    let coding = json!([{ "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research" }]);
    bench.finds("ex-consent-basic-treat-infant.json", with("/scope/coding", coding), "profile-pattern Consent.scope");
    // What a closed slicing does not take.
    let meaning = json!("dependents");
    let expected = "profile-slicing-closed Consent.provision.data[0]";
    bench.finds("ex-consent-intermediate-data.json", with("/provision/data/0/meaning", meaning), expected);
    // A slice that is required, gone.
    bench.finds("ex-auditBasicCreate1.json", with("/subtype", json!([])), "profile-slice-min AuditEvent.subtype");
    bench.finds("ex-auditBasicCreate1.json", with("/action", json!("R")), "profile-pattern AuditEvent.action");
}
