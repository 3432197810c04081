//! Write sets: whole or not at all, compared under lock with what they were decided on.

use futures_util::future::join_all;
use gateway::audit::Outcome;
use gateway::storage::delivery::NewDelivery;
use gateway::storage::representative::RepresentativeRow;
use gateway::storage::resource::Shows as _;
use gateway::storage::sight::Level;
use gateway::storage::write_set::{
    Closure, GrantDataRow, GrantRow, IdempotencyKey, Method, NewVersion, Precondition, RecordState, ReferralTask,
    Sight, TeamMemberRow, VersionId, WriteSet,
};
use gateway::storage::{StorageError, Store, StoreSettings};
use serde_json::json;

use crate::emergency::{disclosure, permit, session};
use crate::world::{
    NOW_MS, beginning, event, first, grant, key, open, put, read, record, row, rows, set, stores, viewer,
};

fn idempotency_key(name: &str) -> IdempotencyKey {
    IdempotencyKey {
        client_id: "a-ehr".to_owned(),
        key: name.to_owned(),
        fingerprint: "f".to_owned(),
        answer: "201 Patient/1".to_owned(),
        created_ms: NOW_MS,
    }
}

/// One row in every table that a write set can write.
fn full(compartment: &str, id: &str) -> WriteSet {
    let task = key(compartment, "Task", id);
    let mut set =
        beginning(compartment, "a", vec![first(task.clone(), &json!({"resourceType": "Task", "status": "requested"}))]);
    let row = grant(compartment, id, 0, "permit", "organization/b");
    set.grants.push(GrantRow { has_data: true, ..row });
    set.grant_data.push(GrantDataRow {
        compartment: compartment.to_owned(),
        consent_id: id.to_owned(),
        rule: 0,
        meaning: "instance",
        reference_type: "Task".to_owned(),
        reference_id: id.to_owned(),
    });
    set.closures.push(Closure {
        compartment: compartment.to_owned(),
        grantee: "organization/c".to_owned(),
        cause: "release".to_owned(),
        since_ms: NOW_MS,
    });
    set.team_members.push(TeamMemberRow {
        compartment: compartment.to_owned(),
        team: "careteam/t".to_owned(),
        member: "practitioner/p".to_owned(),
        role: "",
        from_ms: i64::MIN,
        until_ms: i64::MAX,
    });
    set.representatives.push(RepresentativeRow {
        compartment: compartment.to_owned(),
        related_person: "related-person/7".to_owned(),
        scope: "read",
        from_ms: NOW_MS,
        until_ms: NOW_MS,
    });
    set.sights.push(Sight { key: task, grantee: "pool/p".to_owned(), requires_consent: true });
    set.tasks.push(ReferralTask {
        compartment: compartment.to_owned(),
        id: id.to_owned(),
        kind: "organization".to_owned(),
        state: "requested".to_owned(),
        requester: "organization/a".to_owned(),
        room: "pool/p".to_owned(),
        owner: None,
        part_of: None,
        predecessor: None,
        service_request: "order".to_owned(),
        expires_ms: NOW_MS,
    });
    set.audit.push(event(compartment, NOW_MS, Outcome::Success));
    set.open(&permit(), session(compartment, id));
    set.disclose(&permit(), disclosure(compartment, id));
    set.deliveries.push(NewDelivery {
        compartment: compartment.to_owned(),
        id: id.to_owned(),
        partner: "organization/b".to_owned(),
        kind: "task".into(),
        resource_type: "Task",
        resource_id: id.to_owned(),
        version: VersionId(1),
        due_ms: NOW_MS,
    });
    set.idempotency = Some(idempotency_key(id));
    set
}

/// What is there before a set that must fail: record `r` at epoch 1, Patient `r` at version 1, guard `g` at 1, key `used`.
async fn ground(store: &Store) {
    let mut set = beginning("r", "a", vec![first(key("r", "Patient", "r"), &json!({"resourceType": "Patient"}))]);
    set.preconditions.push(Precondition::Guard { name: "g".to_owned(), epoch: 0 });
    set.idempotency = Some(idempotency_key("used"));
    set.audit.push(event("r", NOW_MS, Outcome::Success));
    store.apply(set).await.expect("nothing was there before");
}

fn epoch(compartment: &str, epoch: i64) -> Precondition {
    Precondition::Epoch { compartment: compartment.to_owned(), epoch }
}

fn version(id: &str, version: i64) -> Precondition {
    Precondition::Version { key: key("r", "Patient", id), version: VersionId(version) }
}

fn guard(name: &str, epoch: i64) -> Precondition {
    Precondition::Guard { name: name.to_owned(), epoch }
}

#[tokio::test]
async fn a_write_set_whose_ground_moved_leaves_nothing_in_any_table() {
    for (kind, url, store) in stores().await {
        ground(&store).await;
        let before = rows(&url).await;
        let moved =
            [epoch("r", 2), epoch("none", 1), version("r", 2), version("none", 1), guard("g", 0), guard("new", 1)];
        for precondition in moved {
            let mut set = full("new", "new");
            // What holds beside it changes nothing.
            set.preconditions = vec![epoch("r", 1), version("r", 1), guard("other", 0), precondition.clone()];
            set.moved_records.push(RecordState { epoch: 9, ..record("r", "b") });
            let refused = store.apply(set).await;
            assert!(matches!(refused, Err(StorageError::Moved)), "{kind} {precondition:?}: {refused:?}");
            assert_eq!(rows(&url).await, before, "{kind} {precondition:?}");
        }
        let mut set = full("new", "new");
        set.idempotency = Some(idempotency_key("used"));
        let refused = store.apply(set).await;
        assert!(matches!(refused, Err(StorageError::KeyUsed)), "{kind}: {refused:?}");
        assert_eq!(rows(&url).await, before, "{kind}");
    }
}

#[tokio::test]
async fn a_write_set_whose_ground_holds_is_written_whole() {
    for (kind, url, store) in stores().await {
        ground(&store).await;
        let mut set = full("new", "new");
        set.preconditions = vec![epoch("r", 1), version("r", 1), guard("g", 1)];
        set.moved_records.push(RecordState { epoch: 2, ..record("r", "b") });
        store.apply(set).await.expect("it holds");
        let rows = rows(&url).await;
        assert!(
            rows.starts_with(
                "record 2 resource 2 resource_history 0 search_index 1 access_grant 1 access_grant_data 1 team_member 1 closure 1 \
                 representative 1 sight 1 referral_task 1 audit_event 2 delivery 1 emergency_session 1 crisis_disclosure 1 \
                 consent_conflict 0 idempotency_key 2 guard 1 epochs 3"
            ),
            "{kind}: {rows}"
        );
        assert_eq!(store.guard_epoch("g").await.expect("it answers"), 2, "{kind}");
        assert_eq!(store.guard_epoch("none").await.expect("it answers"), 0, "{kind}");
    }
}

#[tokio::test]
async fn of_many_that_rest_on_the_same_ground_at_once_exactly_one_is_written() {
    type Decided = fn(usize) -> WriteSet;
    let kinds: [(&str, Decided); 4] = [
        ("epoch", |_| {
            set!(
                        preconditions: vec![epoch("r", 1)],
                        moved_records: vec![RecordState { epoch: 2, ..record("r", "b") }],
            )
        }),
        ("version", |n| {
            let mut set = set!(preconditions: vec![version("r", 1)], );
            let fresh = VersionId(2 + i64::try_from(n).expect("a few"));
            put(&mut set, NewVersion { version: fresh, replaces: true, ..first(key("r", "Patient", "r"), &json!({})) });
            set
        }),
        ("guard", |n| {
            let mut set = set!(preconditions: vec![guard("g", 1)], );
            put(&mut set, first(key("r", "Observation", &n.to_string()), &json!({})));
            set
        }),
        ("idempotency", |n| {
            let mut set = set!(idempotency: Some(idempotency_key("once")), );
            put(&mut set, first(key("r", "Observation", &n.to_string()), &json!({})));
            set
        }),
    ];
    for (name, decided) in kinds {
        for (kind, url, store) in stores().await {
            let other = open(&url).await;
            ground(&store).await;
            let applied = (0..40).map(|n| if n % 2 == 0 { store.apply(decided(n)) } else { other.apply(decided(n)) });
            let answers = join_all(applied).await;
            let written = answers.iter().filter(|answer| answer.is_ok()).count();
            assert_eq!(written, 1, "{kind} {name}");
            let is_a_loss = |answer: &Result<(), StorageError>| {
                matches!(answer, Ok(()) | Err(StorageError::Moved | StorageError::KeyUsed))
            };
            assert!(answers.iter().all(is_a_loss), "{kind} {name}: {answers:?}");
        }
    }
}

#[tokio::test]
async fn a_set_that_fails_takes_nobody_of_its_group_with_it() {
    for (kind, _, store) in stores().await {
        ground(&store).await;
        let set = |n: usize| match n % 4 {
            0 => set!(preconditions: vec![epoch("r", 7)]; full(&format!("c{n}"), &n.to_string())),
            // A record that is there already: only the database itself finds out.
            1 => set!(new_records: vec![record("r", "b")]; full(&format!("c{n}"), &n.to_string())),
            _ => full(&format!("c{n}"), &n.to_string()),
        };
        let answers = join_all((0..40).map(|n| store.apply(set(n)))).await;
        for (n, answer) in answers.iter().enumerate() {
            let expected = n % 4 > 1;
            assert!(matches!(answer, Ok(()) | Err(StorageError::Moved)), "{kind} {n}: {answer:?}");
            assert_eq!(answer.is_ok(), expected, "{kind} {n}");
            let facts = store.record_facts(&format!("c{n}")).await.expect("it answers");
            assert_eq!(facts.is_some(), expected, "{kind} {n}");
            let tasks = store.referral_tasks(&format!("c{n}")).await.expect("it answers");
            assert_eq!(!tasks.is_empty(), expected, "{kind} {n}");
        }
    }
}

#[tokio::test]
async fn what_somebody_wrote_between_question_and_answer_is_a_reason_to_decide_again_also_alone() {
    for (kind, url, store) in stores().await {
        ground(&store).await;
        let before = rows(&url).await;
        let again = beginning("r", "b", vec![first(key("r", "Observation", "o"), &json!({}))]);
        let refused = store.apply(again).await;
        assert!(matches!(refused, Err(StorageError::Moved)), "{kind}: {refused:?}");
        assert_eq!(rows(&url).await, before, "{kind}");
    }
}

#[tokio::test]
async fn a_new_version_replaces_the_index_and_keeps_the_old_version() {
    for (kind, url, store) in stores().await {
        let patient = key("r", "Patient", "r");
        let old = json!({"resourceType": "Patient", "name": [{"family": "Oud"}]});
        store.apply(beginning("r", "a", vec![first(patient.clone(), &old)])).await.expect("new");
        let new = json!({"resourceType": "Patient", "name": [{"family": "Nieuw"}]});
        let mut set = set!(preconditions: vec![version("r", 1)], );
        put(
            &mut set,
            NewVersion { version: VersionId(2), method: Method::Put, replaces: true, ..first(patient.clone(), &new) },
        );
        store.apply(set).await.expect("it holds");
        assert_eq!(
            crate::world::found(&store, &viewer("a"), "Patient", "family=oud").await,
            Vec::<String>::new(),
            "{kind}"
        );
        assert_eq!(crate::world::found(&store, &viewer("a"), "Patient", "family=nieuw").await, ["r"], "{kind}");
        assert!(rows(&url).await.contains("resource_history 1"), "{kind}");
        let mut set = set!(preconditions: vec![version("r", 2)], );
        let gone =
            NewVersion { version: VersionId(3), method: Method::Delete, replaces: true, ..first(patient, &json!({})) };
        put(&mut set, NewVersion { body: String::new(), index: Vec::new(), ..gone });
        store.apply(set).await.expect("it holds");
        assert_eq!(crate::world::found(&store, &viewer("a"), "Patient", "").await, Vec::<String>::new(), "{kind}");
        let seen = read(&store, viewer("a"), "Patient", "r").await.expect("the custodian sees the deletion");
        assert!(seen.deleted && seen.body.is_empty(), "{kind}");
        assert!(store.sees_whole(viewer("a"), "Patient", "r").await.expect("it answers"), "{kind}");
        let level = async |organization| store.level(viewer(organization), "Patient", "r").await.expect("it answers");
        assert_eq!((level("a").await, level("b").await), (Some(Level::Held), None), "{kind}");
        let compartment = store.visible_compartment(viewer("a"), "Patient", "r").await.expect("it answers");
        assert_eq!(compartment, None, "{kind}: a reference to what was deleted does not resolve");
    }
}

#[tokio::test]
async fn what_a_set_says_twice_of_one_row_is_written_once_the_last_word_counts() {
    for (kind, url, store) in stores().await {
        let mut set = full("c", "t");
        let repeated = set.sights[0].clone();
        set.sights.push(Sight { requires_consent: false, ..repeated });
        set.closures.extend(set.closures.clone());
        let repeated = set.tasks[0].clone();
        set.tasks.push(ReferralTask { state: "accepted".to_owned(), ..repeated });
        store.apply(set).await.unwrap_or_else(|error| panic!("{kind}: {error:?}"));
        assert!(rows(&url).await.contains("closure 1 representative 1 sight 1 referral_task 1"), "{kind}");
        let task = store.referral_task("t").await.expect("it answers").expect("it was written");
        assert_eq!(task.state, "accepted", "{kind}");
    }
}

#[tokio::test]
async fn digits_stay_the_text_that_they_are() {
    for (kind, _, store) in stores().await {
        // Each pair is one number, and two texts.
        for (n, (one, other)) in [("007", "7"), ("1000", "1e3"), ("12", " 12"), ("1", "1.0")].into_iter().enumerate() {
            let (first_id, other_id) = (format!("a{n}"), format!("b{n}"));
            for (id, value) in [(&first_id, one), (&other_id, other)] {
                let mut version = first(key(id, "Patient", id), &json!({}));
                version.index = vec![(row("identifier", "s", value), 1)];
                store.apply(beginning(id, "a", vec![version])).await.expect("new");
            }
            let mut query = crate::world::query("Patient", "identifier=x");
            let gateway::search::query::Values::Token(tokens) = &mut query.criteria[0].values else { unreachable!() };
            tokens[0].code = Some(one.to_owned());
            let page = crate::world::search(&store, &viewer("a"), "Patient", &query).await;
            assert_eq!(crate::world::ids(&page), [first_id], "{kind}: {one} is not {other}");
        }
        // Ids of digits only, which clients of other systems may well bring: they are read back as they were written.
        store
            .apply(beginning("0042", "007", vec![first(key("0042", "Patient", "0042"), &json!({}))]))
            .await
            .expect("new");
        let seen = read(&store, viewer("007"), "Patient", "0042").await.expect("its custodian sees it");
        assert_eq!(seen.key.compartment, "0042", "{kind}");
        assert!(read(&store, viewer("7"), "Patient", "0042").await.is_none(), "{kind}");
        assert!(read(&store, viewer("007"), "Patient", "42").await.is_none(), "{kind}");
    }
}

#[tokio::test]
async fn the_waiting_room_of_the_writer_is_bounded_and_empties() {
    for (kind, url) in wellgate_tests::databases() {
        let settings = StoreSettings { write_queue_max: 4, ..StoreSettings::new(&url) };
        let store = Store::open(&settings).await.expect("it opens");
        let answers = join_all((0..50).map(|n| store.apply(full(&format!("c{n}"), &n.to_string())))).await;
        let (written, busy): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.is_ok());
        assert!(written.len() >= 4 && !busy.is_empty(), "{kind}: {} written", written.len());
        assert!(busy.iter().all(|answer| matches!(answer, Err(StorageError::Busy))), "{kind}: {busy:?}");
        assert!(
            rows(&url).await.starts_with(&format!("record {} ", written.len())),
            "{kind}: what is refused is not written"
        );
        store.apply(full("later", "later")).await.expect("there is room again");
    }
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_make_room_before_its_set_is_written() {
    for (kind, url) in wellgate_tests::databases() {
        let settings = StoreSettings { write_queue_max: 3, ..StoreSettings::new(&url) };
        let store = Store::open(&settings).await.expect("it opens");
        for n in 0..50 {
            // Polled once: the set is in the queue, and nobody waits for it any more.
            let left =
                tokio::time::timeout(std::time::Duration::ZERO, store.apply(full(&format!("c{n}"), &n.to_string())));
            let left = left.await;
            assert!(matches!(left, Err(_) | Ok(Ok(()) | Err(StorageError::Busy))), "{kind}: {left:?}");
        }
        store.close().await;
        let rows = rows(&url).await;
        let records: usize = rows.split(' ').nth(1).and_then(|number| number.parse().ok()).expect("a number");
        assert!((3..50).contains(&records), "{kind}: {records} of 50 were let in where 3 have room at a time");
    }
}

#[tokio::test]
async fn closing_waits_for_what_was_accepted_and_lets_nothing_in_after() {
    for (kind, url, store) in stores().await {
        let sets = join_all((0..30).map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.apply(full(&format!("c{n}"), &n.to_string())).await })
        }));
        tokio::task::yield_now().await;
        let (answers, ()) = tokio::join!(sets, store.close());
        let is_written = |answer: &Result<Result<(), StorageError>, _>| matches!(answer, Ok(Ok(())));
        let written = answers.iter().filter(|answer| is_written(answer)).count();
        assert!(rows(&url).await.starts_with(&format!("record {written} ")), "{kind}: {written} acknowledged");
        assert!(store.apply(full("late", "late")).await.is_err(), "{kind}");
        assert!(store.ping().await.is_err(), "{kind}");
    }
}

#[tokio::test]
async fn nothing_that_is_shown_leaves_where_the_trail_cannot_be_written() {
    for (kind, _, store) in stores().await {
        store.apply(beginning("r", "a", vec![first(key("r", "Patient", "r"), &json!({}))])).await.expect("new");
        let found = store.read(viewer("a"), "Patient", "r").await.expect("it answers");
        let mut fixed = event("r", NOW_MS, Outcome::Success);
        "taken".clone_into(&mut fixed.id);
        store.record_only(vec![fixed.clone()]).await.expect("it is free");
        // The same id again: the row cannot be written.
        let answer = store.record(found, |_| fixed.clone(), Vec::new()).await;
        assert!(answer.is_err(), "{kind}: shown without a record");
        let found = store.read(viewer("a"), "Patient", "r").await.expect("it answers");
        let seen = crate::world::recorded(&store, found).await;
        assert_eq!(seen.touched().len(), 1, "{kind}");
        store.ping().await.expect("it lives");
    }
}

#[tokio::test]
async fn a_row_that_does_not_read_fails_whoever_asks_for_it_and_nobody_after() {
    // PostgreSQL holds its columns to their types; SQLite takes what it is given.
    let url = wellgate_tests::sqlite::database_url();
    let store = open(&url).await;
    for id in ["good", "bad"] {
        store.apply(beginning(id, "a", vec![first(key(id, "Patient", id), &json!({}))])).await.expect("new");
    }
    let pool = sqlx::SqlitePool::connect(&url).await.expect("the file is there");
    sqlx::query("UPDATE resource SET version_id = 'x' WHERE id = 'bad'")
        .execute(&pool)
        .await
        .expect("the row is there");
    for _ in 0..8 {
        assert!(store.read(viewer("a"), "Patient", "bad").await.is_err(), "nothing is shown of it");
        assert!(read(&store, viewer("a"), "Patient", "good").await.is_some());
    }
}

#[tokio::test]
async fn a_question_that_the_database_refuses_fails_nobody_beside_it() {
    for (kind, _, store) in stores().await {
        store.apply(beginning("r", "a", vec![first(key("r", "Patient", "r"), &json!({}))])).await.expect("new");
        let asked = (0..40).map(|n| {
            let (store, id) = (store.clone(), if n % 8 == 0 { "\0" } else { "r" });
            async move { (id, store.sees_whole(viewer("a"), "Patient", id).await) }
        });
        for (id, sees) in join_all(asked).await {
            if id == "r" {
                assert!(matches!(sees, Ok(true)), "{kind}: {sees:?}");
            } else {
                assert!(!matches!(sees, Ok(true)), "{kind}");
            }
        }
        // The same of what is written together.
        let written = (0..40).map(|n| {
            let (store, mut event) = (store.clone(), event("r", NOW_MS, Outcome::Success));
            if n % 8 == 0 {
                "\0".clone_into(&mut event.resource_id);
            }
            async move { (n, store.record_only(vec![event]).await) }
        });
        for (n, written) in join_all(written).await {
            assert!(written.is_ok() || n % 8 == 0, "{kind} {n}: {written:?}");
        }
    }
}
