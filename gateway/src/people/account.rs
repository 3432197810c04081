//! `GET /account` and what its forms do: who is signed in, as what, in which sessions, and the ways out.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use serde_json::json;

use super::form::{FORM_TOKEN, Posted, network};
use super::page::{Page, html};
use super::trail::{self, ACT_AS, Refused, SIGN_OUT, Who};
use super::{failed, json as json_answer, language, refused, see_other, set_cookie};
use crate::access::session::{SESSION_COOKIE, SignedInPerson, acts, signed_in};
use crate::app::{App, People, Registry};
use crate::auth::PersonRole;
use crate::clock::format_instant;
use crate::error::Failure;

/// The form in which somebody goes on as the patient of a record: `patient/<id>`.
const AS_PATIENT: &str = "patient/";

/// `GET /account`
pub(super) async fn account(app: App, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let headers = &parts.headers;
    let Some(people) = &app.people else { return failed(headers, Failure::NotFound) };
    let language = language(headers);
    let person = match signed_in(&app, headers).await {
        Ok(Some(person)) => person,
        Ok(None) => {
            let page = Page::new(language, "welcome").with_link("/sign-in", "sign-in");
            return html(StatusCode::OK, &page);
        }
        Err(error) => return failed(headers, error),
    };
    match shown(&app, people, &person, Page::new(language, "account")).await {
        Ok(page) => html(StatusCode::OK, &page),
        Err(failure) => failed(headers, failure),
    }
}

async fn shown(app: &App, people: &People, person: &SignedInPerson, page: Page) -> Result<Page, Failure> {
    let (registry, now_ms) = (app.registry().await?, app.clock.now_ms());
    let token = people.key.form_token(&person.session.hash);
    let hidden = [(FORM_TOKEN, token.as_str())];
    let mut rows = vec![("role", page.text(person.role.map_or("no-role", PersonRole::code)))];
    if let Some(member) = &person.staff {
        let organization = format!("organization/{}", member.organization_id);
        rows.insert(0, ("name", member.name.clone()));
        rows.push(("organization", registry.name_of(&organization).unwrap_or_default().to_owned()));
    }
    rows.push(("until", format_instant(person.session.until_ms)));
    let mut page = page.with_table(&rows);
    let links = app.store.links(&person.session.subject).await?;
    let others = choices(&registry, person, &links);
    if !others.is_empty() {
        page = page.with_heading("act-as");
        for (value, code) in others {
            let label = page.text(code);
            page = page.with_button("/account/act-as", &[hidden[0], ("as", &value)], &label);
        }
    }
    page = page.with_heading("link-heading").with_paragraph("link-explained");
    page = page.with_field("/account/link", &hidden, ("code", "code", "link"));
    page = page.with_heading("sessions");
    let since_ms = now_ms - people.idle_ms();
    for session in app.store.sessions_of(&person.session.subject, (now_ms, since_ms)).await? {
        let which = if session.hash == person.session.hash { "this-session" } else { "other-session" };
        page = page.with_table(&[(which, format_instant(session.begun_ms)), ("seen", format_instant(session.seen_ms))]);
    }
    let (out, everywhere) = (page.text("sign-out"), page.text("sign-out-everywhere"));
    let page = page.with_link("/step-up", "step-up");
    Ok(page.with_button("/sign-out", &hidden, &out).with_button("/sign-out/everywhere", &hidden, &everywhere))
}

/// As what else somebody may go on: the value of the form, and the text.
fn choices(registry: &Registry, person: &SignedInPerson, links: &[String]) -> Vec<(String, &'static str)> {
    let of_staff = person.staff.iter().flat_map(|member| {
        let roles = member.roles.iter().filter_map(|code| PersonRole::from_code(code));
        roles.filter(|role| acts(registry, member, *role).is_some()).map(|role| (role.code().to_owned(), role.code()))
    });
    let of_patient = links.iter().map(|record| (format!("{AS_PATIENT}{record}"), PersonRole::Patient.code()));
    let now = match person.role {
        Some(PersonRole::Patient) => format!("{AS_PATIENT}{}", person.session.compartment),
        role => role.map(PersonRole::code).unwrap_or_default().to_owned(),
    };
    of_staff.chain(of_patient).filter(|(value, _)| *value != now).collect()
}

/// `GET /session`: the same for a program in a page of the gateway's.
pub(super) async fn session(app: App, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let person = match signed_in(&app, &parts.headers).await {
        Ok(person) => person,
        Err(error) => {
            let body = json!({"error": "whether somebody is signed in is not known"});
            return json_answer(Failure::from(error).status(), body.to_string());
        }
    };
    let (Some(people), Some(person)) = (&app.people, person) else {
        return json_answer(StatusCode::UNAUTHORIZED, json!({"error": "nobody is signed in"}).to_string());
    };
    let session = &person.session;
    let until_ms = session.stepped_up_ms + people.step_up_ms();
    let is_stepped_up = session.stepped_up_ms > 0 && app.clock.now_ms() < until_ms;
    let told = json!({
        "name": person.staff.as_ref().map(|member| &member.name),
        "organization": person.staff.as_ref().map(|member| &member.organization_id),
        "role": person.role.map(PersonRole::code),
        "patient": (person.role == Some(PersonRole::Patient)).then_some(&session.compartment),
        "formToken": people.key.form_token(&session.hash),
        "until": format_instant(session.until_ms),
        "steppedUpUntil": is_stepped_up.then(|| format_instant(until_ms)),
    });
    json_answer(StatusCode::OK, told.to_string())
}

/// `POST /account/act-as`
pub(super) async fn act_as(app: App, request: Request) -> Response<Body> {
    let Some(people) = &app.people else { return failed(request.headers(), Failure::NotFound) };
    let posted = match Posted::read((&app, people), request, (ACT_AS, &["as"])).await {
        Ok(posted) => posted,
        Err(response) => return response,
    };
    match go_on(&app, &posted).await {
        Ok(response) => response,
        Err(failure) => failed(&posted.parts.headers, failure),
    }
}

async fn go_on(app: &App, posted: &Posted) -> Result<Response<Body>, Failure> {
    let (person, network) = (&posted.person, network(&posted.parts));
    let wanted = posted.fields.get("as").unwrap_or_default();
    let links = app.store.links(&person.session.subject).await?;
    if choices(&*app.registry().await?, person, &links).iter().all(|(value, _)| value != wanted) {
        trail::refuse(app, person, Refused { act: ACT_AS, reason: "not-for-role", network: &network }).await?;
        return Ok(refused(&posted.parts.headers, StatusCode::FORBIDDEN, "not-for-role"));
    }
    let (code, record) = match wanted.strip_prefix(AS_PATIENT) {
        Some(record) => (PersonRole::Patient.code(), record),
        None => (wanted, ""),
    };
    let mut next = person.clone();
    (next.role, next.session.compartment) = (PersonRole::from_code(code), record.to_owned());
    trail::record(app, Who::of(&next), ACT_AS, &network).await?;
    app.store.act_as(&person.session.hash, code, record).await?;
    Ok(see_other("/account"))
}

/// `POST /sign-out`
pub(super) async fn sign_out(app: App, request: Request) -> Response<Body> {
    end(app, request, false).await
}

/// `POST /sign-out/everywhere`
pub(super) async fn sign_out_everywhere(app: App, request: Request) -> Response<Body> {
    end(app, request, true).await
}

async fn end(app: App, request: Request, is_everywhere: bool) -> Response<Body> {
    let Some(people) = &app.people else { return failed(request.headers(), Failure::NotFound) };
    let posted = match Posted::read((&app, people), request, (SIGN_OUT, &[])).await {
        Ok(posted) => posted,
        Err(response) => return response,
    };
    let session = &posted.person.session;
    let ended = async {
        trail::record(&app, Who::of(&posted.person), SIGN_OUT, &network(&posted.parts)).await?;
        if is_everywhere {
            app.store.end_sessions_of(&session.subject).await
        } else {
            app.store.end_session(&session.hash).await
        }
    };
    if let Err(error) = ended.await {
        return failed(&posted.parts.headers, error);
    }
    let mut response = see_other("/account");
    set_cookie(&mut response, SESSION_COOKIE, "");
    response
}
