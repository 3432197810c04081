//! `wellgate vault`: the keys by which national numbers are sealed.

use clap::{Args, Subcommand};

use super::{ConfigArguments, fhir_id};

/// `wellgate vault`
#[derive(Args, Debug)]
pub struct VaultArguments {
    /// What to do with the vault.
    #[command(subcommand)]
    pub action: VaultAction,
}

/// What can be done with the vault.
#[derive(Debug, Subcommand)]
pub enum VaultAction {
    /// Put a fresh key at the end of the key ring's file, which is made where there is none. A running gateway takes it up at
    /// its next start
    NewKey(ConfigArguments),
    /// Wrap the keys of all records by the newest key of the ring, and print how far it is. Stopped, it goes on where it was.
    /// After it, older keys may leave the ring
    Rotate(ConfigArguments),
    /// Seal what was stored before there was a vault; a gateway that starts does it by itself
    Seal(ConfigArguments),
    /// Destroy the key of a record: its numbers are unreadable from then on, in the database, its history and every backup
    Destroy(VaultDestroy),
    /// Where only an older copy of the key store is left: print what cannot be read without the newer one, and with --yes go on without it
    GiveUp(VaultGiveUp),
}

impl VaultAction {
    /// Where the configuration is.
    pub fn config(&self) -> &ConfigArguments {
        match self {
            Self::NewKey(config) | Self::Rotate(config) | Self::Seal(config) => config,
            Self::Destroy(destroy) => &destroy.config,
            Self::GiveUp(give_up) => &give_up.config,
        }
    }
}

/// `wellgate vault destroy`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example:
  wellgate vault destroy --config wellgate.toml --record 0198f2 --yes

It cannot be undone. The receipt, with the day on which the last copy of the key store dies, is in the trail of the record.")]
pub struct VaultDestroy {
    /// Configuration that says which key store.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// The record: the id of its Patient
    #[arg(long, value_name = "ID", value_parser = fhir_id)]
    pub record: String,
    /// Say that it is meant
    #[arg(long)]
    pub yes: bool,
}

/// `wellgate vault give-up`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example:
  wellgate vault give-up --config wellgate.toml          prints each record, or resource, whose numbers are lost, and changes nothing
  wellgate vault give-up --config wellgate.toml --yes

No gateway starts with an older copy of the key store. Put the newest copy back instead, if there is any: docs/vault.md.")]
pub struct VaultGiveUp {
    /// Configuration that says which key store.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Give them up: they are masks from then on, and what was destroyed before is destroyed in this copy as well
    #[arg(long)]
    pub yes: bool,
}
