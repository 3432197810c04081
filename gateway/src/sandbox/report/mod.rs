//! `GET /sandbox/report`: which scenarios the client of each tester has passed, from what the gateway really saw of it.
//!
//! It is in memory alone, has a limit, and ends with the sandbox. Which client asks, its token says: one that the gateway refused (401) is
//! nobody's. [`scenarios`] says what counts as passed.

mod scenarios;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::{self, Next};
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::app::App;
use crate::bodies::{self, BodyLimits};
use scenarios::{Digest, Known, Scenario, Seen};

/// Clients of which a report is kept; those that come later are counted.
const CLIENTS_MAX: usize = 500;
/// A longer body is not looked at.
const BODY_BYTES_MAX: usize = 256 * 1024;
const BODY_LIMITS: BodyLimits =
    BodyLimits { bytes_max: BODY_BYTES_MAX, pause: Duration::from_secs(10), time: Duration::from_secs(30) };
const BASE: &str = "/fhir/";

/// What was seen of all clients.
#[derive(Debug, Default)]
pub struct Report {
    state: Mutex<Clients>,
    hashes: RandomState,
}

#[derive(Debug, Default)]
struct Clients {
    known: BTreeMap<String, Known>,
    /// Requests of clients for which there was no room.
    forgotten: u64,
    requests: u64,
    withdrawn_at: u64,
}

/// What is known of a request before it is answered.
struct Asked {
    client: String,
    seen: Seen,
}

impl Report {
    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn digest(&self, bytes: &[u8]) -> Digest {
        self.hashes.hash_one(bytes)
    }

    /// Says of a client whether it acknowledged a notice to its subscription.
    fn notified(&self, client: &str, is_acknowledged: bool) {
        let mut clients = self.clients();
        if let Some(known) = clients.of(client) {
            known.note(Scenario::Subscription, is_acknowledged);
        }
    }

    fn asked(&self, (method, path): (&Method, &str), headers: &HeaderMap, body: &[u8]) -> Option<Asked> {
        let key = headers.get("idempotency-key").map(|key| self.digest(key.as_bytes()));
        let record = record(path, body).map(|record| self.digest(record.as_bytes()));
        let seen = Seen {
            method: method.as_str().to_owned(),
            path: path.to_owned(),
            status: 0,
            record,
            key,
            // The same key is the same request: to the same address, with the same body.
            body: self.digest(&[path.as_bytes(), b"\n", body].concat()),
            address: self.digest(path.split('?').next().unwrap_or_default().as_bytes()),
            at: 0,
        };
        Some(Asked { client: client(headers)?, seen })
    }

    fn answered(&self, Asked { client, mut seen }: Asked, status: StatusCode) {
        if status == StatusCode::UNAUTHORIZED {
            return;
        }
        let mut clients = self.clients();
        clients.requests += 1;
        (seen.status, seen.at) = (status.as_u16(), clients.requests);
        if seen.withdraws() {
            clients.withdrawn_at = seen.at;
        }
        let withdrawn_at = clients.withdrawn_at;
        match clients.of(&client) {
            Some(known) => known.saw(&seen, withdrawn_at),
            None => clients.forgotten += 1,
        }
    }

    fn to_value(&self) -> Value {
        let clients = self.clients();
        let of = |known: &Known| -> Vec<Value> {
            let told = |scenario: Scenario| {
                let tally = known.tally(scenario);
                json!({
                    "scenario": scenario.name(),
                    "state": state(known, scenario),
                    "passed": tally.passed,
                    "failed": tally.failed,
                    "means": scenario.means(),
                })
            };
            Scenario::ALL.into_iter().map(told).collect()
        };
        let known: Vec<Value> = clients
            .known
            .iter()
            .map(|(client, known)| json!({"client": client, "requests": known.requests, "scenarios": of(known)}))
            .collect();
        json!({"clients": known, "forgotten": clients.forgotten})
    }

    fn to_text(&self) -> String {
        let clients = self.clients();
        let mut text = String::new();
        for (client, known) in &clients.known {
            let _ = writeln!(text, "{client}, {} requests", known.requests);
            for scenario in Scenario::ALL {
                let (state, name) = (state(known, scenario), scenario.name());
                let hint = if state == "passed" { "" } else { scenario.means() };
                let _ = writeln!(text, "  {state:<9} {name:<17} {hint}");
            }
        }
        if clients.known.is_empty() {
            text.push_str("No client has asked anything yet.\n");
        }
        text
    }
}

impl Clients {
    /// What is known of a client; none where there is no room for another.
    fn of(&mut self, client: &str) -> Option<&mut Known> {
        if !self.known.contains_key(client) && self.known.len() >= CLIENTS_MAX {
            return None;
        }
        Some(self.known.entry(client.to_owned()).or_default())
    }
}

fn state(known: &Known, scenario: Scenario) -> &'static str {
    match known.tally(scenario).last {
        _ if known.is_open(scenario) => "open",
        Some(true) => "passed",
        Some(false) => "failed",
        None => "not-seen",
    }
}

/// The client of a token. Whether it is one, the gateway finds out.
fn client(headers: &HeaderMap) -> Option<String> {
    let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims["client_id"].as_str().filter(|id| id.len() <= 64).map(str::to_owned)
}

/// The record that an order or a Consent is about: `Patient/1`.
fn record(path: &str, body: &[u8]) -> Option<String> {
    let element = match path {
        "ServiceRequest" => "subject",
        "Consent" => "patient",
        _ => return None,
    };
    let resource: Value = serde_json::from_slice(body).ok()?;
    let reference = resource[element]["reference"].as_str()?;
    let from_the_end: Vec<&str> = reference.rsplit('/').take(2).collect();
    Some(from_the_end.join("/"))
}

/// The gateway with the report around it: whatever is asked of the FHIR interface is seen, and nothing of it is changed.
pub(super) fn around(report: Arc<Report>) -> impl FnOnce(Router) -> Router {
    move |routes| routes.layer(middleware::from_fn_with_state(report, watch))
}

async fn watch(State(report): State<Arc<Report>>, request: Request, next: Next) -> Response<Body> {
    let address = request.uri().path_and_query().map_or("", |address| address.as_str());
    let Some(path) = address.strip_prefix(BASE).map(str::to_owned) else { return next.run(request).await };
    let (parts, body) = request.into_parts();
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let is_looked_at = parts.method == Method::POST && length.is_some_and(|length: usize| length <= BODY_BYTES_MAX);
    let (body, looked_at) = if is_looked_at {
        // One that broke off the gateway finds empty, and says so.
        let bytes = bodies::read(body, BODY_LIMITS).await.unwrap_or_default();
        (Body::from(bytes.clone()), bytes)
    } else {
        (body, Bytes::new())
    };
    let asked = report.asked((&parts.method, &path), &parts.headers, &looked_at);
    let response = next.run(Request::from_parts(parts, body)).await;
    if let Some(asked) = asked {
        report.answered(asked, response.status());
    }
    response
}

/// `GET` and `DELETE /sandbox/report`.
pub(super) fn routes(app: &App, report: &Arc<Report>) -> Router {
    let (app, shown, cleared) = (App::clone(app), Arc::clone(report), Arc::clone(report));
    let show = move |headers: HeaderMap, RawQuery(query): RawQuery| async move {
        note_subscriptions(&app, &shown).await;
        show(&shown, &headers, query)
    };
    let clear = move || async move {
        *cleared.clients() = Clients::default();
        answer("application/json", cleared.to_value().to_string())
    };
    Router::new().route("/sandbox/report", get(show).delete(clear))
}

/// A subscription whose address acknowledged what it was told is that of a client of whoever subscribed.
async fn note_subscriptions(app: &App, report: &Report) {
    let (Ok(subscribers), Ok(registry)) = (app.store.subscribers().await, app.registry().await) else { return };
    for subscriber in subscribers {
        let row = app.store.subscription(&subscriber.id).await.ok().flatten();
        let Some(row) = row.filter(|row| row.state == "active") else { continue };
        for client in registry.clients_of(row.organization.trim_start_matches("organization/")) {
            report.notified(&client.id, true);
        }
    }
}

/// As JSON, and as text for a person who asks for it.
fn show(report: &Report, headers: &HeaderMap, query: Option<String>) -> Response<Body> {
    let query = query.unwrap_or_default();
    let format = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "format").map(|(_, value)| value);
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let is_text = format.map_or_else(|| accept.starts_with("text/plain"), |format| format == "text");
    if is_text {
        answer("text/plain; charset=utf-8", report.to_text())
    } else {
        answer("application/json", report.to_value().to_string())
    }
}

fn answer(media_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(client: &str) -> HeaderMap {
        let claims = BASE64_URL_SAFE_NO_PAD.encode(json!({"client_id": client}).to_string());
        let value = format!("Bearer x.{claims}.y").parse().expect("a header value");
        HeaderMap::from_iter([(header::AUTHORIZATION, value)])
    }

    fn ask(report: &Report, client: &str, (method, path): (Method, &str), body: &Value, status: u16) {
        let asked = report.asked((&method, path), &token(client), body.to_string().as_bytes()).expect("a client");
        report.answered(asked, StatusCode::from_u16(status).expect("a status"));
    }

    #[test]
    fn nothing_of_a_record_is_in_the_report_or_kept_for_it() {
        let report = Report::default();
        let order = json!({"subject": {"reference": "https://gateway.example/fhir/Patient/secret-1"}});
        let consent = json!({"patient": {"reference": "Patient/secret-1"}, "note": "secret-2"});
        ask(&report, "a-ehr", (Method::POST, "ServiceRequest"), &order, 403);
        assert!(report.to_text().contains("open      refused-referral"), "{}", report.to_text());
        ask(&report, "a-ehr", (Method::POST, "Consent"), &consent, 201);
        ask(&report, "a-ehr", (Method::GET, "Patient/secret-1"), &Value::Null, 200);
        let told = report.to_value();
        assert_eq!(told["clients"][0]["scenarios"][0]["state"], "passed", "{told}");
        for text in [told.to_string(), report.to_text(), format!("{report:?}")] {
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn who_is_nobody_has_no_report_and_there_are_no_more_than_the_limit() {
        let report = Report::default();
        ask(&report, "a-ehr", (Method::GET, "Patient/1"), &Value::Null, 401);
        assert_eq!(report.to_value()["clients"], json!([]));
        assert!(report.asked((&Method::GET, "Patient/1"), &HeaderMap::new(), b"").is_none());
        for number in 0..CLIENTS_MAX + 7 {
            ask(&report, &format!("c-{number}"), (Method::GET, "Patient/1"), &Value::Null, 200);
        }
        let told = report.to_value();
        let known = told["clients"].as_array().map(Vec::len);
        assert_eq!((known, told["forgotten"].as_u64()), (Some(CLIENTS_MAX), Some(7)));
    }

    #[test]
    fn whoever_delivers_notices_says_what_was_acknowledged() {
        let report = Report::default();
        report.notified("a-ehr", false);
        report.notified("a-ehr", true);
        let told = report.to_value();
        let subscription = &told["clients"][0]["scenarios"][4];
        assert_eq!((&subscription["state"], &subscription["failed"]), (&json!("passed"), &json!(1)), "{told}");
    }
}
