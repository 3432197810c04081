//! Who calls: tokens, the keys that sign them, and what their scopes allow. Pure rules over values.
//!
//! Keys and time come in from outside; nothing here knows HTTP, the database or a file. What a verified caller may see
//! is not decided here either: a token says who asks, `access/` decides.

pub mod assertion;
pub mod certificate;
pub mod fhir_user;
pub mod issuer;
pub mod keys;
pub mod scopes;
pub mod token;
pub mod verifiers;

pub use assertion::{ASSERTION_TYPE, Assertion, claimed_client, verify_assertion};
pub use certificate::PeerCertificate;
pub use fhir_user::FhirUser;
pub use issuer::{Issuer, TokenGrant};
pub use keys::{KeySet, KeySetError};
pub use scopes::{Interaction, Scopes};
pub use token::{TokenClaims, TokenError, Verifier};
pub use verifiers::Verifiers;
