//! The inbox at an insurer: answers are fetched as often as they come, and confirmed by hash once they are kept.
//!
//! An insurer gives a message again until it is confirmed, and perhaps once more after that. What is wrong with one message holds up no other, and is
//! not confirmed: somebody has to see it.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use super::content::{Unread, is_hash, read};
use super::{CONTENT_BYTES_MAX, GenAsync, PAGE_MAX, answer, is_digits};
use crate::delivery::{Cause, Outcome};

/// The longest page that is read: a file of the greatest length in base64, and its envelope.
const PAGE_BYTES_MAX: usize = 48 * 1024 * 1024;
/// The content of one page that is held in memory; what is beyond comes with the next.
const CONTENT_OF_PAGE_MAX: usize = 64 * 1024 * 1024;
/// A page may be long.
const PAGE_TIMEOUT: Duration = Duration::from_mins(2);
const NAME_BYTES_MAX: usize = 24;

/// A page of an inbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// What came, in the insurer's order, each hash once: hash, third party and insurer hold.
    pub messages: Vec<Incoming>,
    /// What came and is not believed.
    pub flawed: Vec<Flaw>,
    /// Whether more waits.
    pub has_more: bool,
}

/// One message of an insurer.
#[derive(Clone, PartialEq, Eq)]
pub struct Incoming {
    /// SHA-256 of the content, 64 lower-case hexadecimal digits.
    pub hash: String,
    /// The 14 digits of what it answers; empty where its envelope names nothing.
    pub reference: String,
    /// What its envelope calls it, such as `920900`, `DF011`, `care-decision` or `tack`: letters, digits and `-`.
    pub message_name: String,
    /// What it says.
    pub content: Vec<u8>,
}

/// Without what it says: that is about people.
impl fmt::Debug for Incoming {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hash, reference, message_name, content: _ } = self;
        let mut shown = formatter.debug_struct("Incoming");
        shown
            .field("hash", hash)
            .field("reference", reference)
            .field("message_name", message_name)
            .finish_non_exhaustive()
    }
}

/// A message that is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The hash that its envelope states; empty where it states none.
    pub hash: String,
    /// Why.
    pub cause: Cause,
}

/// Why there is no page, or nothing was confirmed. It may be asked again, not before so long where the insurer said so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", .cause.code, .cause.text)]
pub struct FetchError {
    /// Why, with its class in front of the code.
    pub cause: Cause,
    /// How long the insurer wants us to wait.
    pub wait: Option<Duration>,
}

impl From<Cause> for FetchError {
    fn from(cause: Cause) -> Self {
        Self { cause, wait: None }
    }
}

impl From<Outcome> for FetchError {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Retry(cause, wait) => Self { cause, wait },
            Outcome::Rejected(cause) | Outcome::Uncertain(cause) => cause.into(),
            Outcome::Delivered(_) => answer::not_understood().into(),
        }
    }
}

impl GenAsync {
    /// What waits for a third party at an insurer, at most so many messages, and no more than the settings say.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(&self, third_party: &str, federation: u16, max: usize) -> Result<Fetched, FetchError> {
        self.fetch_past(third_party, federation, (max, 0)).await
    }

    /// The same, past so many that are flawed: they are not confirmed, and stand in front of whatever came after them.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch_past(
        &self,
        third_party: &str,
        federation: u16,
        (max, flawed): (usize, usize),
    ) -> Result<Fetched, FetchError> {
        let max = (max.min(self.settings.page) + flawed).clamp(1, PAGE_MAX);
        let least = (1 + flawed).min(PAGE_MAX);
        match self.page(third_party, federation, max).await {
            // So many are too long together, or take too long: one by one there may be an end to it.
            Err(error) if max > least && is_too_much(&error.cause) => self.page(third_party, federation, least).await,
            fetched => fetched,
        }
    }

    async fn page(&self, third_party: &str, federation: u16, max: usize) -> Result<Fetched, FetchError> {
        if !is_digits(third_party, 11) {
            return Err(Cause::new("not-sendable", "the third party has 11 digits").into());
        }
        let query =
            [("nihdi", third_party.to_owned()), ("destination", federation.to_string()), ("max", max.to_string())];
        let request = self.http.request(Method::GET, &self.url("/messages")).header(ACCEPT, answer::ACCEPTED);
        let request = request.timeout(PAGE_TIMEOUT).query(&query);
        let told = self.http.send(request, PAGE_BYTES_MAX).await;
        let third_party = third_party.to_owned();
        // Megabytes are decoded and hashed: that is no work for a thread that others wait for.
        let read = tokio::task::spawn_blocking(move || fetched(&answer::heard(told)?, &third_party, federation, max));
        read.await.unwrap_or_else(|_| Err(answer::not_understood().into()))
    }

    /// Tells an insurer which messages are kept: it does not give them again.
    ///
    /// # Errors
    /// [`FetchError`]: it may or may not know, and gives them again where it does not.
    pub async fn confirm(&self, third_party: &str, federation: u16, hashes: &[String]) -> Result<(), FetchError> {
        if !is_digits(third_party, 11) || hashes.iter().any(|hash| !is_hash(hash)) {
            return Err(Cause::new("not-sendable", "a hash has 64 digits, and the third party 11").into());
        }
        for part in hashes.chunks(PAGE_MAX) {
            let body = json!({"nihdi": third_party, "destination": federation, "hashes": part});
            let request = self.http.request(Method::POST, &self.url("/confirm")).header(ACCEPT, answer::ACCEPTED);
            let told = answer::heard(self.http.send(request.json(&body), super::TACK_BYTES_MAX).await)?;
            if told.get("confirmed").and_then(Value::as_array).is_none() {
                return Err(answer::not_understood().into());
            }
        }
        Ok(())
    }
}

fn is_too_much(cause: &Cause) -> bool {
    matches!(cause.code.as_str(), "technical.answer-too-long" | "technical.timed-out")
}

fn fetched(page: &Value, third_party: &str, federation: u16, max: usize) -> Result<Fetched, FetchError> {
    let is_ours = |value: &Value| {
        value.get("nihdi").and_then(Value::as_str) == Some(third_party)
            && value.get("destination").and_then(Value::as_u64) == Some(federation.into())
    };
    let listed = page.get("messages").and_then(Value::as_array).ok_or_else(answer::not_understood)?;
    let has_more = page.get("more").and_then(Value::as_bool).ok_or_else(answer::not_understood)?;
    if !is_ours(page) {
        return Err(answer::about_another().into());
    }
    let mut fetched = Fetched { has_more: has_more || listed.len() > max, ..Fetched::default() };
    let (mut seen, mut budget) = (HashSet::new(), CONTENT_OF_PAGE_MAX);
    for message in listed.iter().take(max) {
        let stated = message.pointer("/content/hash").and_then(Value::as_str).filter(|hash| is_hash(hash));
        let stated = stated.unwrap_or_default().to_owned();
        let mut flaw = |code: &str, text: &str| {
            fetched.flawed.push(Flaw { hash: stated.clone(), cause: Cause::new(format!("message.{code}"), text) });
        };
        if !message.get("recipient").is_some_and(is_ours) {
            flaw("wrong-third-party", "a message is for somebody else");
            continue;
        }
        let text = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default();
        let (name, reference) = (text("messageName"), text("inputReference"));
        if !is_name(name) || !(reference.is_empty() || is_digits(reference, 14)) {
            flaw("unreadable", "a message has no name, or a reference that is none");
            continue;
        }
        let content = match read(message.get("content"), budget.min(CONTENT_BYTES_MAX)) {
            Ok(content) => content,
            // It may be that there is room for it on a page of its own.
            Err(Unread::Long) if budget < CONTENT_BYTES_MAX => {
                fetched.has_more = true;
                break;
            }
            Err(Unread::Long) => {
                flaw("too-long", "a message is longer than what is taken in");
                continue;
            }
            Err(Unread::Form) => {
                flaw("unreadable", "the content of a message cannot be read");
                continue;
            }
            Err(Unread::Hash) => {
                flaw("wrong-hash", "a message has another hash than its content");
                continue;
            }
        };
        budget -= content.len();
        if seen.insert(stated.clone()) {
            let (reference, message_name) = (reference.to_owned(), name.to_owned());
            fetched.messages.push(Incoming { hash: stated, reference, message_name, content });
        }
    }
    Ok(fetched)
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
