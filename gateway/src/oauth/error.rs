//! What the token service answers: JSON, and errors by the codes of RFC 6749, section 5.2.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::error::Failure;
use crate::rates::TooOften;
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
    /// The client asks too often.
    TooOften(TooOften),
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
            Self::TooOften(too_often) => return beyond_limits(&Failure::TooOften(too_often)),
            Self::Internal => {
                let description = "the gateway failed; its log has the cause";
                (StatusCode::INTERNAL_SERVER_ERROR, "server_error", description.to_owned())
            }
        };
        json(status, json!({"error": code, "error_description": description}).to_string())
    }
}

/// The answer to a request that is beyond a limit of size, time, rate or room.
pub(super) fn beyond_limits(failure: &Failure) -> Response<Body> {
    let status = failure.status();
    let is_temporary = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let code = if is_temporary { "temporarily_unavailable" } else { "invalid_request" };
    let description = failure.issues().into_iter().next().map(|issue| issue.details);
    let mut response = json(status, json!({"error": code, "error_description": description}).to_string());
    if let Some(seconds) = failure.retry_after_seconds() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
