//! What the scopes of a token admit, or the role of a session.

use super::Caller;
use crate::auth::Interaction;
use crate::error::{Failure, Issue};

impl Caller {
    /// Holds the request to the scopes of its token.
    ///
    /// # Errors
    /// [`Failure::Forbidden`].
    pub fn may(&self, resource_type: &str, interaction: Interaction) -> Result<(), Failure> {
        if let Some(in_session) = &self.in_session {
            return in_session.admission(in_session.role.may(resource_type, interaction));
        }
        let scopes = if self.person.is_some() { &self.claims.person_scopes } else { &self.claims.scopes };
        if scopes.permits(resource_type, interaction) {
            return Ok(());
        }
        Err(Failure::Forbidden(Issue::new(
            "forbidden",
            "the token's scope does not allow this interaction on this type",
        )))
    }

    /// Holds the request to the scopes of its token, where it can hold the answer to the restrictions of a scope: the searches of
    /// which one must find whatever is shown. None: all of the type.
    ///
    /// # Errors
    /// [`Failure::Forbidden`].
    pub fn may_within(&self, resource_type: &str, interaction: Interaction) -> Result<Vec<&str>, Failure> {
        let Err(failure) = self.may(resource_type, interaction) else { return Ok(Vec::new()) };
        if self.in_session.is_some() || self.person.is_some() {
            return Err(failure);
        }
        let restrictions = self.claims.scopes.restrictions(resource_type, interaction);
        if restrictions.is_empty() { Err(failure) } else { Ok(restrictions) }
    }
}
