//! What an insurer makes of a file: which records it returns and why, which lines it pays, and whether it takes the file at all.

use std::collections::{BTreeMap, BTreeSet};

use super::super::invoice_file::{Invoice, Reading};
use super::wishes::{Answer, Error, Which};

/// A file is rejected from more errors on than these hundredths of a percent of its lines. What the part is of is not published.
const ERROR_SHARE_MAX: u64 = 500;
/// An answer has room for three.
const ERRORS_MAX: usize = 3;

/// A record that is returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Returned {
    pub(super) errors: Vec<Error>,
    pub(super) comment: String,
    /// What is paid of it.
    pub(super) accepted: i64,
}

/// What is paid of a destination, and what is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Paid {
    pub(super) accepted_a: i64,
    pub(super) refused_a: i64,
    pub(super) accepted_b: i64,
    pub(super) refused_b: i64,
}

impl Paid {
    pub(super) fn add(&mut self, other: Self) {
        self.accepted_a += other.accepted_a;
        self.refused_a += other.refused_a;
        self.accepted_b += other.accepted_b;
        self.refused_b += other.refused_b;
    }
}

/// What is made of a file whose form holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// By record.
    pub(super) returned: BTreeMap<usize, Returned>,
    /// Told beforehand, by record.
    pub(super) remarks: BTreeMap<usize, Returned>,
    /// Why the file is rejected: 1 for an error that blocks it, 2 for too many.
    pub(super) rejected: Option<u8>,
    /// Hundredths of a percent of the lines that have errors.
    pub(super) error_share: u64,
    /// By destination.
    pub(super) paid: BTreeMap<u16, Paid>,
}

/// Judges it.
pub(super) fn judge(reading: &Reading<'_>, wishes: &[Answer]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut counted = BTreeSet::new();
    for found in &reading.found {
        note(&mut verdict.returned, found.record, &[(found.letter, found.code.clone())], "");
        counted.insert(found.record);
    }
    for wish in wishes {
        match wish {
            Answer::Lines { which, errors, comment, counts } => {
                for record in meant(reading, which, errors) {
                    note(&mut verdict.returned, record, errors, comment);
                    if *counts {
                        counted.insert(record);
                    }
                }
            }
            Answer::Remark { which, errors, comment } => {
                for record in meant(reading, which, errors) {
                    note(&mut verdict.remarks, record, errors, comment);
                }
            }
            Answer::File { errors } => note(&mut verdict.returned, 0, errors, ""),
            _ => {}
        }
    }
    let refused = refused_lines(reading, &mut verdict.returned);
    let (mut lines, mut wrong) = (0_u64, 0_u64);
    for (at, invoice) in reading.invoices.iter().enumerate() {
        let end = reading.invoices.get(at + 1).map_or(reading.records.len(), |next| next.head);
        let paid = verdict.paid.entry(invoice.destination).or_default();
        for line in &invoice.lines {
            let is_refused = refused.contains(&line.record);
            lines += 1;
            // What a tester wishes for does not count, unless it is said: or hardly any file of a test would be settled.
            let counts = |record: &usize| counted.contains(record);
            wrong += u64::from(is_refused && (invoice.head..end).any(|record| counts(&record)));
            let (accepted, of_refused) = if is_refused { (0, line.amount) } else { (line.amount, 0) };
            if line.is_b {
                paid.accepted_b += accepted;
                paid.refused_b += of_refused;
            } else {
                paid.accepted_a += accepted;
                paid.refused_a += of_refused;
            }
            if let Some(returned) = verdict.returned.get_mut(&line.record) {
                returned.accepted = accepted;
            }
        }
    }
    verdict.error_share = (wrong * 10_000).checked_div(lines).unwrap_or(0);
    let blocks = |returned: &Returned| returned.errors.iter().any(|(letter, _)| *letter == 'B');
    if verdict.returned.values().any(blocks) {
        verdict.rejected = Some(1);
    } else if verdict.error_share > ERROR_SHARE_MAX {
        verdict.rejected = Some(2);
    }
    verdict
}

fn note(returned: &mut BTreeMap<usize, Returned>, record: usize, errors: &[Error], comment: &str) {
    let entry = returned.entry(record).or_default();
    for error in errors {
        if entry.errors.len() < ERRORS_MAX && !entry.errors.contains(error) {
            entry.errors.push(error.clone());
        }
    }
    if entry.comment.is_empty() {
        comment.clone_into(&mut entry.comment);
    }
}

/// The records that a wish means. Of an invoice as a whole that is its head, where the whole of it is refused.
fn meant(reading: &Reading<'_>, which: &Which, errors: &[Error]) -> Vec<usize> {
    let is_of_invoice = errors.iter().any(|(letter, _)| *letter == 'F');
    let whole =
        |invoice: &Invoice| -> Vec<usize> { if is_of_invoice { vec![invoice.head] } else { days(invoice).collect() } };
    match which {
        Which::Patient(number) => {
            let at = usize::try_from(*number).ok().and_then(|number| reading.invoices.get(number - 1));
            at.map(whole).unwrap_or_default()
        }
        Which::Reference(reference) => {
            let mut records = Vec::new();
            for invoice in &reading.invoices {
                let lines = invoice.lines.iter().filter(|line| !line.is_share && line.reference == *reference);
                let lines: Vec<usize> = lines.map(|line| line.record).collect();
                if lines.is_empty() && invoice.reference == *reference {
                    records.extend(whole(invoice));
                }
                records.extend(lines);
            }
            records
        }
        Which::Code(code) => {
            let lines = reading.invoices.iter().flat_map(|invoice| &invoice.lines);
            lines.filter(|line| line.code == *code).map(|line| line.record).collect()
        }
        Which::Every(number) => {
            let step = usize::try_from(*number).unwrap_or(usize::MAX);
            reading.invoices.iter().flat_map(days).skip(step - 1).step_by(step).collect()
        }
    }
}

/// The lines of an invoice without patients' shares.
fn days(invoice: &Invoice) -> impl Iterator<Item = usize> {
    invoice.lines.iter().filter(|line| !line.is_share).map(|line| line.record)
}

/// The records 30 and 50 that are not paid. A day and the patient's share in it stand and fall together, and the other of the two is returned as well.
fn refused_lines(reading: &Reading<'_>, returned: &mut BTreeMap<usize, Returned>) -> BTreeSet<usize> {
    let mut refused = BTreeSet::new();
    for (at, invoice) in reading.invoices.iter().enumerate() {
        let end = reading.invoices.get(at + 1).map_or(reading.records.len(), |next| next.head);
        let has = |returned: &BTreeMap<usize, Returned>, mut records: std::ops::Range<usize>, wanted: char| {
            records.any(|record| {
                returned.get(&record).is_some_and(|one| one.errors.iter().any(|(letter, _)| *letter == wanted))
            })
        };
        if has(returned, invoice.head..end, 'F') {
            refused.extend(invoice.lines.iter().map(|line| line.record));
            continue;
        }
        for (number, line) in invoice.lines.iter().enumerate() {
            // Records 51 and 52 go with the line that they follow.
            let next = invoice.lines.get(number + 1).map_or(end, |next| next.record);
            if has(returned, line.record..next, 'R') {
                refused.insert(line.record);
            }
        }
        for pair in invoice.lines.windows(2).filter(|pair| pair[1].is_share) {
            let (day, share) = (pair[0].record, pair[1].record);
            if refused.contains(&day) != refused.contains(&share) {
                let other = if refused.contains(&day) { share } else { day };
                refused.insert(other);
                note(returned, other, &[('R', "300419".to_owned())], "");
            }
        }
    }
    refused
}
