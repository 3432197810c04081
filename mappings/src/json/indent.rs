//! JSON text for people to read: the same values byte for byte, with white space between them.

use super::spans::{byte_at, skip_space, string_end};

/// White space of one level.
const STEP: &str = "  ";

/// The text with a line for each member and item. The text must have passed [`super::parse`]; of other text the answer means nothing.
pub fn indented(text: &str) -> String {
    let mut lines = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut position = skip_space(text, 0);
    while let Some(byte) = byte_at(text, position) {
        let next = skip_space(text, position + 1);
        match byte {
            b'{' | b'[' => {
                lines.push(char::from(byte));
                if let Some(close @ (b'}' | b']')) = byte_at(text, next) {
                    lines.push(char::from(close));
                    position = skip_space(text, next + 1);
                    continue;
                }
                depth += 1;
                new_line(&mut lines, depth);
                position = next;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut lines, depth);
                lines.push(char::from(byte));
                position = next;
            }
            b',' => {
                lines.push(',');
                new_line(&mut lines, depth);
                position = next;
            }
            b':' => {
                lines.push_str(": ");
                position = next;
            }
            _ => {
                let end = value_end(text, position);
                lines.push_str(text.get(position..end).unwrap_or_default());
                position = skip_space(text, end);
            }
        }
    }
    lines.push('\n');
    lines
}

fn new_line(lines: &mut String, depth: usize) {
    lines.push('\n');
    (0..depth).for_each(|_| lines.push_str(STEP));
}

/// Just after the string, number or word that begins here.
fn value_end(text: &str, start: usize) -> usize {
    if byte_at(text, start) == Some(b'"') {
        return string_end(text, start);
    }
    let rest = text.get(start..).unwrap_or_default();
    let length = rest.find([',', ':', '{', '}', '[', ']', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
    start + length.max(1)
}

#[cfg(test)]
mod tests {
    use super::indented;
    use crate::json::tests::values;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn every_member_and_item_has_a_line() {
        let text = "{\"a\":[1.50,{\"b\":\"{,}\"},[]],\n\"c\" : { } ,\"d\":null}";
        let lines = "{\n  \"a\": [\n    1.50,\n    {\n      \"b\": \"{,}\"\n    },\n    []\n  ],\n  \"c\": {},\n  \"d\": null\n}\n";
        assert_eq!(indented(text), lines);
        assert_eq!(indented(lines), lines);
    }

    proptest! {
        #[test]
        fn values_stay_what_they_are(value in values()) {
            let again: Value = serde_json::from_str(&indented(&value.to_string())).expect("it is JSON");
            prop_assert_eq!(again, value);
        }

        #[test]
        fn other_text_ends(text in ".*") {
            indented(&text);
        }
    }
}
