//! The SQL that every read joins says what `decide` says, for random Consents, callers and moments.

use gateway::consent::arbitrary::{
    CUSTODIAN, Caller, FORMER_CUSTODIAN, Types, active_consent, caller, consent, moment, teams,
};
use gateway::consent::{Consent, ConsentId, Decision, PurposeSet, Status, TeamRow, Teams, decide, grants};
use gateway::storage::Store;
use gateway::storage::sight::{Level, Viewer};
use gateway::storage::write_set::{GrantRow, TeamMemberRow, WriteSet};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

use crate::world::{beginning, cases, first, found, key, read, set, stores};

/// Up to four Consents of one record, each under its own id.
pub(crate) fn consents() -> impl Strategy<Value = Vec<Consent>> {
    prop::collection::vec(consent(Types::Mixed), 0..5).prop_map(|consents| {
        let renumbered = |(n, (_, consent)): (usize, (_, Consent))| Consent { id: ConsentId(n.to_string()), ..consent };
        consents.into_iter().enumerate().map(renumbered).collect()
    })
}

pub(crate) fn viewer_of(caller: &Caller, now_ms: i64) -> Viewer {
    let of = |prefix: &str| {
        let named = caller.grantees.iter().find(|grantee| grantee.as_str().starts_with(prefix));
        named.map(ToString::to_string).unwrap_or_default()
    };
    let purpose = PurposeSet::NONE.with(caller.purpose).bits();
    let (organization, practitioner, kind) = (of("organization/"), of("practitioner/"), of("kind/"));
    let (person, types) = (String::new(), String::new());
    Viewer { organization, practitioner, kind, purpose, now_ms, person, types, label_version: 0 }
}

/// Adds the rows of a Consent to a write set as a write of that Consent does.
pub(crate) fn put_grants(set: &mut WriteSet, compartment: &str, consent: &Consent) {
    set.dropped_grants.push((compartment.to_owned(), consent.id.0.clone()));
    for grant in grants(consent) {
        set.grants.push(GrantRow {
            compartment: compartment.to_owned(),
            consent_id: consent.id.0.clone(),
            rule: i64::from(grant.rule),
            grantee: grant.grantee.to_string(),
            effect: grant.effect.code(),
            excepts: grant.effect.exception_of().map(i64::from),
            purposes: grant.purposes,
            from_ms: grant.from_ms,
            until_ms: grant.until_ms,
        });
    }
}

async fn write(store: &Store, compartment: &str, consents: &[Consent]) {
    let mut set = WriteSet::default();
    for consent in consents {
        put_grants(&mut set, compartment, consent);
    }
    store.apply(set).await.expect("nothing is asked");
}

/// Writes the teams of one case, and drops those of the case before: a deny counts whichever record its team is in.
async fn put_teams(store: &Store, before: &str, teams: &Teams) {
    let mut set = WriteSet::default();
    for (compartment, team) in [(before, "careteam/t"), (CUSTODIAN, "group/g"), (FORMER_CUSTODIAN, "group/f")] {
        set.dropped_teams.push((compartment.to_owned(), team.to_owned()));
    }
    let row = |row: &TeamRow| TeamMemberRow {
        compartment: row.compartment.clone(),
        team: row.team.to_string(),
        member: row.member.to_string(),
        role: "",
        from_ms: row.period.from_ms,
        until_ms: row.period.until_ms,
    };
    set.team_members.extend(teams.rows.iter().map(row));
    store.apply(set).await.expect("nothing is asked");
}

/// The teams of the random world in the record of this case.
fn teams_of(id: &str, teams: &Teams) -> Teams {
    let mut teams = Teams { record: id.to_owned(), ..teams.clone() };
    for row in teams.rows.iter_mut().filter(|row| row.team.as_str() == "careteam/t") {
        id.clone_into(&mut row.compartment);
    }
    teams
}

/// What one case asks: who, and when.
type Question = (Caller, i64);

/// A record that nobody of the random world holds, under these Consents.
async fn record(store: &Store, id: &str, consents: &[Consent]) {
    let patient = first(key(id, "Patient", id), &json!({"resourceType": "Patient"}));
    let consent = first(key(id, "Consent", &format!("c{id}")), &json!({"resourceType": "Consent"}));
    let mut set = beginning(id, "custodian", vec![patient, consent]);
    for consent in consents {
        put_grants(&mut set, id, consent);
    }
    store.apply(set).await.expect("new");
}

async fn sees(store: &Store, id: &str, (caller, at_ms): &Question) -> bool {
    store.sees_whole(viewer_of(caller, *at_ms), "Patient", id).await.expect("it answers")
}

async fn answers(store: &Store, id: &str, questions: &[Question]) -> Vec<bool> {
    let mut answers = Vec::new();
    for question in questions {
        answers.push(sees(store, id, question).await);
    }
    answers
}

fn decisions(consents: &[Consent], teams: &Teams, questions: &[Question]) -> Vec<bool> {
    let permits = |(caller, at_ms): &Question| {
        let caller = caller.clone().in_teams(teams, *at_ms);
        matches!(decide(caller.request(), consents, *at_ms), Decision::Permit(_))
    };
    questions.iter().map(permits).collect()
}

/// Every way to look at the resource says the same, and a Consent itself is the custodian's only.
async fn every_way_agrees(store: &Store, id: &str, question: &Question, is_permitted: bool) {
    let viewer = viewer_of(&question.0, question.1);
    let seen = read(store, viewer.clone(), "Patient", id).await;
    assert_eq!(seen.map(|seen| seen.level), is_permitted.then_some(Level::Permitted), "read");
    let compartment = store.visible_compartment(viewer.clone(), "Patient", id).await.expect("it answers");
    assert_eq!(compartment.is_some(), is_permitted, "reference");
    assert_eq!(!found(store, &viewer, "Patient", &format!("_id={id}")).await.is_empty(), is_permitted, "search");
    assert!(found(store, &viewer, "Consent", &format!("_id=c{id}")).await.is_empty(), "the Consent");
}

#[tokio::test]
async fn the_join_permits_exactly_what_the_decision_permits_and_only_ever_closes() {
    for (kind, _, store) in stores().await {
        let (variable, usually) =
            if kind == "sqlite" { ("WELLGATE_CONSENTS", 300) } else { ("WELLGATE_CONSENTS_PG", 150) };
        // The same world on both, and at every run.
        let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        let mut runner = TestRunner::new_with_rng(Config::default(), seed);
        let questions = prop::collection::vec((caller(), moment()), 6);
        let more = (active_consent(Types::OnlyDenies), active_consent(Types::OnlyPermits));
        let world = (consents(), questions, more, teams());
        let (mut permitted, mut refused, mut by_team, mut before) = (0, 0, 0, String::new());
        for case in 0..cases(variable, usually) {
            let id = format!("{case:05}");
            let (mut consents, questions, ((_, deny), (_, permit)), teams) =
                world.new_tree(&mut runner).expect("a world can be made").current();
            let teams = teams_of(&id, &teams);
            put_teams(&store, &before, &teams).await;
            before.clone_from(&id);
            record(&store, &id, &consents).await;
            let decided = decisions(&consents, &teams, &questions);
            let without_teams = decisions(&consents, &Teams::default(), &questions);
            by_team += decided.iter().zip(&without_teams).filter(|(with, without)| with != without).count();
            let answered = answers(&store, &id, &questions).await;
            assert_eq!(answered, decided, "{kind} {case}: {questions:?} of {consents:#?}");
            permitted += decided.iter().filter(|permits| **permits).count();
            refused += decided.iter().filter(|permits| !**permits).count();
            every_way_agrees(&store, &id, &questions[0], decided[0]).await;

            // A permit more, and its withdrawal: exactly as before.
            let mut permit = Consent { id: ConsentId("permit".to_owned()), ..permit };
            write(&store, &id, std::slice::from_ref(&permit)).await;
            consents.push(permit.clone());
            assert_eq!(
                answers(&store, &id, &questions).await,
                decisions(&consents, &teams, &questions),
                "{kind} {case}: a permit"
            );
            consents.pop();
            permit.status = Status::Inactive;
            write(&store, &id, std::slice::from_ref(&permit)).await;
            assert_eq!(answers(&store, &id, &questions).await, answered, "{kind} {case}: its withdrawal");

            // A deny more: nothing opens.
            let deny = Consent { id: ConsentId("deny".to_owned()), ..deny };
            write(&store, &id, std::slice::from_ref(&deny)).await;
            consents.push(deny);
            let denied = answers(&store, &id, &questions).await;
            assert_eq!(denied, decisions(&consents, &teams, &questions), "{kind} {case}: a deny");
            assert!(denied.iter().zip(&answered).all(|(now, before)| *before || !*now), "{kind} {case}: a deny opened");

            // Everything withdrawn, a Consent after the other: nothing is left.
            for consent in &mut consents {
                consent.status = Status::Inactive;
                write(&store, &id, std::slice::from_ref(consent)).await;
            }
            assert!(!answers(&store, &id, &questions).await.contains(&true), "{kind} {case}: withdrawn");
        }
        assert!(by_team > 4, "{kind}: teams changed {by_team} answers only");
        println!("{kind}: {permitted} permitted and {refused} refused, the SQL and the decision alike");
        assert!(
            permitted * 20 > refused && refused * 20 > permitted,
            "{kind}: {permitted} to {refused} tests one side only"
        );
    }
}

#[tokio::test]
async fn a_consent_opens_the_record_that_it_names_and_no_other() {
    for (kind, _, store) in stores().await {
        let mut runner = TestRunner::deterministic();
        let always = |consent: &Consent, (caller, at_ms): &Question| {
            matches!(decide(caller.request(), std::slice::from_ref(consent), *at_ms), Decision::Permit(_))
        };
        let permitting = (active_consent(Types::OnlyPermits), (caller(), moment()))
            .prop_filter("it permits", |((_, consent), question)| always(consent, question));
        let ((_, consent), question) = permitting.new_tree(&mut runner).expect("one permits").current();
        record(&store, "one", std::slice::from_ref(&consent)).await;
        record(&store, "other", &[]).await;
        assert!(sees(&store, "one", &question).await, "{kind}");
        assert!(!sees(&store, "other", &question).await, "{kind}");
        // A closure overrides every permit.
        let viewer = viewer_of(&question.0, question.1);
        let closure = gateway::storage::write_set::Closure {
            compartment: "one".to_owned(),
            grantee: viewer.organization,
            cause: "release".to_owned(),
            since_ms: 0,
        };
        store.apply(set!(closures: vec![closure])).await.expect("nothing is asked");
        assert!(!sees(&store, "one", &question).await, "{kind}");
    }
}
