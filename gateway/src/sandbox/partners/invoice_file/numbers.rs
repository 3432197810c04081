//! Check digits and days, by arithmetic alone.

/// The check digits of a record, over everything before them.
pub(super) fn record_check(record: &[u8]) -> u64 {
    let value = |byte: &u8| match byte {
        b'0'..=b'9' => u64::from(byte - b'0'),
        b' ' => 10,
        b'a'..=b'z' => u64::from(byte - b'a') + 11,
        b'A'..=b'Z' => u64::from(byte - b'A') + 11,
        _ => 37,
    };
    control(record.iter().take(348).map(value).sum())
}

/// A sum modulo 97, and 97 for nothing.
pub(super) fn control(sum: u64) -> u64 {
    match sum % 97 {
        0 => 97,
        rest => rest,
    }
}

/// A code of six digits: the last follows from the five before it.
pub(super) fn is_code(code: u64) -> bool {
    (100_000..=999_999).contains(&code) && code / 10 % 7 == code % 10
}

/// A NIHDI number in a zone of twelve: a zero, six digits, two check digits (modulo 97, or 89 of newer ones), three of the qualification.
pub(super) fn is_nihdi(zone: u64) -> bool {
    let (first, check) = (zone / 100_000, zone / 1_000 % 100);
    (1..=999_999).contains(&first) && (check == 97 - first % 97 || check == 89 - first % 89)
}

/// A national number in a zone of thirteen.
pub(super) fn is_ssin(zone: u64) -> bool {
    let (first, check) = (zone / 100, zone % 100);
    first < 1_000_000_000 && (check == 97 - first % 97 || check == 97 - (2_000_000_000 + first) % 97)
}

/// An enterprise number.
pub(super) fn is_enterprise(number: u64) -> bool {
    number > 0 && number % 100 == 97 - number / 100 % 97
}

/// An account: letters count from 10, the first four characters go to the end, and the rest modulo 97 is 1.
pub(super) fn is_iban(text: &str) -> bool {
    let text = text.trim_end();
    if !(15..=34).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
    {
        return false;
    }
    let turned = text.bytes().skip(4).chain(text.bytes().take(4));
    let rest = turned.fold(0_u64, |rest, byte| {
        if byte.is_ascii_digit() {
            (rest * 10 + u64::from(byte - b'0')) % 97
        } else {
            (rest * 100 + u64::from(byte - b'A') + 10) % 97
        }
    });
    rest == 1
}

/// Whether `YYYYMMDD` is a day.
pub(super) fn is_day(number: u64) -> bool {
    let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => 0,
    };
    (1900..=9999).contains(&year) && (1..=days).contains(&day)
}

/// Months from a first day's month to another's, both `YYYYMM…`.
pub(super) fn months(from: u64, to: u64) -> i64 {
    let count = |month: u64| i64::try_from(month / 100 * 12 + month % 100).unwrap_or(i64::MAX / 2);
    count(to) - count(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_are_those_of_the_vectors() {
        let record = |beginning: &str, rest: char| {
            let mut text = beginning.to_owned();
            text.extend(std::iter::repeat_n(rest, 348 - beginning.len()));
            record_check(text.as_bytes())
        };
        assert_eq!([record("", '0'), record("", ' '), record("+", '0')], [97, 85, 37]);
        assert_eq!([record("10000001", '0'), record("ABC", '0')], [2, 36]);
        assert!(is_ssin(90_010_100_123) && is_ssin(90_010_100_152) && !is_ssin(90_010_100_124));
        assert!(is_nihdi(12_345_625_004) && is_nihdi(18_334_780_004) && !is_nihdi(12_345_626_004));
        assert!(is_enterprise(123_456_749) && !is_enterprise(123_456_750));
        assert!(is_code(772_004) && is_code(101_032) && !is_code(772_005));
        assert_eq!(control(101_032 * 2), 13);
        assert!(is_iban("BE71096123456769        ") && !is_iban("BE72096123456769"));
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (day, expected) in
            [(20_240_229, true), (20_260_229, false), (20_260_431, false), (20_261_301, false), (0, false)]
        {
            assert_eq!(is_day(day), expected, "{day}");
        }
        assert_eq!((months(202_512, 202_601), months(202_603, 202_603), months(202_602, 202_504)), (1, 0, -10));
    }
}
