//! The worker: looks for what is due, and keeps the partners apart.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use connectors::delivery::{Cause, Outcome};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::outcome::settle;
use super::partners::{Outside, Partner, Partners, PartnersError};
use super::payload::{Payload, payload};
use crate::app::App;
use crate::config::DeliveriesConfig;
use crate::queue::{Attempts, Leased, Next, Told, next};
use crate::storage::StorageError;
use crate::storage::delivery::Delivery;

/// How often it is looked for what other gateways queued, and for what has become due.
const POLL: Duration = Duration::from_secs(1);
/// How often the figures of the queue are taken.
const FIGURES: Duration = Duration::from_secs(15);
/// After the database failed.
const PAUSE: Duration = Duration::from_secs(5);

/// A partner to whom nothing more could be sent.
struct Drained {
    partner: String,
    was_something: bool,
}

/// Sends what is due, until it is told to stop.
#[derive(Clone, Debug)]
pub struct Worker {
    app: App,
    partners: Arc<Partners>,
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
        let mut at_work: HashSet<String> = HashSet::new();
        let mut drains = JoinSet::new();
        let mut figures = tokio::time::interval(FIGURES);
        loop {
            if *stopping.borrow() {
                break;
            }
            match self.app.store.due_partners(self.app.clock.now_ms()).await {
                Ok(due) => {
                    for partner in due {
                        let known = self.partner(&partner).await;
                        if let (Some(known), true) = (known, at_work.insert(partner.clone())) {
                            drains.spawn(self.clone().drain(partner, known, stopping.clone()));
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "what is due could not be looked for, it is tried again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
            at_work = self.woken(&mut drains, at_work, &mut figures, &mut stopping).await;
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
    /// been served. Answers the partners that are still being worked on.
    async fn woken(
        &self,
        drains: &mut JoinSet<Drained>,
        mut at_work: HashSet<String>,
        figures: &mut tokio::time::Interval,
        stopping: &mut watch::Receiver<bool>,
    ) -> HashSet<String> {
        let mut poll = std::pin::pin!(tokio::time::sleep(POLL));
        loop {
            tokio::select! {
                () = self.app.store.queued() => break,
                () = &mut poll => break,
                _ = figures.tick() => self.figures().await,
                _ = stopping.changed() => break,
                Some(ended) = drains.join_next() => {
                    let Ok(Drained { partner, was_something }) = ended else {
                        // A fault of ours: which partner it was is not known, so all are looked at again when the others have ended.
                        tracing::error!("a task of the deliveries failed");
                        while drains.join_next().await.is_some() {}
                        return HashSet::new();
                    };
                    at_work.remove(&partner);
                    // Where there was nothing to lease (an older one is in the way), it is not looked at again at once.
                    if was_something {
                        break;
                    }
                }
            }
        }
        at_work
    }

    async fn partner(&self, partner: &str) -> Option<Partner> {
        let registry = self.app.registry().await.ok()?;
        self.partners.of(&registry, partner)
    }

    /// Sends to one partner until nothing is due, so many at once.
    async fn drain(self, name: String, partner: Partner, stopping: watch::Receiver<bool>) -> Drained {
        let room = usize::try_from(partner.at_once(self.settings.parallel_max)).unwrap_or(1);
        let mut drained = Drained { partner: name, was_something: false };
        let mut under_way = JoinSet::new();
        loop {
            // Half of the places together, so that a lease is of many rows.
            while under_way.len() > room / 2 {
                under_way.join_next().await;
            }
            let free = u32::try_from(room - under_way.len()).unwrap_or(1);
            let leased = if *stopping.borrow() { Ok(Vec::new()) } else { self.lease(&drained.partner, free).await };
            match leased {
                Ok(leased) if leased.is_empty() => {
                    if under_way.join_next().await.is_none() {
                        return drained;
                    }
                }
                Ok(leased) => {
                    drained.was_something = true;
                    for delivery in leased {
                        under_way.spawn(self.clone().attempt(partner.clone(), delivery));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "deliveries could not be leased, it is tried again");
                    while under_way.join_next().await.is_some() {}
                    return drained;
                }
            }
        }
    }

    async fn lease(&self, partner: &str, deliveries_max: u32) -> Result<Vec<Delivery>, StorageError> {
        let now_ms = self.app.clock.now_ms();
        let lease_ms = i64::try_from(self.settings.lease.as_millis()).unwrap_or(i64::MAX);
        self.app.store.lease_deliveries(partner, now_ms, now_ms.saturating_add(lease_ms), deliveries_max).await
    }

    /// One attempt at a leased delivery, settled.
    async fn attempt(self, partner: Partner, delivery: Delivery) {
        // Whoever does not answer within half of the lease has perhaps taken it.
        let told = match timeout(self.settings.lease / 2, self.told(&partner, &delivery)).await {
            Ok(told) => told,
            Err(_) => Told::Sent(Outcome::Uncertain(Cause::new("timed-out", "no answer within the lease"))),
        };
        let next = self.next(&partner, &delivery, &told);
        tell(&delivery, &next);
        match settle(&self.app, &delivery, &next, delivery.asks).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(
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
        if delivery.asks {
            return Told::Asked(partner.connector.inquire(&delivery.id).await);
        }
        match payload(&self.app, delivery, &partner.means).await {
            Ok(Payload::Ready(message)) => Told::Sent(partner.connector.send(&message).await),
            Ok(Payload::Withheld(code)) => Told::NotPermitted(code),
            Err(failure) => {
                let text = format!("the message could not be made ({})", failure.status().as_u16());
                Told::NotReady(Cause::new("not-ready", text))
            }
        }
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
        let Ok(counts) = self.app.store.delivery_counts().await else { return };
        let now_ms = self.app.clock.now_ms();
        for state in ["waiting", "leased", "uncertain", "held", "dead"] {
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
