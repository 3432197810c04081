//! The lexical forms of date, dateTime, instant and time, and the interval of time that each stands for.
//!
//! <https://hl7.org/fhir/R4/datatypes.html#dateTime>

const MS_PER_SECOND: i64 = 1000;
const MS_PER_MINUTE: i64 = 60 * MS_PER_SECOND;
const MS_PER_DAY: i64 = 24 * 60 * MS_PER_MINUTE;

/// How much of a moment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// `2024`
    Year,
    /// `2024-02`
    Month,
    /// `2024-02-29`
    Day,
    /// `2024-02-29T10:15Z`: in search values only, never in a resource.
    Minute,
    /// `2024-02-29T10:15:00Z`
    Second,
    /// `2024-02-29T10:15:00.5Z`; milliseconds are kept, finer digits are not.
    Fraction,
}

/// A date or a time with the interval that it covers, in UTC milliseconds since 1970. Without a zone it is read as UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The first millisecond.
    pub low_ms: i64,
    /// The last millisecond, itself included.
    pub high_ms: i64,
    /// How much was written.
    pub precision: Precision,
    /// Whether a zone was written.
    pub has_zone: bool,
}

impl Moment {
    /// Reads a date or a time of any precision; nothing where the text is neither, or is no day of the calendar.
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text.as_bytes() };
        let year = reader.number(4).filter(|year| *year > 0)?;
        if reader.is_done() {
            return Some(Self::of_days(days(year, 1, 1), days(year + 1, 1, 1), Precision::Year));
        }
        reader.literal(b'-')?;
        let month = reader.number(2).filter(|month| (1..=12).contains(month))?;
        let next_month = if month == 12 { days(year + 1, 1, 1) } else { days(year, month + 1, 1) };
        if reader.is_done() {
            return Some(Self::of_days(days(year, month, 1), next_month, Precision::Month));
        }
        reader.literal(b'-')?;
        let day = reader.number(2)?;
        let date = days(year, month, day);
        if day < 1 || date >= next_month {
            return None;
        }
        if reader.is_done() {
            return Some(Self::of_days(date, date + 1, Precision::Day));
        }
        reader.literal(b'T')?;
        let (of_day, precision) = reader.clock()?;
        let offset = if reader.is_done() { None } else { Some(reader.zone()?) };
        if !reader.is_done() {
            return None;
        }
        let low_ms = date * MS_PER_DAY + of_day - offset.unwrap_or(0) * MS_PER_MINUTE;
        let width = match precision {
            Precision::Minute => MS_PER_MINUTE,
            Precision::Second => MS_PER_SECOND,
            _ => 1,
        };
        Some(Self { low_ms, high_ms: low_ms + width - 1, precision, has_zone: offset.is_some() })
    }

    fn of_days(first: i64, next: i64, precision: Precision) -> Self {
        Self { low_ms: first * MS_PER_DAY, high_ms: next * MS_PER_DAY - 1, precision, has_zone: false }
    }
}

/// Whether the text is a `date`.
pub fn is_date(text: &str) -> bool {
    Moment::parse(text).is_some_and(|moment| moment.precision <= Precision::Day)
}

/// Whether the text is a `dateTime`: a date, or a time with seconds and zone.
pub fn is_date_time(text: &str) -> bool {
    Moment::parse(text).is_some_and(|moment| moment.precision <= Precision::Day || is_full(moment))
}

/// Whether the text is an `instant`.
pub fn is_instant(text: &str) -> bool {
    Moment::parse(text).is_some_and(is_full)
}

/// Whether the text is a `time`: hours, minutes and seconds, without a zone.
pub fn is_time(text: &str) -> bool {
    let mut reader = Reader { rest: text.as_bytes() };
    reader.clock().is_some_and(|(_, precision)| precision >= Precision::Second) && reader.is_done()
}

fn is_full(moment: Moment) -> bool {
    moment.precision >= Precision::Second && moment.has_zone
}

/// Days since 1970-01-01 in the Gregorian calendar. (Howard Hinnant, "chrono-compatible low-level date algorithms".)
fn days(year: i64, month: i64, day: i64) -> i64 {
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

struct Reader<'t> {
    rest: &'t [u8],
}

impl Reader<'_> {
    fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    fn literal(&mut self, byte: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(())
    }

    /// Exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (head, rest) = self.rest.split_at_checked(digits)?;
        let value = head
            .iter()
            .try_fold(0_i64, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))?;
        self.rest = rest;
        Some(value)
    }

    /// The milliseconds since midnight.
    fn clock(&mut self) -> Option<(i64, Precision)> {
        let hour = self.number(2).filter(|hour| *hour <= 23)?;
        self.literal(b':')?;
        let minute = self.number(2).filter(|minute| *minute <= 59)?;
        let of_day = (hour * 60 + minute) * MS_PER_MINUTE;
        if self.literal(b':').is_none() {
            return Some((of_day, Precision::Minute));
        }
        // 60 is a leap second.
        let second = self.number(2).filter(|second| *second <= 60)?;
        let of_day = of_day + second * MS_PER_SECOND;
        if self.literal(b'.').is_none() {
            return Some((of_day, Precision::Second));
        }
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (fraction, rest) = self.rest.split_at(digits);
        self.rest = rest;
        let milliseconds =
            [100, 10, 1].iter().zip(fraction).map(|(unit, byte)| unit * i64::from(byte - b'0')).sum::<i64>();
        (digits > 0).then_some((of_day + milliseconds, Precision::Fraction))
    }

    /// Minutes east of UTC.
    fn zone(&mut self) -> Option<i64> {
        if self.literal(b'Z').is_some() {
            return Some(0);
        }
        let sign = if self.literal(b'-').is_some() { -1 } else { self.literal(b'+').map(|()| 1)? };
        let hours = self.number(2)?;
        self.literal(b':')?;
        let minutes = self.number(2).filter(|minutes| *minutes <= 59)?;
        (hours * 60 + minutes <= 14 * 60).then_some(sign * (hours * 60 + minutes))
    }
}

#[cfg(test)]
mod tests {
    use super::{Moment, is_date, is_date_time, is_instant, is_time};

    fn interval(text: &str) -> Option<(i64, i64)> {
        Moment::parse(text).map(|moment| (moment.low_ms, moment.high_ms))
    }

    #[test]
    fn a_moment_covers_what_it_leaves_open() {
        assert_eq!(interval("1970"), Some((0, 365 * 86_400_000 - 1)));
        assert_eq!(interval("1970-02"), Some((31 * 86_400_000, 59 * 86_400_000 - 1)));
        assert_eq!(interval("1969-12-31"), Some((-86_400_000, -1)));
        assert_eq!(interval("1970-01-01T01:00:00+01:00"), Some((0, 999)));
        assert_eq!(interval("1970-01-01T00:00:00.0429Z"), Some((42, 42)));
        assert_eq!(interval("1970-01-01T00:01Z"), Some((60_000, 119_999)));
        assert_eq!(interval("2000-03-01T00:00:00Z"), Some((951_868_800_000, 951_868_800_999)));
        assert_eq!(interval("2023-12"), Some((1_701_388_800_000, 1_704_067_199_999)));
    }

    #[test]
    fn what_is_no_day_or_time_is_refused() {
        let wrong = "0000 24 2024-13 2024-00 2024-02-30 2023-02-29 1900-02-29 2024-1-01 2024-01-01T 2024-01-01T24:00:00Z \
            2024-01-01T10:60:00Z 2024-01-01T10:00:61Z 2024-01-01T10:00:00.Z 2024-01-01T10:00:00+15:00 2024-01-01T10:00:00+1:00 \
            2024-01-01T10:00:00ZZ 2024-01-01t10:00:00Z 2024/01/01 20240101 -2024 ٢٠٢٤";
        for text in wrong.split_whitespace().chain(["", " 2024", "2024 "]) {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
        assert!(Moment::parse("2024-02-29").is_some() && Moment::parse("2000-02-29").is_some());
    }

    #[test]
    fn each_type_has_its_own_precision() {
        assert!(is_date("2024-02") && !is_date("2024-02-01T10:00:00Z"));
        assert!(
            is_date_time("2024") && is_date_time("2015-02-07T13:28:17-05:00") && is_date_time("2016-12-31T23:59:60Z")
        );
        assert!(!is_date_time("2015-02-07T13:28:17") && !is_date_time("2015-02-07T13:28Z"));
        assert!(is_instant("2015-02-07T13:28:17.239+02:00") && !is_instant("2015-02-07"));
        assert!(is_time("08:00:00.5") && !is_time("08:00") && !is_time("08:00:00Z") && !is_time("24:00:00"));
    }
}
