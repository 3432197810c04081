//! The account that a decision gives of itself while it is taken: what was looked at, what matched, and what decided.
//!
//! It is no second reading of the rules. The one evaluation in `decide` reports to a [`Watch`]; a decision that nobody asks about
//! reports to [`Unwatched`], which is compiled away.

use super::decide::{Decision, Reason};
use super::provision::{Consent, ConsentId, ProvisionType, Status};

/// The ordinal of the root provision; nested ones follow from 1, in the order in which they stand.
pub(super) const ROOT: usize = 0;

/// An element of a provision that is held against a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// `period`
    Period,
    /// `actor`
    Actor,
    /// `purpose`
    Purpose,
    /// What it is about: `securityLabel`, `class`, `dataPeriod`, `data` and `action` together.
    About,
}

impl Element {
    /// The element's name in FHIR; `data` stands for all that say about what a provision is.
    pub fn name(self) -> &'static str {
        match self {
            Self::Period => "period",
            Self::Actor => "actor",
            Self::Purpose => "purpose",
            Self::About => "data",
        }
    }
}

/// What one Consent says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It permits.
    Permit,
    /// It denies.
    Deny,
    /// It says nothing now. The reason tells what it would permit otherwise, if anything.
    Silent(Reason),
}

/// One element as it was held against the request, whether the provision has it itself or takes it from the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The provision: 0 the root, from 1 the nested ones.
    pub ordinal: usize,
    /// The element.
    pub element: Element,
    /// Whether the request is within it; an absent element holds for any.
    pub holds: bool,
}

/// One Consent in the account of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// The Consent.
    pub consent: ConsentId,
    /// Its status.
    pub status: Status,
    /// What it says.
    pub verdict: Verdict,
    /// The provisions by which it permits or denies, by ordinal, ascending; none where it is silent.
    pub deciding: Vec<usize>,
    /// Every element that was looked at, in that order.
    pub looked: Vec<Looked>,
}

impl Considered {
    /// The outcome as a code for clients.
    pub fn code(&self) -> &'static str {
        match self.verdict {
            Verdict::Permit => "permit",
            Verdict::Deny => "deny",
            Verdict::Silent(Reason::Withdrawn) => "withdrawn",
            Verdict::Silent(Reason::Expired) => "expired",
            Verdict::Silent(Reason::NotYetInForce) => "not-yet-in-force",
            Verdict::Silent(Reason::Purpose) => "other-purpose",
            Verdict::Silent(Reason::Excluded | Reason::NoConsent) if self.status == Status::Active => "silent",
            Verdict::Silent(Reason::Excluded | Reason::NoConsent) => "not-in-force",
        }
    }
}

/// The Consents of an account on which its decision rests: those that permit, those that deny, or those that would permit were it
/// not for the reason that is given.
pub fn deciding<'a>(decision: &Decision, account: &'a [Considered]) -> Vec<&'a Considered> {
    let wanted = match decision {
        Decision::Permit(_) => Verdict::Permit,
        Decision::Deny(Reason::Excluded) => Verdict::Deny,
        Decision::Deny(Reason::NoConsent) => return Vec::new(),
        Decision::Deny(reason) => Verdict::Silent(*reason),
    };
    account.iter().filter(|considered| considered.verdict == wanted).collect()
}

/// The `FHIRPath` of a provision: `Consent.provision`, or `Consent.provision.provision[2]`.
pub fn provision_path(ordinal: usize) -> String {
    match ordinal.checked_sub(1) {
        None => "Consent.provision".to_owned(),
        Some(nested) => format!("Consent.provision.provision[{nested}]"),
    }
}

/// To whom an evaluation reports.
pub(super) trait Watch {
    /// Whether everything is looked at, also what can change nothing any more.
    const WHOLE: bool;

    /// A Consent is about to be asked.
    fn asks(&mut self, consent: &Consent);

    /// An element was looked at; answers whether it holds.
    fn element(&mut self, ordinal: usize, element: Element, holds: bool) -> bool;

    /// This provision decides what the Consent says.
    fn decides(&mut self, ordinal: usize);

    /// What the Consent that was asked last says.
    fn says(&mut self, verdict: Verdict);

    /// Whether all of a provision's elements hold; unless it is watched, the first that does not is the last looked at.
    fn all(&mut self, ordinal: usize, checks: &[(Element, &dyn Fn() -> bool)]) -> bool {
        let mut all = true;
        for (element, check) in checks {
            if !all && !Self::WHOLE {
                break;
            }
            all &= self.element(ordinal, *element, check());
        }
        all
    }
}

/// Nobody asks.
pub(super) struct Unwatched;

impl Watch for Unwatched {
    const WHOLE: bool = false;

    fn asks(&mut self, _: &Consent) {}

    fn element(&mut self, _: usize, _: Element, holds: bool) -> bool {
        holds
    }

    fn decides(&mut self, _: usize) {}

    fn says(&mut self, _: Verdict) {}
}

/// Keeps everything.
#[derive(Default)]
pub(super) struct Trace(pub(super) Vec<Considered>);

impl Watch for Trace {
    const WHOLE: bool = true;

    fn asks(&mut self, consent: &Consent) {
        self.0.push(Considered {
            consent: consent.id.clone(),
            status: consent.status,
            verdict: Verdict::Silent(Reason::NoConsent),
            deciding: Vec::new(),
            looked: Vec::new(),
        });
    }

    fn element(&mut self, ordinal: usize, element: Element, holds: bool) -> bool {
        if let Some(considered) = self.0.last_mut() {
            considered.looked.push(Looked { ordinal, element, holds });
        }
        holds
    }

    fn decides(&mut self, ordinal: usize) {
        if let Some(considered) = self.0.last_mut() {
            considered.deciding.push(ordinal);
        }
    }

    fn says(&mut self, verdict: Verdict) {
        if let Some(considered) = self.0.last_mut() {
            considered.verdict = verdict;
        }
    }
}

impl From<ProvisionType> for Verdict {
    fn from(provision_type: ProvisionType) -> Self {
        match provision_type {
            ProvisionType::Permit => Self::Permit,
            ProvisionType::Deny => Self::Deny,
        }
    }
}
