//! What is read (39 to 45): too deep, too large, twice, not text, not an id, not a query. Refused, and nothing of it is stored.

use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::caller::Caller;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::machine::{MachineKey, ask, assertion, post_form, url};
use wellgate_tests::resources::{bundle, observation, patient};
use wellgate_tests::stories;

/// Nothing was stored, and the gateway is well.
async fn nothing_happened(caller: &Caller<'_>) {
    assert!(caller.search("Patient").await.is_empty());
}

fn nested(depth: usize, open: &str, close: &str) -> String {
    format!("{{\"resourceType\": \"Patient\", \"extension\": {}1{}}}", open.repeat(depth), close.repeat(depth))
}

async fn attack_39_no_depth_of_nesting_is_walked(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for depth in [64, 127, 128, 129, 10_000, 800_000] {
        for body in [nested(depth, "[", "]"), nested(depth, "{\"a\":", "}")] {
            for path in ["Patient", "", "Consent/$explain"] {
                let answer = elp.post_bytes(path, body.clone()).await;
                assert!([400, 413].contains(&answer.status), "{path} at {depth}: {answer}");
            }
            let unclosed = &body[..body.len() / 2];
            elp.post_bytes("Patient", unclosed).await.expect(400);
        }
    }
    let mut claims = gateway.token_claims("elp-1");
    claims["deep"] = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let bearer = gateway.signed(&claims);
    let answer = elp.clone().with_bearer(&bearer).get("Patient").await;
    assert!([200, 401].contains(&answer.status), "{answer}");
    nothing_happened(&elp).await;
}

async fn attack_40_a_packed_body_is_not_unpacked(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let body = patient().to_string().into_bytes();
    for encoding in ["gzip", "deflate", "br", "zstd", "identity, gzip"] {
        let headers = [("content-encoding", encoding)];
        let refused = elp.send(Method::POST, "Patient", &headers, Some(body.clone())).await.expect(415);
        assert_eq!(refused.header("accept-encoding"), "identity");
        let form = gateway.http.post(url(&gateway, "oauth/token")).header("content-encoding", encoding).body("x");
        assert_eq!(form.send().await.expect("it answers").status(), 415);
    }
    nothing_happened(&elp).await;
    elp.send(Method::POST, "Patient", &[("content-encoding", "identity")], Some(body)).await.expect(201);
}

async fn attack_40_what_is_too_large_is_refused_at_its_limit(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let long = format!(r#"{{"resourceType": "Patient", "id": "{}"}}"#, "x".repeat(6 * 1024 * 1024));
    elp.post_bytes("Patient", long.clone()).await.expect(413);
    elp.post_bytes("", long.clone()).await.expect(413);
    elp.post_search("Patient", &long).await.expect(413);
    let many = format!(r#"{{"resourceType": "Patient", "extension": [{}0]}}"#, "0,".repeat(1_000_000));
    let refused = elp.post_bytes("Patient", many).await.expect(413);
    assert_eq!(refused.issues()[0].0, "too-costly");
    let many = format!(
        r#"{{"resourceType": "Patient", "extension": {{{}"z": 0}}}}"#,
        (0..300_000).fold(String::new(), |text, n| text + &format!("\"{n}\":0,"))
    );
    elp.post_bytes("Patient", many).await.expect(413);
    post_form(&gateway, "oauth/token", &[("scope", &"x".repeat(100_000))]).await.expect(413);
    nothing_happened(&elp).await;
}

async fn attack_41_a_bundle_of_too_many_is_refused_whole(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for kind in ["batch", "transaction"] {
        for entry in
            ["{}", r#"{"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient"}}"#]
        {
            let entries = vec![entry; 5_001].join(",");
            let body = format!(r#"{{"resourceType": "Bundle", "type": "{kind}", "entry": [{entries}]}}"#);
            elp.post_bytes("", body).await.expect(413);
        }
    }
    nothing_happened(&elp).await;
}

async fn attack_41_entries_that_refer_in_circles_or_meet_are_decided_by_rule(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let address = |n: u8| format!("urn:uuid:00000000-0000-4000-8000-00000000000{n}");
    let entry = |n: u8, resource: Value| {
        let request = json!({"method": "POST", "url": resource["resourceType"]});
        json!({"fullUrl": address(n), "resource": resource, "request": request})
    };
    let whole = |entries: Vec<Value>| json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    let member = |of: u8, subject: &str| {
        let mut observation = observation("x");
        observation["subject"] = json!({"reference": subject});
        observation["hasMember"] = json!([{"reference": address(of)}]);
        observation
    };
    // A Patient that is its own: a reference like any other, which owns nothing.
    let mut own = patient();
    own["link"] = json!([{"other": {"reference": address(1)}, "type": "seealso"}]);
    // Two Observations of nobody's record that own each other.
    let owned_in_circles = whole(vec![entry(1, member(2, &address(2))), entry(2, member(1, &address(1)))]);
    elp.post("", &owned_in_circles).await.expect(422);
    let twice = whole(vec![entry(1, patient()), entry(1, patient())]);
    let refused = elp.post("", &twice).await;
    assert!([400, 422].contains(&refused.status), "one address for two: {refused}");
    nothing_happened(&elp).await;
    let circle = whole(vec![entry(1, own), entry(2, member(3, &address(1))), entry(3, member(2, &address(1)))]);
    elp.post("", &circle).await.expect(200);
    let id = elp.search("Patient").await[0]["id"].as_str().expect("an id").to_owned();
    let mut stored = patient();
    stored["id"] = json!(id);
    let path = format!("Patient/{id}");
    let same = [("PUT", path.as_str(), Some(stored.clone())), ("PUT", path.as_str(), Some(stored))];
    elp.post("", &bundle("transaction", &same)).await.expect(422);
    assert_eq!(elp.get(format!("{path}/_history")).await.expect(200).resources().len(), 1, "nothing was written");
}

async fn attack_42_a_key_twice_is_refused_wherever_it_is(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let bodies = [
        r#"{"resourceType": "Patient", "resourceType": "Consent"}"#,
        r#"{"resourceType": "Patient", "resourc\u0065Type": "Patient"}"#,
        r#"{"resourceType": "Patient", "name": [{"family": "a", "family": "b"}]}"#,
    ];
    for body in bodies {
        elp.post_bytes("Patient", body).await.expect(400);
        let entry = format!(r#"{{"resource": {body}, "request": {{"method": "POST", "url": "Patient"}}}}"#);
        for kind in ["batch", "transaction"] {
            let bundle = format!(r#"{{"resourceType": "Bundle", "type": "{kind}", "entry": [{entry}]}}"#);
            elp.post_bytes("", bundle).await.expect(400);
        }
    }
    nothing_happened(&elp).await;
}

async fn attack_43_what_is_not_text_is_refused_and_the_rest_kept_byte_for_byte(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let with = |text: &str| format!(r#"{{"resourceType": "Patient", "name": [{{"family": "{text}"}}]}}"#).into_bytes();
    let mut bad = vec![
        with(r"\ud800"),
        with(r"\udc00\ud800"),
        with(r"\u0000"),
        with("\u{0}"),
        with("\u{1}"),
        with("\u{1b}[31m"),
        with("\n"),
        with(r"\x41"),
        [b"\xEF\xBB\xBF".to_vec(), with("a")].concat(),
    ];
    for bytes in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"] {
        let mut body = with("@");
        let at = body.iter().position(|byte| *byte == b'@').expect("it is there");
        body.splice(at..=at, bytes.iter().copied());
        bad.push(body);
    }
    for body in bad {
        let answer = elp.post_bytes("Patient", body.clone()).await;
        assert!([400, 422].contains(&answer.status), "{}: {answer}", String::from_utf8_lossy(&body));
    }
    nothing_happened(&elp).await;
    let observation = |value: &str| {
        format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"subject":{{"reference":"Patient/P"}},"valueQuantity":{{"value":{value}}}}}"#
        )
    };
    let record = elp.create(&patient()).await;
    for number in ["1e400", "NaN", "Infinity", "01", "1.", ".5", "+1", "0x10", "\"1\""] {
        let answer =
            elp.post_bytes("Observation", observation(number).replace("Patient/P", &format!("Patient/{record}"))).await;
        assert!([400, 422].contains(&answer.status), "{number}: {answer}");
    }
    assert!(elp.search(format!("Observation?patient={record}")).await.is_empty());
    for number in ["1.00", "-0", "0.123456789012345678", "123456789012345678.5", "1E2"] {
        let body = observation(number).replace("Patient/P", &format!("Patient/{record}"));
        let id = elp.post_bytes("Observation", body).await.expect(201).id();
        let read = elp.get(format!("Observation/{id}")).await.expect(200);
        assert!(String::from_utf8_lossy(&read.bytes).contains(&format!("\"value\":{number}")), "{number}: {read}");
    }
    let turned = "abc\u{202e}def\u{2066}\u{feff}";
    let id = elp.post_bytes("Patient", with(turned)).await.expect(201).id();
    assert_eq!(elp.get(format!("Patient/{id}")).await.expect(200).json["name"][0]["family"], turned);
}

async fn attack_44_a_path_is_never_more_than_a_type_and_an_id(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let long = "a".repeat(65);
    let ids = [
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "%2e%2e%2f",
        "%00",
        "a%00b",
        "%ff",
        "a%0d%0ab",
        "%D9%A1",
        "a_b",
        "a%20b",
        "a%2fb",
        "'%20or%201=1--",
        "%25",
        "\u{661}",
        &long,
    ];
    for id in ids {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let body = (method == Method::PUT).then(|| patient().to_string().into_bytes());
            let answer = elp.send(method.clone(), &format!("Patient/{id}"), &[], body).await;
            if method == Method::GET && ["..", "%2e%2e"].contains(&id) {
                // The client itself makes the base of it, and that is searched.
                assert_eq!((answer.status, &answer.json["type"]), (200, &json!("searchset")), "{id}");
                continue;
            }
            assert!([400, 404, 405, 422].contains(&answer.status), "{method} {id}: {answer}");
        }
        for url in [format!("Patient/{id}"), format!("Patient/{id}/_history/1")] {
            let entries = [("GET", url.as_str(), None)];
            let answer = elp.post("", &bundle("transaction", &entries)).await;
            assert!((400..500).contains(&answer.status), "{url}: {answer}");
        }
    }
    nothing_happened(&elp).await;
}

async fn attack_45_a_search_is_bound_limited_and_strict(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    elp.create(&patient()).await;
    let values = vec!["x"; 10_000].join(",");
    let repeated = vec!["family=x"; 1_000].join("&");
    let refused = [
        "Patient?unheard-of=1",
        "Patient?family:text=x",
        "Patient?family:regex=.*",
        "Patient?_sort=unheard-of",
        "Patient?_sort=family;drop%20table%20resource",
        "Patient?_count=-1",
        "Patient?_count=x",
        "Patient?_count=1e9",
        "Patient?birthdate=%27%20or%201=1--",
        "Patient?_id=%00",
        "Patient?_filter=name%20eq%20x",
        "Patient?_query=x",
        "Patient?_lastUpdated=gt%27",
        &format!("Patient?{repeated}"),
    ];
    for query in refused {
        let answer = elp.get(query).await;
        assert!([400, 404, 413, 422].contains(&answer.status), "{query}: {answer}");
    }
    let answer = elp.post_search("Patient", &format!("family={values}")).await;
    assert!([400, 413].contains(&answer.status), "{answer}");
    for text in [
        "%27%20or%201=1--",
        "%25",
        "_",
        "%5C",
        "%5C%25",
        "x%27)%20union%20select%20body%20from%20resource--",
        "%24%241%24%24",
    ] {
        assert!(elp.search(format!("Patient?family={text}")).await.is_empty(), "{text} is a text");
    }
    assert_eq!(elp.search("Patient?_count=1000000000").await.len(), 1, "a page is as large as the limit allows");
}

async fn attack_33_an_assertion_is_read_as_strictly_as_a_token(gateway: Gateway) {
    let key = MachineKey::fresh(jsonwebtoken::Algorithm::ES384, "k-1");
    let good = assertion(&gateway, "elp-1-ehr");
    for (name, value) in [
        ("exp", json!("9999999999")),
        ("exp", json!(1e300)),
        ("exp", json!(-1)),
        ("exp", json!(9.5)),
        ("exp", json!(null)),
        ("exp", json!([9_999_999_999_i64])),
        ("jti", json!(null)),
        ("jti", json!("")),
        ("jti", json!("\u{0}")),
        ("jti", json!("x".repeat(10_000))),
        ("sub", json!("' or 1=1--")),
        ("iss", json!("../elp-1-ehr")),
        ("aud", json!([])),
    ] {
        let mut claims = good.clone();
        claims[name] = value.clone();
        let answer = ask(&gateway, &key.sign(&claims), "system/*.rs").await;
        assert!([400, 401].contains(&answer.status), "{name}: {value}: {answer}");
    }
    for text in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "eyJhbGciOiJub25lIn0..", "\u{0}", &"A".repeat(20_000)] {
        let answer = ask(&gateway, text, "system/*.rs").await;
        assert!([400, 401].contains(&answer.status), "{text}: {answer}");
    }
}

stories!(
    attack_33_an_assertion_is_read_as_strictly_as_a_token,
    attack_39_no_depth_of_nesting_is_walked,
    attack_40_a_packed_body_is_not_unpacked,
    attack_40_what_is_too_large_is_refused_at_its_limit,
    attack_41_a_bundle_of_too_many_is_refused_whole,
    attack_41_entries_that_refer_in_circles_or_meet_are_decided_by_rule,
    attack_42_a_key_twice_is_refused_wherever_it_is,
    attack_43_what_is_not_text_is_refused_and_the_rest_kept_byte_for_byte,
    attack_44_a_path_is_never_more_than_a_type_and_an_id,
    attack_45_a_search_is_bound_limited_and_strict,
);
