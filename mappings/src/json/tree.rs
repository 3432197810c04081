//! JSON as a tree that keeps every scalar as it was written.
//!
//! A number that is parsed loses the zeros that say how precise it is (`1.00`), and who patches one element must leave all others as
//! they are. The text must have passed [`super::parse`]: nothing is checked here. On other text the tree means nothing, but there is one.

use serde_json::Value;

use super::spans::{byte_at, skip_space, string_end, unquote};

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// Members in their order, each key once and without escapes.
    Object(Vec<(String, Tree)>),
    /// Items.
    Array(Vec<Tree>),
    /// A string, number, boolean or null, as it was written.
    Scalar(String),
}

/// A step from a value into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To a member of an object.
    Key(String),
    /// To an item of an array.
    Index(usize),
}

impl Tree {
    /// Reads a text.
    pub fn read(text: &str) -> Self {
        Reader { text, position: 0 }.value()
    }

    /// A string.
    pub fn string(text: &str) -> Self {
        Self::Scalar(Value::from(text).to_string())
    }

    /// The value as text, without white space.
    pub fn write(&self) -> String {
        let mut text = String::with_capacity(self.bytes());
        self.write_to(&mut text);
        text
    }

    fn write_to(&self, text: &mut String) {
        match self {
            Self::Scalar(literal) => text.push_str(literal),
            Self::Array(items) => {
                text.push('[');
                for (n, item) in items.iter().enumerate() {
                    text.push_str(if n == 0 { "" } else { "," });
                    item.write_to(text);
                }
                text.push(']');
            }
            Self::Object(members) => {
                text.push('{');
                for (n, (key, value)) in members.iter().enumerate() {
                    text.push_str(if n == 0 { "" } else { "," });
                    text.push_str(&Value::from(key.as_str()).to_string());
                    text.push(':');
                    value.write_to(text);
                }
                text.push('}');
            }
        }
    }

    /// About how long its text is.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Scalar(literal) => literal.len(),
            Self::Array(items) => 2 + items.iter().map(|item| item.bytes() + 1).sum::<usize>(),
            Self::Object(members) => {
                2 + members.iter().map(|(key, value)| key.len() + 4 + value.bytes()).sum::<usize>()
            }
        }
    }

    /// A member of an object.
    pub fn member(&self, key: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The items of an array; none of anything else.
    pub fn items(&self) -> &[Self] {
        if let Self::Array(items) = self { items } else { &[] }
    }

    /// The text of a string.
    pub fn as_text(&self) -> Option<String> {
        let Self::Scalar(literal) = self else { return None };
        if literal.starts_with('"') { serde_json::from_str(literal).ok() } else { None }
    }

    /// The value at the end of these steps.
    pub fn at(&self, steps: &[Step]) -> Option<&Self> {
        let mut at = self;
        for step in steps {
            at = match step {
                Step::Key(key) => at.member(key)?,
                Step::Index(index) => at.items().get(*index)?,
            };
        }
        Some(at)
    }

    /// The same, to change it.
    pub fn at_mut(&mut self, steps: &[Step]) -> Option<&mut Self> {
        let mut at = self;
        for step in steps {
            at = match (step, at) {
                (Step::Key(key), Self::Object(members)) => {
                    members.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value)?
                }
                (Step::Index(index), Self::Array(items)) => items.get_mut(*index)?,
                _ => return None,
            };
        }
        Some(at)
    }

    /// Whether two values are equal: objects in any order of their members, numbers by what they amount to.
    ///
    /// <https://www.rfc-editor.org/rfc/rfc6902#section-4.6>
    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Object(one), Self::Object(two)) => {
                let is_there =
                    |(key, value): &(String, Self)| other.member(key).is_some_and(|found| found.equals(value));
                one.len() == two.len() && one.iter().all(is_there)
            }
            (Self::Array(one), Self::Array(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.equals(two))
            }
            (Self::Scalar(one), Self::Scalar(two)) => one == two || are_equal(one, two),
            _ => false,
        }
    }
}

fn are_equal(one: &str, two: &str) -> bool {
    let read = |literal: &str| serde_json::from_str::<Value>(literal).ok();
    match (read(one), read(two)) {
        (Some(Value::Number(one)), Some(Value::Number(two))) => one == two || one.as_f64() == two.as_f64(),
        (one, two) => one.is_some() && one == two,
    }
}

struct Reader<'t> {
    text: &'t str,
    position: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Tree {
        self.position = skip_space(self.text, self.position);
        match byte_at(self.text, self.position) {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => self.scalar(string_end(self.text, self.position)),
            _ => {
                let rest = self.text.get(self.position..).unwrap_or_default();
                let length = rest.find([',', ']', '}', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
                self.scalar(self.position + length)
            }
        }
    }

    fn scalar(&mut self, end: usize) -> Tree {
        let literal = self.text.get(self.position..end).unwrap_or_default().to_owned();
        self.position = end;
        Tree::Scalar(literal)
    }

    /// The byte of the next member or item.
    fn next(&mut self) -> Option<u8> {
        self.position = skip_space(self.text, self.position);
        if byte_at(self.text, self.position) == Some(b',') {
            self.position = skip_space(self.text, self.position + 1);
        }
        byte_at(self.text, self.position)
    }

    fn object(&mut self) -> Tree {
        self.position += 1;
        let mut members = Vec::new();
        while self.next() == Some(b'"') {
            let end = string_end(self.text, self.position);
            let key = unquote(self.text, self.position..end).into_owned();
            self.position = skip_space(self.text, end) + 1;
            members.push((key, self.value()));
        }
        self.position += 1;
        Tree::Object(members)
    }

    fn array(&mut self) -> Tree {
        self.position += 1;
        let mut items = Vec::new();
        loop {
            let before = self.position;
            if matches!(self.next(), None | Some(b']' | b'}')) {
                self.position += 1;
                return Tree::Array(items);
            }
            items.push(self.value());
            if self.position <= before {
                return Tree::Array(items);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Step, Tree};
    use crate::json::tests::values;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn scalars_stay_as_they_were_written() {
        let text = r#"{"a":[1.00,-0.0,1e-3],"b\u0062":"\u00e9\/","c":{},"d":[],"e":null}"#;
        let kept = r#"{"a":[1.00,-0.0,1e-3],"bb":"\u00e9\/","c":{},"d":[],"e":null}"#;
        assert_eq!(Tree::read(text).write(), kept);
        assert_eq!(Tree::read(&text.replace(',', " ,\n\t").replace(':', " : ")).write(), kept);
    }

    #[test]
    fn values_are_equal_by_what_they_mean() {
        let equal = |one: &str, two: &str| Tree::read(one).equals(&Tree::read(two));
        assert!(equal(r#"{"a":1.0,"b":["\u0061"]}"#, r#"{"b":["a"],"a":1}"#));
        for (one, two) in
            [("1", "\"1\""), ("[1,2]", "[2,1]"), ("{\"a\":1}", "{\"a\":1,\"b\":2}"), ("null", "false"), ("[]", "{}")]
        {
            assert!(!equal(one, two), "{one} {two}");
        }
    }

    #[test]
    fn steps_lead_to_a_value_or_to_nothing() {
        let mut tree = Tree::read(r#"{"a":[{"b":1}]}"#);
        let steps = [Step::Key("a".into()), Step::Index(0), Step::Key("b".into())];
        assert_eq!(tree.at(&steps), Some(&Tree::Scalar("1".into())));
        *tree.at_mut(&steps).expect("it is there") = Tree::string("x\"");
        assert_eq!(tree.write(), r#"{"a":[{"b":"x\""}]}"#);
        assert_eq!(tree.at(&[Step::Index(0)]), None);
        assert_eq!(tree.at_mut(&[Step::Key("c".into())]), None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_again(value in values()) {
            let text = serde_json::json!({ "root": value }).to_string();
            prop_assert_eq!(serde_json::from_str::<Value>(&Tree::read(&text).write()).ok(), serde_json::from_str::<Value>(&text).ok());
        }

        #[test]
        fn other_text_reads_as_something(text in ".{0,60}") {
            let _ = Tree::read(&text).write();
        }
    }
}
