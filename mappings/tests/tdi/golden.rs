//! What is sent, letter for letter. A changed file is read in review like code; the new one is left in the target directory.

use mappings::tdi::{
    Authors, CompletenessReport, Language, Table, batch_header, batch_line, from_submission, questionnaire, submission,
};
use serde_json::Value;

use crate::sample::{date, record};

fn holds(name: &str, expected: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if expected != text {
        std::fs::write(&path, text).expect("the new text can be written");
    }
    assert!(expected == text, "{name} is another: the new text is in {}", path.display());
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn authors() -> Authors {
    Authors {
        group: "cgg-leie".to_owned(), author: "registratie".to_owned(), coauthor: Some("coördinatie".to_owned())
    }
}

#[test]
fn the_questionnaire_is_as_it_was() {
    let form = questionnaire(&Table::built_in(), date("2026-03-01"), Language::Nl);
    holds("questionnaire-nl.json", include_str!("golden/questionnaire-nl.json"), &pretty(&form));
}

#[test]
fn a_submission_is_as_it_was_and_is_read_back() {
    let table = Table::built_in();
    let sent = submission(&table, &record(), &authors());
    let golden = include_str!("golden/submission.json");
    holds("submission.json", golden, &pretty(&sent));
    let read = from_submission(&table, &serde_json::from_str(golden).expect("it is JSON"));
    assert_eq!(read, Ok(record()));
}

#[test]
fn a_file_is_as_it_was() {
    let table = Table::built_in();
    let file = batch_header(&table) + &batch_line(&table, &record());
    holds("year.csv", include_str!("golden/year.csv"), &file);
}

#[test]
fn a_report_is_as_it_was() {
    let table = Table::built_in();
    let mut report = CompletenessReport::new(&table, 2026, date("2027-02-01"));
    assert!(report.add(&record(), Some(date("2026-03-05"))));
    report.add_refused(2);
    holds("report-en.json", include_str!("golden/report-en.json"), &pretty(&report.to_value(Language::En)));
}
