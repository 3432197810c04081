//! A sandbox's identity provider: whoever comes chooses who they are. Everything else of it is as OpenID Connect says, over HTTP, so that the
//! gateway signs people in by the code that it has for real providers.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, Request};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::routing::{get, post};
use http_body_util::{BodyExt as _, Limited};
use reqwest::Url;
use serde_json::{Value, json};

use super::people::PEOPLE;
use crate::app::App;
use crate::audit::catalogue::Language;
use crate::auth::browser::code_challenge;
use crate::auth::{ASSERTION_TYPE, Issuer, KeySet, verify_assertion};
use crate::auth_keys::random_secret;
use crate::people::page::{Page, html};

/// How long a code, an ID token and what was chosen are good.
const LIFETIME_MS: i64 = 60_000;
/// Codes that wait; it is a sandbox.
const CODES_MAX: usize = 1_000;
const FORM_BYTES_MAX: usize = 32 * 1024;

/// What the gateway's request for a code is made of.
const ASKED: &[&str] = &[
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
];

/// A code, and for what it was given.
struct Code {
    subject: String,
    nonce: String,
    challenge: String,
    given_ms: i64,
}

struct Provider {
    app: App,
    root: String,
    client_id: String,
    redirect_uri: String,
    issuer: Issuer,
    client_keys: KeySet,
    codes: Mutex<HashMap<String, Code>>,
    assertions: Mutex<HashSet<String>>,
}

type Form = HashMap<String, String>;

/// The routes of the provider `…/sandbox/idp`; none where the sandbox is told to use another.
pub(super) fn routes(app: &App) -> Router {
    let Some(people) = &app.people else { return Router::new() };
    let (config, root) = (people.provider.config(), format!("{}/sandbox/idp", people.root));
    let key = Issuer::generate_key().and_then(|key| Issuer::new(&root, "", &key));
    let (Ok(issuer), Some(Ok(client_keys))) = (key, people.provider.own_jwks().map(KeySet::of_client)) else {
        return Router::new();
    };
    if config.issuer != root {
        return Router::new();
    }
    let provider = Arc::new(Provider {
        app: Arc::clone(app),
        client_id: config.client_id.clone(),
        redirect_uri: people.callback(),
        root,
        issuer,
        client_keys,
        codes: Mutex::default(),
        assertions: Mutex::default(),
    });
    let metadata = metadata(&provider.root).to_string();
    let jwks = provider.issuer.jwks().to_owned();
    let (shown, chosen, exchanged) = (Arc::clone(&provider), Arc::clone(&provider), provider);
    Router::new()
        .route(
            "/sandbox/idp/.well-known/openid-configuration",
            get(move || async move { answer(StatusCode::OK, metadata) }),
        )
        .route("/sandbox/idp/jwks", get(move || async move { answer(StatusCode::OK, jwks) }))
        .route(
            "/sandbox/idp/authorize",
            get(move |headers: HeaderMap, RawQuery(query): RawQuery| async move {
                shown.choose(&headers, &query.unwrap_or_default())
            })
            .post(move |request: Request| async move { chosen.chosen(request).await }),
        )
        .route("/sandbox/idp/token", post(move |request: Request| async move { exchanged.token(request).await }))
}

fn metadata(root: &str) -> Value {
    json!({
        "issuer": root,
        "authorization_endpoint": format!("{root}/authorize"),
        "token_endpoint": format!("{root}/token"),
        "jwks_uri": format!("{root}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "authorization_response_iss_parameter_supported": true,
    })
}

impl Provider {
    /// The page on which somebody chooses who they are.
    fn choose(&self, headers: &HeaderMap, query: &str) -> Response<Body> {
        let asked = read(query.as_bytes());
        if let Err(problem) = self.check(&asked) {
            return refuse(problem);
        }
        let language = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let mut page = Page::new(Language::preferred(language.unwrap_or_default()), "demo-provider");
        for person in PEOPLE {
            let mut fields: Vec<(&str, &str)> =
                asked.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            fields.sort_unstable();
            fields.push(("subject", person.subject));
            let works = person
                .works
                .map_or("patient".to_owned(), |(organization, _, roles)| format!("{organization}: {roles}"));
            page = page.with_button("/sandbox/idp/authorize", &fields, &format!("{} ({works})", person.name));
        }
        html(StatusCode::OK, &page)
    }

    fn check(&self, asked: &Form) -> Result<(), &'static str> {
        let is = |name: &str, value: &str| asked.get(name).is_some_and(|given| given == value);
        // Before anything is sent anywhere: for whom, and exactly where to.
        if !is("client_id", &self.client_id) || !is("redirect_uri", &self.redirect_uri) {
            return Err("client_id or redirect_uri is not the gateway's");
        }
        let is_whole = is("response_type", "code") && is("code_challenge_method", "S256");
        let has = |name: &str| asked.get(name).is_some_and(|value| !value.is_empty());
        if is_whole && has("code_challenge") && has("nonce") && has("state") {
            Ok(())
        } else {
            Err("this is no request for a code with PKCE")
        }
    }

    async fn chosen(&self, request: Request) -> Response<Body> {
        let Some(mut asked) = form(request).await else { return refuse("the form cannot be read") };
        if let Err(problem) = self.check(&asked) {
            return refuse(problem);
        }
        let mut take = |name: &str| asked.remove(name).unwrap_or_default();
        let (subject, state) = (take("subject"), take("state"));
        if PEOPLE.iter().all(|person| person.subject != subject) {
            return refuse("there is nobody of this name");
        }
        let given_ms = self.app.clock.now_ms();
        let code = Code { subject, nonce: take("nonce"), challenge: take("code_challenge"), given_ms };
        let Ok(name) = random_secret() else { return refuse("there is no randomness") };
        {
            let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
            codes.retain(|_, code| given_ms < code.given_ms + LIFETIME_MS);
            if codes.len() >= CODES_MAX {
                return refuse("too many sign in at once");
            }
            codes.insert(name.clone(), code);
        }
        let Ok(mut back) = Url::parse(&self.redirect_uri) else { return refuse("redirect_uri is no URL") };
        back.query_pairs_mut().append_pair("code", &name).append_pair("state", &state).append_pair("iss", &self.root);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SEE_OTHER;
        if let Ok(location) = HeaderValue::from_str(back.as_str()) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }

    /// Gives an ID token for a code, once, to the gateway that proves who it is and has the verifier.
    async fn token(&self, request: Request) -> Response<Body> {
        let error = |code: &str| answer(StatusCode::BAD_REQUEST, json!({"error": code}).to_string());
        let Some(form) = form(request).await else { return error("invalid_request") };
        let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let now_ms = self.app.clock.now_ms();
        if !self.is_gateway(get("client_assertion_type"), get("client_assertion"), now_ms) {
            return error("invalid_client");
        }
        if get("grant_type") != "authorization_code" || get("redirect_uri") != self.redirect_uri {
            return error("invalid_request");
        }
        let code = self.codes.lock().unwrap_or_else(PoisonError::into_inner).remove(get("code"));
        let code = code.filter(|code| now_ms < code.given_ms + LIFETIME_MS);
        let Some(code) = code.filter(|code| code_challenge(get("code_verifier")) == code.challenge) else {
            return error("invalid_grant");
        };
        let now = now_ms.div_euclid(1_000);
        let claims = json!({
            "iss": self.root, "aud": self.client_id, "sub": code.subject, "nonce": code.nonce, "iat": now,
            "exp": now + LIFETIME_MS / 1_000, "auth_time": code.given_ms.div_euclid(1_000),
        });
        match (self.issuer.sign(&claims, "JWT"), random_secret()) {
            (Ok(id_token), Ok(access_token)) => answer(
                StatusCode::OK,
                json!({"token_type": "Bearer", "expires_in": 60, "access_token": access_token, "id_token": id_token})
                    .to_string(),
            ),
            _ => answer(StatusCode::INTERNAL_SERVER_ERROR, json!({"error": "server_error"}).to_string()),
        }
    }

    fn is_gateway(&self, kind: &str, assertion: &str, now_ms: i64) -> bool {
        let endpoint = format!("{}/token", self.root);
        let verified = verify_assertion(assertion, (&self.client_id, &self.client_keys), &endpoint, now_ms);
        let Ok(verified) = verified else { return false };
        let mut shown = self.assertions.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.len() >= CODES_MAX {
            shown.clear();
        }
        kind == ASSERTION_TYPE && shown.insert(verified.id)
    }
}

fn read(text: &[u8]) -> Form {
    let known = |name: &str| ASKED.contains(&name) || name == "subject";
    form_urlencoded::parse(text)
        .filter(|(name, _)| known(name))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

async fn form(request: Request) -> Option<Form> {
    let body = Limited::new(request.into_body(), FORM_BYTES_MAX).collect().await.ok()?.to_bytes();
    Some(form_urlencoded::parse(&body).map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
}

fn refuse(problem: &str) -> Response<Body> {
    answer(StatusCode::BAD_REQUEST, json!({"error": "invalid_request", "error_description": problem}).to_string())
}

fn answer(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
