//! The command line: what a person can type, and the help that they learn it from.
//!
//! It only describes; what a command does is in `commands.rs`.

mod audit;
mod backup;
mod billing;
mod channel;
mod client;
mod deliveries;
mod load;
mod person;
mod sandbox;
mod tdi;
mod vault;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use audit::{AuditAction, AuditArguments, AuditErase, AuditReached, AuditSource, AuditVerify, Between};
pub use backup::{BackupArguments, RestoreArguments};
pub use billing::{BillingAction, BillingArguments, BillingPartyArguments, BillingPurgeArguments, BillingSector};
pub use channel::{ChannelAction, ChannelArguments, ChannelOf, ChannelSet};
pub use client::{ClientAction, ClientAdd, ClientArguments, ClientKeyFiles, ClientRotate};
pub use deliveries::{Decided, DeliveriesAction, DeliveriesArguments, DeliveryState, Listed, Rerun, Shown};
pub use load::LoadArguments;
pub use person::{PersonAction, PersonAdd, PersonArguments};
pub use sandbox::{Demo, SandboxArguments};
pub use tdi::{CentreKind, TdiAction, TdiArguments, TdiCentre, TdiLanguage, TdiQuestionnaire, TdiYear};
pub use vault::{VaultAction, VaultArguments, VaultDestroy, VaultGiveUp};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "wellgate",
    version,
    about = "Health-data exchange gateway for mental-health referrals (FHIR R4)",
    long_about = "Organisations' record systems exchange referrals over FHIR R4 through this gateway, and a referral moves only \
                  where a Consent lets it.",
    after_help = "Start here:\n  \
                  wellgate sandbox --demo                        play a whole referral and a billed month on this machine and watch it\n  \
                  wellgate check-config --config wellgate.toml   see everything that is wrong with a configuration\n  \
                  wellgate migrate --config wellgate.toml        prepare the database\n  \
                  wellgate serve --config wellgate.toml          run the gateway\n\n\
                  Every command explains itself: wellgate organization add --help",
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can be told to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a gateway to try things out on: made-up organisations, its own keys and tokens, nothing to configure
    Sandbox(SandboxArguments),
    /// Run the gateway
    #[command(after_help = SERVE_HELP)]
    Serve(ConfigArguments),
    /// Bring the database to the form that this version needs; running it twice does no harm
    Migrate(ConfigArguments),
    /// Label anew what an older table labelled, which counts as most restricted until then, and print how far it is. Stopped,
    /// it goes on where it was; a gateway that starts does it by itself
    Relabel(ConfigArguments),
    /// Add, list or disable the organisations that take part
    Organization(OrganizationArguments),
    /// Add or list pools: groups of organisations that share one waiting room
    Pool(PoolArguments),
    /// Add, list or disable clients: the programs that call the gateway for an organisation
    Client(ClientArguments),
    /// Add, list or disable practitioners: the people whom Consents and tokens may name
    Practitioner(PractitionerArguments),
    /// Add, list or disable the people who sign in and work for an organisation
    Person(PersonArguments),
    /// Prove what the trail says, and tell whose data was reached
    Audit(AuditArguments),
    /// Make, change and destroy the keys by which national numbers are sealed
    Vault(VaultArguments),
    /// Send resources from files to a gateway: Bundles, single resources, NDJSON
    Load(LoadArguments),
    /// Copy the database as it is at one moment, with a manifest, while the gateway runs
    Backup(BackupArguments),
    /// Make the database from a backup, where there is none yet
    Restore(RestoreArguments),
    /// Say where organisations are told what happens: their own FHIR server, or a mailbox
    Channel(ChannelArguments),
    /// Show what must leave, and decide about what needs somebody: release, abandon, send once more
    Deliveries(DeliveriesArguments),
    /// Register treatment demands: who takes part, the form, the file and the report of a year
    Tdi(TdiArguments),
    /// Say who is paid by third-party billing, or remove what is older than it is kept
    Billing(BillingArguments),
    /// Check a configuration and name everything that is wrong, without starting anything
    CheckConfig(CheckConfigArguments),
}

const SERVE_HELP: &str = "\
Stop it with SIGTERM or Ctrl-C: it takes no new requests, finishes those in flight, and loses nothing.
SIGHUP takes up a new TLS certificate at once.

Logs go to standard error. GET /healthz, /readyz and /metrics are for monitoring.";

/// Where the configuration is.
#[derive(Args, Clone, Debug)]
pub struct ConfigArguments {
    /// TOML file to read. WELLGATE_ variables override it, and are enough without it; docs/configuration.md lists every
    /// key
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `wellgate organization`
#[derive(Args, Debug)]
pub struct OrganizationArguments {
    /// What to do with organisations.
    #[command(subcommand)]
    pub action: OrganizationAction,
}

/// What can be done with organisations.
#[derive(Debug, Subcommand)]
pub enum OrganizationAction {
    /// Register an organisation. Consents name it, and callers act for it, by what is given here and nothing else
    Add(OrganizationAdd),
    /// Print every organisation with its kind, pools, clients and state
    List(ConfigArguments),
    /// Shut an organisation out at once: its clients are refused and it can no longer be referred to. Nothing is
    /// deleted
    Disable(Disable),
}

/// `wellgate organization add`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example:
  wellgate organization add --config wellgate.toml --id cgg-noord --name \"CGG Noord\" --kind cgg \\
      --cbe 0400.000.000 --pool cgg-antwerpen --client cgg-noord-ehr --purpose TREAT --purpose HPAYMT")]
pub struct OrganizationAdd {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// The organisation's id: its address in the gateway is Organization/ID, and its tokens carry it
    #[arg(long, value_name = "ID", value_parser = fhir_id)]
    pub id: String,
    /// The name that people know it by
    #[arg(long)]
    pub name: String,
    /// What it is
    #[arg(long, value_enum)]
    pub kind: OrganizationKind,
    /// Its company number (CBE/KBO), ten digits
    #[arg(long, value_name = "NUMBER")]
    pub cbe: Option<String>,
    /// Its NIHDI (RIZIV) number
    #[arg(long, value_name = "NUMBER")]
    pub nihdi: Option<String>,
    /// Pool whose waiting room it shares; repeat it for several
    #[arg(long = "pool", value_name = "POOL_ID", value_parser = fhir_id)]
    pub pools: Vec<String>,
    /// Client that may call for it: the `client_id` in its tokens. `wellgate client add` adds more later
    #[arg(long, value_name = "CLIENT_ID", requires = "purposes")]
    pub client: Option<String>,
    /// Purpose that the client may act for, such as TREAT, HPAYMT or HOPERAT; repeat it for several
    #[arg(long = "purpose", value_name = "CODE", value_parser = purpose, requires = "client")]
    pub purposes: Vec<String>,
}

/// What an organisation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OrganizationKind {
    /// External service for prevention and protection at work
    Edpbw,
    /// First-line psychologist's practice
    Elp,
    /// Centre for mental-health care
    Cgg,
    /// General practice
    Gp,
    /// Co-prev, which supervises waiting times
    Coprev,
    /// Mutuality
    Mutuality,
    /// Anything else
    Other,
}

impl OrganizationKind {
    /// The code under which the kind is registered and named in Consents.
    pub fn code(self) -> &'static str {
        match self {
            Self::Edpbw => "edpbw",
            Self::Elp => "elp",
            Self::Cgg => "cgg",
            Self::Gp => "gp",
            Self::Coprev => "coprev",
            Self::Mutuality => "mutuality",
            Self::Other => "other",
        }
    }
}

/// `wellgate pool`
#[derive(Args, Debug)]
pub struct PoolArguments {
    /// What to do with pools.
    #[command(subcommand)]
    pub action: PoolAction,
}

/// What can be done with pools.
#[derive(Debug, Subcommand)]
pub enum PoolAction {
    /// Register a pool. Organisations join it with `wellgate organization add --pool`
    Add(PoolAdd),
    /// Print every pool with its members
    List(ConfigArguments),
}

/// `wellgate pool add`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example:
  wellgate pool add --config wellgate.toml --id elp-gent --name \"ELP Gent\" --kind elp --region gent")]
pub struct PoolAdd {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// The pool's id: a referral to the pool names HealthcareService/ID
    #[arg(long, value_name = "ID", value_parser = fhir_id)]
    pub id: String,
    /// The name that people know it by
    #[arg(long)]
    pub name: String,
    /// The kind of its members
    #[arg(long, value_enum)]
    pub kind: OrganizationKind,
    /// The region that it serves, in your own words
    #[arg(long)]
    pub region: String,
}

/// `wellgate practitioner`
#[derive(Args, Debug)]
pub struct PractitionerArguments {
    /// What to do with practitioners.
    #[command(subcommand)]
    pub action: PractitionerAction,
}

/// What can be done with practitioners.
#[derive(Debug, Subcommand)]
pub enum PractitionerAction {
    /// Register a practitioner of an organisation
    Add(PractitionerAdd),
    /// Print every practitioner with organisation, role, state and name
    List(ConfigArguments),
    /// Refuse tokens that name this practitioner from now on; Consents go on to mean them
    Disable(Disable),
}

/// `wellgate practitioner add`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example:
  wellgate practitioner add --config wellgate.toml --id psy-1 --organization elp-linde --name \"An Voorbeeld\" \\
      --nihdi 19110101801
  wellgate practitioner add --config wellgate.toml --id desk-1 --organization elp-linde --name \"Dirk Balie\" \\
      --role administration

Who is registered again is changed: give everything anew. docs/practitioners.md says what each role sees.")]
pub struct PractitionerAdd {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// The practitioner's id: the address in the gateway is Practitioner/ID and PractitionerRole/ID, and tokens may carry it
    #[arg(long, value_name = "ID", value_parser = fhir_id)]
    pub id: String,
    /// The organisation where they work
    #[arg(long, value_name = "ORGANIZATION_ID", value_parser = fhir_id)]
    pub organization: String,
    /// The name that people know them by
    #[arg(long)]
    pub name: String,
    /// Their NIHDI (RIZIV) number, by which a Consent may name them
    #[arg(long, value_name = "NUMBER")]
    pub nihdi: Option<String>,
    /// As what they work there, which says what they see of the records that their organisation sees
    #[arg(long, value_enum, default_value = "care")]
    pub role: Role,
}

/// As what a practitioner works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Treats people: sees all that the organisation sees
    Care,
    /// Registers people: sees who they are, how to reach them and their insurance
    Administration,
    /// Bills: sees who they are, their insurance and what is claimed
    Accounting,
    /// Justice assistant: where a care team has them for a mandated treatment, sees by law whether the person attends
    Justice,
}

/// `disable`, of an organisation, a practitioner or a client.
#[derive(Args, Clone, Debug)]
pub struct Disable {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Its id
    #[arg(value_name = "ID")]
    pub id: String,
}

/// `wellgate check-config`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example:
  WELLGATE_DATABASE_URL=postgres://… wellgate check-config --config wellgate.toml

The answer is one line for each thing that is wrong, beginning with its key, and an exit code of 1; or none, and 0.")]
pub struct CheckConfigArguments {
    /// Configuration to check.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Instead, print every key with its variable, default and meaning (Markdown)
    #[arg(long)]
    pub explain: bool,
}

/// A FHIR id: the gateway's own address for it has to be a legal one.
fn fhir_id(text: &str) -> Result<String, String> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if (1..=64).contains(&text.len()) && text.bytes().all(is_legal) {
        Ok(text.to_owned())
    } else {
        Err("an id has 1 to 64 letters, digits, dashes and dots".to_owned())
    }
}

/// A purpose-of-use code that a client can be registered for.
fn purpose(text: &str) -> Result<String, String> {
    match text {
        // An emergency is a session with a reason, an end and a notice to the patient; never a standing right of a
        // client.
        "BTG" | "ETREAT" => Err("emergency access is never registered: it begins with an emergency session".to_owned()),
        _ if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) => {
            Ok(text.to_owned())
        }
        _ => Err("a purpose is a code in capitals, such as TREAT".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused = [
            "wellgate",
            "wellgate serve --confg x",
            "wellgate sandbox --listen here",
            "wellgate organization add --id a/b --name x --kind cgg",
            "wellgate organization add --id a --name x --kind hospital",
            "wellgate organization add --id a --name x --kind cgg --purpose TREAT",
            "wellgate organization add --id a --name x --kind cgg --client c",
            "wellgate client add --id a --organization b",
            "wellgate client add --id a --organization b --purpose BTG",
            "wellgate client add --id a --organization b --purpose ETREAT",
            "wellgate client add --id a --organization b --purpose treat",
            "wellgate practitioner add --id a --organization b --name x --role director",
            "wellgate practitioner add --id a --name x",
        ];
        for line in refused {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn repeated_options_add_up() {
        let line = "wellgate organization add --id a --name x --kind elp --pool p --pool q --client c --purpose TREAT \
                    --purpose HPAYMT";
        let Ok(Cli { command: Command::Organization(OrganizationArguments { action: OrganizationAction::Add(add) }) }) =
            parse(line)
        else {
            panic!("the line is an organization add");
        };
        assert_eq!((add.kind, add.pools, add.purposes.len()), (OrganizationKind::Elp, vec!["p".into(), "q".into()], 2));
    }

    #[test]
    fn every_command_and_option_is_explained() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} has no explanation", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} of {}", argument.get_id(), command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        let command = Cli::command();
        command.clone().debug_assert();
        check(&command);
    }
}
