//! What an intake says: the coded inputs of its Task, read and held to their types.

use mappings::identifiers::Ssin;
use serde_json::Value;

use crate::access::Draft;
use crate::error::Failure;
use crate::routing::intake::Step;

/// The system of the codes of an intake: its Task's code, inputs, outputs and `businessStatus`.
pub const SYSTEM: &str = "https://wellgate.example/fhir/CodeSystem/intake";
/// The code of an intake's Task.
pub const CODE: &str = "find-recipient";
/// The system of national numbers.
pub(super) const SSIN_SYSTEM: &str = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/ssin";
/// Whom somebody may rather see.
const PREFERENCES: [&str; 2] = ["occupational-physician", "psychosocial-adviser"];
const CHOICE_LENGTH_MAX: usize = 200;

/// What is asked for, and what is known. It may hold a national number, so it is not printed.
pub(super) struct Form {
    /// The record of the person.
    pub(super) record: String,
    /// The order that is to find somebody.
    pub(super) order: String,
    pub(super) permits_lookup: bool,
    pub(super) is_self_employed: bool,
    pub(super) step: Option<Step>,
    pub(super) number: Option<Ssin>,
    pub(super) preference: Option<&'static str>,
    pub(super) chosen: Option<String>,
}

/// Whether a Task is an intake.
pub(super) fn is_form(task: &Value) -> bool {
    let codings = task.pointer("/code/coding").and_then(Value::as_array).into_iter().flatten();
    codings.into_iter().any(|coding| is_coded(coding, CODE))
}

fn is_coded(coding: &Value, code: &str) -> bool {
    coding.get("system").and_then(Value::as_str) == Some(SYSTEM)
        && coding.get("code").and_then(Value::as_str) == Some(code)
}

impl Form {
    /// Reads an intake's Task.
    ///
    /// # Errors
    /// 422 naming the element.
    pub(super) fn read(draft: &Draft<'_>, task: &Value) -> Result<Self, Failure> {
        let referenced = |pointer: &str, expression: &str, prefix: &str| {
            let reference = task.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let id = draft.local(reference).strip_prefix(prefix).map(str::to_owned);
            id.ok_or_else(|| Failure::content(expression, "required", format!("name it as {prefix}<id>")))
        };
        let mut form = Self {
            record: referenced("/for/reference", "Task.for", "Patient/")?,
            order: referenced("/focus/reference", "Task.focus", "ServiceRequest/")?,
            permits_lookup: false,
            is_self_employed: false,
            step: None,
            number: None,
            preference: None,
            chosen: None,
        };
        let inputs = task.get("input").and_then(Value::as_array).into_iter().flatten();
        let mut codes: Vec<&str> = Vec::new();
        for (n, input) in inputs.enumerate() {
            let code = form.take(n, input)?;
            if codes.contains(&code) {
                return Err(Failure::content(format!("Task.input[{n}]"), "value", "an input is there twice"));
            }
            codes.push(code);
        }
        // What is sealed elsewhere would outlive the search.
        let numbers = usize::from(codes.contains(&"national-number"));
        if task.to_string().matches(SSIN_SYSTEM).count() > numbers {
            let details = "a national number belongs into the input national-number, and nowhere else";
            return Err(Failure::content("Task", "value", details));
        }
        Ok(form)
    }

    /// Takes one input; answers its code.
    fn take<'i>(&mut self, n: usize, input: &'i Value) -> Result<&'i str, Failure> {
        let wrong = |text: &str| Failure::content(format!("Task.input[{n}]"), "value", text);
        let mut codings = input.pointer("/type/coding").and_then(Value::as_array).into_iter().flatten();
        let coding = codings.find(|coding| coding.get("system").and_then(Value::as_str) == Some(SYSTEM));
        let code = coding.and_then(|coding| coding.get("code")).and_then(Value::as_str).unwrap_or_default();
        let yes_or_no = || input.get("valueBoolean").and_then(Value::as_bool).ok_or_else(|| wrong("a valueBoolean"));
        let text = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default();
        match code {
            "permits-lookup" => self.permits_lookup = yes_or_no()?,
            "self-employed" => self.is_self_employed = yes_or_no()?,
            "step" => {
                self.step = Some(match text("valueCode") {
                    "elp" => Step::Elp,
                    "cgg" => Step::Cgg,
                    _ => return Err(wrong("a valueCode: elp or cgg")),
                });
            }
            "preference" => {
                let known = PREFERENCES.into_iter().find(|known| *known == text("valueCode"));
                let known =
                    known.ok_or_else(|| wrong("a valueCode: occupational-physician or psychosocial-adviser"))?;
                self.preference = Some(known);
            }
            "chosen" => {
                let chosen = Some(text("valueString")).filter(|text| (1..=CHOICE_LENGTH_MAX).contains(&text.len()));
                self.chosen =
                    Some(chosen.ok_or_else(|| wrong("a valueString: the code of a choice in output"))?.to_owned());
            }
            "national-number" => self.number = number(input).map_err(wrong)?,
            _ => return Err(wrong("no input of an intake: see docs/intake.md for those that there are")),
        }
        Ok(code)
    }
}

/// The number of an input; none where it was destroyed.
///
/// # Errors
/// What it should have been.
fn number(input: &Value) -> Result<Option<Ssin>, &'static str> {
    const EXPECTED: &str = "a valueIdentifier with a national number (SSIN) that holds by its check digits";
    let text = |name: &str| input.pointer(&format!("/valueIdentifier/{name}")).and_then(Value::as_str);
    if text("system") != Some(SSIN_SYSTEM) {
        return Err(EXPECTED);
    }
    let value = text("value").ok_or(EXPECTED)?;
    // The mask is the JSON of a text.
    if crate::vault::MASK.trim_matches('"') == value {
        return Ok(None);
    }
    Ssin::parse(value).ok().filter(Ssin::check_digits_hold).map(Some).ok_or(EXPECTED)
}
