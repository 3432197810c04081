//! How often each of many may ask: a bucket for each, filled with time. Bounded in memory, whoever asks.
//!
//! Pure: the time comes in. It knows neither what is asked nor what a refusal looks like.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// Buckets that are kept at once: some 8 MB. Whoever comes beyond them shares one.
const BUCKETS_MAX: usize = 65_536;
/// The least time between two looks for buckets that are full again.
const SWEEP_MS: i64 = 1_000;
/// The bucket of those who have none of their own.
const SHARED: &str = "";

/// A rate, and what each has left of it.
#[derive(Debug)]
pub struct Rates {
    per_ms: f64,
    size: f64,
    buckets: Mutex<Buckets>,
}

#[derive(Debug, Default)]
struct Buckets {
    by_name: HashMap<String, Bucket>,
    swept_ms: i64,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at_ms: i64,
}

/// Over the rate: come back after so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooOften {
    /// At least 1.
    pub retry_after_seconds: u32,
}

/// The rates at which a gateway is asked.
#[derive(Debug)]
pub struct RequestRates {
    /// Of each client that proved who it is, by its id.
    pub clients: Rates,
    /// Of each network from which nobody proved anything.
    pub addresses: Rates,
}

impl RequestRates {
    /// The rates of the configuration; 0: no limit.
    pub fn new(of_client_per_second: u32, unauthenticated_per_minute: u32) -> Self {
        Self {
            clients: Rates::new(of_client_per_second, 1_000.0),
            addresses: Rates::new(unauthenticated_per_minute, 60_000.0),
        }
    }
}

impl Rates {
    /// So many in so many milliseconds, and for a moment twice as many; 0: no limit.
    fn new(count: u32, in_ms: f64) -> Self {
        let count = f64::from(count);
        Self { per_ms: count / in_ms, size: 2.0 * count, buckets: Mutex::default() }
    }

    /// Takes one from the bucket.
    ///
    /// # Errors
    /// [`TooOften`] where it is empty.
    pub fn take(&self, name: &str, now_ms: i64) -> Result<(), TooOften> {
        self.with_bucket(name, now_ms, |bucket| {
            self.is_open(bucket)?;
            bucket.left -= 1.0;
            Ok(())
        })
    }

    /// Whether one could be taken.
    ///
    /// # Errors
    /// [`TooOften`] where not.
    pub fn look(&self, name: &str, now_ms: i64) -> Result<(), TooOften> {
        self.with_bucket(name, now_ms, |bucket| self.is_open(bucket))
    }

    /// Takes what was already done. It may leave a debt, of one full bucket at most.
    pub fn charge(&self, name: &str, count: usize, now_ms: i64) {
        let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let _ = self.with_bucket(name, now_ms, |bucket| {
            bucket.left = (bucket.left - count).max(-self.size);
            Ok(())
        });
    }

    fn is_open(&self, bucket: &Bucket) -> Result<(), TooOften> {
        if bucket.left >= 1.0 {
            return Ok(());
        }
        let seconds = ((1.0 - bucket.left) / self.per_ms / 1_000.0).ceil().clamp(1.0, 3_600.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 3,600")]
        Err(TooOften { retry_after_seconds: seconds as u32 })
    }

    fn with_bucket(
        &self,
        name: &str,
        now_ms: i64,
        act: impl FnOnce(&mut Bucket) -> Result<(), TooOften>,
    ) -> Result<(), TooOften> {
        if self.size == 0.0 {
            return Ok(());
        }
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let full = Bucket { left: self.size, at_ms: now_ms };
        if let Some(bucket) = buckets.by_name.get_mut(name) {
            *bucket = self.filled(*bucket, now_ms);
            return act(bucket);
        }
        if buckets.by_name.len() >= BUCKETS_MAX && now_ms.abs_diff(buckets.swept_ms) >= SWEEP_MS.unsigned_abs() {
            buckets.swept_ms = now_ms;
            buckets.by_name.retain(|_, bucket| self.filled(*bucket, now_ms).left < self.size);
        }
        let name = if buckets.by_name.len() >= BUCKETS_MAX { SHARED } else { name };
        let bucket = buckets.by_name.entry(name.to_owned()).or_insert(full);
        *bucket = self.filled(*bucket, now_ms);
        act(bucket)
    }

    /// A clock that was set back fills nothing, and is believed from there on.
    fn filled(&self, bucket: Bucket, now_ms: i64) -> Bucket {
        let elapsed_ms =
            u32::try_from(now_ms - bucket.at_ms).unwrap_or(if now_ms < bucket.at_ms { 0 } else { u32::MAX });
        let left = (bucket.left + f64::from(elapsed_ms) * self.per_ms).min(self.size);
        Bucket { left, at_ms: now_ms }
    }
}

/// Who is behind an address, as far as it can be told: of IPv6 everybody has at least a /64 to choose from.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(rates: &Rates, name: &str, now_ms: i64) -> usize {
        (0..100).take_while(|_| rates.take(name, now_ms).is_ok()).count()
    }

    #[test]
    fn twice_the_rate_at_once_and_then_the_rate() {
        let rates = Rates::new(10, 1_000.0);
        assert_eq!(taken(&rates, "a", 0), 20);
        assert_eq!(rates.take("a", 0), Err(TooOften { retry_after_seconds: 1 }));
        assert_eq!(taken(&rates, "b", 0), 20, "each has a bucket of its own");
        assert_eq!(taken(&rates, "a", 500), 5);
        assert_eq!(taken(&rates, "a", 1_000_000), 20, "never more than full");
    }

    #[test]
    fn the_wait_is_told_in_whole_seconds() {
        let rates = Rates::new(6, 60_000.0);
        assert_eq!(taken(&rates, "a", 0), 12);
        assert_eq!(rates.take("a", 1), Err(TooOften { retry_after_seconds: 10 }));
        assert_eq!(rates.look("a", 9_999), Err(TooOften { retry_after_seconds: 1 }));
        assert_eq!(rates.look("a", 10_000), Ok(()));
        assert_eq!(taken(&rates, "a", 10_000), 1, "a look takes nothing");
    }

    #[test]
    fn a_debt_is_paid_before_more_is_had_and_has_a_limit() {
        let rates = Rates::new(10, 1_000.0);
        rates.charge("a", 1_000_000, 0);
        assert_eq!(rates.look("a", 2_000), Err(TooOften { retry_after_seconds: 1 }));
        assert_eq!(taken(&rates, "a", 2_200), 2);
    }

    #[test]
    fn without_a_rate_there_is_no_limit_and_nothing_is_kept() {
        let rates = Rates::new(0, 1_000.0);
        assert_eq!(taken(&rates, "a", 0), 100);
        assert!(rates.buckets.lock().expect("not poisoned").by_name.is_empty());
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let rates = Rates::new(10, 1_000.0);
        assert_eq!(taken(&rates, "a", 1_000_000), 20);
        assert_eq!(taken(&rates, "a", 0), 0);
        assert_eq!(taken(&rates, "a", 1_000), 10);
    }

    #[test]
    fn attack_36_a_flood_of_names_takes_bounded_memory() {
        let rates = Rates::new(1, 1_000.0);
        for n in 0..BUCKETS_MAX + 1_000 {
            let _ = rates.take(&n.to_string(), 0);
        }
        let kept = || rates.buckets.lock().expect("not poisoned").by_name.len();
        assert!(kept() <= BUCKETS_MAX + 1, "{}", kept());
        assert!(rates.take("late", 0).is_err(), "who comes beyond shares one bucket");
        assert!(rates.take("later", 10_000).is_ok(), "and has one again once others are full");
        assert!(kept() <= 2, "{}", kept());
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        let of = |text: &str| network_of(text.parse().expect("an address"));
        assert_eq!(of("2620:fe::1"), of("2620:fe::ffff:1:2"));
        assert_ne!(of("2620:fe::1"), of("2620:fe:0:1::1"));
        assert_eq!(of("::ffff:9.9.9.9"), of("9.9.9.9"));
        assert_ne!(of("9.9.9.9"), of("9.9.9.8"));
    }
}
