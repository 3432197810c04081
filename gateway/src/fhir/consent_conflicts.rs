//! What a written Consent does to the contradictions of its record: new ones are recorded and told, old ones end.

use crate::access::Draft;
use crate::access::caller::Act;
use crate::app::Registry;
use crate::audit::AuditEvent;
use crate::consent::{Conflict, ConsentId, Effect, Grant, Grantee, conflicts};
use crate::error::Failure;
use crate::storage::conflict::StoredConflict;
use crate::storage::write_set::{ConflictRow, GrantRow, NewDelivery, ResourceKey, VersionId};

/// The act in the trail.
const ACT: Act = Act::new("E", "consent-conflict");
/// The kind of notice that the custodian's data steward gets.
const NOTICE: &str = "consent-conflict";

/// After the rules of a Consent changed in the draft, deletion and withdrawal included.
///
/// # Errors
/// The database is away.
pub async fn detect(draft: &mut Draft<'_>, key: &ResourceKey) -> Result<(), Failure> {
    // An earlier entry of a transaction may have found one that this write ends, or finds again.
    draft.set.conflicts.retain(|one| one.permit_consent != key.id && one.deny_consent != key.id);
    let id = ConsentId(key.id.clone());
    let registry = &draft.caller.registry;
    let grants = grants(draft, &key.compartment).await?;
    let found = conflicts(&id, &grants, draft.caller.now_ms, &|grantee| identities(registry, grantee));
    let stored = draft.app.store.consent_conflicts(&key.compartment, false).await?;
    let of_this = stored.iter().filter(|one| one.permit_consent == key.id || one.deny_consent == key.id);
    let is_same = |found: &Conflict, one: &StoredConflict| {
        found.permit.0 == one.permit_consent
            && found.deny.0 == one.deny_consent
            && found.grantee.as_str() == one.grantee
    };
    let lasting = |one: &&StoredConflict| found.iter().any(|found| is_same(found, one));
    let lasting: Vec<&String> = of_this.clone().filter(lasting).map(|one| &one.id).collect();
    draft.set.resolved_conflicts.retain(|(_, id, _)| !lasting.contains(&id));
    for over in of_this.clone().filter(|one| !found.iter().any(|found| is_same(found, one))) {
        draft.set.resolved_conflicts.push((key.compartment.clone(), over.id.clone(), draft.caller.now_ms));
    }
    let fresh: Vec<Conflict> =
        found.into_iter().filter(|found| !of_this.clone().any(|one| is_same(found, one))).collect();
    if fresh.is_empty() {
        return Ok(());
    }
    for Conflict { permit, deny, grantee } in fresh {
        draft.set.conflicts.push(ConflictRow {
            compartment: key.compartment.clone(),
            id: AuditEvent::fresh_id(),
            permit_consent: permit.0,
            deny_consent: deny.0,
            grantee: grantee.to_string(),
            detected_ms: draft.caller.now_ms,
        });
    }
    tell(draft, key).await
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
        kind: NOTICE,
        resource_type: "Consent",
        resource_id: key.id.clone(),
        version,
        due_ms: draft.caller.now_ms,
    });
    draft.note(ACT, "law", key);
    Ok(())
}

/// The rules of every Consent of the record, as the draft would leave them.
async fn grants(draft: &Draft<'_>, compartment: &str) -> Result<Vec<(ConsentId, Grant)>, Failure> {
    let mut rows = draft.app.store.grant_rows(compartment).await?;
    let is_dropped = |row: &GrantRow| {
        draft.set.dropped_grants.iter().any(|(of, consent)| of == compartment && *consent == row.consent_id)
    };
    rows.retain(|row| !is_dropped(row));
    rows.extend(draft.set.grants.iter().filter(|row| row.compartment == compartment).cloned());
    Ok(rows.into_iter().map(grant).collect())
}

fn grant(row: GrantRow) -> (ConsentId, Grant) {
    let ordinal = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    let effect = match (row.effect, row.excepts) {
        ("permit", _) => Effect::Permit,
        ("exception", Some(of)) => Effect::Exception { of: ordinal(of) },
        _ => Effect::Deny,
    };
    let grant = Grant {
        rule: ordinal(row.rule),
        effect,
        grantee: Grantee::from_stored(row.grantee),
        purposes: row.purposes,
        from_ms: row.from_ms,
        until_ms: row.until_ms,
    };
    (ConsentId(row.consent_id), grant)
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
