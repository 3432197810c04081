//! What the token service answers: JSON, and errors by the codes of RFC 6749, section 5.2.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::storage::StorageError;

/// Why no token is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OAuthError {
    /// The request lacks something, or says it twice or wrongly.
    InvalidRequest(String),
    /// The client is not known or does not prove who it is: never told which.
    InvalidClient,
    /// This client gets no tokens in this way.
    UnauthorizedClient(&'static str),
    /// Another grant than client credentials.
    UnsupportedGrantType,
    /// Nothing of what it asks for may be granted.
    InvalidScope(&'static str),
    /// The database is away, or the queue is full.
    Unavailable,
    /// Ours.
    Internal,
}

impl From<StorageError> for OAuthError {
    fn from(error: StorageError) -> Self {
        tracing::error!(%error, "the token service could not ask the database");
        Self::Unavailable
    }
}

impl OAuthError {
    /// A parameter that is not as it must be.
    pub(super) fn parameter(name: &str, problem: &str) -> Self {
        Self::InvalidRequest(format!("{name} {problem}"))
    }

    /// The answer where there is no room, or no time is left.
    pub(super) fn beyond_limits(status: StatusCode) -> Response<Body> {
        let mut response = Self::Unavailable.into_response();
        *response.status_mut() = status;
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        response
    }

    /// The answer.
    pub(super) fn into_response(self) -> Response<Body> {
        let (status, code, description) = match self {
            Self::InvalidRequest(description) => (StatusCode::BAD_REQUEST, "invalid_request", description),
            Self::InvalidClient => {
                let description = "no client is registered that this client_assertion proves";
                (StatusCode::UNAUTHORIZED, "invalid_client", description.to_owned())
            }
            Self::UnauthorizedClient(why) => (StatusCode::BAD_REQUEST, "unauthorized_client", why.to_owned()),
            Self::UnsupportedGrantType => {
                let description = "grant_type must be client_credentials";
                (StatusCode::BAD_REQUEST, "unsupported_grant_type", description.to_owned())
            }
            Self::InvalidScope(why) => (StatusCode::BAD_REQUEST, "invalid_scope", why.to_owned()),
            Self::Unavailable => {
                let description = "the gateway cannot answer now: repeat with a new assertion";
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", description.to_owned())
            }
            Self::Internal => {
                let description = "the gateway failed; its log has the cause";
                (StatusCode::INTERNAL_SERVER_ERROR, "server_error", description.to_owned())
            }
        };
        json(status, json!({"error": code, "error_description": description}).to_string())
    }
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
