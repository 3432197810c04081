//! Fetches an issuer's public keys (a JWK Set) by URL. Whether they are any good, `gateway/src/auth/` decides.

use std::time::Duration;

use reqwest::header::{ACCEPT, CACHE_CONTROL, HeaderMap};
use reqwest::{Method, StatusCode};

use crate::http::{HttpClient, HttpError};

/// A set of some fifty keys with certificates has 100 KB.
const JWKS_BYTES_MAX: usize = 256 * 1024;
const TIMEOUT: Duration = Duration::from_secs(5);
/// However long the server says that its keys stay fresh, a withdrawn key is gone after a day.
const FRESH_MAX: Duration = Duration::from_hours(24);

/// A JWK Set as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedJwks {
    /// The JSON text.
    pub text: String,
    /// How long its server says that it stays fresh, a day at most; zero if it said nothing.
    pub fresh_for: Duration,
}

/// Why there is no JWK Set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// The server gave no answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The answer has another status than 200.
    #[error("the server answers {0}")]
    Status(StatusCode),
    /// The answer is not text.
    #[error("the answer is not UTF-8")]
    NotText,
}

/// Fetches the JWK Set at `url`.
///
/// # Errors
/// See [`JwksError`].
pub async fn fetch_jwks(client: &HttpClient, url: &str) -> Result<FetchedJwks, JwksError> {
    let request = client.request(Method::GET, url).header(ACCEPT, "application/json").timeout(TIMEOUT);
    let answer = client.send(request, JWKS_BYTES_MAX).await?;
    if answer.status != StatusCode::OK {
        return Err(JwksError::Status(answer.status));
    }
    let fresh_for = fresh_for(&answer.headers);
    let text = String::from_utf8(answer.body).map_err(|_| JwksError::NotText)?;
    Ok(FetchedJwks { text, fresh_for })
}

/// `max-age` of `Cache-Control`, unless `no-store` or `no-cache` take it back.
fn fresh_for(headers: &HeaderMap) -> Duration {
    let mut seconds = 0;
    for value in headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()) {
        for directive in value.split(',').map(|directive| directive.trim().to_ascii_lowercase()) {
            match directive.split_once('=') {
                None if directive == "no-store" || directive == "no-cache" => return Duration::ZERO,
                Some(("max-age", age)) => seconds = age.trim_matches('"').parse().unwrap_or(0),
                _ => {}
            }
        }
    }
    Duration::from_secs(seconds).min(FRESH_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::canned::Canned;

    #[test]
    fn freshness_is_what_the_server_says_and_a_day_at_most() {
        let cases = [
            ("", 0),
            ("no-store", 0),
            ("max-age=300, no-cache", 0),
            ("max-age=-5", 0),
            ("max-age=soon", 0),
            ("s-maxage=300", 0),
            ("public, Max-Age=300, must-revalidate", 300),
            ("max-age=\"300\"", 300),
            ("max-age=31536000", 86_400),
            ("max-age=99999999999999999999999", 0),
        ];
        for (text, seconds) in cases {
            let headers = HeaderMap::from_iter([(CACHE_CONTROL, text.parse().expect("a header value"))]);
            assert_eq!(fresh_for(&headers), Duration::from_secs(seconds), "{text}");
        }
    }

    #[tokio::test]
    async fn only_a_200_of_reasonable_size_counts() {
        let client = HttpClient::new().expect("a client can be built");
        let good = Canned::start(&["HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 2\r\n\r\n{}"]);
        let fetched = FetchedJwks { text: "{}".to_owned(), fresh_for: Duration::from_mins(1) };
        assert_eq!(fetch_jwks(&client, &good.url).await, Ok(fetched));
        let failing = Canned::start(&["HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"]);
        let refused = JwksError::Status(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(fetch_jwks(&client, &failing.url).await, Err(refused));
        let body = "x".repeat(JWKS_BYTES_MAX + 1);
        let long = Canned::start(&[&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())]);
        assert_eq!(fetch_jwks(&client, &long.url).await, Err(HttpError::TooLong(JWKS_BYTES_MAX).into()));
    }
}
