//! Waiting rooms: which organisations are behind one, and which of them the patient's Consents permit.

use std::collections::BTreeSet;

use crate::access::{Caller, Draft};
use crate::app::Registry;
use crate::consent::{Consent, Decision, Permit, Purpose, Reason, Request, decide, deciding, explain};
use crate::error::Failure;
use crate::storage::registry::Organization;

/// What a referral discloses the record for.
pub(super) const REFERRAL_PURPOSE: &str = "TREAT";

/// The organisations behind a room: itself, or the members of the pool. None where nobody registered it.
pub(super) fn organizations<'a>(registry: &'a Registry, room: &str) -> Option<Vec<&'a Organization>> {
    match room.split_once('/')? {
        ("organization", id) => Some(vec![registry.organization(id)?]),
        ("pool", id) => {
            registry.pool(id)?;
            Some(registry.members(id).collect())
        }
        _ => None,
    }
}

/// The kind of organisation that a room is for: the care step.
pub(super) fn kind(registry: &Registry, room: &str) -> String {
    let kind = match room.split_once('/') {
        Some(("organization", id)) => registry.organization(id).map(|organization| organization.kind.clone()),
        Some(("pool", id)) => registry.pool(id).map(|pool| pool.kind.clone()),
        _ => None,
    };
    kind.unwrap_or_else(|| "unknown".to_owned())
}

/// Whether the caller is one of the room.
pub(super) fn is_of_room(caller: &Caller, room: &str) -> bool {
    room == caller.organization()
        || room
            .strip_prefix("pool/")
            .is_some_and(|pool| caller.registry.pools_of(caller.organization_id()).any(|id| id == pool))
}

/// Decides whether an organisation may have the record for a referral.
pub(super) fn decide_for(
    registry: &Registry,
    organization: &Organization,
    consents: &[Consent],
    now_ms: i64,
) -> Decision {
    let grantees = registry.grantees(organization);
    match Purpose::from_code(REFERRAL_PURPOSE) {
        Some(purpose) => decide(Request { grantees: &grantees, purpose }, consents, now_ms),
        None => Decision::Deny(Reason::NoConsent),
    }
}

/// The Consents on which the refusal of a room rests, each once: those by which each organisation behind it is refused for this
/// reason. Asked only once it is refused.
pub(super) async fn refusing_consents(
    draft: &mut Draft<'_>,
    compartment: &str,
    room: &str,
    reason: Reason,
) -> Result<Vec<String>, Failure> {
    let consents = draft.consents(compartment).await?;
    let registry = &draft.caller.registry;
    let Some(purpose) = Purpose::from_code(REFERRAL_PURPOSE) else { return Ok(Vec::new()) };
    let mut ids = BTreeSet::new();
    for organization in organizations(registry, room).unwrap_or_default() {
        let grantees = registry.grantees(organization);
        let (decision, account) = explain(Request { grantees: &grantees, purpose }, &consents, draft.caller.now_ms);
        if decision == Decision::Deny(reason) {
            ids.extend(deciding(&decision, &account).into_iter().map(|considered| considered.consent.0.clone()));
        }
    }
    Ok(ids.into_iter().collect())
}

/// Decides whether a room may be offered the record: at least one organisation behind it must be permitted, and only those
/// who are will see that something waits. `sender` is `organization/<id>`.
///
/// # Errors
/// The database is away. The inner error is the reason that says most.
pub(super) async fn decide_for_room(
    draft: &mut Draft<'_>,
    compartment: &str,
    room: &str,
    sender: &str,
) -> Result<Result<Permit, Reason>, Failure> {
    let consents = draft.consents(compartment).await?;
    let registry = &draft.caller.registry;
    let mut reason = Reason::NoConsent;
    let behind = organizations(registry, room).unwrap_or_default();
    // A sender that is of the pool itself is not asked: it holds the record.
    for organization in behind.into_iter().filter(|other| sender != format!("organization/{}", other.id)) {
        match decide_for(registry, organization, &consents, draft.caller.now_ms) {
            Decision::Permit(permit) => return Ok(Ok(permit)),
            Decision::Deny(other) => reason = reason.min(other),
        }
    }
    Ok(Err(reason))
}
