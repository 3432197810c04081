//! Tokens for machine clients from the gateway itself: SMART Backend Services.
//!
//! A client proves who it is with a signed assertion, and gets a short token for what it asks and is registered for. People sign in
//! elsewhere.
//!
//! Specifications: <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>, RFC 6749, RFC 7523.

mod client;
mod error;
mod form;
mod introspect;
mod smart_configuration;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};

use crate::app::App;
use crate::error::Failure;

/// What is answered where a request is beyond a limit.
pub fn refused(failure: &Failure) -> Response<Body> {
    error::beyond_limits(failure)
}

/// The routes for tokens; none where the gateway gives no tokens.
pub fn routes(app: &App) -> Router {
    let Some(tokens) = &app.tokens else { return Router::new() };
    let jwks = tokens.issuer.jwks().to_owned();
    let configuration = smart_configuration::document(tokens).to_string();
    let told = move || {
        let configuration = configuration.clone();
        async move { error::json(StatusCode::OK, configuration) }
    };
    let (for_token, for_introspection, for_revocation) = (Arc::clone(app), Arc::clone(app), Arc::clone(app));
    Router::new()
        .route("/.well-known/smart-configuration", get(told.clone()))
        .route("/fhir/.well-known/smart-configuration", get(told))
        .route("/oauth/jwks", get(move || async move { error::json(StatusCode::OK, jwks) }))
        .route("/oauth/token", post(move |request: Request| token::token(for_token, request)))
        .route("/oauth/introspect", post(move |request: Request| introspect::introspect(for_introspection, request)))
        .route("/oauth/revoke", post(move |request: Request| introspect::revoke(for_revocation, request)))
}
