//! What an operator does by a command, in the trail: before it is done, or it is not done.

use super::CommandError;
use crate::access::caller::Act;
use crate::audit::{Actor, AuditEvent};
use crate::clock::Clock;
use crate::gateway::StartError;
use crate::storage::Store;

/// Who takes part was registered, or what is registered of them changed.
pub(super) const REGISTER: Act = Act::new("C", "register");
/// Somebody was shut out.
pub(super) const DISABLE: Act = Act::new("U", "disable");
/// A client got other keys.
pub(super) const CHANGE_KEYS: Act = Act::new("U", "change-keys");
/// It was asked whose data somebody reached.
pub(super) const REACHED: Act = Act::new("E", "reached");

/// Every key of a record was wrapped by the newest key of the ring.
pub(super) const ROTATE: Act = Act::new("U", "vault-rotate");
/// What was stored before the vault was there was sealed.
pub(super) const SEAL: Act = Act::new("U", "vault-seal");
/// Events without a mark were taken into the trail as they stood.
pub(super) const ADOPT: Act = Act::new("U", "audit-adopt");
/// What was kept for its years was removed.
pub(super) const PURGE: Act = Act::new("D", "billing-purge");

/// On what it rests.
const OPERATOR_RULE: &str = "operator";

/// An act of an operator.
#[derive(Debug)]
pub(super) struct OperatorAct<'a> {
    pub(super) act: Act,
    /// The organisation that it is about, in whose own trail it is then; that of the gateway otherwise.
    pub(super) organization: Option<&'a str>,
    /// The type and id of the directory's entry; empty where there is none.
    pub(super) about: (&'a str, &'a str),
    /// Names and values: nothing about a patient, and no secret.
    pub(super) details: &'a [(&'a str, &'a str)],
}

impl OperatorAct<'static> {
    /// An act on the whole gateway, of which nothing more is to be said.
    pub(super) const fn on_all(act: Act) -> Self {
        Self { act, organization: None, about: ("", ""), details: &[] }
    }
}

impl OperatorAct<'_> {
    /// Puts it on record.
    ///
    /// # Errors
    /// The database does not answer: then it is not done either.
    pub(super) async fn keep(self, store: &Store) -> Result<(), CommandError> {
        let compartment =
            self.organization.map_or_else(|| Actor::GATEWAY.to_owned(), |id| format!("organization/{id}"));
        let act = (self.act.action, self.act.subtype);
        let event = AuditEvent::done(act, Actor::gateway(), (&compartment, OPERATOR_RULE), Clock::System.now_ms());
        let (resource_type, id) = self.about;
        let said = self.details.iter().filter(|(_, value)| !value.is_empty());
        let details = form_urlencoded::Serializer::new(String::new()).extend_pairs(said).finish();
        let event = event.about(resource_type, id).asking(&details);
        Ok(store.record_only(vec![event]).await.map_err(StartError::Storage)?)
    }
}
