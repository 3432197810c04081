//! What a Bundle asks for, and what is wrong with it as such: whoever asks, and whatever is stored.

use serde_json::Value;

use super::content::structure;
use super::create::{RequestKey, key_of};
use super::entry::Entry;
use super::exchange::Exchange;
use crate::access::draft::Content;
use crate::error::{Failure, Issue};

/// What a Bundle asks for that is right as such.
pub enum Asked<'b> {
    /// All of it, or nothing; and the key under which the answer is remembered.
    Transaction(Vec<Entry<'b>>, Option<RequestKey>),
    /// Each entry for itself.
    Batch(Vec<Result<Entry<'b>, Failure>>),
}

/// What a Bundle asks for, once it is read.
///
/// # Errors
/// What is wrong with all of it, whoever asks and whatever is stored.
pub fn asked<'b>(
    exchange: &Exchange,
    (bytes, content, entries): (&[u8], &Content, Vec<Result<Entry<'b>, Failure>>),
) -> Result<Asked<'b>, Failure> {
    match content.value.get("type").and_then(Value::as_str) {
        Some("transaction") => {
            structure(&content.value, "")?;
            let entries = entries.into_iter().collect::<Result<Vec<_>, _>>()?;
            Ok(Asked::Transaction(entries, key_of(exchange, &["POST"], bytes)?))
        }
        Some("batch") if exchange.headers.contains_key("idempotency-key") => {
            let details = "the entries of a batch are remembered under no key: send a transaction";
            Err(Failure::BadRequest(vec![Issue::at("Idempotency-Key", "not-supported", details)]))
        }
        Some("batch") => Ok(Asked::Batch(entries)),
        _ => Err(Failure::content("Bundle.type", "value", "send a 'transaction' or a 'batch' here")),
    }
}
