//! What a search can ask, held to a plain evaluation of the same question over the same resources.

use gateway::search::query::{Criterion, Query, Values};
use gateway::storage::Store;
use gateway::storage::write_set::{NewVersion, Sight, WriteSet};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::world::{beginning, cases, first, found, ids, indexed, key, put, query, row, search, stores, viewer};

const TYPES: &str = "http://types.example";
const UNITS: &str = "http://units.example";

/// What a resource of the world is.
struct Kept {
    resource_type: &'static str,
    id: String,
    /// The Patient of its record; the directory's have none.
    record: Option<String>,
    value: Value,
}

/// A question about one resource, in its two forms: as a client writes it, and as it is plainly meant.
#[derive(Clone, Debug)]
enum Ask {
    Token {
        name: &'static str,
        path: &'static str,
        not: bool,
        codes: Vec<&'static str>,
    },
    Missing {
        name: &'static str,
        path: &'static str,
        is: bool,
    },
    Family {
        modifier: &'static str,
        text: &'static str,
    },
    OfType {
        code: &'static str,
        value: &'static str,
    },
    Profile {
        modifier: &'static str,
        url: &'static str,
    },
    NotId(String),
    Words(&'static str),
    /// In hundredths.
    Quantity {
        prefix: &'static str,
        number: (i64, usize),
        unit: &'static str,
    },
    Both {
        name: &'static str,
        code: &'static str,
        prefix: &'static str,
        number: (i64, usize),
    },
    /// The Patient of an Observation.
    OfPatient(Box<Ask>),
    /// The Organization of a Patient, by a name.
    OfPractice(&'static str),
    /// An Observation of a Patient.
    Observed(Box<Ask>),
}

/// The values at a path of members, lists on the way walked through.
fn at<'v>(value: &'v Value, path: &str) -> Vec<&'v Value> {
    let mut values = vec![value];
    for name in path.split('.') {
        let items = values.into_iter().filter_map(|value| value.get(name));
        values = items.flat_map(|value| value.as_array().map_or(vec![value], |items| items.iter().collect())).collect();
    }
    values
}

fn texts<'v>(value: &'v Value, path: &str) -> Vec<&'v str> {
    at(value, path).into_iter().filter_map(Value::as_str).collect()
}

/// Lower case, without the one accent of this world.
fn folded(text: &str) -> String {
    text.to_lowercase().replace('ç', "c")
}

/// A number of hundredths, with so many decimals.
fn decimal((hundredths, decimals): (i64, usize)) -> String {
    let (sign, size) = (if hundredths < 0 { "-" } else { "" }, hundredths.abs());
    let (whole, fraction) = (size / 100, format!("{:02}", size % 100));
    if decimals == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{}", &fraction[..decimals]) }
}

/// Whether a number is as a prefix and a number of so many decimals say, all in thousandths.
fn compares(value: f64, prefix: &str, (hundredths, decimals): (i64, usize)) -> bool {
    #[expect(clippy::cast_possible_truncation, reason = "the numbers of this world are small")]
    let value = (value * 1_000.0).round() as i64;
    let (sought, half) = (hundredths * 10, [500, 50, 5][decimals]);
    let equals = sought - half <= value && value < sought + half;
    match prefix {
        "" | "eq" => equals,
        "ne" => !equals,
        "gt" | "sa" => value > sought,
        "lt" | "eb" => value < sought,
        "ge" => value >= sought,
        "le" => value <= sought,
        "ap" => (value - sought).abs() * 10 <= sought.abs() || equals,
        other => panic!("no prefix: {other}"),
    }
}

fn quantity_is(quantity: &Value, prefix: &str, number: (i64, usize), unit: &str) -> bool {
    let of_unit = match unit {
        "" => true,
        "||mg" => quantity["code"] == "mg" || quantity["unit"] == "mg",
        _ => quantity["code"] == "mg" && quantity["system"] == UNITS,
    };
    of_unit && quantity["value"].as_f64().is_some_and(|value| compares(value, prefix, number))
}

impl Ask {
    /// `name=value`
    fn text(&self) -> String {
        match self {
            Self::Token { name, not, codes, .. } => {
                format!("{name}{}={}", if *not { ":not" } else { "" }, codes.join(","))
            }
            Self::Missing { name, is, .. } => format!("{name}:missing={is}"),
            Self::Family { modifier, text } => format!("family{modifier}={text}"),
            Self::OfType { code, value } => format!("identifier:of-type={TYPES}|{code}|{value}"),
            Self::Profile { modifier, url } => format!("_profile{modifier}={url}"),
            Self::NotId(id) => format!("_id:not={id}"),
            Self::Words(text) => format!("code:text={text}"),
            Self::Quantity { prefix, number, unit } => format!("value-quantity={prefix}{}{unit}", decimal(*number)),
            Self::Both { name, code, prefix, number } => format!("{name}={code}${prefix}{}", decimal(*number)),
            Self::OfPatient(ask) => format!("patient.{}", ask.text()),
            Self::OfPractice(name) => format!("general-practitioner:Organization.name={name}"),
            Self::Observed(ask) => format!("_has:Observation:patient:{}", ask.text()),
        }
    }

    /// Whether a resource is as it is asked, for who sees these.
    fn holds(&self, kept: &Kept, seen: &[&Kept]) -> bool {
        let value = &kept.value;
        match self {
            Self::Token { path, not, codes, .. } => texts(value, path).iter().any(|text| codes.contains(text)) != *not,
            Self::Missing { path, is, .. } => at(value, path).is_empty() == *is,
            Self::Family { modifier, text } => texts(value, "name.family").iter().any(|family| match *modifier {
                ":exact" => family == text,
                ":contains" => folded(family).contains(&folded(text)),
                _ => folded(family).starts_with(&folded(text)),
            }),
            Self::OfType { code, value: sought } => at(value, "identifier").into_iter().any(|identifier| {
                identifier["value"] == *sought && texts(identifier, "type.coding.code").contains(code)
            }),
            Self::Profile { modifier, url } => texts(value, "meta.profile").iter().any(|profile| match *modifier {
                ":below" => profile == url || profile.starts_with(&format!("{url}/")),
                ":above" => profile == url || url.starts_with(&format!("{profile}/")),
                _ => profile == url,
            }),
            Self::NotId(id) => kept.id != *id,
            Self::Words(text) => ["code.text", "code.coding.display"]
                .iter()
                .flat_map(|path| texts(value, path))
                .any(|words| folded(words).starts_with(&folded(text))),
            Self::Quantity { prefix, number, unit } => {
                at(value, "valueQuantity").into_iter().any(|one| quantity_is(one, prefix, *number, unit))
            }
            Self::Both { name, code, prefix, number } => {
                let is_one = |one: &Value| {
                    let value = at(one, "valueQuantity");
                    texts(one, "code.coding.code").contains(code)
                        && value.into_iter().any(|value| quantity_is(value, prefix, *number, ""))
                };
                let components = || at(value, "component").into_iter().any(is_one);
                match *name {
                    "code-value-quantity" => is_one(value),
                    "component-code-value-quantity" => components(),
                    _ => is_one(value) || components(),
                }
            }
            Self::OfPatient(ask) => {
                let mut patients = seen.iter().filter(|other| other.resource_type == "Patient");
                let refers =
                    |other: &Kept| texts(value, "subject.reference").contains(&&*format!("Patient/{}", other.id));
                patients.any(|other| refers(other) && ask.holds(other, seen))
            }
            Self::OfPractice(name) => seen.iter().any(|other| {
                let address = format!("Organization/{}", other.id);
                other.resource_type == "Organization"
                    && texts(value, "generalPractitioner.reference").contains(&&*address)
                    && texts(&other.value, "name").iter().any(|found| folded(found).starts_with(&folded(name)))
            }),
            Self::Observed(ask) => {
                let address = format!("Patient/{}", kept.id);
                let mut observations = seen.iter().filter(|other| other.resource_type == "Observation");
                observations.any(|other| {
                    texts(&other.value, "subject.reference").contains(&&*address) && ask.holds(other, seen)
                })
            }
        }
    }
}

const CODES: [&str; 4] = ["weight", "height", "sys", "dia"];
const FAMILIES: [&str; 5] = ["Claes", "claes", "Çlaes", "De Smet", "de smet x"];
const PROFILES: [&str; 4] = ["http://p.example", "http://p.example/a", "http://p.example/a/b", "http://p.example/ab"];

fn maybe<T: Clone + std::fmt::Debug + 'static>(values: Vec<T>) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(0.7, select(values))
}

fn some_patient() -> impl Strategy<Value = Value> {
    let identifier = (select(vec!["1", "2"]), maybe(vec!["MR", "NI"])).prop_map(|(value, code)| match code {
        Some(code) => json!({"value": value, "type": {"coding": [{"system": TYPES, "code": code}]}}),
        None => json!({"value": value}),
    });
    let identifiers = prop::collection::vec(identifier, 0..3);
    let families = prop::collection::vec(select(FAMILIES.to_vec()), 0..3);
    (maybe(vec!["male", "female"]), families, identifiers, maybe(PROFILES.to_vec()), maybe(vec![0, 1, 2])).prop_map(
        |(gender, families, identifiers, profile, practice)| {
            let mut patient = json!({"resourceType": "Patient"});
            if let Some(gender) = gender {
                patient["gender"] = json!(gender);
            }
            if !families.is_empty() {
                patient["name"] = families.iter().map(|family| json!({"family": family})).collect();
            }
            if !identifiers.is_empty() {
                patient["identifier"] = json!(identifiers);
            }
            if let Some(profile) = profile {
                patient["meta"] = json!({"profile": [profile]});
            }
            if let Some(practice) = practice {
                patient["generalPractitioner"] = json!([{"reference": format!("Organization/o{practice}")}]);
            }
            patient
        },
    )
}

fn some_quantity() -> impl Strategy<Value = Value> {
    (select(vec![0, 95, 100, 105, 110, 540, 545, 10_000, 9_950, 10_050, -150]), 0..3).prop_map(|(hundredths, unit)| {
        let value: f64 = decimal((hundredths, 2)).parse().expect("a number");
        match unit {
            0 => json!({"value": value}),
            1 => json!({"value": value, "unit": "mg"}),
            _ => json!({"value": value, "unit": "milligram", "system": UNITS, "code": "mg"}),
        }
    })
}

fn some_observation() -> impl Strategy<Value = Value> {
    let valued = || {
        (select(CODES.to_vec()), prop::option::weighted(0.8, some_quantity())).prop_map(|(code, quantity)| {
            let words = if code == "sys" { "Çystolic" } else { code };
            let mut one = json!({"code": {"coding": [{"system": "c", "code": code, "display": words}]}});
            if let Some(quantity) = quantity {
                one["valueQuantity"] = quantity;
            }
            one
        })
    };
    (valued(), prop::collection::vec(valued(), 0..3), 0..10).prop_map(|(root, components, patient)| {
        let mut observation = root;
        observation["resourceType"] = json!("Observation");
        observation["subject"] = json!({"reference": format!("Patient/p{patient}")});
        if !components.is_empty() {
            observation["component"] = json!(components);
        }
        observation
    })
}

fn some_number() -> impl Strategy<Value = (i64, usize)> {
    prop_oneof![
        select(vec![(0, 0), (100, 0), (500, 0), (10_000, 0), (-200, 0)]),
        select(vec![(100, 1), (110, 1), (540, 1), (9_950, 1), (10_000, 1), (-150, 1)]),
        select(vec![(95, 2), (105, 2), (545, 2), (10_050, 2), (-150, 2)]),
    ]
}

fn some_prefix() -> impl Strategy<Value = &'static str> {
    select(vec!["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"])
}

fn about_patient() -> impl Strategy<Value = Ask> {
    let missing = select(vec![
        ("gender", "gender"),
        ("family", "name.family"),
        ("identifier", "identifier"),
        ("_profile", "meta.profile"),
        ("general-practitioner", "generalPractitioner"),
    ]);
    let genders = select(vec![vec!["male"], vec!["female"], vec!["male", "female"], vec!["other"]]);
    prop_oneof![
        (genders, any::<bool>()).prop_map(|(codes, not)| Ask::Token { name: "gender", path: "gender", not, codes }),
        (select(vec![vec!["1"], vec!["2"], vec!["1", "2"]]), any::<bool>()).prop_map(|(codes, not)| Ask::Token {
            name: "identifier",
            path: "identifier.value",
            not,
            codes
        }),
        (missing, any::<bool>()).prop_map(|((name, path), is)| Ask::Missing { name, path, is }),
        (
            select(vec!["", ":exact", ":contains"]),
            select(vec!["Claes", "claes", "çlaes", "smet", "De Smet", "e S", "%", "_"])
        )
            .prop_map(|(modifier, text)| Ask::Family { modifier, text }),
        (select(vec!["MR", "NI"]), select(vec!["1", "2"])).prop_map(|(code, value)| Ask::OfType { code, value }),
        (select(vec!["", ":below", ":above"]), select(PROFILES.to_vec()))
            .prop_map(|(modifier, url)| Ask::Profile { modifier, url }),
        (0..10).prop_map(|n| Ask::NotId(format!("p{n}"))),
        select(vec!["Practice 0", "prac", "other"]).prop_map(Ask::OfPractice),
    ]
}

fn about_observation() -> impl Strategy<Value = Ask> {
    let names = select(vec!["code-value-quantity", "component-code-value-quantity", "combo-code-value-quantity"]);
    let units = select(vec!["", "||mg", "|http://units.example|mg"]);
    prop_oneof![
        (select(vec![vec!["weight"], vec!["sys", "dia"]]), any::<bool>()).prop_map(|(codes, not)| Ask::Token {
            name: "code",
            path: "code.coding.code",
            not,
            codes
        }),
        (select(vec![("value-quantity", "valueQuantity"), ("component-code", "component.code")]), any::<bool>())
            .prop_map(|((name, path), is)| Ask::Missing { name, path, is }),
        select(vec!["çyst", "WEI", "eight"]).prop_map(Ask::Words),
        (some_prefix(), some_number(), units).prop_map(|(prefix, number, unit)| Ask::Quantity { prefix, number, unit }),
        (names, select(CODES.to_vec()), some_prefix(), some_number())
            .prop_map(|(name, code, prefix, number)| Ask::Both { name, code, prefix, number }),
    ]
}

/// A question about a type, of one criterion to three.
fn question() -> impl Strategy<Value = (&'static str, Vec<Ask>)> {
    let observed = about_observation().prop_map(|ask| Ask::Observed(Box::new(ask)));
    let of_patient = about_patient().prop_map(|ask| Ask::OfPatient(Box::new(ask)));
    let observed_of_patient = about_patient().prop_map(|ask| Ask::Observed(Box::new(Ask::OfPatient(Box::new(ask)))));
    let patients = prop_oneof![4 => about_patient(), 1 => observed, 1 => observed_of_patient];
    let of_observed = about_observation().prop_map(|ask| Ask::OfPatient(Box::new(Ask::Observed(Box::new(ask)))));
    let observations = prop_oneof![3 => about_observation(), 1 => of_patient, 1 => of_observed];
    prop_oneof![
        prop::collection::vec(patients, 1..4).prop_map(|asks| ("Patient", asks)),
        prop::collection::vec(observations, 1..4).prop_map(|asks| ("Observation", asks)),
    ]
}

/// Ten Patients, of which `a` holds seven and `b` three, forty Observations of them, and three Organizations of the directory.
async fn fill(store: &Store, runner: &mut TestRunner) -> Vec<Kept> {
    let mut all: Vec<Kept> = Vec::new();
    for n in 0..3 {
        let value = json!({"resourceType": "Organization", "name": format!("Practice {n}")});
        all.push(Kept { resource_type: "Organization", id: format!("o{n}"), record: None, value });
    }
    for n in 0..10 {
        let value = some_patient().new_tree(runner).expect("one can be made").current();
        all.push(Kept { resource_type: "Patient", id: format!("p{n}"), record: Some(format!("p{n}")), value });
    }
    for n in 0..40 {
        let value = some_observation().new_tree(runner).expect("one can be made").current();
        let record = value["subject"]["reference"].as_str().and_then(|text| text.split('/').nth(1)).map(str::to_owned);
        all.push(Kept { resource_type: "Observation", id: format!("x{n:02}"), record, value });
    }
    let versions = |record: Option<&str>| -> Vec<NewVersion> {
        let of_record = all.iter().filter(|kept| kept.record.as_deref() == record);
        let compartment = record.unwrap_or("directory");
        of_record.map(|kept| first(key(compartment, kept.resource_type, &kept.id), &kept.value)).collect()
    };
    let mut directory = WriteSet::default();
    for version in versions(None) {
        put(&mut directory, version);
    }
    store.apply(directory).await.expect("new");
    for n in 0..10 {
        let record = format!("p{n}");
        store.apply(beginning(&record, holder(&record), versions(Some(&record)))).await.expect("new");
    }
    all
}

fn holder(record: &str) -> &'static str {
    if ["p2", "p5", "p8"].contains(&record) { "b" } else { "a" }
}

#[tokio::test]
async fn what_is_found_is_what_is_plainly_asked_of_what_is_seen() {
    for (kind, _, store) in stores().await {
        let mut runner = TestRunner::deterministic();
        let all = fill(&store, &mut runner).await;
        let (mut finds, questions) = (0, cases("WELLGATE_CRITERIA", 20));
        for _ in 0..questions {
            let (resource_type, asks) = question().new_tree(&mut runner).expect("a question can be made").current();
            let text: Vec<String> = asks.iter().map(Ask::text).collect();
            let text = text.join("&");
            for who in ["a", "b", "c"] {
                let is_seen = |kept: &&Kept| kept.record.as_deref().is_none_or(|record| holder(record) == who);
                let seen: Vec<&Kept> = all.iter().filter(is_seen).collect();
                let meant = seen.iter().filter(|kept| kept.resource_type == resource_type);
                let meant = meant.filter(|kept| asks.iter().all(|ask| ask.holds(kept, &seen)));
                let meant: Vec<String> = meant.map(|kept| kept.id.clone()).collect();
                finds += meant.len();
                let found = found(&store, &viewer(who), resource_type, &text).await;
                assert_eq!(found, meant, "{kind}: {who} asks {resource_type}?{text}");
            }
        }
        assert!(finds > questions, "{kind}: the questions find something: {finds}");
    }
}

/// The Tasks that a viewer finds by one of these queries.
async fn found_by_one(store: &Store, who: &str, queries: &[&str]) -> Vec<String> {
    let values = Values::Alternatives(queries.iter().map(|text| query("Task", text).criteria).collect());
    let criteria = vec![Criterion { parameter: "_scope", values }];
    ids(&search(store, &viewer(who), "Task", &Query { criteria, ..query("Task", "") }).await)
}

#[tokio::test]
async fn what_is_not_there_is_asked_of_what_is_seen_of_a_minimum() {
    for (kind, _, store) in stores().await {
        // Of each Task `b` sees the minimum: the whole has a code, the minimum another or none.
        let rows = [
            vec![(row("code", "", "whole"), 1), (row("code", "", "shown"), 2)],
            vec![(row("code", "", "whole"), 1)],
            vec![(row("code", "", "both"), 3), (row("patient", "", "Patient/r"), 1)],
        ];
        let person = first(key("r", "Patient", "r"), &json!({"resourceType": "Patient", "gender": "male"}));
        let mut set = beginning("r", "a", vec![person]);
        for (n, rows) in rows.into_iter().enumerate() {
            let task = key("r", "Task", &n.to_string());
            let minimum = Some("minimum".to_owned());
            put(&mut set, NewVersion { body: "whole".to_owned(), minimum, ..indexed(task.clone(), rows) });
            set.sights.push(Sight { key: task, grantee: "organization/b".to_owned(), requires_consent: false });
        }
        store.apply(set).await.expect("new");
        for (text, by_a, by_b) in [
            ("code:not=whole", vec!["2"], vec!["0", "1", "2"]),
            ("code:not=shown", vec!["0", "1", "2"], vec!["1", "2"]),
            ("code:not=both", vec!["0", "1"], vec!["0", "1"]),
            ("code:missing=true", vec![], vec!["1"]),
            ("code:missing=false", vec!["0", "1", "2"], vec!["0", "2"]),
            ("patient:missing=true", vec!["0", "1"], vec!["0", "1", "2"]),
            ("patient:missing=false", vec!["2"], vec![]),
            ("patient.gender=male", vec!["2"], vec![]),
        ] {
            assert_eq!(found(&store, &viewer("a"), "Task", text).await, by_a, "{kind}: a {text}");
            assert_eq!(found(&store, &viewer("b"), "Task", text).await, by_b, "{kind}: b {text}");
        }
        // The same where one of several lists of criteria must hold, as of a token that is restricted to them.
        for (lists, by_a, by_b) in [
            (vec!["code=whole"], vec!["0", "1"], vec![]),
            (vec!["code=shown"], vec![], vec!["0"]),
            (vec!["code=whole", "code=both"], vec!["0", "1", "2"], vec!["2"]),
            (vec!["code=whole&code=shown", "code=shown&code=both"], vec![], vec![]),
            (vec!["code=whole&_tag=x", "code=shown"], vec![], vec!["0"]),
        ] {
            assert_eq!(found_by_one(&store, "a", &lists).await, by_a, "{kind}: a {lists:?}");
            assert_eq!(found_by_one(&store, "b", &lists).await, by_b, "{kind}: b {lists:?}");
        }
        for (text, finds) in [("code=whole", true), ("code=shown", false), ("code:not=both", true)] {
            let text = format!("_has:Task:patient:{text}");
            // The one Task that refers to the Patient is of another code.
            assert!(found(&store, &viewer("a"), "Patient", &text).await.is_empty() || !finds, "{kind}: {text}");
            assert!(found(&store, &viewer("b"), "Patient", &text).await.is_empty(), "{kind}: {text}");
        }
        assert_eq!(found(&store, &viewer("a"), "Patient", "_has:Task:patient:code=both").await, ["r"], "{kind}");
        assert!(found(&store, &viewer("b"), "Patient", "_has:Task:patient:code=both").await.is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn many_values_that_are_asked_of_a_minimum_too_are_bound_once() {
    for (kind, _, store) in stores().await {
        let codes: Vec<String> = (0..99).map(|n| format!("c{n}")).chain(["shown".to_owned()]).collect();
        let mut criterion = query("Task", &format!("code={}", codes.join(","))).criteria.remove(0);
        // As many as a value set may have.
        let Values::Token(tokens) = &mut criterion.values else { panic!("codes are tokens") };
        *tokens = vec![tokens.clone(); 5].concat();
        // More than half of what SQLite takes in a statement.
        let criteria = vec![criterion; 34];
        let task = key("r", "Task", "t");
        let mut set = beginning("r", "a", vec![]);
        let minimum = Some("minimum".to_owned());
        put(&mut set, NewVersion { minimum, ..indexed(task.clone(), vec![(row("code", "", "shown"), 2)]) });
        set.sights.push(Sight { key: task, grantee: "organization/b".to_owned(), requires_consent: false });
        store.apply(set).await.expect("new");
        let asked = Query { criteria, ..query("Task", "") };
        for (who, finds) in [("a", false), ("b", true)] {
            let seen = ids(&search(&store, &viewer(who), "Task", &asked).await);
            assert_eq!(seen == ["t"], finds, "{kind}: {who} finds {seen:?}");
        }
    }
}

#[tokio::test]
async fn an_order_by_numbers_is_that_of_numbers() {
    for (kind, _, store) in stores().await {
        let observation = |(n, value): (usize, &Option<f64>)| {
            let mut one = json!({"resourceType": "Observation"});
            if let Some(value) = value {
                one["valueQuantity"] = json!({"value": value});
            }
            first(key("r", "Observation", &n.to_string()), &one)
        };
        let values = [Some(9.5), Some(10.0), None, Some(-1.0), Some(-20.5), Some(0.0)];
        let versions = values.iter().enumerate().map(observation).collect();
        store.apply(beginning("r", "a", versions)).await.expect("new");
        let order = found(&store, &viewer("a"), "Observation", "_sort=value-quantity").await;
        assert_eq!(order, ["4", "3", "5", "0", "1", "2"], "{kind}");
        let order = found(&store, &viewer("a"), "Observation", "_sort=-value-quantity").await;
        assert_eq!(order, ["1", "0", "5", "3", "4", "2"], "{kind}: what has none is last");
    }
}
