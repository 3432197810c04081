//! What is invoiced: records 30, 50, 51, 52, each held against its record 20; and the invoices that come of it.

use super::{Expected, Invoice, Line, Reading, Record, Sums, numbers};

/// Checks them, and gathers the invoices.
pub(super) fn check(reading: &mut Reading<'_>, expected: &Expected<'_>) {
    let records = reading.records.clone();
    let Some(header) = records.first().copied() else { return };
    let mut head: Option<(usize, Record<'_>)> = None;
    for (at, record) in records.iter().copied().enumerate() {
        if record.kind() == "20" {
            head = Some((at, record));
            reading.invoices.push(Invoice {
                head: at,
                destination: destination(record),
                reference: reference(record),
                lines: Vec::new(),
            });
        }
        let Some((head_at, head)) = head else { continue };
        match record.kind() {
            "20" | "25" | "80" => {}
            "30" | "50" => check_line(reading, (header, head, head_at), record, (at, expected)),
            "51" | "52" => check_companion(reading, &records, at),
            _ => continue,
        }
        let sums = reading.destinations.entry(destination(head)).or_default();
        sums.add(&counted(record));
        if matches!(record.kind(), "30" | "50") {
            let before = records[at - 1];
            let is_share = is_share(record) && before.kind() == "30" && before.zone(17, 32) == record.zone(17, 32);
            let line = Line {
                record: at,
                code: record.number(10, 16).unwrap_or(0),
                amount: record.amount(88, 99).unwrap_or(0),
                is_b: record.zone(51, 51) == b"1",
                reference: reference(record),
                is_share,
            };
            if let Some(invoice) = reading.invoices.last_mut() {
                invoice.lines.push(line);
            }
        }
    }
}

fn destination(head: Record<'_>) -> u16 {
    head.number(85, 87).and_then(|number| u16::try_from(number).ok()).unwrap_or(0)
}

fn reference(record: Record<'_>) -> String {
    record.text(138, 162).trim_end().to_owned()
}

/// What a record adds to the sums.
pub(super) fn counted(record: Record<'_>) -> Sums {
    let mut sums = Sums { records: 1, ..Sums::default() };
    if matches!(record.kind(), "30" | "50" | "51" | "52") {
        sums.codes = record.number(10, 16).unwrap_or(0);
    }
    if matches!(record.kind(), "30" | "50") {
        let amount = record.amount(88, 99).unwrap_or(0);
        if record.zone(51, 51) == b"1" {
            sums.b = amount;
        } else {
            sums.a = amount;
        }
        sums.share = record.amount(128, 137).unwrap_or(0);
        sums.supplement = record.amount(165, 174).unwrap_or(0);
    }
    sums
}

/// The patient's share of a day: the insurer pays so much less, so its two signs are opposite.
fn is_share(record: Record<'_>) -> bool {
    record.kind() == "30" && record.zone(88, 88) != record.zone(128, 128)
}

fn check_line(
    reading: &mut Reading<'_>,
    (header, head, head_at): (Record<'_>, Record<'_>, usize),
    record: Record<'_>,
    (at, expected): (usize, &Expected<'_>),
) {
    let kind = record.kind();
    let code = |rest: &str| format!("{kind}{rest}");
    reading.hold(record.zone(10, 10) == b"0", at, ('B', &code("0404")));
    reading.hold(record.number(10, 16).is_some_and(numbers::is_code), at, ('R', &code("0402")));
    let (first, last) = (record.number(17, 24).unwrap_or(0), record.number(25, 32).unwrap_or(0));
    reading.hold(numbers::is_day(first), at, ('B', &code("0501")));
    reading.hold(numbers::is_day(last), at, ('B', &code("0601")));
    reading.hold(first <= last, at, ('R', &code("0612")));
    reading.hold(first <= u64::from(expected.today), at, ('R', &code("0510")));
    let month = header.number(109, 112).unwrap_or(0) * 100 + header.number(113, 114).unwrap_or(0);
    reading.hold(numbers::months(month, first / 100) <= 1, at, ('R', &code("0547")));
    reading.hold(record.zone(33, 35) == head.zone(33, 35), at, ('R', &code("0712")));
    reading.hold(record.zone(36, 48) == head.zone(36, 48), at, ('F', &code("0812")));
    reading.hold(record.zone(49, 49) == head.zone(49, 49), at, ('R', &code("0912")));
    let has_b = header.zone(9, 9) == b"1";
    reading.hold(record.zone(51, 51) == b"0" || record.zone(51, 51) == b"1" && has_b, at, ('B', &code("1110")));
    for (zone, from, to) in [("14", 56, 67), ("15", 68, 79), ("24", 115, 126)] {
        // In record 30 the last of them is an amount; of what is left out nothing is to be said.
        let is_number = !record.is_zero(from, to) && (kind != "30" || zone != "24");
        reading.hold(!is_number || record.zone(from, from) == b"0", at, ('B', &code(&format!("{zone}04"))));
        let is_nihdi = record.number(from, to).is_some_and(numbers::is_nihdi);
        reading.hold(!is_number || is_nihdi, at, ('R', &code(&format!("{zone}02"))));
    }
    reading.hold(kind == "30" || !record.is_zero(68, 79), at, ('R', "501503"));
    if !is_share(record) {
        let sign = record.zone(88, 88);
        reading.hold(record.zone(108, 108) == sign, at, ('R', &code("2212")));
        reading.hold(record.zone(128, 128) == sign, at, ('R', &code("2712")));
        let is_credit = head.zone(51, 51) == b"3";
        reading.hold(!is_credit || sign == b"-", head_at, ('F', "201140"));
    }
}

/// Records 51 and 52 say the same as the record 50 that they follow.
fn check_companion(reading: &mut Reading<'_>, records: &[Record<'_>], at: usize) {
    let record = records[at];
    let Some(service) = records[..at].iter().rev().find(|before| before.kind() == "50") else { return };
    let kind = record.kind();
    for (zone, from, to) in [("04", 10, 16), ("05", 17, 24), ("08", 36, 48), ("15", 68, 79), ("19", 88, 99)] {
        if zone == "19" && kind == "52" {
            continue;
        }
        reading.hold(record.zone(from, to) == service.zone(from, to), at, ('R', &format!("{kind}{zone}12")));
    }
}
