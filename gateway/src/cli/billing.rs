//! `wellgate billing`: who is paid by third-party billing, and what is kept of it.

use clap::{Args, Subcommand, ValueEnum};

use super::{ConfigArguments, fhir_id};

/// `wellgate billing`
#[derive(Args, Debug)]
pub struct BillingArguments {
    /// What to do.
    #[command(subcommand)]
    pub action: BillingAction,
}

/// What can be done about billing.
#[derive(Debug, Subcommand)]
pub enum BillingAction {
    /// Say who is paid for an organisation, into which account, and whom insurers ask; the same number again changes it
    Party(BillingPartyArguments),
    /// Remove what was paid, written off or taken out longer ago than `[billing] retention_years`, with its files and answers
    Purge(BillingPurgeArguments),
}

/// `wellgate billing purge`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  wellgate billing purge --config wellgate.toml         what would go, organisation by organisation
  wellgate billing purge --config wellgate.toml --yes   it goes, and cannot be brought back but from a backup")]
pub struct BillingPurgeArguments {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Remove it; without this it is only counted
    #[arg(long)]
    pub yes: bool,
}

/// `wellgate billing party`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example:
  wellgate billing party --config wellgate.toml --organization cgg-leie --nihdi 71000436000 --cbe 0123456749 \\
    --iban BE71096123456769 --bic GKCCBEBB --contact-name Peeters --contact-first-name An --contact-phone 470000000")]
pub struct BillingPartyArguments {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// The organisation
    #[arg(long, value_name = "ID", value_parser = fhir_id)]
    pub organization: String,
    /// The NIHDI number of the third party, 11 digits
    #[arg(long, value_name = "NUMBER")]
    pub nihdi: String,
    /// The enterprise number, 10 digits
    #[arg(long, value_name = "NUMBER")]
    pub cbe: String,
    /// The account that is paid into
    #[arg(long, value_name = "IBAN")]
    pub iban: String,
    /// Its bank
    #[arg(long, value_name = "BIC")]
    pub bic: String,
    /// What it is
    #[arg(long, value_name = "SECTOR", default_value = "ambulatory")]
    pub sector: BillingSector,
    /// The code of the profession, three digits
    #[arg(long, value_name = "CODE", default_value_t = 0)]
    pub profession: u16,
    /// The number of accreditation by CIN/NIC
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub accreditation: u64,
    /// Whom insurers ask: last name
    #[arg(long, value_name = "NAME")]
    pub contact_name: String,
    /// First name
    #[arg(long, value_name = "NAME")]
    pub contact_first_name: String,
    /// Telephone, digits alone, at most ten
    #[arg(long, value_name = "NUMBER")]
    pub contact_phone: u64,
}

/// What a third party is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BillingSector {
    /// A hospital
    Hospital,
    /// Ambulatory care
    Ambulatory,
    /// Both
    Mixed,
}
