//! What a provision is about: the labels, types, time and data that it names, and the acts that it speaks of.

use crate::labels::{LabelSet, ResourceFacts};

use super::period::Period;

/// The elements of a provision that say about what data it is. Each is `None` where the provision leaves it out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// `securityLabel`: the labels with those that stand below them; never empty.
    pub labels: Option<LabelSet>,
    /// `class`: resource types, sorted; never empty.
    pub types: Option<Vec<String>>,
    /// `dataPeriod`.
    pub data_period: Option<Period>,
    /// `data`; never empty.
    pub data: Option<Vec<Data>>,
    /// `action`; never empty.
    pub actions: Option<Vec<Action>>,
}

/// One entry of `data`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Data {
    /// How what is meant stands to the resource named.
    pub meaning: Meaning,
    /// The resource named: `Type/id`.
    pub reference: String,
}

/// `Consent.provision.data.meaning`, <http://hl7.org/fhir/R4/valueset-consent-data-meaning.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// The resource itself.
    Instance,
    /// The resource, what refers to it, and what it refers to, but for the Patient.
    Related,
    /// The resource and what refers to it.
    Dependents,
    /// What it wrote.
    AuthoredBy,
}

impl Meaning {
    const ALL: [Self; 4] = [Self::Instance, Self::Related, Self::Dependents, Self::AuthoredBy];

    /// The code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Related => "related",
            Self::Dependents => "dependents",
            Self::AuthoredBy => "authoredby",
        }
    }

    /// The meaning with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|meaning| meaning.code() == code)
    }
}

/// `Consent.provision.action`, of <http://terminology.hl7.org/CodeSystem/consentaction>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Reading.
    Access,
    /// Any use of the data: who may not use it may not read it here.
    Use,
    /// Passing on: to let read is to disclose.
    Disclose,
    /// Writing, which no Consent grants.
    Collect,
    /// Correcting, which no Consent grants.
    Correct,
}

impl Action {
    const ALL: [Self; 5] = [Self::Access, Self::Use, Self::Disclose, Self::Collect, Self::Correct];

    /// The code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Use => "use",
            Self::Disclose => "disclose",
            Self::Collect => "collect",
            Self::Correct => "correct",
        }
    }

    /// The action with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.code() == code)
    }

    /// Whether a deny of it can be enforced by letting nobody read.
    pub(super) fn is_reading(self) -> bool {
        matches!(self, Self::Access | Self::Use | Self::Disclose)
    }
}

impl About {
    /// What a nested provision is about: what it leaves out is the root's.
    #[must_use]
    pub fn or(&self, root: &Self) -> Self {
        Self {
            labels: self.labels.or(root.labels),
            types: self.types.clone().or_else(|| root.types.clone()),
            data_period: self.data_period.or(root.data_period),
            data: self.data.clone().or_else(|| root.data.clone()),
            actions: self.actions.clone().or_else(|| root.actions.clone()),
        }
    }

    /// Whether nothing is said, so that everything is meant.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a permit about this lets anyone read.
    pub(super) fn lets_read(&self) -> bool {
        self.actions.as_ref().is_none_or(|actions| actions.contains(&Action::Access))
    }

    /// Whether a permit about this opens a resource: all of what the resource is must be named.
    pub(super) fn covers(&self, facts: &ResourceFacts) -> bool {
        let is_covered = |labels: LabelSet| {
            let is_named = |label: crate::labels::Label| {
                labels.contains(label) || label.system() == crate::labels::CONFIDENTIALITY_SYSTEM && label.code() != "V"
            };
            facts.labels.meets(labels) && facts.labels != LabelSet::EVERY && facts.labels.iter().all(is_named)
        };
        let is_within = |period: Period| period.from_ms <= facts.data.from_ms && facts.data.until_ms <= period.until_ms;
        self.lets_read()
            && self.labels.is_none_or(is_covered)
            && self.names_type(facts)
            && self.data_period.is_none_or(is_within)
            && self.data.as_ref().is_none_or(|data| data.iter().any(|data| data.means(facts, false)))
    }

    /// Whether a deny about this meets a resource: any part of what the resource is suffices, and so does not knowing.
    pub(super) fn meets(&self, facts: &ResourceFacts) -> bool {
        let overlaps = |period: Period| period.from_ms < facts.data.until_ms && facts.data.from_ms < period.until_ms;
        self.labels.is_none_or(|labels| facts.labels.meets(labels))
            && self.names_type(facts)
            && self.data_period.is_none_or(overlaps)
            && self
                .data
                .as_ref()
                .is_none_or(|data| facts.atoms.is_empty() || data.iter().any(|data| data.means(facts, true)))
    }

    fn names_type(&self, facts: &ResourceFacts) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(&facts.resource_type))
    }
}

impl Data {
    /// Whether a resource is meant; `perhaps` counts what is not known as meant.
    fn means(&self, facts: &ResourceFacts, perhaps: bool) -> bool {
        let is_it = || self.reference == format!("{}/{}", facts.resource_type, facts.id);
        let refers_to_it = || facts.has_atom("refers", &self.reference);
        let is_referred_to = || {
            facts.resource_type != "Patient"
                && (facts.referred_by.contains(&self.reference)
                    || perhaps && facts.perhaps_referred_by.contains(&self.reference))
        };
        match self.meaning {
            Meaning::Instance => is_it(),
            Meaning::Dependents => is_it() || refers_to_it(),
            Meaning::Related => is_it() || refers_to_it() || is_referred_to(),
            Meaning::AuthoredBy => facts.has_atom("by", &self.reference),
        }
    }
}
