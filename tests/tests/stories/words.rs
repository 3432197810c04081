//! Searching words: what is found by them, by whom, and what of it the operator switches on.

use gateway::reindex::reindex;
use serde_json::{Value, json};
use wellgate_tests::caller::Caller;
use wellgate_tests::gateway::{Gateway, Options};
use wellgate_tests::record::Record;
use wellgate_tests::resources::{deny, observation, patient, permit};
use wellgate_tests::stories;

fn switched_on() -> Options {
    Options { settings: vec![("WELLGATE_SEARCH_FULL_TEXT", "on")], ..Options::default() }
}

fn name_sealed() -> Options {
    let settings = vec![("WELLGATE_SEARCH_FULL_TEXT", "on"), ("WELLGATE_VAULT_ELEMENTS", "name")];
    Options { settings, ..Options::default() }
}

fn told(narrative: &str) -> Value {
    json!({"status": "additional", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{narrative}</div>")})
}

fn with_text(mut resource: Value, narrative: &str) -> Value {
    resource["text"] = told(narrative);
    resource
}

async fn count(caller: &Caller<'_>, query: &str) -> usize {
    let answer = caller.get(format!("{query}&_total=accurate")).await.expect(200);
    let found = answer.resources().len();
    assert_eq!(answer.json["total"], json!(found), "{query}");
    found
}

/// The search parameters that are listed, for a type and for every type.
async fn listed(caller: &Caller<'_>, resource_type: &str) -> Vec<String> {
    let rest = &caller.get("metadata").await.expect(200).json["rest"][0];
    let of_type = rest["resource"].as_array().expect("types").iter().find(|of| of["type"] == resource_type);
    let names = [&rest["searchParam"], &of_type.expect("it is served")["searchParam"]].into_iter().map(|list| {
        let names = list.as_array().expect("parameters").iter().filter_map(|one| one["name"].as_str());
        names.filter(|name| matches!(*name, "_text" | "_content")).map(str::to_owned).collect::<Vec<_>>()
    });
    names.flatten().collect()
}

async fn a_resource_is_found_by_its_words_until_it_says_something_else(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    let custodian = &record.custodian;
    let address = record.add(&with_text(observation(&record.patient), "<p>Diepe <b>w&ouml;nde</b>, VOET</p>")).await;
    let end = format!("Patient?_has:Observation:patient:_text=wonde&_id={}", record.patient);
    for (query, found) in [
        ("Observation?_text=wonde", 1),
        ("Observation?_text=W%C3%96NDE%20voet", 1),
        ("Observation?_text=%22diepe%20wonde%22", 1),
        ("Observation?_text=%22wonde%20diepe%22", 0),
        ("Observation?_text=wond", 0),
        ("Observation?_text=wonde%20hand", 0),
        ("Observation?_content=wonde%20final", 1),
        ("Observation?_text=final", 0),
        ("Observation?_content=44261-6&status=final&_sort=-date", 1),
        ("Observation?subject:Patient._content=testpersoon&_text=wonde", 1),
        (&*end, 1),
        ("?_type=Observation,Patient&_content=wonde", 1),
    ] {
        assert_eq!(count(custodian, query).await, found, "{query}");
    }
    let by_form = custodian.post_search("Observation", "_text=wonde").await.expect(200);
    assert_eq!(by_form.resources().len(), 1);
    record.change(&address, |observation| observation["text"] = told("genezen")).await;
    assert_eq!((count(custodian, "Observation?_text=wonde").await, count(custodian, &end).await), (0, 0));
    assert_eq!(count(custodian, "Observation?_text=genezen").await, 1);
    custodian.delete(&address).await.expect(204);
    assert_eq!(count(custodian, "Observation?_content=genezen").await, 0);
}

async fn what_is_hidden_changes_nothing_that_words_find(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    record.permit(&permit(&["elp-1"])).await;
    for n in 0..3 {
        record.add(&with_text(observation(&record.patient), &format!("wonde {n}"))).await;
    }
    let questions = [
        "Observation?_text=wonde&_total=accurate&_count=2",
        "Observation?_content=wonde&_sort=_lastUpdated&_total=accurate",
        "Observation?_text=verborgen&_total=accurate",
        "Patient?_has:Observation:patient:_text=wonde&_total=accurate",
        "Patient?_has:Observation:patient:_content=verborgen&_total=accurate",
        "?_type=Observation&_content=wonde&_total=accurate",
    ];
    let mut before = Vec::new();
    for question in questions {
        before.push(record.grantee.get(question).await.expect(200).told());
    }
    for denied in [false, true] {
        let other = record.custodian.create(&with_text(patient(), "wonde verborgen")).await;
        if denied {
            let mut provision = permit(&["elp-1"]);
            provision["provision"] = json!([deny(&["elp-1"])]);
            record.custodian.create(&wellgate_tests::resources::consent(&other, &provision)).await;
        }
        record.custodian.create(&with_text(observation(&other), "wonde verborgen")).await;
    }
    assert_eq!(count(&record.custodian, "Observation?_text=verborgen").await, 2);
    for (question, before) in questions.into_iter().zip(before) {
        assert_eq!(record.grantee.get(question).await.expect(200).told(), before, "{question}");
    }
}

async fn nothing_but_words_is_asked(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let many = format!("Observation?_text={}", (0..21).map(|n| format!("w{n}")).collect::<Vec<_>>().join("%20"));
    for query in [
        "Observation?_text:not=x",
        "Observation?_content:missing=true",
        "Observation?_text:exact=x",
        "Observation?_text=",
        "Observation?_content=%22open",
        "Observation?_text=***",
        &many,
    ] {
        let refused = elp.get(query).await.expect(400);
        let parameter = query.split_once('?').and_then(|(_, rest)| rest.split_once('=')).expect("a parameter").0;
        assert_eq!(refused.issues()[0].1, parameter, "{query}: {refused}");
    }
    elp.get("Observation?_sort=_text").await.expect(400);
    // What means something to a database means nothing here, and breaks nothing.
    for value in ["a*", "x OR y", "narrative:x", "'x' & !y | z:*", "NEAR(a b, 2)", "^a + b", "%_", "a\u{0}b", "-a"] {
        let encoded: Vec<String> = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let encoded = encoded.concat();
        let answer = elp.get(format!("Observation?_content={encoded}")).await;
        let is_text = !value.contains(['\0', '%']);
        assert_eq!(answer.status, if is_text { 200 } else { 400 }, "{value}: {answer}");
    }
}

async fn a_sealed_name_in_a_narrative_is_not_found(gateway: Gateway) {
    let gateway = gateway.beside(name_sealed()).await;
    let custodian = gateway.as_("edpbw-a");
    let mut named = with_text(patient(), "Quintessa woont hier");
    named["name"] = json!([{"family": "Quintessa"}]);
    custodian.create(&named).await;
    let refused = custodian.get("Patient?_text=woont").await.expect(400);
    assert_eq!(refused.issues()[0].1, "_text", "{refused}");
    custodian.get("Observation?subject:Patient._text=quintessa").await.expect(400);
    for (word, found) in [("quintessa", 0), ("woont", 0), ("female", 1)] {
        assert_eq!(count(&custodian, &format!("Patient?_content={word}")).await, found, "{word}");
    }
    assert_eq!(listed(&custodian, "Patient").await, ["_text", "_content", "_content"]);
    assert_eq!(listed(&custodian, "Observation").await.len(), 4);
}

async fn switched_off_it_is_refused_and_not_listed_and_switched_on_it_finds_what_was_there(gateway: Gateway) {
    let gateway = gateway.beside(Options::default()).await;
    let record = Record::begin(&gateway).await;
    record.add(&with_text(observation(&record.patient), "wonde")).await;
    for query in ["Observation?_text=wonde", "Observation?_content=wonde", "Observation?_text:not=wonde"] {
        let refused = record.custodian.get(query).await.expect(400);
        let (_, rest) = query.split_once('?').expect("a query");
        assert_eq!(
            (refused.issues()[0].0.as_str(), Some(&*refused.issues()[0].1)),
            ("not-supported", rest.split('=').next())
        );
        assert!(!refused.to_string().contains("wonde"), "{refused}");
    }
    assert_eq!(listed(&record.custodian, "Observation").await, [""; 0]);
    let on = gateway.replica_with(switched_on()).await;
    // As a gateway that begins to serve.
    on.app.store.switch_full_text().await.expect("it is switched");
    reindex(&on.app.store, &on.base, |_| ()).await.expect("it is done");
    let custodian = on.as_("edpbw-a");
    assert_eq!(count(&custodian, "Observation?_text=wonde").await, 1);
    assert_eq!(listed(&custodian, "Observation").await, ["_text", "_content", "_text", "_content"]);
}

stories!(with switched_on;
    a_resource_is_found_by_its_words_until_it_says_something_else,
    what_is_hidden_changes_nothing_that_words_find,
    nothing_but_words_is_asked,
    a_sealed_name_in_a_narrative_is_not_found,
    switched_off_it_is_refused_and_not_listed_and_switched_on_it_finds_what_was_there,
);
