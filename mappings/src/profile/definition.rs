//! The elements of a `StructureDefinition` as a tree: what a snapshot says, or what a differential adds to its base.

use serde_json::{Map, Value};

/// How deep elements may lie within each other. The deepest of R4 lie nine deep.
const DEPTH_MAX: usize = 24;

/// An element or a slice, with what lies within.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    /// Its `ElementDefinition`.
    pub(super) said: Map<String, Value>,
    pub(super) children: Vec<(String, Node)>,
    pub(super) slices: Vec<(String, Node)>,
}

impl Node {
    /// The element of this name within, also where it is a choice.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        let is_named = |own: &str| own == name || own.strip_suffix("[x]") == Some(name);
        self.children.iter().find(|(own, _)| is_named(own)).map(|(_, node)| node)
    }

    /// A text of its `ElementDefinition`.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.said.get(name).and_then(Value::as_str)
    }

    /// The value in `fixed[x]` or `pattern[x]`.
    pub(super) fn choice(&self, stem: &str) -> Option<&Value> {
        let is_choice = |name: &str| {
            name.strip_prefix(stem).is_some_and(|kind| kind.starts_with(|letter: char| letter.is_ascii_uppercase()))
        };
        self.said.iter().find(|(name, _)| is_choice(name)).map(|(_, value)| value)
    }

    /// The types, each an object with a `code`.
    pub(super) fn types(&self) -> impl Iterator<Item = &Value> {
        self.said.get("type").and_then(Value::as_array).into_iter().flatten()
    }

    fn element(&mut self, name: &str) -> &mut Self {
        in_list(&mut self.children, name)
    }

    /// A slice; one of a slice (`a/b`) lies within it where that slice is itself sliced.
    fn slice(&mut self, name: &str) -> &mut Self {
        let outer = name.rsplit_once('/').map(|(outer, _)| outer);
        let position = outer.and_then(|outer| {
            self.slices.iter().position(|(own, node)| own == outer && node.said.contains_key("slicing"))
        });
        match position {
            Some(position) => in_list(&mut self.slices[position].1.slices, name),
            None => in_list(&mut self.slices, name),
        }
    }
}

fn in_list<'n>(list: &'n mut Vec<(String, Node)>, name: &str) -> &'n mut Node {
    let position = list.iter().position(|(own, _)| own == name).unwrap_or_else(|| {
        list.push((name.to_owned(), Node::default()));
        list.len() - 1
    });
    &mut list[position].1
}

/// Lays elements over a base; without one they stand alone.
///
/// # Errors
/// Says which element cannot be read.
pub(super) fn lay(elements: &[Value], mut root: Node) -> Result<Node, String> {
    for (n, element) in elements.iter().enumerate() {
        let said = element.as_object().ok_or_else(|| format!("element {n} is no object"))?;
        let segments = segments(said).ok_or_else(|| format!("element {n} has no path"))?;
        if segments.len() > DEPTH_MAX {
            return Err(format!("element {n} lies more than {DEPTH_MAX} deep"));
        }
        let mut node = &mut root;
        for (name, slice) in segments.iter().skip(1) {
            node = node.element(name);
            if let Some(slice) = slice {
                node = node.slice(slice);
            }
        }
        node.said.extend(said.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    Ok(root)
}

/// The names on the way to an element, each with the slice: by its id, which alone names the slices above it.
fn segments(said: &Map<String, Value>) -> Option<Vec<(&str, Option<&str>)>> {
    let text = |name: &str| said.get(name).and_then(Value::as_str);
    let path: Vec<&str> = text("path")?.split('.').collect();
    let of_id = text("id").map(|id| id.split('.').collect::<Vec<_>>()).filter(|id| id.len() == path.len());
    if let Some(id) = of_id {
        let named =
            id.into_iter().map(|part| part.split_once(':').map_or((part, None), |(name, slice)| (name, Some(slice))));
        return Some(named.collect());
    }
    let mut named: Vec<_> = path.iter().map(|part| (*part, None)).collect();
    if let Some(last) = named.last_mut() {
        last.1 = text("sliceName");
    }
    Some(named)
}
