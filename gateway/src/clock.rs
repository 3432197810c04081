//! The only source of time, and the FHIR `instant` as text.
//!
//! Every moment in the gateway is an `i64` of UTC milliseconds since 1970. Nothing else may ask the operating system
//! for the time (`clippy.toml` holds that), so a test sets the clock and a decision can be repeated.
//!
//! Specification: <https://hl7.org/fhir/R4/datatypes.html#instant>

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The first and the last moment that FHIR can write: years 0001 to 9999.
const INSTANT_MS_MIN: i64 = -62_135_596_800_000;
const INSTANT_MS_MAX: i64 = 253_402_300_799_999;

/// Where the time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The operating system.
    System,
    /// A value that a test sets; every clone shares it.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands still at `now_ms` until [`Clock::advance`] moves it.
    pub fn fixed(now_ms: i64) -> Self {
        Self::Fixed(Arc::new(AtomicI64::new(now_ms)))
    }

    /// The present moment in UTC milliseconds since 1970.
    ///
    /// It may go backwards when the operating system's clock is set: order comes from sequence numbers, never from
    /// time.
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::System => system_now_ms(),
            Self::Fixed(now_ms) => now_ms.load(Ordering::Acquire),
        }
    }

    /// Moves a fixed clock by `by_ms` (negative: back). A system clock is not moved.
    pub fn advance(&self, by_ms: i64) {
        if let Self::Fixed(now_ms) = self {
            now_ms.fetch_add(by_ms, Ordering::AcqRel);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the operating system for the time")]
fn system_now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// The FHIR `instant` of a moment, always in UTC with milliseconds: `2026-03-01T12:00:00.123Z`.
///
/// A moment outside the years 0001 to 9999, which FHIR cannot write, becomes the nearest that it can.
pub fn format_instant(moment_ms: i64) -> String {
    let moment_ms = moment_ms.clamp(INSTANT_MS_MIN, INSTANT_MS_MAX);
    let (year, month, day) = civil_from_days(moment_ms.div_euclid(DAY_MS));
    let in_day = moment_ms.rem_euclid(DAY_MS);
    let (hour, minute) = (in_day / HOUR_MS, in_day / MINUTE_MS % 60);
    let (second, millisecond) = (in_day / SECOND_MS % 60, in_day % SECOND_MS);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

/// The moment of a FHIR `instant`, which has at least seconds and a time zone. `None` if the text is not one.
///
/// Digits beyond milliseconds are cut. A leap second (`23:59:60`) is the first moment of the next minute.
pub fn parse_instant(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (head, rest) = bytes.split_at_checked(19)?;
    let punctuation = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if punctuation.iter().any(|&(at, expected)| head[at] != expected) {
        return None;
    }
    let year = number(&head[..4], 1..=9999)?;
    let month = number(&head[5..7], 1..=12)?;
    let day = number(&head[8..10], 1..=days_in_month(year, month))?;
    let hour = number(&head[11..13], 0..=23)?;
    let minute = number(&head[14..16], 0..=59)?;
    let second = number(&head[17..19], 0..=60)?;
    let (millisecond, zone) = fraction(rest)?;
    let days = days_from_civil(year, month, day);
    let local_ms = days * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS + millisecond;
    Some(local_ms - offset_ms(zone)?)
}

/// Splits `.123456Z` into its milliseconds and the zone; without a fraction, zero and all of it.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = rest.strip_prefix(b".") else {
        return Some((0, rest));
    };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let digit = |at: usize| if at < length { i64::from(digits[at] - b'0') } else { 0 };
    Some((digit(0) * 100 + digit(1) * 10 + digit(2), &digits[length..]))
}

/// `Z`, or `+hh:mm` to at most fourteen hours.
fn offset_ms(zone: &[u8]) -> Option<i64> {
    if zone == b"Z" {
        return Some(0);
    }
    let &[sign, h1, h2, b':', m1, m2] = zone else {
        return None;
    };
    let minutes = number(&[h1, h2], 0..=14)? * 60 + number(&[m1, m2], 0..=59)?;
    match sign {
        _ if minutes > 14 * 60 => None,
        b'+' => Some(minutes * MINUTE_MS),
        b'-' => Some(-minutes * MINUTE_MS),
        _ => None,
    }
}

fn number(digits: &[u8], range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let mut value = 0;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    range.contains(&value).then_some(value)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date in the Gregorian calendar.
///
/// # Source
/// H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`: the year begins in March, so that the
/// leap day is its last, and 400 years ("era") are always 146,097 days.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date, as year, month and day, of a number of days since 1970-01-01: the inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_an_instant_is_refused() {
        let refused = [
            "",
            "2026",
            "2026-03-01",
            "2026-03-01T12:00Z",
            "2026-03-01T12:00:00",
            "2026-03-01 12:00:00Z",
            "2026-03-01T12:00:00.Z",
            "2026-03-01T12:00:00z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T12:60:00Z",
            "2026-03-01T12:00:61Z",
            "2026-02-29T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-00-01T12:00:00Z",
            "0000-01-01T00:00:00Z",
            "2026-03-01T12:00:00+15:00",
            "2026-03-01T12:00:00+14:01",
            "2026-03-01T12:00:00+0100",
            "2026-03-01T12:00:00ZZ",
            "-026-03-01T12:00:00Z",
            "2026-03-0éT12:00:00Z",
        ];
        for text in refused {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }

    #[test]
    fn known_moments_are_read_and_written() {
        let known = [
            ("1970-01-01T00:00:00.000Z", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2000-02-29T00:00:00.000Z", 951_782_400_000),
            ("2026-03-01T12:00:00.123Z", 1_772_366_400_123),
            ("0001-01-01T00:00:00.000Z", INSTANT_MS_MIN),
            ("9999-12-31T23:59:59.999Z", INSTANT_MS_MAX),
        ];
        for (text, moment_ms) in known {
            assert_eq!(parse_instant(text), Some(moment_ms), "{text}");
            assert_eq!(format_instant(moment_ms), text);
        }
    }

    #[test]
    fn zones_fractions_and_leap_seconds_are_normalised() {
        let noon = parse_instant("2026-03-01T12:00:00Z");
        assert_eq!(parse_instant("2026-03-01T13:00:00+01:00"), noon);
        assert_eq!(parse_instant("2026-03-01T09:30:00.0009999-02:30"), noon);
        assert_eq!(parse_instant("2026-03-01T11:59:60Z"), noon);
        assert_eq!(parse_instant("2026-03-01T12:00:00.1Z"), noon.map(|moment| moment + 100));
    }

    #[test]
    fn a_fixed_clock_moves_only_when_it_is_told_to() {
        let clock = Clock::fixed(1_000);
        let same = clock.clone();
        assert_eq!(clock.now_ms(), 1_000);
        same.advance(-250);
        assert_eq!(clock.now_ms(), 750);
    }

    proptest! {
        #[test]
        fn every_moment_survives_its_text(moment_ms in INSTANT_MS_MIN..=INSTANT_MS_MAX) {
            prop_assert_eq!(parse_instant(&format_instant(moment_ms)), Some(moment_ms));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9TZ:.+é-]{0,40}") {
            let _ = parse_instant(&text);
        }
    }
}
