//! Making index rows anew that an older version made: until that is done, such a resource is found by what that version knew.
//!
//! It goes on where it was stopped, and several gateways may do it at once: what has its new rows is not found again.

use std::time::Duration;

use serde_json::Value;

use crate::access::draft::index_rows;
use crate::app::App;
use crate::storage::facts::Located;
use crate::storage::reindex::IndexRows;
use crate::storage::{StorageError, Store};

/// Resources of a step: as many as one short write takes.
const STEP: u32 = 100;
/// Characters of a step, so that its memory is bounded: one resource may be longer.
const STEP_BYTES: u32 = 8 << 20;

/// Makes anew what an older version made of the index, again and again: what is still to be sealed comes later.
pub async fn reindex_always(app: App, every: Duration) {
    loop {
        let tell = |left| tracing::info!(left, "resources are indexed anew");
        if let Err(error) = reindex(&app.store, &app.base_url, tell).await {
            tracing::warn!(%error, "what an older version indexed could not be indexed anew, it is tried again");
        }
        tokio::time::sleep(every).await;
    }
}

/// Makes every row anew that an older version made, and tells after each step how many resources are left. Answers how many
/// were done.
///
/// # Errors
/// [`StorageError`]: what was done until then stays done.
pub async fn reindex(store: &Store, base_url: &str, mut tell: impl FnMut(u64)) -> Result<u64, StorageError> {
    let mut done = 0;
    loop {
        let stale = store.stale_index((STEP, STEP_BYTES)).await?;
        if stale.is_empty() {
            return Ok(done);
        }
        done += u64::try_from(stale.len()).unwrap_or_default();
        let made: Vec<(Located, IndexRows)> = stale
            .into_iter()
            .map(|located| {
                let rows = rows_of(&located, base_url);
                (located, rows)
            })
            .collect();
        store.put_index(made).await?;
        tell(store.count_stale_index().await?);
    }
}

/// The rows of a stored version; none of what was deleted.
fn rows_of(located: &Located, base_url: &str) -> IndexRows {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    let Some(whole) = parsed(&located.body).filter(|_| !located.deleted) else { return Vec::new() };
    let minimum = located.minimum.as_deref().and_then(parsed);
    index_rows(located.key.resource_type, &whole, minimum.as_ref(), base_url)
}
