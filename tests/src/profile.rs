//! Holds a resource to a `StructureDefinition` of the corpus: as much of profiling as IHE's patterns use, and nothing else.
//!
//! Checked are cardinalities, fixed values and patterns, required bindings to value sets of the same folder, targets of literal
//! references, and slices by value (`$this` or a path), open or closed. Types, invariants and everything of the base resource are
//! checked elsewhere. A definition without a snapshot is read by its differential.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::corpus::examples;

/// The definitions and value sets of one folder of the corpus.
#[derive(Clone, Debug)]
pub struct Profiles {
    definitions: BTreeMap<String, Value>,
    value_sets: BTreeMap<String, Value>,
}

/// One element of a definition: the end of its id, which may name a slice, and what is said of it.
struct Element<'d> {
    name: &'d str,
    slice: Option<&'d str>,
    id: String,
    /// Absent where a differential speaks only of what lies below.
    said: Option<&'d Value>,
}

impl Profiles {
    /// Those of a folder; none without a corpus.
    pub fn of(folder: &str) -> Option<Self> {
        crate::corpus::corpus()?;
        let (mut definitions, mut value_sets) = (BTreeMap::new(), BTreeMap::new());
        for resource in examples(folder).iter().map(crate::corpus::Example::resource) {
            let url = resource["url"].as_str().unwrap_or_default().to_owned();
            match resource["resourceType"].as_str() {
                Some("StructureDefinition") => definitions.insert(url, resource),
                Some("ValueSet") => value_sets.insert(url, resource),
                _ => None,
            };
        }
        Some(Self { definitions, value_sets })
    }

    /// Whether a definition of this address is there.
    pub fn has(&self, url: &str) -> bool {
        self.definitions.contains_key(url)
    }

    /// What of a resource is not as the definition says; empty where all is.
    ///
    /// # Panics
    /// There is no such definition.
    pub fn violations(&self, url: &str, resource: &Value) -> Vec<String> {
        let definition = self.definitions.get(url).unwrap_or_else(|| panic!("no definition {url}"));
        let form = if definition.get("snapshot").is_some() { "snapshot" } else { "differential" };
        let elements = definition[form]["element"].as_array().map_or(&[][..], Vec::as_slice);
        let root = definition["type"].as_str().unwrap_or_default();
        let mut violations = Vec::new();
        if resource["resourceType"] != root {
            violations.push(format!("the type is not {root}"));
        }
        Check { profiles: self, elements, violations: &mut violations }.below(root, resource);
        violations
    }

    fn in_value_set(&self, url: &str, value: &Value) -> bool {
        let url = url.split('|').next().unwrap_or_default();
        // A value set that is not of the folder is FHIR's own.
        let Some(set) = self.value_sets.get(url) else { return true };
        let includes = set["compose"]["include"].as_array().map_or(&[][..], Vec::as_slice);
        let holds = |coding: &Value| {
            includes.iter().any(|include| {
                let is_code = |concept: &Value| concept["code"] == coding["code"];
                coding["system"] == include["system"]
                    && include["concept"].as_array().is_none_or(|concepts| concepts.iter().any(is_code))
            })
        };
        value["coding"].as_array().map_or_else(|| holds(value), |codings| codings.iter().any(holds))
    }
}

struct Check<'c> {
    profiles: &'c Profiles,
    elements: &'c [Value],
    violations: &'c mut Vec<String>,
}

impl<'c> Check<'c> {
    /// Everything that is said of what lies below an element.
    fn below(&mut self, id: &str, value: &Value) {
        let children = self.children(id);
        for element in children.iter().filter(|element| element.slice.is_none()) {
            let found = members(value, element.name);
            self.count(element, found.len());
            for one in &found {
                self.one(element, one);
            }
        }
        let mut names: Vec<&str> =
            children.iter().filter(|element| element.slice.is_some()).map(|one| one.name).collect();
        names.dedup();
        for name in names {
            let slices: Vec<&Element> = children.iter().filter(|one| one.name == name && one.slice.is_some()).collect();
            let whole = children.iter().find(|one| one.name == name && one.slice.is_none());
            let slicing = whole.and_then(|whole| whole.said).map(|said| &said["slicing"]);
            self.sliced(slicing.unwrap_or(&Value::Null), &slices, &members(value, name));
        }
    }

    fn sliced(&mut self, slicing: &Value, slices: &[&Element], found: &[&Value]) {
        let path = slicing["discriminator"][0]["path"].as_str().unwrap_or("$this");
        let mut counts = vec![0; slices.len()];
        for value in found {
            match slices.iter().position(|slice| self.is_of(slice, path, value)) {
                Some(n) => {
                    counts[n] += 1;
                    self.one(slices[n], value);
                }
                None if slicing["rules"] == "closed" => {
                    self.violations.push(format!("{} is none of its slices, and they are closed", slices[0].name));
                }
                None => {}
            }
        }
        for (slice, count) in slices.iter().zip(counts) {
            self.count(slice, count);
        }
    }

    /// Whether a value is of a slice, by what the discriminator points at.
    fn is_of(&self, slice: &Element, path: &str, value: &Value) -> bool {
        let (said, pointed): (Option<&Value>, Vec<&Value>) = if path == "$this" {
            (slice.said, vec![value])
        } else {
            let id = format!("{}.{path}", slice.id);
            (self.elements.iter().find(|element| element["id"] == id.as_str()), members(value, path))
        };
        let Some(said) = said else { return false };
        !pointed.is_empty() && pointed.iter().all(|one| self.fits(said, one))
    }

    fn fits(&self, said: &Value, value: &Value) -> bool {
        let members = said.as_object().into_iter().flatten();
        let mut fixed = members.filter(|(name, _)| name.starts_with("fixed") || name.starts_with("pattern"));
        let is_exact =
            fixed.all(
                |(name, wanted)| {
                    if name.starts_with("fixed") { wanted == value } else { matches_pattern(wanted, value) }
                },
            );
        let binding = &said["binding"];
        let is_bound = binding["strength"] != "required"
            || binding["valueSet"].as_str().is_none_or(|url| self.profiles.in_value_set(url, value));
        is_exact && is_bound
    }

    fn one(&mut self, element: &Element, value: &Value) {
        if let Some(said) = element.said {
            if !self.fits(said, value) {
                self.violations.push(format!("{} has another value than the pattern", element.id));
            }
            if !is_to_target(said, value) {
                self.violations.push(format!("{} references another type", element.id));
            }
        }
        self.below(&element.id, value);
    }

    fn count(&mut self, element: &Element, found: usize) {
        let Some(said) = element.said else { return };
        let min = said["min"].as_u64().unwrap_or(0);
        let max = said["max"].as_str().and_then(|max| max.parse::<u64>().ok());
        let found = found as u64;
        if found < min || max.is_some_and(|max| found > max) {
            let max = said["max"].as_str().unwrap_or("*");
            self.violations.push(format!("{} occurs {found} times, not {min}..{max}", element.id));
        }
    }

    /// The elements directly below, each once, in order; also those that only their own children name.
    fn children(&self, id: &str) -> Vec<Element<'c>> {
        let prefix = format!("{id}.");
        let mut children: Vec<Element<'c>> = Vec::new();
        for said in self.elements {
            let own = said["id"].as_str().unwrap_or_default();
            let Some(part) = own.strip_prefix(&prefix).and_then(|rest| rest.split('.').next()) else { continue };
            let id = format!("{prefix}{part}");
            let exact = (own == id).then_some(said);
            if let Some(child) = children.iter_mut().find(|child| child.id == id) {
                child.said = child.said.or(exact);
            } else {
                let (name, slice) = part.split_once(':').map_or((part, None), |(name, slice)| (name, Some(slice)));
                children.push(Element { name, slice, id, said: exact });
            }
        }
        children
    }
}

/// The values of a member, each entry of a list; of a choice (`source[x]`) whichever is there.
fn members<'v>(value: &'v Value, name: &str) -> Vec<&'v Value> {
    let is_named = |key: &str| match name.strip_suffix("[x]") {
        None => key == name,
        Some(start) => {
            key.strip_prefix(start).is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
        }
    };
    let found = value.as_object().into_iter().flatten().filter(|(key, _)| is_named(key));
    found.flat_map(|(_, one)| one.as_array().map_or_else(|| vec![one], |list| list.iter().collect())).collect()
}

/// Everything of the pattern is in the value; the value may say more.
fn matches_pattern(pattern: &Value, value: &Value) -> bool {
    match (pattern, value) {
        (Value::Object(pattern), Value::Object(_)) => {
            pattern.iter().all(|(name, wanted)| value.get(name).is_some_and(|found| matches_pattern(wanted, found)))
        }
        (Value::Array(pattern), Value::Array(values)) => {
            pattern.iter().all(|wanted| values.iter().any(|found| matches_pattern(wanted, found)))
        }
        _ => pattern == value,
    }
}

fn is_to_target(said: &Value, value: &Value) -> bool {
    let types = said["type"].as_array().map_or(&[][..], Vec::as_slice);
    let targets: Vec<&str> = types
        .iter()
        .flat_map(|one| one["targetProfile"].as_array().into_iter().flatten())
        .filter_map(|target| target.as_str()?.rsplit('/').next())
        .collect();
    let Some((target, _)) = value["reference"].as_str().and_then(|reference| reference.split_once('/')) else {
        return true;
    };
    targets.is_empty() || target.contains(':') || targets.contains(&"Resource") || targets.contains(&target)
}
