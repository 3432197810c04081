//! A create that is sent again, and many at once: by a key or a condition they make one resource.

use serde_json::json;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::referral::{bring, place, refusals};
use wellgate_tests::resources::{bundle, encounter, observation, patient};
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
    let last = one().await.expect(201);
    for answer in [&a, &b, &c, &d] {
        match answer.status {
            409 => assert_eq!((answer.issues()[0].0.as_str(), answer.header("retry-after")), ("conflict", "1")),
            _ => assert_eq!((answer.status, answer.header("location")), (201, last.header("location")), "{answer}"),
        }
    }
    assert!([&a, &b, &c, &d].iter().any(|answer| answer.status == 201), "one of them is worked on");
    assert_eq!(elp.search("Patient").await.len(), 1);
}

async fn a_key_that_is_at_work_is_a_conflict_for_its_owner_alone(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let key = [("idempotency-key", "TEST-KEY")];
    let at_work =
        gateway.app.keys_at_work.begin("elp-1-ehr", &gateway.app.store.veil("TEST-KEY")).expect("nobody has it");
    elp.post_with("Patient", &patient(), &key).await.expect(409);
    let entries = [("POST", "Patient", Some(patient()))];
    elp.post_with("", &bundle("transaction", &entries), &key).await.expect(409);
    assert!(elp.search("Patient").await.is_empty(), "nothing was stored");
    assert_eq!(refusals(&elp, None).await, ["conflict", "conflict"]);
    gateway.as_("elp-2").post_with("Patient", &patient(), &key).await.expect(201);
    elp.post_with("Patient", &patient(), &[("idempotency-key", "ANOTHER")]).await.expect(201);
    drop(at_work);
    elp.post_with("Patient", &patient(), &key).await.expect(201);
}

async fn a_key_that_is_none_is_refused_and_never_ignored(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for key in ["", &"k".repeat(256), "schl\u{fc}ssel"] {
        let refused = elp.post_with("Patient", &patient(), &[("idempotency-key", key)]).await.expect(400);
        assert_eq!(refused.issues(), [("value".to_owned(), "Idempotency-Key".to_owned())]);
    }
    let two = [("idempotency-key", "one"), ("idempotency-key", "two")];
    elp.post_with("Patient", &patient(), &two).await.expect(400);
    let entries = [("POST", "Patient", Some(patient()))];
    elp.post_with("", &bundle("batch", &entries), &[("idempotency-key", "one")]).await.expect(400);
    assert!(elp.search("Patient").await.is_empty(), "nothing was stored");
    elp.post_with("Patient", &patient(), &[("idempotency-key", &"k".repeat(255))]).await.expect(201);
    let conditional = [("idempotency-key", "one"), ("if-none-exist", "identifier=https://ehr.example/patient|x")];
    elp.post_with("Patient", &patient(), &conditional).await.expect(201);
    elp.post_with("Patient", &patient(), &conditional[..1]).await.expect(422);
}

async fn a_repeat_after_a_withdrawal_gives_nothing_back(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    let elp = gateway.as_("elp-1");
    bring(&elp, &placed.task, "accepted").await.expect(200);
    let key = [("idempotency-key", "TEST-KEY")];
    let seen = encounter(&placed.patient);
    let first = elp.post_with("Encounter", &seen, &key).await.expect(201);
    assert!(!first.bytes.is_empty());
    bring(&elp, &placed.task, "completed").await.expect(200);
    let id = first.id();
    elp.get(format!("Encounter/{id}")).await.expect(404);
    let again = elp.post_with("Encounter", &seen, &key).await.expect(201);
    assert_eq!(again.header("location"), first.header("location"), "what it was told then");
    assert!(again.bytes.is_empty(), "and nothing of what it may not see any more");
    let other = gateway.as_("edpbw-a").post_with("Encounter", &seen, &key).await;
    assert!(!other.told().contains(&id), "{other}");
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

stories!(
    a_key_makes_a_create_safe_to_repeat,
    many_repeats_at_once_are_one,
    a_key_that_is_at_work_is_a_conflict_for_its_owner_alone,
    a_key_that_is_none_is_refused_and_never_ignored,
    a_repeat_after_a_withdrawal_gives_nothing_back,
    a_conditional_create_finds_or_makes_one,
);
