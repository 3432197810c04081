//! `[emergency]`: how far emergency access goes.

use super::keys::Fallback::Value;
use super::keys::Form::Integer;
use super::keys::{Key, key};

/// `[emergency]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmergencyConfig {
    /// How long a session lasts, in milliseconds.
    pub session_ms: i64,
    /// Sessions that one client may have open at once.
    pub sessions_open_max: usize,
    /// Longest text about an emergency, in characters.
    pub text_characters_max: usize,
    /// Most items that one crisis disclosure shares.
    pub shared_items_max: usize,
}

/// The keys of the section.
pub(super) const KEYS: &[Key] = &[
    key(
        "emergency",
        "session_hours",
        Integer(1, 72),
        Value("4"),
        "Hours after which an emergency session ends by itself.",
    ),
    key(
        "emergency",
        "sessions_open_max",
        Integer(1, 10_000),
        Value("10"),
        "Emergency sessions that one client, or one practitioner who signed in by a browser, may have open at once. One more is 403.",
    ),
    key(
        "emergency",
        "text_characters_max",
        Integer(100, 100_000),
        Value("4000"),
        "Longest reason, verdict or other text about an emergency. A longer one is 422.",
    ),
    key(
        "emergency",
        "shared_items_max",
        Integer(1, 10_000),
        Value("100"),
        "Most items that one crisis disclosure shares. More are 422.",
    ),
];
