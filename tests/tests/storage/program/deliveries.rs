//! The real program killed while it sends: what was acknowledged arrives, and arrives once.
//!
//! `tests/long/deliveries` kills it a thousand times.

use std::collections::{BTreeMap, BTreeSet};

use wellgate_tests::receiver::{Fault, Receiver};

use super::*;
use crate::opening::execute;

const OWNER: &str = "organization/elp-beuk";
const SENDERS: usize = 8;

/// Patient, Consent and order, for the organisation whose own server is told.
fn referral() -> Value {
    let person = "urn:uuid:00000000-0000-4000-8000-000000000001";
    let subject = json!({"reference": person});
    let entry = |full_url: &str, resource: Value| {
        let resource_type = resource["resourceType"].clone();
        json!({"fullUrl": full_url, "resource": resource, "request": {"method": "POST", "url": resource_type}})
    };
    let mut consent = wellgate_tests::resources::consent("x", &wellgate_tests::resources::permit(&["elp-beuk"]));
    consent["patient"] = subject.clone();
    let mut order = wellgate_tests::resources::service_request("x", "Organization/elp-beuk");
    order["subject"] = subject;
    json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        entry(person, wellgate_tests::resources::patient()),
        entry("urn:uuid:00000000-0000-4000-8000-000000000002", consent),
        entry("urn:uuid:00000000-0000-4000-8000-000000000003", order),
    ]})
}

struct Party {
    client: Client,
    root: String,
    token: String,
}

impl Party {
    async fn of(gateway: &Gateway, id: &str) -> Self {
        let client = client();
        let form = [("client_id", format!("{id}-ehr"))];
        let request = client.post(format!("{}/sandbox/token", gateway.root)).form(&form);
        let answer: Value = request.send().await.expect("it answers").json().await.expect("it is JSON");
        let token = answer["access_token"].as_str().expect("a token").to_owned();
        Self { client, root: gateway.root.clone(), token }
    }

    async fn post(&self, body: &Value) -> Option<Value> {
        let request = self.client.post(format!("{}/fhir", self.root)).bearer_auth(&self.token);
        let request = request.header("content-type", "application/fhir+json").body(body.to_string());
        let answer = request.send().await.ok()?;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.ok()
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let request = self.client.get(format!("{}/fhir/{path}", self.root)).bearer_auth(&self.token);
        request.send().await.ok()?.json().await.ok()
    }

    async fn accept(&self, mut task: Value) -> Option<StatusCode> {
        let path = format!("{}/fhir/Task/{}", self.root, task["id"].as_str()?);
        let version = format!("W/\"{}\"", task["meta"]["versionId"].as_str()?);
        task["status"] = json!("accepted");
        let request = self.client.put(path).bearer_auth(&self.token).header("if-match", version);
        let request = request.header("content-type", "application/fhir+json").body(task.to_string());
        Some(request.send().await.ok()?.status())
    }
}

/// Refers and picks up until the gateway is away. Answers the orders whose pick-up was acknowledged.
async fn refer(sender: &Party, owner: &Party, picked_up: &AtomicUsize) -> Vec<String> {
    let one = async || {
        let mut acknowledged = Vec::new();
        loop {
            let Some(placed) = sender.post(&referral()).await else { return acknowledged };
            let location = placed["entry"][2]["response"]["location"].as_str().expect("a location");
            let order = location
                .split("ServiceRequest/")
                .nth(1)
                .and_then(|rest| rest.split('/').next())
                .expect("an id")
                .to_owned();
            let Some(found) = owner.get(&format!("Task?part-of=Task/{order}&status=requested")).await else {
                return acknowledged;
            };
            let task = found["entry"][0]["resource"].clone();
            match owner.accept(task).await {
                Some(StatusCode::OK) => {
                    acknowledged.push(order);
                    picked_up.fetch_add(1, Ordering::Relaxed);
                }
                Some(status) => panic!("a pick-up answers {status}"),
                None => return acknowledged,
            }
        }
    };
    join_all((0..SENDERS).map(|_| one())).await.concat()
}

async fn killed_while_it_sends(kind: &str, kills: usize) {
    let Some(place) = Place::new(kind) else { return };
    let receiver = Receiver::start().await;
    place.start().await.kill();
    let channel =
        format!("INSERT INTO channel (partner, kind, address) VALUES ('{OWNER}', 'ehr', '{}')", receiver.base);
    execute(&place.url(), &channel).await;
    let mut acknowledged = BTreeSet::new();
    for round in 0..kills {
        let gateway = place.start().await;
        let (sender, owner) = (Party::of(&gateway, "edpbw-noord").await, Party::of(&gateway, "elp-beuk").await);
        let faults =
            [Fault::None, Fault::CutAfterAccept, Fault::CutBeforeAccept, Fault::Status(503, Some(1)), Fault::None];
        receiver.fail(&[faults[mixed(round) % 5].clone(), Fault::None, faults[mixed(round + 1) % 5].clone()]);
        let picked_up = AtomicUsize::new(0);
        let away = async {
            // Until some are picked up, and a moment more: then it is in the midst of sending.
            let begun = Instant::now();
            while picked_up.load(Ordering::Relaxed) < 2 && begun.elapsed() < Duration::from_secs(20) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            tokio::time::sleep(Duration::from_millis(u64::try_from(mixed(round) % 40).expect("a moment"))).await;
            gateway.child.id()
        };
        let (orders, ()) = tokio::join!(refer(&sender, &owner, &picked_up), async {
            let pid = away.await.to_string();
            assert!(Command::new("kill").args(["-KILL", &pid]).status().expect("kill is there").success());
        });
        acknowledged.extend(orders);
        drop(gateway);
    }
    let gateway = place.start().await;
    let open = format!(
        "SELECT CAST(COUNT(*) AS TEXT) FROM delivery WHERE partner = '{OWNER}' AND state IN ('waiting', 'leased', 'uncertain')"
    );
    let begun = Instant::now();
    while ask(&place.url(), &open).await != "0" {
        assert!(begun.elapsed() < Duration::from_mins(3), "{kind}: {} are still open", ask(&place.url(), &open).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    gateway.kill();
    let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
    for reference in receiver.references() {
        *arrived.entry(reference).or_default() += 1;
    }
    let twice = arrived.values().filter(|count| **count > 1).count();
    let dossier = |order: &String| {
        format!(
            "SELECT COALESCE(MAX(id || ' ' || state), '') FROM delivery WHERE kind = 'dossier' AND resource_id = '{order}'"
        )
    };
    let mut lost = 0;
    for order in &acknowledged {
        let told = ask(&place.url(), &dossier(order)).await;
        let is_there = told.split_once(' ').is_some_and(|(id, state)| state == "delivered" && arrived.contains_key(id));
        lost += usize::from(!is_there);
    }
    println!(
        "{kind}: {kills} kills while it sends, {} pick-ups acknowledged, {} messages arrived, {} asked about, {lost} lost, {twice} twice",
        acknowledged.len(),
        arrived.len(),
        receiver.searches()
    );
    assert_eq!((lost, twice), (0, 0), "{kind}");
    assert!(acknowledged.len() >= kills, "{kind}: too few to say anything: {}", acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_sends_on_sqlite_everything_arrives_once() {
    killed_while_it_sends("sqlite", cases("WELLGATE_DELIVERY_KILLS", 20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_sends_on_postgresql_everything_arrives_once() {
    killed_while_it_sends("postgres", cases("WELLGATE_DELIVERY_KILLS", 20)).await;
}
