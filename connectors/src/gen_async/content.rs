//! Content on its way: hashed, compressed, in base64; and read back within limits.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// SHA-256 of content as it is, in 64 lower-case hexadecimal digits.
pub(super) fn hash(content: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(content) {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Whether a text can be such a hash.
pub(super) fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

/// The content in the form of zlib (RFC 1950), which HTTP calls `deflate`.
pub(super) fn deflated(content: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).ok()?;
    encoder.finish().ok()
}

/// Why content is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It has not the form.
    Form,
    /// It is longer than the limit, perhaps only once it is not compressed any more.
    Long,
    /// Its hash is another.
    Hash,
}

/// Reads content of an envelope that has at most so many bytes.
///
/// # Errors
/// [`Unread`].
pub(super) fn read(content: Option<&Value>, bytes_max: usize) -> Result<Vec<u8>, Unread> {
    let text = |name: &str| content.and_then(|content| content.get(name)).and_then(Value::as_str);
    let (encoding, data) = (text("encoding").ok_or(Unread::Form)?, text("data").ok_or(Unread::Form)?);
    let stated = text("hash").filter(|hash| is_hash(hash)).ok_or(Unread::Form)?;
    // Four characters are three bytes.
    if data.len() / 4 > bytes_max / 3 + 1 {
        return Err(Unread::Long);
    }
    let data = STANDARD.decode(data).map_err(|_| Unread::Form)?;
    let bytes = match encoding {
        "none" => data,
        "deflate" => inflated(&data, bytes_max)?,
        _ => return Err(Unread::Form),
    };
    if bytes.len() > bytes_max {
        return Err(Unread::Long);
    }
    if hash(&bytes) == stated { Ok(bytes) } else { Err(Unread::Hash) }
}

/// A few bytes may become gigabytes: it is read no further than the limit.
fn inflated(data: &[u8], bytes_max: usize) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    ZlibDecoder::new(data).take(limit).read_to_end(&mut bytes).map_err(|_| Unread::Form)?;
    if bytes.len() > bytes_max { Err(Unread::Long) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn envelope(encoding: &str, data: &[u8], hash: &str) -> Value {
        json!({"encoding": encoding, "data": STANDARD.encode(data), "hash": hash})
    }

    #[test]
    fn content_comes_back_as_it_was_whichever_way_it_went() {
        let content = b"920000".repeat(1_000);
        let deflated = deflated(&content).expect("it is compressed");
        assert!(deflated.len() < content.len() / 10);
        for envelope in [envelope("none", &content, &hash(&content)), envelope("deflate", &deflated, &hash(&content))] {
            assert_eq!(read(Some(&envelope), content.len()), Ok(content.clone()));
            assert_eq!(read(Some(&envelope), content.len() - 1), Err(Unread::Long));
        }
    }

    #[test]
    fn attack_50_a_few_bytes_that_become_gigabytes_are_read_no_further_than_the_limit() {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        let chunk = vec![b'0'; 1024 * 1024];
        for _ in 0..256 {
            encoder.write_all(&chunk).expect("memory takes it");
        }
        let bomb = encoder.finish().expect("memory takes it");
        assert!(bomb.len() < 1024 * 1024);
        assert_eq!(read(Some(&envelope("deflate", &bomb, &hash(b""))), 1024 * 1024), Err(Unread::Long));
    }

    #[test]
    fn what_is_not_what_it_says_is_not_taken() {
        let right = hash(b"x");
        let cases = [
            (envelope("none", b"y", &right), Unread::Hash),
            (envelope("none", b"x", &right.to_uppercase()), Unread::Form),
            (envelope("gzip", b"x", &right), Unread::Form),
            (envelope("deflate", b"x", &right), Unread::Form),
            (json!({"encoding": "none", "data": "e===", "hash": right}), Unread::Form),
            (json!({"encoding": "none", "hash": right}), Unread::Form),
            (json!({"encoding": "none", "data": 1, "hash": right}), Unread::Form),
            (json!([]), Unread::Form),
            (Value::Null, Unread::Form),
        ];
        for (envelope, why) in cases {
            assert_eq!(read(Some(&envelope), 10), Err(why), "{envelope}");
        }
    }
}
