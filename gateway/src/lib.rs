//! The gateway: every module of Wellgate, on the floors that `ARCHITECTURE.md` draws.

pub mod auth;
pub mod auth_keys;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod server;
pub mod telemetry;
