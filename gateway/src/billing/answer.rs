//! An answer comes in: kept as it came, then read, and what it says of the file becomes what the books say. What nobody understands is kept and
//! shown.
//!
//! The same answer counts once, however often it comes; it is confirmed to the insurer only after it is kept.

use std::collections::{BTreeMap, HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mappings::billing::{Message, Severity};

use super::Books;
use super::decision::CareDecision;
use super::detail::{Finding, LineDetail, Refusal};
use super::reading::{Reading, Said};
use super::send::partner_of;
use super::states::{LineState, SendingState};
use crate::access::caller::Act;
use crate::error::Failure;
use crate::storage::StorageError;
use crate::storage::billing::{BillingMessageRow, ClaimLineRow, LineChange, MovedLines, SendingRow, SendingTotalRow};
use crate::storage::write_set::WriteSet;
use crate::vault::scope;

/// An answer came in.
pub(super) const ANSWER: Act = Act::new("U", "billing-answer");
/// Characters of an answer that are sealed together.
const PART_BYTES: usize = 384 * 1024;
/// Lines that one act of change takes.
const LINES_MAX: usize = 100_000;

/// An answer as it came.
#[derive(Clone)]
pub struct Answer {
    /// Under which it is confirmed.
    pub hash: String,
    /// What it was called on its way.
    pub name: String,
    /// Who is paid: 11 digits.
    pub third_party: String,
    /// From whom: `mutuality/300` or `care-fund/701`.
    pub partner: String,
    /// The reference that its envelope names; empty where it names none.
    pub reference: String,
    /// Its characters.
    pub content: Vec<u8>,
}

/// Without its characters, which name people.
impl std::fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Answer").field("hash", &self.hash).field("name", &self.name).finish_non_exhaustive()
    }
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The books say what it says.
    Applied,
    /// It is kept, and a person has to look at it.
    Unknown,
    /// It was there already.
    Known,
}

impl Kept {
    const fn code(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unknown => "unknown",
            Self::Known => "known",
        }
    }
}

impl Books<'_> {
    /// Keeps an answer, and does what it says. When this returns it is durable, and may be confirmed.
    ///
    /// # Errors
    /// The database or the key store is away: it must not be confirmed.
    pub async fn keep(&self, answer: &Answer) -> Result<Kept, Failure> {
        if self.app.store.billing_message(&self.compartment, &answer.hash).await?.is_some() {
            return Ok(Kept::Known);
        }
        self.keep_bytes(answer).await?;
        let reading = Reading::of(&answer.content);
        self.decided(|| {
            let reading = &reading;
            Box::pin(async move {
                if self.app.store.billing_message(&self.compartment, &answer.hash).await?.is_some() {
                    return Ok((WriteSet::default(), Kept::Known));
                }
                let mut set = WriteSet::default();
                let (sending, remarks, kept) = match CareDecision::read(answer) {
                    Some(decided) => (None, vec![decided], Kept::Applied),
                    None => self.follows(answer, reading.as_ref(), &mut set).await?,
                };
                let id = sending.as_ref().map(|sending| sending.id.clone()).unwrap_or_default();
                let number = reading.as_ref().map(|reading| reading.message.number()).filter(|number| *number != 0);
                let name = number.map_or_else(|| word(&answer.name), |number| number.to_string());
                let said = [("message", name.as_str()), ("sending", &id), ("outcome", kept.code())];
                set.audit.push(self.event(ANSWER, &said));
                set.billing.messages.push(BillingMessageRow {
                    compartment: self.compartment.clone(),
                    hash: answer.hash.clone(),
                    third_party: answer.third_party.clone(),
                    partner: answer.partner.clone(),
                    name,
                    sending: id,
                    state: kept.code().to_owned(),
                    remark: Finding::write(&remarks),
                    received_ms: self.now_ms(),
                });
                Ok((set, kept))
            })
        })
        .await
    }

    /// The very characters of an answer, sealed in parts.
    async fn keep_bytes(&self, answer: &Answer) -> Result<(), Failure> {
        let of = scope(&self.compartment, "BillingMessage", &answer.hash);
        for (part, bytes) in (0..).zip(answer.content.chunks(PART_BYTES)) {
            let sealed = self.app.store.seal_text(&of, &STANDARD.encode(bytes), self.now_ms()).await?;
            self.app.store.put_billing_part((&self.compartment, &answer.hash), (0, part), &sealed).await?;
        }
        Ok(())
    }

    /// One part of an answer as it came, from 0 on; none after the last.
    ///
    /// # Errors
    /// The database or the key store is away.
    pub async fn answer_part(&self, hash: &str, part: i64) -> Result<Option<Vec<u8>>, Failure> {
        let Some(sealed) = self.app.store.billing_part((&self.compartment, hash), (0, part)).await? else {
            return Ok(None);
        };
        let text = self.app.store.open_text(&sealed).await?;
        Ok(Some(STANDARD.decode(text).map_err(|_| StorageError::Corrupt("an answer"))?))
    }

    /// The sending that an answer is about, what is to be remarked of it, and whether it is understood.
    async fn follows(
        &self,
        answer: &Answer,
        reading: Option<&Reading>,
        set: &mut WriteSet,
    ) -> Result<(Option<SendingRow>, Vec<Finding>, Kept), Failure> {
        let unknown = |code: &str| (vec![Finding::new(code, Severity::Signal, "")], Kept::Unknown);
        let Some(reading) = reading else {
            let (remarks, kept) = unknown("wellgate-answer-unreadable");
            return Ok((None, remarks, kept));
        };
        let found = self.app.store.sending_by_reference(&answer.third_party, reading.reference).await?;
        // What went to one insurer is not another's to answer.
        let is_asked = |sending: &SendingRow| {
            sending.compartment == self.compartment
                && answer.partner == partner_of(&sending.channel, sending.federation)
                && (answer.reference.is_empty() || answer.reference.parse() == Ok(sending.reference))
        };
        let Some(sending) = found.filter(is_asked) else {
            let (remarks, kept) = unknown("wellgate-answer-to-nothing");
            return Ok((None, remarks, kept));
        };
        if matches!(reading.message, Message::Unknown(_) | Message::InvoiceFile) {
            let (remarks, kept) = unknown("wellgate-message-unknown");
            return Ok((Some(sending), remarks, kept));
        }
        if reading.is_broken {
            // Whatever it did not get to say would count as paid.
            let (remarks, kept) = unknown("wellgate-answer-broken");
            return Ok((Some(sending), remarks, kept));
        }
        if reading.number.is_some_and(|number| number != sending.number) {
            let (remarks, kept) = unknown("wellgate-answer-wrong-number");
            return Ok((Some(sending), remarks, kept));
        }
        let Some(state) = SendingState::from_code(&sending.state) else {
            return Err(StorageError::Corrupt("a sending").into());
        };
        let next = state_after(&reading.message);
        if next.is_some_and(|next| !state.next().contains(&next)) || (next.is_none() && !state.is_under_way()) {
            let (remarks, kept) = unknown("wellgate-answer-out-of-order");
            return Ok((Some(sending), remarks, kept));
        }
        if reading.message == Message::Settlement && !self.has_totals(&sending, reading).await? {
            let (remarks, kept) = unknown("wellgate-no-total");
            return Ok((Some(sending), remarks, kept));
        }
        if reading.message == Message::Settlement && self.refuses_others(&sending, reading).await? {
            let (remarks, kept) = unknown("wellgate-answer-unmatched");
            return Ok((Some(sending), remarks, kept));
        }
        let sending = match reading.message {
            Message::Receipt => self.received(sending, set),
            Message::TechnicalRefusal | Message::Rejection => self.refused_whole(sending, reading, set).await?,
            Message::Settlement => self.settled(sending, reading, set).await?,
            _ => sending,
        };
        let mut remarks = reading.remarks.clone();
        remarks.extend(reading.lines.values().flat_map(|said| said.remarks.iter().cloned()).take(100));
        Ok((Some(sending), remarks, Kept::Applied))
    }

    /// Whether a settlement says of every payer what it makes of the file: one that does not is not whole.
    async fn has_totals(&self, sending: &SendingRow, reading: &Reading) -> Result<bool, Failure> {
        let totals = self.app.store.sending_totals(&self.compartment, &sending.id).await?;
        let is_there =
            |total: &SendingTotalRow| reading.totals.iter().any(|said| i64::from(said.destination) == total.payer);
        Ok(totals.iter().all(is_there))
    }

    /// Whether a settlement refuses what is not in the file, or the file as such: then nobody knows what it pays.
    async fn refuses_others(&self, sending: &SendingRow, reading: &Reading) -> Result<bool, Failure> {
        let refused = self.refused(sending, reading).await?;
        let lines: HashSet<&str> = refused.iter().map(|(line, _)| line.id.as_str()).collect();
        let invoices: HashSet<i64> = refused.iter().map(|(line, _)| line.invoice).collect();
        let mut said = reading.lines.iter().filter(|(_, said)| !said.refusal.errors.is_empty());
        let is_other = |(id, _): (&String, &Said)| !lines.contains(id.as_str());
        Ok(reading.remarks.iter().any(Finding::blocks)
            || said.any(is_other)
            || reading.invoices.keys().any(|invoice| !invoices.contains(invoice)))
    }

    fn moved(&self, sending: &SendingRow, state: LineState, set: &mut WriteSet) {
        for was in [LineState::Sealed, LineState::Sent, LineState::Accepted] {
            if was != state {
                set.billing.moved.push(MovedLines {
                    compartment: self.compartment.clone(),
                    sending: sending.id.clone(),
                    was: was.code(),
                    state: state.code(),
                    now_ms: self.now_ms(),
                });
            }
        }
    }

    fn put(&self, mut sending: SendingRow, state: SendingState, set: &mut WriteSet) -> SendingRow {
        state.code().clone_into(&mut sending.state);
        sending.changed_ms = self.now_ms();
        set.billing.sendings.push(sending.clone());
        sending
    }

    fn received(&self, sending: SendingRow, set: &mut WriteSet) -> SendingRow {
        self.moved(&sending, LineState::Accepted, set);
        self.put(sending, SendingState::Acknowledged, set)
    }

    /// Nothing was booked: every line can go again, but for those that are to blame.
    async fn refused_whole(
        &self,
        mut sending: SendingRow,
        reading: &Reading,
        set: &mut WriteSet,
    ) -> Result<SendingRow, Failure> {
        let to_blame = self.refused(&sending, reading).await?;
        for (line, refusal) in to_blame {
            let was = state_of(&line)?;
            let mut line = line;
            LineState::Faulty.code().clone_into(&mut line.state);
            line.findings = Finding::write(&refusal.errors);
            (line.sending, line.invoice, line.changed_ms) = (String::new(), 0, self.now_ms());
            set.billing.changed.push(LineChange::of(line, was));
        }
        self.moved(&sending, LineState::Ready, set);
        let is_form = reading.message == Message::TechnicalRefusal;
        let state = if is_form { SendingState::RefusedTechnical } else { SendingState::RefusedContent };
        sending.remark = Finding::write(&reading.remarks);
        sending.refused_cents = sending.requested_cents;
        Ok(self.put(sending, state, set))
    }

    /// What is refused is refused, everything else is paid, and both add up to what each payer says.
    async fn settled(
        &self,
        mut sending: SendingRow,
        reading: &Reading,
        set: &mut WriteSet,
    ) -> Result<SendingRow, Failure> {
        let (mut refused_of, mut less_of): (HashMap<i64, i64>, HashMap<i64, i64>) = <_>::default();
        let refused = self.refused(&sending, reading).await?;
        let has_refused = !refused.is_empty();
        let taken: HashSet<String> = refused.iter().map(|(line, _)| line.id.clone()).collect();
        for (mut line, refusal) in refused {
            let was = state_of(&line)?;
            *refused_of.entry(line.payer).or_default() += signed(&line);
            LineState::Refused.code().clone_into(&mut line.state);
            line.refusal = refusal.write();
            line.changed_ms = self.now_ms();
            set.billing.changed.push(LineChange::of(line, was));
        }
        for (mut line, paid) in self.paid_otherwise(reading, &taken, &sending).await? {
            let was = state_of(&line)?;
            *less_of.entry(line.payer).or_default() += signed(&line) - paid;
            LineState::Paid.code().clone_into(&mut line.state);
            (line.paid_cents, line.changed_ms) = (paid, self.now_ms());
            set.billing.changed.push(LineChange::of(line, was));
        }
        self.moved(&sending, LineState::Paid, set);
        for (note, taken_back) in self.app.store.credit_notes(&self.compartment, &sending.id).await? {
            if !taken.contains(&note) {
                set.billing.credited.push((self.compartment.clone(), taken_back, self.now_ms()));
            }
        }
        let totals = self.app.store.sending_totals(&self.compartment, &sending.id).await?;
        let mut remarks = reading.remarks.clone();
        (sending.accepted_cents, sending.refused_cents) = (0, 0);
        for total in totals {
            let of = |sums: &HashMap<i64, i64>| sums.get(&total.payer).copied().unwrap_or(0);
            let ours = (total.requested_cents - of(&refused_of) - of(&less_of), of(&refused_of) + of(&less_of));
            let total = reconciled(total, reading, ours, &mut remarks);
            sending.accepted_cents += total.accepted_cents;
            sending.refused_cents += total.refused_cents;
            set.billing.totals.push(total);
        }
        sending.remark = Finding::write(&remarks);
        let state = if has_refused { SendingState::PartlySettled } else { SendingState::Settled };
        Ok(self.put(sending, state, set))
    }

    /// The lines of a sending that an answer refuses, each with why.
    async fn refused(&self, sending: &SendingRow, reading: &Reading) -> Result<Vec<(ClaimLineRow, Refusal)>, Failure> {
        let said = reading.lines.iter().filter(|(_, said)| !said.refusal.errors.is_empty());
        let said: HashMap<String, &Said> = said.map(|(id, said)| (id.clone(), said)).take(LINES_MAX).collect();
        let ids: Vec<String> = said.keys().cloned().collect();
        let mut invoices = reading.invoices.clone();
        let mut refused: BTreeMap<String, (ClaimLineRow, Refusal)> = BTreeMap::new();
        for line in self.app.store.claim_lines_by_id(&self.compartment, &ids).await? {
            let Some(said) = said.get(&line.id) else { continue };
            // An error that takes the invoice takes every line of it. Which invoice that is, the line knows: its head need not come back.
            let whole = said.refusal.errors.iter().filter(|error| error.takes_invoice()).cloned();
            if line.sending == sending.id && said.refusal.errors.iter().any(Finding::takes_invoice) {
                invoices.entry(line.invoice).or_default().errors.extend(whole);
            }
            refused.insert(line.id.clone(), (line, said.refusal.clone()));
        }
        let numbers: Vec<i64> = invoices.keys().copied().take(LINES_MAX).collect();
        let of = (self.compartment.as_str(), sending.id.as_str());
        for line in self.app.store.claim_lines_of_invoices(of, &numbers).await? {
            let refusal = invoices.get(&line.invoice).cloned().unwrap_or_default();
            // What is said of a line itself says more.
            refused.entry(line.id.clone()).or_insert((line, refusal));
        }
        // A line of another file is not this answer's to refuse.
        let is_ours = |(line, _): &(ClaimLineRow, Refusal)| line.sending == sending.id && is_under_way(line);
        Ok(refused.into_values().filter(is_ours).collect())
    }

    /// Lines of which another amount is paid than was asked.
    async fn paid_otherwise(
        &self,
        reading: &Reading,
        refused: &HashSet<String>,
        sending: &SendingRow,
    ) -> Result<Vec<(ClaimLineRow, i64)>, Failure> {
        let results: HashMap<&String, i64> =
            reading.lines.iter().filter_map(|(id, said)| Some((id, said.result?.0))).take(LINES_MAX).collect();
        let ids: Vec<String> =
            results.keys().filter(|id| !refused.contains(id.as_str())).map(|id| (*id).clone()).collect();
        let lines = self.app.store.claim_lines_by_id(&self.compartment, &ids).await?;
        let lines = lines.into_iter().filter(|line| line.sending == sending.id && is_under_way(line));
        let otherwise = |line: ClaimLineRow| {
            let (result, asked) = (results.get(&line.id).copied()?, signed(&line));
            // Nobody pays more than was asked, nor takes anything for a service.
            let is_less = if asked < 0 { (asked..=0).contains(&result) } else { (0..=asked).contains(&result) };
            // A record that says nothing of the amount has zeros there, and a day with its share in a record of its own says it in two.
            let has_share = LineDetail::read(&line).is_ok_and(|detail| detail.share_record.is_some());
            (is_less && result != asked && result != 0 && !has_share).then_some((line, result))
        };
        Ok(lines.filter_map(otherwise).collect())
    }
}

/// What a sending is after a message; none where it stays what it is.
fn state_after(message: &Message) -> Option<SendingState> {
    match message {
        Message::Receipt => Some(SendingState::Acknowledged),
        Message::TechnicalRefusal => Some(SendingState::RefusedTechnical),
        Message::Rejection => Some(SendingState::RefusedContent),
        // Or settled in part: the table has both or none.
        Message::Settlement => Some(SendingState::Settled),
        Message::Information | Message::InvoiceFile | Message::Unknown(_) => None,
    }
}

fn state_of(line: &ClaimLineRow) -> Result<&'static str, StorageError> {
    LineState::from_code(&line.state).map(LineState::code).ok_or(StorageError::Corrupt("a claim line"))
}

fn is_under_way(line: &ClaimLineRow) -> bool {
    LineState::from_code(&line.state).is_some_and(LineState::is_under_way)
}

/// What a line asks for: a credit note gives back.
fn signed(line: &ClaimLineRow) -> i64 {
    if line.kind == 3 { -line.amount_cents } else { line.amount_cents }
}

/// The totals of a payer as it says them, with a remark where they are not ours.
fn reconciled(
    mut total: SendingTotalRow,
    reading: &Reading,
    (accepted, refused): (i64, i64),
    remarks: &mut Vec<Finding>,
) -> SendingTotalRow {
    let said = reading.totals.iter().find(|said| i64::from(said.destination) == total.payer);
    let payer = total.payer;
    match said {
        None => {
            (total.accepted_cents, total.refused_cents) = (accepted, refused);
            remarks.push(Finding::new("wellgate-no-total", Severity::Signal, payer.to_string()));
        }
        Some(said) => {
            (total.accepted_cents, total.refused_cents) = (said.accepted.cents().0, said.refused.cents().0);
            total.payment_reference = said.payment_a.trim().to_owned();
            if crate::vault::has_number(&total.payment_reference) {
                total.payment_reference.clear();
            }
            if (total.accepted_cents, total.refused_cents) != (accepted, refused) {
                let about = format!("{payer}: {accepted} / {}", total.accepted_cents);
                remarks.push(Finding::new("wellgate-not-reconciled", Severity::Signal, about));
            }
        }
    }
    total
}

/// A name that somebody else wrote, as a short word.
fn word(name: &str) -> String {
    let word: String = name.chars().filter(|one| one.is_ascii_alphanumeric() || *one == '-').take(32).collect();
    if crate::vault::has_number(&word) { String::new() } else { word }
}
