//! The independent reader of a file of invoices: plain offsets, written anew from the facts and not from the library that writes the file.
//!
//! It is what an insurer of the sandbox sees. Two readings of the same facts that agree are worth more than one that agrees with itself, so nothing of
//! `mappings::billing` is used here but by the tests, which write files with it. Positions are those of the published tables: from 1, both ends in.

mod form;
mod heads;
mod lines;
mod numbers;
mod order;
mod totals;

#[cfg(test)]
mod tests;

pub(super) use form::{FormFault, Place, fault_position};

use std::collections::BTreeMap;

/// Segments 200 and 300.
pub(super) const FIRST_LENGTH: usize = 67;
pub(super) const SECOND_LENGTH: usize = 160;
pub(super) const RECORD_LENGTH: usize = 350;

/// A record, or a segment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'f>(pub(super) &'f [u8]);

impl<'f> Record<'f> {
    /// The characters of a zone. What is beyond the end is empty.
    pub(super) fn zone(self, from: usize, to: usize) -> &'f [u8] {
        self.0.get(from - 1..to).unwrap_or_default()
    }

    pub(super) fn text(self, from: usize, to: usize) -> &'f str {
        std::str::from_utf8(self.zone(from, to)).unwrap_or_default()
    }

    /// A zone of digits alone.
    pub(super) fn number(self, from: usize, to: usize) -> Option<u64> {
        let zone = self.zone(from, to);
        (!zone.is_empty() && zone.iter().all(u8::is_ascii_digit)).then(|| self.text(from, to).parse().ok()).flatten()
    }

    /// A sign and digits, as they add up.
    pub(super) fn amount(self, from: usize, to: usize) -> Option<i64> {
        let digits = i64::try_from(self.number(from + 1, to)?).ok()?;
        match self.zone(from, from) {
            b"+" => Some(digits),
            b"-" => Some(-digits),
            _ => None,
        }
    }

    /// A number that may be left out: then 0.
    pub(super) fn is_zero(self, from: usize, to: usize) -> bool {
        self.zone(from, to).iter().all(|byte| *byte == b'0')
    }

    /// Which record it is.
    pub(super) fn kind(self) -> &'f str {
        self.text(1, 2)
    }
}

/// Something that is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The record, from 0.
    pub(super) record: usize,
    /// B, F, R, E or S.
    pub(super) letter: char,
    /// Six characters.
    pub(super) code: String,
}

/// What an insurer pays for, or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The record, from 0.
    pub(super) record: usize,
    pub(super) code: u64,
    pub(super) amount: i64,
    pub(super) is_b: bool,
    /// Our reference, without its blanks.
    pub(super) reference: String,
    /// Whether it is the patient's share in the day before it, with which it stands and falls.
    pub(super) is_share: bool,
}

/// An invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invoice {
    /// Its record 20, from 0.
    pub(super) head: usize,
    pub(super) destination: u16,
    pub(super) reference: String,
    pub(super) lines: Vec<Line>,
}

/// Sums as an insurer makes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) a: i64,
    pub(super) b: i64,
    pub(super) share: i64,
    pub(super) supplement: i64,
    pub(super) records: u64,
    /// Codes added up, for the control number.
    pub(super) codes: u64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.a += other.a;
        self.b += other.b;
        self.share += other.share;
        self.supplement += other.supplement;
        self.records += other.records;
        self.codes += other.codes;
    }

    /// The control number.
    pub(super) fn control(&self) -> u64 {
        numbers::control(self.codes)
    }
}

/// What is known beside the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'e> {
    /// Who posted it, 11 digits.
    pub(super) third_party: &'e str,
    /// To which insurer.
    pub(super) destination: u16,
    /// Under which 14 digits.
    pub(super) reference: &'e str,
    /// `YYYYMMDD`
    pub(super) today: u32,
    /// Whether a destination is a fund: then it is the insurer itself, and not one of a federation.
    pub(super) is_fund: bool,
}

/// A file as it was read.
pub(super) struct Reading<'f> {
    pub(super) first: Record<'f>,
    pub(super) second: Record<'f>,
    /// Records 10 to 90.
    pub(super) records: Vec<Record<'f>>,
    /// Records 95.
    pub(super) recaps: Vec<Record<'f>>,
    /// Record 96.
    pub(super) total: Option<Record<'f>>,
    pub(super) invoices: Vec<Invoice>,
    pub(super) destinations: BTreeMap<u16, Sums>,
    /// What is wrong with its form: then nothing else counts.
    pub(super) faults: Vec<FormFault>,
    /// What is wrong with its records.
    pub(super) found: Vec<Found>,
}

/// Reads a file; none where it cannot be cut into segments and records.
pub(super) fn read<'f>(bytes: &'f [u8], expected: &Expected<'_>) -> Option<Reading<'f>> {
    let head = FIRST_LENGTH + SECOND_LENGTH;
    if bytes.len() < head + 5 * RECORD_LENGTH
        || !(bytes.len() - head).is_multiple_of(RECORD_LENGTH)
        || !bytes.is_ascii()
    {
        return None;
    }
    let (first, rest) = bytes.split_at(FIRST_LENGTH);
    let (second, rest) = rest.split_at(SECOND_LENGTH);
    let (mut records, mut recaps, mut total) = (Vec::new(), Vec::new(), None);
    let mut is_out_of_order = false;
    for record in rest.chunks_exact(RECORD_LENGTH).map(Record) {
        match record.kind() {
            "95" => {
                is_out_of_order |= total.is_some();
                recaps.push(record);
            }
            "96" => is_out_of_order |= total.replace(record).is_some(),
            _ => {
                is_out_of_order |= total.is_some() || !recaps.is_empty();
                records.push(record);
            }
        }
    }
    let mut reading = Reading {
        first: Record(first),
        second: Record(second),
        records,
        recaps,
        total,
        invoices: Vec::new(),
        destinations: BTreeMap::new(),
        faults: Vec::new(),
        found: Vec::new(),
    };
    if is_out_of_order {
        // There is no zone for it: it is the type of the records that is wrong.
        reading.faults.push(FormFault { place: Place::Total, zone: 500, fault: "03" });
    }
    order::check(&mut reading);
    heads::check(&mut reading, expected);
    lines::check(&mut reading, expected);
    totals::check(&mut reading);
    form::check(&mut reading, expected);
    Some(reading)
}

impl Reading<'_> {
    fn find(&mut self, record: usize, letter: char, code: impl Into<String>) {
        self.found.push(Found { record, letter, code: code.into() });
    }

    /// Adds a finding where something does not hold.
    fn hold(&mut self, holds: bool, record: usize, (letter, code): (char, &str)) {
        if !holds {
            self.find(record, letter, code);
        }
    }
}
