//! The program as it was built beside the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

/// `wellgate`, without the `WELLGATE_` variables of the tests: it refuses to start with variables that it does not know.
///
/// # Panics
/// It is not built: `cargo nextest run --workspace` builds it, and `cargo build` does.
#[expect(clippy::disallowed_methods, reason = "only the names are read, to keep them from the program")]
pub fn wellgate() -> Command {
    let path = path();
    assert!(path.is_file(), "{} is not built: run cargo build", path.display());
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WELLGATE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Gives a command a vault in a directory, which the program does not start without.
///
/// # Panics
/// The directory cannot be written to.
pub fn with_vault<'c>(command: &'c mut Command, directory: &Path) -> &'c mut Command {
    let ring = directory.join("key-ring");
    if !ring.exists() {
        gateway::key_ring::add_key(&ring, 1).expect("the directory is there");
    }
    command.env("WELLGATE_VAULT_KEY_STORE", format!("sqlite:{}", directory.join("keys.sqlite").display()));
    command.env("WELLGATE_VAULT_KEY_RING_FILE", ring)
}

/// Tests lie in `deps/`, the program one folder above.
fn path() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps");
    folder.join("wellgate").with_extension(std::env::consts::EXE_EXTENSION)
}
