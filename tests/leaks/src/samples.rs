//! The data of a twin: one resource of each type that lies in a Patient record, synthetic and looking it.
//!
//! The twins differ in their ids and in their mark, a word that stands in each identifier and narrative. All else is the same, so that
//! what a viewer may compare is equal, and only what was hidden can differ.

use serde_json::{Value, json};

/// The system of the identifiers.
pub const SYSTEM: &str = "https://leak-kit.example/id";

/// The types of which a twin has a resource, beside Consent.
pub const IN_A_RECORD: [&str; 26] = [
    "Patient",
    "RelatedPerson",
    "ServiceRequest",
    "Task",
    "Encounter",
    "EpisodeOfCare",
    "CareTeam",
    "Group",
    "Condition",
    "Observation",
    "QuestionnaireResponse",
    "DocumentReference",
    "Binary",
    "Communication",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "Claim",
    "ClaimResponse",
    "Subscription",
    "Provenance",
    "Procedure",
    "AllergyIntolerance",
    "Immunization",
    "CarePlan",
    "DiagnosticReport",
];

/// Types that are about no person: of a directory, or definitions. A server may show them to everyone.
pub const OF_NO_PERSON: [&str; 11] = [
    "Endpoint",
    "HealthcareService",
    "Location",
    "Organization",
    "OrganizationAffiliation",
    "Practitioner",
    "PractitionerRole",
    "Questionnaire",
    // The server writes it itself: the kit asks for it without having made one.
    "AuditEvent",
    "Schedule",
    "Slot",
];

/// The least resource of a type that a twin has, with the places of the Patient and the mark; none where the kit knows none.
pub fn sample(resource_type: &str) -> Option<Value> {
    let person = json!({"reference": "Patient/@Patient@"});
    let coded = json!({"coding": [{"system": "https://leak-kit.example/code", "code": "twin"}], "text": "twin @mark@"});
    let insurer = json!({"display": "twin insurer"});
    let mut least = match resource_type {
        "Patient" => json!({
            "active": true, "name": [{"family": "Twin", "given": ["Test @mark@"]}], "gender": "female",
            "birthDate": "1990-06-15", "address": [{"city": "Twintown", "postalCode": "9000"}],
            "telecom": [{"system": "phone", "value": "@mark@"}],
        }),
        "RelatedPerson" => json!({"patient": person, "name": [{"family": "Twin @mark@"}], "birthDate": "1960-01-02"}),
        "ServiceRequest" => json!({
            "status": "active", "intent": "order", "subject": person, "code": coded, "authoredOn": "2026-01-10",
        }),
        "Task" => json!({
            "status": "draft", "intent": "proposal", "for": person, "code": coded, "authoredOn": "2026-01-10T10:00:00Z",
        }),
        "Encounter" => json!({
            "status": "finished", "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "VR"},
            "subject": person, "period": {"start": "2026-01-10T09:00:00Z", "end": "2026-01-10T10:00:00Z"},
        }),
        "EpisodeOfCare" => json!({"status": "active", "patient": person, "period": {"start": "2026-01-10"}}),
        "CareTeam" => json!({"status": "active", "subject": person, "name": "twin @mark@"}),
        "Group" => json!({"type": "person", "actual": true, "code": coded, "member": [{"entity": person}]}),
        "Condition" => json!({"subject": person, "code": coded, "onsetDateTime": "2025-11-02"}),
        "Observation" => json!({
            "status": "final", "code": coded, "subject": person, "effectiveDateTime": "2026-01-10", "valueInteger": 12,
        }),
        "QuestionnaireResponse" => json!({"status": "completed", "subject": person, "authored": "2026-01-10"}),
        "DocumentReference" => json!({
            "status": "current", "subject": person, "type": coded, "date": "2026-01-10T10:00:00Z",
            "description": "twin @mark@", "content": [{"attachment": {"contentType": "text/plain", "data": "VEVTVA=="}}],
        }),
        "Binary" => json!({"contentType": "text/plain", "data": "VEVTVA==", "securityContext": person}),
        "Communication" => json!({"status": "completed", "subject": person, "sent": "2026-01-10T10:00:00Z"}),
        "Coverage" => json!({
            "status": "active", "beneficiary": person, "payor": [insurer], "subscriberId": "@mark@",
        }),
        "CoverageEligibilityRequest" => json!({
            "status": "active", "purpose": ["benefits"], "patient": person, "created": "2026-01-10", "insurer": insurer,
        }),
        "CoverageEligibilityResponse" => json!({
            "status": "active", "purpose": ["benefits"], "patient": person, "created": "2026-01-10", "outcome": "complete",
            "insurer": insurer, "request": {"display": "twin"},
        }),
        "Claim" => json!({
            "status": "active", "type": coded, "use": "claim", "patient": person, "created": "2026-01-10",
            "provider": {"display": "twin provider"}, "priority": coded,
            "insurance": [{"sequence": 1, "focal": true, "coverage": {"display": "twin"}}],
        }),
        "ClaimResponse" => json!({
            "status": "active", "type": coded, "use": "claim", "patient": person, "created": "2026-01-10",
            "insurer": insurer, "outcome": "complete",
        }),
        "Subscription" => json!({
            "status": "off", "reason": "twin @mark@ of Patient/@Patient@",
            "criteria": "https://wellgate.example/fhir/SubscriptionTopic/task-status",
            "channel": {
                "type": "rest-hook", "endpoint": "https://leak-kit.example/@mark@",
                "extension": [{"url": "https://wellgate.example/fhir/StructureDefinition/subscription-secret",
                    "valueString": "leak-kit-leak-kit-leak-kit-leak-kit"}],
                "_payload": {"extension": [{
                    "url": "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content",
                    "valueCode": "id-only",
                }]},
            },
        }),
        "Provenance" => json!({
            "target": [person], "recorded": "2026-01-10T10:00:00Z", "agent": [{"who": {"display": "twin author"}}],
        }),
        "Procedure" => json!({"status": "completed", "subject": person, "code": coded}),
        "AllergyIntolerance" | "Immunization" => json!({"patient": person, "code": coded}),
        "CarePlan" => json!({"status": "active", "intent": "plan", "subject": person}),
        "DiagnosticReport" => json!({"status": "final", "subject": person, "code": coded}),
        _ => return None,
    };
    let identifier = json!({"system": SYSTEM, "value": "@mark@"});
    match resource_type {
        "Binary" | "Subscription" | "Provenance" => {}
        "QuestionnaireResponse" => least["identifier"] = identifier,
        _ => least["identifier"] = json!([identifier]),
    }
    if resource_type != "Binary" {
        least["text"] = narrative();
    }
    least["resourceType"] = json!(resource_type);
    Some(least)
}

/// A narrative with the mark.
fn narrative() -> Value {
    json!({"status": "additional", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>twin told @mark@</p></div>"})
}

/// A Consent of this status about the place of a Patient, with this provision.
pub fn consent(status: &str, provision: &Value) -> Value {
    json!({
        "resourceType": "Consent", "status": status, "identifier": [{"system": SYSTEM, "value": "@mark@"}],
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/@Patient@"}, "dateTime": "2026-01-10",
        "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
        "provision": provision, "text": narrative(),
    })
}

/// A provision about one recipient for one purpose.
pub fn provision(kind: &str, recipient: &str, purpose: &str) -> Value {
    json!({
        "type": kind,
        "actor": [{
            "role": {"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP",
            }]},
            "reference": {"reference": recipient},
        }],
        "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": purpose}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_data_of_each_type_that_lies_in_a_record() {
        for name in IN_A_RECORD {
            assert!(sample(name).is_some_and(|resource| resource["resourceType"] == name), "{name}");
        }
        assert!(OF_NO_PERSON.iter().all(|name| sample(name).is_none()));
    }
}
