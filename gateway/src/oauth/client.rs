//! Which client asks: proved by its assertion, to every endpoint of the token service in the same way.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request};

use super::error::OAuthError;
use super::form::Form;
use crate::app::{App, MachineTokens, Registry};
use crate::audit::{Actor, AuditEvent};
use crate::auth::{ASSERTION_TYPE, Assertion, KeySet, TokenError, claimed_client, verify_assertion};
use crate::consent::{Basis, Grantee};
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
pub(super) async fn prove(app: &App, tokens: &MachineTokens, form: &Form) -> Result<Proved, OAuthError> {
    let text = form.required("client_assertion")?;
    if form.required("client_assertion_type")? != ASSERTION_TYPE {
        return Err(OAuthError::parameter("client_assertion_type", "must be private_key_jwt's"));
    }
    let refuse = |client: &str, reason: &dyn std::fmt::Display| {
        tracing::debug!(client, %reason, "a client assertion was refused");
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
    if let Err(too_often) = app.rates.clients.take(&id, now_ms) {
        app.refused_by("client-rate");
        return Err(OAuthError::TooOften(too_often));
    }
    Ok(Proved { client: client.clone(), assertion, registry })
}

/// The IP address from which it is asked, for the trail.
pub(super) fn network(request: &Request) -> String {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map(|ConnectInfo(address)| address.ip().to_canonical().to_string()).unwrap_or_default()
}

/// A token was given, or refused to who proved who it is.
pub(super) const TOKEN: &str = "token";
/// A token was taken back.
pub(super) const REVOKED: &str = "token-revoked";

/// An act of a client in the trail of its organisation.
pub(super) fn act_of(client: &Client, (act, network): (&'static str, &str), now_ms: i64) -> AuditEvent {
    let organization = Grantee::organization(&client.organization_id).to_string();
    let actor = Actor {
        organization: organization.clone(),
        client: client.id.clone(),
        practitioner: String::new(),
        purpose: client.purposes.first().cloned().unwrap_or_default(),
        network: network.to_owned(),
    };
    AuditEvent::done(("E", act), actor, (&organization, Basis::OwnCompartment.code()), now_ms)
}
