//! Steps of a referral that many stories begin with.

use serde_json::{Value, json};

use crate::caller::{Answer, Caller};
use crate::gateway::Gateway;
use crate::resources::{consent, patient, permit, service_request};

/// A referral on its way, by the ids of its resources.
#[derive(Clone, Debug)]
pub struct Referral {
    /// The Patient, which is the record.
    pub patient: String,
    /// The Consent that lets it move.
    pub consent: String,
    /// The ServiceRequest; the referral Task has the same id.
    pub order: String,
    /// The organisation Task that was made last.
    pub task: String,
}

/// Places a referral from an organisation with a target, under a Consent that permits `permitted` to treat.
pub async fn place(gateway: &Gateway, sender: &str, permitted: &[&str], target: &str) -> Referral {
    let sender = gateway.as_(sender);
    let patient = sender.create(&patient()).await;
    let consent = sender.create(&consent(&patient, &permit(permitted))).await;
    let order = sender.create(&service_request(&patient, target)).await;
    let task = organization_task(&sender, &order).await;
    Referral { patient, consent, order, task }
}

/// The newest organisation Task of an order, as somebody sees it who placed or forwarded it.
///
/// # Panics
/// There is none.
pub async fn organization_task(sender: &Caller<'_>, order: &str) -> String {
    let tasks = sender.search(format!("Task?part-of=Task/{order}&_sort=-_id")).await;
    let newest = tasks.first().and_then(|task| task["id"].as_str());
    newest.unwrap_or_else(|| panic!("{} sees no organisation Task of {order}", sender.organization())).to_owned()
}

/// Brings a Task to a status, as the caller sees the Task now.
pub async fn bring(caller: &Caller<'_>, task: &str, status: &str) -> Answer {
    bring_with(caller, task, status, &[]).await
}

/// The same, with further members.
pub async fn bring_with(caller: &Caller<'_>, task: &str, status: &str, members: &[(&str, Value)]) -> Answer {
    let seen = caller.get(format!("Task/{task}")).await;
    if seen.status != 200 {
        return seen;
    }
    let mut changed = seen.json.clone();
    changed["status"] = json!(status);
    for (name, value) in members {
        changed[*name] = value.clone();
    }
    caller.put_with(format!("Task/{task}"), &changed, &[("if-match", &seen.etag())]).await
}

/// A Task by which the owner offers the order to the next organisation or pool.
pub fn forwarding(referral: &Referral, target: &str) -> Value {
    json!({
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "partOf": [{"reference": format!("Task/{}", referral.order)}],
        "focus": {"reference": format!("ServiceRequest/{}", referral.order)},
        "for": {"reference": format!("Patient/{}", referral.patient)},
        "owner": {"reference": target},
    })
}

/// Forwards a picked-up referral; answers it with the new organisation Task.
///
/// # Panics
/// It is refused.
pub async fn forward(sender: &Caller<'_>, referral: &Referral, target: &str) -> Referral {
    let answer = sender.post("Task", &forwarding(referral, target)).await;
    assert_eq!(answer.status, 201, "{answer}");
    Referral { task: answer.id(), ..referral.clone() }
}

/// The refusals in the trail of a record, or (without one) of the caller's own compartment: newest first, each its reason.
pub async fn refusals(custodian: &Caller<'_>, patient: Option<&str>) -> Vec<String> {
    let of = patient.map(|id| format!("&patient=Patient/{id}")).unwrap_or_default();
    let events = custodian.search(format!("AuditEvent?outcome=8&_count=500{of}")).await;
    events.iter().map(|event| event["outcomeDesc"].as_str().unwrap_or_default().to_owned()).collect()
}
