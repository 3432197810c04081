//! The connector to mutualities and care funds against those of the sandbox: what is posted, answered, given again, forged and decided.

use connectors::care_requests::{DECISION, Decision, DecisionState};
use connectors::delivery::{Connector as _, Inquiry, Message as Delivery};
use connectors::gen_async::{Fetched, Flow, GenAsync, Incoming, Settings};
use connectors::http::HttpClient;
use gateway::clock::Clock;
use mappings::billing::{FileReader, Message, ReadLimits, Record, Second, segment_faults};
use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::invoice_file::{Name, THIRD_PARTY, file, named, rehabilitation, services};
use wellgate_tests::partners::World;

const FUND: u16 = 701;

fn connector(world: &World, flow: Flow) -> GenAsync {
    let name = if flow == Flow::Mutualities { "mutualities" } else { "care-funds" };
    let settings = Settings { base_url: world.url(name), enterprise: None, signer: None, is_deflated: true, page: 64 };
    GenAsync::new(HttpClient::new().expect("a client"), flow, settings)
}

fn delivery(reference: &str, name: Name, federation: u16, content: &str) -> Delivery {
    let body = json!({"federation": federation, "thirdParty": THIRD_PARTY, "inputReference": name.reference.to_string(),
        "content": content});
    Delivery { reference: reference.to_owned(), kind: "invoice-file".to_owned(), body }
}

/// Two invoices of services to one mutuality, and one of rehabilitation to another: 19.42, 22.00, 31.00, and 1,234.50 less 50.00.
fn content(name: Name) -> String {
    file(name, &[services(1, 304, &[1_942, 2_200]), services(2, 304, &[3_100]), rehabilitation(3, 319)]).0
}

async fn wish(world: &World, name: &str, wish: Value) {
    let (status, answer) = world.control(Method::POST, &format!("partners/{name}/answers"), &wish).await;
    assert_eq!(status, 200, "{wish}: {answer}");
}

/// Posts a file to the socialist mutualities, and gives what is in the inbox then.
async fn answers(world: &World, reference: &str, name: Name, content: &str) -> Vec<Incoming> {
    let connector = connector(world, Flow::Mutualities);
    let outcome = connector.send(&delivery(reference, name, 300, content)).await;
    assert_eq!(outcome.codes(), ("delivered", ""), "{reference}");
    fetch(&connector, 300).await.messages
}

async fn fetch(connector: &GenAsync, federation: u16) -> Fetched {
    connector.fetch(THIRD_PARTY, federation, 64).await.expect("a page")
}

async fn confirm(connector: &GenAsync, federation: u16, messages: &[Incoming]) {
    confirm_of(connector, (THIRD_PARTY, federation), messages).await;
}

async fn confirm_of(connector: &GenAsync, (third_party, federation): (&str, u16), messages: &[Incoming]) {
    let hashes: Vec<String> = messages.iter().map(|message| message.hash.clone()).collect();
    connector.confirm(third_party, federation, &hashes).await.expect("it is confirmed");
}

fn names(messages: &[Incoming]) -> Vec<&str> {
    messages.iter().map(|message| message.message_name.as_str()).collect()
}

/// What a settlement says: (mutuality, asked, accepted, refused) of each and of all, and the errors of what is returned by our reference.
#[derive(Debug, Default, PartialEq)]
struct Told {
    totals: Vec<(u16, i64, i64, i64)>,
    errors: Vec<(String, String)>,
}

fn told(message: &Incoming) -> Told {
    let mut reader = FileReader::new(&message.content[..], ReadLimits::default()).expect("it begins");
    assert!(reader.head().first.is_ok() && matches!(reader.head().second, Some(Ok(_))), "{:?}", reader.head());
    let mut told = Told::default();
    while let Some(raw) = reader.next_record().expect("it is whole") {
        let record = raw.read().expect("it has a layout").expect("it is of its form");
        let reference = match &record {
            Record::Settlement(one) => {
                let (accepted, refused) = (one.accepted.cents().0, one.refused.cents().0);
                assert_eq!(one.accepted_a.cents().0 + one.accepted_b.cents().0, accepted);
                assert_eq!(one.payment_a.trim().is_empty(), accepted == 0);
                told.totals.push((one.destination, one.amount_total.cents().0, accepted, refused));
                continue;
            }
            Record::SettlementTotal(one) => {
                let (accepted, refused) = (one.accepted.cents().0, one.refused.cents().0);
                told.totals.push((one.destination, one.amount_total.cents().0, accepted, refused));
                continue;
            }
            Record::Invoice(one) => one.reference.clone(),
            Record::Service(one) => one.reference.clone(),
            Record::Stay(one) => one.reference.clone(),
            Record::Header(_) => "header".to_owned(),
            other => panic!("nobody asked for {other:?}"),
        };
        let detail = raw.detail().expect("it is returned").expect("it is of its form");
        assert!(!detail.errors.is_empty());
        for error in detail.errors {
            told.errors.push((reference.trim_end().to_owned(), format!("{}{}", error.letter, error.code)));
        }
    }
    told
}

fn errors(told: &Told) -> Vec<(&str, &str)> {
    told.errors.iter().map(|(reference, error)| (reference.as_str(), error.as_str())).collect()
}

#[tokio::test]
async fn a_file_that_is_right_is_received_and_settled_to_the_cent() {
    let world = World::start().await;
    let messages = answers(&world, "d-1", named(1), &content(named(1))).await;
    assert_eq!(names(&messages), ["931000", "920900"]);
    assert!(messages.iter().all(|message| message.reference == named(1).reference.to_string()));
    let receipt = FileReader::new(&messages[0].content[..], ReadLimits::default()).expect("it begins");
    assert_eq!(receipt.head().message, Message::Receipt);
    let reference = receipt.head().first.as_ref().map(|first| first.provider_reference);
    assert_eq!(reference, Ok(named(1).reference));
    let totals = vec![(304, 7_242, 7_242, 0), (319, 118_450, 118_450, 0), (399, 125_692, 125_692, 0)];
    assert_eq!(told(&messages[1]), Told { totals, errors: Vec::new() });
}

#[tokio::test]
async fn the_independent_reader_finds_nothing_to_refuse_in_what_validation_passed() {
    // The files are of October.
    const OCTOBER_MS: i64 = 1_791_000_000_000;
    let world = World::with(&Clock::fixed(OCTOBER_MS)).await;
    let connector = connector(&world, Flow::Mutualities);
    for number in 1..=150_u16 {
        let (mut sending, invoices) = crate::any::file(&mut crate::any::Chance::new(number.into()));
        sending.number = number;
        let (bytes, written) = crate::sample::written(sending.clone(), &invoices);
        assert!(written.report.is_clean(), "{number}: {:?}", written.report);
        let federation = written.file.destination / 100 * 100;
        let reference = format!("{:014}", sending.reference);
        let third_party = sending.third_party.as_str();
        let content = String::from_utf8(bytes).expect("it is ASCII");
        let body = json!({"federation": federation, "thirdParty": third_party, "inputReference": reference, "content": content});
        let message = Delivery { reference: format!("d-{number}"), kind: "invoice-file".to_owned(), body };
        assert_eq!(connector.send(&message).await.codes(), ("delivered", ""), "{number}");
        let messages = connector.fetch(third_party, federation, 64).await.expect("a page").messages;
        assert_eq!(names(&messages), ["931000", "920900"], "{number}: {invoices:?}");
        let told = told(&messages[1]);
        let asked = written.file.amount_a.0 + written.file.amount_b.0;
        assert_eq!(
            (told.errors, told.totals.last().map(|all| (all.1, all.2, all.3))),
            (Vec::new(), Some((asked, asked, 0))),
            "{number}"
        );
        confirm_of(&connector, (third_party, federation), &messages).await;
    }
}

#[tokio::test]
async fn lines_are_refused_as_a_tester_says_and_the_amounts_reconcile() {
    let shared = [("STAY-3", "R300419")];
    for (number, (said, lines, refused)) in (1..).zip([
        (json!({"reference": "L-1-2"}), vec![("L-1-2", "R500420")], (2_200, 0)),
        (json!({"reference": "INV-2"}), vec![("L-2-1", "R500420")], (3_100, 0)),
        (json!({"code": 101_032}), vec![("L-1-1", "R500420"), ("L-1-2", "R500420"), ("L-2-1", "R500420")], (7_242, 0)),
        (json!({"patient": 1, "errors": ["F200820"]}), vec![("INV-1", "F200820")], (4_142, 0)),
        (json!({"patient": 3, "errors": ["R300446"]}), [&[("STAY-3", "R300446")][..], &shared].concat(), (0, 118_450)),
        (
            json!({"every": 2, "errors": ["R500420", "S514231"]}),
            vec![("L-1-2", "R500420"), ("L-1-2", "S514231"), ("STAY-3", "R500420"), ("STAY-3", "S514231"), shared[0]],
            (2_200, 118_450),
        ),
        (json!({"reference": "L-1-1", "errors": ["E200840"]}), vec![("L-1-1", "E200840")], (0, 0)),
    ]) {
        let world = World::start().await;
        let mut wanted = said.clone();
        wanted["answer"] = json!("refuse-line");
        wanted["comment"] = json!("made up");
        wish(&world, "mutualities", wanted).await;
        let messages = answers(&world, "d-1", named(number), &content(named(number))).await;
        assert_eq!(names(&messages), ["931000", "920900"], "{said}");
        let told = told(&messages[1]);
        assert_eq!(errors(&told), lines, "{said}");
        let (first, second) = refused;
        let sums = [(304, 7_242, 7_242 - first, first), (319, 118_450, 118_450 - second, second)];
        let all = (399, 125_692, 125_692 - first - second, first + second);
        assert_eq!(told.totals, [sums[0], sums[1], all], "{said}");
        assert!(String::from_utf8_lossy(&messages[1].content).contains("made up"));
        // It held for that file alone.
        let next = named(number + 100);
        let settled = answers(&world, "d-2", next, &content(next)).await;
        assert_eq!(self::told(settled.last().expect("it is settled")).errors, []);
    }
}

#[tokio::test]
async fn what_may_have_arrived_is_asked_about_and_the_answer_is_what_happened() {
    for (fault, outcome, arrived) in [
        (json!({"fault": "status", "value": 503}), ("retry", "technical.status-503"), false),
        (json!({"fault": "status", "value": 401}), ("retry", "authentication.status-401"), false),
        (json!({"fault": "status", "value": 400}), ("rejected", "message.sandbox.fault"), false),
        (json!({"fault": "status", "value": 500}), ("uncertain", "technical.status-500"), false),
        (json!({"fault": "cut-before-accept"}), ("uncertain", "technical.broken"), false),
        (json!({"fault": "cut-after-accept"}), ("uncertain", "technical.broken"), true),
        (json!({"fault": "truncated"}), ("uncertain", "technical.broken"), true),
        (json!({"fault": "nonsense", "value": "html"}), ("uncertain", "technical.answer-not-understood"), true),
        (json!({"fault": "nonsense", "value": "json"}), ("uncertain", "technical.answer-not-understood"), true),
        (json!({"fault": "nonsense", "value": "huge"}), ("uncertain", "technical.answer-too-long"), true),
        (json!({"fault": "wrong-patient"}), ("uncertain", "technical.wrong-reference"), true),
    ] {
        let world = World::start().await;
        let connector = connector(&world, Flow::Mutualities);
        let message = delivery("d-1", named(1), 300, &content(named(1)));
        world.fault("mutualities", fault.clone()).await;
        assert_eq!(connector.send(&message).await.codes(), outcome, "{fault}");
        let inquiry = connector.inquire("d-1").await;
        assert_eq!(matches!(inquiry, Inquiry::Has(_)), arrived, "{fault}: {inquiry:?}");
        assert_eq!(matches!(inquiry, Inquiry::HasNot), !arrived, "{fault}: {inquiry:?}");
        // Whoever sends it again all the same is told the same, and nothing is treated twice.
        assert_eq!(connector.send(&message).await.codes().0, "delivered", "{fault}");
        assert_eq!(names(&fetch(&connector, 300).await.messages), ["931000", "920900"], "{fault}");
    }
}

#[tokio::test]
async fn the_receipt_of_an_earlier_message_is_not_taken_for_this_one() {
    let world = World::start().await;
    let connector = connector(&world, Flow::Mutualities);
    assert_eq!(connector.send(&delivery("d-1", named(1), 300, &content(named(1)))).await.codes().0, "delivered");
    world.fault("mutualities", json!({"fault": "duplicate"})).await;
    let second = delivery("d-2", named(2), 300, &content(named(2)));
    assert_eq!(connector.send(&second).await.codes(), ("uncertain", "technical.wrong-reference"));
    assert!(matches!(connector.inquire("d-2").await, Inquiry::Has(_)));
    assert_eq!(connector.inquire("d-3").await, Inquiry::HasNot);
}

#[tokio::test]
async fn a_message_is_given_again_until_it_is_confirmed_and_once_more_where_that_is_wished() {
    let world = World::start().await;
    let messages = answers(&world, "d-1", named(1), &content(named(1))).await;
    let connector = connector(&world, Flow::Mutualities);
    assert_eq!(fetch(&connector, 300).await.messages, messages);
    let one_by_one = connector.fetch(THIRD_PARTY, 300, 1).await.expect("a page");
    assert_eq!((names(&one_by_one.messages), one_by_one.has_more), (vec!["931000"], true));
    confirm(&connector, 300, &messages[..1]).await;
    assert_eq!(fetch(&connector, 300).await.messages, messages[1..]);
    // Of somebody else's inbox nothing is seen, and nothing is confirmed.
    assert!(connector.fetch("18334780004", 300, 64).await.expect("a page").messages.is_empty());
    assert!(fetch(&connector, 200).await.messages.is_empty());
    connector.confirm("18334780004", 300, &[messages[1].hash.clone()]).await.expect("it answers");
    assert_eq!(fetch(&connector, 300).await.messages.len(), 1);
    confirm(&connector, 300, &messages).await;
    confirm(&connector, 300, &messages).await;
    assert!(fetch(&connector, 300).await.messages.is_empty());
    wish(&world, "mutualities", json!({"answer": "twice"})).await;
    let messages = answers(&world, "d-2", named(2), &content(named(2))).await;
    confirm(&connector, 300, &messages).await;
    assert_eq!(fetch(&connector, 300).await.messages, messages, "the same once more");
    confirm(&connector, 300, &messages).await;
    assert!(fetch(&connector, 300).await.messages.is_empty());
}

#[tokio::test]
async fn a_forged_message_is_not_believed_and_holds_up_no_other() {
    for (what, code) in [
        ("hash", "message.wrong-hash"),
        ("third-party", "message.wrong-third-party"),
        ("reference", "message.unreadable"),
    ] {
        let world = World::start().await;
        wish(&world, "mutualities", json!({"answer": "forged", "what": what})).await;
        let messages = answers(&world, "d-1", named(1), &content(named(1))).await;
        assert_eq!(names(&messages), ["931000", "920900"], "{what}");
        let connector = connector(&world, Flow::Mutualities);
        confirm(&connector, 300, &messages).await;
        let fetched = fetch(&connector, 300).await;
        let flaws: Vec<&str> = fetched.flawed.iter().map(|flaw| flaw.cause.code.as_str()).collect();
        assert_eq!((fetched.messages.len(), flaws), (0, vec![code, code]), "{what}: it stays until somebody looks");
        world.control(Method::DELETE, "partners/mutualities/answers", &Value::Null).await;
        assert_eq!(fetch(&connector, 300).await, Fetched::default());
    }
}

#[tokio::test]
async fn a_get_that_fails_leaves_everything_where_it_was() {
    let world = World::start().await;
    let messages = answers(&world, "d-1", named(1), &content(named(1))).await;
    let connector = connector(&world, Flow::Mutualities);
    for (fault, code) in [
        (json!({"fault": "status", "value": 503, "retryAfter": 30}), "technical.status-503"),
        (json!({"fault": "status", "value": 403}), "authentication.sandbox.fault"),
        (json!({"fault": "truncated"}), "technical.broken"),
        (json!({"fault": "cut-before-accept"}), "technical.broken"),
        (json!({"fault": "nonsense", "value": "html"}), "technical.answer-not-understood"),
        (json!({"fault": "nonsense", "value": "empty"}), "technical.answer-not-understood"),
        (json!({"fault": "nonsense", "value": "json"}), "technical.answer-not-understood"),
    ] {
        world.fault("mutualities", fault.clone()).await;
        let error = connector.fetch(THIRD_PARTY, 300, 64).await.expect_err("it fails");
        assert_eq!(error.cause.code, code, "{fault}");
        let wait = error.wait.map(|wait| wait.as_secs());
        assert_eq!(wait, fault["retryAfter"].as_u64(), "{fault}");
        assert_eq!(fetch(&connector, 300).await.messages, messages, "{fault}");
    }
    // Gigabytes are read no further than the limit, once for a page and once for a single message.
    world.fault("mutualities", json!({"fault": "nonsense", "value": "endless", "calls": 2})).await;
    let error = connector.fetch(THIRD_PARTY, 300, 64).await.expect_err("it has no end");
    assert_eq!(error.cause.code, "technical.answer-too-long");
    assert_eq!(fetch(&connector, 300).await.messages, messages);
}

#[tokio::test]
async fn a_file_of_a_wrong_form_is_refused_with_its_zone_and_may_come_again_under_its_number() {
    let world = World::start().await;
    let good = content(named(1));
    // The amount of the first mutuality in its record 95.
    let at = good.len() - 3 * 350 + 24;
    let mut wrong = good.clone();
    wrong.replace_range(at..at + 11, "00000000001");
    let messages = answers(&world, "d-1", named(1), &wrong).await;
    assert_eq!(names(&messages), ["920999"]);
    let mut reader = FileReader::new(&messages[0].content[..], ReadLimits::default()).expect("it begins");
    assert_eq!(reader.head().message, Message::TechnicalRefusal);
    let mut said = Vec::new();
    while let Some(raw) = reader.next_record().expect("it is whole") {
        let faults = segment_faults(raw.kind.expect("it has a layout"), raw.bytes());
        said.extend(faults.iter().map(mappings::billing::SegmentFault::code));
    }
    assert_eq!(said, ["404-41"]);
    let connector = connector(&world, Flow::Mutualities);
    confirm(&connector, 300, &messages).await;
    let settled = answers(&world, "d-2", named(1), &good).await;
    assert_eq!(names(&settled), ["931000", "920900"]);
    confirm(&connector, 300, &settled).await;
    // Once it is taken, its number is used up for the year.
    let again = answers(&world, "d-3", named(1), &good).await;
    assert_eq!(names(&again), ["920999"]);
    assert_eq!(&again[0].content[67 + 11..67 + 13], b"40");
    confirm(&connector, 300, &again).await;
    let told = answers(&world, "d-4", named(1), &format!("920000{}{}", &good[6..67], &good[67..300])).await;
    assert_eq!(names(&told), ["920999"], "what cannot be cut into records is refused as well");
}

#[tokio::test]
async fn a_file_is_rejected_for_an_error_that_blocks_it_or_for_too_many() {
    let world = World::start().await;
    let many: Vec<i64> = (1..=20).map(|n| n * 100).collect();
    let at_most_28 = &many[..];
    let big = |name: Name| file(name, &[services(1, 304, at_most_28), services(2, 304, at_most_28)]).0;
    for (number, (said, kind, share)) in (1..).zip([
        (json!({"answer": "refuse-file", "errors": ["B201812"]}), Some(1), 0),
        (json!({"answer": "refuse-line", "reference": "L-1-1", "errors": ["B201801"]}), Some(1), 0),
        (json!({"answer": "refuse-line", "every": 13, "counts": true}), Some(2), 750),
        (json!({"answer": "refuse-line", "every": 20, "counts": true}), None, 500),
        (json!({"answer": "refuse-line", "every": 2}), None, 0),
    ]) {
        wish(&world, "mutualities", said.clone()).await;
        let messages = answers(&world, &format!("d-{number}"), named(number), &big(named(number))).await;
        let expected = if kind.is_some() { "920099" } else { "920900" };
        assert_eq!(names(&messages), ["931000", expected], "{said}");
        let reader = FileReader::new(&messages[1].content[..], ReadLimits::default()).expect("it begins");
        let Some(Ok(Second::Answer(second))) = &reader.head().second else { panic!("{said}: it has a segment 300") };
        assert_eq!((second.refusal_kind, second.error_share), (kind.unwrap_or(0), share), "{said}");
        assert!(!told(&messages[1]).errors.is_empty(), "{said}");
        confirm(&connector(&world, Flow::Mutualities), 300, &messages).await;
    }
    // What the reader itself finds counts: a code whose check digit does not hold, in one line of three.
    let name = named(20);
    let wrong = file(name, &[services(1, 304, &[100, 200, 300])]).0;
    let at = 227 + 2 * 350;
    let mut record = wrong[at..at + 350].replacen("0101032", "0101033", 1);
    let check = mappings::billing::record_check(record.as_bytes());
    record.replace_range(348.., &format!("{check:02}"));
    let messages = answers(&world, "d-20", name, &format!("{}{record}{}", &wrong[..at], &wrong[at + 350..])).await;
    // The control numbers do not hold either.
    assert!(matches!(names(&messages)[..], ["920999"] | ["931000", "920099"]), "{:?}", names(&messages));
}

#[tokio::test]
async fn an_insurer_answers_late_never_or_with_what_nobody_knows() {
    let world = World::start().await;
    let connector = connector(&world, Flow::Mutualities);
    wish(&world, "mutualities", json!({"answer": "late", "gets": 2})).await;
    let seen = async |reference: &str, number: u16| {
        let sent = connector.send(&delivery(reference, named(number), 300, &content(named(number)))).await;
        assert_eq!(sent.codes().0, "delivered");
        let mut counts = Vec::new();
        for _ in 0..3 {
            counts.push(fetch(&connector, 300).await.messages.len());
        }
        let last = fetch(&connector, 300).await.messages;
        confirm(&connector, 300, &last).await;
        (counts, names(&last).into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(seen("d-1", 1).await, (vec![0, 0, 2], vec!["931000".to_owned(), "920900".to_owned()]));
    wish(&world, "mutualities", json!({"answer": "never"})).await;
    assert_eq!(seen("d-2", 2).await.0, [0, 0, 0]);
    wish(&world, "mutualities", json!({"answer": "unknown"})).await;
    wish(&world, "mutualities", json!({"answer": "remark", "patient": 1, "errors": ["E200840"]})).await;
    let (_, names) = seen("d-3", 3).await;
    assert_eq!(names, ["931000", "920950", "920098", "920900"]);
    for (class, code) in
        [("message", "rejected"), ("business", "rejected"), ("authentication", "rejected"), ("technical", "retry")]
    {
        wish(&world, "mutualities", json!({"answer": "tack", "class": class, "code": "made-up"})).await;
        let reference = format!("d-{class}");
        let sent = connector.send(&delivery(&reference, named(4), 300, &content(named(4)))).await;
        assert_eq!(sent.codes(), (code, format!("{class}.made-up").as_str()));
        let inquiry = connector.inquire(&reference).await;
        assert_eq!(matches!(inquiry, Inquiry::Refused(_)), class != "technical", "{inquiry:?}");
    }
    assert!(fetch(&connector, 300).await.messages.is_empty());
}

#[tokio::test]
async fn a_care_fund_answers_by_names_of_its_own_and_takes_a_refused_file_again_as_what_it_was() {
    let world = World::start().await;
    let connector = connector(&world, Flow::CareFunds);
    let content = |name: Name| file(name, &[rehabilitation(1, FUND), rehabilitation(2, FUND)]).0;
    let sent = async |reference: &str, name: Name| {
        let outcome = connector.send(&delivery(reference, name, FUND, &content(name))).await;
        assert_eq!(outcome.codes().0, "delivered");
        let messages = fetch(&connector, FUND).await.messages;
        confirm(&connector, FUND, &messages).await;
        messages
    };
    wish(&world, "care-funds", json!({"answer": "refuse-form", "zone": "308", "fault": "20"})).await;
    let refused = sent("d-1", named(1)).await;
    assert_eq!(names(&refused), ["DF012"]);
    assert!(refused[0].content.starts_with(b"920999"));
    let another = Name { month: 202_601, ..named(1) };
    // Days of February are billed with January: that is allowed for a month, and is not what was refused.
    assert_eq!(names(&sent("d-2", another).await), ["DF012"]);
    let settled = sent("d-3", Name { month: 202_601, ..named(1) }).await;
    assert_eq!(names(&settled), ["DF011", "920900"], "what was refused last counts");
    assert!(settled[0].content.starts_with(b"931000"));
    assert_eq!(told(&settled[1]).totals.last(), Some(&(799, 236_900, 236_900, 0)));
    assert_eq!(names(&sent("d-4", named(2)).await), ["DF011", "920900"]);
    // Of a mutuality it is not.
    let elsewhere = connector.fetch(THIRD_PARTY, 300, 64).await.expect("a page");
    assert!(elsewhere.messages.is_empty());
}

fn request(reference: &str, number: u64, body: &Value) -> Delivery {
    let body = json!({"federation": FUND, "thirdParty": THIRD_PARTY, "inputReference": format!("{number:014}"), "request": body});
    Delivery { reference: reference.to_owned(), kind: "care-request".to_owned(), body }
}

#[tokio::test]
async fn a_request_for_an_allowance_is_decided_by_the_same_inbox() {
    let world = World::start().await;
    let connector = connector(&world, Flow::CareFunds);
    let whole =
        json!({"ssin": "90010199992", "convention": "7.72.002.21", "from": "2026-03-01", "until": "2027-02-28"});
    let decisions = async || {
        let messages = fetch(&connector, FUND).await.messages;
        confirm(&connector, FUND, &messages).await;
        assert!(messages.iter().all(|message| message.message_name == DECISION));
        messages.iter().map(|one| Decision::read(&one.content).expect("it is one")).collect::<Vec<Decision>>()
    };
    let states = |decisions: &[Decision]| decisions.iter().map(|one| one.state).collect::<Vec<DecisionState>>();
    assert_eq!(connector.send(&request("d-1", 1, &whole)).await.codes().0, "delivered");
    let decided = decisions().await;
    assert_eq!(states(&decided), [DecisionState::InTreatment, DecisionState::Approved]);
    assert_eq!((decided[1].from.as_deref(), decided[1].until.as_deref()), (Some("2026-03-01"), Some("2027-02-28")));
    assert_eq!(connector.send(&request("d-2", 2, &json!({"ssin": "90010199992"}))).await.codes().0, "delivered");
    let decided = decisions().await;
    assert_eq!(states(&decided), [DecisionState::Inadmissible]);
    assert_eq!(decided[0].reason, "missing: convention, from");
    wish(&world, "care-funds", json!({"answer": "decide", "state": "refused", "reason": "no need"})).await;
    assert_eq!(connector.send(&request("d-3", 3, &whole)).await.codes().0, "delivered");
    assert_eq!(states(&decisions().await), [DecisionState::InTreatment, DecisionState::Refused]);
    for (state, expected) in [("extended", DecisionState::Extended), ("stopped", DecisionState::Stopped)] {
        let said = json!({"answer": "decide", "state": state, "request": "00000000000001"});
        wish(&world, "care-funds", said).await;
        assert_eq!(states(&decisions().await), [expected]);
    }
    // A mutuality takes no requests: not by the connector, and not by the partner.
    let body = request("d-4", 4, &whole);
    let mutuality = self::connector(&world, Flow::Mutualities);
    assert_eq!(mutuality.send(&body).await.codes(), ("rejected", "not-sendable"));
    assert_eq!(world.times("mutualities", "d-4").await, (0, 0));
}

#[tokio::test]
async fn a_tester_sees_what_waits_and_is_told_what_is_wrong_with_a_wish() {
    let world = World::start().await;
    let messages = answers(&world, "d-1", named(1), &content(named(1))).await;
    let inbox = world.control(Method::GET, "partners/mutualities/inbox", &Value::Null).await.1;
    let first = &inbox["inbox"][0];
    assert_eq!((&first["hash"], &first["name"]), (&json!(messages[0].hash), &json!("931000")));
    assert_eq!(
        (&first["gets"], &first["confirmed"], &inbox["partner"]),
        (&json!(1), &json!(false), &json!("mutualities"))
    );
    for (name, said, member) in [
        ("mutualities", json!({"answer": "refuse-line"}), "reference: "),
        ("mutualities", json!({"answer": "decide", "state": "refused", "request": "00000000000001"}), "request: "),
        ("care-funds", json!({"answer": "decide", "state": "refused", "request": "00000000000001"}), "request: "),
    ] {
        let (status, answer) = world.control(Method::POST, &format!("partners/{name}/answers"), &said).await;
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(status == 400 && error.starts_with(member), "{said}: {answer}");
    }
    for path in ["partners/ehr/answers", "partners/mail/answers", "partners/nobody/answers", "partners/ehr/inbox"] {
        let (status, answer) = world.control(Method::GET, path, &Value::Null).await;
        assert_eq!((status.as_u16(), answer["error"].is_string()), (404, true), "{path}");
    }
    world.control(Method::POST, "reset", &Value::Null).await;
    let inbox = world.control(Method::GET, "partners/mutualities/inbox", &Value::Null).await.1;
    assert_eq!(inbox["inbox"], json!([]));
}
