//! What the partners of the gateway speak, as pure functions: JSON, FHIR R4, identifiers, Co-prev; and where a postcode lies. No I/O and no clock.

pub mod co_prev;
pub mod identifiers;
pub mod json;
pub mod message;
pub mod notification;
pub mod postcode;
pub mod r4;
pub mod subscription;
pub mod tdi;
