//! The form of a file: its segments, and the totals of records 95 and 96. What is wrong here is told by two digits behind the zone.

use super::{Expected, Reading, Record, Sums, numbers};

/// Where a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Place {
    /// Segment 200.
    First,
    /// Segment 300.
    Second,
    /// A record 95, from 0.
    Recap(usize),
    /// Record 96.
    Total,
}

/// A fault of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct FormFault {
    pub(in super::super) place: Place,
    /// The zone's number, such as 301.
    pub(in super::super) zone: u16,
    /// Two digits.
    pub(in super::super) fault: &'static str,
}

/// The last position of each zone that has a fault behind it, by number.
const FIRST_ENDS: [(u16, usize); 6] = [(200, 6), (201, 10), (202, 14), (203, 18), (204, 34), (205, 50)];
const SECOND_ENDS: [(u16, usize); 10] =
    [(300, 6), (301, 11), (302, 21), (303, 36), (304, 45), (305, 92), (306, 118), (307, 130), (308, 134), (309, 138)];
/// Of record 95; those of record 96 are a hundred further on.
const RECAP_ENDS: [(u16, usize); 13] = [
    (400, 2),
    (401, 7),
    (402, 21),
    (403, 24),
    (404, 35),
    (405, 38),
    (406, 49),
    (407, 52),
    (408, 63),
    (409, 73),
    (410, 77),
    (411, 80),
    (412, 91),
];

/// Where the two digits of a zone stand in its segment, from 0; none of a zone that has none.
pub(in super::super) fn fault_position(zone: u16) -> Option<usize> {
    let ends: &[(u16, usize)] = match zone / 100 {
        2 => &FIRST_ENDS,
        3 => &SECOND_ENDS,
        _ => &RECAP_ENDS,
    };
    let wanted = if zone / 100 == 5 { zone - 100 } else { zone };
    ends.iter().find(|(number, _)| *number == wanted).map(|(_, end)| *end)
}

/// Checks it.
pub(super) fn check(reading: &mut Reading<'_>, expected: &Expected<'_>) {
    let (first, second) = (reading.first, reading.second);
    let header = reading.records.first().copied().unwrap_or(Record(&[]));
    let mut faults = Vec::new();
    let mut hold = |holds: bool, zone: u16, fault: &'static str| {
        let place = if zone < 300 { Place::First } else { Place::Second };
        if !holds {
            faults.push(FormFault { place, zone, fault });
        }
    };
    let has_forbidden = reading.records.iter().any(|record| record.0.iter().any(|byte| is_forbidden(*byte)));
    hold(first.zone(1, 6) == b"920000", 200, "03");
    hold(!has_forbidden, 200, "09");
    hold(matches!(first.zone(9, 10), b"01" | b"02"), 201, "20");
    let is_trial = first.zone(13, 14) == b"92";
    hold(is_trial || first.zone(13, 14) == b"12", 202, "03");
    // A trial says so in its records as well.
    hold(is_trial == (header.zone(10, 16) == b"9991999"), 202, if is_trial { "30" } else { "31" });
    hold(first.text(21, 34) == expected.reference, 204, "21");
    hold(second.zone(1, 6) == [header.zone(109, 112), header.zone(113, 114)].concat().as_slice(), 300, "21");
    hold(second.number(9, 11).is_some_and(|number| number > 0), 301, "03");
    hold(second.zone(9, 11) == header.zone(33, 35), 301, "21");
    let created = second.number(14, 21).unwrap_or(0);
    hold(numbers::is_day(created), 302, "01");
    hold(created <= u64::from(expected.today), 302, "20");
    hold(created >= 20_020_101, 302, "21");
    hold(second.zone(14, 21) == header.zone(120, 127), 302, "22");
    hold(second.zone(39, 45) == header.zone(10, 16), 304, "21");
    hold(matches!(second.zone(133, 134), b"01" | b"03" | b"09"), 308, "20");
    hold(matches!(second.zone(137, 138), b"01" | b"02"), 309, "20");
    reading.faults.extend(faults);
    check_recaps(reading, expected);
}

fn is_forbidden(byte: u8) -> bool {
    !(b' '..=b'~').contains(&byte) || b"!@#&/\\".contains(&byte)
}

fn check_recaps(reading: &mut Reading<'_>, expected: &Expected<'_>) {
    let destinations = reading.destinations.clone();
    let told: Vec<u16> = reading.recaps.iter().filter_map(|recap| recap.number(5, 7)?.try_into().ok()).collect();
    let mut faults = Vec::new();
    for (at, recap) in reading.recaps.iter().enumerate() {
        let place = Place::Recap(at);
        let number = recap.number(5, 7).and_then(|number| u16::try_from(number).ok()).unwrap_or(0);
        match destinations.get(&number) {
            Some(sums) if told.iter().filter(|one| **one == number).count() == 1 => {
                amounts(*recap, sums, sums.records, place, &mut faults);
            }
            Some(_) => faults.push(FormFault { place, zone: 401, fault: "40" }),
            None => faults.push(FormFault { place, zone: 401, fault: "21" }),
        }
    }
    let mut all = Sums::default();
    for (number, sums) in &destinations {
        all.add(sums);
        if !told.contains(number) {
            faults.push(FormFault { place: Place::Total, zone: 501, fault: "21" });
        }
    }
    match reading.total {
        None => faults.push(FormFault { place: Place::Total, zone: 500, fault: "03" }),
        Some(total) => {
            let federation = u64::from(expected.destination) / 100 * 100 + 99;
            if total.number(5, 7) != Some(federation) {
                faults.push(FormFault { place: Place::Total, zone: 501, fault: "20" });
            }
            // The record of the begin and that of the end count as well.
            amounts(total, &all, all.records + 2, Place::Total, &mut faults);
        }
    }
    reading.faults.extend(faults);
}

/// Amounts, number of records and control number, held against the records.
fn amounts(record: Record<'_>, sums: &Sums, records: u64, place: Place, faults: &mut Vec<FormFault>) {
    let base = if place == Place::Total { 500 } else { 400 };
    let signed = |sign: usize, from: usize, to: usize| {
        let digits = record.number(from, to).and_then(|digits| i64::try_from(digits).ok())?;
        match record.zone(sign, sign) {
            b"+" => Some(digits),
            b"-" => Some(-digits),
            _ => None,
        }
    };
    let mut hold = |holds: bool, zone: u16, fault: &'static str| {
        if !holds {
            faults.push(FormFault { place, zone: base + zone, fault });
        }
    };
    for (zone, at) in [(3, 24), (5, 38), (7, 52), (11, 80)] {
        hold(matches!(record.zone(at, at), b"+" | b"-"), zone, "40");
    }
    hold(signed(24, 25, 35) == Some(sums.a), 4, "41");
    hold(signed(38, 39, 49) == Some(sums.b), 6, "41");
    hold(signed(52, 53, 63) == Some(sums.a + sums.b), 8, "41");
    hold(record.number(66, 73) == Some(records), 9, "41");
    hold(record.number(76, 77) == Some(sums.control()), 10, "02");
}
