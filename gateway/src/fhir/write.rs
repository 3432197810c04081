//! One write of one resource into a draft: decided, put, and followed by what its type entails.
//!
//! The single interactions and every entry of a transaction come through here, so there is one way in.

use serde_json::Value;

use super::change::Change;
use super::content::must_be;
use super::follow::{drop_grants, follow, follow_team};
use super::owner::{Part, compartment, practitioner};
use super::representative;
use super::subscription;
use crate::access::Draft;
use crate::access::caller::Act;
use crate::access::draft::{Content, DraftResource, Put, is_of_record};
use crate::consent::{Interaction, Permit, may_write};
use crate::error::{Failure, Issue};
use crate::labels::{ATOMS_BYTES_MAX, LabelSet, keep_declared};
use crate::referral;
use crate::routing::Actor;
use crate::storage::facts::Located;
use crate::storage::write_set::{Method, Precondition, ResourceKey, VersionId};
use mappings::json::spans::set_members;

/// Creates a resource under a fresh id; answers where it went. An organisation Task is made by the gateway, so its key is
/// another than `id`.
///
/// # Errors
/// Every failure of a write; nothing of the draft may be applied then.
pub async fn create(
    draft: &mut Draft<'_>,
    resource_type: &'static str,
    id: String,
    mut content: Content,
) -> Result<ResourceKey, Failure> {
    must_be(&content.value, resource_type)?;
    as_profiled(draft, &content.value)?;
    let compartment = compartment(draft, resource_type, &id, &content.value).await?;
    let key = ResourceKey { compartment, resource_type, id };
    if is_of_record(&key) {
        keep_declared(&mut content.value, None, LabelSet::NONE);
    }
    let permit = permit(draft, &key, false, Interaction::Create).await?;
    let basis = permit.basis().clone();
    if resource_type == "Patient" {
        draft.begin_record(&key.compartment);
    }
    if resource_type == "Task" && referral::place::is_offer(draft, &content.value) {
        return referral::place::on_offer(draft, key, content).await;
    }
    let put = Put { key: key.clone(), content, previous: None, method: Method::Post, minimum: None };
    within_limits(draft.put(permit, put))?;
    draft.note(Act::new("C", "create"), &basis, &key);
    follow(draft, &key, None).await?;
    Ok(key)
}

/// Writes a new version of a resource that exists for the caller: what was sent, or what a patch makes of what the caller sees.
///
/// # Errors
/// 404 where it does not exist for the caller, 412 where `if_match` is not its version, and every failure of a write.
pub async fn update(
    draft: &mut Draft<'_>,
    resource_type: &'static str,
    id: &str,
    change: Change<'_>,
    if_match: Option<VersionId>,
) -> Result<ResourceKey, Failure> {
    change.fits(resource_type, id)?;
    if let Change::Whole(content) = &change {
        as_profiled(draft, &content.value)?;
    }
    let located = located(draft, resource_type, id).await?;
    let is_person = draft.caller.person().is_some();
    // A person has no part in the workflow: a Task of a referral is to them like any other resource of the record.
    if resource_type == "Task"
        && !is_person
        && let Some(task) = draft.app.store.referral_task(id).await?
    {
        return update_task(draft, located, &task, change, if_match).await;
    }
    if !sees(draft, &located).await? {
        return match change {
            Change::Whole(content) => withdraw_blind(draft, located, &content.value).await,
            Change::Patch(_) => Err(Failure::NotFound),
        };
    }
    matches(&located, if_match)?;
    let act = change.act();
    if change.is_patch() {
        if located.deleted {
            return Err(Failure::Gone);
        }
        may_patch(draft, &located.key).await?;
    }
    let is_patch = change.is_patch();
    let content = change.on(&located.body, resource_type, draft.app.limits.nesting_max)?;
    if is_patch {
        as_profiled(draft, &content.value)?;
    }
    if is_person {
        return update_by_person(draft, located, &content.value).await;
    }
    overwrite(draft, located, content, act).await
}

/// Whoever may not write a resource is told so whatever the patch says: its tests would ask for values one by one.
async fn may_patch(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<(), Failure> {
    let Err(refused) = permit(draft, key, true, Interaction::Update).await else { return Ok(()) };
    if key.resource_type == "Consent" {
        // What a patch makes of it may be a withdrawal, which more may write.
        return permit(draft, key, true, Interaction::Withdraw).await.map(drop);
    }
    Err(refused)
}

/// Puts new content in the place of what is there.
async fn overwrite(
    draft: &mut Draft<'_>,
    located: Located,
    mut content: Content,
    act: Act,
) -> Result<ResourceKey, Failure> {
    let (resource_type, id) = (located.key.resource_type, &located.key.id);
    let interaction = if is_withdrawal(&located, &content) { Interaction::Withdraw } else { Interaction::Update };
    let permit = permit(draft, &located.key, true, interaction).await?;
    let to = compartment(draft, resource_type, id, &content.value).await?;
    if to != located.key.compartment {
        let details = "a resource stays in the record in which it was created: create it anew in the other";
        return Err(Failure::content(resource_type, "business-rule", details));
    }
    let basis = permit.basis().clone();
    let before = (!located.deleted).then(|| serde_json::from_str(&located.body).unwrap_or_default());
    if is_of_record(&located.key) {
        keep_declared(&mut content.value, before.as_ref(), located.facts.declared);
    }
    let key = located.key;
    let put = Put { key: key.clone(), content, previous: Some(located.version), method: Method::Put, minimum: None };
    within_limits(draft.put(permit, put))?;
    draft.note(act, &basis, &key);
    follow(draft, &key, before.as_ref()).await?;
    Ok(key)
}

/// Deletes a resource that exists for the caller.
///
/// # Errors
/// 404, 412, or 422 where a referral rests on it.
pub async fn delete(
    draft: &mut Draft<'_>,
    resource_type: &'static str,
    id: &str,
    if_match: Option<VersionId>,
) -> Result<ResourceKey, Failure> {
    let located = located(draft, resource_type, id).await?;
    if !sees(draft, &located).await? {
        return Err(Failure::NotFound);
    }
    if located.deleted {
        return Err(Failure::Gone);
    }
    matches(&located, if_match)?;
    let permit = permit(draft, &located.key, true, Interaction::Delete).await?;
    let (basis, key) = (permit.basis().clone(), located.key);
    if is_part_of_referral(draft, &key).await? {
        let details = "a referral under way rests on this resource: close or cancel the referral first";
        return Err(Failure::content(resource_type, "business-rule", details));
    }
    let content = Content { text: String::new(), value: Value::Null };
    let put = Put { key: key.clone(), content, previous: Some(located.version), method: Method::Delete, minimum: None };
    draft.put(permit, put);
    draft.note(Act::new("D", "delete"), &basis, &key);
    match resource_type {
        "Consent" => drop_grants(draft, &key).await?,
        "RelatedPerson" => representative::end(draft, &key).await?,
        "CareTeam" | "Group" => follow_team(draft, &key).await?,
        "Task" => referral::intake::on_delete(draft, &key).await?,
        _ => subscription::end(draft, &key),
    }
    Ok(key)
}

/// Holds a resource to the profiles that count on writing: before anything is looked up, so that the answer tells of nothing else.
fn as_profiled(draft: &Draft<'_>, resource: &Value) -> Result<(), Failure> {
    let issues: Vec<Issue> = draft.app.validation.on_write(resource).into_iter().map(Issue::from).collect();
    if issues.is_empty() { Ok(()) } else { Err(Failure::Unprocessable(issues)) }
}

/// A list of references that was cut would let a rule about one of them miss this resource.
fn within_limits(resource: &DraftResource) -> Result<(), Failure> {
    if resource.facts.atoms.len() > ATOMS_BYTES_MAX {
        let details = "this refers to more resources than rules can be held against: send it in parts";
        return Err(Failure::content(resource.key.resource_type, "too-costly", details));
    }
    Ok(())
}

async fn permit(
    draft: &mut Draft<'_>,
    key: &ResourceKey,
    exists: bool,
    interaction: Interaction,
) -> Result<Permit, Failure> {
    let part = Part::of(draft, key, exists, interaction).await?;
    let practitioner = practitioner(draft, key).await?;
    let organization = draft.caller.acting_organization();
    may_write(&part.facts(organization.as_deref(), practitioner), key.resource_type, interaction).map_err(|refusal| {
        let failure = Failure::refused(refusal.code(), refusal.sentence(), Some(key.resource_type.to_owned()));
        if key.compartment.starts_with("organization/") || key.compartment == crate::storage::sight::DIRECTORY {
            failure
        } else {
            failure.about(&key.compartment)
        }
    })
}

/// A stored resource. One that is not there is asked about as one that is hidden, so that how long the answer takes does not
/// tell which it was.
async fn located(draft: &Draft<'_>, resource_type: &'static str, id: &str) -> Result<Located, Failure> {
    let store = &draft.app.store;
    if let Some(located) = store.locate(resource_type, id).await? {
        return Ok(located);
    }
    store.record_facts(id).await?;
    store.sees_whole(draft.caller.viewer(), resource_type, id).await?;
    Err(Failure::NotFound)
}

/// Whether the caller sees all of a stored resource; a deleted one too, for it may be brought back.
async fn sees(draft: &mut Draft<'_>, located: &Located) -> Result<bool, Failure> {
    let is_held = draft.record(&located.key.compartment).await?.is_some() && draft.holds(&located.key.compartment);
    if is_held && !draft.caller.is_practitioner() {
        return Ok(true);
    }
    let key = &located.key;
    Ok(draft.app.store.sees_whole(draft.caller.viewer(), key.resource_type, &key.id).await?)
}

fn matches(located: &Located, if_match: Option<VersionId>) -> Result<(), Failure> {
    if if_match.is_some_and(|version| version != located.version) {
        return Err(Failure::PreconditionFailed);
    }
    Ok(())
}

/// A party writes the Task of a referral: an event of the workflow, whatever else the body repeats.
async fn update_task(
    draft: &mut Draft<'_>,
    located: Located,
    task: &crate::storage::write_set::ReferralTask,
    change: Change<'_>,
    if_match: Option<VersionId>,
) -> Result<ResourceKey, Failure> {
    if draft.pending("Task", &task.id).is_some() {
        let details = "another entry of this Bundle moves this Task already: send one after the other";
        return Err(Failure::content("Task.status", "business-rule", details));
    }
    if located.deleted {
        return Err(if sees(draft, &located).await? { Failure::Gone } else { Failure::NotFound });
    }
    let role = draft.caller.role();
    if draft.is_kept_from(&task.compartment).await? || !(role.sees("Task") || role.sees_minimum("Task")) {
        return Err(Failure::NotFound);
    }
    let whole = sees(draft, &located).await?;
    let minimum = located.minimum.as_deref().filter(|_| !whole);
    let parts = referral::act::parts(draft, task);
    if !whole && parts.iter().all(|part| *part == Actor::Room) {
        // Of a room, and not permitted by the patient: for this caller nothing waits or waited there.
        if !referral::act::was_shown_in_room(draft, task).await? {
            return Err(Failure::NotFound);
        }
        // Whoever raced for a Task and lost has seen it: the answer is that it changed, and not a byte more.
        if parts.is_empty() {
            return Err(Failure::PreconditionFailed);
        }
    }
    let if_match = if_match.ok_or(Failure::PreconditionRequired)?;
    if if_match != located.version {
        return Err(Failure::PreconditionFailed);
    }
    if change.is_patch() && !whole {
        // A patch is made on what is shown, so something must be.
        let level = draft.app.store.level(draft.caller.viewer(), "Task", &task.id).await?;
        if level.is_none() || minimum.is_none() {
            return Err(Failure::NotFound);
        }
    }
    let seen = minimum.unwrap_or(&located.body);
    let sent = change.on(seen, "Task", draft.app.limits.nesting_max)?;
    let seen = serde_json::from_str(seen).map_err(|_| Failure::Internal("a stored resource is not JSON"))?;
    draft.record(&task.compartment).await?;
    draft.set.preconditions.push(Precondition::Version { key: located.key.clone(), version: located.version });
    referral::act::on_task(draft, task, &seen, &sent.value).await?;
    Ok(located.key)
}

/// A Consent that goes from active to inactive.
fn is_withdrawal(located: &Located, content: &Content) -> bool {
    located.key.resource_type == "Consent" && !is_active(&content.value)
}

fn is_active(consent: &Value) -> bool {
    consent.get("status").and_then(Value::as_str) == Some("active")
}

/// Whoever recorded a Consent may withdraw it without seeing the record any more: only its status changes, and nothing of
/// it is answered.
async fn withdraw_blind(draft: &mut Draft<'_>, located: Located, sent: &Value) -> Result<ResourceKey, Failure> {
    let is_withdrawal = sent.get("status").and_then(Value::as_str) == Some("inactive");
    if located.key.resource_type != "Consent" || located.deleted || !is_withdrawal {
        return Err(Failure::NotFound);
    }
    let permit = blind_permit(draft, &located.key).await?;
    take_out_of_force(draft, located, permit).await
}

/// The permit of whoever may withdraw a Consent that it does not see; for everyone else there is no such Consent.
async fn blind_permit(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<Permit, Failure> {
    let part = Part::of(draft, key, true, Interaction::Withdraw).await?;
    let organization = draft.caller.acting_organization();
    let practitioner = practitioner(draft, key).await?;
    let facts = part.facts(organization.as_deref(), practitioner);
    may_write(&facts, "Consent", Interaction::Withdraw).map_err(|_| Failure::NotFound)
}

/// A person takes a Consent out of force and rewrites nothing of what was said before: any other update is refused.
async fn update_by_person(draft: &mut Draft<'_>, located: Located, sent: &Value) -> Result<ResourceKey, Failure> {
    let without_frame = |mut value: Value| {
        if let Some(members) = value.as_object_mut() {
            members.retain(|name, _| !["id", "meta", "text", "status"].contains(&name.as_str()));
        }
        value
    };
    let stored: Value = serde_json::from_str(&located.body).unwrap_or_default();
    let is_same = without_frame(stored) == without_frame(sent.clone());
    let is_withdrawal = located.key.resource_type == "Consent"
        && !located.deleted
        && is_same
        && sent.get("status").and_then(Value::as_str) == Some("inactive");
    let interaction = if is_withdrawal { Interaction::Withdraw } else { Interaction::Update };
    let permit = permit(draft, &located.key, true, interaction).await?;
    take_out_of_force(draft, located, permit).await
}

/// Writes a Consent as it is stored, but `inactive`.
async fn take_out_of_force(draft: &mut Draft<'_>, located: Located, permit: Permit) -> Result<ResourceKey, Failure> {
    let basis = permit.basis().clone();
    let mut value: Value =
        serde_json::from_str(&located.body).map_err(|_| Failure::Internal("a stored Consent is not JSON"))?;
    value["status"] = Value::from("inactive");
    let content = Content { text: set_members(&located.body, &[("status", "\"inactive\"")]), value };
    let key = located.key;
    let put = Put { key: key.clone(), content, previous: Some(located.version), method: Method::Put, minimum: None };
    draft.put(permit, put);
    draft.note(Act::new("U", "withdraw"), &basis, &key);
    follow(draft, &key, None).await?;
    Ok(key)
}

/// How a withdrawal by its own operation went.
#[derive(Debug)]
pub enum Withdrawal {
    /// A new version says that the Consent is inactive.
    Written(ResourceKey),
    /// It said so already, and nothing but the trail is written.
    Already(Box<Located>),
}

/// Withdraws a Consent, with and without sight of it: by the rules of an update to `inactive`, and with all that it entails.
///
/// # Errors
/// 404 where the caller may not withdraw it and does not see it, 412, and every failure of a write.
pub async fn withdraw(draft: &mut Draft<'_>, id: &str, if_match: Option<VersionId>) -> Result<Withdrawal, Failure> {
    let located = located(draft, "Consent", id).await?;
    let is_seen = sees(draft, &located).await?;
    if located.deleted {
        return Err(if is_seen { Failure::Gone } else { Failure::NotFound });
    }
    let permit = if is_seen {
        matches(&located, if_match)?;
        permit(draft, &located.key, true, Interaction::Withdraw).await?
    } else {
        blind_permit(draft, &located.key).await?
    };
    let value: Value =
        serde_json::from_str(&located.body).map_err(|_| Failure::Internal("a stored Consent is not JSON"))?;
    if value.get("status").and_then(Value::as_str) == Some("inactive") {
        draft.note(Act::new("U", "withdraw"), permit.basis(), &located.key);
        return Ok(Withdrawal::Already(Box::new(located)));
    }
    take_out_of_force(draft, located, permit).await.map(Withdrawal::Written)
}

/// Whether a referral under way rests on a resource.
async fn is_part_of_referral(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<bool, Failure> {
    let Some(record) = draft.record(&key.compartment).await? else { return Ok(false) };
    let Some(chain) = record.facts.chain.clone() else { return Ok(false) };
    Ok(match key.resource_type {
        "Patient" => true,
        "ServiceRequest" => key.id == chain,
        "Task" => draft.tasks(&key.compartment).await?.iter().any(|task| task.id == key.id),
        _ => false,
    })
}
