//! Bytes on the line: requests that no HTTP library would send.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::gateway::Gateway;

/// Longer than any answer takes.
const SOON: Duration = Duration::from_secs(20);

/// A connection on which anything can be written.
#[derive(Debug)]
pub struct Wire(TcpStream);

impl Wire {
    /// Connects to a gateway.
    ///
    /// # Panics
    /// It does not listen.
    pub async fn to(gateway: &Gateway) -> Self {
        let address = gateway.base.trim_start_matches("http://").trim_end_matches("/fhir");
        Self(TcpStream::connect(address).await.expect("the gateway listens"))
    }

    /// Writes; whether the other side still takes it.
    pub async fn write(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// Everything until the other side closes.
    ///
    /// # Panics
    /// It does not close.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A reset is a way to close, too.
        let _ = tokio::time::timeout(SOON, self.0.read_to_end(&mut bytes)).await.expect("it closes soon");
        bytes
    }

    /// What comes until an end is seen, or the other side closes.
    ///
    /// # Panics
    /// Neither happens.
    pub async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = async {
            let mut part = [0; 4_096];
            while !bytes.windows(end.len()).any(|window| window == end) {
                match self.0.read(&mut part).await {
                    Ok(0) | Err(_) => return,
                    Ok(read) => bytes.extend_from_slice(&part[..read]),
                }
            }
        };
        tokio::time::timeout(SOON, read).await.expect("it answers soon");
        bytes
    }
}

/// The statuses of the answers in a text, in their order.
pub fn statuses(answers: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answers);
    text.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok()).collect()
}
