//! What an expression finds: elements of a resource where they lie, and values that were worked out.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::r4::primitive::Primitive;
use crate::r4::structure::is_data_type;
use crate::r4::structure::types::{Holds, Type};
use crate::r4::time::Moment;

/// An element: its value, the `_` sibling of that, and what it is.
#[derive(Clone, Copy)]
pub(crate) struct Node<'v> {
    pub(super) value: Option<&'v Value>,
    sibling: Option<&'v Value>,
    kind: Kind,
}

/// What is known of an element's type.
#[derive(Clone, Copy)]
enum Kind {
    Primitive(Primitive),
    Object(Type),
    /// What it says itself is all that is known.
    Unknown,
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Node(..)")
    }
}

/// One thing that was found.
#[derive(Debug, Clone)]
pub(super) enum Item<'v> {
    Node(Node<'v>),
    Boolean(bool),
    Number(f64),
    Text(Cow<'v, str>),
}

/// A value as it is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar<'i> {
    Boolean(bool),
    Number(f64),
    Text(&'i str),
    Object(&'i Value),
}

impl<'v> Node<'v> {
    /// A resource, or an element of which nothing else is known.
    pub(crate) fn of(value: &'v Value) -> Self {
        let name = value.get("resourceType").and_then(Value::as_str);
        let kind = name.and_then(Type::of_resource).map_or(Kind::Unknown, Kind::Object);
        Self { value: Some(value), sibling: None, kind }
    }

    /// An element with its sibling, whose type has this name or path; empty where that is not known.
    pub(crate) fn element(value: Option<&'v Value>, sibling: Option<&'v Value>, kind: &str) -> Self {
        let of_name = || {
            // A choice names a primitive type with a capital.
            let primitive = || Primitive::from_name(kind).or_else(|| Primitive::from_name(&lower(kind)));
            let object = || Type::named(kind).map(Kind::Object);
            object().or_else(|| primitive().map(Kind::Primitive)).unwrap_or(Kind::Unknown)
        };
        match value.map(Self::of) {
            Some(own @ Self { kind: Kind::Object(_), .. }) => own,
            _ => Self { value, sibling, kind: of_name() },
        }
    }

    fn members(&self) -> Option<&'v Map<String, Value>> {
        self.value.and_then(Value::as_object).or_else(|| self.sibling.and_then(Value::as_object))
    }

    /// The elements of a name, of a choice in any type.
    pub(super) fn named(&self, name: &str, found: &mut Vec<Item<'v>>) {
        let Some(members) = self.members() else { return };
        if let Kind::Object(of) = self.kind {
            match of.element(name) {
                Some(_) => self.member(members, name, found),
                None => {
                    for name in of.names(name) {
                        self.member(members, name, found);
                    }
                }
            }
            return;
        }
        for key in members.keys() {
            let bare = bare(key);
            let is_meant = bare.strip_prefix(name).is_some_and(|end| end.is_empty() || is_data_type(end));
            if is_meant && !is_second(members, key) {
                self.member(members, bare, found);
            }
        }
    }

    /// All elements within.
    pub(super) fn children(&self, found: &mut Vec<Item<'v>>) {
        let Some(members) = self.members() else { return };
        for key in members.keys().filter(|key| *key != "resourceType" && !is_second(members, key)) {
            self.member(members, bare(key), found);
        }
    }

    fn member(&self, members: &'v Map<String, Value>, key: &str, found: &mut Vec<Item<'v>>) {
        let (value, sibling) = (members.get(key), members.get(format!("_{key}").as_str()));
        if value.is_none() && sibling.is_none() {
            return;
        }
        let kind = self.kind_within(key);
        let mut add = |value: Option<&'v Value>, sibling: Option<&'v Value>| {
            let value = value.filter(|value| !value.is_null());
            let own = value.map(Self::of).filter(|own| matches!(own.kind, Kind::Object(_)));
            found.push(Item::Node(own.unwrap_or(Self { value, sibling, kind })));
        };
        let items = |of: Option<&'v Value>| of.and_then(Value::as_array).map(Vec::as_slice);
        if items(value).is_none() && items(sibling).is_none() {
            return add(value, sibling);
        }
        let (values, siblings) = (items(value).unwrap_or_default(), items(sibling).unwrap_or_default());
        for position in 0..values.len().max(siblings.len()) {
            add(values.get(position), siblings.get(position).filter(|sibling| !sibling.is_null()));
        }
    }

    fn kind_within(&self, key: &str) -> Kind {
        if let Kind::Object(of) = self.kind {
            return match of.element(key).map(|element| element.holds) {
                Some(Holds::Primitive(primitive)) => Kind::Primitive(primitive),
                Some(Holds::Object(of)) => Kind::Object(of),
                Some(Holds::Resource) | None => Kind::Unknown,
            };
        }
        // A primitive element has these two alone.
        match key {
            "extension" | "modifierExtension" => Type::named("Extension").map_or(Kind::Unknown, Kind::Object),
            _ => Kind::Unknown,
        }
    }

    /// Whether it is of a type; none where that is not known. Types of the language itself (`Boolean`) mean those of FHIR.
    pub(super) fn is_of(&self, name: &str) -> Option<bool> {
        let is_same = |own: &str| own.eq_ignore_ascii_case(name);
        match self.kind {
            Kind::Object(own) => {
                let is_above = match name {
                    "Resource" => Type::of_resource(own.name()).is_some(),
                    "DomainResource" => own.element("contained").is_some(),
                    "BackboneElement" => own.name().contains('.'),
                    "Quantity" => matches!(own.name(), "Age" | "Count" | "Distance" | "Duration"),
                    "Element" => Type::of_resource(own.name()).is_none(),
                    _ => false,
                };
                Some(is_same(own.name()) || is_above)
            }
            Kind::Primitive(own) => {
                let lower = lower(name);
                let is_above = match own {
                    Primitive::Url | Primitive::Canonical | Primitive::Oid | Primitive::Uuid => lower == "uri",
                    Primitive::Code | Primitive::Id | Primitive::Markdown => lower == "string",
                    Primitive::PositiveInt | Primitive::UnsignedInt => lower == "integer",
                    _ => false,
                };
                Some(Primitive::from_name(&lower) == Some(own) || is_above || name == "Element")
            }
            Kind::Unknown => None,
        }
    }
}

/// A name with a small letter first.
fn lower(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// A key without the mark of a sibling.
fn bare(key: &str) -> &str {
    key.strip_prefix('_').unwrap_or(key)
}

/// Whether it is the sibling of a value that is there too.
fn is_second(members: &Map<String, Value>, key: &str) -> bool {
    bare(key).len() < key.len() && members.contains_key(bare(key))
}

impl Item<'_> {
    /// As it is compared; none of an element that has no value.
    pub(super) fn scalar(&self) -> Option<Scalar<'_>> {
        Some(match self {
            Self::Boolean(value) => Scalar::Boolean(*value),
            Self::Number(value) => Scalar::Number(*value),
            Self::Text(value) => Scalar::Text(value),
            Self::Node(node) => match node.value? {
                Value::Bool(value) => Scalar::Boolean(*value),
                Value::Number(value) => Scalar::Number(value.as_f64()?),
                Value::String(value) => Scalar::Text(value),
                value => Scalar::Object(value),
            },
        })
    }

    /// As a text; none of what is no single value.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        // As JSON has it.
        if let Self::Node(Node { value: Some(Value::Number(number)), .. }) = self {
            return Some(Cow::Owned(number.to_string()));
        }
        match self.scalar()? {
            Scalar::Boolean(value) => Some(Cow::Owned(value.to_string())),
            Scalar::Number(value) => Some(Cow::Owned(value.to_string())),
            Scalar::Text(value) => Some(Cow::Borrowed(value)),
            Scalar::Object(_) => None,
        }
    }

    /// What tells it from others, for a set of many: members count in any order.
    pub(super) fn key(&self) -> String {
        let mut key = String::new();
        match (self.scalar(), self) {
            (Some(Scalar::Boolean(value)), _) => key = format!("b{value}"),
            (Some(Scalar::Number(value)), _) => key = format!("n{value}"),
            (Some(Scalar::Text(value)), _) => key = format!("t{value}"),
            (Some(Scalar::Object(value)), _) => write_key(value, &mut key),
            (None, Self::Node(Node { sibling: Some(value), .. })) => write_key(value, &mut key),
            (None, _) => {}
        }
        key
    }

    /// The steps that looking at the whole of it takes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Boolean(_) | Self::Number(_) => 1,
            Self::Text(text) => 1 + text.len() / BYTES_A_STEP,
            Self::Node(node) => node.value.or(node.sibling).map_or(1, weight),
        }
    }
}

/// Bytes that are looked at in one step.
pub(super) const BYTES_A_STEP: usize = 16;

fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len() / BYTES_A_STEP,
        Value::Array(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Object(members) => {
            1 + members.iter().map(|(key, value)| key.len() / BYTES_A_STEP + weight(value)).sum::<usize>()
        }
        _ => 1,
    }
}

fn write_key(value: &Value, key: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            key.push('{');
            for (name, value) in members {
                let _ = write!(key, "{}:", Value::from(name.as_str()));
                write_key(value, key);
                key.push(',');
            }
            key.push('}');
        }
        Value::Array(items) => {
            key.push('[');
            for item in items {
                write_key(item, key);
                key.push(',');
            }
            key.push(']');
        }
        // Writing to a string does not fail.
        value => drop(write!(key, "{value}")),
    }
}

/// Which of two values comes first; none where that is not certain, or where they are not of one kind.
pub(super) fn order(left: Scalar<'_>, right: Scalar<'_>) -> Option<std::cmp::Ordering> {
    use std::cmp::Ordering;
    match (left, right) {
        (Scalar::Number(left), Scalar::Number(right)) => left.partial_cmp(&right),
        (Scalar::Text(left), Scalar::Text(right)) => match (Moment::parse(left), Moment::parse(right)) {
            // Of the same precision, and as long as they are the same.
            (Some(left), Some(right)) if left == right => Some(Ordering::Equal),
            (Some(left), Some(right)) => {
                // Where one alone has no zone, it may be of any.
                let slack_ms = if left.has_zone == right.has_zone { 0 } else { ZONES_MS };
                // A day may be any moment of it.
                if left.high_ms.saturating_add(slack_ms) < right.low_ms {
                    Some(Ordering::Less)
                } else if left.low_ms > right.high_ms.saturating_add(slack_ms) {
                    Some(Ordering::Greater)
                } else {
                    None
                }
            }
            (None, None) => Some(left.cmp(right)),
            _ => None,
        },
        _ => None,
    }
}

/// How far the zones of the earth lie from UTC at most.
const ZONES_MS: i64 = 14 * 60 * 60 * 1_000;
