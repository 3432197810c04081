//! The routes of Bulk Data, of Bundles that are answered later, and of the other operations by which much is read at once.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use axum::routing::{MethodRouter, get, post};

use super::exchange;
use crate::app::App;
use crate::fhir::operations::{asynchronous, dossier, everything, export, import, matching, meta, terminology};

/// The routes, as their names are written in the specification.
pub(super) fn operations() -> [(&'static str, MethodRouter<App>); 16] {
    [
        ("/fhir/$export", get(of_system).post(of_system)),
        ("/fhir/Patient/$export", get(of_patients).post(of_patients)),
        ("/fhir/Group/{id}/$export", get(of_group).post(of_group)),
        ("/fhir/$import", post(import)),
        ("/fhir/$export/{id}", get(status).delete(cancel)),
        ("/fhir/$export/{id}/{file}", get(file)),
        ("/fhir/$async/{id}", get(async_status).delete(async_cancel)),
        ("/fhir/Patient/{id}/$everything", get(everything).post(everything)),
        ("/fhir/Patient/$match", post(find)),
        ("/fhir/ServiceRequest/{id}/$dossier", get(dossier).post(dossier)),
        ("/fhir/{type}/{id}/$meta", get(meta).post(meta)),
        ("/fhir/{type}/$meta", get(meta_of_many).post(meta_of_many)),
        ("/fhir/$meta", get(meta_of_many).post(meta_of_many)),
        ("/fhir/CodeSystem/$lookup", get(lookup).post(lookup)),
        ("/fhir/ValueSet/$validate-code", get(validate_code).post(validate_code)),
        ("/fhir/ValueSet/{id}/$validate-code", get(validate_code_of).post(validate_code_of)),
    ]
}

async fn of_system(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    export::of_system(exchange, body).await
}

async fn of_patients(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    export::of_patients(exchange, body).await
}

async fn of_group(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    export::of_group(exchange, id, body).await
}

async fn import(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    import::import(exchange, body).await
}

async fn status(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    export::status(exchange(app, request).0, id).await
}

async fn cancel(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    export::cancel(exchange(app, request).0, id).await
}

async fn file(State(app): State<App>, Path(file): Path<(String, String)>, request: Request) -> Response<Body> {
    let (id, name) = file;
    export::file::file(exchange(app, request).0, id, name).await
}

async fn async_status(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    asynchronous::status(exchange(app, request).0, id).await
}

async fn async_cancel(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    asynchronous::cancel(exchange(app, request).0, id).await
}

async fn everything(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    everything::everything(exchange, id, body).await
}

async fn find(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    matching::find(exchange, body).await
}

async fn dossier(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    dossier::dossier(exchange, id, body).await
}

async fn meta(State(app): State<App>, Path(of): Path<(String, String)>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    meta::meta(exchange, of, body).await
}

async fn meta_of_many(State(app): State<App>, request: Request) -> Response<Body> {
    meta::of_many(exchange(app, request).0).await
}

async fn lookup(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    terminology::lookup(exchange, body).await
}

async fn validate_code(State(app): State<App>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    terminology::validate_code(exchange, None, body).await
}

async fn validate_code_of(State(app): State<App>, Path(id): Path<String>, request: Request) -> Response<Body> {
    let (exchange, body) = exchange(app, request);
    terminology::validate_code(exchange, Some(id), body).await
}
