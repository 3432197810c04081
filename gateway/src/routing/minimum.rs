//! What a waiting room sees before pick-up: made by the gateway from coded facts, never a client's text.
//!
//! Age band, region, care step, urgency, language. No `for`, no `focus`, no name of the sender: a small waiting room must
//! not tell who waits in it.

use mappings::postcode::Province;
use serde_json::{Value, json};

/// The system of the codes that say what an input of a waiting Task means.
pub const MINIMUM_SYSTEM: &str = "https://wellgate.example/fhir/CodeSystem/referral-minimum";

/// The coded facts of a waiting referral.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Minimum {
    /// For instance `25-44`; `unknown` where no birth date is recorded.
    pub age_band: &'static str,
    /// A Belgian province by its postcode, or `unknown`.
    pub region: &'static str,
    /// The kind of organisation asked: `elp`, `cgg`, …
    pub care_step: String,
    /// `ServiceRequest.priority`, a code of request-priority.
    pub urgency: &'static str,
    /// The primary subtag of a language, or `unknown`.
    pub language: String,
    /// Whom the person would rather see, where that was said: `occupational-physician` or `psychosocial-adviser`.
    pub preference: Option<&'static str>,
}

impl Minimum {
    /// Reads the facts from a Patient and a ServiceRequest.
    pub fn of(patient: &Value, service_request: &Value, care_step: &str, today: (i64, i64, i64)) -> Self {
        Self {
            age_band: age_band(patient.get("birthDate").and_then(Value::as_str), today),
            region: patient
                .get("address")
                .and_then(Value::as_array)
                .and_then(|addresses| addresses.iter().find_map(|address| address.get("postalCode")?.as_str()))
                .map_or("unknown", province),
            care_step: care_step.to_owned(),
            urgency: urgency(service_request.get("priority").and_then(Value::as_str)),
            language: language(patient),
            preference: None,
        }
    }

    /// The facts as `Task.input`.
    pub fn inputs(&self) -> Value {
        let input = |code: &str, value: &str| json!({"type": {"coding": [{"system": MINIMUM_SYSTEM, "code": code}]}, "valueCode": value});
        let mut inputs = vec![
            input("age-band", self.age_band),
            input("region", self.region),
            input("care-step", &self.care_step),
            input("urgency", self.urgency),
            input("language", &self.language),
        ];
        inputs.extend(self.preference.map(|code| input("preference", code)));
        Value::Array(inputs)
    }
}

/// Bands wide enough not to name a person; under 12, under 18 and from 65 on other services apply.
fn age_band(birth_date: Option<&str>, (year, month, day): (i64, i64, i64)) -> &'static str {
    let mut parts = birth_date.unwrap_or_default().split('-').map(str::parse::<i64>);
    let Some(Ok(birth_year)) = parts.next() else { return "unknown" };
    let birth_month = parts.next().and_then(Result::ok).unwrap_or(1);
    let birth_day = parts.next().and_then(Result::ok).unwrap_or(1);
    let had_birthday = (month, day) >= (birth_month, birth_day);
    match year - birth_year - i64::from(!had_birthday) {
        i64::MIN..=-1 => "unknown",
        0..=11 => "0-11",
        12..=17 => "12-17",
        18..=24 => "18-24",
        25..=44 => "25-44",
        45..=64 => "45-64",
        _ => "65+",
    }
}

/// The code of a Belgian postcode's province (ISO 3166-2).
fn province(postcode: &str) -> &'static str {
    Province::of_postcode(postcode).map_or("unknown", Province::code)
}

fn urgency(priority: Option<&str>) -> &'static str {
    match priority {
        Some("urgent") => "urgent",
        Some("asap") => "asap",
        Some("stat") => "stat",
        _ => "routine",
    }
}

/// The preferred language, else the first: only a two-letter primary subtag passes, so that no client text does.
fn language(patient: &Value) -> String {
    let communications = patient.get("communication").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let preferred =
        communications.iter().find(|communication| communication.get("preferred") == Some(&Value::Bool(true)));
    let code = preferred
        .or(communications.first())
        .and_then(|communication| communication.pointer("/language/coding/0/code").and_then(Value::as_str));
    match code.and_then(|code| code.split('-').next()) {
        Some(subtag) if subtag.len() == 2 && subtag.bytes().all(|byte| byte.is_ascii_lowercase()) => subtag.to_owned(),
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_client_passes() {
        let patient = json!({"birthDate": "1990-06-15", "name": [{"text": "SECRET"}],
            "address": [{"postalCode": "SECRET", "city": "SECRET"}],
            "communication": [{"language": {"coding": [{"code": "SECRET"}], "text": "SECRET"}}]});
        let order = json!({"priority": "SECRET", "note": [{"text": "SECRET"}]});
        let inputs = Minimum::of(&patient, &order, "elp", (2026, 3, 1)).inputs().to_string();
        assert!(!inputs.contains("SECRET"), "{inputs}");
    }

    #[test]
    fn an_age_is_told_as_a_band() {
        let today = (2026, 3, 1);
        for (birth, band) in [
            ("2014-03-01", "12-17"),
            ("2014-03-02", "0-11"),
            ("2008-03", "18-24"),
            ("1961", "65+"),
            ("1990-06-15", "25-44"),
            ("2030-01-01", "unknown"),
            ("x", "unknown"),
        ] {
            assert_eq!(age_band(Some(birth), today), band, "{birth}");
        }
        assert_eq!(age_band(None, today), "unknown");
    }

    #[test]
    fn the_facts_are_read_from_where_they_stand() {
        let patient = json!({"birthDate": "1990-06-15", "address": [{"city": "Gent"}, {"postalCode": "9000"}],
            "communication": [{"language": {"coding": [{"code": "fr"}]}},
                {"language": {"coding": [{"code": "nl-BE"}]}, "preferred": true}]});
        let minimum = Minimum::of(&patient, &json!({"priority": "urgent"}), "cgg", (2026, 3, 1));
        let expected = Minimum {
            age_band: "25-44",
            region: "BE-VOV",
            care_step: "cgg".to_owned(),
            urgency: "urgent",
            language: "nl".to_owned(),
            preference: None,
        };
        assert_eq!(minimum, expected);
    }
}
