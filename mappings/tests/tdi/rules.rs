//! Every rule: the least that offends against it, and the most that does not.

use std::collections::HashSet;

use mappings::tdi::{
    Answer, Contact, Date, Episode, Finding, Known, Language, Rule, Severity, Table, TreatmentDemand, validate,
};

use crate::sample::{Answers, answers, code, contact, date, pseudonym, record, record_of, reference};

const TODAY: &str = "2026-04-01";

fn found(
    record: &TreatmentDemand,
    contact: Option<&Contact>,
    episodes: &[Episode],
    today: &str,
) -> Vec<(&'static str, String)> {
    let known = Known { contact, episodes, today: date(today) };
    let findings = validate(&Table::built_in(), record, &known);
    findings.into_iter().map(|Finding { rule, item }| (rule.code(), item)).collect()
}

/// What is found in the sample once it is changed.
fn after(change: impl FnOnce(&mut Answers)) -> Vec<(&'static str, String)> {
    let mut answers = answers();
    change(&mut answers);
    found(&record_of(answers), None, &[], TODAY)
}

fn one(code: &'static str, item: &str) -> Vec<(&'static str, String)> {
    vec![(code, item.to_owned())]
}

fn whole(item: &'static str, number: i64) -> impl FnOnce(&mut Answers) {
    move |answers| {
        answers.insert(item.to_owned(), Answer::Whole(number));
    }
}

#[test]
fn a_record_that_offends_against_nothing_is_sent_without_a_word() {
    assert_eq!(found(&record(), Some(&contact()), &[], TODAY), vec![]);
}

#[test]
fn what_must_be_answered_is_named_where_it_is_not() {
    let table = Table::built_in();
    let required: Vec<&str> =
        table.items().iter().filter(|item| item.is_required).map(|item| item.link_id.as_str()).collect();
    assert_eq!(
        required,
        [
            "centre-type",
            "unit",
            "treatment-start",
            "previously-treated",
            "sex",
            "national-number",
            "age",
            "primary-substance"
        ]
    );
    for item in required.into_iter().filter(|item| *item != "treatment-start") {
        let found = after(|answers| {
            answers.remove(item);
        });
        assert_eq!(found, one("tdi-missing", item), "{item}");
    }
    for item in ["labour", "birth-year", "first-injection-age", "needle-sharing"] {
        let found = after(|answers| {
            answers.remove(item);
        });
        assert_eq!(found, vec![], "{item} may be left out");
    }
}

#[test]
fn a_treatment_does_not_begin_after_today() {
    let on = |today| found(&record(), None, &[], today);
    assert_eq!(on("2026-03-01"), vec![]);
    assert_eq!(on("2026-02-28"), one("tdi-start-in-future", "treatment-start"));
}

#[test]
fn the_first_day_is_that_of_the_contact() {
    for day in ["2026-02-28", "2026-03-02"] {
        let contact = Contact { started: date(day), class: None };
        assert_eq!(found(&record(), Some(&contact), &[], TODAY), one("tdi-start-differs", "treatment-start"));
    }
}

#[test]
fn only_a_contact_face_to_face_is_registered() {
    let of = |class: &str, centre: &str| {
        let mut answers = answers();
        answers.insert("centre-type".to_owned(), code(centre));
        let contact = Contact { class: Some(class.to_owned()), ..contact() };
        found(&record_of(answers), Some(&contact), &[], TODAY)
    };
    for class in ["VR", "EMER"] {
        assert_eq!(of(class, "outpatient"), one("tdi-contact-excluded", "centre-type"), "{class}");
    }
    for class in ["IMP", "ACUTE", "NONAC"] {
        assert_eq!(of(class, "outpatient"), one("tdi-class-differs", "centre-type"), "{class}");
        assert_eq!(of(class, "inpatient"), vec![], "{class}");
    }
    assert_eq!(of("AMB", "inpatient"), one("tdi-class-differs", "centre-type"));
    assert_eq!(of("HH", "outpatient"), vec![]);
}

#[test]
fn nothing_is_first_done_later_than_the_present_age() {
    for (item, rule) in [
        ("first-use-age", "tdi-first-use-after-age"),
        ("first-injection-age", "tdi-first-injection-after-age"),
        ("first-substitution-age", "tdi-first-substitution-after-age"),
    ] {
        assert_eq!(after(whole(item, 34)), vec![], "{item}");
        assert_eq!(after(whole(item, 35)), one(rule, item));
    }
}

#[test]
fn age_and_year_of_birth_agree_before_and_after_the_birthday() {
    for (year, expected) in [(1990, false), (1991, true), (1992, true), (1993, false)] {
        let expected = if expected { vec![] } else { one("tdi-age-differs", "birth-year") };
        assert_eq!(after(whole("birth-year", year)), expected, "{year}");
    }
}

#[test]
fn details_of_injecting_are_asked_of_who_ever_injected() {
    for says in ["never", "refused", "not-known"] {
        let found = after(|answers| {
            answers.insert("injecting".to_owned(), code(says));
        });
        let expected = ["first-injection-age", "needle-sharing"].map(|item| ("tdi-not-asked", item.to_owned()));
        assert_eq!(found, expected, "{says}");
    }
    for says in ["not-in-12-months", "in-12-months", "in-30-days"] {
        let found = after(|answers| {
            answers.insert("injecting".to_owned(), code(says));
        });
        assert_eq!(found, vec![], "{says}");
    }
    let found = after(|answers| {
        answers.remove("injecting");
    });
    assert_eq!(found.len(), 2, "without an answer nobody knows that it is asked");
}

#[test]
fn the_age_of_the_first_substitution_is_asked_of_who_had_one() {
    for (says, is_asked) in [("never", false), ("not-known", false), ("ever", true), ("current", true)] {
        let found = after(|answers| {
            answers.insert("substitution".to_owned(), code(says));
        });
        assert_eq!(found, if is_asked { vec![] } else { one("tdi-not-asked", "first-substitution-age") }, "{says}");
    }
}

#[test]
fn the_primary_substance_is_not_among_the_others() {
    let found = after(|answers| {
        answers.insert("other-substances".to_owned(), Answer::Codes(vec!["11".to_owned(), "71".to_owned()]));
    });
    assert_eq!(found, one("tdi-primary-among-others", "other-substances"));
}

#[test]
fn whether_there_are_other_substances_is_answered_in_one_way() {
    for (says, named, expected) in [
        ("yes", true, false),
        ("yes", false, true),
        ("no", true, true),
        ("no", false, false),
        ("not-known", true, true),
        ("not-known", false, false),
    ] {
        let found = after(|answers| {
            answers.insert("polydrug".to_owned(), code(says));
            if !named {
                answers.remove("other-substances");
            }
        });
        assert_eq!(found, if expected { one("tdi-polydrug-differs", "polydrug") } else { vec![] }, "{says} {named}");
    }
}

#[test]
fn a_pseudonym_is_there_exactly_where_the_number_is_known_and_may_be_used() {
    let table = Table::built_in();
    for (says, has, expected) in [
        ("known", true, None),
        ("known", false, Some("tdi-pseudonym-missing")),
        ("none", true, Some("tdi-pseudonym-unwanted")),
        ("none", false, None),
        ("refused", true, Some("tdi-pseudonym-unwanted")),
        ("refused", false, None),
    ] {
        let mut answers = answers();
        answers.insert("national-number".to_owned(), code(says));
        let record =
            TreatmentDemand::new(&table, reference("tdi-1"), has.then(|| pseudonym(1)), answers).expect("a record");
        let expected = expected.map(|rule| (rule, "pseudonym".to_owned()));
        assert_eq!(found(&record, None, &[], TODAY), expected.into_iter().collect::<Vec<_>>(), "{says} {has}");
    }
}

#[test]
fn a_visit_within_six_months_is_of_the_episode_that_exists() {
    let episode = |day: &str| Episode { started: date(day), last_seen: date(day), is_residential: false };
    let after = |day: &str| found(&record(), None, &[episode(day)], TODAY);
    assert_eq!(after("2025-09-01"), vec![]);
    assert_eq!(after("2025-09-02"), one("tdi-not-a-new-episode", "treatment-start"));
    assert_eq!(after("2026-03-01"), one("tdi-not-a-new-episode", "treatment-start"));
    assert_eq!(after("2026-03-02"), one("tdi-before-episode", "treatment-start"));
    assert_eq!(after("2026-08-31"), one("tdi-before-episode", "treatment-start"));
    assert_eq!(after("2026-09-01"), vec![]);
}

#[test]
fn a_stay_is_registered_with_each_admission() {
    let mut answers = answers();
    answers.insert("centre-type".to_owned(), code("inpatient"));
    let episode = |day: &str| Episode { started: date(day), last_seen: date(day), is_residential: true };
    let of = |day: &str| found(&record_of(answers.clone()), None, &[episode(day)], TODAY);
    assert_eq!(of("2026-02-28"), vec![]);
    assert_eq!(of("2026-03-01"), one("tdi-not-a-new-episode", "treatment-start"));
}

#[test]
fn the_year_before_is_late_from_the_first_of_april() {
    let mut answers = answers();
    answers.insert("treatment-start".to_owned(), Answer::Date(date("2025-12-31")));
    answers.insert("birth-year".to_owned(), Answer::Whole(1991));
    let on = |today: &str| found(&record_of(answers.clone()), None, &[], today);
    assert_eq!(on("2026-03-31"), vec![]);
    assert_eq!(on("2026-04-01"), one("tdi-late", "treatment-start"));
}

#[test]
fn items_and_codes_count_by_the_first_day() {
    let text = include_str!("../../tables/tdi.txt");
    let changed = |from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        Table::read(&changed).expect("it is read")
    };
    let of = |table: &Table| {
        let record = TreatmentDemand::new(table, reference("tdi-1"), Some(pseudonym(7)), answers()).expect("a record");
        let known = Known { contact: None, episodes: &[], today: date(TODAY) };
        let found = validate(table, &record, &known);
        found.into_iter().map(|finding| (finding.rule.code(), finding.item)).collect::<Vec<_>>()
    };
    let code = "code employed | 1501 | known | 2016-01-01 |";
    assert!(text.contains(code), "{code}");
    let ends = |day: &str| changed(&format!("{code} -"), &format!("{code} {day}"));
    assert_eq!(of(&ends("2026-03-01")), one("tdi-not-valid-then", "labour"));
    assert_eq!(of(&ends("2026-03-02")), vec![]);
    let item = "item labour | LABOUR | choice | optional | ";
    assert_eq!(
        of(&changed(&format!("{item}2016-01-01"), &format!("{item}2026-03-02"))),
        one("tdi-not-valid-then", "labour")
    );
    assert_eq!(of(&changed(&format!("{item}2016-01-01"), &format!("{item}2026-03-01"))), vec![]);
    let begins =
        changed("item sex | SEX | choice | required | 2016-01-01", "item sex | SEX | choice | required | 2027-01-01");
    assert_eq!(of(&begins), one("tdi-not-valid-then", "sex"), "answered before it was asked");
}

#[test]
fn each_rule_has_a_code_of_its_own_and_words_in_each_language() {
    let codes: HashSet<&str> = Rule::ALL.iter().map(|rule| rule.code()).collect();
    assert_eq!(codes.len(), Rule::ALL.len());
    for rule in Rule::ALL {
        assert!(rule.code().starts_with("tdi-"));
        assert_eq!(Rule::from_code(rule.code()), Some(rule));
        let words: HashSet<&str> = Language::ALL.into_iter().map(|language| rule.text(language)).collect();
        assert_eq!(words.len(), 3, "{rule:?}");
    }
    let warnings: Vec<&str> =
        Rule::ALL.iter().filter(|rule| rule.severity() == Severity::Warning).map(|rule| rule.code()).collect();
    assert_eq!(warnings, ["tdi-class-differs", "tdi-polydrug-differs", "tdi-late"]);
    assert_eq!(Rule::from_code("tdi-something"), None);
    assert_eq!(Date::parse(TODAY).map(Date::year), Some(2026));
}
