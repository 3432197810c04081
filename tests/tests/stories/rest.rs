//! The interactions of FHIR R4 as an EHR sees them: headers, versions, content as it was sent, and what is refused.

mod repeats;

use serde_json::{Value, json};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::raw::content;
use wellgate_tests::resources::{observation, patient};
use wellgate_tests::stories;

async fn a_create_answers_where_and_which_version(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let created = elp.post("Patient", &patient()).await.expect(201);
    let (id, version) = (created.id(), created.json["meta"]["versionId"].as_str().expect("a version").to_owned());
    assert_eq!(created.header("location"), format!("{}/Patient/{id}/_history/{version}", gateway.base));
    assert_eq!(created.etag(), format!("W/\"{version}\""));
    assert_eq!(created.header("last-modified"), "Sun, 01 Mar 2026 12:00:00 GMT");
    assert_eq!(created.json["meta"]["lastUpdated"], "2026-03-01T12:00:00.000Z");
    assert_eq!(created.header("content-type"), "application/fhir+json;charset=utf-8");
    assert_eq!(created.header("cache-control"), "no-store");
    let read = elp.get(format!("Patient/{id}")).await.expect(200);
    assert_eq!((read.bytes, read.headers.get("etag")), (created.bytes.clone(), created.headers.get("etag")));
    let version = elp.get(format!("Patient/{id}/_history/{version}")).await.expect(200);
    assert_eq!(version.bytes, created.bytes);
    for other in [
        json!({"resourceType": "Group", "type": "person", "actual": true}),
        json!({"resourceType": "Location", "name": "x"}),
    ] {
        let resource_type = other["resourceType"].as_str().expect("a type");
        let created = elp.post(resource_type, &other).await.expect(201);
        assert_eq!(created.json["resourceType"], other["resourceType"], "of the own compartment and the directory too");
    }
}

async fn a_client_gets_back_what_it_prefers(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for (preference, body) in
        [("return=minimal", ""), ("return=representation", "Patient"), ("return=OperationOutcome", "OperationOutcome")]
    {
        let created = elp.post_with("Patient", &patient(), &[("prefer", preference)]).await.expect(201);
        assert_eq!(created.json["resourceType"].as_str().unwrap_or_default(), body, "{preference}");
        assert!(!created.header("location").is_empty() && !created.etag().is_empty(), "{preference}");
        let mut changed = patient();
        let id = created.header("location").split('/').rev().nth(2).expect("an id").to_owned();
        changed["id"] = json!(id);
        let updated = elp.put_with(format!("Patient/{id}"), &changed, &[("prefer", preference)]).await.expect(200);
        assert_eq!(updated.json["resourceType"].as_str().unwrap_or_default(), body, "{preference}");
        assert!(updated.header("content-location").contains(&id), "{preference}");
    }
}

async fn only_json_is_spoken(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let path = format!("Patient/{}", elp.create(&patient()).await);
    for accept in ["application/fhir+json", "application/json", "*/*", "text/html, application/*;q=0.5"] {
        elp.get_with(&path, &[("accept", accept)]).await.expect(200);
    }
    for accept in ["application/fhir+xml", "text/html", "application/fhir+turtle"] {
        let refused = elp.get_with(&path, &[("accept", accept)]).await.expect(406);
        assert_eq!(refused.json["resourceType"], "OperationOutcome");
    }
    for format in ["json", "application/json", "application/fhir%2Bjson"] {
        elp.get_with(format!("{path}?_format={format}"), &[("accept", "application/fhir+xml")]).await.expect(200);
    }
    elp.get(format!("{path}?_format=xml")).await.expect(406);
    elp.get("Patient?_format=application/fhir%2Bxml").await.expect(406);
    for media_type in ["application/fhir+xml", "text/plain", ""] {
        elp.post_with("Patient", &patient(), &[("content-type", media_type)]).await.expect(415);
    }
    elp.post_with("Patient", &patient(), &[("content-type", "application/json; charset=utf-8")]).await.expect(201);
}

async fn a_slash_too_many_is_forgiven(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let id = elp.create(&patient()).await;
    elp.get(format!("/Patient/{id}")).await.expect(200);
    elp.get(format!("Patient/{id}/")).await.expect(200);
    elp.get("/metadata").await.expect(200);
    elp.get("metadata/").await.expect(200);
    elp.post("/Patient", &patient()).await.expect(201);
    elp.post("/", &json!({"resourceType": "Bundle", "type": "batch"})).await.expect(200);
    assert_eq!(elp.get("/Patient?_total=accurate").await.json["total"], 2);
}

async fn the_capability_statement_needs_no_token(gateway: Gateway) {
    let statement = gateway.as_("gp-1").with_bearer("").get("metadata").await.expect(200).json;
    assert_eq!(
        (&statement["resourceType"], &statement["fhirVersion"]),
        (&json!("CapabilityStatement"), &json!("4.0.1"))
    );
    let served: Vec<&Value> =
        statement["rest"][0]["resource"].as_array().expect("a list").iter().map(|one| &one["type"]).collect();
    assert_eq!(served.len(), 31);
    assert!(mappings::r4::structure::check(&statement).is_empty(), "{:?}", mappings::r4::structure::check(&statement));
}

async fn what_a_client_sent_comes_back_byte_for_byte(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&patient()).await;
    let sent = format!(
        "{{ \"status\" :\t\"final\",\n  \"resourceType\": \"Observation\",\r\n\"valueQuantity\":{{\"value\":1.00, \"unit\":\"\\u00b5g\\/l \\uD83D\\uDE00 é\"}},\n\
         \"code\":{{\"text\":\"TEST\\ttab\"}},\"referenceRange\":[{{\"low\":{{\"value\":1e-3}}}},{{\"low\":{{\"value\":0.10}}}}],\
         \"subject\" : {{\"reference\":\"Patient/{person}\"}},\"note\":[ {{\"text\":\"a\\\"b\\\\c\"}} ] }}"
    );
    let created = elp.post_bytes("Observation", sent.clone()).await.expect(201);
    let id = created.id();
    for answer in [created.clone(), elp.get(format!("Observation/{id}")).await.expect(200)] {
        assert_eq!(content(&answer.bytes), content(sent.as_bytes()));
        // And the white space between: what the gateway added is all that differs.
        let text = String::from_utf8(answer.bytes).expect("text");
        let rest = without(&without(&text, "id"), "meta");
        assert_eq!(rest, sent);
    }
    let found = elp.get(format!("Observation?_id={id}")).await.expect(200);
    let bundle = String::from_utf8(found.bytes).expect("text");
    assert!(bundle.contains(std::str::from_utf8(&created.bytes).expect("text")), "a Bundle holds the same bytes");
}

/// The text without a member that the gateway wrote at the top, and without the comma beside it.
fn without(text: &str, member: &str) -> String {
    let value = &serde_json::from_str::<Value>(text).expect("JSON")[member];
    let written = format!("\"{member}\":{value}");
    let at = text.find(&written).unwrap_or_else(|| panic!("{written} in {text}"));
    let (before, after) = (&text[..at], &text[at + written.len()..]);
    match after.strip_prefix(',') {
        Some(after) => format!("{before}{after}"),
        None => format!("{}{after}", before.strip_suffix(',').unwrap_or(before)),
    }
}

async fn what_a_client_says_of_id_and_meta_is_the_gateways_but_for_its_own_tags(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let mut sent = patient();
    sent["id"] = json!("mine");
    sent["meta"] = json!({"versionId": "7", "lastUpdated": "2001-01-01T00:00:00Z", "tag": [{"system": "https://ehr.example/tag", "code": "test"}]});
    let created = elp.post("Patient", &sent).await.expect(201);
    assert_ne!(created.id(), "mine");
    assert_eq!(created.json["meta"]["lastUpdated"], "2026-03-01T12:00:00.000Z");
    assert_ne!(created.json["meta"]["versionId"], "7");
    assert_eq!(created.json["meta"]["tag"][0]["code"], "test");
}

async fn an_unchanged_version_is_not_sent_again(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let created = elp.post("Patient", &patient()).await.expect(201);
    let path = format!("Patient/{}", created.id());
    let same = elp.get_with(&path, &[("if-none-match", &created.etag())]).await.expect(304);
    assert!(same.bytes.is_empty());
    assert_eq!(same.etag(), created.etag());
    elp.get_with(&path, &[("if-none-match", "W/\"1\"")]).await.expect(200);
}

async fn an_update_decided_on_another_version_is_412(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let created = elp.post("Patient", &patient()).await.expect(201);
    let path = format!("Patient/{}", created.id());
    let mut changed = created.json.clone();
    changed["active"] = json!(false);
    let updated = elp.put_with(&path, &changed, &[("if-match", &created.etag())]).await.expect(200);
    assert_ne!(updated.etag(), created.etag());
    for stale in [created.etag(), "W/\"1\"".to_owned(), "TEST".to_owned()] {
        elp.put_with(&path, &changed, &[("if-match", &stale)]).await.expect(412);
        let headers = [("if-match", stale.as_str())];
        elp.send(reqwest::Method::DELETE, &path, &headers, None).await.expect(412);
    }
    assert_eq!(elp.get(&path).await.etag(), updated.etag());
}

async fn an_update_never_creates(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let mut resource = patient();
    resource["id"] = json!("mine");
    elp.put("Patient/mine", &resource).await.expect(404);
    let refused = elp.put("Patient/other", &resource).await.expect(400);
    assert_eq!(refused.issues(), [("invariant".to_owned(), "Patient.id".to_owned())]);
    elp.put("Patient/mine", &patient()).await.expect(400);
    elp.put("Observation/mine", &resource).await.expect(422);
    assert_eq!(elp.search("Patient").await.len(), 0);
}

async fn what_is_deleted_is_gone_and_its_versions_stay(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let created = elp.post("Patient", &patient()).await.expect(201);
    let path = format!("Patient/{}", created.id());
    let version = created.json["meta"]["versionId"].as_str().expect("a version");
    gateway.advance(1_000);
    let deleted = elp.delete(&path).await.expect(204);
    assert!(deleted.bytes.is_empty() && !deleted.etag().is_empty());
    let gone = elp.get(&path).await.expect(410);
    assert_eq!(gone.issues()[0].0, "deleted");
    elp.delete(&path).await.expect(410);
    assert_eq!(elp.get(format!("{path}/_history/{version}")).await.expect(200).bytes, created.bytes);
    assert_eq!(elp.search("Patient").await.len(), 0);
    // To others it is not even gone.
    gateway.as_("gp-1").get(&path).await.expect(404);

    gateway.advance(1_000);
    elp.put(&path, &created.json).await.expect(200);
    elp.get(&path).await.expect(200);
    let history = elp.get(format!("{path}/_history")).await.expect(200);
    let methods: Vec<&Value> =
        history.json["entry"].as_array().expect("a list").iter().map(|entry| &entry["request"]["method"]).collect();
    assert_eq!(methods, ["PUT", "DELETE", "POST"], "newest first");
    assert_eq!(history.json["entry"][1]["resource"], Value::Null);
    assert_eq!(history.json["type"], "history");
}

async fn a_history_is_newest_first_and_pages_to_its_end(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let mut current = elp.post("Patient", &patient()).await.expect(201).json;
    let path = format!("Patient/{}", current["id"].as_str().expect("an id"));
    for n in 1..7 {
        gateway.advance(1_000);
        current["birthDate"] = json!(format!("199{n}-01-01"));
        elp.put(&path, &current).await.expect(200);
    }
    for start in [format!("{path}/_history?_count=3"), "Patient/_history?_count=3".to_owned()] {
        let (mut dates, mut next) = (Vec::new(), Some(start.clone()));
        while let Some(page) = next {
            let answer = elp.get(&page).await.expect(200);
            dates.extend(
                answer.resources().iter().map(|version| version["birthDate"].as_str().expect("a date")[..4].to_owned()),
            );
            next = answer.link("next");
        }
        assert_eq!(dates, ["1996", "1995", "1994", "1993", "1992", "1991", "1990"], "{start}");
        let page = elp.get(&start).await.link("next").expect("a next page");
        gateway.as_("gp-1").get(&page).await.expect(400);
    }
    elp.get(format!("{path}/_history?_nonsense=1")).await.expect(400);
}

async fn a_history_misses_none_of_many_that_were_written_at_once(gateway: Gateway) {
    // The clock stands still, so that some of these have the same version.
    let elp = gateway.as_("elp-1");
    let entry = json!({"request": {"method": "POST", "url": "Location"}, "resource": {"resourceType": "Location", "name": "Test"}});
    let many = json!({"resourceType": "Bundle", "type": "transaction", "entry": vec![entry; 1_500]});
    elp.post("", &many).await.expect(200);
    let (mut ids, mut next) = (Vec::new(), Some("Location/_history?_count=7".to_owned()));
    while let Some(page) = next {
        let answer = elp.get(&page).await.expect(200);
        ids.extend(answer.resources().iter().map(|location| location["id"].as_str().expect("an id").to_owned()));
        next = answer.link("next");
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1_500);
}

async fn what_is_not_json_without_traps_is_400(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let too_deep = format!(r#"{{"resourceType":"Patient","name":{}}}"#, nested(64));
    let cases: [(&str, Vec<u8>); 9] = [
        ("nothing", Vec::new()),
        ("no JSON", b"TEST".to_vec()),
        ("two documents", br#"{"resourceType":"Patient"}{}"#.to_vec()),
        ("cut off", br#"{"resourceType":"Patient""#.to_vec()),
        ("a key twice", br#"{"resourceType":"Patient","active":true,"active":false}"#.to_vec()),
        ("a key twice, further down", br#"{"resourceType":"Patient","name":[{"text":"a","t\u0065xt":"b"}]}"#.to_vec()),
        ("bad UTF-8", b"{\"resourceType\":\"Patient\",\"gender\":\"\xff\"}".to_vec()),
        ("half a surrogate pair", br#"{"resourceType":"Patient","name":[{"text":"\ud800"}]}"#.to_vec()),
        ("65 levels", too_deep.into_bytes()),
    ];
    for (name, body) in cases {
        let refused = elp.post_bytes("Patient", body).await;
        assert_eq!(refused.status, 400, "{name}: {refused}");
        assert_eq!(refused.issues()[0].0, "structure", "{name}");
    }
    let twice = elp.post_bytes("Patient", r#"{"resourceType":"Patient","name":[{"text":"a","text":"b"}]}"#).await;
    assert!(twice.issues()[0].1.contains("name"), "it says where: {twice}");
    let deep = format!(r#"{{"resourceType":"Patient","name":{}}}"#, nested(63));
    elp.post_bytes("Patient", deep).await.expect(422);
    elp.post_bytes("Patient", "[]").await.expect(400);
    for (text, status) in [(r"a\u0000b", 400), (r"a\u0007b", 422)] {
        let refused =
            elp.post_bytes("Patient", format!(r#"{{"resourceType":"Patient","name":[{{"text":"{text}"}}]}}"#)).await;
        assert_eq!(refused.status, status, "{text}: {refused}");
    }
    assert_eq!(elp.search("Patient").await.len(), 0);
}

async fn everything_wrong_with_a_resource_is_told_at_once(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let wrong = json!({"resourceType": "Patient", "actve": true, "gender": 1, "birthDate": "15/06/1990",
        "name": {"text": "TEST"}, "contact": [{"nme": {}}]});
    let refused = elp.post("Patient", &wrong).await.expect(422);
    let mut elements: Vec<String> = refused.issues().into_iter().map(|(_, element)| element).collect();
    elements.sort();
    elements.dedup();
    for element in ["Patient.actve", "Patient.birthDate", "Patient.contact[0].nme", "Patient.gender", "Patient.name"] {
        assert!(elements.iter().any(|named| named == element), "{element}: {refused}");
    }
    let missing = elp.post("Observation", &json!({"resourceType": "Observation"})).await.expect(422);
    for element in ["Observation.status", "Observation.code"] {
        assert!(missing.issues().contains(&("required".to_owned(), element.to_owned())), "{missing}");
    }
    let other = elp.post("Patient", &observation("x")).await.expect(422);
    assert_eq!(other.issues(), [("invariant".to_owned(), "resourceType".to_owned())]);
    assert_eq!(elp.search("Patient").await.len(), 0);
}

async fn a_resource_belongs_to_one_record_that_is_there(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&patient()).await;
    let mut without = observation(&person);
    without.as_object_mut().expect("an object").shift_remove("subject");
    assert_eq!(
        elp.post("Observation", &without).await.expect(422).issues(),
        [("required".to_owned(), "Observation.subject".to_owned())]
    );
    for reference in [
        "Patient/never-was",
        "Patient/",
        "Patient/../x",
        "Patient/a b",
        "Group/1",
        "#p",
        "https://elsewhere.example/Patient/1",
    ] {
        let mut wrong = observation(&person);
        wrong["subject"] = json!({"reference": reference});
        let refused = elp.post("Observation", &wrong).await.expect(422);
        assert_eq!(refused.issues()[0].1, "Observation.subject", "{reference}: {refused}");
    }
    let mut absolute = observation(&person);
    absolute["subject"] = json!({"reference": format!("{}/Patient/{person}", gateway.base)});
    let id = elp.create(&absolute).await;

    let other = elp.create(&patient()).await;
    let mut moved = observation(&other);
    moved["id"] = json!(id);
    elp.put(format!("Observation/{id}"), &moved).await.expect(422);
}

async fn odd_paths_find_nothing(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for path in [
        "Patient/..%2Fx",
        "Patient/%2e%2e%2Fmetadata",
        "Patient/x%00",
        "Patient/x%20y",
        "Patient/%C3%A9",
        "Nonsense/1",
        "Nonsense",
        "patient/1",
        "Patient/1/_history/x",
        "Patient/1/_history/1%27",
        "Patient/1/2/3/4",
        "Bundle/1",
        "Person/1",
        "$everything",
        "Patient/1/$everything",
        &format!("Patient/{}", "a".repeat(200)),
    ] {
        let answer = elp.get(path).await;
        assert_eq!(answer.status, 404, "{path}: {answer}");
        assert_eq!(answer.json["resourceType"], "OperationOutcome", "{path}");
        let text = String::from_utf8_lossy(&answer.bytes).into_owned();
        assert!(!text.contains("..") && !text.contains("aaaa"), "{path} is not repeated: {text}");
    }
    elp.send(reqwest::Method::PATCH, "Patient/1", &[], None).await.expect(405);
    elp.delete("Patient").await.expect(405);
    elp.post("AuditEvent", &json!({"resourceType": "AuditEvent"})).await;
}

async fn a_body_over_the_limit_is_413(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let mut long = patient();
    long["name"][0]["text"] = json!("x".repeat(2_048));
    let refused = elp.post("Patient", &long).await.expect(413);
    assert_eq!(refused.issues()[0].0, "too-costly");
    elp.post("Patient", &patient()).await.expect(201);
    let entry = json!({"request": {"method": "GET", "url": "Patient"}});
    let batch = |n: usize| json!({"resourceType": "Bundle", "type": "batch", "entry": vec![entry.clone(); n]});
    elp.post("", &batch(3)).await.expect(200);
    elp.post("", &batch(4)).await.expect(413);
}

mod limits {
    use wellgate_tests::gateway::Options;
    use wellgate_tests::stories;

    use super::a_body_over_the_limit_is_413;

    fn small() -> Options {
        let settings = vec![("WELLGATE_LIMITS_BODY_BYTES_MAX", "2048"), ("WELLGATE_LIMITS_BUNDLE_ENTRIES_MAX", "3")];
        Options { settings, ..Options::default() }
    }

    stories!(with small; a_body_over_the_limit_is_413);
}

stories!(
    a_create_answers_where_and_which_version,
    a_client_gets_back_what_it_prefers,
    only_json_is_spoken,
    a_slash_too_many_is_forgiven,
    the_capability_statement_needs_no_token,
    what_a_client_sent_comes_back_byte_for_byte,
    what_a_client_says_of_id_and_meta_is_the_gateways_but_for_its_own_tags,
    an_unchanged_version_is_not_sent_again,
    an_update_decided_on_another_version_is_412,
    an_update_never_creates,
    what_is_deleted_is_gone_and_its_versions_stay,
    a_history_is_newest_first_and_pages_to_its_end,
    a_history_misses_none_of_many_that_were_written_at_once,
    what_is_not_json_without_traps_is_400,
    everything_wrong_with_a_resource_is_told_at_once,
    a_resource_belongs_to_one_record_that_is_there,
    odd_paths_find_nothing,
);
