//! SQLite for tests: a file of its own for each call.

use std::cell::RefCell;

use tempfile::TempDir;

thread_local! {
    /// Removed with the thread: a test runs on one of its own.
    static DIRECTORIES: RefCell<Vec<TempDir>> = const { RefCell::new(Vec::new()) };
}

/// The URL of a database that does not exist yet, in a new temporary directory.
///
/// The directory is removed when the calling thread ends, so a test calls this itself and not from a thread that it starts.
///
/// # Panics
/// The machine has no room for temporary files.
pub fn database_url() -> String {
    let directory = tempfile::Builder::new().prefix("wellgate-sqlite.").tempdir();
    let directory = directory.expect("a temporary directory can be made");
    let url = format!("sqlite:{}", directory.path().join("wellgate.sqlite").display());
    DIRECTORIES.with_borrow_mut(|directories| directories.push(directory));
    url
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_database_goes_with_its_thread_and_not_before() {
        let url = std::thread::spawn(|| {
            let url = database_url();
            std::fs::write(url.trim_start_matches("sqlite:"), "content").expect("the directory is there");
            assert_ne!(url, database_url(), "each call makes another");
            url
        });
        let url = url.join().expect("the thread ends well");
        assert!(!Path::new(url.trim_start_matches("sqlite:")).exists(), "{url}");
    }
}
