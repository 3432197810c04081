//! What every connector does with one delivery, and what can come of it.
//!
//! A connector sends once and says what it knows; when to try again, and whether a Consent still allows it, is decided in the gateway.
//! Whatever a partner answers is hostile input: only what is understood counts as accepted.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use serde_json::Value;

use crate::http::{Answer, HttpError};

/// No partner makes us wait longer than this before the next attempt, whatever it asks.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// The future of a connector behind a pointer.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One message to one partner.
#[derive(Clone)]
pub struct Message {
    /// Our reference: the same at every attempt of a delivery, unique among all, 1 to 64 letters, digits and `-`.
    pub reference: String,
    /// What is told, as the queue names it.
    pub kind: String,
    /// What is sent; its shape is the connector's.
    pub body: Value,
}

/// Without what is sent: that may be a number or a dossier.
impl std::fmt::Debug for Message {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { reference, kind, body: _ } = self;
        formatter.debug_struct("Message").field("reference", reference).field("kind", kind).finish_non_exhaustive()
    }
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The partner has it, and said so in a way that is understood. What it answered, `Null` where nothing counts.
    Delivered(Value),
    /// The partner does not have it, and may take it later; not before so long, where it said so.
    Retry(Cause, Option<Duration>),
    /// The partner does not have it and will not take it as it is.
    Rejected(Cause),
    /// The partner may have it: asked by our reference before anything is sent again.
    Uncertain(Cause),
}

impl Outcome {
    /// What it is called, and the code of its cause: empty where it was delivered.
    pub fn codes(&self) -> (&'static str, &str) {
        match self {
            Self::Delivered(_) => ("delivered", ""),
            Self::Retry(cause, _) => ("retry", &cause.code),
            Self::Rejected(cause) => ("rejected", &cause.code),
            Self::Uncertain(cause) => ("uncertain", &cause.code),
        }
    }
}

/// What an inquiry by our reference told.
#[derive(Clone, Debug, PartialEq)]
pub enum Inquiry {
    /// The partner has it; what it answered.
    Has(Value),
    /// The partner does not have it: it may be sent again.
    HasNot,
    /// The partner has it and refused it.
    Refused(Cause),
    /// The partner does not say; it is asked again, not before so long where it said so.
    Unanswered(Cause, Option<Duration>),
    /// There is no way to ask this partner: a person has to.
    Impossible,
}

/// Why something did not go as it should: a stable code and plain words. Neither holds anything of a patient, nor of what was
/// answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Such as `timed-out` or `status-503`.
    pub code: String,
    /// One sentence for an operator.
    pub text: String,
}

impl Cause {
    /// A cause with its words.
    pub fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code: code.into(), text: text.into() }
    }
}

/// Speaks to one partner.
pub trait Connector: Send + Sync {
    /// Whether sending the same reference twice has the effect of sending it once: then what is uncertain may be sent again where
    /// the partner cannot be asked.
    fn is_idempotent(&self) -> bool;

    /// Sends a message once.
    fn send<'a>(&'a self, message: &'a Message) -> Boxed<'a, Outcome>;

    /// Asks whether the partner has what was sent under a reference.
    fn inquire<'a>(&'a self, reference: &'a str) -> Boxed<'a, Inquiry>;
}

/// What an answer of HTTP says before its body is read: the answer where its status is one of success, else what came of the attempt.
///
/// # Errors
/// The outcome that is not a success. A server error other than 503 leaves it open whether the partner has the message.
pub fn accepted(answer: Result<Answer, HttpError>) -> Result<Answer, Outcome> {
    let answer = answer.map_err(|error| match &error {
        HttpError::NotSendable(_) => Outcome::Rejected(Cause::new("not-sendable", error.to_string())),
        HttpError::Refused(_) => Outcome::Rejected(Cause::new("address-refused", error.to_string())),
        HttpError::Redirected => Outcome::Rejected(Cause::new("redirected", error.to_string())),
        HttpError::Unreachable(_) => Outcome::Retry(Cause::new("unreachable", error.to_string()), None),
        // An operator or the token endpoint mends it, and nothing is lost meanwhile.
        HttpError::NoToken(_) => Outcome::Retry(Cause::new("no-token", error.to_string()), None),
        HttpError::TimedOut => Outcome::Uncertain(Cause::new("timed-out", error.to_string())),
        HttpError::Broken(_) => Outcome::Uncertain(Cause::new("broken", error.to_string())),
        HttpError::TooLong(_) => Outcome::Uncertain(Cause::new("answer-too-long", error.to_string())),
    })?;
    let status = answer.status;
    if status.is_success() {
        return Ok(answer);
    }
    let cause = Cause::new(format!("status-{}", status.as_u16()), format!("the partner answered {status}"));
    Err(match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Outcome::Retry(cause, retry_after(&answer)),
        // Our credentials are at fault, or the time of a clock: an operator mends it, and nothing is lost meanwhile.
        StatusCode::UNAUTHORIZED | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => Outcome::Retry(cause, None),
        status if status.is_server_error() => Outcome::Uncertain(cause),
        _ => Outcome::Rejected(cause),
    })
}

/// `Retry-After` in seconds; a date is not read, for it rests on the partner's clock.
fn retry_after(answer: &Answer) -> Option<Duration> {
    let text = answer.headers.get(RETRY_AFTER)?.to_str().ok()?;
    let seconds: u64 = text.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue};

    use super::*;

    fn answer(status: u16, retry_after: Option<&'static str>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
        }
        let status = StatusCode::from_u16(status).expect("it is a status");
        Answer { status, headers, body: b"secret of a patient".to_vec() }
    }

    fn outcome(answer: Result<Answer, HttpError>) -> &'static str {
        match accepted(answer) {
            Ok(_) => "accepted",
            Err(Outcome::Retry(..)) => "retry",
            Err(Outcome::Rejected(_)) => "rejected",
            Err(Outcome::Uncertain(_)) => "uncertain",
            Err(Outcome::Delivered(_)) => "delivered",
        }
    }

    #[test]
    fn only_what_cannot_have_arrived_is_sent_again_unasked() {
        for (status, expected) in [
            (200, "accepted"),
            (202, "accepted"),
            (301, "rejected"),
            (400, "rejected"),
            (401, "retry"),
            (404, "rejected"),
            (408, "retry"),
            (422, "rejected"),
            (429, "retry"),
            (500, "uncertain"),
            (502, "uncertain"),
            (503, "retry"),
            (504, "uncertain"),
        ] {
            assert_eq!(outcome(Ok(answer(status, None))), expected, "{status}");
        }
        assert_eq!(outcome(Err(HttpError::Unreachable(String::new()))), "retry");
        assert_eq!(outcome(Err(HttpError::NoToken(String::new()))), "retry");
        assert_eq!(outcome(Err(HttpError::TimedOut)), "uncertain");
        assert_eq!(outcome(Err(HttpError::Broken(String::new()))), "uncertain");
        assert_eq!(outcome(Err(HttpError::TooLong(1))), "uncertain");
        assert_eq!(outcome(Err(HttpError::Redirected)), "rejected");
    }

    #[test]
    fn a_partner_may_ask_us_to_wait_for_a_day_at_most() {
        let wait = |text| match accepted(Ok(answer(503, Some(text)))) {
            Err(Outcome::Retry(_, wait)) => wait,
            _ => None,
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("99999999999"), Some(RETRY_AFTER_MAX));
        for nonsense in ["-1", "soon", "Fri, 01 Jan 2100 00:00:00 GMT", "1.5"] {
            assert_eq!(wait(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_message_is_not_printed_with_what_it_says() {
        let body = Value::String("secret of a patient".to_owned());
        let message = Message { reference: "d-1".to_owned(), kind: "dossier".to_owned(), body };
        let printed = format!("{message:?}");
        assert!(printed.contains("d-1") && !printed.contains("secret"), "{printed}");
    }

    #[test]
    fn a_cause_does_not_repeat_the_answer() {
        let Err(outcome) = accepted(Ok(answer(400, None))) else { panic!("400 is no success") };
        assert!(!format!("{outcome:?}").contains("secret"), "{outcome:?}");
    }
}
