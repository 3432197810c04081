//! The envelope as an insurer reads and writes it.

use std::fmt::Write as _;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::inbox::Waiting;

/// The longest content.
const CONTENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A message as it came.
pub(super) struct Envelope {
    pub(super) reference: String,
    /// Whether it asks for an allowance; else it is a file of invoices.
    pub(super) is_request: bool,
    pub(super) third_party: String,
    pub(super) destination: u16,
    pub(super) input_reference: String,
    pub(super) hash: String,
    /// None where it cannot be read.
    pub(super) content: Option<Vec<u8>>,
}

impl Envelope {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong, beginning with the name of the member.
    pub(super) fn read(body: &Value, takes_requests: bool) -> Result<Self, String> {
        let text = |path: &str| body.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let wrong = |what: &str| Err(what.to_owned());
        let reference = text("/reference");
        if !(1..=64).contains(&reference.len()) {
            return wrong("reference: 1 to 64 characters");
        }
        let is_request = match text("/messageName") {
            "920000" => false,
            "care-request" if takes_requests => true,
            _ => return wrong("messageName: 920000, or care-request to a care fund"),
        };
        let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(text("/issuer/nihdi"), 11) {
            return wrong("issuer.nihdi: 11 digits");
        }
        if !digits(text("/inputReference"), 14) {
            return wrong("inputReference: 14 digits");
        }
        let destination = body.get("destination").and_then(Value::as_u64).and_then(|one| u16::try_from(one).ok());
        let Some(destination) = destination.filter(|one| (1..=999).contains(one)) else {
            return wrong("destination: a number from 1 to 999");
        };
        Ok(Self {
            reference: reference.to_owned(),
            is_request,
            third_party: text("/issuer/nihdi").to_owned(),
            destination,
            input_reference: text("/inputReference").to_owned(),
            hash: text("/content/hash").to_owned(),
            content: content(text("/content/encoding"), text("/content/data")),
        })
    }

    /// The receipt of it, of failure where it is refused.
    pub(super) fn tack(&self, refusal: Option<&(String, String)>, number: usize) -> Value {
        let mut tack = json!({
            "reference": self.reference,
            "inputReference": self.input_reference,
            "hash": self.hash,
            "result": if refusal.is_some() { "failure" } else { "success" },
            "id": format!("TACK-{number}"),
        });
        if let Some((class, code)) = refusal {
            tack["class"] = json!(class);
            tack["code"] = json!(code);
        }
        tack
    }
}

fn content(encoding: &str, data: &str) -> Option<Vec<u8>> {
    let data = STANDARD.decode(data).ok()?;
    match encoding {
        "none" => Some(data),
        "deflate" => {
            let mut content = Vec::new();
            ZlibDecoder::new(&data[..]).take(CONTENT_BYTES_MAX).read_to_end(&mut content).ok()?;
            Some(content)
        }
        _ => None,
    }
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hash(content: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(content) {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A message as it is given.
pub(super) fn given(waiting: &Waiting) -> Value {
    json!({
        "messageName": waiting.name,
        "recipient": {"nihdi": waiting.recipient, "destination": waiting.destination},
        "inputReference": waiting.reference,
        "content": {"type": "text/plain", "encoding": "none", "hash": waiting.hash, "data": STANDARD.encode(&waiting.content)},
    })
}
