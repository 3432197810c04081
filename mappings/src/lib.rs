//! What the partners of the gateway speak, as pure functions: JSON, FHIR R4, identifiers. No I/O and no clock.

pub mod identifiers;
pub mod json;
pub mod r4;
pub mod tdi;
