//! What an answer says, read out of its characters: pure, and whatever comes is hostile.

use std::collections::BTreeMap;

use mappings::billing::{
    Cents, Detail, FileReader, Kind, Message, ReadLimits, Record, Second, Settlement, Severity, segment_faults,
    severity,
};

use super::detail::{Finding, Refusal};

/// Findings about a whole file that are kept.
const REMARKS_MAX: usize = 100;

/// What an answer says.
#[derive(Debug)]
pub(super) struct Reading {
    /// Which message.
    pub(super) message: Message,
    /// The reference of the file that it answers; 0 where it cannot be read.
    pub(super) reference: i64,
    /// The number of the sending, where it says one.
    pub(super) number: Option<i64>,
    /// Whether it breaks off.
    pub(super) is_broken: bool,
    /// What is wrong with the file as such.
    pub(super) remarks: Vec<Finding>,
    /// What it says of lines, by our reference.
    pub(super) lines: BTreeMap<String, Said>,
    /// What it says of whole invoices, by their number.
    pub(super) invoices: BTreeMap<i64, Refusal>,
    /// What each payer makes of it.
    pub(super) totals: Vec<Settlement>,
}

/// What an answer says of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Errors for which it is refused; empty where it is not.
    pub(super) refusal: Refusal,
    /// Remarks that refuse nothing.
    pub(super) remarks: Vec<Finding>,
    /// What is paid of it, where that is said.
    pub(super) result: Option<Cents>,
}

impl Reading {
    /// Reads an answer. One that breaks off is read as far as it goes, and says so.
    pub(super) fn of(content: &[u8]) -> Option<Self> {
        let mut reader = FileReader::new(content, ReadLimits::default()).ok()?;
        let head = reader.head();
        let reference = head.first.as_ref().map_or(0, |first| i64::try_from(first.provider_reference).unwrap_or(0));
        let number = match &head.second {
            Some(Ok(Second::Answer(second))) => Some(i64::from(second.sending)),
            Some(Ok(Second::Sending(second))) => Some(i64::from(second.sending)),
            _ => None,
        };
        let mut reading = Self {
            message: head.message.clone(),
            reference,
            number,
            is_broken: false,
            remarks: Vec::new(),
            lines: BTreeMap::new(),
            invoices: BTreeMap::new(),
            totals: Vec::new(),
        };
        if reading.message == Message::TechnicalRefusal {
            let (first, second) = head.raw.split_at_checked(Kind::Segment200.layout().length).unwrap_or_default();
            reading.faults(Kind::Segment200, first);
            reading.faults(Kind::Segment300, second);
        }
        let mut line = String::new();
        loop {
            match reader.next_record() {
                Ok(Some(raw)) => {
                    if reading.message == Message::TechnicalRefusal {
                        if let Some(kind) = raw.kind {
                            reading.faults(kind, raw.bytes());
                        }
                        continue;
                    }
                    let detail = raw.detail().and_then(Result::ok);
                    match raw.read() {
                        Some(Ok(record)) => reading.record(record, detail, &mut line),
                        // What cannot be read back is somebody else's record: its errors still concern the file.
                        _ => reading.of_file(detail.as_ref()),
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    reading.is_broken = true;
                    break;
                }
            }
        }
        Some(reading)
    }

    fn faults(&mut self, kind: Kind, bytes: &[u8]) {
        for fault in segment_faults(kind, bytes) {
            self.remark(Finding::new(fault.code(), Severity::Blocking, ""));
        }
    }

    fn remark(&mut self, finding: Finding) {
        if self.remarks.len() < REMARKS_MAX && !self.remarks.contains(&finding) {
            self.remarks.push(finding);
        }
    }

    fn record(&mut self, record: Record, detail: Option<Detail>, line: &mut String) {
        match record {
            Record::Settlement(total) => self.totals.push(total),
            Record::SettlementTotal(_) => {}
            Record::Invoice(head) => {
                line.clear();
                self.of_invoice(head.invoice, detail);
            }
            Record::InvoiceTotal(total) => self.of_invoice(total.invoice, detail),
            Record::Stay(stay) => self.of_line((stay.reference, line), detail),
            Record::Service(service) => self.of_line((service.reference, line), detail),
            // They are of the service before them.
            Record::Commitment(_) | Record::Reading(_) | Record::OldReading(_) => {
                let of = line.clone();
                self.of_line((of, line), detail);
            }
            Record::Aid(aid) => self.of_invoice(aid.invoice, detail),
            Record::Header(_) | Record::SendingTotal(_) | Record::Recap(_) | Record::RecapTotal(_) => {
                self.of_file(detail.as_ref());
            }
        }
    }

    fn of_file(&mut self, detail: Option<&Detail>) {
        for finding in detail.into_iter().flat_map(findings) {
            self.remark(finding);
        }
    }

    fn of_invoice(&mut self, invoice: u64, detail: Option<Detail>) {
        let Some(detail) = detail else { return };
        let errors = findings(&detail);
        if errors.iter().any(Finding::blocks) {
            let refusal = self.invoices.entry(i64::try_from(invoice).unwrap_or(0)).or_default();
            refusal.errors.extend(errors);
        } else {
            for finding in errors {
                self.remark(finding);
            }
        }
    }

    fn of_line(&mut self, (reference, line): (String, &mut String), detail: Option<Detail>) {
        reference.trim().clone_into(line);
        let Some(detail) = detail else { return };
        let errors = findings(&detail);
        let said = self.lines.entry(line.clone()).or_default();
        for finding in errors {
            if finding.blocks() { said.refusal.errors.push(finding) } else { said.remarks.push(finding) }
        }
        // A day and the patient's share in it are two records of one line: what is paid of it is their sum.
        if let Some(result) = detail.result.map(mappings::billing::Signed::cents) {
            said.result = Some(Cents(said.result.map_or(0, |cents| cents.0) + result.0));
        }
    }
}

/// The errors of a returned record. The insurer's own letter counts; one that is no letter of the standard, as the catalogue says.
fn findings(detail: &Detail) -> Vec<Finding> {
    let finding = |error: &mappings::billing::ReturnedError| {
        let known = Severity::of_letter(&error.letter).or_else(|| severity(&error.code)).unwrap_or(Severity::Record);
        Finding::new(error.code.clone(), known, "")
    };
    detail.errors.iter().map(finding).collect()
}
