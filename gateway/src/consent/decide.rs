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
use super::trace::{Considered, Element, ROOT, Trace, Unwatched, Verdict, Watch};

/// Who asks, and what for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// All identities of the caller: its organisation, that organisation's kind, the practitioner if one signed in, and the teams
    /// of them that count for this record, see [`Teams`](super::Teams).
    pub grantees: &'a [Grantee],
    /// Teams by which only a deny may mean the caller: those of an earlier custodian. Usually empty.
    pub former_teams: &'a [Grantee],
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
    decide_watched(Asked { request, facts }, consents, at_ms, &mut Unwatched)
}

/// The same decision, taken by the same evaluation, with its account: every Consent, in the order given, and what it says.
pub fn explain(
    request: Request,
    facts: &ResourceFacts,
    consents: &[Consent],
    at_ms: i64,
) -> (Decision, Vec<Considered>) {
    let mut trace = Trace::default();
    let decision = decide_watched(Asked { request, facts }, consents, at_ms, &mut trace);
    (decision, trace.0)
}

fn decide_watched<W: Watch>(asked: Asked, consents: &[Consent], at_ms: i64, watch: &mut W) -> Decision {
    let mut permitting: BTreeSet<&ConsentId> = BTreeSet::new();
    let mut is_denied = false;
    for consent in consents {
        watch.asks(consent);
        let said = if consent.status == Status::Active { outcome(consent, asked, at_ms, watch) } else { None };
        match said {
            Some(ProvisionType::Deny) if !W::WHOLE => return Decision::Deny(Reason::Excluded),
            Some(ProvisionType::Deny) => is_denied = true,
            Some(ProvisionType::Permit) => {
                permitting.insert(&consent.id);
            }
            None => {}
        }
        if W::WHOLE {
            let silent = || Verdict::Silent(reason_of(consent, asked, at_ms));
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
    let reasons = consents.iter().map(|consent| reason_of(consent, asked, at_ms));
    Decision::Deny(reasons.min().unwrap_or(Reason::NoConsent))
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

/// Whether any Consent in force denies the request for a resource.
pub(super) fn denies(request: Request, facts: &ResourceFacts, consents: &[Consent], at_ms: i64) -> bool {
    let asked = Asked { request, facts };
    let mut active = consents.iter().filter(|consent| consent.status == Status::Active);
    active.any(|consent| outcome(consent, asked, at_ms, &mut Unwatched) == Some(ProvisionType::Deny))
}

/// Why one Consent does not permit, given that it does not deny.
fn reason_of(consent: &Consent, asked: Asked, at_ms: i64) -> Reason {
    let permits =
        |asked: Asked, at_ms: i64| outcome(consent, asked, at_ms, &mut Unwatched) == Some(ProvisionType::Permit);
    let permits_when = |is_when: &dyn Fn(i64) -> bool| {
        turning_moments(consent).into_iter().filter(|ms| is_when(*ms)).any(|ms| permits(asked, ms))
    };
    let otherwise = |purpose| Asked { request: Request { purpose, ..asked.request }, ..asked };
    match consent.status {
        Status::Inactive if permits(asked, at_ms) => Reason::Withdrawn,
        Status::Active if permits_when(&|ms| ms < at_ms) => Reason::Expired,
        Status::Active if permits_when(&|ms| ms > at_ms) => Reason::NotYetInForce,
        Status::Active if Purpose::all().any(|purpose| permits(otherwise(purpose), at_ms)) => Reason::Purpose,
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
fn outcome<W: Watch>(consent: &Consent, asked: Asked, at_ms: i64, watch: &mut W) -> Option<ProvisionType> {
    let root = consent.provision.as_ref()?;
    if !watch.element(ROOT, Element::Period, root.period.contains(at_ms)) {
        return None;
    }
    let is_match =
        |ordinal, provision: &Provision, watch: &mut W| matches((ordinal, provision), root, asked, at_ms, watch);
    let root_matches = root.provision_type.is_some() && is_match(ROOT, root, watch);
    // Among siblings a deny wins, whatever the root says.
    if any_nested(root, ProvisionType::Deny, watch, is_match) {
        return Some(ProvisionType::Deny);
    }
    match root.provision_type {
        Some(ProvisionType::Permit) => {
            if root_matches {
                watch.decides(ROOT);
            }
            let is_settled = root_matches && !W::WHOLE;
            let is_permitted = is_settled || any_nested(root, ProvisionType::Permit, watch, is_match);
            (root_matches || is_permitted).then_some(ProvisionType::Permit)
        }
        // A nested permit is an exception: it holds where the root denies, and nowhere else.
        Some(ProvisionType::Deny) if root_matches => {
            if any_nested(root, ProvisionType::Permit, watch, is_match) {
                return Some(ProvisionType::Permit);
            }
            watch.decides(ROOT);
            Some(ProvisionType::Deny)
        }
        Some(ProvisionType::Deny) => None,
        None => any_nested(root, ProvisionType::Permit, watch, is_match).then_some(ProvisionType::Permit),
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

/// Whether a provision matches on its own, with the root's elements where it has none itself: a permit where it covers the
/// resource, a deny where it meets it.
fn matches<W: Watch>(
    (ordinal, provision): (usize, &Provision),
    root: &Provision,
    asked: Asked,
    at_ms: i64,
    watch: &mut W,
) -> bool {
    let of_actor = if provision.actors.is_some() { provision } else { root };
    let of_purpose = if provision.purposes.is_some() { provision } else { root };
    let checks: [(Element, &dyn Fn() -> bool); 4] = [
        (Element::Period, &|| provision.period.contains(at_ms)),
        (Element::Actor, &|| names_caller(of_actor, provision.provision_type, asked.request)),
        (Element::Purpose, &|| of_purpose.names_purpose(asked.request.purpose)),
        (Element::About, &|| is_about(provision, root, asked.facts)),
    ];
    // The period of the root was looked at before everything else.
    let not_yet_looked_at = if ordinal == ROOT { &checks[1..] } else { &checks[..] };
    watch.all(ordinal, not_yet_looked_at)
}

/// Whether what a provision is about is what is asked for.
fn is_about(provision: &Provision, root: &Provision, facts: &ResourceFacts) -> bool {
    let about = provision.about.or(&root.about);
    match provision.provision_type {
        Some(ProvisionType::Permit) => about.covers(facts),
        Some(ProvisionType::Deny) => about.meets(facts),
        None => false,
    }
}

/// Whether the actors of `of_actor` are the caller. What denies counts for teams of an earlier custodian too.
fn names_caller(of_actor: &Provision, effect: Option<ProvisionType>, request: Request) -> bool {
    of_actor.names_actor(request.grantees)
        || (effect == Some(ProvisionType::Deny) && of_actor.names_actor(request.former_teams))
}
