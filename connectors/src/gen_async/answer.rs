//! What is believed of an insurer's answer to a call, and in which of four classes a refusal is: technical, authentication, message, business.

use mappings::json::{Limits, parse};
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::delivery::{Cause, Inquiry, Outcome, accepted};
use crate::http::{Answer, HttpError};

use super::content::is_hash;

/// What is asked for.
pub(super) const ACCEPTED: &str = "application/json, application/problem+json";
/// Of a page of messages; each has some ten values.
const LIMITS: Limits = Limits { depth_max: 8, values_max: 20_000 };
const CODE_BYTES_MAX: usize = 48;
/// Codes of faults have a few digits; more of them might be somebody's number.
const CODE_DIGITS_MAX: usize = 6;
const CLASSES: [&str; 4] = ["technical", "authentication", "message", "business"];

/// The JSON of an answer of success.
///
/// # Errors
/// What came of the call instead, with the class of the refusal in front of its code.
pub(super) fn heard(answer: Result<Answer, HttpError>) -> Result<Value, Outcome> {
    let problem = answer.as_ref().ok().filter(|answer| !answer.status.is_success()).and_then(body);
    match accepted(answer) {
        Ok(answer) => body(&answer).ok_or_else(|| Outcome::Uncertain(not_understood())),
        Err(outcome) => Err(match outcome {
            Outcome::Retry(cause, wait) => Outcome::Retry(classified(&cause, None), wait),
            Outcome::Rejected(cause) => Outcome::Rejected(classified(&cause, problem.as_ref())),
            Outcome::Uncertain(cause) => Outcome::Uncertain(classified(&cause, None)),
            Outcome::Delivered(value) => Outcome::Delivered(value),
        }),
    }
}

/// The JSON object of an answer that says that it is one.
fn body(answer: &Answer) -> Option<Value> {
    let kind = answer.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_json = kind == "application/json" || kind == "application/problem+json";
    is_json.then(|| parse(&answer.body, LIMITS).ok()).flatten()
}

/// A cause with its class in front. The insurer's own code says more than a status.
fn classified(cause: &Cause, problem: Option<&Value>) -> Cause {
    let class = match cause.code.as_str() {
        "status-401" | "status-403" | "no-token" => "authentication",
        // Of the other refusals with a status the message is the reason.
        code if code.starts_with("status-4") && !matches!(code, "status-408" | "status-425" | "status-429") => {
            "message"
        }
        _ => "technical",
    };
    let class = match problem.and_then(class_of) {
        Some(stated) if class == "message" => stated,
        _ => class,
    };
    let code = problem.and_then(code_of).unwrap_or(&cause.code);
    Cause::new(format!("{class}.{code}"), cause.text.clone())
}

fn class_of(value: &Value) -> Option<&'static str> {
    let stated = value.get("class").and_then(Value::as_str)?;
    CLASSES.into_iter().find(|class| *class == stated)
}

fn code_of(value: &Value) -> Option<&str> {
    value.get("code").and_then(Value::as_str).filter(|code| is_code(code))
}

/// A code that may be shown and logged.
fn is_code(code: &str) -> bool {
    (1..=CODE_BYTES_MAX).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        && code.bytes().filter(u8::is_ascii_digit).count() <= CODE_DIGITS_MAX
}

/// The receipt of one message.
pub(super) struct Tack {
    pub(super) reference: String,
    pub(super) input_reference: String,
    pub(super) hash: String,
    /// None where it was taken; else class and code.
    refusal: Option<(&'static str, String)>,
    /// How the insurer calls it; empty where it has no name.
    id: String,
}

impl Tack {
    /// Reads a receipt; none where it is not of its form.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let refusal = match text("result")? {
            "success" => None,
            "failure" => Some((class_of(value)?, code_of(value).unwrap_or("without-code").to_owned())),
            _ => return None,
        };
        let id = text("id").unwrap_or_default();
        let is_name = id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte));
        Some(Self {
            reference: text("reference")?.to_owned(),
            input_reference: text("inputReference")?.to_owned(),
            hash: text("hash").filter(|hash| is_hash(hash))?.to_owned(),
            refusal,
            id: if is_name { id.to_owned() } else { String::new() },
        })
    }

    fn told(&self) -> Value {
        json!({"tack": self.id, "hash": self.hash})
    }

    fn cause(class: &str, code: &str) -> Cause {
        let text = match class {
            "technical" => "the insurer could not take the message in",
            "authentication" => "the insurer does not take messages from whoever sends",
            "business" => "the insurer does not take messages for this third party",
            _ => "the insurer does not take the message as it is",
        };
        Cause::new(format!("{class}.{code}"), text)
    }

    /// What came of posting it.
    pub(super) fn outcome(&self) -> Outcome {
        match &self.refusal {
            None => Outcome::Delivered(self.told()),
            Some((class @ "technical", code)) => Outcome::Retry(Self::cause(class, code), None),
            Some((class, code)) => Outcome::Rejected(Self::cause(class, code)),
        }
    }

    /// What an inquiry told.
    pub(super) fn inquiry(&self) -> Inquiry {
        match &self.refusal {
            None => Inquiry::Has(self.told()),
            // It could not be taken in, so it is not there.
            Some(("technical", _)) => Inquiry::HasNot,
            Some((class, code)) => Inquiry::Refused(Self::cause(class, code)),
        }
    }
}

pub(super) fn not_understood() -> Cause {
    Cause::new("technical.answer-not-understood", "the insurer answered something else than the interface says")
}

pub(super) fn about_another() -> Cause {
    Cause::new("technical.wrong-reference", "the insurer answered about another message")
}
