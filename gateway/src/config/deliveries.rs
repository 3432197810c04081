//! `[deliveries]`: how often and how many at once.

use std::time::Duration;

use super::keys::Fallback::Value;
use super::keys::Form::Integer;
use super::keys::{Key, key};
use super::reader::Reader;

/// `[deliveries]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveriesConfig {
    /// Sends before a delivery is dead.
    pub attempts_max: u32,
    /// Unanswered inquiries before a person has to ask.
    pub inquiries_max: u32,
    /// Deliveries to one partner that are under way at once, at each gateway.
    pub parallel_max: u32,
    /// How long a gateway has a delivery for itself.
    pub lease: Duration,
}

/// The keys of the section.
pub(super) const KEYS: &[Key] = &[
    key(
        "deliveries",
        "attempts_max",
        Integer(1, 1_000),
        Value("20"),
        "How often a delivery is sent before it is dead and waits for the operator. Waits between double from 5 seconds to an hour, \
         so 20 take some ten hours.",
    ),
    key(
        "deliveries",
        "inquiries_max",
        Integer(1, 1_000),
        Value("20"),
        "How often a partner is asked whether it has a delivery of which that is not known, before a person has to ask.",
    ),
    key(
        "deliveries",
        "parallel_max",
        Integer(1, 1_000),
        Value("16"),
        "Deliveries to one partner that are under way at once at each gateway. Partners do not wait for each other.",
    ),
    key(
        "deliveries",
        "lease_seconds",
        Integer(60, 86_400),
        Value("120"),
        "How long a gateway has a delivery for itself. After that another takes it, and asks the partner whether it has it before it \
         sends anything.",
    ),
];

pub(super) fn read(reader: &mut Reader) -> DeliveriesConfig {
    DeliveriesConfig {
        attempts_max: reader.integer("deliveries.attempts_max"),
        inquiries_max: reader.integer("deliveries.inquiries_max"),
        parallel_max: reader.integer("deliveries.parallel_max"),
        lease: Duration::from_secs(reader.integer("deliveries.lease_seconds").into()),
    }
}
