//! `wellgate channel`: where organisations are told what happens.

use clap::{Args, Subcommand};

use super::{ConfigArguments, fhir_id};

/// `wellgate channel`
#[derive(Args, Debug)]
pub struct ChannelArguments {
    /// What to do.
    #[command(subcommand)]
    pub action: ChannelAction,
}

/// What can be done with channels.
#[derive(Debug, Subcommand)]
pub enum ChannelAction {
    /// Register where an organisation is told what happens, in place of its former channel
    Set(ChannelSet),
    /// Print every channel
    List(ConfigArguments),
    /// Take an organisation's channel away. What waits for it stays, and leaves by the next one
    Remove(ChannelOf),
}

/// `wellgate channel set`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  wellgate channel set --config wellgate.toml --organization cgg-noord --ehr https://ehr.cgg-noord.example/fhir
  wellgate channel set --config wellgate.toml --organization cgg-noord --officer --mail dpo@cgg-noord.example")]
pub struct ChannelSet {
    /// Whose channel, and which database.
    #[command(flatten)]
    pub of: ChannelOf,
    /// Base URL of the organisation's own FHIR server: it is sent messages with what the organisation may see
    #[arg(long, value_name = "URL", required_unless_present = "mail", conflicts_with_all = ["mail", "officer"])]
    pub ehr: Option<String>,
    /// Mail address: it is told that there is something, and never what
    #[arg(long, value_name = "ADDRESS")]
    pub mail: Option<String>,
}

/// Whose channel is meant.
#[derive(Args, Clone, Debug)]
pub struct ChannelOf {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// The organisation's id
    #[arg(long, value_name = "ID", value_parser = fhir_id)]
    pub organization: String,
    /// Its data-protection officer instead, who is told of emergencies
    #[arg(long)]
    pub officer: bool,
}

impl ChannelArguments {
    /// Configuration that says which database.
    pub fn config(&self) -> &ConfigArguments {
        match &self.action {
            ChannelAction::Set(set) => &set.of.config,
            ChannelAction::List(config) => config,
            ChannelAction::Remove(of) => &of.config,
        }
    }
}
