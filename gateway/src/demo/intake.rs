//! How the story begins: somebody asks for help and knows no organisation, only who the employer is.

use std::time::Duration;

use serde_json::Value;

use super::StoryError;
use super::client::{Ask, Client, EDPBW, GP, Reply};
use super::story::{Waiting, location, refusal};
use super::{page, resources};

/// What the gateway does by itself is waited for so often, with a pause between.
const TRIES: usize = 300;
const PAUSE: Duration = Duration::from_millis(50);

/// The form of a general practice becomes a referral in the waiting room of the employer's prevention service.
pub(super) async fn routed(client: &Client) -> Result<(), StoryError> {
    page::act(
        1,
        "Intake: where does it go?",
        "A general practice takes a form: the person's national number, and that her employer may be looked up. She agreed that her
         employer's prevention service may read her record. Which one that is, nobody knows yet.",
    );
    let (patient, order) =
        ("urn:uuid:44444444-4444-4444-8444-444444444444", "urn:uuid:55555555-5555-4555-8555-555555555555");
    let consent = "urn:uuid:66666666-6666-4666-8666-666666666666";
    let bundle = resources::transaction(&[
        (patient, resources::patient("Werknemer")),
        (consent, resources::consent(patient, &[resources::kind("edpbw")])),
        (order, resources::order(patient, "")),
        ("urn:uuid:77777777-7777-4777-8777-777777777777", resources::intake(patient, order)),
    ]);
    let reply = client.show(Ask::post(GP, "", &bundle).saying("transaction"), 200, location).await?;
    let locations = reply.locations();
    let [person, _, order, form] = locations.as_slice() else {
        return reply.check(false, "four locations", || format!("{locations:?}"));
    };
    let form = format!("/{form}");
    until(client, &form, |task| task["status"] == "completed").await?;
    let found = |reply: &Reply| {
        let code = reply.value.pointer("/businessStatus/coding/0/code").and_then(Value::as_str).unwrap_or_default();
        format!("Co-prev was asked, and the intake is {}: {code}", reply.value["status"].as_str().unwrap_or_default())
    };
    client.show(Ask::get(GP, form.as_str()), 200, found).await?;
    until(client, &form, |task| !task.to_string().contains(resources::EMPLOYED)).await?;
    let gone = |reply: &Reply| {
        let number =
            reply.value["input"].as_array().into_iter().flatten().find_map(|one| one.pointer("/valueIdentifier/value"));
        format!("the national number is destroyed: {}", number.and_then(Value::as_str).unwrap_or_default())
    };
    client.show(Ask::get(GP, form.as_str()), 200, gone).await?;
    let task = order.replacen("ServiceRequest", "Task", 1);
    let waiting = Waiting::seen_by(client, EDPBW, &task).await?;
    let (accepted, version) = waiting.with_status("accepted");
    let pick_up = Ask::put(EDPBW, waiting.path(), &accepted).if_match(&version).saying("status: accepted, If-Match");
    client.show(pick_up, 200, |_| "EDPBW Noord has it".to_owned()).await?;
    client.show(Ask::get(GP, format!("/{person}")), 404, refusal).await?;
    Ok(())
}

/// Waits until a Task is as it should be, and prints nothing.
async fn until(client: &Client, path: &str, holds: impl Fn(&Value) -> bool) -> Result<(), StoryError> {
    let mut reply = client.send(Ask::get(GP, path)).await?;
    for _ in 0..TRIES {
        if holds(&reply.value) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
        reply = client.send(Ask::get(GP, path)).await?;
    }
    reply.check(false, "what the gateway does by itself, in time", || reply.text.clone())
}
