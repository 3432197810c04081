//! What the readers of all tables share: every row is read, and every error of every row is told, up to a limit.

use super::days::Period;
use crate::sheet::{Cells, Column, Issue, Kind, Limits, Sheet, SheetError};

/// More errors than these help nobody who mends a table by hand.
const ISSUES_MAX: usize = 100;

/// The first day of a row.
pub(super) const FROM: Column =
    Column { field: "from", names: &["vanaf", "van", "apartirdu", "du"], is_required: false };
/// Its last day, which is still within.
pub(super) const LAST_DAY: Column =
    Column { field: "last_day", names: &["totenmet", "jusquau", "jusquauinclus", "dernierjour"], is_required: false };
/// What whoever keeps the table wants to remember.
pub(super) const REMARK: Column = Column { field: "remark", names: &["opmerking", "remarque"], is_required: false };
/// The qualifications in NIHDI numbers to which a row applies.
pub(super) const QUALIFICATIONS: Column =
    Column { field: "qualifications", names: &["qualification", "bekwaamheid", "bekwaamheden"], is_required: false };

/// A table that is being read.
pub(super) struct TableReader<'t> {
    sheet: Sheet<&'t [u8]>,
    issues: Vec<Issue>,
}

impl<'t> TableReader<'t> {
    pub(super) fn open(text: &'t [u8], columns: &'static [Column]) -> Result<Self, Vec<Issue>> {
        let sheet = Sheet::open(text, columns, Kind::Table, Limits::default()).map_err(refusal)?;
        Ok(Self { sheet, issues: Vec::new() })
    }

    /// Every row that is read without an error, with its number.
    pub(super) fn rows<T>(&mut self, read: impl Fn(&mut Cells<'_>) -> Option<T>) -> Vec<(u64, T)> {
        let mut rows = Vec::new();
        while self.issues.len() < ISSUES_MAX {
            match self.sheet.next_row() {
                Ok(Some(mut cells)) => {
                    let (number, row) = (cells.number(), read(&mut cells));
                    let issues = cells.into_issues();
                    match row {
                        Some(row) if issues.is_empty() => rows.push((number, row)),
                        _ => self.issues.extend(issues),
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    self.issues.extend(refusal(error));
                    break;
                }
            }
        }
        rows
    }

    /// Notes what is wrong with rows together.
    pub(super) fn note(&mut self, row: u64, column: &str, code: &'static str) {
        let known = self.sheet.understood().iter().find(|known| known.field == Some(column));
        let column = known.map_or_else(|| column.to_owned(), |known| known.header.clone());
        self.issues.push(Issue { row, column: Some(column), code });
    }

    /// The table, if nothing was wrong.
    pub(super) fn finish<T>(self, table: T) -> Result<T, Vec<Issue>> {
        if self.issues.is_empty() { Ok(table) } else { Err(self.issues) }
    }
}

fn refusal(error: SheetError) -> Vec<Issue> {
    match error {
        SheetError::Refused(issues) => issues,
        // Bytes in memory do not fail; if they ever did, the table would not be whole.
        SheetError::Read(_) => vec![Issue { row: 1, column: None, code: "wellgate-sheet-empty" }],
    }
}

/// The days from `from` to `last day`; none where one of them is wrong, which is noted.
pub(super) fn period(cells: &mut Cells<'_>) -> Option<Period> {
    let (first, last) = (cells.date("from"), cells.date("last_day"));
    let is_read =
        first.is_some() != cells.text("from").is_empty() && last.is_some() != cells.text("last_day").is_empty();
    let period = Period { first, last };
    if !period.is_ordered() {
        cells.note("last_day", "wellgate-sheet-days");
        return None;
    }
    is_read.then_some(period)
}

/// A word of small letters, digits and `-`, at most forty.
pub(super) fn as_word(text: &str) -> Option<String> {
    let is_word = (1..=40).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    is_word.then(|| text.to_owned())
}

/// Words that a blank, a `+` or a `|` tells apart; not `,` and `;`, which tell cells apart.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split([' ', '+', '|']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The qualifications of a row, three digits each; empty for any.
pub(super) fn qualifications(cells: &mut Cells<'_>) -> Option<Vec<String>> {
    let is_qualification = |word: &String| word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit());
    let read = |text: &str| Some(words(text)).filter(|words| words.iter().all(is_qualification));
    if cells.text("qualifications").is_empty() {
        return Some(Vec::new());
    }
    cells.read("qualifications", "wellgate-sheet-qualifications", read)
}

/// Texts in the three languages, each empty where it is not given.
pub(super) fn texts(cells: &Cells<'_>, fields: [&str; 3]) -> [String; 3] {
    fields.map(|field| cells.text(field).to_owned())
}
