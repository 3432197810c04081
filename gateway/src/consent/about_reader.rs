//! Reads the elements of a provision that say about what data it is: exactly, or not at all.

use mappings::r4::primitive::is_id;
use mappings::r4::structure::is_resource_type;
use serde_json::Value;

use crate::labels::{ACT_CODE_SYSTEM, CONFIDENTIALITY_SYSTEM, Label, LabelSet};

use super::about::{About, Action, Data, Meaning};
use super::issue::{ConsentIssue, Element, IssueCode};
use super::provision::ProvisionType;
use super::provision_reader::{CODING, code_of, period};

/// The elements that are read here.
pub(super) const ABOUT: [&str; 5] = ["securityLabel", "class", "dataPeriod", "data", "action"];
/// The most resources that a provision may name in `data`: each is looked up in every read that the provision may decide.
pub const DATA_MAX: usize = 20;

const CLASS_SYSTEM: &str = "http://hl7.org/fhir/resource-types";
const ACTION_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/consentaction";

pub(super) fn about(provision: &Element, issues: &mut Vec<ConsentIssue>) -> About {
    About {
        labels: labels(provision, issues),
        types: types(provision, issues),
        data_period: provision.member("dataPeriod").map(|member| period(&member, issues)),
        data: data(provision, issues),
        actions: actions(provision, issues),
    }
}

/// A deny of what no Consent grants would promise something that is not enforced.
pub(super) fn require_enforced_actions(
    element: &Element,
    provision_type: Option<ProvisionType>,
    about: &About,
    issues: &mut Vec<ConsentIssue>,
) {
    let is_enforced = |actions: &Vec<Action>| actions.iter().all(|action| action.is_reading());
    if provision_type == Some(ProvisionType::Deny) && !about.actions.as_ref().is_none_or(is_enforced) {
        issues.push(ConsentIssue {
            expression: format!("{}.action", element.expression),
            code: IssueCode::BusinessRule,
            details:
                "a deny is enforced for access, use and disclose only: no Consent lets anyone collect or correct here"
                    .to_owned(),
        });
    }
}

fn labels(provision: &Element, issues: &mut Vec<ConsentIssue>) -> Option<LabelSet> {
    let mut set = LabelSet::NONE;
    for coding in provision.entries("securityLabel", issues) {
        coding.refuse_unknown(&CODING, issues);
        let label = [CONFIDENTIALITY_SYSTEM, ACT_CODE_SYSTEM]
            .into_iter()
            .find_map(|system| Label::from_coding(system, code_of(&coding, system)?));
        if let Some(label) = label {
            set = set.with(label);
        } else {
            let known: Vec<_> = Label::all().map(Label::code).collect();
            let predicate = format!(
                "must be of {CONFIDENTIALITY_SYSTEM} or {ACT_CODE_SYSTEM}, and one by which data are labelled here: {}",
                known.join(", ")
            );
            coding.issue(issues, IssueCode::Value, &predicate);
        }
    }
    (!set.is_empty()).then(|| set.with_those_below())
}

fn types(provision: &Element, issues: &mut Vec<ConsentIssue>) -> Option<Vec<String>> {
    let mut types = Vec::new();
    for coding in provision.entries("class", issues) {
        coding.refuse_unknown(&CODING, issues);
        match code_of(&coding, CLASS_SYSTEM).filter(|code| is_resource_type(code)) {
            Some(code) => types.push(code.to_owned()),
            None => coding.issue(
                issues,
                IssueCode::Value,
                &format!("must be a resource type of {CLASS_SYSTEM}: no other class is enforced"),
            ),
        }
    }
    types.sort();
    types.dedup();
    (!types.is_empty()).then_some(types)
}

fn data(provision: &Element, issues: &mut Vec<ConsentIssue>) -> Option<Vec<Data>> {
    let mut all = Vec::new();
    for (index, entry) in provision.entries("data", issues).iter().enumerate() {
        if index == DATA_MAX {
            let predicate =
                format!("is one too many: a provision may name {DATA_MAX} resources, so use a further provision");
            entry.issue(issues, IssueCode::BusinessRule, &predicate);
            break;
        }
        entry.refuse_unknown(&["id", "extension", "meaning", "reference"], issues);
        let meaning = entry.text("meaning", issues).and_then(|code| {
            let meaning = Meaning::from_code(code);
            if meaning.is_none() {
                let predicate = "must have the meaning instance, related, dependents or authoredby";
                entry.issue(issues, IssueCode::Value, predicate);
            }
            meaning
        });
        let Some(reference) = entry.member("reference") else {
            entry.missing("reference", issues);
            continue;
        };
        reference.refuse_unknown(&["id", "extension", "reference", "type", "display"], issues);
        let literal = reference.value.get("reference").and_then(Value::as_str);
        match literal.filter(|literal| names_resource(literal, reference.value.get("type"))) {
            Some(literal) => {
                all.extend(meaning.map(|meaning| Data { meaning, reference: literal.to_owned() }));
            }
            None => reference.issue(issues, IssueCode::Value, UNRESOLVED),
        }
    }
    all.sort();
    all.dedup();
    (!all.is_empty()).then_some(all)
}

/// How a named resource is refused, whether it is not there, not seen, or not named by a literal reference.
pub const UNRESOLVED: &str = "must be a literal reference (Type/id) that resolves in this record";

fn names_resource(literal: &str, named_type: Option<&Value>) -> bool {
    let Some((resource_type, id)) = literal.split_once('/') else { return false };
    is_resource_type(resource_type) && is_id(id) && named_type.is_none_or(|named| named.as_str() == Some(resource_type))
}

fn actions(provision: &Element, issues: &mut Vec<ConsentIssue>) -> Option<Vec<Action>> {
    let mut actions = Vec::new();
    for concept in provision.entries("action", issues) {
        concept.refuse_unknown(&["id", "extension", "coding", "text"], issues);
        let codings = concept.entries("coding", issues);
        let codes: Vec<_> =
            codings.iter().filter_map(|coding| Action::from_code(code_of(coding, ACTION_SYSTEM)?)).collect();
        // Another coding beside it would say something that is not enforced.
        if codes.is_empty() || codes.len() != codings.len() {
            let predicate = format!("must be a code of {ACTION_SYSTEM}, and no other coding beside it");
            concept.issue(issues, IssueCode::Value, &predicate);
        }
        actions.extend(codes);
    }
    actions.sort();
    actions.dedup();
    (!actions.is_empty()).then_some(actions)
}
