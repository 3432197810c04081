//! Deliveries: how soon what is placed has arrived, how fast a full queue is emptied, and whether a slow partner holds up the others.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use axum::routing::any;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::load;
use crate::process::Process;
use crate::report::{Goal, Report};
use crate::samples;
use crate::subject::{Database, RECEIVER, Subject};

/// Referrals, one after the other.
const ROUTED: usize = 200;
/// Deliveries of a full queue.
const WAITING: usize = 100_000;
/// Of one record.
const PER_RECORD: usize = 100;
/// Gateways that empty it.
const REPLICAS: usize = 4;
/// An answer of the slow partner.
pub(crate) const SLOW: Duration = Duration::from_secs(10);
/// Deliveries to it.
const TO_SLOW: usize = 32;
/// Nothing takes longer.
const PATIENCE: Duration = Duration::from_mins(10);

/// What arrived at an organisation's own server.
#[derive(Debug, Default)]
struct Arrived {
    references: HashSet<String>,
    twice: usize,
}

/// An organisation's own server, which answers at once, or late.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    state: Arc<(Mutex<Arrived>, Condvar)>,
}

impl Receiver {
    pub(crate) fn start(delay: Duration, runtime: &Runtime) -> io::Result<Self> {
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let receiver = Self { address: listener.local_addr()?, state: Arc::default() };
        let serving = receiver.clone();
        let answer = move |body: axum::body::Bytes| {
            let serving = serving.clone();
            async move {
                tokio::time::sleep(delay).await;
                serving.take(&body)
            }
        };
        runtime.spawn(async move { axum::serve(listener, Router::new().fallback(any(answer))).await });
        Ok(receiver)
    }

    fn take(&self, body: &[u8]) -> ([(HeaderName, &'static str); 1], String) {
        let message: Value = serde_json::from_slice(body).unwrap_or_default();
        let reference = message["identifier"]["value"].as_str().unwrap_or_default().to_owned();
        let (state, changed) = &*self.state;
        let mut arrived = state.lock().unwrap_or_else(PoisonError::into_inner);
        // What is sent to measure the receiver itself is no delivery.
        let is_new = !reference.is_empty() && arrived.references.insert(reference.clone());
        arrived.twice += usize::from(!is_new && !reference.is_empty());
        changed.notify_all();
        let header = json!({"resourceType": "MessageHeader", "response": {"identifier": reference, "code": "ok"}});
        let answer = json!({"resourceType": "Bundle", "type": "message", "entry": [{"resource": header}]});
        ([(CONTENT_TYPE, "application/fhir+json")], answer.to_string())
    }

    fn count(&self) -> usize {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner).references.len()
    }

    /// Waits until so many arrived; answers how many came twice.
    fn wait_for(&self, count: usize) -> io::Result<usize> {
        let (state, changed) = &*self.state;
        let arrived = state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_short = |arrived: &mut Arrived| arrived.references.len() < count;
        let waited = changed.wait_timeout_while(arrived, PATIENCE, is_short);
        let (arrived, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return Err(io::Error::other(format!("{} of {count} deliveries arrived", arrived.references.len())));
        }
        Ok(arrived.twice)
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}/fhir", self.address)
    }
}

/// Places referrals one after the other; how long each took to arrive, in milliseconds, in order.
fn routed(subject: &Subject, receiver: &Receiver) -> io::Result<Vec<f64>> {
    let records = subject.make_records(ROUTED)?;
    let mut took = Vec::new();
    for request in subject.referrals(&records) {
        let before = receiver.count();
        let begun = Instant::now();
        load::bodies(subject.process.address, vec![request], 1)?;
        receiver.wait_for(before + 1)?;
        took.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    took.sort_by(f64::total_cmp);
    Ok(took)
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

/// One commit of one row, and one answer of the receiver, in milliseconds.
fn parts(subject: &Subject, receiver: &Receiver, runtime: &Runtime) -> io::Result<(f64, f64)> {
    subject.database.execute("CREATE TABLE IF NOT EXISTS bench_commit (n BIGINT NOT NULL)", runtime)?;
    let mut commits = Vec::new();
    for _ in 0..ROUTED {
        let begun = Instant::now();
        subject.database.execute("INSERT INTO bench_commit VALUES (1)", runtime)?;
        commits.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    commits.sort_by(f64::total_cmp);
    let ask = load::post("/fhir/$process-message", "", "{}");
    let mut answers = load::cycle(receiver.address, &[ask], 1, Duration::from_secs(1))?;
    Ok((percentile(&commits, 50), answers.percentile_ms(50)))
}

/// How soon what is placed has arrived, alone and beside a partner that takes its time.
pub(crate) fn measure_routed(
    subject: &Subject,
    (receiver, slow, slow_one): (&Receiver, &Receiver, &str),
    runtime: &Runtime,
    report: &mut Report,
) -> io::Result<()> {
    subject.tell(RECEIVER, &receiver.base(), runtime)?;
    subject.tell(slow_one, &slow.base(), runtime)?;
    // Until every part of the gateway knows of them.
    routed(subject, receiver)?;
    let (commit_ms, answer_ms) = parts(subject, receiver, runtime)?;
    let alone = routed(subject, receiver)?;
    let floor_ms = 3.0 * commit_ms + answer_ms;
    let name = format!("placed until it has arrived, p50, 1 client, {}", subject.name);
    report.add(&name, ("ms", Goal::AtMost(1.6)), (percentile(&alone, 50), Some(floor_ms)), "");
    let late: Vec<_> =
        (0..TO_SLOW).map(|n| load::post("/fhir", &subject.sender, &samples::record(n, slow_one))).collect();
    let bodies = load::bodies(subject.process.address, late, TO_SLOW)?;
    let patients = bodies.iter().filter_map(|body| body.split_once("/Patient/")?.1.split_once('/').map(|(id, _)| id));
    let orders =
        patients.map(|id| load::post("/fhir/ServiceRequest", &subject.sender, &samples::order(id, slow_one))).collect();
    load::bodies(subject.process.address, orders, TO_SLOW)?;
    let beside = routed(subject, receiver)?;
    let name = format!("the same beside a partner that takes 10 s, p99, {}", subject.name);
    report.add(&name, ("ms", Goal::AtMost(1.2)), (percentile(&beside, 99), Some(percentile(&alone, 99))), "");
    Ok(())
}

/// Many referrals at once, until the last has arrived: so many a second.
pub(crate) fn sustained(subject: &Subject, receiver: &Receiver, (count, clients): (usize, usize)) -> io::Result<f64> {
    let records = subject.make_records(count)?;
    let (requests, before) = (subject.referrals(&records), receiver.count());
    let begun = Instant::now();
    load::bodies(subject.process.address, requests, clients)?;
    receiver.wait_for(before + count)?;
    Ok(f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / begun.elapsed().as_secs_f64())
}

/// A full queue, emptied by several gateways.
pub(crate) fn drained(
    subject: &Subject,
    receiver: &Receiver,
    runtime: &Runtime,
    report: &mut Report,
) -> io::Result<()> {
    let Database::Postgres(_) = subject.database else { return Ok(()) };
    let records = subject.make_records(WAITING / PER_RECORD)?;
    let known: Vec<String> = records.iter().map(|id| format!("('{id}')")).collect();
    let more: Vec<Process> = (1..REPLICAS).map(|_| subject.replica()).collect::<io::Result<_>>()?;
    subject.database.execute(
        &format!(
            "INSERT INTO resource (compartment, resource_type, id, version_id, last_updated_ms, author, method, deleted, body, \
             holes, labels, label_version) \
             SELECT c.id, 'Observation', MD5(c.id || n), 1, 0, 'bench', 'POST', 0, \
             '{{\"resourceType\":\"Observation\",\"status\":\"final\"}}', '', 1, 1000000000000 \
             FROM (VALUES {}) AS c(id), generate_series(1, {PER_RECORD}) AS n(n)",
            known.join(", ")
        ),
        runtime,
    )?;
    subject.database.settle(runtime)?;
    let before = receiver.count();
    let begun = Instant::now();
    subject.database.execute(
        &format!(
            "INSERT INTO delivery (compartment, id, partner, kind, resource_type, resource_id, version_id, state, attempts, due_ms, \
             leased_until_ms, fence) SELECT compartment, 'd-' || id, 'organization/{RECEIVER}', 'bench', resource_type, id, 1, \
             'waiting', 0, 0, 0, 0 FROM resource WHERE resource_type = 'Observation' AND author = 'bench'"
        ),
        runtime,
    )?;
    let twice = receiver.wait_for(before + WAITING)?;
    let per_second = f64::from(u32::try_from(WAITING).unwrap_or(u32::MAX)) / begun.elapsed().as_secs_f64();
    if twice > 0 {
        return Err(io::Error::other(format!("{twice} deliveries arrived twice")));
    }
    drop(more);
    let name = format!("{WAITING} waiting deliveries, {REPLICAS} gateways, {}", subject.name);
    report.add(&name, ("/s", Goal::AtLeast(2_000.0)), (per_second, None), "each arrived once");
    Ok(())
}
