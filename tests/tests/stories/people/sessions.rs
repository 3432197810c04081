//! How long a session is good, who may use it, and how it ends.

use reqwest::Method;
use serde_json::json;
use wellgate_tests::browser::{Browser, SESSION_COOKIE};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::machine::url;
use wellgate_tests::resources::patient;
use wellgate_tests::stories;

use super::{counted, trail, with_people};

const MINUTE_MS: i64 = 60_000;

async fn a_session_ends_when_it_is_not_used_and_in_any_case(gateway: Gateway) {
    gateway.employ("an", "elp-1", Some("psychologist-1"), &["care-provider"]).await;
    let browser = Browser::of(&gateway, "an").await;
    gateway.advance(30 * MINUTE_MS - 1);
    browser.read("Organization/elp-1").await.expect(200);
    gateway.advance(30 * MINUTE_MS - 1);
    browser.get("session").await.expect(200);
    gateway.advance(30 * MINUTE_MS);
    browser.get("session").await.expect(401);
    let answer = browser.get("fhir/Organization/elp-1").await.expect(401);
    assert_eq!(answer.issues()[0].0, "expired");
    assert_eq!(counted(&gateway, "not-authenticated"), 1);

    let browser = Browser::of(&gateway, "an").await;
    for _ in 0..23 {
        gateway.advance(25 * MINUTE_MS);
        browser.get("session").await.expect(200);
    }
    browser.step_up("an").await;
    gateway.advance(25 * MINUTE_MS);
    let over = browser.get("session").await;
    assert_eq!(over.status, 401, "ten hours are over, whatever was done meanwhile");
}

async fn whoever_signs_out_is_out_here_or_everywhere(gateway: Gateway) {
    gateway.employ("an", "elp-1", Some("psychologist-1"), &["care-provider"]).await;
    gateway.employ("els", "elp-1", Some("psychologist-2"), &["care-provider"]).await;
    let (one, two, three) =
        (Browser::of(&gateway, "an").await, Browser::of(&gateway, "an").await, Browser::of(&gateway, "an").await);
    let other = Browser::of(&gateway, "els").await;
    let secret = one.cookie(SESSION_COOKIE);
    let answer = one.post("sign-out", &[]).await.expect(303);
    assert_eq!((answer.header("location"), one.cookie(SESSION_COOKIE).as_str()), ("/account", ""));
    one.put_cookie(SESSION_COOKIE, &secret);
    one.get("session").await.expect(401);
    two.get("session").await.expect(200);
    two.post("sign-out/everywhere", &[]).await.expect(303);
    three.get("session").await.expect(401);
    other.get("session").await.expect(200);
    let acts = trail(&gateway, "elp-1").await;
    assert_eq!(acts.iter().filter(|act| *act == "sign-out").count(), 2, "{acts:?}");
}

/// Another site may have a browser ask with its cookie, and sees how long the answer is.
async fn what_rests_on_a_cookie_is_never_packed(gateway: Gateway) {
    gateway.employ("an", "elp-1", Some("psychologist-1"), &["care-provider"]).await;
    let long = json!({"resourceType": "Location", "name": "Test", "description": "x".repeat(5_000)});
    let id = gateway.as_("elp-1").create(&long).await;
    let browser = Browser::of(&gateway, "an").await;
    let packed = [("accept-encoding", "gzip")];
    for path in [format!("fhir/Location/{id}"), "fhir/Location".to_owned(), "account".to_owned()] {
        let answer = browser.send(Method::GET, &path, &packed, None).await.expect(200);
        assert_eq!(answer.header("content-encoding"), "", "{path}");
    }
    let by_token = gateway.as_("elp-1").get_with(format!("Location/{id}"), &packed).await.expect(200);
    assert_eq!(by_token.header("content-encoding"), "gzip");
}

/// What rests on a cookie is asked by a page of the gateway's own, and by nobody else's.
async fn a_request_that_another_page_sends_with_the_cookie_does_nothing(gateway: Gateway) {
    gateway.employ("an", "elp-1", Some("psychologist-1"), &["care-provider"]).await;
    let (browser, other) = (Browser::of(&gateway, "an").await, Browser::of(&gateway, "an").await);
    let (token, foreign, root) = (browser.form_token().await, other.form_token().await, url(&gateway, ""));
    let root = root.trim_end_matches('/');
    for (token, headers) in [
        ("", vec![]),
        ("x", vec![]),
        (foreign.as_str(), vec![]),
        (&token, vec![("origin", "https://evil.example")]),
        (&token, vec![("origin", "null")]),
        (&token, vec![("sec-fetch-site", "cross-site")]),
        (&token, vec![("origin", root), ("sec-fetch-site", "same-site")]),
    ] {
        for path in ["sign-out", "sign-out/everywhere", "account/act-as", "account/link"] {
            browser.post_form(path, &[("form_token", token), ("as", "dpo"), ("code", "x")], &headers).await.expect(403);
        }
        let body = Some(patient().to_string());
        let all = [&[("x-csrf-token", token), ("content-type", "application/fhir+json")], headers.as_slice()].concat();
        browser.send(Method::POST, "fhir/Patient", &all, body).await.expect(403);
        browser.get("session").await.expect(200);
    }
    let twice = [("form_token", token.as_str()), ("form_token", &token)];
    browser.post_form("sign-out", &twice, &[]).await.expect(403);
    // A reading is on record under somebody's name: nobody else's page begins one.
    browser.send(Method::GET, "fhir/Organization/elp-1", &[("sec-fetch-site", "cross-site")], None).await.expect(403);
    assert_eq!(gateway.as_("elp-1").search("Patient").await, Vec::<serde_json::Value>::new(), "nothing was stored");
    let acts = trail(&gateway, "elp-1").await;
    for (told, times) in [
        ("sign-out: no-form-token", 7),
        ("link: other-page", 4),
        ("create: no-form-token", 3),
        ("create: other-page", 4),
    ] {
        assert_eq!(acts.iter().filter(|act| *act == told).count(), times, "{told}: {acts:?}");
    }
    // The same, as a page of the gateway's own sends it.
    let own = [("x-csrf-token", token.as_str()), ("content-type", "application/fhir+json"), ("origin", root)];
    browser.send(Method::POST, "fhir/Patient", &own, Some(patient().to_string())).await.expect(201);
}

async fn a_cookie_that_is_there_twice_or_is_not_the_gateways_is_nobodys(gateway: Gateway) {
    gateway.employ("an", "elp-1", Some("psychologist-1"), &["care-provider"]).await;
    let browser = Browser::of(&gateway, "an").await;
    let secret = browser.cookie(SESSION_COOKIE);
    let stranger = Browser::new(&gateway);
    for cookie in [
        format!("{SESSION_COOKIE}=x; {SESSION_COOKIE}={secret}"),
        format!("wellgate={secret}"),
        format!("{SESSION_COOKIE}={}", gateway::auth::browser::secret_hash(&secret)),
        format!("{SESSION_COOKIE}=\"{secret}\""),
        String::new(),
    ] {
        stranger.send(Method::GET, "session", &[("cookie", cookie.as_str())], None).await.expect(401);
        stranger.send(Method::GET, "fhir/Organization/elp-1", &[("cookie", &cookie)], None).await.expect(401);
    }
    let good = format!("a=b; {SESSION_COOKIE}={secret}");
    stranger.send(Method::GET, "session", &[("cookie", &good)], None).await.expect(200);
    // A token that is sent counts, and nothing beside it.
    let both = [("cookie", good.as_str()), ("authorization", "Bearer x")];
    stranger.send(Method::GET, "fhir/Organization/elp-1", &both, None).await.expect(401);
}

async fn whoever_is_disabled_or_loses_a_role_has_lost_it_at_once(gateway: Gateway) {
    gateway.employ("an", "elp-1", Some("psychologist-1"), &["care-provider", "intake"]).await;
    let browser = Browser::of(&gateway, "an").await;
    let replica = gateway.replica().await;
    browser.read("Organization/elp-1").await.expect(200);
    // As the operator's command does it, beside a gateway that looks at who is registered once in a second.
    let issuer = &gateway.provider.as_ref().expect("a provider").issuer;
    let member = replica.app.store.staff().await.expect("it answers").remove(0);
    assert_eq!(&member.subject.issuer, issuer);
    let disabled = gateway::storage::people::StaffMember { active: false, ..member.clone() };
    replica.app.store.put_staff_member(&disabled).await.expect("it is written");
    browser.get("fhir/Organization/elp-1").await.expect(401);
    gateway.app.forget_registry();
    browser.round("sign-in", "an", |_| {}).await.expect(403);

    let with = |roles: &[&str]| gateway::storage::people::StaffMember {
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..member.clone()
    };
    gateway.app.store.put_staff_member(&with(&["care-provider", "intake"])).await.expect("it is written");
    gateway.app.forget_registry();
    browser.sign_in("an").await;
    browser.post("account/act-as", &[("as", "intake")]).await.expect(303);
    assert_eq!(browser.get("session").await.json["role"], json!("intake"));
    for wanted in ["operator", "patient/1", "", "Dpo"] {
        browser.post("account/act-as", &[("as", wanted)]).await.expect(403);
    }
    assert_eq!(browser.get("session").await.json["role"], json!("intake"));
    gateway.app.store.put_staff_member(&with(&["care-provider"])).await.expect("it is written");
    browser.get("session").await.expect(401);
    // The practitioner, or the whole organisation, is shut out: the role rests on them.
    gateway.app.forget_registry();
    browser.sign_in("an").await;
    let rows = gateway.app.store.registry().await.expect("it answers");
    let practitioner = rows.practitioners.into_iter().find(|row| row.id == "psychologist-1").expect("it is there");
    let gone = gateway::storage::registry::Practitioner { active: false, ..practitioner };
    gateway.app.store.put_practitioner(&gone).await.expect("it is written");
    gateway.app.forget_registry();
    browser.read("Organization/elp-1").await.expect(403);
    assert_eq!(browser.get("session").await.json["role"], serde_json::Value::Null);
}

stories!(with with_people;
    a_session_ends_when_it_is_not_used_and_in_any_case,
    whoever_signs_out_is_out_here_or_everywhere,
    a_request_that_another_page_sends_with_the_cookie_does_nothing,
    what_rests_on_a_cookie_is_never_packed,
    a_cookie_that_is_there_twice_or_is_not_the_gateways_is_nobodys,
    whoever_is_disabled_or_loses_a_role_has_lost_it_at_once,
);
