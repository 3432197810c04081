//! The update interaction. An update never creates: ids are the gateway's own.
//!
//! <https://hl7.org/fhir/R4/http.html#update>

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::answer::{Written, version_of};
use super::change::{self, Change};
use super::content::read_of_type;
use super::exchange::{Exchange, Target};
use super::write::update as update_in;
use crate::access::caller::Act;
use crate::access::draft::Content;
use crate::access::{Caller, attempts};
use crate::auth::Interaction;
use crate::error::{Failure, Issue};
use crate::storage::write_set::VersionId;

/// `PUT [base]/[type]/[id]`
pub async fn update(exchange: Exchange, resource_type: String, id: String, body: Body) -> Response<Body> {
    let target = Target::new(Act::new("U", "update"), &resource_type, &id);
    exchange
        .answer(target, async |exchange, caller| {
            let resource_type = exchange.served(&resource_type)?;
            caller.may(resource_type, Interaction::Update)?;
            let bytes = exchange.body(body).await?;
            let content = read_of_type(&bytes, resource_type, exchange.app.limits.nesting_max)?;
            let if_match = if_match(exchange)?;
            let written = commit(exchange, caller, resource_type, &id, &content, if_match).await?;
            Ok(written.into_response(exchange.base(), exchange.prefer()))
        })
        .await
}

/// Updates one resource and commits it, deciding again where what it was decided on moved.
///
/// # Errors
/// Every failure of a write.
pub async fn commit(
    exchange: &Exchange,
    caller: &Caller,
    resource_type: &'static str,
    id: &str,
    content: &Content,
    if_match: Option<VersionId>,
) -> Result<Written, Failure> {
    attempts!(&exchange.app, caller, |draft| {
        let key = update_in(draft, resource_type, id, Change::Whole(content.clone()), if_match).await?;
        change::commit(exchange, draft, &key, StatusCode::OK, None).await
    })
    .map_err(|failure| if matches!(failure, Failure::NotFound) { Failure::NothingToUpdate } else { failure })
}

/// The version in `If-Match`, if one was sent.
///
/// # Errors
/// 400 where it is not a version of ours.
pub fn if_match(exchange: &Exchange) -> Result<Option<VersionId>, Failure> {
    exchange.header("if-match").map(|etag| parse_if_match(etag, "If-Match")).transpose()
}

/// Reads a version tag that a client sent.
///
/// # Errors
/// 412: what is not a version of ours cannot be the current one.
pub fn parse_if_match(etag: &str, expression: &str) -> Result<VersionId, Failure> {
    if etag.is_empty() {
        return Err(Failure::BadRequest(vec![Issue::at(expression, "value", "must be an ETag: W/\"version\"")]));
    }
    version_of(etag).ok_or(Failure::PreconditionFailed)
}
