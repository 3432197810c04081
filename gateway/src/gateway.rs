//! The gateway as it runs: store, keys, background work and server, assembled in order and stopped in reverse.

mod configured;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use connectors::notify_mail::{MailAccount, MailSettings, MailTls};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use configured::served;

pub use configured::labels;

use crate::app::{App, AppState, MachineTokens, People, RegistryCache};
use crate::auth::{BrowserKey, KeySet, Verifier, Verifiers};
use crate::auth_keys::{
    ClientKeySets, CredentialsError, IdentityProvider, KeyLoadError, KeyLoader, RefreshTimes, credentials, keep_fresh,
    own_issuer, verifier,
};
use crate::billing::{TablesError, tables};
use crate::clock::Clock;
use crate::config::{Config, DatabaseUrl, MailConfig, OwnIssuer, TokenAlgorithm};
use crate::delivery::{Insurers, Outside, PartnersError, Worker};
use crate::evidence::{Sealer, seal_all};
use crate::key_ring;
use crate::rates::RequestRates;
use crate::referral::expiry::expire;
use crate::referral::intake;
use crate::reindex::reindex_always;
use crate::relabel::{Progress, relabel};
use crate::router::router;
use crate::sealed::{self, seal_stored, write_receipts};
use crate::search::cursor::CursorKey;
use crate::server::tls::{TlsError, TlsKeys};
use crate::server::{ServerSettings, serve};
use crate::storage::key_store::VaultSettings;
use crate::storage::{OpenError, StorageError, Store, StoreSettings};
use crate::telemetry::Telemetry;
use crate::validation::{PackagesError, Validation};
use crate::vault::SealedElements;

/// How often waiting that took too long is looked for.
const EXPIRY_INTERVAL: Duration = Duration::from_mins(1);
/// How often counted refusals are written.
const REFUSAL_INTERVAL: Duration = Duration::from_secs(10);
/// How often it is looked for national numbers that nobody needs any more.
const NUMBER_INTERVAL: Duration = Duration::from_secs(1);
/// How often keys that nobody waits for any more are forgotten.
const FORGET_INTERVAL: Duration = Duration::from_hours(1);
/// How often assertions and tokens that ended are forgotten: every look at the registry reads what was taken back.
const TOKEN_INTERVAL: Duration = Duration::from_mins(1);
/// How often it is looked for what another table labelled: a gateway of an older version may still write.
const RELABEL_INTERVAL: Duration = Duration::from_mins(1);
/// How long a mail server may take for each half of a mail.
const MAIL_TIMEOUT: Duration = Duration::from_secs(25);
/// How long an idempotency key is remembered: longer than any client repeats.
const KEY_AGE_MS_MAX: i64 = 7 * DAY_MS;
/// How long a notice that nobody fetched, and a count of refusals, are kept.
const NOTICE_AGE_MS_MAX: i64 = 180 * DAY_MS;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Why the gateway does not start or run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database was opened and fails.
    #[error("the database fails: {0}")]
    Storage(#[from] StorageError),
    /// The issuer's keys cannot be read.
    #[error("auth: the issuer's keys: {0}")]
    Keys(#[from] KeyLoadError),
    /// The key that signs the gateway's own tokens cannot be used.
    #[error("auth.signing_key_file: {0}")]
    SigningKey(KeyLoadError),
    /// The gateway cannot prove to the identity provider who it is.
    #[error("people: {0}")]
    People(KeyLoadError),
    /// The certificate cannot be used.
    #[error("server: {0}")]
    Tls(#[from] TlsError),
    /// There can be no connectors with these settings.
    #[error(transparent)]
    Deliveries(#[from] PartnersError),
    /// The gateway cannot prove to its partners who it is.
    #[error("outbound.credentials_file: {0}")]
    Credentials(#[from] CredentialsError),
    /// A file of the mail account cannot be read.
    #[error("mail: {0}")]
    Mail(std::io::Error),
    /// The table of labels cannot be read.
    #[error("labels.file: {0}")]
    Labels(String),
    /// The packages of profiles cannot be used.
    #[error(transparent)]
    Packages(#[from] PackagesError),
    /// The tables of billing cannot be used.
    #[error("billing: {0}")]
    Billing(#[from] TablesError),
    /// A configured type is not one that can be served.
    #[error("fhir.types: '{0}' is not a type that can be served")]
    Type(String),
    /// The address is taken, or the system gives no signals.
    #[error("server.listen: {0}")]
    Listen(#[from] std::io::Error),
    /// A port of a sandbox's partner is taken.
    #[error("the partners of the sandbox: {0}")]
    Partners(std::io::Error),
}

/// Opens the store of a configuration.
///
/// # Errors
/// [`OpenError`].
pub async fn open(config: &Config) -> Result<Store, OpenError> {
    Store::open(&store_settings(config)?).await
}

/// The URL of a database, as the storage reads it.
pub fn database_url(url: &DatabaseUrl) -> String {
    match url {
        DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        DatabaseUrl::Postgres(url) => url.clone(),
    }
}

/// How a configuration opens its store.
///
/// # Errors
/// [`OpenError::Ring`].
pub fn store_settings(config: &Config) -> Result<StoreSettings, OpenError> {
    let sealed =
        SealedElements { systems: config.vault.identifier_systems.clone(), elements: config.vault.elements.clone() };
    let ring = key_ring::read(&config.vault.ring).map_err(|error| OpenError::Ring(error.to_string()))?;
    Ok(StoreSettings {
        url: database_url(&config.database.url),
        vault: Some(VaultSettings { url: database_url(&config.vault.key_store), ring, sealed }),
        connections_max: config.database.connections_max,
        writers: usize::try_from(config.database.writers).unwrap_or(1),
        write_queue_max: config.limits.write_queue_max,
        seal_key_file: config.evidence.signing_key_file.clone(),
        full_text: config.search.full_text,
    })
}

/// Assembles the gateway over an open store.
///
/// # Errors
/// [`StartError`] for types or keys that cannot be served.
pub async fn assemble(config: &Config, store: Store, clock: Clock) -> Result<(App, Option<Refreshed>), StartError> {
    let auth = &config.auth;
    let tokens = auth.own.as_ref().map(|own| machine_tokens(config, own)).transpose()?;
    let mut refreshed = None;
    let mut verifiers = Vec::new();
    if let Some(external) = &auth.external {
        let loader = KeyLoader::new(external)?;
        let verifier = verifier(external, &auth.audience, &loader).await?;
        verifiers.push(Arc::clone(&verifier));
        refreshed = Some(Refreshed { loader, verifier, every: external.refresh });
    }
    verifiers.extend(tokens.iter().map(|tokens| Arc::clone(&tokens.verifier)));
    let app = AppState {
        cursor_key: cursor_key(&store).await?,
        verifiers: Verifiers::new(verifiers),
        tokens,
        people: people(config, &store).await?,
        types: served(&config.types)?,
        base_url: config.server.base_url.clone(),
        labels: labels(config)?,
        validation: Validation::load(&config.validation)?,
        guard: config.guard(),
        subscriptions: config.subscriptions,
        bulk: crate::app::Bulk::new(config.bulk),
        key_copies_days: config.vault.copies_days,
        limits: config.limits.clone(),
        is_sandbox: config.is_sandbox,
        waiting_days_max: config.waiting_days_max,
        lookup_purpose: config.co_prev.as_ref().map(|co_prev| co_prev.purpose.clone()),
        tariffs: tables(&config.billing, config.is_sandbox)?,
        billing: config.billing.clone(),
        intake_days_max: config.intake_days_max,
        emergency: config.emergency,
        registry: RegistryCache::default(),
        refusals: crate::app::Refusals::default(),
        turns: crate::app::Turns::default(),
        rates: RequestRates::new(
            config.limits.client_requests_per_second_max,
            config.limits.unauthenticated_per_minute_max,
        ),
        keys_at_work: crate::app::KeysAtWork::default(),
        store,
        clock,
    };
    Ok((Arc::new(app), refreshed))
}

fn machine_tokens(config: &Config, own: &OwnIssuer) -> Result<MachineTokens, StartError> {
    let (root, audience) = (config.server.base_url.trim_end_matches("/fhir").to_owned(), &config.auth.audience);
    let issuer = own_issuer(own, &root, audience).map_err(StartError::SigningKey)?;
    let keys = KeySet::from_jwks(issuer.jwks(), &[TokenAlgorithm::Es256]).map_err(KeyLoadError::from)?;
    Ok(MachineTokens {
        verifier: Arc::new(Verifier::new(&root, audience, own.leeway, keys)),
        issuer,
        lifetime: own.lifetime,
        client_keys: ClientKeySets::new(config.guard()).map_err(KeyLoadError::from)?,
        binds_to_certificates: config.server.tls.as_ref().is_some_and(|files| files.clients.is_some()),
        root,
    })
}

async fn people(config: &Config, store: &Store) -> Result<Option<People>, StartError> {
    let Some(people) = &config.people else { return Ok(None) };
    let provider = IdentityProvider::new(people).map_err(StartError::People)?;
    let key = BrowserKey::new(secret(store, "browser_key").await?.as_bytes());
    Ok(Some(People { provider, key, root: config.server.base_url.trim_end_matches("/fhir").to_owned() }))
}

/// The keys of another's issuer, to keep them fresh.
#[derive(Debug)]
pub struct Refreshed {
    loader: KeyLoader,
    verifier: Arc<Verifier>,
    every: Duration,
}

/// Runs an assembled gateway, with further routes and what is put around all of them, until `shutdown` is done; then nothing new is taken, what is in flight is finished, and what
/// was accepted is committed.
///
/// # Errors
/// [`StartError`].
pub async fn run(
    config: &Config,
    (app, refreshed): (App, Option<Refreshed>),
    telemetry: Arc<Telemetry>,
    (listener, extra, around): (TcpListener, Router, impl FnOnce(Router) -> Router),
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    app.store.switch_full_text().await.map_err(StartError::Storage)?;
    let tls = config.server.tls.as_ref().map(TlsKeys::load).transpose()?.map(Arc::new);
    let settings = ServerSettings {
        tls: tls.clone(),
        header_read_timeout: config.limits.header_read_timeout,
        request_timeout: config.limits.request_timeout,
        connections_max: config.limits.connections_max,
        connections_per_address_max: config.limits.connections_per_address_max,
        drain_timeout: config.server.drain_timeout,
    };
    let (stop, stopping) = watch::channel(false);
    let outside = Outside {
        guard: config.guard(),
        mail: config.mail.as_ref().map(|mail| mail_settings(config, mail)).transpose()?,
        tdi: config.tdi.clone(),
        co_prev: config.co_prev.clone(),
        insurers: Insurers::of(config)?,
        credentials: credentials(config.outbound.credentials_file.as_deref(), &app.clock)?,
    };
    let worker = Worker::new(&app, outside, config.deliveries)?;
    let inbox = worker.clone().collect_always(stopping.clone());
    let deliveries = tokio::spawn(keep_delivering(worker, stopping));
    let mut background = JoinSet::new();
    background.spawn(inbox);
    if let Some(Refreshed { loader, verifier, every }) = refreshed {
        background.spawn(keep_fresh(loader, verifier, RefreshTimes::every(every)));
    }
    background.spawn(telemetry.upkeep());
    background.spawn(housekeeping(Arc::clone(&app)));
    background.spawn(relabel_all(Arc::clone(&app)));
    background.spawn(reindex_always(Arc::clone(&app), RELABEL_INTERVAL));
    background.spawn(seal_older(Arc::clone(&app)));
    let head_file = config.evidence.head_file.as_deref();
    if let Some(sealer) = Sealer::new(&app.store, head_file) {
        background.spawn(sealer.run(app.clock.clone()));
    } else {
        tracing::warn!("the trail is not sealed: evidence.signing_key_file is not set");
    }
    if let Some(tls) = tls {
        background.spawn(async move {
            if let Err(error) = tls.watch().await {
                tracing::warn!(%error, "a renewed certificate is taken up at the next start only");
            }
        });
    }
    let served = serve(listener, around(router(&app, &telemetry, extra)), settings, shutdown).await;
    stop.send_replace(true);
    served?;
    background.shutdown().await;
    // What is under way is finished and settled: what is not is asked about, and perhaps cannot be.
    let patience = config.server.drain_timeout.max(config.deliveries.lease);
    let ended = tokio::time::timeout(patience, deliveries);
    if tokio::join!(ended, app.bulk.jobs.end_all(config.server.drain_timeout)).0.is_err() {
        tracing::warn!("deliveries under way are left: their partners are asked when the leases end");
    }
    write_refusals(&app).await;
    if let Err(error) = Box::pin(seal_all(&app.store, head_file, app.clock.now_ms())).await {
        tracing::warn!(%error, "the end of the trail is sealed by the next gateway");
    }
    app.store.close().await;
    Ok(())
}

/// Delivers until it is told to stop; after a fault of ours, again.
async fn keep_delivering(worker: Worker, stopping: watch::Receiver<bool>) {
    while let Err(error) = tokio::spawn(worker.clone().run(stopping.clone())).await {
        if error.is_cancelled() {
            return;
        }
        tracing::error!("the deliveries failed and were started again");
        tokio::time::sleep(EXPIRY_INTERVAL).await;
    }
}

/// How mails go out.
///
/// # Errors
/// A file cannot be read.
fn mail_settings(config: &Config, mail: &MailConfig) -> Result<MailSettings, StartError> {
    let account = mail.account.as_ref().map(|(name, file)| {
        let password = std::fs::read_to_string(file).map_err(StartError::Mail)?;
        Ok::<_, StartError>(MailAccount { name: name.clone(), password: password.trim_end().to_owned() })
    });
    Ok(MailSettings {
        host: mail.host.clone(),
        port: mail.port,
        tls: if mail.is_encrypted { MailTls::StartTls } else { MailTls::Plain },
        trusted: mail.ca.as_ref().map(std::fs::read).transpose().map_err(StartError::Mail)?,
        account: account.transpose()?,
        from: mail.from.clone(),
        gateway_url: config.server.base_url.trim_end_matches("/fhir").to_owned(),
        timeout: MAIL_TIMEOUT,
    })
}

/// Labels anew what an older table labelled, again and again.
async fn relabel_all(app: App) {
    let tell = |Progress { done, total }| tracing::info!(done, total, "versions labelled anew");
    loop {
        if let Err(error) = relabel(&app.store, &app.labels, &app.base_url, tell).await {
            tracing::warn!(%error, "what an older table labelled could not be labelled anew, it is tried again");
        }
        tokio::time::sleep(RELABEL_INTERVAL).await;
    }
}

/// Seals what was stored before there was a vault.
async fn seal_older(app: App) {
    let tell = |sealed::Progress { done, total }| tracing::info!(done, total, "versions sealed");
    loop {
        // Again and again, for a gateway of an older version may still write.
        if let Err(error) = seal_stored(&app.store, tell).await {
            tracing::warn!(%error, "what is stored could not be sealed, it is tried again");
        }
        tokio::time::sleep(RELABEL_INTERVAL).await;
    }
}

/// What time does by itself: expiry of what waits, counts of refusals, keys to forget.
async fn housekeeping(app: App) {
    let mut expiry = tokio::time::interval(EXPIRY_INTERVAL);
    let mut refusals = tokio::time::interval(REFUSAL_INTERVAL);
    let mut numbers = tokio::time::interval(NUMBER_INTERVAL);
    let mut forget = tokio::time::interval(FORGET_INTERVAL);
    let mut tokens = tokio::time::interval(TOKEN_INTERVAL);
    loop {
        tokio::select! {
            _ = expiry.tick() => end_overdue(&app).await,
            _ = numbers.tick() => match intake::destroy_numbers(&app).await {
                Ok(0) => {}
                Ok(numbers) => {
                    tracing::info!(numbers, "national numbers that nobody needs any more were destroyed");
                    write_key_receipts(&app).await;
                }
                Err(_) => tracing::warn!("national numbers could not be destroyed, it is tried again"),
            },
            _ = tokens.tick() => {
                if app.store.forget_tokens(app.clock.now_ms()).await.is_err() {
                    tracing::warn!("tokens that ended could not be forgotten, it is tried again");
                }
                forget_sessions(&app).await;
            }
            _ = refusals.tick() => {
                write_refusals(&app).await;
                write_key_receipts(&app).await;
                if app.store.note_keys().await.is_err() {
                    tracing::warn!("how far the key store is could not be noted, it is tried again");
                }
            }
            _ = forget.tick() => {
                let now_ms = app.clock.now_ms();
                if app.store.forget(now_ms, (now_ms - KEY_AGE_MS_MAX, now_ms - NOTICE_AGE_MS_MAX)).await.is_err() {
                    tracing::warn!("old rows could not be forgotten, it is tried again");
                }
            }
        }
    }
}

/// What nobody picked up, or found a room for, in its time.
async fn end_overdue(app: &App) {
    match expire(app).await {
        Ok(0) => {}
        Ok(tasks) => tracing::info!(tasks, "referrals expired"),
        Err(_) => tracing::warn!("expired referrals could not be ended, they are tried again"),
    }
    match intake::end_old(app).await {
        Ok(0) => {}
        Ok(intakes) => tracing::info!(intakes, "intakes ended without a room"),
        Err(_) => tracing::warn!("intakes could not be ended, they are tried again"),
    }
}

async fn write_key_receipts(app: &App) {
    if write_receipts(app).await.is_err() {
        tracing::warn!("receipts of destroyed keys could not be written, it is tried again");
    }
}

async fn forget_sessions(app: &App) {
    let Some(people) = &app.people else { return };
    let now_ms = app.clock.now_ms();
    if app.store.forget_sessions(now_ms, now_ms - people.idle_ms()).await.is_err() {
        tracing::warn!("sessions that ended could not be forgotten, it is tried again");
    }
}

async fn write_refusals(app: &App) {
    for ((minute_ms, reason), refusals) in app.refusals.take() {
        if app.store.count_refusals(minute_ms, reason, refusals).await.is_err() {
            tracing::warn!(reason, refusals, "refusals could not be counted");
        }
    }
}

/// The secret that seals cursors.
async fn cursor_key(store: &Store) -> Result<CursorKey, StorageError> {
    Ok(CursorKey::new(secret(store, "cursor_key").await?.as_bytes()))
}

/// A secret that is made once, kept with the data, and shared by replicas.
async fn secret(store: &Store, name: &str) -> Result<String, StorageError> {
    let fresh = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    store.setting_or(name, &fresh).await
}
