//! What a subscription is told: a Bundle of R4 whose first entry is the subscription's status, in the shape of the backport.
//!
//! <https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html>. References only: no resource is in it.

use serde_json::{Value, json};

use crate::message::DELIVERY_SYSTEM;

const PROFILES: &str = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition";

/// What every notification says of its subscription.
#[derive(Clone, Copy, Debug)]
pub struct Status<'a> {
    /// The gateway's base URL.
    pub base: &'a str,
    /// The id of the subscription.
    pub id: &'a str,
    /// The topic.
    pub topic: &'a str,
    /// The code of `Subscription.status`.
    pub status: &'a str,
    /// `handshake`, `event-notification`, `query-status` or `query-event`.
    pub r#type: &'a str,
    /// The number of the last event.
    pub events: i64,
    /// Whether resources are named, and the topic.
    pub names: bool,
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its number.
    pub number: i64,
    /// When it happened, a FHIR instant.
    pub timestamp: String,
    /// `Type/id` of what it is about.
    pub focus: String,
}

/// The status as Parameters, with events.
pub fn parameters(status: &Status<'_>, events: &[Event]) -> Value {
    let mut members = vec![json!({"name": "subscription", "valueReference": {"reference": subscription(status)}})];
    if status.names {
        members.push(json!({"name": "topic", "valueCanonical": status.topic}));
    }
    members.push(json!({"name": "status", "valueCode": status.status}));
    members.push(json!({"name": "type", "valueCode": status.r#type}));
    members.push(json!({"name": "events-since-subscription-start", "valueString": status.events.to_string()}));
    for event in events {
        let mut parts = vec![
            json!({"name": "event-number", "valueString": event.number.to_string()}),
            json!({"name": "timestamp", "valueInstant": event.timestamp}),
        ];
        if status.names {
            let focus = format!("{}/{}", status.base, event.focus);
            parts.push(json!({"name": "focus", "valueReference": {"reference": focus}}));
        }
        members.push(json!({"name": "notification-event", "part": parts}));
    }
    json!({
        "resourceType": "Parameters",
        "meta": {"profile": [format!("{PROFILES}/backport-subscription-status-r4")]},
        "parameter": members,
    })
}

/// The notification. `reference` is ours, the same at every attempt.
pub fn notification(status: &Status<'_>, events: &[Event], reference: &str, timestamp: &str) -> Value {
    let mut entries = vec![json!({
        "fullUrl": urn(reference),
        "resource": parameters(status, events),
        "request": {"method": "GET", "url": format!("{}/$status", subscription(status))},
        "response": {"status": "200"},
    })];
    for event in events.iter().filter(|_| status.names) {
        let full_url = format!("{}/{}", status.base, event.focus);
        entries.push(json!({
            "fullUrl": full_url,
            "request": {"method": "GET", "url": event.focus},
            "response": {"status": "200"},
        }));
    }
    json!({
        "resourceType": "Bundle",
        "id": reference,
        "meta": {"profile": [format!("{PROFILES}/backport-subscription-notification-r4")]},
        "identifier": {"system": DELIVERY_SYSTEM, "value": reference},
        "type": "history",
        "timestamp": timestamp,
        "entry": entries,
    })
}

/// What `$status` answers.
pub fn status_bundle(status: &Status<'_>) -> Value {
    let entry = json!({"resource": parameters(status, &[]), "search": {"mode": "match"}});
    json!({"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [entry]})
}

/// The UUID at the end of a reference, as a URN has it.
fn urn(reference: &str) -> String {
    let digits: String = reference.chars().filter(char::is_ascii_hexdigit).collect();
    let part = |span: std::ops::Range<usize>| {
        digits.len().checked_sub(32).and_then(|at| digits.get(at + span.start..at + span.end))
    };
    let parts: Vec<&str> = [0..8, 8..12, 12..16, 16..20, 20..32].into_iter().filter_map(part).collect();
    if parts.len() == 5 { format!("urn:uuid:{}", parts.join("-")) } else { format!("urn:wellgate:{reference}") }
}

fn subscription(status: &Status<'_>) -> String {
    format!("{}/Subscription/{}", status.base, status.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(names: bool) -> Value {
        let status = Status {
            base: "https://gateway.example/fhir",
            id: "s-1",
            topic: "urn:topic",
            status: "active",
            r#type: "event-notification",
            events: 7,
            names,
        };
        let event = Event { number: 7, timestamp: "2026-03-01T12:00:00.000Z".to_owned(), focus: "Task/t-1".to_owned() };
        notification(&status, &[event], "d-1", "2026-03-01T12:00:01.000Z")
    }

    #[test]
    fn a_notification_names_what_it_is_about_where_that_is_asked_for() {
        let bundle = told(true);
        assert_eq!(bundle["entry"][1]["fullUrl"], "https://gateway.example/fhir/Task/t-1");
        let parameters = &bundle["entry"][0]["resource"]["parameter"];
        assert_eq!(parameters[4], json!({"name": "events-since-subscription-start", "valueString": "7"}));
        assert_eq!(parameters[5]["part"][2]["valueReference"]["reference"], "https://gateway.example/fhir/Task/t-1");
        assert!(bundle["entry"][1].get("resource").is_none());
    }

    #[test]
    fn the_status_has_the_uuid_of_our_reference() {
        for reference in ["0-01a21d74b3c876b593a2a526a994cee9", "01a21d74-b3c8-76b5-93a2-a526a994cee9"] {
            assert_eq!(urn(reference), "urn:uuid:01a21d74-b3c8-76b5-93a2-a526a994cee9");
        }
        assert_eq!(urn("d-1"), "urn:wellgate:d-1");
    }

    #[test]
    fn an_empty_one_names_neither_the_resource_nor_the_topic() {
        let text = told(false).to_string();
        assert!(!text.contains("Task") && !text.contains("t-1") && !text.contains("urn:topic"), "{text}");
        assert!(text.contains("event-number"), "{text}");
    }
}
