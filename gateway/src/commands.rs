//! What each command does. `main.rs` calls one function here per command; `cli.rs` says what was typed.

mod acts;
mod audit;
mod backup;
mod billing;
mod channel;
mod client;
mod deliveries;
mod load;
mod operator;
mod person;
mod tdi;
mod vault;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use tokio::sync::oneshot;

use crate::auth_keys::{IdentityProvider, KeyLoader, credentials, own_issuer};
use crate::cli::{CheckConfigArguments, Demo, SandboxArguments};
use crate::clock::Clock;
use crate::config::{self, ClientProof, Config, ConfigError, KeySource, LogConfig};
use crate::demo::{self, StoryError};
use crate::gateway::{self, StartError};
use crate::key_ring;
use crate::relabel::{self, Progress};
use crate::sandbox::{Sandbox, SandboxError};
use crate::server::tls::TlsKeys;
use crate::server::{self, shutdown_signal};
use crate::storage::read_seal_key;
use crate::telemetry::{Telemetry, TelemetryError};
use crate::validation::Validation;

pub use audit::audit;
pub use backup::{backup, restore};
pub use billing::billing;
pub use channel::channel;
pub use client::client;
pub use deliveries::deliveries;
pub use load::load;
pub use operator::{organization, pool, practitioner};
pub use person::person;
pub use tdi::{print_questionnaire, tdi};
pub use vault::vault;

/// Why a command failed, in words for whoever typed it.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration is wrong: everything about it, one line each.
    #[error("{}", lines(.0))]
    Config(Vec<ConfigError>),
    /// Something outside the program is not as it must be.
    #[error("{0}")]
    Failed(String),
    /// What was typed does not fit what is registered.
    #[error("{0}")]
    Wrong(String),
    /// The trail is not as it was sealed: what is amiss, one line each, the first first.
    #[error("{0}")]
    Tampered(String),
    /// The gateway does not start, or stopped with an error.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The story of a demo did not go as it should.
    #[error("the demo stopped: {0}")]
    Demo(#[from] StoryError),
    /// Log or metrics cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
}

impl From<Vec<ConfigError>> for CommandError {
    fn from(errors: Vec<ConfigError>) -> Self {
        Self::Config(errors)
    }
}

impl From<SandboxError> for CommandError {
    fn from(error: SandboxError) -> Self {
        match error {
            SandboxError::Config(errors) => Self::Config(errors),
            SandboxError::Start(error) => Self::Start(error),
        }
    }
}

fn lines(errors: &[ConfigError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Runs a sandbox until it is stopped.
///
/// # Errors
/// The data directory holds a database that no sandbox made; the address is taken; the demo's story broke.
pub async fn sandbox(arguments: SandboxArguments) -> Result<(), CommandError> {
    let address = arguments.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)));
    let listener = server::listen(address).map_err(StartError::Listen)?;
    let sandbox = Sandbox::prepare(&listener, arguments.data.as_deref())?.with_partners_from(arguments.partners_from);
    // A story has no next day.
    let sandbox = if arguments.demo.is_some() { sandbox.with_files_at_any_time() } else { sandbox };
    let config = sandbox.config();
    let log = if arguments.demo.is_some() { beside_a_story(config.log) } else { config.log };
    let telemetry = Arc::new(Telemetry::install(log, config.otlp_endpoint.as_deref())?);
    let base_url = config.server.base_url.clone();
    let root = base_url.trim_end_matches("/fhir").to_owned();
    println!("Wellgate sandbox: FHIR at {base_url}, everything about it at {root}/sandbox");
    let (end, ended) = oneshot::channel();
    let signal = shutdown_signal().map_err(StartError::Listen)?;
    let shutdown = async move {
        tokio::select! {
            () = signal => {}
            Ok(()) = ended => {}
        }
    };
    let mut serving = pin!(sandbox.serve(listener, Arc::clone(&telemetry), shutdown));
    let told = match arguments.demo {
        None => Ok(()),
        Some(demo) => tokio::select! {
            served = &mut serving => return Ok(served?),
            told = demo::play(&root, demo == Demo::Stay, usize::from(arguments.contacts)) => {
                if told.is_err() || demo == Demo::Once {
                    // The sandbox has it in the same moment, or has stopped by itself.
                    let _ = end.send(());
                }
                told
            }
        },
    };
    serving.await?;
    telemetry.shutdown();
    Ok(told?)
}

/// The log of a sandbox that tells a story: only what is amiss, unless a level was asked for.
fn beside_a_story(log: LogConfig) -> LogConfig {
    if config::environment().contains_key("WELLGATE_LOG_LEVEL") {
        return log;
    }
    LogConfig { level: tracing::Level::WARN, ..log }
}

/// Runs the gateway until it is stopped.
///
/// # Errors
/// The database or the keys cannot be reached at the start; the address is taken.
pub async fn serve(config: Config) -> Result<(), CommandError> {
    let telemetry = Arc::new(Telemetry::install(config.log, config.otlp_endpoint.as_deref())?);
    let shutdown = shutdown_signal().map_err(StartError::Listen)?;
    let store = gateway::open(&config).await.map_err(StartError::Open)?;
    let assembled = gateway::assemble(&config, store, Clock::System).await?;
    let listener = server::listen(config.server.listen).map_err(StartError::Listen)?;
    tracing::info!(address = %config.server.listen, "listening");
    gateway::run(
        &config,
        assembled,
        Arc::clone(&telemetry),
        (listener, Router::new(), std::convert::identity),
        shutdown,
    )
    .await?;
    telemetry.shutdown();
    Ok(())
}

/// Brings the database to the form that this version needs.
///
/// # Errors
/// The database cannot be reached, or was made by a newer version.
pub async fn migrate(config: Config) -> Result<(), CommandError> {
    let store = gateway::open(&config).await.map_err(StartError::Open)?;
    store.close().await;
    println!("The database is up to date.");
    Ok(())
}

/// Labels anew what an older table of labels labelled.
///
/// # Errors
/// The database or the table cannot be read. What was done until then stays done.
pub async fn relabel(config: Config) -> Result<(), CommandError> {
    let labels = gateway::labels(&config)?;
    let store = gateway::open(&config).await.map_err(StartError::Open)?;
    let tell = |Progress { done, total }| println!("{done} of {total}");
    let done = relabel::relabel(&store, &labels, &config.server.base_url, tell).await.map_err(StartError::Storage)?;
    store.close().await;
    println!("Everything is labelled by version {} of the table; {done} versions were not.", labels.number());
    Ok(())
}

/// What `check-config` prints: that all is well, or the reference of all keys.
///
/// # Errors
/// Everything that is wrong, in the values and in the files that they name. Nothing is fetched.
pub async fn check_config(arguments: &CheckConfigArguments) -> Result<String, CommandError> {
    if arguments.explain {
        return Ok(config::reference());
    }
    let config = Config::load(arguments.config.config.as_deref(), &config::environment())?;
    let errors = check_files(&config).await;
    if errors.is_empty() { Ok("The configuration is valid.\n".to_owned()) } else { Err(errors.into()) }
}

/// The files that the configuration names are read as at the start.
async fn check_files(config: &Config) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    let mut wrong = |key: &str, message: String| errors.push(ConfigError { key: key.to_owned(), message });
    if let Some(files) = &config.server.tls
        && let Err(error) = TlsKeys::load(files)
    {
        wrong("server.tls_certificate_file", error.to_string());
    }
    if let Err(error) = key_ring::read(&config.vault.ring) {
        wrong("vault.key_ring_file", format!("the key ring {error}"));
    }
    if let Some(own) = &config.auth.own
        && let Err(error) = own_issuer(own, "", "")
    {
        wrong("auth.signing_key_file", format!("{}: {error}", own.signing_key_file.display()));
    }
    if let Some(file) = &config.evidence.signing_key_file
        && let Err(error) = read_seal_key(file)
    {
        wrong("evidence.signing_key_file", error.to_string().replacen("evidence.signing_key_file: ", "", 1));
    }
    if let Some(people) = &config.people
        && let Err(error) = IdentityProvider::new(people)
    {
        let (key, file) = match &people.proof {
            ClientProof::Secret(file) => ("people.client_secret_file", file),
            ClientProof::Key(file) => ("people.client_key_file", file),
        };
        wrong(key, format!("{}: {error}", file.display()));
    }
    if let Err(error) = Validation::load(&config.validation) {
        wrong("validation.packages", error.to_string().trim_start_matches("validation.packages: ").to_owned());
    }
    if let Err(error) = credentials(config.outbound.credentials_file.as_deref(), &Clock::System) {
        wrong("outbound.credentials_file", error.to_string());
    }
    if let Some(external) = &config.auth.external
        && let KeySource::File(file) = &external.keys
    {
        let loaded = match KeyLoader::new(external) {
            Ok(loader) => loader.load().await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(error) = loaded {
            wrong("auth.jwks_file", format!("{}: {error}", file.display()));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TlsFiles;
    use std::collections::BTreeMap;

    #[tokio::test]
    async fn files_that_cannot_be_used_are_all_named() {
        let directory = std::path::Path::new("/nonexistent");
        let mut config = Config::sandbox(None, directory, &BTreeMap::new()).expect("valid");
        config.server.tls =
            Some(TlsFiles { certificate: directory.join("c.pem"), key: directory.join("k.pem"), clients: None });
        let errors = check_files(&config).await;
        let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "server.tls_certificate_file",
                "vault.key_ring_file",
                "auth.signing_key_file",
                "evidence.signing_key_file",
                "people.client_key_file",
                "auth.jwks_file",
            ]
        );
        assert!(errors.iter().all(|error| error.message.contains("/nonexistent/")), "{errors:?}");
    }
}
