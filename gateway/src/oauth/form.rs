//! The form that a client posts.

use std::collections::BTreeMap;
use std::fmt;

use axum::extract::Request;
use axum::http::header;
use http_body_util::{BodyExt as _, Limited};

use super::error::OAuthError;

/// An assertion has a kilobyte or two, with a certificate's worth of claims a few more.
const FORM_BYTES_MAX: usize = 32 * 1024;

/// The parameters of a request, each once. Assertions and tokens are among them, so they are never printed.
pub(super) struct Form(BTreeMap<String, String>);

impl fmt::Debug for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl Form {
    /// Reads the body.
    ///
    /// # Errors
    /// [`OAuthError::InvalidRequest`] for another media type, a longer body, or a parameter that is said twice.
    pub(super) async fn read(request: Request) -> Result<Self, OAuthError> {
        let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(OAuthError::parameter("Content-Type", "must be application/x-www-form-urlencoded"));
        }
        let body = Limited::new(request.into_body(), FORM_BYTES_MAX).collect().await;
        let body = body.map_err(|_| OAuthError::parameter("the body", "broke off, or is too long"))?.to_bytes();
        let mut form = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(&body) {
            let name = name.into_owned();
            if form.contains_key(&name) {
                let name: String =
                    name.chars().filter(|one| one.is_ascii_alphanumeric() || "_.-".contains(*one)).take(64).collect();
                return Err(OAuthError::parameter(&name, "is given twice"));
            }
            form.insert(name, value.into_owned());
        }
        Ok(Self(form))
    }

    /// A parameter; none where it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    /// [`OAuthError::InvalidRequest`].
    pub(super) fn required(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::parameter(name, "is required"))
    }
}
