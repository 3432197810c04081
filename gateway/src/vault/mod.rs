//! Sealed values: national numbers and what else the operator names are kept as holes in the stored bytes.
//!
//! A hole is a place in the text that holds [`MASK`]; the value itself stands beside the text, sealed with a key of its record
//! (AES-256-GCM-SIV, so that a nonce used twice tells no more than that two values are equal). Keys of records are kept outside the
//! database, wrapped by a key-encryption key of the operator's; without them nothing fills a hole. A sealed value is found by a
//! token that its record's key makes of it, and which token that is only the key store knows.

mod cipher;
mod holes;
mod keys;
mod places;
mod stray;

pub use cipher::DataKey;
pub use holes::{Holes, MASK};
pub use keys::{BlindKey, KeyRing, KeyRingError, KeyringId};
pub use places::SealedElements;
pub use stray::{has_number, stray_number};

/// What a key is for: the record of a person, or a single resource outside of one.
///
/// In the directory and in an organisation's own compartment there is no record whose number would be destroyed with it, so each
/// resource there has a key.
pub fn scope(compartment: &str, resource_type: &str, id: &str) -> String {
    if compartment.contains('/') || compartment == "directory" {
        format!("{compartment}/{resource_type}/{id}")
    } else {
        compartment.to_owned()
    }
}

#[cfg(test)]
mod tests;
