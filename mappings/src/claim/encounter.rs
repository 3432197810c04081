//! Encounter: a contact, as far as it is billed. Why somebody came, and what was found, is not read.

use serde_json::Value;

use super::ElementIssue;
use super::place::{Issues, Place};
use super::read::{needed_day, time};
use crate::billing::Date;
use crate::identifiers::Nihdi;
use crate::r4::time::{Moment, Precision};

/// The class of an Encounter is a code of this.
const CLASS_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const UNIT_SYSTEM: &str = "http://unitsofmeasure.org";
const PARTICIPATION_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const MS_PER_MINUTE: i64 = 60_000;
/// The most types that are looked at.
const TYPES_MAX: usize = 20;

/// A contact that took place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillableContact {
    /// `Patient/<id>`.
    pub patient: String,
    /// The first day.
    pub first_day: Date,
    /// The last day; the first one where no end is written.
    pub last_day: Date,
    /// When it began, as `HHMM`; none of a stay of several days, or where no time is written.
    pub time: Option<u16>,
    /// The code of its class.
    pub class: String,
    /// The codes of its types, whatever their system; may be empty.
    pub types: Vec<String>,
    /// How long it took, whole minutes; none where that is not written.
    pub minutes: Option<u32>,
    /// Who did it: the primary performer, or the only one. None where there are several or none: a clerk says it then.
    pub provider: Option<Nihdi>,
}

/// Reads an Encounter that took place. `nihdi_of` has the NIHDI number of a practitioner who is referred to.
///
/// # Errors
/// Each element that is wrong; a contact that did not take place, or is not finished, among them.
pub fn from_encounter(
    encounter: &Value,
    nihdi_of: &dyn Fn(&str) -> Option<Nihdi>,
) -> Result<BillableContact, Vec<ElementIssue>> {
    let mut issues = Issues::default();
    let place = issues.resource(encounter, "Encounter");
    if place.text("status") != Some("finished") {
        issues.add("Encounter.status", "business-rule", "only a contact that is finished is billed");
    }
    let patient = issues.reference(&place, "subject");
    let class = place.at("/class/code").filter(|_| place.at("/class/system") == Some(CLASS_SYSTEM));
    if class.is_none() {
        issues.add("Encounter.class", "required", "the class must be a code of v3-ActCode");
    }
    let types = place.items("type").into_iter().flat_map(|one| one.items("coding")).take(TYPES_MAX);
    let types: Vec<String> = types.filter_map(|coding| coding.text("code").map(str::to_owned)).collect();
    let period = place.child("period");
    if period.is_none() {
        issues.add("Encounter.period", "required", "the day of the contact is needed");
    }
    let first_day = period.as_ref().and_then(|period| needed_day(period, "start", &mut issues));
    let last_day = period.as_ref().and_then(|period| issues.day(period, "end")).or(first_day);
    if first_day.zip(last_day).is_some_and(|(first, last)| last < first) {
        issues.add("Encounter.period", "invariant", "the end lies before the start");
    }
    let start = period.as_ref().and_then(|period| period.text("start"));
    let provider = provider(&place, nihdi_of);
    let read = (|| {
        let (first_day, last_day) = (first_day?, last_day?);
        Some(BillableContact {
            patient: patient?,
            first_day,
            last_day,
            time: start.and_then(time).filter(|_| first_day == last_day),
            class: class?.to_owned(),
            types,
            minutes: minutes(&place),
            provider,
        })
    })();
    issues.finish(read)
}

/// `length` in minutes or hours, or the time between start and end where both are written to the second.
fn minutes(encounter: &Place<'_>) -> Option<u32> {
    if let Some(length) = encounter.child("length") {
        let unit = length.text("code").filter(|_| length.text("system") == Some(UNIT_SYSTEM));
        let factor = match unit? {
            "min" => 1,
            "h" => 60,
            _ => return None,
        };
        let value = length.value.get("value").and_then(Value::as_u64)?;
        return u32::try_from(value).ok()?.checked_mul(factor);
    }
    let moment = |pointer: &str| {
        let moment = encounter.at(pointer).and_then(Moment::parse)?;
        (moment.precision >= Precision::Second).then_some(moment.low_ms)
    };
    let passed_ms = moment("/period/end")? - moment("/period/start")?;
    u32::try_from(passed_ms / MS_PER_MINUTE).ok()
}

fn provider(encounter: &Place<'_>, nihdi_of: &dyn Fn(&str) -> Option<Nihdi>) -> Option<Nihdi> {
    let is_primary = |participant: &&Place<'_>| {
        let codings = participant.items("type").into_iter().flat_map(|one| one.items("coding"));
        codings
            .into_iter()
            .any(|coding| coding.text("system") == Some(PARTICIPATION_SYSTEM) && coding.text("code") == Some("PPRF"))
    };
    let participants = encounter.items("participant");
    let with_individual: Vec<&Place<'_>> =
        participants.iter().filter(|participant| participant.value.get("individual").is_some()).collect();
    let primary: Vec<&Place<'_>> = with_individual.iter().copied().filter(is_primary).collect();
    let meant = if primary.is_empty() { with_individual } else { primary };
    let [one] = meant.as_slice() else { return None };
    // A number that is missing or wrong stops no contact: the line says that its provider is not known.
    Issues::default().nihdi(&one.child("individual")?, nihdi_of)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{Fault, day, known, nihdi, without};
    use super::*;

    fn encounter() -> Value {
        json!({
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"system": CLASS_SYSTEM, "code": "AMB"},
            "type": [{"coding": [{"system": "urn:x", "code": "first-line"}]}],
            "subject": {"reference": "Patient/pat1"},
            "participant": [{"individual": {"reference": "Practitioner/p1"}}],
            "period": {"start": "2026-03-02T23:30:00+01:00", "end": "2026-03-02T23:55:30+01:00"},
            "reasonCode": [{"text": "grief"}],
        })
    }

    #[test]
    fn a_contact_that_is_wrong_names_its_element() {
        let faults: [Fault; 8] = [
            ("resourceType", "structure", |one| one["resourceType"] = json!("Task")),
            ("Encounter.status", "business-rule", |one| one["status"] = json!("planned")),
            ("Encounter.subject.reference", "required", |one| without(one, "subject")),
            ("Encounter.class", "required", |one| one["class"]["system"] = json!("urn:x")),
            ("Encounter.period", "required", |one| without(one, "period")),
            ("Encounter.period.start", "required", |one| without(&mut one["period"], "start")),
            ("Encounter.period.start", "value", |one| one["period"]["start"] = json!("2026-03")),
            ("Encounter.period", "invariant", |one| one["period"]["end"] = json!("2026-03-01")),
        ];
        for (expression, code, change) in faults {
            let mut one = encounter();
            change(&mut one);
            let issues = from_encounter(&one, &known).expect_err("it is wrong");
            let found: Vec<_> = issues.iter().map(|issue| (issue.expression.as_str(), issue.code)).collect();
            assert_eq!(found, [(expression, code)]);
        }
    }

    #[test]
    fn a_contact_is_read_without_what_it_was_about() {
        let read = from_encounter(&encounter(), &known).expect("it is right");
        assert!(!format!("{read:?}").contains("grief"));
        assert_eq!((read.class.as_str(), read.types.as_slice()), ("AMB", &["first-line".to_owned()][..]));
        assert_eq!((read.first_day, read.last_day, read.time), (day("2026-03-02"), day("2026-03-02"), Some(2330)));
        assert_eq!((read.minutes, read.provider), (Some(25), Some(nihdi("12345625527"))));
    }

    #[test]
    fn a_length_that_is_not_written_is_not_known() {
        let minutes = |change: fn(&mut Value)| {
            let mut one = encounter();
            change(&mut one);
            from_encounter(&one, &known).expect("it is right").minutes
        };
        assert_eq!(minutes(|one| one["period"] = json!({"start": "2026-03-02", "end": "2026-03-02"})), None);
        assert_eq!(minutes(|one| without(&mut one["period"], "end")), None);
        assert_eq!(minutes(|one| one["length"] = json!({"value": 2, "unit": "h"})), None, "a unit without its system");
        let hours = json!({"value": 2, "system": UNIT_SYSTEM, "code": "h"});
        let mut one = encounter();
        one["length"] = hours;
        assert_eq!(from_encounter(&one, &known).expect("it is right").minutes, Some(120), "what is said goes first");
    }

    #[test]
    fn of_several_practitioners_only_a_primary_performer_did_it() {
        let mut one = encounter();
        let second = json!({"individual": {"reference": "Practitioner/p2"}});
        one["participant"].as_array_mut().expect("it is an array").push(second);
        assert_eq!(from_encounter(&one, &known).expect("it is right").provider, None);
        one["participant"][0]["type"] = json!([{"coding": [{"system": PARTICIPATION_SYSTEM, "code": "PPRF"}]}]);
        assert!(from_encounter(&one, &known).expect("it is right").provider.is_some());
    }
}
