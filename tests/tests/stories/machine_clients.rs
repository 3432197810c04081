//! Machine clients: what proves who they are, what they get for it, and everything that does not.

use gateway::storage::registry::{Client, ClientKeys};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::machine::{MachineKey, ask, assertion, post, post_form, url};
use wellgate_tests::resources::patient;
use wellgate_tests::stories;

const ID: &str = "elp-1-backend";

/// Registers a client of elp-1 with these keys.
async fn register(gateway: &Gateway, keys: ClientKeys, scopes: &str) {
    let client = Client {
        id: ID.to_owned(),
        organization_id: "elp-1".to_owned(),
        purposes: vec!["TREAT".to_owned(), "HPAYMT".to_owned()],
        active: true,
        person_app: false,
        keys: Some(keys),
        scopes: scopes.to_owned(),
    };
    gateway.app.store.put_client(&client).await.expect("a client is registered");
    gateway.app.forget_registry();
}

async fn with_key(gateway: &Gateway, algorithm: Algorithm, scopes: &str) -> MachineKey {
    let key = MachineKey::fresh(algorithm, "k1");
    register(gateway, ClientKeys::Inline(MachineKey::set(&[&key])), scopes).await;
    key
}

async fn a_client_proves_itself_with_each_algorithm_and_uses_its_token(gateway: Gateway) {
    let told = gateway.http.get(url(&gateway, "fhir/.well-known/smart-configuration")).send().await.expect("an answer");
    let told: Value = serde_json::from_slice(&told.bytes().await.expect("a body")).expect("JSON");
    assert_eq!(told["token_endpoint"], url(&gateway, "oauth/token"));
    assert_eq!(told["token_endpoint_auth_methods_supported"], json!(["private_key_jwt"]));
    for algorithm in [Algorithm::ES384, Algorithm::RS384, Algorithm::ES256, Algorithm::RS256] {
        let key = with_key(&gateway, algorithm, "system/*.rs system/Patient.c").await;
        let mut claims = assertion(&gateway, ID);
        claims["extensions"]["hl7-b2b"]["subject_id"] = json!("psychologist-1");
        let given = ask(&gateway, &key.sign(&claims), "system/*.cruds").await.expect(200);
        assert_eq!(given.header("cache-control"), "no-store");
        assert_eq!(given.json["scope"], "system/*.rs system/Patient.c", "{algorithm:?}: what both are");
        assert_eq!((&given.json["token_type"], &given.json["expires_in"]), (&json!("bearer"), &json!(300)));
        let bearer = given.json["access_token"].as_str().expect("a token");
        let caller = gateway.as_("elp-1").with_bearer(bearer);
        let id = caller.create(&patient()).await;
        caller.get(format!("Patient/{id}")).await.expect(200);
        caller.delete(format!("Patient/{id}")).await.expect(403);
        let trail = gateway.as_("elp-1").search(format!("AuditEvent?patient={id}")).await;
        assert!(trail.iter().any(|event| event["agent"].to_string().contains("psychologist-1")), "{trail:?}");
        gateway.advance(331_000);
        caller.get(format!("Patient/{id}")).await.expect(401);
    }
    let own = gateway.as_("elp-1").search("AuditEvent?_count=500").await;
    let given = own.iter().filter(|event| event["subtype"][0]["code"] == "token");
    assert_eq!(given.count(), 4, "each token is on record");
}

async fn what_does_not_prove_the_client_gets_nothing_and_is_told_nothing(gateway: Gateway) {
    let key = with_key(&gateway, Algorithm::ES384, "system/*.rs").await;
    let other = MachineKey::fresh(Algorithm::ES384, "k1");
    let good = assertion(&gateway, ID);
    let now = gateway.clock.now_ms() / 1_000;
    let with = |name: &str, value: Value| {
        let mut claims = assertion(&gateway, ID);
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = assertion(&gateway, ID);
        claims.as_object_mut().expect("an object").remove(name);
        claims
    };
    let mut refused = vec![
        ("of another key", other.sign(&good)),
        ("of an unknown key", MachineKey::fresh(Algorithm::ES384, "k2").sign(&good)),
        ("of another algorithm", MachineKey::fresh(Algorithm::ES256, "k1").sign(&good)),
        ("of an unknown client", key.sign(&assertion(&gateway, "nobody"))),
        ("of a client without keys", key.sign(&assertion(&gateway, "elp-1-ehr"))),
        ("nothing", "a.b.c".to_owned()),
    ];
    for (what, claims) in [
        ("another subject", with("sub", json!("elp-1-ehr"))),
        ("no subject", without("sub")),
        ("the FHIR base as audience", with("aud", json!(gateway.base))),
        ("another audience", with("aud", json!("https://other.example.org/oauth/token"))),
        ("no audience", without("aud")),
        ("no end", without("exp")),
        ("ended", with("exp", json!(now - 31))),
        ("an end that is far off", with("exp", json!(now + 3_600))),
        ("a text for an end", with("exp", json!((now + 60).to_string()))),
        ("a fraction for an end", with("exp", json!(60.5))),
        ("a negative end", with("exp", json!(-1))),
        ("a huge end", with("exp", json!(u64::MAX))),
        ("not yet good", with("nbf", json!(now + 100))),
        ("no id", without("jti")),
        ("two issuers", with("iss", json!([ID, "elp-1-ehr"]))),
        ("two purposes", with("extensions", json!({"hl7-b2b": {"purpose_of_use": ["TREAT", "HPAYMT"]}}))),
    ] {
        refused.push((what, key.sign(&claims)));
    }
    let mut told = Vec::new();
    for (what, text) in &refused {
        let answer = ask(&gateway, text, "system/*.rs").await;
        assert_eq!((answer.status, &answer.json["error"]), (401, &json!("invalid_client")), "{what}: {answer}");
        told.push(answer.bytes);
    }
    told.dedup();
    assert_eq!(told.len(), 1, "whatever is wrong, the answer is the same");

    let shown = key.sign(&good);
    ask(&gateway, &shown, "system/*.rs").await.expect(200);
    ask(&gateway, &shown, "system/*.rs").await.expect(401);
    let replica = gateway.replica().await;
    let at_replica = |id: &Value| {
        let mut claims = assertion(&replica, ID);
        claims["jti"] = id.clone();
        key.sign(&claims)
    };
    ask(&replica, &at_replica(&good["jti"]), "system/*.rs").await.expect(401);
    ask(&replica, &at_replica(&json!("another")), "system/*.rs").await.expect(200);
    let own = gateway.as_("elp-1").search("AuditEvent?_count=500").await;
    assert_eq!(own.iter().filter(|event| event["subtype"][0]["code"] == "token").count(), 2);
}

async fn what_is_asked_wrongly_is_refused_by_its_name(gateway: Gateway) {
    let key = with_key(&gateway, Algorithm::ES384, "system/Patient.rs").await;
    let fresh = || key.sign(&assertion(&gateway, ID));
    let b2b = |extension: Value| {
        let mut claims = assertion(&gateway, ID);
        claims["extensions"] = json!({"hl7-b2b": extension});
        key.sign(&claims)
    };
    let grant = ("grant_type", "client_credentials");
    for (assertion, further, error, part) in [
        (fresh(), vec![("scope", "system/*.rs")], "invalid_request", "grant_type"),
        (fresh(), vec![("grant_type", "password"), ("scope", "system/*.rs")], "unsupported_grant_type", ""),
        (fresh(), vec![grant], "invalid_request", "scope"),
        (fresh(), vec![grant, ("scope", "system/Task.rs")], "invalid_scope", ""),
        (fresh(), vec![grant, ("scope", "patient/Patient.rs")], "invalid_scope", ""),
        (fresh(), vec![grant, ("scope", "system/*.rs"), ("scope", "system/*.rs")], "invalid_request", "scope"),
        (fresh(), vec![grant, ("scope", "system/*.rs"), ("client_id", "elp-1-ehr")], "invalid_client", ""),
        (b2b(json!({})), vec![grant, ("scope", "system/*.rs")], "invalid_request", "purpose_of_use"),
        (
            b2b(json!({"purpose_of_use": "HRESCH"})),
            vec![grant, ("scope", "system/*.rs")],
            "invalid_request",
            "purpose_of_use",
        ),
        (
            b2b(json!({"purpose_of_use": "BTG"})),
            vec![grant, ("scope", "system/*.rs")],
            "invalid_request",
            "purpose_of_use",
        ),
        (
            b2b(json!({"purpose_of_use": "TREAT", "subject_id": "doctor-1"})),
            vec![grant, ("scope", "system/*.rs")],
            "invalid_request",
            "subject_id",
        ),
    ] {
        let answer = post(&gateway, "oauth/token", &assertion, &further).await;
        assert_eq!(answer.json["error"], error, "{further:?}: {answer}");
        assert!(answer.json["error_description"].as_str().is_some_and(|text| text.contains(part)), "{answer}");
        assert!(answer.status == 400 || error == "invalid_client", "{answer}");
    }
    let answer = post_form(
        &gateway,
        "oauth/token",
        &[grant, ("scope", "system/*.rs"), ("client_id", ID), ("client_secret", "x")],
    )
    .await;
    assert_eq!(answer.json["error"], "invalid_request", "a secret is no proof");
    ask(&gateway, &b2b(json!({"purpose_of_use": "HPAYMT"})), "system/*.rs").await.expect(200);
}

async fn a_token_is_asked_about_and_taken_back_by_its_client_alone(gateway: Gateway) {
    let key = with_key(&gateway, Algorithm::ES384, "system/*.rs").await;
    let fresh = || key.sign(&assertion(&gateway, ID));
    let given = ask(&gateway, &fresh(), "system/*.rs").await.expect(200);
    let token = given.json["access_token"].as_str().expect("a token").to_owned();
    let others = gateway.token(&gateway::auth::TokenGrant {
        client_id: "gp-1-ehr",
        organization_id: "gp-1",
        practitioner_id: None,
        fhir_user: None,
        purpose: "TREAT",
        scope: "system/*.rs",
        certificate: None,
        lifetime_seconds: 300,
    });
    let active = post(&gateway, "oauth/introspect", &fresh(), &[("token", &token)]).await.expect(200).json;
    assert_eq!(
        (&active["active"], &active["scope"], &active["client_id"]),
        (&json!(true), &json!("system/*.rs"), &json!(ID))
    );
    for text in [others.as_str(), "x", "a.b.c"] {
        let inactive = post(&gateway, "oauth/introspect", &fresh(), &[("token", text)]).await.expect(200).json;
        assert_eq!(inactive, json!({"active": false}), "{text}");
        post(&gateway, "oauth/revoke", &fresh(), &[("token", text)]).await.expect(200);
    }
    post_form(&gateway, "oauth/introspect", &[("token", &token)]).await.expect(400);
    gateway.as_("gp-1").with_bearer(&others).get("Organization/gp-1").await.expect(200);

    let caller = gateway.as_("elp-1").with_bearer(&token);
    caller.get("Organization/elp-1").await.expect(200);
    post(&gateway, "oauth/revoke", &fresh(), &[("token", &token)]).await.expect(200);
    caller.get("Organization/elp-1").await.expect(401);
    let after = post(&gateway, "oauth/introspect", &fresh(), &[("token", &token)]).await.expect(200).json;
    assert_eq!(after, json!({"active": false}));

    // What another replica took back is refused here within a second.
    let given = ask(&gateway, &fresh(), "system/*.rs").await.expect(200);
    let token = given.json["access_token"].as_str().expect("a token").to_owned();
    let told = post(&gateway, "oauth/introspect", &fresh(), &[("token", &token)]).await.expect(200).json;
    let caller = gateway.as_("elp-1").with_bearer(&token);
    caller.get("Organization/elp-1").await.expect(200);
    let (id, replica) = (told["jti"].as_str().expect("an id"), gateway.replica().await);
    replica.app.store.revoke_token(id, gateway.clock.now_ms() + 300_000).await.expect("it is taken back");
    gateway.advance(1_000);
    caller.get("Organization/elp-1").await.expect(401);
}

async fn rotated_keys_and_a_disabled_client_are_refused_at_once(gateway: Gateway) {
    let old = with_key(&gateway, Algorithm::ES384, "system/*.rs").await;
    let given = ask(&gateway, &old.sign(&assertion(&gateway, ID)), "system/*.rs").await.expect(200);
    let new = MachineKey::fresh(Algorithm::RS384, "k2");
    register(&gateway, ClientKeys::Inline(MachineKey::set(&[&old, &new])), "system/*.rs").await;
    for key in [&old, &new] {
        ask(&gateway, &key.sign(&assertion(&gateway, ID)), "system/*.rs").await.expect(200);
    }
    register(&gateway, ClientKeys::Inline(MachineKey::set(&[&new])), "system/*.rs").await;
    ask(&gateway, &old.sign(&assertion(&gateway, ID)), "system/*.rs").await.expect(401);
    ask(&gateway, &new.sign(&assertion(&gateway, ID)), "system/*.rs").await.expect(200);

    let rows = gateway.app.store.registry().await.expect("it answers");
    let client = rows.clients.into_iter().find(|client| client.id == ID).expect("it is registered");
    gateway.app.store.put_client(&Client { active: false, ..client }).await.expect("it is disabled");
    gateway.app.forget_registry();
    ask(&gateway, &new.sign(&assertion(&gateway, ID)), "system/*.rs").await.expect(401);
    let bearer = given.json["access_token"].as_str().expect("a token");
    gateway.as_("elp-1").with_bearer(bearer).get("Organization/elp-1").await.expect(403);
}

async fn keys_by_url_are_fetched_once_whatever_assertions_ask_for(gateway: Gateway) {
    let (first, second) = (MachineKey::fresh(Algorithm::ES384, "k1"), MachineKey::fresh(Algorithm::ES384, "k2"));
    let served = std::sync::Arc::new(std::sync::Mutex::new(MachineKey::set(&[&first])));
    let (told, asked) = (std::sync::Arc::clone(&served), std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    let counted = std::sync::Arc::clone(&asked);
    let answer = move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let text = told.lock().expect("not poisoned").clone();
        async move { text }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}/jwks.json", listener.local_addr().expect("it is bound"));
    let router = axum::Router::new().route("/jwks.json", axum::routing::get(answer));
    tokio::spawn(async { axum::serve(listener, router).await });
    register(&gateway, ClientKeys::Url(address), "system/*.rs").await;

    for _ in 0..3 {
        ask(&gateway, &first.sign(&assertion(&gateway, ID)), "system/*.rs").await.expect(200);
    }
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1, "keys that are known are not fetched again");
    for _ in 0..20 {
        ask(&gateway, &second.sign(&assertion(&gateway, ID)), "system/*.rs").await.expect(401);
    }
    assert_eq!(
        asked.load(std::sync::atomic::Ordering::Relaxed),
        1,
        "nor for a flood of unknown ones within the minute"
    );
}

stories!(
    a_client_proves_itself_with_each_algorithm_and_uses_its_token,
    what_does_not_prove_the_client_gets_nothing_and_is_told_nothing,
    what_is_asked_wrongly_is_refused_by_its_name,
    a_token_is_asked_about_and_taken_back_by_its_client_alone,
    rotated_keys_and_a_disabled_client_are_refused_at_once,
    keys_by_url_are_fetched_once_whatever_assertions_ask_for,
);
