//! The first half of the story: refused, placed, waiting, picked up, at work.

use serde_json::Value;

use super::StoryError;
use super::client::{Ask, BEUK, Client, EDPBW, LEIE, LINDE, Party, Reply};
use super::{page, resources};

/// What the transaction of the second act made, as `Type/id`.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) patient: String,
    pub(super) consent: String,
    pub(super) order: String,
}

impl Placed {
    /// The referral Task: it has the id of its order.
    pub(super) fn task(&self) -> String {
        self.order.replacen("ServiceRequest", "Task", 1)
    }
}

/// A Task in a waiting room, as the room sees it.
#[derive(Debug)]
pub(super) struct Waiting {
    task: Value,
}

impl Waiting {
    /// `Task/<id>`.
    pub(super) fn path(&self) -> String {
        format!("/Task/{}", self.task["id"].as_str().unwrap_or_default())
    }

    /// The Task with another status, and the version on which that rests.
    pub(super) fn with_status(&self, status: &str) -> (Value, String) {
        let mut task = self.task.clone();
        task["status"] = status.into();
        (task, self.task["meta"]["versionId"].as_str().unwrap_or_default().to_owned())
    }

    /// The Task that waits in one of a party's rooms, as part of a referral.
    pub(super) async fn seen_by(client: &Client, party: Party, order_task: &str) -> Result<Self, StoryError> {
        let path = format!("/Task?status=requested&part-of={order_task}");
        let reply = client.show(Ask::get(party, path), 200, facts).await?;
        reply.must_find(1)?;
        let task = reply.matches()[0].clone();
        let hidden = ["for", "focus", "requester"].iter().any(|member| task.get(member).is_some());
        reply.check(!hidden && !reply.text.contains("Patient"), "the minimum only", || task.to_string())?;
        Ok(Self { task })
    }
}

/// The coded facts that a waiting room sees.
fn facts(reply: &Reply) -> String {
    let Some(task) = reply.matches().into_iter().next() else { return "nothing waits".to_owned() };
    let inputs = task["input"].as_array().map_or(&[][..], Vec::as_slice);
    let fact = |input: &Value| {
        let name = input.pointer("/type/coding/0/code").and_then(Value::as_str).unwrap_or_default();
        format!("{name} {}", input["valueCode"].as_str().unwrap_or_default())
    };
    let facts: Vec<String> = inputs.iter().map(fact).collect();
    format!("1 Task: {}", facts.join(", "))
}

pub(super) fn location(reply: &Reply) -> String {
    reply.locations().join(", ")
}

pub(super) fn refusal(reply: &Reply) -> String {
    let (code, sentence) = reply.refusal();
    if code.is_empty() { sentence } else { format!("{code}: \"{sentence}\"") }
}

pub(super) fn family(reply: &Reply) -> String {
    format!("the Patient: {}", reply.value.pointer("/name/0/family").and_then(Value::as_str).unwrap_or_default())
}

/// Nothing moves without a Consent. Answers the person, as `Patient/<id>`.
pub(super) async fn refused(client: &Client) -> Result<String, StoryError> {
    page::act(
        2,
        "No consent, no referral",
        "EDPBW Noord records a person and refers her to the psychologists of Ghent. Nobody asked her.",
    );
    let person = resources::patient("Zonder-Toestemming");
    let reply = client.show(Ask::post(EDPBW, "/Patient", &person), 201, location).await?;
    let patient = location(&reply);
    let order = resources::order(&patient, resources::ELP_POOL);
    let ask = Ask::post(EDPBW, "/ServiceRequest", &order).saying("performer: HealthcareService/elp-gent");
    client.show(ask, 403, refusal).await?.must_say("no-consent")?;
    let path = format!("/ServiceRequest?patient={patient}");
    let nothing = |reply: &Reply| format!("{} ServiceRequests: nothing was stored", reply.matches().len());
    client.show(Ask::get(EDPBW, path), 200, nothing).await?.must_find(0)?;
    let path = format!("/AuditEvent?patient={patient}&outcome=8");
    let recorded = |reply: &Reply| format!("{} AuditEvent: the refusal is on record", reply.matches().len());
    client.show(Ask::get(EDPBW, path), 200, recorded).await?.must_find(1)?;
    Ok(patient)
}

/// With a Consent in the same transaction, the order finds its waiting room.
pub(super) async fn placed(client: &Client) -> Result<Placed, StoryError> {
    page::act(
        3,
        "Placed, because a Consent allows it",
        "Another person agreed that first-line psychologists may read her record, and that EDPBW Noord hears how it ended.
         One transaction: Patient, Consent, ServiceRequest. From then on the sender is blind.",
    );
    let (patient, consent, order) = (
        "urn:uuid:11111111-1111-4111-8111-111111111111",
        "urn:uuid:22222222-2222-4222-8222-222222222222",
        "urn:uuid:33333333-3333-4333-8333-333333333333",
    );
    let bundle = resources::transaction(&[
        (patient, resources::patient("Voorbeeld")),
        (consent, resources::consent(patient, &[resources::kind("elp"), resources::organization(EDPBW.id)])),
        (order, resources::order(patient, resources::ELP_POOL)),
    ]);
    let reply = client.show(Ask::post(EDPBW, "", &bundle).saying("transaction"), 200, location).await?;
    let locations = reply.locations();
    reply.check(locations.len() == 3, "three locations", || format!("{locations:?}"))?;
    let mut locations = locations.into_iter();
    let mut next = || locations.next().unwrap_or_default();
    let placed = Placed { patient: next(), consent: next(), order: next() };
    for blind in [&placed.patient, &placed.consent, &placed.order] {
        client.show(Ask::get(EDPBW, format!("/{blind}")), 404, refusal).await?;
    }
    let task = client.show(Ask::get(EDPBW, format!("/{}", placed.task())), 200, status).await?;
    task.check(task.value["status"] == "requested", "requested", || task.text.clone())?;
    Ok(placed)
}

pub(super) fn status(reply: &Reply) -> String {
    format!("the Task is {}", reply.value["status"].as_str().unwrap_or_default())
}

/// Who is of the pool sees that somebody waits; who is not sees nothing.
pub(super) async fn waiting_room(client: &Client, placed: &Placed) -> Result<Waiting, StoryError> {
    page::act(
        4,
        "The waiting room",
        "Before pick-up the pool sees five coded facts, made by the gateway: no name, no text, no reference to the person.
         Whoever is not of the pool sees that nothing waits.",
    );
    let waiting = Waiting::seen_by(client, LINDE, &placed.task()).await?;
    client.show(Ask::get(LINDE, format!("/{}", placed.patient)), 404, refusal).await?;
    let outside = Ask::get(LEIE, format!("/Task?status=requested&part-of={}", placed.task()));
    client.show(outside, 200, facts).await?.must_find(0)?;
    client.show(Ask::get(LEIE, waiting.path()), 404, refusal).await?;
    Ok(waiting)
}

/// Both practices of the pool want it, at the same moment.
pub(super) async fn race(client: &Client, waiting: &Waiting) -> Result<Party, StoryError> {
    page::act(
        5,
        "Two practices race for the pick-up",
        "Both send the Task as accepted, at the same moment and on the same version. A pick-up without a version is refused.",
    );
    let (accepted, version) = waiting.with_status("accepted");
    let ask = Ask::put(LINDE, waiting.path(), &accepted).saying("status: accepted, without If-Match");
    client.show(ask, 428, refusal).await?;
    let pick_up = |party| Ask::put(party, waiting.path(), &accepted).if_match(&version);
    let (linde, beuk) = tokio::join!(client.send(pick_up(LINDE)), client.send(pick_up(BEUK)));
    let (linde, beuk) = (linde?, beuk?);
    for (party, reply) in [(LINDE, &linde), (BEUK, &beuk)] {
        page::request(party.name, "PUT", &waiting.path(), "status: accepted, If-Match");
        let telling = if reply.status == 200 { "owner: ".to_owned() + &owner(reply) } else { refusal(reply) };
        page::answer(reply.status, &telling);
    }
    let statuses = [linde.status, beuk.status];
    let one_winner = statuses == [200, 412] || statuses == [412, 200];
    linde.check(one_winner, "200 for one and 412 for the other", || format!("{statuses:?}"))?;
    let (winner, loser) = if linde.status == 200 { (LINDE, BEUK) } else { (BEUK, LINDE) };
    client.show(Ask::get(loser, waiting.path()), 404, refusal).await?;
    page::remark("Whoever lost sees nothing of it any more.");
    Ok(winner)
}

fn owner(reply: &Reply) -> String {
    reply.value["owner"]["reference"].as_str().unwrap_or_default().to_owned()
}

/// The winner holds the record and works with it. Answers the contact, as `Encounter/<id>`.
pub(super) async fn dossier(client: &Client, placed: &Placed, winner: &Party) -> Result<String, StoryError> {
    page::act(
        6,
        "The dossier opens",
        "Custody has moved to the practice that picked up: it reads the record, and records a contact.",
    );
    client.show(Ask::get(*winner, format!("/{}", placed.patient)), 200, family).await?;
    let reason = |reply: &Reply| {
        let text = reply.value.pointer("/reasonCode/0/text").and_then(Value::as_str).unwrap_or_default();
        format!("the order: {text}")
    };
    client.show(Ask::get(*winner, format!("/{}", placed.order)), 200, reason).await?;
    let contact = resources::encounter(&placed.patient);
    let reply = client.show(Ask::post(*winner, "/Encounter", &contact), 201, location).await?;
    let loser = if *winner == LINDE { BEUK } else { LINDE };
    client.show(Ask::get(loser, format!("/{}", placed.patient)), 404, refusal).await?;
    page::remark("The Consent names every first-line psychologist; this one was asked, did not pick up, and is out.");
    Ok(location(&reply))
}
