//! What decisions are made from: custody, Consents, workflow, keys, deliveries.

use gateway::audit::Outcome;
use gateway::storage::delivery::NewDelivery;
use gateway::storage::facts::RecordFacts;
use gateway::storage::idempotency::KeptAnswer;
use gateway::storage::write_set::{
    Closure, IdempotencyKey, Method, NewVersion, Precondition, RecordState, ReferralTask, VersionId, WriteSet,
};
use serde_json::json;

use crate::world::{NOW_MS, beginning, event, first, grant, key, put, record, set, stores};

fn closure(grantee: &str, cause: &str) -> Closure {
    let [compartment, grantee, cause] = ["r", grantee, cause].map(str::to_owned);
    Closure { compartment, grantee, cause, since_ms: NOW_MS }
}

fn pair(one: &str, other: &str) -> (String, String) {
    (one.to_owned(), other.to_owned())
}

#[tokio::test]
async fn the_facts_of_a_record_are_its_custodian_epoch_chain_and_closures() {
    for (kind, _, store) in stores().await {
        assert_eq!(store.record_facts("r").await.expect("it answers"), None, "{kind}");
        store.apply(beginning("r", "a", Vec::new())).await.expect("new");
        let fresh = RecordFacts {
            compartment: "r".to_owned(),
            custodian: "organization/a".to_owned(),
            epoch: 1,
            chain: None,
            closures: Vec::new(),
        };
        assert_eq!(store.record_facts("r").await.expect("it answers").as_ref(), Some(&fresh), "{kind}");
        let moved = RecordState { epoch: 2, chain: Some("order".to_owned()), ..record("r", "b") };
        let closures = vec![
            closure("organization/a", "release"),
            closure("organization/a", "task/1"),
            closure("pool/p", "task/1"),
        ];
        let set = set!(moved_records: vec![moved], closures, );
        store.apply(set).await.expect("nothing is asked");
        let facts = store.record_facts("r").await.expect("it answers").expect("it is there");
        assert_eq!(
            (facts.custodian.as_str(), facts.epoch, facts.chain.as_deref()),
            ("organization/b", 2, Some("order")),
            "{kind}"
        );
        assert_eq!(facts.closures.len(), 3, "{kind}");
        // By its cause for everyone, a release for one grantee and nothing else of it.
        let lifted = set!(lifted_causes: vec![pair("r", "task/1")], );
        store.apply(lifted).await.expect("nothing is asked");
        let closures = store.record_facts("r").await.expect("it answers").expect("it is there").closures;
        assert_eq!(closures, [pair("organization/a", "release")], "{kind}");
        let other = set!(lifted_releases: vec![pair("r", "organization/b")], );
        store.apply(other).await.expect("nothing is asked");
        assert_eq!(store.record_facts("r").await.expect("it answers").expect("there").closures.len(), 1, "{kind}");
        let own = set!(lifted_releases: vec![pair("r", "organization/a")], );
        store.apply(own).await.expect("nothing is asked");
        assert_eq!(store.record_facts("r").await.expect("it answers").expect("there").closures, [], "{kind}");
    }
}

#[tokio::test]
async fn consents_and_patient_are_what_is_not_deleted_of_that_record_only() {
    for (kind, _, store) in stores().await {
        let consent = |compartment, id| first(key(compartment, "Consent", id), &json!({"status": "inactive"}));
        let patient = first(key("r", "Patient", "r"), &json!({}));
        let other = first(key("r", "Condition", "c"), &json!({}));
        let begun = beginning("r", "a", vec![consent("r", "2"), consent("r", "1"), patient, other]);
        store.apply(begun).await.expect("new");
        store.apply(beginning("other", "a", vec![consent("other", "3")])).await.expect("new");
        let mut set = WriteSet::default();
        let gone = NewVersion { version: VersionId(2), method: Method::Delete, replaces: true, ..consent("r", "2") };
        put(&mut set, NewVersion { body: String::new(), ..gone });
        store.apply(set).await.expect("nothing is asked");
        let ids: Vec<String> =
            store.consents_and_patient("r").await.expect("it answers").into_iter().map(|one| one.key.id).collect();
        assert_eq!(ids, ["1", "r"], "{kind}");
        assert!(store.consents_and_patient("none").await.expect("it answers").is_empty(), "{kind}");
        let versions = store.consent_versions("r", i64::MAX).await.expect("it answers");
        let newest = versions.first().expect("there are some");
        let first = (versions.len(), &*newest.id, newest.version, newest.is_deleted);
        assert_eq!(first, (3, "2", VersionId(2), true), "{kind}");
        assert!(versions[1..].iter().all(|one| one.version == VersionId(1) && !one.is_deleted), "{kind}");
        let body = async |id, version| store.consent_body("r", id, VersionId(version)).await.expect("it answers");
        assert!(body("2", 1).await.is_some_and(|body| body.contains("inactive")), "{kind}: an old version");
        assert_eq!((body("2", 2).await.as_deref(), body("3", 1).await), (Some(""), None), "{kind}");
        let before = newest.recorded_ms - 1;
        assert!(
            store.consent_versions("r", before).await.expect("it answers").is_empty(),
            "{kind}: of the same moment"
        );
        let gone = store.locate("Consent", "2").await.expect("it answers").expect("a deletion is located too");
        assert!(gone.deleted && gone.version == VersionId(2), "{kind}");
        assert!(
            store.locate("Patient", "2").await.expect("it answers").is_none(),
            "{kind}: the type is part of the address"
        );
    }
}

#[tokio::test]
async fn the_recorder_is_whoever_wrote_the_first_version() {
    for (kind, _, store) in stores().await {
        let consent = key("r", "Consent", "1");
        store.apply(beginning("r", "a", vec![first(consent.clone(), &json!({}))])).await.expect("new");
        for version in 2..4 {
            let mut set = WriteSet::default();
            let author = format!("organization/{version}");
            put(
                &mut set,
                NewVersion {
                    version: VersionId(version),
                    author,
                    replaces: true,
                    ..first(consent.clone(), &json!({}))
                },
            );
            store.apply(set).await.expect("nothing is asked");
        }
        assert_eq!(store.recorder(&consent).await.expect("it answers").as_deref(), Some("organization/a"), "{kind}");
        assert_eq!(store.recorder(&key("r", "Consent", "none")).await.expect("it answers"), None, "{kind}");
        let located = store.locate("Consent", "1").await.expect("it answers").expect("it is there");
        assert_eq!(located.author, "organization/3", "{kind}");
    }
}

fn task(id: &str, state: &str, expires_ms: i64) -> ReferralTask {
    let [compartment, kind, requester, room] = ["r", "organization", "organization/a", "pool/p"].map(str::to_owned);
    ReferralTask {
        compartment,
        id: id.to_owned(),
        kind,
        state: state.to_owned(),
        requester,
        room,
        owner: None,
        part_of: Some("order".to_owned()),
        predecessor: None,
        service_request: "order".to_owned(),
        expires_ms,
    }
}

#[tokio::test]
async fn a_task_expires_at_its_moment_the_longest_waiting_first() {
    for (kind, _, store) in stores().await {
        let referral = ReferralTask { kind: "referral".to_owned(), ..task("0", "requested", 1) };
        let tasks = vec![
            task("5", "requested", NOW_MS + 1),
            task("4", "requested", NOW_MS),
            task("3", "requested", NOW_MS - 1),
            task("2", "accepted", NOW_MS - 1),
            task("6", "requested", NOW_MS - 9),
            referral,
        ];
        store.apply(set!(tasks: tasks.clone(), )).await.expect("nothing is asked");
        let expired = async |limit| -> Vec<String> {
            let tasks = store.expired_tasks(NOW_MS, limit).await.expect("it answers");
            tasks.into_iter().map(|task| task.id).collect()
        };
        assert_eq!(expired(10).await, ["6", "3", "4"], "{kind}");
        // What fails again and again must not keep the others from their turn for ever, nor the other way round.
        assert_eq!(expired(2).await, ["6", "3"], "{kind}");
        let all: Vec<String> =
            store.referral_tasks("r").await.expect("it answers").into_iter().map(|task| task.id).collect();
        assert_eq!(all, ["0", "2", "3", "4", "5", "6"], "{kind}");
        // A later word changes state and owner, nothing else.
        let owner = Some("organization/b".to_owned());
        let accepted = ReferralTask { owner: owner.clone(), room: "pool/other".to_owned(), ..task("4", "accepted", 1) };
        store.apply(set!(tasks: vec![accepted], )).await.expect("nothing is asked");
        let expected = ReferralTask { owner, ..task("4", "accepted", NOW_MS) };
        assert_eq!(store.referral_task("4").await.expect("it answers"), Some(expected), "{kind}");
        assert_eq!(store.referral_task("none").await.expect("it answers"), None, "{kind}");
    }
}

#[tokio::test]
async fn the_grantees_of_a_consent_are_those_that_it_permits() {
    for (kind, _, store) in stores().await {
        store.apply(beginning("r", "a", Vec::new())).await.expect("new");
        let grant = |consent: &str, rule, effect, grantee: &str| grant("r", consent, rule, effect, grantee);
        let grants = vec![
            grant("c", 0, "permit", "organization/b"),
            grant("c", 1, "permit", "organization/b"),
            grant("c", 0, "permit", "kind/elp"),
            grant("c", 2, "deny", "organization/x"),
            grant("d", 0, "permit", "organization/y"),
        ];
        store.apply(set!(grants,)).await.expect("nothing is asked");
        let permitted = store.permitted_grantees("r", "c").await.expect("it answers");
        assert_eq!(permitted, ["kind/elp", "organization/b"], "{kind}");
        assert!(store.permitted_grantees("other", "c").await.expect("it answers").is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn a_key_is_its_clients_own_and_is_forgotten_by_its_age() {
    for (kind, _, store) in stores().await {
        let kept = |client: &str, key: &str, created_ms| IdempotencyKey {
            client_id: client.to_owned(),
            key: key.to_owned(),
            fingerprint: format!("of {client}"),
            answer: "201".to_owned(),
            created_ms,
        };
        for (client, key, created_ms) in [("a", "k", NOW_MS), ("b", "k", NOW_MS), ("a", "old", NOW_MS - 1)] {
            let set = set!(idempotency: Some(kept(client, key, created_ms)), );
            store.apply(set).await.expect("the key is free");
        }
        let answer = |client: &str| Some(KeptAnswer { fingerprint: format!("of {client}"), answer: "201".to_owned() });
        assert_eq!(store.kept_answer("a", "k").await.expect("it answers"), answer("a"), "{kind}");
        assert_eq!(store.kept_answer("b", "k").await.expect("it answers"), answer("b"), "{kind}");
        assert_eq!(store.kept_answer("c", "k").await.expect("it answers"), None, "{kind}");
        for (name, recorded_ms) in [("old", NOW_MS - 1), ("young", NOW_MS)] {
            let guard = Precondition::Guard { name: name.to_owned(), epoch: 0 };
            let audit = vec![event("r", recorded_ms, Outcome::Success)];
            store.apply(set!(preconditions: vec![guard], audit, )).await.expect("it holds");
        }
        assert_eq!(store.forget(NOW_MS, (NOW_MS, 0)).await.expect("it answers"), 2, "{kind}");
        assert_eq!(store.kept_answer("a", "old").await.expect("it answers"), None, "{kind}");
        assert_eq!(store.kept_answer("a", "k").await.expect("it answers"), answer("a"), "{kind}");
        assert_eq!(store.guard_epoch("young").await.expect("it answers"), 1, "{kind}");
        assert_eq!(store.guard_epoch("old").await.expect("it answers"), 0, "{kind}");
    }
}

#[tokio::test]
async fn what_waits_to_leave_about_a_voided_resource_does_not_leave() {
    for (kind, _, store) in stores().await {
        let delivery = |id: &str, resource: &str| NewDelivery {
            compartment: "r".to_owned(),
            id: id.to_owned(),
            partner: "organization/b".to_owned(),
            kind: "task".into(),
            resource_type: "Task",
            resource_id: resource.to_owned(),
            version: VersionId(1),
            due_ms: NOW_MS,
        };
        let deliveries = vec![delivery("2", "one"), delivery("1", "one"), delivery("3", "two")];
        store.apply(set!(deliveries,)).await.expect("nothing is asked");
        // What the same set adds is about what it leaves behind, and stays.
        let set = set!(
                    voided_deliveries: vec![key("r", "Task", "one")],
                    deliveries: vec![delivery("4", "one")],
        );
        store.apply(set).await.expect("nothing is asked");
        let states: Vec<(String, String)> =
            store.deliveries("r").await.expect("it answers").into_iter().map(|one| (one.id, one.state)).collect();
        let expected = [("1", "void"), ("2", "void"), ("3", "waiting"), ("4", "waiting")];
        assert_eq!(states, expected.map(|(id, state)| pair(id, state)), "{kind}");
        assert!(store.deliveries("none").await.expect("it answers").is_empty(), "{kind}");
    }
}
