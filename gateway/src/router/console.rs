//! The routes of the billing pages; none where nobody signs in.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use axum::middleware;
use axum::routing::{get, post};

use super::admission::{Admission, admitted};
use super::exchange;
use crate::app::App;
use crate::console::decide::Decision;
use crate::console::running::Running;
use crate::console::{assets, correct, decide, export, import, lines, months, sendings, sums, work};
use crate::error::Failure;

/// The routes: each page lets in who may see it by itself, and they share the room of all pages.
pub(super) fn routes(app: &App, admission: Admission) -> Router {
    if app.people.is_none() {
        return Router::new();
    }
    let running = Running::default();
    let (of_month, of_check, of_progress) = (running.clone(), running.clone(), running);
    Router::new()
        .route("/billing", get(worked))
        .route("/billing/assets/billing.css", get(|| async { assets::style() }))
        .route("/billing/assets/htmx.js", get(|| async { assets::script() }))
        .route("/billing/lines", get(lines_listed))
        .route("/billing/lines/{id}", get(line))
        .route("/billing/lines/{id}/correct", post(corrected))
        .route("/billing/lines/{id}/write-off", post(written_off))
        .route("/billing/lines/{id}/credit", post(credited))
        .route("/billing/lines/{id}/remove", post(removed))
        .route("/billing/month", get(|state, request| month(state, request, of_month)))
        .route("/billing/month/check", post(|state, request| checked(state, request, of_check)))
        .route("/billing/month/progress", get(|state, request| progress(state, request, of_progress)))
        .route("/billing/month/seal", post(sealed))
        .route("/billing/sendings", get(sendings_listed))
        .route("/billing/sendings/{id}", get(sending))
        .route("/billing/sendings/{id}/file", get(file))
        .route("/billing/settlement", get(settlement))
        .route("/billing/figures", get(figures))
        .route("/billing/export", get(exported))
        .route("/billing/portal", post(handed_over))
        .route("/billing/import", get(import_form).post(looked_at))
        .route("/billing/import/confirm", post(confirmed))
        .method_not_allowed_fallback(|| async { Failure::MethodNotAllowed.into_response() })
        .layer(middleware::from_fn_with_state(admission, admitted))
        .with_state(Arc::clone(app))
}

async fn worked(State(app): State<App>, request: Request) -> Response<Body> {
    work::work(exchange(app, request).0).await
}

async fn lines_listed(State(app): State<App>, request: Request) -> Response<Body> {
    lines::list(exchange(app, request).0).await
}

async fn line(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    lines::show(exchange(app, request).0, id).await
}

async fn corrected(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    correct::correct(exchange, id, body).await
}

async fn written_off(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    decide::decide(exchange, (id, Decision::WriteOff), body).await
}

async fn credited(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    decide::decide(exchange, (id, Decision::Credit), body).await
}

async fn removed(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    decide::decide(exchange, (id, Decision::Remove), body).await
}

async fn month(State(app): State<App>, request: Request, running: Running) -> Response<Body> {
    months::month(exchange(app, request).0, running).await
}

async fn checked(State(app): State<App>, request: Request, running: Running) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    months::check(exchange, running, body).await
}

async fn progress(State(app): State<App>, request: Request, running: Running) -> Response<Body> {
    months::progress(exchange(app, request).0, running).await
}

async fn sealed(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    months::seal(exchange, body).await
}

async fn sendings_listed(State(app): State<App>, request: Request) -> Response<Body> {
    sendings::list(exchange(app, request).0).await
}

async fn sending(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    sendings::show(exchange(app, request).0, id).await
}

async fn file(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    sendings::file(exchange(app, request).0, id).await
}

async fn settlement(State(app): State<App>, request: Request) -> Response<Body> {
    sums::settlement(exchange(app, request).0).await
}

async fn figures(State(app): State<App>, request: Request) -> Response<Body> {
    sums::figures(exchange(app, request).0).await
}

async fn exported(State(app): State<App>, request: Request) -> Response<Body> {
    export::export(exchange(app, request).0).await
}

async fn handed_over(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    export::portal(exchange, body).await
}

async fn import_form(State(app): State<App>, request: Request) -> Response<Body> {
    import::form(exchange(app, request).0).await
}

async fn looked_at(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    import::look(exchange, body).await
}

async fn confirmed(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    import::confirm(exchange, body).await
}
