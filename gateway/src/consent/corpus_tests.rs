//! The example Consents of the IHE profile Privacy Consent on FHIR 1.1.1, and those of HL7's R4 specification: what each decides about
//! the profile's example resources, or for which element it is refused. `docs/consent-decisions.md` is made here.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::labels::{LabelTable, ResourceFacts, Source, facts};

use super::period::from_date_time;
use super::{ActorReference, Consent, ConsentId, Decision, Grantee, Purpose, Request, decide, read};

/// What the examples of the profile are about.
const RESOURCES: [&str; 4] =
    ["Encounter-ex-encounter", "Observation-ex-bloodSugar", "Observation-ex-alcoholUse", "Observation-ex-weight"];
/// Who asks: the practitioner of the examples, and another.
const CALLERS: [&str; 2] = ["ex-practitioner", "another"];
const PURPOSES: [&str; 3] = ["TREAT", "BTG", "HRESCH"];
const MOMENT: &str = "2026-01-15T12:00:00Z";

const HEAD: &str = "\
# What the published example Consents decide

<!-- Made by the tests (consent/corpus_tests.rs); WELLGATE_WRITE=1 writes it anew. -->

Each example Consent of IHE PCF 1.1.1 and of HL7's FHIR R4 as if it were the only one of its record, on 2026-01-15. Asked for are the
profile's Encounter (of no date, and so of this day), blood sugar (2020, normal), alcohol use (2022, `R` and `ETHUD`) and weight (2004, normal),
all written by `Practitioner/ex-author`; by `Practitioner/ex-practitioner` and by another, both of an organisation that no example
names. A Consent that is refused at writing (422) is kept by nobody: its elements are named.

| example | asked by | for | Encounter | blood sugar | alcohol use | weight |
|---|---|---|---|---|---|---|
";

fn registered(actor: &ActorReference) -> Option<Grantee> {
    match *actor {
        ActorReference::Organization(id) => Some(Grantee::organization(id)),
        ActorReference::Practitioner(id) | ActorReference::PractitionerRole(id) => Some(Grantee::practitioner(id)),
        // No team: a Group that somebody else wrote is nobody.
        ActorReference::CareTeam(_) | ActorReference::Group(_) | ActorReference::Identifier { .. } => None,
    }
}

fn corpus() -> PathBuf {
    let project = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    option_env!("WELLGATE_CORPUS").map_or(project, PathBuf::from)
}

fn json(path: &PathBuf) -> Value {
    let text = std::fs::read_to_string(path).expect("the corpus holds this example");
    serde_json::from_str(&text).expect("the example is JSON")
}

/// The examples of both, by name.
fn examples() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (folder, prefix) in [("ihe-pcf", "Consent-ex-"), ("r4-examples", "consent-example")] {
        for entry in std::fs::read_dir(corpus().join(folder)).expect("the corpus has this folder") {
            let path = entry.expect("the folder can be listed").path();
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if name.starts_with(prefix) {
                found.push((format!("{folder} {}", name.trim_start_matches("Consent-ex-")), json(&path)));
            }
        }
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

fn resources() -> Vec<ResourceFacts> {
    let table = LabelTable::built_in();
    let at_ms = from_date_time(MOMENT).map_or(0, |moment| moment.from_ms);
    let of = |name: &str| {
        let resource = json(&corpus().join(format!("ihe-pcf/{name}.json")));
        let text = |member: &str| resource[member].as_str().unwrap_or_default().to_owned();
        let (resource_type, id) = (text("resourceType"), text("id"));
        let source = Source { id: &id, author: "organization/own", recorded_ms: at_ms, base_url: "" };
        ResourceFacts::of(&resource_type, &id, &facts(&table, &resource_type, &resource, source), table.version())
    };
    RESOURCES.iter().map(|name| of(name)).collect()
}

fn decisions(name: &str, consent: &Consent, resources: &[ResourceFacts]) -> String {
    let at_ms = from_date_time(MOMENT).map_or(0, |moment| moment.from_ms);
    let mut rows = String::new();
    for caller in CALLERS {
        for code in PURPOSES {
            let grantees = [Grantee::organization("own"), Grantee::practitioner(caller)];
            let purpose = Purpose::from_code(code).expect("a known purpose");
            let _ = write!(rows, "| {name} | {caller} | {code} ");
            for facts in resources {
                let answer = match decide(
                    Request { grantees: &grantees, former_teams: &[], purpose },
                    facts,
                    std::slice::from_ref(consent),
                    at_ms,
                ) {
                    Decision::Permit(_) => "**permitted**",
                    Decision::Deny(reason) => reason.code(),
                };
                let _ = write!(rows, "| {answer} ");
            }
            rows.push_str("|\n");
        }
    }
    rows
}

#[test]
fn the_published_examples_decide_what_the_page_says_or_are_refused_for_the_element_that_is_not_enforced() {
    if !corpus().is_dir() {
        println!("SKIPPED: no corpus at {}: set WELLGATE_CORPUS to test the published examples", corpus().display());
        return;
    }
    let resources = resources();
    let mut page = HEAD.to_owned();
    for (name, example) in examples() {
        match read(ConsentId(name.clone()), &example, &registered) {
            Ok(consent) => page.push_str(&decisions(&name, &consent, &resources)),
            Err(issues) => {
                let expressions: BTreeSet<_> =
                    issues.into_iter().map(|issue| format!("`{}`", issue.expression)).collect();
                let expressions = expressions.into_iter().collect::<Vec<_>>().join(", ");
                let _ = writeln!(page, "| {name} | anyone | | 422: {expressions} | | | |");
            }
        }
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/consent-decisions.md");
    if option_env!("WELLGATE_WRITE").is_some() {
        std::fs::write(&path, &page).expect("the page can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page, "docs/consent-decisions.md differs: read what changed, and write it anew");
}
