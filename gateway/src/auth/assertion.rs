//! How a machine client proves who it is at the token endpoint: a JWT that it signs with a key of its own (`private_key_jwt`).
//!
//! What it asks for beside scopes (purpose of use, practitioner) stands in the signed extension `hl7-b2b`, so nobody on the way
//! changes it.
//!
//! Specifications: RFC 7523, <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>,
//! <https://hl7.org/fhir/us/udap-security/b2b.html> (the extension object).

use jsonwebtoken::Validation;
use serde::Deserialize;
use serde_json::Value;

use super::keys::KeySet;
use super::token::{TOKEN_BYTES_MAX, TokenError, check_header, claims_unverified, identity, moment_ms, one, reason};

/// The only form of proof that is taken.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// SMART: five minutes at most.
const LIFETIME_MS_MAX: i64 = 5 * 60 * 1_000;
/// By how much the client's clock may differ.
const LEEWAY_MS: i64 = 30_000;
/// `urn:oid:2.16.840.1.113883.5.8#TREAT`: v3-ActReason as UDAP writes it.
const PURPOSE_PREFIX: &str = "urn:oid:2.16.840.1.113883.5.8#";

/// What an assertion says, once its signature and times hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// Its own id, to be seen once.
    pub id: String,
    /// When it ends; until then its id is remembered.
    pub until_ms: i64,
    /// The purpose of use that is asked for.
    pub purpose: Option<String>,
    /// The practitioner who acts.
    pub practitioner_id: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<Value>,
    sub: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iat: Option<Value>,
    jti: Option<Value>,
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Extensions {
    #[serde(rename = "hl7-b2b")]
    b2b: Option<B2b>,
}

#[derive(Deserialize)]
struct B2b {
    purpose_of_use: Option<Value>,
    subject_id: Option<Value>,
}

/// Which client an assertion claims to be of. Nothing of it is verified.
pub fn claimed_client(assertion: &str) -> Option<String> {
    let claims: Claims = claims_unverified(assertion)?;
    identity("iss", claims.iss).ok().flatten()
}

/// Verifies an assertion of `client_id` with the client's keys. `endpoint` is the URL of the token endpoint: every
/// assertion is made for that, to whichever endpoint it is sent.
///
/// # Errors
/// See [`TokenError`].
pub fn verify_assertion(
    assertion: &str,
    (client_id, keys): (&str, &KeySet),
    endpoint: &str,
    now_ms: i64,
) -> Result<Assertion, TokenError> {
    if assertion.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Malformed);
    }
    let header = jsonwebtoken::decode_header(assertion).map_err(|_| TokenError::Malformed)?;
    check_header(&header)?;
    let key = header.kid.as_deref().and_then(|name| keys.find(name)).ok_or(TokenError::KeyUnknown)?;
    if !key.algorithms.contains(&header.alg) {
        return Err(TokenError::AlgorithmNotAccepted);
    }
    let mut validation = Validation::new(header.alg);
    validation.set_required_spec_claims(&["iss", "aud"]);
    validation.set_issuer(&[client_id]);
    validation.set_audience(&[endpoint]);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let claims: Claims =
        jsonwebtoken::decode(assertion, &key.decoding, &validation).map_err(|error| reason(&error))?.claims;
    let text = |name, value| identity(name, value)?.ok_or(TokenError::ClaimMissing(name));
    // The library accepts a list of issuers.
    if text("iss", claims.iss)? != text("sub", claims.sub)? {
        return Err(TokenError::ClaimInvalid("sub"));
    }
    let until_ms = moment_ms("exp", claims.exp)?.ok_or(TokenError::ClaimMissing("exp"))?;
    let from_ms = moment_ms("nbf", claims.nbf)?.max(moment_ms("iat", claims.iat)?).unwrap_or(0);
    if now_ms >= until_ms.saturating_add(LEEWAY_MS) {
        return Err(TokenError::Expired);
    }
    if now_ms.saturating_add(LEEWAY_MS) < from_ms {
        return Err(TokenError::NotYetValid);
    }
    // One that lasts longer could be replayed once its id is forgotten.
    if until_ms > now_ms.saturating_add(LIFETIME_MS_MAX + LEEWAY_MS) {
        return Err(TokenError::ClaimInvalid("exp"));
    }
    let b2b = claims.extensions.and_then(|extensions| extensions.b2b);
    let (purpose, practitioner) = b2b.map(|b2b| (b2b.purpose_of_use, b2b.subject_id)).unwrap_or_default();
    let purpose = one("purpose_of_use", purpose)?;
    Ok(Assertion {
        id: text("jti", claims.jti)?,
        until_ms: until_ms + LEEWAY_MS,
        purpose: purpose.map(|purpose| purpose.strip_prefix(PURPOSE_PREFIX).unwrap_or(&purpose).to_owned()),
        practitioner_id: identity("subject_id", practitioner)?,
    })
}
