//! Intakes: what is looked for, what has been looked for too long, and which numbers nobody needs any more.

use gateway::storage::intake::{IntakeRow, IntakeState};

use crate::world::{NOW_MS, set, stores};

fn intake(task_id: &str, state: IntakeState, number: i64) -> IntakeRow {
    IntakeRow {
        compartment: "organization/a".to_owned(),
        task_id: task_id.to_owned(),
        record: "record-1".to_owned(),
        state,
        number,
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
            intake("1", IntakeState::Asking, 7),
            intake("2", IntakeState::Person, 7),
            intake("3", IntakeState::Person, 0),
            intake("4", IntakeState::Ended, 7),
            intake("5", IntakeState::Ended, 0),
        ];
        store.apply(set!(intakes: intakes.clone(),)).await.expect("new");
        let decided = async |count: i64| store.intakes_decided(count).await.expect("it answers");
        assert_eq!(ids(&decided(9).await), ["2", "4", "5"], "{kind}");
        assert_eq!(ids(&decided(1).await), ["2"], "{kind}");
        let one = async |id: &str| store.intake("organization/a", id).await.expect("it answers");
        assert_eq!(one("1").await.as_ref(), intakes.first(), "{kind}");
        for row in &intakes {
            store.forget_intake_number(row).await.expect("it answers");
        }
        assert!(one("1").await.is_some_and(|row| row.number == 7), "{kind}: it is asked by it");
        assert!(one("2").await.is_some_and(|row| row.number == 0), "{kind}");
        assert!(one("4").await.is_none() && one("5").await.is_none(), "{kind}");
        assert!(decided(9).await.is_empty(), "{kind}");
        // A number that came while the other was destroyed is not forgotten with it.
        store.apply(set!(intakes: vec![intake("3", IntakeState::Person, 9)],)).await.expect("it moves");
        store.forget_intake_number(&intake("3", IntakeState::Person, 7)).await.expect("it answers");
        assert_eq!(ids(&decided(9).await), ["3"], "{kind}");
        assert!(store.intake("organization/b", "1").await.expect("it answers").is_none(), "{kind}");
    }
}

#[tokio::test]
async fn an_intake_moves_on_and_never_forgets_by_itself_that_there_is_a_number() {
    for (kind, _, store) in stores().await {
        store.apply(set!(intakes: vec![intake("1", IntakeState::Asking, 7)],)).await.expect("new");
        let answered = IntakeRow { lookup: "{}".to_owned(), ..intake("1", IntakeState::Person, 0) };
        let later = IntakeRow { since_ms: NOW_MS + 9, ..answered.clone() };
        store.apply(set!(intakes: vec![later],)).await.expect("it moves");
        let now = store.intake("organization/a", "1").await.expect("it answers");
        assert_eq!(now, Some(IntakeRow { number: 7, ..answered }), "{kind}: it began when it began");
        let old = async |before_ms: i64| store.intakes_before(before_ms, 9).await.expect("it answers");
        assert_eq!((ids(&old(NOW_MS).await).len(), ids(&old(NOW_MS + 1).await).len()), (0, 1), "{kind}");
        store.apply(set!(intakes: vec![intake("1", IntakeState::Ended, 0)],)).await.expect("it ends");
        assert!(old(NOW_MS + 1).await.is_empty(), "{kind}");
    }
}
