//! The partners of a sandbox in the process of a test, with the routes by which they are told to fail.

use std::time::Duration;

use connectors::notify_mail::{MailSettings, MailTls};
use gateway::clock::Clock;
use gateway::sandbox::partners::Partners;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::gateway::NOW_MS;

/// Running partners.
pub struct World {
    /// They end with it.
    pub partners: Partners,
    /// For what goes to a partner, or to the routes.
    pub http: reqwest::Client,
    root: String,
}

impl World {
    /// Starts them, at the moment at which every story begins.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn start() -> Self {
        Self::with(&Clock::fixed(NOW_MS)).await
    }

    /// The same, by the clock of a gateway: where days pass.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn with(clock: &Clock) -> Self {
        let partners = Partners::start(clock, None).await.expect("free ports");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let root = format!("http://{}", listener.local_addr().expect("it is bound"));
        let routes = partners.routes();
        tokio::spawn(async { axum::serve(listener, routes).await });
        Self { partners, http: http(), root }
    }

    /// The address of a partner.
    ///
    /// # Panics
    /// There is none of this name.
    pub fn url(&self, name: &str) -> String {
        self.partners.url(name).expect("there is one").to_owned()
    }

    /// The mail server, as a connector is told of it.
    ///
    /// # Panics
    /// It has no port.
    pub fn mail_settings(&self) -> MailSettings {
        let port = self.url("mail").rsplit(':').next().and_then(|port| port.parse().ok());
        MailSettings {
            host: "127.0.0.1".to_owned(),
            port: port.expect("it has a port"),
            tls: MailTls::Plain,
            trusted: None,
            account: None,
            from: "Wellgate <no-reply@gateway.example>".to_owned(),
            gateway_url: "https://gateway.example".to_owned(),
            timeout: Duration::from_secs(20),
        }
    }

    /// Asks one of the routes; answers status and body.
    ///
    /// # Panics
    /// There is no answer of JSON.
    pub async fn control(&self, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = self.http.request(method, format!("{}/sandbox/{path}", self.root)).body(body.to_string());
        let answer = request.send().await.expect("it answers");
        (answer.status(), answer.json().await.expect("it is JSON"))
    }

    /// Makes a partner fail.
    ///
    /// # Panics
    /// The fault is refused.
    pub async fn fault(&self, name: &str, fault: Value) {
        let (status, answer) = self.control(Method::POST, &format!("partners/{name}/faults"), &fault).await;
        assert_eq!(status, 200, "{fault}: {answer}");
    }

    /// What a partner received, as the routes tell it.
    ///
    /// # Panics
    /// They do not.
    pub async fn received(&self, name: &str) -> Value {
        self.control(Method::GET, &format!("partners/{name}/received"), &Value::Null).await.1
    }

    /// How often a reference came, and with how many effects; (0, 0) where it did not.
    ///
    /// # Panics
    /// The routes do not answer.
    pub async fn times(&self, name: &str, reference: &str) -> (u64, u64) {
        let path = format!("partners/{name}/received?reference={reference}");
        let received = self.control(Method::GET, &path, &Value::Null).await.1;
        let message = &received["messages"][0];
        (message["times"].as_u64().unwrap_or_default(), message["effects"].as_u64().unwrap_or_default())
    }
}

/// A lookup that Co-prev answers.
pub fn lookup(reference: &str, ssin: &str) -> Value {
    json!({"lookupId": reference, "ssin": ssin, "purpose": "reintegration", "referenceDate": "2026-03-01",
        "legalBasis": "test", "requester": {"cbe": "0000000196"}})
}

#[expect(clippy::disallowed_methods, reason = "a client from outside, as any tester's")]
fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client can be built")
}

/// A conversation with the mail partner, line by line.
pub struct Smtp(BufReader<TcpStream>);

impl Smtp {
    /// Connects, and hears the greeting; none where nobody listens.
    pub async fn connect(url: &str) -> Option<Self> {
        let stream = TcpStream::connect(url.strip_prefix("smtp://")?).await.ok()?;
        let mut smtp = Self(BufReader::new(stream));
        smtp.hear().await.starts_with("220").then_some(smtp)
    }

    /// The next line; empty where the line is cut.
    pub async fn hear(&mut self) -> String {
        let mut line = String::new();
        // What is cut hard is an error, and nothing more comes either.
        let _ = self.0.read_line(&mut line).await;
        line
    }

    /// Says a line, or several, and hears one.
    pub async fn say(&mut self, line: &str) -> String {
        let _ = self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).await;
        self.hear().await
    }

    /// Sends a mail; what was answered at its end.
    pub async fn mail(&mut self, reference: &str) -> String {
        self.say("MAIL FROM:<a@example.org>").await;
        let answer = self.say("RCPT TO:<b@example.org>").await;
        if !answer.starts_with("250") {
            return answer;
        }
        self.say("DATA").await;
        self.say(&format!("Message-ID: <{reference}@gateway.example>\r\nSubject: x\r\n\r\n..dot\r\n.")).await
    }
}
