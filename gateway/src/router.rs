//! Every route of the gateway, in one list, and the layers around them.

mod admin;
mod admission;
mod api;
mod bulk;
mod console;
mod headers;
mod packing;

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::routing::{MethodRouter, any, get, post, put};
use futures_util::FutureExt as _;
use tower::{ServiceBuilder, ServiceExt as _};
use tower_http::request_id::RequestId;

use admission::{Admission, admitted};

use crate::app::App;
use crate::auth::PeerCertificate;
use crate::error::{FHIR_JSON, Failure};
use crate::fhir::exchange::Exchange;
use crate::fhir::{
    capabilities, conditional, create, delete, history, operations, patch, read, search, system_search, transaction,
    update,
};
use crate::telemetry::{Telemetry, observe};
use crate::{oauth, openapi, people};

/// The whole HTTP face. `extra` are further routes (the sandbox's).
pub fn router(app: &App, telemetry: &Arc<Telemetry>, extra: Router) -> Router {
    let admission = Admission::new(app);
    let held = middleware::from_fn_with_state(admission.of_plain_routes(), admitted);
    let is_sandbox = extra.has_routes();
    let pages = middleware::from_fn_with_state(admission.of_pages(), admitted);
    let pages = people::routes(app).layer(pages);
    let (tokens, extra) = (oauth::routes(app).layer(held.clone()), extra.layer(held));
    let operators = admin::routes(app, admission.clone());
    let offices = console::routes(app, admission.of_console());
    let statement = capabilities::statement(app, app.clock.now_ms());
    let described = api::routes(&statement, admission.of_plain_routes());
    let routes = fhir(app, admission)
        .merge(operators)
        .merge(offices)
        .merge(described)
        .merge(plain(app, telemetry, is_sandbox, statement))
        .merge(tokens)
        .merge(pages)
        .merge(extra);
    let routes = routes.fallback(not_found);
    let is_https = app.base_url.starts_with("https://");
    // One layer of two functions: every layer of a router is a service more to clone and to box for each request.
    let guarded = middleware::from_fn_with_state(Guarded { routes: routes.clone(), is_https }, guarded);
    routes.layer(ServiceBuilder::new().layer(middleware::from_fn(observe)).layer(guarded))
}

/// The FHIR interactions: each authenticates by itself, and all share the limits.
fn fhir(app: &App, admission: Admission) -> Router {
    // The `$` of a name may come escaped, and means the same: https://www.rfc-editor.org/rfc/rfc3986#section-2.4
    let named = |routes: Router<App>, (path, methods): (&str, MethodRouter<App>)| {
        routes.route(&path.replace('$', "%24"), methods.clone()).route(path, methods)
    };
    operations()
        .into_iter()
        .chain(bulk::operations())
        .fold(Router::new(), named)
        .route("/fhir", get(system_by_get).post(transaction))
        .route("/fhir/_search", post(system_by_post))
        .route("/fhir/_history", get(system_history))
        .route("/fhir/{type}", get(search_by_get).post(create).merge(by_criteria()))
        .route("/fhir/{type}/_search", post(search_by_post))
        .route("/fhir/{type}/_history", get(type_history))
        .route("/fhir/{type}/{id}", get(read).put(update).patch(patch).delete(delete))
        .route("/fhir/{type}/{id}/{inner}", any(compartment_by_get))
        .route("/fhir/{type}/{id}/{inner}/_search", post(compartment_by_post))
        .route("/fhir/{type}/{id}/_history", get(instance_history))
        .route("/fhir/{type}/{id}/_history/{version}", get(vread))
        .method_not_allowed_fallback(|| async { Failure::MethodNotAllowed.into_response() })
        .layer(middleware::from_fn_with_state(admission, admitted))
        .layer(packing::layer())
        .with_state(Arc::clone(app))
}

/// The conditional interactions of a type.
fn by_criteria() -> MethodRouter<App> {
    put(async |State(app): State<App>, Path(resource_type): Path<String>, request: Request| {
        let (exchange, body) = exchange(app, request);
        conditional::update(exchange, resource_type, body).await
    })
    .patch(async |State(app): State<App>, Path(resource_type): Path<String>, request: Request| {
        let (exchange, body) = exchange(app, request);
        conditional::patch(exchange, resource_type, body).await
    })
    .delete(async |State(app): State<App>, Path(resource_type): Path<String>, request: Request| {
        conditional::delete(exchange(app, request).0, resource_type).await
    })
}

/// The operations, as their names are written in the specification.
fn operations() -> [(&'static str, MethodRouter<App>); 18] {
    [
        ("/fhir/Patient/{id}/$access-log", get(access_log)),
        ("/fhir/Patient/$break-glass", post(break_glass)),
        ("/fhir/Patient/$end-break-glass", post(end_break_glass)),
        ("/fhir/Patient/$emergency-sessions", get(emergency_sessions)),
        ("/fhir/Patient/$review-emergency", post(review_emergency)),
        ("/fhir/Patient/{id}/$crisis-disclosure", post(crisis_disclosure)),
        ("/fhir/Patient/{id}/$crisis-disclosures", get(crisis_disclosures)),
        ("/fhir/Consent/$explain", get(explain).post(explain)),
        ("/fhir/Consent/$conflicts", get(conflicts).post(conflicts)),
        ("/fhir/Consent/{id}/$withdraw", post(withdraw)),
        ("/fhir/Patient/{id}/$who-can-see", get(who_can_see).post(who_can_see)),
        ("/fhir/Patient/{id}/$link-code", post(link_code)),
        ("/fhir/Patient/{id}/$unlink", post(unlink)),
        ("/fhir/Subscription/{id}/$status", get(subscription_status).post(subscription_status)),
        ("/fhir/Subscription/{id}/$events", get(subscription_events).post(subscription_events)),
        ("/fhir/$validate", post(validate_any)),
        ("/fhir/{type}/$validate", post(validate_type)),
        ("/fhir/{type}/{id}/$validate", post(validate)),
    ]
}

/// What anyone may ask: what the gateway can do, and whether it is well. No patient data is in any of it.
fn plain(app: &App, telemetry: &Arc<Telemetry>, is_sandbox: bool, statement: String) -> Router {
    let statement = Bytes::from(statement);
    let description = Bytes::from(openapi::document(app, is_sandbox).to_string());
    let (readiness, telemetry) = (Arc::clone(app), Arc::clone(telemetry));
    Router::new()
        .route("/fhir/metadata", get(move || async move { metadata(statement) }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || ready(readiness)))
        .route(openapi::PATH, get(move || async move { json(description) }))
        .route("/metrics", get(move || async move { telemetry.render() }))
}

fn exchange(app: App, request: Request) -> (Exchange, Body) {
    let (parts, body) = request.into_parts();
    let mut headers = parts.headers;
    if let Some(token) = headers.get_mut(header::AUTHORIZATION) {
        // It is never printed, whoever prints the headers.
        token.set_sensitive(true);
    }
    if let Some(id) = parts.extensions.get::<RequestId>() {
        headers.insert("x-request-id", id.header_value().clone());
    }
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let network = peer.map(|ConnectInfo(address)| address.ip().to_canonical().to_string()).unwrap_or_default();
    let certificate = parts.extensions.get::<PeerCertificate>().cloned();
    (Exchange { app, method: parts.method, headers, uri: parts.uri, network, certificate }, body)
}

async fn transaction(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    transaction::transaction(exchange, body).await
}

async fn search_by_get(State(app): State<App>, Path(resource_type): Path<String>, request: Request) -> Response<Body> {
    search::search_by_get(exchange(app, request).0, resource_type).await
}

async fn search_by_post(State(app): State<App>, Path(resource_type): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    search::search_by_post(exchange, resource_type, body).await
}

async fn system_by_get(State(app): State<App>, request: Request) -> Response<Body> {
    system_search::system_by_get(exchange(app, request).0).await
}

async fn system_by_post(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    system_search::system_by_post(exchange, body).await
}

type InCompartment = Path<(String, String, String)>;

async fn compartment_by_get(
    State(app): State<App>,
    Path((of, id, inner)): InCompartment,
    request: Request,
) -> Response<Body> {
    // Of any method, for an address with a slash too many comes here before it is tidied: it must not be told what this route allows.
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Failure::MethodNotAllowed.into_response();
    }
    system_search::compartment_by_get(exchange(app, request).0, (of, id), inner).await
}

async fn compartment_by_post(
    State(app): State<App>,
    Path((of, id, inner)): InCompartment,
    request: Request,
) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    system_search::compartment_by_post(exchange, (of, id), inner, body).await
}

async fn explain(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    operations::explain::explain(exchange, body).await
}

async fn conflicts(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    operations::conflicts::conflicts(exchange, body).await
}

async fn withdraw(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    operations::withdraw::withdraw(exchange, id, body).await
}

async fn who_can_see(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    operations::who_can_see::who_can_see(exchange, id, body).await
}

async fn link_code(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    operations::link_code::link_code(exchange(app, request).0, id).await
}

async fn unlink(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    operations::link_code::unlink(exchange(app, request).0, id).await
}

async fn subscription_status(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    operations::subscription::status(exchange, id, body).await
}

async fn subscription_events(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    operations::subscription::events(exchange, id, body).await
}

async fn validate_any(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    operations::validate::validate(exchange, (String::new(), String::new()), body).await
}

async fn validate_type(State(app): State<App>, Path(resource_type): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    operations::validate::validate(exchange, (resource_type, String::new()), body).await
}

async fn validate(State(app): State<App>, Path(address): TypeAndId, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    operations::validate::validate(exchange, address, body).await
}

async fn create(State(app): State<App>, Path(resource_type): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    create::create(exchange, resource_type, body).await
}

async fn system_history(State(app): State<App>, request: Request) -> Response<Body> {
    history::system_history(exchange(app, request).0).await
}

async fn type_history(State(app): State<App>, Path(resource_type): Path<String>, request: Request) -> Response<Body> {
    history::type_history(exchange(app, request).0, resource_type).await
}

async fn access_log(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    operations::access_log::access_log(exchange(app, request).0, id).await
}

type TypeAndId = Path<(String, String)>;

async fn read(State(app): State<App>, Path((resource_type, id)): TypeAndId, request: Request) -> Response<Body> {
    read::read(exchange(app, request).0, resource_type, id).await
}

async fn update(State(app): State<App>, Path((resource_type, id)): TypeAndId, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    update::update(exchange, resource_type, id, body).await
}

async fn patch(State(app): State<App>, Path((resource_type, id)): TypeAndId, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    patch::patch(exchange, resource_type, id, body).await
}

async fn delete(State(app): State<App>, Path((resource_type, id)): TypeAndId, request: Request) -> Response<Body> {
    delete::delete(exchange(app, request).0, resource_type, id).await
}

async fn instance_history(
    State(app): State<App>,
    Path((resource_type, id)): TypeAndId,
    request: Request,
) -> Response<Body> {
    history::instance_history(exchange(app, request).0, resource_type, id).await
}

async fn vread(
    State(app): State<App>,
    Path((resource_type, id, version)): Path<(String, String, String)>,
    request: Request,
) -> Response<Body> {
    read::vread(exchange(app, request).0, resource_type, id, version).await
}

async fn break_glass(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    operations::break_glass::open(exchange, body).await
}

async fn end_break_glass(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    operations::break_glass::end(exchange, body).await
}

async fn emergency_sessions(State(app): State<App>, request: Request) -> Response<Body> {
    operations::review_emergency::list(exchange(app, request).0).await
}

async fn review_emergency(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    operations::review_emergency::review(exchange, body).await
}

async fn crisis_disclosure(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    operations::crisis_disclosure::disclose(exchange, id, body).await
}

async fn crisis_disclosures(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    operations::crisis_disclosure::list(exchange(app, request).0, id).await
}

fn json(text: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn metadata(statement: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(statement));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON));
    response
}

/// Ready means that a request would be answered: the database is really asked, and tokens can be verified.
async fn ready(app: App) -> (StatusCode, &'static str) {
    if !app.verifiers.has_keys() {
        return (StatusCode::SERVICE_UNAVAILABLE, "no keys of the token issuer yet\n");
    }
    match app.store.ping().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
    }
}

async fn not_found() -> Response<Body> {
    Failure::NotFound.into_response()
}

/// A base URL with a slash at its end gives paths with two, and a type may be asked with one after it.
fn is_tidy(path: &str) -> bool {
    !path.contains("//") && (path == "/" || !path.ends_with('/'))
}

/// Routes a request again, without the slashes that are too many.
async fn tidied(routes: Router, request: Request) -> Response<Body> {
    let path = request.uri().path();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let Ok(uri) = format!("/{}{query}", parts.join("/")).parse::<Uri>() else { return not_found().await };
    let (sent, body) = request.into_parts();
    let mut again = Request::new(body);
    (*again.method_mut(), *again.uri_mut(), *again.headers_mut()) = (sent.method, uri, sent.headers);
    // The other extensions hold what the first routing made of the path.
    if let Some(peer) = sent.extensions.get::<ConnectInfo<SocketAddr>>() {
        again.extensions_mut().insert(*peer);
    }
    if let Some(certificate) = sent.extensions.get::<PeerCertificate>() {
        again.extensions_mut().insert(certificate.clone());
    }
    if let Some(id) = sent.extensions.get::<RequestId>() {
        again.extensions_mut().insert(id.clone());
    }
    routes.oneshot(again).await.unwrap_or_else(|never| match never {})
}

#[derive(Clone)]
struct Guarded {
    routes: Router,
    is_https: bool,
}

/// A panic is answered as any fault of ours; and every answer has its headers.
async fn guarded(State(guarded): State<Guarded>, request: Request, next: Next) -> Response<Body> {
    let Guarded { routes, is_https } = guarded;
    let answer =
        async { if is_tidy(request.uri().path()) { next.run(request).await } else { tidied(routes, request).await } };
    let answered = AssertUnwindSafe(answer).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| Failure::Internal("a request panicked").into_response());
    headers::protect(response.headers_mut(), is_https);
    response
}
