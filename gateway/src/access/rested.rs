//! On which Consents accesses of the past rested: decided once more, on the Consents as they were at the time.
//!
//! An access is not slowed by finding out which Consent opened it; whoever reads the trail waits for that instead.

use std::collections::BTreeMap;

use super::draft::Draft;
use crate::audit::event::StoredEvent;
use crate::consent::{self, Basis, Consent, ConsentId, Decision, Grantee, Identities, Purpose, Request, permitting};
use crate::error::Failure;
use crate::search::parameters::type_name;
use crate::storage::facts::ConsentVersion;
use crate::storage::write_set::ResourceKey;

/// What [`crate::audit::event::AuditEvent::basis`] is of an access by consent.
const BY_CONSENT: &str = "consent";

impl Draft<'_> {
    /// Names in each event the Consents by which it was permitted, where it rested on consent. An access to one resource is
    /// decided as `$explain` does, with what the resource is about now; a search names whatever permitted the party something of
    /// the type.
    ///
    /// # Errors
    /// The database is away.
    pub async fn name_consents(&mut self, events: &mut [StoredEvent]) -> Result<(), Failure> {
        let mut by_record: BTreeMap<String, Vec<&mut StoredEvent>> = BTreeMap::new();
        for event in events.iter_mut().filter(|event| event.basis == BY_CONSENT && event.consents.is_empty()) {
            by_record.entry(event.compartment.clone()).or_default().push(event);
        }
        for (compartment, events) in by_record {
            let latest_ms = events.iter().map(|event| event.recorded_ms).max().unwrap_or_default();
            let versions = self.app.store.consent_versions(&compartment, latest_ms).await?;
            for event in events {
                let consents = self.consents_at(&versions, event.recorded_ms);
                let found = self.permitting(event, &consents).await?;
                let ids: Vec<String> = found.into_iter().map(|id| id.0).collect();
                event.consents = ids.join(" ");
            }
        }
        Ok(())
    }

    /// The Consents of a record as they stood at a moment; `versions` are the newest first.
    fn consents_at(&self, versions: &[ConsentVersion], at_ms: i64) -> Vec<Consent> {
        let mut current: BTreeMap<&str, &ConsentVersion> = BTreeMap::new();
        for version in versions.iter().filter(|version| version.recorded_ms <= at_ms) {
            current.entry(&version.id).or_insert(version);
        }
        let read = |version: &&ConsentVersion| {
            let value = serde_json::from_str(version.body.as_deref()?).ok()?;
            Some(self.read_consent(ConsentId(version.id.clone()), &value))
        };
        current.values().filter_map(read).collect()
    }

    async fn permitting(&mut self, event: &StoredEvent, consents: &[Consent]) -> Result<Vec<ConsentId>, Failure> {
        let Some(purpose) = Purpose::from_code(&event.purpose) else { return Ok(Vec::new()) };
        let registry = &self.caller.registry;
        let organization =
            registry.organizations().find(|one| Grantee::organization(&one.id).as_str() == event.organization);
        let mut grantees = organization.map(|organization| registry.grantees(organization)).unwrap_or_default();
        grantees.extend(event.practitioner.strip_prefix("practitioner/").map(Grantee::practitioner));
        let teams = self.teams(&event.compartment, consents).await?;
        let Identities { grantees, former_teams } = teams.identities(grantees, event.recorded_ms);
        let request = Request { grantees: &grantees, former_teams: &former_teams, purpose };
        if let Some(resource_type) = type_name(&event.resource_type).filter(|_| !event.resource_id.is_empty()) {
            let key =
                ResourceKey { compartment: event.compartment.clone(), resource_type, id: event.resource_id.clone() };
            let facts = self.facts(&key, consents).await?;
            if let Decision::Permit(permit) = consent::decide(request, &facts, consents, event.recorded_ms)
                && let Basis::Consent { consents } = permit.basis()
            {
                return Ok(consents.clone());
            }
        }
        Ok(permitting(consents, &request, &event.resource_type, event.recorded_ms))
    }
}
