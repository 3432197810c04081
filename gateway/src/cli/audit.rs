//! `wellgate audit`: what the trail proves, and whose data was reached.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ConfigArguments;
use crate::audit::seal::Head;
use crate::clock::parse_instant;

/// `wellgate audit`
#[derive(Args, Debug)]
pub struct AuditArguments {
    /// What to do with the trail.
    #[command(subcommand)]
    pub action: AuditAction,
}

/// What can be done with the trail.
#[derive(Debug, Subcommand)]
pub enum AuditAction {
    /// Prove that the trail is complete, in order and unchanged, or name what is amiss
    Verify(AuditVerify),
    /// Print the head of the trail, to be published: who keeps it can tell later whether anything before it was changed or removed
    Head(AuditSource),
    /// Print the public key by which seals are checked
    PublicKey(ConfigArguments),
    /// Print every record that a client or an organisation reached in a time: Patient/ID, how often, first and last
    Reached(AuditReached),
    /// Erase events where the law orders it. The seals hold, and an act in the trail says that they were erased
    Erase(AuditErase),
    /// Take events that were written without the key into the trail as they stand, such as those of a gateway that had none
    Adopt(ConfigArguments),
}

/// Which database.
#[derive(Args, Clone, Debug)]
pub struct AuditSource {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Database to read instead of the configured one, such as a restored copy: sqlite:PATH or postgres://…
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub database: Option<String>,
}

/// `wellgate audit verify`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  wellgate audit verify --config wellgate.toml
  wellgate audit verify --database sqlite:/restored/wellgate.sqlite --public-key trail.pem --head 4711:9f86d081…

Nothing is changed, and no gateway needs to run. The exit code is 0 where the trail is proven, 3 where something is amiss, and 1
where it could not be looked at. docs/evidence.md says what is proven and what is not.")]
pub struct AuditVerify {
    /// Which database.
    #[command(flatten)]
    pub source: AuditSource,
    /// PEM file with public keys whose seals are believed; repeat it for several [default: that of the configured key]
    #[arg(long = "public-key", value_name = "FILE")]
    pub public_keys: Vec<PathBuf>,
    /// A head that was published: the trail must reach it
    #[arg(long, value_name = "NUMBER:HASH")]
    pub head: Option<Head>,
    /// Which events; all seals are gone through in any case.
    #[command(flatten)]
    pub between: Between,
}

/// A time.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Between {
    /// Only events from this moment on, such as 2026-03-01T00:00:00Z
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    pub from: Option<i64>,
    /// Only events before this moment
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    pub to: Option<i64>,
}

impl Between {
    /// Whether it is not all time.
    pub fn is_limited(self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// From when on, and before when: UTC milliseconds.
    pub fn bounds(self) -> (i64, i64) {
        (self.from.unwrap_or(i64::MIN), self.to.unwrap_or(i64::MAX))
    }
}

/// `wellgate audit reached`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example:
  wellgate audit reached --config wellgate.toml --client linde-ehr --from 2026-03-01T00:00:00Z --to 2026-03-02T00:00:00Z

What was refused was not reached, and is not printed. Who reads the answer reads whose data it is: it goes to nobody else, and that it was
asked is in the trail, unless a copy is read (--database).")]
pub struct AuditReached {
    /// Which database.
    #[command(flatten)]
    pub source: AuditSource,
    /// The client that reached
    #[arg(long, value_name = "CLIENT_ID", required_unless_present = "organization")]
    pub client: Option<String>,
    /// The organisation that reached
    #[arg(long, value_name = "ORGANIZATION_ID")]
    pub organization: Option<String>,
    /// When.
    #[command(flatten)]
    pub between: Between,
}

/// `wellgate audit erase`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example:
  wellgate audit erase --config wellgate.toml --record 0197c… --order 'GBA 2026/117'

What is erased cannot be brought back but from a backup, where it stays until the backup ends.")]
pub struct AuditErase {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// The event to erase
    #[arg(long, value_name = "ID", required_unless_present = "record", conflicts_with = "record")]
    pub event: Option<String>,
    /// The record of which the whole trail is erased: the id of its Patient
    #[arg(long, value_name = "ID")]
    pub record: Option<String>,
    /// The decision that orders it, as its authority numbers it: it stays in the trail, so it names no person
    #[arg(long, value_name = "REFERENCE")]
    pub order: String,
}

fn instant(text: &str) -> Result<i64, String> {
    parse_instant(text).ok_or_else(|| "a moment is written as 2026-03-01T12:00:00Z".to_owned())
}
