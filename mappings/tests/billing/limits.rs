//! However long a file is, and whatever stands in it, no more is held than one record and what the limits say.

use std::io::{BufReader, Read};

use mappings::billing::{Checker, Checks, FileReader, Message, ReadError, ReadLimits};

use crate::sample::{SEGMENTS, check_with, checks, of_records, records, sample};

/// A source that never ends.
fn endless(head: &[u8], byte: u8) -> impl std::io::BufRead + use<> {
    BufReader::new(std::io::Cursor::new(head.to_vec()).chain(std::io::repeat(byte)))
}

#[test]
fn a_file_without_end_is_given_up_at_the_limit() {
    let limits = ReadLimits { records_max: 5_000, ..ReadLimits::default() };
    for byte in [b'0', b'\n', 0xFF, 0] {
        let mut reader = FileReader::new(endless(&sample()[..SEGMENTS], byte), limits).expect("it has segments");
        let mut checker = Checker::new(checks());
        let mut count = 0;
        let error = loop {
            match reader.next_record() {
                Ok(Some(record)) => {
                    assert_eq!(record.kind, None);
                    checker.record(record);
                    count += 1;
                }
                Ok(None) => panic!("it does not end"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ReadError::TooLong(5_000)) && count == 5_000, "{error}");
        assert!(checker.finish().findings.len() <= 10_000);
    }
}

#[test]
fn an_unknown_message_without_end_is_handed_on_unread() {
    let mut head = b"920950".to_vec();
    head.extend([b'0'; 61]);
    let mut reader = FileReader::new(endless(&head, b'x'), ReadLimits::default()).expect("it has a segment");
    assert_eq!(reader.head().message, Message::Unknown("920950".to_owned()));
    assert!(reader.next_record().expect("nothing is read").is_none());
    let mut body = [0; 1_000];
    reader.rest().read_exact(&mut body).expect("its body is there");
    assert!(body.iter().all(|byte| *byte == b'x'), "from its first character on");
}

#[test]
fn bytes_that_are_no_text_are_named_and_nothing_of_them_is_lost() {
    let mut head = b"\xFF\x00\x80ab\n".to_vec();
    head.extend([b'0'; 61]);
    let reader = FileReader::new(std::io::Cursor::new(head.clone()), ReadLimits::default()).expect("it is long enough");
    assert_eq!(reader.head().message, Message::Unknown("\\xff\\x00\\x80ab\\n".to_owned()));
    assert!(reader.head().first.is_err() && reader.head().second.is_none());
    assert_eq!(reader.head().raw, head);
}

#[test]
fn findings_beyond_the_limit_are_counted_and_the_worst_is_known() {
    let mut wrong = records(&sample());
    for record in &mut wrong {
        record[2..8].copy_from_slice(b"000000");
    }
    let all = check_with(&of_records(&wrong), checks());
    let few = check_with(&of_records(&wrong), Checks { findings_max: 2, ..checks() });
    assert_eq!(few.findings, all.findings[..2]);
    assert_eq!(few.more, u64::try_from(all.findings.len()).expect("it fits") - 2);
    assert_eq!(few.worst, all.worst);
}

#[test]
fn no_finding_and_no_debug_of_a_record_shows_whom_it_is_for() {
    let file = sample();
    let mut wrong = records(&file);
    for record in &mut wrong {
        record[50] = b'x';
    }
    let shown = format!("{:?}", check_with(&of_records(&wrong), checks()));
    assert!(!shown.contains("900101001"), "{shown}");
    let mut reader = FileReader::new(std::io::Cursor::new(file), ReadLimits::default()).expect("it has segments");
    while let Some(raw) = reader.next_record().expect("it is read") {
        let shown = format!("{raw:?} {:?}", raw.read());
        assert!(!shown.contains("90010100") && !shown.contains("57, 48, 48, 49"), "{shown}");
    }
}
