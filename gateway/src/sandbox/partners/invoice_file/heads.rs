//! Who sends, and who an invoice is for: records 10 and 20.

use std::collections::HashSet;

use super::{Expected, Reading, Record, numbers};

/// Checks them.
pub(super) fn check(reading: &mut Reading<'_>, expected: &Expected<'_>) {
    let records = reading.records.clone();
    let Some(header) = records.first().copied().filter(|record| record.kind() == "10") else { return };
    check_header(reading, header, expected);
    let (mut numbers_seen, mut destination_before) = (HashSet::new(), 0);
    for (at, record) in records.iter().enumerate().filter(|(_, record)| record.kind() == "20") {
        let number = record.number(115, 126).unwrap_or(0);
        reading.hold(number != 0, at, ('B', "202403"));
        reading.hold(numbers_seen.insert(number), at, ('B', "202420"));
        let destination = record.number(85, 87).unwrap_or(0);
        reading.hold(destination >= destination_before, at, ('B', "201812"));
        destination_before = destination;
        // A file goes to one federation, and a care fund is its own.
        let insurer = u64::from(expected.destination);
        let is_ours = if expected.is_fund { destination == insurer } else { destination / 100 == insurer / 100 };
        reading.hold(is_ours && destination != 0, at, ('B', "201803"));
        reading.hold(record.zone(56, 67) == header.zone(56, 67), at, ('F', "201412"));
        check_person(reading, *record, at);
        check_type(reading, *record, at);
        check_previous(reading, *record, at);
    }
}

fn check_header(reading: &mut Reading<'_>, header: Record<'_>, expected: &Expected<'_>) {
    let number = |from, to| header.number(from, to).unwrap_or(0);
    reading.hold(matches!(header.zone(10, 16), b"0001999" | b"9991999"), 0, ('B', "100403"));
    reading.hold(number(33, 35) != 0, 0, ('B', "100703"));
    reading.hold(matches!(header.zone(53, 55), b"000" | b"030" | b"040"), 0, ('B', "101303"));
    reading.hold(header.zone(56, 56) == b"0", 0, ('B', "101404"));
    reading.hold(numbers::is_nihdi(number(56, 67)), 0, ('B', "101402"));
    reading.hold(header.text(57, 67) == expected.third_party, 0, ('B', "101424"));
    let (created, month) = (number(120, 127), number(109, 112) * 100 + number(113, 114));
    reading.hold(header.zone(108, 108) == b"0", 0, ('B', "102204"));
    reading.hold((1..=12).contains(&(month % 100)), 0, ('B', "102303"));
    reading.hold(numbers::is_day(created), 0, ('B', "102501"));
    reading.hold(created <= u64::from(expected.today), 0, ('B', "102510"));
    reading.hold(month <= created / 100, 0, ('B', "102311"));
    reading.hold(
        numbers::is_enterprise(number(128, 137)),
        0,
        ('B', if number(128, 137) == 0 { "102710" } else { "102702" }),
    );
    let (bic, iban) = (header.text(167, 177).trim_end(), header.text(179, 212).trim_end());
    reading.hold(!bic.is_empty(), 0, ('B', "103110"));
    reading.hold(!iban.is_empty(), 0, ('B', "103610"));
    reading.hold(iban.is_empty() || numbers::is_iban(iban), 0, ('B', "103602"));
    let has_b = !header.text(271, 304).trim_end().is_empty();
    reading.hold((header.zone(9, 9) == b"1") == has_b, 0, ('B', if has_b { "100313" } else { "100314" }));
}

fn check_person(reading: &mut Reading<'_>, record: Record<'_>, at: usize) {
    let person = record.number(36, 48).unwrap_or(0);
    reading.hold(person != 0, at, ('F', "200810"));
    reading.hold(matches!(record.zone(175, 175), b"0" | b"1"), at, ('F', "203203"));
    let is_ssin = record.zone(175, 175) == b"1";
    reading.hold(!is_ssin || person == 0 || numbers::is_ssin(person), at, ('F', "200802"));
    reading.hold(matches!(record.zone(49, 49), b"1" | b"2"), at, ('F', "200903"));
    reading.hold(record.is_zero(128, 131), at, ('B', "202704"));
}

/// What a type of invoice must have, and must not.
fn check_type(reading: &mut Reading<'_>, record: Record<'_>, at: usize) {
    let kind = record.number(50, 50).unwrap_or(0);
    if !matches!(kind, 1 | 3..=6 | 9) {
        reading.find(at, 'F', "201003");
        return;
    }
    reading.hold(record.number(51, 51).is_some_and(|kind| kind <= 4), at, ('F', "201103"));
    let (has_admission, has_discharge) = (!record.is_zero(17, 24), !record.is_zero(25, 32));
    let (has_institution, has_agreement) = (!record.is_zero(68, 79), !record.is_zero(100, 107));
    let days = [("200501", 17, 24), ("200601", 25, 32), ("202001", 100, 107)];
    for (code, from, to) in days {
        let is_day = record.is_zero(from, to) || record.number(from, to).is_some_and(numbers::is_day);
        reading.hold(is_day, at, ('B', code));
    }
    reading.hold(has_admission || !matches!(kind, 1 | 5), at, ('F', "200510"));
    reading.hold(!has_admission || !matches!(kind, 3 | 6 | 9), at, ('F', "200511"));
    reading.hold(!has_discharge || !matches!(kind, 3 | 6 | 9), at, ('F', "200611"));
    let is_backwards = has_admission && has_discharge && record.zone(25, 32) < record.zone(17, 24);
    reading.hold(!is_backwards, at, ('F', "200610"));
    reading.hold(has_institution || !matches!(kind, 1 | 5 | 6), at, ('F', "201510"));
    reading.hold(!has_institution || kind != 3, at, ('F', "201511"));
    reading.hold(has_agreement || !matches!(kind, 5 | 6), at, ('F', "202010"));
    reading.hold(!has_agreement || matches!(kind, 5 | 6), at, ('F', "202011"));
    let reasons: [&[u8]; 6] = [b"0000", b"0050", b"0060", b"0070", b"0080", b"0090"];
    reading.hold(reasons.contains(&record.zone(81, 84)), at, ('F', "201703"));
}

/// What names the invoice before, of one that is not the first.
fn check_previous(reading: &mut Reading<'_>, record: Record<'_>, at: usize) {
    let is_original = record.zone(51, 51) == b"0";
    let zones = [("2029", 163, 174), ("2034", 177, 179), ("2037", 180, 182), ("2041", 207, 212)];
    for (zone, from, to) in zones {
        let is_there = !record.is_zero(from, to);
        // Of the month before, the codes are two further on.
        let (absent, present) = if zone == "2041" { ("12", "13") } else { ("10", "11") };
        reading.hold(is_original || is_there, at, ('F', &format!("{zone}{absent}")));
        reading.hold(!is_original || !is_there, at, ('F', &format!("{zone}{present}")));
    }
}
