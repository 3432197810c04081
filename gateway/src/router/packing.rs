//! Which answers travel packed: long ones of the FHIR interface, to programs that proved themselves by a token.
//!
//! How long a packed answer is tells whether a guess that is repeated in it meets a secret beside it (BREACH). That takes somebody who makes
//! the victim ask. A browser is made to, by its cookie: what rests on a cookie, and every page, travels as it is. A program's token is in no
//! hands but its own.

use axum::http::{Extensions, HeaderMap, StatusCode, Version};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{And, Predicate as _, SizeAbove};

use crate::fhir::exchange::ByToken;

/// Shorter answers gain nothing.
const BYTES_MIN: u64 = 1_024;

type IsByToken = fn(StatusCode, Version, &HeaderMap, &Extensions) -> bool;

/// The layer that packs. The quickest level: most of what it saves, and little of the processor.
pub(super) fn layer() -> CompressionLayer<And<SizeAbove, IsByToken>> {
    let is_by_token: IsByToken = |_, _, _, extensions| extensions.get::<ByToken>().is_some();
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(SizeAbove::new(BYTES_MIN).and(is_by_token))
}
