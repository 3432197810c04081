//! Mail over `STARTTLS`, to a server with a certificate: nothing but the wish to encrypt is said in clear, and nothing at all to a server that
//! is not the one that it should be.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connectors::delivery::{Connector as _, Message, Outcome};
use connectors::notify_mail::{MailAccount, MailSettings, MailTls, NotifyMail};
use gateway::config::TlsFiles;
use gateway::server::tls::TlsKeys;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use wellgate_tests::certificates::Certificates;

/// What a mail server heard before the line was encrypted, and after.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<[Vec<String>; 2]>>);

impl Heard {
    fn note(&self, is_encrypted: bool, line: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[usize::from(is_encrypted)].push(line.to_owned());
    }

    fn told(&self) -> [Vec<String>; 2] {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A mail server with a certificate; answers its port.
async fn start(files: &TlsFiles, heard: &Heard) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let (keys, heard) = (TlsKeys::load(files).expect("the files are good"), heard.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, heard) = (TlsAcceptor::from(keys.current()), heard.clone());
            tokio::spawn(async move { serve(stream, acceptor, heard).await });
        }
    });
    port
}

async fn serve(mut stream: TcpStream, acceptor: TlsAcceptor, heard: Heard) -> Option<()> {
    stream.write_all(b"220 mail.example\r\n").await.ok()?;
    let mut clear = BufReader::new(stream);
    if !speak(&mut clear, &heard, false).await {
        return None;
    }
    let mut encrypted = BufReader::new(acceptor.accept(clear.into_inner()).await.ok()?);
    speak(&mut encrypted, &heard, true).await;
    None
}

/// Speaks until the line is to be encrypted, or to its end; whether it is to be encrypted.
async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    heard: &Heard,
    is_encrypted: bool,
) -> bool {
    let mut is_mail = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return false;
        }
        let line = line.trim_end();
        heard.note(is_encrypted, line);
        let reply = match line.split(' ').next().unwrap_or_default() {
            _ if is_mail && line != "." => continue,
            "." => "250 taken",
            "EHLO" if is_encrypted => "250-mail.example\r\n250 AUTH PLAIN",
            "EHLO" => "250-mail.example\r\n250-AUTH PLAIN\r\n250 STARTTLS",
            "STARTTLS" => "220 go",
            "AUTH" => "235 come in",
            "DATA" => "354 go",
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        is_mail = reply == "354 go";
        if stream.get_mut().write_all(format!("{reply}\r\n").as_bytes()).await.is_err() {
            return false;
        }
        if line == "STARTTLS" {
            return true;
        }
    }
}

fn connector(host: &str, port: u16, trusted: &[u8]) -> NotifyMail {
    let settings = MailSettings {
        host: host.to_owned(),
        port,
        tls: MailTls::StartTls,
        trusted: Some(trusted.to_vec()),
        account: Some(MailAccount { name: "wellgate".to_owned(), password: "SECRET".to_owned() }),
        from: "Wellgate <no-reply@gateway.example>".to_owned(),
        gateway_url: "https://gateway.example".to_owned(),
        timeout: Duration::from_secs(20),
    };
    NotifyMail::new(settings).expect("the settings are right")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_leaves_over_an_encrypted_line_to_the_very_server_and_to_no_other() {
    let made = Certificates::default();
    made.issuer("issuer").issuer("other").issued("server", "issuer", "serverAuth", "2");
    let tls = TlsFiles { certificate: made.certificate("server"), key: made.key("server"), clients: None };
    let heard = Heard::default();
    let port = start(&tls, &heard).await;
    let read = |name: &str| std::fs::read(made.certificate(name)).expect("it was made");
    let body = json!({"to": "intake@linde.example", "organization": "De Linde", "language": "nl"});
    let message = Message { reference: "d-1".to_owned(), kind: "waiting-room".to_owned(), body };

    let delivered = connector("localhost", port, &read("issuer")).send(&message).await;
    assert_eq!(delivered, Outcome::Delivered(Value::Null));
    let [clear, encrypted] = heard.told();
    assert_eq!(clear, ["EHLO gateway.example", "STARTTLS"], "nothing else is said in clear");
    for said in
        ["AUTH PLAIN", "MAIL FROM:<no-reply@gateway.example>", "RCPT TO:<intake@linde.example>", "Message-ID: <d-1@"]
    {
        assert!(encrypted.iter().any(|line| line.starts_with(said)), "{said}: {encrypted:?}");
    }

    // Of another issuer, or under another name than it was asked by: it could be anybody.
    for (host, issuer) in [("localhost", "other"), ("127.0.0.1", "issuer")] {
        let refused = connector(host, port, &read(issuer)).send(&message).await;
        assert_eq!(refused.codes(), ("retry", "not-encrypted"), "{host} {issuer}");
    }
    assert_eq!(heard.told()[1], encrypted, "nothing more was said to it");
}
