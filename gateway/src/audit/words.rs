//! An event of the trail in plain words: as an entry of the access log, and as the narrative of the FHIR resource.
//!
//! Names come in as arguments. The text of a client is not told: neither request ids nor anything that was sent.

use serde_json::{Value, json};

use super::catalogue::Catalogue;
use super::event::{Actor, StoredEvent};
use crate::clock::format_instant;
use crate::markup::escape;

/// How those whom an event names are called, as far as they are registered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names<'n> {
    /// Of the organisation.
    pub organization: Option<&'n str>,
    /// Of the practitioner.
    pub practitioner: Option<&'n str>,
}

/// An entry of the access log, ready for a page.
pub fn entry(event: &StoredEvent, names: Names<'_>, texts: &Catalogue) -> Value {
    let coded = |kind: &str, code: &str| json!({"code": code, "text": texts.text(kind, code)});
    let outcome = outcome(event);
    let (kind, who) = who(event, names, texts);
    let mut entry = json!({
        "id": event.id,
        "when": format_instant(event.recorded_ms),
        "who": {"kind": kind, "text": who},
        "client": event.client,
        "act": coded("act", &event.subtype),
        "purpose": coded("purpose", &event.purpose),
        "outcome": coded("outcome", outcome),
    });
    if let Some(id) = event.organization.strip_prefix("organization/").filter(|_| kind == "organization") {
        entry["organization"] = json!({"id": id, "name": names.organization});
    }
    match event.practitioner.split_once('/') {
        Some(("practitioner", id)) => entry["practitioner"] = json!({"id": id, "name": names.practitioner}),
        Some((_, id)) => entry["staff"] = json!({"id": id, "name": names.practitioner}),
        None => {}
    }
    if !event.resource_type.is_empty() {
        let text = texts.text("type", &event.resource_type);
        entry["what"] = json!({"type": event.resource_type, "text": text});
        if !event.resource_id.is_empty() {
            entry["what"]["reference"] = json!(format!("{}/{}", event.resource_type, event.resource_id));
        }
    }
    if !event.basis.is_empty() {
        entry["basis"] = coded("basis", &event.basis);
    }
    if !event.consents.is_empty() {
        entry["consents"] = event.consents.split_whitespace().map(|id| json!(format!("Consent/{id}"))).collect();
    }
    if !event.reason.is_empty() {
        entry["reason"] = coded("reason", &event.reason);
    }
    entry
}

/// The event as the `div` of a narrative.
pub fn narrative(event: &StoredEvent, names: Names<'_>, texts: &Catalogue) -> String {
    let label = |code: &'static str| texts.text("label", code);
    let (_, who) = who(event, names, texts);
    let mut what = texts.text("act", &event.subtype).to_owned();
    if !event.resource_type.is_empty() {
        what = format!("{what} ({})", texts.text("type", &event.resource_type));
    }
    let when = format_instant(event.recorded_ms);
    let when = when.get(..16).unwrap_or(&when).replace('T', " ") + " UTC";
    let mut outcome = texts.text("outcome", outcome(event)).to_owned();
    if !event.reason.is_empty() {
        outcome = format!("{outcome}: {}", texts.text("reason", &event.reason));
    }
    let mut lines = vec![
        (label("when"), when),
        (label("who"), format!("{who} ({} {})", label("via"), event.client)),
        (label("what"), what),
        (label("why"), texts.text("purpose", &event.purpose).to_owned()),
    ];
    if !event.basis.is_empty() {
        lines.push((label("basis"), texts.text("basis", &event.basis).to_owned()));
    }
    lines.push((label("outcome"), outcome));
    let lines: Vec<String> = lines.iter().map(|(label, text)| format!("{}: {}", escape(label), escape(text))).collect();
    format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{}</p></div>", lines.join("<br/>"))
}

fn outcome(event: &StoredEvent) -> &'static str {
    if event.outcome == "0" { "success" } else { "refused" }
}

/// What kind of caller it was, and how it is called.
fn who(event: &StoredEvent, names: Names<'_>, texts: &Catalogue) -> (&'static str, String) {
    let kind = match event.organization.split_once('/') {
        _ if event.organization == Actor::GATEWAY => "gateway",
        Some(("patient", _)) => "person",
        Some(("related-person", _)) => "representative",
        Some(_) => "organization",
        None => "other-person",
    };
    if kind != "organization" {
        return (kind, texts.text("who", kind).to_owned());
    }
    let organization = names.organization.unwrap_or_else(|| texts.text("who", "organization"));
    if event.practitioner.is_empty() {
        return (kind, organization.to_owned());
    }
    let practitioner = names.practitioner.unwrap_or_else(|| texts.text("who", "practitioner"));
    (kind, format!("{organization}, {practitioner}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::catalogue::Language;

    fn event() -> StoredEvent {
        let [compartment, id, action, subtype] = ["r", "e", "R", "read"].map(str::to_owned);
        let [outcome, organization, client, purpose] = ["0", "organization/a", "a-ehr", "TREAT"].map(str::to_owned);
        let [basis, resource_type, resource_id, request_id] =
            ["consent", "Patient", "r", "secret-7"].map(str::to_owned);
        StoredEvent {
            compartment,
            id,
            recorded_ms: 1_772_366_400_000,
            action,
            subtype,
            outcome,
            reason: String::new(),
            organization,
            client,
            practitioner: String::new(),
            purpose,
            basis,
            resource_type,
            resource_id,
            version_id: 1,
            request_id,
            case_id: String::new(),
            network: String::new(),
            query: String::new(),
            consents: String::new(),
        }
    }

    #[test]
    fn a_disclosure_says_who_when_what_why_and_on_which_basis() {
        let names = Names { organization: Some("De Linde"), practitioner: None };
        let told = narrative(&event(), names, Catalogue::of(Language::Dutch));
        assert_eq!(
            told,
            "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>Wanneer: 2026-03-01 12:00 UTC<br/>Wie: De Linde (via a-ehr)<br/>\
             Wat: gelezen (persoonsgegevens)<br/>Waarvoor: behandeling<br/>Op grond van: toestemming van de persoon<br/>\
             Uitkomst: gelukt</p></div>"
        );
        let entry = entry(&event(), names, Catalogue::of(Language::English));
        assert_eq!(entry["organization"], json!({"id": "a", "name": "De Linde"}));
        assert_eq!(entry["what"]["reference"], "Patient/r");
        assert_eq!(entry["basis"], json!({"code": "consent", "text": "consent of the person"}));
        assert!(entry.get("reason").is_none() && entry.get("practitioner").is_none());
        assert!(!entry.to_string().contains("secret-7"), "what a client made up is not told");
    }

    #[test]
    fn a_name_is_never_markup() {
        let names = Names { organization: Some("<script>alert(\"1\")</script> & Zn\u{1}"), practitioner: None };
        let told = narrative(&event(), names, Catalogue::of(Language::Dutch));
        assert!(told.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; Zn "), "{told}");
    }

    #[test]
    fn whoever_called_is_told_by_kind_and_an_unnamed_person_stays_unnamed() {
        let texts = Catalogue::of(Language::English);
        for (identity, kind) in [
            ("organization/a", "organization"),
            ("organization/wellgate", "gateway"),
            ("patient/r", "person"),
            ("related-person/7", "representative"),
            ("person", "other-person"),
        ] {
            let entry = entry(&StoredEvent { organization: identity.to_owned(), ..event() }, Names::default(), texts);
            assert_eq!(entry["who"]["kind"], kind);
            assert_eq!(entry["who"]["text"], texts.text("who", kind));
        }
    }
}
