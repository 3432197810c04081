//! What a search answers, rule by rule of <https://hl7.org/fhir/R4/search.html#modifyingresults>: includes, summaries, elements, and what is
//! said beside the matches.

mod includes;
mod parts;
mod several;

use serde_json::{Value, json};
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::resources::{observation, patient};

/// The entries of a Bundle, as `mode Type/id`, in their order; one that is no resource of the gateway's as `outcome code expression`.
fn entries(answer: &Answer) -> Vec<String> {
    let entries = answer.json["entry"].as_array().cloned().unwrap_or_default();
    entries
        .iter()
        .map(|entry| {
            let mode = entry["search"]["mode"].as_str().unwrap_or_default();
            let (resource_type, id) = (&entry["resource"]["resourceType"], &entry["resource"]["id"]);
            if resource_type == "OperationOutcome" {
                let issue = &entry["resource"]["issue"][0];
                assert_eq!(issue["severity"], "warning");
                return format!("{mode} {} {}", text(&issue["code"]), text(&issue["expression"][0]));
            }
            let own = format!("{}/{}", text(resource_type), text(id));
            assert!(text(&entry["fullUrl"]).ends_with(&format!("/fhir/{own}")), "{entry}");
            format!("{mode} {own}")
        })
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The same, but for the order of what is included.
fn sorted(answer: &Answer) -> Vec<String> {
    let mut entries = entries(answer);
    entries.sort_unstable();
    entries
}

/// A record with what refers to each other, by name and id.
struct Linked {
    patient: String,
    organization: String,
    practitioner: String,
    encounter: String,
    /// About the patient at the encounter, performed by the practitioner and the organisation.
    observation: String,
    /// Has `observation` among its members.
    panel: String,
    /// About the panel.
    provenance: String,
}

async fn linked(owner: &Caller<'_>) -> Linked {
    let organization = owner.create(&json!({"resourceType": "Organization", "name": "Test organisation"})).await;
    let practitioner = owner.create(&json!({"resourceType": "Practitioner", "name": [{"family": "Test"}]})).await;
    let mut person = patient();
    person["managingOrganization"] = json!({"reference": format!("Organization/{organization}")});
    let patient = owner.create(&person).await;
    let encounter = owner.create(&wellgate_tests::resources::encounter(&patient)).await;
    let mut seen = observation(&patient);
    seen["encounter"] = json!({"reference": format!("Encounter/{encounter}")});
    seen["performer"] = json!([{"reference": format!("Practitioner/{practitioner}")}, {"reference": format!("Organization/{organization}")}]);
    let observation_id = owner.create(&seen).await;
    let mut panel = observation(&patient);
    panel["hasMember"] = json!([{"reference": format!("Observation/{observation_id}")}]);
    let panel = owner.create(&panel).await;
    let provenance = json!({"resourceType": "Provenance", "target": [{"reference": format!("Observation/{panel}")}],
        "recorded": "2026-03-01T12:00:00Z", "agent": [{"who": {"reference": format!("Organization/{organization}")}}]});
    let provenance = owner.create(&provenance).await;
    Linked { patient, organization, practitioner, encounter, observation: observation_id, panel, provenance }
}
