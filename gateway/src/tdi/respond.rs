//! A response to the register's Questionnaire becomes a record of the organisation, in the same write set.

use std::collections::BTreeMap;

use mappings::tdi::{
    Answer, Contact, Date, Episode, EpisodeDecision, Finding, Known, Pseudonym, QUESTIONNAIRE_URL, Reference, Severity,
    Table, TreatmentDemand, answers_of_response, contact_of_encounter, decide_episode, link, validate,
};
use serde_json::{Value, json};

use super::contact::{contact_of, unprocessable};
use super::payload::{KIND, PARTNER};
use super::refusal::is_refused;
use super::{REGISTER_RULE, RESOURCE_TYPE, pseudonym, subject, today};
use crate::access::Draft;
use crate::access::caller::Act;
use crate::audit::AuditEvent;
use crate::consent::Basis;
use crate::error::Failure;
use crate::storage::delivery::NewDelivery;
use crate::storage::treatment::{TreatmentCentre, TreatmentDemandRow};
use crate::storage::write_set::{Precondition, ResourceKey, VersionId};

const REGISTERED: Act = Act::new("E", "treatment-registered");
const INCOMPLETE: Act = Act::new("E", "treatment-incomplete");
const REFUSED: Act = Act::new("E", "treatment-refused");

/// What is known of the person in the register of one organisation.
struct Standing {
    own: String,
    subject: String,
    pseudonym: Option<Pseudonym>,
    rows: Vec<TreatmentDemandRow>,
}

/// After a `QuestionnaireResponse` was put: one that answers the Questionnaire of the register, of an organisation whose treatments are
/// registered. Any other is a resource like others.
///
/// # Errors
/// 422 naming every item that is not understood; the database is away.
pub async fn on_response(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<(), Failure> {
    let Some(centre) = draft.caller.registry.treatment_centre(draft.caller.organization_id()).cloned() else {
        return Ok(());
    };
    let Some(response) = draft.pending("QuestionnaireResponse", &key.id).map(|resource| resource.value.clone()) else {
        return Ok(());
    };
    let says = |name: &str| response.get(name).and_then(Value::as_str).unwrap_or_default();
    if says("questionnaire").split('|').next() != Some(QUESTIONNAIRE_URL) {
        return Ok(());
    }
    match says("status") {
        "completed" | "amended" => register(draft, key, &centre, &response).await,
        "entered-in-error" => {
            let source = source(draft, key);
            let standing = standing(draft, key).await?;
            let ended = standing.rows.iter().filter(|row| row.source == source && !is_sent(row));
            let ended: Vec<TreatmentDemandRow> = ended.cloned().collect();
            supersede(draft, &ended);
            Ok(())
        }
        // Not finished: it is registered when it is.
        _ => Ok(()),
    }
}

/// After an Encounter was put: a contact face to face, by which an episode of the organisation goes on.
///
/// # Errors
/// The database is away.
pub async fn on_encounter(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<(), Failure> {
    if draft.caller.registry.treatment_centre(draft.caller.organization_id()).is_none() {
        return Ok(());
    }
    let Some(encounter) = draft.pending("Encounter", &key.id).map(|resource| resource.value.clone()) else {
        return Ok(());
    };
    let Ok(Contact { started: day, class }) = contact_of_encounter(&encounter) else { return Ok(()) };
    if class.as_deref().is_none_or(|class| matches!(class, "VR" | "EMER")) {
        return Ok(());
    }
    let standing = standing(draft, key).await?;
    let (rows, episodes) = episodes(standing.rows.iter());
    if let EpisodeDecision::Continues(n) = decide_episode(&episodes, day, false) {
        draft.set.treatment.seen.push((standing.own, rows[n].id.clone(), day.to_string()));
    }
    Ok(())
}

async fn register(
    draft: &mut Draft<'_>,
    key: &ResourceKey,
    centre: &TreatmentCentre,
    response: &Value,
) -> Result<(), Failure> {
    let table = Table::built_in();
    let answers = answers_of_response(&table, response).map_err(|issues| unprocessable(&issues))?;
    let contact = contact_of(draft, &key.compartment, response).await?;
    is_of_centre(centre, &answers)?;
    let standing = standing(draft, key).await?;
    let source = source(draft, key);
    let (earlier, others): (Vec<_>, Vec<_>) = standing.rows.iter().cloned().partition(|row| row.source == source);
    let (_, episodes) = episodes(others.iter());
    let says_known = matches!(answers.get(link::NATIONAL_NUMBER), Some(Answer::Code(code)) if code == "known");
    let id = AuditEvent::fresh_id();
    let reference = Reference::parse(&id).ok_or(Failure::Internal("a fresh id is no reference"))?;
    let pseudonym = standing.pseudonym.clone().filter(|_| says_known);
    let record = TreatmentDemand::new(&table, reference, pseudonym, answers).map_err(|error| {
        let expression = format!("QuestionnaireResponse.item.where(linkId='{}')", error.item);
        Failure::content(&expression, "required", error.problem)
    })?;
    if is_refused(draft, &key.compartment).await? {
        // What the register has already is no treatment that was not registered.
        let (sent, unsent): (Vec<_>, Vec<_>) = earlier.into_iter().partition(is_sent);
        supersede(draft, &unsent);
        let is_new = decide_episode(&episodes, record.started(), record.is_residential()) == EpisodeDecision::New;
        if sent.is_empty() && is_new {
            let mut row = row((&standing, &source), &record, draft.caller.now_ms);
            "refused".clone_into(&mut row.state);
            draft.set.treatment.demands.push(row);
        }
        draft.note(REFUSED, &Basis::Law { rule: REGISTER_RULE }, key);
        return Ok(());
    }
    let sent = earlier.iter().rev().find(|row| matches!(row.state.as_str(), "submitted" | "accepted"));
    let corrected = sent.and_then(|row| Reference::parse(&row.reference));
    let record = match corrected {
        Some(corrected) => record.correcting(corrected).map_err(|_| Failure::Internal("a fresh id is a sent one"))?,
        None => record,
    };
    let known = Known { contact: Some(&contact), episodes: &episodes, today: today(draft.caller.now_ms)? };
    let findings = validate(&table, &record, &known);
    let is_valid = findings.iter().all(|finding| finding.rule.severity() == Severity::Warning);
    // What was sent stands until something that can be sent takes its place.
    let over: Vec<TreatmentDemandRow> = earlier.into_iter().filter(|row| is_valid || !is_sent(row)).collect();
    supersede(draft, &over);
    let mut row = row((&standing, &source), &record, draft.caller.now_ms);
    if is_valid { "valid" } else { "draft" }.clone_into(&mut row.state);
    row.findings = written(&findings);
    row.record = record.to_value().to_string();
    row.pseudonym = record.pseudonym().map(|pseudonym| pseudonym.as_str().to_owned()).unwrap_or_default();
    if is_valid && !centre.register_id.is_empty() {
        draft.set.deliveries.push(delivery(&row, draft.caller.now_ms));
    }
    draft.set.treatment.demands.push(row);
    let act = if is_valid { REGISTERED } else { INCOMPLETE };
    draft.note(act, &Basis::Law { rule: REGISTER_RULE }, key);
    Ok(())
}

fn is_of_centre(centre: &TreatmentCentre, answers: &BTreeMap<String, Answer>) -> Result<(), Failure> {
    match answers.get(link::CENTRE_TYPE) {
        Some(Answer::Code(code)) if !centre.centre_types.contains(code) => {
            let expression = format!("QuestionnaireResponse.item.where(linkId='{}')", link::CENTRE_TYPE);
            let details = "the organisation is not registered as a centre of this type: ask the operator";
            Err(Failure::content(&expression, "business-rule", details))
        }
        _ => Ok(()),
    }
}

/// What the organisation registered of the person of a dossier. The draft rests on nobody registering more of it meanwhile.
async fn standing(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<Standing, Failure> {
    let own = draft.caller.organization();
    let subject = subject(&draft.app.store, &key.compartment);
    let pseudonym = pseudonym(draft, &key.compartment).await?;
    let known = pseudonym.as_ref().map(Pseudonym::as_str).unwrap_or_default();
    for name in [subject.as_str(), known].into_iter().filter(|name| !name.is_empty()) {
        let name = draft.app.store.veil(&format!("treatment of {own} {name}"));
        let is_held = |held: &Precondition| matches!(held, Precondition::Guard { name: held, .. } if *held == name);
        if !draft.set.preconditions.iter().any(is_held) {
            let epoch = draft.app.store.guard_epoch(&name).await?;
            draft.set.preconditions.push(Precondition::Guard { name, epoch });
        }
    }
    let mut rows = draft.app.store.treatment_demands_of(&own, &subject, known).await?;
    let ended = &draft.set.treatment.ended;
    rows.retain(|row| !ended.iter().any(|(compartment, id, _)| *compartment == row.compartment && *id == row.id));
    let is_of_person =
        |row: &&TreatmentDemandRow| row.subject == subject || (!known.is_empty() && row.pseudonym == known);
    rows.extend(draft.set.treatment.demands.iter().filter(is_of_person).cloned());
    Ok(Standing { own, subject, pseudonym, rows })
}

/// The rows whose days can be read, and the episodes that they are.
fn episodes<'r>(rows: impl Iterator<Item = &'r TreatmentDemandRow>) -> (Vec<&'r TreatmentDemandRow>, Vec<Episode>) {
    let episode = |row: &'r TreatmentDemandRow| {
        let (started, last_seen) = (Date::parse(&row.started_on)?, Date::parse(&row.last_seen_on)?);
        Some((row, Episode { started, last_seen, is_residential: row.residential }))
    };
    rows.filter(|row| row.state != "draft").filter_map(episode).unzip()
}

/// Whether the register may have it.
fn is_sent(row: &TreatmentDemandRow) -> bool {
    matches!(row.state.as_str(), "submitted" | "accepted" | "rejected")
}

fn supersede(draft: &mut Draft<'_>, rows: &[TreatmentDemandRow]) {
    for row in rows {
        let (compartment, id) = (row.compartment.clone(), row.id.clone());
        draft.set.voided_deliveries.push(ResourceKey {
            compartment: compartment.clone(),
            resource_type: RESOURCE_TYPE,
            id: id.clone(),
        });
        draft.set.treatment.ended.push((compartment, id, "superseded"));
    }
}

fn source(draft: &Draft<'_>, key: &ResourceKey) -> String {
    draft.app.store.veil(&format!("treatment source {}/{}", key.resource_type, key.id))
}

fn row((standing, source): (&Standing, &str), record: &TreatmentDemand, now_ms: i64) -> TreatmentDemandRow {
    let started_on = record.started().to_string();
    TreatmentDemandRow {
        compartment: standing.own.clone(),
        id: record.reference().as_str().to_owned(),
        subject: standing.subject.clone(),
        source: source.to_owned(),
        pseudonym: String::new(),
        last_seen_on: started_on.clone(),
        started_on,
        residential: record.is_residential(),
        state: String::new(),
        reference: String::new(),
        record: String::new(),
        findings: "[]".to_owned(),
        created_ms: now_ms,
        sent_ms: 0,
    }
}

fn written(findings: &[Finding]) -> String {
    let findings: Vec<Value> =
        findings.iter().map(|finding| json!({"code": finding.rule.code(), "item": finding.item})).collect();
    json!(findings).to_string()
}

fn delivery(row: &TreatmentDemandRow, now_ms: i64) -> NewDelivery {
    NewDelivery {
        compartment: row.compartment.clone(),
        id: AuditEvent::fresh_id(),
        partner: PARTNER.to_owned(),
        kind: KIND.into(),
        resource_type: RESOURCE_TYPE,
        resource_id: row.id.clone(),
        version: VersionId(0),
        due_ms: now_ms,
    }
}
