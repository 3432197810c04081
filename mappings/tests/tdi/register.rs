//! Records together: corrections, duplicates.

use mappings::tdi::{Answer, RegisterFault, Table, TreatmentDemand, current};

use crate::sample::{answers, code, date, pseudonym, reference};

fn record(name: &str, corrects: Option<&str>, person: Option<u8>, day: &str, centre: &str) -> TreatmentDemand {
    let mut answers = answers();
    answers.insert("treatment-start".to_owned(), Answer::Date(date(day)));
    answers.insert("centre-type".to_owned(), code(centre));
    let record =
        TreatmentDemand::new(&Table::built_in(), reference(name), person.map(pseudonym), answers).expect("a record");
    match corrects {
        Some(earlier) => record.correcting(reference(earlier)).expect("it is another"),
        None => record,
    }
}

fn counted(records: &[TreatmentDemand]) -> (Vec<String>, Vec<RegisterFault>) {
    let (current, faults) = current(records);
    (current.into_iter().map(|record| record.reference().as_str().to_owned()).collect(), faults)
}

#[test]
fn a_correction_takes_the_place_of_what_it_refers_to() {
    let chain = [
        record("a", None, Some(1), "2026-03-01", "outpatient"),
        record("b", Some("a"), Some(1), "2026-03-01", "outpatient"),
        record("c", Some("b"), Some(1), "2026-03-02", "outpatient"),
        record("d", None, Some(2), "2026-03-01", "outpatient"),
    ];
    assert_eq!(counted(&chain), (vec!["c".to_owned(), "d".to_owned()], vec![]));
}

#[test]
fn a_correction_of_nothing_a_second_one_and_a_circle_do_not_count() {
    let unknown = [record("b", Some("a"), Some(1), "2026-03-01", "outpatient")];
    assert_eq!(counted(&unknown), (vec![], vec![RegisterFault::CorrectsUnknown(reference("b"))]));
    let twice = [
        record("a", None, Some(1), "2026-03-01", "outpatient"),
        record("b", Some("a"), Some(1), "2026-03-01", "outpatient"),
        record("c", Some("a"), Some(1), "2026-03-01", "outpatient"),
    ];
    assert_eq!(counted(&twice), (vec!["b".to_owned()], vec![RegisterFault::CorrectsTwice(reference("c"))]));
    let circle = [
        record("a", Some("b"), Some(1), "2026-03-01", "outpatient"),
        record("b", Some("a"), Some(1), "2026-03-01", "outpatient"),
    ];
    let faults = ["a", "b"].map(|name| RegisterFault::CorrectsInACircle(reference(name)));
    assert_eq!(counted(&circle), (vec![], faults.to_vec()));
    let same =
        [record("a", None, None, "2026-03-01", "outpatient"), record("a", None, None, "2026-03-02", "outpatient")];
    assert_eq!(counted(&same), (vec!["a".to_owned()], vec![RegisterFault::ReferenceTwice(reference("a"))]));
}

#[test]
fn a_duplicate_is_the_same_person_day_and_kind_of_treatment() {
    let records = [
        record("a", None, Some(1), "2026-03-01", "outpatient"),
        record("b", None, Some(1), "2026-03-01", "outpatient"),
        record("c", None, Some(1), "2026-03-01", "inpatient"),
        record("d", None, Some(1), "2026-03-02", "outpatient"),
        record("e", None, Some(2), "2026-03-01", "outpatient"),
        record("f", None, Some(1), "2026-03-01", "outpatient"),
    ];
    let duplicate = |name: &str| RegisterFault::Duplicate { record: reference(name), of: reference("a") };
    assert_eq!(
        counted(&records),
        (["a", "c", "d", "e"].map(str::to_owned).to_vec(), vec![duplicate("b"), duplicate("f")])
    );
}

#[test]
fn without_a_pseudonym_nobody_is_taken_for_another() {
    let records = ["a", "b"].map(|name| record(name, None, None, "2026-03-01", "outpatient"));
    assert_eq!(counted(&records), (vec!["a".to_owned(), "b".to_owned()], vec![]));
}
