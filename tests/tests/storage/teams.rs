//! Teams, and what keeps a practitioner from what their organisation sees.

use gateway::consent::Grantee;
use gateway::storage::Store;
use gateway::storage::registry::Practitioner;
use gateway::storage::sight::{Level, Viewer};
use gateway::storage::write_set::{GrantRow, TeamMemberRow, WriteSet};
use serde_json::json;

use crate::world::{NOW_MS, beginning, first, found, key, read, set, stores, viewer};

const HOUR_MS: i64 = 3_600_000;

fn member(compartment: &str, team: &str, member: &str, role: &'static str) -> TeamMemberRow {
    let [compartment, team, member] = [compartment, team, member].map(str::to_owned);
    TeamMemberRow { compartment, team, member, role, from_ms: NOW_MS - HOUR_MS, until_ms: NOW_MS + HOUR_MS }
}

fn grant(rule: i64, effect: &'static str, grantee: &str) -> GrantRow {
    GrantRow { excepts: (effect == "exception").then_some(0), ..crate::world::grant("r", "c", rule, effect, grantee) }
}

/// A record of organisation `a`, with one resource of each type that the rules speak of.
async fn record(store: &Store) {
    let types = ["Patient", "Encounter", "EpisodeOfCare", "Observation", "Claim", "Consent", "Task"];
    let versions = types.map(|name| {
        let id = if name == "Patient" { "r" } else { "1" };
        first(key("r", name, id), &json!({"resourceType": name}))
    });
    store.apply(beginning("r", "a", versions.to_vec())).await.expect("new");
}

fn by(organization: &str, practitioner: &str) -> Viewer {
    Viewer { practitioner: format!("practitioner/{practitioner}"), ..viewer(organization) }
}

async fn register(store: &Store, id: &str, organization: &str, role: &str) {
    let [id, organization_id, name, role] = [id, organization, id, role].map(str::to_owned);
    let practitioner = Practitioner { id, organization_id, name, nihdi: None, role, active: true };
    store.put_practitioner(&practitioner).await.expect("it is written");
}

/// How a viewer sees each of these types of the record; every way to ask must agree.
async fn levels(store: &Store, viewer: &Viewer, types: &[&'static str]) -> Vec<Option<Level>> {
    let mut levels = Vec::new();
    for name in types {
        let id = if *name == "Patient" { "r" } else { "1" };
        let level = read(store, viewer.clone(), name, id).await.map(|seen| seen.level);
        assert_eq!(found(store, viewer, name, &format!("_id={id}")).await.is_empty(), level.is_none(), "{name}");
        levels.push(level);
    }
    levels
}

async fn sees(store: &Store, viewer: &Viewer) -> bool {
    let patient = levels(store, viewer, &["Patient"]).await[0].is_some();
    let is_kept_from = store.is_kept_from(viewer, "r").await.expect("it answers");
    if viewer.organization == "organization/a" {
        assert_eq!(patient, !is_kept_from, "the custodian's");
    }
    patient
}

async fn apply(store: &Store, set: WriteSet) {
    store.apply(set).await.expect("nothing is asked");
}

#[tokio::test]
async fn a_team_is_written_whole_and_its_members_by_law_are_none_of_it() {
    for (kind, _, store) in stores().await {
        let by_law = member("r", "careteam/t", "practitioner/j", "mandated-treatment");
        let members = vec![
            member("r", "careteam/t", "practitioner/p", ""),
            member("r", "careteam/t", "practitioner/p", ""),
            by_law,
        ];
        apply(&store, set!(team_members: members)).await;
        let rows = store.team_rows("careteam/t").await.expect("it answers");
        assert_eq!(rows.iter().map(|row| &row.member).collect::<Vec<_>>(), [&Grantee::practitioner("p")], "{kind}");
        assert!(rows[0].period.contains(NOW_MS) && !rows[0].period.contains(NOW_MS + HOUR_MS), "{kind}");
        let dropped_teams = vec![("r".to_owned(), "careteam/t".to_owned())];
        let team_members = vec![member("r", "careteam/t", "practitioner/q", "")];
        apply(&store, set!(dropped_teams, team_members)).await;
        let rows = store.team_rows("careteam/t").await.expect("it answers");
        assert_eq!(rows.iter().map(|row| &row.member).collect::<Vec<_>>(), [&Grantee::practitioner("q")], "{kind}");
    }
}

#[tokio::test]
async fn a_deny_that_names_a_practitioner_hides_the_record_inside_the_organisation_that_holds_it() {
    for (kind, _, store) in stores().await {
        record(&store).await;
        for (grantees, hides) in [
            (vec!["practitioner/p"], true),
            (vec!["careteam/t"], true),
            (vec!["group/old"], true),
            // The custodian has the record by law, whatever a deny says of organisations.
            (vec!["organization/a", "kind/elp", "*"], false),
            // A team of which the organisation is a member names no practitioner.
            (vec!["group/of-a"], false),
            (vec!["practitioner/q"], false),
        ] {
            let team_members = vec![
                member("r", "careteam/t", "practitioner/p", ""),
                member("organization/former", "group/old", "practitioner/p", ""),
                member("organization/a", "group/of-a", "organization/a", ""),
            ];
            let dropped_grants = vec![("r".to_owned(), "c".to_owned())];
            let grants: Vec<_> = grantees.iter().map(|grantee| grant(0, "deny", grantee)).collect();
            apply(&store, set!(dropped_grants, grants, team_members)).await;
            assert_eq!(sees(&store, &by("a", "p")).await, !hides, "{kind} {grantees:?}");
            assert!(sees(&store, &viewer("a")).await, "{kind}: the organisation's system");
        }
        let dropped_grants = vec![("r".to_owned(), "c".to_owned())];
        let grants = vec![grant(0, "deny", "practitioner/p"), grant(1, "exception", "organization/a")];
        apply(&store, set!(dropped_grants, grants)).await;
        assert!(sees(&store, &by("a", "p")).await, "{kind}: an exception of that deny");
    }
}

#[tokio::test]
async fn a_team_of_an_earlier_custodian_closes_and_does_not_open() {
    for (kind, _, store) in stores().await {
        record(&store).await;
        let team_members = vec![
            member("organization/a", "group/own", "practitioner/p", ""),
            member("organization/former", "group/old", "practitioner/q", ""),
        ];
        apply(
            &store,
            set!(team_members, grants: vec![grant(0, "permit", "group/own"), grant(1, "permit", "group/old")]),
        )
        .await;
        assert!(sees(&store, &by("b", "p")).await, "{kind}: the custodian's own");
        assert!(!sees(&store, &by("b", "q")).await, "{kind}: an earlier custodian's");
        assert!(!sees(&store, &viewer("b")).await, "{kind}: no member");
        apply(&store, set!(grants: vec![grant(2, "permit", "*"), grant(3, "deny", "group/old")])).await;
        assert!(sees(&store, &by("b", "p")).await, "{kind}");
        assert!(!sees(&store, &by("b", "q")).await, "{kind}: a deny counts whichever team it names");
    }
}

#[tokio::test]
async fn where_there_is_a_care_team_only_its_members_see_the_record_among_their_own() {
    for (kind, _, store) in stores().await {
        record(&store).await;
        for (id, organization) in [("p", "a"), ("q", "a"), ("x", "b"), ("j", "a")] {
            register(&store, id, organization, if id == "j" { "justice" } else { "care" }).await;
        }
        assert!(sees(&store, &by("a", "q")).await, "{kind}: no team");
        let others = vec![
            member("r", "careteam/t", "practitioner/x", ""),
            member("r", "careteam/t", "organization/a", ""),
            member("r", "careteam/t", "practitioner/j", "mandated-treatment"),
            member("organization/a", "group/g", "practitioner/p", ""),
        ];
        apply(&store, set!(team_members: others)).await;
        assert!(sees(&store, &by("a", "q")).await, "{kind}: a team without practitioners of this organisation");
        apply(&store, set!(team_members: vec![member("r", "careteam/t", "practitioner/p", "")])).await;
        assert!(sees(&store, &by("a", "p")).await && !sees(&store, &by("a", "q")).await, "{kind}");
        assert!(!sees(&store, &by("a", "j")).await, "{kind}: by law only is no member");
        assert!(sees(&store, &viewer("a")).await, "{kind}: the organisation's system");
        // Nor does a Consent that names the organisation open to them what the organisation keeps from them.
        apply(&store, set!(grants: vec![grant(0, "permit", "organization/a")])).await;
        assert!(!sees(&store, &by("a", "q")).await, "{kind}: by a Consent");
        let later = Viewer { now_ms: NOW_MS + HOUR_MS, ..by("a", "p") };
        assert!(!sees(&store, &later).await, "{kind}: the period has ended");
        let all_ended = Viewer { practitioner: "practitioner/q".to_owned(), ..later };
        assert!(!sees(&store, &all_ended).await, "{kind}: that all periods have ended opens nothing");
    }
}

#[tokio::test]
async fn a_limit_of_types_holds_on_every_way_to_a_record() {
    for (kind, _, store) in stores().await {
        record(&store).await;
        apply(&store, set!(grants: vec![grant(0, "permit", "organization/b")])).await;
        for organization in ["a", "b"] {
            let viewer = Viewer { types: ",Patient,Claim,Task:minimum,".to_owned(), ..viewer(organization) };
            let level = if organization == "a" { Level::Held } else { Level::Permitted };
            assert_eq!(
                levels(&store, &viewer, &["Patient", "Claim", "Encounter", "Observation", "Consent", "Task"]).await,
                [Some(level), Some(level), None, None, None, None],
                "{kind} {organization}"
            );
        }
    }
}

#[tokio::test]
async fn mandated_treatment_shows_the_attendance_by_law_and_nothing_else() {
    for (kind, _, store) in stores().await {
        record(&store).await;
        for (id, role) in [("j", "justice"), ("p", "care")] {
            register(&store, id, "b", role).await;
        }
        let by_law = |id: &str| member("r", "careteam/t", &format!("practitioner/{id}"), "mandated-treatment");
        let types = ["Encounter", "EpisodeOfCare", "Patient", "Observation", "Claim", "Consent", "Task"];
        assert!(levels(&store, &by("b", "j"), &types).await.iter().all(Option::is_none), "{kind}: of no team");
        let team_members = vec![by_law("j"), by_law("p")];
        // No deny hides it, and a permit of the team does not mean who takes part by law only.
        apply(
            &store,
            set!(team_members, grants: vec![grant(0, "permit", "careteam/t"), grant(1, "deny", "practitioner/j")]),
        )
        .await;
        let law = Some(Level::Law);
        assert_eq!(
            levels(&store, &by("b", "j"), &types).await,
            [law, law, None, None, None, None, None],
            "{kind}: a justice assistant"
        );
        assert!(levels(&store, &by("b", "p"), &types).await.iter().all(Option::is_none), "{kind}: another role");
        assert!(levels(&store, &viewer("b"), &types).await.iter().all(Option::is_none), "{kind}: the organisation");
        let later = Viewer { now_ms: NOW_MS + HOUR_MS, ..by("b", "j") };
        assert!(levels(&store, &later, &types).await.iter().all(Option::is_none), "{kind}: it has ended");
        register(&store, "j", "b", "care").await;
        assert!(
            levels(&store, &by("b", "j"), &types).await.iter().all(Option::is_none),
            "{kind}: no longer registered so"
        );
    }
}
