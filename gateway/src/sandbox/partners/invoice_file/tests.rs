//! Files that the library writes are read by the other reading of the facts, which finds nothing in them, and finds what is seeded.

use mappings::billing::{
    Account, AccountLetter, Cents, Checks, Contact, Content, Date, DocumentReading, Environment, FileWriter,
    InsurerCommitment, Invoice, InvoiceType, Invoicing, Line, Month, Patient, PatientIdentifier, Previous, Residence,
    Sector, Sending, ServiceLine, StayLine,
};
use mappings::identifiers::{Cbe, Nihdi, Ssin};

use super::*;

const THIRD_PARTY: &str = "77200221000";
const REFERENCE: &str = "20260000000001";
const HEAD: usize = FIRST_LENGTH + SECOND_LENGTH;

fn day(text: &str) -> Date {
    Date::parse(text).expect("it is a day")
}

fn nihdi(text: &str) -> Nihdi {
    Nihdi::parse(text).expect("it is a NIHDI number")
}

fn sending() -> Sending {
    Sending {
        environment: Environment::Test,
        number: 7,
        reference: 20_260_000_000_001,
        month: Month::from_number(202_609).expect("a month"),
        created: day("2026-10-02"),
        content: Content::EFact,
        sector: Sector::Ambulatory,
        third_party: nihdi(THIRD_PARTY),
        profession: 0,
        enterprise: Cbe::parse("0820563481").expect("a CBE number"),
        accreditation: 0,
        account_a: Account { iban: "BE68539007547034".to_owned(), bic: "GKCCBEBB".to_owned() },
        account_b: None,
        contact: Contact { name: "Peeters".to_owned(), first_name: "Zoë".to_owned(), phone: 32_470_000 },
        file_reference: "F-7".to_owned(),
        establishment_reference: "CENTRE".to_owned(),
        recap: 0,
    }
}

fn patient(serial: u32, destination: u16) -> Patient {
    let first = 850_101_000 + serial % 997 + 1;
    let ssin = format!("{first:09}{:02}", 97 - first % 97);
    let identifier = PatientIdentifier::Ssin(Ssin::parse(&ssin).expect("11 digits"));
    Patient {
        identifier,
        sex: 1 + u8::from(serial.is_multiple_of(2)),
        affiliation: destination,
        destination,
        ct1: 110,
        ct2: 110,
    }
}

fn service(cents: i64, on: &str, reference: &str) -> ServiceLine {
    ServiceLine {
        code: 101_032,
        first_day: day(on),
        last_day: day(on),
        units: 1,
        amount: Cents(cents),
        patient_share: Cents(150),
        supplement: Cents(0),
        account: AccountLetter::A,
        provider: nihdi("18334780004"),
        provider_norm: 1,
        service: 990,
        place: None,
        prescriber: None,
        share_code: 0,
        time: 0,
        reference: reference.to_owned(),
        commitment: None,
        reading: None,
        rare: None,
    }
}

fn ambulatory(number: u64, patient: Patient, lines: Vec<Line>) -> Invoice {
    Invoice {
        number,
        invoice_type: InvoiceType::Ambulatory,
        invoicing: Invoicing::Original,
        patient,
        residence: None,
        rehabilitation_agreed: None,
        treatment_reason: 0,
        is_prescription_lifted: false,
        date: Some(day("2026-10-01")),
        reference: format!("INV-{number}"),
        lines,
    }
}

fn previous() -> Previous {
    let month = Month::from_number(202_608).expect("a month");
    Previous { invoice: 77, sending: 6, destination: 304, month, payment_a: String::new(), payment_b: String::new() }
}

fn rehabilitation(number: u64, patient: Patient, kind: InvoiceType) -> Invoice {
    let is_resident = kind == InvoiceType::ResidentialRehabilitation;
    let stay = StayLine {
        code: 768_025,
        first_day: day("2026-09-01"),
        last_day: day("2026-09-10"),
        units: 10,
        amount: Cents(123_450),
        patient_share: Cents(0),
        supplement: Cents(0),
        indicative_cost: Cents(140_000),
        account: AccountLetter::A,
        norm: 0,
        service: 770,
        place: Some(nihdi(THIRD_PARTY)),
        convention: Some(nihdi(THIRD_PARTY)),
        relative_code: 0,
        share_code: 0,
        agreed: Some(day("2026-08-20")),
        reference: format!("STAY-{number}"),
        share_record: Some((767_443, Cents(5_000))),
    };
    Invoice {
        invoice_type: kind,
        residence: Some(Residence {
            institution: nihdi(THIRD_PARTY),
            admitted: is_resident.then(|| (day("2026-09-01"), 900)),
            discharged: is_resident.then(|| (day("2026-09-20"), 1_630)),
            admission: u64::from(is_resident) * 12,
            service: if is_resident { 770 } else { 0 },
        }),
        rehabilitation_agreed: Some(day("2026-08-20")),
        ..ambulatory(number, patient, vec![Line::Stay(stay)])
    }
}

/// One of each: a credit note, a correction, care with a promise and a reading, rehabilitation of both kinds.
fn invoices() -> Vec<Invoice> {
    let credit = Invoice {
        invoicing: Invoicing::CreditNote(previous()),
        ..ambulatory(1, patient(1, 304), vec![Line::Service(service(1_942, "2026-08-03", "A"))])
    };
    let promised = ServiceLine {
        commitment: Some(InsurerCommitment { reference: "P".repeat(48), informed: day("2026-09-03") }),
        reading: Some(DocumentReading {
            read: Some((day("2026-09-02"), 1030)),
            reading: "1".to_owned(),
            medium: "1".to_owned(),
            serial: "5910212346".to_owned(),
            ..DocumentReading::default()
        }),
        prescriber: Some((nihdi("18749704477"), day("2026-08-30"), 1)),
        ..service(1_942, "2026-09-02", "B")
    };
    let care = vec![Line::Service(promised), Line::Service(service(2_200, "2026-09-04", "C"))];
    let correction = Invoice {
        invoicing: Invoicing::Correction(Previous { payment_a: "PAID".to_owned(), ..previous() }),
        ..ambulatory(3, patient(3, 304), vec![Line::Service(service(2_200, "2026-08-05", "D"))])
    };
    vec![
        credit,
        ambulatory(2, patient(2, 304), care),
        correction,
        rehabilitation(4, patient(4, 319), InvoiceType::ResidentialRehabilitation),
        rehabilitation(5, patient(5, 319), InvoiceType::AmbulatoryRehabilitation),
    ]
}

fn written(sending: Sending, invoices: &[Invoice]) -> Vec<u8> {
    let mut writer = FileWriter::new(Vec::new(), sending, Checks::on(day("2026-10-02"))).expect("it is begun");
    for invoice in invoices {
        writer.invoice(invoice).expect("it is written");
    }
    let (bytes, written) = writer.finish().expect("it is ended");
    assert!(written.report.is_clean(), "{:?}", written.report);
    bytes
}

fn expected() -> Expected<'static> {
    Expected { third_party: THIRD_PARTY, destination: 300, reference: REFERENCE, today: 20_261_002, is_fund: false }
}

fn clean(bytes: &[u8]) -> Reading<'_> {
    let reading = read(bytes, &expected()).expect("it can be cut");
    assert_eq!((reading.faults.as_slice(), reading.found.as_slice()), (&[][..], &[][..]));
    reading
}

#[test]
fn nothing_is_found_in_a_file_that_validation_passed() {
    let bytes = written(sending(), &invoices());
    let reading = clean(&bytes);
    assert_eq!(reading.invoices.len(), 5);
    let lines: Vec<(i64, bool)> =
        reading.invoices.iter().flat_map(|one| &one.lines).map(|line| (line.amount, line.is_share)).collect();
    let day = [(123_450, false), (-5_000, true)];
    let before = [(-1_942, false), (1_942, false), (2_200, false), (2_200, false)];
    assert_eq!(lines, [&before[..], &day, &day].concat());
    assert_eq!(reading.destinations.keys().copied().collect::<Vec<u16>>(), [304, 319]);
}

#[test]
fn nothing_is_found_in_many_files_that_validation_passed() {
    for seed in 0..40_u32 {
        let mut all = Vec::new();
        for number in 1..=1 + seed % 17 {
            let destination = 301 + u16::try_from((seed + number) * 7 % 27).expect("it fits");
            let who = patient(seed * 31 + number, destination);
            let cents = i64::from((seed * 7_919 + number * 104_729) % 90_000) + 1;
            let on = format!("2026-09-{:02}", 1 + (seed + number) % 28);
            let of_number = u64::from(number);
            all.push(match (seed + number) % 4 {
                0 => rehabilitation(of_number, who, InvoiceType::ResidentialRehabilitation),
                1 => rehabilitation(of_number, who, InvoiceType::AmbulatoryRehabilitation),
                2 => Invoice {
                    invoicing: Invoicing::CreditNote(previous()),
                    ..ambulatory(of_number, who, vec![Line::Service(service(cents, &on, "K"))])
                },
                _ => ambulatory(of_number, who, vec![Line::Service(service(cents, &on, "L"))]),
            });
        }
        all.sort_by_key(Invoice::order);
        clean(&written(sending(), &all));
    }
}

/// Writes a text into a record, from a position on that is counted from 1, and makes its check digits good.
fn seed(bytes: &mut [u8], record: usize, from: usize, text: &str) {
    let at = HEAD + record * RECORD_LENGTH;
    let record = &mut bytes[at..at + RECORD_LENGTH];
    record[from - 1..from - 1 + text.len()].copy_from_slice(text.as_bytes());
    let check = format!("{:02}", numbers::record_check(record));
    record[348..].copy_from_slice(check.as_bytes());
}

fn codes(bytes: &[u8]) -> Vec<String> {
    let reading = read(bytes, &expected()).expect("it can be cut");
    reading.found.iter().map(|found| format!("{}{}", found.letter, found.code)).collect()
}

#[test]
fn what_is_seeded_into_records_is_found_by_its_code() {
    let good = written(sending(), &invoices());
    // 0 is record 10; 1 to 3 the credit note; 4 to 9 care: 20, 50, 51, 52, 50, 80; 10 to 12 the correction; 13 to 16 a stay.
    let seeds: [(usize, usize, &str, &str); 52] = [
        (0, 10, "0009999", "B100403"),
        (0, 33, "000", "B100703"),
        (0, 53, "020", "B101303"),
        (0, 56, "1", "B101404"),
        (0, 62, "3", "B101402"),
        (0, 108, "1", "B102204"),
        (0, 113, "13", "B102303"),
        (0, 113, "11", "B102311"),
        (0, 120, "20261301", "B102501"),
        (0, 120, "20261101", "B102510"),
        (0, 128, "0820563482", "B102702"),
        (0, 128, "0000000000", "B102710"),
        (0, 167, "           ", "B103110"),
        (0, 181, "1", "B103602"),
        (0, 9, "1", "B100314"),
        (1, 85, "320", "B201812"),
        (1, 85, "204", "B201803"),
        (4, 115, "000000000001", "B202420"),
        (4, 115, "000000000000", "B202403"),
        (4, 56, "018334780004", "F201412"),
        (4, 46, "9", "F200802"),
        (4, 36, "0000000000000", "F200810"),
        (4, 175, "2", "F203203"),
        (4, 49, "3", "F200903"),
        (4, 50, "2", "F201003"),
        (4, 50, "6", "F201510"),
        (4, 51, "5", "F201103"),
        (4, 51, "1", "F202910"),
        (4, 163, "000000000077", "F202911"),
        (4, 17, "20260901", "F200511"),
        (4, 68, "077200221000", "F201511"),
        (4, 100, "20260820", "F202011"),
        (4, 81, "0055", "F201703"),
        (13, 100, "00000000", "F202010"),
        (13, 17, "00000000", "F200510"),
        (13, 25, "20260801", "F200610"),
        (5, 10, "0101033", "R500402"),
        (5, 17, "20260931", "B500501"),
        (5, 17, "20261003", "R500510"),
        (5, 25, "20260901", "R500612"),
        (5, 36, "0085010100397", "F500812"),
        (5, 49, "3", "R500912"),
        (5, 68, "018334781004", "R501502"),
        (5, 115, "018749705477", "R502402"),
        (5, 88, " ", "B501905"),
        (5, 108, "-", "R502212"),
        (5, 128, "-", "R502712"),
        (2, 88, "+", "F201140"),
        (6, 10, "0567011", "R510412"),
        (7, 17, "20260903", "R520512"),
        (9, 89, "00000000001", "F801910"),
        (9, 347, "01", "B809802"),
    ];
    for (record, from, text, code) in seeds {
        let mut bytes = good.clone();
        seed(&mut bytes, record, from, text);
        let found = codes(&bytes);
        assert!(found.iter().any(|one| one == code), "{record} {from} {text}: {code} is not among {found:?}");
    }
}

#[test]
fn what_is_seeded_into_totals_and_order_is_found_by_its_code() {
    let good = written(sending(), &invoices());
    let last = codes_at(&good, "90");
    for (from, text, code) in [
        (33, "008", "B900712"),
        (56, "018334780004", "B901412"),
        (89, "00000000001", "B901910"),
        (89, "00000000001", "B901911"),
        (69, "00000000001", "B901510"),
        (113, "08", "B902312"),
        (179, "BE71", "B903612"),
        (347, "01", "B909802"),
    ] {
        let mut bytes = good.clone();
        seed(&mut bytes, last, from, text);
        assert!(codes(&bytes).iter().any(|one| one == code), "{from} {text}: {code}");
    }
    // A character that was altered on its way.
    let mut bytes = good.clone();
    bytes[HEAD + 5 * RECORD_LENGTH + 91] = b'7';
    assert!(codes(&bytes).contains(&"B509902".to_owned()));
    for (at, code) in [(1, "B500110"), (6, "B520110"), (last, "B900104")] {
        let mut bytes = good.clone();
        let from = HEAD + at * RECORD_LENGTH;
        // Of the record 51 the number goes too: what follows it has another before it.
        let removed = if at == 6 { from - RECORD_LENGTH..from + RECORD_LENGTH } else { from..from + RECORD_LENGTH };
        bytes.drain(removed);
        let found = codes(&bytes);
        assert!(
            found.iter().any(|one| one == code) && (at == last || found.iter().any(|one| one.ends_with("0210"))),
            "{at}: {found:?}"
        );
    }
}

fn codes_at(bytes: &[u8], kind: &str) -> usize {
    let records = bytes[HEAD..].chunks_exact(RECORD_LENGTH).map(Record);
    records.take_while(|record| record.kind() != kind).count()
}

fn faults(bytes: &[u8]) -> Vec<(u16, &'static str)> {
    read(bytes, &expected()).expect("it can be cut").faults.iter().map(|fault| (fault.zone, fault.fault)).collect()
}

#[test]
fn what_is_seeded_into_segments_and_recaps_is_found_by_its_zone() {
    let good = written(sending(), &invoices());
    for (from, text, fault) in [
        (1, "920001", (200, "03")),
        (9, "07", (201, "20")),
        (13, "12", (202, "31")),
        (13, "99", (202, "03")),
        (21, "20260000000002", (204, "21")),
    ] {
        let mut bytes = good.clone();
        bytes[from - 1..from - 1 + text.len()].copy_from_slice(text.as_bytes());
        assert!(faults(&bytes).contains(&fault), "{from} {text}: {:?}", faults(&bytes));
    }
    for (from, text, fault) in [
        (1, "202610", (300, "21")),
        (9, "000", (301, "03")),
        (9, "008", (301, "21")),
        (14, "20261301", (302, "01")),
        (14, "20261003", (302, "20")),
        (14, "20010101", (302, "21")),
        (39, "0001999", (304, "21")),
        (133, "05", (308, "20")),
        (137, "03", (309, "20")),
    ] {
        let mut bytes = good.clone();
        let at = FIRST_LENGTH + from - 1;
        bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
        assert!(faults(&bytes).contains(&fault), "{from} {text}: {:?}", faults(&bytes));
    }
    let (recap, total) = (codes_at(&good, "95"), codes_at(&good, "96"));
    for (record, from, text, fault) in [
        (recap, 5, "301", (401, "21")),
        (recap, 5, "319", (401, "40")),
        (recap, 24, " ", (403, "40")),
        (recap, 25, "00000000001", (404, "41")),
        (recap, 39, "00000000001", (406, "41")),
        (recap, 53, "00000000001", (408, "41")),
        (recap, 66, "00000001", (409, "41")),
        (recap, 76, "00", (410, "02")),
        (total, 5, "499", (501, "20")),
        (total, 25, "00000000001", (504, "41")),
        (total, 66, "00000001", (509, "41")),
        (total, 76, "00", (510, "02")),
        (total, 1, "95", (500, "03")),
        (5, 231, "@", (200, "09")),
    ] {
        let mut bytes = good.clone();
        let at = HEAD + record * RECORD_LENGTH + from - 1;
        bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
        assert!(faults(&bytes).contains(&fault), "{record} {from} {text}: {:?}", faults(&bytes));
    }
}

#[test]
fn a_character_that_is_altered_in_a_record_is_found_wherever_it_is() {
    let good = written(sending(), &invoices());
    let records = codes_at(&good, "95");
    let mut altered = good.clone();
    for at in (HEAD..HEAD + records * RECORD_LENGTH).filter(|at| at % 7 < 2) {
        // A digit counts as what it is, and everything else as more than nine: so what is written here never counts the same.
        let before = altered[at];
        altered[at] = if before == b'7' { b'3' } else { b'7' };
        assert!(!codes(&altered).is_empty(), "character {at}");
        altered[at] = before;
    }
}

#[test]
fn what_cannot_be_cut_into_records_is_not_read() {
    let good = written(sending(), &invoices());
    for length in [0, 1, HEAD, HEAD + RECORD_LENGTH, good.len() - 1] {
        assert!(read(&good[..length], &expected()).is_none(), "{length}");
    }
    assert!(read(&"é".repeat(good.len() / 2).into_bytes(), &expected()).is_none());
    let text = [&good[..], b"\n"].concat();
    assert!(read(&text, &expected()).is_none());
}

#[test]
fn somebody_elses_file_and_one_to_another_insurer_are_found() {
    let good = written(sending(), &invoices());
    let found = |expected: Expected<'_>| -> Vec<String> {
        read(&good, &expected).expect("it can be cut").found.into_iter().map(|found| found.code).collect()
    };
    assert!(found(Expected { third_party: "18334780004", ..expected() }).contains(&"101424".to_owned()));
    assert!(found(Expected { destination: 200, ..expected() }).contains(&"201803".to_owned()));
    // A care fund is its own: what goes to two of them is no file.
    assert!(found(Expected { destination: 304, is_fund: true, ..expected() }).contains(&"201803".to_owned()));
}
