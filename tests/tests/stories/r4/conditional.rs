//! <https://hl7.org/fhir/R4/http.html#cond-update> and what else is found by criteria.

use serde_json::{Value, json};
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::referral::refusals;
use wellgate_tests::resources::{consent, observation, permit};
use wellgate_tests::stories;

use super::{by, identified};

async fn put_if(caller: &Caller<'_>, value: &str, resource: &Value, status: u16) -> Answer {
    caller.put(format!("Patient?{}", by(value)), resource).await.expect(status)
}

async fn an_update_of_what_is_not_there_creates_it(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let created = put_if(&elp, "TEST-1", &identified("TEST-1"), 201).await;
    assert!(created.header("location").contains("/Patient/"));
    let again = put_if(&elp, "TEST-1", &identified("TEST-1"), 200).await;
    assert_eq!(again.id(), created.id());
    assert_ne!(again.etag(), created.etag());
    assert_eq!(elp.search("Patient").await.len(), 1);
}

async fn an_update_with_an_id_where_nothing_is_found_is_refused(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let mut mine = identified("TEST-1");
    mine["id"] = json!("mine");
    let refused = put_if(&elp, "TEST-1", &mine, 422).await;
    assert_eq!(refused.issues(), [("business-rule".to_owned(), "Patient.id".to_owned())]);
    assert!(elp.search("Patient").await.is_empty());
    assert_eq!(refusals(&elp, None).await, ["content"]);
}

async fn an_update_of_the_one_that_is_found_takes_its_id_or_none(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let id = elp.create(&identified("TEST-1")).await;
    let mut changed = identified("TEST-1");
    changed["active"] = json!(false);
    assert_eq!(put_if(&elp, "TEST-1", &changed, 200).await.id(), id);
    changed["id"] = json!(id);
    put_if(&elp, "TEST-1", &changed, 200).await;
    let before = elp.get(format!("Patient/{id}")).await.told();
    changed["id"] = json!("other");
    let refused = put_if(&elp, "TEST-1", &changed, 400).await;
    assert_eq!(refused.issues(), [("invariant".to_owned(), "Patient.id".to_owned())]);
    assert_eq!(elp.get(format!("Patient/{id}")).await.told(), before);
}

async fn several_that_are_found_are_412(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for _ in 0..2 {
        elp.create(&identified("TEST-1")).await;
    }
    let before = elp.get("Patient/_history").await.bytes;
    let refused = put_if(&elp, "TEST-1", &identified("TEST-1"), 412).await;
    assert_eq!(refused.issues()[0].0, "multiple-matches");
    elp.delete(format!("Patient?{}", by("TEST-1"))).await.expect(412);
    elp.post_with("Patient", &identified("TEST-1"), &[("if-none-exist", &by("TEST-1"))]).await.expect(412);
    assert_eq!(elp.get("Patient/_history").await.bytes, before, "nothing was stored");
    assert_eq!(refusals(&elp, None).await, ["precondition-failed"; 3]);
}

async fn criteria_are_needed_and_known(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    elp.create(&identified("TEST-1")).await;
    for query in ["", "?", "?_count=1", "?nonsense=1", "?identifier:nonsense=1"] {
        elp.put(format!("Patient{query}"), &identified("TEST-1")).await.expect(400);
        elp.delete(format!("Patient{query}")).await.expect(400);
    }
    assert_eq!(elp.search("Patient").await.len(), 1);
}

async fn an_update_holds_to_the_version_in_if_match(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let created = elp.post("Patient", &identified("TEST-1")).await.expect(201);
    let path = format!("Patient?{}", by("TEST-1"));
    elp.put_with(&path, &identified("TEST-1"), &[("if-match", &created.etag())]).await.expect(200);
    elp.put_with(&path, &identified("TEST-1"), &[("if-match", &created.etag())]).await.expect(412);
    let other = format!("Patient?{}", by("TEST-2"));
    elp.put_with(&other, &identified("TEST-2"), &[("if-match", &created.etag())]).await.expect(412);
    assert_eq!(elp.search("Patient").await.len(), 1);
}

async fn a_deletion_finds_one_or_none(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let id = elp.create(&identified("TEST-1")).await;
    let none = elp.delete(format!("Patient?{}", by("TEST-9"))).await.expect(204);
    assert!(none.bytes.is_empty() && none.etag().is_empty());
    let stale = [("if-match", "W/\"1\"")];
    elp.send(reqwest::Method::DELETE, &format!("Patient?{}", by("TEST-1")), &stale, None).await.expect(412);
    elp.get(format!("Patient/{id}")).await.expect(200);
    assert!(!elp.delete(format!("Patient?{}", by("TEST-1"))).await.expect(204).etag().is_empty());
    elp.get(format!("Patient/{id}")).await.expect(410);
    let again = elp.delete(format!("Patient?{}", by("TEST-1"))).await.expect(204);
    assert_eq!(again.told(), none.told(), "what is deleted fulfils nothing");
}

/// What others hold fulfils nothing, whether a Consent shows it or not: else an identifier would tell whether it is known elsewhere.
async fn what_others_hold_fulfils_nothing(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&identified("TEST-1")).await;
    elp.create(&consent(&person, &permit(&["gp-1"]))).await;
    let before = elp.get(format!("Patient/{person}/_history")).await.told();
    for other in ["gp-1", "elp-2"] {
        let other = gateway.as_(other);
        let deleted = other.delete(format!("Patient?{}", by("TEST-1"))).await.expect(204);
        assert_eq!(deleted.told(), other.delete(format!("Patient?{}", by("TEST-9"))).await.told());
        let created = put_if(&other, "TEST-1", &identified("TEST-1"), 201).await;
        assert_ne!(created.id(), person);
        let mut named = identified("TEST-1");
        named["id"] = json!(person);
        put_if(&other, "TEST-1", &named, 400).await;
    }
    assert_eq!(elp.get(format!("Patient/{person}/_history")).await.told(), before);
}

async fn many_at_once_create_one(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let resource = identified("TEST-1");
    let (a, b, c, d) = tokio::join!(
        elp.put(format!("Patient?{}", by("TEST-1")), &resource),
        elp.put(format!("Patient?{}", by("TEST-1")), &resource),
        elp.post_with("Patient", &resource, &[("if-none-exist", "identifier=https://ehr.example/patient|TEST-1")]),
        elp.put(format!("Patient?{}", by("TEST-1")), &resource),
    );
    let created = [&a, &b, &c, &d].iter().filter(|answer| answer.status == 201).count();
    assert_eq!(created, 1, "{a} {b} {c} {d}");
    assert_eq!(elp.search("Patient").await.len(), 1);
}

async fn each_asks_for_the_scopes_of_what_it_does(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    elp.create(&identified("TEST-1")).await;
    let with = |scope: &str| gateway.as_("elp-1").with_scope(scope);
    // To find something is a search; to make it where nothing is found, a create.
    put_if(&with("system/Patient.cu"), "TEST-1", &identified("TEST-1"), 403).await;
    put_if(&with("system/Patient.us"), "TEST-1", &identified("TEST-1"), 200).await;
    put_if(&with("system/Patient.us"), "TEST-2", &identified("TEST-2"), 403).await;
    with("system/Patient.d").delete(format!("Patient?{}", by("TEST-1"))).await.expect(403);
    with("system/Patient.us").delete(format!("Patient?{}", by("TEST-1"))).await.expect(403);
    assert_eq!(elp.search("Patient").await.len(), 1);
    with("system/Patient.ds").delete(format!("Patient?{}", by("TEST-1"))).await.expect(204);
}

async fn what_is_found_is_written_by_the_rules_of_any_write(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let (one, two) = (elp.create(&identified("TEST-1")).await, elp.create(&identified("TEST-2")).await);
    let mut seen = observation(&one);
    seen["identifier"] = json!([{"system": "https://ehr.example/seen", "value": "TEST-S"}]);
    elp.create(&seen).await;
    let path = "Observation?identifier=https://ehr.example/seen|TEST-S";
    seen["subject"]["reference"] = json!(format!("Patient/{two}"));
    elp.put(path, &seen).await.expect(422);
    seen["nonsense"] = json!(1);
    elp.put(path, &seen).await.expect(422);
    assert_eq!(elp.search(path).await[0]["subject"]["reference"], format!("Patient/{one}"));
}

stories!(
    an_update_of_what_is_not_there_creates_it,
    an_update_with_an_id_where_nothing_is_found_is_refused,
    an_update_of_the_one_that_is_found_takes_its_id_or_none,
    several_that_are_found_are_412,
    criteria_are_needed_and_known,
    an_update_holds_to_the_version_in_if_match,
    a_deletion_finds_one_or_none,
    what_others_hold_fulfils_nothing,
    many_at_once_create_one,
    each_asks_for_the_scopes_of_what_it_does,
    what_is_found_is_written_by_the_rules_of_any_write,
);
