//! Parts of a resource, cut out of its text: a summary, its narrative, its data, or single elements.
//!
//! <https://hl7.org/fhir/R4/search.html#summary>. What must be there stays, so that a part is a resource again; what is kept is kept byte
//! for byte, and the part says by a tag that it is one. The text must be a resource of a known type.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use super::table::{Content, Node, Table};
use crate::json::spans::{Member, items, splice, top_level};

/// The elements that a summary keeps of a node; no entry for what is kept whole.
static SUMMARY: LazyLock<HashMap<&'static str, Vec<&'static str>>> =
    LazyLock::new(|| read(include_str!("../../../tables/summary.txt")));

/// Kept of every resource: to lose a modifier would change the meaning of the rest.
const ALWAYS: [&str; 5] = ["resourceType", "id", "meta", "implicitRules", "modifierExtension"];

/// What marks a part as such.
///
/// # Source
/// <https://hl7.org/fhir/R4/v3/ObservationValue/cs.html>
const SUBSETTED: &str = r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"#;

/// Which part of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'p> {
    /// What the standard marks as summary.
    Summary,
    /// The narrative.
    Text,
    /// All but the narrative.
    Data,
    /// The elements of these names at the root. A choice is meant with each of its types (`value`) or with one (`valueString`).
    Elements(&'p [String]),
}

/// Whether a type has an element of this name at its root, as [`Part::Elements`] takes it.
pub fn has_element(resource_type: &str, name: &str) -> bool {
    let Some(node) = Table::of_r4().resource(resource_type) else { return false };
    node.element(name).is_some() || node.slots.iter().any(|slot| slot.strip_suffix("[x]") == Some(name))
}

/// The part of a resource, with the tag that says so. What is no resource of a known type stays as it is.
pub fn subset(resource: &str, part: Part<'_>) -> String {
    let members = top_level(resource);
    let resource_type = members.iter().find(|member| member.key == "resourceType");
    let name = resource_type.map(|member| resource[member.value_span.clone()].trim_matches('"'));
    let Some(node) = name.and_then(|name| Table::of_r4().resource(name)) else { return resource.to_owned() };
    let mut kept: Vec<String> = Vec::new();
    let has_meta = members.iter().any(|member| member.key == "meta");
    for member in &members {
        let value = &resource[member.value_span.clone()];
        let name = member.key.strip_prefix('_').unwrap_or(&member.key);
        if name == "meta" {
            kept.push(format!("\"meta\":{}", tagged(value)));
        } else if ALWAYS.contains(&name) || keeps(node, name, part) {
            let inner = if part == Part::Summary { summary_of(node, name) } else { None };
            let value =
                inner.map_or_else(|| Some(value.to_owned()), |inner| shown(value, inner, is_required(node, name)));
            kept.extend(value.map(|value| format!("{}:{value}", key(resource, member))));
        }
        if name == "resourceType" && !has_meta {
            kept.push(format!("\"meta\":{}", tagged("{}")));
        }
    }
    format!("{{{}}}", kept.join(","))
}

/// Whether a part has an element of the root.
fn keeps(node: &Node, name: &str, part: Part<'_>) -> bool {
    let Some(element) = node.element(name) else { return false };
    let slot = node.slots[usize::from(element.slot)];
    is_required(node, name)
        || match part {
            Part::Summary => in_summary(node, name),
            Part::Text => name == "text",
            Part::Data => name != "text",
            Part::Elements(names) => {
                let is_meant = |asked: &String| asked == name || Some(asked.as_str()) == slot.strip_suffix("[x]");
                names.iter().any(is_meant)
            }
        }
}

/// Whether an element must be there.
fn is_required(node: &Node, name: &str) -> bool {
    node.element(name).is_some_and(|element| node.required & (1 << element.slot) != 0)
}

/// Whether a summary keeps an element, of a resource or within it.
fn in_summary(node: &Node, name: &str) -> bool {
    let Some(summary) = SUMMARY.get(node.path) else { return true };
    let Some(element) = node.element(name) else { return false };
    // Parts of a data type have extensions as primitives have; those of resources and backbone elements are told by the table.
    let is_data_type = !node.is_resource && !node.path.contains('.');
    let is_kept_beside = matches!(name, "id" | "modifierExtension") || (is_data_type && name == "extension");
    is_kept_beside || is_required(node, name) || summary.contains(&node.slots[usize::from(element.slot)])
}

/// The node of an element of which a summary leaves something out.
fn summary_of(node: &Node, name: &str) -> Option<&'static Node> {
    match node.element(name)?.content {
        Content::Node(index) => Some(Table::of_r4().node(index)).filter(|node| node.path != "Extension"),
        Content::Primitive(_) | Content::Resource => None,
    }
}

/// The summary of an element, if anything of it is left: no element is empty. One that must be there stays whole rather than go.
fn shown(value: &str, node: &Node, is_required: bool) -> Option<String> {
    let inner = within(value, node);
    if inner != "{}" && inner != "[]" {
        return Some(inner);
    }
    is_required.then(|| value.to_owned())
}

/// The summary of what is in an element: of one object, or of each of several.
fn within(value: &str, node: &Node) -> String {
    if value.starts_with('[') {
        let parts = items(value).into_iter().map(|span| within(&value[span], node));
        let parts: Vec<String> = parts.filter(|part| part != "{}").collect();
        return format!("[{}]", parts.join(","));
    }
    if !value.starts_with('{') {
        return value.to_owned();
    }
    let members = top_level(value);
    let kept = members.iter().filter_map(|member| {
        let name = member.key.strip_prefix('_').unwrap_or(&member.key);
        if !in_summary(node, name) {
            return None;
        }
        let text = &value[member.value_span.clone()];
        let text = match summary_of(node, name) {
            Some(inner) => shown(text, inner, is_required(node, name))?,
            None => text.to_owned(),
        };
        Some(format!("{}:{text}", key(value, member)))
    });
    format!("{{{}}}", kept.collect::<Vec<_>>().join(","))
}

/// The key as it is written, with its quotes.
fn key<'t>(text: &'t str, member: &Member<'_>) -> &'t str {
    let before = &text[member.key_start..member.value_span.start];
    before.trim_end().strip_suffix(':').unwrap_or(before).trim_end()
}

/// A `meta` with the tag.
fn tagged(meta: &str) -> String {
    let members = top_level(meta);
    let at_end = |span: &Range<usize>, inserted: String| {
        // Before the brace or bracket that closes.
        let end = span.end - 1;
        splice(meta, vec![(end..end, inserted)])
    };
    let Some(tags) = members.iter().find(|member| member.key == "tag") else {
        let comma = if members.is_empty() { "" } else { "," };
        return at_end(&(0..meta.len()), format!("{comma}\"tag\":[{SUBSETTED}]"));
    };
    let present = items(&meta[tags.value_span.clone()]);
    let comma = if present.is_empty() { "" } else { "," };
    at_end(&tags.value_span, format!("{comma}{SUBSETTED}"))
}

fn read(text: &'static str) -> HashMap<&'static str, Vec<&'static str>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut table = HashMap::new();
    for line in lines {
        let mut words = line.split(' ');
        table.insert(words.next().unwrap_or_default(), words.collect());
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Part, SUBSETTED, SUMMARY, has_element, subset};
    use crate::r4::structure::{Table, check};

    /// The part, and its members but for those of every part.
    fn part_of(resource: &Value, part: Part<'_>) -> (Value, Vec<String>) {
        let part: Value = serde_json::from_str(&subset(&resource.to_string(), part)).expect("a part is JSON");
        let members = part.as_object().expect("an object").keys();
        let members = members.filter(|key| !["resourceType", "id", "meta"].contains(&key.as_str())).cloned().collect();
        (part, members)
    }

    fn document() -> Value {
        json!({
            "resourceType": "DocumentReference", "id": "1", "meta": {"versionId": "7", "tag": [{"code": "mine"}]},
            "language": "nl", "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},
            "contained": [{"resourceType": "Patient", "id": "p"}],
            "extension": [{"url": "https://e.example", "valueString": "x"}],
            "modifierExtension": [{"url": "https://m.example", "valueString": "x"}],
            "status": "current", "_status": {"extension": [{"url": "https://s.example", "valueCode": "x"}]},
            "author": [{"reference": "#p"}], "authenticator": {"display": "left out"},
            "content": [{"extension": [{"url": "https://c.example", "valueString": "x"}],
                "attachment": {"contentType": "text/plain", "data": "AAAA", "url": "Binary/1", "extension": [{"url": "https://a.example"}]},
                "format": {"code": "f"}}],
            "context": {"period": {"start": "2026"}, "event": [{"text": "left out"}]},
        })
    }

    #[test]
    fn a_summary_has_what_the_standard_marks_at_every_depth() {
        let (part, members) = part_of(&document(), Part::Summary);
        assert_eq!(members, ["modifierExtension", "status", "_status", "author", "content", "context"]);
        assert_eq!(
            part["content"],
            json!([{"attachment": {"contentType": "text/plain", "url": "Binary/1",
            "extension": [{"url": "https://a.example"}]}, "format": {"code": "f"}}])
        );
        assert_eq!(part["context"], json!({"period": {"start": "2026"}}));
    }

    #[test]
    fn a_part_says_that_it_is_one_and_keeps_the_rest_of_meta() {
        let (part, _) = part_of(&document(), Part::Data);
        let subsetted: Value = serde_json::from_str(SUBSETTED).expect("a tag");
        assert_eq!(part["meta"], json!({"versionId": "7", "tag": [{"code": "mine"}, subsetted]}));
        for meta in [json!({}), json!({"versionId": "7"}), json!({"tag": []})] {
            let (part, _) = part_of(&json!({"resourceType": "Patient", "meta": meta}), Part::Summary);
            assert_eq!(part["meta"]["tag"], json!([subsetted]), "{meta}");
            assert_eq!(part["meta"]["versionId"], meta["versionId"]);
        }
        let (part, _) = part_of(&json!({"resourceType": "Patient"}), Part::Text);
        assert_eq!(part["meta"]["tag"], json!([subsetted]));
    }

    #[test]
    fn text_data_and_elements_keep_what_must_be_there() {
        let required = ["status", "_status", "content"];
        let (_, members) = part_of(&document(), Part::Text);
        assert_eq!(members, ["text", "modifierExtension", "status", "_status", "content"]);
        let (part, members) = part_of(&document(), Part::Data);
        assert!(!members.contains(&"text".to_owned()) && members.len() == 10);
        assert_eq!(part["content"], document()["content"]);
        let (part, members) = part_of(&document(), Part::Elements(&["context".to_owned()]));
        assert_eq!(members[0], "modifierExtension");
        assert_eq!(members[1..4], required);
        assert_eq!((members.len(), &part["context"]), (5, &document()["context"]));
    }

    #[test]
    fn a_choice_is_meant_with_and_without_its_type() {
        let observation = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "valueString": "v", "note": []});
        for name in ["value", "valueString"] {
            assert!(has_element("Observation", name));
            let (_, members) = part_of(&observation, Part::Elements(&[name.to_owned()]));
            assert_eq!(members, ["status", "code", "valueString"], "{name}");
        }
        assert!(!has_element("Observation", "valueNothing") && !has_element("Nothing", "id"));
    }

    #[test]
    fn numbers_and_white_space_within_stay_byte_for_byte() {
        let text =
            "{\n \"resourceType\" : \"Observation\",\n \"valueQuantity\": { \"value\" : 1.50, \"unit\":\"\\u00e9\" } }";
        let part = subset(text, Part::Elements(&["value".to_owned()]));
        assert!(part.contains("\"valueQuantity\":{ \"value\" : 1.50, \"unit\":\"\\u00e9\" }"), "{part}");
        assert!(subset(text, Part::Summary).contains("{\"value\":1.50,\"unit\":\"\\u00e9\"}"));
        assert_eq!(subset("{\"resourceType\":\"Nothing\"}", Part::Summary), "{\"resourceType\":\"Nothing\"}");
    }

    #[test]
    fn every_name_of_the_table_is_an_element() {
        for (path, names) in SUMMARY.iter() {
            let node = Table::of_r4().node_at(path).expect("a node of the structure");
            assert!(names.iter().all(|name| node.slots.contains(name)), "{path}: {names:?}");
        }
        // A type is listed with what it has beside what every one keeps.
        assert!(SUMMARY.contains_key("Patient") && !SUMMARY.contains_key("HumanName"));
        assert!(check(&json!({"resourceType": "Patient"})).is_empty());
    }
}
