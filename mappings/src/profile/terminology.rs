//! The codes of value sets, expanded from what the packages and the base definitions enumerate.
//!
//! A code system that is not loaded whole is taken at its word: any code of it counts, and another system does not.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::r4::structure::value_set_codings;

/// How deep value sets may include each other.
const INCLUDES_MAX: usize = 16;

/// The codes of a value set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ValueSet {
    systems: HashMap<String, Codes>,
    /// How many are enumerated.
    count: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Codes {
    /// Any code of the system.
    Any,
    These(HashSet<String>),
}

impl ValueSet {
    /// Whether a code is in it under whichever system.
    pub(super) fn has_code(&self, code: &str) -> bool {
        self.systems.values().any(|codes| codes.has(code))
    }

    /// Whether the code of a system is in it.
    pub(super) fn has_coding(&self, system: &str, code: &str) -> bool {
        self.systems.get(system).is_some_and(|codes| codes.has(code))
    }

    /// Whether every code in it is known.
    pub(super) fn is_enumerated(&self) -> bool {
        self.systems.values().all(|codes| matches!(codes, Codes::These(_)))
    }

    /// Its codes, in order, as far as they are known.
    pub(super) fn codes(&self) -> Vec<&str> {
        let mut codes: Vec<&str> = Vec::new();
        for known in self.systems.values() {
            if let Codes::These(known) = known {
                codes.extend(known.iter().map(String::as_str));
            }
        }
        codes.sort_unstable();
        codes
    }

    fn add(&mut self, system: &str, codes: impl Iterator<Item = String>) {
        let slot = self.systems.entry(system.to_owned()).or_insert_with(|| Codes::These(HashSet::new()));
        if let Codes::These(known) = slot {
            for code in codes {
                self.count += usize::from(known.insert(code));
            }
        }
    }

    fn add_all_of(&mut self, system: &str) {
        self.systems.insert(system.to_owned(), Codes::Any);
    }

    fn remove(&mut self, system: &str, code: &str) {
        if let Some(Codes::These(known)) = self.systems.get_mut(system) {
            known.remove(code);
        }
    }

    fn merge(&mut self, other: Self) {
        for (system, codes) in other.systems {
            match codes {
                Codes::Any => self.add_all_of(&system),
                Codes::These(codes) => self.add(&system, codes.into_iter()),
            }
        }
    }
}

impl Codes {
    fn has(&self, code: &str) -> bool {
        match self {
            Self::Any => true,
            Self::These(codes) => codes.contains(code),
        }
    }
}

/// The value sets and code systems of the packages.
pub(super) struct Terminology<'s> {
    /// With the file, by URL.
    pub(super) value_sets: HashMap<&'s str, (&'s str, &'s Value)>,
    pub(super) code_systems: HashMap<&'s str, (&'s str, &'s Value)>,
    pub(super) codes_max: usize,
}

impl Terminology<'_> {
    /// The codes of a canonical; none where nothing says them.
    ///
    /// # Errors
    /// The file and what is wrong: too many codes, value sets that include each other without end.
    pub(super) fn expand(&self, canonical: &str) -> Result<Option<ValueSet>, (String, String)> {
        self.expand_within(canonical, 0)
    }

    fn expand_within(&self, canonical: &str, depth: usize) -> Result<Option<ValueSet>, (String, String)> {
        let url = canonical.split('|').next().unwrap_or_default();
        let Some((file, value_set)) = self.value_sets.get(url) else { return Ok(of_base(url)) };
        let wrong = |message: String| ((*file).to_owned(), message);
        if depth >= INCLUDES_MAX {
            return Err(wrong(format!("value sets include each other more than {INCLUDES_MAX} deep: {url}")));
        }
        let mut found = ValueSet::default();
        for include in members(value_set, "/compose/include") {
            let Some(part) = self.included(include, depth)? else { return Ok(None) };
            found.merge(part);
            if found.count > self.codes_max {
                return Err(wrong(format!("the value set {url} has more than {} codes", self.codes_max)));
            }
        }
        for exclude in members(value_set, "/compose/exclude") {
            let system = exclude.get("system").and_then(Value::as_str).unwrap_or_default();
            for code in codes_of(exclude) {
                found.remove(system, &code);
            }
        }
        Ok((!found.systems.is_empty()).then_some(found))
    }

    /// What an include adds; none where it cannot be known.
    fn included(&self, include: &Value, depth: usize) -> Result<Option<ValueSet>, (String, String)> {
        let mut found = ValueSet::default();
        let imported: Vec<&str> = members(include, "/valueSet").filter_map(Value::as_str).collect();
        let Some(system) = include.get("system").and_then(Value::as_str) else {
            for canonical in imported {
                let Some(part) = self.expand_within(canonical, depth + 1)? else { return Ok(None) };
                found.merge(part);
            }
            return Ok(Some(found));
        };
        let is_filtered = members(include, "/filter").next().is_some() || !imported.is_empty();
        if include.get("concept").is_some() && imported.is_empty() {
            found.add(system, codes_of(include));
        } else if let Some((_, whole)) =
            self.code_systems.get(system).filter(|(_, system)| is_complete(system) && !is_filtered)
        {
            found.add(system, codes_of(whole));
        } else {
            found.add_all_of(system);
        }
        Ok(Some(found))
    }
}

/// A value set that a required binding of R4 enumerates.
fn of_base(url: &str) -> Option<ValueSet> {
    let name = url.strip_prefix("http://hl7.org/fhir/ValueSet/")?;
    let mut found = ValueSet::default();
    for (system, code) in value_set_codings(name)? {
        found.add(system, std::iter::once(code.to_owned()));
    }
    Some(found)
}

fn is_complete(code_system: &Value) -> bool {
    code_system.get("content").and_then(Value::as_str) == Some("complete")
}

fn members<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// The codes of a concept's own and all below.
fn codes_of(value: &Value) -> impl Iterator<Item = String> {
    let mut codes = Vec::new();
    let mut waiting: Vec<&Value> = members(value, "/concept").collect();
    while let Some(concept) = waiting.pop() {
        codes.extend(concept.get("code").and_then(Value::as_str).map(str::to_owned));
        waiting.extend(members(concept, "/concept"));
    }
    codes.into_iter()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Terminology, ValueSet};

    fn expanded(value_set: &Value) -> Result<Option<ValueSet>, (String, String)> {
        let system = json!({"url": "s", "content": "complete", "concept": [{"code": "a", "concept": [{"code": "b"}]}]});
        let terminology = Terminology {
            value_sets: [("v", ("v.json", value_set))].into(),
            code_systems: [("s", ("s.json", &system))].into(),
            codes_max: 4,
        };
        terminology.expand("v|1.0")
    }

    fn of(include: &Value) -> Result<Option<ValueSet>, (String, String)> {
        expanded(&json!({"url": "v", "compose": {"include": include}}))
    }

    #[test]
    fn what_is_enumerated_is_known_and_what_is_not_is_taken_at_its_word() {
        let whole = of(&json!([{"system": "s"}])).expect("right").expect("known");
        assert!(
            whole.has_coding("s", "b") && !whole.has_coding("t", "b") && !whole.has_code("c") && whole.is_enumerated()
        );
        let open = of(&json!([{"system": "http://snomed.info/sct"}])).expect("right").expect("known");
        assert!(open.has_coding("http://snomed.info/sct", "1") && !open.has_coding("s", "1") && !open.is_enumerated());
        let base = of(&json!([{"valueSet": ["http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1"]}]));
        assert!(base.expect("right").expect("known").has_code("female"));
        assert_eq!(of(&json!([{"valueSet": ["https://elsewhere.example/v"]}])), Ok(None));
        let less = json!({"compose": {"include": [{"system": "s"}], "exclude": [{"system": "s", "concept": [{"code": "a"}]}]}});
        let less = expanded(&less).expect("right").expect("known");
        assert!(less.has_code("b") && !less.has_code("a"));
    }

    #[test]
    fn a_value_set_without_end_or_too_large_is_refused_with_its_file() {
        let (file, message) = of(&json!([{"valueSet": ["v"]}])).expect_err("it includes itself");
        assert!(file == "v.json" && message.contains("include each other"), "{message}");
        let many: Vec<Value> = (0..5).map(|n| json!({"code": n.to_string()})).collect();
        let (_, message) = of(&json!([{"system": "t", "concept": many}])).expect_err("it has five");
        assert!(message.contains("more than 4 codes"), "{message}");
    }
}
