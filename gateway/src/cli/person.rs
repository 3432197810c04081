//! `wellgate person`: the people who sign in and work for an organisation.

use clap::{Args, Subcommand};

use super::{ConfigArguments, Disable, fhir_id};

/// `wellgate person`
#[derive(Args, Debug)]
pub struct PersonArguments {
    /// What to do with people.
    #[command(subcommand)]
    pub action: PersonAction,
}

/// What can be done with people.
#[derive(Debug, Subcommand)]
pub enum PersonAction {
    /// Let somebody who signs in act for an organisation
    Add(PersonAdd),
    /// Print everyone with organisation, practitioner, roles, state, name and subject
    List(ConfigArguments),
    /// Shut somebody out at once: every session ends, and signing in again gives nothing
    Disable(Disable),
}

/// `wellgate person add`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  wellgate person add --config wellgate.toml --id an --subject 6f1c2a90-0d1f --name \"An Voorbeeld\" \\
      --organization elp-linde --practitioner psy-1 --role care-provider
  wellgate person add --config wellgate.toml --id dpo-linde --subject 81b0c7e4-77aa --name \"Katrien Voorbeeld\" \\
      --organization elp-linde --role dpo

Who is registered again is changed: give everything anew; the sessions of before end. Patients are not registered: the custodian of their
record gives them a code (Patient/ID/$link-code). docs/people.md says what each role may do.")]
pub struct PersonAdd {
    /// Configuration that says which database, and which identity provider.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Your id for them, by which the trail names those who are no practitioners
    #[arg(long, value_name = "ID", value_parser = fhir_id)]
    pub id: String,
    /// Who they are to the identity provider in the configuration: the `sub` of its ID tokens
    #[arg(long)]
    pub subject: String,
    /// The name that people know them by
    #[arg(long)]
    pub name: String,
    /// The organisation for which they work
    #[arg(long, value_name = "ORGANIZATION_ID", value_parser = fhir_id)]
    pub organization: String,
    /// As which practitioner they are registered; needed for care-provider, intake and billing
    #[arg(long, value_name = "PRACTITIONER_ID", value_parser = fhir_id)]
    pub practitioner: Option<String>,
    /// As what they may act: care-provider, intake, billing, supervisor, dpo or operator; repeat it for several, the first is where they begin
    #[arg(long = "role", value_name = "ROLE", required = true)]
    pub roles: Vec<String>,
}
