//! The list of sessions that a clerk enters in the mutualities' portal for mental health care: CSV that spreadsheets open as it is.
//!
//! It holds national numbers and goes to the clerk who asked for it, nowhere else (`docs/tariffs.md`). Amounts have a comma and days are written day first, as Belgian
//! spreadsheets read them; the national number has its points, so that it stays text and keeps its zeros.

use std::io::Write;

use crate::billing::{Cents, Date, Language};
use crate::identifiers::Ssin;

/// One session.
#[derive(Clone)]
pub struct PortalLine {
    /// Our id of the line, by which it is marked as entered.
    pub id: String,
    /// The national number.
    pub ssin: Ssin,
    /// The name.
    pub name: String,
    /// The mutuality that pays.
    pub mutuality: u16,
    /// The day.
    pub day: Date,
    /// The code.
    pub code: u32,
    /// What it is called.
    pub text: String,
    /// How many.
    pub units: u16,
    /// The NIHDI number of who did it.
    pub provider: String,
    /// What the insurer pays.
    pub amount: Cents,
    /// What the patient pays.
    pub share: Cents,
}

/// Without the person.
impl std::fmt::Debug for PortalLine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "PortalLine({}, {}, {})", self.id, self.day, self.code)
    }
}

/// The names of the columns.
pub fn portal_columns(language: Language) -> [&'static str; 11] {
    match language {
        Language::Nl => [
            "Rijksregisternummer",
            "Naam",
            "Ziekenfonds",
            "Datum",
            "Code",
            "Omschrijving",
            "Aantal",
            "RIZIV-nummer",
            "Bedrag",
            "Persoonlijk aandeel",
            "Kenmerk",
        ],
        Language::Fr => [
            "Numéro national",
            "Nom",
            "Mutualité",
            "Date",
            "Code",
            "Libellé",
            "Nombre",
            "Numéro INAMI",
            "Montant",
            "Intervention personnelle",
            "Référence",
        ],
        Language::En => [
            "National number",
            "Name",
            "Mutuality",
            "Day",
            "Code",
            "Description",
            "Units",
            "NIHDI number",
            "Amount",
            "Patient's share",
            "Reference",
        ],
    }
}

/// Writes the list, line by line.
///
/// # Errors
/// The target fails.
pub fn write_portal<W: Write>(
    mut target: W,
    lines: impl IntoIterator<Item = PortalLine>,
    language: Language,
) -> std::io::Result<W> {
    // By the mark spreadsheets know that it is UTF-8.
    target.write_all(b"\xEF\xBB\xBF")?;
    let mut writer = csv::WriterBuilder::new().delimiter(b';').terminator(csv::Terminator::CRLF).from_writer(target);
    writer.write_record(portal_columns(language))?;
    for line in lines {
        writer.write_record([
            &with_points(&line.ssin),
            &plain(&line.name),
            &format!("{:03}", line.mutuality),
            &format!("{:02}/{:02}/{}", line.day.day(), line.day.month(), line.day.year()),
            &format!("{:06}", line.code),
            &plain(&line.text),
            &line.units.to_string(),
            &with_dashes(&line.provider),
            &euro(line.amount),
            &euro(line.share),
            &plain(&line.id),
        ])?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

/// `90.01.01-001.23`.
fn with_points(ssin: &Ssin) -> String {
    let digits = ssin.as_str();
    format!("{}.{}.{}-{}.{}", &digits[..2], &digits[2..4], &digits[4..6], &digits[6..9], &digits[9..])
}

/// `1-23456-25-527`, of eleven digits; as it is otherwise.
fn with_dashes(nihdi: &str) -> String {
    if nihdi.len() != 11 || !nihdi.is_ascii() {
        return plain(nihdi);
    }
    format!("{}-{}-{}-{}", &nihdi[..1], &nihdi[1..6], &nihdi[6..8], &nihdi[8..])
}

fn euro(cents: Cents) -> String {
    let sign = if cents.0 < 0 { "-" } else { "" };
    let magnitude = cents.0.unsigned_abs();
    format!("{sign}{},{:02}", magnitude / 100, magnitude % 100)
}

/// Text that no spreadsheet takes for a formula.
fn plain(text: &str) -> String {
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if text.trim_start().starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str) -> PortalLine {
        PortalLine {
            id: "0C7ZK3".to_owned(),
            ssin: Ssin::parse("00010100105").expect("it is a number"),
            name: name.to_owned(),
            mutuality: 131,
            day: Date::parse("2026-03-02").expect("it is a day"),
            code: 991_012,
            text: "Verzonnen sessie; individueel".to_owned(),
            units: 1,
            provider: "12345625527".to_owned(),
            amount: Cents(6_400),
            share: Cents(5),
        }
    }

    fn written(name: &str) -> String {
        let text = write_portal(Vec::new(), [line(name)], Language::Nl).expect("it is memory");
        String::from_utf8(text).expect("it is UTF-8")
    }

    #[test]
    fn a_name_is_never_a_formula() {
        for name in ["=1+1", "+cmd", "-2", "@sum", "\t=1", " =1"] {
            let text = written(name);
            let cell = text.lines().nth(1).and_then(|row| row.split(';').nth(1)).expect("there is a name");
            assert!(cell.trim_start_matches('"').starts_with('\''), "{cell:?}");
        }
    }

    #[test]
    fn a_session_is_one_row_of_text_that_keeps_its_zeros() {
        let expected = "\u{feff}Rijksregisternummer;Naam;Ziekenfonds;Datum;Code;Omschrijving;Aantal;RIZIV-nummer;Bedrag;Persoonlijk aandeel;Kenmerk\r\n\
             00.01.01-001.05;Jansens An;131;02/03/2026;991012;\"Verzonnen sessie; individueel\";1;1-23456-25-527;64,00;0,05;0C7ZK3\r\n";
        assert_eq!(written("Jansens An"), expected);
    }

    #[test]
    fn the_person_is_shown_in_the_file_alone() {
        let shown = format!("{:?}", line("Jansens An"));
        assert!(!shown.contains("Jansens") && !shown.contains("000101"), "{shown}");
    }

    #[test]
    fn what_was_exported_can_be_imported_again() {
        for language in Language::ALL {
            let text = write_portal(Vec::new(), [line("Jansens An")], language).expect("it is memory");
            let mut import = crate::claim_import::ClaimImport::open(text.as_slice(), crate::sheet::Limits::default())
                .expect("the columns are known");
            let row = import.next_row().expect("it is read").expect("there is a row");
            let read = row.line.expect("it is right");
            assert_eq!((read.person.ssin.as_str(), read.person.insured.affiliation), ("00010100105", Some(131)));
            assert_eq!((read.service.first_day, read.service.provider.as_str()), (line("").day, "12345625527"));
            assert_eq!((read.service.stated.amount, read.service.stated.share), (Some(Cents(6_400)), Some(Cents(5))));
            assert_eq!(read.reference.as_deref(), Some("0C7ZK3"));
        }
    }
}
