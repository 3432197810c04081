//! A gateway to try things out on: made-up organisations, its own issuer, nothing to configure.
//!
//! It is the very gateway that production runs, with a few routes more: what is there, tokens for the asking, and an identity provider at
//! which whoever comes chooses who they are; and beside it partners, which fail when they are told to.

mod billing;
mod identity_provider;
mod organizations;
pub mod partners;
mod people;
pub mod report;
mod routes;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::audit::seal_key::SealKey;
use crate::auth_keys::{sandbox_issuer, write_secret};
use crate::clock::Clock;
use crate::config::{self, Config, ConfigError, OneFileADay, RingSource};
use crate::gateway::{StartError, assemble, run, store_settings};
use crate::key_ring;
use crate::storage::{OpenError, Store};
use crate::telemetry::Telemetry;
use partners::Partners;
use report::Report;

/// A sandbox that is set up and not yet serving.
#[derive(Debug)]
pub struct Sandbox {
    config: Config,
    directory: Directory,
    partners_from: Option<u16>,
}

/// Why a sandbox cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Variables say what is wrong: everything about it.
    #[error("{} settings are wrong", .0.len())]
    Config(Vec<ConfigError>),
    /// The directory cannot be made, or the listener has no address.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Where a sandbox keeps its files; a temporary one is removed with it.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    is_temporary: bool,
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.is_temporary {
            // What cannot be removed is made-up data in a temporary directory.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

impl Sandbox {
    /// Prepares the directory and the configuration for a listener.
    ///
    /// # Errors
    /// The directory cannot be made, or a variable says something that is wrong.
    pub fn prepare(listener: &TcpListener, data: Option<&Path>) -> Result<Self, SandboxError> {
        let directory = match data {
            Some(path) => Directory { path: path.to_owned(), is_temporary: false },
            None => Directory { path: temporary_directory(), is_temporary: true },
        };
        std::fs::create_dir_all(&directory.path).map_err(StartError::Listen)?;
        let address = listener.local_addr().map_err(StartError::Listen)?;
        let config =
            Config::sandbox(Some(address), &directory.path, &config::environment()).map_err(SandboxError::Config)?;
        Ok(Self { config, directory, partners_from: None })
    }

    /// With its partners on ports one after the other from this one on, instead of wherever there is room.
    #[must_use]
    pub fn with_partners_from(self, port: Option<u16>) -> Self {
        Self { partners_from: port, ..self }
    }

    /// Without the rule of one file a day: a story that is told at once has no next day.
    #[must_use]
    pub fn with_files_at_any_time(mut self) -> Self {
        self.config.billing.one_file_a_day = OneFileADay::Unlimited;
        self
    }

    /// The configuration that it runs with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Serves until `shutdown` is done.
    ///
    /// # Errors
    /// [`StartError`]; among them a database that no sandbox made.
    pub async fn serve(
        self,
        listener: TcpListener,
        telemetry: Arc<Telemetry>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), StartError> {
        let mut config = self.config.clone();
        let config = &mut config;
        make_keys(config)?;
        let store = Store::open_sandbox(&store_settings(config)?).await?;
        let clock = Clock::System;
        organizations::register(&store, clock.now_ms()).await?;
        billing::register(&store).await?;
        if let Some(config) = &config.people {
            people::register(&store, &config.issuer).await?;
        }
        let name = config.auth.external.as_ref().map_or("", |external| external.issuer.as_str());
        let issuer = sandbox_issuer(&self.directory.path, name, &config.auth.audience)?;
        let partners = Partners::start(&clock, self.partners_from).await.map_err(StartError::Partners)?;
        config.mail.get_or_insert_with(|| partners.mail());
        config.tdi.get_or_insert_with(|| partners.register());
        if config.co_prev.is_none() {
            config.co_prev = partners.co_prev();
        }
        config.mutualities = config.mutualities.take().or_else(|| partners.insurer("mutualities"));
        config.care_funds = config.care_funds.take().or_else(|| partners.insurer("care-funds"));
        let (app, refreshed) = assemble(config, store, clock).await?;
        organizations::tell(&app.store, &partners).await?;
        let report = Arc::new(Report::default());
        let extra = routes::routes(&app, issuer, partners.described())
            .merge(identity_provider::routes(&app))
            .merge(partners.routes())
            .merge(report::routes(&app, &report));
        run(config, (app, refreshed), telemetry, (listener, extra, report::around(report)), shutdown).await
    }
}

/// Makes the key ring and the key that seals the trail, where the configuration names files that are not there.
///
/// # Errors
/// They cannot be written.
pub fn make_keys(config: &Config) -> Result<(), StartError> {
    if let RingSource::File(ring) = &config.vault.ring
        && !ring.exists()
    {
        let made = key_ring::add_key(ring, Clock::System.now_ms());
        made.map_err(|error| OpenError::Ring(error.to_string()))?;
    }
    let Some(file) = config.evidence.signing_key_file.as_ref().filter(|file| !file.exists()) else { return Ok(()) };
    let key = SealKey::generate().map_err(std::io::Error::other)?;
    Ok(write_secret(file, key.as_bytes())?)
}

fn temporary_directory() -> PathBuf {
    std::env::temp_dir().join(format!("wellgate-sandbox-{}", uuid::Uuid::new_v4().simple()))
}
