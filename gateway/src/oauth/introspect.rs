//! `POST /oauth/introspect` (RFC 7662) and `POST /oauth/revoke` (RFC 7009): a client asks about its own tokens, or takes one back.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use serde_json::json;

use super::client::{Proved, REVOKED, act_of, network, prove};
use super::error::{OAuthError, json as json_answer};
use super::form::Form;
use crate::app::App;
use crate::audit::AuditEvent;
use crate::auth::TokenClaims;

/// The most by which clocks may be said to differ.
const LEEWAY_MS_MAX: i64 = 60_000;

/// Answers what a token is good for; of another client's, and of none at all, that it is not active.
pub(super) async fn introspect(app: App, request: Request) -> Response<Body> {
    let told = async {
        let (proved, claims) = own_token(&app, request).await?;
        let active =
            claims.filter(|claims| claims.token_id.as_deref().is_none_or(|id| !proved.registry.is_revoked(id)));
        Ok(match active {
            None => json!({"active": false}),
            Some(claims) => json!({
                "active": true,
                "client_id": claims.client_id,
                "scope": claims.scopes.of_system(),
                "exp": claims.expires_at_ms / 1_000,
                "jti": claims.token_id,
                "organization": claims.organization_id,
                "practitioner": claims.practitioner_id,
                "purpose_of_use": claims.purpose,
                "token_type": "bearer",
            }),
        })
    };
    answered(told.await)
}

/// Takes a token back: from then on it is refused here at once, and at every other replica within a second. What is no token of
/// the client's stays as it is, and the answer is the same.
pub(super) async fn revoke(app: App, request: Request) -> Response<Body> {
    let network = network(&request);
    let done = async {
        if let (proved, Some(claims)) = own_token(&app, request).await?
            && let Some(id) = &claims.token_id
        {
            let event = act_of(&proved.client, (REVOKED, &network), app.clock.now_ms());
            app.store.record_only(vec![AuditEvent { request_id: id.clone(), ..event }]).await?;
            // It ends a little later than it says, by the difference that clocks may have.
            app.store.revoke_token(id, claims.expires_at_ms + LEEWAY_MS_MAX).await?;
            app.forget_registry();
        }
        Ok(json!({}))
    };
    answered(done.await)
}

/// The client that asks, and the claims of the token in the form if the gateway gave it to that client and it holds.
async fn own_token(app: &App, request: Request) -> Result<(Proved, Option<Arc<TokenClaims>>), OAuthError> {
    let tokens = app.tokens.as_ref().ok_or(OAuthError::Internal)?;
    let form = Form::read(request).await?;
    let proved = prove(app, tokens, &form).await?;
    let claims = tokens.verifier.verify(form.required("token")?, app.clock.now_ms()).ok();
    let claims = claims.filter(|claims| claims.client_id == proved.client.id);
    Ok((proved, claims))
}

fn answered(told: Result<serde_json::Value, OAuthError>) -> Response<Body> {
    match told {
        Ok(body) => json_answer(StatusCode::OK, body.to_string()),
        Err(error) => error.into_response(),
    }
}
