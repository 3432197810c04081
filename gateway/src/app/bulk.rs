//! The room for downloads of exports: each goes on after its request was answered, where no other limit holds it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Jobs;
use crate::config::BulkConfig;

/// How far exports go, and how many are read.
#[derive(Debug)]
pub struct Bulk {
    /// The limits.
    pub config: BulkConfig,
    /// Bundles that are worked on after their request was answered.
    pub jobs: Jobs,
    room: Arc<Semaphore>,
}

impl Bulk {
    /// The room that the configuration gives.
    pub fn new(config: BulkConfig) -> Self {
        Self { room: Arc::new(Semaphore::new(config.downloads_max)), jobs: Jobs::new(&config), config }
    }

    /// Room for one download, until what is answered is dropped; none where all is taken.
    pub fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }
}
