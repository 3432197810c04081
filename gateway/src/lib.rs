//! The Wellgate gateway: FHIR exchange of referrals that move only where a Consent lets them.

pub mod consent;
