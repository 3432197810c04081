//! `Patient/$emergency-sessions` and `Patient/$review-emergency`: the queue in which emergencies are judged afterwards.
//!
//! The custodian of the record judges, once, and never an emergency of its own.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::Parameters;
use super::break_glass::event;
use super::emergency::{Page, refuse, session, text, unseen};
use crate::access::caller::Act;
use crate::access::{Caller, Draft, attempts};
use crate::auth::Interaction;
use crate::consent::Refusal;
use crate::error::Failure;
use crate::fhir::answer::json;
use crate::fhir::exchange::{Exchange, Target};
use crate::fhir::search::{own, pairs_of};
use crate::storage::emergency::{SessionFilter, SessionSeen, SessionStatus, Verdict};
use crate::storage::write_set::Precondition;

const LIST: Act = Act::new("R", "emergency-sessions");
const REVIEW: Act = Act::new("E", "review-emergency");
const ADDRESS: &str = "Patient/$emergency-sessions";

/// `GET [base]/Patient/$emergency-sessions`: of records that the caller holds, and those that its organisation opened.
pub async fn list(exchange: Exchange) -> Response<Body> {
    exchange
        .answer(Target::new(LIST, "Patient", ""), async |exchange, caller| {
            caller.may("AuditEvent", Interaction::Search)?;
            let pairs = exchange.uri.query().map(pairs_of).unwrap_or_default();
            let status = status(&pairs)?;
            let page = Page::of(exchange, caller, ADDRESS.to_owned(), pairs, &["status"])?;
            let filter = SessionFilter { id: None, status, before: page.before.clone(), count: page.count };
            let store = &exchange.app.store;
            let found = store.emergency_sessions(&caller.viewer(), &filter).await?;
            let further = vec![caller.shown(LIST, &own(caller, "Patient"))];
            let sessions = store.record(found, |touched| caller.shown(LIST, touched), further).await?;
            let item = |seen: &SessionSeen| (seen.session.id.clone(), session(seen, caller.now_ms));
            let items = sessions.iter().map(item).collect();
            Ok(json(StatusCode::OK, page.bundle(exchange, caller, items)))
        })
        .await
}

fn status(pairs: &[(String, String)]) -> Result<SessionStatus, Failure> {
    let mut asked = pairs.iter().filter(|(name, _)| name == "status").map(|(_, value)| value.as_str());
    match (asked.next(), asked.next()) {
        (None, _) => Ok(SessionStatus::Any),
        (Some("open"), None) => Ok(SessionStatus::Open),
        (Some("ended"), None) => Ok(SessionStatus::Ended),
        (Some("unreviewed"), None) => Ok(SessionStatus::Unreviewed),
        _ => Err(refuse("status", "value", "is open, ended or unreviewed")),
    }
}

/// `POST [base]/Patient/$review-emergency`
pub async fn review(exchange: Exchange, body: Body) -> Response<Body> {
    exchange
        .answer(Target::new(REVIEW, "Patient", ""), async |exchange, caller| {
            caller.may("AuditEvent", Interaction::Update)?;
            let parameters = Parameters::read(&exchange.body(body).await?, exchange.app.limits.nesting_max)?;
            parameters.are_only(&["session", "verdict", "text"], &[])?;
            let (id, verdict) = (parameters.required("session")?, parameters.required("verdict")?);
            if !matches!(verdict, "justified" | "unjustified") {
                let details = "the parameter verdict is justified or unjustified";
                return Err(Failure::content("Parameters.parameter:verdict", "value", details));
            }
            let text = text(exchange, &parameters, "text")?;
            attempts!(&exchange.app, caller, |draft| {
                let seen = match judge(draft, caller, id, (verdict, text)).await {
                    Err(Failure::NotFound) => return unseen(exchange, caller, REVIEW, id).await,
                    seen => seen?,
                };
                exchange.app.store.apply(draft.finish()).await?;
                Ok(json(StatusCode::OK, session(&seen, caller.now_ms).to_string()))
            })
        })
        .await
}

/// Puts the verdict and its event into the draft, which rests on the custody and on nobody else having judged.
async fn judge(
    draft: &mut Draft<'_>,
    caller: &Caller,
    id: &str,
    (verdict, text): (&str, &str),
) -> Result<SessionSeen, Failure> {
    let store = &draft.app.store;
    let Some(seen) = store.emergency_session(&caller.viewer(), id).await? else { return Err(Failure::NotFound) };
    let name = format!("emergency-review/{}", seen.session.id);
    let epoch = store.guard_epoch(&name).await?;
    draft.set.preconditions.push(Precondition::Guard { name, epoch });
    let compartment = seen.session.compartment.clone();
    draft.record(&compartment).await?;
    // Asked again under the guard and the epoch: what is decided on is what they hold.
    let found = draft.app.store.emergency_session(&caller.viewer(), id).await?;
    let mut seen = found.ok_or(Failure::NotFound)?;
    if !seen.is_held || !draft.holds(&compartment) {
        let refusal = Refusal::NotCustodian;
        return Err(Failure::refused(refusal.code(), refusal.sentence(), None).about(&compartment));
    }
    // Its data-protection officer does, who answers to nobody there for it.
    if seen.session.organization == caller.organization() && !caller.is_dpo() {
        let details = "an organisation does not judge its own emergency: its data-protection officer does";
        return Err(Failure::refused("own-session", details, None).about(&compartment));
    }
    if seen.is_open(caller.now_ms) {
        let details = "this session lasts: end it, or wait until it is over, so that all of it is judged";
        return Err(Failure::content("Parameters.parameter:session", "business-rule", details));
    }
    if seen.verdict.is_some() {
        let details = "this session has its verdict, and one is given once";
        return Err(Failure::content("Parameters.parameter:session", "business-rule", details));
    }
    let verdict = Verdict {
        compartment,
        session_id: seen.session.id.clone(),
        verdict: verdict.to_owned(),
        by: caller.organization(),
        text: text.to_owned(),
        at_ms: caller.now_ms,
    };
    draft.set.verdicts.push(verdict.clone());
    draft.set.audit.push(event(caller, REVIEW, caller.standing(), caller.purpose().code(), &seen.session));
    seen.verdict = Some(verdict);
    Ok(seen)
}
