//! What holds of every record: its check digits, its number, and what stands before it.

use super::{Reading, numbers};

/// What may stand before a record.
fn precedes(before: &str, kind: &str) -> bool {
    match kind {
        "20" => matches!(before, "10" | "80"),
        "25" => before == "20",
        "30" => matches!(before, "20" | "25" | "30"),
        "50" => matches!(before, "20" | "25" | "30" | "50" | "51" | "52"),
        "51" => before == "50",
        "52" => matches!(before, "50" | "51"),
        "80" => matches!(before, "30" | "50" | "51" | "52"),
        "90" => before == "80",
        _ => false,
    }
}

/// Where a zone stands: its number, from, to.
const PLACES: [(&str, usize, usize); 29] = [
    ("03", 9, 9),
    ("04", 10, 16),
    ("05", 17, 24),
    ("06", 25, 32),
    ("07", 33, 35),
    ("08", 36, 48),
    ("09", 49, 49),
    ("10", 50, 50),
    ("11", 51, 51),
    ("13", 53, 55),
    ("14", 56, 67),
    ("15", 68, 79),
    ("17", 81, 84),
    ("18", 85, 87),
    ("19", 88, 99),
    ("20", 100, 107),
    ("22", 108, 112),
    ("23", 113, 114),
    ("24", 115, 126),
    ("25", 120, 127),
    ("27", 128, 137),
    ("29", 163, 174),
    ("30", 165, 174),
    ("31", 167, 177),
    ("32", 175, 175),
    ("34", 177, 179),
    ("36", 179, 212),
    ("37", 180, 182),
    ("41", 207, 212),
];

/// Zones of a kind of record, with where they stand: the same in each, but that 17 is longer in record 30.
pub(super) fn placed(kind: &str, zones: &'static str) -> impl Iterator<Item = (&'static str, usize, usize)> {
    let is_long = kind == "30";
    let place = |zone: &'static str| PLACES.into_iter().find(|(known, ..)| *known == zone);
    zones.split_whitespace().filter_map(place).map(move |(zone, from, to)| {
        let to = if is_long && zone == "17" { 87 } else { to };
        (zone, from, to)
    })
}

/// Zones that are numbers in records 51 and 52.
const OF_LINE: &str = "04 05 08 15";

/// Zones that are numbers, and zones that are a sign and a number.
fn zones(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "10" => ("03 04 07 13 14 22 23 25 27", ""),
        "20" => ("05 06 07 08 09 10 11 14 15 17 18 20 24 27 29 32 34 37 41", ""),
        "30" => ("04 05 06 07 08 09 11 14 15 17", "19 22 27 30"),
        "50" => ("04 05 06 07 08 09 11 14 15 24", "19 22 27 30"),
        "51" => (OF_LINE, "19"),
        "52" => (OF_LINE, ""),
        "80" => ("07 08 09 10 14 18 24 32", "15 19 27 30"),
        "90" => ("07 14 22 23 27", "15 19"),
        _ => ("", ""),
    }
}

/// Checks it.
pub(super) fn check(reading: &mut Reading<'_>) {
    let records = reading.records.clone();
    for (at, record) in records.iter().enumerate() {
        let kind = record.kind();
        if zones(kind).0.is_empty() && kind != "25" {
            reading.find(at, 'B', "100103");
            continue;
        }
        if record.number(349, 350) != Some(numbers::record_check(record.0)) {
            reading.find(at, 'B', format!("{kind}9902"));
        }
        let is_first = at == 0;
        let is_numbered = record.number(3, 8) == u64::try_from(at + 1).ok();
        match (is_first, kind) {
            (true, "10") if is_numbered => {}
            (true, _) | (false, "10") => reading.find(at, 'B', "100110"),
            (false, _) => {
                reading.hold(is_numbered, at, ('B', &format!("{kind}0210")));
                reading.hold(precedes(records[at - 1].kind(), kind), at, ('B', &format!("{kind}0110")));
            }
        }
        let (numbers, amounts) = zones(kind);
        for (zone, from, to) in placed(kind, numbers) {
            reading.hold(record.number(from, to).is_some(), at, ('B', &format!("{kind}{zone}01")));
        }
        for (zone, from, to) in placed(kind, amounts) {
            let has_sign = matches!(record.zone(from, from), b"+" | b"-");
            reading.hold(has_sign, at, ('B', &format!("{kind}{zone}05")));
            reading.hold(record.number(from + 1, to).is_some(), at, ('B', &format!("{kind}{zone}01")));
        }
    }
    let nineties = records.iter().filter(|record| record.kind() == "90").count();
    let last = records.len().saturating_sub(1);
    if nineties == 0 {
        reading.find(last, 'B', "900104");
    } else if nineties > 1 || records[last].kind() != "90" {
        reading.find(last, 'B', "900111");
    }
}
