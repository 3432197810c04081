//! Two acts on one record at the same moment, through the gateway's own write path and two replicas of it.
//!
//! `tests/long/denies` runs a thousand of each on both databases.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, Uri, header};
use futures_util::future::join_all;
use gateway::app::App;
use gateway::auth::{Issuer, TokenGrant};
use gateway::auth_keys::sandbox_issuer;
use gateway::clock::Clock;
use gateway::config::{Config, DatabaseUrl};
use gateway::fhir::exchange::Exchange;
use gateway::fhir::{create, delete, read, search, update};
use gateway::gateway::{assemble, store_settings};
use gateway::registry::put_organization;
use gateway::sandbox::make_keys;
use gateway::storage::Store;
use gateway::storage::registry::{Client, Organization};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::world::cases;

/// Two replicas of the gateway on one database, and an issuer of tokens for its three organisations.
pub(crate) struct World {
    replicas: [App; 2],
    issuer: Issuer,
    _keys: tempfile::TempDir,
}

/// An answer of a replica.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    async fn of(response: Response<Body>) -> Self {
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("the body is in memory").to_bytes();
        Self { status, body: serde_json::from_slice(&bytes).unwrap_or_default() }
    }

    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_default().to_owned()
    }
}

/// A text as it stands in an address.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _ = write!(encoded, "%{byte:02X}");
        encoded
    })
}

impl World {
    pub(crate) async fn new(url: &str) -> Self {
        let keys = tempfile::tempdir().expect("there is room");
        let mut config =
            Config::sandbox(None, keys.path(), &std::collections::BTreeMap::new()).expect("its own settings");
        config.database.url = url.parse::<DatabaseUrl>().expect("a URL of the tests");
        config.database.writers = 2;
        let issuer = sandbox_issuer(
            keys.path(),
            config.auth.external.as_ref().map_or("", |one| &one.issuer),
            &config.auth.audience,
        )
        .expect("keys can be made");
        make_keys(&config).expect("there is room");
        let settings = store_settings(&config).expect("the key ring is there");
        let mut replicas = Vec::new();
        for _ in 0..2 {
            let store = Store::open(&settings).await.expect("it opens");
            replicas.push(assemble(&config, store, Clock::System).await.expect("it can be served").0);
        }
        let replicas: [App; 2] = replicas.try_into().expect("two");
        for (id, kind) in [("sender", "edpbw"), ("practice", "elp"), ("centre", "cgg")] {
            let [id, kind] = [id, kind].map(str::to_owned);
            let client = Client {
                id: id.clone(),
                organization_id: id.clone(),
                purposes: vec!["TREAT".to_owned()],
                active: true,
                person_app: false,
                keys: None,
                scopes: String::new(),
            };
            let organization = Organization { name: id.clone(), id, kind, cbe: None, nihdi: None, active: true };
            put_organization(&replicas[0].store, &organization, &[], 0).await.expect("it is registered");
            replicas[0].store.put_client(&client).await.expect("it is registered");
        }
        Self { replicas, issuer, _keys: keys }
    }

    fn exchange(&self, replica: usize, organization: &str, address: &str) -> Exchange {
        let app = Arc::clone(&self.replicas[replica % 2]);
        let grant = TokenGrant {
            client_id: organization,
            organization_id: organization,
            practitioner_id: None,
            fhir_user: None,
            purpose: "TREAT",
            scope: "system/*.cruds",
            certificate: None,
            lifetime_seconds: 3_600,
        };
        let token = self.issuer.issue(&grant, "token", app.clock.now_ms()).expect("it can be signed");
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_str(&format!("Bearer {token}")).expect("a token is plain text");
        headers.insert(header::AUTHORIZATION, bearer);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/fhir+json"));
        let uri = format!("/fhir/{address}").parse::<Uri>().expect("an address");
        Exchange { app, method: axum::http::Method::PUT, headers, uri, network: String::new(), certificate: None }
    }

    pub(crate) async fn post(&self, replica: usize, organization: &str, resource: &Value) -> Answer {
        let resource_type = resource["resourceType"].as_str().expect("a resource has a type").to_owned();
        let exchange = self.exchange(replica, organization, "");
        Answer::of(create::create(exchange, resource_type, Body::from(resource.to_string())).await).await
    }

    pub(crate) async fn put(&self, replica: usize, organization: &str, resource: &Value) -> Answer {
        let text = |member: &str| resource[member].as_str().expect("it was read before").to_owned();
        let exchange = self.exchange(replica, organization, "");
        let body = Body::from(resource.to_string());
        Answer::of(update::update(exchange, text("resourceType"), text("id"), body).await).await
    }

    pub(crate) async fn delete(&self, replica: usize, organization: &str, resource_type: &str, id: &str) -> Answer {
        let exchange = self.exchange(replica, organization, &format!("{resource_type}/{}", encoded(id)));
        Answer::of(delete::delete(exchange, resource_type.to_owned(), id.to_owned()).await).await
    }

    pub(crate) async fn get(&self, replica: usize, organization: &str, resource_type: &str, id: &str) -> Answer {
        let exchange = self.exchange(replica, organization, &format!("{resource_type}/{}", encoded(id)));
        Answer::of(read::read(exchange, resource_type.to_owned(), id.to_owned()).await).await
    }

    pub(crate) async fn find(&self, replica: usize, organization: &str, resource_type: &str, query: &str) -> Answer {
        let exchange = self.exchange(replica, organization, &format!("{resource_type}?{query}"));
        Answer::of(search::search_by_get(exchange, resource_type.to_owned()).await).await
    }

    /// A Patient record of the sender.
    async fn patient(&self) -> String {
        let patient = self.post(0, "sender", &json!({"resourceType": "Patient"})).await;
        assert_eq!(patient.status, 201, "{}", patient.body);
        patient.id()
    }
}

fn consent(patient: &str, effect: &str, organization: &str) -> Value {
    json!({
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": format!("Patient/{patient}")},
        "dateTime": "2026-01-01",
        "provision": {
            "type": effect,
            "actor": [{
                "role": {"coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                    "code": "IRCP",
                }]},
                "reference": {"reference": format!("Organization/{organization}")},
            }],
        },
    })
}

/// Both Consents are written at once, and both are in force: nobody whom one of them excludes sees anything.
async fn permit_and_deny(world: &World, round: usize) {
    let patient = world.patient().await;
    let (permit, deny) = (consent(&patient, "permit", "practice"), consent(&patient, "deny", "practice"));
    // A Consent that was there before is changed, or a new one is written; through either replica, in either order.
    let (permitted, denied) = if round % 4 < 2 {
        tokio::join!(world.post(round, "sender", &permit), world.post(round + 1, "sender", &deny))
    } else {
        let mut former = world.post(0, "sender", &consent(&patient, "permit", "centre")).await.body;
        former["provision"] = deny["provision"].clone();
        tokio::join!(world.post(round, "sender", &permit), world.put(round + 1, "sender", &former))
    };
    assert_eq!(permitted.status, 201, "{}", permitted.body);
    assert!([200, 201].contains(&denied.status), "{}", denied.body);
    for replica in 0..2 {
        let sender = world.get(replica, "sender", "Patient", &patient).await;
        assert_eq!(sender.status, 200, "the custodian still sees it");
        let practice = world.get(replica, "practice", "Patient", &patient).await;
        assert_eq!(practice.status, 404, "a deny was lost in round {round}: {}", practice.body);
        let found = world.find(replica, "practice", "Patient", &format!("_id={patient}&_total=accurate")).await;
        assert_eq!(found.body["total"], json!(0), "a deny was lost in round {round}: {}", found.body);
    }
    // Without the deny the permit holds: both were in force, and the silence above was not that of neither.
    let gone = world.delete(round, "sender", "Consent", &denied.id()).await;
    assert!((200..300).contains(&gone.status), "{}", gone.body);
    let practice = world.get(round, "practice", "Patient", &patient).await;
    assert_eq!(practice.status, 200, "a permit was lost in round {round}: {}", practice.body);
}

/// Whether the order was placed before its Consent was withdrawn; after both nobody waits on the strength of that Consent.
async fn withdrawal_and_placement(world: &World, round: usize) -> bool {
    let patient = world.patient().await;
    let mut permit = world.post(0, "sender", &consent(&patient, "permit", "practice")).await.body;
    permit["status"] = json!("inactive");
    let order = json!({
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": format!("Patient/{patient}")},
        "performer": [{"reference": "Organization/practice"}],
    });
    let (withdrawn, placed) =
        tokio::join!(world.put(round, "sender", &permit), world.post(round + 1, "sender", &order));
    assert!((200..300).contains(&withdrawn.status), "a withdrawal always succeeds, round {round}: {}", withdrawn.body);
    assert!([201, 403].contains(&placed.status), "round {round}: {} {}", placed.status, placed.body);
    let store = &world.replicas[0].store;
    let tasks = store.referral_tasks(&patient).await.expect("it answers");
    assert_eq!(tasks.is_empty(), placed.status == 403, "round {round}: {tasks:?}");
    let waiting = tasks.iter().find(|task| ["requested", "accepted", "in-progress"].contains(&task.state.as_str()));
    assert!(waiting.is_none(), "waits without a Consent, round {round}: {waiting:?}");
    let facts = store.record_facts(&patient).await.expect("it answers").expect("it is there");
    assert_eq!(facts.custodian, "organization/sender", "round {round}");
    assert!(facts.closures.is_empty(), "round {round}: the record came back with sight: {:?}", facts.closures);
    let deliveries = store.deliveries(&patient).await.expect("it answers");
    let to_practice: Vec<_> = deliveries
        .iter()
        .filter(|delivery| delivery.partner == "organization/practice" && delivery.state == "waiting")
        .collect();
    assert!(to_practice.is_empty(), "round {round}: {to_practice:?}");
    for replica in 0..2 {
        assert_eq!(world.get(replica, "sender", "Patient", &patient).await.status, 200, "round {round}");
        assert_eq!(world.get(replica, "practice", "Patient", &patient).await.status, 404, "round {round}");
        for task in &tasks {
            assert_eq!(world.get(replica, "practice", "Task", &task.id).await.status, 404, "round {round}");
        }
    }
    placed.status == 201
}

/// Runs rounds four at a time, as busy replicas would.
async fn rounds<T: Send + 'static, F: Future<Output = T> + Send>(
    count: usize,
    world: &Arc<World>,
    round: impl Fn(Arc<World>, usize) -> F + Copy + Send + 'static,
) -> Vec<T> {
    let lanes = (0..4).map(|lane| {
        let world = Arc::clone(world);
        tokio::spawn(async move {
            let mut results = Vec::new();
            for n in (lane..count).step_by(4) {
                results.push(round(Arc::clone(&world), n).await);
            }
            results
        })
    });
    let lanes = join_all(lanes).await;
    lanes.into_iter().flat_map(|lane| lane.expect("every round holds")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_and_a_deny_at_once_never_lose_the_deny() {
    let count = cases("WELLGATE_RACES", 50);
    for (kind, url) in wellgate_tests::databases() {
        let world = Arc::new(World::new(&url).await);
        let held = rounds(count, &world, |world, n| async move { Box::pin(permit_and_deny(&world, n)).await }).await;
        println!("{kind}: {} times a permit and a deny at once through two replicas, 0 denies lost", held.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawal_and_a_placement_at_once_leave_nothing_waiting() {
    let count = cases("WELLGATE_RACES", 50);
    for (kind, url) in wellgate_tests::databases() {
        let world = Arc::new(World::new(&url).await);
        let placed =
            rounds(count, &world, |world, n| async move { Box::pin(withdrawal_and_placement(&world, n)).await }).await;
        let first = placed.iter().filter(|placed| **placed).count();
        println!(
            "{kind}: {count} times a withdrawal and a placement at once through two replicas: {first} placed and given back, {} \
             refused, 0 left waiting",
            count - first
        );
        assert!(first > 0 && first < count, "{kind}: only one order of events was tried");
    }
}
