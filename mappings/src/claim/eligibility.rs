//! `CoverageEligibilityRequest` and `-Response`: whether somebody is insured on a day, by whom and how.

use serde_json::{Value, json};

use super::coverage::{InsuredBy, to_coverage};
use super::place::Issues;
use super::{ERROR_SYSTEM, ElementIssue, Insurer};
use crate::billing::Date;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EligibilityAsked {
    /// `Patient/<id>`.
    pub patient: String,
    /// Who is asked.
    pub insurer: Insurer,
    /// For which day; none for the day of asking.
    pub day: Option<Date>,
}

/// Reads a request.
///
/// # Errors
/// Each element that is wrong.
pub fn from_eligibility_request(request: &Value) -> Result<EligibilityAsked, Vec<ElementIssue>> {
    const NAME: &str = "CoverageEligibilityRequest";
    let mut issues = Issues::default();
    let place = issues.resource(request, NAME);
    if place.text("status") != Some("active") {
        issues.add(format!("{NAME}.status"), "business-rule", "only an active request is asked");
    }
    let purposes = place.value.get("purpose").and_then(Value::as_array);
    if !purposes.is_some_and(|purposes| purposes.iter().all(|purpose| purpose == "validation") && !purposes.is_empty())
    {
        issues.add(format!("{NAME}.purpose"), "not-supported", "whether somebody is insured is asked: validation");
    }
    let patient = issues.reference(&place, "patient");
    let insurer = if let Some(insurer) = place.child("insurer") {
        issues.insurer(&insurer)
    } else {
        issues.add(format!("{NAME}.insurer"), "required", "the insurer that is asked is needed");
        None
    };
    let day = match place.child("servicedPeriod") {
        Some(period) => {
            issues.add(period.path, "not-supported", "one day is asked for: servicedDate");
            None
        }
        None => issues.day(&place, "servicedDate"),
    };
    issues.finish(patient.zip(insurer).map(|(patient, insurer)| EligibilityAsked { patient, insurer, day }))
}

/// Why nothing is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EligibilityError {
    /// The code as it came.
    pub code: String,
    /// What it says, with no number of a person in it.
    pub text: Option<String>,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eligibility {
    /// `CoverageEligibilityRequest/<id>`.
    pub request: String,
    /// `Patient/<id>`.
    pub patient: String,
    /// When this was written, a FHIR dateTime.
    pub created: String,
    /// Who answered.
    pub insurer: Insurer,
    /// The day that was asked for.
    pub day: Date,
    /// How the person is insured on that day; none where it is not, or nothing is known.
    pub insured: Option<InsuredBy>,
    /// Why nothing is known; empty where the answer is whole.
    pub errors: Vec<EligibilityError>,
}

/// Writes a response, without an id. How the person is insured is a Coverage within it.
pub fn to_eligibility_response(answer: &Eligibility) -> Value {
    let mut response = json!({
        "resourceType": "CoverageEligibilityResponse",
        "status": "active",
        "purpose": ["validation"],
        "patient": {"reference": answer.patient},
        "servicedDate": answer.day.to_string(),
        "created": answer.created,
        "request": {"reference": answer.request},
        "outcome": if answer.errors.is_empty() { "complete" } else { "error" },
        "insurer": answer.insurer.reference(),
    });
    // An answer with errors says nothing of insurance, not even that there is none.
    if let (Some(insured), true) = (&answer.insured, answer.errors.is_empty()) {
        let mut coverage = to_coverage(insured);
        coverage["id"] = json!("coverage");
        let is_within = insured.first_day.is_none_or(|first| first <= answer.day)
            && insured.last_day.is_none_or(|last| answer.day <= last);
        response["contained"] = json!([coverage]);
        response["insurance"] = json!([{"coverage": {"reference": "#coverage"}, "inforce": is_within}]);
    }
    let error = |error: &EligibilityError| {
        let mut code = json!({"coding": [{"system": ERROR_SYSTEM, "code": error.code}]});
        if let Some(text) = &error.text {
            code["text"] = json!(text);
        }
        json!({"code": code})
    };
    if !answer.errors.is_empty() {
        response["error"] = answer.errors.iter().map(error).collect();
    }
    response
}
