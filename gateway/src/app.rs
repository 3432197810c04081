//! What every request needs at hand: the store, the clock, the settings and who is registered.

mod bulk;
mod jobs;
mod keys_at_work;
mod refusals;
mod turns;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use connectors::guard::Guard;
use mappings::tariff::Tables;
use tokio::sync::{Mutex, RwLock};

pub use bulk::Bulk;
pub use jobs::{AtWork, Jobs};
pub use keys_at_work::{KeyAtWork, KeysAtWork};
pub use refusals::Refusals;
pub use turns::Turns;

use crate::auth::{BrowserKey, Issuer, Verifier, Verifiers};
use crate::auth_keys::{ClientKeySets, IdentityProvider};
use crate::bodies::BodyLimits;
use crate::clock::Clock;
use crate::config::{BillingConfig, EmergencyConfig, Limits, SubscriptionsConfig};
use crate::consent::{ActorReference, Grantee, ORGANIZATION_KIND_SYSTEM};
use crate::labels::LabelTable;
use crate::rates::RequestRates;
use crate::search::cursor::CursorKey;
use crate::storage::channel::Channel;
use crate::storage::people::{StaffMember, Subject};
use crate::storage::registry::{Client, Organization, Pool, Practitioner, RegistryRows};
use crate::storage::subscription::Subscriber;
use crate::storage::treatment::TreatmentCentre;
use crate::storage::{StorageError, Store};
use crate::validation::Validation;

/// How old the picture of the registry may be: a disabled client is refused within this time.
const REGISTRY_AGE_MS_MAX: i64 = 1_000;

/// The system of a Belgian enterprise number.
const CBE_SYSTEM: &str = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/cbe";
/// The system of a NIHDI number.
const NIHDI_SYSTEM: &str = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/nihdi";

/// Shared by all requests; cheap to clone.
pub type App = Arc<AppState>;

/// The assembled gateway, without its HTTP face.
#[derive(Debug)]
pub struct AppState {
    /// Resources, grants, trail and queue.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// What may grow, and how far.
    pub limits: Limits,
    /// The public URL of the FHIR interface, without a slash at the end.
    pub base_url: String,
    /// The resource types that are served.
    pub types: BTreeSet<&'static str>,
    /// Whose tokens are believed.
    pub verifiers: Verifiers,
    /// How tokens are given to machines; none where the gateway gives none.
    pub tokens: Option<MachineTokens>,
    /// How people sign in; none where nobody does.
    pub people: Option<People>,
    /// Which URLs may be asked that somebody else chose.
    pub guard: Guard,
    /// How far subscriptions go.
    pub subscriptions: SubscriptionsConfig,
    /// How far exports go.
    pub bulk: Bulk,
    /// By what resources are labelled.
    pub labels: Arc<LabelTable>,
    /// The profiles that resources are held to.
    pub validation: Validation,
    /// For how long copies of the key store are kept.
    pub key_copies_days: u32,
    /// Made-up data only.
    pub is_sandbox: bool,
    /// Days that a referral waits.
    pub waiting_days_max: u32,
    /// What employers are looked up for; none where they are not.
    pub lookup_purpose: Option<String>,
    /// What third parties bill for how much.
    pub tariffs: Tables,
    /// How they bill.
    pub billing: BillingConfig,
    /// Days for which it is looked where a referral goes that names nobody.
    pub intake_days_max: u32,
    /// How far emergency access goes.
    pub emergency: EmergencyConfig,
    /// Who is registered.
    pub registry: RegistryCache,
    /// Seals the places at which pages end.
    pub cursor_key: CursorKey,
    /// Refusals of callers who did not say who they are, until they are written.
    pub refusals: Refusals,
    /// Writes that are decided again.
    pub turns: Turns,
    /// How often each may ask.
    pub rates: RequestRates,
    /// The idempotency keys under which somebody is at work.
    pub keys_at_work: KeysAtWork,
}

impl AppState {
    /// How the body of a request may arrive.
    pub fn body_limits(&self) -> BodyLimits {
        let Limits { body_bytes_max, body_pause, body_timeout, .. } = self.limits;
        BodyLimits { bytes_max: body_bytes_max, pause: body_pause, time: body_timeout }
    }

    /// Counts a request that a limit of rate or room refused.
    pub fn refused_by(&self, limit: &'static str) {
        metrics::counter!("wellgate_http_refused_total", "limit" => limit).increment(1);
        self.refusals.count(limit, self.clock.now_ms());
    }
}

/// What the gateway needs to give tokens to machine clients.
#[derive(Debug)]
pub struct MachineTokens {
    /// Signs them.
    pub issuer: Issuer,
    /// How long they are good.
    pub lifetime: Duration,
    /// Verifies them.
    pub verifier: Arc<Verifier>,
    /// The keys of clients that publish them by URL.
    pub client_keys: ClientKeySets,
    /// Whether clients may show certificates, to which their tokens are bound then.
    pub binds_to_certificates: bool,
    /// The issuer's name: the gateway's URL, without a slash at the end.
    pub root: String,
}

impl MachineTokens {
    /// The URL of the token endpoint, for which every assertion is made.
    pub fn endpoint(&self) -> String {
        format!("{}/oauth/token", self.root)
    }
}

/// What the gateway needs so that people sign in.
#[derive(Debug)]
pub struct People {
    /// Where they sign in.
    pub provider: IdentityProvider,
    /// Seals what their browsers hold.
    pub key: BrowserKey,
    /// The gateway's URL as a browser writes it in `Origin`: without a slash at the end.
    pub root: String,
}

impl People {
    /// The one address to which the provider sends people back.
    pub fn callback(&self) -> String {
        format!("{}/sign-in/callback", self.root)
    }

    /// After how many milliseconds an unused session ends.
    pub fn idle_ms(&self) -> i64 {
        milliseconds(self.provider.config().idle)
    }

    /// After how many milliseconds every session ends.
    pub fn session_ms(&self) -> i64 {
        milliseconds(self.provider.config().session)
    }

    /// For how many milliseconds it counts that somebody signed in afresh.
    pub fn step_up_ms(&self) -> i64 {
        milliseconds(self.provider.config().step_up)
    }

    /// For how many milliseconds the code of a record is good.
    pub fn link_code_ms(&self) -> i64 {
        milliseconds(self.provider.config().link_code)
    }
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Who is registered, looked up by id.
#[derive(Debug, Default)]
pub struct Registry {
    organizations: BTreeMap<String, Organization>,
    pools: BTreeMap<String, Pool>,
    members: BTreeMap<String, Vec<String>>,
    clients: BTreeMap<String, Client>,
    practitioners: BTreeMap<String, Practitioner>,
    staff: BTreeMap<String, StaffMember>,
    channels: BTreeMap<String, Channel>,
    treatment_centres: BTreeMap<String, TreatmentCentre>,
    subscribers: BTreeMap<String, Vec<Subscriber>>,
    revoked_tokens: HashSet<String>,
}

impl Registry {
    /// The registry from its rows.
    pub fn new(rows: RegistryRows) -> Self {
        let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (organization, pool) in rows.members {
            members.entry(pool).or_default().push(organization);
        }
        let mut subscribers: BTreeMap<String, Vec<Subscriber>> = BTreeMap::new();
        for subscriber in rows.subscribers {
            subscribers.entry(subscriber.organization.clone()).or_default().push(subscriber);
        }
        Self {
            organizations: rows.organizations.into_iter().map(|row| (row.id.clone(), row)).collect(),
            pools: rows.pools.into_iter().map(|row| (row.id.clone(), row)).collect(),
            members,
            clients: rows.clients.into_iter().map(|row| (row.id.clone(), row)).collect(),
            practitioners: rows.practitioners.into_iter().map(|row| (row.id.clone(), row)).collect(),
            staff: rows.staff.into_iter().map(|row| (row.id.clone(), row)).collect(),
            channels: rows.channels.into_iter().map(|row| (row.partner.clone(), row)).collect(),
            treatment_centres: rows
                .treatment_centres
                .into_iter()
                .map(|row| (row.organization_id.clone(), row))
                .collect(),
            subscribers,
            revoked_tokens: rows.revoked_tokens.into_iter().collect(),
        }
    }

    /// Where a partner is told what happens, if it is told.
    pub fn channel(&self, partner: &str) -> Option<&Channel> {
        self.channels.get(partner)
    }

    /// The subscriptions of an organisation (`organization/<id>`) that are told of a kind of event.
    pub fn subscribers<'a>(&'a self, organization: &'a str, kind: &'a str) -> impl Iterator<Item = &'a Subscriber> {
        self.subscribers.get(organization).into_iter().flatten().filter(move |one| one.topic == kind)
    }

    /// Under which ids the register of treatment demands knows those who submit to it.
    pub fn register_ids(&self) -> impl Iterator<Item = &str> {
        self.treatment_centres.values().map(|centre| centre.register_id.as_str()).filter(|id| !id.is_empty())
    }

    /// An organisation as a treatment centre, where its treatments are registered.
    pub fn treatment_centre(&self, organization_id: &str) -> Option<&TreatmentCentre> {
        self.treatment_centres.get(organization_id)
    }

    /// Whether a token was taken back.
    pub fn is_revoked(&self, token_id: &str) -> bool {
        self.revoked_tokens.contains(token_id)
    }

    /// An organisation that is not disabled.
    pub fn organization(&self, id: &str) -> Option<&Organization> {
        self.organizations.get(id).filter(|organization| organization.active)
    }

    /// Every organisation, also disabled ones, by id.
    pub fn organizations(&self) -> impl Iterator<Item = &Organization> {
        self.organizations.values()
    }

    /// A pool.
    pub fn pool(&self, id: &str) -> Option<&Pool> {
        self.pools.get(id)
    }

    /// Every pool, by id.
    pub fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.pools.values()
    }

    /// The members of a pool that are not disabled.
    pub fn members<'a>(&'a self, pool: &str) -> impl Iterator<Item = &'a Organization> + use<'a> {
        self.members.get(pool).into_iter().flatten().filter_map(|id| self.organization(id))
    }

    /// The pools of an organisation.
    pub fn pools_of<'a>(&'a self, organization_id: &'a str) -> impl Iterator<Item = &'a str> {
        let is_member = move |ids: &Vec<String>| ids.iter().any(|id| id == organization_id);
        self.members.iter().filter(move |(_, ids)| is_member(ids)).map(|(pool, _)| pool.as_str())
    }

    /// A client that is not disabled.
    pub fn client(&self, id: &str) -> Option<&Client> {
        self.clients.get(id).filter(|client| client.active)
    }

    /// The clients of an organisation, by id.
    pub fn clients_of<'a>(&'a self, organization_id: &'a str) -> impl Iterator<Item = &'a Client> {
        self.clients.values().filter(move |client| client.organization_id == organization_id)
    }

    /// A practitioner who still works there.
    pub fn practitioner(&self, id: &str) -> Option<&Practitioner> {
        self.practitioners.get(id).filter(|practitioner| practitioner.active)
    }

    /// Every practitioner who still works there, by id.
    pub fn practitioners(&self) -> impl Iterator<Item = &Practitioner> {
        self.practitioners.values().filter(|practitioner| practitioner.active)
    }

    /// The member of staff who is this to the identity provider, also one who is disabled.
    pub fn staff_member_of(&self, subject: &Subject) -> Option<&StaffMember> {
        self.staff.values().find(|member| member.subject == *subject)
    }

    /// Every member of staff, also disabled ones, by id.
    pub fn staff(&self) -> impl Iterator<Item = &StaffMember> {
        self.staff.values()
    }

    /// How an organisation (`organization/<id>`), a practitioner (`practitioner/<id>`) or a member of staff (`person/<id>`) is called, also
    /// one that is disabled.
    pub fn name_of(&self, identity: &str) -> Option<&str> {
        match identity.split_once('/')? {
            ("organization", id) => self.organizations.get(id).map(|organization| organization.name.as_str()),
            ("practitioner", id) => self.practitioners.get(id).map(|practitioner| practitioner.name.as_str()),
            ("person", id) => self.staff.get(id).map(|member| member.name.as_str()),
            _ => None,
        }
    }

    /// The practitioners who work for an organisation, by id.
    pub fn practitioners_of<'a>(&'a self, organization_id: &'a str) -> impl Iterator<Item = &'a Practitioner> {
        let is_of = move |row: &&Practitioner| row.active && row.organization_id == organization_id;
        self.practitioners.values().filter(is_of)
    }

    /// All identities by which rules may mean an organisation.
    pub fn grantees(&self, organization: &Organization) -> Vec<Grantee> {
        vec![Grantee::organization(&organization.id), Grantee::kind(&organization.kind)]
    }

    /// Whom a Consent means by an actor: registered identities, and nobody else. A disabled organisation is still meant,
    /// or a deny of it would be lost.
    pub fn grantee(&self, actor: &ActorReference<'_>) -> Option<Grantee> {
        let by = |matches: &dyn Fn(&Organization) -> bool| {
            self.organizations.values().find(|organization| matches(organization))
        };
        match actor {
            ActorReference::Organization(id) => self.organizations.get(*id).map(|row| Grantee::organization(&row.id)),
            ActorReference::Practitioner(id) | ActorReference::PractitionerRole(id) => {
                self.practitioners.get(*id).map(|row| Grantee::practitioner(&row.id))
            }
            ActorReference::Identifier { system, value } => match *system {
                ORGANIZATION_KIND_SYSTEM => by(&|row| row.kind == *value).map(|row| Grantee::kind(&row.kind)),
                CBE_SYSTEM => by(&|row| row.cbe.as_deref() == Some(value)).map(|row| Grantee::organization(&row.id)),
                NIHDI_SYSTEM => self.by_nihdi(value),
                _ => None,
            },
            // A team is no registration: who resolves it knows the record.
            ActorReference::CareTeam(_) | ActorReference::Group(_) => None,
        }
    }
}

impl Registry {
    /// Organisations and practitioners have numbers of one system. A number that is registered twice names nobody for certain.
    fn by_nihdi(&self, number: &str) -> Option<Grantee> {
        let organizations = self.organizations.values().filter(|row| row.nihdi.as_deref() == Some(number));
        let practitioners = self.practitioners.values().filter(|row| row.nihdi.as_deref() == Some(number));
        let mut found = organizations
            .map(|row| Grantee::organization(&row.id))
            .chain(practitioners.map(|row| Grantee::practitioner(&row.id)));
        found.next().filter(|_| found.next().is_none())
    }
}

/// A picture of the registry that is never older than [`REGISTRY_AGE_MS_MAX`].
#[derive(Debug, Default)]
pub struct RegistryCache {
    picture: RwLock<Arc<Registry>>,
    taken_ms: AtomicI64,
    /// How often it was forgotten: a picture that was being taken meanwhile may lack what was registered.
    forgotten: AtomicU64,
    taking: Mutex<()>,
}

impl AppState {
    /// Who is registered, as of at most a second ago.
    ///
    /// # Errors
    /// [`StorageError`]: an old picture is not used, for somebody may have been disabled since.
    pub async fn registry(&self) -> Result<Arc<Registry>, StorageError> {
        let cache = &self.registry;
        if self.is_fresh() {
            return Ok(Arc::clone(&*cache.picture.read().await));
        }
        let _one_asks = cache.taking.lock().await;
        if !self.is_fresh() {
            let (taken_ms, forgotten) = (self.clock.now_ms(), cache.forgotten.load(Ordering::Acquire));
            let picture = Arc::new(Registry::new(self.store.registry().await?));
            *cache.picture.write().await = Arc::clone(&picture);
            if cache.forgotten.load(Ordering::Acquire) == forgotten {
                cache.taken_ms.store(taken_ms, Ordering::Release);
            }
            return Ok(picture);
        }
        Ok(Arc::clone(&*cache.picture.read().await))
    }

    fn is_fresh(&self) -> bool {
        let age_ms = self.clock.now_ms() - self.registry.taken_ms.load(Ordering::Acquire);
        (0..REGISTRY_AGE_MS_MAX).contains(&age_ms)
    }

    /// Forgets the picture of the registry: what was just registered is seen by the next request.
    pub fn forget_registry(&self) {
        self.registry.forgotten.fetch_add(1, Ordering::AcqRel);
        self.registry.taken_ms.store(i64::MIN / 2, Ordering::Release);
    }
}
