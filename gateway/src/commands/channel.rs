//! `wellgate channel`.

use std::sync::Arc;

use reqwest::Url;

use super::CommandError;
use crate::access::Caller;
use crate::access::caller::Act;
use crate::app::Registry;
use crate::cli::{ChannelAction, ChannelOf, ChannelSet};
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::{self, StartError};
use crate::storage::channel::{Channel, ChannelKind};
use crate::storage::resource::Touched;
use crate::storage::sight::Level;
use crate::storage::{StorageError, Store};

const SET: Act = Act::new("U", "channel-set");
const REMOVE: Act = Act::new("D", "channel-remove");

/// Registers, lists or removes channels.
///
/// # Errors
/// The database cannot be reached; the organisation is not registered; the address is none.
pub async fn channel(config: Config, action: ChannelAction) -> Result<(), CommandError> {
    let store = gateway::open(&config).await.map_err(StartError::Open)?;
    let done = match action {
        ChannelAction::Set(set) => put(&config, &store, set).await,
        ChannelAction::List(_) => list(&store).await,
        ChannelAction::Remove(of) => remove(&store, &of).await,
    };
    store.close().await;
    done
}

fn partner(of: &ChannelOf) -> String {
    format!("{}/{}", if of.officer { "dpo" } else { "organization" }, of.organization)
}

async fn put(config: &Config, store: &Store, set: ChannelSet) -> Result<(), CommandError> {
    let registry = Registry::new(store.registry().await.map_err(StartError::Storage)?);
    if registry.organization(&set.of.organization).is_none() {
        return Err(CommandError::Wrong(format!("--organization: '{}' is not registered", set.of.organization)));
    }
    let (kind, address) = match (set.ehr, set.mail) {
        (Some(url), _) => (ChannelKind::Ehr, checked_url(config, &url)?),
        (None, Some(address)) => (ChannelKind::Mail, checked_mail(address)?),
        (None, None) => return Err(CommandError::Wrong("either --ehr or --mail".to_owned())),
    };
    let channel = Channel { partner: partner(&set.of), kind, address };
    // On record first: an address to which records may go never changes unseen.
    record(store, registry, SET, &set.of.organization).await.map_err(StartError::Storage)?;
    store.put_channel(&channel).await.map_err(StartError::Storage)?;
    println!("{} is told by {} at {}.", channel.partner, channel.kind.code(), channel.address);
    Ok(())
}

/// A URL that the gateway would not ask is refused when it is registered, not when something waits for it.
fn checked_url(config: &Config, text: &str) -> Result<String, CommandError> {
    let wrong = |why: &dyn std::fmt::Display| CommandError::Wrong(format!("--ehr: {why}"));
    let url = Url::parse(text).map_err(|error| wrong(&error))?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong(&"a base URL has no name, password, query or fragment"));
    }
    config.guard().check(&url).map_err(|refusal| wrong(&refusal))?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn checked_mail(address: String) -> Result<String, CommandError> {
    let is_plain = |part: &str| {
        !part.is_empty()
            && part.chars().all(|character| character.is_ascii_alphanumeric() || ".-_+".contains(character))
    };
    match address.split_once('@') {
        Some((name, host)) if is_plain(name) && is_plain(host) && host.contains('.') => Ok(address),
        _ => Err(CommandError::Wrong("--mail: an address such as notices@organisation.example".to_owned())),
    }
}

async fn list(store: &Store) -> Result<(), CommandError> {
    for channel in store.channels().await.map_err(StartError::Storage)? {
        println!("{}  {}  {}", channel.partner, channel.kind.code(), channel.address);
    }
    Ok(())
}

async fn remove(store: &Store, of: &ChannelOf) -> Result<(), CommandError> {
    let partner = partner(of);
    let registry = Registry::new(store.registry().await.map_err(StartError::Storage)?);
    if registry.channel(&partner).is_none() {
        return Err(CommandError::Wrong(format!("{partner} has no channel")));
    }
    record(store, registry, REMOVE, &of.organization).await.map_err(StartError::Storage)?;
    store.remove_channel(&partner).await.map_err(StartError::Storage)?;
    println!("{partner} is told nothing any more; what waits for it stays.");
    Ok(())
}

/// Where somebody is told what happens is a matter for the trail of the organisation.
async fn record(store: &Store, registry: Registry, act: Act, organization: &str) -> Result<(), StorageError> {
    let touched = Touched {
        compartment: format!("organization/{organization}"),
        resource_type: "Organization".to_owned(),
        resource_id: organization.to_owned(),
        version_id: 0,
        level: Level::Held,
    };
    let caller = Caller::gateway(Arc::new(registry), Clock::System.now_ms());
    store.record_only(vec![caller.event(act, "operator", &touched)]).await
}
