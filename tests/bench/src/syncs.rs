//! How often the disk is waited for: one write after another, by one client.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::load;
use crate::subject::{Database, Subject};

/// Few enough that SQLite's log seldom reaches the length at which it is copied back (a checkpoint).
const WRITES: usize = 10;
/// How often it is tried again when a checkpoint fell into it all the same.
const ATTEMPTS_MAX: usize = 5;

/// Syncs of the log for each referral that one client places, by the processes that answer it (the gateway with SQLite in
/// it, PostgreSQL's backends): what a server writes meanwhile for itself is not waited for. Those of checkpoints apart.
pub(crate) fn per_write(
    subject: &Subject,
    processes: impl Fn() -> Vec<u32>,
    directory: &Path,
    runtime: &Runtime,
) -> io::Result<f64> {
    let (log, data) = match subject.database {
        Database::Sqlite(..) => (".sqlite-wal>", Some(".sqlite>")),
        // Its checkpoints are another process's.
        Database::Postgres(_) => ("/pg_wal/", None),
    };
    for _ in 0..ATTEMPTS_MAX {
        let records = subject.make_records(WRITES + 1)?;
        let mut requests = subject.referrals(&records);
        subject.database.settle(runtime)?;
        // The first write of a log begins it anew: that sync belongs to the checkpoint before.
        load::once(subject.process.address, requests.split_off(WRITES), 1)?;
        // The gateway opens its connections as it needs them: those of the first write are the ones that serve the next.
        let text = traced(&processes(), directory, || load::once(subject.process.address, requests, 1))?;
        let count = |file: &str| text.lines().filter(|line| line.contains("sync(") && line.contains(file)).count();
        if data.is_none_or(|data| count(data) == 0) {
            let number = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
            return Ok(number(count(log)) / number(WRITES));
        }
    }
    Err(io::Error::other("a checkpoint fell into every measurement of syncs"))
}

/// The syncs of some processes, a line each, while the work is done.
fn traced<T>(processes: &[u32], directory: &Path, work: impl FnOnce() -> io::Result<T>) -> io::Result<String> {
    let trace = directory.join("syncs");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-e", "trace=fsync,fdatasync,sync_file_range", "-o"]).arg(&trace);
    for process in processes {
        strace.args(["-p", &process.to_string()]);
    }
    let mut strace = strace.stderr(Stdio::null()).spawn()?;
    std::thread::sleep(Duration::from_millis(500));
    work()?;
    Command::new("kill").args(["-INT", &strace.id().to_string()]).status()?;
    strace.wait()?;
    fs::read_to_string(trace)
}
