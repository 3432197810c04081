//! Slow clients, the limit of connections, stopping, and TLS: over real sockets on loopback.

mod http2;

use std::path::PathBuf;
use std::process::Command;

use axum::routing::get;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::*;
use crate::config::TlsFiles;

const SOON: Duration = Duration::from_secs(20);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: gateway\r\n\r\n";

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

fn settings() -> ServerSettings {
    ServerSettings {
        tls: None,
        header_read_timeout: Duration::from_millis(200),
        request_timeout: Duration::from_secs(30),
        connections_max: 8,
        connections_per_address_max: 8,
        drain_timeout: SOON,
    }
}

async fn start(router: Router, settings: ServerSettings) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel();
    let shutdown = async { stopped.await.unwrap_or(()) };
    let server = tokio::spawn(serve(listener, router, settings, shutdown));
    Running { address, stop, server }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the server listens")
    }

    async fn stopped(self) {
        let _ = self.stop.send(());
        let ended = tokio::time::timeout(SOON, self.server).await.expect("it stops soon");
        ended.expect("it does not panic").expect("it ends well");
    }
}

/// Everything until the other side closes.
async fn rest_of(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("it closes soon");
    // A reset is a way to close, too.
    let _ = read;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer's head and two bytes of body, on a connection that stays open.
async fn answer_on(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    stream.write_all(REQUEST).await.expect("written");
    let mut answer = String::new();
    while !answer.ends_with("ok") {
        let mut byte = [0; 1];
        tokio::time::timeout(SOON, stream.read_exact(&mut byte)).await.expect("it answers soon").expect("it answers");
        answer.push(byte[0].into());
    }
    answer
}

fn ok() -> Router {
    Router::new().route("/", get(|| async { "ok" }))
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let running = start(ok(), settings()).await;
    let mut stream = running.connect().await;
    assert_eq!(rest_of(&mut stream).await, "");
    running.stopped().await;
}

#[tokio::test]
async fn a_head_that_trickles_is_cut() {
    let running = start(ok(), settings()).await;
    for beginning in [&b"GET / HTTP/1.1\r\nx: "[..], &b"PRI * HTTP/2"[..]] {
        let mut stream = running.connect().await;
        stream.write_all(beginning).await.expect("written");
        assert!(!rest_of(&mut stream).await.contains(" 200 "));
    }
    running.stopped().await;
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let running = start(ok(), ServerSettings { header_read_timeout: SOON, ..settings() }).await;
    let mut stream = running.connect().await;
    let long = format!("GET / HTTP/1.1\r\nx: {}", "a".repeat(2 * BUFFER_BYTES_MAX));
    let _ = stream.write_all(long.as_bytes()).await;
    let answer = rest_of(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    running.stopped().await;
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_for_a_free_slot() {
    let limited = ServerSettings { connections_max: 1, header_read_timeout: SOON, ..settings() };
    let running = start(ok(), limited).await;
    let mut first = running.connect().await;
    answer_on(&mut first).await;
    let mut second = running.connect().await;
    second.write_all(REQUEST).await.expect("queued by the operating system");
    let mut byte = [0; 1];
    let waited = tokio::time::timeout(Duration::from_millis(100), second.read(&mut byte)).await;
    assert!(waited.is_err(), "the second connection has no answer while the first is open");
    drop(first);
    tokio::time::timeout(SOON, second.read_exact(&mut byte)).await.expect("it answers soon").expect("it answers");
    running.stopped().await;
}

#[tokio::test]
async fn a_request_in_flight_finishes_when_the_server_stops_and_no_new_one_is_taken() {
    let (begun, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (handler_begun, handler_finish) = (Arc::clone(&begun), Arc::clone(&finish));
    let handler = move || async move {
        handler_begun.notify_one();
        handler_finish.notified().await;
        "ok"
    };
    let running = start(Router::new().route("/", get(handler)), settings()).await;
    let (mut idle, mut busy) = (running.connect().await, running.connect().await);
    busy.write_all(REQUEST).await.expect("written");
    begun.notified().await;
    let address = running.address;
    let stopped = tokio::spawn(running.stopped());
    assert_eq!(rest_of(&mut idle).await, "", "an idle connection is closed at once");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    finish.notify_one();
    let answer = rest_of(&mut busy).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("ok"), "{answer}");
    stopped.await.expect("the server ended well");
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_timeout_is_cut() {
    let begun = Arc::new(Notify::new());
    let handler_begun = Arc::clone(&begun);
    let handler = move || async move {
        handler_begun.notify_one();
        std::future::pending::<()>().await;
    };
    let settings = ServerSettings { drain_timeout: Duration::from_millis(50), ..settings() };
    let running = start(Router::new().route("/", get(handler)), settings).await;
    let mut stream = running.connect().await;
    stream.write_all(REQUEST).await.expect("written");
    begun.notified().await;
    running.stopped().await;
    assert_eq!(rest_of(&mut stream).await, "");
}

#[tokio::test]
async fn a_handler_learns_the_peer() {
    let handler = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { format!("{peer} ok") };
    let running = start(Router::new().route("/", get(handler)), settings()).await;
    let mut stream = running.connect().await;
    let own = stream.local_addr().expect("connected");
    let answer = answer_on(&mut stream).await;
    assert!(answer.ends_with(&format!("{own} ok")), "{answer}");
    running.stopped().await;
}

/// A directory with a self-signed certificate for `localhost`, removed when dropped.
struct Certificate(PathBuf);

impl Certificate {
    fn make() -> Self {
        let directory = std::env::temp_dir().join(format!("wellgate-tls-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&directory).expect("a temporary directory");
        let certificate = Self(directory);
        certificate.renew();
        certificate
    }

    fn renew(&self) {
        let files = self.files();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            // Without it, openssl makes a CA, which rustls does not take for a server.
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(files.key)
            .arg("-out")
            .arg(files.certificate)
            .output()
            .expect("openssl is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn files(&self) -> TlsFiles {
        TlsFiles { certificate: self.0.join("certificate.pem"), key: self.0.join("key.pem"), clients: None }
    }

    /// A client that trusts this certificate and no other, and offers one protocol.
    fn client(&self, protocol: &[u8]) -> tokio_rustls::TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.files().certificate).expect("PEM")).expect("a certificate");
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the versions exist")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        Arc::new(config).into()
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn tls_round_trip_with_http_1_and_2() {
    let certificate = Certificate::make();
    let keys = Arc::new(TlsKeys::load(&certificate.files()).expect("the certificate is good"));
    let running = start(ok(), ServerSettings { tls: Some(keys), ..settings() }).await;
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = running.connect().await;
    let mut tls = certificate.client(b"http/1.1").connect(name.clone(), stream).await.expect("a handshake");
    assert!(answer_on(&mut tls).await.starts_with("HTTP/1.1 200"));
    let stream = running.connect().await;
    let tls = certificate.client(b"h2").connect(name, stream).await.expect("a handshake");
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let request = Request::get("https://localhost/").body(Body::empty()).expect("a request");
    assert_eq!(sender.send_request(request).await.expect("an answer").status(), 200);
    drop(sender);
    running.stopped().await;
    let _ = connection.await;
}

#[tokio::test]
async fn a_handshake_that_is_not_finished_is_cut() {
    let certificate = Certificate::make();
    let keys = Arc::new(TlsKeys::load(&certificate.files()).expect("the certificate is good"));
    let running = start(ok(), ServerSettings { tls: Some(keys), ..settings() }).await;
    // Nothing at all, and the head of a record whose content never comes.
    for beginning in [&b""[..], &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]] {
        let mut stream = running.connect().await;
        stream.write_all(beginning).await.expect("written");
        assert_eq!(rest_of(&mut stream).await, "");
    }
    running.stopped().await;
}

#[tokio::test]
async fn a_handshake_that_fails_leaves_the_server_working() {
    let certificate = Certificate::make();
    let keys = Arc::new(TlsKeys::load(&certificate.files()).expect("the certificate is good"));
    let running = start(ok(), ServerSettings { tls: Some(keys), ..settings() }).await;
    let mut plain = running.connect().await;
    plain.write_all(REQUEST).await.expect("written");
    assert!(!rest_of(&mut plain).await.contains("200 OK"));
    let stream = running.connect().await;
    let name = ServerName::try_from("localhost").expect("a name");
    let mut tls = certificate.client(b"http/1.1").connect(name, stream).await.expect("a handshake");
    assert!(answer_on(&mut tls).await.starts_with("HTTP/1.1 200"));
    running.stopped().await;
}

#[test]
fn a_renewed_certificate_is_taken_up_and_a_bad_one_is_not() {
    let certificate = Certificate::make();
    let keys = TlsKeys::load(&certificate.files()).expect("the certificate is good");
    let first = keys.current();
    assert!(!keys.reload(false).expect("nothing changed"));
    certificate.renew();
    assert!(keys.reload(true).expect("the new certificate is good"));
    let second = keys.current();
    assert!(!Arc::ptr_eq(&first, &second));
    for bad in ["", "no PEM"] {
        std::fs::write(certificate.files().certificate, bad).expect("written");
        assert!(keys.reload(true).is_err());
        assert!(Arc::ptr_eq(&second, &keys.current()), "the one in use stays");
    }
}
