//! Who stands at the desk: somebody who signed in, in a role that may do this, and no page, file or act without its event in the trail.

use askama::Template;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};

use super::advice::wrong;
use super::pages::ProblemPage;
use super::view::Shell;
use super::words::Words;
use crate::access::Caller;
use crate::access::caller::Act;
use crate::access::session::signed_in;
use crate::app::People;
use crate::audit::catalogue::Language;
use crate::audit::{Actor, AuditEvent};
use crate::auth::PersonRole;
use crate::auth::browser::is_own_page;
use crate::bodies::{self, BodyLimits};
use crate::consent::Basis;
use crate::error::Failure;
use crate::fhir::exchange::Exchange;
use crate::people;
use crate::storage::resource::Touched;
use crate::storage::sight::Level;

/// The pages' own style and script, forms to the gateway itself, and what htmx asks of it; nowhere within a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The forms have a few thousand bytes.
const FORM_BYTES_MAX: usize = 16 * 1024;
/// What a page may say that was just done.
const DONE: [&str; 8] =
    ["corrected", "resent", "waiting", "still-faulty", "written-off", "credited", "removed", "sealed"];
/// The field with the session's form token.
pub(super) const FORM_TOKEN: &str = "form_token";

/// Somebody of a billing office, with what they ask.
pub(super) struct Desk {
    pub(super) exchange: Exchange,
    pub(super) caller: Caller,
    pub(super) shell: Shell,
    act: Act,
    session: String,
}

/// The answer that says why it went no further.
pub(super) type Stopped = Response<Body>;

impl Desk {
    /// Lets in who may do this; everybody else is sent to sign in, or told why not, once that is on record.
    ///
    /// # Errors
    /// What is answered instead.
    pub(super) async fn open(exchange: Exchange, act: Act) -> Result<Self, Stopped> {
        let app = &exchange.app;
        let Some(people) = &app.people else { return Err(Failure::NotFound.into_response()) };
        let words = Words(language(&exchange));
        if exchange.headers.contains_key(header::AUTHORIZATION) {
            // Judged by its token alone, and no token is good for a page.
            return Err(signed_out(&exchange));
        }
        let person = match signed_in(app, &exchange.headers).await {
            Ok(Some(person)) => person,
            Ok(None) => return Err(signed_out(&exchange)),
            Err(error) => return Err(people::unavailable(&Failure::from(error))),
        };
        let session = person.session.hash.clone();
        let name = person.staff.as_ref().map(|member| member.name.clone()).unwrap_or_default();
        let is_of_office = person.role == Some(PersonRole::Billing);
        let request_id = exchange.header("x-request-id").map_or_else(AuditEvent::fresh_id, str::to_owned);
        let mut caller = match Caller::signed_in(app, people, person, request_id).await {
            Ok(caller) => caller,
            Err(failure) => {
                app.refusals.count("not-registered", app.clock.now_ms());
                return Err(Self::nobody(&exchange, words, &failure));
            }
        };
        caller.network.clone_from(&exchange.network);
        if let Err(too_often) = app.rates.clients.take(&caller.key_owner(), caller.now_ms) {
            app.refused_by("client-rate");
            return Err(people::unavailable(&Failure::TooOften(too_often)));
        }
        let organization = caller.registry.name_of(&caller.organization()).unwrap_or_default().to_owned();
        let query = exchange.uri.query().and_then(|query| Fields::read(query.as_bytes()));
        let done = query.and_then(|fields| DONE.into_iter().find(|done| *done == fields.get("done")));
        let path = match done {
            // Whoever comes back to it did nothing meanwhile.
            Some(_) => exchange.uri.path().to_owned(),
            None => exchange.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        };
        let shell = Shell {
            words,
            person: name,
            // What somebody is told who is of no billing office tells nothing of one.
            organization: if is_of_office { organization } else { String::new() },
            form_token: people.key.form_token(&session),
            is_fresh: caller.admits(super::SEAL).is_ok(),
            path,
            done,
        };
        let desk = Self { exchange, caller, shell, act, session };
        match desk.caller.admits(act) {
            Ok(()) => Ok(desk),
            Err(failure) => Err(desk.stopped(failure).await),
        }
    }

    /// The same for a form, which was posted from a page of this session's; with its body.
    ///
    /// # Errors
    /// What is answered instead.
    pub(super) async fn posted(exchange: Exchange, body: Body, act: Act) -> Result<(Self, Fields), Stopped> {
        let desk = Self::open(exchange, act).await?;
        let limits = BodyLimits { bytes_max: FORM_BYTES_MAX, ..desk.exchange.app.body_limits() };
        let bytes = match bodies::read(body, limits).await {
            Ok(bytes) => bytes,
            Err(error) => return Err(desk.stopped(Failure::of_body(error, FORM_BYTES_MAX)).await),
        };
        let Some(fields) = Fields::read(&bytes) else { return Err(desk.refused("request").await) };
        let desk = desk.of_own_page(fields.get(FORM_TOKEN)).await?;
        Ok((desk, fields))
    }

    /// Holds a form to the session: it came from one of its pages, and carries its token.
    ///
    /// # Errors
    /// The page that says that it did not, once that is on record.
    pub(super) async fn of_own_page(self, token: &str) -> Result<Self, Stopped> {
        let Some(people) = &self.exchange.app.people else { return Err(Failure::NotFound.into_response()) };
        let reason = match () {
            () if !self.is_own_page(people) => "other-page",
            () if !people.key.is_form_of(&self.session, token) => "no-form-token",
            () => return Ok(self),
        };
        Err(self.refused(reason).await)
    }

    /// Holds what is done here to a further act, under which it is on record from now on.
    ///
    /// # Errors
    /// The page that says why not, once that is on record.
    pub(super) async fn needs(&mut self, act: Act) -> Result<(), Stopped> {
        self.act = act;
        let admitted = self.caller.admits(act);
        self.or_stopped(admitted).await
    }

    /// What was made, or the page that says why it was not.
    ///
    /// # Errors
    /// That page.
    pub(super) async fn or_stopped<T>(&self, made: Result<T, Failure>) -> Result<T, Stopped> {
        match made {
            Ok(made) => Ok(made),
            Err(failure) => Err(self.stopped(failure).await),
        }
    }

    /// Who acts here, in the words of the trail.
    pub(super) fn actor(&self) -> Actor {
        let event = self.event("");
        Actor {
            organization: event.organization,
            client: event.client,
            practitioner: event.practitioner,
            purpose: event.purpose,
            network: event.network,
        }
    }

    fn is_own_page(&self, people: &People) -> bool {
        let text = |name: &str| self.exchange.headers.get(name).map(|value| value.to_str().unwrap_or_default());
        is_own_page(&people.root, text("origin"), text("sec-fetch-site"))
    }

    /// Shows a page, once it is on record that it is shown. `about` says what was asked for: ids and names of lists, nothing of a person.
    pub(super) async fn show(&self, about: &str, page: &impl Template) -> Response<Body> {
        self.show_as(StatusCode::OK, about, page).await
    }

    /// The same with another status.
    pub(super) async fn show_as(&self, status: StatusCode, about: &str, page: &impl Template) -> Response<Body> {
        match self.recorded(about).await {
            Ok(()) => html(status, page),
            Err(stopped) => stopped,
        }
    }

    /// Hands out a file, once that is on record.
    pub(super) async fn hand_out(
        &self,
        about: &str,
        name: &str,
        media_type: &'static str,
        body: Body,
    ) -> Response<Body> {
        if let Err(stopped) = self.recorded(about).await {
            return stopped;
        }
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        let disposition = format!("attachment; filename=\"{name}\"");
        if let Ok(disposition) = HeaderValue::from_str(&disposition) {
            headers.insert(header::CONTENT_DISPOSITION, disposition);
        }
        response
    }

    /// Keeps in the trail that this was done.
    ///
    /// # Errors
    /// It cannot be kept: then it is not done either.
    pub(super) async fn recorded(&self, about: &str) -> Result<(), Stopped> {
        let event = self.event(about);
        let kept = self.exchange.app.store.record_only(vec![event]).await;
        kept.map_err(|error| people::unavailable(&Failure::from(error)))
    }

    /// The event of what is done here.
    pub(super) fn event(&self, about: &str) -> AuditEvent {
        let touched = Touched {
            compartment: self.caller.organization(),
            resource_type: String::new(),
            resource_id: String::new(),
            version_id: 0,
            level: Level::Held,
        };
        self.caller.event(self.act, Basis::OwnCompartment.code(), &touched).asking(about)
    }

    /// Answers that it was refused, once that is on record.
    pub(super) async fn refused(&self, reason: &'static str) -> Stopped {
        self.stopped(Failure::refused(reason, "", None)).await
    }

    /// Answers that it failed; a refusal once it is on record.
    pub(super) async fn stopped(&self, failure: Failure) -> Stopped {
        if let Failure::Internal(cause) = &failure {
            tracing::error!(cause, "a billing page failed");
        }
        let Some(reason) = failure.audit_reason() else { return self.problem(&failure, "failed") };
        let event = self.caller.refusal(self.act, reason, None, "", "");
        match self.exchange.app.store.record_only(vec![event]).await {
            Ok(()) => self.problem(&failure, reason),
            Err(error) => people::unavailable(&Failure::from(error)),
        }
    }

    fn problem(&self, failure: &Failure, reason: &'static str) -> Response<Body> {
        let why = match (failure, reason) {
            (Failure::NotFound | Failure::Gone, _) => "not-found",
            (Failure::Conflict | Failure::PreconditionFailed, _) => "moved",
            (Failure::TooLarge(_), _) => "too-large",
            (_, "not-for-role" | "step-up-required") => reason,
            (_, "other-page" | "no-form-token" | "request") => "not-your-form",
            (Failure::Refused { .. } | Failure::Unprocessable(_) | Failure::BadRequest(_), _) => "refused",
            _ => "failed",
        };
        let shell = Shell { path: self.way_back(), ..self.shell.clone() };
        let page = ProblemPage { shell, why, said: self.said(failure), wants_step_up: why == "step-up-required" };
        let mut response = html(failure.status(), &page);
        if let Some(seconds) = failure.retry_after_seconds() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// What exactly stands in the way, in the reader's words: an official code, or the field of a form.
    fn said(&self, failure: &Failure) -> String {
        let words = self.shell.words;
        let Failure::Unprocessable(issues) = failure else { return String::new() };
        let at: Vec<&str> = issues.iter().filter_map(|issue| issue.expression.as_deref()).collect();
        let texts = at.iter().map(|code| match wrong(words, code, "") {
            known if !known.text.is_empty() => format!("{} {}", known.text, known.todo),
            _ => words.of("objection", code),
        });
        texts.collect::<Vec<_>>().join(" ")
    }

    /// Where a fresh sign-in leads: a form that was not taken is not an address that can be gone to.
    fn way_back(&self) -> String {
        if self.exchange.method == axum::http::Method::GET {
            return self.shell.path.clone();
        }
        let path = self.exchange.uri.path();
        let is_of_list = ["/billing/lines/", "/billing/sendings/"].iter().any(|list| path.starts_with(list));
        let above = path.rsplit_once('/').map_or("/billing", |(above, _)| above);
        if is_of_list || above == "/billing/month" { above.to_owned() } else { "/billing".to_owned() }
    }

    /// Who signed in and is nobody here.
    fn nobody(exchange: &Exchange, words: Words, failure: &Failure) -> Response<Body> {
        let path = exchange.uri.path().to_owned();
        let [person, organization, form_token] = [const { String::new() }; 3];
        let shell = Shell { words, person, organization, form_token, is_fresh: false, path, done: None };
        html(failure.status(), &ProblemPage { shell, why: "not-for-role", said: String::new(), wants_step_up: false })
    }
}

/// The fields of a form, each once: of one that is there twice nobody knows which counts.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads a form or a query; none where a name is there twice.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text) {
            if fields.iter().any(|(known, _)| *known == name) {
                return None;
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        Some(Self(fields))
    }

    /// A field, without blanks around it; empty where it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }
}

fn language(exchange: &Exchange) -> Language {
    Language::preferred(exchange.header("accept-language").unwrap_or_default())
}

/// Whoever is not signed in goes to do so, and comes back to where they were going. A form is not sent again by itself.
fn signed_out(exchange: &Exchange) -> Response<Body> {
    exchange.app.refusals.count("not-authenticated", exchange.app.clock.now_ms());
    let is_page = exchange.method == axum::http::Method::GET && exchange.header("hx-request").is_none();
    let mut response = Response::new(Body::empty());
    if !is_page {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        // The page around it is loaded anew, and leads to the sign-in.
        response.headers_mut().insert("hx-refresh", HeaderValue::from_static("true"));
        return response;
    }
    let asked = exchange.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let to: String = form_urlencoded::byte_serialize(asked.as_bytes()).collect();
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(location) = HeaderValue::from_str(&format!("/sign-in?return_to={to}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Sends the browser on to a page, after a form did what it asks.
pub(super) fn see_other(path: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/billing"));
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// A page as an answer: only what shows nothing is answered by this alone.
pub(super) fn html(status: StatusCode, page: &impl Template) -> Response<Body> {
    let text = match page.render() {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(%error, "a page is not rendered");
            return people::unavailable(&Failure::Internal("a page is not rendered"));
        }
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html;charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // Not `no-referrer`: with that a browser says of its own page's form that it comes from nowhere.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}
