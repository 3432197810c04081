//! How the gateway proves to a partner's token endpoint who it is: an assertion, signed with a key of its own (`private_key_jwt`).
//!
//! Specifications: SMART Backend Services <https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html>, RFC 7523.

use std::fmt;

use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use super::issuer::IssuerError;

/// How long an assertion is good: the standard has five minutes at most, and it is used at once.
const ASSERTION_SECONDS: i64 = 60;

/// A key that signs assertions: ES384 on P-384, which partners must take, or ES256 on P-256.
#[derive(Clone)]
pub struct AssertionKey {
    key: EncodingKey,
    header: Header,
}

/// Without the key.
impl fmt::Debug for AssertionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AssertionKey")
    }
}

impl AssertionKey {
    /// A key (PKCS#8, DER) with the name under which the partner knows it; without one, its thumbprint (RFC 7638).
    ///
    /// # Errors
    /// [`IssuerError::KeyInvalid`] for a key on another curve.
    pub fn new(pkcs8: &[u8], key_id: Option<&str>) -> Result<Self, IssuerError> {
        let key = EncodingKey::from_ec_der(pkcs8);
        let signs = |algorithm: &Algorithm| jsonwebtoken::encode(&Header::new(*algorithm), &json!({}), &key).is_ok();
        let algorithm = [Algorithm::ES384, Algorithm::ES256].into_iter().find(signs).ok_or(IssuerError::KeyInvalid)?;
        let public = Jwk::from_encoding_key(&key, algorithm).map_err(|_| IssuerError::KeyInvalid)?;
        let thumbprint = || public.thumbprint(ThumbprintHash::SHA256).ok();
        let header = Header { kid: key_id.map(str::to_owned).or_else(thumbprint), ..Header::new(algorithm) };
        Ok(Self { key, header })
    }

    /// An assertion that `client_id` asks at a token endpoint, good from now on. `assertion_id` must not repeat.
    ///
    /// # Errors
    /// [`IssuerError::NotSigned`].
    pub fn assert(
        &self,
        (client_id, token_url): (&str, &str),
        assertion_id: &str,
        now_ms: i64,
    ) -> Result<String, IssuerError> {
        let now = now_ms.div_euclid(1_000);
        let claims = json!({"iss": client_id, "sub": client_id, "aud": token_url, "iat": now, "exp": now + ASSERTION_SECONDS, "jti": assertion_id});
        jsonwebtoken::encode(&self.header, &claims, &self.key).map_err(|_| IssuerError::NotSigned)
    }
}
