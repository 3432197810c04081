//! The sealer: puts what was written into the trail under seals, in batches, behind the writers' backs.
//!
//! It is told by the writers of its own process what they have committed, and looks into the database for the rest: what nobody told
//! it in time, what another process left when it was killed, what an operator's command wrote. Several may seal at once: a seal that
//! is not the next any more is made anew.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::audit::seal::{EVENTS_MAX, Entry, Head, Seal, Stretch, TrailRow, is_marked};
use crate::audit::seal_key::SealKey;
use crate::clock::Clock;
use crate::storage::chain::Committed;
use crate::storage::seals::Adoption;
use crate::storage::{StorageError, Store};

/// How often what was told is sealed.
const PASS_INTERVAL: Duration = Duration::from_secs(1);
/// Every how many passes the database is looked through: so long what nobody told stands unsealed at most.
const PASSES_TO_LOOK: u32 = 30;
/// How often the head is written to the log.
const HEAD_LOG_INTERVAL: Duration = Duration::from_hours(1);
/// Events that a step of adoption takes in.
const ADOPTED_MAX: u32 = 500;
/// How often a seal is made anew where others seal at the same moment.
const TRIES_MAX: usize = 32;
/// Events that are remembered until they are sealed; beyond, they are read again.
const REMEMBERED_MAX: usize = 100_000;

/// Seals the trail of one store.
#[derive(Debug)]
pub struct Sealer {
    store: Store,
    key: SealKey,
    told: Option<mpsc::Receiver<Vec<Committed>>>,
    /// What was told and is not sealed yet, by chain.
    waiting: BTreeMap<i64, VecDeque<Committed>>,
    /// The last seal of this sealer, and how far it has sealed each chain: good as long as that seal is the last of all.
    own: Option<(Head, BTreeMap<i64, i64>)>,
    head_file: Option<PathBuf>,
}

impl Sealer {
    /// A sealer for a store; `None` where the trail is not sealed, for want of a key.
    pub fn new(store: &Store, head_file: Option<&Path>) -> Option<Self> {
        let key = store.seal_key()?.clone();
        let (told, head_file) = (store.follow_trail(), head_file.map(Path::to_owned));
        Some(Self { store: store.clone(), key, told, waiting: BTreeMap::new(), own: None, head_file })
    }

    /// Seals until it is stopped.
    pub async fn run(mut self, clock: Clock) {
        let mut passes = interval(PASS_INTERVAL);
        passes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut since_look, mut sealed_at, mut logged_at) = (PASSES_TO_LOOK, Instant::now(), None::<Instant>);
        loop {
            passes.tick().await;
            let looks = since_look >= PASSES_TO_LOOK;
            match self.pass(clock.now_ms(), looks).await {
                Ok(_) => {
                    since_look = if looks { 0 } else { since_look + 1 };
                    sealed_at = Instant::now();
                }
                Err(error) => tracing::warn!(%error, "the trail could not be sealed, it is tried again"),
            }
            gauge!("wellgate_trail_seal_lag_seconds").set(sealed_at.elapsed().as_secs_f64());
            if let Some((head, _)) = &self.own
                && logged_at.is_none_or(|logged_at| logged_at.elapsed() >= HEAD_LOG_INTERVAL)
            {
                tracing::info!(trail.head = %head, trail.key = self.key.public().id(), "the head of the trail");
                logged_at = Some(Instant::now());
            }
        }
    }

    /// Seals what was told, and where it `looks`, whatever else stands unsealed. Answers how many events that were.
    ///
    /// # Errors
    /// [`StorageError`]: what is not sealed is sealed by the next pass.
    pub async fn pass(&mut self, now_ms: i64, looks: bool) -> Result<u64, StorageError> {
        self.listen();
        let before = self.own.as_ref().map(|(head, _)| head.number);
        let mut sealed = 0;
        if looks && !self.store.seals_what_it_writes().await? {
            sealed += self.adopt(now_ms).await?;
        }
        loop {
            let mut chains: Vec<i64> = self.waiting.keys().copied().collect();
            if looks {
                let unsealed = self.store.unsealed_chains(i64::MIN).await?;
                chains.extend(unsealed.iter().map(|(chain, _)| *chain));
                chains.sort_unstable();
                chains.dedup();
            }
            let mut step = 0;
            for chain in chains {
                step += self.seal(chain, now_ms).await?;
            }
            sealed += step;
            if step == 0 {
                break;
            }
        }
        if let Some((head, _)) = &self.own
            && before != Some(head.number)
        {
            self.publish(head);
        }
        Ok(sealed)
    }

    fn listen(&mut self) {
        while let Some(groups) = self.told.as_mut().and_then(|told| told.try_recv().ok()) {
            for committed in groups {
                self.waiting.entry(committed.first.chain).or_default().push_back(committed);
            }
        }
        let remembered: usize = self.waiting.values().flatten().map(|committed| committed.events.len()).sum();
        if remembered > REMEMBERED_MAX {
            // The names of the chains are kept: what stands in them is read from the database.
            self.waiting.values_mut().for_each(VecDeque::clear);
        }
    }

    /// Takes in what was written without the key, step by step, each sealed before the next. Answers how many events that were.
    ///
    /// # Errors
    /// [`StorageError`]: what was taken in until then stays so.
    pub async fn adopt(&mut self, now_ms: i64) -> Result<u64, StorageError> {
        let mut adopted = 0;
        loop {
            let mut adoption = Adoption::default();
            let mut pass = 0;
            loop {
                let taken = self.store.adopt(&self.key, &mut adoption, ADOPTED_MAX).await?;
                while self.seal(adoption.chain(), now_ms).await? > 0 {}
                pass += taken;
                if taken == 0 {
                    break;
                }
            }
            adopted += pass;
            if pass == 0 {
                return Ok(adopted);
            }
            tracing::info!(events = adopted, "events from before the first seal were taken into a chain");
        }
    }

    /// Puts the next seal over a chain, if there is anything to seal. Answers over how many events.
    async fn seal(&mut self, chain: i64, now_ms: i64) -> Result<u64, StorageError> {
        for _ in 0..TRIES_MAX {
            // In this order: a seal that comes between makes ours one too late.
            let head = self.store.last_seal().await?;
            let sealed_to = self.sealed_to(chain, head.as_ref()).await?;
            let Some(stretch) = self.stretch(chain, sealed_to).await? else { return Ok(0) };
            let seal = Seal::over(&self.key, head.as_ref(), &stretch, now_ms);
            if self.store.put_seal(&seal).await? {
                let follows_own = self.own.as_ref().is_some_and(|(own, _)| head.as_ref() == Some(own));
                let mut known = self.own.take().filter(|_| follows_own).map_or_else(BTreeMap::new, |(_, known)| known);
                known.insert(chain, seal.last_sequence);
                self.own = Some((seal.head(), known));
                let events = u64::try_from(stretch.entries.len()).unwrap_or_default();
                counter!("wellgate_trail_events_sealed_total").increment(events);
                return Ok(events);
            }
        }
        Err(StorageError::Busy)
    }

    async fn sealed_to(&mut self, chain: i64, head: Option<&Head>) -> Result<i64, StorageError> {
        let Some((own, known)) = &self.own else { return self.store.sealed_to(chain).await };
        if head == Some(own) {
            return match known.get(&chain) {
                Some(sealed_to) => Ok(*sealed_to),
                None => self.store.sealed_to(chain).await,
            };
        }
        if self.store.hash_of_seal(own.number).await?.as_ref() != Some(&own.hash) {
            tracing::error!(trail.head = %own, "the last seal that was made is gone or another: the trail was tampered with");
            counter!("wellgate_trail_alarms_total").increment(1);
        }
        self.own = None;
        self.store.sealed_to(chain).await
    }

    /// The events of a chain after those that are sealed: as they were told, where nothing is missing, else as they stand.
    async fn stretch(&mut self, chain: i64, sealed_to: i64) -> Result<Option<Stretch>, StorageError> {
        if let Some(told) = self.waiting.get_mut(&chain) {
            while told.front().is_some_and(|committed| last_of(committed) <= sealed_to) {
                told.pop_front();
            }
            if told.is_empty() {
                self.waiting.remove(&chain);
            } else if let Some(stretch) = told_stretch(told, sealed_to) {
                return Ok(Some(stretch));
            }
        }
        let count = u32::try_from(EVENTS_MAX).unwrap_or(u32::MAX);
        let rows = self.store.events_of_chain(chain, sealed_to, count).await?;
        let stretch = stored_stretch(&self.key, sealed_to, &rows);
        if stretch.as_ref().is_some_and(|stretch| stretch.first_sequence != sealed_to + 1) {
            tracing::error!(trail.chain = chain, "events were removed from the trail before they were sealed");
            counter!("wellgate_trail_alarms_total").increment(1);
        }
        Ok(stretch)
    }

    fn publish(&self, head: &Head) {
        let number = u32::try_from(head.number).unwrap_or(u32::MAX);
        gauge!("wellgate_trail_seals").set(f64::from(number));
        let Some(file) = &self.head_file else { return };
        let mut beside = file.clone();
        beside.as_mut_os_string().push(".new");
        let written = std::fs::write(&beside, format!("{head}\n")).and_then(|()| std::fs::rename(&beside, file));
        if let Err(error) = written {
            tracing::warn!(%error, file = %file.display(), "the head of the trail could not be written");
        }
    }
}

/// Seals all that stands unsealed, once: at the end of a gateway or of a command.
///
/// # Errors
/// [`StorageError`]: the next gateway seals the rest.
pub async fn seal_all(store: &Store, head_file: Option<&Path>, now_ms: i64) -> Result<(), StorageError> {
    match Sealer::new(store, head_file) {
        Some(mut sealer) => sealer.pass(now_ms, true).await.map(|_| ()),
        None => Ok(()),
    }
}

fn last_of(committed: &Committed) -> i64 {
    committed.first.after(committed.events.len()).sequence - 1
}

/// A stretch of what was told, if it begins just after what is sealed and nothing is missing in it.
fn told_stretch(told: &VecDeque<Committed>, sealed_to: i64) -> Option<Stretch> {
    let first = told.front().map(|committed| committed.first)?;
    let mut stretch = Stretch {
        chain: first.chain,
        first_sequence: sealed_to + 1,
        entries: Vec::new(),
        recorded_ms: (i64::MAX, i64::MIN),
    };
    for committed in told {
        let next = Some(committed.first.sequence) == next_sequence(&stretch);
        if !next || stretch.entries.len() >= EVENTS_MAX {
            break;
        }
        for (n, (event, mark)) in committed.events.iter().zip(&committed.marks).enumerate() {
            let place = committed.first.after(n);
            let place = (place.chain, place.sequence);
            extend(&mut stretch, Entry::known(&event.columns(), place, mark, true), event.recorded_ms);
        }
    }
    (!stretch.entries.is_empty()).then_some(stretch)
}

/// The stretch of stored events up to the first that is missing. Where the very first ones are missing it begins after them, which
/// whoever verifies will see; but only with an event that was written under the key, or anybody could lead the sealer astray.
fn stored_stretch(key: &SealKey, sealed_to: i64, rows: &[TrailRow]) -> Option<Stretch> {
    let may_begin = |row: &TrailRow| row.sequence == sealed_to + 1 || is_marked(key, row);
    let begin = rows.iter().position(may_begin)?;
    let (rows, first) = (&rows[begin..], rows.get(begin)?);
    let mut stretch = Stretch {
        chain: first.chain,
        first_sequence: first.sequence,
        entries: Vec::new(),
        recorded_ms: (i64::MAX, i64::MIN),
    };
    let mut rows = rows.iter().peekable();
    while let Some(row) = rows.next() {
        // Two of one place: one of them is not ours.
        let mut ours = row;
        while let Some(other) = rows.next_if(|other| other.sequence == row.sequence) {
            if !is_marked(key, ours) {
                ours = other;
            }
        }
        if Some(row.sequence) != next_sequence(&stretch) {
            break;
        }
        extend(&mut stretch, Entry::of(key, ours), ours.event.recorded_ms);
    }
    (!stretch.entries.is_empty()).then_some(stretch)
}

fn next_sequence(stretch: &Stretch) -> Option<i64> {
    stretch.first_sequence.checked_add(i64::try_from(stretch.entries.len()).ok()?)
}

fn extend(stretch: &mut Stretch, entry: Entry, recorded_ms: i64) {
    stretch.entries.push(entry);
    let (first_ms, last_ms) = stretch.recorded_ms;
    stretch.recorded_ms = (first_ms.min(recorded_ms), last_ms.max(recorded_ms));
}
