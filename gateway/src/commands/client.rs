//! The operator's commands about clients: which program calls for whom, for what, and how it proves itself.

use connectors::guard::Guard;
use reqwest::Url;

use super::CommandError;
use super::acts::{CHANGE_KEYS, DISABLE, OperatorAct, REGISTER};
use crate::access::caller::Act;
use crate::auth::scopes::restriction::RESTRICTIONS_MAX;
use crate::auth::{KeySet, Scopes};
use crate::auth_keys::read_key_file;
use crate::cli::{ClientAction, ClientAdd, ClientKeyFiles};
use crate::config::Config;
use crate::consent::Purpose;
use crate::gateway::{self, StartError};
use crate::search::restriction::is_kept;
use crate::storage::Store;
use crate::storage::registry::{Client, ClientKeys};

/// Adds, lists, changes or disables clients.
///
/// # Errors
/// The database cannot be reached; the organisation or the client is unknown; the keys are of no use.
pub async fn client(config: Config, action: ClientAction) -> Result<(), CommandError> {
    let store = gateway::open(&config).await.map_err(StartError::Open)?;
    let done = act(&store, &config.guard(), action).await;
    store.close().await;
    done
}

async fn act(store: &Store, guard: &Guard, action: ClientAction) -> Result<(), CommandError> {
    let rows = store.registry().await.map_err(StartError::Storage)?;
    let known = |id: &str| {
        let client = rows.clients.iter().find(|row| row.id == id).cloned();
        client.ok_or_else(|| CommandError::Wrong(format!("no client '{id}' is registered")))
    };
    match action {
        ClientAction::Add(add) => {
            if rows.organizations.iter().all(|row| row.id != add.organization) {
                return Err(CommandError::Wrong(format!("no organisation '{}' is registered", add.organization)));
            }
            put_client(store, &read(&add, guard).await?, REGISTER).await?;
            println!("Client {} is registered.", add.id);
        }
        ClientAction::List(_) => rows.clients.iter().for_each(|client| println!("{}", line(client))),
        ClientAction::Rotate(rotate) => {
            let client = known(&rotate.id)?;
            let keys = keys(&rotate.keys, guard).await?;
            if keys.is_none() {
                return Err(CommandError::Wrong("give the new keys: --jwks FILE or --jwks-url URL".to_owned()));
            }
            put_as_it_is(store, &Client { keys, ..client }, CHANGE_KEYS).await?;
            println!("Client {} has new keys; tokens that it holds are good until they end.", rotate.id);
        }
        ClientAction::Disable(disable) => {
            let client = known(&disable.id)?;
            // Whatever it is registered for: what is wrong with that must not keep it in.
            put_as_it_is(store, &Client { active: false, ..client }, DISABLE).await?;
            println!("Client {} is disabled.", disable.id);
        }
    }
    Ok(())
}

/// Registers a client, once what it is registered for fits together.
///
/// # Errors
/// A purpose or scope that is none; the database cannot be reached.
pub(super) async fn put_client(store: &Store, client: &Client, act: Act) -> Result<(), CommandError> {
    if let Some(purpose) = client.purposes.iter().find(|purpose| Purpose::from_code(purpose).is_none()) {
        return Err(CommandError::Wrong(format!("--purpose: '{purpose}' is not a code of v3-PurposeOfUse")));
    }
    let is_for_people = |purpose: &&String| ["PATRQT", "FAMRQT"].contains(&purpose.as_str());
    if client.person_app
        && let Some(purpose) = client.purposes.iter().find(|purpose| !is_for_people(purpose))
    {
        return Err(CommandError::Wrong(format!("--purpose: people ask for PATRQT or FAMRQT, not for '{purpose}'")));
    }
    put_as_it_is(store, client, act).await
}

async fn put_as_it_is(store: &Store, client: &Client, act: Act) -> Result<(), CommandError> {
    let purposes = client.purposes.join(" ");
    let keys = match &client.keys {
        None => "",
        Some(ClientKeys::Inline(_)) => "inline",
        Some(ClientKeys::Url(url)) => url,
    };
    let act = OperatorAct {
        act,
        organization: Some(&client.organization_id),
        about: ("", ""),
        details: &[("client", &client.id), ("purposes", &purposes), ("scopes", &client.scopes), ("keys", keys)],
    };
    act.keep(store).await?;
    Ok(store.put_client(client).await.map_err(StartError::Storage)?)
}

async fn read(add: &ClientAdd, guard: &Guard) -> Result<Client, CommandError> {
    let is_whole = |scope: &str| Scopes::parse(scope).keeping(is_kept).of_system() == scope;
    if let Some(scope) = add.scopes.iter().find(|scope| scope.contains('?') && !is_whole(scope)) {
        return Err(CommandError::Wrong(format!(
            "--scope: '{scope}' has a search restriction that would not be kept: one is by codes of the type and grants r and s, as \
             system/Observation.rs?category=laboratory"
        )));
    }
    if add.scopes.iter().filter(|scope| scope.contains('?')).count() > RESTRICTIONS_MAX {
        let details =
            format!("--scope: at most {RESTRICTIONS_MAX} may have a search restriction: join values by commas");
        return Err(CommandError::Wrong(details));
    }
    if let Some(scope) = add.scopes.iter().find(|scope| Scopes::parse(scope).is_empty() || scope.contains(' ')) {
        return Err(CommandError::Wrong(format!("--scope: '{scope}' is no scope such as system/*.rs")));
    }
    let keys = keys(&add.keys, guard).await?;
    if keys.is_some() && add.scopes.is_empty() {
        return Err(CommandError::Wrong(
            "--scope: say what its tokens may be good for, such as system/*.rs".to_owned(),
        ));
    }
    Ok(Client {
        id: add.id.clone(),
        organization_id: add.organization.clone(),
        purposes: add.purposes.clone(),
        active: true,
        person_app: add.person_app,
        keys,
        scopes: add.scopes.join(" "),
    })
}

async fn keys(files: &ClientKeyFiles, guard: &Guard) -> Result<Option<ClientKeys>, CommandError> {
    let wrong = |option: &str, why: &dyn std::fmt::Display| CommandError::Wrong(format!("{option}: {why}"));
    if let Some(file) = &files.jwks {
        let text = read_key_file(file).await.map_err(|error| wrong("--jwks", &error))?;
        // A private key does not belong here, nor on this machine.
        let set: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let keys = set["keys"].as_array().cloned().unwrap_or_default();
        if keys.iter().any(|key| ["d", "k"].iter().any(|member| key.get(member).is_some())) {
            return Err(wrong("--jwks", &"holds a private key: give the public half alone"));
        }
        KeySet::of_client(&text).map_err(|error| wrong("--jwks", &error))?;
        return Ok(Some(ClientKeys::Inline(text)));
    }
    let Some(url) = &files.jwks_url else { return Ok(None) };
    let parsed = Url::parse(url).map_err(|error| wrong("--jwks-url", &error))?;
    guard.check(&parsed).map_err(|refusal| wrong("--jwks-url", &format!("is not asked: {refusal}")))?;
    Ok(Some(ClientKeys::Url(url.clone())))
}

fn line(client: &Client) -> String {
    let state = if client.active { "active" } else { "disabled" };
    let app = if client.person_app { "\tperson app" } else { "" };
    let keys = match &client.keys {
        None => "keys: none".to_owned(),
        Some(ClientKeys::Url(url)) => format!("keys: {url}\tscopes: {}", client.scopes),
        Some(ClientKeys::Inline(jwks)) => {
            let names =
                KeySet::of_client(jwks).map(|keys| keys.names().collect::<Vec<_>>().join(" ")).unwrap_or_default();
            format!("keys: {names}\tscopes: {}", client.scopes)
        }
    };
    let purposes = client.purposes.join(" ");
    format!("{}\t{}\t{state}\tpurposes: {purposes}\t{keys}{app}", client.id, client.organization_id)
}
