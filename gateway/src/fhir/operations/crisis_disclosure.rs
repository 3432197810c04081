//! `Patient/<id>/$crisis-disclosure` and `Patient/<id>/$crisis-disclosures`: what a custodian told a third party to avert a danger.
//!
//! The gateway sends nothing to the third party: it keeps who was told, why secrecy had to yield, and the minimum that was shared.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

use super::emergency::{Page, notify, reference, text, touched};
use super::{Parameters, missing};
use crate::access::caller::Act;
use crate::access::{Draft, attempts};
use crate::audit::AuditEvent;
use crate::auth::Interaction;
use crate::clock::format_instant;
use crate::consent::{CONFLICT_OF_DUTIES, Refusal, Standing, without_consent};
use crate::error::Failure;
use crate::fhir::answer;
use crate::fhir::exchange::{Exchange, Target};
use crate::fhir::search::{own, pairs_of};
use crate::search::parameters::type_name;
use crate::storage::crisis::Disclosure;
use crate::storage::write_set::ResourceKey;
use mappings::r4::primitive::is_id;

const DISCLOSE: Act = Act::new("E", "crisis-disclosure");
const LIST: Act = Act::new("R", "crisis-disclosures");
/// The reasons that must be given, each in words.
const REASONS: [&str; 3] = ["conflict", "proportionality", "subsidiarity"];
/// The longest name of a recipient, in characters.
const RECIPIENT_CHARACTERS_MAX: usize = 200;

/// `POST [base]/Patient/[id]/$crisis-disclosure`
pub async fn disclose(exchange: Exchange, id: String, body: Body) -> Response<Body> {
    exchange
        .answer(Target::new(DISCLOSE, "Patient", &id), async |exchange, caller| {
            caller.may("AuditEvent", Interaction::Create)?;
            let bytes = exchange.body(body).await?;
            attempts!(&exchange.app, caller, |draft| {
                // Whether there is such a record for the caller comes before what is wrong with the content.
                let custodian = custodian(draft, &id).await?;
                let parameters = Parameters::read(&bytes, exchange.app.limits.nesting_max)?;
                let disclosure = read(exchange, draft, &id, &parameters).await?;
                let answered = shown(&disclosure).to_string();
                put(draft, &custodian, disclosure)?;
                exchange.app.store.apply(draft.finish()).await?;
                Ok(answer::json(StatusCode::CREATED, answered))
            })
        })
        .await
}

/// `GET [base]/Patient/[id]/$crisis-disclosures`
pub async fn list(exchange: Exchange, id: String) -> Response<Body> {
    exchange
        .answer(Target::new(LIST, "Patient", &id), async |exchange, caller| {
            caller.may("AuditEvent", Interaction::Search)?;
            custodian(&mut Draft::new(&exchange.app, caller), &id).await?;
            let pairs = exchange.uri.query().map(pairs_of).unwrap_or_default();
            let page = Page::of(exchange, caller, format!("Patient/{id}/$crisis-disclosures"), pairs, &[])?;
            let store = &exchange.app.store;
            let found = store.crisis_disclosures(&caller.viewer(), &id, (page.before.as_deref(), page.count)).await?;
            let further = vec![caller.shown(LIST, &own(caller, "Patient"))];
            let disclosures = store.record(found, |touched| caller.shown(LIST, touched), further).await?;
            let items = disclosures.iter().map(|one| (one.id.clone(), shown(one))).collect();
            Ok(answer::json(StatusCode::OK, page.bundle(exchange, caller, items)))
        })
        .await
}

/// The custodian, who is the caller with sight; the draft rests on it. A role that does not read the trail tells it nothing either.
async fn custodian(draft: &mut Draft<'_>, id: &str) -> Result<String, Failure> {
    let custodian = draft.record(id).await?.map(|record| record.facts.custodian.clone());
    // Asked whether or not there is such a record, so that one that is hidden takes the way of one that never was.
    let is_kept_from = draft.is_kept_from(id).await?;
    let refusal = match custodian {
        Some(_) if draft.holds(id) && is_kept_from => Refusal::KeptFrom,
        Some(custodian) if draft.holds(id) && draft.caller.role().sees("AuditEvent") => return Ok(custodian),
        Some(_) if draft.holds(id) => Refusal::BeyondRole,
        _ => Refusal::NotCustodian,
    };
    if draft.app.store.sees_whole(draft.caller.viewer(), "Patient", id).await? {
        return Err(Failure::refused(refusal.code(), refusal.sentence(), None).about(id));
    }
    Err(Failure::NotFound)
}

async fn read(
    exchange: &Exchange,
    draft: &Draft<'_>,
    id: &str,
    parameters: &Parameters,
) -> Result<Disclosure, Failure> {
    parameters.are_only(&["recipient", "conflict", "proportionality", "subsidiarity"], &["shared"])?;
    let recipient = parameters.required("recipient")?;
    if recipient.chars().count() > RECIPIENT_CHARACTERS_MAX {
        let details = format!("the parameter recipient has {RECIPIENT_CHARACTERS_MAX} characters at most");
        return Err(Failure::content("Parameters.parameter:recipient", "too-long", details));
    }
    for name in REASONS {
        text(exchange, parameters, name)?;
    }
    let reason = |name: &str| parameters.text(name).unwrap_or_default().to_owned();
    let shared = items(exchange, draft, id, parameters).await?;
    Ok(Disclosure {
        compartment: id.to_owned(),
        id: AuditEvent::fresh_id(),
        organization: draft.caller.organization(),
        practitioner: draft.caller.viewer().practitioner,
        client: draft.caller.client_id().to_owned(),
        recipient: recipient.to_owned(),
        conflict: reason("conflict"),
        proportionality: reason("proportionality"),
        subsidiarity: reason("subsidiarity"),
        shared: Value::Array(shared).to_string(),
        recorded_ms: draft.caller.now_ms,
    })
}

/// The minimum that was shared: versions of the record's resources as they are now, and descriptions.
async fn items(
    exchange: &Exchange,
    draft: &Draft<'_>,
    id: &str,
    parameters: &Parameters,
) -> Result<Vec<Value>, Failure> {
    let limits = exchange.app.emergency;
    let mut items = Vec::new();
    for (n, member) in parameters.all("shared").enumerate() {
        let expression = format!("Parameters.parameter:shared[{n}]");
        if n >= limits.shared_items_max {
            let details = format!("at most {} items are shared: the minimum is asked for", limits.shared_items_max);
            return Err(Failure::content(expression, "too-long", details));
        }
        let description = member.get("valueString").and_then(Value::as_str).map(str::trim).unwrap_or_default();
        if let Some(literal) = member.pointer("/valueReference/reference").and_then(Value::as_str) {
            let version = version_in(draft, id, literal).await?;
            let details = "this reference does not resolve in the record";
            items.push(json!({"reference": version.ok_or_else(|| Failure::content(expression, "value", details))?}));
        } else if !description.is_empty() && description.chars().count() <= limits.text_characters_max {
            items.push(json!({"text": description}));
        } else {
            let details =
                format!("what was shared is a reference, or a text of 1 to {} characters", limits.text_characters_max);
            return Err(Failure::content(expression, "value", details));
        }
    }
    if items.is_empty() { Err(missing("shared")) } else { Ok(items) }
}

/// The current version of what a reference names, if it is of the record and the caller sees it.
async fn version_in(draft: &Draft<'_>, record: &str, literal: &str) -> Result<Option<String>, Failure> {
    let Some((resource_type, id)) = draft.local(literal).split_once('/') else { return Ok(None) };
    let Some(resource_type) = type_name(resource_type).filter(|_| is_id(id)) else { return Ok(None) };
    let found = draft.app.store.visible_compartment(draft.caller.viewer(), resource_type, id).await?;
    if found.as_deref() != Some(record) {
        return Ok(None);
    }
    let key = ResourceKey { compartment: record.to_owned(), resource_type, id: id.to_owned() };
    let version = draft.content(&key).await?.and_then(|stored| stored.previous);
    Ok(version.map(|version| format!("{resource_type}/{id}/_history/{version}")))
}

/// Puts the disclosure, its event and its notices into the draft.
fn put(draft: &mut Draft<'_>, custodian: &str, disclosure: Disclosure) -> Result<(), Failure> {
    let permit = without_consent(Standing::Law { rule: CONFLICT_OF_DUTIES });
    let permit = permit.ok_or(Failure::Internal("a named rule of law permits"))?;
    let mut event = draft.caller.event(DISCLOSE, permit.basis().code(), &touched(&disclosure.compartment));
    event.case_id.clone_from(&disclosure.id);
    notify(draft, custodian, &event, DISCLOSE.subtype);
    draft.set.audit.push(event);
    draft.set.disclose(&permit, disclosure);
    Ok(())
}

/// A disclosure as Parameters.
fn shown(disclosure: &Disclosure) -> Value {
    let text = |name: &str, value: &str| json!({"name": name, "valueString": value});
    let mut members = vec![
        json!({"name": "disclosure", "valueId": disclosure.id}),
        json!({"name": "patient", "valueReference": {"reference": format!("Patient/{}", disclosure.compartment)}}),
        json!({"name": "recorded", "valueInstant": format_instant(disclosure.recorded_ms)}),
        reference("organization", &disclosure.organization),
    ];
    if !disclosure.practitioner.is_empty() {
        members.push(reference("practitioner", &disclosure.practitioner));
    }
    members.push(text("recipient", &disclosure.recipient));
    members.push(text("conflict", &disclosure.conflict));
    members.push(text("proportionality", &disclosure.proportionality));
    members.push(text("subsidiarity", &disclosure.subsidiarity));
    let shared: Vec<Value> = serde_json::from_str(&disclosure.shared).unwrap_or_default();
    members.extend(shared.into_iter().map(|item| match item["text"].as_str() {
        Some(description) => text("shared", description),
        None => json!({"name": "shared", "valueReference": item}),
    }));
    json!({"resourceType": "Parameters", "parameter": members})
}
