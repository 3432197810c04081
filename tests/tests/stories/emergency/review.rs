//! After an emergency: the queue of sessions, and the custodian's verdict on each.

use serde_json::{Value, json};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::resources::patient;
use wellgate_tests::stories;

use super::{END, OPEN, QUEUE, REASON, about, asking, doctor, id_of, member, record};

pub(super) const REVIEW: &str = "Patient/$review-emergency";

pub(super) fn judging(session: &str, verdict: &str) -> Value {
    json!({"resourceType": "Parameters", "parameter": [
        {"name": "session", "valueId": session},
        {"name": "verdict", "valueCode": verdict},
        {"name": "text", "valueString": "TEST-VERDICT the reason holds"},
    ]})
}

async fn the_custodian_judges_an_emergency_once_when_it_is_over(gateway: Gateway) {
    let (custodian, patient) = record(&gateway).await;
    let doctor = doctor(&gateway);
    let session = id_of(&doctor.post(OPEN, &asking(&patient, "BTG")).await.expect(201));
    custodian.post(REVIEW, &judging(&session, "justified")).await.expect(422);
    doctor.post(END, &about(&session)).await.expect(200);
    let waiting = custodian.search(format!("{QUEUE}?status=unreviewed")).await;
    assert_eq!(waiting.len(), 1);
    assert_eq!(member(&waiting[0], "reason"), REASON);
    let refused = doctor.post(REVIEW, &judging(&session, "justified")).await.expect(403);
    assert_eq!(refused.reason(), "not-custodian");
    gateway.as_("gp-1").post(REVIEW, &judging(&session, "justified")).await.expect(404);
    custodian.post(REVIEW, &judging(&session, "fine")).await.expect(422);
    assert_eq!(custodian.search(format!("{QUEUE}?status=unreviewed")).await.len(), 1, "nothing was stored");

    let judged = custodian.post(REVIEW, &judging(&session, "unjustified")).await.expect(200);
    assert_eq!(member(&judged.json, "verdict"), "unjustified");
    custodian.post(REVIEW, &judging(&session, "justified")).await.expect(422);
    assert_eq!(custodian.search(format!("{QUEUE}?status=unreviewed")).await.len(), 0);
    let own = doctor.search(QUEUE).await;
    assert_eq!((member(&own[0], "verdict"), member(&own[0], "verdict-text")), (json!("unjustified"), Value::Null));
    assert!(!own[0].to_string().contains("TEST-"), "{}", own[0]);
    assert_eq!(gateway.as_("gp-1").search(QUEUE).await.len(), 0);
    let trail = custodian.search(format!("AuditEvent?patient={patient}&_count=500")).await;
    let judging =
        trail.iter().filter(|event| event["subtype"][0]["code"] == "review-emergency" && event["outcome"] == "0");
    assert_eq!(judging.count(), 1);
    assert!(trail.iter().all(|event| !event.to_string().contains("TEST-")));
}

async fn nobody_judges_an_emergency_of_its_own(gateway: Gateway) {
    let custodian = gateway.as_("elp-1");
    let patient = custodian.create(&patient()).await;
    let session = id_of(&doctor(&gateway).post(OPEN, &asking(&patient, "BTG")).await.expect(201));
    custodian.post(END, &about(&session)).await.expect(200);
    let refused = custodian.post(REVIEW, &judging(&session, "justified")).await.expect(403);
    assert_eq!(refused.reason(), "own-session");
    assert_eq!(custodian.search(format!("{QUEUE}?status=unreviewed")).await.len(), 1);
}

async fn the_queue_is_read_page_by_page(gateway: Gateway) {
    let (custodian, patient) = record(&gateway).await;
    let mut expected = Vec::new();
    for _ in 0..3 {
        expected.insert(0, id_of(&doctor(&gateway).post(OPEN, &asking(&patient, "BTG")).await.expect(201)));
    }
    let (mut found, mut path) = (Vec::new(), Some(format!("{QUEUE}?_count=1")));
    while let Some(asked) = path {
        let page = custodian.get(&asked).await.expect(200);
        found.extend(page.resources().iter().map(|one| member(one, "session").as_str().unwrap_or_default().to_owned()));
        path = page.link("next");
        if let Some(next) = &path {
            custodian.get(next.replace('?', "?status=open&")).await.expect(400);
            gateway.as_("gp-1").get(next).await.expect(400);
        }
    }
    assert_eq!(found, expected);
    custodian.get(format!("{QUEUE}?status=new")).await.expect(400);
    custodian.get(format!("{QUEUE}?patient={patient}")).await.expect(400);
}

stories!(
    the_custodian_judges_an_emergency_once_when_it_is_over,
    nobody_judges_an_emergency_of_its_own,
    the_queue_is_read_page_by_page,
);
