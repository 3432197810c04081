//! Days of the calendar, with the calendar months by which an episode is told from the next.

use std::fmt;

/// A day, of the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// A day of the calendar; none where there is no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let is_day = (1..=9999).contains(&year) && (1..=12).contains(&month) && day >= 1;
        (is_day && day <= days_in_month(year, month)).then_some(Self { year, month, day })
    }

    /// Reads `2026-02-28`, and nothing shorter or longer.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let is_form = bytes.len() == 10
            && bytes
                .iter()
                .enumerate()
                .all(|(n, byte)| if n == 4 || n == 7 { *byte == b'-' } else { byte.is_ascii_digit() });
        if !is_form {
            return None;
        }
        Self::new(text[..4].parse().ok()?, text[5..7].parse().ok()?, text[8..].parse().ok()?)
    }

    /// The day of a `date` or `dateTime` as it was written, in the zone in which it was written.
    pub fn of_date_time(text: &str) -> Option<Self> {
        crate::r4::time::is_date_time(text).then(|| text.get(..10).and_then(Self::parse)).flatten()
    }

    /// The year.
    pub fn year(self) -> u16 {
        self.year
    }

    /// The month, 1 to 12.
    pub fn month(self) -> u8 {
        self.month
    }

    /// The day of the month.
    pub fn day(self) -> u8 {
        self.day
    }

    /// The same day so many months later, or the last day of that month where it is shorter. The last day of 9999 where that is
    /// beyond the calendar.
    #[must_use]
    pub fn plus_months(self, months: u16) -> Self {
        let index = u32::from(self.year) * 12 + u32::from(self.month - 1) + u32::from(months);
        let (year, month) = (index / 12, index % 12 + 1);
        let (Ok(year), Ok(month)) = (u16::try_from(year), u8::try_from(month)) else { return Self::LAST };
        if year > Self::LAST.year {
            Self::LAST
        } else {
            Self { year, month, day: self.day.min(days_in_month(year, month)) }
        }
    }

    const LAST: Self = Self { year: 9999, month: 12, day: 31 };
}

impl fmt::Display for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::Date;

    fn date(text: &str) -> Date {
        Date::parse(text).expect("it is a day")
    }

    #[test]
    fn only_whole_days_of_the_calendar_are_read() {
        assert_eq!(date("2024-02-29").to_string(), "2024-02-29");
        assert_eq!(date("2000-02-29").year(), 2000);
        for text in [
            "2023-02-29",
            "1900-02-29",
            "2024-04-31",
            "2024-13-01",
            "2024-00-10",
            "2024-01-00",
            "2024-01-32",
            "0000-01-01",
        ] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
        for text in
            ["2024-1-01", "2024-02", "2024", "", "2024-02-29T00:00:00Z", "2024/02/29", "+024-02-29", "２０２４-02-29"]
        {
            assert_eq!(Date::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_falls_on_the_day_that_was_written() {
        assert_eq!(Date::of_date_time("2026-01-01T00:30:00+01:00"), Some(date("2026-01-01")));
        assert_eq!(Date::of_date_time("2026-01-01"), Some(date("2026-01-01")));
        for text in ["2026-01", "2026-01-01T00:30", "2026-01-01x", "not a day"] {
            assert_eq!(Date::of_date_time(text), None, "{text}");
        }
    }

    #[test]
    fn months_are_those_of_the_calendar_and_end_with_it() {
        for (from, months, to) in [
            ("2026-01-15", 6, "2026-07-15"),
            ("2025-08-31", 6, "2026-02-28"),
            ("2023-08-31", 6, "2024-02-29"),
            ("2025-12-31", 1, "2026-01-31"),
            ("2025-11-30", 1, "2025-12-30"),
            ("2026-01-15", 0, "2026-01-15"),
            ("9999-08-01", 6, "9999-12-31"),
        ] {
            assert_eq!(date(from).plus_months(months), date(to), "{from} and {months} months");
        }
    }
}
