//! Where an event of the trail stands: each writer numbers what it commits within a chain of its own, from 1 and without gap.
//!
//! A writer waits for each commit, so what stands in its chain is always whole up to the last number. Where it cannot know whether a
//! commit was made, it begins another chain.

use std::sync::{Arc, OnceLock};

use sqlx::error::ErrorKind;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::write_set::WriteSet;
use crate::audit::AuditEvent;

/// Groups of write sets that wait for the sealer at most; what does not fit it reads from the database.
const FOLLOWED_MAX: usize = 256;
/// Events of such a group at most.
const FOLLOWED_EVENTS_MAX: usize = 4_096;

/// A chain and a number in it; no chain, and no number, where the trail is not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The chain; 0 is none.
    pub chain: i64,
    /// The number, from 1; 0 where there is no chain.
    pub sequence: i64,
}

impl Place {
    /// The place so many further on.
    #[must_use]
    pub fn after(self, places: usize) -> Self {
        if self.chain == 0 {
            return self;
        }
        Self { sequence: self.sequence + i64::try_from(places).unwrap_or(i64::MAX), ..self }
    }
}

/// The chain of one writer, and the next place in it.
#[derive(Debug)]
pub(super) struct Chain(Place);

impl Chain {
    /// One that nobody has used.
    pub(super) fn fresh() -> Self {
        Self(Place { chain: fresh_chain(), sequence: 1 })
    }

    /// For a writer that numbers nothing.
    pub(super) fn none() -> Self {
        Self(Place { chain: 0, sequence: 0 })
    }

    pub(super) fn next(&self) -> Place {
        self.0
    }

    /// Takes so many places for what was committed, and answers the first.
    pub(super) fn take(&mut self, places: usize) -> Place {
        let first = self.0;
        self.0 = first.after(places);
        first
    }

    /// Goes on in another chain, unless the database said that it has written nothing.
    pub(super) fn broken_by(&mut self, error: &sqlx::Error) {
        if self.0.chain != 0 && !is_surely_undone(error) {
            *self = Self::fresh();
        }
    }
}

/// Above 0, and larger than those before it as far as the clock goes forwards: milliseconds, then 21 random bits.
pub(super) fn fresh_chain() -> i64 {
    const RANDOM_BITS: u32 = 21;
    let id = Uuid::now_v7().as_u128();
    let (milliseconds, random) = (id >> 80, id & ((1 << RANDOM_BITS) - 1));
    let chain = (milliseconds << RANDOM_BITS | random) & u128::from(i64::MAX.unsigned_abs());
    i64::try_from(chain).unwrap_or(1).max(1)
}

/// Whether the database refused the statements themselves: a connection that broke, or a full disk, may have come after the commit.
fn is_surely_undone(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    // PostgreSQL: data that cannot be stored, deadlocks and the like.
    let is_refused = |code: &str| code.len() == 5 && (code.starts_with("22") || code.starts_with("40"));
    error.kind() != ErrorKind::Other || error.code().is_some_and(|code| is_refused(&code))
}

/// Events that are committed, with their places: what the sealer would else read from the database.
#[derive(Debug)]
pub struct Committed {
    /// Where the first stands.
    pub first: Place,
    /// The events.
    pub events: Vec<AuditEvent>,
    /// A mark each.
    pub marks: Vec<String>,
}

impl Committed {
    pub(super) fn of(first: Place, set: WriteSet) -> Self {
        Self { first, events: set.audit, marks: set.marks }
    }
}

/// Whom the writers tell what they have committed: the sealer, once it asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Followers(Arc<OnceLock<mpsc::Sender<Vec<Committed>>>>);

impl Followers {
    /// Follows the writers from now on; `None` where somebody does already.
    pub(super) fn follow(&self) -> Option<mpsc::Receiver<Vec<Committed>>> {
        let (sender, receiver) = mpsc::channel(FOLLOWED_MAX);
        self.0.set(sender).ok().map(|()| receiver)
    }

    /// Tells what was committed. Who does not keep up is not waited for.
    pub(super) fn tell(&self, mut written: Vec<Committed>) {
        let Some(sender) = self.0.get() else { return };
        written.retain(|committed| committed.first.chain != 0 && !committed.events.is_empty());
        let events: usize = written.iter().map(|committed| committed.events.len()).sum();
        if (1..=FOLLOWED_EVENTS_MAX).contains(&events) {
            let _ = sender.try_send(written);
        }
    }
}
