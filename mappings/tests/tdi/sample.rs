//! Answers and records to begin from.

use std::collections::BTreeMap;

use mappings::tdi::{Answer, Contact, Date, Pseudonym, Reference, Table, TreatmentDemand};

pub(crate) type Answers = BTreeMap<String, Answer>;

pub(crate) fn date(text: &str) -> Date {
    Date::parse(text).expect("it is a day")
}

pub(crate) fn code(code: &str) -> Answer {
    Answer::Code(code.to_owned())
}

/// Somebody with a number visits a centre on 1 March 2026, and every item is answered.
pub(crate) fn answers() -> Answers {
    let codes = [
        ("centre-type", "outpatient"),
        ("previously-treated", "never"),
        ("referral-source", "self-family"),
        ("sex", "female"),
        ("national-number", "known"),
        ("living-with", "partner"),
        ("living-with-children", "no"),
        ("living-place", "stable"),
        ("education", "secondary"),
        ("labour", "employed"),
        ("primary-substance", "11"),
        ("route", "inject"),
        ("frequency", "daily"),
        ("polydrug", "yes"),
        ("injecting", "in-30-days"),
        ("needle-sharing", "no"),
        ("hiv-test", "negative"),
        ("hcv-test", "not-tested"),
        ("substitution", "ever"),
    ];
    let numbers = [
        ("age", 34),
        ("birth-year", 1992),
        ("first-use-age", 19),
        ("first-injection-age", 21),
        ("first-substitution-age", 30),
    ];
    let mut answers: Answers = codes.map(|(item, of)| (item.to_owned(), code(of))).into();
    answers.extend(numbers.map(|(item, number)| (item.to_owned(), Answer::Whole(number))));
    answers.insert("unit".to_owned(), Answer::Unit("gent-1".to_owned()));
    answers.insert("treatment-start".to_owned(), Answer::Date(date("2026-03-01")));
    answers.insert("other-substances".to_owned(), Answer::Codes(vec!["71".to_owned(), "alcohol".to_owned()]));
    answers
}

pub(crate) fn pseudonym(seed: u8) -> Pseudonym {
    Pseudonym::of_bytes(&[seed; 32])
}

pub(crate) fn reference(text: &str) -> Reference {
    Reference::parse(text).expect("it is a reference")
}

pub(crate) fn record_of(answers: Answers) -> TreatmentDemand {
    TreatmentDemand::new(&Table::built_in(), reference("tdi-1"), Some(pseudonym(7)), answers).expect("it is a record")
}

pub(crate) fn record() -> TreatmentDemand {
    record_of(answers())
}

pub(crate) fn contact() -> Contact {
    Contact { started: date("2026-03-01"), class: Some("AMB".to_owned()) }
}
