//! Keys and certificates as partners hand them out, and messages that are signed or encrypted with them.
//!
//! The one place that uses OpenSSL: rustls speaks TLS, but reads neither PKCS#12 stores nor CMS. OpenSSL's own types do not leave
//! this module.
//!
//! Specifications: PKCS#12 <https://www.rfc-editor.org/rfc/rfc7292>, CMS <https://www.rfc-editor.org/rfc/rfc5652>

mod asn1;
pub mod cms;
mod store;

use std::fmt;
use std::sync::RwLock;

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use zeroize::Zeroizing;

/// A key store of an organisation has a few certificates.
pub const STORE_BYTES_MAX: usize = 256 * 1024;
/// The longest message that is signed, verified, encrypted or decrypted: it is held in memory several times.
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

const SECONDS_A_DAY: i64 = 86_400;

/// Held for writing while old algorithms are loaded, so that no message is read with them.
static ALGORITHMS: RwLock<()> = RwLock::new(());

/// What opens a key store. It shows itself to nobody, and is wiped when it goes.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password")
    }
}

/// Why a store, a certificate or a message is not taken. No variant holds a password, a key or content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PkiError {
    /// Longer than anything that is expected here.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// Not one structure that begins and ends with its file: cut off, or followed by something.
    #[error("not one whole structure: it is cut off, something follows it, or it is no DER")]
    NotWhole,
    /// The password does not open the store, or the store was altered.
    #[error("the password does not open the key store, or the store was altered")]
    Password,
    /// The store is encrypted in an old way (RC2) that OpenSSL keeps in a module of its own, which is not installed.
    #[error(
        "the key store is encrypted in an old way, and OpenSSL's module for that is missing: install legacy.so (Debian: the package \
         libssl3 has it), or write the store anew with `openssl pkcs12 -legacy`"
    )]
    LegacyMissing,
    /// The store has no private key.
    #[error("the key store has no private key")]
    NoKey,
    /// The store has no certificate for its key.
    #[error("the key store has no certificate for its key")]
    NoCertificate,
    /// It cannot be read, or not with this key.
    #[error("not readable: {0}")]
    Unreadable(String),
    /// The content is not what was signed, or not by whom it should be.
    #[error("the signature does not hold: {0}")]
    Signature(String),
    /// Whoever signed is not trusted for that: another issuer, another purpose, or not at that time.
    #[error("the signer is not trusted: {0}")]
    Signer(String),
}

impl From<ErrorStack> for PkiError {
    fn from(stack: ErrorStack) -> Self {
        Self::Unreadable(reason(&stack))
    }
}

/// What OpenSSL says last: its own words, never what it was given.
fn reason(stack: &ErrorStack) -> String {
    stack.errors().last().and_then(openssl::error::Error::reason).unwrap_or("no reason is known").to_owned()
}

/// A certificate.
#[derive(Clone)]
pub struct Certificate(X509);

/// From when until when a certificate is good, in UTC milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its first moment.
    pub from_ms: i64,
    /// Its last.
    pub until_ms: i64,
}

impl Validity {
    /// Whether it is over at a moment.
    pub fn is_over(self, now_ms: i64) -> bool {
        now_ms > self.until_ms
    }

    /// Whether it is over within so many days from a moment on: time to ask for another.
    pub fn ends_within(self, now_ms: i64, days: i64) -> bool {
        self.is_over(now_ms.saturating_add(days.saturating_mul(SECONDS_A_DAY * 1000)))
    }
}

impl Certificate {
    /// Reads one certificate in PEM.
    ///
    /// # Errors
    /// [`PkiError::TooLong`], [`PkiError::Unreadable`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, PkiError> {
        at_most(pem, STORE_BYTES_MAX)?;
        Ok(Self(X509::from_pem(pem)?))
    }

    /// Reads one certificate in DER.
    ///
    /// # Errors
    /// [`PkiError::TooLong`], [`PkiError::NotWhole`], [`PkiError::Unreadable`].
    pub fn from_der(der: &[u8]) -> Result<Self, PkiError> {
        whole(der, STORE_BYTES_MAX)?;
        Ok(Self(X509::from_der(der)?))
    }

    /// The certificate in PEM.
    ///
    /// # Errors
    /// [`PkiError::Unreadable`].
    pub fn to_pem(&self) -> Result<Vec<u8>, PkiError> {
        Ok(self.0.to_pem()?)
    }

    /// From when until when it is good.
    ///
    /// # Errors
    /// [`PkiError::Unreadable`] for a time that is none.
    pub fn validity(&self) -> Result<Validity, PkiError> {
        Ok(Validity { from_ms: unix_ms(self.0.not_before())?, until_ms: unix_ms(self.0.not_after())? })
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of a professional's certificate the subject may name a person: which certificate it is, its number says.
        let serial = self.0.serial_number().to_bn().and_then(|number| number.to_hex_str());
        let serial = serial.map(|text| text.to_string()).unwrap_or_default();
        formatter.debug_tuple("Certificate").field(&serial).finish()
    }
}

/// A private key with its certificate, and the certificates of those who issued it.
#[derive(Clone)]
pub struct Identity {
    key: PKey<Private>,
    certificate: Certificate,
    chain: Vec<Certificate>,
    alias: Option<String>,
}

impl Identity {
    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The issuers' certificates that came with it, in no order; may be empty.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The name of its entry in the store, such as `authentication`.
    pub fn alias(&self) -> Option<&str> {
        self.alias.as_deref()
    }

    /// The private key in PEM (PKCS#8, not encrypted), wiped when it goes.
    ///
    /// # Errors
    /// [`PkiError::Unreadable`] for a key that cannot be written so.
    pub fn key_pem(&self) -> Result<Zeroizing<Vec<u8>>, PkiError> {
        Ok(Zeroizing::new(self.key.private_key_to_pem_pkcs8()?))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Identity").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

fn unix_ms(time: &Asn1TimeRef) -> Result<i64, PkiError> {
    let since = Asn1Time::from_unix(0)?.diff(time)?;
    Ok((i64::from(since.days) * SECONDS_A_DAY + i64::from(since.secs)) * 1000)
}

fn at_most(bytes: &[u8], bytes_max: usize) -> Result<(), PkiError> {
    if bytes.len() > bytes_max { Err(PkiError::TooLong(bytes_max)) } else { Ok(()) }
}

/// OpenSSL reads a structure and leaves what follows it: a message with something behind it would pass as the message.
fn whole(der: &[u8], bytes_max: usize) -> Result<(), PkiError> {
    at_most(der, bytes_max)?;
    if asn1::length(der) == Some(der.len()) { Ok(()) } else { Err(PkiError::NotWhole) }
}

#[cfg(test)]
mod tests;
