//! `[bulk]`: how far exports go, and Bundles that are answered later.

use super::keys::Fallback::Value;
use super::keys::Form::Integer;
use super::keys::{Key, key};
use super::reader::Reader;

/// `[bulk]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkConfig {
    /// How long after its kick-off an export is ready, in milliseconds.
    pub settle_ms: i64,
    /// How long an export is kept, in milliseconds.
    pub kept_ms: i64,
    /// Exports that one client may have at once.
    pub exports_max: u32,
    /// Files that are read at once, by all clients together.
    pub downloads_max: usize,
    /// Bytes of one `$import`.
    pub import_bytes_max: u64,
    /// Resources of one `$dossier`.
    pub dossier_resources_max: usize,
    /// Bundles that one client may have worked on later, those that are answered included.
    pub async_bundles_max: u32,
    /// Bytes of Bundles that are to be worked on later, of all clients together.
    pub async_bytes_max: usize,
}

/// The keys of the section.
pub(super) const KEYS: &[Key] = &[
    key(
        "bulk",
        "settle_seconds",
        Integer(0, 3_600),
        Value("30"),
        "Seconds after which an export is ready: what was being written when it was asked for is stored by then. As long as \
         `limits.request_timeout_seconds`, or an export since the last one may miss such a write.",
    ),
    key(
        "bulk",
        "kept_hours",
        Integer(1, 720),
        Value("24"),
        "Hours for which an export may be read, and the answer of a Bundle that came later; then it is 404.",
    ),
    key(
        "bulk",
        "exports_max",
        Integer(0, 10_000),
        Value("10"),
        "Exports that one client may have at once, those that are ready included. One more is 429. 0: none.",
    ),
    key(
        "bulk",
        "downloads_max",
        Integer(1, 1_000),
        Value("4"),
        "Files of exports that are read, and imports that are sent, at once, by all clients together. One more is 429 with `Retry-After`. \
         Of Bundles with `Prefer: respond-async` as many are worked on at once, and the others wait.",
    ),
    key(
        "bulk",
        "import_megabytes_max",
        Integer(1, 1_000_000),
        Value("1024"),
        "Most megabytes (MiB) of one `$import`; each line is held to `limits.body_bytes_max`.",
    ),
    key(
        "bulk",
        "dossier_resources_max",
        Integer(1, 100_000),
        Value("1000"),
        "Most resources of one `$dossier`. One with more is 413, and read by `$everything`.",
    ),
    key(
        "bulk",
        "async_bundles_max",
        Integer(0, 10_000),
        Value("100"),
        "Bundles with `Prefer: respond-async` that one client may have at once, those that are answered included until they are deleted or \
         `kept_hours` are over. One more is 429. 0: every Bundle is answered at once.",
    ),
    key(
        "bulk",
        "async_megabytes_max",
        Integer(1, 1_000_000),
        Value("64"),
        "Megabytes (MiB) of such Bundles in memory, of all clients together; each counts as 64 KiB at least. One more is 429 with \
         `Retry-After`, and one that alone is longer is answered at once.",
    ),
];

pub(super) fn read(reader: &mut Reader) -> BulkConfig {
    let (settle_seconds, kept_hours): (u32, u32) =
        (reader.integer("bulk.settle_seconds"), reader.integer("bulk.kept_hours"));
    BulkConfig {
        settle_ms: i64::from(settle_seconds) * 1_000,
        kept_ms: i64::from(kept_hours) * 60 * 60 * 1_000,
        exports_max: reader.integer("bulk.exports_max"),
        downloads_max: usize::try_from(reader.integer("bulk.downloads_max")).unwrap_or(usize::MAX),
        import_bytes_max: u64::from(reader.integer("bulk.import_megabytes_max")) * 1024 * 1024,
        dossier_resources_max: usize::try_from(reader.integer("bulk.dossier_resources_max")).unwrap_or(usize::MAX),
        async_bundles_max: reader.integer("bulk.async_bundles_max"),
        async_bytes_max: usize::try_from(reader.integer("bulk.async_megabytes_max"))
            .unwrap_or(usize::MAX)
            .saturating_mul(1024 * 1024),
    }
}
