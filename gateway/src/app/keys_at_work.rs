//! Idempotency keys under which somebody is at work.

use std::collections::HashSet;
use std::sync::PoisonError;

/// The idempotency keys of requests that are being worked on, with their owners.
#[derive(Debug, Default)]
pub struct KeysAtWork(std::sync::Mutex<HashSet<(String, String)>>);

/// A key that is at work, until it is dropped.
#[derive(Debug)]
pub struct KeyAtWork<'k> {
    keys: &'k KeysAtWork,
    key: (String, String),
}

impl KeysAtWork {
    /// Puts a key to work; none where it is already. There are no more than requests in flight.
    pub fn begin(&self, owner: &str, key: &str) -> Option<KeyAtWork<'_>> {
        let key = (owner.to_owned(), key.to_owned());
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.clone()).then(|| KeyAtWork { keys: self, key })
    }
}

impl Drop for KeyAtWork<'_> {
    fn drop(&mut self) {
        self.keys.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
