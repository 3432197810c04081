//! What the gateway itself says of a version: its number and its `meta`.

use serde_json::{Value, json};

use crate::storage::write_set::VersionId;

/// `meta` as it is kept: the client's, with the gateway's version and time.
pub(super) fn meta(value: &Value, version: VersionId, instant: &str) -> Value {
    let mut meta = value.get("meta").filter(|meta| meta.is_object()).cloned().unwrap_or_else(|| json!({}));
    meta["versionId"] = json!(version.to_string());
    meta["lastUpdated"] = json!(instant);
    meta
}

/// What tells apart versions of one millisecond.
pub(super) fn fresh_bits() -> u16 {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    u16::from_be_bytes([bytes[0], bytes[1]])
}
