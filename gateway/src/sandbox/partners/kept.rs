//! What really arrived at a partner: each message by our reference, how often, and whether it had an effect. All of it has an end.

use std::collections::{BTreeMap, HashMap};

use axum::body::Bytes;
use serde_json::{Value, json};

use crate::clock::format_instant;

/// Messages that one partner remembers; then the oldest are forgotten.
pub(super) const MESSAGES_MAX: usize = 10_000;
/// The bodies that it remembers together.
pub(super) const BYTES_MAX: usize = 32 * 1024 * 1024;

/// A message, as often as it came.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) reference: String,
    /// How often it came.
    pub(super) times: u64,
    /// How often that changed something at the partner.
    pub(super) effects: u64,
    /// Whether another body came under the same reference.
    pub(super) has_changed: bool,
    first_ms: i64,
    last_ms: i64,
    /// What was answered the last time.
    pub(super) status: u16,
    /// What came first.
    pub(super) body: Bytes,
    /// Headers of the gateway's own, as they came last.
    headers: Vec<(String, String)>,
}

/// One arrival.
pub(super) struct Arrival {
    pub(super) reference: String,
    pub(super) body: Bytes,
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) now_ms: i64,
}

/// Everything that one partner remembers.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// By their numbers, so the oldest first.
    messages: BTreeMap<u64, Message>,
    numbers: HashMap<String, u64>,
    bytes: usize,
    count: u64,
    forgotten: u64,
    /// Calls of any kind, those among them that failed by a fault.
    pub(super) calls: u64,
}

impl Kept {
    /// A message that came before.
    pub(super) fn find(&self, reference: &str) -> Option<&Message> {
        self.messages.get(self.numbers.get(reference)?)
    }

    /// The number of a message: its own, or that of the next.
    pub(super) fn number(&self, reference: &str) -> u64 {
        self.numbers.get(reference).copied().unwrap_or(self.count + 1)
    }

    /// The messages, the oldest first.
    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.values()
    }

    /// Remembers an arrival. `has_effect`: whether it changes something at a partner at which this reference had so many effects before.
    pub(super) fn add(&mut self, arrival: Arrival, has_effect: impl Fn(u64) -> bool) {
        let Arrival { reference, body, status, headers, now_ms } = arrival;
        let is_success = (200..300).contains(&status);
        let known = self.numbers.get(&reference).and_then(|number| self.messages.get_mut(number));
        if let Some(message) = known {
            message.times += 1;
            message.effects += u64::from(is_success && has_effect(message.effects));
            message.has_changed |= message.body != body;
            (message.last_ms, message.status, message.headers) = (now_ms, status, headers);
            return;
        }
        self.count += 1;
        self.bytes += body.len();
        self.numbers.insert(reference.clone(), self.count);
        let effects = u64::from(is_success && has_effect(0));
        let message = Message {
            reference,
            times: 1,
            effects,
            has_changed: false,
            first_ms: now_ms,
            last_ms: now_ms,
            status,
            body,
            headers,
        };
        self.messages.insert(self.count, message);
        while self.messages.len() > MESSAGES_MAX || self.bytes > BYTES_MAX {
            let Some((_, oldest)) = self.messages.pop_first() else { break };
            self.numbers.remove(&oldest.reference);
            self.bytes -= oldest.body.len();
            self.forgotten += 1;
        }
    }

    /// What arrived, the newest last; with a reference only that.
    pub(super) fn described(&self, reference: Option<&str>) -> Value {
        let is_asked = |message: &&Message| reference.is_none_or(|reference| message.reference == reference);
        let messages: Vec<Value> = self.messages().filter(is_asked).map(Message::described).collect();
        json!({"calls": self.calls, "forgotten": self.forgotten, "messages": messages})
    }
}

impl Message {
    fn described(&self) -> Value {
        // What is no JSON is shown as the text that it is.
        let text = || Value::from(String::from_utf8_lossy(&self.body).into_owned());
        let mut described = json!({
            "reference": self.reference,
            "times": self.times,
            "effects": self.effects,
            "changed": self.has_changed,
            "status": self.status,
            "first": format_instant(self.first_ms),
            "last": format_instant(self.last_ms),
            "body": serde_json::from_slice(&self.body).unwrap_or_else(|_| text()),
        });
        if !self.headers.is_empty() {
            // What was signed is the text, and not what JSON makes of it.
            described["headers"] = self.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            described["text"] = text();
        }
        described
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(reference: &str, body: &'static str, status: u16) -> Arrival {
        let (reference, body) = (reference.to_owned(), Bytes::from_static(body.as_bytes()));
        Arrival { reference, body, status, headers: Vec::new(), now_ms: 0 }
    }

    #[test]
    fn a_message_that_comes_again_is_counted_and_has_its_effect_once() {
        let mut kept = Kept::default();
        kept.add(arrival("a", "1", 201), |before| before == 0);
        kept.add(arrival("b", "1", 422), |before| before == 0);
        kept.add(arrival("a", "2", 201), |before| before == 0);
        let a = kept.find("a").expect("it is there");
        assert_eq!((a.times, a.effects, a.has_changed, &a.body[..]), (2, 1, true, &b"1"[..]));
        assert_eq!(kept.find("b").map(|b| (b.times, b.effects)), Some((1, 0)));
        assert_eq!((kept.number("a"), kept.number("b"), kept.number("c")), (1, 2, 3));
    }

    #[test]
    fn what_a_partner_remembers_has_an_end() {
        let mut kept = Kept::default();
        for number in 0..=MESSAGES_MAX {
            kept.add(arrival(&number.to_string(), "x", 200), |_| true);
        }
        assert!(kept.messages().count() <= MESSAGES_MAX);
        assert!(kept.find("0").is_none(), "the oldest are forgotten first");
        assert!(kept.find(&MESSAGES_MAX.to_string()).is_some());
        assert_eq!(kept.forgotten + kept.messages().count() as u64, MESSAGES_MAX as u64 + 1);
        assert_eq!(kept.bytes, kept.messages().count());
    }
}
