//! The operator's commands: who takes part. What grantees and callers are known by comes only from here.

use super::CommandError;
use super::acts::{DISABLE, OperatorAct, REGISTER};
use super::client::put_client;
use crate::access::caller::Act;
use crate::cli::{OrganizationAction, OrganizationAdd, PoolAction, PractitionerAction, Role};
use crate::clock::Clock;
use crate::config::Config;
use crate::consent::PractitionerRole;
use crate::gateway::{self, StartError};
use crate::registry;
use crate::storage::Store;
use crate::storage::registry::{Client, Organization, Pool, Practitioner};
use mappings::identifiers::{Cbe, Nihdi};

/// Adds, lists or disables organisations.
///
/// # Errors
/// The database cannot be reached; the id is unknown, or a number has no legal form.
pub async fn organization(config: Config, action: OrganizationAction) -> Result<(), CommandError> {
    let store = gateway::open(&config).await.map_err(StartError::Open)?;
    let now_ms = Clock::System.now_ms();
    let done = match action {
        OrganizationAction::Add(add) => add_organization(&store, &add, now_ms).await,
        OrganizationAction::List(_) => list_organizations(&store).await,
        OrganizationAction::Disable(disable) => disable_organization(&store, &disable.id, now_ms).await,
    };
    store.close().await;
    done
}

async fn add_organization(store: &Store, add: &OrganizationAdd, now_ms: i64) -> Result<(), CommandError> {
    let digits = |number: &String| number.replace(['.', ' '], "");
    let wrong = |option: &str| CommandError::Wrong(format!("{option} is not a number of that kind"));
    let cbe = add.cbe.as_ref().map(digits);
    if cbe.as_deref().is_some_and(|cbe| Cbe::parse(cbe).is_err()) {
        return Err(wrong("--cbe"));
    }
    let nihdi = add.nihdi.as_ref().map(digits);
    if nihdi.as_deref().is_some_and(|nihdi| Nihdi::parse(nihdi).is_err()) {
        return Err(wrong("--nihdi"));
    }
    let known = store.registry().await.map_err(StartError::Storage)?;
    if let Some(pool) = add.pools.iter().find(|pool| known.pools.iter().all(|row| row.id != **pool)) {
        return Err(CommandError::Wrong(format!("--pool: no pool '{pool}' is registered: wellgate pool add")));
    }
    let organization = Organization {
        id: add.id.clone(),
        name: add.name.clone(),
        kind: add.kind.code().to_owned(),
        cbe,
        nihdi,
        active: true,
    };
    let pools = add.pools.join(" ");
    let act = OperatorAct {
        act: REGISTER,
        organization: Some(&add.id),
        about: ("Organization", &add.id),
        details: &[("kind", &organization.kind), ("pools", &pools)],
    };
    act.keep(store).await?;
    registry::put_organization(store, &organization, &add.pools, now_ms).await.map_err(StartError::Storage)?;
    if let Some(client) = &add.client {
        // Who registers the organisation again says nothing of how its client proves itself: that stays.
        let before = known.clients.into_iter().find(|row| row.id == *client && row.organization_id == add.id);
        let (keys, scopes) = before.map(|before| (before.keys, before.scopes)).unwrap_or_default();
        let client = Client {
            id: client.clone(),
            organization_id: add.id.clone(),
            purposes: add.purposes.clone(),
            active: true,
            person_app: false,
            keys,
            scopes,
        };
        put_client(store, &client, REGISTER).await?;
    }
    println!("Organization/{} is registered.", add.id);
    Ok(())
}

async fn list_organizations(store: &Store) -> Result<(), CommandError> {
    let rows = store.registry().await.map_err(StartError::Storage)?;
    for organization in &rows.organizations {
        let pools: Vec<&str> =
            rows.members.iter().filter(|(id, _)| *id == organization.id).map(|(_, pool)| pool.as_str()).collect();
        let clients: Vec<&str> = rows
            .clients
            .iter()
            .filter(|row| row.organization_id == organization.id)
            .map(|row| row.id.as_str())
            .collect();
        println!(
            "{}\t{}\t{}\t{}\tpools: {}\tclients: {}",
            organization.id,
            organization.kind,
            if organization.active { "active" } else { "disabled" },
            organization.name,
            pools.join(" "),
            clients.join(" ")
        );
    }
    Ok(())
}

async fn disable_organization(store: &Store, id: &str, now_ms: i64) -> Result<(), CommandError> {
    let rows = store.registry().await.map_err(StartError::Storage)?;
    let Some(organization) = rows.organizations.into_iter().find(|row| row.id == id) else {
        return Err(CommandError::Wrong(format!("no organisation '{id}' is registered")));
    };
    let pools: Vec<String> =
        rows.members.into_iter().filter(|(member, _)| member == id).map(|(_, pool)| pool).collect();
    let organization = Organization { active: false, ..organization };
    let act = OperatorAct { act: DISABLE, organization: Some(id), about: ("Organization", id), details: &[] };
    act.keep(store).await?;
    registry::put_organization(store, &organization, &pools, now_ms).await.map_err(StartError::Storage)?;
    println!("Organization/{id} is disabled.");
    Ok(())
}

/// Adds or lists pools.
///
/// # Errors
/// The database cannot be reached.
pub async fn pool(config: Config, action: PoolAction) -> Result<(), CommandError> {
    let store = gateway::open(&config).await.map_err(StartError::Open)?;
    match action {
        PoolAction::Add(add) => {
            let (id, name, region) = (add.id.clone(), add.name, add.region);
            let pool = Pool { id, name, kind: add.kind.code().to_owned(), region };
            let details = [("kind", pool.kind.as_str()), ("region", &pool.region)];
            let about = ("HealthcareService", add.id.as_str());
            OperatorAct { act: REGISTER, organization: None, about, details: &details }.keep(&store).await?;
            registry::put_pool(&store, &pool, Clock::System.now_ms()).await.map_err(StartError::Storage)?;
            println!("HealthcareService/{} is registered.", add.id);
        }
        PoolAction::List(_) => {
            let rows = store.registry().await.map_err(StartError::Storage)?;
            for pool in &rows.pools {
                let members: Vec<&str> =
                    rows.members.iter().filter(|(_, id)| *id == pool.id).map(|(member, _)| member.as_str()).collect();
                println!("{}\t{}\t{}\t{}\tmembers: {}", pool.id, pool.kind, pool.region, pool.name, members.join(" "));
            }
        }
    }
    store.close().await;
    Ok(())
}

/// Adds, lists or disables practitioners.
///
/// # Errors
/// The database cannot be reached; the organisation or the practitioner is unknown.
pub async fn practitioner(config: Config, action: PractitionerAction) -> Result<(), CommandError> {
    let store = gateway::open(&config).await.map_err(StartError::Open)?;
    let rows = store.registry().await.map_err(StartError::Storage)?;
    let now_ms = Clock::System.now_ms();
    match action {
        PractitionerAction::Add(add) => {
            if rows.organizations.iter().all(|row| row.id != add.organization) {
                return Err(CommandError::Wrong(format!("no organisation '{}' is registered", add.organization)));
            }
            let nihdi = add.nihdi.map(|number| number.replace(['.', '-', ' '], ""));
            if nihdi.as_deref().is_some_and(|number| Nihdi::parse(number).is_err()) {
                return Err(CommandError::Wrong("--nihdi is not a number of that kind".to_owned()));
            }
            if let Some(other) =
                rows.practitioners.iter().find(|row| row.id != add.id && nihdi.is_some() && row.nihdi == nihdi)
            {
                let id = &other.id;
                return Err(CommandError::Wrong(format!("--nihdi is registered already, for practitioner '{id}'")));
            }
            let practitioner = Practitioner {
                id: add.id.clone(),
                organization_id: add.organization,
                name: add.name,
                nihdi,
                role: registered(add.role).code().to_owned(),
                active: true,
            };
            keep_practitioner(&store, REGISTER, &practitioner).await?;
            registry::put_practitioner(&store, &practitioner, now_ms).await.map_err(StartError::Storage)?;
            println!("Practitioner/{} is registered.", add.id);
        }
        PractitionerAction::List(_) => {
            for row in &rows.practitioners {
                let state = if row.active { "active" } else { "disabled" };
                println!("{}\t{}\t{}\t{state}\t{}", row.id, row.organization_id, row.role, row.name);
            }
        }
        PractitionerAction::Disable(disable) => {
            let Some(practitioner) = rows.practitioners.into_iter().find(|row| row.id == disable.id) else {
                return Err(CommandError::Wrong(format!("no practitioner '{}' is registered", disable.id)));
            };
            let practitioner = Practitioner { active: false, ..practitioner };
            keep_practitioner(&store, DISABLE, &practitioner).await?;
            registry::put_practitioner(&store, &practitioner, now_ms).await.map_err(StartError::Storage)?;
            println!("Practitioner/{} is disabled.", disable.id);
        }
    }
    store.close().await;
    Ok(())
}

async fn keep_practitioner(store: &Store, act: Act, row: &Practitioner) -> Result<(), CommandError> {
    let (organization, about) = (Some(row.organization_id.as_str()), ("Practitioner", row.id.as_str()));
    OperatorAct { act, organization, about, details: &[("role", &row.role)] }.keep(store).await
}

fn registered(role: Role) -> PractitionerRole {
    match role {
        Role::Care => PractitionerRole::Care,
        Role::Administration => PractitionerRole::Administration,
        Role::Accounting => PractitionerRole::Accounting,
        Role::Justice => PractitionerRole::Justice,
    }
}
