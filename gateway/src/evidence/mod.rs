//! The evidence over the trail: sealed in the background while the gateway runs, verified offline by who has the public key.
//!
//! What is sealed and how is pure, in `audit/seal.rs` and `audit/check.rs`; here it meets the database. `docs/evidence.md` explains it.

pub mod erasure;
pub mod sealer;
pub mod verify;

pub use sealer::{Sealer, seal_all};
pub use verify::verify;
