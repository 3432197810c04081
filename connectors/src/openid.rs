//! What is asked of an OpenID provider behind the browser's back: how it describes itself, and who signed in, for a code.
//!
//! Whether what it answers is to be believed, `gateway/src/auth/` decides.
//! Specifications: OpenID Connect Discovery 1.0, RFC 6749 (section 4.1.3), RFC 7523.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION};
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use crate::http::{Answer, HttpClient, HttpError};

const ANSWER_BYTES_MAX: usize = 256 * 1024;
const TIMEOUT: Duration = Duration::from_secs(10);

/// How a provider describes itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ProviderMetadata {
    /// Its name.
    pub issuer: String,
    /// Where the browser goes.
    pub authorization_endpoint: String,
    /// Where codes are exchanged.
    pub token_endpoint: String,
    /// Where its public keys are.
    pub jwks_uri: String,
    /// Whether it names itself in its answer through the browser (RFC 9207).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// How the gateway proves who it is, in one request.
#[derive(Clone)]
pub enum Proof {
    /// A header `Authorization: Basic …`.
    Basic(String),
    /// A signed assertion.
    Assertion(String),
}

/// What a code is exchanged with.
#[derive(Clone)]
pub struct CodeExchange<'c> {
    /// As what the provider knows the gateway.
    pub client_id: &'c str,
    /// The code.
    pub code: &'c str,
    /// Where the browser was sent back to.
    pub redirect_uri: &'c str,
    /// PKCE's verifier.
    pub code_verifier: &'c str,
    /// Who asks.
    pub proof: Proof,
}

/// Why a provider's answer is of no use. No variant holds anything of the answer: it may name a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenIdError {
    /// There is no answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It refuses; the code of its error, where it says one that is one.
    #[error("the provider answers {0} {1}")]
    Refused(StatusCode, String),
    /// The answer is not what the specification says.
    #[error("the provider's answer cannot be read")]
    Unreadable,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Fetches how the provider `issuer` describes itself.
///
/// # Errors
/// See [`OpenIdError`].
pub async fn fetch_metadata(client: &HttpClient, issuer: &str) -> Result<ProviderMetadata, OpenIdError> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let request = client.request(Method::GET, &url).header(ACCEPT, "application/json").timeout(TIMEOUT);
    read(&client.send(request, ANSWER_BYTES_MAX).await?)
}

/// Exchanges a code; answers the ID token, which nobody has verified yet.
///
/// # Errors
/// See [`OpenIdError`].
pub async fn exchange_code(
    client: &HttpClient,
    token_endpoint: &str,
    exchange: &CodeExchange<'_>,
) -> Result<String, OpenIdError> {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", exchange.code),
        ("redirect_uri", exchange.redirect_uri),
        ("code_verifier", exchange.code_verifier),
    ];
    let request = client.request(Method::POST, token_endpoint).header(ACCEPT, "application/json").timeout(TIMEOUT);
    let request = match &exchange.proof {
        Proof::Basic(header) => request.header(AUTHORIZATION, header.as_str()).form(&form),
        Proof::Assertion(assertion) => {
            form.push(("client_id", exchange.client_id));
            form.push(("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
            form.push(("client_assertion", assertion.as_str()));
            request.form(&form)
        }
    };
    let Tokens { id_token } = read(&client.send(request, ANSWER_BYTES_MAX).await?)?;
    Ok(id_token)
}

fn read<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, OpenIdError> {
    if answer.status != StatusCode::OK {
        let error = serde_json::from_slice::<Refusal>(&answer.body).map(|refusal| refusal.error).unwrap_or_default();
        // What it says goes into the log, so it has to look like a code.
        let is_code = error.len() <= 64 && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        return Err(OpenIdError::Refused(answer.status, if is_code { error } else { String::new() }));
    }
    serde_json::from_slice(&answer.body).map_err(|_| OpenIdError::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::canned::Canned;

    fn answer(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn what_a_provider_refuses_is_told_by_its_code_and_nothing_else_of_it() {
        let client = HttpClient::new().expect("a client can be built");
        for (answered, told) in [
            (
                answer("400 Bad Request", r#"{"error":"invalid_grant","error_description":"code of Jan"}"#),
                "invalid_grant",
            ),
            (answer("400 Bad Request", r#"{"error":"code of Jan"}"#), ""),
            (answer("502 Bad Gateway", "<html>Jan</html>"), ""),
        ] {
            let provider = Canned::start(&[&answered]);
            let (code, uri) = ("c", "https://gateway.example.org/sign-in/callback");
            let proof = Proof::Basic("Basic eDp5".to_owned());
            let exchange = CodeExchange { client_id: "w", code, redirect_uri: uri, code_verifier: "v", proof };
            let error = exchange_code(&client, &provider.url, &exchange).await.expect_err("it refuses");
            assert!(matches!(&error, OpenIdError::Refused(_, code) if code == told), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("Jan"));
        }
        for body in ["{}", "[]", r#"{"id_token":7}"#, "<html>"] {
            let provider = Canned::start(&[&answer("200 OK", body)]);
            assert_eq!(fetch_metadata(&client, &provider.url).await, Err(OpenIdError::Unreadable), "{body}");
        }
    }
}
