//! The FHIR R4 REST interface, a file an interaction, named as the specification names it.
//!
//! <https://hl7.org/fhir/R4/http.html>

pub mod answer;
pub mod asked;
pub mod audit_event;
pub mod batch;
pub mod bundle;
pub mod capabilities;
pub mod change;
pub mod conditional;
pub mod consent_conflicts;
mod consent_data;
pub mod content;
pub mod create;
pub mod delete;
pub mod entry;
pub mod exchange;
pub mod follow;
pub mod history;
pub mod operations;
pub mod owner;
pub mod patch;
pub mod read;
pub mod representative;
pub mod results;
pub mod search;
mod subscription;
pub mod system_search;
pub mod transaction;
pub mod update;
mod value_set;
pub mod write;
