//! What a request leaves behind in log and metrics, and above all what it does not.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::routing::get;
use futures_util::FutureExt;
use serde_json::Value;
use tower::ServiceExt;
use tower_http::request_id::RequestId;

use super::*;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("UTF-8")
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Seen {
    response: Response<Body>,
    log: String,
    metrics: String,
}

/// Sends one request through the middleware, and returns everything that it left behind.
fn seen(log: LogConfig, request: Request<Body>) -> Seen {
    let captured = Captured::default();
    let writer = captured.clone();
    let recorder = recorder();
    let handle = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let router = Router::new().route("/fhir/{type}/{id}", get(handler)).layer(axum::middleware::from_fn(observe));
    let response = tracing::subscriber::with_default(subscriber(log, move || writer.clone()), || {
        metrics::with_local_recorder(&recorder, || runtime.block_on(router.oneshot(request)))
    });
    Seen { response: response.expect("infallible"), log: captured.text(), metrics: handle.render() }
}

async fn handler(request: Request<Body>) -> String {
    tracing::Span::current().record("client.id", "cgg-noord-ehr");
    tracing::debug!("deciding");
    tracing::info!(target: "hyper::proto", path = %request.uri(), "a library's line");
    let id = request.extensions().get::<RequestId>().expect("set by the middleware");
    id.header_value().to_str().expect("ASCII").to_owned()
}

const JSON: LogConfig = LogConfig { format: LogFormat::Json, level: Level::TRACE };

fn request(uri: &str) -> axum::http::request::Builder {
    Request::get(uri)
}

#[test]
fn neither_log_nor_metrics_hold_path_query_headers_or_method_of_a_client() {
    for format in [LogFormat::Json, LogFormat::Human] {
        for uri in ["/fhir/Patient/seeded-id?name=seeded-name", "/seeded-path/x?seeded=1"] {
            let request = request(uri)
                .method("SEEDED")
                .header("authorization", "Bearer seeded-token")
                .header("x-request-id", "seeded id")
                .body(Body::from("seeded-body"));
            let seen = seen(LogConfig { format, level: Level::TRACE }, request.expect("a request"));
            assert!(!seen.log.is_empty());
            let everything = format!("{}{}", seen.log, seen.metrics).to_lowercase();
            assert!(!everything.contains("seeded"), "{everything}");
        }
    }
    let request = request("/fhir/Patient/seeded-id?name=seeded-name").body(Body::empty()).expect("a request");
    let seen = seen(JSON, request);
    assert_eq!(seen.response.status(), StatusCode::OK);
    assert!(!format!("{}{}", seen.log, seen.metrics).contains("seeded"), "{}", seen.log);
}

#[test]
fn a_request_leaves_one_line_that_says_all_about_it() {
    let request = request("/fhir/Patient/1").header("x-request-id", "abc-1").body(Body::empty()).expect("a request");
    let seen = seen(LogConfig { format: LogFormat::Json, level: Level::INFO }, request);
    let lines: Vec<&str> = seen.log.lines().collect();
    assert_eq!(lines.len(), 1, "{}", seen.log);
    let line: Value = serde_json::from_str(lines[0]).expect("JSON");
    assert_eq!(line["message"], "request answered");
    assert_eq!(line["http.status"], 200);
    assert!(line["duration_ms"].is_number());
    assert_eq!(line["span"]["request.id"], "abc-1");
    assert_eq!(line["span"]["http.method"], "GET");
    assert_eq!(line["span"]["http.route"], "/fhir/{type}/{id}");
    assert_eq!(line["span"]["client.id"], "cgg-noord-ehr");
    assert!(
        seen.metrics.contains(r#"wellgate_http_requests_total{method="GET",route="/fhir/{type}/{id}",status="200"} 1"#)
    );
    assert!(seen.metrics.contains("wellgate_http_request_duration_seconds_bucket"));
    assert!(seen.metrics.contains("wellgate_http_requests_in_flight 0"));
}

#[test]
fn a_sane_request_id_is_kept_and_any_other_replaced() {
    let long = "a".repeat(65);
    let cases = [("abc-1", true), ("", false), ("a b", false), ("a\"b", false), ("a_b", false), (long.as_str(), false)];
    for (given, is_kept) in cases {
        let request = request("/fhir/Patient/1").header("x-request-id", given).body(Body::empty()).expect("a request");
        let seen = seen(JSON, request);
        let answered = seen.response.headers()["x-request-id"].to_str().expect("ASCII").to_owned();
        assert_eq!(answered == given, is_kept, "{given}");
        assert!(is_kept || uuid::Uuid::parse_str(&answered).is_ok(), "{answered}");
        assert!(seen.log.contains(&answered));
    }
}

#[test]
fn an_abandoned_request_is_counted_too() {
    let recorder = recorder();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let router = Router::new().route("/", get(std::future::pending::<()>)).layer(axum::middleware::from_fn(observe));
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let request = request("/").body(Body::empty()).expect("a request");
            // Polled once and dropped: the client went away.
            assert!(router.oneshot(request).now_or_never().is_none());
        });
    });
    let metrics = recorder.handle().render();
    assert!(metrics.contains(r#"status="499"} 1"#), "{metrics}");
    assert!(metrics.contains("wellgate_http_requests_in_flight 0"), "{metrics}");
}

#[cfg(feature = "otel")]
#[test]
fn traces_are_exported_and_hold_no_patient_data() {
    use std::io::Read;

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().expect("bound"));
    let collector = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the exporter connects");
        let mut received = Vec::new();
        let mut chunk = [0; 4_096];
        while !String::from_utf8_lossy(&received).contains("/fhir/{type}/{id}") {
            let length = stream.read(&mut chunk).expect("the exporter sends");
            assert!(length > 0, "the exporter sent no span of ours");
            received.extend_from_slice(&chunk[..length]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").expect("answered");
        String::from_utf8_lossy(&received).into_owned()
    });
    let provider = otlp::provider(&endpoint).expect("an exporter");
    let traced = tracing_subscriber::registry().with(otlp::layer(&provider).with_filter(ours(Level::TRACE)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let router = Router::new().route("/fhir/{type}/{id}", get(handler)).layer(axum::middleware::from_fn(observe));
    let request = request("/fhir/Patient/seeded-id?name=seeded-name").body(Body::empty()).expect("a request");
    let answered = tracing::subscriber::with_default(traced, || runtime.block_on(router.oneshot(request)));
    assert_eq!(answered.expect("infallible").status(), StatusCode::OK);
    provider.shutdown().expect("the spans are sent");
    let received = collector.join().expect("the collector ends well");
    assert!(received.starts_with("POST /v1/traces"), "{received}");
    assert!(!received.contains("seeded"), "{received}");
}
