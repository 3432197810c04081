//! AuditEvent: read and searched by the custodian of the record and by the person, written by nobody.
//!
//! The trail has its own rows and its own sight, so it does not come through the index of resources.
//! <https://hl7.org/fhir/R4/auditevent.html>

use axum::body::Body;
use axum::http::{Response, StatusCode};

use serde_json::json;

use super::answer;
use super::bundle::Bundle;
use super::exchange::Exchange;
use super::read::view_of;
use super::search::{SEARCH, links, name_of, names_of, own};
use crate::access::caller::Act;
use crate::access::{Caller, Draft};
use crate::app::Registry;
use crate::audit::catalogue::{Catalogue, Language};
use crate::audit::event::StoredEvent;
use crate::audit::resource::to_fhir;
use crate::audit::words::{Names, narrative};
use crate::error::{Failure, Issue};
use crate::search::index::local;
use crate::storage::audit::EventFilter;
use mappings::r4::time::Moment;

const TYPE: &str = "AuditEvent";

/// `GET [base]/AuditEvent/[id]`
///
/// # Errors
/// 404 where the caller neither holds the record with sight nor is its person.
pub async fn read(exchange: &Exchange, caller: &Caller, id: &str) -> Result<Response<Body>, Failure> {
    Ok(answer::json(StatusCode::OK, one(exchange, caller, id, exchange.uri.query().unwrap_or_default()).await?))
}

/// One event as JSON text, or what its query asks of it.
///
/// # Errors
/// As [`read`].
pub async fn one(exchange: &Exchange, caller: &Caller, id: &str, query: &str) -> Result<String, Failure> {
    let view = view_of(TYPE, query)?;
    let filter = EventFilter { id: Some(id.to_owned()), count: 1, ..EventFilter::default() };
    let store = &exchange.app.store;
    let found = store.audit_events(&caller.viewer(), &filter).await?;
    let mut events = store.record(found, |touched| caller.shown(Act::new("R", "read"), touched), Vec::new()).await?;
    Draft::new(&exchange.app, caller).name_consents(&mut events).await?;
    let event = events.first().ok_or(Failure::NotFound)?;
    Ok(view.of(&told(exchange, caller, event)).into_owned())
}

/// `GET [base]/AuditEvent?patient=…`
///
/// # Errors
/// 400 for a parameter that is not served.
pub async fn search(
    exchange: &Exchange,
    caller: &Caller,
    pairs: &[(String, String)],
) -> Result<Response<Body>, Failure> {
    Ok(answer::json(StatusCode::OK, searchset(exchange, caller, pairs).await?))
}

/// The searchset Bundle.
///
/// # Errors
/// As [`search`].
pub async fn searchset(exchange: &Exchange, caller: &Caller, pairs: &[(String, String)]) -> Result<String, Failure> {
    let (mut filter, with_total, cursor) = filter(exchange, pairs)?;
    let name = name_of(TYPE, pairs);
    if let Some(cursor) = cursor {
        let place = exchange.app.cursor_key.open(&caller.bound_to(&name), &cursor);
        filter.before =
            Some(place.ok_or_else(|| refuse("_cursor", "value", "this page does not belong to this search"))?);
    }
    let store = &exchange.app.store;
    let viewer = caller.viewer();
    let total = if with_total { Some(store.count_audit_events(&viewer, &filter).await?) } else { None };
    let found = store.audit_events(&viewer, &filter).await?;
    let query = names_of(pairs);
    let further = vec![caller.shown(SEARCH, &own(caller, TYPE)).asking(&query)];
    let mut events = store.record(found, |touched| caller.shown(SEARCH, touched).asking(&query), further).await?;
    let count = usize::try_from(filter.count).unwrap_or(usize::MAX);
    let more = events.len() > count;
    events.truncate(count);
    Draft::new(&exchange.app, caller).name_consents(&mut events).await?;
    let next =
        events.last().filter(|_| more).map(|event| exchange.app.cursor_key.seal(&caller.bound_to(&name), &event.id));
    let mut bundle = Bundle::new("searchset", total, &links(exchange, TYPE, pairs, next.as_deref()));
    for event in &events {
        let url = json!(format!("{}/{TYPE}/{}", exchange.base(), event.id));
        bundle.entry(&format!(
            "\"fullUrl\":{url},\"resource\":{},\"search\":{{\"mode\":\"match\"}}",
            told(exchange, caller, event)
        ));
    }
    Ok(bundle.finish())
}

/// An event with its narrative, in the language that the caller prefers.
fn told(exchange: &Exchange, caller: &Caller, event: &StoredEvent) -> String {
    let language = Language::preferred(exchange.header("accept-language").unwrap_or_default());
    let div = narrative(event, names(&caller.registry, event), Catalogue::of(language));
    let mut resource = to_fhir(event, exchange.base());
    resource["language"] = json!(language.code());
    resource["text"] = json!({"status": "generated", "div": div});
    resource.to_string()
}

/// How those whom an event names are called.
pub fn names<'n>(registry: &'n Registry, event: &StoredEvent) -> Names<'n> {
    Names { organization: registry.name_of(&event.organization), practitioner: registry.name_of(&event.practitioner) }
}

fn filter(exchange: &Exchange, pairs: &[(String, String)]) -> Result<(EventFilter, bool, Option<String>), Failure> {
    let limits = &exchange.app.limits;
    let mut filter = EventFilter { count: limits.search_count_default, ..EventFilter::default() };
    let (mut with_total, mut cursor) = (false, None);
    for (name, value) in pairs {
        if value.contains('\0') {
            return Err(refuse(name, "value", "must be without the character U+0000"));
        }
        match name.as_str() {
            "patient" | "patient:Patient" => {
                let reference = local(value, exchange.base());
                let id = reference.strip_prefix("Patient/").unwrap_or(reference);
                filter.compartment = Some(id.to_owned());
            }
            "_id" => filter.id = Some(value.clone()),
            "outcome" => filter.outcome = Some(value.clone()),
            "date" => narrow(&mut filter, value)?,
            "_count" => {
                let count: u32 = value.parse().map_err(|_| refuse(name, "value", "must be a whole number"))?;
                filter.count = count.min(limits.search_count_max);
            }
            "_total" => with_total = value != "none",
            "_summary" if value == "count" => {
                with_total = true;
                filter.count = 0;
            }
            "_sort" if value == "-date" => {}
            "_cursor" => cursor = Some(value.clone()),
            "_format" | "_pretty" => {}
            _ => {
                let details =
                    "is not served for AuditEvent: patient, date, outcome, _id, _count, _total and _sort=-date are";
                return Err(refuse(name, "not-supported", details));
            }
        }
    }
    Ok((filter, with_total, cursor))
}

fn narrow(filter: &mut EventFilter, value: &str) -> Result<(), Failure> {
    let (prefix, text) = match value.get(..2) {
        Some(prefix @ ("ge" | "gt" | "le" | "lt" | "eq")) => (prefix, &value[2..]),
        _ => ("eq", value),
    };
    let moment = Moment::parse(text)
        .ok_or_else(|| refuse("date", "value", "must be a date or a moment, after eq ge gt le lt"))?;
    let (from_ms, until_ms) = match prefix {
        "ge" => (Some(moment.low_ms), None),
        "gt" => (Some(moment.high_ms.saturating_add(1)), None),
        "le" => (None, Some(moment.high_ms.saturating_add(1))),
        "lt" => (None, Some(moment.low_ms)),
        _ => (Some(moment.low_ms), Some(moment.high_ms.saturating_add(1))),
    };
    filter.from_ms = filter.from_ms.max(from_ms);
    filter.until_ms = match (filter.until_ms, until_ms) {
        (Some(old), Some(new)) => Some(old.min(new)),
        (old, new) => old.or(new),
    };
    Ok(())
}

fn refuse(parameter: &str, code: &'static str, details: &str) -> Failure {
    Failure::BadRequest(vec![Issue::at(parameter.chars().take(64).collect::<String>(), code, details)])
}
