//! A machine client as its vendor would write it: a key of its own, assertions signed by it, and requests to the token endpoint.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::caller::Answer;
use crate::gateway::Gateway;

/// A key and what is public of it.
#[derive(Clone, Debug)]
pub struct MachineKey {
    algorithm: Algorithm,
    key: EncodingKey,
    /// The public key, named `kid`.
    pub jwk: Value,
}

impl MachineKey {
    /// A fresh key.
    ///
    /// # Panics
    /// The library makes none of this kind.
    pub fn fresh(algorithm: Algorithm, kid: &str) -> Self {
        let random = SystemRandom::new();
        let key = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => {
                let curve = if algorithm == Algorithm::ES256 {
                    &ECDSA_P256_SHA256_FIXED_SIGNING
                } else {
                    &ECDSA_P384_SHA384_FIXED_SIGNING
                };
                let document = EcdsaKeyPair::generate_pkcs8(curve, &random).expect("there is randomness");
                EncodingKey::from_ec_der(document.as_ref())
            }
            _ => {
                let pair = KeyPair::generate(KeySize::Rsa2048).expect("there is randomness");
                let der = AsDer::<Pkcs8V1Der>::as_der(&pair).expect("it is encoded");
                let base64 = BASE64_STANDARD.encode(der.as_ref());
                let begin = ["-----BEGIN PRIV", "ATE KEY-----"].concat();
                let pem = format!("{begin}\n{base64}\n{}\n", begin.replace("BEGIN", "END"));
                EncodingKey::from_rsa_pem(pem.as_bytes()).expect("it is a key")
            }
        };
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&key, algorithm).expect("it has a public half"))
            .expect("a JWK is JSON");
        jwk["kid"] = json!(kid);
        Self { algorithm, key, jwk }
    }

    /// The JWK Set of these keys.
    pub fn set(keys: &[&Self]) -> String {
        json!({"keys": keys.iter().map(|key| &key.jwk).collect::<Vec<_>>()}).to_string()
    }

    /// A JWT of these claims.
    ///
    /// # Panics
    /// It cannot be signed.
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = self.jwk["kid"].as_str().map(str::to_owned);
        jsonwebtoken::encode(&header, claims, &self.key).expect("the key signs")
    }
}

/// The claims of an assertion that is good now.
pub fn assertion(gateway: &Gateway, client: &str) -> Value {
    let now = gateway.clock.now_ms() / 1_000;
    json!({
        "iss": client, "sub": client, "aud": url(gateway, "oauth/token"), "exp": now + 240, "iat": now,
        "jti": Uuid::now_v7().to_string(),
        "extensions": {"hl7-b2b": {"version": "1", "purpose_of_use": ["urn:oid:2.16.840.1.113883.5.8#TREAT"]}},
    })
}

/// An address of the gateway beside the FHIR interface.
pub fn url(gateway: &Gateway, path: &str) -> String {
    format!("{}/{path}", gateway.base.trim_end_matches("/fhir"))
}

/// Posts a form with an assertion.
///
/// # Panics
/// There is no answer.
pub async fn post(gateway: &Gateway, path: &str, assertion: &str, further: &[(&str, &str)]) -> Answer {
    let mut form = vec![
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    form.extend_from_slice(further);
    post_form(gateway, path, &form).await
}

/// Posts any form.
///
/// # Panics
/// There is no answer.
pub async fn post_form(gateway: &Gateway, path: &str, form: &[(&str, &str)]) -> Answer {
    let request = gateway.http.post(url(gateway, path)).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let response = request.form(form).send().await.expect("the gateway answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.expect("the whole answer").to_vec();
    let json = serde_json::from_slice(&bytes).unwrap_or_default();
    Answer { status, headers, bytes, json }
}

/// Asks for a token.
pub async fn ask(gateway: &Gateway, assertion: &str, scope: &str) -> Answer {
    post(gateway, "oauth/token", assertion, &[("grant_type", "client_credentials"), ("scope", scope)]).await
}
