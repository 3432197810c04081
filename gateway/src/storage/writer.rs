//! The group-commit writer: takes the waiting write sets together into one transaction and answers them after one sync.
//!
//! Audit events of reads come the same way, so that many readers share one sync. SQLite has one writer task, PostgreSQL
//! a few. A set whose preconditions moved is answered alone; the rest of its group is written.

use std::sync::Arc;

use sqlx::{Connection as _, PgConnection, PgPool, SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::chain::{Chain, Committed, Followers, Place};
use super::handover::Taken;
use super::precondition::{Ground, Questions};
use super::rows::Fat;
use super::statements::{Statement, statements};
use super::write_set::WriteSet;
use super::{Database, StorageError, is_about_one, keep_running, together};
use crate::audit::seal::marks;
use crate::audit::seal_key::SealKey;

/// Write sets that one transaction takes at most.
const GROUP_MAX: usize = 256;

struct Job {
    set: WriteSet,
    /// Kept until the set is written, also where its caller has gone: only so the queue is bounded.
    room: OwnedSemaphorePermit,
    /// What it queues, where it does.
    taken: Option<Taken>,
    answer: oneshot::Sender<Result<(), StorageError>>,
}

/// The way to the writer tasks.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: mpsc::UnboundedSender<Job>,
    /// A permit a waiting set: this bounds the queue, and holding all of them means that nothing waits.
    room: Arc<Semaphore>,
    size: u32,
    /// Marks the events of the trail; without it they are neither marked nor numbered.
    key: Option<SealKey>,
    followers: Followers,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Job")
    }
}

impl Writer {
    pub(super) fn start(database: &Database, (writers, queue_max): (usize, usize), key: Option<SealKey>) -> Self {
        let followers = Followers::default();
        let (queue, jobs) = mpsc::unbounded_channel();
        let jobs = Arc::new(Mutex::new(jobs));
        let writers = if matches!(database, Database::Sqlite { .. }) { 1 } else { writers.max(1) };
        for _ in 0..writers {
            let (database, jobs, followers) = (database.clone(), Arc::clone(&jobs), followers.clone());
            let is_numbered = key.is_some();
            keep_running(move || {
                let chain = if is_numbered { Chain::fresh() } else { Chain::none() };
                run(database.clone(), Arc::clone(&jobs), chain, followers.clone())
            });
        }
        let size = u32::try_from(queue_max).unwrap_or(u32::MAX);
        Self { queue, room: Arc::new(Semaphore::new(queue_max)), size, key, followers }
    }

    /// The key that marks the trail.
    pub(super) fn key(&self) -> Option<&SealKey> {
        self.key.as_ref()
    }

    /// What is committed of the trail from now on.
    pub(super) fn followers(&self) -> &Followers {
        &self.followers
    }

    /// Waits until the set is durable, or is told why it is not.
    pub(super) async fn apply(&self, mut set: WriteSet, taken: Option<Taken>) -> Result<(), StorageError> {
        if !set.audit.iter().all(crate::audit::AuditEvent::is_complete) {
            return Err(StorageError::Incomplete);
        }
        if let Some(key) = &self.key {
            let columns = set.audit.iter().map(crate::audit::AuditEvent::columns);
            set.marks = marks(key, columns).map_err(|_| StorageError::Busy)?;
        }
        let room = Arc::clone(&self.room).try_acquire_owned().map_err(|_| StorageError::Busy)?;
        let (answer, answered) = oneshot::channel();
        self.queue.send(Job { set, room, taken, answer }).map_err(|_| StorageError::Busy)?;
        answered.await.map_err(|_| StorageError::Busy)?
    }

    /// Waits until nothing waits, and lets nothing in any more.
    pub(super) async fn drain(&self) {
        if self.room.acquire_many(self.size).await.is_ok() {
            self.room.close();
        }
    }
}

async fn run(
    database: Database,
    jobs: Arc<Mutex<mpsc::UnboundedReceiver<Job>>>,
    mut chain: Chain,
    followers: Followers,
) {
    loop {
        let mut group = Vec::with_capacity(GROUP_MAX);
        // The lock is given up before the commit, so that other writers take what arrives meanwhile.
        if jobs.lock().await.recv_many(&mut group, GROUP_MAX).await == 0 {
            return;
        }
        let sets: Vec<&WriteSet> = group.iter().map(|job| &job.set).collect();
        let answers = match write_group(&database, &sets, &mut chain).await {
            Ok(answers) => answers,
            Err(error) if group.len() > 1 && is_about_one(&error) => {
                write_one_by_one(&database, &sets, &mut chain).await
            }
            Err(error) => {
                let error = Arc::new(error);
                sets.iter().map(|_| Err(refusal(Arc::clone(&error)))).collect()
            }
        };
        let mut written = Vec::new();
        for (Job { room, answer: caller, taken, set }, answer) in group.into_iter().zip(answers) {
            drop(room);
            if let Some(taken) = taken.filter(|_| answer.is_ok()) {
                taken.written();
            }
            written.extend(answer.as_ref().ok().map(|place| Committed::of(*place, set)));
            // The caller may have gone; what was written stays written.
            let _ = caller.send(answer.map(|_| ()));
        }
        // Only now, so that nobody waits for it.
        followers.tell(written);
    }
}

/// Whether somebody wrote the same row between our question and our answer, took away what ours belongs to, or waited for us as we for them.
fn is_overtaken(error: &sqlx::Error) -> bool {
    const DEADLOCK: &str = "40P01";
    let sqlx::Error::Database(error) = error else { return false };
    error.is_unique_violation() || error.is_foreign_key_violation() || error.code().is_some_and(|code| code == DEADLOCK)
}

fn refusal(error: Arc<sqlx::Error>) -> StorageError {
    if is_overtaken(&error) { StorageError::Moved } else { StorageError::Unavailable(error) }
}

/// Where the events of a set that was written stand, or why it was not.
type Answer = Result<Place, StorageError>;

async fn write_one_by_one(database: &Database, sets: &[&WriteSet], chain: &mut Chain) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(sets.len());
    for set in sets {
        let answer = match write_group(database, &[set], chain).await {
            Ok(mut answers) => answers.pop().unwrap_or(Err(StorageError::Busy)),
            Err(error) => Err(refusal(Arc::new(error))),
        };
        answers.push(answer);
    }
    answers
}

async fn write_group(database: &Database, sets: &[&WriteSet], chain: &mut Chain) -> Result<Vec<Answer>, sqlx::Error> {
    let written = match database {
        Database::Sqlite { writer, .. } => write_sqlite(writer, sets, chain.next()).await,
        Database::Postgres { pool } => write_postgres(pool, sets, chain.next()).await,
    };
    match written {
        Ok(answers) => {
            let placed =
                |(answer, set): (Result<(), StorageError>, &&WriteSet)| answer.map(|()| chain.take(set.audit.len()));
            Ok(answers.into_iter().zip(sets).map(placed).collect())
        }
        Err(error) => {
            chain.broken_by(&error);
            Err(error)
        }
    }
}

async fn write_sqlite(
    pool: &SqlitePool,
    sets: &[&WriteSet],
    place: Place,
) -> Result<Vec<Result<(), StorageError>>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let asked = Questions::of(sets.iter().copied());
    if asked.are_none()
        && let Some(only) = only_statement(sets, place)
    {
        only.fat.run_sqlite(&mut connection, &only.rows).await?;
        return Ok(sets.iter().map(|_| Ok(())).collect());
    }
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut ground = Ground::on_sqlite(&mut tx, &asked).await?;
    let answers: Vec<_> = sets.iter().map(|set| ground.accept(set)).collect();
    for statement in statements(&accepted(sets, &answers), place) {
        run_sqlite(&mut tx, statement.fat, &statement).await?;
    }
    tx.commit().await?;
    Ok(answers)
}

async fn run_sqlite(tx: &mut SqliteConnection, fat: &Fat, statement: &Statement<'_>) -> Result<(), sqlx::Error> {
    fat.run_sqlite(tx, &statement.rows).await.map(|_| ())
}

async fn write_postgres(
    pool: &PgPool,
    sets: &[&WriteSet],
    place: Place,
) -> Result<Vec<Result<(), StorageError>>, sqlx::Error> {
    let asked = Questions::of(sets.iter().copied());
    if asked.are_none()
        && let Some(only) = only_statement(sets, place)
    {
        let mut connection = pool.acquire().await?;
        only.fat.run_postgres(&mut connection, &only.rows).await?;
        return Ok(sets.iter().map(|_| Ok(())).collect());
    }
    let mut tx = pool.begin().await?;
    let connection: &mut PgConnection = &mut tx;
    let mut ground = Ground::on_postgres(connection, &asked).await?;
    let answers: Vec<_> = sets.iter().map(|set| ground.accept(set)).collect();
    together::run_postgres(connection, &statements(&accepted(sets, &answers), place)).await?;
    tx.commit().await?;
    Ok(answers)
}

fn accepted<'a>(sets: &[&'a WriteSet], answers: &[Result<(), StorageError>]) -> Vec<&'a WriteSet> {
    sets.iter().zip(answers).filter(|(_, answer)| answer.is_ok()).map(|(set, _)| *set).collect()
}

/// The single statement of a group that has just one (the audit events of reads): it needs no transaction around it.
fn only_statement<'a>(sets: &[&'a WriteSet], place: Place) -> Option<Statement<'a>> {
    let mut all = statements(sets, place);
    if all.len() == 1 { all.pop() } else { None }
}
