//! Table to Questionnaire to response to record to submission, line and kept form, and back.

use mappings::r4::structure::check;
use mappings::tdi::{
    Answer, Authors, Date, Item, Kind, Language, Table, TreatmentDemand, answers_of_response, batch_header, batch_line,
    from_batch_line, from_submission, questionnaire, submission, to_response,
};
use proptest::prelude::*;
use serde_json::Value;

use crate::sample::{Answers, pseudonym, reference};

fn authors() -> Authors {
    Authors { group: "cgg-leie".to_owned(), author: "cgg-leie".to_owned(), coauthor: None }
}

/// Any answer to an item.
fn answer(item: &'static Item) -> BoxedStrategy<Answer> {
    let codes: Vec<String> = item.codes.iter().map(|code| code.code.clone()).collect();
    match item.kind {
        Kind::Choice => prop::sample::select(codes).prop_map(Answer::Code).boxed(),
        Kind::Choices => {
            let most = codes.len();
            prop::sample::subsequence(codes, 1..=most).prop_map(Answer::Codes).boxed()
        }
        Kind::Whole { min, max } => (min..=max).prop_map(Answer::Whole).boxed(),
        Kind::Date => (1_u16..=9999, 1_u8..=12, 1_u8..=28)
            .prop_map(|(year, month, day)| Answer::Date(Date::new(year, month, day).expect("it is a day")))
            .boxed(),
        Kind::Unit => "[A-Za-z0-9][A-Za-z_.-]{0,31}".prop_map(Answer::Unit).boxed(),
        Kind::Pseudonym => unreachable!("nobody is asked"),
    }
}

fn table() -> &'static Table {
    static TABLE: std::sync::LazyLock<std::sync::Arc<Table>> = std::sync::LazyLock::new(Table::built_in);
    &TABLE
}

/// Answers to any items, whether they go together or not; the first day is always there.
fn any_answers() -> impl Strategy<Value = Answers> {
    let asked: Vec<&'static Item> = table().items().iter().filter(|item| item.is_asked()).collect();
    let each: Vec<_> = asked
        .into_iter()
        .map(|item| {
            let answer = answer(item).prop_map(|answer| (item.link_id.clone(), answer));
            match item.link_id.as_str() {
                "treatment-start" => answer.prop_map(Some).boxed(),
                _ => prop::option::weighted(0.7, answer).boxed(),
            }
        })
        .collect();
    each.prop_map(|answers| answers.into_iter().flatten().collect())
}

proptest! {
    #[test]
    fn what_is_answered_is_what_is_sent_kept_and_written(
        answers in any_answers(), seed in prop::option::of(any::<u8>()), corrects in any::<bool>(), language in 0_usize..3,
    ) {
        let response = to_response(table(), &answers, Language::ALL[language]);
        prop_assert_eq!(check(&response), vec![]);
        let read = answers_of_response(table(), &response);
        prop_assert_eq!(read.as_ref(), Ok(&answers));
        let record = TreatmentDemand::new(table(), reference("tdi-1"), seed.map(pseudonym), read.expect("it is read"));
        let mut record = record.expect("it has a first day");
        if corrects {
            record = record.correcting(reference("tdi-0")).expect("it is another");
        }
        let sent = submission(table(), &record, &authors());
        prop_assert_eq!(from_submission(table(), &sent), Ok(record.clone()));
        prop_assert_eq!(TreatmentDemand::from_value(table(), &record.to_value()), Ok(record.clone()));
        let line = batch_line(table(), &record);
        prop_assert_eq!(line.matches(',').count(), batch_header(table()).matches(',').count());
        prop_assert!(line.ends_with('\n') && line.matches('\n').count() == 1);
        prop_assert_eq!(from_batch_line(table(), &line), Ok(record));
    }
}

#[test]
fn the_questionnaire_is_a_questionnaire_of_r4_in_each_language() {
    let day = Date::parse("2026-03-01").expect("it is a day");
    for language in Language::ALL {
        let form = questionnaire(table(), day, language);
        assert_eq!(check(&form), vec![], "{language:?}");
        assert_eq!(form["language"], language.code());
    }
}

#[test]
fn the_questionnaire_asks_every_item_but_the_pseudonym_and_offers_every_code() {
    let form = questionnaire(table(), Date::parse("2026-03-01").expect("it is a day"), Language::En);
    let questions: Vec<&Value> = form["item"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|group| group["item"].as_array().into_iter().flatten())
        .collect();
    let asked: Vec<&Item> = table().items().iter().filter(|item| item.is_asked()).collect();
    assert_eq!(questions.len(), asked.len());
    for (question, item) in questions.iter().zip(asked) {
        assert_eq!(question["linkId"], item.link_id);
        assert_eq!(question["text"], item.texts.text(Language::En));
        assert_eq!(question["required"], item.is_required);
        let options: Vec<&str> = question["answerOption"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|option| option["valueCoding"]["code"].as_str())
            .collect();
        let codes: Vec<&str> = item.codes.iter().map(|code| code.code.as_str()).collect();
        assert_eq!(options, codes, "{}", item.link_id);
        let conditions = question["enableWhen"].as_array().map_or(0, Vec::len);
        assert_eq!(conditions, item.when.as_ref().map_or(0, |when| when.codes.len()), "{}", item.link_id);
        assert_eq!(
            question.get("enableBehavior").is_some(),
            conditions > 1,
            "R4 wants a behaviour where there are several"
        );
    }
    assert!(!form.to_string().contains("\"linkId\":\"pseudonym\""), "nobody is asked for a pseudonym");
}

#[test]
fn what_does_not_count_on_a_day_is_not_asked_on_it() {
    let text = include_str!("../../tables/tdi.txt");
    let ended = "item labour | LABOUR | choice | optional | 2016-01-01 |";
    let text = text.replace(&format!("{ended} -"), &format!("{ended} 2027-01-01"));
    let begun = text.replace(" | known | 2016-01-01 | - | cathinonen", " | known | 2027-01-01 | - | cathinonen");
    let dated = Table::read(&begun).expect("it is read");
    let asked = |day: &str| {
        let form = questionnaire(&dated, Date::parse(day).expect("it is a day"), Language::En).to_string();
        (form.contains("\"labour\""), form.contains("cathinones"))
    };
    assert_eq!(asked("2026-12-31"), (true, false));
    assert_eq!(asked("2027-01-01"), (false, true));
}
