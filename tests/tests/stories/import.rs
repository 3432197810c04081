//! `$import`: NDJSON, each line written by the ordinary way, and told by its number where it is refused.

use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::gateway::{Gateway, Options};
use wellgate_tests::resources::{observation, patient};
use wellgate_tests::stories;

const NDJSON: (&str, &str) = ("content-type", "application/fhir+ndjson");

async fn sent(caller: &Caller<'_>, body: String) -> Answer {
    caller.send(Method::POST, "$import", &[NDJSON], Some(body.into_bytes())).await
}

/// The answer line by line, each as its members by name.
async fn told(caller: &Caller<'_>, body: String) -> Vec<Value> {
    let answer = sent(caller, body).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/fhir+ndjson");
    let text = String::from_utf8(answer.bytes).expect("text");
    let line = |line: &str| {
        let parameters: Value = serde_json::from_str(line).expect("a line is JSON");
        assert!(mappings::r4::structure::check(&parameters).is_empty(), "{parameters}");
        let mut members = json!({});
        for member in parameters["parameter"].as_array().expect("a list") {
            let value = ["valueInteger", "valueBoolean", "resource"]
                .iter()
                .map(|name| &member[*name])
                .find(|value| !value.is_null());
            members[member["name"].as_str().expect("a name")] = value.cloned().unwrap_or_default();
        }
        members
    };
    text.lines().map(line).collect()
}

fn summary([lines, created, found, updated, refused]: [u64; 5]) -> Value {
    json!({"lines": lines, "created": created, "found": found, "updated": updated, "refused": refused, "complete": true})
}

fn numbered(number: usize) -> Value {
    let mut person = patient();
    person["identifier"][0]["value"] = json!(format!("TEST-{number:04}"));
    person
}

async fn each_line_is_written_as_if_it_were_sent_alone(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let known = edpbw.create(&numbered(0)).await;
    let mut changed = edpbw.get(format!("Patient/{known}")).await.expect(200).json;
    changed["birthDate"] = json!("1991-01-01");
    let others = gateway.as_("elp-1").create(&patient()).await;
    let hidden = observation(&others);
    let mut wrong = numbered(8);
    wrong["nonsense"] = json!(true);
    let lines = [
        numbered(1).to_string(),
        changed.to_string(),
        String::new(),
        hidden.to_string(),
        "no JSON".to_owned(),
        wrong.to_string(),
        json!({"resourceType": "Nonsense"}).to_string(),
        format!("{}\r", numbered(2)),
    ];
    let before = edpbw.get("AuditEvent?outcome=8&_summary=count").await.expect(200).json["total"].as_u64();
    let told = told(&edpbw, lines.join("\n")).await;
    let refused: Vec<(u64, u64)> = told[..4]
        .iter()
        .map(|one| (one["line"].as_u64().expect("a line"), one["status"].as_u64().expect("a status")))
        .collect();
    assert_eq!(refused, [(3, 422), (4, 422), (5, 422), (6, 404)]);
    assert!(told[..4].iter().all(|one| one["outcome"]["resourceType"] == "OperationOutcome"));
    assert_eq!(told[4..], [summary([7, 2, 0, 1, 4])]);
    assert_eq!(edpbw.search("Patient?_count=50").await.len(), 3, "what was refused is not stored");
    assert_eq!(edpbw.get(format!("Patient/{known}")).await.expect(200).json["birthDate"], "1991-01-01");
    let after = edpbw.get("AuditEvent?outcome=8&_summary=count").await.expect(200).json["total"].as_u64();
    assert_eq!(after, before.map(|before| before + 4), "each refusal left its event");
    let events = edpbw.search("AuditEvent?_count=500").await;
    assert!(events.iter().any(|event| event["subtype"][0]["code"] == "import"));
}

async fn an_import_is_repeated_without_doubling(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let body = (1..=3).map(|number| numbered(number).to_string()).collect::<Vec<_>>().join("\n") + "\n";
    assert_eq!(told(&edpbw, body.clone()).await, [summary([3, 3, 0, 0, 0])]);
    assert_eq!(told(&edpbw, format!("{body}{}", numbered(4))).await, [summary([4, 1, 3, 0, 0])]);
    assert_eq!(edpbw.search("Patient?_count=50").await.len(), 4);
    // An identifier is an organisation's own: what another holds is not found by it.
    assert_eq!(told(&gateway.as_("elp-1"), body).await, [summary([3, 3, 0, 0, 0])]);
    assert_eq!(told(&edpbw, String::new()).await, [summary([0; 5])]);
}

async fn progress_is_told_while_it_goes_on(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let unserved: String = (0..2_500).map(|_| "\n\n".to_owned()).collect();
    assert_eq!(told(&edpbw, unserved).await, [summary([0; 5])], "empty lines are none");
    let person = edpbw.create(&patient()).await;
    let body = format!("{}\n", observation(&person)).repeat(101);
    let told = told(&edpbw, body).await;
    assert_eq!((told.len(), &told[0]["lines"], &told[0]["complete"]), (2, &json!(100), &json!(false)));
    assert_eq!(told[1], summary([101, 101, 0, 0, 0]));
}

async fn what_is_no_import_is_refused(gateway: Gateway) {
    let edpbw = gateway.as_("edpbw-a");
    let line = numbered(1).to_string();
    for media_type in ["application/fhir+json", "text/plain"] {
        edpbw
            .send(Method::POST, "$import", &[("content-type", media_type)], Some(line.clone().into_bytes()))
            .await
            .expect(415);
    }
    edpbw.get("$import").await.expect(405);
    let person = edpbw.create(&patient()).await;
    sent(&gateway.person(&format!("Patient/{person}")), line.clone()).await.expect(403);
    gateway.as_("edpbw-a").with_bearer("").send(Method::POST, "$import", &[NDJSON], Some(Vec::new())).await.expect(401);
    // The scope of each line counts.
    let narrow = edpbw.clone().with_scope("system/Patient.rs");
    let told = told(&narrow, line).await;
    assert_eq!((told[0]["status"].as_u64(), told.len()), (Some(403), 2));
    assert_eq!(edpbw.search("Patient?_count=50").await.len(), 1, "nothing was stored");
}

async fn an_import_that_is_too_long_ends_where_the_limit_is(gateway: Gateway) {
    let settings = vec![("WELLGATE_BULK_IMPORT_MEGABYTES_MAX", "1"), ("WELLGATE_LIMITS_BODY_BYTES_MAX", "4096")];
    let gateway = gateway.beside(Options { settings, ..Options::default() }).await;
    let edpbw = gateway.as_("edpbw-a");
    let first = numbered(1).to_string();
    let long = told(&edpbw, format!("{first}\n{}\n{}", " ".repeat(8_192), numbered(2))).await;
    let last = long.last().expect("a summary");
    assert_eq!(
        (&last["lines"], &last["complete"], &last["outcome"]["issue"][0]["code"]),
        (&json!(1), &json!(false), &json!("too-costly"))
    );
    let many = format!("{}\n", " ".repeat(2_047)).repeat(600);
    let many = told(&edpbw, format!("{first}\n{many}")).await;
    let last = many.last().expect("a summary");
    assert_eq!(
        (&last["found"], &last["complete"], &last["outcome"]["issue"][0]["code"]),
        (&json!(1), &json!(false), &json!("too-costly"))
    );
}

stories!(
    each_line_is_written_as_if_it_were_sent_alone,
    an_import_is_repeated_without_doubling,
    progress_is_told_while_it_goes_on,
    what_is_no_import_is_refused,
    an_import_that_is_too_long_ends_where_the_limit_is,
);
