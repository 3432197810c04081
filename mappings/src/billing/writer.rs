//! Writes a file of any size, one invoice at a time, with its order, totals, control numbers and check digits, and checks it on the way.
//!
//! What is kept of the invoices before is the totals of each mutuality, and what the checks keep.

use std::io::{self, Write};

use super::check_digits::Control;
use super::checks::{Checker, Checks, Report};
use super::layout::Kind;
use super::lines::{line_records, number_of};
use super::messages::{Head, Message, Second};
use super::reader::{NEW_READINGS_FROM, RawRecord, Record};
use super::records::{Header, InvoiceHead, InvoiceTotal, SendingTotal};
use super::segments::{Recap, RecapTotal, Segment200, Segment300};
use super::sending::{Content, Environment, Invoice, Invoicing, PatientIdentifier, Sector, Sending};
use super::text::fitted;
use super::value::{Cents, PatientNumber, Sign, Signed};
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
        let total = InvoiceTotal { ..invoice_total(&head, &sums, is_credit) };
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

fn segment_200(sending: &Sending) -> Segment200 {
    Segment200 {
        message: Message::InvoiceFile.number(),
        message_version: 2,
        environment: if sending.environment == Environment::Production { 12 } else { 92 },
        provider_reference: sending.reference,
        ..Segment200::default()
    }
}

fn segment_300(sending: &Sending, header: &Header) -> Segment300 {
    let [name, first_name] = [
        (&sending.contact.name, Kind::Segment300, "contact-name"),
        (&sending.contact.first_name, Kind::Segment300, "contact-first-name"),
    ]
    .map(|(text, kind, field)| fitted(text, kind.layout().zone(field).map_or(0, |zone| zone.length)));
    Segment300 {
        billed_month: sending.month.number(),
        sending: sending.number,
        created: Some(sending.created),
        file_reference: sending.file_reference.clone(),
        version: header.version,
        contact_name: name,
        contact_first_name: first_name,
        contact_phone: sending.contact.phone,
        sector: match sending.sector {
            Sector::Hospital => 1,
            Sector::Ambulatory => 3,
            Sector::Mixed => 9,
        },
        accounts: if sending.account_b.is_some() { 2 } else { 1 },
    }
}

fn header(sending: &Sending) -> Result<Header, WriteError> {
    let (iban_b, bic_b) =
        sending.account_b.as_ref().map(|account| (account.iban.clone(), account.bic.clone())).unwrap_or_default();
    Ok(Header {
        accounts: u8::from(sending.account_b.is_some()),
        version: if sending.environment == Environment::Production { 1_999 } else { 9_991_999 },
        sending: sending.number,
        content: match sending.content {
            Content::EFact => 40,
            Content::MedicalHouse => 30,
            Content::Other => 0,
        },
        third_party: number_of(&sending.third_party)?,
        accreditation: sending.accreditation,
        profession: sending.profession,
        billed_year: sending.month.year(),
        billed_month: sending.month.month(),
        created: Some(sending.created),
        enterprise: sending.enterprise.as_str().parse().unwrap_or(0),
        reference: sending.establishment_reference.clone(),
        bic_a: sending.account_a.bic.clone(),
        iban_a: sending.account_a.iban.clone(),
        bic_b,
        iban_b,
        ..Header::default()
    })
}

fn invoice_head(invoice: &Invoice, third_party: u64) -> Result<InvoiceHead, WriteError> {
    let patient = &invoice.patient;
    let (number, flag) = match &patient.identifier {
        PatientIdentifier::Ssin(ssin) => (PatientNumber(ssin.as_str().parse().unwrap_or(0)), 1),
        PatientIdentifier::Membership(number) => (*number, 0),
    };
    let (invoicing_kind, previous) = match &invoice.invoicing {
        Invoicing::Original => (0, None),
        Invoicing::Correction(previous) => (1, Some(previous)),
        Invoicing::CreditNote(previous) => (3, Some(previous)),
    };
    let mut head = InvoiceHead {
        // The federations 2, 4 and 5 have their members with them, not with a mutuality.
        affiliation: if matches!(patient.destination / 100, 2 | 4 | 5) { 0 } else { patient.affiliation },
        patient: number,
        sex: patient.sex,
        invoice_type: invoice.invoice_type.digit(),
        invoicing_kind,
        third_party,
        prescription_lifted: u8::from(invoice.is_prescription_lifted),
        treatment_reason: invoice.treatment_reason,
        destination: patient.destination,
        rehabilitation_agreed: invoice.rehabilitation_agreed,
        invoice: invoice.number,
        insurability: u32::from(patient.ct1) * 1_000 + u32::from(patient.ct2),
        reference: invoice.reference.clone(),
        patient_flag: flag,
        invoice_date: invoice.date,
        ..InvoiceHead::default()
    };
    if let Some(previous) = previous {
        head.previous_invoice = previous.invoice;
        head.previous_sending = previous.sending;
        head.previous_destination = previous.destination;
        head.previous_month = previous.month.number();
        head.previous_payment_a.clone_from(&previous.payment_a);
        head.previous_payment_b.clone_from(&previous.payment_b);
    }
    if let Some(residence) = &invoice.residence {
        head.institution = number_of(&residence.institution)?;
        head.admitted = residence.admitted.map(|(day, _)| day);
        head.admission_hour = residence.admitted.map_or(0, |(_, time)| u32::from(time));
        head.discharged = residence.discharged.map(|(day, _)| day);
        head.discharge_hour = residence.discharged.map_or(0, |(_, time)| u32::from(time));
        head.admission = residence.admission;
        head.admission_service = residence.service;
    }
    Ok(head)
}

/// An amount of nothing in a credit note is written with `-`, as everything in it.
fn total(cents: i64, is_credit: bool) -> Signed {
    let signed = Signed::of(Cents(cents));
    if cents == 0 && is_credit { Signed { sign: Sign::Minus, ..signed } } else { signed }
}

fn invoice_total(head: &InvoiceHead, sums: &Sums, is_credit: bool) -> InvoiceTotal {
    InvoiceTotal {
        admission_hour: head.admission_hour,
        admitted: head.admitted,
        discharged: head.discharged,
        affiliation: head.affiliation,
        patient: head.patient,
        sex: head.sex,
        invoice_type: head.invoice_type,
        admission_service: head.admission_service,
        third_party: head.third_party,
        amount_b: total(sums.b, is_credit),
        treatment_reason: head.treatment_reason,
        destination: head.destination,
        amount_a: total(sums.a, is_credit),
        invoice_date: head.invoice_date,
        discharge_hour: head.discharge_hour,
        invoice: head.invoice,
        patient_share: total(sums.share, is_credit),
        reference: head.reference.clone(),
        supplement: total(sums.supplement, is_credit),
        patient_flag: head.patient_flag,
        control: sums.all.number(),
        ..InvoiceTotal::default()
    }
}

fn totals(destination: u16, sums: &Sums, invoices: u32, records: u32, control: u8) -> Totals {
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

fn recap(totals: &Totals, recap: u64) -> Result<Recap, WriteError> {
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

fn recap_total(totals: &Totals, recap: u64) -> Result<RecapTotal, WriteError> {
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
