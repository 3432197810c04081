//! What a query means, and what is refused.

use proptest::prelude::*;

use super::{
    ChainEnd, Comparison, Criterion, DateCondition, Quantity, Query, QueryLimits, SearchError, SearchFault, Sort,
    SortKey, Token, TokenSystem, TotalMode, Values, parse,
};
use crate::search::number::place;
use crate::search::words::Sought;

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

fn any(code: &str) -> Token {
    Token { system: TokenSystem::Any, code: Some(code.to_owned()) }
}

#[test]
fn a_modifier_changes_what_is_asked() {
    assert_eq!(values("Patient", "gender:not", "male"), Values::None(Box::new(Values::Token(vec![any("male")]))));
    assert_eq!(values("Patient", "gender:missing", "false"), Values::Any);
    assert_eq!(values("Patient", "birthdate:missing", "true"), Values::None(Box::new(Values::Any)));
    let exact = vec![("de smet".to_owned(), "=De Smet".to_owned()), ("de smet".to_owned(), String::new())];
    assert_eq!(values("Patient", "family:exact", "De Smet,de smet"), Values::Exact(exact));
    assert_eq!(values("Patient", "family:contains", "SMÉ"), Values::Contains(strings(&["sme"])));
    assert_eq!(values("Patient", "_profile:below", "http://a.be/b/"), Values::Below(strings(&["http://a.be/b"])));
    let above = ["http://a.be", "http://a.be/", "http://a.be/b", "http://a.be/b/"];
    assert_eq!(values("Patient", "_profile:above", "http://a.be/b"), Values::Uri(strings(&above)));
    for (key, value) in [("_profile:below", "urn:oid:1.2"), ("_profile:above", "b")] {
        assert!(matches!(refused("Patient", key, value), SearchFault::Value(_)), "{key}");
    }
    let query = read("Observation", &[("code:text", "Head"), ("subject:text", "x"), ("patient:identifier", "1")]);
    let names: Vec<&str> = query.criteria.iter().map(|criterion| criterion.parameter).collect();
    assert_eq!(names, ["code:text", "subject:text", "patient:identifier"]);
    let of_type = Values::Together(vec![vec![
        Criterion { parameter: "identifier", values: Values::Token(vec![any("7")]) },
        Criterion {
            parameter: "identifier:of-type",
            values: Values::Token(vec![Token { system: TokenSystem::Is("s".into()), code: Some("MR".into()) }]),
        },
    ]]);
    assert_eq!(values("Patient", "identifier:of-type", "s|MR|7"), of_type);
    for value in ["s|MR", "MR", "s||7", "s|MR|", "s|MR|7|8"] {
        assert!(matches!(refused("Patient", "identifier:of-type", value), SearchFault::Value(_)), "{value}");
    }
    let set = || Values::InValueSet { url: "http://v.example".to_owned(), is_bare: true };
    assert_eq!(values("Patient", "gender:in", "http://v.example"), set());
    assert_eq!(values("Patient", "gender:not-in", "http://v.example"), Values::None(Box::new(set())));
    let others = Values::Id { ids: strings(&["a", "b"]), is_not: true };
    assert_eq!(values("Patient", "_id:not", "b,a"), others);
    assert_eq!(read("Patient", &[("_id:missing", "true")]).ids, Some(Vec::new()));
}

#[test]
fn a_number_has_the_precision_of_its_digits_where_it_is_to_be_equal_and_is_exact_else() {
    let condition =
        |comparison, low: f64, high: f64| DateCondition { comparison, low_ms: place(low), high_ms: place(high) };
    let below = |comparison, low: f64, high: f64| DateCondition {
        high_ms: place(high) - 1,
        ..condition(comparison, low, high)
    };
    assert_eq!(
        values("RiskAssessment", "probability", "0.5,ne100,gt100,eb1e2,ap100"),
        Values::Date(vec![
            below(Comparison::Equal, 0.45, 0.55),
            below(Comparison::NotEqual, 99.5, 100.5),
            condition(Comparison::Greater, 100.0, 100.0),
            condition(Comparison::EndsBefore, 100.0, 100.0),
            condition(Comparison::Approximate, 90.0, 110.0),
        ])
    );
    let quantity = |system: &str, unit: &str| {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let number = condition(Comparison::LessOrEqual, 5.4, 5.4);
        Quantity { number, system: given(system), unit: given(unit) }
    };
    assert_eq!(
        values("Observation", "value-quantity", "le5.4,le5.4|http://unitsofmeasure.org|mg,le5.4||mg"),
        Values::Quantity(vec![quantity("", ""), quantity("http://unitsofmeasure.org", "mg"), quantity("", "mg")])
    );
    for value in ["5.4|mg", "mg", "5.4|s|mg|x", "|s|mg", "xx5"] {
        assert!(matches!(refused("Observation", "value-quantity", value), SearchFault::Value(_)), "{value}");
    }
}

#[test]
fn a_composite_is_cut_into_its_components() {
    let Values::Together(alternatives) = values("Observation", "code-value-quantity", r"a\$b$gt1,c$2") else {
        panic!("together")
    };
    assert_eq!(alternatives.len(), 2);
    let names: Vec<&str> = alternatives[0].iter().map(|criterion| criterion.parameter).collect();
    assert_eq!(
        (names.as_slice(), &alternatives[0][0].values),
        (&["code", "value-quantity"][..], &Values::Token(vec![any("a$b")]))
    );
    for value in ["a", "a$", "$1", "a$1$2", "a$x"] {
        assert!(matches!(refused("Observation", "code-value-quantity", value), SearchFault::Value(_)), "{value}");
    }
}

#[test]
fn what_others_find_between_them_is_asked_of_each() {
    let one = |parameter, code| Criterion { parameter, values: Values::Token(vec![any(code)]) };
    let either = || Values::Either(vec![one("code", "x"), one("component-code", "x")]);
    assert_eq!(values("Observation", "combo-code", "x"), either());
    assert_eq!(values("Observation", "combo-code:not", "x"), Values::None(Box::new(either())));
    let Values::Together(alternatives) = values("Observation", "combo-code-value-quantity", "x$1") else {
        panic!("together")
    };
    assert_eq!(alternatives[0][0], Criterion { parameter: "combo-code", values: either() });
}

#[test]
fn a_chain_is_read_link_by_link_in_both_directions() {
    let end = |target, parameter, values| ChainEnd { target, found: Criterion { parameter, values } };
    let names = |texts: &[&str]| Values::String(strings(texts));
    assert_eq!(
        values("Observation", "patient.name", "an"),
        Values::Chained(vec![end("Patient", "name", names(&["an"]))])
    );
    let general = end("Organization", "name", names(&["x"]));
    assert_eq!(
        values("Observation", "subject:Patient.general-practitioner:Organization.name", "x"),
        Values::Chained(vec![end("Patient", "general-practitioner", Values::Chained(vec![general]))])
    );
    // Of the types that a reference may be to, those that have the parameter.
    let Values::Chained(ends) = values("Observation", "subject.name", "x") else { panic!("a chain") };
    assert_eq!(ends.iter().map(|end| end.target).collect::<Vec<_>>(), ["Location", "Patient"]);
    let Values::Has { of, reference, found } = values("Patient", "_has:Observation:patient:code:not", "x") else {
        panic!("a reverse chain")
    };
    let not = Values::None(Box::new(Values::Token(vec![any("x")])));
    assert_eq!((of, reference, *found), ("Observation", "patient", Criterion { parameter: "code", values: not }));
    let Values::Has { of, reference, found } = values("Patient", "_list", "l") else { panic!("a reverse chain") };
    let id = Criterion { parameter: "_id", values: Values::Id { ids: strings(&["l"]), is_not: false } };
    assert_eq!((of, reference, *found), ("List", "item", id));
    let mut asked = Vec::new();
    let query = read("Encounter", &[("patient._has:Group:member:_id", "102")]);
    query.criteria[0].each_parameter("Encounter", &mut |of, name| asked.push(format!("{of}.{name}")));
    assert_eq!(asked, ["Encounter.patient", "Group.member", "Group._id"]);

    for (key, fault) in [
        ("patient:Group.name", SearchFault::Modifier),
        ("patient.nothing", SearchFault::Unknown),
        ("nothing.name", SearchFault::Unknown),
        ("_has:Patient:link:name", SearchFault::Unknown),
        ("_has:AuditEvent:patient:date", SearchFault::Unknown),
        ("_has:Nothing:patient:name", SearchFault::Unknown),
        ("patient.name:not", SearchFault::Modifier),
        ("patient.general-practitioner:Organization.partof.partof.name", SearchFault::TooDeep(3)),
    ] {
        assert_eq!(refused("Observation", key, "x"), fault, "{key}");
    }
    for key in ["_has", "_has:Observation", "_has:Observation:patient", "focus.name"] {
        let fault = refused("Observation", key, "x");
        assert!(matches!(fault, SearchFault::Form(_) | SearchFault::Value(_)), "{key}: {fault}");
    }
    let many = vec![("patient.name", "x"); 9];
    let error = parse("Observation", &pairs(&many), QueryLimits::default()).map_err(|error| error.fault);
    assert_eq!(error, Err(SearchFault::TooManyLinks(8)));
}

#[test]
fn an_end_that_is_not_allowed_is_left_out_and_a_chain_without_any_is_refused() {
    let mut query = read("Observation", &[("subject.name", "x")]);
    assert_eq!(query.criteria[0].keep_allowed(&|target| target == "Patient"), Ok(()));
    let Values::Chained(ends) = &query.criteria[0].values else { panic!("a chain") };
    assert_eq!(ends.len(), 1);
    assert_eq!(query.criteria[0].keep_allowed(&|_| false), Err("Patient"));
    for key in ["patient._has:Group:member:_id", "patient.general-practitioner:Organization.name"] {
        let mut query = read("Observation", &[(key, "x")]);
        let refused = query.criteria[0].keep_allowed(&|target| target == "Patient");
        assert!(matches!(refused, Err("Group" | "Organization")), "{key}");
    }
}

#[test]
fn what_is_not_served_is_refused_by_name() {
    assert_eq!(refused("Patient", "nothing", "1"), SearchFault::Unknown);
    assert_eq!(refused("Patient", "Name", "1"), SearchFault::Unknown);
    assert_eq!(refused("Nothing", "identifier", "1"), SearchFault::Unknown);
    for key in [
        "name:not",
        "gender:exact",
        "birthdate:exact",
        "_profile:not",
        "_profile:text",
        "gender:of-type",
        "_id:exact",
        "_lastUpdated:not",
        "birthdate:x",
        "name:",
    ] {
        assert_eq!(refused("Patient", key, "true"), SearchFault::Modifier, "{key}");
    }
    for key in ["code-value-quantity:missing", "value-quantity:not", "component-code-value-quantity:exact"] {
        assert_eq!(refused("Observation", key, "true"), SearchFault::Modifier, "{key}");
    }
    for key in [
        "identifier:below",
        "organization:above",
        "name.family",
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
    for value in ["yes", "", "true,false"] {
        assert!(matches!(refused("Patient", "name:missing", value), SearchFault::Value(_)), "{value}");
    }
    let error = refused("Patient", "name:not", "secret");
    assert!(!error.to_string().contains("secret"));
}

#[test]
fn words_are_asked_only_where_they_are_served_and_without_modifiers() {
    let on = QueryLimits { full_text: true, ..QueryLimits::default() };
    let asked = |key: &str, value: &str| parse("Patient", &pairs(&[(key, value)]), on).map_err(|error| error.fault);
    let query = asked("_content", "Ann, \"de Smet\"").expect("it is served");
    let words = ["ann", "de", "smet"].map(str::to_owned).to_vec();
    let sought = Sought { words, phrases: vec!["de smet".to_owned()] };
    assert_eq!(query.criteria, [Criterion { parameter: "_content", values: Values::Words(sought) }]);
    assert!(!query.criteria[0].is_narrow());
    for key in ["_text:not", "_text:missing", "_content:exact"] {
        assert_eq!(asked(key, "x"), Err(SearchFault::Modifier), "{key}");
        assert!(matches!(refused("Patient", key, "x"), SearchFault::NotSupported(_)), "{key}");
    }
    assert!(matches!(asked("_text", "\"open"), Err(SearchFault::Value(_))));
    let many: Vec<String> = (0..21).map(|n| n.to_string()).collect();
    assert_eq!(asked("_text", &many.join(" ")), Err(SearchFault::TooMany(20)));
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
    fn no_text_makes_the_reader_panic(key in "[a-z_:.]{0,12}|_has:[A-Z][a-z]{2,8}:[a-z:]{3,9}|subject[.:][A-Za-z.]{1,20}|value-quantity|name|birthdate|patient|identifier|_sort|_id", value: String) {
        let _ = parse("ServiceRequest", &pairs(&[(&key, &value)]), QueryLimits::default());
        let _ = parse("Patient", &pairs(&[(&key, &value)]), QueryLimits::default());
        let _ = parse("Observation", &pairs(&[(&key, &value)]), QueryLimits::default());
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
