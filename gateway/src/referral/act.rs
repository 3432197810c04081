//! What the parties do with a Task: pick up, refuse, take back, begin, end.
//!
//! A party writes `Task.status` (and, as owner, what it has to say); every other element is the gateway's.

use serde_json::Value;

use super::close::send_feedback;
use super::dossier::queue_dossier;
use super::rooms::{Dossier, decide_for, is_of_room, organizations, refuse_beyond_role};
use super::step::{close, gateway_step, kind_of, state_of, step, waiting_cause, workflow_permit};
use crate::access::Draft;
use crate::consent::{Decision, Identities, Permit, Reason, Request, decide};
use crate::error::Failure;
use crate::routing::transitions::{by_status, legal};
use crate::routing::{Actor, Custody, Event, State, Transition};
use crate::storage::write_set::{ReferralTask, Sight};

/// What an owner may write beside the status.
const OWNER_MEMBERS: &[&str] = &["statusReason", "businessStatus", "output", "note"];
/// What the room and the sender may write beside the status: why. It is kept in the whole, and not in what is shown before.
const OTHER_MEMBERS: &[&str] = &["statusReason"];
/// What says nothing about the workflow and is not compared.
const IGNORED_MEMBERS: &[&str] = &["resourceType", "id", "meta", "text", "status", "lastModified"];

/// The parts that the caller has in a Task; none where it is a stranger to it.
pub fn parts(draft: &Draft<'_>, task: &ReferralTask) -> Vec<Actor> {
    let caller = draft.caller;
    let organization = caller.organization();
    let mut actors = Vec::new();
    if task.requester == organization {
        actors.push(Actor::Sender);
    }
    if task.owner.as_deref() == Some(&*organization) {
        actors.push(Actor::Owner);
    }
    // Whoever placed it into a pool of its own does not pick it up there: it would be released from its own record.
    let is_sender = task.requester == organization;
    if !is_sender && task.owner.is_none() && task.part_of.is_some() && is_of_room(caller, &task.room) {
        actors.push(Actor::Room);
    }
    actors
}

/// Whether the Task waits, or waited, in a room of the caller's, and the Consents let the caller see what waits there.
///
/// # Errors
/// The database is away.
pub async fn was_shown_in_room(draft: &mut Draft<'_>, task: &ReferralTask) -> Result<bool, Failure> {
    if task.part_of.is_none() || !is_of_room(draft.caller, &task.room) {
        return Ok(false);
    }
    let consents = draft.consents(&task.compartment).await?;
    let teams = draft.teams(&task.compartment, &consents).await?;
    let Identities { grantees, former_teams } = teams.identities(draft.caller.grantees(), draft.caller.now_ms);
    let request = Request { grantees: &grantees, former_teams: &former_teams, purpose: draft.caller.purpose() };
    // What waits is shown by the facts of the Task itself, as the sight of its minimum is.
    let facts = draft.facts(&super::step::task_key(&task.compartment, &task.id), &consents).await?;
    Ok(matches!(decide(request, &facts, &consents, draft.caller.now_ms), Decision::Permit(_)))
}

/// A party writes a Task. `seen` is what the caller sees of it now, `sent` what it wrote.
///
/// # Errors
/// 422 for a state that does not follow (naming those that do) or an element that is not the caller's to change; 403 where
/// the Consents do not permit the act.
pub async fn on_task(draft: &mut Draft<'_>, task: &ReferralTask, seen: &Value, sent: &Value) -> Result<(), Failure> {
    refuse_beyond_role(draft, &task.compartment)?;
    let actors = parts(draft, task);
    let row = wanted(task, sent, &actors)?;
    let members = members(row.actor, seen, sent, &draft.caller.organization())?;
    match row.event {
        Event::PickUp => pick_up(draft, task, row).await,
        Event::Reject if task.room.starts_with("pool/") => Err(Failure::content(
            "Task.status",
            "business-rule",
            "a Task that waits for a pool is refused by no single member: leave it, and its time or its sender ends it",
        )),
        Event::Reject | Event::Cancel => {
            give_back(draft, task, row).await?;
            Ok(())
        }
        Event::Complete | Event::Fail => end(draft, task, row, &members, sent).await,
        _ => step(draft, task, row, workflow_permit(), &members).await.map(|_| ()),
    }
}

fn wanted(task: &ReferralTask, sent: &Value, actors: &[Actor]) -> Result<&'static Transition, Failure> {
    let status = sent.get("status").and_then(Value::as_str).unwrap_or_default();
    let (Some(kind), Some(from)) = (kind_of(task), state_of(task)) else {
        return Err(Failure::Internal("a referral's Task is in a state that the table does not know"));
    };
    State::from_code(status).and_then(|to| by_status(kind, from, to, actors)).ok_or_else(|| {
        let legal = legal(kind, from, actors);
        let ways = if legal.is_empty() { "none".to_owned() } else { legal.join(", ") };
        let details = format!("from '{}' your organisation may bring this Task to: {ways}", from.code());
        Failure::content("Task.status", "business-rule", details)
    })
}

/// The members beside the status that the actor wrote, after checking that it wrote no other.
fn members<'v>(
    actor: Actor,
    seen: &Value,
    sent: &'v Value,
    organization: &str,
) -> Result<Vec<(&'v str, Value)>, Failure> {
    let own = if actor == Actor::Owner { OWNER_MEMBERS } else { OTHER_MEMBERS };
    let mut members = Vec::new();
    for (name, value) in sent.as_object().into_iter().flatten() {
        let is_claimed = name == "owner"
            && actor == Actor::Room
            && value.get("reference").and_then(Value::as_str).and_then(crate::routing::task::room).as_deref()
                == Some(organization);
        if own.contains(&name.as_str()) {
            members.push((name.as_str(), value.clone()));
        } else if !IGNORED_MEMBERS.contains(&name.as_str()) && !is_claimed && seen.get(name) != Some(value) {
            let details = "this element of a referral's Task is the gateway's: send it as you read it, or leave it out";
            return Err(Failure::content(format!("Task.{name}"), "business-rule", details));
        }
    }
    Ok(members)
}

/// One of the room takes the Task: custody moves, the sender is released, the dossier opens.
async fn pick_up(draft: &mut Draft<'_>, task: &ReferralTask, row: &Transition) -> Result<(), Failure> {
    let compartment = task.compartment.as_str();
    // Of a room that may not read the Consents: whatever they say, it is told no more than that there is none.
    let permit = decide_for_caller(draft, task).await?.ok_or_else(|| {
        Failure::refused(Reason::NoConsent.code(), Reason::NoConsent.sentence(), None).about(compartment)
    })?;
    let organization = draft.caller.organization();
    let picked = ReferralTask { owner: Some(organization.clone()), ..task.clone() };
    let picked = step(draft, &picked, row, permit, &[]).await?;
    let key = super::step::task_key(compartment, &task.id);
    draft.set.dropped_sights.push((key.clone(), task.room.clone()));
    draft.set.sights.push(Sight { key, grantee: organization.clone(), requires_consent: false });
    draft.set.lifted_causes.push((compartment.to_owned(), waiting_cause(&task.id)));
    draft.set.lifted_releases.push((compartment.to_owned(), organization.clone()));
    queue_dossier(draft, &picked, &organization);
    close(draft, compartment, &task.requester, "release".to_owned());
    // Those who were asked as well and did not get it: the Consent let them be asked, and that is over.
    for other in passed_over(draft, task, &organization) {
        close(draft, compartment, &other, "release".to_owned());
    }
    let facts = draft.move_record(compartment).await?;
    facts.custodian = organization;
    facts.closures.clear();
    follow(draft, &picked, Event::ForwardTaken, row.event).await
}

/// The other organisations behind a room, when one of them has picked up.
fn passed_over(draft: &Draft<'_>, task: &ReferralTask, winner: &str) -> Vec<String> {
    let behind = organizations(&draft.caller.registry, &task.room).unwrap_or_default();
    let others = behind.iter().map(|other| format!("organization/{}", other.id));
    others.filter(|other| other != winner && *other != task.requester).collect()
}

/// The permit of the caller's organisation to have the record, at this moment.
async fn decide_for_caller(draft: &mut Draft<'_>, task: &ReferralTask) -> Result<Option<Permit>, Failure> {
    let dossier = Dossier::of(draft, &task.compartment, &task.service_request).await?;
    let dossier = dossier.with(draft, &super::step::task_key(&task.compartment, &task.id)).await?;
    let registry = &draft.caller.registry;
    let organization = registry.organization(draft.caller.organization_id());
    let decision = organization.map(|organization| decide_for(registry, organization, &dossier, draft.caller.now_ms));
    Ok(match decision {
        Some(Decision::Permit(permit)) => Some(permit),
        _ => None,
    })
}

/// The record goes back to its sender, with sight: after a refusal, a cancellation, an expiry or a withdrawal.
pub(super) async fn give_back(
    draft: &mut Draft<'_>,
    task: &ReferralTask,
    row: &Transition,
) -> Result<ReferralTask, Failure> {
    debug_assert_eq!(row.custody, Custody::Returns, "only such a row gives back");
    let compartment = task.compartment.as_str();
    let returned = step(draft, task, row, workflow_permit(), &[]).await?;
    draft.set.lifted_causes.push((compartment.to_owned(), waiting_cause(&task.id)));
    let ends_chain = task.predecessor.is_none();
    let facts = draft.move_record(compartment).await?;
    facts.closures.retain(|(_, cause)| *cause != waiting_cause(&task.id));
    if ends_chain {
        facts.chain = None;
    }
    follow(draft, &returned, Event::ForwardReturned, row.event).await?;
    Ok(returned)
}

/// The owner's care ends: it keeps the record by law, without sight, and the referrer gets its feedback.
async fn end(
    draft: &mut Draft<'_>,
    task: &ReferralTask,
    row: &Transition,
    members: &[(&str, Value)],
    sent: &Value,
) -> Result<(), Failure> {
    let compartment = task.compartment.as_str();
    let ended = step(draft, task, row, workflow_permit(), members).await?;
    if row.event == Event::Complete {
        send_feedback(draft, &ended, sent).await?;
    }
    let organization = draft.caller.organization();
    close(draft, compartment, &organization, "release".to_owned());
    let facts = draft.move_record(compartment).await?;
    facts.chain = None;
    facts.closures.push((organization, "release".to_owned()));
    move_referral_task(draft, &ended, row.event).await
}

/// What follows for the Tasks around: the one that was forwarded, else the referral Task.
async fn follow(draft: &mut Draft<'_>, task: &ReferralTask, forwarded: Event, event: Event) -> Result<(), Failure> {
    let Some(predecessor) = &task.predecessor else { return move_referral_task(draft, task, event).await };
    let tasks = draft.tasks(&task.compartment).await?;
    if let Some(predecessor) = tasks.iter().find(|other| other.id == *predecessor) {
        gateway_step(draft, predecessor, forwarded).await?;
    }
    Ok(())
}

async fn move_referral_task(draft: &mut Draft<'_>, task: &ReferralTask, event: Event) -> Result<(), Failure> {
    let tasks = draft.tasks(&task.compartment).await?;
    if let Some(referral) = tasks.iter().find(|other| Some(&other.id) == task.part_of.as_ref()) {
        gateway_step(draft, referral, event).await?;
    }
    Ok(())
}
