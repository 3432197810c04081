//! Whose data did a client reach: the question to a trail of ten million events, as an operator asks it.

use std::io;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::subject::{Database, Subject};

/// Events of the trail.
pub(crate) const EVENTS: usize = 10_000_000;
/// Events of a record: one a client.
const PER_RECORD: usize = 100;
/// Records that one statement fills.
const STEP: usize = 10_000;
/// When the first event was recorded.
const FIRST: &str = "2026-01-01T00:00:00Z";
const FIRST_MS: i64 = 1_767_225_600_000;

/// Fills the trail with so many events, past the gateway: of a hundred clients, each of which reached every record.
pub(crate) fn fill(database: &Database, runtime: &Runtime) -> io::Result<()> {
    let numbers = |from: usize, to: usize| match database {
        Database::Sqlite(..) => format!(
            "(WITH RECURSIVE n(n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM n WHERE n < {to}) SELECT n FROM n)"
        ),
        Database::Postgres(_) => format!("(SELECT n FROM generate_series({from}, {to}) AS g(n))"),
    };
    let id = match database {
        Database::Sqlite(..) => "printf('%032x', r.n * 100 + e.n)",
        Database::Postgres(_) => "lpad(to_hex(r.n * 100 + e.n), 32, '0')",
    };
    let record = match database {
        Database::Sqlite(..) => "printf('bulk-%08d', r.n)",
        Database::Postgres(_) => "'bulk-' || lpad(r.n::text, 8, '0')",
    };
    for from in (0..EVENTS / PER_RECORD).step_by(STEP) {
        // A second apart, mixed over the records.
        let sql = format!(
            "INSERT INTO audit_event (compartment, id, recorded_ms, action, subtype, outcome, reason, organization, client, \
             practitioner, purpose, basis, resource_type, resource_id, version_id, request_id) \
             SELECT {record}, {id}, {FIRST_MS} + 1000 * CAST((r.n * 7919 + e.n * 104729) % {EVENTS} AS BIGINT), 'R', 'read', '0', '', \
             'organization/bench-' || ((r.n + e.n) % 100), 'bench-' || ((r.n + e.n) % 100), '', 'TREAT', 'consent', 'Patient', \
             {record}, 1, {id} FROM {} AS r CROSS JOIN {} AS e",
            numbers(from, from + STEP - 1),
            numbers(0, PER_RECORD - 1)
        );
        database.execute(&sql, runtime)?;
    }
    Ok(())
}

/// The time that the answer takes, from the command to its last line, and how many records it has.
pub(crate) fn reached(subject: &Subject) -> io::Result<(Duration, usize)> {
    let begun = Instant::now();
    let mut command = subject.command();
    command.args(["audit", "reached", "--config"]).arg(subject.config()).args(["--client", "bench-7"]);
    let output = command.args(["--from", FIRST]).stderr(Stdio::inherit()).output()?;
    let took = begun.elapsed();
    if !output.status.success() {
        return Err(io::Error::other(format!("{command:?} failed")));
    }
    Ok((took, String::from_utf8_lossy(&output.stdout).lines().count()))
}

/// How many records one client reached.
pub(crate) const REACHED: usize = EVENTS / PER_RECORD;
