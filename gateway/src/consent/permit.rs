//! The proof that something may pass. Only the rules in `consent` make a [`Permit`]; everything else can merely ask for one.

use super::provision::ConsentId;

/// The answer "yes", with what it rests on. It cannot be copied: a decision is taken again for each act.
///
/// ```compile_fail
/// // No one outside the rules makes a permit.
/// let permit = gateway::consent::Permit { basis: gateway::consent::Basis::Custodian };
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit that is not used permits nothing"]
pub struct Permit {
    basis: Basis,
}

/// What a permit rests on; recorded with every disclosure and every write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The caller's organisation holds the record.
    Custodian,
    /// The patient in person, signed in.
    Person,
    /// The patient's Consents: all that permit, sorted, at least one.
    Consent {
        /// The permitting Consents.
        consents: Vec<ConsentId>,
    },
    /// An active organisation Task of the caller's organisation.
    OrganizationTask,
    /// The directory, which belongs to no patient.
    Directory,
    /// The compartment of the caller's own organisation.
    OwnCompartment,
    /// A law that demands it.
    Law {
        /// The rule of that law.
        rule: LawRule,
    },
    /// The caller recorded the Consent that it withdraws.
    Recorder,
    /// An emergency session, which no deny of the patient covers.
    Emergency,
}

impl Basis {
    /// The code of the basis in the audit trail.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Custodian => "custodian",
            Self::Person => "person",
            Self::Consent { .. } => "consent",
            Self::OrganizationTask => "organization-task",
            Self::Directory => "directory",
            Self::OwnCompartment => "own-compartment",
            Self::Law { rule } => rule.0,
            Self::Recorder => "recorder",
            Self::Emergency => "emergency",
        }
    }
}

/// The name of a rule of law under which no consent is asked; also its audit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LawRule(pub &'static str);

impl Permit {
    pub(in crate::consent) fn on(basis: Basis) -> Self {
        Self { basis }
    }

    /// What the permit rests on.
    pub fn basis(&self) -> &Basis {
        &self.basis
    }
}
