//! A Consent flattened into rules: each stands on its own, with everything that it inherits written out.
//!
//! Stored as access grants, the rules of one Consent never depend on another Consent. Writing one Consent therefore recompiles
//! nothing, and two Consents written at the same time cannot lose a deny.

use crate::labels::LabelSet;

use super::about::Data;
use super::grantee::Grantee;
use super::period::Period;
use super::provision::{Consent, Provision, ProvisionType, Status};
use super::purpose::PurposeSet;

/// What a rule does where it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Permits.
    Permit,
    /// Denies, over every permit of every Consent, unless one of its own exceptions matches.
    Deny,
    /// Where the deny of this ordinal matches as well: suspends that deny and permits. Elsewhere: nothing.
    Exception {
        /// The ordinal of the deny.
        of: i32,
    },
}

impl Effect {
    /// The code under which the effect is stored.
    pub fn code(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
            Self::Exception { .. } => "exception",
        }
    }

    /// The ordinal of the deny that this excepts from.
    pub fn exception_of(self) -> Option<i32> {
        match self {
            Self::Permit | Self::Deny => None,
            Self::Exception { of } => Some(of),
        }
    }
}

/// One rule of a Consent. It matches a request by any of its grantees, for any of its purposes, at any moment of its period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The place of the provision: 0 the root, from 1 the nested ones.
    pub ordinal: i32,
    /// What it does.
    pub effect: Effect,
    /// Whom it is about; never empty, everyone is [`Grantee::everyone`] alone.
    pub grantees: Vec<Grantee>,
    /// For which purposes.
    pub purposes: PurposeSet,
    /// When; never empty.
    pub period: Period,
    /// The labels of which a resource must have one.
    pub labels: LabelSet,
    /// The labels of which a resource must have none: for a permit what it does not name, for a deny none.
    pub uncovered: LabelSet,
    /// The time in which the data of a permit must lie, and which the data of a deny must touch.
    pub data_period: Period,
    /// The resource types; `None` for every type.
    pub types: Option<Vec<String>>,
    /// The resources that it is about; `None` for all.
    pub data: Option<Vec<Data>>,
}

const ROOT_ORDINAL: i32 = 0;

impl Consent {
    /// The rules that are enforced: none unless the Consent is active.
    pub fn rules(&self) -> Vec<Rule> {
        if self.status == Status::Active { self.would_be_rules() } else { Vec::new() }
    }

    /// The rules that would hold were the Consent active. Serves to explain a withdrawal, never to permit.
    pub fn would_be_rules(&self) -> Vec<Rule> {
        let Some(root) = &self.provision else { return Vec::new() };
        let mut rules = Vec::with_capacity(1 + root.nested.len());
        match root.provision_type {
            Some(ProvisionType::Permit) => rules.extend(Rule::of(ROOT_ORDINAL, Effect::Permit, root, root)),
            Some(ProvisionType::Deny) => rules.extend(Rule::of(ROOT_ORDINAL, Effect::Deny, root, root)),
            None => {}
        }
        for (ordinal, nested) in (ROOT_ORDINAL + 1..).zip(&root.nested) {
            let effect = match (root.provision_type, nested.provision_type) {
                (Some(ProvisionType::Deny), Some(ProvisionType::Permit)) => Effect::Exception { of: ROOT_ORDINAL },
                (_, Some(ProvisionType::Permit)) => Effect::Permit,
                (_, Some(ProvisionType::Deny)) => Effect::Deny,
                // The reader refuses a nested provision without a type.
                (_, None) => continue,
            };
            rules.extend(Rule::of(ordinal, effect, nested, root));
        }
        rules
    }
}

impl Rule {
    /// The rule of a provision that takes from the root what it leaves out, and never outlives the root.
    ///
    /// This serves exceptions too. They hold only where the root matches as well, so that what they leave out is the root's; and the
    /// actors and the data, where both name some, are compared with those of the deny when the grants are joined.
    ///
    /// A permit that lets nobody read is no rule.
    fn of(ordinal: i32, effect: Effect, provision: &Provision, root: &Provision) -> Option<Self> {
        let everyone = || vec![Grantee::everyone()];
        let about = provision.about.or(&root.about);
        let is_deny = effect == Effect::Deny;
        if !is_deny && !about.lets_read() {
            return None;
        }
        let labels = about.labels.unwrap_or(LabelSet::EVERY);
        Some(Self {
            ordinal,
            effect,
            grantees: provision.actors.clone().or_else(|| root.actors.clone()).unwrap_or_else(everyone),
            purposes: provision.purposes.or(root.purposes).unwrap_or(PurposeSet::ANY),
            period: provision.period.intersect(root.period),
            labels,
            uncovered: if is_deny { LabelSet::NONE } else { labels.uncovered() },
            data_period: about.data_period.unwrap_or(Period::ALWAYS),
            types: about.types,
            data: about.data,
        })
    }
}
