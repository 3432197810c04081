//! Days as numbers, and periods of them.

use crate::billing::Date;
use crate::r4::time::Moment;

/// From a first to a last day, both within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first day; none where it has always been so.
    pub first: Option<Date>,
    /// The last day; none where no end is known.
    pub last: Option<Date>,
}

impl Period {
    /// Whether a day lies within.
    pub fn covers(self, day: Date) -> bool {
        self.first.is_none_or(|first| first <= day) && self.last.is_none_or(|last| day <= last)
    }

    /// Whether a day lies within both.
    pub fn overlaps(self, other: Self) -> bool {
        let begins_in_time = |one: Self, two: Self| one.first.zip(two.last).is_none_or(|(first, last)| first <= last);
        begins_in_time(self, other) && begins_in_time(other, self)
    }

    /// Whether its last day, if any, is not before its first.
    pub(super) fn is_ordered(self) -> bool {
        self.first.zip(self.last).is_none_or(|(first, last)| first <= last)
    }
}

/// The number of a day, counted from 1 January 1970.
pub(super) fn number(day: Date) -> i64 {
    const MS_PER_DAY: i64 = 24 * 60 * 60 * 1000;
    Moment::parse(&day.to_string()).map_or(0, |moment| moment.low_ms.div_euclid(MS_PER_DAY))
}

/// The day after.
pub(super) fn next(day: Date) -> Date {
    Date::new(day.year(), day.month(), day.day() + 1).unwrap_or_else(|| first_of_month(day).plus_months(1))
}

fn first_of_month(day: Date) -> Date {
    Date::new(day.year(), day.month(), 1).unwrap_or(day)
}

/// The first of the twelve months that end with a day.
pub(super) fn twelve_months_before(day: Date) -> Date {
    let year = day.year().saturating_sub(1).max(1);
    // Of 29 February the twelve months before begin on 1 March.
    Date::new(year, day.month(), day.day()).map_or_else(|| Date::new(year, 3, 1).unwrap_or(day), next)
}

#[cfg(test)]
mod tests {
    use super::{Date, Period, next, number, twelve_months_before};

    fn date(text: &str) -> Date {
        Date::parse(text).expect("it is a day")
    }

    #[test]
    fn days_are_numbered_without_a_gap() {
        assert_eq!(number(date("1970-01-01")), 0);
        assert_eq!(number(date("2000-03-01")), 11_017);
        let (mut day, mut count) = (date("1999-12-30"), number(date("1999-12-30")));
        while day < date("2005-01-02") {
            day = next(day);
            count += 1;
            assert_eq!(number(day), count, "{day}");
        }
        assert_eq!(number(date("2400-01-01")) - number(date("2000-01-01")), 146_097);
    }

    #[test]
    fn twelve_months_end_with_the_day() {
        for (day, first) in [
            ("2026-03-15", "2025-03-16"),
            ("2024-02-29", "2023-03-01"),
            ("2025-02-28", "2024-02-29"),
            ("2026-12-31", "2026-01-01"),
        ] {
            assert_eq!(twelve_months_before(date(day)), date(first), "{day}");
        }
    }

    #[test]
    fn periods_include_their_first_and_last_day() {
        let period = |first: &str, last: &str| Period { first: Date::parse(first), last: Date::parse(last) };
        let march = period("2026-03-01", "2026-03-31");
        assert!(march.covers(date("2026-03-01")) && march.covers(date("2026-03-31")));
        assert!(!march.covers(date("2026-02-28")) && !march.covers(date("2026-04-01")));
        assert!(march.overlaps(period("2026-03-31", "")) && march.overlaps(period("", "")));
        assert!(!march.overlaps(period("2026-04-01", "")) && !march.overlaps(period("", "2026-02-28")));
    }
}
