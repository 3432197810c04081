//! Requests that a proxy and we may read as two different ones: refused, and their connection closed.
//!
//! hyper refuses most of them by itself, and closes the connection after a request with two lengths, of which it takes the chunks. What
//! it lets pass is here. <https://www.rfc-editor.org/rfc/rfc9112#section-11.2>

use hyper::header::HOST;
use hyper::{HeaderMap, Version};

/// Whether a request is not for exactly one host.
pub(super) fn is_ambiguous(version: Version, headers: &HeaderMap) -> bool {
    // In HTTP/2 it is `:authority`.
    if version > Version::HTTP_11 {
        return false;
    }
    let hosts = headers.get_all(HOST).iter().count();
    // Before 1.1 there was none.
    if version == Version::HTTP_11 { hosts != 1 } else { hosts > 1 }
}
