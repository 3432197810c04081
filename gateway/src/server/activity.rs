//! What goes on in one connection: how many requests are in flight, and when something last moved.
//!
//! A request counts from its head until the last byte of its answer is handed over, or it is given up.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};

/// The activity of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    started: Instant,
    requests: AtomicU64,
    in_flight: AtomicUsize,
    /// Milliseconds after `started` at which something last moved.
    moved_ms: AtomicU64,
}

impl Activity {
    pub(super) fn start() -> Self {
        Self {
            started: Instant::now(),
            requests: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            moved_ms: AtomicU64::new(0),
        }
    }

    /// Counts a request until what it returns is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        self.moved();
        InFlight(Arc::clone(self))
    }

    /// Waits for `limit` and says whether a request has begun by then.
    pub(super) async fn begins_within(&self, limit: Duration) -> bool {
        tokio::time::sleep(limit).await;
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// Done when nothing has moved for `idle` while no request is in flight, or for `stalled` while one is.
    pub(super) async fn quiet_for(&self, idle: Duration, stalled: Duration) {
        loop {
            let is_idle = self.in_flight.load(Ordering::Acquire) == 0;
            let limit = if is_idle { idle } else { stalled };
            let left = limit.saturating_sub(self.quiet());
            if left.is_zero() {
                return;
            }
            // Not longer than `idle`: the request in flight may end, and then that is the limit.
            tokio::time::sleep(left.min(idle)).await;
        }
    }

    fn quiet(&self) -> Duration {
        let moved = Duration::from_millis(self.moved_ms.load(Ordering::Acquire));
        self.started.elapsed().saturating_sub(moved)
    }

    fn moved(&self) {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved_ms.store(now_ms, Ordering::Release);
    }
}

/// One request in flight.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Activity>);

impl InFlight {
    /// Keeps the request in flight until the body is handed over or dropped.
    pub(super) fn observe(self, body: Body) -> Observed {
        Observed { body, in_flight: self }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.moved();
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The body of an answer, whose progress counts as activity.
#[derive(Debug)]
pub(super) struct Observed {
    body: Body,
    in_flight: InFlight,
}

impl hyper::body::Body for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_ready() {
            self.in_flight.0.moved();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
