//! Whether a code is in a value set, told from its definition and from what that rests on; pure.
//!
//! <https://hl7.org/fhir/R4/valueset.html#compositions>. There are three answers: what rests on something that is not at hand is unknown.

use std::collections::BTreeMap;

use serde_json::Value;

/// Whether a code is in a value set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Membership {
    /// It is, under this display.
    Yes(Option<String>),
    /// It is not.
    No,
    /// It cannot be told, and why.
    Unknown(String),
}

/// Definitions that are at hand, by type and canonical address as they are referred to.
#[derive(Clone, Debug, Default)]
pub(super) struct Loaded(BTreeMap<(&'static str, String), Value>);

impl Loaded {
    /// Takes one in.
    pub(super) fn put(&mut self, resource_type: &'static str, canonical: &str, definition: Value) {
        self.0.insert((resource_type, canonical.to_owned()), definition);
    }

    fn find(&self, resource_type: &'static str, canonical: &str) -> Option<&Value> {
        self.0.get(&(resource_type, canonical.to_owned()))
    }
}

/// What a value set names and does not list itself.
pub(super) fn rests_on(value_set: &Value) -> Vec<(&'static str, String)> {
    if is_expanded(value_set) {
        return Vec::new();
    }
    let compose = &value_set["compose"];
    let parts = ["include", "exclude"].into_iter().flat_map(|name| compose[name].as_array().into_iter().flatten());
    let mut named = Vec::new();
    for part in parts {
        if let Some(system) = part["system"].as_str().filter(|_| part["concept"].is_null()) {
            named.push(("CodeSystem", canonical(system, part["version"].as_str())));
        }
        let others = part["valueSet"].as_array().into_iter().flatten().filter_map(Value::as_str);
        named.extend(others.map(|other| ("ValueSet", other.to_owned())));
    }
    named
}

/// The concept of a code in a code system, however deep.
pub(super) fn concept<'v>(system: &'v Value, code: &str) -> Option<&'v Value> {
    fn within<'v>(list: &'v Value, code: &str) -> Option<&'v Value> {
        let concepts = list.as_array()?;
        concepts.iter().find_map(|one| if one["code"] == code { Some(one) } else { within(&one["concept"], code) })
    }
    within(&system["concept"], code)
}

/// Whether a code of a system, or of any where none is said, is in a value set.
pub(super) fn is_member(value_set: &Value, coded: (Option<&str>, &str), loaded: &Loaded, depth: usize) -> Membership {
    if depth == 0 {
        return Membership::Unknown("value sets are made of others too deeply here".to_owned());
    }
    if is_expanded(value_set) {
        let found = listed(&value_set["expansion"]["contains"], coded);
        return found.map_or(Membership::No, |one| Membership::Yes(text(one, "display")));
    }
    let parts = |name: &str| value_set["compose"][name].as_array().cloned().unwrap_or_default();
    if parts("include").is_empty() {
        return Membership::Unknown("this value set says nothing of its content".to_owned());
    }
    let answers = |name: &str| -> Vec<Membership> {
        parts(name).iter().map(|part| of_part(part, coded, loaded, depth)).collect()
    };
    let (included, excluded) = (answers("include"), answers("exclude"));
    let unknown = |of: &[Membership]| of.iter().find(|one| matches!(one, Membership::Unknown(_))).cloned();
    let found = |of: &[Membership]| of.iter().find(|one| matches!(one, Membership::Yes(_))).cloned();
    if found(&excluded).is_some() {
        return Membership::No;
    }
    match found(&included) {
        Some(yes) => unknown(&excluded).unwrap_or(yes),
        None => unknown(&included).unwrap_or(Membership::No),
    }
}

/// Whether all of an include or exclude holds: its system with its concepts, and each of its value sets.
fn of_part(part: &Value, coded: (Option<&str>, &str), loaded: &Loaded, depth: usize) -> Membership {
    let mut display = None;
    if part["system"].is_string() {
        match of_system(part, coded, loaded) {
            Membership::Yes(found) => display = found,
            other => return other,
        }
    }
    let mut unknown = None;
    for canonical in part["valueSet"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let Some(other) = loaded.find("ValueSet", canonical) else {
            unknown =
                Some(Membership::Unknown(format!("it rests on the value set {canonical}, which is not loaded here")));
            continue;
        };
        match is_member(other, coded, loaded, depth - 1) {
            Membership::Yes(found) => display = display.or(found),
            Membership::No => return Membership::No,
            one @ Membership::Unknown(_) => unknown = Some(one),
        }
    }
    unknown.unwrap_or(Membership::Yes(display))
}

fn of_system(part: &Value, (system, code): (Option<&str>, &str), loaded: &Loaded) -> Membership {
    let of = part["system"].as_str().unwrap_or_default();
    if system.is_some_and(|system| system != of) {
        return Membership::No;
    }
    if let Some(concepts) = part["concept"].as_array() {
        let found = concepts.iter().find(|one| one["code"] == code);
        return found.map_or(Membership::No, |one| Membership::Yes(text(one, "display")));
    }
    if part["filter"].as_array().is_some_and(|filters| !filters.is_empty()) {
        return Membership::Unknown(format!("it is made by a filter on {of}, which is not evaluated here"));
    }
    let Some(definition) = loaded.find("CodeSystem", &canonical(of, part["version"].as_str())) else {
        return Membership::Unknown(format!("it rests on the code system {of}, which is not loaded here"));
    };
    if definition["content"] != "complete" {
        return Membership::Unknown(format!("it rests on the code system {of}, which is loaded in part only"));
    }
    concept(definition, code).map_or(Membership::No, |one| Membership::Yes(text(one, "display")))
}

/// Whether the expansion lists all.
fn is_expanded(value_set: &Value) -> bool {
    let expansion = &value_set["expansion"];
    let Some(contains) = expansion["contains"].as_array() else { return false };
    let is_first = expansion["offset"].as_u64().unwrap_or_default() == 0;
    is_first && expansion["total"].as_u64().is_none_or(|total| total == count(contains))
}

fn count(contains: &[Value]) -> u64 {
    contains.iter().map(|one| 1 + one["contains"].as_array().map_or(0, |within| count(within))).sum()
}

/// The entry of a code that an expansion lists; nothing where it does not, or only to group others.
fn listed<'v>(contains: &'v Value, (system, code): (Option<&str>, &str)) -> Option<&'v Value> {
    let entries = contains.as_array()?;
    entries.iter().find_map(|one| {
        let is_meant = one["code"] == code && system.is_none_or(|system| one["system"] == system);
        let is_choosable = one["abstract"] != true && one["inactive"] != true;
        if is_meant && is_choosable { Some(one) } else { listed(&one["contains"], (system, code)) }
    })
}

fn canonical(url: &str, version: Option<&str>) -> String {
    version.map_or_else(|| url.to_owned(), |version| format!("{url}|{version}"))
}

fn text(value: &Value, member: &str) -> Option<String> {
    value[member].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Loaded, Membership, is_member, rests_on};

    fn ask(value_set: &Value, loaded: &Loaded, code: &str) -> Membership {
        is_member(value_set, (Some("urn:s"), code), loaded, 5)
    }

    fn yes(display: &str) -> Membership {
        Membership::Yes(Some(display.to_owned()))
    }

    fn loaded() -> Loaded {
        let mut loaded = Loaded::default();
        let concepts = json!([{"code": "a", "display": "A", "concept": [{"code": "b", "display": "B"}]}]);
        loaded.put("CodeSystem", "urn:s", json!({"content": "complete", "concept": concepts}));
        loaded.put("CodeSystem", "urn:part", json!({"content": "fragment", "concept": concepts}));
        loaded
    }

    #[test]
    fn what_is_listed_is_in_and_nothing_else() {
        let listed = json!({"compose": {"include": [{"system": "urn:s", "concept": [{"code": "a", "display": "A"}]}]}});
        assert_eq!(ask(&listed, &Loaded::default(), "a"), yes("A"));
        assert_eq!(ask(&listed, &Loaded::default(), "b"), Membership::No);
        assert_eq!(is_member(&listed, (Some("urn:t"), "a"), &Loaded::default(), 5), Membership::No);
        let expanded = json!({"expansion": {"total": 3, "contains": [{"system": "urn:s", "code": "g", "abstract": true,
            "contains": [{"system": "urn:s", "code": "a", "display": "A"}, {"system": "urn:s", "code": "x", "inactive": true}]}]}});
        assert_eq!(ask(&expanded, &Loaded::default(), "a"), yes("A"));
        for code in ["g", "x", "b"] {
            assert_eq!(ask(&expanded, &Loaded::default(), code), Membership::No, "{code}");
        }
    }

    #[test]
    fn a_whole_code_system_is_in_where_it_is_at_hand() {
        let whole = json!({"compose": {"include": [{"system": "urn:s"}]}});
        assert_eq!(rests_on(&whole), [("CodeSystem", "urn:s".to_owned())]);
        assert_eq!((ask(&whole, &loaded(), "b"), ask(&whole, &loaded(), "c")), (yes("B"), Membership::No));
        assert!(matches!(ask(&whole, &Loaded::default(), "b"), Membership::Unknown(_)));
        let part = json!({"compose": {"include": [{"system": "urn:part"}]}});
        assert!(matches!(is_member(&part, (None, "a"), &loaded(), 5), Membership::Unknown(_)));
        let filtered = json!({"compose": {"include": [{"system": "urn:s", "filter": [{"property": "concept"}]}]}});
        assert!(matches!(ask(&filtered, &loaded(), "a"), Membership::Unknown(_)));
        assert_eq!(
            is_member(&filtered, (Some("urn:t"), "a"), &loaded(), 5),
            Membership::No,
            "whatever the filter says"
        );
        // An expansion that is cut does not say what is beyond.
        let cut = json!({"expansion": {"total": 5, "contains": [{"system": "urn:s", "code": "a"}]}});
        assert!(matches!(ask(&cut, &loaded(), "a"), Membership::Unknown(_)));
    }

    #[test]
    fn an_exclusion_wins_and_one_that_is_unknown_makes_all_unknown() {
        let but = |exclude: Value| json!({"compose": {"include": [{"system": "urn:s"}], "exclude": [exclude]}});
        let listed = but(json!({"system": "urn:s", "concept": [{"code": "b"}]}));
        assert_eq!((ask(&listed, &loaded(), "a"), ask(&listed, &loaded(), "b")), (yes("A"), Membership::No));
        let unknown = but(json!({"valueSet": ["urn:nowhere"]}));
        assert!(matches!(ask(&unknown, &loaded(), "a"), Membership::Unknown(_)));
        assert_eq!(ask(&unknown, &loaded(), "c"), Membership::No, "it was not included");
    }

    #[test]
    fn a_value_set_of_others_is_what_all_of_them_have_and_ends() {
        let mut loaded = loaded();
        loaded.put(
            "ValueSet",
            "urn:v",
            json!({"compose": {"include": [{"system": "urn:s", "concept": [{"code": "b"}]}]}}),
        );
        let both = json!({"compose": {"include": [{"system": "urn:s", "valueSet": ["urn:v"]}]}});
        assert_eq!((ask(&both, &loaded, "b"), ask(&both, &loaded, "a")), (yes("B"), Membership::No));
        loaded.put("ValueSet", "urn:round", json!({"compose": {"include": [{"valueSet": ["urn:round"]}]}}));
        let round = json!({"compose": {"include": [{"valueSet": ["urn:round"]}]}});
        assert!(matches!(ask(&round, &loaded, "a"), Membership::Unknown(_)));
        assert!(matches!(ask(&json!({}), &loaded, "a"), Membership::Unknown(_)));
    }
}
