//! Bulk Data, a check a rule of its page: <https://hl7.org/fhir/uv/bulkdata/STU2/export.html>. What a file holds is decided when it is read.

use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::gateway::{DAY_MS, Gateway, Options};
use wellgate_tests::resources::{consent, deny, observation, patient, permit};
use wellgate_tests::stories;

/// After how long an export is ready, by default.
const SETTLE_MS: i64 = 30_000;
const ASYNC: (&str, &str) = ("prefer", "respond-async");

async fn asked(caller: &Caller<'_>, path: &str) -> Answer {
    caller.get_with(path, &[ASYNC, ("accept", "application/fhir+json")]).await
}

/// The path of a URL of the gateway's.
fn path(url: &str) -> String {
    url.split_once("/fhir/").expect("a URL of the gateway").1.to_owned()
}

/// Kicks an export off; answers the path of its status.
async fn kicked_off(caller: &Caller<'_>, what: &str) -> String {
    path(asked(caller, what).await.expect(202).header("content-location"))
}

/// Kicks an export off and lets the time pass; answers its manifest.
async fn exported(gateway: &Gateway, caller: &Caller<'_>, what: &str) -> Value {
    let status = kicked_off(caller, what).await;
    gateway.advance(SETTLE_MS);
    caller.get(&status).await.expect(200).json
}

async fn file(caller: &Caller<'_>, url: &Value) -> Answer {
    let url = path(url.as_str().expect("a URL"));
    caller.get_with(url, &[("accept", "application/fhir+ndjson")]).await
}

async fn lines(caller: &Caller<'_>, url: &Value) -> Vec<Value> {
    let answer = file(caller, url).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/fhir+ndjson");
    let text = String::from_utf8(answer.bytes).expect("text");
    assert!(text.is_empty() || text.ends_with('\n'), "every line has an end");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// The ids in the file of a type.
async fn ids(caller: &Caller<'_>, manifest: &Value, resource_type: &str) -> Vec<String> {
    let output = manifest["output"].as_array().expect("a list");
    let entry = output.iter().find(|entry| entry["type"] == resource_type).expect("the type was asked for");
    let lines = lines(caller, &entry["url"]).await;
    assert!(lines.iter().all(|line| line["resourceType"] == resource_type), "one type a file");
    let mut ids: Vec<String> = lines.iter().map(|line| line["id"].as_str().expect("an id").to_owned()).collect();
    ids.sort();
    ids
}

fn types(manifest: &Value, member: &str) -> Vec<String> {
    let entries = manifest[member].as_array().expect("a list");
    entries.iter().map(|entry| entry["type"].as_str().expect("a type").to_owned()).collect()
}

/// A record of edpbw-a with an observation; answers the ids.
async fn record(gateway: &Gateway) -> [String; 2] {
    let edpbw = gateway.as_("edpbw-a");
    let person = edpbw.create(&patient()).await;
    let observation = edpbw.create(&observation(&person)).await;
    [person, observation]
}

async fn refusals(caller: &Caller<'_>) -> u64 {
    caller.get("AuditEvent?outcome=8&_summary=count").await.expect(200).json["total"].as_u64().expect("a number")
}

async fn a_kick_off_is_accepted_at_each_level_by_get_and_by_post(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let group = edpbw.create(&json!({"resourceType": "Group", "type": "person", "actual": true})).await;
    let none = json!({"resourceType": "Parameters"});
    for level in ["$export".to_owned(), "Patient/$export".to_owned(), format!("Group/{group}/$export")] {
        for answer in [asked(&edpbw, &level).await, edpbw.post_with(&level, &none, &[ASYNC]).await] {
            let answer = answer.expect(202);
            assert!(answer.header("content-location").starts_with(&format!("{}/$export/", gateway.base)), "{answer}");
            assert_eq!(answer.json["resourceType"], "OperationOutcome");
        }
    }
    let sent = json!({"resourceType": "Parameters", "parameter": [
        {"name": "_type", "valueString": "Patient"}, {"name": "_type", "valueString": "Observation"},
        {"name": "_since", "valueInstant": "2020-01-01T00:00:00Z"}, {"name": "_outputFormat", "valueString": "application/fhir+ndjson"}]});
    let posted = edpbw.post_with("$export", &sent, &[ASYNC]).await.expect(202);
    gateway.advance(SETTLE_MS);
    let manifest = edpbw.get(path(posted.header("content-location"))).await.expect(200).json;
    assert_eq!(types(&manifest, "output"), ["Patient", "Observation"]);
    assert_eq!(manifest["deleted"][0]["type"], "Bundle");
}

async fn a_kick_off_that_is_not_understood_is_refused_by_name(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let before = refusals(&edpbw).await;
    edpbw.get("$export").await.expect(400);
    edpbw.get_with("$export", &[("prefer", "return=minimal")]).await.expect(400);
    let refused = [
        ("_elements=id", "_elements"),
        ("_typeFilter=Patient%3Fgender%3Dmale", "_typeFilter"),
        ("includeAssociatedData=LatestProvenanceResources", "includeAssociatedData"),
        ("patient=Patient/1", "patient"),
        ("_outputFormat=text/csv", "_outputFormat"),
        ("_since=yesterday", "_since"),
        ("_since=2020", "_since"),
        ("_since=2020-01-01T00:00:00Z&_since=2021-01-01T00:00:00Z", "_since"),
        ("_type=Nonsense", "_type"),
        ("_type=AuditEvent", "_type"),
    ];
    for (query, name) in refused {
        let answer = asked(&edpbw, &format!("$export?{query}")).await.expect(400);
        assert_eq!(answer.issues()[0].1, name, "{answer}");
    }
    // The directory is no patient's.
    asked(&edpbw, "Patient/$export?_type=Practitioner").await.expect(400);
    assert_eq!(refusals(&edpbw).await, before + 13, "each refusal left its event");
    for format in ["application/fhir%2Bndjson", "application/fhir+ndjson", "application/ndjson", "ndjson"] {
        asked(&edpbw, &format!("$export?_outputFormat={format}")).await.expect(202);
    }
}

async fn a_status_is_in_progress_until_what_was_being_written_is_stored(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let moment = gateway.instant(0);
    let status = kicked_off(&edpbw, "Patient/$export?_type=Patient").await;
    let first = edpbw.get(&status).await.expect(202);
    assert!(!first.header("x-progress").is_empty() && first.header("x-progress").len() < 100);
    assert_eq!((first.header("retry-after"), first.bytes.len()), ("30", 0));
    gateway.advance(SETTLE_MS - 1);
    assert_eq!(edpbw.get(&status).await.expect(202).header("retry-after"), "1");
    // Nor is there a file before.
    edpbw.get_with(format!("{status}/Patient.ndjson"), &[]).await.expect(404);
    gateway.advance(1);
    let complete = edpbw.get_with(&status, &[("accept", "application/json")]).await.expect(200);
    assert_eq!(complete.header("content-type"), "application/json");
    assert!(complete.header("expires").ends_with("GMT"), "{complete}");
    let url = format!("{}/{status}/Patient.ndjson", gateway.base);
    let manifest = json!({
        "transactionTime": moment,
        "request": format!("{}/Patient/$export?_type=Patient", gateway.base),
        "requiresAccessToken": true,
        "output": [{"type": "Patient", "url": url}],
        "error": [],
    });
    assert_eq!(complete.json, manifest);
}

async fn a_file_has_a_line_for_each_resource_that_is_seen(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let mut held = [record(&gateway).await, record(&gateway).await];
    // Sent over several lines, and one line in the file.
    let text = serde_json::to_string_pretty(&observation(&held[0][0])).expect("JSON");
    let pretty = edpbw.post_bytes("Observation", text.replace('\n', "\r\n")).await.expect(201).id();
    held.sort();
    let manifest = exported(&gateway, &edpbw, "$export").await;
    assert_eq!(ids(&edpbw, &manifest, "Patient").await, held.each_ref().map(|[person, _]| person.clone()));
    let mut observations = vec![held[0][1].clone(), held[1][1].clone(), pretty];
    observations.sort();
    assert_eq!(ids(&edpbw, &manifest, "Observation").await, observations);
    // A type of which nothing is seen has a file without lines.
    assert!(ids(&edpbw, &manifest, "Encounter").await.is_empty());
    // Others see nothing of it, and their manifest is the same but for its own name.
    let stranger = exported(&gateway, &gateway.as_("mutuality-1"), "$export").await;
    assert_eq!(types(&stranger, "output"), types(&manifest, "output"));
    assert!(ids(&gateway.as_("mutuality-1"), &stranger, "Patient").await.is_empty());
}

async fn a_hidden_twin_is_in_no_file_count_manifest_or_error(gateway: Gateway) {
    let (edpbw, elp) = (gateway.as_("edpbw-a"), gateway.as_("elp-1"));
    let [seen, seen_observation] = record(&gateway).await;
    edpbw.create(&consent(&seen, &permit(&["elp-1"]))).await;
    let told = async |since: &str| {
        let manifest = exported(&gateway, &elp, &format!("$export{since}")).await;
        let mut told = vec![manifest.to_string()];
        for member in ["output", "error", "deleted"] {
            for entry in manifest[member].as_array().into_iter().flatten() {
                let answer = file(&elp, &entry["url"]).await.expect(200);
                told.push(format!("{}: {}", entry["type"], String::from_utf8_lossy(&answer.bytes)));
            }
        }
        let id = path(manifest["output"][0]["url"].as_str().expect("a URL"));
        let id = id.split('/').nth(1).expect("the id of the export").to_owned();
        let moment = manifest["transactionTime"].as_str().expect("a moment").to_owned();
        told.join("\n").replace(&id, "<export>").replace(&moment, "<moment>")
    };
    let since = format!("?_since={}", gateway.instant(-1));
    // No export is of the moment at which something was written: it is named below.
    gateway.advance(1);
    let before = (told("").await, told(&since).await);
    assert!(before.0.contains(&seen) && before.1.contains(&seen_observation));
    let [denied, _] = record(&gateway).await;
    let mut but = permit(&["elp-1", "gp-1"]);
    but["provision"] = json!([deny(&["elp-1"])]);
    edpbw.create(&consent(&denied, &but)).await;
    let [_, gone] = record(&gateway).await;
    edpbw.delete(format!("Observation/{gone}")).await.expect(204);
    assert_eq!((told("").await, told(&since).await), before, "not a byte more");
}

async fn a_withdrawal_works_between_the_kick_off_and_a_file(gateway: Gateway) {
    let (edpbw, elp) = (gateway.as_("edpbw-a"), gateway.as_("elp-1"));
    let [person, observation] = record(&gateway).await;
    let permits = edpbw.create(&consent(&person, &permit(&["elp-1"]))).await;
    let manifest = exported(&gateway, &elp, "Patient/$export").await;
    assert_eq!(ids(&elp, &manifest, "Patient").await, std::slice::from_ref(&person));
    let none = json!({"resourceType": "Parameters"});
    edpbw.post(format!("Consent/{permits}/$withdraw"), &none).await.expect(200);
    for resource_type in ["Patient", "Observation"] {
        assert!(ids(&elp, &manifest, resource_type).await.is_empty(), "{resource_type}");
    }
    // And a Consent that was given meanwhile opens it.
    edpbw.create(&consent(&person, &permit(&["elp-1"]))).await;
    assert_eq!(ids(&elp, &manifest, "Observation").await, [observation]);
    // The record tells who received it, and how often.
    let events = edpbw.search(format!("AuditEvent?patient=Patient/{person}&_count=500")).await;
    let received = events.iter().filter(|event| event["subtype"][0]["code"] == "export-file").count();
    assert_eq!(received, 2, "a Patient before, an Observation after");
    let own = elp.search("AuditEvent?_count=500").await;
    let count = |code: &str| own.iter().filter(|event| event["subtype"][0]["code"] == code).count();
    assert_eq!((count("export"), count("export-file")), (1, 4), "the kick-off, and every file that was opened");
}

async fn an_export_is_bound_to_the_client_and_organisation_that_asked(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    record(&gateway).await;
    let status = kicked_off(&edpbw, "Patient/$export").await;
    gateway.advance(SETTLE_MS);
    let unknown = "$export/0192f0c1a0000000000000000000000f";
    let other = gateway.as_("edpbw-b");
    let before = refusals(&other).await;
    for (path, at_unknown) in [
        (status.clone(), unknown.to_owned()),
        (format!("{status}/Patient.ndjson"), format!("{unknown}/Patient.ndjson")),
        (format!("{status}/errors.ndjson"), format!("{unknown}/errors.ndjson")),
    ] {
        let answer = other.get(&path).await.expect(404);
        assert_eq!(answer.told(), other.get(at_unknown).await.expect(404).told());
    }
    other.delete(&status).await.expect(404);
    assert_eq!(refusals(&other).await, before + 7, "each refusal left its event");
    gateway.as_("edpbw-a").with_bearer("").get(&status).await.expect(401);
    edpbw.get(&status).await.expect(200);
    for name in
        ["Observation", "Patient.json", "Nonsense.ndjson", "deleted.ndjson", "errors.ndjson", "Organization.ndjson"]
    {
        edpbw.get(format!("{status}/{name}")).await.expect(404);
    }
}

async fn a_cancelled_export_is_gone_and_so_are_its_files(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    record(&gateway).await;
    for wait_ms in [0, SETTLE_MS] {
        let status = kicked_off(&edpbw, "Patient/$export").await;
        gateway.advance(wait_ms);
        edpbw.delete(&status).await.expect(202);
        edpbw.get(&status).await.expect(404);
        edpbw.delete(&status).await.expect(404);
        gateway.advance(SETTLE_MS);
        edpbw.get(format!("{status}/Patient.ndjson")).await.expect(404);
    }
}

async fn an_export_expires(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let status = kicked_off(&edpbw, "Patient/$export").await;
    gateway.advance(SETTLE_MS + DAY_MS - 1);
    edpbw.get(&status).await.expect(200);
    edpbw.get(format!("{status}/Patient.ndjson")).await.expect(200);
    gateway.advance(1);
    edpbw.get(&status).await.expect(404);
    edpbw.get(format!("{status}/Patient.ndjson")).await.expect(404);
}

async fn a_client_has_so_many_exports_and_no_more(gateway: Gateway) {
    let gateway =
        gateway.beside(Options { settings: vec![("WELLGATE_BULK_EXPORTS_MAX", "2")], ..Options::default() }).await;
    let edpbw = gateway.as_("edpbw-a");
    let first = kicked_off(&edpbw, "Patient/$export").await;
    kicked_off(&edpbw, "Patient/$export").await;
    let refused = asked(&edpbw, "Patient/$export").await.expect(429);
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{refused}");
    // Others have their own.
    kicked_off(&gateway.as_("elp-1"), "Patient/$export").await;
    edpbw.delete(&first).await.expect(202);
    kicked_off(&edpbw, "Patient/$export").await;
}

async fn each_type_needs_its_scope(gateway: Gateway) {
    let [person, observation] = record(&gateway).await;
    let edpbw = gateway.as_("edpbw-a");
    let narrow = edpbw.clone().with_scope("system/Patient.rs system/Observation.r system/AuditEvent.rs");
    let before = refusals(&narrow).await;
    asked(&narrow, "Patient/$export?_type=Patient,Observation").await.expect(403);
    asked(&edpbw.clone().with_scope("system/Basic.rs"), "$export").await.expect(403);
    assert_eq!(refusals(&narrow).await, before + 2);
    // What was not named is left out, and the file of errors says so.
    let manifest = exported(&gateway, &narrow, "Patient/$export").await;
    assert_eq!(types(&manifest, "output"), ["Patient"]);
    assert_eq!(types(&manifest, "error"), ["OperationOutcome"]);
    let notes = lines(&narrow, &manifest["error"][0]["url"]).await;
    assert_eq!(notes.len(), 1);
    assert!(notes[0]["issue"][0]["details"]["text"].as_str().expect("a text").contains("Observation"));
    assert_eq!(ids(&narrow, &manifest, "Patient").await, [person]);
    // The token of the download counts.
    let manifest = exported(&gateway, &edpbw, "Patient/$export?_type=Observation").await;
    file(&narrow, &manifest["output"][0]["url"]).await.expect(403);
    assert_eq!(ids(&edpbw, &manifest, "Observation").await, [observation]);
}

async fn nobody_exports_for_a_person(gateway: Gateway) {
    let [person, _] = record(&gateway).await;
    let caller = gateway.person(&format!("Patient/{person}"));
    asked(&caller, "$export").await.expect(403);
    asked(&caller, "Patient/$export").await.expect(403);
    let status = kicked_off(&gateway.as_("edpbw-a"), "$export").await;
    caller.get(&status).await.expect(403);
}

async fn since_gives_what_changed_and_says_what_was_deleted(gateway: Gateway) {
    let (edpbw, elp) = (gateway.as_("edpbw-a"), gateway.as_("elp-1"));
    let [person, old] = record(&gateway).await;
    let [_, hidden] = record(&gateway).await;
    edpbw.create(&consent(&person, &permit(&["elp-1"]))).await;
    let gone = edpbw.create(&observation(&person)).await;
    gateway.advance(1_000);
    let since = gateway.instant(0);
    gateway.advance(1_000);
    let fresh = edpbw.create(&observation(&person)).await;
    edpbw.delete(format!("Observation/{gone}")).await.expect(204);
    edpbw.delete(format!("Observation/{hidden}")).await.expect(204);
    let status = kicked_off(&elp, &format!("$export?_type=Patient,Observation&_since={since}")).await;
    gateway.advance(1_000);
    // After the moment of the export: not in it. What was there before is, as it is now.
    let later = edpbw.create(&observation(&person)).await;
    edpbw
        .put(format!("Observation/{old}"), &{
            let mut changed = edpbw.get(format!("Observation/{old}")).await.expect(200).json;
            changed["valueInteger"] = json!(13);
            changed
        })
        .await
        .expect(200);
    gateway.advance(SETTLE_MS);
    let manifest = elp.get(&status).await.expect(200).json;
    let mut changed = vec![fresh, old];
    changed.sort();
    assert_eq!(ids(&elp, &manifest, "Observation").await, changed, "not {later}");
    assert!(ids(&elp, &manifest, "Patient").await.is_empty(), "it is older");
    let deleted = lines(&elp, &manifest["deleted"][0]["url"]).await;
    let line = json!({"resourceType": "Bundle", "type": "transaction",
        "entry": [{"request": {"method": "DELETE", "url": format!("Observation/{gone}")}}]});
    assert_eq!(deleted, [line], "and nothing of what it never saw");
}

async fn a_group_is_the_callers_own_and_opens_nothing(gateway: Gateway) {
    let (edpbw, elp) = (gateway.as_("edpbw-a"), gateway.as_("elp-1"));
    let [seen, observation] = record(&gateway).await;
    edpbw.create(&consent(&seen, &permit(&["elp-1"]))).await;
    let [hidden, _] = record(&gateway).await;
    let [other, _] = record(&gateway).await;
    edpbw.create(&consent(&other, &permit(&["elp-1"]))).await;
    let member = |id: &str| json!({"entity": {"reference": format!("Patient/{id}")}});
    let mut left = member(&other);
    left["inactive"] = json!(true);
    let group = elp
        .create(&json!({"resourceType": "Group", "type": "person", "actual": true, "member": [member(&seen), member(&hidden), left]}))
        .await;
    let manifest = exported(&gateway, &elp, &format!("Group/{group}/$export")).await;
    assert_eq!(ids(&elp, &manifest, "Patient").await, std::slice::from_ref(&seen));
    assert_eq!(ids(&elp, &manifest, "Observation").await, [observation]);
    assert!(!types(&manifest, "output").contains(&"Organization".to_owned()), "nothing but what belongs to records");
    // Another organisation's Group is none.
    let before = refusals(&edpbw).await;
    let unknown = format!("{}ff", &group[..group.len() - 2]);
    let refused = asked(&edpbw, &format!("Group/{group}/$export")).await.expect(404);
    assert_eq!(refused.told(), asked(&edpbw, &format!("Group/{unknown}/$export")).await.expect(404).told());
    assert_eq!(refusals(&edpbw).await, before + 2);
    // Without the Group there is no file.
    elp.delete(format!("Group/{group}")).await.expect(204);
    file(&elp, &manifest["output"][0]["url"]).await.expect(404);
}

async fn other_methods_are_not_offered(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let status = kicked_off(&edpbw, "$export?_type=Patient").await;
    edpbw.send(Method::PUT, &status, &[], Some(b"{}".to_vec())).await.expect(405);
    edpbw.send(Method::DELETE, "$export", &[], None).await.expect(405);
    gateway.advance(SETTLE_MS);
    edpbw.send(Method::DELETE, &format!("{status}/Patient.ndjson"), &[], None).await.expect(405);
    edpbw.get_with(format!("{status}/Patient.ndjson"), &[("accept", "application/fhir+xml")]).await.expect(406);
}

stories!(
    a_kick_off_is_accepted_at_each_level_by_get_and_by_post,
    a_kick_off_that_is_not_understood_is_refused_by_name,
    a_status_is_in_progress_until_what_was_being_written_is_stored,
    a_file_has_a_line_for_each_resource_that_is_seen,
    a_hidden_twin_is_in_no_file_count_manifest_or_error,
    a_withdrawal_works_between_the_kick_off_and_a_file,
    an_export_is_bound_to_the_client_and_organisation_that_asked,
    a_cancelled_export_is_gone_and_so_are_its_files,
    an_export_expires,
    a_client_has_so_many_exports_and_no_more,
    each_type_needs_its_scope,
    nobody_exports_for_a_person,
    since_gives_what_changed_and_says_what_was_deleted,
    a_group_is_the_callers_own_and_opens_nothing,
    other_methods_are_not_offered,
);
