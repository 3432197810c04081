//! The vault of a test: which keys a gateway has, and a command of the program.

use std::path::Path;
use std::process::Command;

use gateway::config::{Config, DatabaseUrl, RingSource};
use serde::{Deserialize, Serialize};

/// The key store and the key ring of a gateway of the tests, for another one on the same database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Vault {
    /// The URL of the key store.
    pub key_store: String,
    /// The file of the key ring.
    pub key_ring: String,
}

impl Vault {
    /// What a configuration names.
    ///
    /// # Panics
    /// Its keys are not in files.
    pub fn of(config: &Config) -> Self {
        let (DatabaseUrl::Sqlite(key_store), RingSource::File(ring)) = (&config.vault.key_store, &config.vault.ring)
        else {
            panic!("a gateway of the tests has its keys in files");
        };
        Self { key_store: format!("sqlite:{}", key_store.display()), key_ring: ring.display().to_string() }
    }

    /// Puts it into a configuration.
    ///
    /// # Panics
    /// It is none of a test.
    pub fn give(&self, config: &mut Config) {
        config.vault.key_store = self.key_store.parse().expect("a URL of the tests");
        config.vault.ring = RingSource::File(self.key_ring.clone().into());
    }
}

/// Gives a command a vault in a directory, which the program does not start without.
///
/// # Panics
/// The directory cannot be written to.
pub fn with_vault<'c>(command: &'c mut Command, directory: &Path) -> &'c mut Command {
    let ring = directory.join("key-ring");
    if !ring.exists() {
        gateway::key_ring::add_key(&ring, 1).expect("the directory is there");
    }
    command.env("WELLGATE_VAULT_KEY_STORE", format!("sqlite:{}", directory.join("keys.sqlite").display()));
    command.env("WELLGATE_VAULT_KEY_RING_FILE", ring)
}
