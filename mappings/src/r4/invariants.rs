//! The invariants of R4: what its structure does not say of several elements together.
//!
//! <https://hl7.org/fhir/R4/conformance-rules.html#constraints>. Their `FHIRPath` is translated when the table is made
//! (`mappings/tables/generate.py`), so nothing is parsed or interpreted as text here. What the translation does not reach is listed by
//! [`silent`]. The structure of a resource is to be right before.

mod expression;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::issue::{ContentIssue, IssueCode};
use super::place::Place;
use super::structure::{ISSUES_MAX, is_domain_resource, is_node, type_within};
use expression::Expression;

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(include_str!("../../tables/invariants.txt")));

/// The most expressions that are evaluated for one resource: a body of many small elements costs no more than that.
const EVALUATIONS_MAX: usize = 20_000;

/// An invariant, read once.
struct Invariant {
    key: &'static str,
    text: &'static str,
    expression: Expression,
}

struct Table {
    invariants: Vec<Invariant>,
    /// Keys of those that are not translated.
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
            let mut parts = line.split('\t');
            let (head, text, translated) = (parts.next(), parts.next(), parts.next());
            let (key, paths) = head.and_then(|head| head.split_once(' ')).expect("a line begins with a key and paths");
            let text = text.expect("the expression follows");
            let translated = translated.and_then(|translated| serde_json::from_str(translated).ok());
            let expression = translated.and_then(|translated: Value| Expression::read(&translated));
            let expression = expression.expect("the table is written in the form that is read");
            let index = table.invariants.len();
            table.invariants.push(Invariant { key, text, expression });
            for path in paths.split(',') {
                match path.rsplit_once('.').filter(|_| !is_node(path)) {
                    Some((node, name)) => table.of_elements.entry(node).or_default().push((name, index)),
                    None => table.of_nodes.entry(path).or_default().push(index),
                }
            }
        }
        table
    }
}

/// The keys of the invariants that are not evaluated, in order.
pub fn silent() -> impl Iterator<Item = &'static str> {
    TABLE.silent.iter().copied()
}

/// Holds a resource to the invariants of R4. Its structure is to be right.
pub fn check(resource: &Value) -> Vec<ContentIssue> {
    let mut walk = Walk { issues: Vec::new(), evaluations: 0 };
    walk.resource(resource, None);
    walk.issues
}

struct Walk {
    issues: Vec<ContentIssue>,
    evaluations: usize,
}

impl Walk {
    fn resource(&mut self, value: &Value, place: Option<&Place<'_>>) {
        let (Some(members), Some(name)) = (value.as_object(), value.get("resourceType").and_then(Value::as_str)) else {
            return;
        };
        let root = Place::root(name);
        self.node(name, (value, members), place.unwrap_or(&root));
    }

    fn node(&mut self, path: &str, (value, members): (&Value, &Map<String, Value>), place: &Place<'_>) {
        for of in [Some(path), is_domain_resource(path).then_some("DomainResource")].into_iter().flatten() {
            self.evaluate(TABLE.of_nodes.get(of).map_or(&[], Vec::as_slice), value, place);
        }
        let of_elements = TABLE.of_elements.get(path).map_or(&[][..], Vec::as_slice);
        for (key, child) in members {
            if self.issues.len() >= ISSUES_MAX {
                return;
            }
            let indexes: Vec<usize> =
                of_elements.iter().filter(|(name, _)| name == key).map(|(_, index)| *index).collect();
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

    fn element(&mut self, (path, key): (&str, &str), (value, indexes): (&Value, &[usize]), place: &Place<'_>) {
        self.evaluate(indexes, value, place);
        let Some(members) = value.as_object() else { return };
        if members.contains_key("resourceType") {
            return self.resource(value, Some(place));
        }
        if let Some(kind) = type_within(path, key) {
            self.node(kind, (value, members), place);
        }
    }

    fn evaluate(&mut self, indexes: &[usize], value: &Value, place: &Place<'_>) {
        for index in indexes {
            self.evaluations += 1;
            if self.evaluations > EVALUATIONS_MAX {
                return;
            }
            let invariant = &TABLE.invariants[*index];
            if invariant.expression.holds(value) == Some(false) {
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
