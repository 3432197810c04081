//! Days, one after the other, and periods of them.

use crate::billing::Date;

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
    use super::{Date, Period, next, twelve_months_before};

    fn date(text: &str) -> Date {
        Date::parse(text).expect("it is a day")
    }

    #[test]
    fn a_day_follows_the_other_over_the_ends_of_months_and_years() {
        for (day, after) in [
            ("2026-03-14", "2026-03-15"),
            ("2026-04-30", "2026-05-01"),
            ("2024-02-28", "2024-02-29"),
            ("2023-02-28", "2023-03-01"),
            ("2026-12-31", "2027-01-01"),
        ] {
            assert_eq!(next(date(day)), date(after), "{day}");
        }
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
