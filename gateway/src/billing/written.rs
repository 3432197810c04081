//! The file of a sending, written from its lines: one person after the other, in parts, so that it is never in memory whole.
//!
//! The same lines make the same file: what a gateway that died left half written is written again over it.

use std::collections::{BTreeMap, HashMap};

use connectors::gen_async::CONTENT_BYTES_MAX;
use mappings::billing::{Date, FileWriter, Previous, Severity, WriteError, Written};
use sha2::{Digest, Sha256};

use super::check::not_written;
use super::detail::{Finding, LineDetail};
use super::file::{InvoiceKey, invoice, previous};
use super::party::BillingParty;
use super::people::InsuredPerson;
use super::refusing::Refusing;
use super::{Books, PAGE, day_of, fresh_id};
use crate::error::Failure;
use crate::storage::StorageError;
use crate::storage::billing::{ClaimLineRow, LinePlace, NumberedLine, PartWriter, SendingRow, SendingTotalRow};
use crate::storage::write_set::WriteSet;
use crate::vault::scope;

/// What was written of a file.
#[derive(Default)]
pub(super) struct Made {
    pub(super) totals: Vec<SendingTotalRow>,
    pub(super) lines: i64,
    pub(super) invoices: i64,
    pub(super) requested_cents: i64,
    pub(super) bytes: i64,
    pub(super) hash: String,
    /// Whose the parts are that it was written into.
    pub(super) parts: String,
    /// Why it cannot be sent, and which lines are to blame.
    pub(super) faults: Vec<(Option<String>, Finding)>,
}

impl Books<'_> {
    /// Writes the file in parts, one person after the other.
    pub(super) async fn write(&self, sending: &SendingRow, party: &BillingParty) -> Result<Made, Failure> {
        const WRONG: StorageError = StorageError::Corrupt("a sending");
        let places = self.app.store.sending_places(&self.compartment, &sending.id).await?;
        let created = Date::parse(&sending.created_on).ok_or(WRONG)?;
        // A file that goes again keeps the date of its invoices.
        let dated = day_of(sending.created_ms).ok_or(WRONG)?;
        let head = party.sending(sending, created, self.environment())?;
        let mut made = Made { lines: i64::try_from(places.len()).unwrap_or(i64::MAX), ..Made::default() };
        let mut kept = Parts { books: self, sending, owner: fresh_id(), part: 0, hash: Sha256::new(), bytes: 0 };
        let mut writer = match FileWriter::new(PartWriter::default(), head, self.checks(created)) {
            Ok(writer) => writer,
            Err(error) => {
                made.faults.push((None, not_written(&error)));
                return Ok(made);
            }
        };
        let mut number = 0;
        for chunk in chunks(&places) {
            let invoices = self.invoices(sending, chunk, (&mut number, dated)).await?;
            let mut numbered = Vec::new();
            for (ids, invoice) in invoices {
                let written = match &invoice {
                    Ok(invoice) => writer.invoice(invoice).map_err(|error| vec![not_written(&error)]),
                    Err(findings) => Err(findings.clone()),
                };
                if let Err(findings) = written {
                    let each = ids.iter().flat_map(|id| findings.iter().map(|one| (Some(id.clone()), one.clone())));
                    made.faults.extend(each);
                    return Ok(made);
                }
                let invoice = invoice.map(|invoice| i64::try_from(invoice.number).unwrap_or(0)).unwrap_or_default();
                let of_line = |id: String| NumberedLine {
                    compartment: self.compartment.clone(),
                    id,
                    sending: sending.id.clone(),
                    invoice,
                };
                numbered.extend(ids.into_iter().map(of_line));
            }
            let mut set = WriteSet::default();
            set.billing.numbered = numbered;
            self.app.store.apply(set).await?;
            while let Some(full) = writer.output().full() {
                kept.put(full).await?;
            }
        }
        match writer.finish() {
            Ok((rest, written)) => {
                kept.put(rest.rest()).await?;
                kept.end(&mut made);
                self.told(sending, &written, &mut made);
            }
            Err(WriteError::NoInvoices) => {
                made.faults.push((None, Finding::new("wellgate-no-lines", Severity::Blocking, "")));
            }
            Err(error) => made.faults.push((None, not_written(&error))),
        }
        Ok(made)
    }

    /// What the writer says of the whole file.
    fn told(&self, sending: &SendingRow, written: &Written, made: &mut Made) {
        if !written.report.is_clean() {
            let found = written.report.findings.iter().filter(|finding| finding.severity >= Severity::Record);
            made.faults.extend(found.map(|finding| {
                let line = Some(finding.reference.clone()).filter(|reference| reference.len() == 25);
                (line, Finding::new(finding.code.clone(), finding.severity, ""))
            }));
        }
        if !written.report.is_clean() && made.faults.is_empty() {
            // There were more findings than are kept, and the weighty ones came last.
            made.faults.push((None, Finding::new("wellgate-too-many-findings", Severity::Blocking, "")));
        }
        if usize::try_from(made.bytes).is_ok_and(|bytes| bytes > CONTENT_BYTES_MAX) {
            made.faults.push((None, Finding::new("wellgate-too-long", Severity::Blocking, "")));
        }
        made.invoices = i64::from(written.file.invoices);
        made.requested_cents = written.file.amount_a.0;
        made.totals = written
            .destinations
            .iter()
            .map(|totals| SendingTotalRow {
                compartment: self.compartment.clone(),
                sending: sending.id.clone(),
                payer: i64::from(totals.destination),
                requested_cents: totals.amount_a.0,
                records: i64::from(totals.records),
                invoices: i64::from(totals.invoices),
                ..SendingTotalRow::default()
            })
            .collect();
    }

    /// The invoices of a stretch of the file that holds people whole, each with its lines.
    async fn invoices(
        &self,
        sending: &SendingRow,
        places: &[LinePlace],
        (number, on): (&mut u64, Date),
    ) -> Result<Vec<(Vec<String>, Result<mappings::billing::Invoice, Vec<Finding>>)>, Failure> {
        let ids: Vec<String> = places.iter().map(|place| place.id.clone()).collect();
        let rows = self.app.store.claim_lines_by_id(&self.compartment, &ids).await?;
        let previous = self.previous_of(&rows).await?;
        let mut rows: HashMap<String, ClaimLineRow> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        let mut people: Vec<String> = places.iter().map(|place| place.person.clone()).collect();
        people.dedup();
        let people = self.people(&people).await?;
        // Who said so since the lines were taken: the file is void, and they are out of the next.
        let refusing = self.refusing(&people).await?;
        let mut made = Vec::new();
        let same = |a: &LinePlace, b: &LinePlace| (a.payer, a.rank, &a.person) == (b.payer, b.rank, &b.person);
        for of_person in places.chunk_by(same) {
            if of_person.first().is_some_and(|first| first.rank == 1 && refusing.contains_key(&first.person)) {
                let ids = of_person.iter().map(|place| place.id.clone()).collect();
                made.push((ids, Err(vec![Refusing::finding()])));
                continue;
            }
            let mut groups: BTreeMap<InvoiceKey, Vec<(ClaimLineRow, LineDetail)>> = BTreeMap::new();
            for place in of_person {
                let row = rows.remove(&place.id).ok_or(StorageError::Corrupt("a claim line"))?;
                let detail = LineDetail::read(&row)?;
                let key = InvoiceKey::of(&detail, previous.get(&row.id));
                groups.entry(key).or_default().push((row, detail));
            }
            let person: InsuredPerson =
                of_person.first().and_then(|place| people.get(&place.person)).cloned().unwrap_or_default();
            for lines in groups.into_values() {
                *number += 1;
                let earlier = lines.first().and_then(|(row, _)| previous.get(&row.id)).cloned();
                let one = invoice(&lines, &person, (earlier, invoice_number(sending, *number), on));
                made.push((lines.into_iter().map(|(row, _)| row.id).collect(), one));
            }
        }
        Ok(made)
    }

    /// What the lines that correct or take back others name of them, by their own ids.
    pub(super) async fn previous_of(&self, rows: &[ClaimLineRow]) -> Result<HashMap<String, Previous>, Failure> {
        let store = &self.app.store;
        let mut ids: Vec<String> = rows
            .iter()
            .filter(|row| row.kind != 0)
            .map(|row| row.corrects.clone())
            .filter(|id| !id.is_empty())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let old = store.claim_lines_by_id(&self.compartment, &ids).await?;
        let mut sendings: HashMap<String, (SendingRow, Vec<SendingTotalRow>)> = HashMap::new();
        for row in &old {
            if !sendings.contains_key(&row.sending)
                && let Some(sending) = store.sending(&self.compartment, &row.sending).await?
            {
                let totals = store.sending_totals(&self.compartment, &row.sending).await?;
                sendings.insert(row.sending.clone(), (sending, totals));
            }
        }
        let named = |row: &ClaimLineRow| {
            let old = old.iter().find(|old| row.kind != 0 && old.id == row.corrects)?;
            let (sending, totals) = sendings.get(&old.sending)?;
            let total = totals.iter().find(|total| total.payer == old.payer);
            let payment = total.map_or("", |total| total.payment_reference.as_str());
            Some((row.id.clone(), previous(old, sending, if row.kind == 1 { payment } else { "" })?))
        };
        Ok(rows.iter().filter_map(named).collect())
    }
}

/// The parts of a file as they are kept.
struct Parts<'b> {
    books: &'b Books<'b>,
    sending: &'b SendingRow,
    /// Of this writer alone: two that write the same file never mix theirs.
    owner: String,
    part: i64,
    hash: Sha256,
    bytes: i64,
}

impl Parts<'_> {
    async fn put(&mut self, bytes: Vec<u8>) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.hash.update(&bytes);
        self.bytes += i64::try_from(bytes.len()).unwrap_or(0);
        let text = String::from_utf8(bytes).map_err(|_| Failure::Internal("a file of billing is not ASCII"))?;
        let (store, sending) = (&self.books.app.store, self.sending);
        let of = scope(&sending.compartment, "Sending", &sending.id);
        let sealed = store.seal_text(&of, &text, self.books.now_ms()).await?;
        let owner = (sending.compartment.as_str(), self.owner.as_str());
        store.put_billing_part(owner, (sending.attempt, self.part), &sealed).await?;
        self.part += 1;
        Ok(())
    }

    fn end(self, made: &mut Made) {
        made.bytes = self.bytes;
        made.hash = crate::audit::seal::hex(&self.hash.finalize());
        made.parts = self.owner;
    }
}

/// Stretches of places that hold people whole, some hundred lines each.
fn chunks(places: &[LinePlace]) -> Vec<&[LinePlace]> {
    let page = usize::try_from(PAGE).unwrap_or(1);
    let (mut all, mut from) = (Vec::new(), 0);
    while from < places.len() {
        let mut to = (from + page).min(places.len());
        let is_same = |at: usize| {
            let pair = places.get(at - 1).zip(places.get(at));
            pair.is_some_and(|(a, b)| (a.payer, a.rank, &a.person) == (b.payer, b.rank, &b.person))
        };
        while to < places.len() && is_same(to) {
            to += 1;
        }
        all.extend(places.get(from..to));
        from = to;
    }
    all
}

/// Two digits of the year, three of the sending, seven of the invoice: unique for the third party.
fn invoice_number(sending: &SendingRow, n: u64) -> u64 {
    let [year, number] = [sending.year % 100, sending.number].map(|one| u64::try_from(one).unwrap_or(0));
    (year * 1_000 + number) * 10_000_000 + n
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(person: &str, n: usize) -> LinePlace {
        LinePlace { payer: 131, rank: 1, person: person.to_owned(), corrects: String::new(), id: format!("{n:025}") }
    }

    #[test]
    fn a_stretch_never_parts_a_person() {
        let places: Vec<LinePlace> = (0..2_345).map(|n| place(&format!("{:05}", n / 7), n)).collect();
        let chunks = chunks(&places);
        assert_eq!(chunks.iter().map(|chunk| chunk.len()).sum::<usize>(), places.len());
        for pair in chunks.windows(2) {
            let ends = (pair[0].last().map(|one| &one.person), pair[1].first().map(|one| &one.person));
            assert_ne!(ends.0, ends.1);
        }
        let one: Vec<LinePlace> = (0..1_200).map(|n| place("a", n)).collect();
        assert_eq!(super::chunks(&one).len(), 1);
        assert!(super::chunks(&[]).is_empty());
    }

    #[test]
    fn the_number_of_an_invoice_has_room_in_its_zone_and_tells_its_sending() {
        let sending = SendingRow { year: 2026, number: 999, ..SendingRow::default() };
        assert_eq!(invoice_number(&sending, 333_333), 269_990_333_333);
    }
}
