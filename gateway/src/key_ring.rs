//! The operator's key ring: read from a file or a program, and begun or grown by a command.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::config::RingSource;
use crate::vault::{KeyRing, KeyRingError};

/// The most bytes of a ring: some hundred keys.
const RING_BYTES_MAX: u64 = 64 * 1024;

/// Why a key ring cannot be read or written. The text never repeats a key.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The file is not there, or is not ours to read or write.
    #[error("{0} cannot be used: {1}; `wellgate vault new-key` makes one")]
    File(String, #[source] io::Error),
    /// The program does not run, or fails.
    #[error("is to be printed by a program, and that failed: {0}")]
    Command(String),
    /// There is more than a ring has.
    #[error("is longer than {RING_BYTES_MAX} bytes")]
    Long,
    /// What is there is no ring.
    #[error("cannot be used: {0}")]
    Ring(#[from] KeyRingError),
    /// The system gives no randomness.
    #[error("cannot grow: the system gives no randomness")]
    Randomness,
}

/// Reads a ring.
///
/// # Errors
/// [`RingError`].
pub fn read(source: &RingSource) -> Result<KeyRing, RingError> {
    let text = match source {
        RingSource::File(path) => read_file(path)?,
        RingSource::Command(command) => printed(command)?,
    };
    Ok(KeyRing::read(&text)?)
}

fn read_file(path: &Path) -> Result<String, RingError> {
    let failed = |error| RingError::File(path.display().to_string(), error);
    if std::fs::metadata(path).map_err(failed)?.len() > RING_BYTES_MAX {
        return Err(RingError::Long);
    }
    std::fs::read_to_string(path).map_err(failed)
}

fn printed(command: &str) -> Result<String, RingError> {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let output = Command::new(program).args(words).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| RingError::Command(error.to_string()))?;
    if !output.status.success() {
        return Err(RingError::Command(output.status.to_string()));
    }
    if u64::try_from(output.stdout.len()).unwrap_or(u64::MAX) > RING_BYTES_MAX {
        return Err(RingError::Long);
    }
    String::from_utf8(output.stdout).map_err(|_| RingError::Command("it printed no text".to_owned()))
}

/// Puts a fresh key at the end of a ring's file, which is made where there is none, readable by its owner alone. Answers the name of
/// the key.
///
/// # Errors
/// [`RingError`]; a file that holds something else than a ring is left as it is.
pub fn add_key(path: &Path, now_ms: i64) -> Result<String, RingError> {
    let before = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(RingError::File(path.display().to_string(), error)),
    };
    if !before.is_empty() {
        KeyRing::read(&before)?;
    }
    let name = format!("key-{now_ms}");
    let line = KeyRing::fresh_line(&name).ok_or(RingError::Randomness)?;
    let break_before = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let text = format!("{before}{break_before}{line}");
    KeyRing::read(&text)?;
    write_whole(path, &text).map_err(|error| RingError::File(path.display().to_string(), error))?;
    Ok(name)
}

/// The whole file or none of it: half a ring would lose what its keys wrap.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let beside = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}
