//! Bundles that are worked on later: whose they are, and that each has one answer, together with what a transaction writes or not at all.

use gateway::storage::async_job::{AsksAgain, AsyncAnswer, AsyncJob};
use gateway::storage::write_set::WriteSet;
use gateway::storage::{StorageError, Store};
use serde_json::json;

use crate::world::{NOW_MS, beginning, first, key, read, stores, viewer};

fn job(id: &str, owner: &str) -> AsyncJob {
    AsyncJob {
        id: id.to_owned(),
        owner: owner.to_owned(),
        organization: "organization/a".to_owned(),
        practitioner: "practitioner/a".to_owned(),
        alive_until_ms: NOW_MS + 5,
        expires_ms: NOW_MS + 10,
    }
}

fn answer(id: &str, status: u16) -> AsyncAnswer {
    AsyncAnswer { id: id.to_owned(), status, sealed: format!("sealed {status}") }
}

const SENDER: AsksAgain<'_> =
    AsksAgain { owner: "a-ehr", organization: "organization/a", practitioner: "practitioner/a" };

async fn kept(store: &Store, id: &str) -> Option<(AsyncJob, Option<AsyncAnswer>)> {
    store.async_job(id, SENDER, NOW_MS).await.expect("it answers")
}

/// A write set that begins a record and answers a job with it.
fn answering(record: &str, id: &str) -> WriteSet {
    let mut set = beginning(record, "a", vec![first(key(record, "Patient", record), &json!({}))]);
    set.async_answer = Some(answer(id, 200));
    set
}

async fn is_there(store: &Store, record: &str) -> bool {
    read(store, viewer("a"), "Patient", record).await.is_some()
}

#[tokio::test]
async fn a_job_is_kept_for_whoever_sent_it_and_as_long_as_it_says() {
    for (kind, _, store) in stores().await {
        let put = async |job: AsyncJob, most: u32, now_ms: i64| {
            store.put_async_job(&job, most, now_ms).await.expect("it answers")
        };
        assert!(put(job("1", "a-ehr"), 2, NOW_MS).await && put(job("2", "a-ehr"), 2, NOW_MS).await, "{kind}");
        assert!(!put(job("3", "a-ehr"), 2, NOW_MS).await, "{kind}: one too many");
        assert!(put(job("4", "b-ehr"), 2, NOW_MS).await, "{kind}: of another");
        assert_eq!(kept(&store, "1").await, Some((job("1", "a-ehr"), None)), "{kind}");
        assert_eq!(kept(&store, "3").await, None, "{kind}");
        for (asker, now_ms) in [
            (AsksAgain { owner: "b-ehr", ..SENDER }, 0),
            (AsksAgain { organization: "organization/b", ..SENDER }, 0),
            (AsksAgain { practitioner: "practitioner/b", ..SENDER }, 0),
            (AsksAgain { practitioner: "", ..SENDER }, 0),
            (SENDER, 10),
        ] {
            let found = store.async_job("1", asker, NOW_MS + now_ms).await.expect("it answers");
            assert_eq!(found, None, "{kind} {asker:?}");
        }
        // Those that are over make room, and are forgotten with their answers.
        store.answer_async_job(&answer("1", 200)).await.expect("it answers");
        assert!(put(AsyncJob { expires_ms: NOW_MS + 20, ..job("5", "a-ehr") }, 1, NOW_MS + 10).await, "{kind}");
        assert_eq!(store.forget(NOW_MS + 10, (NOW_MS, NOW_MS)).await.expect("it answers"), 3, "{kind}");
        assert_eq!(kept(&store, "1").await, None, "{kind}");
        assert!(put(job("1", "a-ehr"), 9, NOW_MS).await, "{kind}");
        assert_eq!(kept(&store, "1").await, Some((job("1", "a-ehr"), None)), "{kind}: without its old answer");
    }
}

#[tokio::test]
async fn somebody_is_at_a_job_until_it_is_answered_or_over_or_forgotten() {
    for (kind, _, store) in stores().await {
        let ids = ["1", "2", "3", "4"].map(str::to_owned);
        let keep = async |now_ms: i64| store.keep_async_jobs(&ids, (NOW_MS + 8, now_ms)).await.expect("it answers");
        for id in &ids[..3] {
            assert!(store.put_async_job(&job(id, "a-ehr"), 9, NOW_MS).await.expect("it answers"), "{kind}");
        }
        assert_eq!(keep(NOW_MS).await, ["4"], "{kind}");
        for id in &ids[..3] {
            assert_eq!(kept(&store, id).await.expect("it is kept").0.alive_until_ms, NOW_MS + 8, "{kind}");
        }
        store.answer_async_job(&answer("1", 422)).await.expect("it answers");
        store.drop_async_job("2").await.expect("it answers");
        assert_eq!(keep(NOW_MS + 9).await, ["1", "2", "4"], "{kind}");
        assert_eq!(keep(NOW_MS + 10).await, ids, "{kind}: all of them are over");
    }
}

#[tokio::test]
async fn a_job_that_nobody_is_at_takes_no_place_until_it_is_told_of() {
    for (kind, _, store) in stores().await {
        let put =
            async |id: &str, now_ms: i64| store.put_async_job(&job(id, "a-ehr"), 1, now_ms).await.expect("it answers");
        assert!(put("1", NOW_MS).await && !put("2", NOW_MS + 4).await, "{kind}");
        store.answer_async_job(&answer("1", 200)).await.expect("it answers");
        assert!(!put("2", NOW_MS + 5).await, "{kind}: its answer is kept");
        store.drop_async_job("1").await.expect("it answers");
        assert!(put("3", NOW_MS + 4).await && put("4", NOW_MS + 5).await, "{kind}: whoever was at it is gone");
    }
}

#[tokio::test]
async fn the_first_answer_of_a_job_counts_and_a_transaction_that_comes_later_is_not_stored() {
    for (kind, _, store) in stores().await {
        for id in ["stored", "broken-off", "forgotten"] {
            assert!(store.put_async_job(&job(id, "a-ehr"), 9, NOW_MS).await.expect("it answers"), "{kind}");
        }
        store.apply(answering("r1", "stored")).await.expect("it is the first");
        store.answer_async_job(&answer("stored", 500)).await.expect("it answers");
        assert_eq!(kept(&store, "stored").await.expect("it is kept").1, Some(answer("stored", 200)), "{kind}");
        assert!(is_there(&store, "r1").await, "{kind}");

        store.answer_async_job(&answer("broken-off", 500)).await.expect("it answers");
        store.drop_async_job("forgotten").await.expect("it answers");
        store.answer_async_job(&answer("forgotten", 500)).await.expect("there is nothing to answer");
        for (record, id) in [("r2", "broken-off"), ("r3", "forgotten"), ("r4", "never-was"), ("r5", "stored")] {
            let refused = store.apply(answering(record, id)).await;
            assert!(matches!(refused, Err(StorageError::Moved)), "{kind} {id}: {refused:?}");
            assert!(!is_there(&store, record).await, "{kind} {id}: nothing of it");
        }
        assert_eq!(kept(&store, "broken-off").await.expect("it is kept").1, Some(answer("broken-off", 500)), "{kind}");
        assert_eq!(kept(&store, "forgotten").await, None, "{kind}");
    }
}

#[tokio::test]
async fn a_transaction_whose_job_is_gone_holds_up_nobody_who_is_written_with_it() {
    for (kind, _, store) in stores().await {
        assert!(store.put_async_job(&job("1", "a-ehr"), 9, NOW_MS).await.expect("it answers"), "{kind}");
        let sets = (0..20).map(|n| {
            let (store, id) = (store.clone(), if n == 7 { "1" } else { "never-was" });
            let record = format!("r{n}");
            let mut set = answering(&record, id);
            if n % 7 != 0 {
                set.async_answer = None;
            }
            async move { (n, store.apply(set).await.is_ok(), is_there(&store, &record).await) }
        });
        for (n, is_written, is_there) in futures_util::future::join_all(sets).await {
            assert_eq!((is_written, is_there), (n % 7 != 0 || n == 7, n % 7 != 0 || n == 7), "{kind} {n}");
        }
    }
}
