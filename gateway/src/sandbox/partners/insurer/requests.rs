//! Requests for an allowance, and what a care fund decides about them.

use mappings::identifiers::Ssin;
use serde_json::{Value, json};

use super::wishes::Answer;
use super::{Answers, Envelope, REMEMBERED_MAX, State};

/// A request that arrived.
#[derive(Clone, Debug)]
pub(super) struct Request {
    third_party: String,
    destination: u16,
    from: String,
    until: Option<String>,
}

/// Takes a request in, and decides about it: as a tester wishes, or by whether it is complete.
pub(super) fn arrive(state: &mut State, envelope: &Envelope, wishes: &[Answer]) {
    let body: Value = serde_json::from_slice(envelope.content.as_deref().unwrap_or_default()).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let request = Request {
        third_party: envelope.third_party.clone(),
        destination: envelope.destination,
        from: text("from").to_owned(),
        until: body.get("until").and_then(Value::as_str).map(str::to_owned),
    };
    let is_person = Ssin::parse(text("ssin")).is_ok_and(|ssin| ssin.check_digits_hold());
    let missing =
        [("ssin", is_person), ("convention", !text("convention").is_empty()), ("from", text("from").len() == 10)];
    let missing: Vec<&str> = missing.iter().filter(|(_, is_there)| !is_there).map(|(name, _)| *name).collect();
    let asked_for = wishes.iter().find_map(|wish| match wish {
        Answer::Decide { state, reason, .. } => Some((state.clone(), reason.clone())),
        _ => None,
    });
    let (decided, reason) = match asked_for {
        Some(decided) => decided,
        None if missing.is_empty() => ("approved".to_owned(), String::new()),
        None => ("inadmissible".to_owned(), format!("missing: {}", missing.join(", "))),
    };
    let mut put = Answers { envelope, wishes, state };
    let name = "care-decision";
    if !matches!(decided.as_str(), "inadmissible" | "submitted" | "in-treatment") {
        put.add(name, |own| decision(&envelope.input_reference, &request, ("in-treatment", ""), own));
    }
    put.add(name, |own| decision(&envelope.input_reference, &request, (&decided, &reason), own));
    state.requests.push_back((envelope.input_reference.clone(), request));
    if state.requests.len() > REMEMBERED_MAX {
        state.requests.pop_front();
    }
}

/// Decides about a request that arrived before.
///
/// # Errors
/// There is no such request.
pub(super) fn decide(state: &mut State, reference: &str, decided: (&str, &str)) -> Result<(), String> {
    let found = state.requests.iter().find(|(known, _)| known == reference).map(|(_, request)| request.clone());
    let request = found.ok_or("request: none of these 14 digits arrived")?;
    let envelope = Envelope {
        reference: String::new(),
        is_request: true,
        third_party: request.third_party.clone(),
        destination: request.destination,
        input_reference: reference.to_owned(),
        hash: String::new(),
        content: None,
    };
    let mut put = Answers { envelope: &envelope, wishes: &[], state };
    put.add("care-decision", |own| decision(reference, &request, decided, own));
    Ok(())
}

/// The content of a decision. Its number makes two of them that say the same two messages.
fn decision(reference: &str, request: &Request, (state, reason): (&str, &str), own: u64) -> Vec<u8> {
    let mut decision = json!({"request": reference, "state": state, "decision": own});
    if matches!(state, "approved" | "partly-approved" | "extended") {
        decision["from"] = json!(request.from);
        decision["tariffClass"] = json!(1);
    }
    if let (Some(until), "approved" | "partly-approved" | "extended" | "stopped") = (&request.until, state) {
        decision["until"] = json!(until);
    }
    if !reason.is_empty() {
        decision["reason"] = json!(reason);
    }
    decision.to_string().into_bytes()
}
