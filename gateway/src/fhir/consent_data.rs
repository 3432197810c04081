//! The resources that a Consent names in `data`: each must be there for who writes it, and in the record that it is about.

use serde_json::Value;

use super::owner::resolve;
use crate::access::Draft;
use crate::consent::UNRESOLVED;
use crate::error::{Failure, Issue};
use crate::storage::sight::DIRECTORY;
use crate::storage::write_set::ResourceKey;

/// Holds every entry of `data` of a Consent in the draft to a resource that resolves: in the record, or for who wrote something
/// in the directory too. A rule about what is not there would be about nothing, and whoever wrote it meant something.
///
/// # Errors
/// 422 naming each entry, with the same words whether the resource is not there or not seen.
pub(super) async fn resolved(draft: &mut Draft<'_>, key: &ResourceKey, consent: &Value) -> Result<(), Failure> {
    let mut issues = Vec::new();
    for (expression, entry) in entries(consent) {
        let reference = entry.pointer("/reference/reference").and_then(Value::as_str).unwrap_or_default();
        let is_author = entry.get("meaning").and_then(Value::as_str) == Some("authoredby");
        let (resource_type, id) = reference.split_once('/').unwrap_or_default();
        let found = match resolve(draft, resource_type, id, &expression).await {
            Ok(compartment) => compartment == key.compartment || (is_author && compartment == DIRECTORY),
            Err(Failure::Unprocessable(_)) => false,
            Err(failure) => return Err(failure),
        };
        if !found {
            issues.push(Issue::at(expression, "value", format!("reference {UNRESOLVED}")));
        }
    }
    if issues.is_empty() { Ok(()) } else { Err(Failure::Unprocessable(issues)) }
}

/// Every entry of `data`, with its reference's expression.
fn entries(consent: &Value) -> Vec<(String, &Value)> {
    let list = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).map_or(0, Vec::len);
    let mut found = Vec::new();
    let Some(root) = consent.get("provision") else { return found };
    let nested =
        (0..list(root, "provision")).map(|n| (format!("Consent.provision.provision[{n}]"), &root["provision"][n]));
    for (expression, provision) in std::iter::once(("Consent.provision".to_owned(), root)).chain(nested) {
        for n in 0..list(provision, "data") {
            found.push((format!("{expression}.data[{n}].reference"), &provision["data"][n]));
        }
    }
    found
}
