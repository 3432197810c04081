//! What asks for a fresh sign-in: emergency access, and all that a data-protection officer does.

use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::browser::Browser;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::resources::{observation, patient};
use wellgate_tests::stories;

use super::{trail, with_people};

fn break_glass(patient: &str) -> Value {
    json!({"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueReference": {"reference": format!("Patient/{patient}")}},
        {"name": "purpose", "valueCode": "BTG"},
        {"name": "reason", "valueString": "found unconscious, medication unknown"}]})
}

/// 30: breaking the glass asks for a fresh sign-in of the very person, and it is one for a while.
async fn the_glass_is_broken_after_a_fresh_sign_in_alone(gateway: Gateway) {
    let record = gateway.as_("edpbw-a").create(&patient()).await;
    gateway.employ("dok", "gp-1", Some("doctor-1"), &["care-provider"]).await;
    let browser = Browser::of(&gateway, "dok").await;
    let ask = async || browser.fhir(Method::POST, "Patient/$break-glass", Some(&break_glass(&record))).await;
    let is_refused =
        |answer: &wellgate_tests::caller::Answer| answer.status == 403 && answer.reason() == "step-up-required";
    assert!(is_refused(&ask().await));
    browser.read(format!("Patient/{record}")).await.expect(404);

    let began = gateway.clock.now_ms() / 1_000;
    for (what, change) in [
        ("signed in before", json!({"auth_time": began - 31})),
        ("signed in later", json!({"auth_time": began + 31})),
        ("a text", json!({"auth_time": began.to_string()})),
        ("nothing of it", json!({"auth_time": null})),
    ] {
        let answer = browser.round("step-up", "dok", |claims| claims["auth_time"] = change["auth_time"].clone()).await;
        assert!([400, 403].contains(&answer.status), "{what}: {answer}");
        assert!(is_refused(&ask().await), "{what}");
    }
    let without = |claims: &mut Value| {
        claims.as_object_mut().expect("claims are an object").remove("auth_time");
    };
    browser.round("step-up", "dok", without).await.expect(403);
    browser.round("step-up", "somebody-else", |_| {}).await.expect(403);
    assert!(is_refused(&ask().await));
    assert_eq!(browser.get("session").await.json["role"], "care-provider", "who was signed in still is");
    // The fresh sign-in of one session is none of another.
    let other = Browser::of(&gateway, "dok").await;
    other.step_up("dok").await;
    assert!(is_refused(&ask().await));

    let asked = browser.go("step-up").await;
    assert_eq!((asked.get("max_age"), asked.get("prompt"), asked.get("acr_values")), ("0", "login", ""));
    browser.step_up("dok").await;
    let opened = ask().await.expect(201);
    browser.read(format!("Patient/{record}")).await.expect(200);
    gateway.advance(10 * 60_000);
    assert!(is_refused(&ask().await), "ten minutes later it is not fresh any more");
    // What was opened lasts by its own rules, and ends without a fresh sign-in.
    browser.read(format!("Patient/{record}")).await.expect(200);
    let session = opened.json["parameter"][0]["valueId"].as_str().expect("a session");
    let end = json!({"resourceType": "Parameters", "parameter": [{"name": "session", "valueString": session}]});
    browser.fhir(Method::POST, "Patient/$end-break-glass", Some(&end)).await.expect(200);
    browser.read(format!("Patient/{record}")).await.expect(404);
    let acts = trail(&gateway, "gp-1").await;
    for told in ["step-up", "break-glass: step-up-required", "step-up: not-afresh", "step-up: other-person"] {
        assert!(acts.iter().any(|act| act == told), "{told}: {acts:?}");
    }
    // A machine has no session that could be fresh: its rules are those of its client.
    let token = gateway.as_("gp-1").by_practitioner("doctor-2");
    token.post("Patient/$break-glass", &break_glass(&record)).await.expect(201);
}

fn one_session_each() -> wellgate_tests::gateway::Options {
    let settings = vec![("WELLGATE_EMERGENCY_SESSIONS_OPEN_MAX", "1")];
    wellgate_tests::gateway::Options { settings, ..with_people() }
}

/// 30: of those who sign in by a browser each has so many emergencies open at once, and takes none from a colleague.
async fn each_who_signs_in_is_counted_alone(gateway: Gateway) {
    let (one, other) =
        (gateway.as_("edpbw-a").create(&patient()).await, gateway.as_("edpbw-a").create(&patient()).await);
    for (person, practitioner) in [("dok", "doctor-1"), ("dok-2", "doctor-2")] {
        gateway.employ(person, "gp-1", Some(practitioner), &["care-provider"]).await;
        let browser = Browser::of(&gateway, person).await;
        browser.step_up(person).await;
        let ask =
            async |record: &str| browser.fhir(Method::POST, "Patient/$break-glass", Some(&break_glass(record))).await;
        ask(&one).await.expect(201);
        let refused = ask(&other).await.expect(403);
        assert_eq!(refused.reason(), "too-many-sessions", "{person}");
        browser.read(format!("Patient/{other}")).await.expect(404);
        // Another browser of the same person has no room of its own.
        let again = Browser::of(&gateway, person).await;
        again.step_up(person).await;
        let refused = again.fhir(Method::POST, "Patient/$break-glass", Some(&break_glass(&other))).await.expect(403);
        assert_eq!(refused.reason(), "too-many-sessions", "{person}");
    }
    let acts = trail(&gateway, "gp-1").await;
    assert_eq!(acts.iter().filter(|act| *act == "break-glass: too-many-sessions").count(), 4, "{acts:?}");
}

fn with_acr() -> wellgate_tests::gateway::Options {
    let settings = vec![("WELLGATE_PEOPLE_STEP_UP_ACR", "urn:test:two-factors")];
    wellgate_tests::gateway::Options { settings, ..with_people() }
}

async fn a_fresh_sign_in_is_as_strong_as_was_asked_for(gateway: Gateway) {
    gateway.employ("dpo", "elp-1", None, &["dpo"]).await;
    let browser = Browser::of(&gateway, "dpo").await;
    let asked = browser.go("step-up").await;
    assert_eq!(asked.get("acr_values"), "urn:test:two-factors");
    browser.round("step-up", "dpo", |_| {}).await.expect(403);
    browser.round("step-up", "dpo", |claims| claims["acr"] = json!("urn:test:password")).await.expect(403);
    browser.read("AuditEvent").await.expect(403);
    browser.round("step-up", "dpo", |claims| claims["acr"] = json!("urn:test:two-factors")).await.expect(303);
    browser.read("AuditEvent").await.expect(200);
}

async fn an_officer_for_data_protection_is_told_about_records_and_reads_none(gateway: Gateway) {
    let holder = gateway.as_("elp-1");
    let record = holder.create(&patient()).await;
    let observation = holder.create(&observation(&record)).await;
    let elsewhere = gateway.as_("elp-2").create(&patient()).await;
    gateway.employ("dpo", "elp-1", None, &["dpo"]).await;
    let browser = Browser::of(&gateway, "dpo").await;
    let explain = |record: &str| {
        format!("Consent/$explain?patient=Patient/{record}&organization=Organization/gp-1&purpose=TREAT")
    };
    let acts = [explain(&record), format!("Patient/{record}/$who-can-see"), format!("Patient/{record}/$access-log")];
    for act in &acts {
        let answer = browser.read(act).await.expect(403);
        assert_eq!(answer.reason(), "step-up-required", "{act}");
    }
    browser.step_up("dpo").await;
    for act in &acts {
        browser.read(act).await.expect(200);
    }
    assert!(!browser.read(format!("AuditEvent?patient={record}")).await.expect(200).resources().is_empty());

    // The dossier answers as one that never was.
    let never = "0199aaaa00007000800000000000aaaa";
    for (path, unknown) in [
        (format!("Patient/{record}"), format!("Patient/{never}")),
        (format!("Observation/{observation}"), format!("Observation/{never}")),
        (format!("Observation/{observation}/_history"), format!("Observation/{never}/_history")),
        (explain(&elsewhere), explain(never)),
        (format!("Patient/{elsewhere}/$who-can-see"), format!("Patient/{never}/$who-can-see")),
        (format!("Patient/{elsewhere}/$access-log"), format!("Patient/{never}/$access-log")),
    ] {
        let (hidden, unknown) = (browser.read(path).await.expect(404), browser.read(unknown).await);
        assert_eq!(hidden.told(), unknown.told());
    }
    for path in ["Patient?_total=accurate", "Observation?_total=accurate", "Consent?_total=accurate"] {
        let answer = browser.read(path).await.expect(200);
        assert_eq!((answer.resources().len(), &answer.json["total"]), (0, &json!(0)), "{path}");
    }
    browser.fhir(Method::POST, "Patient", Some(&patient())).await.expect(403);
    browser.fhir(Method::DELETE, &format!("Patient/{record}"), None).await.expect(403);

    let events = holder.search(format!("AuditEvent?patient={record}&_count=100")).await;
    let told = |act: &str| {
        let found = events.iter().find(|event| event["subtype"][0]["code"] == act && event["outcome"] == "0");
        found.unwrap_or_else(|| panic!("{act} is on record")).to_string()
    };
    for act in ["explain", "who-can-see", "access-log"] {
        let event = told(act);
        assert!(event.contains("access-basis#oversight") && event.contains("HCOMPL"), "{event}");
        assert!(event.contains(r#"NamingSystem/staff","value":"dpo""#), "it says who: {event}");
    }
    // The patient's own log says who it was, by name.
    let log =
        gateway.person(&format!("Patient/{record}")).get(format!("Patient/{record}/$access-log")).await.expect(200);
    let entries = log.json["entries"].as_array().expect("entries");
    let is_told = |entry: &&Value| entry["staff"]["id"] == "dpo" && entry["act"]["code"] == "explain";
    let of_dpo = entries.iter().filter(is_told).find(|entry| entry["outcome"]["code"] == "success");
    let of_dpo = of_dpo.expect("the officer is in the log");
    assert!(of_dpo["who"]["text"].as_str().is_some_and(|text| text.contains("Test dpo")), "{of_dpo}");
    assert_eq!(of_dpo["basis"]["code"], "oversight");
}

async fn an_officer_for_data_protection_judges_emergencies_of_the_own_organisation(gateway: Gateway) {
    let record = gateway.as_("elp-1").create(&patient()).await;
    let practitioner = gateway.as_("elp-1").by_practitioner("psychologist-1");
    let opened = practitioner.post("Patient/$break-glass", &break_glass(&record)).await.expect(201);
    let session = opened.json["parameter"][0]["valueId"].as_str().expect("a session").to_owned();
    gateway.employ("dpo", "elp-1", None, &["dpo"]).await;
    gateway.employ("dpo-elsewhere", "elp-2", None, &["dpo"]).await;
    gateway.advance(5 * 60 * 60_000);
    let verdict = json!({"resourceType": "Parameters", "parameter": [
        {"name": "session", "valueString": session}, {"name": "verdict", "valueCode": "justified"},
        {"name": "text", "valueString": "the person was in danger"}]});
    // The organisation's own practitioners and systems do not judge it.
    let answer = gateway.as_("elp-1").post("Patient/$review-emergency", &verdict).await.expect(403);
    assert_eq!(answer.reason(), "own-session");
    let elsewhere = Browser::of(&gateway, "dpo-elsewhere").await;
    elsewhere.step_up("dpo-elsewhere").await;
    elsewhere.fhir(Method::POST, "Patient/$review-emergency", Some(&verdict)).await.expect(404);
    let browser = Browser::of(&gateway, "dpo").await;
    let answer = browser.fhir(Method::POST, "Patient/$review-emergency", Some(&verdict)).await.expect(403);
    assert_eq!(answer.reason(), "step-up-required");
    browser.step_up("dpo").await;
    let queue = browser.read("Patient/$emergency-sessions?status=unreviewed").await.expect(200);
    assert!(queue.to_string().contains("found unconscious"), "the reason is for whoever judges: {queue}");
    browser.fhir(Method::POST, "Patient/$review-emergency", Some(&verdict)).await.expect(200);
    let events = gateway.as_("elp-1").search(format!("AuditEvent?patient={record}&_count=50")).await;
    let judged =
        events.iter().find(|event| event["subtype"][0]["code"] == "review-emergency" && event["outcome"] == "0");
    assert!(judged.is_some_and(|event| event.to_string().contains("access-basis#oversight")), "{events:?}");
}

mod limited {
    use super::{each_who_signs_in_is_counted_alone, one_session_each};
    wellgate_tests::stories!(with one_session_each; each_who_signs_in_is_counted_alone);
}

mod strong {
    use super::{a_fresh_sign_in_is_as_strong_as_was_asked_for, with_acr};
    wellgate_tests::stories!(with with_acr; a_fresh_sign_in_is_as_strong_as_was_asked_for);
}

stories!(with with_people;
    the_glass_is_broken_after_a_fresh_sign_in_alone,
    an_officer_for_data_protection_is_told_about_records_and_reads_none,
    an_officer_for_data_protection_judges_emergencies_of_the_own_organisation,
);
