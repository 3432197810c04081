//! <https://hl7.org/fhir/R4/http.html>: reads, updates, deletions, headers and media types.

use serde_json::{Value, json};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::resources::{observation, patient};
use wellgate_tests::stories;

use super::identified;

async fn read_a_304_follows_if_modified_since_to_the_second(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    gateway.advance(700);
    let created = elp.post("Patient", &patient()).await.expect(201);
    let path = format!("Patient/{}", created.id());
    let modified = created.header("last-modified").to_owned();
    let same = elp.get_with(&path, &[("if-modified-since", &modified)]).await.expect(304);
    assert!(same.bytes.is_empty());
    assert_eq!((same.etag(), same.header("last-modified")), (created.etag(), &*modified));
    for older in ["Sun, 01 Mar 2026 11:59:59 GMT", "nonsense", ""] {
        elp.get_with(&path, &[("if-modified-since", older)]).await.expect(200);
    }
    gateway.advance(1_000);
    elp.put(&path, &created.json).await.expect(200);
    elp.get_with(&path, &[("if-modified-since", &modified)]).await.expect(200);
    // Who sends both means the tag: https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2
    let both = [("if-none-match", "W/\"1\""), ("if-modified-since", "Sun, 01 Mar 2030 12:00:00 GMT")];
    elp.get_with(&path, &both).await.expect(200);
}

async fn read_if_none_match_takes_one_tag_several_or_any(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let created = elp.post("Patient", &patient()).await.expect(201);
    let path = format!("Patient/{}", created.id());
    for tags in [created.etag(), format!("W/\"1\", {}", created.etag()), "*".to_owned()] {
        elp.get_with(&path, &[("if-none-match", &tags)]).await.expect(304);
    }
    for tags in ["W/\"1\"", "W/\"1\", \"2\"", ""] {
        elp.get_with(&path, &[("if-none-match", tags)]).await.expect(200);
    }
}

async fn read_what_is_hidden_is_404_whatever_a_client_says_that_it_knows(gateway: Gateway) {
    let created = gateway.as_("elp-1").post("Patient", &patient()).await.expect(201);
    let other = gateway.as_("elp-2");
    let path = format!("Patient/{}", created.id());
    let known = [
        ("if-none-match", created.etag()),
        ("if-none-match", "*".to_owned()),
        ("if-modified-since", "Sun, 01 Mar 2030 12:00:00 GMT".to_owned()),
    ];
    for (name, value) in known {
        let hidden = other.get_with(&path, &[(name, &value)]).await.expect(404);
        let never = other.get_with("Patient/never-was", &[(name, &value)]).await.expect(404);
        assert_eq!(hidden.told(), never.told(), "{name}: {value}");
    }
}

async fn update_does_not_create_and_says_so(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let mut mine = patient();
    mine["id"] = json!("mine");
    let refused = elp.put("Patient/mine", &mine).await.expect(404);
    assert_eq!(refused.issues()[0].0, "not-found");
    assert!(refused.details().contains("POST"), "{refused}");
    // What is hidden answers the very same.
    let hidden = gateway.as_("elp-2").create(&patient()).await;
    mine["id"] = json!(hidden);
    assert_eq!(elp.put(format!("Patient/{hidden}"), &mine).await.told(), refused.told());
    let statement = elp.get("metadata").await.expect(200).json;
    for served in statement["rest"][0]["resource"].as_array().expect("a list") {
        assert_eq!(served["updateCreate"], false, "{}", served["type"]);
    }
}

async fn update_of_a_stale_version_is_412_and_of_the_current_one_is_not(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let created = elp.post("Patient", &patient()).await.expect(201);
    let path = format!("Patient/{}", created.id());
    let first = created.etag();
    elp.put_with(&path, &created.json, &[("if-match", &first)]).await.expect(200);
    let before = elp.get(&path).await.bytes;
    elp.put_with(&path, &created.json, &[("if-match", &first)]).await.expect(412);
    assert_eq!(elp.get(&path).await.bytes, before);
}

async fn format_xml_is_406_and_sent_xml_is_415_and_both_say_so(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let id = elp.create(&patient()).await;
    for format in ["xml", "text/xml", "application/xml", "application/fhir%2Bxml", "ttl", "html"] {
        for path in [
            format!("Patient/{id}?_format={format}"),
            format!("Patient?_format={format}"),
            format!("_history?_format={format}"),
        ] {
            let refused = elp.get(&path).await.expect(406);
            assert!(refused.details().contains("no XML"), "{path}: {refused}");
        }
    }
    let accepted = elp.get_with(format!("Patient/{id}"), &[("accept", "application/fhir+xml")]).await.expect(406);
    assert!(accepted.details().contains("application/fhir+json"), "{accepted}");
    for media_type in ["application/fhir+xml", "application/xml", "text/xml"] {
        let refused = elp.post_with("Patient", &patient(), &[("content-type", media_type)]).await.expect(415);
        assert!(refused.details().contains("no XML"), "{media_type}: {refused}");
    }
    assert_eq!(elp.search("Patient").await.len(), 1, "nothing was stored");
}

async fn the_statement_says_what_works_and_nothing_else(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let statement = elp.get("metadata").await.expect(200).json;
    let rest = &statement["rest"][0];
    let codes = |of: &Value| -> Vec<String> {
        let list = of["interaction"].as_array().cloned().unwrap_or_default();
        list.iter().map(|one| one["code"].as_str().unwrap_or_default().to_owned()).collect()
    };
    for code in ["transaction", "batch", "history-system"] {
        assert!(codes(rest).contains(&code.to_owned()), "{code}");
    }
    let formats = statement["patchFormat"].as_array().expect("a list");
    assert_eq!(formats, &[json!("application/json-patch+json"), json!("application/fhir+json")]);
    for served in rest["resource"].as_array().expect("a list") {
        let name = served["type"].as_str().expect("a type");
        let is_trail = name == "AuditEvent";
        assert_eq!(codes(served).contains(&"patch".to_owned()), !is_trail, "{name}");
        assert_eq!(
            (served["conditionalCreate"] == true, served["conditionalUpdate"] == true),
            (!is_trail, !is_trail),
            "{name}"
        );
        assert_eq!(served["conditionalDelete"], if is_trail { "not-supported" } else { "single" }, "{name}");
        assert_eq!(served["conditionalRead"], if is_trail { "not-supported" } else { "full-support" }, "{name}");
        // What is not stated is not served, for the trail is written by nobody.
        let status = if is_trail { 405 } else { 204 };
        assert_eq!(elp.delete(format!("{name}?_id=never-was")).await.status, status, "{name}");
        let patched = elp.patch(format!("{name}?_id=never-was"), &json!([])).await;
        assert_eq!(patched.status, if is_trail { 405 } else { 404 }, "{name}: {patched}");
    }
}

async fn create_and_update_answer_what_is_preferred_and_patch_too(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let created = elp.post("Patient", &identified("TEST-1")).await.expect(201);
    let path = format!("Patient/{}", created.id());
    for (preference, body) in
        [("return=minimal", ""), ("return=representation", "Patient"), ("return=OperationOutcome", "OperationOutcome")]
    {
        let operations = json!([{"op": "add", "path": "/gender", "value": "other"}]);
        let patched = elp.patch_with(&path, &operations, &[("prefer", preference)]).await.expect(200);
        assert_eq!(patched.json["resourceType"].as_str().unwrap_or_default(), body, "{preference}");
        assert_eq!(
            patched.header("content-location"),
            format!("{}/{path}/_history/{}", gateway.base, patched.etag().trim_matches(['W', '/', '"']))
        );
    }
}

async fn a_long_answer_is_packed_for_whoever_asks_for_it_with_a_token(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let mut long = identified("TEST-1");
    long["name"][0]["text"] = json!("x".repeat(5_000));
    let path = format!("Patient/{}", elp.create(&long).await);
    let plain = elp.get(&path).await.expect(200);
    assert_eq!(plain.header("content-encoding"), "");
    for accept in ["gzip", "br, gzip;q=0.5", "*"] {
        let packed = elp.get_with(&path, &[("accept-encoding", accept)]).await.expect(200);
        assert_eq!((packed.header("content-encoding"), packed.header("vary")), ("gzip", "accept-encoding"), "{accept}");
        assert!(packed.bytes.len() < 1_000 && packed.bytes.starts_with(&[0x1f, 0x8b]), "{accept}");
        assert_eq!((packed.etag(), packed.header("cache-control")), (plain.etag(), "no-store"));
    }
    for accept in ["identity", "gzip;q=0", "deflate", ""] {
        let sent = elp.get_with(&path, &[("accept-encoding", accept)]).await.expect(200);
        assert_eq!((sent.header("content-encoding"), &sent.bytes), ("", &plain.bytes), "{accept}");
    }
    let short = elp.get_with("Patient/never-was", &[("accept-encoding", "gzip")]).await.expect(404);
    assert_eq!(short.header("content-encoding"), "");
    let statement = elp.with_bearer("").get_with("metadata", &[("accept-encoding", "gzip")]).await.expect(200);
    assert_eq!(statement.header("content-encoding"), "", "what nobody proved anything for travels as it is");
}

async fn a_resource_of_another_record_is_not_moved_by_a_write(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let (one, two) = (elp.create(&identified("TEST-1")).await, elp.create(&identified("TEST-2")).await);
    let id = elp.create(&observation(&one)).await;
    let move_it = json!([{"op": "replace", "path": "/subject/reference", "value": format!("Patient/{two}")}]);
    elp.patch(format!("Observation/{id}"), &move_it).await.expect(422);
    let there = elp.get(format!("Observation/{id}")).await.expect(200);
    assert_eq!(there.json["subject"]["reference"], format!("Patient/{one}"));
}

stories!(
    read_a_304_follows_if_modified_since_to_the_second,
    read_if_none_match_takes_one_tag_several_or_any,
    read_what_is_hidden_is_404_whatever_a_client_says_that_it_knows,
    update_does_not_create_and_says_so,
    update_of_a_stale_version_is_412_and_of_the_current_one_is_not,
    format_xml_is_406_and_sent_xml_is_415_and_both_say_so,
    the_statement_says_what_works_and_nothing_else,
    create_and_update_answer_what_is_preferred_and_patch_too,
    a_long_answer_is_packed_for_whoever_asks_for_it_with_a_token,
    a_resource_of_another_record_is_not_moved_by_a_write,
);
