//! What a partner does when it is told to fail: each fault at each partner that speaks HTTP, and what had arrived all the same.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use wellgate_tests::partners::World;

use super::message;

const PARTNERS: [&str; 3] = ["co-prev", "ehr", "sciensano"];
/// More than an answer takes, and less than the latency that is set.
const SHORT: Duration = Duration::from_millis(500);

async fn send(world: &World, partner: &str, reference: &str) -> Result<Response, reqwest::Error> {
    let (url, body) = message(world, partner, reference);
    world.http.post(url).body(body.to_string()).send().await
}

async fn answer(world: &World, partner: &str, reference: &str) -> (StatusCode, String) {
    let answer = send(world, partner, reference).await.expect("it answers");
    (answer.status(), answer.text().await.expect("it is whole"))
}

#[tokio::test]
async fn a_slow_partner_has_the_message_before_it_answers() {
    for partner in PARTNERS {
        let world = World::start().await;
        world.fault(partner, json!({"fault": "latency", "value": 60_000})).await;
        let (url, body) = message(&world, partner, "d-1");
        let late = world.http.post(url).body(body.to_string()).timeout(SHORT).send().await;
        assert!(late.is_err_and(|error| error.is_timeout()), "{partner}");
        assert_eq!(world.times(partner, "d-1").await, (1, 1), "{partner}");
        assert!(send(&world, partner, "d-1").await.is_ok(), "{partner}: it was for one call");
    }
}

#[tokio::test]
async fn a_status_is_answered_for_as_many_calls_and_nothing_is_taken_in() {
    for partner in PARTNERS {
        let world = World::start().await;
        world.fault(partner, json!({"fault": "status", "value": 503, "retryAfter": 7, "calls": 2})).await;
        for _ in 0..2 {
            let answer = send(&world, partner, "d-1").await.expect("it answers");
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["retry-after"]),
                (503, &"7".parse().expect("a value"))
            );
        }
        assert_eq!(world.times(partner, "d-1").await, (0, 0), "{partner}");
        assert!(answer(&world, partner, "d-1").await.0.is_success(), "{partner}");
        assert_eq!(world.times(partner, "d-1").await, (1, 1), "{partner}");
        assert_eq!(world.received(partner).await["calls"], 3, "{partner}");
    }
}

#[tokio::test]
async fn a_line_that_is_cut_after_accepting_leaves_the_message_with_the_partner() {
    for partner in PARTNERS {
        let world = World::start().await;
        world.fault(partner, json!({"fault": "cut-after-accept"})).await;
        assert!(send(&world, partner, "d-1").await.is_err(), "{partner}");
        assert_eq!(world.times(partner, "d-1").await, (1, 1), "{partner}");
        assert!(answer(&world, partner, "d-1").await.0.is_success(), "{partner}");
        assert_eq!(world.times(partner, "d-1").await, (2, 1), "{partner}: it came twice, with one effect");
    }
}

#[tokio::test]
async fn a_line_that_is_cut_before_accepting_leaves_nothing() {
    for partner in PARTNERS {
        let world = World::start().await;
        world.fault(partner, json!({"fault": "cut-before-accept"})).await;
        assert!(send(&world, partner, "d-1").await.is_err(), "{partner}");
        assert_eq!(world.times(partner, "d-1").await, (0, 0), "{partner}");
    }
}

#[tokio::test]
async fn a_truncated_answer_promises_more_than_comes() {
    for partner in PARTNERS {
        let world = World::start().await;
        let whole = answer(&world, partner, "d-1").await.1;
        world.fault(partner, json!({"fault": "truncated"})).await;
        let mut cut = send(&world, partner, "d-1").await.expect("its head comes");
        assert_eq!(cut.content_length(), Some(whole.len() as u64), "{partner}");
        let half = cut.chunk().await.expect("half of it comes").expect("half of it comes");
        assert_eq!(half, whole.as_bytes()[..whole.len() / 2], "{partner}");
        assert!(cut.chunk().await.is_err(), "{partner}: the rest does not");
        assert_eq!(world.times(partner, "d-1").await, (2, 1), "{partner}");
    }
}

#[tokio::test]
async fn nonsense_is_no_answer_and_the_message_was_taken_in() {
    for partner in PARTNERS {
        let world = World::start().await;
        for (kind, media_type, text) in [
            ("html", "text/html", "It works!"),
            ("empty", "application/json", ""),
            ("json", "application/json", "rejected"),
        ] {
            world.fault(partner, json!({"fault": "nonsense", "value": kind})).await;
            let answer = send(&world, partner, kind).await.expect("it answers");
            assert_eq!(
                (answer.status().as_u16(), answer.headers()["content-type"].as_bytes()),
                (200, media_type.as_bytes())
            );
            let body = answer.text().await.expect("it is whole");
            assert!(body.contains(text) && body.is_empty() == text.is_empty(), "{partner} {kind}: {body}");
            assert_eq!(world.times(partner, kind).await, (1, 1), "{partner} {kind}");
        }
        for (kind, announced) in [("endless", None), ("huge", Some(2_147_483_648))] {
            world.fault(partner, json!({"fault": "nonsense", "value": kind})).await;
            let mut answer = send(&world, partner, kind).await.expect("it begins");
            assert_eq!(answer.content_length(), announced, "{partner} {kind}");
            let mut bytes = 0;
            while bytes < 1_000_000 {
                bytes += answer.chunk().await.expect("it goes on").expect("it goes on").len();
            }
            drop(answer);
            assert_eq!(world.times(partner, kind).await, (1, 1), "{partner} {kind}");
        }
    }
}

#[tokio::test]
async fn a_duplicate_is_the_answer_of_the_message_before() {
    for partner in PARTNERS {
        let world = World::start().await;
        let first = answer(&world, partner, "d-1").await;
        world.fault(partner, json!({"fault": "duplicate"})).await;
        assert_eq!(answer(&world, partner, "d-2").await, first, "{partner}");
        assert_eq!(world.times(partner, "d-2").await, (1, 1), "{partner}");
        assert_ne!(answer(&world, partner, "d-2").await, first, "{partner}");
    }
}

#[tokio::test]
async fn an_answer_about_somebody_else_has_the_right_form() {
    for (partner, path) in [("co-prev", "/ssin"), ("ehr", "/identifier/value"), ("sciensano", "/reference")] {
        let world = World::start().await;
        let right: Value = serde_json::from_str(&answer(&world, partner, "d-1").await.1).expect("JSON");
        world.fault(partner, json!({"fault": "wrong-patient"})).await;
        let (status, wrong) = answer(&world, partner, "d-1").await;
        let wrong: Value = serde_json::from_str(&wrong).expect("JSON");
        assert!(status.is_success(), "{partner}");
        assert!(wrong.pointer(path).is_some_and(|wrong| Some(wrong) != right.pointer(path)), "{partner}: {wrong}");
    }
}

#[tokio::test]
async fn a_partner_that_is_down_refuses_connections_and_comes_back_at_the_same_address() {
    for partner in PARTNERS {
        let world = World::start().await;
        answer(&world, partner, "d-1").await;
        world.fault(partner, json!({"fault": "down"})).await;
        for _ in 0..3 {
            assert!(send(&world, partner, "d-1").await.is_err_and(|error| error.is_connect()), "{partner}");
        }
        let path = format!("partners/{partner}/faults");
        assert_eq!(world.control(Method::GET, &path, &Value::Null).await.1["faults"][0]["fault"], "down");
        let (_, cleared) = world.control(Method::DELETE, &path, &Value::Null).await;
        assert_eq!(cleared["faults"], json!([]));
        assert!(answer(&world, partner, "d-1").await.0.is_success(), "{partner}");
    }
}

#[tokio::test]
async fn a_partner_that_is_down_for_a_time_comes_back_by_itself() {
    let world = World::start().await;
    world.fault("ehr", json!({"fault": "down", "value": 100})).await;
    // Nobody is told when it is back: it is tried until it is.
    let back = async {
        while send(&world, "ehr", "d-1").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), back).await.expect("it comes back");
    let faults = world.control(Method::GET, "partners/ehr/faults", &Value::Null).await.1;
    assert_eq!(faults["faults"], json!([]), "it is over");
}

#[tokio::test]
async fn always_lasts_until_it_is_cleared_and_other_partners_are_well() {
    let world = World::start().await;
    world.fault("ehr", json!({"fault": "status", "value": 500, "calls": "always"})).await;
    for _ in 0..5 {
        assert_eq!(answer(&world, "ehr", "d-1").await.0, 500);
    }
    assert!(answer(&world, "sciensano", "d-1").await.0.is_success());
    world.control(Method::DELETE, "partners/ehr/faults", &Value::Null).await;
    assert_eq!(answer(&world, "ehr", "d-1").await.0, 200);
}

#[tokio::test]
async fn a_wrong_fault_is_refused_with_its_member_named_and_changes_nothing() {
    let world = World::start().await;
    for (partner, fault, member) in [
        ("ehr", json!({"fault": "broken"}), "fault"),
        ("ehr", json!({"fault": "latency", "value": "soon"}), "value"),
        ("ehr", json!({"fault": "truncated", "calls": 0}), "calls"),
        ("ehr", json!({"fault": "truncated", "call": 1}), "call"),
        ("ehr", json!([]), "the body"),
        ("mail", json!({"fault": "wrong-patient"}), "fault"),
    ] {
        let (status, answer) = world.control(Method::POST, &format!("partners/{partner}/faults"), &fault).await;
        assert_eq!(status, 400, "{fault}");
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(error.starts_with(&format!("{member}: ")), "{fault}: {error}");
    }
    for path in ["partners/ehr/faults", "partners/mail/faults"] {
        assert_eq!(world.control(Method::GET, path, &Value::Null).await.1["faults"], json!([]));
    }
    for (method, path) in
        [(Method::POST, "faults"), (Method::GET, "faults"), (Method::DELETE, "faults"), (Method::GET, "received")]
    {
        let (status, answer) =
            world.control(method, &format!("partners/nobody/{path}"), &json!({"fault": "down"})).await;
        assert_eq!((status.as_u16(), answer["error"].is_string()), (404, true));
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_and_not_kept() {
    let world = World::start().await;
    let long = " ".repeat(4 * 1024 * 1024 + 1);
    let answer = world.http.post(world.url("ehr")).body(long).send().await.expect("it answers");
    assert_eq!(answer.status(), 413);
    assert_eq!(world.received("ehr").await["messages"], json!([]));
}
