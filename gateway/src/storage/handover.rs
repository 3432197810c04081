//! What a gateway queues and its own worker has in hand with the commit: leased by the very transaction that queues it.
//!
//! A worker says for which partners nothing is under way. The next delivery to one of them is written as leased, so that nobody has to look
//! for it, lease it and commit that. Whatever is not taken so waits as ever, and a gateway that dies after the commit leaves a lease that
//! ends by itself.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::delivery::{Delivery, NewDelivery};
use super::write_set::WriteSet;
use crate::clock::Clock;

/// What this gateway has queued.
#[derive(Debug, Default)]
pub struct Queued {
    /// What is leased for its worker already, one a partner.
    pub leased: Vec<Delivery>,
    /// The partners for whom something waits.
    pub waiting: BTreeSet<String>,
}

/// How long a lease lasts from when it is written.
#[derive(Clone, Debug)]
struct Terms {
    clock: Clock,
    lease_ms: i64,
}

#[derive(Debug, Default)]
struct State {
    /// Partners whose next delivery is taken.
    idle: HashMap<String, Terms>,
    /// Partners to whom one is being written at this moment, and whether the worker was sent away meanwhile.
    taking: HashMap<String, bool>,
    queued: Queued,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    woken: Notify,
}

/// Between those who queue and the worker of the same gateway.
#[derive(Clone, Debug, Default)]
pub(super) struct Handover(Arc<Shared>);

impl Handover {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn queued(&self) -> Queued {
        self.0.woken.notified().await;
        std::mem::take(&mut self.state().queued)
    }

    pub(super) fn take_next(&self, partner: &str, clock: &Clock, lease_ms: i64) {
        self.state().idle.insert(partner.to_owned(), Terms { clock: clock.clone(), lease_ms });
    }

    pub(super) fn take_back(&self, partner: &str) -> bool {
        let mut state = self.state();
        state.idle.remove(partner);
        state.taking.get_mut(partner).map(|was_sent_away| *was_sent_away = true).is_none()
    }

    pub(super) fn take_no_more(&self) -> (Queued, bool) {
        let mut state = self.state();
        state.idle.clear();
        (std::mem::take(&mut state.queued), !state.taking.is_empty())
    }

    /// Leases of what a set queues what the worker can have at once; none where it queues nothing. What is told of it counts only once it
    /// is written.
    pub(super) fn take(&self, set: &mut WriteSet) -> Option<Taken> {
        if set.deliveries.is_empty() && set.repeated_deliveries.is_empty() {
            return None;
        }
        let mut state = self.state();
        let repeated = set.repeated_deliveries.iter().map(|(delivery, _)| delivery);
        let mut queued = Queued::default();
        for delivery in set.deliveries.iter().chain(repeated) {
            let terms = state.idle.get(&delivery.partner).filter(|_| is_first(delivery, set));
            match terms.and_then(|terms| leased(delivery, terms)) {
                Some(leased) => {
                    state.idle.remove(&delivery.partner);
                    state.taking.insert(delivery.partner.clone(), false);
                    queued.leased.push(leased);
                }
                None => drop(queued.waiting.insert(delivery.partner.clone())),
            }
        }
        set.leased.clone_from(&queued.leased);
        drop(state);
        Some(Taken { handover: self.clone(), queued, is_written: false })
    }
}

/// Whether nothing older about the same resource can wait for the same partner: it begins with this set, and is told once.
fn is_first(delivery: &NewDelivery, set: &WriteSet) -> bool {
    let is_about_it = |other: &NewDelivery| {
        (&other.partner, other.resource_type, &other.resource_id)
            == (&delivery.partner, delivery.resource_type, &delivery.resource_id)
    };
    let begins = set.versions.iter().any(|version| {
        !version.replaces
            && (&version.key.compartment, version.key.resource_type, &version.key.id)
                == (&delivery.compartment, delivery.resource_type, &delivery.resource_id)
    });
    begins && set.deliveries.iter().filter(|other| is_about_it(other)).count() == 1
}

/// The row as a worker would lease it at this moment; none where it is not due.
fn leased(delivery: &NewDelivery, terms: &Terms) -> Option<Delivery> {
    let now_ms = terms.clock.now_ms();
    (delivery.due_ms <= now_ms).then(|| Delivery {
        id: delivery.id.clone(),
        compartment: delivery.compartment.clone(),
        partner: delivery.partner.clone(),
        kind: delivery.kind.clone().into_owned(),
        state: "leased".to_owned(),
        resource_type: delivery.resource_type.to_owned(),
        resource_id: delivery.resource_id.clone(),
        version_id: delivery.version.0,
        attempts: 1,
        inquiries: 0,
        asks: false,
        due_ms: now_ms.saturating_add(terms.lease_ms),
        fence: 1,
        made_ms: delivery.due_ms,
        settled_ms: 0,
        cause: String::new(),
        cause_text: String::new(),
        parent: String::new(),
        held_from: String::new(),
        service_request: None,
    })
}

/// What a set that is being written queues. It goes with the set to the writer, so that the worker is told also where whoever asked for the
/// write has gone.
#[derive(Debug)]
pub(super) struct Taken {
    handover: Handover,
    queued: Queued,
    is_written: bool,
}

impl Taken {
    /// The set is committed: the worker is told.
    pub(super) fn written(mut self) {
        self.is_written = true;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut state = self.handover.state();
        let Queued { leased, waiting } = std::mem::take(&mut self.queued);
        for delivery in &leased {
            if state.taking.remove(&delivery.partner) == Some(true) {
                state.queued.waiting.insert(delivery.partner.clone());
            }
        }
        if self.is_written {
            state.queued.leased.extend(leased);
            state.queued.waiting.extend(waiting);
        }
        drop(state);
        self.handover.0.woken.notify_one();
    }
}
