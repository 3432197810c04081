//! The partners of a sandbox, over HTTP and SMTP as a tester meets them: what each answers when it is well.

mod co_prev;
mod ehr_fhir;
mod faults;
mod insurers;
mod mail;
mod notify_mail;
mod starttls;

use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::partners::{Smtp, World, lookup};

const ONE: &str = "90010199992";
const SEVERAL: &str = "90010399932";
const SELF_EMPLOYED: &str = "90010499902";

/// A message that a partner takes in, under a reference: where to, and what.
pub(crate) fn message(world: &World, partner: &str, reference: &str) -> (String, Value) {
    let url = world.url(partner);
    match partner {
        "co-prev" => (format!("{url}/employer-lookup"), lookup(reference, ONE)),
        "ehr" => (url, bundle(reference)),
        _ => (submit_url(world), submission(reference, "submit", &json!({"primary": "11"}))),
    }
}

fn bundle(reference: &str) -> Value {
    json!({"resourceType": "Bundle", "type": "transaction",
        "identifier": {"system": "https://gateway.example/delivery", "value": reference},
        "entry": [{"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}}]})
}

fn submission(reference: &str, status: &str, fields: &Value) -> Value {
    json!({"reference": reference, "STATUS": status, "fields": fields})
}

fn submit_url(world: &World) -> String {
    let url = world.url("sciensano");
    format!("{url}/api/dcd/payload/submit?organization-id=1001&dcd-id=tdi&dcd-version-id=1&data-src-type=api")
}

async fn post(world: &World, url: &str, body: &Value) -> (u16, Value) {
    let answer = world.http.post(url).body(body.to_string()).send().await.expect("it answers");
    (answer.status().as_u16(), answer.json().await.expect("it is JSON"))
}

async fn get(world: &World, url: &str) -> (u16, Value) {
    let answer = world.http.get(url).send().await.expect("it answers");
    (answer.status().as_u16(), answer.json().await.expect("it is JSON"))
}

#[tokio::test]
async fn each_partner_is_a_server_of_its_own() {
    let world = World::start().await;
    let listed = world.partners.described();
    let names: Vec<&str> = listed.as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["co-prev", "ehr", "mail", "sciensano", "mutualities", "care-funds"]);
    let services = get(&world, &format!("{}/prevention-services", world.url("co-prev"))).await;
    assert_eq!((services.0, services.1["preventionServices"].as_array().map(Vec::len)), (200, Some(3)));
    assert_eq!(get(&world, &format!("{}/metadata", world.url("ehr"))).await.1["fhirVersion"], "4.0.1");
    let organizations = get(&world, &format!("{}/api/organizations", world.url("sciensano"))).await;
    assert_eq!(organizations.1["organizations"][0]["id"], "1001");
    let mut smtp = Smtp::connect(&world.url("mail")).await.expect("it greets");
    assert!(smtp.say("QUIT").await.starts_with("221"));
}

#[tokio::test]
async fn co_prev_knows_people_with_one_several_and_no_employments() {
    let world = World::start().await;
    let url = format!("{}/employer-lookup", world.url("co-prev"));
    let mut found = Vec::new();
    for (n, ssin) in [ONE, SEVERAL, SELF_EMPLOYED, "00010999928", "90010899976"].into_iter().enumerate() {
        let (status, answer) = post(&world, &url, &lookup(&format!("l-{n}"), ssin)).await;
        assert_eq!((status, &answer["lookupId"], &answer["ssin"]), (200, &json!(format!("l-{n}")), &json!(ssin)));
        found.push(answer["employments"].as_array().map(Vec::len));
    }
    assert_eq!(found, [Some(1), Some(2), Some(0), Some(1), Some(0)]);
    let mut earlier = lookup("l-9", ONE);
    earlier["referenceDate"] = json!("2020-01-01");
    let (_, answer) = post(&world, &url, &earlier).await;
    assert_eq!(answer["employments"][0]["employer"]["name"], "Vorige Werkgever", "who was it then");
}

#[tokio::test]
async fn co_prev_does_not_tell_who_exists() {
    let world = World::start().await;
    let url = format!("{}/employer-lookup", world.url("co-prev"));
    let without = |mut answer: Value| {
        answer.as_object_mut().expect("an object").remove("ssin");
        answer
    };
    let known = post(&world, &url, &lookup("same", SELF_EMPLOYED)).await;
    let unknown = post(&world, &url, &lookup("same", "85073003328")).await;
    assert_eq!((known.0, without(known.1)), (unknown.0, without(unknown.1)));
}

#[tokio::test]
async fn co_prev_refuses_by_a_stable_code_and_keeps_that_it_was_asked() {
    let world = World::start().await;
    let url = format!("{}/employer-lookup", world.url("co-prev"));
    for (n, (member, value, status, code)) in [
        ("ssin", json!("9001019999"), 400, "coprev.request.malformed"),
        ("ssin", json!("90010199993"), 422, "coprev.ssin.invalid"),
        ("purpose", json!("marketing"), 403, "coprev.purpose.denied"),
        ("legalBasis", json!(""), 403, "coprev.legal-basis.missing"),
        ("referenceDate", json!("yesterday"), 400, "coprev.request.malformed"),
        ("requester", json!({}), 400, "coprev.request.malformed"),
    ]
    .into_iter()
    .enumerate()
    {
        let reference = format!("l-{n}");
        let mut asked = lookup(&reference, ONE);
        asked[member] = value;
        let (found, problem) = post(&world, &url, &asked).await;
        assert_eq!((found, problem["code"].as_str()), (status, Some(code)), "{member}");
        assert_eq!(world.times("co-prev", &reference).await, (1, 0), "{member}: it came, and had no effect");
    }
    let employer = |cbe: &str| format!("{}/employers/{cbe}/prevention-service", world.url("co-prev"));
    assert_eq!(get(&world, &employer("0000100166")).await.1["preventionService"]["cbe"], "0000000196");
    assert_eq!(get(&world, &employer("0000100463")).await.1["preventionService"], Value::Null);
    assert_eq!(get(&world, &employer("0000100000")).await.1["code"], "coprev.employer.unknown");
}

#[tokio::test]
async fn the_register_tells_what_became_of_a_submission_by_our_reference() {
    let world = World::start().await;
    let url = submit_url(&world);
    for (reference, status, fields) in [
        ("s-good", "submit", json!({"primary": "11"})),
        ("s-draft", "draft", json!({"primary": "11"})),
        ("s-wrong", "submit", json!({"age": "invalid", "list": [{"drug": "invalid"}]})),
        ("s-clear", "submit", json!({"patient": "90.01.01-999.92"})),
    ] {
        let (status, answer) = post(&world, &url, &submission(reference, status, &fields)).await;
        assert_eq!((status, &answer["reference"]), (202, &json!(reference)));
    }
    let asked = async |reference: &str| {
        let url = format!("{}/api/dcd/submit?organization-id=1001&reference={reference}", world.url("sciensano"));
        get(&world, &url).await.1["submissions"].clone()
    };
    assert_eq!(asked("s-good").await[0]["status"], "ACCEPTED");
    assert_eq!(asked("s-good").await[0]["businessKey"], "BK-1");
    assert_eq!(asked("s-draft").await[0]["businessKey"], "", "a draft has no key");
    let wrong = asked("s-wrong").await;
    assert_eq!(
        (&wrong[0]["status"], &wrong[0]["errors"][1]["field"]),
        (&json!("REJECTED"), &json!("fields.list[0].drug"))
    );
    assert_eq!(asked("s-clear").await[0]["errors"][0]["code"], "national-number.in-clear");
    assert_eq!(asked("s-never").await, json!([]));
    assert_eq!(asked("").await.as_array().map(Vec::len), Some(4));
}

#[tokio::test]
async fn the_register_refuses_what_is_no_submission() {
    let world = World::start().await;
    let good = submit_url(&world);
    let fields = json!({});
    let refused = post(&world, &good.replace("&dcd-id=tdi", ""), &submission("s-1", "submit", &fields)).await;
    assert_eq!((refused.0, refused.1["code"].as_str()), (400, Some("hd4dp.request.malformed")));
    let refused = post(&world, &good.replace("1001", "9"), &submission("s-1", "submit", &fields)).await;
    assert_eq!((refused.0, refused.1["code"].as_str()), (403, Some("hd4dp.organization.unknown")));
    assert_eq!(post(&world, &good, &submission("s-1", "sent", &fields)).await.0, 400);
    assert_eq!(post(&world, &good, &json!({"STATUS": "submit"})).await.0, 400);
    assert_eq!(world.times("sciensano", "s-1").await, (3, 0));
}

#[tokio::test]
async fn a_record_system_takes_a_bundle_once_and_says_the_same_again() {
    let world = World::start().await;
    let url = world.url("ehr");
    let first = post(&world, &url, &bundle("d-1")).await;
    assert_eq!((first.0, &first.1["type"]), (200, &json!("transaction-response")));
    assert_eq!(first.1["entry"][0]["response"]["location"], "Patient/1-1/_history/1");
    assert_eq!(
        post(&world, &url, &bundle("d-2")).await.1["entry"][0]["response"]["location"],
        "Patient/2-1/_history/1"
    );
    assert_eq!(post(&world, &url, &bundle("d-1")).await, first);
    assert_eq!(world.times("ehr", "d-1").await, (2, 1));
    let found =
        async |identifier: &str| get(&world, &format!("{url}/Bundle?identifier={identifier}")).await.1["total"].clone();
    assert_eq!(found("https://gateway.example/delivery%7Cd-1").await, 1);
    assert_eq!(found("d-1").await, 1);
    assert_eq!(found("https://elsewhere.example%7Cd-1").await, 0);
    assert_eq!(found("d-3").await, 0);
}

#[tokio::test]
async fn a_record_system_acknowledges_a_message_by_its_id_and_refuses_what_is_none() {
    let world = World::start().await;
    let url = world.url("ehr");
    let mut message = bundle("m-1");
    message["type"] = json!("message");
    let header = json!({"resourceType": "MessageHeader", "id": "h-1", "eventCoding": {"code": "referral"}});
    message["entry"] = json!([{"resource": header}, {"resource": {"resourceType": "Patient"}}]);
    let (status, answer) = post(&world, &url, &message).await;
    let response = &answer["entry"][0]["resource"]["response"];
    assert_eq!((status, &response["identifier"], &response["code"]), (200, &json!("h-1"), &json!("ok")));
    message["entry"] = json!([{"resource": {"resourceType": "Patient"}}]);
    assert_eq!(post(&world, &url, &message).await.0, 422);
    for (wrong, status) in [
        (json!({"resourceType": "Patient"}), 400),
        (json!({"resourceType": "Bundle", "type": "transaction"}), 422),
        (json!({"resourceType": "Bundle", "type": "batch", "identifier": {"value": "b-1"}}), 422),
        (json!({"resourceType": "Bundle", "type": "transaction", "identifier": {"value": "b-2"}, "entry": [{}]}), 422),
    ] {
        let (found, answer) = post(&world, &url, &wrong).await;
        assert_eq!((found, &answer["resourceType"]), (status, &json!("OperationOutcome")), "{wrong}");
    }
    assert_eq!(world.times("ehr", "b-1").await, (1, 0));
}

#[tokio::test]
async fn a_reset_forgets_what_the_partners_have_and_says_what_stays() {
    let world = World::start().await;
    let (url, body) = message(&world, "ehr", "d-1");
    post(&world, &url, &body).await;
    world.fault("ehr", json!({"fault": "down"})).await;
    let (status, answer) = world.control(Method::POST, "reset", &Value::Null).await;
    assert_eq!((status, answer["reset"].as_array().map(Vec::len)), (200.try_into().expect("a status"), Some(6)));
    assert!(answer["kept"].as_str().is_some_and(|kept| kept.contains("gateway")), "{answer}");
    assert_eq!(world.times("ehr", "d-1").await, (0, 0));
    assert_eq!(post(&world, &url, &body).await.0, 200, "it listens again");
    assert_eq!(world.times("ehr", "d-1").await, (1, 1));
}
