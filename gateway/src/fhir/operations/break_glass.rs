//! `Patient/$break-glass` and `Patient/$end-break-glass`: emergency access begins and ends.
//!
//! A session is opened by a practitioner, for a reason in words, and ends by itself. It is decided on the patient's Consents when it is
//! opened, and again by the join at every read. `docs/emergency.md` has the rules.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::Parameters;
use super::emergency::{notify, session, text, touched, unseen};
use crate::access::caller::Act;
use crate::access::session::SESSION_CLIENT;
use crate::access::{Caller, Draft, attempts};
use crate::audit::AuditEvent;
use crate::auth::Interaction;
use crate::consent::{Basis, Decision, Identities, Permit, Purpose, PurposeSet, Request, emergency};
use crate::error::Failure;
use crate::fhir::answer::json;
use crate::fhir::exchange::{Exchange, Target};
use crate::storage::emergency::{Session, SessionSeen};
use crate::storage::write_set::{Precondition, ResourceKey, WriteSet};
use mappings::r4::primitive::is_id;

const OPEN: Act = Act::new("E", "break-glass");
const END: Act = Act::new("E", "end-break-glass");

/// What is asked for.
#[derive(Debug)]
struct Asked {
    patient: String,
    purpose: Purpose,
    reason: String,
}

/// What a request to open comes to.
enum Opened {
    /// A session.
    Session(Session),
    /// There is no such record, or the patient switched it off: the caller is not told which.
    Refused { is_record: bool },
}

/// `POST [base]/Patient/$break-glass`
pub async fn open(exchange: Exchange, body: Body) -> Response<Body> {
    exchange
        .answer(Target::new(OPEN, "Patient", ""), async |exchange, caller| {
            exchange.served("Patient")?;
            caller.may("Patient", Interaction::Read)?;
            let asked = read(exchange, caller, body).await?;
            attempts!(&exchange.app, caller, |draft| {
                let opened = match draft_session(draft, &asked).await? {
                    Opened::Session(opened) => opened,
                    Opened::Refused { is_record } => return refuse(exchange, caller, &asked, is_record).await,
                };
                exchange.app.store.apply(draft.finish()).await?;
                // Who opened it knows the reason, and nobody else reads it here.
                let seen = seen(Session { reason: String::new(), ..opened });
                Ok(json(StatusCode::CREATED, session(&seen, caller.now_ms).to_string()))
            })
        })
        .await
}

fn seen(session: Session) -> SessionSeen {
    SessionSeen { session, ended_ms: None, verdict: None, is_held: false }
}

/// Reads what is asked. Nothing here looks at the record, so a refusal tells nothing of it.
async fn read(exchange: &Exchange, caller: &Caller, body: Body) -> Result<Asked, Failure> {
    if caller.purpose() != Purpose::TREATMENT {
        let details = "an emergency session is opened, and used, with a token for TREAT";
        return Err(Failure::refused("not-for-treatment", details, None));
    }
    if caller.viewer().practitioner.is_empty() {
        let details = "a person is accountable for an emergency session: send a token that names the practitioner";
        return Err(Failure::refused("no-practitioner", details, None));
    }
    let parameters = Parameters::read(&exchange.body(body).await?, exchange.app.limits.nesting_max)?;
    parameters.are_only(&["patient", "purpose", "reason"], &[])?;
    let reference = parameters.reference("patient").ok_or_else(|| super::missing("patient"))?;
    let patient =
        Draft::new(&exchange.app, caller).local(reference).strip_prefix("Patient/").unwrap_or_default().to_owned();
    if !is_id(&patient) {
        let details = "the parameter patient is a reference: Patient/<id>";
        return Err(Failure::content("Parameters.parameter:patient", "value", details));
    }
    let purpose = Purpose::from_code(parameters.required("purpose")?).filter(|purpose| purpose.is_emergency());
    let purpose = purpose.ok_or_else(|| {
        Failure::content("Parameters.parameter:purpose", "value", "the parameter purpose is BTG or ETREAT")
    })?;
    Ok(Asked { patient, purpose, reason: text(exchange, &parameters, "reason")?.to_owned() })
}

/// Puts the session, what it replaces, its event and its notices into the draft.
async fn draft_session(draft: &mut Draft<'_>, asked: &Asked) -> Result<Opened, Failure> {
    let caller = draft.caller;
    let (organization, practitioner) = (caller.organization(), caller.viewer().practitioner);
    let others = guarded_sessions(draft, &organization).await?;
    let is_replaced = |open: &&Session| open.compartment == asked.patient && open.practitioner == practitioner;
    let limit = draft.app.emergency.sessions_open_max;
    // All who sign in by a browser have one client: each of them is counted alone, as their requests are.
    let is_browser = caller.client_id() == SESSION_CLIENT;
    let counts = |open: &&Session| {
        open.client == caller.client_id() && (!is_browser || open.practitioner == practitioner) && !is_replaced(open)
    };
    if others.iter().filter(counts).count() >= limit {
        let whose = if is_browser { "this practitioner" } else { "this client" };
        let details = format!("{whose} has {limit} emergency sessions open, which is the most: end one first");
        return Err(Failure::refused("too-many-sessions", details, None));
    }
    // Both are asked whether or not there is such a record, so that the answer takes the same way.
    let custodian = draft.record(&asked.patient).await?.map(|record| record.facts.custodian.clone());
    let consents = draft.consents(&asked.patient).await?;
    let teams = draft.teams(&asked.patient, &consents).await?;
    let Identities { grantees, former_teams } = teams.identities(caller.grantees(), caller.now_ms);
    let request = Request { grantees: &grantees, former_teams: &former_teams, purpose: asked.purpose };
    // The person is what an emergency is about; each other resource is decided on when it is read.
    let patient =
        ResourceKey { compartment: asked.patient.clone(), resource_type: "Patient", id: asked.patient.clone() };
    let facts = draft.facts(&patient, &consents).await?;
    let decision = emergency(request, &facts, &consents, caller.now_ms);
    let (Some(custodian), Decision::Permit(permit)) = (&custodian, decision) else {
        return Ok(Opened::Refused { is_record: custodian.is_some() });
    };
    // Of a practitioner's sessions on a record one lasts at a time: who asks again gives a reason again.
    for replaced in others.iter().filter(is_replaced) {
        draft.set.ended_sessions.push((replaced.compartment.clone(), replaced.id.clone(), caller.now_ms));
        draft.set.audit.push(event(caller, END, Basis::Emergency.code(), asked.purpose.code(), replaced));
    }
    let opened = begin(draft, asked, (organization, practitioner), &permit);
    let begun = event(caller, OPEN, Basis::Emergency.code(), asked.purpose.code(), &opened);
    notify(draft, custodian, &begun, OPEN.subtype);
    draft.set.audit.push(begun);
    Ok(Opened::Session(opened))
}

/// The organisation's open sessions; the draft rests on it that no other is opened for it meanwhile.
async fn guarded_sessions(draft: &mut Draft<'_>, organization: &str) -> Result<Vec<Session>, Failure> {
    let name = format!("emergency/{organization}");
    let epoch = draft.app.store.guard_epoch(&name).await?;
    draft.set.preconditions.push(Precondition::Guard { name, epoch });
    Ok(draft.app.store.open_sessions(organization, draft.caller.now_ms).await?)
}

fn begin(
    draft: &mut Draft<'_>,
    asked: &Asked,
    (organization, practitioner): (String, String),
    permit: &Permit,
) -> Session {
    let now_ms = draft.caller.now_ms;
    let opened = Session {
        compartment: asked.patient.clone(),
        id: AuditEvent::fresh_id(),
        organization,
        practitioner,
        client: draft.caller.client_id().to_owned(),
        purpose: PurposeSet::NONE.with(asked.purpose).bits(),
        reason: asked.reason.clone(),
        from_ms: now_ms,
        until_ms: now_ms + draft.app.emergency.session_ms,
    };
    draft.set.open(permit, opened.clone());
    opened
}

/// Notes the attempt: in the caller's own trail always in the same words, and in the record's for those whom it is about. Then
/// there is no such record, whichever it was.
async fn refuse(
    exchange: &Exchange,
    caller: &Caller,
    asked: &Asked,
    is_record: bool,
) -> Result<Response<Body>, Failure> {
    let refusal = |reason: &str, compartment: Option<&str>| {
        let mut event = caller.refusal(OPEN, reason, compartment, "Patient", &asked.patient);
        asked.purpose.code().clone_into(&mut event.purpose);
        event
    };
    let mut events = vec![refusal("not-found", None)];
    if is_record {
        events.push(refusal("excluded-by-patient", Some(&asked.patient)));
    }
    exchange.app.store.record_only(events).await?;
    Ok(Failure::NotFound.into_response())
}

/// The event of an act on a session.
pub(super) fn event(caller: &Caller, act: Act, basis: &'static str, purpose: &str, session: &Session) -> AuditEvent {
    let mut event = caller.event(act, basis, &touched(&session.compartment));
    purpose.clone_into(&mut event.purpose);
    event.case_id.clone_from(&session.id);
    event
}

/// `POST [base]/Patient/$end-break-glass`: by the organisation that opened it, but for colleagues who are kept from the
/// record, or by the custodian. It only closes.
pub async fn end(exchange: Exchange, body: Body) -> Response<Body> {
    exchange
        .answer(Target::new(END, "Patient", ""), async |exchange, caller| {
            exchange.served("Patient")?;
            caller.may("Patient", Interaction::Read)?;
            let parameters = Parameters::read(&exchange.body(body).await?, exchange.app.limits.nesting_max)?;
            parameters.are_only(&["session"], &[])?;
            let id = parameters.required("session")?;
            let found = exchange.app.store.emergency_session(&caller.viewer(), id).await?;
            let Some(mut seen) = found else { return unseen(exchange, caller, END, id).await };
            let basis = if seen.is_held { Basis::Custodian } else { Basis::Emergency };
            let mut set = WriteSet::default();
            if seen.is_open(caller.now_ms) {
                seen.ended_ms = Some(caller.now_ms);
                set.ended_sessions.push((seen.session.compartment.clone(), seen.session.id.clone(), caller.now_ms));
            }
            set.audit.push(event(caller, END, basis.code(), caller.purpose().code(), &seen.session));
            exchange.app.store.apply(set).await?;
            Ok(json(StatusCode::OK, session(&seen, caller.now_ms).to_string()))
        })
        .await
}
