//! Lines to be billed out of a sheet, for those without FHIR: names of columns in three languages, errors by row and column.
//!
//! `docs/tariffs.md` has the columns. What a row says is only read here: whether it can be billed, the tables and the earlier lines
//! say ([`crate::tariff`]).

mod row;

use std::fmt;
use std::io::BufRead;

use crate::claim_line::Service;
use crate::identifiers::{Nihdi, Ssin};
use crate::sheet::{Encoding, Issue, Kind, Limits, Sheet, SheetError, Understood};
use crate::tariff::Insured;

/// Who a line is for, as far as the sheet says.
#[derive(Clone, PartialEq, Eq)]
pub struct ImportedPerson {
    /// The national number.
    pub ssin: Ssin,
    /// The name.
    pub name: Option<String>,
    /// 1 male, 2 female, as the mutuality knows it.
    pub sex: Option<u8>,
    /// Mutuality, insurability codes and care fund.
    pub insured: Insured,
}

/// Without the person.
impl fmt::Debug for ImportedPerson {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ImportedPerson(***)")
    }
}

/// One line to be billed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedLine {
    /// Who it is for.
    pub person: ImportedPerson,
    /// What was done.
    pub service: Service,
    /// Who bills; none where the organisation's own number is meant.
    pub third_party: Option<Nihdi>,
    /// The other program's own name of the line, by which it is known when it is imported once more.
    pub reference: Option<String>,
}

/// One row of the sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedRow {
    /// The line of the file, from 1.
    pub number: u64,
    /// What was understood, or everything that is wrong with it; not empty.
    pub line: Result<ImportedLine, Vec<Issue>>,
}

/// A sheet whose lines are read one at a time.
pub struct ClaimImport<R>(Sheet<R>);

impl<R: BufRead> ClaimImport<R> {
    /// Reads the names of the columns.
    ///
    /// # Errors
    /// See [`Sheet::open`].
    pub fn open(source: R, limits: Limits) -> Result<Self, SheetError> {
        Sheet::open(source, &row::COLUMNS, Kind::Import, limits).map(Self)
    }

    /// The columns of the file, in their order.
    pub fn columns(&self) -> &[Understood] {
        self.0.understood()
    }

    /// The next row; none at the end.
    ///
    /// # Errors
    /// See [`Sheet::next_row`].
    pub fn next_row(&mut self) -> Result<Option<ImportedRow>, SheetError> {
        let Some(mut cells) = self.0.next_row()? else { return Ok(None) };
        let number = cells.number();
        let line = row::line(&mut cells);
        let issues = cells.into_issues();
        let line = match line {
            Some(line) if issues.is_empty() => Ok(line),
            _ => Err(issues),
        };
        Ok(Some(ImportedRow { number, line }))
    }
}

/// What a sheet would bring, before anything of it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The columns of the file, in their order.
    pub columns: Vec<Understood>,
    /// The separator that was found.
    pub separator: char,
    /// The encoding that was found.
    pub encoding: Encoding,
    /// The first rows that were understood, and the first that were not, in the order of the file.
    pub rows: Vec<ImportedRow>,
    /// How many rows there are.
    pub total: u64,
    /// How many of them have an error.
    pub faulty: u64,
}

/// Reads a whole sheet, and keeps of it what is shown: at most `shown_max` rows that were understood, and as many that were not.
///
/// # Errors
/// See [`ClaimImport::open`] and [`ClaimImport::next_row`].
pub fn preview(source: impl BufRead, limits: Limits, shown_max: usize) -> Result<Preview, SheetError> {
    let mut import = ClaimImport::open(source, limits)?;
    let (mut rows, mut total, mut faulty, mut shown) = (Vec::new(), 0, 0, [0_usize; 2]);
    while let Some(row) = import.next_row()? {
        let is_faulty = row.line.is_err();
        total += 1;
        faulty += u64::from(is_faulty);
        let shown = &mut shown[usize::from(is_faulty)];
        if *shown < shown_max {
            *shown += 1;
            rows.push(row);
        }
    }
    let (separator, encoding) = (import.0.separator(), import.0.encoding());
    Ok(Preview { columns: import.0.understood().to_vec(), separator, encoding, rows, total, faulty })
}

#[cfg(test)]
mod tests;
