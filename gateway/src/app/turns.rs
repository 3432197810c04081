//! Who decides a write again, one after the other.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use tokio::sync::{Mutex, MutexGuard};

/// Whose turn it is to decide a write again, by record. Records that share a place wait for each other, and nothing worse.
#[derive(Debug)]
pub struct Turns(Vec<Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..=u8::MAX).map(|_| Mutex::default()).collect())
    }
}

impl Turns {
    /// Waits until those before are done. The turn ends when what is answered is dropped.
    pub async fn take(&self, record: &str) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        record.hash(&mut hasher);
        let [place, ..] = hasher.finish().to_be_bytes();
        self.0[usize::from(place)].lock().await
    }
}
