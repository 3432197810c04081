//! HTTP answers: bytes as they are stored, with the headers that the standard asks for.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};

use super::exchange::Prefer;
use crate::error::{FHIR_JSON, information};
use crate::storage::resource::Seen;
use crate::storage::write_set::VersionId;

/// The `ETag` of a version.
pub fn etag(version: VersionId) -> String {
    format!("W/\"{version}\"")
}

/// Reads the version in `If-Match` or `If-None-Match`: weak or strong, as clients write it.
pub fn version_of(etag: &str) -> Option<VersionId> {
    let etag = etag.trim();
    let bare = etag.strip_prefix("W/").unwrap_or(etag);
    VersionId::parse(bare.trim_matches('"'))
}

/// An answer with a FHIR body.
pub fn json(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON));
    response
}

/// The answer that shows one version.
pub fn resource(seen: Seen) -> Response<Body> {
    let mut response = json(StatusCode::OK, seen.body);
    version_headers(&mut response, seen.version, seen.last_updated_ms);
    response
}

/// `ETag` and `Last-Modified`.
pub fn version_headers(response: &mut Response<Body>, version: VersionId, last_updated_ms: i64) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&etag(version)) {
        headers.insert(header::ETAG, value);
    }
    if let Ok(value) = HeaderValue::from_str(&http_date(last_updated_ms)) {
        headers.insert(header::LAST_MODIFIED, value);
    }
}

/// A moment as HTTP writes it.
pub fn http_date(moment_ms: i64) -> String {
    httpdate::fmt_http_date(moment(moment_ms))
}

/// A moment as the library of HTTP dates takes it.
pub(super) fn moment(moment_ms: i64) -> std::time::SystemTime {
    std::time::UNIX_EPOCH + std::time::Duration::from_millis(u64::try_from(moment_ms).unwrap_or_default())
}

/// What a write answers.
#[derive(Clone, Debug)]
pub struct Written {
    /// 201 or 200.
    pub status: StatusCode,
    /// `Type/id/_history/version`, relative to the base.
    pub location: String,
    /// The new version.
    pub version: VersionId,
    /// UTC milliseconds.
    pub last_updated_ms: i64,
    /// The stored bytes, where the caller may still see them after the write.
    pub body: Option<String>,
}

impl Written {
    /// The answer, with the body that the caller prefers and may see.
    pub fn into_response(self, base: &str, prefer: Prefer) -> Response<Body> {
        let body = match (prefer, self.body) {
            (Prefer::Representation, Some(body)) => body,
            (Prefer::OperationOutcome, _) => information("done"),
            (Prefer::Representation | Prefer::Minimal, _) => String::new(),
        };
        let mut response = json(self.status, body);
        version_headers(&mut response, self.version, self.last_updated_ms);
        let name = if self.status == StatusCode::CREATED { header::LOCATION } else { header::CONTENT_LOCATION };
        if let Ok(value) = HeaderValue::from_str(&format!("{base}/{}", self.location)) {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
