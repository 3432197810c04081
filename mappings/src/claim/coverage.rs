//! Coverage: which mutuality or care fund, as which member, with which insurability codes.

use serde_json::{Value, json};

use super::place::{Issues, Place};
use super::{CT1_SYSTEM, CT2_SYSTEM, ElementIssue, Insurer};
use crate::billing::Date;

/// By it a string says of which code system it is a code.
const SYSTEM_EXTENSION: &str = "https://www.ehealth.fgov.be/standards/fhir/mycarenet/StructureDefinition/be-ext-system";
const CLASS_TYPE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/coverage-class";
const TYPE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
/// The longest membership number: the zone of a person has thirteen positions.
const MEMBERSHIP_CHARACTERS_MAX: usize = 13;

/// How a person is insured.
#[derive(Clone, PartialEq, Eq)]
pub struct InsuredBy {
    /// `Patient/<id>`.
    pub patient: String,
    /// By whom.
    pub insurer: Insurer,
    /// The membership number.
    pub membership: Option<String>,
    /// Insurability codes 1 and 2; a mutuality's Coverage has both.
    pub codes: Option<(u16, u16)>,
    /// The first day.
    pub first_day: Option<Date>,
    /// The last day.
    pub last_day: Option<Date>,
}

/// Without the person.
impl std::fmt::Debug for InsuredBy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { insurer, codes, .. } = self;
        write!(formatter, "InsuredBy({insurer:?}, {codes:?})")
    }
}

/// Reads a Coverage.
///
/// # Errors
/// Each element that is wrong; a Coverage that is not active among them.
pub fn from_coverage(coverage: &Value) -> Result<InsuredBy, Vec<ElementIssue>> {
    let mut issues = Issues::default();
    let place = issues.resource(coverage, "Coverage");
    if place.text("status") != Some("active") {
        issues.add("Coverage.status", "business-rule", "only an active Coverage is billed on");
    }
    let patient = issues.reference(&place, "beneficiary");
    let payors = place.items("payor");
    let insurer = if let [payor] = payors.as_slice() {
        issues.insurer(payor)
    } else {
        issues.add("Coverage.payor", "invariant", "one payor is needed: one Coverage for each insurer");
        None
    };
    let membership = place.text("subscriberId").map(str::to_owned);
    if membership.as_ref().is_some_and(|text| text.is_empty() || text.chars().count() > MEMBERSHIP_CHARACTERS_MAX) {
        issues.add("Coverage.subscriberId", "value", "a membership number has at most 13 characters");
    }
    let codes = codes(&place, &mut issues);
    if codes.is_none() && matches!(insurer, Some(Insurer::Mutuality(_))) && issues.0.is_empty() {
        issues.add("Coverage.class", "required", "insurability codes CT1 and CT2 are needed");
    }
    let period = place.child("period");
    let mut end = |name| period.as_ref().and_then(|period| issues.day(period, name));
    let (first_day, last_day) = (end("start"), end("end"));
    if first_day.zip(last_day).is_some_and(|(first, last)| last < first) {
        issues.add("Coverage.period", "invariant", "the end lies before the start");
    }
    let read = patient.zip(insurer);
    let read = read.map(|(patient, insurer)| InsuredBy { patient, insurer, membership, codes, first_day, last_day });
    issues.finish(read)
}

/// Both codes, or none.
fn codes(coverage: &Place<'_>, issues: &mut Issues) -> Option<(u16, u16)> {
    let mut found = [None, None];
    for class in coverage.items("class") {
        let Some(index) = [CT1_SYSTEM, CT2_SYSTEM].iter().position(|known| system_of(&class) == Some(known)) else {
            continue;
        };
        let code = class.text("value").filter(|text| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit()));
        match code.and_then(|code| code.parse::<u16>().ok()) {
            Some(_) if found[index].is_some() => issues.add(class.path, "invariant", "this code stands twice"),
            Some(code) => found[index] = Some(code),
            None => issues.add(format!("{}.value", class.path), "value", "an insurability code is three digits"),
        }
    }
    match found {
        [Some(ct1), Some(ct2)] => Some((ct1, ct2)),
        [None, None] => None,
        _ => {
            issues.add("Coverage.class", "required", "insurability codes CT1 and CT2 come together");
            None
        }
    }
}

/// The code system of a class: on its value, as the Belgian profile has it, or on its type.
fn system_of<'v>(class: &Place<'v>) -> Option<&'v str> {
    let extensions = class.value.pointer("/_value/extension").and_then(Value::as_array);
    let own = extensions.into_iter().flatten().find(|extension| extension["url"] == SYSTEM_EXTENSION);
    own.and_then(|extension| extension["valueUri"].as_str()).or_else(|| class.at("/type/coding/0/system"))
}

/// Writes a Coverage, without an id.
pub fn to_coverage(insured: &InsuredBy) -> Value {
    let class = |system: &str, code: u16| {
        json!({
            "type": {"coding": [{"system": CLASS_TYPE_SYSTEM, "code": "class"}]},
            "value": format!("{code:03}"),
            "_value": {"extension": [{"url": SYSTEM_EXTENSION, "valueUri": system}]},
        })
    };
    let mut coverage = json!({
        "resourceType": "Coverage",
        "status": "active",
        "type": {"coding": [{"system": TYPE_SYSTEM, "code": "PUBLICPOL"}]},
    });
    if let Some(membership) = &insured.membership {
        coverage["subscriberId"] = json!(membership);
    }
    coverage["beneficiary"] = json!({"reference": insured.patient});
    if insured.first_day.is_some() || insured.last_day.is_some() {
        coverage["period"] = json!({});
        for (name, day) in [("start", insured.first_day), ("end", insured.last_day)] {
            if let Some(day) = day {
                coverage["period"][name] = json!(day.to_string());
            }
        }
    }
    coverage["payor"] = json!([insured.insurer.reference()]);
    if let Some((ct1, ct2)) = insured.codes {
        coverage["class"] = json!([class(CT1_SYSTEM, ct1), class(CT2_SYSTEM, ct2)]);
    }
    coverage
}
