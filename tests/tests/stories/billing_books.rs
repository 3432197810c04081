//! What keeps the books honest: who refuses that an insurer is told is in no file, what is done twice is billed twice only where it was, and
//! what comes into an inbox and is not believed holds up nothing and is shown.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors::gen_async::Settings;
use gateway::audit::seal::hex;
use gateway::billing::{CareDecision, Finding, NewLine, Progress, Wanted};
use gateway::config::DeliveriesConfig;
use gateway::delivery::{Insurers, Outside, Worker};
use gateway::storage::billing::{ClaimLineRow, LineFilter, SendingRow, TakenLines};
use gateway::storage::write_set::WriteSet;
use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::billing::{
    MONTH, OWN, PARTY, books, date, insured_patient, line, nihdi, of_claim, person, refusing_payment, service, worker,
};
use wellgate_tests::gateway::{Gateway, outside};
use wellgate_tests::partners::World;
use wellgate_tests::referral::refusals;
use wellgate_tests::stories;

const REFUSED: &str = "wellgate-refused-by-person";

async fn lines(gateway: &Gateway) -> Vec<ClaimLineRow> {
    gateway.app.store.claim_lines(OWN, &LineFilter::default(), ("", 100)).await.expect("it answers")
}

async fn sendings(gateway: &Gateway) -> Vec<SendingRow> {
    gateway.app.store.sendings(OWN, &[], ("", 100)).await.expect("it answers")
}

fn codes(line: &ClaimLineRow) -> Vec<String> {
    Finding::read(&line.findings).expect("they read").into_iter().map(|finding| finding.code).collect()
}

fn to_100() -> Wanted {
    Wanted { third_party: PARTY.to_owned(), channel: "efact".to_owned(), federation: 100, month: MONTH }
}

async fn who_refuses_after_the_draft_is_in_no_file(gateway: Gateway) {
    let books = books(&gateway).await;
    let centre = gateway.as_("cgg-1");
    let (patient, coverage) = insured_patient(&centre).await;
    centre.create(&of_claim(&patient, &coverage, &["2026-02-02"])).await;
    books.take_in(&[line(person(5), service(990_010, "2026-02-02"))]).await.expect("it is taken in");
    let check = async || books.check(PARTY, MONTH, &Progress::default()).await.expect("it is checked");
    assert_eq!(check().await.ready, 2);

    // What was checked is decided again before a file takes it.
    let consent = centre.create(&refusing_payment(&patient)).await;
    let sealed = books.seal(&to_100()).await.expect("the other one leaves");
    assert_eq!((sealed.state.as_str(), sealed.lines), ("sealed", 1));
    let stopped = lines(&gateway).await.into_iter().find(|line| line.source == "claim").expect("it is there");
    assert_eq!(
        (stopped.state.as_str(), stopped.sending.as_str(), codes(&stopped)),
        ("faulty", "", vec![REFUSED.to_owned()])
    );
    assert_eq!(refusals(&centre, Some(&patient)).await, ["excluded-by-patient"], "and the person's trail says so");
    let told = centre.search(format!("AuditEvent?patient=Patient/{patient}&outcome=8")).await;
    assert!(told[0].to_string().contains(&consent), "with the Consent: {}", told[0]);
    assert_eq!(check().await.faulty, 1);
    assert_eq!(refusals(&centre, Some(&patient)).await.len(), 1, "once");

    // Whoever changes their mind is billed.
    let mut withdrawn = centre.get(format!("Consent/{consent}")).await.expect(200).json;
    withdrawn["status"] = json!("inactive");
    centre.put(format!("Consent/{consent}"), &withdrawn).await.expect(200);
    assert_eq!(check().await.ready, 1);
}

async fn who_refuses_while_a_file_is_being_made_makes_it_void(gateway: Gateway) {
    let (world, books) = (World::with(&gateway.clock).await, books(&gateway).await);
    let centre = gateway.as_("cgg-1");
    let (patient, coverage) = insured_patient(&centre).await;
    centre.create(&of_claim(&patient, &coverage, &["2026-02-02"])).await;
    books.take_in(&[line(person(5), service(990_010, "2026-02-02"))]).await.expect("it is taken in");
    books.check(PARTY, MONTH, &Progress::default()).await.expect("it is checked");
    // A gateway gave the file its number and its lines, and died.
    let now_ms = gateway.clock.now_ms();
    let [compartment, sending, third_party] = [OWN, "0000000000000000000000001", PARTY].map(str::to_owned);
    let mut set = WriteSet::default();
    set.billing.sendings.push(SendingRow {
        compartment: compartment.clone(),
        id: sending.clone(),
        third_party: third_party.clone(),
        year: 2026,
        number: 1,
        reference: now_ms * 10,
        channel: "efact".to_owned(),
        federation: 100,
        month: MONTH,
        state: "sealing".to_owned(),
        created_on: "2026-03-01".to_owned(),
        created_ms: now_ms,
        changed_ms: now_ms,
        attempt: 1,
        ..SendingRow::default()
    });
    let channel = "efact".to_owned();
    set.billing.taken.push(TakenLines {
        compartment,
        sending,
        third_party,
        channel,
        month_max: MONTH,
        payer: 131,
        now_ms,
    });
    gateway.app.store.apply(set).await.expect("it is written");
    assert!(lines(&gateway).await.iter().all(|line| line.state == "sealed"));
    centre.create(&refusing_payment(&patient)).await;

    gateway.advance(120_000);
    worker(&gateway, &world).collect().await.expect("it works");
    assert_eq!(sendings(&gateway).await.iter().map(|one| one.state.as_str()).collect::<Vec<_>>(), ["void"]);
    for line in lines(&gateway).await {
        let expected = if line.source == "claim" { ("faulty", vec![REFUSED.to_owned()]) } else { ("ready", vec![]) };
        assert_eq!((line.state.as_str(), codes(&line)), expected);
    }
    assert_eq!(world.received("mutualities").await["messages"], json!([]), "nothing was sent");
    assert_eq!(refusals(&centre, Some(&patient)).await, ["excluded-by-patient"], "and the person's trail says so");
}

async fn what_is_done_twice_a_day_is_told_apart_by_its_time(gateway: Gateway) {
    let books = books(&gateway).await;
    let at = |n: usize, time: Option<u16>| {
        let mut service = service(990_010, "2026-02-03");
        service.time = time;
        line(person(n), service)
    };
    let stay = |from: &str, until: &str| {
        let mut service = service(992_025, from);
        service.last_day = date(until);
        service.convention = Some(nihdi("77200221000"));
        service.agreed = Some(date("2026-01-15"));
        service.admitted = Some(date("2026-01-20"));
        line(person(0), service)
    };
    let new: Vec<NewLine> = vec![
        at(0, Some(900)),
        at(0, Some(1_400)),
        at(1, Some(900)),
        at(1, Some(900)),
        at(2, Some(900)),
        at(2, None),
        stay("2026-02-02", "2026-02-06"),
        stay("2026-02-06", "2026-02-08"),
        stay("2026-02-09", "2026-02-10"),
    ];
    let ids = books.take_in(&new).await.expect("they are taken in").ids;
    books.check(PARTY, MONTH, &Progress::default()).await.expect("it is checked");
    let all = lines(&gateway).await;
    let is_twin = |id: &String| {
        let line = all.iter().find(|line| line.id == *id).expect("it is there");
        codes(line).iter().any(|code| ["300544", "500544"].contains(&code.as_str()))
    };
    let found: Vec<bool> = ids.iter().map(is_twin).collect();
    assert_eq!(found, [false, false, false, true, false, true, false, true, false], "{all:?}");
}

/// A worker that asks for one message at a time.
fn one_by_one(gateway: &Gateway, world: &World) -> Worker {
    let base_url = world.url("mutualities");
    let mutualities = Some(Settings { base_url, enterprise: None, signer: None, is_deflated: true, page: 1 });
    let insurers = Insurers { mutualities, care_funds: None, every: Duration::from_mins(10) };
    let settings =
        DeliveriesConfig { attempts_max: 3, inquiries_max: 3, parallel_max: 4, lease: Duration::from_mins(2) };
    Worker::new(&gateway.app, Outside { insurers, ..outside() }, settings).expect("a client can be built")
}

async fn what_is_not_believed_holds_up_no_inbox_and_is_shown_once(gateway: Gateway) {
    let (world, books) = (World::with(&gateway.clock).await, books(&gateway).await);
    books.take_in(&[line(person(0), service(990_010, "2026-02-02"))]).await.expect("it is taken in");
    books.check(PARTY, MONTH, &Progress::default()).await.expect("it is checked");
    let forged = json!({"answer": "forged", "what": "hash", "files": "always"});
    let (status, answer) = world.control(Method::POST, "partners/mutualities/answers", &forged).await;
    assert_eq!(status, 200, "{answer}");
    books.seal(&to_100()).await.expect("it is sealed");
    let worker = one_by_one(&gateway, &world);
    while worker.round().await.expect("it works") > 0 {}
    assert_eq!(worker.collect().await.expect("it works"), 2, "a receipt and a settlement, each behind what is forged");
    assert_eq!(lines(&gateway).await[0].state, "paid");
    let inbox = world.control(Method::GET, "partners/mutualities/inbox", &Value::Null).await.1;
    let waits: Vec<&Value> =
        inbox["inbox"].as_array().into_iter().flatten().filter(|one| one["confirmed"] == json!(false)).collect();
    assert!(!waits.is_empty(), "what is not believed is not confirmed: {inbox}");

    assert_eq!(worker.collect().await.expect("it works"), 0);
    let shown = gateway.app.store.billing_messages(OWN, ("", "unknown")).await.expect("it answers");
    assert_eq!(shown.len(), 1, "the two state the same hash: {shown:?}");
    let noted = &shown[0];
    assert_eq!((noted.name.as_str(), noted.partner.as_str()), ("wrong-hash", "mutuality/100"));
    assert!(noted.remark.contains("wellgate-answer-flawed"), "{noted:?}");
}

/// Asks a care fund for an allowance, as the connector would.
async fn request_allowance(world: &World, content: &Value) {
    let content = content.to_string();
    let envelope = json!({
        "reference": "request-1", "messageName": "care-request", "issuer": {"nihdi": PARTY}, "destination": 701,
        "inputReference": "20260000000001",
        "content": {"type": "application/json", "encoding": "none", "hash": hex(digest(&SHA256, content.as_bytes()).as_ref()),
            "data": STANDARD.encode(&content)},
    });
    let request = world.http.post(format!("{}/messages", world.url("care-funds"))).json(&envelope);
    assert_eq!(request.send().await.expect("it answers").status(), 200);
}

async fn what_a_care_fund_decides_is_kept_without_its_words(gateway: Gateway) {
    let (world, books) = (World::with(&gateway.clock).await, books(&gateway).await);
    let mut service = service(992_014, "2026-02-03");
    (service.convention, service.agreed) = (Some(nihdi("77200221000")), Some(date("2026-01-15")));
    books.take_in(&[line(person(0), service)]).await.expect("it is taken in");
    books.check(PARTY, MONTH, &Progress::default()).await.expect("it is checked");
    let ready = books.ready(PARTY, MONTH).await.expect("it answers");
    books.seal(&ready[0].wanted).await.expect("it is sealed");
    let worker = worker(&gateway, &world);
    while worker.round().await.expect("it works") > 0 {}
    worker.collect().await.expect("it works");

    let wish = json!({"answer": "decide", "state": "partly-approved", "reason": "Testpersoon 0 improves"});
    let (status, answer) = world.control(Method::POST, "partners/care-funds/answers", &wish).await;
    assert_eq!(status, 200, "{answer}");
    let asked =
        json!({"ssin": person(0).ssin, "convention": "7.72.002.21", "from": "2026-03-01", "until": "2027-02-28"});
    request_allowance(&world, &asked).await;
    assert_eq!(worker.collect().await.expect("it works"), 2);
    let kept = gateway.app.store.billing_messages(OWN, ("", "applied")).await.expect("it answers");
    assert!(kept.iter().all(|row| !row.remark.contains("Testpersoon")), "{kept:?}");
    let mut decided: Vec<String> = kept
        .iter()
        .map(|row| CareDecision::of(row).expect("it reads").expect("it is one"))
        .map(|one| format!("{} {} {}", one.request, one.state, one.from))
        .collect();
    decided.sort();
    assert_eq!(decided, ["20260000000001 in-treatment ", "20260000000001 partly-approved 2026-03-01"]);
    assert!(gateway.app.store.billing_messages(OWN, ("", "unknown")).await.expect("it answers").is_empty());
}

stories!(
    what_a_care_fund_decides_is_kept_without_its_words,
    who_refuses_after_the_draft_is_in_no_file,
    who_refuses_while_a_file_is_being_made_makes_it_void,
    what_is_done_twice_a_day_is_told_apart_by_its_time,
    what_is_not_believed_holds_up_no_inbox_and_is_shown_once,
);
