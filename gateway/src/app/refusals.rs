//! Refusals of callers who did not say who they are, counted until they are written.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// Counts of refusals, a number a minute and reason, so that unauthenticated callers cannot flood the trail.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<BTreeMap<(i64, &'static str), i64>>);

impl Refusals {
    /// Counts the refusal of a request that was not authenticated.
    pub fn count(&self, reason: &'static str, now_ms: i64) {
        let minute_ms = now_ms - now_ms.rem_euclid(60_000);
        if let Ok(mut counts) = self.0.lock() {
            *counts.entry((minute_ms, reason)).or_default() += 1;
        }
    }

    /// Takes what was counted, to write it.
    pub fn take(&self) -> BTreeMap<(i64, &'static str), i64> {
        self.0.lock().map(|mut counts| std::mem::take(&mut *counts)).unwrap_or_default()
    }
}
