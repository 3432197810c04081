//! A search in a large database by a caller who sees little of it, and its floor: the fastest hand-written SQL for the same answer.
//!
//! What is not seen is made by SQL, past the gateway: only its number matters.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio::runtime::Runtime;

use crate::subject::{Database, RECEIVER, SENDER};

/// Observations of each record.
pub(crate) const PER_RECORD: usize = 100;
/// Records of which the receiver may see everything.
const SEEN_RECORDS: usize = 10;
/// Matches of a page.
pub(crate) const PAGE: usize = 20;
/// Later than any table's, so that the gateway does not begin to label a million resources anew.
const LABEL_VERSION: i64 = 1_000_000_000_000;
/// What the receiver may see in all.
pub(crate) const SEEN: usize = PER_RECORD * SEEN_RECORDS;

/// Fills the database with so many Observations, a hundred a record; the first of these records are the given ones, which
/// Consents open to the receiver.
pub(crate) fn fill(database: &Database, seen: &[String], count: usize, runtime: &Runtime) -> io::Result<()> {
    let records = count / PER_RECORD;
    let known: Vec<String> = seen.iter().take(SEEN_RECORDS).map(|id| format!("'{id}'")).collect();
    let numbers = |from, to| numbers(database, from, to);
    // As of many records that go on at the same time: what is seen lies among what is not.
    let id = match database {
        Database::Sqlite(..) => "LOWER(HEX(RANDOMBLOB(16)))",
        Database::Postgres(_) => "MD5(c.compartment || n)",
    };
    let body = format!("\"valueString\":\"{}\"", "x".repeat(400));
    let observations =
        |compartments: &str| observations(id, &body, &format!("{compartments} AS c, {}", numbers(1, PER_RECORD)));
    for sql in [
        bulk_records(&numbers(1, records - SEEN_RECORDS)),
        observations("(SELECT compartment FROM record WHERE compartment LIKE 'bulk-%')"),
        observations(&format!("(SELECT compartment FROM record WHERE compartment IN ({}))", known.join(", "))),
    ] {
        database.execute(&sql, runtime)?;
    }
    Ok(())
}

/// Makes a record of each number, past the gateway.
pub(crate) fn bulk_records(numbers: &str) -> String {
    format!(
        "INSERT INTO record (compartment, custodian, epoch, created_ms) \
         SELECT 'bulk-' || n, 'organization/{SENDER}', 1, 0 FROM {numbers}"
    )
}

/// Makes an Observation of each row of `from`, which has a compartment `c` and a number `n`.
pub(crate) fn observations(id: &str, body: &str, from: &str) -> String {
    format!(
        "INSERT INTO resource (compartment, resource_type, id, version_id, last_updated_ms, author, method, deleted, body, \
         holes, labels, label_version) \
         SELECT c.compartment, 'Observation', {id}, 1, 0, 'organization/{SENDER}', 'POST', 0, \
         '{{\"resourceType\":\"Observation\",\"status\":\"final\",{body}}}', '', 1, {LABEL_VERSION} FROM {from}"
    )
}

/// The numbers `n` from the first to the last, as a table.
pub(crate) fn numbers(database: &Database, from: usize, to: usize) -> String {
    match database {
        Database::Sqlite(..) => format!(
            "(WITH RECURSIVE n(n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM n WHERE n < {to}) SELECT n FROM n) AS n"
        ),
        Database::Postgres(_) => format!("generate_series({from}, {to}) AS n(n)"),
    }
}

/// The search as a person would write it who knows that nothing denies and nothing is closed: every rule of sight is in it, and
/// nothing that this answer does not need.
pub(crate) fn sql(now_ms: i64) -> String {
    let limit = PAGE + 1;
    format!(
        "SELECT r.id, r.version_id, r.last_updated_ms, r.body FROM access_grant g CROSS JOIN resource r \
         WHERE r.compartment = g.compartment AND r.resource_type = 'Observation' AND r.deleted = 0 \
         AND g.grantee IN ('organization/{RECEIVER}', 'kind/elp', '*') AND g.effect = 'permit' \
         AND (g.purposes & 1) <> 0 AND g.from_ms <= {now_ms} AND {now_ms} < g.until_ms \
         AND NOT EXISTS (SELECT 1 FROM access_grant d WHERE d.compartment = r.compartment AND d.effect = 'deny') \
         AND NOT EXISTS (SELECT 1 FROM closure x WHERE x.compartment = r.compartment AND x.grantee = 'organization/{RECEIVER}') \
         ORDER BY r.id LIMIT {limit}"
    )
}

/// The script for pgbench.
pub(crate) fn script(directory: &Path, now_ms: i64) -> io::Result<PathBuf> {
    let folder = directory.join("search");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("search.sql"), format!("{};\n", sql(now_ms)))?;
    Ok(folder)
}
