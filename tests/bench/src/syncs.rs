//! How often the disk is waited for: one write after another, by one client.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::load;
use crate::subject::{Database, Subject};

/// Few enough that SQLite's log does not reach the length at which it is copied back (a checkpoint).
const WRITES: usize = 20;
/// PostgreSQL's backends hand in their counts when they have been idle for ten seconds.
const COUNTS_ARE_IN: Duration = Duration::from_secs(12);

/// Syncs of the log for each referral that one client places, those of checkpoints apart.
pub(crate) fn per_write(subject: &Subject, directory: &Path, runtime: &Runtime) -> io::Result<f64> {
    let records = subject.make_records(WRITES + 1)?;
    // The first write of a log begins it anew: that sync belongs to the checkpoint before.
    let mut requests = subject.referrals(&records);
    subject.database.settle(runtime)?;
    load::once(subject.process.address, requests.split_off(WRITES), 1)?;
    let syncs = match &subject.database {
        Database::Sqlite(..) => {
            let trace = directory.join("syncs");
            let mut strace = Command::new("strace")
                .args(["-f", "-y", "-e", "trace=fsync,fdatasync,sync_file_range", "-o"])
                .arg(&trace)
                .args(["-p", &subject.process.id().to_string()])
                .stderr(Stdio::null())
                .spawn()?;
            std::thread::sleep(Duration::from_millis(500));
            load::once(subject.process.address, requests, 1)?;
            Command::new("kill").args(["-INT", &strace.id().to_string()]).status()?;
            strace.wait()?;
            let text = fs::read_to_string(trace)?;
            let count = |name: &str| text.lines().filter(|line| line.contains("sync(") && line.contains(name)).count();
            if count(".sqlite>") > 0 {
                return Err(io::Error::other("a checkpoint fell into the measurement: run again"));
            }
            count(".sqlite-wal>")
        }
        Database::Postgres(_) => {
            let sql = "SELECT wal_sync FROM pg_stat_wal";
            std::thread::sleep(COUNTS_ARE_IN);
            let before = subject.database.number(sql, runtime)?;
            load::once(subject.process.address, requests, 1)?;
            std::thread::sleep(COUNTS_ARE_IN);
            usize::try_from(subject.database.number(sql, runtime)? - before).unwrap_or_default()
        }
    };
    let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    Ok(count(syncs) / count(WRITES))
}
