//! Who calls: tokens, the keys that sign them, and what their scopes allow. Pure rules over values.
//!
//! Keys and time come in from outside; nothing here knows HTTP, the database or a file. What a verified caller may see
//! is not decided here either: a token says who asks, `access/` decides.

pub mod assertion;
pub mod browser;
pub mod certificate;
pub mod fhir_user;
pub mod id_token;
pub mod issuer;
pub mod keys;
pub mod own_assertion;
pub mod person_role;
pub mod scopes;
pub mod token;
pub mod verifiers;

pub use assertion::{ASSERTION_TYPE, Assertion, claimed_client, verify_assertion};
pub use browser::{BrowserKey, SignIn};
pub use certificate::PeerCertificate;
pub use fhir_user::FhirUser;
pub use id_token::{Expected, SignedIn, verify_id_token};
pub use issuer::{Issuer, TokenGrant};
pub use keys::{KeySet, KeySetError};
pub use own_assertion::AssertionKey;
pub use person_role::{Admission, PersonRole};
pub use scopes::{Interaction, Scopes};
pub use token::{TokenClaims, TokenError, Verifier};
pub use verifiers::Verifiers;
