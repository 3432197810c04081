//! The batch interaction: entries that stand alone, some of them at once, answered in their order.
//!
//! <https://hl7.org/fhir/R4/http.html#transaction>

use std::collections::HashMap;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use tokio::time::timeout;

use super::answer::{Written, json as answer};
use super::bundle::Bundle;
use super::content::structure;
use super::entry::{Entry, Verb};
use super::exchange::Exchange;
use super::transaction::{NOTHING, failed_entry, failed_members, may, read_entry, resolved, response_members, within};
use super::{conditional, create, delete, patch, search, update};
use crate::access::Caller;
use crate::error::Failure;

type Read<'b> = Result<Entry<'b>, Failure>;

/// Answers each entry as a request of its own. A job goes on for as long as it takes, so that it is looked at again who asks.
///
/// # Errors
/// None is made here: one that fails does not fail the others.
pub async fn answers(
    exchange: &Exchange,
    caller: &Caller,
    entries: &[Read<'_>],
    is_job: bool,
) -> Result<Response<Body>, Failure> {
    let limits = &exchange.app.limits;
    let mut bundle = Bundle::new("batch-response", None, &[]);
    let mut now: Option<Caller> = None;
    // Why nothing further is done: who was shut out once is not asked about again.
    let mut end: Option<Failure> = None;
    let mut n = 0;
    while n < entries.len() {
        if end.is_none() && is_job {
            match now.as_ref().unwrap_or(caller).at_this_moment(&exchange.app).await {
                Ok(caller) => now = Some(caller),
                Err(failure) => end = Some(failure),
            }
        }
        if end.is_none() && bundle.len() > limits.answer_bytes_max {
            end = Some(Failure::TooLarge("the answer is too long: ask for the rest in another batch".to_owned()));
        }
        if let Some(failure) = &end {
            bundle.entry(&failed_members(failure));
            n += 1;
            continue;
        }
        let caller = now.as_ref().unwrap_or(caller);
        let together = at_once(&entries[n..], limits.batch_entries_at_once);
        let asked: Vec<BoxFuture<'_, String>> =
            (n..n + together).map(|n| in_time(exchange, caller, n, &entries[n]).boxed()).collect();
        for members in join_all(asked).await {
            bundle.entry(&members);
        }
        n += together;
    }
    Ok(answer(StatusCode::OK, bundle.finish()))
}

/// How many entries from the first on are worked on at once. Reads see what was written before them, and two writes of one resource go one after
/// the other, so that a batch means the same however many go at once.
fn at_once(entries: &[Read<'_>], most: usize) -> usize {
    let is_read = |entry: &Read<'_>| entry.as_ref().is_ok_and(|entry| entry.verb == Verb::Get);
    let mut addresses: Vec<(&str, &str)> = Vec::new();
    let mut together = 0;
    for entry in entries.iter().take(most.max(1)) {
        if is_read(entry) != is_read(&entries[0]) {
            break;
        }
        if let Ok(entry) = entry
            && entry.verb != Verb::Get
        {
            // By criteria an entry may mean any other.
            let address = (entry.resource_type.as_str(), entry.id.as_str());
            let is_by_criteria = entry.criteria().is_some();
            if together > 0 && (is_by_criteria || !address.1.is_empty() && addresses.contains(&address)) {
                break;
            }
            if is_by_criteria {
                return 1;
            }
            addresses.push(address);
        }
        together += 1;
    }
    together.max(1)
}

/// No longer than a request: a batch that is answered later is ended by none.
async fn in_time(exchange: &Exchange, caller: &Caller, n: usize, entry: &Read<'_>) -> String {
    let answer = timeout(exchange.app.limits.request_timeout, one(exchange, caller, n, entry)).await;
    answer.unwrap_or_else(|_| failed_members(&Failure::Unavailable))
}

async fn one(exchange: &Exchange, caller: &Caller, n: usize, entry: &Read<'_>) -> String {
    match entry {
        Err(failure) => failed_members(failure),
        Ok(entry) if entry.verb == Verb::Get => read_entry(exchange, caller, entry).await,
        Ok(entry) => match write_alone(exchange, caller, entry).await {
            Ok(Some(written)) => response_members(exchange.base(), &written),
            Ok(None) => NOTHING.to_owned(),
            Err(failure) => failed_entry(exchange, caller, entry, within(failure, n)).await,
        },
    }
}

/// Writes one entry; nothing where a conditional deletion found nothing.
async fn write_alone(exchange: &Exchange, caller: &Caller, entry: &Entry<'_>) -> Result<Option<Written>, Failure> {
    let resource_type = exchange.served_at(&entry.resource_type, &entry.id)?;
    may(caller, resource_type, entry)?;
    let criteria = entry.criteria().filter(|_| entry.verb != Verb::Post);
    let condition = criteria.map(|text| search::condition(exchange, resource_type, text)).transpose()?;
    let (id, if_match) = (entry.id.as_str(), entry.if_match()?);
    match (entry.verb, &condition) {
        (Verb::Delete, Some(condition)) => {
            return conditional::commit_delete(exchange, caller, resource_type, condition, if_match).await;
        }
        (Verb::Delete, None) => delete::commit(exchange, caller, resource_type, id, if_match).await,
        (Verb::Patch, condition) => {
            let patch = patch::in_entry(exchange, entry.resource)?;
            match condition {
                Some(condition) => {
                    let asked = (resource_type, condition);
                    conditional::commit_patch(exchange, caller, asked, &patch, if_match, None).await
                }
                None => patch::commit(exchange, caller, (resource_type, id), &patch, if_match, None).await,
            }
        }
        (Verb::Get | Verb::Post | Verb::Put, condition) => {
            let content = resolved(entry, &HashMap::new())?;
            structure(&content.value, "")?;
            match condition {
                Some(condition) => {
                    conditional::commit_update(exchange, caller, resource_type, condition, &content, if_match).await
                }
                None if entry.verb == Verb::Put => {
                    update::commit(exchange, caller, resource_type, id, &content, if_match).await
                }
                None => {
                    let if_none_exist = entry.if_none_exist.as_deref();
                    create::commit(exchange, caller, resource_type, &content, if_none_exist, None).await
                }
            }
        }
    }
    .map(Some)
}
