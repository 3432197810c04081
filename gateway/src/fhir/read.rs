//! The read and vread interactions.
//!
//! <https://hl7.org/fhir/R4/http.html#read>

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::answer::{resource, version_headers, version_of};
use super::audit_event;
use super::exchange::{Exchange, Target};
use crate::access::Caller;
use crate::access::caller::Act;
use crate::auth::Interaction;
use crate::error::Failure;
use crate::storage::resource::Seen;
use crate::storage::write_set::VersionId;

/// `GET [base]/[type]/[id]`
pub async fn read(exchange: Exchange, resource_type: String, id: String) -> Response<Body> {
    let act = Act::new("R", "read");
    let target = Target::new(act, &resource_type, &id);
    exchange
        .answer(target, async |exchange, caller| {
            let resource_type = exchange.served(&resource_type)?;
            caller.may(resource_type, Interaction::Read)?;
            if resource_type == "AuditEvent" {
                return audit_event::read(exchange, caller, &id).await;
            }
            let store = &exchange.app.store;
            let found = store.read(caller.viewer(), resource_type, &id).await?;
            let seen = store.record(found, |touched| caller.shown(act, touched), Vec::new()).await?;
            show(exchange, seen)
        })
        .await
}

/// The stored bytes of a resource, for an entry of a Bundle.
///
/// # Errors
/// 404 where it does not exist for the caller, 410 where it was deleted.
pub async fn body(
    exchange: &Exchange,
    caller: &Caller,
    resource_type: &'static str,
    id: &str,
) -> Result<String, Failure> {
    let store = &exchange.app.store;
    let found = store.read(caller.viewer(), resource_type, id).await?;
    let act = Act::new("R", "read");
    let seen = store.record(found, |touched| caller.shown(act, touched), Vec::new()).await?;
    match seen {
        Some(seen) if !seen.deleted => Ok(seen.body),
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
            show(exchange, version_seen(exchange, caller, act, resource_type, &id, version).await?)
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

/// Sight comes before `If-None-Match`: a 304 would tell that an invisible resource exists.
fn show(exchange: &Exchange, seen: Option<Seen>) -> Result<Response<Body>, Failure> {
    let seen = seen.ok_or(Failure::NotFound)?;
    if seen.deleted {
        return Err(Failure::Gone);
    }
    if exchange.header("if-none-match").and_then(version_of) == Some(seen.version) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        version_headers(&mut response, seen.version, seen.last_updated_ms);
        return Ok(response);
    }
    Ok(resource(seen))
}
