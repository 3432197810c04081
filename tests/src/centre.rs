//! A centre at work in a process of its own, which may be killed at any point: it takes lines in, checks, seals, sends, fetches answers, mends
//! what is faulty, corrects what was refused, and takes back what was paid; again and again, by nothing but what is in its database.

use gateway::billing::{Books, Correction, InsuredPerson, NewLine, Progress};
use gateway::storage::billing::{ClaimLineRow, LineFilter};
use serde::{Deserialize, Serialize};

use crate::billing::{MUTUALITIES, OWN, PARTY, books, date, line, nihdi, person, service, worker_at};
use crate::gateway::{Gateway, Options};
use crate::vault::Vault;

/// The month that it bills.
pub const MONTH: i64 = 202_602;
/// Lines that it takes in together, all or none.
pub const BATCH: usize = 16;
/// Among so many people.
const PEOPLE: usize = 120;
/// Rounds after which everything must be settled.
const ROUNDS_MAX: usize = 400;
/// States in which nothing more has to happen to a line.
pub const OVER: [&str; 5] = ["paid", "corrected", "credited", "uncollectable", "void"];
/// States in which nothing more comes of a sending.
pub const SETTLED: [&str; 5] = ["settled", "partly-settled", "void", "refused-technical", "refused-content"];

/// One life of the process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Life {
    /// Its database.
    pub database_url: String,
    /// Its keys.
    pub vault: Vault,
    /// Where the mutualities and the care funds are.
    pub insurers: (String, String),
    /// How long after the moment at which every story begins it starts.
    pub after_ms: i64,
    /// Whether it takes in further lines; else it ends when all is settled.
    pub takes_in: bool,
}

/// Settings of a centre that sends as many files a day as it likes.
pub fn options(vault: Option<Vault>) -> Options {
    Options { vault, settings: vec![("WELLGATE_BILLING_ONE_FILE_A_DAY", "unlimited")], ..Options::default() }
}

/// Lives it. What it says on standard output is durable: `taken 3`, so many batches; `over`.
///
/// # Panics
/// The database or an insurer does what it should not.
pub async fn live(life: &Life) {
    let gateway = Gateway::start(&life.database_url, options(Some(life.vault.clone()))).await;
    gateway.advance(life.after_ms);
    let books = books(&gateway).await;
    let worker = worker_at(&gateway, (&life.insurers.0, &life.insurers.1), false);
    let mut batch = batches(&gateway).await;
    println!("taken {batch}");
    for _ in 0..ROUNDS_MAX {
        if life.takes_in {
            books.take_in(&lines_of(batch)).await.expect("a batch is taken in");
            batch += 1;
            println!("taken {batch}");
        }
        mend(&gateway, &books, life.takes_in).await;
        books.check(PARTY, MONTH, &Progress::default()).await.expect("the month is checked");
        if life.takes_in && batch.is_multiple_of(4) {
            books.take_in(&[spoiled(batch - 1)]).await.expect("it is taken in");
        }
        for ready in books.ready(PARTY, MONTH).await.expect("it answers") {
            books.seal(&ready.wanted).await.expect("a file is made, or its number is void");
            gateway.advance(100);
        }
        while worker.round().await.expect("it works") > 0 {}
        worker.collect().await.expect("it works");
        // A pause between attempts passes at once.
        gateway.advance(if life.takes_in { 1_000 } else { 60_000 });
        if !life.takes_in && is_over(&gateway).await {
            println!("over");
            return;
        }
    }
    panic!("it does not come to an end");
}

/// The lines of a batch: no two in a whole life are the same service.
pub fn lines_of(batch: usize) -> Vec<NewLine> {
    (batch * BATCH..(batch + 1) * BATCH).map(|n| line_of(n, 1 + n / PEOPLE % 28)).collect()
}

fn line_of(n: usize, day: usize) -> NewLine {
    let day = format!("2026-02-{day:02}");
    let mut service = match n % 12 {
        3 | 7 => service(992_014, &day),
        5 => service(990_021, &day),
        _ => service(990_010, &day),
    };
    if service.code == 992_014 {
        service.convention = Some(nihdi("77200221000"));
        service.agreed = Some(date("2026-01-15"));
    }
    NewLine { source_key: Some(format!("line-{n}")), ..line(one_of(n), service) }
}

/// Of two mutualities.
fn one_of(n: usize) -> InsuredPerson {
    let n = n % PEOPLE;
    InsuredPerson { affiliation: MUTUALITIES.get(n % 2).copied(), ..person(n) }
}

/// A line that brings along what no file has room for, of somebody who has a line that is ready: the next file with it is void.
fn spoiled(batch: usize) -> NewLine {
    let person = InsuredPerson { ct1: Some(1_000), ..one_of(batch * BATCH) };
    let service = service(990_032, &format!("2026-02-{:02}", 1 + batch % 28));
    NewLine { source_key: Some(format!("spoiled-{batch}")), ..line(person, service) }
}

/// Mends what is faulty, sends again what was refused, and takes back one home visit that was paid.
async fn mend(gateway: &Gateway, books: &Books<'_>, takes_back: bool) {
    for line in page(gateway, &["faulty"], "").await {
        let known = books.people(std::slice::from_ref(&line.person)).await.expect("it answers");
        let person = known.into_values().next().map(|person| InsuredPerson { ct1: Some(110), ..person });
        let mended = books.correct(&line.id, &Correction { person, ..Correction::default() }).await;
        assert_eq!(mended.expect("it is mended").state, "ready", "{}: {}", line.id, line.findings);
    }
    for line in page(gateway, &["refused"], "").await {
        books.correct(&line.id, &Correction::default()).await.expect("it goes again");
    }
    if !takes_back {
        return;
    }
    for line in page(gateway, &["paid"], "").await.iter().filter(|line| line.code == 990_021 && line.kind != 3) {
        // One that is being taken back already is refused.
        if books.credit(&line.id, "it was not done").await.is_ok() {
            return;
        }
    }
}

/// Lines after one, as many as are given at once.
async fn page(gateway: &Gateway, states: &[&'static str], after: &str) -> Vec<ClaimLineRow> {
    let filter = LineFilter { states: states.to_vec(), ..LineFilter::default() };
    gateway.app.store.claim_lines(OWN, &filter, (after, 500)).await.expect("it answers")
}

/// Every line.
///
/// # Panics
/// The database does not answer.
pub async fn all_lines(gateway: &Gateway) -> Vec<ClaimLineRow> {
    let mut all: Vec<ClaimLineRow> = Vec::new();
    loop {
        let after = all.last().map(|line| line.id.clone()).unwrap_or_default();
        let page = page(gateway, &[], &after).await;
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// How many batches are in the books; half a one is none that could be told.
async fn batches(gateway: &Gateway) -> usize {
    let lines = all_lines(gateway).await;
    let imported = lines.iter().filter(|line| line.source == "import" && line.code != 990_032).count();
    assert_eq!(imported % BATCH, 0, "half a batch was taken in");
    imported / BATCH
}

async fn is_over(gateway: &Gateway) -> bool {
    let counts = gateway.app.store.claim_counts(OWN, &LineFilter::default()).await.expect("it answers");
    let open = ["sealing", "sealed", "sent", "acknowledged"];
    let sendings = gateway.app.store.sendings(OWN, &open, ("", 1)).await.expect("it answers");
    counts.iter().all(|count| OVER.contains(&count.state.as_str())) && sendings.is_empty()
}
