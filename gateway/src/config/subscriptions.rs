//! `[subscriptions]`: how many, and what is kept of each.

use super::keys::Fallback::Value;
use super::keys::Form::Integer;
use super::keys::{Key, key};
use super::reader::Reader;

/// `[subscriptions]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionsConfig {
    /// Subscriptions that one organisation may have.
    pub organization_max: u32,
    /// Events of one subscription that are kept for `$events`.
    pub events_max: u32,
}

/// The keys of the section.
pub(super) const KEYS: &[Key] = &[
    key(
        "subscriptions",
        "organization_max",
        Integer(0, 10_000),
        Value("20"),
        "Subscriptions that one organisation may have, those that are off included. 0: none.",
    ),
    key(
        "subscriptions",
        "events_max",
        Integer(1, 100_000),
        Value("1000"),
        "Events of one subscription that `$events` still knows; then the oldest are forgotten.",
    ),
];

pub(super) fn read(reader: &mut Reader) -> SubscriptionsConfig {
    SubscriptionsConfig {
        organization_max: reader.integer("subscriptions.organization_max"),
        events_max: reader.integer("subscriptions.events_max"),
    }
}
