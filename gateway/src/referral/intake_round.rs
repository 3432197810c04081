//! What time does to intakes: those that went on too long end, and national numbers that nobody needs any more are destroyed.

use super::intake::give_up;
use crate::access::caller::Act;
use crate::access::{Caller, Draft};
use crate::app::App;
use crate::clock::format_instant;
use crate::error::Failure;
use crate::storage::intake::IntakeRow;
use crate::storage::resource::Touched;
use crate::storage::sight::Level;
use crate::storage::write_set::{Precondition, ResourceKey};
use crate::vault::scope;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Intakes of one round.
const ROUND_MAX: i64 = 100;

/// Ends what was looked for too long; answers how many intakes.
///
/// # Errors
/// The database is away.
pub async fn end_old(app: &App) -> Result<usize, Failure> {
    let now_ms = app.clock.now_ms();
    let before_ms = now_ms - i64::from(app.intake_days_max) * DAY_MS;
    let mut ended = 0;
    for row in app.store.intakes_before(before_ms, ROUND_MAX).await? {
        match end_one(app, row, now_ms).await {
            Ok(()) => ended += 1,
            // Whoever moved it meanwhile has decided what becomes of it; one that cannot be ended must not keep the others.
            Err(Failure::Conflict) => {}
            Err(failure) => tracing::error!(status = failure.status().as_u16(), "an intake could not be ended"),
        }
    }
    Ok(ended)
}

async fn end_one(app: &App, row: IntakeRow, now_ms: i64) -> Result<(), Failure> {
    let caller = Caller::gateway(app.registry().await?, now_ms);
    let mut draft = Draft::new(app, &caller);
    let key = ResourceKey { compartment: row.compartment.clone(), resource_type: "Task", id: row.task_id.clone() };
    // The Task is read first: whoever wrote it since then is found by its version, and whoever did before by the row.
    if let Some(version) = draft.content(&key).await?.and_then(|stored| stored.previous) {
        draft.set.preconditions.push(Precondition::Version { key: key.clone(), version });
    }
    let now = app.store.intake(&row.compartment, &row.task_id).await?;
    let Some(row) = now.filter(|now| now.state == row.state) else { return Err(Failure::Conflict) };
    give_up(&mut draft, &key, row, ("intake-out-of-time", "out-of-time")).await?;
    Ok(app.store.apply(draft.finish()).await?)
}

/// Destroys the national numbers that are not needed any more, and says so in the records of whom they name; answers how many.
///
/// # Errors
/// The database is away: it is done at the next round.
pub async fn destroy_numbers(app: &App) -> Result<usize, Failure> {
    let mut destroyed = 0;
    for row in app.store.intakes_decided(ROUND_MAX).await? {
        match destroy_one(app, &row).await {
            Ok(()) => destroyed += usize::from(row.number != 0),
            // One that cannot be destroyed must not keep the others.
            Err(failure) => {
                tracing::error!(status = failure.status().as_u16(), "a national number could not be destroyed");
            }
        }
    }
    Ok(destroyed)
}

async fn destroy_one(app: &App, row: &IntakeRow) -> Result<(), Failure> {
    if row.number != 0 {
        let now_ms = app.clock.now_ms();
        // Twice does no harm: a gateway that dies in between finds the row again.
        app.store.destroy_keys(&scope(&row.compartment, "Task", &row.task_id), now_ms).await?;
        let caller = Caller::gateway(app.registry().await?, now_ms);
        let touched = Touched {
            compartment: row.record.clone(),
            resource_type: "Patient".to_owned(),
            resource_id: row.record.clone(),
            version_id: 0,
            level: Level::Held,
        };
        let last_copy = format_instant(now_ms + i64::from(app.key_copies_days) * DAY_MS);
        let day = last_copy.split('T').next().unwrap_or_default();
        let event = caller.event(Act::new("D", "intake-number-destroyed"), "operator", &touched);
        app.store.record_only(vec![event.asking(&format!("last-copy={day}"))]).await?;
    }
    Ok(app.store.forget_intake_number(row).await?)
}
