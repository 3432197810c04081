//! The example Consents of the IHE profile Privacy Consent on FHIR 1.1.1, and those of HL7's R4 specification: which are enforced,
//! and for which element the others are refused.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::{ActorReference, ConsentId, Grantee, read};

const ACCEPTED: &str = "";

/// File and the expressions of its issues, without repeats.
const EXAMPLES: [(&str, &str); 14] = [
    ("consent-advanced-normal", "Consent.provision.securityLabel"),
    (
        "consent-advanced-normal-break-glass-restricted",
        "Consent.provision.provision[0].actor[0].reference Consent.provision.provision[0].securityLabel Consent.provision.securityLabel",
    ),
    (
        "consent-advanced-normal-focused-psy",
        "Consent.provision.provision[0].securityLabel Consent.provision.securityLabel",
    ),
    (
        "consent-advanced-normal-not-restricted",
        "Consent.provision.provision[0].securityLabel Consent.provision.securityLabel",
    ),
    ("consent-basic-reject", ACCEPTED),
    ("consent-basic-treat-infant", ACCEPTED),
    ("consent-expired-treat", ACCEPTED),
    ("consent-intermediate-data", "Consent.provision.data"),
    ("consent-intermediate-not-authoredby", "Consent.provision.provision[0].data"),
    ("consent-intermediate-not-encounter", "Consent.provision.provision[0].data"),
    ("consent-intermediate-purpose", "Consent.provision.purpose[0]"),
    // Its privileged users are a Group, and a Group that a client wrote is nobody.
    ("dissent-intermediate-break-glass", "Consent.provision.provision[0].actor[0].reference"),
    // Two that withhold from, and share with, a named person in the very same form: see `require_certain_meaning`.
    ("consent-example-notThem", "Consent.provision.action Consent.provision.type"),
    (
        "consent-example-signature",
        "Consent.provision.provision[0].actor[0].role Consent.provision.provision[0].class Consent.provision.provision[0].code Consent.provision.type",
    ),
];

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

fn file(name: &str) -> PathBuf {
    if name.starts_with("consent-example") {
        corpus().join(format!("r4-examples/{name}.json"))
    } else {
        corpus().join(format!("ihe-pcf/Consent-ex-{name}.json"))
    }
}

#[test]
fn the_published_examples_are_enforced_or_refused_for_the_element_that_is_not() {
    if !corpus().is_dir() {
        println!("SKIPPED: no corpus at {}: set WELLGATE_CORPUS to test the published examples", corpus().display());
        return;
    }
    for (name, expected) in EXAMPLES {
        let text = std::fs::read_to_string(file(name)).expect("the corpus holds this example");
        let consent: Value = serde_json::from_str(&text).expect("the example is JSON");
        let issues = read(ConsentId(name.to_owned()), &consent, &registered).err().unwrap_or_default();
        let expressions: BTreeSet<_> = issues.into_iter().map(|issue| issue.expression).collect();
        assert_eq!(expressions.into_iter().collect::<Vec<_>>().join(" "), expected, "{name}");
    }
}
