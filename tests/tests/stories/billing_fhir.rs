//! Billing by FHIR: a Claim and a contact become lines of the organisation's own books, or are refused with the element.

use gateway::storage::billing::{ClaimLineRow, LineFilter};
use serde_json::{Value, json};
use wellgate_tests::billing::{
    NIHDI, OWN, PROVIDER, books, clerk, insured_patient, of_claim, person, refusing_payment,
};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::referral::refusals;
use wellgate_tests::stories;

/// What makes a Claim wrong.
type Change = fn(&mut Value);

async fn lines(gateway: &Gateway) -> Vec<ClaimLineRow> {
    gateway.app.store.claim_lines(OWN, &LineFilter::default(), ("", 100)).await.expect("it answers")
}

fn contact(patient: &str, class: &str, status: &str) -> Value {
    json!({"resourceType": "Encounter", "status": status, "subject": {"reference": format!("Patient/{patient}")},
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": class},
        "period": {"start": "2026-02-20T10:00:00+01:00", "end": "2026-02-20T10:45:00+01:00"},
        "participant": [{"individual": {"identifier": {"system": NIHDI, "value": PROVIDER}}}]})
}

async fn a_claim_becomes_lines_of_its_own_organisation_once(gateway: Gateway) {
    books(&gateway).await;
    let centre = gateway.as_("cgg-1");
    let (patient, coverage) = insured_patient(&centre).await;
    let id = centre.create(&of_claim(&patient, &coverage, &["2026-02-02", "2026-02-09"])).await;
    let taken = lines(&gateway).await;
    let told: Vec<_> =
        taken.iter().map(|one| (one.first_day.as_str(), one.payer, one.amount_cents, one.source.as_str())).collect();
    assert_eq!(told, [("2026-02-02", 131, 4_250, "claim"), ("2026-02-09", 131, 4_250, "claim")], "{taken:?}");
    let written = centre.get(format!("Claim/{id}")).await.expect(200).json;
    centre.put(format!("Claim/{id}"), &written).await.expect(200);
    assert_eq!(lines(&gateway).await.len(), 2, "the same Claim once more is the same lines");
    let events = centre.search(format!("AuditEvent?patient=Patient/{patient}&_count=100")).await;
    let told = events.iter().filter(|event| event["subtype"][0]["code"] == "billing-draft").count();
    assert_eq!(told, 1, "it is in the person's trail that an insurer is to be told");
}

async fn a_claim_that_cannot_be_billed_is_refused_and_nothing_of_it_is_stored(gateway: Gateway) {
    books(&gateway).await;
    let centre = gateway.as_("cgg-1");
    let (patient, coverage) = insured_patient(&centre).await;
    let wrong: [(&str, Change); 5] = [
        ("Claim.diagnosis", |claim| {
            claim["diagnosis"] = json!([{"sequence": 1, "diagnosisCodeableConcept": {"text": "x"}}]);
        }),
        ("Claim.provider", |claim| claim["provider"]["identifier"]["value"] = json!(PROVIDER)),
        ("Claim.insurance", |claim| claim["insurance"][0]["coverage"]["reference"] = json!("Coverage/none")),
        ("Claim.item[0].servicedDate", |claim| {
            drop(claim["item"][0].as_object_mut().expect("an object").remove("servicedDate"));
        }),
        ("Claim.item[0].bodySite", |claim| claim["item"][0]["bodySite"] = json!({"text": "knee"})),
    ];
    for (element, change) in wrong {
        let mut claim = of_claim(&patient, &coverage, &["2026-02-02"]);
        change(&mut claim);
        let answer = centre.post("Claim", &claim).await;
        assert_eq!(answer.status, 422, "{element}: {answer}");
        let at = answer.json["issue"][0]["expression"][0].as_str().unwrap_or_default();
        assert!(at.starts_with(element.trim_end_matches(".servicedDate")), "{element}: {answer}");
        assert!(lines(&gateway).await.is_empty(), "{element}");
        assert!(centre.search("Claim").await.is_empty(), "{element}");
    }
}

async fn a_person_who_refuses_that_an_insurer_is_told_pays_themselves(gateway: Gateway) {
    books(&gateway).await;
    let centre = gateway.as_("cgg-1");
    let (patient, coverage) = insured_patient(&centre).await;
    let consent = centre.create(&refusing_payment(&patient)).await;
    let answer = centre.post("Claim", &of_claim(&patient, &coverage, &["2026-02-02"])).await;
    assert_eq!((answer.status, answer.reason()), (403, "excluded-by-patient"), "{answer}");
    centre.create(&contact(&patient, "AMB", "finished")).await;
    assert!(lines(&gateway).await.is_empty() && centre.search("Claim").await.is_empty(), "nothing is stored");
    assert_eq!(refusals(&centre, Some(&patient)).await, ["excluded-by-patient"; 2], "and it is on record");

    let mut withdrawn = centre.get(format!("Consent/{consent}")).await.expect(200).json;
    withdrawn["status"] = json!("inactive");
    centre.put(format!("Consent/{consent}"), &withdrawn).await.expect(200);
    centre.create(&of_claim(&patient, &coverage, &["2026-02-02"])).await;
    assert_eq!(lines(&gateway).await.len(), 1);
}

async fn a_contact_becomes_a_line_where_a_tariff_is_for_it(gateway: Gateway) {
    let books = books(&gateway).await;
    let centre = gateway.as_("cgg-1");
    let (patient, _) = insured_patient(&centre).await;
    for (class, status) in [("AMB", "in-progress"), ("IMP", "finished")] {
        centre.create(&contact(&patient, class, status)).await;
        assert!(lines(&gateway).await.is_empty(), "{class} {status}");
    }
    centre.create(&contact(&patient, "AMB", "finished")).await;
    let taken = lines(&gateway).await;
    let [line] = taken.as_slice() else { panic!("one line: {taken:?}") };
    assert_eq!(
        (line.code, line.payer, line.state.as_str(), line.source.as_str()),
        (990_010, 131, "draft", "contact"),
        "{line:?}"
    );
    let people = books.people(std::slice::from_ref(&line.person)).await.expect("it answers");
    assert_eq!(people[&line.person].ssin, person(0).ssin);

    // Who does not bill, or does not hold the record, finds nothing in any books.
    let other = gateway.as_("cgg-2");
    let (patient, _) = insured_patient(&other).await;
    other.create(&contact(&patient, "AMB", "finished")).await;
    assert_eq!(lines(&gateway).await.len(), 1);
    let elsewhere = gateway.app.store.claim_lines("organization/cgg-2", &LineFilter::default(), ("", 9)).await;
    assert!(elsewhere.expect("it answers").is_empty());
    assert_eq!(clerk().organization, OWN);
}

async fn claims_of_one_person_in_one_transaction_are_all_billed(gateway: Gateway) {
    books(&gateway).await;
    let centre = gateway.as_("cgg-1");
    let (patient, coverage) = insured_patient(&centre).await;
    let entry = |day: &str| json!({"resource": of_claim(&patient, &coverage, &[day]), "request": {"method": "POST", "url": "Claim"}});
    let bundle =
        json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry("2026-02-02"), entry("2026-02-03")]});
    centre.post("", &bundle).await.expect(200);
    assert_eq!(lines(&gateway).await.len(), 2);
}

stories!(
    claims_of_one_person_in_one_transaction_are_all_billed,
    a_claim_becomes_lines_of_its_own_organisation_once,
    a_claim_that_cannot_be_billed_is_refused_and_nothing_of_it_is_stored,
    a_person_who_refuses_that_an_insurer_is_told_pays_themselves,
    a_contact_becomes_a_line_where_a_tariff_is_for_it,
);
