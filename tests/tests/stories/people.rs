//! People sign in: what signs somebody in and what does not, sessions, roles, fresh sign-ins, and the codes of patients.

mod billing;
mod deliveries;
mod links;
mod oversight;
mod roles;
mod sessions;
mod sign_in;

use wellgate_tests::gateway::{Gateway, Options};

/// People sign in at a provider of the story's own.
fn with_people() -> Options {
    Options { has_people: true, ..Options::default() }
}

/// How many requests of whoever was nobody were refused for this reason since it was asked before.
fn counted(gateway: &Gateway, reason: &str) -> i64 {
    gateway.app.refusals.take().into_iter().filter(|((_, of), _)| *of == reason).map(|(_, refusals)| refusals).sum()
}

/// The acts and reasons in an organisation's own trail, the newest first: `act` or `act: reason`.
async fn trail(gateway: &Gateway, organization: &str) -> Vec<String> {
    let events = gateway.as_(organization).search("AuditEvent?_count=100").await;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let told = events.iter().map(|event| {
        let (act, reason) = (text(&event["subtype"][0]["code"]), text(&event["outcomeDesc"]));
        if reason.is_empty() { act } else { format!("{act}: {reason}") }
    });
    told.collect()
}
