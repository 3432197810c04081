//! Which modifiers a parameter takes. The reader of searches is asked, so that what is stated is what is served.

use super::{QueryLimits, SearchError, SearchFault, parse};
use crate::search::parameters::{SearchType, parameter};

/// The modifiers of the standard that are no type: <https://hl7.org/fhir/R4/search.html#modifiers>
const MODIFIERS: &[&str] =
    &["missing", "not", "exact", "contains", "text", "identifier", "of-type", "in", "not-in", "above", "below"];
/// How the standard writes the type of what is referred to, where it may be any.
const ANY_TYPE: &str = "[type]";

/// The modifiers of a parameter of a type, without their colon: first those of the standard, then the types that a reference may be to, as far as
/// `is_served` says that they are there.
pub fn modifiers(resource_type: &str, name: &str, is_served: &dyn Fn(&str) -> bool) -> Vec<&'static str> {
    let is_taken = |modifier: &str| {
        let asked = [(format!("{name}:{modifier}"), "true".to_owned())];
        let read = parse(resource_type, &asked, QueryLimits::default());
        let refused = |error: &SearchError| {
            matches!(error.fault, SearchFault::Unknown | SearchFault::Modifier | SearchFault::NotSupported(_))
        };
        !read.is_err_and(|error| refused(&error))
    };
    // Codes come from a value set that is read here.
    let has_value_sets = is_served("ValueSet");
    let is_there = |modifier: &&&str| has_value_sets || !matches!(**modifier, "in" | "not-in");
    let named = MODIFIERS.iter().filter(is_there).copied().filter(|modifier| is_taken(modifier));
    let reference = parameter(resource_type, name).filter(|one| one.search_type == SearchType::Reference);
    let targets = reference.map(|parameter| parameter.targets.as_slice()).unwrap_or_default();
    let targets = targets.iter().copied().filter(|target| is_served(target) && is_taken(target));
    let is_any = reference.is_some_and(|parameter| parameter.targets.is_empty()) && is_taken("Patient");
    named.chain(targets).chain(is_any.then_some(ANY_TYPE)).collect()
}
