//! The delete interaction. A deletion is a version like any other; what was there stays in the history.
//!
//! <https://hl7.org/fhir/R4/http.html#delete>

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::answer::{Written, version_headers};
use super::create::written;
use super::exchange::{Exchange, Target};
use super::follow::settle;
use super::update::if_match;
use super::write::delete as delete_in;
use crate::access::caller::Act;
use crate::access::{Caller, Draft, attempts};
use crate::auth::Interaction;
use crate::error::Failure;
use crate::storage::write_set::{ResourceKey, VersionId};

/// `DELETE [base]/[type]/[id]`
pub async fn delete(exchange: Exchange, resource_type: String, id: String) -> Response<Body> {
    let target = Target::new(Act::new("D", "delete"), &resource_type, &id);
    exchange
        .answer(target, async |exchange, caller| {
            let resource_type = exchange.served(&resource_type)?;
            caller.may(resource_type, Interaction::Delete)?;
            let if_match = if_match(exchange)?;
            let written = commit(exchange, caller, resource_type, &id, if_match).await?;
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            version_headers(&mut response, written.version, written.last_updated_ms);
            Ok(response)
        })
        .await
}

/// Deletes one resource and commits it, deciding again where what it was decided on moved.
///
/// # Errors
/// Every failure of a write.
pub async fn commit(
    exchange: &Exchange,
    caller: &Caller,
    resource_type: &'static str,
    id: &str,
    if_match: Option<VersionId>,
) -> Result<Written, Failure> {
    attempts!(&exchange.app, caller, |draft| {
        let key = delete_in(draft, resource_type, id, if_match).await?;
        finish(exchange, draft, &key).await
    })
}

/// Commits a draft that deletes one resource.
///
/// # Errors
/// Every failure of a write.
pub async fn finish(exchange: &Exchange, draft: &mut Draft<'_>, key: &ResourceKey) -> Result<Written, Failure> {
    settle(draft).await?;
    let written = written(draft, key, StatusCode::NO_CONTENT)?;
    exchange.app.store.apply(draft.finish()).await?;
    Ok(written)
}
