//! The routes by which a tester makes a partner fail, and looks at what really arrived there.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::Told;
use super::faults::{Fault, Planned};
use super::simulator::{Simulator, Wanted};

/// How long it is waited for that a partner listens, or does not.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

type Simulators = Arc<Vec<Arc<Simulator>>>;

/// The routes over all partners.
pub(super) fn routes(simulators: Vec<Arc<Simulator>>) -> Router {
    let all: Simulators = Arc::new(simulators);
    let [set, shown, cleared, received, reset, waiting, told, listed, silenced] =
        std::array::from_fn(|_| Arc::clone(&all));
    let faults = get(move |Path(name): Path<String>| async move { of(&shown, &name, |one| ok(&one.faults())) })
        .post(move |Path(name): Path<String>, body: Bytes| set_fault(set, name, body))
        .delete(move |Path(name): Path<String>| clear(cleared, name));
    let answers = get(move |Path(name): Path<String>| async move { tell(&listed, &name, Told::Answers) })
        .post(move |Path(name): Path<String>, body: Bytes| async move { tell(&told, &name, Told::Answer(&body)) })
        .delete(move |Path(name): Path<String>| async move { tell(&silenced, &name, Told::Clear) });
    Router::new()
        .route("/sandbox/partners/{id}/faults", faults)
        .route("/sandbox/partners/{id}/answers", answers)
        .route(
            "/sandbox/partners/{id}/inbox",
            get(move |Path(name): Path<String>| async move { tell(&waiting, &name, Told::Inbox) }),
        )
        .route(
            "/sandbox/partners/{id}/received",
            get(move |Path(name): Path<String>, RawQuery(query): RawQuery| async move {
                let query = query.unwrap_or_default();
                let asked = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "reference");
                of(&received, &name, |one| ok(&one.received(asked.as_ref().map(|(_, value)| value.as_ref()))))
            }),
        )
        .route("/sandbox/reset", post(move || reset_all(reset)))
}

fn find<'s>(simulators: &'s Simulators, name: &str) -> Option<&'s Arc<Simulator>> {
    simulators.iter().find(|simulator| simulator.name == name)
}

fn of(simulators: &Simulators, name: &str, answer: impl FnOnce(&Simulator) -> Response<Body>) -> Response<Body> {
    find(simulators, name).map_or_else(unknown, |simulator| answer(simulator))
}

fn tell(simulators: &Simulators, name: &str, told: Told<'_>) -> Response<Body> {
    of(simulators, name, |one| match one.told(told) {
        None => respond(
            StatusCode::NOT_FOUND,
            &json!({"error": "this partner is not told what to answer, only how to fail"}),
        ),
        Some(Err(error)) => respond(StatusCode::BAD_REQUEST, &json!({"error": error})),
        Some(Ok(answer)) => ok(&answer),
    })
}

async fn set_fault(simulators: Simulators, name: String, body: Bytes) -> Response<Body> {
    let Some(simulator) = find(&simulators, &name) else { return unknown() };
    let set = Planned::read(&body).and_then(|planned| simulator.set(planned).map(|()| planned.fault));
    match set {
        Err(error) => respond(StatusCode::BAD_REQUEST, &json!({"error": error})),
        Ok(fault) => {
            if matches!(fault, Fault::Down(_)) {
                turned(simulator, false).await;
            }
            ok(&simulator.faults())
        }
    }
}

async fn clear(simulators: Simulators, name: String) -> Response<Body> {
    let Some(simulator) = find(&simulators, &name) else { return unknown() };
    simulator.clear();
    turned(simulator, true).await;
    ok(&simulator.faults())
}

async fn reset_all(simulators: Simulators) -> Response<Body> {
    for simulator in simulators.iter() {
        simulator.reset();
    }
    for simulator in simulators.iter() {
        turned(simulator, true).await;
    }
    let names: Vec<&str> = simulators.iter().map(|simulator| simulator.name).collect();
    ok(&json!({
        "reset": names,
        "kept": "what is in the gateway: organisations, records, deliveries; start the sandbox anew to be rid of it",
    }))
}

/// Waits until a partner listens, or does not: who was answered here finds it so.
async fn turned(simulator: &Simulator, listens: bool) {
    let (mut state, mut wanted) = (simulator.listens.subscribe(), simulator.wanted.subscribe());
    let turned = async {
        tokio::select! {
            _ = state.wait_for(|state| *state == listens) => {}
            // A short time of being down may be over by now.
            _ = wanted.wait_for(|wanted| !listens && *wanted == Wanted::Up) => {}
        }
    };
    // A port that another program took in between is the only way to wait in vain.
    let _ = tokio::time::timeout(TURN_TIMEOUT, turned).await;
}

fn unknown() -> Response<Body> {
    respond(StatusCode::NOT_FOUND, &json!({"error": "there is no such partner: GET /sandbox lists them"}))
}

fn ok(body: &Value) -> Response<Body> {
    respond(StatusCode::OK, body)
}

fn respond(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
