//! The connector to an organisation's FHIR server against the record system of the sandbox: what may be there is asked about.

use connectors::delivery::{Connector as _, Inquiry, Message};
use connectors::ehr_fhir::EhrFhir;
use connectors::http::HttpClient;
use mappings::message::{Header, Part, write};
use serde_json::{Value, json};
use wellgate_tests::partners::World;

const BASE: &str = "https://gateway.example/fhir";

fn connector(world: &World) -> EhrFhir {
    EhrFhir::new(HttpClient::new().expect("a client"), world.url("ehr"))
}

fn message(reference: &str) -> Message {
    let header = Header {
        reference,
        event: "dossier",
        source: BASE,
        destination: BASE,
        sent: "2026-03-01T12:00:00.000Z",
        focus: "Patient/1",
    };
    let parts = [Part { reference: "Patient/1", body: "{\"resourceType\":\"Patient\",\"id\":\"1\"}" }];
    let bundle = write(&header, &parts).expect("the resource is JSON");
    Message { reference: reference.to_owned(), kind: "dossier".to_owned(), body: Value::String(bundle) }
}

#[tokio::test]
async fn what_may_have_arrived_is_asked_about_and_the_answer_is_what_happened() {
    for (fault, outcome, arrived) in [
        (json!({"fault": "status", "value": 503}), "retry", false),
        (json!({"fault": "status", "value": 500}), "uncertain", false),
        (json!({"fault": "cut-before-accept"}), "uncertain", false),
        (json!({"fault": "cut-after-accept"}), "uncertain", true),
        (json!({"fault": "truncated"}), "uncertain", true),
        (json!({"fault": "nonsense", "value": "html"}), "uncertain", true),
        (json!({"fault": "nonsense", "value": "json"}), "uncertain", true),
        (json!({"fault": "nonsense", "value": "endless"}), "uncertain", true),
        (json!({"fault": "wrong-patient"}), "uncertain", true),
        (json!({"fault": "latency", "value": 1}), "delivered", true),
    ] {
        let world = World::start().await;
        world.fault("ehr", fault.clone()).await;
        let connector = connector(&world);
        assert_eq!(connector.send(&message("d-1")).await.codes().0, outcome, "{fault}");
        let inquiry = connector.inquire("d-1").await;
        let expected = if arrived { Inquiry::Has(Value::Null) } else { Inquiry::HasNot };
        assert_eq!(inquiry, expected, "{fault}");
        assert_eq!(world.times("ehr", "d-1").await, (u64::from(arrived), u64::from(arrived)), "{fault}");
    }
}

#[tokio::test]
async fn the_answer_to_an_earlier_message_is_not_taken_for_this_one() {
    let world = World::start().await;
    let connector = connector(&world);
    assert_eq!(connector.send(&message("d-1")).await.codes().0, "delivered");
    world.fault("ehr", json!({"fault": "duplicate"})).await;
    assert_eq!(connector.send(&message("d-2")).await.codes().0, "uncertain");
    assert_eq!(connector.inquire("d-2").await, Inquiry::Has(Value::Null));
    assert_eq!(connector.inquire("d-3").await, Inquiry::HasNot);
}
