//! Intake: it is looked for where a referral goes that names nobody, and every step of it is on record.
//!
//! An intake is a Task of whoever looks, in its own compartment: what is found out about the person's employers does not go along with the
//! record. Where it goes is decided by `routing::intake`; that a Consent allows the place, as for every referral.

use std::sync::Arc;

use mappings::co_prev::{Lookup, Question};
use serde_json::{Value, json};

pub use super::intake_form::{CODE, SYSTEM};
use super::intake_form::{Form, SSIN_SYSTEM, is_form};
pub use super::intake_round::{destroy_numbers, end_old};
use super::place::offer_found;
use super::rooms::refuse_beyond_role;
use super::step::{changed, queue, workflow_permit};
use crate::access::caller::Act;
use crate::access::draft::Put;
use crate::access::{Caller, Draft};
use crate::app::{App, Registry};
use crate::audit::Outcome;
use crate::error::Failure;
use crate::routing::intake::{
    Asked, Choice, Decision, Intake, Moment, PREVENTION_SERVICE, Pool, Room, Rooms, Service, decide,
};
use crate::storage::delivery::Delivery;
use crate::storage::intake::{IntakeRow, IntakeState};
use crate::storage::resource::Touched;
use crate::storage::sight::Level;
use crate::storage::write_set::{Precondition, ResourceKey};

/// As what the queue of deliveries knows Co-prev.
pub const PARTNER: &str = "co-prev";
/// The kind of a delivery that asks for employments.
const LOOKUP: &str = "employer-lookup";
/// Anything that is over by now.
const NO_WAIT: Asked<'static> = Asked::Away { since_ms: 0 };

/// Where a Task is kept, if it is an intake: with the organisation that looks, wherever the record goes.
pub fn keeps(draft: &Draft<'_>, task: &Value) -> Option<String> {
    (is_form(task) && draft.caller.person().is_none()).then(|| draft.caller.organization())
}

/// An intake under way.
struct Under<'f> {
    key: &'f ResourceKey,
    form: &'f Form,
    row: IntakeRow,
    /// The order in the person's record.
    order: ResourceKey,
    order_value: Value,
}

/// After a client wrote a Task: where it is an intake, it is looked for where the order goes.
///
/// # Errors
/// 422 naming the element; 403 with the reason where no Consent allows the room that was found.
pub async fn on_task(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<(), Failure> {
    let Some(task) = draft.pending("Task", &key.id) else { return Ok(()) };
    if !is_form(&task.value) || key.compartment != draft.caller.organization() {
        return Ok(());
    }
    let (task, is_new, mark) = (task.value.clone(), task.previous.is_none(), task.version.0);
    let form = Form::read(draft, &task)?;
    refuse_beyond_role(draft, &form.record)?;
    if draft.is_kept_from(&form.record).await? {
        return Err(unresolved());
    }
    let known = if is_new { None } else { draft.app.store.intake(&key.compartment, &key.id).await? };
    let is_over = known.as_ref().is_none_or(|known| known.state == IntakeState::Ended);
    if !is_new && is_over {
        return Err(Failure::content("Task.status", "business-rule", "this intake has ended: begin another"));
    }
    if known.as_ref().is_some_and(|known| known.record != form.record) {
        return Err(Failure::content("Task.for", "business-rule", "an intake stays with one person: begin another"));
    }
    let is_sealed = draft.app.store.keys().is_some_and(|keys| keys.sealed().has_system(SSIN_SYSTEM));
    if form.number.is_some() && !is_sealed {
        let details = "a number that cannot be destroyed is not taken: the operator has to set up the vault";
        return Err(Failure::content("Task.input", "not-supported", details));
    }
    draft.set.voided_deliveries.push(key.clone());
    // Another number is another question, and what was found without permission is not used.
    let is_found = form.number.is_none() && form.permits_lookup;
    let lookup = known.as_ref().filter(|_| is_found).map(|known| known.lookup.clone()).unwrap_or_default();
    let row = IntakeRow {
        compartment: key.compartment.clone(),
        task_id: key.id.clone(),
        record: form.record.clone(),
        state: IntakeState::Ended,
        number: if form.number.is_some() { mark } else { 0 },
        since_ms: known.map_or(draft.caller.now_ms, |known| known.since_ms),
        lookup,
    };
    match task.get("status").and_then(Value::as_str) {
        Some("requested") => {
            let mut under = under(draft, key, &form, row).await?;
            let lookup = read_lookup(&under.row.lookup);
            let decision = choose(draft, &mut under, lookup.as_ref().map_or(Asked::NotYet, Asked::Answered)).await?;
            carry_out(draft, under, decision).await
        }
        Some("cancelled") if !is_new => {
            note(draft, Act::new("E", "intake-cancelled"), &person(&form.record));
            draft.set.intakes.push(IntakeRow { lookup: String::new(), ..row });
            Ok(())
        }
        _ => {
            let details = "of an intake, write requested (to look, to choose, to try again) or cancelled";
            Err(Failure::content("Task.status", "business-rule", details))
        }
    }
}

fn unresolved() -> Failure {
    Failure::content("Task.for", "value", "this reference does not resolve")
}

fn person(record: &str) -> ResourceKey {
    ResourceKey { compartment: record.to_owned(), resource_type: "Patient", id: record.to_owned() }
}

/// An intake whose Task is deleted ends with it.
///
/// # Errors
/// The database is away.
pub async fn on_delete(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<(), Failure> {
    let Some(row) = draft.app.store.intake(&key.compartment, &key.id).await? else { return Ok(()) };
    draft.set.voided_deliveries.push(key.clone());
    draft.set.intakes.push(IntakeRow { state: IntakeState::Ended, lookup: String::new(), ..row });
    Ok(())
}

fn read_lookup(text: &str) -> Option<Lookup> {
    serde_json::from_str(text).ok()
}

/// What an intake rests on: the record is held, and the order active.
async fn under<'f>(
    draft: &mut Draft<'_>,
    key: &'f ResourceKey,
    form: &'f Form,
    row: IntakeRow,
) -> Result<Under<'f>, Failure> {
    draft.record(&form.record).await?;
    if !draft.holds(&form.record) {
        return Err(unresolved());
    }
    let order =
        ResourceKey { compartment: form.record.clone(), resource_type: "ServiceRequest", id: form.order.clone() };
    let stored = draft.content(&order).await?.ok_or_else(|| {
        Failure::content("Task.focus", "value", "this ServiceRequest does not resolve in the Task's record")
    })?;
    if let Some(version) = stored.previous {
        // One that is revoked or deleted at this moment goes nowhere.
        draft.set.preconditions.push(Precondition::Version { key: order.clone(), version });
    }
    let value = stored.content.value;
    if value.get("status").and_then(Value::as_str) != Some("active") {
        return Err(Failure::content("Task.focus", "business-rule", "only an active ServiceRequest is referred"));
    }
    Ok(Under { key, form, row, order, order_value: value })
}

/// Decides where it goes by what is known.
async fn choose(draft: &mut Draft<'_>, under: &mut Under<'_>, asked: Asked<'_>) -> Result<Decision, Failure> {
    let form = under.form;
    let key = ResourceKey { compartment: form.record.clone(), resource_type: "Patient", id: form.record.clone() };
    let patient = draft.content(&key).await?.map(|stored| stored.content.value).unwrap_or_default();
    let addresses = patient.get("address").and_then(Value::as_array).into_iter().flatten();
    let postcode = addresses.into_iter().find_map(|address| address.get("postalCode")?.as_str());
    let registry = Arc::clone(&draft.caller.registry);
    let rooms = rooms(&registry);
    let can_ask = draft.app.lookup_purpose.is_some();
    let intake = |asked| Intake {
        is_self_employed: form.is_self_employed,
        step: form.step,
        permits_lookup: form.permits_lookup,
        has_number: form.number.is_some(),
        postcode,
        asked,
        chosen: form.chosen.as_deref(),
    };
    let today = draft.instant.get(..10).unwrap_or_default();
    // That Co-prev is waited for is the queue's: whoever comes here has waited long enough.
    let moment = Moment { now_ms: draft.caller.now_ms, today, wait_ms_max: 0 };
    let decision = decide(&intake(asked), &rooms, moment);
    Ok(if decision.needs_number() && !can_ask { decide(&intake(NO_WAIT), &rooms, moment) } else { decision })
}

fn rooms(registry: &Registry) -> Rooms<'_> {
    let is_service = |one: &&crate::storage::registry::Organization| one.active && one.kind == PREVENTION_SERVICE;
    let services = registry.organizations().filter(is_service);
    let pools = registry.pools().filter(|pool| registry.members(&pool.id).next().is_some());
    Rooms {
        services: services.map(|one| Service { organization: &one.id, cbe: one.cbe.as_deref(), code: None }).collect(),
        pools: pools
            .map(|pool| Pool { id: &pool.id, name: &pool.name, kind: &pool.kind, region: &pool.region })
            .collect(),
    }
}

/// Does what was decided, and writes it into the Task and both trails.
///
/// # Errors
/// 403 where no Consent allows the room.
async fn carry_out(draft: &mut Draft<'_>, under: Under<'_>, decision: Decision) -> Result<(), Failure> {
    let code = decision.code();
    let Under { key, form, mut row, order, order_value } = under;
    match decision {
        Decision::LookUp | Decision::Wait { .. } => {
            write_task(draft, key, "in-progress", code, Vec::new()).await?;
            note(draft, Act::new("E", "intake-look-up"), &order);
            queue(draft, PARTNER, LOOKUP, key);
            row.state = IntakeState::Asking;
        }
        Decision::Person(need, choices) => {
            write_task(draft, key, "on-hold", code, choices.iter().map(offered).collect()).await?;
            // Whoever holds the record next reads its trail: that there are several employers is not their business.
            let act =
                if need.offers() { Act::new("E", "intake-choice") } else { Act { action: "E", subtype: need.act() } };
            note(draft, act, &order);
            row.state = IntakeState::Person;
        }
        Decision::Route(Room(room), ground) => {
            let mut output = Vec::new();
            if room != draft.caller.organization() {
                offer_found(draft, &order, &order_value, (room, form.preference)).await?;
                let reference = json!({"reference": format!("Task/{}", order.id)});
                output.push(json!({"type": typed("referral"), "valueReference": reference}));
            }
            write_task(draft, key, "completed", code, output).await?;
            note(draft, Act { action: "E", subtype: ground.act() }, &order);
            row.state = IntakeState::Ended;
        }
    }
    if row.state != IntakeState::Person {
        row.lookup.clear();
    }
    draft.set.intakes.push(row);
    Ok(())
}

/// A choice as it is offered. What leads nowhere is said as well, for the person knows of it.
fn offered(choice: &Choice) -> Value {
    let code = if choice.room.is_some() { "choice" } else { "takes-no-part" };
    json!({"type": typed(code), "valueCoding": {"code": choice.id, "display": choice.name}})
}

fn typed(code: &str) -> Value {
    json!({"coding": [{"system": SYSTEM, "code": code}]})
}

/// Writes how an intake stands into its Task.
pub(super) async fn write_task(
    draft: &mut Draft<'_>,
    key: &ResourceKey,
    status: &str,
    code: &str,
    output: Vec<Value>,
) -> Result<(), Failure> {
    let Some(stored) = draft.content(key).await? else { return Err(Failure::Conflict) };
    let method =
        draft.pending("Task", &key.id).map_or(crate::storage::write_set::Method::Put, |pending| pending.method);
    let mut changes =
        vec![("status", json!(status)), ("businessStatus", typed(code)), ("lastModified", json!(draft.instant))];
    // An offer of before is none any more, and an empty list is no FHIR.
    if output.is_empty() && stored.content.value.get("output").is_some() {
        changes.push(("output", json!([{"type": typed("none"), "valueBoolean": true}])));
    } else if !output.is_empty() {
        changes.push(("output", Value::Array(output)));
    }
    let content = changed(stored.content, &changes);
    let put = Put { key: key.clone(), content, previous: stored.previous, method, minimum: None };
    draft.put(workflow_permit(), put);
    Ok(())
}

pub(super) fn note(draft: &mut Draft<'_>, act: Act, order: &ResourceKey) {
    let basis = workflow_permit().basis().clone();
    draft.note(act, &basis, order);
}

/// Whoever looked, as the one for whom a lookup is settled; none for other deliveries, and where it takes part no more.
pub fn caller(app: &App, registry: &Arc<Registry>, delivery: &Delivery, now_ms: i64) -> Option<Caller> {
    let id = delivery.compartment.strip_prefix("organization/").filter(|_| delivery.partner == PARTNER)?;
    Some(Caller::recipient(app, registry, registry.organization(id)?, now_ms))
}

/// What Co-prev is asked for a delivery, if it still is to be asked: with the person's permission, and on record as told.
///
/// # Errors
/// The database is away.
pub async fn question(app: &App, delivery: &Delivery) -> Result<Option<Question>, Failure> {
    let now_ms = app.clock.now_ms();
    let registry = app.registry().await?;
    let (Some(purpose), Some(caller)) = (app.lookup_purpose.clone(), caller(app, &registry, delivery, now_ms)) else {
        return Ok(None);
    };
    let row = app.store.intake(&delivery.compartment, &delivery.resource_id).await?;
    let Some(row) = row.filter(|row| row.state == IntakeState::Asking) else { return Ok(None) };
    let mut draft = Draft::new(app, &caller);
    let key = task_key(delivery);
    let Some(stored) = draft.content(&key).await? else { return Ok(None) };
    let Ok(form) = Form::read(&draft, &stored.content.value) else { return Ok(None) };
    let record = row.record.clone();
    match under(&mut draft, &key, &form, row).await {
        Ok(_) => {}
        // There is nothing to look for any more.
        Err(Failure::Unprocessable(_)) => return Ok(None),
        Err(failure) => return Err(failure),
    }
    let Some(ssin) = form.number.filter(|_| form.permits_lookup && form.record == record) else { return Ok(None) };
    let touched = touched("Patient", &record, &record);
    let mut event = caller.event(Act::new("R", "intake-look-up"), workflow_permit().basis().code(), &touched);
    PARTNER.clone_into(&mut event.organization);
    event.request_id.clone_from(&delivery.id);
    app.store.record_only(vec![event]).await?;
    let reference_date = draft.instant.get(..10).unwrap_or_default().to_owned();
    Ok(Some(Question { ssin, reference_date, purpose }))
}

fn task_key(delivery: &Delivery) -> ResourceKey {
    ResourceKey { compartment: delivery.compartment.clone(), resource_type: "Task", id: delivery.resource_id.clone() }
}

fn touched(resource_type: &str, compartment: &str, id: &str) -> Touched {
    Touched {
        compartment: compartment.to_owned(),
        resource_type: resource_type.to_owned(),
        resource_id: id.to_owned(),
        version_id: 0,
        level: Level::Held,
    }
}

/// A lookup has come to its end: what Co-prev answered, or that it will not, or does not.
///
/// # Errors
/// The database is away, or others moved the intake.
pub async fn settled(
    draft: &mut Draft<'_>,
    delivery: &Delivery,
    (answer, is_refused): (Option<&Value>, bool),
) -> Result<(), Failure> {
    let key = task_key(delivery);
    let row = draft.app.store.intake(&key.compartment, &key.id).await?;
    let Some(row) = row.filter(|row| row.state == IntakeState::Asking) else { return Ok(()) };
    let Some(stored) = draft.content(&key).await? else {
        return give_up(draft, &key, row, ("intake-overtaken", "overtaken")).await;
    };
    let form = match Form::read(draft, &stored.content.value) {
        Ok(form) => form,
        Err(Failure::Unprocessable(_)) => return give_up(draft, &key, row, ("intake-overtaken", "overtaken")).await,
        Err(failure) => return Err(failure),
    };
    let lookup = answer.cloned().and_then(Lookup::from_value);
    let row =
        IntakeRow { lookup: lookup.as_ref().map(|lookup| lookup.to_value().to_string()).unwrap_or_default(), ..row };
    let asked = match &lookup {
        Some(lookup) => Asked::Answered(lookup),
        None if is_refused || answer.is_some() => Asked::Refused,
        None => NO_WAIT,
    };
    let mut under = match under(draft, &key, &form, row.clone()).await {
        Ok(under) => under,
        // The order was revoked, or the record went another way.
        Err(Failure::Unprocessable(_)) => return give_up(draft, &key, row, ("intake-overtaken", "overtaken")).await,
        Err(failure) => return Err(failure),
    };
    let order = under.order.clone();
    let decision = choose(draft, &mut under, asked).await?;
    match carry_out(draft, under, decision).await {
        Err(Failure::Refused { reason, .. }) => refused(draft, &key, row, (&order, reason)).await,
        Err(Failure::Unprocessable(_)) => give_up(draft, &key, row, ("intake-overtaken", "overtaken")).await,
        done => done,
    }
}

/// No Consent allows the room that was found: it stays with intake, who may ask the person and try again.
async fn refused(
    draft: &mut Draft<'_>,
    key: &ResourceKey,
    row: IntakeRow,
    (order, reason): (&ResourceKey, &'static str),
) -> Result<(), Failure> {
    write_task(draft, key, "on-hold", reason, Vec::new()).await?;
    let touched = touched(order.resource_type, &order.compartment, &order.id);
    let basis = workflow_permit().basis().clone();
    let mut event = draft.caller.event(Act::new("E", "place"), basis.code(), &touched);
    event.outcome = Outcome::Refused;
    reason.clone_into(&mut event.reason);
    draft.set.audit.push(event);
    draft.set.intakes.push(IntakeRow { state: IntakeState::Person, ..row });
    Ok(())
}

/// It is no longer looked: the Task has failed, and the number is destroyed.
pub(super) async fn give_up(
    draft: &mut Draft<'_>,
    key: &ResourceKey,
    row: IntakeRow,
    (act, code): (&'static str, &'static str),
) -> Result<(), Failure> {
    // It may have been deleted.
    if draft.content(key).await?.is_some() {
        write_task(draft, key, "failed", code, Vec::new()).await?;
    }
    note(draft, Act { action: "E", subtype: act }, &person(&row.record));
    draft.set.voided_deliveries.push(key.clone());
    draft.set.intakes.push(IntakeRow { state: IntakeState::Ended, lookup: String::new(), ..row });
    Ok(())
}
