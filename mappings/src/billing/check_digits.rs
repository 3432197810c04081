//! The check digits of records, totals and numbers.
//!
//! Where a rule was published with an example, the example is a test below.

use super::layout::digits;
use crate::identifiers::{Cbe, Nihdi, Ssin};

/// What each character counts for in the check digits of a record: digits 0-9, a blank 10, letters 11-36, all else 37.
const VALUES: [u8; 256] = values();

#[expect(clippy::cast_possible_truncation, reason = "a byte's index fits a byte; a const fn has no try_from")]
const fn values() -> [u8; 256] {
    let mut values = [37; 256];
    let mut byte = 0;
    while byte < 256 {
        let character = byte as u8;
        values[byte] = match character {
            b'0'..=b'9' => character - b'0',
            b' ' => 10,
            b'a'..=b'z' => character - b'a' + 11,
            b'A'..=b'Z' => character - b'A' + 11,
            _ => 37,
        };
        byte += 1;
    }
    values
}

/// The rest modulo 97, with 97 in place of 0: no control number is ever 00.
fn rest(sum: u64) -> u8 {
    match u8::try_from(sum % 97) {
        Ok(0) | Err(_) => 97,
        Ok(rest) => rest,
    }
}

/// The check digits (zone 99) of a record of 350 characters, over all but its last two.
pub fn record_check(record: &[u8]) -> u8 {
    let body = &record[..record.len().min(348)];
    rest(body.iter().map(|byte| u64::from(VALUES[usize::from(*byte)])).sum())
}

/// Writes the check digits where they belong.
pub(super) fn seal(record: &mut [u8]) {
    let check = record_check(record);
    if let Some(place) = record.get_mut(348..350) {
        place.copy_from_slice(&[b'0' + check / 10, b'0' + check % 10]);
    }
}

/// The control number of a total: the sum of the codes of the records that it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control(u64);

impl Control {
    /// Counts one code in.
    pub fn add(&mut self, code: u32) {
        self.0 = (self.0 + u64::from(code)) % 97;
    }

    /// Counts in what another has counted.
    pub fn add_all(&mut self, other: Self) {
        self.0 = (self.0 + other.0) % 97;
    }

    /// The control number, 1 to 97.
    pub fn number(self) -> u8 {
        rest(self.0)
    }
}

/// Which codes the control number of a mutuality (record 95) counts. Those of the invoice, the sending and record 96 count the
/// codes of all records in either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ControlRule {
    /// Those of records 30, 50, 51 and 52, as the one published sample does.
    #[default]
    AllRecords,
    /// Those of records 30 and 50 alone, as one published program does.
    ServicesAlone,
}

/// Whether the last digit of a nomenclature code (six digits) is the rest of the first five modulo 7.
pub fn code_holds(code: u32) -> bool {
    code < 1_000_000 && code / 10 % 7 == code % 10
}

/// Whether a NIHDI number of 11 digits has the check digits that follow from its first six.
pub fn nihdi_holds(number: u64) -> bool {
    Nihdi::parse(&format!("{number:011}")).is_ok_and(|nihdi| nihdi.check_digits_hold())
}

/// Whether a national number has the check digits that follow from its first nine.
pub fn ssin_holds(number: u64) -> bool {
    Ssin::parse(&format!("{number:011}")).is_ok_and(|ssin| ssin.check_digits_hold())
}

/// Whether an enterprise number has the check digits that follow from its first eight.
pub fn enterprise_holds(number: u64) -> bool {
    Cbe::parse(&format!("{number:010}")).is_ok_and(|cbe| cbe.check_digits_hold())
}

/// Whether an IBAN, without blanks, has the check digits of ISO 13616.
pub fn iban_holds(iban: &str) -> bool {
    let (Some(country), Some(account)) = (iban.get(..4), iban.get(4..)) else { return false };
    let is_form = country.as_bytes()[..2].iter().all(u8::is_ascii_uppercase)
        && country.as_bytes()[2..].iter().all(u8::is_ascii_digit)
        && (11..=30).contains(&account.len())
        && account.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let rest = account.bytes().chain(country.bytes()).fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.wrapping_sub(b'A')) + 10) % 97,
    });
    is_form && rest == 1
}

/// Whether an agreement number of 20 digits ends with the check digits of the 18 before. Whether those are the rest or what it
/// lacks to 97 is not published: either is taken.
pub fn agreement_holds(number: &str) -> bool {
    if number.len() != 20 {
        return false;
    }
    let (Some(first), Some(check)) = (digits(&number.as_bytes()[..18]), digits(&number.as_bytes()[18..])) else {
        return false;
    };
    check == first % 97 || check == 97 - first % 97
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_of(parts: &[(&str, usize)]) -> u8 {
        let record: String = parts.iter().map(|(part, times)| part.repeat(*times)).collect();
        assert_eq!(record.len(), 348);
        record_check(record.as_bytes())
    }

    #[test]
    fn the_check_digits_of_a_record_are_those_of_the_vectors() {
        assert_eq!(check_of(&[("0", 348)]), 97);
        assert_eq!(check_of(&[(" ", 348)]), 85);
        assert_eq!(check_of(&[("+", 1), ("0", 347)]), 37);
        assert_eq!(check_of(&[("10000001", 1), ("0", 340)]), 2);
        assert_eq!(check_of(&[("ABC", 1), ("0", 345)]), 36);
        assert_eq!(check_of(&[("abc", 1), ("0", 345)]), 36);
    }

    #[test]
    fn the_control_number_of_the_published_sample_counts_the_service_and_its_commitment() {
        let mut control = Control::default();
        control.add(101_032);
        control.add(101_032);
        assert_eq!(control.number(), 13);
        assert_eq!(Control::default().number(), 97);
    }

    #[test]
    fn the_numbers_of_the_vectors_hold_and_others_do_not() {
        assert!(code_holds(101_032) && code_holds(772_004) && code_holds(567_011) && !code_holds(101_033));
        assert!(ssin_holds(90_010_100_123) && ssin_holds(90_010_100_152) && !ssin_holds(90_010_100_124));
        assert!(nihdi_holds(18_334_780_004) && nihdi_holds(12_345_625_000) && !nihdi_holds(12_345_626_000));
        assert!(enterprise_holds(123_456_749) && enterprise_holds(820_563_481) && !enterprise_holds(123_456_748));
        // Conventions of rehabilitation are numbered in the same way.
        assert!(nihdi_holds(77_200_221_000) && nihdi_holds(77_460_438_000));
    }

    #[test]
    fn an_iban_holds_by_its_own_check_digits() {
        assert!(iban_holds("BE68539007547034") && iban_holds("NL91ABNA0417164300"));
        for iban in ["BE68539007547035", "be68539007547034", "BE68 5390 0754 7034", "BE68", "", "1868539007547034"] {
            assert!(!iban_holds(iban), "{iban}");
        }
    }

    #[test]
    fn an_agreement_number_holds_by_its_last_two_digits() {
        assert!(agreement_holds("30000000000000000017") && agreement_holds("30000000000000000080"));
        for number in ["30000000000000000018", "3000000000000000017", "3000000000000000001x"] {
            assert!(!agreement_holds(number), "{number}");
        }
    }
}
