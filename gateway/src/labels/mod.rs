//! What a resource is about, as facts that a Consent can be held against: how sensitive it is, when it is from, what it refers to.
//!
//! Pure: facts are computed from the JSON when a version is written, and kept beside it as columns, so that an old version
//! is judged by its own. Nothing here knows Consents, storage, HTTP or the clock.

mod about;
mod label;
mod meta;
mod table;

pub use about::{ATOMS_BYTES_MAX, DataPeriod, Facts, ResourceFacts, Source, facts};
pub use label::{ACT_CODE_SYSTEM, CONFIDENTIALITY_SYSTEM, Label, LabelSet};
pub use meta::{declared, keep_declared, stamp};
pub use table::{LabelTable, TableError};
