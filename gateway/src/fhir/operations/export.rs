//! Bulk Data: the kick-off of an export, its status and its end. The files are in `export/file.rs`.
//!
//! <https://hl7.org/fhir/uv/bulkdata/STU2/export.html>. An export is a question that is kept: whose, of which types, as of which moment.
//! Nothing is read for it before a file is read, so neither status nor manifest tells whether there is anything.

pub mod file;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::Parameters;
use crate::access::Caller;
use crate::access::caller::Act;
use crate::audit::AuditEvent;
use crate::auth::Interaction;
use crate::clock::{format_instant, parse_instant};
use crate::error::{Failure, Issue, information};
use crate::fhir::answer::http_date;
use crate::fhir::exchange::{Exchange, Target};
use crate::fhir::search::{own, pairs_of};
use crate::rates::TooOften;
use crate::search::overlay::{Belongs, belongs};
use crate::storage::export_job::ExportJob;
use mappings::r4::primitive::is_id;

const EXPORT: Act = Act::new("E", "export");
const STATUS: Act = Act::new("R", "export-status");
const CANCEL: Act = Act::new("D", "export-cancel");

/// The names under which NDJSON may be asked.
const FORMATS: [&str; 3] = ["application/fhir+ndjson", "application/ndjson", "ndjson"];
/// After how many seconds a client that has too many exports may look again whether one has ended.
const FULL_RETRY_SECONDS: u32 = 60;

/// How far an export reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level<'a> {
    /// Everything, the directory too.
    System,
    /// What belongs to records.
    Patient,
    /// What belongs to the records of the members of this Group.
    Group(&'a str),
}

impl Level<'_> {
    const fn code(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Patient => "patient",
            Self::Group(_) => "group",
        }
    }

    fn path(self) -> String {
        match self {
            Self::System => "$export".to_owned(),
            Self::Patient => "Patient/$export".to_owned(),
            Self::Group(id) => format!("Group/{id}/$export"),
        }
    }

    fn takes(self, resource_type: &str) -> bool {
        let is_of_record =
            matches!(belongs(resource_type), Some(Belongs::IsRecord | Belongs::Record(_) | Belongs::Through(_)));
        is_of_record || self == Self::System && belongs(resource_type).is_some()
    }
}

/// `GET` or `POST [base]/$export`
pub async fn of_system(exchange: Exchange, body: Body) -> Response<Body> {
    kick_off(exchange, Level::System, body).await
}

/// `GET` or `POST [base]/Patient/$export`
pub async fn of_patients(exchange: Exchange, body: Body) -> Response<Body> {
    kick_off(exchange, Level::Patient, body).await
}

/// `GET` or `POST [base]/Group/[id]/$export`
pub async fn of_group(exchange: Exchange, id: String, body: Body) -> Response<Body> {
    kick_off(exchange, Level::Group(&id), body).await
}

async fn kick_off(exchange: Exchange, level: Level<'_>, body: Body) -> Response<Body> {
    let target = match level {
        Level::Group(id) => Target::new(EXPORT, "Group", id),
        Level::System | Level::Patient => Target::new(EXPORT, "", ""),
    };
    exchange
        .answer(target, async |exchange, caller| {
            is_for_organization(caller)?;
            if !exchange.is_asynchronous() {
                let details = "an export is asynchronous: send Prefer: respond-async";
                return Err(Failure::BadRequest(vec![Issue::at("Prefer", "required", details)]));
            }
            let asked = Asked::read(exchange, body).await?;
            if let Level::Group(id) = level {
                members(exchange, caller, id, EXPORT).await?;
            }
            let job = job(exchange, caller, level, &asked)?;
            let app = &exchange.app;
            if !app.store.put_export(&job, app.bulk.config.exports_max).await? {
                app.refused_by("exports");
                return Err(Failure::TooOften(TooOften { retry_after_seconds: FULL_RETRY_SECONDS }));
            }
            app.store.record_only(vec![caller.shown(EXPORT, &own(caller, ""))]).await?;
            let mut response =
                outcome(StatusCode::ACCEPTED, "the export is accepted: ask for its status at Content-Location");
            put(&mut response, header::CONTENT_LOCATION, &status_url(exchange, &job));
            Ok(response)
        })
        .await
}

/// `GET [base]/$export/[id]`
pub async fn status(exchange: Exchange, id: String) -> Response<Body> {
    exchange
        .answer(Target::new(STATUS, "", ""), async |exchange, caller| {
            let job = owned(exchange, caller, &id).await?;
            let wait_ms = ready_ms(exchange, &job) - caller.now_ms;
            if wait_ms > 0 {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::ACCEPTED;
                let progress = "waits until all is stored that was being written at the moment of the export";
                response.headers_mut().insert("x-progress", HeaderValue::from_static(progress));
                let seconds = wait_ms.unsigned_abs().div_ceil(1_000);
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
                return Ok(response);
            }
            let mut response = Response::new(Body::from(manifest(exchange, &job).to_string()));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            put(&mut response, header::EXPIRES, &http_date(job.expires_ms));
            Ok(response)
        })
        .await
}

/// `DELETE [base]/$export/[id]`
pub async fn cancel(exchange: Exchange, id: String) -> Response<Body> {
    exchange
        .answer(Target::new(CANCEL, "", ""), async |exchange, caller| {
            let job = owned(exchange, caller, &id).await?;
            let store = &exchange.app.store;
            store.record_only(vec![caller.shown(CANCEL, &own(caller, ""))]).await?;
            store.drop_export(&job.id).await?;
            Ok(outcome(StatusCode::ACCEPTED, "the export has ended, and its files are gone"))
        })
        .await
}

/// The export of an id, for the client and organisation that asked for it.
///
/// # Errors
/// 404 for everybody else, and where it ended.
async fn owned(exchange: &Exchange, caller: &Caller, id: &str) -> Result<ExportJob, Failure> {
    is_for_organization(caller)?;
    // A database may not even take anything else as a question.
    if !is_id(id) {
        return Err(Failure::NotFound);
    }
    let (owner, organization) = (caller.key_owner(), caller.organization());
    let found = exchange.app.store.export_job(id, (&*owner, &*organization), caller.now_ms).await?;
    found.ok_or(Failure::NotFound)
}

/// The records of the members of a Group of the caller's own organisation.
///
/// # Errors
/// 404 where there is no such Group for the caller, or it is another's.
async fn members(exchange: &Exchange, caller: &Caller, id: &str, act: Act) -> Result<Vec<String>, Failure> {
    let resource_type = exchange.served("Group")?;
    caller.may(resource_type, Interaction::Read)?;
    let store = &exchange.app.store;
    let found = store.read(caller.viewer(), resource_type, id).await?;
    let seen = store.record(found, |touched| caller.shown(act, touched), Vec::new()).await?;
    let seen = seen.filter(|seen| !seen.deleted && seen.key.compartment == caller.organization());
    let body = seen.ok_or(Failure::NotFound)?.body;
    let group: Value = serde_json::from_str(&body).map_err(|_| Failure::Internal("a stored Group is not JSON"))?;
    let entries = group["member"].as_array().into_iter().flatten();
    let is_member = |entry: &&Value| entry["inactive"] != json!(true);
    let record = |entry: &Value| {
        let reference = crate::search::index::local(entry["entity"]["reference"].as_str()?, exchange.base());
        reference.strip_prefix("Patient/").map(|id| id.split('/').next().unwrap_or_default().to_owned())
    };
    let mut records: Vec<String> = entries.filter(is_member).filter_map(record).collect();
    records.sort_unstable();
    records.dedup();
    Ok(records)
}

/// What a kick-off asks for.
#[derive(Debug, Default)]
struct Asked {
    /// In the order in which they were named; empty for every type.
    types: Vec<String>,
    since: Option<(String, i64)>,
}

impl Asked {
    /// Reads the query, or by POST the Parameters.
    ///
    /// # Errors
    /// 400 for what is not served: nothing that narrows an export is passed over.
    async fn read(exchange: &Exchange, body: Body) -> Result<Self, Failure> {
        let bytes = exchange.bytes(body).await?;
        let bytes = if bytes.is_empty() { bytes } else { exchange.body(Body::from(bytes)).await? };
        let sent = Parameters::read(&bytes, exchange.app.limits.nesting_max)?;
        let texts = sent.0.iter().map(|member| {
            let name = member["name"].as_str().unwrap_or_default().to_owned();
            let values = member.as_object().into_iter().flatten();
            let value = values.filter(|(key, _)| key.starts_with("value")).find_map(|(_, value)| value.as_str());
            (name, value.unwrap_or_default().to_owned())
        });
        let pairs = exchange.uri.query().map(pairs_of).unwrap_or_default();
        let mut asked = Self::default();
        for (name, value) in texts.chain(pairs) {
            asked.take(&name, &value)?;
        }
        Ok(asked)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        match name {
            "_type" => {
                for one in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                    if !self.types.iter().any(|known| known == one) {
                        self.types.push(one.to_owned());
                    }
                }
            }
            "_since" if self.since.is_none() => {
                // A plus in an address reads as a space.
                let value = value.replace(' ', "+");
                let since_ms =
                    parse_instant(&value).ok_or_else(|| refuse(name, "value", "is an instant, with a time zone"))?;
                self.since = Some((value, since_ms));
            }
            "_outputFormat" => {
                if !FORMATS.contains(&&*value.replace(' ', "+")) {
                    return Err(refuse(name, "not-supported", "is application/fhir+ndjson: nothing else is given"));
                }
            }
            "_format" | "_pretty" => {}
            "_since" => return Err(refuse(name, "not-supported", "may be given once")),
            _ => return Err(refuse(name, "not-supported", "is not served here: _type, _since and _outputFormat are")),
        }
        Ok(())
    }
}

/// The export that is asked.
///
/// # Errors
/// 400 for a type that is not exported at this level, 403 for one that the token's scope does not cover.
fn job(exchange: &Exchange, caller: &Caller, level: Level<'_>, asked: &Asked) -> Result<ExportJob, Failure> {
    let app = &exchange.app;
    let (mut types, mut notes) = (Vec::new(), String::new());
    if asked.types.is_empty() {
        let every = app.types.iter().copied().filter(|name| level.takes(name));
        let (within, beyond): (Vec<_>, Vec<_>) = every.partition(|name| is_granted(caller, name).is_ok());
        if !beyond.is_empty() {
            notes = information(&format!("left out, for the token's scope does not cover them: {}", beyond.join(", ")));
        }
        types = within;
    }
    for name in &asked.types {
        let served = exchange.served(name).ok().filter(|name| level.takes(name));
        let served = served
            .ok_or_else(|| refuse("_type", "not-supported", "names a type that is not exported at this level"))?;
        is_granted(caller, served)?;
        types.push(served);
    }
    if types.is_empty() {
        return Err(Failure::Forbidden(Issue::new(
            "forbidden",
            "the token's scope covers no type that is exported here",
        )));
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    if !asked.types.is_empty() {
        query.append_pair("_type", &asked.types.join(","));
    }
    if let Some((since, _)) = &asked.since {
        query.append_pair("_since", since);
    }
    let query = query.finish();
    let mark = if query.is_empty() { "" } else { "?" };
    Ok(ExportJob {
        id: AuditEvent::fresh_id(),
        owner: caller.key_owner(),
        organization: caller.organization(),
        level: level.code().to_owned(),
        group: if let Level::Group(id) = level { id.to_owned() } else { String::new() },
        types: types.join(" "),
        since_ms: asked.since.as_ref().map(|(_, since_ms)| *since_ms),
        moment_ms: caller.now_ms,
        expires_ms: caller.now_ms + app.bulk.config.settle_ms + app.bulk.config.kept_ms,
        request: format!("{}/{}{mark}{query}", exchange.base(), level.path()),
        notes,
    })
}

/// One file a type, whatever is in it: that there is nothing is told by the file alone.
fn manifest(exchange: &Exchange, job: &ExportJob) -> Value {
    let url = |name: &str| format!("{}/{name}.ndjson", status_url(exchange, job));
    let output: Vec<Value> = job.types.split(' ').map(|name| json!({"type": name, "url": url(name)})).collect();
    let error: Vec<Value> = if job.notes.is_empty() {
        Vec::new()
    } else {
        vec![json!({"type": "OperationOutcome", "url": url(file::ERRORS)})]
    };
    let mut manifest = json!({
        "transactionTime": format_instant(job.moment_ms),
        "request": job.request,
        "requiresAccessToken": true,
        "output": output,
        "error": error,
    });
    if job.since_ms.is_some() {
        manifest["deleted"] = json!([{"type": "Bundle", "url": url(file::DELETED)}]);
    }
    manifest
}

/// From which moment on an export is ready.
fn ready_ms(exchange: &Exchange, job: &ExportJob) -> i64 {
    job.moment_ms + exchange.app.bulk.config.settle_ms
}

fn status_url(exchange: &Exchange, job: &ExportJob) -> String {
    format!("{}/$export/{}", exchange.base(), job.id)
}

/// A person reads the own record otherwise: nothing of an export rests on being somebody.
pub(super) fn is_for_organization(caller: &Caller) -> Result<(), Failure> {
    if caller.person().is_none() {
        return Ok(());
    }
    Err(Failure::Forbidden(Issue::new("forbidden", "this is for the client of an organisation, with system scopes")))
}

/// Whether the token grants to read and to search a type.
fn is_granted(caller: &Caller, resource_type: &str) -> Result<(), Failure> {
    caller.may(resource_type, Interaction::Read)?;
    caller.may(resource_type, Interaction::Search)
}

pub(super) fn outcome(status: StatusCode, details: &str) -> Response<Body> {
    crate::fhir::answer::json(status, information(details))
}

pub(super) fn put(response: &mut Response<Body>, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn refuse(name: &str, code: &'static str, details: &str) -> Failure {
    Failure::BadRequest(vec![Issue::at(name.chars().take(64).collect::<String>(), code, details)])
}
