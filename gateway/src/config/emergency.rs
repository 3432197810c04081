//! `[emergency]`: how far emergency access goes.

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
