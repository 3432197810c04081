//! Third-party billing: from what was done to what was paid. A sending's life, and what a clerk does with a line.
//!
//! Everything goes through the [`Books`] of one organisation, as one write set that holds only if nobody moved the books meanwhile: so no
//! number is given twice, and no line is in two files. Nothing here reads a dossier. `docs/billing.md` has the whole.

mod answer;
mod check;
mod decide;
mod decision;
mod detail;
mod draft;
mod fhir;
mod file;
mod flawed;
mod party;
mod people;
mod reading;
mod refusing;
mod seal;
mod send;
pub mod states;
mod tables;
mod written;

pub use answer::{Answer, Kept};
pub use check::{Checked, Progress};
pub use decide::Correction;
pub use decision::CareDecision;
pub use detail::{ContactDetail, Finding, LineDetail, Refusal};
pub use draft::{NewLine, Source, Taken};
pub use fhir::{on_claim, on_contact};
pub use party::BillingParty;
pub use people::InsuredPerson;
pub(crate) use seal::finish_left;
pub use seal::{ReadyFile, Wanted};
pub use send::{KIND, delivered, partner_of, payload};
pub use tables::{TablesError, tables};

use std::pin::Pin;

use mappings::billing::Date;
use uuid::Uuid;

use crate::access::caller::Act;
use crate::app::App;
use crate::audit::{Actor, AuditEvent};
use crate::clock::format_instant;
use crate::error::Failure;
use crate::storage::StorageError;
use crate::storage::write_set::{Precondition, WriteSet};

/// On what it rests that an insurer is told who was treated, when, and for how much: the law on third-party payment. It is no Consent.
pub const BILLING_RULE: &str = "third-party-billing";
/// A day begins in Belgium so long before it does in UTC, in summer an hour earlier: what is written is never of tomorrow.
const AHEAD_MS: i64 = 60 * 60 * 1000;
/// How often an act is decided that others overtake.
const TRIES_MAX: usize = 32;
/// Lines that are looked at together.
const PAGE: u32 = 500;

/// A decision under way. Boxed: a closure that is async itself cannot be sent to another thread from here.
type Deciding<'d, T> = Pin<Box<dyn Future<Output = Result<(WriteSet, T), Failure>> + Send + 'd>>;

/// The books of one organisation.
#[derive(Clone, Debug)]
pub struct Books<'a> {
    app: &'a App,
    compartment: String,
    actor: Actor,
}

impl<'a> Books<'a> {
    /// The books of an organisation (`organization/<id>`), for whoever acts.
    pub fn new(app: &'a App, compartment: impl Into<String>, actor: Actor) -> Self {
        Self { app, compartment: compartment.into(), actor }
    }

    /// The day in Belgium.
    ///
    /// # Errors
    /// The clock is out of the calendar.
    pub fn today(&self) -> Result<Date, Failure> {
        day_of(self.now_ms()).ok_or(Failure::Internal("the clock is out of the calendar"))
    }

    fn now_ms(&self) -> i64 {
        self.app.clock.now_ms()
    }

    /// An act in the trail of the organisation. What is said of it holds no number of a person.
    fn event(&self, act: Act, said: &[(&str, &str)]) -> AuditEvent {
        let details = form_urlencoded::Serializer::new(String::new()).extend_pairs(said).finish();
        let about = (self.compartment.as_str(), BILLING_RULE);
        AuditEvent::done((act.action, act.subtype), self.actor.clone(), about, self.now_ms()).asking(&details)
    }

    /// Who acts, as a line remembers it.
    fn actor_name(&self) -> String {
        let Actor { organization, practitioner, .. } = &self.actor;
        if practitioner.is_empty() { organization.clone() } else { practitioner.clone() }
    }

    /// Decides by what is in the books, and writes it where they have not moved meanwhile; else decides again.
    ///
    /// # Errors
    /// What `decide` says; [`Failure::Conflict`] where others are always faster; the database is away.
    async fn decided<'d, T>(&self, decide: impl Fn() -> Deciding<'d, T>) -> Result<T, Failure> {
        let name = format!("billing {}", self.compartment);
        for _ in 0..TRIES_MAX {
            let epoch = self.app.store.guard_epoch(&name).await?;
            let (mut set, answer) = decide().await?;
            set.preconditions.push(Precondition::Guard { name: name.clone(), epoch });
            match self.app.store.apply(set).await {
                Ok(()) => return Ok(answer),
                Err(StorageError::Moved) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::Conflict)
    }
}

/// A fresh id: 25 digits and capitals, ordered by time, so short that the file has room for it.
fn fresh_id() -> String {
    const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut rest = Uuid::now_v7().as_u128();
    let mut id = [b'0'; 25];
    for place in id.iter_mut().rev() {
        *place = DIGITS.get(usize::try_from(rest % 36).unwrap_or(0)).copied().unwrap_or(b'0');
        rest /= 36;
    }
    id.iter().map(|digit| char::from(*digit)).collect()
}

/// The day in Belgium of a moment.
fn day_of(moment_ms: i64) -> Option<Date> {
    Date::of_date_time(&format_instant(moment_ms + AHEAD_MS))
}

/// A day as it is kept.
fn day(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_enough_for_the_file_and_sorts_by_time() {
        let mut ids: Vec<String> = Vec::new();
        for _ in 0..50 {
            ids.push(fresh_id());
        }
        assert!(ids.iter().all(|id| id.len() == 25 && mappings::billing::is_allowed(id)), "{ids:?}");
        assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
    }
}
