//! `Subscription/<id>/$status` and `$events`: how far a subscription is, and what it was told, for whose it is.
//!
//! <https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-status.html>. What was told and is
//! not to be seen any more is left out, with its number.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use mappings::notification::{Event, Status, notification, status_bundle};
use mappings::subscription::topic;

use super::Parameters;
use crate::access::Caller;
use crate::access::caller::Act;
use crate::audit::AuditEvent;
use crate::auth::Interaction;
use crate::clock::format_instant;
use crate::error::{Failure, Issue};
use crate::fhir::answer::json;
use crate::fhir::exchange::{Exchange, Target};
use crate::search::parameters::type_name;
use crate::storage::subscription::{SubscriptionEvent, SubscriptionRow};

const STATUS: Act = Act::new("R", "subscription-status");
const EVENTS: Act = Act::new("R", "subscription-events");

/// `GET [base]/Subscription/[id]/$status`
pub async fn status(exchange: Exchange, id: String, body: Body) -> Response<Body> {
    let target = Target::new(STATUS, "Subscription", &id);
    exchange
        .answer(target, async |exchange, caller| {
            Parameters::asked(exchange, body, &[]).await?;
            let row = owned(exchange, caller, &id, STATUS).await?;
            let status = described(exchange, &row, "query-status", true);
            Ok(json(StatusCode::OK, status_bundle(&status).to_string()))
        })
        .await
}

/// `GET [base]/Subscription/[id]/$events?eventsSinceNumber=&eventsUntilNumber=&content=`
pub async fn events(exchange: Exchange, id: String, body: Body) -> Response<Body> {
    let target = Target::new(EVENTS, "Subscription", &id);
    exchange
        .answer(target, async |exchange, caller| {
            let known = ["eventsSinceNumber", "eventsUntilNumber", "content"];
            let parameters = Parameters::asked(exchange, body, &known).await?;
            let row = owned(exchange, caller, &id, EVENTS).await?;
            let names = match parameters.text("content") {
                None => row.content == "id-only",
                Some("id-only") => true,
                Some("empty") => false,
                Some(_) => return Err(refuse("content", "is empty or id-only: resources are read, and never sent")),
            };
            let bounds =
                (number(&parameters, "eventsSinceNumber", 1)?, number(&parameters, "eventsUntilNumber", i64::MAX)?);
            let most = exchange.app.limits.search_count_max;
            let told = exchange.app.store.subscription_events(&row.id, bounds, most).await?;
            let seen = seen(exchange, caller, &told).await?;
            let events: Vec<Event> = told.iter().filter(|event| seen.contains(&focus(event))).map(to_event).collect();
            let status = described(exchange, &row, "query-event", names);
            let bundle = notification(&status, &events, &AuditEvent::fresh_id(), &format_instant(caller.now_ms));
            Ok(json(StatusCode::OK, bundle.to_string()))
        })
        .await
}

/// The subscription, for whoever sees it.
///
/// # Errors
/// 404 where the caller does not see it, 410 where it was deleted.
async fn owned(exchange: &Exchange, caller: &Caller, id: &str, act: Act) -> Result<SubscriptionRow, Failure> {
    let resource_type = exchange.served("Subscription")?;
    caller.may(resource_type, Interaction::Read)?;
    let store = &exchange.app.store;
    let found = store.read(caller.viewer(), resource_type, id).await?;
    let seen = store.record(found, |touched| caller.shown(act, touched), Vec::new()).await?;
    if seen.ok_or(Failure::NotFound)?.deleted {
        return Err(Failure::Gone);
    }
    store.subscription(id).await?.ok_or(Failure::NotFound)
}

fn described<'r>(exchange: &'r Exchange, row: &'r SubscriptionRow, r#type: &'r str, names: bool) -> Status<'r> {
    Status {
        base: exchange.base(),
        id: &row.id,
        topic: topic(&row.topic),
        status: &row.state,
        r#type,
        events: row.events,
        names,
    }
}

/// What the caller may see now of what was told, on record as shown.
async fn seen(exchange: &Exchange, caller: &Caller, told: &[SubscriptionEvent]) -> Result<BTreeSet<String>, Failure> {
    let mut keys: Vec<(&'static str, String)> = told
        .iter()
        .filter_map(|event| Some((type_name(&event.resource_type)?, event.resource_id.clone())))
        .filter(|(resource_type, _)| caller.may(resource_type, Interaction::Read).is_ok())
        .collect();
    keys.sort_unstable();
    keys.dedup();
    let store = &exchange.app.store;
    let found = store.read_all(&caller.viewer(), keys).await?;
    let seen = store.record(found, |touched| caller.shown(EVENTS, touched), Vec::new()).await?;
    Ok(seen.iter().map(|seen| format!("{}/{}", seen.key.resource_type, seen.key.id)).collect())
}

fn focus(event: &SubscriptionEvent) -> String {
    format!("{}/{}", event.resource_type, event.resource_id)
}

fn to_event(event: &SubscriptionEvent) -> Event {
    Event { number: event.number, timestamp: format_instant(event.made_ms), focus: focus(event) }
}

fn number(parameters: &Parameters, name: &str, fallback: i64) -> Result<i64, Failure> {
    let Some(text) = parameters.text(name) else { return Ok(fallback) };
    text.parse().ok().filter(|number| *number >= 0).ok_or_else(|| refuse(name, "is a number of an event"))
}

fn refuse(name: &str, details: &str) -> Failure {
    Failure::BadRequest(vec![Issue::at(format!("Parameters.parameter:{name}"), "value", details)])
}
