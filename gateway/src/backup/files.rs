//! Files that are there whole or not at all: written under another name, synced, and renamed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{BackupError, cannot};

/// A backup is the records: nobody but its owner reads it.
const OWNER_ONLY: u32 = 0o600;

/// A file beside its final name; removed unless it gets it.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    last: PathBuf,
    is_kept: bool,
}

impl Partial {
    /// An empty file for whatever will be under this name.
    pub(super) fn beside(last: &Path) -> Result<Self, BackupError> {
        let name = last.file_name().unwrap_or_default().to_string_lossy();
        let path = last.with_file_name(format!(".{name}.{}.partial", uuid::Uuid::now_v7().simple()));
        OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&path).map_err(cannot(&path))?;
        Ok(Self { path, last: last.to_owned(), is_kept: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn write(&self, bytes: &[u8]) -> Result<(), BackupError> {
        let mut file = OpenOptions::new().write(true).open(&self.path).map_err(cannot(&self.path))?;
        file.write_all(bytes).map_err(cannot(&self.path))
    }

    /// Gives the file its final name, once all of it is on the disk. Nothing that has the name is written over.
    pub(super) fn keep(mut self) -> Result<(), BackupError> {
        let path = &self.path;
        File::open(path).and_then(|file| file.sync_all()).map_err(cannot(path))?;
        refuse_existing(&self.last)?;
        std::fs::rename(path, &self.last).map_err(cannot(&self.last))?;
        self.is_kept = true;
        sync_folder(&self.last).map_err(cannot(&self.last))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Nothing is written over.
pub(super) fn refuse_existing(path: &Path) -> Result<(), BackupError> {
    // A link that leads nowhere is something, too.
    if std::fs::symlink_metadata(path).is_ok() { Err(BackupError::Exists(path.to_owned())) } else { Ok(()) }
}

/// The length and the SHA-256 of a file, read in pieces.
pub(super) fn digest(path: &Path) -> Result<(u64, String), BackupError> {
    let read = || -> io::Result<(u64, String)> {
        let (mut file, mut hash, mut length) = (File::open(path)?, Sha256::new(), 0);
        let mut piece = vec![0; 256 * 1024];
        loop {
            let count = file.read(&mut piece)?;
            if count == 0 {
                break;
            }
            length += count as u64;
            hash.update(&piece[..count]);
        }
        Ok((length, format!("{:x}", hash.finalize())))
    };
    read().map_err(cannot(path))
}

/// A name is on the disk once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
