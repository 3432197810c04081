//! The tokens that were verified lately: bounded, and empty of what has expired.
//!
//! A token is found by its SHA-256, so the cache holds no token that could be stolen from memory. Only a token with a
//! right signature gets in, so a flood of bad ones cannot push good ones out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::TokenClaims;

/// How many tokens are remembered at most: some 5 MB.
const TOKENS_MAX: usize = 10_000;
/// How often what has expired is looked for.
const SWEEP_INTERVAL_MS: i64 = 60_000;

/// A token's SHA-256.
pub(super) type Fingerprint = [u8; 32];

pub(super) fn fingerprint(token: &str) -> Fingerprint {
    Sha256::digest(token).into()
}

/// What a right signature vouches for. Times are checked each time it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verified {
    pub(super) claims: Arc<TokenClaims>,
    pub(super) not_before_ms: i64,
}

#[derive(Debug)]
pub(super) struct Cache {
    leeway_ms: i64,
    tokens: Mutex<Tokens>,
}

/// Two generations: new tokens go into the young one; when that is full it becomes the old one, and the old one is
/// dropped. A token in use moves back to the young one. So what goes is what was not used for long, without a list of
/// uses.
#[derive(Debug, Default)]
struct Tokens {
    young: HashMap<Fingerprint, Verified>,
    old: HashMap<Fingerprint, Verified>,
    swept_at_ms: i64,
}

impl Cache {
    /// An empty cache that keeps a token for `leeway_ms` beyond its end.
    pub(super) fn new(leeway_ms: i64) -> Self {
        Self { leeway_ms, tokens: Mutex::default() }
    }

    /// What is known of a token; the caller checks the times.
    pub(super) fn find(&self, fingerprint: &Fingerprint, now_ms: i64) -> Option<Verified> {
        let mut tokens = self.tokens();
        if let Some(verified) = tokens.young.get(fingerprint) {
            return Some(verified.clone());
        }
        let verified = tokens.old.remove(fingerprint)?;
        tokens.insert(*fingerprint, verified.clone(), now_ms - self.leeway_ms);
        Some(verified)
    }

    pub(super) fn remember(&self, fingerprint: Fingerprint, verified: Verified, now_ms: i64) {
        self.tokens().insert(fingerprint, verified, now_ms - self.leeway_ms);
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let tokens = self.tokens();
        tokens.young.len() + tokens.old.len()
    }
}

impl Tokens {
    /// `alive_after_ms`: a token that ended by then is of no use to anybody.
    fn insert(&mut self, fingerprint: Fingerprint, verified: Verified, alive_after_ms: i64) {
        if (alive_after_ms - self.swept_at_ms).abs() >= SWEEP_INTERVAL_MS {
            self.swept_at_ms = alive_after_ms;
            self.young.retain(|_, verified| verified.claims.expires_at_ms > alive_after_ms);
            self.old.retain(|_, verified| verified.claims.expires_at_ms > alive_after_ms);
        }
        if self.young.len() >= TOKENS_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(fingerprint, verified);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scopes;
    use super::*;

    fn verified(expires_at_ms: i64) -> Verified {
        let claims = TokenClaims {
            client_id: "client".to_owned(),
            organization_id: "organization".to_owned(),
            practitioner_id: None,
            fhir_user: None,
            purpose: "TREAT".to_owned(),
            person_scopes: crate::auth::Scopes::default(),
            scopes: Scopes::default(),
            expires_at_ms,
            token_id: None,
            certificate: None,
        };
        Verified { claims: Arc::new(claims), not_before_ms: 0 }
    }

    #[test]
    fn it_never_holds_more_than_its_limit() {
        let cache = Cache::new(0);
        for number in 0..3 * TOKENS_MAX {
            cache.remember(fingerprint(&number.to_string()), verified(1_000), 0);
        }
        assert!(cache.len() <= TOKENS_MAX);
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let cache = Cache::new(0);
        let (used, unused) = (fingerprint("used"), fingerprint("unused"));
        cache.remember(used, verified(1_000), 0);
        cache.remember(unused, verified(1_000), 0);
        for number in 0..2 * TOKENS_MAX {
            cache.remember(fingerprint(&number.to_string()), verified(1_000), 0);
            assert!(cache.find(&used, 0).is_some());
        }
        assert!(cache.find(&unused, 0).is_none());
    }

    #[test]
    fn what_has_expired_is_dropped() {
        let cache = Cache::new(0);
        cache.remember(fingerprint("short"), verified(1_000), 0);
        cache.remember(fingerprint("long"), verified(1_000_000), SWEEP_INTERVAL_MS);
        assert_eq!(cache.len(), 1);
    }
}
