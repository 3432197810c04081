//! By what the gateway proves to partners who it is, against real servers: one that wants a certificate, one that gives tokens for an
//! assertion, and one that wants such a token.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::post;
use connectors::credentials::Credential;
use connectors::delivery::{Connector as _, Message, Outcome};
use connectors::ehr_fhir::EhrFhir;
use connectors::guard::Guard;
use connectors::http::HttpClient;
use connectors::pki::{Identity, Password};
use gateway::auth_keys::credentials;
use gateway::clock::Clock;
use gateway::config::{ClientCertificates, TlsFiles};
use gateway::delivery::{Insurers, Outside};
use gateway::server::tls::TlsKeys;
use gateway::server::{ServerSettings, serve};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use wellgate_tests::certificates::Certificates;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::hook::subscription;
use wellgate_tests::referral::{bring, place};
use wellgate_tests::stories;

/// A partner that takes messages, and the token endpoint beside it.
#[derive(Clone, Default)]
struct Partner(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    /// The `Authorization` of each message that was taken or not, and its path.
    messages: Vec<(String, String)>,
    /// Messages that were taken.
    taken: usize,
    /// The `jti` of each assertion.
    assertions: HashSet<String>,
    /// Tokens that were given.
    given: usize,
    /// The only token that is taken; none is where it is empty.
    good: String,
    /// The key by which the client is known.
    known: Option<(DecodingKey, Algorithm)>,
    expires_in: Value,
}

impl Partner {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on it takes this token alone.
    fn takes(&self, token: &str) {
        token.clone_into(&mut self.heard().good);
    }

    /// How many tokens it gave, and how many messages it took.
    fn counts(&self) -> (usize, usize) {
        let heard = self.heard();
        (heard.given, heard.taken)
    }

    fn routes(&self, token_url: &str) -> Router {
        let (taking, giving, token_url) = (self.clone(), self.clone(), token_url.to_owned());
        let take = move |uri: Uri, headers: HeaderMap| async move { taking.take(&uri, &headers) };
        Router::new()
            .route("/fhir/$process-message", post(take.clone()))
            .route("/other/$process-message", post(take))
            .route("/token", post(move |form: String| async move { giving.give(&token_url, &form) }))
    }

    fn take(&self, uri: &Uri, headers: &HeaderMap) -> StatusCode {
        let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut heard = self.heard();
        heard.messages.push((authorization.to_owned(), uri.path().to_owned()));
        if heard.known.is_some() && authorization != format!("Bearer {}", heard.good) {
            return StatusCode::UNAUTHORIZED;
        }
        heard.taken += 1;
        StatusCode::ACCEPTED
    }

    /// Verifies an assertion as the standard has it, and gives a token.
    fn give(&self, token_url: &str, form: &str) -> (StatusCode, String) {
        let form = reqwest::Url::parse(&format!("http://x/?{form}")).expect("a form");
        let field = |name: &str| form.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let mut heard = self.heard();
        let Some((key, algorithm)) = &heard.known else { return (StatusCode::NOT_FOUND, String::new()) };
        let mut rules = Validation::new(*algorithm);
        rules.set_audience(&[token_url]);
        rules.set_issuer(&["wellgate"]);
        rules.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        rules.leeway = 0;
        let assertion = field("client_assertion").unwrap_or_default();
        let claims = jsonwebtoken::decode::<Value>(assertion.as_bytes(), key, &rules).map(|token| token.claims);
        let is_asked_right = field("grant_type").as_deref() == Some("client_credentials")
            && field("client_assertion_type").as_deref()
                == Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            && field("scope").as_deref() == Some("system/*.c");
        let refused =
            |code: &str| (StatusCode::BAD_REQUEST, json!({"error": code, "error_description": assertion}).to_string());
        let Ok(claims) = claims else { return refused("invalid_client") };
        let lasts = claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(end, begin)| end - begin);
        let id = claims["jti"].as_str().unwrap_or_default().to_owned();
        if !is_asked_right || claims["sub"] != "wellgate" || lasts.is_none_or(|lasts| lasts > 300) || id.is_empty() {
            return refused("invalid_request");
        }
        if !heard.assertions.insert(id) {
            return refused("invalid_client");
        }
        heard.given += 1;
        let token = format!("SECRET-{}", heard.given);
        let answer = json!({"access_token": token, "token_type": "bearer", "expires_in": heard.expires_in});
        (StatusCode::OK, answer.to_string())
    }
}

/// Serves a partner; answers its address. `tls`: what it shows, and whom it asks for a certificate.
async fn start(partner: &Partner, tls: Option<&TlsFiles>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let root = format!("{}://localhost:{port}", if tls.is_some() { "https" } else { "http" });
    let settings = ServerSettings {
        tls: tls.map(|files| Arc::new(TlsKeys::load(files).expect("the files are good"))),
        header_read_timeout: Duration::from_secs(10),
        request_timeout: Duration::from_secs(10),
        connections_max: 100,
        connections_per_address_max: 100,
        drain_timeout: Duration::ZERO,
    };
    let routes = partner.routes(&format!("{root}/token"));
    tokio::spawn(serve(listener, routes, settings, std::future::pending()));
    root
}

/// The operator's files.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("wellgate-outbound.").tempdir().expect("a directory"))
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.0.path().join(name);
        std::fs::write(&file, content).expect("the directory is there");
        file
    }

    /// The credentials of this file.
    fn read(&self, text: &str) -> Result<Vec<Credential>, String> {
        let file = self.write("credentials.toml", text);
        credentials(Some(&file), &Clock::System).map_err(|error| error.to_string())
    }

    /// A key on a curve; its file, and how a partner knows it.
    fn key(&self, algorithm: Algorithm) -> (PathBuf, DecodingKey) {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
        let curve = if algorithm == Algorithm::ES384 {
            &ECDSA_P384_SHA384_FIXED_SIGNING
        } else {
            &ECDSA_P256_SHA256_FIXED_SIGNING
        };
        let random = aws_lc_rs::rand::SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(curve, &random).expect("there is randomness");
        let public = Jwk::from_encoding_key(&EncodingKey::from_ec_der(document.as_ref()), algorithm).expect("a key");
        let file = self.write(&format!("{algorithm:?}.der"), document.as_ref());
        (file, DecodingKey::from_jwk(&public).expect("a key"))
    }
}

fn client(credentials: &[Credential]) -> HttpClient {
    let client = HttpClient::guarded(Guard::new(&[], &[], true)).expect("a client");
    client.proving(credentials).expect("they are of use")
}

async fn sent(client: &HttpClient, base: &str) -> Outcome {
    let body = Value::String("{\"resourceType\": \"Bundle\"}".to_owned());
    let message = Message { reference: "d-1".to_owned(), kind: "status".to_owned(), body };
    EhrFhir::new(client.clone(), base).send(&message).await
}

fn quoted(file: &std::path::Path) -> String {
    Value::String(file.display().to_string()).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_that_wants_a_certificate_is_shown_the_one_for_its_address() {
    let made = Certificates::default();
    made.issuer("issuer").issuer("other").issued("server", "issuer", "serverAuth", "2");
    made.issued("client", "issuer", "clientAuth", "2").issued("stranger", "other", "clientAuth", "2");
    let clients = Some(ClientCertificates { ca: made.certificate("issuer"), are_required: true });
    let tls = TlsFiles { certificate: made.certificate("server"), key: made.key("server"), clients };
    let partner = Partner::default();
    let root = start(&partner, Some(&tls)).await;
    let (files, base, ca) = (Files::new(), format!("{root}/fhir"), quoted(&made.certificate("issuer")));
    let pem = |name: &str| {
        let (certificate, key) = (quoted(&made.certificate(name)), quoted(&made.key(name)));
        format!("[{name}]\nurl = \"{base}\"\nca_file = {ca}\ncertificate_file = {certificate}\nkey_file = {key}\n")
    };
    let right = files.read(&pem("client")).expect("they are of use");
    assert_eq!(sent(&client(&right), &base).await.codes(), ("delivered", ""));

    let read = |file: PathBuf| std::fs::read(file).expect("it was made");
    let identity = Identity::from_pem(&read(made.key("client")), &read(made.certificate("client"))).expect("it is one");
    let store = identity.to_pkcs12("client", &Password::new("SECRET-word".to_owned())).expect("a store");
    let (store, word) = (files.write("client.p12", store), files.write("word", "SECRET-word\n"));
    let (store, word) = (quoted(&store), quoted(&word));
    let of_store = |word: &str| {
        format!(
            "[store]\nurl = \"{base}\"\nca_file = {ca}\nkey_store_file = {store}\nkey_store_password_file = {word}\n"
        )
    };
    let from_store = files.read(&of_store(&word)).expect("they are of use");
    assert_eq!(sent(&client(&from_store), &base).await.codes(), ("delivered", ""));
    assert_eq!(partner.heard().taken, 2);

    let wrong = files.read(&pem("stranger")).expect("a pair is a pair");
    let none = files.read(&format!("[none]\nurl = \"{base}\"\nca_file = {ca}\n")).expect("the issuer alone");
    let elsewhere = files.read(&pem("client").replace("/fhir\"", "/fhirx\"")).expect("they are of use");
    for (what, credentials) in
        [("wrong", &wrong), ("none", &none), ("of another address", &elsewhere), ("nothing", &vec![])]
    {
        let outcome = sent(&client(credentials), &base).await;
        assert!(["retry", "uncertain"].contains(&outcome.codes().0), "{what}: {outcome:?}");
        let printed = format!("{outcome:?} {credentials:?} {:?}", client(credentials));
        assert!(!printed.contains("PRIVATE") && !printed.contains("SECRET"), "{what}: {printed}");
    }
    assert_eq!(partner.heard().messages.len(), 2, "nothing of the others arrived");
    let refused = files.read(&of_store(&quoted(&files.write("other-word", "SECRET-other")))).expect_err("another word");
    assert!(refused.contains("[store]") && !refused.contains("SECRET"), "{refused}");
}

/// A partner that wants tokens, which it gives for an assertion of this key, and what the operator has for it.
async fn with_tokens(files: &Files, algorithm: Algorithm) -> (Partner, String, String) {
    let (key, known) = files.key(algorithm);
    let partner = Partner::default();
    (partner.heard().known, partner.heard().expires_in) = (Some((known, algorithm)), json!(300));
    partner.takes("SECRET-1");
    let root = start(&partner, None).await;
    let text = format!(
        "[noord]\nurl = \"{root}/fhir\"\ntoken_url = \"{root}/token\"\nclient_id = \"wellgate\"\nclient_key_file = {}\nscope = \"system/*.c\"\n",
        quoted(&key)
    );
    (partner, root, text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_asked_for_by_an_assertion_kept_while_it_is_good_and_asked_for_anew_once() {
    for algorithm in [Algorithm::ES384, Algorithm::ES256] {
        let files = Files::new();
        let (partner, root, text) = with_tokens(&files, algorithm).await;
        let (credentials, base) = (files.read(&text).expect("they are of use"), format!("{root}/fhir"));
        let client = client(&credentials);
        for _ in 0..2 {
            assert_eq!(sent(&client, &base).await.codes(), ("delivered", ""), "{algorithm:?}");
        }
        assert_eq!(partner.heard().given, 1, "it is kept");
        // The partner takes the token back: another is asked for, once.
        partner.takes("SECRET-2");
        assert_eq!(sent(&client, &base).await.codes(), ("delivered", ""));
        assert_eq!(partner.counts(), (2, 3));
        // It takes none at all: it is told twice, and no more.
        partner.heard().good.clear();
        partner.heard().messages.clear();
        let refused = sent(&client, &base).await;
        assert_eq!(refused.codes(), ("retry", "status-401"));
        let sent_with: Vec<String> = partner.heard().messages.iter().map(|(token, _)| token.clone()).collect();
        assert_eq!(sent_with, ["Bearer SECRET-2", "Bearer SECRET-3"]);
        let printed = format!("{refused:?} {client:?} {credentials:?}");
        assert!(!printed.contains("SECRET") && !printed.contains("ey"), "{printed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_whose_end_nobody_tells_is_used_once_and_no_assertion_twice() {
    let files = Files::new();
    let (partner, root, text) = with_tokens(&files, Algorithm::ES384).await;
    let client = client(&files.read(&text).expect("they are of use"));
    for (n, expires_in) in [Value::Null, json!(0), json!(1)].into_iter().enumerate() {
        partner.takes(&format!("SECRET-{}", n + 1));
        partner.heard().expires_in = expires_in;
        assert_eq!(sent(&client, &format!("{root}/fhir")).await.codes(), ("delivered", ""), "{n}");
    }
    assert_eq!(partner.counts(), (3, 3));
    assert_eq!(partner.heard().assertions.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_nothing_is_sent_and_no_other_address_gets_one() {
    let files = Files::new();
    let (partner, root, text) = with_tokens(&files, Algorithm::ES384).await;
    let base = format!("{root}/fhir");
    let (other_key, _) = files.key(Algorithm::ES256);
    let key = quoted(&files.0.path().join("ES384.der"));
    for (what, text, told) in [
        ("another client", text.replace("\"wellgate\"", "\"somebody\""), "400 invalid_client"),
        ("another key", text.replace(&key, &quoted(&other_key)), "400 invalid_client"),
        ("another scope", text.replace("system/*.c", "system/*.cruds"), "400 invalid_request"),
        ("no endpoint", text.replace("/token\"", "/nowhere\""), "404"),
        ("nobody there", text.replace(&format!("{root}/token"), "http://127.0.0.1:1/token"), "cannot be reached"),
    ] {
        let client = client(&files.read(&text).expect("they are of use"));
        let outcome = sent(&client, &base).await;
        assert_eq!(outcome.codes(), ("retry", "no-token"), "{what}");
        let Outcome::Retry(cause, _) = &outcome else { panic!("{what}") };
        assert!(cause.text.contains(told) && !cause.text.contains("ey"), "{what}: {}", cause.text);
    }
    assert!(partner.heard().messages.is_empty(), "nothing was sent");
    let client = client(&files.read(&text).expect("they are of use"));
    assert_eq!(sent(&client, &format!("{root}/other")).await.codes(), ("retry", "status-401"));
    assert_eq!(partner.heard().messages, [(String::new(), "/other/$process-message".to_owned())]);
    assert_eq!(partner.heard().given, 0);
}

#[tokio::test]
async fn credentials_that_are_of_no_use_are_named_and_not_repeated() {
    let files = Files::new();
    let (key, _) = files.key(Algorithm::ES384);
    let (key, secret) = (quoted(&key), quoted(&files.write("secret.pem", "SECRET")));
    let token =
        format!("token_url = \"https://a.example/token\"\nclient_id = \"w\"\nclient_key_file = {key}\nscope = \"s\"\n");
    let url = "url = \"https://a.example/fhir\"\n";
    for (text, told) in [
        (format!("[one]\n{token}"), "url"),
        (format!("[one]\n{url}"), "neither"),
        (format!("[one]\nurl = \"http://a.example/fhir\"\n{token}"), "[one]: url is a URL of https"),
        (format!("[one]\nurl = \"https://name:SECRET@a.example/fhir\"\n{token}"), "[one]: url is a URL of https"),
        (format!("[one]\n{url}{}", token.replace("https://a.example/token", "http://a.example/token")), "token_url"),
        (format!("[one]\n{url}{}", token.replace("scope = \"s\"\n", "")), "token_url needs"),
        (format!("[one]\n{url}scope = \"s\"\ncertificate_file = {secret}\nkey_file = {secret}\n"), "[one]"),
        (format!("[one]\n{url}certificate_file = {secret}\n"), "goes with key_file"),
        (format!("[one]\n{url}ca_file = {secret}\n{token}"), "[one]: ca_file"),
        (format!("[one]\n{url}{}", token.replace(&key, &secret)), "client_key_file"),
        (format!("[one]\n{url}{}", token.replace(&key, "\"/nonexistent/key\"")), "/nonexistent/key"),
        (format!("[one]\n{url}{token}password = \"SECRET\"\n"), "unknown field `password`"),
        (format!("[one]\n{url}{token}[two]\n{url}{token}"), "[one] and [two]"),
        ("SECRET".to_owned(), ""),
    ] {
        let refused = files.read(&text).expect_err(&text);
        assert!(refused.contains(told) && !refused.contains("SECRET"), "{text}: {refused}");
    }
    assert!(credentials(None, &Clock::System).expect("there is no file").is_empty());
}

/// Speaks to everybody, and proves who it is where there is a credential for it.
fn proving(credentials: Vec<Credential>) -> Outside {
    Outside {
        guard: Guard::new(&[], &[], true),
        mail: None,
        tdi: None,
        co_prev: None,
        insurers: Insurers::default(),
        credentials,
    }
}

async fn a_dossier_leaves_under_the_credentials_of_its_address(gateway: Gateway) {
    let files = Files::new();
    let (partner, root, text) = with_tokens(&files, Algorithm::ES384).await;
    gateway.tell("elp-1", &format!("{root}/fhir")).await;
    let placed = place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    bring(&gateway.as_("elp-1"), &placed.task, "accepted").await.expect(200);
    let state = async || {
        let deliveries = gateway.app.store.deliveries(&placed.patient).await.expect("it answers");
        let dossier = deliveries.into_iter().find(|one| one.kind == "dossier").expect("it is queued");
        (dossier.state, dossier.cause)
    };
    assert_eq!(gateway.worker().round().await.expect("the database answers"), 1);
    assert_eq!(state().await, ("waiting".to_owned(), "status-401".to_owned()), "without them it waits");
    gateway.advance(3_600_000);
    let worker = gateway.worker_to(proving(files.read(&text).expect("they are of use")));
    assert_eq!(worker.round().await.expect("the database answers"), 1);
    assert_eq!(state().await, ("delivered".to_owned(), String::new()));
    assert_eq!(partner.heard().taken, 1);
}

async fn attack_49_an_address_that_a_subscriber_chose_gets_no_credential(gateway: Gateway) {
    let files = Files::new();
    let (partner, root, text) = with_tokens(&files, Algorithm::ES384).await;
    let hook = subscription("waiting-room", &format!("{root}/fhir/$process-message"));
    gateway.as_("elp-1").create(&hook).await;
    let worker = gateway.worker_to(proving(files.read(&text).expect("they are of use")));
    assert_eq!(worker.round().await.expect("the database answers"), 1);
    let heard = partner.heard();
    assert_eq!((heard.given, heard.taken, heard.messages.len()), (0, 0, 1), "it was asked, without a token");
    assert!(heard.messages.iter().all(|(authorization, _)| authorization.is_empty()));
}

stories!(
    a_dossier_leaves_under_the_credentials_of_its_address,
    attack_49_an_address_that_a_subscriber_chose_gets_no_credential,
);
