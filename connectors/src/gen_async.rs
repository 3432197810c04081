//! Insurers, mutualities and care funds alike: what is posted to them, and the inbox in which their answers wait until they are confirmed.
//!
//! The shape is that of the asynchronous exchange of `MyCareNet` (post, get, confirm by hash) as JSON over HTTP: `docs/billing-transport.md` has it whole,
//! and says what of the real one stands behind it. Whatever comes back is hostile input: nothing is believed that names another message, another
//! third party or another hash than its content has, and nothing is confirmed here by itself.

mod answer;
mod content;
mod inbox;

pub use inbox::{FetchError, Fetched, Flaw, Incoming};

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use crate::delivery::{Boxed, Cause, Connector, Inquiry, Message, Outcome};
use crate::http::HttpClient;
use crate::pki::{Identity, cms};

/// The most messages of one call, whatever the settings say.
pub const PAGE_MAX: usize = 200;
/// The longest content that is sent, or taken in: a file of some 90,000 records.
pub const CONTENT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The kind of a delivery that is a file of invoices.
pub const INVOICE_FILE: &str = "invoice-file";
/// The kind of a delivery that asks a care fund for an allowance.
pub const CARE_REQUEST: &str = "care-request";

/// A receipt is short.
const TACK_BYTES_MAX: usize = 64 * 1024;

/// Which insurers are spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Mutualities: files of invoices.
    Mutualities,
    /// Care funds: files of invoices, and requests for an allowance.
    CareFunds,
}

/// Where they are reached, and in which form.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address of the interface, such as `https://mycarenet.example.org/gen-async/v1`.
    pub base_url: String,
    /// The enterprise number of whoever sends, 10 digits.
    pub enterprise: Option<String>,
    /// Signs what is sent, where it has to be signed.
    pub signer: Option<Arc<Identity>>,
    /// Whether content is compressed on its way.
    pub is_deflated: bool,
    /// How many messages are asked for at once, 1 to [`PAGE_MAX`].
    pub page: usize,
}

/// Speaks to insurers of one flow.
#[derive(Clone, Debug)]
pub struct GenAsync {
    http: HttpClient,
    flow: Flow,
    settings: Arc<Settings>,
}

/// What is posted, before it is put into its envelope.
struct Posted {
    name: &'static str,
    media_type: &'static str,
    third_party: String,
    federation: u16,
    input_reference: String,
    content: Vec<u8>,
}

impl GenAsync {
    /// A connector to the insurers of a flow.
    pub fn new(http: HttpClient, flow: Flow, settings: Settings) -> Self {
        Self { http, flow, settings: Arc::new(settings) }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.base_url.trim_end_matches('/'))
    }

    async fn post(&self, message: &Message) -> Outcome {
        let not_sendable = |text: &str| Outcome::Rejected(Cause::new("not-sendable", text));
        let posted = match self.posted(message) {
            Ok(posted) => posted,
            Err(text) => return not_sendable(text),
        };
        let expected = (message.reference.clone(), posted.input_reference.clone());
        let (settings, reference) = (Arc::clone(&self.settings), message.reference.clone());
        // A whole file is compressed, hashed and signed: that is no work for a thread that others wait for.
        let made = tokio::task::spawn_blocking(move || envelope(&settings, &reference, &posted)).await;
        let Ok(Some((envelope, hash))) = made else {
            return not_sendable("the message could not be put into its envelope, or not be signed");
        };
        let request = self.http.request(Method::POST, &self.url("/messages")).header(ACCEPT, answer::ACCEPTED);
        let heard = answer::heard(self.http.send(request.json(&envelope), TACK_BYTES_MAX).await);
        let tack = match heard {
            Ok(body) => body.get("tack").and_then(answer::Tack::read),
            Err(outcome) => return outcome,
        };
        let Some(tack) = tack else { return Outcome::Uncertain(answer::not_understood()) };
        if tack.reference != expected.0 || tack.input_reference != expected.1 || tack.hash != hash {
            return Outcome::Uncertain(answer::about_another());
        }
        tack.outcome()
    }

    /// What a message asks to be posted.
    ///
    /// # Errors
    /// Why it cannot be.
    fn posted(&self, message: &Message) -> Result<Posted, &'static str> {
        let text = |name: &str| message.body.get(name).and_then(Value::as_str).unwrap_or_default();
        let (third_party, input_reference) = (text("thirdParty"), text("inputReference"));
        let federation = message.body.get("federation").and_then(Value::as_u64).and_then(|one| u16::try_from(one).ok());
        let federation = federation.filter(|one| (1..=999).contains(one)).ok_or("the insurer is no number to 999")?;
        if !is_digits(third_party, 11) || !is_digits(input_reference, 14) {
            return Err("the third party has 11 digits, and the reference 14");
        }
        let (name, media_type, content) = match (message.kind.as_str(), self.flow) {
            (INVOICE_FILE, _) => {
                let file = text("content").as_bytes().to_vec();
                // An answer names the file by what stands in it: the envelope may not say something else.
                if !file.starts_with(b"920000") || file.get(20..34) != Some(input_reference.as_bytes()) {
                    return Err("the content is no file of invoices with this reference");
                }
                ("920000", "text/plain", file)
            }
            (CARE_REQUEST, Flow::CareFunds) => {
                let request = message.body.get("request").filter(|request| request.is_object());
                let request = request.ok_or("there is no request in the message")?;
                (CARE_REQUEST, "application/json", request.to_string().into_bytes())
            }
            _ => return Err("no message of this kind goes to these insurers"),
        };
        if content.len() > CONTENT_BYTES_MAX {
            return Err("the content is too long for one message");
        }
        let (third_party, input_reference) = (third_party.to_owned(), input_reference.to_owned());
        Ok(Posted { name, media_type, third_party, federation, input_reference, content })
    }

    async fn ask(&self, reference: &str) -> Inquiry {
        let request = self.http.request(Method::GET, &self.url("/tacks")).header(ACCEPT, answer::ACCEPTED);
        let heard = answer::heard(self.http.send(request.query(&[("reference", reference)]), TACK_BYTES_MAX).await);
        let body = match heard {
            Ok(body) => body,
            Err(Outcome::Retry(cause, wait)) => return Inquiry::Unanswered(cause, wait),
            Err(Outcome::Rejected(cause) | Outcome::Uncertain(cause)) => return Inquiry::Unanswered(cause, None),
            Err(Outcome::Delivered(_)) => return Inquiry::Unanswered(answer::not_understood(), None),
        };
        if body.get("reference").and_then(Value::as_str) != Some(reference) {
            return Inquiry::Unanswered(answer::about_another(), None);
        }
        match body.get("tack") {
            Some(Value::Null) => Inquiry::HasNot,
            Some(tack) => match answer::Tack::read(tack) {
                None => Inquiry::Unanswered(answer::not_understood(), None),
                Some(tack) if tack.reference != reference => Inquiry::Unanswered(answer::about_another(), None),
                Some(tack) => tack.inquiry(),
            },
            None => Inquiry::Unanswered(answer::not_understood(), None),
        }
    }
}

impl Connector for GenAsync {
    /// The real exchange does not promise it: what is uncertain is asked about.
    fn is_idempotent(&self) -> bool {
        false
    }

    fn send<'a>(&'a self, message: &'a Message) -> Boxed<'a, Outcome> {
        Box::pin(self.post(message))
    }

    fn inquire<'a>(&'a self, reference: &'a str) -> Boxed<'a, Inquiry> {
        Box::pin(self.ask(reference))
    }
}

/// The envelope with its hash; none where it cannot be signed or compressed.
fn envelope(settings: &Settings, reference: &str, posted: &Posted) -> Option<(Value, String)> {
    let hash = content::hash(&posted.content);
    let (encoding, data) = if settings.is_deflated {
        ("deflate", content::deflated(&posted.content)?)
    } else {
        ("none", posted.content.clone())
    };
    let mut envelope = json!({
        "reference": reference,
        "messageName": posted.name,
        "issuer": {"nihdi": posted.third_party},
        "destination": posted.federation,
        "inputReference": posted.input_reference,
        "content": {"type": posted.media_type, "encoding": encoding, "hash": hash, "data": STANDARD.encode(data)},
    });
    if let Some(enterprise) = &settings.enterprise {
        envelope["issuer"]["cbe"] = json!(enterprise);
    }
    if let Some(signer) = &settings.signer {
        envelope["signature"] = json!(STANDARD.encode(cms::sign(signer, &posted.content, true).ok()?));
    }
    Some((envelope, hash))
}

pub(crate) fn is_digits(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
