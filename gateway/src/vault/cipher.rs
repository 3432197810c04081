//! The key of a record: it seals values, and makes the tokens by which they are found.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Bytes of every key.
pub(super) const KEY_BYTES: usize = 32;

/// The key of a record; never shown by `Debug`.
pub struct DataKey {
    secret: [u8; KEY_BYTES],
    aead: LessSafeKey,
    token: hmac::Key,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DataKey(***)")
    }
}

impl DataKey {
    /// A fresh key; none where the system gives no randomness.
    pub fn fresh() -> Option<Self> {
        Self::of(random()?)
    }

    pub(super) fn of(secret: [u8; KEY_BYTES]) -> Option<Self> {
        let derived = |purpose: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), purpose);
        let aead = aead(derived(b"seal").as_ref())?;
        let token = hmac::Key::new(hmac::HMAC_SHA256, derived(b"find").as_ref());
        Some(Self { secret, aead, token })
    }

    pub(super) fn secret(&self) -> &[u8; KEY_BYTES] {
        &self.secret
    }

    /// Seals a text; it opens only for the same `bound_to`.
    pub fn seal(&self, bound_to: &str, text: &str) -> Option<String> {
        seal(&self.aead, bound_to, text.as_bytes())
    }

    /// Opens what this key sealed for the same `bound_to`; none for anything else.
    pub fn open(&self, bound_to: &str, sealed: &str) -> Option<String> {
        String::from_utf8(open(&self.aead, bound_to, sealed)?).ok()
    }

    /// What stands for an identifier in the search index of this key's record.
    pub fn token(&self, system: &str, value: &str) -> String {
        tag(&self.token, system, value)
    }
}

/// The tag of an identifier under a key: 128 bits, in text.
pub(super) fn tag(key: &hmac::Key, system: &str, value: &str) -> String {
    // A system cannot hold the separator: it is a URI.
    let tag = hmac::sign(key, [system, value].join("\u{1f}").as_bytes());
    URL_SAFE_NO_PAD.encode(&tag.as_ref()[..16])
}

pub(super) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).ok()?;
    Some(bytes)
}

pub(super) fn aead(key: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM_SIV, key).ok().map(LessSafeKey::new)
}

/// Nonce, ciphertext and tag, in text.
pub(super) fn seal(key: &LessSafeKey, bound_to: &str, plain: &[u8]) -> Option<String> {
    let nonce: [u8; NONCE_LEN] = random()?;
    let mut sealed = plain.to_vec();
    let aad = Aad::from(bound_to.as_bytes());
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).ok()?;
    let mut bytes = nonce.to_vec();
    bytes.extend_from_slice(&sealed);
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

pub(super) fn open(key: &LessSafeKey, bound_to: &str, sealed: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
    let mut sealed = sealed.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let plain = key.open_in_place(nonce, Aad::from(bound_to.as_bytes()), &mut sealed).ok()?;
    Some(plain.to_vec())
}
