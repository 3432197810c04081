//! Made-up resources of a usual size: a record to read, and an order to place.

use serde_json::{Value, json};

/// A transaction that begins a record: a Patient, and a Consent that permits one organisation.
pub(crate) fn record(n: usize, receiver: &str) -> String {
    let patient = format!("urn:uuid:{}", uuid::Uuid::new_v4());
    let entry = |full_url: &str, resource: Value| {
        let request = json!({"method": "POST", "url": resource["resourceType"]});
        json!({"fullUrl": full_url, "resource": resource, "request": request})
    };
    let consent = format!("urn:uuid:{}", uuid::Uuid::new_v4());
    json!({
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [entry(&patient, person(n)), entry(&consent, permit(&patient, receiver))],
    })
    .to_string()
}

fn person(n: usize) -> Value {
    let address = |line: &str| json!({"use": "home", "type": "both", "line": [line], "city": "Voorbeeldstad", "postalCode": "9999", "country": "BE"});
    let names = "<tr><td>Naam</td><td>Voorbeeld</td></tr>".repeat(8);
    json!({
        "resourceType": "Patient",
        "text": {"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><table>{names}</table></div>")},
        "identifier": [{"use": "official", "system": "https://bench.example.org/number", "value": format!("BENCH-{n:08}")}],
        "active": true,
        "name": [{"use": "official", "family": format!("Voorbeeld {n}"), "given": ["Bench", "Maria"]}],
        "telecom": [
            {"system": "phone", "value": "+32 9 000 00 00", "use": "home"},
            {"system": "email", "value": format!("bench{n}@example.org"), "use": "home"},
        ],
        "gender": "unknown",
        "birthDate": "1980-01-01",
        "address": [address("Voorbeeldstraat 1"), address("Oude Voorbeeldstraat 12 bus 3")],
        "maritalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M"}]},
        "communication": [{
            "language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "nl-BE", "display": "Nederlands (België)"}]},
            "preferred": true,
        }],
    })
}

pub(crate) fn permit(patient: &str, receiver: &str) -> Value {
    let coding = |system: &str, code: &str| json!({"coding": [{"system": system, "code": code}]});
    json!({
        "resourceType": "Consent",
        "status": "active",
        "scope": coding("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [coding("http://loinc.org", "59284-0")],
        "patient": {"reference": patient},
        "dateTime": "2026-01-01",
        "policyRule": coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN"),
        "provision": {
            "type": "permit",
            "period": {"start": "2026-01-01", "end": "2099-12-31"},
            "actor": [{
                "role": coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP"),
                "reference": {"reference": format!("Organization/{receiver}")},
            }],
            "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}],
        },
    })
}

/// An order whose performer is another organisation: storing it places the referral.
pub(crate) fn order(patient: &str, receiver: &str) -> String {
    json!({
        "resourceType": "ServiceRequest",
        "identifier": [{"system": "https://bench.example.org/order", "value": uuid::Uuid::new_v4().to_string()}],
        "status": "active",
        "intent": "order",
        "category": [{"coding": [{"system": "http://snomed.info/sct", "code": "3457005", "display": "Patient referral"}]}],
        "priority": "routine",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "75516001", "display": "Psychotherapy"}]},
        "subject": {"reference": format!("Patient/{patient}")},
        "occurrencePeriod": {"start": "2026-01-01", "end": "2099-12-31"},
        "authoredOn": "2026-01-01T09:00:00+01:00",
        "performer": [{"reference": format!("Organization/{receiver}")}],
        "reasonCode": [{"coding": [{"system": "http://snomed.info/sct", "code": "48694002", "display": "Anxiety"}]}],
        "note": [{"text": "Graag een eerste gesprek binnen de maand; de betrokkene is telefonisch bereikbaar. ".repeat(6)}],
    })
    .to_string()
}
