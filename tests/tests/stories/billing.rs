//! Third-party billing: from a month's lines to what was paid, through the simulated mutualities and care funds.

use std::collections::BTreeMap;

use gateway::billing::{Books, Correction, Finding, InsuredPerson, Kept, NewLine, Progress, Refusal, Wanted};
use gateway::delivery::Decided;
use gateway::storage::billing::{ClaimLineRow, LineFilter, SendingRow};
use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::billing::{OWN, PARTY, books, date, line, nihdi, person, service, worker};
use wellgate_tests::gateway::{DAY_MS, Gateway};
use wellgate_tests::partners::World;
use wellgate_tests::stories;

/// The month of the stories: their clock stands on its first day, so what they bill is of the month before.
const MONTH: i64 = 202_602;

/// Tells a simulated insurer how to answer.
async fn wish(world: &World, partner: &str, wish: &Value) {
    let (status, answer) = world.control(Method::POST, &format!("partners/{partner}/answers"), wish).await;
    assert_eq!(status, 200, "{wish}: {answer}");
}

async fn lines(books: &Gateway, states: &[&'static str]) -> Vec<ClaimLineRow> {
    let filter = LineFilter { states: states.to_vec(), ..LineFilter::default() };
    let mut all: Vec<ClaimLineRow> = Vec::new();
    loop {
        let after = all.last().map(|line| line.id.clone()).unwrap_or_default();
        let page = books.app.store.claim_lines(OWN, &filter, (&after, 500)).await.expect("it answers");
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// How many lines there are of each state, and what was asked and paid.
async fn counts(gateway: &Gateway) -> BTreeMap<String, (i64, i64, i64)> {
    let mut counts: BTreeMap<String, (i64, i64, i64)> = BTreeMap::new();
    for one in gateway.app.store.claim_counts(OWN, &LineFilter::default()).await.expect("it answers") {
        let of = counts.entry(one.state).or_default();
        *of = (of.0 + one.lines, of.1 + one.amount_cents, of.2 + one.paid_cents);
    }
    counts
}

async fn sendings(gateway: &Gateway) -> Vec<SendingRow> {
    gateway.app.store.sendings(OWN, &[], ("", 100)).await.expect("it answers")
}

/// Checks the month, and makes every file that can be made.
async fn seal_all(books: &Books<'_>) -> Vec<SendingRow> {
    let checked = books.check(PARTY, MONTH, &Progress::default()).await.expect("it is checked");
    assert_eq!(checked.whole, [], "the third party itself is well");
    let mut sealed = Vec::new();
    for ready in books.ready(PARTY, MONTH).await.expect("it answers") {
        sealed.push(books.seal(&ready.wanted).await.expect("it is sealed"));
    }
    sealed
}

/// Lets everything leave, and fetches every answer.
async fn exchange(gateway: &Gateway, world: &World) -> usize {
    let worker = worker(gateway, world);
    while worker.round().await.expect("it works") > 0 {}
    worker.collect().await.expect("it works")
}

/// A session of a person on a day of the month.
fn session(n: usize, day: u8) -> NewLine {
    line(person(n), service(990_010, &format!("2026-02-{day:02}")))
}

/// One of psychosocial rehabilitation.
fn rehabilitation(n: usize, day: u8) -> NewLine {
    let mut service = service(992_014, &format!("2026-02-{day:02}"));
    service.convention = Some(nihdi("77200221000"));
    service.agreed = Some(date("2026-01-15"));
    line(person(n), service)
}

async fn a_month_goes_from_lines_to_a_settlement_that_adds_up(gateway: Gateway) {
    let (world, books) = (World::with(&gateway.clock).await, books(&gateway).await);
    let mut new: Vec<NewLine> = (0..40).map(|n| session(n % 20, 1 + u8::try_from(n % 25).expect("small"))).collect();
    new.extend((0..6).map(|n| rehabilitation(n, 3)));
    let taken = books.take_in(&new).await.expect("they are taken in");
    assert_eq!(
        (taken.ids.len(), taken.known, taken.faulty),
        (46, 0, 0),
        "{taken:?} {:?}",
        lines(&gateway, &["faulty"]).await
    );

    let sealed = seal_all(&books).await;
    let faulty = lines(&gateway, &["faulty"]).await;
    assert_eq!(faulty.first().map(|line| (line.code, line.findings.as_str())), None, "{} are faulty", faulty.len());
    let told: Vec<_> = sealed.iter().map(|one| (one.federation, one.state.as_str(), one.number)).collect();
    let expected: Vec<(i64, &str, i64)> =
        [100, 200, 300, 400, 500, 701].into_iter().zip(1..).map(|(federation, n)| (federation, "sealed", n)).collect();
    assert_eq!(told, expected, "{:?}", sealed[0].remark);
    assert_eq!(counts(&gateway).await["sealed"].0, 46);

    wish(
        &world,
        "mutualities",
        &json!({"answer": "refuse-line", "every": 4, "errors": ["R500540"], "files": "always"}),
    )
    .await;
    assert_eq!(exchange(&gateway, &world).await, 12, "a receipt and a settlement of each file");
    let after = counts(&gateway).await;
    let (paid, refused) = (after["paid"], after["refused"]);
    assert_eq!(paid.0 + refused.0, 46, "{after:?}");
    assert!(refused.0 >= 5 && paid.1 == paid.2 && refused.2 == 0, "{after:?}");
    for sending in sendings(&gateway).await {
        assert!(["settled", "partly-settled"].contains(&sending.state.as_str()), "{sending:?}");
        assert_eq!(sending.remark, "", "nothing is amiss: {sending:?}");
        assert_eq!(sending.requested_cents, sending.accepted_cents + sending.refused_cents, "to the cent");
    }
    let accepted: i64 = sendings(&gateway).await.iter().map(|sending| sending.accepted_cents).sum();
    assert_eq!(accepted, paid.2, "what insurers say that they pay is what the lines say");

    // What was refused goes again, the next day.
    gateway.advance(DAY_MS);
    world.control(Method::DELETE, "partners/mutualities/answers", &Value::Null).await;
    for line in lines(&gateway, &["refused"]).await {
        let refusal = Refusal::read(&line.refusal).expect("it reads").expect("it says why");
        assert_eq!(refusal.errors[0].code, "500540");
        let next = books.correct(&line.id, &Correction::default()).await.expect("it goes again");
        assert_eq!((next.state.as_str(), next.kind, &next.corrects), ("ready", 1, &line.id), "{next:?}");
    }
    let again = seal_all(&books).await;
    assert!(again.iter().all(|one| one.state == "sealed"), "{again:?}");
    exchange(&gateway, &world).await;
    let end = counts(&gateway).await;
    assert_eq!((end["paid"].0, end["corrected"].0), (46, refused.0), "{end:?}");
    assert_eq!(end["paid"].1, end["paid"].2, "{end:?}");
}

async fn what_is_wrong_is_found_before_it_is_sent(gateway: Gateway) {
    let books = books(&gateway).await;
    let nobody = InsuredPerson { ssin: "70010100155".to_owned(), ..person(0) };
    let uninsured = InsuredPerson { affiliation: None, ..person(1) };
    let wrong = [
        (line(nobody, service(990_010, "2026-02-02")), "200802"),
        (line(uninsured, service(990_010, "2026-02-02")), "wellgate-"),
        (line(person(2), service(123_456, "2026-02-02")), "wellgate-tariff-none"),
        (line(person(3), service(990_010, "2023-02-02")), "wellgate-tariff"),
        (line(person(4), service(990_010, "2026-03-02")), "500510"),
    ];
    for (new, code) in wrong {
        let taken = books.take_in(std::slice::from_ref(&new)).await.expect("it is taken in");
        let id = &taken.ids[0];
        books.check(PARTY, new_month(&new), &Progress::default()).await.expect("it is checked");
        let line = books.line(id).await.expect("it is there");
        let findings = Finding::read(&line.findings).expect("they read");
        assert_eq!(line.state, "faulty", "{code}: {line:?}");
        assert!(findings.iter().any(|finding| finding.code.starts_with(code)), "{code}: {findings:?}");
        let files = books.ready(PARTY, 209_912).await.expect("it answers");
        assert!(files.is_empty(), "{code}: nothing of it can be sent");
    }
    assert!(sendings(&gateway).await.is_empty());
}

fn new_month(line: &NewLine) -> i64 {
    i64::from(line.service.last_day.year()) * 100 + i64::from(line.service.last_day.month())
}

async fn nothing_is_billed_twice(gateway: Gateway) {
    let (world, books) = (World::with(&gateway.clock).await, books(&gateway).await);
    let named = |n: usize, day: u8, key: &str| NewLine { source_key: Some(key.to_owned()), ..session(n, day) };
    let new = [named(0, 2, "row-1"), named(0, 3, "row-2"), named(0, 2, "row-1")];
    let taken = books.take_in(&new).await.expect("they are taken in");
    assert_eq!((taken.ids.len(), taken.known), (2, 1));
    let again = books.take_in(&new).await.expect("they are known");
    assert_eq!((again.ids.len(), again.known), (0, 3));
    seal_all(&books).await;
    exchange(&gateway, &world).await;
    assert_eq!(counts(&gateway).await["paid"].0, 2);

    // The same service in another file, under another name.
    let twin = books.take_in(&[named(0, 2, "row-9")]).await.expect("it is taken in");
    gateway.advance(DAY_MS);
    books.check(PARTY, MONTH, &Progress::default()).await.expect("it is checked");
    let line = books.line(&twin.ids[0]).await.expect("it is there");
    let findings = Finding::read(&line.findings).expect("they read");
    assert_eq!(
        (line.state.as_str(), findings[0].code.as_str(), &findings[0].about),
        ("faulty", "500544", &taken.ids[0])
    );
    assert!(books.ready(PARTY, MONTH).await.expect("it answers").is_empty());
}

async fn one_file_a_day_goes_to_a_federation(gateway: Gateway) {
    let books = books(&gateway).await;
    books.take_in(&[session(0, 2)]).await.expect("it is taken in");
    let first = seal_all(&books).await;
    books.take_in(&[session(0, 3)]).await.expect("it is taken in");
    books.check(PARTY, MONTH, &Progress::default()).await.expect("it is checked");
    let ready = books.ready(PARTY, MONTH).await.expect("it answers");
    assert_eq!((ready.len(), ready[0].may_today), (1, false));
    let refused = books.seal(&ready[0].wanted).await.expect_err("one is enough");
    assert!(format!("{refused:?}").contains("100724"), "{refused:?}");
    assert_eq!(sendings(&gateway).await.len(), 1, "no number was used for it");
    gateway.advance(DAY_MS);
    let second = books.seal(&ready[0].wanted).await.expect("it is another day");
    assert_eq!((first[0].number, second.number), (1, 2));
}

async fn a_file_that_is_refused_whole_was_never_billed(gateway: Gateway) {
    let (world, books) = (World::with(&gateway.clock).await, books(&gateway).await);
    books.take_in(&[session(0, 2), session(0, 3), rehabilitation(0, 3)]).await.expect("they are taken in");
    wish(&world, "mutualities", &json!({"answer": "refuse-file", "errors": ["B201812"]})).await;
    wish(&world, "care-funds", &json!({"answer": "refuse-form", "zone": "301", "fault": "40"})).await;
    let first = seal_all(&books).await;
    exchange(&gateway, &world).await;
    let states: Vec<_> = sendings(&gateway).await.into_iter().map(|one| (one.channel, one.state)).collect();
    let expected = [("vsb", "refused-technical"), ("efact", "refused-content")];
    assert_eq!(states, expected.map(|(channel, state)| (channel.to_owned(), state.to_owned())));
    let open = lines(&gateway, &["ready", "faulty"]).await;
    assert_eq!(open.len(), 3, "every line can go again");
    assert!(open.iter().all(|line| line.sending.is_empty() && line.paid_cents == 0));

    gateway.advance(DAY_MS);
    let second = seal_all(&books).await;
    let number = |sendings: &[SendingRow], channel: &str| {
        sendings.iter().find(|one| one.channel == channel).map(|one| (one.number, one.attempt))
    };
    assert_eq!((number(&first, "efact"), number(&second, "efact")), (Some((1, 1)), Some((3, 1))));
    assert_eq!((number(&first, "vsb"), number(&second, "vsb")), (Some((2, 1)), Some((2, 2))), "under its number");
    exchange(&gateway, &world).await;
    assert_eq!(counts(&gateway).await["paid"].0, 3, "{:?}", sendings(&gateway).await);
}

async fn an_error_of_an_invoice_takes_every_line_of_it_and_no_other(gateway: Gateway) {
    let (world, books) = (World::with(&gateway.clock).await, books(&gateway).await);
    let taken =
        books.take_in(&[session(0, 2), session(5, 2), session(0, 3), session(0, 4)]).await.expect("they are taken in");
    let line = |n: usize| taken.ids[n].clone();
    // Alone comes back the record that has the error, and not the head of its invoice.
    let refusal = |n: usize| json!({"answer": "refuse-line", "reference": line(n), "errors": ["F500542"]});
    wish(&world, "mutualities", &refusal(2)).await;
    seal_all(&books).await;
    exchange(&gateway, &world).await;
    for (n, expected) in [(0, "refused"), (1, "paid"), (2, "refused"), (3, "refused")] {
        let line = books.line(&line(n)).await.expect("it is there");
        assert_eq!(line.state, expected, "{n}: {line:?}");
    }
    let sending = sendings(&gateway).await.remove(0);
    assert_eq!((sending.state.as_str(), sending.remark.as_str()), ("partly-settled", ""), "the sums agree");
}

async fn answers_count_once_and_what_nobody_understands_is_kept(gateway: Gateway) {
    let (world, books) = (World::with(&gateway.clock).await, books(&gateway).await);
    books.take_in(&[session(0, 2)]).await.expect("it is taken in");
    for answer in [json!({"answer": "twice"}), json!({"answer": "unknown"}), json!({"answer": "late", "gets": 1})] {
        wish(&world, "mutualities", &answer).await;
    }
    let sealed = seal_all(&books).await;
    assert_eq!(exchange(&gateway, &world).await, 0, "they are late");
    assert_eq!(sendings(&gateway).await[0].state, "sent");
    assert_eq!(exchange(&gateway, &world).await, 3);
    assert_eq!(exchange(&gateway, &world).await, 0, "once more is not anew");
    let messages = gateway.app.store.billing_messages(OWN, (&sealed[0].id, "")).await.expect("it answers");
    let told: BTreeMap<&str, &str> = messages.iter().map(|one| (one.name.as_str(), one.state.as_str())).collect();
    assert_eq!(told.get("931000"), Some(&"applied"), "{told:?}");
    assert_eq!(told.get("920900"), Some(&"applied"), "{told:?}");
    assert_eq!(told.get("920950"), Some(&"unknown"), "{told:?}");
    assert_eq!(counts(&gateway).await["paid"].0, 1);
    let unknown = messages.iter().find(|one| one.state == "unknown").expect("it is kept");
    let raw = books.answer_part(&unknown.hash, 0).await.expect("it opens").expect("it is there");
    assert!(raw.starts_with(b"920950"));
}

/// Segment 200 of an answer.
fn first_segment(message: &str, reference: &str) -> String {
    format!("{message}00020092000000{reference}00{:014}00{:015}", 0, 0)
}

fn receipt(reference: &str) -> String {
    format!("{}93100000{:152}", first_segment("931000", reference), "")
}

/// What begins a settlement of the sending with this number.
fn settlement(reference: &str, number: i64) -> String {
    let second = format!(
        "20260200{number:03}002026030100{:13}00000199900{:45}00{:24}00{:010}0003000100{:05}00000{:460}",
        "", "", "", 0, 0, ""
    );
    format!("{}{second:610}", first_segment("920900", reference))
}

async fn an_answer_that_is_forged_or_not_whole_changes_nothing(gateway: Gateway) {
    let (world, books) = (World::with(&gateway.clock).await, books(&gateway).await);
    books.take_in(&[session(0, 2)]).await.expect("it is taken in");
    wish(&world, "mutualities", &json!({"answer": "never"})).await;
    let sealed = seal_all(&books).await;
    exchange(&gateway, &world).await;
    let (reference, number) = (format!("{:014}", sealed[0].reference), sealed[0].number);
    let answer = |n: usize, content: &str, (party, partner, of): (&str, &str, &str)| gateway::billing::Answer {
        hash: format!("{n:064x}"),
        name: "931000".to_owned(),
        third_party: party.to_owned(),
        partner: partner.to_owned(),
        reference: of.to_owned(),
        content: content.as_bytes().to_vec(),
    };
    let from = (PARTY, "mutuality/100", reference.as_str());
    let broken = format!("{}{:400}", settlement(&reference, number), "50");
    for (n, (content, from)) in [
        (receipt("00000000000001"), from),
        (receipt(&reference), ("12345625004", "mutuality/100", "")),
        (receipt(&reference), (PARTY, "mutuality/300", "")),
        (receipt(&reference), (PARTY, "care-fund/100", "")),
        (receipt(&reference), (PARTY, "mutuality/100", "00000000000001")),
        (settlement(&reference, number + 1), from),
        // It says of nobody what is paid.
        (settlement(&reference, number), from),
        // What it did not get to say would count as paid.
        (broken, from),
        ("nonsense".to_owned(), from),
        (String::new(), from),
    ]
    .into_iter()
    .enumerate()
    {
        let kept = books.keep(&answer(n, &content, from)).await.expect("it is kept");
        assert_eq!(kept, Kept::Unknown, "{n}: {content}");
        assert_eq!(sendings(&gateway).await[0].state, "sent", "{n}: {content}");
        assert_eq!(lines(&gateway, &["sent"]).await.len(), 1, "{n}: {content}");
    }
    let messages = gateway.app.store.billing_messages(OWN, ("", "unknown")).await.expect("it answers");
    let of_sending = gateway.app.store.billing_messages(OWN, (&sealed[0].id, "unknown")).await.expect("it answers");
    assert_eq!(messages.len() + of_sending.len(), 10, "each is there to be looked at");
    let right = books.keep(&answer(99, &receipt(&reference), from)).await.expect("it is kept");
    assert_eq!((right, sendings(&gateway).await[0].state.as_str()), (Kept::Applied, "acknowledged"));
}

async fn what_was_billed_meanwhile_is_not_billed_by_an_older_line(gateway: Gateway) {
    let (world, books) = (World::with(&gateway.clock).await, books(&gateway).await);
    let wrong = line(person(0), service(123_456, "2026-02-02"));
    let older = books.take_in(&[wrong]).await.expect("it is taken in").ids.remove(0);
    books.take_in(&[session(0, 2)]).await.expect("it is taken in");
    seal_all(&books).await;
    exchange(&gateway, &world).await;
    assert_eq!(counts(&gateway).await["paid"].0, 1, "what is faulty is no twin");
    let mended = Correction { code: Some(990_010), ..Correction::default() };
    let mended = books.correct(&older, &mended).await.expect("it is checked");
    let findings = Finding::read(&mended.findings).expect("they read");
    assert_eq!(mended.state, "faulty", "{mended:?}");
    assert_eq!(findings.first().map(|one| one.code.as_str()), Some("500544"), "{findings:?}");
}

async fn a_clerk_gives_up_takes_out_and_takes_back(gateway: Gateway) {
    let (world, books) = (World::with(&gateway.clock).await, books(&gateway).await);
    let taken = books.take_in(&[session(0, 2), session(1, 2), session(0, 3)]).await.expect("they are taken in");
    let [paid, refused, out] = [&taken.ids[0], &taken.ids[1], &taken.ids[2]];
    let one = |id: &String| vec![id.clone()];
    assert!(books.take_out(&one(out), "no").await.is_err(), "a reason is needed");
    assert!(books.write_off(&one(out), "not to be had").await.is_err(), "it was not refused");
    books.take_out(&one(out), "entered by mistake").await.expect("it is taken out");
    let refusal = json!({"answer": "refuse-line", "reference": refused, "errors": ["R500542"], "files": 2});
    wish(&world, "mutualities", &refusal).await;
    seal_all(&books).await;
    exchange(&gateway, &world).await;
    let state = async |id: &str| books.line(id).await.expect("it is there").state;
    assert_eq!(
        (state(paid).await.as_str(), state(refused).await.as_str(), state(out).await.as_str()),
        ("paid", "refused", "void")
    );
    for act in ["write off", "take out", "credit"] {
        let refused = match act {
            "write off" => books.write_off(&one(paid), "not to be had").await.err(),
            "take out" => books.take_out(&one(paid), "not to be had").await.err(),
            _ => books.credit(refused, "it was not done").await.err(),
        };
        assert!(refused.is_some(), "{act}");
    }
    books.write_off(&one(refused), "no longer insured").await.expect("it is given up");
    assert_eq!(books.line(refused).await.expect("it is there").decided_why, "no longer insured");
    let note = books.credit(paid, "it was not done").await.expect("it is taken back");
    assert_eq!((note.kind, note.state.as_str(), &note.corrects), (3, "ready", paid), "{}", note.findings);
    assert!(books.credit(paid, "it was not done").await.is_err(), "once is enough");

    gateway.advance(DAY_MS);
    let sealed = seal_all(&books).await;
    assert_eq!((sealed.len(), sealed[0].requested_cents), (1, -note.amount_cents), "{:?}", sealed[0].remark);
    exchange(&gateway, &world).await;
    assert_eq!((state(paid).await.as_str(), state(&note.id).await.as_str()), ("credited", "paid"));
    assert_eq!(books.line(&note.id).await.expect("it is there").paid_cents, -note.amount_cents);
}

async fn numbers_are_given_once_whatever_happens_at_once(gateway: Gateway) {
    let books = books(&gateway).await;
    let new: Vec<NewLine> = (0..10).map(|n| session(n, 2)).collect();
    books.take_in(&new).await.expect("they are taken in");
    books.check(PARTY, MONTH, &Progress::default()).await.expect("it is checked");
    let wanted: Vec<Wanted> =
        books.ready(PARTY, MONTH).await.expect("it answers").into_iter().map(|one| one.wanted).collect();
    assert_eq!(wanted.len(), 5);
    // Every file twice at once: one of the two comes too late.
    let (a, b) = tokio::join!(all(&books, &wanted), all(&books, &wanted));
    assert_eq!(a + b, 5);
    let mut numbers: Vec<i64> = sendings(&gateway).await.iter().map(|one| one.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    let sealed = lines(&gateway, &["sealed"]).await;
    assert_eq!(sealed.len(), 10);
    assert!(sealed.iter().all(|line| !line.sending.is_empty() && line.invoice > 0));
    for sending in sendings(&gateway).await {
        let delivery = gateway.app.store.delivery(&sending.delivery).await.expect("it answers").expect("it is there");
        assert!(Decided::Abandon.objection(&delivery).is_some(), "its lines would wait for ever");
        assert!(Decided::Release.objection(&delivery).is_none());
    }
}

async fn all(books: &Books<'_>, wanted: &[Wanted]) -> usize {
    let mut made = 0;
    for one in wanted {
        made += usize::from(books.seal(one).await.is_ok());
    }
    made
}

stories!(
    a_month_goes_from_lines_to_a_settlement_that_adds_up,
    what_is_wrong_is_found_before_it_is_sent,
    nothing_is_billed_twice,
    one_file_a_day_goes_to_a_federation,
    a_file_that_is_refused_whole_was_never_billed,
    an_error_of_an_invoice_takes_every_line_of_it_and_no_other,
    answers_count_once_and_what_nobody_understands_is_kept,
    an_answer_that_is_forged_or_not_whole_changes_nothing,
    what_was_billed_meanwhile_is_not_billed_by_an_older_line,
    a_clerk_gives_up_takes_out_and_takes_back,
    numbers_are_given_once_whatever_happens_at_once,
);
