//! What a resource entails once it is put: grants, placements, what is registered and what is billed, all in the same write set.

use serde_json::Value;

use super::consent_data::resolved;
use super::{consent_conflicts, representative, subscription};
use crate::access::Draft;
use crate::billing;
use crate::consent::{self, ActorReference, ConsentId, Grantee, Status, grants};
use crate::error::{Failure, Issue};
use crate::referral;
use crate::storage::write_set::ResourceKey;
use crate::tdi;

/// What a resource of this type entails once it is put; `before` is what it said until now.
pub(super) async fn follow(draft: &mut Draft<'_>, key: &ResourceKey, before: Option<&Value>) -> Result<(), Failure> {
    match key.resource_type {
        "Consent" => write_grants(draft, key).await,
        "QuestionnaireResponse" => tdi::on_response(draft, key).await,
        "Encounter" => {
            tdi::on_encounter(draft, key).await?;
            billing::on_contact(draft, key).await
        }
        "Claim" => billing::on_claim(draft, key).await,
        "RelatedPerson" => representative::write(draft, key).await,
        "CareTeam" | "Group" => follow_team(draft, key).await,
        "Task" => referral::intake::on_task(draft, key).await,
        "ServiceRequest" if is_same_order(draft, key, before) => Ok(()),
        "ServiceRequest" => referral::place::on_order(draft, key).await,
        _ => subscription::follow(draft, key).await,
    }
}

/// What waits for members of a CareTeam waits for nobody where they are not of it any more. What a Group changes is seen and
/// decided at the next look, in whichever records name it.
pub(super) async fn follow_team(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<(), Failure> {
    draft.put_team(key).await?;
    if key.resource_type == "CareTeam" {
        draft.changed_rules.entry(key.compartment.clone()).or_default();
    }
    Ok(())
}

/// What the Consents and teams that changed do to what waits and to what contradicts: for all of them together, before whatever
/// rests on them and before the draft is finished.
///
/// # Errors
/// The database is away, or what waits moved meanwhile.
pub async fn settle(draft: &mut Draft<'_>) -> Result<(), Failure> {
    for (compartment, consents) in std::mem::take(&mut draft.changed_rules) {
        if !consents.is_empty() {
            consent_conflicts::detect(draft, &compartment, &consents).await?;
        }
        referral::withdraw::on_consents(draft, &compartment).await?;
        subscription::on_consents(draft, &compartment, &consents).await?;
    }
    Ok(())
}

/// The teams that a Consent may name, of those that it does.
async fn teams_of(draft: &mut Draft<'_>, key: &ResourceKey, consent: &Value) -> Result<Vec<Grantee>, Failure> {
    let mut teams = Vec::new();
    for literal in consent::team_references(consent) {
        teams.extend(draft.team(&key.compartment, literal).await?);
    }
    Ok(teams)
}

/// Whether an update of an order leaves to whom it goes as it was: then it is no new placement.
fn is_same_order(draft: &Draft<'_>, key: &ResourceKey, before: Option<&Value>) -> bool {
    let (Some(before), Some(after)) = (before, draft.pending(key.resource_type, &key.id)) else { return false };
    ["status", "performer"].iter().all(|name| before.get(*name) == after.value.get(*name))
}

pub(super) async fn drop_grants(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<(), Failure> {
    draft.move_record(&key.compartment).await?;
    draft.set.dropped_grants.push((key.compartment.clone(), key.id.clone()));
    draft.changed_rules.entry(key.compartment.clone()).or_default().insert(ConsentId(key.id.clone()));
    Ok(())
}

/// The rules of a Consent become access grants in the same write set, and a release ends for whomever it names anew.
async fn write_grants(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<(), Failure> {
    let Some(resource) = draft.pending("Consent", &key.id) else { return Ok(()) };
    let value = resource.value.clone();
    let teams = teams_of(draft, key, &value).await?;
    let registry = &draft.caller.registry;
    let registered = |actor: &ActorReference<'_>| match actor.team() {
        Some(team) => teams.contains(&team).then_some(team),
        None => registry.grantee(actor),
    };
    let consent = consent::read(ConsentId(key.id.clone()), &value, &registered).map_err(|issues| {
        let issue = |issue: consent::ConsentIssue| Issue::at(issue.expression, issue.code.as_str(), issue.details);
        Failure::Unprocessable(issues.into_iter().map(issue).collect())
    })?;
    if consent.status == Status::Active {
        resolved(draft, key, &value).await?;
    }
    let already = draft.app.store.permitted_grantees(&key.compartment, &key.id).await?;
    drop_grants(draft, key).await?;
    let grants = if consent.status == Status::Active { grants(&consent) } else { Vec::new() };
    for grant in &grants {
        // Anew means anew: to repeat what a Consent said already opens nothing that was closed since.
        let grantee = grant.grantee.as_str();
        let names_anew = grantee.starts_with("organization/") && already.iter().all(|other| other != grantee);
        if grant.effect == consent::Effect::Permit && names_anew {
            draft.set.lifted_releases.push((key.compartment.clone(), grant.grantee.to_string()));
        }
    }
    draft.set.grant(&key.compartment, &key.id, &grants);
    tdi::on_consent(draft, key).await
}
