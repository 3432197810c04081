//! Whether a resource has the structure of R4: elements, cardinality, types, lexical forms, required codes, the types that
//! references may be to.
//!
//! <https://hl7.org/fhir/R4/json.html>, held to a table made from the official definitions. Profiles, what references resolve to and
//! terminology beyond required bindings are none of this module's business.

mod check;
mod nearest;
mod reference;
pub mod summary;
mod table;
pub mod types;

use serde_json::Value;

use super::primitive::Primitive;
use table::{Content, Node, Table};

pub use super::issue::{ContentIssue, IssueCode};

/// The most issues that one check lists. Who sends more has them listed when these are mended.
pub const ISSUES_MAX: usize = 100;

/// Checks a resource and all that is in it. Lists every issue up to [`ISSUES_MAX`]; empty where all is well.
pub fn check(resource: &Value) -> Vec<ContentIssue> {
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

/// The codings of a value set that a required binding of R4 enumerates, each as system and code; by the end of its canonical URL.
pub(crate) fn value_set_codings(name: &str) -> Option<impl Iterator<Item = (&'static str, &'static str)>> {
    Table::of_r4().value_set_named(name).map(table::ValueSet::codings)
}

/// Whether a choice may end so: the name of a data type, with a capital.
pub(crate) fn is_data_type(ending: &str) -> bool {
    let mut letters = ending.chars();
    let Some(first) = letters.next().filter(char::is_ascii_uppercase) else { return false };
    let primitive = || format!("{}{}", first.to_ascii_lowercase(), letters.as_str());
    let node = Table::of_r4().node_at(ending);
    node.is_some_and(|node| !node.is_resource) || Primitive::from_name(&primitive()).is_some()
}

/// Whether this is the path of a type or a backbone element.
pub(crate) fn is_node(path: &str) -> bool {
    Table::of_r4().node_at(path).is_some()
}

/// Whether resources of this type may contain others.
pub(crate) fn is_domain_resource(name: &str) -> bool {
    Table::of_r4().resource(name).is_some_and(|node| node.element("contained").is_some())
}

/// The type of an element within a type or a backbone element, named as the table does; none for a primitive one.
pub(crate) fn type_within(path: &str, name: &str) -> Option<&'static str> {
    let table = Table::of_r4();
    match table.node_at(path)?.element(name)?.content {
        Content::Node(index) => Some(table.node(index).path),
        Content::Primitive(_) | Content::Resource => None,
    }
}

/// The type to which a Reference is, as far as it says so; `whole` is the resource that may contain the target.
pub(crate) fn reference_type<'v>(reference: &'v Value, whole: &'v Value) -> Option<&'v str> {
    match reference::target_type(reference.as_object()?, whole.as_object()) {
        reference::Target::Of(name) if is_resource_type(name) => Some(name),
        _ => None,
    }
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
