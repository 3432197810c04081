//! Random resources of the small world of `arbitrary.rs`, and what its provisions say about them.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use crate::labels::{DataPeriod, Facts, Label, LabelSet, ResourceFacts};

use super::arbitrary::{DAY_MS, FIRST_DAY_MS, member, period};

/// The resources that provisions name in `data`.
pub const NAMED: [&str; 2] = ["Encounter/e", "Observation/o"];
const AUTHORS: [&str; 2] = ["Practitioner/p", "Organization/a"];
const LABELS: [&str; 6] = ["N", "R", "PSY", "ETH", "ETHUD", "V"];
const TYPES: [&str; 3] = ["Observation", "Encounter", "Patient"];

/// A resource of a record, with two versions of it: what a decision is about, now and before.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The current version.
    pub now: ResourceFacts,
    /// The version before.
    pub before: ResourceFacts,
}

/// A resource: one that provisions name, one of the same type, or another.
pub fn subject() -> impl Strategy<Value = Subject> {
    let identity = select(vec![
        ("Observation", "o"),
        ("Observation", "x"),
        ("Encounter", "e"),
        ("Condition", "x"),
        ("Patient", "1"),
    ]);
    (identity, said(), said(), referring()).prop_map(|((resource_type, id), now, before, (by, perhaps))| {
        let itself = format!("{resource_type}/{id}");
        let others = |names: &[&str]| -> Vec<String> {
            names.iter().filter(|name| **name != itself).map(|name| (*name).to_owned()).collect()
        };
        let version = |said: &Said| ResourceFacts {
            resource_type: resource_type.to_owned(),
            id: id.to_owned(),
            labels: said.labels,
            data: said.data,
            atoms: if said.is_known { atoms(&itself, said) } else { String::new() },
            referred_by: others(&by),
            perhaps_referred_by: others(&perhaps),
        };
        Subject { now: version(&now), before: version(&before) }
    })
}

/// A resource that nothing special is about.
pub fn plain() -> ResourceFacts {
    ResourceFacts {
        resource_type: "Observation".to_owned(),
        id: "x".to_owned(),
        labels: LabelSet::NONE.of_resource(),
        data: DataPeriod { from_ms: FIRST_DAY_MS, until_ms: FIRST_DAY_MS + 1 },
        atoms: ",instance|Observation/x,".to_owned(),
        referred_by: Vec::new(),
        perhaps_referred_by: Vec::new(),
    }
}

#[derive(Clone, Debug)]
struct Said {
    labels: LabelSet,
    data: DataPeriod,
    refers: Vec<&'static str>,
    by: Vec<&'static str>,
    is_known: bool,
}

fn said() -> impl Strategy<Value = Said> {
    let labels = subsequence(LABELS.to_vec(), 0..=2).prop_map(|codes| set(&codes).of_resource());
    let labels = prop_oneof![12 => labels, 1 => Just(LabelSet::EVERY)];
    let refers = subsequence(NAMED.to_vec(), 0..=2);
    let by = subsequence(AUTHORS.to_vec(), 0..=2);
    let known = (labels, days(), refers, by).prop_map(|(labels, data, refers, by)| Said {
        labels,
        data,
        refers,
        by,
        is_known: true,
    });
    let unknown = Facts::UNKNOWN;
    let (labels, data) = (unknown.labels, unknown.data);
    let unknown = Said { labels, data, refers: Vec::new(), by: Vec::new(), is_known: false };
    prop_oneof![15 => known, 1 => Just(unknown)]
}

/// A few days, often exactly those of a period; sometimes open.
fn days() -> impl Strategy<Value = DataPeriod> {
    let start = |day: i64| FIRST_DAY_MS + (day - 1) * DAY_MS;
    (0_i64..8, 0_i64..3, 0_i64..12).prop_map(move |(day, more, open)| DataPeriod {
        from_ms: if open == 0 { i64::MIN } else { start(day) },
        until_ms: if open == 1 { i64::MAX } else { start(day + more) + 1 + (open % 2) * (DAY_MS - 1) },
    })
}

fn referring() -> impl Strategy<Value = (Vec<&'static str>, Vec<&'static str>)> {
    subsequence(NAMED.to_vec(), 0..=2).prop_flat_map(|all| {
        let n = all.len();
        (0..=n, 0..8).prop_map(move |(known, odd)| {
            let known = if odd == 0 { known } else { n };
            (all[..known].to_vec(), all[known..].to_vec())
        })
    })
}

fn atoms(itself: &str, said: &Said) -> String {
    let refers = said.refers.iter().filter(|name| **name != itself).map(|name| format!("refers|{name},"));
    let by = said.by.iter().map(|name| format!("by|{name},"));
    std::iter::once(format!(",instance|{itself},")).chain(refers).chain(by).collect()
}

fn set(codes: &[&str]) -> LabelSet {
    codes.iter().filter_map(|code| Label::from_code(code)).fold(LabelSet::NONE, LabelSet::with)
}

/// What a provision says about data: mostly nothing, so that provisions meet often.
pub(super) fn about() -> impl Strategy<Value = Map<String, Value>> {
    let seldom = |strategy: BoxedStrategy<Value>| prop_oneof![5 => Just(None), 1 => strategy.prop_map(Some)];
    let labels = subsequence(LABELS.to_vec(), 1..=3).prop_map(|codes| codes.iter().map(|code| coding(code)).collect());
    let class = subsequence(TYPES.to_vec(), 1..=2).prop_map(|types| {
        types.iter().map(|code| json!({"system": "http://hl7.org/fhir/resource-types", "code": code})).collect()
    });
    let data = prop::collection::vec(data(), 1..=2).prop_map(Value::Array);
    let actions = select(vec!["access", "access", "access", "use", "disclose", "collect"]).prop_map(
        |code| json!([{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": code}]}]),
    );
    let all = (
        seldom(labels.boxed()),
        seldom(class.boxed()),
        seldom(period().boxed()),
        seldom(data.boxed()),
        prop_oneof![10 => Just(None), 1 => actions.prop_map(Some)],
    );
    all.prop_map(|(labels, class, data_period, data, action)| {
        let mut members = member("securityLabel", labels);
        members.extend(member("class", class));
        members.extend(member("dataPeriod", data_period));
        members.extend(member("data", data));
        members.extend(member("action", action));
        members
    })
}

fn coding(code: &str) -> Value {
    let system = Label::from_code(code).map(Label::system);
    json!({"system": system, "code": code})
}

fn data() -> impl Strategy<Value = Value> {
    let of_resource = (select(vec!["instance", "related", "dependents"]), select(NAMED.to_vec()));
    let of_author = (Just("authoredby"), select(AUTHORS.to_vec()));
    prop_oneof![3 => of_resource, 1 => of_author]
        .prop_map(|(meaning, reference)| json!({"meaning": meaning, "reference": {"reference": reference}}))
}
