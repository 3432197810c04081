//! The Wellgate gateway: FHIR exchange of referrals that move only where a Consent lets them.

pub mod access;
pub mod app;
pub mod audit;
pub mod consent;
pub mod error;
pub mod fhir;
pub mod referral;
pub mod routing;
pub mod search;
pub mod storage;
