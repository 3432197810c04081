//! FHIR messages: a Bundle that tells another server what happened, and what it answers.
//!
//! <https://hl7.org/fhir/R4/messaging.html>

use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The system of the codes of `MessageHeader.eventCoding`.
pub const EVENT_SYSTEM: &str = "https://wellgate.example/fhir/CodeSystem/message-event";
/// The system of the references of deliveries: `Bundle.identifier`, by which a receiver is asked.
pub const DELIVERY_SYSTEM: &str = "https://wellgate.example/fhir/NamingSystem/delivery";

/// What a message says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// Our reference, the same whenever the message is sent.
    pub reference: &'a str,
    /// What happened.
    pub event: &'a str,
    /// Our base URL.
    pub source: &'a str,
    /// The receiver's base URL.
    pub destination: &'a str,
    /// When it is sent, a FHIR instant.
    pub sent: &'a str,
    /// `Type/id` of what it is about.
    pub focus: &'a str,
}

/// A resource of a message: `Type/id` and its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// `Type/id`.
    pub reference: &'a str,
    /// The resource as it is stored.
    pub body: &'a str,
}

/// The Bundle as text. The resources are taken over byte for byte, so that decimals and the order of members survive.
///
/// # Errors
/// A resource is not JSON.
pub fn write(header: &Header<'_>, parts: &[Part<'_>]) -> Result<String, serde_json::Error> {
    let url = |reference: &str| format!("{}/{reference}", header.source);
    let message_header = json!({
        "resourceType": "MessageHeader",
        "id": header.reference,
        "eventCoding": {"system": EVENT_SYSTEM, "code": header.event},
        "destination": [{"endpoint": header.destination}],
        "source": {"endpoint": header.source},
        "focus": [{"reference": url(header.focus)}],
    });
    let full_url = url(&format!("MessageHeader/{}", header.reference));
    let mut entries = vec![Entry { full_url, resource: raw(&message_header.to_string())? }];
    for part in parts {
        entries.push(Entry { full_url: url(part.reference), resource: raw(part.body)? });
    }
    serde_json::to_string(&Bundle {
        resource_type: "Bundle",
        identifier: json!({"system": DELIVERY_SYSTEM, "value": header.reference}),
        r#type: "message",
        timestamp: header.sent,
        entry: entries,
    })
}

fn raw(text: &str) -> Result<Box<RawValue>, serde_json::Error> {
    serde_json::from_str(text)
}

#[derive(serde::Serialize)]
struct Bundle<'a> {
    #[serde(rename = "resourceType")]
    resource_type: &'static str,
    identifier: Value,
    r#type: &'static str,
    timestamp: &'a str,
    entry: Vec<Entry>,
}

#[derive(serde::Serialize)]
struct Entry {
    #[serde(rename = "fullUrl")]
    full_url: String,
    resource: Box<RawValue>,
}

/// What a receiver answered to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It took the message.
    Ok,
    /// It may take it later.
    TransientError,
    /// It does not take it.
    FatalError,
    /// It answers another message than ours.
    ForAnother,
    /// It is no answer to a message.
    NotUnderstood,
}

/// Reads the answer to the message with a reference: a Bundle whose `MessageHeader` responds to it.
pub fn read_reply(body: &[u8], reference: &str) -> Reply {
    let Ok(bundle) = serde_json::from_slice::<Value>(body) else { return Reply::NotUnderstood };
    let header = &bundle["entry"][0]["resource"];
    let is_message = bundle["resourceType"] == "Bundle" && bundle["type"] == "message";
    if !is_message || header["resourceType"] != "MessageHeader" {
        return Reply::NotUnderstood;
    }
    let response = &header["response"];
    let Some(identifier) = response["identifier"].as_str() else { return Reply::NotUnderstood };
    if identifier != reference {
        return Reply::ForAnother;
    }
    match response["code"].as_str() {
        Some("ok") => Reply::Ok,
        Some("transient-error") => Reply::TransientError,
        Some("fatal-error") => Reply::FatalError,
        _ => Reply::NotUnderstood,
    }
}

/// Reads whether a search by our reference found the message; none where the answer is no search that could have found it.
pub fn read_found(body: &[u8], reference: &str) -> Option<bool> {
    let bundle: Value = serde_json::from_slice(body).ok()?;
    if bundle["resourceType"] != "Bundle" || bundle["type"] != "searchset" {
        return None;
    }
    let entries = bundle["entry"].as_array().map_or(&[][..], Vec::as_slice);
    let is_ours = |entry: &Value| {
        let identifier = &entry["resource"]["identifier"];
        identifier["system"] == DELIVERY_SYSTEM && identifier["value"] == reference
    };
    let found = entries.iter().filter(|entry| entry["search"]["mode"] != "outcome").collect::<Vec<_>>();
    match (found.is_empty(), found.iter().any(|entry| is_ours(entry))) {
        // A server that counts without showing: its word is enough for "there is none".
        (true, _) => (bundle["total"] == 0 || bundle.get("total").is_none()).then_some(false),
        (false, true) => Some(true),
        // It found something else: it does not know this search.
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &str = "0199c0de-0000-7000-8000-000000000001";

    fn header() -> Header<'static> {
        Header {
            reference: REFERENCE,
            event: "status",
            source: "https://gateway.example/fhir",
            destination: "https://ehr.example/fhir",
            sent: "2026-01-01T00:00:00.000Z",
            focus: "Task/t1",
        }
    }

    #[test]
    fn a_message_carries_its_resources_byte_for_byte() {
        let task = r#"{"resourceType":"Task","id":"t1","extension":[{"url":"urn:x","valueDecimal":1.00}],"status":"requested","intent":"order"}"#;
        let text = write(&header(), &[Part { reference: "Task/t1", body: task }]).expect("it is JSON");
        assert!(text.contains(task), "{text}");
        let bundle: Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(bundle["identifier"]["value"], REFERENCE);
        assert_eq!(bundle["entry"][0]["resource"]["eventCoding"]["code"], "status");
        assert_eq!(bundle["entry"][0]["resource"]["focus"][0]["reference"], bundle["entry"][1]["fullUrl"]);
        let issues = crate::r4::structure::check(&bundle);
        assert!(issues.is_empty(), "{issues:?}");
    }

    fn reply(code: &str, identifier: &str) -> String {
        let header = json!({"resourceType": "MessageHeader", "response": {"identifier": identifier, "code": code}});
        json!({"resourceType": "Bundle", "type": "message", "entry": [{"resource": header}]}).to_string()
    }

    #[test]
    fn only_a_reply_to_our_message_counts() {
        assert_eq!(read_reply(reply("ok", REFERENCE).as_bytes(), REFERENCE), Reply::Ok);
        assert_eq!(read_reply(reply("transient-error", REFERENCE).as_bytes(), REFERENCE), Reply::TransientError);
        assert_eq!(read_reply(reply("fatal-error", REFERENCE).as_bytes(), REFERENCE), Reply::FatalError);
        assert_eq!(read_reply(reply("ok", "another").as_bytes(), REFERENCE), Reply::ForAnother);
        assert_eq!(read_reply(reply("fine", REFERENCE).as_bytes(), REFERENCE), Reply::NotUnderstood);
        for nonsense in ["", "<html>", "[]", "{}", r#"{"resourceType":"OperationOutcome"}"#, "null"] {
            assert_eq!(read_reply(nonsense.as_bytes(), REFERENCE), Reply::NotUnderstood, "{nonsense}");
        }
    }

    #[test]
    fn a_search_that_found_something_else_says_nothing() {
        let found = |identifiers: &[&str], total: Option<u32>| {
            let entry = |value: &&str| json!({"resource": {"resourceType": "Bundle", "identifier": {"system": DELIVERY_SYSTEM, "value": value}}});
            let entries: Vec<Value> = identifiers.iter().map(entry).collect();
            let mut bundle = json!({"resourceType": "Bundle", "type": "searchset", "entry": entries});
            if let Some(total) = total {
                bundle["total"] = json!(total);
            }
            read_found(bundle.to_string().as_bytes(), REFERENCE)
        };
        assert_eq!(found(&[REFERENCE], Some(1)), Some(true));
        assert_eq!(found(&[], Some(0)), Some(false));
        assert_eq!(found(&[], None), Some(false));
        assert_eq!(found(&["another"], Some(1)), None, "it ignores the parameter");
        assert_eq!(found(&[], Some(5)), None);
        assert_eq!(read_found(b"<html>", REFERENCE), None);
    }
}
