//! Placing and forwarding: an order finds its target, if a Consent allows the target.

use serde_json::{Value, json};

use super::rooms::{Dossier, decide_for_room, kind, organizations, refuse_beyond_role, refusing_consents};
use super::step::{changed, close, kind_of, notify, state_of, task_key, waiting_cause, workflow_permit};
use crate::access::Draft;
use crate::access::caller::Act;
use crate::access::draft::{Content, Put};
use crate::audit::AuditEvent;
use crate::clock::format_instant;
use crate::consent::{ActorReference, Permit};
use crate::error::Failure;
use crate::routing::minimum::Minimum;
use crate::routing::task::{TaskFacts, reference, room, shown, whole};
use crate::routing::transitions::transition;
use crate::routing::{Actor, Event, Kind, State};
use crate::storage::write_set::{Precondition, ReferralTask, ResourceKey, Sight};
use mappings::r4::time::Moment;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What a client's write asks for, if it asks for a referral at all.
struct Offer {
    room: String,
    /// The element that names the target, for refusals.
    expression: &'static str,
    /// The Task that the client wrote for it, if it wrote one, under the id it gets: what it says is kept in the whole.
    task: Option<(String, Content)>,
    /// Whom the person would rather see: a code.
    preference: Option<&'static str>,
}

/// After a ServiceRequest was put: places it, if it is an active order with a registered target.
///
/// # Errors
/// 422 where the target is unknown or ambiguous or a referral is under way; 403 with the reason where no Consent allows it.
pub async fn on_order(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<(), Failure> {
    let Some(order) = draft.pending(key.resource_type, &key.id).map(|resource| resource.value.clone()) else {
        return Ok(());
    };
    if order.get("status").and_then(Value::as_str) != Some("active") {
        return Ok(());
    }
    let mut rooms = Vec::new();
    for (n, performer) in order.get("performer").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let target = room_of(draft, performer);
        if let Some(target) = target.filter(|target| *target != draft.caller.organization()) {
            known(draft, &target, &format!("ServiceRequest.performer[{n}]"))?;
            rooms.push(target);
        }
    }
    match (rooms.pop(), rooms.is_empty()) {
        (None, _) => Ok(()),
        (Some(room), true) => {
            offer(
                draft,
                key,
                &order,
                Offer { room, expression: "ServiceRequest.performer", task: None, preference: None },
            )
            .await
        }
        (Some(_), false) => Err(Failure::content(
            "ServiceRequest.performer",
            "business-rule",
            "a referral goes to one organisation or one pool: name one, and forward later if it must go on",
        )),
    }
}

/// Whether a Task that a client creates offers an order to somebody else.
pub fn is_offer(draft: &Draft<'_>, task: &Value) -> bool {
    let focus = task.pointer("/focus/reference").and_then(Value::as_str).unwrap_or_default();
    let owner = task.get("owner").and_then(|owner| room_of(draft, owner));
    task.get("status").and_then(Value::as_str) == Some("requested")
        && draft.local(focus).starts_with("ServiceRequest/")
        && owner.is_some_and(|owner| owner != draft.caller.organization())
}

/// A client creates an organisation Task: the order in its focus is placed with, or forwarded to, its owner. Answers the
/// Task's key.
///
/// # Errors
/// As [`on_order`].
pub async fn on_offer(draft: &mut Draft<'_>, task_key: ResourceKey, sent: Content) -> Result<ResourceKey, Failure> {
    let owner = sent.value.get("owner").and_then(|owner| room_of(draft, owner)).unwrap_or_default();
    known(draft, &owner, "Task.owner")?;
    let focus = sent.value.pointer("/focus/reference").and_then(Value::as_str).unwrap_or_default();
    let id = draft.local(focus).strip_prefix("ServiceRequest/").unwrap_or_default().to_owned();
    let key = ResourceKey { compartment: task_key.compartment.clone(), resource_type: "ServiceRequest", id };
    let Some(order) = draft.content(&key).await? else {
        return Err(Failure::content(
            "Task.focus",
            "value",
            "this ServiceRequest does not resolve in the Task's record",
        ));
    };
    if let Some(version) = order.previous {
        // The offer rests on the order as it is: one that is revoked or deleted at this moment is not placed.
        draft.set.preconditions.push(Precondition::Version { key: key.clone(), version });
    }
    let order = order.content.value;
    if order.get("status").and_then(Value::as_str) != Some("active") {
        return Err(Failure::content("Task.focus", "business-rule", "only an active ServiceRequest is referred"));
    }
    let task = Some((task_key.id.clone(), sent));
    offer(draft, &key, &order, Offer { room: owner, expression: "Task.owner", task, preference: None }).await?;
    Ok(task_key)
}

/// An order goes to a room that was found for it.
///
/// # Errors
/// As [`on_order`].
pub(super) async fn offer_found(
    draft: &mut Draft<'_>,
    order: &ResourceKey,
    value: &Value,
    (room, preference): (String, Option<&'static str>),
) -> Result<(), Failure> {
    offer(draft, order, value, Offer { room, expression: "Task.focus", task: None, preference }).await
}

/// The room that a reference names: by its address, relative or whole, or by a registered identifier of an organisation.
fn room_of(draft: &Draft<'_>, reference: &Value) -> Option<String> {
    if let Some(literal) = reference.get("reference").and_then(Value::as_str) {
        return room(draft.local(literal));
    }
    let text = |name: &str| reference.pointer(&format!("/identifier/{name}")).and_then(Value::as_str);
    let actor = ActorReference::Identifier { system: text("system")?, value: text("value")? };
    let grantee = draft.caller.registry.grantee(&actor)?;
    grantee.as_str().starts_with("organization/").then(|| grantee.to_string())
}

fn known(draft: &Draft<'_>, room: &str, expression: &str) -> Result<(), Failure> {
    match organizations(&draft.caller.registry, room) {
        Some(organizations) if !organizations.is_empty() => Ok(()),
        Some(_) => Err(Failure::content(expression, "business-rule", "this pool has no members yet: ask the operator")),
        None => Err(Failure::content(
            expression,
            "business-rule",
            "a referral goes to an organisation or a pool that the operator registered, and this is none",
        )),
    }
}

async fn offer(draft: &mut Draft<'_>, order: &ResourceKey, value: &Value, offer: Offer) -> Result<(), Failure> {
    let compartment = order.compartment.as_str();
    refuse_beyond_role(draft, compartment)?;
    let room = offer.room.clone();
    let predecessor = forwarded_by(draft, order, &offer).await?;
    let dossier = Dossier::of(draft, compartment, &order.id).await?;
    let (task_key, task) = task_to_be(draft, order, offer.task.as_ref());
    let dossier = dossier.with_made(draft, &task_key, &task).await?;
    let permit = match decide_for_room(draft, &dossier, &offer.room, &draft.caller.organization()) {
        Ok(permit) => permit,
        Err(reason) => {
            let expression = Some(offer.expression.to_owned());
            let consents = refusing_consents(draft, &dossier, &offer.room, reason);
            let refusal = Failure::refused(reason.code(), reason.sentence(), expression);
            return Err(refusal.about(compartment).resting_on(consents));
        }
    };
    let made = make_tasks(draft, order, value, offer, predecessor.as_ref(), permit).await?;
    let sender = draft.caller.organization();
    close(draft, compartment, &sender, waiting_cause(&made.id));
    close(draft, compartment, &room, waiting_cause(&made.id));
    let facts = draft.move_record(compartment).await?;
    facts.chain = Some(order.id.clone());
    facts.closures.push((sender, waiting_cause(&made.id)));
    Ok(())
}

/// The Task that would carry an order, as far as it is known before the order is placed.
fn task_to_be(draft: &Draft<'_>, order: &ResourceKey, sent: Option<&(String, Content)>) -> (ResourceKey, Value) {
    let (id, mut task) = sent.map_or_else(
        || (String::new(), json!({"resourceType": "Task"})),
        |(id, content)| (id.clone(), content.value.clone()),
    );
    task["focus"] = json!({"reference": format!("ServiceRequest/{}", order.id)});
    task["for"] = json!({"reference": format!("Patient/{}", order.compartment)});
    if task.get("authoredOn").is_none() {
        task["authoredOn"] = json!(draft.instant);
    }
    (task_key(&order.compartment, &id), task)
}

/// The organisation Task that is forwarded by this offer; none where the offer begins a chain.
async fn forwarded_by(
    draft: &mut Draft<'_>,
    order: &ResourceKey,
    offer: &Offer,
) -> Result<Option<ReferralTask>, Failure> {
    let Some(record) = draft.record(&order.compartment).await? else {
        return Err(Failure::Internal("a record of a known resource is missing"));
    };
    let chain = record.facts.chain.clone();
    if chain.is_none() && is_new(draft, order) {
        return Ok(None);
    }
    let organization = draft.caller.organization();
    let tasks = draft.tasks(&order.compartment).await?;
    let Some(chain) = chain else {
        return if tasks.iter().any(|task| task.id == order.id) {
            Err(Failure::content(
                offer.expression,
                "business-rule",
                "this order was referred before, and that has ended: make a new ServiceRequest to refer again",
            ))
        } else {
            Ok(None)
        };
    };
    let own = tasks.into_iter().find(|task| {
        let may =
            state_of(task).and_then(|state| transition(kind_of(task)?, Some(state), Actor::Owner, Event::Forward));
        task.owner.as_deref() == Some(&*organization) && may.is_some()
    });
    match own {
        Some(own) if chain == order.id => Ok(Some(own)),
        _ => Err(Failure::content(
            offer.expression,
            "business-rule",
            "this record carries a referral already: close or cancel it, or make a Patient record of its own for a second",
        )),
    }
}

/// Whether an order begins with this draft, and was not referred in it: then it has no Task yet.
fn is_new(draft: &Draft<'_>, order: &ResourceKey) -> bool {
    let begins = draft.pending(order.resource_type, &order.id).is_some_and(|pending| pending.previous.is_none());
    begins && draft.set.tasks.iter().all(|task| task.id != order.id)
}

/// Makes the referral Task (where the chain begins) and the organisation Task; answers the latter.
async fn make_tasks(
    draft: &mut Draft<'_>,
    order: &ResourceKey,
    value: &Value,
    offer: Offer,
    predecessor: Option<&ReferralTask>,
    permit: Permit,
) -> Result<ReferralTask, Failure> {
    let compartment = order.compartment.clone();
    let patient = ResourceKey { compartment: compartment.clone(), resource_type: "Patient", id: compartment.clone() };
    let patient = draft.content(&patient).await?.map(|stored| stored.content.value).unwrap_or_default();
    let registry = &draft.caller.registry;
    let minimum = Minimum::of(&patient, value, &kind(registry, &offer.room), today(&draft.instant));
    let minimum = Minimum { preference: offer.preference, ..minimum };
    let (task_id, sent) = offer.task.map_or_else(|| (AuditEvent::fresh_id(), None), |(id, sent)| (id, Some(sent)));
    let expires_ms = expires_ms(draft, sent.as_ref());
    let basis = permit.basis().clone();
    let template = ReferralTask {
        compartment,
        id: order.id.clone(),
        kind: Kind::Referral.code().to_owned(),
        state: State::Requested.code().to_owned(),
        requester: draft.caller.organization(),
        room: offer.room,
        owner: None,
        part_of: None,
        predecessor: None,
        service_request: order.id.clone(),
        expires_ms,
    };
    if let Some(predecessor) = predecessor {
        let row = state_of(predecessor)
            .and_then(|state| transition(Kind::Organization, Some(state), Actor::Owner, Event::Forward))
            .ok_or(Failure::Internal("a Task that may be forwarded has no such row"))?;
        super::step::step(draft, predecessor, row, workflow_permit(), &[]).await?;
    } else {
        // The referral Task has the id of its order, as in the Belgian practice: whoever placed it knows where to look.
        make(draft, &template, &minimum, None, workflow_permit());
    }
    let organization_task = ReferralTask {
        id: task_id,
        kind: Kind::Organization.code().to_owned(),
        part_of: Some(order.id.clone()),
        predecessor: predecessor.map(|task| task.id.clone()),
        ..template
    };
    make(draft, &organization_task, &minimum, sent, permit);
    let row = transition(Kind::Organization, None, Actor::Sender, Event::Place)
        .ok_or(Failure::Internal("the table has no row for placing"))?;
    notify(draft, &organization_task, row.notices);
    let event = if predecessor.is_some() { Event::Forward } else { Event::Place };
    draft.note(Act::new("E", event.code()), &basis, &task_key(&organization_task.compartment, &organization_task.id));
    Ok(organization_task)
}

/// When the waiting ends: as the client's Task says, and no later than the configuration allows.
fn expires_ms(draft: &Draft<'_>, task: Option<&Content>) -> i64 {
    let latest_ms = draft.caller.now_ms + i64::from(draft.app.waiting_days_max) * DAY_MS;
    let end = task.and_then(|task| task.value.pointer("/restriction/period/end")).and_then(Value::as_str);
    let wanted_ms = end.and_then(Moment::parse).map_or(latest_ms, |moment| moment.high_ms);
    wanted_ms.min(latest_ms)
}

fn make(draft: &mut Draft<'_>, task: &ReferralTask, minimum: &Minimum, sent: Option<Content>, permit: Permit) {
    let (patient, order) =
        (format!("Patient/{}", task.compartment), format!("ServiceRequest/{}", task.service_request));
    let (requester, part_of) = (reference(&task.requester), task.part_of.as_ref().map(|id| format!("Task/{id}")));
    let owner = task.part_of.is_some().then(|| reference(&task.room));
    let expires = format_instant(task.expires_ms);
    let facts = TaskFacts {
        id: &task.id,
        status: &task.state,
        patient: &patient,
        service_request: &order,
        requester: &requester,
        owner: owner.as_deref(),
        part_of: part_of.as_deref(),
        authored_on: &draft.instant,
        expires: &expires,
    };
    let (whole, shown) = (whole(&facts, minimum), shown(&facts, minimum));
    let key = task_key(&task.compartment, &task.id);
    let put = match sent {
        Some(sent) => Put { content: completed(sent, &whole), ..Put::made(key.clone(), Value::Null, Some(shown)) },
        None => Put::made(key.clone(), whole, Some(shown)),
    };
    draft.put(permit, put);
    draft.set.sights.push(Sight { key: key.clone(), grantee: task.requester.clone(), requires_consent: false });
    if task.part_of.is_some() {
        draft.set.sights.push(Sight { key, grantee: task.room.clone(), requires_consent: true });
    }
    draft.set.tasks.push(task.clone());
}

/// A client's Task, byte for byte, with the elements that are the gateway's.
fn completed(sent: Content, whole: &Value) -> Content {
    let mut members = vec![("partOf", &whole["partOf"]), ("requester", &whole["requester"])];
    members.extend(
        ["code", "authoredOn", "restriction", "input"]
            .iter()
            .filter(|name| sent.value.get(**name).is_none())
            .map(|name| (*name, &whole[*name])),
    );
    let members: Vec<(&str, Value)> = members.into_iter().map(|(name, value)| (name, value.clone())).collect();
    changed(sent, &members)
}

/// Year, month and day of an instant.
fn today(instant: &str) -> (i64, i64, i64) {
    let mut parts = instant.get(..10).unwrap_or_default().split('-').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}
