//! On which Consents accesses of the past rested: decided once more, on the Consents as they were at the time.
//!
//! An access is not slowed by finding out which Consent opened it; whoever reads the trail waits for that instead. Writes know on
//! what they rest, and their events have it already.

use std::collections::BTreeMap;

use super::draft::Draft;
use crate::audit::event::StoredEvent;
use crate::consent::{
    self, Basis, Consent, ConsentId, Decision, Grantee, Identities, Purpose, Request, Teams, permitting,
};
use crate::error::Failure;
use crate::search::parameters::type_name;
use crate::storage::facts::ConsentVersion;
use crate::storage::write_set::{ResourceKey, VersionId};

/// What [`crate::audit::event::AuditEvent::basis`] is of an access by consent.
const BY_CONSENT: &str = "consent";
/// The acts that show one resource.
const OF_ONE: [&str; 3] = ["read", "vread", "history-instance"];
/// The acts that show as many as there are; their events name one of them.
const OF_MANY: [&str; 5] = ["search-type", "search-system", "history-type", "history-system", "transaction"];
/// Versions of Consents that one page of the trail looks into: what rests on further ones stays unnamed.
const VERSIONS_MAX: usize = 300;

/// The Consents of one record, as they were.
struct Past {
    versions: Vec<ConsentVersion>,
    read: BTreeMap<(String, VersionId), Option<Consent>>,
    teams: Teams,
    /// What was found for the same question.
    found: BTreeMap<Vec<String>, Vec<ConsentId>>,
}

impl Draft<'_> {
    /// Names in each event the Consents by which it was permitted, where it showed something by consent. An access to one
    /// resource is decided as `$explain` does, with what the resource is about now and with the teams of now; a search names
    /// whatever permitted the party something of the type.
    ///
    /// # Errors
    /// The database is away.
    pub async fn name_consents(&mut self, events: &mut [StoredEvent]) -> Result<(), Failure> {
        let mut by_record: BTreeMap<String, Vec<&mut StoredEvent>> = BTreeMap::new();
        let is_unnamed = |event: &&mut StoredEvent| event.basis == BY_CONSENT && event.consents.is_empty();
        for event in events.iter_mut().filter(is_unnamed) {
            by_record.entry(event.compartment.clone()).or_default().push(event);
        }
        for (compartment, events) in by_record {
            let moments: Vec<i64> = events.iter().map(|event| event.recorded_ms).collect();
            let mut past = self.past(&compartment, &moments).await?;
            for event in events {
                let found = self.rested(&mut past, event).await?;
                let ids: Vec<String> = found.into_iter().map(|id| id.0).collect();
                event.consents = ids.join(" ");
            }
        }
        Ok(())
    }

    /// The Consents of a record as they were at these moments, each version read once.
    async fn past(&mut self, compartment: &str, moments: &[i64]) -> Result<Past, Failure> {
        let latest_ms = moments.iter().copied().max().unwrap_or_default();
        let versions = self.app.store.consent_versions(compartment, latest_ms).await?;
        let mut read = BTreeMap::new();
        for at_ms in moments {
            for version in current(&versions, *at_ms) {
                let key = (version.id.clone(), version.version);
                if version.is_deleted || read.contains_key(&key) || read.len() == VERSIONS_MAX {
                    continue;
                }
                let body = self.app.store.consent_body(compartment, &version.id, version.version).await?;
                let value = body.and_then(|body| serde_json::from_str(&body).ok());
                let consent = value.map(|value| self.read_consent(ConsentId(version.id.clone()), &value));
                read.insert(key, consent);
            }
        }
        let all: Vec<Consent> = read.values().flatten().cloned().collect();
        Ok(Past { versions, read, teams: self.teams(compartment, &all).await?, found: BTreeMap::new() })
    }

    async fn rested(&mut self, past: &mut Past, event: &StoredEvent) -> Result<Vec<ConsentId>, Failure> {
        let is_of_one = OF_ONE.contains(&event.subtype.as_str());
        let purpose =
            Purpose::from_code(&event.purpose).filter(|_| is_of_one || OF_MANY.contains(&event.subtype.as_str()));
        let Some(purpose) = purpose else { return Ok(Vec::new()) };
        let versions: Vec<&ConsentVersion> = current(&past.versions, event.recorded_ms);
        let read = |version: &&ConsentVersion| past.read.get(&(version.id.clone(), version.version))?.clone();
        let consents: Vec<Consent> = versions.iter().filter_map(read).collect();
        let identities = self.identities(&past.teams, event);
        let id = if is_of_one { event.resource_id.clone() } else { String::new() };
        let mut question = vec![event.purpose.clone(), event.resource_type.clone(), id];
        question.extend(identities.grantees.iter().map(ToString::to_string));
        question.extend(identities.former_teams.iter().map(ToString::to_string));
        question.extend(versions.iter().map(|version| version.version.to_string()));
        // A period that began or ended between two accesses makes another question of the second.
        question.push(consents.iter().map(|consent| in_force(consent, event.recorded_ms)).collect());
        if let Some(found) = past.found.get(&question) {
            return Ok(found.clone());
        }
        let request = Request { grantees: &identities.grantees, former_teams: &identities.former_teams, purpose };
        let found = match type_name(&event.resource_type).filter(|_| is_of_one) {
            Some(resource_type) => {
                let (compartment, id) = (event.compartment.clone(), event.resource_id.clone());
                let facts = self.facts(&ResourceKey { compartment, resource_type, id }, &consents).await?;
                match consent::decide(request, &facts, &consents, event.recorded_ms) {
                    Decision::Permit(permit) => match permit.basis() {
                        Basis::Consent { consents } => consents.clone(),
                        _ => Vec::new(),
                    },
                    // What it is about has changed since, or somebody is not registered any more: nothing is guessed.
                    Decision::Deny(_) => Vec::new(),
                }
            }
            None => permitting(&consents, &request, &event.resource_type, event.recorded_ms),
        };
        past.found.insert(question, found.clone());
        Ok(found)
    }

    fn identities(&self, teams: &Teams, event: &StoredEvent) -> Identities {
        let registry = &self.caller.registry;
        let organization =
            registry.organizations().find(|one| Grantee::organization(&one.id).as_str() == event.organization);
        let mut grantees = organization.map(|organization| registry.grantees(organization)).unwrap_or_default();
        grantees.extend(event.practitioner.strip_prefix("practitioner/").map(Grantee::practitioner));
        teams.identities(grantees, event.recorded_ms)
    }
}

/// The version of each Consent at a moment; `versions` are the newest first.
fn current(versions: &[ConsentVersion], at_ms: i64) -> Vec<&ConsentVersion> {
    let mut current: BTreeMap<&str, &ConsentVersion> = BTreeMap::new();
    for version in versions.iter().filter(|version| version.recorded_ms <= at_ms) {
        current.entry(&version.id).or_insert(version);
    }
    current.into_values().collect()
}

/// Which provisions are within their periods, a digit each.
fn in_force(consent: &Consent, at_ms: i64) -> String {
    let root = consent.provision.iter();
    let provisions = root.flat_map(|root| std::iter::once(root).chain(&root.nested));
    provisions.map(|provision| if provision.period.contains(at_ms) { '1' } else { '0' }).collect()
}
