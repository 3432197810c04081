//! The rules of R4 for clients, page by page, a named check a rule: <https://hl7.org/fhir/R4/http.html> and what it leads to.

mod asynchronous;
mod conditional;
mod history;
mod http;
mod patch;
mod transaction;

use serde_json::{Value, json};
use wellgate_tests::caller::Answer;

/// The status of each entry of a response.
fn statuses(answer: &Answer) -> Vec<u16> {
    let entries = answer.json["entry"].as_array().cloned().unwrap_or_default();
    let status = |entry: &Value| entry["response"]["status"].as_str().and_then(|status| status[..3].parse().ok());
    entries.iter().map(|entry| status(entry).expect("an entry has its status")).collect()
}

/// A Patient with an identifier of its own.
fn identified(value: &str) -> Value {
    let mut patient = wellgate_tests::resources::patient();
    patient["identifier"][0]["value"] = json!(value);
    patient
}

/// The criteria by which such a Patient is found.
fn by(value: &str) -> String {
    format!("identifier=https://ehr.example/patient|{value}")
}
