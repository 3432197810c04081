//! Where a referral goes, and what may happen next: the workflow as one table, and what a waiting room sees.
//!
//! Pure: no storage, no clock. The table drives the code, the generated documentation and the tests.

pub mod feedback;
pub mod intake;
pub mod intake_words;
pub mod minimum;
pub mod task;
pub mod transitions;

pub use transitions::{Actor, Custody, Event, Kind, Notice, Sight, State, TRANSITIONS, Transition};
