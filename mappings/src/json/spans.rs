//! Edits of JSON text that leave every other byte as it was.
//!
//! What a client sent is kept byte for byte: decimals, order and white space survive. So the few changes that the gateway
//! makes (`id`, `meta`, resolved references, sealed values) are made in the text. The text must have passed
//! [`super::parse`]: this scanner finds its way and checks nothing. On other text its answer means nothing, but it is an answer.

use std::borrow::Cow;
use std::ops::Range;

/// A member of the root object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'t> {
    /// The key, without quotes and escapes.
    pub key: Cow<'t, str>,
    /// The byte of the quote that opens the key.
    pub key_start: usize,
    /// The bytes of the value, without the white space around it.
    pub value_span: Range<usize>,
}

/// The members of the root object, in the order of the text.
pub fn top_level(text: &str) -> Vec<Member<'_>> {
    let mut members = Vec::new();
    let Some(open) = text.find('{') else { return members };
    let mut position = open + 1;
    loop {
        position = skip_space(text, position);
        if byte_at(text, position) == Some(b',') {
            position = skip_space(text, position + 1);
        }
        if byte_at(text, position) != Some(b'"') {
            return members;
        }
        let key_start = position;
        let key_end = string_end(text, key_start);
        let colon = skip_space(text, key_end);
        if byte_at(text, colon) != Some(b':') {
            return members;
        }
        let value_start = skip_space(text, colon + 1);
        let value_end = value_end(text, value_start);
        members.push(Member { key: unquote(text, key_start..key_end), key_start, value_span: value_start..value_end });
        position = value_end;
    }
}

/// The items of an array, each without the white space around it; none where the text is no array.
pub fn items(text: &str) -> Vec<Range<usize>> {
    let mut items = Vec::new();
    let mut position = skip_space(text, 0);
    if byte_at(text, position) != Some(b'[') {
        return items;
    }
    position = skip_space(text, position + 1);
    while let Some(byte) = byte_at(text, position) {
        match byte {
            b']' => return items,
            b',' => position = skip_space(text, position + 1),
            _ => {
                let end = value_end(text, position);
                if end == position {
                    return items;
                }
                items.push(position..end);
                position = skip_space(text, end);
            }
        }
    }
    items
}

/// The text with each range replaced. Ranges may come in any order; an empty range inserts.
///
/// # Panics
/// Where ranges overlap or do not lie on the text: the caller did not take them from this text.
pub fn splice(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    // A stable order, so that insertions at one place keep the order in which they were given.
    edits.sort_by_key(|(range, _)| range.start);
    let mut result = String::with_capacity(text.len() + edits.iter().map(|(_, new)| new.len()).sum::<usize>());
    let mut copied = 0;
    for (range, new) in edits {
        result.push_str(text.get(copied..range.start).expect("edits lie on the text and do not overlap"));
        result.push_str(&new);
        assert!(range.start <= range.end, "an edit ends after it begins");
        copied = range.end;
    }
    result.push_str(text.get(copied..).expect("edits lie on the text"));
    result
}

/// The text with these members of the root object, replaced where they are there and inserted where not.
///
/// What is inserted follows `resourceType` where that is the first member, and is first otherwise.
pub fn set_members(text: &str, members: &[(&str, &str)]) -> String {
    let Some(open) = text.find('{') else { return text.to_owned() };
    let present = top_level(text);
    let after_type = present.first().filter(|first| first.key == "resourceType").map(|first| first.value_span.end);
    let mut edits = Vec::new();
    let mut inserted = Vec::new();
    for (key, value) in members {
        match present.iter().find(|member| member.key == *key) {
            Some(member) => edits.push((member.value_span.clone(), (*value).to_owned())),
            None => inserted.push(format!("{}:{value}", quote(key))),
        }
    }
    if !inserted.is_empty() {
        let list = inserted.join(",");
        edits.push(match after_type {
            Some(end) => (end..end, format!(",{list}")),
            None if present.is_empty() => (open + 1..open + 1, list),
            None => (open + 1..open + 1, format!("{list},")),
        });
    }
    splice(text, edits)
}

/// The text with every string that is the value of a `reference` or `url` member replaced where `replacement` answers,
/// at any depth. The function is given the string, and answers a string, without quotes and escapes.
pub fn replace_references(text: &str, replacement: &dyn Fn(&str) -> Option<String>) -> String {
    let mut edits = Vec::new();
    let mut position = 0;
    let mut key_is_reference = false;
    while let Some(byte) = byte_at(text, position) {
        if byte != b'"' {
            // A number, a brace, a comma: the value that the last key announced is not a string, or is over.
            key_is_reference &= byte == b':' || is_space(byte);
            position += 1;
            continue;
        }
        let span = position..string_end(text, position);
        position = span.end;
        if byte_at(text, skip_space(text, span.end)) == Some(b':') {
            let key = unquote(text, span);
            key_is_reference = key == "reference" || key == "url";
        } else if key_is_reference {
            key_is_reference = false;
            if let Some(new) = replacement(&unquote(text, span.clone())) {
                edits.push((span, quote(&new)));
            }
        }
    }
    splice(text, edits)
}

pub(super) fn byte_at(text: &str, position: usize) -> Option<u8> {
    text.as_bytes().get(position).copied()
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

pub(super) fn skip_space(text: &str, mut position: usize) -> usize {
    while byte_at(text, position).is_some_and(is_space) {
        position += 1;
    }
    position
}

/// Just after the quote that closes the string which opens at `start`.
pub(super) fn string_end(text: &str, start: usize) -> usize {
    let mut position = start + 1;
    while let Some(byte) = byte_at(text, position) {
        match byte {
            b'"' => return position + 1,
            // Skips what is escaped. Only ASCII is, in JSON; in other text the step must still end between characters.
            b'\\' => {
                position += 1 + text.get(position + 1..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
            }
            _ => position += 1,
        }
    }
    text.len()
}

/// Just after the value that begins at `start`.
fn value_end(text: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    let mut position = start;
    while let Some(byte) = byte_at(text, position) {
        match byte {
            b'"' => {
                position = string_end(text, position);
                if depth == 0 {
                    return position;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return if depth == 1 { position + 1 } else { position },
            b'}' | b']' => depth -= 1,
            b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return position,
            _ => {}
        }
        position += 1;
    }
    text.len()
}

pub(super) fn unquote(text: &str, span: Range<usize>) -> Cow<'_, str> {
    let quoted = text.get(span).unwrap_or_default();
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(quoted);
    if inner.contains('\\') {
        return serde_json::from_str(quoted).map_or(Cow::Borrowed(inner), Cow::Owned);
    }
    Cow::Borrowed(inner)
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::{items, replace_references, set_members, splice, top_level};
    use crate::json::tests::values;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn top_level_gives_the_members_of_the_root_only() {
        let text = "{ \"a\" : {\"b\":[1,\"}\"]} ,\n\"c\\u0064\":\"x\\\"]\", \"e\":-1.50 }";
        let found: Vec<_> = top_level(text).into_iter().map(|m| (m.key.into_owned(), &text[m.value_span])).collect();
        let expected = [("a", "{\"b\":[1,\"}\"]}"), ("cd", "\"x\\\"]\""), ("e", "-1.50")];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value)));
        assert_eq!(top_level("{ }"), []);
    }

    #[test]
    fn items_are_those_of_the_array_itself() {
        let text = r#" [ 1.50 , "a,]" ,[2,3], {"b":[4]} ]"#;
        let found: Vec<&str> = items(text).into_iter().map(|span| &text[span]).collect();
        assert_eq!(found, ["1.50", r#""a,]""#, "[2,3]", r#"{"b":[4]}"#]);
        for none in ["[]", "[ ]", "{}", "", "[,", "[}"] {
            assert_eq!(items(none), [], "{none}");
        }
    }

    #[test]
    fn splice_takes_edits_in_any_order_and_inserts_in_the_order_given() {
        let edits = vec![(4..5, "E".into()), (0..1, "A".into()), (2..2, "1".into()), (2..2, "2".into())];
        assert_eq!(splice("abcde", edits), "Ab12cdE");
    }

    #[test]
    fn set_members_replaces_in_place_and_inserts_after_the_type() {
        let text = "{\n  \"resourceType\": \"Patient\",\n  \"id\": \"x\",\n  \"weight\": 1.00\n}";
        assert_eq!(
            set_members(text, &[("id", "\"7\""), ("meta", "{\"versionId\":\"1\"}")]),
            "{\n  \"resourceType\": \"Patient\",\"meta\":{\"versionId\":\"1\"},\n  \"id\": \"7\",\n  \"weight\": 1.00\n}"
        );
        assert_eq!(set_members("{\"a\":1}", &[("id", "2"), ("b", "3")]), "{\"id\":2,\"b\":3,\"a\":1}");
        assert_eq!(set_members("{ }", &[("id", "2")]), "{\"id\":2 }");
    }

    #[test]
    fn references_are_replaced_at_any_depth_and_nothing_else_is() {
        let text = r#"{"reference": "urn:uuid:1", "x":{"url" :["urn:uuid:1"], "reference":{"display":"urn:uuid:1"}},
            "l":[{"reference":"urn:uuid:1"},{"ref\u0065rence":"urn\u003auuid:1"},{"note":"\"reference\":\"urn:uuid:1\""}],"n":1.0}"#;
        let replaced = replace_references(text, &|found| (found == "urn:uuid:1").then(|| "Patient/\"1".to_owned()));
        let expected = r#"{"reference": "Patient/\"1", "x":{"url" :["urn:uuid:1"], "reference":{"display":"urn:uuid:1"}},
            "l":[{"reference":"Patient/\"1"},{"ref\u0065rence":"Patient/\"1"},{"note":"\"reference\":\"urn:uuid:1\""}],"n":1.0}"#;
        assert_eq!(replaced, expected);
    }

    fn replace_in_value(value: &mut Value, from: &str, to: &str) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    if (key == "reference" || key == "url") && value == from {
                        *value = Value::from(to);
                    }
                    replace_in_value(value, from, to);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| replace_in_value(item, from, to)),
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn set_members_changes_these_members_and_no_others(value in values(), pretty: bool, has_id: bool) {
            let mut root = json!({ "resourceType": "Patient", "rest": value });
            if has_id {
                root["id"] = json!("old");
            }
            let text = if pretty { format!("{root:#}") } else { root.to_string() };
            let set = set_members(&text, &[("id", "\"new\""), ("meta", "{}")]);
            root["id"] = json!("new");
            root["meta"] = json!({});
            prop_assert_eq!(serde_json::from_str::<Value>(&set).ok(), Some(root));
        }

        #[test]
        fn replacing_in_the_text_is_replacing_in_the_value(value in values(), target: String, new: String) {
            let mut root = json!({ "a": value, "url": target, "b": [{ "reference": target }, { "text": target }] });
            let text = format!("{root:#}");
            let replaced = replace_references(&text, &|found| (found == target).then(|| new.clone()));
            replace_in_value(&mut root, &target, &new);
            prop_assert_eq!(serde_json::from_str::<Value>(&replaced).ok(), Some(root));
            prop_assert_eq!(replace_references(&text, &|_| None), text);
        }

        #[test]
        fn text_that_is_not_json_does_no_harm(text in r#"[{}\[\]":,\\ a1é]{0,40}"#) {
            let _ = top_level(&text);
            let _ = set_members(&text, &[("id", "1")]);
            let _ = replace_references(&text, &|_| Some(String::new()));
        }
    }
}
