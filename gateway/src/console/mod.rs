//! The billing pages: a clerk's month, from what waits to what was paid. Rendered here by `askama`, with htmx for what moves; no page needs
//! a script to be used.
//!
//! What is shown is the organisation's own compartment of third-party billing: names, codes of services and amounts, no dossier. A national
//! number is shown masked. Every page, file and act is on record before its answer (`desk`). `docs/billing.md` has the rules.

mod advice;
pub mod assets;
mod chart;
pub mod correct;
pub mod decide;
mod desk;
pub mod export;
pub mod import;
pub mod lines;
pub mod months;
mod office;
#[cfg(test)]
mod page_tests;
mod pages;
pub mod running;
pub mod sendings;
pub mod sums;
mod table;
mod view;
mod words;
pub mod work;

use crate::access::caller::Act;

/// Looking at any of it.
pub const VIEW: Act = Act::new("R", "billing-view");
/// Checking the lines of a month.
pub const PREPARE: Act = Act::new("E", "billing-prepare");
/// Taking lines in from a file.
pub const IMPORT: Act = Act::new("C", "billing-import");
/// Making a line right that was not sent, or one in the place of a refused one.
pub const CORRECT: Act = Act::new("U", "billing-correct");
/// Sealing lines into a file, which leaves.
pub const SEAL: Act = Act::new("E", "billing-seal");
/// Correcting a line and sealing it at once.
pub const RESEND: Act = Act::new("E", "billing-resend");
/// Handing out a list as a file.
pub const EXPORT: Act = Act::new("R", "billing-export");
/// Handing out the very file that was sent.
pub const DOWNLOAD: Act = Act::new("R", "billing-download");
/// Giving a line up, or taking it out of billing.
pub const WRITE_OFF: Act = Act::new("U", "billing-write-off");
/// Taking a paid line back.
pub const CREDIT: Act = Act::new("U", "billing-credit");
