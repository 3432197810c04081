//! Who exists: organisations, pools, clients and practitioners, written by the operator only.

use sqlx::Row;

use super::channel::Channel;
use super::people::StaffMember;
use super::subscription::Subscriber;
use super::treatment::TreatmentCentre;
use super::{StorageError, Store, read, write};

/// A registered organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id, also of its `Organization` resource.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `edpbw`, `elp`, `cgg`, `gp`, `coprev`, `mutuality` or `other`.
    pub kind: String,
    /// Its enterprise number.
    pub cbe: Option<String>,
    /// Its NIHDI number.
    pub nihdi: Option<String>,
    /// A disabled organisation is known, and may do nothing.
    pub active: bool,
}

/// A pool: a waiting room that several organisations share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its id, also of its `HealthcareService` resource.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The kind of its members.
    pub kind: String,
    /// The region that it serves.
    pub region: String,
}

/// A registered client: which organisation it speaks for, and for which purposes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// The organisation that it speaks for.
    pub organization_id: String,
    /// Codes of v3-PurposeOfUse.
    pub purposes: Vec<String>,
    /// A disabled client is refused.
    pub active: bool,
    /// Whether it speaks for people who sign in, and never for its organisation.
    pub person_app: bool,
    /// By which keys it proves itself to the gateway's own token endpoint; without any it gets no tokens there.
    pub keys: Option<ClientKeys>,
    /// SMART scopes that it may get there at most, separated by spaces.
    pub scopes: String,
}

/// Where the public keys of a client are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientKeys {
    /// A JWK Set.
    Inline(String),
    /// The URL of one.
    Url(String),
}

/// A registered practitioner of an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Practitioner {
    /// The id, also of the `Practitioner` resource.
    pub id: String,
    /// Where the practitioner works.
    pub organization_id: String,
    /// The name.
    pub name: String,
    /// The NIHDI number, by which a Consent may name them.
    pub nihdi: Option<String>,
    /// As what they work: a code of [`PractitionerRole`](crate::consent::PractitionerRole).
    pub role: String,
    /// Whether still there.
    pub active: bool,
}

/// Everything registered, read at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryRows {
    /// By id.
    pub organizations: Vec<Organization>,
    /// By id.
    pub pools: Vec<Pool>,
    /// Organisation id and pool id.
    pub members: Vec<(String, String)>,
    /// By id.
    pub clients: Vec<Client>,
    /// By id.
    pub practitioners: Vec<Practitioner>,
    /// By id.
    pub staff: Vec<StaffMember>,
    /// By partner.
    pub channels: Vec<Channel>,
    /// By organisation.
    pub treatment_centres: Vec<TreatmentCentre>,
    /// The subscriptions for which events are queued.
    pub subscribers: Vec<Subscriber>,
    /// The ids of tokens that were taken back and have not ended yet.
    pub revoked_tokens: Vec<String>,
}

impl Store {
    /// Reads all that is registered.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn registry(&self) -> Result<RegistryRows, StorageError> {
        let (staff, channels) = (self.staff().await?, self.channels().await?);
        let (treatment_centres, subscribers) = (self.treatment_centres().await?, self.subscribers().await?);
        read!(&self.database, |pool| {
            let sql = "SELECT id, name, kind, cbe, nihdi, active FROM organization ORDER BY id";
            let organizations = sqlx::query(sql).fetch_all(pool).await?;
            let pools = sqlx::query("SELECT id, name, kind, region FROM pool ORDER BY id").fetch_all(pool).await?;
            let members = sqlx::query("SELECT organization, pool FROM pool_member").fetch_all(pool).await?;
            let sql = "SELECT id, organization_id, purposes, active, person_app, jwks, jwks_url, scopes FROM client ORDER BY id";
            let clients = sqlx::query(sql).fetch_all(pool).await?;
            let sql = "SELECT id, organization_id, name, nihdi, role, active FROM practitioner ORDER BY id";
            let practitioners = sqlx::query(sql).fetch_all(pool).await?;
            let revoked = sqlx::query("SELECT token_id FROM revoked_token").fetch_all(pool).await?;
            let bare = |grantee: String| grantee.split_once('/').map(|(_, id)| id.to_owned()).unwrap_or_default();
            Ok(RegistryRows {
                organizations: organizations
                    .iter()
                    .map(|row| Organization {
                        id: row.get(0),
                        name: row.get(1),
                        kind: row.get(2),
                        cbe: row.get(3),
                        nihdi: row.get(4),
                        active: row.get::<i64, _>(5) != 0,
                    })
                    .collect(),
                pools: pools
                    .iter()
                    .map(|row| Pool { id: row.get(0), name: row.get(1), kind: row.get(2), region: row.get(3) })
                    .collect(),
                members: members.iter().map(|row| (bare(row.get(0)), bare(row.get(1)))).collect(),
                clients: clients
                    .iter()
                    .map(|row| Client {
                        id: row.get(0),
                        organization_id: row.get(1),
                        purposes: row.get::<String, _>(2).split_whitespace().map(str::to_owned).collect(),
                        active: row.get::<i64, _>(3) != 0,
                        person_app: row.get::<i64, _>(4) != 0,
                        keys: (row.get::<Option<String>, _>(5).map(ClientKeys::Inline))
                            .or_else(|| row.get::<Option<String>, _>(6).map(ClientKeys::Url)),
                        scopes: row.get(7),
                    })
                    .collect(),
                practitioners: practitioners
                    .iter()
                    .map(|row| Practitioner {
                        id: row.get(0),
                        organization_id: row.get(1),
                        name: row.get(2),
                        nihdi: row.get(3),
                        role: row.get(4),
                        active: row.get::<i64, _>(5) != 0,
                    })
                    .collect(),
                staff,
                channels,
                treatment_centres,
                subscribers,
                revoked_tokens: revoked.iter().map(|row| row.get(0)).collect(),
            })
        })
    }

    /// Registers an organisation, or changes what is registered of it, and begins its own compartment.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_organization(&self, organization: &Organization, now_ms: i64) -> Result<(), StorageError> {
        let sql = "INSERT INTO organization (id, name, kind, cbe, nihdi, active) VALUES ($1, $2, $3, $4, $5, $6) \
                   ON CONFLICT (id) DO UPDATE SET name = excluded.name, kind = excluded.kind, cbe = excluded.cbe, \
                   nihdi = excluded.nihdi, active = excluded.active";
        let own = "INSERT INTO record (compartment, custodian, epoch, chain, created_ms) VALUES ($1, $1, 1, NULL, $2) \
                   ON CONFLICT (compartment) DO NOTHING";
        write!(&self.database, |pool| {
            sqlx::query(own).bind(format!("organization/{}", organization.id)).bind(now_ms).execute(pool).await?;
            sqlx::query(sql)
                .bind(&organization.id)
                .bind(&organization.name)
                .bind(&organization.kind)
                .bind(&organization.cbe)
                .bind(&organization.nihdi)
                .bind(i64::from(organization.active))
                .execute(pool)
                .await?;
            Ok(())
        })
    }

    /// Registers a pool, or changes it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_pool(&self, pool: &Pool) -> Result<(), StorageError> {
        let sql = "INSERT INTO pool (id, name, kind, region) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET \
                   name = excluded.name, kind = excluded.kind, region = excluded.region";
        write!(&self.database, |connections| {
            sqlx::query(sql)
                .bind(&pool.id)
                .bind(&pool.name)
                .bind(&pool.kind)
                .bind(&pool.region)
                .execute(connections)
                .await?;
            Ok(())
        })
    }

    /// Makes an organisation a member of exactly the given pools.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_members(&self, organization_id: &str, pools: &[String]) -> Result<(), StorageError> {
        let organization = format!("organization/{organization_id}");
        write!(&self.database, |connections| {
            let mut tx = connections.begin().await?;
            sqlx::query("DELETE FROM pool_member WHERE organization = $1")
                .bind(&organization)
                .execute(&mut *tx)
                .await?;
            for pool in pools {
                sqlx::query("INSERT INTO pool_member (organization, pool) VALUES ($1, $2)")
                    .bind(&organization)
                    .bind(format!("pool/{pool}"))
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await?;
            Ok(())
        })
    }

    /// Registers a client, or changes it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_client(&self, client: &Client) -> Result<(), StorageError> {
        let sql = "INSERT INTO client (id, organization_id, purposes, active, person_app, jwks, jwks_url, scopes) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET \
                   organization_id = excluded.organization_id, purposes = excluded.purposes, active = excluded.active, \
                   person_app = excluded.person_app, jwks = excluded.jwks, jwks_url = excluded.jwks_url, scopes = excluded.scopes";
        let (jwks, jwks_url) = match &client.keys {
            Some(ClientKeys::Inline(jwks)) => (Some(jwks), None),
            Some(ClientKeys::Url(url)) => (None, Some(url)),
            None => (None, None),
        };
        write!(&self.database, |pool| {
            sqlx::query(sql)
                .bind(&client.id)
                .bind(&client.organization_id)
                .bind(client.purposes.join(" "))
                .bind(i64::from(client.active))
                .bind(i64::from(client.person_app))
                .bind(jwks)
                .bind(jwks_url)
                .bind(&client.scopes)
                .execute(pool)
                .await?;
            Ok(())
        })
    }

    /// Registers a practitioner, or changes the registration.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_practitioner(&self, practitioner: &Practitioner) -> Result<(), StorageError> {
        let sql = "INSERT INTO practitioner (id, organization_id, name, nihdi, role, active) VALUES ($1, $2, $3, $4, $5, $6) \
                   ON CONFLICT (id) DO UPDATE SET organization_id = excluded.organization_id, name = excluded.name, \
                   nihdi = excluded.nihdi, role = excluded.role, active = excluded.active";
        write!(&self.database, |pool| {
            sqlx::query(sql)
                .bind(&practitioner.id)
                .bind(&practitioner.organization_id)
                .bind(&practitioner.name)
                .bind(&practitioner.nihdi)
                .bind(&practitioner.role)
                .bind(i64::from(practitioner.active))
                .execute(pool)
                .await?;
            Ok(())
        })
    }

    /// A setting of the installation (the mark of a sandbox among them).
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn setting(&self, name: &str) -> Result<Option<String>, StorageError> {
        read!(&self.database, |pool| {
            let row = sqlx::query("SELECT value FROM setting WHERE name = $1").bind(name).fetch_optional(pool).await?;
            Ok(row.map(|row| row.get(0)))
        })
    }

    /// A setting, kept as `fresh` where there is none yet; of two replicas that start at once one wins.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn setting_or(&self, name: &str, fresh: &str) -> Result<String, StorageError> {
        let sql = "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        write!(&self.database, |pool| sqlx::query(sql).bind(name).bind(fresh).execute(pool).await.map(|_| ()))?;
        Ok(self.setting(name).await?.unwrap_or_else(|| fresh.to_owned()))
    }

    /// Keeps a setting of the installation.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn put_setting(&self, name: &str, value: &str) -> Result<(), StorageError> {
        let sql =
            "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        write!(&self.database, |pool| {
            sqlx::query(sql).bind(name).bind(value).execute(pool).await?;
            Ok(())
        })
    }
}
