//! What the scopes of a token admit, or the role of a session.

use super::Caller;
use crate::auth::Interaction;
use crate::error::{Failure, Issue};

/// Of what resources of a type a request is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach<'c> {
    /// Of all.
    Whole,
    /// Of those that one of these searches finds; never empty.
    Within(Vec<&'c str>),
}

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

    /// Holds the request to the scopes of its token, where whoever asks holds the answer to their restrictions.
    ///
    /// # Errors
    /// [`Failure::Forbidden`].
    pub fn reach(&self, resource_type: &str, interaction: Interaction) -> Result<Reach<'_>, Failure> {
        let Err(failure) = self.may(resource_type, interaction) else { return Ok(Reach::Whole) };
        if self.in_session.is_some() || self.person.is_some() {
            return Err(failure);
        }
        let searches = self.claims.scopes.restrictions(resource_type, interaction);
        if searches.is_empty() { Err(failure) } else { Ok(Reach::Within(searches)) }
    }
}
