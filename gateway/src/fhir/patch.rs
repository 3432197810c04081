//! The patch interaction: an update whose content is made from what the caller sees.
//!
//! It is decided, labelled, checked and recorded as an update. Its tests tell what a resource says, so it asks for the right to read as well, and
//! is applied only for whoever may write. <https://hl7.org/fhir/R4/http.html#patch>

use axum::body::Body;
use axum::http::{Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::answer::Written;
use super::change::{self, Change, failure, patch_limits};
use super::content::{read_of_type, structure};
use super::create::{RequestKey, kept, key_of};
use super::exchange::{Exchange, Target};
use super::update::if_match;
use super::write::update as update_in;
use crate::access::caller::Act;
use crate::access::{Caller, attempts};
use crate::auth::Interaction;
use crate::error::Failure;
use crate::storage::write_set::VersionId;
use mappings::patch::Patch;

/// How the trail calls it.
pub const PATCH: Act = Act::new("U", "patch");
/// The media type of a JSON Patch.
pub const JSON_PATCH: &str = "application/json-patch+json";

/// `PATCH [base]/[type]/[id]`
pub async fn patch(exchange: Exchange, resource_type: String, id: String, body: Body) -> Response<Body> {
    let target = Target::new(PATCH, &resource_type, &id);
    exchange
        .answer(target, async |exchange, caller| {
            let resource_type = exchange.served(&resource_type)?;
            may_patch(caller, resource_type)?;
            let (patch, bytes) = sent(exchange, body).await?;
            let key = key_of(exchange, &["PATCH", resource_type, &id], &bytes)?;
            let _at_work = key.as_ref().map(|key| key.begin(exchange, caller)).transpose()?;
            let if_match = if_match(exchange)?;
            let written = commit(exchange, caller, (resource_type, &id), &patch, if_match, key.as_ref()).await?;
            Ok(written.into_response(exchange.base(), exchange.prefer()))
        })
        .await
}

/// Holds the caller to the scopes of a patch.
///
/// # Errors
/// [`Failure::Forbidden`].
pub fn may_patch(caller: &Caller, resource_type: &str) -> Result<(), Failure> {
    caller.may(resource_type, Interaction::Update)?;
    caller.may(resource_type, Interaction::Read)
}

/// The patch that was sent, with its bytes.
///
/// # Errors
/// 415 for another media type; 400, 413 and 422 for what is no patch.
pub async fn sent(exchange: &Exchange, body: Body) -> Result<(Patch, axum::body::Bytes), Failure> {
    let media_type = exchange.header("content-type").unwrap_or_default();
    let is_json_patch = bare(media_type) == JSON_PATCH;
    if !is_json_patch && !exchange.sends_json() {
        return Err(Failure::NoPatch);
    }
    let bytes = exchange.bytes(body).await?;
    let limits = patch_limits(exchange);
    let patch = if is_json_patch {
        Patch::of_json(&bytes, limits).map_err(failure)?
    } else {
        let parameters = read_of_type(&bytes, "Parameters", limits.depth_max)?;
        Patch::of_parameters(&parameters.text, limits).map_err(failure)?
    };
    Ok((patch, bytes))
}

/// The patch in an entry of a Bundle: Parameters, or a Binary that holds a JSON Patch.
///
/// # Errors
/// 422 for any other resource; 400, 413 and 422 for what is no patch.
pub fn in_entry(exchange: &Exchange, resource: Option<&str>) -> Result<Patch, Failure> {
    let text = resource.ok_or_else(|| Failure::content("resource", "required", "this entry needs a resource"))?;
    let value: Value = serde_json::from_str(text).map_err(|_| Failure::Internal("an entry of a Bundle is not JSON"))?;
    structure(&value, "")?;
    let limits = patch_limits(exchange);
    let member = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let details = match member("resourceType") {
        "Parameters" => return Patch::of_parameters(text, limits).map_err(failure),
        "Binary" if bare(member("contentType")) == JSON_PATCH => {
            let data: String = member("data").chars().filter(|character| !character.is_ascii_whitespace()).collect();
            return match STANDARD.decode(data) {
                Ok(bytes) => Patch::of_json(&bytes, limits).map_err(failure),
                Err(_) => Err(Failure::content("Binary.data", "value", "must be base64")),
            };
        }
        _ => "a PATCH entry holds Parameters, or a Binary of application/json-patch+json",
    };
    Err(Failure::content("resource", "not-supported", details))
}

/// Patches one resource and commits it, deciding again where what it was decided on moved.
///
/// # Errors
/// Every failure of a write.
pub async fn commit(
    exchange: &Exchange,
    caller: &Caller,
    (resource_type, id): (&'static str, &str),
    patch: &Patch,
    if_match: Option<VersionId>,
    request_key: Option<&RequestKey>,
) -> Result<Written, Failure> {
    attempts!(&exchange.app, caller, |draft| {
        if let Some(request_key) = request_key
            && let Some(kept) = kept(exchange, caller, request_key).await?
        {
            return Ok(kept);
        }
        let key = update_in(draft, resource_type, id, Change::Patch(patch), if_match).await?;
        change::commit(exchange, draft, &key, StatusCode::OK, request_key).await
    })
}

fn bare(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
