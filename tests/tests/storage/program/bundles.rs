//! The real program killed while it works on Bundles that are answered later: one that is told as done is stored, and no other.

use futures_util::future::join_all;
use reqwest::{Client, StatusCode};

use super::process::{Gateway, Place, client};
use super::{missing, transaction};
use crate::opening::execute;
use crate::world::cases;

const BUNDLES: usize = 40;

/// Sends a transaction to be answered later; the path of its status.
async fn kicked_off(client: &Client, gateway: &Gateway, token: &str, tag: &str) -> String {
    let request = client.post(format!("{}/fhir", gateway.root)).bearer_auth(token).header("prefer", "respond-async");
    let request = request.header("content-type", "application/fhir+json").body(transaction(tag).to_string());
    let answer = request.send().await.expect("it answers");
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let status = answer.headers()["content-location"].to_str().expect("a URL");
    status.split_once("/fhir/").expect("a URL of the gateway").1.to_owned()
}

async fn killed_at_work(kind: &str, kills: usize) {
    let Some(place) = Place::new(kind) else { return };
    let client = client();
    let (mut stored, mut broken_off) = (0, 0);
    for round in 0..kills {
        let gateway = place.start().await;
        let token = gateway.token(&client).await;
        let tags = (0..BUNDLES).map(|n| format!("{kind}-{round}-{n}"));
        let sent = tags.map(async |tag| (kicked_off(&client, &gateway, &token, &tag).await, tag));
        let sent = join_all(sent).await;
        gateway.kill();
        // Nobody waits here until it is not believed any more that the process is there.
        execute(&place.url(), "UPDATE async_job SET alive_until_ms = 0").await;
        let gateway = place.start().await;
        let token = gateway.token(&client).await;
        for (status, tag) in sent {
            let request = client.get(format!("{}/fhir/{status}", gateway.root)).bearer_auth(&token);
            let told = request.send().await.expect("it answers").status();
            let missing = missing(&gateway, std::slice::from_ref(&tag)).await;
            match told {
                StatusCode::OK => stored += 1,
                StatusCode::INTERNAL_SERVER_ERROR => broken_off += 1,
                told => panic!("{kind} {tag}: {told}"),
            }
            assert_eq!(missing, if told == StatusCode::OK { 0 } else { 3 }, "{kind} {tag}: {told}");
        }
        gateway.kill();
    }
    println!("{kind}: {kills} kills, {stored} transactions told as done, {broken_off} as broken off");
    assert_eq!(stored + broken_off, kills * BUNDLES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_work_on_sqlite_what_it_tells_of_bundles_afterwards_is_true() {
    killed_at_work("sqlite", cases("WELLGATE_BUNDLE_KILLS", 2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_work_on_postgresql_what_it_tells_of_bundles_afterwards_is_true() {
    killed_at_work("postgres", cases("WELLGATE_BUNDLE_KILLS", 2)).await;
}
