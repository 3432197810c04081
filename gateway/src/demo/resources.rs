//! What the parties send: made-up people, and Consents in the shape of IHE PCF.

use serde_json::{Value, json};

use super::centre::{Contact, PROVIDER, Recorded, Row};
use crate::consent::{ORGANIZATION_KIND_SYSTEM, PURPOSE_SYSTEM};
use crate::referral::intake::{CODE, SYSTEM};

/// The pool of the first-line psychologists.
pub(super) const ELP_POOL: &str = "HealthcareService/elp-gent";
/// The pool of the centres for mental health.
pub(super) const CGG_POOL: &str = "HealthcareService/cgg-oost-vlaanderen";

/// The made-up types of contacts that the sandbox's tariffs name.
const CONTACT_TYPES: &str = "urn:example:contact-type";

/// A person who does not exist.
pub(super) fn patient(family: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "name": [{"family": family, "given": ["Emma"]}],
        "gender": "female",
        "birthDate": "1990-06-15",
        "address": [{"line": ["Voorbeeldstraat 1"], "postalCode": "9000", "city": "Gent"}],
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "nl"}]}, "preferred": true}],
    })
}

/// Every organisation of a kind, as a Consent names it.
pub(super) fn kind(code: &str) -> Value {
    json!({"identifier": {"system": ORGANIZATION_KIND_SYSTEM, "value": code}})
}

/// One organisation, as a Consent names it.
pub(super) fn organization(id: &str) -> Value {
    json!({"reference": format!("Organization/{id}")})
}

/// A Consent that permits its recipients to read the record for treatment.
pub(super) fn consent(patient: &str, recipients: &[Value]) -> Value {
    let role =
        json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]});
    let actors: Vec<Value> = recipients.iter().map(|recipient| json!({"role": role, "reference": recipient})).collect();
    json!({
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": patient},
        "dateTime": "2026-03-02",
        "performer": [{"reference": patient}],
        "organization": [{"reference": "Organization/edpbw-noord"}],
        "sourceAttachment": {"title": "Toestemming op papier"},
        "policy": [{"uri": "https://profiles.ihe.net/ITI/PCF/Policy-deny"}],
        "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
        "provision": {
            "type": "permit",
            "actor": actors,
            "purpose": [{"system": PURPOSE_SYSTEM, "code": "TREAT"}],
        },
    })
}

/// The order of a referral, to an organisation or a pool; an empty one is none.
pub(super) fn order(patient: &str, performer: &str) -> Value {
    let mut order = json!({
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "priority": "urgent",
        "code": {"text": "Eerstelijnspsychologische zorg"},
        "subject": {"reference": patient},
        "reasonCode": [{"text": "Slaapproblemen na een conflict op het werk"}],
    });
    if !performer.is_empty() {
        order["performer"] = json!([{"reference": performer}]);
    }
    order
}

/// A number of which the sandbox's Co-prev knows one employment, with EDPBW Noord. It was given to nobody.
pub(super) const EMPLOYED: &str = "90010199992";

/// The form of somebody who knows no organisation: look for the employer's prevention service.
pub(super) fn intake(patient: &str, order: &str) -> Value {
    let coded = |code: &str| json!({"coding": [{"system": SYSTEM, "code": code}]});
    json!({
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": coded(CODE),
        "for": {"reference": patient},
        "focus": {"reference": order},
        "input": [
            {"type": coded("permits-lookup"), "valueBoolean": true},
            {"type": coded("preference"), "valueCode": "psychosocial-adviser"},
            {"type": coded("national-number"), "valueIdentifier": {
                "system": SSIN, "value": EMPLOYED}},
        ],
    })
}

/// A Task by which a referral goes on to another room.
pub(super) fn forward(patient: &str, order: &str, room: &str) -> Value {
    json!({
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "for": {"reference": patient},
        "focus": {"reference": order},
        "owner": {"reference": room},
    })
}

/// A contact.
pub(super) fn encounter(patient: &str) -> Value {
    json!({
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": patient},
        "period": {"start": "2026-03-02T09:00:00+01:00", "end": "2026-03-02T09:50:00+01:00"},
    })
}

const SSIN: &str = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/ssin";

/// Somebody whose contacts are billed.
pub(super) fn insured(one: &Recorded) -> Value {
    json!({
        "resourceType": "Patient",
        "identifier": [{"system": SSIN, "value": one.ssin}],
        "name": [{"text": one.row.name}],
        "gender": if one.is_female { "female" } else { "male" },
    })
}

/// How somebody is insured.
pub(super) fn coverage(patient: &str, row: &Row) -> Value {
    let class = |n: u8, code: &str| {
        let system = format!("https://www.ehealth.fgov.be/standards/fhir/mycarenet/CodeSystem/be-cs-holder-code-{n}");
        json!({"type": {"coding": [{"system": system}]}, "value": code})
    };
    let system = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/insurancenumber";
    json!({
        "resourceType": "Coverage",
        "status": "active",
        "beneficiary": {"reference": patient},
        "payor": [{"identifier": {"system": system, "value": row.mutuality}}],
        "class": [class(1, &row.ct1), class(2, &row.ct2)],
    })
}

/// A contact as a tariff is for it: of fifty minutes, by somebody with a number.
pub(super) fn billable(patient: &str, contact: &Contact) -> Value {
    let number =
        json!({"system": "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/nihdi", "value": PROVIDER});
    let mut encounter = encounter(patient);
    encounter["class"]["code"] = contact.class.into();
    encounter["participant"] = json!([{"individual": {"identifier": number}}]);
    encounter["period"] =
        json!({"start": format!("{}T10:00:00Z", contact.day), "end": format!("{}T10:50:00Z", contact.day)});
    if !contact.kind.is_empty() {
        encounter["type"] = json!([{"coding": [{"system": CONTACT_TYPES, "code": contact.kind}]}]);
    }
    encounter
}

/// A transaction that creates each resource under its `urn:uuid`.
pub(super) fn transaction(entries: &[(&str, Value)]) -> Value {
    let entry = |(full_url, resource): &(&str, Value)| {
        let request = json!({"method": "POST", "url": resource["resourceType"]});
        json!({"fullUrl": full_url, "resource": resource, "request": request})
    };
    let entries: Vec<Value> = entries.iter().map(entry).collect();
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
}
