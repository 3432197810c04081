//! The register of treatment demands (TDI, Sciensano): its questions as a dated table, the record, its rules, and what is sent.
//!
//! A record holds answers and a pseudonym, never a name and never a national number; whoever has the number makes the pseudonym and
//! passes it in. Items follow the EUDA TDI protocol 3.0 with the Belgian extension for alcohol; see `docs/tdi.md` for what is
//! still to be confirmed by Sciensano.

mod batch;
mod contact;
mod date;
mod episode;
mod questionnaire;
mod record;
mod register;
mod report;
mod response;
mod rules;
mod submission;
mod table;
mod table_reader;

pub use batch::{batch_header, batch_line, from_batch_line};
pub use contact::{Contact, contact_of_encounter, contact_of_episode_of_care};
pub use date::Date;
pub use episode::{Episode, EpisodeDecision, OUTPATIENT_MONTHS, decide_episode};
pub use questionnaire::{QUESTIONNAIRE_URL, code_system, is_ours, questionnaire};
pub use record::{Answer, Pseudonym, RecordError, Reference, TreatmentDemand};
pub use register::{RegisterFault, current};
pub use report::{CompletenessReport, ItemTotals};
pub use response::{ReadIssue, answers_of_response, to_response};
pub use rules::{Finding, Known, Rule, Severity, validate};
pub use submission::{Authors, DATA_COLLECTION, from_submission, submission};
pub use table::{Code, Group, Item, Kind, Language, Table, Texts, Validity, When};
pub use table_reader::TableError;

/// Link ids that rules refer to; every table must have them.
pub mod link {
    /// The kind of centre.
    pub const CENTRE_TYPE: &str = "centre-type";
    /// The unit or programme within the centre.
    pub const UNIT: &str = "unit";
    /// The first day of the episode.
    pub const TREATMENT_START: &str = "treatment-start";
    /// Whether the person has a national number and lets it be used.
    pub const NATIONAL_NUMBER: &str = "national-number";
    /// What stands for the number: filled in by the gateway, asked of nobody.
    pub const PSEUDONYM: &str = "pseudonym";
    /// Age in years on the first day.
    pub const AGE: &str = "age";
    /// Year of birth.
    pub const BIRTH_YEAR: &str = "birth-year";
    /// The substance for which treatment is asked.
    pub const PRIMARY_SUBSTANCE: &str = "primary-substance";
    /// Age at the first use of it.
    pub const FIRST_USE_AGE: &str = "first-use-age";
    /// Whether more than one substance is a problem.
    pub const POLYDRUG: &str = "polydrug";
    /// The other substances.
    pub const OTHER_SUBSTANCES: &str = "other-substances";
    /// Whether and when the person injected.
    pub const INJECTING: &str = "injecting";
    /// Age at the first injection.
    pub const FIRST_INJECTION_AGE: &str = "first-injection-age";
    /// Age at the first substitution treatment.
    pub const FIRST_SUBSTITUTION_AGE: &str = "first-substitution-age";
}
