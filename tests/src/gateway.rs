//! The gateway in the process of a test: real HTTP on loopback, a clock that the test moves, an issuer of its own.
//!
//! Nothing of it is a stand-in: it is assembled by the functions that `wellgate serve` uses. Background work does not run, so
//! that nothing happens but what a test does.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use connectors::guard::Guard;
use connectors::notify_mail::MailSettings;
use gateway::app::App;
use gateway::auth::{Issuer, TokenGrant};
use gateway::clock::Clock;
use gateway::config::{ClientProof, CoPrevConfig, Config, DeliveriesConfig, LogConfig, LogFormat, TdiConfig, TlsFiles};
use gateway::delivery::{Insurers, Outside, Worker};
use gateway::gateway::{assemble, store_settings};
use gateway::registry::{put_organization, put_pool, put_practitioner};
use gateway::router::router;
use gateway::sandbox::make_keys;
use gateway::server::tls::TlsKeys;
use gateway::server::{ServerSettings, serve};
use gateway::storage::Store;
use gateway::storage::channel::{Channel, ChannelKind};
use gateway::storage::people::{StaffMember, Subject};
use gateway::storage::registry::{Client, Organization, Pool, Practitioner};
use gateway::telemetry::Telemetry;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::caller::Caller;
use crate::provider::{CLIENT_ID, CLIENT_SECRET, Provider};
use crate::vault::Vault;

/// The moment at which every story begins: 2026-03-01T12:00:00Z, a Sunday.
pub const NOW_MS: i64 = 1_772_366_400_000;
/// A day of the clock.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The client of `portal-1` at which people sign in.
pub(crate) const PERSON_APP: &str = "portal-1-app";

/// Id, kind, pool.
const ORGANIZATIONS: [(&str, &str, Option<&str>); 9] = [
    ("edpbw-a", "edpbw", None),
    ("edpbw-b", "edpbw", None),
    ("elp-1", "elp", Some("elp-pool")),
    ("elp-2", "elp", Some("elp-pool")),
    ("cgg-1", "cgg", Some("cgg-pool")),
    ("cgg-2", "cgg", Some("cgg-pool")),
    ("gp-1", "gp", None),
    ("mutuality-1", "mutuality", None),
    ("portal-1", "other", None),
];

/// Id, organisation, NIHDI number, role.
const PRACTITIONERS: [(&str, &str, Option<&str>, &str); 10] = [
    ("psychologist-1", "elp-1", Some("19110101801"), "care"),
    ("psychologist-2", "elp-1", None, "care"),
    ("psychologist-3", "elp-1", None, "care"),
    ("desk-1", "elp-1", None, "administration"),
    ("books-1", "elp-1", None, "accounting"),
    ("doctor-1", "gp-1", None, "care"),
    ("doctor-2", "gp-1", None, "care"),
    ("justice-1", "gp-1", None, "justice"),
    ("therapist-1", "cgg-2", None, "care"),
    ("adviser-1", "edpbw-a", None, "care"),
];

/// What a story wants otherwise than usual.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Members of the ELP pool: at least the two that are always there, `elp-1`, `elp-2`, and so on.
    pub elp_members: usize,
    /// It knows that its data is not made up: explanations show no more than what decides.
    pub is_production: bool,
    /// The key store and the key ring of another gateway on the same database.
    pub vault: Option<Vault>,
    /// People sign in, at a provider of the story's own.
    pub has_people: bool,
    /// Settings by their variables: `("WELLGATE_LIMITS_BODY_BYTES_MAX", "2048")`.
    pub settings: Vec<(&'static str, &'static str)>,
}

impl Options {
    /// Every R4 type is served.
    #[must_use]
    pub fn all_types() -> Self {
        Self { settings: vec![("WELLGATE_FHIR_TYPES", "all")], ..Self::default() }
    }
}

/// Nobody outside but whom an address names.
pub fn outside() -> Outside {
    Outside {
        guard: Guard::new(&[], &[], true),
        mail: None,
        tdi: None,
        co_prev: None,
        insurers: Insurers::default(),
        credentials: Vec::new(),
    }
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// The assembled gateway, to look behind its face.
    pub app: App,
    /// Its clock.
    pub clock: Clock,
    /// The base URL of its FHIR interface.
    pub base: String,
    /// For what no [`Caller`] asks.
    pub http: reqwest::Client,
    /// Where people sign in, if they do.
    pub provider: Option<Provider>,
    issuer: Issuer,
    secret_key: Vec<u8>,
    database_url: String,
    vault: Vault,
    _stop: oneshot::Sender<()>,
    _directory: TempDir,
}

impl Gateway {
    /// Starts a gateway on an empty database.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start(database_url: &str, options: Options) -> Self {
        let directory = tempfile::Builder::new().prefix("wellgate-gateway.").tempdir();
        let directory = directory.expect("a temporary directory can be made");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut settings: BTreeMap<String, String> =
            options.settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        settings.insert("WELLGATE_DATABASE_URL".to_owned(), database_url.to_owned());
        // The clock stands still while a story asks hundreds of times: only one about rates has them.
        for rate in ["WELLGATE_LIMITS_CLIENT_REQUESTS_PER_SECOND_MAX", "WELLGATE_LIMITS_UNAUTHENTICATED_PER_MINUTE_MAX"]
        {
            settings.entry(rate.to_owned()).or_insert_with(|| "0".to_owned());
        }
        let mut config = Config::sandbox(Some(address), directory.path(), &settings).expect("the settings are right");
        config.is_sandbox = !options.is_production;
        let provider = if options.has_people { Some(Provider::start().await) } else { None };
        if let (Some(provider), Some(people)) = (&provider, &mut config.people) {
            let file = directory.path().join("client-secret");
            std::fs::write(&file, format!("{CLIENT_SECRET}\n")).expect("the directory is there");
            (people.issuer, people.client_id) = (provider.issuer.clone(), CLIENT_ID.to_owned());
            people.proof = ClientProof::Secret(file);
        }

        let secret_key = Issuer::generate_key().expect("there is randomness");
        let issuer = Issuer::new(
            config.auth.external.as_ref().map_or("", |one| &one.issuer),
            &config.auth.audience,
            &secret_key,
        )
        .expect("the key is ours");
        std::fs::write(directory.path().join("jwks.json"), issuer.jwks()).expect("the directory is there");
        std::fs::write(directory.path().join("issuer-key.pkcs8"), &secret_key).expect("the directory is there");

        if let Some(vault) = &options.vault {
            vault.give(&mut config);
        }
        make_keys(&config).expect("the directory is there");
        let vault = Vault::of(&config);
        let settings = store_settings(&config).expect("the key ring is there");
        let store = Store::open(&settings).await.expect("the database is empty and ours");
        register(&store, options.elp_members.max(2)).await;
        let clock = Clock::fixed(NOW_MS);
        let (app, _) = assemble(&config, store, clock.clone()).await.expect("the gateway is assembled");
        let (stop, stopped) = oneshot::channel::<()>();
        let settings = ServerSettings {
            tls: None,
            header_read_timeout: config.limits.header_read_timeout,
            request_timeout: config.limits.request_timeout,
            connections_max: config.limits.connections_max,
            connections_per_address_max: config.limits.connections_per_address_max,
            drain_timeout: config.server.drain_timeout,
        };
        let routes = router(&app, &telemetry(), Router::new());
        tokio::spawn(serve(listener, routes, settings, async {
            // Dropped with the gateway: either way it is over.
            let _ = stopped.await;
        }));
        Self {
            base: app.base_url.clone(),
            app,
            clock,
            http: http_client(),
            provider,
            issuer,
            secret_key,
            database_url: database_url.to_owned(),
            vault,
            _stop: stop,
            _directory: directory,
        }
    }

    /// Serves the same gateway over TLS as well; answers where, as `https://localhost:<port>`.
    ///
    /// # Panics
    /// The files are of no use.
    pub async fn over_tls(&self, files: &TlsFiles) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let settings = ServerSettings {
            tls: Some(Arc::new(TlsKeys::load(files).expect("the files are good"))),
            header_read_timeout: self.app.limits.header_read_timeout,
            request_timeout: self.app.limits.request_timeout,
            connections_max: self.app.limits.connections_max,
            connections_per_address_max: self.app.limits.connections_per_address_max,
            drain_timeout: Duration::ZERO,
        };
        let routes = router(&self.app, &telemetry(), Router::new());
        tokio::spawn(serve(listener, routes, settings, std::future::pending()));
        format!("https://localhost:{port}")
    }

    /// Its keys, for another process on the same database.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Another gateway on the same database, with an issuer and connections of its own.
    pub async fn replica(&self) -> Self {
        self.replica_with(Options::default()).await
    }

    /// The same, with settings of its own.
    pub async fn replica_with(&self, options: Options) -> Self {
        Self::start(&self.database_url, Options { vault: Some(self.vault.clone()), ..options }).await
    }

    /// A gateway with settings of its own on a fresh database of the same kind.
    ///
    /// # Panics
    /// There is none.
    pub async fn beside(&self, options: Options) -> Self {
        let is_sqlite = self.database_url.starts_with("sqlite:");
        let fresh = if is_sqlite { Some(crate::sqlite::database_url()) } else { crate::postgres::database_url() };
        Self::start(&fresh.expect("there is one of this kind already"), options).await
    }

    /// Everything that lies on a disk for it: the database's files or tables, and the key store's files.
    ///
    /// # Panics
    /// A file cannot be read.
    pub fn on_disk(&self) -> String {
        let files = |url: &str| {
            let path = url.strip_prefix("sqlite:").unwrap_or_default();
            ["", "-wal", "-journal"].map(|end| std::fs::read(format!("{path}{end}")).unwrap_or_default()).concat()
        };
        let mut all = String::from_utf8_lossy(&files(&self.vault.key_store)).into_owned();
        if self.database_url.starts_with("sqlite:") {
            all.push_str(&String::from_utf8_lossy(&files(&self.database_url)));
        } else {
            all.push_str(&crate::postgres::dump(&self.database_url));
        }
        all
    }

    /// Takes the key of a record out of the key store, as if that were a copy of before.
    ///
    /// # Panics
    /// It has none.
    pub async fn forget_key(&self, record: &str) {
        let pool = sqlx::SqlitePool::connect(&self.vault.key_store).await.expect("the key store is a file");
        let delete = sqlx::query("DELETE FROM record_key WHERE scope = $1").bind(record);
        assert_eq!(delete.execute(&pool).await.expect("it is forgotten").rows_affected(), 1);
        pool.close().await;
    }

    /// A client of an organisation: treatment, every type, everything that a scope may grant.
    pub fn as_(&self, organization: &str) -> Caller<'_> {
        Caller::of(self, organization)
    }

    /// A person who signed in, `Patient/<id>` or `RelatedPerson/<id>`, at the app of `portal-1`, with everything that a scope
    /// may grant.
    pub fn person(&self, fhir_user: &str) -> Caller<'_> {
        Caller::of_person(self, fhir_user)
    }

    /// Registers somebody who works for an organisation, with their id as what they are to the provider.
    ///
    /// # Panics
    /// There is no provider, or they are not registered.
    pub async fn employ(&self, id: &str, organization: &str, practitioner: Option<&str>, roles: &[&str]) {
        let issuer = self.provider.as_ref().expect("people sign in").issuer.clone();
        let member = StaffMember {
            id: id.to_owned(),
            subject: Subject { issuer, id: id.to_owned() },
            organization_id: organization.to_owned(),
            practitioner_id: practitioner.map(str::to_owned),
            name: format!("Test {id}"),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            active: !roles.is_empty(),
        };
        self.app.store.put_staff_member(&member).await.expect("somebody is registered");
        self.app.forget_registry();
    }

    /// A worker of this gateway's, for one round at a time: three sends, three questions, four at once.
    ///
    /// # Panics
    /// There can be no client for HTTP.
    pub fn worker(&self) -> Worker {
        self.worker_with(None, None)
    }

    /// The same, that also sends mails or submits treatment demands.
    ///
    /// # Panics
    /// There can be no client for HTTP, or the settings are wrong.
    pub fn worker_with(&self, mail: Option<MailSettings>, tdi: Option<TdiConfig>) -> Worker {
        self.worker_to(Outside { mail, tdi, ..outside() })
    }

    /// The same, that also asks Co-prev.
    ///
    /// # Panics
    /// There can be no client for HTTP.
    pub fn worker_asking(&self, co_prev: CoPrevConfig) -> Worker {
        self.worker_to(Outside { co_prev: Some(co_prev), ..outside() })
    }

    /// The same, that speaks to whom it is told, and as it is told.
    ///
    /// # Panics
    /// There can be no client with these settings.
    pub fn worker_to(&self, outside: Outside) -> Worker {
        let settings =
            DeliveriesConfig { attempts_max: 3, inquiries_max: 3, parallel_max: 4, lease: Duration::from_mins(2) };
        Worker::new(&self.app, outside, settings).expect("a client can be built")
    }

    /// Registers an organisation's own FHIR server.
    ///
    /// # Panics
    /// The database does not answer.
    pub async fn tell(&self, organization: &str, base_url: &str) {
        let channel = Channel {
            partner: format!("organization/{organization}"),
            kind: ChannelKind::Ehr,
            address: base_url.to_owned(),
        };
        self.app.store.put_channel(&channel).await.expect("somebody is registered");
        self.app.forget_registry();
    }

    /// Moves the clock.
    pub fn advance(&self, by_ms: i64) {
        self.clock.advance(by_ms);
    }

    /// The moment of the clock plus so many milliseconds, as FHIR writes it.
    pub fn instant(&self, after_ms: i64) -> String {
        gateway::clock::format_instant(self.clock.now_ms() + after_ms)
    }

    /// A token as the issuer gives it now.
    ///
    /// # Panics
    /// It cannot be signed.
    pub fn token(&self, grant: &TokenGrant<'_>) -> String {
        self.issuer.issue(grant, &Uuid::now_v7().to_string(), self.clock.now_ms()).expect("the key signs")
    }

    /// The claims of a token that is good, to change some before [`Gateway::signed`].
    pub fn token_claims(&self, organization: &str) -> Value {
        let now = self.clock.now_ms() / 1_000;
        let root = self.base.trim_end_matches("/fhir");
        json!({
            "iss": format!("{root}/sandbox"), "aud": self.base, "exp": now + 600, "nbf": now, "iat": now,
            "jti": Uuid::now_v7().to_string(), "client_id": client_id(organization), "organization": organization,
            "purpose_of_use": "TREAT", "scope": "system/*.cruds",
        })
    }

    /// A token with these claims, signed by the issuer's key.
    ///
    /// # Panics
    /// It cannot be signed.
    pub fn signed(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = self.key()["kid"].as_str().map(str::to_owned);
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_ec_der(&self.secret_key)).expect("the key signs")
    }

    /// The issuer's public key, as a JWK.
    ///
    /// # Panics
    /// The issuer has none.
    pub fn key(&self) -> Value {
        let keys: Value = serde_json::from_str(self.issuer.jwks()).expect("a JWK Set is JSON");
        keys["keys"][0].clone()
    }
}

/// The client of an organisation.
pub fn client_id(organization: &str) -> String {
    format!("{organization}-ehr")
}

async fn register(store: &Store, elp_members: usize) {
    for (id, kind) in [("elp-pool", "elp"), ("cgg-pool", "cgg")] {
        let [id, name, kind, region] = [id, id, kind, "Testland"].map(str::to_owned);
        put_pool(store, &Pool { id, name, kind, region }, NOW_MS).await.expect("a pool is registered");
    }
    let further: Vec<String> = (3..=elp_members).map(|n| format!("elp-{n}")).collect();
    let further = further.iter().map(|id| (id.as_str(), "elp", Some("elp-pool")));
    for (id, kind, pool) in ORGANIZATIONS.into_iter().chain(further) {
        let organization = Organization {
            id: id.to_owned(),
            name: format!("Test {id}"),
            kind: kind.to_owned(),
            cbe: None,
            nihdi: None,
            active: true,
        };
        let pools: Vec<String> = pool.iter().map(|pool| (*pool).to_owned()).collect();
        put_organization(store, &organization, &pools, NOW_MS).await.expect("an organisation is registered");
        let purposes = ["TREAT", "HPAYMT"].map(str::to_owned).to_vec();
        let [id, organization_id] = [client_id(id), id.to_owned()];
        let client = Client {
            id,
            organization_id,
            purposes,
            active: true,
            person_app: false,
            keys: None,
            scopes: String::new(),
        };
        store.put_client(&client).await.expect("a client is registered");
    }
    for (id, organization, nihdi, role) in PRACTITIONERS {
        let [id, organization_id, role] = [id, organization, role].map(str::to_owned);
        let (name, nihdi) = (format!("Test {id}"), nihdi.map(str::to_owned));
        let practitioner = Practitioner { id, name, organization_id, nihdi, role, active: true };
        put_practitioner(store, &practitioner, NOW_MS).await.expect("a practitioner is registered");
    }
    let [id, organization_id] = [PERSON_APP, "portal-1"].map(str::to_owned);
    let purposes = ["PATRQT", "FAMRQT"].map(str::to_owned).to_vec();
    let app =
        Client { id, organization_id, purposes, active: true, person_app: true, keys: None, scopes: String::new() };
    store.put_client(&app).await.expect("a client is registered");
}

/// A process has one log and one recorder, however many gateways run in it.
fn telemetry() -> Arc<Telemetry> {
    static TELEMETRY: OnceLock<Arc<Telemetry>> = OnceLock::new();
    let telemetry = TELEMETRY.get_or_init(|| {
        // The gateway's own hook hides what a panic says; a failed test must say it.
        let hook = std::panic::take_hook();
        let log = LogConfig { format: LogFormat::Human, level: tracing::Level::WARN };
        let telemetry = Telemetry::install(log, None).expect("nobody else installs it");
        std::panic::set_hook(hook);
        Arc::new(telemetry)
    });
    Arc::clone(telemetry)
}

/// A client that trusts this issuer of certificates, and perhaps shows one of its own.
///
/// # Panics
/// They are no certificates.
#[expect(clippy::disallowed_methods, reason = "a client from outside, as any EHR's")]
pub fn tls_client(issuer: &[u8], identity: Option<&[u8]>) -> reqwest::Client {
    let issuer = reqwest::Certificate::from_pem(issuer).expect("a certificate");
    let mut client = reqwest::Client::builder().no_proxy().tls_certs_only([issuer]);
    if let Some(identity) = identity {
        client = client.identity(reqwest::Identity::from_pem(identity).expect("key and certificate"));
    }
    client.build().expect("a client can be built")
}

#[expect(clippy::disallowed_methods, reason = "a client from outside, as any EHR's")]
fn http_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client can be built")
}

/// Runs stories on each database: `sqlite::name` and `postgres::name`. A story is `async fn name(gateway: Gateway)`.
///
/// `stories!(with small; a, b)` starts the gateway with the options of a function beside the stories.
#[macro_export]
macro_rules! stories {
    (@on $options:expr; $($name:ident),+) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let database_url = $crate::sqlite::database_url();
                    super::$name($crate::gateway::Gateway::start(&database_url, $options).await).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let Some(database_url) = $crate::postgres::database_url() else { return };
                    super::$name($crate::gateway::Gateway::start(&database_url, $options).await).await;
                }
            )+
        }
    };
    (with $options:ident; $($name:ident),+ $(,)?) => { $crate::stories!(@on super::$options(); $($name),+); };
    ($($name:ident),+ $(,)?) => { $crate::stories!(@on $crate::gateway::Options::default(); $($name),+); };
}
