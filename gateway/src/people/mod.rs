//! People sign in: by an identity provider, with OpenID Connect's authorization code flow and PKCE, for a session that a cookie holds.
//!
//! A few pages without a script: who is signed in, as what, and the ways out. What somebody may do follows from what is registered here,
//! never from what the provider says. `docs/people.md` has the rules.
//!
//! Specifications: OpenID Connect Core 1.0, RFC 7636 (PKCE), RFC 9207 (issuer of an answer), RFC 9700 (best current practice).

mod account;
mod form;
mod link;
pub mod page;
mod sign_in;
mod trail;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::routing::{get, post};

use crate::app::App;
use crate::audit::catalogue::Language;
use crate::error::Failure;
use page::{Page, html};

/// The cookie of a sign-in under way.
const SIGN_IN_COOKIE: &str = "__Host-wellgate-sign-in";
/// How long a sign-in may take.
const SIGN_IN_MS: i64 = 10 * 60_000;
/// Where somebody is who asked for nothing else.
const HOME: &str = "/account";

/// What is asked by programs, and answered as JSON whatever comes of it.
pub const SPEAK_JSON: [&str; 2] = ["/session", "/sign-in/jwks"];

/// What is answered where the gateway has no room or no time for a request.
pub fn unavailable(failure: &Failure) -> Response<Body> {
    let mut response = html(failure.status(), &Page::new(Language::Dutch, "unavailable"));
    if let Some(seconds) = failure.retry_after_seconds() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The routes for people; none where nobody signs in.
pub fn routes(app: &App) -> Router {
    let Some(people) = &app.people else { return Router::new() };
    let jwks = people.provider.own_jwks().unwrap_or("{\"keys\":[]}").to_owned();
    let route = || Arc::clone(app);
    let (begin, step_up, callback, shown) = (route(), route(), route(), route());
    let (described, out, everywhere, acting, linking) = (route(), route(), route(), route(), route());
    Router::new()
        .route("/", get(|| async { see_other(HOME) }))
        .route("/account", get(move |request: Request| account::account(shown, request)))
        .route("/account/act-as", post(move |request: Request| account::act_as(acting, request)))
        .route("/account/link", post(move |request: Request| link::link(linking, request)))
        .route("/pages.css", get(|| async { page::style() }))
        .route("/session", get(move |request: Request| account::session(described, request)))
        .route("/sign-in", get(move |request: Request| sign_in::begin(begin, request)))
        .route("/sign-in/callback", get(move |request: Request| sign_in::callback(callback, request)))
        .route("/sign-in/jwks", get(move || async move { json(StatusCode::OK, jwks) }))
        .route("/sign-out", post(move |request: Request| account::sign_out(out, request)))
        .route("/sign-out/everywhere", post(move |request: Request| account::sign_out_everywhere(everywhere, request)))
        .route("/step-up", get(move |request: Request| sign_in::step_up(step_up, request)))
}

/// The language that the browser asks for.
fn language(headers: &HeaderMap) -> Language {
    let asked = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Language::preferred(asked.unwrap_or_default())
}

fn see_other(path: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    // What is no header value is no path of ours.
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static(HOME));
    response.headers_mut().insert(header::LOCATION, location);
    response
}

fn json(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Puts a cookie into an answer, or takes it away where its value is empty. `__Host-` makes the browser insist on `Secure`, on the
/// whole host and on nobody else's having set it; browsers take the machine itself for secure, also without TLS.
fn set_cookie(response: &mut Response<Body>, name: &str, value: &str) {
    let age = match name {
        _ if value.is_empty() => "; Max-Age=0".to_owned(),
        SIGN_IN_COOKIE => format!("; Max-Age={}", SIGN_IN_MS / 1_000),
        // It ends with the browser; how long it is good the gateway knows.
        _ => String::new(),
    };
    let cookie = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// The page that says why something was not done.
fn refused(headers: &HeaderMap, status: StatusCode, why: &'static str) -> Response<Body> {
    html(status, &Page::new(language(headers), why).with_link("/account", "to-account"))
}

/// The page for a failure of ours or of the database.
fn failed(headers: &HeaderMap, failure: impl Into<Failure>) -> Response<Body> {
    let failure: Failure = failure.into();
    if let Failure::Internal(cause) = &failure {
        tracing::error!(cause, "a page failed");
    }
    refused(headers, failure.status(), "unavailable")
}
