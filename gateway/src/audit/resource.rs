//! An audit event as the FHIR resource, after the BALP patterns.
//!
//! One client and one server agent, the organisation as user, the patient as an entity. A refusal by a rule of consent is an
//! authorization decision; it claims no profile, for BALP's requires a Consent and often there is none to name.
//! <https://profiles.ihe.net/ITI/BALP/>

use serde_json::{Value, json};

use super::event::StoredEvent;
use crate::clock::format_instant;

const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const RESTFUL: &str = "http://hl7.org/fhir/restful-interaction";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const PURPOSE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const BALP_ENTITY: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
const EMERGENCY_ACT: &str = "https://wellgate.example/fhir/CodeSystem/emergency-act";
const EMERGENCY_CASE: &str = "https://wellgate.example/fhir/NamingSystem/emergency-case";
const REFERRAL_ACT: &str = "https://wellgate.example/fhir/CodeSystem/referral-act";
const OPERATION: &str = "https://wellgate.example/fhir/CodeSystem/operation";
const ACCESS_BASIS: &str = "https://wellgate.example/fhir/CodeSystem/access-basis";

/// Acts of an emergency, each with the event of DICOM that it is, where there is one.
const EMERGENCY_ACTS: &[(&str, Option<&str>)] = &[
    ("break-glass", Some("110127")),
    ("end-break-glass", Some("110138")),
    ("emergency-sessions", None),
    ("review-emergency", None),
    ("crisis-disclosure", None),
    ("crisis-disclosures", None),
];

/// The interactions of the standard; what is neither one nor an operation is an act of an emergency or of a referral.
const INTERACTIONS: &[&str] = &[
    "create",
    "read",
    "vread",
    "update",
    "delete",
    "search-type",
    "history-instance",
    "history-type",
    "transaction",
    "batch",
];

/// The gateway's own operations.
const OPERATIONS: &[&str] = &["access-log"];

/// The event as FHIR JSON.
pub fn to_fhir(event: &StoredEvent) -> Value {
    let is_interaction = INTERACTIONS.contains(&event.subtype.as_str());
    let is_operation = OPERATIONS.contains(&event.subtype.as_str());
    let emergency_act = EMERGENCY_ACTS.iter().find(|(act, _)| *act == event.subtype);
    let subtype_system = match (is_interaction, is_operation, emergency_act) {
        (true, ..) => RESTFUL,
        (_, true, _) => OPERATION,
        (_, _, Some(_)) => EMERGENCY_ACT,
        _ => REFERRAL_ACT,
    };
    let mut subtypes = vec![coding(subtype_system, &event.subtype)];
    subtypes.extend(emergency_act.and_then(|(_, code)| *code).map(|code| coding(DICOM, code)));
    let event_type = if is_interaction || is_operation { coding(EVENT_TYPE, "rest") } else { coding(DICOM, "110113") };
    let mut resource = json!({
        "resourceType": "AuditEvent",
        "id": event.id,
        "meta": {"versionId": "1", "lastUpdated": format_instant(event.recorded_ms)},
        "type": event_type,
        "subtype": subtypes,
        "action": event.action,
        "recorded": format_instant(event.recorded_ms),
        "outcome": event.outcome,
        "purposeOfEvent": [{"coding": [coding(PURPOSE, &event.purpose)]}],
        "agent": agents(event),
        "source": {"observer": {"display": "Wellgate"}, "type": [coding("http://terminology.hl7.org/CodeSystem/security-source-type", "4")]},
        "entity": entities(event),
    });
    if !event.reason.is_empty() {
        resource["outcomeDesc"] = json!(event.reason);
    }
    resource
}

fn coding(system: &str, code: &str) -> Value {
    json!({"system": system, "code": code})
}

fn agents(event: &StoredEvent) -> Vec<Value> {
    // In a read the data flows to the client, in a write it comes from it: BALP's source and destination roles.
    let (client, server) =
        if matches!(event.action.as_str(), "C" | "U") { ("110153", "110152") } else { ("110152", "110153") };
    let mut user = json!({
        "type": {"coding": [coding(PARTICIPATION, "IRCP")]},
        "who": who(&event.organization),
        "requestor": true,
    });
    if let Some(practitioner) = event.practitioner.strip_prefix("practitioner/") {
        user["who"] = json!({"reference": format!("Practitioner/{practitioner}")});
    }
    if !event.basis.is_empty() {
        user["policy"] = json!([format!("{ACCESS_BASIS}#{}", event.basis)]);
    }
    vec![
        json!({
            "type": {"coding": [coding(DICOM, client)]},
            "who": {"identifier": {"value": event.client}},
            "requestor": false,
        }),
        json!({"type": {"coding": [coding(DICOM, server)]}, "who": {"display": "Wellgate"}, "requestor": false}),
        user,
    ]
}

/// Who called. A person who signed in has no name in the trail of a record that is another's.
fn who(identity: &str) -> Value {
    match identity.split_once('/') {
        Some(("patient", id)) => json!({"reference": format!("Patient/{id}")}),
        Some(("related-person", id)) => json!({"reference": format!("RelatedPerson/{id}")}),
        Some((_, id)) => json!({"reference": format!("Organization/{id}")}),
        None => json!({"display": "a person who signed in"}),
    }
}

fn entities(event: &StoredEvent) -> Vec<Value> {
    let mut entities = Vec::new();
    let is_record = !event.compartment.contains('/') && event.compartment != "directory";
    if is_record {
        entities.push(json!({
            "what": {"reference": format!("Patient/{}", event.compartment)},
            "type": coding(ENTITY_TYPE, "1"),
            "role": coding(OBJECT_ROLE, "1"),
        }));
    }
    if !event.resource_type.is_empty() {
        let reference = match (event.resource_id.as_str(), event.version_id) {
            ("", _) => None,
            (id, 0) => Some(format!("{}/{id}", event.resource_type)),
            (id, version) => Some(format!("{}/{id}/_history/{version:x}", event.resource_type)),
        };
        let what = reference.map_or_else(|| json!({"type": event.resource_type}), |text| json!({"reference": text}));
        entities.push(json!({"what": what, "type": coding(ENTITY_TYPE, "2"), "role": coding(OBJECT_ROLE, "4")}));
    }
    if !event.case_id.is_empty() {
        entities.push(json!({"what": {"identifier": {"system": EMERGENCY_CASE, "value": event.case_id}}}));
    }
    entities.push(json!({
        "what": {"identifier": {"value": event.request_id}},
        "type": coding(BALP_ENTITY, "XrequestId"),
    }));
    entities
}
