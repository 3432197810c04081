//! TLS as its clients meet it: renewal while connections go on, and certificates of clients that are no good.
//!
//! Over real sockets, with certificates made by the `openssl` command. No database takes part.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use gateway::config::{ClientCertificates, TlsFiles};
use gateway::server::tls::TlsKeys;
use gateway::server::{ServerSettings, serve};
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{AlertDescription, ClientConfig, HandshakeKind, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wellgate_tests::certificates::Certificates;

const SOON: Duration = Duration::from_secs(20);

/// A server that counts the requests that come through.
struct Server {
    address: SocketAddr,
    keys: Arc<TlsKeys>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    async fn start(files: &TlsFiles) -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let answer = move || async move {
            counted.fetch_add(1, Ordering::Relaxed);
            "ok"
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let keys = Arc::new(TlsKeys::load(files).expect("the files are good"));
        let settings = ServerSettings {
            tls: Some(Arc::clone(&keys)),
            header_read_timeout: SOON,
            request_timeout: SOON,
            connections_max: 64,
            connections_per_address_max: 64,
            drain_timeout: Duration::ZERO,
        };
        tokio::spawn(serve(listener, Router::new().route("/", get(answer)), settings, std::future::pending()));
        Self { address, keys, requests }
    }

    async fn connect(&self, client: &Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        tokio::time::timeout(SOON, TlsConnector::from(Arc::clone(client)).connect(name, stream)).await.expect("soon")
    }

    /// Connects and asks once. In TLS 1.3 a client learns only then that its certificate was not taken.
    async fn asked(&self, client: &Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
        let mut stream = self.connect(client).await?;
        ask(&mut stream).await?;
        Ok(stream)
    }

    /// How the handshake ended for a client that is refused; no request of it came through.
    async fn refuses(&self, client: &Arc<ClientConfig>) -> AlertDescription {
        let before = self.requests.load(Ordering::Relaxed);
        let error = self.asked(client).await.expect_err("no connection");
        assert_eq!(self.requests.load(Ordering::Relaxed), before, "a request came through");
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(rustls::Error::AlertReceived(alert)) => *alert,
            _ => panic!("not by an alert: {error:?}"),
        }
    }
}

/// One request on a connection that stays open.
async fn ask(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok") {
        let mut byte = [0; 1];
        tokio::time::timeout(SOON, stream.read_exact(&mut byte)).await.expect("it answers soon")?;
        answer.push(byte[0]);
    }
    Ok(())
}

fn certificates(file: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(file).expect("it was made").collect::<Result<_, _>>().expect("PEM")
}

/// A client that trusts one issuer, and shows a certificate with a key, whether they belong together or not.
fn client(
    made: &Certificates,
    trusted: &str,
    shown: Option<(Vec<CertificateDer<'static>>, &str)>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(&made.certificate(trusted)));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("the versions exist").with_root_certificates(roots);
    let Some((chain, key)) = shown else { return Arc::new(builder.with_no_client_auth()) };
    let key = PrivateKeyDer::from_pem_file(made.key(key)).expect("it was made");
    let key = aws_lc_rs::sign::any_supported_type(&key).expect("a key");
    let pair: Arc<dyn ResolvesClientCert> = Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)));
    Arc::new(builder.with_client_cert_resolver(pair))
}

fn showing(made: &Certificates, name: &str) -> Arc<ClientConfig> {
    client(made, "ca", Some((certificates(&made.certificate(name)), name)))
}

fn made() -> Certificates {
    let made = Certificates::default();
    made.issuer("ca").issued("server", "ca", "serverAuth", "2").issued("client", "ca", "clientAuth", "2");
    made
}

fn files(made: &Certificates, clients: Option<bool>) -> TlsFiles {
    let clients = clients.map(|are_required| ClientCertificates { ca: made.certificate("ca"), are_required });
    TlsFiles { certificate: made.certificate("server"), key: made.key("server"), clients }
}

/// The servers of both kinds: a bad certificate is worse than none, so both refuse it.
async fn both(made: &Certificates) -> [Server; 2] {
    let servers = [Server::start(&files(made, Some(true))).await, Server::start(&files(made, Some(false))).await];
    for server in &servers {
        server.asked(&showing(made, "client")).await.expect("a good certificate gets a connection");
    }
    servers
}

#[tokio::test]
async fn attack_35_without_a_required_certificate_there_is_no_connection() {
    let made = made();
    let [required, optional] = both(&made).await;
    let nobody = client(&made, "ca", None);
    assert_eq!(required.refuses(&nobody).await, AlertDescription::CertificateRequired);
    optional.asked(&nobody).await.expect("it is not required here");
}

#[tokio::test]
async fn attack_35_a_certificate_that_has_ended_gets_no_connection() {
    let made = made();
    made.issued("ended", "ca", "clientAuth", "-1");
    for server in both(&made).await {
        assert_eq!(server.refuses(&showing(&made, "ended")).await, AlertDescription::CertificateExpired);
    }
}

#[tokio::test]
async fn attack_35_a_certificate_for_servers_gets_no_connection() {
    let made = made();
    made.issued("for-servers", "ca", "serverAuth", "2");
    for server in both(&made).await {
        // rustls has a word of its own for it, and TLS has not.
        server.refuses(&showing(&made, "for-servers")).await;
    }
}

#[tokio::test]
async fn attack_35_a_certificate_of_another_issuer_gets_no_connection() {
    let made = made();
    made.issuer("other-ca").issued("of-another", "other-ca", "clientAuth", "2");
    for server in both(&made).await {
        assert_eq!(server.refuses(&showing(&made, "of-another")).await, AlertDescription::UnknownCA);
    }
}

/// The issuer's name is free to take; its key is not.
#[tokio::test]
async fn attack_35_a_certificate_of_an_issuer_of_the_same_name_gets_no_connection() {
    let made = made();
    made.issuer_with_subject("impostor", "ca").issued("forged", "impostor", "clientAuth", "2");
    for server in both(&made).await {
        server.refuses(&showing(&made, "forged")).await;
    }
}

#[tokio::test]
async fn attack_35_a_certificate_whose_subject_was_swapped_gets_no_connection() {
    let made = made();
    made.issued("second", "ca", "clientAuth", "2");
    let (own, other) = (b"second", b"client");
    let mut der = certificates(&made.certificate("second"))[0].to_vec();
    let start = der.windows(own.len()).position(|part| part == own).expect("the subject is in it");
    der[start..start + other.len()].copy_from_slice(other);
    let swapped = client(&made, "ca", Some((vec![der.into()], "second")));
    for server in both(&made).await {
        server.refuses(&swapped).await;
    }
}

#[tokio::test]
async fn attack_35_anothers_certificate_without_its_key_gets_no_connection() {
    let made = made();
    made.issued("second", "ca", "clientAuth", "2");
    let stolen = client(&made, "ca", Some((certificates(&made.certificate("client")), "second")));
    for server in both(&made).await {
        assert_eq!(server.refuses(&stolen).await, AlertDescription::DecryptError);
    }
}

/// A resumed session shows the certificate of its beginning, which may have ended since.
#[tokio::test]
async fn attack_35_a_session_that_showed_a_certificate_is_not_resumed() {
    let made = made();
    let kinds = async |server: &Server, client: Arc<ClientConfig>| {
        server.asked(&client).await.expect("an answer");
        let again = server.asked(&client).await.expect("an answer");
        again.get_ref().1.handshake_kind()
    };
    let without = Server::start(&files(&made, None)).await;
    assert_eq!(kinds(&without, client(&made, "ca", None)).await, Some(HandshakeKind::Resumed));
    for server in both(&made).await {
        assert_eq!(kinds(&server, showing(&made, "client")).await, Some(HandshakeKind::Full));
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_new_connections_and_the_old_ones_go_on() {
    let made = made();
    let server = Server::start(&files(&made, None)).await;
    let trusting = client(&made, "ca", None);
    let mut before = server.asked(&trusting).await.expect("an answer");
    let shown =
        |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().expect("it showed one")[0].to_vec();

    made.issued("server", "ca", "serverAuth", "2");
    assert!(server.keys.reload(false).expect("the new files are good"), "the change is seen");
    let after = server.asked(&client(&made, "ca", None)).await.expect("an answer");
    assert_ne!(shown(&before), shown(&after));
    assert_eq!(shown(&after), certificates(&made.certificate("server"))[0].to_vec());
    ask(&mut before).await.expect("the old connection goes on");
    assert!(!server.keys.reload(false).expect("nothing changed"));
}

#[tokio::test]
async fn a_half_written_or_foreign_file_is_named_and_what_is_in_use_stays() {
    let made = made();
    let files = files(&made, Some(false));
    let server = Server::start(&files).await;
    let read = |file: &Path| std::fs::read(file).expect("it was made");
    let good = [read(&files.certificate), read(&files.key), read(&made.certificate("ca"))];
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let ca = made.certificate("ca");
    made.issued("second", "ca", "serverAuth", "2");
    let broken = [
        (&files.certificate, half(&good[0]), "server.pem"),
        (&files.certificate, Vec::new(), "server.pem"),
        (&files.key, half(&good[1]), "server.key"),
        (&files.key, read(&made.key("second")), "certificate and its key"),
        (&ca, half(&good[2]), "ca.pem"),
        (&ca, Vec::new(), "ca.pem"),
    ];
    let trusting = showing(&made, "client");
    for (file, bytes, named) in broken {
        let whole = read(file);
        std::fs::write(file, bytes).expect("there is room");
        let error = server.keys.reload(false).expect_err(named).to_string();
        assert!(error.contains(named), "{error}");
        assert!(server.keys.reload(false).is_err(), "it is said again: {named}");
        server.asked(&trusting).await.expect("what is in use stays");
        std::fs::write(file, whole).expect("there is room");
        assert!(server.keys.reload(false).expect("whole again"));
    }
    std::fs::remove_file(&files.certificate).expect("it was there");
    assert!(server.keys.reload(false).is_err());
    server.asked(&trusting).await.expect("what is in use stays");
}

#[tokio::test]
async fn the_issuers_of_clients_are_renewed_too_and_the_old_ones_get_no_new_connection() {
    let made = made();
    let (trusting, server) = (showing(&made, "client"), Server::start(&files(&made, Some(true))).await);
    let mut before = server.asked(&trusting).await.expect("an answer");
    made.issuer("next").issued("new", "next", "clientAuth", "2");
    let new = client(&made, "ca", Some((certificates(&made.certificate("new")), "new")));
    assert_eq!(server.refuses(&new).await, AlertDescription::UnknownCA);
    let trusted = client(&made, "ca", Some((certificates(&made.certificate("client")), "client")));
    std::fs::copy(made.certificate("next"), made.certificate("ca")).expect("there is room");
    assert!(server.keys.reload(false).expect("the new issuer is good"));
    server.asked(&new).await.expect("the new issuer's clients get a connection");
    assert_eq!(server.refuses(&trusted).await, AlertDescription::UnknownCA);
    ask(&mut before).await.expect("the old connection goes on");
}

/// What the `openssl` command agrees on with the server, if anything.
fn agrees(server: &Server, how: &str) -> bool {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &server.address.to_string()]).args(how.split_whitespace());
    let output = command.stdin(Stdio::null()).output().expect("openssl is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.contains("Cipher is ") && !text.contains("Cipher is (NONE)")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_versions_and_suites_of_tls_get_no_connection() {
    let made = made();
    let server = Server::start(&files(&made, None)).await;
    let agreed = |how: &'static str| tokio::task::block_in_place(|| agrees(&server, how));
    assert!(agreed("-tls1_3") && agreed("-tls1_2"), "those that are good");
    for how in [
        "-tls1 -cipher ALL:@SECLEVEL=0",
        "-tls1_1 -cipher ALL:@SECLEVEL=0",
        // Without forward secrecy, and in CBC.
        "-tls1_2 -cipher AES128-GCM-SHA256:AES256-SHA:@SECLEVEL=0",
        "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0",
    ] {
        assert!(!agreed(how), "{how}");
    }
}
