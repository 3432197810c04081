//! Whose token counts: what is wrong with one is 401, what is not registered is 403.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use wellgate_tests::caller::Answer;
use wellgate_tests::gateway::{Gateway, client_id};
use wellgate_tests::resources::patient;
use wellgate_tests::stories;

async fn without_a_good_token_nobody_gets_in(gateway: Gateway) {
    let good = gateway.token_claims("gp-1");
    with(&gateway, &gateway.signed(&good)).await.expect(200);
    let mut bad = vec![
        ("none at all".to_owned(), String::new()),
        ("no token".to_owned(), "TEST".to_owned()),
        ("algorithm none".to_owned(), unsigned(&good)),
        ("a shared secret: the public key".to_owned(), with_secret(&gateway, &good)),
        ("an unknown key".to_owned(), with_key_id(&gateway, &good, "unknown")),
        ("no name of a key".to_owned(), with_key_id(&gateway, &good, "")),
        ("another's signature".to_owned(), resigned(&gateway.signed(&good), &gateway.signed(&json!({})))),
        ("other claims under a good signature".to_owned(), reclaimed(&gateway.signed(&good), &good)),
    ];
    for (claim, value) in [
        ("aud", json!("https://elsewhere.example/fhir")),
        ("aud", json!([])),
        ("iss", json!("https://elsewhere.example")),
        ("exp", json!("9999999999")),
        ("exp", json!(-1)),
        ("exp", json!(4_102_444_800.5)),
        ("nbf", json!("0")),
        ("scope", json!(["system/*.cruds"])),
        ("client_id", json!("")),
        ("client_id", json!(["gp-1-ehr"])),
        ("organization", json!({"id": "gp-1"})),
        ("purpose_of_use", json!(["TREAT", "HPAYMT"])),
        ("azp", json!("another-ehr")),
    ] {
        let mut claims = good.clone();
        claims[claim] = value.clone();
        bad.push((format!("{claim}: {value}"), gateway.signed(&claims)));
    }
    for claim in ["aud", "iss", "exp", "client_id", "organization", "purpose_of_use", "scope"] {
        let mut claims = good.clone();
        claims.as_object_mut().expect("an object").shift_remove(claim);
        bad.push((format!("no {claim}"), gateway.signed(&claims)));
    }
    let number = i64::try_from(bad.len()).expect("a few");
    for (name, token) in bad {
        let answer = with(&gateway, &token).await;
        assert_eq!(answer.status, 401, "{name}: {answer}");
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{name}");
        assert_eq!(answer.issues()[0].0, "login", "{name}");
    }
    let counted: i64 = gateway
        .app
        .refusals
        .take()
        .iter()
        .filter(|((_, reason), _)| *reason == "not-authenticated")
        .map(|(_, n)| n)
        .sum();
    assert_eq!(counted, number, "each is counted");
}

async fn a_token_is_good_from_its_beginning_to_its_end(gateway: Gateway) {
    let mut claims = gateway.token_claims("gp-1");
    let token = gateway.signed(&claims);
    with(&gateway, &token).await.expect(200);
    gateway.advance((600 + 31) * 1_000);
    let expired = with(&gateway, &token).await.expect(401);
    assert_eq!(expired.issues()[0].0, "expired");
    let now = gateway.clock.now_ms() / 1_000;
    claims["exp"] = json!(now + 600);
    claims["nbf"] = json!(now + 60);
    with(&gateway, &gateway.signed(&claims)).await.expect(401);
}

async fn what_is_not_registered_is_forbidden(gateway: Gateway) {
    for (claim, value) in [
        ("client_id", json!("nobody-ehr")),
        ("client_id", json!(client_id("elp-1"))),
        ("organization", json!("elp-1")),
        ("organization", json!("nobody")),
        ("purpose_of_use", json!("HOPERAT")),
        ("purpose_of_use", json!("BTG")),
        ("purpose_of_use", json!("TEST")),
        ("practitioner", json!("psychologist-1")),
        ("practitioner", json!("nobody")),
    ] {
        let mut claims = gateway.token_claims("gp-1");
        claims[claim] = value.clone();
        let answer = with(&gateway, &gateway.signed(&claims)).await;
        assert_eq!(answer.status, 403, "{claim}: {value}: {answer}");
        assert_eq!(answer.issues()[0].0, "forbidden");
    }
    gateway.as_("elp-1").by_practitioner("psychologist-1").get("Patient").await.expect(200);
}

async fn a_disabled_client_is_refused_within_a_second(gateway: Gateway) {
    let gp = gateway.as_("gp-1");
    gp.get("Patient").await.expect(200);
    let mut registered = gateway.app.store.registry().await.expect("the database answers").clients;
    let mut client =
        registered.remove(registered.iter().position(|client| client.id == client_id("gp-1")).expect("registered"));
    client.active = false;
    gateway.app.store.put_client(&client).await.expect("the database answers");
    gateway.advance(1_000);
    let refused = gp.get("Patient").await.expect(403);
    assert_eq!(refused.issues()[0].0, "forbidden");
    gateway.as_("elp-1").get("Patient").await.expect(200);
}

async fn a_scope_grants_its_types_and_interactions_only(gateway: Gateway) {
    let own = gateway.as_("gp-1").create(&patient()).await;
    let address = format!("Patient/{own}");
    let none = gateway.as_("gp-1").with_scope("patient/*.cruds user/*.cruds openid");
    none.get(&address).await.expect(403);
    let reads = gateway.as_("gp-1").with_scope("system/Patient.r");
    reads.get(&address).await.expect(200);
    reads.get("Patient").await.expect(403);
    reads.get("Patient/_history").await.expect(403);
    reads.post("Patient", &patient()).await.expect(403);
    reads.delete(&address).await.expect(403);
    reads.get("Observation/1").await.expect(403);
    // Refused before anything is looked up, so a foreign id answers no differently.
    assert_eq!(none.get(&address).await.told(), none.get("Patient/never-was").await.told());
}

async fn a_scope_holds_within_a_bundle_too(gateway: Gateway) {
    let reads = gateway.as_("gp-1").with_scope("system/*.rs");
    let entry = |kind: &str| {
        json!({"resourceType": "Bundle", "type": kind,
        "entry": [{"resource": patient(), "request": {"method": "POST", "url": "Patient"}}]})
    };
    reads.post("", &entry("transaction")).await.expect(403);
    let batch = reads.post("", &entry("batch")).await.expect(200);
    assert_eq!(batch.json["entry"][0]["response"]["status"], "403 Forbidden");
    assert_eq!(reads.search("Patient").await.len(), 0);
}

async fn with(gateway: &Gateway, token: &str) -> Answer {
    gateway.as_("gp-1").with_bearer(token).get("Patient").await
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", part(&json!({"alg": "none", "typ": "at+jwt"})), part(claims))
}

fn with_secret(gateway: &Gateway, claims: &Value) -> String {
    let key = gateway.key();
    let mut header = Header::new(Algorithm::HS256);
    header.kid = key["kid"].as_str().map(str::to_owned);
    let secret = EncodingKey::from_secret(key.to_string().as_bytes());
    jsonwebtoken::encode(&header, claims, &secret).expect("a secret signs")
}

/// The same signature does not cover another header; the key must be looked up to know.
fn with_key_id(gateway: &Gateway, claims: &Value, key_id: &str) -> String {
    let signed = gateway.signed(claims);
    let mut parts: Vec<String> = signed.split('.').map(str::to_owned).collect();
    let header = if key_id.is_empty() { json!({"alg": "ES256"}) } else { json!({"alg": "ES256", "kid": key_id}) };
    parts[0] = part(&header);
    parts.join(".")
}

fn resigned(token: &str, other: &str) -> String {
    let kept = token.rsplit_once('.').expect("three parts").0;
    format!("{kept}.{}", other.rsplit_once('.').expect("three parts").1)
}

fn reclaimed(token: &str, claims: &Value) -> String {
    let mut claims = claims.clone();
    claims["organization"] = json!("elp-1");
    let parts: Vec<&str> = token.split('.').collect();
    [parts[0], &part(&claims), parts[2]].join(".")
}

stories!(
    without_a_good_token_nobody_gets_in,
    a_token_is_good_from_its_beginning_to_its_end,
    what_is_not_registered_is_forbidden,
    a_disabled_client_is_refused_within_a_second,
    a_scope_grants_its_types_and_interactions_only,
    a_scope_holds_within_a_bundle_too,
);
