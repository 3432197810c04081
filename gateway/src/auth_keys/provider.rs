//! The identity provider at which people sign in: how it describes itself, fetched when it is needed, its keys, and the exchange of
//! codes for who signed in.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use connectors::http::HttpClient;
use connectors::openid::{CodeExchange, OpenIdError, Proof, ProviderMetadata, exchange_code, fetch_metadata};
use reqwest::Url;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{ClientKeySets, KeyLoadError, issuer_with_key};
use crate::auth::issuer::IssuerError;
use crate::auth::{Expected, Issuer, SignedIn, TokenError, verify_id_token};
use crate::config::{ClientProof, PeopleConfig, is_loopback};

/// How long what a provider says of itself is believed.
const METADATA_FRESH: Duration = Duration::from_hours(1);
/// How soon a provider that did not answer is asked again.
const PAUSE: Duration = Duration::from_secs(5);
/// How long the gateway's own assertion is good.
const ASSERTION_SECONDS: i64 = 60;

/// Why nobody signed in.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The provider does not answer, or refuses.
    #[error(transparent)]
    OpenId(#[from] OpenIdError),
    /// The provider did not answer a moment ago.
    #[error("the provider did not answer a moment ago")]
    Away,
    /// What it says of itself is not what the configuration says, or leads into the open.
    #[error("the provider's description of itself: {0}")]
    Metadata(&'static str),
    /// Its ID token is of no use.
    #[error("the ID token: {0}")]
    Token(#[from] TokenError),
    /// The gateway cannot prove who it is.
    #[error(transparent)]
    Proof(#[from] IssuerError),
}

/// The provider, as it is configured.
#[derive(Debug)]
pub struct IdentityProvider {
    config: PeopleConfig,
    client: HttpClient,
    proof: OwnProof,
    keys: ClientKeySets,
    metadata: Mutex<Option<(Instant, Option<Arc<ProviderMetadata>>)>>,
}

enum OwnProof {
    Basic(String),
    Key(Issuer),
}

impl std::fmt::Debug for OwnProof {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("OwnProof")
    }
}

impl IdentityProvider {
    /// The configured provider. Nothing is asked of it yet: a provider that is down does not keep the gateway from starting.
    ///
    /// # Errors
    /// The file with secret or key is of no use.
    pub fn new(config: &PeopleConfig) -> Result<Self, KeyLoadError> {
        let proof = match &config.proof {
            ClientProof::Secret(file) => {
                let secret = std::fs::read_to_string(file)?;
                let secret = secret.trim_end_matches(['\r', '\n']);
                if secret.is_empty() {
                    return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "is empty").into());
                }
                // RFC 6749, section 2.3.1: both are encoded as in a form first.
                let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", encoded(&config.client_id), encoded(secret));
                OwnProof::Basic(format!("Basic {}", BASE64_STANDARD.encode(pair)))
            }
            ClientProof::Key(file) => OwnProof::Key(issuer_with_key(file, &config.client_id, "")?),
        };
        Ok(Self {
            config: config.clone(),
            client: HttpClient::new()?,
            proof,
            keys: ClientKeySets::of_the_operators()?,
            metadata: Mutex::default(),
        })
    }

    /// What is configured.
    pub fn config(&self) -> &PeopleConfig {
        &self.config
    }

    /// The public half of the key by which the gateway proves itself to the provider, if it does.
    pub fn own_jwks(&self) -> Option<&str> {
        match &self.proof {
            OwnProof::Basic(_) => None,
            OwnProof::Key(issuer) => Some(issuer.jwks()),
        }
    }

    /// How the provider describes itself; one request asks it, and the others wait for the answer.
    ///
    /// # Errors
    /// [`ProviderError`], but for [`ProviderError::Token`].
    pub async fn metadata(&self) -> Result<Arc<ProviderMetadata>, ProviderError> {
        let mut known = self.metadata.lock().await;
        match &*known {
            Some((asked, Some(metadata))) if asked.elapsed() < METADATA_FRESH => return Ok(Arc::clone(metadata)),
            Some((asked, None)) if asked.elapsed() < PAUSE => return Err(ProviderError::Away),
            _ => {}
        }
        let fetched = match fetch_metadata(&self.client, &self.config.issuer).await {
            Ok(metadata) => self.checked(metadata),
            Err(error) => Err(error.into()),
        };
        *known = Some((Instant::now(), fetched.as_ref().ok().cloned()));
        fetched
    }

    fn checked(&self, metadata: ProviderMetadata) -> Result<Arc<ProviderMetadata>, ProviderError> {
        // Another's description would send people, and their codes, to that other.
        if metadata.issuer != self.config.issuer {
            return Err(ProviderError::Metadata("it names another issuer"));
        }
        for url in [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri] {
            let url = Url::parse(url).map_err(|_| ProviderError::Metadata("an address is no URL"))?;
            if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
                return Err(ProviderError::Metadata("an address is not https"));
            }
        }
        Ok(Arc::new(metadata))
    }

    /// Exchanges a code for who signed in, and verifies that.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn signed_in(
        &self,
        (code, code_verifier): (&str, &str),
        redirect_uri: &str,
        expected: &Expected<'_>,
        now_ms: i64,
    ) -> Result<SignedIn, ProviderError> {
        let metadata = self.metadata().await?;
        let proof = self.proof_at(&metadata.token_endpoint, now_ms)?;
        let client_id = &self.config.client_id;
        let exchange = CodeExchange { client_id, code, redirect_uri, code_verifier, proof };
        let token = exchange_code(&self.client, &metadata.token_endpoint, &exchange).await?;
        let verify = |keys: &crate::auth::KeySet| verify_id_token(&token, keys, expected, now_ms);
        Ok(self.keys.verify(&metadata.jwks_uri, verify).await?)
    }

    fn proof_at(&self, endpoint: &str, now_ms: i64) -> Result<Proof, ProviderError> {
        let issuer = match &self.proof {
            OwnProof::Basic(header) => return Ok(Proof::Basic(header.clone())),
            OwnProof::Key(issuer) => issuer,
        };
        let now = now_ms.div_euclid(1_000);
        let client = &self.config.client_id;
        let claims = json!({
            "iss": client, "sub": client, "aud": endpoint, "jti": random_secret()?, "iat": now, "exp": now + ASSERTION_SECONDS,
        });
        Ok(Proof::Assertion(issuer.sign(&claims, "JWT")?))
    }
}

/// A secret of 256 random bits, as 43 characters.
///
/// # Errors
/// The operating system gives no randomness.
pub fn random_secret() -> Result<String, IssuerError> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| IssuerError::NotGenerated)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
