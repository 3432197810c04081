//! What the connector makes of the answers of insurers, honest and not.

use super::*;
use crate::http::canned::Canned;
use crate::pki::{Identity, Password};

const REFERENCE: &str = "d-1";
const INPUT: &str = "20260000000001";
const THIRD_PARTY: &str = "72100120001";

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn connector(insurer: &Canned, flow: Flow, is_deflated: bool) -> GenAsync {
    let settings = Settings {
        base_url: insurer.url.clone(),
        enterprise: Some("0123456749".to_owned()),
        signer: None,
        is_deflated,
        page: 64,
    };
    GenAsync::new(HttpClient::new().expect("a client"), flow, settings)
}

fn file() -> String {
    format!("92000000020012000000{INPUT}{}", "0".repeat(33))
}

fn message() -> Message {
    let body = json!({"federation": 300, "thirdParty": THIRD_PARTY, "inputReference": INPUT, "content": file()});
    Message { reference: REFERENCE.to_owned(), kind: INVOICE_FILE.to_owned(), body }
}

fn tack(changed: &[(&str, Value)]) -> Value {
    let hash = content::hash(file().as_bytes());
    let mut tack =
        json!({"reference": REFERENCE, "inputReference": INPUT, "hash": hash, "result": "success", "id": "T-1"});
    for (name, value) in changed {
        tack[*name] = value.clone();
    }
    tack
}

fn tacked(changed: &[(&str, Value)]) -> String {
    answer("200 OK", &json!({"tack": tack(changed)}).to_string())
}

async fn sent(told: &str) -> Outcome {
    connector(&Canned::start(&[told]), Flow::Mutualities, true).send(&message()).await
}

async fn asked(told: &str) -> Inquiry {
    connector(&Canned::start(&[told]), Flow::Mutualities, true).inquire(REFERENCE).await
}

#[tokio::test]
async fn a_file_goes_in_an_envelope_with_its_hash_and_is_taken_by_its_receipt() {
    for is_deflated in [false, true] {
        let insurer = Canned::start(&[&tacked(&[])]);
        let outcome = connector(&insurer, Flow::Mutualities, is_deflated).send(&message()).await;
        let hash = content::hash(file().as_bytes());
        assert_eq!(outcome, Outcome::Delivered(json!({"tack": "T-1", "hash": hash})));
        let received = insurer.heard();
        let (head, body) = received[0].split_once("\r\n\r\n").expect("a request has a body");
        assert!(head.starts_with("POST /messages HTTP/1.1"), "{head}");
        let envelope: Value = serde_json::from_str(body).expect("JSON");
        let said = |path: &str| envelope.pointer(path).cloned().unwrap_or_default();
        assert_eq!(
            [
                said("/reference"),
                said("/messageName"),
                said("/inputReference"),
                said("/issuer/nihdi"),
                said("/issuer/cbe")
            ],
            [json!(REFERENCE), json!("920000"), json!(INPUT), json!(THIRD_PARTY), json!("0123456749")]
        );
        assert_eq!((said("/destination"), said("/content/hash")), (json!(300), json!(hash)));
        assert_eq!(content::read(envelope.get("content"), 1_000), Ok(file().into_bytes()), "{is_deflated}");
        assert!(envelope.get("signature").is_none());
    }
}

#[tokio::test]
async fn a_receipt_counts_only_with_our_references_and_our_hash() {
    for (changed, code) in [
        (("reference", json!("d-2")), "technical.wrong-reference"),
        (("inputReference", json!("20260000000002")), "technical.wrong-reference"),
        (("hash", json!(content::hash(b"another"))), "technical.wrong-reference"),
        (("hash", json!("none")), "technical.answer-not-understood"),
        (("result", json!("perhaps")), "technical.answer-not-understood"),
        (("result", json!("failure")), "technical.answer-not-understood"),
    ] {
        assert_eq!(sent(&tacked(std::slice::from_ref(&changed))).await.codes(), ("uncertain", code), "{changed:?}");
    }
    for nonsense in ["", "{}", "[]", "<html>", r#"{"tack":1}"#, r#"{"tack":{"result":"success"}}"#] {
        let outcome = sent(&answer("200 OK", nonsense)).await;
        assert_eq!(outcome.codes(), ("uncertain", "technical.answer-not-understood"), "{nonsense}");
    }
}

#[tokio::test]
async fn four_classes_of_refusal_are_kept_apart() {
    let failed = |class: &str, code: &str| {
        tacked(&[("result", json!("failure")), ("class", json!(class)), ("code", json!(code))])
    };
    for (told, state, code) in [
        (failed("technical", "busy"), "retry", "technical.busy"),
        (failed("authentication", "SOA-01002"), "rejected", "authentication.SOA-01002"),
        (failed("message", "wrong-hash"), "rejected", "message.wrong-hash"),
        (failed("business", "unknown-third-party"), "rejected", "business.unknown-third-party"),
        (failed("business", "90010199992"), "rejected", "business.without-code"),
        (answer("401 Unauthorized", "{}"), "retry", "authentication.status-401"),
        (answer("403 Forbidden", r#"{"code":"SOA-01002"}"#), "rejected", "authentication.SOA-01002"),
        (answer("400 Bad Request", r#"{"code":"envelope"}"#), "rejected", "message.envelope"),
        (
            answer("422 Unprocessable Content", r#"{"class":"business","code":"no-mandate"}"#),
            "rejected",
            "business.no-mandate",
        ),
        (answer("422 Unprocessable Content", r#"{"code":"of 90010199992"}"#), "rejected", "message.status-422"),
        (answer("503 Service Unavailable", r#"{"class":"business","code":"x"}"#), "retry", "technical.status-503"),
        (answer("500 Internal Server Error", "{}"), "uncertain", "technical.status-500"),
    ] {
        assert_eq!(sent(&told).await.codes(), (state, code), "{told}");
    }
}

#[tokio::test]
async fn what_cannot_be_said_in_an_envelope_is_not_sent() {
    let insurer = Canned::start(&[&tacked(&[])]);
    for (flow, kind, changed) in [
        (Flow::Mutualities, INVOICE_FILE, ("federation", json!(0))),
        (Flow::Mutualities, INVOICE_FILE, ("federation", json!("300"))),
        (Flow::Mutualities, INVOICE_FILE, ("thirdParty", json!("7210012000"))),
        (Flow::Mutualities, INVOICE_FILE, ("inputReference", json!("20260000000002"))),
        (Flow::Mutualities, INVOICE_FILE, ("content", json!("931000"))),
        (Flow::Mutualities, INVOICE_FILE, ("content", Value::Null)),
        (Flow::Mutualities, CARE_REQUEST, ("request", json!({}))),
        (Flow::CareFunds, CARE_REQUEST, ("request", json!("please"))),
        (Flow::CareFunds, "dossier", ("request", json!({}))),
    ] {
        let mut message = message();
        kind.clone_into(&mut message.kind);
        message.body[changed.0] = changed.1.clone();
        let outcome = connector(&insurer, flow, true).send(&message).await;
        assert_eq!(outcome.codes(), ("rejected", "not-sendable"), "{kind} {changed:?}");
    }
    assert_eq!(insurer.requests(), 0);
}

#[tokio::test]
async fn a_request_goes_to_a_care_fund_as_what_it_is() {
    let request = json!({"ssin": "90010199992", "convention": "77200000000", "from": "2026-03-01"});
    let hash = content::hash(request.to_string().as_bytes());
    let insurer = Canned::start(&[&tacked(&[("hash", json!(hash))])]);
    let body = json!({"federation": 701, "thirdParty": THIRD_PARTY, "inputReference": INPUT, "request": request});
    let message = Message { reference: REFERENCE.to_owned(), kind: CARE_REQUEST.to_owned(), body };
    assert_eq!(connector(&insurer, Flow::CareFunds, false).send(&message).await.codes().0, "delivered");
    let heard = insurer.heard();
    let envelope: Value = serde_json::from_str(heard[0].split_once("\r\n\r\n").expect("a body").1).expect("JSON");
    assert_eq!(
        (&envelope["messageName"], &envelope["content"]["type"]),
        (&json!(CARE_REQUEST), &json!("application/json"))
    );
}

#[tokio::test]
async fn an_inquiry_tells_what_the_insurer_has_under_our_reference() {
    let about = |tack: Value| answer("200 OK", &json!({"reference": REFERENCE, "tack": tack}).to_string());
    let failed = |class: &str| tack(&[("result", json!("failure")), ("class", json!(class)), ("code", json!("x"))]);
    let hash = content::hash(file().as_bytes());
    assert_eq!(asked(&about(tack(&[]))).await, Inquiry::Has(json!({"tack": "T-1", "hash": hash})));
    assert_eq!(asked(&about(Value::Null)).await, Inquiry::HasNot);
    assert_eq!(asked(&about(failed("technical"))).await, Inquiry::HasNot);
    assert!(matches!(asked(&about(failed("message"))).await, Inquiry::Refused(cause) if cause.code == "message.x"));
    for unclear in [
        about(tack(&[("reference", json!("d-2"))])),
        answer("200 OK", &json!({"reference": "d-2", "tack": null}).to_string()),
        answer("200 OK", &json!({"reference": REFERENCE}).to_string()),
        answer("404 Not Found", "{}"),
        answer("200 OK", "null"),
    ] {
        assert!(matches!(asked(&unclear).await, Inquiry::Unanswered(..)), "{unclear}");
    }
}

fn page(messages: &[Value]) -> String {
    let page = json!({"nihdi": THIRD_PARTY, "destination": 300, "messages": messages, "more": false});
    answer("200 OK", &page.to_string())
}

fn incoming(text: &str, changed: &[(&str, Value)]) -> Value {
    let hash = content::hash(text.as_bytes());
    let mut message = json!({"messageName": "931000", "recipient": {"nihdi": THIRD_PARTY, "destination": 300},
        "inputReference": INPUT, "content": {"encoding": "none", "hash": hash, "data": STANDARD.encode(text)}});
    for (path, value) in changed {
        if let Some(place) = message.pointer_mut(path) {
            *place = value.clone();
        }
    }
    message
}

async fn fetch(told: &str) -> Result<Fetched, FetchError> {
    connector(&Canned::start(&[told]), Flow::Mutualities, true).fetch(THIRD_PARTY, 300, 10).await
}

#[tokio::test]
async fn a_message_is_believed_where_hash_third_party_and_insurer_hold_and_a_flawed_one_holds_up_no_other() {
    let other = content::hash(b"other");
    let told = page(&[
        incoming("a", &[("/content/hash", json!(other))]),
        incoming("b", &[("/recipient/nihdi", json!("72100120002"))]),
        incoming("c", &[("/recipient/destination", json!(200))]),
        incoming("d", &[("/messageName", json!("920 900"))]),
        incoming("e", &[("/inputReference", json!("90010199992"))]),
        incoming("f", &[("/content/encoding", json!("gzip"))]),
        json!(null),
        incoming("good", &[]),
        incoming("good", &[]),
        incoming("950", &[("/messageName", json!("920950")), ("/inputReference", json!(""))]),
    ]);
    let fetched = fetch(&told).await.expect("a page");
    let names: Vec<_> = fetched.messages.iter().map(|one| (one.message_name.as_str(), &one.content[..])).collect();
    assert_eq!(
        names,
        [("931000", &b"good"[..]), ("920950", &b"950"[..])],
        "a repeated one comes once, an unknown one comes"
    );
    assert_eq!(fetched.messages[0].hash, content::hash(b"good"));
    let flaws: Vec<&str> = fetched.flawed.iter().map(|flaw| flaw.cause.code.as_str()).collect();
    let (wrong, unread) = ("message.wrong-third-party", "message.unreadable");
    assert_eq!(flaws, ["message.wrong-hash", wrong, wrong, unread, unread, unread, wrong]);
}

#[tokio::test]
async fn a_page_for_somebody_else_or_of_no_form_is_no_page() {
    for told in [
        page(&[]).replace(THIRD_PARTY, "72100120002"),
        page(&[]).replace("300", "301"),
        answer("200 OK", r#"{"messages":[]}"#),
        answer("200 OK", "[]"),
        answer("200 OK", ""),
    ] {
        assert!(fetch(&told).await.is_err(), "{told}");
    }
    let waiting = "HTTP/1.1 503 Busy\r\nretry-after: 30\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let error = fetch(waiting).await.expect_err("it is busy");
    assert_eq!(
        (error.cause.code.as_str(), error.wait),
        ("technical.status-503", Some(std::time::Duration::from_secs(30)))
    );
}

#[tokio::test]
async fn attack_50_more_messages_than_were_asked_for_are_left_for_the_next_page() {
    let many: Vec<Value> = (0..20).map(|n| incoming(&n.to_string(), &[])).collect();
    let fetched = fetch(&page(&many)).await.expect("a page");
    assert_eq!((fetched.messages.len(), fetched.has_more), (10, true));
}

#[tokio::test]
async fn what_is_confirmed_is_named_by_hash() {
    let insurer = Canned::start(&[&answer("200 OK", r#"{"confirmed":[]}"#), &answer("200 OK", "{}")]);
    let connector = connector(&insurer, Flow::Mutualities, true);
    let hashes = [content::hash(b"a")];
    assert_eq!(connector.confirm(THIRD_PARTY, 300, &hashes).await, Ok(()));
    assert!(insurer.heard()[0].contains(&hashes[0]));
    assert!(connector.confirm(THIRD_PARTY, 300, &hashes).await.is_err(), "nobody said that it was confirmed");
    assert!(connector.confirm(THIRD_PARTY, 300, &["x".to_owned()]).await.is_err());
    assert_eq!(connector.confirm(THIRD_PARTY, 300, &[]).await, Ok(()));
    assert_eq!(insurer.requests(), 2);
}

#[tokio::test]
async fn what_is_signed_is_the_content_as_it_is() {
    use crate::pki::cms::{Content, Expected, Trust, verify};
    let identity = signer();
    let insurer = Canned::start(&[&tacked(&[])]);
    let mut signing = connector(&insurer, Flow::Mutualities, true);
    let settings = Settings { signer: Some(Arc::new(identity.clone())), ..(*signing.settings).clone() };
    signing.settings = Arc::new(settings);
    assert_eq!(signing.send(&message()).await.codes().0, "delivered");
    let heard = insurer.heard();
    let envelope: Value = serde_json::from_str(heard[0].split_once("\r\n\r\n").expect("a body").1).expect("JSON");
    let signature = STANDARD.decode(envelope["signature"].as_str().expect("it is signed")).expect("base64");
    let trust = Trust::new(vec![identity.certificate().clone()]);
    let at_ms = identity.certificate().validity().expect("it has one").from_ms + 1_000;
    let expected = Expected::Signer(identity.certificate());
    let file = file();
    let check =
        |content: &str| verify(&signature, Content::Detached(content.as_bytes()), &trust, expected, at_ms).is_ok();
    assert!(check(&file) && !check(&file.replace('9', "8")));
}

/// From a key store, as the settings name one.
fn signer() -> Identity {
    let desk = tempfile::tempdir().expect("a temporary directory");
    let openssl = |line: &str| {
        let made =
            std::process::Command::new("openssl").args(line.split_whitespace()).current_dir(desk.path()).output();
        assert!(made.expect("openssl is installed").status.success(), "openssl {line}");
    };
    let use_of_it = "-addext keyUsage=critical,digitalSignature";
    openssl(&format!(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=signer {use_of_it} -keyout k.pem -out c.pem"
    ));
    openssl("pkcs12 -export -inkey k.pem -in c.pem -passout pass:secret -out s.p12");
    let store = std::fs::read(desk.path().join("s.p12")).expect("it was written");
    Identity::from_pkcs12(&store, &Password::new("secret".to_owned())).expect("it opens")
}
