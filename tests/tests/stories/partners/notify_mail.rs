//! The connector that sends mail against the mail server of the sandbox: a mail that may be there is never sent again unasked.

use std::time::Duration;

use connectors::delivery::{Connector as _, Inquiry, Message, Outcome};
use connectors::notify_mail::{MailSettings, NotifyMail};
use serde_json::{Value, json};
use wellgate_tests::partners::World;

/// Long enough for an answer, and shorter than the latency that is set.
const PATIENCE: Duration = Duration::from_secs(2);

fn connector(world: &World, timeout: Duration) -> NotifyMail {
    let settings = MailSettings { timeout, ..world.mail_settings() };
    NotifyMail::new(settings).expect("the settings are right")
}

fn message(reference: &str) -> Message {
    let body = json!({"to": "intake@noord.example", "organization": "EDPBW Noord", "language": "nl"});
    Message { reference: reference.to_owned(), kind: "waiting-room".to_owned(), body }
}

#[tokio::test]
async fn a_mail_arrives_under_our_reference_with_a_name_and_an_address_in_it() {
    let world = World::start().await;
    let connector = connector(&world, Duration::from_secs(20));
    assert_eq!(connector.send(&message("d-1")).await, Outcome::Delivered(Value::Null));
    assert_eq!(connector.inquire("d-1").await, Inquiry::Impossible);
    let received = world.received("mail").await;
    assert_eq!((&received["messages"][0]["reference"], received["calls"].as_u64()), (&json!("d-1"), Some(1)));
    let mail = received["messages"][0]["body"].as_str().expect("a text");
    assert!(mail.contains("Voor EDPBW Noord staat er iets klaar in Wellgate."), "{mail}");
    assert!(mail.contains("https://gateway.example\r\n") && mail.contains("To: intake@noord.example\r\n"), "{mail}");
}

#[tokio::test]
async fn what_may_be_there_is_uncertain_and_what_cannot_be_is_tried_again() {
    for (fault, expected, times) in [
        (json!({"fault": "status", "value": 450}), ("retry", "smtp-450"), 0),
        (json!({"fault": "status", "value": 550}), ("rejected", "smtp-550"), 0),
        (json!({"fault": "cut-before-accept"}), ("uncertain", "broken"), 0),
        (json!({"fault": "cut-after-accept"}), ("uncertain", "broken"), 1),
        (json!({"fault": "truncated"}), ("uncertain", "broken"), 1),
        (json!({"fault": "nonsense", "value": "html"}), ("uncertain", "broken"), 1),
        (json!({"fault": "nonsense", "value": "huge"}), ("uncertain", "broken"), 1),
        (json!({"fault": "duplicate"}), ("delivered", ""), 1),
        (json!({"fault": "down"}), ("retry", "unreachable"), 0),
    ] {
        let world = World::start().await;
        world.fault("mail", fault.clone()).await;
        let outcome = connector(&world, Duration::from_secs(20)).send(&message("d-1")).await;
        assert_eq!(outcome.codes(), expected, "{fault}");
        assert_eq!(world.times("mail", "d-1").await.0, times, "{fault}");
    }
}

#[tokio::test]
async fn a_mail_server_that_does_not_confirm_in_time_may_have_it() {
    let world = World::start().await;
    world.fault("mail", json!({"fault": "latency", "value": 60_000})).await;
    let outcome = connector(&world, PATIENCE).send(&message("d-1")).await;
    assert_eq!(outcome.codes(), ("uncertain", "timed-out"));
    assert_eq!(world.times("mail", "d-1").await.0, 1);
}
