//! To what type a Reference is, as far as it says so itself.

use serde_json::{Map, Value};

/// What a Reference says of its target.
pub(super) enum Target<'r> {
    /// A resource of this type.
    Of(&'r str),
    /// Something contained that is not there.
    Missing,
    /// It does not say: a `urn:uuid:`, an identifier, a text.
    Unknown,
}

/// The type to which a Reference is: of what is contained, of a literal address, or its own `type`.
///
/// # Source
/// <https://hl7.org/fhir/R4/references.html#literal>
pub(super) fn target_type<'r>(
    reference: &'r Map<String, Value>,
    container: Option<&'r Map<String, Value>>,
) -> Target<'r> {
    let stated = || match reference.get("type").and_then(Value::as_str) {
        Some(stated) => Target::Of(stated),
        None => Target::Unknown,
    };
    let Some(literal) = reference.get("reference").and_then(Value::as_str) else { return stated() };
    match literal.strip_prefix('#') {
        Some(id) => contained(id, container),
        None => of_address(literal).map_or_else(stated, Target::Of),
    }
}

fn contained<'r>(id: &str, container: Option<&'r Map<String, Value>>) -> Target<'r> {
    let type_of = |resource: &'r Value| resource.get("resourceType").and_then(Value::as_str);
    if id.is_empty() {
        let own = container.and_then(|container| container.get("resourceType")).and_then(Value::as_str);
        return own.map_or(Target::Unknown, Target::Of);
    }
    let all = container.and_then(|container| container.get("contained")).and_then(Value::as_array);
    let found = all.into_iter().flatten().find(|one| one.get("id").and_then(Value::as_str) == Some(id));
    found.map_or(Target::Missing, |found| type_of(found).map_or(Target::Unknown, Target::Of))
}

/// The type in `Type/id`, `Type/id/_history/version`, `Type?criteria` and such an end of a URL.
fn of_address(literal: &str) -> Option<&str> {
    let path = literal.split('?').next().unwrap_or_default();
    if path.len() < literal.len() {
        return path.rsplit('/').next();
    }
    let path = path.split("/_history/").next().unwrap_or_default();
    let mut parts = path.rsplit('/');
    parts.next()?;
    parts.next()
}

#[cfg(test)]
mod tests {
    use super::of_address;

    #[test]
    fn the_type_is_found_where_an_address_says_it() {
        let typed = [
            "Patient/1",
            "Patient/1/_history/2",
            "https://example.org/fhir/Patient/1",
            "Patient?identifier=https://example.org/s|1",
        ];
        for literal in typed {
            assert_eq!(of_address(literal), Some("Patient"), "{literal}");
        }
        assert_eq!(of_address("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"), None);
    }
}
