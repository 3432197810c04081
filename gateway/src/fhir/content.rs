//! What a client sends, read strictly: JSON without traps, of the type that it is sent for, of R4's structure.

use serde_json::Value;

use crate::access::draft::Content;
use crate::error::{Failure, Issue};
use crate::vault::stray_number;
use mappings::json::{JsonError, Limits, parse};
use mappings::r4::issue::ContentIssue;
use mappings::r4::structure::check;

/// Reads a resource of any type.
///
/// # Errors
/// 400 where it is not JSON that is taken, 422 with every issue where its structure is wrong.
pub fn read(bytes: &[u8], depth_max: usize) -> Result<Content, Failure> {
    let value = parsed(bytes, depth_max)?;
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| Failure::Internal("parsed JSON is not UTF-8"))?;
    Ok(Content { text, value })
}

/// Reads JSON as it is taken here, whatever is in it.
///
/// # Errors
/// 400 where it is not JSON that is taken, 413 where it is too much.
pub fn parsed(bytes: &[u8], depth_max: usize) -> Result<Value, Failure> {
    let value = parse(bytes, Limits { depth_max, ..Limits::default() }).map_err(|error| match error {
        JsonError::TooMany { .. } => Failure::TooLarge(error.to_string()),
        _ => Failure::BadRequest(vec![json_issue(&error)]),
    })?;
    if bytes.windows(6).any(|window| window == b"\\u0000") {
        return Err(Failure::BadRequest(vec![Issue::new("structure", "a text may not hold the character U+0000")]));
    }
    Ok(value)
}

/// Reads a resource that must be of the given type.
///
/// # Errors
/// As [`read`]; 422 for another type.
pub fn read_of_type(bytes: &[u8], resource_type: &str, depth_max: usize) -> Result<Content, Failure> {
    let content = read(bytes, depth_max)?;
    must_be(&content.value, resource_type)?;
    structure(&content.value, "")?;
    Ok(content)
}

/// Holds a resource to the type of its address.
///
/// # Errors
/// 422.
pub fn must_be(value: &Value, resource_type: &str) -> Result<(), Failure> {
    if value.get("resourceType").and_then(Value::as_str) == Some(resource_type) {
        return Ok(());
    }
    let details = format!("the address is that of {resource_type}, so the resource must be one");
    Err(Failure::Unprocessable(vec![Issue::at("resourceType", "invariant", details)]))
}

/// Holds a resource to the structure of R4; `within` prefixes the expressions of a Bundle's entry.
///
/// # Errors
/// 422 with every issue.
pub fn structure(value: &Value, within: &str) -> Result<(), Failure> {
    let issues = check(value);
    if issues.is_empty() {
        return without_stray_number(value, within);
    }
    let issue = |issue: ContentIssue| {
        Issue::from(ContentIssue { expression: format!("{within}{}", issue.expression), ..issue })
    };
    Err(Failure::Unprocessable(issues.into_iter().map(issue).collect()))
}

/// A national number is kept sealed in an identifier of its system, and nowhere else.
fn without_stray_number(value: &Value, within: &str) -> Result<(), Failure> {
    let Some(mut issue) = stray(value) else { return Ok(()) };
    issue.expression = issue.expression.map(|expression| format!("{within}{expression}"));
    Err(Failure::Unprocessable(vec![issue]))
}

/// The text in which a national number stands, if there is one.
pub fn stray(value: &Value) -> Option<Issue> {
    let details = "a national number stands in a text: it may be only the value of an identifier with its system";
    let issue = Issue::at(stray_number(value)?, "business-rule", details);
    Some(Issue { rule: Some("national-number".into()), ..issue })
}

fn json_issue(error: &JsonError) -> Issue {
    let issue = Issue::new("structure", error.to_string());
    match error {
        JsonError::DuplicateKey { path } | JsonError::TooDeep { path, .. } => {
            Issue { expression: Some(path.clone()), ..issue }
        }
        _ => issue,
    }
}
