//! One change of state as one value: what it was decided on, and every row that it writes.
//! Pure code builds it; the writer applies it in one transaction, whole or not at all.

use std::fmt;

use super::crisis::Disclosure;
use super::delivery::{Delivery, NewDelivery, Settlement};
use super::emergency::{Session, Verdict};
pub use super::idempotency::IdempotencyKey;
use super::representative::RepresentativeRow;
use crate::audit::AuditEvent;
use crate::consent::{Grant, Permit};
use crate::labels::Facts;
use crate::search::index::IndexRow;

/// The version of a resource: opaque to clients, ordered within a resource, without gaps that count hidden changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId(pub i64);

impl VersionId {
    /// The version after `previous`, made at `now_ms`: time in the upper bits, so that it sorts by time as well.
    pub fn after(previous: Option<VersionId>, now_ms: i64, random: u16) -> Self {
        let fresh = (now_ms << 16) | i64::from(random);
        Self(previous.map_or(fresh, |previous| fresh.max(previous.0 + 1)))
    }

    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() <= 16).then(|| i64::from_str_radix(text, 16).ok().filter(|number| *number > 0)).flatten().map(Self)
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}", self.0)
    }
}

/// Where a resource is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceKey {
    /// The record (a Patient's id), `organization/<id>`, or `directory`.
    pub compartment: String,
    /// A FHIR resource type.
    pub resource_type: &'static str,
    /// The logical id.
    pub id: String,
}

/// What a write set was decided on. If one moved meanwhile, nothing of the set is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The record's custody, consents and closures are as they were.
    Epoch {
        /// The record.
        compartment: String,
        /// The epoch read.
        epoch: i64,
    },
    /// The resource's current version is this one.
    Version {
        /// The resource.
        key: ResourceKey,
        /// The version read.
        version: VersionId,
    },
    /// Nobody decided on the same condition meanwhile; committing moves the guard on.
    Guard {
        /// The hash of the condition.
        name: String,
        /// The epoch read, 0 where there was none.
        epoch: i64,
    },
    /// Nobody leased, settled or voided the delivery meanwhile.
    Fence {
        /// The record.
        compartment: String,
        /// The delivery.
        id: String,
        /// The fence of the lease, or read.
        fence: i64,
    },
}

/// A record as it is to be after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordState {
    /// The compartment.
    pub compartment: String,
    /// `organization/<id>` of the custodian.
    pub custodian: String,
    /// Moves on with every change of custody, consent or closure.
    pub epoch: i64,
    /// The referral Task's id of the chain under way.
    pub chain: Option<String>,
}

/// How a version came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By create.
    Post,
    /// By update.
    Put,
    /// By delete.
    Delete,
}

impl Method {
    /// The HTTP verb of `Bundle.entry.request.method`.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    /// Reads what `verb` wrote.
    pub fn from_verb(verb: &str) -> Option<Self> {
        match verb {
            "POST" => Some(Self::Post),
            "PUT" => Some(Self::Put),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }
}

/// A new version of a resource.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// Where it is kept.
    pub key: ResourceKey,
    /// The new version.
    pub version: VersionId,
    /// UTC milliseconds, the same as in `meta.lastUpdated`.
    pub last_updated_ms: i64,
    /// `organization/<id>` of whoever wrote this version.
    pub author: String,
    /// How it came to be.
    pub method: Method,
    /// The bytes that a reader gets; empty for a deletion.
    pub body: String,
    /// What is shown of it to a waiting room or a past sender.
    pub minimum: Option<String>,
    /// Where the body has holes and what belongs there: made when it is written, with the vault; before that the body is whole.
    pub holes: Option<String>,
    /// How it is found. The flag says from which form a row was made: 1 whole, 2 minimum, 3 both.
    pub index: Vec<(IndexRow, i64)>,
    /// What it is about; a deletion keeps that of what it deletes.
    pub facts: Facts,
    /// Whether an earlier version exists.
    pub replaces: bool,
}

/// One member of a team, as stored with the CareTeam or Group that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamMemberRow {
    /// The record of a CareTeam, `organization/<id>` of a Group.
    pub compartment: String,
    /// `careteam/<id>` or `group/<id>`.
    pub team: String,
    /// `practitioner/<id>` or `organization/<id>`.
    pub member: String,
    /// Empty for who is of the team; the code of a legal rule for who takes part by that rule only.
    pub role: &'static str,
    /// UTC milliseconds, inclusive.
    pub from_ms: i64,
    /// UTC milliseconds, exclusive.
    pub until_ms: i64,
}

/// One row of access grants: a rule of one Consent for one grantee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRow {
    /// The record that the Consent opens.
    pub compartment: String,
    /// The Consent's id.
    pub consent_id: String,
    /// The rule's ordinal within the Consent.
    pub rule: i64,
    /// Who is meant.
    pub grantee: String,
    /// `permit`, `deny` or `exception`.
    pub effect: &'static str,
    /// The deny rule that an exception lifts.
    pub excepts: Option<i64>,
    /// Bits of the purposes.
    pub purposes: i64,
    /// UTC milliseconds, inclusive.
    pub from_ms: i64,
    /// UTC milliseconds, exclusive.
    pub until_ms: i64,
    /// Bits of the labels of which a resource must have one.
    pub labels: i64,
    /// Bits of the labels of which it must have none.
    pub uncovered: i64,
    /// UTC milliseconds, inclusive.
    pub data_from_ms: i64,
    /// UTC milliseconds, exclusive.
    pub data_until_ms: i64,
    /// Resource types, each between commas; empty for every type.
    pub types: String,
    /// Whether the rule names resources, see [`GrantDataRow`].
    pub has_data: bool,
}

impl GrantRow {
    /// The row of a grant.
    pub fn of(compartment: &str, consent_id: &str, grant: &Grant) -> Self {
        Self {
            compartment: compartment.to_owned(),
            consent_id: consent_id.to_owned(),
            rule: i64::from(grant.rule),
            grantee: grant.grantee.to_string(),
            effect: grant.effect.code(),
            excepts: grant.effect.exception_of().map(i64::from),
            purposes: grant.purposes,
            from_ms: grant.from_ms,
            until_ms: grant.until_ms,
            labels: grant.labels,
            uncovered: grant.uncovered,
            data_from_ms: grant.data_from_ms,
            data_until_ms: grant.data_until_ms,
            types: grant.types.clone(),
            has_data: !grant.data.is_empty(),
        }
    }
}

/// One resource that a rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantDataRow {
    /// The record that the Consent opens.
    pub compartment: String,
    /// The Consent's id.
    pub consent_id: String,
    /// The rule's ordinal within the Consent.
    pub rule: i64,
    /// A code of consent-data-meaning.
    pub meaning: &'static str,
    /// The type of the resource named.
    pub reference_type: String,
    /// Its id.
    pub reference_id: String,
}

/// A grantee shut out of a record whatever a Consent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closure {
    /// The record.
    pub compartment: String,
    /// `organization/<id>` or `pool/<id>`.
    pub grantee: String,
    /// `release`, or `task/<id>` of the Task that waits.
    pub cause: String,
    /// UTC milliseconds.
    pub since_ms: i64,
}

/// A grantee who sees the minimum of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The resource.
    pub key: ResourceKey,
    /// `organization/<id>` or `pool/<id>`.
    pub grantee: String,
    /// Whether a Consent must permit the grantee at the moment of reading.
    pub requires_consent: bool,
}

/// The workflow row of a referral's Task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferralTask {
    /// The record.
    pub compartment: String,
    /// The Task's id.
    pub id: String,
    /// `referral` or `organization`.
    pub kind: String,
    /// The code of `Task.status`.
    pub state: String,
    /// `organization/<id>` that placed or forwarded.
    pub requester: String,
    /// The waiting room: `organization/<id>` or `pool/<id>`.
    pub room: String,
    /// `organization/<id>` after pick-up.
    pub owner: Option<String>,
    /// The referral Task that an organisation Task is part of.
    pub part_of: Option<String>,
    /// The organisation Task that was forwarded by this one.
    pub predecessor: Option<String>,
    /// The order.
    pub service_request: String,
    /// When the waiting ends, UTC milliseconds.
    pub expires_ms: i64,
}

/// Two Consents of a record that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictRow {
    /// The record.
    pub compartment: String,
    /// Time-ordered id.
    pub id: String,
    /// The Consent that permits.
    pub permit_consent: String,
    /// The Consent that denies.
    pub deny_consent: String,
    /// Whom the first names.
    pub grantee: String,
    /// UTC milliseconds.
    pub detected_ms: i64,
}

/// One change of state.
#[derive(Clone, Debug, Default)]
pub struct WriteSet {
    /// What it was decided on.
    pub preconditions: Vec<Precondition>,
    /// Records that begin.
    pub new_records: Vec<RecordState>,
    /// Records that change hands, consent or closure.
    pub moved_records: Vec<RecordState>,
    /// New versions: private, for [`WriteSet::write`] is the only way in.
    pub(super) versions: Vec<NewVersion>,
    pub(super) texts: Vec<super::text::TextRow>,
    /// Consents whose rules are dropped (and written anew by `grants`).
    pub dropped_grants: Vec<(String, String)>,
    /// Rules of the Consents in force.
    pub grants: Vec<GrantRow>,
    /// The resources that those rules name.
    pub grant_data: Vec<GrantDataRow>,
    /// Teams whose members are dropped (and written anew by `team_members`): compartment and team.
    pub dropped_teams: Vec<(String, String)>,
    /// Members of teams.
    pub team_members: Vec<TeamMemberRow>,
    /// RelatedPersons whose rows are dropped (and written anew by `representatives`): compartment and `related-person/<id>`.
    pub dropped_representatives: Vec<(String, String)>,
    /// What RelatedPersons may do.
    pub representatives: Vec<RepresentativeRow>,
    /// Causes whose closures end: compartment and cause.
    pub lifted_causes: Vec<(String, String)>,
    /// Releases that end for one grantee: compartment and grantee.
    pub lifted_releases: Vec<(String, String)>,
    /// Closures that begin.
    pub closures: Vec<Closure>,
    /// Sights that end.
    pub dropped_sights: Vec<(ResourceKey, String)>,
    /// Sights that begin.
    pub sights: Vec<Sight>,
    /// Workflow rows.
    pub tasks: Vec<ReferralTask>,
    /// The trail.
    pub audit: Vec<AuditEvent>,
    /// A mark for each of them, where there is a key to make it: the writer's part.
    pub(super) marks: Vec<String>,
    /// Events that are erased, compartment and id: an act for each is in `audit`.
    pub erased_events: Vec<(String, String)>,
    /// What must leave.
    pub deliveries: Vec<NewDelivery>,
    /// Those of them that a worker has in hand with the commit: the store's part.
    pub(super) leased: Vec<Delivery>,
    /// What must leave once more, each with the delivery that it repeats.
    pub repeated_deliveries: Vec<(NewDelivery, String)>,
    /// What became of deliveries.
    pub settlements: Vec<Settlement>,
    /// Resources about which nothing leaves any more.
    pub voided_deliveries: Vec<ResourceKey>,
    /// Emergency sessions that begin: private, for [`WriteSet::open`] is the only way in.
    pub(super) sessions: Vec<Session>,
    /// Emergency sessions that end before their time: compartment, id, and the moment.
    pub ended_sessions: Vec<(String, String, i64)>,
    /// What was found of emergency sessions.
    pub verdicts: Vec<Verdict>,
    /// What was told to third parties: private, for [`WriteSet::disclose`] is the only way in.
    pub(super) disclosures: Vec<Disclosure>,
    /// Contradictions that begin.
    pub conflicts: Vec<ConflictRow>,
    /// Contradictions that end: compartment, id and moment.
    pub resolved_conflicts: Vec<(String, String, i64)>,
    /// What organisations register of treatments.
    pub treatment: super::treatment::TreatmentRows,
    /// What changes of third-party billing.
    pub billing: super::billing::BillingRows,
    /// Referrals for which it is looked where they go.
    pub intakes: Vec<super::intake::IntakeRow>,
    /// What becomes of subscriptions.
    pub subscriptions: super::subscription::SubscriptionRows,
    /// The request's own key.
    pub idempotency: Option<IdempotencyKey>,
    /// The answer of a request that is worked on after it was answered.
    pub async_answer: Option<super::async_job::AsyncAnswer>,
}

impl WriteSet {
    /// Adds a new version, with a permit of `consent` only: nothing is stored past the decision.
    pub fn write(&mut self, _permit: &Permit, version: NewVersion) {
        self.versions.push(version);
    }

    /// Adds the rules of a Consent.
    pub fn grant(&mut self, compartment: &str, consent_id: &str, grants: &[Grant]) {
        let mut last_rule = None;
        for grant in grants {
            self.grants.push(GrantRow::of(compartment, consent_id, grant));
            // The rows of a rule stand together and have the same data, which is kept once.
            if last_rule.replace(grant.rule) == Some(grant.rule) {
                continue;
            }
            for data in &grant.data {
                let (reference_type, reference_id) = data.reference.split_once('/').unwrap_or_default();
                self.grant_data.push(GrantDataRow {
                    compartment: compartment.to_owned(),
                    consent_id: consent_id.to_owned(),
                    rule: i64::from(grant.rule),
                    meaning: data.meaning.code(),
                    reference_type: reference_type.to_owned(),
                    reference_id: reference_id.to_owned(),
                });
            }
        }
    }

    /// Begins an emergency session; only with a permit, too.
    pub fn open(&mut self, _permit: &Permit, session: Session) {
        self.sessions.push(session);
    }

    /// Notes what a third party was told; only with a permit, too.
    pub fn disclose(&mut self, _permit: &Permit, disclosure: Disclosure) {
        self.disclosures.push(disclosure);
    }

    /// The versions that the set writes.
    pub fn versions(&self) -> &[NewVersion] {
        &self.versions
    }
}
