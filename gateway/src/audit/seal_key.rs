//! The key by which the trail is sealed: Ed25519 signs the seals, and a secret that follows from it marks the events.
//!
//! Pure: who reads the file hands its content in.

use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use super::seal::fingerprint;

/// What stands before the 32 bytes of an Ed25519 key in its `SubjectPublicKeyInfo`.
///
/// # Source
/// RFC 8410, section 4.
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// What is signed to get the secret that marks events. Nothing else signs this, and the signature is never shown.
const MARK_SECRET: &[u8] = b"wellgate trail mark secret 1\n";

/// Why a key is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealKeyError {
    /// It is not what was expected.
    #[error("it is no Ed25519 key in PKCS#8: openssl genpkey -algorithm ed25519 makes one")]
    Invalid,
    /// It is not what was expected.
    #[error("it has no Ed25519 public key in PEM: wellgate audit public-key prints one")]
    PublicInvalid,
    /// The system gives none.
    #[error("there is no randomness")]
    NoRandomness,
}

/// The secret key.
#[derive(Clone)]
pub struct SealKey {
    pair: Arc<Ed25519KeyPair>,
    mark_key: hmac::Key,
    public: SealPublicKey,
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SealKey({})", self.public.id)
    }
}

impl SealKey {
    /// A fresh key, as PEM for [`SealKey::read`].
    ///
    /// # Errors
    /// [`SealKeyError::NoRandomness`].
    pub fn generate() -> Result<String, SealKeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| SealKeyError::NoRandomness)?;
        let document = pair.to_pkcs8v1().map_err(|_| SealKeyError::NoRandomness)?;
        Ok(pem("PRIVATE KEY", document.as_ref()))
    }

    /// The key of a file: PKCS#8, PEM or DER.
    ///
    /// # Errors
    /// [`SealKeyError::Invalid`].
    pub fn read(content: &[u8]) -> Result<Self, SealKeyError> {
        let from_pem = PrivatePkcs8KeyDer::from_pem_slice(content);
        let der = from_pem.as_ref().map_or(content, |key| key.secret_pkcs8_der());
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| SealKeyError::Invalid)?;
        let public = SealPublicKey::new(pair.public_key().as_ref()).ok_or(SealKeyError::Invalid)?;
        let mark_key = hmac::Key::new(hmac::HMAC_SHA256, pair.sign(MARK_SECRET).as_ref());
        Ok(Self { pair: Arc::new(pair), mark_key, public })
    }

    /// By which its signatures are checked.
    pub fn public(&self) -> &SealPublicKey {
        &self.public
    }

    pub(super) fn mark_key(&self) -> &hmac::Key {
        &self.mark_key
    }

    /// A signature in base64.
    pub(super) fn sign(&self, text: &str) -> String {
        STANDARD.encode(self.pair.sign(text.as_bytes()))
    }
}

/// The public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealPublicKey {
    bytes: [u8; 32],
    id: String,
}

impl SealPublicKey {
    fn new(bytes: &[u8]) -> Option<Self> {
        Some(Self { bytes: bytes.try_into().ok()?, id: fingerprint(bytes) })
    }

    /// The keys of a file: one PEM after another.
    ///
    /// # Errors
    /// [`SealKeyError::PublicInvalid`] where one is none, or none is there.
    pub fn read_all(content: &[u8]) -> Result<Vec<Self>, SealKeyError> {
        let one = |found: Result<SubjectPublicKeyInfoDer<'_>, _>| {
            let der = found.ok()?;
            Self::new(der.as_ref().strip_prefix(&PUBLIC_PREFIX)?)
        };
        let keys: Option<Vec<Self>> = SubjectPublicKeyInfoDer::pem_slice_iter(content).map(one).collect();
        keys.filter(|keys| !keys.is_empty()).ok_or(SealKeyError::PublicInvalid)
    }

    /// Its name in seals: sixteen digits of its hash.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// As PEM.
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &[PUBLIC_PREFIX.as_slice(), &self.bytes].concat())
    }

    /// Whether the text was signed by it.
    pub fn verifies(&self, text: &str, signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        UnparsedPublicKey::new(&ED25519, self.bytes).verify(text.as_bytes(), &signature).is_ok()
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<String> =
        text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
