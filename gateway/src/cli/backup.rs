//! `wellgate backup` and `wellgate restore`: copies of the database, and going back to one.

use std::path::PathBuf;

use clap::Args;

use super::ConfigArguments;

/// `wellgate backup`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example:
  wellgate backup --config wellgate.toml --to /var/backups/wellgate

The gateway may run meanwhile. PostgreSQL needs pg_dump, in the server's version or newer. Keys are in no backup: docs/backup.md.")]
pub struct BackupArguments {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Folder, where the backup gets a name with the time in it; or a file that is not there yet
    #[arg(long, value_name = "DIR|FILE")]
    pub to: PathBuf,
}

/// `wellgate restore`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example:
  wellgate restore --config wellgate.toml --from /var/backups/wellgate/wellgate-2026-01-01T020000Z.sqlite --verify

What was written after the backup is lost: docs/backup.md says what to do before clients come back. What waited to be sent is held when the
database is opened first: see `wellgate deliveries list --state held`.")]
pub struct RestoreArguments {
    /// Configuration that says which database. It has to be empty: nothing is written over
    #[command(flatten)]
    pub config: ConfigArguments,
    /// The backup; its manifest lies beside it
    #[arg(long, value_name = "FILE")]
    pub from: PathBuf,
    /// Hold every row to the manifest, which takes about as long as the backup took. Without it the file's checksum and the numbers of
    /// rows are checked
    #[arg(long)]
    pub verify: bool,
    /// PEM file with public keys by which the trail is proved, instead of the configured key: where that has changed since the backup. Repeat
    /// it for several
    #[arg(long = "public-key", value_name = "FILE", requires = "verify")]
    pub public_keys: Vec<PathBuf>,
}
