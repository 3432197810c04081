//! What Co-prev is asked and answers: which employments somebody has on a day, and which prevention service is behind each.
//!
//! No such interface is published, so this is one that the gateway proposes; a legal basis (a deliberation of the Information Security
//! Committee) comes with each question. Whatever is answered is hostile input: it is held to the question, and texts and numbers in it have limits.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::identifiers::{Cbe, Ssin};
use crate::r4::time::is_date;

/// Employments in one answer.
pub const EMPLOYMENTS_MAX: usize = 50;
const WARNINGS_MAX: usize = 20;
const NAME_LENGTH_MAX: usize = 200;
const CODE_LENGTH_MAX: usize = 64;

/// One question. It names a person, so it shows nothing by `Debug`.
#[derive(Clone)]
pub struct Question {
    /// About whom.
    pub ssin: Ssin,
    /// For which day, `YYYY-MM-DD`.
    pub reference_date: String,
    /// What for: a code such as `reintegration`.
    pub purpose: String,
}

/// Who asks, and on which legal basis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The number of the deliberation.
    pub legal_basis: String,
    /// The organisation that asks.
    pub cbe: Cbe,
}

/// What was found. It holds no national number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lookup {
    /// Our reference.
    pub lookup_id: String,
    /// The day for which it holds, which may be earlier than the day that was asked for.
    pub as_of: String,
    /// None, one or several, in the order of the answer. Several are as usual as none: whoever takes one without asking errs.
    pub employments: Vec<Employment>,
    /// Codes of what the partner is not sure of. Sorted, may be empty.
    pub warnings: BTreeSet<String>,
}

/// An employment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Employment {
    /// The employer's enterprise number.
    pub employer_cbe: String,
    /// The employer's name, as the partner has it; may be empty.
    pub employer_name: String,
    /// Its first day.
    pub from: String,
    /// Its last day; none where it goes on.
    pub to: Option<String>,
    /// The prevention service; none where the partner knows of none.
    pub service: Option<PreventionService>,
}

/// A prevention service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreventionService {
    /// Its code at the partner; may be empty.
    pub code: String,
    /// Its enterprise number.
    pub cbe: Option<String>,
    /// Its name; may be empty.
    pub name: String,
}

/// Why an answer is of no use. No variant repeats anything of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It answers another question.
    #[error("the answer is to another lookup")]
    OtherLookup,
    /// It is about somebody else.
    #[error("the answer is about another person, or does not say about whom it is")]
    OtherPerson,
    /// An element is missing or wrong.
    #[error("the answer's {0} is missing or wrong")]
    Element(&'static str),
    /// More than anybody has.
    #[error("the answer has more than {EMPLOYMENTS_MAX} employments")]
    TooMany,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Question(***)")
    }
}

impl Question {
    /// The question as it is queued.
    pub fn to_value(&self) -> Value {
        json!({"ssin": self.ssin.as_str(), "referenceDate": self.reference_date, "purpose": self.purpose})
    }

    /// Reads a queued question; none where it is none.
    pub fn from_value(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let ssin = Ssin::parse(text("ssin")?).ok()?;
        let reference_date = text("referenceDate").filter(|date| is_day(date))?.to_owned();
        Some(Self { ssin, reference_date, purpose: text("purpose").filter(|code| is_code(code))?.to_owned() })
    }

    /// The question as it is sent, under our reference.
    pub fn to_request(&self, lookup_id: &str, asker: &Asker) -> Value {
        json!({
            "lookupId": lookup_id,
            "ssin": self.ssin.as_str(),
            "purpose": self.purpose,
            "referenceDate": self.reference_date,
            "legalBasis": asker.legal_basis,
            "requester": {"cbe": asker.cbe.as_str()},
        })
    }

    /// Reads the answer to this question.
    ///
    /// # Errors
    /// [`AnswerError`]: above all where it is about somebody else, or answers another question.
    pub fn read(&self, lookup_id: &str, answer: &Value) -> Result<Lookup, AnswerError> {
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        if text("lookupId") != Some(lookup_id) {
            return Err(AnswerError::OtherLookup);
        }
        if text("ssin") != Some(self.ssin.as_str()) {
            return Err(AnswerError::OtherPerson);
        }
        let as_of = text("asOf").filter(|date| is_day(date) && *date <= self.reference_date.as_str());
        let as_of = as_of.ok_or(AnswerError::Element("asOf"))?;
        let found = answer.get("employments").and_then(Value::as_array).ok_or(AnswerError::Element("employments"))?;
        if found.len() > EMPLOYMENTS_MAX {
            return Err(AnswerError::TooMany);
        }
        let mut employments = Vec::new();
        for one in found {
            let employment = employment(one)?;
            // The same employment twice is one, or a choice would be asked where there is none.
            if !employments.contains(&employment) {
                employments.push(employment);
            }
        }
        let warnings = match answer.get("warnings") {
            None | Some(Value::Null) => BTreeSet::new(),
            Some(Value::Array(all)) => warnings(all),
            Some(_) => return Err(AnswerError::Element("warnings")),
        };
        Ok(Lookup { lookup_id: lookup_id.to_owned(), as_of: as_of.to_owned(), employments, warnings })
    }
}

impl Lookup {
    /// The employments that are not over on a day, nor begin after it.
    pub fn active_on<'l>(&'l self, day: &'l str) -> impl Iterator<Item = &'l Employment> {
        self.employments.iter().filter(move |employment| employment.is_active_on(day))
    }

    /// What was found, as a value that is kept.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Reads what was kept; none where it is something else.
    pub fn from_value(value: Value) -> Option<Self> {
        serde_json::from_value(value).ok()
    }
}

impl Employment {
    /// Whether it is not over on a day, nor begins after it.
    pub fn is_active_on(&self, day: &str) -> bool {
        // Days of this form are in the order of their texts.
        self.from.as_str() <= day && self.to.as_deref().is_none_or(|to| to >= day)
    }
}

/// The stable code of an error of the partner; none where what it says is no code.
pub fn problem_code(body: &[u8]) -> Option<String> {
    let problem: Value = serde_json::from_slice(body).ok()?;
    let code = problem.get("code")?.as_str()?;
    (code.starts_with("coprev.") && is_code(code)).then(|| code.to_owned())
}

fn employment(value: &Value) -> Result<Employment, AnswerError> {
    let at = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    let cbe = at("/employer/cbe").filter(|cbe| Cbe::parse(cbe).is_ok());
    let from = at("/from").filter(|date| is_day(date)).ok_or(AnswerError::Element("employments.from"))?;
    let to = match value.get("to") {
        None | Some(Value::Null) => None,
        Some(to) => {
            let to = to.as_str().filter(|date| is_day(date));
            Some(to.ok_or(AnswerError::Element("employments.to"))?.to_owned())
        }
    };
    let service = match value.get("preventionService") {
        None | Some(Value::Null) => None,
        Some(service) => Some(prevention_service(service)?),
    };
    Ok(Employment {
        employer_cbe: cbe.ok_or(AnswerError::Element("employments.employer.cbe"))?.to_owned(),
        employer_name: name(at("/employer/name")),
        from: from.to_owned(),
        to,
        service,
    })
}

/// A service is known by its enterprise number or its code: one of the two has to be there.
fn prevention_service(value: &Value) -> Result<PreventionService, AnswerError> {
    let wrong = AnswerError::Element("employments.preventionService");
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let code = text("code").unwrap_or_default();
    let cbe = text("cbe").map(str::to_owned);
    let is_known = !code.is_empty() || cbe.is_some();
    let is_right = code.is_empty() || is_code(code);
    if !is_known || !is_right || cbe.as_deref().is_some_and(|cbe| Cbe::parse(cbe).is_err()) {
        return Err(wrong);
    }
    Ok(PreventionService { code: code.to_owned(), cbe, name: name(text("name")) })
}

fn warnings(all: &[Value]) -> BTreeSet<String> {
    let codes = all.iter().filter_map(Value::as_str).filter(|code| is_code(code));
    codes.take(WARNINGS_MAX).map(str::to_owned).collect()
}

/// A name that people will read: of one line, without characters that hide or turn what stands beside them, and not too long.
fn name(text: Option<&str>) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let shown: String = text.unwrap_or_default().chars().filter(|c| !is_hidden(*c)).take(NAME_LENGTH_MAX).collect();
    shown.trim().to_owned()
}

fn is_code(text: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=CODE_LENGTH_MAX).contains(&text.len()) && text.bytes().all(is_fine)
}

/// A whole date: FHIR also calls a year one.
fn is_day(text: &str) -> bool {
    text.len() == 10 && is_date(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSIN: &str = "90010199992";

    fn question() -> Question {
        let ssin = Ssin::parse(SSIN).expect("a number");
        Question { ssin, reference_date: "2026-03-01".to_owned(), purpose: "reintegration".to_owned() }
    }

    fn answer() -> Value {
        json!({"lookupId": "d-1", "ssin": SSIN, "asOf": "2026-03-01", "employments": [
            {"employer": {"cbe": "0000100166", "name": "Bakkerij"}, "from": "2024-03-01", "to": null,
             "preventionService": {"code": "NOORD", "cbe": "0000000196", "name": "EDPBW Noord"}}], "warnings": ["dimona.lag"]})
    }

    fn changed(pointer: &str, value: Value) -> Value {
        let mut answer = answer();
        *answer.pointer_mut(pointer).expect("it is there") = value;
        answer
    }

    #[test]
    fn an_answer_to_another_question_or_about_another_person_is_refused() {
        for (pointer, value, error) in [
            ("/lookupId", json!("d-2"), AnswerError::OtherLookup),
            ("/lookupId", Value::Null, AnswerError::OtherLookup),
            ("/ssin", json!("90010299962"), AnswerError::OtherPerson),
            ("/ssin", json!(90_010_199_992_u64), AnswerError::OtherPerson),
            ("/ssin", Value::Null, AnswerError::OtherPerson),
        ] {
            assert_eq!(question().read("d-1", &changed(pointer, value)), Err(error), "{pointer}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_and_not_repeated() {
        for (pointer, value, element) in [
            ("/asOf", json!("2026-03-02"), "asOf"),
            ("/asOf", json!("2026"), "asOf"),
            ("/employments", Value::Null, "employments"),
            ("/employments/0", json!("x"), "employments.from"),
            ("/employments/0/employer/cbe", json!("1"), "employments.employer.cbe"),
            ("/employments/0/from", json!("yesterday"), "employments.from"),
            ("/employments/0/to", json!(1), "employments.to"),
            ("/employments/0/preventionService", json!({}), "employments.preventionService"),
            ("/employments/0/preventionService/code", json!("a b"), "employments.preventionService"),
            ("/employments/0/preventionService/cbe", json!("x"), "employments.preventionService"),
            ("/warnings", json!("x"), "warnings"),
        ] {
            assert_eq!(
                question().read("d-1", &changed(pointer, value)),
                Err(AnswerError::Element(element)),
                "{pointer}"
            );
        }
        let many = vec![answer()["employments"][0].clone(); EMPLOYMENTS_MAX + 1];
        assert_eq!(question().read("d-1", &changed("/employments", json!(many))), Err(AnswerError::TooMany));
    }

    #[test]
    fn employments_are_read_and_the_same_one_twice_is_one() {
        let one = answer()["employments"][0].clone();
        let lookup = question().read("d-1", &changed("/employments", json!([one, one]))).expect("it is right");
        assert_eq!(lookup.employments.len(), 1);
        assert_eq!(lookup.employments[0].service.as_ref().map(|service| service.code.as_str()), Some("NOORD"));
        assert_eq!(lookup.warnings.iter().map(String::as_str).collect::<Vec<_>>(), ["dimona.lag"]);
        let none = question().read("d-1", &changed("/employments", json!([]))).expect("none is an answer");
        assert_eq!(none.employments, []);
    }

    #[test]
    fn an_employment_is_active_from_its_first_day_to_its_last() {
        let ended = question().read("d-1", &changed("/employments/0/to", json!("2026-02-28"))).expect("it is right");
        for (day, active) in [("2024-02-29", 0), ("2024-03-01", 1), ("2026-02-28", 1), ("2026-03-01", 0)] {
            assert_eq!(ended.active_on(day).count(), active, "{day}");
        }
    }

    #[test]
    fn a_name_hides_nothing_and_has_an_end() {
        let sent = format!("Bak\u{202e}kerij\n<b>\u{0}{}", "x".repeat(10_000));
        let lookup = question().read("d-1", &changed("/employments/0/employer/name", json!(sent))).expect("a name");
        let name = &lookup.employments[0].employer_name;
        assert!(name.starts_with("Bakkerij<b>x") && name.len() == NAME_LENGTH_MAX, "{name}");
    }

    #[test]
    fn what_is_kept_is_read_again_and_holds_no_national_number() {
        let lookup = question().read("d-1", &answer()).expect("it is right");
        let kept = lookup.to_value();
        assert!(!kept.to_string().contains(SSIN), "{kept}");
        assert_eq!(Lookup::from_value(kept), Some(lookup));
        assert_eq!(Lookup::from_value(json!({"lookupId": 1})), None);
    }

    #[test]
    fn a_question_is_queued_and_read_again_and_shows_nobody() {
        let value = question().to_value();
        let again = Question::from_value(&value).expect("it is one");
        assert_eq!(again.to_value(), value);
        assert!(!format!("{again:?}").contains(SSIN));
        for (member, wrong) in [("ssin", "1"), ("referenceDate", "2026"), ("purpose", "a b")] {
            let mut value = value.clone();
            value[member] = json!(wrong);
            assert!(Question::from_value(&value).is_none(), "{member}");
        }
    }

    #[test]
    fn only_a_code_of_the_partner_is_taken_for_one() {
        assert_eq!(problem_code(br#"{"code": "coprev.ssin.invalid"}"#).as_deref(), Some("coprev.ssin.invalid"));
        for body in ["", "{}", r#"{"code": "90010199992"}"#, r#"{"code": "coprev. 90.01.01"}"#, r#"{"code": 1}"#] {
            assert_eq!(problem_code(body.as_bytes()), None, "{body}");
        }
    }
}
