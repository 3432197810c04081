//! Bundles that are worked on after their request was answered, where no other limit holds them: the room for those that wait, the turns
//! to be worked on, and how they are ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{Instrument as _, Span};

use crate::config::BulkConfig;

/// In what the room is counted.
const UNIT_BYTES: usize = 1024;
/// What one takes at least: a short body has its caller and its task beside it.
const JOB_BYTES_MIN: usize = 64 * UNIT_BYTES;

/// The jobs of this process.
#[derive(Debug)]
pub struct Jobs {
    room: Arc<Semaphore>,
    units: usize,
    turns: Semaphore,
    list: Arc<Mutex<List>>,
}

/// The jobs that have begun and have not ended.
#[derive(Debug, Default)]
struct List {
    jobs: HashMap<String, JoinHandle<()>>,
    /// Whether somebody says of them that they are there.
    is_told_of: bool,
}

/// A job that is on the list of those that are waited for, until it is dropped.
#[derive(Debug)]
pub struct AtWork {
    id: String,
    list: Arc<Mutex<List>>,
    _room: OwnedSemaphorePermit,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        locked(&self.list).jobs.remove(&self.id);
    }
}

impl Jobs {
    /// The room that the configuration gives.
    pub fn new(config: &BulkConfig) -> Self {
        let units = (config.async_bytes_max / UNIT_BYTES).min(Semaphore::MAX_PERMITS);
        let (room, turns) = (Arc::new(Semaphore::new(units)), Semaphore::new(config.downloads_max));
        Self { room, units, turns, list: Arc::default() }
    }

    /// Whether a body of this length is ever taken.
    pub fn take(&self, bytes: usize) -> bool {
        units_of(bytes) <= self.units
    }

    /// Room for a body of this length; none where all is taken.
    pub fn enter(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(units_of(bytes)).ok()?;
        Arc::clone(&self.room).try_acquire_many_owned(units).ok()
    }

    /// Waits for the turn to be worked on.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    /// Begins a job: the work is given what takes it off the list when it is dropped. Answers whether somebody has to begin to say of the
    /// jobs that they are there, by [`Jobs::begun`].
    pub fn begin<W>(&self, id: &str, room: OwnedSemaphorePermit, work: impl FnOnce(AtWork) -> W) -> bool
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let at_work = AtWork { id: id.to_owned(), list: Arc::clone(&self.list), _room: room };
        // Held until it is on the list, or it could end before.
        let mut list = locked(&self.list);
        list.jobs.insert(id.to_owned(), tokio::spawn(work(at_work).instrument(Span::current())));
        !std::mem::replace(&mut list.is_told_of, true)
    }

    /// The jobs of this process; with none, whoever asks has nothing to say of them until another begins.
    pub fn begun(&self) -> Vec<String> {
        let mut list = locked(&self.list);
        list.is_told_of = !list.jobs.is_empty();
        list.jobs.keys().cloned().collect()
    }

    /// Whether this process has the job.
    pub fn has(&self, id: &str) -> bool {
        locked(&self.list).jobs.contains_key(id)
    }

    /// Breaks a job off, if this process has it. What it has committed stays.
    pub fn end(&self, id: &str) {
        let job = locked(&self.list).jobs.remove(id);
        if let Some(job) = job {
            job.abort();
        }
    }

    /// Waits until all have ended, and breaks off those that have not in time. Nothing is told of them: nobody says any more that they are
    /// there, and whoever asks learns it from that.
    pub async fn end_all(&self, patience: Duration) {
        let all = u32::try_from(self.units).unwrap_or(u32::MAX);
        // Each gives its room back when it has ended.
        if timeout(patience, self.room.acquire_many(all)).await.is_err() {
            let left = std::mem::take(&mut locked(&self.list).jobs);
            left.values().for_each(JoinHandle::abort);
        }
    }
}

fn units_of(bytes: usize) -> usize {
    bytes.max(JOB_BYTES_MIN).div_ceil(UNIT_BYTES)
}

fn locked(list: &Mutex<List>) -> MutexGuard<'_, List> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{JOB_BYTES_MIN, Jobs};
    use crate::config::BulkConfig;

    fn jobs() -> Jobs {
        Jobs::new(&BulkConfig {
            settle_ms: 0,
            kept_ms: 0,
            exports_max: 1,
            downloads_max: 1,
            import_bytes_max: 1,
            dossier_resources_max: 1,
            async_bundles_max: 1,
            async_bytes_max: 2 * JOB_BYTES_MIN,
        })
    }

    #[tokio::test]
    async fn bodies_take_room_by_their_length_and_a_short_one_takes_some_too() {
        let jobs = jobs();
        assert!(jobs.take(2 * JOB_BYTES_MIN) && !jobs.take(2 * JOB_BYTES_MIN + 1));
        let short = jobs.enter(1).expect("there is room");
        assert!(jobs.enter(JOB_BYTES_MIN + 1).is_none());
        let other = jobs.enter(JOB_BYTES_MIN).expect("there is room");
        assert!(jobs.enter(1).is_none());
        drop((short, other));
        assert!(jobs.enter(2 * JOB_BYTES_MIN).is_some());
    }

    #[tokio::test]
    async fn what_ends_is_off_the_list_and_what_does_not_is_broken_off() {
        let jobs = jobs();
        let mut first = Vec::new();
        for id in ["ends", "hangs", "is-ended"] {
            let room = jobs.enter(0);
            let Some(room) = room else { continue };
            first.push(jobs.begin(id, room, async move |at_work| {
                if at_work.id != "ends" {
                    std::future::pending::<()>().await;
                }
            }));
        }
        assert!(jobs.has("ends") && jobs.has("hangs") && !jobs.has("is-ended"), "there was no room for the third");
        assert_eq!(first, [true, false], "one speaks for all");
        jobs.end_all(Duration::from_millis(20)).await;
        assert!(jobs.begun().is_empty());
        let room = jobs.room.clone().acquire_many_owned(1).await.expect("what ended gave its room back");
        assert!(jobs.begin("again", room, async |_at_work| std::future::pending().await), "nobody speaks for it yet");
        assert_eq!(jobs.begun(), ["again"]);
        jobs.end("again");
        assert!(!jobs.has("again"));
    }
}
