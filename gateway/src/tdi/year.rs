//! The year of an organisation: its file and its report, read row by row.

use std::collections::BTreeMap;

use mappings::tdi::{CompletenessReport, Date, Language, Table, batch_header, batch_line};
use serde_json::{Value, json};

use super::payload::record;
use super::{REGISTER_RULE, RESOURCE_TYPE};
use crate::access::Caller;
use crate::access::caller::Act;
use crate::app::App;
use crate::clock::format_instant;
use crate::error::Failure;
use crate::storage::resource::Touched;
use crate::storage::sight::Level;
use crate::storage::treatment::TreatmentDemandRow;
use crate::storage::{StorageError, Store};

/// Rows that are read at once.
const PAGE: u32 = 500;
const TAKEN_OUT: Act = Act::new("E", "treatment-file");

/// Whose year, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Year<'y> {
    /// The organisation's id.
    pub organization_id: &'y str,
    /// The year.
    pub year: u16,
}

impl Year<'_> {
    fn compartment(self) -> String {
        format!("organization/{}", self.organization_id)
    }

    /// Hands over every row, page by page.
    async fn each(
        self,
        store: &Store,
        mut take: impl FnMut(&TreatmentDemandRow) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut after = String::new();
        loop {
            let rows = store.treatment_year(&self.compartment(), self.year, (&after, PAGE)).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after.clone_from(&last.id);
            rows.iter().try_for_each(&mut take)?;
        }
    }

    /// Puts it on record that the year is taken out, before any of it is.
    async fn on_record(self, app: &App) -> Result<(), Failure> {
        let caller = Caller::gateway(app.registry().await?, app.clock.now_ms());
        let touched = Touched {
            compartment: self.compartment(),
            resource_type: RESOURCE_TYPE.to_owned(),
            resource_id: String::new(),
            version_id: 0,
            level: Level::Held,
        };
        let event = caller.event(TAKEN_OUT, REGISTER_RULE.0, &touched).asking(&format!("year={}", self.year));
        Ok(app.store.record_only(vec![event]).await?)
    }
}

/// Writes the file of a year, line by line: what is complete and not refused, whether it was submitted already or not. Answers how many
/// records it has.
///
/// # Errors
/// The database is away, or a stored record does not read: then the file is not whole.
pub async fn batch_file(app: &App, year: Year<'_>, mut write: impl FnMut(&str)) -> Result<u64, Failure> {
    year.on_record(app).await?;
    let table = Table::built_in();
    let mut records = 0;
    write(&batch_header(&table));
    year.each(&app.store, |row| {
        if counts(row) {
            write(&batch_line(&table, &record(&table, row)?));
            records += 1;
        }
        Ok(())
    })
    .await?;
    Ok(records)
}

/// The report of a year: how complete it is, what was refused, what is late, and how many records are in which state.
///
/// # Errors
/// As [`batch_file`].
pub async fn report(app: &App, year: Year<'_>, language: Language) -> Result<Value, Failure> {
    year.on_record(app).await?;
    let table = Table::built_in();
    let mut report = CompletenessReport::new(&table, year.year, super::today(app.clock.now_ms())?);
    let mut states: BTreeMap<String, u64> = BTreeMap::new();
    let mut open: Vec<Value> = Vec::new();
    year.each(&app.store, |row| {
        *states.entry(row.state.clone()).or_default() += 1;
        match row.state.as_str() {
            "refused" => report.add_refused(1),
            "draft" | "rejected" => {
                let findings: Value = serde_json::from_str(&row.findings).unwrap_or_default();
                open.push(json!({"id": row.id, "state": row.state, "startedOn": row.started_on, "findings": findings}));
            }
            _ => {
                let sent = (row.sent_ms > 0).then(|| Date::of_date_time(&format_instant(row.sent_ms))).flatten();
                if !report.add(&record(&table, row)?, sent) {
                    return Err(StorageError::Corrupt("the first day of a treatment demand"));
                }
            }
        }
        Ok(())
    })
    .await?;
    let mut report = report.to_value(language);
    report["organization"] = json!(year.organization_id);
    report["states"] = json!(states);
    report["toMend"] = json!(open);
    Ok(report)
}

fn counts(row: &TreatmentDemandRow) -> bool {
    matches!(row.state.as_str(), "valid" | "submitted" | "accepted")
}
