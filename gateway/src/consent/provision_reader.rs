//! Reads the provisions of a Consent from JSON, and names every element that the gateway would not enforce exactly.

use serde_json::Value;

use super::about_reader::{ABOUT, about, require_enforced_actions};
use super::grantee::{ActorReference, Grantee};
use super::issue::{ConsentIssue, Element, IssueCode};
use super::period::{Period, from_date_time};
use super::provision::{Provision, ProvisionType};
use super::purpose::{PURPOSE_SYSTEM, Purpose, PurposeSet};

/// The most nested provisions that a Consent may have: with [`ACTORS_MAX`] it bounds the access grants of one Consent.
pub const NESTED_PROVISIONS_MAX: usize = 50;
/// The most actors that a provision may have, and so the most rows that it becomes: whatever the record holds, a provision is at
/// most this many.
pub const ACTORS_MAX: usize = 8;

pub(super) const ROLE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const ROLES: [&str; 2] = ["IRCP", "PRCP"];

/// The members of a Coding. Which purpose is meant is said by system and code alone.
pub(super) const CODING: [&str; 7] = ["id", "extension", "system", "version", "code", "display", "userSelected"];

type Registered<'r> = &'r dyn Fn(&ActorReference) -> Option<Grantee>;

/// Reads the root provision with everything nested in it. What it returns is sound only if no issue was added.
pub(super) fn root_provision(
    root: &Element,
    registered: Registered,
    issues: &mut Vec<ConsentIssue>,
) -> Option<Provision> {
    let mut provision = provision(root, registered, issues)?;
    for (index, element) in root.entries("provision", issues).iter().enumerate() {
        if index == NESTED_PROVISIONS_MAX {
            let predicate = format!("is one too many: a Consent may nest {NESTED_PROVISIONS_MAX} provisions");
            element.issue(issues, IssueCode::BusinessRule, &predicate);
            break;
        }
        provision.nested.extend(nested_provision(element, &provision, registered, issues));
    }
    if provision.provision_type.is_none() && root.member("type").is_none() {
        require_certain_meaning(root, issues);
    }
    Some(provision)
}

/// A root without a type is read as base R4: the base comes from elsewhere, and the nested provisions are what is agreed.
///
/// Named recipients without a type are refused, whatever `policyRule` says: HL7's own R4 examples use the very same form under
/// OPTIN once to withhold from a person (`consent-example-notThem`) and once to share with one (`consent-example-signature`).
fn require_certain_meaning(root: &Element, issues: &mut Vec<ConsentIssue>) {
    let says_more_than_a_period = ["actor", "purpose"].iter().chain(&ABOUT).any(|name| root.member(name).is_some());
    let way_out = if says_more_than_a_period {
        "is required here: without it, it is not certain whether what this provision names is permitted or excluded"
    } else if root.member("provision").is_none() {
        "is required here: without it and without nested provisions, this Consent neither permits nor denies"
    } else {
        return;
    };
    issues.push(ConsentIssue {
        expression: format!("{}.type", root.expression),
        code: IssueCode::BusinessRule,
        details: format!("type {way_out}"),
    });
}

fn nested_provision(
    element: &Element,
    root: &Provision,
    registered: Registered,
    issues: &mut Vec<ConsentIssue>,
) -> Option<Provision> {
    let nested = provision(element, registered, issues)?;
    if let Some(deeper) = element.member("provision") {
        deeper.issue(issues, IssueCode::BusinessRule, "is nested too deep: one level below the root is enforced");
    }
    if element.member("type").is_none() {
        element.missing("type", issues);
    }
    if nested.about.actions.is_none() {
        require_enforced_actions(element, nested.provision_type, &nested.about.or(&root.about), issues);
    }
    if root.period.intersect(nested.period).is_empty() {
        let predicate = "can never apply: its period lies outside the period of the root provision";
        element.issue(issues, IssueCode::Invariant, predicate);
    }
    if root.provision_type == Some(ProvisionType::Deny) && nested.provision_type == Some(ProvisionType::Permit) {
        require_common_purpose(element, root, &nested, issues);
    }
    Some(nested)
}

/// An exception to a deny that shares no purpose with it excepts nothing. Whoever wrote it meant something else.
fn require_common_purpose(element: &Element, root: &Provision, nested: &Provision, issues: &mut Vec<ConsentIssue>) {
    let any = PurposeSet::ANY;
    if root.purposes.unwrap_or(any).intersect(nested.purposes.unwrap_or(any)).is_empty() {
        let predicate = "can never apply: it is an exception to the root provision, which is about other purposes";
        element.issue(issues, IssueCode::Invariant, predicate);
    }
}

fn provision(element: &Element, registered: Registered, issues: &mut Vec<ConsentIssue>) -> Option<Provision> {
    let known = ["id", "extension", "type", "period", "actor", "purpose", "provision"];
    element.refuse_unknown(&[&known[..], &ABOUT[..]].concat(), issues);
    element.value.as_object()?;
    let provision_type = element.member("type").and_then(|member| provision_type(&member, issues));
    let about = about(element, issues);
    require_enforced_actions(element, provision_type, &about, issues);
    Some(Provision {
        provision_type,
        actors: actors(element, registered, issues),
        purposes: purposes(element, issues),
        period: element.member("period").map_or(Period::ALWAYS, |member| period(&member, issues)),
        about,
        nested: Vec::new(),
    })
}

fn provision_type(element: &Element, issues: &mut Vec<ConsentIssue>) -> Option<ProvisionType> {
    match element.value.as_str() {
        Some("permit") => Some(ProvisionType::Permit),
        Some("deny") => Some(ProvisionType::Deny),
        _ => {
            element.issue(issues, IssueCode::Value, "must be permit or deny");
            None
        }
    }
}

pub(super) fn period(element: &Element, issues: &mut Vec<ConsentIssue>) -> Period {
    element.refuse_unknown(&["id", "extension", "start", "end"], issues);
    let start = element.member("start").map(|member| moment(&member, issues));
    let end = element.member("end").map(|member| moment(&member, issues));
    if start.is_none() && end.is_none() {
        element.issue(issues, IssueCode::Structure, "must have a start or an end");
    }
    let from_ms = start.flatten().map_or(i64::MIN, |start| start.from_ms);
    let until_ms = end.flatten().map_or(i64::MAX, |end| end.until_ms);
    let period = Period { from_ms, until_ms };
    if period.is_empty() {
        element.issue(issues, IssueCode::Invariant, "ends before it starts");
        return Period::ALWAYS;
    }
    period
}

fn moment(element: &Element, issues: &mut Vec<ConsentIssue>) -> Option<Period> {
    let moment = element.value.as_str().and_then(from_date_time);
    if moment.is_none() {
        element.issue(issues, IssueCode::Value, "must be a date, or a date and time with seconds and a zone");
    }
    moment
}

fn purposes(provision: &Element, issues: &mut Vec<ConsentIssue>) -> Option<PurposeSet> {
    let mut set = PurposeSet::NONE;
    for coding in provision.entries("purpose", issues) {
        coding.refuse_unknown(&CODING, issues);
        match code_of(&coding, PURPOSE_SYSTEM).and_then(Purpose::from_code) {
            Some(purpose) => set = set.with(purpose),
            None => {
                coding.issue(
                    issues,
                    IssueCode::Value,
                    &format!("must be a code of the R4 value set in {PURPOSE_SYSTEM}"),
                );
            }
        }
    }
    (!set.is_empty()).then_some(set)
}

fn actors(provision: &Element, registered: Registered, issues: &mut Vec<ConsentIssue>) -> Option<Vec<Grantee>> {
    let mut grantees = Vec::new();
    for (index, actor) in provision.entries("actor", issues).iter().enumerate() {
        if index == ACTORS_MAX {
            let predicate =
                format!("is one too many: a provision may name {ACTORS_MAX} actors, so use a further provision");
            actor.issue(issues, IssueCode::BusinessRule, &predicate);
            break;
        }
        actor.refuse_unknown(&["id", "extension", "role", "reference"], issues);
        role(actor, issues);
        match actor.member("reference") {
            Some(reference) => grantees.extend(grantee(&reference, registered, issues)),
            None => actor.missing("reference", issues),
        }
    }
    grantees.sort();
    grantees.dedup();
    (!grantees.is_empty()).then_some(grantees)
}

/// Every coding of the role must be a recipient's: another one beside it would say something that is not enforced.
fn role(actor: &Element, issues: &mut Vec<ConsentIssue>) {
    let Some(role) = actor.member("role") else {
        actor.missing("role", issues);
        return;
    };
    role.refuse_unknown(&["id", "extension", "coding", "text"], issues);
    let codings = role.entries("coding", issues);
    let all_recipients =
        codings.iter().all(|coding| code_of(coding, ROLE_SYSTEM).is_some_and(|code| ROLES.contains(&code)));
    if codings.is_empty() || !all_recipients {
        let predicate = format!("must be IRCP or PRCP of {ROLE_SYSTEM}: only recipients are enforced");
        role.issue(issues, IssueCode::BusinessRule, &predicate);
    }
}

/// The code of a Coding, if it is of this system.
pub(super) fn code_of<'a>(coding: &Element<'a>, system: &str) -> Option<&'a str> {
    (coding.value.get("system").and_then(Value::as_str) == Some(system))
        .then(|| coding.value.get("code").and_then(Value::as_str))
        .flatten()
}

fn grantee(reference: &Element, registered: Registered, issues: &mut Vec<ConsentIssue>) -> Option<Grantee> {
    reference.refuse_unknown(&["id", "extension", "reference", "type", "identifier", "display"], issues);
    let literal = reference.member("reference");
    let logical = reference.member("identifier");
    let resolved: Vec<Option<Grantee>> = [
        literal.as_ref().map(|literal| literal_reference(literal).and_then(|actor| registered(&actor))),
        logical.as_ref().map(|logical| identifier(logical, issues).and_then(|actor| registered(&actor))),
    ]
    .into_iter()
    .flatten()
    .collect();
    // A practitioner is shown under two types, so the address says which of them is meant.
    let literal_type =
        literal.as_ref().and_then(|literal| literal.value.as_str()?.split_once('/')).map(|(name, _)| name);
    let named_type = reference.value.get("type").map(Value::as_str);
    // Where a reference says who is meant in more than one way, they must agree. And an operator registers identities: no
    // registration is "everyone".
    let grantee = resolved.first().cloned().flatten().filter(|grantee| {
        !grantee.is_everyone()
            && resolved.iter().all(|other| other.as_ref() == Some(grantee))
            && named_type.is_none_or(|named| named == literal_type.or_else(|| grantee.resource_type()))
    });
    if grantee.is_none() {
        let predicate = "does not name an organisation, practitioner or kind of organisation that is registered here, or a team of the record or of \
             its custodian";
        reference.issue(issues, IssueCode::Value, predicate);
    }
    grantee
}

fn literal_reference<'a>(element: &Element<'a>) -> Option<ActorReference<'a>> {
    let (resource_type, id) = element.value.as_str()?.split_once('/')?;
    if id.is_empty() || id.contains('/') {
        return None;
    }
    match resource_type {
        "Organization" => Some(ActorReference::Organization(id)),
        "Practitioner" => Some(ActorReference::Practitioner(id)),
        "PractitionerRole" => Some(ActorReference::PractitionerRole(id)),
        "CareTeam" => Some(ActorReference::CareTeam(id)),
        "Group" => Some(ActorReference::Group(id)),
        _ => None,
    }
}

fn identifier<'a>(element: &Element<'a>, issues: &mut Vec<ConsentIssue>) -> Option<ActorReference<'a>> {
    element.refuse_unknown(&["id", "extension", "use", "type", "system", "value"], issues);
    let system = element.text("system", issues)?;
    let value = element.text("value", issues)?;
    Some(ActorReference::Identifier { system, value })
}
