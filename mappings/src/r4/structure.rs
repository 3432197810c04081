//! Whether a resource has the structure of R4: elements, cardinality, types, lexical forms, required codes.
//!
//! <https://hl7.org/fhir/R4/json.html>, held to a table made from the official definitions. Profiles, references and
//! terminology beyond required bindings are none of this module's business.

mod check;
mod nearest;
pub mod summary;
mod table;
pub mod types;

use serde_json::Value;

use table::{Content, Node, Table};

/// The most issues that one check lists. Who sends more has them listed when these are mended.
pub const ISSUES_MAX: usize = 100;

/// One thing that is wrong with a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StructureIssue {
    /// The element, such as `Patient.name[0].use`.
    pub expression: String,
    /// The kind of fault.
    pub code: IssueCode,
    /// What is wrong and the way out. Repeats a bad value only where it is short.
    pub details: String,
}

/// The kind of a [`StructureIssue`].
///
/// # Source
/// <https://hl7.org/fhir/R4/valueset-issue-type.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueCode {
    /// An element that does not exist, or in the wrong JSON form.
    Structure,
    /// A required element is missing.
    Required,
    /// A primitive value that its type does not take.
    Value,
    /// A code outside a required value set.
    CodeInvalid,
    /// A rule of the standard about several elements.
    Invariant,
}

impl IssueCode {
    /// The code in an `OperationOutcome`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Required => "required",
            Self::Value => "value",
            Self::CodeInvalid => "code-invalid",
            Self::Invariant => "invariant",
        }
    }
}

/// Checks a resource and all that is in it. Lists every issue up to [`ISSUES_MAX`]; empty where all is well.
pub fn check(resource: &Value) -> Vec<StructureIssue> {
    check::check(resource)
}

/// Whether R4 has a resource type of this name. `Resource` and `DomainResource` are none: they are abstract.
pub fn is_resource_type(name: &str) -> bool {
    Table::of_r4().resource(name).is_some()
}

/// The resource types of R4, by name.
pub fn resource_types() -> impl Iterator<Item = &'static str> {
    let table = Table::of_r4();
    table.nodes().iter().map(|node| node.path).filter(|path| table.resource(path).is_some())
}

/// Whether R4 has this element: a path from a type, with a choice spelt as in JSON (`Condition.onsetDateTime`).
pub fn is_element(path: &str) -> bool {
    let table = Table::of_r4();
    let mut names = path.split('.');
    let Some(mut node) = names.next().and_then(|name| table.node_at(name)) else { return false };
    let mut found = false;
    while let Some(name) = names.next() {
        match node.element(name).map(|element| element.content) {
            Some(Content::Node(index)) => node = table.node(index),
            Some(Content::Primitive(_) | Content::Resource) => return names.next().is_none(),
            None => return false,
        }
        found = true;
    }
    found
}

/// How an unknown name may be meant: the nearest element, or a choice that lacks its type.
fn suggestion(node: &Node, name: &str) -> Option<String> {
    let is_stem = |slot: &&&str| slot.strip_suffix("[x]") == Some(name);
    if node.slots.iter().find(is_stem).is_some() {
        let example = node.elements().iter().find(|element| element.is_choice && element.name.starts_with(name))?;
        return Some(format!("write it with its type, such as '{}'", example.name));
    }
    let names = node.elements().iter().map(|element| element.name.as_ref());
    nearest::nearest(name, names).map(|near| format!("did you mean '{near}'?"))
}

#[cfg(test)]
mod tests {
    use super::{is_element, is_resource_type, resource_types};

    #[test]
    fn resource_types_are_those_that_can_be_sent() {
        assert!(is_resource_type("Patient") && is_resource_type("Bundle"));
        for name in ["patient", "DomainResource", "HumanName", "Patient.contact", "Subject", ""] {
            assert!(!is_resource_type(name), "{name}");
        }
        assert_eq!(resource_types().count(), 146);
        assert!(resource_types().is_sorted());
    }

    #[test]
    fn elements_are_found_by_their_path() {
        for path in ["Patient.name.family", "Condition.onsetDateTime", "Questionnaire.item.item.item.linkId"] {
            assert!(is_element(path), "{path}");
        }
        for path in ["Patient", "Patient.nmae", "Condition.onset", "Patient.birthDate.x", "Nothing.id", ""] {
            assert!(!is_element(path), "{path}");
        }
    }
}
