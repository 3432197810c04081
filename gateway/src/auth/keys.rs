//! Public keys of an issuer or of a client, from a JWK Set.
//!
//! A key is taken only if its purpose is beyond doubt: it has a `kid` that no other key has, it is for signatures, and
//! its type fits an algorithm that the configuration allows. Every other key of the set is left out, so nothing can
//! select it.
//!
//! Specification: RFC 7517, <https://www.rfc-editor.org/rfc/rfc7517>

use std::collections::BTreeMap;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use crate::config::TokenAlgorithm;

/// RSA keys below 2048 bits have not been fit for use since 2014 (NIST SP 800-131A).
const RSA_MODULUS_CHARS_MIN: usize = 342;

/// The keys that may sign tokens, by `kid`.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: BTreeMap<String, Key>,
    source: Vec<Value>,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) decoding: DecodingKey,
    /// What this key may verify; the token's header must name one of them.
    pub(super) algorithms: Vec<Algorithm>,
}

/// Why a text is not a usable JWK Set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// It is not JSON with an array `keys`.
    #[error("is not a JWK Set: a JSON object with an array `keys`")]
    Malformed,
    /// None of its keys can be used; a set that would refuse every token never replaces one that works.
    #[error("has no key with a `kid` of its own for one of the configured algorithms")]
    NoUsableKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a JWK Set and keeps the keys that fit `allowed`.
    ///
    /// # Errors
    /// [`KeySetError::Malformed`], and [`KeySetError::NoUsableKey`] if nothing is left.
    pub fn from_jwks(text: &str, allowed: &[TokenAlgorithm]) -> Result<Self, KeySetError> {
        let document: Document = serde_json::from_str(text).map_err(|_| KeySetError::Malformed)?;
        let mut keys = BTreeMap::new();
        let mut names = BTreeMap::<String, usize>::new();
        for value in &document.keys {
            let Some(name) = value.get("kid").and_then(Value::as_str).filter(|name| !name.is_empty()) else {
                continue;
            };
            *names.entry(name.to_owned()).or_default() += 1;
            if let Some(key) = usable_key(value, allowed) {
                keys.insert(name.to_owned(), key);
            }
        }
        // Two keys of one name: which one signed would be a guess.
        keys.retain(|name, _| names.get(name) == Some(&1));
        if keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self { keys, source: document.keys }) }
    }

    /// Reads the JWK Set of a client: keys for what SMART Backend Services asks for (ES384, RS384), and for ES256 and RS256, which the
    /// national platform uses.
    ///
    /// # Errors
    /// See [`KeySetError`].
    pub fn of_client(text: &str) -> Result<Self, KeySetError> {
        let (ec, rsa) =
            ([TokenAlgorithm::Es256, TokenAlgorithm::Es384], [TokenAlgorithm::Rs256, TokenAlgorithm::Rs384]);
        Self::from_jwks(text, &[ec, rsa].concat())
    }

    /// How many keys may sign tokens.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The names (`kid`) of the keys.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// Whether no token at all can be verified.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether both were read from the same keys.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.source == other.source
    }

    pub(super) fn find(&self, name: &str) -> Option<&Key> {
        self.keys.get(name)
    }
}

fn usable_key(value: &Value, allowed: &[TokenAlgorithm]) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let of_type = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => vec![TokenAlgorithm::Es256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => vec![TokenAlgorithm::Es384],
        AlgorithmParameters::RSA(key) if key.n.len() >= RSA_MODULUS_CHARS_MIN => {
            vec![TokenAlgorithm::Rs256, TokenAlgorithm::Rs384]
        }
        // A shared secret in a public key set is a mistake or an attack; other curves are not offered.
        _ => return None,
    };
    let mut algorithms: Vec<Algorithm> =
        of_type.into_iter().filter(|algorithm| allowed.contains(algorithm)).map(algorithm).collect();
    if let Some(named) = jwk.common.key_algorithm {
        let named = Algorithm::try_from(named).ok()?;
        algorithms.retain(|algorithm| *algorithm == named);
    }
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    (!algorithms.is_empty()).then_some(Key { decoding, algorithms })
}

const fn algorithm(algorithm: TokenAlgorithm) -> Algorithm {
    match algorithm {
        TokenAlgorithm::Es256 => Algorithm::ES256,
        TokenAlgorithm::Es384 => Algorithm::ES384,
        TokenAlgorithm::Rs256 => Algorithm::RS256,
        TokenAlgorithm::Rs384 => Algorithm::RS384,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

    fn p256() -> Value {
        json!({ "kty": "EC", "crv": "P-256", "x": X, "y": Y, "kid": "a" })
    }

    fn with(mut key: Value, name: &str, value: &str) -> Value {
        key[name] = Value::from(value);
        key
    }

    fn read(keys: &[Value], allowed: &[TokenAlgorithm]) -> Result<usize, KeySetError> {
        KeySet::from_jwks(&json!({ "keys": keys }).to_string(), allowed).map(|set| set.len())
    }

    #[test]
    fn what_is_not_a_key_set_is_refused() {
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, "<html>"] {
            assert_eq!(KeySet::from_jwks(text, &[TokenAlgorithm::Es256]).err(), Some(KeySetError::Malformed), "{text}");
        }
    }

    #[test]
    fn a_key_of_doubtful_purpose_is_left_out() {
        let rsa = |characters: usize| json!({ "kty": "RSA", "n": "u".repeat(characters), "e": "AQAB", "kid": "a" });
        let doubtful = [
            with(p256(), "kid", ""),
            with(p256(), "use", "enc"),
            with(p256(), "alg", "ES384"),
            with(p256(), "alg", "HS256"),
            with(p256(), "crv", "P-521"),
            with(p256(), "kty", "RSA"),
            json!({ "kty": "EC", "crv": "P-256", "x": X, "y": Y }),
            json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "HS256" }),
            json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "a" }),
            rsa(172),
            json!("a"),
        ];
        for key in doubtful {
            let all = [TokenAlgorithm::Es256, TokenAlgorithm::Es384, TokenAlgorithm::Rs256, TokenAlgorithm::Rs384];
            assert_eq!(read(std::slice::from_ref(&key), &all), Err(KeySetError::NoUsableKey), "{key}");
        }
        assert_eq!(read(&[p256()], &[TokenAlgorithm::Rs256]), Err(KeySetError::NoUsableKey));
        assert_eq!(read(&[with(rsa(342), "alg", "RS256")], &[TokenAlgorithm::Rs384]), Err(KeySetError::NoUsableKey));
    }

    #[test]
    fn two_keys_of_one_name_are_both_left_out() {
        let other = with(p256(), "kid", "b");
        assert_eq!(read(&[p256(), with(p256(), "use", "enc"), other], &[TokenAlgorithm::Es256]), Ok(1));
        assert_eq!(read(&[p256(), p256()], &[TokenAlgorithm::Es256]), Err(KeySetError::NoUsableKey));
    }

    #[test]
    fn an_unknown_key_does_not_spoil_the_others() {
        let future = json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "b" });
        assert_eq!(read(&[future, p256()], &[TokenAlgorithm::Es256]), Ok(1));
    }
}
