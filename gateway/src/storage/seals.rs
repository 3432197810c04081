//! What the sealer needs: events that wait for a seal, the last seal, and the way to put the next one after it.
//!
//! Replicas seal at once without asking each other: a seal has the number after the one that it follows, and a number is given once.

use std::sync::LazyLock;

use sqlx::{Connection as _, Row};
use tokio::sync::mpsc;

use super::audit::{EVENT, stored_event};
use super::chain::{Committed, fresh_chain};
use super::rows::{Cell, Fat, Kind, Rows};
use super::{Database, StorageError, Store, read, write};
use crate::audit::event::StoredEvent;
use crate::audit::seal::{Head, Seal, TrailRow, marks};
use crate::audit::seal_key::SealKey;

use Kind::{Integer, Text};

/// Erases events; what they were a seal still counts.
pub(super) static DROP_AUDIT: LazyLock<Fat> = LazyLock::new(|| {
    Fat::over(
        "DELETE FROM audit_event WHERE (compartment, id) IN (SELECT compartment, id FROM ",
        &[("compartment", Text), ("id", Text)],
        ")",
    )
});

/// Gives events that have none a place and a mark.
static ADOPT: LazyLock<Fat> = LazyLock::new(|| {
    Fat::over(
        "UPDATE audit_event SET chain = q.new_chain, sequence = q.new_sequence, mark = q.new_mark FROM ",
        &[("compartment", Text), ("id", Text), ("new_chain", Integer), ("new_sequence", Integer), ("new_mark", Text)],
        " WHERE audit_event.compartment = q.compartment AND audit_event.id = q.id AND audit_event.chain = 0",
    )
});

/// The chains that there are, each found by one look into the index, from one on.
pub(super) const CHAINS: &str = "WITH RECURSIVE chains (chain) AS (SELECT MIN(chain) FROM audit_event WHERE chain <> 0 AND chain >= $1 \
     UNION ALL SELECT (SELECT MIN(a.chain) FROM audit_event a WHERE a.chain <> 0 AND a.chain > chains.chain) \
     FROM chains WHERE chains.chain IS NOT NULL)";

/// The rows of chain `$1` from number `$2` to number `$3`, in their order, so many at most.
pub(super) fn rows_of_chain() -> String {
    format!(
        "SELECT {EVENT}, a.chain, a.sequence, a.mark FROM audit_event a \
         WHERE a.chain <> 0 AND a.chain = $1 AND a.sequence >= $2 AND a.sequence <= $3 \
         ORDER BY a.sequence, a.compartment, a.id LIMIT CAST($4 AS BIGINT)"
    )
}

/// A row of [`rows_of_chain`].
macro_rules! trail_row {
    ($row:expr) => {{
        let row = $row;
        $crate::audit::seal::TrailRow {
            event: $crate::storage::audit::stored_event!(row),
            chain: row.get(20),
            sequence: row.get(21),
            mark: row.get(22),
        }
    }};
}
pub(super) use trail_row;

/// How far a pass of adoption has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// The chain into which events are taken: below 0, so that nobody takes them for written under the key.
    chain: i64,
    next: i64,
    /// The last row that was looked at.
    after: (String, String),
}

impl Default for Adoption {
    fn default() -> Self {
        Self { chain: -fresh_chain(), next: 1, after: (String::new(), String::new()) }
    }
}

impl Adoption {
    /// The chain into which events are taken.
    pub fn chain(&self) -> i64 {
        self.chain
    }
}

impl Store {
    /// The key by which the trail is marked and sealed; `None` where it is not.
    pub fn seal_key(&self) -> Option<&SealKey> {
        self.writer.key()
    }

    /// What the writers commit of the trail from now on, as far as it is taken in time; `None` where somebody follows it already.
    pub fn follow_trail(&self) -> Option<mpsc::Receiver<Vec<Committed>>> {
        self.writer.followers().follow()
    }

    /// The last seal.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn last_seal(&self) -> Result<Option<Head>, StorageError> {
        let sql = "SELECT number, hash FROM audit_seal ORDER BY number DESC LIMIT 1";
        read!(&self.database, |pool| {
            let row = sqlx::query(sql).fetch_optional(pool).await?;
            Ok(row.map(|row| Head { number: row.get(0), hash: row.get(1) }))
        })
    }

    /// The hash of a seal.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn hash_of_seal(&self, number: i64) -> Result<Option<String>, StorageError> {
        let sql = "SELECT hash FROM audit_seal WHERE number = $1";
        read!(&self.database, |pool| {
            Ok(sqlx::query(sql).bind(number).fetch_optional(pool).await?.map(|row| row.get(0)))
        })
    }

    /// How far a chain is sealed; 0 where it is not.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn sealed_to(&self, chain: i64) -> Result<i64, StorageError> {
        let sql = "SELECT COALESCE(MAX(last_sequence), 0) FROM audit_seal WHERE chain = $1";
        read!(&self.database, |pool| Ok(sqlx::query(sql).bind(chain).fetch_one(pool).await?.get(0)))
    }

    /// Every chain from `first` on that has events beyond its last seal, and how far it is sealed.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn unsealed_chains(&self, first: i64) -> Result<Vec<(i64, i64)>, StorageError> {
        let sql = format!(
            "{CHAINS} SELECT c.chain, c.sealed_to FROM (SELECT chains.chain AS chain, COALESCE((SELECT MAX(s.last_sequence) \
             FROM audit_seal s WHERE s.chain = chains.chain), 0) AS sealed_to FROM chains WHERE chains.chain IS NOT NULL) c \
             WHERE EXISTS (SELECT 1 FROM audit_event a WHERE a.chain <> 0 AND a.chain = c.chain AND a.sequence > c.sealed_to) \
             ORDER BY c.chain"
        );
        read!(&self.database, |pool| {
            let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(first).fetch_all(pool).await?;
            Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
        })
    }

    /// The events of a chain after a number, in their order.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn events_of_chain(&self, chain: i64, after: i64, count: u32) -> Result<Vec<TrailRow>, StorageError> {
        let sql = sqlx::AssertSqlSafe(rows_of_chain());
        read!(&self.database, |pool| {
            let query = sqlx::query(sql).bind(chain).bind(after.saturating_add(1)).bind(i64::MAX);
            let rows = query.bind(i64::from(count)).fetch_all(pool).await?;
            Ok(rows.iter().map(|row| trail_row!(row)).collect())
        })
    }

    /// Puts a seal after the one that it follows. `false`: somebody else has put one there meanwhile.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_seal(&self, seal: &Seal) -> Result<bool, StorageError> {
        let sql = "INSERT INTO audit_seal (number, chain, first_sequence, last_sequence, first_ms, last_ms, sealed_ms, key_id, \
                   entries, previous, hash, signature) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
        write!(&self.database, |pool| {
            let query = sqlx::query(sql).bind(seal.number).bind(seal.chain);
            let query = query.bind(seal.first_sequence).bind(seal.last_sequence);
            let query = query.bind(seal.first_ms).bind(seal.last_ms).bind(seal.sealed_ms);
            let query = query.bind(&seal.key_id).bind(&seal.entries).bind(&seal.previous);
            match query.bind(&seal.hash).bind(&seal.signature).execute(pool).await {
                Ok(_) => Ok(true),
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
                Err(error) => Err(error.into()),
            }
        })
    }

    /// Whether events were sealed that were written under the key: from then on nothing is taken in that is not.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn seals_what_it_writes(&self) -> Result<bool, StorageError> {
        let sql = "SELECT 1 FROM audit_seal WHERE chain > 0 LIMIT 1";
        read!(&self.database, |pool| Ok(sqlx::query(sql).fetch_optional(pool).await?.is_some()))
    }

    /// Takes up to `count` events that have no place into a chain. Answers how many there were: 0 at the end of a pass.
    ///
    /// # Errors
    /// [`StorageError`]: then the pass is begun anew, for it is not known whether these were taken in.
    pub async fn adopt(&self, key: &SealKey, adoption: &mut Adoption, count: u32) -> Result<u64, StorageError> {
        let sql = format!(
            "SELECT {EVENT} FROM audit_event a WHERE a.chain = 0 AND (a.compartment, a.id) > ($1, $2) \
             ORDER BY a.compartment, a.id LIMIT CAST($3 AS BIGINT)"
        );
        let found: Vec<StoredEvent>;
        match &self.database {
            Database::Sqlite { writer, .. } => {
                let mut connection = writer.acquire().await?;
                let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
                let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(&adoption.after.0).bind(&adoption.after.1);
                let rows = query.bind(i64::from(count)).fetch_all(&mut *tx).await?;
                found = rows.iter().map(|row| stored_event!(row)).collect();
                let marks = marks_of(key, &found)?;
                ADOPT.run_sqlite(&mut tx, &adopted_rows(&found, &marks, adoption)).await?;
                tx.commit().await?;
            }
            Database::Postgres { pool } => {
                let mut tx = pool.begin().await?;
                // What another replica is taking in at this moment is its own.
                let sql = sqlx::AssertSqlSafe(format!("{sql} FOR UPDATE SKIP LOCKED"));
                let query = sqlx::query(sql).bind(&adoption.after.0).bind(&adoption.after.1);
                let rows = query.bind(i64::from(count)).fetch_all(&mut *tx).await?;
                found = rows.iter().map(|row| stored_event!(row)).collect();
                let marks = marks_of(key, &found)?;
                ADOPT.run_postgres(&mut tx, &adopted_rows(&found, &marks, adoption)).await?;
                tx.commit().await?;
            }
        }
        if let Some(last) = found.last() {
            adoption.after = (last.compartment.clone(), last.id.clone());
        }
        let taken = u64::try_from(found.len()).unwrap_or_default();
        adoption.next += i64::try_from(taken).unwrap_or_default();
        Ok(taken)
    }

    /// The events of a record's trail, or one event: what is to be erased. Never an act of erasure itself.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn erasable_events(
        &self,
        compartment: &str,
        id: &str,
        erasure: &str,
    ) -> Result<Vec<(String, String)>, StorageError> {
        let sql = "SELECT compartment, id FROM audit_event WHERE (compartment = $1 OR id = $2) AND subtype <> $3 \
                   ORDER BY compartment, id";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(compartment).bind(id).bind(erasure).fetch_all(pool).await?;
            Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
        })
    }
}

fn marks_of(key: &SealKey, events: &[StoredEvent]) -> Result<Vec<String>, StorageError> {
    marks(key, events.iter().map(StoredEvent::columns)).map_err(|_| StorageError::Busy)
}

fn adopted_rows<'a>(events: &'a [StoredEvent], marks: &'a [String], adoption: &Adoption) -> Rows<'a> {
    let row = |(sequence, (event, mark)): (i64, (&'a StoredEvent, &'a String))| -> Vec<Cell<'a>> {
        vec![
            event.compartment.as_str().into(),
            event.id.as_str().into(),
            adoption.chain.into(),
            sequence.into(),
            mark.as_str().into(),
        ]
    };
    (adoption.next..).zip(events.iter().zip(marks)).map(row).collect()
}
