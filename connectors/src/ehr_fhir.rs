//! An organisation's own FHIR server, to which what it may see is sent as a message.
//!
//! <https://hl7.org/fhir/R4/messaging.html>: `POST [base]/$process-message`. Whether a message arrived is asked by the identifier of its
//! Bundle. FHIR leaves it open what a receiver does with a message that comes twice, so nothing is sent twice unasked.

use std::time::Duration;

use mappings::message::{DELIVERY_SYSTEM, Reply, read_found, read_reply};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::delivery::{Boxed, Cause, Connector, Inquiry, Message, Outcome, accepted};
use crate::http::HttpClient;

/// What a receiver answers is a header and an outcome; a search shows one message.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(30);
const FHIR_JSON: &str = "application/fhir+json";

/// One organisation's FHIR server.
#[derive(Clone, Debug)]
pub struct EhrFhir {
    client: HttpClient,
    base_url: String,
}

impl EhrFhir {
    /// The server at a base URL, without a slash at its end.
    pub fn new(client: HttpClient, base_url: impl Into<String>) -> Self {
        Self { client, base_url: base_url.into() }
    }

    async fn post(&self, message: &Message) -> Outcome {
        let Value::String(bundle) = &message.body else {
            return Outcome::Rejected(Cause::new("not-sendable", "the message is no text"));
        };
        let request = self.client.request(Method::POST, &format!("{}/$process-message", self.base_url));
        let request = request.header(CONTENT_TYPE, FHIR_JSON).header(ACCEPT, FHIR_JSON).timeout(TIMEOUT);
        let answer = match accepted(self.client.send(request.body(bundle.clone()), ANSWER_BYTES_MAX).await) {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        if answer.body.is_empty() && matches!(answer.status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            return Outcome::Delivered(Value::Null);
        }
        let not_understood = |text| Outcome::Uncertain(Cause::new("answer-not-understood", text));
        match read_reply(&answer.body, &message.reference) {
            Reply::Ok => Outcome::Delivered(Value::Null),
            Reply::TransientError => {
                Outcome::Retry(Cause::new("transient-error", "the receiver may take the message later"), None)
            }
            Reply::FatalError => Outcome::Rejected(Cause::new("fatal-error", "the receiver does not take the message")),
            Reply::ForAnother => {
                Outcome::Uncertain(Cause::new("answer-for-another", "the answer is to another message"))
            }
            Reply::NotUnderstood => not_understood("the answer is no answer to a message"),
        }
    }

    async fn ask(&self, reference: &str) -> Inquiry {
        let request = self.client.request(Method::GET, &format!("{}/Bundle", self.base_url));
        let request = request.query(&[("identifier", format!("{DELIVERY_SYSTEM}|{reference}"))]);
        let request = request.header(ACCEPT, FHIR_JSON).timeout(TIMEOUT);
        let answer = match accepted(self.client.send(request, ANSWER_BYTES_MAX).await) {
            Ok(answer) => answer,
            // A server that keeps no messages says so in one of these ways.
            Err(Outcome::Rejected(cause) | Outcome::Uncertain(cause))
                if matches!(cause.code.as_str(), "status-404" | "status-405" | "status-501") =>
            {
                return Inquiry::Impossible;
            }
            Err(Outcome::Retry(cause, wait)) => return Inquiry::Unanswered(cause, wait),
            Err(Outcome::Rejected(cause) | Outcome::Uncertain(cause)) => return Inquiry::Unanswered(cause, None),
            Err(Outcome::Delivered(_)) => return Inquiry::Impossible,
        };
        match read_found(&answer.body, reference) {
            Some(true) => Inquiry::Has(Value::Null),
            Some(false) => Inquiry::HasNot,
            None => {
                Inquiry::Unanswered(Cause::new("answer-not-understood", "the answer is no search for a message"), None)
            }
        }
    }
}

impl Connector for EhrFhir {
    fn is_idempotent(&self) -> bool {
        false
    }

    fn send<'a>(&'a self, message: &'a Message) -> Boxed<'a, Outcome> {
        Box::pin(self.post(message))
    }

    fn inquire<'a>(&'a self, reference: &'a str) -> Boxed<'a, Inquiry> {
        Box::pin(self.ask(reference))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::canned::Canned;

    const REFERENCE: &str = "0199c0de-0000-7000-8000-000000000001";

    fn http(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    fn reply(code: &str, identifier: &str) -> String {
        let header =
            format!(r#"{{"resourceType":"MessageHeader","response":{{"identifier":"{identifier}","code":"{code}"}}}}"#);
        format!(r#"{{"resourceType":"Bundle","type":"message","entry":[{{"resource":{header}}}]}}"#)
    }

    fn server(canned: &Canned) -> EhrFhir {
        let base_url = canned.url.trim_end_matches('/').to_owned();
        EhrFhir::new(HttpClient::new().expect("a client can be built"), base_url)
    }

    async fn sent(answer: &str) -> Outcome {
        let canned = Canned::start(&[answer]);
        let body = Value::String("{}".to_owned());
        let message = Message { reference: REFERENCE.to_owned(), kind: "status".to_owned(), body };
        server(&canned).send(&message).await
    }

    #[tokio::test]
    async fn case_5_only_an_answer_to_our_message_counts_as_delivered() {
        for (answer, expected) in [
            (http("200 OK", &reply("ok", REFERENCE)), ("delivered", "")),
            (http("202 Accepted", ""), ("delivered", "")),
            (http("204 No Content", ""), ("delivered", "")),
            (http("200 OK", ""), ("uncertain", "answer-not-understood")),
            (http("200 OK", "<html>fine</html>"), ("uncertain", "answer-not-understood")),
            (http("200 OK", &reply("ok", REFERENCE)[..40]), ("uncertain", "answer-not-understood")),
            (http("200 OK", &reply("ok", "another")), ("uncertain", "answer-for-another")),
            (http("200 OK", &reply("transient-error", REFERENCE)), ("retry", "transient-error")),
            (http("200 OK", &reply("fatal-error", REFERENCE)), ("rejected", "fatal-error")),
            (http("422 Unprocessable Content", "{}"), ("rejected", "status-422")),
            (http("500 Internal Server Error", ""), ("uncertain", "status-500")),
            (http("503 Service Unavailable", ""), ("retry", "status-503")),
            ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned(), ("uncertain", "broken")),
        ] {
            let outcome = sent(&answer).await;
            assert_eq!(outcome.codes(), expected, "{answer}");
        }
    }

    #[tokio::test]
    async fn a_server_is_asked_by_our_reference() {
        let found = format!(
            r#"{{"resourceType":"Bundle","type":"searchset","total":1,"entry":[{{"resource":{{"resourceType":"Bundle","identifier":{{"system":"{DELIVERY_SYSTEM}","value":"{REFERENCE}"}}}}}}]}}"#
        );
        let none = r#"{"resourceType":"Bundle","type":"searchset","total":0}"#;
        for (answer, expected) in [
            (http("200 OK", &found), "has"),
            (http("200 OK", none), "has not"),
            (http("200 OK", "<html>"), "unanswered"),
            (http("503 Service Unavailable", ""), "unanswered"),
            (http("500 Internal Server Error", ""), "unanswered"),
            (http("404 Not Found", ""), "impossible"),
            (http("405 Method Not Allowed", ""), "impossible"),
            (http("501 Not Implemented", ""), "impossible"),
            (http("403 Forbidden", ""), "unanswered"),
        ] {
            let canned = Canned::start(&[&answer]);
            let told = match server(&canned).inquire(REFERENCE).await {
                Inquiry::Has(_) => "has",
                Inquiry::HasNot => "has not",
                Inquiry::Refused(_) => "refused",
                Inquiry::Unanswered(..) => "unanswered",
                Inquiry::Impossible => "impossible",
            };
            assert_eq!(told, expected, "{answer}");
        }
    }
}
