//! How a search by patient and code fares where there is much else: a hundred thousand resources, and ten million.
//!
//! What is not searched is made by SQL, past the gateway, and has the same holder and the same codes.

use std::io;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::fhir::{self, CODES};
use crate::load;
use crate::report::{Goal, Report};
use crate::search_floor::{PER_RECORD, bulk_records, numbers, observations};
use crate::subject::Subject;

/// Resources at first and in the end.
const FEW: usize = 100_000;
const MANY: usize = 10_000_000;
/// Resources that are made in one transaction.
const AT_ONCE: usize = 500_000;
const CLIENTS: usize = 8;

/// Fills up from so many resources to so many.
fn fill(subject: &Subject, (from, to): (usize, usize), runtime: &Runtime) -> io::Result<()> {
    let database = &subject.database;
    for from in (from..to).step_by(AT_ONCE) {
        let to = (from + AT_ONCE).min(to);
        let records = numbers(database, 1 + from / PER_RECORD, to / PER_RECORD);
        let each =
            format!("(SELECT 'bulk-' || n AS compartment FROM {records}) AS c, {}", numbers(database, 1, PER_RECORD));
        let id = "c.compartment || '-' || n";
        for sql in [
            bulk_records(&records),
            observations(id, "\"valueString\":\"x\"", &each),
            format!(
                "INSERT INTO search_index (compartment, resource_type, id, ordinal, parameter, system, value, sight) \
                 SELECT c.compartment, 'Observation', {id}, 0, 'code', 'http://loinc.org', 'code-' || (n % {CODES}), 1 FROM {each}"
            ),
        ] {
            database.execute(&sql, runtime)?;
        }
    }
    Ok(())
}

/// The latency that 99 of a hundred searches stay under, in the rounds' median each, at both sizes.
pub(crate) fn measure(
    subject: &Subject,
    (rounds, time): (usize, Duration),
    runtime: &Runtime,
    report: &mut Report,
) -> io::Result<()> {
    let searched = fhir::searched(subject)?;
    let p99 = || -> io::Result<f64> {
        subject.database.settle(runtime)?;
        load::cycle(subject.process.address, &searched.requests, CLIENTS, Duration::from_secs(2))?;
        let mut all = Vec::new();
        for _ in 0..rounds {
            let mut measured = load::cycle(subject.process.address, &searched.requests, CLIENTS, time)?;
            if let Some(first) = &measured.first_failure {
                return Err(io::Error::other(first.clone()));
            }
            all.push(measured.percentile_ms(99));
        }
        all.sort_by(f64::total_cmp);
        Ok(all[all.len() / 2])
    };
    fill(subject, (0, FEW), runtime)?;
    let few = p99()?;
    fill(subject, (FEW, MANY), runtime)?;
    let many = p99()?;
    let name =
        format!("search by patient and code, p99 of {MANY} resources ÷ of {FEW}, {CLIENTS} clients, {}", subject.name);
    report.add(&name, ("ms", Goal::AtMost(2.0)), (many, Some(few)), "");
    Ok(())
}
