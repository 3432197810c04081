//! What ends an invoice and a sending: records 80 and 90, held against what they repeat and what they add up.

use super::lines::counted;
use super::order::placed;
use super::{Reading, Record, Sums};

/// Zones of record 80 that repeat record 20.
const REPEATED: &str = "04 05 06 07 08 09 10 13 14 17 18 22 32";
/// Zones of record 90 that repeat record 10.
const REPEATED_OF_HEADER: &str = "07 14 22 23 27 31 36";

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
                for (zone, from, to) in placed("90", REPEATED_OF_HEADER) {
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
    for (zone, from, to) in placed("80", REPEATED) {
        // Who pays concerns the whole file.
        let letter = if zone == "18" { 'B' } else { 'F' };
        reading.hold(record.zone(from, to) == head.zone(from, to), at, (letter, &format!("80{zone}12")));
    }
    reading.hold(record.zone(115, 126) == head.zone(115, 126), at, ('F', "802412"));
    reading.hold(record.amount(88, 99) == Some(sums.a), at, ('F', "801910"));
    reading.hold(record.amount(68, 79) == Some(sums.b), at, ('F', "801510"));
    reading.hold(record.amount(128, 137) == Some(sums.share), at, ('F', "802710"));
    reading.hold(record.amount(165, 174) == Some(sums.supplement), at, ('F', "803010"));
    reading.hold(record.number(347, 348) == Some(sums.control()), at, ('B', "809802"));
}
