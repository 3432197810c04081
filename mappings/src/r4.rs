//! HL7 FHIR R4 (4.0.1): the structure of resources and the forms of its primitive types.
//!
//! <https://hl7.org/fhir/R4/>

pub mod invariants;
pub mod issue;
pub(crate) mod place;
pub mod primitive;
pub mod structure;
pub mod time;
