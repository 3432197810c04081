//! What a write set changes of third-party billing, as statements over rows.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::{
    BillingMessageRow, ClaimLineRow, InsuredPersonRow, LineChange, MovedLines, NumberedLine, SendingRow,
    SendingTotalRow, TakenLines,
};
use crate::storage::rows::Kind::{Integer, Text};
use crate::storage::rows::{Cell, Fat, Kind, Rows};
use crate::storage::write_set::WriteSet;

/// An insert that puts every column but the key in place of what is there.
fn put(table: &'static str, columns: &[(&'static str, Kind)], key: &[&str]) -> Fat {
    let kept = columns.iter().filter(|(name, _)| !key.contains(name));
    let set: Vec<String> = kept.map(|(name, _)| format!("{name} = excluded.{name}")).collect();
    Fat::insert(table, columns, &format!("ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), set.join(", ")))
}

macro_rules! fat {
    ($name:ident = $make:expr) => {
        pub(in crate::storage) static $name: LazyLock<Fat> = LazyLock::new(|| $make);
    };
}
fat!(PUT_PERSON = put("insured_person", InsuredPersonRow::COLUMNS, &["compartment", "id"]));
fat!(PUT_LINE = Fat::insert("claim_line", ClaimLineRow::COLUMNS, "ON CONFLICT (compartment, source_key) DO NOTHING"));
fat!(PUT_SENDING = put("sending", SendingRow::COLUMNS, &["compartment", "id"]));
fat!(PUT_TOTAL = put("sending_total", SendingTotalRow::COLUMNS, &["compartment", "sending", "payer"]));
fat!(PUT_MESSAGE = put("billing_message", BillingMessageRow::COLUMNS, &["compartment", "hash"]));

/// By its key, and then looked at: the state alone finds thousands, and a planner that knows the table as it was when it was empty takes the
/// index of states all the same. An expression has none.
const BY_KEY_IN_STATE_WAS: &str =
    " WHERE claim_line.compartment = q.compartment AND claim_line.id = q.id AND claim_line.state || '' = q.was";

pub(in crate::storage) static CHANGE_LINE: LazyLock<Fat> = LazyLock::new(|| {
    let fixed = ["compartment", "id", "source", "source_key", "created_ms"];
    let changing: Vec<String> = ClaimLineRow::COLUMNS
        .iter()
        .filter(|(name, _)| !fixed.contains(name))
        .map(|(name, _)| format!("{name} = q.{name}"))
        .collect();
    let mut columns = ClaimLineRow::COLUMNS.to_vec();
    columns.push(("was", Text));
    Fat::over(&format!("UPDATE claim_line SET {} FROM ", changing.join(", ")), &columns, BY_KEY_IN_STATE_WAS)
});

fat!(
    CHECK_LINE = Fat::over(
        "UPDATE claim_line SET state = q.state, findings = q.findings, changed_ms = q.changed_ms FROM ",
        &[
            ("compartment", Text),
            ("id", Text),
            ("state", Text),
            ("findings", Text),
            ("changed_ms", Integer),
            ("was", Text),
        ],
        BY_KEY_IN_STATE_WAS
    )
);

pub(in crate::storage) static TAKE_LINES: LazyLock<Fat> = LazyLock::new(|| {
    let columns = [
        ("compartment", Text),
        ("sending", Text),
        ("third_party", Text),
        ("channel", Text),
        ("month_max", Integer),
        ("payer", Integer),
        ("now_ms", Integer),
    ];
    Fat::over(
        "UPDATE claim_line SET state = 'sealed', sending = q.sending, changed_ms = q.now_ms FROM ",
        &columns,
        " WHERE claim_line.compartment = q.compartment AND claim_line.state = 'ready' \
         AND claim_line.third_party = q.third_party AND claim_line.channel = q.channel \
         AND claim_line.month <= q.month_max AND claim_line.payer = q.payer",
    )
});

/// The ids of a sending's lines by its index alone, then each line by its key: SQLite else walks every line that there ever was.
const OF_SENDING_BY_STATE: &str = ", claim_line AS s WHERE s.compartment = q.compartment AND s.sending = q.sending AND s.sending <> '' \
    AND claim_line.compartment = s.compartment AND claim_line.id = s.id AND claim_line.state = q.was";

pub(in crate::storage) static MOVE_LINES: LazyLock<Fat> = LazyLock::new(|| {
    let columns = [("compartment", Text), ("sending", Text), ("was", Text), ("state", Text), ("now_ms", Integer)];
    Fat::over(
        "UPDATE claim_line SET state = q.state, changed_ms = q.now_ms, \
         sending = CASE WHEN q.state = 'ready' THEN '' ELSE claim_line.sending END, \
         invoice = CASE WHEN q.state = 'ready' THEN 0 ELSE claim_line.invoice END, \
         paid_cents = CASE WHEN q.state <> 'paid' THEN claim_line.paid_cents \
         WHEN claim_line.kind = 3 THEN -claim_line.amount_cents ELSE claim_line.amount_cents END FROM ",
        &columns,
        OF_SENDING_BY_STATE,
    )
});

fat!(
    NUMBER_LINE = Fat::over(
        "UPDATE claim_line SET invoice = q.invoice FROM ",
        &[("compartment", Text), ("id", Text), ("sending", Text), ("invoice", Integer)],
        " WHERE claim_line.compartment = q.compartment AND claim_line.id = q.id AND claim_line.sending = q.sending \
     AND claim_line.state || '' = 'sealed'"
    )
);

fat!(
    CREDIT_LINES = Fat::over(
        "UPDATE claim_line SET state = 'credited', changed_ms = q.now_ms FROM ",
        &[("compartment", Text), ("id", Text), ("now_ms", Integer)],
        " WHERE claim_line.compartment = q.compartment AND claim_line.id = q.id AND claim_line.state || '' = 'paid'"
    )
);

pub(in crate::storage) fn numbered_rows(set: &WriteSet) -> Rows<'_> {
    fn row(line: &NumberedLine) -> Vec<Cell<'_>> {
        let NumberedLine { compartment, id, sending, invoice } = line;
        vec![compartment.as_str().into(), id.as_str().into(), sending.as_str().into(), (*invoice).into()]
    }
    set.billing.numbered.iter().map(row).collect()
}

pub(in crate::storage) fn credited_rows(set: &WriteSet) -> Rows<'_> {
    let credited = set.billing.credited.iter();
    credited.map(|(of, id, now_ms)| vec![of.as_str().into(), id.as_str().into(), (*now_ms).into()]).collect()
}

/// Of somebody who is put twice, by one set or by two, the last counts: PostgreSQL takes a row once in a statement.
pub(in crate::storage) fn person_rows<'a>(sets: &[&'a WriteSet]) -> Rows<'a> {
    let people = sets.iter().flat_map(|set| &set.billing.people);
    let last: BTreeMap<(&str, &str), &InsuredPersonRow> =
        people.map(|person| ((person.compartment.as_str(), person.id.as_str()), person)).collect();
    last.into_values().map(InsuredPersonRow::cells).collect()
}

pub(in crate::storage) fn line_rows(set: &WriteSet) -> Rows<'_> {
    set.billing.lines.iter().map(ClaimLineRow::cells).collect()
}

pub(in crate::storage) fn changed_rows(set: &WriteSet) -> Rows<'_> {
    let changed = set.billing.changed.iter().filter(|change| !change.is_only_checked);
    changed.map(|LineChange { line, was, .. }| line.cells().into_iter().chain([Cell::from(*was)]).collect()).collect()
}

pub(in crate::storage) fn checked_rows(set: &WriteSet) -> Rows<'_> {
    fn row(LineChange { line, was, .. }: &LineChange) -> Vec<Cell<'_>> {
        let ClaimLineRow { compartment, id, state, findings, changed_ms, .. } = line;
        let texts = [compartment, id, state, findings].map(|text| Cell::from(text.as_str()));
        texts.into_iter().chain([Cell::from(*changed_ms), Cell::from(*was)]).collect()
    }
    set.billing.changed.iter().filter(|change| change.is_only_checked).map(row).collect()
}

pub(in crate::storage) fn sending_rows(set: &WriteSet) -> Rows<'_> {
    set.billing.sendings.iter().map(SendingRow::cells).collect()
}

pub(in crate::storage) fn total_rows(set: &WriteSet) -> Rows<'_> {
    set.billing.totals.iter().map(SendingTotalRow::cells).collect()
}

pub(in crate::storage) fn message_rows(set: &WriteSet) -> Rows<'_> {
    set.billing.messages.iter().map(BillingMessageRow::cells).collect()
}

pub(in crate::storage) fn taken_rows(set: &WriteSet) -> Rows<'_> {
    fn row(taken: &TakenLines) -> Vec<Cell<'_>> {
        vec![
            taken.compartment.as_str().into(),
            taken.sending.as_str().into(),
            taken.third_party.as_str().into(),
            taken.channel.as_str().into(),
            taken.month_max.into(),
            taken.payer.into(),
            taken.now_ms.into(),
        ]
    }
    set.billing.taken.iter().map(row).collect()
}

pub(in crate::storage) fn moved_rows(set: &WriteSet) -> Rows<'_> {
    fn row(moved: &MovedLines) -> Vec<Cell<'_>> {
        let MovedLines { compartment, sending, was, state, now_ms } = moved;
        vec![compartment.as_str().into(), sending.as_str().into(), (*was).into(), (*state).into(), (*now_ms).into()]
    }
    set.billing.moved.iter().map(row).collect()
}
