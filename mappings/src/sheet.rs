//! Sheets as offices make them: CSV with a row of names, read one line at a time and with every error by row and column.
//!
//! Separator `;`, `,` or tab, UTF-8 or Windows-1252, whichever it is; names of columns in Dutch, French or English. A row is one line:
//! text that runs on over several lines is refused, so that one quotation mark too many spoils its own row and not those after it.
//! An error never repeats what stands in a cell: it may be the number of a person.
//!
//! What a column means, who reads a sheet knows; here only the forms of values that several of them share.

mod cells;
mod decoder;
mod lines;
mod values;

use std::io::BufRead;

use crate::billing::{Language, explain};

pub use cells::Cells;
pub use decoder::Encoding;
pub use values::{amount, date, digits};

use decoder::Decoder;
use lines::{Line, Lines};

/// What is wrong in a sheet, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The line of the file, from 1: that of the names counts.
    pub row: u64,
    /// The column as it is named in the file; none where it is about the whole row.
    pub column: Option<String>,
    /// A stable code, `wellgate-sheet-…`.
    pub code: &'static str,
}

impl Issue {
    /// Where and what, in words.
    pub fn text(&self, language: Language) -> String {
        let (row, column) = match language {
            Language::Nl => ("rij", "kolom"),
            Language::Fr => ("ligne", "colonne"),
            Language::En => ("row", "column"),
        };
        let what = explain(self.code, language).text.unwrap_or_else(|| self.code.to_owned());
        match &self.column {
            Some(name) => format!("{row} {}, {column} {name}: {what}", self.row),
            None => format!("{row} {}: {what}", self.row),
        }
    }
}

/// A sheet that is not read, or not read on.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// The source failed.
    #[error("the sheet could not be read")]
    Read(#[from] std::io::Error),
    /// The sheet as a whole is refused; not empty.
    #[error("the sheet is refused: {}", in_words(.0))]
    Refused(Vec<Issue>),
}

fn in_words(issues: &[Issue]) -> String {
    issues.iter().map(|issue| issue.text(Language::En)).collect::<Vec<_>>().join(" ")
}

/// How much is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a file.
    pub bytes_max: u64,
    /// The most rows, without that of the names.
    pub rows_max: u64,
    /// The most bytes of a line.
    pub line_bytes_max: usize,
    /// The most characters of a cell.
    pub cell_characters_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: 20_000_000, rows_max: 50_000, line_bytes_max: 16_384, cell_characters_max: 300 }
    }
}

/// A column that is known.
#[derive(Debug)]
pub struct Column {
    /// Our name of it, which is its English one too.
    pub field: &'static str,
    /// Other names, in small letters and without blanks and marks.
    pub names: &'static [&'static str],
    /// Whether a sheet must have it.
    pub is_required: bool,
}

/// What a sheet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A table of settings: a column that is not known is refused, since a slip in its name would drop what it says. Lines that begin
    /// with `#` are remarks.
    Table,
    /// What another program wrote out: other columns are left alone.
    Import,
}

/// A column of the file, as it was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Understood {
    /// Its name in the file.
    pub header: String,
    /// Our name of it; none where it is left alone.
    pub field: Option<&'static str>,
}

/// A sheet that is being read.
pub struct Sheet<R> {
    lines: Lines<R>,
    decoder: Decoder,
    splitter: csv_core::Reader,
    separator: u8,
    columns: &'static [Column],
    understood: Vec<Understood>,
    /// For each known column: where it stands in a row.
    places: Vec<Option<usize>>,
    rows: u64,
    limits: Limits,
    kind: Kind,
}

impl<R: BufRead> Sheet<R> {
    /// Reads the names of the columns.
    ///
    /// # Errors
    /// The source fails; or there are no names, one that is required is missing, one stands twice, or, in a table, one is not known.
    pub fn open(source: R, columns: &'static [Column], kind: Kind, limits: Limits) -> Result<Self, SheetError> {
        let mut lines = Lines::new(source, limits);
        let mut decoder = Decoder::default();
        let (number, header, separator) = loop {
            let Some(line) = lines.next_line()? else { return Err(refused(1, "wellgate-sheet-empty")) };
            let Line::Whole { number, bytes } = line else {
                return Err(refused(1, "wellgate-sheet-row-too-long"));
            };
            let bytes = if number == 1 { decoder.without_mark(bytes) } else { bytes };
            // Excel may say first which separator it wrote.
            let is_remark = kind == Kind::Table && bytes.starts_with(b"#");
            if !is_remark && !bytes.to_ascii_lowercase().starts_with(b"sep=") && !bytes.trim_ascii().is_empty() {
                break (number, bytes.to_vec(), separator_of(bytes));
            }
        };
        let mut splitter = csv_core::ReaderBuilder::new().delimiter(separator).build();
        let cells = lines::split(&mut splitter, &header).map_err(|code| refused(number, code))?;
        let names = cells.iter().map(|cell| decoder.decode(cell)).collect::<Result<Vec<_>, _>>();
        let names = names.map_err(|code| refused(number, code))?;
        let (understood, places) = understand(&names, columns, kind, number).map_err(SheetError::Refused)?;
        Ok(Self { lines, decoder, splitter, separator, columns, understood, places, rows: 0, limits, kind })
    }

    /// The columns of the file, in their order.
    pub fn understood(&self) -> &[Understood] {
        &self.understood
    }

    /// The separator that was found.
    pub fn separator(&self) -> char {
        char::from(self.separator)
    }

    /// The encoding, as far as the rows that were read show it.
    pub fn encoding(&self) -> Encoding {
        self.decoder.encoding()
    }

    /// The next row that is not empty; none at the end. What is wrong with the row itself, its cells hold already.
    ///
    /// # Errors
    /// The source fails, or there is more of it than the limits allow.
    pub fn next_row(&mut self) -> Result<Option<Cells<'_>>, SheetError> {
        let (number, read) = loop {
            let Some(line) = self.lines.next_line()? else { return Ok(None) };
            match line {
                Line::TooLong { number } => break (number, Err("wellgate-sheet-row-too-long")),
                Line::Whole { number, bytes } => {
                    if self.kind == Kind::Table && bytes.starts_with(b"#") {
                        continue;
                    }
                    let read = lines::split(&mut self.splitter, bytes).and_then(|cells| {
                        cells.iter().map(|cell| self.decoder.decode(cell)).collect::<Result<Vec<_>, _>>()
                    });
                    if read.as_ref().is_ok_and(|cells| cells.iter().all(String::is_empty)) {
                        continue;
                    }
                    break (number, read);
                }
            }
        };
        self.rows += 1;
        if self.rows > self.limits.rows_max {
            return Err(refused(number, "wellgate-sheet-too-many-rows"));
        }
        Ok(Some(self.cells(number, read)))
    }

    fn cells(&self, number: u64, read: Result<Vec<String>, &'static str>) -> Cells<'_> {
        let checked = read.and_then(|mut cells| {
            // A spreadsheet may write separators behind the last column.
            let is_beyond =
                cells.get(self.understood.len()..).is_some_and(|rest| rest.iter().any(|cell| !cell.is_empty()));
            if cells.len() < self.understood.len() || is_beyond {
                return Err("wellgate-sheet-cells");
            }
            cells.truncate(self.understood.len());
            Ok(cells)
        });
        let mut cells = Cells::new(number, self.columns, &self.places, &self.understood, checked);
        cells.hold_to(self.limits.cell_characters_max);
        cells
    }
}

fn refused(row: u64, code: &'static str) -> SheetError {
    SheetError::Refused(vec![Issue { row, column: None, code }])
}

/// The separator of which there are most in the line of the names.
fn separator_of(header: &[u8]) -> u8 {
    let count = |separator: u8| header.split(|byte| *byte == separator).count();
    // The last of those that occur equally often wins, and `;` is what Belgian spreadsheets write.
    [b'\t', b',', b';'].into_iter().max_by_key(|separator| count(*separator)).unwrap_or(b';')
}

type Columns = (Vec<Understood>, Vec<Option<usize>>);

fn understand(names: &[String], columns: &'static [Column], kind: Kind, row: u64) -> Result<Columns, Vec<Issue>> {
    let mut issues = Vec::new();
    let mut places = vec![None; columns.len()];
    let mut understood = Vec::new();
    for (place, header) in names.iter().enumerate() {
        let plain = plain(header);
        let is_named = |column: &Column| self::plain(column.field) == plain || column.names.contains(&plain.as_str());
        let index = columns.iter().position(is_named);
        let mut note = |code| issues.push(Issue { row, column: Some(header.clone()), code });
        match index {
            Some(index) if places[index].is_some() => note("wellgate-sheet-column-twice"),
            Some(index) => places[index] = Some(place),
            None if kind == Kind::Table && !plain.is_empty() => note("wellgate-sheet-column-unknown"),
            None => {}
        }
        understood.push(Understood { header: header.clone(), field: index.map(|index| columns[index].field) });
    }
    // Names that end in empty ones are of columns that were never filled in.
    while understood.last().is_some_and(|last| last.header.is_empty()) {
        understood.pop();
    }
    for (column, place) in columns.iter().zip(&places) {
        if column.is_required && place.is_none() {
            let column = Some(column.field.to_owned());
            issues.push(Issue { row, column, code: "wellgate-sheet-column-missing" });
        }
    }
    if issues.is_empty() { Ok((understood, places)) } else { Err(issues) }
}

/// A name in small letters, without accents, blanks and marks.
fn plain(name: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    name.nfd().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests;
