//! One idempotency key at two replicas at once: what their memories cannot know, the database does.

use wellgate_tests::gateway::Gateway;
use wellgate_tests::resources::patient;
use wellgate_tests::stories;

async fn two_replicas_under_one_key_make_one_resource(gateway: Gateway) {
    let replica = gateway.replica().await;
    let (here, there) = (gateway.as_("elp-1"), replica.as_("elp-1"));
    for n in 0..10 {
        let (key, body) = (format!("KEY-{n}"), patient());
        let header = [("idempotency-key", key.as_str())];
        let (a, b) =
            tokio::join!(here.post_with("Patient", &body, &header), there.post_with("Patient", &body, &header));
        let (a, b) = (a.expect(201), b.expect(201));
        // Each names its own base.
        assert_eq!((a.id(), a.etag()), (b.id(), b.etag()));
    }
    assert_eq!(here.search("Patient").await.len(), 10);
}

stories!(two_replicas_under_one_key_make_one_resource);
