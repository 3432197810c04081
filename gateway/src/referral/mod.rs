//! The life of a referral: placing, waiting, pick-up, forwarding, closing, and what a withdrawal does to it.
//!
//! What may happen is `routing::TRANSITIONS`; here it is decided on the record's Consents and turned into rows of a draft.
//! Each act is its own decision with its own record in the trail.

pub mod act;
pub mod close;
pub mod dossier;
pub mod expiry;
pub mod intake;
mod intake_form;
mod intake_round;
pub mod place;
pub mod rooms;
pub mod step;
pub mod subscribers;
pub mod withdraw;
