//! `CodeSystem/$lookup` and `ValueSet/$validate-code`: told of what the directory holds, and refused where that does not say.

use serde_json::{Value, json};
use wellgate_tests::caller::Caller;
use wellgate_tests::gateway::{Gateway, Options};
use wellgate_tests::stories;

fn every_type() -> Options {
    Options::all_types()
}

async fn load(caller: &Caller<'_>) -> String {
    let concepts = json!([{"code": "mild", "display": "Mild", "definition": "Not much", "designation": [{"language": "nl", "value": "Licht"}],
        "concept": [{"code": "very-mild", "display": "Very mild"}]}, {"code": "severe", "display": "Severe"}]);
    for (url, content) in [("urn:test:severity", "complete"), ("urn:test:part", "fragment")] {
        let system = json!({"resourceType": "CodeSystem", "url": url, "name": "Severity", "version": "1", "status": "active",
            "content": content, "concept": concepts});
        caller.create(&system).await;
    }
    let set = |url: &str, include: Value| json!({"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [include]}});
    caller
        .create(&set(
            "urn:test:filtered",
            json!({"system": "urn:test:severity", "filter": [{"property": "concept", "op": "is-a", "value": "mild"}]}),
        ))
        .await;
    caller.create(&set("urn:test:elsewhere", json!({"system": "urn:test:nowhere"}))).await;
    caller
        .create(&set(
            "urn:test:listed",
            json!({"system": "urn:test:nowhere", "concept": [{"code": "x", "display": "X"}]}),
        ))
        .await;
    caller.create(&set("urn:test:severities", json!({"system": "urn:test:severity"}))).await
}

fn member<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let found = answer["parameter"].as_array().and_then(|members| members.iter().find(|member| member["name"] == name));
    found.unwrap_or(&Value::Null)
}

async fn a_code_is_looked_up_where_its_system_is_loaded(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    load(&edpbw).await;
    // The directory is everybody's.
    let gp = gateway.as_("gp-1");
    let found = gp.get("CodeSystem/$lookup?system=urn:test:severity&code=mild").await.expect(200).json;
    assert!(mappings::r4::structure::check(&found).is_empty(), "{:?}", mappings::r4::structure::check(&found));
    assert_eq!(member(&found, "display")["valueString"], "Mild");
    assert_eq!(
        (&member(&found, "name")["valueString"], &member(&found, "version")["valueString"]),
        (&json!("Severity"), &json!("1"))
    );
    assert_eq!(member(&found, "designation")["part"][1]["valueString"], "Licht");
    let coding = json!({"resourceType": "Parameters", "parameter": [{"name": "coding", "valueCoding": {"system": "urn:test:severity", "code": "very-mild"}}]});
    let posted = gp.post("CodeSystem/$lookup", &coding).await.expect(200).json;
    assert_eq!(member(&posted, "display")["valueString"], "Very mild");
    for (query, status) in [
        ("system=urn:test:severity&code=none", 422),
        ("system=urn:test:severity&code=mild&version=2", 422),
        ("system=urn:test:part&code=mild", 422),
        ("system=urn:test:nowhere&code=mild", 422),
        ("system=urn:test:severity", 422),
        ("code=mild", 422),
        ("system=urn:test:severity&code=mild&property=x", 400),
    ] {
        gp.get(format!("CodeSystem/$lookup?{query}")).await.expect(status);
    }
    // Two versions: one has to be named.
    let second = json!({"resourceType": "CodeSystem", "url": "urn:test:severity", "version": "2", "status": "active", "content": "complete",
        "concept": [{"code": "mild", "display": "Milder"}]});
    edpbw.create(&second).await;
    gp.get("CodeSystem/$lookup?system=urn:test:severity&code=mild").await.expect(422);
    let found = gp.get("CodeSystem/$lookup?system=urn:test:severity&code=mild&version=2").await.expect(200).json;
    assert_eq!(member(&found, "display")["valueString"], "Milder");
}

async fn a_code_is_validated_and_what_is_not_known_is_said_so(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let id = load(&edpbw).await;
    let gp = gateway.as_("gp-1");
    for (query, result) in [
        ("url=urn:test:severities&system=urn:test:severity&code=very-mild", true),
        ("url=urn:test:severities&system=urn:test:severity&code=very-mild&display=very+MILD", true),
        ("url=urn:test:severities&system=urn:test:severity&code=very-mild&display=Severe", false),
        ("url=urn:test:severities&system=urn:test:severity&code=none", false),
        ("url=urn:test:severities&system=urn:test:other&code=mild", false),
        ("url=urn:test:listed&system=urn:test:nowhere&code=x", true),
        ("url=urn:test:listed&code=y", false),
    ] {
        let answer = gp.get(format!("ValueSet/$validate-code?{query}")).await.expect(200).json;
        assert_eq!(member(&answer, "result")["valueBoolean"], result, "{query}: {answer}");
        assert!(mappings::r4::structure::check(&answer).is_empty());
    }
    let by_id =
        gp.get(format!("ValueSet/{id}/$validate-code?system=urn:test:severity&code=mild")).await.expect(200).json;
    assert_eq!(member(&by_id, "display")["valueString"], "Mild");
    let concept =
        json!({"coding": [{"system": "urn:other", "code": "x"}, {"system": "urn:test:severity", "code": "severe"}]});
    let sent = json!({"resourceType": "Parameters", "parameter": [
        {"name": "url", "valueUri": "urn:test:severities"}, {"name": "codeableConcept", "valueCodeableConcept": concept}]});
    let posted = gp.post("ValueSet/$validate-code", &sent).await.expect(200).json;
    assert_eq!(member(&posted, "result")["valueBoolean"], true, "one of its codings suffices");
    let refusals = async || gp.get("AuditEvent?outcome=8&_summary=count").await.expect(200).json["total"].as_u64();
    let before = refusals().await.expect("a number");
    for query in [
        "url=urn:test:filtered&system=urn:test:severity&code=mild",
        "url=urn:test:elsewhere&system=urn:test:nowhere&code=x",
        "url=urn:test:none&system=urn:test:severity&code=mild",
        "url=urn:test:severities",
        "system=urn:test:severity&code=mild",
    ] {
        gp.get(format!("ValueSet/$validate-code?{query}")).await.expect(422);
    }
    gp.get(format!("ValueSet/{}ff/$validate-code?code=x", &id[..id.len() - 2])).await.expect(404);
    assert_eq!(refusals().await, Some(before + 6), "each refusal left its event");
}

stories!(with every_type; a_code_is_looked_up_where_its_system_is_loaded, a_code_is_validated_and_what_is_not_known_is_said_so);
