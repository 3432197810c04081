//! What insurability codes CT1 and CT2 mean for the price, by day.

use super::days::Period;
use super::reader::{FROM, LAST_DAY, REMARK, TableReader, period};
use crate::billing::Date;
use crate::sheet::{Cells, Column, Issue};

/// How much of the price a person pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The normal share.
    Normal,
    /// The lower one of those with increased allowance.
    Increased,
}

const COLUMNS: [Column; 6] = [
    Column { field: "ct1", names: &[], is_required: true },
    Column { field: "ct2", names: &[], is_required: true },
    Column { field: "class", names: &["klasse", "classe"], is_required: true },
    FROM,
    LAST_DAY,
    REMARK,
];

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    ct1: [Option<u8>; 3],
    ct2: [Option<u8>; 3],
    class: Class,
    period: Period,
}

/// The rows, in their order: the first that fits decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Insurability(Vec<Row>);

impl Insurability {
    pub(super) fn read(text: &[u8]) -> Result<Self, Vec<Issue>> {
        let mut reader = TableReader::open(text, &COLUMNS)?;
        let rows = reader.rows(row);
        reader.finish(rows.into_iter().map(|(_, row)| row).collect()).map(Self)
    }

    /// The class of two codes on a day; none where no row says.
    pub(super) fn class(&self, ct1: u16, ct2: u16, day: Date) -> Option<Class> {
        let fits = |row: &&Row| holds(row.ct1, ct1) && holds(row.ct2, ct2) && row.period.covers(day);
        self.0.iter().find(fits).map(|row| row.class)
    }
}

fn holds(pattern: [Option<u8>; 3], code: u16) -> bool {
    let digits = format!("{code:03}");
    digits.len() == 3 && digits.bytes().zip(pattern).all(|(digit, one)| one.is_none_or(|one| one == digit))
}

/// Three digits, with `?` for any.
fn pattern(text: &str) -> Option<[Option<u8>; 3]> {
    let bytes: [u8; 3] = text.as_bytes().try_into().ok()?;
    let is_pattern = bytes.iter().all(|byte| byte.is_ascii_digit() || *byte == b'?');
    is_pattern.then(|| bytes.map(|byte| (byte != b'?').then_some(byte)))
}

fn row(cells: &mut Cells<'_>) -> Option<Row> {
    let ct1 = cells.need("ct1", "wellgate-sheet-pattern", pattern);
    let ct2 = cells.need("ct2", "wellgate-sheet-pattern", pattern);
    let class = cells.need("class", "wellgate-sheet-choice", |text| match text {
        "normal" => Some(Class::Normal),
        "increased" => Some(Class::Increased),
        _ => None,
    });
    let period = period(cells)?;
    Some(Row { ct1: ct1?, ct2: ct2?, class: class?, period })
}
