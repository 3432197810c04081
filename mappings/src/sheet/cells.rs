//! The cells of one row, and what is wrong with them.

use super::values::{amount, bare, date, digits};
use super::{Column, Issue, Understood};
use crate::billing::{Cents, Date};
use crate::identifiers::{Nihdi, Ssin};

/// A row: asked for its cells by our names of the columns, it keeps what is wrong with them.
pub struct Cells<'s> {
    number: u64,
    columns: &'static [Column],
    places: &'s [Option<usize>],
    understood: &'s [Understood],
    texts: Vec<String>,
    issues: Vec<Issue>,
}

impl<'s> Cells<'s> {
    pub(super) fn new(
        number: u64,
        columns: &'static [Column],
        places: &'s [Option<usize>],
        understood: &'s [Understood],
        read: Result<Vec<String>, &'static str>,
    ) -> Self {
        let (texts, issues) = match read {
            Ok(cells) => (cells, Vec::new()),
            Err(code) => (Vec::new(), vec![Issue { row: number, column: None, code }]),
        };
        Self { number, columns, places, understood, texts, issues }
    }

    pub(super) fn hold_to(&mut self, characters_max: usize) {
        for (cell, column) in self.texts.iter().zip(self.understood) {
            if cell.chars().count() > characters_max {
                let column = Some(column.header.clone());
                self.issues.push(Issue { row: self.number, column, code: "wellgate-sheet-cell-too-long" });
            }
        }
    }

    /// The line of the file, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether the row itself could not be read: its cells are all empty then.
    pub fn is_unreadable(&self) -> bool {
        !self.issues.is_empty() && self.texts.is_empty()
    }

    /// The text of a cell; empty where the sheet has no such column.
    pub fn text(&self, field: &str) -> &str {
        self.place(field).and_then(|place| self.texts.get(place)).map_or("", String::as_str)
    }

    fn place(&self, field: &str) -> Option<usize> {
        let index = self.columns.iter().position(|column| column.field == field)?;
        self.places[index]
    }

    /// Notes that a cell is wrong.
    pub fn note(&mut self, field: &str, code: &'static str) {
        let header = self.place(field).and_then(|place| self.understood.get(place));
        let column = header.map_or_else(|| field.to_owned(), |column| column.header.clone());
        self.issues.push(Issue { row: self.number, column: Some(column), code });
    }

    /// Reads a cell; none where it is empty, or where it is wrong, which is noted.
    pub fn read<T>(&mut self, field: &str, code: &'static str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(field);
        if text.is_empty() {
            return None;
        }
        let value = read(text);
        if value.is_none() {
            self.note(field, code);
        }
        value
    }

    /// The same of a cell that must not be empty.
    pub fn need<T>(&mut self, field: &str, code: &'static str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        // Of a row that could not be read, that is said once.
        if self.text(field).is_empty() && !self.is_unreadable() {
            self.note(field, "wellgate-sheet-required");
        }
        self.read(field, code, read)
    }

    /// A day.
    pub fn date(&mut self, field: &str) -> Option<Date> {
        self.read(field, "wellgate-sheet-date", date)
    }

    /// An amount.
    pub fn amount(&mut self, field: &str) -> Option<Cents> {
        self.read(field, "wellgate-sheet-amount", amount)
    }

    /// A number of at most so many digits.
    pub fn number_to<T: TryFrom<u64>>(&mut self, field: &str, digits_max: usize) -> Option<T> {
        self.read(field, "wellgate-sheet-number", |text| number(text, digits_max))
    }

    /// A code of six digits, or seven with a zero in front.
    pub fn code(&mut self, field: &str) -> Option<u32> {
        self.read(field, "wellgate-sheet-code", code)
    }

    /// A code that must be there.
    pub fn need_code(&mut self, field: &str) -> Option<u32> {
        self.need(field, "wellgate-sheet-code", code)
    }

    /// A NIHDI number of eleven digits whose check digits hold.
    pub fn nihdi(&mut self, field: &str) -> Option<Nihdi> {
        let nihdi = self.read(field, "wellgate-sheet-nihdi", |text| {
            Nihdi::parse(&bare(text)).ok().filter(|nihdi| nihdi.qualification().is_some())
        })?;
        let holds = nihdi.check_digits_hold();
        if !holds {
            self.note(field, "wellgate-sheet-nihdi-check");
        }
        holds.then_some(nihdi)
    }

    /// A national number whose check digits hold. One that lost its leading zeros is not guessed at: it could be another person's.
    pub fn ssin(&mut self, field: &str) -> Option<Ssin> {
        let ssin = self.need(field, "wellgate-sheet-ssin", |text| Ssin::parse(&bare(text)).ok())?;
        let holds = ssin.check_digits_hold();
        if !holds {
            self.note(field, "wellgate-sheet-ssin-check");
        }
        holds.then_some(ssin)
    }

    /// What is wrong with the row, in the order in which it was found; may be empty.
    pub fn into_issues(self) -> Vec<Issue> {
        self.issues
    }
}

fn code(text: &str) -> Option<u32> {
    let is_long = text.len() == 7 && text.starts_with('0');
    if text.len() != 6 && !is_long {
        return None;
    }
    digits(text).and_then(|code| u32::try_from(code).ok()).filter(|code| *code > 0)
}

fn number<T: TryFrom<u64>>(text: &str, digits_max: usize) -> Option<T> {
    digits(text).filter(|_| text.len() <= digits_max).and_then(|number| T::try_from(number).ok())
}
