//! Rotation, an issuer that is away, and a flood of unknown keys: against a key server on loopback.

use std::sync::Mutex;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use connectors::guard::Guard;
use tokio::sync::mpsc;

use super::*;
use crate::auth::{Assertion, TokenError, TokenGrant};

const SOON: Duration = Duration::from_secs(20);
const NOW_MS: i64 = 1_772_366_400_000;
const ISSUER: &str = "https://login.example.org";
const AUDIENCE: &str = "https://gateway.example.org/fhir";
const NEVER: Duration = Duration::from_hours(1);

fn issuer() -> Issuer {
    Issuer::new(ISSUER, AUDIENCE, &Issuer::generate_key().expect("a key")).expect("a good key")
}

fn token(issuer: &Issuer) -> String {
    let grant = TokenGrant {
        client_id: "c",
        organization_id: "o",
        practitioner_id: None,
        fhir_user: None,
        purpose: "TREAT",
        scope: "system/*.rs",
        certificate: None,
        lifetime_seconds: 300,
    };
    issuer.issue(&grant, "1", NOW_MS).expect("signed")
}

/// A key server that tells of every request when it has answered it.
struct KeyServer {
    keys: Arc<Mutex<Option<String>>>,
    requests: mpsc::UnboundedReceiver<Instant>,
    auth: ExternalIssuer,
}

impl KeyServer {
    async fn start(first: Option<&Issuer>) -> Self {
        let keys = Arc::new(Mutex::new(first.map(|issuer| issuer.jwks().to_owned())));
        let (told, requests) = mpsc::unbounded_channel();
        let served = Arc::clone(&keys);
        let handler = move || async move {
            told.send(Instant::now()).expect("the test listens");
            served.lock().expect("not poisoned").clone().ok_or(StatusCode::SERVICE_UNAVAILABLE)
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/jwks.json", listener.local_addr().expect("bound"));
        let router = Router::new().route("/jwks.json", get(handler));
        tokio::spawn(async { axum::serve(listener, router).await });
        let auth = ExternalIssuer {
            issuer: ISSUER.to_owned(),
            keys: KeySource::Url(url),
            algorithms: vec![TokenAlgorithm::Es256],
            leeway: Duration::ZERO,
            refresh: NEVER,
        };
        Self { keys, requests, auth }
    }

    fn serve(&self, issuer: Option<&Issuer>) {
        *self.keys.lock().expect("not poisoned") = issuer.map(|issuer| issuer.jwks().to_owned());
    }

    async fn request(&mut self) -> Instant {
        tokio::time::timeout(SOON, self.requests.recv()).await.expect("a request comes soon").expect("it runs")
    }

    async fn verifier(&mut self, times: RefreshTimes) -> Arc<Verifier> {
        let loader = KeyLoader::new(&self.auth).expect("a loader");
        let verifier = verifier(&self.auth, AUDIENCE, &loader).await.expect("a URL may be away");
        self.request().await;
        tokio::spawn(keep_fresh(loader, Arc::clone(&verifier), times));
        verifier
    }
}

/// Verifies again and again until it succeeds.
async fn accepted_in_the_end(verifier: &Verifier, token: &str) -> bool {
    let until = Instant::now() + SOON;
    while Instant::now() < until {
        if verifier.verify(token, NOW_MS).is_ok() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test]
async fn a_flood_of_unknown_keys_reads_the_keys_once_in_a_pause() {
    let (known, stranger) = (issuer(), issuer());
    let mut server = KeyServer::start(Some(&known)).await;
    let pause = Duration::from_millis(300);
    let begun = Instant::now();
    let verifier = server.verifier(RefreshTimes { interval: NEVER, pause }).await;
    let flood = tokio::spawn({
        let (verifier, token) = (Arc::clone(&verifier), token(&stranger));
        async move {
            loop {
                assert_eq!(verifier.verify(&token, NOW_MS), Err(TokenError::KeyUnknown));
                tokio::task::yield_now().await;
            }
        }
    });
    let (second, third) = (server.request().await, server.request().await);
    assert!(second - begun >= pause && third - second >= pause);
    flood.abort();
    assert!(verifier.verify(&token(&known), NOW_MS).is_ok());
}

#[tokio::test]
async fn a_rotated_key_is_accepted_and_the_old_one_refused() {
    let (old, new) = (issuer(), issuer());
    let mut server = KeyServer::start(Some(&old)).await;
    let verifier = server.verifier(RefreshTimes { interval: NEVER, pause: Duration::ZERO }).await;
    assert!(verifier.verify(&token(&old), NOW_MS).is_ok());
    server.serve(Some(&new));
    assert!(accepted_in_the_end(&verifier, &token(&new)).await);
    assert_eq!(verifier.verify(&token(&old), NOW_MS), Err(TokenError::KeyUnknown));
}

#[tokio::test]
async fn keys_stay_in_use_while_the_issuer_is_away() {
    let known = issuer();
    let mut server = KeyServer::start(Some(&known)).await;
    let times = RefreshTimes { interval: Duration::from_millis(10), pause: Duration::from_millis(10) };
    let verifier = server.verifier(times).await;
    server.serve(None);
    for _ in 0..3 {
        server.request().await;
    }
    assert!(verifier.verify(&token(&known), NOW_MS).is_ok());
}

#[tokio::test]
async fn the_gateway_starts_without_its_issuer_and_accepts_nothing_until_it_is_back() {
    let known = issuer();
    let mut server = KeyServer::start(None).await;
    let verifier = server.verifier(RefreshTimes { interval: NEVER, pause: Duration::from_millis(10) }).await;
    assert!(!verifier.has_keys());
    assert_eq!(verifier.verify(&token(&known), NOW_MS), Err(TokenError::KeyUnknown));
    server.serve(Some(&known));
    assert!(accepted_in_the_end(&verifier, &token(&known)).await);
}

#[tokio::test]
async fn a_sandbox_keeps_its_key_to_itself_and_between_runs() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = std::env::temp_dir().join(format!("wellgate-keys-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir(&directory).expect("a temporary directory");
    let first = sandbox_issuer(&directory, ISSUER, AUDIENCE).expect("a key is made");
    let second = sandbox_issuer(&directory, ISSUER, AUDIENCE).expect("the key is there");
    assert_eq!(first.jwks(), second.jwks());
    let mode = std::fs::metadata(directory.join(KEY_FILE)).expect("the file is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let server = KeyServer::start(None).await;
    let auth = ExternalIssuer { keys: KeySource::File(directory.join(JWKS_FILE)), ..server.auth };
    let loader = KeyLoader::new(&auth).expect("a loader");
    let verifier = verifier(&auth, AUDIENCE, &loader).await.expect("the file holds a key");
    assert!(verifier.verify(&token(&second), NOW_MS).is_ok());
    let missing = ExternalIssuer { keys: KeySource::File(directory.join("other.json")), ..auth };
    let loader = KeyLoader::new(&missing).expect("a loader");
    assert!(super::verifier(&missing, AUDIENCE, &loader).await.is_err(), "a file must be there");
    std::fs::remove_dir_all(directory).expect("the directory is there");
}

#[tokio::test]
async fn the_keys_of_a_client_are_fetched_again_for_one_that_is_not_known() {
    let (known, stranger) = (issuer(), issuer());
    let mut server = KeyServer::start(Some(&known)).await;
    let KeySource::Url(url) = server.auth.keys.clone() else { panic!("the server has a URL") };
    let sets = ClientKeySets::pausing(Duration::ZERO, Guard::new(&[], &[], true)).expect("a client can be built");
    // What the keys are asked is no matter here: whether there is one of this name.
    let has = |wanted: &Issuer| {
        let keys = KeySet::of_client(wanted.jwks()).expect("a key");
        let wanted: Vec<String> = keys.names().map(str::to_owned).collect();
        move |keys: &KeySet| {
            let assertion = Assertion { id: String::new(), until_ms: 0, purpose: None, practitioner_id: None };
            keys.names()
                .any(|name| wanted.iter().any(|one| one == name))
                .then_some(assertion)
                .ok_or(TokenError::KeyUnknown)
        }
    };
    assert!(sets.verify(&url, has(&known)).await.is_ok());
    assert_eq!(sets.verify(&url, has(&stranger)).await, Err(TokenError::KeyUnknown));
    server.serve(Some(&stranger));
    assert!(sets.verify(&url, has(&stranger)).await.is_ok(), "a new key is followed");
    assert_eq!(sets.verify(&url, has(&known)).await, Err(TokenError::KeyUnknown), "and the old one gone");
    server.serve(None);
    assert!(sets.verify(&url, has(&stranger)).await.is_ok(), "keys that cannot be fetched again stay in use");
    server.request().await;
}
