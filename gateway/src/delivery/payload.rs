//! What is sent, made at the moment of sending from what the receiver may see at that moment.
//!
//! A delivery holds a reference. Here the receiver reads it, by the very rules by which it could read it itself, and the reading is on
//! record before anything is sent. What the receiver may not see any more does not leave.

use connectors::delivery::Message;
use mappings::message::{Header, Part, write};
use serde_json::{Value, json};

use super::hook;
use super::partners::Means;
use crate::access::Caller;
use crate::access::caller::Act;
use crate::app::App;
use crate::billing;
use crate::clock::format_instant;
use crate::error::Failure;
use crate::referral::intake;
use crate::search::parameters::type_name;
use crate::storage::channel::{Channel, ChannelKind};
use crate::storage::delivery::Delivery;
use crate::storage::resource::Seen;
use crate::tdi;

/// Resources of one message at most.
const RESOURCES_MAX: u32 = 500;
/// The act under which a disclosure by delivery is recorded.
const ACT: Act = Act::new("R", "delivery");
/// The kind of a delivery that carries everything of the record which its receiver may see.
pub(super) const DOSSIER: &str = "dossier";

/// What is ready to be sent, or why nothing may be.
#[derive(Debug)]
pub(super) enum Payload {
    /// It may be sent, and is on record as sent.
    Ready(Message),
    /// It may not leave: the reason's code.
    Withheld(&'static str),
}

/// Decides on a delivery again, and makes its message.
///
/// # Errors
/// The database is away: nothing is sent, and it is tried again.
pub(super) async fn payload(app: &App, delivery: &Delivery, means: &Means) -> Result<Payload, Failure> {
    match means {
        Means::Channel(channel) => on_channel(app, delivery, channel).await,
        Means::Subscription => hook::payload(app, delivery).await,
        Means::Register => {
            let demand = (delivery.id.as_str(), delivery.compartment.as_str(), delivery.resource_id.as_str());
            let registry = app.registry().await?;
            let message = tdi::payload(&app.store, &registry, demand, app.clock.now_ms()).await?;
            Ok(message.map_or(Payload::Withheld("not-registrable"), Payload::Ready))
        }
        Means::Insurer => {
            let file = billing::payload(app, delivery).await?;
            Ok(file.map_or(Payload::Withheld("not-sealed"), |file| ready(delivery, file)))
        }
        Means::Lookup => {
            let question = intake::question(app, delivery).await?;
            Ok(question.map_or(Payload::Withheld("not-permitted"), |question| ready(delivery, question.to_value())))
        }
    }
}

/// What an organisation or its officer is told, if it still may be.
///
/// # Errors
/// The database is away: nothing is sent, and it is tried again.
async fn on_channel(app: &App, delivery: &Delivery, channel: &Channel) -> Result<Payload, Failure> {
    let registry = app.registry().await?;
    let (role, id) = delivery.partner.split_once('/').unwrap_or_default();
    let Some(organization) = registry.organization(id) else { return Ok(Payload::Withheld("not-registered")) };
    let Some(resource_type) = type_name(&delivery.resource_type) else { return Ok(Payload::Withheld("unknown-type")) };
    let now_ms = app.clock.now_ms();
    let recipient = Caller::recipient(app, &registry, organization, now_ms);
    if channel.kind == ChannelKind::Mail {
        // That there is something is told only to whom there is something. An officer is told of emergencies as such.
        let is_there =
            role == "dpo" || app.store.level(recipient.viewer(), resource_type, &delivery.resource_id).await?.is_some();
        let body = json!({"to": channel.address, "organization": organization.name, "language": "nl"});
        return Ok(if is_there { ready(delivery, body) } else { Payload::Withheld("not-permitted") });
    }
    let focus = (resource_type, delivery.resource_id.clone());
    let mut resources = vec![focus.clone()];
    if delivery.kind == DOSSIER {
        let all = app.store.keys_of_record(&delivery.compartment, RESOURCES_MAX).await?;
        if i64::try_from(all.len()).is_ok_and(|count| count == i64::from(RESOURCES_MAX)) {
            tracing::warn!(delivery.id, "a dossier is longer than a message: what is beyond is read from the gateway");
        }
        resources.extend(all.into_iter().filter(|one| *one != focus));
    }
    let found = app.store.read_all(&recipient.viewer(), resources).await?;
    // Before anything is on record as disclosed that then does not leave.
    if !found.has(resource_type, &delivery.resource_id) {
        return Ok(Payload::Withheld("not-permitted"));
    }
    let seen = app.store.record(found, |touched| recipient.shown(ACT, touched), Vec::new()).await?;
    let body = message(app, delivery, channel, &seen, now_ms)
        .map_err(|_| Failure::Internal("a stored resource is not JSON"))?;
    Ok(ready(delivery, Value::String(body)))
}

fn ready(delivery: &Delivery, body: Value) -> Payload {
    Payload::Ready(Message { reference: delivery.id.clone(), kind: delivery.kind.clone(), body })
}

fn message(
    app: &App,
    delivery: &Delivery,
    channel: &Channel,
    seen: &[Seen],
    now_ms: i64,
) -> Result<String, serde_json::Error> {
    let focus = format!("{}/{}", delivery.resource_type, delivery.resource_id);
    let header = Header {
        reference: &delivery.id,
        event: &delivery.kind,
        source: &app.base_url,
        destination: &channel.address,
        sent: &format_instant(now_ms),
        focus: &focus,
    };
    let references: Vec<String> = seen.iter().map(|one| format!("{}/{}", one.key.resource_type, one.key.id)).collect();
    let parts: Vec<Part<'_>> =
        seen.iter().zip(&references).map(|(one, reference)| Part { reference, body: &one.body }).collect();
    write(&header, &parts)
}
