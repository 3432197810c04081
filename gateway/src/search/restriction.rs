//! Which search restrictions of a scope are kept: `category=laboratory`.
//!
//! Modifiers, chains, references and dates would be promises about what others may see, or about days to come.

use super::overlay::belongs;
use super::parameters::{SearchType, parameter};
use super::path::Path;
use super::query::{QueryLimits, parse};

/// Whether each part of a query asks for codes of a parameter of the type, in a form that a search takes.
pub fn is_kept(resource_type: &str, query: &str) -> bool {
    let is_code = |name: &str| {
        parameter(resource_type, name).is_some_and(|found| {
            // A number or an address says who a person is: it would stand in registrations, and by law attendance is told without it.
            let is_personal = |path: &Path| ["Identifier", "ContactPoint"].contains(&path.kind);
            found.search_type == SearchType::Token && !found.paths.iter().any(is_personal)
        })
    };
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let is_text = |(_, value): &(String, String)| !value.is_empty() && !value.chars().any(char::is_control);
    belongs(resource_type).is_some()
        && !pairs.is_empty()
        && pairs.iter().all(|pair| is_code(&pair.0) && is_text(pair))
        && parse(resource_type, &pairs, QueryLimits::default()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_kept;

    #[test]
    fn it_is_by_codes_of_the_type() {
        for (resource_type, query) in [
            ("Observation", "category=laboratory"),
            ("Observation", "code=http://loinc.org|29463-7,44261-6&status=final"),
            ("Task", "_tag=https://ehr.example/tags|a&_security=R"),
            ("Patient", "gender=female"),
            ("Patient", "gender=fem%61le"),
        ] {
            assert!(is_kept(resource_type, query), "{resource_type}?{query}");
        }
        for (resource_type, query) in [
            ("Patient", ""),
            ("Patient", "gender"),
            ("Patient", "gender="),
            ("Patient", "gender=male%00"),
            ("Patient", "gender=male&name=x"),
            ("Patient", "gender:not=male"),
            ("Patient", "_id=1"),
            ("Patient", "_has:Observation:patient:code=1"),
            ("Patient", "identifier=1"),
            ("Patient", "email=an@example.org"),
            ("Patient", "phone=0470"),
            ("ServiceRequest", "requisition=1"),
            ("Patient", "gender=male,"),
            ("Patient", "gender=|"),
            ("Observation", "code=a|b|c"),
            ("Patient", "organization=Organization/1"),
            ("Patient", "birthdate=2000"),
            ("Patient", "unknown=1"),
            ("Patient", "_count=1"),
            ("Observation", "subject:Patient.gender=male"),
            ("Observation", "patient.gender=male"),
            ("AuditEvent", "action=R"),
            ("Nothing", "code=1"),
            ("", "code=1"),
        ] {
            assert!(!is_kept(resource_type, query), "{resource_type}?{query}");
        }
    }
}
