//! Strict JSON: what is accepted at the door is read in one way only, by us and by whoever gets the bytes later.
//!
//! RFC 8259 leaves open what a duplicate key means; here it is refused, as is whatever is nested too deep.
//! The text itself is kept and passed on, so [`spans`] edits text and never writes a parsed value again.

pub mod indent;
pub mod objects;
pub mod spans;
pub mod tree;

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The most characters of a client's own text (a key, a path) that an error repeats.
const QUOTED_MAX: usize = 120;

/// How much JSON is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The deepest nesting of objects and arrays; the root object is 1. The parser itself stops at 127.
    pub depth_max: usize,
    /// The most values, in all arrays and objects together: a parsed one takes many times the two bytes that it may have as text.
    pub values_max: usize,
}

/// A body of 5 MB that is a resource has far fewer; parsed they take some 20 MB.
const VALUES_MAX: usize = 250_000;

impl Default for Limits {
    fn default() -> Self {
        Self { depth_max: 64, values_max: VALUES_MAX }
    }
}

/// Why a text is not JSON that we take, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The bytes are not UTF-8.
    #[error("the body is not UTF-8 from byte {offset} on")]
    NotUtf8 {
        /// The first byte that is not UTF-8, from 0.
        offset: usize,
    },
    /// The body begins with a byte order mark, which RFC 8259 forbids to send.
    #[error("the body begins with a byte order mark: send it without")]
    ByteOrderMark,
    /// The root is an array or a primitive value.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// A list is asked, and the root is an object or a primitive value.
    #[error("the body is not a JSON array")]
    NotAList,
    /// Not JSON, or something after the root.
    #[error("the body is not JSON: {message}")]
    Syntax {
        /// What the parser says, with line and column; never content of the text.
        message: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A key that its object already has.
    #[error("the key '{path}' occurs twice in its object")]
    DuplicateKey {
        /// The keys and positions from the root, such as `name[0].use`.
        path: String,
    },
    /// More nesting than the limit.
    #[error("'{path}' is nested more than {depth_max} deep")]
    TooDeep {
        /// The keys and positions from the root.
        path: String,
        /// The limit that was passed.
        depth_max: usize,
    },
    /// More values than the limit.
    #[error("the body has more than {values_max} values")]
    TooMany {
        /// The limit that was passed.
        values_max: usize,
    },
}

/// Parses one JSON object.
///
/// # Errors
/// Every variant of [`JsonError`]; the first fault found.
pub fn parse(bytes: &[u8], limits: Limits) -> Result<Value, JsonError> {
    let value = parse_any(bytes, limits)?;
    if value.is_object() { Ok(value) } else { Err(JsonError::NotAnObject) }
}

/// Parses one JSON array.
///
/// # Errors
/// As [`parse`].
pub fn parse_list(bytes: &[u8], limits: Limits) -> Result<Value, JsonError> {
    let value = parse_any(bytes, limits)?;
    if value.is_array() { Ok(value) } else { Err(JsonError::NotAList) }
}

fn parse_any(bytes: &[u8], limits: Limits) -> Result<Value, JsonError> {
    if bytes.starts_with(BYTE_ORDER_MARK) {
        return Err(JsonError::ByteOrderMark);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8 { offset: error.valid_up_to() })?;
    let (fault, values) = (RefCell::new(None), Cell::new(0));
    let seed = Strict { limits, depth: 0, place: None, values: &values, fault: &fault };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    parsed.map_err(|error| fault.into_inner().unwrap_or_else(|| syntax(&error)))
}

fn syntax(error: &serde_json::Error) -> JsonError {
    JsonError::Syntax { message: error.to_string(), line: error.line(), column: error.column() }
}

/// Where the parser is: a list on the stack, written out only when there is a fault.
struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    segment: Segment<'p>,
}

enum Segment<'p> {
    Key(&'p str),
    Position(usize),
}

fn path_of(place: Option<&Place<'_>>) -> String {
    let mut places = Vec::new();
    let mut next = place;
    while let Some(place) = next {
        places.push(place);
        next = place.parent;
    }
    let mut path = String::new();
    for place in places.iter().rev() {
        match place.segment {
            Segment::Key(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            Segment::Position(position) => {
                // Writing to a string does not fail.
                let _ = write!(path, "[{position}]");
            }
        }
    }
    // The keys are the client's own text, so an error does not carry more of them than it takes to find the place.
    match path.char_indices().nth(QUOTED_MAX) {
        Some((cut, _)) => format!("{}…", &path[..cut]),
        None => path,
    }
}

/// Builds a [`Value`] and refuses what `serde_json` lets pass. The fault is kept apart: an error of serde carries text only.
struct Strict<'p> {
    limits: Limits,
    depth: usize,
    place: Option<&'p Place<'p>>,
    values: &'p Cell<usize>,
    fault: &'p RefCell<Option<JsonError>>,
}

impl Strict<'_> {
    fn refuse<E: serde::de::Error>(&self, fault: JsonError) -> E {
        *self.fault.borrow_mut() = Some(fault);
        E::custom("refused")
    }

    fn enter<E: serde::de::Error>(&self) -> Result<usize, E> {
        let depth = self.depth + 1;
        if depth > self.limits.depth_max {
            let depth_max = self.limits.depth_max;
            return Err(self.refuse(JsonError::TooDeep { path: path_of(self.place), depth_max }));
        }
        Ok(depth)
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.values.set(self.values.get() + 1);
        let values_max = self.limits.values_max;
        if self.values.get() > values_max {
            return Err(self.refuse(JsonError::TooMany { values_max }));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let depth = self.enter()?;
        let mut values = Vec::new();
        loop {
            let place = Place { parent: self.place, segment: Segment::Position(values.len()) };
            let seed =
                Strict { limits: self.limits, depth, place: Some(&place), values: self.values, fault: self.fault };
            match items.next_element_seed(seed)? {
                Some(value) => values.push(value),
                None => return Ok(Value::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let depth = self.enter()?;
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let place = Place { parent: self.place, segment: Segment::Key(&key) };
            if object.contains_key(&key) {
                return Err(self.refuse(JsonError::DuplicateKey { path: path_of(Some(&place)) }));
            }
            let seed =
                Strict { limits: self.limits, depth, place: Some(&place), values: self.values, fault: self.fault };
            let value = members.next_value_seed(seed)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::{JsonError, Limits, parse};
    use proptest::prelude::*;
    use serde_json::Value;

    fn fault(text: &str) -> JsonError {
        parse(text.as_bytes(), Limits::default()).expect_err("the text is refused")
    }

    #[test]
    fn a_duplicate_key_is_refused_at_any_level_and_named() {
        assert_eq!(fault(r#"{"a":1,"a":1}"#), JsonError::DuplicateKey { path: "a".into() });
        assert_eq!(
            fault(r#"{"name":[{},{"use":"usual","family":"x","use":"old"}]}"#),
            JsonError::DuplicateKey { path: "name[1].use".into() }
        );
        // The same key, once written with an escape.
        assert_eq!(fault("{\"use\":1,\"\\u0075se\":2}"), JsonError::DuplicateKey { path: "use".into() });
    }

    #[test]
    fn nesting_beyond_the_limit_is_refused_and_at_the_limit_accepted() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(parse(nested(64).as_bytes(), Limits::default()).is_ok());
        assert!(matches!(fault(&nested(65)), JsonError::TooDeep { depth_max: 64, .. }));
        let hostile = format!("{{\"a\":{}", "[".repeat(1_000_000));
        assert!(matches!(fault(&hostile), JsonError::TooDeep { .. }));
    }

    #[test]
    fn what_is_not_one_object_in_utf8_is_refused() {
        assert_eq!(parse(b"\xEF\xBB\xBF{}", Limits::default()), Err(JsonError::ByteOrderMark));
        assert_eq!(parse(b"{\"a\":\"\xFF\"}", Limits::default()), Err(JsonError::NotUtf8 { offset: 6 }));
        assert_eq!(fault("[]"), JsonError::NotAnObject);
        assert_eq!(fault("null"), JsonError::NotAnObject);
        for text in ["", "{}{}", "{} x", "{'a':1}", "{\"a\":01}", "{\"a\":NaN}", "{\"a\":1,}", "{\"a\":\"\\ud800\"}"] {
            assert!(matches!(fault(text), JsonError::Syntax { .. }), "{text}");
        }
    }

    #[test]
    fn an_error_repeats_little_of_the_text() {
        let text = format!("{{\"{0}\":1,\"{0}\":2}}", "secret ".repeat(100));
        assert!(fault(&text).to_string().chars().count() < 200);
    }

    /// Any JSON value, a few levels deep.
    pub(super) fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_has_no_duplicates_reads_as_serde_json_reads_it(value in values()) {
            let text = serde_json::json!({ "root": value }).to_string();
            let read = parse(text.as_bytes(), Limits::default());
            prop_assert_eq!(read.ok(), serde_json::from_str::<Value>(&text).ok());
        }
    }
}
