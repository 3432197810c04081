//! `POST /oauth/token`: a short token for a client that proved who it is.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use serde_json::json;

use super::client::{Proved, TOKEN, act_of, network, prove};
use super::error::{OAuthError, json as json_answer};
use super::form::Form;
use crate::app::{App, MachineTokens, Registry};
use crate::audit::AuditEvent;
use crate::auth::{PeerCertificate, Scopes, TokenGrant};
use crate::consent::{Grantee, PractitionerRole, Purpose};
use crate::search::restriction::is_kept;
use crate::storage::registry::Client;

/// Answers a request for a token.
pub(super) async fn token(app: App, request: Request) -> Response<Body> {
    match grant(&app, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn grant(app: &App, request: Request) -> Result<Response<Body>, OAuthError> {
    let tokens = app.tokens.as_ref().ok_or(OAuthError::Internal)?;
    let certificate = request.extensions().get::<PeerCertificate>().cloned();
    let network = network(&request);
    let form = Form::read(request).await?;
    if form.required("grant_type")? != "client_credentials" {
        return Err(OAuthError::UnsupportedGrantType);
    }
    let requested = form.required("scope")?;
    let proved = prove(app, tokens, &form).await?;
    match given(app, (tokens, &proved), requested, (certificate.as_ref(), &network)).await {
        // Whoever proved who it is and is refused all the same, has that on record.
        Err(
            error @ (OAuthError::InvalidRequest(_) | OAuthError::InvalidScope(_) | OAuthError::UnauthorizedClient(_)),
        ) => {
            let event = act_of(&proved.client, (TOKEN, &network), app.clock.now_ms());
            app.store.record_only(vec![event.refused("scope")]).await?;
            Err(error)
        }
        given => given,
    }
}

async fn given(
    app: &App,
    (tokens, proved): (&MachineTokens, &Proved),
    requested: &str,
    (certificate, network): (Option<&PeerCertificate>, &str),
) -> Result<Response<Body>, OAuthError> {
    let Proved { client, assertion, registry } = proved;
    if client.person_app {
        return Err(OAuthError::UnauthorizedClient("an app for people who sign in gets no token without a person"));
    }
    let purpose = purpose(client, assertion.purpose.as_deref())?;
    let practitioner = assertion.practitioner_id.as_deref().map(|id| practitioner(registry, client, id)).transpose()?;
    let kept = |scope: &str| Scopes::parse(scope).keeping(is_kept);
    let scope = kept(requested).within(&kept(&client.scopes)).of_system();
    if scope.is_empty() {
        return Err(OAuthError::InvalidScope(if requested.contains('?') {
            "a search restriction is by codes of the type, grants r and s, and lies within what this client is registered for"
        } else {
            "none of these scopes is one that this client is registered for"
        }));
    }
    let lifetime_seconds = u32::try_from(tokens.lifetime.as_secs()).unwrap_or(u32::MAX);
    let grant = TokenGrant {
        client_id: &client.id,
        organization_id: &client.organization_id,
        practitioner_id: practitioner,
        fhir_user: None,
        purpose,
        scope: &scope,
        certificate: certificate.map(PeerCertificate::thumbprint),
        lifetime_seconds,
    };
    let (id, now_ms) = (AuditEvent::fresh_id(), app.clock.now_ms());
    let token = issue(tokens, &grant, &id, now_ms)?;
    // A token that is nowhere on record is not given.
    let event = AuditEvent {
        practitioner: practitioner.map(|id| Grantee::practitioner(id).to_string()).unwrap_or_default(),
        purpose: purpose.to_owned(),
        request_id: id,
        ..act_of(client, (TOKEN, network), now_ms)
    };
    app.store.record_only(vec![event]).await?;
    let answer = json!({"access_token": token, "token_type": "bearer", "expires_in": lifetime_seconds, "scope": scope});
    Ok(json_answer(StatusCode::OK, answer.to_string()))
}

fn issue(tokens: &MachineTokens, grant: &TokenGrant<'_>, id: &str, now_ms: i64) -> Result<String, OAuthError> {
    tokens.issuer.issue(grant, id, now_ms).map_err(|error| {
        tracing::error!(%error, "a token could not be signed");
        OAuthError::Internal
    })
}

/// The purpose that is asked for, or the only one that the client is registered for.
fn purpose<'c>(client: &'c Client, asked: Option<&str>) -> Result<&'c str, OAuthError> {
    let wrong = |problem| Err(OAuthError::parameter("extensions.hl7-b2b.purpose_of_use", problem));
    let found = match (asked, client.purposes.as_slice()) {
        (None, [only]) => only,
        (None, _) => return wrong("is required: this client is registered for several"),
        (Some(asked), registered) => match registered.iter().find(|purpose| *purpose == asked) {
            Some(purpose) => purpose,
            None => return wrong("is none that this client is registered for"),
        },
    };
    match Purpose::from_code(found) {
        Some(purpose) if !purpose.is_emergency() => Ok(found),
        _ => wrong("is no purpose of a token: an emergency is a session, opened by Patient/$break-glass"),
    }
}

/// A practitioner who is registered for the client's organisation.
fn practitioner<'i>(registry: &Registry, client: &Client, id: &'i str) -> Result<&'i str, OAuthError> {
    let of_organization =
        registry.practitioner(id).filter(|practitioner| practitioner.organization_id == client.organization_id);
    let is_known = of_organization.is_some_and(|row| PractitionerRole::from_code(&row.role).is_some());
    let unknown = "is no practitioner who is registered for this organisation";
    is_known.then_some(id).ok_or_else(|| OAuthError::parameter("extensions.hl7-b2b.subject_id", unknown))
}
