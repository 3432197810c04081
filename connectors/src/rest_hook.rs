//! The address of a subscriber, which is told by POST.
//!
//! <https://hl7.org/fhir/R4/subscription.html#channels>. Whoever subscribes chose the address, so the client must be a guarded one. What is
//! answered is looked at no further than its status. What comes twice under our reference is the subscriber's to know, by the header
//! and the number of the event, so what is uncertain is sent again.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::delivery::{Boxed, Cause, Connector, Inquiry, Message, Outcome, accepted};
use crate::http::{HttpClient, HttpError};

/// Our reference, the same at every attempt.
pub const REFERENCE_HEADER: &str = "wellgate-delivery";
/// When it was signed: seconds of Unix time.
pub const TIMESTAMP_HEADER: &str = "wellgate-timestamp";
/// HMAC-SHA256, in hexadecimal digits.
pub const SIGNATURE_HEADER: &str = "wellgate-signature";

/// Nothing of an answer is needed but its status.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const TIMEOUT: Duration = Duration::from_secs(10);
const FHIR_JSON: &str = "application/fhir+json";

/// Tells subscribers.
#[derive(Clone, Debug)]
pub struct RestHook {
    client: HttpClient,
}

impl RestHook {
    /// By a client that is guarded.
    pub fn new(client: HttpClient) -> Self {
        Self { client }
    }

    async fn post(&self, message: &Message) -> Outcome {
        let text = |member: &str| message.body.get(member).and_then(Value::as_str).unwrap_or_default();
        let request = self.client.request(Method::POST, text("endpoint")).timeout(TIMEOUT);
        let request = request
            .header(CONTENT_TYPE, FHIR_JSON)
            .header(REFERENCE_HEADER, &message.reference)
            .header(TIMESTAMP_HEADER, text("timestamp"))
            .header(SIGNATURE_HEADER, text("signature"))
            .body(text("bundle").to_owned());
        match self.client.send(request, ANSWER_BYTES_MAX).await {
            // It went on talking after its status, which was not kept.
            Err(HttpError::TooLong(_)) => Outcome::Uncertain(Cause::new("answer-too-long", "the answer is too long")),
            answer => match accepted(answer) {
                Ok(_) => Outcome::Delivered(Value::Null),
                Err(outcome) => mendable(outcome),
            },
        }
    }
}

/// Most of what a subscriber refuses it does by mistake: a path that is gone for the time of an update, a redirect. Only `410 Gone`
/// means that nobody is there any more, and where the guard says no, it says so the next time too.
fn mendable(outcome: Outcome) -> Outcome {
    let gone = format!("status-{}", StatusCode::GONE.as_u16());
    match outcome {
        Outcome::Rejected(cause) if cause.code.starts_with("status-") && cause.code != gone => {
            Outcome::Retry(cause, None)
        }
        other => other,
    }
}

impl Connector for RestHook {
    fn is_idempotent(&self) -> bool {
        true
    }

    fn send<'a>(&'a self, message: &'a Message) -> Boxed<'a, Outcome> {
        Box::pin(self.post(message))
    }

    fn inquire<'a>(&'a self, _reference: &'a str) -> Boxed<'a, Inquiry> {
        Box::pin(async { Inquiry::Impossible })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::guard::Guard;
    use crate::http::canned::Canned;

    fn message(endpoint: &str) -> Message {
        let body = json!({"endpoint": endpoint, "timestamp": "1772366400", "signature": "00ff", "bundle": "{}"});
        Message { reference: "d-1".to_owned(), kind: "status".to_owned(), body }
    }

    async fn sent(guard: Guard, answer: &str) -> (String, usize) {
        let canned = Canned::start(&[answer]);
        let hook = RestHook::new(HttpClient::guarded(guard).expect("a client can be built"));
        let told = match hook.send(&message(&canned.url)).await {
            Outcome::Delivered(_) => "delivered".to_owned(),
            Outcome::Retry(cause, _) => format!("retry {}", cause.code),
            Outcome::Rejected(cause) => format!("rejected {}", cause.code),
            Outcome::Uncertain(cause) => format!("uncertain {}", cause.code),
        };
        (told, canned.requests())
    }

    #[tokio::test]
    async fn only_a_success_counts_and_no_redirect_is_followed() {
        let elsewhere = Canned::start(&["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]);
        let redirect = format!("HTTP/1.1 307 Elsewhere\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url);
        let plain = |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(ANSWER_BYTES_MAX + 1));
        for (answer, expected) in [
            (plain("200 OK"), "delivered"),
            (plain("202 Accepted"), "delivered"),
            (plain("204 No Content"), "delivered"),
            (redirect, "retry status-307"),
            (plain("401 Unauthorized"), "retry status-401"),
            (plain("404 Not Found"), "retry status-404"),
            (plain("410 Gone"), "rejected status-410"),
            (plain("500 Oops"), "uncertain status-500"),
            (plain("503 Away"), "retry status-503"),
            (endless, "uncertain answer-too-long"),
        ] {
            let (told, _) = sent(Guard::new(&[], &[], true), &answer).await;
            assert_eq!(told, expected, "{answer:.40}");
        }
        assert_eq!(elsewhere.requests(), 0);
    }

    #[tokio::test]
    async fn attack_49_a_subscribers_address_in_our_own_network_is_not_asked() {
        let (told, requests) = sent(Guard::default(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!((told.as_str(), requests), ("rejected address-refused", 0));
    }
}
