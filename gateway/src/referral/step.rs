//! One transition of one Task, applied to a draft: workflow row, resource, sight, notices and trail together.

use serde_json::{Value, json};

use super::rooms::organizations;
use super::subscribers;
use crate::access::Draft;
use crate::access::caller::Act;
use crate::access::draft::{Content, Put};
use crate::audit::AuditEvent;
use crate::consent::{LawRule, Permit, Standing, without_consent};
use crate::error::Failure;
use crate::routing::task::reference;
use crate::routing::transitions::transition;
use crate::routing::{Actor, Event, Kind, Notice, Sight, State, Transition};
use crate::storage::delivery::NewDelivery;
use crate::storage::write_set::{Closure, Method, ReferralTask, ResourceKey};
use mappings::json::spans::set_members;

/// The rule under which the gateway moves a Task along.
const WORKFLOW_RULE: &str = "referral-workflow";

/// The permit of what the gateway itself does because the table says so.
pub(super) fn workflow_permit() -> Permit {
    without_consent(Standing::Law { rule: LawRule(WORKFLOW_RULE) })
        .unwrap_or_else(|| unreachable!("a named rule needs no consent"))
}

/// The key of a referral's Task.
pub(super) fn task_key(compartment: &str, id: &str) -> ResourceKey {
    ResourceKey { compartment: compartment.to_owned(), resource_type: "Task", id: id.to_owned() }
}

/// The cause of the closures that end when this Task stops waiting.
pub(super) fn waiting_cause(task_id: &str) -> String {
    format!("task/{task_id}")
}

/// Shuts a grantee out of a record.
pub(super) fn close(draft: &mut Draft<'_>, compartment: &str, grantee: &str, cause: String) {
    let closure = Closure {
        compartment: compartment.to_owned(),
        grantee: grantee.to_owned(),
        cause,
        since_ms: draft.caller.now_ms,
    };
    draft.set.closures.push(closure);
}

/// Moves a Task on an event of the gateway.
///
/// # Errors
/// [`Failure::Conflict`] where the Task is in a state in which this cannot follow: others moved it between two reads of this
/// draft, and it is decided again.
pub(super) async fn gateway_step(
    draft: &mut Draft<'_>,
    task: &ReferralTask,
    event: Event,
) -> Result<ReferralTask, Failure> {
    let row = state_of(task)
        .and_then(|state| transition(kind_of(task)?, Some(state), Actor::Gateway, event))
        .ok_or(Failure::Conflict)?;
    step(draft, task, row, workflow_permit(), &[]).await
}

/// The Task's kind as the table knows it.
pub(super) fn kind_of(task: &ReferralTask) -> Option<Kind> {
    Kind::from_code(&task.kind)
}

/// The Task's state as the table knows it.
pub(super) fn state_of(task: &ReferralTask) -> Option<State> {
    State::from_code(&task.state)
}

/// Applies a transition to a Task: its state, its owner (already set in `task`), its resource, and what is told to whom.
/// `members` are further members of the resource that the actor may write.
pub(super) async fn step(
    draft: &mut Draft<'_>,
    task: &ReferralTask,
    row: &Transition,
    permit: Permit,
    members: &[(&str, Value)],
) -> Result<ReferralTask, Failure> {
    let basis = permit.basis().clone();
    let next = ReferralTask { state: row.to.code().to_owned(), ..task.clone() };
    let key = task_key(&task.compartment, &task.id);
    let stored = draft.content(&key).await?.ok_or(Failure::Internal("a referral's Task is missing"))?;
    let mut changes = vec![("status", json!(next.state)), ("lastModified", json!(draft.instant))];
    if let Some(owner) = &next.owner {
        changes.push(("owner", json!({"reference": reference(owner)})));
    }
    let mut minimum = stored.minimum;
    if let Some(minimum) = &mut minimum {
        for (name, value) in &changes {
            minimum[*name] = value.clone();
        }
    }
    changes.extend(members.iter().cloned());
    let content = changed(stored.content, &changes);
    draft.put(permit, Put { key: key.clone(), content, previous: stored.previous, method: Method::Put, minimum });
    if row.sight == Sight::Narrows && row.from.is_some() {
        draft.set.dropped_sights.push((key.clone(), task.room.clone()));
    }
    draft.set.tasks.push(next.clone());
    draft.set.voided_deliveries.push(key.clone());
    notify(draft, &next, row.notices);
    subscribers::tell_owner(draft, &next, &key);
    draft.note(Act::new("E", row.event.code()), &basis, &key);
    Ok(next)
}

/// The content with members replaced, in bytes and parsed form alike.
pub(super) fn changed(content: Content, changes: &[(&str, Value)]) -> Content {
    let Content { text, mut value } = content;
    let texts: Vec<String> = changes.iter().map(|(_, value)| value.to_string()).collect();
    let members: Vec<(&str, &str)> =
        changes.iter().zip(&texts).map(|((name, _), text)| (*name, text.as_str())).collect();
    for (name, change) in changes {
        value[*name] = change.clone();
    }
    Content { text: set_members(&text, &members), value }
}

/// Queues the notices of a transition: to the room that something waits, to the sender that the status changed.
pub(super) fn notify(draft: &mut Draft<'_>, task: &ReferralTask, notices: &[Notice]) {
    let key = task_key(&task.compartment, &task.id);
    for notice in notices {
        match notice {
            // Each of a pool by itself: what it may see is decided for each when it is sent.
            Notice::Waiting => {
                let registry = std::sync::Arc::clone(&draft.caller.registry);
                for organization in organizations(&registry, &task.room).unwrap_or_default() {
                    queue(draft, &format!("organization/{}", organization.id), notice.code(), &key);
                }
            }
            Notice::Status => queue(draft, &task.requester, notice.code(), &key),
            // Feedback is a Communication of its own, queued where its consent is decided; a dossier goes with the order.
            Notice::Feedback | Notice::Dossier => {}
        }
    }
}

/// Queues one notice about a resource that the draft puts.
pub(super) fn queue(draft: &mut Draft<'_>, partner: &str, kind: &'static str, key: &ResourceKey) {
    if let Some(version) = draft.pending(key.resource_type, &key.id).map(|resource| resource.version) {
        let delivery = NewDelivery {
            compartment: key.compartment.clone(),
            id: AuditEvent::fresh_id(),
            partner: partner.to_owned(),
            kind: kind.into(),
            resource_type: key.resource_type,
            resource_id: key.id.clone(),
            version,
            due_ms: draft.caller.now_ms,
        };
        draft.set.deliveries.push(delivery);
        subscribers::tell(draft, partner, kind, key);
    }
}
