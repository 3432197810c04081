//! The access log of a record: what it tells, and to whom.

use serde_json::{Value, json};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::resources::{consent, patient, permit, service_request};
use wellgate_tests::stories;

use super::representative;

async fn the_access_log_tells_a_disclosure_and_a_refusal_in_plain_words(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let id = edpbw.create(&patient()).await;
    edpbw.create(&consent(&id, &permit(&["elp-1"]))).await;
    gateway.as_("elp-1").by_practitioner("psychologist-1").get(format!("Patient/{id}")).await.expect(200);
    gateway.as_("gp-1").get(format!("Patient/{id}")).await.expect(404);
    edpbw.post("ServiceRequest", &service_request(&id, "Organization/gp-1")).await.expect(403);
    let other = edpbw.create(&patient()).await;
    gateway.person(&format!("Patient/{other}")).get(format!("Patient/{id}")).await.expect(404);
    let person = gateway.person(&format!("Patient/{id}"));

    let log = person.get(format!("Patient/{id}/$access-log")).await.expect(200);
    assert_eq!((log.header("content-type"), &log.json["language"]), ("application/json;charset=utf-8", &json!("nl")));
    let entries = log.json["entries"].as_array().expect("entries").clone();
    let of = |who: &str, outcome: &str| {
        let fits = |entry: &&Value| entry["organization"]["id"] == who && entry["outcome"]["code"] == outcome;
        entries.iter().find(fits).unwrap_or_else(|| panic!("{who} {outcome}: {log}")).clone()
    };
    let disclosed = of("elp-1", "success");
    assert_eq!(disclosed["organization"]["name"], "Test elp-1");
    assert_eq!(disclosed["practitioner"], json!({"id": "psychologist-1", "name": "Test psychologist-1"}));
    assert_eq!(disclosed["basis"], json!({"code": "consent", "text": "toestemming van de persoon"}));
    assert_eq!(disclosed["purpose"], json!({"code": "TREAT", "text": "behandeling"}));
    assert_eq!(disclosed["act"]["text"], "gelezen");
    assert_eq!(of("gp-1", "refused")["reason"]["code"], "not-found");
    assert_eq!(of("edpbw-a", "refused")["reason"], json!({"code": "no-consent", "text": "er is geen toestemming"}));
    assert!(entries.iter().any(|entry| entry["who"]["kind"] == "other-person"), "{log}");
    assert!(!log.json.to_string().contains(&other), "another person is not named");

    for (language, text) in [("fr", "traitement"), ("en", "treatment")] {
        let log = person.get(format!("Patient/{id}/$access-log?language={language}")).await.expect(200);
        assert!(log.json["entries"].to_string().contains(text), "{language}");
    }
    let events = person.search(format!("AuditEvent?patient={id}&_count=500")).await;
    let told =
        |part: &str| events.iter().any(|event| event["text"]["div"].as_str().is_some_and(|div| div.contains(part)));
    assert!(told("Wie: Test elp-1, Test psychologist-1 (via elp-1-ehr)"), "{events:?}");
    assert!(told("Uitkomst: geweigerd: er is geen toestemming"));
    assert!(events.iter().any(|event| event["subtype"][0]["code"] == "access-log"), "to read the log is recorded");
}

async fn the_access_log_is_read_page_by_page_by_the_person_the_representative_and_the_custodian_only(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let id = edpbw.create(&patient()).await;
    let other = edpbw.create(&patient()).await;
    edpbw.create(&consent(&id, &json!({"type": "permit"}))).await;
    let mut callers = vec![edpbw, gateway.person(&format!("Patient/{id}"))];
    for (scope, reads) in [("read", true), ("consent", false)] {
        let related = gateway.as_("edpbw-a").create(&representative(&id, &[scope])).await;
        let caller = gateway.person(&format!("RelatedPerson/{related}"));
        if reads {
            callers.push(caller);
        } else {
            caller.get(format!("Patient/{id}/$access-log")).await.expect(404);
        }
    }
    for caller in &callers {
        let mut seen: Vec<String> = Vec::new();
        let mut path = format!("Patient/{id}/$access-log?_count=2");
        for _ in 0..3 {
            let page = caller.get(&path).await.expect(200).json;
            let ids = page["entries"].as_array().expect("entries").iter().map(|entry| entry["id"].to_string());
            seen.extend(ids);
            let Some(next) = page["next"].as_str() else { break };
            next.split_once("/fhir/").expect("an address of ours").1.clone_into(&mut path);
        }
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        assert_eq!((once.len(), seen.len() > 3), (seen.len(), true), "each entry once");
    }
    let person = &callers[1];
    let next = person.get(format!("Patient/{id}/$access-log?_count=1")).await.expect(200).json;
    let next = next["next"].as_str().and_then(|url| url.split_once("/fhir/")).expect("there are more").1.to_owned();
    callers[0].get(&next).await.expect(400);
    let unknown = person.get("Patient/0123456789abcdef/$access-log").await.expect(404);
    assert_eq!(person.get(format!("Patient/{other}/$access-log")).await.told(), unknown.told());
    gateway.as_("gp-1").get(format!("Patient/{id}/$access-log")).await.expect(404);
    gateway.as_("portal-1").get(format!("Patient/{id}/$access-log")).await.expect(404);
    person.clone().with_scope("patient/Patient.rs").get(format!("Patient/{id}/$access-log")).await.expect(403);
    for query in ["language=de", "_count=0", "_count=x", "_cursor=x", "patient=1"] {
        person.get(format!("Patient/{id}/$access-log?{query}")).await.expect(400);
    }
}

async fn the_log_names_the_consent_that_permitted_at_the_time_and_so_does_the_trail(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let id = edpbw.create(&patient()).await;
    let observation = edpbw
        .create(&json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
                                           "subject": {"reference": format!("Patient/{id}")}}))
        .await;
    let first = edpbw.create(&consent(&id, &permit(&["elp-1"]))).await;
    let of_another = edpbw.create(&consent(&id, &permit(&["gp-1"]))).await;
    let elp = gateway.as_("elp-1");
    let person = gateway.person(&format!("Patient/{id}"));
    let named = async || {
        let log = person.get(format!("Patient/{id}/$access-log?_count=500")).await.expect(200);
        let entries = log.json["entries"].as_array().expect("entries").clone();
        let by_elp = entries.iter().filter(|entry| entry["organization"]["id"] == "elp-1");
        let mut named: Vec<(String, Value)> =
            by_elp.map(|entry| (entry["act"]["code"].to_string(), entry["consents"].clone())).collect();
        named.reverse();
        let events = person.search(format!("AuditEvent?patient={id}&_count=500")).await;
        let is_consent = |entity: &&Value| entity["type"]["code"] == "Consent";
        let by_elp = events.iter().filter(|event| event["agent"].to_string().contains("elp-1"));
        let in_trail: Vec<Value> = by_elp
            .map(|event| {
                event["entity"]
                    .as_array()
                    .expect("entities")
                    .iter()
                    .filter(is_consent)
                    .map(|entity| entity["what"]["reference"].clone())
                    .collect()
            })
            .rev()
            .collect();
        let in_log: Vec<Value> =
            named.iter().map(|(_, consents)| if consents.is_null() { json!([]) } else { consents.clone() }).collect();
        assert_eq!(in_trail, in_log);
        named
    };
    let references = |ids: &[&str]| json!(ids.iter().map(|id| format!("Consent/{id}")).collect::<Vec<_>>());

    elp.get(format!("Observation/{observation}")).await.expect(200);
    elp.search(format!("Observation?patient={id}")).await;
    assert_eq!(
        named().await,
        [("\"read\"".to_owned(), references(&[&first])), ("\"search-type\"".to_owned(), references(&[&first]))]
    );

    gateway.advance(1_000);
    edpbw.post(format!("Consent/{first}/$withdraw"), &json!({"resourceType": "Parameters"})).await.expect(200);
    gateway.advance(1_000);
    elp.get(format!("Observation/{observation}")).await.expect(404);
    let second = edpbw.create(&consent(&id, &permit(&["elp-1"]))).await;
    gateway.advance(1_000);
    elp.get(format!("Observation/{observation}")).await.expect(200);
    let named = named().await;
    let of = |act: &str| {
        named.iter().filter(|(code, _)| code.contains(act)).map(|(_, consents)| consents.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of("read"), [references(&[&first]), Value::Null, references(&[&second])], "as it was at the time");
    assert!(!json!(named.iter().map(|(_, consents)| consents).collect::<Vec<_>>()).to_string().contains(&of_another));
}

async fn the_log_names_every_consent_of_a_search_and_the_one_of_a_read(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let id = edpbw.create(&patient()).await;
    let mut permits = Vec::new();
    let mut observations = Vec::new();
    for text in ["x", "y"] {
        let observation = json!({"resourceType": "Observation", "status": "final", "code": {"text": text},
                                 "subject": {"reference": format!("Patient/{id}")}});
        let observation = edpbw.create(&observation).await;
        let mut provision = permit(&["elp-1"]);
        provision["data"] =
            json!([{"meaning": "instance", "reference": {"reference": format!("Observation/{observation}")}}]);
        permits.push(edpbw.create(&consent(&id, &provision)).await);
        observations.push(observation);
    }
    let elp = gateway.as_("elp-1");
    assert_eq!(elp.search(format!("Observation?patient={id}")).await.len(), 2);
    elp.get(format!("Observation/{}", observations[0])).await.expect(200);
    elp.get(format!("Observation/{}", observations[1])).await.expect(200);
    edpbw.delete(format!("Observation/{}", observations[1])).await.expect(204);

    let log = edpbw.get(format!("Patient/{id}/$access-log?_count=500")).await.expect(200);
    let entries = log.json["entries"].as_array().expect("entries").clone();
    let by_elp = entries.iter().rev().filter(|entry| entry["organization"]["id"] == "elp-1");
    let named: Vec<(Value, Vec<String>)> = by_elp
        .map(|entry| {
            let consents = entry["consents"].as_array().into_iter().flatten();
            let mut consents: Vec<String> = consents.filter_map(|one| one.as_str().map(str::to_owned)).collect();
            consents.sort();
            (entry["act"]["code"].clone(), consents)
        })
        .collect();
    let mut both: Vec<String> = permits.iter().map(|id| format!("Consent/{id}")).collect();
    both.sort();
    assert_eq!(named[0], (json!("search-type"), both), "{log}");
    assert_eq!(named[1], (json!("read"), vec![format!("Consent/{}", permits[0])]), "{log}");
    assert_eq!(named[2], (json!("read"), vec![format!("Consent/{}", permits[1])]), "also of what was deleted since");
}

stories!(
    the_log_names_every_consent_of_a_search_and_the_one_of_a_read,
    the_log_names_the_consent_that_permitted_at_the_time_and_so_does_the_trail,
    the_access_log_tells_a_disclosure_and_a_refusal_in_plain_words,
    the_access_log_is_read_page_by_page_by_the_person_the_representative_and_the_custodian_only,
);
