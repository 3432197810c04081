//! A create that is sent again, and many at once: by a key or a condition they make one resource.

use serde_json::json;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::resources::{observation, patient};
use wellgate_tests::stories;

async fn a_key_makes_a_create_safe_to_repeat(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let key = [("idempotency-key", "TEST-KEY")];
    let first = elp.post_with("Patient", &patient(), &key).await.expect(201);
    let again = elp.post_with("Patient", &patient(), &key).await.expect(201);
    assert_eq!((again.header("location"), again.etag()), (first.header("location"), first.etag()));
    assert!(again.bytes.is_empty(), "a kept body would outlive a withdrawal");
    let mut other = patient();
    other["active"] = json!(false);
    let refused = elp.post_with("Patient", &other, &key).await.expect(422);
    assert_eq!(refused.issues()[0].0, "duplicate");
    elp.post_with("Observation", &observation("x"), &key).await.expect(422);
    assert_eq!(elp.search("Patient").await.len(), 1);
    // A key is its client's own.
    let others = gateway.as_("elp-2").post_with("Patient", &other, &key).await.expect(201);
    assert_ne!(others.id(), first.id());
    elp.post_with("Patient", &patient(), &[("idempotency-key", &"k".repeat(256))]).await.expect(400);
}

async fn many_repeats_at_once_are_one(gateway: Gateway) {
    let key = [("idempotency-key", "TEST-KEY")];
    let elp = gateway.as_("elp-1");
    let body = patient();
    let one = || async { elp.post_with("Patient", &body, &key).await };
    let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
    for answer in [&a, &b, &c, &d] {
        assert_eq!(answer.status, 201, "{answer}");
        assert_eq!(answer.header("location"), a.header("location"));
    }
    assert_eq!(elp.search("Patient").await.len(), 1);
}

async fn a_conditional_create_finds_or_makes_one(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let condition = [("if-none-exist", "identifier=https://ehr.example/patient|TEST-0001")];
    let body = patient();
    let one = || async { elp.post_with("Patient", &body, &condition).await };
    let (a, b, c) = tokio::join!(one(), one(), one());
    let mut statuses = [a.status, b.status, c.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 201], "one makes it, also when all come at once");
    assert_eq!((a.id(), b.id()), (b.id(), c.id()));
    elp.create(&patient()).await;
    elp.post_with("Patient", &patient(), &condition).await.expect(412);
    elp.post_with("Patient", &patient(), &[("if-none-exist", "nonsense=1")]).await.expect(400);
    elp.post_with("Patient", &patient(), &[("if-none-exist", "")]).await.expect(400);
}

stories!(a_key_makes_a_create_safe_to_repeat, many_repeats_at_once_are_one, a_conditional_create_finds_or_makes_one,);
