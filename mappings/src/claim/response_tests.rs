//! What is answered to claims and questions; what is refused first.

use serde_json::{Value, json};

use super::tests::{Fault, day, example, nihdi, without};
use super::*;
use crate::billing::{Cents, Language, Severity};
use crate::r4::structure;

fn decided() -> DecidedClaim {
    let paid = DecidedLine {
        sequence: 1,
        submitted: Cents(4_250),
        eligible: Some(Cents(4_250)),
        benefit: Some(Cents(4_250)),
        refused: Some(Cents(0)),
        share: Some(Cents(1_200)),
        errors: Vec::new(),
        comment: None,
    };
    let refused = DecidedLine {
        sequence: 2,
        submitted: Cents(8_500),
        eligible: Some(Cents(8_500)),
        benefit: Some(Cents(0)),
        refused: Some(Cents(8_500)),
        share: Some(Cents(2_400)),
        errors: vec![LineError { code: "500544".to_owned(), severity: Some(Severity::Record) }],
        comment: Some("reeds betaald".to_owned()),
    };
    DecidedClaim {
        claim: "Claim/claim1".to_owned(),
        patient: "Patient/pat1".to_owned(),
        claim_type: "professional".to_owned(),
        created: "2026-04-20T10:00:00+02:00".to_owned(),
        insurer: Insurer::Mutuality(131),
        third_party: nihdi("71234523001"),
        outcome: ClaimOutcome::Partial,
        payment: Some("PAY-2026-04".to_owned()),
        agreement: None,
        lines: vec![paid, refused],
    }
}

#[test]
fn a_response_is_written_as_the_documentation_shows_it() {
    let mut expected = example("ClaimResponse", 0);
    without(&mut expected, "id");
    assert_eq!(to_claim_response(&decided(), Language::Nl), expected);
}

#[test]
fn a_code_that_nobody_knows_is_shown_as_it_came() {
    let mut decided = decided();
    decided.lines[1].errors = vec![LineError { code: "ZZZZZZ".to_owned(), severity: None }];
    let response = to_claim_response(&decided, Language::En);
    assert_eq!(response["error"][0]["code"], json!({"coding": [{"system": ERROR_SYSTEM, "code": "ZZZZZZ"}]}));
}

#[test]
fn what_is_not_known_yet_is_not_a_sum_of_nothing() {
    let mut decided = decided();
    decided.outcome = ClaimOutcome::Queued;
    decided.payment = None;
    for line in &mut decided.lines {
        (line.benefit, line.refused, line.errors) = (None, None, Vec::new());
    }
    let response = to_claim_response(&decided, Language::En);
    let codes: Vec<&Value> = response["total"]
        .as_array()
        .expect("there are totals")
        .iter()
        .map(|one| &one["category"]["coding"][0]["code"])
        .collect();
    assert_eq!(codes, ["submitted", "eligible", "copay"]);
    assert!(response.get("payment").is_none() && response.get("error").is_none());
    assert!(structure::check(&response).is_empty());
}

#[test]
fn a_decision_on_an_agreement_has_its_period_and_no_amounts() {
    let mut decided = decided();
    (decided.payment, decided.outcome) = (None, ClaimOutcome::Complete);
    decided.lines.truncate(1);
    decided.agreement = Some(AgreementDecision {
        kind: "rehabilitation-convention".to_owned(),
        decision: "partialAgreement".to_owned(),
        reference: Some("A-1".to_owned()),
        period: Some((day("2026-04-01"), Some(day("2026-09-30")))),
    });
    let response = to_claim_response(&decided, Language::En);
    assert_eq!(
        (&response["use"], &response["preAuthPeriod"]["end"]),
        (&json!("preauthorization"), &json!("2026-09-30"))
    );
    let adjudication = json!([{"category": {"coding": [{"system": DECISION_SYSTEM, "code": "partialAgreement"}]}}]);
    assert_eq!(response["item"][0]["adjudication"], adjudication);
    assert!(response.get("total").is_none() && structure::check(&response).is_empty());
}

#[test]
fn a_question_about_insurance_that_is_wrong_names_its_element() {
    let faults: [Fault; 7] = [
        ("CoverageEligibilityRequest.status", "business-rule", |request| request["status"] = json!("draft")),
        ("CoverageEligibilityRequest.purpose", "not-supported", |request| request["purpose"] = json!(["benefits"])),
        ("CoverageEligibilityRequest.purpose", "not-supported", |request| request["purpose"] = json!([])),
        ("CoverageEligibilityRequest.patient.reference", "required", |request| without(request, "patient")),
        ("CoverageEligibilityRequest.insurer", "required", |request| without(request, "insurer")),
        ("CoverageEligibilityRequest.servicedDate", "value", |request| request["servicedDate"] = json!("2026")),
        ("CoverageEligibilityRequest.servicedPeriod", "not-supported", |request| {
            request["servicedPeriod"] = json!({"start": "2026-01-01"});
        }),
    ];
    for (expression, code, change) in faults {
        let mut request = example("CoverageEligibilityRequest", 0);
        change(&mut request);
        let issues = from_eligibility_request(&request).expect_err("it is wrong");
        let found = issues.iter().any(|issue| issue.expression == expression && issue.code == code);
        assert!(found, "{expression} {code}: {issues:?}");
    }
}

fn answered() -> Eligibility {
    Eligibility {
        request: "CoverageEligibilityRequest/q1".to_owned(),
        patient: "Patient/pat1".to_owned(),
        created: "2026-03-02T09:00:00+01:00".to_owned(),
        insurer: Insurer::Mutuality(131),
        day: day("2026-03-02"),
        insured: from_coverage(&example("Coverage", 0)).ok(),
        errors: Vec::new(),
    }
}

#[test]
fn an_answer_with_errors_says_nothing_of_insurance() {
    let errors = vec![EligibilityError { code: "UNKNOWN_IO".to_owned(), text: None }];
    let response = to_eligibility_response(&Eligibility { errors, ..answered() });
    assert!(response.get("insurance").is_none() && response.get("contained").is_none());
    assert_eq!(response["outcome"], "error");
    assert!(structure::check(&response).is_empty());
}

#[test]
fn who_is_insured_is_told_with_the_coverage_of_the_day() {
    let asked = from_eligibility_request(&example("CoverageEligibilityRequest", 0)).expect("the example is right");
    assert_eq!((asked.insurer, asked.day), (Insurer::Mutuality(131), Some(day("2026-03-02"))));
    let response = to_eligibility_response(&answered());
    assert!(structure::check(&response).is_empty(), "{:?}", structure::check(&response));
    assert_eq!(
        (&response["insurance"][0]["inforce"], &response["contained"][0]["resourceType"]),
        (&json!(true), &json!("Coverage"))
    );
    let before = to_eligibility_response(&Eligibility { day: day("2025-12-31"), ..answered() });
    assert_eq!(before["insurance"][0]["inforce"], false);
}
