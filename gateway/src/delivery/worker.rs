//! The worker: looks for what is due, and keeps the partners apart.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use connectors::delivery::{Cause, Inquiry, Outcome};
use futures_util::FutureExt as _;
use tokio::sync::{Notify, watch};
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
use crate::storage::handover::Queued;
use crate::storage::subscription;

/// How often it is looked for what other gateways queued, and for what has become due.
const POLL: Duration = Duration::from_secs(1);
/// How often the figures of the queue are taken.
const FIGURES: Duration = Duration::from_secs(15);
/// After the database failed.
const PAUSE: Duration = Duration::from_secs(5);

/// A partner that is being served.
struct Serving {
    partner: String,
    /// Says that something further may wait for it.
    more: Arc<Notify>,
}

/// The tasks that serve partners, one each.
#[derive(Default)]
struct AtWork {
    drains: JoinSet<Served>,
    serving: HashMap<Id, Serving>,
}

impl AtWork {
    fn serving(&self, partner: &str) -> Option<&Serving> {
        self.serving.values().find(|serving| serving.partner == partner)
    }
}

/// What may be due.
enum Found {
    /// What this gateway queued.
    Queued(Queued),
    /// It has to be looked for.
    Unknown,
}

/// How the serving of a partner ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Served {
    /// Deliveries were leased, until there were none.
    Leased,
    /// There was nothing to lease, or it was not looked for.
    Nothing,
    /// Before its end: nothing can leave now.
    BrokenOff,
}

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
        let mut at_work = AtWork::default();
        let mut figures = tokio::time::interval(FIGURES);
        let mut found = Found::Unknown;
        while !*stopping.borrow() {
            let partners = match found {
                Found::Queued(queued) => {
                    for delivery in queued.leased {
                        self.start(&mut at_work, delivery.partner.clone(), Some(delivery), &stopping);
                    }
                    queued.waiting.into_iter().collect()
                }
                Found::Unknown => match self.app.store.due_partners(self.app.clock.now_ms()).await {
                    Ok(due) => due,
                    Err(error) => {
                        tracing::warn!(%error, "what is due could not be looked for, it is tried again");
                        tokio::time::sleep(PAUSE).await;
                        Vec::new()
                    }
                },
            };
            for partner in partners {
                if let Some(serving) = at_work.serving(&partner) {
                    serving.more.notify_one();
                // One without a channel is looked at again: it may have one by then.
                } else if self.app.store.take_back(&partner) && self.partner(&partner).await.is_some() {
                    self.start(&mut at_work, partner, None, &stopping);
                }
            }
            let Ok(next) = self.woken(&mut at_work, &mut figures, &mut stopping).await else { break };
            found = next;
        }
        let (mut queued, mut is_more_written) = self.app.store.take_no_more();
        loop {
            for delivery in queued.leased {
                self.start(&mut at_work, delivery.partner.clone(), Some(delivery), &stopping);
            }
            if !is_more_written {
                break;
            }
            let written = self.app.store.queued().await;
            (queued, is_more_written) = self.app.store.take_no_more();
            queued.leased.extend(written.leased);
        }
        while at_work.drains.join_next().await.is_some() {}
    }

    /// Gives a partner a task, with what it is to begin with.
    fn start(&self, at_work: &mut AtWork, name: String, first: Option<Delivery>, stopping: &watch::Receiver<bool>) {
        let more = Arc::<Notify>::default();
        let drain = self.clone().drain((name.clone(), first), Arc::clone(&more), stopping.clone());
        let id = at_work.drains.spawn(drain).id();
        at_work.serving.insert(id, Serving { partner: name, more });
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
        at_work: &mut AtWork,
        figures: &mut tokio::time::Interval,
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<Found, watch::error::RecvError> {
        let mut poll = std::pin::pin!(tokio::time::sleep(POLL));
        loop {
            tokio::select! {
                queued = self.app.store.queued() => return Ok(Found::Queued(queued)),
                () = &mut poll => return Ok(Found::Unknown),
                _ = figures.tick() => self.figures().await,
                stop = stopping.changed() => return stop.map(|()| Found::Unknown),
                Some(ended) = at_work.drains.join_next_with_id() => {
                    let (id, served) = match ended {
                        Ok((id, served)) => (id, served),
                        // A fault of ours, at one partner: the leases end by themselves, and it is looked at again by time.
                        Err(error) => {
                            tracing::error!("a task of the deliveries failed");
                            (error.id(), Served::BrokenOff)
                        }
                    };
                    let Some(Serving { partner, more }) = at_work.serving.remove(&id) else { continue };
                    let is_served = served != Served::BrokenOff && self.partner(&partner).await.is_some();
                    // To a subscription nothing overtakes anything, so it is looked which is the oldest.
                    if is_served && !partner.starts_with(subscription::PARTNER) {
                        self.app.store.take_next(&partner, &self.app.clock, self.lease_ms());
                    }
                    // Where there was nothing to lease (an older one is in the way), it is not looked at again at once.
                    if served == Served::Leased || more.notified().now_or_never().is_some() {
                        return Ok(Found::Unknown);
                    }
                }
            }
        }
    }

    async fn partner(&self, partner: &str) -> Option<Partner> {
        let registry = self.app.registry().await.ok()?;
        self.partners.of(&registry, partner)
    }

    /// Sends to one partner until nothing is due, so many at once. Where it begins with a delivery that was leased as it was queued, it is
    /// looked for further ones only if `more` says that there may be some.
    async fn drain(
        self,
        (name, first): (String, Option<Delivery>),
        more: Arc<Notify>,
        stopping: watch::Receiver<bool>,
    ) -> Served {
        let (mut served, mut may_be_more) = (Served::Nothing, first.is_none());
        let mut under_way = JoinSet::new();
        if let Some(delivery) = first {
            under_way.spawn(self.clone().begin(name.clone(), delivery));
        }
        // Whether an end may let something follow: a younger one about the same resource.
        let mut looks_after = may_be_more;
        loop {
            if !may_be_more {
                tokio::select! {
                    () = more.notified() => (may_be_more, looks_after) = (true, true),
                    ended = under_way.join_next() => if ended.is_none() { return served } else { may_be_more = looks_after },
                }
                continue;
            }
            // Looked up each time: nothing more leaves by a channel that was changed or taken away.
            let partner = self.partner(&name).await.filter(|_| !*stopping.borrow());
            let Some(partner) = partner else { break };
            let room = usize::try_from(partner.at_once(self.settings.parallel_max)).unwrap_or(1);
            // Half of the places together, so that a lease is of many rows.
            while under_way.len() > room / 2 {
                under_way.join_next().await;
            }
            while under_way.try_join_next().is_some() {}
            let free = u32::try_from(room.saturating_sub(under_way.len())).unwrap_or(1);
            match self.lease(&name, free).await {
                Ok(leased) => {
                    // Fewer than there is room for are all that are due.
                    may_be_more = u32::try_from(leased.len()).is_ok_and(|count| count >= free);
                    for delivery in leased {
                        served = Served::Leased;
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
        Served::BrokenOff
    }

    async fn lease(&self, partner: &str, deliveries_max: u32) -> Result<Vec<Delivery>, StorageError> {
        let now_ms = self.app.clock.now_ms();
        let until_ms = now_ms.saturating_add(self.lease_ms());
        if partner.starts_with(subscription::PARTNER) {
            return self.app.store.lease_in_order(partner, now_ms, until_ms).await;
        }
        self.app.store.lease_deliveries(partner, now_ms, until_ms, deliveries_max).await
    }

    fn lease_ms(&self) -> i64 {
        i64::try_from(self.settings.lease.as_millis()).unwrap_or(i64::MAX)
    }

    /// One attempt at a delivery that was leased as it was queued: its partner may have lost its channel since.
    async fn begin(self, name: String, delivery: Delivery) {
        if let Some(partner) = self.partner(&name).await {
            self.attempt(partner, delivery).await;
        } else {
            let told = Told::NotReady(Cause::new("no-channel", "there is no channel to send it by"));
            self.conclude(&delivery, &told, false).await;
        }
    }

    /// One attempt at a leased delivery, settled.
    async fn attempt(self, partner: Partner, delivery: Delivery) {
        let told = self.told(&partner, &delivery).await;
        self.conclude(&delivery, &told, partner.connector.is_idempotent()).await;
    }

    async fn conclude(&self, delivery: &Delivery, told: &Told, is_idempotent: bool) {
        let next = self.next(delivery, told, is_idempotent);
        tell(delivery, &next);
        let answer = if let Told::Sent(Outcome::Delivered(answer)) = told { Some(answer) } else { None };
        match settle(&self.app, delivery, &next, (delivery.asks, answer)).await {
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

    fn next(&self, delivery: &Delivery, told: &Told, is_idempotent: bool) -> Next {
        let leased = Leased { sends: delivery.attempts, inquiries: delivery.inquiries, is_idempotent };
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
