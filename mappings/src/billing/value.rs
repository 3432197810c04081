//! The values that zones hold, and how each is written in the characters of its zone.

use std::fmt;

use super::Date;
use super::layout::{day, digits};

/// Euro cents. Amounts are whole cents everywhere: there is no fraction to lose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cents(pub i64);

/// Whether an amount is written with `+` or `-`. Of an amount of nothing it says whether it belongs to a credit note.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sign {
    /// `+`
    #[default]
    Plus,
    /// `-`
    Minus,
}

impl Sign {
    /// The other one.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Plus => Self::Minus,
            Self::Minus => Self::Plus,
        }
    }
}

/// A sign and what follows it: cents, or units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Signed {
    /// The sign.
    pub sign: Sign,
    /// Cents, or units, without it.
    pub magnitude: u64,
}

impl Signed {
    /// An amount as it is written for a debit; nothing is written with `+`.
    pub fn of(cents: Cents) -> Self {
        Self { sign: if cents.0 < 0 { Sign::Minus } else { Sign::Plus }, magnitude: cents.0.unsigned_abs() }
    }

    /// The amount that it is. What no zone can hold is not met here: a zone has at most 11 digits.
    pub fn cents(self) -> Cents {
        let magnitude = i64::try_from(self.magnitude).unwrap_or(i64::MAX);
        Cents(if self.sign == Sign::Minus { -magnitude } else { magnitude })
    }

    /// The same magnitude with the other sign.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { sign: self.sign.reversed(), ..self }
    }
}

/// Who the invoice is for: a national number, or a membership number. It names a person, so `Debug` never shows it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PatientNumber(pub u64);

impl fmt::Debug for PatientNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0 == 0 { "PatientNumber(none)" } else { "PatientNumber(***)" })
    }
}

/// Letters and digits that stand at the right of their zone behind zeros. Zeros in front say nothing, so there are none here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Padded(String);

impl Padded {
    /// The text, without zeros in front.
    pub fn new(text: &str) -> Self {
        Self(text.trim_start_matches('0').to_owned())
    }

    /// What is left of it without zeros in front; empty where there is nothing.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What can stand in a zone.
pub(super) trait Value: Sized {
    /// Reads the characters of a zone; none where they are not of its form.
    fn read(zone: &[u8]) -> Option<Self>;
    /// Writes the characters of a zone; false, and the zone untouched or partly written, where the value does not fit.
    fn write(&self, zone: &mut [u8]) -> bool;
}

fn write_digits(mut value: u64, zone: &mut [u8]) -> bool {
    for place in zone.iter_mut().rev() {
        *place = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
    value == 0
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Value for $type {
            fn read(zone: &[u8]) -> Option<Self> {
                Self::try_from(digits(zone)?).ok()
            }

            fn write(&self, zone: &mut [u8]) -> bool {
                write_digits(u64::from(*self), zone)
            }
        }
    )*};
}
numbers!(u8, u16, u32, u64);

impl Value for PatientNumber {
    fn read(zone: &[u8]) -> Option<Self> {
        digits(zone).map(Self)
    }

    fn write(&self, zone: &mut [u8]) -> bool {
        write_digits(self.0, zone)
    }
}

impl Value for Option<Date> {
    fn read(zone: &[u8]) -> Option<Self> {
        day(zone).ok()
    }

    fn write(&self, zone: &mut [u8]) -> bool {
        let value = self
            .map_or(0, |date| u64::from(date.year()) * 10_000 + u64::from(date.month()) * 100 + u64::from(date.day()));
        write_digits(value, zone)
    }
}

impl Value for Signed {
    fn read(zone: &[u8]) -> Option<Self> {
        let (sign, magnitude) = zone.split_first()?;
        let sign = match sign {
            b'+' => Sign::Plus,
            b'-' => Sign::Minus,
            _ => return None,
        };
        Some(Self { sign, magnitude: digits(magnitude)? })
    }

    fn write(&self, zone: &mut [u8]) -> bool {
        let Some((sign, magnitude)) = zone.split_first_mut() else { return false };
        *sign = if self.sign == Sign::Minus { b'-' } else { b'+' };
        write_digits(self.magnitude, magnitude)
    }
}

impl Value for Padded {
    fn read(zone: &[u8]) -> Option<Self> {
        let zeros = zone.iter().take_while(|byte| **byte == b'0').count();
        let text = &zone[zeros..];
        // A zone of blanks says nothing, as one of zeros does.
        if text.iter().all(|byte| *byte == b' ') {
            return Some(Self::default());
        }
        printable(text).map(|text| Self(text.to_owned()))
    }

    fn write(&self, zone: &mut [u8]) -> bool {
        let Some(from) = zone.len().checked_sub(self.0.len()) else { return false };
        zone[..from].fill(b'0');
        zone[from..].copy_from_slice(self.0.as_bytes());
        is_printable(self.0.as_bytes())
    }
}

impl Value for String {
    fn read(zone: &[u8]) -> Option<Self> {
        printable(zone).map(|text| text.trim_end_matches(' ').to_owned())
    }

    fn write(&self, zone: &mut [u8]) -> bool {
        let Some(text) = zone.get_mut(..self.len()) else { return false };
        text.copy_from_slice(self.as_bytes());
        zone[self.len()..].fill(b' ');
        is_printable(self.as_bytes())
    }
}

fn is_printable(text: &[u8]) -> bool {
    text.iter().all(|byte| (b' '..=b'~').contains(byte))
}

fn printable(zone: &[u8]) -> Option<&str> {
    if is_printable(zone) { std::str::from_utf8(zone).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::{Cents, Date, Padded, PatientNumber, Sign, Signed, Value};

    fn written<T: Value>(value: &T, length: usize) -> Option<String> {
        let mut zone = vec![b'?'; length];
        value.write(&mut zone).then(|| String::from_utf8(zone).expect("it is ASCII"))
    }

    #[test]
    fn values_are_padded_as_their_form_says() {
        assert_eq!(written(&7_u8, 3).as_deref(), Some("007"));
        assert_eq!(written(&Signed::of(Cents(-1942)), 12).as_deref(), Some("-00000001942"));
        assert_eq!(written(&Signed { sign: Sign::Minus, magnitude: 0 }, 5).as_deref(), Some("-0000"));
        assert_eq!(written(&"AB".to_owned(), 4).as_deref(), Some("AB  "));
        assert_eq!(written(&Padded::new("00A1"), 4).as_deref(), Some("00A1"));
        assert_eq!(written(&Date::new(2026, 2, 3), 8).as_deref(), Some("20260203"));
        assert_eq!(written(&None::<Date>, 8).as_deref(), Some("00000000"));
    }

    #[test]
    fn what_does_not_fit_or_is_not_ascii_is_not_written() {
        assert_eq!(written(&1000_u16, 3), None);
        assert_eq!(written(&"ABCDE".to_owned(), 4), None);
        assert_eq!(written(&"é".to_owned(), 4), None);
        assert_eq!(written(&"a\nb".to_owned(), 4), None);
        assert_eq!(written(&Padded::new("ABCDE"), 4), None);
        assert_eq!(written(&Signed::of(Cents(100_000)), 6), None);
    }

    #[test]
    fn what_is_not_of_its_form_is_not_read() {
        assert_eq!(u8::read(b"256"), None);
        assert_eq!(u64::read(b"12 "), None);
        assert_eq!(Signed::read(b" 00012"), None);
        assert_eq!(Signed::read(b"+0-012"), None);
        assert_eq!(<Option<Date> as Value>::read(b"20260230"), None);
        assert_eq!(String::read(&[0xE9, b' ']), None);
    }

    #[test]
    fn the_number_of_a_person_is_not_shown() {
        assert_eq!(format!("{:?}", PatientNumber(90_010_100_123)), "PatientNumber(***)");
    }
}
