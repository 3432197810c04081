//! The seals over the trail: what an event is marked with, to what a seal commits, and how a seal is signed.
//!
//! Pure. A mark is made when an event is written, by a secret that the database does not hold; a seal commits to a stretch of
//! events by salted hashes, so that an event can be erased with its salt and the seal still holds. How it is used: `docs/evidence.md`.

use aws_lc_rs::digest::{Context, SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::event::{AuditEvent, StoredEvent};
use super::seal_key::{SealKey, SealKeyError};

/// Events that a seal is over at most.
pub const EVENTS_MAX: usize = 1_024;
/// What the first seal names as the one before.
pub const NO_SEAL: &str = "";

const SALT_BYTES: usize = 16;
const MARK_BYTES: usize = 32;
const ENTRY_BYTES: usize = 1 + 32 + 16;

/// A column of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A text.
    Text(&'a str),
    /// A number.
    Number(i64),
}

/// Every column of an event that is not the evidence's own, by its name.
pub type Columns<'a> = [(&'static str, Value<'a>); 20];

macro_rules! columns {
    ($event:expr, $outcome:expr) => {{
        let event = $event;
        [
            ("compartment", Value::Text(&event.compartment)),
            ("id", Value::Text(&event.id)),
            ("recorded_ms", Value::Number(event.recorded_ms)),
            ("action", Value::Text(&event.action)),
            ("subtype", Value::Text(&event.subtype)),
            ("outcome", Value::Text($outcome)),
            ("reason", Value::Text(&event.reason)),
            ("organization", Value::Text(&event.organization)),
            ("client", Value::Text(&event.client)),
            ("practitioner", Value::Text(&event.practitioner)),
            ("purpose", Value::Text(&event.purpose)),
            ("basis", Value::Text(&event.basis)),
            ("resource_type", Value::Text(&event.resource_type)),
            ("resource_id", Value::Text(&event.resource_id)),
            ("version_id", Value::Number(event.version_id)),
            ("request_id", Value::Text(&event.request_id)),
            ("case_id", Value::Text(&event.case_id)),
            ("network", Value::Text(&event.network)),
            ("query", Value::Text(&event.query)),
            ("consents", Value::Text(&event.consents)),
        ]
    }};
}

impl AuditEvent {
    /// Its columns.
    pub fn columns(&self) -> Columns<'_> {
        columns!(self, self.outcome.code())
    }
}

impl StoredEvent {
    /// Its columns.
    pub fn columns(&self) -> Columns<'_> {
        columns!(self, &self.outcome)
    }
}

/// An event with its place in a chain, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailRow {
    /// The event.
    pub event: StoredEvent,
    /// Its chain.
    pub chain: i64,
    /// Its number there, from 1.
    pub sequence: i64,
    /// Salt and keyed mark.
    pub mark: String,
}

/// Marks events as written by who has the key: a salt and a keyed hash for each.
///
/// # Errors
/// There is no randomness.
pub fn marks<'a>(
    key: &SealKey,
    events: impl ExactSizeIterator<Item = Columns<'a>>,
) -> Result<Vec<String>, SealKeyError> {
    let mut salts = vec![0; events.len() * SALT_BYTES];
    SystemRandom::new().fill(&mut salts).map_err(|_| SealKeyError::NoRandomness)?;
    let (salts, _) = salts.as_chunks::<SALT_BYTES>();
    Ok(events.zip(salts).map(|(columns, salt)| URL_SAFE_NO_PAD.encode(mark(key, &columns, salt))).collect())
}

fn mark(key: &SealKey, columns: &Columns<'_>, salt: &[u8; SALT_BYTES]) -> [u8; MARK_BYTES] {
    let mut keyed = hmac::Context::with_key(key.mark_key());
    keyed.update(salt);
    feed(columns, &mut |bytes| keyed.update(bytes));
    let mut mark = [0; MARK_BYTES];
    let (own_salt, hash) = mark.split_at_mut(SALT_BYTES);
    own_salt.copy_from_slice(salt);
    hash.copy_from_slice(&keyed.sign().as_ref()[..MARK_BYTES - SALT_BYTES]);
    mark
}

/// Whether who has the key wrote the event just so.
pub fn is_marked(key: &SealKey, row: &TrailRow) -> bool {
    let Ok(given) = URL_SAFE_NO_PAD.decode(&row.mark) else { return false };
    let Some(salt) = given.first_chunk::<SALT_BYTES>() else { return false };
    let expected = mark(key, &row.event.columns(), salt);
    aws_lc_rs::constant_time::verify_slices_are_equal(&expected, &given).is_ok()
}

/// Hands every column on that says something, so that no two events give the same bytes. A column that is added later, and is empty
/// in what was there, changes nothing about it.
fn feed(columns: &Columns<'_>, take: &mut dyn FnMut(&[u8])) {
    let mut sized = |bytes: &[u8]| {
        take(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        take(bytes);
    };
    for (name, value) in columns {
        match value {
            Value::Text("") | Value::Number(0) => {}
            Value::Text(text) => {
                sized(name.as_bytes());
                sized(text.as_bytes());
            }
            Value::Number(number) => {
                sized(name.as_bytes());
                sized(&number.to_be_bytes());
            }
        }
    }
}

/// To what a seal commits of an event: nothing of it can be guessed without the salt, which stands in its row alone.
pub fn commitment(columns: &Columns<'_>, (chain, sequence): (i64, i64), mark: &str) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    hash.update(b"wellgate trail event 1\n");
    hash.update(&chain.to_be_bytes());
    hash.update(&sequence.to_be_bytes());
    hash.update(&u64::try_from(mark.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(mark.as_bytes());
    feed(columns, &mut |bytes| hash.update(bytes));
    array(hash.finish().as_ref())
}

fn array(bytes: &[u8]) -> [u8; 32] {
    bytes.first_chunk().copied().unwrap_or_default()
}

/// What a seal has of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whether the sealer found its mark good: else somebody without the key had written or changed it before it was sealed.
    pub is_marked: bool,
    /// See [`commitment`].
    pub commitment: [u8; 32],
    /// The event's id as a number, to name it when it is gone; 0 where it was none.
    pub id: u128,
}

impl Entry {
    /// Of a row, as it stands.
    pub fn of(key: &SealKey, row: &TrailRow) -> Self {
        Self::known(&row.event.columns(), (row.chain, row.sequence), &row.mark, is_marked(key, row))
    }

    /// Of an event at its place.
    pub fn known(columns: &Columns<'_>, place: (i64, i64), mark: &str, is_marked: bool) -> Self {
        let id = columns.iter().find_map(|(name, value)| match value {
            Value::Text(id) if *name == "id" => id_number(id),
            _ => None,
        });
        Self { is_marked, commitment: commitment(columns, place, mark), id: id.unwrap_or(0) }
    }

    /// The event's id.
    pub fn event_id(&self) -> Option<String> {
        (self.id != 0).then(|| format!("{:032x}", self.id))
    }
}

/// The id of an event as a number, where it is a UUID without dashes.
pub fn id_number(id: &str) -> Option<u128> {
    (id.len() == 32).then(|| u128::from_str_radix(id, 16).ok())?
}

fn pack(entries: &[Entry]) -> String {
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    for entry in entries {
        bytes.push(u8::from(entry.is_marked));
        bytes.extend_from_slice(&entry.commitment);
        bytes.extend_from_slice(&entry.id.to_be_bytes());
    }
    STANDARD.encode(bytes)
}

fn unpack(text: &str) -> Option<Vec<Entry>> {
    let bytes = STANDARD.decode(text).ok()?;
    let (chunks, rest) = bytes.as_chunks::<ENTRY_BYTES>();
    let entry = |chunk: &[u8; ENTRY_BYTES]| {
        Some(Entry {
            is_marked: chunk[0] == 1,
            commitment: *chunk[1..].first_chunk()?,
            id: u128::from_be_bytes(*chunk.last_chunk()?),
        })
    };
    rest.is_empty().then(|| chunks.iter().map(entry).collect())?
}

/// A seal over the next events of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// From 1, without gap, over all chains.
    pub number: i64,
    /// Whose events.
    pub chain: i64,
    /// The first of them.
    pub first_sequence: i64,
    /// The last of them.
    pub last_sequence: i64,
    /// When the earliest of them was recorded.
    pub first_ms: i64,
    /// When the latest of them was recorded.
    pub last_ms: i64,
    /// When they were sealed, by the sealer's clock.
    pub sealed_ms: i64,
    /// Which key signed.
    pub key_id: String,
    /// An [`Entry`] an event, packed.
    pub entries: String,
    /// The hash of the seal before; [`NO_SEAL`] in the first.
    pub previous: String,
    /// Over all of the above.
    pub hash: String,
    /// Ed25519 over [`Head::signed_text`], in base64.
    pub signature: String,
}

/// A stretch of a chain that is to be sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The chain.
    pub chain: i64,
    /// The number of the first event.
    pub first_sequence: i64,
    /// Its events, without gap; never empty.
    pub entries: Vec<Entry>,
    /// When the earliest and the latest of them were recorded.
    pub recorded_ms: (i64, i64),
}

impl Seal {
    /// The seal after `head` over a stretch.
    pub fn over(key: &SealKey, head: Option<&Head>, stretch: &Stretch, sealed_ms: i64) -> Self {
        let count = i64::try_from(stretch.entries.len()).unwrap_or(i64::MAX);
        let mut seal = Self {
            number: head.map_or(1, |head| head.number.saturating_add(1)),
            chain: stretch.chain,
            first_sequence: stretch.first_sequence,
            last_sequence: stretch.first_sequence + count - 1,
            first_ms: stretch.recorded_ms.0,
            last_ms: stretch.recorded_ms.1,
            sealed_ms,
            key_id: key.public().id().to_owned(),
            entries: pack(&stretch.entries),
            previous: head.map_or(NO_SEAL, |head| head.hash.as_str()).to_owned(),
            hash: String::new(),
            signature: String::new(),
        };
        seal.hash = seal.computed_hash();
        seal.signature = key.sign(&seal.head().signed_text());
        seal
    }

    /// The hash that it must have.
    pub fn computed_hash(&self) -> String {
        let mut hash = Context::new(&SHA256);
        hash.update(b"wellgate trail seal 1\n");
        let numbers = [self.number, self.chain, self.first_sequence, self.last_sequence];
        for number in numbers.into_iter().chain([self.first_ms, self.last_ms, self.sealed_ms]) {
            hash.update(&number.to_be_bytes());
        }
        for text in [&self.key_id, &self.previous, &self.entries] {
            hash.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(text.as_bytes());
        }
        hex(hash.finish().as_ref())
    }

    /// Its entries, one for each number from the first to the last; `None` where they are no such list.
    pub fn unpacked(&self) -> Option<Vec<Entry>> {
        let entries = unpack(&self.entries)?;
        let count = self.last_sequence.checked_sub(self.first_sequence)?.checked_add(1)?;
        (i64::try_from(entries.len()) == Ok(count) && count > 0).then_some(entries)
    }

    /// What can be published of it.
    pub fn head(&self) -> Head {
        Head { number: self.number, hash: self.hash.clone() }
    }
}

/// The last seal, by its number and hash: who keeps it elsewhere can tell later whether anything before it was changed or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Of the seal.
    pub number: i64,
    /// Of the seal.
    pub hash: String,
}

impl Head {
    /// What is signed: a line of text, so that any tool can check it.
    pub fn signed_text(&self) -> String {
        format!("wellgate trail head 1 {self}\n")
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.number, self.hash)
    }
}

impl std::str::FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "a head is NUMBER:HASH, as wellgate audit head prints it".to_owned();
        let (number, hash) = text.trim().split_once(':').ok_or_else(expected)?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = number.parse().ok().filter(|number| *number > 0 && is_hash).ok_or_else(expected)?;
        Ok(Self { number, hash: hash.to_ascii_lowercase() })
    }
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The first sixteen digits of the hash of some bytes: a name for them.
pub(super) fn fingerprint(bytes: &[u8]) -> String {
    hex(&digest(&SHA256, bytes).as_ref()[..8])
}
