//! What a subscription is told, and what follows for it from an attempt.
//!
//! Decided at each sending as the subscriber. A number is taken immediately before the sending, and kept by what was told or may have been.

use aws_lc_rs::hmac;
use connectors::delivery::Message;
use mappings::json::spans::set_members;
use mappings::notification::{Event, Status, notification};
use mappings::subscription::topic;
use serde_json::{Value, json};

use super::payload::Payload;
use crate::access::caller::Act;
use crate::access::draft::{Content, Put};
use crate::access::{Caller, Draft};
use crate::app::App;
use crate::audit::AuditEvent;
use crate::audit::seal::hex;
use crate::clock::format_instant;
use crate::consent::{LawRule, Standing, without_consent};
use crate::error::Failure;
use crate::queue::{Next, State};
use crate::search::parameters::type_name;
use crate::storage::delivery::{Delivery, NewDelivery};
use crate::storage::subscription::{HANDSHAKE, SubscriptionRow, subscription_of};
use crate::storage::write_set::{Method, ResourceKey};

/// The act under which a disclosure by delivery is recorded.
const ACT: Act = Act::new("R", "delivery");
/// The rule under which the gateway says whether a Subscription is active.
const STATUS_RULE: &str = "subscription-status";
/// The kind of notice that an organisation gets about a subscription of its own that failed.
const FAILED: &str = "subscription-error";
/// Why nothing leaves.
const OFF: Payload = Payload::Withheld("subscription-off");
/// Causes of ours, for which nothing was sent.
const NOT_SENT: [&str; 2] = ["not-ready", "lease-over"];

/// The organisation behind a subscription, for the trail; none for any other partner.
pub(super) fn organization(partner: &str) -> Option<String> {
    subscription_of(partner).map(|(organization, _)| organization)
}

/// Decides on an event as the subscriber, and makes its notification.
///
/// # Errors
/// The database or the key store is away: nothing is sent, and it is tried again.
pub(super) async fn payload(app: &App, delivery: &Delivery) -> Result<Payload, Failure> {
    let Some((_, id)) = subscription_of(&delivery.partner) else { return Ok(OFF) };
    let Some(row) = app.store.subscription(id).await? else { return Ok(OFF) };
    let is_handshake = delivery.kind == HANDSHAKE;
    // Nothing but the handshake before it was answered, and nothing of a topic that it is not about any more.
    let is_wanted =
        if is_handshake { row.state == "requested" } else { row.state == "active" && row.topic == delivery.kind };
    if !is_wanted {
        return Ok(OFF);
    }
    let registry = app.registry().await?;
    let organization = row.organization.strip_prefix("organization/").and_then(|id| registry.organization(id));
    let Some(organization) = organization else { return Ok(Payload::Withheld("not-registered")) };
    let now_ms = app.clock.now_ms();
    // Before a number is taken: without the secret nothing is sent.
    let secret = app.store.open_text(&row.secret).await?;
    if is_handshake {
        return Ok(signed((app, delivery), (&row, &secret), &[], now_ms));
    }
    let Some(resource_type) = type_name(&delivery.resource_type) else { return Ok(Payload::Withheld("unknown-type")) };
    let recipient = Caller::recipient(app, &registry, organization, now_ms);
    let found = app.store.read(recipient.viewer(), resource_type, &delivery.resource_id).await?;
    if app.store.record(found, |touched| recipient.shown(ACT, touched), Vec::new()).await?.is_none() {
        return Ok(Payload::Withheld("not-permitted"));
    }
    let Some(number) = app.store.number_event(delivery, app.subscriptions.events_max).await? else { return Ok(OFF) };
    let event = Event {
        number,
        timestamp: format_instant(delivery.made_ms),
        focus: format!("{resource_type}/{}", delivery.resource_id),
    };
    Ok(signed((app, delivery), (&row, &secret), &[event], now_ms))
}

/// The moment is in what is signed, so that who replays it is seen.
fn signed(
    (app, delivery): (&App, &Delivery),
    (row, secret): (&SubscriptionRow, &str),
    events: &[Event],
    now_ms: i64,
) -> Payload {
    let status = Status {
        base: &app.base_url,
        id: &row.id,
        topic: topic(&row.topic),
        status: &row.state,
        r#type: if events.is_empty() { HANDSHAKE } else { "event-notification" },
        events: events.last().map_or(row.events, |event| event.number),
        names: row.content == "id-only",
    };
    let bundle = notification(&status, events, &delivery.id, &format_instant(now_ms)).to_string();
    let timestamp = (now_ms / 1_000).to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, format!("{timestamp}.{bundle}").as_bytes());
    let signature = hex(signature.as_ref());
    let body = json!({"endpoint": row.endpoint, "timestamp": timestamp, "signature": signature, "bundle": bundle});
    Payload::Ready(Message { reference: delivery.id.clone(), kind: delivery.kind.clone(), body })
}

/// What follows for the subscription from an attempt, in the write set that settles it.
///
/// # Errors
/// The database is away.
pub(super) async fn follow(
    draft: &mut Draft<'_>,
    delivery: &Delivery,
    next: &Next,
    was_asked: bool,
) -> Result<(), Failure> {
    let Some((organization, id)) = subscription_of(&delivery.partner) else { return Ok(()) };
    let key = ResourceKey { compartment: organization, resource_type: "Subscription", id: id.to_owned() };
    // What was under way to an address that its organisation has replaced says nothing about the new one.
    let row = draft.app.store.subscription(id).await?;
    let is_current = delivery.kind == HANDSHAKE || row.is_some_and(|row| row.state == "active");
    let of_delivery = (id.to_owned(), delivery.id.clone());
    let code = next.cause.as_ref().map(|cause| cause.code.as_str()).unwrap_or_default();
    match next.state {
        State::Delivered if delivery.kind == HANDSHAKE => move_to(draft, &key, "active", None).await,
        State::Delivered => {
            draft.set.subscriptions.told.push(of_delivery);
            Ok(())
        }
        State::Waiting | State::Dead | State::Rejected => {
            if !was_asked && !NOT_SENT.contains(&code) {
                draft.set.subscriptions.not_sent.push(of_delivery);
            }
            if next.state.is_end() && is_current { fail(draft, delivery, &key, code).await } else { Ok(()) }
        }
        State::Uncertain | State::Void => Ok(()),
    }
}

/// Nobody takes what the subscription is told: it is told nothing more until its organisation asks for it anew, and the organisation
/// gets a notice by its own channel.
async fn fail(draft: &mut Draft<'_>, delivery: &Delivery, key: &ResourceKey, code: &str) -> Result<(), Failure> {
    metrics::counter!("wellgate_subscriptions_failed_total").increment(1);
    tracing::error!(
        subscription.id = key.id,
        organization = key.compartment,
        delivery.id,
        delivery.cause = code,
        "a subscription failed: it is told nothing more until its organisation asks for it anew"
    );
    draft.set.subscriptions.stopped.push(delivery.partner.clone());
    move_to(draft, key, "error", Some(code)).await?;
    if let Some(version) = draft.pending(key.resource_type, &key.id).map(|pending| pending.version) {
        draft.set.deliveries.push(NewDelivery {
            compartment: key.compartment.clone(),
            id: AuditEvent::fresh_id(),
            partner: key.compartment.clone(),
            kind: FAILED.into(),
            resource_type: key.resource_type,
            resource_id: key.id.clone(),
            version,
            due_ms: draft.caller.now_ms,
        });
    }
    Ok(())
}

/// Brings a Subscription to a status, in its row and as a version of the resource.
async fn move_to(
    draft: &mut Draft<'_>,
    key: &ResourceKey,
    status: &'static str,
    error: Option<&str>,
) -> Result<(), Failure> {
    let Some(stored) = draft.content(key).await? else { return Ok(()) };
    let mut value = stored.content.value;
    let mut changes = vec![("status", json!(status))];
    changes.extend(error.map(|code| ("error", json!(format!("notifications were not taken: {code}")))));
    let texts: Vec<(&str, String)> = changes.iter().map(|(name, change)| (*name, change.to_string())).collect();
    let members: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let text = set_members(&stored.content.text, &members);
    for (name, change) in changes {
        value[name] = change;
    }
    let permit = without_consent(Standing::Law { rule: LawRule(STATUS_RULE) })
        .unwrap_or_else(|| unreachable!("a named rule needs no consent"));
    let basis = permit.basis().clone();
    let content: Content = Content { text, value: Value::take(&mut value) };
    let put = Put { key: key.clone(), content, previous: stored.previous, method: Method::Put, minimum: None };
    draft.put(permit, put);
    draft.note(Act::new("U", "update"), &basis, key);
    draft.set.subscriptions.states.push((key.id.clone(), status));
    Ok(())
}
