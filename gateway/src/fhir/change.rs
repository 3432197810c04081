//! What an update writes: all of a resource, or what a patch makes of what is there.

use axum::http::StatusCode;

use super::answer::Written;
use super::content::{must_be, read_of_type};
use super::create::{RequestKey, stored_body, written};
use super::exchange::Exchange;
use super::follow::settle;
use crate::access::Draft;
use crate::access::caller::Act;
use crate::access::draft::Content;
use crate::error::{Failure, Issue};
use crate::storage::write_set::ResourceKey;
use mappings::patch::{Patch, PatchError, PatchLimits};

/// What an update writes.
#[derive(Debug)]
pub enum Change<'p> {
    /// The resource as it was sent.
    Whole(Content),
    /// What a patch makes of what the caller sees.
    Patch(&'p Patch),
}

impl Change<'_> {
    /// How the trail calls it.
    pub fn act(&self) -> Act {
        match self {
            Self::Whole(_) => Act::new("U", "update"),
            Self::Patch(_) => Act::new("U", "patch"),
        }
    }

    /// Whether it makes something of what is stored.
    pub fn is_patch(&self) -> bool {
        matches!(self, Self::Patch(_))
    }

    /// Holds what was sent to its address; of a patch nothing is known before it is applied.
    ///
    /// # Errors
    /// 422 for another type, 400 for another id.
    pub fn fits(&self, resource_type: &str, id: &str) -> Result<(), Failure> {
        let Self::Whole(content) = self else { return Ok(()) };
        must_be(&content.value, resource_type)?;
        if content.value.get("id").and_then(serde_json::Value::as_str) != Some(id) {
            let details = "the id of the resource must be the one in its address";
            return Err(Failure::BadRequest(vec![Issue::at(format!("{resource_type}.id"), "invariant", details)]));
        }
        Ok(())
    }

    /// The content to write, where the caller sees the resource as `seen`. A patch is checked like what is sent whole.
    ///
    /// # Errors
    /// 422 where a patch does not apply or leaves no resource of this type; 413 where it grows beyond the limit.
    pub fn on(self, seen: &str, resource_type: &str, depth_max: usize) -> Result<Content, Failure> {
        match self {
            Self::Whole(content) => Ok(content),
            Self::Patch(patch) => {
                let patched = patch.apply(seen).map_err(failure)?;
                read_of_type(patched.as_bytes(), resource_type, depth_max)
            }
        }
    }
}

/// How much of a patch is too much here.
pub fn patch_limits(exchange: &Exchange) -> PatchLimits {
    let limits = &exchange.app.limits;
    PatchLimits {
        depth_max: limits.nesting_max,
        operations_max: limits.patch_operations_max,
        bytes_max: limits.body_bytes_max,
    }
}

/// What a client is told of a patch that is not applied.
pub fn failure(error: PatchError) -> Failure {
    let details = error.to_string();
    match error {
        PatchError::Json(_) => Failure::BadRequest(vec![Issue::new("structure", details)]),
        PatchError::Malformed { expression, .. } => {
            Failure::BadRequest(vec![Issue::at(expression, "structure", details)])
        }
        PatchError::TooMuch(_) => Failure::TooLarge(details),
        PatchError::NotServed { expression, .. } => Failure::content(expression, "not-supported", details),
        PatchError::DoesNotApply { expression, .. } => Failure::content(expression, "business-rule", details),
    }
}

/// Commits a draft that writes one resource, and answers it; its body only where the caller sees it afterwards too.
///
/// # Errors
/// Every failure of a write.
pub async fn commit(
    exchange: &Exchange,
    draft: &mut Draft<'_>,
    key: &ResourceKey,
    status: StatusCode,
    request_key: Option<&RequestKey>,
) -> Result<Written, Failure> {
    settle(draft).await?;
    let written = written(draft, key, status)?;
    if let Some(request_key) = request_key {
        draft.set.idempotency = Some(request_key.kept(draft.caller, &written));
    }
    let keeps_sight = draft.holds(&key.compartment) || draft.representation(&key.compartment).await?.reads();
    let set = draft.finish();
    let body = stored_body(&set, key).filter(|_| keeps_sight);
    exchange.app.store.apply(set).await?;
    Ok(Written { body, ..written })
}
