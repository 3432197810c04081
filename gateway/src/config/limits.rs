//! The keys of `[limits]`: how much anybody may ask. [`Limits`] is what they mean in the program.

use std::time::Duration;

use super::keys::Fallback::Value;
use super::keys::Form::Integer;
use super::keys::{Key, key};

/// `[limits]`
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest request body.
    pub body_bytes_max: usize,
    /// Longest answer of a search, a history or a batch.
    pub answer_bytes_max: usize,
    /// Most entries of a batch or transaction.
    pub bundle_entries_max: usize,
    /// Entries of a batch that are worked on at once.
    pub batch_entries_at_once: usize,
    /// Most operations of a patch.
    pub patch_operations_max: usize,
    /// Deepest nesting of a JSON body.
    pub nesting_max: usize,
    /// Resources on a page without `_count`.
    pub search_count_default: u32,
    /// Most resources on a page.
    pub search_count_max: u32,
    /// Most resources that a page brings along beside its matches.
    pub search_includes_max: usize,
    /// How often `_include:iterate` is applied to what it brought.
    pub search_include_rounds_max: u32,
    /// Most links of one chain of a search.
    pub search_chain_depth_max: usize,
    /// Most links of all chains of a search.
    pub search_chain_links_max: usize,
    /// Requests worked on at once.
    pub requests_in_flight_max: usize,
    /// Requests that wait for room.
    pub requests_waiting_max: usize,
    /// How long one waits.
    pub request_wait: Duration,
    /// Requests a second of one client; 0: as many as it likes.
    pub client_requests_per_second_max: u32,
    /// Requests a minute from one address that prove nobody's identity; 0: as many as come.
    pub unauthenticated_per_minute_max: u32,
    /// Longest time for a body to arrive.
    pub body_timeout: Duration,
    /// Longest time without a byte of it.
    pub body_pause: Duration,
    /// Longest time for one request.
    pub request_timeout: Duration,
    /// Longest time for a request's head.
    pub header_read_timeout: Duration,
    /// Open connections.
    pub connections_max: usize,
    /// Open connections from one address.
    pub connections_per_address_max: usize,
    /// Writes that wait for a commit.
    pub write_queue_max: usize,
}

/// The keys of the section.
pub(super) const KEYS: &[Key] = &[
    key(
        "limits",
        "body_bytes_max",
        Integer(1_024, 1_073_741_824),
        Value("5242880"),
        "Longest request body, in bytes. A longer one is 413.",
    ),
    key("limits", "bundle_entries_max", Integer(1, 100_000), Value("5000"), "Most entries in a batch or transaction."),
    key(
        "limits",
        "batch_entries_at_once",
        Integer(1, 64),
        Value("8"),
        "Entries of a batch that are worked on at once; the answers keep their order.",
    ),
    key("limits", "patch_operations_max", Integer(1, 10_000), Value("200"), "Most operations in a patch."),
    key("limits", "nesting_max", Integer(8, 256), Value("64"), "Deepest nesting of a JSON body."),
    key(
        "limits",
        "search_count_default",
        Integer(1, 10_000),
        Value("50"),
        "Resources on a search page when the request has no `_count`.",
    ),
    key(
        "limits",
        "search_count_max",
        Integer(1, 10_000),
        Value("500"),
        "Most resources on a search page; a larger `_count` is lowered to it.",
    ),
    key(
        "limits",
        "search_includes_max",
        Integer(1, 10_000),
        Value("1000"),
        "Most resources that a page brings along by `_include` and `_revinclude`; as many references are followed. The answer \
         says where there may be more.",
    ),
    key(
        "limits",
        "search_include_rounds_max",
        Integer(0, 16),
        Value("4"),
        "How often `:iterate` is applied to what it brought along.",
    ),
    key(
        "limits",
        "search_chain_depth_max",
        Integer(0, 10),
        Value("3"),
        "Most links of one chain of a search, by `.` or by `_has`; 0: no chains.",
    ),
    key(
        "limits",
        "search_chain_links_max",
        Integer(0, 50),
        Value("8"),
        "Most links of all chains of a search, one for each type that a reference may be to.",
    ),
    key(
        "limits",
        "answer_bytes_max",
        Integer(65_536, 1_073_741_824),
        Value("20971520"),
        "Longest answer, in bytes. A page ends earlier and links to the next; a batch answers 413 for the entries beyond.",
    ),
    key(
        "limits",
        "requests_in_flight_max",
        Integer(1, 100_000),
        Value("512"),
        "Requests worked on at once; further ones wait.",
    ),
    key(
        "limits",
        "requests_waiting_max",
        Integer(0, 100_000),
        Value("512"),
        "Requests that wait for room. One more is 503 with `Retry-After` at once.",
    ),
    key(
        "limits",
        "request_wait_milliseconds",
        Integer(0, 60_000),
        Value("1000"),
        "Longest time that a request waits for room before it is 503 with `Retry-After`.",
    ),
    key(
        "limits",
        "client_requests_per_second_max",
        Integer(0, 1_000_000),
        Value("1000"),
        "Requests a second of one client at each gateway, an entry of a Bundle being one; for a moment twice as many. One \
         more is 429 with `Retry-After`. 0: no limit.",
    ),
    key(
        "limits",
        "unauthenticated_per_minute_max",
        Integer(0, 1_000_000),
        Value("600"),
        "Requests a minute from one address (of IPv6: one /64) that prove nobody's identity; for a moment twice as many. \
         Beyond it, every request from there is 429 with `Retry-After`. 0: no limit, as behind a proxy, which has to set one itself.",
    ),
    key(
        "limits",
        "request_timeout_seconds",
        Integer(1, 3_600),
        Value("30"),
        "Longest time for one request, its body included.",
    ),
    key(
        "limits",
        "body_timeout_seconds",
        Integer(1, 3_600),
        Value("20"),
        "Longest time for a body to arrive; then 408.",
    ),
    key(
        "limits",
        "body_pause_seconds",
        Integer(1, 300),
        Value("5"),
        "Longest time without a byte of a body; then 408.",
    ),
    key(
        "limits",
        "header_read_timeout_seconds",
        Integer(1, 300),
        Value("10"),
        "Longest time for a request's head to arrive, and for an idle HTTP/1 connection to stay. A TLS handshake has as long, and ten seconds at most.",
    ),
    key(
        "limits",
        "connections_max",
        Integer(1, 1_000_000),
        Value("2048"),
        "Open connections; further ones wait to be accepted.",
    ),
    key(
        "limits",
        "connections_per_address_max",
        Integer(1, 1_000_000),
        Value("512"),
        "Open connections from one address (of IPv6: one /64); a further one is closed at once. Behind a proxy: as many as \
         `connections_max`.",
    ),
    key(
        "limits",
        "write_queue_max",
        Integer(1, 1_000_000),
        Value("4096"),
        "Writes that wait for a commit. One more is 429 with `Retry-After`.",
    ),
];
