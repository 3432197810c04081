//! Who signs in: the people whom the operator registered, and the records that patients proved to be their own.

use sqlx::Row;

use super::{StorageError, Store, read, write};

/// Somebody who works for an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaffMember {
    /// The operator's id for them.
    pub id: String,
    /// Who they are to the identity provider.
    pub subject: Subject,
    /// For which organisation they work.
    pub organization_id: String,
    /// As which practitioner they are registered, if they are one.
    pub practitioner_id: Option<String>,
    /// The name.
    pub name: String,
    /// Codes of [`PersonRole`](crate::auth::PersonRole).
    pub roles: Vec<String>,
    /// Whether still there.
    pub active: bool,
}

/// Who somebody is to an identity provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The provider.
    pub issuer: String,
    /// Its name for them, which it gives to nobody else.
    pub id: String,
}

impl Store {
    /// The people who work for organisations, by id.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn staff(&self) -> Result<Vec<StaffMember>, StorageError> {
        let sql =
            "SELECT id, issuer, subject, organization_id, practitioner_id, name, roles, active FROM person ORDER BY id";
        read!(&self.database, |pool| {
            let rows = sqlx::query(sql).fetch_all(pool).await?;
            let member = |row: &_| StaffMember {
                id: Row::get(row, 0),
                subject: Subject { issuer: Row::get(row, 1), id: Row::get(row, 2) },
                organization_id: Row::get(row, 3),
                practitioner_id: Row::get(row, 4),
                name: Row::get(row, 5),
                roles: Row::get::<String, _>(row, 6).split_whitespace().map(str::to_owned).collect(),
                active: Row::get::<i64, _>(row, 7) != 0,
            };
            Ok(rows.iter().map(member).collect())
        })
    }

    /// Registers somebody, or changes what is registered. Sessions of theirs end: whoever is still allowed in signs in anew.
    ///
    /// # Errors
    /// [`StorageError`]; also where another id has the subject.
    pub async fn put_staff_member(&self, member: &StaffMember) -> Result<(), StorageError> {
        let end = "DELETE FROM person_session WHERE EXISTS (SELECT 1 FROM person p WHERE p.id = $1 \
                   AND p.issuer = person_session.issuer AND p.subject = person_session.subject)";
        let put = "INSERT INTO person (id, issuer, subject, organization_id, practitioner_id, name, roles, active) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET issuer = excluded.issuer, \
                   subject = excluded.subject, organization_id = excluded.organization_id, \
                   practitioner_id = excluded.practitioner_id, name = excluded.name, roles = excluded.roles, \
                   active = excluded.active";
        write!(&self.database, |pool| {
            let mut tx = pool.begin().await?;
            // Before and after: the subject may be another one now.
            sqlx::query(end).bind(&member.id).execute(&mut *tx).await?;
            sqlx::query(put)
                .bind(&member.id)
                .bind(&member.subject.issuer)
                .bind(&member.subject.id)
                .bind(&member.organization_id)
                .bind(&member.practitioner_id)
                .bind(&member.name)
                .bind(member.roles.join(" "))
                .bind(i64::from(member.active))
                .execute(&mut *tx)
                .await?;
            sqlx::query(end).bind(&member.id).execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(())
        })
    }

    /// The records that are somebody's own, the one that was linked last first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn links(&self, subject: &Subject) -> Result<Vec<String>, StorageError> {
        let sql = "SELECT compartment FROM person_link WHERE issuer = $1 AND subject = $2 \
                   ORDER BY linked_ms DESC, compartment";
        read!(&self.database, |pool| {
            Ok(sqlx::query_scalar(sql).bind(&subject.issuer).bind(&subject.id).fetch_all(pool).await?)
        })
    }

    /// Keeps the code of a record, as its hash. The one before is good no more.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_link_code(&self, compartment: &str, hash: &str, until_ms: i64) -> Result<(), StorageError> {
        let sql = "INSERT INTO link_code (compartment, code_hash, until_ms) VALUES ($1, $2, $3) \
                   ON CONFLICT (compartment) DO UPDATE SET code_hash = excluded.code_hash, until_ms = excluded.until_ms";
        write!(&self.database, |pool| {
            sqlx::query(sql).bind(compartment).bind(hash).bind(until_ms).execute(pool).await?;
            Ok(())
        })
    }

    /// Takes a code, if it is good at `now_ms`: from then on it goes by `claim`, which only the one who took it knows. Answers its record.
    /// Of two who take it at once one has it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn take_code(&self, hash: &str, claim: &str, now_ms: i64) -> Result<Option<String>, StorageError> {
        let sql = "UPDATE link_code SET code_hash = $2 WHERE code_hash = $1 AND until_ms > $3 RETURNING compartment";
        write!(&self.database, |pool| {
            Ok(sqlx::query_scalar(sql).bind(hash).bind(claim).bind(now_ms).fetch_optional(pool).await?)
        })
    }

    /// Uses a code up that was taken, and makes its record somebody's own. False where the record's custodian ended it meanwhile.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn link(&self, subject: &Subject, claim: &str, now_ms: i64) -> Result<bool, StorageError> {
        let take = "DELETE FROM link_code WHERE code_hash = $1 AND until_ms > $2 RETURNING compartment";
        let put = "INSERT INTO person_link (issuer, subject, compartment, linked_ms) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (issuer, subject, compartment) DO NOTHING";
        write!(&self.database, |pool| {
            let mut tx = pool.begin().await?;
            let taken = sqlx::query_scalar(take).bind(claim).bind(now_ms).fetch_optional(&mut *tx).await?;
            let Some(compartment): Option<String> = taken else { return Ok(false) };
            let query = sqlx::query(put).bind(&subject.issuer).bind(&subject.id).bind(compartment).bind(now_ms);
            query.execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(true)
        })
    }

    /// Ends every link to a record, its code, and the sessions that rest on it. Answers how many links there were.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn unlink(&self, compartment: &str) -> Result<u64, StorageError> {
        write!(&self.database, |pool| {
            let mut tx = pool.begin().await?;
            for sql in
                ["DELETE FROM link_code WHERE compartment = $1", "DELETE FROM person_session WHERE compartment = $1"]
            {
                sqlx::query(sql).bind(compartment).execute(&mut *tx).await?;
            }
            let sql = "DELETE FROM person_link WHERE compartment = $1";
            let ended = sqlx::query(sql).bind(compartment).execute(&mut *tx).await?.rows_affected();
            tx.commit().await?;
            Ok(ended)
        })
    }

    /// How often somebody gave a code that was none since a moment.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn link_failures(&self, subject: &Subject, since_ms: i64) -> Result<i64, StorageError> {
        let sql = "SELECT failures FROM link_failure WHERE issuer = $1 AND subject = $2 AND since_ms > $3";
        read!(&self.database, |pool| {
            let query = sqlx::query_scalar(sql).bind(&subject.issuer).bind(&subject.id).bind(since_ms);
            Ok(query.fetch_optional(pool).await?.unwrap_or(0))
        })
    }

    /// Counts a code that was none; those from before `since_ms` are forgotten.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn count_link_failure(&self, subject: &Subject, since_ms: i64, now_ms: i64) -> Result<(), StorageError> {
        let sql = "INSERT INTO link_failure (issuer, subject, failures, since_ms) VALUES ($1, $2, 1, $3) \
                   ON CONFLICT (issuer, subject) DO UPDATE SET \
                   failures = CASE WHEN link_failure.since_ms > $4 THEN link_failure.failures + 1 ELSE 1 END, \
                   since_ms = CASE WHEN link_failure.since_ms > $4 THEN link_failure.since_ms ELSE excluded.since_ms END";
        write!(&self.database, |pool| {
            let query = sqlx::query(sql).bind(&subject.issuer).bind(&subject.id).bind(now_ms).bind(since_ms);
            query.execute(pool).await?;
            Ok(())
        })
    }
}
