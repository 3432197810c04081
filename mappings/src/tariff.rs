//! What is billed, at which price, by which channel and to whom: dated tables, and a contact or line priced by them.
//!
//! Nothing of it is a constant: tariffs and care funds are the operator's files, what we ship of channels, mutualities and
//! insurability the operator may replace (`docs/tariffs.md`). No official tariff comes with the program; those of the sandbox are made
//! up and say so.
//!
//! This module knows no file system, no database and not the time: tables come as bytes, days and counts as values.

mod channel;
mod days;
mod earlier;
mod insurability;
mod insurer;
mod price;
mod price_issue;
mod reader;
mod tables;
mod tariff_reader;
mod tariffs;

pub use channel::Channel;
pub use days::Period;
pub use earlier::{Billed, twin, twin_code};
pub use insurability::Class;
pub use insurer::Destination;
pub use price::{Asked, Insured, Priced, Stated, price};
pub use price_issue::PriceIssue;
pub use tables::{Files, TableIssue, Tables};
pub use tariffs::{Amounts, Contact, EncounterRule, Limit, LimitWindow, RecordKind, Tariff, Window};

#[cfg(test)]
mod history_tests;
#[cfg(test)]
pub(crate) mod tests;
