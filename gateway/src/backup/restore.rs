//! A database from a backup: only an empty one is written, and it opens only once it is what the manifest says.

use std::path::Path;

use super::files::{Partial, digest, refuse_existing};
use super::manifest::{DatabaseKind, Manifest};
use super::{BackupError, cannot, postgres};
use crate::storage::moment::{Snapshot, contents_of_file, newest_schema_version};
use crate::storage::restored::{Restoration, begin_restore, end_restore, is_empty, mark_file};

/// A database that was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What it holds.
    pub manifest: Manifest,
}

/// Restores a backup into the empty database of `url`, and marks it: what waited to leave is held when it is opened first. With
/// `verify` each row is held to the manifest, without it the file and the numbers of rows.
///
/// # Errors
/// [`BackupError`]. A file that was to become the database is removed; a PostgreSQL database that is not what it should be opens no
/// more.
pub async fn restore(backup: &Path, url: &str, verify: bool, now_ms: i64) -> Result<Restored, BackupError> {
    let manifest = Manifest::read(backup)?;
    let database = DatabaseKind::of(url);
    if manifest.database != database {
        return Err(BackupError::OtherDatabase(manifest.database, database));
    }
    if manifest.contents.schema_version > newest_schema_version() {
        return Err(BackupError::Newer(manifest.contents.schema_version));
    }
    let restoration = Restoration { taken_ms: manifest.taken_ms, restored_ms: now_ms };
    match database {
        DatabaseKind::Sqlite => into_file(backup, &manifest, url, verify, restoration).await?,
        DatabaseKind::Postgres => into_server(backup, &manifest, url, verify, restoration).await?,
    }
    Ok(Restored { manifest })
}

async fn into_file(
    backup: &Path,
    manifest: &Manifest,
    url: &str,
    verify: bool,
    restoration: Restoration,
) -> Result<(), BackupError> {
    let database = Path::new(url.trim_start_matches("sqlite:"));
    refuse_existing(database)?;
    // A log that a removed database left behind would be played into the new one.
    for ending in ["-wal", "-shm", "-journal"] {
        let mut name = database.file_name().unwrap_or_default().to_owned();
        name.push(ending);
        refuse_existing(&database.with_file_name(name))?;
    }
    let partial = Partial::beside(database)?;
    std::fs::copy(backup, partial.path()).map_err(cannot(backup))?;
    // Of the copy, so that the copying is checked as well.
    is_whole(manifest, partial.path())?;
    manifest.holds(&contents_of_file(partial.path(), verify).await?)?;
    mark_file(partial.path(), restoration).await?;
    partial.keep()
}

async fn into_server(
    backup: &Path,
    manifest: &Manifest,
    url: &str,
    verify: bool,
    restoration: Restoration,
) -> Result<(), BackupError> {
    is_whole(manifest, backup)?;
    if !is_empty(url).await? {
        return Err(BackupError::NotEmpty);
    }
    begin_restore(url, restoration).await?;
    postgres::load(url, backup).await?;
    let mut snapshot = Snapshot::begin(url).await?;
    let found = snapshot.contents(verify).await?;
    snapshot.end().await?;
    manifest.holds(&found)?;
    Ok(end_restore(url).await?)
}

fn is_whole(manifest: &Manifest, file: &Path) -> Result<(), BackupError> {
    let (bytes, sha256) = digest(file)?;
    if bytes != manifest.bytes {
        return Err(BackupError::Differs(format!("the file has {bytes} bytes, not {}", manifest.bytes)));
    }
    if sha256 != manifest.sha256 {
        return Err(BackupError::Differs("the file's SHA-256 is another".to_owned()));
    }
    Ok(())
}
