//! JSON Patch, RFC 6902, with JSON Pointers, RFC 6901.

use super::{PatchError, Room};
use crate::json::tree::{Step, Tree};

/// A pointer as it was written: what leads to the place, without escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer(Vec<String>);

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    Add { path: Pointer, value: Tree },
    Remove { path: Pointer },
    Replace { path: Pointer, value: Tree },
    Move { from: Pointer, path: Pointer },
    Copy { from: Pointer, path: Pointer },
    Test { path: Pointer, value: Tree },
}

/// Reads the operations of a list that is JSON.
pub(super) fn read(list: &Tree) -> Result<Vec<Operation>, PatchError> {
    list.items().iter().enumerate().map(|(n, item)| read_one(item, n)).collect()
}

fn read_one(item: &Tree, n: usize) -> Result<Operation, PatchError> {
    let malformed = |name: &str, details: &str| PatchError::Malformed {
        expression: format!("[{n}].{name}"),
        details: details.to_owned(),
    };
    let pointer = |name: &str| {
        let text =
            item.member(name).and_then(Tree::as_text).ok_or_else(|| malformed(name, "must be there, as a text"))?;
        Pointer::read(&text).ok_or_else(|| malformed(name, "must be a JSON Pointer: empty, or /name/0/name"))
    };
    let value = || item.member("value").cloned().ok_or_else(|| malformed("value", "must be there"));
    let op = item.member("op").and_then(Tree::as_text).unwrap_or_default();
    Ok(match op.as_str() {
        "add" => Operation::Add { path: pointer("path")?, value: value()? },
        "remove" => Operation::Remove { path: pointer("path")? },
        "replace" => Operation::Replace { path: pointer("path")?, value: value()? },
        "move" => Operation::Move { from: pointer("from")?, path: pointer("path")? },
        "copy" => Operation::Copy { from: pointer("from")?, path: pointer("path")? },
        "test" => Operation::Test { path: pointer("path")?, value: value()? },
        _ => return Err(malformed("op", "must be add, remove, replace, move, copy or test")),
    })
}

impl Pointer {
    fn read(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(Vec::new()));
        }
        let parts = text.strip_prefix('/')?.split('/');
        parts.map(unescape).collect::<Option<_>>().map(Self)
    }

    /// The steps to a place of a tree: whether a part is a key or an index depends on what is there.
    fn steps(&self, tree: &Tree) -> Option<Vec<Step>> {
        let mut at = tree;
        let mut steps = Vec::with_capacity(self.0.len());
        for part in &self.0 {
            let step = match at {
                Tree::Object(_) => Step::Key(part.clone()),
                Tree::Array(_) => Step::Index(index(part)?),
                Tree::Scalar(_) => return None,
            };
            at = at.at(std::slice::from_ref(&step))?;
            steps.push(step);
        }
        Some(steps)
    }
}

/// `~1` is a slash and `~0` a tilde; any other tilde is a fault.
fn unescape(part: &str) -> Option<String> {
    let mut text = String::with_capacity(part.len());
    let mut characters = part.chars();
    while let Some(character) = characters.next() {
        match character {
            '~' => match characters.next()? {
                '0' => text.push('~'),
                '1' => text.push('/'),
                _ => return None,
            },
            _ => text.push(character),
        }
    }
    Some(text)
}

fn index(part: &str) -> Option<usize> {
    let is_plain = part == "0" || !part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit());
    part.parse().ok().filter(|_| is_plain)
}

/// Applies operation `n` to a tree.
pub(super) fn apply(tree: &mut Tree, operation: &Operation, n: usize, room: &mut Room) -> Result<(), PatchError> {
    let fails = |name: &str, details: &str| PatchError::DoesNotApply {
        expression: format!("[{n}].{name}"),
        details: details.to_owned(),
    };
    let nothing = |name: &str| fails(name, "there is nothing at this place of the resource");
    match operation {
        Operation::Add { path, value } => {
            room.take(value)?;
            add(tree, path, value.clone()).ok_or_else(|| nothing("path"))
        }
        Operation::Remove { path } => remove(tree, path).map(drop).ok_or_else(|| nothing("path")),
        Operation::Replace { path, value } => {
            room.take(value)?;
            let steps = path.steps(tree).ok_or_else(|| nothing("path"))?;
            *tree.at_mut(&steps).ok_or_else(|| nothing("path"))? = value.clone();
            Ok(())
        }
        Operation::Move { from, path } => {
            if path.0.len() > from.0.len() && path.0.starts_with(&from.0) {
                return Err(fails("path", "nothing moves into itself"));
            }
            let value = remove(tree, from).ok_or_else(|| nothing("from"))?;
            add(tree, path, value).ok_or_else(|| nothing("path"))
        }
        Operation::Copy { from, path } => {
            let steps = from.steps(tree).ok_or_else(|| nothing("from"))?;
            let value = tree.at(&steps).cloned().ok_or_else(|| nothing("from"))?;
            room.take(&value)?;
            add(tree, path, value).ok_or_else(|| nothing("path"))
        }
        Operation::Test { path, value } => {
            let steps = path.steps(tree).ok_or_else(|| nothing("path"))?;
            let is_so = tree.at(&steps).is_some_and(|found| found.equals(value));
            if is_so { Ok(()) } else { Err(fails("value", "the test fails: the resource has another value here")) }
        }
    }
}

/// Puts a value at a place whose container is there; nothing where it is not.
fn add(tree: &mut Tree, path: &Pointer, value: Tree) -> Option<()> {
    let Some((last, parents)) = path.0.split_last() else {
        *tree = value;
        return Some(());
    };
    let steps = Pointer(parents.to_vec()).steps(tree)?;
    match tree.at_mut(&steps)? {
        Tree::Object(members) => match members.iter_mut().find(|(name, _)| name == last) {
            Some((_, there)) => *there = value,
            None => members.push((last.clone(), value)),
        },
        Tree::Array(items) => {
            let at = if last == "-" { items.len() } else { index(last).filter(|at| *at <= items.len())? };
            items.insert(at, value);
        }
        Tree::Scalar(_) => return None,
    }
    Some(())
}

fn remove(tree: &mut Tree, path: &Pointer) -> Option<Tree> {
    let (last, parents) = path.0.split_last()?;
    let steps = Pointer(parents.to_vec()).steps(tree)?;
    match tree.at_mut(&steps)? {
        Tree::Object(members) => {
            let at = members.iter().position(|(name, _)| name == last)?;
            Some(members.remove(at).1)
        }
        Tree::Array(items) => {
            let at = index(last).filter(|at| *at < items.len())?;
            Some(items.remove(at))
        }
        Tree::Scalar(_) => None,
    }
}
