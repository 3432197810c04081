//! IHE: what the gateway writes and its own examples send is held to the published profiles, and so is what they are held by.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wellgate_tests::caller::Caller;
use wellgate_tests::corpus::examples;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::profile::Profiles;
use wellgate_tests::referral::{bring, forward, place};
use wellgate_tests::resources::{consent, deny, encounter, observation, patient, permit, service_request};
use wellgate_tests::stories;

const BALP: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
const PCF: &str = "https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consent";

/// The official examples of a folder with the profile that each claims.
fn official(folder: &str, resource_type: &str, profiles: &Profiles) -> Vec<(String, String, Value)> {
    let claimed = |resource: &Value| resource["meta"]["profile"][0].as_str().unwrap_or_default().to_owned();
    examples(folder)
        .into_iter()
        .map(|example| (example.name.clone(), example.resource()))
        .filter(|(_, resource)| resource["resourceType"] == resource_type)
        .map(|(name, resource)| (name, claimed(&resource), resource))
        // Extensions that are sliced by several discriminators at once are used by those of tokens only.
        .filter(|(_, profile, _)| profiles.has(profile) && !profile.contains("TokenUse"))
        .collect()
}

#[test]
fn the_official_examples_fulfil_their_profiles() {
    for (folder, resource_type, at_least) in [("ihe-balp", "AuditEvent", 15), ("ihe-pcf", "Consent", 12)] {
        let Some(profiles) = Profiles::of(folder) else { return };
        let official = official(folder, resource_type, &profiles);
        assert!(official.len() >= at_least, "{} of {folder}", official.len());
        let mut wrong = Vec::new();
        for (name, profile, resource) in official {
            let violations = profiles.violations(&profile, &resource);
            if !violations.is_empty() {
                wrong.push(format!("{name}: {violations:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// A profile, and what breaks an example of it.
type Breaking = (&'static str, fn(&mut Value));

#[test]
fn a_broken_example_is_refused() {
    let Some(balp) = Profiles::of("ihe-balp") else { return };
    let events = official("ihe-balp", "AuditEvent", &balp);
    let of = |profile: &str| {
        let found = events.iter().find(|(_, claimed, _)| *claimed == format!("{BALP}{profile}"));
        found.unwrap_or_else(|| panic!("no example of {profile}")).2.clone()
    };
    let breaking: [Breaking; 9] = [
        ("PatientQuery", |event| event["outcome"] = json!("8")),
        ("PatientQuery", |event| event["action"] = json!("R")),
        ("PatientQuery", |event| event["subtype"][0]["code"] = json!("read")),
        ("PatientQuery", |event| event["entity"] = json!([event["entity"][0]])),
        ("PatientQuery", |event| event["entity"][0]["query"] = Value::Null),
        ("PatientQuery", |event| event["agent"][0]["type"]["coding"][0]["code"] = json!("110150")),
        ("AuthZconsent", |event| event["entity"][1]["type"] = json!({"system": "x", "code": "Consent"})),
        ("AuthZconsent", |event| event["entity"][0]["what"]["reference"] = json!("Group/1")),
        ("AuthZconsent", |event| event["agent"][1]["requestor"] = json!(false)),
    ];
    for (n, (profile, break_it)) in breaking.into_iter().enumerate() {
        let mut event = of(profile);
        break_it(&mut event);
        // JSON has no empty member: what is null was taken away.
        let without: Value = serde_json::from_str(&event.to_string().replace(",\"query\":null", "")).expect("JSON");
        assert!(!balp.violations(&format!("{BALP}{profile}"), &without).is_empty(), "{profile}, break {n}");
    }
    let mut event = of("PatientQuery");
    event["agent"][0].as_object_mut().expect("an agent").remove("network");
    assert!(!balp.violations(&format!("{BALP}PatientQuery"), &event).is_empty(), "an agent needs a network");

    let pcf = Profiles::of("ihe-pcf").expect("the corpus is there");
    let basic = official("ihe-pcf", "Consent", &pcf).into_iter().find(|(_, claimed, _)| claimed.ends_with("Basic"));
    let (_, profile, basic) = basic.expect("an example of Basic");
    for name in ["dateTime", "performer", "organization", "provision"] {
        let mut broken = basic.clone();
        broken.as_object_mut().expect("a resource").remove(name);
        assert!(!pcf.violations(&profile, &broken).is_empty(), "without {name}");
    }
    let mut labelled = basic.clone();
    labelled["provision"]["securityLabel"] = json!([{"code": "PSY"}]);
    assert!(!pcf.violations(&profile, &labelled).is_empty(), "Basic has no labels");
}

async fn trail(caller: &Caller<'_>, query: &str) -> Vec<Value> {
    caller.search(format!("AuditEvent?_count=500{query}")).await
}

/// Everything that the gateway records, once.
async fn every_kind_of_event(gateway: &Gateway) -> Vec<Value> {
    let edpbw = gateway.as_("edpbw-a").by_practitioner("adviser-1");
    let elp = gateway.as_("elp-1");
    let person = edpbw.create(&patient()).await;
    edpbw.post("ServiceRequest", &service_request(&person, "Organization/elp-1")).await.expect(403);
    edpbw.create(&consent(&person, &deny(&["cgg-1"]))).await;
    edpbw.post("ServiceRequest", &service_request(&person, "Organization/cgg-1")).await.expect(403);
    let permitting = edpbw.create(&consent(&person, &permit(&["elp-1", "gp-1", "edpbw-a"]))).await;
    let observed = edpbw.create(&observation(&person)).await;
    let seen = edpbw.get(format!("Observation/{observed}")).await.expect(200);
    let version = seen.json["meta"]["versionId"].as_str().expect("a version").to_owned();
    edpbw.get(format!("Observation/{observed}/_history/{version}")).await.expect(200);
    edpbw.get(format!("Observation/{observed}/_history")).await.expect(200);
    edpbw.put(format!("Observation/{observed}"), &seen.json).await.expect(200);
    edpbw.search(format!("Observation?patient={person}&code=44261-6")).await;
    edpbw.delete(format!("Observation/{observed}")).await.expect(204);
    edpbw.get(format!("Observation/{observed}")).await.expect(410);
    edpbw.get(format!("Patient/{person}/$who-can-see")).await.expect(200);
    edpbw.get(format!("Consent/$conflicts?patient=Patient/{person}")).await.expect(200);
    gateway.as_("gp-1").get(format!("Patient/{person}")).await.expect(200);
    gateway.as_("mutuality-1").get(format!("Patient/{person}")).await.expect(404);
    edpbw.get("Organization/elp-1").await.expect(200);
    edpbw.search("Organization?name=Test").await;
    let mut events = trail(&edpbw, "").await;

    // A whole referral, with a forward and a close.
    let placed = place(gateway, "edpbw-b", &["elp-1", "cgg-1"], "Organization/elp-1").await;
    bring(&elp, &placed.task, "accepted").await.expect(200);
    elp.create(&encounter(&placed.patient)).await;
    let forwarded = forward(&elp, &placed, "Organization/cgg-1").await;
    let cgg = gateway.as_("cgg-1");
    bring(&cgg, &forwarded.task, "accepted").await.expect(200);
    events.extend(trail(&cgg, &format!("&patient=Patient/{}", placed.patient)).await);
    edpbw.post(format!("Consent/{permitting}/$withdraw"), &json!({"resourceType": "Parameters"})).await.expect(200);
    events.extend(trail(&edpbw, &format!("&patient=Patient/{person}")).await);
    events
}

async fn every_event_that_claims_a_pattern_fulfils_it(gateway: Gateway) {
    let Some(balp) = Profiles::of("ihe-balp") else { return };
    let mut claimed: BTreeMap<String, usize> = BTreeMap::new();
    for event in every_kind_of_event(&gateway).await {
        let act = event["subtype"][0]["code"].as_str().expect("an act").to_owned();
        let profile = event["meta"]["profile"][0].as_str().map(str::to_owned);
        let Some(profile) = profile else {
            // No pattern is missed either: what is done by a pattern's act claims it.
            let is_patterned = ["read", "vread", "create", "update", "delete", "search-type"].contains(&&*act);
            assert!(!is_patterned || event["outcome"] == "8", "{act} claims no pattern: {event}");
            *claimed.entry(format!("none: {act} {}", event["outcome"])).or_default() += 1;
            continue;
        };
        let violations = balp.violations(&profile, &event);
        assert!(violations.is_empty(), "{act}: {violations:?}\n{event}");
        *claimed.entry(profile.trim_start_matches(BALP).to_owned()).or_default() += 1;
    }
    for pattern in [
        "PatientRead",
        "PatientCreate",
        "PatientUpdate",
        "PatientDelete",
        "PatientQuery",
        "Read",
        "Query",
        "AuthZconsent",
    ] {
        assert!(claimed.contains_key(pattern), "{pattern} is not among {claimed:?}");
    }
    for act in [
        "place \"0\"",
        "pick-up \"0\"",
        "forward \"0\"",
        "who-can-see \"0\"",
        "history-instance \"0\"",
        "read \"8\"",
        "create \"8\"",
        "withdraw \"0\"",
    ] {
        assert!(claimed.contains_key(&format!("none: {act}")), "{act} is not among {claimed:?}");
    }
}

async fn a_refusal_by_consent_is_an_authorization_decision(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a").by_practitioner("adviser-1");
    let person = edpbw.create(&patient()).await;
    edpbw.post("ServiceRequest", &service_request(&person, "Organization/elp-1")).await.expect(403);
    let denying = edpbw.create(&consent(&person, &deny(&["elp-1"]))).await;
    edpbw.post("ServiceRequest", &service_request(&person, "Organization/elp-1")).await.expect(403);
    let refused = trail(&edpbw, &format!("&patient=Patient/{person}&outcome=8")).await;
    let [denied, without] = refused.as_slice() else { panic!("two refusals: {refused:?}") };
    for event in [denied, without] {
        let codes: Vec<&str> =
            event["subtype"].as_array().into_iter().flatten().filter_map(|one| one["code"].as_str()).collect();
        assert!(codes.contains(&"AuthZ-Consent") && event["outcome"] == "8", "{event}");
    }
    assert_eq!(without["meta"].get("profile"), None, "no Consent was found, and the pattern wants one: {without}");
    assert_eq!(without["outcomeDesc"], "no-consent");
    assert_eq!(denied["meta"]["profile"], json!([format!("{BALP}AuthZconsent")]));
    let named = denied["entity"].as_array().into_iter().flatten().find(|entity| entity["type"]["code"] == "Consent");
    assert_eq!(named.map(|one| &one["what"]["reference"]), Some(&json!(format!("Consent/{denying}"))), "{denied}");
    // A system without a user is none of the pattern's.
    gateway.as_("edpbw-a").post("ServiceRequest", &service_request(&person, "Organization/elp-1")).await.expect(403);
    let newest = trail(&edpbw, &format!("&patient=Patient/{person}&outcome=8&_count=1")).await;
    assert_eq!(newest[0]["meta"].get("profile"), None);
}

async fn a_search_is_recorded_by_its_names_and_never_by_its_values(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    edpbw.create(&patient()).await;
    edpbw.search("Patient?family=Testpersoon&identifier=https://ehr.example/patient|TEST-0001").await;
    let text = json!(trail(&edpbw, "").await).to_string();
    // base64 of `Patient?family&identifier`
    assert!(text.contains("UGF0aWVudD9mYW1pbHkmaWRlbnRpZmllcg=="), "{text}");
    assert!(!text.contains("Testpersoon") && !text.contains("TEST-0001"), "{text}");
}

#[test]
fn the_consents_of_the_stories_fulfil_the_profiles_of_pcf() {
    let Some(pcf) = Profiles::of("ihe-pcf") else { return };
    let mut nested = permit(&["elp-1"]);
    nested["provision"] = json!([deny(&["elp-2"])]);
    let with_id = |mut consent: Value| {
        consent["id"] = json!("1");
        consent
    };
    for (profile, provision) in [
        ("Basic", permit(&["elp-1"])),
        ("Basic", deny(&["elp-1"])),
        ("Intermediate", nested.clone()),
        ("Advanced", nested),
    ] {
        let violations = pcf.violations(&format!("{PCF}{profile}"), &with_id(consent("1", &provision)));
        assert!(violations.is_empty(), "{profile}: {violations:?}");
    }
}

async fn the_statement_says_what_is_played(gateway: Gateway) {
    let statement = gateway.as_("gp-1").get("metadata").await.expect(200).json;
    let guides = statement["implementationGuide"].to_string();
    assert!(guides.contains("/PCF/") && guides.contains("/BALP/"), "{guides}");
    assert_eq!(statement.get("instantiates"), None, "XML is not served");
    let security = &statement["rest"][0]["security"]["service"];
    let codes = [&security[0]["coding"][0]["code"], &security[1]["coding"][0]["code"]];
    assert_eq!(codes, ["OAuth", "SMART-on-FHIR"], "the gateway gives tokens itself");
    let resources = statement["rest"][0]["resource"].as_array().expect("types").clone();
    let consent = resources.iter().find(|one| one["type"] == "Consent").expect("Consent is served");
    let names: Vec<&str> =
        consent["searchParam"].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect();
    for name in ["_id", "_lastUpdated", "patient", "patient.identifier", "status", "actor"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    assert_eq!(consent["supportedProfile"], json!([format!("{PCF}Basic")]));
    let operations: Vec<&str> =
        consent["operation"].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(operations, ["explain", "withdraw", "conflicts", "meta", "validate"]);
}

stories!(
    every_event_that_claims_a_pattern_fulfils_it,
    a_refusal_by_consent_is_an_authorization_decision,
    a_search_is_recorded_by_its_names_and_never_by_its_values,
    the_statement_says_what_is_played,
);
