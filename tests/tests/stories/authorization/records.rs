//! What is asked for: records with a resource of each served type, in the states in which the roles meet them.

use gateway::search::overlay::SERVED_TYPES;
use serde_json::{Value, json};
use wellgate_tests::caller::Caller;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::hook::subscription;
use wellgate_tests::referral::{Referral, bring, place};
use wellgate_tests::resources::{consent, encounter, observation, patient, permit, service_request};

/// A resource of each served type in one record.
pub(super) struct Targets {
    pub(super) patient: String,
    /// A RelatedPerson who reads.
    pub(super) representative: String,
    pub(super) resources: Vec<Value>,
}

/// A record that went from edpbw-a to elp-1, both named in its Consent with gp-1; everything in it is elp-1's.
pub(super) async fn held_record(gateway: &Gateway) -> Targets {
    let placed = place(gateway, "edpbw-a", &["edpbw-a", "elp-1", "gp-1"], "Organization/elp-1").await;
    let elp = gateway.as_("elp-1");
    bring(&elp, &placed.task, "accepted").await.expect(200);
    fill(&elp, &placed).await
}

/// A record that waits for the pool of cgg-1.
pub(super) async fn waiting_record(gateway: &Gateway) -> Targets {
    let edpbw = gateway.as_("edpbw-b");
    let person = edpbw.create(&patient()).await;
    let consent = edpbw.create(&consent(&person, &permit(&["cgg-1"]))).await;
    let referral = Referral { patient: person.clone(), consent, order: String::new(), task: String::new() };
    let targets = fill(&edpbw, &referral).await;
    edpbw.create(&service_request(&person, "HealthcareService/cgg-pool")).await;
    targets
}

/// A record of cgg-2, which has no other, whose Consent denies its practitioner.
pub(super) async fn excluding_record(gateway: &Gateway) -> Targets {
    let cgg = gateway.as_("cgg-2");
    let person = cgg.create(&patient()).await;
    let mut provision = permit(&["cgg-2"]);
    provision["type"] = json!("deny");
    provision["actor"][0]["reference"] = json!({"reference": "Practitioner/therapist-1"});
    let consent = cgg.create(&consent(&person, &provision)).await;
    let referral = Referral { patient: person, consent, order: String::new(), task: String::new() };
    fill(&cgg, &referral).await
}

async fn fill(holder: &Caller<'_>, referral: &Referral) -> Targets {
    let mut resources = Vec::new();
    for resource_type in SERVED_TYPES {
        let made = match resource_type {
            "Patient" => holder.get(format!("Patient/{}", referral.patient)).await.expect(200).json,
            "Consent" => holder.get(format!("Consent/{}", referral.consent)).await.expect(200).json,
            "AuditEvent" => {
                let mut event =
                    holder.search(format!("AuditEvent?patient={}&_count=1", referral.patient)).await[0].clone();
                event["meta"]["versionId"] = json!("1");
                event
            }
            _ => {
                let made = holder.post(resource_type, &resource(resource_type, &referral.patient)).await;
                assert_eq!(made.status, 201, "{resource_type}: {made}");
                made.json
            }
        };
        resources.push(made);
    }
    let mut reader = resource("RelatedPerson", &referral.patient);
    reader["active"] = json!(true);
    let scope = "https://wellgate.example/fhir/StructureDefinition/representation-scope";
    reader["extension"] = json!([{"url": scope, "valueCode": "read"}]);
    let representative = holder.create(&reader).await;
    Targets { patient: referral.patient.clone(), representative, resources }
}

/// The least that a resource of a type must have.
pub(super) fn resource(resource_type: &str, patient: &str) -> Value {
    let person = json!({"reference": format!("Patient/{patient}")});
    let organization = json!({"reference": "Organization/elp-1"});
    let coded = json!({"coding": [{"system": "https://ehr.example/code", "code": "test"}]});
    let mut least = match resource_type {
        "Patient" => self::patient(),
        "Consent" => consent(patient, &permit(&["mutuality-1"])),
        "ServiceRequest" => service_request(patient, ""),
        "Encounter" => encounter(patient),
        "Observation" => observation(patient),
        "RelatedPerson" => json!({"patient": person}),
        "Task" => json!({"status": "draft", "intent": "proposal", "for": person}),
        "EpisodeOfCare" => json!({"status": "active", "patient": person}),
        "CareTeam" | "Condition" => json!({"subject": person}),
        "Group" => json!({"type": "person", "actual": true}),
        "Questionnaire" => json!({"status": "draft"}),
        "QuestionnaireResponse" | "Communication" => json!({"status": "completed", "subject": person}),
        "DocumentReference" => {
            json!({"status": "current", "subject": person, "content": [{"attachment": {"contentType": "text/plain", "data": "VEVTVA=="}}]})
        }
        "Binary" => json!({"contentType": "text/plain", "data": "VEVTVA==", "securityContext": person}),
        "Coverage" => json!({"status": "active", "beneficiary": person, "payor": [organization]}),
        "CoverageEligibilityRequest" => {
            json!({"status": "active", "purpose": ["benefits"], "patient": person, "created": "2026-03-01", "insurer": organization})
        }
        "CoverageEligibilityResponse" => json!({
            "status": "active", "purpose": ["benefits"], "patient": person, "created": "2026-03-01", "outcome": "complete",
            "insurer": organization, "request": {"display": "test"},
        }),
        "Claim" => json!({
            "status": "active", "type": coded, "use": "claim", "patient": person, "created": "2026-03-01", "provider": organization,
            "priority": coded, "insurance": [{"sequence": 1, "focal": true, "coverage": {"display": "test"}}],
        }),
        "ClaimResponse" => json!({
            "status": "active", "type": coded, "use": "claim", "patient": person, "created": "2026-03-01",
            "insurer": organization, "outcome": "complete",
        }),
        "Endpoint" => json!({
            "status": "test", "connectionType": {"code": "test"}, "payloadType": [coded], "address": "https://ehr.example/fhir",
        }),
        "Subscription" => subscription("waiting-room", "https://ehr.example/hook"),
        "Provenance" => {
            json!({"target": [person], "recorded": "2026-03-01T12:00:00Z", "agent": [{"who": organization}]})
        }
        "AuditEvent" => json!({
            "type": {"system": "https://ehr.example/code", "code": "test"}, "recorded": "2026-03-01T12:00:00Z",
            "agent": [{"requestor": true}], "source": {"observer": organization},
        }),
        "Organization" => json!({"name": "Test organisation"}),
        _ => json!({"active": true}),
    };
    if resource_type == "Location" {
        least = json!({});
    }
    least["resourceType"] = json!(resource_type);
    least
}
