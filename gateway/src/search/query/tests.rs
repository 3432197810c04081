//! What a query means, and what is refused.

use proptest::prelude::*;

use super::{
    Comparison, DateCondition, Query, QueryLimits, SearchError, SearchFault, Sort, SortKey, Token, TokenSystem,
    TotalMode, Values, parse,
};

fn pairs(query: &[(&str, &str)]) -> Vec<(String, String)> {
    query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[track_caller]
fn read(resource_type: &str, query: &[(&str, &str)]) -> Query {
    parse(resource_type, &pairs(query), QueryLimits::default()).expect("the query is right")
}

#[track_caller]
fn refused(resource_type: &str, key: &str, value: &str) -> SearchFault {
    let error =
        parse(resource_type, &pairs(&[(key, value)]), QueryLimits::default()).expect_err("the query is refused");
    assert_eq!(error.parameter, key);
    error.fault
}

#[track_caller]
fn values(resource_type: &str, key: &str, value: &str) -> Values {
    read(resource_type, &[(key, value)]).criteria.remove(0).values
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_token_has_four_forms_and_escapes() {
    let token = |system, code: &str| Token { system, code: Some(code.to_owned()).filter(|code| !code.is_empty()) };
    assert_eq!(
        values("Patient", "identifier", r"1,s|2,|3,s|,a\|b\,c\\|4\$"),
        Values::Token(vec![
            token(TokenSystem::Any, "1"),
            token(TokenSystem::Is("s".into()), "2"),
            token(TokenSystem::None, "3"),
            token(TokenSystem::Is("s".into()), ""),
            token(TokenSystem::Is(r"a|b,c\".into()), "4$"),
        ])
    );
    for value in ["|", "s|a|b"] {
        assert!(matches!(refused("Patient", "identifier", value), SearchFault::Value(_)), "{value}");
    }
}

#[test]
fn a_reference_is_an_address_a_type_with_id_or_an_id_of_the_allowed_types() {
    let expected = |texts| Values::Reference(strings(texts));
    assert_eq!(values("ServiceRequest", "patient", "1"), expected(&["Patient/1"]));
    assert_eq!(
        values("ServiceRequest", "subject", "Patient/1,http://a/Patient/1"),
        expected(&["Patient/1", "http://a/Patient/1"])
    );
    assert_eq!(values("ServiceRequest", "subject:Patient", "1"), expected(&["Patient/1"]));
    let Values::Reference(expanded) = values("ServiceRequest", "subject", "1") else { panic!("references") };
    assert!(expanded.contains(&"Patient/1".to_owned()) && expanded.contains(&"Group/1".to_owned()));
    let query = read("ServiceRequest", &[("subject:identifier", "s|v")]);
    assert_eq!(query.criteria[0].parameter, "subject:identifier");

    for (key, value) in [
        ("subject", "Nothing/1"),
        ("subject", "Patient/1/_history/2"),
        ("subject", "a b"),
        ("subject:Patient", "Group/1"),
        ("subject", "Patient/"),
        ("focus", "1"),
    ] {
        let resource_type = if key == "focus" { "Task" } else { "ServiceRequest" };
        assert!(matches!(refused(resource_type, key, value), SearchFault::Value(_)), "{key}={value}");
    }
    assert_eq!(refused("ServiceRequest", "patient:Group", "1"), SearchFault::Modifier);
}

#[test]
fn a_date_has_a_prefix_and_covers_its_precision() {
    let day = 86_400_000;
    let condition = |comparison, low_ms, high_ms| DateCondition { comparison, low_ms, high_ms };
    assert_eq!(
        values("Patient", "birthdate", "1970-01-01,ge1970-01-02,ap1970-01-02"),
        Values::Date(vec![
            condition(Comparison::Equal, 0, day - 1),
            condition(Comparison::GreaterOrEqual, day, 2 * day - 1),
            condition(Comparison::Approximate, 0, 3 * day - 1),
        ])
    );
    assert_eq!(
        read("Patient", &[("_lastUpdated", "gt1970-01-01T00:00Z")]).last_updated,
        [[condition(Comparison::Greater, 0, 59_999)]]
    );
    for value in ["xx2024", "2024-13", "ge", "GE2024", "20240101", "é2024"] {
        assert!(matches!(refused("Patient", "birthdate", value), SearchFault::Value(_)), "{value}");
    }
}

#[test]
fn strings_are_folded_as_the_index_folds_them_and_addresses_are_not() {
    assert_eq!(values("Patient", "name", r"  ZOË,a\,b"), Values::String(strings(&["zoe", "a,b"])));
    assert_eq!(values("Patient", "_profile", "https://A/é"), Values::Uri(strings(&["https://A/é"])));
    assert!(matches!(refused("Patient", "name", " \u{301}"), SearchFault::Value(_)));
}

#[test]
fn repeats_are_all_to_hold_and_ids_are_what_they_have_in_common() {
    let query = read("Patient", &[("gender", "male"), ("gender", "female"), ("_id", "b,a,a,c"), ("_id", "c,b")]);
    assert_eq!(query.criteria.len(), 2);
    assert_eq!(query.ids, Some(strings(&["b", "c"])));
    assert_eq!(read("Patient", &[("_id", "a"), ("_id", "b")]).ids, Some(Vec::new()));
    assert_eq!(read("Patient", &[]).ids, None);
    assert!(matches!(refused("Patient", "_id", "a b"), SearchFault::Value(_)));
}

#[test]
fn how_to_answer_is_read_and_large_pages_are_cut() {
    let query =
        read("Patient", &[("_count", "99999999999"), ("_total", "accurate"), ("_cursor", "x"), ("_pretty", "true")]);
    assert_eq!((query.count, query.total, query.cursor.as_deref()), (500, TotalMode::Accurate, Some("x")));
    assert_eq!((query.criteria.len(), query.summary_count), (0, false));
    for query in [read("Patient", &[("_summary", "count")]), read("Patient", &[("_count", "0")])] {
        assert_eq!((query.summary_count, query.count), (true, 0));
    }
    for (key, value) in [("_count", "-1"), ("_count", "+1"), ("_count", ""), ("_total", "all"), ("_summary", "text")] {
        assert!(matches!(refused("Patient", key, value), SearchFault::Value(_)), "{key}={value}");
    }
    let twice = parse("Patient", &pairs(&[("_count", "1"), ("_count", "2")]), QueryLimits::default());
    assert_eq!(twice, Err(SearchError { parameter: "_count".into(), fault: SearchFault::Repeated }));
}

#[test]
fn an_order_is_by_what_has_one() {
    let query = read("Patient", &[("_sort", "-birthdate,_id,_lastUpdated,family")]);
    let [Sort { key: SortKey::Parameter(birthdate), descending: true }, second, ..] = query.sort.as_slice() else {
        panic!("{:?}", query.sort)
    };
    assert_eq!((birthdate.name, second), ("birthdate", &Sort { key: SortKey::Id, descending: false }));
    for value in ["nothing", "link", "", "-", "_profile", "--_id"] {
        assert!(matches!(refused("Patient", "_sort", value), SearchFault::Value(_)), "{value}");
    }
    assert_eq!(refused("Patient", "_sort", "_id,_id,_id,_id,_id,_id"), SearchFault::TooMany(5));
}

#[test]
fn what_is_not_served_is_refused_by_name() {
    assert_eq!(refused("Patient", "nothing", "1"), SearchFault::Unknown);
    assert_eq!(refused("Patient", "Name", "1"), SearchFault::Unknown);
    assert_eq!(refused("Nothing", "identifier", "1"), SearchFault::Unknown);
    for key in ["name:exact", "name:missing", "gender:not", "_id:missing", "birthdate:x", "name:"] {
        assert_eq!(refused("Patient", key, "true"), SearchFault::Modifier, "{key}");
    }
    for key in [
        "general-practitioner.name",
        "link:Patient.name",
        "_has:Observation:patient:code",
        "_include",
        "_include:iterate",
        "_revinclude",
        "_elements",
        "_text",
        "_filter",
    ] {
        assert!(matches!(refused("Patient", key, "x"), SearchFault::NotSupported(_)), "{key}");
    }
    for value in ["", ",", "male,", ",male"] {
        assert!(matches!(refused("Patient", "gender", value), SearchFault::Value(_)), "{value}");
    }
    let error = refused("Patient", "name:exact", "secret");
    assert!(!error.to_string().contains("secret"));
}

#[test]
fn a_query_has_limits() {
    let many = vec![("gender", "male"); 51];
    let error = parse("Patient", &pairs(&many), QueryLimits::default());
    assert_eq!(error.map_err(|error| error.fault), Err(SearchFault::TooMany(50)));
    assert_eq!(refused("Patient", "gender", &vec!["x"; 101].join(",")), SearchFault::TooMany(100));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(key in "[a-z_:.]{0,12}|name|birthdate|patient|identifier|_sort|_id", value: String) {
        let _ = parse("ServiceRequest", &pairs(&[(&key, &value)]), QueryLimits::default());
        let _ = parse("Patient", &pairs(&[(&key, &value)]), QueryLimits::default());
    }

    #[test]
    fn an_escaped_code_is_found_as_it_is(code in r"[a-z,|$\\]{1,20}") {
        let escaped: String = code.chars().flat_map(|letter| {
            let escape = matches!(letter, ',' | '|' | '$' | '\\').then_some('\\');
            escape.into_iter().chain([letter])
        }).collect();
        prop_assert_eq!(
            values("Patient", "identifier", &escaped),
            Values::Token(vec![Token { system: TokenSystem::Any, code: Some(code) }])
        );
    }

    #[test]
    fn comparisons_of_dates_agree_with_each_other(low in -5_i64..5, width in 0_i64..5, row_low in -9_i64..9, row_width in 0_i64..9) {
        let met = |comparison| {
            DateCondition { comparison, low_ms: low, high_ms: low + width }.is_met(row_low, row_low + row_width)
        };
        prop_assert_eq!(met(Comparison::NotEqual), !met(Comparison::Equal));
        prop_assert_eq!(met(Comparison::GreaterOrEqual), met(Comparison::Greater) || met(Comparison::Equal));
        prop_assert_eq!(met(Comparison::LessOrEqual), met(Comparison::Less) || met(Comparison::Equal));
        prop_assert!(!met(Comparison::StartsAfter) || met(Comparison::Greater));
        prop_assert!(!met(Comparison::EndsBefore) || met(Comparison::Less));
        prop_assert!([Comparison::Approximate, Comparison::StartsAfter, Comparison::EndsBefore].into_iter().filter(|c| met(*c)).count() == 1);
    }
}
