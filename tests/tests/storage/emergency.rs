//! Emergency sessions: what they open is what the rule says, and who may look them up. What third parties were told.

use gateway::audit::{AuditEvent, Outcome};
use gateway::consent::arbitrary::{Caller, caller, moment, plain};
use gateway::consent::{
    Consent, Decision, EmergencySession, Grantee, LawRule, Permit, Purpose, PurposeSet, Standing, decide,
    without_consent,
};
use gateway::search::parameters::type_name;
use gateway::storage::crisis::Disclosure;
use gateway::storage::emergency::{Session, SessionFilter, SessionSeen, SessionStatus, Verdict, purpose_of};
use gateway::storage::sight::{Level, Viewer};
use gateway::storage::write_set::{Closure, NewVersion, WriteSet};
use gateway::storage::{StorageError, Store};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

use crate::consent_join::{consents, facts_of_case, key_of, of_case, put_grants, stored, viewer_of};
use crate::world::{NOW_MS, beginning, cases, event, first, found, key, put, read, recorded, set, stores, viewer};

const HOUR_MS: i64 = 60 * 60 * 1_000;

pub(crate) fn permit() -> Permit {
    without_consent(Standing::Law { rule: LawRule("test") }).expect("a named rule needs no consent")
}

fn purpose(code: &str) -> Purpose {
    Purpose::from_code(code).expect("a purpose")
}

/// A session of practitioner `p` of organisation `b`, four hours from now.
pub(crate) fn session(compartment: &str, id: &str) -> Session {
    Session {
        compartment: compartment.to_owned(),
        id: id.to_owned(),
        organization: "organization/b".to_owned(),
        practitioner: "practitioner/p".to_owned(),
        client: "b-ehr".to_owned(),
        purpose: PurposeSet::NONE.with(purpose("BTG")).bits(),
        reason: "TEST-REASON".to_owned(),
        from_ms: NOW_MS,
        until_ms: NOW_MS + 4 * HOUR_MS,
    }
}

/// What organisation `a` told the police.
pub(crate) fn disclosure(compartment: &str, id: &str) -> Disclosure {
    Disclosure {
        compartment: compartment.to_owned(),
        id: id.to_owned(),
        organization: "organization/a".to_owned(),
        practitioner: String::new(),
        client: "a-ehr".to_owned(),
        recipient: "TEST-POLICE".to_owned(),
        conflict: "TEST-1".to_owned(),
        proportionality: "TEST-2".to_owned(),
        subsidiarity: "TEST-3".to_owned(),
        shared: "[]".to_owned(),
        recorded_ms: NOW_MS,
    }
}

fn opening(mut set: WriteSet, sessions: Vec<Session>) -> WriteSet {
    for session in sessions {
        set.open(&permit(), session);
    }
    set
}

/// Practitioner `p` of organisation `b`, in treatment.
fn practitioner() -> Viewer {
    Viewer { practitioner: "practitioner/p".to_owned(), ..viewer("b") }
}

/// Record `r`, held by `a`, with a Patient, a Consent and a Task that has a minimum.
async fn record(store: &Store) {
    let resource = |resource_type: &str, id: &str| first(key("r", resource_type, id), &json!({"id": id}));
    let mut set = beginning("r", "a", vec![resource("Patient", "r"), resource("Consent", "c")]);
    let mut task = resource("Task", "t");
    task.minimum = Some("{}".to_owned());
    put(&mut set, task);
    store.apply(set).await.expect("new");
}

fn random_session() -> impl Strategy<Value = EmergencySession> {
    let who = (prop::sample::select(vec!["a", "b"]), prop::sample::select(vec!["p", "q"]));
    let codes = prop::sample::select(vec!["BTG", "ETREAT"]);
    let hours = prop::sample::select(vec![1_i64, 24, 96]);
    (who, codes, moment(), hours, prop::bool::weighted(0.2)).prop_map(
        |((organization, practitioner), code, from_ms, hours, is_ended)| EmergencySession {
            organization: Grantee::organization(organization),
            practitioner: Grantee::practitioner(practitioner),
            purpose: purpose(code),
            from_ms,
            until_ms: from_ms + hours * HOUR_MS,
            is_ended,
        },
    )
}

/// Who asks and when: often the practitioner of a session, about when it begins or ends.
fn question() -> impl Strategy<Value = (Caller, i64, Option<(prop::sample::Index, i64)>)> {
    let near = prop::sample::select(vec![-1_i64, 0, 1, HOUR_MS - 1, HOUR_MS, 24 * HOUR_MS - 1, 24 * HOUR_MS]);
    (caller(), moment(), proptest::option::weighted(0.7, (any::<prop::sample::Index>(), near)))
}

fn asked(
    sessions: &[EmergencySession],
    (caller, at_ms, near): (Caller, i64, Option<(prop::sample::Index, i64)>),
) -> (Caller, i64) {
    match near {
        Some((index, offset)) if !sessions.is_empty() => {
            let session = index.get(sessions);
            let kind = if session.organization == Grantee::organization("a") { "elp" } else { "cgg" };
            let grantees = vec![session.organization.clone(), Grantee::kind(kind), session.practitioner.clone()];
            (Caller { grantees, former_teams: Vec::new(), purpose: Purpose::TREATMENT }, session.from_ms + offset)
        }
        _ => (caller, at_ms),
    }
}

/// A record that nobody of the random world holds, under these Consents and sessions.
async fn world(store: &Store, id: &str, consents: &[Consent], sessions: &[EmergencySession], is_closed: bool) {
    let facts = facts_of_case(plain(), id);
    let seen = NewVersion {
        facts: stored(&facts),
        ..first(key_of(&facts, id), &json!({"resourceType": facts.resource_type}))
    };
    let consent = first(key(id, "Consent", &format!("c{id}")), &json!({"resourceType": "Consent"}));
    let mut set = beginning(id, "custodian", vec![seen, consent]);
    for consent in consents {
        put_grants(&mut set, id, consent);
    }
    for (n, one) in sessions.iter().enumerate() {
        let kept = Session {
            organization: one.organization.to_string(),
            practitioner: one.practitioner.to_string(),
            purpose: PurposeSet::NONE.with(one.purpose).bits(),
            from_ms: one.from_ms,
            until_ms: one.until_ms,
            ..session(id, &format!("{id}-{n}"))
        };
        set.ended_sessions.extend(one.is_ended.then(|| (id.to_owned(), kept.id.clone(), one.from_ms)));
        set.open(&permit(), kept);
    }
    if is_closed {
        let (compartment, grantee) = (id.to_owned(), "organization/a".to_owned());
        set.closures.push(Closure { compartment, grantee, cause: "release".to_owned(), since_ms: 0 });
    }
    store.apply(set).await.expect("new");
}

#[tokio::test]
async fn the_join_opens_in_an_emergency_exactly_what_the_rule_opens() {
    for (kind, _, store) in stores().await {
        let (variable, usually) =
            if kind == "sqlite" { ("WELLGATE_CONSENTS", 200) } else { ("WELLGATE_CONSENTS_PG", 100) };
        // The same world on both, and at every run.
        let mut runner =
            TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[9; 32]));
        let sessions = prop::collection::vec(random_session(), 0..4);
        let worlds = (consents(), sessions, prop::collection::vec(question(), 6), any::<bool>());
        let (mut opened, mut refused) = (0, 0);
        for case in 0..cases(variable, usually) {
            let id = format!("{case:05}");
            let (consents, sessions, questions, is_closed) =
                worlds.new_tree(&mut runner).expect("a world can be made").current();
            let consents: Vec<_> = consents.into_iter().map(|consent| of_case(consent, &id)).collect();
            let facts = facts_of_case(plain(), &id);
            let resource_type = type_name(&facts.resource_type).expect("a type of R4");
            world(&store, &id, &consents, &sessions, is_closed).await;
            for (n, question) in questions.into_iter().enumerate() {
                let (caller, at_ms) = asked(&sessions, question);
                let request = caller.request();
                let is_shut = is_closed && caller.grantees.contains(&Grantee::organization("a"));
                let is_permitted = !is_shut && matches!(decide(request, &facts, &consents, at_ms), Decision::Permit(_));
                let is_opened = sessions.iter().any(|session| session.opens(request, &facts, &consents, at_ms));
                let expected = match (is_permitted, is_opened) {
                    (true, _) => Some(Level::Permitted),
                    (false, true) => Some(Level::Emergency),
                    (false, false) => None,
                };
                let viewer = viewer_of(&caller, at_ms);
                let seen = read(&store, viewer.clone(), resource_type, &facts.id).await.map(|seen| seen.level);
                assert_eq!(seen, expected, "{kind} {case}: {caller:?} at {at_ms}: {sessions:#?} {consents:#?}");
                if n == 0 {
                    let by_search = found(&store, &viewer, resource_type, &format!("_id={}", facts.id)).await;
                    assert_eq!(!by_search.is_empty(), expected.is_some(), "{kind} {case}: search");
                    let consents = found(&store, &viewer, "Consent", &format!("_id=c{id}")).await;
                    assert!(consents.is_empty(), "{kind} {case}: the Consent itself");
                }
                opened += usize::from(expected == Some(Level::Emergency));
                refused += usize::from(expected.is_none());
            }
        }
        println!("{kind}: {opened} opened in an emergency and {refused} refused, the SQL and the rule alike");
        assert!(opened * 20 > refused && refused * 20 > opened, "{kind}: {opened} to {refused} tests one side only");
    }
}

#[tokio::test]
async fn a_session_opens_neither_a_consent_nor_what_has_a_minimum_and_nothing_for_no_purpose() {
    for (kind, _, store) in stores().await {
        record(&store).await;
        assert!(read(&store, practitioner(), "Patient", "r").await.is_none(), "{kind}");
        store.apply(opening(WriteSet::default(), vec![session("r", "s")])).await.expect("nothing is asked");
        let level = read(&store, practitioner(), "Patient", "r").await.map(|seen| seen.level);
        assert_eq!(level, Some(Level::Emergency), "{kind}");
        for (resource_type, id) in [("Consent", "c"), ("Task", "t")] {
            assert!(read(&store, practitioner(), resource_type, id).await.is_none(), "{kind}: {resource_type}");
        }
        // Lookups of conditional creates are made for no purpose, and billing is no emergency.
        for purpose in
            [0, PurposeSet::NONE.with(purpose("HPAYMT")).bits(), PurposeSet::NONE.with(purpose("BTG")).bits()]
        {
            let other = Viewer { purpose, ..practitioner() };
            assert!(read(&store, other, "Patient", "r").await.is_none(), "{kind}: {purpose}");
        }
        assert!(read(&store, viewer("b"), "Patient", "r").await.is_none(), "{kind}: without the practitioner");
    }
}

#[tokio::test]
async fn a_session_that_is_ended_opens_nothing_whatever_the_clock_of_a_replica_says() {
    for (kind, _, store) in stores().await {
        record(&store).await;
        store.apply(opening(WriteSet::default(), vec![session("r", "s")])).await.expect("nothing is asked");
        let end = |at_ms: i64| set!(ended_sessions: vec![("r".to_owned(), "s".to_owned(), at_ms)]);
        store.apply(end(NOW_MS + 5)).await.expect("nothing is asked");
        let slow = Viewer { now_ms: NOW_MS + 1, ..practitioner() };
        assert!(read(&store, slow, "Patient", "r").await.is_none(), "{kind}");
        // The first end counts.
        store.apply(end(NOW_MS + 9)).await.expect("nothing is asked");
        let seen = store.emergency_session(&viewer("a"), "s").await.expect("it answers").expect("it is there");
        assert_eq!((seen.ended_ms, seen.is_held), (Some(NOW_MS + 5), true), "{kind}");
    }
}

#[tokio::test]
async fn an_access_is_marked_with_its_session_or_there_is_no_answer() {
    for (kind, url, store) in stores().await {
        record(&store).await;
        let earlier = Session { from_ms: NOW_MS - 9, purpose: 1 << 1, ..session("r", "s1") };
        let set = opening(WriteSet::default(), vec![earlier, session("r", "s2")]);
        store.apply(set!(ended_sessions: vec![("r".to_owned(), "s1".to_owned(), NOW_MS - 1)]; set)).await.expect("new");
        let shown = |practitioner: &'static str| {
            move |_: &gateway::storage::resource::Touched| AuditEvent {
                practitioner: practitioner.to_owned(),
                basis: "emergency",
                ..event("r", NOW_MS, Outcome::Success)
            }
        };
        let seen = store.read(practitioner(), "Patient", "r").await.expect("it answers");
        store.record(seen, shown("practitioner/p"), Vec::new()).await.expect("it is marked");
        let mark = "SELECT MAX(purpose || ' ' || case_id) FROM audit_event WHERE basis = 'emergency'";
        assert_eq!(crate::world::ask(&url, mark).await, "BTG s2", "{kind}");
        let seen = store.read(practitioner(), "Patient", "r").await.expect("it answers");
        let unmarked = store.record(seen, shown("practitioner/q"), Vec::new()).await;
        assert!(matches!(unmarked, Err(StorageError::Corrupt(_))), "{kind}: {unmarked:?}");
        assert_eq!(purpose_of(1 << 2), Some(purpose("BTG")));
        assert_eq!(purpose_of(3), None);
    }
}

async fn listed(store: &Store, viewer: &Viewer, filter: &SessionFilter) -> Vec<SessionSeen> {
    recorded(store, store.emergency_sessions(viewer, filter).await.expect("it answers")).await
}

fn ids(sessions: &[SessionSeen]) -> Vec<&str> {
    sessions.iter().map(|seen| seen.session.id.as_str()).collect()
}

#[tokio::test]
async fn sessions_are_looked_up_by_the_custodian_and_by_who_opened_them_who_reads_no_texts() {
    for (kind, _, store) in stores().await {
        record(&store).await;
        store.apply(beginning("other", "c", Vec::new())).await.expect("new");
        let over = Session { until_ms: NOW_MS, ..session("r", "s2") };
        let set =
            opening(WriteSet::default(), vec![session("r", "s1"), over, session("r", "s3"), session("other", "s4")]);
        let verdict = |verdict: &str| Verdict {
            compartment: "r".to_owned(),
            session_id: "s2".to_owned(),
            verdict: verdict.to_owned(),
            by: "organization/a".to_owned(),
            text: "TEST-VERDICT".to_owned(),
            at_ms: NOW_MS,
        };
        store.apply(set).await.expect("new");
        store.apply(set!(verdicts: vec![verdict("justified")])).await.expect("nothing is asked");
        store.apply(set!(verdicts: vec![verdict("unjustified")])).await.expect("nothing is asked");

        let all = SessionFilter { count: 9, ..SessionFilter::default() };
        let held = listed(&store, &viewer("a"), &all).await;
        assert_eq!(ids(&held), ["s3", "s2", "s1"], "{kind}");
        assert_eq!(
            (held[1].verdict.clone(), &*held[1].session.reason),
            (Some(verdict("justified")), "TEST-REASON"),
            "{kind}"
        );
        let own = listed(&store, &viewer("b"), &all).await;
        assert_eq!(ids(&own), ["s4", "s3", "s2", "s1"], "{kind}");
        assert!(own.iter().all(|seen| seen.session.reason.is_empty() && !seen.is_held), "{kind}");
        assert_eq!(own[2].verdict, Some(Verdict { text: String::new(), ..verdict("justified") }), "{kind}");
        assert!(listed(&store, &viewer("d"), &all).await.is_empty(), "{kind}");
        assert_eq!(store.emergency_session(&viewer("d"), "s1").await.expect("it answers"), None, "{kind}");

        for (status, expected) in [
            (SessionStatus::Open, vec!["s3", "s1"]),
            (SessionStatus::Ended, vec!["s2"]),
            (SessionStatus::Unreviewed, vec!["s3", "s1"]),
        ] {
            let filter = SessionFilter { status, ..all.clone() };
            assert_eq!(ids(&listed(&store, &viewer("a"), &filter).await), expected, "{kind}: {status:?}");
        }
        let page = SessionFilter { count: 1, before: Some("s3".to_owned()), ..all.clone() };
        assert_eq!(ids(&listed(&store, &viewer("a"), &page).await), ["s2", "s1"], "{kind}: one more tells of a next");

        // Who is shut out of a record is shut out of what happened there.
        let (compartment, grantee) = ("r".to_owned(), "organization/a".to_owned());
        let closure = Closure { compartment, grantee, cause: "task/t".to_owned(), since_ms: 0 };
        store.apply(set!(closures: vec![closure])).await.expect("nothing is asked");
        assert!(listed(&store, &viewer("a"), &all).await.is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn whom_the_patient_excluded_looks_up_no_session_of_their_organisation_but_their_own() {
    for (kind, _, store) in stores().await {
        record(&store).await;
        store.apply(opening(WriteSet::default(), vec![session("r", "s1")])).await.expect("new");
        let denied = crate::world::grant("r", "c", 0, "deny", "practitioner/q");
        let by = |practitioner: &str, organization: &str| Viewer {
            practitioner: format!("practitioner/{practitioner}"),
            ..viewer(organization)
        };
        let looked_up = |viewer: Viewer| {
            let store = store.clone();
            async move { store.emergency_session(&viewer, "s1").await.expect("it answers").is_some() }
        };
        assert!(looked_up(by("q", "b")).await && looked_up(by("q", "a")).await, "{kind}");
        let also = crate::world::grant("r", "c", 1, "deny", "practitioner/p");
        store.apply(set!(grants: vec![denied, also])).await.expect("nothing is asked");
        assert!(!looked_up(by("q", "b")).await && !looked_up(by("q", "a")).await, "{kind}");
        assert!(looked_up(by("p", "b")).await, "{kind}: whoever opened it");
        assert!(looked_up(viewer("a")).await && looked_up(viewer("b")).await, "{kind}: the organisations");
        assert_eq!(store.record_of_session("s1").await.expect("it answers").as_deref(), Some("r"), "{kind}");
        assert_eq!(store.record_of_session("s2").await.expect("it answers"), None, "{kind}");
    }
}

#[tokio::test]
async fn the_open_sessions_of_an_organisation_are_those_that_last_and_were_not_ended() {
    for (kind, _, store) in stores().await {
        record(&store).await;
        let of_other = Session { organization: "organization/x".to_owned(), ..session("r", "s3") };
        let set = opening(WriteSet::default(), vec![session("r", "s1"), session("r", "s2"), of_other]);
        store.apply(set!(ended_sessions: vec![("r".to_owned(), "s2".to_owned(), NOW_MS)]; set)).await.expect("new");
        let open = |at_ms: i64| {
            let store = store.clone();
            async move { store.open_sessions("organization/b", at_ms).await.expect("it answers") }
        };
        let lasting = open(NOW_MS + 4 * HOUR_MS - 1).await;
        assert_eq!(lasting, [Session { reason: String::new(), ..session("r", "s1") }], "{kind}");
        assert!(open(NOW_MS + 4 * HOUR_MS).await.is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn what_third_parties_were_told_is_read_by_the_custodian_of_that_record_only() {
    for (kind, _, store) in stores().await {
        record(&store).await;
        let mut set = WriteSet::default();
        for id in ["d1", "d2", "d3"] {
            set.disclose(&permit(), disclosure("r", id));
        }
        store.apply(set).await.expect("nothing is asked");
        let listed = |organization: &'static str, record: &'static str, before: Option<&'static str>| {
            let store = store.clone();
            async move {
                let found = store.crisis_disclosures(&viewer(organization), record, (before, 1)).await;
                recorded(&store, found.expect("it answers")).await
            }
        };
        assert_eq!(listed("a", "r", None).await, [disclosure("r", "d3"), disclosure("r", "d2")], "{kind}");
        assert_eq!(listed("a", "r", Some("d2")).await, [disclosure("r", "d1")], "{kind}");
        assert!(listed("b", "r", None).await.is_empty() && listed("a", "other", None).await.is_empty(), "{kind}");
    }
}
