//! Resources: what is refused first; then the examples of the documentation, which are read and written here.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::*;
use crate::billing::{Cents, Date};
use crate::identifiers::Nihdi;
use crate::r4::structure;

const DOCUMENTATION: &str = include_str!("../../../docs/fhir-billing.md");

static EXAMPLES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let blocks = DOCUMENTATION.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(|block| serde_json::from_str(block).expect("an example is JSON")).collect()
});

/// The example of a resource type in the documentation: the n-th, from 0.
pub(super) fn example(resource_type: &str, n: usize) -> Value {
    let found = EXAMPLES.iter().filter(|resource| resource["resourceType"] == resource_type).nth(n);
    found.cloned().unwrap_or_else(|| panic!("there is no example {n} of {resource_type}"))
}

fn claim() -> Value {
    example("Claim", 0)
}

pub(super) fn nihdi(number: &str) -> Nihdi {
    Nihdi::parse(number).expect("it is a number")
}

pub(super) fn day(text: &str) -> Date {
    Date::parse(text).expect("it is a day")
}

pub(super) fn known(reference: &str) -> Option<Nihdi> {
    (reference == "Practitioner/p1").then(|| nihdi("12345625527"))
}

/// What is wrong after a change of the example: element and code of each.
fn wrong(change: impl FnOnce(&mut Value)) -> Vec<(String, &'static str)> {
    let mut claim = claim();
    change(&mut claim);
    let issues = from_claim(&claim, &known).expect_err("it is wrong");
    issues.into_iter().map(|issue| (issue.expression, issue.code)).collect()
}

pub(super) fn without(value: &mut Value, name: &str) {
    value.as_object_mut().expect("it is an object").remove(name);
}

pub(super) type Fault = (&'static str, &'static str, fn(&mut Value));

#[test]
fn a_claim_that_is_wrong_names_its_element() {
    let faults: [Fault; 36] = [
        ("resourceType", "structure", |claim| claim["resourceType"] = json!("Invoice")),
        ("Claim.status", "business-rule", |claim| claim["status"] = json!("draft")),
        ("Claim.use", "not-supported", |claim| claim["use"] = json!("predetermination")),
        ("Claim.diagnosis", "business-rule", |claim| claim["diagnosis"] = json!([])),
        ("Claim.procedure", "business-rule", |claim| claim["procedure"] = json!([])),
        ("Claim.accident", "business-rule", |claim| claim["accident"] = json!({})),
        ("Claim.patient.reference", "required", |claim| without(claim, "patient")),
        ("Claim.created", "required", |claim| without(claim, "created")),
        ("Claim.created", "value", |claim| claim["created"] = json!("2026-03")),
        ("Claim.provider", "required", |claim| without(claim, "provider")),
        ("Claim.provider", "required", |claim| claim["provider"] = json!({"reference": "Organization/x"})),
        ("Claim.provider.identifier.value", "value", |claim| {
            claim["provider"]["identifier"]["value"] = json!("12345626527");
        }),
        ("Claim.insurance", "invariant", |claim| claim["insurance"][0]["focal"] = json!(false)),
        ("Claim.insurance[0].coverage.reference", "required", |claim| without(&mut claim["insurance"][0], "coverage")),
        ("Claim.item", "invariant", |claim| claim["item"] = json!([])),
        ("Claim.item[1].sequence", "required", |claim| without(&mut claim["item"][1], "sequence")),
        ("Claim.item[1].sequence", "invariant", |claim| claim["item"][1]["sequence"] = json!(1)),
        ("Claim.item[1].productOrService.coding", "required", |claim| {
            claim["item"][1]["productOrService"]["coding"][0]["system"] = json!("urn:x");
        }),
        ("Claim.item[1].productOrService.coding[0].code", "value", |claim| {
            claim["item"][1]["productOrService"]["coding"][0]["code"] = json!("0990010");
        }),
        ("Claim.item[1].servicedDate", "required", |claim| without(&mut claim["item"][1], "servicedPeriod")),
        ("Claim.item[1].servicedDate", "value", |claim| claim["item"][1]["servicedDate"] = json!("2026-02")),
        ("Claim.item[1].servicedPeriod.end", "required", |claim| {
            without(&mut claim["item"][1]["servicedPeriod"], "end");
        }),
        ("Claim.item[1].servicedPeriod", "invariant", |claim| {
            claim["item"][1]["servicedPeriod"]["end"] = json!("2026-03-01");
        }),
        ("Claim.item[0].quantity.value", "value", |claim| claim["item"][0]["quantity"] = json!({"value": 1.5})),
        ("Claim.item[0].quantity.value", "value", |claim| claim["item"][0]["quantity"] = json!({"value": 0})),
        ("Claim.item[0].quantity.value", "value", |claim| claim["item"][0]["quantity"] = json!({"value": 10000})),
        ("Claim.item[0].net.value", "value", |claim| claim["item"][0]["net"]["value"] = json!(40.005)),
        ("Claim.item[0].net.value", "value", |claim| claim["item"][0]["net"]["value"] = json!(-40)),
        ("Claim.item[0].net.currency", "value", |claim| claim["item"][0]["net"]["currency"] = json!("USD")),
        ("Claim.item[0].unitPrice", "not-supported", |claim| claim["item"][0]["unitPrice"] = json!({"value": 1})),
        ("Claim.item[0].detail", "not-supported", |claim| claim["item"][0]["detail"] = json!([{"sequence": 1}])),
        ("Claim.item[0].careTeamSequence", "value", |claim| claim["item"][0]["careTeamSequence"] = json!([1, 9])),
        ("Claim.item[0].informationSequence", "value", |claim| claim["item"][0]["informationSequence"] = json!([1, 9])),
        ("Claim.item[0]", "invariant", |claim| claim["item"][0]["careTeamSequence"] = json!([1])),
        ("Claim.supportingInfo[0].category", "not-supported", |claim| {
            claim["supportingInfo"][0]["category"]["coding"][0]["code"] = json!("mood");
        }),
        ("Claim.total", "invariant", |claim| claim["total"]["value"] = json!(1)),
    ];
    for (expression, code, change) in faults {
        let issues = wrong(change);
        assert!(issues.contains(&(expression.to_owned(), code)), "{expression} {code}: {issues:?}");
    }
}

#[test]
fn information_that_would_be_lost_is_refused() {
    let other =
        json!({"sequence": 9, "category": {"coding": [{"system": "urn:x", "code": "mood"}]}, "valueString": "x"});
    let issues = wrong(|claim| claim["supportingInfo"].as_array_mut().expect("it is an array").push(other));
    assert_eq!(issues, [("Claim.supportingInfo[1]".to_owned(), "not-supported")]);
    let issues = wrong(|claim| {
        without(&mut claim["item"][0], "informationSequence");
        claim["item"][0]["careTeamSequence"] = json!([1]);
    });
    assert_eq!(issues, [("Claim.supportingInfo[0]".to_owned(), "invariant")]);
}

#[test]
fn an_element_that_is_not_read_is_refused_and_never_dropped() {
    let faults: [Fault; 8] = [
        ("Claim.related", "not-supported", |claim| claim["related"] = json!([])),
        ("Claim.prescription", "not-supported", |claim| claim["prescription"] = json!({})),
        ("Claim.modifierExtension", "not-supported", |claim| claim["modifierExtension"] = json!([])),
        ("Claim._created", "not-supported", |claim| claim["_created"] = json!({})),
        ("Claim.item[0].bodySite", "not-supported", |claim| claim["item"][0]["bodySite"] = json!({"text": "x"})),
        ("Claim.item[0].modifier", "not-supported", |claim| claim["item"][0]["modifier"] = json!([])),
        ("Claim.item[0].udi", "not-supported", |claim| claim["item"][0]["udi"] = json!([])),
        ("Claim.item[0].extension[0]", "not-supported", |claim| {
            claim["item"][0]["extension"][0]["url"] = json!("urn:x");
        }),
    ];
    for (expression, code, change) in faults {
        assert_eq!(wrong(change), [(expression.to_owned(), code)]);
    }
}

#[test]
fn of_several_providers_an_item_names_one() {
    let second = json!({"sequence": 3, "provider": {"reference": "Practitioner/p1"}});
    let add = |claim: &mut Value| claim["careTeam"].as_array_mut().expect("it is an array").push(second.clone());
    let element = "Claim.item[1].careTeamSequence".to_owned();
    let none = wrong(|claim| {
        add(claim);
        without(&mut claim["item"][1], "careTeamSequence");
    });
    assert_eq!(none, [(element.clone(), "invariant")]);
    let both = wrong(|claim| {
        add(claim);
        claim["item"][1]["careTeamSequence"] = json!([1, 3]);
    });
    assert_eq!(both, [(element, "invariant")]);
}

#[test]
fn an_error_does_not_repeat_what_stood_there() {
    let mut claim = claim();
    claim["created"] = json!("90010100123");
    claim["provider"]["identifier"]["value"] = json!("90010100123");
    let issues = from_claim(&claim, &known).expect_err("it is wrong");
    assert!(!format!("{issues:?}").contains("900101"), "{issues:?}");
}

#[test]
fn every_example_of_the_documentation_is_r4() {
    assert!(EXAMPLES.len() > 5);
    for resource in EXAMPLES.iter() {
        let issues = structure::check(resource);
        assert!(issues.is_empty(), "{}: {issues:?}", resource["resourceType"]);
    }
}

#[test]
fn a_claim_is_read_into_plain_lines() {
    let claim = claim();
    assert_eq!(references_of_claim(&claim), ["Practitioner/p1"]);
    let read = from_claim(&claim, &known).expect("the example is right");
    assert_eq!((read.patient.as_str(), read.coverage.as_str()), ("Patient/pat1", "Coverage/cov1"));
    assert_eq!((read.third_party.as_str(), read.created), ("71234523001", day("2026-03-31")));
    assert_eq!(read.identifier.as_ref().map(|(_, value)| value.as_str()), Some("2026-03/17"));
    let [first, second] = read.lines.as_slice() else { panic!("it has two items") };
    let service = &first.service;
    assert_eq!((first.sequence, service.code, service.units), (1, 990_010, 1));
    assert_eq!((service.first_day, service.last_day, service.time), (day("2026-03-02"), day("2026-03-02"), None));
    assert_eq!(service.provider, nihdi("12345625527"));
    assert_eq!(service.prescriber, Some((nihdi("12345625001"), day("2026-02-27"))));
    let stated = [service.stated.amount, service.stated.share, service.stated.supplement];
    assert_eq!(stated, [Some(Cents(4_250)), Some(Cents(1_200)), None]);
    assert_eq!(first.encounter.as_deref(), Some("Encounter/e1"));
    assert_eq!(
        (second.service.units, second.service.time, second.service.stated.amount),
        (2, Some(1430), Some(Cents(8_500)))
    );
    assert_eq!((&second.service.provider, &second.service.prescriber), (&service.provider, &None));
}

#[test]
fn without_a_care_team_who_bills_did_it() {
    let mut claim = claim();
    without(&mut claim, "careTeam");
    without(&mut claim, "supportingInfo");
    for item in claim["item"].as_array_mut().expect("it is an array") {
        without(item, "careTeamSequence");
    }
    without(&mut claim["item"][0], "informationSequence");
    let read = from_claim(&claim, &|_| None).expect("it is right");
    assert_eq!(read.lines[0].service.provider, read.third_party);
    claim["contained"] = json!([{"resourceType": "Practitioner", "id": "p", "identifier": [{"system": crate::identifiers::NIHDI_SYSTEM, "value": "12345625527"}]}]);
    claim["careTeam"] = json!([{"sequence": 1, "provider": {"reference": "#p"}}]);
    assert!(references_of_claim(&claim).is_empty());
    let read = from_claim(&claim, &|_| None).expect("it is right");
    assert_eq!(read.lines[0].service.provider, nihdi("12345625527"));
}

#[test]
fn amounts_are_exact_to_the_cent() {
    for (number, cents) in
        [("0.29", 29), ("1.1", 110), ("40", 4_000), ("40.0", 4_000), ("999999999.99", 99_999_999_999)]
    {
        let mut claim = claim();
        without(&mut claim, "total");
        claim["item"][0]["net"]["value"] = serde_json::from_str(number).expect("it is a number");
        let read = from_claim(&claim, &known).expect("it is right");
        assert_eq!(read.lines[0].service.stated.amount, Some(Cents(cents)), "{number}");
        assert_eq!(response::money(Cents(cents))["value"].as_f64(), number.parse().ok(), "{number}");
    }
}

fn wrong_coverage(change: impl FnOnce(&mut Value)) -> Vec<(String, &'static str)> {
    let mut coverage = example("Coverage", 0);
    change(&mut coverage);
    let issues = from_coverage(&coverage).expect_err("it is wrong");
    issues.into_iter().map(|issue| (issue.expression, issue.code)).collect()
}

#[test]
fn a_coverage_that_is_wrong_names_its_element() {
    let faults: [Fault; 12] = [
        ("Coverage.status", "business-rule", |coverage| coverage["status"] = json!("cancelled")),
        ("Coverage.beneficiary.reference", "required", |coverage| without(coverage, "beneficiary")),
        ("Coverage.payor", "invariant", |coverage| coverage["payor"] = json!([])),
        ("Coverage.payor[0].identifier", "value", |coverage| coverage["payor"][0]["identifier"]["value"] = json!("31")),
        ("Coverage.payor[0].identifier", "value", |coverage| {
            coverage["payor"][0]["identifier"]["system"] = json!("urn:x");
        }),
        ("Coverage.subscriberId", "value", |coverage| coverage["subscriberId"] = json!("12345678901234")),
        ("Coverage.class", "required", |coverage| without(coverage, "class")),
        ("Coverage.class", "required", |coverage| without(&mut coverage["class"][0], "_value")),
        ("Coverage.class[0].value", "value", |coverage| coverage["class"][0]["value"] = json!("11")),
        ("Coverage.class[1]", "invariant", |coverage| coverage["class"][1] = coverage["class"][0].clone()),
        ("Coverage.period.start", "value", |coverage| coverage["period"]["start"] = json!("2026")),
        ("Coverage.period", "invariant", |coverage| coverage["period"]["end"] = json!("2025-01-01")),
    ];
    for (expression, code, change) in faults {
        let issues = wrong_coverage(change);
        assert!(issues.contains(&(expression.to_owned(), code)), "{expression} {code}: {issues:?}");
    }
}

#[test]
fn a_coverage_is_read_and_written_both_ways() {
    for n in [0, 1] {
        let mut written = example("Coverage", n);
        let insured = from_coverage(&written).expect("the example is right");
        without(&mut written, "id");
        assert_eq!(to_coverage(&insured), written, "example {n}");
        assert!(!format!("{insured:?}").contains("pat1"));
    }
    let insured = from_coverage(&example("Coverage", 0)).expect("it is right");
    assert_eq!((insured.insurer, insured.codes), (Insurer::Mutuality(131), Some((110, 111))));
    assert_eq!(from_coverage(&example("Coverage", 1)).expect("it is right").insurer, Insurer::CareFund(701));
    // The code system may stand on the type as well.
    let mut coverage = example("Coverage", 0);
    for (n, system) in [CT1_SYSTEM, CT2_SYSTEM].into_iter().enumerate() {
        without(&mut coverage["class"][n], "_value");
        coverage["class"][n]["type"]["coding"] = json!([{"system": system, "code": coverage["class"][n]["value"]}]);
    }
    assert_eq!(from_coverage(&coverage).expect("it is right").codes, Some((110, 111)));
}

#[test]
fn a_request_for_an_agreement_that_is_wrong_names_its_element() {
    let faults: [Fault; 9] = [
        ("Claim.use", "not-supported", |claim| claim["use"] = json!("claim")),
        ("Claim.subType", "required", |claim| without(claim, "subType")),
        ("Claim.subType", "required", |claim| claim["subType"]["coding"][0]["system"] = json!("urn:x")),
        ("Claim.item", "invariant", |claim| without(claim, "item")),
        ("Claim.item[0].servicedPeriod.start", "required", |claim| {
            without(&mut claim["item"][0]["servicedPeriod"], "start");
        }),
        ("Claim.item[0].servicedPeriod", "invariant", |claim| {
            claim["item"][0]["servicedPeriod"]["end"] = json!("2020-01-01");
        }),
        ("Claim.supportingInfo[0].valueString", "value", |claim| {
            claim["supportingInfo"][0]["valueString"] = json!("7.72");
        }),
        ("Claim.supportingInfo[1].valueReference", "not-supported", |claim| {
            without(&mut claim["supportingInfo"][1], "valueReference");
            claim["supportingInfo"][1]["valueAttachment"] = json!({"data": "eA=="});
        }),
        ("Claim.supportingInfo[1]", "not-supported", |claim| {
            claim["supportingInfo"][1]["category"] = json!({"text": "x"});
        }),
    ];
    for (expression, code, change) in faults {
        let mut claim = example("Claim", 1);
        change(&mut claim);
        let issues = from_preauthorization(&claim, &known).expect_err("it is wrong");
        let found = issues.iter().any(|issue| issue.expression == expression && issue.code == code);
        assert!(found, "{expression} {code}: {issues:?}");
    }
}

#[test]
fn a_request_for_an_agreement_refers_to_what_is_clinical_and_does_not_hold_it() {
    let mut claim = example("Claim", 1);
    claim["diagnosis"] = json!([{"sequence": 1, "diagnosisCodeableConcept": {"text": "F20"}}]);
    let read = from_preauthorization(&claim, &known).expect("it is right");
    assert!(read.has_diagnosis && !format!("{read:?}").contains("F20"));
    assert_eq!(
        (read.kind.as_str(), read.attachments.as_slice()),
        ("rehabilitation-convention", &["DocumentReference/d1".to_owned()][..])
    );
    assert_eq!(read.convention, Some(nihdi("77200221001")));
    let item = &read.items[0];
    assert_eq!((item.code, item.first_day, item.last_day), (992_014, day("2026-04-01"), Some(day("2027-03-31"))));
}
