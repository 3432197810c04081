//! PostgreSQL goes away under load and comes back: whoever waits is told to come again, nothing acknowledged is lost, and the
//! same store goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gateway::audit::Outcome;
use gateway::storage::{StorageError, Store};
use reqwest::Url;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::world::{NOW_MS, ask, beginning, cases, event, first, key, open, viewer};

/// A way to a server that can be cut: what runs over it breaks off, and nothing new comes through.
struct Line {
    url: String,
    is_up: watch::Sender<bool>,
}

impl Line {
    async fn to(url: &str) -> Self {
        let mut near = Url::parse(url).expect("a URL of the tests");
        let far = format!("{}:{}", near.host_str().expect("a host"), near.port().expect("a port"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        near.set_host(Some("127.0.0.1")).expect("an address");
        near.set_port(Some(port)).expect("a port");
        let (is_up, watched) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (far, mut watched) = (far.clone(), watched.clone());
                tokio::spawn(async move {
                    if !*watched.borrow() {
                        return;
                    }
                    let Ok(mut server) = TcpStream::connect(far).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = watched.wait_for(|is_up| !is_up) => {}
                    }
                });
            }
        });
        Self { url: near.into(), is_up }
    }
}

/// What a load learnt: the numbers that were acknowledged, and how many were refused.
#[derive(Default)]
struct Known {
    acknowledged: Vec<usize>,
    refused: usize,
}

/// Writes and reads from eight tasks until told to stop.
fn load(store: &Store, name: &'static str, stop: &Arc<AtomicBool>) -> tokio::task::JoinHandle<Known> {
    let (store, stop) = (store.clone(), Arc::clone(stop));
    tokio::spawn(async move {
        let one = async |task: usize| {
            let mut known = Known::default();
            let mut n = task;
            while !stop.load(Ordering::Relaxed) {
                let id = format!("{name}{n}");
                let mut set = beginning(&id, "a", vec![first(key(&id, "Patient", &id), &json!({"n": n}))]);
                set.audit.push(event(&id, NOW_MS, Outcome::Success));
                match store.apply(set).await {
                    Ok(()) => known.acknowledged.push(n),
                    Err(StorageError::Unavailable(_) | StorageError::Busy) => known.refused += 1,
                    Err(error) => panic!("{error:?}"),
                }
                match store.sees_whole(viewer("a"), "Patient", &id).await {
                    Ok(sees) => assert!(sees || known.acknowledged.last() != Some(&n), "acknowledged, and not seen"),
                    Err(StorageError::Unavailable(_) | StorageError::Busy) => known.refused += 1,
                    Err(error) => panic!("{error:?}"),
                }
                n += 8;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            known
        };
        let mut all = Known::default();
        for known in join_all((0..8).map(one)).await {
            all.acknowledged.extend(known.acknowledged);
            all.refused += known.refused;
        }
        all
    })
}

async fn comes_back(store: &Store) {
    let begun = Instant::now();
    while store.ping().await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Everything acknowledged is there, and of everything that is there all is.
async fn is_whole(store: &Store, url: &str, name: &str, known: &Known) {
    for n in &known.acknowledged {
        let id = format!("{name}{n}");
        let located = store.locate("Patient", &id).await.expect("it answers");
        assert!(located.is_some(), "{id} was acknowledged and is lost");
    }
    let halves = "SELECT CAST((SELECT COUNT(*) FROM record c WHERE NOT EXISTS (SELECT 1 FROM resource r \
                  WHERE r.compartment = c.compartment)) + (SELECT COUNT(*) FROM record c WHERE NOT EXISTS \
                  (SELECT 1 FROM audit_event a WHERE a.compartment = c.compartment)) AS TEXT)";
    assert_eq!(ask(url, halves).await, "0", "a half was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_cut_and_mended_loses_nothing_and_needs_no_restart() {
    let Some(url) = wellgate_tests::postgres::database_url() else { return };
    let line = Line::to(&url).await;
    let store = open(&line.url).await;
    let stop = Arc::new(AtomicBool::new(false));
    let load = load(&store, "l", &stop);
    for _ in 0..cases("WELLGATE_OUTAGES", 4) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        line.is_up.send_replace(false);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(matches!(store.ping().await, Err(StorageError::Unavailable(_))), "nothing comes through");
        line.is_up.send_replace(true);
        comes_back(&store).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::Relaxed);
    let known = load.await.expect("only refusals that say to come again");
    assert!(known.acknowledged.len() > 20 && known.refused > 0, "{} and {}", known.acknowledged.len(), known.refused);
    is_whole(&store, &url, "l", &known).await;
    println!("cut line: {} acknowledged, {} told to come again, 0 lost", known.acknowledged.len(), known.refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ends_its_sessions_loses_nothing_and_needs_no_restart() {
    let Some(url) = wellgate_tests::postgres::database_url() else { return };
    let store = open(&url).await;
    let stop = Arc::new(AtomicBool::new(false));
    let load = load(&store, "s", &stop);
    // As a server does that is stopped, to each of its sessions.
    let end = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user";
    for _ in 0..cases("WELLGATE_OUTAGES", 4) * 3 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        ask(&url, end).await;
        comes_back(&store).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::Relaxed);
    let known = load.await.expect("only refusals that say to come again");
    assert!(known.acknowledged.len() > 20, "{} and {}", known.acknowledged.len(), known.refused);
    is_whole(&store, &url, "s", &known).await;
    println!("ended sessions: {} acknowledged, {} told to come again, 0 lost", known.acknowledged.len(), known.refused);
}
