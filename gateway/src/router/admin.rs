//! The routes of whoever runs the gateway; none where nobody signs in.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use axum::middleware;
use axum::routing::{get, post};

use super::admission::{Admission, admitted};
use super::exchange;
use crate::admin::deliveries;
use crate::app::App;
use crate::delivery::Decided;
use crate::error::Failure;

/// The routes: each authenticates by itself, and they share the limits of the FHIR interface.
pub(super) fn routes(app: &App, admission: Admission) -> Router {
    if app.people.is_none() {
        return Router::new();
    }
    Router::new()
        .route("/admin/deliveries", get(list))
        .route("/admin/deliveries/{id}", get(show))
        .route("/admin/deliveries/{id}/release", post(release))
        .route("/admin/deliveries/{id}/abandon", post(abandon))
        .route("/admin/deliveries/{id}/rerun", post(rerun))
        .method_not_allowed_fallback(|| async { Failure::MethodNotAllowed.into_response() })
        .layer(middleware::from_fn_with_state(admission, admitted))
        .with_state(Arc::clone(app))
}

async fn list(State(app): State<App>, request: Request) -> Response<Body> {
    deliveries::list(exchange(app, request).0).await
}

async fn show(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    deliveries::show(exchange(app, request).0, id).await
}

async fn release(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    deliveries::decide(exchange, (id, Decided::Release), body).await
}

async fn abandon(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    deliveries::decide(exchange, (id, Decided::Abandon), body).await
}

async fn rerun(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    deliveries::decide(exchange, (id, Decided::Rerun), body).await
}
