//! Resources whose index rows an older version made: found a few at a time, and given the rows that are made of them now.
//!
//! The rows stand beside a version and are no part of it, so what clients read, its `ETag` and its history stay as they are.

use sqlx::{AssertSqlSafe, Row};

use super::facts::Located;
use super::rows::{PUT_INDEX, PUT_TEXT, Rows};
use super::statements::index_rows;
use super::text::text_rows;
use super::write_set::{Method, NewVersion, ResourceKey, VersionId, WriteSet};
use super::{Database, StorageError, Store, read};
use crate::labels::{DataPeriod, Facts, LabelSet};
use crate::search::index::IndexRow;
use crate::search::parameters::type_name;
use crate::vault::MASK;

/// The rows by which a resource is found, each with the form that it was made from.
pub type IndexRows = Vec<(IndexRow, i64)>;

/// Takes a resource out of the list, and its rows out of the index where it is still that version; whether it is. Its row stays locked,
/// so that nobody writes another version meanwhile.
macro_rules! replaced {
    ($tx:expr, $version:expr) => {{
        let NewVersion { key, version, .. } = $version;
        let unlisted = "DELETE FROM stale_index WHERE compartment = $1 AND resource_type = $2 AND id = $3";
        let locked = "UPDATE resource SET version_id = version_id WHERE compartment = $1 AND resource_type = $2 AND id = $3 \
                      AND version_id = $4";
        let dropped = "DELETE FROM search_index WHERE compartment = $1 AND resource_type = $2 AND id = $3";
        let of_key = |sql: &'static str| sqlx::query(sql).bind(&key.compartment).bind(key.resource_type).bind(&key.id);
        of_key(unlisted).execute(&mut *$tx).await?;
        let is_current = of_key(locked).bind(version.0).execute(&mut *$tx).await?.rows_affected() == 1;
        if is_current {
            of_key(dropped).execute(&mut *$tx).await?;
            let words = "DELETE FROM text_index WHERE compartment = $1 AND resource_type = $2 AND id = $3";
            of_key(words).execute(&mut *$tx).await?;
        }
        is_current
    }};
}

impl Store {
    /// How many resources have rows of an older version.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn count_stale_index(&self) -> Result<u64, StorageError> {
        let sql = "SELECT COUNT(*) FROM stale_index";
        let count: i64 = read!(&self.database, |pool| sqlx::query_scalar(sql).fetch_one(pool).await?);
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Resources that have rows of an older version, opened: up to `count`, or as many as fit into `bytes_max`, but one at least. What is
    /// still to be sealed comes after it was.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn stale_index(&self, (count, bytes_max): (u32, u32)) -> Result<Vec<Located>, StorageError> {
        let is_sealed = if self.keys.is_some() { "AND r.holes IS NOT NULL" } else { "" };
        let sql = AssertSqlSafe(format!(
            "WITH k AS (SELECT r.compartment, r.resource_type, r.id, LENGTH(r.body) AS bytes FROM stale_index s JOIN resource r \
               ON r.compartment = s.compartment AND r.resource_type = s.resource_type AND r.id = s.id \
               WHERE 1 = 1 {is_sealed} LIMIT CAST($1 AS BIGINT)), \
             b AS (SELECT k.*, SUM(bytes) OVER (ORDER BY compartment, resource_type, id) - bytes AS bytes_before FROM k) \
             SELECT r.compartment, r.resource_type, r.id, r.version_id, r.author, r.deleted, r.body, r.minimum, r.labels, \
               r.label_version, r.declared, r.data_from_ms, r.data_until_ms, r.atoms, COALESCE(r.holes, '') \
             FROM b CROSS JOIN resource r WHERE r.compartment = b.compartment AND r.resource_type = b.resource_type \
             AND r.id = b.id AND b.bytes_before < $2"
        ));
        let mut found: Vec<Located> = read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(i64::from(count)).bind(i64::from(bytes_max)).fetch_all(pool).await?;
            let located = |row: &_| -> Result<Located, StorageError> {
                let resource_type = type_name(Row::get(row, 1)).ok_or(StorageError::Corrupt("resource_type"))?;
                Ok(Located {
                    key: ResourceKey { compartment: Row::get(row, 0), resource_type, id: Row::get(row, 2) },
                    version: VersionId(Row::get(row, 3)),
                    author: Row::get(row, 4),
                    deleted: Row::get::<i64, _>(row, 5) != 0,
                    body: Row::get(row, 6),
                    minimum: Row::get(row, 7),
                    facts: Facts {
                        labels: LabelSet::from_bits(Row::get(row, 8)),
                        label_version: Row::get(row, 9),
                        declared: LabelSet::from_bits(Row::get(row, 10)),
                        data: DataPeriod { from_ms: Row::get(row, 11), until_ms: Row::get(row, 12) },
                        atoms: Row::get(row, 13),
                    },
                    holes: Row::get(row, 14),
                })
            };
            rows.iter().map(located).collect::<Result<_, _>>()?
        });
        self.fill_located(&mut found).await?;
        Ok(found)
    }

    /// Puts the rows of resources in the place of those that they have, as far as they are still of the same version; then they are no
    /// longer in the list.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_index(&self, resources: Vec<(Located, IndexRows)>) -> Result<(), StorageError> {
        for (mut located, rows) in resources {
            let mut set = WriteSet::default();
            let minimum = located.minimum.take();
            set.versions.push(version_of(located, rows));
            // As a write would seal them: numbers by their tokens, and nothing of what is hidden.
            self.seal(&mut set).await?;
            set.versions.iter_mut().for_each(|version| version.minimum.clone_from(&minimum));
            set.texts = self.texts_of(&set.versions);
            let (rows, texts): (Rows<'_>, Rows<'_>) = (index_rows(&set), text_rows(&set));
            for version in &set.versions {
                match &self.database {
                    Database::Sqlite { writer, .. } => {
                        let mut tx = writer.begin().await?;
                        if replaced!(tx, version) {
                            PUT_INDEX.run_sqlite(&mut tx, &rows).await?;
                            PUT_TEXT.run_sqlite(&mut tx, &texts).await?;
                        }
                        tx.commit().await?;
                    }
                    Database::Postgres { pool } => {
                        let mut tx = pool.begin().await?;
                        if replaced!(tx, version) {
                            PUT_INDEX.run_postgres(&mut tx, &rows).await?;
                            PUT_TEXT.run_postgres(&mut tx, &texts).await?;
                        }
                        tx.commit().await?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The version with its rows. What stands for a value whose key ended is no value.
fn version_of(located: Located, mut rows: IndexRows) -> NewVersion {
    rows.retain(|(row, _)| row.value != MASK.trim_matches('"'));
    NewVersion {
        // The time of a version is in its id.
        last_updated_ms: located.version.0 >> 16,
        key: located.key,
        version: located.version,
        author: located.author,
        method: Method::Put,
        body: located.body,
        minimum: None,
        holes: None,
        index: rows,
        facts: located.facts,
        replaces: true,
    }
}
