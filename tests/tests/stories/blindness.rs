//! Invisible means non-existent: by no route does an answer tell a hidden resource from one that never was.

mod dossier;

use reqwest::Method;
use serde_json::json;
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::referral::{Referral, bring, forward, place, refusals};
use wellgate_tests::resources::{bundle, consent, encounter, observation, patient, permit, service_request};
use wellgate_tests::stories;

use dossier::{Dossier, Probe, is_blind, never};

/// A dossier with something of every type that goes from edpbw-a to elp-1 under a Consent that names them all.
async fn picked_up(gateway: &Gateway) -> Referral {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let consent = edpbw.create(&consent(&person, &permit(&["edpbw-a", "elp-1", "cgg-1"]))).await;
    edpbw.create(&observation(&person)).await;
    edpbw.create(&encounter(&person)).await;
    let order = edpbw.create(&service_request(&person, "Organization/elp-1")).await;
    let elp = gateway.as_("elp-1");
    let waiting = elp.search("Task?status=requested").await;
    let task = waiting[0]["id"].as_str().expect("an id").to_owned();
    bring(&elp, &task, "accepted").await.expect(200);
    Referral { patient: person, consent, order, task }
}

async fn a_released_sender_is_told_what_is_told_of_ids_that_never_were(gateway: Gateway) {
    let placed = picked_up(&gateway).await;
    let dossier = Dossier::read(&gateway.as_("elp-1"), &placed.patient).await;
    is_blind(&gateway.as_("edpbw-a"), &dossier).await;
}

async fn a_forwarder_is_blind_from_the_forward_on_and_after_its_pick_up(gateway: Gateway) {
    let placed = picked_up(&gateway).await;
    let [elp, cgg] = ["elp-1", "cgg-1"].map(|id| gateway.as_(id));
    let dossier = Dossier::read(&elp, &placed.patient).await;
    let forwarded = forward(&elp, &placed, "Organization/cgg-1").await;
    is_blind(&elp, &dossier).await;
    bring(&cgg, &forwarded.task, "accepted").await.expect(200);
    let dossier = Dossier::read(&cgg, &placed.patient).await;
    is_blind(&elp, &dossier).await;
    is_blind(&gateway.as_("edpbw-a"), &dossier).await;
}

async fn strangers_are_blind(gateway: Gateway) {
    let placed = picked_up(&gateway).await;
    let dossier = Dossier::read(&gateway.as_("elp-1"), &placed.patient).await;
    for stranger in ["gp-1", "elp-2", "edpbw-b"] {
        is_blind(&gateway.as_(stranger), &dossier).await;
    }
    is_blind(&gateway.as_("cgg-1").for_purpose("HPAYMT"), &dossier).await;
}

async fn those_who_wait_for_a_pick_up_are_blind_for_all_but_the_task(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    edpbw.create(&consent(&person, &permit(&["elp-1", "elp-2"]))).await;
    edpbw.create(&observation(&person)).await;
    edpbw.create(&encounter(&person)).await;
    let order = edpbw.create(&service_request(&person, "")).await;
    let dossier = Dossier::read(&edpbw, &person).await;
    let mut placed = edpbw.get(format!("ServiceRequest/{order}")).await.expect(200).json;
    placed["performer"] = json!([{"reference": "HealthcareService/elp-pool"}]);
    edpbw.put(format!("ServiceRequest/{order}"), &placed).await.expect(200);
    for blind in ["elp-1", "elp-2", "edpbw-a"] {
        is_blind(&gateway.as_(blind), &dossier).await;
    }
}

async fn a_waiting_task_shows_coded_facts_and_leads_nowhere(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1", "elp-2"], "HealthcareService/elp-pool").await;
    let elp = gateway.as_("elp-1");
    let address = format!("Task/{}", placed.task);
    let seen = elp.get(&address).await.expect(200);
    let members: Vec<&str> = seen.json.as_object().expect("an object").keys().map(String::as_str).collect();
    let mut sorted = members.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        ["authoredOn", "code", "id", "input", "intent", "meta", "owner", "resourceType", "restriction", "status"]
    );
    let facts: Vec<(&str, &str)> = seen.json["input"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|input| {
            (
                input["type"]["coding"][0]["code"].as_str().unwrap_or_default(),
                input["valueCode"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        facts,
        [("age-band", "25-44"), ("region", "BE-VOV"), ("care-step", "elp"), ("urgency", "urgent"), ("language", "nl")]
    );
    let version = seen.json["meta"]["versionId"].as_str().expect("a version");
    for path in [
        address.clone(),
        format!("{address}/_history"),
        format!("{address}/_history/{version}"),
        "Task".to_owned(),
        "Task/_history".to_owned(),
        format!("Task?_id={}", placed.task),
    ] {
        let text = String::from_utf8_lossy(&elp.get(&path).await.expect(200).bytes).into_owned();
        assert!(text.contains(&placed.task), "{path} shows the Task");
        for secret in [
            "TEST-",
            "Testpersoon",
            "1990",
            "9000",
            "Gent",
            &placed.patient,
            "edpbw-a",
            "\"focus\"",
            "\"for\"",
            "ServiceRequest",
        ] {
            assert!(!text.contains(secret), "{path} holds {secret}: {text}");
        }
    }
}

async fn a_waiting_task_is_found_by_nothing_that_it_does_not_show(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1", "elp-2"], "HealthcareService/elp-pool").await;
    for blind in ["elp-1", "edpbw-a"] {
        let caller = gateway.as_(blind);
        for query in [
            format!("patient={}", placed.patient),
            format!("patient=Patient/{}", placed.patient),
            format!("subject=Patient/{}", placed.patient),
            format!("focus=ServiceRequest/{}", placed.order),
            format!("focus:ServiceRequest={}", placed.order),
            "requester=Organization/edpbw-a".to_owned(),
        ] {
            let found = caller.get(format!("Task?{query}&_total=accurate")).await.expect(200);
            assert_eq!((found.resources().len(), &found.json["total"]), (0, &json!(0)), "{blind}: {query}");
        }
    }
    assert_eq!(
        gateway.as_("elp-1").search("Task?owner=HealthcareService/elp-pool").await.len(),
        1,
        "by what it shows it is"
    );
}

async fn a_member_whom_the_patient_did_not_permit_never_learns_that_something_waits(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "HealthcareService/elp-pool").await;
    let winner = gateway.as_("elp-1");
    let task = winner.get(format!("Task/{}", placed.task)).await.expect(200);
    let excluded = gateway.as_("elp-2");
    not_there(&excluded, &task).await;
    bring(&winner, &placed.task, "accepted").await.expect(200);
    not_there(&excluded, &task).await;
    // For another purpose than treatment, even a permitted member is a stranger.
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "HealthcareService/elp-pool").await;
    let task = winner.get(format!("Task/{}", placed.task)).await.expect(200);
    not_there(&gateway.as_("elp-1").for_purpose("HPAYMT"), &task).await;
}

async fn not_there(caller: &Caller<'_>, task: &Answer) {
    let id = task.id();
    let (address, other) = (format!("Task/{id}"), never(&id));
    let mut wanted = task.json.clone();
    wanted["status"] = json!("accepted");
    let etag = task.etag();
    for probe in [
        Probe::get(&address),
        Probe::get(format!("{address}/_history")),
        Probe::get(format!("Task?_id={id}&_total=accurate")),
        Probe::new(Method::PUT, &address).body(&wanted),
        Probe::new(Method::PUT, &address).body(&wanted).with("if-match", &etag),
        Probe::new(Method::PUT, &address).body(&wanted).with("if-match", "W/\"1\""),
        Probe::new(Method::DELETE, &address),
        Probe::new(Method::POST, "").body(&bundle("transaction", &[("PUT", &address, Some(wanted.clone()))])),
    ] {
        let hidden = probe.ask(caller, str::to_owned).await;
        let never_was = probe.ask(caller, |text| text.replace(&id, &other)).await;
        assert_eq!(hidden.told().replace(&id, &other), never_was.told(), "{}", probe.name);
    }
}

async fn a_sender_keeps_the_status_and_no_more(gateway: Gateway) {
    let placed = picked_up(&gateway).await;
    let edpbw = gateway.as_("edpbw-a");
    for task in [&placed.task, &placed.order] {
        for path in [format!("Task/{task}"), format!("Task/{task}/_history")] {
            let text = String::from_utf8_lossy(&edpbw.get(&path).await.expect(200).bytes).into_owned();
            for secret in ["TEST-", &placed.patient, "\"focus\"", "\"for\""] {
                assert!(!text.contains(secret), "{path} holds {secret}: {text}");
            }
        }
    }
    assert_eq!(edpbw.get(format!("Task/{}", placed.order)).await.json["status"], "in-progress");
}

/// A refusal asks for a record whether or not there is what was asked for; what is none of it leaves nothing in its trail.
async fn an_id_under_another_type_is_none_of_the_record(gateway: Gateway) {
    let custodian = gateway.as_("edpbw-a");
    let person = custodian.create(&patient()).await;
    let stranger = gateway.as_("gp-1");
    for caller in [&custodian, &stranger] {
        let mut sent = observation(&person);
        for id in [person.clone(), never(&person)] {
            sent["id"] = json!(id);
            caller.get(format!("Observation/{id}")).await.expect(404);
            caller.put(format!("Observation/{id}"), &sent).await.expect(404);
            caller.delete(format!("Observation/{id}")).await.expect(404);
        }
        let recorded = refusals(caller, None).await;
        assert_eq!(recorded, ["not-found"; 6], "each is in the caller's own trail");
    }
    assert!(refusals(&custodian, Some(&person)).await.is_empty());
    // Of what is hidden both trails have each try, and the answers are the same.
    let mut sent = custodian.get(format!("Patient/{person}")).await.json;
    let put = stranger.put(format!("Patient/{person}"), &sent).await.expect(404);
    let deleted = stranger.delete(format!("Patient/{person}")).await.expect(404);
    sent["id"] = json!(never(&person));
    assert_eq!(put.told(), stranger.put(format!("Patient/{}", never(&person)), &sent).await.told());
    assert_eq!(deleted.told(), stranger.delete(format!("Patient/{}", never(&person))).await.told());
    assert_eq!(refusals(&custodian, Some(&person)).await, ["not-found"; 2]);
    assert_eq!(refusals(&stranger, None).await, ["not-found"; 10]);
}

stories!(
    an_id_under_another_type_is_none_of_the_record,
    a_released_sender_is_told_what_is_told_of_ids_that_never_were,
    a_forwarder_is_blind_from_the_forward_on_and_after_its_pick_up,
    strangers_are_blind,
    those_who_wait_for_a_pick_up_are_blind_for_all_but_the_task,
    a_waiting_task_shows_coded_facts_and_leads_nowhere,
    a_waiting_task_is_found_by_nothing_that_it_does_not_show,
    a_member_whom_the_patient_did_not_permit_never_learns_that_something_waits,
    a_sender_keeps_the_status_and_no_more,
);
