//! By what the gateway proves to partners who it is: certificates, and tokens for a signed assertion.
//!
//! A credential belongs to an address and is used at it and below it, and nowhere else: whoever changes where something is sent cannot have a
//! secret sent along. No error, log line or printed value here holds a key, an assertion or a token.
//!
//! Specifications: SMART Backend Services <https://hl7.org/fhir/smart-app-launch/backend-services.html>, RFC 7523 (assertions), RFC 6750
//! (bearer tokens), RFC 8446 (certificates of clients).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Client, Method, StatusCode, Url};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::http::{HttpError, read};

const TOKEN_ANSWER_BYTES_MAX: usize = 64 * 1024;
const TOKEN_BYTES_MAX: usize = 16 * 1024;
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);
/// A token is not used in the last seconds of its time: the request takes a while, and clocks differ.
const MARGIN: Duration = Duration::from_secs(30);
/// No token is kept longer, whatever its issuer says.
const KEPT_MAX: Duration = Duration::from_hours(1);
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Makes an assertion that is good now, with a `jti` of its own; none where the key does not sign.
pub type Assertion = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// What the gateway has for one address.
#[derive(Clone)]
pub struct Credential {
    /// What the operator calls it.
    pub name: String,
    /// The address: scheme, host and port, and the beginning of the path.
    pub url: Url,
    /// Private key and certificates in PEM, the gateway's own certificate first.
    pub identity: Option<Zeroizing<Vec<u8>>>,
    /// The only issuers (PEM) whose certificates are believed there; none for those of the system.
    pub trusted: Option<Vec<u8>>,
    /// Where tokens are had, if they are asked for.
    pub tokens: Option<TokenSource>,
}

/// Where tokens are had.
#[derive(Clone)]
pub struct TokenSource {
    /// The token endpoint.
    pub url: String,
    /// What is asked for, separated by spaces.
    pub scope: String,
    /// By what.
    pub assertion: Assertion,
}

/// Without what is secret of it.
impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credential").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A credential with the client that uses it.
pub(crate) struct Proven {
    url: Url,
    pub(crate) client: Client,
    pub(crate) tokens: Option<Tokens>,
}

impl fmt::Debug for Proven {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Proven")
    }
}

impl Proven {
    /// `client` asks the partner, `plain` the token endpoint, which the operator named; both with the certificate.
    pub(crate) fn new(credential: Credential, client: Client, plain: Client) -> Self {
        let tokens = credential.tokens.map(|source| Tokens {
            source,
            client: plain,
            kept: Mutex::default(),
            silent: Mutex::default(),
        });
        Self { url: credential.url, client, tokens }
    }

    /// The credential for a URL: of those whose address it is at or below, the one with the longest path.
    pub(crate) fn of<'p>(all: &'p [Self], url: &Url) -> Option<&'p Self> {
        all.iter().filter(|one| is_below(url, &one.url)).max_by_key(|one| one.url.path().len())
    }
}

/// Whether a URL is an address or lies below it. Origins are compared whole, and paths by their parts.
fn is_below(url: &Url, address: &Url) -> bool {
    let (path, beginning) = (url.path(), address.path().trim_end_matches('/'));
    let rest = path.strip_prefix(beginning);
    url.origin() == address.origin() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// For so long after it did not answer a token endpoint is left alone.
const SILENCE: Duration = Duration::from_secs(5);

/// The token for one address, kept while it is good.
pub(crate) struct Tokens {
    source: TokenSource,
    client: Client,
    kept: Mutex<Option<Kept>>,
    /// Until when a token endpoint that did not answer is not asked again, and what came instead: those who wait behind one another for
    /// the same silence would wait longer than a delivery may.
    silent: Mutex<Option<(Instant, String)>>,
}

struct Kept {
    header: HeaderValue,
    until: Instant,
}

#[derive(Deserialize)]
struct Answered {
    access_token: String,
    token_type: String,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Tokens {
    /// The header with a token that is good now. One request asks for it, and the others wait for the answer.
    ///
    /// # Errors
    /// [`HttpError::NoToken`]: nothing was sent to the partner.
    pub(crate) async fn header(&self) -> Result<HeaderValue, HttpError> {
        let mut kept = self.kept.lock().await;
        match &*kept {
            Some(one) if Instant::now() < one.until => Ok(one.header.clone()),
            _ => self.ask(&mut kept).await,
        }
    }

    /// The same once the partner did not take a token: another one, unless somebody asked for another meanwhile.
    ///
    /// # Errors
    /// As [`Tokens::header`].
    pub(crate) async fn header_after(&self, refused: &HeaderValue) -> Result<HeaderValue, HttpError> {
        let mut kept = self.kept.lock().await;
        match &*kept {
            Some(one) if one.header != *refused && Instant::now() < one.until => Ok(one.header.clone()),
            _ => {
                *kept = None;
                self.ask(&mut kept).await
            }
        }
    }

    async fn ask(&self, kept: &mut Option<Kept>) -> Result<HeaderValue, HttpError> {
        let none = |why: &str| HttpError::NoToken(why.to_owned());
        let mut silent = self.silent.lock().await;
        if let Some((until, why)) = &*silent
            && Instant::now() < *until
        {
            return Err(none(why));
        }
        let assertion = (self.source.assertion)().ok_or_else(|| none("the key signs no assertion"))?;
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", self.source.scope.as_str()),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion.as_str()),
        ];
        let request = self.client.request(Method::POST, &self.source.url).header(ACCEPT, "application/json");
        let request = request.timeout(TOKEN_TIMEOUT).form(&form).build().map_err(HttpError::from)?;
        let asked = async { read(self.client.execute(request).await?, TOKEN_ANSWER_BYTES_MAX).await };
        let answer = asked.await.map_err(|error| {
            *silent = Some((Instant::now() + SILENCE, error.to_string()));
            none(&error.to_string())
        })?;
        if answer.status != StatusCode::OK {
            let code = serde_json::from_slice::<Refusal>(&answer.body).map(|refusal| refusal.error).unwrap_or_default();
            // What it says goes into the log, so it has to look like a code.
            let is_code = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let code = if is_code { code.as_str() } else { "" };
            return Err(none(format!("the token endpoint answers {} {code}", answer.status.as_u16()).trim_end()));
        }
        let body = Zeroizing::new(answer.body);
        let answered: Answered =
            serde_json::from_slice(&body).map_err(|_| none("the answer of the token endpoint cannot be read"))?;
        let is_usable = answered.token_type.eq_ignore_ascii_case("bearer")
            && (1..=TOKEN_BYTES_MAX).contains(&answered.access_token.len())
            && answered.access_token.bytes().all(|byte| byte.is_ascii_graphic());
        let header = Zeroizing::new(format!("Bearer {}", answered.access_token));
        let header = HeaderValue::from_str(&header).ok().filter(|_| is_usable);
        let mut header = header.ok_or_else(|| none("the token endpoint gives no bearer token"))?;
        header.set_sensitive(true);
        let until = Instant::now() + kept_for(answered.expires_in);
        *kept = Some(Kept { header: header.clone(), until });
        Ok(header)
    }
}

/// How long a token is kept that is good for so many seconds; of one whose issuer does not say it nobody knows, so not at all.
fn kept_for(expires_in: Option<u64>) -> Duration {
    let good_for = Duration::from_secs(expires_in.unwrap_or_default()).min(KEPT_MAX);
    good_for.saturating_sub(MARGIN.min(good_for / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    #[test]
    fn attack_49_a_credential_is_used_at_its_address_and_below_and_nowhere_else() {
        let address = url("https://ehr.example.org/a/fhir");
        for at in [
            "https://ehr.example.org/a/fhir",
            "https://ehr.example.org:443/a/fhir/$process-message",
            "https://ehr.example.org/a/fhir/Bundle?identifier=x",
            "https://EHR.example.org/a/./fhir/x",
        ] {
            assert!(is_below(&url(at), &address), "{at}");
        }
        for elsewhere in [
            "https://ehr.example.org/",
            "https://ehr.example.org/a",
            "https://ehr.example.org/a/fhirx",
            "https://ehr.example.org/a/fhir/../../b/fhir",
            "https://ehr.example.org/a/fhir/%2e%2e/%2e%2e/b",
            "https://ehr.example.org/b/fhir",
            "https://ehr.example.org/?/a/fhir",
            "https://ehr.example.org.attacker.example/a/fhir",
            "https://attacker.example/https://ehr.example.org/a/fhir",
            "https://ehr.example.org:8443/a/fhir",
            "http://ehr.example.org/a/fhir",
            "http://ehr.example.org:443/a/fhir",
        ] {
            assert!(!is_below(&url(elsewhere), &address), "{elsewhere}");
        }
        assert!(is_below(&url("https://ehr.example.org/x"), &url("https://ehr.example.org")));
    }

    #[test]
    fn a_token_is_kept_until_shortly_before_its_end() {
        let cases = [
            (None, 0),
            (Some(0), 0),
            (Some(1), 0),
            (Some(40), 20),
            (Some(300), 270),
            (Some(86_400), 3_570),
            (Some(u64::MAX), 3_570),
        ];
        for (given, seconds) in cases {
            assert_eq!(kept_for(given).as_secs(), seconds, "{given:?}");
        }
    }
}
