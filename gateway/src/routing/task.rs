//! The Tasks of a referral as resources: what the gateway makes, and what it shows of them.

use serde_json::{Value, json};

use super::minimum::Minimum;

/// The code system of `Task.code` in R4.
pub const TASK_CODE_SYSTEM: &str = "http://hl7.org/fhir/CodeSystem/task-code";

/// What a referral's Task is made from. References are relative literals.
#[derive(Clone, Debug)]
pub struct TaskFacts<'a> {
    /// The Task's own id.
    pub id: &'a str,
    /// `Task.status`.
    pub status: &'a str,
    /// `Patient/<id>`.
    pub patient: &'a str,
    /// `ServiceRequest/<id>`.
    pub service_request: &'a str,
    /// `Organization/<id>` of the sender.
    pub requester: &'a str,
    /// `Organization/<id>` or `HealthcareService/<pool>`; none for the referral Task.
    pub owner: Option<&'a str>,
    /// `Task/<id>` of the referral Task, for an organisation Task.
    pub part_of: Option<&'a str>,
    /// FHIR instant.
    pub authored_on: &'a str,
    /// FHIR instant at which the waiting ends.
    pub expires: &'a str,
}

/// The whole Task, without `meta`.
pub fn whole(facts: &TaskFacts<'_>, minimum: &Minimum) -> Value {
    let mut task = shown(facts, minimum);
    if let Some(part_of) = facts.part_of {
        task["partOf"] = json!([{"reference": part_of}]);
    }
    task["focus"] = json!({"reference": facts.service_request});
    task["for"] = json!({"reference": facts.patient});
    task["requester"] = json!({"reference": facts.requester});
    task
}

/// What the gateway shows of the Task to its room and to its sender, without `meta`.
pub fn shown(facts: &TaskFacts<'_>, minimum: &Minimum) -> Value {
    let mut task = json!({
        "resourceType": "Task",
        "id": facts.id,
        "status": facts.status,
        "intent": "order",
        "code": {"coding": [{"system": TASK_CODE_SYSTEM, "code": "fulfill"}]},
        "authoredOn": facts.authored_on,
        "restriction": {"period": {"end": facts.expires}},
        "input": minimum.inputs(),
    });
    if let Some(owner) = facts.owner {
        task["owner"] = json!({"reference": owner});
    }
    task
}

/// The room or owner that a reference names: `organization/<id>` or `pool/<id>`.
pub fn room(reference: &str) -> Option<String> {
    let (resource_type, id) = reference.split_once('/')?;
    match resource_type {
        "Organization" => Some(format!("organization/{id}")),
        "HealthcareService" => Some(format!("pool/{id}")),
        _ => None,
    }
}

/// The reference that names a room or an owner.
pub fn reference(room: &str) -> String {
    match room.split_once('/') {
        Some(("pool", id)) => format!("HealthcareService/{id}"),
        Some((_, id)) => format!("Organization/{id}"),
        None => String::new(),
    }
}
