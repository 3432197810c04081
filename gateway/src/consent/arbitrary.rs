//! Random Consents as FHIR JSON, random requests and moments: a small world, so that they meet often.
//!
//! For property tests here and, with the feature `testing`, for those that hold the SQL join to [`evaluate`](super::evaluate).

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use super::arbitrary_about::about;
pub use super::arbitrary_about::{NAMED, Subject, plain, subject};
use super::decide::Request;
use super::grantee::{ActorReference, Grantee, ORGANIZATION_KIND_SYSTEM};
use super::period::Period;
use super::provision::{Consent, ConsentId};
use super::purpose::{PURPOSE_SYSTEM, Purpose};
use super::reader::read;
use super::team::{Identities, TeamRow, Teams};

const PURPOSES: [&str; 3] = ["TREAT", "BTG", "HRESCH"];
/// The days of January 2026 on which periods begin and end.
const DAYS: std::ops::RangeInclusive<i64> = 1..=6;
/// 2026-01-01T00:00:00Z.
pub(super) const FIRST_DAY_MS: i64 = 1_767_225_600_000;
pub(super) const DAY_MS: i64 = 86_400_000;

/// The types that the provisions of a random Consent may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Types {
    /// Both, and a root without a type.
    Mixed,
    /// `permit` everywhere.
    OnlyPermits,
    /// `deny` everywhere.
    OnlyDenies,
}

/// Who asks and what for, owned.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The caller's identities.
    pub grantees: Vec<Grantee>,
    /// Teams of an earlier custodian that the caller is in.
    pub former_teams: Vec<Grantee>,
    /// The purpose.
    pub purpose: Purpose,
}

impl Caller {
    /// The request of this caller.
    pub fn request(&self) -> Request<'_> {
        Request { grantees: &self.grantees, former_teams: &self.former_teams, purpose: self.purpose }
    }

    /// The same caller in the teams that they are in at a moment, among those that a record's Consents may name.
    #[must_use]
    pub fn in_teams(mut self, teams: &Teams, at_ms: i64) -> Self {
        Identities { grantees: self.grantees, former_teams: self.former_teams } =
            teams.identities(self.grantees, at_ms);
        self
    }
}

/// The record of this small world, its custodian, and the organisation that held it before.
pub const RECORD: &str = "r";
/// The custodian.
pub const CUSTODIAN: &str = "organization/custodian";
/// Whoever held the record before: its Group lets nobody in any more.
pub const FORMER_CUSTODIAN: &str = "organization/former";

/// The teams of this small world: a CareTeam `t` of the record, the custodian's Group `g`, and a Group `f` of whoever held the
/// record before; members for always or for some days.
pub fn teams() -> impl Strategy<Value = Teams> {
    let places = select(vec![
        (RECORD, Grantee::care_team("t")),
        (CUSTODIAN, Grantee::group("g")),
        (FORMER_CUSTODIAN, Grantee::group("f")),
    ]);
    let members = select(vec![
        Grantee::practitioner("p"),
        Grantee::practitioner("q"),
        Grantee::organization("a"),
        Grantee::organization("b"),
    ]);
    let period = prop_oneof![
        Just(Period::ALWAYS),
        (DAYS, DAYS).prop_map(|(from, until)| Period {
            from_ms: FIRST_DAY_MS + (from - 1) * DAY_MS,
            until_ms: FIRST_DAY_MS + until * DAY_MS,
        }),
    ];
    prop::collection::vec((places, members, period), 0..12).prop_map(|rows| {
        let row = |((compartment, team), member, period): ((&str, Grantee), Grantee, Period)| TeamRow {
            compartment: compartment.to_owned(),
            team,
            member,
            period,
        };
        Teams { record: RECORD.to_owned(), custodian: CUSTODIAN.to_owned(), rows: rows.into_iter().map(row).collect() }
    })
}

/// The registration of this small world: organisations `a` and `b`, practitioners `p` and `q`, the kinds `elp` and `cgg`, a
/// CareTeam `t` and the Groups `g` and `f`.
pub fn registered(actor: &ActorReference) -> Option<Grantee> {
    match *actor {
        ActorReference::Organization(id) if ["a", "b"].contains(&id) => Some(Grantee::organization(id)),
        ActorReference::Identifier { system: ORGANIZATION_KIND_SYSTEM, value } if ["elp", "cgg"].contains(&value) => {
            Some(Grantee::kind(value))
        }
        ActorReference::Practitioner(id) | ActorReference::PractitionerRole(id) if ["p", "q"].contains(&id) => {
            Some(Grantee::practitioner(id))
        }
        ActorReference::CareTeam("t") => Some(Grantee::care_team("t")),
        ActorReference::Group(id) if ["g", "f"].contains(&id) => Some(Grantee::group(id)),
        _ => None,
    }
}

/// A caller: one organisation with its kind, and sometimes a practitioner.
pub fn caller() -> impl Strategy<Value = Caller> {
    let organization = select(vec![("a", "elp"), ("b", "cgg")]);
    let practitioner = proptest::option::of(select(vec!["p", "q"]));
    (organization, practitioner, select(PURPOSES.to_vec())).prop_filter_map("known", |((id, kind), person, code)| {
        let mut grantees = vec![Grantee::organization(id), Grantee::kind(kind)];
        grantees.extend(person.map(Grantee::practitioner));
        Some(Caller { grantees, former_teams: Vec::new(), purpose: Purpose::from_code(code)? })
    })
}

/// A moment around the days on which periods begin and end, often exactly on such a day's first or last millisecond.
pub fn moment() -> impl Strategy<Value = i64> {
    let offset = prop_oneof![Just(0), Just(-1), 0..DAY_MS];
    (0i64..9, offset).prop_map(|(day, offset)| FIRST_DAY_MS + (day - 1) * DAY_MS + offset)
}

/// An active Consent that is read without issues; its JSON and what was read from it.
pub fn active_consent(types: Types) -> impl Strategy<Value = (Value, Consent)> {
    consent_of_status(Just("active").boxed(), types)
}

/// A Consent, mostly active, that is read without issues; its JSON and what was read from it.
pub fn consent(types: Types) -> impl Strategy<Value = (Value, Consent)> {
    let status = prop_oneof![6 => Just("active"), 2 => Just("inactive"), 1 => Just("draft"), 1 => Just("rejected")];
    consent_of_status(status.boxed(), types)
}

fn consent_of_status(status: BoxedStrategy<&'static str>, types: Types) -> impl Strategy<Value = (Value, Consent)> {
    let id = "[a-z]{8}";
    (id, status, root(types)).prop_filter_map("read without issues", |(id, status, provision)| {
        let consent = json!({
            "resourceType": "Consent",
            "id": id,
            "status": status,
            "scope": {"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/consentscope",
                "code": "patient-privacy",
            }]},
            "patient": {"reference": "Patient/1"},
            "dateTime": "2026-01-01",
            "provision": provision,
        });
        let read = read(ConsentId(id), &consent, &registered).ok()?;
        Some((consent, read))
    })
}

fn root(types: Types) -> impl Strategy<Value = Value> {
    let with_type = (provision(type_of(types)), nested(types)).prop_map(with_nested);
    if types != Types::Mixed {
        return with_type.boxed();
    }
    let without_type = proptest::option::of(period()).prop_map(|period| Value::Object(member("period", period)));
    prop_oneof![4 => with_type, 1 => (without_type, nested(types)).prop_map(with_nested)].boxed()
}

fn with_nested((mut root, nested): (Value, Vec<Value>)) -> Value {
    if let Some(members) = root.as_object_mut().filter(|_| !nested.is_empty()) {
        members.insert("provision".to_owned(), Value::Array(nested));
    }
    root
}

fn nested(types: Types) -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(provision(type_of(types)), 0..4)
}

fn type_of(types: Types) -> BoxedStrategy<&'static str> {
    match types {
        Types::Mixed => select(vec!["permit", "deny"]).boxed(),
        Types::OnlyPermits => Just("permit").boxed(),
        Types::OnlyDenies => Just("deny").boxed(),
    }
}

fn provision(provision_type: BoxedStrategy<&'static str>) -> impl Strategy<Value = Value> {
    let actors = proptest::option::of(subsequence(actors(), 1..=2));
    let purposes = proptest::option::of(subsequence(PURPOSES.to_vec(), 1..=2));
    let period = prop_oneof![2 => Just(None), 1 => period().prop_map(Some)];
    let about = prop_oneof![2 => Just(Map::new()), 1 => about()];
    (provision_type, actors, purposes, period, about).prop_map(|(provision_type, actors, purposes, period, about)| {
        let purposes = purposes.map(|codes| {
            Value::Array(codes.iter().map(|code| json!({"system": PURPOSE_SYSTEM, "code": code})).collect())
        });
        let mut members = member("type", Some(json!(provision_type)));
        members.extend(member("actor", actors.map(Value::Array)));
        members.extend(member("purpose", purposes));
        members.extend(member("period", period));
        members.extend(about);
        Value::Object(members)
    })
}

fn actors() -> Vec<Value> {
    let kind = |code| json!({"identifier": {"system": ORGANIZATION_KIND_SYSTEM, "value": code}});
    let literal = |reference| json!({"reference": reference});
    [
        literal("Organization/a"),
        literal("Organization/b"),
        literal("Practitioner/p"),
        literal("Practitioner/q"),
        literal("PractitionerRole/q"),
        literal("CareTeam/t"),
        literal("Group/g"),
        literal("Group/f"),
        kind("elp"),
        kind("cgg"),
    ]
    .into_iter()
    .map(|reference| {
        let system = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
        json!({"role": {"coding": [{"system": system, "code": "IRCP"}]}, "reference": reference})
    })
    .collect()
}

pub(super) fn period() -> impl Strategy<Value = Value> {
    let side = || proptest::option::of(DAYS);
    (side(), side()).prop_filter_map("a start or an end, in order", |(start, end)| {
        let is_reversed = start.zip(end).is_some_and(|(start, end)| start > end);
        if is_reversed || (start.is_none() && end.is_none()) {
            return None;
        }
        let date = |day: i64| json!(format!("2026-01-{day:02}"));
        let mut members = member("start", start.map(date));
        members.extend(member("end", end.map(date)));
        Some(Value::Object(members))
    })
}

pub(super) fn member(name: &str, value: Option<Value>) -> Map<String, Value> {
    value.map(|value| (name.to_owned(), value)).into_iter().collect()
}
