//! `POST /account/link`: somebody who signed in gives the code of a record, which is their own from then on.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode};

use super::form::{Posted, network};
use super::trail::{self, LINK, Refused, Who, event};
use super::{failed, refused, see_other};
use crate::app::App;
use crate::audit::AuditEvent;
use crate::auth::PersonRole;
use crate::auth::browser::link_code_hash;
use crate::error::Failure;

/// Wrong codes of one person within the time below; then none is looked at.
const FAILURES_MAX: i64 = 5;
const FAILURES_MS: i64 = 60 * 60_000;
/// Records of one person.
const LINKS_MAX: usize = 20;

/// Answers the form.
pub(super) async fn link(app: App, request: Request) -> Response<Body> {
    let Some(people) = &app.people else { return failed(request.headers(), Failure::NotFound) };
    let posted = match Posted::read((&app, people), request, (LINK, &["code"])).await {
        Ok(posted) => posted,
        Err(response) => return response,
    };
    match try_code(&app, &posted).await {
        Ok(response) => response,
        Err(failure) => failed(&posted.parts.headers, failure),
    }
}

async fn try_code(app: &App, posted: &Posted) -> Result<Response<Body>, Failure> {
    let (store, now_ms) = (&app.store, app.clock.now_ms());
    let (session, network) = (&posted.person.session, network(&posted.parts));
    let since_ms = now_ms - FAILURES_MS;
    let refuse = async |reason: &'static str, status: StatusCode| -> Result<Response<Body>, Failure> {
        trail::refuse(app, &posted.person, Refused { act: LINK, reason, network: &network }).await?;
        Ok(refused(&posted.parts.headers, status, reason))
    };
    if store.link_failures(&session.subject, since_ms).await? >= FAILURES_MAX {
        return refuse("too-many-codes", StatusCode::TOO_MANY_REQUESTS).await;
    }
    if store.links(&session.subject).await?.len() >= LINKS_MAX {
        return refuse("too-many-links", StatusCode::FORBIDDEN).await;
    }
    let hash = link_code_hash(posted.fields.get("code").unwrap_or_default());
    // Of several who give one code at once it is one who goes on from here, and only that one is on record as having the record.
    let claim = format!("taken/{}", AuditEvent::fresh_id());
    let Some(record) = store.take_code(&hash, &claim, now_ms).await? else {
        store.count_link_failure(&session.subject, since_ms, now_ms).await?;
        return refuse("no-such-code", StatusCode::NOT_FOUND).await;
    };
    // Whose record it is now is the record's business: it is on record there before it is so.
    let own = event(Who::Patient(&record), LINK, &network, now_ms);
    let of_record = AuditEvent { compartment: record.clone(), ..own.about("Patient", &record) };
    store.record_only(vec![of_record]).await?;
    if !store.link(&session.subject, &claim, now_ms).await? {
        // The custodian has ended it in this moment.
        return refuse("no-such-code", StatusCode::NOT_FOUND).await;
    }
    store.act_as(&session.hash, PersonRole::Patient.code(), &record).await?;
    Ok(see_other("/account"))
}
