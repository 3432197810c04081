//! Whether a write set may still be written: what it was decided on, compared under lock with what is there.

use std::collections::{HashMap, HashSet};

use sqlx::{AssertSqlSafe, PgConnection, Row, SqliteConnection};

use super::StorageError;
use super::rows::{Cell, Rows, json, texts};
use super::write_set::{Precondition, ResourceKey, WriteSet};

/// The state that a batch of write sets is compared with; it moves on as sets of the batch are accepted.
#[derive(Default)]
pub(super) struct Ground {
    epochs: HashMap<String, i64>,
    versions: HashMap<ResourceKey, i64>,
    guards: HashMap<String, i64>,
    fences: HashMap<(String, String), i64>,
    keys: HashSet<(String, String)>,
}

/// What a batch asks of the ground, in the fixed order in which rows are locked.
pub(super) struct Questions<'a> {
    epochs: Rows<'a>,
    versions: Rows<'a>,
    guards: Rows<'a>,
    fences: Rows<'a>,
    keys: Rows<'a>,
}

impl<'a> Questions<'a> {
    pub(super) fn of(sets: impl Iterator<Item = &'a WriteSet>) -> Self {
        let mut asked = Self { epochs: vec![], versions: vec![], guards: vec![], fences: vec![], keys: vec![] };
        for set in sets {
            for precondition in &set.preconditions {
                match precondition {
                    Precondition::Epoch { compartment, .. } => {
                        asked.epochs.push(vec![Cell::from(compartment.as_str())]);
                    }
                    Precondition::Version { key, .. } => asked.versions.push(vec![
                        Cell::from(key.compartment.as_str()),
                        Cell::from(key.resource_type),
                        Cell::from(key.id.as_str()),
                    ]),
                    Precondition::Guard { name, .. } => asked.guards.push(vec![Cell::from(name.as_str())]),
                    Precondition::Fence { compartment, id, .. } => {
                        asked.fences.push(vec![Cell::from(compartment.as_str()), Cell::from(id.as_str())]);
                    }
                }
            }
            if let Some(key) = &set.idempotency {
                asked.keys.push(vec![Cell::from(key.client_id.as_str()), Cell::from(key.key.as_str())]);
            }
        }
        asked
    }

    pub(super) fn are_none(&self) -> bool {
        [&self.epochs, &self.versions, &self.guards, &self.fences, &self.keys].iter().all(|rows| rows.is_empty())
    }
}

const EPOCHS: &str = "SELECT compartment, epoch FROM record WHERE compartment IN ";
const VERSIONS: &str =
    "SELECT compartment, resource_type, id, version_id FROM resource WHERE (compartment, resource_type, id) IN ";
const GUARDS: &str = "SELECT name, epoch FROM guard WHERE name IN ";
const FENCES: &str = "SELECT compartment, id, fence FROM delivery WHERE (compartment, id) IN ";
const KEYS: &str = "SELECT client_id, idempotency_key FROM idempotency_key WHERE (client_id, idempotency_key) IN ";

impl Ground {
    pub(super) async fn on_sqlite(
        connection: &mut SqliteConnection,
        asked: &Questions<'_>,
    ) -> Result<Self, sqlx::Error> {
        let mut ground = Self::default();
        let one = "(SELECT json_extract(value, '$[0]') FROM jsonb_each($1))";
        let two = "(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM jsonb_each($1))";
        let three = "(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]') \
                     FROM jsonb_each($1))";
        macro_rules! ask {
            ($rows:expr, $head:expr, $tail:expr, |$row:ident| $keep:expr) => {
                if !$rows.is_empty() {
                    let query = sqlx::query(AssertSqlSafe(format!("{}{}", $head, $tail))).bind(json(&$rows)?);
                    for $row in query.fetch_all(&mut *connection).await? {
                        $keep;
                    }
                }
            };
        }
        ask!(asked.epochs, EPOCHS, one, |row| ground.epochs.insert(row.get(0), row.get(1)));
        ask!(asked.versions, VERSIONS, three, |row| ground.keep_version(
            row.get(0),
            &row.get::<String, _>(1),
            row.get(2),
            row.get(3)
        ));
        ask!(asked.guards, GUARDS, one, |row| ground.guards.insert(row.get(0), row.get(1)));
        ask!(asked.fences, FENCES, two, |row| ground.fences.insert((row.get(0), row.get(1)), row.get(2)));
        ask!(asked.keys, KEYS, two, |row| ground.keys.insert((row.get(0), row.get(1))));
        Ok(ground)
    }

    /// The same on PostgreSQL, with the rows locked: records first, then resources, guards and deliveries, each in key order, so
    /// that two writers never wait for each other in a circle.
    pub(super) async fn on_postgres(connection: &mut PgConnection, asked: &Questions<'_>) -> Result<Self, sqlx::Error> {
        let mut ground = Self::default();
        if !asked.epochs.is_empty() {
            let sql = format!("{EPOCHS}(SELECT UNNEST($1::text[])) ORDER BY compartment FOR NO KEY UPDATE");
            let rows =
                sqlx::query(AssertSqlSafe(sql)).bind(texts(&asked.epochs, 0)).fetch_all(&mut *connection).await?;
            ground.epochs.extend(rows.iter().map(|row| (row.get(0), row.get(1))));
        }
        if !asked.versions.is_empty() {
            let sql = format!(
                "{VERSIONS}(SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[])) \
                 ORDER BY compartment, resource_type, id FOR NO KEY UPDATE"
            );
            let query = sqlx::query(AssertSqlSafe(sql))
                .bind(texts(&asked.versions, 0))
                .bind(texts(&asked.versions, 1))
                .bind(texts(&asked.versions, 2));
            for row in query.fetch_all(&mut *connection).await? {
                ground.keep_version(row.get(0), &row.get::<String, _>(1), row.get(2), row.get(3));
            }
        }
        if !asked.guards.is_empty() {
            // A row that does not exist cannot be locked: make it first.
            let sql = "INSERT INTO guard SELECT DISTINCT name, 0, 0 FROM UNNEST($1::text[]) AS q(name) ORDER BY name \
                       ON CONFLICT (name) DO NOTHING";
            sqlx::query(sql).bind(texts(&asked.guards, 0)).execute(&mut *connection).await?;
            let sql = format!("{GUARDS}(SELECT UNNEST($1::text[])) ORDER BY name FOR NO KEY UPDATE");
            let rows =
                sqlx::query(AssertSqlSafe(sql)).bind(texts(&asked.guards, 0)).fetch_all(&mut *connection).await?;
            ground.guards.extend(rows.iter().map(|row| (row.get(0), row.get(1))));
        }
        if !asked.fences.is_empty() {
            let sql = format!(
                "{FENCES}(SELECT * FROM UNNEST($1::text[], $2::text[])) ORDER BY compartment, id FOR NO KEY UPDATE"
            );
            let query = sqlx::query(AssertSqlSafe(sql)).bind(texts(&asked.fences, 0)).bind(texts(&asked.fences, 1));
            let rows = query.fetch_all(&mut *connection).await?;
            ground.fences.extend(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))));
        }
        if !asked.keys.is_empty() {
            let sql = format!("{KEYS}(SELECT * FROM UNNEST($1::text[], $2::text[]))");
            let query = sqlx::query(AssertSqlSafe(sql)).bind(texts(&asked.keys, 0)).bind(texts(&asked.keys, 1));
            let rows = query.fetch_all(&mut *connection).await?;
            ground.keys.extend(rows.iter().map(|row| (row.get(0), row.get(1))));
        }
        Ok(ground)
    }

    fn keep_version(&mut self, compartment: String, resource_type: &str, id: String, version: i64) {
        let known = crate::search::parameters::type_name(resource_type);
        if let Some(resource_type) = known {
            self.versions.insert(ResourceKey { compartment, resource_type, id }, version);
        }
    }

    /// Accepts the set and moves the ground on, or says why not.
    pub(super) fn accept(&mut self, set: &WriteSet) -> Result<(), StorageError> {
        if let Some(key) = &set.idempotency
            && self.keys.contains(&(key.client_id.clone(), key.key.clone()))
        {
            return Err(StorageError::KeyUsed);
        }
        let holds = |precondition: &Precondition| match precondition {
            Precondition::Epoch { compartment, epoch } => self.epochs.get(compartment) == Some(epoch),
            Precondition::Version { key, version } => self.versions.get(key) == Some(&version.0),
            Precondition::Guard { name, epoch } => self.guards.get(name).copied().unwrap_or(0) == *epoch,
            Precondition::Fence { compartment, id, fence } => {
                self.fences.get(&(compartment.clone(), id.clone())) == Some(fence)
            }
        };
        if !set.preconditions.iter().all(holds) {
            return Err(StorageError::Moved);
        }
        for record in &set.moved_records {
            self.epochs.insert(record.compartment.clone(), record.epoch);
        }
        for version in &set.versions {
            self.versions.insert(version.key.clone(), version.version.0);
        }
        for precondition in &set.preconditions {
            match precondition {
                Precondition::Guard { name, epoch } => drop(self.guards.insert(name.clone(), epoch + 1)),
                Precondition::Fence { compartment, id, fence } => {
                    self.fences.insert((compartment.clone(), id.clone()), fence + 1);
                }
                Precondition::Epoch { .. } | Precondition::Version { .. } => {}
            }
        }
        if let Some(key) = &set.idempotency {
            self.keys.insert((key.client_id.clone(), key.key.clone()));
        }
        Ok(())
    }

    /// The guards as the accepted sets left them.
    pub(super) fn moved_guards<'a>(sets: impl Iterator<Item = &'a WriteSet>, now_ms: i64) -> Rows<'a> {
        let mut rows: HashMap<&'a str, i64> = HashMap::new();
        for set in sets {
            for precondition in &set.preconditions {
                if let Precondition::Guard { name, epoch } = precondition {
                    rows.insert(name, epoch + 1);
                }
            }
        }
        rows.into_iter().map(|(name, epoch)| vec![name.into(), epoch.into(), now_ms.into()]).collect()
    }
}
