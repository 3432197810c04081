//! Where the public keys of issuers and clients come from, and how they stay fresh while the gateway runs.
//!
//! One task reads those of an issuer, so there is no stampede: at intervals, and when a token names an unknown key, then at most once
//! a minute. Keys that cannot be read again stay in use.

mod client_keys;
mod outbound;
mod provider;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use connectors::http::{HttpClient, HttpError};
use connectors::jwks::{JwksError, fetch_jwks};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::time::Instant;

use crate::auth::issuer::IssuerError;
use crate::auth::{Issuer, KeySet, KeySetError, Verifier};
use crate::config::{ExternalIssuer, KeySource, OwnIssuer, TokenAlgorithm};

pub use client_keys::ClientKeySets;
pub use outbound::{CredentialsError, credentials, stored};
pub use provider::{IdentityProvider, ProviderError, random_secret};

const KEY_FILE: &str = "issuer-key.pkcs8";
const JWKS_FILE: &str = "jwks.json";
const JWKS_FILE_BYTES_MAX: u64 = 256 * 1024;

/// Reads a JWK Set from where the configuration says.
#[derive(Clone, Debug)]
pub struct KeyLoader {
    source: KeySource,
    algorithms: Vec<TokenAlgorithm>,
    client: HttpClient,
}

/// How often keys are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshTimes {
    /// Between two readings that succeed, unless the keys' server says that they stay fresh for longer.
    pub interval: Duration,
    /// The least time between two readings, whatever tokens ask for; also before a failed one is tried again.
    pub pause: Duration,
}

/// Why keys could not be read.
#[derive(Debug, thiserror::Error)]
pub enum KeyLoadError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    File(#[from] io::Error),
    /// The URL cannot be fetched.
    #[error("cannot be fetched: {0}")]
    Fetch(#[from] JwksError),
    /// No client for fetching can be built.
    #[error("no HTTP client: {0}")]
    Client(#[from] HttpError),
    /// What was read has no usable key.
    #[error("{0}")]
    Unusable(#[from] KeySetError),
    /// The key of our own is of no use.
    #[error("{0}")]
    Own(#[from] IssuerError),
}

impl RefreshTimes {
    /// The times that production uses: `interval` from the configuration, and at most one reading a minute.
    pub const fn every(interval: Duration) -> Self {
        Self { interval, pause: Duration::from_mins(1) }
    }
}

impl KeyLoader {
    /// A loader for the configured source.
    ///
    /// # Errors
    /// [`KeyLoadError::Client`].
    pub fn new(auth: &ExternalIssuer) -> Result<Self, KeyLoadError> {
        Ok(Self { source: auth.keys.clone(), algorithms: auth.algorithms.clone(), client: HttpClient::new()? })
    }

    /// Reads the keys once, and says how long their server calls them fresh (zero if it does not).
    ///
    /// # Errors
    /// See [`KeyLoadError`].
    pub async fn load(&self) -> Result<(KeySet, Duration), KeyLoadError> {
        let (text, fresh_for) = match &self.source {
            KeySource::File(file) => (read_key_file(file).await?, Duration::ZERO),
            KeySource::Url(url) => {
                let fetched = fetch_jwks(&self.client, url).await?;
                (fetched.text, fetched.fresh_for)
            }
        };
        Ok((KeySet::from_jwks(&text, &self.algorithms)?, fresh_for))
    }
}

/// A verifier with the keys of the configured source.
///
/// Keys in a file must be there. Keys behind a URL may come later: an issuer that is down must not keep the gateway
/// from starting, it only refuses every token until then ([`Verifier::has_keys`] tells readiness).
///
/// # Errors
/// A file without usable keys.
pub async fn verifier(
    auth: &ExternalIssuer,
    audience: &str,
    loader: &KeyLoader,
) -> Result<Arc<Verifier>, KeyLoadError> {
    let keys = match (loader.load().await, &auth.keys) {
        (Ok((keys, _)), _) => keys,
        (Err(error), KeySource::File(_)) => return Err(error),
        (Err(error), KeySource::Url(_)) => {
            tracing::warn!(%error, "no keys yet: every token is refused until the issuer's keys can be read");
            KeySet::default()
        }
    };
    Ok(Arc::new(Verifier::new(&auth.issuer, audience, auth.leeway, keys)))
}

/// Keeps the verifier's keys fresh, for ever.
pub async fn keep_fresh(loader: KeyLoader, verifier: Arc<Verifier>, times: RefreshTimes) {
    let unknown_key = verifier.unknown_key();
    let mut read_at = Instant::now();
    let mut wait = if verifier.has_keys() { times.interval } else { times.pause };
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // However many tokens ask, one reading answers all of them.
            () = unknown_key.notified() => tokio::time::sleep_until(read_at + times.pause).await,
        }
        wait = match loader.load().await {
            Ok((keys, fresh_for)) => {
                if verifier.replace_keys(keys) {
                    tracing::info!("the issuer's keys changed");
                }
                times.interval.max(fresh_for)
            }
            Err(error) => {
                tracing::warn!(%error, "the issuer's keys could not be read again, those in use stay");
                times.pause
            }
        };
        read_at = Instant::now();
    }
}

/// Reads a file with a JWK Set, an issuer's or a client's.
///
/// # Errors
/// It cannot be read, or is too long for one.
pub async fn read_key_file(file: &Path) -> io::Result<String> {
    if tokio::fs::metadata(file).await?.len() > JWKS_FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "is too long for a key set"));
    }
    tokio::fs::read_to_string(file).await
}

/// The sandbox's issuer, with the key that its data directory keeps; the first time one is made. Its public key is
/// written beside it as `jwks.json`.
///
/// # Errors
/// The directory cannot be read or written, or holds a file that is no key.
pub fn sandbox_issuer(directory: &Path, name: &str, audience: &str) -> io::Result<Issuer> {
    let file = directory.join(KEY_FILE);
    let key = match std::fs::read(&file) {
        Ok(key) => key,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = Issuer::generate_key().map_err(io::Error::other)?;
            write_secret(&file, &key)?;
            key
        }
        Err(error) => return Err(error),
    };
    let unusable =
        |error: IssuerError| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", file.display()));
    let issuer = Issuer::new(name, audience, &key).map_err(unusable)?;
    std::fs::write(directory.join(JWKS_FILE), issuer.jwks())?;
    Ok(issuer)
}

/// The gateway's own issuer, with the key in a file: PKCS#8, PEM or DER.
///
/// # Errors
/// The file cannot be read, or holds no key on P-256.
pub fn own_issuer(own: &OwnIssuer, name: &str, audience: &str) -> Result<Issuer, KeyLoadError> {
    issuer_with_key(&own.signing_key_file, name, audience)
}

/// Whoever signs with the key in a file: PKCS#8, PEM or DER.
fn issuer_with_key(file: &Path, name: &str, audience: &str) -> Result<Issuer, KeyLoadError> {
    let content = std::fs::read(file)?;
    let is_pem = content.starts_with(b"-----BEGIN");
    let der = if is_pem {
        PrivatePkcs8KeyDer::from_pem_slice(&content).map_err(|_| IssuerError::KeyInvalid)?.secret_pkcs8_der().to_vec()
    } else {
        content
    };
    Ok(Issuer::new(name, audience, &der)?)
}

/// Writes a new file that only its owner can read, whole or not at all.
///
/// # Errors
/// It cannot be written.
pub fn write_secret(file: &Path, content: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut beside: PathBuf = file.to_owned();
    beside.set_extension("new");
    let mut new = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    new.write_all(content)?;
    new.sync_all()?;
    std::fs::rename(beside, file)
}

#[cfg(test)]
mod tests;
