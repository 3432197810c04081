//! Reads a Consent from JSON: exactly, or not at all.
//!
//! Source: <https://hl7.org/fhir/R4/consent.html> and the IHE profile Privacy Consent on FHIR 1.1.1. Structure in general
//! (cardinalities, data types) is checked elsewhere; here stands what an active Consent may say and be enforced to the letter.

use serde_json::Value;

use super::grantee::{ActorReference, Grantee};
use super::issue::{ConsentIssue, Element, IssueCode};
use super::provision::{Consent, ConsentId, Provision, Status};
use super::provision_reader::{code_of, root_provision};
use super::registration;

pub(super) const SCOPE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
const POLICY_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

/// The understood policies. Both give a base that is silent here; what is agreed stands in provisions with a type.
///
/// OPTINR and OPTOUTE are not among them: they announce restrictions or exceptions that need not stand in the Consent itself, so
/// nobody can tell whether its provisions are all of them.
const POLICIES: [&str; 2] = ["OPTIN", "OPTOUT"];

/// Every R4 element of a Consent but `implicitRules`, which changes the meaning of all others in ways that are not known here.
/// `policy` is recorded only: the gateway's own policy holds (no consent, no disclosure).
const KNOWN: [&str; 22] = [
    "resourceType",
    "id",
    "meta",
    "language",
    "_language",
    "text",
    "contained",
    "extension",
    "identifier",
    "status",
    "scope",
    "category",
    "patient",
    "dateTime",
    "_dateTime",
    "performer",
    "organization",
    "sourceAttachment",
    "sourceReference",
    "policy",
    "policyRule",
    "provision",
];

/// Reads a Consent. `registered` says which grantee an actor is, and knows only what the operator registered.
///
/// A Consent that is not active is never enforced, so it is read whatever it says, if it has a status and names its patient.
///
/// # Errors
/// Every element that is present and would not be enforced exactly, all at once.
pub fn read(
    id: ConsentId,
    consent: &Value,
    registered: &dyn Fn(&ActorReference) -> Option<Grantee>,
) -> Result<Consent, Vec<ConsentIssue>> {
    let root = Element::root(consent);
    let mut issues = Vec::new();
    let status = status(&root, &mut issues);
    let patient = patient(&root, &mut issues);
    let mut unenforced = Vec::new();
    let provision = enforceable_provision(&root, registered, &mut unenforced);
    let is_certain = unenforced.is_empty();
    if matches!(status, None | Some(Status::Active)) {
        issues.append(&mut unenforced);
    }
    match (status, patient) {
        (Some(status), Some(patient)) if issues.is_empty() => Ok(Consent {
            id,
            status,
            patient: patient.to_owned(),
            date_time: consent.get("dateTime").and_then(Value::as_str).map(str::to_owned),
            provision: provision.filter(|_| is_certain),
        }),
        _ => Err(issues),
    }
}

fn status(root: &Element, issues: &mut Vec<ConsentIssue>) -> Option<Status> {
    let code = root.text("status", issues)?;
    let status = Status::from_code(code);
    if status.is_none() {
        issues.push(ConsentIssue {
            expression: "Consent.status".to_owned(),
            code: IssueCode::Value,
            details: "status must be draft, proposed, active, rejected, inactive or entered-in-error".to_owned(),
        });
    }
    status
}

fn patient<'a>(root: &Element<'a>, issues: &mut Vec<ConsentIssue>) -> Option<&'a str> {
    let Some(patient) = root.member("patient") else {
        root.missing("patient", issues);
        return None;
    };
    let text = patient.text("reference", issues)?;
    let names_one = text.strip_prefix("Patient/").is_some_and(|id| !id.is_empty() && !id.contains('/'));
    if !names_one {
        patient.issue(issues, IssueCode::Value, "must be a reference of the form Patient/<id>");
    }
    names_one.then_some(text)
}

fn enforceable_provision(
    root: &Element,
    registered: &dyn Fn(&ActorReference) -> Option<Grantee>,
    issues: &mut Vec<ConsentIssue>,
) -> Option<Provision> {
    root.refuse_unknown(&[&KNOWN[..], &["verification"]].concat(), issues);
    if has_modifier_extension(root.value) {
        refuse_modifier_extensions(root, issues);
    }
    verification(root, issues);
    if registration::is_about_register(root.value) {
        registration::check(root, issues);
        return None;
    }
    scope(root, issues);
    policy_rule(root, issues);
    let Some(provision) = root.member("provision") else {
        root.missing("provision", issues);
        return None;
    };
    root_provision(&provision, registered, issues)
}

/// Whether there is one anywhere: asked first, for to name where costs a text an element.
fn has_modifier_extension(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.iter().any(|(name, member)| name == "modifierExtension" || has_modifier_extension(member))
        }
        Value::Array(values) => values.iter().any(has_modifier_extension),
        _ => false,
    }
}

/// A modifier extension may turn the meaning of what carries it around, and none is known here.
fn refuse_modifier_extensions(element: &Element, issues: &mut Vec<ConsentIssue>) {
    match element.value {
        Value::Object(members) => {
            for member in members.keys().filter_map(|name| element.member(name)) {
                if member.expression.ends_with(".modifierExtension") {
                    member.issue(issues, IssueCode::BusinessRule, "is not known here and may change the meaning");
                } else {
                    refuse_modifier_extensions(&member, issues);
                }
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                let entry = Element { expression: format!("{}[{index}]", element.expression), value };
                refuse_modifier_extensions(&entry, issues);
            }
        }
        _ => {}
    }
}

fn scope(root: &Element, issues: &mut Vec<ConsentIssue>) {
    let Some(scope) = root.member("scope") else {
        root.missing("scope", issues);
        return;
    };
    let codings = scope.entries("coding", issues);
    if codings.is_empty() || !codings.iter().all(|coding| code_of(coding, SCOPE_SYSTEM) == Some("patient-privacy")) {
        let predicate = format!("must be patient-privacy of {SCOPE_SYSTEM} and nothing else");
        scope.issue(issues, IssueCode::BusinessRule, &predicate);
    }
}

fn policy_rule(root: &Element, issues: &mut Vec<ConsentIssue>) {
    let Some(rule) = root.member("policyRule") else { return };
    let codings = rule.entries("coding", issues);
    let codes: Vec<_> = codings.iter().map(|coding| code_of(coding, POLICY_SYSTEM)).collect();
    let is_understood = codes.first().copied().flatten().is_some_and(|code| POLICIES.contains(&code))
        && codes.iter().all(|code| *code == codes[0]);
    if !is_understood {
        let predicate = format!("must be either OPTIN or OPTOUT of {POLICY_SYSTEM}, or be left out");
        rule.issue(issues, IssueCode::BusinessRule, &predicate);
    }
}

/// An instruction that was checked with the patient and did not hold is not the patient's word.
fn verification(root: &Element, issues: &mut Vec<ConsentIssue>) {
    for verification in root.entries("verification", issues) {
        if verification.value.get("verified") != Some(&Value::Bool(true)) {
            let predicate = "must not say that the Consent is unverified while it is active";
            verification.issue(issues, IssueCode::BusinessRule, predicate);
        }
    }
}
