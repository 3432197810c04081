//! The operator's commands about sealed values.

use super::CommandError;
use super::acts::{OperatorAct, ROTATE, SEAL};
use crate::cli::{VaultAction, VaultGiveUp};
use crate::clock::Clock;
use crate::config::{Config, RingSource};
use crate::gateway::{self, StartError};
use crate::key_ring;
use crate::sealed::{Progress, each_missing, give_up, rotate, seal_stored, write_receipts};
use crate::storage::Store;
use crate::storage::key_epoch::MissingKey;

/// Grows the ring, wraps anew, seals, destroys.
///
/// # Errors
/// The key ring, the key store or the database cannot be used. What was done until then stays done.
pub async fn vault(config: Config, action: VaultAction) -> Result<(), CommandError> {
    let tell = |Progress { done, total }| println!("{done} of {total}");
    match &action {
        VaultAction::NewKey(_) => return new_key(&config),
        VaultAction::GiveUp(arguments) => return go_on(&config, arguments).await,
        _ => {}
    }
    let store = gateway::open(&config).await.map_err(StartError::Open)?;
    let failed = StartError::Storage;
    match action {
        VaultAction::NewKey(_) | VaultAction::GiveUp(_) => {}
        VaultAction::Rotate(_) => {
            OperatorAct::on_all(ROTATE).keep(&store).await?;
            let done = rotate(&store, tell).await.map_err(failed)?;
            println!("The newest key of the ring wraps every key; {done} were wrapped by older ones.");
        }
        VaultAction::Seal(_) => {
            OperatorAct::on_all(SEAL).keep(&store).await?;
            let done = seal_stored(&store, tell).await.map_err(failed)?;
            println!("Everything is sealed; {done} versions were not.");
        }
        VaultAction::Destroy(destroy) => {
            if !destroy.yes {
                return Err(CommandError::Wrong("it cannot be undone: say --yes where it is meant".to_owned()));
            }
            // All that the receipt needs, before what cannot be undone.
            let (app, _) = gateway::assemble(&config, store.clone(), Clock::System).await?;
            let destroyed = store.destroy_keys(&destroy.record, Clock::System.now_ms()).await.map_err(failed)?;
            if destroyed == 0 {
                return Err(CommandError::Wrong(format!("record {} has no key", destroy.record)));
            }
            let receipts = write_receipts(&app).await;
            receipts.map_err(|_| {
                CommandError::Failed("the key is destroyed; its receipt is written by the next gateway".to_owned())
            })?;
            println!(
                "The key of record {} is destroyed. Copies of the key store may have it for {} more days.",
                destroy.record, config.vault.copies_days
            );
        }
    }
    store.close().await;
    Ok(())
}

fn new_key(config: &Config) -> Result<(), CommandError> {
    let RingSource::File(path) = &config.vault.ring else {
        return Err(CommandError::Wrong(
            "vault.key_ring_command prints the ring: make the key where it is kept".to_owned(),
        ));
    };
    let name = key_ring::add_key(path, Clock::System.now_ms())
        .map_err(|error| CommandError::Failed(format!("the key ring {error}")))?;
    println!("{name} is the newest key of {}. Keep a copy of this file apart from all backups.", path.display());
    Ok(())
}

/// Goes on with an older copy of the key store, or says what that would cost.
async fn go_on(config: &Config, arguments: &VaultGiveUp) -> Result<(), CommandError> {
    let settings = gateway::store_settings(config).map_err(StartError::Open)?;
    let store = Store::open_with_older_keys(&settings).await.map_err(StartError::Open)?;
    let tell = async |key: MissingKey| {
        let MissingKey { resource_type, resource_id, compartment, .. } = key;
        if compartment.contains('/') || compartment == "directory" {
            println!("{resource_type}/{resource_id}");
        } else {
            println!("Patient/{compartment}");
        }
        Ok(())
    };
    let missing = each_missing(&store, tell).await.map_err(StartError::Storage)?;
    if !arguments.yes {
        store.close().await;
        println!(
            "{missing} keys are missing. Nothing was changed: say --yes where no newer copy of the key store is left."
        );
        return Ok(());
    }
    let (app, _) = gateway::assemble(config, store.clone(), Clock::System).await?;
    let done = give_up(&app, Clock::System.now_ms()).await;
    let (destroyed, given_up) =
        done.map_err(|_| CommandError::Failed("not everything could be given up: run it again".to_owned()))?;
    store.close().await;
    println!("{given_up} keys are given up; {destroyed} that were destroyed before are destroyed again.");
    Ok(())
}
