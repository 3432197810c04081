//! The slices of an element: what each asks, and by what an item is known to belong to it.

use std::rc::Rc;

use serde_json::Value;

use super::PackageError;
use super::compile::{Compiler, canonicals, text};
use super::definition::Node;
use super::discriminator::{discriminators, essence};
use super::rules::{Asks, Matcher, Rules, Slice, Slicing, Step};

impl Compiler<'_> {
    /// The slicing of an element, without the slices that nothing tells apart: these are listed.
    pub(super) fn slicing(&mut self, node: &Node, name: &str, file: &str) -> Result<Option<Slicing>, PackageError> {
        if node.slices.is_empty() {
            return Ok(None);
        }
        let said = node.said.get("slicing");
        let discriminators = match discriminators(said, name) {
            Ok(discriminators) => discriminators,
            Err(what) => {
                self.leave(node, &format!("its slices are not told apart: {what}"));
                return Ok(None);
            }
        };
        let mut slices = Vec::new();
        'slices: for (name, slice) in &node.slices {
            let mut matchers = Vec::new();
            for (kind, path) in &discriminators {
                match self.asks(slice, kind, path, file)? {
                    Ok(asks) => matchers.push(Matcher { path: path.clone(), asks }),
                    Err(what) => {
                        self.leave(slice, &format!("what belongs to this slice is not told: {what}"));
                        continue 'slices;
                    }
                }
            }
            slices.push(Slice { name: name.clone(), matchers, group: self.group(slice, name, true, file)? });
        }
        let is_ordered = said.and_then(|said| said.get("ordered")).and_then(Value::as_bool).unwrap_or(false);
        // What belongs to a slice that was left out must not be taken for what belongs to none.
        let is_whole = slices.len() == node.slices.len();
        let is_closed = is_whole && said.and_then(|said| text(said, "rules")) == Some("closed");
        Ok(Some(Slicing { is_closed, is_ordered, slices }))
    }

    /// What a slice asks for at the path of a discriminator; or why that cannot be told.
    fn asks(
        &mut self,
        slice: &Node,
        kind: &str,
        path: &[Step],
        file: &str,
    ) -> Result<Result<Asks, String>, PackageError> {
        if let [Step::Child(url)] = path
            && url == "url"
            && kind == "value"
            && slice.child("url").is_none_or(|url| url.choice("fixed").is_none())
            && let Some(url) = slice.types().find_map(|said| canonicals(said, "profile").next())
        {
            let url = url.split('|').next().unwrap_or_default();
            return Ok(Ok(Asks::Value(Box::new(Rules { fixed: Some(Value::from(url)), ..Rules::default() }))));
        }
        let Some(node) = self.descend(slice, path)? else {
            return Ok(Err("nothing is said at the path of the discriminator".to_owned()));
        };
        Ok(match kind {
            "value" | "pattern" => {
                let before = self.unchecked.len();
                let rules = essence(self.rules(&node, file)?);
                self.unchecked.truncate(before);
                if rules.is_empty() {
                    Err("no value is asked for there".to_owned())
                } else {
                    Ok(Asks::Value(Box::new(rules)))
                }
            }
            "exists" if node.text("max") == Some("0") => Ok(Asks::Exists(false)),
            "exists" if node.said.get("min").and_then(Value::as_u64) > Some(0) => Ok(Asks::Exists(true)),
            "exists" => Err("neither presence nor absence is asked for there".to_owned()),
            "type" => match node.types().filter_map(|said| text(said, "code")).map(str::to_owned).collect::<Vec<_>>() {
                empty if empty.is_empty() => Err("no type is asked for there".to_owned()),
                types => Ok(Asks::Type(types)),
            },
            "profile" => {
                let said: Vec<Value> = node.types().cloned().collect();
                let found: Vec<usize> = said.iter().flat_map(|said| self.type_profiles(&node, said)).collect();
                if found.is_empty() {
                    Err("no loaded profile is asked for there".to_owned())
                } else {
                    Ok(Asks::Profile(found))
                }
            }
            other => Err(format!("a discriminator of type '{other}' is not known")),
        })
    }

    /// The element at a path from a slice, also where only the profile of its type says something of it.
    fn descend(&mut self, slice: &Node, path: &[Step]) -> Result<Option<Rc<Node>>, PackageError> {
        let mut node = Rc::new(slice.clone());
        for step in path {
            let next = match step {
                Step::OfType(kind) => {
                    let ends = |name: &str| name.to_ascii_lowercase().ends_with(&kind.to_ascii_lowercase());
                    let found = node.slices.iter().find(|(name, _)| ends(name)).map(|(_, slice)| slice.clone());
                    Some(found.map_or_else(|| Rc::clone(&node), Rc::new))
                }
                Step::Child(name) => self.within(&node, |node| node.child(name).cloned())?,
                Step::Extension(url) => self.within(&node, |node| {
                    let slices = &node.child("extension")?.slices;
                    slices.iter().find(|(_, slice)| is_extension(slice, url)).map(|(_, slice)| slice.clone())
                })?,
            };
            let Some(next) = next else { return Ok(None) };
            node = next;
        }
        Ok(Some(node))
    }

    fn within(&mut self, node: &Node, find: impl Fn(&Node) -> Option<Node>) -> Result<Option<Rc<Node>>, PackageError> {
        if let Some(found) = find(node) {
            return Ok(Some(Rc::new(found)));
        }
        let named = node.types().find_map(|said| canonicals(said, "profile").next()).map(str::to_owned);
        let Some(index) = named.and_then(|canonical| self.find(&canonical)) else { return Ok(None) };
        let tree = self.tree(index, &mut Vec::new())?;
        Ok(find(&tree).map(Rc::new))
    }
}

fn is_extension(slice: &Node, url: &str) -> bool {
    let fixed = slice.child("url").and_then(|node| node.choice("fixed")).and_then(Value::as_str);
    let mut named = slice.types().flat_map(|said| canonicals(said, "profile"));
    fixed == Some(url) || named.any(|canonical| canonical.split('|').next() == Some(url))
}
