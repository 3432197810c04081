//! The compartments of R4: by which of its references a resource is in that of a patient, a contact or a practitioner.
//!
//! <https://hl7.org/fhir/R4/compartmentdefinition.html>. They are a way to ask, and decide nothing: to which record a type belongs is said
//! in [`super::overlay`].

use std::collections::HashMap;
use std::sync::LazyLock;

use super::parameters::{SearchType, parameter, type_name};

/// By what resources of one type are in a compartment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// By any of these references.
    pub parameters: Vec<&'static str>,
    /// The type is that of the compartment, and its resource is in it by itself.
    pub is_itself: bool,
}

/// The compartment to which a search is limited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Within {
    /// `Type/id` of what the compartment is of.
    pub reference: String,
    /// How resources of the searched type are in it.
    pub membership: &'static Membership,
}

type Types = HashMap<&'static str, Membership>;

static TABLE: LazyLock<HashMap<&'static str, Types>> =
    LazyLock::new(|| read(include_str!("../../tables/compartments.txt")));

/// The word of the table for the resource that the compartment is of.
const ITSELF: &str = "{def}";

/// The canonical address of a compartment's definition; none for a type that has none.
pub fn definition(compartment: &str) -> Option<String> {
    TABLE.contains_key(compartment).then(|| {
        let (first, rest) = compartment.split_at(1);
        format!("http://hl7.org/fhir/CompartmentDefinition/{}{rest}", first.to_ascii_lowercase())
    })
}

/// How resources of a type are in the compartments of another; nothing where they are in none.
pub fn membership(compartment: &str, resource_type: &str) -> Option<&'static Membership> {
    TABLE.get(compartment)?.get(resource_type)
}

fn read(text: &'static str) -> HashMap<&'static str, Types> {
    let mut table: HashMap<&'static str, Types> = HashMap::new();
    let mut compartment = "";
    for line in text.lines() {
        if let Some(of) = line.strip_prefix("C ") {
            compartment = of;
        } else if let Some(line) = line.strip_prefix(' ') {
            let mut words = line.split(' ');
            let resource_type = words.next().and_then(type_name).expect("the table names types of R4");
            let is_reference = |name: &&str| {
                parameter(resource_type, name).is_some_and(|found| found.search_type == SearchType::Reference)
            };
            let words: Vec<&str> = words.collect();
            let parameters = words.iter().copied().filter(is_reference).collect();
            let membership = Membership { parameters, is_itself: words.contains(&ITSELF) };
            table.entry(compartment).or_default().insert(resource_type, membership);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{TABLE, definition, membership};

    #[test]
    fn a_type_is_in_a_compartment_by_the_references_of_the_standard() {
        let observation = membership("Patient", "Observation").expect("in the compartment");
        assert_eq!((observation.parameters.as_slice(), observation.is_itself), (&["subject", "performer"][..], false));
        let encounter = membership("Encounter", "Encounter").expect("in the compartment");
        assert!(encounter.is_itself && encounter.parameters.is_empty());
        for (compartment, resource_type) in
            [("Patient", "Organization"), ("Patient", "Task"), ("Observation", "Patient"), ("", "")]
        {
            assert_eq!(membership(compartment, resource_type), None, "{compartment}/{resource_type}");
        }
        let related = definition("RelatedPerson").expect("a definition");
        assert_eq!(related, "http://hl7.org/fhir/CompartmentDefinition/relatedPerson");
        assert_eq!(definition("Observation"), None);
    }

    #[test]
    fn every_parameter_of_the_table_is_served() {
        assert_eq!(TABLE.len(), 5);
        for (compartment, types) in TABLE.iter() {
            for (resource_type, membership) in types {
                assert!(membership.is_itself || !membership.parameters.is_empty(), "{compartment}: {resource_type}");
            }
        }
    }
}
