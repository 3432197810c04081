//! What is sealed, and by whom: everything that was committed, once, whoever was killed, paused or slow.

use futures_util::future::join_all;
use gateway::audit::check::{ERASURE, Trust};
use gateway::audit::seal::{EVENTS_MAX, Seal, Stretch};
use gateway::audit::seal_key::SealKey;
use gateway::audit::{AuditEvent, Outcome};
use gateway::evidence::erasure::{Erased, erase};
use gateway::evidence::{Sealer, seal_all};
use gateway::storage::trail::{Reached, ReachedBy, Trail};
use gateway::storage::{StorageError, Store};

use crate::sealed::{column_names, execute, open_with_key, record, sealed_trails, verify};
use crate::world::{NOW_MS, ask, event, open, record as record_of, set};

fn key() -> (String, Trust) {
    let pem = SealKey::generate().expect("there is randomness");
    let key = SealKey::read(pem.as_bytes()).expect("a key");
    let trust = Trust { keys: vec![key.public().clone()], secret: Some(key), ..Trust::default() };
    (pem, trust)
}

async fn pass(store: &Store, looks: bool) -> u64 {
    Sealer::new(store, None).expect("it has a key").pass(NOW_MS, looks).await.expect("it seals")
}

#[tokio::test]
async fn what_a_killed_process_left_is_sealed_by_the_next_and_once() {
    for (kind, url) in wellgate_tests::databases() {
        let (pem, trust) = key();
        let (killed, _files) = open_with_key(&url, &pem).await;
        record(&killed, 0, 5).await;
        assert_eq!(pass(&killed, true).await, 5, "{kind}");
        record(&killed, 5, 5).await;
        // It is gone without another word; its writers had chains of their own.
        let unsealed = verify(&url, trust.clone()).await;
        assert_eq!((unsealed.findings.len(), unsealed.sealed, unsealed.unsealed), (0, 5, 5), "{kind}: {unsealed:?}");
        let (next, _files) = open_with_key(&url, &pem).await;
        record(&next, 10, 5).await;
        assert_eq!(pass(&next, true).await, 10, "{kind}");
        assert_eq!(pass(&killed, true).await, 0, "{kind}: never twice");
        let report = verify(&url, trust).await;
        assert_eq!((report.findings.len(), report.sealed, report.unsealed), (0, 15, 0), "{kind}: {report:?}");
        let state = (next.last_seal().await.expect("it answers"), report.head);
        assert_eq!(state.0, state.1, "{kind}");
    }
}

#[tokio::test]
async fn replicas_that_write_and_seal_at_once_seal_everything_once() {
    for (kind, url) in wellgate_tests::databases() {
        let (pem, trust) = key();
        let (one, _one_files) = open_with_key(&url, &pem).await;
        let (two, _two_files) = open_with_key(&url, &pem).await;
        let busy = async |store: &Store| {
            let mut sealer = Sealer::new(store, None).expect("it has a key");
            let mut events = 0;
            for round in 0..10 {
                let recorded = (0..8).map(|n| record(store, round * 8 + n, 1));
                join_all(recorded).await;
                events += sealer.pass(NOW_MS, round % 3 == 0).await.expect("it seals");
            }
            events
        };
        let (by_one, by_two) = tokio::join!(busy(&one), busy(&two));
        let rest = pass(&one, true).await;
        assert_eq!(by_one + by_two + rest, 160, "{kind}");
        let report = verify(&url, trust).await;
        assert_eq!((report.findings.len(), report.sealed, report.unsealed), (0, 160, 0), "{kind}: {report:?}");
    }
}

#[tokio::test]
async fn a_sealer_that_did_not_listen_in_time_reads_what_it_missed() {
    for (kind, url) in wellgate_tests::databases() {
        let (pem, trust) = key();
        let (store, _files) = open_with_key(&url, &pem).await;
        let mut sealer = Sealer::new(&store, None).expect("it has a key");
        record(&store, 0, 1).await;
        assert_eq!(sealer.pass(NOW_MS, true).await.expect("it seals"), 1, "{kind}");
        // More than waits for it, and more than one seal takes, while it is paused.
        for second in 0..300 {
            record(&store, second, 1).await;
        }
        let many = EVENTS_MAX * 5 / 2;
        store.record_only((0..many).map(|_| event("r", NOW_MS, Outcome::Success)).collect()).await.expect("recorded");
        let events = sealer.pass(NOW_MS + 1_000_000, true).await.expect("it seals");
        assert_eq!(events, 300 + u64::try_from(many).expect("a number"), "{kind}");
        // Its clock jumps back by a day: order is by number.
        record(&store, 0, 3).await;
        assert_eq!(sealer.pass(NOW_MS - 86_400_000, false).await.expect("it seals"), 3, "{kind}");
        let report = verify(&url, trust).await;
        assert_eq!((report.findings.len(), report.unsealed), (0, 0), "{kind}: {report:?}");
        assert!(report.late > 0, "{kind}: that it was late is told");
    }
}

#[tokio::test]
async fn what_was_there_before_the_key_is_taken_in_once_and_later_only_when_asked() {
    for (kind, url) in wellgate_tests::databases() {
        let without = open(&url).await;
        record(&without, 0, 7).await;
        assert!(Sealer::new(&without, None).is_none() && without.seal_key().is_none(), "{kind}");
        let (pem, trust) = key();
        let (store, _files) = open_with_key(&url, &pem).await;
        record(&store, 7, 3).await;
        assert!(!store.seals_what_it_writes().await.expect("it answers"), "{kind}");
        assert_eq!(pass(&store, true).await, 10, "{kind}");
        let report = verify(&url, trust.clone()).await;
        assert_eq!((report.findings.len(), report.sealed, report.adopted), (0, 10, 7), "{kind}: {report:?}");
        // Now nothing is taken in by itself: it may have been put there.
        record(&without, 10, 1).await;
        assert!(store.seals_what_it_writes().await.expect("it answers"), "{kind}");
        assert_eq!(pass(&store, true).await, 0, "{kind}");
        assert!(verify(&url, trust.clone()).await.findings[0].contains("stands in no chain"), "{kind}");
        let mut sealer = Sealer::new(&store, None).expect("it has a key");
        assert_eq!(sealer.adopt(NOW_MS).await.expect("it seals"), 1, "{kind}");
        let report = verify(&url, trust).await;
        assert_eq!((report.findings.len(), report.adopted), (0, 8), "{kind}: {report:?}");
    }
}

#[tokio::test]
async fn an_event_that_someone_put_in_before_it_was_sealed_is_sealed_as_not_ours() {
    for sealed in sealed_trails().await {
        let end = "(SELECT MAX(sequence) FROM kept_audit_event)";
        let columns = column_names(&sealed.url, "audit_event").await.join(", ");
        let values = columns.replace("sequence", &format!("{end} + 1"));
        let values = format!(", {values}").replace(", id,", ", '0000000000000000000000000000beef',");
        let id = &sealed.ids[0];
        let forged =
            format!("INSERT INTO audit_event ({columns}) SELECT {} FROM audit_event WHERE id = '{id}'", &values[2..]);
        execute(&sealed.url, &forged).await;
        assert_eq!(pass(sealed.store(), true).await, 1, "{}", sealed.kind);
        let report = sealed.verify(Trust { secret: None, ..sealed.trust() }).await;
        assert!(report.findings[0].contains("beef"), "{}: {report:?}", sealed.kind);
        assert!(report.findings[0].contains("without the key"), "{}: {report:?}", sealed.kind);
    }
}

#[tokio::test]
async fn an_event_that_the_law_erases_leaves_a_trail_that_is_proven_and_says_so() {
    for sealed in sealed_trails().await {
        let store = sealed.store();
        let erased = erase(store, Erased::Event(&sealed.ids[4]), ("order-1", NOW_MS), None).await.expect("it erases");
        assert_eq!(erased, 1, "{}", sealed.kind);
        let report = sealed.verify(sealed.trust()).await;
        assert_eq!((report.findings.len(), report.sealed, report.erased), (0, 12, 1), "{}: {report:?}", sealed.kind);
        let erased = erase(store, Erased::Record("r"), ("order-2", NOW_MS), None).await.expect("it erases");
        assert_eq!(erased, 11, "{}", sealed.kind);
        let report = sealed.verify(sealed.trust()).await;
        assert_eq!((report.findings.len(), report.sealed, report.erased), (0, 12, 12), "{}: {report:?}", sealed.kind);
        let left = ask(&sealed.url, "SELECT CAST(COUNT(*) AS TEXT) FROM audit_event WHERE compartment = 'r'").await;
        assert_eq!(left, "0", "{}", sealed.kind);
        let again = erase(store, Erased::Event(&sealed.ids[4]), ("order-3", NOW_MS), None).await.expect("it looks");
        assert_eq!(again, 0, "{}", sealed.kind);

        // Who only removes a row and writes an act beside it has not erased by an order.
        let act = format!("SELECT CAST(MIN(id) AS TEXT) FROM audit_event WHERE subtype = '{ERASURE}'");
        let act = ask(&sealed.url, &act).await;
        execute(&sealed.url, &format!("UPDATE audit_event SET request_id = 'order-9' WHERE id = '{act}'")).await;
        let report = sealed.verify(sealed.trust()).await;
        assert_eq!(report.erased, 11, "{}: {report:?}", sealed.kind);
        assert!(report.findings.iter().any(|found| found.contains("is not proven")), "{}: {report:?}", sealed.kind);
    }
}

#[tokio::test]
async fn a_sealer_whose_last_seal_was_removed_goes_on_and_a_published_head_tells() {
    for sealed in sealed_trails().await {
        let head = sealed.verify(sealed.trust()).await.head;
        let mut sealer = Sealer::new(sealed.store(), None).expect("it has a key");
        record(sealed.store(), 12, 1).await;
        assert_eq!(sealer.pass(NOW_MS, true).await.expect("it seals"), 1);
        execute(&sealed.url, "DELETE FROM audit_seal WHERE number >= 3").await;
        record(sealed.store(), 13, 1).await;
        assert_eq!(sealer.pass(NOW_MS, true).await.expect("it seals"), 6, "{}", sealed.kind);
        let report = sealed.verify(Trust { head, ..sealed.trust() }).await;
        assert_eq!(report.findings, ["seal 3: is not the one that was published"], "{}", sealed.kind);
    }
}

#[tokio::test]
async fn a_seal_has_one_place_and_what_is_to_be_erased_is_found_by_event_or_record() {
    for sealed in sealed_trails().await {
        let store = sealed.store();
        let head = store.last_seal().await.expect("it answers").expect("there are three");
        let entries = Trail::open(&sealed.url).await.expect("it opens").seals(2, 1).await.expect("it answers");
        let entries = entries[0].unpacked().expect("a list");
        let stretch = Stretch { chain: 9, first_sequence: 1, entries, recorded_ms: (NOW_MS, NOW_MS) };
        let next = Seal::over(&sealed.key, Some(&head), &stretch, NOW_MS);
        assert!(store.put_seal(&next).await.expect("it answers"), "{}", sealed.kind);
        assert!(!store.put_seal(&next).await.expect("it answers"), "{}: whoever is second makes another", sealed.kind);
        let one = store.erasable_events("", &sealed.ids[1], ERASURE).await.expect("it answers");
        assert_eq!(one, [("r".to_owned(), sealed.ids[1].clone())], "{}", sealed.kind);
        let all = store.erasable_events("r", "", ERASURE).await.expect("it answers");
        assert_eq!(all.len(), 12, "{}", sealed.kind);
        assert!(store.erasable_events("r", "", "read").await.expect("it answers").is_empty(), "{}", sealed.kind);
    }
}

#[tokio::test]
async fn the_head_is_written_to_a_file_whenever_it_has_moved() {
    for (kind, url) in wellgate_tests::databases() {
        let (pem, trust) = key();
        let (store, files) = open_with_key(&url, &pem).await;
        let file = files.path().join("head");
        let both = vec![event("r", NOW_MS, Outcome::Success), event("r", NOW_MS, Outcome::Success)];
        store.record_only(both).await.expect("it is recorded");
        seal_all(&store, Some(&file), NOW_MS).await.expect("it seals");
        let head = std::fs::read_to_string(&file).expect("it is written").parse().expect("a head");
        let trust = Trust { head: Some(head), ..trust };
        assert!(verify(&url, trust).await.is_clean(), "{kind}");
        let last = Trail::open(&url).await.expect("it opens").last_seal().await.expect("it answers").expect("a seal");
        assert_eq!(store.hash_of_seal(1).await.expect("it answers"), Some(last.hash), "{kind}");
        assert_eq!(store.sealed_to(last.chain).await.expect("it answers"), 2, "{kind}");
        assert_eq!(store.unsealed_chains(i64::MIN).await.expect("it answers"), [], "{kind}");
        let rows = store.events_of_chain(last.chain, 1, 10).await.expect("it answers");
        assert_eq!(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), [2], "{kind}");
    }
}

#[tokio::test]
async fn whose_data_a_client_or_an_organisation_reached_is_told_by_record_and_time() {
    for (kind, url) in wellgate_tests::databases() {
        let store = open(&url).await;
        let by = |record: &str, minute: i64, client: &str, outcome: Outcome| AuditEvent {
            client: client.to_owned(),
            ..event(record, NOW_MS + minute * 60_000, outcome)
        };
        let events = vec![
            by("one", 0, "b-ehr", Outcome::Success),
            by("one", 5, "b-ehr", Outcome::Success),
            by("two", 1, "b-ehr", Outcome::Refused),
            by("three", 2, "b-billing", Outcome::Success),
            by("four", 30, "b-ehr", Outcome::Success),
            by("organization/b", 3, "b-ehr", Outcome::Success),
        ];
        store.record_only(events).await.expect("it is recorded");
        let trail = Trail::open(&url).await.expect("it opens");
        let until_ms = NOW_MS + 30 * 60_000;
        let asked = async |client: &str, organization: &str| {
            let mut found = Vec::new();
            let by = ReachedBy { client, organization, from_ms: NOW_MS, until_ms };
            trail.reached(by, |reached| found.push(reached)).await.expect("it answers");
            found
        };
        let one = Reached { record: "one".to_owned(), events: 2, first_ms: NOW_MS, last_ms: NOW_MS + 5 * 60_000 };
        assert_eq!(asked("b-ehr", "").await, [one], "{kind}: neither a refusal, nor what is after");
        let records: Vec<String> = asked("", "organization/b").await.into_iter().map(|row| row.record).collect();
        assert_eq!(records, ["one", "three"], "{kind}");
        assert!(asked("b-ehr", "organization/a").await.is_empty(), "{kind}");
        trail.close().await;
    }
}

#[tokio::test]
async fn the_pages_of_a_trail_read_the_same_as_the_whole() {
    for sealed in sealed_trails().await {
        let trail = Trail::open(&sealed.url).await.expect("it opens");
        let all = trail.seals(0, 100).await.expect("it answers");
        let paged = [trail.seals(0, 2).await.expect("it answers"), trail.seals(2, 2).await.expect("it answers")];
        assert_eq!(paged.concat(), all, "{}", sealed.kind);
        let chains = trail.chains().await.expect("it answers");
        assert_eq!(chains, [all[0].chain], "{}", sealed.kind);
        let rows = trail.stretch(chains[0], (2, 5), 100).await.expect("it answers");
        assert_eq!(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), [2, 3, 4, 5], "{}", sealed.kind);
        let time = (NOW_MS, NOW_MS + 2_000);
        assert_eq!(trail.count(time).await.expect("it answers"), 2, "{}", sealed.kind);
        assert!(trail.strays(time, 9).await.expect("it answers").is_empty(), "{}", sealed.kind);
        assert!(trail.erasures(ERASURE).await.expect("it answers").is_empty(), "{}", sealed.kind);
    }
}

#[tokio::test]
async fn an_event_that_does_not_say_who_did_it_is_not_written_nor_what_it_is_about() {
    for (kind, url) in wellgate_tests::databases() {
        let store = open(&url).await;
        let said = || event("r", NOW_MS, Outcome::Success);
        for (what, said) in [
            ("who", AuditEvent { organization: String::new(), ..said() }),
            ("what", AuditEvent { subtype: "", ..said() }),
            ("how", AuditEvent { action: "", ..said() }),
            ("about whom", AuditEvent { compartment: String::new(), ..said() }),
            ("by which application", AuditEvent { client: String::new(), ..said() }),
        ] {
            let set =
                set!(new_records: vec![record_of("r", "a")], audit: vec![event("r", NOW_MS, Outcome::Success), said]);
            let refused = store.apply(set).await;
            assert!(matches!(refused, Err(StorageError::Incomplete)), "{kind} {what}: {refused:?}");
        }
        let rows = "SELECT CAST((SELECT COUNT(*) FROM audit_event) + (SELECT COUNT(*) FROM record) AS TEXT)";
        assert_eq!(ask(&url, rows).await, "0", "{kind}");
    }
}
