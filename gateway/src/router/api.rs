//! The routes of what describes the FHIR interface. Anyone may ask, as for the `CapabilityStatement` that all of it is made from: no record is
//! looked at.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, header};
use axum::middleware;
use axum::routing::get;

use super::admission::{Admission, admitted};
use super::json;
use crate::api::collection::collection;
use crate::api::description::Description;
use crate::api::page::page;
use crate::api::{COLLECTION_PATH, PATH, STYLE_PATH};
use crate::console::assets;
use crate::error::Failure;

/// The routes, made from a statement once.
pub(super) fn routes(statement: &str, admission: Admission) -> Router {
    let described = Arc::new(Description::of(&serde_json::from_str(statement).unwrap_or_default()));
    let collected = Bytes::from(collection(&described).to_string());
    let system = Arc::clone(&described);
    Router::new()
        .route(PATH, get(move |headers: HeaderMap| async move { page(&system, "", languages(&headers)) }))
        .route(
            &format!("{PATH}/{{type}}"),
            get(move |Path(name): Path<String>, headers: HeaderMap| async move {
                page(&described, &name, languages(&headers))
            }),
        )
        .route(COLLECTION_PATH, get(move || async move { json(collected) }))
        .route(STYLE_PATH, get(|| async { assets::style() }))
        .method_not_allowed_fallback(|| async { Failure::MethodNotAllowed.into_response() })
        .layer(middleware::from_fn_with_state(admission, admitted))
}

fn languages(headers: &HeaderMap) -> &str {
    headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
