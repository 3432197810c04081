//! `Patient/[id]/$access-log`: who accessed a record, when, for what and on which basis, and who was refused; page-ready JSON in
//! the reader's language.
//!
//! For the person, a representative who reads, and the custodian: exactly those who read the trail of the record as AuditEvents.

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use serde_json::{Value, json};

use crate::access::caller::Act;
use crate::access::{Caller, Draft};
use crate::audit::catalogue::{Catalogue, Language};
use crate::audit::words::entry;
use crate::auth::Interaction;
use crate::error::{Failure, Issue};
use crate::fhir::audit_event::names;
use crate::fhir::exchange::{Exchange, Target};
use crate::fhir::search::{name_of, pairs_of};
use crate::storage::audit::EventFilter;

const ACT: Act = Act::new("E", "access-log");
const NAME: &str = "$access-log";

/// What is asked of the log.
struct Asked {
    language: Language,
    count: u32,
    cursor: Option<String>,
}

/// `GET [base]/Patient/[id]/$access-log?language=&_count=&_cursor=`
pub async fn access_log(exchange: Exchange, id: String) -> Response<Body> {
    let target = Target::new(ACT, "Patient", &id);
    exchange
        .answer(target, async |exchange, caller| {
            caller.may("AuditEvent", Interaction::Search)?;
            let page = page(exchange, caller, &id).await?;
            let mut response = Response::new(Body::from(page.to_string()));
            let media_type = HeaderValue::from_static("application/json;charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, media_type);
            Ok(response)
        })
        .await
}

async fn page(exchange: &Exchange, caller: &Caller, id: &str) -> Result<Value, Failure> {
    let asked = asked(exchange)?;
    let bound_to = caller.bound_to(&name_of(NAME, &[("patient".to_owned(), id.to_owned())]));
    let before = match &asked.cursor {
        None => None,
        Some(cursor) => Some(
            exchange
                .app
                .cursor_key
                .open(&bound_to, cursor)
                .ok_or_else(|| refuse("_cursor", "value", "this page does not belong to this log"))?,
        ),
    };
    let filter = EventFilter { compartment: Some(id.to_owned()), before, count: asked.count, ..EventFilter::default() };
    let store = &exchange.app.store;
    let found = store.audit_events(&caller.viewer(), &filter).await?;
    let mut events = store.record(found, |touched| caller.shown(ACT, touched), Vec::new()).await?;
    // Every record has the event of its beginning: a log without any is one that the caller does not see.
    if events.is_empty() {
        return Err(Failure::NotFound);
    }
    let count = usize::try_from(asked.count).unwrap_or(usize::MAX);
    let more = events.len() > count;
    events.truncate(count);
    Draft::new(&exchange.app, caller).name_consents(&mut events).await?;
    let texts = Catalogue::of(asked.language);
    let entries: Vec<Value> = events.iter().map(|event| entry(event, names(&caller.registry, event), texts)).collect();
    let next = events.last().filter(|_| more).map(|event| {
        let cursor = exchange.app.cursor_key.seal(&bound_to, &event.id);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("language", asked.language.code()).append_pair("_count", &asked.count.to_string());
        let query = query.append_pair("_cursor", &cursor).finish();
        format!("{}/Patient/{id}/{NAME}?{query}", exchange.base())
    });
    Ok(json!({"patient": format!("Patient/{id}"), "language": asked.language.code(), "entries": entries, "next": next}))
}

fn asked(exchange: &Exchange) -> Result<Asked, Failure> {
    let limits = &exchange.app.limits;
    let language = Language::preferred(exchange.header("accept-language").unwrap_or_default());
    let mut asked = Asked { language, count: limits.search_count_default, cursor: None };
    for (name, value) in exchange.uri.query().map(pairs_of).unwrap_or_default() {
        match name.as_str() {
            "language" => {
                asked.language =
                    Language::from_code(&value).ok_or_else(|| refuse("language", "value", "must be nl, fr or en"))?;
            }
            "_count" => {
                let count: u32 = value
                    .parse()
                    .ok()
                    .filter(|count| *count > 0)
                    .ok_or_else(|| refuse("_count", "value", "must be a whole number, and more than 0"))?;
                asked.count = count.min(limits.search_count_max);
            }
            "_cursor" => asked.cursor = Some(value),
            "_format" | "_pretty" => {}
            _ => return Err(refuse(&name, "not-supported", "is not served here: language, _count and _cursor are")),
        }
    }
    Ok(asked)
}

fn refuse(parameter: &str, code: &'static str, details: &str) -> Failure {
    Failure::BadRequest(vec![Issue::at(parameter.chars().take(64).collect::<String>(), code, details)])
}
