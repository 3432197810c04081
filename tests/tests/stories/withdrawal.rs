//! The end of a Consent: in one call, by whoever may, and at once for every request that begins after it.

use serde_json::{Value, json};
use wellgate_tests::caller::Caller;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::referral::{bring, place, refusals};
use wellgate_tests::resources::{consent, observation, patient, permit};
use wellgate_tests::stories;

async fn withdraw(caller: &Caller<'_>, consent: &str) -> wellgate_tests::caller::Answer {
    caller.post(format!("Consent/{consent}/$withdraw"), &json!({"resourceType": "Parameters"})).await
}

async fn the_custodian_withdraws_in_one_call_and_again(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let id = edpbw.create(&consent(&person, &permit(&["gp-1"]))).await;
    let gp = gateway.as_("gp-1");
    gp.get(format!("Patient/{person}")).await.expect(200);
    let before = edpbw.get(format!("Consent/{id}")).await.expect(200);
    let withdrawn = withdraw(&edpbw, &id).await.expect(200);
    assert_eq!(withdrawn.json["status"], "inactive");
    // Only the status has changed.
    let mut wanted = before.json.clone();
    wanted["status"] = json!("inactive");
    wanted["meta"] = withdrawn.json["meta"].clone();
    assert_eq!(withdrawn.json, wanted);
    gp.get(format!("Patient/{person}")).await.expect(404);

    let again = withdraw(&edpbw, &id).await.expect(200);
    assert_eq!(again.json, withdrawn.json, "it is withdrawn already: no version more");
    let history = edpbw.get(format!("Consent/{id}/_history")).await.expect(200);
    assert_eq!(history.resources().len(), 2);
    let events = edpbw.search(format!("AuditEvent?patient=Patient/{person}&_count=500")).await;
    let acts = events.iter().filter(|event| event["subtype"][0]["code"] == "withdraw");
    assert_eq!(acts.count(), 2, "each call is in the trail");
}

async fn a_version_that_has_moved_is_not_withdrawn(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let id = edpbw.create(&consent(&person, &permit(&["gp-1"]))).await;
    let path = format!("Consent/{id}/$withdraw");
    let stale = edpbw.post_with(&path, &json!({"resourceType": "Parameters"}), &[("if-match", "W/\"1\"")]).await;
    assert_eq!(stale.status, 412, "{stale}");
    gateway.as_("gp-1").get(format!("Patient/{person}")).await.expect(200);
    let etag = edpbw.get(format!("Consent/{id}")).await.etag();
    edpbw.post_with(&path, &json!({"resourceType": "Parameters"}), &[("if-match", &etag)]).await.expect(200);
    edpbw.send(reqwest::Method::POST, &path, &[], None).await.expect(200);
    edpbw
        .post(&path, &json!({"resourceType": "Parameters", "parameter": [{"name": "why", "valueString": "x"}]}))
        .await
        .expect(400);
}

async fn a_blind_recorder_withdraws_and_is_shown_nothing(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1", "gp-1"], "Organization/elp-1").await;
    let edpbw = gateway.as_("edpbw-a");
    // Blind: what it recorded waits, and goes back once nobody of the room is permitted any more.
    let withdrawn = withdraw(&edpbw, &placed.consent).await.expect(200);
    assert!(withdrawn.bytes.is_empty() || withdrawn.json["status"] == "inactive", "{withdrawn}");
    let task = edpbw.get(format!("Task/{}", placed.task)).await.expect(200);
    assert_eq!(task.json["status"], "cancelled");
    gateway.as_("gp-1").get(format!("Patient/{}", placed.patient)).await.expect(404);

    let further = place(&gateway, "edpbw-b", &["elp-1", "gp-1"], "Organization/elp-1").await;
    bring(&gateway.as_("elp-1"), &further.task, "accepted").await.expect(200);
    let recorder = gateway.as_("edpbw-b");
    for _ in 0..2 {
        let blind = withdraw(&recorder, &further.consent).await.expect(200);
        assert!(blind.bytes.is_empty(), "{blind}");
    }
    let repeated = withdraw(&recorder, &further.consent).await.expect(200);
    assert!(repeated.header("etag").is_empty() && repeated.header("last-modified").is_empty(), "{repeated}");
    gateway.as_("gp-1").get(format!("Patient/{}", further.patient)).await.expect(404);
}

async fn nobody_else_withdraws_or_learns_of_a_consent(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let id = edpbw.create(&consent(&person, &permit(&["gp-1"]))).await;
    let before = edpbw.get(format!("Consent/{id}")).await.expect(200);
    for organization in ["gp-1", "cgg-1"] {
        let caller = gateway.as_(organization);
        let hidden = withdraw(&caller, &id).await.expect(404);
        let absent = withdraw(&caller, "0198f2a0000070008000000000000000").await.expect(404);
        assert_eq!(hidden.told(), absent.told(), "{organization}");
        assert_eq!(refusals(&caller, None).await, ["not-found", "not-found"], "{organization}");
    }
    edpbw
        .clone()
        .with_scope("system/Consent.rs")
        .post(format!("Consent/{id}/$withdraw"), &json!({"resourceType": "Parameters"}))
        .await
        .expect(403);
    assert_eq!(edpbw.get(format!("Consent/{id}")).await.expect(200).bytes, before.bytes, "nothing was written");
    assert_eq!(refusals(&edpbw, Some(&person)).await, ["scope", "not-found", "not-found"]);
    edpbw.delete(format!("Consent/{id}")).await.expect(204);
    withdraw(&edpbw, &id).await.expect(410);
    withdraw(&gateway.as_("gp-1"), &id).await.expect(404);
}

async fn a_page_that_was_begun_before_has_nothing_of_it_after(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let id = edpbw.create(&consent(&person, &permit(&["gp-1"]))).await;
    for _ in 0..5 {
        edpbw.create(&observation(&person)).await;
    }
    let gp = gateway.as_("gp-1");
    let first = gp.get(format!("Observation?patient={person}&_count=2&_total=accurate")).await.expect(200);
    assert_eq!((first.resources().len(), &first.json["total"]), (2, &json!(5)));
    let next = first.link("next").expect("there are more");
    let observed = first.resources()[0]["id"].as_str().expect("an id").to_owned();
    let etag = gp.get(format!("Observation/{observed}")).await.expect(200).etag();

    withdraw(&edpbw, &id).await.expect(200);
    let after = gp.get(&next).await.expect(200);
    assert!(after.resources().is_empty() && after.link("next").is_none(), "{after}");
    assert_eq!(after.json["total"], json!(0), "{after}");
    gp.get_with(format!("Observation/{observed}"), &[("if-none-match", &etag)]).await.expect(404);
    gp.get(format!("Observation/{observed}/_history")).await.expect(404);
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": format!("Observation/{observed}")}}]});
    let batch = gp.post("", &batch).await.expect(200);
    assert_eq!(batch.json["entry"][0]["response"]["status"].as_str().unwrap_or_default().get(..3), Some("404"));
}

async fn what_one_replica_withdraws_no_other_shows(gateway: Gateway) {
    let other = gateway.replica().await;
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    for _ in 0..3 {
        edpbw.create(&observation(&person)).await;
    }
    let (here, there) = (gateway.as_("gp-1"), other.as_("gp-1"));
    for _ in 0..10 {
        let id = edpbw.create(&consent(&person, &permit(&["gp-1"]))).await;
        here.get(format!("Patient/{person}")).await.expect(200);
        there.get(format!("Patient/{person}")).await.expect(200);
        let first = here.get(format!("Observation?patient={person}&_count=1")).await.expect(200);
        let next = first.link("next").expect("there are more");
        there.get(&next).await.expect(200);
        withdraw(&edpbw, &id).await.expect(200);
        // Not a moment is waited for.
        there.get(format!("Patient/{person}")).await.expect(404);
        assert!(there.get(&next).await.expect(200).resources().is_empty());
        here.get(format!("Patient/{person}")).await.expect(404);
    }
}

async fn notices_of_what_waited_are_void_after_a_withdrawal(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    let states = async || -> Vec<String> {
        let deliveries = gateway.app.store.deliveries(&placed.patient).await.expect("it answers");
        let rooms = deliveries.into_iter().filter(|one| one.partner == "organization/elp-1");
        rooms.map(|one| one.state).collect()
    };
    assert_eq!(states().await, ["waiting"]);
    withdraw(&gateway.as_("edpbw-a"), &placed.consent).await.expect(200);
    assert!(states().await.iter().all(|state| state == "void"), "{:?}", states().await);
    let waiting: Vec<Value> = gateway.as_("elp-1").search("Task?status=requested").await;
    assert!(waiting.is_empty());
}

stories!(
    the_custodian_withdraws_in_one_call_and_again,
    a_version_that_has_moved_is_not_withdrawn,
    a_blind_recorder_withdraws_and_is_shown_nothing,
    nobody_else_withdraws_or_learns_of_a_consent,
    a_page_that_was_begun_before_has_nothing_of_it_after,
    what_one_replica_withdraws_no_other_shows,
    notices_of_what_waited_are_void_after_a_withdrawal,
);
