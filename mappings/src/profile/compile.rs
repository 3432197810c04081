//! Packages into rules: which definitions there are, on what they rest, and what each asks.

use std::collections::HashMap;
use std::rc::Rc;

use serde_json::Value;

use super::definition::{Node, lay};
use super::rules::{Child, Context, Group, Invariant, Rules, TypeRule};
use super::terminology::{Terminology, ValueSet};
use super::{Limits, PackageError, Profile, Profiles, Source};
use crate::fhir_path::Expression;
use crate::r4::structure::types::{Holds, Type};

/// The most characters of an invariant's words that an issue repeats.
const HUMAN_MAX: usize = 300;
/// The canonical of a type of R4 begins so.
const CORE: &str = "http://hl7.org/fhir/StructureDefinition/";

/// Compiles the profiles of packages. Other resources in them are passed over.
///
/// # Errors
/// Names the file: what cannot be read, what is there twice and differs, definitions that rest on each other in a circle, what is over a
/// limit.
pub fn compile(sources: &[Source], limits: Limits) -> Result<Profiles, PackageError> {
    let mut compiler = Compiler::new(sources, limits)?;
    let mut list = Vec::new();
    for index in 0..compiler.definitions.len() {
        list.push(compiler.profile(index)?);
    }
    let value_sets = compiler.value_sets.into_iter().map(|(_, value_set)| value_set).collect();
    Ok(Profiles { list, by_url: compiler.by_url, value_sets, aliases: HashMap::new() })
}

/// A `StructureDefinition` that constrains a type.
struct Definition<'s> {
    file: &'s str,
    url: &'s str,
    version: Option<&'s str>,
    constrains: &'s str,
    resource: &'s Value,
}

pub(super) struct Compiler<'s> {
    definitions: Vec<Definition<'s>>,
    by_url: HashMap<String, usize>,
    trees: Vec<Option<Rc<Node>>>,
    terminology: Terminology<'s>,
    /// With the canonical of each.
    value_sets: Vec<(String, ValueSet)>,
    elements_max: usize,
    /// Of the profile that is being compiled.
    pub(super) unchecked: Vec<String>,
}

fn wrong(file: &str, message: impl Into<String>) -> PackageError {
    PackageError { file: file.to_owned(), message: message.into() }
}

pub(super) fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

impl<'s> Compiler<'s> {
    fn new(sources: &'s [Source], limits: Limits) -> Result<Self, PackageError> {
        let (value_sets, code_systems) = (HashMap::new(), HashMap::new());
        let mut compiler = Self {
            definitions: Vec::new(),
            by_url: HashMap::new(),
            trees: Vec::new(),
            terminology: Terminology { value_sets, code_systems, codes_max: limits.codes_max },
            value_sets: Vec::new(),
            elements_max: limits.elements_max,
            unchecked: Vec::new(),
        };
        let mut count = 0;
        for source in sources {
            let Source { name, resource } = source;
            let kind = text(resource, "resourceType").unwrap_or_default();
            if !matches!(kind, "StructureDefinition" | "ValueSet" | "CodeSystem") {
                continue;
            }
            count += 1;
            if count > limits.definitions_max {
                let most = limits.definitions_max;
                return Err(wrong(
                    name,
                    format!("the packages have more than {most} definitions, value sets and code systems"),
                ));
            }
            let url = text(resource, "url").filter(|url| !url.is_empty());
            let url = url.ok_or_else(|| wrong(name, format!("this {kind} has no url")))?;
            match kind {
                "ValueSet" => drop(compiler.terminology.value_sets.insert(url, (name, resource))),
                "CodeSystem" => drop(compiler.terminology.code_systems.insert(url, (name, resource))),
                _ => compiler.define(name, url, resource)?,
            }
        }
        compiler.trees.resize(compiler.definitions.len(), None);
        Ok(compiler)
    }

    /// Takes a definition in, if it constrains a type of R4.
    fn define(&mut self, file: &'s str, url: &'s str, resource: &'s Value) -> Result<(), PackageError> {
        let is_constraint = text(resource, "derivation") == Some("constraint");
        if !is_constraint || !matches!(text(resource, "kind"), Some("resource" | "complex-type")) {
            return Ok(());
        }
        let constrains = text(resource, "type").ok_or_else(|| wrong(file, "this StructureDefinition has no type"))?;
        let version = text(resource, "version");
        let exact = format!("{url}|{}", version.unwrap_or_default());
        if let Some(index) = self.by_url.get(&exact) {
            let other = &self.definitions[*index];
            let message = format!("defines {url} of the same version as {}, and not in the same words", other.file);
            return if other.resource == resource { Ok(()) } else { Err(wrong(file, message)) };
        }
        let index = self.definitions.len();
        let is_newest = |known: &usize| order(version) > order(self.definitions[*known].version);
        if self.by_url.get(url).is_none_or(is_newest) {
            self.by_url.insert(url.to_owned(), index);
        }
        self.by_url.insert(exact, index);
        self.definitions.push(Definition { file, url, version, constrains, resource });
        Ok(())
    }

    pub(super) fn find(&self, canonical: &str) -> Option<usize> {
        let url = canonical.split('|').next().unwrap_or_default();
        self.by_url.get(canonical).or_else(|| self.by_url.get(url)).copied()
    }

    /// The elements of a definition, over those of its base where it has no snapshot.
    pub(super) fn tree(&mut self, index: usize, above: &mut Vec<usize>) -> Result<Rc<Node>, PackageError> {
        if let Some(tree) = &self.trees[index] {
            return Ok(Rc::clone(tree));
        }
        let (file, resource) = (self.definitions[index].file, self.definitions[index].resource);
        if above.contains(&index) {
            return Err(wrong(file, "this definition rests on itself, by its baseDefinition"));
        }
        above.push(index);
        let elements = |form: &str| resource.get(form)?.get("element")?.as_array();
        let (elements, base) = match (elements("snapshot"), elements("differential")) {
            (Some(elements), _) => (elements, Node::default()),
            (None, Some(elements)) => {
                let base = text(resource, "baseDefinition").unwrap_or_default();
                match self.find(base) {
                    Some(base) => (elements, self.tree(base, above)?.as_ref().clone()),
                    None if base.starts_with(CORE) => (elements, Node::default()),
                    None => return Err(wrong(file, format!("has no snapshot, and its base {base} is in no package"))),
                }
            }
            (None, None) => return Err(wrong(file, "this StructureDefinition has neither snapshot nor differential")),
        };
        above.pop();
        if elements.len() > self.elements_max {
            return Err(wrong(file, format!("this definition has more than {} elements", self.elements_max)));
        }
        let tree = Rc::new(lay(elements, base).map_err(|message| wrong(file, message))?);
        self.trees[index] = Some(Rc::clone(&tree));
        Ok(tree)
    }

    fn profile(&mut self, index: usize) -> Result<Profile, PackageError> {
        let tree = self.tree(index, &mut Vec::new())?;
        let Definition { file, url, version, constrains, resource } = self.definitions[index];
        self.unchecked.clear();
        let mut root = self.rules(&tree, file)?;
        // What a type is, is said where it is used; here it could only lead back to itself.
        root.types.clear();
        let contexts = resource.get("context").and_then(Value::as_array).into_iter().flatten().map(context).collect();
        Ok(Profile {
            url: url.to_owned(),
            version: version.map(str::to_owned),
            name: text(resource, "name").unwrap_or(url).to_owned(),
            constrains: constrains.to_owned(),
            unchecked: std::mem::take(&mut self.unchecked),
            root,
            contexts,
        })
    }

    pub(super) fn leave(&mut self, node: &Node, what: &str) {
        let id = node.text("id").or_else(|| node.text("path")).unwrap_or_default();
        self.unchecked.push(format!("{id}: {what}"));
    }

    pub(super) fn rules(&mut self, node: &Node, file: &str) -> Result<Rules, PackageError> {
        self.note_unserved(node);
        let mut children = Vec::new();
        for (name, child) in &node.children {
            let group = self.group(child, name, false, file)?;
            if !group.is_empty() {
                let (name, is_choice) = name.strip_suffix("[x]").map_or((name.as_str(), false), |stem| (stem, true));
                children.push(Child { name: name.to_owned(), is_choice, group });
            }
        }
        Ok(Rules {
            fixed: node.choice("fixed").cloned(),
            pattern: node.choice("pattern").cloned(),
            binding: self.binding(node)?,
            types: self.types(node),
            invariants: self.invariants(node),
            length_max: node.said.get("maxLength").and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok()),
            children,
        })
    }

    /// What an element says and nobody checks.
    fn note_unserved(&mut self, node: &Node) {
        for stem in ["minValue", "maxValue"] {
            if node.choice(stem).is_some() {
                self.leave(node, &format!("{stem} is not checked"));
            }
        }
    }

    /// The invariants of severity error that are the profile's own.
    fn invariants(&mut self, node: &Node) -> Vec<Invariant> {
        let mut found = Vec::new();
        let constraints = node.said.get("constraint").and_then(Value::as_array).into_iter().flatten();
        let binds = |constraint: &&Value| text(constraint, "severity") != Some("warning") && !is_of_core(constraint);
        for constraint in constraints.filter(binds) {
            let key = text(constraint, "key").unwrap_or_default();
            match Expression::read(text(constraint, "expression").unwrap_or_default()) {
                Ok(expression) => found.push(Invariant {
                    key: key.to_owned(),
                    human: text(constraint, "human").unwrap_or_default().chars().take(HUMAN_MAX).collect(),
                    expression,
                    kind: kind(node),
                }),
                Err(unserved) => self.leave(node, &format!("the invariant {key} is not checked: {unserved}")),
            }
        }
        found
    }

    pub(super) fn group(&mut self, node: &Node, name: &str, is_slice: bool, file: &str) -> Result<Group, PackageError> {
        let min = node.said.get("min").and_then(Value::as_u64).and_then(|min| usize::try_from(min).ok()).unwrap_or(0);
        let max = match node.text("max") {
            None | Some("*") => None,
            Some(max) => {
                Some(max.parse().map_err(|_| wrong(file, format!("{name}: max '{max}' is no number and no *")))?)
            }
        };
        // What base R4 says of the element is checked by its table, but a slice counts for itself.
        let base = |member: &str| node.said.get("base").and_then(|base| base.get(member));
        let is_of_base = |member: &str| !is_slice && base(member).is_some() && base(member) == node.said.get(member);
        Ok(Group {
            min: if is_of_base("min") { 0 } else { min },
            max: if is_of_base("max") { None } else { max },
            rules: self.rules(node, file)?,
            slicing: self.slicing(node, name, file)?,
        })
    }

    fn binding(&mut self, node: &Node) -> Result<Option<usize>, PackageError> {
        let Some(binding) = node.said.get("binding").filter(|binding| text(binding, "strength") == Some("required"))
        else {
            return Ok(None);
        };
        let Some(canonical) = text(binding, "valueSet") else { return Ok(None) };
        if let Some(index) = self.value_sets.iter().position(|(known, _)| known == canonical) {
            return Ok(Some(index));
        }
        let expanded = self.terminology.expand(canonical).map_err(|(file, message)| PackageError { file, message })?;
        let Some(value_set) = expanded else {
            self.leave(node, &format!("the codes of {canonical} are not known"));
            return Ok(None);
        };
        self.value_sets.push((canonical.to_owned(), value_set));
        Ok(Some(self.value_sets.len() - 1))
    }

    fn types(&mut self, node: &Node) -> Vec<TypeRule> {
        let is_choice = node.text("path").is_some_and(|path| path.ends_with("[x]"));
        let mut types = Vec::new();
        for said in node.types() {
            let code = text(said, "code").unwrap_or_default();
            if code.starts_with("http://hl7.org/fhirpath/") {
                return Vec::new();
            }
            let profiles = if code == "Extension" { Vec::new() } else { self.type_profiles(node, said) };
            types.push(TypeRule { code: code.to_owned(), profiles, targets: self.targets(node, said) });
        }
        // A single type that is not narrowed is the one that base R4 has.
        let says_nothing = |rule: &TypeRule| rule.profiles.is_empty() && rule.targets.is_empty();
        let is_resource = |rule: &TypeRule| crate::r4::structure::is_resource_type(&rule.code);
        if !is_choice && types.iter().all(|rule| says_nothing(rule) && !is_resource(rule)) {
            types.clear();
        }
        types
    }

    pub(super) fn type_profiles(&mut self, node: &Node, said: &Value) -> Vec<usize> {
        let mut found = Vec::new();
        for canonical in canonicals(said, "profile").filter(|canonical| !canonical.starts_with(CORE)) {
            let Some(index) = self.find(canonical) else {
                // One that is not known may be the one that is fulfilled.
                self.leave(node, &format!("the profile {canonical} is in no package"));
                return Vec::new();
            };
            found.push(index);
        }
        found
    }

    /// The types that a reference may be to; none where one of them is not known.
    fn targets(&mut self, node: &Node, said: &Value) -> Vec<String> {
        let mut found = Vec::new();
        for canonical in canonicals(said, "targetProfile") {
            let of_core = canonical.strip_prefix(CORE).map(|name| name.split('|').next().unwrap_or_default());
            let is_known = of_core.is_some_and(crate::r4::structure::is_resource_type);
            match (of_core.filter(|_| is_known), self.find(canonical)) {
                (Some(name), _) => found.push(name.to_owned()),
                (None, Some(index)) => found.push(self.definitions[index].constrains.to_owned()),
                (None, None) => {
                    if of_core != Some("Resource") {
                        self.leave(node, &format!("the target {canonical} is in no package"));
                    }
                    return Vec::new();
                }
            }
        }
        found.dedup();
        found
    }
}

pub(super) fn canonicals<'v>(said: &'v Value, name: &str) -> impl Iterator<Item = &'v str> + use<'v> {
    said.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The name or path of the type of an element, where it has only one.
fn kind(node: &Node) -> String {
    let path = node.text("path").unwrap_or_default();
    match Type::at(path) {
        Some(Holds::Object(of)) => of.name().to_owned(),
        Some(Holds::Primitive(_) | Holds::Resource) | None => {
            let mut codes = node.types().filter_map(|said| text(said, "code"));
            codes.next().filter(|_| codes.next().is_none()).unwrap_or_default().to_owned()
        }
    }
}

/// The invariants of R4 itself, which snapshots repeat.
fn is_of_core(constraint: &Value) -> bool {
    let key = text(constraint, "key").unwrap_or_default();
    let source = text(constraint, "source").and_then(|source| source.strip_prefix(CORE));
    let is_of_type =
        |name: &str| Type::named(name).is_some() || matches!(name, "Element" | "Resource" | "DomainResource");
    source.is_some_and(is_of_type)
        || matches!(key, "ele-1" | "ext-1" | "dom-1" | "dom-2" | "dom-3" | "dom-4" | "dom-5" | "dom-6")
}

fn context(said: &Value) -> Context {
    let expression = text(said, "expression").unwrap_or_default().to_owned();
    match text(said, "type") {
        Some("element") => Context::Element(expression),
        Some("extension") => Context::Extension(expression),
        _ => Context::Other,
    }
}

/// Versions by their numbers, as far as they are numbers.
fn order(version: Option<&str>) -> Vec<u64> {
    let parts = version.unwrap_or_default().split(|letter: char| !letter.is_ascii_digit());
    parts.map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        assert!(order(Some("2.1.10")) > order(Some("2.1.9")));
        assert!(order(Some("1.0.0")) > order(None));
    }
}
