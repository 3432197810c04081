//! Paths to elements: the little of `FHIRPath` that the official search parameters need, as steps.

use serde_json::Value;

/// Element names from the root of a resource, each with what may narrow the items found there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) steps: Vec<Step>,
    /// The type of what is found, as the definitions name it.
    pub(super) kind: &'static str,
}

/// One element of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    name: &'static str,
    filter: Option<Filter>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Filter {
    /// `{system=phone}`: the child has this value.
    Value(&'static str, &'static str),
    /// `{Patient}`: the reference is to this type.
    Target(&'static str),
}

impl Path {
    /// Reads a path of the table, such as `telecom{system=phone}:ContactPoint`. The kind is empty where it is not written.
    pub(super) fn read(text: &'static str) -> Self {
        let (steps, kind) = text.rsplit_once(':').unwrap_or((text, ""));
        Self { steps: steps.split('.').map(Step::read).collect(), kind }
    }

    /// Whether it leads to the same elements as another, whatever it keeps of them.
    pub(super) fn is_at(&self, other: &Self) -> bool {
        self.steps.iter().map(|step| step.name).eq(other.steps.iter().map(|step| step.name))
    }

    /// Hands over every value at the path, and the place of its item in the outermost array on the way: from 1, and 0 where there
    /// is none. Arrays are walked through.
    pub(super) fn visit<'v>(&self, resource: &'v Value, found: &mut dyn FnMut(&'v Value, i64)) {
        visit((resource, 0), &self.steps, found);
    }
}

impl Step {
    fn read(text: &'static str) -> Self {
        let Some((name, filter)) = text.trim_end_matches('}').split_once('{') else {
            return Self { name: text, filter: None };
        };
        let filter =
            filter.split_once('=').map_or(Filter::Target(filter), |(child, value)| Filter::Value(child, value));
        Self { name, filter: Some(filter) }
    }

    #[cfg(test)]
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    fn keeps(&self, value: &Value) -> bool {
        match &self.filter {
            None => true,
            Some(Filter::Value(child, expected)) => value.get(child).and_then(Value::as_str) == Some(expected),
            Some(Filter::Target(target)) => target_type(value) == Some(target),
        }
    }
}

fn visit<'v>((value, part): (&'v Value, i64), steps: &[Step], found: &mut dyn FnMut(&'v Value, i64)) {
    let Some((step, rest)) = steps.split_first() else { return found(value, part) };
    let mut enter = |item: &'v Value, part: i64| {
        if step.keeps(item) {
            visit((item, part), rest, found);
        }
    };
    match value.get(step.name) {
        Some(Value::Array(items)) => {
            let places = (1..).map(|place| if part == 0 { place } else { part });
            items.iter().zip(places).for_each(|(item, place)| enter(item, place));
        }
        Some(item) => enter(item, part),
        None => {}
    }
}

/// The type that a reference is to, as far as the reference says.
fn target_type(reference: &Value) -> Option<&str> {
    let literal = reference.get("reference").and_then(Value::as_str).map(without_version);
    let written = literal.filter(|literal| !literal.starts_with("urn:")).and_then(|literal| literal.rsplit('/').nth(1));
    written.or_else(|| reference.get("type").and_then(Value::as_str))
}

/// A literal reference without the version that it may name.
pub(super) fn without_version(reference: &str) -> &str {
    reference.split_once("/_history/").map_or(reference, |(resource, _)| resource)
}

#[cfg(test)]
mod tests {
    use super::Path;
    use serde_json::{Value, json};

    fn found(path: &'static str, resource: &Value) -> Vec<Value> {
        let mut values = Vec::new();
        Path::read(path).visit(resource, &mut |value, _| values.push(value.clone()));
        values
    }

    #[test]
    fn a_path_walks_through_arrays_and_filters() {
        let resource = json!({
            "name": [{ "given": ["An", "Bo"] }, { "given": ["Cas"] }],
            "telecom": [{ "system": "phone", "value": "1" }, { "system": "email", "value": "2" }],
            "subject": { "reference": "Patient/1/_history/2" },
            "actor": [{ "reference": "https://example.org/fhir/Patient/9" }, { "type": "Patient" }, { "reference": "Group/1" }]
        });
        assert_eq!(found("name.given:string", &resource), [json!("An"), json!("Bo"), json!("Cas")]);
        assert_eq!(found("telecom{system=phone}.value:string", &resource), [json!("1")]);
        assert_eq!(found("subject{Patient}:Reference", &resource).len(), 1);
        assert_eq!(found("subject{Group}:Reference", &resource).len(), 0);
        assert_eq!(found("actor{Patient}:Reference", &resource).len(), 2);
        assert_eq!(found("name.nothing.given:string", &resource).len(), 0);
    }

    #[test]
    fn what_is_found_in_one_item_has_its_place() {
        let resource =
            json!({ "gender": "other", "name": [{ "given": ["An", "Bo"] }, { "given": ["Cas"], "family": "D" }] });
        let parts = |path| {
            let mut parts = Vec::new();
            Path::read(path).visit(&resource, &mut |_, part| parts.push(part));
            parts
        };
        assert_eq!((parts("gender:code"), parts("name.given:string")), (vec![0], vec![1, 1, 2]));
        assert_eq!(parts("name.family:string"), [2]);
    }
}
