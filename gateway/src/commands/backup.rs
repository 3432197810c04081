//! `wellgate backup` and `wellgate restore`.

use super::CommandError;
use crate::backup::{self, BackupError, Restored, Taken};
use crate::cli::{BackupArguments, RestoreArguments};
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway;

impl From<BackupError> for CommandError {
    fn from(error: BackupError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Takes a backup.
///
/// # Errors
/// The database cannot be read, or the place cannot be written.
pub async fn backup(config: &Config, arguments: &BackupArguments) -> Result<(), CommandError> {
    let url = gateway::database_url(&config.database.url);
    let Taken { file, manifest } = backup::take(&url, &arguments.to, Clock::System.now_ms()).await?;
    println!(
        "{}: {} bytes, {} rows in {} tables, the state of {}.",
        file.display(),
        manifest.bytes,
        manifest.rows(),
        manifest.contents.tables.len(),
        manifest.taken
    );
    println!(
        "Keys are in no backup: keep the key store, the key ring, the signing keys, the TLS files and the configuration elsewhere."
    );
    Ok(())
}

/// Restores a backup into an empty database.
///
/// # Errors
/// The backup is not whole, or the database not empty.
pub async fn restore(config: &Config, arguments: &RestoreArguments) -> Result<(), CommandError> {
    let url = gateway::database_url(&config.database.url);
    let now_ms = Clock::System.now_ms();
    // Before anything is written: a wrong file is no reason to restore twice.
    let trust = super::audit::restored_trust(config, &arguments.public_keys)?;
    let Restored { manifest } = backup::restore(&arguments.from, &url, arguments.verify, now_ms).await?;
    let checked = if arguments.verify {
        "each row is that of the backup"
    } else {
        "the file and the numbers of rows are those of the backup"
    };
    println!(
        "Restored the state of {}: {} rows in {} tables; {checked}.",
        manifest.taken,
        manifest.rows(),
        manifest.contents.tables.len()
    );
    println!(
        "What was written after that moment is lost, and has to be repeated before clients come back: withdrawals of Consents, closures, \
         registrations, clients disabled or their keys changed (docs/backup.md)."
    );
    println!(
        "What waited to be sent is held when the database is opened: see `wellgate deliveries list --state held`."
    );
    if !arguments.verify {
        return Ok(());
    }
    if manifest.contents.trail_head.is_none() {
        println!("The trail of that moment is not sealed, so it is not proved.");
        return Ok(());
    }
    let Some(trust) = trust else { return Ok(()) };
    super::audit::prove(config, trust).await
}
