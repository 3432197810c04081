//! `wellgate backup`, `wellgate restore` and `wellgate deliveries`.

use super::CommandError;
use crate::backup::{self, BackupError, Restored, Taken};
use crate::cli::{BackupArguments, Decided, DeliveriesAction, RestoreArguments};
use crate::clock::{Clock, format_instant};
use crate::config::Config;
use crate::gateway::{self, StartError};
use crate::storage::delivery::HeldDelivery;
use crate::storage::{StorageError, Store};

/// How many held deliveries are printed at once.
const PRINTED_MAX: u32 = 10_000;
const HOUR_MS: i64 = 3_600_000;

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
    println!("What waited to be sent is held when the database is opened: see `wellgate deliveries held`.");
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

/// Shows or decides what is held since a restore.
///
/// # Errors
/// The database cannot be reached; an id is not held.
pub async fn deliveries(config: Config, action: DeliveriesAction) -> Result<(), CommandError> {
    let store = gateway::open(&config).await.map_err(StartError::Open)?;
    let now_ms = Clock::System.now_ms();
    let done = match action {
        DeliveriesAction::Held(_) => print_held(&store, now_ms).await,
        DeliveriesAction::Release(decided) => release(&store, &decided, now_ms).await,
        DeliveriesAction::Drop(decided) => give_up(&store, &decided).await,
    };
    store.close().await;
    done
}

async fn print_held(store: &Store, now_ms: i64) -> Result<(), CommandError> {
    let (held, total) = store.held_deliveries(PRINTED_MAX).await.map_err(StartError::Storage)?;
    match store.restoration().await.map_err(StartError::Storage)? {
        None => println!("This database was never restored, and nothing is held."),
        Some(restoration) => println!(
            "Restored on {} to the state of {}: {total} deliveries are held. Each waited in that state and may have left since.",
            format_instant(restoration.restored_ms),
            format_instant(restoration.taken_ms)
        ),
    }
    for delivery in &held {
        println!("{}", line(delivery, now_ms));
    }
    if i64::try_from(held.len()).is_ok_and(|printed| printed < total) {
        println!("… and more: decide on these first.");
    }
    Ok(())
}

/// One delivery: its id, its cause and whom it is for, what it is about, and its age.
fn line(delivery: &HeldDelivery, now_ms: i64) -> String {
    let HeldDelivery { id, partner, kind, resource_type, resource_id, was, .. } = delivery;
    let order =
        delivery.service_request.as_ref().map(|order| format!(" of ServiceRequest/{order}")).unwrap_or_default();
    let hours = now_ms.saturating_sub(delivery.due_ms) / HOUR_MS;
    let perhaps = if was == "waiting" { "" } else { ", perhaps on its way then" };
    let (days, hours) = (hours / 24, hours % 24);
    format!(
        "{id}  {kind} to {partner}, about {resource_type}/{resource_id}{order}, {days} d {hours} h old, was {was}{perhaps}"
    )
}

async fn release(store: &Store, decided: &Decided, now_ms: i64) -> Result<(), CommandError> {
    let released = each(decided, async |id| store.release_deliveries(id, now_ms).await).await?;
    println!("{released} deliveries may leave; Consents are asked again before each.");
    Ok(())
}

async fn give_up(store: &Store, decided: &Decided) -> Result<(), CommandError> {
    let dropped = each(decided, async |id| store.drop_deliveries(id).await).await?;
    println!("{dropped} deliveries are given up.");
    Ok(())
}

async fn each(
    decided: &Decided,
    act: impl AsyncFn(Option<&str>) -> Result<u64, StorageError>,
) -> Result<u64, CommandError> {
    if decided.all {
        return Ok(act(None).await.map_err(StartError::Storage)?);
    }
    let mut done = 0;
    for id in &decided.ids {
        match act(Some(id)).await.map_err(StartError::Storage)? {
            0 => return Err(CommandError::Wrong(format!("'{id}' is not held; {done} before it were decided on"))),
            rows => done += rows,
        }
    }
    Ok(done)
}
