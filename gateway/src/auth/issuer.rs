//! An issuer of tokens, the gateway's own or a sandbox's: one ES256 key, its public half as a JWK Set, and signed tokens.
//!
//! Its tokens pass through the same [`Verifier`](super::Verifier) as anybody's. Keeping the key between runs is the
//! caller's. There is no built-in key, so no token of one sandbox is good at another.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

/// Signs tokens with a key of its own.
#[derive(Clone, Debug)]
pub struct Issuer {
    name: String,
    audience: String,
    key: EncodingKey,
    key_id: Option<String>,
    jwks: String,
}

/// What a token shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenGrant<'a> {
    /// The program that will call.
    pub client_id: &'a str,
    /// The organisation that it will call for.
    pub organization_id: &'a str,
    /// The person who acts, if any.
    pub practitioner_id: Option<&'a str>,
    /// The person who signed in, if any: `Patient/<id>` or `RelatedPerson/<id>`.
    pub fhir_user: Option<&'a str>,
    /// The purpose of use.
    pub purpose: &'a str,
    /// Scopes, separated by spaces.
    pub scope: &'a str,
    /// The thumbprint of the certificate to which the token is bound, if it is.
    pub certificate: Option<&'a str>,
    /// How long the token is good, in seconds.
    pub lifetime_seconds: u32,
}

/// The key cannot be used, or the operating system gave no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// The bytes are not a PKCS#8 key on P-256.
    #[error("the issuer's key is not an ES256 key in PKCS#8")]
    KeyInvalid,
    /// No key could be made.
    #[error("no key could be generated")]
    NotGenerated,
    /// A token could not be signed.
    #[error("the token could not be signed")]
    NotSigned,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    exp: i64,
    nbf: i64,
    iat: i64,
    jti: &'a str,
    client_id: &'a str,
    organization: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    practitioner: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fhir_user: Option<&'a str>,
    purpose_of_use: &'a str,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation<'a>>,
}

#[derive(Serialize)]
struct Confirmation<'a> {
    #[serde(rename = "x5t#S256")]
    thumbprint: &'a str,
}

impl Issuer {
    /// A fresh secret key, as PKCS#8 bytes for [`Issuer::new`].
    ///
    /// # Errors
    /// [`IssuerError::NotGenerated`].
    pub fn generate_key() -> Result<Vec<u8>, IssuerError> {
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        key.map(|document| document.as_ref().to_vec()).map_err(|_| IssuerError::NotGenerated)
    }

    /// An issuer called `name` (`iss`) whose tokens are for `audience` (`aud`), with a key of [`Issuer::generate_key`].
    ///
    /// # Errors
    /// [`IssuerError::KeyInvalid`].
    pub fn new(name: &str, audience: &str, secret_key: &[u8]) -> Result<Self, IssuerError> {
        let key = EncodingKey::from_ec_der(secret_key);
        let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256).map_err(|_| IssuerError::KeyInvalid)?;
        // The name of a key follows from the key, so a restart does not rename it (RFC 7638).
        public.common.key_id = public.thumbprint(ThumbprintHash::SHA256).ok();
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let key_id = public.common.key_id.clone();
        let jwks = serde_json::to_string(&JwkSet { keys: vec![public] }).map_err(|_| IssuerError::KeyInvalid)?;
        Ok(Self { name: name.to_owned(), audience: audience.to_owned(), key, key_id, jwks })
    }

    /// The JWK Set of the public key, as JSON text.
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// Signs a token that is good from now on.
    ///
    /// `token_id` becomes its `jti`; it must not repeat.
    ///
    /// # Errors
    /// [`IssuerError::NotSigned`].
    pub fn issue(&self, grant: &TokenGrant<'_>, token_id: &str, now_ms: i64) -> Result<String, IssuerError> {
        let now = now_ms.div_euclid(1_000);
        let claims = Claims {
            iss: &self.name,
            aud: &self.audience,
            exp: now + i64::from(grant.lifetime_seconds),
            nbf: now,
            iat: now,
            jti: token_id,
            client_id: grant.client_id,
            organization: grant.organization_id,
            practitioner: grant.practitioner_id,
            fhir_user: grant.fhir_user,
            purpose_of_use: grant.purpose,
            scope: grant.scope,
            cnf: grant.certificate.map(|thumbprint| Confirmation { thumbprint }),
        };
        self.sign(&claims, "at+jwt")
    }

    /// Signs any claims, as a JWT of this `typ`.
    ///
    /// # Errors
    /// [`IssuerError::NotSigned`].
    pub fn sign(&self, claims: &impl Serialize, typ: &str) -> Result<String, IssuerError> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(typ.to_owned());
        header.kid.clone_from(&self.key_id);
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|_| IssuerError::NotSigned)
    }
}
