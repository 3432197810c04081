//! ID tokens: who signed in at an identity provider, or the one reason why not.
//!
//! The keys are the provider's, and everything that it must say is compared with what was asked for: by whom, for whom, in answer to
//! which request, and when. Specification: OpenID Connect Core 1.0, section 3.1.3.7.

use jsonwebtoken::Validation;
use serde::Deserialize;
use serde_json::Value;

use super::keys::KeySet;
use super::token::{TOKEN_BYTES_MAX, TokenError, check_header, identity, moment_ms, reason};

/// By how much clocks may differ.
const LEEWAY_MS: i64 = 30_000;
/// How old an ID token may be that comes in answer to a code.
const AGE_MS_MAX: i64 = 10 * 60_000;

/// What an ID token must say.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'e> {
    /// The provider.
    pub issuer: &'e str,
    /// The gateway, as the provider knows it.
    pub client_id: &'e str,
    /// What was sent with the request that this answers.
    pub nonce: &'e str,
    /// Since when they must have signed in, where that was asked for.
    pub signed_in_since_ms: Option<i64>,
    /// How they must have signed in, where that was asked for.
    pub acr: Option<&'e str>,
}

/// Who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The provider's name for them.
    pub subject: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<Value>,
    aud: Option<Value>,
    azp: Option<Value>,
    sub: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iat: Option<Value>,
    nonce: Option<Value>,
    auth_time: Option<Value>,
    acr: Option<Value>,
}

/// Verifies an ID token.
///
/// # Errors
/// See [`TokenError`].
pub fn verify_id_token(
    token: &str,
    keys: &KeySet,
    expected: &Expected<'_>,
    now_ms: i64,
) -> Result<SignedIn, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Malformed);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
    check_header(&header)?;
    // An access token of the same provider is no proof that anybody signed in here.
    if header.typ.as_deref().is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
        return Err(TokenError::HeaderNotAccepted("typ"));
    }
    let key = header.kid.as_deref().and_then(|name| keys.find(name)).ok_or(TokenError::KeyUnknown)?;
    if !key.algorithms.contains(&header.alg) {
        return Err(TokenError::AlgorithmNotAccepted);
    }
    let mut validation = Validation::new(header.alg);
    validation.set_required_spec_claims(&["iss", "aud"]);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let claims: Claims =
        jsonwebtoken::decode(token, &key.decoding, &validation).map_err(|error| reason(&error))?.claims;
    // The library accepts lists of issuers.
    identity("iss", claims.iss)?.ok_or(TokenError::ClaimMissing("iss"))?;
    check_audience(claims.aud.as_ref(), claims.azp, expected.client_id)?;
    check_times((claims.exp, claims.nbf, claims.iat), now_ms)?;
    if identity("nonce", claims.nonce)?.ok_or(TokenError::ClaimMissing("nonce"))? != expected.nonce {
        return Err(TokenError::ClaimInvalid("nonce"));
    }
    let signed_in_ms = moment_ms("auth_time", claims.auth_time)?;
    if let Some(since_ms) = expected.signed_in_since_ms {
        let signed_in_ms = signed_in_ms.ok_or(TokenError::ClaimMissing("auth_time"))?;
        if signed_in_ms.saturating_add(LEEWAY_MS) < since_ms || signed_in_ms > now_ms.saturating_add(LEEWAY_MS) {
            return Err(TokenError::ClaimInvalid("auth_time"));
        }
    }
    if let Some(acr) = expected.acr
        && identity("acr", claims.acr)?.as_deref() != Some(acr)
    {
        return Err(TokenError::ClaimInvalid("acr"));
    }
    Ok(SignedIn { subject: identity("sub", claims.sub)?.ok_or(TokenError::ClaimMissing("sub"))? })
}

/// The token is for the gateway; where it is for others too, it says that the gateway asked for it.
fn check_audience(audience: Option<&Value>, party: Option<Value>, client_id: &str) -> Result<(), TokenError> {
    let party = identity("azp", party)?;
    let is_for_others = audience.and_then(Value::as_array).is_some_and(|all| all.len() > 1);
    if party.as_deref().is_some_and(|party| party != client_id) || (is_for_others && party.is_none()) {
        return Err(TokenError::ClaimInvalid("azp"));
    }
    Ok(())
}

fn check_times((exp, nbf, iat): (Option<Value>, Option<Value>, Option<Value>), now_ms: i64) -> Result<(), TokenError> {
    let until_ms = moment_ms("exp", exp)?.ok_or(TokenError::ClaimMissing("exp"))?;
    let issued_ms = moment_ms("iat", iat)?.ok_or(TokenError::ClaimMissing("iat"))?;
    let from_ms = moment_ms("nbf", nbf)?.unwrap_or(issued_ms).max(issued_ms);
    if now_ms >= until_ms.saturating_add(LEEWAY_MS) || now_ms > issued_ms.saturating_add(AGE_MS_MAX) {
        return Err(TokenError::Expired);
    }
    if now_ms.saturating_add(LEEWAY_MS) < from_ms { Err(TokenError::NotYetValid) } else { Ok(()) }
}
