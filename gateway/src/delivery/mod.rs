//! Sends what waits to leave: leased in batches a partner, decided on again immediately before it is sent, and settled under the fence
//! of its lease.
//!
//! One partner's slowness is no other's: each has a task and places of its own. What follows from an attempt is decided in `queue.rs`;
//! what is sent, and whether it may be, in `payload.rs`.

mod hook;
mod inbox;
mod insurers;
mod outcome;
mod partners;
mod payload;
mod worker;

pub use insurers::{CARE_FUND, Insurers, MUTUALITY};
pub use outcome::{Decided, decide, decide_because};
pub use partners::{Outside, PartnersError};
pub use worker::Worker;
