//! Whose word counts: nobody grants itself anything, and reading is not writing.

use serde_json::{Value, json};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::referral::refusals;
use wellgate_tests::resources::{actor, bundle, consent, encounter, observation, patient, permit};
use wellgate_tests::stories;

async fn a_consent_about_anothers_patient_opens_nothing(gateway: Gateway) {
    let owner = gateway.as_("edpbw-a");
    let person = owner.create(&patient()).await;
    let greedy = gateway.as_("gp-1");
    let word = consent(&person, &permit(&["gp-1"]));
    let refused = greedy.post("Consent", &word).await.expect(422);
    assert_eq!(refused.told(), greedy.post("Consent", &consent("never-was", &permit(&["gp-1"]))).await.told());
    let address = "urn:uuid:00000000-0000-4000-8000-000000000001";
    let mut own = patient();
    own["id"] = json!(address);
    let entries = [("POST", "Patient", Some(own)), ("POST", "Consent", Some(word))];
    greedy.post("", &bundle("transaction", &entries)).await.expect(422);
    assert_eq!(greedy.search("Patient").await.len(), 0, "and nothing of the transaction stayed");
    greedy.get(format!("Patient/{person}")).await.expect(404);
    assert_eq!(owner.search(format!("Consent?patient={person}")).await.len(), 0);
}

async fn whoever_reads_by_consent_cannot_pass_it_on(gateway: Gateway) {
    let owner = gateway.as_("edpbw-a");
    let person = owner.create(&patient()).await;
    owner.create(&consent(&person, &permit(&["gp-1"]))).await;
    let reader = gateway.as_("gp-1");
    reader.get(format!("Patient/{person}")).await.expect(200);
    let refused = reader.post("Consent", &consent(&person, &permit(&["gp-1", "cgg-1"]))).await.expect(403);
    assert_eq!(refused.reason(), "not-custodian");
    gateway.as_("cgg-1").get(format!("Patient/{person}")).await.expect(404);
    assert_eq!(refusals(&owner, Some(&person)).await, ["not-found", "not-custodian"]);
}

async fn reading_is_not_writing(gateway: Gateway) {
    let owner = gateway.as_("edpbw-a");
    let person = owner.create(&patient()).await;
    let seen = owner.create(&observation(&person)).await;
    let word = owner.create(&consent(&person, &permit(&["gp-1"]))).await;
    let reader = gateway.as_("gp-1");
    for (path, resource) in
        [(format!("Patient/{person}"), patient()), (format!("Observation/{seen}"), observation(&person))]
    {
        reader.get(&path).await.expect(200);
        let mut resource = resource;
        resource["id"] = json!(path.split_once('/').expect("an address").1);
        assert_eq!(reader.put(&path, &resource).await.expect(403).reason(), "not-custodian");
        assert_eq!(reader.delete(&path).await.expect(403).reason(), "not-custodian");
        assert_eq!(owner.get(format!("{path}/_history")).await.resources().len(), 1, "{path} is as it was");
    }
    for resource in [encounter(&person), observation(&person)] {
        let resource_type = resource["resourceType"].as_str().expect("a type").to_owned();
        assert_eq!(reader.post(&resource_type, &resource).await.expect(403).reason(), "not-custodian");
    }
    // A Consent names whom the patient excluded: readers see none.
    reader.get(format!("Consent/{word}")).await.expect(404);
    assert_eq!(reader.search(format!("Consent?patient={person}")).await.len(), 0);
    assert_eq!(owner.search(format!("Encounter?patient={person}")).await.len(), 0);
    assert_eq!(owner.search(format!("Observation?patient={person}")).await.len(), 1);
}

async fn the_directory_is_read_by_all_and_written_by_its_own(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let practitioner = json!({"resourceType": "Practitioner", "active": true, "name": [{"family": "Testbehandelaar"}]});
    let id = elp.create(&practitioner).await;
    let (address, stranger) = (format!("Practitioner/{id}"), gateway.as_("mutuality-1"));
    let mut changed = stranger.get(&address).await.expect(200).json;
    changed["active"] = json!(false);
    assert_eq!(stranger.put(&address, &changed).await.expect(403).reason(), "not-owner");
    assert_eq!(stranger.delete(&address).await.expect(403).reason(), "not-owner");
    elp.put(&address, &changed).await.expect(200);
    assert_eq!(stranger.get(&address).await.json["active"], false);

    let own = elp.get("Organization/elp-1").await.expect(200).json;
    assert_eq!(stranger.put("Organization/elp-1", &own).await.expect(403).reason(), "not-owner");
    elp.put("Organization/elp-1", &own).await.expect(200);
    let pool = elp.get("HealthcareService/elp-pool").await.expect(200).json;
    assert_eq!(elp.put("HealthcareService/elp-pool", &pool).await.expect(403).reason(), "not-owner", "the operator's");
}

async fn what_is_an_organisations_own_is_nobody_elses(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let group = json!({"resourceType": "Group", "type": "person", "actual": true, "name": "Test group"});
    let id = elp.create(&group).await;
    elp.get(format!("Group/{id}")).await.expect(200);
    let other = gateway.as_("elp-2");
    other.get(format!("Group/{id}")).await.expect(404);
    assert_eq!(other.search("Group").await.len(), 0);
    let mut changed = group.clone();
    changed["id"] = json!(id);
    other.put(format!("Group/{id}"), &changed).await.expect(404);
    other.delete(format!("Group/{id}")).await.expect(404);
}

async fn only_who_is_registered_is_a_grantee(gateway: Gateway) {
    let gp = gateway.as_("gp-1");
    let written = gp.create(&json!({"resourceType": "Organization", "name": "Testorganisatie"})).await;
    let group = json!({"resourceType": "Group", "type": "practitioner", "actual": true});
    let group = gateway.as_("elp-1").create(&group).await;
    let person = gp.create(&patient()).await;
    for reference in [format!("Organization/{written}"), format!("Group/{group}"), "Organization/nobody".to_owned()] {
        let mut provision = permit(&["elp-1"]);
        provision["actor"][0]["reference"] = json!({"reference": reference});
        let refused = gp.post("Consent", &consent(&person, &provision)).await.expect(422);
        assert_eq!(
            refused.issues(),
            [("value".to_owned(), "Consent.provision.actor[0].reference".to_owned())],
            "{reference}"
        );
    }
    assert_eq!(gp.search(format!("Consent?patient={person}")).await.len(), 0);
}

async fn an_organisation_does_not_become_another_kind_by_writing_so(gateway: Gateway) {
    let owner = gateway.as_("edpbw-a");
    let person = owner.create(&patient()).await;
    let system = gateway::consent::ORGANIZATION_KIND_SYSTEM;
    let mut provision = permit(&["elp-1"]);
    provision["actor"] = json!([actor("elp-1")]);
    provision["actor"][0]["reference"] = json!({"identifier": {"system": system, "value": "cgg"}});
    owner.create(&consent(&person, &provision)).await;
    gateway.as_("cgg-2").get(format!("Patient/{person}")).await.expect(200);

    let gp = gateway.as_("gp-1");
    let mut own = gp.get("Organization/gp-1").await.expect(200).json;
    own["identifier"] = json!([{"system": system, "value": "cgg"}]);
    own["type"] = json!([{"coding": [{"system": system, "code": "cgg"}]}]);
    gp.put("Organization/gp-1", &own).await.expect(200);
    gp.get(format!("Patient/{person}")).await.expect(404);
}

async fn a_conditional_create_never_meets_anothers_resource(gateway: Gateway) {
    let condition = [("if-none-exist", "identifier=https://ehr.example/patient|TEST-0001")];
    let first = gateway.as_("edpbw-a").post_with("Patient", &patient(), &condition).await.expect(201);
    let second = gateway.as_("edpbw-b").post_with("Patient", &patient(), &condition).await.expect(201);
    assert_ne!(first.id(), second.id());
    let again = gateway.as_("edpbw-a").post_with("Patient", &patient(), &condition).await.expect(200);
    assert_eq!(again.id(), first.id());
    // Nor where a Consent lets it be read: what would be answered is another's resource.
    let owner = gateway.as_("edpbw-a");
    owner.create(&consent(&first.id(), &permit(&["gp-1"]))).await;
    let found: Vec<Value> = gateway.as_("gp-1").search("Patient?identifier=TEST-0001").await;
    assert_eq!(found.len(), 1);
    let own = gateway.as_("gp-1").post_with("Patient", &patient(), &condition).await.expect(201);
    assert_ne!(own.id(), first.id());
}

stories!(
    a_consent_about_anothers_patient_opens_nothing,
    whoever_reads_by_consent_cannot_pass_it_on,
    reading_is_not_writing,
    the_directory_is_read_by_all_and_written_by_its_own,
    what_is_an_organisations_own_is_nobody_elses,
    only_who_is_registered_is_a_grantee,
    an_organisation_does_not_become_another_kind_by_writing_so,
    a_conditional_create_never_meets_anothers_resource,
);
