//! The invariants of R4: what its structure does not say of several elements together.
//!
//! <https://hl7.org/fhir/R4/conformance-rules.html#constraints>. What of their `FHIRPath` is not served is listed by [`silent`]. The
//! structure of a resource is to be right before.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::issue::{ContentIssue, IssueCode, rule};
use super::place::Place;
use super::structure::{ISSUES_MAX, is_data_type, is_domain_resource, is_node, type_within};
use crate::fhir_path::{Expression, Node, Resources, Steps};

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(include_str!("../../tables/invariants.txt")));

/// An invariant, read once.
struct Invariant {
    key: &'static str,
    text: &'static str,
    expression: Expression,
}

struct Table {
    invariants: Vec<Invariant>,
    /// Keys of those that are not evaluated.
    silent: Vec<&'static str>,
    /// By the path of a type or backbone element.
    of_nodes: HashMap<&'static str, Vec<usize>>,
    /// By the path of a type or backbone element: the name of an element in it, and its invariant.
    of_elements: HashMap<&'static str, Vec<(&'static str, usize)>>,
}

impl Table {
    fn read(text: &'static str) -> Self {
        let mut table =
            Self { invariants: Vec::new(), silent: Vec::new(), of_nodes: HashMap::new(), of_elements: HashMap::new() };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(key) = line.strip_prefix("- ") {
                table.silent.push(key);
                continue;
            }
            let (head, text) = line.split_once('\t').expect("the expression follows a tab");
            let (key, paths) = head.split_once(' ').expect("a line begins with a key and paths");
            let Ok(expression) = Expression::read(text) else {
                table.silent.push(key);
                continue;
            };
            let index = table.invariants.len();
            table.invariants.push(Invariant { key, text, expression });
            for path in paths.split(',') {
                match path.rsplit_once('.').filter(|_| !is_node(path)) {
                    Some((node, name)) => table.of_elements.entry(node).or_default().push((name, index)),
                    None => table.of_nodes.entry(path).or_default().push(index),
                }
            }
        }
        table.silent.sort_unstable();
        table
    }
}

/// The keys of the invariants that are not evaluated, in order.
pub fn silent() -> impl Iterator<Item = &'static str> {
    TABLE.silent.iter().copied()
}

/// Holds a resource to the invariants of R4. Its structure is to be right.
pub fn check(resource: &Value) -> Vec<ContentIssue> {
    let whole = Node::of(resource);
    let within = Resources { own: whole, root: whole };
    let mut walk = Walk { issues: Vec::new(), steps: Steps::new(), within };
    walk.resource(resource, None);
    if walk.steps.are_over() {
        let details = "the invariants take more steps than are gone: check it elsewhere".to_owned();
        let expression = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default().to_owned();
        walk.issues.push(ContentIssue { expression, code: IssueCode::TooCostly, rule: rule::COSTLY.into(), details });
    }
    walk.issues
}

struct Walk<'v> {
    issues: Vec<ContentIssue>,
    steps: Steps,
    within: Resources<'v>,
}

impl<'v> Walk<'v> {
    fn resource(&mut self, value: &'v Value, place: Option<&Place<'_>>) {
        let (Some(members), Some(name)) = (value.as_object(), value.get("resourceType").and_then(Value::as_str)) else {
            return;
        };
        let root = Place::root(name);
        let outer = self.within;
        // What is contained is in its container; what is in a Bundle stands alone.
        let is_contained = place.is_some_and(|place| place.name == "contained");
        let own = Node::of(value);
        self.within = Resources { own, root: if is_contained { outer.root } else { own } };
        self.node(name, (value, members), place.unwrap_or(&root));
        self.within = outer;
    }

    fn node(&mut self, path: &str, (value, members): (&'v Value, &'v Map<String, Value>), place: &Place<'_>) {
        for of in [Some(path), is_domain_resource(path).then_some("DomainResource")].into_iter().flatten() {
            let indexes = TABLE.of_nodes.get(of).map_or(&[][..], Vec::as_slice);
            self.evaluate(indexes, Node::element(Some(value), None, path), place);
        }
        let of_elements = TABLE.of_elements.get(path).map_or(&[][..], Vec::as_slice);
        for (key, child) in members {
            if self.issues.len() >= ISSUES_MAX || self.steps.are_over() {
                return;
            }
            let indexes: Vec<usize> =
                of_elements.iter().filter(|(name, _)| is_named(key, name)).map(|(_, index)| *index).collect();
            let at = place.child(key);
            match child {
                Value::Array(items) => {
                    for (position, item) in items.iter().enumerate() {
                        self.element((path, key), (item, &indexes), &at.at(position));
                    }
                }
                child => self.element((path, key), (child, &indexes), &at),
            }
        }
    }

    fn element(&mut self, (path, key): (&str, &str), (value, indexes): (&'v Value, &[usize]), place: &Place<'_>) {
        let kind = type_within(path, key);
        self.evaluate(indexes, Node::element(Some(value), None, kind.unwrap_or_default()), place);
        let Some(members) = value.as_object() else { return };
        if members.contains_key("resourceType") {
            return self.resource(value, Some(place));
        }
        if let Some(kind) = kind {
            self.node(kind, (value, members), place);
        }
    }

    fn evaluate(&mut self, indexes: &[usize], of: Node<'v>, place: &Place<'_>) {
        for index in indexes {
            if self.issues.len() >= ISSUES_MAX {
                return;
            }
            let invariant = &TABLE.invariants[*index];
            if invariant.expression.holds(of, self.within, &self.steps) == Some(false) {
                let details = format!("{}: this must hold here: {}", invariant.key, invariant.text);
                self.issues.push(ContentIssue {
                    expression: place.expression(),
                    code: IssueCode::Invariant,
                    rule: invariant.key.into(),
                    details,
                });
            }
        }
    }
}

/// Whether a key of JSON is an element of this name, or one of its types where that is a choice.
fn is_named(key: &str, name: &str) -> bool {
    match name.strip_suffix("[x]") {
        Some(stem) => key.strip_prefix(stem).is_some_and(is_data_type),
        None => key == name,
    }
}
