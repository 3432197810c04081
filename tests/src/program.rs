//! The program as it was built beside the tests.

use std::path::PathBuf;
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

/// Tests lie in `deps/`, the program one folder above.
fn path() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps");
    folder.join("wellgate").with_extension(std::env::consts::EXE_EXTENSION)
}
