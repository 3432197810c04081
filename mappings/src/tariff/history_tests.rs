//! Nothing is billed twice: what is refused first.

use proptest::prelude::*;

use super::*;
use crate::billing::Date;

fn day(text: &str) -> Date {
    Date::parse(text).expect("it is a day")
}

fn billed<'a>(id: &'a str, first: &str, last: &str, time: u16) -> Billed<'a> {
    Billed {
        id,
        person: "p",
        provider: "12345625527",
        code: 990_010,
        first_day: day(first),
        last_day: day(last),
        time,
        record: RecordKind::Service,
    }
}

#[test]
fn the_same_service_on_the_same_day_is_a_twin() {
    let earlier = [billed("a", "2026-03-02", "2026-03-02", 0)];
    let line = billed("b", "2026-03-02", "2026-03-02", 900);
    assert_eq!(twin(&line, None, &earlier).map(|one| one.id), Some("a"));
    let days = Billed { record: RecordKind::Stay, ..billed("c", "2026-03-01", "2026-03-02", 0) };
    let stay = [Billed { record: RecordKind::Stay, ..billed("d", "2026-03-02", "2026-03-09", 0) }];
    assert_eq!(twin(&days, None, &stay).map(|one| one.id), Some("d"), "days that overlap");
    let timed = [Billed { time: 800, ..stay[0].clone() }];
    assert!(twin(&Billed { time: 900, ..days }, None, &timed).is_some(), "a time tells no days apart");
}

#[test]
fn what_differs_in_person_provider_day_code_or_time_is_no_twin() {
    let earlier = [billed("a", "2026-03-02", "2026-03-02", 1000)];
    let line = billed("b", "2026-03-02", "2026-03-02", 900);
    for other in [
        Billed { person: "q", time: 0, ..line.clone() },
        Billed { provider: "12345625001", time: 0, ..line.clone() },
        Billed { code: 990_021, time: 0, ..line.clone() },
        billed("b", "2026-03-03", "2026-03-03", 0),
        line.clone(),
        billed("a", "2026-03-02", "2026-03-02", 0),
    ] {
        assert_eq!(twin(&other, None, &earlier), None, "{other:?}");
    }
    let same = billed("b", "2026-03-02", "2026-03-02", 0);
    assert_eq!(twin(&same, Some("a"), &earlier), None, "a correction is no twin of what it corrects");
    assert_eq!((twin_code(RecordKind::Stay), twin_code(RecordKind::Service)), ("300544", "500544"));
}

proptest! {
    #[test]
    fn twins_are_twins_of_each_other(first in 1_u8..28, length in 0_u8..4, other in 1_u8..28, times in (0_u16..3, 0_u16..3), is_stay in any::<bool>()) {
        let of = |day| Date::new(2026, 3, day).expect("it is a day");
        let record = if is_stay { RecordKind::Stay } else { RecordKind::Service };
        let base = billed("a", "2026-03-01", "2026-03-01", times.0);
        let one = Billed { first_day: of(first), last_day: of((first + length).min(31)), record, ..base };
        let two = Billed { id: "b", first_day: of(other), last_day: of(other), time: times.1, ..one.clone() };
        let is_twin = twin(&one, None, [&two]).is_some();
        prop_assert_eq!(is_twin, twin(&two, None, [&one]).is_some());
        prop_assert!(!is_twin || (one.first_day <= two.last_day && two.first_day <= one.last_day));
    }
}
