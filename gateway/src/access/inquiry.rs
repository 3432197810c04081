//! Would another party see a record? Asked by whoever holds it, and answered by the rules that would answer that party itself.
//!
//! Of an organisation nothing here reads access grants: the Consents are asked by `consent`, custody and closures are the record's
//! own facts. What keeps a single practitioner from it, or lets them in beside it, is asked of sight itself. What is said of a
//! record may be told to its custodian only; whoever calls this has to see to that.

use crate::app::{App, Registry};
use crate::consent::{
    Decision, Grantee, MANDATED_TREATMENT, Permit, PractitionerRole, Purpose, PurposeSet, Refusal, Standing,
    without_consent,
};
use crate::error::Failure;
use crate::storage::facts::RecordFacts;
use crate::storage::registry::{Organization, Practitioner};
use crate::storage::sight::{Level, Viewer};
use crate::storage::write_set::ResourceKey;

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

    /// What the finding about the organisation becomes for its practitioner: a role, an exclusion or a care team keeps them out, an
    /// emergency session or a rule of law lets them in. Without a practitioner it stays as it is.
    ///
    /// # Errors
    /// The database is away.
    pub async fn as_practitioner(
        &self,
        app: &App,
        (purpose, at_ms): (Purpose, i64),
        key: &ResourceKey,
        finding: Finding,
    ) -> Result<Finding, Failure> {
        let Some(practitioner) = self.practitioner else { return Ok(finding) };
        let role = PractitionerRole::from_code(&practitioner.role);
        if finding.is_permitted() && role.is_none_or(|role| !role.sees(key.resource_type)) {
            return Ok(Finding::Kept(Refusal::BeyondRole));
        }
        let viewer = Viewer {
            organization: self.grantee(),
            practitioner: Grantee::practitioner(&practitioner.id).to_string(),
            kind: Grantee::kind(&self.organization.kind).to_string(),
            purpose: PurposeSet::NONE.with(purpose).bits(),
            now_ms: at_ms,
            person: String::new(),
            types: role.map(PractitionerRole::limit).unwrap_or_default(),
            label_version: app.labels.version(),
        };
        let level = app.store.level(viewer, key.resource_type, &key.id).await?;
        Ok(match (level, finding) {
            (Some(Level::Emergency), Finding::Closed(_) | Finding::Consents(Decision::Deny(_))) => {
                Finding::Beside("emergency")
            }
            (Some(Level::Law), Finding::Closed(_) | Finding::Consents(Decision::Deny(_))) => {
                Finding::Beside(MANDATED_TREATMENT.0)
            }
            (None | Some(Level::Minimum), finding) if finding.is_permitted() => Finding::Kept(Refusal::KeptFrom),
            (_, finding) => finding,
        })
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
    /// The organisation may, and this practitioner of it may not.
    Kept(Refusal),
    /// This practitioner may by what stands beside the Consents: an emergency session or a rule of law, by its code in the trail.
    Beside(&'static str),
}

impl Finding {
    /// Whether the party sees what is asked for.
    pub fn is_permitted(&self) -> bool {
        matches!(self, Self::Standing(_) | Self::Beside(_) | Self::Consents(Decision::Permit(_)))
    }
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
