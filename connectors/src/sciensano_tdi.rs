//! The register of treatment demands at Sciensano, by HD4DP's interface for applications: a submission is taken in, and asked about later.
//!
//! What is sent is made in `mappings` ([`mappings::tdi::submission`]). Nothing of an answer is kept but a key, a state, and codes that
//! cannot hold a number.
//!
//! <https://docs.healthdata.be> (HD4DP v2)

use mappings::json::{Limits, parse};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::delivery::{Boxed, Cause, Connector, Inquiry, Message, Outcome, accepted};
use crate::http::{Answer, HttpClient, HttpError};

/// An answer to one submission is short; one that tells of all submissions of an organisation is not asked for.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Errors of the register that are named; who mends them sees the others at the next attempt.
const ERRORS_MAX: usize = 20;
/// The longest code, field or key that is taken over.
const WORD_BYTES_MAX: usize = 64;
/// Organisations that one connector submits for: an inquiry asks for each.
pub const ORGANIZATIONS_MAX: usize = 50;

/// Where and as what to submit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The address of the HD4DP proxy, such as `https://hd4dp.example.org/proxy`.
    pub base_url: String,
    /// The ids under which the register knows our organisations, at most [`ORGANIZATIONS_MAX`].
    pub organizations: Vec<String>,
    /// The id of the register's data collection.
    pub data_collection_id: String,
    /// The id of the version of it.
    pub data_collection_version: String,
    /// As what the data come in, such as `api`.
    pub source_type: String,
}

/// Speaks to the register.
#[derive(Clone, Debug)]
pub struct SciensanoTdi {
    http: HttpClient,
    settings: Settings,
}

impl SciensanoTdi {
    /// A connector with these settings.
    pub fn new(http: HttpClient, settings: Settings) -> Self {
        Self { http, settings }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.base_url.trim_end_matches('/'))
    }

    async fn submit(&self, message: &Message) -> Outcome {
        let not_sendable = |text: &str| Outcome::Rejected(Cause::new("not-sendable", text));
        let organization = message.body.get("organizationId").and_then(Value::as_str).unwrap_or_default();
        if !self.settings.organizations.iter().take(ORGANIZATIONS_MAX).any(|known| known == organization) {
            return not_sendable("the organisation has no id at the register, in the settings of the connector");
        }
        let Some(submission) = message.body.get("submission").filter(|submission| submission.is_object()) else {
            return not_sendable("there is no submission in the message");
        };
        if submission.get("reference").and_then(Value::as_str) != Some(message.reference.as_str()) {
            return not_sendable("the submission has another reference than the delivery");
        }
        let settings = &self.settings;
        let request = self
            .http
            .request(Method::POST, &self.url("/api/dcd/payload/submit"))
            .query(&[
                ("organization-id", organization),
                ("dcd-id", &settings.data_collection_id),
                ("dcd-version-id", &settings.data_collection_version),
                ("data-src-type", &settings.source_type),
            ])
            .json(submission);
        outcome(self.http.send(request, ANSWER_BYTES_MAX).await, &message.reference)
    }

    async fn ask(&self, reference: &str) -> Inquiry {
        let mut found = None;
        for organization in self.settings.organizations.iter().take(ORGANIZATIONS_MAX) {
            let request = self
                .http
                .request(Method::GET, &self.url("/api/dcd/submit"))
                .query(&[("organization-id", organization.as_str()), ("reference", reference)]);
            match told(self.http.send(request, ANSWER_BYTES_MAX).await, reference) {
                Inquiry::HasNot => found = Some(Inquiry::HasNot),
                other => return other,
            }
        }
        found.unwrap_or(Inquiry::Impossible)
    }
}

impl Connector for SciensanoTdi {
    /// Whether the register takes the same reference twice for one is not published.
    fn is_idempotent(&self) -> bool {
        false
    }

    fn send<'a>(&'a self, message: &'a Message) -> Boxed<'a, Outcome> {
        Box::pin(self.submit(message))
    }

    fn inquire<'a>(&'a self, reference: &'a str) -> Boxed<'a, Inquiry> {
        Box::pin(self.ask(reference))
    }
}

/// What came of a submission. An answer of success counts only with our reference and a key; otherwise it is asked about.
fn outcome(answer: Result<Answer, HttpError>, reference: &str) -> Outcome {
    let refused = answer.as_ref().ok().and_then(body).and_then(|body| refusal(&body));
    let answer = match accepted(answer) {
        Ok(answer) => answer,
        Err(Outcome::Rejected(cause)) => return Outcome::Rejected(refused.unwrap_or(cause)),
        Err(other) => return other,
    };
    let Some(body) = body(&answer) else { return Outcome::Uncertain(not_understood()) };
    if body.get("reference").and_then(Value::as_str) != Some(reference) {
        return Outcome::Uncertain(about_another());
    }
    match (word(&body, "businessKey"), body.get("status").and_then(Value::as_str)) {
        (_, Some("REJECTED")) => Outcome::Rejected(refused.unwrap_or_else(without_reason)),
        (Some(key), None | Some("RECEIVED" | "ACCEPTED")) => Outcome::Delivered(json!({"businessKey": key})),
        _ => Outcome::Uncertain(not_understood()),
    }
}

/// What an inquiry told of our reference.
fn told(answer: Result<Answer, HttpError>, reference: &str) -> Inquiry {
    let answer = match accepted(answer) {
        Ok(answer) => answer,
        Err(Outcome::Retry(cause, wait)) => return Inquiry::Unanswered(cause, wait),
        Err(Outcome::Rejected(cause) | Outcome::Uncertain(cause)) => return Inquiry::Unanswered(cause, None),
        Err(Outcome::Delivered(_)) => return Inquiry::Unanswered(not_understood(), None),
    };
    let body = body(&answer);
    let Some(listed) = body.as_ref().and_then(|body| body.get("submissions")).and_then(Value::as_array) else {
        return Inquiry::Unanswered(not_understood(), None);
    };
    let is_ours = |one: &&Value| one.get("reference").and_then(Value::as_str) == Some(reference);
    let ours: Vec<&Value> = listed.iter().filter(is_ours).collect();
    if ours.len() != listed.len() {
        // It answered something else than it was asked: it may have left out what we asked for.
        return Inquiry::Unanswered(about_another(), None);
    }
    let state = |one: &Value| one.get("status").and_then(Value::as_str).map(str::to_owned);
    let taken = ours.iter().find(|one| matches!(state(one).as_deref(), Some("RECEIVED" | "ACCEPTED")));
    if let Some(taken) = taken {
        return match (word(taken, "businessKey"), state(taken)) {
            (Some(key), Some(state)) => Inquiry::Has(json!({"businessKey": key, "status": state})),
            _ => Inquiry::Unanswered(not_understood(), None),
        };
    }
    match ours.last() {
        None => Inquiry::HasNot,
        Some(one) if state(one).as_deref() == Some("REJECTED") => {
            Inquiry::Refused(refusal(one).unwrap_or_else(without_reason))
        }
        Some(_) => Inquiry::Unanswered(not_understood(), None),
    }
}

/// The JSON object of an answer that says that it is one.
fn body(answer: &Answer) -> Option<Value> {
    let kind = answer.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_json = kind == "application/json" || kind == "application/problem+json";
    is_json.then(|| parse(&answer.body, Limits::default()).ok()).flatten()
}

/// What the register says is wrong, as far as it says it in codes: the first is the code, all are in the text.
fn refusal(body: &Value) -> Option<Cause> {
    let errors = body.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let named = errors.iter().filter_map(|error| {
        let code = code(error)?;
        let field = error.get("field").and_then(Value::as_str).filter(|field| is_field(field));
        Some((code, field))
    });
    let named: Vec<(&str, Option<&str>)> = named.take(ERRORS_MAX).collect();
    let Some((first, _)) = named.first() else {
        return code(body).map(|code| Cause::new(code, "the register refused the submission"));
    };
    let list: Vec<String> = named
        .iter()
        .map(|(code, field)| field.map_or_else(|| (*code).to_owned(), |field| format!("{field}: {code}")))
        .collect();
    Some(Cause::new(*first, format!("the register refused the submission: {}", list.join(", "))))
}

/// A code of letters and `.-_`: with digits it might be somebody's number.
fn code(value: &Value) -> Option<&str> {
    let code = value.get("code").and_then(Value::as_str)?;
    // The names of the two products have digits in them.
    let letters = code.strip_prefix("hd4dp.").unwrap_or(code);
    let is_code = (1..=WORD_BYTES_MAX).contains(&code.len())
        && letters.bytes().all(|byte| byte.is_ascii_alphabetic() || b".-_".contains(&byte));
    is_code.then_some(code)
}

/// The path of a field, with no more digits than the name of an item and its place.
fn is_field(field: &str) -> bool {
    (1..=WORD_BYTES_MAX).contains(&field.len())
        && field.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-[]".contains(&byte))
        && field.bytes().filter(u8::is_ascii_digit).count() <= 3
}

/// A key that the register gave.
fn word<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    let word = value.get(name).and_then(Value::as_str)?;
    let is_word = (1..=WORD_BYTES_MAX).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    is_word.then_some(word)
}

fn not_understood() -> Cause {
    Cause::new("answer-not-understood", "the register answered something else than its interface says")
}

fn about_another() -> Cause {
    Cause::new("wrong-reference", "the register answered about another submission")
}

fn without_reason() -> Cause {
    Cause::new("rejected", "the register refused the submission, and gave no code")
}

#[cfg(test)]
#[path = "sciensano_tdi_tests.rs"]
mod tests;
