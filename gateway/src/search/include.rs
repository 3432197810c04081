//! What an answer brings along beside its matches: `_include` and `_revinclude`.
//!
//! <https://hl7.org/fhir/R4/search.html#include>. A value is `Type:parameter`, perhaps with `:Target`, and `*` in place of the parameter
//! means every reference of the type. `*` alone is what clients send for every reference of the type that is searched.

use super::parameters::{SearchParameter, SearchType, parameter, parameters, type_name};
use super::query::SearchFault;

/// A reference that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Join {
    /// The type that has the reference.
    pub source: &'static str,
    /// Where the reference is.
    pub parameter: &'static SearchParameter,
    /// The only type of what is referenced that is meant, if one is named.
    pub target: Option<&'static str>,
}

impl Join {
    /// Whether it may lead to a type.
    pub fn reaches(&self, resource_type: &str) -> bool {
        let targets = &self.parameter.targets;
        self.target
            .map_or_else(|| targets.is_empty() || targets.contains(&resource_type), |target| target == resource_type)
    }
}

/// One `_include` or `_revinclude`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// From what is referenced to what refers to it: `_revinclude`.
    pub is_reverse: bool,
    /// Applied to what is included as well: `:iterate`.
    pub iterates: bool,
    /// Every reference that it names; never empty.
    pub joins: Vec<Join>,
    /// The types that it names, each of which the caller has to be allowed.
    pub named: Vec<&'static str>,
}

/// What an include has to be.
const FORM: SearchFault = SearchFault::Value(
    "Type:parameter or Type:parameter:Target, with types that are served and a reference parameter of the first, or Type:*",
);
/// Where an include can add nothing.
const NOT_OF_MATCHES: SearchFault =
    SearchFault::Value("about the type that is searched; what is included is followed by :iterate only");

/// Whether it is a parameter of this module, with whatever modifier.
pub fn is_include(key: &str) -> bool {
    matches!(key.split(':').next(), Some("_include" | "_revinclude"))
}

/// The reference parameters of a type, by which its resources can be joined.
pub fn references(resource_type: &str) -> impl Iterator<Item = &'static SearchParameter> {
    parameters(resource_type).filter(|parameter| parameter.search_type == SearchType::Reference)
}

/// Reads one, for a search over these types.
///
/// # Errors
/// A modifier that there is not; types or parameters that are not served; one that could add nothing.
pub fn include(
    key: &str,
    value: &str,
    searched: &[&'static str],
    is_served: &dyn Fn(&str) -> bool,
) -> Result<Include, SearchFault> {
    let (name, modifier) = key.split_once(':').map_or((key, None), |(name, modifier)| (name, Some(modifier)));
    let (is_reverse, iterates) = match (name, modifier) {
        ("_include", None) => (false, false),
        ("_include", Some("iterate")) => (false, true),
        ("_revinclude", None) => (true, false),
        ("_revinclude", Some("iterate")) => (true, true),
        _ => return Err(SearchFault::Modifier),
    };
    let served = |name: &str| type_name(name).filter(|name| is_served(name)).ok_or(FORM);
    if value == "*" && !is_reverse {
        let joins = searched.iter().copied().flat_map(|source| every(source, None)).collect();
        return Ok(Include { is_reverse, iterates, joins, named: Vec::new() });
    }
    let parts: Vec<&str> = value.split(':').collect();
    let (source, name, target) = match parts.as_slice() {
        [source, name] => (served(source)?, *name, None),
        [source, name, target] => (served(source)?, *name, Some(served(target)?)),
        _ => return Err(FORM),
    };
    let joins: Vec<Join> = if name == "*" {
        every(source, target).collect()
    } else {
        let found = parameter(source, name).filter(|found| found.search_type == SearchType::Reference);
        vec![Join { source, parameter: found.ok_or(FORM)?, target }]
    };
    let has_effect = |join: &Join| {
        let targets = &join.parameter.targets;
        target.is_none_or(|target| targets.is_empty() || targets.contains(&target))
    };
    let joins: Vec<Join> = joins.into_iter().filter(has_effect).collect();
    if joins.is_empty() {
        return Err(FORM);
    }
    let begins = |join: &Join| {
        if is_reverse { searched.iter().any(|of| join.reaches(of)) } else { searched.contains(&join.source) }
    };
    if !iterates && !joins.iter().any(begins) {
        return Err(NOT_OF_MATCHES);
    }
    // Of what comes along by a reference the target alone is named; where none is, what the caller may not have stays away.
    let named = if is_reverse { vec![source] } else { target.into_iter().collect() };
    Ok(Include { is_reverse, iterates, joins, named })
}

fn every(source: &'static str, target: Option<&'static str>) -> impl Iterator<Item = Join> {
    references(source).map(move |parameter| Join { source, parameter, target })
}

#[cfg(test)]
mod tests {
    use super::{FORM, Include, NOT_OF_MATCHES, include};
    use crate::search::query::SearchFault;

    fn read(key: &str, value: &str) -> Result<Include, SearchFault> {
        include(key, value, &["Observation"], &|name| name != "Device")
    }

    fn joins(include: &Include) -> Vec<String> {
        let told =
            |join: &super::Join| format!("{}:{}:{}", join.source, join.parameter.name, join.target.unwrap_or_default());
        include.joins.iter().map(told).collect()
    }

    #[test]
    fn an_include_names_a_type_a_reference_and_perhaps_a_target() {
        let found = read("_include", "Observation:subject").expect("an include");
        assert_eq!(
            (joins(&found), found.is_reverse, found.iterates),
            (vec!["Observation:subject:".into()], false, false)
        );
        assert!(found.named.is_empty());
        let found = read("_include:iterate", "Patient:general-practitioner:Organization").expect("an include");
        assert_eq!(joins(&found), ["Patient:general-practitioner:Organization"]);
        assert_eq!((found.iterates, found.named), (true, vec!["Organization"]));
        let found = read("_revinclude", "Provenance:target").expect("an include");
        assert_eq!(
            (joins(&found), found.is_reverse, found.named),
            (vec!["Provenance:target:".into()], true, vec!["Provenance"])
        );
    }

    #[test]
    fn a_star_is_every_reference_of_the_type() {
        let all = read("_include", "Observation:*").expect("an include");
        assert!(joins(&all).contains(&"Observation:performer:".to_owned()) && all.joins.len() > 8);
        assert_eq!(read("_include", "*").expect("an include").joins, all.joins);
        let patients = read("_include", "Observation:*:Patient").expect("an include");
        let of_patients =
            ["focus", "patient", "performer", "subject"].map(|name| format!("Observation:{name}:Patient"));
        assert_eq!(joins(&patients), of_patients);
        assert_eq!(read("_revinclude", "*"), Err(FORM));
    }

    #[test]
    fn what_could_add_nothing_is_refused() {
        for (key, value, fault) in [
            ("_include", "Observation:code", FORM),
            ("_include", "Observation:nothing", FORM),
            ("_include", "Nothing:subject", FORM),
            ("_include", "Observation:subject:Device", FORM),
            ("_include", "Observation:encounter:Patient", FORM),
            ("_include", "Observation", FORM),
            ("_include", "Observation:subject:Patient:x", FORM),
            ("_include", "", FORM),
            ("_include", "Patient:organization", NOT_OF_MATCHES),
            ("_revinclude", "Encounter:subject", NOT_OF_MATCHES),
            ("_include:recurse", "Observation:subject", SearchFault::Modifier),
            ("_revinclude:", "Provenance:target", SearchFault::Modifier),
        ] {
            assert_eq!(read(key, value), Err(fault), "{key}={value}");
        }
    }
}
