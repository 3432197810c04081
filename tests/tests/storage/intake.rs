//! Intakes: what is looked for, what has been looked for too long, and which numbers nobody needs any more.

use gateway::storage::intake::{IntakeRow, IntakeState};

use crate::world::{NOW_MS, set, stores};

fn intake(task_id: &str, state: IntakeState, has_number: bool) -> IntakeRow {
    IntakeRow {
        compartment: "organization/a".to_owned(),
        task_id: task_id.to_owned(),
        record: "record-1".to_owned(),
        state,
        has_number,
        since_ms: NOW_MS,
        lookup: String::new(),
    }
}

fn ids(rows: &[IntakeRow]) -> Vec<&str> {
    rows.iter().map(|row| row.task_id.as_str()).collect()
}

#[tokio::test]
async fn a_number_is_kept_as_long_as_it_is_asked_by_it_and_an_intake_that_has_ended_is_forgotten_with_it() {
    for (kind, _, store) in stores().await {
        let intakes = vec![
            intake("1", IntakeState::Asking, true),
            intake("2", IntakeState::Person, true),
            intake("3", IntakeState::Person, false),
            intake("4", IntakeState::Ended, true),
            intake("5", IntakeState::Ended, false),
        ];
        store.apply(set!(intakes: intakes.clone(),)).await.expect("new");
        let decided = async |count: i64| store.intakes_decided(count).await.expect("it answers");
        assert_eq!(ids(&decided(9).await), ["2", "4", "5"], "{kind}");
        assert_eq!(ids(&decided(1).await), ["2"], "{kind}");
        let one = async |id: &str| store.intake("organization/a", id).await.expect("it answers");
        assert_eq!(one("1").await.as_ref(), intakes.first(), "{kind}");
        for id in ["1", "2", "4", "5"] {
            store.forget_intake_number("organization/a", id).await.expect("it answers");
        }
        assert!(one("1").await.is_some_and(|row| row.has_number), "{kind}: it is asked by it");
        assert!(one("2").await.is_some_and(|row| !row.has_number), "{kind}");
        assert!(one("4").await.is_none() && one("5").await.is_none(), "{kind}");
        assert!(decided(9).await.is_empty(), "{kind}");
        assert!(store.intake("organization/b", "1").await.expect("it answers").is_none(), "{kind}");
    }
}

#[tokio::test]
async fn an_intake_moves_on_and_never_forgets_by_itself_that_there_is_a_number() {
    for (kind, _, store) in stores().await {
        store.apply(set!(intakes: vec![intake("1", IntakeState::Asking, true)],)).await.expect("new");
        let answered = IntakeRow { lookup: "{}".to_owned(), ..intake("1", IntakeState::Person, false) };
        let later = IntakeRow { since_ms: NOW_MS + 9, ..answered.clone() };
        store.apply(set!(intakes: vec![later],)).await.expect("it moves");
        let now = store.intake("organization/a", "1").await.expect("it answers");
        assert_eq!(now, Some(IntakeRow { has_number: true, ..answered }), "{kind}: it began when it began");
        let old = async |before_ms: i64| store.intakes_before(before_ms, 9).await.expect("it answers");
        assert_eq!((ids(&old(NOW_MS).await).len(), ids(&old(NOW_MS + 1).await).len()), (0, 1), "{kind}");
        store.apply(set!(intakes: vec![intake("1", IntakeState::Ended, false)],)).await.expect("it ends");
        assert!(old(NOW_MS + 1).await.is_empty(), "{kind}");
    }
}
