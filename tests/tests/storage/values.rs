//! Values that a database could stumble over are refused as content, or kept; never answered as a database that is away.

use serde_json::json;

use crate::races::{World, encoded};

#[tokio::test]
async fn no_text_of_a_client_makes_the_database_fail() {
    let long = "é".repeat(3_000);
    let four_bytes = "\u{1F9E0}".repeat(600);
    let texts = [
        "a\u{0}b",
        "\u{0}",
        "\u{10FFFF}",
        "\u{FFFE}",
        "'; DROP TABLE resource; --",
        "\\",
        "$1",
        "%s",
        &long,
        &four_bytes,
    ];
    for (kind, url) in wellgate_tests::databases() {
        let world = World::new(&url).await;
        for text in texts {
            let start: String = text.chars().take(12).collect();
            let patients = [
                json!({"resourceType": "Patient", "name": [{"family": text}]}),
                json!({"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": text}]}),
                json!({"resourceType": "Patient", "identifier": [{"system": format!("urn:{text}"), "value": "1"}]}),
                json!({"resourceType": "Patient", "generalPractitioner": [{"display": text}]}),
            ];
            for patient in patients {
                let answer = world.post(0, "sender", &patient).await;
                assert!(
                    [201, 400, 422].contains(&answer.status),
                    "{kind} {start:?}: {} {}",
                    answer.status,
                    answer.body
                );
                if answer.status == 201 {
                    let mut read = world.get(1, "sender", "Patient", &answer.id()).await.body;
                    for member in ["id", "meta"] {
                        read.as_object_mut().expect("a resource").remove(member);
                    }
                    assert_eq!(read, patient, "{kind} {start:?}: it comes back as it was sent");
                }
            }
            let encoded = encoded(&text.chars().take(20).collect::<String>());
            for parameter in ["family", "identifier", "general-practitioner", "_sort", "_id", "birthdate"] {
                let answer = world.find(0, "sender", "Patient", &format!("{parameter}={encoded}")).await;
                assert!(
                    [200, 400].contains(&answer.status),
                    "{kind} {parameter} {start:?}: {} {}",
                    answer.status,
                    answer.body
                );
            }
            let id = if text.len() < 60 { text } else { "x" };
            for answer in [world.get(0, "sender", "Patient", id).await, world.delete(0, "sender", "Patient", id).await]
            {
                assert!([400, 404].contains(&answer.status), "{kind} {start:?}: {} {}", answer.status, answer.body);
            }
        }
    }
}
