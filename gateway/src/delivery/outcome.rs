//! What became of a delivery, written with what follows from it: one write set, under the fence of the lease.

use serde_json::Value;

use super::hook;
use super::payload::DOSSIER;
use crate::access::caller::Act;
use crate::access::{Caller, Draft};
use crate::app::App;
use crate::audit::{AuditEvent, Outcome};
use crate::billing;
use crate::error::Failure;
use crate::queue::{NEVER_MS, Next, State};
use crate::referral::dossier::received;
use crate::referral::intake;
use crate::search::parameters::type_name;
use crate::storage::delivery::{Delivery, NewDelivery, Settlement};
use crate::storage::resource::Touched;
use crate::storage::sight::Level;
use crate::storage::subscription;
use crate::storage::write_set::{Precondition, VersionId, WriteSet};
use crate::storage::{StorageError, Store};
use crate::tdi;

/// The act of a worker.
const DELIVERY: Act = Act::new("E", "delivery");

/// The trail's event about a delivery.
fn event(caller: &Caller, act: Act, delivery: &Delivery) -> AuditEvent {
    let touched = Touched {
        compartment: delivery.compartment.clone(),
        resource_type: delivery.resource_type.clone(),
        resource_id: delivery.resource_id.clone(),
        version_id: delivery.version_id,
        level: Level::Held,
    };
    let mut event = caller.event(act, "delivery", &touched);
    event.request_id.clone_from(&delivery.id);
    event
}

fn fence(delivery: &Delivery) -> Precondition {
    Precondition::Fence { compartment: delivery.compartment.clone(), id: delivery.id.clone(), fence: delivery.fence }
}

/// How often a settlement is tried whose Task or books others move at the same time: of those that meet one gets through at each try, and
/// at the end of a month a file to each federation and care fund settles in the same second.
const TRIES_MAX: usize = 64;

/// Settles a leased delivery. Ends are in the trail, and what a person has to look at; further tries are not. Answers whether the lease
/// still was the worker's: if not, another has it, or it was withdrawn, and what this one found out counts for nothing.
///
/// # Errors
/// The database is away: the lease ends by itself, and the partner is asked.
pub(super) async fn settle(
    app: &App,
    delivery: &Delivery,
    next: &Next,
    (was_asked, answer): (bool, Option<&Value>),
) -> Result<bool, Failure> {
    let now_ms = app.clock.now_ms();
    if delivery.partner == tdi::PARTNER && matches!(next.state, State::Delivered | State::Rejected) {
        // Before the queue knows of it: a gateway that dies in between finds out again, and notes the same.
        let demand = (delivery.id.as_str(), delivery.compartment.as_str(), delivery.resource_id.as_str());
        let refused = next.cause.as_ref().filter(|_| next.state == State::Rejected).map(|cause| cause.code.as_str());
        tdi::settled(&app.store, demand, refused).await?;
    }
    let registry = app.registry().await?;
    let caller = intake::caller(app, &registry, delivery, now_ms);
    let caller = caller.unwrap_or_else(|| Caller::gateway(registry, now_ms));
    for tried in 0..TRIES_MAX {
        if tried > 0 && app.store.delivery(&delivery.id).await?.is_none_or(|now| now.fence != delivery.fence) {
            return Ok(false);
        }
        let mut draft = Draft::new(app, &caller);
        if next.state == State::Delivered && delivery.kind == DOSSIER {
            received(&mut draft, &delivery.compartment, &delivery.resource_id, &delivery.partner).await?;
        }
        if delivery.partner == intake::PARTNER && next.state.is_end() {
            match intake::settled(&mut draft, delivery, (answer, next.state == State::Rejected)).await {
                Ok(()) => {}
                Err(Failure::Conflict) => continue,
                Err(failure) => return Err(failure),
            }
        }
        hook::follow(&mut draft, delivery, next, was_asked).await?;
        let mut set = draft.finish();
        billing::delivered(app, delivery, next, &mut set).await?;
        set.preconditions.push(fence(delivery));
        if next.state.is_end() || next.needs_a_person() {
            set.audit.push(ended(&caller, delivery, next));
        }
        set.settlements.push(settlement(delivery, next, was_asked, now_ms));
        match app.store.apply(set).await {
            Ok(()) => return Ok(true),
            Err(StorageError::Moved) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::Conflict)
}

fn ended(caller: &Caller, delivery: &Delivery, next: &Next) -> AuditEvent {
    let mut event = event(caller, DELIVERY, delivery);
    event.organization = hook::organization(&delivery.partner).unwrap_or_else(|| delivery.partner.clone());
    if next.state != State::Delivered {
        event.outcome = Outcome::Refused;
        event.reason = next.cause.as_ref().map(|cause| cause.code.clone()).unwrap_or_default();
    }
    event
}

fn settlement(delivery: &Delivery, next: &Next, was_asked: bool, now_ms: i64) -> Settlement {
    let (cause, cause_text) = next.cause.clone().map(|cause| (cause.code, cause.text)).unwrap_or_default();
    Settlement {
        compartment: delivery.compartment.clone(),
        id: delivery.id.clone(),
        fence: delivery.fence,
        state: next.state.code(),
        due_ms: next.due_ms,
        asks: next.asks,
        was_asked,
        cause,
        cause_text,
        settled_ms: if next.state.is_end() { now_ms } else { 0 },
    }
}

/// How a delivery ends.
const ENDS: [&str; 5] = ["dead", "rejected", "abandoned", "void", "delivered"];

/// What an operator decides about a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It leaves now: what is held, or waits, or is to be asked about.
    Release,
    /// It does not leave.
    Abandon,
    /// It is sent once more, as a delivery of its own that names this one.
    Rerun,
}

/// The end that a delivery has, once more: it moves the fence, so that one look at it leads to one repetition.
fn as_it_is(delivery: &Delivery) -> Option<Settlement> {
    let state = ENDS.into_iter().find(|state| *state == delivery.state)?;
    Some(Settlement {
        compartment: delivery.compartment.clone(),
        id: delivery.id.clone(),
        fence: delivery.fence,
        state,
        due_ms: delivery.due_ms,
        asks: delivery.asks,
        was_asked: false,
        cause: delivery.cause.clone(),
        cause_text: delivery.cause_text.clone(),
        settled_ms: delivery.settled_ms,
    })
}

impl Decided {
    /// The act as the trail has it.
    pub fn act(self) -> Act {
        match self {
            Self::Release => Act::new("E", "delivery-release"),
            Self::Abandon => Act::new("E", "delivery-abandon"),
            Self::Rerun => Act::new("E", "delivery-rerun"),
        }
    }

    /// Why this cannot be decided about a delivery in a state; none where it can.
    pub fn objection(self, delivery: &Delivery) -> Option<&'static str> {
        let state = delivery.state.as_str();
        if delivery.partner == intake::PARTNER && self == Self::Abandon {
            return Some("an intake ends by its Task: whoever looks writes cancelled");
        }
        if delivery.kind == billing::KIND && self == Self::Abandon {
            return Some(
                "its lines would wait for ever: release it, or repeat it; what the insurer refuses can go again",
            );
        }
        if delivery.partner.starts_with(subscription::PARTNER) && self == Self::Rerun {
            return Some("what was told has its number: the subscriber asks for it");
        }
        match self {
            Self::Release => (!matches!(state, "held" | "waiting" | "uncertain"))
                .then_some("it is under way, or has come to its end"),
            Self::Abandon => (!matches!(state, "held" | "waiting" | "uncertain" | "dead"))
                .then_some("it is under way, or has come to its end"),
            // What is uncertain may be there: asked about first, or it is there twice.
            Self::Rerun => {
                (!ENDS.contains(&state)).then_some("it has not come to its end: release it, or abandon it first")
            }
        }
    }
}

/// Carries out what an operator decided, and puts it into the trail. A rerun is decided on as the first was, when it is sent. Answers
/// the id of the delivery that leaves by it; none where somebody else moved it meanwhile, or decided by the same look at it.
///
/// # Errors
/// The database is away.
pub async fn decide(
    store: &Store,
    caller: &Caller,
    delivery: &Delivery,
    decided: Decided,
) -> Result<Option<String>, StorageError> {
    decide_because(store, caller, delivery, (decided, "")).await
}

/// The same for a reason, which the trail keeps; empty where none is given.
///
/// # Errors
/// The database is away.
pub async fn decide_because(
    store: &Store,
    caller: &Caller,
    delivery: &Delivery,
    (decided, reason): (Decided, &str),
) -> Result<Option<String>, StorageError> {
    let now_ms = caller.now_ms;
    let mut set = WriteSet::default();
    set.preconditions.push(fence(delivery));
    let mut event = event(caller, decided.act(), delivery);
    if !reason.is_empty() {
        event.query = form_urlencoded::Serializer::new(String::new()).append_pair("reason", reason).finish();
    }
    let mut id = delivery.id.clone();
    match decided {
        Decided::Release | Decided::Abandon => {
            let is_end = decided == Decided::Abandon;
            set.settlements.push(Settlement {
                compartment: delivery.compartment.clone(),
                id: id.clone(),
                fence: delivery.fence,
                state: if is_end { "abandoned" } else { "waiting" },
                due_ms: if is_end { NEVER_MS } else { now_ms },
                // What was held may have left since: asked about before it is sent.
                asks: !is_end && (delivery.asks || !delivery.held_from.is_empty()),
                was_asked: false,
                cause: if is_end { "operator".to_owned() } else { String::new() },
                cause_text: String::new(),
                settled_ms: if is_end { now_ms } else { 0 },
            });
        }
        Decided::Rerun => {
            let Some(resource_type) = type_name(&delivery.resource_type) else { return Ok(None) };
            set.settlements.extend(as_it_is(delivery));
            id = AuditEvent::fresh_id();
            event.request_id.clone_from(&id);
            let repeated = NewDelivery {
                compartment: delivery.compartment.clone(),
                id: id.clone(),
                partner: delivery.partner.clone(),
                kind: delivery.kind.clone().into(),
                resource_type,
                resource_id: delivery.resource_id.clone(),
                version: VersionId(delivery.version_id),
                due_ms: now_ms,
            };
            set.repeated_deliveries.push((repeated, delivery.id.clone()));
        }
    }
    set.audit.push(event);
    match store.apply(set).await {
        Ok(()) => Ok(Some(id)),
        Err(StorageError::Moved) => Ok(None),
        Err(error) => Err(error),
    }
}
