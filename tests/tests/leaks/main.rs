//! The leak kit against a running gateway, and withdrawals under load.

mod kit;
mod withdrawal;
