//! `FHIRPath` Patch: operations in a Parameters resource, whose places are paths and whose values are typed.
//!
//! <https://hl7.org/fhir/R4/fhirpatch.html>

use super::fhir_path::{Path, Place};
use super::{PatchError, Room};
use crate::json::tree::{Step, Tree};
use crate::r4::primitive::Primitive;
use crate::r4::structure::types::{ElementType, Holds, Type};

/// One operation, with what each kind asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    Add { path: Path, name: String, value: Given },
    Insert { path: Path, value: Given, index: usize },
    Delete { path: Path },
    Replace { path: Path, value: Given },
    Move { path: Path, source: usize, destination: usize },
}

/// A value as Parameters carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    /// `value[x]`: the part of its name that says the type (`HumanName`), and the value.
    Typed(String, Tree),
    /// An object whose type has no name of its own, by its members.
    Parts(Vec<(String, Given)>),
}

/// Reads the operations of a Parameters resource of the right structure.
pub(super) fn read(parameters: &Tree) -> Result<Vec<Operation>, PatchError> {
    let list = parameters.member("parameter").map(Tree::items).unwrap_or_default();
    list.iter().enumerate().map(|(n, parameter)| read_one(parameter, n)).collect()
}

fn read_one(parameter: &Tree, n: usize) -> Result<Operation, PatchError> {
    let malformed =
        |name: &str, details: &str| PatchError::Malformed { expression: at(n, name), details: details.to_owned() };
    if name_of(parameter) != "operation" {
        return Err(malformed("name", "each parameter of a patch is named 'operation'"));
    }
    let parts = parameter.member("part").map(Tree::items).unwrap_or_default();
    let known = ["type", "path", "name", "value", "index", "source", "destination"];
    if let Some(other) = parts.iter().map(name_of).find(|name| !known.contains(&name.as_str())) {
        let other: String = other.chars().take(40).collect();
        return Err(malformed("part", &format!("an operation has no part '{other}'")));
    }
    let part = |name: &str| parts.iter().find(|part| name_of(part) == name);
    let text = |name: &str| {
        let text = part(name).and_then(|part| value_of(part)).and_then(|(_, value)| value.as_text());
        text.ok_or_else(|| malformed(name, "this operation needs this part, as a text"))
    };
    let number = |name: &str| {
        let value = part(name).and_then(|part| value_of(part)).map(|(_, value)| value.write());
        value
            .and_then(|value| value.parse().ok())
            .ok_or_else(|| malformed(name, "this operation needs this part, as a position from 0"))
    };
    let value = || {
        let part = part("value").ok_or_else(|| malformed("value", "this operation needs a value"))?;
        given(part, n)
    };
    let path =
        Path::read(&text("path")?).map_err(|details| PatchError::NotServed { expression: at(n, "path"), details })?;
    Ok(match text("type")?.as_str() {
        "add" => Operation::Add { path, name: text("name")?, value: value()? },
        "insert" => Operation::Insert { path, value: value()?, index: number("index")? },
        "delete" => Operation::Delete { path },
        "replace" => Operation::Replace { path, value: value()? },
        "move" => Operation::Move { path, source: number("source")?, destination: number("destination")? },
        _ => return Err(malformed("type", "must be add, insert, delete, replace or move")),
    })
}

fn given(part: &Tree, n: usize) -> Result<Given, PatchError> {
    let Tree::Object(members) = part else { return Err(without_value(n)) };
    if let Some((name, _)) = members.iter().find(|(name, _)| name.starts_with("_value") || name == "resource") {
        let details = format!("a value as '{name}' is not served in a patch: send a JSON Patch");
        return Err(PatchError::NotServed { expression: at(n, "value"), details });
    }
    if let Some((kind, value)) = value_of(part) {
        return Ok(Given::Typed(kind, value.clone()));
    }
    let parts = part.member("part").map(Tree::items).unwrap_or_default();
    if parts.is_empty() {
        return Err(without_value(n));
    }
    let named = parts.iter().map(|part| Ok((name_of(part), given(part, n)?)));
    named.collect::<Result<_, _>>().map(Given::Parts)
}

fn without_value(n: usize) -> PatchError {
    PatchError::Malformed { expression: at(n, "value"), details: "has neither value[x] nor parts".to_owned() }
}

/// The `value[x]` of a part: the end of its name, and the value.
fn value_of(part: &Tree) -> Option<(String, &Tree)> {
    let Tree::Object(members) = part else { return None };
    members.iter().find_map(|(name, value)| Some((name.strip_prefix("value")?.to_owned(), value)))
}

fn name_of(part: &Tree) -> String {
    part.member("name").and_then(Tree::as_text).unwrap_or_default()
}

fn at(n: usize, part: &str) -> String {
    format!("Parameters.parameter[{n}].{part}")
}

/// An edit under way: the tree, and which operation it is.
struct Edit<'t> {
    tree: &'t mut Tree,
    n: usize,
}

/// Applies operation `n` to a resource.
pub(super) fn apply(tree: &mut Tree, operation: &Operation, n: usize, room: &mut Room) -> Result<(), PatchError> {
    let mut edit = Edit { tree, n };
    match operation {
        Operation::Add { path, name, value } => edit.add(path, name, value, room),
        Operation::Insert { path, value, index } => edit.insert(path, value, *index, room),
        Operation::Delete { path } => edit.delete(path),
        Operation::Replace { path, value } => edit.replace(path, value, room),
        Operation::Move { path, source, destination } => edit.change_place(path, *source, *destination),
    }
}

impl Edit<'_> {
    fn fails(&self, part: &str, details: impl Into<String>) -> PatchError {
        PatchError::DoesNotApply { expression: at(self.n, part), details: details.into() }
    }

    /// The one place of a path.
    fn one(&self, path: &Path) -> Result<Place, PatchError> {
        let mut places = path.places(self.tree);
        match (places.pop(), places.is_empty()) {
            (Some(place), true) => Ok(place),
            (Some(_), false) => Err(self.fails("path", "leads to several places: name one of them by its position")),
            (None, _) => Err(self.fails("path", "there is nothing at this place of the resource")),
        }
    }

    fn object(&self, place: &Place) -> Result<Type, PatchError> {
        place.holds.ok_or_else(|| self.fails("path", "there is no object at this place whose elements are known"))
    }

    fn add(&mut self, path: &Path, name: &str, given: &Given, room: &mut Room) -> Result<(), PatchError> {
        let place = self.one(path)?;
        let of = self.object(&place)?;
        let element = self.element(of, name, given)?;
        let value = self.value(element, given)?;
        room.take(&value)?;
        let is_there =
            |name: &&'static str| self.tree.at(&place.steps).is_some_and(|object| object.member(name).is_some());
        let there = of.names(name).into_iter().find(is_there);
        if there.is_some() && !element.repeats {
            return Err(self.fails("name", "this element is there already and does not repeat: replace it"));
        }
        let mut steps = place.steps;
        if element.repeats {
            steps.push(Step::Key(element.name.to_owned()));
            self.without_beside(&steps)?;
            match self.tree.at_mut(&steps) {
                Some(Tree::Array(items)) => items.push(value),
                _ => self.put(&steps, Tree::Array(vec![value])),
            }
            return Ok(());
        }
        steps.push(Step::Key(element.name.to_owned()));
        self.put(&steps, value);
        Ok(())
    }

    fn insert(&mut self, path: &Path, given: &Given, index: usize, room: &mut Room) -> Result<(), PatchError> {
        let (steps, element) = self.list(path, given)?;
        let value = self.value(element, given)?;
        room.take(&value)?;
        self.without_beside(&steps)?;
        let length = self.tree.at(&steps).map_or(0, |list| list.items().len());
        if index > length {
            return Err(self.fails("index", "is beyond the end of the list"));
        }
        match self.tree.at_mut(&steps) {
            Some(Tree::Array(items)) => items.insert(index, value),
            _ => self.put(&steps, Tree::Array(vec![value])),
        }
        Ok(())
    }

    /// What is not there is deleted already.
    fn delete(&mut self, path: &Path) -> Result<(), PatchError> {
        if path.places(self.tree).is_empty() {
            return Ok(());
        }
        let mut steps = self.one(path)?.steps;
        if steps.is_empty() {
            return Err(self.fails("path", "a patch deletes elements, not the resource"));
        }
        if let [list @ .., Step::Index(_)] = steps.as_slice() {
            self.without_beside(list)?;
        }
        // What nothing is left in goes too: FHIR has no empty lists and objects.
        while let Some(last) = steps.pop() {
            let left = match (self.tree.at_mut(&steps), last) {
                (Some(Tree::Array(items)), Step::Index(index)) if index < items.len() => {
                    items.remove(index);
                    items.len()
                }
                (Some(Tree::Object(members)), Step::Key(key)) => {
                    members.retain(|(name, _)| *name != key && name.strip_prefix('_') != Some(&key));
                    members.len()
                }
                _ => return Ok(()),
            };
            if left > 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    fn replace(&mut self, path: &Path, given: &Given, room: &mut Room) -> Result<(), PatchError> {
        let place = self.one(path)?;
        let key = place.steps.iter().rposition(|step| matches!(step, Step::Key(_)));
        let Some(key) = key else { return Err(self.fails("path", "a patch replaces elements, not the resource")) };
        let (owner, Step::Key(name)) = (&place.steps[..key], &place.steps[key]) else {
            return Err(self.fails("path", "leads nowhere"));
        };
        let of = self.type_at(owner).ok_or_else(|| self.fails("path", "what is there has no known type"))?;
        let stem = choice_stem(of, name);
        let element = self.element(of, &stem, given)?;
        let value = self.value(element, given)?;
        room.take(&value)?;
        if let Some(Step::Index(_)) = place.steps.last() {
            self.without_beside(&place.steps[..=key])?;
            if let Some(there) = self.tree.at_mut(&place.steps) {
                *there = value;
            }
            return Ok(());
        }
        let (owner, name) = (owner.to_vec(), name.clone());
        if let Some(Tree::Object(members)) = self.tree.at_mut(&owner) {
            members.retain(|(other, _)| other.strip_prefix('_') != Some(&name));
            if let Some(member) = members.iter_mut().find(|(other, _)| *other == name) {
                *member = (element.name.to_owned(), value);
            }
        }
        Ok(())
    }

    fn change_place(&mut self, path: &Path, source: usize, destination: usize) -> Result<(), PatchError> {
        let (before, name) = path.list().ok_or_else(|| self.fails("path", "must end in the name of a list"))?;
        let mut steps = self.one(&before)?.steps;
        steps.push(Step::Key(name.to_owned()));
        self.without_beside(&steps)?;
        let length = self.tree.at(&steps).map_or(0, |list| list.items().len());
        for (part, position) in [("source", source), ("destination", destination)] {
            if position >= length {
                return Err(self.fails(part, "is beyond the end of the list"));
            }
        }
        if let Some(Tree::Array(items)) = self.tree.at_mut(&steps) {
            let item = items.remove(source);
            items.insert(destination, item);
        }
        Ok(())
    }

    /// The list to which a path leads, there or not.
    fn list(&self, path: &Path, given: &Given) -> Result<(Vec<Step>, ElementType), PatchError> {
        let (before, name) = path.list().ok_or_else(|| self.fails("path", "must end in the name of a list"))?;
        let place = self.one(&before)?;
        let element = self.element(self.object(&place)?, name, given)?;
        if !element.repeats {
            return Err(self.fails("path", "this element is no list: add or replace it"));
        }
        let mut steps = place.steps;
        steps.push(Step::Key(element.name.to_owned()));
        Ok((steps, element))
    }

    /// The element of a name for a value: of a choice the one of the value's type.
    fn element(&self, of: Type, name: &str, given: &Given) -> Result<ElementType, PatchError> {
        let names = of.names(name);
        let spelt = match given {
            Given::Typed(kind, _) => format!("{name}{kind}"),
            Given::Parts(_) => String::new(),
        };
        let meant = names.iter().find(|one| ***one == *name || **one == spelt);
        let unknown = || {
            let short: String = name.chars().take(40).collect();
            let details = if names.is_empty() {
                format!("{} has no element '{short}'", of.name())
            } else {
                format!("'{short}' does not take a value of this type")
            };
            self.fails("name", details)
        };
        meant.and_then(|one| of.element(one)).ok_or_else(unknown)
    }

    /// The value as it stands in the resource, of the type that the element takes.
    fn value(&self, element: ElementType, given: &Given) -> Result<Tree, PatchError> {
        match (given, element.holds) {
            (Given::Typed(kind, value), Holds::Primitive(primitive)) if is_of(kind, primitive) => Ok(value.clone()),
            (Given::Typed(kind, value), Holds::Object(of)) if kind == of.name() => Ok(value.clone()),
            (Given::Parts(parts), Holds::Object(of)) => self.object_of(of, parts),
            _ => Err(self.fails("value", format!("'{}' takes a value of another type", element.name))),
        }
    }

    fn object_of(&self, of: Type, parts: &[(String, Given)]) -> Result<Tree, PatchError> {
        let mut members: Vec<(String, Tree)> = Vec::new();
        for (name, given) in parts {
            let element = self.element(of, name, given)?;
            let value = self.value(element, given)?;
            match members.iter_mut().find(|(there, _)| there == element.name) {
                Some((_, Tree::Array(items))) if element.repeats => items.push(value),
                Some(_) => return Err(self.fails("value", format!("'{}' does not repeat", element.name))),
                None if element.repeats => members.push((element.name.to_owned(), Tree::Array(vec![value]))),
                None => members.push((element.name.to_owned(), value)),
            }
        }
        Ok(Tree::Object(members))
    }

    fn type_at(&self, steps: &[Step]) -> Option<Type> {
        let name = self.tree.member("resourceType").and_then(Tree::as_text)?;
        let mut of = Type::of_resource(&name)?;
        for step in steps {
            if let Step::Key(key) = step {
                let Holds::Object(within) = of.element(key)?.holds else { return None };
                of = within;
            }
        }
        Some(of)
    }

    /// Lists of primitive values whose items have ids or extensions are two lists that must stay in step.
    fn without_beside(&self, list: &[Step]) -> Result<(), PatchError> {
        let Some((Step::Key(name), owner)) = list.split_last() else { return Ok(()) };
        let beside = format!("_{name}");
        if self.tree.at(owner).is_some_and(|object| object.member(&beside).is_some()) {
            let details = format!("this list has extensions of its values in '{beside}': send a JSON Patch");
            return Err(PatchError::NotServed { expression: at(self.n, "path"), details });
        }
        Ok(())
    }

    /// Puts a member that is not there yet.
    fn put(&mut self, steps: &[Step], value: Tree) {
        if let Some((Step::Key(name), owner)) = steps.split_last()
            && let Some(Tree::Object(members)) = self.tree.at_mut(owner)
        {
            members.push((name.clone(), value));
        }
    }
}

/// The name of an element as the definitions have it: `value` of `valueQuantity`.
fn choice_stem(of: Type, name: &str) -> String {
    let stems = (1..name.len()).filter_map(|end| name.get(..end));
    let mut choices = stems.filter(|stem| of.names(stem).contains(&name) && of.element(stem).is_none());
    choices.next().unwrap_or(name).to_owned()
}

/// Whether a `value[x]` of this name goes into a primitive element. Texts and numbers are often sent as the base of a narrower type, and what
/// comes of it is checked as that type.
fn is_of(kind: &str, primitive: Primitive) -> bool {
    let mut characters = kind.chars();
    let name: String = characters.next().into_iter().flat_map(char::to_lowercase).chain(characters).collect();
    match Primitive::from_name(&name) {
        Some(given) if given == primitive => true,
        Some(Primitive::String) => {
            matches!(primitive, Primitive::Code | Primitive::Id | Primitive::Markdown | Primitive::Xhtml)
        }
        Some(Primitive::Uri) => {
            matches!(primitive, Primitive::Url | Primitive::Canonical | Primitive::Oid | Primitive::Uuid)
        }
        Some(Primitive::Integer) => matches!(primitive, Primitive::PositiveInt | Primitive::UnsignedInt),
        _ => false,
    }
}
