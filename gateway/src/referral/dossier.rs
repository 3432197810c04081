//! The dossier's way into the own system of whoever picked up: sent as one message, and its arrival shown in the Task.

use serde_json::{Value, json};

use super::step::{changed, task_key, workflow_permit};
use crate::access::Draft;
use crate::access::draft::Put;
use crate::audit::AuditEvent;
use crate::error::Failure;
use crate::routing::Notice;
use crate::storage::channel::ChannelKind;
use crate::storage::delivery::NewDelivery;
use crate::storage::write_set::{Method, ReferralTask, VersionId};

/// The system of what becomes of a dossier, in `Task.businessStatus`.
pub const DOSSIER_STATUS_SYSTEM: &str = "https://wellgate.example/fhir/CodeSystem/dossier-status";
/// The owner's own system has the dossier.
const RECEIVED: &str = "received";

/// Queues the dossier for the owner's own system, where it has one. It is about the order, so that a later notice about the Task does
/// not take its place.
pub(super) fn queue_dossier(draft: &mut Draft<'_>, task: &ReferralTask, owner: &str) {
    let channel = draft.caller.registry.channel(owner);
    if channel.is_none_or(|channel| channel.kind != ChannelKind::Ehr) {
        return;
    }
    draft.set.deliveries.push(NewDelivery {
        compartment: task.compartment.clone(),
        id: AuditEvent::fresh_id(),
        partner: owner.to_owned(),
        kind: Notice::Dossier.code().into(),
        resource_type: "ServiceRequest",
        resource_id: task.service_request.clone(),
        // What is sent is what there is when it is sent.
        version: VersionId(0),
        due_ms: draft.caller.now_ms,
    });
}

/// The owner's system has the dossier of an order: its Task says so, unless the owner says something of its own there, or has ended.
///
/// # Errors
/// The database is away.
pub async fn received(draft: &mut Draft<'_>, compartment: &str, order: &str, owner: &str) -> Result<(), Failure> {
    let tasks = draft.tasks(compartment).await?;
    let is_meant = |task: &&ReferralTask| {
        let is_open = matches!(task.state.as_str(), "accepted" | "in-progress" | "on-hold");
        is_open && task.service_request == order && task.part_of.is_some() && task.owner.as_deref() == Some(owner)
    };
    let Some(task) = tasks.iter().find(is_meant) else { return Ok(()) };
    let key = task_key(compartment, &task.id);
    // That it arrived does not depend on a Task to show it.
    let Some(stored) = draft.content(&key).await? else { return Ok(()) };
    if stored.content.value.get("businessStatus").is_some() {
        return Ok(());
    }
    let status: Value = json!({"coding": [{"system": DOSSIER_STATUS_SYSTEM, "code": RECEIVED}]});
    let changes = [("businessStatus", status), ("lastModified", json!(draft.instant))];
    let content = changed(stored.content, &changes);
    let (previous, minimum) = (stored.previous, stored.minimum);
    draft.put(workflow_permit(), Put { key, content, previous, method: Method::Put, minimum });
    Ok(())
}
