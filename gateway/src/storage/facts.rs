//! What a decision needs to know: custody, Consents, workflow. It is read to decide, never to be shown.

use sqlx::Row;

use super::write_set::{ReferralTask, ResourceKey, VersionId};
use super::{StorageError, Store, read};
use crate::labels::{DataPeriod, Facts, LabelSet};
use crate::search::parameters::type_name;

/// A record: who holds it and what closes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFacts {
    /// The compartment.
    pub compartment: String,
    /// `organization/<id>` of the custodian.
    pub custodian: String,
    /// Compared again when the write set is written.
    pub epoch: i64,
    /// The referral Task of the chain under way.
    pub chain: Option<String>,
    /// Grantee and cause of every closure.
    pub closures: Vec<(String, String)>,
}

/// A resource as a decision needs it, whoever may see it.
#[derive(Clone, Debug)]
pub struct Located {
    /// Where it is kept.
    pub key: ResourceKey,
    /// Its current version.
    pub version: VersionId,
    /// `organization/<id>` of whoever wrote the current version.
    pub author: String,
    /// Whether the current version is a deletion.
    pub deleted: bool,
    /// The stored bytes.
    pub body: String,
    /// Where they have holes, as it is stored; empty where none is left open.
    pub(super) holes: String,
    /// The stored minimum.
    pub minimum: Option<String>,
    /// What it is about.
    pub facts: Facts,
}

impl Located {
    /// Whether the bytes have no hole that was left open.
    pub fn is_whole(&self) -> bool {
        self.holes.is_empty()
    }
}

/// A version of a Consent, to decide on what was in force at its time.
#[derive(Clone, Debug)]
pub struct ConsentVersion {
    /// The Consent.
    pub id: String,
    /// Which version.
    pub version: VersionId,
    /// UTC milliseconds.
    pub recorded_ms: i64,
    /// Whether it is a deletion.
    pub is_deleted: bool,
}

/// How far back [`Store::consent_versions`] looks.
pub const CONSENT_VERSIONS_MAX: usize = 20_000;

const LOCATED: &str = "SELECT compartment, resource_type, id, version_id, author, deleted, body, minimum, \
     labels, label_version, declared, data_from_ms, data_until_ms, atoms, COALESCE(holes, '') FROM resource ";
const TASK: &str = "SELECT compartment, id, kind, state, requester, room, owner, part_of, predecessor, service_request, \
                    expires_ms FROM referral_task ";

macro_rules! located {
    ($row:expr) => {
        type_name(&$row.get::<String, _>(1)).map(|resource_type| Located {
            key: ResourceKey { compartment: $row.get(0), resource_type, id: $row.get(2) },
            version: VersionId($row.get(3)),
            author: $row.get(4),
            deleted: $row.get::<i64, _>(5) != 0,
            body: $row.get(6),
            minimum: $row.get(7),
            facts: Facts {
                labels: LabelSet::from_bits($row.get(8)),
                label_version: $row.get(9),
                declared: LabelSet::from_bits($row.get(10)),
                data: DataPeriod { from_ms: $row.get(11), until_ms: $row.get(12) },
                atoms: $row.get(13),
            },
            holes: $row.get(14),
        })
    };
}
macro_rules! task {
    ($row:expr) => {
        ReferralTask {
            compartment: $row.get(0),
            id: $row.get(1),
            kind: $row.get(2),
            state: $row.get(3),
            requester: $row.get(4),
            room: $row.get(5),
            owner: $row.get(6),
            part_of: $row.get(7),
            predecessor: $row.get(8),
            service_request: $row.get(9),
            expires_ms: $row.get(10),
        }
    };
}

impl Store {
    /// The facts of a record; none where no such record is held here.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn record_facts(&self, compartment: &str) -> Result<Option<RecordFacts>, StorageError> {
        let sql = "SELECT r.custodian, r.epoch, r.chain, c.grantee, c.cause FROM record r \
                   LEFT JOIN closure c ON c.compartment = r.compartment WHERE r.compartment = $1";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(compartment).fetch_all(pool).await?;
            let Some(first) = rows.first() else { return Ok(None) };
            let closure = |row: &_| -> Option<(String, String)> {
                Some((Row::get::<Option<String>, _>(row, 3)?, Row::get::<Option<String>, _>(row, 4)?))
            };
            Ok(Some(RecordFacts {
                compartment: compartment.to_owned(),
                custodian: first.get(0),
                epoch: first.get(1),
                chain: first.get(2),
                closures: rows.iter().filter_map(closure).collect(),
            }))
        })
    }

    /// Every Consent of a record, whatever its status, and its Patient, so far as they are not deleted: what a referral is
    /// decided on, by one question.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn consents_and_patient(&self, compartment: &str) -> Result<Vec<Located>, StorageError> {
        let sql = format!(
            "{LOCATED} WHERE compartment = $1 AND resource_type IN ('Consent', 'Patient') AND deleted = 0 ORDER BY id"
        );
        let sql = sqlx::AssertSqlSafe(sql);
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(compartment).fetch_all(pool).await?;
            Ok(rows.iter().filter_map(|row| located!(row)).collect())
        })
    }

    /// The versions of the Consents of a record that were written until a moment, deletions included, newest first; at most
    /// [`CONSENT_VERSIONS_MAX`]. What they say is read by [`Store::consent_body`].
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn consent_versions(
        &self,
        compartment: &str,
        until_ms: i64,
    ) -> Result<Vec<ConsentVersion>, StorageError> {
        let versions = |table: &str| {
            format!(
                "SELECT id, version_id, last_updated_ms, deleted FROM {table} \
                 WHERE compartment = $1 AND resource_type = 'Consent' AND last_updated_ms <= $2"
            )
        };
        let sql = format!(
            "{} UNION ALL {} ORDER BY 2 DESC LIMIT {CONSENT_VERSIONS_MAX}",
            versions("resource"),
            versions("resource_history")
        );
        read!(&self.database, |pool| {
            let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(compartment).bind(until_ms).fetch_all(pool).await?;
            let version = |row: &_| ConsentVersion {
                id: Row::get(row, 0),
                version: VersionId(Row::get(row, 1)),
                recorded_ms: Row::get(row, 2),
                is_deleted: Row::get::<i64, _>(row, 3) != 0,
            };
            Ok(rows.iter().map(version).collect())
        })
    }

    /// The stored bytes of one version of a Consent.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn consent_body(
        &self,
        compartment: &str,
        id: &str,
        version: VersionId,
    ) -> Result<Option<String>, StorageError> {
        let of = |table: &str| {
            format!(
                "SELECT body FROM {table} WHERE compartment = $1 AND resource_type = 'Consent' AND id = $2 AND version_id = $3"
            )
        };
        let sql = format!("{} UNION ALL {}", of("resource"), of("resource_history"));
        read!(&self.database, |pool| {
            let query = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(compartment).bind(id).bind(version.0);
            Ok(query.fetch_optional(pool).await?)
        })
    }

    /// Whom the stored rules of a Consent permit, each once.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn permitted_grantees(&self, compartment: &str, consent_id: &str) -> Result<Vec<String>, StorageError> {
        let sql = "SELECT DISTINCT grantee FROM access_grant WHERE compartment = $1 AND consent_id = $2 \
                   AND effect = 'permit' ORDER BY grantee";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(compartment).bind(consent_id).fetch_all(pool).await?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        })
    }

    /// The current version of a resource, whoever may see it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn locate(&self, resource_type: &str, id: &str) -> Result<Option<Located>, StorageError> {
        let sql = sqlx::AssertSqlSafe(format!("{LOCATED} WHERE resource_type = $1 AND id = $2"));
        let found: Option<Located> = read!(&self.database, |pool| {
            let row = sqlx::query(sql).bind(resource_type).bind(id).fetch_optional(pool).await?;
            row.and_then(|row| located!(row))
        });
        let mut found: Vec<Located> = found.into_iter().collect();
        if found.iter().any(|located| !located.holes.is_empty()) {
            Box::pin(self.fill_located(&mut found)).await?;
        }
        Ok(found.pop())
    }

    /// The organisation that first wrote a resource: whoever recorded a Consent may always withdraw it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn recorder(&self, key: &ResourceKey) -> Result<Option<String>, StorageError> {
        let sql = "SELECT author FROM (SELECT author, version_id FROM resource WHERE compartment = $1 AND resource_type = $2 \
                   AND id = $3 UNION ALL SELECT author, version_id FROM resource_history WHERE compartment = $1 \
                   AND resource_type = $2 AND id = $3) AS versions ORDER BY version_id LIMIT 1";
        read!(&self.database, |pool| {
            let query = sqlx::query(sql).bind(&key.compartment).bind(key.resource_type).bind(&key.id);
            Ok(query.fetch_optional(pool).await?.map(|row| row.get(0)))
        })
    }

    /// The workflow row of one Task.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn referral_task(&self, id: &str) -> Result<Option<ReferralTask>, StorageError> {
        let sql = sqlx::AssertSqlSafe(format!("{TASK} WHERE id = $1"));
        read!(&self.database, |pool| {
            Ok(sqlx::query(sql).bind(id).fetch_optional(pool).await?.map(|row| task!(row)))
        })
    }

    /// The workflow rows of a record, oldest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn referral_tasks(&self, compartment: &str) -> Result<Vec<ReferralTask>, StorageError> {
        let sql = sqlx::AssertSqlSafe(format!("{TASK} WHERE compartment = $1 ORDER BY id"));
        read!(&self.database, |pool| {
            Ok(sqlx::query(sql).bind(compartment).fetch_all(pool).await?.iter().map(|row| task!(row)).collect())
        })
    }

    /// Tasks whose waiting is over at `now_ms`, the longest waiting first, at most `limit`.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn expired_tasks(&self, now_ms: i64, limit: i64) -> Result<Vec<ReferralTask>, StorageError> {
        let sql = format!(
            "{TASK} WHERE state = 'requested' AND kind = 'organization' AND expires_ms <= $1 ORDER BY expires_ms, id LIMIT CAST($2 AS BIGINT)"
        );
        let sql = sqlx::AssertSqlSafe(sql);
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).bind(now_ms).bind(limit).fetch_all(pool).await?;
            Ok(rows.iter().map(|row| task!(row)).collect())
        })
    }

    /// How often a condition was decided on, for a [`super::write_set::Precondition::Guard`].
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn guard_epoch(&self, name: &str) -> Result<i64, StorageError> {
        read!(&self.database, |pool| {
            let row = sqlx::query("SELECT epoch FROM guard WHERE name = $1").bind(name).fetch_optional(pool).await?;
            Ok(row.map_or(0, |row| row.get(0)))
        })
    }
}
