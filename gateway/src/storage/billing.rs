//! Third-party billing: who is billed for, the lines, the sendings and what came back, each in the compartment of the organisation that
//! bills. What a write set changes is here and in [`mod@changes`]; what is looked up is in [`mod@lookup`], the bytes of files in
//! [`mod@parts`], and what is removed after its years in [`mod@purge`].
//!
//! Nothing here is joined to a record or its sight: a claim outlives the dossier's moving on.

pub(super) mod changes;
mod lookup;
mod parts;
mod purge;
mod sendings;
mod table;

pub use lookup::{LineCount, LineFilter, LinePlace, TwinCandidate};
pub use parts::PartWriter;
pub use purge::Purged;
pub use sendings::BillingAddress;

use super::rows::Kind::{Integer, Text};
use super::rows::{Cell, Kind};
use table::table;

table! {
    /// Somebody who is billed for.
    InsuredPersonRow {
        /// `organization/<id>`.
        compartment: text,
        /// A keyed name of the number.
        id: text,
        /// Number, name and insurance, sealed.
        sealed: text,
        /// UTC milliseconds.
        changed_ms: integer,
    }
}

table! {
    /// One line. Amounts are cents as they were invoiced, also of a credit note.
    ClaimLineRow {
        /// `organization/<id>`.
        compartment: text,
        /// Time-ordered; the reference by which an answer names it.
        id: text,
        /// [`InsuredPersonRow::id`].
        person: text,
        /// Who is paid: 11 digits.
        third_party: text,
        /// `efact`, `vsb` or `mhc-portal`.
        channel: text,
        /// The mutuality or care fund that pays.
        payer: integer,
        /// The month in which it is billed, `YYYYMM`.
        month: integer,
        /// `2026-03-01`.
        first_day: text,
        /// The same day, or the last of a period.
        last_day: text,
        /// Six digits.
        code: integer,
        /// How many.
        units: integer,
        /// What the insurer is asked for.
        amount_cents: integer,
        /// What the patient pays of it.
        share_cents: integer,
        /// What the patient pays above it.
        supplement_cents: integer,
        /// Who did it: 11 digits.
        provider: text,
        /// The rest of it as JSON.
        detail: text,
        /// See `billing::states`.
        state: text,
        /// What is wrong with it: a JSON array.
        findings: text,
        /// `contact`, `claim`, `import`, `correction` or `credit`.
        source: text,
        /// A keyed name of what it was made from; none where it may be made again.
        source_key: optional,
        /// The sending that it is in; empty before.
        sending: text,
        /// The number of its invoice; 0 before.
        invoice: integer,
        /// 0 original, 1 correction, 3 credit note.
        kind: integer,
        /// The line that it takes the place of, or takes back; may be empty.
        corrects: text,
        /// What the insurer paid, negative for a credit note.
        paid_cents: integer,
        /// Why it was refused: JSON; empty where it was not.
        refusal: text,
        /// Who decided on it last; may be empty.
        decided_by: text,
        /// Why.
        decided_why: text,
        /// UTC milliseconds.
        created_ms: integer,
        /// UTC milliseconds.
        changed_ms: integer,
    }
}

/// What becomes of one line: as it is to be, where it still has the state that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineChange {
    /// The line as it is to be.
    pub line: ClaimLineRow,
    /// The state that it had.
    pub was: &'static str,
    /// Whether nothing of it is new but its state, what was found, and when.
    pub is_only_checked: bool,
}

impl LineChange {
    /// A line as it is to be, whatever of it is new, and the state that it had.
    pub fn of(line: ClaimLineRow, was: &'static str) -> Self {
        Self { line, was, is_only_checked: false }
    }
}

/// Lines that are taken into a sending: all that are ready of one third party, channel and payer, up to a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenLines {
    /// `organization/<id>`.
    pub compartment: String,
    /// The sending.
    pub sending: String,
    /// Who is paid.
    pub third_party: String,
    /// The channel.
    pub channel: String,
    /// The last month of which lines are taken: refused and late ones of earlier months go along.
    pub month_max: i64,
    /// The payer.
    pub payer: i64,
    /// UTC milliseconds.
    pub now_ms: i64,
}

/// The number of the invoice in which a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedLine {
    /// `organization/<id>`.
    pub compartment: String,
    /// The line.
    pub id: String,
    /// The sending: in another it has another number.
    pub sending: String,
    /// The invoice.
    pub invoice: i64,
}

/// All lines of a sending that go on from one state to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedLines {
    /// `organization/<id>`.
    pub compartment: String,
    /// The sending.
    pub sending: String,
    /// The state that they had.
    pub was: &'static str,
    /// The state that follows. What is `paid` is paid what was asked for; what is `ready` again leaves the sending.
    pub state: &'static str,
    /// UTC milliseconds.
    pub now_ms: i64,
}

table! {
    /// One sending.
    SendingRow {
        /// `organization/<id>`.
        compartment: text,
        /// Time-ordered.
        id: text,
        /// Who is paid: 11 digits.
        third_party: text,
        /// The year in which its number is unique.
        year: integer,
        /// 1 to 999.
        number: integer,
        /// 14 digits, by which answers name it.
        reference: integer,
        /// `efact` or `vsb`.
        channel: text,
        /// The federation or care fund.
        federation: integer,
        /// `YYYYMM`.
        month: integer,
        /// See `billing::states`.
        state: text,
        /// The day in the file, `2026-03-01`.
        created_on: text,
        /// UTC milliseconds.
        created_ms: integer,
        /// UTC milliseconds.
        changed_ms: integer,
        /// How often the file was made: a refused one may go again under its number.
        attempt: integer,
        /// How many lines.
        lines: integer,
        /// How many invoices.
        invoices: integer,
        /// What is asked for.
        requested_cents: integer,
        /// What was accepted.
        accepted_cents: integer,
        /// What was refused.
        refused_cents: integer,
        /// How long the file is.
        file_bytes: integer,
        /// SHA-256 of the file, hexadecimal.
        file_hash: text,
        /// The delivery by which it leaves; empty before.
        delivery: text,
        /// The owner of the parts that are the file; empty before it is sealed.
        parts: text,
        /// What a clerk should know: JSON array of findings; may be empty.
        remark: text,
    }
}

table! {
    /// What one payer is asked for by a sending.
    SendingTotalRow {
        /// `organization/<id>`.
        compartment: text,
        /// The sending.
        sending: text,
        /// The mutuality or care fund.
        payer: integer,
        /// Asked for.
        requested_cents: integer,
        /// Accepted.
        accepted_cents: integer,
        /// Refused.
        refused_cents: integer,
        /// Records in the file.
        records: integer,
        /// Invoices.
        invoices: integer,
        /// Under which the payer pays; may be empty.
        payment_reference: text,
    }
}

table! {
    /// One answer that came in.
    BillingMessageRow {
        /// `organization/<id>`.
        compartment: text,
        /// Under which it is confirmed.
        hash: text,
        /// Who is paid.
        third_party: text,
        /// From whom.
        partner: text,
        /// Its name or number, as it came.
        name: text,
        /// The sending that it is about; empty where it names none of ours.
        sending: text,
        /// `kept`, `applied` or `unknown`.
        state: text,
        /// What a clerk should know: JSON array; may be empty.
        remark: text,
        /// UTC milliseconds.
        received_ms: integer,
    }
}

/// What a write set changes of third-party billing.
#[derive(Clone, Debug, Default)]
pub struct BillingRows {
    /// People as they are to be.
    pub people: Vec<InsuredPersonRow>,
    /// Lines that begin; one whose source is known already is left out.
    pub lines: Vec<ClaimLineRow>,
    /// Lines that change.
    pub changed: Vec<LineChange>,
    /// Lines that are taken into a sending.
    pub taken: Vec<TakenLines>,
    /// Sendings as they are to be.
    pub sendings: Vec<SendingRow>,
    /// Their totals as they are to be.
    pub totals: Vec<SendingTotalRow>,
    /// Lines that get the number of their invoice.
    pub numbered: Vec<NumberedLine>,
    /// Lines that go on with their sending, after those that change by themselves.
    pub moved: Vec<MovedLines>,
    /// Lines that a paid credit note took back: compartment, id and moment.
    pub credited: Vec<(String, String, i64)>,
    /// Answers as they are to be.
    pub messages: Vec<BillingMessageRow>,
}

/// Rows of one answer at most.
const ROWS_MAX: u32 = 2_000;

/// Words between blanks, to be found by one; empty for none.
fn spaced(words: &[&str]) -> String {
    if words.is_empty() { String::new() } else { format!(" {} ", words.join(" ")) }
}
