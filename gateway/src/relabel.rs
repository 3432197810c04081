//! Labelling anew what an older table labelled: until that is done, such a version counts as most restricted.
//!
//! It goes on where it was stopped, and several gateways may do it at once: what has its new facts is not found again.

use serde_json::Value;

use crate::labels::{ATOMS_BYTES_MAX, Facts, LabelSet, LabelTable, Source, facts};
use crate::storage::relabel::StaleVersion;
use crate::storage::{StorageError, Store};

/// Versions of a step: as many as one short write takes.
const STEP: u32 = 200;
/// Characters of a step, so that its memory is bounded: one version may be longer.
const STEP_BYTES: u32 = 8 << 20;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Versions that have their new facts.
    pub done: u64,
    /// Versions that there were when it began.
    pub total: u64,
}

/// Labels everything anew that an older table labelled, and tells after each step how far it is. Answers how many versions
/// there were.
///
/// # Errors
/// [`StorageError`]: what was done until then stays done.
pub async fn relabel(
    store: &Store,
    table: &LabelTable,
    base_url: &str,
    mut tell: impl FnMut(Progress),
) -> Result<u64, StorageError> {
    let total = store.count_stale(table.version()).await?;
    let mut done = 0;
    loop {
        let versions = store.stale(table.version(), (STEP, STEP_BYTES)).await?;
        let step = if versions.is_empty() {
            store.relabel_deletions(table.version(), STEP).await?
        } else {
            let with_facts = |version| (facts_of(table, &version, base_url), version);
            let labelled: Vec<(Facts, StaleVersion)> = versions.into_iter().map(with_facts).collect();
            store.put_facts(&labelled).await?;
            u64::try_from(labelled.len()).unwrap_or_default()
        };
        if step == 0 {
            return Ok(done);
        }
        done += step;
        tell(Progress { done, total: total.max(done) });
    }
}

/// The facts of a stored version; all that they may be where they cannot be known.
fn facts_of(table: &LabelTable, version: &StaleVersion, base_url: &str) -> Facts {
    let unknown = || Facts { label_version: table.version(), declared: version.declared, ..Facts::UNKNOWN };
    let Ok(resource) = serde_json::from_str::<Value>(&version.body) else { return unknown() };
    let source = Source { id: &version.key.id, author: &version.author, recorded_ms: version.recorded_ms, base_url };
    let mut known = facts(table, version.key.resource_type, &resource, source);
    known.declared = known.declared.union(version.declared);
    known.labels = known.labels.union(version.declared);
    if known.atoms.len() > ATOMS_BYTES_MAX {
        // Half a list would let a deny miss it.
        known.atoms.clear();
        known.labels = LabelSet::EVERY;
    }
    known
}
