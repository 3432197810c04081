//! The second half of the story: forwarded, closed, withdrawn, and what the trail says of it.

use serde_json::{Value, json};

use super::StoryError;
use super::client::{Ask, Client, EDPBW, GP, LEIE, LINDE, Party, Reply};
use super::story::{Placed, Waiting, family, location, refusal, status};
use super::{page, resources};

/// An id of the right form that was never given.
const NEVER: &str = "00000000000070008000000000000000";

/// The practice forwards to the centres for mental health, and is blind in the same moment. Answers its own Task's path.
pub(super) async fn forwarded(
    client: &Client,
    placed: &Placed,
    winner: &Party,
    encounter: &str,
) -> Result<Waiting, StoryError> {
    page::act(
        7,
        "Forwarded, by a permit of its own",
        "More care is needed than a practice can give. The Consent does not name the centres: the forward is refused, until
         the person agrees to that as well. Then the practice knows no more than if the record had never been.",
    );
    let onward = resources::forward(&placed.patient, &placed.order, resources::CGG_POOL);
    let ask = Ask::post(*winner, "/Task", &onward).saying("owner: HealthcareService/cgg-oost-vlaanderen");
    client.show(ask, 403, refusal).await?.must_say("no-consent")?;
    let consent = resources::consent(&placed.patient, &[resources::kind("cgg")]);
    let bundle = resources::transaction(&[
        ("urn:uuid:44444444-4444-4444-8444-444444444444", consent),
        ("urn:uuid:55555555-5555-4555-8555-555555555555", onward),
    ]);
    let ask = Ask::post(*winner, "", &bundle).saying("transaction: the Consent and the Task");
    client.show(ask, 200, location).await?;
    blind_as_if_never(client, winner, &[&placed.patient, &placed.order, encounter]).await?;
    let path = format!("/Task?part-of={}&status=on-hold", placed.task());
    let own = client.show(Ask::get(*winner, path), 200, |_| "its own Task: on-hold. That is all it keeps".to_owned());
    own.await?.must_find(1)?;
    Waiting::seen_by(client, LEIE, &placed.task()).await
}

/// Every way to the resources answers as for an id that was never given: status, headers and bytes.
async fn blind_as_if_never(client: &Client, party: &Party, resources: &[&str]) -> Result<(), StoryError> {
    for resource in resources {
        let (resource_type, id) = resource.split_once('/').unwrap_or((resource, ""));
        for way in ["", "/_history"] {
            let path = |id: &str| format!("/{resource_type}/{id}{way}");
            let gone = client.show(Ask::get(*party, path(id)), 404, refusal).await?;
            let never = client.send(Ask::get(*party, path(NEVER))).await?;
            let same = (gone.status, &gone.headers, &gone.text) == (never.status, &never.headers, &never.text);
            gone.check(same, "what an id that was never given answers", || format!("{gone:?} for {never:?}"))?;
        }
        let path = format!("/{resource_type}?_id={id}&_total=accurate");
        let found = client.send(Ask::get(*party, path)).await?;
        found.must_find(0)?;
    }
    page::remark("Read, history and search: as for ids that were never given, byte for byte.");
    Ok(())
}

/// The centre picks up, works, and closes; the referrers hear how it ended.
pub(super) async fn closed(
    client: &Client,
    placed: &Placed,
    winner: &Party,
    encounter: &str,
    waiting: &Waiting,
) -> Result<(), StoryError> {
    page::act(
        8,
        "Picked up by the centre, closed with feedback",
        "The whole record comes along. Closing ends the centre's sight too; those who referred read the feedback, and no
         dossier.",
    );
    let (accepted, version) = waiting.with_status("accepted");
    let ask = Ask::put(LEIE, waiting.path(), &accepted).if_match(&version).saying("status: accepted, If-Match");
    let picked = client.show(ask, 200, status).await?;
    let period =
        |reply: &Reply| format!("the contact of {}", reply.value["period"]["start"].as_str().unwrap_or_default());
    client.show(Ask::get(LEIE, format!("/{encounter}")), 200, period).await?;
    let mut done = picked.value.clone();
    done["status"] = json!("completed");
    done["output"] = json!([{"type": {"text": "feedback"}, "valueString": "Traject afgerond, geen opvolging nodig."}]);
    let version = picked.value["meta"]["versionId"].as_str().unwrap_or_default().to_owned();
    let ask = Ask::put(LEIE, waiting.path(), &done).if_match(&version).saying("status: completed, output: feedback");
    client.show(ask, 200, |_| "no body: the centre has lost sight of the record".to_owned()).await?;
    client.show(Ask::get(LEIE, format!("/{}", placed.patient)), 404, refusal).await?;
    for (party, task) in [(EDPBW, placed.task()), (*winner, waiting.path().trim_start_matches('/').to_owned())] {
        let feedback = client.show(Ask::get(party, format!("/Communication?part-of={task}")), 200, payload).await?;
        feedback.must_find(1)?;
        let names_person = feedback.text.contains("Patient");
        feedback.check(!names_person, "no reference to the person", || feedback.text.clone())?;
    }
    client.show(Ask::get(EDPBW, format!("/{}", placed.task())), 200, status).await?;
    Ok(())
}

fn payload(reply: &Reply) -> String {
    let text = |found: &&Value| found.pointer("/payload/0/contentString").and_then(Value::as_str).map(str::to_owned);
    let payload = reply.matches().first().and_then(text).unwrap_or_default();
    format!("1 Communication: \"{payload}\"")
}

/// The person of the first act consents, and takes it back.
pub(super) async fn withdrawn(client: &Client, patient: &str) -> Result<(), StoryError> {
    page::act(
        9,
        "Withdrawn: what it opened closes at once",
        "The person of the first act agrees after all: psychologists, and her general practice. She is placed and waits.
         Then she takes it back. EDPBW Noord recorded the Consent, so it can withdraw it, blind as it is.",
    );
    let recipients = [resources::kind("elp"), resources::organization(GP.id)];
    let consent = resources::consent(patient, &recipients);
    let recorded = client.show(Ask::post(EDPBW, "/Consent", &consent), 201, location).await?;
    let order = resources::order(patient, resources::ELP_POOL);
    let ordered = client.show(Ask::post(EDPBW, "/ServiceRequest", &order), 201, location).await?;
    let task = location(&ordered).replacen("ServiceRequest", "Task", 1);
    Waiting::seen_by(client, LINDE, &task).await?;
    client.show(Ask::get(GP, format!("/{patient}")), 200, family).await?;
    client.show(Ask::get(EDPBW, format!("/{patient}")), 404, refusal).await?;

    let mut inactive = recorded.value.clone();
    inactive["status"] = json!("inactive");
    let ask = Ask::put(EDPBW, format!("/{}", location(&recorded)), &inactive).saying("status: inactive");
    client.show(ask, 200, |_| "withdrawn".to_owned()).await?;
    client.show(Ask::get(GP, format!("/{patient}")), 404, refusal).await?;
    let room = Ask::get(LINDE, format!("/Task?status=requested&part-of={task}"));
    client.show(room, 200, |reply| format!("{} Tasks wait", reply.matches().len())).await?.must_find(0)?;
    client.show(Ask::get(EDPBW, format!("/{patient}")), 200, family).await?;
    page::remark("Nothing waits any more, so the record is back with its sender.");
    client.show(Ask::post(EDPBW, "/ServiceRequest", &order), 403, refusal).await?.must_say("consent-withdrawn")
}

/// Whoever holds the record reads who did what with it.
pub(super) async fn trail(client: &Client, patient: &str) -> Result<(), StoryError> {
    page::act(
        10,
        "The audit trail",
        "Every access and every refusal was written before its answer left. The custodian reads the trail of this record.",
    );
    let path = format!("/AuditEvent?patient={patient}&_count=200");
    let count = |reply: &Reply| format!("{} AuditEvents", reply.matches().len());
    let reply = client.show(Ask::get(EDPBW, path), 200, count).await?;
    let mut events = reply.matches();
    events.reverse();
    page::trail(&events);
    for reason in ["no-consent", "not-found", "consent-withdrawn"] {
        let is_there = events.iter().any(|event| event["outcomeDesc"] == reason);
        reply.check(is_there, &format!("a refusal for {reason}"), || "none".to_owned())?;
    }
    let read = |event: &&Value| {
        event["outcome"] == "0" && event.pointer("/agent/2/who/reference") == Some(&json!("Organization/huisarts-dok"))
    };
    reply.check(events.iter().any(read), "the general practice's read", || "none".to_owned())
}
