//! What a caller sees of a record, a page at a time, and the entries of the directory that it refers to.

use std::collections::BTreeSet;

use mappings::r4::primitive::is_id;
use serde_json::Value;

use crate::access::Caller;
use crate::access::caller::Act;
use crate::auth::Interaction;
use crate::error::{Failure, Issue};
use crate::fhir::exchange::Exchange;
use crate::search::index::local;
use crate::search::overlay::{Belongs, belongs};
use crate::storage::export::{ChunkSize, Portion};
use crate::storage::resource::Seen;

/// A Patient is about no time.
const ALL_TIME: (i64, i64) = (i64::MIN, i64::MAX);

/// Which part of a record is asked.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The types, in the order in which they are answered.
    pub(super) types: Vec<&'static str>,
    /// Changed after this moment.
    pub(super) since_ms: i64,
    /// About some of the time from one moment to before another.
    pub(super) about: (i64, i64),
}

/// Where a page ends: the type, and the id of the last resource that was looked at.
pub(super) type Place = (&'static str, String);

/// The next resources of a record that the caller sees, on record under an act, and where the next page begins. Whether there is a next is
/// said of the page's being full alone: the last one may be empty.
///
/// # Errors
/// The database is away.
pub(super) async fn page(
    exchange: &Exchange,
    (caller, act): (&Caller, Act),
    patient: &str,
    part: &Part,
    (after, count): (Option<Place>, usize),
) -> Result<(Vec<Seen>, Option<Place>), Failure> {
    let (store, viewer, records) = (&exchange.app.store, caller.viewer(), [patient.to_owned()]);
    let (mut seen, mut bytes_left) = (Vec::new(), exchange.app.limits.answer_bytes_max);
    let (begin, mut id) = match after {
        Some((resource_type, id)) => (part.types.iter().position(|one| *one == resource_type), id),
        None => (Some(0), String::new()),
    };
    for resource_type in part.types.iter().skip(begin.unwrap_or(part.types.len())).copied() {
        loop {
            let room = count.saturating_sub(seen.len());
            if room == 0 || bytes_left == 0 {
                return Ok((seen, Some((resource_type, id))));
            }
            let portion = Portion {
                after: (patient, &id),
                since_ms: part.since_ms,
                about: if resource_type == "Patient" { ALL_TIME } else { part.about },
                ..Portion::of(resource_type, &records)
            };
            let size = ChunkSize { resources: u32::try_from(room).unwrap_or(u32::MAX), bytes: bytes_left };
            let found = store.chunk(&viewer, portion, size).await?;
            let chunk = store.record(found, |touched| caller.shown(act, touched), Vec::new()).await?;
            bytes_left = bytes_left.saturating_sub(chunk.seen.iter().map(|one| one.body.len()).sum());
            seen.extend(chunk.seen);
            let Some((_, last)) = chunk.last else { break };
            id = last;
        }
        id = String::new();
    }
    Ok((seen, None))
}

/// The types that belong to records, the Patient first, as far as the token grants to read them.
///
/// # Errors
/// 403 for a named type that it does not cover, 400 for one that is not served or belongs to no record.
pub(super) fn types(exchange: &Exchange, caller: &Caller, named: &[String]) -> Result<Vec<&'static str>, Failure> {
    let is_of_record =
        |name: &str| matches!(belongs(name), Some(Belongs::IsRecord | Belongs::Record(_) | Belongs::Through(_)));
    let mut types = Vec::new();
    for name in named {
        let served = exchange.served(name).ok().filter(|name| is_of_record(name)).ok_or_else(unknown_type)?;
        caller.may(served, Interaction::Read)?;
        types.push(served);
    }
    if named.is_empty() {
        let every = exchange.app.types.iter().copied().filter(|name| is_of_record(name));
        types = every.filter(|name| caller.may(name, Interaction::Read).is_ok()).collect();
    }
    types.sort_unstable_by_key(|name| (*name != "Patient", *name));
    types.dedup();
    Ok(types)
}

fn unknown_type() -> Failure {
    Failure::BadRequest(vec![Issue::at("_type", "not-supported", "names a type that belongs to no record here")])
}

/// The entries of the directory that resources refer to, on record under an act: as many as an answer may hold at most.
///
/// # Errors
/// The database is away.
pub(super) async fn referenced(
    exchange: &Exchange,
    (caller, act): (&Caller, Act),
    seen: &[Seen],
) -> Result<Vec<Seen>, Failure> {
    let mut found: BTreeSet<(&'static str, String)> = BTreeSet::new();
    for one in seen {
        let value: Value =
            serde_json::from_str(&one.body).map_err(|_| Failure::Internal("a stored resource is not JSON"))?;
        references(&value, &mut |reference| {
            let Some((resource_type, id)) = local(reference, exchange.base()).split_once('/') else { return };
            let Ok(served) = exchange.served(resource_type) else { return };
            let is_entry = belongs(served) == Some(Belongs::Directory) && is_id(id);
            if is_entry && caller.may(served, Interaction::Read).is_ok() {
                found.insert((served, id.to_owned()));
            }
        });
    }
    let most = usize::try_from(exchange.app.limits.search_count_max).unwrap_or(usize::MAX);
    let store = &exchange.app.store;
    let read = store.read_all(&caller.viewer(), found.into_iter().take(most).collect()).await?;
    Ok(store.record(read, |touched| caller.shown(act, touched), Vec::new()).await?)
}

/// Every literal reference within a value.
fn references(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("reference").and_then(Value::as_str) {
                found(reference);
            }
            for member in members.values() {
                references(member, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                references(item, found);
            }
        }
        _ => {}
    }
}
