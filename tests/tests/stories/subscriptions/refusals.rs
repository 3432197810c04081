//! What is not served of subscriptions, whose they are, and that nobody reads what they are signed with.

use serde_json::{Value, json};
use wellgate_tests::gateway::{Gateway, Options};
use wellgate_tests::hook::{Hook, SECRET, subscribe, subscription};
use wellgate_tests::referral::refusals;
use wellgate_tests::stories;

use super::round;

/// A Subscription with another value at one place.
fn with(pointer: &str, value: Value) -> Value {
    let mut changed = subscription("waiting-room", "http://127.0.0.1:9/hook");
    let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
    changed.pointer_mut(parent).expect("it is there")[member] = value;
    changed
}

async fn what_is_not_served_is_refused_by_its_element_and_nothing_is_stored(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let content = json!([{
        "url": "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content",
        "valueCode": "full-resource",
    }]);
    let channel = "Subscription.channel";
    for (pointer, value, expression) in [
        ("/channel/_payload/extension", content, format!("{channel}.payload.extension[0]")),
        ("/channel/header", json!(["Authorization: Bearer x"]), format!("{channel}.header")),
        ("/channel/type", json!("websocket"), format!("{channel}.type")),
        ("/channel/extension", json!([{"url": "urn:other", "valueString": "x"}]), format!("{channel}.extension")),
        ("/channel/endpoint", json!("https://10.0.0.1/hook"), format!("{channel}.endpoint")),
        ("/channel/endpoint", json!("https://169.254.169.254/latest"), format!("{channel}.endpoint")),
        ("/channel/endpoint", json!("http://ehr.example/hook"), format!("{channel}.endpoint")),
        ("/channel/endpoint", json!("https://user:word@ehr.example/hook"), format!("{channel}.endpoint")),
        ("/channel/endpoint", json!(format!("https://ehr.example/{}", "x".repeat(500))), format!("{channel}.endpoint")),
        ("/criteria", json!("Task?status=requested"), "Subscription.criteria".to_owned()),
        ("/status", json!("active"), "Subscription.status".to_owned()),
        ("/end", json!("2030-01-01T00:00:00Z"), "Subscription.end".to_owned()),
    ] {
        let refused = elp.post("Subscription", &with(pointer, value)).await.expect(422);
        assert!(refused.json.to_string().contains(&format!("[\"{expression}\"]")), "{expression}: {refused}");
    }
    assert!(elp.search("Subscription").await.is_empty());
    assert_eq!(gateway.app.store.count_subscriptions("organization/elp-1").await.expect("it answers"), 0);
    assert_eq!(round(&gateway).await, 0);
    assert_eq!(refusals(&elp, None).await.len(), 12, "each is on record");
}

async fn attack_49_a_gateway_in_production_asks_nobody_in_its_own_network(gateway: Gateway) {
    let production = gateway.beside(Options { is_production: true, ..Options::default() }).await;
    let elp = production.as_("elp-1");
    for endpoint in ["http://127.0.0.1:9/hook", "https://127.0.0.1/hook", "https://[::1]/", "https://2130706433/"] {
        let refused = elp.post("Subscription", &with("/channel/endpoint", json!(endpoint))).await.expect(422);
        assert!(refused.json.to_string().contains("Subscription.channel.endpoint"), "{refused}");
    }
    elp.post("Subscription", &with("/channel/endpoint", json!("https://ehr.example/hook"))).await.expect(201);
}

async fn attack_15_anothers_subscription_is_as_one_that_never_was(gateway: Gateway) {
    let hook = Hook::start().await;
    let elp = gateway.as_("elp-1");
    let id = subscribe(&gateway, &elp, "waiting-room", &hook).await;
    let unknown = "00000000-0000-7000-8000-000000000000";
    let stored = elp.get(format!("Subscription/{id}")).await.expect(200).json;
    for other in ["elp-2", "edpbw-a"] {
        let other = gateway.as_(other);
        for path in ["", "/$status", "/$events", "/_history"] {
            let answer = other.get(format!("Subscription/{id}{path}")).await.expect(404);
            let never = other.get(format!("Subscription/{unknown}{path}")).await.expect(404);
            assert_eq!(answer.told(), never.told().replace(unknown, &id), "{path}");
        }
        other.put(format!("Subscription/{id}"), &stored).await.expect(404);
        other.delete(format!("Subscription/{id}")).await.expect(404);
        assert!(other.search("Subscription").await.is_empty());
    }
    assert_eq!(elp.get(format!("Subscription/{id}")).await.expect(200).json, stored);
}

async fn what_it_is_signed_with_is_shown_nowhere_and_lies_on_no_disk(gateway: Gateway) {
    let hook = Hook::start().await;
    let elp = gateway.as_("elp-1");
    let created = elp.post("Subscription", &subscription("waiting-room", &hook.url)).await.expect(201);
    let id = created.id();
    assert!(!created.json.to_string().contains("subscription-secret"), "{created}");
    round(&gateway).await;
    let entry = json!({"request": {"method": "POST", "url": "Subscription"},
        "resource": subscription("waiting-room", &hook.url)});
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
    let in_bundle = elp.post("", &bundle).await.expect(200);
    let again = elp.get(format!("Subscription/{id}")).await.expect(200).json;
    elp.put(format!("Subscription/{id}"), &with_id(&again)).await.expect(200);
    round(&gateway).await;
    for answer in [
        in_bundle,
        elp.get(format!("Subscription/{id}")).await.expect(200),
        elp.get(format!("Subscription/{id}/_history")).await.expect(200),
        elp.get("Subscription").await.expect(200),
        elp.get(format!("Subscription/{id}/$status")).await.expect(200),
    ] {
        assert!(!String::from_utf8_lossy(&answer.bytes).contains(SECRET), "{answer}");
    }
    assert!(hook.take_told().iter().all(|told| told.is_signed_with(SECRET) && !told.json.to_string().contains(SECRET)));
    let disk = gateway.on_disk();
    assert!(disk.contains("subscription") && !disk.contains(SECRET), "it lies on the disk");
}

/// The same with its secret given anew.
fn with_id(stored: &Value) -> Value {
    let mut again = subscription("waiting-room", "");
    again["id"] = stored["id"].clone();
    again["channel"]["endpoint"] = stored["channel"]["endpoint"].clone();
    again
}

fn two() -> Options {
    Options { settings: vec![("WELLGATE_SUBSCRIPTIONS_ORGANIZATION_MAX", "2")], ..Options::default() }
}

async fn an_organisation_has_no_more_subscriptions_than_it_may(gateway: Gateway) {
    let gateway = gateway.beside(two()).await;
    let (elp, hook) = (gateway.as_("elp-1"), Hook::start().await);
    let wanted = subscription("waiting-room", &hook.url);
    let entry = json!({"request": {"method": "POST", "url": "Subscription"}, "resource": wanted});
    let three = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry, entry, entry]});
    elp.post("", &three).await.expect(422);
    let first = elp.create(&wanted).await;
    elp.create(&wanted).await;
    elp.post("Subscription", &wanted).await.expect(422);
    gateway.as_("elp-2").create(&wanted).await;
    // One that is there is changed all the same, and one that is deleted leaves room.
    let stored = elp.get(format!("Subscription/{first}")).await.expect(200).json;
    elp.put(format!("Subscription/{first}"), &stored).await.expect(200);
    elp.delete(format!("Subscription/{first}")).await.expect(204);
    elp.create(&wanted).await;
}

stories!(
    what_is_not_served_is_refused_by_its_element_and_nothing_is_stored,
    attack_49_a_gateway_in_production_asks_nobody_in_its_own_network,
    attack_15_anothers_subscription_is_as_one_that_never_was,
    what_it_is_signed_with_is_shown_nowhere_and_lies_on_no_disk,
    an_organisation_has_no_more_subscriptions_than_it_may,
);
