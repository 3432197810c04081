//! What ends an invoice and a sending: records 80 and 90, held against what they repeat and what they add up.

use super::lines::counted;
use super::{Reading, Record, Sums};

/// Zones of record 80 that repeat record 20, with the weight of a difference.
const REPEATED: [(&str, usize, usize, char); 13] = [
    ("04", 10, 16, 'F'),
    ("05", 17, 24, 'F'),
    ("06", 25, 32, 'F'),
    ("07", 33, 35, 'F'),
    ("08", 36, 48, 'F'),
    ("09", 49, 49, 'F'),
    ("10", 50, 50, 'F'),
    ("13", 53, 55, 'F'),
    ("14", 56, 67, 'F'),
    ("17", 81, 84, 'F'),
    ("18", 85, 87, 'B'),
    ("22", 108, 112, 'F'),
    ("32", 175, 175, 'F'),
];

/// Zones of record 90 that repeat record 10.
const REPEATED_OF_HEADER: [(&str, usize, usize); 7] = [
    ("07", 33, 35),
    ("14", 56, 67),
    ("22", 108, 112),
    ("23", 113, 114),
    ("27", 128, 137),
    ("31", 167, 177),
    ("36", 179, 212),
];

/// Checks them.
pub(super) fn check(reading: &mut Reading<'_>) {
    let records = reading.records.clone();
    let Some(header) = records.first().copied() else { return };
    let (mut head, mut sums, mut all, mut told) = (None, Sums::default(), Sums::default(), Sums::default());
    for (at, record) in records.iter().copied().enumerate() {
        match record.kind() {
            "20" => {
                head = Some(record);
                sums = Sums::default();
            }
            "80" => {
                let Some(head) = head else { continue };
                check_invoice(reading, head, &sums, (at, record));
                told.a += record.amount(88, 99).unwrap_or(0);
                told.b += record.amount(68, 79).unwrap_or(0);
            }
            "90" => {
                for (zone, from, to) in REPEATED_OF_HEADER {
                    reading.hold(record.zone(from, to) == header.zone(from, to), at, ('B', &format!("90{zone}12")));
                }
                let (a, b) = (record.amount(88, 99), record.amount(68, 79));
                reading.hold(a == Some(all.a), at, ('B', "901910"));
                reading.hold(a == Some(told.a), at, ('B', "901911"));
                reading.hold(b == Some(all.b), at, ('B', "901510"));
                reading.hold(b == Some(told.b), at, ('B', "901511"));
                reading.hold(record.number(347, 348) == Some(all.control()), at, ('B', "909802"));
            }
            _ => {
                let of_record = counted(record);
                sums.add(&of_record);
                all.add(&of_record);
            }
        }
    }
}

fn check_invoice(reading: &mut Reading<'_>, head: Record<'_>, sums: &Sums, (at, record): (usize, Record<'_>)) {
    for (zone, from, to, letter) in REPEATED {
        reading.hold(record.zone(from, to) == head.zone(from, to), at, (letter, &format!("80{zone}12")));
    }
    reading.hold(record.zone(115, 126) == head.zone(115, 126), at, ('F', "802412"));
    reading.hold(record.amount(88, 99) == Some(sums.a), at, ('F', "801910"));
    reading.hold(record.amount(68, 79) == Some(sums.b), at, ('F', "801510"));
    reading.hold(record.amount(128, 137) == Some(sums.share), at, ('F', "802710"));
    reading.hold(record.amount(165, 174) == Some(sums.supplement), at, ('F', "803010"));
    reading.hold(record.number(347, 348) == Some(sums.control()), at, ('B', "809802"));
}
