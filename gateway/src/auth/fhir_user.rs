//! The person who signed in, as a token names one: SMART's `fhirUser`.
//!
//! Specification: <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>

use mappings::r4::primitive::is_id;

/// Whom a token names. Which record that is, and what it may, is decided elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FhirUser {
    /// The person whom the record `Patient/<id>` is about.
    Patient(String),
    /// Somebody who acts for a person: `RelatedPerson/<id>`.
    RelatedPerson(String),
}

impl FhirUser {
    /// Reads a relative reference; nothing else names anybody, no other type and no absolute URL.
    pub fn parse(text: &str) -> Option<Self> {
        let (resource_type, id) = text.split_once('/').filter(|(_, id)| is_id(id))?;
        match resource_type {
            "Patient" => Some(Self::Patient(id.to_owned())),
            "RelatedPerson" => Some(Self::RelatedPerson(id.to_owned())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FhirUser;

    #[test]
    fn only_a_relative_reference_to_a_person_names_one() {
        for text in [
            "",
            "1",
            "Patient",
            "Patient/",
            "patient/1",
            "Patient/1/",
            "Patient/1/_history/2",
            "Patient/a b",
            "Practitioner/1",
            "Organization/1",
            "https://gateway.example.org/fhir/Patient/1",
            "/Patient/1",
        ] {
            assert_eq!(FhirUser::parse(text), None, "{text:?}");
        }
        assert_eq!(FhirUser::parse("Patient/1"), Some(FhirUser::Patient("1".to_owned())));
        assert_eq!(FhirUser::parse("RelatedPerson/a-2"), Some(FhirUser::RelatedPerson("a-2".to_owned())));
    }
}
