//! The worker: looks for what is due, and keeps the partners apart.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use connectors::delivery::{Cause, Inquiry, Outcome};
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::timeout;

use super::outcome::settle;
use super::partners::{Outside, Partner, Partners, PartnersError};
use super::payload::{Payload, payload};
use crate::app::App;
use crate::config::DeliveriesConfig;
use crate::queue::{Attempts, Leased, Next, Told, next};
use crate::storage::StorageError;
use crate::storage::delivery::Delivery;
use crate::storage::subscription;

/// How often it is looked for what other gateways queued, and for what has become due.
const POLL: Duration = Duration::from_secs(1);
/// How often the figures of the queue are taken.
const FIGURES: Duration = Duration::from_secs(15);
/// After the database failed.
const PAUSE: Duration = Duration::from_secs(5);

/// Sends what is due, until it is told to stop.
#[derive(Clone, Debug)]
pub struct Worker {
    pub(super) app: App,
    pub(super) partners: Arc<Partners>,
    settings: DeliveriesConfig,
}

impl Worker {
    /// A worker of a gateway.
    ///
    /// # Errors
    /// There can be no connectors with these settings.
    pub fn new(app: &App, outside: Outside, settings: DeliveriesConfig) -> Result<Self, PartnersError> {
        Ok(Self { app: Arc::clone(app), partners: Arc::new(Partners::new(outside)?), settings })
    }

    /// Works until `stopping` says so; then nothing more is leased, and what is under way is finished and settled.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) {
        let mut at_work: HashMap<Id, String> = HashMap::new();
        let mut drains = JoinSet::new();
        let mut figures = tokio::time::interval(FIGURES);
        while !*stopping.borrow() {
            match self.app.store.due_partners(self.app.clock.now_ms()).await {
                Ok(due) => {
                    for partner in due {
                        // One without a channel is looked at again: it may have one by then.
                        let is_at_work = at_work.values().any(|other| *other == partner);
                        if !is_at_work && self.partner(&partner).await.is_some() {
                            let drain = drains.spawn(self.clone().drain(partner.clone(), stopping.clone()));
                            at_work.insert(drain.id(), partner);
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "what is due could not be looked for, it is tried again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
            if self.woken(&mut drains, &mut at_work, &mut figures, &mut stopping).await.is_err() {
                break;
            }
        }
        while drains.join_next().await.is_some() {}
    }

    /// One round: leases once for each partner for which something is due, and tries it. Answers how many deliveries were tried.
    ///
    /// # Errors
    /// The database is away.
    pub async fn round(&self) -> Result<usize, StorageError> {
        let mut under_way = JoinSet::new();
        for name in self.app.store.due_partners(self.app.clock.now_ms()).await? {
            let Some(partner) = self.partner(&name).await else { continue };
            for delivery in self.lease(&name, partner.at_once(self.settings.parallel_max)).await? {
                under_way.spawn(self.clone().attempt(partner.clone(), delivery));
            }
        }
        Ok(under_way.join_all().await.len())
    }

    /// Waits until something may be due: by time, by what this gateway queued, or because a partner for whom there was something has
    /// been served.
    ///
    /// # Errors
    /// Nobody is there any more to say stop.
    async fn woken(
        &self,
        drains: &mut JoinSet<bool>,
        at_work: &mut HashMap<Id, String>,
        figures: &mut tokio::time::Interval,
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<(), watch::error::RecvError> {
        let mut poll = std::pin::pin!(tokio::time::sleep(POLL));
        loop {
            tokio::select! {
                () = self.app.store.queued() => return Ok(()),
                () = &mut poll => return Ok(()),
                _ = figures.tick() => self.figures().await,
                stop = stopping.changed() => return stop,
                Some(ended) = drains.join_next_with_id() => {
                    let (id, was_something) = match ended {
                        Ok((id, was_something)) => (id, was_something),
                        // A fault of ours, at one partner: the leases end by themselves, and it is looked at again by time.
                        Err(error) => {
                            tracing::error!("a task of the deliveries failed");
                            (error.id(), false)
                        }
                    };
                    at_work.remove(&id);
                    // Where there was nothing to lease (an older one is in the way), it is not looked at again at once.
                    if was_something {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn partner(&self, partner: &str) -> Option<Partner> {
        let registry = self.app.registry().await.ok()?;
        self.partners.of(&registry, partner)
    }

    /// Sends to one partner until nothing is due, so many at once. Answers whether there was something.
    async fn drain(self, name: String, stopping: watch::Receiver<bool>) -> bool {
        let mut was_something = false;
        let mut under_way = JoinSet::new();
        loop {
            // Looked up each time: nothing more leaves by a channel that was changed or taken away.
            let partner = self.partner(&name).await.filter(|_| !*stopping.borrow());
            let Some(partner) = partner else { break };
            let room = usize::try_from(partner.at_once(self.settings.parallel_max)).unwrap_or(1);
            // Half of the places together, so that a lease is of many rows.
            while under_way.len() > room / 2 {
                under_way.join_next().await;
            }
            let free = u32::try_from(room.saturating_sub(under_way.len())).unwrap_or(1);
            match self.lease(&name, free).await {
                Ok(leased) if leased.is_empty() => {
                    if under_way.join_next().await.is_none() {
                        break;
                    }
                }
                Ok(leased) => {
                    was_something = true;
                    for delivery in leased {
                        under_way.spawn(self.clone().attempt(partner.clone(), delivery));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "deliveries could not be leased, it is tried again");
                    break;
                }
            }
        }
        while under_way.join_next().await.is_some() {}
        was_something
    }

    async fn lease(&self, partner: &str, deliveries_max: u32) -> Result<Vec<Delivery>, StorageError> {
        let now_ms = self.app.clock.now_ms();
        let lease_ms = i64::try_from(self.settings.lease.as_millis()).unwrap_or(i64::MAX);
        if partner.starts_with(subscription::PARTNER) {
            return self.app.store.lease_in_order(partner, now_ms, now_ms.saturating_add(lease_ms)).await;
        }
        self.app.store.lease_deliveries(partner, now_ms, now_ms.saturating_add(lease_ms), deliveries_max).await
    }

    /// One attempt at a leased delivery, settled.
    async fn attempt(self, partner: Partner, delivery: Delivery) {
        let told = self.told(&partner, &delivery).await;
        let next = self.next(&partner, &delivery, &told);
        tell(&delivery, &next);
        let answer = if let Told::Sent(Outcome::Delivered(answer)) = &told { Some(answer) } else { None };
        match settle(&self.app, &delivery, &next, (delivery.asks, answer)).await {
            Ok(true) => {}
            Ok(false) => tracing::info!(
                delivery.id,
                delivery.state = next.state.code(),
                "the lease of a delivery was over, or it was withdrawn: what came of it counts for nothing"
            ),
            Err(failure) => tracing::error!(
                delivery.id,
                status = failure.status().as_u16(),
                "what came of a delivery could not be written: its lease ends by itself, and the partner is asked"
            ),
        }
    }

    async fn told(&self, partner: &Partner, delivery: &Delivery) -> Told {
        let patience = self.settings.lease / 2;
        let timed_out = || Cause::new("timed-out", "no answer within half of the lease");
        if delivery.asks {
            let told = timeout(patience, partner.connector.inquire(&delivery.id)).await;
            return Told::Asked(told.unwrap_or_else(|_| Inquiry::Unanswered(timed_out(), None)));
        }
        let message = match timeout(patience / 2, payload(&self.app, delivery, &partner.means)).await {
            Ok(Ok(Payload::Ready(message))) => message,
            Ok(Ok(Payload::Withheld(code))) => return Told::NotPermitted(code),
            Ok(Err(failure)) => {
                let text = format!("the message could not be made ({})", failure.status().as_u16());
                return Told::NotReady(Cause::new("not-ready", text));
            }
            Err(_) => return Told::NotReady(Cause::new("not-ready", "the message could not be made in time")),
        };
        // A worker that slept meanwhile may be one of two: the other has it now, or has sent it.
        let lease_left_ms = delivery.due_ms - self.app.clock.now_ms();
        if lease_left_ms < i64::try_from(patience.as_millis()).unwrap_or(i64::MAX) {
            return Told::NotReady(Cause::new("lease-over", "too little of the lease was left to send it"));
        }
        // Whoever does not answer in time has perhaps taken it.
        let sent = timeout(patience, partner.connector.send(&message)).await;
        Told::Sent(sent.unwrap_or_else(|_| Outcome::Uncertain(timed_out())))
    }

    fn next(&self, partner: &Partner, delivery: &Delivery, told: &Told) -> Next {
        let leased = Leased {
            sends: delivery.attempts,
            inquiries: delivery.inquiries,
            is_idempotent: partner.connector.is_idempotent(),
        };
        let attempts = Attempts {
            sends_max: i64::from(self.settings.attempts_max),
            inquiries_max: i64::from(self.settings.inquiries_max),
        };
        next(leased, told, attempts, self.app.clock.now_ms(), jitter())
    }

    /// How much waits, and for how long: what an operator sets an alarm on.
    async fn figures(&self) {
        let (Ok(mut counts), Ok(registry)) = (self.app.store.delivery_counts().await, self.app.registry().await) else {
            return;
        };
        // What waits for a channel is nobody's delay: it has a figure of its own.
        for count in counts.iter_mut().filter(|count| count.state == "waiting") {
            if self.partners.of(&registry, &count.partner).is_none() {
                "without-channel".clone_into(&mut count.state);
            }
        }
        let now_ms = self.app.clock.now_ms();
        for state in ["waiting", "without-channel", "leased", "uncertain", "held", "dead"] {
            let of_state = || counts.iter().filter(|count| count.state == state);
            let deliveries: i64 = of_state().map(|count| count.deliveries).sum();
            let oldest_ms = of_state().map(|count| now_ms - count.oldest_ms).max().unwrap_or(0);
            metrics::gauge!("wellgate_deliveries", "state" => state).set(number(deliveries));
            metrics::gauge!("wellgate_deliveries_oldest_seconds", "state" => state).set(number(oldest_ms) / 1_000.0);
        }
    }
}

/// Counts an attempt, and says in the log what a person has to look at.
fn tell(delivery: &Delivery, next: &Next) {
    metrics::counter!("wellgate_delivery_attempts_total", "state" => next.state.code()).increment(1);
    let code = next.cause.as_ref().map(|cause| cause.code.as_str()).unwrap_or_default();
    if next.needs_a_person() {
        tracing::error!(
            delivery.id,
            delivery.partner,
            delivery.kind,
            delivery.state = next.state.code(),
            delivery.cause = code,
            "a delivery needs the operator: see `wellgate deliveries show`"
        );
    } else {
        tracing::debug!(delivery.id, delivery.state = next.state.code(), delivery.cause = code, "a delivery was tried");
    }
}

fn jitter() -> f64 {
    let [first, second, ..] = *uuid::Uuid::new_v4().as_bytes();
    f64::from(u16::from_be_bytes([first, second])) / f64::from(u16::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a figure on a dashboard")]
fn number(count: i64) -> f64 {
    count as f64
}
