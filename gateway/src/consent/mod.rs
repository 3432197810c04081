//! May this pass? The pure rules of consent: a Consent is read from JSON, decided upon, and flattened into access grants.
//!
//! What is enforced and what is refused, element by element, is in `docs/consent.md`. Nothing here knows storage, HTTP,
//! tokens or the clock: facts and the time come in as arguments, and a [`Permit`] goes out. No code outside this module
//! can make one.

mod about;
mod about_reader;
#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod arbitrary;
#[cfg(any(test, feature = "testing"))]
mod arbitrary_about;
mod conflict;
mod decide;
mod emergency;
mod grantee;
mod grants;
mod issue;
mod period;
mod permit;
mod provision;
mod provision_reader;
mod purpose;
mod reader;
mod registration;
mod representation;
mod role;
mod rules;
mod standing;
mod team;
mod trace;
mod writing;

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod decide_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod reader_tests;
#[cfg(test)]
mod writing_tests;

pub use about::{About, Action, Data, Meaning};
pub use about_reader::{DATA_MAX, UNRESOLVED};
pub use conflict::{CONFLICTS_MAX, Conflict, conflicts};
pub use decide::{Decision, Reason, Request, decide, decide_all, explain};
pub use emergency::{CONFLICT_OF_DUTIES, EmergencySession, emergency};
pub use grantee::{ActorReference, Grantee, ORGANIZATION_KIND_SYSTEM};
pub use grants::{Grant, evaluate, grants, permitting};
pub use issue::{ConsentIssue, IssueCode};
pub use period::Period;
pub use permit::{Basis, LawRule, Permit};
pub use provision::{Consent, ConsentId, Provision, ProvisionType, Status};
pub use provision_reader::{ACTORS_MAX, NESTED_PROVISIONS_MAX};
pub use purpose::{PURPOSE_SYSTEM, Purpose, PurposeSet, classes};
pub use reader::read;
pub use registration::{REGISTER_SYSTEM, TREATMENT_REGISTER, refuses_registration};
pub use representation::{REPRESENTATION_SCOPE, Representation, RepresentationScope, representation};
pub use role::{PRACTITIONER_ROLE_SYSTEM, PractitionerRole};
pub use rules::{Effect, Rule};
pub use standing::{Standing, without_consent};
pub use team::{
    CARE_TEAM_ROLE_SYSTEM, Identities, MANDATED_TREATMENT, TeamMember, TeamRow, Teams, member_reference, named_teams,
    team_members, team_references,
};
pub use trace::{Considered, Element, Looked, Verdict, deciding, provision_path};
pub use writing::{Belongs, Interaction, PractitionerFacts, Refusal, WriteFacts, may_write};
