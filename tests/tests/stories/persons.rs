//! The person signed in, and those who act for a person: what they see, what they may say, and all that they may not.

mod access_log;

use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::caller::Caller;
use wellgate_tests::gateway::{DAY_MS, Gateway};
use wellgate_tests::referral::{bring, place, refusals};
use wellgate_tests::resources::{bundle, consent, encounter, observation, patient, permit, service_request};
use wellgate_tests::stories;

/// A RelatedPerson of a record with these scopes.
fn representative(patient: &str, scopes: &[&str]) -> Value {
    let url = "https://wellgate.example/fhir/StructureDefinition/representation-scope";
    let extensions: Vec<Value> = scopes.iter().map(|code| json!({"url": url, "valueCode": code})).collect();
    let mut resource = json!({
        "resourceType": "RelatedPerson", "active": true, "patient": {"reference": format!("Patient/{patient}")},
        "name": [{"text": "Testouder"}], "extension": extensions,
    });
    if extensions.is_empty() {
        resource.as_object_mut().expect("an object").remove("extension");
    }
    resource
}

/// The reasons of refusals in the own trail of a person, newest first.
async fn own_refusals(person: &Caller<'_>) -> Vec<String> {
    refusals(person, None).await
}

/// How many resources of these types a custodian finds.
async fn count(custodian: &Caller<'_>, resource_type: &str) -> u64 {
    let answer = custodian.get(format!("{resource_type}?_summary=count")).await.expect(200);
    answer.json["total"].as_u64().expect("a number")
}

async fn the_person_reads_the_whole_own_record_while_the_sender_is_blind(gateway: Gateway) {
    let referral = place(&gateway, "edpbw-a", &["elp-1"], "HealthcareService/elp-pool").await;
    let address = format!("Patient/{}", referral.patient);
    gateway.as_("edpbw-a").get(&address).await.expect(404);
    gateway.as_("portal-1").get(&address).await.expect(404);
    let person = gateway.person(&address);
    person.get(&address).await.expect(200);
    person.get(format!("{address}/_history")).await.expect(200);
    for (resource_type, id) in
        [("Consent", &referral.consent), ("ServiceRequest", &referral.order), ("Task", &referral.task)]
    {
        let seen = person.get(format!("{resource_type}/{id}")).await.expect(200);
        assert!(seen.json.to_string().contains(&referral.patient), "{resource_type}: the whole, not the minimum");
        let found = person.search(format!("{resource_type}?_id={id}&_total=accurate")).await;
        assert_eq!(found.len(), 1, "{resource_type}");
    }
    person.get("Organization/elp-1").await.expect(200);

    let elp = gateway.as_("elp-1");
    bring(&elp, &referral.task, "accepted").await.expect(200);
    let contact = elp.create(&encounter(&referral.patient)).await;
    person.get(format!("Encounter/{contact}")).await.expect(200);
    let events = elp.search(format!("AuditEvent?patient={}&_count=500", referral.patient)).await;
    let by_person = events.iter().find(|event| event["agent"][2]["who"]["reference"] == address.as_str());
    let by_person = by_person.expect("the person's look is in the trail of the record");
    assert!(by_person["agent"][2]["policy"][0].as_str().is_some_and(|policy| policy.ends_with("#person")));
}

async fn a_consent_of_the_person_opens_what_it_names_and_its_withdrawal_closes_it_at_once(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let id = edpbw.create(&patient()).await;
    edpbw.post("ServiceRequest", &service_request(&id, "Organization/elp-1")).await.expect(403);
    let person = gateway.person(&format!("Patient/{id}"));
    let recorded = person.post("Consent", &consent(&id, &permit(&["elp-1", "gp-1"]))).await.expect(201);
    assert_eq!(recorded.json["status"], "active", "the person sees what was recorded");
    edpbw.create(&service_request(&id, "Organization/elp-1")).await;

    // In transit nobody but the person may write; it works all the same, for whoever holds the record.
    gateway.as_("gp-1").get(format!("Patient/{id}")).await.expect(200);
    let further = person.create(&consent(&id, &permit(&["cgg-1"]))).await;
    gateway.as_("cgg-1").get(format!("Patient/{id}")).await.expect(200);
    let mut ended = person.get(format!("Consent/{further}")).await.expect(200).json;
    ended["status"] = json!("inactive");
    person.put(format!("Consent/{further}"), &ended).await.expect(200);
    gateway.as_("cgg-1").get(format!("Patient/{id}")).await.expect(404);

    // With the Consent on which it waits the referral goes back.
    let mut ended = recorded.json.clone();
    ended["status"] = json!("inactive");
    person.put(format!("Consent/{}", recorded.id()), &ended).await.expect(200);
    gateway.as_("gp-1").get(format!("Patient/{id}")).await.expect(404);
    edpbw.get(format!("Patient/{id}")).await.expect(200);
    let events = edpbw.search(format!("AuditEvent?patient={id}&_count=500")).await;
    let withdrawn = events.iter().find(|event| {
        event["subtype"][0]["code"] == "withdraw"
            && event["entity"][1]["what"]["reference"].to_string().contains("Consent")
    });
    assert_eq!(withdrawn.expect("it is in the trail")["agent"][2]["who"]["reference"], format!("Patient/{id}"));
}

async fn what_the_person_recorded_gives_the_organisation_of_the_app_nothing(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let id = edpbw.create(&patient()).await;
    let person = gateway.person(&format!("Patient/{id}"));
    let recorded = person.post("Consent", &consent(&id, &permit(&["gp-1"]))).await.expect(201);
    let mut ended = recorded.json.clone();
    ended["status"] = json!("inactive");
    for other in ["portal-1", "gp-1", "elp-1"] {
        gateway.as_(other).put(format!("Consent/{}", recorded.id()), &ended).await.expect(404);
        gateway.as_(other).get(format!("Consent/{}", recorded.id())).await.expect(404);
    }
    assert_eq!(edpbw.get(format!("Consent/{}", recorded.id())).await.expect(200).json["status"], "active");
}

async fn a_person_ends_a_consent_and_rewrites_nothing(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let id = edpbw.create(&patient()).await;
    let given = edpbw.create(&consent(&id, &permit(&["gp-1"]))).await;
    let person = gateway.person(&format!("Patient/{id}"));
    let seen = person.get(format!("Consent/{given}")).await.expect(200);
    let mut wider = seen.json.clone();
    wider["provision"] = permit(&["gp-1", "cgg-1"]);
    person.put(format!("Consent/{given}"), &wider).await.expect(403);
    wider["status"] = json!("inactive");
    person.put(format!("Consent/{given}"), &wider).await.expect(403);
    let mut draft = seen.json.clone();
    draft["status"] = json!("entered-in-error");
    person.put(format!("Consent/{given}"), &draft).await.expect(403);
    person.delete(format!("Consent/{given}")).await.expect(403);
    assert_eq!(person.get(format!("Consent/{given}")).await.etag(), seen.etag(), "nothing was stored");
    let mut ended = seen.json.clone();
    ended["status"] = json!("inactive");
    person.put_with(format!("Consent/{given}"), &ended, &[("if-match", "W/\"1\"")]).await.expect(412);
    person.put_with(format!("Consent/{given}"), &ended, &[("if-match", &seen.etag())]).await.expect(200);
    gateway.as_("gp-1").get(format!("Patient/{id}")).await.expect(404);
}

async fn a_person_reaches_no_other_record_no_room_and_no_directory(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let own = edpbw.create(&patient()).await;
    let other = edpbw.create(&patient()).await;
    // Not even one that is open to everybody.
    let everybody = edpbw.create(&consent(&other, &json!({"type": "permit"}))).await;
    let observed = edpbw.create(&observation(&other)).await;
    gateway.as_("mutuality-1").get(format!("Patient/{other}")).await.expect(200);
    let waiting = place(&gateway, "edpbw-b", &["elp-1"], "HealthcareService/elp-pool").await;
    let person = gateway.person(&format!("Patient/{own}"));

    let unknown = person.get("Patient/0123456789abcdef").await.expect(404);
    for address in [
        format!("Patient/{other}"),
        format!("Consent/{everybody}"),
        format!("Observation/{observed}"),
        format!("Task/{}", waiting.task),
        format!("Task/{}", waiting.order),
    ] {
        assert_eq!(person.get(&address).await.told(), unknown.told(), "{address}");
        person.get(format!("{address}/_history")).await.expect(404);
    }
    for query in ["Task?status=requested", "Observation?", "Consent?", "Patient?family=Testpersoon", "Group?"] {
        let found = person.search(format!("{query}&_total=accurate")).await;
        assert!(found.iter().all(|resource| !resource.to_string().contains(&other)), "{query}: {found:?}");
        assert!(found.iter().all(|resource| resource["resourceType"] != "Task"), "{query}: {found:?}");
    }
    assert_eq!(person.search(format!("AuditEvent?patient={other}")).await.len(), 0);

    let before = (count(&edpbw, "Consent").await, count(&edpbw, "Patient").await, count(&edpbw, "Observation").await);
    let mut changed = patient();
    changed["id"] = json!(own);
    person.put(format!("Patient/{own}"), &changed).await.expect(403);
    person.delete(format!("Patient/{own}")).await.expect(403);
    changed["id"] = json!(other);
    person.put(format!("Patient/{other}"), &changed).await.expect(404);
    person.post("Consent", &consent(&other, &permit(&["gp-1"]))).await.expect(422);
    person.post("Observation", &observation(&own)).await.expect(403);
    person.post("Observation", &observation(&other)).await.expect(422);
    person.post("ServiceRequest", &service_request(&own, "Organization/elp-1")).await.expect(403);
    person.post("Patient", &patient()).await.expect(403);
    person.post("Organization", &json!({"resourceType": "Organization", "name": "TEST"})).await.expect(403);
    person.post("Group", &json!({"resourceType": "Group", "type": "person", "actual": true})).await.expect(403);
    let organization = person.get("Organization/portal-1").await.expect(200).json;
    person.put("Organization/portal-1", &organization).await.expect(403);
    let task = json!({"resourceType": "Task", "id": waiting.task, "status": "accepted", "intent": "order"});
    let taken = person.put_with(format!("Task/{}", waiting.task), &task, &[("if-match", "W/\"1\"")]).await;
    taken.expect(404);
    let entries = [("POST", "Consent", Some(consent(&own, &permit(&["gp-1"])))), ("POST", "Patient", Some(patient()))];
    person.post("", &bundle("transaction", &entries)).await.expect(403);

    let after = (count(&edpbw, "Consent").await, count(&edpbw, "Patient").await, count(&edpbw, "Observation").await);
    assert_eq!(before, after, "nothing was stored");
    let refused = own_refusals(&person).await;
    for reason in ["not-custodian", "not-found", "content", "no-record", "not-owner"] {
        assert!(refused.iter().any(|other| other == reason), "{reason}: {refused:?}");
    }
    // Who looked is not told in the trail of another's record; that somebody did is.
    let events = edpbw.search(format!("AuditEvent?patient={other}&outcome=8&_count=500")).await;
    assert!(!events.is_empty());
    for event in events {
        assert!(!event.to_string().contains(&own), "{event}");
        assert_eq!(event["agent"][2]["who"]["display"], "a person who signed in", "{event}");
    }
}

async fn the_task_of_the_own_referral_is_read_and_not_moved(gateway: Gateway) {
    let referral = place(&gateway, "edpbw-a", &["elp-1"], "HealthcareService/elp-pool").await;
    let person = gateway.person(&format!("Patient/{}", referral.patient));
    for task in [&referral.task, &referral.order] {
        for status in ["accepted", "cancelled", "rejected"] {
            bring(&person, task, status).await.expect(403);
        }
    }
    bring(&gateway.as_("elp-1"), &referral.task, "accepted").await.expect(200);
}

async fn a_representative_does_what_each_scope_says_and_nothing_else(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let id = edpbw.create(&patient()).await;
    let other = edpbw.create(&patient()).await;
    let given = edpbw.post("Consent", &consent(&id, &permit(&["gp-1"]))).await.expect(201);
    let (address, of_consent) = (format!("Patient/{id}"), format!("Consent/{}", given.id()));
    let word = consent(&id, &permit(&["cgg-1"]));
    let mut ended = given.json.clone();
    ended["status"] = json!("inactive");
    for scope in ["", "read", "consent", "withdraw"] {
        let scopes: Vec<&str> = [scope].into_iter().filter(|scope| !scope.is_empty()).collect();
        let related = edpbw.create(&representative(&id, &scopes)).await;
        let caller = gateway.person(&format!("RelatedPerson/{related}"));
        let reads = scope == "read";
        caller.get(&address).await.expect(if reads { 200 } else { 404 });
        caller.get(format!("Patient/{other}")).await.expect(404);
        assert_eq!(caller.search("Consent?_total=accurate").await.is_empty(), !reads, "{scope}");
        let created = caller.post("Consent", &word).await;
        let recorded = match scope {
            "consent" => 201,
            "" => 422,
            _ => 403,
        };
        assert_eq!(created.status, recorded, "{scope}: {created}");
        if scope == "consent" {
            assert!(created.bytes.is_empty(), "who does not read is answered without a body");
            gateway.as_("cgg-1").get(&address).await.expect(200);
            // To have recorded it does not let it be withdrawn.
            let mut own = word.clone();
            (own["id"], own["status"]) = (json!(created.id()), json!("inactive"));
            caller.put(format!("Consent/{}", created.id()), &own).await.expect(404);
            gateway.as_("cgg-1").get(&address).await.expect(200);
        }
        caller.post("Consent", &consent(&other, &permit(&["cgg-1"]))).await.expect(422);
        let withdrawn = match scope {
            "withdraw" => 200,
            "read" => 403,
            _ => 404,
        };
        assert_eq!(caller.put(&of_consent, &ended).await.status, withdrawn, "{scope}");
        gateway.as_("gp-1").get(&address).await.expect(if scope == "withdraw" { 404 } else { 200 });
        caller.post("Observation", &observation(&id)).await.expect(match scope {
            "" => 422,
            _ => 403,
        });
    }
    let trail = edpbw.search(format!("AuditEvent?patient={id}&outcome=8&_count=500")).await;
    assert!(trail.iter().any(|event| event["agent"][2]["who"]["reference"].to_string().contains("RelatedPerson/")));
}

async fn a_representative_is_out_before_and_after_the_period_and_with_the_revocation(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let id = edpbw.create(&patient()).await;
    let address = format!("Patient/{id}");
    let mut related = representative(&id, &["read", "consent"]);
    related["period"] = json!({"start": "2026-03-02", "end": "2026-03-03"});
    let made = edpbw.post("RelatedPerson", &related).await.expect(201);
    let caller = gateway.person(&format!("RelatedPerson/{}", made.id()));
    let word = consent(&id, &permit(&["cgg-1"]));
    for (day, status) in [(1, 404), (2, 200), (3, 200), (4, 404)] {
        caller.get(&address).await.expect(status);
        caller.post("Consent", &word).await.expect(if status == 200 { 201 } else { 422 });
        if day < 4 {
            gateway.advance(DAY_MS);
        }
    }
    let mut again = made.json.clone();
    again["period"] = json!({"start": "2026-03-02"});
    edpbw.put(format!("RelatedPerson/{}", made.id()), &again).await.expect(200);
    caller.get(&address).await.expect(200);
    let first = caller.get("Consent?_count=1").await.expect(200);
    let next = first.link("next").expect("there are two");
    for revoked in
        [json!({"active": false}), json!({"extension": [{"url": "https://ehr.example/x", "valueCode": "read"}]})]
    {
        let mut ended = again.clone();
        for (name, value) in revoked.as_object().expect("members") {
            ended[name.as_str()] = value.clone();
        }
        edpbw.put(format!("RelatedPerson/{}", made.id()), &ended).await.expect(200);
        caller.get(&address).await.expect(404);
        assert!(caller.get(&next).await.expect(200).resources().is_empty(), "a page begun before is empty too");
        caller.post("Consent", &word).await.expect(422);
        edpbw.put(format!("RelatedPerson/{}", made.id()), &again).await.expect(200);
        caller.get(&address).await.expect(200);
    }
    edpbw.delete(format!("RelatedPerson/{}", made.id())).await.expect(204);
    caller.get(&address).await.expect(404);
    caller.post("Consent", &word).await.expect(422);
}

async fn a_representation_that_is_not_understood_is_not_kept(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let id = edpbw.create(&patient()).await;
    let mut whole = representative(&id, &["everything"]);
    let refused = edpbw.post("RelatedPerson", &whole).await.expect(422);
    assert_eq!(refused.issues(), [("value".to_owned(), "RelatedPerson.extension[0].valueCode".to_owned())]);
    whole = representative(&id, &["read"]);
    whole["period"] = json!({"start": "2026-03-02", "end": "2026-03-01"});
    edpbw.post("RelatedPerson", &whole).await.expect(422);
    assert_eq!(count(&edpbw, "RelatedPerson").await, 0);
    // Nobody writes itself into a record that it does not hold.
    gateway.as_("gp-1").post("RelatedPerson", &representative(&id, &["read"])).await.expect(422);
    let person = gateway.person(&format!("Patient/{id}"));
    person.post("RelatedPerson", &representative(&id, &["read"])).await.expect(403);
}

async fn a_person_is_believed_only_from_an_app_for_people_and_never_acts_as_its_organisation(gateway: Gateway) {
    let id = gateway.as_("edpbw-a").create(&patient()).await;
    let user = format!("Patient/{id}");
    let person = gateway.person(&user);
    person.get(&user).await.expect(200);
    person.clone().with_scope("patient/Patient.rs").get(&user).await.expect(200);
    for scope in ["system/*.cruds", "patient/*.rs system/Patient.r", "patient/Consent.rs", ""] {
        person.clone().with_scope(scope).get(&user).await.expect(403);
    }
    for purpose in ["TREAT", "HOPERAT", "NONE"] {
        person.clone().for_purpose(purpose).get(&user).await.expect(403);
    }
    person.clone().naming(None).get(&user).await.expect(403);
    person.clone().naming(None).with_scope("system/*.cruds").get("Organization/elp-1").await.expect(403);
    person.clone().naming(Some("Practitioner/psychologist-1")).get(&user).await.expect(401);
    // The custodian's own client does not become the person either.
    gateway.as_("edpbw-a").naming(Some(&user)).get(&user).await.expect(403);
    gateway.as_("edpbw-a").at_client("portal-1-app").naming(Some(&user)).get(&user).await.expect(403);
    gateway.as_("edpbw-a").with_scope("patient/*.cruds").get(&user).await.expect(403);
    person.send(Method::POST, "", &[], Some(b"{}".to_vec())).await.expect(422);
}

async fn two_people_at_one_app_never_meet_under_one_idempotency_key(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let (one, two) = (edpbw.create(&patient()).await, edpbw.create(&patient()).await);
    let key = [("idempotency-key", "key-1")];
    let body = consent(&one, &permit(&["gp-1"]));
    let first = gateway.person(&format!("Patient/{one}"));
    let made = first.post_with("Consent", &body, &key).await.expect(201);
    assert_eq!(first.post_with("Consent", &body, &key).await.expect(201).header("location"), made.header("location"));
    let second = gateway.person(&format!("Patient/{two}"));
    let answer = second.post_with("Consent", &body, &key).await.expect(422);
    assert_eq!(answer.issues()[0].1, "Consent.patient", "as if nobody had used the key");
    second.post_with("Consent", &consent(&two, &permit(&["gp-1"])), &key).await.expect(201);
}

stories!(
    the_person_reads_the_whole_own_record_while_the_sender_is_blind,
    a_consent_of_the_person_opens_what_it_names_and_its_withdrawal_closes_it_at_once,
    what_the_person_recorded_gives_the_organisation_of_the_app_nothing,
    a_person_ends_a_consent_and_rewrites_nothing,
    a_person_reaches_no_other_record_no_room_and_no_directory,
    the_task_of_the_own_referral_is_read_and_not_moved,
    a_representative_does_what_each_scope_says_and_nothing_else,
    a_representative_is_out_before_and_after_the_period_and_with_the_revocation,
    a_representation_that_is_not_understood_is_not_kept,
    a_person_is_believed_only_from_an_app_for_people_and_never_acts_as_its_organisation,
    two_people_at_one_app_never_meet_under_one_idempotency_key,
);
