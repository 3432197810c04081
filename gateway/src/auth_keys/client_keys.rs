//! The keys of clients, and of the provider where people sign in, that are published by URL: fetched when they are needed, remembered, and fetched again when an assertion
//! names one that is not known.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connectors::guard::Guard;
use connectors::http::{HttpClient, HttpError};
use connectors::jwks::fetch_jwks;
use tokio::time::Instant;

use crate::auth::{KeySet, TokenError};

/// How long keys are used without being fetched again, unless their server says longer.
const FRESH: Duration = Duration::from_mins(5);
/// The least time between two fetches from one client, whatever assertions ask for.
const PAUSE: Duration = Duration::from_mins(1);

/// The key sets by their URLs. Only the operator registers URLs, so there are no more than clients; but a vendor chose them, and whoever
/// holds the name of its host may lead it elsewhere.
#[derive(Debug)]
pub struct ClientKeySets {
    client: HttpClient,
    sets: Mutex<HashMap<String, Fetched>>,
    pause: Duration,
}

#[derive(Clone, Debug, Default)]
struct Fetched {
    keys: Arc<KeySet>,
    asked: Option<Instant>,
    fresh_for: Duration,
}

impl ClientKeySets {
    /// None yet.
    ///
    /// # Errors
    /// [`HttpError`] where no client can be built.
    pub fn new(guard: Guard) -> Result<Self, HttpError> {
        Self::pausing(PAUSE, guard)
    }

    /// The same for a server that the operator named, wherever it is.
    ///
    /// # Errors
    /// [`HttpError`] where no client can be built.
    pub fn of_the_operators() -> Result<Self, HttpError> {
        Ok(Self { client: HttpClient::new()?, sets: Mutex::default(), pause: PAUSE })
    }

    pub(super) fn pausing(pause: Duration, guard: Guard) -> Result<Self, HttpError> {
        Ok(Self { client: HttpClient::guarded(guard)?, sets: Mutex::default(), pause })
    }

    /// Verifies with the keys at a URL: those that are known, and once more with fresh ones where they do not have the key. While
    /// one request fetches them nobody else waits: the others go by what is known.
    ///
    /// # Errors
    /// What `verify` says of the keys that are had at last.
    pub async fn verify<T>(
        &self,
        url: &str,
        verify: impl Fn(&KeySet) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        let is_old = |set: &Fetched| set.asked.is_none_or(|asked| asked.elapsed() >= set.fresh_for.max(FRESH));
        let keys = self.keys(url, is_old).await;
        let verified = verify(&keys);
        if matches!(verified, Err(TokenError::KeyUnknown)) {
            let may_ask = |set: &Fetched| set.asked.is_none_or(|asked| asked.elapsed() >= self.pause);
            return verify(&*self.keys(url, may_ask).await);
        }
        verified
    }

    /// The keys at a URL, fetched by this request if they are due. Keys that cannot be fetched again stay in use.
    async fn keys(&self, url: &str, is_due: impl Fn(&Fetched) -> bool) -> Arc<KeySet> {
        let known = {
            let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
            let set = sets.entry(url.to_owned()).or_default();
            if !is_due(set) {
                return Arc::clone(&set.keys);
            }
            set.asked = Some(Instant::now());
            Arc::clone(&set.keys)
        };
        let fetched = match fetch_jwks(&self.client, url).await {
            Ok(fetched) => {
                KeySet::of_client(&fetched.text).map(|keys| (Arc::new(keys), fetched.fresh_for)).map_err(|error| {
                    tracing::warn!(%error, "what a client publishes as its keys is of no use");
                })
            }
            Err(error) => {
                tracing::warn!(%error, "the keys of a client could not be fetched");
                Err(())
            }
        };
        let Ok((keys, fresh_for)) = fetched else { return known };
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let set = sets.entry(url.to_owned()).or_default();
        (set.keys, set.fresh_for) = (Arc::clone(&keys), fresh_for);
        keys
    }
}
