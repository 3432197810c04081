//! What was published with its result.

use mappings::billing::{Checks, Control, ControlRule, Kind, ReadingRecord, Record, Sign, record_check};

use crate::sample::{
    ambulatory, check, checks, day, invoices, patient, records, sample, sending, service, written, written_by,
};
use mappings::billing::{InsurerCommitment, Line, ServiceLine};

/// The record 52 that the instructions' readers quote, in its newer layout.
fn published() -> String {
    let zeros = |count: usize| "0".repeat(count);
    [
        "52".to_owned(),
        "000003".to_owned(),
        "0".to_owned(),
        "0567011".to_owned(),
        "20260729".to_owned(),
        "20260729".to_owned(),
        "000".to_owned(),
        "0086103130262".to_owned(),
        "1".to_owned(),
        "1".to_owned(),
        "0".to_owned(),
        "1030".to_owned(),
        zeros(12),
        "054123456789".to_owned(),
        "5910212346     ".to_owned(),
        format!("{}1", zeros(24)),
        zeros(229),
        "68".to_owned(),
    ]
    .concat()
}

#[test]
fn the_published_record_52_is_read_and_written_as_it_is() {
    let published = published();
    assert_eq!((published.len(), record_check(published.as_bytes())), (350, 68));
    let read = Record::read(Kind::Reading, published.as_bytes()).expect("it is a record").expect("it is read");
    assert_eq!(read.write().expect("it is written"), published.as_bytes());
    let Record::Reading(ReadingRecord { reading, medium, document, provider, read_time, serial, .. }) = read else {
        panic!("it is a reading")
    };
    assert_eq!((reading.as_str(), medium.as_str(), document.as_str()), ("1", "1", "1"));
    assert_eq!((provider, read_time, serial.as_str()), (54_123_456_789, 1_030, "5910212346"));
}

#[test]
fn the_published_sample_of_a_sending_has_its_control_number() {
    let line = ServiceLine {
        commitment: Some(InsurerCommitment { reference: "P".repeat(48), informed: day("2026-09-03") }),
        ..service(101_032, 1_942, "2026-09-02")
    };
    let invoice = ambulatory(1, patient("90010100123", 131), vec![Line::Service(line)]);
    let (file, written) = written(sending(), &[invoice]);
    assert_eq!(written.file.control, 13);
    assert_eq!(written.file.amount_a.0, 1_942);
    let records = records(&file);
    let of_type = |digits: &str| records.iter().find(|record| record.starts_with(digits.as_bytes()));
    assert_eq!(of_type("80").map(|record| &record[346..348]), Some(&b"13"[..]));
    assert_eq!(of_type("90").map(|record| &record[346..348]), Some(&b"13"[..]));
    assert_eq!(of_type("95").map(|record| &record[75..77]), Some(&b"13"[..]));
    assert_eq!(of_type("96").map(|record| &record[75..77]), Some(&b"13"[..]));
    assert_eq!(of_type("96").map(|record| &record[4..7]), Some(&b"199"[..]));
}

#[test]
fn the_other_rule_of_the_control_number_counts_services_alone_and_in_record_95_only() {
    let alone = Checks { control: ControlRule::ServicesAlone, ..checks() };
    let (file, written) = written_by(sending(), &invoices()[..2], alone);
    let mut services = Control::default();
    for code in [101_032, 101_032, 567_011] {
        services.add(code);
    }
    let mut all = services;
    all.add(101_032);
    all.add(101_032);
    assert_eq!(written.destinations[0].control, services.number());
    assert_eq!(written.file.control, all.number());
    assert_eq!(written.report.findings, []);
    assert!(check(&file).has("410-02"), "by the other rule it is wrong");
}

#[test]
fn the_sample_is_right_and_has_the_length_that_the_standard_asks_for() {
    let file = sample();
    assert_eq!((file.len() - 67 - 160) % 350, 0);
    assert!(file.is_ascii());
    assert_eq!(check(&file).findings, []);
}

#[test]
fn a_credit_note_is_negative_to_the_last_sign() {
    let records = records(&sample());
    let credit = records.iter().find(|record| record.starts_with(b"50")).expect("it has a service");
    let read = Record::read(Kind::Service, credit).expect("it is a record").expect("it is read");
    let Record::Service(service) = read else { panic!("it is a service") };
    let signs = [service.amount, service.units, service.patient_share, service.supplement].map(|amount| amount.sign);
    assert_eq!(signs, [Sign::Minus; 4]);
    assert_eq!(service.amount.cents().0, -1_942);
}
