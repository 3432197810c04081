//! `POST [base]/$import`: NDJSON, a line a resource, each written by the ordinary way while the next are on theirs.
//!
//! Each line is a create or an update of its own, with its permit, its checks and its events: a line that is refused is told with its number,
//! and the others go on. Nothing of the body is kept but what is written, and no more than a line of it is in memory. What was imported before
//! is found again by its identifier, so an import that broke off is sent again.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::Response;
use bytes::BytesMut;
use futures_util::stream;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::export::file::ndjson;
use super::export::is_for_organization;
use crate::access::Caller;
use crate::access::caller::Act;
use crate::auth::Interaction;
use crate::bodies::BodyError;
use crate::error::Failure;
use crate::fhir::content::read_of_type;
use crate::fhir::exchange::{Exchange, Target};
use crate::fhir::search::own;
use crate::fhir::{create, update};

const IMPORT: Act = Act::new("C", "import");

/// Lines after which it is told how far the import is: an answer in which nothing moves is taken for one that nobody reads.
const PROGRESS: u64 = 100;
/// The media types of what is sent.
const MEDIA_TYPES: [&str; 2] = ["application/fhir+ndjson", "application/ndjson"];

/// `POST [base]/$import`
pub async fn import(exchange: Exchange, body: Body) -> Response<Body> {
    exchange
        .answer(Target::new(IMPORT, "", ""), async |exchange, caller| {
            is_for_organization(caller)?;
            let media_type = exchange.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
            if !MEDIA_TYPES.contains(&media_type.trim().to_ascii_lowercase().as_str()) {
                return Err(Failure::UnsupportedMediaType);
            }
            let app = &exchange.app;
            let Some(room) = app.bulk.enter() else {
                app.refused_by("imports");
                return Err(Failure::Throttled);
            };
            app.store.record_only(vec![caller.shown(IMPORT, &own(caller, ""))]).await?;
            let import = Import {
                exchange: exchange.again(),
                caller: caller.clone(),
                sent: Sent { body, buffer: BytesMut::new(), left: app.bulk.config.import_bytes_max, is_whole: false },
                counts: Counts::default(),
                is_over: false,
                _room: room,
            };
            Ok(ndjson(Body::from_stream(stream::try_unfold(import, next))))
        })
        .await
}

/// An import under way.
struct Import {
    exchange: Exchange,
    caller: Caller,
    sent: Sent,
    counts: Counts,
    is_over: bool,
    _room: OwnedSemaphorePermit,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    lines: u64,
    created: u64,
    found: u64,
    updated: u64,
    refused: u64,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Became {
    Created,
    Found,
    Updated,
}

/// The body, a line at a time.
struct Sent {
    body: Body,
    buffer: BytesMut,
    left: u64,
    is_whole: bool,
}

/// What a line says of itself before it is looked at whole.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    resource_type: String,
    id: Option<String>,
}

/// The next piece of the answer.
async fn next(mut import: Import) -> io::Result<Option<(Bytes, Import)>> {
    if import.is_over {
        return Ok(None);
    }
    let told = loop {
        let line = match import.line().await {
            Ok(Some(line)) => line,
            ended => {
                import.is_over = true;
                break import.counts.told(ended.as_ref().err(), ended.is_ok());
            }
        };
        if line.trim_ascii().is_empty() {
            continue;
        }
        import.counts.lines += 1;
        match import.take(&line).await {
            Ok(None) => {}
            Ok(Some(told)) => break told,
            Err(failure) => {
                import.is_over = true;
                break import.counts.told(Some(&failure), false);
            }
        }
        if import.counts.lines.is_multiple_of(PROGRESS) {
            break import.counts.told(None, false);
        }
    };
    Ok(Some((Bytes::from(told), import)))
}

impl Import {
    async fn line(&mut self) -> Result<Option<Bytes>, Failure> {
        let limits = self.exchange.app.body_limits();
        let line = self.sent.line(limits.bytes_max, limits.pause).await;
        line.map_err(|error| Failure::of_body(error, limits.bytes_max))
    }

    /// Writes a line; what is told of it, where it is refused.
    ///
    /// # Errors
    /// The caller is not registered any more, or its refusal cannot be recorded: the import ends.
    async fn take(&mut self, line: &[u8]) -> Result<Option<String>, Failure> {
        self.caller = self.caller.at_this_moment(&self.exchange.app).await?;
        let mut target = Target::new(Act::new("C", "create"), "", "");
        match write(&self.exchange, &self.caller, line, &mut target).await {
            Ok(Became::Created) => self.counts.created += 1,
            Ok(Became::Found) => self.counts.found += 1,
            Ok(Became::Updated) => self.counts.updated += 1,
            Err(failure) => {
                self.exchange.record_refusal(&self.caller, &target, &failure).await?;
                self.counts.refused += 1;
                let status = failure.status().as_u16();
                let outcome: Value = serde_json::from_str(&failure.outcome()).unwrap_or_default();
                return Ok(Some(parameters(&[
                    json!({"name": "line", "valueInteger": self.counts.lines}),
                    json!({"name": "status", "valueInteger": status}),
                    json!({"name": "outcome", "resource": outcome}),
                ])));
            }
        }
        Ok(None)
    }
}

/// Writes a line as if it had been sent alone; the target is named as soon as it is known.
async fn write(exchange: &Exchange, caller: &Caller, line: &[u8], target: &mut Target) -> Result<Became, Failure> {
    let head: Head = serde_json::from_slice(line)
        .map_err(|_| Failure::content("resourceType", "structure", "a line is a resource in JSON"))?;
    let id = head.id.unwrap_or_default();
    let act = if id.is_empty() { Act::new("C", "create") } else { Act::new("U", "update") };
    *target = Target::new(act, &head.resource_type, &id);
    let resource_type = exchange.served_at(&head.resource_type, &id)?;
    let interaction = if id.is_empty() { Interaction::Create } else { Interaction::Update };
    caller.may(resource_type, interaction)?;
    let content = read_of_type(line, resource_type, exchange.app.limits.nesting_max)?;
    if !id.is_empty() {
        update::commit(exchange, caller, resource_type, &id, &content, None).await?;
        return Ok(Became::Updated);
    }
    let condition = by_identifier(&content.value);
    let written = create::commit(exchange, caller, resource_type, &content, condition.as_deref(), None).await?;
    Ok(if written.status.as_u16() == 201 { Became::Created } else { Became::Found })
}

/// The condition by which a line finds what was imported of it before: its first identifier that has a system.
fn by_identifier(resource: &Value) -> Option<String> {
    let identifier = &resource["identifier"];
    let one = identifier.as_array().into_iter().flatten().chain(Some(identifier));
    let named = one.filter_map(|one| Some((one["system"].as_str()?, one["value"].as_str()?)));
    let escape = |text: &str| {
        text.chars()
            .flat_map(|one| matches!(one, ',' | '|' | '$' | '\\').then_some('\\').into_iter().chain([one]))
            .collect::<String>()
    };
    named.take(1).next().map(|(system, value)| {
        let token = format!("{}|{}", escape(system), escape(value));
        form_urlencoded::Serializer::new(String::new()).append_pair("identifier", &token).finish()
    })
}

impl Counts {
    /// How far the import is, and at its end why it ended, if not because it was whole.
    fn told(self, failure: Option<&Failure>, is_whole: bool) -> String {
        let number = |name: &str, value: u64| json!({"name": name, "valueInteger": value});
        let mut members = vec![
            number("lines", self.lines),
            number("created", self.created),
            number("found", self.found),
            number("updated", self.updated),
            number("refused", self.refused),
            json!({"name": "complete", "valueBoolean": is_whole}),
        ];
        if let Some(failure) = failure {
            let outcome: Value = serde_json::from_str(&failure.outcome()).unwrap_or_default();
            members.push(json!({"name": "outcome", "resource": outcome}));
        }
        parameters(&members)
    }
}

fn parameters(members: &[Value]) -> String {
    format!("{}\n", json!({"resourceType": "Parameters", "parameter": members}))
}

impl Sent {
    /// The next line, without its end; none after the last.
    async fn line(&mut self, bytes_max: usize, pause: std::time::Duration) -> Result<Option<Bytes>, BodyError> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let length = searched + at;
                if length > bytes_max {
                    return Err(BodyError::TooLong);
                }
                let line = self.buffer.split_to(length + 1);
                return Ok(Some(line.freeze().slice(..length)));
            }
            searched = self.buffer.len();
            if searched > bytes_max {
                return Err(BodyError::TooLong);
            }
            if self.is_whole {
                let rest = self.buffer.split().freeze();
                return Ok(Some(rest).filter(|rest| !rest.is_empty()));
            }
            let Ok(next) = timeout(pause, self.body.frame()).await else { return Err(BodyError::TooSlow) };
            match next {
                None => self.is_whole = true,
                Some(Err(_)) => return Err(BodyError::BrokenOff),
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
                    self.left = self.left.checked_sub(bytes).ok_or(BodyError::TooLong)?;
                    self.buffer.extend_from_slice(&data);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use axum::body::{Body, Bytes};
    use bytes::BytesMut;
    use futures_util::stream;
    use serde_json::json;

    use super::{Sent, by_identifier};
    use crate::bodies::BodyError;

    fn sent(parts: &[&'static str], left: u64) -> Sent {
        let parts: Vec<Result<Bytes, Infallible>> =
            parts.iter().map(|part| Ok(Bytes::from_static(part.as_bytes()))).collect();
        Sent { body: Body::from_stream(stream::iter(parts)), buffer: BytesMut::new(), left, is_whole: false }
    }

    async fn lines(mut sent: Sent, bytes_max: usize) -> Result<Vec<String>, BodyError> {
        let mut lines = Vec::new();
        while let Some(line) = sent.line(bytes_max, Duration::from_secs(5)).await? {
            lines.push(String::from_utf8_lossy(&line).into_owned());
        }
        Ok(lines)
    }

    #[tokio::test]
    async fn lines_are_cut_wherever_the_parts_end_and_held_to_their_limits() {
        for (parts, expected) in [
            (&["a\nb\n"][..], &["a", "b"][..]),
            (&["a", "\n", "b"], &["a", "b"]),
            (&["ab\ncd", "e\n\n", "f"], &["ab", "cde", "", "f"]),
            (&[], &[]),
        ] {
            assert_eq!(lines(sent(parts, 100), 10).await.expect("within the limits"), expected);
        }
        for long in ["abcdef", "abcdef\n", "a\nbcdefg\n"] {
            assert_eq!(lines(sent(&[long], 100), 5).await, Err(BodyError::TooLong), "{long}");
        }
        assert_eq!(lines(sent(&["a\n", "b\n", "c\n"], 5), 10).await, Err(BodyError::TooLong));
    }

    #[test]
    fn a_line_is_found_again_by_an_identifier_with_a_system() {
        let of = |identifier: serde_json::Value| by_identifier(&json!({"identifier": identifier}));
        assert_eq!(
            of(json!([{"value": "1"}, {"system": "urn:s", "value": "a,b"}])).as_deref(),
            Some("identifier=urn%3As%7Ca%5C%2Cb")
        );
        assert_eq!(of(json!({"system": "urn:s", "value": "1"})).as_deref(), Some("identifier=urn%3As%7C1"));
        assert_eq!((of(json!([{"value": "1"}])), of(json!(null))), (None, None));
    }
}
