//! The answers to a file, made here by hand from its records, and what is read of them.

use std::io::Cursor;

use mappings::billing::{
    Cents, FileReader, Kind, Language, Message, ReadLimits, Record, Second, SegmentFault, Severity, Signed, explain,
    segment_faults,
};

use crate::sample::{records, sample};

fn text(kind: Kind, fields: &[(&str, &str)]) -> Vec<u8> {
    let layout = kind.layout();
    let mut bytes = vec![b'0'; layout.length];
    for zone in layout
        .zones
        .iter()
        .filter(|zone| matches!(zone.form, mappings::billing::Form::Text | mappings::billing::Form::Blanks))
    {
        bytes[zone.start..zone.start + zone.length].fill(b' ');
    }
    for zone in layout
        .zones
        .iter()
        .filter(|zone| matches!(zone.form, mappings::billing::Form::Sign | mappings::billing::Form::Signed))
    {
        bytes[zone.start] = b'+';
    }
    for (field, text) in fields {
        let zone = layout.zone(field).unwrap_or_else(|| panic!("{kind:?} has {field}"));
        bytes[zone.start..zone.start + text.len()].copy_from_slice(text.as_bytes());
    }
    bytes
}

fn head(message: &str) -> Vec<u8> {
    text(
        Kind::Segment200,
        &[
            ("message", message),
            ("message-version", "02"),
            ("environment", "92"),
            ("provider-reference", "20260000000001"),
        ],
    )
}

fn returned(message: &str, share: &str, kind: &str, body: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let second = text(
        Kind::Segment300Error,
        &[
            ("billed-month", "202609"),
            ("sending", "509"),
            ("created", "20261002"),
            ("error-share", share),
            ("refusal-kind", kind),
        ],
    );
    let records = body.iter().flat_map(|(record, detail)| [record.clone(), detail.clone()].concat());
    [head(message), second].concat().into_iter().chain(records).collect()
}

fn detail(errors: &[(&str, &str)], comment: &str) -> Vec<u8> {
    let mut fields = vec![("sending", "509"), ("destination", "101"), ("comment", comment), ("result", "+00000000000")];
    let names = [("error-kind-1", "error-code-1"), ("error-kind-2", "error-code-2"), ("error-kind-3", "error-code-3")];
    for ((letter, code), (letter_field, code_field)) in errors.iter().zip(names) {
        fields.push((letter_field, letter));
        fields.push((code_field, code));
    }
    text(Kind::Detail, &fields)
}

fn receipt() -> Vec<u8> {
    [head("931000"), text(Kind::Segment300Stub, &[("message", "920000")])].concat()
}

fn technical_refusal() -> Vec<u8> {
    let mut second = sample()[67..227].to_vec();
    second[11..13].copy_from_slice(b"40");
    let mut totals: Vec<Vec<u8>> =
        records(&sample()).into_iter().filter(|record| matches!(&record[..2], b"95" | b"96")).collect();
    totals[0][35..37].copy_from_slice(b"41");
    [head("920999"), second, totals.concat()].concat()
}

fn rejection() -> Vec<u8> {
    let all = records(&sample());
    returned(
        "920099",
        "00612",
        "02",
        &[
            (all[0].clone(), detail(&[], "")),
            (all[2].clone(), detail(&[("R", "500540"), ("B", "5004K0"), ("E", "200840")], "Niet gekend")),
        ],
    )
}

fn settlement() -> Vec<u8> {
    let refused = records(&sample())[2].clone();
    let amounts = [
        ("type", "91"),
        ("destination", "101"),
        ("amount-a", "00000004142"),
        ("amount-total", "00000004142"),
        ("accepted-a", "00000002200"),
        ("refused-a", "00000001942"),
        ("accepted", "00000002200"),
        ("refused", "00000001942"),
        ("payment-a", "PAY-1"),
    ];
    let of_mutuality = text(Kind::Settlement, &amounts);
    let mut amounts = amounts[..8].to_vec();
    amounts[0] = ("type", "92");
    amounts[1] = ("destination", "199");
    let of_all = text(Kind::SettlementTotal, &amounts);
    let mut file = returned("920900", "00000", "00", &[(refused, detail(&[("R", "500546")], ""))]);
    file.extend(of_mutuality);
    file.extend(of_all);
    file
}

/// One of each answer.
pub(crate) fn answers() -> Vec<Vec<u8>> {
    let mut information = rejection();
    information[..6].copy_from_slice(b"920098");
    vec![receipt(), technical_refusal(), rejection(), information, settlement()]
}

fn read(file: Vec<u8>) -> FileReader<Cursor<Vec<u8>>> {
    FileReader::new(Cursor::new(file), ReadLimits::default()).expect("it has segments")
}

#[test]
fn a_receipt_names_what_was_received_and_has_no_records() {
    let mut reader = read(receipt());
    assert_eq!(reader.head().message, Message::Receipt);
    let Some(Ok(Second::Stub(stub))) = &reader.head().second else { panic!("it has a stub") };
    assert_eq!(stub.message, "920000");
    let reference = reader.head().first.as_ref().map(|first| first.provider_reference);
    assert_eq!(reference, Ok(20_260_000_000_001));
    assert!(reader.next_record().expect("it ends").is_none());
}

#[test]
fn a_technical_refusal_says_which_zones_are_wrong() {
    let mut reader = read(technical_refusal());
    assert_eq!(reader.head().message, Message::TechnicalRefusal);
    let faults = segment_faults(Kind::Segment300, &reader.head().raw[67..]);
    assert_eq!(faults, [SegmentFault { zone: "301", fault: "40".to_owned() }]);
    let said = explain(&faults[0].code(), Language::Nl);
    assert!(said.text.is_some_and(|text| text.contains("zendingsnummer")));
    let total = reader.next_record().expect("it is read").expect("it is there");
    assert_eq!(total.kind, Some(Kind::Recap));
    let faults = segment_faults(Kind::Recap, total.bytes());
    assert_eq!(faults.iter().map(SegmentFault::code).collect::<Vec<_>>(), ["404-41"]);
}

#[test]
fn a_rejection_gives_each_record_with_its_errors_known_or_not() {
    let mut reader = read(rejection());
    assert_eq!(reader.head().message, Message::Rejection);
    let Some(Ok(Second::Answer(segment))) = &reader.head().second else { panic!("it says how much is wrong") };
    assert_eq!((segment.error_share, segment.refusal_kind), (612, 2));
    let first = reader.next_record().expect("it is read").expect("it is there");
    assert!(first.detail().expect("it has one").expect("it is read").errors.is_empty());
    let second = reader.next_record().expect("it is read").expect("it is there");
    assert!(matches!(second.read(), Some(Ok(Record::Service(service))) if service.reference == "LINE-101032"));
    let detail = second.detail().expect("it has one").expect("it is read");
    let codes: Vec<_> = detail.errors.iter().map(|error| (error.letter.as_str(), error.code.as_str())).collect();
    assert_eq!(codes, [("R", "500540"), ("B", "5004K0"), ("E", "200840")]);
    assert_eq!((detail.comment.as_str(), detail.result.map(Signed::cents)), ("Niet gekend", Some(Cents(0))));
    // A code that nobody knows is shown as it is, with the words for its zone.
    let unknown = explain("5004K0", Language::Fr);
    assert_eq!((unknown.code.as_str(), unknown.text), ("5004K0", None));
    assert_eq!((unknown.zone, unknown.severity), (Some("code de nomenclature"), None));
    assert_eq!(explain("200840", Language::En).severity, Some(Severity::Signal));
}

#[test]
fn a_settlement_says_what_is_paid_and_what_is_not() {
    let mut reader = read(settlement());
    assert_eq!(reader.head().message, Message::Settlement);
    let mut accepted = Vec::new();
    let mut errors = 0;
    while let Some(raw) = reader.next_record().expect("it is read") {
        match raw.read().expect("it has a layout").expect("it is read") {
            Record::Settlement(settlement) => {
                assert_eq!(settlement.payment_a, "PAY-1");
                accepted.push((settlement.destination, settlement.accepted.cents(), settlement.refused.cents()));
                assert!(raw.detail().is_none(), "it has no errors: it is the answer");
            }
            Record::SettlementTotal(total) => {
                accepted.push((total.destination, total.accepted.cents(), total.refused.cents()));
            }
            _ => errors += raw.detail().expect("it has one").expect("it is read").errors.len(),
        }
    }
    assert_eq!(accepted, [(101, Cents(2_200), Cents(1_942)), (199, Cents(2_200), Cents(1_942))]);
    assert_eq!(errors, 1);
}

#[test]
fn an_answer_whose_segments_are_wrong_is_read_all_the_same() {
    let mut file = settlement();
    file[30] = b'x';
    file[67] = b'x';
    let mut reader = read(file);
    assert!(reader.head().first.is_err());
    assert!(matches!(reader.head().second, Some(Err(_))));
    assert!(reader.next_record().expect("it is read").is_some());
}
