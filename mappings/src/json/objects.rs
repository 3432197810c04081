//! Every object of a JSON text with where its values stand, so that single values can be cut out of the bytes.
//!
//! The text must have passed [`super::parse`]: this scanner finds its way and checks nothing, and its depth is the parser's.

use std::ops::Range;

use super::spans::{Member, byte_at, skip_space, string_end, unquote};

/// Calls `found` for every object, the inner ones first: with the keys that lead to it from the root (those of arrays count
/// once, whatever the position) and its members.
pub fn each_object<'t>(text: &'t str, found: &mut impl FnMut(&[String], &[Member<'t>])) {
    let start = skip_space(text, 0);
    Scanner { text, path: Vec::new(), found }.value(start);
}

/// The string values within a value, at any depth, each with its quotes: of a string itself, of the items of an array, of the
/// members of an object.
pub fn strings(text: &str, within: Range<usize>) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut position = within.start;
    while position < within.end {
        if byte_at(text, position) != Some(b'"') {
            position += 1;
            continue;
        }
        let span = position..string_end(text, position);
        position = span.end;
        // A key is followed by a colon.
        if byte_at(text, skip_space(text, span.end)) != Some(b':') {
            spans.push(span);
        }
    }
    spans
}

struct Scanner<'t, 'f, F> {
    text: &'t str,
    path: Vec<String>,
    found: &'f mut F,
}

impl<'t, F: FnMut(&[String], &[Member<'t>])> Scanner<'t, '_, F> {
    /// Reads the value that begins at `start`; answers where it ends.
    fn value(&mut self, start: usize) -> usize {
        match byte_at(self.text, start) {
            Some(b'{') => self.object(start),
            Some(b'[') => self.array(start),
            Some(b'"') => string_end(self.text, start),
            _ => self.scalar(start),
        }
    }

    fn scalar(&self, start: usize) -> usize {
        let rest = self.text.get(start..).unwrap_or_default();
        let length = rest.find([',', ']', '}', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
        start + length
    }

    fn array(&mut self, start: usize) -> usize {
        let mut position = skip_space(self.text, start + 1);
        while let Some(byte) = byte_at(self.text, position) {
            match byte {
                b']' => return position + 1,
                b',' => position = skip_space(self.text, position + 1),
                _ => {
                    let end = self.value(position);
                    // Text that is no JSON must end, too.
                    position = skip_space(self.text, if end == position { end + 1 } else { end });
                }
            }
        }
        self.text.len()
    }

    fn object(&mut self, start: usize) -> usize {
        let mut members = Vec::new();
        let mut position = skip_space(self.text, start + 1);
        while let Some(byte) = byte_at(self.text, position) {
            match byte {
                b'}' => {
                    (self.found)(&self.path, &members);
                    return position + 1;
                }
                b'"' => {
                    let key_span = position..string_end(self.text, position);
                    let colon = skip_space(self.text, key_span.end);
                    let value_start = skip_space(self.text, colon + 1);
                    let key = unquote(self.text, key_span.clone());
                    self.path.push(key.to_string());
                    let end = self.value(value_start).max(key_span.end);
                    self.path.pop();
                    members.push(Member { key, key_start: key_span.start, value_span: value_start.min(end)..end });
                    position = skip_space(self.text, end);
                }
                _ => position = skip_space(self.text, position + 1),
            }
        }
        self.text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::{each_object, strings};
    use crate::json::tests::values;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn objects_of(text: &str) -> Vec<(String, Vec<(String, String)>)> {
        let mut all = Vec::new();
        each_object(text, &mut |path, members| {
            let members = members.iter().map(|m| (m.key.to_string(), text[m.value_span.clone()].to_owned())).collect();
            all.push((path.join("."), members));
        });
        all
    }

    #[test]
    fn every_object_is_found_with_its_path_and_the_bytes_of_its_values() {
        let text = r#"{ "a" : [ {"b": -1.50, "c\u0064": "x\"}" }, [ { } ] ], "e": {"f": {"g":null}} }"#;
        let found = objects_of(text);
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["a", "a", "e.f", "e", ""]);
        assert_eq!(found[0].1, [("b".to_owned(), "-1.50".to_owned()), ("cd".to_owned(), r#""x\"}""#.to_owned())]);
    }

    #[test]
    fn strings_are_those_of_values_and_not_of_keys() {
        let text = r#"{"a":["x",{"b":"y"},1],"c":"z"}"#;
        let spans = strings(text, 0..text.len());
        let found: Vec<&str> = spans.into_iter().map(|span| &text[span]).collect();
        assert_eq!(found, [r#""x""#, r#""y""#, r#""z""#]);
    }

    fn count(value: &Value) -> usize {
        match value {
            Value::Object(members) => 1 + members.values().map(count).sum::<usize>(),
            Value::Array(items) => items.iter().map(count).sum(),
            _ => 0,
        }
    }

    proptest! {
        #[test]
        fn the_bytes_of_each_value_are_its_json(value in values(), pretty: bool) {
            let root = json!({ "rest": value, "é\"": ["\\", {"x": "\u{1}"}] });
            let text = if pretty { format!("{root:#}") } else { root.to_string() };
            let mut objects = 0;
            each_object(&text, &mut |path, members| {
                objects += 1;
                for member in members {
                    let parsed: Value = serde_json::from_str(&text[member.value_span.clone()]).expect("a value is JSON");
                    if path.is_empty() {
                        assert_eq!(Some(&parsed), root.get(&*member.key));
                    }
                }
            });
            prop_assert_eq!(objects, count(&root));
        }

        #[test]
        fn text_that_is_not_json_does_no_harm(text in r#"[{}\[\]":,\\ a1é]{0,40}"#) {
            each_object(&text, &mut |_, _| {});
            let _ = strings(&text, 0..text.len());
        }
    }
}
