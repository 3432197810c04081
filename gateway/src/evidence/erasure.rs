//! Erasing events of the trail where the law orders it: the rows go with their salts, the seals hold, and an act says who was told
//! to erase what.

use std::path::Path;

use super::sealer::seal_all;
use crate::audit::check::ERASURE;
use crate::audit::{Actor, AuditEvent};
use crate::storage::write_set::WriteSet;
use crate::storage::{StorageError, Store};

/// On what an erasure rests.
const ERASURE_RULE: &str = "erasure-order";
/// Events that are erased in one step, each with its act.
const STEP: usize = 200;

/// What is to be erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erased<'a> {
    /// One event, by its id.
    Event(&'a str),
    /// The whole trail of a record, by its id.
    Record(&'a str),
}

/// Erases, and records each erasure. `order`: the decision that asks for it, as its authority numbers it. Answers how many events
/// there were.
///
/// # Errors
/// [`StorageError`]: what was erased until then stays so, and is recorded.
pub async fn erase(
    store: &Store,
    what: Erased<'_>,
    (order, now_ms): (&str, i64),
    head_file: Option<&Path>,
) -> Result<usize, StorageError> {
    let (record, event) = match what {
        Erased::Event(id) => ("", id),
        Erased::Record(id) => (id, ""),
    };
    let found = store.erasable_events(record, event, ERASURE).await?;
    // What is erased is sealed before, or it would be missing.
    seal_all(store, head_file, now_ms).await?;
    for step in found.chunks(STEP) {
        let mut set = WriteSet::default();
        set.audit = step.iter().map(|(_, id)| act(id, order, now_ms)).collect();
        set.erased_events = step.to_vec();
        store.apply(set).await?;
    }
    seal_all(store, head_file, now_ms).await?;
    Ok(found.len())
}

/// It names the event, which means nothing to anybody any more, and not the record.
fn act(id: &str, order: &str, now_ms: i64) -> AuditEvent {
    let event = AuditEvent::done(("D", ERASURE), Actor::gateway(), (Actor::GATEWAY, ERASURE_RULE), now_ms);
    AuditEvent { request_id: order.to_owned(), ..event.about("AuditEvent", id) }
}
