//! A server on loopback that gives prepared answers, for tests.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Answers each connection with the next of its answers, and then with the last one for ever.
pub(crate) struct Canned {
    /// Its address, such as `http://127.0.0.1:40000/`.
    pub(crate) url: String,
    received: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    /// Starts it on a free port; it ends with the process.
    pub(crate) fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let request = read(&mut stream);
                let number = {
                    let mut kept = kept.lock().expect("nobody panics with it");
                    kept.push(request);
                    kept.len() - 1
                };
                let answer = answers.get(number).or(answers.last()).map_or("", String::as_str);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { url, received }
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.received().len()
    }

    /// The requests as they came, head and body.
    pub(crate) fn received(&self) -> Vec<String> {
        self.received.lock().expect("nobody panics with it").clone()
    }
}

/// Reads one request: its head, and as much of a body as that says.
fn read(stream: &mut TcpStream) -> String {
    let (mut request, mut part) = (String::new(), [0; 4_096]);
    while !is_whole(&request) {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => break,
            Ok(length) => request.push_str(&String::from_utf8_lossy(&part[..length])),
        }
    }
    request
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(str::to_owned));
    length.and_then(|length| length.trim().parse().ok()).is_none_or(|length: usize| body.len() >= length)
}
