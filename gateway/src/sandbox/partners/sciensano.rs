//! Sciensano, made up: a register that takes submissions in the manner of HD4DP, and is asked later what became of them.
//!
//! The paths are those of <https://docs.healthdata.be> (HD4DP v2, S2S API); what is in the body is as free as it is there, but for the
//! few rules below, by which a tester reaches every answer.

use axum::http::Method;
use serde_json::{Value, json};

use super::kept::{Kept, Message};
use super::{Asked, Partner, Reply};
use crate::vault::has_number;

pub(super) const BASE_PATH: &str = "/proxy";
const SUBMIT: &str = "/api/dcd/payload/submit";
const PARAMETERS: [&str; 4] = ["organization-id", "dcd-id", "dcd-version-id", "data-src-type"];
const ORGANIZATIONS: [(&str, &str); 2] = [("1001", "CGG Leie"), ("1002", "CGG Schelde")];
/// Errors that are told of one submission.
const ERRORS_MAX: usize = 50;
/// A field of this value has an error, whatever the field.
const WRONG: &str = "invalid";

/// The organisations that it knows.
pub(super) fn organizations() -> Value {
    Value::Array(ORGANIZATIONS.iter().map(|(id, name)| json!({"id": id, "name": name})).collect())
}

/// The partner.
pub(super) struct Sciensano;

impl Partner for Sciensano {
    fn reference(&self, asked: &Asked) -> Option<String> {
        if !is_submission(asked) {
            return None;
        }
        Some(reference(&asked.json()).unwrap_or("none").to_owned())
    }

    fn answer(&self, asked: &Asked, kept: &Kept) -> Reply {
        if is_submission(asked) {
            return submit(asked, kept).unwrap_or_else(|refused| refused);
        }
        match (&asked.method, asked.below(BASE_PATH)) {
            (&Method::GET, Some("/api/organizations")) => Reply::json(200, &json!({"organizations": organizations()})),
            (&Method::GET, Some("/api/dcd/submit")) => submissions(asked, kept),
            _ => Reply::not_found(),
        }
    }

    fn about_another(&self, reply: &Reply) -> Reply {
        let mut body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        body["reference"] = json!("somebody-else");
        body["businessKey"] = json!("BK-0");
        Reply::json(reply.status, &body)
    }
}

fn is_submission(asked: &Asked) -> bool {
    asked.method == Method::POST && asked.below(BASE_PATH) == Some(SUBMIT)
}

fn reference(body: &Value) -> Option<&str> {
    body.get("reference").and_then(Value::as_str).filter(|text| (1..=64).contains(&text.len()))
}

/// Takes a submission in; what is wrong with its content is told when it is asked about.
///
/// # Errors
/// The refusal.
fn submit(asked: &Asked, kept: &Kept) -> Result<Reply, Reply> {
    let refuse = |detail: String| Reply::problem(400, "hd4dp.request.malformed", &detail);
    if let Some(name) = PARAMETERS.iter().find(|name| asked.parameter(name).is_empty()) {
        return Err(refuse(format!("{name}: it is missing from the query")));
    }
    if ORGANIZATIONS.iter().all(|one| one.0 != asked.parameter("organization-id")) {
        return Err(Reply::problem(
            403,
            "hd4dp.organization.unknown",
            "organization-id: none of GET /api/organizations",
        ));
    }
    let body = asked.json();
    let reference = reference(&body).ok_or_else(|| refuse("reference: 1 to 64 characters".to_owned()))?;
    let status = body.get("STATUS").and_then(Value::as_str).unwrap_or_default();
    match status {
        "submit" => {
            let key = format!("BK-{}", kept.number(reference));
            Ok(Reply::json(202, &json!({"reference": reference, "businessKey": key, "status": "RECEIVED"})))
        }
        "draft" => Ok(Reply::json(202, &json!({"reference": reference, "businessKey": "", "status": "DRAFT"}))),
        _ => Err(refuse("STATUS: draft or submit".to_owned())),
    }
}

/// What became of submissions: all, or that of one reference.
fn submissions(asked: &Asked, kept: &Kept) -> Reply {
    let wanted = asked.parameter("reference");
    let is_wanted = |message: &&Message| wanted.is_empty() || message.reference == wanted;
    let is_taken = |message: &&Message| message.effects > 0;
    let submissions: Vec<Value> =
        kept.messages().filter(is_taken).filter(is_wanted).map(|message| submission(message, kept)).collect();
    Reply::json(200, &json!({"submissions": submissions}))
}

fn submission(message: &Message, kept: &Kept) -> Value {
    let body: Value = serde_json::from_slice(&message.body).unwrap_or_default();
    let is_draft = body.get("STATUS").and_then(Value::as_str) == Some("draft");
    let mut errors = Vec::new();
    validate(&body, "", &mut errors);
    let status = if is_draft {
        "DRAFT"
    } else if errors.is_empty() {
        "ACCEPTED"
    } else {
        "REJECTED"
    };
    let key = if is_draft { String::new() } else { format!("BK-{}", kept.number(&message.reference)) };
    json!({"reference": message.reference, "businessKey": key, "status": status, "errors": errors})
}

/// Finds what the register does not take: a national number that is not coded, and every field that says that it is wrong.
fn validate(value: &Value, path: &str, errors: &mut Vec<Value>) {
    if errors.len() >= ERRORS_MAX {
        return;
    }
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                validate(value, &path, errors);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                validate(item, &format!("{path}[{n}]"), errors);
            }
        }
        Value::String(text) if text == WRONG => errors.push(json!({"field": path, "code": "value.invalid"})),
        Value::String(text) if has_number(text) => {
            errors.push(json!({"field": path, "code": "national-number.in-clear"}));
        }
        _ => {}
    }
}
