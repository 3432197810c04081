//! What the connector makes of the answers of a register, honest and not.

use super::*;
use crate::http::canned::Canned;

const REFERENCE: &str = "d-1";

fn answer(status: &str, body: &str) -> String {
    typed(status, "application/json", body)
}

fn typed(status: &str, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn connector(register: &Canned, organizations: &[&str]) -> SciensanoTdi {
    let settings = Settings {
        base_url: format!("{}proxy/", register.url),
        organizations: organizations.iter().map(|id| (*id).to_owned()).collect(),
        data_collection_id: "tdi".to_owned(),
        data_collection_version: "3".to_owned(),
        source_type: "api".to_owned(),
    };
    SciensanoTdi::new(HttpClient::new().expect("a client can be built"), settings)
}

fn message() -> Message {
    let submission = json!({"reference": REFERENCE, "STATUS": "submit", "payload": {"SEX": 602}});
    let body = json!({"organizationId": "1001", "submission": submission});
    Message { reference: REFERENCE.to_owned(), kind: "treatment-demand".to_owned(), body }
}

async fn sent(answers: &str) -> Outcome {
    connector(&Canned::start(&[answers]), &["1001"]).send(&message()).await
}

async fn asked(answers: &str) -> Inquiry {
    connector(&Canned::start(&[answers]), &["1001"]).inquire(REFERENCE).await
}

fn state(outcome: &Outcome) -> (&'static str, &str) {
    match outcome {
        Outcome::Delivered(_) => ("delivered", ""),
        Outcome::Retry(cause, _) => ("retry", &cause.code),
        Outcome::Rejected(cause) => ("rejected", &cause.code),
        Outcome::Uncertain(cause) => ("uncertain", &cause.code),
    }
}

fn told_state(inquiry: &Inquiry) -> (&'static str, &str) {
    match inquiry {
        Inquiry::Has(_) => ("has", ""),
        Inquiry::HasNot => ("has not", ""),
        Inquiry::Refused(cause) => ("refused", &cause.code),
        Inquiry::Unanswered(cause, _) => ("unanswered", &cause.code),
        Inquiry::Impossible => ("impossible", ""),
    }
}

#[tokio::test]
async fn a_submission_goes_where_the_interface_says_and_its_key_comes_back() {
    let register =
        Canned::start(&[&answer("202 Accepted", r#"{"reference":"d-1","businessKey":"BK-7","status":"RECEIVED"}"#)]);
    let outcome = connector(&register, &["1001"]).send(&message()).await;
    assert_eq!(outcome, Outcome::Delivered(json!({"businessKey": "BK-7"})));
    let received = register.heard();
    let (head, body) = received[0].split_once("\r\n\r\n").expect("a request has a body");
    let line = "POST /proxy/api/dcd/payload/submit?organization-id=1001&dcd-id=tdi&dcd-version-id=3&data-src-type=api HTTP/1.1";
    assert_eq!(head.lines().next(), Some(line));
    assert_eq!(serde_json::from_str::<Value>(body).ok(), Some(message().body["submission"].clone()));
}

#[tokio::test]
async fn only_an_answer_with_our_reference_and_a_key_counts_as_accepted() {
    for (body, code) in [
        (r#"{"reference":"d-2","businessKey":"BK-7"}"#, "wrong-reference"),
        (r#"{"businessKey":"BK-7"}"#, "wrong-reference"),
        (r#"{"reference":"d-1","businessKey":""}"#, "answer-not-understood"),
        (r#"{"reference":"d-1"}"#, "answer-not-understood"),
        (r#"{"reference":"d-1","businessKey":"BK 7"}"#, "answer-not-understood"),
        (r#"{"reference":"d-1","businessKey":"BK-7","status":"DRAFT"}"#, "answer-not-understood"),
        (r#"{"reference":"d-1","businessKey":"BK-7"#, "answer-not-understood"),
        (r#"{"reference":"d-2","reference":"d-1","businessKey":"BK-7"}"#, "answer-not-understood"),
        ("<html>accepted</html>", "answer-not-understood"),
        ("", "answer-not-understood"),
        (r#"["d-1"]"#, "answer-not-understood"),
    ] {
        let outcome = sent(&answer("202 Accepted", body)).await;
        assert_eq!(state(&outcome), ("uncertain", code), "{body}");
    }
    let as_text = typed("202 Accepted", "text/html", r#"{"reference":"d-1","businessKey":"BK-7"}"#);
    assert_eq!(state(&sent(&as_text).await), ("uncertain", "answer-not-understood"));
}

#[tokio::test]
async fn attack_50_an_answer_without_end_is_cut_off_and_asked_about() {
    let long =
        format!("HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\n\r\n{}", " ".repeat(ANSWER_BYTES_MAX + 1));
    assert_eq!(state(&sent(&long).await), ("uncertain", "answer-too-long"));
    assert_eq!(told_state(&asked(&long).await), ("unanswered", "answer-too-long"));
}

#[tokio::test]
async fn a_refusal_tells_the_codes_of_the_register() {
    let errors = r#"{"reference":"d-1","businessKey":"BK-7","status":"REJECTED","errors":
        [{"field":"payload.SEX","code":"value.invalid"},{"field":"payload.list[0]","code":"value.missing"}]}"#;
    for status in ["202 Accepted", "400 Bad Request", "422 Unprocessable Entity"] {
        let Outcome::Rejected(cause) = sent(&answer(status, errors)).await else { panic!("{status} is refused") };
        assert_eq!(cause.code, "value.invalid");
        assert_eq!(
            cause.text,
            "the register refused the submission: payload.SEX: value.invalid, payload.list[0]: value.missing"
        );
    }
    let problem = typed("403 Forbidden", "application/problem+json", r#"{"code":"hd4dp.organization.unknown"}"#);
    assert_eq!(state(&sent(&problem).await), ("rejected", "hd4dp.organization.unknown"));
    assert_eq!(state(&sent(&answer("400 Bad Request", "{}")).await), ("rejected", "status-400"));
    let without = answer("202 Accepted", r#"{"reference":"d-1","status":"REJECTED"}"#);
    assert_eq!(state(&sent(&without).await), ("rejected", "rejected"));
}

#[tokio::test]
async fn attack_50_what_a_register_says_of_a_person_is_not_repeated() {
    for error in [
        r#"{"field":"payload.SEX","code":"85073003328"}"#,
        r#"{"field":"payload.SEX","code":"An Voorbeeld"}"#,
        r#"{"field":"85073003328","code":"value.invalid"}"#,
        r#"{"field":"<script>","code":"value.invalid","message":"An Voorbeeld 85073003328"}"#,
    ] {
        let outcome = sent(&answer("422 Unprocessable Entity", &format!(r#"{{"errors":[{error}]}}"#))).await;
        let shown = format!("{outcome:?}");
        assert_eq!(state(&outcome).0, "rejected");
        assert!(!shown.contains("85073003328") && !shown.contains("Voorbeeld") && !shown.contains("script"), "{shown}");
    }
    let many: Vec<&str> = vec![r#"{"code":"value.invalid"}"#; 1_000];
    let Outcome::Rejected(cause) =
        sent(&answer("422 Unprocessable Entity", &format!(r#"{{"errors":[{}]}}"#, many.join(",")))).await
    else {
        panic!("it is refused")
    };
    assert_eq!(cause.text.matches("value.invalid").count(), ERRORS_MAX);
}

#[tokio::test]
async fn a_register_that_is_busy_is_asked_again_and_one_that_broke_is_asked_first() {
    for (status, expected) in [
        ("503 Service Unavailable", ("retry", "status-503")),
        ("429 Too Many Requests", ("retry", "status-429")),
        ("500 Internal Server Error", ("uncertain", "status-500")),
    ] {
        assert_eq!(state(&sent(&answer(status, "{}")).await), expected);
    }
    let nobody = SciensanoTdi::new(
        HttpClient::new().expect("a client can be built"),
        Settings { base_url: "http://127.0.0.1:1".to_owned(), ..connector(&Canned::start(&[""]), &["1001"]).settings },
    );
    assert_eq!(state(&nobody.send(&message()).await), ("retry", "unreachable"));
    assert!(!nobody.is_idempotent());
}

#[tokio::test]
async fn what_is_not_ready_to_be_sent_is_not_sent() {
    let register = Canned::start(&[""]);
    let connector = connector(&register, &["1001"]);
    let without = |change: fn(&mut Value)| {
        let mut message = message();
        change(&mut message.body);
        message
    };
    for message in [
        without(|body| body["organizationId"] = json!("1002")),
        without(|body| body["organizationId"] = json!(null)),
        without(|body| body["submission"] = json!(null)),
        without(|body| body["submission"]["reference"] = json!("d-2")),
    ] {
        assert_eq!(state(&connector.send(&message).await), ("rejected", "not-sendable"), "{message:?}");
    }
    assert_eq!(register.requests(), 0);
}

#[tokio::test]
async fn an_inquiry_tells_what_became_of_our_reference() {
    let one = |status: &str, more: &str| {
        answer(
            "200 OK",
            &format!(r#"{{"submissions":[{{"reference":"d-1","businessKey":"BK-7","status":"{status}"{more}}}]}}"#),
        )
    };
    let has = Inquiry::Has(json!({"businessKey": "BK-7", "status": "ACCEPTED"}));
    assert_eq!(asked(&one("ACCEPTED", "")).await, has);
    assert_eq!(told_state(&asked(&one("RECEIVED", "")).await), ("has", ""));
    let refused =
        asked(&one("REJECTED", r#","errors":[{"field":"payload.PI2","code":"national-number.in-clear"}]"#)).await;
    assert_eq!(told_state(&refused), ("refused", "national-number.in-clear"));
    assert_eq!(told_state(&asked(&one("REJECTED", "")).await), ("refused", "rejected"));
    for status in ["DRAFT", "", "accepted"] {
        assert_eq!(told_state(&asked(&one(status, "")).await), ("unanswered", "answer-not-understood"), "{status}");
    }
    assert_eq!(told_state(&asked(&answer("200 OK", r#"{"submissions":[]}"#)).await), ("has not", ""));
}

#[tokio::test]
async fn a_submission_that_was_taken_once_is_there_whatever_else_became_of_it() {
    let body = r#"{"submissions":[{"reference":"d-1","businessKey":"BK-7","status":"ACCEPTED"},
        {"reference":"d-1","businessKey":"BK-8","status":"REJECTED"}]}"#;
    assert_eq!(told_state(&asked(&answer("200 OK", body)).await), ("has", ""));
}

#[tokio::test]
async fn attack_50_an_inquiry_that_is_answered_about_another_says_nothing_of_ours() {
    for listed in [
        r#"[{"reference":"d-2","businessKey":"BK-7","status":"ACCEPTED"}]"#,
        r#"[{"reference":"d-1","businessKey":"BK-7","status":"ACCEPTED"},{"reference":"d-2"}]"#,
        r#"["d-1"]"#,
    ] {
        let told = asked(&answer("200 OK", &format!(r#"{{"submissions":{listed}}}"#))).await;
        assert_eq!(told_state(&told), ("unanswered", "wrong-reference"), "{listed}");
    }
    for (status, body) in
        [("200 OK", "[]"), ("200 OK", "{}"), ("200 OK", "x"), ("404 Not Found", "{}"), ("500 Oops", "{}")]
    {
        assert_eq!(told_state(&asked(&answer(status, body)).await).0, "unanswered", "{status} {body}");
    }
}

#[tokio::test]
async fn an_inquiry_asks_for_every_organisation_before_it_says_that_nothing_is_there() {
    let none = answer("200 OK", r#"{"submissions":[]}"#);
    let register = Canned::start(&[&none]);
    let asked = connector(&register, &["1001", "1002"]).inquire(REFERENCE).await;
    assert_eq!((told_state(&asked), register.requests()), (("has not", ""), 2));
    let lines: Vec<String> =
        register.heard().iter().filter_map(|text| text.lines().next().map(str::to_owned)).collect();
    assert_eq!(
        lines,
        ["1001", "1002"].map(|id| format!("GET /proxy/api/dcd/submit?organization-id={id}&reference=d-1 HTTP/1.1"))
    );
    let away = Canned::start(&[&none, &answer("503 Service Unavailable", "{}")]);
    let asked = connector(&away, &["1001", "1002"]).inquire(REFERENCE).await;
    assert_eq!(told_state(&asked), ("unanswered", "status-503"));
    let nobody = connector(&register, &[]).inquire(REFERENCE).await;
    assert_eq!(told_state(&nobody), ("impossible", ""));
}
