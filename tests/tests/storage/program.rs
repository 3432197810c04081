//! The real program under a load of writes: killed, stopped, and out of room on its disk.
//!
//! Every transaction has three resources, so that half a one can be seen, and an idempotency key, so that it can be repeated.
//! `tests/long/kills` kills it two hundred times.

mod billing;
mod bundles;
mod deliveries;
mod drill;
mod process;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gateway::audit::check::Trust;
use gateway::audit::seal_key::SealKey;
use gateway::evidence::verify;
use gateway::storage::trail::Trail;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::world::{ask, cases};
use process::{Gateway, Place, client};

const CLIENTS: usize = 32;
const SYSTEM: &str = "urn:kills";
const TYPES: [&str; 3] = ["Patient", "Condition", "Observation"];

/// Three resources that belong together, found by one identifier.
fn transaction(tag: &str) -> Value {
    let identifier = json!([{"system": SYSTEM, "value": tag}]);
    let subject = json!({"reference": "urn:uuid:00000000-0000-4000-8000-000000000001"});
    let entry = |full_url: &str, resource: Value| {
        let resource_type = resource["resourceType"].clone();
        json!({"fullUrl": full_url, "resource": resource, "request": {"method": "POST", "url": resource_type}})
    };
    json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        entry("urn:uuid:00000000-0000-4000-8000-000000000001",
            json!({"resourceType": "Patient", "identifier": identifier, "name": [{"family": "Voorbeeld"}]})),
        entry("urn:uuid:00000000-0000-4000-8000-000000000002",
            json!({"resourceType": "Condition", "identifier": identifier, "subject": subject, "code": {"text": "stress"}})),
        entry("urn:uuid:00000000-0000-4000-8000-000000000003",
            json!({"resourceType": "Observation", "identifier": identifier, "subject": subject, "status": "final",
                "code": {"text": "score"}, "valueInteger": 12})),
    ]})
}

/// Sends one transaction under its tag as key; the status, and the body where there is an answer.
async fn send(client: &Client, root: &str, token: &str, tag: &str) -> Result<(StatusCode, String), reqwest::Error> {
    let request = client.post(format!("{root}/fhir")).bearer_auth(token).header("idempotency-key", tag);
    let request = request.header("content-type", "application/fhir+json").body(transaction(tag).to_string());
    let answer = request.send().await?;
    let status = answer.status();
    Ok((status, answer.text().await?))
}

/// What clients know after a load: tags that were acknowledged, and tags that they must ask about.
#[derive(Default)]
struct Known {
    acknowledged: Vec<String>,
    open: Vec<String>,
    refused: Vec<(StatusCode, String)>,
}

/// A load under way.
struct Load {
    clients: tokio::task::JoinHandle<Known>,
    acknowledged: Arc<AtomicUsize>,
}

impl Load {
    /// Waits until a few transactions were acknowledged: how long that takes is the machine's business.
    async fn is_under_way(&self) {
        while self.acknowledged.load(Ordering::Relaxed) < CLIENTS && !self.clients.is_finished() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn ended(self) -> Known {
        self.clients.await.expect("the clients end")
    }
}

/// Clients that send transaction after transaction until the gateway is away, or answers otherwise than by an acknowledgement.
async fn load(gateway: &Gateway, name: &str) -> Load {
    let client = client();
    let token = gateway.token(&client).await;
    let (root, name) = (gateway.root.clone(), name.to_owned());
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&acknowledged);
    let clients = tokio::spawn(async move {
        let next = AtomicUsize::new(0);
        let one = async || {
            let mut known = Known::default();
            loop {
                let tag = format!("{name}-{}", next.fetch_add(1, Ordering::Relaxed));
                match send(&client, &root, &token, &tag).await {
                    Ok((StatusCode::OK, _)) => {
                        known.acknowledged.push(tag);
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(refused) => {
                        known.refused.push(refused);
                        known.open.push(tag);
                        return known;
                    }
                    Err(_) => {
                        known.open.push(tag);
                        return known;
                    }
                }
            }
        };
        let mut all = Known::default();
        for known in join_all((0..CLIENTS).map(|_| one())).await {
            all.acknowledged.extend(known.acknowledged);
            all.open.extend(known.open);
            all.refused.extend(known.refused);
        }
        all
    });
    Load { clients, acknowledged }
}

/// How many of these tags are not found by search, in each type exactly once.
async fn missing(gateway: &Gateway, tags: &[String]) -> usize {
    let client = client();
    let token = gateway.token(&client).await;
    let mut missing = 0;
    for tags in tags.chunks(50) {
        for resource_type in TYPES {
            let values: Vec<String> = tags.iter().map(|tag| format!("{SYSTEM}|{tag}")).collect();
            let query = [("identifier", values.join(",")), ("_count", "500".to_owned())];
            let request = client.get(format!("{}/fhir/{resource_type}", gateway.root)).query(&query);
            let answer = request.bearer_auth(&token).send().await.expect("it answers");
            assert_eq!(answer.status(), StatusCode::OK);
            let bundle: Value = answer.json().await.expect("a searchset");
            let found: Vec<&str> = bundle["entry"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default()
                .iter()
                .filter_map(|entry| entry["resource"]["identifier"][0]["value"].as_str())
                .collect();
            let is_missing = |tag: &&String| found.iter().filter(|found| **found == tag.as_str()).count() != 1;
            missing += tags.iter().filter(is_missing).count();
        }
    }
    missing
}

/// What does not belong together: transactions of which not every resource, index row, audit event and key is there, once.
async fn torn(url: &str) -> usize {
    let types = TYPES.map(|name| format!("'{name}'")).join(", ");
    let halves = format!(
        "(SELECT COUNT(*) FROM (SELECT value FROM search_index WHERE system = '{SYSTEM}' GROUP BY value \
         HAVING COUNT(*) <> 3 OR COUNT(DISTINCT resource_type) <> 3 OR COUNT(DISTINCT compartment) <> 1) AS half)"
    );
    let unfound = format!(
        "(SELECT COUNT(*) FROM resource r WHERE r.resource_type IN ({types}) AND NOT EXISTS (SELECT 1 FROM search_index i \
         WHERE i.compartment = r.compartment AND i.resource_type = r.resource_type AND i.id = r.id AND i.system = '{SYSTEM}'))"
    );
    let unrecorded = format!(
        "(SELECT COUNT(*) FROM resource r WHERE r.resource_type IN ({types}) AND NOT EXISTS (SELECT 1 FROM audit_event a \
         WHERE a.compartment = r.compartment AND a.resource_type = r.resource_type AND a.resource_id = r.id AND a.action = 'C'))"
    );
    let strays = "(SELECT COUNT(*) FROM audit_event a WHERE a.action = 'C' AND NOT EXISTS (SELECT 1 FROM resource r \
                   WHERE r.compartment = a.compartment AND r.resource_type = a.resource_type AND r.id = a.resource_id))";
    let records = "(SELECT COUNT(*) FROM record c WHERE c.compartment NOT LIKE 'organization/%' AND NOT EXISTS \
                   (SELECT 1 FROM resource r WHERE r.compartment = c.compartment AND r.resource_type = 'Patient'))";
    let keys = "(SELECT ABS((SELECT COUNT(*) FROM idempotency_key) - \
                (SELECT COUNT(*) FROM resource WHERE resource_type = 'Patient')))";
    let sql = format!("SELECT CAST({halves} + {unfound} + {unrecorded} + {strays} + {records} + {keys} AS TEXT)");
    ask(url, &sql).await.parse().expect("a number")
}

/// What is amiss with the trail, once the gateway that runs has sealed what it found.
async fn unproven(place: &Place) -> usize {
    let key = std::fs::read(place.directory.path().join("evidence-key.pem")).expect("a sandbox makes one");
    let key = SealKey::read(&key).expect("its own key");
    let begun = Instant::now();
    loop {
        let trust = Trust { keys: vec![key.public().clone()], secret: Some(key.clone()), ..Trust::default() };
        let trail = Trail::open(&place.url()).await.expect("it can be read");
        let report = verify(&trail, trust).await.expect("it can be read");
        trail.close().await;
        assert!(report.sealed > 0 && report.findings.is_empty(), "{report:?}");
        if report.unsealed == 0 {
            return report.findings.len();
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "it does not seal: {report:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sends again what nobody acknowledged, twice: each is there exactly once in the end, and both answers are the same.
async fn repeat(gateway: &Gateway, open: &[String]) {
    let client = client();
    let token = gateway.token(&client).await;
    let once = async |tag: &String| {
        let first = send(&client, &gateway.root, &token, tag).await.expect("it answers");
        let second = send(&client, &gateway.root, &token, tag).await.expect("it answers");
        assert_eq!(first.0, StatusCode::OK, "{}", first.1);
        assert_eq!(first, second, "a repetition is answered as the first");
    };
    join_all(open.iter().map(once)).await;
}

/// A number that looks random and is the same at every run.
fn mixed(seed: usize) -> usize {
    let mixed = (seed as u64).wrapping_add(0x5EED).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    usize::try_from(mixed >> 40).expect("24 bits")
}

#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    acknowledged: usize,
    open: usize,
    lost: usize,
    torn: usize,
    unproven: usize,
}

async fn killed(kind: &str, kills: usize) -> Option<Tally> {
    let place = Place::new(kind)?;
    let load_ms_max = cases("WELLGATE_KILL_LOAD_MS", 400);
    let (mut tally, mut tags, mut before) = (Tally::default(), Vec::new(), Vec::new());
    for round in 0..kills {
        let gateway = place.start().await;
        // The round before: what was acknowledged is there, no half of anything, and what was not can be repeated.
        tally.lost += missing(&gateway, &before).await;
        tally.torn += torn(&place.url()).await;
        let load = load(&gateway, &format!("{kind}-{round}")).await;
        load.is_under_way().await;
        let wait_ms = u64::try_from(mixed(round) % load_ms_max).expect("a moment");
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        gateway.kill();
        let known = load.ended().await;
        assert!(known.refused.is_empty(), "{kind} {round}: {:?}", known.refused);
        let gateway = place.start().await;
        repeat(&gateway, &known.open).await;
        assert_eq!(missing(&gateway, &known.open).await, 0, "{kind} {round}: repeated, and not there once");
        tally.kills += 1;
        tally.acknowledged += known.acknowledged.len();
        tally.open += known.open.len();
        before.clone_from(&known.acknowledged);
        before.extend(known.open);
        tags.extend(before.clone());
        // The gateway after the kill sealed what the killed one left: once, and all of it.
        tally.unproven += unproven(&place).await;
        // This one is killed as well, at rest.
        gateway.kill();
    }
    let gateway = place.start().await;
    tally.lost += missing(&gateway, &tags).await;
    tally.torn += torn(&place.url()).await;
    println!(
        "{kind}: {} kills under load, {} transactions of 3 resources acknowledged, {} not and repeated, {} lost, {} torn, {} not proven",
        tally.kills, tally.acknowledged, tally.open, tally.lost, tally.torn, tally.unproven
    );
    Some(tally)
}

fn holds(tally: &Tally) {
    assert_eq!((tally.lost, tally.torn, tally.unproven), (0, 0, 0), "{tally:?}");
    assert!(tally.acknowledged > 10 * tally.kills, "too few to say anything: {tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_on_sqlite_it_loses_nothing_and_tears_nothing() {
    let tally = killed("sqlite", cases("WELLGATE_KILLS", 6)).await;
    holds(&tally.expect("SQLite is always there"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_on_postgresql_it_loses_nothing_and_tears_nothing() {
    if let Some(tally) = killed("postgres", cases("WELLGATE_KILLS", 6)).await {
        holds(&tally);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_under_load_it_finishes_what_is_in_flight_and_ends_well() {
    for kind in ["sqlite", "postgres"] {
        let Some(place) = Place::new(kind) else { continue };
        let mut gateway = place.start().await;
        let load = load(&gateway, "stop").await;
        load.is_under_way().await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        let pid = gateway.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there").success());
        let known = load.ended().await;
        let ended = gateway.child.wait().expect("it is ours");
        assert!(ended.success(), "{kind}: {ended}");
        assert!(known.refused.is_empty(), "{kind}: {:?}", known.refused);
        assert!(!known.acknowledged.is_empty(), "{kind}");
        let gateway = place.start().await;
        assert_eq!(missing(&gateway, &known.acknowledged).await, 0, "{kind}");
        assert_eq!(torn(&place.url()).await, 0, "{kind}");
        repeat(&gateway, &known.open).await;
        assert_eq!(torn(&place.url()).await, 0, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_room_on_its_disk_it_refuses_and_corrupts_nothing() {
    let place = Place::new("sqlite").expect("SQLite is always there");
    // No file may grow over three megabytes, and the system says so as of a full disk: by an error, not by a signal.
    let gateway = place.start_after(Some("trap '' XFSZ; ulimit -f 6000")).await;
    let known = load(&gateway, "full").await.ended().await;
    assert!(!known.acknowledged.is_empty());
    assert_eq!(known.refused.len(), CLIENTS, "every client was told");
    for (status, body) in &known.refused {
        assert_eq!(*status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    }
    // A line of the trail is small, and may still find room; without it nothing is shown.
    let client = client();
    let token = gateway.token(&client).await;
    let search = format!("{}/fhir/Patient?identifier={SYSTEM}|{}", gateway.root, known.acknowledged[0]);
    let answer = client.get(search).bearer_auth(token).send().await.expect("it is alive");
    assert!([StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status()), "{answer:?}");
    gateway.kill();
    let check = ask(&place.url(), "PRAGMA integrity_check").await;
    assert_eq!(check, "ok");
    let gateway = place.start().await;
    assert_eq!(missing(&gateway, &known.acknowledged).await, 0);
    repeat(&gateway, &known.open).await;
    assert_eq!(torn(&place.url()).await, 0);
    assert_eq!(unproven(&place).await, 0, "a commit that failed for want of room leaves no hole in a chain");
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_makes_its_tables_it_makes_them_at_the_next_start() {
    let rounds = cases("WELLGATE_START_KILLS", 12);
    for kind in ["sqlite", "postgres"] {
        let mut interrupted = 0;
        for round in 0..rounds {
            let Some(place) = Place::new(kind) else { return };
            let mut child = place.command(None).spawn().expect("the program is built");
            let file: PathBuf = place.directory.path().join("sandbox.sqlite");
            // SQLite from the first moment at which there is a file; PostgreSQL somewhere in the whole start.
            let begun = Instant::now();
            while kind == "sqlite" && size(&file) == 0 && begun.elapsed() < Duration::from_secs(5) {
                std::thread::yield_now();
            }
            let span_us = if kind == "sqlite" { 12_000 } else { 350_000 };
            std::thread::sleep(Duration::from_micros(u64::try_from(mixed(round) % span_us).expect("a moment")));
            child.kill().expect("it was alive");
            child.wait().expect("it is ours");
            let migrated = tables(&place).await;
            interrupted += usize::from(migrated < 10);
            let gateway = place.start().await;
            let known = load(&gateway, "start").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            gateway.kill();
            assert!(known.ended().await.refused.is_empty(), "{kind} {round}");
            assert_eq!(torn(&place.url()).await, 0, "{kind} {round}");
        }
        println!("{kind}: killed {rounds} times while starting, {interrupted} of them before the tables were there");
    }
}

/// How many tables a database has that may not be there at all.
async fn tables(place: &Place) -> usize {
    let sql = match &place.postgres {
        Some(_) => "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'",
        None if size(&place.directory.path().join("sandbox.sqlite")) == 0 => return 0,
        None => "SELECT CAST(COUNT(*) AS TEXT) FROM sqlite_master WHERE type = 'table'",
    };
    ask(&place.url(), sql).await.parse().expect("a number")
}

/// Clients may send the same key at the same moment to two replicas.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_at_two_replicas_at_once_makes_one_transaction() {
    let Some(place) = Place::new("postgres") else { return };
    let replicas = [place.start().await, place.start().await];
    let client = Arc::new(client());
    let tokens = [replicas[0].token(&client).await, replicas[1].token(&client).await];
    for round in 0..cases("WELLGATE_KEYS", 20) {
        let tag = format!("key-{round}");
        let sent = (0..4).map(|n| send(&client, &replicas[n % 2].root, &tokens[n % 2], &tag));
        for answer in join_all(sent).await {
            let (status, body) = answer.expect("it answers");
            // Still under way elsewhere is an answer as well: the client asks again.
            assert!([StatusCode::OK, StatusCode::CONFLICT].contains(&status), "{status} {body}");
        }
        repeat(&replicas[round % 2], &[tag]).await;
    }
    assert_eq!(torn(&place.url()).await, 0);
}
