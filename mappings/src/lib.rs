//! What the partners of the gateway speak, as pure functions: JSON, FHIR R4, identifiers, Co-prev, the register of treatment demands, the file of
//! third-party billing; and where a postcode lies. No clock, and no I/O but on what is handed in.

pub mod billing;
pub mod claim;
pub mod claim_import;
pub mod claim_line;
pub mod co_prev;
mod fhir_path;
pub mod identifiers;
pub mod json;
pub mod message;
pub mod notification;
pub mod patch;
pub mod portal_export;
pub mod postcode;
pub mod profile;
pub mod r4;
pub mod sheet;
pub mod subscription;
pub mod tariff;
pub mod tdi;
