//! Search: every type of parameter, lists, orders and pages, and what is not served.

use serde_json::{Value, json};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::resources::{consent, observation, patient, permit};
use wellgate_tests::stories;

async fn each_type_of_parameter_finds_what_it_means(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let mut other = patient();
    other["identifier"] = json!([{"system": "https://ehr.example/patient", "value": "TEST-0002"}, {"value": "bare"}]);
    other["name"] = json!([{"family": "D'Hoore-Ünlü", "given": ["Çağla", "Ann"]}]);
    other["gender"] = json!("other");
    other["birthDate"] = json!("2001-12");
    let [first, second] = [elp.create(&patient()).await, elp.create(&other).await];
    elp.create(&observation(&first)).await;
    let questionnaire =
        json!({"resourceType": "Questionnaire", "status": "draft", "url": "https://ehr.example/Questionnaire/test"});
    let questionnaire = elp.create(&questionnaire).await;
    let cases: &[(&str, &[&String])] = &[
        // token
        ("Patient?identifier=https://ehr.example/patient|TEST-0001", &[&first]),
        ("Patient?identifier=TEST-0001", &[&first]),
        ("Patient?identifier=|bare", &[&second]),
        ("Patient?identifier=|TEST-0001", &[]),
        ("Patient?identifier=https://ehr.example/patient|", &[&first, &second]),
        ("Patient?identifier=https://elsewhere.example|TEST-0001", &[]),
        ("Patient?identifier=test-0001", &[]),
        ("Patient?gender=female", &[&first]),
        ("Patient?gender=female,other", &[&first, &second]),
        ("Patient?gender=female&gender=other", &[]),
        ("Patient?active=true", &[&first, &second]),
        // string: from the beginning, without regard to case and accents
        ("Patient?family=testp", &[&first]),
        ("Patient?family=ersoon", &[]),
        ("Patient?family=d%27hoore-unlu", &[&second]),
        ("Patient?given=cagla", &[&second]),
        ("Patient?given=ANN", &[&first, &second]),
        ("Patient?name=ann", &[&first, &second]),
        ("Patient?address-city=gent&gender=female", &[&first]),
        // date
        ("Patient?birthdate=1990-06-15", &[&first]),
        ("Patient?birthdate=1990", &[&first]),
        ("Patient?birthdate=2001-12", &[&second]),
        ("Patient?birthdate=2001-12-05", &[]),
        ("Patient?birthdate=ge2001", &[&second]),
        ("Patient?birthdate=lt2001-12", &[&first]),
        ("Patient?birthdate=gt1980&birthdate=lt2000", &[&first]),
        ("Patient?birthdate=ne1990-06-15", &[&second]),
        ("Patient?birthdate=sa1990-06-15", &[&second]),
        ("Patient?birthdate=eb2001-12-01", &[&first]),
        // special
        ("Patient?_lastUpdated=2026-03-01", &[&first, &second]),
        ("Patient?_lastUpdated=gt2026-03-01", &[]),
        // uri
        ("Questionnaire?url=https://ehr.example/Questionnaire/test", &[&questionnaire]),
        ("Questionnaire?url=https://ehr.example/Questionnaire/", &[]),
    ];
    for (query, expected) in cases {
        let mut found: Vec<String> = ids(&elp.search(query).await);
        found.sort();
        let mut expected: Vec<String> = expected.iter().map(|id| (*id).clone()).collect();
        expected.sort();
        assert_eq!(found, expected, "{query}");
    }
    for query in [
        format!("Observation?patient={first}"),
        format!("Observation?patient=Patient/{first}"),
        format!("Observation?subject:Patient={first}"),
        format!("Observation?subject={second},{first}"),
        format!("Observation?subject=Patient/{first}&code=http://loinc.org|44261-6&date=2026-02&status=final"),
    ] {
        assert_eq!(elp.search(&query).await.len(), 1, "{query}");
    }
    assert_eq!(elp.search(format!("Patient?_id={first},{second},never-was")).await.len(), 2);
    assert_eq!(elp.search(format!("Patient?_id={first}&_id={second}")).await.len(), 0);
}

async fn an_order_is_kept_over_all_pages_with_none_missing_and_none_twice(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let mut made = Vec::new();
    for n in 0..27 {
        gateway.advance(1_000);
        let mut one = patient();
        // Equal keys, so that only the whole order makes the pages right; and some without any.
        one["birthDate"] = if n % 5 == 0 { Value::Null } else { json!(format!("19{}0-01-01", 5 + n % 3)) };
        one.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        one["name"] = json!([{"family": format!("Test{}", (b'a' + n % 4) as char)}]);
        made.push(elp.create(&one).await);
    }
    made.sort();
    for order in
        ["", "birthdate", "-birthdate", "family", "-family,birthdate", "_lastUpdated", "-_lastUpdated", "_id", "-_id"]
    {
        let sort = if order.is_empty() { String::new() } else { format!("&_sort={order}") };
        let whole = ids(&elp.search(format!("Patient?_count=500{sort}")).await);
        let (mut found, mut next, mut pages) = (Vec::new(), Some(format!("Patient?_count=4&_total=accurate{sort}")), 0);
        while let Some(page) = next {
            let answer = elp.get(&page).await.expect(200);
            assert_eq!(answer.json["total"], 27, "{order}");
            found.extend(ids(&answer.resources()));
            next = answer.link("next");
            pages += 1;
        }
        assert_eq!((pages, found.len()), (7, 27), "{order}");
        assert_eq!(found, whole, "{order}");
        found.sort();
        assert_eq!(found, made, "{order}");
    }
    let by_birth: Vec<Value> = elp.search("Patient?_sort=birthdate&_count=500").await;
    let dates: Vec<&str> = by_birth.iter().filter_map(|one| one["birthDate"].as_str()).collect();
    assert!(dates.is_sorted() && dates.len() == 21);
    assert!(by_birth[21..].iter().all(|one| one["birthDate"].is_null()), "what has no date comes last");
}

async fn a_page_is_filled_with_what_the_caller_sees(gateway: Gateway) {
    let (owner, reader) = (gateway.as_("edpbw-a"), gateway.as_("gp-1"));
    let mut seen = Vec::new();
    for n in 0..20 {
        let id = owner.create(&patient()).await;
        if n % 4 == 0 {
            owner.create(&consent(&id, &permit(&["gp-1"]))).await;
            seen.push(id);
        }
    }
    let first = reader.get("Patient?_count=3&_total=accurate&_sort=_id").await.expect(200);
    assert_eq!((first.resources().len(), &first.json["total"]), (3, &json!(5)));
    let second = reader.get(first.link("next").expect("a next page")).await.expect(200);
    assert_eq!((second.resources().len(), second.link("next")), (2, None));
    let mut found = [ids(&first.resources()), ids(&second.resources())].concat();
    found.sort();
    seen.sort();
    assert_eq!(found, seen);
}

async fn a_page_belongs_to_its_caller_and_its_query(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for _ in 0..3 {
        elp.create(&patient()).await;
    }
    let next = elp.get("Patient?_count=1").await.link("next").expect("a next page");
    elp.get(&next).await.expect(200);
    let refused = gateway.as_("elp-2").get(&next).await.expect(400);
    assert!(refused.resources().is_empty());
    elp.clone().for_purpose("HPAYMT").get(&next).await.expect(400);
    elp.get(next.replace("_count=1", "_count=1&gender=female")).await.expect(400);
    elp.get(next.replace("Patient", "Observation")).await.expect(400);
    let mut broken = next.clone();
    broken.pop();
    elp.get(format!("{broken}x")).await.expect(400);
    elp.get("Patient?_cursor=TEST").await.expect(400);
}

async fn a_withdrawal_holds_from_the_next_page_on(gateway: Gateway) {
    let (owner, reader) = (gateway.as_("edpbw-a"), gateway.as_("gp-1"));
    let mut consents = Vec::new();
    for _ in 0..3 {
        let id = owner.create(&patient()).await;
        let word = consent(&id, &permit(&["gp-1"]));
        consents.push((owner.create(&word).await, word));
    }
    let first = reader.get("Patient?_count=1&_total=accurate").await.expect(200);
    for (id, mut word) in consents {
        word["id"] = json!(id);
        word["status"] = json!("inactive");
        owner.put(format!("Consent/{id}"), &word).await.expect(200);
    }
    let second = reader.get(first.link("next").expect("a next page")).await.expect(200);
    assert_eq!((second.resources().len(), &second.json["total"]), (0, &json!(0)));
}

async fn a_number_is_told_where_it_is_asked_for(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for _ in 0..3 {
        elp.create(&patient()).await;
    }
    assert_eq!(elp.get("Patient").await.json["total"], Value::Null);
    assert_eq!(elp.get("Patient?_total=accurate&_count=1").await.json["total"], 3);
    for only in ["_summary=count", "_count=0"] {
        let counted = elp.get(format!("Patient?{only}")).await.expect(200);
        assert_eq!((&counted.json["total"], counted.resources().len()), (&json!(3), 0), "{only}");
    }
    assert_eq!(elp.get("Patient?_count=100000").await.expect(200).resources().len(), 3);
}

async fn what_is_not_served_is_refused_by_its_name(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for (query, parameter) in [
        ("Patient?nonsense=1", "nonsense"),
        ("Patient?family:not=Test", "family:not"),
        ("Patient?family:missing=perhaps", "family:missing"),
        ("Patient?general-practitioner.nonsense=x", "general-practitioner.nonsense"),
        ("Patient?_has:Observation:code=1", "_has:Observation:code"),
        ("Patient?_list=a", "_list"),
        ("Patient?_text=x", "_text"),
        ("Patient?_include=Patient:nothing", "_include"),
        ("Patient?_revinclude=Observation:nothing", "_revinclude"),
        ("Patient?_elements=nothing", "_elements"),
        ("Patient?_summary=nothing", "_summary"),
        ("Patient?_filter=name%20eq%20x", "_filter"),
        ("Patient?birthdate=yesterday", "birthdate"),
        ("Patient?birthdate=", "birthdate"),
        ("Patient?_count=many", "_count"),
        ("Patient?_sort=nonsense", "_sort"),
        ("Patient?_count=1&_count=2", "_count"),
        ("Patient?identifier=|", "identifier"),
        ("Patient?identifier=%00", "identifier"),
        ("Patient?_id=%00", "_id"),
        ("Observation?subject=a%00b", "subject"),
        ("AuditEvent?nonsense=1", "nonsense"),
        ("AuditEvent?patient=%00", "patient"),
    ] {
        let refused = elp.get(query).await;
        assert_eq!(refused.status, 400, "{query}: {refused}");
        // No address may hold U+0000, whatever asks by it.
        let is_named = query.contains("%00") || refused.issues()[0].1 == parameter;
        assert!(is_named, "{query}: {refused}");
        let (resource_type, form) = query.split_once('?').expect("a query");
        let refused = elp.post_search(resource_type, form).await.expect(400);
        assert_eq!(refused.issues()[0].1, parameter, "{query}");
    }
}

async fn a_form_asks_as_an_address_does(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let id = elp.create(&patient()).await;
    let asked = elp.get("Patient?identifier=TEST-0001&_total=accurate").await.expect(200);
    let posted = elp.post_search("Patient", "identifier=TEST-0001&_total=accurate").await.expect(200);
    assert_eq!(ids(&posted.resources()), [id]);
    assert_eq!(asked.resources(), posted.resources());
    let json = [("content-type", "application/json")];
    elp.send(reqwest::Method::POST, "Patient/_search", &json, Some(b"{}".to_vec())).await.expect(415);
    assert_eq!(elp.post_search("Patient", "family=nobody").await.resources().len(), 0);
}

/// What a client writes as the gateway's own address is the same resource as its `Type/id`.
async fn a_reference_by_the_gateways_own_address_is_found_by_its_id(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&patient()).await;
    let mut seen = observation(&person);
    seen["subject"] = json!({"reference": format!("{}/Patient/{person}", gateway.base)});
    let id = elp.create(&seen).await;
    assert_eq!(elp.search(format!("Observation?subject=Patient/{person}")).await.len(), 1);
    assert_eq!(elp.search(format!("Observation?subject={}/Patient/{person}", gateway.base)).await.len(), 1);
    let read = elp.get(format!("Observation/{id}")).await.expect(200);
    assert_eq!(read.json["subject"], seen["subject"], "what was sent is kept as it was sent");
}

fn ids(resources: &[Value]) -> Vec<String> {
    resources.iter().map(|one| one["id"].as_str().unwrap_or_default().to_owned()).collect()
}

stories!(
    each_type_of_parameter_finds_what_it_means,
    an_order_is_kept_over_all_pages_with_none_missing_and_none_twice,
    a_page_is_filled_with_what_the_caller_sees,
    a_page_belongs_to_its_caller_and_its_query,
    a_withdrawal_holds_from_the_next_page_on,
    a_number_is_told_where_it_is_asked_for,
    what_is_not_served_is_refused_by_its_name,
    a_form_asks_as_an_address_does,
    a_reference_by_the_gateways_own_address_is_found_by_its_id,
);
