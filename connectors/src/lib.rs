//! All outbound network of the gateway: one HTTP client with limits, and one file for each partner.

pub mod guard;
pub mod http;
pub mod jwks;
