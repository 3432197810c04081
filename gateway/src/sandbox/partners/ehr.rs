//! The record system of an organisation, made up: a FHIR server that takes Bundles and says what it did with them.
//!
//! At `/hook` it takes the notifications of subscriptions. A Bundle that comes again under its `identifier` changes nothing, and is answered as the first time. Specifications:
//! <https://hl7.org/fhir/R4/http.html#transaction>, <https://hl7.org/fhir/R4/messaging.html>.

use axum::http::Method;
use serde_json::{Value, json};

use super::kept::{Kept, Message};
use super::{Asked, Partner, Reply};

pub(super) const BASE_PATH: &str = "/fhir";
/// Where its subscriptions are told.
const HOOK_PATH: &str = "/hook";
const FHIR_JSON: &str = "application/fhir+json";

/// The partner.
pub(super) struct Ehr;

impl Partner for Ehr {
    fn reference(&self, asked: &Asked) -> Option<String> {
        let takes = |path| takes_bundles(path) || path == HOOK_PATH;
        let is_bundle = asked.method == Method::POST && asked.below(BASE_PATH).is_some_and(takes);
        is_bundle.then(|| reference(&asked.json()).unwrap_or("none").to_owned())
    }

    fn answer(&self, asked: &Asked, kept: &Kept) -> Reply {
        match (&asked.method, asked.below(BASE_PATH)) {
            (&Method::POST, Some(path)) if takes_bundles(path) => take(asked, kept).unwrap_or_else(|refused| refused),
            (&Method::POST, Some(HOOK_PATH)) => hear(asked),
            (&Method::GET, Some("/Bundle")) => find(asked, kept),
            (&Method::GET, Some("/metadata")) => Reply::of(
                200,
                FHIR_JSON,
                &json!({"resourceType": "CapabilityStatement", "status": "active", "date": "2026-01-01",
                    "kind": "instance", "fhirVersion": "4.0.1", "format": ["json"],
                    "implementation": {"description": "A made-up record system"},
                    "rest": [{"mode": "server", "interaction": [{"code": "transaction"}]}]}),
            ),
            _ => outcome(404, "not-found", "there is nothing at this address"),
        }
    }

    fn about_another(&self, reply: &Reply) -> Reply {
        let mut body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        body["identifier"] = json!({"system": "urn:wellgate:sandbox", "value": "somebody-else"});
        if let Some(location) = body.pointer_mut("/entry/0/response/location") {
            *location = json!("Patient/somebody-else/_history/1");
        }
        if let Some(header) = body.pointer_mut("/entry/0/resource/response/identifier") {
            *header = json!("somebody-else");
        }
        Reply::of(reply.status, FHIR_JSON, &body)
    }
}

/// Where Bundles are sent: transactions to the base, messages to the operation or to the base.
fn takes_bundles(path: &str) -> bool {
    matches!(path, "" | "/" | "/$process-message" | "/%24process-message")
}

fn reference(bundle: &Value) -> Option<&str> {
    bundle.pointer("/identifier/value").and_then(Value::as_str).filter(|text| (1..=64).contains(&text.len()))
}

fn outcome(status: u16, code: &str, text: &str) -> Reply {
    let issue = json!({"severity": "error", "code": code, "diagnostics": text});
    Reply::of(status, FHIR_JSON, &json!({"resourceType": "OperationOutcome", "issue": [issue]}))
}

/// Hears a notification. Whether it is signed as it should be is for whoever has the secret.
fn hear(asked: &Asked) -> Reply {
    let bundle = asked.json();
    let is_notification = bundle.get("type").and_then(Value::as_str) == Some("history")
        && bundle.pointer("/entry/0/resource/resourceType").and_then(Value::as_str) == Some("Parameters");
    if is_notification {
        Reply::of(200, FHIR_JSON, &json!({}))
    } else {
        outcome(400, "structure", "a notification is expected")
    }
}

/// Takes a Bundle in.
///
/// # Errors
/// The refusal.
fn take(asked: &Asked, kept: &Kept) -> Result<Reply, Reply> {
    let bundle = asked.json();
    if bundle.get("resourceType").and_then(Value::as_str) != Some("Bundle") {
        return Err(outcome(400, "structure", "a Bundle is expected"));
    }
    let reference = reference(&bundle)
        .ok_or_else(|| outcome(422, "required", "Bundle.identifier.value: without it nothing is ever sent again"))?;
    let entries = bundle.get("entry").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if entries.iter().any(|entry| entry.pointer("/resource/resourceType").and_then(Value::as_str).is_none()) {
        return Err(outcome(422, "structure", "Bundle.entry.resource: each entry has one"));
    }
    let answer = match bundle.get("type").and_then(Value::as_str) {
        Some("transaction") => {
            json!({"resourceType": "Bundle", "identifier": bundle["identifier"], "type": "transaction-response",
                "entry": created(entries, kept.number(reference))})
        }
        Some("message") => acknowledged(&bundle, entries)?,
        _ => return Err(outcome(422, "not-supported", "Bundle.type: transaction or message")),
    };
    Ok(Reply::of(200, FHIR_JSON, &answer))
}

/// Where each resource is now. The same for the same Bundle: an id is the number of the Bundle and the place in it.
fn created(entries: &[Value], number: u64) -> Vec<Value> {
    let location = |(n, entry): (usize, &Value)| {
        let resource_type = entry.pointer("/resource/resourceType").and_then(Value::as_str).unwrap_or_default();
        let location = format!("{resource_type}/{number}-{}/_history/1", n + 1);
        json!({"response": {"status": "201 Created", "location": location, "etag": "W/\"1\""}})
    };
    entries.iter().enumerate().map(location).collect()
}

/// The answer to a message names the message.
fn acknowledged(bundle: &Value, entries: &[Value]) -> Result<Value, Reply> {
    let header = entries.first().and_then(|entry| entry.get("resource")).unwrap_or(&Value::Null);
    let id = header.get("id").and_then(Value::as_str);
    let (Some("MessageHeader"), Some(id)) = (header.get("resourceType").and_then(Value::as_str), id) else {
        return Err(outcome(
            422,
            "structure",
            "Bundle.entry[0].resource: a message begins with a MessageHeader that has an id",
        ));
    };
    let answer = json!({"resourceType": "MessageHeader", "eventCoding": header["eventCoding"],
        "source": {"endpoint": "urn:wellgate:sandbox:ehr"}, "response": {"identifier": id, "code": "ok"}});
    Ok(json!({"resourceType": "Bundle", "identifier": bundle["identifier"], "type": "message",
        "entry": [{"resource": answer}]}))
}

/// `GET /Bundle?identifier=system|value`: whether a Bundle came.
fn find(asked: &Asked, kept: &Kept) -> Reply {
    let wanted = asked.parameter("identifier");
    let (system, value) = wanted.split_once('|').map_or((None, wanted), |(system, value)| (Some(system), value));
    if value.is_empty() {
        return outcome(400, "required", "identifier: which Bundle, as system|value");
    }
    let bundle = |message: &Message| {
        let bundle: Value = serde_json::from_slice(&message.body).unwrap_or_default();
        let is_of = system.is_none_or(|system| bundle.pointer("/identifier/system") == Some(&json!(system)));
        (is_of && message.effects > 0).then(|| {
            let number = kept.number(&message.reference);
            json!({"resource": {"resourceType": "Bundle", "id": number.to_string(), "type": bundle["type"],
                "identifier": bundle["identifier"]}})
        })
    };
    let entries: Vec<Value> = kept.find(value).and_then(bundle).into_iter().collect();
    Reply::of(
        200,
        FHIR_JSON,
        &json!({"resourceType": "Bundle", "type": "searchset", "total": entries.len(), "entry": entries}),
    )
}
