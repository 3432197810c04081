//! Key stores in PKCS#12 (`.p12`, `.pfx`): modern ones, and those that older programs write with RC2 and SHA-1.

use std::sync::PoisonError;

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkcs12::{ParsedPkcs12_2, Pkcs12};
use openssl::pkey::PKey;
use openssl::provider::Provider;
use openssl::stack::Stack;
use openssl::x509::X509;

use super::{ALGORITHMS, Certificate, Identity, Password, PkiError, STORE_BYTES_MAX, at_most, reason, whole};

/// Of the password's derivation: guessing is slow, and opening is not felt.
const ITERATIONS: u32 = 100_000;

/// Given for a key that should have none: without it OpenSSL would ask at the terminal.
const NO_PASSWORD: &[u8] = b"";

impl Identity {
    /// Opens a key store. Where it has several keys, the first one is taken: [`Identity::alias`] says which.
    ///
    /// # Errors
    /// [`PkiError`], but for its variants about signatures.
    pub fn from_pkcs12(der: &[u8], password: &Password) -> Result<Self, PkiError> {
        whole(der, STORE_BYTES_MAX)?;
        if password.0.contains('\0') {
            return Err(PkiError::Password);
        }
        let store = Pkcs12::from_der(der)?;
        let parsed = parse(&store, password)?;
        let key = parsed.pkey.ok_or(PkiError::NoKey)?;
        let certificate = parsed.cert.ok_or(PkiError::NoCertificate)?;
        let alias = certificate.alias().map(|name| String::from_utf8_lossy(name).into_owned());
        let chain = parsed.ca.map(|stack| stack.into_iter().map(Certificate).collect()).unwrap_or_default();
        Self { key, certificate: Certificate(certificate), chain, alias }.checked()
    }

    /// Reads a private key, its certificate and those of its issuers (may be empty) in PEM.
    ///
    /// # Errors
    /// [`PkiError::TooLong`], [`PkiError::Unreadable`], [`PkiError::NoCertificate`] where the first certificate is not the key's.
    pub fn from_pem(key: &[u8], certificates: &[u8]) -> Result<Self, PkiError> {
        at_most(key, STORE_BYTES_MAX)?;
        at_most(certificates, STORE_BYTES_MAX)?;
        let key = PKey::private_key_from_pem_passphrase(key, NO_PASSWORD)?;
        let mut certificates = X509::stack_from_pem(certificates)?.into_iter().map(Certificate);
        let certificate = certificates.next().ok_or(PkiError::NoCertificate)?;
        Self { key, certificate, chain: certificates.collect(), alias: None }.checked()
    }

    /// A modern key store with this identity: AES-256 with PBKDF2, and SHA-256 over all of it.
    ///
    /// # Errors
    /// [`PkiError::Password`] for one that no store can have, [`PkiError::Unreadable`].
    pub fn to_pkcs12(&self, alias: &str, password: &Password) -> Result<Vec<u8>, PkiError> {
        if password.0.is_empty() || password.0.contains('\0') || alias.contains('\0') {
            return Err(PkiError::Password);
        }
        let mut chain = Stack::new()?;
        for certificate in &self.chain {
            chain.push(certificate.0.clone())?;
        }
        let mut builder = Pkcs12::builder();
        builder.name(alias).pkey(&self.key).cert(&self.certificate.0).ca(chain);
        builder.key_algorithm(Nid::AES_256_CBC).cert_algorithm(Nid::AES_256_CBC).mac_md(MessageDigest::sha256());
        builder.key_iter(ITERATIONS).mac_iter(ITERATIONS);
        Ok(builder.build2(&password.0)?.to_der()?)
    }

    /// A key beside another's certificate would sign what nobody can verify.
    fn checked(self) -> Result<Self, PkiError> {
        if self.certificate.0.public_key()?.public_eq(&self.key) { Ok(self) } else { Err(PkiError::NoCertificate) }
    }
}

fn parse(store: &Pkcs12, password: &Password) -> Result<ParsedPkcs12_2, PkiError> {
    {
        let _modern = ALGORITHMS.read().unwrap_or_else(PoisonError::into_inner);
        match store.parse2(&password.0) {
            Ok(parsed) => return Ok(parsed),
            Err(stack) if is_about_the_password(&stack) => return Err(PkiError::Password),
            Err(_) => {}
        }
    }
    // Perhaps an old one: the module is there for this store alone, and goes with `legacy`.
    let _old = ALGORITHMS.write().unwrap_or_else(PoisonError::into_inner);
    let legacy = Provider::try_load(None, "legacy", true).map_err(|_| PkiError::LegacyMissing)?;
    let parsed = store.parse2(&password.0);
    drop(legacy);
    parsed.map_err(|stack| {
        if is_about_the_password(&stack) { PkiError::Password } else { PkiError::Unreadable(reason(&stack)) }
    })
}

fn is_about_the_password(stack: &ErrorStack) -> bool {
    stack.errors().iter().any(|error| error.reason() == Some("mac verify failure"))
}
