//! The time for which a provision holds: a FHIR Period as a half-open range of UTC milliseconds.
//!
//! Source: <https://hl7.org/fhir/R4/datatypes.html#Period>: the end includes every moment that matches it, so an end of
//! `2026-03` reaches to the end of March.

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;

/// A half-open range of UTC milliseconds since 1970; an open end is `i64::MIN` or `i64::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first moment in the range.
    pub from_ms: i64,
    /// The first moment after the range.
    pub until_ms: i64,
}

impl Period {
    /// Without beginning and end.
    pub const ALWAYS: Self = Self { from_ms: i64::MIN, until_ms: i64::MAX };

    /// Whether the moment lies in the range.
    pub fn contains(self, at_ms: i64) -> bool {
        self.from_ms <= at_ms && at_ms < self.until_ms
    }

    /// The time that lies in both ranges; may be empty.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self { from_ms: self.from_ms.max(other.from_ms), until_ms: self.until_ms.min(other.until_ms) }
    }

    /// Whether no moment lies in the range.
    pub fn is_empty(self) -> bool {
        self.from_ms >= self.until_ms
    }
}

/// The range that a FHIR `dateTime` stands for, to its own precision; `None` where it is not a `dateTime`.
///
/// A date has no zone and is taken in UTC. A time of day without a zone is not a `dateTime`, and a fraction of a second counts to
/// the millisecond.
pub(super) fn from_date_time(text: &str) -> Option<Period> {
    match text.split_once('T') {
        None => from_date(text),
        Some((date, time)) => {
            let day = (date.len() == 10).then(|| from_date(date)).flatten()?;
            let (local_ms, precision_ms) = from_time_of_day(time)?;
            let from_ms = day.from_ms + local_ms;
            Some(Period { from_ms, until_ms: from_ms + precision_ms })
        }
    }
}

fn from_date(text: &str) -> Option<Period> {
    let mut parts = text.split('-');
    let year = number(parts.next()?, 4)?;
    let (month, day) = (parts.next(), parts.next());
    if parts.next().is_some() || year == 0 {
        return None;
    }
    let month_number = month.map_or(Some(1), |month| number(month, 2))?;
    let day_number = day.map_or(Some(1), |day| number(day, 2))?;
    if !(1..=12).contains(&month_number) || !(1..=days_in_month(year, month_number)).contains(&day_number) {
        return None;
    }
    let from = days_since_epoch(year, month_number, day_number);
    let until = match (month, day) {
        (None, _) => days_since_epoch(year + 1, 1, 1),
        (Some(_), None) if month_number == 12 => days_since_epoch(year + 1, 1, 1),
        (Some(_), None) => days_since_epoch(year, month_number + 1, 1),
        (Some(_), Some(_)) => from + 1,
    };
    Some(Period { from_ms: from * DAY_MS, until_ms: until * DAY_MS })
}

/// Milliseconds from the date's midnight in UTC to this time of day with its zone, and the precision in milliseconds.
fn from_time_of_day(text: &str) -> Option<(i64, i64)> {
    let zone_at = text.find(['Z', '+', '-'])?;
    let (clock, zone) = text.split_at(zone_at);
    let (seconds_part, fraction) = clock.split_once('.').map_or((clock, None), |(whole, part)| (whole, Some(part)));
    let mut parts = seconds_part.split(':');
    let hour = number(parts.next()?, 2)?;
    let minute = number(parts.next()?, 2)?;
    let second = number(parts.next()?, 2)?;
    // The standard lets a leap second in as :60.
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let whole_ms = hour * HOUR_MS + minute * MINUTE_MS + second * 1000;
    let (fraction_ms, precision_ms) = match fraction {
        None => (0, 1000),
        Some(digits) => (fraction_ms(digits)?, 1),
    };
    Some((whole_ms + fraction_ms - zone_offset_ms(zone)?, precision_ms))
}

fn fraction_ms(digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let padded: String = digits.chars().chain("00".chars()).take(3).collect();
    number(&padded, 3)
}

fn zone_offset_ms(zone: &str) -> Option<i64> {
    let sign = match zone.chars().next()? {
        'Z' => return (zone.len() == 1).then_some(0),
        '+' => 1,
        _ => -1,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    (minutes <= 59 && (hours <= 13 || (hours == 14 && minutes == 0)))
        .then(|| sign * (hours * HOUR_MS + minutes * MINUTE_MS))
}

fn number(text: &str, digits: usize) -> Option<i64> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_since_epoch(next_year, next_month, 1) - days_since_epoch(year, month, 1)
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar. Years begin in March here, so that the leap day comes
/// last and needs no case of its own.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_date_time_is_no_period() {
        for text in [
            "",
            "26",
            "0000",
            "2026-3",
            "2026-00",
            "2026-13",
            "2026-02-29",
            "2026-04-31",
            "2026-03-01-01",
            "2026-03T10:00:00Z",
            "2026-03-01T10:00Z",
            "2026-03-01T10:00:00",
            "2026-03-01T24:00:00Z",
            "2026-03-01T10:60:00Z",
            "2026-03-01T10:00:00.Z",
            "2026-03-01T10:00:00+15:00",
            "2026-03-01T10:00:00+1:00",
            "2026-03-01T10:00:00Zulu",
            "2026-03-01 ",
            "+026-03-01",
            "2026-03-01T10:00:00é",
            "1 March 2026",
        ] {
            assert_eq!(from_date_time(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_date_time_reaches_to_the_end_of_its_precision() {
        for (text, from_ms, until_ms) in [
            ("1970", 0, 365 * DAY_MS),
            ("1970-01", 0, 31 * DAY_MS),
            ("1970-12", 334 * DAY_MS, 365 * DAY_MS),
            ("1970-01-01", 0, DAY_MS),
            ("1969-12-31", -DAY_MS, 0),
            ("2024-02-29", 1_709_164_800_000, 1_709_251_200_000),
            ("2000-02", 949_363_200_000, 951_868_800_000),
            ("1970-01-01T00:00:00Z", 0, 1000),
            ("1970-01-01T01:30:00+01:30", 0, 1000),
            ("1969-12-31T19:00:00-05:00", 0, 1000),
            ("1970-01-01T00:00:00.25Z", 250, 251),
            ("1970-01-01T00:00:00.123456Z", 123, 124),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000, 1_483_228_801_000),
        ] {
            assert_eq!(from_date_time(text), Some(Period { from_ms, until_ms }), "{text}");
        }
    }
}
