//! Where in a resource's text the values are that are sealed.

use std::ops::Range;

use mappings::json::objects::each_object;
use mappings::json::spans::top_level;

use super::holes::MASK;

/// The parts of a name, an address and a contact point that tell who somebody is.
const TELLING: &[(&str, &[&str])] = &[
    ("name", &["text", "family", "given", "prefix", "suffix"]),
    ("address", &["text", "line", "city", "district", "state", "postalCode"]),
    ("telecom", &["value"]),
];

/// The search parameters that would tell them. A narrative is not sealed, and names whom they name.
const TOLD_BY: &[(&str, &[&str])] = &[
    ("name", &["name", "family", "given", "phonetic", "_text"]),
    ("address", &["address", "address-city", "address-postalcode", "address-state", "_text"]),
    ("telecom", &["telecom", "phone", "email", "_text"]),
];
const PERSONS: [&str; 2] = ["Patient", "RelatedPerson"];

/// What is sealed: identifiers of these systems in any resource, and these elements of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedElements {
    /// The systems of sealed identifiers.
    pub systems: Vec<String>,
    /// Of `name`, `address` and `telecom`, those of a Patient or RelatedPerson (and of a Patient's contacts) that are sealed.
    pub elements: Vec<String>,
}

impl SealedElements {
    /// The places of a text, in its order. What holds the mask already is none.
    pub fn places(&self, text: &str) -> Vec<Range<usize>> {
        let mut spans = Vec::new();
        let is_person = !self.elements.is_empty() && is_person(text);
        each_object(text, &mut |path, members| {
            let value_of = |name: &str| members.iter().find(|member| member.key == name).map(|m| m.value_span.clone());
            let system = value_of("system").and_then(|span| text_at(text, span));
            if system.is_some_and(|system| self.systems.contains(&system)) {
                spans.extend(value_of("value"));
            }
            let Some(element) = self.element(path).filter(|_| is_person) else { return };
            let telling = TELLING.iter().find(|(name, _)| *name == element).map_or(&[][..], |(_, parts)| parts);
            for part in telling {
                spans.extend(value_of(part));
            }
        });
        let mut spans: Vec<Range<usize>> =
            spans.into_iter().flat_map(|span| mappings::json::objects::strings(text, span)).collect();
        spans.retain(|span| text.get(span.clone()).is_some_and(|literal| literal != MASK));
        spans.sort_by_key(|span| span.start);
        spans.dedup();
        spans
    }

    /// Whether an identifier of this system is sealed.
    pub fn has_system(&self, system: &str) -> bool {
        self.systems.iter().any(|sealed| sealed == system)
    }

    /// Whether a search parameter would tell a sealed element: then it is not served.
    pub fn hides(&self, resource_type: &str, parameter: &str) -> bool {
        let told = |element: &String| {
            TOLD_BY.iter().any(|(name, parameters)| name == element && parameters.contains(&parameter))
        };
        PERSONS.contains(&resource_type) && self.elements.iter().any(told)
    }

    /// The sealed element to which a path within a person leads.
    fn element<'p>(&self, path: &'p [String]) -> Option<&'p str> {
        let element = match path {
            [element] => element,
            [contact, element] if contact == "contact" => element,
            _ => return None,
        };
        self.elements.iter().any(|sealed| sealed == element).then_some(element)
    }
}

fn is_person(text: &str) -> bool {
    let members = top_level(text);
    let resource_type = members.into_iter().find(|member| member.key == "resourceType");
    let resource_type = resource_type.and_then(|member| text_at(text, member.value_span));
    resource_type.is_some_and(|resource_type| PERSONS.contains(&resource_type.as_str()))
}

/// The text of a string literal.
pub(super) fn text_at(text: &str, span: Range<usize>) -> Option<String> {
    serde_json::from_str(text.get(span)?).ok()
}
