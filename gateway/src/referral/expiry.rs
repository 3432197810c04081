//! Waiting that took too long: the Task ends and the record goes back to its sender.

use super::act::give_back;
use crate::access::{Caller, Draft};
use crate::app::App;
use crate::error::Failure;
use crate::routing::transitions::transition;
use crate::routing::{Actor, Event, Kind, State};
use crate::storage::write_set::ReferralTask;

/// Tasks that one round ends at most.
const ROUND_MAX: i64 = 100;

/// Ends what waited too long; answers how many Tasks. A Task that somebody picks up at this moment is left to them.
///
/// # Errors
/// The database is away.
pub async fn expire(app: &App) -> Result<usize, Failure> {
    let now_ms = app.clock.now_ms();
    let mut expired = 0;
    for task in app.store.expired_tasks(now_ms, ROUND_MAX).await? {
        match expire_one(app, &task, now_ms).await {
            Ok(true) => expired += 1,
            // Whoever moved it meanwhile has decided what becomes of it.
            Ok(false) | Err(Failure::Conflict) => {}
            // One that cannot be ended must not keep the others waiting.
            Err(failure) => tracing::error!(status = failure.status().as_u16(), "a Task could not be expired"),
        }
    }
    Ok(expired)
}

async fn expire_one(app: &App, listed: &ReferralTask, now_ms: i64) -> Result<bool, Failure> {
    let caller = Caller::gateway(app.registry().await?, now_ms);
    let mut draft = Draft::new(app, &caller);
    draft.record(&listed.compartment).await?;
    // Read again under the epoch: what was listed may have moved since.
    let tasks = draft.tasks(&listed.compartment).await?;
    let Some(task) = tasks.into_iter().find(|task| task.id == listed.id && task.state == listed.state) else {
        return Ok(false);
    };
    let row = transition(Kind::Organization, Some(State::Requested), Actor::Gateway, Event::Expire)
        .ok_or(Failure::Internal("the table has no row for an expiry"))?;
    give_back(&mut draft, &task, row).await?;
    app.store.apply(draft.finish()).await?;
    Ok(true)
}
