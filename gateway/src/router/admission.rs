//! Who is let in: how many requests at once, how many may wait for how long, how often one address may fail to say who it is.
//!
//! A gateway that is asked for twice what it can do answers the half that it can do in time, and refuses the rest at once: without
//! the bound all of it would wait, and be answered when nobody waits any more. Health and metrics do not pass here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::middleware::Next;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::app::App;
use crate::bodies::{self, BodyError, BodyLimits};
use crate::error::Failure;
use crate::oauth;
use crate::people;
use crate::rates::network_of;

/// The longest body outside of the FHIR interface: a form with an assertion, a key set.
const PLAIN_BODY_BYTES_MAX: usize = 64 * 1024;

/// What a group of routes is held to.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    app: App,
    room: Arc<Room>,
    told: Told,
}

/// In which form it is told that something is beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// As an OperationOutcome.
    Fhir,
    /// As the token service tells it.
    Json,
    /// As a page.
    Page,
    /// As a page, of those who say who they are before their body is read: a file may come with it.
    Console,
}

/// Room for requests, and places to wait for it. All groups share one.
#[derive(Debug)]
struct Room {
    slots: Semaphore,
    waiting: AtomicUsize,
    waiting_max: usize,
    wait: Duration,
}

/// A place in the queue, until it is dropped.
struct Place<'r>(&'r AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Room {
    /// Room for one request, at once or after waiting; none where too many wait, or it took too long.
    async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(slot) = self.slots.try_acquire() {
            return Some(slot);
        }
        let place = Place(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= self.waiting_max {
            return None;
        }
        let entered = timeout(self.wait, self.slots.acquire()).await;
        drop(place);
        entered.ok()?.ok()
    }
}

impl Admission {
    /// The admission of the FHIR interface.
    pub(super) fn new(app: &App) -> Self {
        let limits = &app.limits;
        let room = Room {
            slots: Semaphore::new(limits.requests_in_flight_max),
            waiting: AtomicUsize::new(0),
            waiting_max: limits.requests_waiting_max,
            wait: limits.request_wait,
        };
        Self { app: Arc::clone(app), room: Arc::new(room), told: Told::Fhir }
    }

    /// The same room for routes that speak plain JSON.
    pub(super) fn of_plain_routes(&self) -> Self {
        Self { told: Told::Json, ..self.clone() }
    }

    /// The same room for pages.
    pub(super) fn of_pages(&self) -> Self {
        Self { told: Told::Page, ..self.clone() }
    }

    /// The same room for the pages of an office.
    pub(super) fn of_console(&self) -> Self {
        Self { told: Told::Console, ..self.clone() }
    }

    fn refusal(&self, failure: Failure, path: &str) -> Response<Body> {
        match self.told {
            Told::Page if people::SPEAK_JSON.contains(&path) => oauth::refused(&failure),
            Told::Fhir => failure.into_response(),
            Told::Json => oauth::refused(&failure),
            Told::Page | Told::Console => people::unavailable(&failure),
        }
    }

    /// Outside of the FHIR interface a body comes before anybody has said who it is. So it is read before there is room for it, or who sends
    /// slowly would hold all of it.
    async fn with_body(&self, request: Request) -> Result<Request, Failure> {
        if matches!(self.told, Told::Fhir | Told::Console) {
            return Ok(request);
        }
        let limits = BodyLimits { bytes_max: PLAIN_BODY_BYTES_MAX, ..self.app.body_limits() };
        let (parts, body) = request.into_parts();
        let bytes = bodies::read(body, limits).await.map_err(|error| unread(error, PLAIN_BODY_BYTES_MAX))?;
        Ok(Request::from_parts(parts, Body::from(bytes)))
    }

    async fn answer(&self, request: Request, next: Next) -> Result<Response<Body>, Failure> {
        if is_encoded(request.headers()) {
            return Err(Failure::Encoded);
        }
        let request = self.with_body(request).await?;
        let Some(_slot) = self.room.enter().await else {
            self.app.refused_by("room");
            return Err(Failure::Overloaded);
        };
        // What was handed to the writer is still written or not, whole: the client repeats with its idempotency key.
        timeout(self.app.limits.request_timeout, next.run(request)).await.map_err(|_| Failure::Unavailable)
    }
}

/// No more requests at once than there is room for, none longer than its time, and none from where too many prove nothing.
pub(super) async fn admitted(State(admission): State<Admission>, request: Request, next: Next) -> Response<Body> {
    let app = &admission.app;
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let network = peer.map(|ConnectInfo(address)| network_of(address.ip()).to_string()).unwrap_or_default();
    let path = request.uri().path().to_owned();
    if let Err(too_often) = app.rates.addresses.look(&network, app.clock.now_ms()) {
        app.refused_by("address-rate");
        return admission.refusal(Failure::TooOften(too_often), &path);
    }
    let answer = admission.answer(request, next).await;
    let response = answer.unwrap_or_else(|failure| admission.refusal(failure, &path));
    // At the token service a request that is not understood proves no more than one that is refused.
    let proves_nothing = match response.status() {
        // A page asks whether somebody is signed in, and is told that nobody is.
        StatusCode::UNAUTHORIZED => path != "/session",
        StatusCode::REQUEST_TIMEOUT => true,
        status if path == "/sign-in/callback" => status.is_client_error() || status.is_server_error(),
        status => admission.told == Told::Json && status.is_client_error(),
    };
    if proves_nothing {
        app.rates.addresses.charge(&network, 1, app.clock.now_ms());
    }
    response
}

/// Why a body was not read.
fn unread(error: BodyError, bytes_max: usize) -> Failure {
    Failure::of_body(error, bytes_max)
}

/// Whether the body comes packed. A few bytes that unpack to gigabytes are then no matter, for nothing is unpacked.
fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(slots: usize, waiting_max: usize, wait_ms: u64) -> Room {
        let (slots, wait) = (Semaphore::new(slots), Duration::from_millis(wait_ms));
        Room { slots, waiting: AtomicUsize::new(0), waiting_max, wait }
    }

    #[tokio::test]
    async fn one_beyond_the_queue_is_refused_at_once_and_those_in_it_enter_in_turn() {
        let room = room(1, 1, 60_000);
        let first = room.enter().await.expect("there is room");
        let mut second = std::pin::pin!(room.enter());
        assert!(timeout(Duration::from_millis(10), second.as_mut()).await.is_err(), "it waits");
        assert!(room.enter().await.is_none(), "the queue is full");
        drop(first);
        assert!(second.await.is_some());
        assert_eq!(room.waiting.load(Ordering::Acquire), 0);
    }

    #[tokio::test]
    async fn a_wait_has_an_end_and_one_that_is_given_up_leaves_its_place() {
        let room = room(1, 1, 20);
        let _first = room.enter().await.expect("there is room");
        assert!(room.enter().await.is_none(), "it waited long enough");
        {
            let mut given_up = std::pin::pin!(room.enter());
            assert!(timeout(Duration::from_millis(1), given_up.as_mut()).await.is_err());
        }
        assert_eq!(room.waiting.load(Ordering::Acquire), 0, "whoever went away waits no more");
    }

    #[test]
    fn attack_40_any_packing_is_seen() {
        let of = |values: &[&str]| {
            let values = values.iter().map(|value| (header::CONTENT_ENCODING, value.parse().expect("a value")));
            is_encoded(&values.collect())
        };
        assert!(!of(&[]) && !of(&["identity"]) && !of(&["Identity"]));
        for packed in [&["gzip"][..], &["GZIP"], &["identity", "br"], &["identity, gzip"], &["unheard-of"], &[""]] {
            assert!(of(packed), "{packed:?}");
        }
    }
}
