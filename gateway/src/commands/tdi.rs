//! The operator's commands about the register of treatment demands.

use std::io::Write as _;

use clap::ValueEnum as _;
use mappings::tdi::{Language, Table, questionnaire};
use serde_json::Value;

use super::CommandError;
use crate::cli::{CentreKind, TdiAction, TdiCentre, TdiLanguage, TdiYear};
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::{self, StartError};
use crate::storage::Store;
use crate::storage::treatment::TreatmentCentre;
use crate::tdi::{Year, batch_file, report, today};

/// Registers centres, and prints files and reports.
///
/// # Errors
/// The database cannot be reached, or the organisation is unknown.
pub async fn tdi(config: Config, action: TdiAction) -> Result<(), CommandError> {
    let store = gateway::open(&config).await.map_err(StartError::Open)?;
    let done = match action {
        TdiAction::Centre(centre) => put_centre(&store, centre).await,
        TdiAction::Report(year) => print_year(&config, &store, &year, true).await,
        TdiAction::File(year) => print_year(&config, &store, &year, false).await,
        TdiAction::Questionnaire(form) => print_questionnaire(form.language),
    };
    store.close().await;
    done
}

/// Prints the Questionnaire.
///
/// # Errors
/// The clock is out of the calendar.
pub fn print_questionnaire(language: TdiLanguage) -> Result<(), CommandError> {
    let today = today(Clock::System.now_ms()).map_err(|error| CommandError::Failed(format!("{error:?}")))?;
    print(&questionnaire(&Table::built_in(), today, spoken(language)))
}

/// Prints JSON; who reads only its beginning is no fault of ours to panic on.
fn print(value: &Value) -> Result<(), CommandError> {
    let written = writeln!(std::io::stdout().lock(), "{value:#}");
    written.map_err(|error| CommandError::Failed(format!("it could not be printed: {error}")))
}

async fn is_known(store: &Store, organization: &str) -> Result<(), CommandError> {
    let rows = store.registry().await.map_err(StartError::Storage)?;
    if rows.organizations.iter().any(|row| row.id == organization) {
        return Ok(());
    }
    Err(CommandError::Wrong(format!("no organisation '{organization}' is registered")))
}

async fn put_centre(store: &Store, centre: TdiCentre) -> Result<(), CommandError> {
    is_known(store, &centre.organization).await?;
    let code = |kind: &CentreKind| kind.to_possible_value().map(|value| value.get_name().to_owned());
    let row = TreatmentCentre {
        organization_id: centre.organization.clone(),
        centre_types: centre.kinds.iter().filter_map(code).collect(),
        register_id: centre.register_id.unwrap_or_default(),
    };
    store.put_treatment_centre(&row).await.map_err(StartError::Storage)?;
    let organization = centre.organization;
    if row.centre_types.is_empty() {
        println!("The treatments of Organization/{organization} are not registered any more.");
    } else {
        println!("The treatments of Organization/{organization} are registered: {}.", row.centre_types.join(", "));
    }
    Ok(())
}

async fn print_year(config: &Config, store: &Store, asked: &TdiYear, as_report: bool) -> Result<(), CommandError> {
    is_known(store, &asked.organization).await?;
    let (app, _) = gateway::assemble(config, store.clone(), Clock::System).await?;
    let year = Year { organization_id: &asked.organization, year: asked.year };
    let failed =
        |_| CommandError::Failed("the database did not answer, or a record does not read: see the log".to_owned());
    if as_report {
        let report = report(&app, year, spoken(asked.language)).await.map_err(failed)?;
        return print(&report);
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut written = Ok(());
    let records = batch_file(&app, year, |line| {
        if written.is_ok() {
            written = out.write_all(line.as_bytes());
        }
    })
    .await
    .map_err(failed)?;
    written
        .and_then(|()| out.flush())
        .map_err(|error| CommandError::Failed(format!("the file is not whole: {error}")))?;
    eprintln!("{records} records.");
    Ok(())
}

fn spoken(language: TdiLanguage) -> Language {
    match language {
        TdiLanguage::Nl => Language::Nl,
        TdiLanguage::Fr => Language::Fr,
        TdiLanguage::En => Language::En,
    }
}
