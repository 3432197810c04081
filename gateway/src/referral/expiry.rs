//! Waiting that took too long: the Task ends and the record goes back to its sender.

use super::act::give_back;
use crate::access::{Caller, Draft};
use crate::app::App;
use crate::error::Failure;
use crate::routing::transitions::transition;
use crate::routing::{Actor, Event, Kind, State};
use crate::storage::StorageError;

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
        let caller = Caller::gateway(app.registry().await?, now_ms);
        let mut draft = Draft::new(app, &caller);
        draft.record(&task.compartment).await?;
        // Read again under the epoch: what was listed may have moved since.
        let tasks = draft.tasks(&task.compartment).await?;
        let Some(task) = tasks.into_iter().find(|other| other.id == task.id && other.state == task.state) else {
            continue;
        };
        let row = transition(Kind::Organization, Some(State::Requested), Actor::Gateway, Event::Expire)
            .ok_or(Failure::Internal("the table has no row for an expiry"))?;
        give_back(&mut draft, &task, row).await?;
        match app.store.apply(draft.finish()).await {
            Ok(()) => expired += 1,
            Err(StorageError::Moved) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(expired)
}
