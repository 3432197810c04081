//! The Wellgate gateway: FHIR exchange of referrals that move only where a Consent lets them. `ARCHITECTURE.md` draws the
//! floors that these modules stand on.

pub mod access;
pub mod app;
pub mod audit;
pub mod auth;
pub mod auth_keys;
pub mod backup;
pub mod bodies;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod consent;
pub mod demo;
pub mod error;
pub mod evidence;
pub mod fhir;
pub mod gateway;
pub mod key_ring;
pub mod labels;
pub mod oauth;
pub mod openapi;
pub mod people;
pub mod rates;
pub mod referral;
pub mod registry;
pub mod relabel;
pub mod router;
pub mod routing;
pub mod sandbox;
pub mod sealed;
pub mod search;
pub mod server;
pub mod storage;
pub mod telemetry;
pub mod vault;
