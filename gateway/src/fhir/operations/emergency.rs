//! What the operations about emergencies have in common: their texts, their notices, and how a session and a page of them is
//! answered.

use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

use super::Parameters;
use crate::access::caller::Act;
use crate::access::{Caller, Draft};
use crate::audit::AuditEvent;
use crate::clock::format_instant;
use crate::error::{Failure, Issue};
use crate::fhir::bundle::Bundle;
use crate::fhir::exchange::Exchange;
use crate::fhir::search::{links, name_of};
use crate::storage::delivery::NewDelivery;
use crate::storage::emergency::{SessionSeen, purpose_of};
use crate::storage::resource::Touched;
use crate::storage::sight::Level;
use crate::storage::write_set::VersionId;

/// The shortest text that can be a reason at all.
const TEXT_CHARACTERS_MIN: usize = 10;

/// A text that must be there and say something; it is patient data, so no answer and no log repeats it.
///
/// # Errors
/// 422 that names the parameter.
pub fn text<'p>(exchange: &Exchange, parameters: &'p Parameters, name: &str) -> Result<&'p str, Failure> {
    let text = parameters.required(name)?;
    let characters = text.chars().count();
    let max = exchange.app.emergency.text_characters_max;
    if (TEXT_CHARACTERS_MIN..=max).contains(&characters) {
        return Ok(text);
    }
    let code = if characters > max { "too-long" } else { "value" };
    let details = format!("the parameter {name} has {TEXT_CHARACTERS_MIN} to {max} characters");
    Err(Failure::content(format!("Parameters.parameter:{name}"), code, details))
}

/// The record as the trail names it.
pub fn touched(compartment: &str) -> Touched {
    Touched {
        compartment: compartment.to_owned(),
        resource_type: "Patient".to_owned(),
        resource_id: compartment.to_owned(),
        version_id: 0,
        level: Level::Held,
    }
}

/// Queues the notice of an event to the data-protection officer of the custodian and to the patient. It refers to the event, so
/// what is told is made when it is sent.
pub fn notify(draft: &mut Draft<'_>, custodian: &str, event: &AuditEvent, kind: &'static str) {
    let officer = format!("dpo/{}", custodian.trim_start_matches("organization/"));
    for partner in [officer, format!("patient/{}", event.compartment)] {
        draft.set.deliveries.push(NewDelivery {
            compartment: event.compartment.clone(),
            id: AuditEvent::fresh_id(),
            partner,
            kind: kind.into(),
            resource_type: "AuditEvent",
            resource_id: event.id.clone(),
            version: VersionId(1),
            due_ms: draft.caller.now_ms,
        });
    }
}

/// There is no such session, or it is not for the caller: the caller's own trail says the same of both, and where there is one the
/// trail of its record has the attempt too.
///
/// # Errors
/// The trail cannot be written: then the refusal is not told either.
pub async fn unseen(exchange: &Exchange, caller: &Caller, act: Act, session: &str) -> Result<Response<Body>, Failure> {
    let store = &exchange.app.store;
    let mut events = vec![caller.refusal(act, "not-found", None, "Patient", "")];
    if let Some(record) = store.record_of_session(session).await? {
        events.push(caller.refusal(act, "not-found", Some(&record), "Patient", &record));
    }
    store.record_only(events).await?;
    Ok(Failure::NotFound.into_response())
}

/// A session as Parameters. What is not for the viewer is empty in it already, and is left out.
pub fn session(seen: &SessionSeen, now_ms: i64) -> Value {
    let session = &seen.session;
    let status = if seen.is_open(now_ms) { "open" } else { "ended" };
    let mut members = vec![
        json!({"name": "session", "valueId": session.id}),
        json!({"name": "status", "valueCode": status}),
        json!({"name": "patient", "valueReference": {"reference": format!("Patient/{}", session.compartment)}}),
        reference("organization", &session.organization),
        reference("practitioner", &session.practitioner),
        json!({"name": "purpose", "valueCode": purpose_of(session.purpose).map(crate::consent::Purpose::code)}),
        json!({"name": "from", "valueInstant": format_instant(session.from_ms)}),
        json!({"name": "until", "valueInstant": format_instant(session.until_ms)}),
    ];
    if !session.reason.is_empty() {
        members.push(json!({"name": "reason", "valueString": session.reason}));
    }
    if let Some(ended_ms) = seen.ended_ms {
        members.push(json!({"name": "ended", "valueInstant": format_instant(ended_ms)}));
    }
    if let Some(verdict) = &seen.verdict {
        members.push(json!({"name": "verdict", "valueCode": verdict.verdict}));
        members.push(reference("verdict-by", &verdict.by));
        members.push(json!({"name": "verdict-on", "valueInstant": format_instant(verdict.at_ms)}));
        if !verdict.text.is_empty() {
            members.push(json!({"name": "verdict-text", "valueString": verdict.text}));
        }
    }
    json!({"resourceType": "Parameters", "parameter": members})
}

/// `organization/<id>` or `practitioner/<id>` as a member with a reference.
pub fn reference(name: &str, grantee: &str) -> Value {
    let address = match grantee.split_once('/') {
        Some(("practitioner", id)) => format!("Practitioner/{id}"),
        Some((_, id)) => format!("Organization/{id}"),
        None => String::new(),
    };
    json!({"name": name, "valueReference": {"reference": address}})
}

/// A page of a list that an operation answers, newest first.
#[derive(Debug)]
pub struct Page {
    /// The address after the base.
    address: String,
    pairs: Vec<(String, String)>,
    /// How many.
    pub count: u32,
    /// Items before this id.
    pub before: Option<String>,
}

impl Page {
    /// Reads `_count` and `_cursor`; `own` are further parameters, which the operation reads itself.
    ///
    /// # Errors
    /// 400 for a parameter that is not served, or a cursor of another list.
    pub fn of(
        exchange: &Exchange,
        caller: &Caller,
        address: String,
        pairs: Vec<(String, String)>,
        own: &[&str],
    ) -> Result<Self, Failure> {
        let limits = &exchange.app.limits;
        let mut page = Self { address, pairs, count: limits.search_count_default, before: None };
        let bound_to = page.bound_to(caller);
        for (name, value) in &page.pairs {
            match name.as_str() {
                "_count" => {
                    let count: u32 = value.parse().map_err(|_| refuse(name, "value", "must be a whole number"))?;
                    page.count = count.clamp(1, limits.search_count_max);
                }
                "_cursor" => {
                    let place = exchange.app.cursor_key.open(&bound_to, value);
                    page.before =
                        Some(place.ok_or_else(|| refuse(name, "value", "this page does not belong to this list"))?);
                }
                "_format" | "_pretty" => {}
                _ if own.contains(&name.as_str()) => {}
                _ => return Err(refuse(name, "not-supported", "is not served by this operation")),
            }
        }
        Ok(page)
    }

    fn bound_to(&self, caller: &Caller) -> String {
        caller.bound_to(&name_of(&self.address, &self.pairs))
    }

    /// The Bundle of the items, each with its id: one more than the page has tells that there is a next.
    pub fn bundle(&self, exchange: &Exchange, caller: &Caller, mut items: Vec<(String, Value)>) -> String {
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        let more = items.len() > count;
        items.truncate(count);
        let last = items.last().filter(|_| more);
        let next = last.map(|(id, _)| exchange.app.cursor_key.seal(&self.bound_to(caller), id));
        let mut bundle = Bundle::new("searchset", None, &links(exchange, &self.address, &self.pairs, next.as_deref()));
        for (_, item) in &items {
            bundle.entry(&format!("\"resource\":{item},\"search\":{{\"mode\":\"match\"}}"));
        }
        bundle.finish()
    }
}

/// The refusal of a parameter in an address.
pub fn refuse(parameter: &str, code: &'static str, details: &str) -> Failure {
    Failure::BadRequest(vec![Issue::at(parameter.chars().take(64).collect::<String>(), code, details)])
}
