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

/// Zones of digits: the zone's number, from, to.
type Zones = &'static [(&'static str, usize, usize)];

/// Zones that are numbers, and zones that are a sign and a number.
fn zones(kind: &str) -> (Zones, Zones) {
    match kind {
        "10" => (
            &[
                ("03", 9, 9),
                ("04", 10, 16),
                ("07", 33, 35),
                ("13", 53, 55),
                ("14", 56, 67),
                ("22", 108, 112),
                ("23", 113, 114),
                ("25", 120, 127),
                ("27", 128, 137),
            ],
            &[],
        ),
        "20" => (
            &[
                ("05", 17, 24),
                ("06", 25, 32),
                ("07", 33, 35),
                ("08", 36, 48),
                ("09", 49, 49),
                ("10", 50, 50),
                ("11", 51, 51),
                ("14", 56, 67),
                ("15", 68, 79),
                ("17", 81, 84),
                ("18", 85, 87),
                ("20", 100, 107),
                ("24", 115, 126),
                ("27", 128, 137),
                ("29", 163, 174),
                ("32", 175, 175),
                ("34", 177, 179),
                ("37", 180, 182),
                ("41", 207, 212),
            ],
            &[],
        ),
        "30" => (
            &[
                ("04", 10, 16),
                ("05", 17, 24),
                ("06", 25, 32),
                ("07", 33, 35),
                ("08", 36, 48),
                ("09", 49, 49),
                ("11", 51, 51),
                ("14", 56, 67),
                ("15", 68, 79),
                ("17", 81, 87),
            ],
            &[("19", 88, 99), ("22", 108, 112), ("27", 128, 137), ("30", 165, 174)],
        ),
        "50" => (
            &[
                ("04", 10, 16),
                ("05", 17, 24),
                ("06", 25, 32),
                ("07", 33, 35),
                ("08", 36, 48),
                ("09", 49, 49),
                ("11", 51, 51),
                ("14", 56, 67),
                ("15", 68, 79),
                ("24", 115, 126),
            ],
            &[("19", 88, 99), ("22", 108, 112), ("27", 128, 137), ("30", 165, 174)],
        ),
        "51" => (&[("04", 10, 16), ("05", 17, 24), ("08", 36, 48), ("15", 68, 79)], &[("19", 88, 99)]),
        "52" => (&[("04", 10, 16), ("05", 17, 24), ("08", 36, 48), ("15", 68, 79)], &[]),
        "80" => (
            &[
                ("07", 33, 35),
                ("08", 36, 48),
                ("09", 49, 49),
                ("10", 50, 50),
                ("14", 56, 67),
                ("18", 85, 87),
                ("24", 115, 126),
                ("32", 175, 175),
            ],
            &[("15", 68, 79), ("19", 88, 99), ("27", 128, 137), ("30", 165, 174)],
        ),
        "90" => (
            &[("07", 33, 35), ("14", 56, 67), ("22", 108, 112), ("23", 113, 114), ("27", 128, 137)],
            &[("15", 68, 79), ("19", 88, 99)],
        ),
        _ => (&[], &[]),
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
        for (zone, from, to) in numbers {
            reading.hold(record.number(*from, *to).is_some(), at, ('B', &format!("{kind}{zone}01")));
        }
        for (zone, from, to) in amounts {
            let has_sign = matches!(record.zone(*from, *from), b"+" | b"-");
            reading.hold(has_sign, at, ('B', &format!("{kind}{zone}05")));
            reading.hold(record.number(from + 1, *to).is_some(), at, ('B', &format!("{kind}{zone}01")));
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
