//! Lines out of a sheet: what is refused first.

use super::*;
use crate::billing::{Cents, Language};

// 90010100123 is a made-up number whose check digits hold, as does 12345625527.
const HEAD: &str = "rijksregisternummer;naam;geslacht;ziekenfonds;CT1;CT2;zorgkas;datum;laatste dag;uur;prestatiecode;aantal;RIZIV-nummer;bedrag;remgeld;voorschrijver;voorschriftdatum;referentie;notities\n";
const ROW: &str = "90.01.01-001.23;Jansens An;V;131;110;110;801;2/3/2026;;14u30;990010;2;1-23456-25-527;80,00;24,00;12345625001;1/3/2026;r-1;x\n";

fn import(text: &str) -> Vec<ImportedRow> {
    let mut import = ClaimImport::open(text.as_bytes(), Limits::default()).expect("the columns are right");
    let mut rows = Vec::new();
    while let Some(row) = import.next_row().expect("it is read") {
        rows.push(row);
    }
    rows
}

fn with(column: usize, value: &str) -> String {
    let mut cells: Vec<&str> = ROW.trim_end().split(';').collect();
    cells[column] = value;
    format!("{HEAD}{}\n", cells.join(";"))
}

#[test]
fn a_row_that_is_wrong_names_its_column_and_never_the_person() {
    for (column, value, header, code) in [
        (0, "", "rijksregisternummer", "wellgate-sheet-required"),
        (0, "9001010012", "rijksregisternummer", "wellgate-sheet-ssin"),
        (0, "9,001E+10", "rijksregisternummer", "wellgate-sheet-ssin"),
        (0, "90010100124", "rijksregisternummer", "wellgate-sheet-ssin-check"),
        (2, "X", "geslacht", "wellgate-sheet-sex"),
        (3, "31", "ziekenfonds", "wellgate-sheet-insurer"),
        (3, "000", "ziekenfonds", "wellgate-sheet-insurer"),
        (4, "", "CT1", "wellgate-sheet-together"),
        (5, "", "CT2", "wellgate-sheet-together"),
        (4, "11", "CT1", "wellgate-sheet-number"),
        (6, "zorgkas", "zorgkas", "wellgate-sheet-insurer"),
        (7, "", "datum", "wellgate-sheet-required"),
        (7, "30/2/2026", "datum", "wellgate-sheet-date"),
        (8, "1/3/2026", "laatste dag", "wellgate-sheet-days"),
        (9, "24:00", "uur", "wellgate-sheet-time"),
        (10, "99001", "prestatiecode", "wellgate-sheet-code"),
        (11, "0", "aantal", "wellgate-sheet-number"),
        (11, "-1", "aantal", "wellgate-sheet-number"),
        (11, "10000", "aantal", "wellgate-sheet-number"),
        (11, "1,5", "aantal", "wellgate-sheet-number"),
        (12, "", "RIZIV-nummer", "wellgate-sheet-required"),
        (12, "12345625", "RIZIV-nummer", "wellgate-sheet-nihdi"),
        (12, "12345626527", "RIZIV-nummer", "wellgate-sheet-nihdi-check"),
        (13, "1.234", "bedrag", "wellgate-sheet-amount"),
        (14, "-1,00", "remgeld", "wellgate-sheet-amount"),
        (15, "", "voorschrijver", "wellgate-sheet-together"),
        (16, "", "voorschriftdatum", "wellgate-sheet-together"),
    ] {
        let rows = import(&with(column, value));
        let issues = rows[0].line.as_ref().expect_err("it is wrong");
        let expected = Issue { row: 2, column: Some(header.to_owned()), code };
        assert_eq!(issues, &[expected], "{header} {value}");
        let said = format!("{rows:?}{}", issues[0].text(Language::Fr));
        assert!(!said.contains("Jansens") && !said.contains("90010"), "{said}");
    }
}

#[test]
fn every_error_of_a_row_is_told_and_the_other_rows_are_read() {
    let text = format!("{HEAD};;;;;;;;;;;;;;;;;;\n;;X;;;;;;;;;;;;;;;;\n{ROW}");
    let rows = import(&text);
    let codes: Vec<_> = rows[0].line.as_ref().expect_err("it is wrong").iter().map(|issue| issue.code).collect();
    let required = "wellgate-sheet-required";
    assert_eq!((rows.len(), rows[0].number), (2, 3), "an empty row is none");
    assert_eq!(codes, ["wellgate-sheet-required", "wellgate-sheet-sex", required, required, required]);
    assert!(rows[1].line.is_ok(), "{:?}", rows[1]);
}

#[test]
fn a_row_is_read_into_plain_values() {
    let rows = import(&format!("{HEAD}{ROW}"));
    let line = rows[0].line.as_ref().expect("it is right");
    assert_eq!((line.person.ssin.as_str(), line.person.sex), ("90010100123", Some(2)));
    assert_eq!(line.person.name.as_deref(), Some("Jansens An"));
    let insured = Insured { affiliation: Some(131), ct1: Some(110), ct2: Some(110), care_fund: Some(801) };
    assert_eq!((line.person.insured, line.reference.as_deref()), (insured, Some("r-1")));
    let service = &line.service;
    assert_eq!((service.code, service.units, service.time), (990_010, 2, Some(1430)));
    assert_eq!((service.first_day.to_string().as_str(), service.last_day), ("2026-03-02", service.first_day));
    assert_eq!((service.stated.amount, service.stated.share), (Some(Cents(8_000)), Some(Cents(2_400))));
    assert_eq!((service.provider.as_str(), line.third_party.as_ref()), ("12345625527", None));
}

#[test]
fn the_least_that_a_row_needs_is_who_when_what_and_by_whom() {
    for head in ["NISS,jour,code,prestataire", "INSZ,datum,prestatie,zorgverlener", "national number,day,code,provider"]
    {
        let rows = import(&format!("{head}\n90010100123,2026-03-02,0990010,12345625527\n"));
        let line = rows[0].line.as_ref().expect("it is right");
        assert_eq!((line.service.units, line.person.insured), (1, Insured::default()));
    }
}

#[test]
fn a_preview_counts_all_and_shows_the_first_of_either_kind() {
    let text = format!("{HEAD}{}", format!("{ROW};;X;;;;;;;;;;;;;;;;\n").repeat(50));
    let preview = preview(text.as_bytes(), Limits::default(), 3).expect("it is read");
    assert_eq!((preview.total, preview.faulty, preview.rows.len(), preview.separator), (100, 50, 6, ';'));
    assert_eq!(preview.columns.last().map(|column| (column.header.as_str(), column.field)), Some(("notities", None)));
}

#[test]
fn the_documentation_names_every_column_in_three_languages() {
    let columns = crate::tariff::tests::documented("Import\n");
    assert_eq!(columns.len(), row::COLUMNS.len());
    for language in 0..3 {
        let header: Vec<&str> = columns.iter().map(|names| names[language].as_str()).collect();
        let text = header.join(";");
        let import = ClaimImport::open(text.as_bytes(), Limits::default()).expect("the columns are right");
        let fields: Vec<Option<&str>> = import.columns().iter().map(|column| column.field).collect();
        let expected: Vec<Option<&str>> = columns.iter().map(|names| Some(names[0].as_str())).collect();
        assert_eq!(fields, expected, "{text}");
    }
}
