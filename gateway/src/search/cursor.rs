//! The opaque place at which a page ends: sealed, so that nobody makes or moves one, and bound to who asked what.
//!
//! Every page is decided anew by the join; the seal only keeps a cursor to its caller and query.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The key that seals cursors; made at random for each installation and shared by its replicas.
#[derive(Clone)]
pub struct CursorKey(hmac::Key);

impl fmt::Debug for CursorKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CursorKey")
    }
}

impl CursorKey {
    /// The key from its secret.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Seals a place for whom and what it is bound to.
    pub fn seal(&self, bound_to: &str, place: &str) -> String {
        let tag = hmac::sign(&self.0, bound(bound_to, place).as_bytes());
        let mut bytes = tag.as_ref()[..16].to_vec();
        bytes.extend_from_slice(place.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Opens what was sealed for the same; none for anything else.
    pub fn open(&self, bound_to: &str, cursor: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (tag, place) = bytes.split_at_checked(16)?;
        let place = String::from_utf8(place.to_vec()).ok()?;
        let expected = hmac::sign(&self.0, bound(bound_to, &place).as_bytes());
        aws_lc_rs::constant_time::verify_slices_are_equal(&expected.as_ref()[..16], tag).ok()?;
        Some(place)
    }
}

fn bound(bound_to: &str, place: &str) -> String {
    [bound_to, place].join("\u{1f}")
}
