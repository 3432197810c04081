//! The feedback of a closed referral: a Communication to the referrer that says how it ended and holds no dossier.

use serde_json::{Value, json};

/// Characters of feedback that are taken over in all, so that a dossier does not travel as feedback.
pub const FEEDBACK_CHARS_MAX: usize = 4_000;

/// What a feedback is made from. References are relative literals.
#[derive(Clone, Debug)]
pub struct FeedbackFacts<'a> {
    /// The Communication's own id.
    pub id: &'a str,
    /// `Organization/<id>` of whoever closed.
    pub sender: &'a str,
    /// `Organization/<id>` of the referrer.
    pub recipient: &'a str,
    /// `Task/<id>` that the referrer knows.
    pub task: &'a str,
    /// `Patient/<id>`; only in the whole, never in what the referrer sees.
    pub patient: &'a str,
    /// FHIR instant.
    pub sent: &'a str,
}

/// The texts that a closing Task carries for the referrer: `Task.output.valueString`, in order.
///
/// # Errors
/// The element that is too long.
pub fn texts(task: &Value) -> Result<Vec<String>, String> {
    let outputs = task.get("output").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut texts = Vec::new();
    let mut chars = 0;
    for (n, output) in outputs.iter().enumerate() {
        if let Some(text) = output.get("valueString").and_then(Value::as_str) {
            chars += text.chars().count();
            if chars > FEEDBACK_CHARS_MAX {
                return Err(format!("Task.output[{n}].valueString"));
            }
            texts.push(text.to_owned());
        }
    }
    Ok(texts)
}

/// What the referrer sees, without `meta`: the text that was written for it, and its own Task.
pub fn shown(facts: &FeedbackFacts<'_>, texts: &[String]) -> Value {
    let mut communication = json!({
        "resourceType": "Communication",
        "id": facts.id,
        "partOf": [{"reference": facts.task}],
        "status": "completed",
        "sent": facts.sent,
        "recipient": [{"reference": facts.recipient}],
        "sender": {"reference": facts.sender},
    });
    if !texts.is_empty() {
        communication["payload"] = texts.iter().map(|text| json!({"contentString": text})).collect();
    }
    communication
}

/// The whole Communication, without `meta`.
pub fn whole(facts: &FeedbackFacts<'_>, texts: &[String]) -> Value {
    let mut communication = shown(facts, texts);
    communication["subject"] = json!({"reference": facts.patient});
    communication
}
