//! The issuers whose tokens are believed: another's, the gateway's own, or both.

use std::sync::Arc;

use serde::Deserialize;

use super::token::{TokenClaims, TokenError, Verifier, claims_unverified};

/// A verifier an issuer.
#[derive(Clone, Debug)]
pub struct Verifiers(Vec<Arc<Verifier>>);

#[derive(Deserialize)]
struct Claimed {
    iss: String,
}

impl Verifiers {
    /// Of these, each for an issuer of its own.
    pub fn new(verifiers: Vec<Arc<Verifier>>) -> Self {
        Self(verifiers)
    }

    /// Verifies a bearer token with the keys of the issuer that it names.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, bearer: &str, now_ms: i64) -> Result<Arc<TokenClaims>, TokenError> {
        match self.0.as_slice() {
            [only] => only.verify(bearer, now_ms),
            several => {
                // Only which keys are tried follows from what is not verified yet: the verifier holds the token to its issuer.
                let Claimed { iss } = claims_unverified(bearer).ok_or(TokenError::Malformed)?;
                let verifier = several.iter().find(|verifier| verifier.issuer() == iss);
                verifier.ok_or(TokenError::IssuerWrong)?.verify(bearer, now_ms)
            }
        }
    }

    /// Whether the tokens of every issuer can be verified.
    pub fn has_keys(&self) -> bool {
        self.0.iter().all(|verifier| verifier.has_keys())
    }
}
