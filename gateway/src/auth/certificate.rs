//! The certificate by which a client spoke TLS, as tokens name it.
//!
//! Specification: RFC 8705, <https://www.rfc-editor.org/rfc/rfc8705>

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The member of `cnf` that binds a token to a certificate.
const THUMBPRINT: &str = "x5t#S256";

/// A client's certificate, verified in the handshake: its SHA-256 in base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate(String);

impl PeerCertificate {
    /// Of the certificate in DER.
    pub fn of_der(der: &[u8]) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(der)))
    }

    /// The thumbprint.
    pub fn thumbprint(&self) -> &str {
        &self.0
    }

    /// The thumbprint in a `cnf` claim. Any other way to confirm is one that nobody would check, so it is none.
    pub(super) fn confirmed(cnf: &Value) -> Option<String> {
        let members = cnf.as_object().filter(|members| members.len() == 1)?;
        members.get(THUMBPRINT)?.as_str().map(str::to_owned)
    }
}
