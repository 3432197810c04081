//! Who asks too often (36, and the fourth of OWASP's list for APIs): told when to come back, and nobody else pays for it.

use serde_json::json;
use wellgate_tests::gateway::{Gateway, Options};
use wellgate_tests::machine::{post_form, url};
use wellgate_tests::resources::{bundle, patient};
use wellgate_tests::stories;

fn slow() -> Options {
    let settings = vec![
        ("WELLGATE_LIMITS_CLIENT_REQUESTS_PER_SECOND_MAX", "2"),
        ("WELLGATE_LIMITS_UNAUTHENTICATED_PER_MINUTE_MAX", "2"),
    ];
    Options { settings, ..Options::default() }
}

fn counted(gateway: &Gateway, wanted: &str) -> i64 {
    let refusals = gateway.app.refusals.take();
    refusals.into_iter().filter(|((_, limit), _)| *limit == wanted).map(|(_, count)| count).sum()
}

async fn attack_36_a_client_that_asks_too_often_is_told_when_to_come_back(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for _ in 0..3 {
        elp.get("Patient").await.expect(200);
    }
    elp.create(&patient()).await;
    let refused = elp.post("Patient", &patient()).await.expect(429);
    assert_eq!((refused.issues()[0].0.as_str(), refused.header("retry-after")), ("throttled", "1"));
    gateway.as_("elp-2").get("Patient").await.expect(200);
    assert_eq!(counted(&gateway, "client-rate"), 1);
    gateway.advance(1_000);
    assert_eq!(elp.search("Patient").await.len(), 1, "what was refused is not stored");
}

async fn attack_36_an_entry_of_a_bundle_counts_as_a_request(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let entries = vec![("GET", "Patient/never-was", None); 6];
    elp.post("", &bundle("batch", &entries)).await.expect(200);
    elp.get("Patient").await.expect(429);
    gateway.advance(1_000);
    elp.get("Patient").await.expect(429);
    gateway.advance(1_000);
    elp.get("Patient").await.expect(200);
}

async fn attack_36_an_address_that_proves_nothing_too_often_is_shut_out_for_a_while(gateway: Gateway) {
    let nobody = gateway.as_("elp-1").with_bearer("nonsense");
    for _ in 0..3 {
        nobody.get("Patient").await.expect(401);
    }
    post_form(&gateway, "oauth/token", &[("grant_type", "password")]).await.expect(400);
    let refused = gateway.as_("elp-1").get("Patient").await.expect(429);
    assert_eq!(refused.header("retry-after"), "30");
    let refused = post_form(&gateway, "oauth/token", &[]).await.expect(429);
    assert_eq!((&refused.json["error"], refused.header("retry-after")), (&json!("temporarily_unavailable"), "30"));
    for path in ["fhir/metadata", "healthz", "readyz", "metrics"] {
        let answer = gateway.http.get(url(&gateway, path)).send().await.expect("it answers");
        assert_eq!(answer.status(), 200, "{path}");
    }
    assert_eq!(counted(&gateway, "address-rate"), 2);
    gateway.advance(30_000);
    gateway.as_("elp-1").get("Patient").await.expect(200);
}

stories!(
    with slow;
    attack_36_a_client_that_asks_too_often_is_told_when_to_come_back,
    attack_36_an_entry_of_a_bundle_counts_as_a_request,
    attack_36_an_address_that_proves_nothing_too_often_is_shut_out_for_a_while,
);
