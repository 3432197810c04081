//! Everything that can be known to be wrong with a file before it is sent: found record by record, named by its official code.
//!
//! What needs the insurer's files, the tariffs or earlier files is not asked here. Of a file as long as can be, the totals of each
//! mutuality are kept, and the numbers of its invoices where they do not ascend.

mod envelope;
mod form;
mod invoice;
mod lines;
mod order;
mod readings;
mod totals;

use std::collections::{BTreeMap, HashSet};

use super::Date;
use super::check_digits::ControlRule;
use super::layout::Kind;
use super::messages::{Head, Second};
use super::reader::{RawRecord, Record};
use super::records::{Header, InvoiceHead, ServiceRecord, StayRecord};
use super::segments::{Segment200, Segment300};
use super::sums::Sums;
use super::value::{Sign, Signed};
use super::words::{Severity, severity};

/// What the checks are made against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checks {
    /// The day on which it is asked.
    pub today: Date,
    /// Which codes the control number of a mutuality counts.
    pub control: ControlRule,
    /// Codes of days (six digits) that must be followed by a record of the patient's share. No list is published: it is the
    /// user's to give, and may be empty.
    pub day_codes: Vec<u32>,
    /// Codes of the patient's share in a record 30, whose two signs are opposite.
    pub share_codes: Vec<u32>,
    /// How many findings are kept; the others are counted.
    pub findings_max: usize,
}

impl Checks {
    /// The checks of a day, with the codes of the patient's share that the error list itself names.
    pub fn on(today: Date) -> Self {
        Self {
            today,
            control: ControlRule::default(),
            day_codes: Vec::new(),
            share_codes: vec![767_443, 767_465],
            findings_max: 10_000,
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The official code; one of ours (`wellgate-…`) where the standard has none.
    pub code: String,
    /// What it does.
    pub severity: Severity,
    /// Which record, counted from 0 behind the segments; none of what concerns a segment or the whole file.
    pub record: Option<u64>,
    /// Our reference of the invoice or line; empty where it has none or is not known yet.
    pub reference: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The findings, in the order of the file.
    pub findings: Vec<Finding>,
    /// How many more there were.
    pub more: u64,
    /// The weightiest of all, kept or not.
    pub worst: Option<Severity>,
}

impl Report {
    /// Whether nothing was found that would have anything refused.
    pub fn is_clean(&self) -> bool {
        self.worst.is_none_or(|worst| worst < Severity::Record)
    }

    /// Whether a finding has this code.
    pub fn has(&self, code: &str) -> bool {
        self.findings.iter().any(|finding| finding.code == code)
    }
}

/// Checks one file.
#[derive(Debug)]
pub struct Checker {
    checks: Checks,
    report: Report,
    count: u64,
    at: Option<(u64, Kind)>,
    reference: String,
    segments: Option<(Segment200, Segment300)>,
    before: order::Before,
    header: Option<Header>,
    invoice: Option<OpenInvoice>,
    last_destination: Option<u16>,
    has_debit: bool,
    invoices: HashSet<u64>,
    destinations: BTreeMap<u16, Sums>,
    open: Sums,
    totals: (i64, i64),
    recaps: Vec<u16>,
    has_sending_total: bool,
    has_recap_total: bool,
}

/// What is known of the invoice whose records are being read.
#[derive(Debug)]
struct OpenInvoice {
    head: InvoiceHead,
    sums: Sums,
    service: Option<ServiceRecord>,
    stay: Option<StayRecord>,
    lines: HashSet<lines::LineKey>,
    is_all_negative: bool,
}

impl Checker {
    /// Begins a file.
    pub fn new(checks: Checks) -> Self {
        Self {
            checks,
            report: Report::default(),
            count: 0,
            at: None,
            reference: String::new(),
            segments: None,
            before: order::Before::Nothing,
            header: None,
            invoice: None,
            last_destination: None,
            has_debit: false,
            invoices: HashSet::new(),
            destinations: BTreeMap::new(),
            open: Sums::default(),
            totals: (0, 0),
            recaps: Vec::new(),
            has_sending_total: false,
            has_recap_total: false,
        }
    }

    /// Checks what begins the file.
    pub fn head(&mut self, head: &Head) {
        form::segments(self, &head.raw);
        if let (Ok(first), Some(Ok(Second::Sending(second)))) = (&head.first, &head.second) {
            envelope::segments(self, first, second);
            self.segments = Some((first.clone(), second.clone()));
        }
    }

    /// Checks the next record.
    pub fn record(&mut self, raw: RawRecord<'_>) {
        self.count += 1;
        self.reference.clear();
        let Some(kind) = raw.kind else {
            self.at = None;
            self.before = order::Before::Unknown;
            self.own("wellgate-unknown-record", Some(raw.index));
            return;
        };
        self.at = Some((raw.index, kind));
        let read = raw.read();
        if let Some(Ok(record)) = &read {
            reference(record).clone_into(&mut self.reference);
        }
        order::check(self, kind, raw.bytes());
        form::record(self, kind, raw.bytes());
        if let Some(Ok(record)) = read {
            self.content(&record);
        }
    }

    fn content(&mut self, record: &Record) {
        match record {
            Record::Header(header) => envelope::header(self, header),
            Record::Invoice(head) => invoice::head(self, head),
            Record::InvoiceTotal(total) => invoice::total(self, total),
            Record::SendingTotal(total) => totals::sending(self, total),
            Record::Recap(recap) => totals::recap(self, recap),
            Record::RecapTotal(recap) => totals::recap_total(self, recap),
            Record::Settlement(_) | Record::SettlementTotal(_) => {}
            line => {
                // Counted before it is checked: a wrong line is in the totals all the same.
                if let Some(open) = &mut self.invoice
                    && open.sums.add(line).is_none()
                {
                    self.own("wellgate-amount", None);
                }
                match line {
                    Record::Stay(stay) => lines::stay(self, stay),
                    Record::Service(service) => lines::service(self, service),
                    Record::Commitment(commitment) => lines::commitment(self, commitment),
                    Record::Reading(reading) => readings::reading(self, reading),
                    Record::OldReading(reading) => readings::old_reading(self, reading),
                    Record::Aid(aid) => invoice::aid(self, aid),
                    _ => {}
                }
            }
        }
    }

    /// Ends the file.
    pub fn finish(mut self) -> Report {
        self.at = None;
        self.reference.clear();
        order::end(&mut self);
        totals::end(&mut self);
        self.report
    }

    /// How many records were checked.
    pub fn records(&self) -> u64 {
        self.count
    }

    /// The control number of a mutuality.
    pub(super) fn control_of(&self, sums: &Sums) -> u8 {
        match self.checks.control {
            ControlRule::AllRecords => sums.all.number(),
            ControlRule::ServicesAlone => sums.services.number(),
        }
    }

    /// Notes an official code of the record at hand.
    fn note(&mut self, code: &str) {
        let known = severity(code).unwrap_or(Severity::Blocking);
        let record = self.at.map(|(index, _)| index);
        self.push(Finding { code: code.to_owned(), severity: known, record, reference: self.reference.clone() });
    }

    /// Notes one of our own codes.
    fn own(&mut self, code: &str, record: Option<u64>) {
        let known = severity(code).unwrap_or(Severity::Blocking);
        let record = record.or(self.at.map(|(index, _)| index));
        self.push(Finding { code: code.to_owned(), severity: known, record, reference: self.reference.clone() });
    }

    /// Notes a code where something is so.
    fn note_if(&mut self, is_wrong: bool, code: &str) {
        if is_wrong {
            self.note(code);
        }
    }

    /// Notes an amount of nothing with another sign than it should have. Check digits count both signs alike, sums do not see it, and
    /// no official code speaks of it.
    fn sign(&mut self, amount: Signed, sign: Sign) {
        if amount.magnitude == 0 && amount.sign != sign {
            self.own("wellgate-sign", None);
        }
    }

    fn push(&mut self, finding: Finding) {
        self.report.worst = self.report.worst.max(Some(finding.severity));
        if self.report.findings.len() < self.checks.findings_max {
            self.report.findings.push(finding);
        } else {
            self.report.more += 1;
        }
    }
}

fn reference(record: &Record) -> &str {
    match record {
        Record::Invoice(record) => &record.reference,
        Record::Aid(record) => &record.reference,
        Record::Stay(record) => &record.reference,
        Record::Service(record) => &record.reference,
        Record::InvoiceTotal(record) => &record.reference,
        _ => "",
    }
}
