//! What a viewer can tell apart in an answer: status, headers and body, byte for byte but for the declared fields.

use std::fmt::Write as _;

use serde_json::Value;

use crate::client::Answer;
use crate::twins::Twin;

/// The fields that may differ, as a report prints them.
pub const DECLARED: [&str; 6] = [
    "the ids, versions and marks of the twin that was asked about, where they are repeated",
    "headers that differ from request to request: Date, X-Request-Id, X-Correlation-Id, Server-Timing, Traceparent; and \
     Content-Length, for the body itself is compared",
    "of what a write made: its id, versionId, lastUpdated, and Location, Content-Location, ETag and Last-Modified",
    "of a Bundle: its own id, meta.lastUpdated and timestamp",
    "of a page link: the URL of the pages beside the one that was asked; not whether there is such a link",
    "of an AuditEvent in the viewer's own trail: its id, and recorded",
];

const HEADERS: [&str; 6] =
    ["content-length", "date", "x-request-id", "x-correlation-id", "server-timing", "traceparent"];
const HEADERS_OF_A_WRITE: [&str; 4] = ["location", "content-location", "etag", "last-modified"];
const MEMBERS_OF_A_WRITE: [&str; 5] = ["versionId", "lastUpdated", "etag", "lastModified", "location"];

/// All that an answer about a twin tells, with the declared fields named. `is_write`: the request may have made something.
pub fn told(answer: &Answer, twin: &Twin, is_write: bool) -> String {
    let is_written = is_write && answer.is_success();
    let is_declared = |name: &str| is_written && HEADERS_OF_A_WRITE.contains(&name);
    let mut told = answer.status.to_string();
    for (name, value) in &answer.headers {
        if HEADERS.contains(&name.as_str()) {
            continue;
        }
        let value = if is_declared(name) { "<declared>" } else { value };
        let _ = write!(told, "\n{name}: {value}");
    }
    let mut body = bundle_apart(answer);
    if is_written {
        for member in MEMBERS_OF_A_WRITE {
            body = without_member(&body, member);
        }
        for id in made_ids(answer) {
            body = body.replace(&id, "<made>");
        }
    }
    twin.alike(&format!("{told}\n\n{body}"))
}

/// The body without what a Bundle has anew in each answer.
fn bundle_apart(answer: &Answer) -> String {
    let mut body = answer.body.clone();
    if !body.contains("\"Bundle\"") {
        return body;
    }
    let bundle = answer.json();
    if bundle["resourceType"] != "Bundle" {
        return body;
    }
    for own in [&bundle["id"], &bundle["meta"]["lastUpdated"], &bundle["timestamp"]] {
        if own.is_string() {
            body = body.replacen(&own.to_string(), "\"<declared>\"", 1);
        }
    }
    for link in bundle["link"].as_array().into_iter().flatten() {
        if link["relation"] != "self" && link["url"].is_string() {
            body = body.replace(&link["url"].to_string(), "\"<page>\"");
        }
    }
    body
}

/// The ids that a write made, by the locations that it answers.
fn made_ids(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let entries = json["entry"].as_array().into_iter().flatten();
    let locations = entries.filter_map(|entry| entry["response"]["location"].as_str());
    let id = |location: &str| {
        let path = location.split("/_history").next().unwrap_or_default();
        path.rsplit('/').next().map(str::to_owned)
    };
    answer.header("location").into_iter().chain(locations).filter_map(id).collect()
}

/// The text with the string value of each member of this name replaced.
pub fn without_member(text: &str, member: &str) -> String {
    let name = format!("\"{member}\"");
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(&name) {
        let (before, from) = rest.split_at(at + name.len());
        replaced.push_str(before);
        rest = from;
        let value = from.trim_start().strip_prefix(':').map(str::trim_start);
        if let Some(value) = value.and_then(|value| value.strip_prefix('"'))
            && let Some(end) = end_of_string(value)
        {
            replaced.push_str(":\"<declared>\"");
            rest = &value[end + 1..];
        }
    }
    replaced + rest
}

/// Where a JSON string ends whose opening quote is behind.
fn end_of_string(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })
}

/// Whether nothing of a twin stands in what was answered: none of its ids or marks.
pub fn shows(answer: &Answer, twin: &Twin) -> Option<String> {
    let json: Value = answer.json();
    // A link repeats what was asked; an entry would be an answer.
    let told = if json["resourceType"] == "Bundle" { json["entry"].to_string() } else { answer.body.clone() };
    let own = twin.names.iter().filter(|(name, _)| !name.contains('.'));
    own.filter(|(_, value)| told.contains(value.as_str())).map(|(name, value)| format!("{name} {value}")).next()
}

/// The place at which two texts part, with a little of both.
pub fn parting(one: &str, other: &str) -> (String, String) {
    let at = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let around = |text: &str| {
        let bytes = &text.as_bytes()[at.saturating_sub(80).min(text.len())..(at + 240).min(text.len())];
        String::from_utf8_lossy(bytes).into_owned()
    };
    (around(one), around(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twins::Kind;
    use std::time::Duration;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer { status, headers, body: body.to_owned(), took: Duration::ZERO }
    }

    fn twin(id: &str) -> Twin {
        Twin { kind: Kind::Never, names: vec![("Patient".to_owned(), id.to_owned())] }
    }

    #[test]
    fn an_answer_that_repeats_the_id_asked_tells_nothing() {
        let one = answer(404, &[("date", "now")], r#"{"text":"Patient/abc1 is unknown"}"#);
        let other = answer(404, &[("date", "then")], r#"{"text":"Patient/abc2 is unknown"}"#);
        assert_eq!(told(&one, &twin("abc1"), false), told(&other, &twin("abc2"), false));
    }

    #[test]
    fn a_status_a_header_and_a_byte_are_told() {
        let base = told(&answer(404, &[("etag", "1")], "{}"), &twin("abc1"), true);
        for other in [answer(403, &[("etag", "1")], "{}"), answer(404, &[], "{}"), answer(404, &[("etag", "1")], "{ }")]
        {
            assert_ne!(told(&other, &twin("abc1"), true), base);
        }
    }

    #[test]
    fn what_a_write_made_is_declared_and_what_a_read_shows_is_not() {
        let made = |id: &str, at: &str| {
            let body = format!(r#"{{"resourceType":"Basic","id":"{id}","meta":{{"lastUpdated": "{at}"}}}}"#);
            answer(201, &[("location", &format!("http://h/fhir/Basic/{id}/_history/1"))], &body)
        };
        let (one, other) = (made("x1", "2026"), made("x2", "2027"));
        assert_eq!(told(&one, &twin("abc1"), true), told(&other, &twin("abc1"), true));
        assert_ne!(told(&one, &twin("abc1"), false), told(&other, &twin("abc1"), false));
        // An update has no location.
        let updated = |tag: &str| answer(200, &[("etag", tag)], r#"{"resourceType":"Basic","id":"x1"}"#);
        assert_eq!(told(&updated("1"), &twin("abc1"), true), told(&updated("2"), &twin("abc1"), true));
    }

    #[test]
    fn a_further_page_is_told_and_its_cursor_is_not() {
        let page = |links: &str| answer(200, &[], &format!(r#"{{"resourceType":"Bundle","link":[{links}]}}"#));
        let next = |cursor: &str| page(&format!(r#"{{"relation":"next","url":"h?_cursor={cursor}"}}"#));
        assert_eq!(told(&next("a"), &twin("abc1"), false), told(&next("b"), &twin("abc1"), false));
        assert_ne!(told(&next("a"), &twin("abc1"), false), told(&page(""), &twin("abc1"), false));
    }
}
