//! The connector to Co-prev against the Co-prev of the sandbox: what it finds, and that nothing wrong is ever found.

use std::time::Duration;

use connectors::co_prev::CoPrev;
use connectors::delivery::{Connector as _, Inquiry, Message, Outcome};
use connectors::http::HttpClient;
use mappings::co_prev::{Asker, Lookup, Question};
use mappings::identifiers::{Cbe, Ssin};
use serde_json::{Value, json};
use wellgate_tests::partners::World;

const ONE: &str = "90010199992";
/// Long enough for an answer, and shorter than the latency that is set.
const PATIENCE: Duration = Duration::from_secs(2);

fn connector(world: &World, timeout: Duration) -> CoPrev {
    let asker = Asker { legal_basis: "test".to_owned(), cbe: Cbe::parse("0000000196").expect("a number") };
    CoPrev::new(HttpClient::new().expect("a client"), &world.url("co-prev"), asker, timeout)
}

fn message(reference: &str, ssin: &str) -> Message {
    let ssin = Ssin::parse(ssin).expect("a number");
    let question = Question { ssin, reference_date: "2026-03-01".to_owned(), purpose: "reintegration".to_owned() };
    Message { reference: reference.to_owned(), kind: "employer-lookup".to_owned(), body: question.to_value() }
}

/// The codes of the services that were found; panics where nothing was.
fn services(outcome: Outcome) -> Vec<String> {
    let Outcome::Delivered(found) = outcome else { panic!("{outcome:?}") };
    assert!(!found.to_string().contains("9001"), "no national number: {found}");
    let lookup = Lookup::from_value(found).expect("what is kept is read again");
    let code = |service: mappings::co_prev::PreventionService| service.code;
    lookup.employments.into_iter().map(|one| one.service.map(code).unwrap_or_default()).collect()
}

#[tokio::test]
async fn one_several_and_no_employments_are_found() {
    let world = World::start().await;
    let connector = connector(&world, Duration::from_secs(20));
    for (n, (ssin, found)) in [
        (ONE, vec!["NOORD"]),
        ("90010299962", vec!["ZUID"]),
        ("90010399932", vec!["NOORD", "ZUID"]),
        ("90010499902", vec![]),
        ("90010699939", vec!["VER"]),
        ("90010799909", vec![""]),
        ("85073003328", vec![]),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(services(connector.send(&message(&format!("l-{n}"), ssin)).await), found, "{ssin}");
    }
    let Outcome::Rejected(cause) = connector.send(&message("l-9", "90010199993")).await else { panic!("it is wrong") };
    assert_eq!(cause.code, "coprev.ssin.invalid");
    assert_eq!(connector.inquire("l-0").await, Inquiry::Impossible);
}

#[tokio::test]
async fn whatever_goes_wrong_is_tried_again_and_then_found() {
    for (fault, code, times) in [
        (json!({"fault": "status", "value": 503, "retryAfter": 7}), "status-503", 0),
        (json!({"fault": "status", "value": 500}), "status-500", 0),
        (json!({"fault": "cut-before-accept"}), "broken", 0),
        (json!({"fault": "cut-after-accept"}), "broken", 1),
        (json!({"fault": "truncated"}), "broken", 1),
        (json!({"fault": "nonsense", "value": "html"}), "unreadable", 1),
        (json!({"fault": "nonsense", "value": "empty"}), "unreadable", 1),
        (json!({"fault": "nonsense", "value": "json"}), "answer-refused", 1),
        (json!({"fault": "nonsense", "value": "endless"}), "answer-too-long", 1),
        (json!({"fault": "nonsense", "value": "huge"}), "answer-too-long", 1),
        (json!({"fault": "wrong-patient"}), "answer-refused", 1),
    ] {
        let world = World::start().await;
        let connector = connector(&world, Duration::from_secs(20));
        world.fault("co-prev", fault.clone()).await;
        let Outcome::Retry(cause, wait) = connector.send(&message("l-1", ONE)).await else { panic!("{fault}") };
        assert_eq!(cause.code, code, "{fault}");
        assert_eq!(wait, fault["retryAfter"].as_u64().map(Duration::from_secs), "{fault}");
        assert!(!format!("{cause:?}").contains(ONE), "{cause:?}");
        assert_eq!(world.times("co-prev", "l-1").await.0, times, "{fault}");
        assert_eq!(services(connector.send(&message("l-1", ONE)).await), ["NOORD"], "{fault}");
    }
}

#[tokio::test]
async fn a_partner_that_is_too_slow_is_not_waited_for() {
    let world = World::start().await;
    world.fault("co-prev", json!({"fault": "latency", "value": 60_000})).await;
    let Outcome::Retry(cause, None) = connector(&world, PATIENCE).send(&message("l-1", ONE)).await else {
        panic!("late")
    };
    assert_eq!(cause.code, "timed-out");
    assert_eq!(world.times("co-prev", "l-1").await, (1, 1));
}

#[tokio::test]
async fn the_answer_to_an_earlier_question_is_not_taken_for_this_one() {
    let world = World::start().await;
    let connector = connector(&world, Duration::from_secs(20));
    assert_eq!(services(connector.send(&message("l-1", "90010299962")).await), ["ZUID"]);
    world.fault("co-prev", json!({"fault": "duplicate"})).await;
    let Outcome::Retry(cause, None) = connector.send(&message("l-2", ONE)).await else { panic!("it is another's") };
    assert_eq!(cause.code, "answer-refused");
    assert_eq!(services(connector.send(&message("l-2", ONE)).await), ["NOORD"]);
}

#[tokio::test]
async fn a_partner_that_is_down_is_tried_again() {
    let world = World::start().await;
    let connector = connector(&world, Duration::from_secs(20));
    assert_eq!(services(connector.send(&message("l-1", ONE)).await), ["NOORD"]);
    world.fault("co-prev", json!({"fault": "down"})).await;
    let Outcome::Retry(cause, None) = connector.send(&message("l-2", ONE)).await else { panic!("nobody listens") };
    assert_eq!(cause.code, "unreachable");
    world.control(reqwest::Method::DELETE, "partners/co-prev/faults", &Value::Null).await;
    assert_eq!(services(connector.send(&message("l-2", ONE)).await), ["NOORD"]);
}
