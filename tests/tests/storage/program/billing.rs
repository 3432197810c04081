//! A centre killed at any point of a sending's life: no number is used twice or skipped, no file is sent twice, no line is lost, and what
//! insurers say that they pay is what the lines say.
//!
//! The insurers are in this process, and outlive it. `tests/long/billing_kills` kills it some hundred times.

use std::collections::HashMap;
use std::process::{Child, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway::storage::billing::{ClaimLineRow, SendingRow};
use mappings::billing::{FileReader, ReadLimits, Record};
use reqwest::Method;
use std::io::{BufRead as _, BufReader};
use wellgate_tests::billing::{OWN, books};
use wellgate_tests::centre::{BATCH, Life, OVER, SETTLED, all_lines, lines_of, options};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::partners::World;

use super::{cases, json, mixed};
use crate::world::ask;

/// Between two lives: longer than a lease, and than a file that is being written is left alone.
const PAUSE_MS: i64 = 180_000;
/// Kills of one month: a third party has 999 numbers in a year.
const KILLS_OF_MONTH: usize = 40;
const INSURERS: [&str; 2] = ["mutualities", "care-funds"];

/// A running centre.
struct Running {
    child: Child,
    told: tokio::task::JoinHandle<Vec<String>>,
}

impl Running {
    /// Starts it, and waits until it is at work.
    async fn start(life: &Life) -> Self {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_centre"));
        command.arg(serde_json::to_string(life).expect("it is JSON")).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it is built");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let (at_work, is_at_work) = tokio::sync::oneshot::channel();
        let told = tokio::task::spawn_blocking(move || {
            let first = lines.next();
            let _ = at_work.send(());
            first.into_iter().chain(lines).collect()
        });
        is_at_work.await.expect("it says something, or ends");
        Self { child, told }
    }

    /// Kills it; how many batches it said that it took in. None where it had ended by itself, which it must not.
    async fn kill(mut self) -> Option<usize> {
        let ended = self.child.try_wait().expect("it is ours");
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
        let told = self.told.await.expect("it ends");
        assert_eq!(ended, None, "it ended by itself: {told:?}");
        told.iter().filter_map(|line| line.strip_prefix("taken ")?.parse().ok()).max()
    }

    async fn ended(mut self) {
        let told = self.told.await.expect("it ends");
        let status = self.child.wait().expect("it is ours");
        assert!(status.success() && told.last().is_some_and(|line| line == "over"), "{status}: {told:?}");
    }
}

/// What an insurer received: by our 14 digits the references of the lines in the file, each once.
async fn received(world: &World, is_repeated: &mut usize) -> HashMap<i64, Vec<String>> {
    let mut files: HashMap<i64, Vec<String>> = HashMap::new();
    for insurer in INSURERS {
        let received = world.received(insurer).await;
        assert_eq!(received["forgotten"], 0);
        for message in received["messages"].as_array().expect("it lists them") {
            assert_eq!((&message["effects"], &message["changed"]), (&json!(1), &json!(false)), "{message}");
            *is_repeated += usize::from(message["times"] != 1);
            let body = &message["body"];
            let reference = body["inputReference"].as_str().and_then(|text| text.parse().ok()).expect("14 digits");
            let content = body["content"]["data"].as_str().expect("it has content");
            let before = files.insert(reference, references(&STANDARD.decode(content).expect("base64")));
            assert_eq!(before, None, "{reference} came as two messages");
        }
    }
    files
}

/// Our references of the lines in a file, in order; a day and its share are one line.
fn references(content: &[u8]) -> Vec<String> {
    let mut reader = FileReader::new(content, ReadLimits::default()).expect("it has a head");
    let mut references = Vec::new();
    while let Some(raw) = reader.next_record().expect("it reads") {
        match raw.read() {
            Some(Ok(Record::Service(service))) => references.push(service.reference.trim().to_owned()),
            Some(Ok(Record::Stay(stay))) => references.push(stay.reference.trim().to_owned()),
            _ => {}
        }
    }
    references.dedup();
    references
}

/// Numbers of a year: each once, without a gap; one that was not sent says why.
fn check_numbers(sendings: &[SendingRow]) {
    let mut numbers: Vec<i64> = sendings.iter().map(|sending| sending.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..).take(sendings.len()).collect::<Vec<i64>>());
    for sending in sendings {
        assert!(SETTLED.contains(&sending.state.as_str()), "{sending:?}");
        let is_void = sending.state == "void";
        assert_eq!((is_void, is_void), (sending.delivery.is_empty(), !sending.remark.is_empty()), "{sending:?}");
    }
}

/// Every line in one state that makes sense, and in the one file that its sending is.
fn check_lines(lines: &[ClaimLineRow], sendings: &[SendingRow], files: &HashMap<i64, Vec<String>>, taken: usize) {
    let imported = lines.iter().filter(|line| line.source == "import" && line.code != 990_032).count();
    assert!(imported >= taken * BATCH, "{} lines are lost", taken * BATCH - imported);
    let known: Vec<_> = (0..imported / BATCH).flat_map(lines_of).collect();
    assert_eq!(known.len(), imported, "half a batch was taken in");
    for line in &known {
        let (code, day) = (i64::from(line.service.code), line.service.first_day);
        let day = format!("{}-{:02}-{:02}", day.year(), day.month(), day.day());
        assert!(lines.iter().any(|one| one.code == code && one.first_day == day), "{line:?}");
    }
    let mut files_of: HashMap<&str, Vec<i64>> = HashMap::new();
    for (reference, ids) in files {
        for id in ids {
            files_of.entry(id).or_default().push(*reference);
        }
    }
    let sending_of: HashMap<&str, &SendingRow> = sendings.iter().map(|one| (one.id.as_str(), one)).collect();
    for line in lines {
        assert!(OVER.contains(&line.state.as_str()), "{line:?}");
        let sending = sending_of.get(line.sending.as_str()).unwrap_or_else(|| panic!("in no sending: {line:?}"));
        let in_files = files_of.get(line.id.as_str());
        assert_eq!(in_files, Some(&vec![sending.reference]), "each line went once, in its own file: {line:?}");
        let successors = lines.iter().filter(|one| one.corrects == line.id && one.kind == 1).count();
        assert_eq!(successors, usize::from(line.state == "corrected" && line.kind != 3), "{line:?}");
        let notes = lines.iter().filter(|one| one.corrects == line.id && one.kind == 3 && one.state == "paid").count();
        assert_eq!(notes, usize::from(line.state == "credited"), "{line:?}");
    }
}

/// What is paid of a sending is what its lines say, to the cent.
fn check_money(lines: &[ClaimLineRow], sendings: &[SendingRow]) -> i64 {
    for sending in sendings {
        let of_sending = || lines.iter().filter(|line| line.sending == sending.id);
        let paid: i64 = of_sending().map(|line| line.paid_cents).sum();
        assert_eq!(sending.accepted_cents, paid, "{sending:?}");
        assert_eq!(sending.requested_cents, sending.accepted_cents + sending.refused_cents, "{sending:?}");
        if sending.state != "void" {
            assert_eq!(usize::try_from(sending.lines).ok(), Some(of_sending().count()), "{sending:?}");
            assert_eq!(sending.remark, "", "the insurer's sums are ours: {sending:?}");
        }
    }
    // What was done and neither taken back nor given up is paid; nothing else is.
    let (mut paid, mut due) = (0, 0);
    for line in lines {
        paid += line.paid_cents;
        due += if line.state == "paid" && line.kind != 3 { line.amount_cents } else { 0 };
    }
    assert_eq!(paid, due);
    paid
}

#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    files: usize,
    void: usize,
    repeated: usize,
    uncertain: usize,
    lines: usize,
    credited: usize,
    corrected: usize,
    paid_cents: i64,
}

/// One month, killed so many times.
async fn month(kind: &str, (first, kills): (usize, usize), tally: &mut Tally) -> Option<()> {
    let url = if kind == "postgres" {
        wellgate_tests::postgres::database_url()?
    } else {
        wellgate_tests::sqlite::database_url()
    };
    let observer = Gateway::start(&url, options(None)).await;
    books(&observer).await;
    observer.app.store.close().await;
    let world = World::with(&observer.clock).await;
    for insurer in INSURERS {
        let wish = json!({"answer": "refuse-line", "every": 7, "errors": ["R500540"], "files": "always"});
        let path = format!("partners/{insurer}/answers");
        assert_eq!(world.control(Method::POST, &path, &wish).await.0, 200);
    }
    let mut life = Life {
        database_url: url.clone(),
        vault: observer.vault().clone(),
        insurers: (world.url("mutualities"), world.url("care-funds")),
        after_ms: 0,
        takes_in: true,
    };
    let mut taken = 0;
    for kill in first..first + kills {
        if kill % 3 == 0 {
            let fault = ["cut-after-accept", "cut-before-accept", "truncated"][kill / 3 % 3];
            world.fault(INSURERS[kill % 2], json!({"fault": fault})).await;
        }
        let running = Running::start(&life).await;
        let wait_ms = u64::try_from(mixed(kill) % cases("WELLGATE_BILLING_LIFE_MS", 900)).expect("a moment");
        tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
        taken = taken.max(running.kill().await.expect("it says what it takes in"));
        life.after_ms += PAUSE_MS;
        observer.clock.advance(PAUSE_MS);
    }
    life.takes_in = false;
    Running::start(&life).await.ended().await;
    let observer = observer.replica_with(options(None)).await;
    let (lines, sendings) = (all_lines(&observer).await, all_sendings(&observer).await);
    let files = received(&world, &mut tally.repeated).await;
    let sent: Vec<i64> = sendings.iter().filter(|one| one.state != "void").map(|one| one.reference).collect();
    assert_eq!((sent.len(), sent.iter().all(|one| files.contains_key(one))), (files.len(), true), "{kind}");
    check_numbers(&sendings);
    check_lines(&lines, &sendings, &files, taken);
    tally.paid_cents += check_money(&lines, &sendings);
    // One about which nobody could be asked so often as it is tried is the operator's, and marked as such; its answer came all the same.
    let states = "SELECT CAST(COUNT(*) AS TEXT) FROM delivery WHERE state";
    let open = ask(&url, &format!("{states} NOT IN ('delivered', 'uncertain')")).await;
    assert_eq!(open, "0", "{kind}: deliveries are open");
    tally.uncertain += ask(&url, &format!("{states} = 'uncertain'")).await.parse::<usize>().expect("a number");
    tally.kills += kills;
    tally.files += files.len();
    tally.void += sendings.len() - files.len();
    tally.lines += lines.len();
    tally.credited += lines.iter().filter(|line| line.state == "credited").count();
    tally.corrected += lines.iter().filter(|line| line.state == "corrected").count();
    Some(())
}

async fn all_sendings(gateway: &Gateway) -> Vec<SendingRow> {
    gateway.app.store.sendings(OWN, &[], ("", 2_000)).await.expect("it answers")
}

async fn killed(kind: &str) {
    let (kills, mut tally) = (cases("WELLGATE_BILLING_KILLS", 10), Tally::default());
    while tally.kills < kills {
        let of_month = (kills - tally.kills).min(KILLS_OF_MONTH);
        if month(kind, (tally.kills, of_month), &mut tally).await.is_none() {
            return;
        }
    }
    println!(
        "{kind}: {} kills, {} lines in {} files, {} corrected, {} taken back, {} numbers void, {} files repeated under their reference, {} marked uncertain, \
         {} cents paid; none lost, none twice",
        tally.kills,
        tally.lines,
        tally.files,
        tally.corrected,
        tally.credited,
        tally.void,
        tally.repeated,
        tally.uncertain,
        tally.paid_cents
    );
    assert!(tally.files >= tally.kills && tally.corrected > 0 && tally.paid_cents > 0, "too little: {tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_point_of_a_sending_on_sqlite_nothing_is_lost_or_billed_twice() {
    Box::pin(killed("sqlite")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_point_of_a_sending_on_postgresql_nothing_is_lost_or_billed_twice() {
    Box::pin(killed("postgres")).await;
}
