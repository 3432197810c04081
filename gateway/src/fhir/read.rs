//! The read and vread interactions.
//!
//! <https://hl7.org/fhir/R4/http.html#read>

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::answer::{moment, resource, version_headers, version_of};
use super::audit_event;
use super::exchange::{Exchange, Target};
use super::search::{pairs_of, refuse, restriction};
use crate::access::Caller;
use crate::access::caller::Act;
use crate::auth::Interaction;
use crate::error::{Failure, Issue};
use crate::search::query::{Criterion, Query};
use crate::search::result::{View, view};
use crate::storage::resource::Seen;
use crate::storage::write_set::VersionId;

/// `GET [base]/[type]/[id]`
pub async fn read(exchange: Exchange, resource_type: String, id: String) -> Response<Body> {
    let act = Act::new("R", "read");
    let target = Target::new(act, &resource_type, &id);
    exchange
        .answer(target, async |exchange, caller| {
            let resource_type = exchange.served(&resource_type)?;
            let reach = caller.reach(resource_type, Interaction::Read)?;
            let restriction = restriction(exchange, resource_type, &reach)?;
            if resource_type == "AuditEvent" {
                return audit_event::read(exchange, caller, &id).await;
            }
            let view = view_of(resource_type, exchange.uri.query().unwrap_or_default())?;
            if let Some(restriction) = restriction {
                let seen = seen_within(exchange, caller, (resource_type, id), restriction).await?;
                return show(exchange, seen, &view);
            }
            let store = &exchange.app.store;
            let found = store.read(caller.viewer(), resource_type, &id).await?;
            let seen = store.record(found, |touched| caller.shown(act, touched), Vec::new()).await?;
            show(exchange, seen, &view)
        })
        .await
}

/// A resource that a search for what the token's scopes are restricted to finds.
async fn seen_within(
    exchange: &Exchange,
    caller: &Caller,
    (resource_type, id): (&'static str, String),
    restriction: Criterion,
) -> Result<Option<Seen>, Failure> {
    let store = &exchange.app.store;
    let query = Query { ids: Some(vec![id]), criteria: vec![restriction], count: 1, ..Query::everything() };
    let found = store.search(&caller.viewer(), resource_type, &query, (None, usize::MAX), false).await?;
    let act = Act::new("R", "read");
    let page = store.record(found, |touched| caller.shown(act, touched), Vec::new()).await?;
    Ok(page.matches.into_iter().next())
}

/// How much of a resource a query asks: `_summary` and `_elements` are taken by reads, too.
///
/// # Errors
/// 400 for a value that there is not, and for a number where there is nothing to count.
pub fn view_of(resource_type: &str, query: &str) -> Result<View, Failure> {
    let pairs = pairs_of(query);
    if pairs.iter().any(|(name, value)| name == "_summary" && value == "count") {
        let details = "only a search is answered by a number: ask for true, text, data or false";
        return Err(Failure::BadRequest(vec![Issue::at("_summary", "value", details)]));
    }
    view(&[resource_type], &pairs).map_err(refuse)
}

/// A resource, with as much of it as its query asks, for an entry of a Bundle.
///
/// # Errors
/// 404 where it does not exist for the caller, 410 where it was deleted.
pub async fn one(
    exchange: &Exchange,
    caller: &Caller,
    resource_type: &'static str,
    (id, query): (&str, &str),
) -> Result<Seen, Failure> {
    let view = view_of(resource_type, query)?;
    let store = &exchange.app.store;
    let found = store.read(caller.viewer(), resource_type, id).await?;
    let act = Act::new("R", "read");
    let seen = store.record(found, |touched| caller.shown(act, touched), Vec::new()).await?;
    match seen {
        Some(mut seen) if !seen.deleted => {
            seen.body = view.of(&seen.body).into_owned();
            Ok(seen)
        }
        Some(_) => Err(Failure::Gone),
        None => Err(Failure::NotFound),
    }
}

/// `GET [base]/[type]/[id]/_history/[vid]`
pub async fn vread(exchange: Exchange, resource_type: String, id: String, version: String) -> Response<Body> {
    let act = Act::new("R", "vread");
    let target = Target::new(act, &resource_type, &id);
    exchange
        .answer(target, async |exchange, caller| {
            let resource_type = exchange.served(&resource_type)?;
            caller.may(resource_type, Interaction::Read)?;
            let version = VersionId::parse(&version).ok_or(Failure::NotFound)?;
            let view = view_of(resource_type, exchange.uri.query().unwrap_or_default())?;
            show(exchange, version_seen(exchange, caller, act, resource_type, &id, version).await?, &view)
        })
        .await
}

async fn version_seen(
    exchange: &Exchange,
    caller: &Caller,
    act: Act,
    resource_type: &'static str,
    id: &str,
    version: VersionId,
) -> Result<Option<Seen>, Failure> {
    let store = &exchange.app.store;
    let found = store.vread(&caller.viewer(), resource_type, id, version).await?;
    Ok(store.record(found, |touched| caller.shown(act, touched), Vec::new()).await?)
}

/// Whether one of the tags of an `If-None-Match` is of this version.
pub fn names_version(tags: &str, version: VersionId) -> bool {
    tags.trim() == "*" || tags.split(',').any(|tag| version_of(tag) == Some(version))
}

/// Whether the client knows this version: by its tag or, only where it sends none, by its time, which HTTP tells to the second.
///
/// <https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2>
fn is_known(exchange: &Exchange, seen: &Seen) -> bool {
    if let Some(tags) = exchange.header("if-none-match") {
        return names_version(tags, seen.version);
    }
    let since = exchange.header("if-modified-since").and_then(|date| httpdate::parse_http_date(date).ok());
    since.is_some_and(|since| moment(seen.last_updated_ms - seen.last_updated_ms.rem_euclid(1_000)) <= since)
}

/// Sight comes before `If-None-Match`: a 304 would tell that an invisible resource exists. The `ETag` is that of the version, however
/// much of it is shown: it is weak.
fn show(exchange: &Exchange, seen: Option<Seen>, view: &View) -> Result<Response<Body>, Failure> {
    let mut seen = seen.ok_or(Failure::NotFound)?;
    if seen.deleted {
        return Err(Failure::Gone);
    }
    if is_known(exchange, &seen) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        version_headers(&mut response, seen.version, seen.last_updated_ms);
        return Ok(response);
    }
    if *view != View::Whole {
        seen.body = view.of(&seen.body).into_owned();
    }
    Ok(resource(seen))
}
