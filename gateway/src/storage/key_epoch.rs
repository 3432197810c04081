//! How the database of the records knows that a key store is an older copy, and what is done where no newer one is left.
//!
//! The key store counts how often it has moved on, and the database remembers how far it was. Within the seconds in between a missing key
//! is found when it is needed. A database that is older than the key store is a restored one, and goes with it.

use sqlx::{AssertSqlSafe, Row as _};

use super::{Database, OpenError, StorageError, Store, StoreSettings, read, write};

/// The setting that has how far the key store was.
const EPOCH: &str = "key_store_epoch";
/// The length of a key's id, with which holes begin.
const ID_LENGTH: usize = 32;

/// A key that something was sealed with, and that the key store neither has nor knows to have ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissingKey {
    /// The key's id.
    pub id: String,
    /// Where what it sealed is kept.
    pub compartment: String,
    /// What it sealed, or a part of it.
    pub resource_type: String,
    /// Its id.
    pub resource_id: String,
}

impl Store {
    /// Opens a store as [`Store::open`] does, also where its key store is an older copy.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open_with_older_keys(settings: &StoreSettings) -> Result<Self, OpenError> {
        Self::start(Database::connect(settings).await?, settings).await
    }

    /// A database goes with the key store that it had first: with another one every number would be a mask, and be written as one.
    pub(super) async fn refuse_other_keys(&self) -> Result<(), OpenError> {
        if self.keys.is_none() {
            return Ok(());
        }
        let ours = self.veil("key store");
        let known = self.setting_or("key_store", &ours).await.map_err(|_| OpenError::KeyStore)?;
        if known == ours { Ok(()) } else { Err(OpenError::KeyStore) }
    }

    /// An older copy lacks keys that were made since, and still has those that were destroyed since.
    pub(super) async fn refuse_older_keys(&self) -> Result<(), OpenError> {
        let Some(keys) = &self.keys else { return Ok(()) };
        let (epoch, known) = (keys.epoch().await, self.known_epoch().await);
        match (epoch, known) {
            (Ok(epoch), Ok(known)) if epoch >= known => Ok(()),
            (Ok(_), Ok(_)) => Err(OpenError::OlderKeyStore),
            _ => Err(OpenError::Vault),
        }
    }

    async fn known_epoch(&self) -> Result<i64, StorageError> {
        let known = self.setting(EPOCH).await?;
        known.map_or(Ok(0), |known| known.parse().map_err(|_| StorageError::Corrupt("key_store_epoch")))
    }

    /// Remembers how far the key store is, where it has moved on since.
    ///
    /// # Errors
    /// [`StorageError`]: then it is remembered the next time.
    pub async fn note_keys(&self) -> Result<(), StorageError> {
        let Some(keys) = &self.keys else { return Ok(()) };
        let Some(epoch) = keys.next_epoch().await? else { return Ok(()) };
        // Another replica may have remembered a later one.
        let sql = "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value \
                   WHERE CAST(setting.value AS BIGINT) < CAST(excluded.value AS BIGINT)";
        write!(&self.database, |pool| {
            sqlx::query(sql).bind(EPOCH).bind(epoch.to_string()).execute(pool).await?;
            Ok(())
        })
    }

    /// The keys after `after` with which something is sealed, and that the key store neither has nor knows to have ended, in their order;
    /// and the last key that was looked at, none at the end. At most so many are looked at.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn missing_keys(
        &self,
        after: &str,
        count: u32,
    ) -> Result<(Vec<MissingKey>, Option<String>), StorageError> {
        let Some(keys) = &self.keys else { return Ok((Vec::new(), None)) };
        let of = |table: &str| {
            format!(
                "SELECT substr(holes, 1, {ID_LENGTH}) AS key_id, compartment, resource_type, id FROM {table} WHERE holes <> ''"
            )
        };
        let sql = AssertSqlSafe(format!(
            "SELECT key_id, MIN(compartment), MIN(resource_type), MIN(id) FROM ({} UNION ALL {}) AS sealed \
             WHERE key_id > $1 GROUP BY key_id ORDER BY key_id LIMIT CAST($2 AS BIGINT)",
            of("resource"),
            of("resource_history")
        ));
        let used: Vec<MissingKey> = read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(after).bind(i64::from(count)).fetch_all(pool).await?;
            let used = rows.iter().map(|row| MissingKey {
                id: row.get(0),
                compartment: row.get(1),
                resource_type: row.get(2),
                resource_id: row.get(3),
            });
            used.collect()
        });
        let ids: Vec<String> = used.iter().map(|key| key.id.clone()).collect();
        let missing = keys.missing(&ids).await?;
        Ok((used.into_iter().filter(|key| missing.contains(&key.id)).collect(), ids.last().cloned()))
    }

    /// Gives a missing key up: what it sealed is a mask from now on.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn give_up_key(&self, id: &str, now_ms: i64) -> Result<(), StorageError> {
        match &self.keys {
            Some(keys) => keys.end(id, now_ms).await,
            None => Ok(()),
        }
    }

    /// Destroys again what an older copy of the key store still has and the trail has a receipt for. Answers how many keys there were;
    /// they get a receipt of their own, as all do.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn destroy_keys_again(&self, now_ms: i64) -> Result<u64, StorageError> {
        let Some(keys) = &self.keys else { return Ok(0) };
        let sql =
            "SELECT compartment, MAX(recorded_ms) FROM audit_event WHERE subtype = 'destroy-key' GROUP BY compartment";
        let receipts: Vec<(String, i64)> = read!(&self.database, |pool| {
            sqlx::query(sql).fetch_all(pool).await?.iter().map(|row| (row.get(0), row.get(1))).collect()
        });
        let mut destroyed = 0;
        for (scope, recorded_ms) in receipts {
            destroyed += keys.destroy(&scope, recorded_ms, now_ms).await?;
        }
        Ok(destroyed)
    }

    /// Takes the key store as it is for the one that the database goes with.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn accept_keys(&self) -> Result<(), StorageError> {
        let Some(keys) = &self.keys else { return Ok(()) };
        // From one that nobody knew: what is done to it from here on is told from every copy of before.
        keys.next_epoch().await?;
        self.put_setting(EPOCH, &keys.epoch().await?.to_string()).await
    }
}
