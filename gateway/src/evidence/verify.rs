//! Verifying a trail from end to end, in pages, on a database that is only read.

use crate::audit::check::{Check, ERASURE, Report, Trust};
use crate::audit::seal::TrailRow;
use crate::storage::StorageError;
use crate::storage::trail::Trail;

/// Seals of a page.
const SEALS: u32 = 16;
/// Rows of a page where nothing says how many there are.
const ROWS: usize = 1_000;
/// Strays that are named.
const STRAYS: u32 = 20;

/// Goes through every seal and, of the time that is asked for, every event.
///
/// # Errors
/// [`StorageError`]: nothing was proven then, neither way.
pub async fn verify(trail: &Trail, trust: Trust) -> Result<Report, StorageError> {
    let recorded = trust.recorded.unwrap_or((i64::MIN, i64::MAX));
    let within = |row: &&TrailRow| (recorded.0..recorded.1).contains(&row.event.recorded_ms);
    let mut check = Check::new(trust, trail.erasures(ERASURE).await?);
    let (mut last, mut seen) = (0, 0);
    loop {
        let seals = trail.seals(last, SEALS).await?;
        let Some(end) = seals.last() else { break };
        last = end.number;
        for seal in &seals {
            if check.seal(seal) {
                // A few more than it has: what was put between.
                let count = seal.unpacked().map_or(0, |entries| entries.len()) + ROWS;
                let rows = trail.stretch(seal.chain, (seal.first_sequence, seal.last_sequence), count).await?;
                seen += rows.iter().filter(within).count();
                check.rows(seal, &rows);
            }
        }
    }
    for chain in trail.chains().await? {
        loop {
            let rows = trail.stretch(chain, (check.sealed_to(chain).saturating_add(1), i64::MAX), ROWS).await?;
            if rows.is_empty() {
                break;
            }
            seen += rows.iter().filter(within).count();
            check.unsealed(chain, &rows);
        }
    }
    let strays = trail.strays(recorded, STRAYS).await?;
    for id in &strays {
        check.find(format!(
            "AuditEvent/{id}: stands in no chain: it was put into the trail, or written without the key"
        ));
    }
    let count = trail.count(recorded).await?;
    let seen = u64::try_from(seen).unwrap_or(u64::MAX);
    if strays.is_empty() && count != seen {
        check.find(format!("of {count} events recorded in that time {seen} stand where a seal looks"));
    }
    Ok(check.end())
}
