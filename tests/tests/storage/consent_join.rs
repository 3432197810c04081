//! The SQL that every read joins says what `decide` says, for random Consents, resources, callers and moments.

use gateway::consent::arbitrary::{
    CUSTODIAN, Caller, FORMER_CUSTODIAN, NAMED, Subject, Types, active_consent, caller, consent, moment, plain,
    subject, teams,
};
use gateway::consent::{Consent, ConsentId, Decision, Provision, PurposeSet, Status, TeamRow, Teams, decide, grants};
use gateway::labels::{Facts, LabelSet, ResourceFacts};
use gateway::search::parameters::type_name;
use gateway::storage::Store;
use gateway::storage::history::{HistoryPage, Scope};
use gateway::storage::sight::{Level, Viewer};
use gateway::storage::write_set::{Method, NewVersion, ResourceKey, TeamMemberRow, VersionId, WriteSet};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

use crate::world::{beginning, cases, first, found, key, put, read, recorded, set, stores};

/// The version of the table of labels in this world.
const LABEL_VERSION: i64 = 5;

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
    Viewer { organization, practitioner, kind, purpose, now_ms, person, types, label_version: LABEL_VERSION }
}

/// Adds the rows of a Consent to a write set as a write of that Consent does.
pub(crate) fn put_grants(set: &mut WriteSet, compartment: &str, consent: &Consent) {
    set.dropped_grants.push((compartment.to_owned(), consent.id.0.clone()));
    set.grant(compartment, &consent.id.0, &grants(consent));
}

/// The resources of the random world have the same ids in every case; stored, each case has its own.
fn own_id(reference: &str, case: &str) -> String {
    if NAMED.contains(&reference) { format!("{reference}-{case}") } else { reference.to_owned() }
}

pub(crate) fn of_case(mut consent: Consent, case: &str) -> Consent {
    let rename = |provision: &mut Provision| {
        for data in provision.about.data.iter_mut().flatten() {
            data.reference = own_id(&data.reference, case);
        }
    };
    if let Some(root) = &mut consent.provision {
        rename(root);
        root.nested.iter_mut().for_each(rename);
    }
    consent
}

pub(crate) fn facts_of_case(mut facts: ResourceFacts, case: &str) -> ResourceFacts {
    facts.id = format!("{}-{case}", facts.id);
    for name in NAMED {
        facts.atoms = facts.atoms.replace(&format!("|{name},"), &format!("|{name}-{case},"));
    }
    for referring in facts.referred_by.iter_mut().chain(&mut facts.perhaps_referred_by) {
        *referring = own_id(referring, case);
    }
    facts
}

/// The columns of a version that counts as these facts do: what has every label was labelled by an older table.
pub(crate) fn stored(facts: &ResourceFacts) -> Facts {
    let is_labelled = facts.labels != LabelSet::EVERY;
    Facts {
        labels: if is_labelled { facts.labels } else { LabelSet::NONE.of_resource() },
        label_version: if is_labelled { LABEL_VERSION } else { LABEL_VERSION - 1 },
        declared: LabelSet::NONE,
        data: facts.data,
        atoms: facts.atoms.clone(),
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

pub(crate) fn key_of(facts: &ResourceFacts, compartment: &str) -> ResourceKey {
    key(compartment, &facts.resource_type, &facts.id)
}

/// A record that nobody of the random world holds, under these Consents: the subject in two versions, and what refers to it.
async fn record(store: &Store, id: &str, subject: &Subject, consents: &[Consent]) {
    let now = &subject.now;
    let version = |facts: &ResourceFacts, version: i64| NewVersion {
        version: VersionId(version),
        method: if version == 1 { Method::Post } else { Method::Put },
        replaces: version > 1,
        facts: stored(facts),
        ..first(key_of(facts, id), &json!({"resourceType": facts.resource_type}))
    };
    let consent = first(key(id, "Consent", &format!("c{id}")), &json!({"resourceType": "Consent"}));
    let mut versions = vec![version(&subject.before, 1), consent];
    let itself = format!("{}/{}", now.resource_type, now.id);
    for named in NAMED.map(|name| own_id(name, id)).into_iter().filter(|name| *name != itself) {
        let (resource_type, named_id) = named.split_once('/').expect("a reference");
        let mut other = first(key(id, resource_type, named_id), &json!({"resourceType": resource_type}));
        if now.perhaps_referred_by.contains(&named) {
            other.facts = Facts::UNKNOWN;
        } else if now.referred_by.contains(&named) {
            other.facts.atoms = format!("{}refers|{itself},", other.facts.atoms);
        }
        versions.push(other);
    }
    let mut set = beginning(id, "custodian", versions);
    for consent in consents {
        put_grants(&mut set, id, consent);
    }
    store.apply(set).await.expect("new");
    let mut set = WriteSet::default();
    put(&mut set, version(now, 2));
    store.apply(set).await.expect("nothing is asked");
}

async fn sees(store: &Store, facts: &ResourceFacts, (caller, at_ms): &Question) -> bool {
    let resource_type = type_name(&facts.resource_type).expect("a type of R4");
    store.sees_whole(viewer_of(caller, *at_ms), resource_type, &facts.id).await.expect("it answers")
}

async fn answers(store: &Store, facts: &ResourceFacts, questions: &[Question]) -> Vec<bool> {
    let mut answers = Vec::new();
    for question in questions {
        answers.push(sees(store, facts, question).await);
    }
    answers
}

fn permits((caller, at_ms): &Question, facts: &ResourceFacts, consents: &[Consent]) -> bool {
    matches!(decide(caller.request(), facts, consents, *at_ms), Decision::Permit(_))
}

fn decisions(consents: &[Consent], facts: &ResourceFacts, questions: &[Question]) -> Vec<bool> {
    questions.iter().map(|question| permits(question, facts, consents)).collect()
}

/// Every way to look at the resource says the same, and a Consent itself is the custodian's only.
async fn every_way_agrees(store: &Store, id: &str, subject: &Subject, question: &Question, consents: &[Consent]) {
    let viewer = viewer_of(&question.0, question.1);
    let is_permitted = permits(question, &subject.now, consents);
    let resource_type = type_name(&subject.now.resource_type).expect("a type of R4");
    let resource_id = subject.now.id.as_str();
    let seen = read(store, viewer.clone(), resource_type, resource_id).await;
    assert_eq!(seen.map(|seen| seen.level), is_permitted.then_some(Level::Permitted), "read");
    let compartment = store.visible_compartment(viewer.clone(), resource_type, resource_id).await.expect("it answers");
    assert_eq!(compartment.is_some(), is_permitted, "reference");
    // A search counts what it finds, see `world::search`.
    let by_id = found(store, &viewer, resource_type, &format!("_id={resource_id}")).await;
    assert_eq!(!by_id.is_empty(), is_permitted, "search");
    assert!(found(store, &viewer, "Consent", &format!("_id=c{id}")).await.is_empty(), "the Consent");
    // An old version is judged by its own facts as well.
    let mut expected = Vec::new();
    if is_permitted {
        expected.push(2);
        expected.extend(permits(question, &subject.before, consents).then_some(1));
    }
    let page = HistoryPage { count: 10, ..HistoryPage::default() };
    let history = store.history(&viewer, &Scope::Instance(resource_type, resource_id), page).await.expect("it answers");
    let history = recorded(store, history).await;
    assert_eq!(history.versions.iter().map(|seen| seen.version.0).collect::<Vec<_>>(), expected, "history");
    for version in [1, 2] {
        let seen = store.vread(&viewer, resource_type, resource_id, VersionId(version)).await.expect("it answers");
        assert_eq!(recorded(store, seen).await.is_some(), expected.contains(&version), "version {version}");
    }
}

#[tokio::test]
async fn the_join_permits_exactly_what_the_decision_permits_and_only_ever_closes() {
    for (kind, _, store) in stores().await {
        let (variable, usually) =
            if kind == "sqlite" { ("WELLGATE_CONSENTS", 150) } else { ("WELLGATE_CONSENTS_PG", 75) };
        // The same world on both, and at every run.
        let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        let mut runner = TestRunner::new_with_rng(Config::default(), seed);
        let questions = prop::collection::vec((caller(), moment()), 6);
        let more = (active_consent(Types::OnlyDenies), active_consent(Types::OnlyPermits));
        let world = (consents(), subject(), questions, more, teams());
        let (mut permitted, mut refused, mut by_team, mut before) = (0, 0, 0, String::new());
        for case in 0..cases(variable, usually) {
            let id = format!("{case:05}");
            let (consents, subject, alone, ((_, deny), (_, permit)), teams) =
                world.new_tree(&mut runner).expect("a world can be made").current();
            let mut consents: Vec<_> = consents.into_iter().map(|consent| of_case(consent, &id)).collect();
            let (deny, permit) = (of_case(deny, &id), of_case(permit, &id));
            let subject = Subject { now: facts_of_case(subject.now, &id), before: facts_of_case(subject.before, &id) };
            let facts = &subject.now;
            let teams = teams_of(&id, &teams);
            put_teams(&store, &before, &teams).await;
            before.clone_from(&id);
            record(&store, &id, &subject, &consents).await;
            let in_teams = |(caller, at_ms): &Question| (caller.clone().in_teams(&teams, *at_ms), *at_ms);
            let questions: Vec<Question> = alone.iter().map(in_teams).collect();
            let decided = decisions(&consents, facts, &questions);
            let without_teams = decisions(&consents, facts, &alone);
            by_team += decided.iter().zip(&without_teams).filter(|(with, without)| with != without).count();
            let answered = answers(&store, facts, &questions).await;
            assert_eq!(answered, decided, "{kind} {case}: {questions:?} about {subject:#?} of {consents:#?}");
            permitted += decided.iter().filter(|permits| **permits).count();
            refused += decided.iter().filter(|permits| !**permits).count();
            every_way_agrees(&store, &id, &subject, &questions[0], &consents).await;

            // A permit more, and its withdrawal: exactly as before.
            let mut permit = Consent { id: ConsentId("permit".to_owned()), ..permit };
            write(&store, &id, std::slice::from_ref(&permit)).await;
            consents.push(permit.clone());
            assert_eq!(
                answers(&store, facts, &questions).await,
                decisions(&consents, facts, &questions),
                "{kind} {case}: a permit"
            );
            consents.pop();
            permit.status = Status::Inactive;
            write(&store, &id, std::slice::from_ref(&permit)).await;
            assert_eq!(answers(&store, facts, &questions).await, answered, "{kind} {case}: its withdrawal");

            // A deny more: nothing opens.
            let deny = Consent { id: ConsentId("deny".to_owned()), ..deny };
            write(&store, &id, std::slice::from_ref(&deny)).await;
            consents.push(deny);
            let denied = answers(&store, facts, &questions).await;
            assert_eq!(denied, decisions(&consents, facts, &questions), "{kind} {case}: a deny");
            assert!(denied.iter().zip(&answered).all(|(now, before)| *before || !*now), "{kind} {case}: a deny opened");

            // Everything withdrawn, a Consent after the other: nothing is left.
            for consent in &mut consents {
                consent.status = Status::Inactive;
                write(&store, &id, std::slice::from_ref(consent)).await;
            }
            assert!(!answers(&store, facts, &questions).await.contains(&true), "{kind} {case}: withdrawn");
        }
        assert!(by_team > 0, "{kind}: teams changed {by_team} answers only");
        println!("{kind}: {permitted} permitted and {refused} refused, the SQL and the decision alike");
        assert!(
            permitted * 20 > refused && refused * 20 > permitted,
            "{kind}: {permitted} to {refused} tests one side only"
        );
    }
}

fn is_about_everything(root: &Provision) -> bool {
    root.about.is_everything() && root.nested.iter().all(|nested| nested.about.is_everything())
}

#[tokio::test]
async fn a_consent_opens_the_record_that_it_names_and_no_other() {
    for (kind, _, store) in stores().await {
        let mut runner = TestRunner::deterministic();
        let always = |consent: &Consent, question: &Question| {
            permits(question, &plain(), std::slice::from_ref(consent))
                && consent.provision.iter().all(is_about_everything)
        };
        let permitting = (active_consent(Types::OnlyPermits), (caller(), moment()))
            .prop_filter("it permits", |((_, consent), question)| always(consent, question));
        let ((_, consent), question) = permitting.new_tree(&mut runner).expect("one permits").current();
        for (id, consents) in [("one", std::slice::from_ref(&consent)), ("other", &[])] {
            let facts = facts_of_case(plain(), id);
            record(&store, id, &Subject { now: facts.clone(), before: facts }, consents).await;
        }
        let (one, other) = (facts_of_case(plain(), "one"), facts_of_case(plain(), "other"));
        assert!(sees(&store, &one, &question).await, "{kind}");
        assert!(!sees(&store, &other, &question).await, "{kind}");
        // A closure overrides every permit.
        let viewer = viewer_of(&question.0, question.1);
        let closure = gateway::storage::write_set::Closure {
            compartment: "one".to_owned(),
            grantee: viewer.organization,
            cause: "release".to_owned(),
            since_ms: 0,
        };
        store.apply(set!(closures: vec![closure])).await.expect("nothing is asked");
        assert!(!sees(&store, &one, &question).await, "{kind}");
    }
}
