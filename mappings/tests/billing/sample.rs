//! A file of a made-up centre: a credit note, ambulatory care with a commitment and a reading, and residential rehabilitation.

use std::io::Cursor;

use mappings::billing::{
    Account, AccountLetter, Cents, Checker, Checks, Contact, Content, Date, DocumentReading, Environment, FileReader,
    FileWriter, InsurerCommitment, Invoice, InvoiceType, Invoicing, Kind, Line, Month, Patient, PatientIdentifier,
    Previous, ReadLimits, Report, Residence, Sector, Sending, ServiceLine, StayLine, Written, record_check,
};
use mappings::identifiers::{Cbe, Nihdi, Ssin};

pub(crate) const SEGMENTS: usize = 67 + 160;

pub(crate) fn day(text: &str) -> Date {
    Date::parse(text).expect("it is a day")
}

pub(crate) fn month(number: u32) -> Month {
    Month::from_number(number).expect("it is a month")
}

pub(crate) fn nihdi(text: &str) -> Nihdi {
    Nihdi::parse(text).expect("it is a NIHDI number")
}

pub(crate) fn checks() -> Checks {
    Checks { day_codes: vec![768_025], ..Checks::on(day("2026-10-02")) }
}

pub(crate) fn sending() -> Sending {
    Sending {
        environment: Environment::Test,
        number: 509,
        reference: 20_260_000_000_001,
        month: month(202_609),
        created: day("2026-10-02"),
        content: Content::EFact,
        sector: Sector::Ambulatory,
        third_party: nihdi("77200221000"),
        profession: 0,
        enterprise: Cbe::parse("0820563481").expect("it is a CBE number"),
        accreditation: 0,
        account_a: Account { iban: "BE68539007547034".to_owned(), bic: "GKCCBEBB".to_owned() },
        account_b: None,
        contact: Contact { name: "Peeters".to_owned(), first_name: "Zoë".to_owned(), phone: 32_470_000 },
        file_reference: "F-2026-509".to_owned(),
        establishment_reference: "CENTRE".to_owned(),
        recap: 0,
    }
}

pub(crate) fn patient(ssin: &str, destination: u16) -> Patient {
    let identifier = PatientIdentifier::Ssin(Ssin::parse(ssin).expect("it is a national number"));
    Patient { identifier, sex: 2, affiliation: destination, destination, ct1: 110, ct2: 110 }
}

pub(crate) fn service(code: u32, cents: i64, on: &str) -> ServiceLine {
    ServiceLine {
        code,
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
        reference: format!("LINE-{code}"),
        commitment: None,
        reading: None,
        rare: None,
    }
}

pub(crate) fn ambulatory(number: u64, patient: Patient, lines: Vec<Line>) -> Invoice {
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

pub(crate) fn previous() -> Previous {
    Previous {
        invoice: 77,
        sending: 508,
        destination: 101,
        month: month(202_608),
        payment_a: String::new(),
        payment_b: String::new(),
    }
}

fn stay() -> StayLine {
    StayLine {
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
        place: Some(nihdi("77200221000")),
        convention: Some(nihdi("77200221000")),
        relative_code: 0,
        share_code: 0,
        agreed: Some(day("2026-08-20")),
        reference: "STAY".to_owned(),
        share_record: Some((767_443, Cents(5_000))),
    }
}

pub(crate) fn invoices() -> Vec<Invoice> {
    let credit = Invoice {
        invoicing: Invoicing::CreditNote(previous()),
        ..ambulatory(1, patient("90010100123", 101), vec![Line::Service(service(101_032, 1_942, "2026-08-03"))])
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
        ..service(101_032, 1_942, "2026-09-02")
    };
    let plain = service(567_011, 2_200, "2026-09-04");
    let care = ambulatory(2, patient("90010100152", 101), vec![Line::Service(promised), Line::Service(plain)]);
    let rehabilitation = Invoice {
        invoice_type: InvoiceType::ResidentialRehabilitation,
        residence: Some(Residence {
            institution: nihdi("77200221000"),
            admitted: Some((day("2026-09-01"), 900)),
            discharged: Some((day("2026-09-20"), 1_630)),
            admission: 12,
            service: 770,
        }),
        rehabilitation_agreed: Some(day("2026-08-20")),
        ..ambulatory(3, patient("90010100123", 131), vec![Line::Stay(stay())])
    };
    vec![credit, care, rehabilitation]
}

pub(crate) fn written(sending: Sending, invoices: &[Invoice]) -> (Vec<u8>, Written) {
    written_by(sending, invoices, checks())
}

pub(crate) fn written_by(sending: Sending, invoices: &[Invoice], checks: Checks) -> (Vec<u8>, Written) {
    let mut writer = FileWriter::new(Vec::new(), sending, checks).expect("it is begun");
    for invoice in invoices {
        writer.invoice(invoice).expect("it is written");
    }
    writer.finish().expect("it is ended")
}

pub(crate) fn sample() -> Vec<u8> {
    written(sending(), &invoices()).0
}

pub(crate) fn check(file: &[u8]) -> Report {
    check_with(file, checks())
}

pub(crate) fn check_with(file: &[u8], checks: Checks) -> Report {
    let mut reader = FileReader::new(Cursor::new(file), ReadLimits::default()).expect("it has segments");
    let mut checker = Checker::new(checks);
    checker.head(reader.head());
    while let Some(record) = reader.next_record().expect("it has whole records") {
        checker.record(record);
    }
    checker.finish()
}

pub(crate) fn codes(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// The records of a file that is sent.
pub(crate) fn records(file: &[u8]) -> Vec<Vec<u8>> {
    file[SEGMENTS..].chunks(350).map(<[u8]>::to_vec).collect()
}

/// A file of these records, each with its check digits.
pub(crate) fn of_records(records: &[Vec<u8>]) -> Vec<u8> {
    let mut file = sample()[..SEGMENTS].to_vec();
    for record in records {
        let mut record = record.clone();
        seal(&mut record);
        file.extend(record);
    }
    file
}

pub(crate) fn seal(record: &mut [u8]) {
    if !matches!(&record[..2], b"95" | b"96") {
        let check = record_check(record);
        record[348..].copy_from_slice(format!("{check:02}").as_bytes());
    }
}

/// Where the n-th record with these two digits stands.
pub(crate) fn nth(records: &[Vec<u8>], digits: &str, n: usize) -> usize {
    let found = records.iter().enumerate().filter(|(_, record)| record.starts_with(digits.as_bytes()));
    found.map(|(place, _)| place).nth(n).expect("there is one")
}

/// Puts a text into a field of a record, whatever it is.
pub(crate) fn put(record: &mut [u8], field: &str, text: &str) {
    let kind = Kind::of_record(record, false).expect("it has a layout");
    let zone = kind.layout().zone(field).unwrap_or_else(|| panic!("{kind:?} has {field}"));
    assert_eq!(zone.length, text.len(), "{field}");
    record[zone.start..zone.start + zone.length].copy_from_slice(text.as_bytes());
}
