//! `GET /sign-in`, `GET /step-up` and `GET /sign-in/callback`: to the identity provider and back.
//!
//! The gateway keeps nothing while somebody is away: what they come back with is held against the one cookie of their browser, and
//! works once.

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode, header};
use connectors::openid::OpenIdError;
use reqwest::Url;

use super::form::{Parameters, network};
use super::trail::{self, Refused, SIGN_IN, STEP_UP, Who};
use super::{HOME, SIGN_IN_COOKIE, SIGN_IN_MS, failed, refused, see_other, set_cookie};
use crate::access::session::{SESSION_CLIENT, SESSION_COOKIE, SignedInPerson, acts, session_hash, signed_in};
use crate::app::{App, People};
use crate::auth::browser::{code_challenge, cookie, local_path, secret_hash};
use crate::auth::{Expected, PersonRole, SignIn, TokenError};
use crate::auth_keys::{ProviderError, random_secret};
use crate::error::Failure;
use crate::storage::people::Subject;
use crate::storage::sessions::PersonSession;

/// The longest answer of a provider that is looked at.
const VALUE_BYTES_MAX: usize = 4_096;

/// `GET /sign-in?return_to=/path`
pub(super) async fn begin(app: App, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    away(&app, &parts, String::new()).await
}

/// `GET /step-up?return_to=/path`: to the provider once more, for somebody who is signed in.
pub(super) async fn step_up(app: App, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    match signed_in(&app, &parts.headers).await {
        Ok(Some(person)) => away(&app, &parts, person.session.hash).await,
        Ok(None) => away(&app, &parts, String::new()).await,
        Err(error) => failed(&parts.headers, error),
    }
}

/// Sends the browser to the provider.
async fn away(app: &App, parts: &Parts, step_up_of: String) -> Response<Body> {
    let Some(people) = &app.people else { return failed(&parts.headers, Failure::NotFound) };
    let query = parts.uri.query().unwrap_or_default();
    let parameters = Parameters::read(query.as_bytes(), &["return_to"]);
    let return_to = parameters.as_ref().and_then(|parameters| parameters.get("return_to")).and_then(local_path);
    let (Ok(secret), now_ms) = (random_secret(), app.clock.now_ms()) else {
        return failed(&parts.headers, Failure::Internal("the system gives no randomness"));
    };
    let return_to = return_to.unwrap_or(HOME).to_owned();
    let sign_in = SignIn { secret, begun_ms: now_ms, until_ms: now_ms + SIGN_IN_MS, return_to, step_up_of };
    match address(people, &sign_in).await {
        Ok(address) => {
            let mut response = see_other(&address);
            set_cookie(&mut response, SIGN_IN_COOKIE, &people.key.seal(&sign_in));
            response
        }
        Err(error) => {
            tracing::warn!(%error, "nobody can sign in");
            refused(&parts.headers, StatusCode::SERVICE_UNAVAILABLE, "provider-away")
        }
    }
}

/// The address of the provider with the request for a code.
async fn address(people: &People, sign_in: &SignIn) -> Result<String, ProviderError> {
    let metadata = people.provider.metadata().await?;
    let config = people.provider.config();
    let mut url =
        Url::parse(&metadata.authorization_endpoint).map_err(|_| ProviderError::Metadata("an address is no URL"))?;
    let mut query = url.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &config.client_id)
        .append_pair("redirect_uri", &people.callback())
        .append_pair("scope", &config.scopes.join(" "))
        .append_pair("state", &people.key.state(sign_in))
        .append_pair("nonce", &people.key.nonce(sign_in))
        .append_pair("code_challenge", &code_challenge(&people.key.code_verifier(sign_in)))
        .append_pair("code_challenge_method", "S256");
    if !sign_in.step_up_of.is_empty() {
        query.append_pair("max_age", "0").append_pair("prompt", "login");
        if let Some(acr) = &config.step_up_acr {
            query.append_pair("acr_values", acr);
        }
    }
    drop(query);
    Ok(url.into())
}

/// Why nobody is signed in by an answer of the provider: for the trail or the counts, for the page, and its status.
struct Because {
    reason: &'static str,
    page: &'static str,
    status: StatusCode,
}

const fn because(reason: &'static str, page: &'static str, status: StatusCode) -> Because {
    Because { reason, page, status }
}

/// `GET /sign-in/callback`
pub(super) async fn callback(app: App, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let headers = &parts.headers;
    let Some(people) = &app.people else { return failed(headers, Failure::NotFound) };
    let now_ms = app.clock.now_ms();
    let names = ["state", "code", "iss", "error"];
    let parameters = Parameters::read(parts.uri.query().unwrap_or_default().as_bytes(), &names);
    let state = parameters.as_ref().and_then(|parameters| parameters.get("state")).unwrap_or_default();
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let sign_in = cookie(cookies, SIGN_IN_COOKIE).and_then(|cookie| people.key.open(cookie, now_ms));
    // Before all else: whose answer is it? A state that is not this browser's is not even looked at further.
    let known = sign_in.filter(|sign_in| people.key.is_state(sign_in, state)).zip(parameters.as_ref());
    let Some((sign_in, parameters)) = known else {
        app.refusals.count("sign-in-state", now_ms);
        return refused(headers, StatusCode::BAD_REQUEST, "sign-in-lost");
    };
    let before = match signed_in(&app, headers).await {
        Ok(before) => before,
        Err(error) => return failed(headers, error),
    };
    let network = network(&parts);
    let settled = match who(&app, people, &sign_in, parameters).await {
        Ok(subject) => settle(&app, (people, headers), (&sign_in, before.as_ref()), (subject, &network)).await,
        Err(refusal) => Err(refusal),
    };
    match settled {
        Ok(response) => response,
        Err(Refusal::Failed(failure)) => failed(headers, failure),
        Err(Refusal::Because(Because { reason, page, status })) => {
            let is_step_up = !sign_in.step_up_of.is_empty();
            let of_session = before.as_ref().filter(|_| is_step_up).and_then(Who::of);
            let act = if is_step_up { STEP_UP } else { SIGN_IN };
            if let Err(error) = trail::refuse_of(&app, of_session, Refused { act, reason, network: &network }).await {
                return failed(headers, error);
            }
            let mut response = refused(headers, status, page);
            set_cookie(&mut response, SIGN_IN_COOKIE, "");
            response
        }
    }
}

/// Why it goes no further.
enum Refusal {
    Because(Because),
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Who signed in, as the provider says to the gateway itself.
async fn who(app: &App, people: &People, sign_in: &SignIn, answer: &Parameters) -> Result<Subject, Refusal> {
    let lost = |reason| Refusal::Because(because(reason, "sign-in-lost", StatusCode::BAD_REQUEST));
    let away = |error: &dyn std::fmt::Display| {
        tracing::warn!(%error, "nobody can sign in");
        Refusal::Because(because("provider-away", "provider-away", StatusCode::SERVICE_UNAVAILABLE))
    };
    let config = people.provider.config();
    let metadata = people.provider.metadata().await.map_err(|error| away(&error))?;
    // RFC 9207: the answer of one provider is not taken to another.
    let is_named = answer.get("iss").map(|issuer| issuer == config.issuer);
    if is_named == Some(false) || (is_named.is_none() && metadata.authorization_response_iss_parameter_supported) {
        return Err(lost("sign-in-issuer"));
    }
    // The same answer a second time is nobody's, at whichever replica.
    if !app.store.is_first_use(SESSION_CLIENT, &secret_hash(&sign_in.secret), sign_in.until_ms).await? {
        return Err(lost("sign-in-state"));
    }
    if answer.get("error").is_some() {
        return Err(Refusal::Because(because("sign-in-ended", "sign-in-ended", StatusCode::FORBIDDEN)));
    }
    let code = answer.get("code").filter(|code| code.len() <= VALUE_BYTES_MAX).ok_or_else(|| lost("sign-in-code"))?;
    let is_step_up = !sign_in.step_up_of.is_empty();
    let nonce = people.key.nonce(sign_in);
    let expected = Expected {
        issuer: &config.issuer,
        client_id: &config.client_id,
        nonce: &nonce,
        signed_in_since_ms: is_step_up.then_some(sign_in.begun_ms),
        acr: config.step_up_acr.as_deref().filter(|_| is_step_up),
    };
    let verifier = people.key.code_verifier(sign_in);
    let (callback, now_ms) = (people.callback(), app.clock.now_ms());
    let signed_in = people.provider.signed_in((code, &verifier), &callback, &expected, now_ms).await;
    match signed_in {
        Ok(signed_in) => Ok(Subject { issuer: config.issuer.clone(), id: signed_in.subject }),
        Err(ProviderError::OpenId(OpenIdError::Refused(status, error))) if status.is_client_error() => {
            tracing::warn!(%status, error, "the provider did not take a code");
            Err(lost("sign-in-code"))
        }
        Err(ProviderError::Token(error)) => {
            tracing::warn!(%error, "an ID token was refused");
            let is_stale =
                matches!(error, TokenError::ClaimMissing("auth_time") | TokenError::ClaimInvalid("auth_time" | "acr"));
            Err(if is_stale {
                Refusal::Because(because("not-afresh", "not-afresh", StatusCode::FORBIDDEN))
            } else {
                lost("sign-in-token")
            })
        }
        Err(error) => Err(away(&error)),
    }
}

/// Begins the session of whoever signed in, once that is on record.
async fn settle(
    app: &App,
    (people, headers): (&People, &HeaderMap),
    (sign_in, before): (&SignIn, Option<&SignedInPerson>),
    (subject, network): (Subject, &str),
) -> Result<Response<Body>, Refusal> {
    let (secret, now_ms) = (random_secret(), app.clock.now_ms());
    let secret = secret.map_err(|_| Failure::Internal("the system gives no randomness"))?;
    let person = if sign_in.step_up_of.is_empty() {
        first(app, people, subject, now_ms).await?
    } else {
        // The session that asked, of the person who asked: anybody else's fresh sign-in counts for nothing.
        let same =
            before.filter(|before| before.session.hash == sign_in.step_up_of && before.session.subject == subject);
        let Some(same) = same else {
            return Err(Refusal::Because(because("other-person", "other-person", StatusCode::FORBIDDEN)));
        };
        let session = PersonSession { stepped_up_ms: now_ms, seen_ms: now_ms, ..same.session.clone() };
        SignedInPerson { session, ..same.clone() }
    };
    // Whoever does not work there any more may still be a patient.
    if person.role.is_none() && person.staff.as_ref().is_some_and(|member| !member.active) {
        let refused = Refused { act: SIGN_IN, reason: "person-disabled", network };
        trail::refuse(app, &person, refused).await?;
        let mut response = super::refused(headers, StatusCode::FORBIDDEN, "person-disabled");
        set_cookie(&mut response, SIGN_IN_COOKIE, "");
        return Ok(response);
    }
    let act = if sign_in.step_up_of.is_empty() { SIGN_IN } else { STEP_UP };
    trail::record(app, Who::of(&person), act, network).await?;
    // A fresh secret, whatever the browser held before: a session that somebody put there is none.
    let session = PersonSession { hash: secret_hash(&secret), ..person.session };
    app.store.begin_session(&session, session_hash(headers).as_deref()).await?;
    let mut response = see_other(&sign_in.return_to);
    set_cookie(&mut response, SESSION_COOKIE, &secret);
    set_cookie(&mut response, SIGN_IN_COOKIE, "");
    Ok(response)
}

/// Somebody who signs in, as the first of what they are: a member of staff, or the patient of the record that was linked last.
async fn first(app: &App, people: &People, subject: Subject, now_ms: i64) -> Result<SignedInPerson, Refusal> {
    // What was registered a moment ago counts.
    let registry = app.registry().await?;
    let staff = registry.staff_member_of(&subject).cloned();
    let of_staff = staff.as_ref().and_then(|member| {
        let roles = member.roles.iter().filter_map(|code| PersonRole::from_code(code));
        roles.into_iter().find(|role| acts(&registry, member, *role).is_some())
    });
    let link = app.store.links(&subject).await?.into_iter().next();
    let (role, compartment) = match (of_staff, link) {
        (Some(role), _) => (Some(role), String::new()),
        (None, Some(record)) => (Some(PersonRole::Patient), record),
        (None, None) => (None, String::new()),
    };
    let session = PersonSession {
        hash: String::new(),
        subject,
        acts_as: role.map(PersonRole::code).unwrap_or_default().to_owned(),
        compartment,
        begun_ms: now_ms,
        seen_ms: now_ms,
        until_ms: now_ms + people.session_ms(),
        stepped_up_ms: 0,
    };
    Ok(SignedInPerson { session, staff, role })
}
