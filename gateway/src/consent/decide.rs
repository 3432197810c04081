//! The decision: may this caller, for this purpose, at this moment, read this resource of the record that these Consents are about?
//!
//! It is taken from the provisions as they were written, not from the rules into which they are flattened for storage: so each
//! of the two accounts checks the other.

use std::collections::BTreeSet;

use crate::labels::ResourceFacts;

use super::grantee::Grantee;
use super::permit::{Basis, Permit};
use super::provision::{Consent, ConsentId, Provision, ProvisionType, Status};
use super::purpose::Purpose;

/// Who asks, and what for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// All identities of the caller: its organisation, that organisation's kind, and the practitioner if one signed in.
    pub grantees: &'a [Grantee],
    /// The purpose for which the caller's client is registered, or that of an emergency session.
    pub purpose: Purpose,
}

/// The answer.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a decision that is not looked at decides nothing"]
pub enum Decision {
    /// Yes, with the Consents that it rests on.
    Permit(Permit),
    /// No.
    Deny(Reason),
}

/// Why not. A reason may be told only to who may read the Consents that it comes from; to others it is [`Reason::NoConsent`].
///
/// Where several apply, the first of this order is given: what the patient decided, then time, then what the caller can mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A deny matched.
    Excluded,
    /// A withdrawn Consent would permit had it not been withdrawn.
    Withdrawn,
    /// An active Consent would permit had its period not ended.
    Expired,
    /// An active Consent will permit when its period begins.
    NotYetInForce,
    /// An active Consent permits for another purpose.
    Purpose,
    /// None of these.
    NoConsent,
}

impl Reason {
    /// The stable code, for the audit trail and for clients.
    pub fn code(self) -> &'static str {
        match self {
            Self::Excluded => "excluded-by-patient",
            Self::Withdrawn => "consent-withdrawn",
            Self::Expired => "consent-expired",
            Self::NotYetInForce => "consent-not-yet-in-force",
            Self::Purpose => "purpose-not-permitted",
            Self::NoConsent => "no-consent",
        }
    }

    /// The reason as a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Excluded => "The patient excluded this recipient.",
            Self::Withdrawn => "The patient's consent was withdrawn.",
            Self::Expired => "The period of the patient's consent has ended.",
            Self::NotYetInForce => "The period of the patient's consent has not begun.",
            Self::Purpose => "The patient consented for another purpose.",
            Self::NoConsent => "There is no consent of the patient for this.",
        }
    }
}

/// Decides a request for a resource over all Consents of its record, whatever their status and in whatever order.
///
/// Any deny denies; else any permit permits; else the answer is no.
pub fn decide(request: Request, facts: &ResourceFacts, consents: &[Consent], at_ms: i64) -> Decision {
    let asked = Asked { request, facts };
    let active = || consents.iter().filter(|consent| consent.status == Status::Active);
    let mut permitting: BTreeSet<&ConsentId> = BTreeSet::new();
    for consent in active() {
        match outcome(consent, asked, at_ms) {
            Some(ProvisionType::Deny) => return Decision::Deny(Reason::Excluded),
            Some(ProvisionType::Permit) => {
                permitting.insert(&consent.id);
            }
            None => {}
        }
    }
    if !permitting.is_empty() {
        let consents = permitting.into_iter().cloned().collect();
        return Decision::Permit(Permit::on(Basis::Consent { consents }));
    }
    Decision::Deny(reason(asked, consents, at_ms))
}

/// Decides a request for several resources that only go together: each must be permitted. Of several reasons the first in their
/// order is given.
pub fn decide_all(request: Request, all: &[ResourceFacts], consents: &[Consent], at_ms: i64) -> Decision {
    let mut permitting: BTreeSet<ConsentId> = BTreeSet::new();
    let mut refused = if all.is_empty() { Some(Reason::NoConsent) } else { None };
    for facts in all {
        match decide(request, facts, consents, at_ms) {
            Decision::Permit(permit) => {
                if let Basis::Consent { consents } = permit.basis() {
                    permitting.extend(consents.iter().cloned());
                }
            }
            Decision::Deny(reason) => refused = Some(refused.map_or(reason, |other| other.min(reason))),
        }
    }
    match refused {
        Some(reason) => Decision::Deny(reason),
        None => Decision::Permit(Permit::on(Basis::Consent { consents: permitting.into_iter().collect() })),
    }
}

/// A request, and for what.
#[derive(Clone, Copy)]
struct Asked<'a> {
    request: Request<'a>,
    facts: &'a ResourceFacts,
}

/// Why nothing permits, given that nothing denies.
fn reason(asked: Asked, consents: &[Consent], at_ms: i64) -> Reason {
    let active = || consents.iter().filter(|consent| consent.status == Status::Active);
    let permits =
        |consent: &Consent, asked: Asked, at_ms: i64| outcome(consent, asked, at_ms) == Some(ProvisionType::Permit);
    let permits_when = |is_when: &dyn Fn(i64) -> bool| {
        active().any(|consent| {
            turning_moments(consent).into_iter().filter(|ms| is_when(*ms)).any(|ms| permits(consent, asked, ms))
        })
    };
    let was_withdrawn = |consent: &&Consent| consent.status == Status::Inactive;
    if consents.iter().filter(was_withdrawn).any(|consent| permits(consent, asked, at_ms)) {
        return Reason::Withdrawn;
    }
    if permits_when(&|ms| ms < at_ms) {
        return Reason::Expired;
    }
    if permits_when(&|ms| ms > at_ms) {
        return Reason::NotYetInForce;
    }
    let permits_otherwise = |consent: &Consent| {
        let otherwise = |purpose| Asked { request: Request { purpose, ..asked.request }, ..asked };
        Purpose::all().any(|purpose| permits(consent, otherwise(purpose), at_ms))
    };
    if active().any(permits_otherwise) {
        return Reason::Purpose;
    }
    Reason::NoConsent
}

/// The moments at which a period begins or has ended. Between two of them the outcome of a Consent never changes, so they stand
/// for all time.
fn turning_moments(consent: &Consent) -> BTreeSet<i64> {
    consent
        .provision
        .iter()
        .flat_map(|root| std::iter::once(root).chain(&root.nested))
        .flat_map(|provision| [provision.period.from_ms, provision.period.until_ms])
        .collect()
}

/// What one Consent says to a request, as if it were active; `None` where it is silent.
fn outcome(consent: &Consent, asked: Asked, at_ms: i64) -> Option<ProvisionType> {
    let root = consent.provision.as_ref()?;
    if !root.period.contains(at_ms) {
        return None;
    }
    let is_match = |provision: &Provision| matches_instead_of(provision, root, asked, at_ms);
    let any_nested =
        |wanted| root.nested.iter().any(|nested| nested.provision_type == Some(wanted) && is_match(nested));
    // Among siblings a deny wins, whatever the root says.
    if any_nested(ProvisionType::Deny) {
        return Some(ProvisionType::Deny);
    }
    match root.provision_type {
        Some(ProvisionType::Permit) => {
            (is_match(root) || any_nested(ProvisionType::Permit)).then_some(ProvisionType::Permit)
        }
        // A nested permit is an exception: it holds where the root denies, and nowhere else.
        Some(ProvisionType::Deny) if is_match(root) => {
            Some(if any_nested(ProvisionType::Permit) { ProvisionType::Permit } else { ProvisionType::Deny })
        }
        Some(ProvisionType::Deny) => None,
        None => any_nested(ProvisionType::Permit).then_some(ProvisionType::Permit),
    }
}

/// Whether a provision matches on its own, with the root's elements where it has none itself: a permit where it covers the
/// resource, a deny where it meets it.
fn matches_instead_of(provision: &Provision, root: &Provision, asked: Asked, at_ms: i64) -> bool {
    let of_actor = if provision.actors.is_some() { provision } else { root };
    let of_purpose = if provision.purposes.is_some() { provision } else { root };
    let about = provision.about.or(&root.about);
    provision.period.contains(at_ms)
        && of_actor.names_actor(asked.request.grantees)
        && of_purpose.names_purpose(asked.request.purpose)
        && match provision.provision_type {
            Some(ProvisionType::Permit) => about.covers(asked.facts),
            Some(ProvisionType::Deny) => about.meets(asked.facts),
            None => false,
        }
}
