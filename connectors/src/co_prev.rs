//! Co-prev: which prevention service is behind somebody's employer.
//!
//! A lookup changes nothing there, so whatever is unclear about one is asked once more. The national number stands in the body of the request and nowhere
//! else: not in an address, a log line or an error. What an answer has to be, `mappings::co_prev` says.

use std::time::Duration;

use mappings::co_prev::{Asker, Lookup, Question, problem_code};
use mappings::json::{self, Limits};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};

use crate::delivery::{Boxed, Cause, Connector, Inquiry, Message, Outcome, accepted};
use crate::http::{Answer, HttpClient};

/// Fifty employments take a tenth of it.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
const LIMITS: Limits = Limits { depth_max: 10, values_max: 5_000 };

/// Asks Co-prev.
#[derive(Clone, Debug)]
pub struct CoPrev {
    http: HttpClient,
    url: String,
    asker: Asker,
    timeout: Duration,
}

impl CoPrev {
    /// A connector to the interface at `base_url`, such as `https://co-prev.example/co-prev/v1`. An answer that takes longer than `timeout`, with its
    /// body, is none.
    pub fn new(http: HttpClient, base_url: &str, asker: Asker, timeout: Duration) -> Self {
        Self { http, url: format!("{}/employer-lookup", base_url.trim_end_matches('/')), asker, timeout }
    }

    /// Asks one question under our reference.
    ///
    /// # Errors
    /// What came of it instead of an answer: [`Outcome::Retry`] or [`Outcome::Rejected`], and nothing else.
    pub async fn look_up(&self, reference: &str, question: &Question) -> Result<Lookup, Outcome> {
        let body = question.to_request(reference, &self.asker).to_string();
        let request = self
            .http
            .request(Method::POST, &self.url)
            .timeout(self.timeout)
            .header(ACCEPT, "application/json, application/problem+json")
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        let answer = self.http.send(request, ANSWER_BYTES_MAX).await;
        let code = answer.as_ref().ok().filter(|answer| !answer.status.is_success());
        let code = code.and_then(|answer| problem_code(&answer.body));
        let answer = accepted(answer).map_err(|outcome| harmless(outcome, code))?;
        read(reference, question, &answer).map_err(|cause| Outcome::Retry(cause, None))
    }
}

impl Connector for CoPrev {
    fn is_idempotent(&self) -> bool {
        true
    }

    fn send<'a>(&'a self, message: &'a Message) -> Boxed<'a, Outcome> {
        Box::pin(async move {
            let Some(question) = Question::from_value(&message.body) else {
                return Outcome::Rejected(Cause::new("no-question", "what is to be sent is no question to Co-prev"));
            };
            match self.look_up(&message.reference, &question).await {
                Ok(lookup) => Outcome::Delivered(lookup.to_value()),
                Err(outcome) => outcome,
            }
        })
    }

    fn inquire<'a>(&'a self, _reference: &'a str) -> Boxed<'a, Inquiry> {
        // There is nothing to ask about: a lookup is asked again.
        Box::pin(async { Inquiry::Impossible })
    }
}

/// An outcome of a question: whether it arrived does not matter where nothing came of it. The partner's code says more than its status.
fn harmless(outcome: Outcome, code: Option<String>) -> Outcome {
    let named = |cause: Cause| Cause { code: code.unwrap_or(cause.code), ..cause };
    match outcome {
        Outcome::Uncertain(cause) => Outcome::Retry(named(cause), None),
        Outcome::Retry(cause, wait) => Outcome::Retry(named(cause), wait),
        Outcome::Rejected(cause) => Outcome::Rejected(named(cause)),
        delivered @ Outcome::Delivered(_) => delivered,
    }
}

/// Reads an answer. One that is wrong is no answer, and says nothing about the person: neither employed nor not.
fn read(reference: &str, question: &Question, answer: &Answer) -> Result<Lookup, Cause> {
    let is_json = answer.headers.get(CONTENT_TYPE).is_some_and(is_json);
    let parsed = if is_json { json::parse(&answer.body, LIMITS).ok() } else { None };
    let parsed =
        parsed.ok_or_else(|| Cause::new("unreadable", "the partner's answer is not the JSON that was asked for"))?;
    question.read(reference, &parsed).map_err(|error| Cause::new("answer-refused", error.to_string()))
}

fn is_json(media_type: &HeaderValue) -> bool {
    let essence = media_type.to_str().ok().and_then(|text| text.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use mappings::identifiers::{Cbe, Ssin};
    use serde_json::{Value, json};

    use super::*;
    use crate::http::canned::Canned;

    const SSIN: &str = "90010199992";

    fn asker() -> Asker {
        Asker { legal_basis: "IVC-1".to_owned(), cbe: Cbe::parse("0000000196").expect("a number") }
    }

    fn connector(url: &str) -> CoPrev {
        CoPrev::new(HttpClient::new().expect("a client"), url, asker(), Duration::from_secs(20))
    }

    fn message() -> Message {
        let ssin = Ssin::parse(SSIN).expect("a number");
        let question = Question { ssin, reference_date: "2026-03-01".to_owned(), purpose: "reintegration".to_owned() };
        Message { reference: "d-1".to_owned(), kind: "employer-lookup".to_owned(), body: question.to_value() }
    }

    fn right() -> Value {
        json!({"lookupId": "d-1", "ssin": SSIN, "asOf": "2026-03-01", "employments": [], "warnings": []})
    }

    fn answer(status: &str, media_type: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    async fn outcome(canned: &str) -> Outcome {
        let partner = Canned::start(&[canned]);
        let outcome = connector(&partner.url).send(&message()).await;
        assert!(!format!("{outcome:?}").contains(SSIN), "{outcome:?}");
        outcome
    }

    #[tokio::test]
    async fn a_national_number_is_in_the_body_only() {
        let partner = Canned::start(&[&answer("200 OK", "application/json", &right().to_string())]);
        let connector = connector(&partner.url);
        let delivered = connector.send(&message()).await;
        assert_eq!(delivered.codes().0, "delivered");
        assert!(!format!("{delivered:?} {connector:?}").contains(SSIN));
        let requests = partner.heard();
        let (head, body) = requests[0].split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("POST /employer-lookup HTTP/1.1\r\n") && !head.contains(SSIN), "{head}");
        let body: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(
            (&body["ssin"], &body["lookupId"], &body["legalBasis"]),
            (&json!(SSIN), &json!("d-1"), &json!("IVC-1"))
        );
    }

    #[tokio::test]
    async fn a_refusal_is_told_by_the_partners_code_and_only_what_may_pass_is_tried_again() {
        for (status, body, expected) in [
            ("400 Bad Request", r#"{"code": "coprev.request.malformed"}"#, ("rejected", "coprev.request.malformed")),
            ("422 Unprocessable", r#"{"code": "coprev.ssin.invalid"}"#, ("rejected", "coprev.ssin.invalid")),
            ("403 Forbidden", r#"{"code": "coprev.purpose.denied"}"#, ("rejected", "coprev.purpose.denied")),
            ("403 Forbidden", r#"{"code": "90010199992", "detail": "90010199992"}"#, ("rejected", "status-403")),
            ("401 Unauthorized", "", ("retry", "status-401")),
            ("429 Too Many", "", ("retry", "status-429")),
            ("500 Oh", "<html>", ("retry", "status-500")),
            ("502 Bad Gateway", "", ("retry", "status-502")),
            ("504 Timeout", r#"{"code": "coprev.upstream.timeout"}"#, ("retry", "coprev.upstream.timeout")),
        ] {
            let outcome = outcome(&answer(status, "application/problem+json", body)).await;
            assert_eq!(outcome.codes(), expected, "{status}");
        }
        let busy = "HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n";
        let Outcome::Retry(_, wait) = outcome(busy).await else { panic!("503 is tried again") };
        assert_eq!(wait, Some(Duration::from_secs(7)));
    }

    #[tokio::test]
    async fn an_answer_that_is_not_understood_is_no_answer() {
        let with = |member: &str, value: Value| {
            let mut answer = right();
            answer[member] = value;
            answer.to_string()
        };
        let twice = right().to_string().replacen('{', "{\"ssin\": \"90010299962\", ", 1);
        let deep =
            with("warnings", serde_json::from_str(&format!("{}{}", "[".repeat(20), "]".repeat(20))).expect("JSON"));
        for (media_type, body, expected) in [
            ("text/html", right().to_string(), "unreadable"),
            ("application/json", String::new(), "unreadable"),
            ("application/json", "<html>".to_owned(), "unreadable"),
            ("application/json", "[]".to_owned(), "unreadable"),
            ("application/json", twice, "unreadable"),
            ("application/json", deep, "unreadable"),
            ("application/json", "{\"status\": \"rejected\"}".to_owned(), "answer-refused"),
            ("application/json", with("ssin", json!("90010299962")), "answer-refused"),
            ("application/json", with("lookupId", json!("d-0")), "answer-refused"),
        ] {
            assert_eq!(outcome(&answer("200 OK", media_type, &body)).await.codes(), ("retry", expected), "{body}");
        }
    }

    #[tokio::test]
    async fn an_answer_of_two_gigabytes_or_without_an_end_is_not_read() {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
        let long = " ".repeat(ANSWER_BYTES_MAX + 1);
        let huge = format!("{head}content-length: 2147483648\r\n\r\n{long}");
        let endless = format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n", long.len());
        for canned in [huge, endless] {
            assert_eq!(outcome(&canned).await.codes(), ("retry", "answer-too-long"));
        }
    }

    #[tokio::test]
    async fn a_line_that_is_cut_and_nobody_who_listens_are_tried_again() {
        assert_eq!(outcome("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{").await.codes(), ("retry", "broken"));
        assert_eq!(outcome("").await.codes(), ("retry", "broken"));
        let unheard = connector("http://127.0.0.1:1").send(&message()).await;
        assert_eq!(unheard.codes(), ("retry", "unreachable"));
    }

    #[tokio::test]
    async fn what_is_no_question_is_not_sent() {
        let partner = Canned::start(&[""]);
        let wrong = Message { body: json!({"ssin": "1"}), ..message() };
        assert_eq!(connector(&partner.url).send(&wrong).await.codes(), ("rejected", "no-question"));
        assert_eq!(partner.requests(), 0);
    }
}
