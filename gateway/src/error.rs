//! The one place that turns a failure into a status and an OperationOutcome.
//!
//! The text for the client names the element and the way out; the cause goes to the log, once, here. Never a stack trace,
//! SQL, a token or an identifier of a patient in either.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use mappings::r4::issue::ContentIssue;
use serde_json::{Value, json};

use crate::bodies::BodyError;
use crate::rates::TooOften;
use crate::storage::StorageError;

/// The code system of the reasons for which Wellgate refuses.
pub const REASON_SYSTEM: &str = "https://wellgate.example/fhir/CodeSystem/refusal-reason";
/// The code system of the rules that content is held to.
const RULE_SYSTEM: &str = "https://wellgate.example/fhir/CodeSystem/validation-rule";

/// One `OperationOutcome.issue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// A code of issue-type.
    pub code: &'static str,
    /// What is wrong and the way out.
    pub details: String,
    /// The element or parameter.
    pub expression: Option<String>,
    /// The code of the rule that refused.
    pub reason: Option<&'static str>,
    /// The key of the rule about content that is broken.
    pub rule: Option<Box<str>>,
}

impl Issue {
    /// An issue about the request as a whole.
    pub fn new(code: &'static str, details: impl Into<String>) -> Self {
        Self { code, details: details.into(), expression: None, reason: None, rule: None }
    }

    /// An issue about one element.
    pub fn at(expression: impl Into<String>, code: &'static str, details: impl Into<String>) -> Self {
        Self { code, details: details.into(), expression: Some(expression.into()), reason: None, rule: None }
    }

    /// The issue in an OperationOutcome.
    pub fn to_value(&self, severity: &str) -> Value {
        let mut issue =
            json!({"severity": severity, "code": self.code, "details": {"text": without_markup(&self.details)}});
        if let Some(reason) = self.reason {
            issue["details"]["coding"] = json!([{"system": REASON_SYSTEM, "code": reason}]);
        }
        if let Some(rule) = &self.rule {
            issue["details"]["coding"] = json!([{"system": RULE_SYSTEM, "code": rule}]);
        }
        if let Some(expression) = &self.expression {
            issue["expression"] = json!([without_markup(expression)]);
        }
        issue
    }
}

impl From<ContentIssue> for Issue {
    fn from(found: ContentIssue) -> Self {
        let rule = Some(found.rule.into());
        Self { rule, ..Self::at(found.expression, found.code.as_str(), found.details) }
    }
}

/// Names of parameters, keys and codes are repeated as they were sent, and whoever shows an error may show it as a page.
fn without_markup(text: &str) -> String {
    text.replace('<', "‹").replace('>', "›")
}

/// How a request fails.
#[derive(Debug)]
pub enum Failure {
    /// No token, or none that holds.
    Unauthenticated {
        /// Whether only its time is over.
        expired: bool,
    },
    /// The token's scope or the client's registration does not allow the interaction.
    Forbidden(Issue),
    /// A rule does not allow the action with what the caller sees; the record it is about, for the trail.
    Refused {
        /// The code of the rule.
        reason: &'static str,
        /// What it means, and the element.
        issue: Issue,
        /// The record, where one is known.
        record: Option<Box<RefusedRecord>>,
    },
    /// Unknown, or invisible to this caller.
    NotFound,
    /// The same of what an update would have to create.
    NothingToUpdate,
    /// Deleted, and the caller could see it.
    Gone,
    /// The path, the header or the search is not understood.
    BadRequest(Vec<Issue>),
    /// The content is wrong.
    Unprocessable(Vec<Issue>),
    /// `If-Match` is needed.
    PreconditionRequired,
    /// `If-Match` does not match, or another picked up first.
    PreconditionFailed,
    /// The criteria of a conditional interaction are fulfilled by several of what the caller holds.
    SeveralMatch,
    /// A conditional reference is resolved by nothing, or by several, that the caller holds.
    Unresolved(Issue),
    /// Others moved what this was decided on: it is decided again, and told only where that keeps happening.
    Conflict,
    /// The media type asked for is not served.
    NotAcceptable,
    /// The media type sent is not understood.
    UnsupportedMediaType,
    /// The media type sent is none of a patch.
    NoPatch,
    /// The body comes packed.
    Encoded,
    /// The body does not arrive in time.
    TooSlow,
    /// The interaction exists elsewhere, not here.
    MethodNotAllowed,
    /// Over a limit of size.
    TooLarge(String),
    /// Too many writes wait: come back.
    Throttled,
    /// One asks too often: come back when the time is over.
    TooOften(TooOften),
    /// The same request is still being worked on under its idempotency key.
    InProgress,
    /// There is no room for another request: come back.
    Overloaded,
    /// The database or a partner is away: come back.
    Unavailable,
    /// Ours.
    Internal(&'static str),
}

/// What the trail of a record is told of a refusal.
#[derive(Debug)]
pub struct RefusedRecord {
    compartment: String,
    /// The ids of the Consents that the refusal rests on.
    consents: Vec<String>,
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Busy => Self::Throttled,
            StorageError::Moved | StorageError::KeyUsed => Self::Conflict,
            StorageError::Unavailable(cause) => {
                tracing::error!(error = %cause, "the database did not answer");
                Self::Unavailable
            }
            StorageError::Corrupt(what) | StorageError::Vault(what) => Self::Internal(what),
            StorageError::Incomplete => Self::Internal("an event of the trail does not say all that it must"),
        }
    }
}

impl Failure {
    /// A refusal by a named rule.
    pub fn refused(reason: &'static str, details: impl Into<String>, expression: Option<String>) -> Self {
        let issue = Issue { code: "forbidden", details: details.into(), expression, reason: Some(reason), rule: None };
        Self::Refused { reason, issue, record: None }
    }

    /// One thing wrong with the content.
    pub fn content(expression: impl Into<String>, code: &'static str, details: impl Into<String>) -> Self {
        Self::Unprocessable(vec![Issue::at(expression, code, details)])
    }

    /// Why a body was not read.
    pub fn of_body(error: BodyError, bytes_max: usize) -> Self {
        match error {
            BodyError::TooLong => Self::TooLarge(format!("the body is longer than {bytes_max} bytes")),
            BodyError::TooSlow => Self::TooSlow,
            BodyError::BrokenOff => Self::BadRequest(vec![Issue::new("structure", "the body broke off")]),
        }
    }

    /// The same failure about a known record.
    #[must_use]
    pub fn about(mut self, compartment: &str) -> Self {
        if let Self::Refused { record, .. } = &mut self {
            *record = Some(Box::new(RefusedRecord { compartment: compartment.to_owned(), consents: Vec::new() }));
        }
        self
    }

    /// The same refusal about a known record, resting on these Consents. Only the trail of the record names them.
    #[must_use]
    pub fn resting_on(mut self, ids: Vec<String>) -> Self {
        if let Self::Refused { record: Some(record), .. } = &mut self {
            record.consents = ids;
        }
        self
    }

    /// The Consents that a refusal rests on.
    pub fn consents(&self) -> &[String] {
        if let Self::Refused { record: Some(record), .. } = self { &record.consents } else { &[] }
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) | Self::Refused { .. } => StatusCode::FORBIDDEN,
            Self::NotFound | Self::NothingToUpdate => StatusCode::NOT_FOUND,
            Self::Gone => StatusCode::GONE,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
            Self::PreconditionFailed | Self::SeveralMatch | Self::Unresolved(_) => StatusCode::PRECONDITION_FAILED,
            Self::Conflict | Self::InProgress => StatusCode::CONFLICT,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::UnsupportedMediaType | Self::NoPatch | Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Throttled | Self::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code under which the trail keeps the refusal; none where nothing was refused to somebody.
    pub fn audit_reason(&self) -> Option<&'static str> {
        match self {
            Self::Refused { reason, .. } => Some(reason),
            Self::Forbidden(_) => Some("scope"),
            Self::NotFound | Self::NothingToUpdate => Some("not-found"),
            Self::Gone => Some("deleted"),
            Self::PreconditionFailed | Self::SeveralMatch | Self::Unresolved(_) => Some("precondition-failed"),
            Self::PreconditionRequired => Some("precondition-required"),
            Self::Unprocessable(_) => Some("content"),
            Self::BadRequest(_) => Some("request"),
            Self::Conflict | Self::InProgress => Some("conflict"),
            Self::TooLarge(_) => Some("too-costly"),
            Self::MethodNotAllowed => Some("not-supported"),
            _ => None,
        }
    }

    /// The record that the refusal is about, where it is known.
    pub fn compartment(&self) -> Option<&str> {
        if let Self::Refused { record: Some(record), .. } = self { Some(&record.compartment) } else { None }
    }

    /// The issues of the OperationOutcome.
    pub fn issues(&self) -> Vec<Issue> {
        let one = |code, text: &str| vec![Issue::new(code, text)];
        match self {
            Self::Unauthenticated { expired: true } => {
                one("expired", "the access token has expired: ask for a new one")
            }
            Self::Unauthenticated { expired: false } => {
                one("login", "send a valid access token: Authorization: Bearer …")
            }
            Self::Forbidden(issue) | Self::Unresolved(issue) | Self::Refused { issue, .. } => vec![issue.clone()],
            Self::NotFound => one("not-found", "no such resource"),
            Self::NothingToUpdate => one(
                "not-found",
                "no such resource; an update creates none, for ids are the gateway's own: create it by POST",
            ),
            Self::Gone => one("deleted", "the resource was deleted"),
            Self::BadRequest(issues) | Self::Unprocessable(issues) => issues.clone(),
            Self::PreconditionRequired => one("required", "send If-Match with the version that you decided on"),
            Self::PreconditionFailed => one("conflict", "the resource has changed since the version in If-Match"),
            Self::SeveralMatch => one("multiple-matches", "several resources fulfil the criteria: ask for one"),
            Self::Conflict => one("conflict", "others wrote the same at this moment: read again and repeat"),
            Self::NotAcceptable => one("not-supported", "JSON alone is served, and no XML: application/fhir+json"),
            Self::UnsupportedMediaType => {
                one("not-supported", "JSON alone is taken, and no XML: Content-Type: application/fhir+json")
            }
            Self::NoPatch => one(
                "not-supported",
                "send a patch as application/json-patch+json, or as Parameters in application/fhir+json; no XML is taken",
            ),
            Self::Encoded => one("not-supported", "send the body as it is, without Content-Encoding"),
            Self::TooSlow => one("timeout", "the body did not arrive in time"),
            Self::MethodNotAllowed => one("not-supported", "this interaction is not offered here: see /fhir/metadata"),
            Self::TooLarge(details) => one("too-costly", details),
            Self::Throttled => one("throttled", "too many requests wait: repeat after the time in Retry-After"),
            Self::TooOften(_) => one("throttled", "too many requests: repeat after the time in Retry-After"),
            Self::InProgress => one("conflict", "a request with this Idempotency-Key is being worked on: repeat later"),
            Self::Unavailable | Self::Overloaded => {
                one("transient", "the gateway cannot answer now: repeat after the time in Retry-After")
            }
            Self::Internal(_) => one("exception", "the gateway failed; the request id leads to the cause in its log"),
        }
    }

    /// After how long the same request may be answered.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::TooOften(too_often) => Some(too_often.retry_after_seconds),
            Self::InProgress | Self::Overloaded => Some(1),
            Self::Throttled | Self::Unavailable => Some(2),
            _ => None,
        }
    }

    /// The OperationOutcome as text.
    pub fn outcome(&self) -> String {
        let severity = if self.status().is_server_error() { "fatal" } else { "error" };
        let issues: Vec<Value> = self.issues().iter().map(|issue| issue.to_value(severity)).collect();
        json!({"resourceType": "OperationOutcome", "issue": issues}).to_string()
    }

    /// The HTTP answer.
    pub fn into_response(self) -> Response<Body> {
        if let Self::Internal(cause) = &self {
            tracing::error!(cause, "the request failed");
        }
        let retry_after = self.retry_after_seconds();
        let mut response = Response::new(Body::from(self.outcome()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON));
        match self {
            Self::Unauthenticated { .. } => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::TooSlow => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Self::NoPatch => {
                headers.insert(
                    "accept-patch",
                    HeaderValue::from_static("application/json-patch+json, application/fhir+json"),
                );
            }
            Self::Encoded => {
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            _ => {}
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// The media type of every FHIR answer.
pub const FHIR_JSON: &str = "application/fhir+json;charset=utf-8";

/// An OperationOutcome that warns of something in an answer that is good otherwise.
pub fn warnings(issues: &[Issue]) -> String {
    let issues: Vec<Value> = issues.iter().map(|issue| issue.to_value("warning")).collect();
    json!({"resourceType": "OperationOutcome", "issue": issues}).to_string()
}

/// An OperationOutcome that says what went well.
pub fn information(details: &str) -> String {
    json!({"resourceType": "OperationOutcome",
        "issue": [{"severity": "information", "code": "informational", "details": {"text": details}}]})
    .to_string()
}
