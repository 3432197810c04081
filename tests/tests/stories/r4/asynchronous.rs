//! <https://hl7.org/fhir/R4/async.html>, for transactions and batches: kick-off, status, answer and end.

use std::time::{Duration, Instant};

use gateway::storage::registry::Client;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::SemaphorePermit;
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::gateway::{DAY_MS, Gateway, Options};
use wellgate_tests::referral::refusals;
use wellgate_tests::resources::{BundleEntry, bundle, observation, patient};
use wellgate_tests::stories;

use super::{by, identified, statuses};

const ASYNC: (&str, &str) = ("prefer", "respond-async");
const UNKNOWN: &str = "$async/0192f0c1a0000000000000000000000f";
/// How long it is believed that a process is there which does not say so any more.
const ALIVE_MS: i64 = 60_000;

async fn sent(caller: &Caller<'_>, bundle: &Value) -> Answer {
    caller.post_with("", bundle, &[ASYNC]).await
}

/// Sends a Bundle; answers the path of its status.
async fn kicked_off(caller: &Caller<'_>, bundle: &Value) -> String {
    let accepted = sent(caller, bundle).await.expect(202);
    accepted.header("content-location").split_once("/fhir/").expect("a URL of the gateway").1.to_owned()
}

/// What came of a Bundle, once it is there.
async fn answered(caller: &Caller<'_>, status: &str) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = caller.get(status).await;
        if answer.status != 202 {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "it does not end");
    }
}

/// Nothing is worked on until this is dropped.
async fn held(gateway: &Gateway) -> Vec<SemaphorePermit<'_>> {
    let bulk = &gateway.app.bulk;
    let mut turns = Vec::new();
    for _ in 0..bulk.config.downloads_max {
        turns.extend(bulk.jobs.turn().await);
    }
    turns
}

fn creates(kind: &str, values: &[&str]) -> Value {
    let entries: Vec<BundleEntry<'_>> =
        values.iter().map(|value| ("POST", "Patient", Some(identified(value)))).collect();
    bundle(kind, &entries)
}

/// Registers a client as another one, changed; the picture of the registry is a second old at most.
async fn register(gateway: &Gateway, id: &str, change: impl FnOnce(&mut Client)) {
    let clients = gateway.app.store.registry().await.expect("the database answers").clients;
    let mut client = clients.into_iter().find(|client| client.id == id).expect("registered");
    change(&mut client);
    gateway.app.store.put_client(&client).await.expect("the database answers");
    gateway.advance(1_000);
}

/// How often an act was done, by the trails that the caller reads.
async fn count(caller: &Caller<'_>, act: &str) -> usize {
    let events = caller.search("AuditEvent?outcome=0&_count=500").await;
    events.iter().filter(|event| event["subtype"][0]["code"] == act).count()
}

async fn kick_off_is_202_and_status_202_until_the_answer_is_there(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for (kind, before) in [("transaction", 0), ("batch", 2)] {
        let turns = held(&gateway).await;
        let accepted = sent(&elp, &creates(kind, &["TEST-1", "TEST-2"])).await.expect(202);
        assert_eq!(accepted.json["resourceType"], "OperationOutcome");
        let url = accepted.header("content-location").to_owned();
        assert!(url.starts_with(&format!("{}/$async/", gateway.base)), "{accepted}");
        let status = url.split_once("/fhir/").expect("a URL").1;
        let waiting = elp.get(status).await.expect(202);
        assert!(waiting.bytes.is_empty() && !waiting.header("x-progress").is_empty(), "{waiting}");
        assert!(waiting.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{waiting}");
        assert_eq!(elp.search("Patient").await.len(), before, "{kind}: nothing is written yet");
        assert!(before > 0 || !gateway.on_disk().contains("TEST-2"), "what waits is on no disk");
        drop(turns);
        let done = answered(&elp, status).await.expect(200);
        assert_eq!(done.header("expires"), "Mon, 02 Mar 2026 12:00:00 GMT");
        assert_eq!(done.json["type"], format!("{kind}-response"));
        assert_eq!(statuses(&done), [201, 201]);
        for entry in done.json["entry"].as_array().expect("a list") {
            assert!(entry.get("resource").is_none(), "{done}");
            let response = &entry["response"];
            let location = response["location"].as_str().expect("a location").split_once("/fhir/").expect("ours").1;
            let written = elp.get(location).await.expect(200);
            assert_eq!(response["etag"], json!(written.etag()));
            assert_eq!(response["lastModified"], written.json["meta"]["lastUpdated"]);
        }
        assert_eq!(elp.search("Patient").await.len(), before + 2, "{kind}");
        assert_eq!(elp.get(status).await.told(), elp.get(status).await.told(), "it can be asked again");
    }
    assert_eq!((count(&elp, "async").await, count(&elp, "create").await), (2, 4), "what was asked, and what was done");
}

async fn what_fails_answers_as_it_would_have_at_once(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let mut wrong = patient();
    wrong["gender"] = json!("TEST-GENDER");
    let address = "Patient/never-was";
    let mut unknown = patient();
    unknown["id"] = json!("never-was");
    for entries in [
        [("POST", "Patient", Some(patient())), ("POST", "Observation", Some(observation("never-was")))],
        [("POST", "Patient", Some(patient())), ("PUT", address, Some(unknown))],
        [("POST", "Patient", Some(patient())), ("DELETE", address, None)],
    ] {
        let transaction = bundle("transaction", &entries);
        let at_once = elp.post("", &transaction).await;
        let before = refusals(&elp, None).await.len();
        let status = kicked_off(&elp, &transaction).await;
        let later = answered(&elp, &status).await;
        assert!(at_once.status >= 400, "{at_once}");
        assert_eq!((later.status, &later.json), (at_once.status, &at_once.json));
        assert_eq!(elp.search("Patient").await.len(), 0, "nothing is stored");
        assert!(refusals(&elp, None).await.len() > before, "the refusal is in the trail");
    }
    let entries = [("POST", "Patient", Some(wrong)), ("DELETE", address, None)];
    let at_once = elp.post("", &bundle("batch", &entries)).await.expect(200);
    assert!(at_once.json.to_string().contains("TEST-GENDER"), "it is told what is wrong: {at_once}");
    let status = kicked_off(&elp, &bundle("batch", &entries)).await;
    assert_eq!(answered(&elp, &status).await.expect(200).json, at_once.json);
    assert!(!gateway.on_disk().contains("TEST-GENDER"), "what is told of it is kept sealed");
}

async fn who_may_not_is_told_at_once_and_nothing_is_kept(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let narrow = elp.clone().with_scope("system/Patient.r system/AuditEvent.rs");
    let before = refusals(&elp, None).await.len();
    let refused = sent(&narrow, &creates("transaction", &["TEST-1"])).await.expect(403);
    assert_eq!(refused.header("content-location"), "");
    assert_eq!(refusals(&elp, None).await.len(), before + 1);
    assert_eq!(count(&elp, "async").await, 0);
    sent(&elp.clone().with_bearer(""), &creates("transaction", &["TEST-1"])).await.expect(401);
    sent(&elp, &patient()).await.expect(422);
    sent(&elp, &json!({"resourceType": "Bundle", "type": "collection"})).await.expect(422);
    sent(&elp, &json!({"resourceType": "Bundle", "type": "transaction", "entry": [{}]})).await.expect(422);
    let mut odd = creates("transaction", &["TEST-1"]);
    odd["actve"] = json!(true);
    sent(&elp, &odd).await.expect(422);
    for (kind, key) in [("transaction", ""), ("batch", "one")] {
        let headers = [ASYNC, ("idempotency-key", key)];
        elp.post_with("", &creates(kind, &["TEST-1"]), &headers).await.expect(400);
    }
    assert!(elp.search("Patient").await.is_empty());
}

async fn what_may_show_what_is_stored_is_answered_at_once(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let id = elp.create(&patient()).await;
    let path = format!("Patient/{id}");
    let change = json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
        {"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": "Patient.birthDate"}]}]});
    for kind in ["transaction", "batch"] {
        for entry in [("GET", &*path, None), ("GET", "Patient", None), ("PATCH", &*path, Some(change.clone()))] {
            let entries = [("POST", "Patient", Some(patient())), entry];
            let answer = sent(&elp, &bundle(kind, &entries)).await.expect(200);
            assert_eq!(answer.json["type"], format!("{kind}-response"));
        }
        let task = ("PUT", "Task/never-was", Some(json!({"resourceType": "Task", "id": "never-was"})));
        let answer = sent(&elp, &bundle(kind, &[task])).await;
        assert_eq!(answer.header("content-location"), "", "what is refused of a Task may say its state: {answer}");
    }
    let person = gateway.person(&path);
    sent(&person, &bundle("batch", &[("PUT", &*path, Some(patient()))])).await.expect(200);
    person.get(UNKNOWN).await.expect(403);
}

async fn it_is_decided_when_it_is_its_turn(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.post("Patient", &identified("TEST-1")).await.expect(201);
    let path = format!("Patient/{}", person.id());
    let turns = held(&gateway).await;
    let entry = |request: Value, resource: Value| json!({"resourceType": "Bundle", "type": "transaction", "entry": [{"request": request, "resource": resource}]});
    let update = json!({"method": "PUT", "url": path, "ifMatch": person.etag()});
    let stale = kicked_off(&elp, &entry(update, person.json.clone())).await;
    let create = json!({"method": "POST", "url": "Patient", "ifNoneExist": by("TEST-2")});
    let existing = kicked_off(&elp, &entry(create, identified("TEST-2"))).await;
    let gp = gateway.as_("gp-1");
    let disabled = kicked_off(&gp, &creates("transaction", &["TEST-3"])).await;
    register(&gateway, "gp-1-ehr", |client| client.active = false).await;
    elp.put(&path, &person.json).await.expect(200);
    elp.create(&identified("TEST-2")).await;
    drop(turns);
    assert_eq!(answered(&elp, &stale).await.status, 412);
    assert_eq!(statuses(&answered(&elp, &existing).await.expect(200)), [200]);
    assert_eq!(elp.search("Patient").await.len(), 2);
    register(&gateway, "gp-1-ehr", |client| client.active = true).await;
    let refused = answered(&gp, &disabled).await.expect(403);
    assert!(refused.details().contains("disabled"), "{refused}");
    assert!(gp.search("Patient").await.is_empty(), "nothing is stored");
}

async fn the_token_must_be_good_when_it_is_its_turn(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let claims = gateway.token_claims("elp-1");
    let taken_back = elp.clone().with_bearer(&gateway.signed(&claims));
    let turns = held(&gateway).await;
    let mut waiting = Vec::new();
    for (caller, kind) in [(&elp, "transaction"), (&elp, "batch"), (&taken_back, "transaction")] {
        waiting.push(kicked_off(caller, &creates(kind, &["TEST-1"])).await);
    }
    let id = claims["jti"].as_str().expect("a token has an id");
    let store = &gateway.app.store;
    store.revoke_token(id, gateway.clock.now_ms() + 600_000).await.expect("it is taken back");
    // Nobody knows any more that it was taken back: it is over by itself.
    gateway.advance(DAY_MS / 24);
    store.forget_tokens(gateway.clock.now_ms()).await.expect("the database answers");
    gateway.app.refusals.take();
    drop(turns);
    for status in &waiting {
        let refused = answered(&elp, status).await.expect(401);
        assert_eq!(refused.issues()[0].0, "expired", "{refused}");
    }
    let counted: Vec<(&str, i64)> =
        gateway.app.refusals.take().into_iter().map(|((_, reason), refusals)| (reason, refusals)).collect();
    assert_eq!(counted, [("not-authenticated", 3)]);
    assert!(elp.search("Patient").await.is_empty(), "nothing is stored");
}

async fn a_batch_ends_for_whoever_is_shut_out_meanwhile(gateway: Gateway) {
    let settings = vec![("WELLGATE_LIMITS_BATCH_ENTRIES_AT_ONCE", "1")];
    let gateway = gateway.beside(Options { settings, ..Options::default() }).await;
    let elp = gateway.as_("elp-1");
    // So many that they are not all written while one request is answered.
    let values: Vec<String> = (0..1_000).map(|n| format!("TEST-{n}")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let status = kicked_off(&elp, &creates("batch", &values)).await;
    while elp.search("Patient?_count=1").await.is_empty() {}
    register(&gateway, "elp-1-ehr", |client| client.active = false).await;
    let begun = Instant::now();
    while gateway.app.bulk.jobs.has(status.trim_start_matches("$async/")) {
        assert!(begun.elapsed() < Duration::from_mins(1), "it does not end");
        tokio::task::yield_now().await;
    }
    register(&gateway, "elp-1-ehr", |client| client.active = true).await;
    let told = statuses(&answered(&elp, &status).await.expect(200));
    assert_eq!((told[0], told[999]), (201, 403));
    assert!(told.is_sorted(), "nothing is written after it");
}

async fn status_and_answer_are_for_the_client_and_organisation_that_sent_it(gateway: Gateway) {
    register(&gateway, "elp-1-ehr", |client| "elp-1-other".clone_into(&mut client.id)).await;
    let (elp, beside) = (gateway.as_("elp-1"), gateway.as_("elp-1").at_client("elp-1-other"));
    let status = kicked_off(&elp, &creates("transaction", &["TEST-1"])).await;
    answered(&elp, &status).await.expect(200);
    let turns = held(&gateway).await;
    let waits = kicked_off(&elp, &creates("transaction", &["TEST-2"])).await;
    for other in [beside, gateway.as_("elp-2"), elp.clone().by_practitioner("psychologist-1")] {
        let before = refusals(&other, None).await.len();
        for path in [&status, &waits] {
            for method in [Method::GET, Method::DELETE] {
                let hidden = other.send(method.clone(), path, &[], None).await.expect(404);
                assert_eq!(hidden.told(), other.send(method, UNKNOWN, &[], None).await.expect(404).told());
            }
        }
        assert_eq!(refusals(&other, None).await.len(), before + 8, "each refusal left its event");
    }
    elp.clone().with_bearer("").get(&status).await.expect(401);
    for path in ["$async/nonsense", "$async/%00", "$export/%00", "$export/%00/Patient.ndjson"] {
        elp.get(path).await.expect(404);
    }
    elp.delete("$async/%00").await.expect(404);
    elp.delete("$export/%00").await.expect(404);
    elp.post(&status, &json!({})).await.expect(405);
    drop(turns);
    answered(&elp, &waits).await.expect(200);
    elp.get(&status).await.expect(200);
}

async fn delete_ends_what_waits_and_forgets_what_is_answered(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let turns = held(&gateway).await;
    for kind in ["transaction", "batch"] {
        let status = kicked_off(&elp, &creates(kind, &["TEST-1"])).await;
        elp.delete(&status).await.expect(202);
        elp.get(&status).await.expect(404);
        elp.delete(&status).await.expect(404);
    }
    drop(turns);
    // What comes after them has its turn, and is the only one.
    let status = kicked_off(&elp, &creates("transaction", &["TEST-2"])).await;
    answered(&elp, &status).await.expect(200);
    assert_eq!(elp.search("Patient").await.len(), 1);
    elp.delete(&status).await.expect(202);
    elp.get(&status).await.expect(404);
    assert_eq!(elp.search("Patient").await.len(), 1, "what was written stays written");
    assert_eq!((count(&elp, "async").await, count(&elp, "async-cancel").await), (3, 3));
}

async fn the_answer_expires(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let status = kicked_off(&elp, &creates("batch", &["TEST-1"])).await;
    answered(&elp, &status).await.expect(200);
    gateway.advance(DAY_MS - 1);
    elp.get(&status).await.expect(200);
    gateway.advance(1);
    elp.get(&status).await.expect(404);
}

async fn a_client_has_so_many_and_no_more_and_so_has_the_process(gateway: Gateway) {
    let settings = vec![("WELLGATE_BULK_ASYNC_BUNDLES_MAX", "2"), ("WELLGATE_BULK_ASYNC_MEGABYTES_MAX", "1")];
    let gateway = gateway.beside(Options { settings, ..Options::default() }).await;
    let (elp, other) = (gateway.as_("elp-1"), gateway.as_("elp-2"));
    let retries = |answer: &Answer| answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0);
    let first = kicked_off(&elp, &creates("transaction", &["TEST-1"])).await;
    kicked_off(&elp, &creates("transaction", &["TEST-2"])).await;
    answered(&elp, &first).await.expect(200);
    let refused = sent(&elp, &creates("transaction", &["TEST-3"])).await.expect(429);
    assert!(retries(&refused), "{refused}");
    elp.delete(&first).await.expect(202);
    let turns = held(&gateway).await;
    // Half of the room and a little: two have none together.
    let mut long = identified("TEST-4");
    long["text"] = json!({"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{}</div>", "a".repeat(600_000))});
    let long = |n: usize| bundle("transaction", &vec![("POST", "Patient", Some(long.clone())); n]);
    let waits = kicked_off(&other, &long(1)).await;
    let refused = sent(&elp, &long(1)).await.expect(429);
    assert!(retries(&refused), "{refused}");
    // What has never room is answered at once.
    sent(&elp, &long(2)).await.expect(200);
    drop(turns);
    answered(&other, &waits).await.expect(200);
    assert_eq!(elp.search("Patient?identifier=TEST-3").await.len(), 0, "nothing is stored of what was refused");
    let settings = vec![("WELLGATE_BULK_ASYNC_BUNDLES_MAX", "0")];
    let without = gateway.beside(Options { settings, ..Options::default() }).await;
    sent(&without.as_("elp-1"), &creates("transaction", &["TEST-1"])).await.expect(200);
}

async fn what_a_process_leaves_is_told_as_broken_off_and_is_not_written_afterwards(gateway: Gateway) {
    let replica = gateway.replica().await;
    let (here, there) = (gateway.as_("elp-1"), replica.as_("elp-1"));
    let turns = held(&replica).await;
    // One whose process is killed, and one whose process was only not heard of.
    let killed = kicked_off(&there, &creates("transaction", &["TEST-1"])).await;
    replica.app.bulk.jobs.end(killed.trim_start_matches("$async/"));
    let slow = kicked_off(&there, &creates("transaction", &["TEST-2"])).await;
    for status in [&killed, &slow] {
        here.get(status).await.expect(202);
    }
    gateway.advance(ALIVE_MS);
    for status in [&killed, &slow] {
        let told = here.get(status).await.expect(500);
        assert_eq!(told.issues()[0].0, "transient", "{told}");
        assert!(!told.header("expires").is_empty(), "{told}");
    }
    drop(turns);
    let id = slow.trim_start_matches("$async/");
    let begun = Instant::now();
    while replica.app.bulk.jobs.has(id) {
        assert!(begun.elapsed() < Duration::from_mins(1), "it does not end");
        tokio::task::yield_now().await;
    }
    assert_eq!(there.get(&slow).await.expect(500).json, here.get(&slow).await.expect(500).json);
    assert!(here.search("Patient").await.is_empty(), "what was told is true");
    let again = kicked_off(&here, &creates("transaction", &["TEST-1"])).await;
    answered(&there, &again).await.expect(200);
}

async fn a_gateway_that_stops_waits_for_its_bundles_and_what_it_broke_off_is_told_soon(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let done = kicked_off(&elp, &creates("transaction", &["TEST-1"])).await;
    gateway.app.bulk.jobs.end_all(Duration::from_mins(1)).await;
    elp.get(&done).await.expect(200);
    let turns = held(&gateway).await;
    let left = kicked_off(&elp, &creates("transaction", &["TEST-2"])).await;
    gateway.app.bulk.jobs.end_all(Duration::ZERO).await;
    drop(turns);
    elp.get(&left).await.expect(202);
    gateway.advance(ALIVE_MS);
    elp.get(&left).await.expect(500);
    assert_eq!(elp.search("Patient").await.len(), 1);
}

async fn an_idempotency_key_holds_for_what_is_answered_later_too(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let sent = creates("transaction", &["TEST-1"]);
    let mut told = Vec::new();
    for headers in
        [&[ASYNC, ("idempotency-key", "one")][..], &[("idempotency-key", "one"), ASYNC], &[("idempotency-key", "one")]]
    {
        let answer = elp.post_with("", &sent, headers).await;
        let status = answer.header("content-location").split_once("/fhir/").map(|(_, path)| path.to_owned());
        told.push(if let Some(status) = status {
            answered(&elp, &status).await.expect(200).json
        } else {
            answer.expect(200).json
        });
    }
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
    assert_eq!(elp.search("Patient").await.len(), 1);
}

stories!(
    kick_off_is_202_and_status_202_until_the_answer_is_there,
    what_fails_answers_as_it_would_have_at_once,
    who_may_not_is_told_at_once_and_nothing_is_kept,
    what_may_show_what_is_stored_is_answered_at_once,
    it_is_decided_when_it_is_its_turn,
    the_token_must_be_good_when_it_is_its_turn,
    a_batch_ends_for_whoever_is_shut_out_meanwhile,
    status_and_answer_are_for_the_client_and_organisation_that_sent_it,
    delete_ends_what_waits_and_forgets_what_is_answered,
    the_answer_expires,
    a_client_has_so_many_and_no_more_and_so_has_the_process,
    what_a_process_leaves_is_told_as_broken_off_and_is_not_written_afterwards,
    a_gateway_that_stops_waits_for_its_bundles_and_what_it_broke_off_is_told_soon,
    an_idempotency_key_holds_for_what_is_answered_later_too,
);
