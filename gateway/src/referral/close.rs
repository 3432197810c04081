//! Feedback of a closed referral: to the organisation that sent it, and to the one that began the chain, each decided on
//! its own.

use serde_json::Value;

use super::rooms::{Dossier, decide_for};
use super::step::{queue, task_key};
use crate::access::Draft;
use crate::access::caller::Act;
use crate::access::draft::Put;
use crate::audit::AuditEvent;
use crate::consent::Decision;
use crate::error::Failure;
use crate::routing::Notice;
use crate::routing::feedback::{FEEDBACK_CHARS_MAX, FeedbackFacts, shown, texts, whole};
use crate::routing::task::reference;
use crate::storage::write_set::{ReferralTask, ResourceKey, Sight};

/// Sends the feedback that the closing Task carries to every referrer whom the Consents permit. A referrer who is not
/// permitted gets none, and that is recorded; the closing itself goes on.
///
/// # Errors
/// 422 where the feedback is too long; the database is away.
pub(super) async fn send_feedback(draft: &mut Draft<'_>, task: &ReferralTask, sent: &Value) -> Result<(), Failure> {
    let texts = texts(sent).map_err(|expression| {
        let details =
            format!("feedback is at most {FEEDBACK_CHARS_MAX} characters: send the rest by a referral of its own");
        Failure::content(expression, "too-long", details)
    })?;
    let tasks = draft.tasks(&task.compartment).await?;
    let mut referrers = vec![(task.requester.clone(), task.id.clone())];
    if let Some(first) = tasks.iter().find(|other| Some(&other.id) == task.part_of.as_ref())
        && first.requester != task.requester
    {
        referrers.push((first.requester.clone(), first.id.clone()));
    }
    for (referrer, known_task) in referrers {
        send_to(draft, task, &referrer, &known_task, &texts).await?;
    }
    Ok(())
}

async fn send_to(
    draft: &mut Draft<'_>,
    task: &ReferralTask,
    referrer: &str,
    known_task: &str,
    texts: &[String],
) -> Result<(), Failure> {
    let act = Act::new("E", "feedback");
    let id = AuditEvent::fresh_id();
    let facts = FeedbackFacts {
        id: &id,
        sender: &reference(&draft.caller.organization()),
        recipient: &reference(referrer),
        task: &format!("Task/{known_task}"),
        patient: &format!("Patient/{}", task.compartment),
        sent: &draft.instant,
    };
    let (whole, shown) = (whole(&facts, texts), shown(&facts, texts));
    let key = ResourceKey { compartment: task.compartment.clone(), resource_type: "Communication", id: id.clone() };
    let dossier = Dossier::of(draft, &task.compartment, &task.service_request).await?;
    let dossier = dossier.with_made(draft, &key, &whole).await?;
    let registry = &draft.caller.registry;
    let organization = referrer.strip_prefix("organization/").and_then(|id| registry.organization(id));
    let decision = organization.map(|organization| decide_for(registry, organization, &dossier, draft.caller.now_ms));
    let permit = match decision {
        Some(Decision::Permit(permit)) => permit,
        refused => {
            let reason = if let Some(Decision::Deny(reason)) = refused { reason.code() } else { "not-registered" };
            let key = task_key(&task.compartment, &task.id);
            let event = draft.caller.refusal(act, reason, Some(&task.compartment), key.resource_type, &key.id);
            draft.set.audit.push(event);
            return Ok(());
        }
    };
    let basis = permit.basis().clone();
    draft.put(permit, Put::made(key.clone(), whole, Some(shown)));
    draft.set.sights.push(Sight { key: key.clone(), grantee: referrer.to_owned(), requires_consent: false });
    queue(draft, referrer, Notice::Feedback.code(), &key);
    draft.note(act, &basis, &key);
    Ok(())
}
