//! Access grants: the rows in which a Consent's rules are stored, and the in-memory twin of the join that reads them.

use crate::labels::{LabelSet, ResourceFacts};

use super::about::{Data, Meaning};
use super::decide::Request;
use super::grantee::Grantee;
use super::provision::{Consent, ConsentId, Status};
use super::purpose::PurposeSet;
use super::rules::{Effect, Rule};

/// One row: one rule for one grantee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The ordinal of the rule within its Consent.
    pub rule: i32,
    /// What the rule does.
    pub effect: Effect,
    /// Whom the row is about.
    pub grantee: Grantee,
    /// The bits of the purposes, see [`PurposeSet::bits`].
    pub purposes: i64,
    /// The first moment, in UTC milliseconds.
    pub from_ms: i64,
    /// The first moment after, in UTC milliseconds.
    pub until_ms: i64,
    /// The bits of the labels of which a resource must have one; all where none are named.
    pub labels: i64,
    /// The bits of the labels of which it must have none.
    pub uncovered: i64,
    /// The beginning of the data's time, UTC milliseconds.
    pub data_from_ms: i64,
    /// The first moment after it.
    pub data_until_ms: i64,
    /// The resource types, each between commas; empty for every type.
    pub types: String,
    /// The resources that the rule is about; empty for all. The rows of a rule have the same.
    pub data: Vec<Data>,
}

/// The rows of one Consent: one for each rule and grantee, none unless the Consent is active.
///
/// At most `(1 + NESTED_PROVISIONS_MAX) * ACTORS_MAX` rows.
pub fn grants(consent: &Consent) -> Vec<Grant> {
    consent.rules().iter().flat_map(rows).collect()
}

fn rows(rule: &Rule) -> impl Iterator<Item = Grant> {
    rule.grantees.iter().map(|grantee| Grant {
        rule: rule.ordinal,
        effect: rule.effect,
        grantee: grantee.clone(),
        purposes: rule.purposes.bits(),
        from_ms: rule.period.from_ms,
        until_ms: rule.period.until_ms,
        labels: rule.labels.bits(),
        uncovered: rule.uncovered.bits(),
        data_from_ms: rule.data_period.from_ms,
        data_until_ms: rule.data_period.until_ms,
        types: rule.types.as_ref().map(|types| format!(",{},", types.join(","))).unwrap_or_default(),
        data: rule.data.clone().unwrap_or_default(),
    })
}

/// Whether the grants of a record let a request pass: the in-memory twin of the SQL join.
///
/// The join says the same in the same order: *there is a permit that matches, or an exception that matches together with its deny;
/// and there is no deny that matches without an exception of it that matches*. A property test holds this function to
/// [`decide`](super::decide()); the storage tests hold the SQL to this function.
pub fn evaluate(grants: &[(ConsentId, Grant)], request: &Request, facts: &ResourceFacts, at_ms: i64) -> bool {
    let matching: Vec<_> = grants.iter().filter(|(_, grant)| grant.matches(request, facts, at_ms)).collect();
    let has_exception = |consent: &ConsentId, deny: i32| {
        matching.iter().any(|(other, grant)| other == consent && grant.effect.exception_of() == Some(deny))
    };
    let has_deny = |consent: &ConsentId, ordinal: i32| {
        matching.iter().any(|(other, grant)| other == consent && grant.effect == Effect::Deny && grant.rule == ordinal)
    };
    let is_permitted = matching.iter().any(|(consent, grant)| match grant.effect {
        Effect::Permit => true,
        Effect::Deny => false,
        Effect::Exception { of } => has_deny(consent, of),
    });
    let is_denied =
        matching.iter().any(|(consent, grant)| grant.effect == Effect::Deny && !has_exception(consent, grant.rule));
    is_permitted && !is_denied
}

/// The Consents that permit a party something of a type at a moment, whatever others deny: on which a search may have rested.
pub fn permitting(consents: &[Consent], request: &Request, resource_type: &str, at_ms: i64) -> Vec<ConsentId> {
    let permits = |grant: &Grant| {
        grant.effect != Effect::Deny && grant.is_for(request, at_ms) && grant.is_about_type(resource_type)
    };
    let active = consents.iter().filter(|consent| consent.status == Status::Active);
    active.filter(|consent| grants(consent).iter().any(permits)).map(|consent| consent.id.clone()).collect()
}

impl Grant {
    fn matches(&self, request: &Request, facts: &ResourceFacts, at_ms: i64) -> bool {
        self.is_for(request, at_ms) && self.is_about(facts)
    }

    /// Whether it is about who asks, why and when.
    fn is_for(&self, request: &Request, at_ms: i64) -> bool {
        self.from_ms <= at_ms
            && at_ms < self.until_ms
            && PurposeSet::from_bits(self.purposes).contains(request.purpose)
            && (self.grantee.covers(request.grantees)
                || (self.effect == Effect::Deny && self.grantee.covers(request.former_teams)))
    }

    fn is_about_type(&self, resource_type: &str) -> bool {
        self.types.is_empty() || self.types.contains(&format!(",{resource_type},"))
    }

    fn is_about(&self, facts: &ResourceFacts) -> bool {
        let is_deny = self.effect == Effect::Deny;
        let is_in_time = if is_deny {
            self.data_from_ms < facts.data.until_ms && facts.data.from_ms < self.data_until_ms
        } else {
            self.data_from_ms <= facts.data.from_ms && facts.data.until_ms <= self.data_until_ms
        };
        is_in_time
            && facts.labels.meets(LabelSet::from_bits(self.labels))
            && !facts.labels.meets(LabelSet::from_bits(self.uncovered))
            && self.is_about_type(&facts.resource_type)
            && (self.data.is_empty()
                || is_deny && facts.atoms.is_empty()
                || self.data.iter().any(|data| is_meant(data, facts, is_deny)))
    }
}

/// Whether an entry of `data` means a resource: as the join says it, by atoms.
fn is_meant(data: &Data, facts: &ResourceFacts, is_deny: bool) -> bool {
    let refers = facts.atoms.contains(&format!(",refers|{},", data.reference));
    let is_referred_to = || {
        facts.resource_type != "Patient"
            && (facts.referred_by.contains(&data.reference)
                || is_deny && facts.perhaps_referred_by.contains(&data.reference))
    };
    data.meaning != Meaning::AuthoredBy && data.reference == format!("{}/{}", facts.resource_type, facts.id)
        || matches!(data.meaning, Meaning::Related | Meaning::Dependents) && refers
        || data.meaning == Meaning::Related && is_referred_to()
        || data.meaning == Meaning::AuthoredBy && facts.atoms.contains(&format!(",by|{},", data.reference))
}
