//! FHIR packages from a folder: JSON files, or `.tgz` as npm packs them. Nothing of an archive is written anywhere.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use mappings::json::{Limits, parse};
use mappings::profile::{PackageError, Source};
use serde_json::Value;

/// How deep folders are looked into below the one that is named.
const DEPTH_MAX: usize = 4;
/// Files and entries of archives that are looked at.
const FILES_MAX: usize = 100_000;

/// Why the packages cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// A file cannot be read.
    #[error("validation.packages: {file} cannot be read: {cause}")]
    Unreadable {
        /// The file, or the file within an archive.
        file: String,
        /// Why.
        cause: std::io::Error,
    },
    /// What is in a file cannot be used.
    #[error("validation.packages: {0}")]
    Content(#[from] PackageError),
    /// All together is over a limit.
    #[error("validation.packages: {file}: with this the packages have more than {limit}")]
    TooMuch {
        /// The file.
        file: String,
        /// The limit.
        limit: String,
    },
    /// A profile that is named in the configuration is not loaded.
    #[error("{key}: the profile {url} is in no package")]
    Unknown {
        /// The key.
        key: &'static str,
        /// The canonical.
        url: String,
    },
}

/// Reads every definition, value set and code system in a folder.
///
/// # Errors
/// Names the file that is wrong: unreadable, no JSON, beyond its archive, over a limit.
pub(super) fn read(folder: &Path, bytes_max: u64) -> Result<Vec<Source>, PackagesError> {
    let mut reader = Reader { sources: Vec::new(), bytes: 0, bytes_max, files: 0 };
    reader.folder(folder, 0)?;
    Ok(reader.sources)
}

struct Reader {
    sources: Vec<Source>,
    bytes: u64,
    bytes_max: u64,
    files: usize,
}

fn unreadable(file: impl ToString) -> impl FnOnce(std::io::Error) -> PackagesError {
    move |cause| PackagesError::Unreadable { file: file.to_string(), cause }
}

impl Reader {
    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), PackagesError> {
        let shown = folder.display().to_string();
        let entries = std::fs::read_dir(folder).map_err(unreadable(&shown))?;
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(unreadable(&shown))?;
        // The order does not depend on the file system, so neither does an error.
        paths.sort();
        for path in paths {
            self.count(&path.display().to_string())?;
            if path.is_dir() {
                if depth >= DEPTH_MAX {
                    let limit = format!("{DEPTH_MAX} folders within each other");
                    return Err(PackagesError::TooMuch { file: path.display().to_string(), limit });
                }
                self.folder(&path, depth + 1)?;
            } else if has_ending(&path, "tgz") {
                self.archive(&path)?;
            } else if is_definition(&path) {
                let file = path.display().to_string();
                let opened = File::open(&path).map_err(unreadable(&file))?;
                self.file(file, opened)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, file: &str) -> Result<(), PackagesError> {
        self.files += 1;
        if self.files > FILES_MAX {
            return Err(PackagesError::TooMuch { file: file.to_owned(), limit: format!("{FILES_MAX} files") });
        }
        Ok(())
    }

    fn archive(&mut self, path: &Path) -> Result<(), PackagesError> {
        let shown = path.display().to_string();
        let opened = File::open(path).map_err(unreadable(&shown))?;
        // What is passed over in an archive is unpacked too, and costs as much.
        let unpacked = Bounded { inner: GzDecoder::new(opened), left: self.bytes_max, bytes_max: self.bytes_max };
        let mut archive = tar::Archive::new(unpacked);
        for entry in archive.entries().map_err(unreadable(&shown))? {
            let entry = entry.map_err(unreadable(&shown))?;
            let name = entry.path().map_err(unreadable(&shown))?.into_owned();
            let file = format!("{shown}: {}", name.display());
            self.count(&file)?;
            let is_within = name.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
            if !is_within {
                return Err(wrong(file, "a file of a package lies within it, and this path leads out"));
            }
            let kind = entry.header().entry_type();
            if kind.is_symlink() || kind.is_hard_link() {
                return Err(wrong(file, "a package holds files, and this is a link"));
            }
            // The definitions lie side by side in `package/`; examples and what tools need lie deeper.
            if kind.is_file() && is_definition(&name) && name.components().count() <= 2 {
                self.file(file, entry)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, file: String, content: impl Read) -> Result<(), PackagesError> {
        let mut bytes = Vec::new();
        let left = self.bytes_max.saturating_sub(self.bytes);
        content.take(left.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable(&file))?;
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.bytes > self.bytes_max {
            return Err(PackagesError::TooMuch { file, limit: format!("{} bytes", self.bytes_max) });
        }
        let limits = Limits { values_max: 5_000_000, ..Limits::default() };
        let mut resource = parse(&bytes, limits).map_err(|error| wrong(file.clone(), &error.to_string()))?;
        let kind = resource.get("resourceType").and_then(Value::as_str);
        if matches!(kind, Some("StructureDefinition" | "ValueSet" | "CodeSystem")) {
            // The longest part of most, and nobody reads it here.
            if let Some(members) = resource.as_object_mut() {
                members.remove("text");
            }
            self.sources.push(Source { name: file, resource });
        }
        Ok(())
    }
}

/// What is read ends with an error, and not as if it were whole, where it is longer than it may be.
struct Bounded<R> {
    inner: R,
    left: u64,
    bytes_max: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let read = u64::try_from(count).unwrap_or(u64::MAX);
        self.left = self
            .left
            .checked_sub(read)
            .ok_or_else(|| std::io::Error::other(format!("it unpacks to more than {} bytes", self.bytes_max)))?;
        Ok(count)
    }
}

fn wrong(file: String, message: &str) -> PackagesError {
    PackagesError::Content(PackageError { file, message: message.to_owned() })
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|extension| extension == ending)
}

/// A JSON file, but for what npm and the FHIR tools keep about a package.
fn is_definition(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    has_ending(path, "json") && name != "package.json" && !name.starts_with('.')
}

#[cfg(test)]
mod tests;
