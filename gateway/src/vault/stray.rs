//! National numbers where they do not belong: in texts, where no hole can hide them.

use mappings::identifiers::Ssin;
use serde_json::Value;

/// Members that hold no text for people: addresses, codes, other numbers.
const NOT_TEXT: &[&str] = &[
    "id",
    "reference",
    "url",
    "uri",
    "fullUrl",
    "system",
    "code",
    "data",
    "hash",
    "versionId",
    "resourceType",
    "ifNoneExist",
];

/// The first text of a resource in which a valid national number stands, as an expression; none where there is none.
///
/// Only what may be one is: 11 digits alone or in the written form `00.00.00-000.00`, whose check digits hold and whose first six
/// may be a birthday. What has a system of its own (an identifier, a code, a telephone) is no text, and neither is a UUID.
pub fn stray_number(resource: &Value) -> Option<String> {
    let name = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
    within(resource, name)
}

fn within(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::Object(members) => {
            let has_system = members.contains_key("system");
            members
                .iter()
                .filter(|(name, _)| !NOT_TEXT.contains(&name.as_str()))
                .filter(|(name, value)| !(has_system && *name == "value" && value.is_string()))
                .find_map(|(name, value)| within(value, &format!("{path}.{name}")))
        }
        Value::Array(items) => items.iter().enumerate().find_map(|(n, item)| within(item, &format!("{path}[{n}]"))),
        Value::String(text) => (has_number(text) && !is_uuid(text)).then(|| path.to_owned()),
        _ => None,
    }
}

/// Whether a text is a UUID and nothing else: of a hundred thousand made by chance one has digits in it that may be a number.
fn is_uuid(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok_and(|_| text.len() >= uuid::fmt::Hyphenated::LENGTH)
}

/// Whether a text has a valid national number (SSIN) in it, in digits or as it is written.
pub fn has_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut start = 0;
    while start < bytes.len() {
        if !bytes[start].is_ascii_digit() {
            start += 1;
            continue;
        }
        let end = end_of_run(bytes, start);
        let is_free =
            !matches!(start.checked_sub(1).map(|before| bytes[before]), Some(b'+' | b'a'..=b'z' | b'A'..=b'Z'));
        if is_free && is_number(&bytes[start..end]) {
            return true;
        }
        start = end;
    }
    false
}

/// The end of digits with at most one of `. - /` or a space between two of them.
fn end_of_run(bytes: &[u8], start: usize) -> usize {
    let mut end = start;
    let is_between = |end: usize| {
        matches!(bytes[end], b'.' | b'-' | b'/' | b' ') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit)
    };
    while end < bytes.len() && (bytes[end].is_ascii_digit() || is_between(end)) {
        end += 1;
    }
    end
}

/// Whether consecutive groups of a run are a number: other digits may stand beside it.
fn is_number(run: &[u8]) -> bool {
    let groups: Vec<&[u8]> = run.split(|byte| !byte.is_ascii_digit()).collect();
    let forms: [&[usize]; 4] = [&[11], &[2, 2, 2, 3, 2], &[6, 3, 2], &[6, 5]];
    forms.iter().any(|form| {
        groups.windows(form.len()).any(|window| {
            let lengths = window.iter().map(|group| group.len());
            lengths.eq(form.iter().copied()) && may_be_number(&window.concat())
        })
    })
}

fn may_be_number(digits: &[u8]) -> bool {
    let digits = String::from_utf8_lossy(digits);
    let two = |from: usize| digits.get(from..from + 2).and_then(|two| two.parse::<u32>().ok()).unwrap_or_default();
    // BIS numbers add 20 or 40 to the month; an unknown day or month is 0.
    let may_be_birthday = two(2) % 20 <= 12 && two(2) < 53 && two(4) <= 31;
    may_be_birthday && Ssin::parse(&digits).is_ok_and(|number| number.check_digits_hold())
}
