//! Withdrawal under load: 64 readers while a Consent is given and withdrawn, again and again.
//!
//! No read that began after a withdrawal was answered is answered with data, by whichever replica. `WELLGATE_WITHDRAWALS` says
//! how often; `tests/long/withdrawals` runs the long form.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::gateway::{Gateway, Options};
use wellgate_tests::resources::{bundle, consent, observation, patient, permit};
use wellgate_tests::variable;

const READERS: usize = 64;
/// Reads that must fall wholly between two changes before the next.
const READS_BETWEEN: usize = 16;

/// Where a round is: four of these a round, one after the other.
const GIVEN: usize = 1;
const WITHDRAWN: usize = 3;
const PHASES: usize = 4;

/// What is read, and the Consent about it.
struct Record {
    patient: String,
    observation: String,
    version: String,
    consent: String,
    /// The second page of a search, from when it was permitted.
    page: String,
}

/// What readers and the writer share.
#[derive(Default)]
struct Course {
    /// The round times four, and the phase.
    at: AtomicUsize,
    /// Reads that began and ended in this phase.
    within: AtomicUsize,
    is_over: AtomicBool,
    reads_given: AtomicUsize,
    reads_withdrawn: AtomicUsize,
}

impl Course {
    fn enter(&self, round: usize, phase: usize) {
        self.at.store(round * PHASES + phase, Ordering::SeqCst);
        self.within.store(0, Ordering::SeqCst);
    }

    async fn reads_within(&self) {
        while self.within.load(Ordering::SeqCst) < READS_BETWEEN {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn race_of_readers_with_withdrawals(gateways: &[Gateway]) {
    let rounds: usize =
        variable("WELLGATE_WITHDRAWALS").map_or(4, |number| number.parse().expect("WELLGATE_WITHDRAWALS is a number"));
    let custodian = gateways[0].as_("elp-1");
    let record = begin(&custodian, &gateways[0].as_("cgg-1")).await;
    let course = Course::default();
    let readers = (0..READERS).map(|n| {
        let caller = gateways[n % gateways.len()].as_("cgg-1");
        let (course, record) = (&course, &record);
        async move { read_on(&caller, n / gateways.len(), record, course).await }
    });
    let writes = async {
        for round in 0..rounds {
            course.enter(round, 0);
            set(&custodian, &record, "active").await;
            course.enter(round, GIVEN);
            course.reads_within().await;
            course.enter(round, 2);
            set(&custodian, &record, "inactive").await;
            course.enter(round, WITHDRAWN);
            course.reads_within().await;
        }
        course.is_over.store(true, Ordering::SeqCst);
    };
    join(join_all(readers), writes).await;
    println!(
        "{READERS} readers at {} gateway(s), {rounds} withdrawals: {} reads between giving and withdrawing saw the data, \
         {} reads that began after a withdrawal, 0 of them answered with data",
        gateways.len(),
        course.reads_given.load(Ordering::SeqCst),
        course.reads_withdrawn.load(Ordering::SeqCst)
    );
}

/// A record with two Observations, permitted, and the link to the second page of a search.
async fn begin(custodian: &Caller<'_>, viewer: &Caller<'_>) -> Record {
    let person = custodian.create(&patient()).await;
    custodian.create(&observation(&person)).await;
    let made = custodian.post("Observation", &observation(&person)).await.expect(201);
    let consent = custodian.create(&consent(&person, &permit(&["cgg-1"]))).await;
    let first = viewer.get(format!("Observation?subject={person}&_count=1&_total=accurate")).await.expect(200);
    Record {
        observation: made.id(),
        version: made.json["meta"]["versionId"].as_str().expect("a version").to_owned(),
        consent,
        page: first.link("next").expect("there is a second page"),
        patient: person,
    }
}

async fn set(custodian: &Caller<'_>, record: &Record, status: &str) {
    let mut resource = consent(&record.patient, &permit(&["cgg-1"]));
    (resource["id"], resource["status"]) = (json!(record.consent), json!(status));
    custodian.put(format!("Consent/{}", record.consent), &resource).await.expect(200);
}

/// Reads until it is over, each time by the next way.
async fn read_on(caller: &Caller<'_>, number: usize, record: &Record, course: &Course) {
    for n in number.. {
        if course.is_over.load(Ordering::SeqCst) {
            return;
        }
        let began = course.at.load(Ordering::SeqCst);
        let (way, answer) = read(caller, n, record).await;
        // What began after a withdrawal, and ended before the Consent was given anew, falls wholly under the withdrawal.
        if course.at.load(Ordering::SeqCst) != began {
            continue;
        }
        match began % PHASES {
            GIVEN => {
                assert!(has_data(&answer, record), "round {}: {way} while permitted: {answer}", began / PHASES);
                course.reads_given.fetch_add(1, Ordering::SeqCst);
            }
            WITHDRAWN => {
                assert!(!has_data(&answer, record), "round {}: {way} after the withdrawal: {answer}", began / PHASES);
                course.reads_withdrawn.fetch_add(1, Ordering::SeqCst);
            }
            _ => continue,
        }
        course.within.fetch_add(1, Ordering::SeqCst);
    }
}

async fn read(caller: &Caller<'_>, n: usize, record: &Record) -> (&'static str, Answer) {
    let Record { patient, observation, version, page, .. } = record;
    match n % 9 {
        0 => ("read", caller.get(format!("Patient/{patient}")).await),
        1 => ("search", caller.get(format!("Observation?_id={observation}")).await),
        2 => ("count", caller.get(format!("Observation?subject={patient}&_summary=count")).await),
        3 => ("vread", caller.get(format!("Observation/{observation}/_history/{version}")).await),
        4 => ("history", caller.get(format!("Observation/{observation}/_history")).await),
        5 => ("page", caller.get(page).await),
        6 => ("type history", caller.get("Observation/_history").await),
        7 => {
            let tag = format!("W/\"{version}\"");
            let address = format!("Observation/{observation}");
            ("if-none-match", caller.send(Method::GET, &address, &[("if-none-match", &tag)], None).await)
        }
        _ => {
            let entry = ("GET", &*format!("Observation/{observation}"), None);
            ("batch", caller.post("", &bundle("batch", &[entry])).await)
        }
    }
}

/// Whether an answer has anything of the record: an entry with it, a total, a version, or the resource itself.
fn has_data(answer: &Answer, record: &Record) -> bool {
    assert!(matches!(answer.status, 200 | 304 | 404), "{answer}");
    if answer.status != 200 {
        return answer.status == 304;
    }
    let is_found = |entry: &Value| entry["resource"]["resourceType"] == "Observation";
    match answer.json["resourceType"].as_str() {
        Some("Bundle") => {
            let entries = answer.json["entry"].as_array();
            entries.is_some_and(|entries| entries.iter().any(is_found))
                || answer.json["total"].as_u64().is_some_and(|total| total > 0)
        }
        _ => answer.json["id"] == *record.patient || answer.json["id"] == *record.observation,
    }
}

/// Connections that stay, however long a reader has to wait for its turn.
fn long_connections() -> Options {
    Options { settings: vec![("WELLGATE_LIMITS_HEADER_READ_TIMEOUT_SECONDS", "300")], ..Options::default() }
}

mod sqlite {
    use super::{Gateway, long_connections};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn race_of_readers_with_withdrawals() {
        let url = wellgate_tests::sqlite::database_url();
        super::race_of_readers_with_withdrawals(&[Gateway::start(&url, long_connections()).await]).await;
    }
}

mod postgres {
    use super::{Gateway, long_connections};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn race_of_readers_with_withdrawals() {
        let Some(url) = wellgate_tests::postgres::database_url() else { return };
        let first = Gateway::start(&url, long_connections()).await;
        let second = first.replica_with(long_connections()).await;
        super::race_of_readers_with_withdrawals(&[first, second]).await;
    }
}
