//! The month of a made-up centre: two thousand contacts of three hundred people, with every error that is known, mended where a clerk would;
//! through the insurers to a settlement that adds up to the cent, by sums of this test's own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use gateway::billing::{Books, ContactDetail, Correction, Finding, InsuredPerson, NewLine, Progress, Refusal, Source};
use gateway::storage::billing::{ClaimLineRow, LineFilter, SendingRow};
use mappings::billing::Cents;
use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::billing::{OWN, PARTY, books, date, line, nihdi, person, service, worker};
use wellgate_tests::gateway::{DAY_MS, Gateway};
use wellgate_tests::partners::World;
use wellgate_tests::stories;

const MONTH: i64 = 202_602;
const CONTACTS: usize = 2_000;
const PEOPLE: usize = 300;
/// Code, class of the contact, its type, and what the insurer pays: in general, and for those with increased allowance. As a printed list
/// of tariffs has it, not as the tables do.
const SERVICES: [(u32, &str, &str, [i64; 2]); 6] = [
    (990_010, "AMB", "", [4_250, 5_150]),
    (990_021, "HH", "", [5_500, 6_600]),
    (990_032, "AMB", "psychotherapy", [6_000, 7_400]),
    (991_012, "AMB", "first-line", [6_400, 7_100]),
    (992_014, "AMB", "rehabilitation", [9_500, 9_680]),
    (992_025, "AMB", "rehabilitation-day", [21_000, 22_000]),
];
/// Goes by the portal, and in no file.
const PORTAL: u32 = 991_012;

/// Two hundred and eighty people as they should be, and twenty at whose desk something goes wrong first.
fn insured(n: usize) -> InsuredPerson {
    let ct = Some(if n.is_multiple_of(3) { 111 } else { 110 });
    let care_fund = Some(if n.is_multiple_of(2) { 701 } else { 702 });
    InsuredPerson { ct1: ct, ct2: ct, care_fund, ..person(n) }
}

/// The service of the nth contact, and its day.
fn of_contact(n: usize) -> (usize, usize) {
    let round = n / PEOPLE;
    let kind = match (n + 3 * round) % 10 {
        0..=4 => 0,
        5 => 1,
        6 => 2,
        7 => 3,
        8 => 4,
        _ => 5,
    };
    (kind, 1 + 4 * round)
}

/// The nth contact as it was.
fn contact(n: usize) -> NewLine {
    let (kind, day) = of_contact(n);
    let (code, class, kind, _) = SERVICES[kind];
    let mut service = service(code, &format!("2026-02-{day:02}"));
    if code / 1_000 == 992 {
        service.convention = Some(nihdi("77200221000"));
        service.agreed = Some(date("2026-01-15"));
        service.admitted = Some(date("2026-01-20"));
    }
    let types: Vec<String> = Some(kind.to_owned()).filter(|kind| !kind.is_empty()).into_iter().collect();
    NewLine {
        contact: Some(ContactDetail { class: class.to_owned(), types, minutes: Some(50) }),
        source: Source::Contact,
        source_key: Some(format!("contact-{n}")),
        ..line(insured(n % PEOPLE), service)
    }
}

/// What the insurer owes for the nth contact, and who that is; none for what goes by the portal.
fn owed(n: usize) -> Option<(i64, i64)> {
    let (kind, _) = of_contact(n);
    let (code, _, _, amounts) = SERVICES[kind];
    let person = insured(n % PEOPLE);
    let payer = if code / 1_000 == 992 { person.care_fund } else { person.affiliation };
    (code != PORTAL)
        .then(|| (i64::from(payer.expect("there is one")), amounts[usize::from((n % PEOPLE).is_multiple_of(3))]))
}

/// How a clerk mends it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mend {
    /// Puts in what it should have been.
    Correct,
    /// Takes it out, and enters it anew.
    Anew,
    /// Takes it out: it was never to be billed.
    Out,
}

/// The end of the code that says so, with which service, what is wrong, and how it is mended.
type Fault = (&'static str, usize, fn(&mut NewLine), Mend);

/// What goes wrong with single contacts.
const FAULTS: [Fault; 14] = [
    ("wellgate-tariff-none", 0, |line| line.service.code = 123_454, Mend::Correct),
    ("wellgate-tariff-not-on-day", 0, |line| day(line, "2022-02-02"), Mend::Correct),
    ("500510", 0, |line| day(line, "2026-03-20"), Mend::Correct),
    ("wellgate-tariff-days", 0, |line| line.service.last_day = date("2026-01-01"), Mend::Correct),
    ("wellgate-tariff-units", 0, |line| line.service.units = 0, Mend::Correct),
    ("wellgate-tariff-amount", 0, |line| line.service.stated.amount = Some(Cents(1)), Mend::Correct),
    ("wellgate-tariff-limit", 2, |line| line.service.units = 101, Mend::Correct),
    ("501502", 0, |line| line.service.provider = nihdi("12345626004"), Mend::Correct),
    ("502014", 0, |line| line.service.prescriber = Some((nihdi("18334780004"), date("2026-02-28"))), Mend::Anew),
    ("202010", 4, |line| line.service.agreed = None, Mend::Anew),
    ("wellgate-tariff-contact", 0, |line| line.contact = Some(by_video()), Mend::Anew),
    ("300546", 4, |line| day(line, "2023-12-05"), Mend::Out),
    ("500544", 0, |_| {}, Mend::Out),
    ("300544", 5, |_| {}, Mend::Out),
];

/// What makes a person wrong.
type Change = fn(&mut InsuredPerson);

/// What goes wrong with people, from the 280th on: with all that they have.
const WRONG_PEOPLE: [(&str, Change); 8] = [
    ("wellgate-tariff-no-mutuality", |person| person.affiliation = None),
    ("wellgate-tariff-mutuality", |person| person.affiliation = Some(801)),
    ("wellgate-tariff-no-care-fund", |person| person.care_fund = None),
    ("wellgate-tariff-care-fund", |person| person.care_fund = Some(799)),
    ("wellgate-tariff-no-insurability", |person| (person.ct1, person.ct2) = (None, None)),
    ("wellgate-tariff-insurability", |person| (person.ct1, person.ct2) = (Some(114), Some(114))),
    ("200802", |person| person.ssin.replace_range(9.., "00")),
    ("200801", |person| person.ssin.truncate(9)),
];
const FIRST_WRONG: usize = 280;

fn day(line: &mut NewLine, text: &str) {
    (line.service.first_day, line.service.last_day) = (date(text), date(text));
}

fn by_video() -> ContactDetail {
    ContactDetail { class: "VR".to_owned(), types: Vec::new(), minutes: Some(50) }
}

/// A contact that is entered wrongly.
struct Seeded {
    contact: usize,
    code: &'static str,
    mend: Mend,
}

/// Everything that is entered, and what is wrong with it, by place.
fn entered() -> (Vec<NewLine>, BTreeMap<usize, Seeded>) {
    let mut lines: Vec<NewLine> = (0..CONTACTS).map(contact).collect();
    let mut seeded = BTreeMap::new();
    for (n, line) in lines.iter_mut().enumerate() {
        if let Some((_, spoil)) = (n % PEOPLE).checked_sub(FIRST_WRONG).and_then(|at| WRONG_PEOPLE.get(at)) {
            spoil(&mut line.person);
        }
    }
    let mut places = 0..CONTACTS;
    for (code, kind, spoil, mend) in FAULTS {
        for _ in 0..3 {
            let is_meant = |n: &usize| n % PEOPLE < FIRST_WRONG && of_contact(*n).0 == kind;
            let contact = places.find(is_meant).expect("there are enough");
            let mut line = lines[contact].clone();
            spoil(&mut line);
            if mend == Mend::Out {
                // It comes beside the one that is right.
                line.source_key = Some(format!("{code}-{contact}"));
                seeded.insert(lines.len(), Seeded { contact, code, mend });
                lines.push(line);
            } else {
                seeded.insert(contact, Seeded { contact, code, mend });
                lines[contact] = line;
            }
        }
    }
    (lines, seeded)
}

async fn all(gateway: &Gateway, states: &[&'static str]) -> Vec<ClaimLineRow> {
    let filter = LineFilter { states: states.to_vec(), ..LineFilter::default() };
    let mut all: Vec<ClaimLineRow> = Vec::new();
    loop {
        let after = all.last().map(|line| line.id.clone()).unwrap_or_default();
        let page = gateway.app.store.claim_lines(OWN, &filter, (&after, 500)).await.expect("it answers");
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

async fn check(gateway: &Gateway, books: &Books<'_>) {
    let months: BTreeSet<i64> =
        all(gateway, &["draft", "faulty", "ready"]).await.iter().map(|line| line.month).collect();
    for month in months {
        let checked = books.check(PARTY, month, &Progress::default()).await.expect("it is checked");
        assert_eq!(checked.whole, [], "the third party itself is well");
    }
}

/// Whether a line says what is wrong.
fn says(line: &ClaimLineRow, code: &str) -> bool {
    Finding::read(&line.findings).expect("they read").iter().any(|finding| finding.code == code)
}

/// Enters everything, sees that each error is found, and nothing else; mends it.
async fn enter_and_mend(gateway: &Gateway, books: &Books<'_>) {
    let (new, seeded) = entered();
    let mut ids: Vec<String> = Vec::new();
    for lines in new.chunks(500) {
        ids.extend(books.take_in(lines).await.expect("they are taken in").ids);
    }
    assert_eq!(ids.len(), new.len());
    check(gateway, books).await;
    let faulty = all(gateway, &["faulty"]).await;
    let place: HashMap<&str, usize> = ids.iter().zip(0..).map(|(id, n)| (id.as_str(), n)).collect();
    let mut found: BTreeSet<&str> = BTreeSet::new();
    for line in &faulty {
        let n = place[line.id.as_str()];
        let (code, contact, mend) = match seeded.get(&n) {
            Some(one) => (one.code, one.contact, one.mend),
            None => (
                WRONG_PEOPLE
                    .get((n % PEOPLE).wrapping_sub(FIRST_WRONG))
                    .unwrap_or_else(|| panic!("nothing is wrong with it: {line:?}"))
                    .0,
                n,
                Mend::Correct,
            ),
        };
        assert!(says(line, code), "{code}: {line:?}");
        found.insert(code);
        mend_one(books, (&line.id, contact), mend).await;
    }
    let expected: BTreeSet<&str> =
        FAULTS.iter().map(|(code, ..)| *code).chain(WRONG_PEOPLE.iter().map(|(code, _)| *code)).collect();
    assert_eq!(found, expected, "each is found");
    assert!(seeded.keys().all(|n| faulty.iter().any(|line| line.id == ids[*n])), "wherever it is");
    check(gateway, books).await;
    let rest = all(gateway, &["draft", "faulty"]).await;
    assert_eq!(rest.len(), 0, "{:?}", rest.first());
}

async fn mend_one(books: &Books<'_>, (id, contact_of): (&String, usize), mend: Mend) {
    let right = contact(contact_of);
    let ids = std::slice::from_ref(id);
    match mend {
        Mend::Correct => {
            let correction = Correction {
                code: Some(right.service.code),
                first_day: Some(right.service.first_day),
                last_day: Some(right.service.last_day),
                units: Some(right.service.units),
                provider: Some(right.service.provider),
                prescriber: None,
                person: Some(right.person),
            };
            let mended = books.correct(id, &correction).await.expect("it is mended");
            assert_eq!(mended.state, "ready", "{}", mended.findings);
        }
        Mend::Anew => {
            books.take_out(ids, "entered wrongly").await.expect("it is taken out");
            let anew = NewLine { source_key: Some(format!("anew-{contact_of}")), ..right };
            assert_eq!(books.take_in(&[anew]).await.expect("it is taken in").ids.len(), 1);
        }
        Mend::Out => books.take_out(ids, "it is not to be billed").await.expect("it is taken out"),
    }
}

/// Makes the files that can be made, to one federation or to all.
async fn seal(books: &Books<'_>, only: Option<i64>) -> Vec<SendingRow> {
    let mut sealed = Vec::new();
    for ready in books.ready(PARTY, MONTH).await.expect("it answers") {
        if ready.may_today && only.is_none_or(|only| only == ready.wanted.federation) {
            sealed.push(books.seal(&ready.wanted).await.expect("it is sealed"));
        }
    }
    assert!(sealed.iter().all(|one| one.state == "sealed"), "{sealed:?}");
    sealed
}

async fn exchange(gateway: &Gateway, world: &World) {
    let worker = worker(gateway, world);
    while worker.round().await.expect("it works") > 0 {}
    worker.collect().await.expect("it works");
}

async fn wish(world: &World, insurer: &str, wish: Value) {
    let (status, answer) = world.control(Method::POST, &format!("partners/{insurer}/answers"), &wish).await;
    assert_eq!(status, 200, "{wish}: {answer}");
}

/// By payer what is owed for everything that was done.
fn owed_of_all() -> BTreeMap<i64, i64> {
    let mut owed_of: BTreeMap<i64, i64> = BTreeMap::new();
    for (payer, cents) in (0..CONTACTS).filter_map(owed) {
        *owed_of.entry(payer).or_default() += cents;
    }
    owed_of
}

/// Refuses some lines of all that is sealed, by every letter; answers those that are refused by the mutualities.
async fn refuse_some(gateway: &Gateway, world: &World) -> BTreeSet<String> {
    let sealed = all(gateway, &["sealed"]).await;
    let of = |payer: i64| sealed.iter().filter(move |line| line.payer == payer);
    let same = |line: &ClaimLineRow| of(306).filter(|one| one.person == line.person).count();
    let whole = of(306).find(|line| same(line) > 2).expect("somebody was there three times");
    let [alone, remarked] = [131, 403].map(|payer| of(payer).next().expect("there is one"));
    for (line, error) in [(alone, "R500540"), (whole, "F500542"), (remarked, "E500548")] {
        let refusal = json!({"answer": "refuse-line", "reference": line.id, "errors": [error], "files": "always"});
        wish(world, "mutualities", refusal).await;
    }
    let of_funds = json!({"answer": "refuse-line", "every": 20, "errors": ["R300540"], "files": "always"});
    wish(world, "care-funds", of_funds).await;
    let with_it = of(306).filter(|line| line.person == whole.person);
    with_it.chain([alone]).map(|line| line.id.clone()).collect()
}

/// Every error that an insurer told of was wished for: its own reader found none.
async fn nothing_but_what_was_wished(gateway: &Gateway) {
    let wished = ["500540", "500542", "500548", "300540", "201812", "300419"];
    let mut letters: BTreeSet<String> = BTreeSet::new();
    for line in all(gateway, &[]).await {
        let errors = Refusal::read(&line.refusal).expect("it reads").map(|refusal| refusal.errors).unwrap_or_default();
        assert!(errors.iter().all(|error| wished.contains(&error.code.as_str())), "{line:?}");
        letters.extend(errors.into_iter().map(|error| error.severity));
    }
    assert!(["R", "F"].iter().all(|letter| letters.contains(*letter)), "{letters:?}");
    for message in gateway.app.store.billing_messages(OWN, ("", "")).await.expect("it answers") {
        let remarks = Finding::read(&message.remark).expect("they read");
        let is_wished = remarks.iter().all(|remark| wished.contains(&remark.code.as_str()));
        assert!(is_wished && message.state == "applied", "{message:?}");
    }
}

/// What is paid of each payer: by its lines, and by what it says itself.
async fn paid(gateway: &Gateway) -> (BTreeMap<i64, i64>, BTreeMap<i64, i64>) {
    let (mut by_lines, mut by_payers): (BTreeMap<i64, i64>, BTreeMap<i64, i64>) = <_>::default();
    for line in all(gateway, &["paid", "credited"]).await {
        *by_lines.entry(line.payer).or_default() += line.paid_cents;
    }
    for sending in gateway.app.store.sendings(OWN, &[], ("", 100)).await.expect("it answers") {
        assert_eq!(sending.remark.is_empty(), sending.state != "refused-content", "{sending:?}");
        for total in gateway.app.store.sending_totals(OWN, &sending.id).await.expect("it answers") {
            *by_payers.entry(total.payer).or_default() += total.accepted_cents;
        }
    }
    (by_lines, by_payers)
}

async fn a_month_of_a_made_up_centre_adds_up_to_the_cent(gateway: Gateway) {
    let (world, books) = (World::with(&gateway.clock).await, books(&gateway).await);
    enter_and_mend(&gateway, &books).await;
    let ready = all(&gateway, &["ready"]).await;
    assert_eq!(ready.len(), CONTACTS);
    let portal: Vec<String> =
        ready.iter().filter(|line| line.channel == "mhc-portal").map(|line| line.id.clone()).collect();
    assert_eq!(portal.len(), (0..CONTACTS).filter(|n| owed(*n).is_none()).count());
    books.exported(&portal).await.expect("they are handed over");
    let mut due = owed_of_all();
    let mut asked: BTreeMap<i64, i64> = BTreeMap::new();
    ready
        .iter()
        .filter(|line| line.channel != "mhc-portal")
        .for_each(|line| *asked.entry(line.payer).or_default() += line.amount_cents);
    assert_eq!(asked, due, "it is priced as the printed list has it");

    // The first day: one file is refused whole, and lines of the others by themselves or with their invoice.
    wish(&world, "mutualities", json!({"answer": "refuse-file", "errors": ["B201812"]})).await;
    assert_eq!(seal(&books, Some(200)).await.len(), 1);
    exchange(&gateway, &world).await;
    assert_eq!(seal(&books, None).await.len(), 6, "four federations more, and two care funds");
    let by_mutualities = refuse_some(&gateway, &world).await;
    exchange(&gateway, &world).await;
    let refused = all(&gateway, &["refused"]).await;
    let efact = refused.iter().filter(|line| line.channel == "efact").map(|line| line.id.clone());
    assert_eq!(efact.collect::<BTreeSet<String>>(), by_mutualities, "a line, an invoice whole, and no remark");
    let funds: Vec<&ClaimLineRow> = refused.iter().filter(|line| line.channel == "vsb").collect();
    assert!(funds.len() > 10, "{}", funds.len());

    // The next day: one is given up, one that was paid is taken back, and everything else goes again.
    gateway.advance(DAY_MS);
    for insurer in ["mutualities", "care-funds"] {
        world.control(Method::DELETE, &format!("partners/{insurer}/answers"), &Value::Null).await;
    }
    let given_up = funds[0];
    books.write_off(std::slice::from_ref(&given_up.id), "no longer a member").await.expect("it is given up");
    *due.entry(given_up.payer).or_default() -= given_up.amount_cents;
    for line in refused.iter().filter(|line| line.id != given_up.id) {
        books.correct(&line.id, &Correction::default()).await.expect("it goes again");
    }
    let taken_back = all(&gateway, &["paid"]).await.into_iter().find(|line| line.payer == 403).expect("there is one");
    books.credit(&taken_back.id, "it was not done").await.expect("it is taken back");
    *due.entry(403).or_default() -= taken_back.amount_cents;
    check(&gateway, &books).await;
    seal(&books, None).await;
    exchange(&gateway, &world).await;

    let (by_lines, by_payers) = paid(&gateway).await;
    assert_eq!(by_lines, due, "to the cent");
    assert_eq!(by_payers, due, "and so say the insurers");
    nothing_but_what_was_wished(&gateway).await;
    let open = all(&gateway, &["draft", "faulty", "ready", "sealed", "sent", "accepted", "refused"]).await;
    assert_eq!(open.len(), 0, "{:?}", open.first());
}

stories!(a_month_of_a_made_up_centre_adds_up_to_the_cent);
