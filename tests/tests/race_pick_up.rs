//! Twenty organisations of a pool race for one pick-up, again and again: one wins each time, and the others learn nothing.
//!
//! `WELLGATE_RACES` says how often; `tests/long/races` runs the long form.

use serde_json::json;
use wellgate_tests::caller::Answer;
use wellgate_tests::gateway::{Gateway, Options};
use wellgate_tests::referral::place;
use wellgate_tests::{stories, variable};

const RACERS: usize = 20;
const LOST: &str = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"conflict","details":{"text":"the resource has changed since the version in If-Match"}}]}"#;

async fn race_for_a_pick_up_has_one_winner(gateway: Gateway) {
    let races: usize =
        variable("WELLGATE_RACES").map_or(10, |number| number.parse().expect("WELLGATE_RACES is a number"));
    let racers: Vec<String> = (1..=RACERS).map(|n| format!("elp-{n}")).collect();
    let permitted: Vec<&str> = racers.iter().map(String::as_str).collect();
    let mut winners = vec![0; RACERS];
    for _ in 0..races {
        let placed = place(&gateway, "edpbw-a", &permitted, "HealthcareService/elp-pool").await;
        let winner = race(&gateway, &racers, &placed.task).await;
        winners[winner] += 1;
        let mut seeing = Vec::new();
        for racer in &racers {
            if gateway.as_(racer).get(format!("Patient/{}", placed.patient)).await.status == 200 {
                seeing.push(racer);
            }
        }
        assert_eq!(seeing, [&racers[winner]], "the dossier is open to the winner alone");
        let task = gateway.as_(&racers[winner]).get(format!("Task/{}", placed.task)).await.expect(200);
        assert_eq!(task.json["owner"]["reference"], format!("Organization/{}", racers[winner]));
    }
    let lost = races * (RACERS - 1);
    println!(
        "{races} races of {RACERS}: {races} times one winner, {lost} times 412 and not a byte more; won: {winners:?}"
    );
}

/// All read the Task, and then all write it at once; answers who won.
async fn race(gateway: &Gateway, racers: &[String], task: &str) -> usize {
    let path = format!("Task/{task}");
    let seen = gateway.as_(&racers[0]).get(&path).await.expect(200);
    let mut wanted = seen.json.clone();
    wanted["status"] = json!("accepted");
    let etag = seen.etag();
    let picks = racers.iter().map(|racer| {
        let caller = gateway.as_(racer);
        let (path, wanted, etag) = (&path, &wanted, &etag);
        async move { caller.put_with(path, wanted, &[("if-match", etag)]).await }
    });
    let answers: Vec<Answer> = futures_util::future::join_all(picks).await;
    let mut winners = Vec::new();
    for (n, answer) in answers.iter().enumerate() {
        match answer.status {
            200 => winners.push(n),
            412 => assert_eq!(String::from_utf8_lossy(&answer.bytes), LOST),
            _ => panic!("{}: {answer}", racers[n]),
        }
    }
    assert_eq!(winners.len(), 1, "exactly one wins: {winners:?}");
    winners[0]
}

fn twenty_members() -> Options {
    Options { elp_members: RACERS, ..Options::default() }
}

stories!(with twenty_members; race_for_a_pick_up_has_one_winner);
