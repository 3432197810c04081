//! A caller who was let in, looked at again while an answer goes on.

use std::sync::Arc;

use super::Caller;
use crate::app::App;
use crate::error::Failure;

impl Caller {
    /// The same caller as it is registered at this moment: for an answer that goes on for long.
    ///
    /// # Errors
    /// As [`Caller::of`], but that its token was good is not asked again, unless it was taken back.
    pub async fn at_this_moment(&self, app: &App) -> Result<Self, Failure> {
        let (registry, now_ms) = (app.registry().await?, app.clock.now_ms());
        if self.claims.token_id.as_deref().is_some_and(|id| registry.is_revoked(id)) {
            return Err(Failure::Unauthenticated { expired: true });
        }
        let (claims, request_id) = (Arc::clone(&self.claims), self.request_id.clone());
        let registered = Self::registered(claims, registry, request_id, now_ms, app.labels.version())?;
        Ok(Self { person: self.person.clone(), network: self.network.clone(), ..registered })
    }
}
