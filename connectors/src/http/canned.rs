//! A server on loopback that gives prepared answers, for tests.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Answers each connection with the next of its answers, and then with the last one for ever.
pub(crate) struct Canned {
    /// Its address, such as `http://127.0.0.1:40000/`.
    pub(crate) url: String,
    requests: Arc<AtomicUsize>,
}

impl Canned {
    /// Starts it on a free port; it ends with the process.
    pub(crate) fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let mut head = [0; 4_096];
                let _ = stream.read(&mut head);
                let answer = answers.get(number).or(answers.last()).map_or("", String::as_str);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { url, requests }
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}
