//! What a client needs to know to get a token.
//!
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html>

use serde_json::{Value, json};

use crate::app::MachineTokens;

/// The SMART configuration.
pub(super) fn document(tokens: &MachineTokens) -> Value {
    let root = &tokens.root;
    json!({
        "issuer": root,
        "jwks_uri": format!("{root}/oauth/jwks"),
        "token_endpoint": tokens.endpoint(),
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES384", "RS384", "ES256", "RS256"],
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": ["system/*.cruds", "system/*.rs"],
        "introspection_endpoint": format!("{root}/oauth/introspect"),
        "revocation_endpoint": format!("{root}/oauth/revoke"),
        "tls_client_certificate_bound_access_tokens": tokens.binds_to_certificates,
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    })
}
