//! What a changed Consent does to what waits: where nobody of the room is permitted any more, the record goes back.

use super::act::give_back;
use super::rooms::{Dossier, decide_for_room};
use super::step::task_key;
use crate::access::Draft;
use crate::error::Failure;
use crate::routing::transitions::transition;
use crate::routing::{Actor, Event, Kind, State};

/// After the Consents of a record changed in the draft.
///
/// # Errors
/// The database is away.
pub async fn on_consents(draft: &mut Draft<'_>, compartment: &str) -> Result<(), Failure> {
    let waiting = |task: &crate::storage::write_set::ReferralTask| {
        task.kind == Kind::Organization.code() && task.state == State::Requested.code()
    };
    let tasks = draft.tasks(compartment).await?;
    for task in tasks.iter().filter(|task| waiting(task)) {
        let dossier = Dossier::of(draft, compartment, &task.service_request).await?;
        let dossier = dossier.with(draft, &task_key(compartment, &task.id)).await?;
        if decide_for_room(draft, &dossier, &task.room, &task.requester).is_err() {
            let row = transition(Kind::Organization, Some(State::Requested), Actor::Gateway, Event::Withdraw)
                .ok_or(Failure::Internal("the table has no row for a withdrawal"))?;
            give_back(draft, task, row).await?;
        }
    }
    Ok(())
}
