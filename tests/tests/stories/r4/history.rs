//! <https://hl7.org/fhir/R4/http.html#history>: of an instance, of a type and of the system.

use serde_json::{Value, json};
use wellgate_tests::caller::Answer;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::resources::{consent, observation, permit};
use wellgate_tests::stories;

use super::identified;

/// What a history lists of records, as `METHOD Type`: the directory, which everyone sees, is no business of these checks.
fn methods(answer: &Answer) -> Vec<String> {
    let entries = answer.json["entry"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |entry: &Value| format!("{} {}", text(&entry["request"]["method"]), text(&entry["request"]["url"]));
    let listed = entries.iter().map(|entry| of(entry).split('/').next().unwrap_or_default().to_owned());
    listed.filter(|one| ["Patient", "Observation", "Consent"].iter().any(|name| one.ends_with(name))).collect()
}

async fn the_history_of_the_system_is_newest_first_over_all_types(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&identified("TEST-1")).await;
    gateway.advance(1_000);
    let seen = elp.create(&observation(&person)).await;
    gateway.advance(1_000);
    elp.patch(format!("Patient/{person}"), &json!([{"op": "replace", "path": "/active", "value": false}]))
        .await
        .expect(200);
    gateway.advance(1_000);
    elp.delete(format!("Observation/{seen}")).await.expect(204);
    let history = elp.get("_history").await.expect(200);
    assert_eq!(history.json["type"], "history");
    assert_eq!(methods(&history), ["DELETE Observation", "PUT Patient", "POST Observation", "POST Patient"]);
    let (mut found, mut next) = (Vec::new(), Some("_history?_count=1".to_owned()));
    while let Some(page) = next {
        let answer = elp.get(&page).await.expect(200);
        found.extend(methods(&answer));
        next = answer.link("next");
    }
    assert_eq!(found, methods(&history), "pages lead to its end");
}

async fn a_page_belongs_to_its_history_and_its_caller(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for value in ["TEST-1", "TEST-2"] {
        elp.create(&identified(value)).await;
    }
    let next = elp.get("_history?_count=1").await.link("next").expect("a next page");
    gateway.as_("elp-2").get(&next).await.expect(400);
    elp.get(next.replace("_history?", "Patient/_history?")).await.expect(400);
    elp.get(next.replace("_count=1", "_count=2")).await.expect(400);
}

async fn since_leaves_what_was_written_at_that_instant_or_later(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let id = elp.create(&identified("TEST-1")).await;
    gateway.advance(10_000);
    let patched = elp.patch(format!("Patient/{id}"), &json!([{"op": "remove", "path": "/gender"}])).await.expect(200);
    let at = patched.json["meta"]["lastUpdated"].as_str().expect("an instant").to_owned();
    for base in ["_history".to_owned(), "Patient/_history".to_owned(), format!("Patient/{id}/_history")] {
        assert_eq!(methods(&elp.get(format!("{base}?_since={at}")).await.expect(200)), ["PUT Patient"], "{base}");
        let offset = at.replace('Z', "%2B00:00");
        assert_eq!(methods(&elp.get(format!("{base}?_since={offset}")).await.expect(200)).len(), 1, "{base}");
        assert!(
            methods(&elp.get(format!("{base}?_since=2027-01-01T00:00:00Z")).await.expect(200)).is_empty(),
            "{base}"
        );
        assert_eq!(
            methods(&elp.get(format!("{base}?_since=2026-01-01T00:00:00Z")).await.expect(200)).len(),
            2,
            "{base}"
        );
        for wrong in [
            "_since=2026",
            "_since=2026-03-01",
            "_since=x",
            "_since=",
            "_at=x",
            "_at=ge2026",
            "_list=1",
            "_count=x",
            "_sort=_id",
        ] {
            elp.get(format!("{base}?{wrong}")).await.expect(400);
        }
    }
}

async fn at_leaves_what_was_current_in_that_time(gateway: Gateway) {
    const HOUR_MS: i64 = 3_600_000;
    let elp = gateway.as_("elp-1");
    // 12:00, 13:00 and a deletion at 14:00.
    let id = elp.create(&identified("TEST-1")).await;
    gateway.advance(HOUR_MS);
    elp.patch(format!("Patient/{id}"), &json!([{"op": "remove", "path": "/gender"}])).await.expect(200);
    gateway.advance(HOUR_MS);
    elp.delete(format!("Patient/{id}")).await.expect(204);
    for base in ["_history".to_owned(), "Patient/_history".to_owned(), format!("Patient/{id}/_history")] {
        for (at, expected) in [
            ("2026-03-01T12:30:00Z", vec!["POST Patient"]),
            ("2026-03-01T13:30:00Z", vec!["PUT Patient"]),
            ("2026-03-01", vec!["DELETE Patient", "PUT Patient", "POST Patient"]),
            ("2026-03", vec!["DELETE Patient", "PUT Patient", "POST Patient"]),
            ("2026-03-01T11:00:00Z", vec![]),
            ("2026-03-02", vec![]),
        ] {
            let found = elp.get(format!("{base}?_at={at}")).await.expect(200);
            assert_eq!(methods(&found), expected, "{base} {at}");
        }
    }
    elp.get("Patient/never-was/_history?_at=2026").await.expect(404);
}

/// Versions of what the caller does not see are in no history, no page and no time.
async fn a_history_tells_nothing_of_what_is_hidden(gateway: Gateway) {
    let (elp, other) = (gateway.as_("elp-1"), gateway.as_("gp-1"));
    let told = async || {
        let mut told = String::new();
        for path in [
            "_history",
            "_history?_count=1",
            "_history?_since=2026-01-01T00:00:00Z",
            "_history?_at=2026",
            "Patient/_history?_at=2026-03",
        ] {
            told += &other.get(path).await.expect(200).told();
        }
        told
    };
    let before = told().await;
    let person = elp.create(&identified("TEST-1")).await;
    elp.patch(format!("Patient/{person}"), &json!([{"op": "remove", "path": "/gender"}])).await.expect(200);
    elp.create(&observation(&person)).await;
    assert_eq!(told().await, before);
    let permitted = elp.create(&consent(&person, &permit(&["gp-1"]))).await;
    let shown = other.get("_history").await.expect(200);
    assert_eq!(methods(&shown).len(), 3, "the Consent alone is not told: {shown}");
    let mut withdrawn = elp.get(format!("Consent/{permitted}")).await.json;
    withdrawn["status"] = json!("inactive");
    elp.put(format!("Consent/{permitted}"), &withdrawn).await.expect(200);
    assert_eq!(told().await, before, "the past is closed with the present");
    let hidden = other.get(format!("Patient/{person}/_history?_since=2027-01-01T00:00:00Z")).await.expect(404);
    assert_eq!(hidden.told(), other.get("Patient/never-was/_history?_since=2027-01-01T00:00:00Z").await.told());
}

async fn the_history_of_the_system_has_the_types_of_the_scope(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&identified("TEST-1")).await;
    elp.create(&observation(&person)).await;
    let narrow = gateway.as_("elp-1").with_scope("system/Observation.s system/Patient.r");
    assert_eq!(methods(&narrow.get("_history").await.expect(200)), ["POST Observation"]);
    gateway.as_("elp-1").with_scope("system/Patient.cru").get("_history").await.expect(403);
}

async fn each_history_is_in_the_trail_of_every_record_that_it_shows(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&identified("TEST-1")).await;
    elp.create(&consent(&person, &permit(&["gp-1"]))).await;
    gateway.as_("gp-1").get("_history").await.expect(200);
    let events = elp.search(format!("AuditEvent?patient=Patient/{person}")).await;
    let history = events.iter().find(|event| event["subtype"][0]["code"] == "history-system").expect("it is recorded");
    assert_eq!(history["action"], "E");
}

stories!(
    the_history_of_the_system_is_newest_first_over_all_types,
    a_page_belongs_to_its_history_and_its_caller,
    since_leaves_what_was_written_at_that_instant_or_later,
    at_leaves_what_was_current_in_that_time,
    a_history_tells_nothing_of_what_is_hidden,
    the_history_of_the_system_has_the_types_of_the_scope,
    each_history_is_in_the_trail_of_every_record_that_it_shows,
);
