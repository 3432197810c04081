//! Who writes themselves into something gains nothing: an organisation with another's number, a Group, a role, a team, and a
//! word about a number that somebody guessed.

use gateway::registry::put_organization;
use gateway::storage::registry::Organization;
use serde_json::{Value, json};
use wellgate_tests::caller::Caller;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::referral::refusals;
use wellgate_tests::resources::{actor, consent, encounter, patient, permit};
use wellgate_tests::stories;

const CBE: &str = mappings::identifiers::CBE_SYSTEM;
const NIHDI: &str = mappings::identifiers::NIHDI_SYSTEM;
const SSIN: &str = mappings::identifiers::SSIN_SYSTEM;

fn about(kind: &str, reference: &Value) -> Value {
    let mut actor = actor("");
    actor["reference"] = reference.clone();
    json!({"type": kind, "actor": [actor]})
}

fn literal(reference: &str) -> Value {
    json!({"reference": reference})
}

/// A Consent of this custodian that names the reference is refused for it, with the same answer as for what never was.
async fn names_nobody(custodian: &Caller<'_>, person: &str, reference: &str) {
    let resource_type = reference.split_once('/').expect("an address").0;
    for kind in ["permit", "deny"] {
        let refused = custodian.post("Consent", &consent(person, &about(kind, &literal(reference)))).await.expect(422);
        let never = literal(&format!("{resource_type}/never-was"));
        let unknown = custodian.post("Consent", &consent(person, &about(kind, &never))).await.expect(422);
        assert_eq!(refused.told(), unknown.told(), "{reference}");
    }
    assert!(custodian.search(format!("Consent?patient={person}&status=active")).await.is_empty(), "nothing was kept");
}

async fn an_organisation_with_anothers_number_is_not_meant(gateway: Gateway) {
    let organization = Organization {
        id: "cgg-2".to_owned(),
        name: "Test cgg-2".to_owned(),
        kind: "cgg".to_owned(),
        cbe: Some("0400000000".to_owned()),
        nihdi: Some("72000000".to_owned()),
        active: true,
    };
    put_organization(&gateway.app.store, &organization, &[], 0).await.expect("it is written");
    gateway.app.forget_registry();
    let numbers = json!([{"system": CBE, "value": "0400000000"}, {"system": NIHDI, "value": "72000000"}]);
    let forger = gateway.as_("gp-1");
    let written = json!({"resourceType": "Organization", "name": "Testvervalser", "identifier": numbers});
    let written = forger.create(&written).await;
    let mut own = forger.get("Organization/gp-1").await.expect(200).json;
    own["identifier"] = numbers.clone();
    forger.put("Organization/gp-1", &own).await.expect(200);
    let owner = gateway.as_("edpbw-a");
    let person = owner.create(&patient()).await;
    names_nobody(&owner, &person, &format!("Organization/{written}")).await;
    for number in numbers.as_array().expect("a list") {
        owner.create(&consent(&person, &about("permit", &json!({"identifier": number})))).await;
        gateway.as_("cgg-2").get(format!("Patient/{person}")).await.expect(200);
        forger.get(format!("Patient/{person}")).await.expect(404);
    }
}

async fn a_practitioner_who_is_written_is_not_registered(gateway: Gateway) {
    let forger = gateway.as_("gp-1");
    let number = json!([{"system": NIHDI, "value": "19110101801"}]);
    let person = json!({"resourceType": "Practitioner", "active": true, "identifier": number});
    let written = forger.create(&person).await;
    let role = json!({"resourceType": "PractitionerRole", "active": true, "practitioner": literal("Practitioner/psychologist-1"),
        "organization": literal("Organization/gp-1"), "identifier": number});
    let role = forger.create(&role).await;
    let owner = gateway.as_("edpbw-a");
    let patient = owner.create(&patient()).await;
    names_nobody(&owner, &patient, &format!("Practitioner/{written}")).await;
    names_nobody(&owner, &patient, &format!("PractitionerRole/{role}")).await;
    // The number means whom the operator registered with it.
    owner.create(&consent(&patient, &about("permit", &json!({"identifier": number[0]})))).await;
    gateway.as_("elp-1").by_practitioner("psychologist-1").get(format!("Patient/{patient}")).await.expect(200);
    for other in [forger.clone(), forger.clone().by_practitioner("doctor-1"), gateway.as_("elp-1")] {
        other.get(format!("Patient/{patient}")).await.expect(404);
    }
    // Nor does a team have members that a client wrote.
    let group = json!({"resourceType": "Group", "type": "practitioner", "actual": true, "member": [
        {"entity": literal(&format!("PractitionerRole/{role}"))}, {"entity": literal(&format!("Practitioner/{written}"))},
    ]});
    let group = owner.create(&group).await;
    owner.create(&consent(&patient, &about("permit", &literal(&format!("Group/{group}"))))).await;
    forger.by_practitioner("doctor-1").get(format!("Patient/{patient}")).await.expect(404);
}

async fn a_group_counts_for_the_records_of_its_own_organisation_only(gateway: Gateway) {
    let forger = gateway.as_("gp-1");
    let group = json!({"resourceType": "Group", "type": "practitioner", "actual": true, "member": [
        {"entity": literal("Organization/gp-1")}, {"entity": literal("Practitioner/doctor-1")},
    ]});
    let group = format!("Group/{}", forger.create(&group).await);
    let owner = gateway.as_("edpbw-a");
    let person = owner.create(&patient()).await;
    names_nobody(&owner, &person, &group).await;
    let word = consent(&person, &about("permit", &literal(&group)));
    let told = forger.post("Consent", &word).await.expect(422).told();
    let unknown = consent("never-was", &about("permit", &literal(&group)));
    assert_eq!(told, forger.post("Consent", &unknown).await.expect(422).told());
    for caller in [forger.clone(), forger.clone().by_practitioner("doctor-1")] {
        caller.get(format!("Patient/{person}")).await.expect(404);
    }
    // A Group that only describes whom it means has no members to hold anybody to.
    let described = json!({"resourceType": "Group", "type": "practitioner", "actual": false});
    let described = format!("Group/{}", owner.create(&described).await);
    names_nobody(&owner, &person, &described).await;
}

async fn a_care_team_is_the_custodians_to_write(gateway: Gateway) {
    let owner = gateway.as_("edpbw-a");
    let person = owner.create(&patient()).await;
    let contact = owner.create(&encounter(&person)).await;
    let team = |subject: &str| {
        json!({"resourceType": "CareTeam", "status": "active", "subject": literal(&format!("Patient/{subject}")), "participant": [
            {"member": literal("Practitioner/doctor-1")},
            {"member": literal("Practitioner/justice-1"), "role": [{"coding": [
                {"system": gateway::consent::CARE_TEAM_ROLE_SYSTEM, "code": "mandated-treatment"}]}]},
        ]})
    };
    let forger = gateway.as_("gp-1");
    let told = forger.post("CareTeam", &team(&person)).await.expect(422).told();
    assert_eq!(told, forger.post("CareTeam", &team("never-was")).await.expect(422).told());
    let word = owner.create(&consent(&person, &permit(&["gp-1"]))).await;
    assert_eq!(forger.post("CareTeam", &team(&person)).await.expect(403).reason(), "not-custodian");
    let mut withdrawn = owner.get(format!("Consent/{word}")).await.json;
    withdrawn["status"] = json!("inactive");
    owner.put(format!("Consent/{word}"), &withdrawn).await.expect(200);
    for by in ["doctor-1", "justice-1"] {
        forger.clone().by_practitioner(by).get(format!("Encounter/{contact}")).await.expect(404);
    }
    // A team of one's own record is no team of another's.
    let own = forger.create(&patient()).await;
    let own_team = forger.create(&team(&own)).await;
    names_nobody(&owner, &person, &format!("CareTeam/{own_team}")).await;
    assert!(refusals(&owner, Some(&person)).await.contains(&"not-custodian".to_owned()));
}

async fn a_deny_about_a_guessed_number_tells_nothing_and_harms_nobody(gateway: Gateway) {
    let owner = gateway.as_("edpbw-a");
    let numbered = |number: &str| {
        let mut person = patient();
        person["identifier"] = json!([{"system": SSIN, "value": number}]);
        person
    };
    let (known, unknown) = ("90061599902", "90061599803");
    let person = owner.create(&numbered(known)).await;
    owner.create(&consent(&person, &permit(&["cgg-1"]))).await;
    let guesser = gateway.as_("gp-1");
    let mut told = Vec::new();
    for number in [known, unknown] {
        let own = guesser.create(&numbered(number)).await;
        let denied = guesser.post("Consent", &consent(&own, &json!({"type": "deny"}))).await.expect(201);
        // By number alone, as if the gateway could tell whose it is.
        let mut by_number = consent(&own, &json!({"type": "deny"}));
        by_number["patient"] = json!({"identifier": {"system": SSIN, "value": number}});
        let refused = guesser.post("Consent", &by_number).await.expect(422);
        let found = guesser.search(format!("Patient?identifier={SSIN}|{number}")).await;
        assert_eq!(found.len(), 1, "its own");
        let mut body = denied.json.clone();
        for member in ["id", "meta", "patient", "performer"] {
            body[member].take();
        }
        told.push((denied.status, denied.headers.len(), body, refused.told().replace(number, "NUMBER"), found.len()));
    }
    assert_eq!(told[0], told[1], "whether or not the number is known elsewhere");
    let address = format!("Patient/{person}");
    gateway.as_("cgg-1").get(&address).await.expect(200);
    owner.get(&address).await.expect(200);
    guesser.get(&address).await.expect(404);
    assert_eq!(
        owner.search(format!("Consent?patient={person}")).await.len(),
        1,
        "the record's Consents are as they were"
    );
}

stories!(
    an_organisation_with_anothers_number_is_not_meant,
    a_practitioner_who_is_written_is_not_registered,
    a_group_counts_for_the_records_of_its_own_organisation_only,
    a_care_team_is_the_custodians_to_write,
    a_deny_about_a_guessed_number_tells_nothing_and_harms_nobody,
);
