//! Writers of several replicas that want the same rows: nobody waits in a circle, and nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::future::join_all;
use gateway::storage::write_set::{IdempotencyKey, NewVersion, Precondition, RecordState, VersionId, WriteSet};
use gateway::storage::{StorageError, Store};
use serde_json::json;

use crate::world::{NOW_MS, beginning, cases, first, key, open, put, record, stores};

const RECORDS: usize = 4;
const TASKS: usize = 8;

/// A number that looks random and is the same at every run.
fn mixed(seed: usize) -> usize {
    let mixed = (seed as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    usize::try_from(mixed >> 40).expect("24 bits")
}

/// Moves two records on, and a resource of each, in an order that differs from writer to writer.
async fn move_two(store: &Store, seed: usize) -> Result<(), StorageError> {
    let one = mixed(seed) % RECORDS;
    let other = (one + 1 + mixed(seed + 1) % (RECORDS - 1)) % RECORDS;
    let mut set = WriteSet::default();
    for n in [one, other] {
        let id = format!("r{n}");
        let Some(facts) = store.record_facts(&id).await? else { return Err(StorageError::Corrupt("record")) };
        let Some(located) = store.locate("Patient", &id).await? else { return Err(StorageError::Corrupt("resource")) };
        set.preconditions.push(Precondition::Epoch { compartment: id.clone(), epoch: facts.epoch });
        set.preconditions.push(Precondition::Version { key: located.key.clone(), version: located.version });
        set.moved_records.push(RecordState { epoch: facts.epoch + 1, ..record(&id, "a") });
        let version = VersionId(located.version.0 + 1);
        put(
            &mut set,
            NewVersion { version, replaces: true, ..first(located.key, &json!({"resourceType": "Patient"})) },
        );
    }
    let name = format!("g{}", mixed(seed + 2) % 3);
    set.preconditions.push(Precondition::Guard { epoch: store.guard_epoch(&name).await?, name });
    // Half of the keys are sent twice, to different replicas.
    set.idempotency = Some(IdempotencyKey {
        client_id: "a-ehr".to_owned(),
        key: (seed / 2).to_string(),
        fingerprint: String::new(),
        answer: String::new(),
        created_ms: NOW_MS,
    });
    store.apply(set).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_want_the_same_rows_take_turns_and_lose_nothing() {
    let rounds = cases("WELLGATE_CONTENTION", 40);
    for (kind, url, store) in stores().await {
        for n in 0..RECORDS {
            let id = format!("r{n}");
            store.apply(beginning(&id, "a", vec![first(key(&id, "Patient", &id), &json!({}))])).await.expect("new");
        }
        let replicas = Arc::new([store.clone(), open(&url).await]);
        let written = Arc::new(AtomicI64::new(0));
        let tasks = (0..TASKS).map(|task| {
            let (replicas, written) = (Arc::clone(&replicas), Arc::clone(&written));
            tokio::spawn(async move {
                for round in 0..rounds {
                    let seed = round * TASKS + task;
                    for _ in 0..50 {
                        match move_two(&replicas[task % 2], seed).await {
                            Ok(()) => {
                                written.fetch_add(1, Ordering::Relaxed);
                                break;
                            }
                            Err(StorageError::Moved) => {}
                            Err(StorageError::KeyUsed) => break,
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                }
            })
        });
        for done in join_all(tasks).await {
            done.unwrap_or_else(|error| panic!("{kind}: {error}"));
        }
        let mut epochs = 0;
        let mut versions = 0;
        for n in 0..RECORDS {
            let id = format!("r{n}");
            epochs += store.record_facts(&id).await.expect("it answers").expect("it is there").epoch - 1;
            versions += store.locate("Patient", &id).await.expect("it answers").expect("it is there").version.0 - 1;
        }
        let written = written.load(Ordering::Relaxed);
        println!("{kind}: {written} written");
        assert!(written > 20, "{kind}: {written}");
        assert_eq!((epochs, versions), (2 * written, 2 * written), "{kind}: each moved two, and each once");
    }
}
