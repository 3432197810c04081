//! An organisation's own FHIR server, as far as messages to it go: it keeps what arrives, and fails as a test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mappings::message::DELIVERY_SYSTEM;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How it fails at one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not.
    None,
    /// It answers with this status and `Retry-After`, and keeps nothing.
    Status(u16, Option<u32>),
    /// It keeps the message and closes the connection without an answer.
    CutAfterAccept,
    /// It closes the connection and keeps nothing.
    CutBeforeAccept,
    /// It keeps the message and answers this instead.
    Answer(&'static str),
    /// It keeps the message and answers nothing for as long as it runs.
    Silent,
}

/// What it has, and what it is told to do.
#[derive(Debug, Default)]
struct State {
    received: Vec<Value>,
    faults: VecDeque<Fault>,
    search_faults: VecDeque<Fault>,
    searches: usize,
}

/// The server.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Its base URL.
    pub base: String,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    /// Starts one.
    ///
    /// # Panics
    /// It cannot listen.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}/fhir", listener.local_addr().expect("it is bound"));
        let receiver = Self { base, state: Arc::default() };
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        receiver
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the next messages fail, one each; those after them do not.
    pub fn fail(&self, faults: &[Fault]) {
        self.state().faults.extend(faults.iter().cloned());
    }

    /// How the next inquiries fail.
    pub fn fail_searches(&self, faults: &[Fault]) {
        self.state().search_faults.extend(faults.iter().cloned());
    }

    /// Every message that it kept, in the order of arrival, a repeated one each time.
    pub fn received(&self) -> Vec<Value> {
        self.state().received.clone()
    }

    /// How often it was asked whether it has a message.
    pub fn searches(&self) -> usize {
        self.state().searches
    }

    /// The references of the messages that it kept.
    pub fn references(&self) -> Vec<String> {
        let reference = |message: &Value| message["identifier"]["value"].as_str().unwrap_or_default().to_owned();
        self.state().received.iter().map(reference).collect()
    }

    async fn serve(self, mut stream: TcpStream) {
        let Some((head, body)) = request(&mut stream).await else { return };
        let answer = if head.starts_with("GET ") { self.search(&head) } else { self.keep(&body) };
        match answer {
            Some(answer) => drop(stream.write_all(answer.as_bytes()).await),
            None => std::future::pending().await,
        }
    }

    /// What it answers; empty to close the connection, none to say nothing.
    fn keep(&self, body: &[u8]) -> Option<String> {
        let mut state = self.state();
        let fault = state.faults.pop_front().unwrap_or(Fault::None);
        let message: Value = serde_json::from_slice(body).unwrap_or_default();
        let reference = message["identifier"]["value"].clone();
        if !matches!(fault, Fault::Status(..) | Fault::CutBeforeAccept) {
            state.received.push(message);
        }
        let header = json!({"resourceType": "MessageHeader", "response": {"identifier": reference, "code": "ok"}});
        let reply = json!({"resourceType": "Bundle", "type": "message", "entry": [{"resource": header}]});
        answer(&fault, &reply)
    }

    fn search(&self, head: &str) -> Option<String> {
        let mut state = self.state();
        state.searches += 1;
        let fault = state.search_faults.pop_front().unwrap_or(Fault::None);
        let asked = |message: &&Value| {
            let value = message["identifier"]["value"].as_str().unwrap_or_default();
            head.lines().next().is_some_and(|line| line.contains(&format!("%7C{value} ")))
        };
        let entry = |message: &Value| json!({"resource": {"resourceType": "Bundle", "identifier": {"system": DELIVERY_SYSTEM, "value": message["identifier"]["value"]}}});
        let found: Vec<Value> = state.received.iter().filter(asked).take(1).map(entry).collect();
        answer(&fault, &json!({"resourceType": "Bundle", "type": "searchset", "total": found.len(), "entry": found}))
    }
}

fn answer(fault: &Fault, usual: &Value) -> Option<String> {
    let http = |status: &str, more: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\n{more}content-length: {}\r\n\r\n{body}", body.len())
    };
    match fault {
        Fault::None => Some(http("200 OK", "", &usual.to_string())),
        Fault::Status(status, wait) => {
            let wait = wait.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
            Some(http(&format!("{status} Told"), &wait, ""))
        }
        Fault::CutAfterAccept | Fault::CutBeforeAccept => Some(String::new()),
        Fault::Answer(text) => Some(http("200 OK", "", text)),
        Fault::Silent => None,
    }
}

/// Head and body of the only request of a connection.
async fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, value)| value.trim().parse().unwrap_or(0));
        if bytes.len() >= end + 4 + length {
            return Some((head, bytes[end + 4..].to_vec()));
        }
    }
}
