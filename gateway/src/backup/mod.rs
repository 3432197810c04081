//! Backups of the database, and databases from backups: the files, their manifest, and the programs of PostgreSQL.
//!
//! No key is in a backup: neither the signing key nor those of TLS, which are files of the operator. `docs/backup.md` says how a backup
//! is used.

mod files;
mod manifest;
mod postgres;
mod restore;
mod take;

use std::io;
use std::path::{Path, PathBuf};

use crate::storage::OpenError;
use crate::storage::moment::MomentError;

pub use manifest::{DatabaseKind, Manifest};
pub use restore::{Restored, restore};
pub use take::{Taken, take};

/// Why there is no backup, or no database from it. What was there before is there still.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file cannot be read or written.
    #[error("{}: {cause}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Something is there already.
    #[error("{} is there already: nothing is written over", .0.display())]
    Exists(PathBuf),
    /// The database cannot be read.
    #[error(transparent)]
    Moment(#[from] MomentError),
    /// The database cannot be reached.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A program of PostgreSQL is missing, too old, or failed.
    #[error("{0}")]
    Program(String),
    /// There is no manifest beside the backup, or none of this program.
    #[error("{}: {cause}", file.display())]
    Manifest {
        /// The manifest.
        file: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The backup is of the other database.
    #[error("this is a backup of {0}, and the configuration names {1}")]
    OtherDatabase(DatabaseKind, DatabaseKind),
    /// The backup is of a newer program.
    #[error(
        "this backup has the schema of migration {0}, which a newer version of wellgate made: restore with that version"
    )]
    Newer(i64),
    /// The database that would be written over has something in it.
    #[error("the database of the configuration is not empty: restore into a new one (docs/backup.md)")]
    NotEmpty,
    /// The backup is not what its manifest says.
    #[error("the backup is not what its manifest says: {0}")]
    Differs(String),
}

fn cannot(file: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let file = file.to_owned();
    move |cause| BackupError::File { file, cause }
}
