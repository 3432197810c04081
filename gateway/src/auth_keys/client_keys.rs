//! The keys of clients that publish them by URL: fetched when they are needed, remembered, and fetched again when an assertion
//! names one that is not known.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use connectors::http::{HttpClient, HttpError};
use connectors::jwks::fetch_jwks;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::auth::{Assertion, KeySet, TokenError};

/// How long keys are used without being fetched again, unless their server says longer.
const FRESH: Duration = Duration::from_mins(5);
/// The least time between two fetches from one client, whatever assertions ask for.
const PAUSE: Duration = Duration::from_mins(1);

/// The key sets by their URLs. Only the operator names URLs, so there are no more than clients.
#[derive(Debug)]
pub struct ClientKeySets {
    client: HttpClient,
    sets: Mutex<HashMap<String, Arc<Mutex<Fetched>>>>,
    pause: Duration,
}

#[derive(Debug, Default)]
struct Fetched {
    keys: KeySet,
    asked: Option<Instant>,
    fresh_for: Duration,
}

impl ClientKeySets {
    /// None yet.
    ///
    /// # Errors
    /// [`HttpError`] where no client can be built.
    pub fn new() -> Result<Self, HttpError> {
        Self::pausing(PAUSE)
    }

    pub(super) fn pausing(pause: Duration) -> Result<Self, HttpError> {
        Ok(Self { client: HttpClient::new()?, sets: Mutex::default(), pause })
    }

    /// Verifies with the keys at a URL: those that are known, and once more with fresh ones where they do not have the key.
    ///
    /// # Errors
    /// What `verify` says of the keys that are had at last.
    pub async fn verify(
        &self,
        url: &str,
        verify: impl Fn(&KeySet) -> Result<Assertion, TokenError>,
    ) -> Result<Assertion, TokenError> {
        let set = Arc::clone(self.sets.lock().await.entry(url.to_owned()).or_default());
        // Whoever else asks for the same client waits for one fetch, and no other client does.
        let mut set = set.lock().await;
        let since = set.asked.map(|asked| asked.elapsed());
        if since.is_none_or(|since| since >= set.fresh_for.max(FRESH)) {
            self.fetch(url, &mut set).await;
        }
        let verified = verify(&set.keys);
        let may_ask = set.asked.is_none_or(|asked| asked.elapsed() >= self.pause);
        if verified == Err(TokenError::KeyUnknown) && may_ask {
            self.fetch(url, &mut set).await;
            return verify(&set.keys);
        }
        verified
    }

    /// Keys that cannot be fetched again stay in use.
    async fn fetch(&self, url: &str, set: &mut Fetched) {
        set.asked = Some(Instant::now());
        match fetch_jwks(&self.client, url).await {
            Ok(fetched) => match KeySet::of_client(&fetched.text) {
                Ok(keys) => (set.keys, set.fresh_for) = (keys, fetched.fresh_for),
                Err(error) => tracing::warn!(%error, "what a client publishes as its keys is of no use"),
            },
            Err(error) => tracing::warn!(%error, "the keys of a client could not be fetched"),
        }
    }
}
