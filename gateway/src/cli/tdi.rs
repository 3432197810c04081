//! `wellgate tdi`: the register of treatment demands.

use clap::{Args, Subcommand, ValueEnum};

use super::{ConfigArguments, fhir_id};

/// `wellgate tdi`
#[derive(Args, Debug)]
pub struct TdiArguments {
    /// What to do with the register.
    #[command(subcommand)]
    pub action: TdiAction,
}

/// What can be done with the register.
#[derive(Debug, Subcommand)]
pub enum TdiAction {
    /// Say that the treatments of an organisation are registered, and as what kind of centre; without a kind they are not any more
    Centre(TdiCentre),
    /// Print how complete a year of an organisation is, as JSON: totals of every item, refusals, what is late, what is to be mended
    Report(TdiYear),
    /// Print the file of a year of an organisation, comma-separated: what is complete and not refused
    File(TdiYear),
    /// Print the Questionnaire that is answered for the register (FHIR R4), as it is asked of treatments that begin today
    Questionnaire(TdiQuestionnaire),
}

/// `wellgate tdi centre`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example:
  wellgate tdi centre --config wellgate.toml --organization cgg-leie --kind outpatient --register-id 1001

Without --register-id nothing is submitted: the organisation hands in the file of the year.")]
pub struct TdiCentre {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// The organisation
    #[arg(long, value_name = "ID", value_parser = fhir_id)]
    pub organization: String,
    /// A kind of centre that it is; may be given several times
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<CentreKind>,
    /// Its id at the register
    #[arg(long, value_name = "ID", value_parser = fhir_id)]
    pub register_id: Option<String>,
}

/// A kind of centre, as the register has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CentreKind {
    /// Visits
    Outpatient,
    /// Stays
    Inpatient,
    /// In a prison
    Prison,
    /// A general practitioner
    GeneralPractitioner,
    /// Low threshold
    LowThreshold,
    /// Another
    Other,
}

/// `wellgate tdi report`, `wellgate tdi file`
#[derive(Args, Clone, Debug)]
pub struct TdiYear {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// The organisation
    #[arg(long, value_name = "ID", value_parser = fhir_id)]
    pub organization: String,
    /// The year in which the treatments began
    #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(u16).range(2000..=9998))]
    pub year: u16,
    /// The language of the texts of a report
    #[arg(long, value_name = "LANGUAGE", default_value = "en")]
    pub language: TdiLanguage,
}

/// `wellgate tdi questionnaire`
#[derive(Args, Clone, Debug)]
pub struct TdiQuestionnaire {
    /// Its language
    #[arg(long, value_name = "LANGUAGE", default_value = "nl")]
    pub language: TdiLanguage,
}

/// A language of the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TdiLanguage {
    /// Dutch
    Nl,
    /// French
    Fr,
    /// English
    En,
}
