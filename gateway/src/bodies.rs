//! Reads the body of a request: within a number of bytes, without long pauses, and within a time.
//!
//! No body is unpacked anywhere, so its bytes on the line are its bytes in memory.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

/// How a body may arrive.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// The most bytes.
    pub bytes_max: usize,
    /// The longest time without any.
    pub pause: Duration,
    /// The longest time in all.
    pub time: Duration,
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than the limit.
    TooLong,
    /// It pauses, or takes, too long.
    TooSlow,
    /// The connection broke off, or what came is no HTTP.
    BrokenOff,
}

/// Reads the whole body.
///
/// # Errors
/// See [`BodyError`].
pub async fn read(mut body: Body, limits: BodyLimits) -> Result<Bytes, BodyError> {
    let whole = async {
        let mut parts: Vec<Bytes> = Vec::new();
        let mut left = limits.bytes_max;
        loop {
            let Ok(next) = timeout(limits.pause, body.frame()).await else { return Err(BodyError::TooSlow) };
            match next {
                None if parts.len() == 1 => return Ok(parts.pop().unwrap_or_default()),
                None => return Ok(parts.concat().into()),
                Some(Err(_)) => return Err(BodyError::BrokenOff),
                Some(Ok(frame)) => {
                    // What is no data is a trailer, which nobody reads.
                    let data = frame.into_data().unwrap_or_default();
                    left = left.checked_sub(data.len()).ok_or(BodyError::TooLong)?;
                    if !data.is_empty() {
                        parts.push(data);
                    }
                }
            }
        }
    };
    timeout(limits.time, whole).await.unwrap_or(Err(BodyError::TooSlow))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;

    const LIMITS: BodyLimits =
        BodyLimits { bytes_max: 4, pause: Duration::from_millis(50), time: Duration::from_mins(1) };

    fn parts(parts: &[&'static str]) -> Body {
        let parts: Vec<Result<Bytes, Infallible>> =
            parts.iter().map(|part| Ok(Bytes::from_static(part.as_bytes()))).collect();
        Body::from_stream(stream::iter(parts))
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        for (body, read_as) in [
            (parts(&[]), Ok(Bytes::new())),
            (parts(&["abcd"]), Ok(Bytes::from_static(b"abcd"))),
            (parts(&["ab", "", "cd"]), Ok(Bytes::from_static(b"abcd"))),
            (parts(&["ab", "cde"]), Err(BodyError::TooLong)),
            (parts(&["abcde"]), Err(BodyError::TooLong)),
        ] {
            assert_eq!(read(body, LIMITS).await, read_as);
        }
    }

    #[tokio::test]
    async fn attack_36_a_body_that_pauses_or_takes_too_long_is_given_up() {
        let silent = || Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        // By its pause, long before its time in all.
        let given_up = timeout(Duration::from_secs(20), read(silent(), LIMITS)).await;
        assert_eq!(given_up, Ok(Err(BodyError::TooSlow)));
        let endless = Body::from_stream(stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Some((Ok::<_, Infallible>(Bytes::new()), ()))
        }));
        let short = BodyLimits { pause: Duration::from_mins(1), time: Duration::from_millis(50), ..LIMITS };
        assert_eq!(read(endless, short).await, Err(BodyError::TooSlow));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_none() {
        let broken = stream::iter([Ok(Bytes::from_static(b"ab")), Err(std::io::Error::other("cut"))]);
        assert_eq!(read(Body::from_stream(broken), LIMITS).await, Err(BodyError::BrokenOff));
    }
}
