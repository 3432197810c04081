//! Bearer tokens: from text to the claims of a caller, or to the one reason why not.
//!
//! A missing claim is a refusal, never "unrestricted". The algorithm comes from our configuration and the key from our
//! key set; a token's header only selects among them.
//!
//! Specifications: RFC 7519 (JWT), RFC 8725 (best current practice), RFC 9068 (access tokens).

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Notify;

use super::certificate::PeerCertificate;
use super::fhir_user::FhirUser;
use super::keys::KeySet;
use super::scopes::Scopes;
use cache::{Cache, Verified};

mod cache;

/// A longer token is refused unread; ours have about 700 bytes.
pub(super) const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The longest identity (client, organisation, practitioner) that is taken from a token.
const IDENTITY_BYTES_MAX: usize = 255;
/// 9999-12-31T23:59:59Z: a later `exp` is a mistake or an attempt to overflow.
const SECONDS_MAX: u64 = 253_402_300_799;

/// Who calls, for whom and for what, as a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenClaims {
    /// The program that calls (`client_id`, or `azp`).
    pub client_id: String,
    /// The organisation that it calls for (`organization`).
    pub organization_id: String,
    /// The person who acts, if the token names one (`practitioner`).
    pub practitioner_id: Option<String>,
    /// The person who signed in (`fhir_user`, or `fhirUser`), if the token names one. It is believed from a person's app only.
    pub fhir_user: Option<FhirUser>,
    /// The purpose of use that is claimed; what the client is registered for decides.
    pub purpose: String,
    /// What the token's `system/` scopes grant; may be empty.
    pub scopes: Scopes,
    /// What the token's `patient/` and `user/` scopes grant to a person; may be empty.
    pub person_scopes: Scopes,
    /// When the token ends, without leeway.
    pub expires_at_ms: i64,
    /// The token's own id (`jti`), if it has one.
    pub token_id: Option<String>,
    /// The certificate to which it is bound (`cnf`), if it is: a thumbprint, see [`PeerCertificate`].
    pub certificate: Option<String>,
}

/// Why a token is refused. The text is for the log and the client; it holds nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not three base64url parts with a readable header and claims, or it is too long.
    #[error("the bearer token is not a readable JWT")]
    Malformed,
    /// Its algorithm is not one that the key may verify and the configuration allows.
    #[error("the bearer token's algorithm is not accepted")]
    AlgorithmNotAccepted,
    /// Its header brings a key or an address of one along, or demands an extension.
    #[error("the bearer token's header has `{0}`, which is not accepted")]
    HeaderNotAccepted(&'static str),
    /// Its `kid` names no key of the issuer that we know; newer keys may be on their way.
    #[error("the bearer token's key is unknown")]
    KeyUnknown,
    /// The signature is not that of the named key.
    #[error("the bearer token's signature is wrong")]
    SignatureWrong,
    /// It is from another issuer.
    #[error("the bearer token is from another issuer")]
    IssuerWrong,
    /// It is for another audience.
    #[error("the bearer token is for another audience")]
    AudienceWrong,
    /// A claim that must be there is not.
    #[error("the bearer token has no `{0}`")]
    ClaimMissing(&'static str),
    /// A claim has the wrong form.
    #[error("the bearer token's `{0}` has the wrong form")]
    ClaimInvalid(&'static str),
    /// Its time has not come.
    #[error("the bearer token is not valid yet")]
    NotYetValid,
    /// Its time is over.
    #[error("the bearer token has expired")]
    Expired,
}

/// Verifies tokens of one issuer for one audience.
///
/// A signature costs more than everything else here, so verified tokens are remembered, bounded, until they expire;
/// times are checked on every call. Replacing the keys forgets every remembered token.
#[derive(Debug)]
pub struct Verifier {
    issuer: String,
    audience: String,
    leeway_ms: i64,
    epoch: RwLock<Arc<Epoch>>,
    unknown_key: Arc<Notify>,
}

/// Keys and what was verified by them. They are replaced together: a verification that is under way while keys change
/// remembers its result in the epoch that it began in, where nobody looks any more.
#[derive(Debug)]
struct Epoch {
    keys: KeySet,
    cache: Cache,
}

impl Verifier {
    /// A verifier with the keys known so far (perhaps none, then every token is refused as [`TokenError::KeyUnknown`]).
    pub fn new(issuer: &str, audience: &str, leeway: Duration, keys: KeySet) -> Self {
        let leeway_ms = i64::try_from(leeway.as_millis()).unwrap_or(0);
        Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            leeway_ms,
            epoch: RwLock::new(Arc::new(Epoch { keys, cache: Cache::new(leeway_ms) })),
            unknown_key: Arc::new(Notify::new()),
        }
    }

    /// Verifies a bearer token (without the word `Bearer`).
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, bearer: &str, now_ms: i64) -> Result<Arc<TokenClaims>, TokenError> {
        if bearer.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let epoch = self.epoch();
        let fingerprint = cache::fingerprint(bearer);
        if let Some(known) = epoch.cache.find(&fingerprint, now_ms) {
            self.check_times(&known, now_ms)?;
            return Ok(known.claims);
        }
        let verified = self.verify_afresh(&epoch.keys, bearer);
        if verified == Err(TokenError::KeyUnknown) {
            self.unknown_key.notify_one();
        }
        let verified = verified?;
        self.check_times(&verified, now_ms)?;
        epoch.cache.remember(fingerprint, verified.clone(), now_ms);
        Ok(verified.claims)
    }

    /// Puts other keys in place of the present ones, and forgets what was verified by those. The same keys change
    /// nothing.
    ///
    /// Returns whether they differed.
    pub fn replace_keys(&self, keys: KeySet) -> bool {
        let mut epoch = self.epoch.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = !epoch.keys.is_same(&keys);
        if is_new {
            *epoch = Arc::new(Epoch { keys, cache: Cache::new(self.leeway_ms) });
        }
        is_new
    }

    /// Whose tokens these are (`iss`).
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether there are keys, without which every token is refused.
    pub fn has_keys(&self) -> bool {
        !self.epoch().keys.is_empty()
    }

    /// Told whenever a token names a key that is not known, so that the keys can be read again.
    pub fn unknown_key(&self) -> Arc<Notify> {
        Arc::clone(&self.unknown_key)
    }

    fn epoch(&self) -> Arc<Epoch> {
        Arc::clone(&self.epoch.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn verify_afresh(&self, keys: &KeySet, token: &str) -> Result<Verified, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        check_header(&header)?;
        let key = header.kid.as_deref().and_then(|name| keys.find(name)).ok_or(TokenError::KeyUnknown)?;
        if !key.algorithms.contains(&header.alg) {
            return Err(TokenError::AlgorithmNotAccepted);
        }
        let mut validation = Validation::new(header.alg);
        validation.set_required_spec_claims(&["iss", "aud"]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        // The library asks the operating system for the time, and rounds fractions; ours are checked in `read_claims`.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let token =
            jsonwebtoken::decode::<RawClaims>(token, &key.decoding, &validation).map_err(|error| reason(&error))?;
        read_claims(token.claims)
    }

    fn check_times(&self, verified: &Verified, now_ms: i64) -> Result<(), TokenError> {
        if now_ms >= verified.claims.expires_at_ms.saturating_add(self.leeway_ms) {
            Err(TokenError::Expired)
        } else if now_ms.saturating_add(self.leeway_ms) < verified.not_before_ms {
            Err(TokenError::NotYetValid)
        } else {
            Ok(())
        }
    }
}

/// A header must not bring its own key along (`jwk`, `x5c`), nor make us fetch one (`jku`, `x5u`), nor demand what we
/// do not know (`crit`), nor say that the content is packed or sealed.
pub(super) fn check_header(header: &Header) -> Result<(), TokenError> {
    let refused = [
        ("jwk", header.jwk.is_some()),
        ("jku", header.jku.is_some()),
        ("x5c", header.x5c.is_some()),
        ("x5u", header.x5u.is_some()),
        ("crit", header.crit.is_some()),
        ("zip", header.zip.is_some()),
        ("enc", header.enc.is_some()),
        ("b64", header.extras.inner().contains_key("b64")),
    ];
    match refused.iter().find(|(_, is_there)| *is_there) {
        Some((name, _)) => Err(TokenError::HeaderNotAccepted(name)),
        None => Ok(()),
    }
}

pub(super) fn reason(error: &jsonwebtoken::errors::Error) -> TokenError {
    match error.kind() {
        ErrorKind::InvalidSignature => TokenError::SignatureWrong,
        ErrorKind::InvalidIssuer => TokenError::IssuerWrong,
        ErrorKind::InvalidAudience => TokenError::AudienceWrong,
        ErrorKind::MissingRequiredClaim(name) if name == "iss" => TokenError::ClaimMissing("iss"),
        ErrorKind::MissingRequiredClaim(name) if name == "aud" => TokenError::ClaimMissing("aud"),
        ErrorKind::InvalidAlgorithm => TokenError::AlgorithmNotAccepted,
        _ => TokenError::Malformed,
    }
}

/// The claims as they stand in the token. Each is taken as any JSON and checked by name; a claim that occurs twice
/// makes the token unreadable, since readers differ on which one counts.
#[derive(Clone, Debug, Deserialize)]
struct RawClaims {
    iss: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iat: Option<Value>,
    jti: Option<Value>,
    client_id: Option<Value>,
    azp: Option<Value>,
    organization: Option<Value>,
    practitioner: Option<Value>,
    purpose_of_use: Option<Value>,
    scope: Option<Value>,
    fhir_user: Option<Value>,
    #[serde(rename = "fhirUser")]
    smart_fhir_user: Option<Value>,
    cnf: Option<Value>,
}

fn read_claims(raw: RawClaims) -> Result<Verified, TokenError> {
    // The library accepts a list of issuers.
    identity("iss", raw.iss)?.ok_or(TokenError::ClaimMissing("iss"))?;
    let expires_at_ms = moment_ms("exp", raw.exp)?.ok_or(TokenError::ClaimMissing("exp"))?;
    let not_before_ms = moment_ms("nbf", raw.nbf)?.ok_or(TokenError::ClaimMissing("nbf"))?;
    moment_ms("iat", raw.iat)?;
    let (scopes, person_scopes) = scopes(raw.scope)?;
    let claims = TokenClaims {
        client_id: client_id(raw.client_id, raw.azp)?,
        organization_id: identity("organization", raw.organization)?.ok_or(TokenError::ClaimMissing("organization"))?,
        practitioner_id: identity("practitioner", raw.practitioner)?,
        fhir_user: fhir_user(raw.fhir_user, raw.smart_fhir_user)?,
        purpose: purpose(raw.purpose_of_use)?,
        scopes,
        person_scopes,
        expires_at_ms,
        token_id: identity("jti", raw.jti)?,
        certificate: raw.cnf.map(|cnf| confirmed(&cnf)).transpose()?,
    };
    Ok(Verified { claims: Arc::new(claims), not_before_ms })
}

/// Whole seconds since 1970. Texts, fractions, negative and huge numbers are refused: CVE-2026-25537 was a library that
/// skipped the check for a text.
pub(super) fn moment_ms(name: &'static str, value: Option<Value>) -> Result<Option<i64>, TokenError> {
    let Some(value) = value else {
        return Ok(None);
    };
    let seconds = value.as_u64().filter(|seconds| *seconds <= SECONDS_MAX);
    let moment_ms = seconds.and_then(|seconds| i64::try_from(seconds * 1_000).ok());
    moment_ms.map(Some).ok_or(TokenError::ClaimInvalid(name))
}

pub(super) fn identity(name: &'static str, value: Option<Value>) -> Result<Option<String>, TokenError> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) if is_identity(&text) => Ok(Some(text)),
        Some(_) => Err(TokenError::ClaimInvalid(name)),
    }
}

/// Visible ASCII only: what enters logs and comparisons has one way to be written.
fn is_identity(text: &str) -> bool {
    (1..=IDENTITY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `client_id` (RFC 9068), or `azp` where an issuer has only that; two that differ name nobody.
fn client_id(client_id: Option<Value>, azp: Option<Value>) -> Result<String, TokenError> {
    match (identity("client_id", client_id)?, identity("azp", azp)?) {
        (Some(client_id), Some(azp)) if client_id != azp => Err(TokenError::ClaimInvalid("azp")),
        (Some(client_id), _) | (None, Some(client_id)) => Ok(client_id),
        (None, None) => Err(TokenError::ClaimMissing("client_id")),
    }
}

/// One purpose, as a text or as a list of just one: a request is for one purpose, or it could not be decided.
fn purpose(value: Option<Value>) -> Result<String, TokenError> {
    const NAME: &str = "purpose_of_use";
    one(NAME, value)?.ok_or(TokenError::ClaimMissing(NAME))
}

/// One identity, as a text or as a list of just one.
pub(super) fn one(name: &'static str, value: Option<Value>) -> Result<Option<String>, TokenError> {
    let one = match value {
        Some(Value::Array(mut items)) if items.len() == 1 => items.pop(),
        Some(Value::Array(_)) => return Err(TokenError::ClaimInvalid(name)),
        other => other,
    };
    identity(name, one)
}

/// The claims of a token that nobody has verified, to find the keys by which it can be.
pub(super) fn claims_unverified<T: DeserializeOwned>(token: &str) -> Option<T> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let mut parts = token.split('.');
    let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

/// The person by our name of the claim or by SMART's; two that differ name nobody.
fn fhir_user(ours: Option<Value>, smart: Option<Value>) -> Result<Option<FhirUser>, TokenError> {
    const NAME: &str = "fhir_user";
    let named = match (identity(NAME, ours)?, identity("fhirUser", smart)?) {
        (Some(ours), Some(smart)) if ours != smart => return Err(TokenError::ClaimInvalid("fhirUser")),
        (Some(named), _) | (None, Some(named)) => named,
        (None, None) => return Ok(None),
    };
    FhirUser::parse(&named).map(Some).ok_or(TokenError::ClaimInvalid(NAME))
}

fn confirmed(cnf: &Value) -> Result<String, TokenError> {
    PeerCertificate::confirmed(cnf).ok_or(TokenError::ClaimInvalid("cnf"))
}

fn scopes(value: Option<Value>) -> Result<(Scopes, Scopes), TokenError> {
    match value {
        Some(Value::String(text)) => Ok((Scopes::parse(&text), Scopes::parse_of_person(&text))),
        Some(_) => Err(TokenError::ClaimInvalid("scope")),
        None => Err(TokenError::ClaimMissing("scope")),
    }
}

#[cfg(test)]
mod tests;
