//! Connections and framing (36 to 38): who sends slowly, too much, or so that two readers read two requests.

use std::time::{Duration, Instant};

use wellgate_tests::gateway::{Gateway, Options};
use wellgate_tests::sqlite::database_url;
use wellgate_tests::wire::{Wire, statuses};

/// A request that must not be answered because it was hidden in another.
const HIDDEN: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

async fn gateway() -> Gateway {
    Gateway::start(&database_url(), Options::default()).await
}

async fn with(settings: &[(&'static str, &'static str)]) -> Gateway {
    Gateway::start(&database_url(), Options { settings: settings.to_vec(), ..Options::default() }).await
}

/// What is answered to these bytes until the gateway closes.
async fn told(gateway: &Gateway, bytes: &str) -> Vec<u8> {
    let mut wire = Wire::to(gateway).await;
    wire.write(bytes.as_bytes()).await;
    wire.rest().await
}

#[tokio::test]
async fn attack_38_a_request_that_two_readers_may_frame_in_two_ways_is_refused_and_the_connection_closed() {
    let gateway = gateway().await;
    let post = |head: &str, body: &str| format!("POST /fhir HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n{body}{HIDDEN}");
    let requests = [
        ("both lengths", post("content-length: 5\r\ntransfer-encoding: chunked", "0\r\n\r\n")),
        ("both lengths, the other way round", post("transfer-encoding: chunked\r\ncontent-length: 5", "0\r\n\r\n")),
        ("two lengths", post("content-length: 5\r\ncontent-length: 0", "abcde")),
        ("two lengths in one", post("content-length: 5, 0", "abcde")),
        ("a signed length", post("content-length: +5", "abcde")),
        ("a negative length", post("content-length: -1", "")),
        ("a length in hexadecimal", post("content-length: 0x5", "abcde")),
        ("a length beyond numbers", post("content-length: 99999999999999999999", "")),
        ("an unknown encoding", post("transfer-encoding: xchunked", "0\r\n\r\n")),
        ("chunked is not the last", post("transfer-encoding: chunked, identity", "0\r\n\r\n")),
        ("chunked twice", post("transfer-encoding: chunked\r\ntransfer-encoding: identity", "0\r\n\r\n")),
        ("space before the colon", post("transfer-encoding : chunked", "0\r\n\r\n")),
        ("a folded line", post("transfer-encoding:\r\n chunked", "0\r\n\r\n")),
        ("a folded line of another header", post("x: a\r\n content-length: 5", "abcde")),
        ("a lonely carriage return", post("x: a\rcontent-length: 5", "abcde")),
        ("a NUL", post("x: a\0b\r\ncontent-length: 0", "")),
        (
            "chunked in HTTP/1.0",
            format!("POST /fhir HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"),
        ),
        ("no host", "GET /healthz HTTP/1.1\r\n\r\n".to_owned() + HIDDEN),
        ("two hosts", "GET /healthz HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n".to_owned() + HIDDEN),
        ("another version", "GET /healthz HTTP/1.2\r\nhost: x\r\n\r\n".to_owned() + HIDDEN),
        ("no version", "GET /healthz\r\n".to_owned() + HIDDEN),
        ("a control character in the path", "GET /health\u{1}z HTTP/1.1\r\nhost: x\r\n\r\n".to_owned() + HIDDEN),
    ];
    let mut wrong = Vec::new();
    for (name, request) in &requests {
        let answer = told(&gateway, request).await;
        // Of two lengths the chunks are taken, as the standard has it: one answer, to a request without a token, and no second.
        let is_refused = match statuses(&answer).as_slice() {
            [401] => name.starts_with("both lengths"),
            [] | [400 | 411 | 413 | 501 | 505] => true,
            _ => false,
        };
        if !is_refused {
            wrong.push(format!("{name}: {}", String::from_utf8_lossy(&answer)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test]
async fn attack_38_neither_host_nor_absolute_address_lead_anywhere_else() {
    let gateway = gateway().await;
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: attacker.example\r\nconnection: close\r\n\r\n");
    for target in ["/fhir/metadata", "http://attacker.example/fhir/metadata", "http://169.254.169.254/fhir/metadata"] {
        let answer = told(&gateway, &get(target)).await;
        let text = String::from_utf8_lossy(&answer);
        assert_eq!(statuses(&answer), [200], "{target}");
        assert!(text.contains(&gateway.base) && !text.contains("attacker") && !text.contains("169.254"), "{target}");
    }
    let answer = told(&gateway, &get("attacker.example:443").replace("GET", "CONNECT")).await;
    assert!(statuses(&answer).iter().all(|status| *status >= 400), "{}", String::from_utf8_lossy(&answer));
}

fn token_request(length: usize, body: &str) -> String {
    format!(
        "POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

fn create(gateway: &Gateway, length: usize, body: &str) -> String {
    let token = gateway.signed(&gateway.token_claims("elp-1"));
    format!(
        "POST /fhir/Patient HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: application/fhir+json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn attack_36_a_body_that_pauses_is_cut_and_nothing_of_it_is_stored() {
    let gateway = with(&[("WELLGATE_LIMITS_BODY_PAUSE_SECONDS", "1")]).await;
    let patient = r#"{"resourceType": "Patient", "name": [{"family": "Voorbeeld"}]}"#;
    for request in [token_request(1_000, "grant_type"), create(&gateway, patient.len() + 1, patient)] {
        let answer = told(&gateway, &request).await;
        assert_eq!(statuses(&answer), [408], "{}", String::from_utf8_lossy(&answer));
    }
    assert!(gateway.as_("elp-1").search("Patient").await.is_empty());
}

#[tokio::test]
async fn attack_36_a_body_that_trickles_is_cut_in_the_end() {
    let gateway = with(&[("WELLGATE_LIMITS_BODY_TIMEOUT_SECONDS", "1")]).await;
    let mut wire = Wire::to(&gateway).await;
    wire.write(create(&gateway, 1_000_000, "{").as_bytes()).await;
    let begun = Instant::now();
    while wire.write(b" ").await && begun.elapsed() < Duration::from_secs(3) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let answer = wire.rest().await;
    assert!(matches!(statuses(&answer).as_slice(), [] | [408]), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn attack_36_who_sends_a_form_slowly_holds_no_room() {
    let gateway = with(&[("WELLGATE_LIMITS_REQUESTS_IN_FLIGHT_MAX", "1")]).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut wire = Wire::to(&gateway).await;
        assert!(wire.write(token_request(1_000, "grant_type").as_bytes()).await);
        slow.push(wire);
    }
    gateway.as_("elp-1").get("Patient").await.expect(200);
}

#[tokio::test]
async fn attack_36_a_request_without_room_is_refused_at_once_and_health_is_told() {
    let gateway =
        with(&[("WELLGATE_LIMITS_REQUESTS_IN_FLIGHT_MAX", "1"), ("WELLGATE_LIMITS_REQUESTS_WAITING_MAX", "0")]).await;
    let mut holder = Wire::to(&gateway).await;
    holder.write(create(&gateway, 1_000, "{").as_bytes()).await;
    // The holder is in once somebody else is not.
    let elp = gateway.as_("elp-1");
    let begun = Instant::now();
    let refused = loop {
        let answer = elp.get("Patient").await;
        if answer.status != 200 || begun.elapsed() > Duration::from_secs(10) {
            break answer.expect(503);
        }
    };
    assert_eq!((refused.issues()[0].0.as_str(), refused.header("retry-after")), ("transient", "1"));
    let root = gateway.base.trim_end_matches("/fhir");
    for path in ["healthz", "readyz", "metrics"] {
        let answer = gateway.http.get(format!("{root}/{path}")).send().await.expect("it answers");
        assert_eq!(answer.status(), 200, "{path}");
    }
    assert!(gateway.app.refusals.take().into_keys().any(|(_, limit)| limit == "room"), "it is counted");
}

#[tokio::test]
async fn attack_36_one_address_has_so_many_connections() {
    let gateway = with(&[("WELLGATE_LIMITS_CONNECTIONS_PER_ADDRESS_MAX", "2")]).await;
    let health = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let (mut first, mut second) = (Wire::to(&gateway).await, Wire::to(&gateway).await);
    for wire in [&mut first, &mut second] {
        wire.write(health).await;
        assert_eq!(statuses(&wire.until(b"ok\n").await), [200]);
    }
    let mut third = Wire::to(&gateway).await;
    third.write(health).await;
    assert!(third.rest().await.is_empty(), "it is closed without an answer");
    drop(first);
    let begun = Instant::now();
    loop {
        let mut next = Wire::to(&gateway).await;
        next.write(health).await;
        if statuses(&next.until(b"ok\n").await) == [200] {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "a place that is left is free again");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn attack_44_dots_in_a_path_lead_nowhere() {
    let gateway = gateway().await;
    for path in
        ["/fhir/Patient/../../healthz", "/fhir/../metrics", "/fhir/./metadata", "/fhir/Patient/..", "/fhir/..;/metrics"]
    {
        let answer = told(&gateway, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
        assert!(
            matches!(statuses(&answer).as_slice(), [400 | 401 | 404]),
            "{path}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
}
