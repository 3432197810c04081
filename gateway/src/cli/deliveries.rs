//! `wellgate deliveries`: what must leave the gateway, and what an operator decides about it.

use clap::{Args, Subcommand, ValueEnum};

use super::ConfigArguments;

/// `wellgate deliveries`
#[derive(Args, Debug)]
pub struct DeliveriesArguments {
    /// What to do.
    #[command(subcommand)]
    pub action: DeliveriesAction,
}

/// What can be done with deliveries.
#[derive(Debug, Subcommand)]
pub enum DeliveriesAction {
    /// Print them, the oldest first: each with its state, whom it is for, what it is about, its age and why it is where it is
    List(Listed),
    /// Print all that is known of one
    Show(Shown),
    /// Let them leave now: what is held since a restore, waits for its next attempt, or is to be asked about. Consents are asked again
    /// before each, and a partner who may have it already is asked first
    Release(Decided),
    /// Give them up
    Abandon(Decided),
    /// Send once more what came to its end, as a delivery of its own that names the first. Consents are asked again
    Rerun(Rerun),
}

/// The states that deliveries are listed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeliveryState {
    /// Sent when it is due
    Waiting,
    /// At a gateway at this moment
    Leased,
    /// The partner may have it, and is asked
    Uncertain,
    /// Held since a restore
    Held,
    /// The partner has it
    Delivered,
    /// The partner does not take it
    Rejected,
    /// Tried often enough
    Dead,
    /// It may not leave any more
    Void,
    /// Given up by an operator
    Abandoned,
}

/// `wellgate deliveries list`
#[derive(Args, Clone, Debug)]
pub struct Listed {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Only those in this state
    #[arg(long, value_name = "STATE")]
    pub state: Option<DeliveryState>,
    /// Only those for this partner, such as `organization/cgg-leie`
    #[arg(long, value_name = "PARTNER")]
    pub partner: Option<String>,
}

/// `wellgate deliveries show`
#[derive(Args, Clone, Debug)]
pub struct Shown {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Its id, as `wellgate deliveries list` prints it
    #[arg(value_name = "ID")]
    pub id: String,
}

/// `wellgate deliveries rerun`
#[derive(Args, Clone, Debug)]
pub struct Rerun {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Ids, as `wellgate deliveries list` prints them
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
}

/// Which deliveries an operator has decided about.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct Decided {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Ids, as `wellgate deliveries list` prints them
    #[arg(value_name = "ID", required_unless_present = "held", conflicts_with = "held")]
    pub ids: Vec<String>,
    /// All that are held since a restore
    #[arg(long)]
    pub held: bool,
}

impl DeliveriesArguments {
    /// Configuration that says which database.
    pub fn config(&self) -> &ConfigArguments {
        match &self.action {
            DeliveriesAction::List(listed) => &listed.config,
            DeliveriesAction::Show(shown) => &shown.config,
            DeliveriesAction::Release(decided) | DeliveriesAction::Abandon(decided) => &decided.config,
            DeliveriesAction::Rerun(rerun) => &rerun.config,
        }
    }
}
