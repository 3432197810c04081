//! What is done to sealed values beside requests: receipts of destroyed keys, sealing what was stored before, new wrapping.

use crate::access::Caller;
use crate::access::caller::Act;
use crate::app::App;
use crate::clock::format_instant;
use crate::error::Failure;
use crate::storage::resource::Touched;
use crate::storage::sight::Level;
use crate::storage::{StorageError, Store};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is done.
    pub done: u64,
    /// What there was to do when it began.
    pub total: u64,
}

/// Writes the receipts of destroyed keys into the trail of their records: what was destroyed, when, and on which day the last copy of
/// the key store that still has the key dies. Answers how many.
///
/// # Errors
/// The database is away; then the receipts are written at the next round.
pub async fn write_receipts(app: &App) -> Result<usize, Failure> {
    let destroyed = app.store.destroyed_keys().await?;
    for key in &destroyed {
        let caller = Caller::gateway(app.registry().await?, key.destroyed_ms);
        let touched = Touched {
            compartment: key.scope.clone(),
            resource_type: "Patient".to_owned(),
            resource_id: key.scope.clone(),
            version_id: 0,
            level: Level::Held,
        };
        let last_copy = format_instant(key.destroyed_ms + i64::from(app.key_copies_days) * DAY_MS);
        let day = last_copy.split('T').next().unwrap_or_default();
        let event = caller.event(Act::new("D", "destroy-key"), "operator", &touched);
        let event = event.asking(&format!("last-copy={day}"));
        app.store.record_only(vec![event]).await?;
        app.store.forget_destroyed_key(&key.id).await?;
        metrics::counter!("wellgate_keys_destroyed_total").increment(1);
        tracing::info!(last_copy = day, "the key of a record was destroyed, its receipt is in the trail");
    }
    Ok(destroyed.len())
}

/// Seals what was stored before there was a vault, and tells after each step how far it is.
///
/// # Errors
/// [`StorageError`]: what was done until then stays done.
pub async fn seal_stored(store: &Store, mut tell: impl FnMut(Progress)) -> Result<u64, StorageError> {
    let total = store.count_unsealed().await?;
    let mut done = 0;
    loop {
        let step = store.seal_step().await?;
        if step == 0 {
            return Ok(done);
        }
        done += step;
        tell(Progress { done, total: total.max(done) });
    }
}

/// Wraps every key of a record by the newest key of the ring, and tells after each step how far it is.
///
/// # Errors
/// [`StorageError`]: what was done until then stays done.
pub async fn rotate(store: &Store, mut tell: impl FnMut(Progress)) -> Result<u64, StorageError> {
    let Some(keys) = store.keys() else { return Ok(0) };
    let total = keys.count_outdated().await?;
    let mut done = 0;
    loop {
        let step = keys.rotate_step().await?;
        if step == 0 {
            return Ok(done);
        }
        done += step;
        tell(Progress { done, total: total.max(done) });
    }
}
