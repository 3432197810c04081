//! What was stored before there was a vault: found a few versions at a time, and sealed where it lies.

use sqlx::{AssertSqlSafe, Row};

use super::key_store::{KeyStore, RecordKey};
use super::{StorageError, Store, read, write};
use crate::search::parameters::parameters;
use crate::vault::{Holes, scope};

/// Versions of a step.
const STEP: i64 = 100;
const TABLES: [&str; 2] = ["resource", "resource_history"];

/// What becomes of the words of what is sealed, where there are any.
const FORGOTTEN: [&str; 2] = [
    "INSERT INTO stale_index (compartment, resource_type, id) SELECT DISTINCT compartment, resource_type, id FROM text_index \
     WHERE compartment = $1 AND resource_type = $2 AND id = $3 ON CONFLICT (compartment, resource_type, id) DO NOTHING",
    "DELETE FROM text_index WHERE compartment = $1 AND resource_type = $2 AND id = $3",
];

/// A version whose holes nobody looked for yet.
struct Unsealed {
    compartment: String,
    resource_type: String,
    id: String,
    version: i64,
    body: String,
}

/// A row of the index that tells a sealed identifier.
struct Told {
    ordinal: i64,
    system: String,
    value: String,
}

impl Store {
    /// How many versions nobody looked at yet.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn count_unsealed(&self) -> Result<u64, StorageError> {
        let sql = "SELECT (SELECT COUNT(*) FROM resource WHERE holes IS NULL) \
                   + (SELECT COUNT(*) FROM resource_history WHERE holes IS NULL)";
        let count: i64 = read!(&self.database, |pool| sqlx::query_scalar(sql).fetch_one(pool).await?);
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Seals some versions. Answers how many: none when all are, or where there is no vault. Several gateways may do it at once.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn seal_step(&self) -> Result<u64, StorageError> {
        let Some(keys) = &self.keys else { return Ok(0) };
        for table in TABLES {
            let found = self.unsealed(table).await?;
            for version in &found {
                self.seal_one(keys, table, version).await?;
            }
            if !found.is_empty() {
                return Ok(u64::try_from(found.len()).unwrap_or_default());
            }
        }
        Ok(0)
    }

    async fn unsealed(&self, table: &str) -> Result<Vec<Unsealed>, StorageError> {
        let sql = format!(
            "SELECT compartment, resource_type, id, version_id, body FROM {table} WHERE holes IS NULL LIMIT {STEP}"
        );
        read!(&self.database, |pool| {
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(pool).await?;
            let version = |row: &_| Unsealed {
                compartment: Row::get(row, 0),
                resource_type: Row::get(row, 1),
                id: Row::get(row, 2),
                version: Row::get(row, 3),
                body: Row::get(row, 4),
            };
            Ok(rows.iter().map(version).collect())
        })
    }

    /// Takes the rows of parameters that would tell sealed elements out of the index.
    async fn hide(&self, keys: &KeyStore, version: &Unsealed) -> Result<(), StorageError> {
        let hidden =
            parameters(&version.resource_type).filter(|one| keys.sealed().hides(&version.resource_type, one.name));
        for parameter in hidden {
            let sql =
                "DELETE FROM search_index WHERE compartment = $1 AND resource_type = $2 AND id = $3 AND parameter = $4";
            write!(&self.database, |pool| {
                let query = sqlx::query(sql).bind(&version.compartment).bind(&version.resource_type);
                query.bind(&version.id).bind(parameter.name).execute(pool).await?;
            });
        }
        Ok(())
    }

    async fn seal_one(&self, keys: &KeyStore, table: &str, version: &Unsealed) -> Result<(), StorageError> {
        let spans = keys.sealed().places(&version.body);
        let told = if table == "resource" { self.told(keys, version).await? } else { Vec::new() };
        self.hide(keys, version).await?;
        let (mut body, mut holes) = (version.body.clone(), String::new());
        let mut put: Vec<(i64, String)> = Vec::new();
        if !spans.is_empty() || !told.is_empty() {
            let scope = scope(&version.compartment, &version.resource_type, &version.id);
            let made = keys.for_writing(std::slice::from_ref(&scope), version.version >> 16).await?;
            let RecordKey { id, key, .. } = made.into_iter().next().ok_or(StorageError::Vault("a key is missing"))?;
            if !spans.is_empty() {
                let cut = Holes::cut(&version.body, &spans, &id, (&key, &scope));
                let (cut, sealed) = cut.ok_or(StorageError::Vault("a value cannot be sealed"))?;
                (body, holes) = (cut, sealed.write());
            }
            let mut tokens = Vec::new();
            for row in told {
                let token = key.token(&row.system, &row.value);
                tokens.push([keys.blind(&row.system, &row.value), token.clone(), id.clone()]);
                put.push((row.ordinal, token));
            }
            keys.remember(&tokens).await?;
        }
        let sql = AssertSqlSafe(format!(
            "UPDATE {table} SET body = $1, holes = $2 WHERE compartment = $3 AND resource_type = $4 AND id = $5 \
             AND version_id = $6 AND holes IS NULL"
        ));
        let index = "UPDATE search_index SET value = $1 WHERE compartment = $2 AND resource_type = $3 AND id = $4 AND ordinal = $5";
        write!(&self.database, |pool| {
            let mut tx = pool.begin().await?;
            let query = sqlx::query(sql).bind(&body).bind(&holes);
            let query = query.bind(&version.compartment).bind(&version.resource_type).bind(&version.id);
            // A version that was replaced or sealed meanwhile has holes and tokens of its own.
            if query.bind(version.version).execute(&mut *tx).await?.rows_affected() == 1 {
                for (ordinal, token) in &put {
                    let query = sqlx::query(index).bind(token).bind(&version.compartment);
                    let query = query.bind(&version.resource_type).bind(&version.id).bind(*ordinal);
                    query.execute(&mut *tx).await?;
                }
                // The words of what is sealed are forgotten, and found anew in what is left.
                for sql in if table == "resource" { &FORGOTTEN[..] } else { &[] } {
                    let query = sqlx::query(*sql).bind(&version.compartment);
                    query.bind(&version.resource_type).bind(&version.id).execute(&mut *tx).await?;
                }
            }
            tx.commit().await?;
        });
        Ok(())
    }

    /// The rows of the index that tell a sealed identifier of a version.
    async fn told(&self, keys: &KeyStore, version: &Unsealed) -> Result<Vec<Told>, StorageError> {
        let sql =
            "SELECT ordinal, system, value FROM search_index WHERE compartment = $1 AND resource_type = $2 AND id = $3";
        let rows: Vec<Told> = read!(&self.database, |pool| {
            let query = sqlx::query(sql).bind(&version.compartment).bind(&version.resource_type).bind(&version.id);
            let rows = query.fetch_all(pool).await?;
            rows.iter().map(|row| Told { ordinal: row.get(0), system: row.get(1), value: row.get(2) }).collect()
        });
        Ok(rows.into_iter().filter(|row| keys.sealed().has_system(&row.system)).collect())
    }
}
