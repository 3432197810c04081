//! The transaction interaction, and what batches share with it.
//!
//! A transaction is one draft and one write set: whole or not at all, whatever the order of its entries.
//! <https://hl7.org/fhir/R4/http.html#transaction>

use std::collections::HashMap;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde_json::json;
use tokio::time::timeout;

use super::answer::{Written, etag, json as answer};
use super::asked::{Asked, asked};
use super::bundle::Bundle;
use super::change::Change;
use super::content::must_be;
use super::create::{self, RequestKey, remembered, written};
use super::entry::{Entry, Verb, entries};
use super::exchange::{Exchange, Target};
use super::operations::asynchronous;
use super::patch::{self, PATCH, may_patch};
use super::{batch, conditional, follow, read, search, write};
use crate::access::caller::Act;
use crate::access::draft::Content;
use crate::access::{Caller, Draft, attempts};
use crate::audit::AuditEvent;
use crate::auth::Interaction;
use crate::clock::format_instant;
use crate::error::{Failure, Issue};
use crate::storage::write_set::ResourceKey;
use mappings::json::spans::replace_references;

/// How the trail calls a Bundle.
pub(super) const TRANSACTION: Act = Act::new("E", "transaction");
/// What is answered of a conditional deletion that found nothing.
pub(super) const NOTHING: &str = "\"response\":{\"status\":\"204 No Content\"}";

/// `POST [base]`
pub async fn transaction(exchange: Exchange, body: Body) -> Response<Body> {
    let target = Target::new(TRANSACTION, "", "");
    exchange
        .answer(target, async |exchange, caller| {
            let bytes = exchange.body(body).await?;
            let content = super::content::read(&bytes, exchange.app.limits.nesting_max)?;
            must_be(&content.value, "Bundle")?;
            let entries = entries(&content, exchange.app.limits.bundle_entries_max)?;
            // Each entry is a request; the Bundle itself was counted as one.
            exchange.app.rates.clients.charge(&caller.key_owner(), entries.len().saturating_sub(1), caller.now_ms);
            let is_taken = asynchronous::is_taken(exchange, caller, &bytes, &entries);
            let asked = asked(exchange, (&bytes, &content, entries))?;
            if !is_taken {
                return carry_out(exchange, caller, asked, None).await;
            }
            if let Asked::Transaction(entries, _) = &asked {
                // Whoever may not is told so at once.
                may_all(exchange, caller, entries)?;
            }
            asynchronous::take(exchange, caller, bytes).await
        })
        .await
}

/// Does what a Bundle asks for; of a job, where one is named: then its answer is stored with what a transaction writes.
///
/// # Errors
/// Whatever ends all of it.
pub(super) async fn carry_out(
    exchange: &Exchange,
    caller: &Caller,
    asked: Asked<'_>,
    job: Option<&str>,
) -> Result<Response<Body>, Failure> {
    match asked {
        Asked::Transaction(entries, key) => {
            let _at_work = key.as_ref().map(|key| key.begin(exchange, caller)).transpose()?;
            let done = all_or_nothing(exchange, caller, &entries, (key.as_ref(), job));
            // Of a job too, which no request ends: what is written says a moment that is no older, and an export rests on that.
            timeout(exchange.app.limits.request_timeout, done).await.map_err(|_| Failure::Unavailable)?
        }
        Asked::Batch(entries) => batch::answers(exchange, caller, &entries, job.is_some()).await,
    }
}

/// Under what the answer of a transaction is kept: the key of its request, and the job as which it is carried out.
type Kept<'k> = (Option<&'k RequestKey>, Option<&'k str>);

/// What an entry became.
enum Done {
    Written(Written),
    /// There was nothing to delete.
    Nothing,
    Later,
}

async fn all_or_nothing(
    exchange: &Exchange,
    caller: &Caller,
    entries: &[Entry<'_>],
    kept: Kept<'_>,
) -> Result<Response<Body>, Failure> {
    if kept.0.is_some() && entries.iter().any(|entry| entry.verb == Verb::Get) {
        let details = "what is remembered under a key holds no bodies: read in a request of its own";
        return Err(Failure::content("Bundle.entry", "business-rule", details));
    }
    may_all(exchange, caller, entries)?;
    attempts!(&exchange.app, caller, |draft| attempt(exchange, draft, entries, kept).await)
}

fn may_all(exchange: &Exchange, caller: &Caller, entries: &[Entry<'_>]) -> Result<(), Failure> {
    for (n, entry) in entries.iter().enumerate() {
        let resource_type =
            exchange.served_at(&entry.resource_type, &entry.id).map_err(|failure| within(failure, n))?;
        may(caller, resource_type, entry)?;
    }
    Ok(())
}

async fn attempt(
    exchange: &Exchange,
    draft: &mut Draft<'_>,
    entries: &[Entry<'_>],
    (key, job): Kept<'_>,
) -> Result<Response<Body>, Failure> {
    let caller = draft.caller;
    if let Some(key) = key
        && let Some(kept) = remembered(exchange, caller, key).await?
    {
        return Ok(answer(StatusCode::OK, kept));
    }
    let done = match decide_all(exchange, draft, entries).await {
        Ok(done) => done,
        Err((_, Failure::Conflict)) => return Err(Failure::Conflict),
        Err((n, failure)) => {
            // The trail of the record concerned has to say so too, not only that of the whole Bundle.
            let entry = &entries[n];
            let target = Target::new(act(entry), &entry.resource_type, &entry.id);
            exchange.record_refusal(caller, &target, &failure).await?;
            return Err(failure);
        }
    };
    let mut bundle = Bundle::new("transaction-response", None, &[]);
    let has_later = done.iter().any(|done| matches!(done, Done::Later));
    for done in &done {
        match done {
            Done::Written(written) => bundle.entry(&response_members(exchange.base(), written)),
            Done::Nothing => bundle.entry(NOTHING),
            Done::Later => {}
        }
    }
    // What is kept under a key has statuses and locations only.
    let text = bundle.finish();
    if let Some(key) = key {
        draft.set.idempotency = Some(key.remember(caller, text.clone()));
    }
    if let Some(job) = job {
        draft.set.async_answer = Some(asynchronous::sealed(&exchange.app, job, StatusCode::OK, &text).await?);
    }
    exchange.app.store.apply(draft.finish()).await?;
    if has_later {
        return with_reads(exchange, caller, entries, &done).await;
    }
    Ok(answer(StatusCode::OK, text))
}

/// Where an entry goes: its id, and whether that was found by criteria.
struct Aim {
    id: String,
    is_found: bool,
}

/// Decides every entry in one draft: deletions, then what begins records and consents, then the rest, then orders and Tasks,
/// which rest on all of it.
async fn decide_all(
    exchange: &Exchange,
    draft: &mut Draft<'_>,
    entries: &[Entry<'_>],
) -> Result<Vec<Done>, (usize, Failure)> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|n| entries[*n].stage());
    let mut done: Vec<Option<Done>> = entries.iter().map(|_| None).collect();
    // References between entries: what each fullUrl becomes.
    let mut addresses: HashMap<String, String> = HashMap::new();
    let mut aims: Vec<Aim> = Vec::with_capacity(entries.len());
    let mut conditions: Vec<String> = Vec::new();
    for (n, entry) in entries.iter().enumerate() {
        let (aim, existing) =
            aim(exchange, draft, (n, entry), &mut conditions).await.map_err(|failure| (n, within(failure, n)))?;
        if let Some(full_url) = &entry.full_url {
            // Else it would be left to chance which of the two a reference means. https://hl7.org/fhir/R4/bundle.html#bdl-7
            if addresses.insert(full_url.clone(), format!("{}/{}", entry.resource_type, aim.id)).is_some() {
                let details = "another entry has the same fullUrl: give each its own";
                return Err((n, Failure::content(format!("Bundle.entry[{n}].fullUrl"), "invariant", details)));
            }
        }
        done[n] = existing;
        aims.push(aim);
    }
    conditional::references(exchange, draft, entries, &mut addresses).await?;
    let mut seen: Vec<ResourceKey> = Vec::new();
    let mut stage = 0;
    for n in order {
        if done[n].is_none() {
            if std::mem::replace(&mut stage, entries[n].stage()) != stage {
                follow::settle(draft).await.map_err(|failure| (n, failure))?;
            }
            let one = decide(exchange, draft, &entries[n], &aims[n], &addresses).await;
            let (one, key) = one.map_err(|failure| (n, within(failure, n)))?;
            if let Some(key) = key {
                if seen.contains(&key) {
                    let details = "two entries of a transaction write the same resource";
                    return Err((n, Failure::content(format!("Bundle.entry[{n}]"), "invariant", details)));
                }
                seen.push(key);
            }
            done[n] = Some(one);
        }
    }
    follow::settle(draft).await.map_err(|failure| (0, failure))?;
    Ok(done.into_iter().map(|one| one.unwrap_or(Done::Later)).collect())
}

/// Where an entry goes, by its criteria if it has some; and its answer, where nothing is left to do.
async fn aim(
    exchange: &Exchange,
    draft: &mut Draft<'_>,
    (n, entry): (usize, &Entry<'_>),
    conditions: &mut Vec<String>,
) -> Result<(Aim, Option<Done>), Failure> {
    let id = if entry.id.is_empty() { AuditEvent::fresh_id() } else { entry.id.clone() };
    let new = Aim { id, is_found: false };
    let (Some(text), Ok(resource_type)) = (entry.criteria(), exchange.served(&entry.resource_type)) else {
        return Ok((new, None));
    };
    let condition = search::condition(exchange, resource_type, text)?;
    if conditions.contains(&condition.1) {
        let details = "two entries have the same condition: send one of them";
        let element = if entry.verb == Verb::Post { "ifNoneExist" } else { "url" };
        return Err(Failure::content(format!("Bundle.entry[{n}].request.{element}"), "invariant", details));
    }
    conditions.push(condition.1.clone());
    let found = match entry.verb {
        // It is answered, and not written.
        Verb::Post => create::exists(exchange, draft, resource_type, &condition).await?,
        _ => conditional::found(exchange, draft, resource_type, &condition).await?,
    };
    let Some(seen) = found else {
        return match entry.verb {
            Verb::Patch => Err(Failure::NotFound),
            Verb::Delete => Ok((new, Some(Done::Nothing))),
            Verb::Get | Verb::Post | Verb::Put => Ok((new, None)),
        };
    };
    let existing = (entry.verb == Verb::Post).then(|| Done::Written(create::existing(&seen)));
    Ok((Aim { id: seen.key.id, is_found: true }, existing))
}

async fn decide(
    exchange: &Exchange,
    draft: &mut Draft<'_>,
    entry: &Entry<'_>,
    Aim { id, is_found }: &Aim,
    addresses: &HashMap<String, String>,
) -> Result<(Done, Option<ResourceKey>), Failure> {
    let resource_type = exchange.served_at(&entry.resource_type, &entry.id)?;
    let (key, status) = match entry.verb {
        Verb::Get => return Ok((Done::Later, None)),
        Verb::Delete => (write::delete(draft, resource_type, id, entry.if_match()?).await?, StatusCode::NO_CONTENT),
        Verb::Post => {
            let content = resolved(entry, addresses)?;
            (write::create(draft, resource_type, id.clone(), content).await?, StatusCode::CREATED)
        }
        Verb::Put => {
            let (content, if_match) = (resolved(entry, addresses)?, entry.if_match()?);
            if entry.criteria().is_some() {
                conditional::update_in(draft, resource_type, (id.clone(), *is_found), content, if_match).await?
            } else {
                let change = Change::Whole(content);
                (write::update(draft, resource_type, id, change, if_match).await?, StatusCode::OK)
            }
        }
        Verb::Patch => {
            let patch = patch::in_entry(exchange, entry.resource)?;
            let change = Change::Patch(&patch);
            (write::update(draft, resource_type, id, change, entry.if_match()?).await?, StatusCode::OK)
        }
    };
    let written = written(draft, &key, status)?;
    Ok((Done::Written(written), Some(key)))
}

/// The content of an entry with the references between entries replaced.
pub(super) fn resolved(entry: &Entry<'_>, addresses: &HashMap<String, String>) -> Result<Content, Failure> {
    let resource =
        entry.resource.ok_or_else(|| Failure::content("resource", "required", "this entry needs a resource"))?;
    let unresolved = std::cell::RefCell::new(false);
    let text = replace_references(resource, &|reference| {
        let found = addresses.get(reference).cloned();
        if found.is_none() && reference.starts_with("urn:uuid:") {
            *unresolved.borrow_mut() = true;
        }
        found
    });
    if unresolved.into_inner() {
        let details = "a reference urn:uuid:… in this entry names no entry of the Bundle";
        return Err(Failure::content("resource", "value", details));
    }
    let value = serde_json::from_str(&text).map_err(|_| Failure::Internal("an edited entry is not JSON"))?;
    Ok(Content { text, value })
}

pub(super) fn response_members(base: &str, written: &Written) -> String {
    let status = format!("{} {}", written.status.as_u16(), written.status.canonical_reason().unwrap_or_default());
    let mut response = json!({
        "status": status.trim_end(),
        "etag": etag(written.version),
        "lastModified": format_instant(written.last_updated_ms),
    });
    if written.status != StatusCode::NO_CONTENT {
        response["location"] = json!(format!("{base}/{}", written.location));
    }
    format!("\"response\":{response}")
}

/// The answer of a transaction that also reads: its reads see what it wrote.
async fn with_reads(
    exchange: &Exchange,
    caller: &Caller,
    entries: &[Entry<'_>],
    done: &[Done],
) -> Result<Response<Body>, Failure> {
    let mut bundle = Bundle::new("transaction-response", None, &[]);
    for (entry, done) in entries.iter().zip(done) {
        match done {
            Done::Written(written) => bundle.entry(&response_members(exchange.base(), written)),
            Done::Nothing => bundle.entry(NOTHING),
            Done::Later => bundle.entry(&read_entry(exchange, caller, entry).await),
        }
    }
    Ok(answer(StatusCode::OK, bundle.finish()))
}

/// A reading entry, answered like a request of its own.
pub(super) async fn read_entry(exchange: &Exchange, caller: &Caller, entry: &Entry<'_>) -> String {
    match read_in_bundle(exchange, caller, entry).await {
        Ok(Some(body)) => format!("\"resource\":{body},\"response\":{{\"status\":\"200 OK\"}}"),
        Ok(None) => "\"response\":{\"status\":\"304 Not Modified\"}".to_owned(),
        Err(failure) => failed_entry(exchange, caller, entry, failure).await,
    }
}

/// What a reading entry asks for; nothing where the client knows it already.
async fn read_in_bundle(exchange: &Exchange, caller: &Caller, entry: &Entry<'_>) -> Result<Option<String>, Failure> {
    let resource_type = exchange.served_at(&entry.resource_type, &entry.id)?;
    may(caller, resource_type, entry)?;
    if entry.id.is_empty() {
        let pairs = search::pairs_of(&entry.query);
        if resource_type == "AuditEvent" {
            return super::audit_event::searchset(exchange, caller, &pairs).await.map(Some);
        }
        return search::searchset(exchange, caller, resource_type, &pairs).await.map(Some);
    }
    if resource_type == "AuditEvent" {
        return super::audit_event::one(exchange, caller, &entry.id, &entry.query).await.map(Some);
    }
    let seen = read::one(exchange, caller, resource_type, (&entry.id, &entry.query)).await?;
    let is_known = entry.if_none_match.as_deref().is_some_and(|tags| read::names_version(tags, seen.version));
    Ok((!is_known).then_some(seen.body))
}

pub(super) async fn failed_entry(exchange: &Exchange, caller: &Caller, entry: &Entry<'_>, failure: Failure) -> String {
    let target = Target::new(act(entry), &entry.resource_type, &entry.id);
    let failure = match exchange.record_refusal(caller, &target, &failure).await {
        Ok(()) => failure,
        Err(unrecorded) => unrecorded,
    };
    failed_members(&failure)
}

pub(super) fn failed_members(failure: &Failure) -> String {
    let status = failure.status();
    let status = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    format!("\"response\":{{\"status\":{},\"outcome\":{}}}", json!(status), failure.outcome())
}

fn act(entry: &Entry<'_>) -> Act {
    match entry.verb {
        Verb::Get => Act::new("R", "read"),
        Verb::Post => Act::new("C", "create"),
        Verb::Put => Act::new("U", "update"),
        Verb::Patch => PATCH,
        Verb::Delete => Act::new("D", "delete"),
    }
}

/// Holds the caller to the scopes of an entry.
pub(super) fn may(caller: &Caller, resource_type: &str, entry: &Entry<'_>) -> Result<(), Failure> {
    match entry.verb {
        Verb::Get if entry.id.is_empty() => caller.may(resource_type, Interaction::Search),
        Verb::Get => caller.may(resource_type, Interaction::Read),
        Verb::Post => caller.may(resource_type, Interaction::Create),
        Verb::Put => caller.may(resource_type, Interaction::Update),
        Verb::Patch => may_patch(caller, resource_type),
        Verb::Delete => caller.may(resource_type, Interaction::Delete),
    }
}

/// The failure of an entry, its elements named within the Bundle.
pub(super) fn within(mut failure: Failure, n: usize) -> Failure {
    let prefix = |issue: &mut Issue| {
        let inner = issue.expression.take().unwrap_or_default();
        if inner.starts_with("Bundle.") {
            issue.expression = Some(inner);
            return;
        }
        let element = inner.split_once('.').map(|(_, element)| format!(".{element}")).unwrap_or_default();
        issue.expression = Some(format!("Bundle.entry[{n}].resource{element}"));
    };
    match &mut failure {
        Failure::Refused { issue, .. } | Failure::Forbidden(issue) | Failure::Unresolved(issue) => prefix(issue),
        Failure::BadRequest(issues) | Failure::Unprocessable(issues) => issues.iter_mut().for_each(prefix),
        _ => {}
    }
    failure
}
