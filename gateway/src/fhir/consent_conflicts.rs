//! What a written Consent does to the contradictions of its record: new ones are recorded and told, old ones end.

use std::collections::BTreeSet;

use crate::access::Draft;
use crate::access::caller::Act;
use crate::app::Registry;
use crate::audit::AuditEvent;
use crate::consent::{Basis, Conflict, Consent, ConsentId, Grant, Grantee, LawRule, conflicts, grants};
use crate::error::Failure;
use crate::storage::conflict::StoredConflict;
use crate::storage::delivery::NewDelivery;
use crate::storage::write_set::{ConflictRow, ResourceKey, VersionId};

/// The act in the trail.
const ACT: Act = Act::new("E", "consent-conflict");
/// On what it rests that a contradiction is noted, whoever wrote.
const CONFLICT_RULE: LawRule = LawRule("consent-conflict");
/// The kind of notice that the custodian's data steward gets.
const NOTICE: &str = "consent-conflict";

/// After the rules of some Consents of a record changed in the draft, deletion and withdrawal included. No Consent of a draft
/// comes here twice.
///
/// # Errors
/// The database is away.
pub async fn detect(draft: &mut Draft<'_>, compartment: &str, changed: &BTreeSet<ConsentId>) -> Result<(), Failure> {
    let rules = rules(draft, compartment).await?;
    let registry = &draft.caller.registry;
    let found = conflicts(changed, &rules, draft.caller.now_ms, &|grantee| identities(registry, grantee));
    let stored = draft.app.store.consent_conflicts(compartment, false).await?;
    let is_of = |one: &&StoredConflict| changed.iter().any(|id| one.permit_consent == id.0 || one.deny_consent == id.0);
    let of_these: Vec<&StoredConflict> = stored.iter().filter(is_of).collect();
    let is_same = |found: &Conflict, one: &StoredConflict| {
        found.permit.0 == one.permit_consent
            && found.deny.0 == one.deny_consent
            && found.grantee.as_str() == one.grantee
    };
    for over in of_these.iter().filter(|one| !found.iter().any(|found| is_same(found, one))) {
        draft.set.resolved_conflicts.push((compartment.to_owned(), over.id.clone(), draft.caller.now_ms));
    }
    let fresh: Vec<Conflict> =
        found.into_iter().filter(|found| !of_these.iter().any(|one| is_same(found, one))).collect();
    let is_told = |id: &&ConsentId| fresh.iter().any(|one| one.permit == **id || one.deny == **id);
    let told: Vec<ConsentId> = changed.iter().filter(is_told).cloned().collect();
    for Conflict { permit, deny, grantee } in fresh {
        draft.set.conflicts.push(ConflictRow {
            compartment: compartment.to_owned(),
            id: AuditEvent::fresh_id(),
            permit_consent: permit.0,
            deny_consent: deny.0,
            grantee: grantee.to_string(),
            detected_ms: draft.caller.now_ms,
        });
    }
    void_notices(draft, compartment, &stored);
    for id in told {
        tell(draft, &ResourceKey { compartment: compartment.to_owned(), resource_type: "Consent", id: id.0 }).await?;
    }
    Ok(())
}

/// A notice is of the Consent whose write made a contradiction. Once that Consent contradicts none any more, what still waits does
/// not leave; `stored` are the contradictions that lasted before the draft.
fn void_notices(draft: &mut Draft<'_>, compartment: &str, stored: &[StoredConflict]) {
    let set = &mut draft.set;
    let is_over = |one: &StoredConflict| set.resolved_conflicts.iter().any(|(_, id, _)| *id == one.id);
    let (over, lasting): (Vec<_>, Vec<_>) = stored.iter().partition(|one| is_over(one));
    let begun = set.conflicts.iter().filter(|one| one.compartment == compartment);
    let begun = begun.flat_map(|one| [&one.permit_consent, &one.deny_consent]);
    let pair = |one: &&'_ StoredConflict| [one.permit_consent.clone(), one.deny_consent.clone()];
    let contradicting: BTreeSet<String> = lasting.iter().flat_map(pair).chain(begun.cloned()).collect();
    let done: BTreeSet<String> = over.iter().flat_map(pair).collect();
    let key =
        |id: &String| ResourceKey { compartment: compartment.to_owned(), resource_type: "Consent", id: id.clone() };
    set.voided_deliveries.extend(done.difference(&contradicting).map(key));
}

/// One notice and one event a write, however many it contradicts: what they are is read by the operation `$conflicts`.
async fn tell(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<(), Failure> {
    let Some(record) = draft.record(&key.compartment).await? else { return Ok(()) };
    let partner = record.facts.custodian.clone();
    let version = draft.pending("Consent", &key.id).map_or(VersionId(0), |resource| resource.version);
    draft.set.deliveries.push(NewDelivery {
        compartment: key.compartment.clone(),
        id: AuditEvent::fresh_id(),
        partner,
        kind: NOTICE.into(),
        resource_type: "Consent",
        resource_id: key.id.clone(),
        version,
        due_ms: draft.caller.now_ms,
    });
    draft.note(ACT, &Basis::Law { rule: CONFLICT_RULE }, key);
    Ok(())
}

/// The rules of every Consent of the record, as the draft would leave them.
async fn rules(draft: &mut Draft<'_>, compartment: &str) -> Result<Vec<(ConsentId, Grant)>, Failure> {
    let consents = draft.consents(compartment).await?;
    let of = |consent: &Consent| {
        let id = consent.id.clone();
        grants(consent).into_iter().map(move |grant| (id.clone(), grant)).collect::<Vec<_>>()
    };
    Ok(consents.iter().flat_map(of).collect())
}

/// All identities of whoever is meant: an organisation is of a kind, and a practitioner of an organisation.
fn identities(registry: &Registry, grantee: &Grantee) -> Vec<Grantee> {
    let of_organization = |id: &str| registry.organization(id).map(|organization| registry.grantees(organization));
    match grantee.as_str().split_once('/') {
        None => Vec::new(),
        Some(("organization", id)) => of_organization(id).unwrap_or_else(|| vec![grantee.clone()]),
        Some(("practitioner", id)) => {
            let practitioner = registry.practitioner(id);
            let mut all = practitioner.and_then(|one| of_organization(&one.organization_id)).unwrap_or_default();
            all.push(grantee.clone());
            all
        }
        Some(_) => vec![grantee.clone()],
    }
}
