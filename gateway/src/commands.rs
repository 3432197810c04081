//! What each command does. `main.rs` calls one function here per command; `cli.rs` says what was typed.

#![expect(clippy::unused_async, reason = "the commands without a body yet have nothing to wait for")]

use crate::auth_keys::KeyLoader;
use crate::cli::{CheckConfigArguments, ClientAction, OrganizationAction, PoolAction, SandboxArguments};
use crate::config::{self, Config, ConfigError, KeySource};
use crate::server::tls::TlsKeys;

/// Why a command failed, in words for whoever typed it.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration is wrong: everything about it, one line each.
    #[error("{}", lines(.0))]
    Config(Vec<ConfigError>),
    /// Something outside the program is not as it must be.
    #[error("{0}")]
    Failed(String),
    /// The command is known but this build cannot do it.
    #[error("not in this build yet")]
    NotInThisBuild,
}

impl From<Vec<ConfigError>> for CommandError {
    fn from(errors: Vec<ConfigError>) -> Self {
        Self::Config(errors)
    }
}

fn lines(errors: &[ConfigError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Runs a sandbox until it is stopped.
///
/// # Errors
/// The data directory holds a database that no sandbox made; the address is taken.
pub async fn sandbox(arguments: SandboxArguments) -> Result<(), CommandError> {
    let _ = arguments;
    Err(CommandError::NotInThisBuild)
}

/// Runs the gateway until it is stopped.
///
/// # Errors
/// The database or the keys cannot be reached at the start; the address is taken.
pub async fn serve(config: Config) -> Result<(), CommandError> {
    let _ = config;
    Err(CommandError::NotInThisBuild)
}

/// Brings the database to the form that this version needs.
///
/// # Errors
/// The database cannot be reached, or was made by a newer version.
pub async fn migrate(config: Config) -> Result<(), CommandError> {
    let _ = config;
    Err(CommandError::NotInThisBuild)
}

/// Adds, lists or disables organisations.
///
/// # Errors
/// The database cannot be reached; the id is taken, or unknown.
pub async fn organization(config: Config, action: OrganizationAction) -> Result<(), CommandError> {
    let _ = (config, action);
    Err(CommandError::NotInThisBuild)
}

/// Adds or lists pools.
///
/// # Errors
/// The database cannot be reached; the id is taken.
pub async fn pool(config: Config, action: PoolAction) -> Result<(), CommandError> {
    let _ = (config, action);
    Err(CommandError::NotInThisBuild)
}

/// Adds, lists or disables clients.
///
/// # Errors
/// The database cannot be reached; the id is taken, or the organisation unknown.
pub async fn client(config: Config, action: ClientAction) -> Result<(), CommandError> {
    let _ = (config, action);
    Err(CommandError::NotInThisBuild)
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
    if let KeySource::File(file) = &config.auth.keys {
        let loaded = match KeyLoader::new(&config.auth) {
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
        config.server.tls = Some(TlsFiles { certificate: directory.join("c.pem"), key: directory.join("k.pem") });
        let errors = check_files(&config).await;
        let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(keys, ["server.tls_certificate_file", "auth.jwks_file"]);
        assert!(errors.iter().all(|error| error.message.contains("/nonexistent/")), "{errors:?}");
    }
}
