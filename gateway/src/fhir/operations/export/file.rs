//! A file of an export, written while it is read: each chunk is what the caller may see at that moment, and is on record before it leaves.
//!
//! <https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-output-file-request>. Nothing of a file is kept anywhere. Whoever is
//! withdrawn from, shut out or disabled while a file is read gets no further chunk of what is not theirs any more.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, header};
use futures_util::stream;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::{is_granted, members, owned, ready_ms};
use crate::access::Caller;
use crate::access::caller::Act;
use crate::app::App;
use crate::error::Failure;
use crate::fhir::exchange::{Exchange, Target};
use crate::fhir::search::own;
use crate::search::parameters::type_name;
use crate::storage::export::{Chunk, ChunkSize, Portion};
use crate::storage::export_job::ExportJob;
use crate::storage::resource::Seen;
use crate::storage::sight::DIRECTORY;

const FILE: Act = Act::new("R", "export-file");

/// The name of the file of errors.
pub(super) const ERRORS: &str = "errors";
/// The name of the file of deletions.
pub(super) const DELETED: &str = "deleted";

/// Records that are looked through together.
const RECORDS: u32 = 200;
/// What is in memory of a file.
const CHUNK: ChunkSize = ChunkSize { resources: 500, bytes: 1024 * 1024 };
/// The media type of a file.
const NDJSON: &str = "application/fhir+ndjson";

/// `GET [base]/$export/[id]/[name].ndjson`
pub async fn file(mut exchange: Exchange, id: String, name: String) -> Response<Body> {
    if takes_ndjson(&exchange) {
        // It asks for what there is: whoever wants JSON alone is told so where every request is.
        exchange.headers.remove(header::ACCEPT);
    }
    exchange
        .answer(Target::new(FILE, "", ""), async |exchange, caller| {
            let job = owned(exchange, caller, &id).await?;
            let name = name.strip_suffix(".ndjson").ok_or(Failure::NotFound)?;
            if caller.now_ms < ready_ms(exchange, &job) {
                return Err(Failure::NotFound);
            }
            if name == ERRORS && !job.notes.is_empty() {
                return Ok(ndjson(Body::from(format!("{}\n", job.notes))));
            }
            let file = File::of(exchange, caller, job, name).await?;
            let opened = caller.shown(FILE, &own(caller, file.types.first().copied().unwrap_or_default()));
            exchange.app.store.record_only(vec![opened]).await?;
            Ok(ndjson(Body::from_stream(stream::try_unfold(file, next))))
        })
        .await
}

/// What may be asked for by name; anything else falls under the rule of every request.
fn takes_ndjson(exchange: &Exchange) -> bool {
    exchange.header("accept").is_some_and(|accept| {
        let bare = |range: &str| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        accept.split(',').any(|range| [NDJSON, "application/ndjson"].contains(&&*bare(range)))
    })
}

/// An answer in NDJSON.
pub(in crate::fhir::operations) fn ndjson(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    response
}

/// A file that is being read.
struct File {
    app: App,
    caller: Caller,
    job: ExportJob,
    /// The types whose lines are still to come, the present one first.
    types: Vec<&'static str>,
    is_of_deletions: bool,
    /// The records of a Group, in order; none where all that the caller may see anything of are meant.
    group: Option<Vec<String>>,
    /// The records that are looked through now, and the place in them.
    records: Vec<String>,
    place: (String, String),
    /// The last record that was looked through.
    last_record: String,
    _room: OwnedSemaphorePermit,
}

impl File {
    /// Opens the file of this name, where the token covers its types and there is room.
    ///
    /// # Errors
    /// 404 where there is no such file, 403 where the scope does not cover it, 429 where too many are read.
    async fn of(exchange: &Exchange, caller: &Caller, job: ExportJob, name: &str) -> Result<Self, Failure> {
        let is_of_deletions = name == DELETED && job.since_ms.is_some();
        let named = job.types.split(' ').filter(|one| is_of_deletions || *one == name);
        let types: Vec<&'static str> = named.filter_map(type_name).collect();
        if types.is_empty() {
            return Err(Failure::NotFound);
        }
        for resource_type in &types {
            is_granted(caller, resource_type)?;
        }
        let group = match &*job.group {
            "" => None,
            id => Some(members(exchange, caller, id, FILE).await?),
        };
        let app = &exchange.app;
        let Some(room) = app.bulk.enter() else {
            app.refused_by("downloads");
            return Err(Failure::Throttled);
        };
        Ok(Self {
            app: App::clone(app),
            caller: caller.clone(),
            job,
            types,
            is_of_deletions,
            group,
            records: Vec::new(),
            place: (String::new(), String::new()),
            last_record: String::new(),
            _room: room,
        })
    }

    /// The next lines; none at the end of the file.
    ///
    /// # Errors
    /// The export ended, the caller is not registered any more, or the database is away: the rest is not handed out.
    async fn lines(&mut self) -> Result<Option<String>, Failure> {
        while let Some(resource_type) = self.types.first().copied() {
            self.caller = self.caller.at_this_moment(&self.app).await?;
            let (owner, organization) = (self.caller.key_owner(), self.caller.organization());
            let store = &self.app.store;
            let kept = store.export_job(&self.job.id, (&*owner, &*organization), self.caller.now_ms).await?;
            kept.ok_or(Failure::NotFound)?;
            if self.records.is_empty() && !self.turn_to_next_records().await? {
                self.types.remove(0);
                self.last_record.clear();
                continue;
            }
            let chunk = self.chunk(resource_type).await?;
            if let Some(last) = chunk.last {
                self.place = last;
            } else {
                self.records.clear();
                self.place = (String::new(), String::new());
            }
            if !chunk.seen.is_empty() {
                return Ok(Some(chunk.seen.iter().map(|seen| line(seen, self.is_of_deletions)).collect()));
            }
        }
        Ok(None)
    }

    /// Takes up the next records; whether there are any.
    async fn turn_to_next_records(&mut self) -> Result<bool, Failure> {
        let count = usize::try_from(RECORDS).unwrap_or(usize::MAX);
        loop {
            let next = if let Some(records) = &self.group {
                let begin = records.partition_point(|record| *record <= self.last_record);
                records[begin..].iter().take(count).cloned().collect()
            } else {
                let viewer = self.caller.viewer();
                self.app.store.records_to_look_at(&viewer, &self.last_record, RECORDS).await?
            };
            let Some(last) = next.last() else { return Ok(false) };
            self.last_record.clone_from(last);
            let is_record = |record: &String| record != DIRECTORY && !record.contains('/');
            self.records = next.into_iter().filter(|one| self.job.level == "system" || is_record(one)).collect();
            if !self.records.is_empty() {
                return Ok(true);
            }
        }
    }

    /// The next chunk, on record.
    async fn chunk(&self, resource_type: &'static str) -> Result<Chunk, Failure> {
        let portion = Portion {
            after: (&self.place.0, &self.place.1),
            since_ms: self.job.since_ms.unwrap_or(i64::MIN),
            until_ms: self.job.moment_ms,
            ..Portion::of(resource_type, &self.records)
        };
        let (store, viewer) = (&self.app.store, self.caller.viewer());
        let found = if self.is_of_deletions {
            store.deletions(&viewer, portion, CHUNK).await?
        } else {
            store.chunk(&viewer, portion, CHUNK).await?
        };
        Ok(store.record(found, |touched| self.caller.shown(FILE, touched), Vec::new()).await?)
    }
}

/// The next piece of the body. One that fails breaks the answer off, so that nobody takes it for the whole.
async fn next(mut file: File) -> io::Result<Option<(Bytes, File)>> {
    match file.lines().await {
        Ok(lines) => Ok(lines.map(|lines| (Bytes::from(lines), file))),
        Err(failure) => {
            tracing::info!(status = failure.status().as_u16(), "a file of an export was broken off");
            if let Some(reason) = failure.audit_reason() {
                let refusal = file.caller.refusal(FILE, reason, None, "", "");
                let recorded = file.app.store.record_only(vec![refusal]).await;
                recorded.map_err(io::Error::other)?;
            }
            Err(io::Error::other("the file is broken off"))
        }
    }
}

/// A line of a file. What a client sent over several lines is one line here: outside of its texts an end of a line is a space.
fn line(seen: &Seen, is_deletion: bool) -> String {
    if is_deletion {
        let url = format!("{}/{}", seen.key.resource_type, seen.key.id);
        let entry = json!([{"request": {"method": "DELETE", "url": url}}]);
        return format!("{}\n", json!({"resourceType": "Bundle", "type": "transaction", "entry": entry}));
    }
    let mut line = seen.body.replace(['\n', '\r'], " ");
    line.push('\n');
    line
}
