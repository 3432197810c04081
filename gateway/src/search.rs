//! Floor 1: what can be searched, which rows a resource is found by, what a query asks, and to which record a type belongs.
//!
//! <https://hl7.org/fhir/R4/search.html>. Pure: no I/O, no clock, and no knowledge of SQL or of who is asking. What can be
//! searched is data, generated from the official definitions; how a type belongs to a record is our own, in [`overlay`].

pub mod compartment;
pub mod cursor;
pub mod include;
pub mod index;
pub mod number;
pub mod overlay;
pub mod parameters;
mod path;
pub mod query;
pub mod restriction;
pub mod result;
pub mod text;
pub mod words;
