//! Bundles that are worked on after their request was answered: taken, worked on, told of, and forgotten.
//!
//! <https://hl7.org/fhir/R4/async.html>. A Bundle waits in memory alone, is carried out by the code of one that is answered at once, and decided
//! on at that moment. What is kept of it is what the sender would have been told, sealed: Bundles that read are not taken, for what they show
//! would be kept where no withdrawal reaches it; nor those that patch or update a Task, for what is said of that may quote what was there.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Response, StatusCode, header};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, interval_at, sleep};

use super::export::{is_for_organization, outcome, put};
use crate::access::Caller;
use crate::access::caller::Act;
use crate::app::{App, AtWork};
use crate::audit::AuditEvent;
use crate::error::{Failure, Issue};
use crate::fhir::answer::{http_date, json as answer};
use crate::fhir::asked::asked;
use crate::fhir::entry::{Entry, Verb, entries};
use crate::fhir::exchange::{Exchange, Target};
use crate::fhir::search::own;
use crate::fhir::transaction::{self, TRANSACTION};
use crate::rates::TooOften;
use crate::storage::async_job::{AsksAgain, AsyncAnswer, AsyncJob};
use mappings::r4::primitive::is_id;

const ASYNC: Act = Act::new("E", "async");
const STATUS: Act = Act::new("R", "async-status");
const CANCEL: Act = Act::new("D", "async-cancel");

/// After how many seconds a client that has too many Bundles may look again whether one has ended.
const FULL_RETRY_SECONDS: u32 = 60;
/// After how many seconds there may be room again, or an answer.
const RETRY_SECONDS: u32 = 2;
/// How often the process that has a job says that it is there.
const BEAT: Duration = Duration::from_secs(10);
/// How long it is believed: six times as long, for a database may be away for a while.
const ALIVE_MS: i64 = 60_000;
/// Whose key seals what is kept: it is of no record, and lasts longer than any answer.
const SCOPE: &str = "async/answer";

/// Whether a Bundle is to be answered later, and may be: whatever it asks for is a write, and an organisation's client sends it.
pub fn is_taken(exchange: &Exchange, caller: &Caller, bytes: &Bytes, entries: &[Result<Entry<'_>, Failure>]) -> bool {
    let bulk = &exchange.app.bulk;
    // What does not ask rightly is answered by itself, or with all of its transaction.
    let is_taken = |entry: &Result<Entry<'_>, Failure>| entry.as_ref().map_or(true, tells_of_itself);
    exchange.is_asynchronous()
        && bulk.config.async_bundles_max > 0
        && bulk.jobs.take(bytes.len())
        // A session of somebody who signed in ends, and a Bundle would go on without it.
        && exchange.headers.contains_key(header::AUTHORIZATION)
        && caller.person().is_none()
        && entries.iter().all(is_taken)
}

/// Whether what is answered says nothing of what is stored: who writes a Task of a referral may be told its state.
fn tells_of_itself(entry: &Entry<'_>) -> bool {
    match entry.verb {
        Verb::Post | Verb::Delete => true,
        Verb::Put => entry.resource_type != "Task",
        Verb::Get | Verb::Patch => false,
    }
}

/// Takes a Bundle, and answers where it is told how far it is.
///
/// # Errors
/// 429 where the client has too many, or all of them are too long.
pub async fn take(exchange: &Exchange, caller: &Caller, bytes: Bytes) -> Result<Response<Body>, Failure> {
    let app = &exchange.app;
    let full = |limit: &'static str, retry_after_seconds: u32| {
        app.refused_by(limit);
        Failure::TooOften(TooOften { retry_after_seconds })
    };
    let room = app.bulk.jobs.enter(bytes.len()).ok_or_else(|| full("async-bytes", RETRY_SECONDS))?;
    let config = app.bulk.config;
    let job = AsyncJob {
        id: AuditEvent::fresh_id(),
        owner: caller.key_owner(),
        organization: caller.organization(),
        practitioner: caller.viewer().practitioner,
        alive_until_ms: caller.now_ms + ALIVE_MS,
        expires_ms: caller.now_ms + config.kept_ms,
    };
    if !app.store.put_async_job(&job, config.async_bundles_max, caller.now_ms).await? {
        return Err(full("async-bundles", FULL_RETRY_SECONDS));
    }
    app.store.record_only(vec![caller.shown(ASYNC, &own(caller, ""))]).await?;
    let url = format!("{}/$async/{}", exchange.base(), job.id);
    begin(exchange, bytes, (job.id, room));
    let mut response = outcome(StatusCode::ACCEPTED, "the Bundle is taken: ask for its answer at Content-Location");
    put(&mut response, header::CONTENT_LOCATION, &url);
    Ok(response)
}

fn begin(exchange: &Exchange, bytes: Bytes, (id, room): (String, OwnedSemaphorePermit)) {
    let (exchange, app, job) = (exchange.again(), App::clone(&exchange.app), id.clone());
    let is_first = app.bulk.jobs.begin(&id, room, |at_work| work(exchange, bytes, (job, at_work)));
    if is_first {
        tokio::spawn(beat(App::clone(&app)));
    }
}

/// Works on a Bundle until its answer is kept; it is broken off where nobody waits for that.
async fn work(exchange: Exchange, bytes: Bytes, (id, _at_work): (String, AtWork)) {
    let answer = Box::pin(carry_out(&exchange, &bytes, &id)).await.unwrap_or_else(Failure::into_response);
    let status = answer.status();
    let Ok(text) = to_bytes(answer.into_body(), usize::MAX).await else {
        tracing::error!("an answer that is at hand cannot be read: the Bundle will be told as broken off");
        return;
    };
    let text = String::from_utf8_lossy(&text);
    // Of a batch nothing else says what was done.
    while let Err(failure) = keep(&exchange.app, &id, status, &text).await {
        tracing::warn!(?failure, "what came of a Bundle could not be kept, it is tried again");
        sleep(BEAT).await;
    }
}

/// Carries a Bundle out when it is its turn, as if it were sent at that moment: by then its token may be over, or taken back.
async fn carry_out(exchange: &Exchange, bytes: &Bytes, id: &str) -> Result<Response<Body>, Failure> {
    let app = &exchange.app;
    let _turn = app.bulk.jobs.turn().await;
    let caller = exchange.caller().await?;
    let content = crate::fhir::content::read(bytes, app.limits.nesting_max)?;
    let entries = entries(&content, app.limits.bundle_entries_max)?;
    let asked = asked(exchange, (bytes, &content, entries))?;
    match transaction::carry_out(exchange, &caller, asked, Some(id)).await {
        Err(failure) => {
            exchange.record_refusal(&caller, &Target::new(TRANSACTION, "", ""), &failure).await?;
            Err(failure)
        }
        done => done,
    }
}

/// Says that somebody is at the jobs of this process, and breaks off those for which nobody waits any more; until there are none.
async fn beat(app: App) {
    let mut beat = interval_at(Instant::now() + BEAT, BEAT);
    loop {
        beat.tick().await;
        let jobs = app.bulk.jobs.begun();
        if jobs.is_empty() {
            return;
        }
        let now_ms = app.clock.now_ms();
        match app.store.keep_async_jobs(&jobs, (now_ms + ALIVE_MS, now_ms)).await {
            Ok(over) => over.iter().for_each(|id| app.bulk.jobs.end(id)),
            Err(error) => tracing::warn!(%error, "it could not be said that Bundles are worked on, it is tried again"),
        }
    }
}

/// Answers a job; a transaction that is stored has been answered with that, and stays as it is.
async fn keep(app: &App, id: &str, status: StatusCode, text: &str) -> Result<(), Failure> {
    Ok(app.store.answer_async_job(&sealed(app, id, status, text).await?).await?)
}

/// The answer of a job as it is kept: an outcome repeats words of what was sent.
///
/// # Errors
/// The key store is away.
pub async fn sealed(app: &App, id: &str, status: StatusCode, text: &str) -> Result<AsyncAnswer, Failure> {
    let sealed = app.store.seal_text(SCOPE, text, app.clock.now_ms()).await?;
    Ok(AsyncAnswer { id: id.to_owned(), status: status.as_u16(), sealed })
}

/// `GET [base]/$async/[id]`
pub async fn status(exchange: Exchange, id: String) -> Response<Body> {
    exchange
        .answer(Target::new(STATUS, "", ""), async |exchange, caller| {
            let app = &exchange.app;
            let mut found = owned(exchange, caller, &id).await?;
            if found.1.is_none() {
                if app.bulk.jobs.has(&id) || caller.now_ms < found.0.alive_until_ms {
                    return Ok(under_way());
                }
                break_off(app, &id).await?;
                found = owned(exchange, caller, &id).await?;
            }
            let (job, kept) = found;
            let kept = kept.ok_or(Failure::Internal("a job that was answered has no answer"))?;
            let status = StatusCode::from_u16(kept.status).map_err(|_| Failure::Internal("a status that is none"))?;
            let mut response = answer(status, app.store.open_text(&kept.sealed).await?);
            put(&mut response, header::EXPIRES, &http_date(job.expires_ms));
            Ok(response)
        })
        .await
}

fn under_way() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert("x-progress", header::HeaderValue::from_static("waits for its turn, or is being worked on"));
    headers.insert(header::RETRY_AFTER, RETRY_SECONDS.into());
    response
}

/// `DELETE [base]/$async/[id]`
pub async fn cancel(exchange: Exchange, id: String) -> Response<Body> {
    exchange
        .answer(Target::new(CANCEL, "", ""), async |exchange, caller| {
            owned(exchange, caller, &id).await?;
            let app = &exchange.app;
            app.store.record_only(vec![caller.shown(CANCEL, &own(caller, ""))]).await?;
            // First what decides: a transaction that has not committed by then never will.
            app.store.drop_async_job(&id).await?;
            app.bulk.jobs.end(&id);
            Ok(outcome(StatusCode::ACCEPTED, "nothing more is done for this Bundle, and its answer is gone"))
        })
        .await
}

/// The job of an id, for the client, organisation and practitioner that sent it.
///
/// # Errors
/// 404 for everybody else, and where it ended.
async fn owned(exchange: &Exchange, caller: &Caller, id: &str) -> Result<(AsyncJob, Option<AsyncAnswer>), Failure> {
    is_for_organization(caller)?;
    // A database may not even take anything else as a question.
    if !is_id(id) {
        return Err(Failure::NotFound);
    }
    let (owner, viewer) = (caller.key_owner(), caller.viewer());
    let asker = AsksAgain { owner: &owner, organization: &viewer.organization, practitioner: &viewer.practitioner };
    exchange.app.store.async_job(id, asker, caller.now_ms).await?.ok_or(Failure::NotFound)
}

/// Tells that the process is gone that had a job. If it is there after all, the first answer counts.
async fn break_off(app: &App, id: &str) -> Result<(), Failure> {
    let text = "the Bundle was broken off: of a transaction nothing is stored, nor will be; of a batch some entries may be. Send it \
                again: with ifNoneExist, ifMatch or an Idempotency-Key nothing is done twice";
    let issue = Issue::new("transient", text).to_value("fatal");
    let outcome = json!({"resourceType": "OperationOutcome", "issue": [issue]});
    keep(app, id, StatusCode::INTERNAL_SERVER_ERROR, &outcome.to_string()).await
}
