//! Access grants: the rows in which a Consent's rules are stored, and the in-memory twin of the join that reads them.

use super::decide::Request;
use super::grantee::Grantee;
use super::provision::{Consent, ConsentId};
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
    })
}

/// Whether the grants of a record let a request pass: the in-memory twin of the SQL join.
///
/// The join says the same in the same order: *there is a permit that matches, or an exception that matches together with its deny;
/// and there is no deny that matches without an exception of it that matches*. A property test holds this function to
/// [`decide`](super::decide()); the storage tests hold the SQL to this function.
pub fn evaluate(grants: &[(ConsentId, Grant)], request: &Request, at_ms: i64) -> bool {
    let matching: Vec<_> = grants.iter().filter(|(_, grant)| grant.matches(request, at_ms)).collect();
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

impl Grant {
    fn matches(&self, request: &Request, at_ms: i64) -> bool {
        self.from_ms <= at_ms
            && at_ms < self.until_ms
            && PurposeSet::from_bits(self.purposes).contains(request.purpose)
            && (self.grantee.covers(request.grantees)
                || (self.effect == Effect::Deny && self.grantee.covers(request.former_teams)))
    }
}
