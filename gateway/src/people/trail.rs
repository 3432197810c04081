//! What the trail has of signing in: in the compartment of the organisation, or of the patient. Of whoever is nobody here there is no trail
//! to keep it in, so it is counted.

use crate::access::caller::Act;
use crate::access::session::{SESSION_CLIENT, SignedInPerson};
use crate::app::App;
use crate::audit::{Actor, AuditEvent};
use crate::auth::PersonRole;
use crate::consent::{Basis, Grantee};
use crate::storage::StorageError;
use crate::storage::people::StaffMember;

/// Somebody signed in.
pub(super) const SIGN_IN: Act = Act::new("E", "sign-in");
/// Somebody signed in afresh.
pub(super) const STEP_UP: Act = Act::new("E", "step-up");
/// A session ended because somebody said so.
pub(super) const SIGN_OUT: Act = Act::new("E", "sign-out");
/// Somebody went on as something else.
pub(super) const ACT_AS: Act = Act::new("E", "act-as");
/// Somebody gave the code of a record.
pub(super) const LINK: Act = Act::new("E", "link");

/// A refusal.
#[derive(Clone, Copy)]
pub(super) struct Refused<'r> {
    pub(super) act: Act,
    pub(super) reason: &'static str,
    pub(super) network: &'r str,
}

/// Who it was: a member of staff, or the patient of a record.
#[derive(Clone, Copy)]
pub(super) enum Who<'w> {
    Staff(&'w StaffMember, PersonRole),
    Patient(&'w str),
}

impl<'w> Who<'w> {
    /// As what somebody acts; a member of staff who may nothing any more is one still.
    pub(super) fn of(person: &'w SignedInPerson) -> Option<Self> {
        match (person.role, &person.staff) {
            (Some(PersonRole::Patient), _) => Some(Self::Patient(&person.session.compartment)),
            (role, Some(member)) => Some(Self::Staff(member, role.unwrap_or(PersonRole::Operator))),
            (_, None) => None,
        }
    }
}

/// An event of who signed in, in their own trail.
pub(super) fn event(who: Who<'_>, act: Act, network: &str, now_ms: i64) -> AuditEvent {
    let (compartment, practitioner, purpose, basis) = match who {
        Who::Patient(record) => {
            (format!("patient/{record}"), String::new(), PersonRole::Patient.purpose(), Basis::Person)
        }
        Who::Staff(member, role) => {
            let practitioner = match &member.practitioner_id {
                Some(practitioner) => Grantee::practitioner(practitioner).to_string(),
                None => format!("person/{}", member.id),
            };
            let organization = Grantee::organization(&member.organization_id).to_string();
            (organization, practitioner, role.purpose(), Basis::OwnCompartment)
        }
    };
    let actor = Actor {
        organization: compartment.clone(),
        client: SESSION_CLIENT.to_owned(),
        practitioner,
        purpose: purpose.to_owned(),
        network: network.to_owned(),
    };
    AuditEvent::done((act.action, act.subtype), actor, (&compartment, basis.code()), now_ms)
}

/// Keeps that something was done. What is nowhere on record is not done.
pub(super) async fn record(app: &App, who: Option<Who<'_>>, act: Act, network: &str) -> Result<(), StorageError> {
    let Some(who) = who else { return Ok(()) };
    app.store.record_only(vec![event(who, act, network, app.clock.now_ms())]).await
}

/// Keeps that something was refused.
pub(super) async fn refuse(app: &App, person: &SignedInPerson, refused: Refused<'_>) -> Result<(), StorageError> {
    refuse_of(app, Who::of(person), refused).await
}

/// The same, of whoever it was.
pub(super) async fn refuse_of(app: &App, who: Option<Who<'_>>, refused: Refused<'_>) -> Result<(), StorageError> {
    let now_ms = app.clock.now_ms();
    let Some(who) = who else {
        app.refusals.count(refused.reason, now_ms);
        return Ok(());
    };
    let event = event(who, refused.act, refused.network, now_ms);
    app.store.record_only(vec![event.refused(refused.reason)]).await
}
