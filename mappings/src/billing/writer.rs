//! Writes a file of any size, one invoice at a time, with its order, totals, control numbers and check digits, and checks it on the way.
//!
//! What is kept of the invoices before is the totals of each mutuality, and what the checks keep.

use std::io::{self, Write};

use super::checks::{Checker, Checks, Report};
use super::heads::{header, invoice_head, invoice_total, segment_200, segment_300};
use super::lines::line_records;
use super::messages::{Head, Message, Second};
use super::reader::{NEW_READINGS_FROM, RawRecord, Record};
use super::records::{Header, SendingTotal};
use super::sending::{Invoice, Invoicing, Sending};
use super::sums::{Sums, Totals, recap, recap_total, totals};
use super::value::{Cents, Signed};
use super::zones::ZoneError;

/// The last sequence number.
const RECORDS_MAX: u32 = 999_999;

/// Why a file is not written on. What was written before is no file.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The target failed.
    #[error("the file could not be written: {0}")]
    Target(#[from] io::Error),
    /// A value does not fit into its zone.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// An invoice comes after one that it belongs before: see [`Invoice::order`].
    #[error("invoice {0} comes too late: mutualities ascend, credit notes come first within each")]
    Order(u64),
    /// An invoice goes to another federation than those before.
    #[error("invoice {0} goes to another federation: a file goes to one")]
    Federation(u64),
    /// An invoice without lines.
    #[error("invoice {0} has no lines")]
    Empty(u64),
    /// A file without invoices.
    #[error("a file has at least one invoice")]
    NoInvoices,
    /// More records than sequence numbers.
    #[error("a file has at most 999,999 records")]
    TooLong,
    /// A number that is no NIHDI number of 11 digits.
    #[error("a NIHDI number in the file has 11 digits")]
    Nihdi,
    /// A sum beyond what can be counted.
    #[error("a total is too large")]
    Amount,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The totals of each mutuality, ascending.
    pub destinations: Vec<Totals>,
    /// Those of the file.
    pub file: Totals,
    /// What the checks found. A file with findings that block it is not to be sent.
    pub report: Report,
}

/// Writes one file.
#[derive(Debug)]
pub struct FileWriter<W> {
    output: W,
    sending: Sending,
    checker: Checker,
    header: Header,
    sequence: u32,
    last: Option<(u16, u8, u64)>,
    destinations: Vec<(u16, u32, Sums)>,
}

impl<W: Write> FileWriter<W> {
    /// Writes what begins a file.
    ///
    /// # Errors
    /// The target failed, or a value of the sending does not fit into its zone.
    pub fn new(output: W, sending: Sending, checks: Checks) -> Result<Self, WriteError> {
        let header = header(&sending)?;
        let (first, second) = (segment_200(&sending), segment_300(&sending, &header));
        let raw = [first.write()?, second.write()?].concat();
        let mut checker = Checker::new(checks);
        let head =
            Head { message: Message::InvoiceFile, first: Ok(first), second: Some(Ok(Second::Sending(second))), raw };
        checker.head(&head);
        let mut writer = Self { output, sending, checker, header, sequence: 0, last: None, destinations: Vec::new() };
        writer.output.write_all(&head.raw)?;
        let header = Record::Header(Header { sequence: writer.next()?, ..writer.header.clone() });
        writer.put(&header)?;
        Ok(writer)
    }

    /// What is written to.
    pub fn output(&mut self) -> &mut W {
        &mut self.output
    }

    /// Writes one invoice.
    ///
    /// # Errors
    /// The target failed; the invoice comes too late, goes elsewhere or has no lines; a value does not fit into its zone. The file is
    /// of no use then.
    pub fn invoice(&mut self, invoice: &Invoice) -> Result<(), WriteError> {
        let order = invoice.order();
        if let Some(last) = self.last {
            // Numbers need not ascend: that they differ is a check.
            if (order.0, order.1) < (last.0, last.1) {
                return Err(WriteError::Order(invoice.number));
            }
            if order.0 / 100 != last.0 / 100 {
                return Err(WriteError::Federation(invoice.number));
            }
        }
        if invoice.lines.is_empty() {
            return Err(WriteError::Empty(invoice.number));
        }
        self.last = Some(order);
        let head = invoice_head(invoice, self.header.third_party)?;
        let mut sums = Sums::default();
        self.detail(&mut sums, Record::Invoice(head.clone()))?;
        let is_credit = matches!(invoice.invoicing, Invoicing::CreditNote(_));
        let has_old_readings = self.sending.month.number() < NEW_READINGS_FROM;
        for line in &invoice.lines {
            for record in line_records(line, &head, is_credit, has_old_readings)? {
                self.detail(&mut sums, record)?;
            }
        }
        let total = invoice_total(&head, &sums, is_credit);
        self.detail(&mut sums, Record::InvoiceTotal(total))?;
        let destination = invoice.patient.destination;
        if self.destinations.last().is_none_or(|(last, _, _)| *last != destination) {
            self.destinations.push((destination, 0, Sums::default()));
        }
        let Some((_, invoices, of_destination)) = self.destinations.last_mut() else { return Ok(()) };
        *invoices += 1;
        of_destination.add_all(&sums).ok_or(WriteError::Amount)
    }

    /// Writes what ends the file, and gives back the target.
    ///
    /// # Errors
    /// The target failed, there was no invoice, or a total does not fit into its zone.
    pub fn finish(mut self) -> Result<(W, Written), WriteError> {
        let Some((destination, ..)) = self.last else { return Err(WriteError::NoInvoices) };
        let (mut sums, mut invoices) = (Sums::default(), 0);
        for (_, count, of_destination) in &self.destinations {
            sums.add_all(of_destination).ok_or(WriteError::Amount)?;
            invoices += count;
        }
        let total = SendingTotal {
            sequence: self.next()?,
            sending: self.header.sending,
            third_party: self.header.third_party,
            amount_a: Signed::of(Cents(sums.a)),
            amount_b: Signed::of(Cents(sums.b)),
            billed_year: self.header.billed_year,
            billed_month: self.header.billed_month,
            enterprise: self.header.enterprise,
            reference: self.header.reference.clone(),
            bic_a: self.header.bic_a.clone(),
            iban_a: self.header.iban_a.clone(),
            bic_b: self.header.bic_b.clone(),
            iban_b: self.header.iban_b.clone(),
            control: sums.all.number(),
            ..SendingTotal::default()
        };
        self.put(&Record::SendingTotal(total))?;
        let mut destinations = Vec::new();
        for (destination, invoices, of_destination) in std::mem::take(&mut self.destinations) {
            let control = self.checker.control_of(&of_destination);
            let totals = totals(destination, &of_destination, invoices, of_destination.records, control);
            self.put(&Record::Recap(recap(&totals, self.sending.recap)?))?;
            destinations.push(totals);
        }
        // The record of the begin and that of the end count as well.
        let file = totals(destination / 100 * 100 + 99, &sums, invoices, sums.records + 2, sums.all.number());
        self.put(&Record::RecapTotal(recap_total(&file, self.sending.recap)?))?;
        self.output.flush()?;
        Ok((self.output, Written { destinations, file, report: self.checker.finish() }))
    }

    fn next(&mut self) -> Result<u32, WriteError> {
        self.sequence += 1;
        if self.sequence > RECORDS_MAX { Err(WriteError::TooLong) } else { Ok(self.sequence) }
    }

    /// Writes a record of an invoice, numbered and counted.
    fn detail(&mut self, sums: &mut Sums, mut record: Record) -> Result<(), WriteError> {
        let sequence = self.next()?;
        match &mut record {
            Record::Invoice(record) => record.sequence = sequence,
            Record::Stay(record) => record.sequence = sequence,
            Record::Service(record) => record.sequence = sequence,
            Record::Commitment(record) => record.sequence = sequence,
            Record::Reading(record) => record.sequence = sequence,
            Record::OldReading(record) => record.sequence = sequence,
            Record::InvoiceTotal(record) => record.sequence = sequence,
            _ => {}
        }
        sums.add(&record).ok_or(WriteError::Amount)?;
        self.put(&record)
    }

    fn put(&mut self, record: &Record) -> Result<(), WriteError> {
        let bytes = record.write()?;
        let index = self.checker.records();
        self.checker.record(RawRecord::written(&bytes, index, self.sending.month.number() < NEW_READINGS_FROM));
        Ok(self.output.write_all(&bytes)?)
    }
}
