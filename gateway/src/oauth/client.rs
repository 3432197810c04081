//! Which client asks: proved by its assertion, to every endpoint of the token service in the same way.

use std::sync::Arc;

use super::error::OAuthError;
use super::form::Form;
use crate::app::{App, Registry, TokenService};
use crate::auth::{ASSERTION_TYPE, Assertion, KeySet, TokenError, claimed_client, verify_assertion};
use crate::storage::registry::{Client, ClientKeys};

/// A client that proved who it is.
#[derive(Clone, Debug)]
pub(super) struct Proved {
    /// As it is registered.
    pub(super) client: Client,
    /// What it says beside who it is.
    pub(super) assertion: Assertion,
    /// Who is registered.
    pub(super) registry: Arc<Registry>,
}

/// Finds out which client asks.
///
/// # Errors
/// [`OAuthError::InvalidClient`], whatever is wrong with it: the log has the reason.
pub(super) async fn prove(app: &App, tokens: &TokenService, form: &Form) -> Result<Proved, OAuthError> {
    let text = form.required("client_assertion")?;
    if form.required("client_assertion_type")? != ASSERTION_TYPE {
        return Err(OAuthError::parameter("client_assertion_type", "must be private_key_jwt's"));
    }
    let refuse = |client: &str, reason: &dyn std::fmt::Display| {
        tracing::info!(client, %reason, "a client assertion was refused");
        app.refusals.count("invalid-client", app.clock.now_ms());
        OAuthError::InvalidClient
    };
    let Some(id) = claimed_client(text) else { return Err(refuse("", &"it names no client")) };
    if form.get("client_id").is_some_and(|given| given != id) {
        return Err(refuse(&id, &"client_id names another client"));
    }
    let registry = app.registry().await?;
    let registered = registry.client(&id).filter(|client| registry.organization(&client.organization_id).is_some());
    let Some(client) = registered else { return Err(refuse("", &"the client is not registered, or disabled")) };
    let now_ms = app.clock.now_ms();
    let verify = |keys: &KeySet| verify_assertion(text, (&id, keys), &tokens.endpoint(), now_ms);
    let verified = match &client.keys {
        None => Err(TokenError::KeyUnknown),
        Some(ClientKeys::Inline(jwks)) => {
            KeySet::of_client(jwks).map_err(|_| TokenError::KeyUnknown).and_then(|keys| verify(&keys))
        }
        Some(ClientKeys::Url(url)) => tokens.client_keys.verify(url, verify).await,
    };
    let assertion = verified.map_err(|reason| refuse(&id, &reason))?;
    if !app.store.is_first_use(&id, &assertion.id, assertion.until_ms).await? {
        return Err(refuse(&id, &"the assertion was shown before"));
    }
    Ok(Proved { client: client.clone(), assertion, registry })
}
