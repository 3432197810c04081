//! The decision: may this caller, for this purpose, at this moment, read what these Consents are about?
//!
//! It is taken from the provisions as they were written, not from the rules into which they are flattened for storage: so each
//! of the two accounts checks the other.

use std::collections::BTreeSet;

use super::grantee::Grantee;
use super::permit::{Basis, Permit};
use super::provision::{Consent, ConsentId, Provision, ProvisionType, Status};
use super::purpose::Purpose;
use super::trace::{Considered, Element, ROOT, Trace, Unwatched, Verdict, Watch};

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
    decide_watched(request, consents, at_ms, &mut Unwatched)
}

/// The same decision, taken by the same evaluation, with its account: every Consent, in the order given, and what it says.
pub fn explain(request: Request, consents: &[Consent], at_ms: i64) -> (Decision, Vec<Considered>) {
    let mut trace = Trace::default();
    let decision = decide_watched(request, consents, at_ms, &mut trace);
    (decision, trace.0)
}

fn decide_watched<W: Watch>(request: Request, consents: &[Consent], at_ms: i64, watch: &mut W) -> Decision {
    let mut permitting: BTreeSet<&ConsentId> = BTreeSet::new();
    let mut is_denied = false;
    for consent in consents {
        watch.asks(consent);
        let said = if consent.status == Status::Active { outcome(consent, request, at_ms, watch) } else { None };
        match said {
            Some(ProvisionType::Deny) if !W::WHOLE => return Decision::Deny(Reason::Excluded),
            Some(ProvisionType::Deny) => is_denied = true,
            Some(ProvisionType::Permit) => {
                permitting.insert(&consent.id);
            }
            None => {}
        }
        if W::WHOLE {
            let silent = || Verdict::Silent(reason_of(consent, request, at_ms));
            watch.says(said.map_or_else(silent, Verdict::from));
        }
    }
    if is_denied {
        return Decision::Deny(Reason::Excluded);
    }
    if !permitting.is_empty() {
        let consents = permitting.into_iter().cloned().collect();
        return Decision::Permit(Permit::on(Basis::Consent { consents }));
    }
    // The order of the reasons is that of their declaration.
    let reasons = consents.iter().map(|consent| reason_of(consent, request, at_ms));
    Decision::Deny(reasons.min().unwrap_or(Reason::NoConsent))
}

/// Why one Consent does not permit, given that it does not deny.
fn reason_of(consent: &Consent, request: Request, at_ms: i64) -> Reason {
    let permits =
        |request: Request, at_ms: i64| outcome(consent, request, at_ms, &mut Unwatched) == Some(ProvisionType::Permit);
    let permits_when = |is_when: &dyn Fn(i64) -> bool| {
        turning_moments(consent).into_iter().filter(|ms| is_when(*ms)).any(|ms| permits(request, ms))
    };
    match consent.status {
        Status::Inactive if permits(request, at_ms) => Reason::Withdrawn,
        Status::Active if permits_when(&|ms| ms < at_ms) => Reason::Expired,
        Status::Active if permits_when(&|ms| ms > at_ms) => Reason::NotYetInForce,
        Status::Active if Purpose::all().any(|purpose| permits(Request { purpose, ..request }, at_ms)) => {
            Reason::Purpose
        }
        _ => Reason::NoConsent,
    }
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
fn outcome<W: Watch>(consent: &Consent, request: Request, at_ms: i64, watch: &mut W) -> Option<ProvisionType> {
    let root = consent.provision.as_ref()?;
    if !watch.element(ROOT, Element::Period, root.period.contains(at_ms)) {
        return None;
    }
    let is_own_match =
        |ordinal, nested: &Provision, watch: &mut W| matches_instead_of((ordinal, nested), root, request, at_ms, watch);
    let root_matches = watch.all(
        ROOT,
        &[
            (Element::Actor, &|| root.names_actor(request.grantees)),
            (Element::Purpose, &|| root.names_purpose(request.purpose)),
        ],
    );
    // Among siblings a deny wins, whatever the root says.
    if any_nested(root, ProvisionType::Deny, watch, is_own_match) {
        return Some(ProvisionType::Deny);
    }
    match root.provision_type {
        Some(ProvisionType::Permit) => {
            if root_matches {
                watch.decides(ROOT);
            }
            let is_settled = root_matches && !W::WHOLE;
            let is_permitted = is_settled || any_nested(root, ProvisionType::Permit, watch, is_own_match);
            (root_matches || is_permitted).then_some(ProvisionType::Permit)
        }
        Some(ProvisionType::Deny) if root_matches => {
            let is_within =
                |ordinal, nested: &Provision, watch: &mut W| matches_within((ordinal, nested), request, at_ms, watch);
            if any_nested(root, ProvisionType::Permit, watch, is_within) {
                return Some(ProvisionType::Permit);
            }
            watch.decides(ROOT);
            Some(ProvisionType::Deny)
        }
        Some(ProvisionType::Deny) => None,
        None => any_nested(root, ProvisionType::Permit, watch, is_own_match).then_some(ProvisionType::Permit),
    }
}

/// Whether a nested provision of this type matches: then it decides. Where it is watched, all of them are looked at.
fn any_nested<W: Watch>(
    root: &Provision,
    wanted: ProvisionType,
    watch: &mut W,
    matches: impl Fn(usize, &Provision, &mut W) -> bool,
) -> bool {
    let mut found = false;
    for (ordinal, nested) in (ROOT + 1..).zip(&root.nested) {
        if nested.provision_type == Some(wanted) && matches(ordinal, nested, watch) {
            watch.decides(ordinal);
            found = true;
            if !W::WHOLE {
                break;
            }
        }
    }
    found
}

/// Whether a nested provision matches on its own, with the root's elements where it has none itself.
fn matches_instead_of<W: Watch>(
    (ordinal, nested): (usize, &Provision),
    root: &Provision,
    request: Request,
    at_ms: i64,
    watch: &mut W,
) -> bool {
    let of_actor = if nested.actors.is_some() { nested } else { root };
    let of_purpose = if nested.purposes.is_some() { nested } else { root };
    let checks: [(Element, &dyn Fn() -> bool); 3] = [
        (Element::Period, &|| nested.period.contains(at_ms)),
        (Element::Actor, &|| of_actor.names_actor(request.grantees)),
        (Element::Purpose, &|| of_purpose.names_purpose(request.purpose)),
    ];
    watch.all(ordinal, &checks)
}

/// Whether a nested provision matches a request that its root matches already.
fn matches_within<W: Watch>(
    (ordinal, nested): (usize, &Provision),
    request: Request,
    at_ms: i64,
    watch: &mut W,
) -> bool {
    let checks: [(Element, &dyn Fn() -> bool); 3] = [
        (Element::Period, &|| nested.period.contains(at_ms)),
        (Element::Actor, &|| nested.names_actor(request.grantees)),
        (Element::Purpose, &|| nested.names_purpose(request.purpose)),
    ];
    watch.all(ordinal, &checks)
}
