//! What is recorded: the audit event of every access and every refusal, and how it reads as a FHIR `AuditEvent`.
//!
//! Pure: events are values, and so are the seals over them; the storage keeps them in the transaction of their cause.
//! Shape after IHE BALP 1.1 (<https://profiles.ihe.net/ITI/BALP/>).

pub mod catalogue;
pub mod check;
pub mod event;
pub mod resource;
pub mod seal;
pub mod seal_key;
pub mod words;

pub use event::{Actor, AuditEvent, Outcome};

#[cfg(test)]
mod seal_tests;
