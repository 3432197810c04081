//! The key store: a database of its own with the keys of records, and the tokens under which sealed identifiers are found.
//!
//! It is never in a backup of the records. On SQLite what is deleted is overwritten, and the log is cut after a destruction.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::Row;
use sqlx::migrate::Migrator;
use uuid::Uuid;

use super::rows::{Cell, Fat, Kind, Rows};
use super::{Database, OpenError, StorageError, StoreSettings, read, write};
use crate::vault::{BlindKey, DataKey, KeyRing, SealedElements};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/keys");

/// The scope of the key that hides the index; no record has this id.
const INDEX_SCOPE: &str = "/index";
/// Keys that one step of a rotation wraps anew.
const ROTATION_STEP: i64 = 200;

/// How to open a key store.
#[derive(Clone, Debug)]
pub struct VaultSettings {
    /// `sqlite:PATH` or `postgres://…`: another database than that of the records.
    pub url: String,
    /// The keys that wrap those of the records.
    pub ring: KeyRing,
    /// What is sealed.
    pub sealed: SealedElements,
}

/// The open key store.
#[derive(Clone, Debug)]
pub struct KeyStore {
    database: Database,
    ring: Arc<KeyRing>,
    blind: BlindKey,
    sealed: Arc<SealedElements>,
    /// Whether something was kept here that the epoch does not tell yet.
    changed: Arc<AtomicBool>,
}

/// The key of a record with its id.
#[derive(Debug)]
pub struct RecordKey {
    /// Time-ordered.
    pub id: String,
    /// Whose it is, see [`crate::vault::scope`].
    pub scope: String,
    /// The key itself.
    pub key: DataKey,
}

/// A destroyed key whose receipt the trail does not have yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestroyedKey {
    /// The key's id.
    pub id: String,
    /// Whose it was.
    pub scope: String,
    /// UTC milliseconds.
    pub destroyed_ms: i64,
}

const KEY: &str = "SELECT id, scope, wrapped, ring_key FROM record_key ";

impl KeyStore {
    /// Opens the key store, makes its tables and the key of its index.
    ///
    /// # Errors
    /// [`OpenError`]; among them a key ring that does not open what is there.
    pub async fn open(settings: &VaultSettings) -> Result<Self, OpenError> {
        const CONNECTIONS: u32 = 4;
        let connect = StoreSettings { connections_max: CONNECTIONS, ..StoreSettings::new(&settings.url) };
        let database = Database::connect_wiping(&connect).await?;
        database.migrate(&MIGRATIONS).await?;
        let ring = Arc::new(settings.ring.clone());
        let (blind, sealed) = (BlindKey::of(&fresh()?), Arc::new(settings.sealed.clone()));
        let keys = Self { database, ring, blind, sealed, changed: Arc::default() };
        keys.check_ring().await?;
        let blind = BlindKey::of(&keys.index_key().await?);
        Ok(Self { blind, ..keys })
    }

    /// What is sealed.
    pub fn sealed(&self) -> &SealedElements {
        &self.sealed
    }

    /// Every key is wrapped by one of the ring, or values would be lost without a word.
    async fn check_ring(&self) -> Result<(), OpenError> {
        let names: Vec<String> = read!(&self.database, |pool| {
            let sql = "SELECT DISTINCT ring_key FROM record_key WHERE destroyed_ms IS NULL";
            sqlx::query_scalar(sql).fetch_all(pool).await?
        });
        match names.into_iter().find(|name| !self.ring.has(name)) {
            Some(name) => Err(OpenError::RingKey(name)),
            None => Ok(()),
        }
    }

    /// The key of the index: made once, by whoever comes first.
    async fn index_key(&self) -> Result<DataKey, OpenError> {
        let made = self.make(INDEX_SCOPE, INDEX_SCOPE, 0).await;
        made.map_err(|_| OpenError::Vault)?;
        let found = self.by_ids(&[INDEX_SCOPE.to_owned()]).await.map_err(|_| OpenError::Vault)?;
        found.into_values().next().map(|found| found.key).ok_or(OpenError::Vault)
    }

    /// What stands for an identifier in the index.
    pub(super) fn blind(&self, system: &str, value: &str) -> String {
        self.blind.blind(system, value)
    }

    /// What stands for a person at a register.
    pub(super) fn pseudonym(&self, register: &str, number: &str) -> [u8; 32] {
        self.blind.pseudonym(register, number)
    }

    /// The keys of these scopes, each made where there is none.
    pub(super) async fn for_writing(&self, scopes: &[String], now_ms: i64) -> Result<Vec<RecordKey>, StorageError> {
        let mut found = self.by_scopes(scopes).await?;
        for scope in scopes {
            if found.iter().all(|key| key.scope != *scope) {
                let id = Uuid::now_v7().simple().to_string();
                found.push(self.make(&id, scope, now_ms).await?);
            }
        }
        Ok(found)
    }

    async fn make(&self, id: &str, scope: &str, now_ms: i64) -> Result<RecordKey, StorageError> {
        let key = DataKey::fresh().ok_or(StorageError::Vault("there is no randomness"))?;
        let wrapped = self.ring.wrap(&bound(id, scope), &key).ok_or(StorageError::Vault("a key cannot be wrapped"))?;
        let sql = "INSERT INTO record_key (id, scope, wrapped, ring_key, created_ms) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (id) DO NOTHING";
        let made = write!(&self.database, |pool| {
            let query = sqlx::query(sql).bind(id).bind(scope).bind(wrapped).bind(self.ring.current()).bind(now_ms);
            query.execute(pool).await?.rows_affected()
        });
        self.moved(made);
        Ok(RecordKey { id: id.to_owned(), scope: scope.to_owned(), key })
    }

    /// The newest living key of each scope that has one.
    async fn by_scopes(&self, scopes: &[String]) -> Result<Vec<RecordKey>, StorageError> {
        let sql = format!("{KEY} WHERE destroyed_ms IS NULL AND scope IN ({}) ORDER BY id DESC", places(scopes.len()));
        let mut keys: Vec<RecordKey> = Vec::new();
        for key in self.keys(sql, scopes).await? {
            if keys.iter().all(|newer| newer.scope != key.scope) {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// The living ones among these keys, by id.
    pub(super) async fn by_ids(&self, ids: &[String]) -> Result<HashMap<String, RecordKey>, StorageError> {
        let sql = format!("{KEY} WHERE destroyed_ms IS NULL AND id IN ({})", places(ids.len()));
        Ok(self.keys(sql, ids).await?.into_iter().map(|key| (key.id.clone(), key)).collect())
    }

    async fn keys(&self, sql: String, bound_to: &[String]) -> Result<Vec<RecordKey>, StorageError> {
        let rows: Vec<[String; 4]> = read!(&self.database, |pool| {
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
            for value in bound_to {
                query = query.bind(value);
            }
            let rows = query.fetch_all(pool).await?;
            rows.iter().map(|row| [row.get(0), row.get(1), row.get(2), row.get(3)]).collect()
        });
        let key = |[id, scope, wrapped, ring_key]: [String; 4]| {
            let key = self.ring.unwrap(&ring_key, &bound(&id, &scope), &wrapped);
            let key =
                key.ok_or(StorageError::Vault("a key does not unwrap: the key ring or the key store was changed"))?;
            Ok(RecordKey { id, scope, key })
        };
        rows.into_iter().map(key).collect()
    }

    /// Remembers tokens (blind, token, key), those of living keys only: what is destroyed meanwhile is not found again.
    pub(super) async fn remember(&self, tokens: &[[String; 3]]) -> Result<(), StorageError> {
        static PUT: std::sync::LazyLock<Fat> = std::sync::LazyLock::new(|| {
            Fat::over(
                "INSERT INTO blind_index (blind, token, key_id) SELECT blind, token, key_id FROM ",
                &[("blind", Kind::Text), ("token", Kind::Text), ("key_id", Kind::Text)],
                " WHERE EXISTS (SELECT 1 FROM record_key k WHERE k.id = q.key_id AND k.destroyed_ms IS NULL) \
                 ON CONFLICT (blind, token) DO NOTHING",
            )
        });
        let rows: Rows<'_> =
            tokens.iter().map(|row| row.iter().map(|text| Cell::from(text.as_str())).collect()).collect();
        let put = match &self.database {
            Database::Sqlite { writer, .. } => PUT.run_sqlite(&mut *writer.acquire().await?, &rows).await?,
            Database::Postgres { pool } => PUT.run_postgres(&mut *pool.acquire().await?, &rows).await?,
        };
        self.moved(put);
        Ok(())
    }

    /// The tokens of these blinded identifiers: blind and token.
    pub(super) async fn tokens(&self, blinds: &[String]) -> Result<Vec<(String, String)>, StorageError> {
        let sql = format!(
            "SELECT b.blind, b.token FROM blind_index b JOIN record_key k ON k.id = b.key_id \
             WHERE k.destroyed_ms IS NULL AND b.blind IN ({})",
            places(blinds.len())
        );
        read!(&self.database, |pool| {
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
            for blind in blinds {
                query = query.bind(blind);
            }
            Ok(query.fetch_all(pool).await?.iter().map(|row| (row.get(0), row.get(1))).collect())
        })
    }

    /// Destroys the keys of a scope that were made until `made_ms`, and what their values are found by, at once and for good. Answers
    /// how many there were.
    pub(super) async fn destroy(&self, scope: &str, made_ms: i64, now_ms: i64) -> Result<u64, StorageError> {
        let forget = "DELETE FROM blind_index WHERE key_id IN \
                      (SELECT id FROM record_key WHERE scope = $1 AND created_ms <= $2 AND destroyed_ms IS NULL)";
        let end = "UPDATE record_key SET wrapped = '', destroyed_ms = $3 \
                   WHERE scope = $1 AND created_ms <= $2 AND destroyed_ms IS NULL";
        let destroyed = write!(&self.database, |pool| {
            let mut tx = pool.begin().await?;
            sqlx::query(forget).bind(scope).bind(made_ms).execute(&mut *tx).await?;
            let query = sqlx::query(end).bind(scope).bind(made_ms).bind(now_ms);
            let destroyed = query.execute(&mut *tx).await?.rows_affected();
            tx.commit().await?;
            destroyed
        });
        self.moved(destroyed);
        // Where it does not go now (a reader is in the way), the receipt waits for it.
        if let Err(error) = self.wipe().await {
            tracing::warn!(%error, "the files of the key store could not be wiped, it is tried again");
        }
        Ok(destroyed)
    }

    /// Leaves nothing of what was deleted in the files of this database itself.
    async fn wipe(&self) -> Result<(), StorageError> {
        match &self.database {
            Database::Sqlite { writer, .. } => {
                let busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(writer).await?;
                if busy != 0 {
                    return Err(StorageError::Vault(
                        "somebody reads the key store: its log still has what was deleted",
                    ));
                }
            }
            Database::Postgres { pool } => {
                sqlx::query("VACUUM record_key, blind_index").execute(pool).await?;
            }
        }
        Ok(())
    }

    /// Destroyed keys whose receipt is due, at most a few hundred.
    pub(super) async fn without_receipt(&self) -> Result<Vec<DestroyedKey>, StorageError> {
        let sql = "SELECT id, scope, destroyed_ms FROM record_key WHERE destroyed_ms IS NOT NULL ORDER BY id LIMIT 200";
        let is_any: bool = read!(&self.database, |pool| sqlx::query(sql).fetch_optional(pool).await?.is_some());
        if !is_any {
            return Ok(Vec::new());
        }
        // A receipt says that nothing is left: also where the one who destroyed it was killed before it was so.
        self.wipe().await?;
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).fetch_all(pool).await?;
            let destroyed =
                rows.iter().map(|row| DestroyedKey { id: row.get(0), scope: row.get(1), destroyed_ms: row.get(2) });
            Ok(destroyed.collect())
        })
    }

    /// The trail has the receipt: nothing is left of the key but that it was, and ended.
    pub(super) async fn forget(&self, id: &str) -> Result<(), StorageError> {
        let end = "INSERT INTO ended_key (id, ended_ms) SELECT id, destroyed_ms FROM record_key \
                   WHERE id = $1 AND destroyed_ms IS NOT NULL ON CONFLICT (id) DO NOTHING";
        // A token that came in beside the destruction goes as well.
        let tokens = "DELETE FROM blind_index WHERE key_id = $1";
        let key = "DELETE FROM record_key WHERE id = $1 AND destroyed_ms IS NOT NULL";
        let ended = write!(&self.database, |pool| {
            let mut tx = pool.begin().await?;
            let ended = sqlx::query(end).bind(id).execute(&mut *tx).await?.rows_affected();
            sqlx::query(tokens).bind(id).execute(&mut *tx).await?;
            sqlx::query(key).bind(id).execute(&mut *tx).await?;
            tx.commit().await?;
            ended
        });
        self.moved(ended);
        Ok(())
    }

    /// Those of these keys that are neither here nor known to have ended: they were made after this copy of the key store.
    pub(super) async fn missing(&self, ids: &[String]) -> Result<Vec<String>, StorageError> {
        /// Of one question: databases bind so many at most.
        const STEP: usize = 500;
        let mut known: HashSet<String> = HashSet::new();
        for ids in ids.chunks(STEP) {
            let places = places(ids.len());
            let sql = sqlx::AssertSqlSafe(format!(
                "SELECT id FROM record_key WHERE id IN ({places}) UNION ALL SELECT id FROM ended_key WHERE id IN ({places})"
            ));
            let found: Vec<String> = read!(&self.database, |pool| {
                let mut query = sqlx::query_scalar(sql);
                for id in ids {
                    query = query.bind(id);
                }
                query.fetch_all(pool).await?
            });
            known.extend(found);
        }
        Ok(ids.iter().filter(|id| !known.contains(*id)).cloned().collect())
    }

    /// Gives a missing key up: what it sealed is a mask from now on.
    pub(super) async fn end(&self, id: &str, now_ms: i64) -> Result<(), StorageError> {
        let sql = "INSERT INTO ended_key (id, ended_ms) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
        let ended =
            write!(&self.database, |pool| sqlx::query(sql).bind(id).bind(now_ms).execute(pool).await?.rows_affected());
        self.moved(ended);
        Ok(())
    }

    /// How often what is kept here has moved on.
    pub(super) async fn epoch(&self) -> Result<i64, StorageError> {
        let sql = "SELECT epoch FROM key_epoch WHERE only_row = 1";
        Ok(read!(&self.database, |pool| sqlx::query_scalar(sql).fetch_one(pool).await?))
    }

    /// The next epoch, where something was kept since the last one; none where nothing was.
    pub(super) async fn next_epoch(&self) -> Result<Option<i64>, StorageError> {
        if !self.changed.swap(false, Ordering::AcqRel) {
            return Ok(None);
        }
        let sql = "UPDATE key_epoch SET epoch = epoch + 1 WHERE only_row = 1";
        let moved = async {
            write!(&self.database, |pool| sqlx::query(sql).execute(pool).await.map(|_| ()))?;
            self.epoch().await
        };
        let epoch = moved.await;
        if epoch.is_err() {
            self.moved(1);
        }
        epoch.map(Some)
    }

    /// So many rows were kept or ended.
    fn moved(&self, rows: u64) {
        if rows > 0 {
            self.changed.store(true, Ordering::Release);
        }
    }

    /// How many keys the ring's current key does not wrap.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn count_outdated(&self) -> Result<u64, StorageError> {
        let sql = "SELECT COUNT(*) FROM record_key WHERE destroyed_ms IS NULL AND ring_key <> $1";
        let count: i64 =
            read!(&self.database, |pool| sqlx::query_scalar(sql).bind(self.ring.current()).fetch_one(pool).await?);
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Wraps some keys anew by the ring's current key. Answers how many: none when all are. It goes on where it was stopped.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn rotate_step(&self) -> Result<u64, StorageError> {
        let sql = format!("{KEY} WHERE destroyed_ms IS NULL AND ring_key <> $1 ORDER BY id LIMIT {ROTATION_STEP}");
        let keys = self.keys(sql, &[self.ring.current().to_owned()]).await?;
        // A key that was destroyed meanwhile stays so.
        let sql = "UPDATE record_key SET wrapped = $2, ring_key = $3 WHERE id = $1 AND destroyed_ms IS NULL";
        for key in &keys {
            let wrapped = self.ring.wrap(&bound(&key.id, &key.scope), &key.key);
            let wrapped = wrapped.ok_or(StorageError::Vault("a key cannot be wrapped"))?;
            write!(&self.database, |pool| {
                let query = sqlx::query(sql).bind(&key.id).bind(wrapped).bind(self.ring.current());
                query.execute(pool).await?;
            });
        }
        if keys.is_empty() {
            self.wipe().await?;
        }
        Ok(u64::try_from(keys.len()).unwrap_or_default())
    }

    pub(super) async fn close(&self) {
        self.database.close().await;
    }
}

/// To what a wrapped key is bound: moved to another row, it does not unwrap.
fn bound(id: &str, scope: &str) -> String {
    format!("{id} {scope}")
}

fn fresh() -> Result<DataKey, OpenError> {
    DataKey::fresh().ok_or(OpenError::Vault)
}

fn places(count: usize) -> String {
    let places: Vec<String> = (1..=count).map(|n| format!("${n}")).collect();
    if places.is_empty() { "NULL".to_owned() } else { places.join(", ") }
}
