//! A backup of one moment, while the gateway runs and writes.

use std::path::{Path, PathBuf};

use super::files::{Partial, digest, refuse_existing};
use super::manifest::{DatabaseKind, Manifest};
use super::{BackupError, cannot, postgres};
use crate::storage::moment::{Contents, Snapshot, contents_of_file, copy_sqlite};

/// A backup that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Where it is.
    pub file: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
}

/// Takes a backup into a file, or into a folder under a name of its own. It has its final name only once all of it is on the disk, and
/// its manifest comes last.
///
/// # Errors
/// [`BackupError`]; nothing is left behind then.
pub async fn take(url: &str, to: &Path, now_ms: i64) -> Result<Taken, BackupError> {
    let database = DatabaseKind::of(url);
    let file = destination(to, database, now_ms);
    let manifest_file = Manifest::path(&file);
    refuse_existing(&file)?;
    refuse_existing(&manifest_file)?;
    let partial = Partial::beside(&file)?;
    let contents = match database {
        DatabaseKind::Sqlite => {
            copy_sqlite(url, partial.path()).await?;
            contents_of_file(partial.path(), true).await?
        }
        DatabaseKind::Postgres => dumped(url, partial.path()).await?,
    };
    let manifest = Manifest::new(database, now_ms, digest(partial.path())?, contents);
    let text = serde_json::to_string_pretty(&manifest).map_err(std::io::Error::from).map_err(cannot(&manifest_file))?;
    let beside = Partial::beside(&manifest_file)?;
    beside.write(format!("{text}\n").as_bytes())?;
    partial.keep()?;
    beside.keep()?;
    Ok(Taken { file, manifest })
}

/// The dump and the manifest are of the same moment.
async fn dumped(url: &str, to: &Path) -> Result<Contents, BackupError> {
    let mut snapshot = Snapshot::begin(url).await?;
    let (name, server_version) = snapshot.exported().await?;
    postgres::dump(url, &name, server_version, to).await?;
    let contents = snapshot.contents(true).await?;
    snapshot.end().await?;
    Ok(contents)
}

/// `wellgate-2026-01-01T120000Z.sqlite` in a folder that is there; else the name itself.
fn destination(to: &Path, database: DatabaseKind, now_ms: i64) -> PathBuf {
    if !to.is_dir() {
        return to.to_owned();
    }
    let instant = crate::clock::format_instant(now_ms);
    let moment: String = instant.split('.').next().unwrap_or_default().chars().filter(|mark| *mark != ':').collect();
    to.join(format!("wellgate-{moment}Z.{}", database.ending()))
}
