//! What every answer tells a browser and a cache: that it is what its type says, is kept nowhere, and runs nothing.

use axum::http::HeaderMap;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};

/// An answer is data: nothing in it is run, loaded or framed. A page says what it needs instead.
const NOTHING_RUNS: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const A_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Puts the headers on an answer. `is_https`: the gateway is reached by TLS, its own or a proxy's.
pub(super) fn protect(headers: &mut HeaderMap, is_https: bool) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Health data is kept by no cache, and that somebody asks is health data too.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A page whose forms must say where they come from asks for `same-origin`.
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(NOTHING_RUNS);
    if is_https {
        headers.insert(STRICT_TRANSPORT_SECURITY, A_YEAR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_48_an_answer_runs_nothing_and_is_kept_nowhere() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
        protect(&mut headers, false);
        assert_eq!(headers[CACHE_CONTROL], "no-store");
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[REFERRER_POLICY], "no-referrer");
        assert_eq!(headers[CONTENT_SECURITY_POLICY], "default-src 'none'; frame-ancestors 'none'");
        assert!(!headers.contains_key(STRICT_TRANSPORT_SECURITY), "plain HTTP is for this machine or a proxy");
    }

    #[test]
    fn a_page_keeps_the_policy_that_it_gave_itself() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'"));
        protect(&mut headers, true);
        assert_eq!(headers[CONTENT_SECURITY_POLICY], "default-src 'self'");
        assert_eq!(headers[STRICT_TRANSPORT_SECURITY], "max-age=31536000");
    }
}
