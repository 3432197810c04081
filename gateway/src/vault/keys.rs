//! The operator's keys, which wrap those of the records.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cipher::{DataKey, KEY_BYTES, aead, open, random, seal, tag};

/// The name of a key-encryption key.
pub type KeyringId = String;

/// Why a key ring cannot be used. The text never repeats a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// No line holds a key.
    #[error("there is no key in it")]
    Empty,
    /// A line is not a name and a key.
    #[error("line {0} is not a name, a space and the base64 text of {KEY_BYTES} bytes")]
    Line(usize),
    /// Two lines have one name.
    #[error("line {0} has the name of an earlier one")]
    Repeated(usize),
}

/// The key-encryption keys: the last wraps, all of them unwrap. Never shown by `Debug`.
#[derive(Clone)]
pub struct KeyRing {
    current: KeyringId,
    keys: BTreeMap<KeyringId, Arc<LessSafeKey>>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyRing({} keys, current {})", self.keys.len(), self.current)
    }
}

impl KeyRing {
    /// Reads a ring: a line a key, `NAME BASE64`, the newest last; empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// [`KeyRingError`].
    pub fn read(text: &str) -> Result<Self, KeyRingError> {
        let mut ring = Self { current: String::new(), keys: BTreeMap::new() };
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = KeyRingError::Line(n + 1);
            let (name, key) = line.split_once(char::is_whitespace).ok_or(wrong)?;
            let key = STANDARD.decode(key.trim()).map_err(|_| wrong)?;
            let key = Some(key).filter(|key| key.len() == KEY_BYTES).and_then(|key| aead(&key)).ok_or(wrong)?;
            if ring.keys.insert(name.to_owned(), Arc::new(key)).is_some() {
                return Err(KeyRingError::Repeated(n + 1));
            }
            name.clone_into(&mut ring.current);
        }
        if ring.keys.is_empty() { Err(KeyRingError::Empty) } else { Ok(ring) }
    }

    /// A line for a ring with a fresh key of this name; none where the system gives no randomness.
    pub fn fresh_line(name: &str) -> Option<String> {
        Some(format!("{name} {}\n", STANDARD.encode(random::<KEY_BYTES>()?)))
    }

    /// The name of the key that wraps.
    pub fn current(&self) -> &str {
        &self.current
    }

    /// Whether a key of this name is in the ring.
    pub fn has(&self, name: &str) -> bool {
        self.keys.contains_key(name)
    }

    /// Wraps the key of a record by the current key; it unwraps for the same `bound_to` only.
    pub fn wrap(&self, bound_to: &str, key: &DataKey) -> Option<String> {
        seal(self.keys.get(&self.current)?, bound_to, key.secret())
    }

    /// Unwraps what the key of this name wrapped; none for anything else.
    pub fn unwrap(&self, name: &str, bound_to: &str, wrapped: &str) -> Option<DataKey> {
        let secret = open(self.keys.get(name)?, bound_to, wrapped)?;
        DataKey::of(secret.try_into().ok()?)
    }
}

/// What hides which numbers the key store knows: the key of its index. It outlives the key-encryption keys, by which it is wrapped
/// like the key of a record.
#[derive(Clone)]
pub struct BlindKey {
    index: hmac::Key,
    pseudonym: Box<hmac::Key>,
}

impl fmt::Debug for BlindKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("BlindKey(***)")
    }
}

impl BlindKey {
    /// The index key of what was unwrapped.
    pub fn of(key: &DataKey) -> Self {
        let index = hmac::Key::new(hmac::HMAC_SHA256, key.secret());
        // A key of its own, and no text of an identifier is this one: they have a separator in them. So neither what is in the index
        // nor a pseudonym tells anything of the other.
        let derived = hmac::sign(&index, b"pseudonym");
        Self { pseudonym: Box::new(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())), index }
    }

    /// What stands for an identifier in the key store.
    pub fn blind(&self, system: &str, value: &str) -> String {
        tag(&self.index, system, value)
    }

    /// What stands for a person at a register: the same for the same number, another at another register.
    pub fn pseudonym(&self, register: &str, number: &str) -> [u8; KEY_BYTES] {
        // The name of a register cannot hold the separator.
        let tag = hmac::sign(&self.pseudonym, [register, number].join("\u{1f}").as_bytes());
        let mut bytes = [0; KEY_BYTES];
        bytes.copy_from_slice(tag.as_ref());
        bytes
    }
}
