//! A file is made: it takes its number and its lines in one write set, is written from them, and is sealed or void.
//!
//! A gateway may die at any point: what it left half made has its number and its lines, and the next one makes the same file of them.

use std::collections::{BTreeMap, HashMap};

use mappings::billing::{Checks, Date, FileWriter, Previous, Severity, WriteError, Written};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::check::not_written;
use super::detail::{Finding, LineDetail};
use super::file::{InvoiceKey, invoice, previous};
use super::party::BillingParty;
use super::people::InsuredPerson;
use super::send::{KIND, RESOURCE_TYPE};
use super::states::{LineState, SendingState};
use super::{Books, PAGE, day, fresh_id};
use crate::access::caller::Act;
use crate::app::App;
use crate::audit::Actor;
use crate::config::OneFileADay;
use crate::error::{Failure, Issue};
use crate::storage::StorageError;
use crate::storage::billing::{
    ClaimLineRow, LineChange, LineFilter, LinePlace, MovedLines, NumberedLine, PartWriter, SendingRow, SendingTotalRow,
    TakenLines,
};
use crate::storage::delivery::NewDelivery;
use crate::storage::write_set::{VersionId, WriteSet};
use crate::vault::scope;

/// A file takes its number.
const NUMBER: Act = Act::new("C", "billing-number");
/// A file is sealed: from now on it leaves.
const SEAL: Act = Act::new("E", "billing-seal");
/// A number stays unused.
const VOID: Act = Act::new("E", "billing-void");
/// Numbers of a third party in a year.
const NUMBER_MAX: i64 = 999;
/// A file that nobody has gone on with for so long was left by a gateway that died.
const LEFT_MS: i64 = 60_000;

/// What a file is to be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Who is paid: 11 digits.
    pub third_party: String,
    /// `efact` or `vsb`.
    pub channel: String,
    /// The federation or care fund.
    pub federation: i64,
    /// The month that is billed, `YYYYMM`: what is ready of earlier months goes along.
    pub month: i64,
}

/// What is ready for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyFile {
    /// By which it is made.
    pub wanted: Wanted,
    /// The payers in it.
    pub payers: Vec<i64>,
    /// How many lines.
    pub lines: i64,
    /// What is asked for.
    pub amount_cents: i64,
    /// Whether it may be made today.
    pub may_today: bool,
}

/// What was written of a file.
#[derive(Default)]
struct Made {
    totals: Vec<SendingTotalRow>,
    lines: i64,
    invoices: i64,
    requested_cents: i64,
    bytes: i64,
    hash: String,
    /// Why it cannot be sent, and which lines are to blame.
    faults: Vec<(Option<String>, Finding)>,
}

impl Books<'_> {
    /// Makes a file of everything that is ready, and lets it leave. Answers the sending: sealed, or void where something was found that the check had not.
    ///
    /// # Errors
    /// 422 with code 100724 where a file of today is enough, 100721 where the numbers of the year are used up, or where nothing is ready; the
    /// database is away: then the file is made later.
    pub async fn seal(&self, wanted: &Wanted) -> Result<SendingRow, Failure> {
        self.party(&wanted.third_party).await?;
        let sending = self.decided(|| Box::pin(self.numbered(wanted))).await?;
        self.finish(sending).await
    }

    /// Whether a file may be made today.
    ///
    /// # Errors
    /// The database is away.
    pub async fn may_seal_today(&self, wanted: &Wanted) -> Result<bool, Failure> {
        let federation = match self.app.billing.one_file_a_day {
            OneFileADay::Unlimited => return Ok(true),
            OneFileADay::Federation => Some(wanted.federation),
            OneFileADay::Provider => None,
        };
        if wanted.channel != "efact" {
            return Ok(true);
        }
        let today = day(self.today()?);
        let of = (wanted.channel.as_str(), today.as_str());
        Ok(self.app.store.sendings_of_day(&wanted.third_party, of, federation).await? == 0)
    }

    /// The files that can be made of what is ready in a month and before: one for each federation and care fund.
    ///
    /// # Errors
    /// The database is away.
    pub async fn ready(&self, third_party: &str, month: i64) -> Result<Vec<ReadyFile>, Failure> {
        let filter = LineFilter {
            third_party: third_party.to_owned(),
            states: vec![LineState::Ready.code()],
            ..LineFilter::default()
        };
        let mut files: Vec<ReadyFile> = Vec::new();
        for count in self.app.store.claim_counts(&self.compartment, &filter).await? {
            let Some(federation) = self.federation(&count.channel, count.payer)? else { continue };
            if count.month > month {
                continue;
            }
            let wanted = Wanted { third_party: third_party.to_owned(), channel: count.channel, federation, month };
            let at = files.iter().position(|file| file.wanted == wanted).unwrap_or(files.len());
            if at == files.len() {
                let may_today = self.may_seal_today(&wanted).await?;
                files.push(ReadyFile { wanted, payers: Vec::new(), lines: 0, amount_cents: 0, may_today });
            }
            let Some(file) = files.get_mut(at) else { continue };
            if !file.payers.contains(&count.payer) {
                file.payers.push(count.payer);
            }
            file.lines += count.lines;
            file.amount_cents += count.amount_cents;
        }
        files.sort_by(|a, b| (&a.wanted.channel, a.wanted.federation).cmp(&(&b.wanted.channel, b.wanted.federation)));
        Ok(files)
    }

    /// The federation or care fund to which a payer's lines go in one file; none for a channel that has no files.
    fn federation(&self, channel: &str, payer: i64) -> Result<Option<i64>, Failure> {
        let (Ok(number), today) = (u16::try_from(payer), self.today()?) else { return Ok(None) };
        let destination = match channel {
            "efact" => self.app.tariffs.mutuality(number, today),
            "vsb" => self.app.tariffs.care_fund(number, today),
            _ => None,
        };
        Ok(destination.map(|destination| i64::from(destination.federation)))
    }

    /// Gives the file its number and its lines.
    async fn numbered(&self, wanted: &Wanted) -> Result<(WriteSet, SendingRow), Failure> {
        let refused =
            |code: &'static str, details: &str| Failure::Unprocessable(vec![Issue::at(code, "business-rule", details)]);
        if !self.may_seal_today(wanted).await? {
            return Err(refused("100724", "one file a day: the next can be made tomorrow"));
        }
        let ready = self.ready(&wanted.third_party, wanted.month).await?.into_iter().find(|one| one.wanted == *wanted);
        let Some(ready) = ready else {
            return Err(refused("sending", "nothing is ready for it: check the month first"));
        };
        let (today, now_ms) = (self.today()?, self.now_ms());
        let again = self.refused_before(wanted).await?;
        let mut sending = match again {
            Some(sending) => SendingRow { attempt: sending.attempt + 1, remark: String::new(), ..sending },
            None => {
                let year = i64::from(today.year());
                let number = self.app.store.next_sending_number(&wanted.third_party, year).await?;
                if number > NUMBER_MAX {
                    return Err(refused("100721", "the 999 numbers of this year are used up"));
                }
                SendingRow {
                    compartment: self.compartment.clone(),
                    id: fresh_id(),
                    third_party: wanted.third_party.clone(),
                    year,
                    number,
                    channel: wanted.channel.clone(),
                    federation: wanted.federation,
                    month: wanted.month,
                    created_ms: now_ms,
                    attempt: 1,
                    ..SendingRow::default()
                }
            }
        };
        sending.reference = reference(now_ms);
        sending.created_on = day(today);
        sending.changed_ms = now_ms;
        SendingState::Sealing.code().clone_into(&mut sending.state);
        let mut set = WriteSet::default();
        set.billing.sendings.push(sending.clone());
        set.billing.taken = ready
            .payers
            .iter()
            .map(|payer| TakenLines {
                compartment: self.compartment.clone(),
                sending: sending.id.clone(),
                third_party: wanted.third_party.clone(),
                channel: wanted.channel.clone(),
                month_max: wanted.month,
                payer: *payer,
                now_ms,
            })
            .collect();
        set.audit.push(self.about(NUMBER, &sending));
        Ok((set, sending))
    }

    /// A file to a care fund that was refused for its form goes again under its number.
    async fn refused_before(&self, wanted: &Wanted) -> Result<Option<SendingRow>, Failure> {
        if wanted.channel == "efact" {
            return Ok(None);
        }
        let refused = [SendingState::RefusedTechnical.code()];
        let sendings = self.app.store.sendings(&self.compartment, &refused, ("", PAGE)).await?;
        let is_same = |one: &SendingRow| {
            one.third_party == wanted.third_party
                && one.channel == wanted.channel
                && one.federation == wanted.federation
                && one.month == wanted.month
        };
        Ok(sendings.into_iter().find(is_same))
    }

    fn about(&self, act: Act, sending: &SendingRow) -> crate::audit::AuditEvent {
        let (number, federation) = (format!("{}-{}", sending.year, sending.number), sending.federation.to_string());
        let lines = sending.lines.to_string();
        let said = [
            ("sending", sending.id.as_str()),
            ("number", &number),
            ("federation", &federation),
            ("channel", &sending.channel),
            ("lines", &lines),
        ];
        let event = self.event(act, &said);
        crate::audit::AuditEvent { purpose: "HPAYMT".to_owned(), ..event }
    }

    /// Writes the file of a sending that has its number, and seals it, or makes it void.
    ///
    /// # Errors
    /// The database is away: then it is made later.
    pub(super) async fn finish(&self, sending: SendingRow) -> Result<SendingRow, Failure> {
        let party = self.party(&sending.third_party).await?;
        let made = self.write(&sending, &party).await?;
        self.decided(|| {
            let (sending, made) = (&sending, &made);
            Box::pin(async move {
                let now = self.app.store.sending(&self.compartment, &sending.id).await?;
                let now = now.ok_or(Failure::Internal("a sending is gone"))?;
                if now.state != SendingState::Sealing.code() || now.attempt != sending.attempt {
                    // Another was faster, with the same lines and so the same file.
                    return Ok((WriteSet::default(), now));
                }
                self.sealed(now, &made).await
            })
        })
        .await
    }

    async fn sealed(&self, mut sending: SendingRow, made: &Made) -> Result<(WriteSet, SendingRow), Failure> {
        let (mut set, now_ms) = (WriteSet::default(), self.now_ms());
        sending.changed_ms = now_ms;
        sending.lines = made.lines;
        if made.faults.is_empty() {
            SendingState::Sealed.code().clone_into(&mut sending.state);
            sending.invoices = made.invoices;
            sending.requested_cents = made.requested_cents;
            sending.file_bytes = made.bytes;
            sending.file_hash.clone_from(&made.hash);
            sending.delivery = Uuid::now_v7().simple().to_string();
            let partner = if sending.channel == "efact" { "mutuality" } else { "care-fund" };
            set.deliveries.push(NewDelivery {
                compartment: self.compartment.clone(),
                id: sending.delivery.clone(),
                partner: format!("{partner}/{}", sending.federation),
                kind: KIND.into(),
                resource_type: RESOURCE_TYPE,
                resource_id: sending.id.clone(),
                version: VersionId(sending.attempt),
                due_ms: now_ms,
            });
            set.billing.totals.clone_from(&made.totals);
            set.audit.push(self.about(SEAL, &sending));
        } else {
            SendingState::Void.code().clone_into(&mut sending.state);
            let whole: Vec<Finding> = made.faults.iter().map(|(_, finding)| finding.clone()).take(100).collect();
            sending.remark = Finding::write(&whole);
            set.billing.changed = self.to_blame(&made.faults).await?;
            set.billing.moved.push(MovedLines {
                compartment: self.compartment.clone(),
                sending: sending.id.clone(),
                was: LineState::Sealed.code(),
                state: LineState::Ready.code(),
                now_ms,
            });
            set.audit.push(self.about(VOID, &sending));
        }
        set.billing.sendings.push(sending.clone());
        Ok((set, sending))
    }

    /// The lines that keep a file from being sent, out of it again.
    async fn to_blame(&self, faults: &[(Option<String>, Finding)]) -> Result<Vec<LineChange>, Failure> {
        let mut findings: BTreeMap<&str, Vec<Finding>> = BTreeMap::new();
        for (line, finding) in faults {
            if let Some(line) = line {
                findings.entry(line).or_default().push(finding.clone());
            }
        }
        let ids: Vec<String> = findings.keys().map(|id| (*id).to_owned()).collect();
        let lines = self.app.store.claim_lines_by_id(&self.compartment, &ids).await?;
        let change = |mut line: ClaimLineRow| {
            line.findings = findings.get(line.id.as_str()).map(|found| Finding::write(found)).unwrap_or_default();
            LineState::Faulty.code().clone_into(&mut line.state);
            (line.sending, line.invoice, line.changed_ms) = (String::new(), 0, self.now_ms());
            LineChange { line, was: LineState::Sealed.code() }
        };
        Ok(lines.into_iter().map(change).collect())
    }

    /// Writes the file in parts, one person after the other.
    async fn write(&self, sending: &SendingRow, party: &BillingParty) -> Result<Made, Failure> {
        const WRONG: StorageError = StorageError::Corrupt("a sending");
        let places = self.app.store.sending_places(&self.compartment, &sending.id).await?;
        let created = Date::parse(&sending.created_on).ok_or(WRONG)?;
        let head = party.sending(sending, created, self.environment())?;
        let mut made = Made { lines: i64::try_from(places.len()).unwrap_or(i64::MAX), ..Made::default() };
        let mut parts = Parts { books: self, sending, part: 0, hash: Sha256::new(), bytes: 0 };
        let mut writer = match FileWriter::new(PartWriter::default(), head, Checks::on(created)) {
            Ok(writer) => writer,
            Err(error) => {
                made.faults.push((None, not_written(&error)));
                return Ok(made);
            }
        };
        let mut number = 0;
        for chunk in chunks(&places) {
            let invoices = self.invoices(sending, chunk, (&mut number, created)).await?;
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
                let of_line = |id: String| NumberedLine { compartment: self.compartment.clone(), id, invoice };
                numbered.extend(ids.into_iter().map(of_line));
            }
            let mut set = WriteSet::default();
            set.billing.numbered = numbered;
            self.app.store.apply(set).await?;
            while let Some(full) = writer.output().full() {
                parts.put(full).await?;
            }
        }
        match writer.finish() {
            Ok((rest, written)) => {
                parts.put(rest.rest()).await?;
                parts.end(&mut made).await?;
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
        let mut made = Vec::new();
        let same = |a: &LinePlace, b: &LinePlace| (a.payer, a.rank, &a.person) == (b.payer, b.rank, &b.person);
        for of_person in places.chunk_by(same) {
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
        let owner = (sending.compartment.as_str(), sending.id.as_str());
        store.put_billing_part(owner, (sending.attempt, self.part), &sealed).await?;
        self.part += 1;
        Ok(())
    }

    async fn end(self, made: &mut Made) -> Result<(), Failure> {
        let owner = (self.sending.compartment.as_str(), self.sending.id.as_str());
        self.books.app.store.drop_billing_parts(owner, (self.sending.attempt, self.part)).await?;
        made.bytes = self.bytes;
        made.hash = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(())
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

/// 14 digits that no other file has: the time, and a digit at random. Where two meet, the second decides again.
fn reference(now_ms: i64) -> i64 {
    let [random, ..] = *Uuid::new_v4().as_bytes();
    now_ms.saturating_mul(10).saturating_add(i64::from(random % 10))
}

/// Goes on with what a gateway that died left half made. Answers how many there were.
///
/// # Errors
/// The database is away.
pub(crate) async fn finish_left(app: &App) -> Result<usize, Failure> {
    let left = app.store.unfinished_sendings(app.clock.now_ms() - LEFT_MS).await?;
    for sending in &left {
        let books = Books::new(app, sending.compartment.clone(), Actor::gateway());
        books.finish(sending.clone()).await?;
    }
    Ok(left.len())
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
        assert!(reference(1_772_366_400_000).to_string().len() == 14);
    }
}
