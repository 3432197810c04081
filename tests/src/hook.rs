//! The address of a subscriber: it keeps what it is told, with the headers, and fails when it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::caller::Caller;
use crate::gateway::Gateway;

/// What the subscriptions of stories are signed with.
pub const SECRET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// A subscriber's server on a port of this machine.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Where it is told.
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    statuses: VecDeque<u16>,
    told: Vec<Told>,
}

/// One notification, as it arrived.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, byte for byte.
    pub bytes: Vec<u8>,
    /// The body as JSON.
    pub json: Value,
}

impl Hook {
    /// Starts one that takes everything.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/hook", listener.local_addr().expect("it is bound"));
        let hook = Self { url, state: Arc::default() };
        let taken = hook.clone();
        let routes = Router::new().fallback(async move |headers: HeaderMap, body: Bytes| taken.take(headers, &body));
        tokio::spawn(async { axum::serve(listener, routes).await });
        hook
    }

    fn take(&self, headers: HeaderMap, body: &[u8]) -> StatusCode {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let status = state.statuses.pop_front().unwrap_or(200);
        let json = serde_json::from_slice(body).unwrap_or_default();
        state.told.push(Told { headers, bytes: body.to_vec(), json });
        StatusCode::from_u16(status).unwrap_or(StatusCode::OK)
    }

    /// Answers the next calls with these statuses. What arrives is kept all the same.
    pub fn answer(&self, statuses: &[u16]) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).statuses.extend(statuses);
    }

    /// Everything that arrived so far, which is forgotten by it.
    pub fn take_told(&self) -> Vec<Told> {
        std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).told)
    }

    /// The types of what arrived, which is forgotten by it: `handshake`, or an event by its number.
    pub fn take_numbers(&self) -> Vec<String> {
        let name = |told: Told| if told.kind() == "handshake" { told.kind() } else { told.number() };
        self.take_told().into_iter().map(name).collect()
    }
}

impl Told {
    fn parameter(&self, name: &str) -> Value {
        let parameters = self.json["entry"][0]["resource"]["parameter"].as_array().cloned().unwrap_or_default();
        parameters.into_iter().find(|one| one["name"] == name).unwrap_or_default()
    }

    /// `handshake` or `event-notification`.
    pub fn kind(&self) -> String {
        self.parameter("type")["valueCode"].as_str().unwrap_or_default().to_owned()
    }

    /// The number of its event.
    pub fn number(&self) -> String {
        self.parameter("notification-event")["part"][0]["valueString"].as_str().unwrap_or_default().to_owned()
    }

    /// What its event is about, as a URL.
    pub fn focus(&self) -> String {
        let focus = self.parameter("notification-event")["part"][2]["valueReference"]["reference"].clone();
        focus.as_str().unwrap_or_default().to_owned()
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether it is signed with a secret, at the moment that it says.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        self.is_signed_at(secret, self.header("wellgate-timestamp"))
    }

    /// Whether it is signed with a secret, at this moment.
    pub fn is_signed_at(&self, secret: &str, timestamp: &str) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signed = [timestamp.as_bytes(), b".", &self.bytes].concat();
        let expected = hmac::sign(&key, &signed);
        let digits = expected.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let expected: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
        self.header("wellgate-signature") == expected
    }
}

/// A Subscription to a topic, told by id.
pub fn subscription(topic: &str, endpoint: &str) -> Value {
    json!({
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "test",
        "criteria": format!("https://wellgate.example/fhir/SubscriptionTopic/{topic}"),
        "channel": {
            "extension": [{
                "url": "https://wellgate.example/fhir/StructureDefinition/subscription-secret",
                "valueString": SECRET,
            }],
            "type": "rest-hook",
            "endpoint": endpoint,
            "payload": "application/fhir+json",
            "_payload": {"extension": [{
                "url": "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content",
                "valueCode": "id-only",
            }]},
        },
    })
}

/// Subscribes an organisation to a topic, handshake and all; answers the id.
///
/// # Panics
/// It does not become active.
pub async fn subscribe(gateway: &Gateway, subscriber: &Caller<'_>, topic: &str, hook: &Hook) -> String {
    let id = subscriber.create(&subscription(topic, &hook.url)).await;
    assert_eq!(gateway.worker().round().await.expect("the database answers"), 1);
    let handshake = hook.take_told().pop().expect("a handshake");
    assert_eq!(handshake.kind(), "handshake");
    let seen = subscriber.get(format!("Subscription/{id}")).await.expect(200);
    assert_eq!(seen.json["status"], "active", "{seen}");
    gateway.app.forget_registry();
    id
}
