//! Conditional update, patch and delete: what is written is found by criteria, among what the caller holds.
//!
//! What others hold fulfils nothing, as for a conditional create: else an identifier would tell whether it is known elsewhere.
//! <https://hl7.org/fhir/R4/http.html#cond-update>

use std::collections::HashMap;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

use super::answer::{Written, version_headers};
use super::change::{self, Change};
use super::content::read_of_type;
use super::create::{RequestKey, exists, kept, key_of};
use super::entry::{Entry, Verb};
use super::exchange::{Exchange, Target};
use super::patch::{self, PATCH, may_patch};
use super::search::{condition, matches_of};
use super::transaction::within;
use super::update::if_match;
use super::{delete, write};
use crate::access::caller::Act;
use crate::access::draft::Content;
use crate::access::{Caller, Draft, attempts};
use crate::audit::AuditEvent;
use crate::auth::Interaction;
use crate::error::{Failure, Issue};
use crate::search::index::local;
use crate::search::overlay::belongs;
use crate::search::query::Query;
use crate::storage::resource::Seen;
use crate::storage::write_set::{Precondition, ResourceKey, VersionId};
use mappings::patch::Patch;

/// Criteria with the name by which equal ones are equal.
pub type Condition = (Query, String);

/// `PUT [base]/[type]?…`
pub async fn update(exchange: Exchange, resource_type: String, body: Body) -> Response<Body> {
    let target = Target::new(Act::new("U", "update"), &resource_type, "");
    exchange
        .answer(target, async |exchange, caller| {
            let (resource_type, condition) = asked(exchange, &resource_type)?;
            caller.may(resource_type, Interaction::Update)?;
            let bytes = exchange.body(body).await?;
            let content = read_of_type(&bytes, resource_type, exchange.app.limits.nesting_max)?;
            let if_match = if_match(exchange)?;
            let written = commit_update(exchange, caller, resource_type, &condition, &content, if_match).await?;
            Ok(written.into_response(exchange.base(), exchange.prefer()))
        })
        .await
}

/// `PATCH [base]/[type]?…`
pub async fn patch(exchange: Exchange, resource_type: String, body: Body) -> Response<Body> {
    let target = Target::new(PATCH, &resource_type, "");
    exchange
        .answer(target, async |exchange, caller| {
            let (resource_type, condition) = asked(exchange, &resource_type)?;
            may_patch(caller, resource_type)?;
            let (patch, bytes) = patch::sent(exchange, body).await?;
            let key = key_of(exchange, &["PATCH", resource_type, &condition.1], &bytes)?;
            let _at_work = key.as_ref().map(|key| key.begin(exchange, caller)).transpose()?;
            let if_match = if_match(exchange)?;
            let asked = (resource_type, &condition);
            let written = commit_patch(exchange, caller, asked, &patch, if_match, key.as_ref()).await?;
            Ok(written.into_response(exchange.base(), exchange.prefer()))
        })
        .await
}

/// `DELETE [base]/[type]?…`
pub async fn delete(exchange: Exchange, resource_type: String) -> Response<Body> {
    let target = Target::new(Act::new("D", "delete"), &resource_type, "");
    exchange
        .answer(target, async |exchange, caller| {
            let (resource_type, condition) = asked(exchange, &resource_type)?;
            caller.may(resource_type, Interaction::Delete)?;
            let if_match = if_match(exchange)?;
            let deleted = commit_delete(exchange, caller, resource_type, &condition, if_match).await?;
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            if let Some(written) = deleted {
                version_headers(&mut response, written.version, written.last_updated_ms);
            }
            Ok(response)
        })
        .await
}

/// The type and the criteria of an address.
fn asked(exchange: &Exchange, resource_type: &str) -> Result<(&'static str, Condition), Failure> {
    let resource_type = exchange.served(resource_type)?;
    Ok((resource_type, condition(exchange, resource_type, exchange.uri.query().unwrap_or_default())?))
}

/// Updates what fulfils the criteria, or creates it where nothing does, and commits it.
///
/// # Errors
/// 412 where several fulfil them, and every failure of a write.
pub async fn commit_update(
    exchange: &Exchange,
    caller: &Caller,
    resource_type: &'static str,
    condition: &Condition,
    content: &Content,
    if_match: Option<VersionId>,
) -> Result<Written, Failure> {
    attempts!(&exchange.app, caller, |draft| {
        let found = found(exchange, draft, resource_type, condition).await?;
        let id = found.as_ref().map_or_else(AuditEvent::fresh_id, |seen| seen.key.id.clone());
        let (key, status) = update_in(draft, resource_type, (id, found.is_some()), content.clone(), if_match).await?;
        change::commit(exchange, draft, &key, status, None).await
    })
}

/// Patches what fulfils the criteria, and commits it.
///
/// # Errors
/// 404 where nothing fulfils them, 412 where several do, and every failure of a write.
pub async fn commit_patch(
    exchange: &Exchange,
    caller: &Caller,
    (resource_type, condition): (&'static str, &Condition),
    patch: &Patch,
    if_match: Option<VersionId>,
    request_key: Option<&RequestKey>,
) -> Result<Written, Failure> {
    attempts!(&exchange.app, caller, |draft| {
        if let Some(request_key) = request_key
            && let Some(kept) = kept(exchange, caller, request_key).await?
        {
            return Ok(kept);
        }
        let found = found(exchange, draft, resource_type, condition).await?.ok_or(Failure::NotFound)?;
        let key = write::update(draft, resource_type, &found.key.id, Change::Patch(patch), if_match).await?;
        change::commit(exchange, draft, &key, StatusCode::OK, request_key).await
    })
}

/// Deletes what fulfils the criteria, and commits it; answers nothing where nothing does.
///
/// # Errors
/// 412 where several fulfil them, and every failure of a write.
pub async fn commit_delete(
    exchange: &Exchange,
    caller: &Caller,
    resource_type: &'static str,
    condition: &Condition,
    if_match: Option<VersionId>,
) -> Result<Option<Written>, Failure> {
    attempts!(&exchange.app, caller, |draft| {
        match found(exchange, draft, resource_type, condition).await? {
            None => Ok(None),
            Some(seen) => {
                let key = write::delete(draft, resource_type, &seen.key.id, if_match).await?;
                delete::finish(exchange, draft, &key).await.map(Some)
            }
        }
    })
}

/// What fulfils the criteria; the draft rests on its version, or on there being nothing.
///
/// # Errors
/// 412 where several do; the database is away.
pub async fn found(
    exchange: &Exchange,
    draft: &mut Draft<'_>,
    resource_type: &'static str,
    condition: &Condition,
) -> Result<Option<Seen>, Failure> {
    if belongs(resource_type).is_none() {
        return Err(Failure::MethodNotAllowed);
    }
    let found = exists(exchange, draft, resource_type, condition).await?;
    if let Some(seen) = &found {
        // A newer version may not fulfil them any more.
        let version = Precondition::Version { key: seen.key.clone(), version: seen.version };
        draft.set.preconditions.push(version);
    }
    Ok(found)
}

/// Writes the content of a conditional update: over what is there under the id, or anew.
///
/// # Errors
/// 400 for another id than that of what fulfils the criteria, 422 for an id where nothing does, and every failure of a write.
pub async fn update_in(
    draft: &mut Draft<'_>,
    resource_type: &'static str,
    (id, is_there): (String, bool),
    mut content: Content,
    if_match: Option<VersionId>,
) -> Result<(ResourceKey, StatusCode), Failure> {
    let expression = format!("{resource_type}.id");
    let sent = content.value.get("id").and_then(Value::as_str);
    if is_there {
        if sent.is_some_and(|sent| sent != id) {
            let details = "the id of the resource must be that of the one that fulfils the criteria, or be left out";
            return Err(Failure::BadRequest(vec![Issue::at(expression, "invariant", details)]));
        }
        content.value["id"] = json!(id);
        let key = write::update(draft, resource_type, &id, Change::Whole(content), if_match).await?;
        return Ok((key, StatusCode::OK));
    }
    if sent.is_some() {
        let details =
            "nothing fulfils the criteria, and ids are the gateway's own: leave the id out, and it is created";
        return Err(Failure::content(expression, "business-rule", details));
    }
    if if_match.is_some() {
        return Err(Failure::PreconditionFailed);
    }
    draft.caller.may(resource_type, Interaction::Create)?;
    let key = write::create(draft, resource_type, id, content).await?;
    Ok((key, StatusCode::CREATED))
}

/// Resolves the conditional references of a transaction (`Patient?identifier=…`), among what the caller holds.
///
/// # Errors
/// 412 where nothing or several resources fulfil one, with the entry that has it.
pub(super) async fn references(
    exchange: &Exchange,
    draft: &mut Draft<'_>,
    entries: &[Entry<'_>],
    addresses: &mut HashMap<String, String>,
) -> Result<(), (usize, Failure)> {
    let (mut resolved, most) = (0, exchange.app.limits.bundle_entries_max);
    for (n, entry) in entries.iter().enumerate() {
        let has_one = entry.verb != Verb::Patch && entry.resource.is_some_and(|text| text.contains('?'));
        let Some(text) = entry.resource.filter(|_| has_one) else { continue };
        let mut literals = Vec::new();
        collect(&serde_json::from_str(text).unwrap_or_default(), &mut literals);
        for literal in literals {
            let local = local(&literal, exchange.base());
            let Some((name, criteria)) = local.split_once('?') else { continue };
            let Ok(resource_type) = exchange.served(name) else { continue };
            if addresses.contains_key(&literal) {
                continue;
            }
            resolved += 1;
            if resolved > most {
                return Err((n, Failure::TooLarge(format!("a Bundle has at most {most} conditional references"))));
            }
            let address = resolve(exchange, draft.caller, resource_type, criteria).await;
            let address = address.map_err(|failure| (n, within(failure, n)))?;
            addresses.insert(literal.clone(), address);
        }
    }
    Ok(())
}

async fn resolve(
    exchange: &Exchange,
    caller: &Caller,
    resource_type: &'static str,
    criteria: &str,
) -> Result<String, Failure> {
    caller.may(resource_type, Interaction::Search)?;
    let (query, _) = condition(exchange, resource_type, criteria)?;
    let mut found = matches_of(exchange, caller, resource_type, &query).await?;
    match (found.pop(), found.is_empty()) {
        (Some(seen), true) => Ok(format!("{resource_type}/{}", seen.key.id)),
        (None, _) => Err(Failure::Unresolved(Issue::new("not-found", "nothing fulfils a conditional reference"))),
        (Some(_), false) => {
            Err(Failure::Unresolved(Issue::new("multiple-matches", "several resources fulfil a conditional reference")))
        }
    }
}

/// The texts of all references with criteria.
fn collect(value: &Value, literals: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "reference" && text.contains('?') => literals.push(text.clone()),
                    _ => collect(value, literals),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, literals)),
        _ => {}
    }
}
