//! `Consent/$conflicts`: which Consents of a record contradict each other, for whoever holds it.

use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

use super::{Parameters, held, missing, show};
use crate::access::Draft;
use crate::access::caller::Act;
use crate::auth::Interaction;
use crate::clock::format_instant;
use crate::error::Failure;
use crate::fhir::exchange::{Exchange, Target};
use crate::storage::conflict::StoredConflict;

const ACT: Act = Act::new("E", "conflicts");

/// `GET` or `POST [base]/Consent/$conflicts`: those that last; with `resolved=true` all that there ever were.
pub async fn conflicts(exchange: Exchange, body: Body) -> Response<Body> {
    let target = Target::new(ACT, "Consent", "");
    exchange
        .answer_naming(target, async |exchange, caller, target| {
            caller.may("Consent", Interaction::Search)?;
            let asked = Parameters::asked(exchange, body, &["patient", "resolved"]).await?;
            let patient = asked.id_of("patient", "Patient")?.ok_or_else(|| missing("patient"))?;
            held(&mut Draft::new(&exchange.app, caller), target, patient).await?;
            let Some(with_resolved) = asked.flag("resolved") else {
                return Err(Failure::content("Parameters.parameter:resolved", "value", "must be true or false"));
            };
            let found = exchange.app.store.consent_conflicts(patient, with_resolved).await?;
            let members = found.iter().map(|conflict| json!({"name": "conflict", "part": parts(conflict)})).collect();
            show(exchange, caller, ACT, patient, members).await
        })
        .await
}

fn parts(conflict: &StoredConflict) -> Vec<Value> {
    let consent =
        |name: &str, id: &str| json!({"name": name, "valueReference": {"reference": format!("Consent/{id}")}});
    let mut parts = vec![
        consent("permits", &conflict.permit_consent),
        consent("denies", &conflict.deny_consent),
        json!({"name": "grantee", "valueString": conflict.grantee}),
        json!({"name": "detected", "valueInstant": format_instant(conflict.detected_ms)}),
    ];
    parts.extend(conflict.resolved_ms.map(|ms| json!({"name": "resolved", "valueInstant": format_instant(ms)})));
    parts
}
