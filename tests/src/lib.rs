//! What the tests share: databases of their own, a gateway in the process, the published examples, and the built program.
//!
//! `tests/run` sets the variables that are read here; without them each test looks for what it needs itself, so that one
//! test can be run alone with `cargo nextest run`.

pub mod billing;
pub mod browser;
pub mod caller;
pub mod centre;
pub mod certificates;
pub mod corpus;
pub mod gateway;
pub mod hook;
pub mod invoice_file;
pub mod machine;
pub mod mutate;
pub mod partners;
pub mod postgres;
pub mod profile;
pub mod program;
pub mod provider;
pub mod raw;
pub mod receiver;
pub mod record;
pub mod referral;
pub mod resources;
pub mod sqlite;
pub mod vault;
pub mod wire;

use std::path::{Path, PathBuf};

/// Fresh, empty databases, each with the name of its kind: `sqlite`, and `postgres` where a server can be had.
///
/// A story runs on each of them; where there is no PostgreSQL a message says so, and `tests/run` never lets that happen.
///
/// # Panics
/// A database cannot be made.
pub fn databases() -> Vec<(&'static str, String)> {
    let mut databases = vec![("sqlite", sqlite::database_url())];
    databases.extend(postgres::database_url().map(|url| ("postgres", url)));
    databases
}

/// The folder that the project is in.
pub fn project() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().map_or_else(|| tests.to_owned(), Path::to_owned)
}

/// A variable of this process, if it is set and not empty.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration, and take their few settings from here")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
