//! `<Type>/<id>/$meta`: the profiles, tags and labels of a resource that the caller sees. What all resources of a type have is not
//! told: it would be a count of what is there.
//!
//! <https://hl7.org/fhir/R4/resource-operation-meta.html>

use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

use super::{Parameters, parameters};
use crate::access::caller::Act;
use crate::auth::Interaction;
use crate::error::Failure;
use crate::fhir::exchange::{Exchange, Target};

const META: Act = Act::new("R", "meta");

/// `GET` or `POST [base]/[type]/[id]/$meta`
pub async fn meta(exchange: Exchange, (resource_type, id): (String, String), body: Body) -> Response<Body> {
    let target = Target::new(META, &resource_type, &id);
    exchange
        .answer(target, async |exchange, caller| {
            let resource_type = exchange.served(&resource_type)?;
            caller.may(resource_type, Interaction::Read)?;
            Parameters::asked(exchange, body, &[]).await?;
            let store = &exchange.app.store;
            let found = store.read(caller.viewer(), resource_type, &id).await?;
            let seen = store.record(found, |touched| caller.shown(META, touched), Vec::new()).await?;
            let seen = seen.ok_or(Failure::NotFound)?;
            if seen.deleted {
                return Err(Failure::Gone);
            }
            let value: Value =
                serde_json::from_str(&seen.body).map_err(|_| Failure::Internal("a stored resource is not JSON"))?;
            Ok(parameters(&[json!({"name": "return", "valueMeta": value["meta"]})]))
        })
        .await
}

/// `$meta` of a type or of the whole system: not offered, whoever asks.
pub async fn of_many(exchange: Exchange) -> Response<Body> {
    exchange.answer(Target::new(META, "", ""), async |_, _| Err(Failure::MethodNotAllowed)).await
}
