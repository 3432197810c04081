//! One log line, one measurement and one id for each request.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::header::HeaderName;
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use tower_http::request_id::RequestId;
use tracing::{Instrument, Span, field};
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_BYTES_MAX: usize = 64;
/// The status in log and metrics when the client went away before there was an answer (nginx began it; no RFC has it).
const ABANDONED: u16 = 499;

/// Middleware around the whole router: `Router::layer(axum::middleware::from_fn(telemetry::observe))`.
///
/// Handlers find the id as the extension [`RequestId`]; the client gets it back as `X-Request-Id`. Whoever learns which
/// client calls says so once, by `tracing::Span::current().record("client.id", id)`; it is then part of the line.
pub async fn observe(mut request: Request, next: Next) -> Response {
    let id = request.headers().get(REQUEST_ID).and_then(accepted).unwrap_or_else(new_id);
    request.extensions_mut().insert(RequestId::new(id.clone()));
    let method = known_method(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route_text = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        request.id = id.to_str().unwrap_or_default(),
        http.method = method,
        http.route = route_text,
        client.id = field::Empty,
    );
    let mut observation = Observation::begin(method, route_text.to_owned(), span.clone());
    let mut response = next.run(request).instrument(span).await;
    observation.status = response.status().as_u16();
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Letters, digits and dashes only: an id goes into log lines and headers as it is.
fn accepted(value: &HeaderValue) -> Option<HeaderValue> {
    let bytes = value.as_bytes();
    let is_sane = (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    is_sane.then(|| value.clone())
}

fn new_id() -> HeaderValue {
    let mut buffer = Uuid::encode_buffer();
    let text = Uuid::now_v7().hyphenated().encode_lower(&mut buffer);
    HeaderValue::from_str(text).expect("a UUID is hexadecimal digits and dashes")
}

/// A method is any text that a client cares to send; only those of HTTP are repeated.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

/// A request under way. Its line and measurements are written when it is dropped, which also happens when the client
/// goes away.
struct Observation {
    method: &'static str,
    route: String,
    span: Span,
    begun: Instant,
    status: u16,
}

impl Observation {
    fn begin(method: &'static str, route: String, span: Span) -> Self {
        gauge!("wellgate_http_requests_in_flight").increment(1.0);
        Self { method, route, span, begun: Instant::now(), status: ABANDONED }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let elapsed = self.begun.elapsed();
        let route = std::mem::take(&mut self.route);
        let status = self.status;
        gauge!("wellgate_http_requests_in_flight").decrement(1.0);
        counter!("wellgate_http_requests_total", "method" => self.method, "route" => route.clone(), "status" => status.to_string())
            .increment(1);
        histogram!("wellgate_http_request_duration_seconds", "method" => self.method, "route" => route)
            .record(elapsed.as_secs_f64());
        // To the microsecond: most reads take less than a millisecond.
        let duration_ms = (elapsed.as_secs_f64() * 1_000_000.0).round() / 1_000.0;
        let _inside = self.span.enter();
        tracing::info!(http.status = status, duration_ms, "request answered");
    }
}

/// What each metric means, for `GET /metrics`.
pub(super) fn describe() {
    describe_counter!("wellgate_http_requests_total", "Requests answered; status 499: the client went away first");
    describe_histogram!("wellgate_http_request_duration_seconds", "Time from a request's head to its answer's head");
    describe_counter!("wellgate_http_refused_total", "Requests and connections refused by a limit of rate or room");
    describe_gauge!("wellgate_http_requests_in_flight", "Requests being worked on");
}
