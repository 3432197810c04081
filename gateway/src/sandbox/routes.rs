//! The routes that only a sandbox has: what is there, tokens for the asking, and keys for whoever wants to ask in the real way.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::routing::{get, post, put};
use serde_json::{Value, json};
use uuid::Uuid;

use super::organizations::{PERSON_PURPOSES, PURPOSES};
use crate::app::App;
use crate::auth::{Issuer, KeySet, TokenGrant};
use crate::storage::registry::{Client, ClientKeys};

const TOKEN_LIFETIME_SECONDS: u32 = 3_600;
const DEFAULT_SCOPE: &str = "system/*.cruds";
const DEFAULT_PURPOSE: &str = "TREAT";
const DEFAULT_PERSON_SCOPE: &str = "patient/*.rs patient/Consent.cruds";

/// `GET /sandbox`, `POST /sandbox/token` and `PUT /sandbox/clients/<id>/jwks`.
pub(super) fn routes(app: &App, issuer: Issuer, partners: Value) -> Router {
    let (app, issuer) = (Arc::clone(app), Arc::new(issuer));
    let (described, keyed) = (Arc::clone(&app), Arc::clone(&app));
    Router::new()
        .route("/sandbox", get(move || describe(described, partners)))
        .route("/sandbox/clients/{id}/jwks", put(move |Path(id): Path<String>, jwks: String| keys(keyed, id, jwks)))
        .route("/sandbox/token", post(move |form: String| token(app, issuer, form)))
}

async fn describe(app: App, partners: Value) -> Response<Body> {
    let Ok(registry) = app.registry().await else { return answer(StatusCode::SERVICE_UNAVAILABLE, &json!({})) };
    let organizations: Vec<Value> = registry
        .organizations()
        .map(|organization| {
            let client = registry.clients_of(&organization.id).next();
            let pools: Vec<&str> = registry.pools_of(&organization.id).collect();
            json!({
                "id": organization.id,
                "name": organization.name,
                "kind": organization.kind,
                "clientId": client.map(|client| &client.id),
                "personApp": client.is_some_and(|client| client.person_app),
                "pools": pools,
            })
        })
        .collect();
    let pools: Vec<Value> = registry
        .pools()
        .map(|pool| json!({"id": pool.id, "name": pool.name, "kind": pool.kind, "region": pool.region}))
        .collect();
    let practitioners: Vec<Value> = registry
        .practitioners()
        .map(|row| json!({"id": row.id, "name": row.name, "organization": row.organization_id, "role": row.role}))
        .collect();
    let people: Vec<Value> = registry
        .staff()
        .map(|row| json!({"id": row.id, "name": row.name, "organization": row.organization_id, "roles": row.roles}))
        .collect();
    let root = app.base_url.trim_end_matches("/fhir");
    let description = json!({
        "fhirBase": app.base_url,
        "tokenUrl": format!("{root}/sandbox/token"),
        "defaultScope": DEFAULT_SCOPE,
        "purposes": PURPOSES,
        "personScope": DEFAULT_PERSON_SCOPE,
        "personPurposes": PERSON_PURPOSES,
        "organizations": organizations,
        "pools": pools,
        "practitioners": practitioners,
        "people": people,
        "partners": partners,
        "accountUrl": format!("{root}/account"),
    });
    answer(StatusCode::OK, &description)
}

/// Gives anyone a token for any registered client: that is what a sandbox is for, and why it is never for real patients.
async fn token(app: App, issuer: Arc<Issuer>, form: String) -> Response<Body> {
    let field = |name: &str| {
        form_urlencoded::parse(form.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let refuse = |error: &str, description: &str| {
        answer(StatusCode::BAD_REQUEST, &json!({"error": error, "error_description": description}))
    };
    let Ok(registry) = app.registry().await else { return answer(StatusCode::SERVICE_UNAVAILABLE, &json!({})) };
    let Some(client) = field("client_id").and_then(|id| registry.client(&id)) else {
        return refuse("invalid_client", "client_id must be one of those in GET /sandbox");
    };
    let (practitioner, fhir_user, purpose) = (field("practitioner"), field("fhir_user"), field("purpose"));
    let (default_scope, default_purpose) = match fhir_user.as_deref() {
        None => (DEFAULT_SCOPE, DEFAULT_PURPOSE),
        Some(user) if user.starts_with("RelatedPerson/") => (DEFAULT_PERSON_SCOPE, "FAMRQT"),
        Some(_) => (DEFAULT_PERSON_SCOPE, "PATRQT"),
    };
    let (purpose, scope) = (purpose.as_deref().unwrap_or(default_purpose), field("scope"));
    let grant = TokenGrant {
        client_id: &client.id,
        organization_id: &client.organization_id,
        practitioner_id: practitioner.as_deref(),
        fhir_user: fhir_user.as_deref(),
        purpose,
        scope: scope.as_deref().unwrap_or(default_scope),
        certificate: None,
        lifetime_seconds: TOKEN_LIFETIME_SECONDS,
    };
    match issuer.issue(&grant, &Uuid::new_v4().to_string(), app.clock.now_ms()) {
        Ok(token) => answer(
            StatusCode::OK,
            &json!({
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": TOKEN_LIFETIME_SECONDS,
                "scope": grant.scope,
            }),
        ),
        Err(_) => answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": "server_error"})),
    }
}

/// Takes the public keys of any client, so that its real way to tokens can be tried: `/.well-known/smart-configuration`.
async fn keys(app: App, id: String, jwks: String) -> Response<Body> {
    if let Err(error) = KeySet::of_client(&jwks) {
        return answer(StatusCode::BAD_REQUEST, &json!({"error": format!("the body {error}")}));
    }
    let Ok(registry) = app.registry().await else { return answer(StatusCode::SERVICE_UNAVAILABLE, &json!({})) };
    let Some(client) = registry.client(&id).filter(|client| !client.person_app) else {
        return answer(StatusCode::NOT_FOUND, &json!({"error": "no such client: see GET /sandbox"}));
    };
    let client = Client { keys: Some(ClientKeys::Inline(jwks)), scopes: DEFAULT_SCOPE.to_owned(), ..client.clone() };
    match app.store.put_client(&client).await {
        Ok(()) => {
            app.forget_registry();
            answer(StatusCode::OK, &json!({"client_id": client.id, "scope": client.scopes}))
        }
        Err(_) => answer(StatusCode::SERVICE_UNAVAILABLE, &json!({})),
    }
}

fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
