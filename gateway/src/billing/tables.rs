//! The tables of an installation: read once, at the start.

use std::io;
use std::path::{Path, PathBuf};

use mappings::tariff::{Files, TableIssue, Tables};

use crate::config::BillingConfig;

/// The tables cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TablesError {
    /// A file cannot be read.
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    /// A file says something that cannot be.
    #[error("{0}")]
    Content(String),
}

/// Issues that are told at once.
const ISSUES_MAX: usize = 20;

/// Reads the operator's tables, in place of those that are shipped. A sandbox has made-up ones.
///
/// # Errors
/// [`TablesError`], with every row that is wrong.
pub fn tables(config: &BillingConfig, is_sandbox: bool) -> Result<Tables, TablesError> {
    let files = [
        &config.channels_file,
        &config.tariffs_file,
        &config.mutualities_file,
        &config.care_funds_file,
        &config.insurability_file,
    ];
    if is_sandbox && files.iter().all(|file| file.is_none()) {
        return Ok(Tables::sandbox());
    }
    let read = |file: &Option<PathBuf>| file.as_deref().map(content).transpose();
    let [channels, tariffs, mutualities, care_funds, insurability] = files.map(read);
    let (channels, tariffs, mutualities, care_funds, insurability) =
        (channels?, tariffs?, mutualities?, care_funds?, insurability?);
    let files = Files {
        channels: channels.as_deref(),
        tariffs: tariffs.as_deref(),
        mutualities: mutualities.as_deref(),
        care_funds: care_funds.as_deref(),
        insurability: insurability.as_deref(),
    };
    Tables::read(&files).map_err(|issues| {
        let told: Vec<String> = issues.iter().take(ISSUES_MAX).map(TableIssue::to_string).collect();
        TablesError::Content(told.join("; "))
    })
}

fn content(file: &Path) -> Result<Vec<u8>, TablesError> {
    std::fs::read(file).map_err(|error| TablesError::File(file.to_owned(), error))
}
