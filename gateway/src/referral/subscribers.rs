//! Subscriptions as further receivers of the notices that organisations get.

use std::sync::Arc;

use crate::access::Draft;
use crate::audit::AuditEvent;
use crate::routing::Notice;
use crate::storage::delivery::NewDelivery;
use crate::storage::subscription::partner;
use crate::storage::write_set::{ReferralTask, ResourceKey};

/// Queues an event for each subscription of an organisation that is told of such. It is about a resource that the draft puts; what the
/// organisation may see of it is decided when it is sent.
pub fn tell(draft: &mut Draft<'_>, organization: &str, kind: &'static str, key: &ResourceKey) {
    let Some(version) = draft.pending(key.resource_type, &key.id).map(|resource| resource.version) else { return };
    let task = draft.set.tasks.iter().rev().find(|task| task.id == key.id);
    let room = task.map(|task| task.room.clone()).unwrap_or_default();
    let registry = Arc::clone(&draft.caller.registry);
    let is_meant = |wanted: &str| wanted.is_empty() || wanted == room;
    for one in registry.subscribers(organization, kind).filter(|one| is_meant(&one.room)) {
        draft.set.deliveries.push(NewDelivery {
            compartment: key.compartment.clone(),
            id: AuditEvent::fresh_id(),
            partner: partner(&one.organization, &one.id),
            kind: kind.into(),
            resource_type: key.resource_type,
            resource_id: key.id.clone(),
            version,
            due_ms: draft.caller.now_ms,
        });
    }
}

/// Tells the owner of a Task that others moved it. Its sender is told by the table.
pub(super) fn tell_owner(draft: &mut Draft<'_>, task: &ReferralTask, key: &ResourceKey) {
    let is_others = |owner: &&String| **owner != task.requester && **owner != draft.caller.organization();
    if let Some(owner) = task.owner.clone().as_ref().filter(is_others) {
        tell(draft, owner, Notice::Status.code(), key);
    }
}
