//! What a resource is about as a draft would leave it: the facts on which the Consents of its record are decided.

use serde_json::Value;

use super::draft::Draft;
use crate::consent::{Consent, Meaning};
use crate::error::Failure;
use crate::labels::{Facts, ResourceFacts, Source, facts};
use crate::search::parameters::type_name;
use crate::storage::write_set::{Method, ResourceKey};

impl Draft<'_> {
    /// The facts of a resource, for a decision on these Consents. Of what is not there nothing is known, and that counts as most
    /// restricted.
    ///
    /// # Errors
    /// The database is away.
    pub async fn facts(&self, key: &ResourceKey, consents: &[Consent]) -> Result<ResourceFacts, Failure> {
        let facts = self.kept_facts(key).await?.unwrap_or(Facts::UNKNOWN);
        self.with_referring(key, &facts, consents).await
    }

    /// The facts that a resource would have which says this, written by the caller now.
    ///
    /// # Errors
    /// The database is away.
    pub async fn facts_of(
        &self,
        key: &ResourceKey,
        value: &Value,
        consents: &[Consent],
    ) -> Result<ResourceFacts, Failure> {
        let facts = self.computed_facts(key, value);
        self.with_referring(key, &facts, consents).await
    }

    /// The facts of what the caller writes now.
    pub(super) fn computed_facts(&self, key: &ResourceKey, value: &Value) -> Facts {
        let organization = self.caller.organization();
        let source = Source {
            id: &key.id,
            author: &organization,
            recorded_ms: self.caller.now_ms,
            base_url: &self.app.base_url,
        };
        facts(&self.app.labels, key.resource_type, value, source)
    }

    async fn kept_facts(&self, key: &ResourceKey) -> Result<Option<Facts>, Failure> {
        if let Some(pending) = self.pending(key.resource_type, &key.id)
            && pending.method != Method::Delete
        {
            return Ok(Some(pending.facts.clone()).filter(|_| pending.key == *key));
        }
        let located = self.app.store.locate(key.resource_type, &key.id).await?;
        Ok(located.filter(|located| located.key == *key).map(|located| located.facts))
    }

    /// Which of the resources that the Consents name refer to this one: that stands in them, not in it.
    async fn with_referring(
        &self,
        key: &ResourceKey,
        facts: &Facts,
        consents: &[Consent],
    ) -> Result<ResourceFacts, Failure> {
        let mut about = ResourceFacts::of(key.resource_type, &key.id, facts, self.app.labels.version());
        for reference in related(consents) {
            let Some((resource_type, id)) = reference.split_once('/') else { continue };
            let Some(resource_type) = type_name(resource_type) else { continue };
            let named_key = ResourceKey { compartment: key.compartment.clone(), resource_type, id: id.to_owned() };
            let Some(named_facts) = self.kept_facts(&named_key).await? else { continue };
            if named_facts.atoms.is_empty() {
                about.perhaps_referred_by.push(reference);
            } else if named_facts.atoms.contains(&format!(",refers|{}/{},", key.resource_type, key.id)) {
                about.referred_by.push(reference);
            }
        }
        Ok(about)
    }
}

/// The resources that the Consents name with what belongs to them.
fn related(consents: &[Consent]) -> Vec<String> {
    let provisions = consents.iter().filter_map(|consent| consent.provision.as_ref());
    let provisions = provisions.flat_map(|root| std::iter::once(root).chain(&root.nested));
    let data = provisions.filter_map(|provision| provision.about.data.as_ref()).flatten();
    data.filter(|data| data.meaning == Meaning::Related).map(|data| data.reference.clone()).collect()
}
