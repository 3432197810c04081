//! The person signed in, and who acts for a person: what the join shows them, and when it stops.

use gateway::audit::Outcome;
use gateway::storage::audit::EventFilter;
use gateway::storage::representative::RepresentativeRow;
use gateway::storage::sight::{Level, Viewer};
use gateway::storage::write_set::{Closure, NewVersion, Precondition, RecordState};
use gateway::storage::{StorageError, Store};
use serde_json::json;

use crate::world::{NOW_MS, beginning, event, first, found, grant, key, read, record, recorded, set, stores, viewer};

/// A person as the gateway names one to the store.
fn person(identity: &str, now_ms: i64) -> Viewer {
    Viewer {
        organization: identity.to_owned(),
        kind: String::new(),
        purpose: 0,
        person: identity.to_owned(),
        now_ms,
        ..viewer("nobody")
    }
}

fn row(scope: &'static str, from_ms: i64, until_ms: i64) -> RepresentativeRow {
    let [compartment, related_person] = ["r", "related-person/7"].map(str::to_owned);
    RepresentativeRow { compartment, related_person, scope, from_ms, until_ms }
}

/// Two records of `a`, each with a Patient, a Consent and a Task that has a minimum, open to everybody for everything.
async fn records(store: &Store) {
    for compartment in ["r", "other"] {
        let of = |resource_type: &str| {
            let id = if resource_type == "Patient" {
                compartment.to_owned()
            } else {
                format!("{resource_type}-{compartment}")
            };
            first(
                key(compartment, resource_type, &id),
                &json!({"resourceType": resource_type, "id": id, "status": "active"}),
            )
        };
        let task = NewVersion { minimum: Some(json!({"resourceType": "Task"}).to_string()), ..of("Task") };
        let set = beginning(compartment, "a", vec![of("Patient"), of("Consent"), of("Observation"), task]);
        let open = grant(compartment, "c", 0, "permit", "*");
        store.apply(set!(grants: vec![open]; set)).await.expect("new");
    }
}

async fn sees(store: &Store, viewer: &Viewer, compartment: &str) -> Vec<Option<Level>> {
    let mut levels = Vec::new();
    for resource_type in ["Patient", "Consent", "Observation", "Task"] {
        let id =
            if resource_type == "Patient" { compartment.to_owned() } else { format!("{resource_type}-{compartment}") };
        levels.push(read(store, viewer.clone(), resource_type, &id).await.map(|seen| seen.level));
    }
    levels
}

#[tokio::test]
async fn the_person_sees_the_whole_own_record_whatever_closes_it_and_no_other_though_everybody_may() {
    for (kind, _, store) in stores().await {
        records(&store).await;
        let [compartment, grantee, cause] = ["r", "organization/a", "task/1"].map(str::to_owned);
        store
            .apply(set!(closures: vec![Closure { compartment, grantee, cause, since_ms: NOW_MS }], ))
            .await
            .expect("new");
        let viewer = person("patient/r", NOW_MS);
        assert_eq!(sees(&store, &viewer, "r").await, [Some(Level::Person); 4], "{kind}");
        assert_eq!(sees(&store, &viewer, "other").await, [None; 4], "{kind}");
        assert_eq!(found(&store, &viewer, "Task", "status=active").await, ["Task-r"], "{kind}");
        assert_eq!(found(&store, &viewer, "Consent", "status=active").await, ["Consent-r"], "{kind}");
        for nobody in ["patient/", "patient/R", "patient/directory", "patient/r/", "person", "related-person/r"] {
            for compartment in ["r", "other"] {
                assert_eq!(sees(&store, &person(nobody, NOW_MS), compartment).await, [None; 4], "{kind} {nobody}");
            }
        }
    }
}

#[tokio::test]
async fn a_representative_sees_the_record_by_the_scope_read_from_the_first_moment_to_the_last() {
    for (kind, _, store) in stores().await {
        records(&store).await;
        for (scope, reads) in [("consent", false), ("withdraw", false), ("read", true)] {
            let dropped_representatives = vec![("r".to_owned(), "related-person/7".to_owned())];
            let representatives = vec![row(scope, NOW_MS, NOW_MS + 10)];
            store.apply(set!(dropped_representatives, representatives,)).await.expect("written");
            for (at_ms, is_in) in [(-1, false), (0, true), (9, true), (10, false)] {
                let viewer = person("related-person/7", NOW_MS + at_ms);
                let expected = (reads && is_in).then_some(Level::Person);
                assert_eq!(sees(&store, &viewer, "r").await, [expected; 4], "{kind} {scope} {at_ms}");
                assert_eq!(sees(&store, &viewer, "other").await, [None; 4], "{kind} {scope} {at_ms}");
                let scopes = store.representation("r", "related-person/7", NOW_MS + at_ms).await.expect("it answers");
                assert_eq!(scopes, if is_in { vec![scope.to_owned()] } else { Vec::new() }, "{kind} {at_ms}");
                for (record, who) in [("other", "related-person/7"), ("r", "related-person/8"), ("r", "patient/r")] {
                    let scopes = store.representation(record, who, NOW_MS + at_ms).await.expect("it answers");
                    assert!(scopes.is_empty(), "{kind} {record} {who}");
                }
            }
        }
        let dropped_representatives = vec![("r".to_owned(), "related-person/7".to_owned())];
        store.apply(set!(dropped_representatives,)).await.expect("written");
        assert_eq!(sees(&store, &person("related-person/7", NOW_MS), "r").await, [None; 4], "{kind}: dropped");
    }
}

#[tokio::test]
async fn what_rests_on_a_representation_is_not_written_once_it_was_taken_back() {
    for (kind, _, store) in stores().await {
        store.apply(beginning("r", "a", Vec::new())).await.expect("new");
        store.apply(set!(representatives: vec![row("consent", i64::MIN, i64::MAX)], )).await.expect("written");
        let decided_on = || vec![Precondition::Epoch { compartment: "r".to_owned(), epoch: 1 }];
        let revoked = set!(
            preconditions: decided_on(),
            moved_records: vec![RecordState { epoch: 2, ..record("r", "a") }],
            dropped_representatives: vec![("r".to_owned(), "related-person/7".to_owned())],
        );
        store.apply(revoked).await.expect("the first");
        let late =
            store.apply(set!(preconditions: decided_on(), audit: vec![event("r", NOW_MS, Outcome::Success)])).await;
        assert!(matches!(late, Err(StorageError::Moved)), "{kind}: {late:?}");
        assert!(store.representation("r", "related-person/7", NOW_MS).await.expect("it answers").is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn the_person_and_who_reads_for_the_person_read_the_trail_of_that_record_and_their_own() {
    for (kind, _, store) in stores().await {
        for compartment in ["r", "other"] {
            store.apply(beginning(compartment, "a", Vec::new())).await.expect("new");
        }
        let compartments = ["r", "other", "patient/r", "related-person/7", "organization/a", "patient/other"];
        let events = compartments.map(|compartment| event(compartment, NOW_MS, Outcome::Success));
        store.record_only(events.to_vec()).await.expect("written");
        store.apply(set!(representatives: vec![row("read", NOW_MS, NOW_MS + 10)], )).await.expect("written");
        let asked = async |viewer: &Viewer, compartment: Option<&str>| {
            let filter =
                EventFilter { compartment: compartment.map(str::to_owned), count: 100, ..EventFilter::default() };
            let found = store.audit_events(viewer, &filter).await.expect("it answers");
            let elsewhere = |_: &gateway::storage::resource::Touched| event("elsewhere", NOW_MS, Outcome::Success);
            let found = store.record(found, elsewhere, Vec::new()).await.expect("written");
            let counted = store.count_audit_events(viewer, &filter).await.expect("it answers");
            assert_eq!(u64::try_from(found.len()).ok(), Some(counted), "{kind}");
            let mut seen: Vec<String> = found.into_iter().map(|event| event.compartment).collect();
            seen.sort();
            seen
        };
        let patient = person("patient/r", NOW_MS);
        assert_eq!(asked(&patient, None).await, ["patient/r", "r"], "{kind}");
        assert_eq!(asked(&patient, Some("r")).await, ["r"], "{kind}");
        let related = person("related-person/7", NOW_MS);
        assert_eq!(asked(&related, None).await, ["r", "related-person/7"], "{kind}");
        let too_late = person("related-person/7", NOW_MS + 10);
        assert_eq!(asked(&too_late, None).await, ["related-person/7"], "{kind}");
        for viewer in [&patient, &related, &too_late] {
            for foreign in ["other", "organization/a", "patient/other", "directory", ""] {
                assert!(asked(viewer, Some(foreign)).await.is_empty(), "{kind} {foreign}");
            }
        }
        let filter = EventFilter { id: Some(events[1].id.clone()), count: 1, ..EventFilter::default() };
        let found = store.audit_events(&patient, &filter).await.expect("it answers");
        assert!(recorded(&store, found).await.is_empty(), "{kind}: not by its id either");
    }
}
