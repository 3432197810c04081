//! Messages in CMS (once PKCS#7): signed, verified, encrypted, decrypted.
//!
//! Encryption is AES-256-CBC, which every partner's library reads. It hides, and proves nothing: whoever alters an encrypted message alters
//! its content unseen, so what has to be believed is signed first and encrypted then.
//!
//! No list of withdrawn certificates is read: whom a partner names as signer is decided by [`Trust`] and by [`Expected`].

use std::sync::PoisonError;

use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::symm::Cipher;
use openssl::x509::X509;
use openssl::x509::X509PurposeId;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyParam;

use super::{ALGORITHMS, Certificate, Identity, MESSAGE_BYTES_MAX, PkiError, at_most, reason, whole};

/// OpenSSL's second level: no SHA-1 in signatures of certificates, RSA from 2,048 bits.
const SECURITY_LEVEL: i32 = 2;
/// Issuers between a signer and a trusted one.
const CHAIN_MAX: i32 = 8;

/// Where the content of a signed message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// In the message itself.
    Enveloped,
    /// Beside it: these bytes.
    Detached(&'a [u8]),
}

/// Whose certificates are believed.
#[derive(Clone, Debug)]
pub struct Trust {
    issuers: Vec<Certificate>,
}

impl Trust {
    /// Believes what these issuers (self-signed) issued, directly or through others.
    pub fn new(issuers: Vec<Certificate>) -> Self {
        Self { issuers }
    }
}

/// Who has to have signed.
#[derive(Clone, Copy, Debug)]
pub enum Expected<'a> {
    /// Anyone whom the trust reaches: only where the trust is one partner's own.
    AnyTrusted,
    /// The holder of this certificate, which has to be trusted all the same.
    Signer(&'a Certificate),
}

/// Signs content (SHA-256, with the time and the issuers' certificates); `is_detached`: the message does not hold it.
///
/// # Errors
/// [`PkiError::TooLong`], [`PkiError::Unreadable`].
pub fn sign(signer: &Identity, content: &[u8], is_detached: bool) -> Result<Vec<u8>, PkiError> {
    at_most(content, MESSAGE_BYTES_MAX)?;
    let flags = if is_detached { CMSOptions::BINARY | CMSOptions::DETACHED } else { CMSOptions::BINARY };
    let chain = stack(&signer.chain)?;
    let message =
        CmsContentInfo::sign(Some(&signer.certificate.0), Some(&signer.key), Some(&chain), Some(content), flags)?;
    Ok(message.to_der()?)
}

/// The content of a signed message, if it is what was signed, by whom it should be, with a certificate that was good for signing at
/// `at_ms`.
///
/// # Errors
/// [`PkiError`], but for its variants about stores.
pub fn verify(
    message: &[u8],
    content: Content<'_>,
    trust: &Trust,
    expected: Expected<'_>,
    at_ms: i64,
) -> Result<Vec<u8>, PkiError> {
    whole(message, MESSAGE_BYTES_MAX)?;
    let detached = match content {
        Content::Enveloped => None,
        Content::Detached(bytes) => Some(bytes),
    };
    at_most(detached.unwrap_or_default(), MESSAGE_BYTES_MAX)?;
    let (signers, flags) = match expected {
        Expected::AnyTrusted => (Stack::new()?, CMSOptions::BINARY),
        // Certificates in the message are of use as issuers only.
        Expected::Signer(signer) => (stack(std::slice::from_ref(signer))?, CMSOptions::BINARY | CMSOptions::NOINTERN),
    };
    let _modern = ALGORITHMS.read().unwrap_or_else(PoisonError::into_inner);
    let mut store = X509StoreBuilder::new()?;
    for issuer in &trust.issuers {
        store.add_cert(issuer.0.clone())?;
    }
    let mut parameters = X509VerifyParam::new()?;
    parameters.set_purpose(X509PurposeId::SMIME_SIGN)?;
    parameters.set_time(at_ms.div_euclid(1000));
    parameters.set_auth_level(SECURITY_LEVEL);
    parameters.set_depth(CHAIN_MAX);
    store.set_param(&parameters)?;
    let mut signed = Vec::new();
    let mut message = CmsContentInfo::from_der(message)?;
    message
        .verify(Some(&signers), Some(&store.build()), detached, Some(&mut signed), flags)
        .map_err(|stack| refusal(&stack))?;
    Ok(signed)
}

/// Encrypts content for each of these recipients.
///
/// # Errors
/// [`PkiError::NoCertificate`] without a recipient, [`PkiError::TooLong`], [`PkiError::Unreadable`].
pub fn encrypt(recipients: &[Certificate], content: &[u8]) -> Result<Vec<u8>, PkiError> {
    at_most(content, MESSAGE_BYTES_MAX)?;
    if recipients.is_empty() {
        return Err(PkiError::NoCertificate);
    }
    let recipients = stack(recipients)?;
    let message = CmsContentInfo::encrypt(&recipients, content, Cipher::aes_256_cbc(), CMSOptions::BINARY)?;
    Ok(message.to_der()?)
}

/// The content of a message that was encrypted for this recipient, among others.
///
/// # Errors
/// [`PkiError::TooLong`], [`PkiError::NotWhole`], [`PkiError::Unreadable`]: also where it is for others only.
pub fn decrypt(recipient: &Identity, message: &[u8]) -> Result<Vec<u8>, PkiError> {
    whole(message, MESSAGE_BYTES_MAX)?;
    let _modern = ALGORITHMS.read().unwrap_or_else(PoisonError::into_inner);
    Ok(CmsContentInfo::from_der(message)?.decrypt(&recipient.key, &recipient.certificate.0)?)
}

fn stack(certificates: &[Certificate]) -> Result<Stack<X509>, PkiError> {
    let mut stack = Stack::new()?;
    for certificate in certificates {
        stack.push(certificate.0.clone())?;
    }
    Ok(stack)
}

/// Tells a signer who is not trusted from a signature that does not hold.
fn refusal(stack: &ErrorStack) -> PkiError {
    let about_signer = |error: &&openssl::error::Error| error.reason() == Some("certificate verify error");
    match stack.errors().iter().find(about_signer) {
        // OpenSSL's words are "Verify error: certificate has expired".
        Some(error) => {
            let words = error.data().unwrap_or_default();
            PkiError::Signer(words.trim_start_matches("Verify error:").trim().to_owned())
        }
        None => PkiError::Signature(reason(stack)),
    }
}
