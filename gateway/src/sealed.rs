//! What is done to sealed values beside requests: receipts of destroyed keys, sealing what was stored before, new wrapping.

use crate::access::Caller;
use crate::access::caller::Act;
use crate::app::App;
use crate::clock::format_instant;
use crate::error::Failure;
use crate::storage::key_epoch::MissingKey;
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
        // The key of a record, or of one resource outside of any.
        let (resource_type, id) = match key.scope.rsplit_once('/') {
            Some((before, id)) => (before.rsplit_once('/').map_or(before, |(_, resource_type)| resource_type), id),
            None => ("Patient", key.scope.as_str()),
        };
        let touched = Touched {
            compartment: key.scope.clone(),
            resource_type: resource_type.to_owned(),
            resource_id: id.to_owned(),
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

/// Tells of every key that the key store lacks, because it is an older copy and no newer one is left. Answers how many.
///
/// # Errors
/// [`StorageError`].
pub async fn each_missing(
    store: &Store,
    mut tell: impl AsyncFnMut(MissingKey) -> Result<(), StorageError>,
) -> Result<u64, StorageError> {
    /// Keys of a look: each look goes through the whole database.
    const STEP: u32 = 50_000;
    let (mut after, mut found) = (String::new(), 0);
    loop {
        let (missing, last) = store.missing_keys(&after, STEP).await?;
        for key in missing {
            tell(key).await?;
            found += 1;
        }
        match last {
            Some(last) => after = last,
            None => return Ok(found),
        }
    }
}

/// Goes on with a key store that is an older copy: keys that the trail says were destroyed are destroyed again, and what was sealed with
/// keys that are missing is given up, which the trail of each record says. Answers how many were destroyed, and how many given up.
///
/// # Errors
/// [`StorageError`], or the registry cannot be read; what was done until then stays done, and is done again without harm.
pub async fn give_up(app: &App, now_ms: i64) -> Result<(u64, u64), Failure> {
    let destroyed = app.store.destroy_keys_again(now_ms).await?;
    write_receipts(app).await?;
    let registry = app.registry().await?;
    let given_up = each_missing(&app.store, async |key| {
        let touched = Touched {
            compartment: key.compartment.clone(),
            resource_type: key.resource_type.clone(),
            resource_id: key.resource_id.clone(),
            version_id: 0,
            level: Level::Held,
        };
        let event = Caller::gateway(registry.clone(), now_ms).event(Act::new("D", "lose-key"), "operator", &touched);
        app.store.record_only(vec![event]).await?;
        app.store.give_up_key(&key.id, now_ms).await
    });
    let given_up = given_up.await?;
    app.store.accept_keys().await?;
    Ok((destroyed, given_up))
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
