//! The mail partner: what it takes, and each of its faults.

use serde_json::json;
use wellgate_tests::partners::{Smtp, World};

async fn smtp(world: &World) -> Smtp {
    Smtp::connect(&world.url("mail")).await.expect("it greets")
}

#[tokio::test]
async fn a_mail_is_kept_as_often_as_it_comes() {
    let world = World::start().await;
    let mut line = smtp(&world).await;
    assert!(line.say("HELO client").await.starts_with("250"));
    assert!(line.mail("d-1").await.starts_with("250"));
    assert!(line.mail("d-1").await.starts_with("250"), "the same line takes another");
    assert_eq!(world.times("mail", "d-1").await, (2, 2), "nothing tells mail that it came before");
    let received = world.received("mail").await;
    assert_eq!(received["messages"][0]["body"], "Message-ID: <d-1@gateway.example>\r\nSubject: x\r\n\r\n.dot\r\n");
}

#[tokio::test]
async fn what_comes_in_another_order_is_refused() {
    let world = World::start().await;
    let mut line = smtp(&world).await;
    for (said, answered) in [
        ("RCPT TO:<a@example.org>", "503"),
        ("DATA", "503"),
        ("VRFY a", "502"),
        ("", "502"),
        ("MAIL FROM:<a@example.org>", "250"),
        ("MAIL FROM:<a@example.org>", "503"),
        ("DATA", "503"),
        ("RSET", "250"),
        ("RCPT TO:<a@example.org>", "503"),
        ("QUIT", "221"),
    ] {
        let answer = line.say(said).await;
        assert!(answer.starts_with(answered), "{said}: {answer}");
    }
    assert_eq!(line.hear().await, "", "it is closed");
    assert_eq!(world.received("mail").await["messages"], json!([]));
}

#[tokio::test]
async fn a_mail_that_is_too_long_is_refused_and_not_kept() {
    let world = World::start().await;
    let mut line = smtp(&world).await;
    line.say("MAIL FROM:<a@example.org>").await;
    line.say("RCPT TO:<b@example.org>").await;
    line.say("DATA").await;
    let text = format!("{}\r\n", "x".repeat(900)).repeat(1_200);
    assert!(line.say(&format!("{text}.")).await.starts_with("552"));
    assert_eq!(world.received("mail").await["messages"], json!([]));
    assert!(line.mail("d-1").await.starts_with("250"));
}

#[tokio::test]
async fn mail_fails_as_it_is_told() {
    let world = World::start().await;
    for (fault, answered, times) in [
        (json!({"fault": "status", "value": 451}), "451", 0),
        (json!({"fault": "status", "value": 550}), "550", 0),
        (json!({"fault": "cut-before-accept"}), "", 0),
        (json!({"fault": "cut-after-accept"}), "", 1),
        (json!({"fault": "truncated"}), "25", 1),
        (json!({"fault": "nonsense"}), "<!doctype", 1),
        (json!({"fault": "nonsense", "value": "empty"}), "\r\n", 1),
        (json!({"fault": "nonsense", "value": "endless"}), "250-and so on", 1),
        (json!({"fault": "latency", "value": 1}), "250", 1),
    ] {
        world.control(reqwest::Method::POST, "reset", &json!(null)).await;
        world.fault("mail", fault.clone()).await;
        let answer = smtp(&world).await.mail("d-1").await;
        assert!(answer.starts_with(answered) && answer.is_empty() == answered.is_empty(), "{fault}: {answer}");
        assert_eq!(world.times("mail", "d-1").await.0, times, "{fault}");
        assert!(smtp(&world).await.mail("d-2").await.starts_with("250"), "{fault}: it was for one call");
    }
}

#[tokio::test]
async fn a_duplicate_reply_comes_twice() {
    let world = World::start().await;
    world.fault("mail", json!({"fault": "duplicate"})).await;
    let mut line = smtp(&world).await;
    assert!(line.mail("d-1").await.starts_with("250"));
    assert!(line.hear().await.starts_with("250"), "once more, unasked");
}

#[tokio::test]
async fn mail_that_is_down_refuses_connections() {
    let world = World::start().await;
    world.fault("mail", json!({"fault": "down"})).await;
    assert!(Smtp::connect(&world.url("mail")).await.is_none());
    world.control(reqwest::Method::DELETE, "partners/mail/faults", &json!(null)).await;
    assert!(smtp(&world).await.mail("d-1").await.starts_with("250"));
}
