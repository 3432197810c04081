//! What is written is what is read: records of any content, files of any invoices; and no flipped character passes.

use std::io::{BufReader, Cursor};

use mappings::billing::{
    Cents, FileReader, Invoice, Invoicing, Kind, Line, ReadLimits, Record, Segment200, Severity, Sign, Signed, Written,
    transliterate,
};
use proptest::prelude::*;

use crate::any::{Chance, file, record, variable};
use crate::sample::{SEGMENTS, check, codes, seal, written};

/// How many random records and files every run has; the long run asks for more.
const RECORDS: u64 = 20_000;
const FILES: u64 = 200;

fn seed() -> u64 {
    variable("WELLGATE_BILLING_SEED").unwrap_or(1)
}

#[test]
fn any_record_is_written_as_it_was_read() {
    let count = variable("WELLGATE_BILLING_RECORDS").unwrap_or(RECORDS);
    for number in 0..count {
        let (kind, mut bytes) = record(&mut Chance::new(seed() << 32 | number));
        if kind.layout().zones.last().is_some_and(|zone| zone.field == "check") {
            seal(&mut bytes);
        }
        let read =
            Record::read(kind, &bytes).expect("it is a record").unwrap_or_else(|error| panic!("{number}: {error}"));
        let again = read.write().unwrap_or_else(|error| panic!("{number}: {error}"));
        assert_eq!(again, bytes, "record {number} of seed {}: {}", seed(), String::from_utf8_lossy(&bytes));
        assert_eq!(Record::read(kind, &again), Some(Ok(read)), "record {number} of seed {}", seed());
    }
    println!("{count} records, seed {}", seed());
}

/// What an invoice asks, by plain addition of what was handed over.
fn asked(invoice: &Invoice) -> i64 {
    let sum: i64 = invoice
        .lines
        .iter()
        .map(|line| match line {
            Line::Service(line) => line.amount.0,
            Line::Stay(line) => line.amount.0 - line.share_record.map_or(0, |(_, share)| share.0),
        })
        .sum();
    if matches!(invoice.invoicing, Invoicing::CreditNote(_)) { -sum } else { sum }
}

fn totals_hold(invoices: &[Invoice], written: &Written) {
    for totals in &written.destinations {
        let of_destination = invoices.iter().filter(|invoice| invoice.patient.destination == totals.destination);
        assert_eq!(Cents(of_destination.map(asked).sum()), totals.amount_a);
    }
    assert_eq!(Cents(invoices.iter().map(asked).sum()), written.file.amount_a);
    assert_eq!(written.destinations.iter().map(|totals| totals.records).sum::<u32>() + 2, written.file.records);
}

#[test]
fn any_file_is_right_is_read_as_it_was_written_and_has_no_character_to_spare() {
    let count = variable("WELLGATE_BILLING_FILES").unwrap_or(FILES);
    for number in 0..count {
        let chance = &mut Chance::new(seed() << 32 | number);
        let (sending, invoices) = file(chance);
        let name = format!("file {number} of seed {}", seed());
        let (bytes, written) = written(sending, &invoices);
        let weighty = written.report.findings.iter().filter(|finding| finding.severity >= Severity::Record);
        assert_eq!(weighty.collect::<Vec<_>>(), Vec::<&mappings::billing::Finding>::new(), "{name}");
        assert_eq!(check(&bytes), written.report, "{name}: read it is found as it was when it was written");
        totals_hold(&invoices, &written);
        let mut reader =
            FileReader::new(BufReader::new(Cursor::new(&bytes)), ReadLimits::default()).expect("it is read");
        let mut again = reader.head().raw.clone();
        while let Some(raw) = reader.next_record().expect("it is read") {
            let read = raw.read().expect("it has a layout").unwrap_or_else(|error| panic!("{name}: {error}"));
            again.extend(read.write().expect("it is written"));
        }
        assert!(again == bytes, "{name}");
        flipped(&bytes, &written, chance, &name);
    }
    println!("{count} files, seed {}", seed());
}

/// One digit or sign of a record with check digits is changed: it is found.
fn flipped(bytes: &[u8], written: &Written, chance: &mut Chance, name: &str) {
    let recaps = 350 * (written.destinations.len() + 1);
    let at = SEGMENTS + chance.place(bytes.len() - SEGMENTS - recaps);
    let mut wrong = bytes.to_vec();
    wrong[at] = match wrong[at] {
        b'0'..=b'8' => wrong[at] + 1,
        b'+' => b'-',
        b'-' => b'+',
        _ => b'0',
    };
    let found = check(&wrong);
    assert!(found.worst >= Some(Severity::Record), "{name}: character {at} passes: {:?}", codes(&found));
}

proptest! {
    #[test]
    fn a_segment_200_is_read_as_it_was_written(
        version in 0_u8..=99, environment in 0_u8..=99, reference in 0_u64..100_000_000_000_000,
    ) {
        let segment = Segment200 {
            message: 920_000, message_version: version, environment, provider_reference: reference, ..Segment200::default()
        };
        let bytes = segment.write().expect("it is written");
        prop_assert_eq!(bytes.len(), 67);
        prop_assert_eq!(Segment200::read(&bytes), Ok(segment));
    }

    #[test]
    fn any_amount_that_fits_is_read_as_it_was_written(cents in -99_999_999_999_i64..=99_999_999_999) {
        let total = mappings::billing::InvoiceTotal { amount_a: Signed::of(Cents(cents)), ..Default::default() };
        let bytes = total.write().expect("it is written");
        let read = mappings::billing::InvoiceTotal::read(&bytes).expect("it is read");
        prop_assert_eq!(read.amount_a.cents(), Cents(cents));
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused_and_never_cut(reference in "[A-Z]{26,40}", units in 10_000_u64..) {
        let long = mappings::billing::ServiceRecord { reference, ..Default::default() };
        prop_assert_eq!(long.write().expect_err("it is too long").field, "reference");
        let units = Signed { sign: Sign::Plus, magnitude: units };
        let many = mappings::billing::ServiceRecord { units, ..Default::default() };
        prop_assert_eq!(many.write().expect_err("they are too many").field, "units");
    }

    #[test]
    fn any_text_becomes_one_that_the_file_takes(text in any::<String>()) {
        let ascii = transliterate(&text);
        prop_assert!(mappings::billing::is_allowed(&ascii));
        prop_assert_eq!(transliterate(&ascii), ascii);
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 350)) {
        for kind in Kind::ALL {
            if let Some(Ok(read)) = Record::read(kind, &bytes) {
                prop_assert!(read.write().is_ok());
            }
        }
    }
}
