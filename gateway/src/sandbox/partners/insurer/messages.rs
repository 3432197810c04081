//! The messages of an insurer, written character by character by the published positions.

use std::collections::BTreeMap;

use super::super::invoice_file::{
    FIRST_LENGTH, FormFault, Place, RECORD_LENGTH, Reading, Record, SECOND_LENGTH, fault_position,
};
use super::settle::{Paid, Returned, Verdict};

const RETURNED_LENGTH: usize = 800;
const ERROR_LENGTH: usize = 610;
/// Whom a sender may ask.
const CONTACT: (&str, &str) = ("Dienst Facturatie", "Zandbak");

/// Puts a text at a position that is counted from 1.
fn put(record: &mut [u8], from: usize, text: &str) {
    if let Some(place) = record.get_mut(from - 1..from - 1 + text.len()) {
        place.copy_from_slice(text.as_bytes());
    }
}

/// A sign, and the digits a position further on or behind a gap.
fn put_amount(record: &mut [u8], sign: usize, from: usize, cents: i64) {
    put(record, sign, if cents < 0 { "-" } else { "+" });
    put(record, from, &format!("{:011}", cents.unsigned_abs()));
}

/// Segment 200 of an answer.
fn first(name: &str, sent: Option<Record<'_>>, reference: &str, own: u64) -> Vec<u8> {
    let mut segment = vec![b'0'; FIRST_LENGTH];
    put(&mut segment, 1, name);
    put(&mut segment, 9, "02");
    put(&mut segment, 13, sent.map_or("92", |sent| sent.text(13, 14)));
    put(&mut segment, 21, reference);
    put(&mut segment, 37, &format!("{own:014}"));
    segment
}

/// 931000: the file is there.
pub(super) fn receipt(reading: &Reading<'_>, reference: &str, own: u64) -> Vec<u8> {
    let mut second = vec![b' '; SECOND_LENGTH];
    put(&mut second, 1, "931000");
    put(&mut second, 7, "00");
    [first("931000", Some(reading.first), reference, own), second].concat()
}

/// 920999: the form is wrong. What was sent comes back with two digits behind the zones; of what cannot be cut, nothing but that.
pub(super) fn refusal(reading: Option<&Reading<'_>>, faults: &[FormFault], reference: &str, own: u64) -> Vec<u8> {
    let mut head = first("920999", reading.map(|reading| reading.first), reference, own);
    let mut second = reading.map_or_else(|| vec![b'0'; SECOND_LENGTH], |reading| reading.second.0.to_vec());
    let mut recaps: Vec<Vec<u8>> =
        reading.map(|reading| reading.recaps.iter().map(|one| one.0.to_vec()).collect()).unwrap_or_default();
    let mut total = reading.and_then(|reading| reading.total).map(|total| total.0.to_vec());
    for fault in faults {
        let target = match fault.place {
            Place::First => Some(&mut head),
            Place::Second => Some(&mut second),
            Place::Recap(at) => recaps.get_mut(at),
            // Where there is none, the sending as a whole is meant.
            Place::Total if total.is_none() => Some(&mut head),
            Place::Total => total.as_mut(),
        };
        let zone = if fault.place == Place::Total && target.as_ref().is_some_and(|one| one.len() == FIRST_LENGTH) {
            200
        } else {
            fault.zone
        };
        if let (Some(target), Some(at)) = (target, fault_position(zone)) {
            put(target, at + 1, fault.fault);
        }
    }
    [vec![head, second], recaps, total.into_iter().collect()].concat().concat()
}

/// Segment 300 of an answer that returns records.
fn second(reading: &Reading<'_>, error_share: u64, rejected: u8) -> Vec<u8> {
    let mut segment = vec![b'0'; ERROR_LENGTH];
    segment[..140].copy_from_slice(&reading.second.0[..140]);
    put(&mut segment, 48, &format!("{:<45}", CONTACT.0));
    put(&mut segment, 95, &format!("{:<24}", CONTACT.1));
    put(&mut segment, 121, "0000000000");
    put(&mut segment, 141, &format!("{:05}", error_share.min(99_999)));
    put(&mut segment, 146, "00");
    put(&mut segment, 148, &format!("{rejected:02}"));
    segment
}

/// The records that are returned, each with what is wrong behind it.
fn returned(reading: &Reading<'_>, records: &BTreeMap<usize, Returned>) -> Vec<u8> {
    let mut all = Vec::with_capacity(records.len() * RETURNED_LENGTH);
    for (number, (at, one)) in (1..).zip(records) {
        let Some(record) = reading.records.get(*at) else { continue };
        let mut detail = vec![b' '; RETURNED_LENGTH - RECORD_LENGTH];
        put(&mut detail, 1, reading.second.text(9, 11));
        put(&mut detail, 4, reading.second.text(14, 21));
        put(&mut detail, 12, reading.second.text(1, 6));
        put(&mut detail, 18, destination(reading, *at));
        put(&mut detail, 107, &" 000000".repeat(3));
        for (place, (letter, code)) in one.errors.iter().enumerate() {
            put(&mut detail, 107 + place * 7, &format!("{letter}{code}"));
        }
        put(&mut detail, 128, &"0".repeat(44));
        let sign = if one.accepted < 0 { '-' } else { '+' };
        put(&mut detail, 172, &format!("{sign}{:011}", one.accepted.unsigned_abs()));
        put(&mut detail, 184, &format!("{:<200}", one.comment));
        put(&mut detail, 445, &format!("{number:06}"));
        all.extend_from_slice(record.0);
        all.extend_from_slice(&detail);
    }
    all
}

/// The destination of the invoice that a record belongs to.
fn destination<'f>(reading: &Reading<'f>, at: usize) -> &'f str {
    let head = reading.records.iter().take(at + 1).rev().find(|record| record.kind() == "20");
    head.map_or("000", |head| head.text(85, 87))
}

/// 920098: something to know.
pub(super) fn information(reading: &Reading<'_>, verdict: &Verdict, reference: &str, own: u64) -> Vec<u8> {
    let head = first("920098", Some(reading.first), reference, own);
    [head, second(reading, 0, 0), returned(reading, &verdict.remarks)].concat()
}

/// 920099: nothing of the file is taken.
pub(super) fn rejection(reading: &Reading<'_>, verdict: &Verdict, reference: &str, own: u64) -> Vec<u8> {
    let head = first("920099", Some(reading.first), reference, own);
    let second = second(reading, verdict.error_share, verdict.rejected.unwrap_or(1));
    [head, second, returned(reading, &verdict.returned)].concat()
}

/// 920900: what is paid and what is not, with the records that are not.
pub(super) fn settlement(reading: &Reading<'_>, verdict: &Verdict, reference: &str, own: u64) -> Vec<u8> {
    let head = first("920900", Some(reading.first), reference, own);
    let mut parts = vec![head, second(reading, verdict.error_share, 0), returned(reading, &verdict.returned)];
    let mut all = Paid::default();
    for recap in &reading.recaps {
        let number: u16 = recap.text(5, 7).parse().unwrap_or(0);
        let paid = verdict.paid.get(&number).copied().unwrap_or_default();
        all.add(paid);
        let mut record = settled(*recap, "91", paid);
        // The bank's reference of each payment, by which what arrives on the account is told apart.
        let name = |letter: char| format!("{:<22}", format!("V{} {} {letter}", recap.text(5, 7), reference));
        for (from, letter, cents) in [(164, 'A', paid.accepted_a), (188, 'B', paid.accepted_b)] {
            put(&mut record, from, &if cents == 0 { " ".repeat(22) } else { name(letter) });
        }
        put(&mut record, 186, "00");
        put(&mut record, 210, "00");
        parts.push(record);
    }
    if let Some(total) = reading.total {
        parts.push(settled(total, "92", all));
    }
    parts.concat()
}

/// Record 91 or 92, without references of payments.
fn settled(recap: Record<'_>, kind: &str, paid: Paid) -> Vec<u8> {
    let mut record = vec![b' '; RETURNED_LENGTH];
    record[..163].fill(b'0');
    record[..78].copy_from_slice(&recap.0[..78]);
    put(&mut record, 1, kind);
    let amounts = [
        (80, 81, paid.accepted_a),
        (94, 95, paid.refused_a),
        (108, 109, paid.accepted_b),
        (122, 123, paid.refused_b),
        (136, 137, paid.accepted_a + paid.accepted_b),
        (150, 151, paid.refused_a + paid.refused_b),
    ];
    for (sign, from, cents) in amounts {
        put_amount(&mut record, sign, from, cents);
    }
    record
}

/// 920950: nobody has said what it means.
pub(super) fn unknown(reading: &Reading<'_>, reference: &str, own: u64) -> Vec<u8> {
    let mut message = first("920950", Some(reading.first), reference, own);
    message.extend_from_slice(format!("{:<400}", "WHAT THIS MESSAGE SAYS IS NOT PUBLISHED").as_bytes());
    message
}
