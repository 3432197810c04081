//! A year of a thousand made-up episodes: the report's totals are those that are counted in what was answered.

use std::collections::BTreeMap;

use mappings::tdi::{
    Answer, CompletenessReport, Date, Language, Pseudonym, Table, TreatmentDemand, answers_of_response, batch_line,
    current, from_batch_line, to_response,
};
use serde_json::Value;

use crate::sample::{answers, code, date, record, reference};

const EPISODES: u32 = 1_000;

/// A number from 0 to `below`, scattered and always the same.
fn scattered(seed: u32, below: u32) -> u32 {
    let mixed = seed.wrapping_mul(2_654_435_761).wrapping_add(seed >> 3);
    (mixed ^ (mixed >> 15)) % below
}

/// The response of an episode; some items are left out, some not known.
fn response(n: u32) -> Value {
    let table = Table::built_in();
    let mut given = answers();
    let (month, day) = (scattered(n, 12) + 1, scattered(n * 7, 28) + 1);
    given.insert("treatment-start".to_owned(), Answer::Date(date(&format!("2026-{month:02}-{day:02}"))));
    for (k, item) in (1_u32..).zip(table.items().iter().filter(|item| !item.is_required && item.is_asked())) {
        match scattered(n * 31 + k, 5) {
            0 => {
                given.remove(&item.link_id);
            }
            1 if item.code("not-known").is_some() => {
                given.insert(item.link_id.clone(), code("not-known"));
            }
            _ => {}
        }
    }
    to_response(&table, &given, Language::Fr)
}

/// Codes by item, counted in the JSON of the responses.
fn count(responses: &[Value]) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut counted: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for response in responses {
        for item in response["item"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|group| group["item"].as_array().into_iter().flatten())
        {
            let codes = counted.entry(item["linkId"].as_str().unwrap_or_default().to_owned()).or_default();
            for answer in item["answer"].as_array().into_iter().flatten() {
                let code = answer["valueCoding"]["code"].as_str().unwrap_or("(a value)");
                *codes.entry(code.to_owned()).or_default() += 1;
            }
        }
    }
    counted
}

#[test]
fn the_totals_of_a_year_are_those_of_its_responses() {
    let table = Table::built_in();
    let responses: Vec<Value> = (0..EPISODES).map(response).collect();
    let records: Vec<TreatmentDemand> = responses
        .iter()
        .zip(0_u32..)
        .map(|(response, n)| {
            let answers = answers_of_response(&table, response).expect("it is read");
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            let pseudonym = Some(Pseudonym::of_bytes(&bytes));
            TreatmentDemand::new(&table, reference(&format!("tdi-{n}")), pseudonym, answers).expect("it is a record")
        })
        .collect();
    let (current, faults) = current(&records);
    assert_eq!((current.len(), faults), (records.len(), vec![]));
    let mut report = CompletenessReport::new(&table, 2026, date("2027-04-01"));
    for (n, record) in current.into_iter().enumerate() {
        let line = batch_line(&table, record);
        let read = from_batch_line(&table, &line).expect("a line is read back");
        let sent = (n % 10 != 0).then(|| date("2027-03-31"));
        assert!(report.add(&read, sent));
    }
    report.add_refused(17);
    assert_eq!((report.records(), report.late()), (1_000, 100), "what was not sent by the deadline is late");
    let counted = count(&responses);
    for item in table.items().iter().filter(|item| item.is_asked()) {
        let totals = report.item(&item.link_id).expect("it is in the report");
        let codes = counted.get(&item.link_id).cloned().unwrap_or_default();
        let of_codes: BTreeMap<String, u64> =
            codes.iter().filter(|(code, _)| *code != "(a value)").map(|(c, n)| (c.clone(), *n)).collect();
        assert_eq!(totals.codes, of_codes, "{}", item.link_id);
        let not_known = codes.get("not-known").or(codes.get("99")).copied().unwrap_or_default();
        assert_eq!(totals.not_known, not_known, "{}", item.link_id);
        let responses_with = responses
            .iter()
            .filter(|response| response.to_string().contains(&format!("\"linkId\":\"{}\"", item.link_id)))
            .count();
        assert_eq!(totals.answered + totals.not_known, responses_with as u64, "{}", item.link_id);
        assert_eq!(
            totals.answered + totals.not_known + totals.missing + totals.not_asked,
            u64::from(EPISODES),
            "{}",
            item.link_id
        );
    }
    let injecting = report.item("first-injection-age").expect("it is in the report");
    assert!(injecting.not_asked > 0, "who never injected is not asked when");
    assert_eq!(report.to_value(Language::Nl)["refused"], 17);
}

#[test]
fn a_record_of_another_year_is_not_counted() {
    let table = Table::built_in();
    for (year, expected) in [(2025, 0), (2026, 1), (2027, 0)] {
        let mut report = CompletenessReport::new(&table, year, date("2027-01-01"));
        assert_eq!(report.add(&record(), None), expected == 1);
        assert_eq!(report.records(), expected);
    }
}

#[test]
fn a_record_is_late_the_day_after_the_deadline_and_stays_in_time_once_it_was_sent() {
    let table = Table::built_in();
    let late = |sent: Option<&str>, on: &str| {
        let mut report = CompletenessReport::new(&table, 2026, date(on));
        assert!(report.add(&record(), sent.map(|day: &str| Date::parse(day).expect("a day"))));
        report.late()
    };
    assert_eq!(late(None, "2027-03-31"), 0);
    assert_eq!(late(None, "2027-04-01"), 1);
    assert_eq!(late(Some("2027-03-31"), "2028-01-01"), 0);
    assert_eq!(late(Some("2027-04-01"), "2028-01-01"), 1);
}

#[test]
fn a_share_is_of_those_who_are_asked() {
    let table = Table::built_in();
    let mut report = CompletenessReport::new(&table, 2026, date("2027-01-01"));
    let changes: [fn(&mut crate::sample::Answers); 3] = [
        |answers| drop(answers.remove("needle-sharing")),
        |answers| drop(answers.insert("needle-sharing".to_owned(), code("not-known"))),
        |answers| {
            answers.insert("injecting".to_owned(), code("never"));
            answers.remove("needle-sharing");
            answers.remove("first-injection-age");
        },
    ];
    for change in changes {
        let mut answers = answers();
        change(&mut answers);
        assert!(report.add(&crate::sample::record_of(answers), None));
    }
    assert!(report.add(&record(), None));
    let totals = report.item("needle-sharing").expect("it is in the report");
    assert_eq!((totals.answered, totals.not_known, totals.missing, totals.not_asked), (1, 1, 1, 1));
    assert_eq!(totals.missing_per_thousand(), 666);
}
