//! What a power cut leaves of a SQLite database: the file, and its log cut anywhere. What opens is a prefix of what was
//! acknowledged, in order.
//!
//! A process that is killed loses nothing that the system holds for it, so it proves nothing about the disk; cutting the log
//! does. <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>

use std::path::{Path, PathBuf};

use gateway::audit::Outcome;
use gateway::storage::{Store, StoreSettings};
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use crate::world::{NOW_MS, beginning, cases, event, first, key, open};

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// Writes `commits` numbered transactions of two resources each, one after the other, each acknowledged.
async fn acknowledge(store: &Store, commits: usize) {
    for n in 1..=commits {
        let id = format!("{n:04}");
        let patient = json!({"resourceType": "Patient", "name": [{"family": format!("Familie {n}")}]});
        let versions =
            vec![first(key(&id, "Patient", &id), &patient), first(key(&id, "Observation", &id), &json!({"n": n}))];
        let mut set = beginning(&id, "a", versions);
        set.audit.push(event(&id, NOW_MS, Outcome::Success));
        store.apply(set).await.expect("it is acknowledged");
    }
}

/// How many transactions a database holds: the first so many, each whole, and nothing else.
async fn prefix(database: &Path) -> usize {
    let options = SqliteConnectOptions::new().filename(database);
    let mut connection = options.connect().await.expect("what a power cut leaves can be opened");
    let check = sqlx::query("PRAGMA integrity_check").fetch_one(&mut connection).await.expect("it can be checked");
    assert_eq!(check.get::<String, _>(0), "ok");
    let mut numbers = Vec::new();
    for sql in [
        "SELECT compartment FROM record WHERE length(compartment) = 4 ORDER BY 1",
        "SELECT id FROM resource WHERE resource_type = 'Patient' ORDER BY 1",
        "SELECT id FROM resource WHERE resource_type = 'Observation' ORDER BY 1",
        "SELECT DISTINCT id FROM search_index ORDER BY 1",
        "SELECT compartment FROM audit_event ORDER BY 1",
    ] {
        let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("the schema was there before");
        numbers.push(rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>());
    }
    connection.close().await.expect("it can be closed");
    let expected: Vec<String> = (1..=numbers[0].len()).map(|n| format!("{n:04}")).collect();
    for numbers in &numbers {
        assert_eq!(*numbers, expected, "a hole, or half a transaction");
    }
    expected.len()
}

/// The files of a database that is open and was not closed: as a killed process leaves them.
struct Left {
    database: Vec<u8>,
    log: Vec<u8>,
    directory: tempfile::TempDir,
}

impl Left {
    fn of(url: &str) -> Self {
        let path = url.trim_start_matches("sqlite:");
        let database = std::fs::read(path).expect("the file is there");
        let log = std::fs::read(format!("{path}-wal")).expect("the log is there");
        Self { database, log, directory: tempfile::tempdir().expect("there is room") }
    }

    /// The size of a frame: a header and a page.
    fn frame_bytes(&self) -> usize {
        let page = u32::from_be_bytes(self.log[8..12].try_into().expect("four bytes"));
        usize::try_from(page).expect("a page") + FRAME_HEADER_BYTES
    }

    /// The database with this log, at a place of its own.
    fn with_log(&self, log: &[u8]) -> PathBuf {
        let path = self.directory.path().join("cut.sqlite");
        for ending in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
        }
        std::fs::write(&path, &self.database).expect("there is room");
        std::fs::write(format!("{}-wal", path.display()), log).expect("there is room");
        path
    }
}

/// A database whose schema and `before` transactions are in the file, and the next `after` in the log only.
async fn left(before: usize, after: usize) -> Left {
    let url = wellgate_tests::sqlite::database_url();
    let store = open(&url).await;
    acknowledge(&store, before).await;
    // Closing moves the log into the file.
    store.close().await;
    let store = open(&url).await;
    for n in before + 1..=before + after {
        let id = format!("{n:04}");
        let patient = json!({"resourceType": "Patient", "name": [{"family": format!("Familie {n}")}]});
        let versions =
            vec![first(key(&id, "Patient", &id), &patient), first(key(&id, "Observation", &id), &json!({"n": n}))];
        let mut set = beginning(&id, "a", versions);
        set.audit.push(event(&id, NOW_MS, Outcome::Success));
        store.apply(set).await.expect("it is acknowledged");
    }
    // Not closed: this is what is there at any moment after the last acknowledgement.
    Left::of(&url)
}

#[tokio::test]
async fn a_log_that_is_cut_anywhere_opens_as_a_prefix_of_what_was_acknowledged() {
    let after = cases("WELLGATE_POWER_CUTS", 12);
    let (before, all) = (3, 3 + after);
    let left = left(before, after).await;
    let frame = left.frame_bytes();
    let frames = (left.log.len() - HEADER_BYTES) / frame;
    let mut cuts: Vec<usize> = (0..=frames).map(|n| HEADER_BYTES + n * frame).collect();
    // Inside every frame: its header, its page, and the byte before it is whole.
    cuts.extend(
        (0..frames).flat_map(|n| [1, 23, 24, 25, frame / 2, frame - 1].map(|byte| HEADER_BYTES + n * frame + byte)),
    );
    // The last transaction at every hundredth byte, and the header of the log.
    let last = left.log.len() - 30 * frame.min((left.log.len() - HEADER_BYTES) / 30);
    cuts.extend((last..left.log.len()).step_by(100));
    cuts.extend(0..=HEADER_BYTES);
    cuts.sort_unstable();
    cuts.dedup();
    let mut opened = before;
    for (n, cut) in cuts.iter().enumerate() {
        let path = left.with_log(&left.log[..*cut]);
        let prefix = prefix(&path).await;
        assert!((opened..=all).contains(&prefix), "{prefix} of {all} at byte {cut}, {opened} before it");
        opened = prefix;
        if n % 100 == 0 {
            // The gateway itself opens it, and goes on.
            let store = Store::open(&StoreSettings::new(format!("sqlite:{}", path.display()))).await.expect("it opens");
            store.ping().await.expect("it answers");
            store.close().await;
        }
    }
    assert_eq!(opened, all, "the whole log has everything that was acknowledged");
    println!("{} cuts of {frames} frames, {after} transactions", cuts.len());
}

#[tokio::test]
async fn a_log_with_a_torn_sector_opens_as_a_prefix_too() {
    let (before, after) = (3, 6);
    let left = left(before, after).await;
    let frame = left.frame_bytes();
    let mut seen = std::collections::BTreeSet::new();
    for sector in (HEADER_BYTES..left.log.len()).step_by(1_024) {
        for torn in [0_u8, 0xFF] {
            let mut log = left.log.clone();
            let end = (sector + 512).min(log.len());
            if log[sector..end].iter().all(|byte| *byte == torn) {
                continue;
            }
            log[sector..end].fill(torn);
            let prefix = prefix(&left.with_log(&log)).await;
            assert!((before..=before + after).contains(&prefix), "{prefix} with byte {sector} torn");
            seen.insert(prefix);
            // Whatever follows the torn frame is not taken either, though it is whole.
            assert!(prefix < before + after || sector >= log.len() - frame, "byte {sector} of {} was torn", log.len());
        }
    }
    assert!(seen.len() > after / 2, "only {seen:?}");
}
