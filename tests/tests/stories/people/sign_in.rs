//! To the provider and back: who is signed in, and everything that signs nobody in.

use gateway::auth::browser::secret_hash;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use wellgate_tests::browser::{Browser, SESSION_COOKIE, SIGN_IN_COOKIE};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::machine::{MachineKey, url};
use wellgate_tests::stories;

use super::{counted, trail, with_people};

async fn somebody_signs_in_and_gets_a_session_that_only_the_browser_knows(gateway: Gateway) {
    gateway.employ("an", "elp-1", Some("psychologist-1"), &["care-provider"]).await;
    let browser = Browser::new(&gateway);
    let asked = browser.go("sign-in").await;
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "wellgate-test"),
        ("scope", "openid"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", &url(&gateway, "sign-in/callback")),
        ("tenant", "1"),
    ] {
        assert_eq!(asked.get(name), value, "{name}");
    }
    for name in ["state", "nonce", "code_challenge"] {
        assert_eq!(asked.get(name).len(), 43, "{name}");
    }
    let provider = browser.provider();
    let code = provider.code(&asked, provider.key.sign(&provider.claims(&asked, "an", gateway.clock.now_ms())));
    let answer = browser.come_back(&asked, &code).await.expect(303);
    assert_eq!(answer.header("location"), "/account");
    let cookies: Vec<&str> = answer.headers.get_all("set-cookie").iter().filter_map(|one| one.to_str().ok()).collect();
    let secret = browser.cookie(SESSION_COOKIE);
    assert_eq!(cookies[0], format!("{SESSION_COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Lax"));
    assert_eq!(browser.cookie(SIGN_IN_COOKIE), "", "the other cookie is gone");
    assert_eq!(cookies.len(), 2, "and there is no third");

    let told = browser.get("session").await.expect(200).json;
    assert_eq!((&told["role"], &told["organization"]), (&json!("care-provider"), &json!("elp-1")));
    let store = &gateway.app.store;
    assert!(store.session(&secret).await.expect("it answers").is_none(), "the database has a hash of it alone");
    assert!(store.session(&secret_hash(&secret)).await.expect("it answers").is_some());
    let page = browser.get("account").await.expect(200);
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe") && !policy.contains("script"),
        "{policy}"
    );
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(String::from_utf8_lossy(&page.bytes).contains("Test an"), "{page}");
    assert!(trail(&gateway, "elp-1").await.contains(&"sign-in".to_owned()));
}

async fn a_state_that_is_missing_used_or_of_another_browser_signs_nobody_in(gateway: Gateway) {
    gateway.employ("an", "elp-1", Some("psychologist-1"), &["care-provider"]).await;
    let (browser, victim) = (Browser::new(&gateway), Browser::new(&gateway));
    let provider = browser.provider();
    let good = |asked: &_| {
        let token = provider.key.sign(&provider.claims(asked, "an", gateway.clock.now_ms()));
        provider.code(asked, token)
    };
    let (asked, of_victim) = (browser.go("sign-in").await, victim.go("sign-in").await);
    let issuer = provider.issuer.as_str();
    let code = good(&asked);
    let state = asked.get("state");
    // Another's answer, brought to a browser that began a sign-in of its own.
    victim.come_back(&asked, &code).await.expect(400);
    // And to one that began none.
    Browser::new(&gateway).come_back(&asked, &code).await.expect(400);
    for parameters in [
        vec![("code", code.as_str()), ("iss", issuer)],
        vec![("state", ""), ("code", &code), ("iss", issuer)],
        vec![("state", of_victim.get("state")), ("code", &code), ("iss", issuer)],
        vec![("state", state), ("state", state), ("code", &code), ("iss", issuer)],
        vec![("state", asked.get("nonce")), ("code", &code), ("iss", issuer)],
    ] {
        browser.come_back_with(&parameters).await.expect(400);
        assert_eq!(browser.cookie(SESSION_COOKIE), "", "{parameters:?}");
    }
    assert_eq!(counted(&gateway, "sign-in-state"), 7);
    // None of that used it up.
    let kept = browser.cookie(SIGN_IN_COOKIE);
    browser.come_back(&asked, &code).await.expect(303);
    // The same answer a second time, with the cookie that went with it.
    browser.put_cookie(SIGN_IN_COOKIE, &kept);
    browser.put_cookie(SESSION_COOKIE, "");
    browser.come_back(&asked, &good(&asked)).await.expect(400);
    assert_eq!((browser.cookie(SESSION_COOKIE).as_str(), counted(&gateway, "sign-in-state")), ("", 1));

    let asked = browser.go("sign-in").await;
    gateway.advance(10 * 60_000);
    browser.come_back(&asked, &good(&asked)).await.expect(400);
    let asked = browser.go("sign-in").await;
    let changed = browser.cookie(SIGN_IN_COOKIE).replace('.', "a.");
    browser.put_cookie(SIGN_IN_COOKIE, &changed);
    browser.come_back(&asked, &good(&asked)).await.expect(400);
    assert_eq!((browser.cookie(SESSION_COOKIE).as_str(), counted(&gateway, "sign-in-state")), ("", 2));
}

async fn an_answer_that_is_not_the_providers_signs_nobody_in(gateway: Gateway) {
    gateway.employ("an", "elp-1", Some("psychologist-1"), &["care-provider"]).await;
    let browser = Browser::new(&gateway);
    let provider = browser.provider();
    for issuer in [None, Some("https://evil.example"), Some("")] {
        let asked = browser.go("sign-in").await;
        let code = provider.code(&asked, provider.key.sign(&provider.claims(&asked, "an", gateway.clock.now_ms())));
        let mut parameters = vec![("state", asked.get("state")), ("code", &code)];
        parameters.extend(issuer.map(|issuer| ("iss", issuer)));
        browser.come_back_with(&parameters).await.expect(400);
    }
    assert_eq!((counted(&gateway, "sign-in-issuer"), browser.cookie(SESSION_COOKIE)), (3, String::new()));
    let asked = browser.go("sign-in").await;
    let refused = [("state", asked.get("state")), ("error", "access_denied"), ("iss", provider.issuer.as_str())];
    let page = browser.come_back_with(&refused).await.expect(403);
    assert!(!String::from_utf8_lossy(&page.bytes).contains("access_denied"), "nothing is repeated: {page}");
    assert_eq!(counted(&gateway, "sign-in-ended"), 1);
}

/// How claims are made into a token that is none.
type Forged = Box<dyn Fn(&Value) -> String>;

/// 33: and each of these is refused for people as it is for machines.
async fn an_id_token_that_is_not_right_signs_nobody_in(gateway: Gateway) {
    gateway.employ("an", "elp-1", Some("psychologist-1"), &["care-provider"]).await;
    let browser = Browser::new(&gateway);
    let provider = browser.provider();
    let now = gateway.clock.now_ms() / 1_000;
    let set = |name: &'static str, value: Value| -> Box<dyn Fn(&mut Value)> {
        Box::new(move |claims| claims[name] = value.clone())
    };
    let without = |name: &'static str| -> Box<dyn Fn(&mut Value)> {
        Box::new(move |claims| {
            claims.as_object_mut().expect("claims are an object").remove(name);
        })
    };
    let mut wrong = vec![
        ("issuer", set("iss", json!("https://evil.example"))),
        ("issuers", set("iss", json!([provider.issuer, "https://evil.example"]))),
        ("audience", set("aud", json!("another-client"))),
        ("audiences without a party", set("aud", json!(["wellgate-test", "another-client"]))),
        ("party", set("azp", json!("another-client"))),
        ("nonce", set("nonce", json!("another"))),
        ("nonce", set("nonce", json!(7))),
        ("expired", set("exp", json!(now - 31))),
        ("exp", set("exp", json!((now + 60).to_string()))),
        ("exp", set("exp", json!(1e300))),
        ("exp", set("exp", json!(-1))),
        ("old", set("iat", json!(now - 601))),
        ("future", set("iat", json!(now + 31))),
        ("future", set("nbf", json!(now + 31))),
        ("subject", set("sub", json!(""))),
        ("subject", set("sub", json!(["an"]))),
        ("subject", set("sub", json!("a n"))),
    ];
    wrong.extend(["iss", "aud", "exp", "iat", "nonce", "sub"].map(|name| ("missing", without(name))));
    let cases = wrong.len();
    for (what, change) in wrong {
        browser.round("sign-in", "an", |claims| change(claims)).await.expect(400);
        assert_eq!(browser.cookie(SESSION_COOKIE), "", "{what}");
    }
    assert_eq!(counted(&gateway, "sign-in-token"), i64::try_from(cases).expect("a number"));

    let foreign = [MachineKey::fresh(Algorithm::RS256, "p1"), MachineKey::fresh(Algorithm::RS256, "unheard-of")];
    let mut tokens: Vec<Forged> = Vec::new();
    for key in foreign {
        tokens.push(Box::new(move |claims| key.sign(claims)));
    }
    let encode = |value: &Value| {
        use base64::Engine as _;
        base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
    };
    for header in [json!({"alg": "none"}), json!({"alg": "none", "kid": "p1"}), json!({"alg": "HS256", "kid": "p1"})] {
        tokens.push(Box::new(move |claims| format!("{}.{}.", encode(&header), encode(claims))));
    }
    // One that another header was put before.
    for header in [json!({"alg": "RS256", "kid": "p1", "typ": "at+jwt"}), json!({"alg": "RS384", "kid": "p1"})] {
        let key = std::sync::Arc::clone(&provider.key);
        tokens.push(Box::new(move |claims| {
            let signed = key.sign(claims);
            format!(
                "{}.{}",
                encode(&header),
                signed.split_once('.').map(|(_, rest)| rest.to_owned()).unwrap_or_default()
            )
        }));
    }
    for (n, token) in tokens.iter().enumerate() {
        let asked = browser.go("sign-in").await;
        let token = token(&provider.claims(&asked, "an", gateway.clock.now_ms()));
        browser.come_back(&asked, &provider.code(&asked, token)).await.expect(400);
        assert_eq!(browser.cookie(SESSION_COOKIE), "", "{n}");
    }
    assert_eq!(counted(&gateway, "sign-in-token"), 7);
    // For several, and asked for by the gateway: that is right.
    let both = |claims: &mut Value| {
        claims["aud"] = json!(["another-client", "wellgate-test"]);
        claims["azp"] = json!("wellgate-test");
    };
    browser.round("sign-in", "an", both).await.expect(303);
}

async fn a_code_is_good_once_and_with_its_verifier_alone(gateway: Gateway) {
    gateway.employ("an", "elp-1", Some("psychologist-1"), &["care-provider"]).await;
    let (browser, thief) = (Browser::new(&gateway), Browser::new(&gateway));
    let provider = browser.provider();
    let asked = browser.go("sign-in").await;
    let code = provider.code(&asked, provider.key.sign(&provider.claims(&asked, "an", gateway.clock.now_ms())));
    // Whoever took the code has a sign-in of their own, and not the verifier.
    let of_thief = thief.go("sign-in").await;
    thief.come_back(&of_thief, &code).await.expect(400);
    assert_eq!((thief.cookie(SESSION_COOKIE).as_str(), counted(&gateway, "sign-in-code")), ("", 1));
    // Even a provider that does not look at the verifier is no help: the nonce is another's.
    let code = provider.code(&asked, provider.key.sign(&provider.claims(&asked, "an", gateway.clock.now_ms())));
    let of_thief = thief.go("sign-in").await;
    provider.bind(&code, &of_thief);
    thief.come_back(&of_thief, &code).await.expect(400);
    assert_eq!((thief.cookie(SESSION_COOKIE).as_str(), counted(&gateway, "sign-in-token")), ("", 1));
    let asked = browser.go("sign-in").await;
    let code = provider.code(&asked, provider.key.sign(&provider.claims(&asked, "an", gateway.clock.now_ms())));
    browser.come_back(&asked, &code).await.expect(303);
    let asked = thief.go("sign-in").await;
    for code in [code.as_str(), "", &"a".repeat(5_000)] {
        thief.come_back(&asked, code).await.expect(400);
    }
    assert_eq!(thief.cookie(SESSION_COOKIE), "");
}

async fn nobody_is_sent_elsewhere_after_signing_in(gateway: Gateway) {
    let browser = Browser::new(&gateway);
    for (wanted, answered) in [
        ("/session", "/session"),
        ("/fhir/Patient?name=a%2520b", "/fhir/Patient?name=a%20b"),
        ("//evil.example", "/account"),
        ("https://evil.example", "/account"),
        ("/%5Cevil.example", "/account"),
        ("javascript:alert(1)", "/account"),
        ("/a%0d%0aset-cookie: x", "/account"),
        ("", "/account"),
    ] {
        let answer = browser.round(&format!("sign-in?return_to={wanted}"), "guest", |_| {}).await.expect(303);
        assert_eq!(answer.header("location"), answered, "{wanted}");
    }
    let twice = browser.round("sign-in?return_to=/session&return_to=//evil.example", "guest", |_| {}).await.expect(303);
    assert_eq!(twice.header("location"), "/account");
}

async fn a_session_that_was_planted_is_none_and_every_sign_in_has_a_new_one(gateway: Gateway) {
    gateway.employ("an", "elp-1", Some("psychologist-1"), &["care-provider"]).await;
    let (browser, attacker) = (Browser::new(&gateway), Browser::of(&gateway, "guest").await);
    browser.put_cookie(SESSION_COOKIE, "planted-by-somebody-else");
    browser.get("session").await.expect(401);
    browser.sign_in("an").await;
    let first = browser.cookie(SESSION_COOKIE);
    assert_ne!(first, "planted-by-somebody-else");
    // An attacker's own session, planted, does not become the victim's.
    let planted = attacker.cookie(SESSION_COOKIE);
    browser.put_cookie(SESSION_COOKIE, &planted);
    browser.sign_in("an").await;
    attacker.get("session").await.expect(401);
    let second = browser.cookie(SESSION_COOKIE);
    browser.step_up("an").await;
    let third = browser.cookie(SESSION_COOKIE);
    assert!(first != second && second != third, "a new one at every sign-in");
    browser.get("session").await.expect(200);
    browser.put_cookie(SESSION_COOKIE, &second);
    browser.get("session").await.expect(401);
}

async fn whoever_is_nobody_here_signs_in_and_may_nothing(gateway: Gateway) {
    let browser = Browser::of(&gateway, "stranger").await;
    let told = browser.get("session").await.expect(200).json;
    assert_eq!(told["role"], Value::Null);
    let answer = browser.read("Organization/elp-1").await.expect(403);
    assert!(answer.details().contains("no role"), "{answer}");
    assert_eq!(counted(&gateway, "not-registered"), 1);
    // Whatever the provider says of somebody: what is registered counts.
    let claims = |claims: &mut Value| {
        claims["role"] = json!("dpo");
        claims["roles"] = json!(["care-provider"]);
        claims["organization"] = json!("elp-1");
        claims["fhirUser"] = json!("Practitioner/psychologist-1");
    };
    browser.round("sign-in", "stranger", claims).await.expect(303);
    assert_eq!(browser.get("session").await.json["role"], Value::Null);
    gateway.employ("gone", "elp-1", None, &[]).await;
    let answer = browser.round("sign-in", "gone", |_| {}).await.expect(403);
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 1, "the cookie of the sign-in goes: {answer}");
    assert!(trail(&gateway, "elp-1").await.contains(&"sign-in: person-disabled".to_owned()));
}

stories!(with with_people;
    somebody_signs_in_and_gets_a_session_that_only_the_browser_knows,
    a_state_that_is_missing_used_or_of_another_browser_signs_nobody_in,
    an_answer_that_is_not_the_providers_signs_nobody_in,
    an_id_token_that_is_not_right_signs_nobody_in,
    a_code_is_good_once_and_with_its_verifier_alone,
    nobody_is_sent_elsewhere_after_signing_in,
    a_session_that_was_planted_is_none_and_every_sign_in_has_a_new_one,
    whoever_is_nobody_here_signs_in_and_may_nothing,
);
