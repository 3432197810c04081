//! The table of R4 structure: every resource and complex type with its elements, read once from the generated text.
//!
//! Names are slices of that text, so the table costs little memory; choices are spelt out (`value[x]` is `valueString`, …).
//! The form of the text is explained in its first lines; `mappings/tables/generate.py` writes it.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::r4::primitive::Primitive;

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(include_str!("../../../tables/structure.txt")));

/// Every node, and where to find the types.
pub(super) struct Table {
    nodes: Vec<Node>,
    by_path: HashMap<&'static str, NodeIndex>,
    value_sets: Vec<ValueSet>,
    value_sets_by_name: HashMap<&'static str, usize>,
}

type NodeIndex = usize;

/// A resource, a complex type, or a backbone element.
pub(super) struct Node {
    pub(super) path: &'static str,
    pub(super) is_resource: bool,
    /// Sorted by [`rank`] of the name.
    elements: Vec<Element>,
    /// The elements as they are defined: a choice is one slot, whatever its type.
    pub(super) slots: Vec<&'static str>,
    /// A bit for each slot that must be there.
    pub(super) required: u128,
}

/// An element under its name in JSON.
pub(super) struct Element {
    pub(super) name: Name,
    pub(super) slot: u8,
    pub(super) repeats: bool,
    pub(super) is_choice: bool,
    pub(super) content: Content,
    value_set: Option<usize>,
    /// The types that a reference may be to, with commas between them; none: any.
    pub(super) targets: Option<&'static str>,
    /// A Quantity without comparator.
    pub(super) is_simple_quantity: bool,
}

/// The name of an element: a slice of the table, or one that was put together for a type of a choice.
pub(super) type Name = std::borrow::Cow<'static, str>;

/// What an element holds.
#[derive(Clone, Copy)]
pub(super) enum Content {
    Primitive(Primitive),
    Node(NodeIndex),
    /// Any resource: in `contained`, in an entry of a Bundle, in Parameters.
    Resource,
}

/// The codes of a required binding, sorted.
pub(super) struct ValueSet {
    /// Code, then system.
    codes: Vec<(&'static str, &'static str)>,
}

impl ValueSet {
    pub(super) fn has_code(&self, code: &str) -> bool {
        self.codes.binary_search_by(|(known, _)| (*known).cmp(code)).is_ok()
    }

    pub(super) fn has_coding(&self, system: &str, code: &str) -> bool {
        self.codes.binary_search(&(code, system)).is_ok()
    }

    pub(super) fn codes(&self) -> impl Iterator<Item = &'static str> {
        self.codes.iter().map(|(code, _)| *code)
    }

    /// Each code with its system.
    pub(super) fn codings(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.codes.iter().map(|(code, system)| (*system, *code))
    }
}

impl Node {
    pub(super) fn element(&self, name: &str) -> Option<&Element> {
        let found = self.elements.binary_search_by_key(&rank(name), |element| rank(&element.name)).ok()?;
        self.elements.get(found)
    }

    pub(super) fn elements(&self) -> &[Element] {
        &self.elements
    }
}

/// The order of names within a node: the length first, which tells most of them apart without a look at the letters.
fn rank(name: &str) -> (usize, &str) {
    (name.len(), name)
}

/// A node as it is written: only what it adds to its base.
struct Written {
    path: &'static str,
    is_resource: bool,
    base: Option<&'static str>,
    lines: Vec<&'static str>,
}

impl Table {
    pub(super) fn of_r4() -> &'static Self {
        &TABLE
    }

    pub(super) fn node(&self, index: NodeIndex) -> &Node {
        &self.nodes[index]
    }

    /// A resource, a complex type or a backbone element by its path, abstract types too.
    pub(super) fn node_at(&self, path: &str) -> Option<&Node> {
        self.by_path.get(path).map(|index| &self.nodes[*index])
    }

    /// A resource type that can be sent.
    pub(super) fn resource(&self, resource_type: &str) -> Option<&Node> {
        self.node_at(resource_type)
            .filter(|node| node.is_resource && !matches!(node.path, "Resource" | "DomainResource"))
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(super) fn value_set(&self, element: &Element) -> Option<&ValueSet> {
        element.value_set.map(|index| &self.value_sets[index])
    }

    /// A value set by the last part of its canonical URL, if a required binding of R4 enumerates it.
    pub(super) fn value_set_named(&self, name: &str) -> Option<&ValueSet> {
        self.value_sets_by_name.get(name).map(|index| &self.value_sets[*index])
    }

    fn read(text: &'static str) -> Self {
        let mut value_sets = Vec::new();
        let mut value_sets_by_name = HashMap::new();
        let mut written: Vec<Written> = Vec::new();
        for line in text.lines() {
            match line.as_bytes().first() {
                Some(b' ') => written.last_mut().expect("an element follows its node").lines.push(&line[1..]),
                Some(b'V') => {
                    let (name, value_set) = read_value_set(&line[2..]);
                    value_sets_by_name.insert(name, value_sets.len());
                    value_sets.push(value_set);
                }
                Some(b'R' | b'C' | b'B') => written.push(read_node(line)),
                _ => {}
            }
        }
        let by_path: HashMap<_, _> = written.iter().enumerate().map(|(index, node)| (node.path, index)).collect();
        let reader = Reader { written: &written, by_path: &by_path, value_sets: &value_sets_by_name };
        let nodes = written.iter().map(|node| reader.node(node)).collect();
        Self { nodes, by_path, value_sets, value_sets_by_name }
    }
}

fn read_value_set(line: &'static str) -> (&'static str, ValueSet) {
    let mut groups = line.split('\t');
    let name = groups.next().unwrap_or_default();
    let mut codes = Vec::new();
    for group in groups {
        let mut words = group.split(' ');
        let system = words.next().unwrap_or_default();
        codes.extend(words.map(|code| (code, system)));
    }
    codes.sort_unstable();
    (name, ValueSet { codes })
}

fn read_node(line: &'static str) -> Written {
    let (path, base) = line[2..].split_once(" : ").map_or((&line[2..], None), |(path, base)| (path, Some(base)));
    Written { path, is_resource: line.starts_with('R'), base, lines: Vec::new() }
}

struct Reader<'t> {
    written: &'t [Written],
    by_path: &'t HashMap<&'static str, NodeIndex>,
    value_sets: &'t HashMap<&'static str, usize>,
}

impl Reader<'_> {
    fn node(&self, written: &Written) -> Node {
        let mut node = Node {
            path: written.path,
            is_resource: written.is_resource,
            elements: Vec::new(),
            slots: Vec::new(),
            required: 0,
        };
        let mut next = Some(written);
        while let Some(from) = next {
            for line in &from.lines {
                self.add(&mut node, from.path, line);
            }
            next = from.base.map(|base| &self.written[self.by_path[base]]);
        }
        node.elements.sort_unstable_by(|left, right| rank(&left.name).cmp(&rank(&right.name)));
        node
    }

    /// Adds the element of a line such as `gender 0..1 code @administrative-gender`, or `subject 1..1 Reference >Group,Patient`.
    fn add(&self, node: &mut Node, path: &str, line: &'static str) {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default();
        let (name, cardinality, types) = (word(), word(), word());
        let narrowed: Vec<_> = words.collect();
        let after = |sign: char| narrowed.iter().find_map(|word| word.strip_prefix(sign));
        let value_set = after('@').map(|name| self.value_sets[name]);
        let slot = u8::try_from(node.slots.len()).expect("a node has far fewer than 128 elements");
        node.slots.push(name);
        if cardinality.starts_with('1') {
            node.required |= 1 << slot;
        }
        let choice = name.strip_suffix("[x]");
        for kind in types.split('|') {
            node.elements.push(Element {
                name: choice.map_or(Name::Borrowed(name), |stem| variant(stem, kind).into()),
                slot,
                repeats: cardinality.ends_with('*'),
                is_choice: choice.is_some(),
                content: self.content(path, name, kind),
                value_set,
                targets: after('>').filter(|_| kind == "Reference"),
                is_simple_quantity: kind == "Quantity" && after('~').is_some(),
            });
        }
    }

    fn content(&self, path: &str, name: &str, kind: &str) -> Content {
        if kind == "Resource" {
            return Content::Resource;
        }
        if let Some(primitive) = Primitive::from_name(kind) {
            return Content::Primitive(primitive);
        }
        let backbone;
        let target = match kind.strip_prefix('#') {
            Some(referenced) => referenced,
            None if kind == "." => {
                backbone = format!("{path}.{name}");
                &backbone
            }
            None => kind,
        };
        Content::Node(*self.by_path.get(target).expect("the table defines each type that it uses"))
    }
}

/// The name in JSON of one type of a choice: `value` and `string` give `valueString`.
fn variant(stem: &str, kind: &str) -> String {
    let (first, rest) = kind.split_at(1);
    format!("{stem}{}{rest}", first.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::{Content, Table};
    use crate::r4::primitive::Primitive;

    #[test]
    fn a_type_has_its_own_elements_and_those_of_its_bases() {
        let patient = Table::of_r4().resource("Patient").expect("Patient is a resource");
        for name in ["birthDate", "deceasedBoolean", "deceasedDateTime", "contained", "extension", "meta", "id"] {
            assert!(patient.element(name).is_some(), "{name}");
        }
        assert!(patient.element("deceased").is_none() && patient.element("deceasedString").is_none());
        let id = patient.element("id").map(|element| element.content);
        assert!(matches!(id, Some(Content::Primitive(Primitive::Id))));
    }

    #[test]
    fn a_content_reference_leads_to_the_node_it_names() {
        let table = Table::of_r4();
        let item = table.node_at("Questionnaire.item").and_then(|item| item.element("item"));
        let Some(Content::Node(index)) = item.map(|element| element.content) else { panic!("item.item is a node") };
        assert_eq!(table.node(index).path, "Questionnaire.item");
    }

    #[test]
    fn r4_has_146_resource_types_that_can_be_sent() {
        let table = Table::of_r4();
        assert_eq!(table.nodes().iter().filter(|node| table.resource(node.path).is_some()).count(), 146);
        assert!(table.nodes().iter().all(|node| node.slots.len() < 128));
    }
}
