//! What a backup holds, in a file beside it: `<backup>.manifest.json`. It is written last, so a backup without it is none.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::BackupError;
use crate::storage::moment::{Contents, TableContents, is_of_postgres};

const FORMAT: u32 = 1;
/// A few dozen tables take a few kilobytes.
const BYTES_MAX: u64 = 1024 * 1024;

/// Which database a backup is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseKind {
    /// A file of the database.
    Sqlite,
    /// A dump of `pg_dump`, in its custom format.
    Postgres,
}

impl DatabaseKind {
    /// Which one a URL names.
    pub fn of(url: &str) -> Self {
        if is_of_postgres(url) { Self::Postgres } else { Self::Sqlite }
    }

    /// How files of it end.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "dump",
        }
    }
}

impl fmt::Display for DatabaseKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the manifest.
    pub format: u32,
    /// The program's version.
    pub wellgate: String,
    /// Which database.
    pub database: DatabaseKind,
    /// The moment that the backup shows, in UTC milliseconds.
    pub taken_ms: i64,
    /// The same as FHIR writes it.
    pub taken: String,
    /// The length of the file.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// The tables with their rows.
    pub contents: Contents,
}

impl Manifest {
    /// Of a backup that was just taken.
    pub(super) fn new(
        database: DatabaseKind,
        taken_ms: i64,
        (bytes, sha256): (u64, String),
        contents: Contents,
    ) -> Self {
        let taken = crate::clock::format_instant(taken_ms);
        let wellgate = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, wellgate, database, taken_ms, taken, bytes, sha256, contents }
    }

    /// Where the manifest of a backup is.
    pub fn path(backup: &Path) -> PathBuf {
        let mut name = backup.file_name().unwrap_or_default().to_owned();
        name.push(".manifest.json");
        backup.with_file_name(name)
    }

    /// Reads the manifest of a backup.
    ///
    /// # Errors
    /// [`BackupError::Manifest`].
    pub fn read(backup: &Path) -> Result<Self, BackupError> {
        let file = Self::path(backup);
        let wrong = |cause: String| BackupError::Manifest { file: file.clone(), cause };
        let metadata = std::fs::metadata(&file)
            .map_err(|error| wrong(format!("{error}: a backup without its manifest was broken off, or is none")))?;
        if metadata.len() > BYTES_MAX {
            return Err(wrong("is too long for a manifest".to_owned()));
        }
        let text = std::fs::read_to_string(&file).map_err(|error| wrong(error.to_string()))?;
        let manifest: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(wrong(format!("has form {}, which this version does not read", manifest.format)));
        }
        Ok(manifest)
    }

    /// How many rows there are in all.
    pub fn rows(&self) -> u64 {
        self.contents.tables.iter().map(|table| table.rows).sum()
    }

    /// Holds what a database has to what the backup had: numbers of rows, and hashes where both have them.
    ///
    /// # Errors
    /// [`BackupError::Differs`], with the first table that does.
    pub fn holds(&self, found: &Contents) -> Result<(), BackupError> {
        let differs = |what: String| Err(BackupError::Differs(what));
        let expected = &self.contents;
        if expected.schema_version != found.schema_version {
            return differs(format!("migration {}, not {}", found.schema_version, expected.schema_version));
        }
        let names = |tables: &[TableContents]| tables.iter().map(|table| table.name.clone()).collect::<Vec<_>>();
        if names(&expected.tables) != names(&found.tables) {
            return differs("other tables".to_owned());
        }
        for (expected, found) in expected.tables.iter().zip(&found.tables) {
            if expected.rows != found.rows {
                return differs(format!("table {} has {} rows, not {}", found.name, found.rows, expected.rows));
            }
            if expected.columns != found.columns {
                return differs(format!("table {} has other columns", found.name));
            }
            if !found.hash.is_empty() && expected.hash != found.hash {
                return differs(format!("rows of table {} are not those of the backup", found.name));
            }
        }
        if expected.trail_head != found.trail_head {
            return differs("the last seal of the trail is another".to_owned());
        }
        Ok(())
    }
}
