//! Sums of invoices as they grow, and the records in which they are told.

use super::check_digits::Control;
use super::reader::Record;
use super::segments::{Recap, RecapTotal};
use super::value::{Cents, Signed};
use super::writer::WriteError;

/// The totals of one mutuality or of a whole file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The mutuality; of a whole file 99 of its federation.
    pub destination: u16,
    /// What is asked for account A.
    pub amount_a: Cents,
    /// What is asked for account B.
    pub amount_b: Cents,
    /// What patients pay.
    pub patient_share: Cents,
    /// What they pay above that.
    pub supplement: Cents,
    /// How many records: of a mutuality its invoices', of a file also those of its begin and end.
    pub records: u32,
    /// How many invoices.
    pub invoices: u32,
    /// The control number.
    pub control: u8,
}

/// Sums as they grow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) a: i64,
    pub(super) b: i64,
    pub(super) share: i64,
    pub(super) supplement: i64,
    pub(super) records: u32,
    pub(super) all: Control,
    pub(super) services: Control,
}

impl Sums {
    /// Counts a record in.
    pub(super) fn add(&mut self, record: &Record) -> Option<()> {
        self.records += 1;
        let (code, amounts) = match record {
            Record::Stay(stay) => (stay.code, Some((stay.account, stay.amount, stay.patient_share, stay.supplement))),
            Record::Service(service) => {
                (service.code, Some((service.account, service.amount, service.patient_share, service.supplement)))
            }
            Record::Commitment(commitment) => (commitment.code, None),
            Record::Reading(reading) => (reading.code, None),
            Record::OldReading(reading) => (reading.code, None),
            _ => return Some(()),
        };
        self.all.add(code);
        let Some((account, amount, share, supplement)) = amounts else { return Some(()) };
        self.services.add(code);
        let sum = if account == 1 { &mut self.b } else { &mut self.a };
        *sum = sum.checked_add(amount.cents().0)?;
        self.share = self.share.checked_add(share.cents().0)?;
        self.supplement = self.supplement.checked_add(supplement.cents().0)?;
        Some(())
    }

    /// Counts in what another has counted.
    pub(super) fn add_all(&mut self, other: &Self) -> Option<()> {
        self.a = self.a.checked_add(other.a)?;
        self.b = self.b.checked_add(other.b)?;
        self.share = self.share.checked_add(other.share)?;
        self.supplement = self.supplement.checked_add(other.supplement)?;
        self.records = self.records.checked_add(other.records)?;
        self.all.add_all(other.all);
        self.services.add_all(other.services);
        Some(())
    }
}

/// What was summed, as it is told.
pub(super) fn totals(destination: u16, sums: &Sums, invoices: u32, records: u32, control: u8) -> Totals {
    Totals {
        destination,
        amount_a: Cents(sums.a),
        amount_b: Cents(sums.b),
        patient_share: Cents(sums.share),
        supplement: Cents(sums.supplement),
        records,
        invoices,
        control,
    }
}

fn both(totals: &Totals) -> Result<Signed, WriteError> {
    let sum = totals.amount_a.0.checked_add(totals.amount_b.0);
    sum.map(|sum| Signed::of(Cents(sum))).ok_or(WriteError::Amount)
}

/// Record 95.
pub(super) fn recap(totals: &Totals, recap: u64) -> Result<Recap, WriteError> {
    Ok(Recap {
        destination: totals.destination,
        recap,
        amount_a: Signed::of(totals.amount_a),
        amount_b: Signed::of(totals.amount_b),
        amount_total: both(totals)?,
        records: totals.records,
        control: totals.control,
        amount_c: Signed::default(),
    })
}

/// Record 96.
pub(super) fn recap_total(totals: &Totals, recap: u64) -> Result<RecapTotal, WriteError> {
    Ok(RecapTotal {
        destination: totals.destination,
        recap,
        amount_a: Signed::of(totals.amount_a),
        amount_b: Signed::of(totals.amount_b),
        amount_total: both(totals)?,
        records: totals.records,
        control: totals.control,
        amount_c: Signed::default(),
    })
}
