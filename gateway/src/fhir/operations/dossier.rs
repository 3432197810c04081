//! `ServiceRequest/<id>/$dossier`: the dossier of a referral as one document, to take along: a Composition, what the caller sees of
//! the record, and the entries of the directory that it names.
//!
//! <https://hl7.org/fhir/R4/documents.html>. It says what was seen at one moment, and is kept nowhere.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Parameters;
use super::compartment::{Part, page, referenced, types};
use crate::access::caller::Act;
use crate::audit::AuditEvent;
use crate::auth::Interaction;
use crate::clock::format_instant;
use crate::error::Failure;
use crate::fhir::answer::json as json_answer;
use crate::fhir::exchange::{Exchange, Target};
use crate::storage::resource::Seen;

const DOSSIER: Act = Act::new("E", "dossier");

/// The system of the identifiers of documents.
const DOCUMENT_SYSTEM: &str = "https://wellgate.example/fhir/NamingSystem/document";

/// `GET` or `POST [base]/ServiceRequest/[id]/$dossier`
pub async fn dossier(exchange: Exchange, id: String, body: Body) -> Response<Body> {
    let target = Target::new(DOSSIER, "ServiceRequest", &id);
    exchange
        .answer(target, async |exchange, caller| {
            let order = exchange.served("ServiceRequest")?;
            caller.may(order, Interaction::Read)?;
            Parameters::asked(exchange, body, &[]).await?;
            let types = types(exchange, caller, &[])?;
            let store = &exchange.app.store;
            let patient = store.visible_compartment(caller.viewer(), order, &id).await?.ok_or(Failure::NotFound)?;
            let part = Part { types, since_ms: i64::MIN, about: (i64::MIN, i64::MAX) };
            let most = exchange.app.bulk.config.dossier_resources_max;
            let (mut seen, next) = page(exchange, (caller, DOSSIER), &patient, &part, (None, most)).await?;
            if next.is_some() {
                let details = format!("the dossier has more than {most} resources, or is too long: read it by Patient/{patient}/$everything");
                return Err(Failure::TooLarge(details));
            }
            seen.extend(referenced(exchange, (caller, DOSSIER), &seen).await?);
            // It may have been taken from the caller between two reads.
            if !seen.iter().any(|one| one.key.resource_type == order && one.key.id == id) {
                return Err(Failure::NotFound);
            }
            let document = document(exchange.base(), (&id, &patient), &seen, &format_instant(caller.now_ms));
            Ok(json_answer(StatusCode::OK, document))
        })
        .await
}

/// The Bundle as text, the resources byte for byte as they are stored.
fn document(base: &str, (order, patient): (&str, &str), seen: &[Seen], now: &str) -> String {
    let id = AuditEvent::fresh_id();
    let composition = composition(&id, (order, patient), seen, now);
    let mut entries =
        vec![format!("{{\"fullUrl\":{},\"resource\":{composition}}}", json!(format!("{base}/Composition/{id}")))];
    entries.extend(seen.iter().map(|one| {
        let url = json!(format!("{base}/{}/{}", one.key.resource_type, one.key.id));
        format!("{{\"fullUrl\":{url},\"resource\":{}}}", one.body)
    }));
    let identifier = json!({"system": DOCUMENT_SYSTEM, "value": id});
    format!(
        "{{\"resourceType\":\"Bundle\",\"identifier\":{identifier},\"type\":\"document\",\"timestamp\":{},\"entry\":[{}]}}",
        json!(now),
        entries.join(",")
    )
}

fn composition(id: &str, (order, patient): (&str, &str), seen: &[Seen], now: &str) -> Value {
    let has_patient = seen.iter().any(|one| one.key.resource_type == "Patient");
    let mut sections: Vec<(&str, Vec<Value>)> = Vec::new();
    for one in seen {
        let reference = json!({"reference": format!("{}/{}", one.key.resource_type, one.key.id)});
        match sections.last_mut().filter(|(of, _)| *of == one.key.resource_type) {
            Some((_, entries)) => entries.push(reference),
            None => sections.push((one.key.resource_type, vec![reference])),
        }
    }
    let sections: Vec<Value> =
        sections.into_iter().map(|(of, entries)| json!({"title": of, "entry": entries})).collect();
    let mut composition = json!({
        "resourceType": "Composition",
        "id": id,
        "status": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": "57133-1", "display": "Referral note"}]},
        "date": now,
        "author": [{"display": "Wellgate"}],
        "title": "Dossier of a referral",
        "event": [{"detail": [{"reference": format!("ServiceRequest/{order}")}]}],
        "section": sections,
    });
    if has_patient {
        composition["subject"] = json!({"reference": format!("Patient/{patient}")});
    }
    composition
}
