//! The contact with which a treatment begins: an Encounter or an `EpisodeOfCare`, as far as the register asks.

use serde_json::Value;

use super::date::Date;
use super::response::ReadIssue;

/// Face to face, where a stay or a visit is meant: the codes of v3-ActCode by which R4 classes an Encounter.
const CLASS_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

/// What the register asks of a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its first day, in the zone in which it was written.
    pub started: Date,
    /// The class of an Encounter; none for an `EpisodeOfCare`, which has no class.
    pub class: Option<String>,
}

/// Reads an Encounter.
///
/// # Errors
/// It has no first day, no class, or did not take place.
pub fn contact_of_encounter(encounter: &Value) -> Result<Contact, Vec<ReadIssue>> {
    let mut issues = of_type(encounter, "Encounter");
    if !matches!(text(encounter, "/status"), Some("arrived" | "triaged" | "in-progress" | "onleave" | "finished")) {
        issues.push(ReadIssue::new(
            "Encounter.status",
            "business-rule",
            "only a contact that takes or took place is registered",
        ));
    }
    let class = text(encounter, "/class/code").filter(|_| text(encounter, "/class/system") == Some(CLASS_SYSTEM));
    if class.is_none() {
        issues.push(ReadIssue::new("Encounter.class", "required", "the class must be a code of v3-ActCode"));
    }
    finish(encounter, "Encounter", class.map(str::to_owned), issues)
}

/// Reads an `EpisodeOfCare`.
///
/// # Errors
/// It has no first day, or did not begin.
pub fn contact_of_episode_of_care(episode: &Value) -> Result<Contact, Vec<ReadIssue>> {
    let mut issues = of_type(episode, "EpisodeOfCare");
    if !matches!(text(episode, "/status"), Some("active" | "onhold" | "finished")) {
        issues.push(ReadIssue::new(
            "EpisodeOfCare.status",
            "business-rule",
            "only an episode that began is registered",
        ));
    }
    finish(episode, "EpisodeOfCare", None, issues)
}

fn of_type(resource: &Value, resource_type: &str) -> Vec<ReadIssue> {
    if text(resource, "/resourceType") == Some(resource_type) {
        return Vec::new();
    }
    vec![ReadIssue::new("resourceType", "structure", &format!("this is no {resource_type}"))]
}

fn finish(
    resource: &Value,
    resource_type: &str,
    class: Option<String>,
    mut issues: Vec<ReadIssue>,
) -> Result<Contact, Vec<ReadIssue>> {
    let started = text(resource, "/period/start").and_then(Date::of_date_time);
    match started {
        Some(started) if issues.is_empty() => Ok(Contact { started, class }),
        Some(_) => Err(issues),
        None => {
            let element = format!("{resource_type}.period.start");
            issues.push(ReadIssue::new(&element, "required", "the first day must be given, to the day"));
            Err(issues)
        }
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn encounter() -> Value {
        json!({"resourceType": "Encounter", "status": "finished", "class": {"system": CLASS_SYSTEM, "code": "AMB"},
            "period": {"start": "2026-03-01T09:00:00+01:00"}})
    }

    fn elements(read: Result<Contact, Vec<ReadIssue>>) -> Vec<String> {
        read.err().unwrap_or_default().into_iter().map(|issue| issue.expression).collect()
    }

    #[test]
    fn a_contact_has_its_day_and_its_class() {
        let contact = contact_of_encounter(&encounter());
        assert_eq!(
            contact,
            Ok(Contact { started: Date::new(2026, 3, 1).expect("a day"), class: Some("AMB".to_owned()) })
        );
        let episode = json!({"resourceType": "EpisodeOfCare", "status": "active", "period": {"start": "2026-03-01"}});
        assert_eq!(contact_of_episode_of_care(&episode).map(|contact| contact.class), Ok(None));
    }

    #[test]
    fn what_is_missing_is_named_all_at_once() {
        assert_eq!(
            elements(contact_of_encounter(&json!({"resourceType": "Encounter"}))),
            ["Encounter.status", "Encounter.class", "Encounter.period.start"]
        );
        assert_eq!(
            elements(contact_of_episode_of_care(&json!({}))),
            ["resourceType", "EpisodeOfCare.status", "EpisodeOfCare.period.start"]
        );
    }

    #[test]
    fn a_contact_that_did_not_take_place_is_not_registered() {
        for status in ["planned", "cancelled", "entered-in-error", "unknown"] {
            let mut encounter = encounter();
            encounter["status"] = json!(status);
            assert_eq!(elements(contact_of_encounter(&encounter)), ["Encounter.status"], "{status}");
        }
        for status in ["planned", "waitlist", "cancelled", "entered-in-error"] {
            let episode = json!({"resourceType": "EpisodeOfCare", "status": status, "period": {"start": "2026-03-01"}});
            assert_eq!(elements(contact_of_episode_of_care(&episode)), ["EpisodeOfCare.status"], "{status}");
        }
    }

    #[test]
    fn a_class_of_another_system_and_a_month_are_not_enough() {
        let mut wrong = encounter();
        wrong["class"]["system"] = json!("http://example.org/classes");
        assert_eq!(elements(contact_of_encounter(&wrong)), ["Encounter.class"]);
        let mut wrong = encounter();
        wrong["period"]["start"] = json!("2026-03");
        assert_eq!(elements(contact_of_encounter(&wrong)), ["Encounter.period.start"]);
        let mut wrong = encounter();
        wrong["resourceType"] = json!("Observation");
        assert_eq!(elements(contact_of_encounter(&wrong)), ["resourceType"]);
    }
}
