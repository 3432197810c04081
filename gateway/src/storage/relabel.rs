//! Versions that an older table labelled: found a few at a time, and given their new facts.
//!
//! Facts stand beside a version and are not part of it, so what clients read, its `ETag` and its history stay as they are.

use std::sync::LazyLock;

use sqlx::Row;

use super::rows::{Fat, RESOURCE, Rows};
use super::statements::{FACTS, facts_cells, key_row};
use super::write_set::{ResourceKey, VersionId};
use super::{Database, StorageError, Store, read, write};
use crate::labels::{Facts, LabelSet};
use crate::search::parameters::type_name;

/// A version whose facts are to be computed anew.
#[derive(Clone, Debug)]
pub struct StaleVersion {
    /// Where it is kept.
    pub key: ResourceKey,
    /// Which version.
    pub version: VersionId,
    /// `organization/<id>` of whoever wrote it.
    pub author: String,
    /// UTC milliseconds.
    pub recorded_ms: i64,
    /// The stored bytes.
    pub body: String,
    /// The labels that clients declared of it, also where it does not carry them any more.
    pub declared: LabelSet,
}

/// Old versions before the current ones: a deletion is labelled as what it deleted, which is an old one.
const TABLES: [&str; 2] = ["resource_history", "resource"];
const KEY: &str = "compartment, resource_type, id, version_id";

static PUT_FACTS: LazyLock<[Fat; 2]> = LazyLock::new(|| {
    TABLES.map(|table| {
        let (key, facts) = (&RESOURCE[..4], &RESOURCE[RESOURCE.len() - FACTS..]);
        let values: Vec<String> = facts.iter().map(|(name, _)| format!("{name} = q.{name}")).collect();
        let same: Vec<String> = key.iter().map(|(name, _)| format!("{table}.{name} = q.{name}")).collect();
        Fat::over(
            &format!("UPDATE {table} SET {} FROM ", values.join(", ")),
            &[key, facts].concat(),
            // What was written meanwhile has the facts of its own version.
            &format!(" WHERE {} AND {table}.label_version < q.label_version", same.join(" AND ")),
        )
    })
});

impl Store {
    /// How many versions a table older than this one labelled.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn count_stale(&self, label_version: i64) -> Result<u64, StorageError> {
        let sql = "SELECT (SELECT COUNT(*) FROM resource WHERE label_version < $1) \
                   + (SELECT COUNT(*) FROM resource_history WHERE label_version < $1)";
        let count: i64 =
            read!(&self.database, |pool| { sqlx::query_scalar(sql).bind(label_version).fetch_one(pool).await? });
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Versions that a table older than this one labelled, old ones first and without deletions: up to `count`, or as many as fit
    /// into `bytes_max`, but one at least.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn stale(
        &self,
        label_version: i64,
        (count, bytes_max): (u32, u32),
    ) -> Result<Vec<StaleVersion>, StorageError> {
        for table in TABLES {
            let sql = sqlx::AssertSqlSafe(format!(
                "WITH k AS (SELECT {KEY}, LENGTH(body) AS bytes FROM {table} WHERE label_version < $1 AND deleted = 0 LIMIT CAST($2 AS BIGINT)), \
                 b AS (SELECT k.*, SUM(bytes) OVER (ORDER BY {KEY}) - bytes AS bytes_before FROM k) \
                 SELECT t.compartment, t.resource_type, t.id, t.version_id, t.author, t.last_updated_ms, t.body, t.declared \
                 FROM b CROSS JOIN {table} t WHERE t.compartment = b.compartment AND t.resource_type = b.resource_type \
                 AND t.id = b.id AND t.version_id = b.version_id AND b.bytes_before < $3"
            ));
            let found: Vec<StaleVersion> = read!(&self.database, |pool| {
                let query = sqlx::query(sql).bind(label_version).bind(i64::from(count)).bind(i64::from(bytes_max));
                let rows = query.fetch_all(pool).await?;
                let version = |row: &_| -> Result<StaleVersion, StorageError> {
                    let resource_type = type_name(Row::get(row, 1)).ok_or(StorageError::Corrupt("resource_type"))?;
                    Ok(StaleVersion {
                        key: ResourceKey { compartment: Row::get(row, 0), resource_type, id: Row::get(row, 2) },
                        version: VersionId(Row::get(row, 3)),
                        author: Row::get(row, 4),
                        recorded_ms: Row::get(row, 5),
                        body: Row::get(row, 6),
                        declared: LabelSet::from_bits(Row::get(row, 7)),
                    })
                };
                rows.iter().map(version).collect::<Result<_, _>>()?
            });
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    /// Labels up to `count` deletions of each kind as what they deleted, once [`Store::stale`] finds nothing more; their period and
    /// references stay. Answers how many there were.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn relabel_deletions(&self, label_version: i64, count: u32) -> Result<u64, StorageError> {
        let mut done = 0;
        for table in TABLES {
            // What was deleted is not labelled where an update came between: then the deletion counts as of everything.
            let sql = sqlx::AssertSqlSafe(format!(
                "UPDATE {table} AS t SET label_version = $1, labels = t.declared | COALESCE((SELECT \
                   CASE WHEN h.label_version >= $1 THEN h.labels ELSE -1 END FROM resource_history h \
                   WHERE h.compartment = t.compartment AND h.resource_type = t.resource_type AND h.id = t.id \
                   AND h.deleted = 0 AND h.version_id < t.version_id ORDER BY h.version_id DESC LIMIT 1), -1) \
                 WHERE t.deleted = 1 AND t.label_version < $1 AND (t.compartment, t.resource_type, t.id, t.version_id) IN \
                   (SELECT {KEY} FROM {table} WHERE deleted = 1 AND label_version < $1 LIMIT CAST($2 AS BIGINT))"
            ));
            done += write!(&self.database, |pool| {
                sqlx::query(sql).bind(label_version).bind(i64::from(count)).execute(pool).await?.rows_affected()
            });
        }
        Ok(done)
    }

    /// Gives versions their new facts, those that are not newer by now.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_facts(&self, versions: &[(Facts, StaleVersion)]) -> Result<(), StorageError> {
        let rows: Rows<'_> = versions
            .iter()
            .map(|(facts, version)| {
                let mut row = key_row(&version.key);
                row.push(version.version.0.into());
                row.extend(facts_cells(facts));
                row
            })
            .collect();
        // A version is in one of them; where an update has just moved it, in the other.
        for fat in &*PUT_FACTS {
            match &self.database {
                Database::Sqlite { writer, .. } => fat.run_sqlite(&mut *writer.acquire().await?, &rows).await?,
                Database::Postgres { pool } => fat.run_postgres(&mut *pool.acquire().await?, &rows).await?,
            };
        }
        Ok(())
    }
}
