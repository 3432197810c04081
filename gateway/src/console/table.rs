//! A list as a file for a spreadsheet: CSV or XLSX.
//!
//! What somebody wrote is never a formula there: <https://owasp.org/www-community/attacks/CSV_Injection>

use rust_xlsxwriter::{Format, Workbook, XlsxError};

/// A value of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Text, also of digits that nobody sums.
    Text(String),
    /// A number of something.
    Count(i64),
    /// Cents.
    Cents(i64),
}

/// A list with its heads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) heads: Vec<String>,
    pub(super) rows: Vec<Vec<Value>>,
}

/// The mark by which spreadsheets know UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

impl Table {
    /// As CSV, as spreadsheets in Belgium take it: semicolons between, a comma before the cents.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn to_csv(&self) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::WriterBuilder::new().delimiter(b';').from_writer(BYTE_ORDER_MARK.as_bytes().to_vec());
        writer.write_record(self.heads.iter().map(|head| harmless(head)))?;
        for row in &self.rows {
            writer.write_record(row.iter().map(|value| match value {
                Value::Text(text) => harmless(text),
                Value::Count(count) => count.to_string(),
                Value::Cents(cents) => euros(*cents),
            }))?;
        }
        writer.into_inner().map_err(|error| error.into_error().into())
    }

    /// As XLSX: amounts are numbers there, and text is text.
    ///
    /// # Errors
    /// It cannot be written: it has more rows than a sheet holds.
    pub(super) fn to_xlsx(&self) -> Result<Vec<u8>, XlsxError> {
        let mut workbook = Workbook::new();
        let sheet = workbook.add_worksheet();
        let (bold, money) = (Format::new().set_bold(), Format::new().set_num_format("#,##0.00"));
        let place = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
        for (at, head) in self.heads.iter().enumerate() {
            sheet.write_string_with_format(0, place(at), head, &bold)?;
        }
        sheet.set_freeze_panes(1, 0)?;
        for (number, row) in (1_u32..).zip(&self.rows) {
            for (at, value) in row.iter().enumerate() {
                match value {
                    Value::Text(text) => sheet.write_string(number, place(at), text)?,
                    Value::Count(count) => sheet.write_number(number, place(at), exact(*count))?,
                    Value::Cents(cents) => {
                        sheet.write_number_with_format(number, place(at), exact(*cents) / 100.0, &money)?
                    }
                };
            }
        }
        workbook.save_to_buffer()
    }
}

/// A sheet has no other numbers. Up to 2^53 each integer is one of them, and no list has as many cents.
#[expect(clippy::cast_precision_loss, reason = "amounts are far below 2^53")]
fn exact(number: i64) -> f64 {
    number as f64
}

fn euros(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{},{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
}

/// A text that no spreadsheet takes for a formula.
fn harmless(text: &str) -> String {
    // Blanks before it do not keep a spreadsheet from it, nor does a tab or a line end within.
    let plain: String = text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
    let is_formula = plain.trim_start().starts_with(['=', '+', '-', '@']);
    if is_formula { format!("'{plain}") } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let text = |text: &str| Value::Text(text.to_owned());
        Table {
            heads: vec!["Naam".to_owned(), "Aantal".to_owned(), "Bedrag".to_owned()],
            rows: vec![
                vec![text("Aña; \"X\""), Value::Count(2), Value::Cents(-105)],
                vec![text("=HYPERLINK(1)"), Value::Count(-1), Value::Cents(123_400)],
            ],
        }
    }

    #[test]
    fn a_csv_file_is_read_back_as_it_was_and_no_text_is_a_formula() {
        let bytes = table().to_csv().expect("it is written");
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert_eq!(text, "\u{feff}Naam;Aantal;Bedrag\n\"Aña; \"\"X\"\"\";2;-1,05\n'=HYPERLINK(1);-1;1234,00\n");
        for evil in ["@SUM(1)", "+1", "-1", "\t=1", "\r=1"] {
            assert!(harmless(evil).starts_with('\''), "{evil}");
        }
    }

    #[test]
    fn a_sheet_has_its_amounts_as_numbers() {
        let bytes = table().to_xlsx().expect("it is written");
        assert_eq!(&bytes[..2], b"PK");
        // Texts are kept apart from the cells, so a formula would stand in the sheet: there is no such element.
        assert!(bytes.len() > 1_000);
    }
}
