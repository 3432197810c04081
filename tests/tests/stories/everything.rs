//! `Patient/$everything`, `$meta` and `ServiceRequest/$dossier`: all that is seen of a record, and nothing beside.

use serde_json::{Value, json};
use wellgate_tests::caller::Caller;
use wellgate_tests::gateway::{Gateway, Options};
use wellgate_tests::resources::{consent, deny, encounter, observation, patient, permit, service_request};
use wellgate_tests::stories;

async fn refusals(caller: &Caller<'_>) -> u64 {
    caller.get("AuditEvent?outcome=8&_summary=count").await.expect(200).json["total"].as_u64().expect("a number")
}

fn addresses(resources: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    resources.iter().map(|one| format!("{}/{}", text(&one["resourceType"]), text(&one["id"]))).collect()
}

/// A record of edpbw-a with a contact of a practitioner in the directory; answers the Patient's id and every address, sorted.
async fn record(gateway: &Gateway) -> (String, Vec<String>) {
    let edpbw = gateway.as_("edpbw-a");
    let doctor = edpbw.create(&json!({"resourceType": "Practitioner", "name": [{"family": "Testarts"}]})).await;
    let person = edpbw.create(&patient()).await;
    let mut contact = encounter(&person);
    contact["participant"] = json!([{"individual": {"reference": format!("Practitioner/{doctor}")}}]);
    let contact = edpbw.create(&contact).await;
    let seen = edpbw.create(&observation(&person)).await;
    let mut all = vec![
        format!("Patient/{person}"),
        format!("Encounter/{contact}"),
        format!("Observation/{seen}"),
        format!("Practitioner/{doctor}"),
    ];
    all.sort();
    (person, all)
}

/// Every page of what is answered, and how many there were.
async fn walked(caller: &Caller<'_>, path: String) -> (Vec<String>, usize) {
    let (mut all, mut pages, mut next) = (Vec::new(), 0, Some(path));
    while let Some(path) = next {
        let page = caller.get(path).await.expect(200);
        assert_eq!(page.json["type"], "searchset");
        all.extend(addresses(&page.resources()));
        pages += 1;
        next = page.link("next");
    }
    all.sort();
    all.dedup();
    (all, pages)
}

async fn everything_is_what_is_seen_of_the_record_with_whom_it_names(gateway: Gateway) {
    let (edpbw, elp) = (gateway.as_("edpbw-a"), gateway.as_("elp-1"));
    let (person, mut all) = record(&gateway).await;
    let permits = edpbw.create(&consent(&person, &permit(&["elp-1"]))).await;
    record(&gateway).await;
    let everything = format!("Patient/{person}/$everything");
    // Who is permitted does not read the Consent.
    assert_eq!(walked(&elp, everything.clone()).await, (all.clone(), 1));
    let posted = elp.post(&everything, &json!({"resourceType": "Parameters"})).await.expect(200);
    assert_eq!(addresses(&posted.resources()).len(), 4);
    let modes: Vec<Value> =
        posted.json["entry"].as_array().expect("entries").iter().map(|entry| entry["search"]["mode"].clone()).collect();
    assert_eq!(modes, ["match", "match", "match", "include"], "the Patient first, the directory last");
    assert_eq!(posted.resources()[0]["resourceType"], "Patient");
    // In pages it is the same.
    let (found, pages) = walked(&elp, format!("{everything}?_count=1")).await;
    assert_eq!((&found, pages), (&all, 4), "three, and the empty one that follows a full page");
    // The custodian and the person read the Consent, which names organisations.
    all.extend([format!("Consent/{permits}"), "Organization/edpbw-a".to_owned(), "Organization/elp-1".to_owned()]);
    all.sort();
    assert_eq!(walked(&edpbw, everything.clone()).await.0, all);
    assert_eq!(walked(&gateway.person(&format!("Patient/{person}")), everything.clone()).await.0, all);
    // Each page is on record where it belongs.
    let events = edpbw.search(format!("AuditEvent?patient=Patient/{person}&_count=500")).await;
    assert!(events.iter().any(|event| event["subtype"][0]["code"] == "everything"));
}

async fn everything_can_be_narrowed(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let (person, _) = record(&gateway).await;
    gateway.advance(1_000);
    let since = gateway.instant(0);
    gateway.advance(1_000);
    let fresh = edpbw.create(&observation(&person)).await;
    let ask = async |query: &str| walked(&edpbw, format!("Patient/{person}/$everything?{query}")).await.0;
    assert_eq!(ask(&format!("_since={since}")).await, [format!("Observation/{fresh}")]);
    assert_eq!(ask("_type=Patient").await, [format!("Patient/{person}")]);
    assert_eq!(ask("_type=Observation,Patient").await.len(), 3);
    // By the time that it is about; the Patient always.
    assert_eq!(ask("start=2026-03-01&_type=Observation,Encounter").await.len(), 2, "the contact and its practitioner");
    assert_eq!(ask("end=2026-02-28&_type=Observation,Encounter").await.len(), 2, "the observations");
    assert!(ask("start=2027-01-01&_type=Observation,Encounter").await.is_empty());
    assert_eq!(ask("start=2027-01-01&_type=Patient").await.len(), 1);
    let before = refusals(&edpbw).await;
    for (query, status) in [
        ("_type=Nonsense", 400),
        ("_type=Practitioner", 400),
        ("_since=yesterday", 400),
        ("_since=2020", 400),
        ("start=soon", 400),
        ("_count=0", 400),
        ("_count=x", 400),
        ("_elements=id", 400),
        ("_cursor=x", 400),
    ] {
        edpbw.get(format!("Patient/{person}/$everything?{query}")).await.expect(status);
    }
    let narrow = edpbw.clone().with_scope("system/Patient.rs system/AuditEvent.rs");
    narrow.get(format!("Patient/{person}/$everything?_type=Observation")).await.expect(403);
    assert_eq!(walked(&narrow, format!("Patient/{person}/$everything")).await.0, [format!("Patient/{person}")]);
    assert_eq!(refusals(&edpbw).await, before + 10, "each refusal left its event");
}

async fn what_is_hidden_is_not_among_everything_nor_is_the_record(gateway: Gateway) {
    let (edpbw, elp) = (gateway.as_("edpbw-a"), gateway.as_("elp-1"));
    let (person, all) = record(&gateway).await;
    let permits = edpbw.create(&consent(&person, &permit(&["elp-1"]))).await;
    let everything = format!("Patient/{person}/$everything");
    let (first, link) = {
        let page = elp.get(format!("{everything}?_count=1")).await.expect(200);
        (page.clone(), page.link("next").expect("there is more"))
    };
    // A page belongs to whom it was given to.
    edpbw.get(&link).await.expect(400);
    // Of a sensitive kind, which the Consent excludes: the same pages as without it.
    let mut but = permit(&["elp-1"]);
    let mut denies = deny(&["elp-1"]);
    denies["class"] = json!([{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}]);
    but["provision"] = json!([denies]);
    edpbw.create(&consent(&person, &but)).await;
    let hidden = edpbw
        .create(&json!({"resourceType": "Condition", "subject": {"reference": format!("Patient/{person}")}, "code": {"text": "TEST-HIDDEN"}}))
        .await;
    assert_eq!(elp.get(format!("Condition/{hidden}")).await.status, 404);
    assert_eq!(walked(&elp, everything.clone()).await.0, all);
    assert_eq!(elp.get(format!("{everything}?_count=1")).await.bytes, first.bytes);
    // Withdrawn between two pages: the next one is that of no record.
    let none = json!({"resourceType": "Parameters"});
    for consent in edpbw.search(format!("Consent?patient={person}")).await {
        edpbw.post(format!("Consent/{}/$withdraw", consent["id"].as_str().expect("an id")), &none).await.expect(200);
    }
    elp.get(format!("Consent/{permits}")).await.expect(404);
    let before = refusals(&elp).await;
    elp.get(&link).await.expect(404);
    let unknown = format!("{}ff", &person[..person.len() - 2]);
    let refused = elp.get(&everything).await.expect(404);
    assert_eq!(refused.told(), elp.get(format!("Patient/{unknown}/$everything")).await.expect(404).told());
    assert_eq!(refusals(&elp).await, before + 3);
}

async fn meta_is_told_of_what_is_seen(gateway: Gateway) {
    let (edpbw, elp) = (gateway.as_("edpbw-a"), gateway.as_("elp-1"));
    let mut resource = patient();
    resource["meta"] = json!({"tag": [{"system": "urn:test", "code": "TEST-TAG"}]});
    let person = edpbw.create(&resource).await;
    let stored = edpbw.get(format!("Patient/{person}")).await.expect(200).json;
    let told = edpbw.get(format!("Patient/{person}/$meta")).await.expect(200).json;
    assert_eq!(
        told,
        json!({"resourceType": "Parameters", "parameter": [{"name": "return", "valueMeta": stored["meta"]}]})
    );
    assert_eq!(told["parameter"][0]["valueMeta"]["tag"][0]["code"], "TEST-TAG");
    edpbw.post(format!("Patient/{person}/$meta"), &json!({"resourceType": "Parameters"})).await.expect(200);
    let before = refusals(&elp).await;
    let unknown = format!("{}ff", &person[..person.len() - 2]);
    let refused = elp.get(format!("Patient/{person}/$meta")).await.expect(404);
    assert_eq!(refused.told(), elp.get(format!("Patient/{unknown}/$meta")).await.expect(404).told());
    // Of a whole type, or of all, it would be a count of what there is.
    for path in ["Patient/$meta", "$meta"] {
        elp.get(path).await.expect(405);
        elp.post(path, &json!({"resourceType": "Parameters"})).await.expect(405);
    }
    edpbw.get(format!("Patient/{person}/$meta?mode=x")).await.expect(400);
    assert_eq!(refusals(&elp).await, before + 6);
    let seen = edpbw.create(&observation(&person)).await;
    edpbw.delete(format!("Observation/{seen}")).await.expect(204);
    edpbw.get(format!("Observation/{seen}/$meta")).await.expect(410);
}

async fn a_dossier_is_one_document_of_what_is_seen(gateway: Gateway) {
    let (edpbw, elp) = (gateway.as_("edpbw-a"), gateway.as_("elp-1"));
    let (person, _) = record(&gateway).await;
    let order = edpbw.create(&service_request(&person, "")).await;
    edpbw.create(&consent(&person, &permit(&["elp-1"]))).await;
    let dossier = format!("ServiceRequest/{order}/$dossier");
    let document = elp.get(&dossier).await.expect(200).json;
    assert_eq!((&document["type"], &document["timestamp"]), (&json!("document"), &json!(gateway.instant(0))));
    let issues = mappings::r4::structure::check(&document);
    assert!(issues.is_empty(), "{issues:?}");
    let entries = document["entry"].as_array().expect("entries");
    let composition = &entries[0]["resource"];
    assert_eq!(
        (&composition["resourceType"], &composition["subject"]["reference"]),
        (&json!("Composition"), &json!(format!("Patient/{person}")))
    );
    let mut listed: Vec<String> = composition["section"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|section| section["entry"].as_array().cloned().unwrap_or_default())
        .map(|entry| entry["reference"].as_str().expect("a reference").to_owned())
        .collect();
    listed.sort();
    let mut held = addresses(&entries[1..].iter().map(|entry| entry["resource"].clone()).collect::<Vec<_>>());
    held.sort();
    assert_eq!(listed, held, "the Composition lists every entry");
    assert!(
        held.contains(&format!("ServiceRequest/{order}")) && held.iter().any(|one| one.starts_with("Practitioner/"))
    );
    assert!(!held.iter().any(|one| one.starts_with("Consent/")), "the custodian's alone");
    for entry in entries {
        let (resource, url) = (&entry["resource"], entry["fullUrl"].as_str().expect("a URL"));
        assert!(url.ends_with(&addresses(std::slice::from_ref(resource))[0]), "{url}");
    }
    // Who does not see the order has no dossier of it.
    let cgg = gateway.as_("cgg-1");
    let before = refusals(&cgg).await;
    let unknown = format!("{}ff", &order[..order.len() - 2]);
    let refused = cgg.get(&dossier).await.expect(404);
    assert_eq!(refused.told(), cgg.get(format!("ServiceRequest/{unknown}/$dossier")).await.expect(404).told());
    assert_eq!(refusals(&cgg).await, before + 2);
    let events = edpbw.search(format!("AuditEvent?patient=Patient/{person}&_count=500")).await;
    assert!(events.iter().any(|event| event["subtype"][0]["code"] == "dossier" && event["outcome"] == "0"));
    // One that is longer than the limit is not cut: it is refused.
    let small = gateway
        .replica_with(Options { settings: vec![("WELLGATE_BULK_DOSSIER_RESOURCES_MAX", "2")], ..Options::default() })
        .await;
    small.as_("elp-1").get(&dossier).await.expect(413);
}

stories!(
    everything_is_what_is_seen_of_the_record_with_whom_it_names,
    everything_can_be_narrowed,
    what_is_hidden_is_not_among_everything_nor_is_the_record,
    meta_is_told_of_what_is_seen,
    a_dossier_is_one_document_of_what_is_seen,
);
