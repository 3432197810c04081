//! Waiting rooms: which organisations are behind one, and which of them the patient's Consents permit.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::access::{Caller, Draft};
use crate::app::Registry;
use crate::consent::{
    Consent, Decision, Identities, Permit, Purpose, Reason, Refusal, Request, Teams, decide_all, deciding, explain,
};
use crate::error::Failure;
use crate::labels::ResourceFacts;
use crate::storage::registry::Organization;
use crate::storage::write_set::ResourceKey;

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

/// Who registers or bills does not decide where somebody goes: a role with a limit has no part in referrals.
///
/// # Errors
/// 403.
pub(super) fn refuse_beyond_role(draft: &Draft<'_>, compartment: &str) -> Result<(), Failure> {
    if draft.caller.role().may_refer() {
        return Ok(());
    }
    let refusal = Refusal::BeyondRole;
    Err(Failure::refused(refusal.code(), refusal.sentence(), None).about(compartment))
}

/// What a referral cannot go without, and on which it is therefore decided: the Patient, the order, and the Task that carries it. What
/// else of the record its receiver sees is decided for each resource when it is read.
#[derive(Debug)]
pub(super) struct Dossier {
    /// The Consents of the record.
    consents: Vec<Consent>,
    /// The teams that they name.
    teams: Teams,
    /// The facts of each part.
    parts: Vec<ResourceFacts>,
}

impl Dossier {
    /// The Patient and the order of a referral.
    ///
    /// # Errors
    /// The database is away.
    pub(super) async fn of(draft: &mut Draft<'_>, compartment: &str, order: &str) -> Result<Self, Failure> {
        let consents = draft.consents(compartment).await?;
        let teams = draft.teams(compartment, &consents).await?;
        let mut parts = Vec::new();
        for (resource_type, id) in [("Patient", compartment), ("ServiceRequest", order)] {
            let key = ResourceKey { compartment: compartment.to_owned(), resource_type, id: id.to_owned() };
            parts.push(draft.facts(&key, &consents).await?);
        }
        Ok(Self { consents, teams, parts })
    }

    /// With a further resource that goes with it, as it is kept.
    pub(super) async fn with(mut self, draft: &Draft<'_>, key: &ResourceKey) -> Result<Self, Failure> {
        self.parts.push(draft.facts(key, &self.consents).await?);
        Ok(self)
    }

    /// With a further resource that would be made.
    pub(super) async fn with_made(
        mut self,
        draft: &Draft<'_>,
        key: &ResourceKey,
        value: &Value,
    ) -> Result<Self, Failure> {
        self.parts.push(draft.facts_of(key, value, &self.consents).await?);
        Ok(self)
    }
}

/// Decides whether an organisation may have what a referral cannot go without.
pub(super) fn decide_for(registry: &Registry, organization: &Organization, dossier: &Dossier, now_ms: i64) -> Decision {
    let Identities { grantees, former_teams } = dossier.teams.identities(registry.grantees(organization), now_ms);
    match Purpose::from_code(REFERRAL_PURPOSE) {
        Some(purpose) => {
            let request = Request { grantees: &grantees, former_teams: &former_teams, purpose };
            decide_all(request, &dossier.parts, &dossier.consents, now_ms)
        }
        None => Decision::Deny(Reason::NoConsent),
    }
}

/// The Consents on which the refusal of a room rests, each once: those by which each organisation behind it is refused a part of
/// the dossier for this reason. Asked only once it is refused.
pub(super) fn refusing_consents(draft: &Draft<'_>, dossier: &Dossier, room: &str, reason: Reason) -> Vec<String> {
    let (registry, now_ms) = (&draft.caller.registry, draft.caller.now_ms);
    let Some(purpose) = Purpose::from_code(REFERRAL_PURPOSE) else { return Vec::new() };
    let mut ids = BTreeSet::new();
    for organization in organizations(registry, room).unwrap_or_default() {
        let Identities { grantees, former_teams } = dossier.teams.identities(registry.grantees(organization), now_ms);
        let request = Request { grantees: &grantees, former_teams: &former_teams, purpose };
        for facts in &dossier.parts {
            let (decision, account) = explain(request, facts, &dossier.consents, now_ms);
            if decision == Decision::Deny(reason) {
                ids.extend(deciding(&decision, &account).into_iter().map(|considered| considered.consent.0.clone()));
            }
        }
    }
    ids.into_iter().collect()
}

/// Decides whether a room may be offered the record: at least one organisation behind it must be permitted, and only those
/// who are will see that something waits. `sender` is `organization/<id>`.
///
/// # Errors
/// The reason that says most.
pub(super) fn decide_for_room(
    draft: &Draft<'_>,
    dossier: &Dossier,
    room: &str,
    sender: &str,
) -> Result<Permit, Reason> {
    let registry = &draft.caller.registry;
    let mut reason = Reason::NoConsent;
    let behind = organizations(registry, room).unwrap_or_default();
    // A sender that is of the pool itself is not asked: it holds the record.
    for organization in behind.into_iter().filter(|other| sender != format!("organization/{}", other.id)) {
        match decide_for(registry, organization, dossier, draft.caller.now_ms) {
            Decision::Permit(permit) => return Ok(permit),
            Decision::Deny(other) => reason = reason.min(other),
        }
    }
    Err(reason)
}
