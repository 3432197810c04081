//! Who may write what. Reading is not writing: a grant of a Consent never lets anyone write.
//!
//! The table [`ROWS`] says everything; what stands in no row is refused. What a Task may become next, and which of its elements
//! may change, is the business of routing; here is decided only whether the caller may touch the resource at all.

use super::permit::{Basis, Permit};
use super::role::PractitionerRole;

/// What the caller wants to do. A patch is an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interaction {
    /// A new resource.
    Create,
    /// A new version.
    Update,
    /// Its deletion.
    Delete,
    /// An update of a Consent that takes it out of force and changes nothing else.
    Withdraw,
}

/// To whom the resource belongs, and how the caller stands to it. All of it is known to the gateway, nothing is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongs<'a> {
    /// The directory.
    Directory {
        /// The organisation whose entry it is; `None` where the operator keeps it.
        owner: Option<&'a str>,
    },
    /// The compartment of an organisation.
    Own {
        /// That organisation.
        organization: &'a str,
    },
    /// A Patient record.
    Record {
        /// The organisation that holds the record.
        custodian: &'a str,
        /// The caller is the person whom the record is about, signed in.
        caller_is_person: bool,
        /// The caller released the record (it forwarded or closed), or holds it in transit and without sight.
        caller_is_closed_out: bool,
        /// The caller owns an active organisation Task for this record.
        caller_owns_active_task: bool,
        /// The resource is that Task.
        is_callers_task: bool,
        /// The resource exists and the caller's organisation recorded it.
        recorded_by_caller: bool,
    },
    /// A Patient record that this write would begin.
    NewRecord,
}

/// The facts on which a write is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteFacts<'a> {
    /// The organisation for which the caller acts; `None` for a person who acts for themselves.
    pub caller_organization: Option<&'a str>,
    /// To whom the resource belongs.
    pub belongs: Belongs<'a>,
    /// The practitioner who signed in; `None` for the organisation's system.
    pub practitioner: Option<PractitionerFacts>,
}

/// What narrows for a practitioner what their organisation may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PractitionerFacts {
    /// As what they are registered: what they do not see they do not write.
    pub role: PractitionerRole,
    /// The patient excluded them, or the care team has its members and they are none: they write nothing there.
    pub is_kept_from: bool,
}

/// Why a write is refused. To a caller who may not see the resource the gateway says "not found" instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Nobody writes this type, or it is not served.
    NotWritable,
    /// The entry or compartment is another organisation's.
    NotOwner,
    /// The record is held by another organisation.
    NotCustodian,
    /// The caller's part in this record has ended.
    ClosedOut,
    /// An organisation Task does not reach this far.
    BeyondTask,
    /// Only whoever placed or recorded it may change it.
    NotRecorder,
    /// A record begins with its Patient.
    NoRecord,
    /// The practitioner is kept from this record.
    KeptFrom,
    /// The practitioner's role does not reach this type.
    BeyondRole,
}

impl Refusal {
    /// The stable code, for the audit trail and for clients.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotWritable => "not-writable",
            Self::NotOwner => "not-owner",
            Self::NotCustodian => "not-custodian",
            Self::ClosedOut => "closed-out",
            Self::BeyondTask => "beyond-task",
            Self::NotRecorder => "not-recorder",
            Self::NoRecord => "no-record",
            Self::KeptFrom => "kept-from",
            Self::BeyondRole => "beyond-role",
        }
    }

    /// The refusal as a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotWritable => "Resources of this type are not written by clients.",
            Self::NotOwner => "This resource is kept by another organisation.",
            Self::NotCustodian => "This record is held by another organisation.",
            Self::ClosedOut => "Your organisation's part in this record has ended.",
            Self::BeyondTask => "Your organisation's Task does not allow writing this.",
            Self::NotRecorder => "Only the organisation that recorded this resource may change it.",
            Self::NoRecord => "A record begins with its Patient.",
            Self::KeptFrom => "This record is not open to the practitioner who asks.",
            Self::BeyondRole => "The role for which the practitioner is registered does not reach this.",
        }
    }
}

/// How the caller stands to the resource, as far as the table asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    DirectoryOwner,
    Owner,
    Custodian,
    Person,
    TaskOwner,
    Recorder,
    Beginner,
}

/// What a row asks of the resource beyond its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    None,
    RecordedByCaller,
    CallersTask,
}

struct Row {
    relation: Relation,
    types: &'static [&'static str],
    interactions: &'static [Interaction],
    condition: Condition,
}

const CREATE: &[Interaction] = &[Interaction::Create];
const UPDATE: &[Interaction] = &[Interaction::Update];
const CHANGE: &[Interaction] = &[Interaction::Update, Interaction::Delete];
const ALL: &[Interaction] = &[Interaction::Create, Interaction::Update, Interaction::Delete];
const WITHDRAW: &[Interaction] = &[Interaction::Withdraw];

/// Every type that belongs where the row says, but those of [`OF_THEIR_OWN`]. To whom a type belongs is told by the overlay
/// of search, so a type that is served anew needs no row here.
const EVERY: &[&str] = &["*"];
/// The person, the consent and the order have rows of their own, and the trail is written by nobody.
const OF_THEIR_OWN: &[&str] = &["Patient", "Consent", "ServiceRequest", "AuditEvent"];

/// Every permitted write. An `AuditEvent` stands in no row: nobody writes it.
const ROWS: &[Row] = &[
    Row::of(Relation::DirectoryOwner, EVERY, ALL, Condition::None),
    Row::of(Relation::Owner, EVERY, ALL, Condition::None),
    Row::of(Relation::Beginner, &["Patient"], CREATE, Condition::None),
    Row::of(Relation::Owner, &["Patient"], ALL, Condition::None),
    Row::of(Relation::Custodian, EVERY, ALL, Condition::None),
    Row::of(Relation::Custodian, &["Patient", "Consent"], ALL, Condition::None),
    Row::of(Relation::Custodian, &["Consent"], WITHDRAW, Condition::None),
    // The order is its placer's; the Task carries the work on it, whoever holds the record by now.
    Row::of(Relation::Custodian, &["ServiceRequest"], CREATE, Condition::None),
    Row::of(Relation::Custodian, &["ServiceRequest"], CHANGE, Condition::RecordedByCaller),
    Row::of(Relation::TaskOwner, &["Encounter", "Communication"], CREATE, Condition::None),
    Row::of(Relation::TaskOwner, &["Encounter"], UPDATE, Condition::RecordedByCaller),
    Row::of(Relation::TaskOwner, &["Task"], UPDATE, Condition::CallersTask),
    // A person's word is a new Consent or the end of one; it never rewrites what was said before.
    Row::of(Relation::Person, &["Consent"], CREATE, Condition::None),
    Row::of(Relation::Person, &["Consent"], WITHDRAW, Condition::None),
    // Even blind and long after: taking back what one wrote down must never depend on being allowed to see.
    Row::of(Relation::Recorder, &["Consent"], WITHDRAW, Condition::RecordedByCaller),
];

impl Row {
    const fn of(
        relation: Relation,
        types: &'static [&'static str],
        interactions: &'static [Interaction],
        condition: Condition,
    ) -> Self {
        Self { relation, types, interactions, condition }
    }

    fn allows(&self, belongs: &Belongs, resource_type: &str, interaction: Interaction) -> bool {
        names(self.types, resource_type)
            && self.interactions.contains(&interaction)
            && match (self.condition, belongs) {
                (Condition::None, _) => true,
                (Condition::RecordedByCaller, Belongs::Record { recorded_by_caller, .. }) => *recorded_by_caller,
                (Condition::CallersTask, Belongs::Record { is_callers_task, .. }) => *is_callers_task,
                (Condition::RecordedByCaller | Condition::CallersTask, _) => false,
            }
    }
}

fn names(types: &[&str], resource_type: &str) -> bool {
    types.contains(&resource_type) || (types == EVERY && !OF_THEIR_OWN.contains(&resource_type))
}

/// Decides whether the caller may write this resource.
///
/// # Errors
/// The refusal that says most about how the caller stands to the resource.
pub fn may_write(facts: &WriteFacts, resource_type: &str, interaction: Interaction) -> Result<Permit, Refusal> {
    let relations = relations(facts);
    ROWS.iter()
        .filter(|row| relations.contains(&row.relation))
        .find(|row| row.allows(&facts.belongs, resource_type, interaction))
        .map(|row| Permit::on(basis(row.relation)))
        .ok_or_else(|| refusal(facts, &relations, resource_type))
        .and_then(|permit| narrowed(facts, resource_type).map_or(Ok(permit), Err))
}

/// Why the practitioner who signed in may not write what their organisation may. It comes after the organisation's own refusal,
/// so that it tells nobody of another organisation that the patient excluded them.
fn narrowed(facts: &WriteFacts, resource_type: &str) -> Option<Refusal> {
    let practitioner = facts.practitioner?;
    // The directory is seen by everyone, whatever their role.
    let is_seen = matches!(facts.belongs, Belongs::Directory { .. }) || practitioner.role.sees(resource_type);
    match practitioner {
        PractitionerFacts { is_kept_from: true, .. } => Some(Refusal::KeptFrom),
        _ if !is_seen => Some(Refusal::BeyondRole),
        _ => None,
    }
}

/// All relations of the caller to the resource; those that are worth more first.
fn relations(facts: &WriteFacts) -> Vec<Relation> {
    let is_caller = |organization: &str| facts.caller_organization == Some(organization);
    let candidates: &[(Relation, bool)] = match facts.belongs {
        Belongs::Directory { owner } => &[(Relation::DirectoryOwner, owner.is_some_and(is_caller))],
        Belongs::Own { organization } => &[(Relation::Owner, is_caller(organization))],
        Belongs::NewRecord => &[(Relation::Beginner, facts.caller_organization.is_some())],
        Belongs::Record {
            custodian,
            caller_is_person,
            caller_is_closed_out,
            caller_owns_active_task,
            recorded_by_caller,
            ..
        } => &[
            (Relation::Custodian, is_caller(custodian) && !caller_is_closed_out),
            (Relation::Person, caller_is_person),
            (Relation::TaskOwner, caller_owns_active_task && !caller_is_closed_out),
            (Relation::Recorder, recorded_by_caller),
        ],
    };
    candidates.iter().filter(|(_, holds)| *holds).map(|(relation, _)| *relation).collect()
}

fn basis(relation: Relation) -> Basis {
    match relation {
        Relation::DirectoryOwner => Basis::Directory,
        Relation::Owner => Basis::OwnCompartment,
        Relation::Custodian | Relation::Beginner => Basis::Custodian,
        Relation::Person => Basis::Person,
        Relation::TaskOwner => Basis::OrganizationTask,
        Relation::Recorder => Basis::Recorder,
    }
}

fn refusal(facts: &WriteFacts, relations: &[Relation], resource_type: &str) -> Refusal {
    let is_writable = ROWS.iter().any(|row| names(row.types, resource_type));
    match facts.belongs {
        _ if !is_writable => Refusal::NotWritable,
        Belongs::Directory { .. } | Belongs::Own { .. } if relations.is_empty() => Refusal::NotOwner,
        Belongs::Directory { .. } | Belongs::Own { .. } => Refusal::NotWritable,
        Belongs::NewRecord => Refusal::NoRecord,
        Belongs::Record { caller_is_closed_out: true, .. } => Refusal::ClosedOut,
        // A row names the type for the custodian, so what failed is its condition or the interaction.
        Belongs::Record { .. } if relations.contains(&Relation::Custodian) && resource_type == "ServiceRequest" => {
            Refusal::NotRecorder
        }
        Belongs::Record { .. } if relations.contains(&Relation::Custodian) => Refusal::NotWritable,
        Belongs::Record { .. } if relations.contains(&Relation::TaskOwner) => Refusal::BeyondTask,
        Belongs::Record { .. } => Refusal::NotCustodian,
    }
}
