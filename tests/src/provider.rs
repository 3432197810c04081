//! An identity provider that a story holds in its hand: what it says is what the story wants it to say, right or wrong.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gateway::auth::browser::code_challenge;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::machine::MachineKey;

/// As what it knows the gateway.
pub const CLIENT_ID: &str = "wellgate-test";
/// By what the gateway proves itself to it.
pub const CLIENT_SECRET: &str = "test only: + & %";

/// The provider.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name.
    pub issuer: String,
    /// Its key.
    pub key: Arc<MachineKey>,
    codes: Arc<Mutex<HashMap<String, Code>>>,
}

#[derive(Clone, Debug)]
struct Code {
    challenge: String,
    token: String,
}

/// What a browser was sent to the provider with.
#[derive(Clone, Debug)]
pub struct Asked(pub HashMap<String, String>);

impl Asked {
    /// A parameter; empty where it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }
}

impl Provider {
    /// Starts one.
    ///
    /// # Panics
    /// It cannot listen.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let issuer = format!("http://{}/realm", listener.local_addr().expect("it is bound"));
        let provider = Self { issuer, key: Arc::new(MachineKey::fresh(Algorithm::RS256, "p1")), codes: Arc::default() };
        let metadata = json!({
            "issuer": provider.issuer,
            "authorization_endpoint": format!("{}/authorize?tenant=1", provider.issuer),
            "token_endpoint": format!("{}/token", provider.issuer),
            "jwks_uri": format!("{}/jwks", provider.issuer),
            "authorization_response_iss_parameter_supported": true,
        });
        let (jwks, asked) = (MachineKey::set(&[&provider.key]), provider.clone());
        let routes = Router::new()
            .route("/realm/.well-known/openid-configuration", get(move || async move { metadata.to_string() }))
            .route("/realm/jwks", get(move || async move { jwks }))
            .route(
                "/realm/token",
                post(move |headers: HeaderMap, form: String| async move { asked.token(&headers, &form) }),
            );
        tokio::spawn(async { axum::serve(listener, routes).await });
        provider
    }

    fn token(&self, headers: &HeaderMap, form: &str) -> (StatusCode, String) {
        let pairs = reqwest::Url::parse(&format!("http://x/?{form}")).expect("a form");
        let form: HashMap<String, String> = pairs.query_pairs().into_owned().collect();
        let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let refuse = |error: &str| (StatusCode::BAD_REQUEST, json!({"error": error}).to_string());
        let proof = BASE64_STANDARD.encode(format!("{CLIENT_ID}:test+only%3A+%2B+%26+%25"));
        if headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) != Some(&format!("Basic {proof}")) {
            return refuse("invalid_client");
        }
        let code = self.codes.lock().unwrap_or_else(PoisonError::into_inner).remove(get("code"));
        match code.filter(|code| code.challenge == code_challenge(get("code_verifier"))) {
            Some(code) => (StatusCode::OK, json!({"token_type": "Bearer", "id_token": code.token}).to_string()),
            None => refuse("invalid_grant"),
        }
    }

    /// The claims of an ID token that is good now.
    pub fn claims(&self, asked: &Asked, subject: &str, now_ms: i64) -> Value {
        let now = now_ms / 1_000;
        json!({
            "iss": self.issuer, "aud": CLIENT_ID, "sub": subject, "nonce": asked.get("nonce"), "iat": now, "exp": now + 60,
            "auth_time": now,
        })
    }

    /// A code that is good once for this ID token, for whoever has the verifier.
    pub fn code(&self, asked: &Asked, token: String) -> String {
        let (name, challenge) = (uuid::Uuid::new_v4().to_string(), asked.get("code_challenge").to_owned());
        self.codes.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), Code { challenge, token });
        name
    }

    /// Makes another browser's challenge that of this code.
    ///
    /// # Panics
    /// There is no such code.
    pub fn bind(&self, code: &str, asked: &Asked) {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get("code_challenge").clone_into(&mut codes.get_mut(code).expect("a code").challenge);
    }
}
