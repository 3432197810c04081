//! The configuration: one TOML file, overridden by `WELLGATE_` variables, checked whole before anything starts.
//!
//! Nothing else reads the environment (`clippy.toml` holds that). What each key means and what it defaults to stands
//! once, in `config/keys.rs`, from which `docs/configuration.md` is made. A value that is not understood is an error,
//! never ignored.

mod billing;
mod bulk;
mod co_prev;
mod deliveries;
mod emergency;
mod insurers;
mod keys;
mod limits;
mod mail;
mod outbound;
mod people;
mod reader;
mod reference;
mod search;
mod sections;
mod subscriptions;
mod tdi;
mod validation;
mod vault;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use connectors::guard::Guard;
use reqwest::Url;
use toml::Table;

pub use billing::{BillingConfig, OneFileADay};
pub use bulk::BulkConfig;
pub use co_prev::CoPrevConfig;
pub use deliveries::DeliveriesConfig;
pub use emergency::EmergencyConfig;
pub use insurers::{InsurerConfig, SignerFiles};
pub use limits::Limits;
pub use mail::MailConfig;
pub use outbound::OutboundConfig;
pub use people::{ClientProof, PeopleConfig};
use reader::Reader;
pub use reference::reference;
pub use search::SearchConfig;
pub use subscriptions::SubscriptionsConfig;
pub use tdi::TdiConfig;
pub use validation::{ProfileChecks, ValidationConfig};
pub use vault::{RingSource, VaultConfig};

const VARIABLE_PREFIX: &str = "WELLGATE_";

/// Everything that can be set. Each field's key, default and bounds: `docs/configuration.md`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where and how the gateway listens.
    pub server: ServerConfig,
    /// Where the data is kept.
    pub database: DatabaseConfig,
    /// How national numbers and the like are sealed.
    pub vault: VaultConfig,
    /// Whose tokens are believed.
    pub auth: AuthConfig,
    /// Where people sign in; none where nobody does.
    pub people: Option<PeopleConfig>,
    /// Which resource types are served.
    pub types: ServedTypes,
    /// What may grow, and how far.
    pub limits: Limits,
    /// Days after which a referral that nobody picked up expires.
    pub waiting_days_max: u32,
    /// Days after which it is no longer looked for where a referral goes that names nobody.
    pub intake_days_max: u32,
    /// What is searched beyond what costs nothing when it is not.
    pub search: SearchConfig,
    /// Which profiles are loaded, and when a write is held to them.
    pub validation: ValidationConfig,
    /// The operator's own table of labels.
    pub labels_file: Option<PathBuf>,
    /// How far emergency access goes.
    pub emergency: EmergencyConfig,
    /// Which URLs are asked that a registration names.
    pub outbound: OutboundConfig,
    /// How what must leave is sent.
    pub deliveries: DeliveriesConfig,
    /// How far exports go.
    pub bulk: BulkConfig,
    /// How far subscriptions go.
    pub subscriptions: SubscriptionsConfig,
    /// Where mails go out; none where nobody is told by mail.
    pub mail: Option<MailConfig>,
    /// Where treatment demands are submitted, if they are.
    pub tdi: Option<TdiConfig>,
    /// How third parties bill.
    pub billing: BillingConfig,
    /// Where employers are looked up, if they are.
    pub co_prev: Option<CoPrevConfig>,
    /// Where files of invoices go to mutualities, if they do.
    pub mutualities: Option<InsurerConfig>,
    /// Where invoices and requests go to care funds, if they do.
    pub care_funds: Option<InsurerConfig>,
    /// How the trail is sealed.
    pub evidence: EvidenceConfig,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Where traces are sent by OTLP; `None`: nowhere.
    pub otlp_endpoint: Option<String>,
    /// Made-up data only: explanations may show all of a matching. No key sets it.
    pub is_sandbox: bool,
}

/// `[server]`
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Public URL of the FHIR interface: ends in `/fhir`, without a slash after it.
    pub base_url: String,
    /// Certificate and key; `None`: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// How long requests in flight may take to finish after SIGTERM.
    pub drain_timeout: Duration,
}

/// The two PEM files that TLS needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, the server's own first.
    pub certificate: PathBuf,
    /// The private key of the first certificate.
    pub key: PathBuf,
    /// By whom the certificates of clients are issued; `None`: none is asked for.
    pub clients: Option<ClientCertificates>,
}

/// Which certificates of clients are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    /// PEM file with the certificates of their issuers.
    pub ca: PathBuf,
    /// Whether a client without one is refused.
    pub are_required: bool,
}

/// `[database]`
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// Which database.
    pub url: DatabaseUrl,
    /// Connections kept for reading.
    pub connections_max: u32,
    /// Tasks that commit groups of writes: 1 on SQLite.
    pub writers: u32,
}

/// A database, by kind. It may hold a password, so it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// The file of the embedded database.
    Sqlite(PathBuf),
    /// A `postgres://` URL.
    Postgres(String),
}

/// `[auth]`: at least one of the two issuers.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// The `aud` of every token.
    pub audience: String,
    /// Another's tokens.
    pub external: Option<ExternalIssuer>,
    /// The gateway's own.
    pub own: Option<OwnIssuer>,
}

/// An issuer whose tokens are believed.
#[derive(Clone, Debug)]
pub struct ExternalIssuer {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// Where the issuer's public keys are.
    pub keys: KeySource,
    /// Signature algorithms that are accepted; never empty.
    pub algorithms: Vec<TokenAlgorithm>,
    /// By how much clocks may differ.
    pub leeway: Duration,
    /// How often the keys are read again.
    pub refresh: Duration,
}

/// How the gateway issues tokens to machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnIssuer {
    /// The key that signs them.
    pub signing_key_file: PathBuf,
    /// How long they are good.
    pub lifetime: Duration,
    /// By how much the clocks of replicas may differ.
    pub leeway: Duration,
}

/// Where a JWK Set is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file on this machine.
    File(PathBuf),
    /// An address.
    Url(String),
}

/// A signature algorithm of tokens. There is no other: neither `none` nor a shared secret can be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    Rs384,
}

/// Which resource types are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServedTypes {
    /// The types that referrals and billing need.
    Usual,
    /// Every R4 type.
    All,
    /// These, by their FHIR names (not yet checked against the table of types).
    Listed(Vec<String>),
}

/// `[evidence]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvidenceConfig {
    /// The key that seals the trail; without it the trail is not sealed.
    pub signing_key_file: Option<PathBuf>,
    /// Where the last seal is written, to be published.
    pub head_file: Option<PathBuf>,
}

/// `[log]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Form of a line.
    pub format: LogFormat,
    /// The least important line that is written.
    pub level: tracing::Level,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object.
    Json,
    /// For a person.
    Human,
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct ConfigError {
    /// The key (`limits.body_bytes_max`), variable or file that is wrong.
    pub key: String,
    /// What is wrong, without repeating the value.
    pub message: String,
}

/// The `WELLGATE_` variables of this process. A value that is not UTF-8 is read with its bad bytes replaced.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with(VARIABLE_PREFIX))
        .collect()
}

impl Config {
    /// Reads the file, if there is one, and the variables, and checks all of it.
    ///
    /// # Errors
    /// Everything that is wrong, at once: an unreadable file, unknown keys, values out of bounds, what does not go
    /// together.
    pub fn load(path: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Self, Vec<ConfigError>> {
        let file = path.map_or_else(|| Ok(Table::new()), read_file).map_err(|error| vec![error])?;
        Self::from_table(file, environment)
    }

    /// The configuration of a sandbox that keeps its files in `directory`: nothing needs to be given, and variables
    /// still override. `listen` of the command line wins over them.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn sandbox(
        listen: Option<SocketAddr>,
        directory: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut environment = environment.clone();
        if let Some(listen) = listen {
            environment.insert(format!("{VARIABLE_PREFIX}SERVER_LISTEN"), listen.to_string());
        }
        let listen = environment.get("WELLGATE_SERVER_LISTEN").map_or("127.0.0.1:8080", String::as_str);
        let text = |value: String| toml::Value::String(value);
        let in_directory = |name: &str| directory.join(name).to_string_lossy().into_owned();
        let base_url = format!("http://{listen}/fhir");
        let server = Table::from_iter([("base_url".to_owned(), text(base_url.clone()))]);
        let database =
            Table::from_iter([("url".to_owned(), text(format!("sqlite:{}", in_directory("sandbox.sqlite"))))]);
        let auth = Table::from_iter([
            ("issuer".to_owned(), text(format!("http://{listen}/sandbox"))),
            ("audience".to_owned(), text(base_url.clone())),
            ("jwks_file".to_owned(), text(in_directory("jwks.json"))),
            ("signing_key_file".to_owned(), text(in_directory("issuer-key.pkcs8"))),
        ]);
        let vault = Table::from_iter([
            ("key_store".to_owned(), text(format!("sqlite:{}", in_directory("keys.sqlite")))),
            ("key_ring_file".to_owned(), text(in_directory("key-ring"))),
        ]);
        let evidence = Table::from_iter([("signing_key_file".to_owned(), text(in_directory("evidence-key.pem")))]);
        let log = Table::from_iter([("format".to_owned(), text("human".to_owned()))]);
        // The provider is the sandbox itself, so it is wherever the browser reaches the sandbox.
        let reached = environment.get("WELLGATE_SERVER_BASE_URL").map_or(base_url.as_str(), String::as_str);
        let root = reached.trim_end_matches('/').trim_end_matches("/fhir");
        let people = Table::from_iter([
            ("issuer".to_owned(), text(format!("{root}/sandbox/idp"))),
            ("client_id".to_owned(), text("wellgate".to_owned())),
            ("client_key_file".to_owned(), text(in_directory("issuer-key.pkcs8"))),
        ]);
        let sections = [
            ("server", server),
            ("database", database),
            ("vault", vault),
            ("auth", auth),
            ("people", people),
            ("evidence", evidence),
            ("log", log),
        ];
        let file = sections.map(|(section, entries)| (section.to_owned(), toml::Value::Table(entries)));
        let config = Self::from_table(Table::from_iter(file), &environment)?;
        Ok(Self { is_sandbox: true, ..config })
    }

    /// What guards requests to URLs that a registration names. A sandbox also asks its own machine, where those who try things run.
    pub fn guard(&self) -> Guard {
        Guard::new(&self.outbound.allowed, &self.outbound.private, self.is_sandbox)
    }

    fn from_table(file: Table, environment: &BTreeMap<String, String>) -> Result<Self, Vec<ConfigError>> {
        let mut reader = Reader::new(file, environment);
        let config = sections::read(&mut reader);
        reader.finish(config)
    }
}

fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let wrong = |message: String| ConfigError { key: path.display().to_string(), message };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    text.parse::<Table>().map_err(|error| {
        // The error's own text quotes the line, and the line may hold a password.
        let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        wrong(format!("line {line} is not valid TOML: {}", error.message()))
    })
}

impl FromStr for DatabaseUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(()) } else { Ok(Self::Sqlite(path.into())) };
        }
        let is_postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
        if is_postgres && Url::parse(text).is_ok() { Ok(Self::Postgres(text.to_owned())) } else { Err(()) }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(formatter, "sqlite:{}", path.display()),
            Self::Postgres(_) => formatter.write_str("postgres://…"),
        }
    }
}

impl FromStr for TokenAlgorithm {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "ES256" => Ok(Self::Es256),
            "ES384" => Ok(Self::Es384),
            "RS256" => Ok(Self::Rs256),
            "RS384" => Ok(Self::Rs384),
            _ => Err(()),
        }
    }
}

/// Whether the URL's host is the machine itself, by name or number.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let number = IpAddr::from_str(host.trim_start_matches('[').trim_end_matches(']'));
    host == "localhost" || number.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
