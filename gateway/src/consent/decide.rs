//! The decision: may this caller, for this purpose, at this moment, read what these Consents are about?
//!
//! It is taken from the provisions as they were written, not from the rules into which they are flattened for storage: so each
//! of the two accounts checks the other.

use std::collections::BTreeSet;

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

/// Decides a request over all Consents of a record, whatever their status and in whatever order.
///
/// Any deny denies; else any permit permits; else the answer is no.
pub fn decide(request: Request, consents: &[Consent], at_ms: i64) -> Decision {
    let active = || consents.iter().filter(|consent| consent.status == Status::Active);
    let mut permitting: BTreeSet<&ConsentId> = BTreeSet::new();
    for consent in active() {
        match outcome(consent, request, at_ms) {
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
    Decision::Deny(reason(request, consents, at_ms))
}

/// Whether any Consent in force denies the request.
pub(super) fn denies(request: Request, consents: &[Consent], at_ms: i64) -> bool {
    let mut active = consents.iter().filter(|consent| consent.status == Status::Active);
    active.any(|consent| outcome(consent, request, at_ms) == Some(ProvisionType::Deny))
}

/// Why nothing permits, given that nothing denies.
fn reason(request: Request, consents: &[Consent], at_ms: i64) -> Reason {
    let active = || consents.iter().filter(|consent| consent.status == Status::Active);
    let permits = |consent: &Consent, request: Request, at_ms: i64| {
        outcome(consent, request, at_ms) == Some(ProvisionType::Permit)
    };
    let permits_when = |is_when: &dyn Fn(i64) -> bool| {
        active().any(|consent| {
            turning_moments(consent).into_iter().filter(|ms| is_when(*ms)).any(|ms| permits(consent, request, ms))
        })
    };
    let was_withdrawn = |consent: &&Consent| consent.status == Status::Inactive;
    if consents.iter().filter(was_withdrawn).any(|consent| permits(consent, request, at_ms)) {
        return Reason::Withdrawn;
    }
    if permits_when(&|ms| ms < at_ms) {
        return Reason::Expired;
    }
    if permits_when(&|ms| ms > at_ms) {
        return Reason::NotYetInForce;
    }
    let permits_otherwise =
        |consent: &Consent| Purpose::all().any(|purpose| permits(consent, Request { purpose, ..request }, at_ms));
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
fn outcome(consent: &Consent, request: Request, at_ms: i64) -> Option<ProvisionType> {
    let root = consent.provision.as_ref()?;
    if !root.period.contains(at_ms) {
        return None;
    }
    let nested = |wanted| root.nested.iter().filter(move |nested| nested.provision_type == Some(wanted));
    let is_own_match = |nested: &Provision| matches_instead_of(nested, root, request, at_ms);
    let root_matches = root.names_actor(request.grantees) && root.names_purpose(request.purpose);
    // Among siblings a deny wins, whatever the root says.
    if nested(ProvisionType::Deny).any(is_own_match) {
        return Some(ProvisionType::Deny);
    }
    match root.provision_type {
        Some(ProvisionType::Permit) => {
            (root_matches || nested(ProvisionType::Permit).any(is_own_match)).then_some(ProvisionType::Permit)
        }
        Some(ProvisionType::Deny) if root_matches => {
            let is_excepted = nested(ProvisionType::Permit).any(|nested| matches_within(nested, request, at_ms));
            Some(if is_excepted { ProvisionType::Permit } else { ProvisionType::Deny })
        }
        Some(ProvisionType::Deny) => None,
        None => nested(ProvisionType::Permit).any(is_own_match).then_some(ProvisionType::Permit),
    }
}

/// Whether a nested provision matches on its own, with the root's elements where it has none itself.
fn matches_instead_of(nested: &Provision, root: &Provision, request: Request, at_ms: i64) -> bool {
    let of_actor = if nested.actors.is_some() { nested } else { root };
    let of_purpose = if nested.purposes.is_some() { nested } else { root };
    nested.period.contains(at_ms) && of_actor.names_actor(request.grantees) && of_purpose.names_purpose(request.purpose)
}

/// Whether a nested provision matches a request that its root matches already.
fn matches_within(nested: &Provision, request: Request, at_ms: i64) -> bool {
    nested.period.contains(at_ms) && nested.names_actor(request.grantees) && nested.names_purpose(request.purpose)
}
