//! A Consent as the gateway understands it: nothing in it is left that is not enforced.
//!
//! Source: <https://hl7.org/fhir/R4/consent.html>; `docs/consent.md` lists element by element what is enforced.

use super::about::About;
use super::grantee::Grantee;
use super::period::Period;
use super::purpose::{Purpose, PurposeSet};

/// The id of a Consent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsentId(pub String);

/// `Consent.status`. Only an active Consent is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Being written.
    Draft,
    /// Put to the patient, no answer yet.
    Proposed,
    /// In force.
    Active,
    /// The patient said no to the agreement as a whole.
    Rejected,
    /// Withdrawn.
    Inactive,
    /// Never meant.
    EnteredInError,
}

impl Status {
    /// The status with this code of <http://hl7.org/fhir/R4/valueset-consent-state-codes.html>.
    pub fn from_code(code: &str) -> Option<Self> {
        Some(match code {
            "draft" => Self::Draft,
            "proposed" => Self::Proposed,
            "active" => Self::Active,
            "rejected" => Self::Rejected,
            "inactive" => Self::Inactive,
            "entered-in-error" => Self::EnteredInError,
            _ => return None,
        })
    }
}

/// A Consent that can be enforced exactly, or one that is not enforced at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Its id.
    pub id: ConsentId,
    /// Its status.
    pub status: Status,
    /// `Consent.patient.reference`: `Patient/<id>`.
    pub patient: String,
    /// `Consent.dateTime` as it was written. Never decides anything: a newer Consent does not replace an older one.
    pub date_time: Option<String>,
    /// The root provision; always there in an active Consent, but in one that is about a register and so no rule of care. In another one it says what *would* hold were the Consent active, and
    /// is absent where that is not certain.
    pub provision: Option<Provision>,
}

/// `Consent.provision.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProvisionType {
    /// The patient agrees.
    Permit,
    /// The patient refuses.
    Deny,
}

/// One provision. Its elements are `ANDed`, the repeats within an element `ORed`, and an absent element means any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provision {
    /// The type. Absent only on a root whose nested provisions say everything.
    pub provision_type: Option<ProvisionType>,
    /// The actors; `None` for everyone, never an empty list.
    pub actors: Option<Vec<Grantee>>,
    /// The purposes; `None` for any.
    pub purposes: Option<PurposeSet>,
    /// The period; [`Period::ALWAYS`] where it is absent.
    pub period: Period,
    /// About what data; everything where nothing is said.
    pub about: About,
    /// The nested provisions; they hold none themselves.
    pub nested: Vec<Provision>,
}

impl Provision {
    pub(super) fn names_actor(&self, identities: &[Grantee]) -> bool {
        self.actors.as_ref().is_none_or(|actors| actors.iter().any(|actor| actor.covers(identities)))
    }

    pub(super) fn names_purpose(&self, purpose: Purpose) -> bool {
        self.purposes.is_none_or(|purposes| purposes.contains(purpose))
    }
}

impl Consent {
    /// What stands in for a Consent that cannot be read any more: it denies everyone everything.
    pub fn denying(id: ConsentId) -> Self {
        let provision = Provision {
            provision_type: Some(ProvisionType::Deny),
            actors: None,
            purposes: None,
            period: Period::ALWAYS,
            about: About::default(),
            nested: Vec::new(),
        };
        Self { id, status: Status::Active, patient: String::new(), date_time: None, provision: Some(provision) }
    }
}
