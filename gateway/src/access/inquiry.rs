//! Would another party see a record? Asked by whoever holds it, and answered by the rules that would answer that party itself.
//!
//! Nothing here reads access grants: the Consents are asked by `consent`, custody and closures are the record's own facts. What it
//! says of a record may be told to its custodian only; whoever calls it has to see to that.

use crate::app::Registry;
use crate::consent::{Decision, Grantee, Permit, Standing, without_consent};
use crate::storage::facts::RecordFacts;
use crate::storage::registry::{Organization, Practitioner};

/// Whom the question is about: an organisation, perhaps through one of its practitioners.
#[derive(Clone, Copy, Debug)]
pub struct Party<'r> {
    /// The organisation.
    pub organization: &'r Organization,
    /// Who signed in for it.
    pub practitioner: Option<&'r Practitioner>,
}

impl Party<'_> {
    /// All identities by which a rule may mean the party.
    pub fn grantees(&self, registry: &Registry) -> Vec<Grantee> {
        let mut grantees = registry.grantees(self.organization);
        grantees.extend(self.practitioner.map(|practitioner| Grantee::practitioner(&practitioner.id)));
        grantees
    }

    /// `organization/<id>`
    pub fn grantee(&self) -> String {
        Grantee::organization(&self.organization.id).to_string()
    }
}

/// Why a party sees a record or does not.
#[derive(Debug, PartialEq, Eq)]
pub enum Finding {
    /// It needs no Consent.
    Standing(Permit),
    /// A closure shuts it out, whatever a Consent says.
    Closed(Closed),
    /// What is asked for is read by the custodian alone.
    CustodianOnly,
    /// The Consents decide.
    Consents(Decision),
}

/// How a closure shuts a party out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It holds the record while a Task waits: responsible, and blind.
    InTransit,
    /// Something waits in its room, and is not picked up.
    Waiting,
    /// Its part in the record has ended.
    Released,
}

impl Closed {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::InTransit => "in-transit",
            Self::Waiting => "waiting",
            Self::Released => "released",
        }
    }

    /// The closure as a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::InTransit => "This organisation holds the record while a referral waits, and does not see it.",
            Self::Waiting => {
                "A referral waits for this organisation: until it is picked up, only the minimum is shown."
            }
            Self::Released => "This organisation's part in the record has ended.",
        }
    }
}

/// The causes of the closures that shut an organisation out, itself or as a member of a pool.
pub fn causes<'f>(registry: &Registry, facts: &'f RecordFacts, organization_id: &str) -> Vec<&'f str> {
    let organization = Grantee::organization(organization_id);
    let is_of = |grantee: &str| {
        grantee == organization.as_str()
            || grantee.strip_prefix("pool/").is_some_and(|pool| registry.pools_of(organization_id).any(|id| id == pool))
    };
    facts.closures.iter().filter(|(grantee, _)| is_of(grantee)).map(|(_, cause)| cause.as_str()).collect()
}

/// What is settled before any Consent is asked; none where the Consents decide.
pub fn before_consents(registry: &Registry, facts: &RecordFacts, party: &Party) -> Option<Finding> {
    let causes = causes(registry, facts, &party.organization.id);
    let is_custodian = facts.custodian == party.grantee();
    if let Some(closed) = closed(&causes, is_custodian) {
        return Some(Finding::Closed(closed));
    }
    let standing = if is_custodian { Standing::Custodian { is_closed_out: false } } else { Standing::Stranger };
    without_consent(standing).map(Finding::Standing)
}

fn closed(causes: &[&str], is_custodian: bool) -> Option<Closed> {
    let is_released = causes.contains(&"release");
    match causes {
        [] => None,
        _ if is_custodian => Some(Closed::InTransit),
        _ if is_released => Some(Closed::Released),
        _ => Some(Closed::Waiting),
    }
}
