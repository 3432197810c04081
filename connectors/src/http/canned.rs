//! A server on loopback that gives prepared answers, for tests.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Answers each connection with the next of its answers, and then with the last one for ever.
pub(crate) struct Canned {
    /// Its address, such as `http://127.0.0.1:40000/`.
    pub(crate) url: String,
    requests: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    /// Starts it on a free port; it ends with the process.
    pub(crate) fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        // It says that it closes: whoever kept the connection could send the next request into its end.
        let closing = |answer: &&str| answer.replacen("\r\n", "\r\nconnection: close\r\n", 1);
        let answers: Vec<String> = answers.iter().map(closing).collect();
        let requests = Arc::new(AtomicUsize::new(0));
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (counted, hearing) = (Arc::clone(&requests), Arc::clone(&heard));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                hearing.lock().unwrap_or_else(PoisonError::into_inner).push(request(&mut stream));
                let answer = answers.get(number).or(answers.last()).map_or("", String::as_str);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { url, requests, heard }
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// The requests that came, each with its body.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads a request to its end, which its `content-length` tells.
fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut part = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return text,
            Ok(read) => bytes.extend_from_slice(&part[..read]),
        }
    }
}
