//! Consents that contradict each other are shown to whoever holds the record, and Consents are found as ITI-108 asks.

use serde_json::{Value, json};
use wellgate_tests::caller::Caller;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::resources::{bundle, consent, deny, patient, permit};
use wellgate_tests::stories;

/// Each conflict as what permits, what denies, whom, and whether it lasts.
async fn conflicts(caller: &Caller<'_>, patient: &str, rest: &str) -> Vec<(String, String, String, bool)> {
    let answer = caller.get(format!("Consent/$conflicts?patient=Patient/{patient}{rest}")).await.expect(200);
    let members = answer.json["parameter"].as_array().cloned().unwrap_or_default();
    let part = |member: &Value, name: &str| {
        let parts = member["part"].as_array().into_iter().flatten();
        let found = parts.clone().find(|part| part["name"] == name);
        found.map(|part| {
            part["valueReference"]["reference"].as_str().or(part["valueString"].as_str()).unwrap_or_default().to_owned()
        })
    };
    let row = |member: &Value| {
        let text = |name: &str| part(member, name).unwrap_or_default();
        (text("permits"), text("denies"), text("grantee"), part(member, "resolved").is_none())
    };
    members.iter().map(row).collect()
}

async fn notices(gateway: &Gateway, patient: &str) -> usize {
    let deliveries = gateway.app.store.deliveries(patient).await.expect("it answers");
    deliveries.iter().filter(|one| one.kind == "consent-conflict" && one.partner == "organization/edpbw-a").count()
}

async fn a_contradiction_is_recorded_told_and_ended(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let permits = edpbw.create(&consent(&person, &permit(&["gp-1", "elp-1"]))).await;
    assert!(conflicts(&edpbw, &person, "").await.is_empty());
    assert_eq!(notices(&gateway, &person).await, 0);

    let denies = edpbw.create(&consent(&person, &deny(&["gp-1"]))).await;
    let [permits, denies] = [permits, denies].map(|id| format!("Consent/{id}"));
    let row = |lasts| (permits.clone(), denies.clone(), "organization/gp-1".to_owned(), lasts);
    assert_eq!(conflicts(&edpbw, &person, "").await, [row(true)]);
    assert_eq!(notices(&gateway, &person).await, 1);
    let events = edpbw.search(format!("AuditEvent?patient=Patient/{person}&_count=500")).await;
    assert_eq!(events.iter().filter(|event| event["subtype"][0]["code"] == "consent-conflict").count(), 1);
    gateway.as_("gp-1").get(format!("Patient/{person}")).await.expect(404);
    gateway.as_("elp-1").get(format!("Patient/{person}")).await.expect(200);

    // Written again as it was, it is neither new nor over.
    let same = edpbw.get(&denies).await.expect(200).json;
    edpbw.put(&denies, &same).await.expect(200);
    assert_eq!(conflicts(&edpbw, &person, "").await, [row(true)]);
    assert_eq!(notices(&gateway, &person).await, 1);

    edpbw.post(format!("{denies}/$withdraw"), &json!({"resourceType": "Parameters"})).await.expect(200);
    assert!(conflicts(&edpbw, &person, "").await.is_empty());
    assert_eq!(conflicts(&edpbw, &person, "&resolved=true").await, [row(false)]);
    assert_eq!(notices(&gateway, &person).await, 1, "an end is no notice");
}

/// The notices of a record by the Consent that they are about, each with whether it still waits.
async fn waiting(gateway: &Gateway, patient: &str) -> Vec<(String, bool)> {
    let deliveries = gateway.app.store.deliveries(patient).await.expect("it answers");
    deliveries.into_iter().map(|one| (one.resource_id, one.state == "waiting")).collect()
}

async fn a_notice_does_not_leave_once_nothing_contradicts_any_more(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let [gp, elp] = ["gp-1", "elp-1"].map(|id| consent(&person, &permit(&[id])));
    let (gp, elp) = (edpbw.create(&gp).await, edpbw.create(&elp).await);
    let denies = edpbw.create(&consent(&person, &deny(&["gp-1", "elp-1"]))).await;
    assert_eq!(waiting(&gateway, &person).await, [(denies.clone(), true)]);
    // The Consent of the notice still contradicts the other.
    edpbw.delete(format!("Consent/{gp}")).await.expect(204);
    assert_eq!(waiting(&gateway, &person).await, [(denies.clone(), true)]);
    // A refused write ends nothing.
    gateway.as_("gp-1").delete(format!("Consent/{elp}")).await.expect(404);
    assert_eq!(waiting(&gateway, &person).await, [(denies.clone(), true)]);
    edpbw.delete(format!("Consent/{elp}")).await.expect(204);
    assert_eq!(waiting(&gateway, &person).await, [(denies.clone(), false)]);
    // What contradicts anew is told anew.
    let again = edpbw.create(&consent(&person, &permit(&["gp-1"]))).await;
    assert_eq!(waiting(&gateway, &person).await, [(denies.clone(), false), (again.clone(), true)]);
    // Ended and made again by one transaction: the old notice is void or not, and there is one that waits.
    let mut changed = edpbw.get(format!("Consent/{again}")).await.expect(200).json;
    changed["status"] = json!("inactive");
    let entries = [
        ("PUT", &*format!("Consent/{again}"), Some(changed)),
        ("POST", "Consent", Some(consent(&person, &permit(&["elp-1"])))),
    ];
    edpbw.post("", &bundle("transaction", &entries)).await.expect(200);
    let notices = waiting(&gateway, &person).await;
    assert_eq!(notices.iter().map(|(_, waits)| *waits).collect::<Vec<_>>(), [false, false, true], "{notices:?}");
}

async fn a_transaction_is_looked_at_whole(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let entry = |provision: Value| json!({"resource": consent(&person, &provision), "request": {"method": "POST", "url": "Consent"}});
    let both = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry(permit(&["gp-1"])), entry(deny(&["gp-1"]))]});
    edpbw.post("", &both).await.expect(200);
    assert_eq!(conflicts(&edpbw, &person, "").await.len(), 1);
    let (_, denies, _, _) = conflicts(&edpbw, &person, "").await.remove(0);
    edpbw.delete(&denies).await.expect(204);
    assert!(conflicts(&edpbw, &person, "").await.is_empty(), "a deleted Consent contradicts nothing");
}

async fn an_exclusion_is_no_contradiction(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let mut everyone = permit(&["gp-1"]);
    everyone["actor"][0]["reference"] = json!({"identifier": {
        "system": "https://wellgate.example/fhir/NamingSystem/organization-kind", "value": "elp"}});
    edpbw.create(&consent(&person, &everyone)).await;
    edpbw.create(&consent(&person, &deny(&["elp-2"]))).await;
    assert!(conflicts(&edpbw, &person, "").await.is_empty());
    // But whoever is permitted by name and denied with its kind is one.
    let mut kind = deny(&["gp-1"]);
    kind["actor"] = everyone["actor"].clone();
    edpbw.create(&consent(&person, &permit(&["elp-1"]))).await;
    edpbw.create(&consent(&person, &kind)).await;
    let grantees: Vec<String> = conflicts(&edpbw, &person, "").await.into_iter().map(|row| row.2).collect();
    assert_eq!(grantees.len(), 2, "{grantees:?}");
    assert!(
        ["organization/elp-1", "kind/elp"].iter().all(|one| grantees.iter().any(|other| other == one)),
        "{grantees:?}"
    );
}

async fn a_custodian_finds_consents_as_iti_108_asks(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let mut stranger = patient();
    stranger["identifier"][0]["value"] = json!("TEST-0002");
    let other = edpbw.create(&stranger).await;
    let mut provision = permit(&["gp-1"]);
    provision["provision"] = json!([deny(&["elp-2"])]);
    let nested = edpbw.create(&consent(&person, &provision)).await;
    let ended = edpbw.create(&consent(&person, &permit(&["elp-1"]))).await;
    edpbw.post(format!("Consent/{ended}/$withdraw"), &json!({"resourceType": "Parameters"})).await.expect(200);
    let of_other = edpbw.create(&consent(&other, &permit(&["gp-1"]))).await;
    let identifier = |value: &str| format!("patient.identifier=https://ehr.example/patient|{value}");
    for (query, wanted) in [
        (format!("patient=Patient/{person}"), vec![&nested, &ended]),
        (format!("patient={person}&status=active"), vec![&nested]),
        (identifier("TEST-0001"), vec![&nested, &ended]),
        (identifier("TEST-0001") + "&status=inactive", vec![&ended]),
        (identifier("TEST-0001,https://ehr.example/patient|TEST-0002") + "&status=active", vec![&nested, &of_other]),
        (identifier("TEST-0009"), vec![]),
        ("actor=Organization/gp-1".to_owned(), vec![&nested, &of_other]),
        (format!("actor=Organization/elp-2&patient={person}"), vec![&nested]),
        ("actor=Organization/cgg-1".to_owned(), vec![]),
    ] {
        let mut wanted: Vec<&str> = wanted.into_iter().map(String::as_str).collect();
        wanted.sort_unstable();
        let by_get = edpbw.get(format!("Consent?{query}&_total=accurate")).await.expect(200);
        let by_post = edpbw.post_search("Consent", &format!("{query}&_total=accurate")).await.expect(200);
        for answer in [by_get, by_post] {
            let found = answer.resources();
            let mut found: Vec<&str> = found.iter().filter_map(|one| one["id"].as_str()).collect();
            found.sort_unstable();
            assert_eq!(found, wanted, "{query}");
            assert_eq!(answer.json["total"], json!(wanted.len()), "{query}");
        }
        for organization in ["gp-1", "cgg-1"] {
            let others = gateway.as_(organization).get(format!("Consent?{query}&_total=accurate")).await.expect(200);
            assert_eq!((others.resources().len(), &others.json["total"]), (0, &json!(0)), "{organization}: {query}");
        }
    }
    edpbw.get("Consent?patient.nonsense=x").await.expect(400);
    edpbw.get("Consent?patient.identifier=").await.expect(400);
}

async fn an_identifier_is_searched_among_visible_persons_only(gateway: Gateway) {
    // Both hold a person with this identifier: each finds its own.
    let (edpbw, cgg) = (gateway.as_("edpbw-a"), gateway.as_("cgg-1"));
    let mut own = Vec::new();
    for caller in [&edpbw, &cgg] {
        let person = caller.create(&patient()).await;
        own.push(caller.create(&consent(&person, &permit(&["gp-1"]))).await);
    }
    for (caller, id) in [(&edpbw, &own[0]), (&cgg, &own[1])] {
        let found = caller.search("Consent?patient.identifier=https://ehr.example/patient|TEST-0001").await;
        assert_eq!(found.iter().map(|one| one["id"].as_str()).collect::<Vec<_>>(), [Some(&**id)]);
    }
}

async fn a_contradiction_that_begins_and_ends_in_one_transaction_is_told_to_nobody(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let permits = edpbw.create(&consent(&person, &permit(&["gp-1"]))).await;
    let mut withdrawn = consent(&person, &permit(&["gp-1"]));
    (withdrawn["id"], withdrawn["status"]) = (json!(permits), json!("inactive"));
    let sent = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": consent(&person, &deny(&["gp-1"])), "request": {"method": "POST", "url": "Consent"}},
        {"resource": withdrawn, "request": {"method": "PUT", "url": format!("Consent/{permits}")}},
    ]});
    edpbw.post("", &sent).await.expect(200);
    assert!(conflicts(&edpbw, &person, "").await.is_empty());
    assert_eq!(notices(&gateway, &person).await, 0);
}

stories!(
    a_contradiction_that_begins_and_ends_in_one_transaction_is_told_to_nobody,
    a_notice_does_not_leave_once_nothing_contradicts_any_more,
    a_contradiction_is_recorded_told_and_ended,
    a_transaction_is_looked_at_whole,
    an_exclusion_is_no_contradiction,
    a_custodian_finds_consents_as_iti_108_asks,
    an_identifier_is_searched_among_visible_persons_only,
);
