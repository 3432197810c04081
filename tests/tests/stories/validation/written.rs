//! Profiles on writing: what claims one, or must fulfil one, and does not is refused before anything else is looked at.

use serde_json::{Value, json};
use wellgate_tests::caller::Caller;
use wellgate_tests::gateway::{Gateway, Options};
use wellgate_tests::resources::patient;
use wellgate_tests::stories;

use super::{NAMED, loaded};

fn required() -> Options {
    let mut options = loaded();
    options.settings.push(("WELLGATE_VALIDATION_PROFILES", "required"));
    options.settings.push(("WELLGATE_VALIDATION_REQUIRED", NAMED));
    options
}

fn nameless(profiles: &[&str]) -> Value {
    let mut person = patient();
    if !profiles.is_empty() {
        person["meta"] = json!({"profile": profiles});
    }
    person.as_object_mut().expect("an object").shift_remove("name");
    person
}

async fn stored(caller: &Caller<'_>) -> usize {
    caller.search("Patient").await.len()
}

async fn refusals(caller: &Caller<'_>) -> usize {
    caller.search("AuditEvent?outcome=8").await.len()
}

async fn what_must_fulfil_a_profile_and_does_not_is_not_stored(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for profiles in [&[][..], &["https://elsewhere.example/p"], &[NAMED]] {
        let before = refusals(&elp).await;
        let answer = elp.post("Patient", &nameless(profiles)).await.expect(422);
        assert_eq!(answer.issues(), [("required".to_owned(), "Patient.name".to_owned())]);
        assert_eq!(answer.reason(), "profile-min", "{answer}");
        assert_eq!(refusals(&elp).await, before + 1, "the refusal is in the trail");
    }
    assert_eq!(stored(&elp).await, 0);

    let id = elp.create(&patient()).await;
    let mut update = nameless(&[]);
    update["id"] = json!(id);
    elp.put(format!("Patient/{id}"), &update).await.expect(422);
    let entry = |resource: &Value| json!({"resource": resource, "request": {"method": "POST", "url": "Patient"}});
    let bundle = |kind: &str| json!({"resourceType": "Bundle", "type": kind, "entry": [entry(&patient()), entry(&nameless(&[]))]});
    let refused = elp.post("", &bundle("transaction")).await.expect(422);
    assert_eq!(refused.issues(), [("required".to_owned(), "Bundle.entry[1].resource.name".to_owned())]);
    assert_eq!(stored(&elp).await, 1);
    let alone = elp.post("", &bundle("batch")).await.expect(200);
    assert!(
        alone.json["entry"][1]["response"]["status"].as_str().is_some_and(|status| status.starts_with("422")),
        "{alone}"
    );
    assert_eq!(stored(&elp).await, 2);
}

async fn a_profile_tells_nothing_of_what_is_hidden(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let id = elp.create(&patient()).await;
    let stranger = gateway.as_("gp-1");
    let mut answers = Vec::new();
    for id in [id.as_str(), "00000000-0000-7000-8000-000000000000"] {
        let mut update = nameless(&[]);
        update["id"] = json!(id);
        answers.push(stranger.put(format!("Patient/{id}"), &update).await.expect(422).told());
    }
    assert_eq!(answers[0], answers[1]);
}

stories!(with required; what_must_fulfil_a_profile_and_does_not_is_not_stored, a_profile_tells_nothing_of_what_is_hidden);
