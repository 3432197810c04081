//! Sheets: what is refused first, then what is understood.

use super::*;

const COLUMNS: [Column; 3] = [
    Column { field: "code", names: &["prestatie"], is_required: true },
    Column { field: "day", names: &["datum", "jour"], is_required: true },
    Column { field: "amount", names: &["bedrag"], is_required: false },
];

fn open(text: &[u8], kind: Kind) -> Result<Sheet<&[u8]>, SheetError> {
    Sheet::open(text, &COLUMNS, kind, Limits::default())
}

fn codes(error: SheetError) -> Vec<(u64, Option<String>, &'static str)> {
    match error {
        SheetError::Refused(issues) => issues.into_iter().map(|issue| (issue.row, issue.column, issue.code)).collect(),
        SheetError::Read(error) => panic!("the source does not fail: {error}"),
    }
}

/// Its number, its cells, and the codes of what is wrong with it.
type Read = (u64, Vec<String>, Vec<&'static str>);

fn rows(text: &[u8], limits: Limits) -> Result<Vec<Read>, SheetError> {
    let mut sheet = Sheet::open(text, &COLUMNS, Kind::Import, limits)?;
    let mut rows = Vec::new();
    while let Some(cells) = sheet.next_row()? {
        let texts = ["code", "day", "amount"].map(|field| cells.text(field).to_owned()).to_vec();
        let number = cells.number();
        rows.push((number, texts, cells.into_issues().into_iter().map(|issue| issue.code).collect()));
    }
    Ok(rows)
}

fn faults(text: &[u8]) -> Vec<(u64, Vec<&'static str>)> {
    let rows = rows(text, Limits::default()).expect("the sheet is read");
    rows.into_iter().map(|(number, _, faults)| (number, faults)).collect()
}

#[test]
fn a_sheet_without_its_columns_is_refused_with_each_of_them() {
    assert_eq!(codes(open(b"", Kind::Import).err().expect("it is empty"))[0].2, "wellgate-sheet-empty");
    assert_eq!(
        codes(open(b"\n\n# x\n", Kind::Table).err().expect("it has remarks alone"))[0].2,
        "wellgate-sheet-empty"
    );
    let missing = codes(open(b"bedrag;x\n", Kind::Import).err().expect("two are missing"));
    let expected = |field: &str| (1, Some(field.to_owned()), "wellgate-sheet-column-missing");
    assert_eq!(missing, [expected("code"), expected("day")]);
    let twice = codes(open(b"code;datum;Jour\n", Kind::Import).err().expect("the day stands twice"));
    assert_eq!(twice, [(1, Some("Jour".to_owned()), "wellgate-sheet-column-twice")]);
}

#[test]
fn a_column_that_is_not_known_is_refused_in_a_table_and_left_alone_in_an_import() {
    let unknown = codes(open(b"code;day;amuont\n", Kind::Table).err().expect("a slip in a table"));
    assert_eq!(unknown, [(1, Some("amuont".to_owned()), "wellgate-sheet-column-unknown")]);
    let sheet = open(b"code;day;amuont\n", Kind::Import).expect("an import has other columns");
    assert_eq!(sheet.understood()[2], Understood { header: "amuont".to_owned(), field: None });
}

#[test]
fn a_row_that_cannot_be_read_spoils_no_other() {
    let text = b"code;day;amount\n1;2;\"3\n4;5;6\n7;8\n9;10;11;12\n13;\x01;14\n15;16;17;;\n";
    assert_eq!(
        faults(text),
        [
            (2, vec!["wellgate-sheet-quotes"]),
            (3, vec![]),
            (4, vec!["wellgate-sheet-cells"]),
            (5, vec!["wellgate-sheet-cells"]),
            (6, vec!["wellgate-sheet-character"]),
            (7, vec![]),
        ]
    );
}

#[test]
fn limits_hold_for_bytes_rows_lines_and_cells() {
    let limits = Limits { bytes_max: 60, rows_max: 3, line_bytes_max: 20, cell_characters_max: 5 };
    let head = "code;day;amount\n";
    let read = |rest: &str| rows(format!("{head}{rest}").as_bytes(), limits);
    let long = read("1;2;345678\n1;2;3456789012345678901\n1;2;3\n").expect("it is read");
    let found: Vec<_> = long.iter().map(|(number, _, faults)| (*number, faults.clone())).collect();
    assert_eq!(
        found,
        [(2, vec!["wellgate-sheet-cell-too-long"]), (3, vec!["wellgate-sheet-row-too-long"]), (4, vec![])]
    );
    assert_eq!(
        codes(read("1;2;3\n1;2;3\n1;2;3\n1;2;3\n").expect_err("four rows"))[0].2,
        "wellgate-sheet-too-many-rows"
    );
    assert_eq!(codes(read(&"12345;12345;12345\n".repeat(3)).expect_err("too large"))[0].2, "wellgate-sheet-too-large");
    // One line without an end is passed over without being kept.
    let endless = read(&"x".repeat(1_000)).expect_err("too large");
    assert_eq!(codes(endless)[0].2, "wellgate-sheet-too-large");
}

#[test]
fn both_encodings_are_read_and_never_mixed() {
    let utf8 = rows("\u{feff}code;day\né;ü\n".as_bytes(), Limits::default()).expect("it is read");
    assert_eq!(utf8[0].1[..2], ["é", "ü"]);
    let windows = rows(b"code;day\n\xE9;\x80\n\xC3\xA9;x\n", Limits::default()).expect("it is read");
    assert_eq!(windows[0].1[..2], ["é", "€"]);
    assert_eq!(windows[1].1[0], "Ã©", "the first letter decided");
    assert_eq!(faults(b"code;day\n\xC3\xA9;x\n\xE9;x\n"), [(2, vec![]), (3, vec!["wellgate-sheet-encoding"])]);
    assert_eq!(faults(b"code;day\n\x81;x\n"), [(2, vec!["wellgate-sheet-encoding"])]);
    let utf16: Vec<u8> = "code;day\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(open(&utf16, Kind::Import).is_err());
}

#[test]
fn whatever_an_office_writes_around_the_values_is_read() {
    for text in [
        "code;day;amount\n1;2;3\n",
        "Code,Dag \u{e9}n datum,Bedrag\n1,x,3\n",
        "sep=;\r\nPrestatie ;DATUM;Bedrag;;\r\n1;2;3;;\r\n;;;;\r\n",
        "\n\"code\"\t\"jour\"\t\"bedrag\"\n\"1\"\t 2 \t\"3\"",
    ] {
        let read = rows(text.as_bytes(), Limits::default());
        if text.contains("Dag ") {
            assert_eq!(codes(read.expect_err("that is no name of a column")).len(), 1);
            continue;
        }
        let read = read.expect("it is read");
        assert_eq!((read.len(), &read[0].1, read[0].2.len()), (1, &vec!["1".to_owned(), "2".into(), "3".into()], 0));
    }
    let quoted = rows(b"code;day\n\"a;b\";\"c \"\"d\"\"\"\n", Limits::default()).expect("it is read");
    assert_eq!(quoted[0].1[..2], ["a;b", "c \"d\""]);
}

#[test]
fn days_are_those_of_the_calendar_day_first() {
    for text in ["2026-03-01", "1/3/2026", "01/03/2026", "01-03-2026", "1.3.2026"] {
        assert_eq!(date(text).map(|date| date.to_string()).as_deref(), Some("2026-03-01"), "{text}");
    }
    for text in [
        "",
        "1/3/26",
        "31/2/2026",
        "3/31/2026",
        "2026/03/01",
        "1/3/2026 10:00",
        "46082",
        "1-3/2026",
        "001/3/2026",
        "1//2026",
    ] {
        assert_eq!(date(text), None, "{text}");
    }
}

#[test]
fn an_amount_that_can_be_read_in_two_ways_is_refused() {
    for text in [
        "",
        "1.234",
        "1,234",
        "12,345",
        "-1",
        "+1",
        "1,2,3",
        "1.2345,00",
        "12.34.567,00",
        "1e3",
        "a",
        ",",
        "1 23",
        "1.234.567",
        "1,23.45",
        "9999999999,99",
        "١",
    ] {
        assert_eq!(amount(text), None, "{text}");
    }
    for (text, cents) in [
        ("12,50", 1_250),
        ("12.5", 1_250),
        ("12", 1_200),
        ("0,05", 5),
        ("€ 12,50", 1_250),
        ("12,50 €", 1_250),
        ("1.234,56", 123_456),
        ("1,234.56", 123_456),
        ("1 234,56", 123_456),
        ("1\u{a0}234", 123_400),
        ("1.234.567,00", 123_456_700),
    ] {
        assert_eq!(amount(text).map(|cents| cents.0), Some(cents), "{text}");
    }
}

#[test]
fn an_error_says_where_and_never_what_stood_there() {
    let issue = Issue { row: 3, column: Some("Rijksregisternummer".to_owned()), code: "wellgate-sheet-ssin-check" };
    let text = issue.text(Language::Nl);
    assert!(text.starts_with("rij 3, kolom Rijksregisternummer: Het controlegetal"), "{text}");
    let mut sheet = open(b"code;day\n90010100123;x\n", Kind::Import).expect("it is read");
    let mut cells = sheet.next_row().expect("it is read").expect("there is a row");
    assert_eq!(cells.need_code("code"), None);
    let said = format!("{:?}", cells.into_issues());
    assert!(!said.contains("900101"), "{said}");
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_fail_otherwise_than_by_an_issue(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut text = b"code;day;amount\n".to_vec();
            text.extend(bytes);
            let read = rows(&text, Limits { line_bytes_max: 50, ..Limits::default() });
            prop_assert!(read.is_ok());
        }

        #[test]
        fn what_a_writer_of_csv_wrote_is_read_again(cells in proptest::collection::vec("[^\\p{C}]{0,12}", 3), separator in prop_oneof![Just(b';'), Just(b','), Just(b'\t')]) {
            let mut writer = csv::WriterBuilder::new().delimiter(separator).from_writer(Vec::new());
            writer.write_record(["code", "day", "amount"]).expect("it is memory");
            writer.write_record(&cells).expect("it is memory");
            let text = writer.into_inner().expect("it is memory");
            let read = rows(&text, Limits::default()).expect("it is read");
            let trimmed: Vec<String> = cells.iter().map(|cell| cell.trim().to_owned()).collect();
            if trimmed.iter().any(|cell| !cell.is_empty()) {
                prop_assert_eq!(&read[0].1, &trimmed);
            } else {
                prop_assert!(read.is_empty());
            }
        }

        #[test]
        fn every_amount_that_is_written_is_read_to_the_cent(cents in 0..100_000_000_000_i64) {
            let (euro, rest) = (cents / 100, cents % 100);
            for text in [format!("{euro},{rest:02}"), format!("{euro}.{rest:02}")] {
                prop_assert_eq!(amount(&text).map(|read| read.0), Some(cents));
            }
        }
    }
}
