//! All outbound network of the gateway: one HTTP client with limits, and one file for each partner; and what partners sign and
//! encrypt with.

pub mod care_requests;
pub mod co_prev;
pub mod credentials;
pub mod delivery;
pub mod ehr_fhir;
pub mod gen_async;
pub mod guard;
pub mod http;
pub mod jwks;
pub mod notify_mail;
pub mod openid;
pub mod pki;
pub mod rest_hook;
pub mod sciensano_tdi;
