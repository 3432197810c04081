//! Inside an organisation: whom the patient excludes, the care team and its replacements, roles with a limit, and mandated
//! treatment.

use serde_json::{Value, json};
use wellgate_tests::caller::Caller;
use wellgate_tests::gateway::{DAY_MS, Gateway};
use wellgate_tests::referral::{bring, place, refusals};
use wellgate_tests::resources::{actor, bundle, consent, encounter, observation, patient, permit, service_request};
use wellgate_tests::stories;

const TEAM_ROLES: &str = gateway::consent::CARE_TEAM_ROLE_SYSTEM;

/// A provision of this type about one actor, for whatever purpose.
fn about(kind: &str, reference: &Value) -> Value {
    let mut actor = actor("");
    actor["reference"] = reference.clone();
    json!({"type": kind, "actor": [actor]})
}

fn literal(reference: &str) -> Value {
    json!({"reference": reference})
}

fn care_team(patient: &str, members: &[Value]) -> Value {
    json!({"resourceType": "CareTeam", "status": "active", "subject": literal(&format!("Patient/{patient}")), "participant": members})
}

fn participant(practitioner: &str) -> Value {
    json!({"member": literal(&format!("Practitioner/{practitioner}"))})
}

fn group(members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|member| json!({"entity": literal(member)})).collect();
    json!({"resourceType": "Group", "type": "practitioner", "actual": true, "member": members})
}

/// The caller sees nothing of a record, by any way, and it answers as if the record had never been.
async fn sees_nothing(caller: &Caller<'_>, person: &str, encounter: &str) {
    for (address, unknown) in [
        (format!("Patient/{person}"), "Patient/never-was".to_owned()),
        (format!("Patient/{person}/_history"), "Patient/never-was/_history".to_owned()),
        (format!("Encounter/{encounter}"), "Encounter/never-was".to_owned()),
    ] {
        let (seen, never) = (caller.get(&address).await.expect(404), caller.get(&unknown).await.expect(404));
        assert_eq!(seen.told(), never.told(), "{address}");
    }
    for query in
        [format!("Patient?_id={person}"), format!("Encounter?patient={person}"), format!("AuditEvent?patient={person}")]
    {
        let counted = caller.get(format!("{query}&_total=accurate")).await.expect(200);
        assert_eq!((counted.resources().len(), &counted.json["total"]), (0, &json!(0)), "{query}");
    }
    assert!(caller.get("Patient/_history").await.expect(200).resources().iter().all(|one| one["id"] != person));
}

async fn an_excluded_practitioner_of_the_own_organisation_finds_nothing(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&patient()).await;
    let contact = elp.create(&encounter(&person)).await;
    let team = elp.create(&group(&["Practitioner/psychologist-2"])).await;
    let excluded = elp.clone().by_practitioner("psychologist-2");
    excluded.get(format!("Patient/{person}")).await.expect(200);
    for reference in ["Practitioner/psychologist-2", "PractitionerRole/psychologist-2", &format!("Group/{team}")] {
        let word = elp.create(&consent(&person, &about("deny", &literal(reference)))).await;
        sees_nothing(&excluded, &person, &contact).await;
        let told = excluded.post("Encounter", &encounter(&person)).await.expect(422).told();
        assert_eq!(told, excluded.post("Encounter", &encounter("never-was")).await.expect(422).told());
        // A conditional create meets nothing either.
        let condition = [("if-none-exist", "identifier=https://ehr.example/patient|TEST-0001")];
        let fresh = excluded.post_with("Patient", &patient(), &condition).await.expect(201);
        assert_ne!(fresh.id(), person);
        excluded.delete(format!("Patient/{}", fresh.id())).await.expect(204);
        // Nor do they take back the word that excludes them, though their organisation wrote it down.
        let mut withdrawn = elp.get(format!("Consent/{word}")).await.expect(200).json;
        withdrawn["status"] = json!("inactive");
        excluded.put(format!("Consent/{word}"), &withdrawn).await.expect(404);
        assert_eq!(elp.get(format!("Consent/{word}")).await.json["status"], "active");
        // Everyone else of the organisation goes on.
        elp.clone().by_practitioner("psychologist-1").get(format!("Patient/{person}")).await.expect(200);
        elp.put(format!("Consent/{word}"), &withdrawn).await.expect(200);
        excluded.get(format!("Patient/{person}")).await.expect(200);
    }
    // An organisation, its kind or everyone: the custodian has the record by law.
    elp.create(&consent(&person, &about("deny", &literal("Organization/elp-1")))).await;
    excluded.get(format!("Patient/{person}")).await.expect(200);
    let refused = refusals(&elp, Some(&person)).await;
    assert!(refused.len() >= 9 && refused.iter().all(|reason| reason == "not-found"), "{refused:?}");
    let events = elp.search(format!("AuditEvent?outcome=8&patient={person}&_count=1")).await;
    assert_eq!(events[0]["agent"][2]["who"]["reference"], "Practitioner/psychologist-2", "and who it was");
}

async fn a_practitioner_is_named_by_their_number(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&patient()).await;
    let system = mappings::identifiers::NIHDI_SYSTEM;
    let number = json!({"identifier": {"system": system, "value": "19110101801"}});
    elp.create(&consent(&person, &about("deny", &number))).await;
    elp.clone().by_practitioner("psychologist-1").get(format!("Patient/{person}")).await.expect(404);
    elp.clone().by_practitioner("psychologist-2").get(format!("Patient/{person}")).await.expect(200);
    // The directory shows whose number it is, and is not a client's to change.
    let shown = elp.get("Practitioner/psychologist-1").await.expect(200).json;
    assert_eq!(shown["identifier"][0]["value"], "19110101801");
    let role = elp.get("PractitionerRole/psychologist-1").await.expect(200).json;
    assert_eq!(
        (&role["organization"]["reference"], &role["code"][0]["coding"][0]["code"]),
        (&json!("Organization/elp-1"), &json!("care"))
    );
    for entry in [shown, role] {
        let address = format!("{}/psychologist-1", entry["resourceType"].as_str().expect("a type"));
        assert_eq!(elp.put(&address, &entry).await.expect(403).reason(), "not-owner");
    }
}

async fn a_care_team_lets_in_its_members_each_in_their_time(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&patient()).await;
    let contact = elp.create(&encounter(&person)).await;
    let by = |id: &str| elp.clone().by_practitioner(id);
    let address = format!("Patient/{person}");
    by("psychologist-3").get(&address).await.expect(200);
    let mut replacement = participant("psychologist-2");
    replacement["period"] = json!({"start": "2026-03-10", "end": "2026-03-12"});
    let team = elp.create(&care_team(&person, &[participant("psychologist-1"), replacement])).await;
    by("psychologist-1").get(&address).await.expect(200);
    sees_nothing(&by("psychologist-2"), &person, &contact).await;
    gateway.clock.advance(11 * DAY_MS);
    by("psychologist-2").get(&address).await.expect(200);
    by("psychologist-2").post("Encounter", &encounter(&person)).await.expect(201);
    sees_nothing(&by("psychologist-3"), &person, &contact).await;
    gateway.clock.advance(DAY_MS);
    sees_nothing(&by("psychologist-2"), &person, &contact).await;
    elp.get(&address).await.expect(200);
    // A period that nobody can read would let in, or keep out, who knows whom.
    let mut unreadable = elp.get(format!("CareTeam/{team}")).await.json;
    unreadable["participant"][0]["period"] = json!({"start": "2026-02-30"});
    elp.put(format!("CareTeam/{team}"), &unreadable).await.expect(422);
    elp.delete(format!("CareTeam/{team}")).await.expect(204);
    by("psychologist-3").get(&address).await.expect(200);
}

async fn a_role_with_a_limit_sees_its_types_on_every_way(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&patient()).await;
    let contact = elp.create(&encounter(&person)).await;
    let coverage = json!({"resourceType": "Coverage", "status": "active", "beneficiary": literal(&format!("Patient/{person}")),
        "payor": [literal("Organization/mutuality-1")]});
    let coverage = elp.create(&coverage).await;
    for (id, seen, unseen) in [("desk-1", "RelatedPerson", "Claim"), ("books-1", "Claim", "RelatedPerson")] {
        let by = elp.clone().by_practitioner(id);
        by.get(format!("Patient/{person}")).await.expect(200);
        by.get(format!("Coverage/{coverage}")).await.expect(200);
        let refused = by.get(format!("Encounter/{contact}")).await.expect(404);
        assert_eq!(refused.told(), by.get("Encounter/never-was").await.told());
        by.get(format!("Encounter/{contact}/_history")).await.expect(404);
        for query in [
            "Encounter?_total=accurate",
            "Consent?_total=accurate",
            "AuditEvent?_total=accurate",
            "Encounter?_summary=count",
        ] {
            assert_eq!(by.get(query).await.expect(200).json["total"], 0, "{id} {query}");
        }
        assert!(by.get("Encounter/_history").await.expect(200).resources().is_empty());
        let of_bundle =
            by.post("", &bundle("batch", &[("GET", &format!("Encounter/{contact}"), None)])).await.expect(200);
        assert_eq!(of_bundle.json["entry"][0]["response"]["status"], "404 Not Found");
        // What they do not see they do not write.
        for resource in [encounter(&person), observation(&person), service_request(&person, "")] {
            let resource_type = resource["resourceType"].as_str().expect("a type").to_owned();
            assert_eq!(by.post(&resource_type, &resource).await.expect(403).reason(), "beyond-role", "{resource_type}");
        }
        by.delete(format!("Encounter/{contact}")).await.expect(404);
        let mut seen_there = by.get(format!("Patient/{person}")).await.json;
        seen_there["active"] = json!(false);
        by.put(format!("Patient/{person}"), &seen_there).await.expect(200);
        assert!(by.get(format!("{seen}?patient={person}")).await.expect(200).resources().is_empty());
        let least = json!({"resourceType": unseen, "patient": literal(&format!("Patient/{person}"))});
        if unseen == "RelatedPerson" {
            assert_eq!(by.post(unseen, &least).await.expect(403).reason(), "beyond-role");
        }
    }
    assert_eq!(elp.search(format!("Encounter?patient={person}")).await.len(), 1, "nothing was written or lost");
    assert!(refusals(&elp, Some(&person)).await.contains(&"beyond-role".to_owned()));
}

async fn a_role_with_a_limit_has_no_part_in_referrals(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    let elp = gateway.as_("elp-1");
    let (desk, books) = (elp.clone().by_practitioner("desk-1"), elp.clone().by_practitioner("books-1"));
    let address = format!("Task/{}", placed.task);
    let waiting = desk.get(&address).await.expect(200);
    assert!(waiting.json.get("for").is_none(), "the minimum");
    let mut accepted = waiting.json.clone();
    accepted["status"] = json!("accepted");
    let if_match = [("if-match", &*waiting.etag())];
    assert_eq!(desk.put_with(&address, &accepted, &if_match).await.expect(403).reason(), "beyond-role");
    books.get(&address).await.expect(404);
    let told = books.put_with(&address, &accepted, &if_match).await.expect(404).told();
    accepted["id"] = json!("never-was");
    assert_eq!(told, books.put_with("Task/never-was", &accepted, &if_match).await.told());
    assert_eq!(gateway.as_("edpbw-a").get(&address).await.json["status"], "requested", "nothing moved");
    bring(&elp.clone().by_practitioner("psychologist-1"), &placed.task, "accepted").await.expect(200);
    // The whole of it has what the referral is about: it stays the minimum for the desk.
    assert!(desk.get(&address).await.expect(200).json.get("for").is_none());
    let person = &placed.patient;
    let word = elp.create(&consent(person, &about("deny", &literal("Practitioner/psychologist-2")))).await;
    let excluded = elp.clone().by_practitioner("psychologist-2");
    let told = excluded.put(&address, &accepted_with(&placed.task)).await.expect(404).told();
    assert_eq!(
        told,
        excluded.put("Task/never-was", &accepted_with("never-was")).await.told(),
        "not even that If-Match is missing"
    );
    elp.get(format!("Consent/{word}")).await.expect(200);
}

fn accepted_with(task: &str) -> Value {
    json!({"resourceType": "Task", "id": task, "status": "completed", "intent": "order"})
}

async fn a_justice_assistant_sees_by_law_whether_the_person_attends(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&patient()).await;
    let contact = elp.create(&encounter(&person)).await;
    let seen = elp.create(&observation(&person)).await;
    let justice = gateway.as_("gp-1").by_practitioner("justice-1");
    sees_nothing(&justice, &person, &contact).await;
    let mut mandated = participant("justice-1");
    mandated["role"] = json!([{"coding": [{"system": TEAM_ROLES, "code": "mandated-treatment"}]}]);
    mandated["period"] = json!({"end": "2026-03-31"});
    let mut pretending = mandated.clone();
    pretending["member"] = literal("Practitioner/doctor-1");
    let team = elp.create(&care_team(&person, &[mandated, pretending, participant("psychologist-1")])).await;
    // No Consent is needed, no deny hides it, and a permit of the team does not mean who takes part by law only.
    elp.create(&consent(&person, &about("deny", &literal("Practitioner/justice-1")))).await;
    justice.get(format!("Encounter/{contact}")).await.expect(200);
    assert_eq!(justice.search(format!("Encounter?patient={person}")).await.len(), 1);
    elp.create(&consent(&person, &about("permit", &literal(&format!("CareTeam/{team}"))))).await;
    for address in [format!("Patient/{person}"), format!("Observation/{seen}"), format!("CareTeam/{team}")] {
        justice.get(&address).await.expect(404);
    }
    assert!(justice.search(format!("AuditEvent?patient={person}")).await.is_empty());
    let mut changed = encounter(&person);
    changed["id"] = json!(contact);
    assert_eq!(justice.put(format!("Encounter/{contact}"), &changed).await.expect(403).reason(), "not-custodian");
    for other in [gateway.as_("gp-1"), gateway.as_("gp-1").by_practitioner("doctor-1")] {
        other.get(format!("Encounter/{contact}")).await.expect(404);
    }
    let events = elp.search(format!("AuditEvent?outcome=0&patient={person}&_count=500")).await;
    let basis = |event: &Value| event["agent"][2]["policy"][0].as_str().unwrap_or_default().to_owned();
    let of_law: Vec<_> = events.iter().filter(|event| basis(event).ends_with("#mandated-treatment")).collect();
    assert_eq!(of_law.len(), 2, "a read and a search");
    assert_eq!(of_law[0]["agent"][2]["who"]["reference"], "Practitioner/justice-1");
    let mut same = encounter(&justice.create(&patient()).await);
    same["identifier"] = json!([{"system": "https://ehr.example/encounter", "value": "TEST-1"}]);
    changed["identifier"] = same["identifier"].clone();
    elp.put(format!("Encounter/{contact}"), &changed).await.expect(200);
    let condition = [("if-none-exist", "identifier=https://ehr.example/encounter|TEST-1")];
    justice.post_with("Encounter", &same, &condition).await.expect(201);
    gateway.clock.advance(31 * DAY_MS);
    justice.get(format!("Encounter/{contact}")).await.expect(404);
}

async fn a_consent_may_name_a_team_whose_members_change(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let (person, team) =
        ("urn:uuid:00000000-0000-4000-8000-000000000001", "urn:uuid:00000000-0000-4000-8000-000000000002");
    let with_id = |mut resource: Value, id: &str| {
        resource["id"] = json!(id);
        resource
    };
    let mut members = care_team("", &[participant("doctor-1")]);
    members["subject"] = literal(person);
    let word = consent(person, &about("permit", &literal(team)));
    // In any order of the entries.
    let entries = [
        ("POST", "Consent", Some(word)),
        ("POST", "CareTeam", Some(with_id(members, team))),
        ("POST", "Patient", Some(with_id(patient(), person))),
    ];
    let made = elp.post("", &bundle("transaction", &entries)).await.expect(200);
    let id = |n: usize| {
        made.json["entry"][n]["response"]["location"]
            .as_str()
            .and_then(|at| at.split("/_history").next()?.rsplit('/').next())
            .expect("an address")
            .to_owned()
    };
    let (team, person) = (id(1), id(2));
    let address = format!("Patient/{person}");
    let gp = gateway.as_("gp-1");
    gp.clone().by_practitioner("doctor-1").get(&address).await.expect(200);
    for other in [gp.clone().by_practitioner("doctor-2"), gp.clone(), gateway.as_("elp-2")] {
        other.get(&address).await.expect(404);
    }
    let mut changed = elp.get(format!("CareTeam/{team}")).await.expect(200).json;
    changed["participant"] = json!([participant("doctor-2"), {"member": literal("Organization/elp-2")}]);
    elp.put(format!("CareTeam/{team}"), &changed).await.expect(200);
    gp.clone().by_practitioner("doctor-1").get(&address).await.expect(404);
    gp.clone().by_practitioner("doctor-2").get(&address).await.expect(200);
    gateway.as_("elp-2").get(&address).await.expect(200);
    // A referral goes where a member may be: decided on the same teams.
    elp.create(&service_request(&person, "Organization/elp-2")).await;
    assert_eq!(gateway.as_("elp-2").search("Task?status=requested").await.len(), 1);
}

async fn who_leaves_the_team_is_not_waited_for(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let group = edpbw.create(&group(&["Organization/elp-2"])).await;
    edpbw.create(&consent(&person, &about("permit", &literal(&format!("Group/{group}"))))).await;
    let refused = edpbw.post("ServiceRequest", &service_request(&person, "Organization/elp-1")).await.expect(403);
    assert_eq!(refused.reason(), "no-consent");
    edpbw.create(&service_request(&person, "Organization/elp-2")).await;
    let elp = gateway.as_("elp-2");
    let waiting = elp.search("Task?status=requested").await;
    assert_eq!(waiting.len(), 1);
    let mut emptied = edpbw.get(format!("Group/{group}")).await.expect(200).json;
    emptied["member"][0]["inactive"] = json!(true);
    edpbw.put(format!("Group/{group}"), &emptied).await.expect(200);
    assert!(elp.search("Task?status=requested").await.is_empty());
    let task = waiting[0]["id"].as_str().expect("an id");
    elp.get(format!("Task/{task}")).await.expect(404);
}

async fn whoever_held_the_record_lets_nobody_in_by_its_group(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let list = edpbw.create(&group(&["Practitioner/doctor-1"])).await;
    let named = literal(&format!("Group/{list}"));
    edpbw.create(&consent(&person, &about("permit", &named))).await;
    edpbw.create(&consent(&person, &permit(&["elp-1"]))).await;
    let address = format!("Patient/{person}");
    let (member, other) =
        (gateway.as_("gp-1").by_practitioner("doctor-1"), gateway.as_("gp-1").by_practitioner("doctor-2"));
    member.get(&address).await.expect(200);
    let order = edpbw.create(&service_request(&person, "Organization/elp-1")).await;
    let task = wellgate_tests::referral::organization_task(&edpbw, &order).await;
    bring(&gateway.as_("elp-1"), &task, "accepted").await.expect(200);
    let mut more = group(&["Practitioner/doctor-1", "Practitioner/doctor-2"]);
    more["id"] = json!(list);
    edpbw.put(format!("Group/{list}"), &more).await.expect(200);
    other.get(&address).await.expect(404);
    member.get(&address).await.expect(404);
    // What it excluded stays excluded.
    let elp = gateway.as_("elp-1");
    elp.create(&consent(&person, &about("permit", &literal("Practitioner/doctor-2")))).await;
    other.get(&address).await.expect(200);
    let refused = elp.post("Consent", &consent(&person, &about("deny", &named))).await.expect(422);
    assert_eq!(refused.issues()[0].1, "Consent.provision.actor[0].reference", "another's Group is none");
}

stories!(
    an_excluded_practitioner_of_the_own_organisation_finds_nothing,
    a_practitioner_is_named_by_their_number,
    a_care_team_lets_in_its_members_each_in_their_time,
    a_role_with_a_limit_sees_its_types_on_every_way,
    a_role_with_a_limit_has_no_part_in_referrals,
    a_justice_assistant_sees_by_law_whether_the_person_attends,
    a_consent_may_name_a_team_whose_members_change,
    who_leaves_the_team_is_not_waited_for,
    whoever_held_the_record_lets_nobody_in_by_its_group,
);
