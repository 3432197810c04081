//! Versions that an older table labelled: found a few at a time, and given their new facts.
//!
//! Facts stand beside a version and are not part of it, so what clients read, its `ETag` and its history stay as they are.

use std::sync::LazyLock;

use sqlx::Row;

use super::rows::{Fat, Kind, Rows};
use super::write_set::{ResourceKey, VersionId};
use super::{Database, StorageError, Store, read};
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
    /// The stored bytes; empty for a deletion.
    pub body: String,
    /// The labels that clients declared of it, also where it does not carry them any more.
    pub declared: LabelSet,
}

/// A current version has the same columns as an old one.
const TABLES: [&str; 2] = ["resource", "resource_history"];

static PUT_FACTS: LazyLock<[Fat; 2]> = LazyLock::new(|| {
    TABLES.map(|table| {
        use Kind::{Integer, Text};
        let head = format!(
            "UPDATE {table} SET labels = q.labels, label_version = q.label_version, declared = q.declared, \
             data_from_ms = q.data_from_ms, data_until_ms = q.data_until_ms, atoms = q.atoms FROM "
        );
        let columns = [
            ("compartment", Text),
            ("resource_type", Text),
            ("id", Text),
            ("version_id", Integer),
            ("labels", Integer),
            ("label_version", Integer),
            ("declared", Integer),
            ("data_from_ms", Integer),
            ("data_until_ms", Integer),
            ("atoms", Text),
        ];
        // What was written meanwhile has the facts of its own version.
        let tail = format!(
            " WHERE {table}.compartment = q.compartment AND {table}.resource_type = q.resource_type AND {table}.id = q.id \
             AND {table}.version_id = q.version_id AND {table}.label_version < q.label_version"
        );
        Fat::over(&head, &columns, &tail)
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

    /// Up to `count` versions that a table older than this one labelled, current ones first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn stale(&self, label_version: i64, count: u32) -> Result<Vec<StaleVersion>, StorageError> {
        for table in TABLES {
            let sql = sqlx::AssertSqlSafe(format!(
                "SELECT compartment, resource_type, id, version_id, author, last_updated_ms, body, declared FROM {table} \
                 WHERE label_version < $1 LIMIT $2"
            ));
            let found: Vec<StaleVersion> = read!(&self.database, |pool| {
                let rows = sqlx::query(sql).bind(label_version).bind(i64::from(count)).fetch_all(pool).await?;
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

    /// Gives versions their new facts, those that are not newer by now.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_facts(&self, versions: &[(StaleVersion, Facts)]) -> Result<(), StorageError> {
        let rows: Rows<'_> = versions
            .iter()
            .map(|(version, facts)| {
                vec![
                    version.key.compartment.as_str().into(),
                    version.key.resource_type.into(),
                    version.key.id.as_str().into(),
                    version.version.0.into(),
                    facts.labels.bits().into(),
                    facts.label_version.into(),
                    facts.declared.bits().into(),
                    facts.data.from_ms.into(),
                    facts.data.until_ms.into(),
                    facts.atoms.as_str().into(),
                ]
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
