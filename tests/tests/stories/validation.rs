//! `$validate`, and profiles on writing: all that is wrong is told with its rule, nothing is stored, and nothing hidden is told of.

mod written;

use serde_json::{Value, json};
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::gateway::{Gateway, Options};
use wellgate_tests::resources::patient;
use wellgate_tests::stories;

const NAMED: &str = "https://guide.example/StructureDefinition/named-patient";
const DIET: &str = "https://guide.example/StructureDefinition/diet";

fn loaded() -> Options {
    let packages = concat!(env!("CARGO_MANIFEST_DIR"), "/packages");
    let aliases = "https://old.example/named-patient=https://guide.example/StructureDefinition/named-patient";
    Options {
        settings: vec![("WELLGATE_VALIDATION_PACKAGES", packages), ("WELLGATE_VALIDATION_ALIASES", aliases)],
        ..Options::default()
    }
}

/// Each issue as `severity rule expression`.
fn told(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.json["resourceType"], "OperationOutcome", "{answer}");
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let issues = answer.json["issue"].as_array().cloned().unwrap_or_default();
    let one = |issue: &Value| {
        let rule = text(&issue["details"]["coding"][0]["code"]);
        format!("{} {rule} {}", text(&issue["severity"]), text(&issue["expression"][0]))
    };
    issues.iter().map(one).collect()
}

/// The members of a Parameters resource around one.
fn asking(resource: &Value, further: &[(&str, &str)]) -> Value {
    let mut members: Vec<Value> = vec![json!({"name": "resource", "resource": resource})];
    members.extend(further.iter().map(|(name, value)| json!({"name": name, "valueString": value})));
    json!({"resourceType": "Parameters", "parameter": members})
}

async fn events(caller: &Caller<'_>) -> usize {
    let found = caller.search("AuditEvent?_count=100").await;
    let is_validate = |event: &&Value| event["subtype"].to_string().contains("\"validate\"");
    found.iter().filter(is_validate).count()
}

async fn everything_that_is_wrong_is_told_and_nothing_is_stored(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let wrong = json!({"resourceType": "Patient", "gender": "x", "birthDate": "1990-02-30", "nmae": [],
        "managingOrganization": {"reference": "Patient/1"}, "link": [{"type": "seealso"}]});
    let expected = [
        "error required-binding Patient.gender",
        "error primitive-form Patient.birthDate",
        "error unknown-element Patient.nmae",
        "error reference-target Patient.managingOrganization",
        "error cardinality-min Patient.link[0].other",
    ];
    for (path, body) in [
        ("Patient/$validate", wrong.clone()),
        ("$validate", wrong.clone()),
        ("Patient/$validate", asking(&wrong, &[("mode", "create")])),
        ("$validate", asking(&wrong, &[])),
    ] {
        assert_eq!(told(&elp.post(path, &body).await), expected, "{path}");
    }
    assert_eq!(told(&elp.post("Patient/$validate", &patient()).await), ["information - -"]);
    assert_eq!(events(&elp).await, 5);
    assert_eq!(elp.search("Patient").await.len(), 0);
}

async fn what_is_no_json_or_of_another_type_is_wrong_too(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let broken = elp.post_bytes("Patient/$validate", "{\"resourceType\": ").await;
    assert_eq!(broken.json["issue"][0]["code"], "structure", "{broken}");
    assert_eq!(told(&broken).len(), 1);
    let task = elp.post("Task/$validate", &patient()).await;
    assert_eq!(told(&task), ["error resource-type resourceType"]);
    let number = json!({"resourceType": "Patient", "name": [{"text": "90.06.15-001.26"}]});
    let stray = told(&elp.post("Patient/$validate", &number).await);
    assert!(stray.len() == 1, "{stray:?}");
    let update = elp.post("Patient/$validate", &asking(&patient(), &[("mode", "update")])).await;
    assert_eq!(told(&update), ["error - Patient.id"]);
    let many = json!({"resourceType": "Patient", "name": vec![json!({"use": "x"}); 300]});
    assert!(told(&elp.post("Patient/$validate", &many).await).len() <= 101);
}

async fn a_question_that_is_not_understood_is_refused(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    elp.post("Patient/$validate?unheard=of", &patient()).await.expect(400);
    elp.post("Patient/$validate", &asking(&patient(), &[("mode", "guess")])).await.expect(422);
    elp.post("Patient/$validate", &asking(&patient(), &[("mode", "profile")])).await.expect(422);
    elp.post("Patient/$validate", &asking(&patient(), &[("mode", "create"), ("mode", "update")])).await.expect(422);
    elp.post("Nothing/$validate", &patient()).await.expect(404);
    elp.get("Patient/$validate").await.expect(405);
    gateway.as_("elp-1").with_bearer("").post("Patient/$validate", &patient()).await.expect(401);
}

async fn of_what_the_caller_does_not_see_nothing_is_told(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let id = elp.create(&patient()).await;
    let mut own = patient();
    own["id"] = json!(id);
    let none = json!({"resourceType": "Parameters", "parameter": [{"name": "mode", "valueCode": "delete"}]});
    assert_eq!(told(&elp.post(format!("Patient/{id}/$validate"), &own).await), ["information - -"]);
    assert_eq!(told(&elp.post(format!("Patient/{id}/$validate"), &none).await), ["information - -"]);
    let stored = json!({"resourceType": "Parameters", "parameter": [{"name": "mode", "valueCode": "update"}]});
    assert_eq!(told(&elp.post(format!("Patient/{id}/$validate"), &stored).await), ["information - -"]);
    own["id"] = json!("another");
    let other = elp.post(format!("Patient/{id}/$validate"), &asking(&own, &[("mode", "update")])).await;
    assert_eq!(told(&other), ["error - Patient.id"]);

    let stranger = gateway.as_("gp-1");
    let hidden = stranger.post(format!("Patient/{id}/$validate"), &patient()).await.expect(404);
    let never = stranger.post("Patient/00000000-0000-7000-8000-000000000000/$validate", &patient()).await.expect(404);
    assert_eq!(hidden.told(), never.told());
    assert_eq!(stranger.search("AuditEvent?outcome=8").await.len(), 2);
    elp.delete(format!("Patient/{id}")).await.expect(204);
    elp.post(format!("Patient/{id}/$validate"), &patient()).await.expect(410);
}

async fn a_profile_that_is_asked_for_or_claimed_is_checked(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let statement = elp.get("metadata").await.expect(200);
    assert!(statement.told().contains(NAMED) && statement.told().contains("Resource-validate"));
    let mut person = json!({"resourceType": "Patient", "name": [{"text": "x"}],
        "extension": [{"url": DIET, "valueCode": "carnivore"}]});
    let expected = [
        "error guide-2 Patient.name[0]",
        "error profile-min Patient.name[0].family",
        "error profile-binding Patient.extension[0].valueCode",
        "information not-checked -",
    ];
    for (path, body) in [
        (format!("Patient/$validate?profile={NAMED}"), person.clone()),
        ("Patient/$validate".to_owned(), asking(&person, &[("profile", NAMED), ("mode", "profile")])),
        ("$validate".to_owned(), asking(&person, &[("profile", "https://old.example/named-patient")])),
    ] {
        assert_eq!(told(&elp.post(path, &body).await), expected);
    }
    person["meta"] = json!({"profile": [format!("{NAMED}|1.0.0"), "https://elsewhere.example/p"]});
    let answer = elp.post("Patient/$validate", &person).await;
    let [invariant, profile, binding, rest] = expected;
    let not_loaded = "information profile-not-loaded -";
    assert_eq!(told(&answer), [invariant, profile, binding, not_loaded, rest]);
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": person}]});
    let within = told(&elp.post("$validate", &bundle).await);
    assert!(within.contains(&"error profile-min Bundle.entry[0].resource.name[0].family".to_owned()), "{within:?}");
    let unknown = elp.post("Patient/$validate?profile=https://elsewhere.example/p", &patient()).await;
    assert_eq!(told(&unknown), ["error profile-unknown https://elsewhere.example/p"]);
    // Off is off: nothing is refused on writing.
    elp.post("Patient", &person).await.expect(201);
}

stories!(
    with loaded;
    everything_that_is_wrong_is_told_and_nothing_is_stored,
    what_is_no_json_or_of_another_type_is_wrong_too,
    a_question_that_is_not_understood_is_refused,
    of_what_the_caller_does_not_see_nothing_is_told,
    a_profile_that_is_asked_for_or_claimed_is_checked,
);
